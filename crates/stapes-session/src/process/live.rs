//! What a running process says about a site: where it is, whether a tracer has armed it, and its semaphore's value.
//!
//! Read from `/proc/PID/mem`, which needs the permission to trace the process (ptrace(2), "access mode checking").
//! Uprobes patch the process's own copy of the page, so an armed site shows there and not in the file:
//! as a breakpoint, or, since Linux 6.18 on x86-64, as a call in the place of a five-byte nop.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use stapes_binary::elf::{PF_X, PT_LOAD, Segment};
use stapes_binary::site::{self, SiteCode};
use stapes_binary::{Arch, LoadBias, Site};

use super::maps::Mapping;
use super::{MappedFile, Process};

/// A site in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveSite {
    /// Its address there.
    pub address: u64,
    /// What stands at it; `None` if it could not be read.
    pub code: Option<LiveCode>,
    /// The semaphore's value; `None` if there is none or it could not be read.
    pub semaphore: Option<u16>,
}

/// What stands at a site in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveCode {
    /// What the file has.
    Original,
    /// A breakpoint instruction, as uprobes and debuggers put there.
    Breakpoint,
    /// A call or a jump: to the kernel's uprobe trampoline, or of a tracer in user space.
    Call,
    /// Something else.
    Other,
}

impl LiveCode {
    /// Tells what `now` is, where the file has `original`.
    pub fn of(arch: Option<Arch>, original: &[u8], now: &[u8]) -> LiveCode {
        match arch.map(|arch| site::classify(arch, now)) {
            _ if original.starts_with(now) => LiveCode::Original,
            Some(SiteCode::Breakpoint) => LiveCode::Breakpoint,
            Some(SiteCode::Call) => LiveCode::Call,
            _ => LiveCode::Other,
        }
    }
}

/// As many bytes as a tracer changes at a site: a call's on x86, an instruction's elsewhere.
const PATCHED: usize = 5;

/// The memory of one process, and where one of its files lies in it.
#[derive(Debug)]
pub struct LiveObject {
    memory: io::Result<File>,
    /// What to add to the file's addresses; several if the file is loaded several times.
    pub biases: Vec<LoadBias>,
}

impl LiveObject {
    /// Finds where `process` has loaded the file whose program headers are `segments`.
    pub fn new(process: &Process, mapped: &MappedFile, segments: &[Segment]) -> LiveObject {
        LiveObject { memory: process.memory(), biases: load_biases(&mapped.mappings, segments) }
    }

    /// What there is to know of a site; `original` is what the file has there.
    pub fn site(&self, bias: LoadBias, arch: Option<Arch>, site: &Site, original: &[u8]) -> LiveSite {
        let address = site.pc.at(bias);
        // Nothing beyond what the file showed can be compared, and a further site may begin behind the first nop.
        let mut code = vec![0; original.len().min(PATCHED)];
        let read = !code.is_empty() && self.read(address, &mut code);
        let mut value = [0; 2];
        let semaphore = site.semaphore.filter(|s| self.read(s.at(bias), &mut value));
        LiveSite {
            address,
            code: read.then(|| LiveCode::of(arch, original, &code)),
            semaphore: semaphore.map(|_| match arch {
                Some(Arch::S390x) => u16::from_be_bytes(value),
                _ => u16::from_le_bytes(value),
            }),
        }
    }

    fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        self.memory.as_ref().is_ok_and(|m| m.read_exact_at(buffer, address).is_ok())
    }
}

/// What the loader added to the addresses of a file that is mapped like this, once for each time it is loaded.
///
/// Taken from the executable mappings, which belong to one segment without doubt: where a page of the file holds the
/// end of one segment and the start of the next it is mapped twice.
/// An object whose code was moved away has none; then its start, at offset 0, tells.
pub fn load_biases(mappings: &[Mapping], segments: &[Segment]) -> Vec<LoadBias> {
    let bias_of = |mapping: &Mapping, flags: u32| {
        // Mappings are of whole pages, whatever their size here, so they hold a little more than the segment.
        let overlaps = |s: &Segment| {
            mapping.offset < s.offset.saturating_add(s.file_size)
                && s.offset < mapping.offset.saturating_add(mapping.size())
        };
        let segment =
            segments.iter().find(|s| s.kind == PT_LOAD && s.flags & flags == flags && overlaps(s))?;
        let address = segment.address.wrapping_sub(segment.offset).wrapping_add(mapping.offset);
        Some(LoadBias(mapping.start.wrapping_sub(address)))
    };
    let mut biases: Vec<_> = mappings.iter().filter(|m| m.execute).filter_map(|m| bias_of(m, PF_X)).collect();
    if biases.is_empty() {
        biases =
            mappings.iter().filter(|m| m.offset == 0 && m.private).filter_map(|m| bias_of(m, 0)).collect();
    }
    biases.sort_unstable();
    biases.dedup();
    biases
}

/// A part of an object's code that is not mapped from its file any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedText {
    /// The first address that is not the file's.
    pub start: u64,
    /// Behind the last one.
    pub end: u64,
    /// What is mapped there instead.
    pub mapping: Mapping,
}

/// Finds code that was copied to other memory, such as huge pages: what a uprobe on the file cannot reach.
pub fn moved_text(process: &Process, mapped: &MappedFile, segments: &[Segment]) -> Vec<MovedText> {
    let Some(file) = mapped.mappings.first().map(Mapping::key) else { return Vec::new() };
    let mut moved = Vec::new();
    for bias in load_biases(&mapped.mappings, segments) {
        for text in segments.iter().filter(|s| s.kind == PT_LOAD && s.flags & PF_X != 0) {
            let from = text.address.wrapping_add(bias.0);
            let to = from.saturating_add(text.file_size);
            let others = process.mappings.iter().filter(|m| m.execute && m.key() != file);
            moved.extend(others.filter(|m| m.start < to && m.end > from).map(|m| MovedText {
                start: m.start.max(from),
                end: m.end.min(to),
                mapping: m.clone(),
            }));
        }
    }
    moved
}
