//! Lowering statements.

use super::body::{Body, Home, Loop};
use crate::ast::BinaryOp as Compound;
use crate::check::operator::arithmetic;
use crate::ir::{BinaryOp, CompareOp, Inst, Terminator, Value, Width};
use crate::tree::{Expr, Statement, StatementKind, VariableIndex};

impl Body<'_, '_> {
    /// The statements of one scope; their variables' memory is free again behind them.
    pub(super) fn statements(&mut self, statements: &[Statement]) {
        let homes = self.homes();
        for statement in statements {
            if self.code.is_full() {
                break;
            }
            self.at(statement.span);
            let mark = self.code.mark();
            self.statement(statement);
            self.code.release(mark);
        }
        self.forget_homes_but(&homes);
    }

    fn statement(&mut self, statement: &Statement) {
        match &statement.kind {
            StatementKind::Expr(expr) => self.effect(expr),
            StatementKind::SetVariable(variable, value) => self.set_variable(*variable, value.as_ref()),
            StatementKind::SetMap(element, value) => self.set_element(element, value),
            StatementKind::UpdateMap(element, op, value, signed) => {
                self.update_element(element, *op, value, *signed);
            }
            StatementKind::Aggregate(element, value) => self.aggregate(element, value.as_ref()),
            StatementKind::Emit(kind, fields) => self.emit(kind, fields, statement.span),
            StatementKind::If(condition, then, otherwise) => self.if_(condition, then, otherwise),
            StatementKind::ForRange(variable, start, end, body) => {
                self.for_range(*variable, *start, *end, body);
            }
            StatementKind::Repeat(1, body) => self.statements(body),
            StatementKind::Repeat(count, body) => {
                let done = self.code.block();
                for _ in 0..*count {
                    if self.code.is_full() {
                        break;
                    }
                    let next = self.code.block();
                    self.apart(|me| {
                        me.loops.push(Loop { next, done });
                        me.statements(body);
                        me.loops.pop();
                    });
                    self.code.jump(next);
                    self.code.switch_to(next);
                }
                self.code.jump(done);
                self.code.switch_to(done);
            }
            StatementKind::Break => {
                if let Some(around) = self.loops.last() {
                    self.code.end_here(Terminator::Jump(around.done));
                }
            }
            StatementKind::Continue => {
                if let Some(around) = self.loops.last() {
                    self.code.end_here(Terminator::Jump(around.next));
                }
            }
            StatementKind::Return => self.code.end_here(Terminator::Return(Value::Imm(0))),
        }
    }

    fn if_(&mut self, condition: &Expr, then: &[Statement], otherwise: &[Statement]) {
        let (yes, no, on) = (self.code.block(), self.code.block(), self.code.block());
        self.condition(condition, yes, no);
        self.code.switch_to(yes);
        self.apart(|me| me.statements(then));
        self.code.jump(on);
        self.code.switch_to(no);
        self.apart(|me| me.statements(otherwise));
        self.code.jump(on);
        self.code.switch_to(on);
    }

    /// The variable is a copy of the counter, so that the body cannot change the range.
    fn for_range(&mut self, variable: VariableIndex, start: i64, end: i64, body: &[Statement]) {
        let counter = self.code.copy_of(Value::Imm(start));
        let end = Value::Imm(end);
        let homes = self.homes();
        let home = self.home(variable);
        let (head, inside) = (self.code.block(), self.code.block());
        let (next, done) = (self.code.block(), self.code.block());
        self.code.jump(head);
        self.code.switch_to(head);
        self.code.branch(CompareOp::SignedLt, Value::Reg(counter), end, inside, done);
        self.code.switch_to(inside);
        if let Home::Register(dst) = home {
            self.code.push(Inst::Mov { dst, src: Value::Reg(counter) });
        }
        self.apart(|me| {
            me.loops.push(Loop { next, done });
            me.statements(body);
            me.loops.pop();
        });
        self.code.jump(next);
        self.code.switch_to(next);
        let (a, b) = (Value::Reg(counter), Value::Imm(1));
        self.code.push(Inst::Binary { op: BinaryOp::Add, dst: counter, a, b });
        self.code.jump(head);
        self.code.switch_to(done);
        self.forget_homes_but(&homes);
    }

    /// An expression whose value nobody needs.
    fn effect(&mut self, expr: &Expr) {
        use crate::tree::ExprKind;
        match &expr.kind {
            ExprKind::StepElement(element, increment, _) => {
                let by = Value::Imm(if *increment { 1 } else { -1 });
                self.add_to_element(element, by);
            }
            ExprKind::Element(element) => {
                for part in &element.key {
                    self.effect(part);
                }
            }
            _ if crate::check::types::is_scalar(&expr.ty) => {
                self.scalar(expr);
            }
            _ => {
                self.place(expr);
            }
        }
    }

    fn set_variable(&mut self, variable: VariableIndex, value: Option<&Expr>) {
        let ty = self.variable_type(variable);
        match self.home(variable) {
            Home::Register(dst) => {
                let src = value.map_or(Value::Imm(0), |value| self.scalar(value));
                self.code.push(Inst::Mov { dst, src });
            }
            Home::Slot(slot) => {
                let to = super::builder::at_slot(slot);
                match value {
                    None => self.code.push(Inst::Zero { to, length: ty.size() }),
                    // The value may be made from the variable's own old one.
                    Some(value) if reads(value, variable) => {
                        let from = self.code.temporary(ty.size());
                        self.write(value, &ty, from);
                        self.copy_bytes(to, from, ty.size());
                    }
                    Some(value) => self.write(value, &ty, to),
                }
            }
        }
    }

    /// What `op=` does with an old value and an operand.
    pub(super) fn compound(&mut self, op: Compound, signed: bool, old: Value, operand: Value) -> Value {
        match arithmetic(op, signed) {
            Some(op) => self.arithmetic(op, old, operand),
            // The parser makes no `==`-assignment.
            None => old,
        }
    }

    /// Stores the low bytes of a value.
    pub(super) fn store(&mut self, to: crate::ir::Address, value: Value, width: Width) {
        self.code.store(to, value, width);
    }
}

/// Whether an expression reads a variable.
fn reads(expr: &Expr, variable: VariableIndex) -> bool {
    use crate::tree::ExprKind as K;
    let any = |list: &[Expr]| list.iter().any(|e| reads(e, variable));
    match &expr.kind {
        K::Variable(index) => *index == variable,
        K::StepVariable(index, ..) => *index == variable,
        K::Tuple(parts) => any(parts),
        K::Element(e) | K::Merged(e, _) | K::StepElement(e, ..) | K::HasKey(e) | K::Delete(e) => any(&e.key),
        K::Ternary(c, a, b) => reads(c, variable) || reads(a, variable) || reads(b, variable),
        K::Arithmetic(_, a, b) | K::Compare(_, a, b) | K::Logic(_, a, b) | K::StringEqual(a, b, _) => {
            reads(a, variable) || reads(b, variable)
        }
        K::Not(a)
        | K::Extend(_, _, a)
        | K::Load(a, ..)
        | K::UserStrings(a)
        | K::UserSymbol(a)
        | K::NameEqual(a, _)
        | K::StringLength(a)
        | K::StackLength(a, _) => reads(a, variable),
        K::UserString(a, b) | K::UserBytes(a, b) => {
            reads(a, variable) || b.as_ref().is_some_and(|b| reads(b, variable))
        }
        K::Int(_) | K::Str(_) | K::Builtin(_) | K::ProgramVariable(..) | K::Stack(_) | K::MapLength(_) => {
            false
        }
    }
}
