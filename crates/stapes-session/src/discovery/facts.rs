//! What is found out about one file: its probes, and as much about each site as was asked for.

use std::fmt;
use std::fs::File;

use stapes_binary::elf::{Elf, PT_LOAD, SHT_NOBITS, Segment};
use stapes_binary::notes::{self, BuildId};
use stapes_binary::site::{self, SiteCode};
use stapes_binary::symbols::{self, Symbols};
use stapes_binary::{Arch, Probe, ReadError, Site};

/// How much to find out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Provider, name, sites and arguments, which the notes say.
    #[default]
    Probes,
    /// Also the addresses of symbols that arguments name, which takes reading symbol tables if there are such.
    Arguments,
    /// Also the code and the function of each site, which takes reading code and symbol tables.
    Sites,
}

/// What a file says about itself.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The architecture, if it is one whose arguments are understood.
    pub arch: Option<Arch>,
    /// `e_machine`, for a file of another architecture.
    pub machine: u16,
    /// The GNU build id.
    pub build_id: Option<BuildId>,
    /// The probes, in the order of the notes.
    pub probes: Vec<ProbeFacts>,
    /// How many notes could not be read, or are not as they should be; [`crate::validate`] says more.
    pub problems: usize,
    /// Whether it is the debug information of another file, with notes but without code (`objcopy --only-keep-debug`).
    pub debug_only: bool,
    /// The segments that are loaded.
    pub segments: Vec<Segment>,
}

/// A probe with what is known of its sites.
#[derive(Clone, Debug)]
pub struct ProbeFacts {
    /// What the notes say.
    pub probe: Probe,
    /// One for each of the probe's sites if they were asked for, else empty.
    pub sites: Vec<SiteFacts>,
}

/// What is at a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteFacts {
    /// The first bytes of the file's code there; fewer than [`CODE_BYTES`] only at the file's end.
    pub code: Vec<u8>,
    /// What kind of instruction they are.
    pub kind: SiteCode,
    /// The function that the site is in, and how many bytes behind its start.
    pub function: Option<(String, u64)>,
}

impl SiteFacts {
    /// The nop's class, such as `1+5`, where there is a nop.
    pub fn nop(&self) -> Option<String> {
        match self.kind {
            SiteCode::Nop(nop) => Some(nop.name()),
            _ => None,
        }
    }

    /// The place in its function: `main+0x1c`.
    pub fn symbol(&self) -> Option<String> {
        self.function.as_ref().map(|(name, offset)| format!("{name}+{offset:#x}"))
    }
}

/// Bytes of code that are read at a site: a few instructions.
pub const CODE_BYTES: u64 = 32;

/// `SHF_EXECINSTR`: the section is code.
const SHF_EXECINSTR: u64 = 4;

/// Reads the probes of a file.
///
/// # Errors
/// The file is not ELF, or its headers are broken.
pub fn read(file: &File, detail: Detail) -> Result<Facts, FactsError> {
    let Some(elf) = Elf::open(file)? else { return Err(FactsError::NotElf) };
    let mut notes = notes::of_elf(&elf)?;
    let any = !notes.probes.is_empty();
    // Symbols make output better and are needed by nobody: broken tables are as good as none.
    if any && detail >= Detail::Arguments {
        let _ = symbols::resolve(&elf, &mut notes.probes);
    }
    let symbols = if any && detail == Detail::Sites { Symbols::read(&elf).ok() } else { None };
    let probe_facts = |probe: Probe| ProbeFacts {
        sites: match detail {
            Detail::Sites => probe.sites.iter().map(|s| site_facts(&elf, symbols.as_ref(), s)).collect(),
            Detail::Probes | Detail::Arguments => Vec::new(),
        },
        probe,
    };
    Ok(Facts {
        arch: notes.arch,
        machine: notes.machine,
        build_id: notes.build_id,
        problems: notes.problems.len(),
        debug_only: elf.sections.iter().any(|s| s.kind == SHT_NOBITS && s.flags & SHF_EXECINSTR != 0),
        segments: elf.segments.iter().filter(|s| s.kind == PT_LOAD).copied().collect(),
        probes: notes.probes.into_iter().map(probe_facts).collect(),
    })
}

fn site_facts(elf: &Elf<'_>, symbols: Option<&Symbols>, site: &Site) -> SiteFacts {
    // None where the note points out of the file.
    let bytes = site.file_offset.map(|offset| elf.read(offset.0, CODE_BYTES, CODE_BYTES, "code of a site"));
    let code = bytes.and_then(Result::ok).unwrap_or_default();
    let function =
        symbols.and_then(|s| s.at(site.pc)).map(|(symbol, offset)| (symbol.name.into_owned(), offset));
    SiteFacts { kind: elf.arch.map_or(SiteCode::Unknown, |arch| site::classify(arch, &code)), code, function }
}

/// Why there are no facts of a file.
#[derive(Debug)]
pub enum FactsError {
    /// It does not start as an ELF file does.
    NotElf,
    /// It does, and its headers are broken or cannot be read.
    Broken(ReadError),
}

impl From<ReadError> for FactsError {
    fn from(error: ReadError) -> Self {
        FactsError::Broken(error)
    }
}

impl fmt::Display for FactsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FactsError::NotElf => f.write_str("not an ELF file"),
            FactsError::Broken(e) => write!(f, "{e}"),
        }
    }
}

impl std::error::Error for FactsError {}
