//! Reads DTrace's provider files, as DTrace and SystemTap write them.
//!
//! ```text
//! typedef unsigned int xid_t;
//! provider postgresql {
//!     /* A transaction begins. */
//!     probe transaction__start(xid_t xid, const char *name);
//! };
//! #pragma D attributes Evolving/Evolving/Common provider postgresql provider
//! ```
//!
//! What stands between a probe's arguments and its semicolon (`: (translated_t *t)`) is DTrace's business and skipped,
//! as are pragmas.
//! Of the preprocessor, macros without parameters are understood, which is what provider files use;
//! a file that needs more is to be preprocessed first.

use std::collections::HashMap;

use crate::text::{Language, Token, TokenKind, tokens};
use crate::{Argument, Error, Kind, Probe, Provider, c_type};

/// Reads the providers of a file.
pub fn parse(source: &str) -> Result<Vec<Provider>, Error> {
    let tokens = expand(tokens(source, Language::D)?)?;
    let mut parser = Parser { tokens: &tokens, at: 0, types: HashMap::new() };
    let mut providers: Vec<Provider> = Vec::new();
    while parser.peek().kind != TokenKind::End {
        match parser.peek().word() {
            Some("provider") => {
                let start = parser.peek().clone();
                let provider = parser.provider()?;
                if providers.iter().any(|other| other.name == provider.name) {
                    return Err(start.error(format!("the provider `{}` is declared twice", provider.name)));
                }
                providers.push(provider);
            }
            Some("typedef") => parser.typedef()?,
            Some("struct" | "union" | "enum") => {
                parser.skip_declaration();
            }
            _ if parser.peek().is(';') => parser.at += 1,
            _ => {
                let found = parser.peek();
                return Err(found.error(format!("expected `provider`, found {}", found.name())));
            }
        }
    }
    Ok(providers)
}

/// Replaces macros by what they stand for, and drops all directives.
fn expand(tokens: Vec<Token>) -> Result<Vec<Token>, Error> {
    /// So many tokens may a macro stand for, and so many may a file have.
    const MOST_OF_MACRO: usize = 1 << 10;
    const MOST: usize = 1 << 20;
    let mut macros: HashMap<String, Vec<Token>> = HashMap::new();
    let mut expanded = Vec::with_capacity(tokens.len());
    for token in tokens {
        match &token.kind {
            TokenKind::Directive(text) => {
                if let Some((name, body)) = definition(text)? {
                    // What is defined already is replaced now, so that no macro ever contains another one or itself.
                    let mut replaced = Vec::new();
                    for part in body {
                        match part.word().and_then(|word| macros.get(word)) {
                            Some(meaning) => replaced.extend(meaning.iter().cloned()),
                            None => replaced.push(part),
                        }
                    }
                    if replaced.len() > MOST_OF_MACRO {
                        return Err(token.error("this macro is too long"));
                    }
                    macros.insert(name, replaced);
                }
            }
            TokenKind::Word(word) if macros.contains_key(word) => {
                expanded.extend(macros[word].iter().map(|part| Token {
                    kind: part.kind.clone(),
                    documentation: String::new(),
                    ..token.clone()
                }));
            }
            _ => expanded.push(token),
        }
        if expanded.len() > MOST {
            return Err(Error {
                line: 1,
                column: 1,
                message: "the macros of this file make it too long".to_owned(),
            });
        }
    }
    Ok(expanded)
}

/// What a directive defines: `define NAME words…`.
fn definition(directive: &str) -> Result<Option<(String, Vec<Token>)>, Error> {
    let Some(rest) = directive.trim_start().strip_prefix("define") else { return Ok(None) };
    let rest = rest.trim_start();
    let length = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
    let (name, body) = rest.split_at(length);
    if name.is_empty() || body.starts_with('(') {
        return Ok(None);
    }
    let mut body = tokens(body, Language::D)?;
    body.pop();
    Ok(Some((name.to_owned(), body)))
}

