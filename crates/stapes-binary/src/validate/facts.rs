//! What has to be known of a file to judge its probes.

use crate::elf::{Elf, PT_GNU_RELRO, Segment};
use crate::memory::Memory;
use crate::site::{self, CLASSIFY_BYTES};
use crate::{Arch, ElfType, Notes, ReadError, Site, SiteCode, Symbols, Vaddr, notes, symbols};

/// The facts of one file.
pub struct Facts {
    /// The notes, with the symbols of arguments looked up.
    pub notes: Notes,
    /// What is loaded where.
    pub memory: Memory,
    /// The segment that is made read-only after relocation.
    pub relro: Option<Segment>,
    /// The index of the section `.note.stapsdt`.
    pub note_section: Option<usize>,
    /// The index of the section `.probes`.
    pub probes_section: Option<usize>,
    /// The addresses of the sections `.probes`: start, end.
    pub probes_ranges: Vec<(u64, u64)>,
    /// For each probe and site what stands there.
    pub code: Vec<Vec<Code>>,
}

/// What stands at a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The instruction.
    pub code: SiteCode,
    /// Whether an instruction starts there.
    pub boundary: Boundary,
    /// Whether it is Thumb code.
    pub thumb: bool,
}

/// Whether an instruction starts at a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// One does.
    Start,
    /// None does; the function whose instructions were followed to see it.
    Inside(Option<String>),
    /// Nothing says where the instructions around it start.
    Unknown,
}

/// The most bytes of code that are disassembled to find where instructions start.
const MAX_DISASSEMBLED: u64 = 64 << 20;

/// Gathers the facts of a file.
///
/// # Errors
/// The file cannot be read.
pub fn gather(elf: &Elf<'_>) -> Result<Facts, ReadError> {
    let mut notes = notes::of_elf(elf)?;
    symbols::resolve(elf, &mut notes.probes)?;
    let code = code(elf, &notes);
    Ok(Facts {
        notes,
        memory: Memory::new(elf),
        relro: elf.segments.iter().find(|s| s.kind == PT_GNU_RELRO).copied(),
        note_section: elf.sections_named(b".note.stapsdt").next().map(|(i, _)| i),
        probes_section: elf.sections_named(b".probes").next().map(|(i, _)| i),
        probes_ranges: elf
            .sections_named(b".probes")
            .map(|(_, s)| (s.address, s.address.saturating_add(s.size)))
            .collect(),
        code,
    })
}

impl Facts {
    /// Whether the file is not linked yet.
    pub fn relocatable(&self) -> bool {
        self.notes.kind == ElfType::Relocatable
    }

    /// The address of a site as its note has it, before adjustment.
    pub fn unadjusted(&self, site: &Site) -> Vaddr {
        match self.notes.base {
            Some(base) if site.base.0 != 0 => Vaddr(site.pc.0.wrapping_sub(base.0).wrapping_add(site.base.0)),
            _ => site.pc,
        }
    }

    /// Whether an address becomes read-only after relocation.
    pub fn in_relro(&self, address: Vaddr) -> bool {
        self.relro
            .is_some_and(|relro| address.0.checked_sub(relro.address).is_some_and(|d| d < relro.memory_size))
    }

    /// Whether the file has sections but the address is in none called `.probes`.
    pub fn outside_probes(&self, address: Vaddr) -> bool {
        self.memory.has_sections()
            && !self.probes_ranges.iter().any(|(start, end)| (*start..*end).contains(&address.0))
    }

    /// Whether a site's semaphore is in the page of the *file* in which the read-only part ends.
    ///
    /// The file's page is then mapped twice, and the kernel looks for the semaphore in the wrong mapping.
    pub fn shares_page_with_relro(&self, site: &Site) -> bool {
        let (Some(relro), Some(semaphore), Some(at)) = (self.relro, site.semaphore, site.semaphore_offset)
        else {
            return false;
        };
        let Some(last) = relro.offset.checked_add(relro.file_size).and_then(|end| end.checked_sub(1)) else {
            return false;
        };
        // Where both are in one segment, the loader splits it at a page of memory, and nothing is mapped twice.
        let same = |a: Option<&Segment>, b: Option<&Segment>| a.map(|s| s.address) == b.map(|s| s.address);
        if same(self.memory.segment(Vaddr(relro.address)), self.memory.segment(semaphore)) {
            return false;
        }
        let page = match self.notes.arch {
            Some(Arch::Ppc64le) => 65536,
            _ => 4096,
        };
        at.0 / page == last / page
    }
}

