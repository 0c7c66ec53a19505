//! The session's tests, in one binary.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cases {
    mod catalog;
    mod maps;
    mod names;
    mod process;
    mod support;
}
