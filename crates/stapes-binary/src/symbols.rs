//! Symbols of a file: functions by name and by address, and the variables that arguments name.
//!
//! `.symtab` and `.dynsym` are read by section, with their strings, only when somebody asks;
//! a stripped file has only the second, an unstripped one nearly always has in the first all that the second has.
//! The index by address is built at the first look-up; looking a name up goes through the table,
//! which is quicker than building an index for the few names of a script.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use crate::elf::{Elf, Fields, SHT_DYNSYM, SHT_NOBITS, SHT_SYMTAB, Section};
use crate::glob::Glob;
use crate::read::ReadErrorReason;
use crate::{Arch, Class, FileOff, Operand, Probe, ReadError, Vaddr};

/// The function symbols of a file.
pub struct Symbols {
    /// The strings of each table.
    names: Vec<Vec<u8>>,
    functions: Vec<Function>,
    /// Indices of `functions` by address, one for each address, the best name first.
    by_address: OnceCell<Vec<u32>>,
}

/// A function of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol<'s> {
    /// The name as the symbol table has it (mangled), without a version such as `@@GLIBC_2.34`.
    pub name: Cow<'s, str>,
    /// Where the function starts, without the Thumb bit.
    pub address: Vaddr,
    /// Its length in bytes, 0 if the symbol does not say.
    pub size: u64,
    /// Where calls from within the file enter it, and so where to probe it:
    /// on ppc64le behind the instructions that set up r2, elsewhere the same as `address`.
    pub entry: Vaddr,
    /// Where the entry is in the file.
    pub entry_offset: Option<FileOff>,
    /// Whether it is `STT_GNU_IFUNC`: the code at the address only chooses the function that is called.
    pub indirect: bool,
    /// Whether its code is Thumb code.
    pub thumb: bool,
}

/// A function as the tables have it.
#[derive(Clone, Copy)]
struct Function {
    address: u64,
    size: u64,
    entry_offset: Option<FileOff>,
    /// Offset in the strings of its table.
    name: u32,
    /// Index of its table.
    table: u8,
    /// Bytes from the address to the entry.
    to_entry: u8,
    indirect: bool,
    thumb: bool,
    /// Which of several names for one address is shown, the smallest first: global, weak, local.
    rank: u8,
}

/// The most bytes of one symbol table or its strings; debug builds of browsers stay below it.
const MAX_TABLE: u64 = 1 << 30;
/// How far an address may be behind a function without a size.
const UNSIZED_REACH: u64 = 1 << 20;

impl Symbols {
    /// Reads the function symbols of a file; a file without symbol tables has none.
    ///
    /// # Errors
    /// A symbol table is not in the file, or does not name its strings.
    pub fn read(elf: &Elf<'_>) -> Result<Symbols, ReadError> {
        let full = Table::read(elf, SHT_SYMTAB)?;
        let dynamic = Table::read(elf, SHT_DYNSYM)?;
        let mut functions = Vec::new();
        if let Some(full) = &full {
            functions.extend(full.functions(elf, 0));
        }
        if let Some(dynamic) = &dynamic {
            let mut found: Vec<Function> = dynamic.functions(elf, u8::from(full.is_some())).collect();
            if let Some(full) = &full {
                // What only the dynamic table has is kept of it. Most functions are not in it at all,
                // and their addresses alone tell; hashing every name would take most of the time.
                let key = |names, f: &Function| (f.address, stem(string(names, f.name)));
                let mut addresses: Vec<u64> = found.iter().map(|f| f.address).collect();
                addresses.sort_unstable();
                let mut only: HashSet<(u64, &[u8])> = found.iter().map(|f| key(&dynamic.names, f)).collect();
                for function in functions.iter().filter(|f| addresses.binary_search(&f.address).is_ok()) {
                    only.remove(&key(&full.names, function));
                }
                found.retain(|f| only.contains(&key(&dynamic.names, f)));
            }
            functions.extend(found);
        }
        let names = full.into_iter().chain(dynamic).map(|table| table.names).collect();
        Ok(Symbols { names, functions, by_address: OnceCell::new() })
    }

