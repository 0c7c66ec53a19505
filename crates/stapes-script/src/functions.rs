//! The functions: names that are called with arguments.
//!
//! Each is one row of [`TABLE`] and one `check` function in the file of its kind, which turns the call into what the
//! checked tree can say: a value, statements, or an aggregation to be assigned to a map.

mod aggregate;
mod format;
mod maps;
mod output;
mod place;
mod strings;
mod time;

use stapes_bpf::Aggregate;

use crate::ast::{Expr as AstExpr, Name, Span};
use crate::check::Checker;
use crate::tree::{Expr, StatementKind};

/// A function of the language.
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: &'static str,
    /// The fewest arguments that it takes.
    pub(crate) least: usize,
    /// The most.
    pub(crate) most: usize,
    /// Whether it may stand without parentheses: `kstack`.
    pub(crate) bare: bool,
    /// Checks a call with a right number of arguments.
    pub(crate) check: for<'a> fn(&mut Checker<'a>, &Call<'a>) -> Option<Checked>,
}

/// A call in the source.
pub(crate) struct Call<'a> {
    /// The function's name.
    pub(crate) name: &'a Name,
    /// The arguments.
    pub(crate) arguments: &'a [AstExpr],
    /// The whole call.
    pub(crate) span: Span,
}

/// What a call means.
pub(crate) enum Checked {
    /// A value.
    Value(Expr),
    /// Something to be done.
    Statements(Vec<StatementKind>),
    /// An aggregation of a value, or for `count` of nothing.
    Aggregate(Aggregate, Option<Expr>),
}

type Check = for<'a> fn(&mut Checker<'a>, &Call<'a>) -> Option<Checked>;

const fn function(name: &'static str, least: usize, most: usize, check: Check) -> Function {
    Function { name, least, most, bare: false, check }
}

const fn bare(name: &'static str, most: usize, check: Check) -> Function {
    Function { name, least: 0, most, bare: true, check }
}

const ANY: usize = usize::MAX;

static TABLE: &[Function] = &[
    function("avg", 1, 1, aggregate::avg),
    function("buf", 1, 2, strings::buf),
    function("cat", 1, ANY, output::cat),
    function("clear", 1, 1, output::clear),
    function("count", 0, 0, aggregate::count),
    function("delete", 1, 2, maps::delete),
    function("exit", 0, 1, output::exit),
    function("has_key", 2, 2, maps::has_key),
    function("hist", 1, 2, aggregate::hist),
    function("join", 1, 2, output::join),
    bare("kstack", 2, place::kstack),
    function("ksym", 1, 1, place::ksym),
    function("len", 1, 1, maps::len),
    function("lhist", 4, 4, aggregate::lhist),
    function("max", 1, 1, aggregate::max),
    function("min", 1, 1, aggregate::min),
    function("nsecs", 1, 1, time::nsecs),
    function("print", 1, 3, output::print),
    function("printf", 1, ANY, output::printf),
    function("reg", 1, 1, place::reg),
    function("stats", 1, 1, aggregate::stats),
    function("str", 1, 2, strings::str),
    function("strftime", 2, 2, time::strftime),
    function("strlen", 1, 1, maps::len),
    function("strncmp", 3, 3, strings::strncmp),
    function("sum", 1, 1, aggregate::sum),
    function("sym", 1, 1, place::ksym),
    function("system", 1, ANY, output::system),
    function("time", 0, 1, output::time),
    function("uaddr", 1, 1, place::uaddr),
    bare("ustack", 2, place::ustack),
    function("usym", 1, 1, place::usym),
    function("zero", 1, 1, output::zero),
];

/// Functions of bpftrace that this version does not have.
const PLANNED: &[&str] = &[
    "assert",
    "bswap",
    "cgroup_path",
    "cgroupid",
    "errorf",
    "fail",
    "find",
    "getopt",
    "globmatch",
    "kaddr",
    "kptr",
    "macaddr",
    "memcmp",
    "ntop",
    "offsetof",
    "override",
    "path",
    "percpu_kaddr",
    "pton",
    "signal",
    "sizeof",
    "skboutput",
    "socket_cookie",
    "static_assert",
    "strcap",
    "strcontains",
    "strerror",
    "strstr",
    "syscall_name",
    "tseries",
    "unwatch",
    "uptr",
    "warnf",
];

/// The function called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    TABLE.iter().find(|f| f.name == name)
}

/// The names of all functions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|f| f.name)
}

/// The names of the functions that may stand without parentheses.
pub(crate) fn bare_names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter(|f| f.bare).map(|f| f.name)
}

/// Whether `name` is a function of bpftrace that this version does not have.
pub(crate) fn is_planned(name: &str) -> bool {
    PLANNED.contains(&name)
}
