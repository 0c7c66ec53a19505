//! The notes of one `.note.stapsdt` section, one by one.
//!
//! A note is `namesz`, `descsz`, `type` (4 bytes each), the owner's name and the descriptor, both padded to 4 bytes
//! (gABI, "Note Section"). A probe's note has the owner `stapsdt\0` and the type 3; its descriptor, as `sys/sdt.h`
//! makes the assembler write it, is three addresses of the file's class (site, base, semaphore) and three strings
//! that end in NUL (provider, name, arguments).
//!
//! A note whose sizes lead out of the section says nothing about where the next one starts.
//! The next one is then sought by its fixed beginning, so one broken note does not hide the good ones behind it.

use std::fmt;

use crate::Vaddr;
use crate::elf::{Class, Fields};

/// One probe's note as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note<'b> {
    /// Offset of the note in the section.
    pub(crate) offset: usize,
    /// The site's address before adjustment.
    pub(crate) pc: u64,
    /// The address of `.stapsdt.base` when the file was linked.
    pub(crate) base: u64,
    /// The semaphore's address before adjustment, or 0.
    pub(crate) semaphore: u64,
    /// Provider, NUL, name: what makes two notes the same probe.
    pub(crate) key: &'b [u8],
    /// How long the provider is.
    pub(crate) provider_len: usize,
    /// The arguments.
    pub(crate) arguments: &'b [u8],
}

/// Something about a file's notes that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is.
    pub kind: ProblemKind,
    /// Where it is, in bytes from the start of the file.
    pub offset: u64,
    /// The field there, such as `n_descsz`.
    pub field: &'static str,
    /// The probe, as `provider:name`, if the note got that far.
    pub probe: Option<String>,
}

/// The kinds of [`Problem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The note's sizes lead out of its section; the note is skipped.
    Truncated,
    /// The descriptor is too short for its three addresses; the note is skipped.
    ShortDescriptor,
    /// A string of the descriptor has no NUL at its end; the note is skipped.
    MissingNul,
    /// A string is not UTF-8; the note is kept, with replacement characters.
    NotUtf8,
    /// `n_descsz` counts padding behind the arguments; the note is kept.
    PaddedDescriptor,
    /// The note's owner is not `stapsdt`, or its type not 3; the note is skipped.
    Foreign,
    /// The linker left the site's function out of the file (`--gc-sections`) but not its note, so that its address,
    /// this one, is an offset in nothing; the note is skipped.
    Stale(Vaddr),
    /// The same probe, site, semaphore and arguments again; one is kept.
    Duplicate,
    /// The file has no `.stapsdt.base`, so its notes cannot be adjusted if it was moved after linking.
    MissingBase,
    /// The section of notes is loaded into memory (`SHF_ALLOC`).
    Allocated,
    /// The section of notes has the type `SHT_PROGBITS` or another one that is not `SHT_NOTE`.
    WrongType,
    /// The file is not linked (`ET_REL`): the addresses of its notes mean nothing yet.
    Relocatable,
    /// The file has no section headers; the notes were found by its program headers.
    NoSectionHeaders,
    /// The section of notes reaches beyond the end of the file; what is there was read.
    BeyondEnd,
    /// The file has more notes than are read; this many bytes of them were left out.
    TooLarge(u64),
    /// The file has more arguments than are decoded: those of this note and the later ones are not.
    TooManyArguments,
    /// There are this many further problems, which are not listed.
    More(u64),
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProblemKind::Truncated => "the note is longer than its section; it is skipped",
            ProblemKind::ShortDescriptor => {
                "the descriptor is too short for three addresses; the note is skipped"
            }
            ProblemKind::MissingNul => "the string does not end in NUL; the note is skipped",
            ProblemKind::NotUtf8 => "the string is not UTF-8",
            ProblemKind::PaddedDescriptor => "the size of the descriptor includes padding",
            ProblemKind::Foreign => "the note is not of owner `stapsdt` and type 3; it is skipped",
            ProblemKind::Stale(pc) => {
                return write!(f, "the note is stale: at {pc} is nothing, for its function was left out of the file; it is skipped");
            }
            ProblemKind::Duplicate => "the same note again; one is kept",
            ProblemKind::MissingBase => "the file has no section `.stapsdt.base`",
            ProblemKind::Allocated => "the section of notes is loaded into memory (SHF_ALLOC)",
            ProblemKind::WrongType => "the section of notes is not of type SHT_NOTE",
            ProblemKind::Relocatable => "the file is not linked (ET_REL), so the addresses are not final",
            ProblemKind::NoSectionHeaders => "the file has no section headers; notes were found by PT_NOTE",
            ProblemKind::BeyondEnd => "the section of notes reaches beyond the end of the file",
            ProblemKind::TooManyArguments => "too many arguments: from here on they are not decoded",
            ProblemKind::TooLarge(bytes) => {
                return write!(f, "too many notes: the last {bytes} bytes were not read");
            }
            ProblemKind::More(count) => return write!(f, "{count} further problems are not listed"),
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {:#x}: {}", self.field, self.offset, self.kind)?;
        match &self.probe {
            Some(probe) => write!(f, " ({probe})"),
            None => Ok(()),
        }
    }
}

