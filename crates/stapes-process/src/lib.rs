//! Holds and starts target processes by ptrace.
//!
//! [`Spawned`] starts a command so that it can be traced from its first instruction.

#![deny(unsafe_code)]

pub mod spawn;
mod sys;

pub use spawn::{SpawnError, SpawnOptions, Spawned, Until};
