//! The C interface from C and C++: compiled programs that use each function and field, and tracers that hear them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

/// The library that the programs are linked with.
const LIBRARY: &str = "stapsdt";

#[path = "tests/compiled.rs"]
mod compiled;
#[path = "tests/examples.rs"]
mod examples;
#[path = "tests/firing.rs"]
mod firing;
#[path = "tests/programs.rs"]
mod programs;
#[path = "../../stapes-provider/tests/tests/support.rs"]
mod support;
#[path = "tests/traced.rs"]
mod traced;
#[path = "../../stapes-provider/tests/tests/tracer.rs"]
mod tracer;
#[path = "tests/wrappers.rs"]
mod wrappers;
