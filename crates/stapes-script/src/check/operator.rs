//! Operators: which operation is meant, by the types of the operands, and constants computed at once.

use stapes_bpf::Type;

use super::Checker;
use super::types::{self, common, is_number, is_unsigned, signs_differ};
use crate::ast::{BinaryOp as AstOp, Expr as AstExpr, Span, UnaryOp};
use crate::diagnostics::semantic as diag;
use crate::ir::{BinaryOp, CompareOp};
use crate::tree::{Expr, ExprKind, INT64, UINT64};

/// How the source writes an operator.
pub(crate) fn text(op: AstOp) -> &'static str {
    match op {
        AstOp::Add => "+",
        AstOp::Sub => "-",
        AstOp::Mul => "*",
        AstOp::Div => "/",
        AstOp::Mod => "%",
        AstOp::BitAnd => "&",
        AstOp::BitOr => "|",
        AstOp::BitXor => "^",
        AstOp::Shl => "<<",
        AstOp::Shr => ">>",
        AstOp::Eq => "==",
        AstOp::Ne => "!=",
        AstOp::Lt => "<",
        AstOp::Le => "<=",
        AstOp::Gt => ">",
        AstOp::Ge => ">=",
        AstOp::And => "&&",
        AstOp::Or => "||",
    }
}

/// The operation of an arithmetic operator on operands of the given signedness; `None` for comparisons and logic.
pub(crate) fn arithmetic(op: AstOp, signed: bool) -> Option<BinaryOp> {
    Some(match (op, signed) {
        (AstOp::Add, _) => BinaryOp::Add,
        (AstOp::Sub, _) => BinaryOp::Sub,
        (AstOp::Mul, _) => BinaryOp::Mul,
        (AstOp::Div, false) => BinaryOp::Div,
        (AstOp::Div, true) => BinaryOp::SignedDiv,
        (AstOp::Mod, false) => BinaryOp::Mod,
        (AstOp::Mod, true) => BinaryOp::SignedMod,
        (AstOp::BitAnd, _) => BinaryOp::And,
        (AstOp::BitOr, _) => BinaryOp::Or,
        (AstOp::BitXor, _) => BinaryOp::Xor,
        (AstOp::Shl, _) => BinaryOp::Shl,
        (AstOp::Shr, false) => BinaryOp::Shr,
        (AstOp::Shr, true) => BinaryOp::SignedShr,
        _ => return None,
    })
}

fn comparison(op: AstOp, signed: bool) -> Option<CompareOp> {
    Some(match (op, signed) {
        (AstOp::Eq, _) => CompareOp::Eq,
        (AstOp::Ne, _) => CompareOp::Ne,
        (AstOp::Lt, false) => CompareOp::Lt,
        (AstOp::Le, false) => CompareOp::Le,
        (AstOp::Gt, false) => CompareOp::Gt,
        (AstOp::Ge, false) => CompareOp::Ge,
        (AstOp::Lt, true) => CompareOp::SignedLt,
        (AstOp::Le, true) => CompareOp::SignedLe,
        (AstOp::Gt, true) => CompareOp::SignedGt,
        (AstOp::Ge, true) => CompareOp::SignedGe,
        _ => return None,
    })
}

impl<'a> Checker<'a> {
    pub(super) fn unary(&mut self, op: UnaryOp, operand: &'a AstExpr, span: Span) -> Option<Expr> {
        match op {
            UnaryOp::Not => {
                let x = self.condition(operand)?;
                Some(match x.constant() {
                    Some(value) => Expr { kind: ExprKind::Int(i64::from(value == 0)), ty: Type::Bool, span },
                    None => Expr { kind: ExprKind::Not(Box::new(x)), ty: Type::Bool, span },
                })
            }
            UnaryOp::Neg | UnaryOp::BitNot => {
                let x = self.number(operand, if op == UnaryOp::Neg { "-" } else { "~" })?;
                // A literal is negated as a signed number; so is 2^63, which is only written to be negated.
                let ty = if x.is_flexible() || (x.constant() == Some(i64::MIN) && op == UnaryOp::Neg) {
                    INT64
                } else {
                    common(&x, &x)
                };
                let zero = Expr { kind: ExprKind::Int(0), ty: ty.clone(), span };
                let ones = Expr { kind: ExprKind::Int(-1), ty: ty.clone(), span };
                Some(match op {
                    UnaryOp::Neg => self.arithmetic_expr(BinaryOp::Sub, zero, x, ty, span),
                    _ => self.arithmetic_expr(BinaryOp::Xor, x, ones, ty, span),
                })
            }
            UnaryOp::Deref => self.dereference(operand, span),
            UnaryOp::AddressOf => self.refuse(diag::not_supported(span, "the address of something")),
        }
    }

