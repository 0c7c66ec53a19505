//! The tree's own rules, checked: what ARCHITECTURE.md says of crates and of `unsafe`, and how files are kept.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod rules {
    mod licences;
    mod tidy;
}