/// The beginning of every probe's note behind `n_descsz`: type 3 and the owner.
const OWNER: &[u8] = b"stapsdt\0";
const TYPE: u32 = 3;
const HEADER: usize = 12;

/// What is found on the way through a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item<'b> {
    /// A probe's note; the flag tells whether its `n_descsz` includes padding.
    Note(Note<'b>, bool),
    /// Something wrong at an offset in the section, in a field.
    Wrong(ProblemKind, usize, &'static str),
}

/// Goes through the bytes of a section.
pub(crate) struct Items<'b> {
    bytes: &'b [u8],
    fields: Fields<'b>,
    at: usize,
}

impl<'b> Items<'b> {
    /// `fields` must be over `bytes`.
    pub(crate) fn new(bytes: &'b [u8], fields: Fields<'b>) -> Items<'b> {
        Items { bytes, fields, at: 0 }
    }

    /// Where the next note starts, if its beginning can be recognised behind `after`.
    fn next_recognisable(&self, after: usize) -> usize {
        let rest = self.bytes.get(after..).unwrap_or_default();
        memchr::memmem::find_iter(rest, OWNER)
            .filter_map(|found| (after + found).checked_sub(HEADER))
            .find(|&at| {
                at >= after
                    && at.is_multiple_of(4)
                    && self.fields.u32(at, "").ok() == Some(OWNER.len() as u32)
                    && self.fields.u32(at + 8, "").ok() == Some(TYPE)
            })
            .unwrap_or(self.bytes.len())
    }

    fn note(&self, offset: usize, desc: &'b [u8], desc_at: usize) -> Item<'b> {
        let size = match self.fields.class {
            Class::Elf32 => 4,
            Class::Elf64 => 8,
        };
        let address = |i: usize| self.fields.word(desc_at + i * size, "").ok();
        let (Some(pc), Some(base), Some(semaphore), Some(strings)) =
            (address(0), address(1), address(2), desc.get(3 * size..))
        else {
            return Item::Wrong(ProblemKind::ShortDescriptor, offset + 4, "n_descsz");
        };
        let strings_at = desc_at + 3 * size;
        let mut ends = memchr::memchr_iter(0, strings);
        let missing = |from: usize, field| Item::Wrong(ProblemKind::MissingNul, strings_at + from, field);
        let Some(provider_len) = ends.next() else { return missing(0, "provider") };
        let Some(name_end) = ends.next() else { return missing(provider_len + 1, "name") };
        let Some(end) = ends.next() else { return missing(name_end + 1, "arguments") };
        let note = Note {
            offset,
            pc,
            base,
            semaphore,
            key: &strings[..name_end],
            provider_len,
            arguments: &strings[name_end + 1..end],
        };
        Item::Note(note, end + 1 != strings.len())
    }
}

impl<'b> Iterator for Items<'b> {
    type Item = Item<'b>;

    fn next(&mut self) -> Option<Item<'b>> {
        let at = self.at;
        if at >= self.bytes.len() {
            return None;
        }
        let header = |field: usize| self.fields.u32(at + field, "").ok().map(|n| n as usize);
        let (Some(name_size), Some(desc_size), Some(kind)) = (header(0), header(4), header(8)) else {
            self.at = self.bytes.len();
            // Sections are at times padded at their end.
            return if self.bytes[at..].iter().all(|&b| b == 0) {
                None
            } else {
                Some(Item::Wrong(ProblemKind::Truncated, at, "n_namesz"))
            };
        };
        let name_at = at + HEADER;
        let desc_at = name_size.checked_next_multiple_of(4).and_then(|n| name_at.checked_add(n));
        let name = name_at.checked_add(name_size).and_then(|end| self.bytes.get(name_at..end));
        let desc = desc_at.and_then(|from| self.bytes.get(from..from.checked_add(desc_size)?));
        let (Some(name), Some(desc_at), Some(desc)) = (name, desc_at, desc) else {
            self.at = self.next_recognisable(at + 4);
            let (field, from) = if name.is_some() { ("n_descsz", 4) } else { ("n_namesz", 0) };
            return Some(Item::Wrong(ProblemKind::Truncated, at + from, field));
        };
        // Cannot overflow: the end is at most the section's length rounded up.
        self.at = (desc_at + desc_size).next_multiple_of(4);
        if name != OWNER {
            return Some(Item::Wrong(ProblemKind::Foreign, name_at, "n_name"));
        }
        if kind != TYPE as usize {
            return Some(Item::Wrong(ProblemKind::Foreign, at + 8, "n_type"));
        }
        Some(self.note(at, desc, desc_at))
    }
}
