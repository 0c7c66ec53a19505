//! Going through all expressions of a script, in the order of the source.

use super::{Block, Expr, ExprKind, Script, Statement, StatementKind};

/// Calls `each` with every expression of the probe blocks and functions, the outer ones before those within them.
pub(super) fn expressions(script: &Script, each: &mut dyn FnMut(&Expr)) {
    for function in &script.functions {
        block(&function.body, each);
    }
    for probe in &script.blocks {
        probe.predicate.iter().for_each(|e| expression(e, each));
        block(&probe.body, each);
    }
}

fn block(block: &Block, each: &mut dyn FnMut(&Expr)) {
    block.statements.iter().for_each(|s| statement(s, each));
    block.value.iter().for_each(|e| expression(e, each));
}

fn statement(statement: &Statement, each: &mut dyn FnMut(&Expr)) {
    match &statement.kind {
        StatementKind::Expr(e) => expression(e, each),
        StatementKind::Assign { target, value, .. } => {
            expression(target, each);
            expression(value, each);
        }
        StatementKind::Let { value, .. } | StatementKind::Return(value) => {
            value.iter().for_each(|e| expression(e, each));
        }
        StatementKind::If { condition, then, otherwise } => {
            expression(condition, each);
            block(then, each);
            otherwise.iter().for_each(|b| block(b, each));
        }
        StatementKind::While { condition, body } => {
            expression(condition, each);
            block(body, each);
        }
        StatementKind::ForRange { start, end, body, .. } => {
            expression(start, each);
            expression(end, each);
            block(body, each);
        }
        StatementKind::Unroll { count, body } => {
            expression(count, each);
            block(body, each);
        }
        StatementKind::ForMap { body, .. } | StatementKind::Block(body) => block(body, each),
        StatementKind::Break | StatementKind::Continue => {}
    }
}

fn expression(expr: &Expr, each: &mut dyn FnMut(&Expr)) {
    each(expr);
    match &expr.kind {
        ExprKind::Integer(_)
        | ExprKind::String(_)
        | ExprKind::Bool(_)
        | ExprKind::Variable(_)
        | ExprKind::Parameter(_)
        | ExprKind::Ident(_)
        | ExprKind::SizeofType(_)
        | ExprKind::Offsetof(..)
        | ExprKind::Bad => {}
        ExprKind::Map { keys: parts, .. }
        | ExprKind::Call { arguments: parts, .. }
        | ExprKind::Tuple(parts) => parts.iter().for_each(|e| expression(e, each)),
        ExprKind::Record(parts) => parts.iter().for_each(|(_, e)| expression(e, each)),
        ExprKind::Unary(_, e) | ExprKind::Cast(_, e) => expression(e, each),
        ExprKind::Step { target: e, .. } | ExprKind::Field { base: e, .. } => expression(e, each),
        ExprKind::Binary(_, a, b) | ExprKind::Index(a, b) => {
            expression(a, each);
            expression(b, each);
        }
        ExprKind::Ternary(c, a, b) => {
            expression(c, each);
            expression(a, each);
            expression(b, each);
        }
        ExprKind::Block(b) => block(b, each),
        ExprKind::If { condition, then, otherwise } => {
            expression(condition, each);
            block(then, each);
            block(otherwise, each);
        }
    }
}
