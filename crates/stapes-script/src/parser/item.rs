//! What stands outside of blocks: probes, `config`, definitions, `macro`, `fn`, `import`.

use super::expression::{expression, string};
use super::statement::{Mode, nested_block, variable};
use super::type_name::{self, count, name, type_name};
use super::{Parser, directive};
use crate::ast::{
    AttachPoint, Block, Definition, Expr, Field, Function, MapDeclaration, Name, Parameter, ParameterKind,
    ProbeBlock, Script, Span, TypeName,
};
use crate::lexer::TokenKind;
use crate::{attach, diagnostics};

/// The whole script.
pub(super) fn script(p: &mut Parser) -> Script {
    let mut script = Script::default();
    loop {
        p.recovering = false;
        let token = p.peek();
        let start = token.span.start;
        match token.kind {
            TokenKind::End => return script,
            TokenKind::OpenComment => {
                p.expected("a probe");
                return script;
            }
            TokenKind::Semicolon => {
                p.bump();
            }
            TokenKind::Directive => directive::directive(p, &mut script),
            _ => item(p, &mut script),
        }
        if p.peek().span.start == start {
            p.bump();
        }
    }
}

fn item(p: &mut Parser, script: &mut Script) {
    let token = p.peek();
    match p.text(token.span) {
        "config" if p.nth(1).kind == TokenKind::Assign => config(p, &mut script.config),
        "let" => script.maps.extend(map_declaration(p)),
        "struct" | "union" => script.definitions.extend(aggregate(p)),
        "enum" => script.definitions.extend(enumeration(p)),
        "macro" | "fn" => script.functions.extend(function(p)),
        "import" => import(p, &mut script.imports),
        "typedef" => {
            p.report(diagnostics::unsupported_definition(token.span, "`typedef`"));
            p.skip_statement();
        }
        _ => script.blocks.extend(probe(p)),
    }
}

/// Attach points, a predicate, a block.
fn probe(p: &mut Parser) -> Option<ProbeBlock> {
    if !begins_attach_point(p) {
        return None;
    }
    let mut points = Vec::new();
    loop {
        points.extend(attach_point(p));
        if !p.eat(TokenKind::Comma) {
            break;
        }
    }
    let mut predicate = None;
    if p.at(TokenKind::Slash) {
        let opening = p.bump().span;
        p.in_predicate = true;
        predicate = Some(expression(p));
        p.in_predicate = false;
        if !p.close(TokenKind::Slash, opening) {
            skip_to_block(p);
        }
    } else if !p.at(TokenKind::LeftBrace) {
        p.expected("`{`, a predicate or `,`");
        skip_to_block(p);
    }
    let body = if p.at(TokenKind::LeftBrace) || predicate.is_some() {
        nested_block(p, Mode::Statement)
    } else {
        Block::default()
    };
    Some(ProbeBlock { points, predicate, body })
}

/// Whether an attach point can be next; complains and skips if what is there is a statement.
fn begins_attach_point(p: &mut Parser) -> bool {
    let token = p.peek();
    let text = p.text(token.span);
    let call = token.kind == TokenKind::Ident && p.nth(1).kind == TokenKind::LeftParen;
    let sigil = matches!(token.kind, TokenKind::Variable | TokenKind::Map);
    if call || sigil || matches!(text, "if" | "for" | "while" | "unroll" | "return") {
        p.complain(token.span, |span| diagnostics::outside_probe(span, text));
        p.skip_statement();
        return false;
    }
    if token.kind == TokenKind::Unknown {
        // Most likely a comment as other languages write them.
        p.expected("a probe");
        let start = token.span.start as usize;
        let line_end = p.source[start..].find('\n').map_or(p.source.len(), |n| start + n);
        p.seek(line_end);
        return false;
    }
    if attach::extent(p.source, token.span.start as usize) == token.span.start as usize {
        p.expected("a probe");
        if token.kind == TokenKind::LeftBrace {
            p.skip_brackets();
        }
        return false;
    }
    true
}

