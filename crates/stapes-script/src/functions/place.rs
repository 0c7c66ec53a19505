//! `kstack`, `ustack`, `ksym`, `usym`, `reg`: where the program is.

use stapes_bpf::{StackMode, Type};

use super::{Call, Checked};
use crate::ast::{Expr as AstExpr, ExprKind as AstKind, Span};
use crate::check::{Checker, Context};
use crate::diagnostics::semantic as diag;
use crate::registers;
use crate::tree::{Builtin, Expr, ExprKind, UINT64};

/// The most frames of a stack, as in bpftrace and perf.
const MAX_FRAMES: u32 = 127;

pub(super) fn kstack<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let contexts = &[Context::Usdt, Context::Entry, Context::Return];
    checker.require_context(call.span, "kstack", contexts, "usdt, uprobe and uretprobe")?;
    stack(checker, call, true)
}

pub(super) fn ustack<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let contexts = &[Context::Usdt, Context::Entry, Context::Return];
    checker.require_context(call.span, "ustack", contexts, "usdt, uprobe and uretprobe")?;
    stack(checker, call, false)
}

/// `ustack`, `ustack(3)`, `ustack(perf)`, `ustack(perf, 3)`.
fn stack<'a>(checker: &mut Checker<'a>, call: &Call<'a>, kernel: bool) -> Option<Checked> {
    let mut mode = StackMode::default();
    let mut rest = call.arguments;
    if let [first, others @ ..] = call.arguments
        && let AstKind::Ident(name) = &first.kind
    {
        mode = match name.text.as_str() {
            "bpftrace" => StackMode::Bpftrace,
            "perf" => StackMode::Perf,
            "raw" => StackMode::Raw,
            _ => {
                let wanted = "a mode: bpftrace, perf or raw";
                return checker.refuse(diag::argument_type(
                    first.span,
                    &call.name.text,
                    wanted,
                    "something else",
                ));
            }
        };
        rest = others;
    }
    let frames = match rest {
        [] => MAX_FRAMES,
        [limit] => checker.constant(limit, "the number of frames", (1, i64::from(MAX_FRAMES)))? as u32,
        _ => return checker.refuse(diag::argument_count(call.span, &call.name.text, 2, 0, 1)),
    };
    let (table, map) = checker.stack_table(kernel, frames);
    let ty = if kernel { Type::KernelStack { map, mode } } else { Type::UserStack { map, mode } };
    Some(Checked::Value(Expr { kind: ExprKind::Stack(table), ty, span: call.span }))
}

pub(super) fn ksym<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let address = checker.number(call.arguments.first()?, "ksym()")?;
    Some(Checked::Value(Expr { ty: Type::KernelSymbol, ..address }))
}

pub(super) fn usym<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let address = checker.number(call.arguments.first()?, "usym()")?;
    let kind = ExprKind::UserSymbol(Box::new(address));
    Some(Checked::Value(Expr { kind, ty: Type::UserSymbol, span: call.span }))
}

pub(super) fn reg<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let contexts = &[Context::Usdt, Context::Entry, Context::Return];
    checker.require_context(call.span, "reg", contexts, "usdt, uprobe and uretprobe")?;
    let argument = call.arguments.first()?;
    let name = String::from_utf8_lossy(&checker.text(argument, "the name of a register")?).into_owned();
    let arch = checker.target.arch;
    let Some(offset) = registers::by_name(arch, &name) else {
        let known = registers::names(arch);
        let known = known.iter().map(String::as_str);
        return checker.refuse(diag::unknown_register(argument.span, &name, arch.name(), known));
    };
    let kind = ExprKind::Builtin(Builtin::Register(offset));
    Some(Checked::Value(Expr { kind, ty: UINT64, span: call.span }))
}

pub(super) fn uaddr<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    checker.program_variable(call.arguments.first()?, false, call.span).map(Checked::Value)
}

impl<'a> Checker<'a> {
    /// `uaddr("name")`, or with `value` what is there.
    pub(crate) fn program_variable(&mut self, name: &'a AstExpr, value: bool, span: Span) -> Option<Expr> {
        let contexts = &[Context::Usdt, Context::Entry];
        self.require_context(span, "uaddr", contexts, "usdt and uprobe")?;
        // The catalog has the variables that are named by a string right here.
        let AstKind::String(bytes) = &name.kind else {
            return self.refuse(diag::not_constant(name.span, "the name of a variable"));
        };
        let name = String::from_utf8_lossy(bytes).into_owned();
        self.uses().variables.entry((name.clone(), value)).or_insert(span);
        self.uses().user_memory |= value;
        let ty = if value { UINT64 } else { Type::Pointer };
        Some(Expr { kind: ExprKind::ProgramVariable(name, value), ty, span })
    }
}
