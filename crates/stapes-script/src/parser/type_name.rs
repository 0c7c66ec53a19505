//! Type names, and the decision whether parentheses hold one.

use super::Parser;
use crate::ast::{Name, Span, TypeName};
use crate::lexer::{Token, TokenKind};
use crate::{diagnostics, literal};

/// Words that always begin a type.
const BUILT_IN: &[&str] = &[
    "struct",
    "union",
    "enum",
    "const",
    "volatile",
    "signed",
    "unsigned",
    "char",
    "short",
    "int",
    "long",
    "void",
    "bool",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8_t",
    "uint16_t",
    "uint32_t",
    "uint64_t",
    "int8_t",
    "int16_t",
    "int32_t",
    "int64_t",
    "size_t",
    "ssize_t",
    "uintptr_t",
    "intptr_t",
    "string",
    "inet",
    "min_t",
    "max_t",
    "sum_t",
    "avg_t",
    "stats_t",
    "count_t",
    "tuple",
];

/// Words that can be combined into one type, as in `unsigned long int`.
const COMBINED: &[&str] = &["signed", "unsigned", "char", "short", "int", "long"];

/// `uint64`, `struct x *`, `unsigned long`, `char[16]`.
pub(super) fn type_name(p: &mut Parser) -> Option<TypeName> {
    let start = p.peek().span;
    let base = base(p)?;
    let (pointers, dimensions) = declarator(p);
    Some(TypeName { base, pointers, dimensions, span: p.since(start) })
}

/// The words of a type, without `*` and `[…]`.
pub(super) fn base(p: &mut Parser) -> Option<String> {
    qualifiers(p);
    let token = p.peek();
    if token.kind != TokenKind::Ident {
        p.expected("a type");
        return None;
    }
    p.bump();
    let word = p.text(token.span);
    let mut base = word.to_owned();
    if matches!(word, "struct" | "union" | "enum") {
        let tag = name(p, "the name of the type")?;
        base = format!("{base} {}", tag.text);
    } else if COMBINED.contains(&word) {
        loop {
            qualifiers(p);
            let token = p.peek();
            if token.kind != TokenKind::Ident || !COMBINED.contains(&p.text(token.span)) {
                break;
            }
            p.bump();
            base = format!("{base} {}", p.text(token.span));
        }
    }
    qualifiers(p);
    Some(base)
}

/// The `*`s and `[…]`s that follow a base.
pub(super) fn declarator(p: &mut Parser) -> (u32, Vec<Option<u32>>) {
    let pointers = pointers(p);
    (pointers, dimensions(p))
}

/// The `*`s before a name.
pub(super) fn pointers(p: &mut Parser) -> u32 {
    let mut pointers = 0;
    while p.eat(TokenKind::Star) {
        pointers += 1;
        qualifiers(p);
    }
    pointers
}

/// `[4][]`.
pub(super) fn dimensions(p: &mut Parser) -> Vec<Option<u32>> {
    let mut dimensions = Vec::new();
    while p.at(TokenKind::LeftBracket) {
        let opening = p.bump().span;
        dimensions.push(if p.at(TokenKind::RightBracket) { None } else { count(p) });
        p.close(TokenKind::RightBracket, opening);
    }
    dimensions
}

/// A number that fits 32 bits.
pub(super) fn count(p: &mut Parser) -> Option<u32> {
    let token = p.peek();
    if !p.expect(TokenKind::Integer) {
        return None;
    }
    let text = p.text(token.span);
    let value = literal::integer(text, token.span).and_then(|integer| {
        u32::try_from(integer.value)
            .map_err(|_| diagnostics::bad_integer(token.span, text, "it is too large here"))
    });
    match value {
        Ok(value) => Some(value),
        Err(complaint) => {
            p.report(complaint);
            Some(0)
        }
    }
}

/// A name.
pub(super) fn name(p: &mut Parser, wanted: &str) -> Option<Name> {
    let token = p.peek();
    if token.kind != TokenKind::Ident {
        p.expected(wanted);
        return None;
    }
    p.bump();
    Some(Name { text: p.text(token.span).to_owned(), span: token.span })
}

fn qualifiers(p: &mut Parser) {
    while p.eat_word("const") || p.eat_word("volatile") {}
}

/// Whether `(` is next and begins a cast: a type in parentheses, then something to cast.
///
/// After `(x)` only what cannot go on an expression makes a cast of an unknown name: `(x)y` is one, `(x) - y` and
/// `(x) * y` are not. `(x *)` always holds a type, and so does `(uint64)`.
pub(super) fn at_cast(p: &mut Parser) -> bool {
    let Some((behind, certain)) = type_in_parentheses(p) else { return false };
    let next = p.nth(behind);
    if starts_operand(p, next) {
        return true;
    }
    use TokenKind::*;
    certain && matches!(next.kind, Minus | Star | And | PlusPlus | MinusMinus)
}

/// Whether `(` is next and holds certainly a type, as in `sizeof(struct x)`.
pub(super) fn at_type_in_parentheses(p: &mut Parser) -> bool {
    matches!(type_in_parentheses(p), Some((_, true)))
}

/// Whether a token can only begin an operand.
fn starts_operand(p: &Parser, token: Token) -> bool {
    use TokenKind::*;
    match token.kind {
        Integer | String | Variable | Map | Parameter | LeftParen | Not | Tilde => true,
        // `if (x) y` is not of the language, but its mistake should not be a cast's.
        Ident => !matches!(p.text(token.span), "if" | "else"),
        _ => false,
    }
}

/// Where `(` and a type and `)` come next: how many tokens they are, and whether it can be nothing but a type.
fn type_in_parentheses(p: &mut Parser) -> Option<(usize, bool)> {
    if p.nth(0).kind != TokenKind::LeftParen {
        return None;
    }
    let (at, certain) = type_tokens(p, 1)?;
    (p.nth(at).kind == TokenKind::RightParen).then_some((at + 1, certain))
}

/// Where a type may begin `at` tokens from here: behind its last token, and whether it can be nothing but a type.
pub(super) fn type_tokens(p: &mut Parser, mut at: usize) -> Option<(usize, bool)> {
    let first = nth_word(p, at)?;
    let mut certain = BUILT_IN.contains(&first);
    while matches!(nth_word(p, at), Some("const" | "volatile")) {
        at += 1;
    }
    let base = nth_word(p, at)?;
    at += 1;
    if matches!(base, "struct" | "union" | "enum") {
        nth_word(p, at)?;
        at += 1;
    }
    while nth_word(p, at).is_some_and(|w| COMBINED.contains(&w) || matches!(w, "const" | "volatile")) {
        at += 1;
    }
    while p.nth(at).kind == TokenKind::Star {
        at += 1;
        certain = true;
        while matches!(nth_word(p, at), Some("const" | "volatile")) {
            at += 1;
        }
    }
    while p.nth(at).kind == TokenKind::LeftBracket {
        at += 1;
        if p.nth(at).kind == TokenKind::Integer {
            at += 1;
        }
        if p.nth(at).kind != TokenKind::RightBracket {
            return None;
        }
        at += 1;
    }
    Some((at, certain))
}

/// The word that comes `n` tokens from here, if it is one.
fn nth_word<'s>(p: &mut Parser<'s>, n: usize) -> Option<&'s str> {
    let token = p.nth(n);
    (token.kind == TokenKind::Ident).then(|| p.text(token.span))
}

/// A place of no length behind the token taken last: where something is missing.
pub(super) fn behind(p: &Parser) -> Span {
    Span { start: p.previous.end, end: p.previous.end }
}
