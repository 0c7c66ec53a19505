//! Where a Go program keeps what it knows about itself, and how that is found without a symbol.
//!
//! # Two tables, each of which finds the other
//! The runtime needs two tables to walk stacks, so no linker and no `strip` can leave them out:
//! the *pclntab* (functions, their names and everything by program counter), and *moduledata*, a variable with pointers
//! to all that belongs to the module: the pclntab, code, types.
//!
//! Neither can be looked up by name. The symbol `runtime.firstmoduledata` goes with `-s`.
//! The section `.gopclntab` is missing in programs that were linked position-independent by another linker before
//! Go 1.25 (the table is inside `.data.rel.ro` there), and everything is missing where the sections were stripped.
//! The pclntab's own field `textStart` is not to be trusted: since Go 1.26 the linker leaves it zero, as it would need a
//! relocation. So `text` must come from moduledata, and moduledata must be found:
//!
//! 1. The pclntab begins with a magic number (`f1 ff ff ff` since 1.20, `f0 ff ff ff` in 1.18 and 1.19), two zeros, the
//!    least length of an instruction and the size of a pointer.
//!    We look for it in `.gopclntab`, and else in all loaded bytes, data first. Each hit is a *candidate*:
//!    the program's own code may hold the same constant (`debug/gosym` does).
//! 2. moduledata begins with the pointer to the pclntab, and the next word is the pointer to the table of names,
//!    which is at an offset that the candidate states. So the pair of words {pclntab, pclntab + offset} marks it,
//!    in the file's bytes or, in a position-independent program, in the relocations.
//! 3. Both must agree: on the number of functions, on where the table of functions is, and `text ≤ minpc < maxpc`.
//!    A candidate without such a moduledata is an accident.
//!
//! # What the layouts of moduledata have in common
//! Up to `etext` (bytes 0 to 192) they are the same from Go 1.18 to 1.27. Then come pointers whose number changes:
//!
//! | Go | types, etypes | gofunc | textsectmap |
//! |---|---|---|---|
//! | 1.18, 1.19 | 280, 288 | 304 | 312 |
//! | 1.20 to 1.25 | 296, 304 | 320 | 328 |
//! | 1.26 | 296, 304 | 320 | 336 |
//! | 1.27 | 296, 312 | 344 | 360 |
//!
//! The version in the build information is not asked, a garbler may have removed it: `textsectmap` is a slice of the
//! sections of code, whose first entry must be {0, length, `text`}. That holds at no other place than the right one,
//! so it says which row it is. In a later Go it may hold for none of the rows: then functions are
//! read as before, and types, arguments and inlining are said to be unknown.

use super::GoError;
use super::image::{Image, u32_at, u64_at};
use crate::elf::{SHT_NOBITS, Segment};
use crate::{Arch, Vaddr};

/// The facts of a program's pclntab and moduledata, and where they were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Where the pclntab is.
    pub pclntab: Vaddr,
    /// How it was found.
    pub found: Found,
    /// Its magic number: 0xfffffff0 (Go 1.18, 1.19) or 0xfffffff1.
    pub magic: u32,
    /// The address of code that it states itself; 0 since Go 1.26.
    pub header_text: Vaddr,
    /// Where moduledata is.
    pub moduledata: Vaddr,
    /// Whether its pointers are relocations.
    pub relocated: bool,
    /// The address that the functions' offsets count from.
    pub text: Vaddr,
    /// The end of the code.
    pub end_text: Vaddr,
    /// The number of functions.
    pub functions: u64,
    /// The versions of Go whose layout moduledata has, as words; none if it is not known.
    pub layout: Option<&'static str>,
    /// Where types are described, from and to; none if the layout is not known.
    pub types: Option<(Vaddr, Vaddr)>,
    pub(super) header: Header,
    pub(super) gofunc: Option<Vaddr>,
    pub(super) sections: Vec<TextSection>,
}

/// How the pclntab was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// At the start of the section made for it.
    Section,
    /// By looking for its magic number.
    Search,
}

