//! The engine of `printf`: C's conversions with C's flags, widths and precisions, and bpftrace's `%r` for buffers.
//!
//! | conversion | value |
//! |---|---|
//! | `d` `i` | signed; `u` unsigned, `x` `X` hexadecimal, `o` octal, with `h hh l ll j z t` |
//! | `c` | one byte |
//! | `p` | hexadecimal with `0x` |
//! | `s` | any value as `print` shows it: text, tuples, stacks, symbols, times |
//! | `r` | a buffer, what is not printable as `\x01`; `rx` everything as `\x01`; `rh` as `01 02` |
//!
//! A number is printed at the width of its own type, at least 4 bytes as C promotes it: an `int32` of −1 is
//! `ffffffff`. `h` and `hh` narrow it, `l` and its kin widen it to 8 bytes. Nothing is ever cut silently:
//! `%d` of an 8-byte value prints all of it.

use stapes_session::events::{Facts, Value};

use crate::time::Clock;
use crate::value;

/// The widest field; a script that asks for more gets this, so that a format cannot fill the memory.
const WIDEST: usize = 4096;

/// A format, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Conversion),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Conversion {
    left: bool,
    plus: bool,
    space: bool,
    zeros: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
    length: Length,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Length {
    /// As the value's type says.
    #[default]
    Own,
    Bytes(u8),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Signed,
    Unsigned,
    Octal,
    Hex,
    UpperHex,
    Char,
    Pointer,
    Text,
    Buffer(Bytes),
}

/// How bytes are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bytes {
    Escaped,
    AllEscaped,
    Hex,
}

impl Format {
    /// Takes `format` apart. What is no conversion stays text: the compiler has refused it where it matters.
    pub fn new(format: &str) -> Self {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = format;
        while let Some(at) = rest.find('%') {
            text.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("%%") {
                text.push('%');
                rest = after;
            } else if let Some((conversion, after)) = Conversion::parse(&rest[1..]) {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Value(conversion));
                rest = after;
            } else {
                text.push('%');
                rest = &rest[1..];
            }
        }
        text.push_str(rest);
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Format { pieces }
    }

    /// Writes the format with `values` in place of its conversions. A conversion without a value gives nothing.
    pub fn write<'a>(
        &self,
        values: impl Iterator<Item = Value<'a>>,
        facts: &mut dyn Facts,
        clock: &mut Clock,
        out: &mut Vec<u8>,
    ) {
        let mut values = values;
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Value(conversion) => {
                    if let Some(value) = values.next() {
                        conversion.write(value, facts, clock, out);
                    }
                }
            }
        }
    }
}

impl Conversion {
    /// Reads a conversion behind its `%`.
    fn parse(text: &str) -> Option<(Conversion, &str)> {
        let mut c = Conversion::default();
        let mut rest = text;
        while let Some(flag) = rest.chars().next() {
            match flag {
                '-' => c.left = true,
                '+' => c.plus = true,
                ' ' => c.space = true,
                '0' => c.zeros = true,
                '#' => c.alternate = true,
                '\'' => {}
                _ => break,
            }
            rest = &rest[1..];
        }
        (c.width, rest) = digits(rest);
        if let Some(after) = rest.strip_prefix('.') {
            let (precision, after) = digits(after);
            (c.precision, rest) = (Some(precision), after);
        }
        for (modifier, bytes) in
            [("hh", 1), ("h", 2), ("ll", 8), ("l", 8), ("j", 8), ("z", 8), ("t", 8), ("q", 8), ("L", 8)]
        {
            if let Some(after) = rest.strip_prefix(modifier) {
                (c.length, rest) = (Length::Bytes(bytes), after);
                break;
            }
        }
        for (letters, kind) in [
            ("d", Kind::Signed),
            ("i", Kind::Signed),
            ("u", Kind::Unsigned),
            ("o", Kind::Octal),
            ("x", Kind::Hex),
            ("X", Kind::UpperHex),
            ("c", Kind::Char),
            ("p", Kind::Pointer),
            ("s", Kind::Text),
            ("rx", Kind::Buffer(Bytes::AllEscaped)),
            ("rh", Kind::Buffer(Bytes::Hex)),
            ("r", Kind::Buffer(Bytes::Escaped)),
        ] {
            if let Some(after) = rest.strip_prefix(letters) {
                c.kind = kind;
                return Some((c, after));
            }
        }
        None
    }

