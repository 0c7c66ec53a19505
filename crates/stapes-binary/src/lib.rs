//! Bytes to facts: USDT notes, argument specifications, addresses and symbols of ELF files.
//!
//! The layers, from the bytes upwards:
//! [`read`] fetches ranges of a file, [`address`] names the three address spaces,
//! [`argument`] decodes `-4@%esi`, [`probe`] is what a file declares.

#![forbid(unsafe_code)]

pub mod address;
pub mod argument;
pub mod probe;
pub mod read;

pub use address::{Arch, FileOff, LoadBias, Vaddr};
pub use argument::{Arg, ArgSpec, Operand, Register, RegisterClass};
pub use probe::{Probe, Site};
