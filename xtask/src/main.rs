//! The project's own automation, called as `cargo xtask TASK`.

fn main() {}