    fn write(&self, value: Value<'_>, facts: &mut dyn Facts, clock: &mut Clock, out: &mut Vec<u8>) {
        match self.kind {
            Kind::Text => self.write_text(value, facts, clock, out),
            Kind::Buffer(style) => {
                let mut text = Vec::new();
                match value {
                    Value::Buf(bytes) | Value::Str(bytes) => write_bytes(bytes, style, &mut text),
                    other => value::write_text(other, facts, clock, &mut text),
                }
                self.pad(&text, out);
            }
            Kind::Char => self.pad(&[integer(value).0 as u8], out),
            Kind::Pointer => self.pad(format!("{:#x}", integer(value).0).as_bytes(), out),
            _ => self.write_number(value, out),
        }
    }

    fn write_text(&self, value: Value<'_>, facts: &mut dyn Facts, clock: &mut Clock, out: &mut Vec<u8>) {
        if self.width == 0 && self.precision.is_none() {
            return value::write_text(value, facts, clock, out);
        }
        let mut text = Vec::new();
        value::write_text(value, facts, clock, &mut text);
        let shown = self.precision.map_or(text.len(), |p| p.min(text.len()));
        self.pad(&text[..shown], out);
    }

    fn write_number(&self, value: Value<'_>, out: &mut Vec<u8>) {
        let (bits, own) = integer(value);
        let size = match self.length {
            Length::Own => own.max(4),
            Length::Bytes(bytes) => bytes,
        };
        let unused = 64 - 8 * u32::from(size.clamp(1, 8));
        let unsigned = bits << unused >> unused;
        let signed = (bits << unused) as i64 >> unused;
        if self.kind == Kind::Signed && self.is_plain() {
            return push_signed(signed, out);
        }
        let (sign, digits) = match self.kind {
            Kind::Signed => {
                let sign = match (signed < 0, self.plus, self.space) {
                    (true, ..) => "-",
                    (_, true, _) => "+",
                    (_, _, true) => " ",
                    _ => "",
                };
                (sign, signed.unsigned_abs().to_string())
            }
            Kind::Octal if self.alternate && unsigned != 0 => ("0", format!("{unsigned:o}")),
            Kind::Octal => ("", format!("{unsigned:o}")),
            Kind::Hex if self.alternate && unsigned != 0 => ("0x", format!("{unsigned:x}")),
            Kind::Hex => ("", format!("{unsigned:x}")),
            Kind::UpperHex if self.alternate && unsigned != 0 => ("0X", format!("{unsigned:X}")),
            Kind::UpperHex => ("", format!("{unsigned:X}")),
            _ => ("", unsigned.to_string()),
        };
        let least = match self.precision {
            Some(precision) => precision.min(WIDEST),
            None if self.zeros && !self.left => self.width.saturating_sub(sign.len()),
            None => 1,
        };
        let text = format!("{sign}{digits:0>least$}");
        self.pad(text.as_bytes(), out);
    }

    fn is_plain(&self) -> bool {
        self.width == 0 && self.precision.is_none() && !self.plus && !self.space
    }

    fn pad(&self, text: &[u8], out: &mut Vec<u8>) {
        let blanks = self.width.saturating_sub(text.len());
        if self.left {
            out.extend_from_slice(text);
        }
        out.resize(out.len() + blanks, b' ');
        if !self.left {
            out.extend_from_slice(text);
        }
    }
}

/// Leading digits as a number of at most [`WIDEST`].
fn digits(text: &str) -> (usize, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = if end == 0 { 0 } else { text[..end].parse().unwrap_or(WIDEST) };
    (number.min(WIDEST), &text[end..])
}

/// The value as 64 bits, and the bytes of its type. What is no number is 0.
fn integer(value: Value<'_>) -> (u64, u8) {
    match value {
        Value::Int { value, size } => (value as u64, size),
        Value::Uint { value, size } => (value, size),
        Value::Symbol { address, .. } => (address, 8),
        other => (other.number().unwrap_or(0) as u64, 8),
    }
}

/// Decimal digits without the machinery of `fmt`, for the commonest conversion of all.
pub(crate) fn push_signed(number: i64, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    push_unsigned(number.unsigned_abs(), out);
}

pub(crate) fn push_unsigned(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let (mut at, mut rest) = (digits.len(), number);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A buffer as bpftrace prints it: what is not printable ASCII as `\x01`.
pub(crate) fn push_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    write_bytes(bytes, Bytes::Escaped, out);
}

