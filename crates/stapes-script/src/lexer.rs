//! Text to tokens: where each word, number, string and operator begins and ends.
//!
//! The lexer finds extents only; what a number or a string *means* is decided in [`crate::literal`], where it can be
//! complained about once, when the parser takes it.
//! It never fails: what it does not know is a token of its own.
//!
//! It is a function of the position alone, so that the parser can go back and read the same bytes by other rules.
//! It must: in an attach point `usdt:/usr/*/x:a//b:n` neither `/*` nor `//` starts a comment.

use crate::ast::Span;

/// A token with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
}

/// Defines [`TokenKind`] and how its kinds are called in messages; the operators with their text, longest first.
macro_rules! tokens {
    ($($word:ident $name:literal)* ; $($operator:ident $text:literal)*) => {
        /// What a token is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum TokenKind { $($word,)* $($operator,)* }

        impl TokenKind {
            /// How messages call it.
            pub(crate) fn describe(self) -> &'static str {
                match self {
                    $(TokenKind::$word => $name,)*
                    $(TokenKind::$operator => concat!("`", $text, "`"),)*
                }
            }
        }

        const OPERATORS: &[(&str, TokenKind)] = &[$(($text, TokenKind::$operator),)*];
    };
}

tokens! {
    End "the end of the script"
    Ident "a name"
    Integer "a number"
    String "a string"
    Variable "a variable"
    Map "a map"
    Parameter "a positional parameter"
    // `# …` at the start of a line, up to its end.
    Directive "a preprocessor line"
    // `/*` without its end.
    OpenComment "an unterminated comment"
    Unknown "an unknown character"
    ;
    ShlAssign "<<="
    ShrAssign ">>="
    PlusPlus "++"
    MinusMinus "--"
    Arrow "->"
    AndAnd "&&"
    OrOr "||"
    EqEq "=="
    NotEq "!="
    LessEq "<="
    GreaterEq ">="
    Shl "<<"
    Shr ">>"
    AddAssign "+="
    SubAssign "-="
    MulAssign "*="
    DivAssign "/="
    ModAssign "%="
    AndAssign "&="
    OrAssign "|="
    XorAssign "^="
    DotDot ".."
    LeftBrace "{"
    RightBrace "}"
    LeftParen "("
    RightParen ")"
    LeftBracket "["
    RightBracket "]"
    Semicolon ";"
    Comma ","
    Colon ":"
    Question "?"
    Dot "."
    Assign "="
    Plus "+"
    Minus "-"
    Star "*"
    Slash "/"
    Percent "%"
    And "&"
    Or "|"
    Caret "^"
    Not "!"
    Tilde "~"
    Less "<"
    Greater ">"
}

/// Reads tokens from a position of the source on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lexer<'s> {
    source: &'s str,
    position: usize,
}

impl<'s> Lexer<'s> {
    /// A lexer that starts at an offset of the source.
    pub(crate) fn new(source: &'s str, position: usize) -> Self {
        Lexer { source, position }
    }

    /// The next token; at the end, [`TokenKind::End`] again and again.
    pub(crate) fn next(&mut self) -> Token {
        self.position = skip_trivia(self.source, self.position);
        let start = self.position;
        let rest = &self.source[start..];
        let bytes = rest.as_bytes();
        let (kind, length) = match bytes.first() {
            None => (TokenKind::End, 0),
            Some(b'"') => (TokenKind::String, string_length(bytes)),
            Some(b'0'..=b'9') => (TokenKind::Integer, word_length(bytes)),
            Some(c) if is_name_start(*c) => (TokenKind::Ident, word_length(bytes)),
            Some(b'@') if bytes.get(1).is_some_and(|c| is_name_start(*c)) => {
                (TokenKind::Map, 1 + word_length(&bytes[1..]))
            }
            Some(b'@') => (TokenKind::Map, 1),
            Some(b'$') => match bytes.get(1) {
                Some(b'#') => (TokenKind::Parameter, 2),
                Some(b'0'..=b'9') => (TokenKind::Parameter, 1 + word_length(&bytes[1..])),
                Some(c) if is_name_start(*c) => (TokenKind::Variable, 1 + word_length(&bytes[1..])),
                _ => (TokenKind::Unknown, 1),
            },
            Some(b'#') if starts_line(self.source, start) => (TokenKind::Directive, directive_length(bytes)),
            Some(b'/') if bytes.get(1) == Some(&b'*') => (TokenKind::OpenComment, bytes.len()),
            Some(first) => match operator(rest, *first) {
                Some((text, kind)) => (*kind, text.len()),
                None => (TokenKind::Unknown, rest.chars().next().map_or(0, char::len_utf8)),
            },
        };
        self.position = start + length;
        Token { kind, span: Span { start: start as u32, end: self.position as u32 } }
    }
}

/// The longest operator that a text begins with.
fn operator(rest: &str, first: u8) -> Option<&'static (&'static str, TokenKind)> {
    OPERATORS.iter().find(|(text, _)| text.as_bytes().first() == Some(&first) && rest.starts_with(text))
}

