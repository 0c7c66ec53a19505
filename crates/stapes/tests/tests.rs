//! What the crate promises, asked of the compilers, linkers and tracers that users have.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "tests/described.rs"]
mod described;
#[path = "tests/header.rs"]
mod header;
#[path = "tests/instructions.rs"]
mod instructions;
#[path = "tests/matrix.rs"]
mod matrix;
#[path = "tests/providers.rs"]
mod providers;
#[path = "tests/refusals.rs"]
mod refusals;
#[path = "tests/toolchain.rs"]
mod toolchain;
#[path = "tests/tracers.rs"]
mod tracers;
#[path = "tests/usage.rs"]
mod usage;
