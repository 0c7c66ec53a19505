//! The kernel engine on the running kernel, with programs written by hand and targets compiled here.
//!
//! Nearly everything needs the privilege to load BPF programs, and a C compiler with `sys/sdt.h`; without,
//! a test is skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod tests {
    mod attach;
    mod errors;
    mod losses;
    mod maps;
    mod programs;
    mod real;
    mod support;
}
