//! `nsecs(clock)` and `strftime`.

use stapes_bpf::Type;

use super::{Call, Checked};
use crate::ast::ExprKind as AstKind;
use crate::check::Checker;
use crate::diagnostics::semantic as diag;
use crate::tree::{Builtin, Clock, Expr, ExprKind, UINT64};

pub(super) fn nsecs<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let argument = call.arguments.first()?;
    let clock = match &argument.kind {
        AstKind::Ident(name) if name.text == "boot" => Clock::Boot,
        AstKind::Ident(name) if name.text == "monotonic" => Clock::Monotonic,
        AstKind::Ident(name) if name.text == "tai" => Clock::Tai,
        AstKind::Ident(name) if name.text == "sw_tai" => {
            return checker.refuse(diag::not_supported(argument.span, "nsecs(sw_tai)"));
        }
        _ => {
            let wanted = "a clock: boot, monotonic or tai";
            return checker.refuse(diag::argument_type(argument.span, "nsecs", wanted, "something else"));
        }
    };
    let kind = ExprKind::Builtin(Builtin::Nsecs(clock));
    Some(Checked::Value(Expr { kind, ty: UINT64, span: call.span }))
}

pub(super) fn strftime<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let [format, nanoseconds] = call.arguments else { return None };
    let format = checker.text(format, "the format of strftime()");
    let value = checker.number(nanoseconds, "strftime()");
    let ty = Type::Time { format: String::from_utf8_lossy(&format?).into_owned() };
    Some(Checked::Value(Expr { ty, ..value? }))
}
