//! The address spaces that must never be mixed, and the architectures that have them.

use std::fmt;

/// An address as the ELF file states it (`p_vaddr`, `st_value`), before any load bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Vaddr(pub u64);

/// An offset in bytes from the start of the file: what uprobes attach to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileOff(pub u64);

/// What the loader added to every [`Vaddr`] of one mapping of a file: run-time address − `Vaddr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LoadBias(pub u64);

impl fmt::Display for Vaddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for FileOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl Vaddr {
    /// The address at run time under `bias`, wrapping as the loader does.
    pub fn at(self, bias: LoadBias) -> u64 {
        self.0.wrapping_add(bias.0)
    }
}

/// The architectures whose notes are understood (`e_machine`, with class and byte order where they matter).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// `EM_X86_64`, 64-bit.
    X86_64,
    /// `EM_386`.
    I386,
    /// `EM_AARCH64`.
    Aarch64,
    /// `EM_ARM`.
    Arm,
    /// `EM_PPC64`, little endian.
    Ppc64le,
    /// `EM_S390`, 64-bit, big endian.
    S390x,
    /// `EM_RISCV`, 64-bit.
    Riscv64,
}

impl Arch {
    /// The name that `uname -m` gives.
    pub fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::I386 => "i386",
            Arch::Aarch64 => "aarch64",
            Arch::Arm => "arm",
            Arch::Ppc64le => "ppc64le",
            Arch::S390x => "s390x",
            Arch::Riscv64 => "riscv64",
        }
    }

    /// Bytes in a pointer, and in an address of a note.
    pub fn pointer_size(self) -> u8 {
        match self {
            Arch::I386 | Arch::Arm => 4,
            _ => 8,
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
