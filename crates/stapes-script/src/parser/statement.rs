//! Statements and blocks.

use super::expression::{check_assignable, expression};
use super::{Parser, type_name};
use crate::ast::{BinaryOp, Block, Expr, ExprKind, Name, Span, Statement, StatementKind};
use crate::diagnostics;
use crate::lexer::TokenKind;

/// What the last part of a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// A statement like the others.
    Statement,
    /// The block's value, if no `;` is behind it.
    Value,
}

/// A block with its braces.
pub(super) fn block(p: &mut Parser, mode: Mode) -> Block {
    let opening = p.peek().span;
    p.height = 1;
    if !p.expect(TokenKind::LeftBrace) {
        return Block { span: type_name::behind(p), ..Block::default() };
    }
    let mut statements = Vec::new();
    let mut value = None;
    let mut height = 0;
    loop {
        match p.peek().kind {
            TokenKind::RightBrace | TokenKind::End | TokenKind::OpenComment => break,
            TokenKind::Semicolon => {
                p.bump();
                continue;
            }
            _ => {}
        }
        let start = p.peek().span;
        let complaints = p.diagnostics.len();
        let kind = statement(p, mode);
        height = height.max(p.height + 1);
        let span = p.since(start);
        end_statement(p, &kind, start, p.diagnostics.len() > complaints);
        if mode == Mode::Value && p.at(TokenKind::RightBrace) {
            match into_value(kind, span) {
                Part::Value(expr) => value = Some(Box::new(expr)),
                Part::Statement(kind) => statements.push(Statement { kind: without_value(kind), span }),
            }
        } else {
            statements.push(Statement { kind: without_value(kind), span });
        }
    }
    p.close(TokenKind::RightBrace, opening);
    p.height = height + 1;
    Block { statements, value, span: p.since(opening) }
}

/// What the last part of a block turns out to be.
enum Part {
    Statement(StatementKind),
    Value(Expr),
}

/// The last part of a block in [`Mode::Value`] as the block's value, if it has one.
fn into_value(kind: StatementKind, span: Span) -> Part {
    let kind = match kind {
        StatementKind::Expr(expr) => return Part::Value(expr),
        StatementKind::Block(block) => ExprKind::Block(block),
        StatementKind::If { condition, then, otherwise: Some(otherwise) } => {
            ExprKind::If { condition: Box::new(condition), then, otherwise }
        }
        other => return Part::Statement(other),
    };
    Part::Value(Expr { kind, span })
}

/// A statement whose blocks, read in [`Mode::Value`], turn out to be no values.
fn without_value(kind: StatementKind) -> StatementKind {
    match kind {
        StatementKind::Block(block) => StatementKind::Block(block_without_value(block)),
        StatementKind::If { condition, then, otherwise } => StatementKind::If {
            condition,
            then: block_without_value(then),
            otherwise: otherwise.map(block_without_value),
        },
        other => other,
    }
}

fn block_without_value(mut block: Block) -> Block {
    if let Some(value) = block.value.take() {
        let Expr { kind, span } = *value;
        let kind = without_value(match kind {
            ExprKind::Block(block) => StatementKind::Block(block),
            ExprKind::If { condition, then, otherwise } => {
                StatementKind::If { condition: *condition, then, otherwise: Some(otherwise) }
            }
            kind => StatementKind::Expr(Expr { kind, span }),
        });
        block.statements.push(Statement { kind, span });
    }
    block
}

