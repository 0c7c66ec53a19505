//! The tests of the language from outside, in one binary.

#[path = "tests/parse.rs"]
mod parse;
