//! `delete`, `has_key`, `len`: questions to maps, and what is not for printing.

use stapes_bpf::{EventKind, Type, Value};

use super::{Call, Checked};
use crate::ast::{Expr as AstExpr, ExprKind as AstKind, Name};
use crate::check::Checker;
use crate::diagnostics::semantic as diag;
use crate::tree::{Element, Expr, ExprKind, INT64, StatementKind};

/// The map that an argument names; complains if it is anything else.
pub(super) fn map_argument<'a>(
    checker: &mut Checker<'a>,
    call: &Call<'a>,
    argument: &'a AstExpr,
) -> Option<&'a Name> {
    match &argument.kind {
        AstKind::Map { name, keys } if keys.is_empty() => Some(name),
        _ => checker.refuse(diag::not_a_map(argument.span, &call.name.text)),
    }
}

/// `f(@m, key)`: the element.
fn element_of<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Element> {
    let [map, key] = call.arguments else { return None };
    let name = map_argument(checker, call, map)?;
    checker.element(name, std::slice::from_ref(key), key.span)
}

/// `delete(@m, key)`, `delete(@m[key])` and `delete(@m)` of a map without keys.
pub(super) fn delete<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let span = call.span;
    let element = match call.arguments {
        [_, _] => element_of(checker, call)?,
        [only] => match &only.kind {
            AstKind::Map { name, keys } => {
                let map = checker.map(name);
                if keys.is_empty() && checker.map_has_keys(map) == Some(true) {
                    let name = checker.map_name(map);
                    let message = format!("`{name}` has keys: say which to delete, or `clear({name})` all");
                    return checker.refuse(diag::map_shape(only.span, message));
                }
                checker.element(name, keys, only.span)?
            }
            _ => return checker.refuse(diag::not_a_map(only.span, "delete")),
        },
        _ => return None,
    };
    let value = checker.map_value(element.map, span)?;
    if let (true, Value::Aggregate(_)) = (element.key.is_empty(), &value) {
        // It lives on all CPUs: only the reader can clear it.
        let map = checker.object_map(element.map);
        return Some(Checked::Statements(vec![StatementKind::Emit(EventKind::Clear { map }, Vec::new())]));
    }
    Some(Checked::Value(Expr { kind: ExprKind::Delete(element), ty: Type::Bool, span }))
}

pub(super) fn has_key<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let element = element_of(checker, call)?;
    checker.map_value(element.map, call.span)?;
    Some(Checked::Value(Expr { kind: ExprKind::HasKey(element), ty: Type::Bool, span: call.span }))
}

/// `len(@m)`, `len("string")`, `len(ustack)`.
pub(super) fn len<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let (argument, span) = (call.arguments.first()?, call.span);
    if let AstKind::Map { name, keys } = &argument.kind {
        let map = checker.map(name);
        if keys.is_empty() && checker.map_has_keys(map) == Some(true) {
            checker.map_value(map, argument.span)?;
            // bpf_map_sum_elem_count is as old as version 4 of the instructions.
            if !checker.target.bpf_v4 {
                return checker.refuse(diag::kernel_too_old(span, "len() of a map", "6.6"));
            }
            return Some(Checked::Value(Expr { kind: ExprKind::MapLength(map), ty: INT64, span }));
        }
    }
    let value = checker.value(argument)?;
    let kind = match (&value.ty, &value.kind) {
        (Type::Str { .. }, ExprKind::Str(text)) => ExprKind::Int(text.len() as i64),
        (Type::Str { .. }, _) => ExprKind::StringLength(Box::new(value)),
        (Type::KernelStack { .. } | Type::UserStack { .. }, ExprKind::Stack(table)) => {
            ExprKind::StackLength(Box::new(value.clone()), *table)
        }
        (Type::KernelStack { .. } | Type::UserStack { .. }, _) => {
            return checker.refuse(diag::not_supported(value.span, "len() of a stack that was stored"));
        }
        (ty, _) => {
            let (wanted, found) = ("a map, a string or a stack", diag::name_of(ty));
            return checker.refuse(diag::argument_type(value.span, &call.name.text, wanted, &found));
        }
    };
    Some(Checked::Value(Expr { kind, ty: INT64, span }))
}
