//! What arguments mean and how they are called: the notes of `.note.stapes`, as the crate `stapes` and `stapes.h` write them.
//!
//! A USDT note says of an argument no more than its size and sign.
//! These notes lie in a section of their own, so that other tools see plain USDT;
//! `docs/note-format.md` is their specification.
//! A note belongs to the site whose address it states. A site without one is a site whose arguments have no names.

use std::collections::HashMap;

use crate::elf::{Elf, SHT_NOBITS};
use crate::note::{Problem, ProblemKind};
use crate::{Class, ReadError, Vaddr};

/// An argument as the program's source has it: one value of the USDT note, or two that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Described {
    /// The name; empty where the source has none.
    pub name: String,
    /// The type as the source spells it; empty where that is not recorded.
    pub text: String,
    /// What it is.
    pub meaning: Meaning,
    /// Bytes of the first value: 1, 2, 4 or 8.
    pub size: u8,
    /// Whether there may be no value: then the address is 0, or, where there is no address, the second value.
    pub optional: bool,
    /// Which of the note's arguments is its first value.
    pub first: usize,
    /// How many values it takes: 1 or 2.
    pub values: usize,
}

/// What a described argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// An unsigned integer.
    Unsigned,
    /// A signed integer.
    Signed,
    /// 0 or 1.
    Bool,
    /// A Unicode scalar value.
    Char,
    /// The bits of an IEEE 754 number.
    Float,
    /// An address.
    Pointer,
    /// The address of text that ends at its NUL.
    CString,
    /// The address of UTF-8 text; the second value is its length in bytes.
    String,
    /// The address of bytes; the second value is their number.
    Bytes,
    /// The address of text that ends at its NUL; the second value is its length without it.
    CStringWithLength,
}

impl Meaning {
    /// The kind in bits 5–2 of a meaning.
    fn of(byte: u8) -> Option<Meaning> {
        Some(match byte >> 2 & 15 {
            1 => Meaning::Unsigned,
            2 => Meaning::Signed,
            3 => Meaning::Bool,
            4 => Meaning::Char,
            5 => Meaning::Float,
            6 => Meaning::Pointer,
            7 => Meaning::CString,
            8 => Meaning::String,
            9 => Meaning::Bytes,
            10 => Meaning::CStringWithLength,
            _ => return None,
        })
    }

    /// Whether the first value is an address.
    pub fn is_address(self) -> bool {
        matches!(
            self,
            Meaning::Pointer
                | Meaning::CString
                | Meaning::String
                | Meaning::Bytes
                | Meaning::CStringWithLength
        )
    }

    /// Whether the second value is the length of what the first points at.
    pub fn has_length(self) -> bool {
        matches!(self, Meaning::String | Meaning::Bytes | Meaning::CStringWithLength)
    }
}

/// The descriptions of a file, by the address of their site.
pub(crate) type BySite = HashMap<Vaddr, Vec<Described>>;

/// The most bytes of descriptions that are read of one file.
const MAX_BYTES: u64 = 64 << 20;
/// The most arguments of one site; a probe has at most twelve.
const MAX_ARGUMENTS: usize = 64;
/// The owner's name with its NUL, and the type of the notes.
const OWNER: &[u8] = b"stapes\0";
const TYPE: usize = 1;
const HEADER: usize = 12;

/// Reads the descriptions of a file whose `.stapsdt.base` is at `base`.
/// What is broken is reported, and what follows it in the section is not read.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn read(
    elf: &Elf<'_>,
    base: Option<Vaddr>,
    mut problem: impl FnMut(Problem),
) -> Result<BySite, ReadError> {
    let mut found = BySite::new();
    let mut left = MAX_BYTES;
    for (_, section) in elf.sections_named(b".note.stapes").filter(|(_, s)| s.kind != SHT_NOBITS) {
        let size = section.size.min(left);
        let bytes = elf.read(section.offset, size, size, "sh_offset of .note.stapes")?;
        left -= bytes.len() as u64;
        let notes = Notes { elf, bytes: &bytes, base };
        if let Err((kind, at, field)) = notes.collect(&mut found) {
            problem(Problem { kind, offset: section.offset + at as u64, field, probe: None });
        }
    }
    Ok(found)
}

