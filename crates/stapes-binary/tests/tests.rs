//! The crate from outside: recorded arguments, real files against their peers, and broken files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

#[path = "tests/peers.rs"]
mod peers;
#[path = "tests/support.rs"]
mod support;