/// Takes the `;` behind a statement that needs one, and finds the way back to order where something was wrong.
fn end_statement(p: &mut Parser, kind: &StatementKind, start: Span, wrong: bool) {
    let wrong = wrong | std::mem::take(&mut p.recovering);
    let next = p.peek();
    let ends_with_block = matches!(
        kind,
        StatementKind::If { .. }
            | StatementKind::While { .. }
            | StatementKind::ForRange { .. }
            | StatementKind::ForMap { .. }
            | StatementKind::Unroll { .. }
            | StatementKind::Block(_)
    );
    if ends_with_block {
        if wrong && p.text(p.previous) != "}" {
            p.skip_statement();
        }
    } else if matches!(next.kind, TokenKind::Semicolon | TokenKind::RightBrace | TokenKind::End) {
        // The block's loop takes it.
    } else if wrong || p.complained_at == Some(next.span.start) {
        p.skip_statement();
    } else {
        let behind = type_name::behind(p);
        let line_ends = p.text(Span { start: behind.end, end: next.span.start }).contains('\n');
        if line_ends && !matches!(next.kind, TokenKind::Unknown | TokenKind::OpenComment) {
            let found = p.describe(next);
            p.complain(behind, |span| diagnostics::expected(span, "`;`", &found));
        } else {
            p.expected("`;`");
            p.skip_statement();
        }
    }
    let next = p.peek();
    if next.span.start == start.start && !matches!(next.kind, TokenKind::RightBrace | TokenKind::End) {
        p.bump();
    }
}

/// A statement, without the `;` behind it.
fn statement(p: &mut Parser, mode: Mode) -> StatementKind {
    let token = p.peek();
    let word = p.text(token.span);
    p.height = 1;
    match (token.kind, word) {
        (TokenKind::LeftBrace, _) => StatementKind::Block(nested_block(p, mode)),
        (TokenKind::Directive, _) => {
            p.bump();
            p.report(diagnostics::unsupported_definition(
                token.span,
                "a preprocessor line inside of a block",
            ));
            StatementKind::Expr(Expr { kind: ExprKind::Bad, span: token.span })
        }
        (TokenKind::Ident, "let") => let_statement(p),
        (TokenKind::Ident, "if") => if_statement(p, mode),
        (TokenKind::Ident, "while") => {
            p.bump();
            let condition = expression(p);
            let height = p.height;
            let body = body(p, height);
            StatementKind::While { condition, body }
        }
        (TokenKind::Ident, "unroll") => {
            p.bump();
            let count = expression(p);
            let height = p.height;
            let body = body(p, height);
            StatementKind::Unroll { count, body }
        }
        (TokenKind::Ident, "for") => for_statement(p),
        (TokenKind::Ident, "break") => {
            p.bump();
            StatementKind::Break
        }
        (TokenKind::Ident, "continue") => {
            p.bump();
            StatementKind::Continue
        }
        (TokenKind::Ident, "return") => {
            p.bump();
            let ends = matches!(p.peek().kind, TokenKind::Semicolon | TokenKind::RightBrace | TokenKind::End);
            StatementKind::Return(if ends { None } else { Some(expression(p)) })
        }
        _ => assignment(p),
    }
}

/// A block inside of something that can nest; too deep inside, it is skipped.
pub(super) fn nested_block(p: &mut Parser, mode: Mode) -> Block {
    if let Some(block) = p.nested(|p| block(p, mode)) {
        return block;
    }
    if p.at(TokenKind::LeftBrace) {
        p.skip_brackets();
    }
    p.height = 1;
    Block::default()
}

/// The body of a loop, whose head has the given height.
fn body(p: &mut Parser, head: u32) -> Block {
    let block = nested_block(p, Mode::Statement);
    p.height = p.height.max(head);
    block
}

/// An expression, or an assignment to one.
fn assignment(p: &mut Parser) -> StatementKind {
    let target = expression(p);
    let op = match p.peek().kind {
        TokenKind::Assign => None,
        TokenKind::AddAssign => Some(BinaryOp::Add),
        TokenKind::SubAssign => Some(BinaryOp::Sub),
        TokenKind::MulAssign => Some(BinaryOp::Mul),
        TokenKind::DivAssign => Some(BinaryOp::Div),
        TokenKind::ModAssign => Some(BinaryOp::Mod),
        TokenKind::AndAssign => Some(BinaryOp::BitAnd),
        TokenKind::OrAssign => Some(BinaryOp::BitOr),
        TokenKind::XorAssign => Some(BinaryOp::BitXor),
        TokenKind::ShlAssign => Some(BinaryOp::Shl),
        TokenKind::ShrAssign => Some(BinaryOp::Shr),
        _ => return StatementKind::Expr(target),
    };
    check_assignable(p, &target);
    let height = p.height;
    p.bump();
    let value = expression(p);
    p.height = p.height.max(height);
    StatementKind::Assign { target, op, value }
}

