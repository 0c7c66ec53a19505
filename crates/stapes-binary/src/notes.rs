//! All the probes of a file, from its notes: [`read`].
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = std::fs::File::open("/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so")?;
//! if let Some(notes) = stapes_binary::notes::read(&file)? {
//!     for probe in &notes.probes {
//!         for site in &probe.sites {
//!             println!("{}:{} at {} {}", probe.provider, probe.name, site.pc, site.arguments);
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use crate::elf::{Elf, PT_NOTE, SHF_ALLOC, SHT_NOBITS, SHT_NOTE};
use crate::memory::{Memory, Place};
use crate::note::{Item, Items, Note, Problem, ProblemKind};
use crate::read::ReadAt;
use crate::{Arch, Arg, Class, ElfType, Probe, ReadError, Site, Vaddr, argument, metadata};

/// What the notes of a file say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notes {
    /// The architecture; `None` if it is not one whose arguments are understood.
    /// The probes of such a file are listed all the same, with arguments that are not decoded.
    pub arch: Option<Arch>,
    /// `e_machine`.
    pub machine: u16,
    /// The file's class.
    pub class: Class,
    /// `e_type`.
    pub kind: ElfType,
    /// The GNU build id. Looked for only in files that have probes.
    pub build_id: Option<BuildId>,
    /// The address of `.stapsdt.base`, which notes are adjusted by.
    pub base: Option<Vaddr>,
    /// The probes, in the order of their first notes, each with all its sites.
    pub probes: Vec<Probe>,
    /// What is wrong or unusual, in the order in which it was found; none of it keeps the good notes from being read.
    pub problems: Vec<Problem>,
}

/// The content of a `NT_GNU_BUILD_ID` note; displays as lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BuildId(pub Vec<u8>);

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The most bytes of notes that are read of one file: some millions of notes.
const MAX_NOTE_BYTES: u64 = 256 << 20;
/// The most arguments that are decoded of one file: four for each of a million notes.
const MAX_ARGUMENTS: usize = 4 << 20;
/// The most problems that are kept.
const MAX_PROBLEMS: usize = 1000;

/// Reads the probes of a file; `None` if it is not ELF.
///
/// Costs two reads for an ELF file without notes, about two more for one with them, and memory for what it returns.
/// Symbols in arguments have no addresses yet: [`symbols::resolve`](crate::symbols::resolve) looks them up.
///
/// # Errors
/// The ELF header, the section headers or the program headers are broken.
/// What is wrong with notes themselves is in [`Notes::problems`].
pub fn read(source: &dyn ReadAt) -> Result<Option<Notes>, ReadError> {
    Elf::open(source)?.map(|elf| of_elf(&elf)).transpose()
}

/// As [`read`], for a file whose headers were read already.
///
/// # Errors
/// The file cannot be read.
pub fn of_elf(elf: &Elf<'_>) -> Result<Notes, ReadError> {
    let parts = parts(elf);
    let mut collector = Collector {
        elf,
        memory: if parts.is_empty() { Memory::default() } else { Memory::new(elf) },
        base: elf.sections_named(b".stapsdt.base").next().map(|(_, s)| Vaddr(s.address)),
        probes: Vec::new(),
        by_site: HashMap::new(),
        problems: Vec::new(),
        more: 0,
        arguments_left: MAX_ARGUMENTS,
        described: metadata::BySite::new(),
    };
    if !parts.is_empty() {
        let mut problems = Vec::new();
        collector.described = metadata::read(elf, collector.base, |problem| problems.push(problem))?;
        collector.problems = problems;
    }
    let mut left = MAX_NOTE_BYTES;
    let mut bytes = Vec::with_capacity(parts.len());
    for part in &parts {
        bytes.push(collector.bytes_of(part, &mut left)?);
    }
    let mut by_key = HashMap::new();
    for (part, bytes) in parts.iter().zip(&bytes) {
        collector.section(part, bytes, &mut by_key);
    }
    collector.finish(&parts)
}

/// A place where notes are.
struct Part {
    offset: u64,
    size: u64,
    kind: PartKind,
}

#[derive(PartialEq)]
enum PartKind {
    /// A section: its type and flags.
    Section(u32, u64),
    /// A segment, where notes of other owners are nothing unusual.
    Segment,
}

fn parts(elf: &Elf<'_>) -> Vec<Part> {
    if elf.sections.is_empty() {
        let notes = elf.segments.iter().filter(|s| s.kind == PT_NOTE);
        return notes
            .map(|s| Part { offset: s.offset, size: s.file_size, kind: PartKind::Segment })
            .collect();
    }
    elf.sections_named(b".note.stapsdt")
        .filter(|(_, s)| s.kind != SHT_NOBITS && s.size > 0)
        .map(|(_, s)| Part { offset: s.offset, size: s.size, kind: PartKind::Section(s.kind, s.flags) })
        .collect()
}

