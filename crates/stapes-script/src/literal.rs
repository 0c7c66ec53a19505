//! What numbers and strings of the source mean.

use crate::ast::Span;
use crate::diagnostics;
use crate::diagnostics::Diagnostic;

/// A number of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Integer {
    /// Its value; durations in nanoseconds.
    pub(crate) value: u64,
    /// Whether it has C's suffix `u`.
    pub(crate) unsigned: bool,
}

/// Units of time, with their length in nanoseconds.
const UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Reads a number: `12`, `1_000`, `0x1f`, `017`, `1e6`, `5u`, `5ull`, `100ms`.
///
/// # Errors
/// A suffix that does not exist, a digit that the base does not have, a value of more than 64 bits.
pub(crate) fn integer(text: &str, span: Span) -> Result<Integer, Diagnostic> {
    let (radix, digits) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &text[2..]),
        [b'0', b'0'..=b'9' | b'_', ..] => (8, &text[1..]),
        _ => (10, text),
    };
    // In octal all decimal digits are taken, so that `09` is refused for its digit.
    let taken = digits.bytes().take_while(|b| *b == b'_' || (*b as char).is_digit(radix.max(10))).count();
    let (digits, suffix) = digits.split_at(taken);
    let mut value: u64 = 0;
    let mut any = radix == 8;
    for digit in digits.chars().filter(|c| *c != '_') {
        let Some(digit) = digit.to_digit(radix) else {
            return Err(diagnostics::bad_integer(span, text, &format!("`{digit}` is not an octal digit")));
        };
        any = true;
        value = value
            .checked_mul(u64::from(radix))
            .and_then(|v| v.checked_add(u64::from(digit)))
            .ok_or_else(|| diagnostics::integer_too_large(span, text))?;
    }
    if !any {
        return Err(diagnostics::bad_integer(span, text, "it has no digits"));
    }
    let too_large = || diagnostics::integer_too_large(span, text);
    if let Some((_, nanoseconds)) = UNITS.iter().find(|(unit, _)| *unit == suffix) {
        let value = value.checked_mul(*nanoseconds).ok_or_else(too_large)?;
        return Ok(Integer { value, unsigned: false });
    }
    if let (10, Some(exponent)) = (radix, suffix.strip_prefix(['e', 'E']))
        && let Ok(exponent) = exponent.parse::<u32>()
    {
        let factor = 10u64.checked_pow(exponent).ok_or_else(too_large)?;
        let value = value.checked_mul(factor).ok_or_else(too_large)?;
        return Ok(Integer { value, unsigned: false });
    }
    match suffix.to_ascii_lowercase().as_str() {
        "" | "l" | "ll" => Ok(Integer { value, unsigned: false }),
        "u" | "ul" | "ull" | "lu" | "llu" => Ok(Integer { value, unsigned: true }),
        _ => Err(diagnostics::bad_integer(span, text, &format!("`{suffix}` is not a suffix of numbers"))),
    }
}

/// Reads a string with its quotes, resolving C's escapes.
///
/// Where something is wrong the rest is still read, and what is wrong is added to `complaints`.
/// A string that its line ends before a quote is complained about by whoever sees that it has no last quote.
pub(crate) fn string(text: &str, span: Span, complaints: &mut Vec<Diagnostic>) -> Vec<u8> {
    let body = text.strip_prefix('"').unwrap_or(text);
    let closed = is_closed(text);
    let body = if closed { &body[..body.len() - 1] } else { body };
    let offset = span.start + (text.len() - body.len() - usize::from(closed)) as u32;
    if !closed {
        complaints.push(diagnostics::unterminated_string(span));
    }
    let bytes = body.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte != b'\\' {
            out.push(byte);
            at += 1;
            continue;
        }
        let (value, length) = escape(&bytes[at + 1..]);
        match value {
            Some(value) => out.push(value),
            // In an unclosed string the backslash may be the last byte: one complaint is enough.
            None if at + 1 == bytes.len() => {}
            None => {
                let start = offset + at as u32;
                let character = body[at + 1..].chars().next().unwrap_or_default();
                let end = start + 1 + character.len_utf8() as u32;
                complaints.push(diagnostics::unknown_escape(Span { start, end }, character));
            }
        }
        at += 1 + length;
    }
    out
}

/// Whether a string's text ends with the quote that closes it.
pub(crate) fn is_closed(text: &str) -> bool {
    text.len() >= 2 && crate::lexer::string_length(text.as_bytes()) == text.len() && text.ends_with('"') && {
        // `"a\"` ends with a quote that the backslash took.
        let body = &text[1..text.len() - 1];
        body.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 0
    }
}

