//! Wildcards: `*`, `?` and `[…]`, in names and in paths.
//!
//! As glob(7): `[a-z]`, `[!a-z]` (and `[^a-z]`), a `]` first in its set is a member, and a `[` without its `]` is itself.
//! In paths a wildcard does not match `/`, and does not match a leading dot.
//! Matching takes at most the product of both lengths, whatever the pattern.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Whether there is any wildcard in `text`.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether all of `text` matches `pattern`.
pub fn matches(pattern: &str, text: &str) -> bool {
    matches_bytes(pattern.as_bytes(), text.as_bytes())
}

/// Every existing path that matches, sorted. A pattern without wildcards is its own answer, if it exists.
pub fn expand_path(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let part = part.as_os_str();
        let wild = part.as_bytes().iter().any(|b| matches!(b, b'*' | b'?' | b'['));
        found = match wild {
            false => found.into_iter().map(|p| p.join(part)).collect(),
            true => found.iter().flat_map(|folder| matching_entries(folder, part.as_bytes())).collect(),
        };
    }
    found.retain(|p| fs::symlink_metadata(p).is_ok());
    found.sort();
    found
}

fn matching_entries(folder: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let readable = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = fs::read_dir(readable) else { return Vec::new() };
    let visible = |name: &OsStr| !name.as_bytes().starts_with(b".") || pattern.starts_with(b".");
    entries
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|name| visible(name) && matches_bytes(pattern, name.as_bytes()))
        .map(|name| folder.join(name))
        .collect()
}

fn matches_bytes(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when a later part fails: let the last `*` take one byte more.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if t == text.len() {
            return pattern[p..].iter().all(|&b| b == b'*');
        }
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        if let Some(width) = one(&pattern[p..], text[t]) {
            p += width;
            t += 1;
            continue;
        }
        match star {
            Some((after, taken)) => {
                star = Some((after, taken + 1));
                p = after;
                t = taken + 1;
            }
            None => return false,
        }
    }
}

/// How many bytes of the pattern match this one byte, if they do.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern.first()? {
        b'?' => Some(1),
        b'[' => match set(pattern, byte) {
            Some((width, matched)) => matched.then_some(width),
            None => (byte == b'[').then_some(1),
        },
        literal => (literal == byte).then_some(1),
    }
}

/// The width of the set at the start of the pattern, and whether `byte` is in it. `None` if the set is not closed.
fn set(pattern: &[u8], byte: u8) -> Option<(usize, bool)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = if negated { 2 } else { 1 };
    let mut at = first;
    let mut inside = false;
    loop {
        let low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((at + 1, inside != negated));
        }
        match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some(b'-'), Some(&high)) if high != b']' => {
                inside |= (low..=high).contains(&byte);
                at += 3;
            }
            _ => {
                inside |= low == byte;
                at += 1;
            }
        }
    }
}
