//! Expressions: what each means and what type it has.

use std::collections::HashMap;

use stapes_bpf::{Aggregate, Type, Value};

use super::types::{is_number, is_unsigned, name_of_value};
use super::{Checker, map::ValueOf};
use crate::ast::{Expr as AstExpr, ExprKind as AstKind, Name, Span};
use crate::builtins;
use crate::diagnostics::semantic as diag;
use crate::functions::{self, Call, Checked};
use crate::tree::{Element, Expr, ExprKind, INT64, UINT64};

/// The most bytes of a value: memory of a program is at most 32 KiB (see emission), so this is generous.
const MAX_VALUE: u32 = 64 << 10;

impl<'a> Checker<'a> {
    /// An expression that has a value.
    pub(crate) fn value(&mut self, expr: &'a AstExpr) -> Option<Expr> {
        let span = expr.span;
        match &expr.kind {
            AstKind::Integer(value) => Some(Self::integer(*value, span)),
            AstKind::String(bytes) => {
                let text = string(bytes.clone(), span);
                self.require_room(std::slice::from_ref(&text), span)?;
                Some(text)
            }
            AstKind::Bool(value) => {
                Some(Expr { kind: ExprKind::Int(i64::from(*value)), ty: Type::Bool, span })
            }
            AstKind::Variable(name) => self.variable(name),
            AstKind::Map { name, keys } => self.map_read(name, keys, span),
            AstKind::Parameter(number) => Some(self.parameter(*number, span)),
            AstKind::Ident(name) => match self.call(name, &[], span, true)? {
                Checked::Value(value) => Some(value),
                _ => self.refuse(diag::no_value(span, &name.text)),
            },
            AstKind::Call { name, arguments } => match self.call(name, arguments, span, false)? {
                Checked::Value(value) => Some(value),
                Checked::Statements(_) => self.refuse(diag::no_value(span, &name.text)),
                Checked::Aggregate(..) => self.refuse(diag::aggregation_misplaced(span, &name.text)),
            },
            AstKind::SizeofType(name) => match super::types::resolve(name, self.max_strlen()) {
                Some(ty) => Some(Expr::int(i64::from(ty.size()), span)),
                None => self.refuse(diag::not_supported(name.span, "sizeof of structs")),
            },
            AstKind::Offsetof(name, _) => self.refuse(diag::not_supported(name.span, "offsetof")),
            AstKind::Unary(op, operand) => self.unary(*op, operand, span),
            AstKind::Step { target, increment, prefix } => self.step(target, *increment, *prefix, span),
            AstKind::Binary(op, a, b) => self.binary(*op, a, b, span),
            AstKind::Ternary(condition, a, b) => {
                let condition = self.condition(condition);
                let (a, b) = (self.value(a), self.value(b));
                self.ternary(condition?, a?, b?, span)
            }
            AstKind::Cast(name, operand) => {
                let operand = self.value(operand)?;
                self.cast(name, operand, span)
            }
            AstKind::Tuple(parts) => {
                let parts: Vec<_> = parts.iter().map(|p| self.value(p)).collect();
                let parts: Vec<Expr> = parts.into_iter().collect::<Option<_>>()?;
                self.require_room(&parts, span)?;
                let ty = Type::Tuple(parts.iter().map(|p| super::types::stored(&p.ty)).collect());
                Some(Expr { kind: ExprKind::Tuple(parts), ty, span })
            }
            AstKind::Field { .. } => self.refuse(diag::not_supported(span, "fields")),
            AstKind::Index(..) => self.refuse(diag::not_supported(span, "indexing")),
            AstKind::Record(_) => self.refuse(diag::not_supported(span, "records")),
            AstKind::Block(_) | AstKind::If { .. } => {
                self.refuse(diag::not_supported(span, "blocks as values"))
            }
            AstKind::Bad => None,
        }
    }

    /// An expression that is a number.
    pub(crate) fn number(&mut self, expr: &'a AstExpr, operator: &str) -> Option<Expr> {
        let value = self.value(expr)?;
        if is_number(&value.ty) {
            return Some(value);
        }
        self.refuse_parameter(expr)?;
        self.refuse(diag::operand_type(value.span, operator, &value.ty))
    }

