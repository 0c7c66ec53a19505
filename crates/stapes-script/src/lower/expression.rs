//! Lowering expressions that fit a register, and conditions.

use stapes_bpf::{Aggregate, Type};

use super::body::{Body, Column, Home};
use super::builder::{at, plus};
use crate::check::types::width;
use crate::ir::{
    Address, Argument, BinaryOp, BlockId, CompareOp, Helper, Inst, Reg, Terminator, Value, Width,
};
use crate::tree::{Element, Expr, ExprKind};

/// How a value of the type is loaded and stored: bytes, and whether its sign is extended.
pub(super) fn shape(ty: &Type) -> (Width, bool) {
    match ty {
        Type::Int { size, signed } => (width(*size), *signed),
        other => (width(other.size() as u8), false),
    }
}

impl Body<'_, '_> {
    /// The value of an expression whose type fits a register.
    pub(super) fn scalar(&mut self, expr: &Expr) -> Value {
        let around = self.at(expr.span);
        let value = self.scalar_of(expr);
        self.at(around);
        value
    }

    fn scalar_of(&mut self, expr: &Expr) -> Value {
        match &expr.kind {
            ExprKind::Int(value) => Value::Imm(*value),
            ExprKind::Variable(variable) => match self.home(*variable) {
                Home::Register(register) => Value::Reg(register),
                Home::Slot(slot) => {
                    let (width, signed) = shape(&expr.ty);
                    self.code.load(super::builder::at_slot(slot), width, signed)
                }
            },
            ExprKind::Element(element) => self.element_scalar(element, &expr.ty),
            ExprKind::Merged(element, aggregate) => self.merged(element, *aggregate),
            ExprKind::Builtin(builtin) => self.builtin(*builtin),
            ExprKind::ProgramVariable(name, value) => self.column(&Column::Variable(name.clone(), *value)),
            ExprKind::Arithmetic(op, a, b) => {
                let (a, b) = self.operands(a, b);
                self.arithmetic(*op, a, b)
            }
            ExprKind::Compare(op, a, b) => {
                let (a, b) = self.operands(a, b);
                if let (Value::Imm(a), Value::Imm(b)) = (a, b) {
                    return Value::Imm(i64::from(op.holds(a, b)));
                }
                let dst = self.code.register();
                self.code.push(Inst::Compare { op: *op, dst, a, b });
                Value::Reg(dst)
            }
            ExprKind::Not(_)
            | ExprKind::Logic(..)
            | ExprKind::StringEqual(..)
            | ExprKind::NameEqual(..)
            | ExprKind::HasKey(_) => self.truth(expr),
            ExprKind::Ternary(condition, a, b) => {
                let dst = self.code.register();
                self.choose(
                    condition,
                    |me| {
                        let src = me.scalar(a);
                        me.code.push(Inst::Mov { dst, src });
                    },
                    |me| {
                        let src = me.scalar(b);
                        me.code.push(Inst::Mov { dst, src });
                    },
                );
                Value::Reg(dst)
            }
            ExprKind::Extend(width, signed, value) => {
                let value = self.scalar(value);
                self.extend(value, *width, *signed)
            }
            ExprKind::StepVariable(variable, increment, prefix) => {
                let Home::Register(register) = self.home(*variable) else { return Value::Imm(0) };
                let old = self.code.copy_of(Value::Reg(register));
                let b = Value::Imm(if *increment { 1 } else { -1 });
                self.code.push(Inst::Binary { op: BinaryOp::Add, dst: register, a: Value::Reg(register), b });
                match prefix {
                    true => Value::Reg(self.code.copy_of(Value::Reg(register))),
                    false => Value::Reg(old),
                }
            }
            ExprKind::StepElement(element, increment, prefix) => {
                let by = if *increment { 1 } else { -1 };
                let old = self.add_to_element(element, Value::Imm(by));
                match prefix {
                    true => self.arithmetic(BinaryOp::Add, old, Value::Imm(by)),
                    false => old,
                }
            }
            ExprKind::Load(pointer, width, signed) => {
                let pointer = self.scalar(pointer);
                self.user_number(pointer, *width, *signed)
            }
            ExprKind::Stack(table) => self.stack_key(*table),
            ExprKind::StackLength(stack, table) => {
                let around = self.at(stack.span);
                let length = self.stack_length(*table);
                self.at(around);
                length
            }
            ExprKind::Delete(element) => self.delete(element),
            ExprKind::MapLength(map) => {
                let map = self.map_id(*map);
                let count = self.code.call_kernel("bpf_map_sum_elem_count", vec![Argument::Map(map)]);
                Value::Reg(count)
            }
            ExprKind::StringLength(text) => self.string_length(text),
            ExprKind::Str(_)
            | ExprKind::Tuple(_)
            | ExprKind::UserString(..)
            | ExprKind::UserBytes(..)
            | ExprKind::UserStrings(_)
            | ExprKind::UserSymbol(_) => {
                debug_assert!(false, "{:?} does not fit a register", expr.ty);
                Value::Imm(0)
            }
        }
    }

