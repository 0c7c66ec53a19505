//! What is found out about one file: its probes, and as much about each site as was asked for.

use std::fmt;
use std::fs::File;

use stapes_binary::elf::{Elf, PT_LOAD, Segment};
use stapes_binary::notes::{self, BuildId};
use stapes_binary::{Arch, Probe, ReadError, Site};

/// How much to find out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Provider, name, sites and arguments, which the notes say.
    #[default]
    Probes,
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
    /// The segments that are loaded.
    pub segments: Vec<Segment>,
}

/// A probe with what is known of its sites.
#[derive(Clone, Debug)]
pub struct ProbeFacts {
    /// What the notes say. Symbols in the arguments are looked up if sites were asked for.
    pub probe: Probe,
    /// One for each of the probe's sites if they were asked for, else empty.
    pub sites: Vec<SiteFacts>,
}

/// What is at a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteFacts {
    /// The first bytes of the file's code there; fewer than [`CODE_BYTES`] only at the segment's end.
    pub code: Vec<u8>,
}

/// Bytes of code that are read at a site: the longest instruction of any architecture and one more.
pub const CODE_BYTES: u64 = 16;

/// Reads the probes of a file.
///
/// # Errors
/// The file is not ELF, or its headers are broken.
pub fn read(file: &File, detail: Detail) -> Result<Facts, FactsError> {
    let Some(elf) = Elf::open(file)? else { return Err(FactsError::NotElf) };
    let notes = notes::of_elf(&elf)?;
    Ok(Facts {
        arch: notes.arch,
        machine: notes.machine,
        build_id: notes.build_id,
        segments: elf.segments.iter().filter(|s| s.kind == PT_LOAD).copied().collect(),
        probes: notes.probes.into_iter().map(|probe| probe_facts(&elf, probe, detail)).collect(),
    })
}

fn probe_facts(elf: &Elf<'_>, probe: Probe, detail: Detail) -> ProbeFacts {
    let site = |site: &Site| SiteFacts { code: code(elf, site) };
    let sites = match detail {
        Detail::Probes => Vec::new(),
        Detail::Sites => probe.sites.iter().map(site).collect(),
    };
    ProbeFacts { probe, sites }
}

/// The bytes at a site; none where the note points out of the file.
fn code(elf: &Elf<'_>, site: &Site) -> Vec<u8> {
    let bytes = site.file_offset.map(|offset| elf.read(offset.0, CODE_BYTES, CODE_BYTES, "code of a site"));
    bytes.and_then(Result::ok).unwrap_or_default()
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
