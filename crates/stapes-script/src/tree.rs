//! The checked script: what lowering gets from [`check`](crate::check).
//!
//! Names are resolved to indices, every expression has a type, operators have become the exact operation
//! (signed or unsigned), constants are folded, and nothing is left that could be wrong.

use std::collections::BTreeMap;

use stapes_bpf::{Aggregate, EventKind, Type, Value};

use crate::ast::{BinaryOp as Compound, Span};
use crate::ir::{BinaryOp, CompareOp, Width};

/// A checked script.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    /// The probe blocks, in the order of the source.
    pub(crate) blocks: Vec<ProbeBlock>,
    /// The script's maps, in the order of their first use.
    pub(crate) maps: Vec<Map>,
    /// The maps of stacks; they stand before the script's maps in the object, so that types can name them.
    pub(crate) stacks: Vec<StackTable>,
}

/// Index into [`Tree::maps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MapIndex(pub(crate) usize);

/// Index into [`ProbeBlock::variables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct VariableIndex(pub(crate) usize);

/// A map of the script.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    /// Its name with `@`.
    pub(crate) name: String,
    /// The parts of its key; empty for a map without keys.
    pub(crate) key: Vec<Type>,
    /// What it holds.
    pub(crate) value: Value,
}

/// A map of stacks, shared by all uses with the same limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StackTable {
    /// Whether it holds the kernel's stacks.
    pub(crate) kernel: bool,
    /// The most frames that are kept.
    pub(crate) frames: u32,
}

/// One block of the script with what it needs to know of its probes.
#[derive(Clone, Debug)]
pub(crate) struct ProbeBlock {
    /// The predicate, if there is one.
    pub(crate) predicate: Option<Expr>,
    /// The statements.
    pub(crate) body: Vec<Statement>,
    /// The types of its variables.
    pub(crate) variables: Vec<Type>,
    /// What it reads of its surroundings.
    pub(crate) uses: Uses,
}

/// What a block reads of its surroundings: only that is fetched, and only that can fail.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uses {
    /// `argN` by N, with the place of the first use.
    pub(crate) arguments: BTreeMap<u32, Span>,
    /// Variables of the program, by name and whether it is the value that is wanted, with the first use.
    pub(crate) variables: BTreeMap<(String, bool), Span>,
    /// `func`.
    pub(crate) func: bool,
    /// Whether user memory is read, which may have to be faulted in.
    pub(crate) user_memory: bool,
    /// `elapsed`.
    pub(crate) elapsed: bool,
}

/// A statement with its place.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) kind: StatementKind,
    pub(crate) span: Span,
}

/// The kinds of statements.
#[derive(Clone, Debug)]
pub(crate) enum StatementKind {
    /// An expression for its effect.
    Expr(Expr),
    /// A variable gets a value; `None` makes it zero.
    SetVariable(VariableIndex, Option<Expr>),
    /// A plain map element gets a value.
    SetMap(Element, Expr),
    /// `@m op= value`; the bool says whether the operation is signed.
    UpdateMap(Element, Compound, Expr, bool),
    /// `@m = count()` and its kin; the value is missing for `count`.
    Aggregate(Element, Option<Expr>),
    /// A record for the reader.
    Emit(EventKind, Vec<Expr>),
    /// `if`.
    If(Expr, Vec<Statement>, Vec<Statement>),
    /// `for ($x : start..end)` with constants.
    ForRange(VariableIndex, i64, i64, Vec<Statement>),
    /// `unroll`, or a bare block with 1.
    Repeat(u32, Vec<Statement>),
    /// `break`.
    Break,
    /// `continue`.
    Continue,
    /// The end of the block.
    Return,
}

/// A map with the key of one of its elements.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    /// The map.
    pub(crate) map: MapIndex,
    /// The key, as many parts as the map's.
    pub(crate) key: Vec<Expr>,
}

/// An expression with its type and place.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) ty: Type,
    pub(crate) span: Span,
}