/// The offset of the first byte at or after `position` that is neither blank nor in a comment.
///
/// A comment without an end is not skipped: it becomes a token, to be complained about.
pub(crate) fn skip_trivia(source: &str, mut position: usize) -> usize {
    let bytes = source.as_bytes();
    loop {
        let rest = &bytes[position..];
        match rest {
            [b' ' | b'\t' | b'\r' | b'\n' | b'\x0b' | b'\x0c', ..] => position += 1,
            // A line that goes on in the next one.
            [b'\\', b'\n', ..] => position += 2,
            [b'/', b'/', ..] => position += line_length(rest),
            // Only the first line of a file: the script's interpreter.
            [b'#', b'!', ..] if position == 0 => position += line_length(rest),
            [b'/', b'*', body @ ..] => match find(body, b"*/") {
                Some(length) => position += 2 + length + 2,
                None => return position,
            },
            _ => return position,
        }
    }
}

/// Whether a byte can begin a name.
pub(crate) fn is_name_start(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphabetic()
}

/// Bytes of the letters, digits and `_` that `bytes` begins with.
fn word_length(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| **b == b'_' || b.is_ascii_alphanumeric()).count()
}

/// Bytes up to the end of the line, without it.
fn line_length(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| **b != b'\n').count()
}

/// Bytes of a string with its quotes; one that is not closed ends with its line.
pub(crate) fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    loop {
        match bytes.get(at) {
            None | Some(b'\n') => return at,
            Some(b'"') => return at + 1,
            Some(b'\\') if !matches!(bytes.get(at + 1), None | Some(b'\n')) => at += 2,
            Some(_) => at += 1,
        }
    }
}

/// Bytes of a preprocessor line, with the lines that a backslash at the end joins to it.
fn directive_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        at += line_length(&bytes[at..]);
        match bytes[..at] {
            [.., b'\\'] if at < bytes.len() => at += 1,
            _ => return at,
        }
    }
}

/// Whether only blanks stand before `position` in its line.
fn starts_line(source: &str, position: usize) -> bool {
    let before = &source.as_bytes()[..position];
    before.iter().rev().find(|b| !matches!(b, b' ' | b'\t')).is_none_or(|b| *b == b'\n')
}

/// The offset of `needle` in `bytes`.
pub(crate) fn find(bytes: &[u8], needle: &[u8; 2]) -> Option<usize> {
    bytes.windows(2).position(|w| w == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of all tokens, each with its kind.
    fn tokens(source: &str) -> Vec<(TokenKind, &str)> {
        let mut lexer = Lexer::new(source, 0);
        let mut all = Vec::new();
        loop {
            let token = lexer.next();
            if token.kind == TokenKind::End {
                return all;
            }
            all.push((token.kind, &source[token.span.start as usize..token.span.end as usize]));
        }
    }

    #[test]
    fn words_numbers_and_sigils() {
        use TokenKind::*;
        assert_eq!(
            tokens("pid $x $12 $# @ @m @_1 0x1F 1_000 5ms"),
            [
                (Ident, "pid"),
                (Variable, "$x"),
                (Parameter, "$12"),
                (Parameter, "$#"),
                (Map, "@"),
                (Map, "@m"),
                (Map, "@_1"),
                (Integer, "0x1F"),
                (Integer, "1_000"),
                (Integer, "5ms"),
            ]
        );
    }

    #[test]
    fn operators_are_the_longest_that_fit() {
        use TokenKind::*;
        assert_eq!(
            tokens("a<<=b>>c++ +d--->e 0..9"),
            [
                (Ident, "a"),
                (ShlAssign, "<<="),
                (Ident, "b"),
                (Shr, ">>"),
                (Ident, "c"),
                (PlusPlus, "++"),
                (Plus, "+"),
                (Ident, "d"),
                (MinusMinus, "--"),
                (Arrow, "->"),
                (Ident, "e"),
                (Integer, "0"),
                (DotDot, ".."),
                (Integer, "9"),
            ]
        );
    }

    #[test]
    fn comments_shebang_and_directives() {
        use TokenKind::*;
        assert_eq!(
            tokens("#!/usr/bin/env stapes\n// x\na /* b\n */ c # d\n  #define A \\\n 1\ne"),
            [
                (Ident, "a"),
                (Ident, "c"),
                (Unknown, "#"),
                (Ident, "d"),
                (Directive, "#define A \\\n 1"),
                (Ident, "e")
            ]
        );
        assert_eq!(tokens("a /* b"), [(Ident, "a"), (OpenComment, "/* b")]);
        assert_eq!(tokens("/*/ a"), [(OpenComment, "/*/ a")]);
    }

    #[test]
    fn strings_end_at_their_quote_or_line() {
        use TokenKind::*;
        assert_eq!(tokens(r#""a\"b" c"#), [(String, r#""a\"b""#), (Ident, "c")]);
        assert_eq!(tokens("\"a\nb"), [(String, "\"a"), (Ident, "b")]);
        assert_eq!(tokens("\"a\\"), [(String, "\"a\\")]);
    }

    #[test]
    fn unknown_characters_are_whole() {
        assert_eq!(tokens("é`"), [(TokenKind::Unknown, "é"), (TokenKind::Unknown, "`")]);
    }
}
