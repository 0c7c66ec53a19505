//! Preprocessor lines: `#define` of constants, `#include` (skipped), `#ifdef … #else … #endif`.
//!
//! Scripts written for several versions of bpftrace ask `#ifndef BPFTRACE_HAVE_BTF` before they include headers;
//! that name counts as defined.

use super::Parser;
use super::expression::expression;
use crate::ast::{Definition, Name, Script, Span};
use crate::diagnostics;
use crate::lexer::{Lexer, TokenKind};

/// The preprocessor line that is next.
pub(super) fn directive(p: &mut Parser, script: &mut Script) {
    let span = p.bump().span;
    let mut words = Words::new(p.source, span);
    words.next();
    let (name, name_span) = words.next();
    match name {
        "define" => define(p, script, words, span),
        "include" => p.report(diagnostics::include_ignored(span)),
        "ifdef" | "ifndef" => {
            let condition = words.next().0;
            if p.defined.contains(condition) != (name == "ifdef") {
                skip_branch(p, true);
            }
        }
        // What comes before was taken.
        "else" => skip_branch(p, false),
        "endif" | "pragma" | "" => {}
        "undef" => {
            p.defined.remove(words.next().0);
        }
        _ => p.report(diagnostics::unsupported_definition(name_span, &format!("`#{name}`"))),
    }
}

/// `#define NAME expression`.
fn define(p: &mut Parser, script: &mut Script, mut words: Words, line: Span) {
    let (text, span) = words.next();
    let name = Name { text: text.to_owned(), span };
    if text.is_empty() {
        p.report(diagnostics::expected(span, "a name", "the end of the line"));
        return;
    }
    p.defined.insert(name.text.clone());
    if p.source[words.at..].starts_with('(') {
        let parameters = Span { start: span.start, end: words.at as u32 + 1 };
        p.report(diagnostics::unsupported_definition(parameters, "a `#define` with parameters"));
        return;
    }
    if words.rest().is_empty() {
        return;
    }
    // The value is read as if the source ended with the line.
    let source = p.source;
    p.source = &source[..line.end as usize];
    p.ahead.clear();
    p.lexer = Lexer::new(p.source, words.at);
    let value = expression(p);
    if !p.at(TokenKind::End) {
        p.expected("the end of the line");
    }
    p.source = source;
    p.seek(line.end as usize);
    script.definitions.push(Definition::Define { name, value });
}

/// Skips to behind the `#endif` that belongs to an `#if…` read before, or its `#else` if that is asked for.
fn skip_branch(p: &mut Parser, stop_at_else: bool) {
    let mut open = 0u32;
    let mut at = p.previous.end as usize;
    while at < p.source.len() {
        let end = p.source[at..].find('\n').map_or(p.source.len(), |n| at + n + 1);
        if let Some(rest) = p.source[at..end].trim().strip_prefix('#') {
            let word: String = rest.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
            match word.as_str() {
                "if" | "ifdef" | "ifndef" => open += 1,
                "endif" if open == 0 => return p.seek(end),
                "else" if open == 0 && stop_at_else => return p.seek(end),
                "endif" => open -= 1,
                _ => {}
            }
        }
        at = end;
    }
    p.seek(at);
}

/// The words of one line.
struct Words<'s> {
    source: &'s str,
    at: usize,
    end: usize,
}

impl<'s> Words<'s> {
    fn new(source: &'s str, line: Span) -> Self {
        Words { source, at: line.start as usize, end: line.end as usize }
    }

    /// The next word of letters, digits and `_`, or the next other character; empty at the end.
    fn next(&mut self) -> (&'s str, Span) {
        let rest = self.rest();
        let start = self.end - rest.len();
        let word = rest.bytes().take_while(|b| *b == b'_' || b.is_ascii_alphanumeric()).count();
        let length = if word > 0 { word } else { rest.chars().next().map_or(0, char::len_utf8) };
        self.at = start + length;
        (&rest[..length], Span { start: start as u32, end: self.at as u32 })
    }

    /// What is left of the line, without blanks before it.
    fn rest(&self) -> &'s str {
        self.source[self.at..self.end].trim_start_matches([' ', '\t', '\r', '\\', '\n'])
    }
}
