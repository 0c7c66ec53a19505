//! Inlined functions: where the bodies of functions went that have none of their own.
//!
//! A function with inlined calls has a tree of them (`FUNCDATA_InlTree`) and a table that says for each program counter
//! which call of the tree it belongs to (`PCDATA_InlTreeIndex`, −1 for none). An entry of the tree has the name of the
//! inlined function and a program counter of the call: what that one belongs to in turn is the caller.
//! The tree does not say how many entries it has: the greatest index of the table does.
//!
//! A table by program counter is a sequence of pairs of varints: by how much the value changes (zigzag), and for how
//! many instruction units it then holds. A change of zero ends it, except at the start.

use std::collections::HashMap;

use super::GoError;
use super::functions::{Data, Functions, INLINE_INDEX};
use super::image::{Image, u32_at};
use super::moduledata::{MAGIC_1_18, Tables};
use crate::Vaddr;

/// A function that was inlined, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inlined {
    /// Its name.
    pub name: String,
    /// Each place where it was inlined.
    pub into: Vec<InlinedInto>,
}

/// A place where a function was inlined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlinedInto {
    /// The function that has the code.
    pub function: String,
    /// The inlined function that has the call, if the call was itself inlined.
    pub through: Option<String>,
    /// The first instruction of the inlined body; the call's own place, if nothing but calls that were inlined too is
    /// left of the body.
    pub address: Vaddr,
}

/// Steps through tables for all functions together; ten times what the largest programs have.
const MAX_STEPS: u64 = 1 << 28;
/// The most calls inlined into one function that are looked at.
const MAX_TREE: i32 = 1 << 16;
/// The most bytes between the first and the last tree.
const MAX_TREES: u64 = 1 << 30;

/// The functions that were inlined and whose names are wanted, by name.
pub(super) fn inlined(
    image: &Image<'_>,
    tables: &Tables,
    functions: &Functions,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<Inlined>, GoError> {
    let Some(gofunc) = tables.gofunc else { return Err(GoError::Unknown { table: "inlining" }) };
    let with_tree: Vec<(usize, usize, u32, u32)> = (0..functions.len())
        .filter_map(|index| {
            let record = functions.record(index)?;
            let tree = functions.data(record, Data::InlineTree)?;
            Some((index, record, tree, functions.pc_table(record, INLINE_INDEX)?))
        })
        .collect();
    let Some(first) = with_tree.iter().map(|t| t.2).min() else { return Ok(Vec::new()) };
    let last = with_tree.iter().map(|t| t.2).max().unwrap_or(first);
    // One read for all trees; behind the last there is room for its entries.
    let (shape, header) = (Shape::of(tables), &tables.header);
    let size = u64::from(last - first) + shape.size as u64 * MAX_TREE as u64;
    let trees =
        image.up_to(Vaddr(gofunc.0.wrapping_add(first.into())), size.min(MAX_TREES), "inline trees")?;
    let pc_tables = image.bytes(
        Vaddr(tables.pclntab.0.wrapping_add(header.pc_tables)),
        header.function_table - header.pc_tables,
        "the tables by program counter",
    )?;

    let mut chosen: HashMap<u32, bool> = HashMap::new();
    let mut found: HashMap<u32, Vec<InlinedInto>> = HashMap::new();
    let mut steps = 0;
    let mut ranges = Vec::new();
    let mut first_at: Vec<Option<u32>> = Vec::new();
    for (index, _, tree, table) in with_tree {
        let Some((entry, size)) = functions.extent(index) else { continue };
        ranges.clear();
        let Some(table) = pc_tables.get(table as usize..) else { continue };
        for range in PcTable::new(table, header.quantum, size) {
            ranges.push(range);
        }
        steps += ranges.len() as u64;
        if steps > MAX_STEPS {
            let address = tables.pclntab;
            return Err(GoError::Damaged { table: "inline trees", address, reason: "they have no end" });
        }
        let count = ranges.iter().map(|r| r.value).filter(|v| *v < MAX_TREE).max().unwrap_or(-1) + 1;
        first_at.clear();
        first_at.resize(count.max(0) as usize, None);
        for range in ranges.iter().rev() {
            if let Some(first) = usize::try_from(range.value).ok().and_then(|v| first_at.get_mut(v)) {
                *first = Some(range.from);
            }
        }
        let tree = trees.get((tree - first) as usize..).unwrap_or_default();
        for (call, own) in first_at.iter().enumerate() {
            let Some((name, call_at)) = shape.call(tree, call) else { break };
            let text = || String::from_utf8_lossy(functions.name(name));
            if !*chosen.entry(name).or_insert_with(|| wanted(&text())) {
                continue;
            }
            let caller = value_at(&ranges, call_at).and_then(|v| shape.call(tree, usize::try_from(v).ok()?));
            let record = functions.record(index).and_then(|record| functions.name_at(record));
            found.entry(name).or_default().push(InlinedInto {
                function: String::from_utf8_lossy(record.unwrap_or_default()).into_owned(),
                through: caller.map(|(name, _)| String::from_utf8_lossy(functions.name(name)).into_owned()),
                address: tables.address(u64::from(entry) + u64::from(own.unwrap_or(call_at))),
            });
        }
    }
    let mut list: Vec<Inlined> = found
        .into_iter()
        .map(|(name, into)| Inlined {
            name: String::from_utf8_lossy(functions.name(name)).into_owned(),
            into,
        })
        .collect();
    list.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(list)
}

/// Where the fields of a tree's entry are.
struct Shape {
    size: usize,
    name: usize,
    call: usize,
}

impl Shape {
    fn of(tables: &Tables) -> Shape {
        match tables.magic {
            // parent, kind, file, line, name, call
            MAGIC_1_18 => Shape { size: 20, name: 12, call: 16 },
            // kind, name, call, first line
            _ => Shape { size: 16, name: 4, call: 8 },
        }
    }

    /// The name's offset and the call's program counter, from the function's entry.
    fn call(&self, tree: &[u8], index: usize) -> Option<(u32, u32)> {
        let entry = tree.get(index.checked_mul(self.size)?..)?;
        Some((u32_at(entry, self.name)?, u32_at(entry, self.call)?))
    }
}

/// Program counters with one value: from the function's entry on, the end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PcRange {
    from: u32,
    to: u32,
    value: i32,
}