/// One attach point, read from the text rather than from tokens.
fn attach_point(p: &mut Parser) -> Option<AttachPoint> {
    let start = p.peek().span.start as usize;
    let end = attach::extent(p.source, start);
    if end == start {
        p.expected("a probe");
        return None;
    }
    let span = Span { start: start as u32, end: end as u32 };
    let mut complaints = Vec::new();
    let point = attach::read(p.source, span, p.parameters, &mut complaints);
    for complaint in complaints {
        p.report(complaint);
    }
    p.seek(end);
    p.previous = span;
    Some(point)
}

/// Skips to before the next `{`, but not over a `}`.
fn skip_to_block(p: &mut Parser) {
    use TokenKind::*;
    while !matches!(p.peek().kind, LeftBrace | RightBrace | End | OpenComment) {
        p.bump();
    }
}

/// `config = { name = value; … }`.
fn config(p: &mut Parser, entries: &mut Vec<(Name, Expr)>) {
    p.bump();
    p.bump();
    let opening = p.peek().span;
    if !p.expect(TokenKind::LeftBrace) {
        return;
    }
    while !matches!(p.peek().kind, TokenKind::RightBrace | TokenKind::End | TokenKind::OpenComment) {
        if p.eat(TokenKind::Semicolon) {
            continue;
        }
        let entry = name(p, "the name of a setting").filter(|_| p.expect(TokenKind::Assign));
        let Some(entry) = entry else {
            p.skip_statement();
            continue;
        };
        entries.push((entry, expression(p)));
        if !p.at(TokenKind::RightBrace) && !p.expect(TokenKind::Semicolon) {
            p.skip_statement();
        }
    }
    p.close(TokenKind::RightBrace, opening);
}

/// `let @name = kind(size);`.
fn map_declaration(p: &mut Parser) -> Option<MapDeclaration> {
    p.bump();
    let declaration = (|| {
        let token = p.peek();
        if !p.expect(TokenKind::Map) {
            return None;
        }
        let map = Name { text: p.text(token.span)[1..].to_owned(), span: token.span };
        p.expect(TokenKind::Assign).then_some(())?;
        let kind = name(p, "the kind of the map")?;
        let opening = p.peek().span;
        p.expect(TokenKind::LeftParen).then_some(())?;
        let size = expression(p);
        p.close(TokenKind::RightParen, opening).then_some(())?;
        Some(MapDeclaration { name: map, kind, size })
    })();
    if declaration.is_none() || !p.expect(TokenKind::Semicolon) {
        p.skip_statement();
    }
    declaration
}

/// `struct name { … };` and `union`.
fn aggregate(p: &mut Parser) -> Option<Definition> {
    let keyword = p.bump().span;
    let union = p.text(keyword) == "union";
    let tag = name(p, "the name of the type");
    let opening = p.peek().span;
    if tag.is_none() || !p.expect(TokenKind::LeftBrace) {
        p.skip_statement();
        return None;
    }
    let mut fields = Vec::new();
    while !matches!(p.peek().kind, TokenKind::RightBrace | TokenKind::End | TokenKind::OpenComment) {
        let start = p.peek().span.start;
        if field(p, &mut fields).is_none() || !p.expect(TokenKind::Semicolon) {
            p.skip_statement();
        }
        if p.peek().span.start == start && !p.at(TokenKind::RightBrace) {
            p.bump();
        }
    }
    p.close(TokenKind::RightBrace, opening);
    p.eat(TokenKind::Semicolon);
    Some(Definition::Aggregate { name: tag?, union, fields })
}