struct Collector<'a> {
    elf: &'a Elf<'a>,
    memory: Memory,
    base: Option<Vaddr>,
    probes: Vec<Probe>,
    /// (probe, pc) → the first site there.
    by_site: HashMap<(usize, u64), usize>,
    problems: Vec<Problem>,
    more: u64,
    arguments_left: usize,
    described: metadata::BySite,
}

impl Collector<'_> {
    fn bytes_of(&mut self, part: &Part, left: &mut u64) -> Result<Vec<u8>, ReadError> {
        let size = part.size.min(*left);
        if size < part.size {
            self.problem(ProblemKind::TooLarge(part.size - size), part.offset + size, "sh_size", None);
        }
        let bytes = self.elf.read(part.offset, size, size, "sh_offset of .note.stapsdt")?;
        if (bytes.len() as u64) < size {
            self.problem(ProblemKind::BeyondEnd, part.offset, "sh_size", None);
        }
        *left -= bytes.len() as u64;
        Ok(bytes)
    }

    fn section<'b>(&mut self, part: &Part, bytes: &'b [u8], by_key: &mut HashMap<&'b [u8], usize>) {
        for item in Items::new(bytes, self.elf.fields(bytes, part.offset)) {
            match item {
                Item::Note(note, padded) => self.note(part, &note, padded, by_key),
                Item::Wrong(ProblemKind::Foreign, ..) if part.kind == PartKind::Segment => {}
                Item::Wrong(kind, at, field) => self.problem(kind, part.offset + at as u64, field, None),
            }
        }
    }

    fn note<'b>(
        &mut self,
        part: &Part,
        note: &Note<'b>,
        padded: bool,
        by_key: &mut HashMap<&'b [u8], usize>,
    ) {
        let at = part.offset + note.offset as u64;
        let pc = self.adjust(note, note.pc);
        if self.is_stale(note, pc) {
            let key = String::from_utf8_lossy(note.key).replacen('\0', ":", 1);
            return self.problem(ProblemKind::Stale(pc), at, "pc", Some(key));
        }
        let index = match by_key.entry(note.key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let provider = String::from_utf8_lossy(&note.key[..note.provider_len]);
                let name = String::from_utf8_lossy(&note.key[note.provider_len + 1..]);
                if std::str::from_utf8(note.key).is_err() {
                    let probe = format!("{provider}:{name}");
                    self.problem(ProblemKind::NotUtf8, at, "provider and name", Some(probe));
                }
                self.probes.push(Probe {
                    provider: provider.into_owned(),
                    name: name.into_owned(),
                    // Most probes have one site; room for four would be most of a large file's memory.
                    sites: Vec::with_capacity(1),
                });
                *new.insert(self.probes.len() - 1)
            }
        };
        if padded {
            let probe = Some(self.probes[index].full_name());
            self.problem(ProblemKind::PaddedDescriptor, at + 4, "n_descsz", probe);
        }
        let arguments = String::from_utf8_lossy(note.arguments);
        if matches!(arguments, std::borrow::Cow::Owned(_)) {
            let probe = Some(self.probes[index].full_name());
            self.problem(ProblemKind::NotUtf8, at, "arguments", probe);
        }

        let args = self.arguments(&arguments, at);
        let site = self.site(note, pc, at, arguments.into_owned(), args);
        let sites = &mut self.probes[index].sites;
        match self.by_site.entry((index, site.pc.0)) {
            Entry::Vacant(new) => {
                new.insert(sites.len());
                sites.push(site);
            }
            Entry::Occupied(first) => {
                let known = &sites[*first.get()];
                if known.semaphore == site.semaphore && known.arguments == site.arguments {
                    let probe = Some(self.probes[index].full_name());
                    self.problem(ProblemKind::Duplicate, at, "note", probe);
                } else {
                    sites.push(site);
                }
            }
        }
    }

    /// Decodes the arguments of a note while there is room for them.
    fn arguments(&mut self, arguments: &str, at: u64) -> Vec<Arg> {
        if self.arguments_left == 0 {
            return Vec::new();
        }
        let mut args: Vec<Arg> =
            argument::parse_all(self.elf.arch, arguments).take(self.arguments_left + 1).collect();
        if args.len() > self.arguments_left {
            self.arguments_left = 0;
            self.problem(ProblemKind::TooManyArguments, at, "arguments", None);
            return Vec::new();
        }
        self.arguments_left -= args.len();
        args.shrink_to_fit();
        args
    }

    /// An address of a note, moved by as much as `.stapsdt.base` was moved after linking.
    fn adjust(&self, note: &Note<'_>, address: u64) -> Vaddr {
        // A note that names no base cannot be adjusted; libstapsdt and hand-made notes are like that.
        let shift = match self.base {
            Some(base) if note.base != 0 => base.0.wrapping_sub(note.base),
            _ => 0,
        };
        let sum = address.wrapping_add(shift);
        Vaddr(if self.elf.class == Class::Elf32 { sum & 0xffff_ffff } else { sum })
    }

    /// Whether the linker collected the site's function.
    fn is_stale(&self, note: &Note<'_>, pc: Vaddr) -> bool {
        self.elf.kind != ElfType::Relocatable
            && self.memory.place(pc) != Place::Executable
            && self.memory.place(Vaddr(note.pc)) != Place::Executable
            && self.memory.looks_stale(pc)
    }

    fn site(
        &mut self,
        note: &Note<'_>,
        pc: Vaddr,
        note_offset: u64,
        arguments: String,
        args: Vec<Arg>,
    ) -> Site {
        let semaphore = (note.semaphore != 0).then(|| self.adjust(note, note.semaphore));
        let code = match self.elf.arch {
            // The lowest bit of a Thumb address says that it is one.
            Some(Arch::Arm) => Vaddr(pc.0 & !1),
            _ => pc,
        };
        Site {
            pc,
            file_offset: self.elf.file_offset(code),
            semaphore,
            semaphore_offset: semaphore.and_then(|s| self.elf.file_offset(s)),
            args,
            arguments,
            described: self.described.remove(&pc).unwrap_or_default(),
            base: Vaddr(note.base),
            note_offset,
        }
    }

    fn problem(&mut self, kind: ProblemKind, offset: u64, field: &'static str, probe: Option<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { kind, offset, field, probe });
        } else {
            self.more += 1;
        }
    }

    fn finish(mut self, parts: &[Part]) -> Result<Notes, ReadError> {
        let elf = self.elf;
        if !self.probes.is_empty() {
            for part in parts {
                match part.kind {
                    PartKind::Segment => {
                        self.problem(ProblemKind::NoSectionHeaders, part.offset, "e_shoff", None);
                        break;
                    }
                    PartKind::Section(kind, flags) => {
                        if kind != SHT_NOTE {
                            self.problem(ProblemKind::WrongType, part.offset, "sh_type", None);
                        }
                        if flags & SHF_ALLOC != 0 {
                            self.problem(ProblemKind::Allocated, part.offset, "sh_flags", None);
                        }
                    }
                }
            }
            if elf.kind == ElfType::Relocatable {
                self.problem(ProblemKind::Relocatable, 16, "e_type", None);
            } else if self.base.is_none() && !elf.sections.is_empty() {
                self.problem(ProblemKind::MissingBase, parts[0].offset, ".stapsdt.base", None);
            }
        }
        if self.more > 0 {
            let last = self.problems.last().map_or(0, |p| p.offset);
            self.problems.push(Problem {
                kind: ProblemKind::More(self.more),
                offset: last,
                field: "notes",
                probe: None,
            });
        }
        let build_id = if self.probes.is_empty() { None } else { build_id(elf) };
        Ok(Notes {
            arch: elf.arch,
            machine: elf.machine,
            class: elf.class,
            kind: elf.kind,
            build_id,
            base: self.base,
            probes: self.probes,
            problems: self.problems,
        })
    }
}

