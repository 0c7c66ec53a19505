//! The command from outside: what it prints and how it exits, against the tools that do the same.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cases {
    mod arithmetic;
    mod compare;
    mod definitions;
    mod findings;
    mod generate;
    mod go;
    mod guides;
    mod list;
    mod one_liners;
    mod processes;
    mod real;
    mod scripts;
    pub(crate) mod support;
    pub(crate) mod tracer;
    mod tracing;
}