fn write_bytes(bytes: &[u8], style: Bytes, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for (i, byte) in bytes.iter().enumerate() {
        let hex = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        match style {
            Bytes::Escaped if matches!(byte, b' '..=b'~') => out.push(*byte),
            Bytes::Escaped | Bytes::AllEscaped => {
                out.extend_from_slice(b"\\x");
                out.extend_from_slice(&hex);
            }
            Bytes::Hex => {
                if i > 0 {
                    out.push(b' ');
                }
                out.extend_from_slice(&hex);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixed;

    fn print(format: &str, values: &[Value<'_>]) -> String {
        let mut out = Vec::new();
        let mut clock = Clock::of(jiff::tz::TimeZone::UTC);
        Format::new(format).write(values.iter().copied(), &mut Fixed, &mut clock, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn int(value: i64) -> Value<'static> {
        Value::Int { value, size: 8 }
    }

    fn int32(value: i64) -> Value<'static> {
        Value::Int { value, size: 4 }
    }

    #[test]
    fn numbers_as_bpftrace_prints_them() {
        let all = [-1, -2, -3, -4, 255, 8, 65].map(int32);
        assert_eq!(print("%d|%i|%u|%x|%X|%o|%c|%%\n", &all), "-1|-2|4294967293|fffffffc|FF|10|A|%\n");
        let long = [int32(-1), int32(-1), int(65537), int(257), int32(-1), int32(-1), int(65537), int(257)];
        assert_eq!(
            print("%ld|%lld|%hd|%hhd|%lx|%llx|%hx|%hhx", &long),
            "-1|-1|1|1|ffffffffffffffff|ffffffffffffffff|1|1"
        );
        assert_eq!(print("%hd %hhd %hx %hhx %hu", &[-1; 5].map(int32)), "-1 -1 ffff ff 65535");
        assert_eq!(print("%x", &[Value::Int { value: -1, size: 1 }]), "ffffffff");
        assert_eq!(print("%d", &[Value::Uint { value: u64::MAX, size: 8 }]), "-1");
        assert_eq!(print("%d %d", &[Value::Bool(true), Value::Pointer(16)]), "1 16");
        assert_eq!(
            print("%p|%20p|%-6p|", &[int(0x1234), int(1), int(2)]),
            "0x1234|                 0x1|0x2   |"
        );
        assert_eq!(print("%d", &[int(i64::MIN)]), "-9223372036854775808");
    }

    #[test]
    fn flags_widths_and_precisions_are_those_of_c() {
        let values = [1, 2, 3, 4, 5, 255, 8, 7, 7].map(int);
        assert_eq!(
            print("%5d|%-5d|%05d|%+d|% d|%#x|%#o|%.3d|%5.3d", &values),
            "    1|2    |00003|+4| 5|0xff|010|007|  007"
        );
        assert_eq!(print("%06d|%-06d|%+06d", &[-42, -42, 42].map(int)), "-00042|-42   |+00042");
        assert_eq!(print("%#x|%#08x", &[0, 255].map(int)), "0|0x0000ff");
    }

    #[test]
    fn nothing_is_cut() {
        let big = [0x12_3456_789a; 3].map(int);
        assert_eq!(print("%d %x %u", &big), "78187493530 123456789a 78187493530");
    }

    #[test]
    fn text_takes_any_value() {
        let abc = [Value::Str(b"abc"); 4];
        assert_eq!(print("%10s|%-10s|%.2s|%10.2s|", &abc), "       abc|abc       |ab|        ab|");
        assert_eq!(print("%5s|%-6s|%s", &[Value::Bool(true), int(5), int(-5)]), " true|5     |-5");
    }

    #[test]
    fn buffers() {
        let buf = [Value::Buf(b"a\x01\xffb"); 3];
        assert_eq!(print("%r|%rx|%rh|", &buf), r"a\x01\xffb|\x61\x01\xff\x62|61 01 ff 62|");
        assert_eq!(print("%5r|%10rx|", &[Value::Buf(b"ab"); 2]), r"   ab|  \x61\x62|");
    }

    #[test]
    fn odd_formats_never_panic() {
        assert_eq!(print("%", &[]), "%");
        assert_eq!(print("%5", &[]), "%5");
        assert_eq!(print("%y %é", &[int(1)]), "%y %é");
        assert_eq!(print("%d %d", &[int(1)]), "1 ");
        assert_eq!(print("%99999999999999999999d", &[int(1)]).len(), WIDEST);
        assert_eq!(print("%.99999999999999999999d", &[int(1)]).len(), WIDEST);
    }
}
