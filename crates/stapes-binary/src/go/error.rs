//! Why a file cannot be read as a Go program.

use std::fmt;

use crate::{ReadError, Vaddr};

/// Why a file cannot be read as a Go program, or one of its tables not.
#[derive(Debug)]
pub enum GoError {
    /// Nothing in the file says that the Go linker made any of it.
    NotGo,
    /// The program is packed, so that its tables are only there once it runs.
    Packed {
        /// The packer.
        with: &'static str,
    },
    /// The tables are of a Go before 1.18, whose layout is another.
    TooOld {
        /// What the build information says, if there is any.
        version: Option<String>,
        /// The versions that wrote such tables.
        tables: &'static str,
    },
    /// The file was made by Go, but no table of functions can be recognized in it.
    Garbled {
        /// What the build information says, if there is any.
        version: Option<String>,
    },
    /// A program for a machine whose code is not understood.
    Machine(u16),
    /// The file ends before what a table says is there.
    Truncated {
        /// The table.
        table: &'static str,
        /// Where the missing bytes should be.
        address: Vaddr,
    },
    /// A table contradicts itself.
    Damaged {
        /// The table.
        table: &'static str,
        /// Where.
        address: Vaddr,
        /// What is wrong there.
        reason: &'static str,
    },
    /// This version of Go lays something out in a way that is not known; functions can be read.
    Unknown {
        /// What cannot be read.
        table: &'static str,
    },
    /// The file cannot be read.
    Read(ReadError),
}

impl fmt::Display for GoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let says = |f: &mut fmt::Formatter<'_>, version: &Option<String>| match version {
            Some(version) => write!(f, " (its build information says {version})"),
            None => Ok(()),
        };
        match self {
            GoError::NotGo => f.write_str("not a Go binary"),
            GoError::Packed { with } => {
                write!(f, "packed with {with}: unpack it first, its tables are not in the file")
            }
            GoError::TooOld { version, tables } => {
                write!(f, "built by a Go that is too old: its tables are those of Go {tables}")?;
                says(f, version)?;
                f.write_str("; Go 1.18 or newer is needed")
            }
            GoError::Garbled { version } => {
                f.write_str("a Go binary without a table of functions that can be recognized")?;
                says(f, version)?;
                f.write_str(": garbled, or damaged")
            }
            GoError::Machine(machine) => {
                write!(f, "a program for machine {machine}; Go programs are read for x86_64 and aarch64")
            }
            GoError::Truncated { table, address } => {
                write!(f, "{table} is truncated: the file ends before address {address}")
            }
            GoError::Damaged { table, address, reason } => {
                write!(f, "{table} is damaged at address {address}: {reason}")
            }
            GoError::Unknown { table } => {
                write!(
                    f,
                    "{table} cannot be read: this version of Go lays them out in a way that is not known"
                )
            }
            GoError::Read(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for GoError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            GoError::Read(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ReadError> for GoError {
    fn from(error: ReadError) -> GoError {
        GoError::Read(error)
    }
}
