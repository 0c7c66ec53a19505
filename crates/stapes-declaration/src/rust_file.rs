//! Finds the providers in a Rust source: the modules with `#[stapes::provider]`.
//!
//! ```text
//! #[stapes::provider(name = "myapp")]
//! pub mod probes {
//!     /// A request was accepted.
//!     pub fn request_start(id: u64, path: &str);
//! }
//! ```
//!
//! The rest of the source is passed over. The attribute itself is implemented in the crate `stapes-macros`,
//! which the compiler gives a parsed module; here is only text.

use crate::text::{Language, Token, TokenKind, tokens};
use crate::{Argument, Error, Kind, Probe, Provider};

/// Reads the providers of a source.
pub fn parse(source: &str) -> Result<Vec<Provider>, Error> {
    let tokens = tokens(source, Language::Rust)?;
    let mut parser = Parser { tokens: &tokens, at: 0 };
    let mut providers = Vec::new();
    while parser.peek().kind != TokenKind::End {
        let start = parser.peek();
        if !start.is('#') {
            parser.at += 1;
            continue;
        }
        let attributes = parser.attributes();
        let documentation = start.documentation.clone();
        if let Some(provider) = attributes.iter().find(|attribute| attribute.is("provider")) {
            providers.push(parser.provider(provider, documentation)?);
        }
    }
    Ok(providers)
}

/// What an attribute says: `#[stapes::provider(name = "x", dashes)]`.
struct Attribute<'a> {
    tokens: &'a [Token],
}

impl Attribute<'_> {
    /// Whether the last word of its path is this one.
    fn is(&self, name: &str) -> bool {
        let path: Vec<&Token> =
            self.tokens.iter().take_while(|token| token.word().is_some() || token.is(':')).collect();
        path.last().is_some_and(|token| token.word() == Some(name))
    }

    /// The string behind `KEY =`.
    fn value(&self, key: &str) -> Option<&str> {
        self.tokens.windows(3).find_map(|window| match window {
            [word, sign, Token { kind: TokenKind::Text(text), .. }]
                if word.word() == Some(key) && sign.is('=') =>
            {
                Some(text.as_str())
            }
            _ => None,
        })
    }

    /// Whether a word stands in its parentheses.
    fn has(&self, word: &str) -> bool {
        let inside = self.tokens.iter().skip_while(|token| !token.is('('));
        inside.into_iter().any(|token| token.word() == Some(word))
    }
}

