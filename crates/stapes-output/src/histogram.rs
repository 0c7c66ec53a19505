//! Histograms: the bounds of buckets, their labels, and the bars.
//!
//! A line is a label of 16 columns, a count of 8, and a bar of 52 between two `|`.
//! Only the buckets from the first to the last that counted something are shown.

use std::fmt::Write;

use stapes_bpf::Aggregate;

/// A bucket that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The least value, if there is a bound.
    pub min: Option<i128>,
    /// The value behind the greatest, if there is a bound.
    pub end: Option<i128>,
    /// How many values fell into it.
    pub count: u64,
}

const BAR: usize = 52;

/// The buckets of `hist` or `lhist` that are shown, with counts divided by `divisor`; none if nothing was counted.
pub fn shown(aggregate: Aggregate, counts: &[u64], divisor: u64) -> Vec<Bucket> {
    let Some(first) = counts.iter().position(|n| *n != 0) else { return Vec::new() };
    let last = counts.iter().rposition(|n| *n != 0).unwrap_or(first);
    let bounds = |index| match aggregate {
        Aggregate::Hist { bits } => power_bounds(index, bits),
        Aggregate::Lhist { min, max, step } => linear_bounds(index, min, max, step),
        _ => (None, None),
    };
    (first..=last)
        .map(|index| {
            let (min, end) = bounds(index as u32);
            Bucket { min, end, count: counts[index] / divisor.max(1) }
        })
        .collect()
}

/// The lines of a histogram, each with its line end.
pub fn lines(aggregate: Aggregate, counts: &[u64], divisor: u64, out: &mut String) {
    let buckets = shown(aggregate, counts, divisor);
    let greatest = buckets.iter().map(|b| b.count).max().unwrap_or(0);
    for bucket in buckets {
        let bar = match greatest {
            0 => 0,
            _ => (u128::from(bucket.count) * BAR as u128 / u128::from(greatest)) as usize,
        };
        let label = label(aggregate, &bucket);
        // A String takes every write.
        let _ = writeln!(out, "{label:<16}{:>8} |{:<BAR$}|", bucket.count, "@".repeat(bar));
    }
}

/// Lower bound and end of a bucket of [`Aggregate::Hist`], as [`Aggregate::hist_bucket`] fills them.
fn power_bounds(index: u32, bits: u8) -> (Option<i128>, Option<i128>) {
    match index {
        0 => (None, Some(0)),
        _ => (Some(power_start(index - 1, bits)), Some(power_start(index, bits))),
    }
}

/// The least value of the bucket number `index` of those that are not negative.
fn power_start(index: u32, bits: u8) -> i128 {
    let parts = 1u32 << bits;
    if index < 2 * parts {
        return i128::from(index);
    }
    let (power, part) = (index / parts - 1, index % parts);
    i128::from(parts + part) << power
}

fn linear_bounds(index: u32, min: i64, max: i64, step: i64) -> (Option<i128>, Option<i128>) {
    let (min, max, step) = (i128::from(min), i128::from(max), i128::from(step.max(1)));
    let steps = (max - min) / step;
    let index = i128::from(index);
    match index {
        0 => (None, Some(min)),
        _ if index > steps => (Some(min + steps * step), None),
        _ => (Some(min + (index - 1) * step), Some(min + index * step)),
    }
}

fn label(aggregate: Aggregate, bucket: &Bucket) -> String {
    let number = |n: i128| match aggregate {
        Aggregate::Hist { bits } => power_label(n, bits),
        // Units only where every bound has one.
        Aggregate::Lhist { step, .. } if step % 1024 == 0 => linear_label(n),
        _ => n.to_string(),
    };
    match (bucket.min, bucket.end) {
        (Some(min), Some(end)) if end == min + 1 => format!("[{min}]"),
        (Some(min), Some(end)) => format!("[{}, {})", number(min), number(end)),
        (None, Some(end)) => format!("(..., {})", number(end)),
        (Some(min), None) => format!("[{}, ...)", number(min)),
        (None, None) => String::new(),
    }
}

const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];

/// A bound in the greatest unit of 2^10 in which all bounds of its power of two are whole.
fn power_label(number: i128, bits: u8) -> String {
    if number <= 0 {
        return number.to_string();
    }
    let power = number.ilog2();
    let mut decade = power / 10;
    if decade > 0 && power - 10 * decade < u32::from(bits) {
        decade -= 1;
    }
    format!("{}{}", number >> (10 * decade), UNITS.get(decade as usize).unwrap_or(&""))
}