/// `let $x: type = value`.
fn let_statement(p: &mut Parser) -> StatementKind {
    p.bump();
    let Some(name) = variable(p) else {
        return StatementKind::Expr(Expr { kind: ExprKind::Bad, span: p.previous });
    };
    let ty = if p.eat(TokenKind::Colon) { type_name::type_name(p) } else { None };
    let value = if p.eat(TokenKind::Assign) { Some(expression(p)) } else { None };
    StatementKind::Let { name, ty, value }
}

/// `$x`.
pub(super) fn variable(p: &mut Parser) -> Option<Name> {
    let token = p.peek();
    if !p.expect(TokenKind::Variable) {
        return None;
    }
    Some(Name { text: p.text(token.span)[1..].to_owned(), span: token.span })
}

/// `if condition { … } else if condition { … } else { … }`.
fn if_statement(p: &mut Parser, mode: Mode) -> StatementKind {
    p.bump();
    p.eat_word("comptime");
    let condition = expression(p);
    let mut height = p.height;
    let then = nested_block(p, mode);
    height = height.max(p.height);
    let otherwise = p.eat_word("else").then(|| {
        if !p.at_word("if") {
            return nested_block(p, mode);
        }
        let start = p.peek().span;
        let Some(kind) = p.nested(|p| if_statement(p, mode)) else {
            p.skip_branches();
            return Block::default();
        };
        p.height += 2;
        let span = p.since(start);
        match into_value(kind, span) {
            Part::Value(expr) if mode == Mode::Value => {
                Block { statements: Vec::new(), value: Some(Box::new(expr)), span }
            }
            Part::Value(expr) => {
                block_without_value(Block { statements: Vec::new(), value: Some(Box::new(expr)), span })
            }
            Part::Statement(kind) => {
                Block { statements: vec![Statement { kind: without_value(kind), span }], value: None, span }
            }
        }
    });
    p.height = height.max(p.height);
    StatementKind::If { condition, then, otherwise }
}

/// `for ($i : start..end) { … }`, `for ($kv : @map) { … }`, both with or without parentheses.
fn for_statement(p: &mut Parser) -> StatementKind {
    let start = p.bump().span;
    let opening = p.peek().span;
    let parenthesised = p.eat(TokenKind::LeftParen);
    let bad = |p: &mut Parser| StatementKind::Expr(Expr { kind: ExprKind::Bad, span: p.since(start) });
    let Some(name) = variable(p) else { return bad(p) };
    if !p.expect(TokenKind::Colon) {
        return bad(p);
    }
    let first = expression(p);
    let mut height = p.height;
    let end = p.eat(TokenKind::DotDot).then(|| expression(p));
    height = height.max(p.height);
    if end.is_none() && !matches!(&first.kind, ExprKind::Map { keys, .. } if keys.is_empty()) {
        if !matches!(first.kind, ExprKind::Bad) {
            p.expected("`..` and the end of the range");
        }
        return bad(p);
    }
    if parenthesised {
        p.close(TokenKind::RightParen, opening);
    }
    let body = body(p, height);
    match (end, first) {
        (Some(end), start) => StatementKind::ForRange { name, start, end, body },
        (None, Expr { kind: ExprKind::Map { name: map, .. }, .. }) => {
            StatementKind::ForMap { name, map, body }
        }
        (None, _) => bad(p),
    }
}