/// `int a, *b, c[4], d : 3`.
fn field(p: &mut Parser, fields: &mut Vec<Field>) -> Option<()> {
    let start = p.peek().span;
    let nested = matches!(p.text(start), "struct" | "union" | "enum")
        && (p.nth(1).kind == TokenKind::LeftBrace || p.nth(2).kind == TokenKind::LeftBrace);
    if nested {
        p.complain(start, |span| diagnostics::unsupported_definition(span, "a definition inside of another"));
        while !p.at(TokenKind::LeftBrace) {
            p.bump();
        }
        p.skip_brackets();
        return None;
    }
    let base = type_name::base(p)?;
    let span = p.since(start);
    loop {
        let pointers = type_name::pointers(p);
        let name = name(p, "the name of a field")?;
        let dimensions = type_name::dimensions(p);
        let bits = if p.eat(TokenKind::Colon) { Some(count(p)?) } else { None };
        fields.push(Field { name, ty: TypeName { base: base.clone(), pointers, dimensions, span }, bits });
        if !p.eat(TokenKind::Comma) {
            return Some(());
        }
    }
}

/// `enum name { A, B = 2 };`, with or without a name.
fn enumeration(p: &mut Parser) -> Option<Definition> {
    p.bump();
    let tag = if p.at(TokenKind::Ident) { name(p, "a name") } else { None };
    let opening = p.peek().span;
    if !p.expect(TokenKind::LeftBrace) {
        p.skip_statement();
        return None;
    }
    let mut constants = Vec::new();
    while !matches!(p.peek().kind, TokenKind::RightBrace | TokenKind::End) {
        let Some(constant) = name(p, "the name of a constant") else { break };
        let value = p.eat(TokenKind::Assign).then(|| expression(p));
        constants.push((constant, value));
        if !p.eat(TokenKind::Comma) {
            break;
        }
    }
    if !p.close(TokenKind::RightBrace, opening) {
        p.skip_statement();
        p.eat(TokenKind::RightBrace);
    }
    p.eat(TokenKind::Semicolon);
    Some(Definition::Enum { name: tag, constants })
}

/// `macro name($x, @m, e) { … }` and `fn name($x: type): type { … }`.
fn function(p: &mut Parser) -> Option<Function> {
    let keyword = p.bump().span;
    let is_macro = p.text(keyword) == "macro";
    let head = (|| {
        let name = name(p, "the name of the function")?;
        let opening = p.peek().span;
        p.expect(TokenKind::LeftParen).then_some(())?;
        let mut parameters = Vec::new();
        while !p.at(TokenKind::RightParen) {
            parameters.push(parameter(p, is_macro)?);
            if !p.eat(TokenKind::Comma) {
                break;
            }
        }
        p.close(TokenKind::RightParen, opening).then_some(())?;
        let returns = if p.eat(TokenKind::Colon) { Some(type_name(p)?) } else { None };
        Some((name, parameters, returns))
    })();
    if head.is_none() {
        skip_to_block(p);
    }
    let mode = if is_macro { Mode::Value } else { Mode::Statement };
    let body = nested_block(p, mode);
    let (name, parameters, returns) = head?;
    Some(Function { name, is_macro, parameters, returns, body })
}

fn parameter(p: &mut Parser, is_macro: bool) -> Option<Parameter> {
    let token = p.peek();
    let (kind, name) = match token.kind {
        TokenKind::Map if is_macro => {
            p.bump();
            let name = Name { text: p.text(token.span)[1..].to_owned(), span: token.span };
            (ParameterKind::Map, name)
        }
        TokenKind::Ident if is_macro => (ParameterKind::Expr, name(p, "a parameter")?),
        _ => (ParameterKind::Variable, variable(p)?),
    };
    let ty = if p.eat(TokenKind::Colon) { Some(type_name(p)?) } else { None };
    Some(Parameter { kind, name, ty })
}

/// `import "file";`.
fn import(p: &mut Parser, imports: &mut Vec<(String, Span)>) {
    p.bump();
    let token = p.peek();
    if token.kind != TokenKind::String {
        p.expected("the name of a file in double quotes");
        p.skip_statement();
        return;
    }
    let bytes = string(p);
    imports.push((String::from_utf8_lossy(&bytes).into_owned(), token.span));
    if !p.expect(TokenKind::Semicolon) {
        p.skip_statement();
    }
}
