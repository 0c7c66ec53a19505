//! Declarations of probes, apart from any program: what providers there are, and what their probes pass.
//!
//! They are read from DTrace's provider files ([`d_file`]) and from Rust sources with `#[stapes::provider]` ([`rust_file`]),
//! and written as a C header ([`header`]), an object file with semaphores ([`object`]), a Rust module ([`rust_module`])
//! and a table for people ([`table`]).
//!
//! Text and bytes go in and out; nothing here reads or writes a file.
//!
//! ```
//! let providers = stapes_declaration::d_file::parse("provider app { probe hit(char *key, int size); };")?;
//! assert_eq!(providers[0].probes[0].arguments[1].name, "size");
//! # Ok::<(), stapes_declaration::Error>(())
//! ```

#![forbid(unsafe_code)]

pub mod c_type;
pub mod d_file;
pub mod header;
pub mod object;
pub mod rust_file;
pub mod rust_module;
pub mod table;

mod text;

use std::fmt;

/// The most values that tracers decode per probe; libbpf refuses a note with more.
pub const MOST_VALUES: usize = 12;

/// A provider: a name with probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The name, as notes have it.
    pub name: String,
    /// What the source says about it.
    pub documentation: String,
    /// The probes, in the order of the source.
    pub probes: Vec<Probe>,
}

/// A probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The name, as notes have it.
    pub name: String,
    /// What the source says about it.
    pub documentation: String,
    /// What it passes.
    pub arguments: Vec<Argument>,
    /// Whether it has a semaphore, so that the program can ask if somebody listens.
    pub has_semaphore: bool,
}

impl Probe {
    /// How many values the arguments take in a note.
    pub fn values(&self) -> usize {
        self.arguments.iter().map(|argument| argument.kind.values()).sum()
    }
}

/// An argument of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// The name; empty where the source has none.
    pub name: String,
    /// The type as the source spells it.
    pub text: String,
    /// What that is.
    pub kind: Kind,
}

/// What an argument is, whatever the language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An unsigned integer of so many bytes.
    Unsigned(u8),
    /// A signed integer of so many bytes.
    Signed(u8),
    /// C's `char`, whose sign is the platform's choice.
    CChar,
    /// `_Bool`, `bool`.
    Bool,
    /// Rust's `char`: a Unicode scalar value.
    Char,
    /// A floating point number of so many bytes.
    Float(u8),
    /// The address of something.
    Pointer,
    /// The address of text that ends at its NUL.
    CString,
    /// UTF-8 text: address and length.
    String,
    /// Bytes: address and number.
    Bytes,
    /// The address of text that ends at its NUL, and its length.
    CStringWithLength,
    /// Any of these, or nothing.
    Optional(Box<Kind>),
    /// A type that the source does not explain.
    Unknown,
}

impl Kind {
    /// How many values it takes in a note: an address with a length takes two, an optional number takes a flag as well.
    pub fn values(&self) -> usize {
        match self {
            Kind::String | Kind::Bytes | Kind::CStringWithLength => 2,
            Kind::Optional(kind) => match **kind {
                Kind::Pointer | Kind::CString => 1,
                _ => 2,
            },
            _ => 1,
        }
    }
}

/// What is wrong with a source, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for Error {}
