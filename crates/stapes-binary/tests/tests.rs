//! The crate from outside: recorded arguments, real files against their peers, and broken files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

#[path = "tests/arguments.rs"]
mod arguments;
#[path = "tests/build.rs"]
mod build;
#[path = "tests/compiled.rs"]
mod compiled;
#[path = "tests/go.rs"]
mod go;
#[path = "tests/go_hostile.rs"]
mod go_hostile;
#[path = "tests/go_programs.rs"]
mod go_programs;
#[path = "tests/go_tiny.rs"]
mod go_tiny;
#[path = "tests/hostile.rs"]
mod hostile;
#[path = "tests/notes.rs"]
mod notes;
#[path = "tests/peers.rs"]
mod peers;
#[path = "tests/support.rs"]
mod support;
#[path = "tests/symbols.rs"]
mod symbols;
#[path = "tests/validate.rs"]
mod validate;
