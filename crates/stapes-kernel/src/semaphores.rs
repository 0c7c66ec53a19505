//! Semaphores that the kernel did not raise in a living process, raised by hand.
//!
//! The kernel raises a site's semaphore when it puts the breakpoint into a process: it looks for the first
//! *writable* private mapping of the file that covers the semaphore's file offset. Some linkers (lld) lay
//! the section `.probes` into the page of the file in which the RELRO segment ends. That page is mapped
//! twice, and until the dynamic linker has write-protected RELRO, which is when a process that starts gets
//! its breakpoints, both mappings are writable. The kernel then raises padding in the RELRO mapping, the
//! semaphore stays 0, and the probe never fires. Worse, at detach only the right mapping is writable, the
//! kernel wants to lower it below 0, refuses, and leaves its breakpoint in place ("ref_ctr going negative",
//! says its log).
//!
//! So after attaching, and whenever the session says that a process has got further
//! ([`Loaded::check_semaphores`]), each semaphore of a process is read through `/proc/PID/mem` and raised
//! to what the kernel will take off again: one for each of our breakpoints that share it. Those are counted
//! in memory too, as a site has more than one where its page of the file is mapped more than once, which
//! small programs linked by lld are. Of several mappings that cover it, the one at the highest address is
//! right: RELRO comes first in memory, and a semaphore never lies in it. Before detaching, the same is done
//! for every process that has a file mapped whose probes are attached without regard to the process, so
//! that the kernel has something to lower and takes its breakpoints off. At detach the kernel lowers what
//! it believes to have raised; what then remains of our part is lowered by hand. The opened `mem` file is
//! kept: it stays with the address space, so a pid that was reused is never written to.
//!
//! Not covered: a process that maps one file several times (`dlmopen`). The kernel raises the semaphore of
//! one copy only, and so do we.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::Loaded;
use crate::attach::Job;

/// A semaphore that we raised.
#[derive(Debug)]
pub(crate) struct Raised {
    pid: u32,
    path: String,
    /// Offset of the semaphore in the file.
    offset: u64,
    /// Its address in the process.
    address: u64,
    memory: File,
    /// How much of its value is ours rather than the kernel's.
    ours: u16,
    /// How much the kernel will take off at detach: the number of breakpoints.
    breakpoints: u16,
}

impl Loaded {
    /// Raises the semaphores of the attached sites in process `pid` that should be up and are not.
    ///
    /// To be called when the process has passed a point at which mappings change: it has been attached to,
    /// the dynamic linker is done, a library was loaded. Gives a warning for each that could not be raised.
    pub fn check_semaphores(&mut self, pid: u32) -> Vec<String> {
        let mut warnings = Vec::new();
        // Sites by file and semaphore; two programs at one site share its breakpoint, and so its share of
        // the count.
        let mut wanted = BTreeMap::<(&str, u64), BTreeSet<u64>>::new();
        for job in self.attached.iter().filter(|job| job.pid == 0 || job.pid == pid) {
            for (offset, semaphore) in job.sites.offsets.iter().zip(&job.sites.semaphores) {
                if *semaphore != 0 {
                    wanted.entry((&job.image.path, *semaphore)).or_default().insert(*offset);
                }
            }
        }
        if wanted.is_empty() {
            return warnings;
        }
        let Ok(maps) = Maps::read(pid) else {
            // The process is gone; whatever else it is, attaching has already said.
            return warnings;
        };
        for ((path, offset), sites) in wanted {
            let Some(address) = maps.address(path, offset) else { continue };
            match raise(pid, &maps, path, address, &sites) {
                Ok(Some(raise)) => match self.raised.iter_mut().find(|r| r.is(pid, path, offset)) {
                    Some(raised) => {
                        raised.ours = raised.ours.saturating_add(raise.by);
                        raised.breakpoints = raise.breakpoints;
                    }
                    None => {
                        let (path, ours, Raise { memory, breakpoints, .. }) =
                            (path.to_owned(), raise.by, raise);
                        self.raised.push(Raised { pid, path, offset, address, memory, ours, breakpoints });
                    }
                },
                Ok(None) => {}
                Err(e) => warnings.push(format!(
                    "the semaphore at offset {offset:#x} of {path} could not be raised in process {pid}: {e}"
                )),
            }
        }
        warnings
    }
}

