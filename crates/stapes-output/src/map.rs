//! Maps as text and as JSON.

use stapes_bpf::{Aggregate, Value as Stored};
use stapes_session::events::maps::average;
use stapes_session::events::{Cell, Entry, Facts, MapContent, Value};

use crate::histogram;
use crate::time::Clock;
use crate::value::{json_number, json_string, write_json, write_key, write_text};

/// Writes a map, a line per entry; histograms with a blank line behind each.
pub fn text(map: &MapContent<'_>, divisor: u64, facts: &mut dyn Facts, clock: &mut Clock, out: &mut Vec<u8>) {
    for entry in &map.entries {
        out.extend_from_slice(map.name.as_bytes());
        if !map.key.is_empty() {
            out.push(b'[');
            write_key(map.key_values(entry), false, facts, clock, out);
            out.push(b']');
        }
        out.push(b':');
        if let (Stored::Aggregate(aggregate), Cell::Buckets(counts)) = (map.value, &entry.value) {
            let mut lines = String::new();
            histogram::lines(*aggregate, counts, divisor, &mut lines);
            out.push(b'\n');
            out.extend_from_slice(lines.as_bytes());
        } else {
            out.push(b' ');
            text_cell(map, entry, divisor, facts, clock, out);
        }
        out.push(b'\n');
    }
}

fn text_cell(
    map: &MapContent<'_>,
    entry: &Entry,
    divisor: u64,
    facts: &mut dyn Facts,
    clock: &mut Clock,
    out: &mut Vec<u8>,
) {
    match &entry.value {
        Cell::Plain(bytes) => {
            if let Stored::Plain(ty) = map.value {
                write_text(divide(Value::read(ty, bytes), divisor), facts, clock, out);
            }
        }
        Cell::Number(number) => {
            let number = number / i128::from(divisor.max(1));
            out.extend_from_slice(number.to_string().as_bytes());
        }
        Cell::Average { count, total } => {
            let average = average(*total, *count) / i128::from(divisor.max(1));
            out.extend_from_slice(average.to_string().as_bytes());
        }
        Cell::Stats { count, total } => {
            let average = average(*total, *count) / i128::from(divisor.max(1));
            let total = total / i128::from(divisor.max(1));
            let text = format!("{{ .count = {count}, .average = {average}, .total = {total} }}");
            out.extend_from_slice(text.as_bytes());
        }
        Cell::Buckets(_) => {}
    }
}

