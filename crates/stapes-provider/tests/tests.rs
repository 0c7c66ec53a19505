//! The crate from outside: images against their peers, events against tracers, and every kind of trouble.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

#[path = "tests/environment.rs"]
mod environment;
#[path = "tests/forks.rs"]
mod forks;
#[path = "tests/image.rs"]
mod image;
#[path = "tests/names.rs"]
mod names;
#[path = "tests/programs.rs"]
mod programs;
#[path = "tests/semaphores.rs"]
mod semaphores;
#[path = "tests/storm.rs"]
mod storm;
#[path = "tests/subject.rs"]
mod subject;
#[path = "tests/support.rs"]
mod support;
#[path = "tests/tracer.rs"]
mod tracer;
#[path = "tests/values.rs"]
mod values;