    /// Both operands. The left one is kept from changes by the right one's side effects.
    fn operands(&mut self, a: &Expr, b: &Expr) -> (Value, Value) {
        let left = self.scalar(a);
        let left = match (left, &a.kind) {
            (Value::Reg(_), ExprKind::Variable(_)) if has_effect(b) => Value::Reg(self.code.copy_of(left)),
            _ => left,
        };
        (left, self.scalar(b))
    }

    /// An operation, computed at once if both operands are constants.
    pub(super) fn arithmetic(&mut self, op: BinaryOp, a: Value, b: Value) -> Value {
        if let (Value::Imm(a), Value::Imm(b)) = (a, b) {
            return Value::Imm(op.apply(a, b));
        }
        match op {
            BinaryOp::SignedDiv | BinaryOp::SignedMod if !self.lowering.target.bpf_v4 => {
                self.signed_division(op == BinaryOp::SignedDiv, a, b)
            }
            _ => self.code.binary(op, a, b),
        }
    }

    /// Signed division for kernels without it: of the magnitudes, and the sign put on the result as C does.
    fn signed_division(&mut self, quotient: bool, a: Value, b: Value) -> Value {
        let sign_of = |me: &mut Self, x| me.code.binary(BinaryOp::SignedShr, x, Value::Imm(63));
        // With s = −1 for negative x and 0 otherwise, (x ^ s) − s is |x|, and the same takes it back.
        let with_sign = |me: &mut Self, x, s| {
            let flipped = me.code.binary(BinaryOp::Xor, x, s);
            me.code.binary(BinaryOp::Sub, flipped, s)
        };
        let a = Value::Reg(self.code.copy_of(a));
        let b = Value::Reg(self.code.copy_of(b));
        let (sign_a, sign_b) = (sign_of(self, a), sign_of(self, b));
        let (abs_a, abs_b) = (with_sign(self, a, sign_a), with_sign(self, b, sign_b));
        let op = if quotient { BinaryOp::Div } else { BinaryOp::Mod };
        let result = self.code.binary(op, abs_a, abs_b);
        let sign = if quotient { self.code.binary(BinaryOp::Xor, sign_a, sign_b) } else { sign_a };
        with_sign(self, result, sign)
    }

    pub(super) fn extend(&mut self, value: Value, width: Width, signed: bool) -> Value {
        match (value, width) {
            (Value::Imm(n), _) => Value::Imm(width.extend(n, signed)),
            (_, Width::B8) => value,
            _ => {
                let dst = self.code.register();
                self.code.push(Inst::Extend { dst, src: value, width, signed });
                Value::Reg(dst)
            }
        }
    }

    /// A condition as 0 or 1.
    fn truth(&mut self, expr: &Expr) -> Value {
        let dst = self.code.register();
        self.choose(
            expr,
            |me| me.code.push(Inst::Mov { dst, src: Value::Imm(1) }),
            |me| me.code.push(Inst::Mov { dst, src: Value::Imm(0) }),
        );
        Value::Reg(dst)
    }

    /// One of two ways, by a condition.
    pub(super) fn choose(
        &mut self,
        condition: &Expr,
        then: impl FnOnce(&mut Self),
        otherwise: impl FnOnce(&mut Self),
    ) {
        let (yes, no, on) = (self.code.block(), self.code.block(), self.code.block());
        self.condition(condition, yes, no);
        self.code.switch_to(yes);
        self.apart(then);
        self.code.jump(on);
        self.code.switch_to(no);
        self.apart(otherwise);
        self.code.jump(on);
        self.code.switch_to(on);
    }

    /// Goes to `yes` or `no`. The current block is ended.
    pub(super) fn condition(&mut self, expr: &Expr, yes: BlockId, no: BlockId) {
        self.at(expr.span);
        match &expr.kind {
            ExprKind::Int(value) => self.code.jump(if *value != 0 { yes } else { no }),
            ExprKind::Not(inner) => self.condition(inner, no, yes),
            ExprKind::Logic(and, a, b) => {
                let right = self.code.block();
                match and {
                    true => self.condition(a, right, no),
                    false => self.condition(a, yes, right),
                }
                self.code.switch_to(right);
                self.apart(|me| me.condition(b, yes, no));
            }
            ExprKind::Compare(op, a, b) => {
                let (a, b) = self.operands(a, b);
                self.compare(*op, a, b, yes, no);
            }
            ExprKind::StringEqual(a, b, limit) => self.string_equal(a, b, *limit, yes, no),
            ExprKind::NameEqual(name, text) => {
                let value = self.scalar(name);
                self.name_equal(value, text, yes, no);
            }
            ExprKind::HasKey(element) => {
                let pointer = self.pointer_to(element);
                self.code.branch(CompareOp::Ne, Value::Reg(pointer), Value::Imm(0), yes, no);
            }
            _ => {
                let value = self.scalar(expr);
                self.compare(CompareOp::Ne, value, Value::Imm(0), yes, no);
            }
        }
    }

