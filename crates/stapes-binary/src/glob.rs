//! bpftrace's wildcards: `*` for any text, `?` for one character, `[a-z]` for one of some, `[!a-z]` for one of the others.
//!
//! A pattern is cut at its stars into pieces. The first and the last piece stand at the ends of the text,
//! and each of the others is taken at the first place where it fits, which is never worse than a later one.
//! So nothing is tried twice: the time is at most the product of the lengths, and linear for pieces that are plain text.

/// A pattern, ready to be matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    /// The pieces between the stars; one piece where there is no star.
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// Characters that stand for themselves.
    Plain(String),
    /// One element for each character.
    Elements(Vec<Element>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Element {
    Char(char),
    Any,
    /// One of the ranges, or, negated, none of them.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// Whether the text has a wildcard in it.
pub fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

impl Glob {
    /// Reads a pattern. A `[` without its `]` stands for itself, as in the shell.
    pub fn new(pattern: &str) -> Glob {
        let mut pieces = Vec::new();
        let mut piece = Vec::new();
        let mut rest = pattern.chars();
        while let Some(c) = rest.next() {
            match c {
                '*' => pieces.push(Piece::new(std::mem::take(&mut piece))),
                '?' => piece.push(Element::Any),
                '[' => match class(rest.as_str()) {
                    Some((class, after)) => {
                        piece.push(class);
                        rest = after.chars();
                    }
                    None => piece.push(Element::Char('[')),
                },
                c => piece.push(Element::Char(c)),
            }
        }
        pieces.push(Piece::new(piece));
        Glob { pieces }
    }

    /// Whether the whole text is of the pattern.
    pub fn matches(&self, text: &str) -> bool {
        let [first, rest @ ..] = self.pieces.as_slice() else { return text.is_empty() };
        let Some(after) = first.at_start(text) else { return false };
        let mut text = &text[after..];
        let Some((last, between)) = rest.split_last() else { return text.is_empty() };
        for piece in between {
            let Some(end) = piece.find(text) else { return false };
            text = &text[end..];
        }
        last.at_end(text)
    }
}

/// The class behind a `[`, and what follows its `]`.
fn class(text: &str) -> Option<(Element, &str)> {
    let (negated, body) = match text.strip_prefix(['!', '^']) {
        Some(body) => (true, body),
        None => (false, text),
    };
    // A `]` that comes first belongs to the class.
    let first = body.chars().next()?.len_utf8();
    let end = first + body.get(first..)?.find(']')?;
    let mut ranges = Vec::new();
    let mut members = body[..end].chars().peekable();
    while let Some(low) = members.next() {
        let mut ahead = members.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(high)) => {
                ranges.push((low, high));
                members = ahead;
            }
            _ => ranges.push((low, low)),
        }
    }
    Some((Element::Class { negated, ranges }, &body[end + 1..]))
}

impl Piece {
    fn new(elements: Vec<Element>) -> Piece {
        let plain = |e: &Element| match e {
            Element::Char(c) => Some(*c),
            _ => None,
        };
        match elements.iter().map(plain).collect::<Option<String>>() {
            Some(text) => Piece::Plain(text),
            None => Piece::Elements(elements),
        }
    }

    /// Where the piece ends if it fits at the start of the text.
    fn at_start(&self, text: &str) -> Option<usize> {
        match self {
            Piece::Plain(plain) => text.starts_with(plain).then_some(plain.len()),
            Piece::Elements(elements) => {
                let mut chars = text.char_indices();
                for element in elements {
                    let (_, c) = chars.next()?;
                    if !element.fits(c) {
                        return None;
                    }
                }
                Some(text.len() - chars.as_str().len())
            }
        }
    }

    /// Where the piece ends at the first place where it fits.
    fn find(&self, text: &str) -> Option<usize> {
        match self {
            Piece::Plain(plain) => {
                memchr::memmem::find(text.as_bytes(), plain.as_bytes()).map(|at| at + plain.len())
            }
            Piece::Elements(_) => {
                text.char_indices().find_map(|(at, _)| self.at_start(&text[at..]).map(|end| at + end))
            }
        }
    }

    fn at_end(&self, text: &str) -> bool {
        match self {
            Piece::Plain(plain) => text.ends_with(plain),
            Piece::Elements(elements) => {
                let mut chars = text.chars().rev();
                elements.iter().rev().all(|e| chars.next().is_some_and(|c| e.fits(c)))
            }
        }
    }
}

impl Element {
    fn fits(&self, c: char) -> bool {
        match self {
            Element::Char(own) => *own == c,
            Element::Any => true,
            Element::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_the_shell_matches_them() {
        // (pattern, texts that match, texts that do not)
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("", &[""], &["a"]),
            ("*", &["", "a", "method__entry"], &[]),
            ("method__*", &["method__", "method__entry"], &["amethod__entry", "method_"]),
            ("*__return", &["method__return", "__return"], &["method__returned"]),
            ("a*b*c", &["abc", "a-b-c", "abbcbc"], &["acb", "ab", "abcd"]),
            ("a*a", &["aa", "aba"], &["a"]),
            ("m?m", &["mem", "m?m"], &["mm", "meem"]),
            ("*gc__[bs]*", &["gc__begin", "x:gc__start"], &["gc__end"]),
            ("x[!0-9]", &["xa", "x-"], &["x0", "x"]),
            ("x[^0-9]", &["xa"], &["x5"]),
            ("[]a]", &["]", "a"], &["b"]),
            ("[a-]", &["a", "-"], &["b"]),
            ("open[", &["open["], &["open"]),
            ("*?*", &["a", "ab"], &[""]),
            ("**", &["", "a"], &[]),
            ("?é*", &["aé", "ééé"], &["é"]),
        ];
        for (pattern, matching, others) in cases {
            let glob = Glob::new(pattern);
            for text in *matching {
                assert!(glob.matches(text), "{pattern} should match {text:?}");
            }
            for text in *others {
                assert!(!glob.matches(text), "{pattern} should not match {text:?}");
            }
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "a*".repeat(2000) + "b";
        assert!(!Glob::new(&pattern).matches(&"a".repeat(20000)));
    }
}
