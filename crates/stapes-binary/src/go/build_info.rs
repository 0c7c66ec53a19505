//! What the Go linker says about a build: the version of Go, the modules and the settings.
//!
//! The blob that `go version -m` reads (`debug/buildinfo` describes it): 16 bytes of magic, size of a pointer and
//! flags, 16 bytes for two pointers, and since Go 1.18 behind them two strings, each with its length as a varint.
//! It is in a section `.go.buildinfo`, or, where sections are gone, near the start of the first writable segment.

use super::GoError;
use super::image::{Image, u64_at, varint};
use crate::elf::{PF_W, Segment};
use crate::{Elf, Vaddr};

/// The build information of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// The version as the toolchain calls itself: `go1.26.8`, `devel go1.28-3f2a`, or what a garbler left of it.
    pub version: String,
    /// The lines of `go version -m`, each with its fields between tabs: `path`, `mod`, `dep`, `=>`, `build`.
    pub lines: Vec<String>,
    /// Where the blob is.
    pub address: Vaddr,
}

const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
/// Bytes before the strings.
const HEADER: usize = 32;
/// The flag that says that the strings follow in place.
const INLINE: u8 = 2;
/// The most bytes of the list of modules; the largest programs have some hundred kilobytes.
const MAX_MODULES: u64 = 16 << 20;
/// Bytes around the list of modules that only say where it starts and ends.
const FRAME: usize = 16;

impl BuildInfo {
    /// Reads the build information, if there is any.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn read(image: &Image<'_>) -> Result<Option<BuildInfo>, GoError> {
        let elf = image.elf();
        let section = elf.sections_named(b".go.buildinfo").map(|(_, s)| Segment {
            kind: 0,
            flags: 0,
            offset: s.offset,
            address: s.address,
            file_size: s.size,
            memory_size: s.size,
        });
        let sections: Vec<Segment> = section.collect();
        let writable = image.search_order().into_iter().filter(|s| s.flags & PF_W != 0);
        for place in sections.iter().chain(writable) {
            let mut found = None;
            image.search(place, MAGIC, &mut |address, bytes| {
                if address.0 % 16 == 0 && bytes.len() >= HEADER {
                    found = Some((address, bytes[15], u64_at(bytes, 16), u64_at(bytes, 24)));
                }
                found.is_none()
            })?;
            if let Some((address, flags, version, modules)) = found {
                return match flags & INLINE != 0 {
                    true => BuildInfo::inline(image, address),
                    false => BuildInfo::by_pointers(image, address, version, modules),
                };
            }
        }
        Ok(None)
    }

    /// The release within Go 1: 26 for `go1.26.8`.
    pub fn minor(&self) -> Option<u32> {
        let after = &self.version[self.version.find("go1.")? + 4..];
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        after[..digits].parse().ok()
    }

    /// As [`BuildInfo::minor`], but only of a release: what was built between two of them may be like either.
    pub fn released(&self) -> Option<u32> {
        let (first, _) = self.version.split_once(' ').unwrap_or((&self.version, ""));
        let numbers = first.strip_prefix("go1.")?;
        numbers.bytes().all(|b| b.is_ascii_digit() || b == b'.').then(|| self.minor()).flatten()
    }

    /// The value of a setting, such as `-buildmode` or `GOARCH`.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.lines
            .iter()
            .filter_map(|l| l.strip_prefix("build\t"))
            .find_map(|l| l.strip_prefix(name)?.strip_prefix('='))
    }

    fn inline(image: &Image<'_>, address: Vaddr) -> Result<Option<BuildInfo>, GoError> {
        let strings = Vaddr(address.0.wrapping_add(HEADER as u64));
        let bytes = image.up_to(strings, MAX_MODULES, "build information")?;
        let Some((version, rest)) = string(&bytes) else { return Ok(None) };
        let modules = string(rest).map_or(&[][..], |(modules, _)| modules);
        Ok(BuildInfo::new(version, modules, address))
    }

    /// Before Go 1.18: two pointers to Go strings.
    fn by_pointers(
        image: &Image<'_>,
        address: Vaddr,
        version: Option<u64>,
        modules: Option<u64>,
    ) -> Result<Option<BuildInfo>, GoError> {
        let string = |at: Option<u64>| -> Result<Vec<u8>, GoError> {
            let Some(at) = at.filter(|at| *at != 0) else { return Ok(Vec::new()) };
            let Ok([start, size]) = image.words::<2>(Vaddr(at), "build information") else {
                return Ok(Vec::new());
            };
            image.up_to(Vaddr(start), size.min(MAX_MODULES), "build information")
        };
        Ok(BuildInfo::new(&string(version)?, &string(modules)?, address))
    }

    fn new(version: &[u8], modules: &[u8], address: Vaddr) -> Option<BuildInfo> {
        if version.is_empty() {
            return None;
        }
        let framed = modules.len() > 2 * FRAME && modules[modules.len() - FRAME - 1] == b'\n';
        let modules = if framed { &modules[FRAME..modules.len() - FRAME] } else { &[] };
        let lines = String::from_utf8_lossy(modules);
        Some(BuildInfo {
            version: String::from_utf8_lossy(version).into_owned(),
            lines: lines.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect(),
            address,
        })
    }
}

/// Whether something says that the Go linker made this file, though its tables may not be understood.
pub(super) fn has_marks(elf: &Elf<'_>) -> bool {
    let names: [&[u8]; 4] = [b".gopclntab", b".data.rel.ro.gopclntab", b".go.buildinfo", b".note.go.buildid"];
    names.iter().any(|name| elf.sections_named(name).next().is_some())
}

/// A string with its length before it, and what is behind.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (size, length) = varint(bytes)?;
    bytes[length..].split_at_checked(usize::try_from(size).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_in_every_form_of_version() {
        let minor = |version: &str| BuildInfo::new(version.as_bytes(), b"", Vaddr(0)).unwrap().minor();
        assert_eq!(minor("go1.26.8"), Some(26));
        assert_eq!(minor("go1.21"), Some(21));
        assert_eq!(minor("go1.27rc1"), Some(27));
        assert_eq!(minor("devel go1.28-3f2a Tue"), Some(28));
        assert_eq!(minor("go1.24.11 X:boringcrypto"), Some(24));
        assert_eq!(minor("unknown"), None);
        let released = |version: &str| BuildInfo::new(version.as_bytes(), b"", Vaddr(0)).unwrap().released();
        assert_eq!(released("go1.26.8"), Some(26));
        assert_eq!(released("go1.24.11 X:boringcrypto"), Some(24));
        assert_eq!(released("go1.25-20250209-RC00 cl/724970549"), None);
        assert_eq!(released("go1.27rc1"), None);
        assert_eq!(released("devel go1.28-3f2a"), None);
    }
}
