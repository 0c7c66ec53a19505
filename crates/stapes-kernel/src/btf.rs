//! The kernel's own type information (BTF), read for one purpose: the ids of kernel functions by name.
//!
//! A program that calls a kernel function (a *kfunc*) names it by the id of its `BTF_KIND_FUNC` in
//! `/sys/kernel/btf/vmlinux` (Documentation/bpf/btf.rst; struct btf_header and btf_type of linux/btf.h).
//! The file has some 5 MB and 10^5 types, so the search looks for the name in the strings first, by
//! substring search, and then passes over the types once comparing one word each. Newer kernels let the
//! file be mapped, so that nothing is copied.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use memchr::memmem;

use crate::Error;
use crate::sys::memory::MappedFile;

/// Where the kernel shows its BTF.
const PATH: &str = "/sys/kernel/btf/vmlinux";
/// More than any kernel has; a file that claims more is not read.
const MAX_SIZE: u64 = 256 << 20;

/// Names that were looked up before and what was found; the kernel's BTF does not change.
static FOUND: Mutex<Vec<(String, Option<u32>)>> = Mutex::new(Vec::new());

/// The BTF id of the kernel function `name`; `None` if the kernel has none.
///
/// Errors: the file is missing (a kernel without `CONFIG_DEBUG_INFO_BTF`), cannot be read, or is malformed.
pub fn function_id(name: &str) -> Result<Option<u32>, Error> {
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, id)) = found.iter().find(|(n, _)| n == name) {
        return Ok(*id);
    }
    let mut file = File::open(PATH).map_err(|e| {
        Error::new("open", PATH, &e).with_hint("needs a kernel built with CONFIG_DEBUG_INFO_BTF")
    })?;
    let size = file.metadata().map_err(|e| Error::new("stat", PATH, &e))?.len();
    if size > MAX_SIZE {
        return Err(Error::other("read", PATH, format!("{size} bytes are too many for BTF")));
    }
    let id = match MappedFile::kernel_btf(file.as_fd(), size as usize) {
        Ok(mapped) => find_function(mapped.bytes(), name),
        Err(_) => {
            let mut bytes = Vec::with_capacity(size as usize);
            file.by_ref().take(MAX_SIZE).read_to_end(&mut bytes).map_err(|e| Error::new("read", PATH, &e))?;
            find_function(&bytes, name)
        }
    };
    let id = id.map_err(|m| Error::other("read", PATH, m.to_string()))?;
    found.push((name.to_owned(), id));
    Ok(id)
}

/// What is wrong with BTF, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Malformed {
    offset: usize,
    what: &'static str,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at offset {:#x}", self.what, self.offset)
    }
}

/// `BTF_KIND_FUNC`.
const FUNC: u32 = 12;
/// Bytes of `struct btf_type`.
const TYPE_SIZE: usize = 12;

/// The id of the function `name` in BTF of this machine's byte order.
fn find_function(bytes: &[u8], name: &str) -> Result<Option<u32>, Malformed> {
    let (types, types_at, strings) = sections(bytes)?;
    let Some(name_offset) = find_string(strings, name) else { return Ok(None) };
    let mut rest = types;
    let mut id = 1u32;
    while let Some((head, tail)) = rest.split_first_chunk::<TYPE_SIZE>() {
        let at = types_at + types.len() - rest.len();
        let word = |i: usize| u32::from_ne_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
        let info = word(4);
        let kind = info >> 24 & 0x1f;
        if kind == FUNC && word(0) == name_offset {
            return Ok(Some(id));
        }
        let trailer = trailer_size(kind, info & 0xffff)
            .ok_or(Malformed { offset: at, what: "type of an unknown kind" })?;
        rest = tail.get(trailer..).ok_or(Malformed { offset: at, what: "truncated type" })?;
        id += 1;
    }
    Ok(None)
}

