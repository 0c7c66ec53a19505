//! The lines of `/proc/PID/maps` (proc_pid_maps(5)), as bytes: a process chooses the names that it maps.
//!
//! ```text
//! 55d0c8a00000-55d0c8a21000 r-xp 00004000 fe:00 1234      /usr/bin/thing
//! 7f2c40000000-7f2c40200000 r-xp 00000000 00:0f 77        /anon_hugepage (deleted)
//! 7ffc5a5f2000-7ffc5a613000 rw-p 00000000 00:00 0         [stack]
//! ```
//!
//! The kernel writes a line feed in a name as `\012` and nothing else escaped, so a backslash followed by `012` may
//! also be just that; and ` (deleted)` behind a name may be part of it.
//! So a name is good for showing, never for opening: [`Process`](super::Process) opens through the kernel's own links.

use std::fmt;

/// One mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The first address.
    pub start: u64,
    /// Behind the last address.
    pub end: u64,
    /// Whether it can be read (`r`).
    pub read: bool,
    /// Whether it can be written (`w`).
    pub write: bool,
    /// Whether it can be executed (`x`).
    pub execute: bool,
    /// Whether writes stay private (`p`) and are not shared (`s`).
    pub private: bool,
    /// Offset in the file of the first byte.
    pub offset: u64,
    /// Major and minor number of the file system's device; zeros for anonymous memory.
    pub device: (u32, u32),
    /// The file's inode; 0 for anonymous memory.
    pub inode: u64,
    /// The name as the kernel prints it, line feeds unescaped; empty for nameless anonymous memory.
    pub name: Vec<u8>,
}

/// Which file is mapped, as `maps` tells files apart: not always by the device that `stat` gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MapKey {
    /// Major and minor number of the device.
    pub device: (u32, u32),
    /// The inode.
    pub inode: u64,
}

impl Mapping {
    /// Reads one line, without its line feed.
    pub fn parse(line: &[u8]) -> Option<Mapping> {
        let (range, rest) = word(line)?;
        let (permissions, rest) = word(rest)?;
        let (offset, rest) = word(rest)?;
        let (device, rest) = word(rest)?;
        let (inode, rest) = word(rest).unwrap_or((rest, b""));
        let (start, end) = split_at(range, b'-')?;
        let (major, minor) = split_at(device, b':')?;
        let &[r, w, x, p] = permissions else { return None };
        let mapping = Mapping {
            start: hex(start)?,
            end: hex(end)?,
            read: r == b'r',
            write: w == b'w',
            execute: x == b'x',
            private: p == b'p',
            offset: hex(offset)?,
            device: (u32::try_from(hex(major)?).ok()?, u32::try_from(hex(minor)?).ok()?),
            inode: std::str::from_utf8(inode).ok()?.parse().ok()?,
            name: unescape(trim_start(rest)),
        };
        (mapping.start < mapping.end).then_some(mapping)
    }

    /// Which file it is a mapping of.
    pub fn key(&self) -> MapKey {
        MapKey { device: self.device, inode: self.inode }
    }

    /// Whether no file is behind it: anonymous memory, perhaps with a name in brackets.
    pub fn is_anonymous(&self) -> bool {
        self.inode == 0
    }

    /// Whether it is memory of the hugetlb file system, mapped by file or by `MAP_HUGETLB`.
    pub fn is_hugetlb(&self) -> bool {
        self.name.starts_with(b"/anon_hugepage") || self.name.starts_with(b"/dev/hugepages/")
    }

    /// Bytes from the first to the last.
    pub fn size(&self) -> u64 {
        self.end - self.start
    }

    /// Where the byte at `offset` of the file is mapped, if it is in this mapping.
    pub fn address_of(&self, offset: u64) -> Option<u64> {
        let delta = offset.checked_sub(self.offset)?;
        (delta < self.size()).then(|| self.start + delta)
    }

    /// The name of its entry in `/proc/PID/map_files`.
    pub fn range_name(&self) -> String {
        format!("{:x}-{:x}", self.start, self.end)
    }
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = |on: bool, c: char| if on { c } else { '-' };
        write!(
            f,
            "{:x}-{:x} {}{}{}{} {:x} {}",
            self.start,
            self.end,
            flag(self.read, 'r'),
            flag(self.write, 'w'),
            flag(self.execute, 'x'),
            if self.private { 'p' } else { 's' },
            self.offset,
            String::from_utf8_lossy(&self.name),
        )
    }
}

/// Every line of a `maps` file that makes sense, in order. The kernel writes no other; what else there is is left out.
pub fn parse(text: &[u8]) -> Vec<Mapping> {
    text.split(|&b| b == b'\n').filter_map(Mapping::parse).collect()
}

fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = trim_start(text);
    let end = text.iter().position(|&b| b == b' ').unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&b| b != b' ').unwrap_or(text.len());
    &text[start..]
}

fn split_at(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&b| b == separator)?;
    Some((&text[..at], &text[at + 1..]))
}

fn hex(text: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

fn unescape(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&first, tail)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"\\012") {
            out.push(b'\n');
            rest = after;
        } else {
            out.push(first);
            rest = tail;
        }
    }
    out
}
