//! The formats of `printf` and its kin: which conversions there are, and what each prints.
//!
//! The format itself goes to the reader unchanged; here it is only checked against the arguments.

use stapes_bpf::Type;

use crate::check::types::is_number;

/// One conversion of a format, such as `%-5d`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conversion {
    /// As the format spells it.
    pub(crate) text: String,
    /// What it prints.
    pub(crate) kind: Kind,
}

/// What a conversion prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `%d %i %u %x %X %o %c %p`: a number.
    Number,
    /// `%s`: a string, or what prints as one.
    String,
    /// `%r`: bytes.
    Bytes,
}

impl Kind {
    /// Whether values of the type can be printed so.
    pub(crate) fn prints(self, ty: &Type) -> bool {
        match self {
            Kind::Number => is_number(ty),
            Kind::String => {
                !matches!(ty, Type::Int { .. } | Type::Pointer | Type::Buf { .. } | Type::Array { .. })
            }
            Kind::Bytes => matches!(ty, Type::Buf { .. }),
        }
    }

    /// What it prints, for messages.
    pub(crate) fn wanted(self) -> &'static str {
        match self {
            Kind::Number => "a number",
            Kind::String => "a string",
            Kind::Bytes => "a buffer",
        }
    }
}

/// The conversions of a format, `%%` left out, or the first malformed one with what is wrong with it.
pub(crate) fn parse(format: &str) -> Result<Vec<Conversion>, (String, &'static str)> {
    let mut found = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        let tail = &rest[at..];
        if let Some(behind) = tail.strip_prefix("%%") {
            rest = behind;
            continue;
        }
        let body = &tail[1..];
        let body = body.trim_start_matches(['-', '+', ' ', '#', '0']);
        let body = body.trim_start_matches(|c: char| c.is_ascii_digit());
        let body = match body.strip_prefix('.') {
            Some(precision) => precision.trim_start_matches(|c: char| c.is_ascii_digit()),
            None => body,
        };
        let modifiers = ["hh", "h", "ll", "l", "j", "z", "t"];
        let body = modifiers.iter().find_map(|m| body.strip_prefix(m)).unwrap_or(body);
        let taken = |behind: &str| tail[..tail.len() - behind.len()].to_string();
        let mut letters = body.chars();
        let kind = match letters.next() {
            Some('d' | 'i' | 'u' | 'x' | 'X' | 'o' | 'c' | 'p') => Kind::Number,
            Some('s') => Kind::String,
            Some('r') => Kind::Bytes,
            Some('*') => return Err((taken(letters.as_str()), "`*` is not supported")),
            Some('n') => return Err((taken(letters.as_str()), "`n` writes, which printf() cannot")),
            Some('e' | 'f' | 'g' | 'a' | 'E' | 'F' | 'G' | 'A') => {
                return Err((taken(letters.as_str()), "there are no floating-point numbers"));
            }
            Some(_) => return Err((taken(letters.as_str()), "no such letter")),
            None => return Err((tail.to_string(), "the format ends here")),
        };
        let mut behind = letters.as_str();
        if kind == Kind::Bytes {
            behind = behind.strip_prefix(['x', 'h']).unwrap_or(behind);
        }
        found.push(Conversion { text: taken(behind), kind });
        rest = behind;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(format: &str) -> Vec<String> {
        parse(format).unwrap().into_iter().map(|c| c.text).collect()
    }

    #[test]
    fn conversions_are_found_with_their_flags() {
        assert_eq!(texts("%d %-16s|%5u%%%llx\n"), ["%d", "%-16s", "%5u", "%llx"]);
        assert_eq!(texts("%rx %rh %r!"), ["%rx", "%rh", "%r"]);
        assert_eq!(texts("%.5s %08lx %hhd"), ["%.5s", "%08lx", "%hhd"]);
        assert!(texts("100%%").is_empty());
    }

    #[test]
    fn malformed_conversions_are_named() {
        assert_eq!(parse("a %y").unwrap_err().0, "%y");
        assert_eq!(parse("a %").unwrap_err(), ("%".into(), "the format ends here"));
        assert_eq!(parse("%5.2f").unwrap_err().0, "%5.2f");
        assert!(parse("%é").is_err());
    }
}