/// What is wrong, where in the section, in which field.
type Wrong = (ProblemKind, usize, &'static str);

struct Notes<'a> {
    elf: &'a Elf<'a>,
    bytes: &'a [u8],
    base: Option<Vaddr>,
}

impl Notes<'_> {
    fn collect(&self, found: &mut BySite) -> Result<(), Wrong> {
        let fields = self.elf.fields(self.bytes, 0);
        let mut at = 0;
        while at + HEADER <= self.bytes.len() {
            let number = |from: usize| fields.u32(at + from, "").unwrap_or(0) as usize;
            let (name_size, size, kind) = (number(0), number(4), number(8));
            let truncated = (ProblemKind::Truncated, at, "n_descsz of .note.stapes");
            let start = name_size.checked_next_multiple_of(4).and_then(|size| size.checked_add(at + HEADER));
            let start = start.ok_or(truncated)?;
            let end = start.checked_add(size).filter(|end| *end <= self.bytes.len()).ok_or(truncated)?;
            let owner = self.bytes.get(at + HEADER..at + HEADER + name_size).unwrap_or_default();
            if owner == OWNER && kind == TYPE {
                let (site, arguments) = self.note(start, end)?;
                found.insert(site, arguments);
            }
            at = end.next_multiple_of(4);
        }
        Ok(())
    }

    /// The descriptor between two offsets: the site, the base, and the arguments up to a byte that is 0.
    fn note(&self, start: usize, end: usize) -> Result<(Vaddr, Vec<Described>), Wrong> {
        let word = match self.elf.class {
            Class::Elf32 => 4,
            Class::Elf64 => 8,
        };
        let fields = self.elf.fields(&self.bytes[..end], 0);
        let address = |at: usize| {
            fields.word(at, "").map_err(|_| (ProblemKind::ShortDescriptor, at, "descriptor of .note.stapes"))
        };
        let (site, linked) = (address(start)?, address(start + word)?);
        let shift = match self.base {
            Some(base) if linked != 0 => base.0.wrapping_sub(linked),
            _ => 0,
        };
        let mut site = site.wrapping_add(shift);
        if self.elf.class == Class::Elf32 {
            site &= 0xffff_ffff;
        }

        let mut arguments: Vec<Described> = Vec::new();
        let (mut at, mut first) = (start + 2 * word, 0);
        while let Some(&byte) = self.bytes[..end].get(at).filter(|byte| **byte != 0) {
            // A kind that a later version made takes an unknown number of values: it ends what can be told.
            let Some(meaning) = Meaning::of(byte) else { break };
            let (name, behind) = self.text(at + 1, end)?;
            let (text, behind) = self.text(behind, end)?;
            let optional = byte & 0x80 != 0;
            let values = if meaning.has_length() || (optional && !meaning.is_address()) { 2 } else { 1 };
            // The crate writes raw identifiers as the source has them.
            let name = name.strip_prefix("r#").map_or_else(|| name.clone(), str::to_owned);
            arguments.push(Described { name, text, meaning, size: 1 << (byte & 3), optional, first, values });
            if arguments.len() == MAX_ARGUMENTS {
                break;
            }
            first += values;
            at = behind;
        }
        Ok((Vaddr(site), arguments))
    }

    /// A string and where the next one starts.
    fn text(&self, at: usize, end: usize) -> Result<(String, usize), Wrong> {
        let bytes = self.bytes.get(at..end).unwrap_or_default();
        let length =
            memchr::memchr(0, bytes).ok_or((ProblemKind::MissingNul, at, "name or type in .note.stapes"))?;
        Ok((String::from_utf8_lossy(&bytes[..length]).into_owned(), at + length + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notes;

    /// The example of docs/note-format.md, from the first byte of its note to the last.
    const EXAMPLE: &[u8] = b"\x07\0\0\0\x25\0\0\0\x01\0\0\0stapes\0\0\
        \x40\x12\0\0\0\0\0\0\xf0\x04\0\0\0\0\0\0\
        \x06id\0\0\x23item\0\0\x97price\0\0\0\0\0\0";

    /// An ELF64 file with the sections `.note.stapsdt`, with one note at the site of the example, and `.note.stapes`.
    fn file(description: &[u8]) -> Vec<u8> {
        let names = b"\0.note.stapsdt\0.note.stapes\0.shstrtab\0";
        let mut note = Vec::from(*b"\x08\0\0\0\x28\0\0\0\x03\0\0\0stapsdt\0");
        for address in [0x1240_u64, 0x4f0, 0] {
            note.extend(address.to_le_bytes());
        }
        note.extend(b"shop\0sale\0-4@$1\0");
        let contents: [&[u8]; 4] = [&[], &note, description, names];
        let mut body = Vec::new();
        let mut headers = Vec::new();
        for (i, (name, kind)) in [(0_u32, 0_u32), (1, 7), (15, 7), (28, 3)].into_iter().enumerate() {
            body.resize(body.len().next_multiple_of(8), 0);
            headers.extend([name, kind].into_iter().flat_map(u32::to_le_bytes));
            let place = [0, 0, 64 + body.len() as u64, contents[i].len() as u64];
            headers.extend(place.into_iter().flat_map(u64::to_le_bytes));
            headers.extend([0; 8]);
            headers.extend([4_u64, 0].into_iter().flat_map(u64::to_le_bytes));
            body.extend(contents[i]);
        }
        body.resize(body.len().next_multiple_of(8), 0);
        let mut file = Vec::from(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\x3e\0\x01\0\0\0");
        file.extend([0; 16]);
        file.extend((64 + body.len() as u64).to_le_bytes());
        file.extend([0; 4]);
        file.extend([64_u16, 0, 0, 64, 4, 3].into_iter().flat_map(u16::to_le_bytes));
        file.extend(body);
        file.extend(headers);
        file
    }

    fn described(description: &[u8]) -> Vec<Described> {
        let notes = notes::read(&file(description).as_slice()).unwrap().unwrap();
        notes.probes[0].sites[0].described.clone()
    }

    #[test]
    fn the_example_of_the_specification() {
        let argument = |name: &str, meaning, size, optional, first, values| Described {
            name: name.to_owned(),
            text: String::new(),
            meaning,
            size,
            optional,
            first,
            values,
        };
        assert_eq!(
            described(EXAMPLE),
            [
                argument("id", Meaning::Unsigned, 4, false, 0, 1),
                argument("item", Meaning::String, 8, false, 1, 2),
                argument("price", Meaning::Float, 8, true, 3, 2),
            ]
        );
    }

    #[test]
    fn a_broken_description_leaves_the_probe() {
        for length in 0..EXAMPLE.len() {
            let notes = notes::read(&file(&EXAMPLE[..length]).as_slice()).unwrap().unwrap();
            assert_eq!(notes.probes[0].full_name(), "shop:sale", "{length}");
        }
        for at in 0..EXAMPLE.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = EXAMPLE.to_vec();
                bytes[at] = byte;
                assert!(described(&bytes).len() <= MAX_ARGUMENTS, "{at} {byte}");
            }
        }
    }

    #[test]
    fn what_a_later_version_adds_ends_the_list() {
        let mut bytes = EXAMPLE.to_vec();
        // The kind of the second argument becomes 15.
        bytes[41] = 0x3f;
        let names: Vec<_> = described(&bytes).into_iter().map(|d| d.name).collect();
        assert_eq!(names, ["id"]);
    }
}
