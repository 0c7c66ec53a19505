//! A program's memory as the loader would make it: bytes by address, and words with their relocations applied.
//!
//! A position-independent program does not have its pointers in place.
//! They are addends of `R_*_RELATIVE` entries of the table that `DT_RELA` names, and what stands in place may be zero.
//! (A program linked with `-z pack-relative-relocs` has them in place again, with a bitmap of where; nothing need be
//! done for those.)
//! So every pointer is first looked for among the relocations and only then in the file.

use std::cell::OnceCell;

use memchr::memmem::Finder;

use super::GoError;
use crate::elf::{Elf, PF_W, PF_X, PT_LOAD, Segment};
use crate::{Arch, FileOff, Vaddr};

/// The memory of a program that is not running.
pub(super) struct Image<'e> {
    elf: &'e Elf<'e>,
    pub(super) arch: Arch,
    relocations: OnceCell<Vec<(u64, u64)>>,
}

/// `PT_DYNAMIC`.
const PT_DYNAMIC: u32 = 2;
/// `DT_RELA`: the address of the relocations.
const DT_RELA: u64 = 7;
/// `DT_RELASZ`: their size in bytes.
const DT_RELASZ: u64 = 8;
/// `R_X86_64_RELATIVE`.
const R_X86_64_RELATIVE: u64 = 8;
/// `R_AARCH64_RELATIVE`.
const R_AARCH64_RELATIVE: u64 = 1027;
/// The size of an `Elf64_Rela`.
const RELA: usize = 24;
/// The most bytes of dynamic entries and of relocations; the largest programs stay far below.
const MAX_DYNAMIC: u64 = 1 << 20;
const MAX_RELOCATIONS: u64 = 1 << 30;
/// Bytes that a search reads at once.
const CHUNK: u64 = 1 << 20;

