//! What types there are, how the script names them, and which of them go together.

use stapes_bpf::{Aggregate, Type, Value};

use crate::ast::TypeName;
use crate::ir::Width;
use crate::tree::{Expr, INT64, UINT64};

/// The integer types by the names that scripts use for them: bytes, and whether they are signed.
const INTEGERS: &[(&str, u8, bool)] = &[
    ("int8", 1, true),
    ("int16", 2, true),
    ("int32", 4, true),
    ("int64", 8, true),
    ("uint8", 1, false),
    ("uint16", 2, false),
    ("uint32", 4, false),
    ("uint64", 8, false),
    ("int8_t", 1, true),
    ("int16_t", 2, true),
    ("int32_t", 4, true),
    ("int64_t", 8, true),
    ("uint8_t", 1, false),
    ("uint16_t", 2, false),
    ("uint32_t", 4, false),
    ("uint64_t", 8, false),
    ("s8", 1, true),
    ("s16", 2, true),
    ("s32", 4, true),
    ("s64", 8, true),
    ("u8", 1, false),
    ("u16", 2, false),
    ("u32", 4, false),
    ("u64", 8, false),
    ("char", 1, true),
    ("signed char", 1, true),
    ("unsigned char", 1, false),
    ("short", 2, true),
    ("short int", 2, true),
    ("unsigned short", 2, false),
    ("unsigned short int", 2, false),
    ("int", 4, true),
    ("signed int", 4, true),
    ("signed", 4, true),
    ("unsigned", 4, false),
    ("unsigned int", 4, false),
    ("long", 8, true),
    ("long int", 8, true),
    ("unsigned long", 8, false),
    ("unsigned long int", 8, false),
    ("long long", 8, true),
    ("long long int", 8, true),
    ("unsigned long long", 8, false),
    ("unsigned long long int", 8, false),
    ("size_t", 8, false),
    ("ssize_t", 8, true),
    ("uintptr_t", 8, false),
    ("intptr_t", 8, true),
];

/// The names of all types that are known by one.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    INTEGERS.iter().map(|(name, ..)| *name).chain(["bool", "string"])
}

/// The type that `name` stands for; `None` if it is not known, or not yet: structs, and pointers to more than a byte,
/// with which arithmetic would count in elements.
pub(crate) fn resolve(name: &TypeName, max_strlen: u32) -> Option<Type> {
    if name.pointers > 0 {
        let byte = name.base == "void" || matches!(integer(&name.base), Some(Type::Int { size: 1, .. }));
        return (byte && name.pointers == 1).then_some(Type::Pointer);
    }
    match (name.base.as_str(), name.dimensions.as_slice()) {
        ("string", []) => Some(Type::Str { size: max_strlen }),
        ("string", [Some(size)]) => Some(Type::Str { size: (*size).clamp(1, max_strlen.max(1024)) }),
        ("bool", []) => Some(Type::Bool),
        (base, []) => integer(base),
        _ => None,
    }
}

/// The integer type called `base`.
pub(crate) fn integer(base: &str) -> Option<Type> {
    let (_, size, signed) = INTEGERS.iter().find(|(name, ..)| *name == base)?;
    Some(Type::Int { size: *size, signed: *signed })
}

/// The width of an integer of `size` bytes.
pub(crate) fn width(size: u8) -> Width {
    match size {
        1 => Width::B1,
        2 => Width::B2,
        4 => Width::B4,
        _ => Width::B8,
    }
}

/// Whether values of the type are kept in a register.
pub(crate) fn is_scalar(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Int { .. }
            | Type::Bool
            | Type::Pointer
            | Type::KernelStack { .. }
            | Type::KernelSymbol
            | Type::Time { .. }
            | Type::Probe
            | Type::Username
    )
}

/// Whether one can compute with values of the type.
pub(crate) fn is_number(ty: &Type) -> bool {
    matches!(ty, Type::Int { .. } | Type::Bool | Type::Pointer)
}

/// Whether values of the type are 64-bit unsigned after C's promotion: smaller unsigned integers fit into `int64`.
pub(crate) fn is_unsigned(ty: &Type) -> bool {
    matches!(ty, Type::Int { size: 8, signed: false } | Type::Pointer | Type::Time { .. })
}

/// The type of the result of arithmetic on two numbers: unsigned if either operand is, but a literal
/// that fits both takes the other's sign.
pub(crate) fn common(a: &Expr, b: &Expr) -> Type {
    let unsigned = match (a.is_flexible(), b.is_flexible()) {
        (false, true) => is_unsigned(&a.ty),
        (true, false) => is_unsigned(&b.ty),
        _ => is_unsigned(&a.ty) || is_unsigned(&b.ty),
    };
    if unsigned { UINT64 } else { INT64 }
}

