//! A Rust program with a site of a probe that C code has sites of, too.

unsafe extern "C" {
    safe fn other(x: i32) -> i32;
}

fn main() {
    let x = std::env::args().count() as i32;
    stapes::probe!(header, shared, x);
    if stapes::enabled!(header, shared) {
        println!("somebody listens");
    }
    other(x + 1);
}