/// Writes a map as one JSON object, without a line end; nothing where the map has no entries.
pub fn json(map: &MapContent<'_>, divisor: u64, facts: &mut dyn Facts, clock: &mut Clock, out: &mut Vec<u8>) {
    if map.entries.is_empty() {
        return;
    }
    let kind = match map.value {
        Stored::Aggregate(Aggregate::Hist { .. } | Aggregate::Lhist { .. }) => "hist",
        Stored::Aggregate(Aggregate::Stats { .. } | Aggregate::Avg { .. }) => "stats",
        _ => "map",
    };
    out.extend_from_slice(format!("{{\"type\": \"{kind}\", \"data\": {{").as_bytes());
    json_string(map.name.as_bytes(), out);
    out.extend_from_slice(b": ");
    if map.key.is_empty() {
        for entry in &map.entries {
            json_cell(map, entry, divisor, facts, clock, out);
        }
    } else {
        out.push(b'{');
        for (i, entry) in map.entries.iter().enumerate() {
            if i > 0 {
                out.extend_from_slice(b", ");
            }
            let mut key = Vec::new();
            write_key(map.key_values(entry), true, facts, clock, &mut key);
            json_string(&key, out);
            out.extend_from_slice(b": ");
            json_cell(map, entry, divisor, facts, clock, out);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"}}");
}

fn json_cell(
    map: &MapContent<'_>,
    entry: &Entry,
    divisor: u64,
    facts: &mut dyn Facts,
    clock: &mut Clock,
    out: &mut Vec<u8>,
) {
    let divided = i128::from(divisor.max(1));
    match (&entry.value, map.value) {
        (Cell::Plain(bytes), Stored::Plain(ty)) => {
            write_json(divide(Value::read(ty, bytes), divisor), facts, clock, out);
        }
        (Cell::Number(number), _) => json_number(number / divided, out),
        (Cell::Average { count, total }, _) => json_number(average(*total, *count) / divided, out),
        (Cell::Stats { count, total }, _) => {
            out.extend_from_slice(format!("{{\"count\": {count}, \"average\": ").as_bytes());
            json_number(average(*total, *count) / divided, out);
            out.extend_from_slice(b", \"total\": ");
            json_number(total / divided, out);
            out.push(b'}');
        }
        (Cell::Buckets(counts), Stored::Aggregate(aggregate)) => {
            json_buckets(*aggregate, counts, divisor, out);
        }
        (Cell::Plain(_), Stored::Aggregate(_)) | (Cell::Buckets(_), Stored::Plain(_)) => {}
    }
}

fn json_buckets(aggregate: Aggregate, counts: &[u64], divisor: u64, out: &mut Vec<u8>) {
    out.push(b'[');
    for (i, bucket) in histogram::shown(aggregate, counts, divisor).iter().enumerate() {
        let mut members = Vec::with_capacity(3);
        members.extend(bucket.min.map(|min| format!("\"min\": {min}")));
        members.extend(bucket.end.map(|end| format!("\"max\": {}", end - 1)));
        members.push(format!("\"count\": {}", bucket.count));
        out.extend_from_slice(if i > 0 { b",{" } else { b"{" });
        out.extend_from_slice(members.join(", ").as_bytes());
        out.push(b'}');
    }
    out.push(b']');
}

/// Numbers are divided, everything else is left alone.
fn divide(value: Value<'_>, divisor: u64) -> Value<'_> {
    let divisor = divisor.max(1);
    match value {
        Value::Int { value, size } => {
            Value::Int { value: (i128::from(value) / i128::from(divisor)) as i64, size }
        }
        Value::Uint { value, size } => Value::Uint { value: value / divisor, size },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixed;
    use stapes_bpf::{Map, MapKind, MapRole, Type};

    const INT: Type = Type::Int { size: 8, signed: true };

    fn words(words: &[i64]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_ne_bytes()).collect()
    }

    fn both(name: &str, key: &[Type], value: Stored, raw: &[(Vec<u8>, Vec<u8>)]) -> (String, String) {
        let value_size = value.size();
        let role = MapRole::Script { key: key.to_vec(), value };
        let kind = MapKind::Hash;
        let map = Map { name: name.into(), kind, key_size: 8, value_size, max_entries: 9, role };
        let content = MapContent::new(&map, raw.to_vec(), false).unwrap();
        let mut clock = Clock::of(jiff::tz::TimeZone::UTC);
        let (mut plain, mut structured) = (Vec::new(), Vec::new());
        text(&content, 1, &mut Fixed, &mut clock, &mut plain);
        json(&content, 1, &mut Fixed, &mut clock, &mut structured);
        (String::from_utf8(plain).unwrap(), String::from_utf8(structured).unwrap())
    }

    // The expected lines are those of bpftrace 0.27.1.

    #[test]
    fn keys_of_several_parts() {
        let mut key = words(&[9206]);
        key.extend(*b"loop\0\0\0\0");
        let types = [INT, Type::Str { size: 8 }];
        let (text, json) =
            both("@a", &types, Stored::Aggregate(Aggregate::Count), &[(key, words(&[400, 600]))]);
        assert_eq!(text, "@a[9206, loop]: 1000\n");
        assert_eq!(json, r#"{"type": "map", "data": {"@a": {"9206,loop": 1000}}}"#);
    }

    #[test]
    fn tuples_in_keys() {
        let types = [INT, Type::Tuple(vec![INT, INT])];
        let (text, json) = both("@t", &types, Stored::Plain(INT), &[(words(&[1, 2, 3]), words(&[4]))]);
        assert_eq!(text, "@t[1, (2, 3)]: 4\n");
        assert_eq!(json, r#"{"type": "map", "data": {"@t": {"1,(2,3)": 4}}}"#);
    }

    #[test]
    fn stats_and_averages() {
        let stats = Stored::Aggregate(Aggregate::Stats { signed: true });
        let (text, json) = both("@st", &[], stats.clone(), &[(vec![], words(&[534_855_457, 1000]))]);
        assert_eq!(text, "@st: { .count = 1000, .average = 534855, .total = 534855457 }\n");
        assert_eq!(
            json,
            r#"{"type": "stats", "data": {"@st": {"count": 1000, "average": 534855, "total": 534855457}}}"#
        );
        let (_, json) = both("@s", &[INT], stats, &[(words(&[1]), words(&[3, 1]))]);
        assert_eq!(
            json,
            r#"{"type": "stats", "data": {"@s": {"1": {"count": 1, "average": 3, "total": 3}}}}"#
        );
        let average = Stored::Aggregate(Aggregate::Avg { signed: true });
        let (text, json) = both("@av", &[], average, &[(vec![], words(&[11, 2]))]);
        assert_eq!(text, "@av: 5\n");
        assert_eq!(json, r#"{"type": "stats", "data": {"@av": 5}}"#);
    }

    #[test]
    fn histograms() {
        let mut counts = vec![0; 65];
        (counts[0], counts[1], counts[11]) = (1, 1, 1);
        let hist = Stored::Aggregate(Aggregate::Hist { bits: 0 });
        let (text, json) = both("@h", &[], hist.clone(), &[(vec![], words(&counts))]);
        assert!(text.starts_with("@h:\n(..., 0)               1 |@@@"), "{text}");
        assert!(text.ends_with("|\n\n"), "{text}");
        assert!(
            json.starts_with(
                r#"{"type": "hist", "data": {"@h": [{"max": -1, "count": 1},{"min": 0, "max": 0, "count": 1},{"min": 1, "max": 1, "count": 0}"#
            ),
            "{json}"
        );
        assert!(json.ends_with(r#",{"min": 512, "max": 1023, "count": 1}]}}"#), "{json}");
        counts.fill(0);
        counts[3] = 2;
        let keyed = [(words(&[1]), words(&counts)), (words(&[2]), words(&counts))];
        let (text, json) = both("@hk", &[INT], hist, &keyed);
        assert!(text.starts_with("@hk[1]:\n[2, 4)                 2 |@"), "{text}");
        assert_eq!(
            json,
            r#"{"type": "hist", "data": {"@hk": {"1": [{"min": 2, "max": 3, "count": 2}], "2": [{"min": 2, "max": 3, "count": 2}]}}}"#
        );
    }

    #[test]
    fn a_linear_histogram_is_open_at_both_ends() {
        let lhist = Stored::Aggregate(Aggregate::Lhist { min: 0, max: 20, step: 10 });
        let (_, json) = both("@l", &[], lhist, &[(vec![], words(&[1, 1, 0, 1]))]);
        assert_eq!(
            json,
            r#"{"type": "hist", "data": {"@l": [{"max": -1, "count": 1},{"min": 0, "max": 9, "count": 1},{"min": 10, "max": 19, "count": 0},{"min": 20, "count": 1}]}}"#
        );
    }

    #[test]
    fn an_empty_map_is_not_shown() {
        assert_eq!(both("@m", &[INT], Stored::Plain(INT), &[]), (String::new(), String::new()));
    }
}