    pub(super) fn binary(&mut self, op: AstOp, a: &'a AstExpr, b: &'a AstExpr, span: Span) -> Option<Expr> {
        if let AstOp::And | AstOp::Or = op {
            let (a, b) = (self.condition(a), self.condition(b));
            let (a, b) = (a?, b?);
            let kind = match (a.constant(), op) {
                (Some(0), AstOp::And) => ExprKind::Int(0),
                (Some(n), AstOp::Or) if n != 0 => ExprKind::Int(1),
                _ => ExprKind::Logic(op == AstOp::And, Box::new(a), Box::new(b)),
            };
            return Some(Expr { kind, ty: Type::Bool, span });
        }
        let (left, right) = (self.value(a), self.value(b));
        let (left, right) = (left?, right?);
        for (source, value, other) in [(a, &left, &right), (b, &right, &left)] {
            if !is_number(&value.ty) && is_number(&other.ty) {
                self.refuse_parameter(source)?;
            }
        }
        self.binary_of(op, left, right, span)
    }

    /// Complains of a positional parameter that is a text where a number is wanted.
    pub(super) fn refuse_parameter(&mut self, source: &AstExpr) -> Option<()> {
        let crate::ast::ExprKind::Parameter(number @ 1..) = source.kind else { return Some(()) };
        let text = self.options.parameters.get(number as usize - 1)?.clone();
        self.refuse(diag::parameter_type(source.span, number, &text))
    }

    /// The operation on two checked operands.
    pub(super) fn binary_of(&mut self, op: AstOp, a: Expr, b: Expr, span: Span) -> Option<Expr> {
        if let AstOp::Eq | AstOp::Ne = op
            && (!is_number(&a.ty) || !is_number(&b.ty))
        {
            return self.equality(op == AstOp::Eq, a, b, span);
        }
        for operand in [&a, &b] {
            if !is_number(&operand.ty) {
                return self.refuse(diag::operand_type(operand.span, text(op), &operand.ty));
            }
        }
        if let AstOp::Div | AstOp::Mod = op
            && b.constant() == Some(0)
        {
            return self.refuse(diag::division_by_zero(b.span));
        }
        let sign_matters =
            matches!(op, AstOp::Div | AstOp::Mod | AstOp::Lt | AstOp::Le | AstOp::Gt | AstOp::Ge);
        if sign_matters && signs_differ(&a, &b) {
            self.complain(diag::mixed_signs(span, text(op)));
        }
        let ty = match op {
            // The right operand of a shift is only a number of bits.
            AstOp::Shl | AstOp::Shr => common(&a, &a),
            _ => common(&a, &b),
        };
        let signed = !is_unsigned(&ty);
        if let Some(compare) = comparison(op, signed) {
            let kind = match (a.constant(), b.constant()) {
                (Some(x), Some(y)) => ExprKind::Int(i64::from(compare.holds(x, y))),
                _ => ExprKind::Compare(compare, Box::new(a), Box::new(b)),
            };
            return Some(Expr { kind, ty: Type::Bool, span });
        }
        let pointer = matches!(a.ty, Type::Pointer) != matches!(b.ty, Type::Pointer);
        let ty = if pointer && matches!(op, AstOp::Add | AstOp::Sub) { Type::Pointer } else { ty };
        let op = arithmetic(op, signed)?;
        Some(self.arithmetic_expr(op, a, b, ty, span))
    }

    fn arithmetic_expr(&mut self, op: BinaryOp, a: Expr, b: Expr, ty: Type, span: Span) -> Expr {
        let kind = match (a.constant(), b.constant()) {
            (Some(x), Some(y)) => ExprKind::Int(op.apply(x, y)),
            _ => ExprKind::Arithmetic(op, Box::new(a), Box::new(b)),
        };
        Expr { kind, ty, span }
    }

    /// `==` and `!=` where an operand is no number: strings, and the names of probes and functions.
    fn equality(&mut self, equal: bool, a: Expr, b: Expr, span: Span) -> Option<Expr> {
        let negate = |kind: ExprKind| {
            let expr = Expr { kind, ty: Type::Bool, span };
            if equal { expr } else { Expr { kind: ExprKind::Not(Box::new(expr)), ty: Type::Bool, span } }
        };
        match (&a.ty, &b.ty) {
            (Type::Str { .. }, Type::Str { .. }) => Some(match (&a.kind, &b.kind) {
                (ExprKind::Str(x), ExprKind::Str(y)) => {
                    Expr { kind: ExprKind::Int(i64::from((x == y) == equal)), ty: Type::Bool, span }
                }
                _ => negate(ExprKind::StringEqual(Box::new(a), Box::new(b), None)),
            }),
            (Type::Probe, Type::Str { .. }) => match b.kind {
                ExprKind::Str(name) => Some(negate(ExprKind::NameEqual(Box::new(a), name))),
                _ => self.refuse(diag::not_constant(b.span, "what `probe` and `func` are compared with")),
            },
            (Type::Str { .. }, Type::Probe) => self.equality(equal, b, a, span),
            (Type::Tuple(_), Type::Tuple(_)) => self.refuse(diag::not_supported(span, "comparing tuples")),
            (x, y) => {
                let (x, y) = (diag::name_of(x), diag::name_of(y));
                self.refuse(diag::type_mismatch(span, if equal { "`==`" } else { "`!=`" }, &x, &y))
            }
        }
    }