    /// An expression that is true or false.
    pub(crate) fn condition(&mut self, expr: &'a AstExpr) -> Option<Expr> {
        let value = self.value(expr)?;
        match is_number(&value.ty) {
            true => Some(value),
            false => self.refuse(diag::condition_type(value.span, &value.ty)),
        }
    }

    /// A call, or a bare name, which is a call without arguments.
    pub(super) fn call(
        &mut self,
        name: &'a Name,
        arguments: &'a [AstExpr],
        span: Span,
        bare: bool,
    ) -> Option<Checked> {
        let builtin = if arguments.is_empty() { builtins::find(&name.text) } else { None };
        if let Some(builtin) = builtin {
            return builtins::check(self, builtin, name).map(Checked::Value);
        }
        if let Some(function) = functions::find(&name.text) {
            if bare && !function.bare {
                return self.refuse(diag::not_called(span, &name.text));
            }
            let (given, least, most) = (arguments.len(), function.least, function.most);
            if given < least || given > most {
                return self.refuse(diag::argument_count(span, &name.text, given, least, most));
            }
            return (function.check)(self, &Call { name, arguments, span });
        }
        if functions::is_planned(&name.text) || builtins::is_planned(&name.text) {
            let what = if bare { format!("`{}`", name.text) } else { format!("{}()", name.text) };
            return self.refuse(diag::not_supported(span, &what));
        }
        self.refuse(match bare {
            true => diag::unknown_builtin(span, &name.text, builtins::names().chain(functions::bare_names())),
            false => diag::unknown_function(name.span, &name.text, functions::names()),
        })
    }

    fn variable(&mut self, name: &Name) -> Option<Expr> {
        let Some(index) = self.find_variable(&name.text) else {
            return self.refuse_variable(name);
        };
        self.block.variables[index.0].read = true;
        let ty = self.variables.get(&(self.block.index, index.0))?.ty.clone();
        Some(Expr { kind: ExprKind::Variable(index), ty, span: name.span })
    }

    /// Complains of a variable that no block around has assigned.
    pub(super) fn refuse_variable<T>(&mut self, name: &Name) -> Option<T> {
        let known = self.block.scopes.iter().flat_map(HashMap::keys);
        let mut known: Vec<String> = known.map(|name| format!("${name}")).collect();
        // A hash map has no order of its own, and complaints are to be the same every time.
        known.sort();
        self.refuse(diag::undefined_variable(name.span, &name.text, known.iter().map(String::as_str)))
    }

    /// A map element as a value.
    fn map_read(&mut self, name: &'a Name, keys: &'a [AstExpr], span: Span) -> Option<Expr> {
        let element = self.element(name, keys, span)?;
        self.read_element(element, span)
    }

    /// The value of an element.
    pub(crate) fn read_element(&mut self, element: Element, span: Span) -> Option<Expr> {
        let name = self.map_name(element.map);
        Some(match self.map_value(element.map, span)? {
            Value::Plain(ty) => Expr { kind: ExprKind::Element(element), ty, span },
            Value::Aggregate(aggregate) => {
                let ty = match aggregate {
                    Aggregate::Count => INT64,
                    Aggregate::Sum { signed }
                    | Aggregate::Avg { signed }
                    | Aggregate::Min { signed }
                    | Aggregate::Max { signed } => {
                        if signed {
                            INT64
                        } else {
                            UINT64
                        }
                    }
                    other => {
                        let holds = name_of_value(&Value::Aggregate(other));
                        return self.refuse(diag::map_not_readable(span, &name, &holds));
                    }
                };
                Expr { kind: ExprKind::Merged(element, aggregate), ty, span }
            }
        })
    }

    /// `$1`: the number that it spells, or else the string; `$#` is how many there are.
    pub(crate) fn parameter(&mut self, number: u32, span: Span) -> Expr {
        if number == 0 {
            return Expr::int(self.options.parameters.len() as i64, span);
        }
        match self.options.parameters.get(number as usize - 1) {
            None => Expr::int(0, span),
            Some(text) => match parse_integer(text) {
                Some((value, true)) => Self::integer(value, span),
                Some((value, false)) => Expr::int((value as i64).wrapping_neg(), span),
                None => string(text.clone().into_bytes(), span),
            },
        }
    }

