//! A second program with the matrix library, of which it uses one function, and a probe of the library's name.

#![forbid(unsafe_code)]

fn main() {
    matrix_library::integers(1, 2, 3, 4);
    // Another crate, the same probe: another site, the same semaphore.
    stapes::probe!(matrix, integers, 1_i8, 2_u16, 3_i32, 4_u64);
    // Not the same probe as `a:b_c`.
    stapes::probe!(a_b, c);
    stapes::probe!(a, b_c);
    // Names that are no identifiers.
    stapes::probe!("with-dash", "cache-hit", named = 1_u8);
    stapes::probe!(type, match);
}