impl<'e> Image<'e> {
    pub(super) fn new(elf: &'e Elf<'e>) -> Result<Image<'e>, GoError> {
        match elf.arch {
            Some(arch @ (Arch::X86_64 | Arch::Aarch64)) => {
                Ok(Image { elf, arch, relocations: OnceCell::new() })
            }
            _ => Err(GoError::Machine(elf.machine)),
        }
    }

    /// How many bytes of the file are loaded at an address and behind it, without a gap.
    pub(super) fn available(&self, address: Vaddr) -> u64 {
        self.loads()
            .filter_map(|s| s.file_size.checked_sub(address.0.checked_sub(s.address)?))
            .max()
            .unwrap_or(0)
    }

    pub(super) fn file_offset(&self, address: Vaddr) -> Option<FileOff> {
        self.elf.file_offset(address)
    }

    /// Exactly `size` bytes at an address; `table` names in errors what should be there.
    pub(super) fn bytes(&self, address: Vaddr, size: u64, table: &'static str) -> Result<Vec<u8>, GoError> {
        let bytes = self.up_to(address, size, table)?;
        match (bytes.len() as u64) < size {
            true => {
                let address = Vaddr(address.0.wrapping_add(bytes.len() as u64));
                Err(GoError::Truncated { table, address })
            }
            false => Ok(bytes),
        }
    }

    /// As many of `size` bytes at an address as the file has.
    pub(super) fn up_to(&self, address: Vaddr, size: u64, table: &'static str) -> Result<Vec<u8>, GoError> {
        let size = size.min(self.available(address));
        match self.file_offset(address) {
            Some(offset) => Ok(self.elf.read(offset.0, size, u64::MAX, table)?),
            None => Ok(Vec::new()),
        }
    }

    /// The pointer-sized words at an address, relocated.
    pub(super) fn words<const N: usize>(
        &self,
        address: Vaddr,
        table: &'static str,
    ) -> Result<[u64; N], GoError> {
        let bytes = self.bytes(address, 8 * N as u64, table)?;
        let mut words = [0; N];
        for (i, word) in words.iter_mut().enumerate() {
            *word = self.word_in(&bytes, 8 * i, address).unwrap_or_default();
        }
        Ok(words)
    }

    /// The relocated word at offset `at` of `bytes`, which were read from `start`.
    pub(super) fn word_in(&self, bytes: &[u8], at: usize, start: Vaddr) -> Option<u64> {
        let in_place = u64_at(bytes, at)?;
        let address = start.0.wrapping_add(at as u64);
        let relocations = self.relocations();
        match relocations.binary_search_by_key(&address, |(place, _)| *place) {
            Ok(found) => Some(relocations[found].1),
            Err(_) => Some(in_place),
        }
    }

    /// Where two words stand one behind the other: by relocations where there are any, and in the file's bytes.
    pub(super) fn find_pair(&self, first: u64, second: u64) -> Result<Vec<Vaddr>, GoError> {
        let relocations = self.relocations();
        let relocated = relocations.windows(2).filter(|pair| {
            (pair[0].1, pair[1].1) == (first, second) && pair[1].0.wrapping_sub(pair[0].0) == 8
        });
        let mut found: Vec<Vaddr> = relocated.map(|pair| Vaddr(pair[0].0)).collect();
        if found.is_empty() {
            let mut pattern = first.to_le_bytes().to_vec();
            pattern.extend_from_slice(&second.to_le_bytes());
            for segment in self.search_order() {
                self.search(segment, &pattern, &mut |address, _| {
                    found.push(address);
                    found.len() < MOST_PAIRS
                })?;
                if !found.is_empty() {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The loaded segments in the order in which to look for data: writable, read only, and executable ones last,
    /// which hold data only where the linker did not separate it from code.
    pub(super) fn search_order(&self) -> Vec<&'e Segment> {
        let mut segments: Vec<&Segment> = self.loads().collect();
        segments.sort_by_key(|s| (s.flags & PF_X, PF_W - (s.flags & PF_W)));
        segments
    }

    /// Calls `each` for every place of a segment where the pattern stands, at an address that 8 divides, with the
    /// bytes that were read from there on; until it says `false`.
    pub(super) fn search(
        &self,
        segment: &Segment,
        pattern: &[u8],
        each: &mut dyn FnMut(Vaddr, &[u8]) -> bool,
    ) -> Result<(), GoError> {
        let finder = Finder::new(pattern);
        let mut done = 0;
        while done < segment.file_size {
            // Each chunk overlaps the next, so that nothing is missed at its end and headers are whole.
            let size = (CHUNK + OVERLAP).min(segment.file_size - done);
            let at = segment.offset.saturating_add(done);
            let chunk = self.elf.read(at, size, u64::MAX, "p_filesz")?;
            for found in finder.find_iter(&chunk) {
                let address = segment.address.wrapping_add(done).wrapping_add(found as u64);
                if found as u64 >= CHUNK || address % 8 != 0 {
                    continue;
                }
                if !each(Vaddr(address), &chunk[found..]) {
                    return Ok(());
                }
            }
            if (chunk.len() as u64) < size {
                break;
            }
            done += CHUNK;
        }
        Ok(())
    }

    pub(super) fn elf(&self) -> &'e Elf<'e> {
        self.elf
    }

    pub(super) fn is_relocated(&self) -> bool {
        !self.relocations().is_empty()
    }

    fn loads(&self) -> impl Iterator<Item = &'e Segment> {
        self.elf.segments.iter().filter(|s| s.kind == PT_LOAD)
    }

    /// The relative relocations as (address, value), by address. What cannot be read of them is not there.
    fn relocations(&self) -> &[(u64, u64)] {
        self.relocations.get_or_init(|| self.read_relocations().unwrap_or_default())
    }

    fn read_relocations(&self) -> Result<Vec<(u64, u64)>, GoError> {
        let Some(dynamic) = self.elf.segments.iter().find(|s| s.kind == PT_DYNAMIC) else {
            return Ok(Vec::new());
        };
        let size = dynamic.file_size.min(MAX_DYNAMIC);
        let entries = self.elf.read(dynamic.offset, size, MAX_DYNAMIC, "p_filesz of the dynamic segment")?;
        let value = |tag| {
            let entries = entries.chunks_exact(16).filter_map(|e| Some((u64_at(e, 0)?, u64_at(e, 8)?)));
            entries.take_while(|(t, _)| *t != 0).find(|(t, _)| *t == tag).map(|(_, value)| value)
        };
        let (Some(address), Some(size)) = (value(DT_RELA), value(DT_RELASZ)) else {
            return Ok(Vec::new());
        };
        let table = self.up_to(Vaddr(address), size.min(MAX_RELOCATIONS), "DT_RELA")?;
        let relative = match self.arch {
            Arch::Aarch64 => R_AARCH64_RELATIVE,
            _ => R_X86_64_RELATIVE,
        };
        let mut relocations = Vec::with_capacity(table.len() / RELA);
        for entry in table.chunks_exact(RELA) {
            if let (Some(place), Some(info), Some(value)) =
                (u64_at(entry, 0), u64_at(entry, 8), u64_at(entry, 16))
                && info & 0xffff_ffff == relative
            {
                relocations.push((place, value));
            }
        }
        if !relocations.is_sorted_by_key(|(place, _)| *place) {
            relocations.sort_unstable_by_key(|(place, _)| *place);
        }
        Ok(relocations)
    }
}

/// Pairs of words that are looked at; more than one is an accident.
const MOST_PAIRS: usize = 64;
/// Bytes behind a chunk that are searched again with the next; more than the header of a pclntab.
const OVERLAP: u64 = 128;

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|word| u64::from_le_bytes(*word))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}

/// An unsigned number of Go's `encoding/binary` at the start of `bytes`, and its length: seven bits a byte, the lowest
/// first.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_those_of_encoding_binary() {
        // The values are those of the package's documentation of the format, by arithmetic.
        assert_eq!(varint(&[0x00]), Some((0, 1)));
        assert_eq!(varint(&[0x7f, 0xff]), Some((127, 1)));
        assert_eq!(varint(&[0xac, 0x02]), Some((300, 2)));
        assert_eq!(varint(&[0x80]), None);
        assert_eq!(varint(&[0xff; 20]), None);
    }
}
