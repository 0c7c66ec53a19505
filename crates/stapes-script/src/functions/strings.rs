//! `str`, `buf`, `strncmp`.

use stapes_bpf::Type;

use super::{Call, Checked};
use crate::ast::{BinaryOp as AstOp, Expr as AstExpr, ExprKind as AstKind};
use crate::check::Checker;
use crate::check::expression::string;
use crate::check::types::is_number;
use crate::diagnostics::semantic as diag;
use crate::tree::{Expr, ExprKind, INT64};

/// `str($1)`, `str($1 + 2)`: the parameter's text, or what follows its first characters; also of a string.
fn parameter_text<'a>(checker: &mut Checker<'a>, argument: &'a AstExpr) -> Option<Vec<u8>> {
    match &argument.kind {
        AstKind::Parameter(0) => None,
        AstKind::Parameter(number) => {
            let text = checker.options.parameters.get(*number as usize - 1);
            Some(text.cloned().unwrap_or_default().into_bytes())
        }
        AstKind::Binary(AstOp::Add, a, b) => {
            let text = parameter_text(checker, a)?;
            let skip = checker.constant(b, "the offset in a parameter", (0, text.len() as i64))?;
            Some(text[skip as usize..].to_vec())
        }
        _ => None,
    }
}

pub(super) fn str<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let pointer = call.arguments.first()?;
    let length = match call.arguments.get(1) {
        Some(length) => Some(checker.number(length, "str()")?),
        None => None,
    };
    let limit = length.as_ref().and_then(Expr::constant).map(|n| n.max(0) as usize);
    if let Some(mut text) = parameter_text(checker, pointer) {
        text.truncate(limit.unwrap_or(usize::MAX));
        return Some(Checked::Value(string(text, call.span)));
    }
    let pointer = checker.value(pointer)?;
    if let (Type::Str { .. }, ExprKind::Str(text)) = (&pointer.ty, &pointer.kind) {
        let text = text[..text.len().min(limit.unwrap_or(usize::MAX))].to_vec();
        return Some(Checked::Value(string(text, call.span)));
    }
    if let (Type::Str { .. }, None) = (&pointer.ty, &length) {
        return Some(Checked::Value(pointer));
    }
    if !is_number(&pointer.ty) {
        let found = diag::name_of(&pointer.ty);
        return checker.refuse(diag::argument_type(pointer.span, "str", "a pointer", &found));
    }
    let most = checker.max_strlen();
    let size = limit.map_or(most, |limit| u32::try_from(limit + 1).unwrap_or(u32::MAX).min(most));
    // A constant length is in the type.
    let length = if limit.is_some() { None } else { length.map(Box::new) };
    checker.uses().user_memory = true;
    let kind = ExprKind::UserString(Box::new(pointer), length);
    Some(Checked::Value(Expr { kind, ty: Type::Str { size }, span: call.span }))
}

pub(super) fn buf<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let [pointer, length] = call.arguments else {
        return checker.refuse(diag::not_supported(call.span, "buf() of an array"));
    };
    let (pointer, length) = (checker.number(pointer, "buf()"), checker.number(length, "buf()"));
    let (pointer, length) = (pointer?, length?);
    let most = checker.max_strlen();
    let size = match length.constant() {
        Some(n) if n < 1 => {
            return checker.refuse(diag::out_of_range(length.span, "the length of buf()", n, "at least 1"));
        }
        Some(n) => u32::try_from(n).unwrap_or(u32::MAX).min(most),
        None => most,
    };
    let length = if length.constant().is_some() { None } else { Some(Box::new(length)) };
    checker.uses().user_memory = true;
    let kind = ExprKind::UserBytes(Box::new(pointer), length);
    Some(Checked::Value(Expr { kind, ty: Type::Buf { size }, span: call.span }))
}

pub(super) fn strncmp<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let [a, b, limit] = call.arguments else { return None };
    let (a, b) = (checker.value(a), checker.value(b));
    let limit = checker.constant(limit, "the length of strncmp()", (0, i64::from(u32::MAX)));
    let (a, b) = (a?, b?);
    for operand in [&a, &b] {
        if !matches!(operand.ty, Type::Str { .. }) {
            let found = diag::name_of(&operand.ty);
            return checker.refuse(diag::argument_type(operand.span, "strncmp", "a string", &found));
        }
    }
    let limit = limit? as u32;
    let span = call.span;
    let kind = match (&a.kind, &b.kind) {
        (ExprKind::Str(x), ExprKind::Str(y)) => {
            let cut = |s: &[u8]| s[..s.len().min(limit as usize)].to_vec();
            ExprKind::Int(i64::from(cut(x) != cut(y)))
        }
        _ => {
            let equal = ExprKind::StringEqual(Box::new(a), Box::new(b), Some(limit));
            ExprKind::Not(Box::new(Expr { kind: equal, ty: Type::Bool, span }))
        }
    };
    Some(Checked::Value(Expr { kind, ty: INT64, span }))
}