/// The processes to check before detaching: all of them, if some sites with semaphores are attached in all.
pub(crate) fn everyone(attached: &[Job]) -> Vec<u32> {
    if !attached.iter().any(|job| job.pid == 0 && job.sites.semaphores.iter().any(|s| *s != 0)) {
        return Vec::new();
    }
    let Ok(folder) = fs::read_dir("/proc") else { return Vec::new() };
    folder.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

impl Raised {
    fn is(&self, pid: u32, path: &str, offset: u64) -> bool {
        self.pid == pid && self.offset == offset && self.path == path
    }
}

/// The processes to check after attaching these jobs.
pub(crate) fn processes(jobs: &[Job]) -> BTreeSet<u32> {
    let with_semaphore = |job: &&Job| job.pid != 0 && job.sites.semaphores.iter().any(|s| *s != 0);
    jobs.iter().filter(with_semaphore).map(|job| job.pid).collect()
}

/// The values before the kernel lowers its part; see [`lower`].
pub(crate) fn before_detach(raised: Vec<Raised>) -> Vec<(Raised, u16)> {
    raised.into_iter().filter_map(|r| read(&r.memory, r.address).ok().map(|value| (r, value))).collect()
}

/// Takes off what is left of our part once the kernel has detached.
pub(crate) fn lower(raised: Vec<(Raised, u16)>) {
    for (raised, before) in raised {
        // The file may have been unmapped and the address be something else by now.
        let still = Maps::read(raised.pid).ok().and_then(|maps| maps.address(&raised.path, raised.offset));
        if still != Some(raised.address) {
            continue;
        }
        let Ok(after) = read(&raised.memory, raised.address) else { continue };
        let by_kernel = before.saturating_sub(after);
        let kernels_part = raised.breakpoints.saturating_sub(raised.ours);
        let left = raised.ours.saturating_sub(by_kernel.saturating_sub(kernels_part));
        if left > 0 {
            // A process that is gone by now needs no lowering.
            let _ = write(&raised.memory, raised.address, after.saturating_sub(left));
        }
    }
}

/// What [`raise`] did.
struct Raise {
    memory: File,
    breakpoints: u16,
    by: u16,
}

/// Raises the semaphore at `address` to the number of breakpoints at `sites`; `None` if it was there.
fn raise(
    pid: u32,
    maps: &Maps,
    path: &str,
    address: u64,
    sites: &BTreeSet<u64>,
) -> io::Result<Option<Raise>> {
    let memory = OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem"))?;
    let file = File::open(path)?;
    let addresses = sites.iter().flat_map(|site| maps.addresses(path, *site).map(move |a| (*site, a)));
    let breakpoints = addresses.filter(|(site, at)| is_breakpoint(&file, *site, &memory, *at)).count();
    let breakpoints = u16::try_from(breakpoints).unwrap_or(u16::MAX);
    let value = read(&memory, address)?;
    if value >= breakpoints {
        return Ok(None);
    }
    write(&memory, address, breakpoints)?;
    Ok(Some(Raise { memory, breakpoints, by: breakpoints - value }))
}

/// Whether the kernel has put its breakpoint over the instruction at `offset` of the file, which is at
/// `address` in memory.
fn is_breakpoint(file: &File, offset: u64, memory: &File, address: u64) -> bool {
    /// What an uprobe writes: `int3`; `brk 5`.
    const BREAKPOINT: &[u8] = if cfg!(target_arch = "x86_64") { &[0xcc] } else { &[0xa0, 0, 0x20, 0xd4] };
    let (mut before, mut now) = ([0; 4], [0; 4]);
    let (before, now) = (&mut before[..BREAKPOINT.len()], &mut now[..BREAKPOINT.len()]);
    let read = file.read_exact_at(before, offset).and_then(|()| memory.read_exact_at(now, address));
    read.is_ok() && now == BREAKPOINT && before != BREAKPOINT
}

fn read(memory: &File, address: u64) -> io::Result<u16> {
    let mut value = [0; 2];
    memory.read_exact_at(&mut value, address)?;
    Ok(u16::from_ne_bytes(value))
}

fn write(memory: &File, address: u64, value: u16) -> io::Result<()> {
    memory.write_all_at(&value.to_ne_bytes(), address)
}

/// The private mappings of files in a process.
struct Maps {
    pid: u32,
    mappings: Vec<Mapping>,
}

/// One of them.
#[derive(Debug, PartialEq, Eq)]
struct Mapping {
    start: u64,
    end: u64,
    /// In the file.
    offset: u64,
    inode: u64,
    writable: bool,
}

impl Maps {
    fn read(pid: u32) -> io::Result<Maps> {
        let text = fs::read(format!("/proc/{pid}/maps"))?;
        let text = String::from_utf8_lossy(&text);
        Ok(Maps { pid, mappings: text.lines().filter_map(mapping).collect() })
    }

    /// The address of a semaphore at `offset` of the file `path`: in the writable mapping with the highest
    /// address.
    fn address(&self, path: &str, offset: u64) -> Option<u64> {
        self.covering(path, offset).filter(|m| m.writable).map(|m| m.start + (offset - m.offset)).max()
    }

    /// All addresses of the byte at `offset` of the file `path`.
    fn addresses(&self, path: &str, offset: u64) -> impl Iterator<Item = u64> {
        self.covering(path, offset).map(move |m| m.start + (offset - m.offset))
    }

    fn covering(&self, path: &str, offset: u64) -> impl Iterator<Item = &Mapping> {
        let file = fs::metadata(path).ok();
        self.mappings
            .iter()
            .filter(move |m| m.offset <= offset && offset - m.offset < m.end - m.start)
            .filter(move |Mapping { start, end, inode, .. }| {
                let Some(file) = &file else { return false };
                // The maps show the inode of the file below an overlay; map_files leads to the file itself.
                match fs::metadata(format!("/proc/{}/map_files/{start:x}-{end:x}", self.pid)) {
                    Ok(mapped) => (mapped.dev(), mapped.ino()) == (file.dev(), file.ino()),
                    Err(_) => *inode == file.ino(),
                }
            })
    }
}

/// Reads one line of `/proc/PID/maps` if it is a private mapping of a file.
fn mapping(line: &str) -> Option<Mapping> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
    let permissions = fields.next()?.as_bytes();
    let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    let (writable, private) = (permissions.get(1) == Some(&b'w'), permissions.get(3) == Some(&b'p'));
    (private && inode != 0 && end > start).then_some(Mapping { start, end, offset, inode, writable })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_of_maps() {
        // The form is that of proc(5).
        let line = "00651000-00652000 rw-p 00051000 08:02 173521      /usr/bin/dbus-daemon";
        let expected =
            Mapping { start: 0x651000, end: 0x652000, offset: 0x51000, inode: 173521, writable: true };
        assert_eq!(mapping(line), Some(expected));
        let line = "00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/dbus-daemon";
        assert!(!mapping(line).unwrap().writable);
        for other in [
            "00651000-00652000 rw-s 00051000 08:02 173521      /dev/shm/x",
            "00e03000-00e24000 rw-p 00000000 00:00 0           [heap]",
            "00e24000-00e03000 rw-p 00000000 08:02 5           /backwards",
            "nonsense",
            "",
        ] {
            assert_eq!(mapping(other), None, "{other}");
        }
    }

    #[test]
    fn the_highest_writable_mapping_is_right() {
        let path = "/proc/self/exe";
        let inode = fs::metadata(path).unwrap().ino();
        // No process has map_files for these ranges, so the inode decides.
        let mapping = |start, end, offset, writable| Mapping { start, end, offset, inode, writable };
        let mappings = vec![
            mapping(0x3000, 0x5000, 0x2000, true),
            mapping(0x6000, 0x9000, 0x3000, true),
            mapping(0xa000, 0xd000, 0x3000, false),
        ];
        let maps = Maps { pid: std::process::id(), mappings };
        assert_eq!(maps.address(path, 0x2010), Some(0x3010));
        assert_eq!(maps.address(path, 0x3010), Some(0x6010));
        assert_eq!(maps.address(path, 0x9010), None);
        assert_eq!(maps.addresses(path, 0x3010).collect::<Vec<_>>(), [0x4010, 0x6010, 0xa010]);
    }
}
