//! What a file declares: probes, each with its sites.

use crate::{Arg, Described, FileOff, Vaddr};

/// A probe: a provider and a name, with all the places where it can fire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The provider, such as `hotspot`.
    pub provider: String,
    /// The name, such as `method__entry`.
    pub name: String,
    /// Every site, in the order of the notes.
    pub sites: Vec<Site>,
}

/// One address of a probe, from one note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The site's address, adjusted by `.stapsdt.base`.
    pub pc: Vaddr,
    /// Where that address is in the file, if a segment holds it.
    pub file_offset: Option<FileOff>,
    /// The semaphore's address, adjusted; `None` where the note says 0.
    pub semaphore: Option<Vaddr>,
    /// Where the semaphore is in the file, if a segment's file part holds it.
    pub semaphore_offset: Option<FileOff>,
    /// The arguments as the note spells them, such as `-4@%esi 8@%rdi`.
    pub arguments: String,
    /// The arguments, each in its place.
    pub args: Vec<Arg>,
    /// The arguments as the program's source has them, where it was built to tell; otherwise empty.
    pub described: Vec<Described>,
    /// The address of `.stapsdt.base` that the note was linked with, or 0 where it names none.
    /// [`Notes::base`](crate::Notes::base) − this was added to the note's addresses.
    pub base: Vaddr,
    /// Offset of the note in the file.
    pub note_offset: u64,
}

impl Probe {
    /// `provider:name`.
    pub fn full_name(&self) -> String {
        format!("{}:{}", self.provider, self.name)
    }
}
