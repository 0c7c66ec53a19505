//! The session's tests, in one binary.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cases {
    mod maps;
    mod names;
}

/// Says that a test could not run here, and why, past the test harness's capture.
fn skip(test: &str, reason: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "skip {test}: {reason}");
}