fn value_at(ranges: &[PcRange], at: u32) -> Option<i32> {
    let range = ranges.get(ranges.partition_point(|r| r.to <= at))?;
    (range.from <= at).then_some(range.value)
}

/// The pairs of one table, until the end of the function.
struct PcTable<'b> {
    rest: &'b [u8],
    quantum: u32,
    size: u32,
    at: u32,
    value: i32,
    first: bool,
}

impl PcTable<'_> {
    fn new(rest: &[u8], quantum: u8, size: u32) -> PcTable<'_> {
        PcTable { rest, quantum: quantum.into(), size, at: 0, value: -1, first: true }
    }

    fn number(&mut self) -> Option<u32> {
        let (value, length) = super::image::varint(self.rest)?;
        self.rest = &self.rest[length..];
        u32::try_from(value).ok()
    }
}

impl Iterator for PcTable<'_> {
    type Item = PcRange;

    fn next(&mut self) -> Option<PcRange> {
        if self.at >= self.size {
            return None;
        }
        let change = self.number()?;
        if change == 0 && !self.first {
            return None;
        }
        self.first = false;
        // Zigzag: the lowest bit is the sign.
        self.value = self.value.wrapping_add(((change >> 1) as i32) ^ -((change & 1) as i32));
        let units = self.number().filter(|units| *units > 0)?;
        let from = self.at;
        self.at = from.saturating_add(units.saturating_mul(self.quantum));
        Some(PcRange { from, to: self.at, value: self.value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_by_program_counter_is_walked_as_the_runtime_does() {
        // −1 for 4, 0 for 6 (+1), 1 for 2 (+1), −1 for 300 (−2): as `step` of runtime/symtab.go decodes them.
        let table = [0, 4, 2, 6, 2, 2, 3, 0xac, 0x02, 0];
        let ranges: Vec<_> = PcTable::new(&table, 1, 312).map(|r| (r.from, r.to, r.value)).collect();
        assert_eq!(ranges, [(0, 4, -1), (4, 10, 0), (10, 12, 1), (12, 312, -1)]);
        let of_words: Vec<_> = PcTable::new(&table, 4, 40).map(|r| (r.from, r.to)).collect();
        assert_eq!(of_words, [(0, 16), (16, 40)]);
    }

    #[test]
    fn tables_without_an_end_are_left() {
        assert_eq!(PcTable::new(&[2, 0, 2, 0], 1, 100).count(), 0);
        assert_eq!(PcTable::new(&[0xff; 64], 1, 100).count(), 0);
        assert_eq!(PcTable::new(&[2, 1, 2, 1], 1, 100).count(), 2);
    }
}