/// The offsets that a pclntab begins with, all from its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) magic: u32,
    pub(super) quantum: u8,
    pub(super) functions: u64,
    pub(super) text: u64,
    pub(super) names: u64,
    pub(super) units: u64,
    pub(super) pc_tables: u64,
    pub(super) function_table: u64,
    /// The length of the table of functions and of what is known of each, from `function_table` on.
    pub(super) function_size: u64,
}

/// A piece of code: a function's offset becomes an address by the piece that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextSection {
    pub(super) from: u64,
    pub(super) base: u64,
}

/// Offsets in moduledata that differ from version to version.
struct Layout {
    versions: &'static str,
    types: u64,
    end_types: u64,
    gofunc: u64,
    text_sections: u64,
}

const LAYOUTS: [Layout; 4] = [
    Layout { versions: "Go 1.27", types: 296, end_types: 312, gofunc: 344, text_sections: 360 },
    Layout { versions: "Go 1.26", types: 296, end_types: 304, gofunc: 320, text_sections: 336 },
    Layout { versions: "Go 1.20 to 1.25", types: 296, end_types: 304, gofunc: 320, text_sections: 328 },
    Layout { versions: "Go 1.18 or 1.19", types: 280, end_types: 288, gofunc: 304, text_sections: 312 },
];

/// The magic numbers of the tables that are understood.
const MAGICS: [u32; 2] = [0xffff_fff1, MAGIC_1_18];
pub(super) const MAGIC_1_18: u32 = 0xffff_fff0;
/// Those of older versions.
const OLD_MAGICS: [(u32, &str); 2] = [(0xffff_fffb, "1.2 to 1.15"), (0xffff_fffa, "1.16 or 1.17")];
/// The size of the header: magic, two zeros, two sizes and eight words.
const HEADER_SIZE: usize = 72;
/// The most functions; a browser made of Go would not reach it.
const MAX_FUNCTIONS: u64 = 1 << 26;
/// The most pieces of code.
const MAX_TEXT_SECTIONS: u64 = 4096;
/// The largest pclntab.
pub(super) const MAX_TABLE: u64 = 1 << 31;
/// The names of the sections that hold nothing but the pclntab.
const SECTIONS: [&[u8]; 2] = [b".gopclntab", b".data.rel.ro.gopclntab"];

/// What the search came to.
pub(super) enum Search {
    Found(Box<Tables>),
    /// Tables of the versions named.
    Old(&'static str),
    /// Only a header without its moduledata; why the last one was not taken.
    Broken(GoError),
    Nothing,
}

impl Tables {
    /// Looks for both tables.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn find(image: &Image<'_>) -> Result<Search, GoError> {
        let mut why_not = None;
        let elf = image.elf();
        let sections = SECTIONS.iter().flat_map(|name| elf.sections_named(name)).map(|(_, s)| s);
        for section in sections.filter(|s| s.kind != SHT_NOBITS) {
            let start = Vaddr(section.address);
            let bytes = image.up_to(start, HEADER_SIZE as u64, "pclntab")?;
            match u32_at(&bytes, 0) {
                Some(magic) if MAGICS.contains(&magic) => {
                    match Tables::at(image, start, &bytes, Found::Section) {
                        Ok(Some(tables)) => return Ok(Search::Found(Box::new(tables))),
                        Ok(None) => why_not = why_not.or(Some(without_moduledata(start))),
                        Err(error) => why_not = Some(error),
                    }
                }
                Some(magic) => {
                    if let Some((_, versions)) = OLD_MAGICS.iter().find(|(old, _)| *old == magic) {
                        return Ok(Search::Old(versions));
                    }
                }
                None => {}
            }
        }
        for magic in MAGICS {
            for segment in image.search_order() {
                match Tables::in_segment(image, segment, magic)? {
                    Some(Ok(tables)) => return Ok(Search::Found(Box::new(tables))),
                    Some(Err(error)) => why_not = why_not.or(Some(error)),
                    None => {}
                }
            }
        }
        if let Some(error) = why_not {
            return Ok(Search::Broken(error));
        }
        for (magic, versions) in OLD_MAGICS {
            for segment in image.search_order() {
                if has_old(image, segment, magic)? {
                    return Ok(Search::Old(versions));
                }
            }
        }
        Ok(Search::Nothing)
    }