/// A bound in the greatest unit of 2^10 in which it is whole.
fn linear_label(number: i128) -> String {
    let (mut number, mut decade) = (number, 0);
    while number != 0 && number % 1024 == 0 && decade + 1 < UNITS.len() {
        number /= 1024;
        decade += 1;
    }
    format!("{number}{}", UNITS[decade])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hist(bits: u8, values: &[i64]) -> String {
        let mut counts = vec![0; Aggregate::hist_buckets(bits) as usize];
        for value in values {
            counts[Aggregate::hist_bucket(*value, bits) as usize] += 1;
        }
        let mut out = String::new();
        lines(Aggregate::Hist { bits }, &counts, 1, &mut out);
        out
    }

    fn labels(text: &str) -> Vec<&str> {
        text.lines().map(|l| l[..16].trim_end()).collect()
    }

    // What bpftrace 0.27.1 prints for the same values.

    #[test]
    fn powers_of_two() {
        let text = hist(0, &[-5, 0, 1, 10]);
        let bar = "@".repeat(52);
        let blank = " ".repeat(52);
        let expected = format!(
            "(..., 0)               1 |{bar}|\n\
             [0]                    1 |{bar}|\n\
             [1]                    1 |{bar}|\n\
             [2, 4)                 0 |{blank}|\n\
             [4, 8)                 0 |{blank}|\n\
             [8, 16)                1 |{bar}|\n"
        );
        assert_eq!(text, expected);
        assert_eq!(labels(&hist(0, &[1000, 1 << 62])).first(), Some(&"[512, 1K)"));
        assert_eq!(labels(&hist(0, &[1 << 62])), ["[4E, 8E)"]);
    }

    #[test]
    fn bars_are_cut_not_rounded() {
        // 15 of 522 is 1.49 columns, 1 of 522 none.
        let mut counts = vec![0; 65];
        (counts[11], counts[16], counts[21]) = (1, 15, 522);
        let mut out = String::new();
        lines(Aggregate::Hist { bits: 0 }, &counts, 1, &mut out);
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(lines[0], format!("[512, 1K)              1 |{}|", " ".repeat(52)));
        assert_eq!(lines[5], format!("[16K, 32K)            15 |@{}|", " ".repeat(51)));
        assert_eq!(lines[10], format!("[512K, 1M)           522 |{}|", "@".repeat(52)));
    }

    #[test]
    fn finer_buckets() {
        let text = hist(2, &[5, 100, 110]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], format!("[5]                    1 |{}{}|", "@".repeat(26), " ".repeat(26)));
        assert_eq!(
            labels(&text)[1..9],
            ["[6]", "[7]", "[8, 10)", "[10, 12)", "[12, 14)", "[14, 16)", "[16, 20)", "[20, 24)"]
        );
        assert_eq!(lines.last(), Some(&&*format!("[96, 112)              2 |{}|", "@".repeat(52))));
        assert_eq!(labels(&hist(2, &[900, 1024])), ["[896, 1024)", "[1024, 1280)"]);
        assert_eq!(labels(&hist(2, &[4000, 4096])), ["[3584, 4K)", "[4K, 5K)"]);
        assert_eq!(labels(&hist(5, &[1025])), ["[1024, 1056)"]);
        assert_eq!(labels(&hist(1, &[1 << 60])), ["[1024P, 1536P)"]);
    }

    fn lhist(min: i64, max: i64, step: i64, filled: &[usize]) -> String {
        let aggregate = Aggregate::Lhist { min, max, step };
        let mut counts = vec![0; aggregate.size() as usize / 8];
        filled.iter().for_each(|i| counts[*i] = 1);
        let mut out = String::new();
        lines(aggregate, &counts, 1, &mut out);
        out
    }

    #[test]
    fn linear() {
        assert_eq!(labels(&lhist(0, 100, 10, &[0, 2])), ["(..., 0)", "[0, 10)", "[10, 20)"]);
        assert_eq!(labels(&lhist(0, 100, 10, &[11])), ["[100, ...)"]);
        assert_eq!(labels(&lhist(0, 8192, 2048, &[3])), ["[4K, 6K)"]);
        assert_eq!(labels(&lhist(0, 4_000_000, 1_000_000, &[1])), ["[0, 1000000)"]);
        assert_eq!(labels(&lhist(0, 4 << 20, 1 << 20, &[4])), ["[3M, 4M)"]);
        assert_eq!(labels(&lhist(1, 100, 10, &[1])), ["[1, 11)"]);
        // As bpftrace 0.27: single numbers by themselves, and units only where the steps have one.
        assert_eq!(labels(&lhist(0, 10, 1, &[6])), ["[5]"]);
        assert_eq!(labels(&lhist(0, 4096, 512, &[2, 3])), ["[512, 1024)", "[1024, 1536)"]);
    }

    #[test]
    fn every_bucket_begins_where_the_one_before_ends() {
        for bits in 0..=5 {
            let counts = vec![1; Aggregate::hist_buckets(bits) as usize];
            let buckets = shown(Aggregate::Hist { bits }, &counts, 1);
            for (index, pair) in buckets.windows(2).enumerate() {
                assert_eq!(pair[0].end, pair[1].min);
                let first = pair[1].min.unwrap() as i64;
                assert_eq!(Aggregate::hist_bucket(first, bits) as usize, index + 1);
            }
            assert_eq!(buckets.last().unwrap().end, Some(1 << 63));
        }
    }

    #[test]
    fn nothing_counted_nothing_shown() {
        assert_eq!(hist(0, &[]), "");
    }
}
