//! Struct types: Go's own descriptions of types, which reflection and the garbage collector need, so that they survive
//! stripping.
//!
//! Between `types` and `etypes` of moduledata lie descriptions (`internal/abi.Type` and what follows it), names and
//! more. Where a description starts is not said for all of them, so every eighth byte is looked at, and taken for a
//! struct only if all of it fits together: kind, alignment, name, list of fields, and each field's offset and type.
//! ```text
//!  0 size  8 bytes with pointers  16 hash  20 flags  21 align  22 align as field  23 kind  24 equal  32 gcdata
//! 40 name (offset from `types`)  44 pointer to it  48 package  56 fields  64 length  72 capacity
//! 80 if flagged: package's path (offset)  …
//! ```
//! A field is three words: name, type, offset. (Go 1.18 stores the offset in another way and is not read.)

use super::GoError;
use super::image::{Image, u32_at, u64_at, varint};
use super::moduledata::Tables;
use crate::Vaddr;

/// A struct type of a Go program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struct {
    /// The path of its package and its name: `net/http.Request`.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its fields, in the order of their offsets.
    pub fields: Vec<Field>,
}

/// A field of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name; that of the type, if it is embedded.
    pub name: String,
    /// Its offset in bytes.
    pub offset: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Its type as Go writes it: `string`, `*url.URL`.
    pub type_name: String,
    /// Whether it is embedded.
    pub embedded: bool,
}

impl Struct {
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }
}

const STRUCT: u8 = 25;
const KIND_MASK: u8 = 31;
const FLAG_UNCOMMON: u8 = 1;
const FLAG_EXTRA_STAR: u8 = 2;
const FLAG_NAMED: u8 = 4;
/// Flags that a description may have.
const FLAGS: u8 = 0x3f;
/// The size of a struct's description, without what is only there if flagged.
const SIZE: usize = 80;
const FIELD: u64 = 24;
/// The most bytes of types; the largest programs have some tens of megabytes.
const MAX_TYPES: u64 = 1 << 30;
/// The most fields of a struct that is looked for.
const MAX_FIELDS: u64 = 4096;
/// The flag of an embedded field's name.
const EMBEDDED: u8 = 8;

/// The descriptions of a program's types.
pub(super) struct Types<'i, 'e> {
    image: &'i Image<'e>,
    start: Vaddr,
    bytes: Vec<u8>,
}

impl<'i, 'e> Types<'i, 'e> {
    pub(super) fn read(image: &'i Image<'e>, tables: &Tables) -> Result<Types<'i, 'e>, GoError> {
        let Some((start, end)) = tables.types else { return Err(GoError::Unknown { table: "types" }) };
        let size = end.0.saturating_sub(start.0);
        Ok(Types { image, start, bytes: image.bytes(start, size.min(MAX_TYPES), "types")? })
    }

    /// The struct types of these full names, in their order. Where the program has two of a name, which it may have
    /// inside of functions, neither is meant.
    pub(super) fn find(&self, names: &[&str]) -> Vec<Option<Struct>> {
        let mut found: Vec<Vec<Struct>> = vec![Vec::new(); names.len()];
        let mut at = 0;
        while at + SIZE <= self.bytes.len() {
            if self.bytes[at + 23] & KIND_MASK == STRUCT
                && let Some((path, name)) = self.name_of(at)
            {
                for (wanted, found) in names.iter().zip(&mut found) {
                    let same = wanted.len() == path.len() + 1 + name.len()
                        && wanted.starts_with(path)
                        && wanted.ends_with(name)
                        && wanted.as_bytes()[path.len()] == b'.';
                    if same && let Some(fields) = self.fields(at) {
                        let size = u64_at(&self.bytes, at).unwrap_or_default();
                        let description = Struct { name: (*wanted).to_owned(), size, fields };
                        if !found.contains(&description) {
                            found.push(description);
                        }
                    }
                }
            }
            at += 8;
        }
        found.into_iter().map(|mut all| if all.len() == 1 { all.pop() } else { None }).collect()
    }

    /// The path of the package and the name of the struct that may be described at an offset.
    fn name_of(&self, at: usize) -> Option<(&str, &str)> {
        let bytes = &self.bytes[at..];
        let (flags, align, field_align) = (bytes[20], bytes[21], bytes[22]);
        let fits = flags & !FLAGS == 0
            && flags & (FLAG_NAMED | FLAG_UNCOMMON) == FLAG_NAMED | FLAG_UNCOMMON
            && matches!(align, 1 | 2 | 4 | 8)
            && align == field_align;
        if !fits {
            return None;
        }
        let (full, _) = self.name(u32_at(bytes, 40)? as usize)?;
        let full = if flags & FLAG_EXTRA_STAR != 0 { full.strip_prefix('*')? } else { full };
        let (path, _) = self.name(u32_at(bytes, SIZE)? as usize)?;
        // What is before the dot is the package's name, which its path need not end with.
        let (_, name) = full.split_once('.')?;
        Some((path, name))
    }

    fn fields(&self, at: usize) -> Option<Vec<Field>> {
        let size = u64_at(&self.bytes, at)?;
        let word = |offset: usize| self.image.word_in(&self.bytes, at.checked_add(offset)?, self.start);
        let (list, count, capacity) = (word(56)?, word(64)?, word(72)?);
        if count != capacity || count > MAX_FIELDS {
            return None;
        }
        let list = self.offset(list)?;
        let mut end = 0;
        (0..count)
            .map(|i| {
                let at = list.checked_add((i * FIELD) as usize)?;
                let word = |k: usize| self.image.word_in(&self.bytes, at.checked_add(8 * k)?, self.start);
                let (name, flags) = self.name(self.offset(word(0)?)?)?;
                let described = self.offset(word(1)?)?;
                let field = Field {
                    name: name.to_owned(),
                    offset: word(2)?,
                    size: u64_at(&self.bytes, described)?,
                    type_name: self.type_name(described)?,
                    embedded: flags & EMBEDDED != 0,
                };
                // Fields are in order and inside.
                let after = field.offset.checked_add(field.size)?;
                let fits = field.offset >= end && after <= size;
                end = after;
                fits.then_some(field)
            })
            .collect()
    }

    /// The type's name as Go writes it.
    fn type_name(&self, at: usize) -> Option<String> {
        let flags = *self.bytes.get(at.checked_add(20)?)?;
        let (name, _) = self.name(u32_at(&self.bytes, at.checked_add(40)?)? as usize)?;
        Some(if flags & FLAG_EXTRA_STAR != 0 { name.strip_prefix('*')? } else { name }.to_owned())
    }

    /// A name and its flags: a byte of flags, the length as a varint, the bytes.
    fn name(&self, at: usize) -> Option<(&str, u8)> {
        let flags = *self.bytes.get(at)?;
        let rest = self.bytes.get(at + 1..)?;
        let (size, length) = varint(rest)?;
        let name = rest.get(length..)?.get(..usize::try_from(size).ok()?)?;
        Some((std::str::from_utf8(name).ok()?, flags))
    }

    /// The offset of an address among the types.
    fn offset(&self, address: u64) -> Option<usize> {
        usize::try_from(address.checked_sub(self.start.0)?).ok().filter(|o| *o < self.bytes.len())
    }
}
