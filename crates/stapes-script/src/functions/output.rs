//! `printf`, `print`, `time`, `cat`, `system`, `join`, `exit`, `clear`, `zero`: what the reader does when a record arrives.

use stapes_bpf::{EventKind, Type};

use super::format;
use super::maps::map_argument;
use super::{Call, Checked};
use crate::ast::ExprKind as AstKind;
use crate::check::Checker;
use crate::diagnostics::semantic as diag;
use crate::tree::{Expr, ExprKind, StatementKind};

fn emit(kind: EventKind, fields: Vec<Expr>) -> Option<Checked> {
    Some(Checked::Statements(vec![StatementKind::Emit(kind, fields)]))
}

/// A format and its arguments.
fn formatted<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<(String, Vec<Expr>)> {
    let (first, rest) = call.arguments.split_first()?;
    let name = &call.name.text;
    let text = checker.text(first, &format!("the format of {name}()"));
    let values: Vec<_> = rest.iter().map(|argument| checker.value(argument)).collect();
    let text = String::from_utf8_lossy(&text?).into_owned();
    let conversions = match format::parse(&text) {
        Ok(conversions) => conversions,
        Err((conversion, reason)) => {
            return checker.refuse(diag::bad_format(first.span, &conversion, reason));
        }
    };
    if conversions.len() != rest.len() {
        return checker.refuse(diag::format_count(call.span, name, conversions.len(), rest.len()));
    }
    let values: Vec<Expr> = values.into_iter().collect::<Option<_>>()?;
    checker.require_room(&values, call.span)?;
    for (conversion, value) in conversions.iter().zip(&values) {
        if !conversion.kind.prints(&value.ty) {
            let wanted = conversion.kind.wanted();
            return checker.refuse(diag::format_type(value.span, &conversion.text, wanted, &value.ty));
        }
    }
    Some((text, values))
}

pub(super) fn printf<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let (format, fields) = formatted(checker, call)?;
    emit(EventKind::Printf { format }, fields)
}

pub(super) fn cat<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let (format, fields) = formatted(checker, call)?;
    emit(EventKind::Cat { format }, fields)
}

pub(super) fn system<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let checked = formatted(checker, call);
    if !checker.options.allow_unsafe {
        return checker.refuse(diag::unsafe_function(call.span, "system"));
    }
    let (format, fields) = checked?;
    emit(EventKind::System { format }, fields)
}

pub(super) fn time<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let format = match call.arguments.first() {
        Some(format) => checker.text(format, "the format of time()")?,
        None => b"%H:%M:%S\n".to_vec(),
    };
    emit(EventKind::Time { format: String::from_utf8_lossy(&format).into_owned() }, Vec::new())
}

pub(super) fn exit<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let fields = match call.arguments.first() {
        Some(code) => vec![checker.number(code, "exit()")?],
        None => Vec::new(),
    };
    // Nothing of the block runs behind it.
    let kinds = vec![StatementKind::Emit(EventKind::Exit, fields), StatementKind::Return];
    Some(Checked::Statements(kinds))
}

pub(super) fn clear<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let map = whole_map(checker, call)?;
    emit(EventKind::Clear { map }, Vec::new())
}

pub(super) fn zero<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let map = whole_map(checker, call)?;
    emit(EventKind::Zero { map }, Vec::new())
}

fn whole_map<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<u32> {
    let argument = call.arguments.first()?;
    let name = map_argument(checker, call, argument)?;
    let map = checker.map(name);
    checker.map_value(map, argument.span)?;
    Some(checker.object_map(map))
}

/// `print(value)`, `print(@map)`, `print(@map, top)`, `print(@map, top, divisor)`, `print(@map[key])`.
pub(super) fn print<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let (first, rest) = call.arguments.split_first()?;
    if let AstKind::Map { keys, .. } = &first.kind
        && keys.is_empty()
    {
        let map = whole_map(checker, call)?;
        let limit = i64::from(u32::MAX);
        let top = match rest.first() {
            Some(top) => checker.constant(top, "how many entries to print", (0, limit))? as u32,
            None => 0,
        };
        let divisor = match rest.get(1) {
            // bpftrace takes 0 as 1.
            Some(by) => (checker.constant(by, "the divisor of print()", (0, limit))? as u32).max(1),
            None => 1,
        };
        return emit(EventKind::PrintMap { map, top, divisor }, Vec::new());
    }
    if let Some(extra) = rest.first() {
        return checker.refuse(diag::not_a_map(extra.span, "print"));
    }
    let value = checker.value(first)?;
    emit(EventKind::PrintValue, vec![value])
}

/// The most strings that `join` prints, as in bpftrace.
const JOINED: u32 = 16;

/// The most bytes of each of them.
const JOINED_SIZE: u32 = 1024;

pub(super) fn join<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let (array, rest) = call.arguments.split_first()?;
    let array = checker.number(array, "join()");
    let separator = match rest.first() {
        Some(separator) => checker.text(separator, "the separator of join()")?,
        None => b" ".to_vec(),
    };
    checker.uses().user_memory = true;
    let size = checker.max_strlen().min(JOINED_SIZE);
    let ty = Type::Array { element: Box::new(Type::Str { size }), count: JOINED };
    let strings = Expr { kind: ExprKind::UserStrings(Box::new(array?)), ty, span: call.span };
    let separator = String::from_utf8_lossy(&separator).into_owned();
    emit(EventKind::Join { separator }, vec![strings])
}