    /// `x++` and its kin.
    fn step(&mut self, target: &'a AstExpr, increment: bool, prefix: bool, span: Span) -> Option<Expr> {
        match &target.kind {
            AstKind::Variable(name) => {
                let variable = self.variable(name)?;
                let ExprKind::Variable(index) = variable.kind else { return None };
                match variable.ty {
                    Type::Int { .. } | Type::Pointer => {
                        let kind = ExprKind::StepVariable(index, increment, prefix);
                        Some(Expr { kind, ty: variable.ty, span })
                    }
                    other => {
                        self.refuse(diag::operand_type(span, if increment { "++" } else { "--" }, &other))
                    }
                }
            }
            AstKind::Map { name, keys } => {
                let element = self.element(name, keys, target.span)?;
                let one = Expr::int(1, span);
                self.learn_value(element.map, ValueOf::Plain(&one), span)?;
                let Value::Plain(ty) = self.map_value(element.map, span)? else { return None };
                match ty {
                    Type::Int { .. } | Type::Pointer => {
                        Some(Expr { kind: ExprKind::StepElement(element, increment, prefix), ty, span })
                    }
                    other => {
                        self.refuse(diag::operand_type(span, if increment { "++" } else { "--" }, &other))
                    }
                }
            }
            _ => self.refuse(crate::diagnostics::not_assignable(target.span, "this")),
        }
    }

    /// Refuses values that together are larger than anything that a program can hold.
    pub(crate) fn require_room(&mut self, parts: &[Expr], span: Span) -> Option<()> {
        // Each part was held against the limit before, so that no size wraps around.
        let bytes: u64 = parts.iter().map(|p| u64::from(p.ty.size())).sum();
        match u32::try_from(bytes).unwrap_or(u32::MAX) {
            bytes if bytes > MAX_VALUE => {
                self.refuse(crate::diagnostics::too_much_memory(span, bytes, MAX_VALUE))
            }
            _ => Some(()),
        }
    }

    /// A constant integer, within a range.
    pub(crate) fn constant(&mut self, expr: &'a AstExpr, what: &str, range: (i64, i64)) -> Option<i64> {
        let value = self.value(expr)?;
        let Some(constant) = value.constant() else {
            return self.refuse(diag::not_constant(value.span, what));
        };
        if constant < range.0 || constant > range.1 || (constant < 0 && is_unsigned(&value.ty)) {
            let range = match range {
                (low, i64::MAX) => format!("at least {low}"),
                (low, high) => format!("between {low} and {high}"),
            };
            return self.refuse(diag::out_of_range(value.span, what, constant, &range));
        }
        Some(constant)
    }

    /// A constant string that stays with the reader, and so can be of any length.
    pub(crate) fn text(&mut self, expr: &'a AstExpr, what: &str) -> Option<Vec<u8>> {
        if let AstKind::String(bytes) = &expr.kind {
            return Some(bytes.clone());
        }
        let value = self.value(expr)?;
        match value.kind {
            ExprKind::Str(bytes) => Some(bytes),
            _ => self.refuse(diag::not_constant(value.span, what)),
        }
    }

    /// The most bytes of a string or buffer that is read, the NUL included.
    pub(crate) fn max_strlen(&self) -> u32 {
        self.options.max_strlen.clamp(1, MAX_VALUE / 2)
    }
}

/// A constant string; its size counts the NUL.
pub(crate) fn string(bytes: Vec<u8>, span: Span) -> Expr {
    // What is behind a NUL can never be seen.
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let bytes = bytes[..end].to_vec();
    let ty = Type::Str { size: bytes.len() as u32 + 1 };
    Expr { kind: ExprKind::Str(bytes), ty, span }
}

/// The number that a positional parameter spells: its magnitude, and whether it is positive.
fn parse_integer(text: &str) -> Option<(u64, bool)> {
    let (digits, positive) = match text.strip_prefix('-') {
        Some(rest) => (rest, false),
        None => (text, true),
    };
    let value = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => u64::from_str_radix(&digits[2..], 16).ok()?,
        [b'0', _, ..] => u64::from_str_radix(&digits[1..], 8).ok()?,
        [b'0'..=b'9', ..] => digits.parse().ok()?,
        _ => return None,
    };
    Some((value, positive))
}