struct Parser<'a> {
    /// The last one is the end.
    tokens: &'a [Token],
    at: usize,
    /// What `typedef` names.
    types: HashMap<String, Kind>,
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

    fn expect(&mut self, sign: char, after: &str) -> Result<(), Error> {
        let token = self.next();
        if token.is(sign) {
            return Ok(());
        }
        Err(token.error(format!("expected `{sign}` {after}, found {}", token.name())))
    }

    /// A name of something that is declared.
    fn name(&mut self, of: &str) -> Result<String, Error> {
        let token = self.next();
        match token.word() {
            Some(word) => Ok(word.to_owned()),
            None => Err(token.error(format!("expected the name of {of}, found {}", token.name()))),
        }
    }

    /// `provider NAME { … };`
    fn provider(&mut self) -> Result<Provider, Error> {
        let documentation = self.next().documentation.clone();
        let name = self.name("a provider")?;
        self.expect('{', "after the provider's name")?;
        let mut probes: Vec<Probe> = Vec::new();
        loop {
            let token = self.peek();
            match token.word() {
                Some("probe") => {
                    let probe = self.probe()?;
                    if probes.iter().any(|other| other.name == probe.name) {
                        return Err(token.error(format!("the probe `{}` is declared twice", probe.name)));
                    }
                    probes.push(probe);
                }
                Some("typedef") => self.typedef()?,
                _ if token.is('}') => break,
                _ if token.is(';') => self.at += 1,
                _ => return Err(token.error(format!("expected `probe` or `}}`, found {}", token.name()))),
            }
        }
        self.at += 1;
        if self.peek().is(';') {
            self.at += 1;
        }
        Ok(Provider { name, documentation, probes })
    }

    /// `probe NAME(ARGUMENTS) : (…);`
    fn probe(&mut self) -> Result<Probe, Error> {
        let start = self.next();
        let name = self.name("a probe")?;
        let mut arguments = Vec::new();
        if self.peek().is('(') {
            self.at += 1;
            arguments = self.arguments()?;
        }
        if self.peek().is(':') {
            while !self.peek().is(';') && !self.peek().is('}') && self.peek().kind != TokenKind::End {
                self.at += 1;
            }
        }
        self.expect(';', "after the probe")?;
        let probe =
            Probe { name, documentation: start.documentation.clone(), arguments, has_semaphore: true };
        if probe.values() > crate::MOST_VALUES {
            return Err(start.error(format!(
                "the probe `{}` passes {} values; tracers read at most {}",
                probe.name,
                probe.values(),
                crate::MOST_VALUES
            )));
        }
        Ok(probe)
    }

    /// The arguments after the opening parenthesis, to the closing one.
    fn arguments(&mut self) -> Result<Vec<Argument>, Error> {
        let mut arguments = Vec::new();
        if self.peek().is(')') {
            self.at += 1;
            return Ok(arguments);
        }
        loop {
            let start = self.peek();
            arguments.push(self.declaration()?);
            let end = self.next();
            match &end.kind {
                TokenKind::Sign(',') => {}
                TokenKind::Sign(')') => break,
                _ => {
                    return Err(
                        end.error(format!("expected `,` or `)` after the argument, found {}", end.name()))
                    );
                }
            }
            if arguments.last().is_some_and(|argument| argument.text == "void") {
                return Err(start.error("an argument cannot be `void`"));
            }
        }
        if arguments.len() == 1 && arguments[0].text == "void" && arguments[0].name.is_empty() {
            arguments.clear();
        }
        Ok(arguments)
    }

    /// A type with or without a name: `const struct stat *s`, `char name[]`, `int`.
    fn declaration(&mut self) -> Result<Argument, Error> {
        let mut words: Vec<&str> = Vec::new();
        let mut plain: Vec<&str> = Vec::new();
        let mut tagged = false;
        let (mut stars, mut name) = (0, String::new());
        loop {
            let token = self.peek();
            match &token.kind {
                TokenKind::Word(word)
                    if matches!(word.as_str(), "const" | "volatile" | "restrict" | "__restrict") =>
                {
                    if stars == 0 {
                        words.push(word);
                    }
                }
                TokenKind::Word(word)
                    if matches!(word.as_str(), "struct" | "union" | "enum") && plain.is_empty() =>
                {
                    words.push(word);
                    self.at += 1;
                    let tag = self.peek();
                    let Some(tag_name) = tag.word() else {
                        return Err(tag.error(format!("expected the name of a {word}, found {}", tag.name())));
                    };
                    words.push(tag_name);
                    plain = vec![word];
                    tagged = true;
                }
                TokenKind::Word(word)
                    if stars == 0
                        && !tagged
                        && name.is_empty()
                        && (plain.is_empty() || joins(&plain, word)) =>
                {
                    words.push(word);
                    plain.push(word);
                }
                TokenKind::Word(word) if name.is_empty() && !plain.is_empty() => name = word.clone(),
                TokenKind::Sign('*') if !plain.is_empty() && name.is_empty() => stars += 1,
                TokenKind::Sign('[') if !plain.is_empty() => {
                    stars += 1;
                    while !self.peek().is(']') && self.peek().kind != TokenKind::End {
                        self.at += 1;
                    }
                }
                _ => break,
            }
            self.at += 1;
        }
        if plain.is_empty() {
            let found = self.peek();
            return Err(found.error(format!("expected the type of an argument, found {}", found.name())));
        }
        let base = match (tagged, plain.as_slice()) {
            (true, ["enum"]) => Some(Kind::Signed(4)),
            (true, _) => None,
            (false, [word]) if self.types.contains_key(*word) => self.types.get(*word).cloned(),
            (false, plain) => c_type::base(plain),
        };
        let kind = match stars {
            0 => base.unwrap_or(Kind::Unknown),
            _ => c_type::pointer(base.as_ref(), stars),
        };
        let mut text = words.join(" ");
        if stars > 0 {
            text.push(' ');
            text.extend(std::iter::repeat_n('*', stars));
        }
        Ok(Argument { name, text, kind })
    }

    /// `typedef TYPE NAME;`
    fn typedef(&mut self) -> Result<(), Error> {
        self.at += 1;
        let has_body = self.tokens[self.at.min(self.tokens.len() - 1)..]
            .iter()
            .take_while(|token| !token.is(';'))
            .any(|token| token.is('{') || token.is('('));
        if has_body {
            let name = self.skip_declaration();
            if let Some(name) = name {
                self.types.insert(name, Kind::Unknown);
            }
            return Ok(());
        }
        let declared = self.declaration()?;
        self.expect(';', "after the type")?;
        self.types.insert(declared.name, declared.kind);
        Ok(())
    }

    /// Skips to behind the semicolon of a declaration; gives the word before it.
    fn skip_declaration(&mut self) -> Option<String> {
        let (mut depth, mut last) = (0_usize, None);
        loop {
            let token = self.next();
            match &token.kind {
                TokenKind::Sign('{' | '(') => depth += 1,
                TokenKind::Sign('}' | ')') => depth = depth.saturating_sub(1),
                TokenKind::Sign(';') if depth == 0 => return last,
                TokenKind::Word(word) if depth == 0 => last = Some(word.clone()),
                TokenKind::End => return last,
                _ => {}
            }
        }
    }
}

/// Whether a word continues a type of several words, such as `unsigned long`.
fn joins(words: &[&str], word: &str) -> bool {
    let parts = ["signed", "unsigned", "char", "short", "int", "long", "double"];
    parts.contains(&word) && words.iter().all(|other| parts.contains(other))
}
