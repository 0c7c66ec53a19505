//! The matrix library as a shared library for a C program.

#[unsafe(no_mangle)]
pub extern "C" fn matrix_fire() {
    matrix_library::fire();
}

#[unsafe(no_mangle)]
pub extern "C" fn matrix_all_enabled() -> bool {
    matrix_library::all_enabled()
}