    fn compare(&mut self, op: CompareOp, a: Value, b: Value, yes: BlockId, no: BlockId) {
        match (a, b) {
            (Value::Imm(a), Value::Imm(b)) => self.code.jump(if op.holds(a, b) { yes } else { no }),
            // The instruction set compares a register with something.
            (Value::Imm(_), _) => {
                let a = Value::Reg(self.code.copy_of(a));
                self.code.end(Terminator::Branch { op, a, b, then: yes, otherwise: no });
            }
            _ => self.code.end(Terminator::Branch { op, a, b, then: yes, otherwise: no }),
        }
    }

    /// Whether a name's index is one of those that have this text.
    fn name_equal(&mut self, value: Value, text: &[u8], yes: BlockId, no: BlockId) {
        let names = &self.lowering.module.probes;
        let wanted: Vec<i64> =
            (0..names.len()).filter(|i| names[*i].as_bytes() == text).map(|i| i as i64).collect();
        for index in wanted {
            let next = self.code.block();
            self.compare(CompareOp::Eq, value, Value::Imm(index), yes, next);
            self.code.switch_to(next);
        }
        self.code.jump(no);
    }

    /// An aggregation's value over all CPUs.
    fn merged(&mut self, element: &Element, aggregate: Aggregate) -> Value {
        let map = self.map_id(element.map);
        let key = self.key(element);
        let zero = Value::Imm(0);
        let (total, count) = (self.code.copy_of(zero), self.code.copy_of(zero));
        let cpu = self.code.copy_of(zero);
        let (head, inside, next, done) =
            (self.code.block(), self.code.block(), self.code.block(), self.code.block());
        let cpus = Value::Imm(i64::from(self.lowering.target.cpus));
        self.code.jump(head);
        self.code.switch_to(head);
        self.code.branch(CompareOp::Lt, Value::Reg(cpu), cpus, inside, done);
        self.code.switch_to(inside);
        let arguments = vec![Argument::Map(map), Argument::Address(key), Argument::Value(Value::Reg(cpu))];
        let pointer = self.code.call(Helper::MapLookupPercpuElem, arguments);
        self.if_found(pointer, |me| me.merge_one(at(pointer), aggregate, total, count), |_| {});
        self.code.jump(next);
        self.code.switch_to(next);
        self.add(cpu, Value::Imm(1));
        self.code.jump(head);
        self.code.switch_to(done);
        match aggregate {
            Aggregate::Avg { signed } => {
                // Division by no events gives 0.
                let op = if signed { BinaryOp::SignedDiv } else { BinaryOp::Div };
                self.arithmetic(op, Value::Reg(total), Value::Reg(count))
            }
            Aggregate::Min { .. } | Aggregate::Max { .. } => {
                let dst = self.code.copy_of(zero);
                self.if_else(
                    (CompareOp::Ne, Value::Reg(count), zero),
                    |me| {
                        let src = me.rank(aggregate, Value::Reg(total));
                        me.code.push(Inst::Mov { dst, src });
                    },
                    |_| {},
                );
                Value::Reg(dst)
            }
            _ => Value::Reg(total),
        }
    }

    fn merge_one(&mut self, value: Address, aggregate: Aggregate, total: Reg, count: Reg) {
        let first = self.code.load(value, Width::B8, false);
        match aggregate {
            Aggregate::Avg { .. } => {
                self.add(total, first);
                let second = self.code.load(plus(value, 8), Width::B8, false);
                self.add(count, second);
            }
            Aggregate::Min { .. } | Aggregate::Max { .. } => {
                let seen = self.code.load(plus(value, 8), Width::B8, false);
                let (a, b) = (Value::Reg(count), seen);
                self.code.push(Inst::Binary { op: BinaryOp::Or, dst: count, a, b });
                self.if_else(
                    (CompareOp::Gt, first, Value::Reg(total)),
                    |me| me.code.push(Inst::Mov { dst: total, src: first }),
                    |_| {},
                );
            }
            _ => self.add(total, first),
        }
    }

    fn add(&mut self, to: Reg, value: Value) {
        self.code.push(Inst::Binary { op: BinaryOp::Add, dst: to, a: Value::Reg(to), b: value });
    }
}

/// Whether evaluating an expression may change a variable.
pub(super) fn has_effect(expr: &Expr) -> bool {
    let any = |list: &[Expr]| list.iter().any(has_effect);
    match &expr.kind {
        ExprKind::StepVariable(..) | ExprKind::StepElement(..) | ExprKind::Delete(_) => true,
        ExprKind::Arithmetic(_, a, b) | ExprKind::Compare(_, a, b) | ExprKind::Logic(_, a, b) => {
            has_effect(a) || has_effect(b)
        }
        ExprKind::Ternary(c, a, b) => has_effect(c) || has_effect(a) || has_effect(b),
        ExprKind::Not(a) | ExprKind::Extend(_, _, a) | ExprKind::Load(a, ..) => has_effect(a),
        ExprKind::Element(e) | ExprKind::Merged(e, _) | ExprKind::HasKey(e) => any(&e.key),
        _ => false,
    }
}
