//! What the compiler is told about the world: the probes that exist, and the machine that the code is for.
//!
//! The compiler does no IO.
//! The session reads the files and processes that a script's attach points name and answers with a [`Catalog`];
//! the same script, catalog and target give the same object.

use stapes_binary::{Arch, Probe, Vaddr};
use stapes_bpf::Image;

/// What was found for each attach point of a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// The files that matches refer to.
    pub images: Vec<Image>,
    /// For each attach point, in the order of [`Script::attach_points`](crate::ast::Script::attach_points), what matched it.
    pub answers: Vec<Answer>,
}

/// What was found for one attach point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The probes that match; empty for BEGIN and other points that name no file.
    pub matches: Vec<Match>,
    /// Names of the same kind that exist, to suggest from when nothing matches.
    pub near: Vec<String>,
    /// Why the search could not be made, if it could not: "no such file", "permission denied".
    pub failure: Option<String>,
}

/// One probe that matches an attach point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Index into [`Catalog::images`].
    pub image: u32,
    /// The architecture of the file.
    pub arch: Arch,
    /// The full name, as the builtin `probe` gives it: `usdt:/usr/bin/x:provider:name`, `uprobe:/usr/bin/x:main`.
    pub name: String,
    /// What was found.
    pub place: Place,
    /// Those of [`Script::variables`](crate::ast::Script::variables) that the file has.
    pub variables: Vec<Variable>,
}

/// A variable of a traced program, for `uaddr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name in the symbol table.
    pub name: String,
    /// Where it is.
    pub address: Vaddr,
    /// Its bytes, 0 if the symbol table does not say.
    pub size: u64,
}

/// The place, or places, of one match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A USDT probe with all its sites. Symbols in its arguments have been looked up.
    Usdt {
        /// The probe.
        probe: Probe,
        /// For each site, the function that it is in, for the builtin `func`.
        functions: Vec<Option<String>>,
    },
    /// An instruction of a function.
    Function {
        /// The function, for the builtin `func`.
        function: String,
        /// The instruction's address.
        address: Vaddr,
        /// Where the instruction is in the file.
        file_offset: u64,
    },
}

/// The machine and kernel that the code is for. A value: tests pass their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The architecture that runs the programs.
    pub arch: Arch,
    /// Whether programs can attach by `uprobe_multi` (Linux 6.6), so that user memory can be faulted in.
    pub uprobe_multi: bool,
    /// Whether the kernel function `bpf_copy_from_user_str` exists (Linux 6.12).
    pub copy_from_user_str: bool,
    /// Whether `bpf_get_attach_cookie` works at uprobes (Linux 5.15).
    pub attach_cookie: bool,
    /// Whether the kernel knows the instructions of eBPF's version 4 (Linux 6.6): signed division, sign extension.
    pub bpf_v4: bool,
    /// The number of possible CPUs.
    pub cpus: u32,
    /// Bytes in a page of memory.
    pub page_size: u32,
}

/// What the user configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The most bytes that `str()` gives, its NUL included.
    pub max_strlen: u32,
    /// Keys per map.
    pub max_map_keys: u32,
    /// Bytes of the ring buffer; rounded up to a power of two.
    pub ring_bytes: u32,
    /// The most probes that a script may attach to.
    pub max_probes: u32,
    /// Positional parameters `$1`….
    pub parameters: Vec<String>,
    /// Whether `system()`, `cat()` and their kin are allowed.
    pub allow_unsafe: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            max_strlen: 1024,
            max_map_keys: 4096,
            ring_bytes: 2 << 20,
            max_probes: 65536,
            parameters: Vec::new(),
            allow_unsafe: false,
        }
    }
}
