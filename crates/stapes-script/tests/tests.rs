//! The tests of the language from outside, in one binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

#[path = "tests/attach.rs"]
mod attach;
#[path = "tests/diagnose.rs"]
mod diagnose;
#[path = "tests/documents.rs"]
mod documents;
#[path = "tests/emit/mod.rs"]
mod emit;
#[path = "tests/examples.rs"]
mod examples;
#[path = "tests/language/mod.rs"]
mod language;
#[path = "tests/parse.rs"]
mod parse;
#[path = "tests/random.rs"]
mod random;
#[path = "tests/robust.rs"]
mod robust;
#[path = "tests/tree.rs"]
mod tree;
