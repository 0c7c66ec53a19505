//! Single values, as text and as JSON.
//!
//! | value | text | JSON |
//! |---|---|---|
//! | tuple | `(1, a)` | `[1,"a"]` |
//! | record | `{ .a = 1, .b = x }` | `{"a": 1, "b": "x"}` |
//! | array | `[1,2]` | `[1,2]` |
//! | buffer | `ab\x01` | `[97,98,1]` |
//! | stack | a line break, then a line per frame | the text |
//! | integer above 2^63 | as it is | as text: readers of JSON would round it |

use stapes_bpf::StackMode;
use stapes_session::events::{Facts, Frame, Value};

use crate::format::{push_escaped, push_signed, push_unsigned};
use crate::time::Clock;

/// Writes a value as `print` and `%s` show it.
pub fn write_text(value: Value<'_>, facts: &mut dyn Facts, clock: &mut Clock, out: &mut Vec<u8>) {
    match value {
        Value::Int { value, .. } => push_signed(value, out),
        Value::Uint { value, .. } => push_unsigned(value, out),
        Value::Bool(b) => out.extend_from_slice(if b { b"true" } else { b"false" }),
        Value::Pointer(address) => out.extend_from_slice(format!("{address:#x}").as_bytes()),
        Value::Str(text) => out.extend_from_slice(text),
        Value::Buf(bytes) => push_escaped(bytes, out),
        Value::Tuple(items) => {
            out.push(b'(');
            for (i, item) in items.iter().enumerate() {
                separate(i, b", ", out);
                write_text(item, facts, clock, out);
            }
            out.push(b')');
        }
        Value::Record(items) => {
            out.extend_from_slice(b"{ ");
            for (i, (name, item)) in items.names().zip(items.iter()).enumerate() {
                separate(i, b", ", out);
                out.extend_from_slice(format!(".{name} = ").as_bytes());
                write_text(item, facts, clock, out);
            }
            out.extend_from_slice(b" }");
        }
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                separate(i, b",", out);
                write_text(item, facts, clock, out);
            }
            out.push(b']');
        }
        Value::Stack { map, key, pid, mode } => {
            let frames = facts.stack(map, key, pid, mode);
            write_stack(&frames, mode, out);
        }
        Value::Symbol { address, pid } => out.extend_from_slice(symbol(address, pid, facts).as_bytes()),
        Value::Time { nanoseconds, format } => {
            let moment = facts.wall_clock(nanoseconds);
            out.extend_from_slice(clock.format(format, moment).as_bytes());
        }
        Value::Probe(index) => out.extend_from_slice(facts.probe(index).as_bytes()),
        Value::Username(uid) => out.extend_from_slice(facts.username(uid).as_bytes()),
    }
}

/// Writes a value as JSON.
pub fn write_json(value: Value<'_>, facts: &mut dyn Facts, clock: &mut Clock, out: &mut Vec<u8>) {
    match value {
        Value::Int { value, .. } => push_signed(value, out),
        Value::Uint { value, .. } | Value::Pointer(value) => json_number(i128::from(value), out),
        Value::Bool(_) => write_text(value, facts, clock, out),
        Value::Buf(bytes) => {
            out.push(b'[');
            for (i, byte) in bytes.iter().enumerate() {
                separate(i, b",", out);
                push_unsigned(u64::from(*byte), out);
            }
            out.push(b']');
        }
        Value::Tuple(items) | Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                separate(i, b",", out);
                write_json(item, facts, clock, out);
            }
            out.push(b']');
        }
        Value::Record(items) => {
            out.push(b'{');
            for (i, (name, item)) in items.names().zip(items.iter()).enumerate() {
                separate(i, b", ", out);
                json_string(name.as_bytes(), out);
                out.extend_from_slice(b": ");
                write_json(item, facts, clock, out);
            }
            out.push(b'}');
        }
        Value::Str(text) => json_string(text, out),
        _ => {
            let mut text = Vec::new();
            write_text(value, facts, clock, &mut text);
            json_string(&text, out);
        }
    }
}

/// Writes the parts of a map's key: as text `1, a`, as JSON `1,a` (to be quoted by the caller).
pub(crate) fn write_key<'a>(
    parts: impl Iterator<Item = Value<'a>>,
    json: bool,
    facts: &mut dyn Facts,
    clock: &mut Clock,
    out: &mut Vec<u8>,
) {
    for (i, part) in parts.enumerate() {
        separate(i, if json { b"," } else { b", " }, out);
        match part {
            Value::Tuple(items) if json => {
                out.push(b'(');
                write_key(items.iter(), json, facts, clock, out);
                out.push(b')');
            }
            Value::Stack { map, key, pid, mode } if json => {
                out.push(b'\n');
                for frame in facts.stack(map, key, pid, mode) {
                    out.extend_from_slice(frame_text(&frame, mode).trim_start().as_bytes());
                    out.push(b'\n');
                }
            }
            other => write_text(other, facts, clock, out),
        }
    }
}