    /// Every function, in the order of the tables.
    pub fn functions(&self) -> impl Iterator<Item = Symbol<'_>> {
        self.functions.iter().map(|f| self.symbol(f))
    }

    /// The functions of that name, one for each address.
    ///
    /// Several local functions may share a name. A version in the table's name is not part of it.
    pub fn named<'s>(&'s self, name: &str) -> Vec<Symbol<'s>> {
        self.select(|own| own == name.as_bytes())
    }

    /// The functions whose name is of the pattern, one for each name and address.
    pub fn matching<'s>(&'s self, pattern: &Glob) -> Vec<Symbol<'s>> {
        self.select(|own| pattern.matches(&String::from_utf8_lossy(own)))
    }

    /// The function that holds the address, and how far behind its start the address is.
    ///
    /// A function without a size reaches to the next one, but no further than a megabyte.
    pub fn at(&self, address: Vaddr) -> Option<(Symbol<'_>, u64)> {
        let index = self.by_address();
        let start = |&i: &u32| self.functions[i as usize].address;
        let after = index.partition_point(|i| start(i) <= address.0);
        // A small function may lie within a larger one (a cold part, an assembler label): look back a little.
        for i in index[..after].iter().rev().take(8) {
            let function = &self.functions[*i as usize];
            let offset = address.0 - function.address;
            let reach = if function.size == 0 { UNSIZED_REACH } else { function.size };
            if offset < reach {
                return Some((self.symbol(function), offset));
            }
        }
        None
    }

    fn by_address(&self) -> &[u32] {
        self.by_address.get_or_init(|| {
            let mut index: Vec<u32> = (0..self.functions.len() as u32).collect();
            index.sort_by_key(|&i| {
                let f = &self.functions[i as usize];
                (f.address, f.size == 0, f.rank, i)
            });
            index.dedup_by_key(|i| self.functions[*i as usize].address);
            index
        })
    }

    fn select(&self, wanted: impl Fn(&[u8]) -> bool) -> Vec<Symbol<'_>> {
        let mut seen = HashSet::new();
        let of_name = self.functions.iter().filter(|f| wanted(self.name(f)));
        of_name.filter(|f| seen.insert((f.address, self.name(f)))).map(|f| self.symbol(f)).collect()
    }

    fn name(&self, function: &Function) -> &[u8] {
        stem(string(&self.names[usize::from(function.table)], function.name))
    }

    fn symbol(&self, function: &Function) -> Symbol<'_> {
        Symbol {
            name: String::from_utf8_lossy(self.name(function)),
            address: Vaddr(function.address),
            size: function.size,
            entry: Vaddr(function.address.wrapping_add(function.to_entry.into())),
            entry_offset: function.entry_offset,
            indirect: function.indirect,
            thumb: function.thumb,
        }
    }
}

/// Looks up the symbols that arguments name, such as `NBuffers` in `4@NBuffers(%rip)`, and fills in their addresses.
///
/// Nothing is read if no argument names a symbol. A symbol that the file does not have stays without an address;
/// so does one that several variables share, for the note does not say which it means.
///
/// # Errors
/// A symbol table is broken.
pub fn resolve(elf: &Elf<'_>, probes: &mut [Probe]) -> Result<(), ReadError> {
    let mut wanted: HashMap<String, Found> = HashMap::new();
    for_each_symbol(probes, |symbol| {
        wanted.entry(symbol.name.clone()).or_insert(Found::No);
    });
    look_up(elf, &mut wanted)?;
    for_each_symbol(probes, |symbol| {
        if let Some(Found::At { address, .. }) = wanted.get(&symbol.name) {
            symbol.address = Some(Vaddr(*address));
        }
    });
    Ok(())
}

/// The address and size of each of the names that the file has as a variable or function; 0 for an unknown size.
///
/// Nothing is read for no names. A name that several local variables share is left out.
///
/// # Errors
/// A symbol table is broken.
pub fn find<'n>(
    elf: &Elf<'_>,
    names: impl Iterator<Item = &'n str>,
) -> Result<HashMap<String, (Vaddr, u64)>, ReadError> {
    let mut wanted: HashMap<String, Found> = names.map(|name| (name.to_owned(), Found::No)).collect();
    look_up(elf, &mut wanted)?;
    let found = wanted.into_iter().filter_map(|(name, found)| match found {
        Found::At { address, size, .. } => Some((name, (Vaddr(address), size))),
        Found::No | Found::Several => None,
    });
    Ok(found.collect())
}

fn look_up(elf: &Elf<'_>, wanted: &mut HashMap<String, Found>) -> Result<(), ReadError> {
    if wanted.is_empty() {
        return Ok(());
    }
    for kind in [SHT_SYMTAB, SHT_DYNSYM] {
        let Some(table) = Table::read(elf, kind)? else { continue };
        for raw in table.raw(elf).filter(|raw| raw.section != SHN_UNDEF && raw.kind <= STT_FUNC) {
            let Ok(name) = std::str::from_utf8(stem(string(&table.names, raw.name))) else { continue };
            if let Some(found) = wanted.get_mut(name) {
                let this = Found::At { address: raw.value, size: raw.size, local: raw.local };
                *found = match *found {
                    Found::No => this,
                    Found::At { address, .. } if address == raw.value => *found,
                    // A global symbol is the one that a compiler means when it writes the plain name.
                    Found::At { local: true, .. } if !raw.local => this,
                    Found::At { local: false, .. } if raw.local => *found,
                    _ => Found::Several,
                };
            }
        }
    }
    Ok(())
}

/// What the tables say of a name.
#[derive(Clone, Copy)]
enum Found {
    No,
    At { address: u64, size: u64, local: bool },
    Several,
}

fn for_each_symbol(probes: &mut [Probe], mut each: impl FnMut(&mut crate::argument::SymbolRef)) {
    let sites = probes.iter_mut().flat_map(|p| &mut p.sites);
    for arg in sites.flat_map(|s| &mut s.args) {
        if let Ok(spec) = &mut arg.spec
            && let Operand::Memory { symbol: Some(symbol), .. } = &mut spec.operand
        {
            each(symbol);
        }
    }
}

