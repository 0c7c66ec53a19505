//! The builtins: names without arguments that say something of the moment at which a probe fires.
//!
//! One row per name; a new builtin is a row here and, where it is a new fact, a variant of [`Builtin`] with its
//! lines in `lower/builtin.rs`.

use stapes_bpf::Type;

use crate::ast::Name;
use crate::check::{Checker, Context};
use crate::diagnostics::semantic as diag;
use crate::registers;
use crate::tree::{Builtin, Clock, Expr, ExprKind, INT64, UINT32, UINT64};

/// A builtin as [`find`] finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A row of the table.
    Row(&'static Row),
    /// `argN`.
    Argument(u32),
}

/// One builtin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    name: &'static str,
    what: What,
    /// Where it exists, if not everywhere.
    contexts: Option<(&'static [Context], &'static str)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Is(Builtin),
    Username,
    Retval,
    Cpus,
    ProbeType,
}

const PROBES: &[Context] = &[Context::Usdt, Context::Entry, Context::Return];
const AT_PROBES: &str = "usdt, uprobe and uretprobe";

const fn everywhere(name: &'static str, what: What) -> Row {
    Row { name, what, contexts: None }
}

static TABLE: &[Row] = &[
    everywhere("pid", What::Is(Builtin::Pid)),
    everywhere("tid", What::Is(Builtin::Tid)),
    everywhere("uid", What::Is(Builtin::Uid)),
    everywhere("gid", What::Is(Builtin::Gid)),
    everywhere("username", What::Username),
    everywhere("nsecs", What::Is(Builtin::Nsecs(Clock::Boot))),
    everywhere("elapsed", What::Is(Builtin::Elapsed)),
    everywhere("cpu", What::Is(Builtin::Cpu)),
    everywhere("ncpus", What::Cpus),
    everywhere("comm", What::Is(Builtin::Comm)),
    everywhere("rand", What::Is(Builtin::Rand)),
    everywhere("cgroup", What::Is(Builtin::Cgroup)),
    everywhere("probe", What::Is(Builtin::Probe)),
    everywhere("probetype", What::ProbeType),
    Row { name: "func", what: What::Is(Builtin::Func), contexts: Some((PROBES, AT_PROBES)) },
    Row { name: "retval", what: What::Retval, contexts: Some((&[Context::Return], "uretprobe")) },
];

/// Builtins of bpftrace that this version does not have.
const PLANNED: &[&str] = &[
    "args", "cpid", "curtask", "jiffies", "numaid", "pcomm", "ppid", "usermode", "has_cpid", "sarg0", "goid",
    "ctx",
];

/// The builtin called `name`.
pub(crate) fn find(name: &str) -> Option<Found> {
    if let Some(digits) = name.strip_prefix("arg") {
        let canonical = digits == "0" || !digits.starts_with('0');
        if let (true, Ok(index)) = (canonical, digits.parse()) {
            return Some(Found::Argument(index));
        }
    }
    TABLE.iter().find(|row| row.name == name).map(Found::Row)
}

/// The names of all builtins.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.name).chain(["arg0", "arg1", "arg2"])
}

/// Whether `name` is a builtin of bpftrace that this version does not have.
pub(crate) fn is_planned(name: &str) -> bool {
    PLANNED.contains(&name)
}

/// The expression that a builtin is.
pub(crate) fn check(checker: &mut Checker<'_>, found: Found, name: &Name) -> Option<Expr> {
    let span = name.span;
    let row = match found {
        Found::Row(row) => row,
        Found::Argument(index) => {
            let contexts = &[Context::Usdt, Context::Entry];
            checker.require_context(span, &name.text, contexts, "usdt and uprobe")?;
            checker.uses().arguments.entry(index).or_insert(span);
            return Some(Expr { kind: ExprKind::Builtin(Builtin::Argument(index)), ty: INT64, span });
        }
    };
    if let Some((contexts, where_it_works)) = row.contexts {
        checker.require_context(span, row.name, contexts, where_it_works)?;
    }
    let builtin = match row.what {
        What::Is(builtin) => builtin,
        What::Username => {
            return Some(Expr { kind: ExprKind::Builtin(Builtin::Uid), ty: Type::Username, span });
        }
        What::Cpus => return Some(Expr::int(i64::from(checker.target.cpus), span)),
        What::Retval => match registers::return_value(checker.target.arch) {
            Some(offset) => Builtin::Register(offset),
            None => return checker.refuse(diag::not_supported(span, "`retval` on this architecture")),
        },
        What::ProbeType => return checker.probe_type(span),
    };
    let ty = match builtin {
        Builtin::Pid | Builtin::Tid | Builtin::Uid | Builtin::Gid | Builtin::Cpu | Builtin::Rand => UINT32,
        Builtin::Comm => Type::Str { size: 16 },
        Builtin::Probe | Builtin::Func => Type::Probe,
        _ => UINT64,
    };
    match builtin {
        Builtin::Func => checker.uses().func = true,
        Builtin::Elapsed => checker.uses().elapsed = true,
        _ => {}
    }
    Some(Expr { kind: ExprKind::Builtin(builtin), ty, span })
}