/// Writes a whole number as JSON; above what readers hold exactly as signed 64 bits, as text.
pub(crate) fn json_number(number: i128, out: &mut Vec<u8>) {
    match i64::try_from(number) {
        Ok(number) => push_signed(number, out),
        Err(_) => out.extend_from_slice(format!("\"{number}\"").as_bytes()),
    }
}

/// Writes a JSON string; bytes that are not UTF-8 become U+FFFD.
pub(crate) fn json_string(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for c in String::from_utf8_lossy(bytes).chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            c if c < ' ' || c == '\x7f' => out.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes()),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

fn write_stack(frames: &[Frame], mode: StackMode, out: &mut Vec<u8>) {
    out.push(b'\n');
    for frame in frames {
        out.extend_from_slice(frame_text(frame, mode).as_bytes());
        out.push(b'\n');
    }
}

fn frame_text(frame: &Frame, mode: StackMode) -> String {
    let Frame { address, offset, .. } = frame;
    let function = match &frame.function {
        Some(function) => format!("{function}+{offset}"),
        None => format!("{address:#x}"),
    };
    match mode {
        StackMode::Bpftrace => format!("        {function}"),
        StackMode::Perf => {
            let object = frame.object.as_deref().unwrap_or("[unknown]");
            format!("\t{address:x} {function} ({object})")
        }
        StackMode::Raw => format!("{address:x}"),
    }
}

fn symbol(address: u64, pid: Option<u32>, facts: &mut dyn Facts) -> String {
    facts.symbol(address, pid).function.unwrap_or_else(|| format!("{address:#x}"))
}

fn separate(index: usize, separator: &[u8], out: &mut Vec<u8>) {
    if index > 0 {
        out.extend_from_slice(separator);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixed;
    use stapes_bpf::Type;

    const INT: Type = Type::Int { size: 4, signed: true };

    fn both(ty: &Type, bytes: &[u8]) -> (String, String) {
        let mut clock = Clock::of(jiff::tz::TimeZone::UTC);
        let (mut text, mut json) = (Vec::new(), Vec::new());
        let mut facts = Fixed;
        write_text(Value::read(ty, bytes), &mut facts, &mut clock, &mut text);
        write_json(Value::read(ty, bytes), &mut facts, &mut clock, &mut json);
        (String::from_utf8(text).unwrap(), String::from_utf8(json).unwrap())
    }

    fn pair(text: &str, json: &str) -> (String, String) {
        (text.to_owned(), json.to_owned())
    }

    #[test]
    fn tuples_records_and_arrays() {
        let mut bytes = 1i32.to_ne_bytes().to_vec();
        bytes.extend(*b"a\0\0\0");
        let text = Type::Str { size: 4 };
        assert_eq!(both(&Type::Tuple(vec![INT, text.clone()]), &bytes), pair("(1, a)", r#"[1,"a"]"#));
        let record = Type::Record(vec![("a".into(), INT), ("b".into(), text)]);
        assert_eq!(both(&record, &bytes), pair("{ .a = 1, .b = a }", r#"{"a": 1, "b": "a"}"#));
        let array = Type::Array { element: Box::new(INT), count: 2 };
        let bytes: Vec<u8> = [3i32, -4].iter().flat_map(|n| n.to_ne_bytes()).collect();
        assert_eq!(both(&array, &bytes), pair("[3,-4]", "[3,-4]"));
    }

    #[test]
    fn great_numbers_are_text_in_json() {
        let ty = Type::Int { size: 8, signed: false };
        let expected = pair("18446744073709551615", "\"18446744073709551615\"");
        assert_eq!(both(&ty, &u64::MAX.to_ne_bytes()), expected);
        assert_eq!(both(&Type::Pointer, &5u64.to_ne_bytes()), pair("0x5", "5"));
    }

    #[test]
    fn buffers_are_numbers_in_json() {
        let mut bytes = 4u32.to_ne_bytes().to_vec();
        bytes.extend(b"a\x01\xffb");
        assert_eq!(both(&Type::Buf { size: 4 }, &bytes), pair(r"a\x01\xffb", "[97,1,255,98]"));
    }

    #[test]
    fn json_strings_are_valid_whatever_the_bytes() {
        let mut out = Vec::new();
        json_string(b"a\"b\n\\\t\x01\xff\x7f\r", &mut out);
        let read: String = serde_json::from_slice(&out).unwrap();
        assert_eq!(read, "a\"b\n\\\t\x01\u{fffd}\x7f\r");
    }

    #[test]
    fn stacks_in_their_three_forms() {
        let stack = |mode| {
            let ty = Type::UserStack { map: 0, mode };
            both(&ty, &1u64.to_ne_bytes().into_iter().chain([0; 8]).collect::<Vec<_>>())
        };
        let (text, json) = stack(StackMode::Bpftrace);
        assert_eq!(text, "\n        tick+7\n        0x1000\n");
        assert_eq!(json, r#""\n        tick+7\n        0x1000\n""#);
        assert_eq!(
            stack(StackMode::Perf).0,
            "\n\t557321f1a150 tick+7 (/tmp/loop)\n\t1000 0x1000 ([unknown])\n"
        );
        assert_eq!(stack(StackMode::Raw).0, "\n557321f1a150\n1000\n");
    }
}