struct Parser<'a> {
    /// The last one is the end.
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &'a Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> &'a Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn expect_word(&mut self, what: &str) -> Result<String, Error> {
        let token = self.next();
        match token.word() {
            Some(word) => Ok(word.to_owned()),
            None => Err(token.error(format!("expected {what}, found {}", token.name()))),
        }
    }

    fn expect(&mut self, sign: char) -> Result<(), Error> {
        let token = self.next();
        if token.is(sign) {
            Ok(())
        } else {
            Err(token.error(format!("expected `{sign}`, found {}", token.name())))
        }
    }

    /// The attributes that stand here.
    fn attributes(&mut self) -> Vec<Attribute<'a>> {
        let mut attributes = Vec::new();
        while self.peek().is('#') {
            self.at += 1;
            if self.peek().is('!') {
                self.at += 1;
            }
            if self.peek().is('[') {
                let inside = self.group();
                attributes.push(Attribute { tokens: inside });
            }
        }
        attributes
    }

    /// The tokens in the brackets that begin here, which end at the end of the file at the latest.
    fn group(&mut self) -> &'a [Token] {
        let start = self.at + 1;
        let mut depth = 0_usize;
        loop {
            let token = self.next();
            match token.kind {
                TokenKind::Sign('(' | '[' | '{') => depth += 1,
                TokenKind::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
                TokenKind::End => {
                    return &self.tokens[start.min(self.tokens.len() - 1)..self.tokens.len() - 1];
                }
                _ => {}
            }
            if depth == 0 {
                return &self.tokens[start..self.at - 1];
            }
        }
    }

    /// `pub`, `pub(crate)`.
    fn visibility(&mut self) {
        if self.peek().word() == Some("pub") {
            self.at += 1;
            if self.peek().is('(') {
                self.group();
            }
        }
    }

    /// `pub mod NAME { … }`, behind the attribute.
    fn provider(&mut self, attribute: &Attribute<'_>, documentation: String) -> Result<Provider, Error> {
        self.visibility();
        let token = self.next();
        if token.word() != Some("mod") {
            return Err(token.error(format!("expected the module of the provider, found {}", token.name())));
        }
        let module = self.expect_word("the name of the module")?;
        let name = attribute.value("name").map_or(module, str::to_owned);
        let dashes = attribute.has("dashes");
        if !self.peek().is('{') {
            return Err(self
                .peek()
                .error("the probes of a provider stand in the module itself: `mod name { … }`"));
        }
        let body = self.group();
        // The group's tokens have no end of their own.
        let mut tokens = body.to_vec();
        let end = self.peek();
        tokens.push(Token { kind: TokenKind::End, documentation: String::new(), ..end.clone() });
        let mut inner = Parser { tokens: &tokens, at: 0 };
        let mut probes = Vec::new();
        while inner.peek().kind != TokenKind::End {
            if let Some(probe) = inner.item(dashes)? {
                probes.push(probe);
            }
        }
        Ok(Provider { name, documentation, probes })
    }

    /// An item of the module: a probe, or something else, which is skipped.
    fn item(&mut self, dashes: bool) -> Result<Option<Probe>, Error> {
        let start = self.peek();
        let attributes = self.attributes();
        // The documentation stands before the first attribute, or between attributes and function.
        let documentation = [start, self.peek()].into_iter().find(|token| !token.documentation.is_empty());
        let documentation = documentation.map_or_else(String::new, |token| token.documentation.clone());
        self.visibility();
        if self.peek().word() != Some("fn") {
            self.skip_item();
            return Ok(None);
        }
        self.at += 1;
        let function = self.expect_word("the name of the probe")?;
        let renamed = attributes.iter().find(|attribute| attribute.is("probe")).and_then(|a| a.value("name"));
        let name = match renamed {
            Some(name) => name.to_owned(),
            None if dashes => function.replace("__", "-"),
            None => function,
        };
        let has_semaphore =
            !attributes.iter().any(|attribute| attribute.is("semaphore") && attribute.has("none"));
        let open = self.peek();
        if !open.is('(') {
            return Err(
                open.error(format!("expected the arguments of the probe `{name}`, found {}", open.name()))
            );
        }
        let arguments = arguments(self.group())?;
        if self.peek().is('{') {
            self.group();
        } else {
            self.expect(';')?;
        }
        let probe = Probe { name, documentation, arguments, has_semaphore };
        if probe.values() > crate::MOST_VALUES {
            return Err(open.error(format!(
                "the probe `{}` passes {} values; tracers read at most {}",
                probe.name,
                probe.values(),
                crate::MOST_VALUES
            )));
        }
        Ok(Some(probe))
    }

    /// Skips an item that is no probe: to behind its semicolon or its braces.
    fn skip_item(&mut self) {
        loop {
            let token = self.peek();
            match token.kind {
                TokenKind::End => return,
                TokenKind::Sign('{') => {
                    self.group();
                    return;
                }
                TokenKind::Sign('(' | '[') => {
                    self.group();
                }
                TokenKind::Sign(';') => {
                    self.at += 1;
                    return;
                }
                _ => self.at += 1,
            }
        }
    }
}

