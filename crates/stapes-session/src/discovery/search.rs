//! Where a file is that was named without a `/`: a program in `$PATH`, a library where the dynamic linker looks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The program or library called `name`, if there is one.
///
/// A program is sought in `$PATH`; a library by its soname (`libc.so.6`), without its version (`libc.so`) or by its
/// bare name (`libc`, `c`) in the dynamic linker's cache, and in its default folders where there is no cache (musl).
pub fn find(name: &str) -> Option<PathBuf> {
    program(name).or_else(|| library(name))
}

/// A program called `name` in `$PATH`.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_program(file))
}

/// A library called `name` where the dynamic linker looks.
pub fn library(name: &str) -> Option<PathBuf> {
    let cache = fs::read("/etc/ld.so.cache");
    if let Some(found) = cache.ok().and_then(|cache| in_cache(&cache, name)) {
        return Some(found);
    }
    let folders = ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"];
    spellings(name)
        .iter()
        .flat_map(|n| folders.iter().map(move |f| Path::new(f).join(n)))
        .find(|p| p.is_file())
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

fn spellings(name: &str) -> Vec<String> {
    vec![name.to_owned(), format!("{name}.so"), format!("lib{name}.so")]
}

/// Whether the file called `file` is what `name` is short for: `libc.so.6` for `libc`.
pub(crate) fn is_short_for(name: &str, file: &str) -> bool {
    spellings(name).iter().any(|spelling| match file.strip_prefix(spelling.as_str()) {
        Some("") => true,
        Some(rest) => spelling.ends_with(".so") && rest.starts_with('.'),
        None => false,
    })
}

/// Looks a library up in the contents of `/etc/ld.so.cache`.
///
/// The format is glibc's `struct cache_file_new` (sysdeps/generic/dl-cache.h): the magic `glibc-ld.so.cache1.1`, the
/// number of entries, 24 more bytes of header; entries of 24 bytes with the offsets of soname and path.
/// It may follow a `struct cache_file` of libc5's days, which is why the magic is searched for.
fn in_cache(cache: &[u8], name: &str) -> Option<PathBuf> {
    const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
    const HEADER: usize = 48;
    const ENTRY: usize = 24;
    let start = cache.windows(MAGIC.len()).position(|w| w == MAGIC)?;
    let table = &cache[start..];
    let word = |at: usize| Some(u32::from_ne_bytes(table.get(at..at + 4)?.try_into().ok()?) as usize);
    let text = |at: usize| {
        let tail = table.get(at..)?;
        std::str::from_utf8(&tail[..tail.iter().position(|&b| b == 0)?]).ok()
    };
    let count = word(MAGIC.len())?.min(table.len() / ENTRY);
    let entries = (0..count).filter_map(|i| {
        let at = HEADER + i * ENTRY;
        Some((text(word(at + 4)?)?, text(word(at + 8)?)?))
    });
    let wanted = spellings(name);
    // Whole sonames first; then ones that go on with a version, as `libc.so.6` does for `libc`.
    let rank = |soname: &str| {
        wanted.iter().enumerate().find_map(|(i, w)| match soname.strip_prefix(w.as_str()) {
            Some("") => Some(i),
            Some(rest) if w.ends_with(".so") && rest.starts_with('.') => Some(wanted.len() + i),
            _ => None,
        })
    };
    // The cache holds other architectures' libraries behind those of ours; the first of equals is ours.
    entries
        .filter_map(|(soname, path)| Some((rank(soname)?, path)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, p)| p.into())
}
