//! The functions of a Go program: the pclntab's table of functions and the record of each.
//!
//! The table (`runtime.functab`) has for every function the offset of its entry from `text` and that of its record, in
//! the order of addresses, and one more entry for the end of the last.
//! A record (`runtime._func`) has a fixed part of 40 bytes (44 since Go 1.20, with the first line), then the offsets of
//! its tables by program counter and those of its other data:
//! ```text
//!  0 entry  4 name  8 size of arguments  12 deferreturn  16 pcsp  20 pcfile  24 pcln  28 number of pc tables
//! 32 unit  36 line (1.20+)  40 kind  41 flags  43 number of data  44 pc tables … data …
//! ```

use std::borrow::Cow;

use super::GoError;
use super::image::{Image, u32_at};
use super::moduledata::{MAGIC_1_18, MAX_TABLE, Tables};
use crate::{FileOff, Vaddr};

/// The functions of a program, in the order of their addresses.
pub(super) struct Functions {
    tables: Tables,
    names: Vec<u8>,
    table: Vec<u8>,
    count: usize,
    /// The length of a record's fixed part.
    fixed: usize,
}

/// A function of a Go program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function<'t> {
    /// The name as Go prints it in stack traces: `net/http.(*conn).serve`, `main.Map[...]`.
    pub name: Cow<'t, str>,
    /// Its first instruction.
    pub entry: Vaddr,
    /// Where the next function starts, so that padding is counted.
    pub end: Vaddr,
    /// Where its first instruction is in the file.
    pub file_offset: Option<FileOff>,
    /// Whether it was written in assembly, so that its arguments are on the stack.
    pub assembly: bool,
    /// The first line of its source, where Go 1.20 or newer says it.
    pub line: Option<u32>,
    /// Its place in the table.
    pub(super) index: usize,
    pub(super) record: usize,
}

/// Which of a function's data: `FUNCDATA_*` of `internal/abi`.
#[derive(Clone, Copy)]
pub(super) enum Data {
    InlineTree = 3,
    Arguments = 5,
}

/// `PCDATA_InlTreeIndex`.
pub(super) const INLINE_INDEX: usize = 2;
/// `FuncFlagAsm`.
const FLAG_ASSEMBLY: u8 = 4;

impl Functions {
    pub(super) fn read(image: &Image<'_>, tables: &Tables) -> Result<Functions, GoError> {
        let header = &tables.header;
        let at = |offset: u64| Vaddr(tables.pclntab.0.wrapping_add(offset));
        let count = header.functions as usize;
        let available = image.available(at(header.function_table));
        let table = image.up_to(at(header.function_table), header.function_size.min(MAX_TABLE), TABLE)?;
        let index = 8 * count as u64 + 4;
        if (table.len() as u64) < header.function_size || available < index {
            let address = at(header.function_table.wrapping_add(table.len() as u64));
            return Err(GoError::Truncated { table: TABLE, address });
        }
        let names = image.bytes(at(header.names), header.units - header.names, "the table of names")?;
        let fixed = if tables.magic == MAGIC_1_18 { 40 } else { 44 };
        let functions = Functions { tables: tables.clone(), names, table, count, fixed };
        functions.check(at(header.function_table))?;
        Ok(functions)
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn get<'t>(&'t self, index: usize, image: &Image<'_>) -> Option<Function<'t>> {
        let (record, entry) = (self.record(index)?, self.entry(index)?);
        let next = self.entry(index + 1)?;
        Some(Function {
            name: String::from_utf8_lossy(self.name_at(record)?),
            entry,
            end: if next > entry { next } else { entry },
            file_offset: image.file_offset(entry),
            assembly: self.table.get(record + self.fixed - 3)? & FLAG_ASSEMBLY != 0,
            line: (self.fixed == 44).then(|| u32_at(&self.table, record + 36)).flatten().filter(|l| *l != 0),
            index,
            record,
        })
    }

    /// The indices of the functions of that name; assembly and its wrapper share one.
    pub(super) fn named(&self, name: &str) -> Vec<usize> {
        let is = |i: &usize| {
            let offset = self.record(*i).and_then(|record| u32_at(&self.table, record + 4));
            offset.is_some_and(|offset| {
                let rest = self.names.get(offset as usize..).unwrap_or_default();
                rest.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
            })
        };
        (0..self.count).filter(is).collect()
    }

    /// The name in a record.
    pub(super) fn name_at(&self, record: usize) -> Option<&[u8]> {
        Some(self.name(u32_at(&self.table, record + 4)?))
    }

    /// The name at an offset in the table of names.
    pub(super) fn name(&self, offset: u32) -> &[u8] {
        let rest = self.names.get(offset as usize..).unwrap_or_default();
        &rest[..memchr::memchr(0, rest).unwrap_or(0)]
    }

    pub(super) fn record(&self, index: usize) -> Option<usize> {
        let record = u32_at(&self.table, 8 * index + 4)? as usize;
        (index < self.count && record.checked_add(self.fixed)? <= self.table.len()).then_some(record)
    }

    /// The offset of the function from `text`, and how many bytes it has.
    pub(super) fn extent(&self, index: usize) -> Option<(u32, u32)> {
        let (from, to) = (u32_at(&self.table, 8 * index)?, u32_at(&self.table, 8 * index + 8)?);
        Some((from, to.checked_sub(from)?))
    }

    /// The offset in the tables by program counter of one of a function's tables.
    pub(super) fn pc_table(&self, record: usize, which: usize) -> Option<u32> {
        let count = u32_at(&self.table, record + 28)? as usize;
        (which < count)
            .then(|| u32_at(&self.table, record + self.fixed + 4 * which))
            .flatten()
            .filter(|o| *o != 0)
    }

    /// The address of one of a function's data.
    pub(super) fn data(&self, record: usize, which: Data) -> Option<u32> {
        let count = *self.table.get(record + self.fixed - 1)?;
        let before = u32_at(&self.table, record + 28)? as usize;
        let which = which as usize;
        if which >= usize::from(count) {
            return None;
        }
        let at = before.checked_add(which)?.checked_mul(4)?.checked_add(record + self.fixed)?;
        u32_at(&self.table, at).filter(|offset| *offset != u32::MAX)
    }

    fn entry(&self, index: usize) -> Option<Vaddr> {
        u32_at(&self.table, 8 * index).map(|offset| self.tables.address(offset.into()))
    }

    /// What everything else relies on: functions are in order, and their records and names are there.
    fn check(&self, start: Vaddr) -> Result<(), GoError> {
        let damaged = |index: usize, reason| {
            let address = Vaddr(start.0.wrapping_add(8 * index as u64));
            Err(GoError::Damaged { table: TABLE, address, reason })
        };
        let mut before = 0;
        for index in 0..self.count {
            let Some((entry, record)) = u32_at(&self.table, 8 * index).zip(self.record(index)) else {
                return damaged(index, "the record of a function is outside");
            };
            if entry < before {
                return damaged(index, "the functions are not in the order of their addresses");
            }
            before = entry;
            let name = u32_at(&self.table, record + 4).unwrap_or(u32::MAX);
            if name as usize >= self.names.len() {
                return damaged(index, "the name of a function is outside");
            }
        }
        Ok(())
    }
}

const TABLE: &str = "the table of functions";