    /// The address of a function's offset (`runtime.(*moduledata).textAddr`).
    pub(super) fn address(&self, offset: u64) -> Vaddr {
        let after = self.sections.partition_point(|s| s.from <= offset);
        let (from, base) = match after.checked_sub(1).and_then(|i| self.sections.get(i)) {
            Some(section) => (section.from, section.base),
            None => (0, self.text.0),
        };
        Vaddr(base.wrapping_add(offset.wrapping_sub(from)))
    }

    /// The first table in a segment that has its moduledata, or else why a candidate has none.
    fn in_segment(
        image: &Image<'_>,
        segment: &Segment,
        magic: u32,
    ) -> Result<Option<Result<Tables, GoError>>, GoError> {
        let mut candidates = Vec::new();
        image.search(segment, &pattern(magic), &mut |address, bytes| {
            if bytes.len() >= HEADER_SIZE && Header::read(bytes, image.arch).is_some() {
                candidates.push((address, bytes[..HEADER_SIZE].to_vec()));
            }
            candidates.len() < MOST_CANDIDATES
        })?;
        let mut why_not = None;
        for (address, bytes) in candidates {
            match Tables::at(image, address, &bytes, Found::Search) {
                Ok(Some(tables)) => return Ok(Some(Ok(tables))),
                Ok(None) => why_not = why_not.or(Some(Err(without_moduledata(address)))),
                Err(GoError::Read(error)) => return Err(error.into()),
                Err(error) => why_not = why_not.or(Some(Err(error))),
            }
        }
        Ok(why_not)
    }