/// The section of types, its offset, and the section of strings.
fn sections(bytes: &[u8]) -> Result<(&[u8], usize, &[u8]), Malformed> {
    let truncated = |offset| Malformed { offset, what: "truncated header" };
    let word = |at: usize| {
        let word = bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).ok_or(truncated(at))?;
        Ok(u32::from_ne_bytes(word))
    };
    // magic and version, then hdr_len, type_off, type_len, str_off, str_len
    if word(0)? & 0x00ff_ffff != 0x0001_eb9f {
        return Err(Malformed { offset: 0, what: "no BTF magic number of version 1" });
    }
    let header = word(4)? as usize;
    let section = |offset_at: usize, length_at: usize| -> Result<(usize, &[u8]), Malformed> {
        let start = header.saturating_add(word(offset_at)? as usize);
        let end = start.saturating_add(word(length_at)? as usize);
        let outside = Malformed { offset: offset_at, what: "section outside of the file" };
        Ok((start, bytes.get(start..end).ok_or(outside)?))
    };
    let (types_at, types) = section(8, 12)?;
    let (_, strings) = section(16, 20)?;
    Ok((types, types_at, strings))
}

/// The offset of a NUL-terminated string in the section; the encoder keeps each string once.
fn find_string(strings: &[u8], name: &str) -> Option<u32> {
    let mut needle = Vec::with_capacity(name.len() + 2);
    needle.push(0);
    needle.extend(name.bytes());
    needle.push(0);
    // The section starts with the empty string, so every other one has a NUL before it.
    memmem::find(strings, &needle).and_then(|at| u32::try_from(at + 1).ok())
}

/// Bytes that follow `struct btf_type`, by kind and `vlen`.
fn trailer_size(kind: u32, vlen: u32) -> Option<usize> {
    let vlen = vlen as usize;
    Some(match kind {
        1 => 4,                       // INT
        2 | 7..=12 | 16 | 18 => 0,    // PTR FWD TYPEDEF VOLATILE CONST RESTRICT FUNC FLOAT TYPE_TAG
        3 => 12,                      // ARRAY
        4 | 5 | 15 | 19 => 12 * vlen, // STRUCT UNION DATASEC ENUM64
        6 | 13 => 8 * vlen,           // ENUM FUNC_PROTO
        14 | 17 => 4,                 // VAR DECL_TAG
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BTF by hand: INT "int", then a FUNC_PROTO, then FUNC "probe_me" (id 3).
    fn sample() -> Vec<u8> {
        let strings = b"\0int\0probe_me\0";
        let mut types: Vec<u32> = vec![1, 1 << 24, 4, 32];
        types.extend([0, 13 << 24 | 1, 1, 0, 1]);
        types.extend([5, 12 << 24, 2]);
        let mut out = Vec::new();
        for word in [0x0001_eb9f, 24, 0, types.len() as u32 * 4, types.len() as u32 * 4, strings.len() as u32]
        {
            out.extend(word.to_ne_bytes());
        }
        for word in types {
            out.extend(word.to_ne_bytes());
        }
        out.extend(strings);
        out
    }

    #[test]
    fn finds_functions_only() {
        assert_eq!(find_function(&sample(), "probe_me"), Ok(Some(3)));
        assert_eq!(find_function(&sample(), "int"), Ok(None));
        assert_eq!(find_function(&sample(), "probe"), Ok(None));
        assert_eq!(find_function(&sample(), "me"), Ok(None));
    }

    #[test]
    fn every_prefix_is_an_error_or_nothing() {
        let all = sample();
        for end in 0..all.len() {
            assert!(!matches!(find_function(&all[..end], "probe_me"), Ok(Some(_))), "prefix of {end} bytes");
        }
    }

    #[test]
    fn every_flipped_byte_ends() {
        let all = sample();
        for at in 0..all.len() {
            for bit in 0..8 {
                let mut bytes = all.clone();
                bytes[at] ^= 1 << bit;
                let _ = find_function(&bytes, "probe_me");
            }
        }
    }

    #[test]
    fn names_the_place_of_an_unknown_kind() {
        let mut bytes = sample();
        bytes[24 + 7] = 30;
        let expected = Malformed { offset: 24, what: "type of an unknown kind" };
        assert_eq!(find_function(&bytes, "probe_me"), Err(expected));
    }
}
