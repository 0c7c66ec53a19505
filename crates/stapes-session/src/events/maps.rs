//! The content of a map: what the CPUs kept apart is merged, and the entries are put in the order that is printed.
//!
//! The order is bpftrace's: numbers by value, ascending, so that the greatest stand next to the prompt;
//! histograms by how much they counted, `stats` by their totals; everything else by key.
//! Equal values stand in the order of their keys, which makes the output the same each time.
//! `print(@m, top)` keeps the `top` greatest.

use std::cmp::Ordering;

use stapes_bpf::{Aggregate, Map, MapRole, Type};

use super::value::{Value, number};

/// A map with its entries, merged and in order.
#[derive(Clone, Debug, PartialEq)]
pub struct MapContent<'a> {
    /// The script's name for it, with `@`.
    pub name: &'a str,
    /// The parts of the key; empty for a map without keys.
    pub key: &'a [Type],
    /// What is stored.
    pub value: &'a stapes_bpf::Value,
    /// The entries. A map without keys has one, or none if nothing was assigned.
    pub entries: Vec<Entry>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key's bytes; empty where the map has no keys.
    pub key: Vec<u8>,
    /// The value.
    pub value: Cell,
}

/// A value of a map, merged over the CPUs.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A plain value, as bytes of the map's type.
    Plain(Vec<u8>),
    /// `count`, `sum`, `min` and `max`.
    Number(i128),
    /// `avg`: how many and how much.
    Average {
        /// How many.
        count: u64,
        /// How much.
        total: i128,
    },
    /// `stats`: how many and how much.
    Stats {
        /// How many.
        count: u64,
        /// How much.
        total: i128,
    },
    /// `hist` and `lhist`: all buckets.
    Buckets(Vec<u64>),
}

impl<'a> MapContent<'a> {
    /// Merges and sorts the raw entries of `map`, each a key and its value (for per-CPU maps: the values of all
    /// possible CPUs, each padded to 8 bytes). Nothing for a map that is not the script's.
    ///
    /// Where a map without keys was never assigned it has no entry; `zeroed` says that one that looks untouched is
    /// nevertheless to be shown, because the script zeroed it.
    pub fn new(map: &'a Map, raw: Vec<(Vec<u8>, Vec<u8>)>, zeroed: bool) -> Option<Self> {
        let MapRole::Script { key, value } = &map.role else { return None };
        let mut content = MapContent { name: &map.name, key, value, entries: Vec::with_capacity(raw.len()) };
        for (key_bytes, bytes) in raw {
            let assigned = match map.set_flag() {
                Some(flag) => number(&bytes, flag as usize, 8) != 0,
                None => true,
            };
            // Every aggregation that anything was added to has a byte that is not zero, but for sums of 0.
            let aggregate = matches!(value, stapes_bpf::Value::Aggregate(_));
            let untouched = aggregate && key.is_empty() && !zeroed && bytes.iter().all(|b| *b == 0);
            if assigned && !untouched {
                let key = if key.is_empty() { Vec::new() } else { key_bytes };
                content.entries.push(Entry { key, value: Cell::merge(value, &bytes) });
            }
        }
        content.sort();
        Some(content)
    }

    /// Keeps the `top` greatest entries; all of them if `top` is 0.
    pub fn keep_top(&mut self, top: usize) {
        if top > 0 && top < self.entries.len() {
            self.entries.drain(..self.entries.len() - top);
        }
    }

    /// The parts of an entry's key.
    pub fn key_values<'e>(&'e self, entry: &'e Entry) -> impl Iterator<Item = Value<'e>> {
        let (offsets, _) = Type::layout(self.key.iter());
        self.key
            .iter()
            .zip(offsets)
            .map(|(ty, offset)| Value::read(ty, entry.key.get(offset as usize..).unwrap_or_default()))
    }

    fn sort(&mut self) {
        let mut entries = std::mem::take(&mut self.entries);
        entries.sort_by(|a, b| {
            let by_value = self.rank(a).cmp(&self.rank(b));
            by_value.then_with(|| self.compare_keys(a, b))
        });
        self.entries = entries;
    }

