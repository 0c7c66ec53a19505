//! The bpftrace language, compiled to eBPF: text → tokens → tree → checked tree → IR → [`stapes_bpf::Object`].
//!
//! Pure: no file is opened, no process looked at, no clock read.
//! What exists in the world comes in as a [`catalog::Catalog`], what the machine can do as a [`catalog::Target`].

#![forbid(unsafe_code)]

pub mod ast;
pub mod attach;
mod bits;
mod builtins;
pub mod catalog;
mod check;
mod compile;
pub mod diagnostics;
pub mod emit;
mod functions;
pub mod ir;
mod lexer;
mod literal;
mod lower;
mod parser;
pub mod print;
mod registers;
pub mod render;
pub mod suggest;
mod tree;

pub use compile::{compile, lower};
pub use parser::{MAX_DEPTH, MAX_SIZE, decode, parse, parse_with};
