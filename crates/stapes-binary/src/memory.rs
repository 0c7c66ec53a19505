//! What a file is when it is loaded: which addresses hold code, which data, and which nothing.

use crate::elf::{Elf, PF_X, PT_LOAD, SHF_ALLOC, SHF_EXECINSTR, SHT_NOBITS, SHT_PROGBITS, Section, Segment};
use crate::{FileOff, Vaddr};

/// The loaded segments and sections of a file, by address.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    loads: Loads,
    sections: Vec<Section>,
}

/// What is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing.
    Unmapped,
    /// Something that is not code.
    NotExecutable,
    /// Code.
    Executable,
}

impl Memory {
    /// The memory of a file.
    pub fn new(elf: &Elf<'_>) -> Memory {
        let loaded = elf.sections.iter().filter(|s| s.flags & SHF_ALLOC != 0 && s.size > 0);
        let mut sections: Vec<Section> = loaded.copied().collect();
        sections.sort_by_key(|s| s.address);
        Memory { loads: Loads::new(&elf.segments), sections }
    }

    /// Whether the file has section headers, so that more is known than the segments say.
    pub fn has_sections(&self) -> bool {
        !self.sections.is_empty()
    }

    /// The segment that is loaded at an address.
    pub fn segment(&self, address: Vaddr) -> Option<&Segment> {
        self.loads.at(address)
    }

    /// What is at an address.
    ///
    /// Sections decide where there are any: a segment that is executable may begin with the file's headers.
    pub fn place(&self, address: Vaddr) -> Place {
        let Some(segment) = self.segment(address) else { return Place::Unmapped };
        let in_code = || self.section(address).is_some_and(|s| s.flags & SHF_EXECINSTR != 0);
        if segment.flags & PF_X != 0 && (!self.has_sections() || in_code()) {
            Place::Executable
        } else {
            Place::NotExecutable
        }
    }

    /// Whether an address that is not code is what linkers leave of a function that they collected:
    /// its offset in the function's section as if that stood at address 0, so before anything a note can mean.
    pub fn looks_stale(&self, address: Vaddr) -> bool {
        if !self.has_sections() {
            return address.0 < 0x1000 && self.loads.first_code().is_some_and(|first| address < first);
        }
        let first = self.sections.iter().find(|s| s.flags & SHF_EXECINSTR != 0);
        let before_code = first.is_some_and(|first| address.0 < first.address);
        // The program's own data is where broken notes point; the linker's tables are where nobody points.
        before_code && self.section(address).is_none_or(|s| !matches!(s.kind, SHT_PROGBITS | SHT_NOBITS))
    }

    fn section(&self, address: Vaddr) -> Option<&Section> {
        let after = self.sections.partition_point(|s| s.address <= address.0);
        // A thread-local section takes no room, so the one before it may reach over it.
        self.sections[..after].iter().rev().take(3).find(|s| address.0 - s.address < s.size)
    }
}

/// The loaded segments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loads {
    sorted: Vec<Segment>,
}

impl Loads {
    pub(crate) fn new(segments: &[Segment]) -> Loads {
        let mut sorted: Vec<_> = segments.iter().filter(|s| s.kind == PT_LOAD).copied().collect();
        // The gABI has them in ascending order already; a file that has not is still read the same way.
        sorted.sort_by_key(|s| s.address);
        Loads { sorted }
    }

    pub(crate) fn at(&self, address: Vaddr) -> Option<&Segment> {
        let after = self.sorted.partition_point(|s| s.address <= address.0);
        let segment = &self.sorted[after.checked_sub(1)?];
        (address.0 - segment.address < segment.memory_size.max(segment.file_size)).then_some(segment)
    }

    pub(crate) fn file_offset(&self, address: Vaddr) -> Option<FileOff> {
        let load = self.at(address)?;
        let within = address.0 - load.address;
        if within >= load.file_size {
            return None;
        }
        load.offset.checked_add(within).map(FileOff)
    }

    /// The lowest address of a segment with code.
    fn first_code(&self) -> Option<Vaddr> {
        self.sorted.iter().find(|s| s.flags & PF_X != 0).map(|s| Vaddr(s.address))
    }
}