/// What stands at each site of each probe.
fn code(elf: &Elf<'_>, notes: &Notes) -> Vec<Vec<Code>> {
    let Some(arch) = notes.arch else { return Vec::new() };
    let mut code: Vec<Vec<Code>> = Vec::with_capacity(notes.probes.len());
    let mut by_address = Vec::new();
    for (index, probe) in notes.probes.iter().enumerate() {
        let mut sites = Vec::with_capacity(probe.sites.len());
        for (i, site) in probe.sites.iter().enumerate() {
            let read = |offset| elf.read(offset, CLASSIFY_BYTES as u64, CLASSIFY_BYTES as u64, "code").ok();
            let bytes = site.file_offset.and_then(|offset| read(offset.0)).unwrap_or_default();
            let thumb = arch == Arch::Arm && site::is_thumb(site.pc.0, &bytes);
            let boundary = boundary_by_alignment(arch, site.pc, thumb);
            if boundary == Boundary::Unknown && site.file_offset.is_some() {
                by_address.push((site.pc, index, i));
            }
            sites.push(Code { code: site::classify(arch, &bytes), boundary, thumb });
        }
        code.push(sites);
    }
    by_address.sort_unstable();
    if !by_address.is_empty() {
        // Without symbols nothing says where instructions start; then nothing is claimed.
        if let Ok(symbols) = Symbols::read(elf) {
            follow_functions(elf, arch, &symbols, &by_address, &mut code);
        }
    }
    code
}

/// Where instructions are aligned, the address alone tells whether one can start there.
fn boundary_by_alignment(arch: Arch, pc: Vaddr, thumb: bool) -> Boundary {
    let alignment = match arch {
        Arch::X86_64 | Arch::I386 => return Boundary::Unknown,
        // The lowest bit says Thumb.
        Arch::Arm if thumb => return Boundary::Start,
        Arch::Aarch64 | Arch::Arm | Arch::Ppc64le => 4,
        Arch::S390x | Arch::Riscv64 => 2,
    };
    if pc.0.is_multiple_of(alignment) { Boundary::Start } else { Boundary::Inside(None) }
}

/// Disassembles each function that has sites, from its start to its last site, once.
fn follow_functions(
    elf: &Elf<'_>,
    arch: Arch,
    symbols: &Symbols,
    sites: &[(Vaddr, usize, usize)],
    code: &mut [Vec<Code>],
) {
    let mut left = MAX_DISASSEMBLED;
    let mut rest = sites;
    while let Some((first, ..)) = rest.first() {
        let Some((function, _)) = symbols.at(*first) else {
            rest = &rest[1..];
            continue;
        };
        let start = function.address;
        // The sites of this function: those that the same symbol holds.
        let holds = |pc: Vaddr| symbols.at(pc).is_some_and(|(f, _)| f.address == start);
        let count = rest.iter().take_while(|(pc, ..)| holds(*pc)).count().max(1);
        let (own, others) = rest.split_at(count);
        rest = others;
        let size = own[own.len() - 1].0.0 - start.0 + site::LONGEST_INSTRUCTION as u64;
        if size > left {
            return;
        }
        left -= size;
        let Some(bytes) = elf.file_offset(start).and_then(|o| elf.read(o.0, size, size, "code").ok()) else {
            continue;
        };
        let mut starts = site::instruction_starts(arch, &bytes).peekable();
        'function: for (pc, index, i) in own {
            let wanted = (pc.0 - start.0) as usize;
            while let Some(at) = starts.peek() {
                // Data among the code: from here on nothing is certain.
                let Some(at) = at else { break 'function };
                if *at >= wanted {
                    break;
                }
                starts.next();
            }
            code[*index][*i].boundary = match starts.peek() {
                Some(Some(at)) if *at == wanted => Boundary::Start,
                Some(Some(_)) => Boundary::Inside(Some(function.name.to_string())),
                _ => Boundary::Unknown,
            };
        }
    }
}