    /// The tables, if a pclntab is at `start` and a moduledata says so.
    fn at(image: &Image<'_>, start: Vaddr, bytes: &[u8], found: Found) -> Result<Option<Tables>, GoError> {
        let Some(header) = Header::read(bytes, image.arch) else {
            return Err(damaged(start, "its header is of no form that Go writes"));
        };
        let names = start.0.wrapping_add(header.names);
        for moduledata in image.find_pair(start.0, names)? {
            match Tables::with(image, start, &header, moduledata, found) {
                Ok(Some(tables)) => return Ok(Some(tables)),
                // Cut off or damaged: another place may be the right one.
                Ok(None) | Err(GoError::Truncated { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        // Not there, or not there any more?
        image.bytes(Vaddr(start.0.wrapping_add(header.function_table)), 8 * header.functions, "pclntab")?;
        Ok(None)
    }

    /// Reads moduledata and compares it with the pclntab.
    fn with(
        image: &Image<'_>,
        start: Vaddr,
        header: &Header,
        moduledata: Vaddr,
        found: Found,
    ) -> Result<Option<Tables>, GoError> {
        // pcHeader, then slices of names, units, files, tables, functions and the index of functions.
        let words = image.words::<24>(moduledata, "moduledata")?;
        let (names_size, function_table, function_size) = (words[2], words[13], words[14]);
        let (index, index_size) = (words[16], words[17]);
        let (first, last, text, end_text) = (words[20], words[21], words[22], words[23]);
        let expected = start.0.wrapping_add(header.function_table);
        // The table of names may be followed by padding.
        let agrees = (1..=header.units - header.names).contains(&names_size)
            && function_table == expected
            && index == expected
            && index_size == header.functions + 1
            && text <= first
            && first < last
            && function_size <= MAX_TABLE;
        if !agrees {
            return Ok(None);
        }
        let mut tables = Tables {
            pclntab: start,
            found,
            magic: header.magic,
            header_text: Vaddr(header.text),
            moduledata,
            relocated: image.is_relocated(),
            text: Vaddr(text),
            end_text: Vaddr(end_text),
            functions: header.functions,
            layout: None,
            types: None,
            header: Header { function_size, ..header.clone() },
            gofunc: None,
            sections: Vec::new(),
        };
        for layout in LAYOUTS.iter().filter(|l| (l.end_types == 288) == (header.magic == MAGIC_1_18)) {
            if tables.take(image, layout) {
                break;
            }
        }
        Ok(Some(tables))
    }

    /// Takes the rest of moduledata by a layout, if it is the right one.
    fn take(&mut self, image: &Image<'_>, layout: &Layout) -> bool {
        let at = |offset: u64| Vaddr(self.moduledata.0.wrapping_add(offset));
        let word = |offset| image.words::<1>(at(offset), "moduledata").map(|[word]| word).ok();
        let Ok([list, count, capacity]) = image.words::<3>(at(layout.text_sections), "moduledata") else {
            return false;
        };
        if count == 0 || count != capacity || count > MAX_TEXT_SECTIONS {
            return false;
        }
        let Ok(bytes) = image.bytes(Vaddr(list), count * 24, "textsectmap") else { return false };
        let sections: Option<Vec<TextSection>> = (0..count as usize)
            .map(|i| {
                let word = |k: usize| image.word_in(&bytes, 24 * i + 8 * k, Vaddr(list));
                let (from, end, base) = (word(0)?, word(1)?, word(2)?);
                (from <= end).then_some(TextSection { from, base })
            })
            .collect();
        let Some(sections) = sections else { return false };
        if sections[0] != (TextSection { from: 0, base: self.text.0 })
            || !sections.is_sorted_by_key(|s| s.from)
        {
            return false;
        }
        let (Some(types), Some(end_types), Some(gofunc)) =
            (word(layout.types), word(layout.end_types), word(layout.gofunc))
        else {
            return false;
        };
        if types == 0 || types > end_types || image.available(Vaddr(types)) == 0 {
            return false;
        }
        self.layout = Some(layout.versions);
        self.types = Some((Vaddr(types), Vaddr(end_types)));
        self.gofunc = Some(Vaddr(gofunc));
        self.sections = sections;
        true
    }
}

impl Header {
    /// Reads a header, if it is of a form that Go writes.
    fn read(bytes: &[u8], arch: Arch) -> Option<Header> {
        let quantum = if arch == Arch::X86_64 { 1 } else { 4 };
        if *bytes.get(4..8)? != [0, 0, quantum, 8] {
            return None;
        }
        let word = |i: usize| u64_at(bytes, 8 + 8 * i);
        let header = Header {
            magic: u32_at(bytes, 0)?,
            quantum,
            functions: word(0)?,
            text: word(2)?,
            names: word(3)?,
            units: word(4)?,
            pc_tables: word(6)?,
            function_table: word(7)?,
            function_size: 0,
        };
        let files = word(5)?;
        let ordered = header.names >= HEADER_SIZE as u64
            && header.names < header.units
            && header.units <= files
            && files <= header.pc_tables
            && header.pc_tables <= header.function_table
            && header.function_table < MAX_TABLE;
        (ordered && (1..MAX_FUNCTIONS).contains(&header.functions)).then_some(header)
    }
}

/// Candidates that are looked at in one segment.
const MOST_CANDIDATES: usize = 64;

/// What a header with this magic number begins with.
fn pattern(magic: u32) -> [u8; 6] {
    let [a, b, c, d] = magic.to_le_bytes();
    [a, b, c, d, 0, 0]
}

/// Whether a segment has a header of an older Go.
fn has_old(image: &Image<'_>, segment: &Segment, magic: u32) -> Result<bool, GoError> {
    let mut found = false;
    let quantum = if image.arch == Arch::X86_64 { 1 } else { 4 };
    image.search(segment, &pattern(magic), &mut |address, bytes| {
        // The least length of an instruction, the size of a pointer, the number of functions;
        // up to 1.15 the first function is next, and must be code.
        let head = bytes.get(6..8) == Some(&[quantum, 8]);
        let count = u64_at(bytes, 8).is_some_and(|n| (1..MAX_FUNCTIONS).contains(&n));
        let follows = u64_at(bytes, 16).is_some_and(|n| n != 0);
        found = head && count && follows && address.0 % 16 == 0;
        !found
    })?;
    Ok(found)
}

fn without_moduledata(address: Vaddr) -> GoError {
    damaged(address, "no moduledata agrees with it")
}

fn damaged(address: Vaddr, reason: &'static str) -> GoError {
    GoError::Damaged { table: "pclntab", address, reason }
}