    /// What an entry is sorted by, before its key.
    fn rank(&self, entry: &Entry) -> i128 {
        match (&entry.value, self.value) {
            (Cell::Plain(bytes), stapes_bpf::Value::Plain(ty)) => {
                Value::read(ty, bytes).number().unwrap_or(0)
            }
            (Cell::Plain(_), _) => 0,
            (Cell::Number(n), _) => *n,
            (Cell::Average { count, total }, _) => average(*total, *count),
            (Cell::Stats { total, .. }, _) => *total,
            (Cell::Buckets(buckets), _) => buckets.iter().map(|n| i128::from(*n)).sum(),
        }
    }

    fn compare_keys(&self, a: &Entry, b: &Entry) -> Ordering {
        self.key_values(a)
            .zip(self.key_values(b))
            .map(|(a, b)| compare(&a, &b))
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

impl Cell {
    /// Merges what the CPUs hold.
    fn merge(value: &stapes_bpf::Value, bytes: &[u8]) -> Cell {
        let aggregate = match value {
            stapes_bpf::Value::Plain(ty) => {
                return Cell::Plain(bytes[..bytes.len().min(ty.size() as usize)].to_vec());
            }
            stapes_bpf::Value::Aggregate(aggregate) => *aggregate,
        };
        let cpus = || bytes.chunks(aggregate.size().max(8) as usize);
        let first = |cpu: &[u8]| number(cpu, 0, 8);
        let second = |cpu: &[u8]| number(cpu, 8, 8);
        match aggregate {
            Aggregate::Count => Cell::Number(i128::from(wrapping_sum(cpus().map(first)))),
            Aggregate::Sum { signed } => Cell::Number(widen(wrapping_sum(cpus().map(first)), signed)),
            Aggregate::Avg { signed } => Cell::Average {
                count: wrapping_sum(cpus().map(second)),
                total: widen(wrapping_sum(cpus().map(first)), signed),
            },
            Aggregate::Stats { signed } => Cell::Stats {
                count: wrapping_sum(cpus().map(second)),
                total: widen(wrapping_sum(cpus().map(first)), signed),
            },
            Aggregate::Min { signed } | Aggregate::Max { signed } => {
                let rank = cpus().filter(|cpu| second(cpu) != 0).map(first).max();
                Cell::Number(rank.map_or(0, |rank| widen(aggregate.value_of_rank(rank), signed)))
            }
            Aggregate::Hist { .. } | Aggregate::Lhist { .. } => {
                let mut sums = vec![0u64; aggregate.size() as usize / 8];
                for cpu in cpus() {
                    for (sum, bucket) in sums.iter_mut().zip(cpu.chunks(8)) {
                        *sum = sum.wrapping_add(number(bucket, 0, 8));
                    }
                }
                Cell::Buckets(sums)
            }
        }
    }
}

/// `total ÷ count` towards zero, 0 where nothing was counted.
pub fn average(total: i128, count: u64) -> i128 {
    total.checked_div(i128::from(count)).unwrap_or(0)
}

fn wrapping_sum(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::wrapping_add)
}

fn widen(value: u64, signed: bool) -> i128 {
    if signed { i128::from(value as i64) } else { i128::from(value) }
}

fn compare(a: &Value<'_>, b: &Value<'_>) -> Ordering {
    match (a, b) {
        (Value::Str(a), Value::Str(b)) | (Value::Buf(a), Value::Buf(b)) => a.cmp(b),
        (Value::Tuple(a), Value::Tuple(b))
        | (Value::Record(a), Value::Record(b))
        | (Value::Array(a), Value::Array(b)) => a
            .iter()
            .zip(b.iter())
            .map(|(a, b)| compare(&a, &b))
            .find(|o| o.is_ne())
            .unwrap_or(Ordering::Equal),
        (Value::Stack { key: a, .. }, Value::Stack { key: b, .. }) => a.cmp(b),
        (Value::Symbol { address: a, .. }, Value::Symbol { address: b, .. }) => a.cmp(b),
        _ => a.number().cmp(&b.number()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stapes_bpf::MapKind;

    const KEY: Type = Type::Int { size: 8, signed: true };

    fn map(value: stapes_bpf::Value, key: Vec<Type>, kind: MapKind) -> Map {
        let key_size = Type::layout(key.iter()).1.max(4);
        let value_size = value.size();
        let role = MapRole::Script { key, value };
        Map { name: "@m".into(), kind, key_size, value_size, max_entries: 8, role }
    }

    fn words(words: &[i64]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_ne_bytes()).collect()
    }

    fn merged(aggregate: Aggregate, cpus: &[i64]) -> Cell {
        Cell::merge(&stapes_bpf::Value::Aggregate(aggregate), &words(cpus))
    }

    #[test]
    fn cpus_are_summed() {
        assert_eq!(merged(Aggregate::Count, &[1, 0, 41]), Cell::Number(42));
        assert_eq!(merged(Aggregate::Sum { signed: true }, &[5, -8]), Cell::Number(-3));
        assert_eq!(merged(Aggregate::Sum { signed: false }, &[-1]), Cell::Number(i128::from(u64::MAX)));
        let stats = Cell::Stats { count: 3, total: -4 };
        assert_eq!(merged(Aggregate::Stats { signed: true }, &[6, 2, -10, 1]), stats);
        assert_eq!(average(-4, 3), -1);
        assert_eq!(average(7, 0), 0);
    }

    #[test]
    fn a_cpu_without_a_value_has_no_minimum() {
        let extreme = |aggregate: Aggregate, values: [i64; 2]| {
            let [a, b] = values.map(|v| aggregate.rank(v as u64) as i64);
            merged(aggregate, &[0, 0, a, 1, b, 1])
        };
        assert_eq!(extreme(Aggregate::Min { signed: true }, [7, 9]), Cell::Number(7));
        assert_eq!(extreme(Aggregate::Min { signed: true }, [7, -9]), Cell::Number(-9));
        assert_eq!(extreme(Aggregate::Max { signed: true }, [-7, -9]), Cell::Number(-7));
        assert_eq!(extreme(Aggregate::Min { signed: false }, [-1, 3]), Cell::Number(3));
        let greatest = Cell::Number(i128::from(u64::MAX));
        assert_eq!(extreme(Aggregate::Max { signed: false }, [-1, 3]), greatest);
        assert_eq!(merged(Aggregate::Min { signed: true }, &[0, 0]), Cell::Number(0));
    }

    #[test]
    fn buckets_are_summed_one_by_one() {
        let lhist = Aggregate::Lhist { min: 0, max: 20, step: 10 };
        assert_eq!(merged(lhist, &[1, 2, 3, 4, 10, 20, 30, 40]), Cell::Buckets(vec![11, 22, 33, 44]));
    }

    #[test]
    fn numbers_ascend_and_ties_go_by_key_as_a_number() {
        let map =
            map(stapes_bpf::Value::Plain(Type::Int { size: 8, signed: true }), vec![KEY], MapKind::Hash);
        let raw = [(1, 5), (10, 3), (2, 3), (3, -9)].map(|(k, v)| (words(&[k]), words(&[v]))).to_vec();
        let mut content = MapContent::new(&map, raw, false).unwrap();
        let keys = |c: &MapContent<'_>| c.entries.iter().map(|e| number(&e.key, 0, 8)).collect::<Vec<_>>();
        assert_eq!(keys(&content), [3, 2, 10, 1]);
        content.keep_top(2);
        assert_eq!(keys(&content), [10, 1]);
        content.keep_top(0);
        assert_eq!(keys(&content), [10, 1]);
    }

    #[test]
    fn a_map_that_was_never_assigned_has_no_entry() {
        let count = map(stapes_bpf::Value::Aggregate(Aggregate::Count), vec![], MapKind::PerCpuArray);
        let raw = || vec![(vec![0; 4], words(&[0, 0]))];
        assert_eq!(MapContent::new(&count, raw(), false).unwrap().entries, []);
        let zeroed = MapContent::new(&count, raw(), true).unwrap();
        assert_eq!(zeroed.entries, [Entry { key: vec![], value: Cell::Number(0) }]);

        let mut plain = map(stapes_bpf::Value::Plain(KEY), vec![], MapKind::Array);
        plain.value_size += 8;
        let content = MapContent::new(&plain, vec![(vec![0; 4], words(&[0, 0]))], false).unwrap();
        assert_eq!(content.entries, []);
        let content = MapContent::new(&plain, vec![(vec![0; 4], words(&[0, 1]))], false).unwrap();
        assert_eq!(content.entries, [Entry { key: vec![], value: Cell::Plain(words(&[0])) }]);
    }
}
