//! The system calls of this crate, and its only `unsafe`: everything above speaks to the kernel through
//! safe functions.
//!
//! What the functions here guarantee to their callers: every buffer whose address goes to the kernel is as
//! long as the kernel will read or write, lives until the call returns, and every descriptor that comes
//! back is owned once.

#![allow(unsafe_code, reason = "this is the crate's one place for system calls")]

pub(crate) mod bpf;
pub(crate) mod decoy;
pub(crate) mod map;
pub(crate) mod memory;
pub(crate) mod perf;
pub(crate) mod process;