/// The file's `NT_GNU_BUILD_ID`, by its section or, where there are no sections, its `PT_NOTE` segments.
///
/// `None` also where it cannot be read: it identifies the file to people and to debug symbols and decides nothing.
pub fn build_id(elf: &Elf<'_>) -> Option<BuildId> {
    /// A build id is 20 bytes (SHA-1) or so; segments that hold it have a few more notes.
    const MOST: u64 = 64 << 10;
    if let Some((_, section)) = elf.sections_named(b".note.gnu.build-id").next() {
        return build_id_in(elf, section.offset, section.size.min(MOST));
    }
    let notes = elf.segments.iter().filter(|s| s.kind == PT_NOTE).take(64);
    notes.into_iter().find_map(|s| build_id_in(elf, s.offset, s.file_size.min(MOST)))
}

fn build_id_in(elf: &Elf<'_>, offset: u64, size: u64) -> Option<BuildId> {
    const NT_GNU_BUILD_ID: u32 = 3;
    let bytes = elf.read(offset, size, size, "build id").ok()?;
    let fields = elf.fields(&bytes, offset);
    let mut at = 0usize;
    loop {
        let name_size = fields.u32(at, "n_namesz").ok()? as usize;
        let desc_size = fields.u32(at + 4, "n_descsz").ok()? as usize;
        let kind = fields.u32(at + 8, "n_type").ok()?;
        let name = bytes.get(at + 12..)?.get(..name_size)?;
        let desc_at = (at + 12 + name_size).next_multiple_of(4);
        let desc = bytes.get(desc_at..)?.get(..desc_size)?;
        if kind == NT_GNU_BUILD_ID && name == b"GNU\0" {
            return Some(BuildId(desc.to_vec()));
        }
        at = (desc_at + desc_size).next_multiple_of(4);
    }
}
