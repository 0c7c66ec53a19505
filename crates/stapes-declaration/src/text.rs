//! The words and signs of a source: what both parsers see.

use crate::Error;

/// A piece of source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// The comment that stands directly before it, without the comment's own signs.
    pub(crate) documentation: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A name or keyword.
    Word(String),
    /// A number, as it is spelled.
    Number(String),
    /// What a string literal contains, escapes as they are spelled.
    Text(String),
    /// Any other character.
    Sign(char),
    /// A line that begins with `#` (only where the language has such lines), without the sign.
    Directive(String),
    /// The end of the source.
    End,
}

impl Token {
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.kind {
            TokenKind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(crate) fn is(&self, sign: char) -> bool {
        self.kind == TokenKind::Sign(sign)
    }

    /// The token as a message names it.
    pub(crate) fn name(&self) -> String {
        match &self.kind {
            TokenKind::Word(text) | TokenKind::Number(text) => format!("`{text}`"),
            TokenKind::Text(text) => format!("\"{text}\""),
            TokenKind::Sign(sign) => format!("`{sign}`"),
            TokenKind::Directive(_) => "a line that begins with `#`".to_owned(),
            TokenKind::End => "the end of the file".to_owned(),
        }
    }

    pub(crate) fn error(&self, message: impl Into<String>) -> Error {
        Error { line: self.line, column: self.column, message: message.into() }
    }
}

/// How the two languages differ for the lexer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    D,
    Rust,
}

/// The tokens of a source; the last one is [`TokenKind::End`].
pub(crate) fn tokens(source: &str, language: Language) -> Result<Vec<Token>, Error> {
    let mut lexer = Lexer { rest: source, line: 1, column: 1, documentation: String::new(), language };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_space()?;
        let (line, column) = (lexer.line, lexer.column);
        let kind = lexer.token()?;
        let documentation = std::mem::take(&mut lexer.documentation).trim_end().to_owned();
        let end = kind == TokenKind::End;
        tokens.push(Token { kind, line, column, documentation });
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    column: usize,
    documentation: String,
    language: Language,
}

impl<'a> Lexer<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes so many bytes, which end at a character's end.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        for c in taken.chars() {
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        taken
    }

    fn take_while(&mut self, condition: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !condition(c)).unwrap_or(self.rest.len());
        self.take(end)
    }

    /// Skips space and comments, and keeps what the last comments say.
    fn skip_space(&mut self) -> Result<(), Error> {
        loop {
            let space = self.take_while(char::is_whitespace);
            if space.matches('\n').count() > 1 {
                // A comment above an empty line is about nothing in particular.
                self.documentation.clear();
            }
            let (line, column) = (self.line, self.column);
            if self.rest.starts_with("//") {
                let comment = self.take_while(|c| c != '\n');
                match (self.language, comment.strip_prefix("///")) {
                    (Language::Rust, Some(text)) => self.document(text),
                    (Language::Rust, None) => {}
                    (Language::D, _) => self.document(comment.trim_start_matches('/')),
                }
            } else if self.rest.starts_with("/*") {
                let Some(length) = comment_length(self.rest, self.language) else {
                    return Err(Error { line, column, message: "this comment has no end".to_owned() });
                };
                let comment = self.take(length);
                if self.language == Language::D || comment.starts_with("/**") {
                    let inside = &comment[2..comment.len() - 2];
                    for text in inside.lines() {
                        self.document(text.trim_start().trim_start_matches('*'));
                    }
                }
            } else {
                return Ok(());
            }
        }
    }

    fn document(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() && self.documentation.is_empty() {
            return;
        }
        if !self.documentation.is_empty() {
            self.documentation.push('\n');
        }
        self.documentation.push_str(line);
    }

    fn token(&mut self) -> Result<TokenKind, Error> {
        let Some(first) = self.peek() else { return Ok(TokenKind::End) };
        let is_word = |c: char| c == '_' || c == '$' || c.is_alphanumeric();
        // Anywhere but at the beginning of a line, `#` is not D.
        if first == '#' && self.language == Language::D {
            let directive = self.directive();
            // `# 12 "file.d"` is the preprocessor's way to say that line 12 comes next.
            if let Some(number) =
                directive.split_whitespace().next().and_then(|word| word.parse::<usize>().ok())
            {
                self.line = number.saturating_sub(1);
            }
            return Ok(TokenKind::Directive(directive));
        }
        if first.is_ascii_digit() {
            return Ok(TokenKind::Number(self.take_while(is_word).to_owned()));
        }
        if is_word(first) {
            let raw = self.language == Language::Rust && self.rest.starts_with("r#");
            if raw && self.rest[2..].starts_with(is_word) {
                self.take(2);
            }
            return Ok(TokenKind::Word(self.take_while(is_word).to_owned()));
        }
        if first == '"' {
            return self.string();
        }
        if first == '\'' && self.language == Language::Rust {
            if let Some(length) = character_length(self.rest) {
                return Ok(TokenKind::Text(self.take(length).to_owned()));
            }
        }
        self.take(first.len_utf8());
        Ok(TokenKind::Sign(first))
    }

    /// A directive with its continuation lines.
    fn directive(&mut self) -> String {
        self.take(1);
        let mut text = String::new();
        loop {
            let line = self.take_while(|c| c != '\n');
            match line.strip_suffix('\\') {
                Some(line) if !self.rest.is_empty() => {
                    text.push_str(line);
                    text.push(' ');
                    self.take(1);
                }
                _ => {
                    text.push_str(line);
                    return text;
                }
            }
        }
    }

    fn string(&mut self) -> Result<TokenKind, Error> {
        let (line, column) = (self.line, self.column);
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|&(_, c)| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some((end, _)) = end else {
            return Err(Error { line, column, message: "this string has no end".to_owned() });
        };
        let text = self.take(end + 1);
        Ok(TokenKind::Text(text[1..text.len() - 1].to_owned()))
    }
}

/// The length of the comment at the start of a text, in bytes. Rust's comments nest.
fn comment_length(text: &str, language: Language) -> Option<usize> {
    if language == Language::D {
        return Some(text[2..].find("*/")? + 4);
    }
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text.as_bytes()[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if text.as_bytes()[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += 1;
        }
    }
    None
}

/// The length of the character literal at the start of a text, in bytes; `None` for a lifetime.
fn character_length(text: &str) -> Option<usize> {
    let inside = &text[1..];
    let mut characters = inside.char_indices();
    let (_, first) = characters.next()?;
    if first == '\\' {
        characters.next()?;
        let end = inside.char_indices().skip(2).find(|&(_, c)| c == '\'')?.0;
        return Some(end + 2);
    }
    let (at, second) = characters.next()?;
    (second == '\'').then_some(at + 2)
}