    /// `(type)x`.
    pub(super) fn cast(&mut self, name: &'a crate::ast::TypeName, x: Expr, span: Span) -> Option<Expr> {
        let Some(ty) = types::resolve(name, self.max_strlen()) else {
            let what = name.base.as_str();
            if name.pointers > 0 {
                let what = "a pointer to more than a byte, but to be read at once: `*(uint32 *)p`";
                return self.refuse(diag::not_supported(name.span, what));
            }
            if what.starts_with("struct ") || what.starts_with("union ") || !name.dimensions.is_empty() {
                return self.refuse(diag::not_supported(name.span, "casts to structs and arrays"));
            }
            return self.refuse(diag::unknown_type(name.span, what, types::names()));
        };
        match (&ty, &x.ty) {
            (Type::Int { size, signed }, from) if is_number(from) => {
                let width = types::width(*size);
                let kind = match x.constant() {
                    Some(value) => ExprKind::Int(width.extend(value, *signed)),
                    // What is 64 bits wide already only changes its sign.
                    None if *size == 8 => x.kind,
                    None => ExprKind::Extend(width, *signed, Box::new(x)),
                };
                Some(Expr { kind, ty, span })
            }
            (Type::Bool, from) if is_number(from) => {
                let zero = Expr::int(0, span);
                self.binary_of(AstOp::Ne, x, zero, span)
            }
            (Type::Pointer, from) if is_number(from) => Some(Expr { ty, span, ..x }),
            (Type::Str { .. }, Type::Str { .. }) => Some(Expr { ty, span, ..x }),
            _ => {
                let (to, from) = (diag::name_of(&ty), diag::name_of(&x.ty));
                self.refuse(diag::type_mismatch(span, "cast", &to, &from))
            }
        }
    }

    /// `*(uint32 *)x`, `*uaddr("name")`: a read of the traced program's memory.
    fn dereference(&mut self, operand: &'a AstExpr, span: Span) -> Option<Expr> {
        use crate::ast::ExprKind::{Call, Cast};
        if let Call { name, arguments } = &operand.kind
            && let ("uaddr", [variable]) = (name.text.as_str(), &arguments[..])
        {
            return self.program_variable(variable, true, span);
        }
        let Cast(name, inner) = &operand.kind else {
            let x = self.value(operand)?;
            if matches!(x.ty, Type::Pointer) {
                return self
                    .refuse(diag::not_supported(span, "`*` of a pointer that is not cast right here"));
            }
            return self.refuse(diag::operand_type(x.span, "*", &x.ty));
        };
        let pointer = self.number(inner, "*")?;
        let pointee = match (name.pointers, types::integer(&name.base)) {
            (0, _) => return self.refuse(diag::operand_type(operand.span, "*", &INT64)),
            (1, Some(ty)) => ty,
            (1, None) => return self.refuse(diag::not_supported(name.span, "pointers to structs")),
            _ => Type::Pointer,
        };
        let (size, signed) = match pointee {
            Type::Int { size, signed } => (size, signed),
            _ => (8, false),
        };
        self.uses().user_memory = true;
        let kind = ExprKind::Load(Box::new(pointer), types::width(size), signed);
        Some(Expr { kind, ty: pointee, span })
    }

    /// The two values of a ternary, made one type.
    pub(super) fn ternary(&mut self, condition: Expr, a: Expr, b: Expr, span: Span) -> Option<Expr> {
        let ty = match (&a.ty, &b.ty) {
            (Type::Bool, Type::Bool) => Type::Bool,
            (x, y) if is_number(x) && is_number(y) => match common(&a, &b) {
                _ if *x == Type::Pointer && *y == Type::Pointer => Type::Pointer,
                ty => ty,
            },
            (x, y) => match types::union(x, y) {
                Some(ty) => ty,
                None => {
                    let (x, y) = (diag::name_of(x), diag::name_of(y));
                    return self.refuse(diag::type_mismatch(span, "`? :`", &x, &y));
                }
            },
        };
        Some(match condition.constant() {
            Some(0) => Expr { ty, span, ..b },
            Some(_) => Expr { ty, span, ..a },
            None => {
                let kind = ExprKind::Ternary(Box::new(condition), Box::new(a), Box::new(b));
                Expr { kind, ty, span }
            }
        })
    }

    /// The number that `(uint64)` would make of a literal that does not fit `int64`.
    pub(super) fn integer(value: u64, span: Span) -> Expr {
        let ty = if value > i64::MAX as u64 { UINT64 } else { INT64 };
        Expr { kind: ExprKind::Int(value as i64), ty, span }
    }
}