/// The kinds of expressions.
#[derive(Clone, Debug)]
pub(crate) enum ExprKind {
    /// A constant, sign-extended.
    Int(i64),
    /// A constant string, without NUL.
    Str(Vec<u8>),
    /// A variable.
    Variable(VariableIndex),
    /// A plain map element; zero or empty where there is none.
    Element(Element),
    /// An aggregation's element as an integer: all CPUs together.
    Merged(Element, Aggregate),
    /// A builtin.
    Builtin(Builtin),
    /// `!x`.
    Not(Box<Expr>),
    /// Arithmetic; negation and complement are made of it.
    Arithmetic(BinaryOp, Box<Expr>, Box<Expr>),
    /// A comparison of numbers.
    Compare(CompareOp, Box<Expr>, Box<Expr>),
    /// A comparison of strings, of at most so many bytes; true when they are equal.
    StringEqual(Box<Expr>, Box<Expr>, Option<u32>),
    /// Whether `probe` or `func` has this name.
    NameEqual(Box<Expr>, Vec<u8>),
    /// `&&` (true) or `||` (false), evaluating the right side only where it matters.
    Logic(bool, Box<Expr>, Box<Expr>),
    /// `c ? a : b`.
    Ternary(Box<Expr>, Box<Expr>, Box<Expr>),
    /// The low bits of a number, extended again.
    Extend(Width, bool, Box<Expr>),
    /// `$x++` and its kin: whether it adds, and whether the value is the new one.
    StepVariable(VariableIndex, bool, bool),
    /// `@x++` and its kin, likewise.
    StepElement(Element, bool, bool),
    /// `(a, b)`.
    Tuple(Vec<Expr>),
    /// An integer read from the traced program's memory.
    Load(Box<Expr>, Width, bool),
    /// `uaddr("name")`: where a variable of the traced program is; or, with true, the unsigned integer that is there.
    ProgramVariable(String, bool),
    /// A string read from the traced program's memory, with the most bytes without the NUL.
    UserString(Box<Expr>, Option<Box<Expr>>),
    /// Bytes read from the traced program's memory, with how many.
    UserBytes(Box<Expr>, Option<Box<Expr>>),
    /// An array of strings read from the traced program's memory, ended by a null pointer.
    UserStrings(Box<Expr>),
    /// A user address with its process.
    UserSymbol(Box<Expr>),
    /// The current stack, in the table that the type names.
    Stack(StackTable),
    /// `delete(@m[k])`: whether there was one.
    Delete(Element),
    /// Whether a map has a key.
    HasKey(Element),
    /// How many keys a map has.
    MapLength(MapIndex),
    /// How many bytes a string has before its NUL.
    StringLength(Box<Expr>),
    /// How many frames a stack has.
    StackLength(Box<Expr>, StackTable),
}

/// Facts about the moment at which a probe fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Builtin {
    /// `argN`.
    Argument(u32),
    /// `pid`: the process.
    Pid,
    /// `tid`: the thread.
    Tid,
    /// `uid`.
    Uid,
    /// `gid`.
    Gid,
    /// `nsecs`, by a clock.
    Nsecs(Clock),
    /// `elapsed`.
    Elapsed,
    /// `cpu`.
    Cpu,
    /// `comm`.
    Comm,
    /// `probe`.
    Probe,
    /// `func`.
    Func,
    /// `rand`.
    Rand,
    /// `cgroup`.
    Cgroup,
    /// `retval` or `reg("…")`: the 8 bytes at an offset of the saved registers.
    Register(u16),
}

/// The clocks of `nsecs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Clock {
    /// CLOCK_BOOTTIME.
    Boot,
    /// CLOCK_MONOTONIC.
    Monotonic,
    /// CLOCK_TAI.
    Tai,
}

/// A 64-bit signed integer, the type of arithmetic.
pub(crate) const INT64: Type = Type::Int { size: 8, signed: true };
/// A 64-bit unsigned integer.
pub(crate) const UINT64: Type = Type::Int { size: 8, signed: false };
/// A 32-bit unsigned integer.
pub(crate) const UINT32: Type = Type::Int { size: 4, signed: false };

impl Expr {
    /// A constant integer.
    pub(crate) fn int(value: i64, span: Span) -> Expr {
        Expr { kind: ExprKind::Int(value), ty: INT64, span }
    }

    /// The value of a constant integer.
    pub(crate) fn constant(&self) -> Option<i64> {
        match self.kind {
            ExprKind::Int(value) => Some(value),
            _ => None,
        }
    }

    /// Whether it is a literal that fits signed and unsigned alike, and so takes the other operand's sign.
    pub(crate) fn is_flexible(&self) -> bool {
        matches!((&self.kind, &self.ty), (ExprKind::Int(0..), Type::Int { signed: true, .. }))
    }
}
