//! Bytes to facts: USDT notes, argument specifications, addresses and symbols of ELF files.
//!
//! The layers, from the bytes upwards:
//! [`read`] fetches ranges of a file, [`elf`] finds segments and sections in it, [`note`] takes notes apart,
//! [`argument`] decodes `-4@%esi`, [`metadata`] knows what arguments mean where the program says so, [`notes`] makes [`probe`]s of it all.
//! [`validate`](mod@validate) judges the whole.
//! Beside them: [`memory`] knows which addresses hold code, [`symbols`] finds functions and variables,
//! [`site`] looks at the code of a site,
//! [`go`] reads the tables of Go programs,
//! [`address`] names the address spaces and [`glob`] matches bpftrace's wildcards.

#![forbid(unsafe_code)]

pub mod address;
pub mod argument;
pub mod elf;
pub mod glob;
pub mod go;
pub mod memory;
pub mod metadata;
pub mod note;
pub mod notes;
pub mod probe;
pub mod read;
pub mod site;
pub mod symbols;
pub mod validate;

pub use address::{Arch, FileOff, LoadBias, Vaddr};
pub use argument::{Arg, ArgSpec, Operand, Register, RegisterClass};
pub use elf::{Class, Elf, ElfType};
pub use glob::Glob;
pub use metadata::{Described, Meaning};
pub use note::{Problem, ProblemKind};
pub use notes::{BuildId, Notes};
pub use probe::{Probe, Site};
pub use read::{ReadAt, ReadError};
pub use site::{Nop, SiteCode};
pub use symbols::{Symbol, Symbols};
pub use validate::{Finding, Severity, validate};