/// `NAME: TYPE, …`
fn arguments(tokens: &[Token]) -> Result<Vec<Argument>, Error> {
    let mut arguments = Vec::new();
    let mut rest = tokens;
    while let Some(first) = rest.first() {
        let mut depth = 0_i32;
        let end = rest.iter().position(|token| {
            match token.kind {
                TokenKind::Sign('(' | '[' | '{' | '<') => depth += 1,
                TokenKind::Sign(')' | ']' | '}' | '>') => depth -= 1,
                _ => {}
            }
            depth == 0 && token.is(',')
        });
        let end = end.unwrap_or(rest.len());
        match &rest[..end] {
            [name, colon, kind @ ..] if name.word().is_some() && colon.is(':') && !kind.is_empty() => {
                let name = name.word().unwrap_or_default().to_owned();
                arguments.push(Argument { name, text: type_text(kind), kind: kind_of(kind) });
            }
            _ => return Err(first.error(format!("expected `name: type`, found {}", first.name()))),
        }
        rest = &rest[(end + 1).min(rest.len())..];
    }
    Ok(arguments)
}

/// A type as people write it.
fn type_text(tokens: &[Token]) -> String {
    let mut text = String::new();
    let mut after_word = false;
    for token in tokens {
        match &token.kind {
            TokenKind::Word(word) | TokenKind::Number(word) => {
                if after_word {
                    text.push(' ');
                }
                text.push_str(word);
                after_word = true;
            }
            TokenKind::Sign(sign) => {
                if after_word && *sign == '&' {
                    text.push(' ');
                }
                text.push(*sign);
                if matches!(sign, ',' | ';') {
                    text.push(' ');
                }
                after_word = false;
            }
            TokenKind::Text(literal) => text.push_str(literal),
            TokenKind::Directive(_) | TokenKind::End => {}
        }
    }
    text
}

/// What a Rust type is, as far as its words say: an alias or a type of one's own is [`Kind::Unknown`].
fn kind_of(tokens: &[Token]) -> Kind {
    let words: Vec<&str> = tokens.iter().filter_map(Token::word).collect();
    match tokens {
        [sign, rest @ ..] if sign.is('&') => {
            let rest = match rest {
                [quote, lifetime, rest @ ..] if quote.is('\'') && lifetime.word().is_some() => rest,
                rest => rest,
            };
            let rest = match rest {
                [word, rest @ ..] if word.word() == Some("mut") => rest,
                rest => rest,
            };
            kind_of(rest)
        }
        [sign, ..] if sign.is('*') => {
            let is_text =
                words.last() == Some(&"c_char") && tokens.iter().filter(|token| token.is('*')).count() == 1;
            if is_text { Kind::CString } else { Kind::Pointer }
        }
        [open, inner, ..] if open.is('[') && inner.word() == Some("u8") => Kind::Bytes,
        _ => {
            if words.contains(&"Option") && tokens.last().is_some_and(|token| token.is('>')) {
                let inner = tokens
                    .iter()
                    .position(|token| token.is('<'))
                    .map_or(&[][..], |at| &tokens[at + 1..tokens.len() - 1]);
                return match kind_of(inner) {
                    Kind::Unknown => Kind::Unknown,
                    kind => Kind::Optional(Box::new(kind)),
                };
            }
            match words.last().copied().unwrap_or_default() {
                _ if tokens.last().is_some_and(|token| token.word().is_none()) => Kind::Unknown,
                "u8" => Kind::Unsigned(1),
                "u16" => Kind::Unsigned(2),
                "u32" => Kind::Unsigned(4),
                "u64" | "usize" => Kind::Unsigned(8),
                "i8" => Kind::Signed(1),
                "i16" => Kind::Signed(2),
                "i32" => Kind::Signed(4),
                "i64" | "isize" => Kind::Signed(8),
                "c_char" => Kind::CChar,
                "c_int" => Kind::Signed(4),
                "c_uint" => Kind::Unsigned(4),
                "c_long" => Kind::Signed(8),
                "c_ulong" => Kind::Unsigned(8),
                "bool" => Kind::Bool,
                "char" => Kind::Char,
                "f32" => Kind::Float(4),
                "f64" => Kind::Float(8),
                "str" => Kind::String,
                "CStr" => Kind::CStringWithLength,
                _ => Kind::Unknown,
            }
        }
    }
}