/// The byte that the escape after a backslash stands for, and how many bytes the escape has.
fn escape(bytes: &[u8]) -> (Option<u8>, usize) {
    let digits = |from: usize, radix: u32, most: usize| {
        let count = bytes[from..].iter().take(most).take_while(|b| (**b as char).is_digit(radix)).count();
        let value = bytes[from..from + count]
            .iter()
            .fold(0u32, |v, b| v * radix + (*b as char).to_digit(radix).unwrap_or(0));
        (value as u8, count)
    };
    let simple = |byte| (Some(byte), 1);
    match bytes.first() {
        Some(b'n') => simple(b'\n'),
        Some(b't') => simple(b'\t'),
        Some(b'r') => simple(b'\r'),
        Some(b'a') => simple(0x07),
        Some(b'b') => simple(0x08),
        Some(b'f') => simple(0x0c),
        Some(b'v') => simple(0x0b),
        Some(b'e') => simple(0x1b),
        Some(c @ (b'"' | b'\\' | b'\'' | b'?')) => simple(*c),
        Some(b'0'..=b'7') => {
            let (value, count) = digits(0, 8, 3);
            (Some(value), count)
        }
        Some(b'x') => match digits(1, 16, 2) {
            (_, 0) => (None, 1),
            (value, count) => (Some(value), 1 + count),
        },
        _ => (None, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<u64, &'static str> {
        integer(text, Span::default()).map(|i| i.value).map_err(|d| d.slug)
    }

    #[test]
    fn integers_of_every_form() {
        assert_eq!(value("0"), Ok(0));
        assert_eq!(value("1_000_000"), Ok(1_000_000));
        assert_eq!(value("0x1F"), Ok(31));
        assert_eq!(value("0xffff_ffff_ffff_ffff"), Ok(u64::MAX));
        assert_eq!(value("017"), Ok(15));
        assert_eq!(value("1e6"), Ok(1_000_000));
        assert_eq!(value("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(value("5ull"), Ok(5));
        assert!(integer("5U", Span::default()).unwrap().unsigned);
        assert!(!integer("5", Span::default()).unwrap().unsigned);
    }

    #[test]
    fn durations_are_nanoseconds() {
        for (text, nanoseconds) in [
            ("7ns", 7),
            ("7us", 7_000),
            ("7ms", 7_000_000),
            ("7s", 7_000_000_000),
            ("2m", 120_000_000_000),
            ("1h", 3_600_000_000_000),
            ("1d", 86_400_000_000_000),
        ] {
            assert_eq!(value(text), Ok(nanoseconds), "{text}");
        }
    }

    #[test]
    fn integers_refused() {
        for text in ["0x", "09", "1x", "0b11", "1e", "5sx", "1e6s", "0x1g"] {
            assert_eq!(value(text), Err("bad-integer"), "{text}");
        }
        for text in ["18446744073709551616", "0x1ffffffffffffffff", "1e20", "99999999d"] {
            assert_eq!(value(text), Err("integer-too-large"), "{text}");
        }
    }

    #[test]
    fn strings_with_every_escape() {
        let mut complaints = Vec::new();
        let source = r#""a\n\t\r\\\"\0\101\x41\x7\e\377é""#;
        let bytes = string(source, Span::default(), &mut complaints);
        assert_eq!(bytes, b"a\n\t\r\\\"\0AA\x07\x1b\xff\xc3\xa9");
        assert_eq!(complaints, []);
    }

    #[test]
    fn escapes_refused_at_their_place() {
        let mut complaints = Vec::new();
        let bytes = string(r#""ab\qc\x""#, Span { start: 10, end: 19 }, &mut complaints);
        assert_eq!(bytes, b"abqc");
        let found: Vec<_> = complaints.iter().map(|d| (d.slug, d.span.start, d.span.end)).collect();
        assert_eq!(found, [("unknown-escape", 13, 15), ("unknown-escape", 16, 18)]);
    }

    #[test]
    fn strings_without_their_end() {
        for text in ["\"", "\"a", "\"a\\", "\"a\\\""] {
            let mut complaints = Vec::new();
            string(text, Span::default(), &mut complaints);
            assert_eq!(
                complaints.iter().map(|d| d.slug).collect::<Vec<_>>(),
                ["unterminated-string"],
                "{text}"
            );
        }
    }
}
