//! Declarations read and written, as the languages' documents have them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "tests/d_files.rs"]
mod d_files;
#[path = "tests/objects.rs"]
mod objects;
#[path = "tests/rust_files.rs"]
mod rust_files;