/// Whether the signs of two operands differ in a way that changes results.
pub(crate) fn signs_differ(a: &Expr, b: &Expr) -> bool {
    let negative = |e: &Expr| match (&e.ty, e.constant()) {
        (_, Some(value)) => value < 0,
        (Type::Int { signed, .. }, None) => *signed,
        _ => false,
    };
    (is_unsigned(&a.ty) && !matches!(a.ty, Type::Pointer) && negative(b) && !is_unsigned(&b.ty))
        || (is_unsigned(&b.ty) && !matches!(b.ty, Type::Pointer) && negative(a) && !is_unsigned(&a.ty))
}

/// The type that a value has in a variable, a map or a tuple: integers of all widths become 64 bits wide.
pub(crate) fn stored(ty: &Type) -> Type {
    match ty {
        Type::Int { signed, .. } => Type::Int { size: 8, signed: *signed },
        Type::Tuple(parts) => Type::Tuple(parts.iter().map(stored).collect()),
        other => other.clone(),
    }
}

/// A type that grows as more is learned: of a variable, a part of a key, or a map's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Growing {
    /// What is known.
    pub(crate) ty: Type,
    /// Whether all that is known comes from literals, whose sign is open.
    pub(crate) open_sign: bool,
}

impl Growing {
    /// What one expression says.
    pub(crate) fn of(expr: &Expr) -> Growing {
        Growing { ty: stored(&expr.ty), open_sign: expr.is_flexible() }
    }

    /// Learns of another use. Returns whether they go together.
    pub(crate) fn merge(&mut self, other: &Growing) -> bool {
        if let (Type::Int { .. }, Type::Int { .. }) = (&self.ty, &other.ty) {
            match (self.open_sign, other.open_sign) {
                (true, false) => *self = other.clone(),
                (false, true) => {}
                _ => {
                    if self.ty != other.ty {
                        self.ty = INT64;
                    }
                }
            }
            return true;
        }
        match union(&self.ty, &other.ty) {
            Some(ty) => {
                self.ty = ty;
                self.open_sign = false;
                true
            }
            None => false,
        }
    }
}

/// The type that holds values of both types, if there is one.
pub(crate) fn union(a: &Type, b: &Type) -> Option<Type> {
    Some(match (a, b) {
        _ if a == b => a.clone(),
        (Type::Int { .. }, Type::Int { .. }) => INT64,
        (Type::Int { .. }, Type::Bool) | (Type::Bool, Type::Int { .. }) => INT64,
        (Type::Int { .. }, Type::Pointer) | (Type::Pointer, Type::Int { .. }) => Type::Pointer,
        (Type::Str { size: x }, Type::Str { size: y }) => Type::Str { size: *x.max(y) },
        (Type::Buf { size: x }, Type::Buf { size: y }) => Type::Buf { size: *x.max(y) },
        (Type::Tuple(x), Type::Tuple(y)) if x.len() == y.len() => {
            Type::Tuple(x.iter().zip(y).map(|(x, y)| union(x, y)).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// The aggregation that both uses of a map mean, if they mean the same.
pub(crate) fn union_aggregate(a: Aggregate, b: Aggregate) -> Option<Aggregate> {
    use Aggregate::{Avg, Max, Min, Stats, Sum};
    Some(match (a, b) {
        _ if a == b => a,
        (Sum { .. }, Sum { .. }) => Sum { signed: true },
        (Avg { .. }, Avg { .. }) => Avg { signed: true },
        (Min { .. }, Min { .. }) => Min { signed: true },
        (Max { .. }, Max { .. }) => Max { signed: true },
        (Stats { .. }, Stats { .. }) => Stats { signed: true },
        _ => return None,
    })
}

/// What the value of a map is called in messages.
pub(crate) fn name_of_value(value: &Value) -> String {
    match value {
        Value::Plain(ty) => crate::diagnostics::semantic::name_of(ty),
        Value::Aggregate(a) => format!("{}()", name_of_aggregate(*a)),
    }
}

/// The function that an aggregation comes from.
pub(crate) fn name_of_aggregate(aggregate: Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Count => "count",
        Aggregate::Sum { .. } => "sum",
        Aggregate::Avg { .. } => "avg",
        Aggregate::Min { .. } => "min",
        Aggregate::Max { .. } => "max",
        Aggregate::Stats { .. } => "stats",
        Aggregate::Hist { .. } => "hist",
        Aggregate::Lhist { .. } => "lhist",
    }
}