/// The string at an offset of a string table; an empty one if there is none.
fn string(names: &[u8], at: u32) -> &[u8] {
    let rest = names.get(at as usize..).unwrap_or_default();
    &rest[..memchr::memchr(0, rest).unwrap_or(0)]
}

/// The name without the version that linkers append to names in `.symtab`.
fn stem(name: &[u8]) -> &[u8] {
    match memchr::memchr(b'@', name) {
        Some(at) if at > 0 => &name[..at],
        _ => name,
    }
}

/// One symbol table with its strings, as bytes.
struct Table {
    symbols: Vec<u8>,
    offset: u64,
    entry: usize,
    names: Vec<u8>,
}

/// The fields of a symbol (gABI, "Symbol Table").
struct RawSymbol {
    name: u32,
    value: u64,
    size: u64,
    kind: u8,
    local: bool,
    weak: bool,
    other: u8,
    section: u16,
}

const SHN_UNDEF: u16 = 0;
const STT_FUNC: u8 = 2;
const STT_GNU_IFUNC: u8 = 10;

impl Table {
    /// The first table of that type, if the file has one.
    fn read(elf: &Elf<'_>, kind: u32) -> Result<Option<Table>, ReadError> {
        let Some(section) = elf.sections.iter().find(|s| s.kind == kind && s.size > 0) else {
            return Ok(None);
        };
        let least = if elf.class == Class::Elf64 { 24 } else { 16 };
        if section.entry_size < least || section.entry_size > 1024 {
            return Err(ReadError::invalid(section.offset, "sh_entsize", "not the size of a symbol"));
        }
        let strings = usize::try_from(section.link).ok().and_then(|link| elf.sections.get(link));
        let Some(strings) = strings.filter(|s| s.kind != SHT_NOBITS) else {
            return Err(ReadError::invalid(section.offset, "sh_link", "no section of strings"));
        };
        let all = |section: &Section| {
            let bytes = elf.read(section.offset, section.size, MAX_TABLE, "sh_size of symbols")?;
            if (bytes.len() as u64) < section.size {
                let reason = ReadErrorReason::Truncated;
                return Err(ReadError::new(section.offset, "sh_size of symbols", reason));
            }
            Ok(bytes)
        };
        Ok(Some(Table {
            symbols: all(section)?,
            offset: section.offset,
            entry: section.entry_size as usize,
            names: all(strings)?,
        }))
    }

    fn raw<'t>(&'t self, elf: &Elf<'_>) -> impl Iterator<Item = RawSymbol> + use<'t> {
        let fields = elf.fields(&self.symbols, self.offset);
        let count = self.symbols.len() / self.entry;
        (0..count).filter_map(move |i| raw_symbol(&fields, i * self.entry).ok())
    }

    fn functions<'t>(&'t self, elf: &'t Elf<'_>, table: u8) -> impl Iterator<Item = Function> + use<'t> {
        self.raw(elf).filter_map(move |raw| function(elf, &raw, table))
    }
}

fn raw_symbol(fields: &Fields<'_>, at: usize) -> Result<RawSymbol, ReadError> {
    let name = fields.u32(at, "st_name")?;
    let (info, other, section, value, size) = match fields.class {
        Class::Elf64 => (
            fields.u8(at + 4, "st_info")?,
            fields.u8(at + 5, "st_other")?,
            fields.u16(at + 6, "st_shndx")?,
            fields.u64(at + 8, "st_value")?,
            fields.u64(at + 16, "st_size")?,
        ),
        Class::Elf32 => (
            fields.u8(at + 12, "st_info")?,
            fields.u8(at + 13, "st_other")?,
            fields.u16(at + 14, "st_shndx")?,
            fields.u32(at + 4, "st_value")?.into(),
            fields.u32(at + 8, "st_size")?.into(),
        ),
    };
    let (kind, local, weak) = (info & 0xf, info >> 4 == 0, info >> 4 == 2);
    Ok(RawSymbol { name, value, size, kind, local, weak, other, section })
}

fn function(elf: &Elf<'_>, raw: &RawSymbol, table: u8) -> Option<Function> {
    if raw.section == SHN_UNDEF || !matches!(raw.kind, STT_FUNC | STT_GNU_IFUNC) {
        return None;
    }
    let thumb = elf.arch == Some(Arch::Arm) && raw.value & 1 == 1;
    let address = if thumb { raw.value - 1 } else { raw.value };
    let to_entry = match elf.arch {
        // Power ELF V2 ABI, 3.4.1: three bits of st_other give the local entry as a power of two.
        Some(Arch::Ppc64le) => match raw.other >> 5 {
            0 | 1 | 7 => 0,
            power => 1u8 << power,
        },
        _ => 0,
    };
    Some(Function {
        address,
        size: raw.size,
        entry_offset: elf.file_offset(Vaddr(address.wrapping_add(to_entry.into()))),
        name: raw.name,
        table,
        to_entry,
        indirect: raw.kind == STT_GNU_IFUNC,
        thumb,
        rank: if raw.local { 2 } else { u8::from(raw.weak) },
    })
}
