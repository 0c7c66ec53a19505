//! The tree's own rules, checked: what ARCHITECTURE.md says of crates and of `unsafe`, and how files are kept.
//! And what belongs to no crate: the C header.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod rules {
    mod licences;
    mod tidy;
}

/// The C header, `include/stapes.h`: what it promises, held against compilers, linkers and tracers.
mod header {
    mod compilers;
    mod guide;
    mod instructions;
    mod linking;
    mod program;
    mod toolchain;
    mod tracers;
    mod values;
}
