//! Statements: scopes, assignments, control.

use stapes_bpf::{Type, Value};

use super::Checker;
use super::map::ValueOf;
use super::types::{self, Growing, is_number, is_unsigned};
use crate::ast::{
    BinaryOp, Block, Expr as AstExpr, ExprKind as AstKind, Name, Span, Statement as AstStatement,
    StatementKind as AstStatementKind, TypeName,
};
use crate::diagnostics::semantic as diag;
use crate::functions::Checked;
use crate::tree::{Element, Expr, ExprKind, Statement, StatementKind};

/// The most rounds of `unroll`.
const MAX_UNROLL: i64 = 100;

/// The most rounds of `for`: the kernel follows each one when it checks the program.
const MAX_ROUNDS: i64 = 4096;

impl<'a> Checker<'a> {
    /// The statements of a block, in a scope of their own.
    pub(super) fn statements(&mut self, block: &'a Block) -> Vec<Statement> {
        self.block.scopes.push(Default::default());
        let mut out = Vec::new();
        for statement in &block.statements {
            self.statement(statement, &mut out);
        }
        if let Some(value) = &block.value {
            self.effect(value, &mut out);
        }
        self.block.scopes.pop();
        out
    }

    fn statement(&mut self, statement: &'a AstStatement, out: &mut Vec<Statement>) {
        let span = statement.span;
        let kind = match &statement.kind {
            AstStatementKind::Expr(expr) => return self.effect(expr, out),
            AstStatementKind::Assign { target, op, value } => self.assign(target, *op, value, span),
            AstStatementKind::Let { name, ty, value } => self.let_(name, ty.as_ref(), value.as_ref()),
            AstStatementKind::If { condition, then, otherwise } => {
                let condition = self.condition(condition);
                let then = self.statements(then);
                let otherwise = otherwise.as_ref().map(|b| self.statements(b)).unwrap_or_default();
                condition.map(|condition| StatementKind::If(condition, then, otherwise))
            }
            AstStatementKind::While { condition, .. } => {
                self.refuse(diag::not_supported(condition.span, "`while`"))
            }
            AstStatementKind::ForRange { name, start, end, body } => {
                self.for_range(name, start, end, body, span)
            }
            AstStatementKind::ForMap { map, .. } => {
                self.refuse(diag::not_supported(map.span, "`for` over a map"))
            }
            AstStatementKind::Unroll { count, body } => {
                let count = self.constant(count, "the count of unroll", (1, MAX_UNROLL));
                let body = self.statements(body);
                count.map(|count| StatementKind::Repeat(count as u32, body))
            }
            AstStatementKind::Block(body) => Some(StatementKind::Repeat(1, self.statements(body))),
            AstStatementKind::Break | AstStatementKind::Continue => {
                let leave = matches!(statement.kind, AstStatementKind::Break);
                match (self.block.loops, leave) {
                    (0, _) => self.refuse(diag::outside_loop(span, if leave { "break" } else { "continue" })),
                    (_, true) => Some(StatementKind::Break),
                    (_, false) => Some(StatementKind::Continue),
                }
            }
            AstStatementKind::Return(None) => Some(StatementKind::Return),
            AstStatementKind::Return(Some(value)) => {
                // The value of a probe's program means nothing; it is only evaluated.
                self.value(value).map(|_| StatementKind::Return)
            }
        };
        out.extend(kind.map(|kind| Statement { kind, span }));
    }

    fn for_range(
        &mut self,
        name: &Name,
        start: &'a AstExpr,
        end: &'a AstExpr,
        body: &'a Block,
        span: Span,
    ) -> Option<StatementKind> {
        let bounds = (self.number(start, "for"), self.number(end, "for"));
        self.block.scopes.push(Default::default());
        let index = self.declare(name);
        // The loop itself reads it.
        self.block.variables[index.0].read = true;
        let known = Growing { ty: crate::tree::INT64, open_sign: false };
        let learned = self.learn_variable(index, name, &known, name.span);
        let body = self.loop_body(body);
        self.block.scopes.pop();
        let (start, end) = (bounds.0?, bounds.1?);
        let (Some(start), Some(end)) = (start.constant(), end.constant()) else {
            return self.refuse(diag::not_supported(span, "`for` over a range that is not constant"));
        };
        let rounds = end.saturating_sub(start);
        if rounds > MAX_ROUNDS {
            let range = format!("at most {MAX_ROUNDS}");
            return self.refuse(diag::out_of_range(span, "the number of rounds", rounds, &range));
        }
        learned?;
        Some(StatementKind::ForRange(index, start, end, body))
    }

    fn loop_body(&mut self, body: &'a Block) -> Vec<Statement> {
        self.block.loops += 1;
        let body = self.statements(body);
        self.block.loops -= 1;
        body
    }

    /// An expression as a statement.
    fn effect(&mut self, expr: &'a AstExpr, out: &mut Vec<Statement>) {
        let span = expr.span;
        match &expr.kind {
            AstKind::Call { name, arguments } => match self.call(name, arguments, span, false) {
                Some(Checked::Statements(kinds)) => {
                    out.extend(kinds.into_iter().map(|kind| Statement { kind, span }));
                }
                Some(Checked::Value(value)) => {
                    if !matches!(value.kind, ExprKind::Delete(_)) {
                        self.complain(diag::unused_value(span));
                    }
                    out.push(Statement { kind: StatementKind::Expr(value), span });
                }
                Some(Checked::Aggregate(..)) => {
                    self.complain(diag::aggregation_misplaced(span, &name.text));
                }
                None => {}
            },
            // `c ? printf("a") : printf("b")` is an `if`.
            AstKind::Ternary(condition, a, b) => {
                let condition = self.condition(condition);
                let (mut then, mut otherwise) = (Vec::new(), Vec::new());
                self.effect(a, &mut then);
                self.effect(b, &mut otherwise);
                if let Some(condition) = condition {
                    out.push(Statement { kind: StatementKind::If(condition, then, otherwise), span });
                }
            }
            AstKind::Step { .. } => {
                if let Some(value) = self.value(expr) {
                    out.push(Statement { kind: StatementKind::Expr(value), span });
                }
            }
            _ => {
                if let Some(value) = self.value(expr) {
                    self.complain(diag::unused_value(span));
                    out.push(Statement { kind: StatementKind::Expr(value), span });
                }
            }
        }
    }

    fn let_(
        &mut self,
        name: &Name,
        ty: Option<&TypeName>,
        value: Option<&'a AstExpr>,
    ) -> Option<StatementKind> {
        if self.block.scopes.last().is_some_and(|scope| scope.contains_key(&name.text)) {
            return self.refuse(diag::redeclared(name.span, &name.text));
        }
        let value = value.map(|value| self.value(value));
        let declared = match ty {
            Some(ty) => match types::resolve(ty, self.max_strlen()) {
                Some(resolved) => Some(resolved),
                None => {
                    // Declared all the same, so that its later uses are not wrong too.
                    self.declare(name);
                    return self.refuse(diag::unknown_type(ty.span, &ty.base, types::names()));
                }
            },
            None => None,
        };
        let index = self.declare(name);
        if let Some(declared) = &declared {
            let growing = Growing { ty: types::stored(declared), open_sign: false };
            self.learn_variable(index, name, &growing, name.span)?;
        }
        let value = match value {
            Some(value) => Some(value?),
            None => None,
        };
        if let Some(value) = &value {
            self.learn_variable(index, name, &Growing::of(value), value.span)?;
        }
        Some(StatementKind::SetVariable(index, value))
    }

    fn assign(
        &mut self,
        target: &'a AstExpr,
        op: Option<BinaryOp>,
        value: &'a AstExpr,
        span: Span,
    ) -> Option<StatementKind> {
        match &target.kind {
            AstKind::Variable(name) => self.assign_variable(name, op, value, span),
            AstKind::Map { name, keys } => {
                self.note_assignment(name);
                if let (None, AstKind::Call { name: function, arguments }) = (op, &value.kind) {
                    let checked = self.call(function, arguments, value.span, false);
                    let element = self.element(name, keys, target.span);
                    return match checked? {
                        Checked::Aggregate(aggregate, counted) => {
                            let element = element?;
                            self.learn_value(element.map, ValueOf::Aggregate(aggregate), span)?;
                            Some(StatementKind::Aggregate(element, counted))
                        }
                        Checked::Value(value) => self.assign_element(element?, value, span),
                        Checked::Statements(_) => self.refuse(diag::no_value(value.span, &function.text)),
                    };
                }
                let value = self.value(value);
                let element = self.element(name, keys, target.span);
                match op {
                    None => self.assign_element(element?, value?, span),
                    Some(op) => self.update_element(element?, op, value?, span),
                }
            }
            AstKind::Ident(name) if name.text == "_" && op.is_none() => {
                let value = self.value(value)?;
                Some(StatementKind::Expr(value))
            }
            AstKind::Bad => None,
            _ => self.refuse(crate::diagnostics::not_assignable(target.span, "this")),
        }
    }

    fn assign_variable(
        &mut self,
        name: &'a Name,
        op: Option<BinaryOp>,
        value: &'a AstExpr,
        span: Span,
    ) -> Option<StatementKind> {
        let value = self.value(value);
        let Some(op) = op else {
            // The name is declared even where the value is wrong, so that its later uses are not wrong too.
            let index = match self.find_variable(&name.text) {
                Some(index) => index,
                None => self.declare(name),
            };
            let value = value?;
            self.learn_variable(index, name, &Growing::of(&value), value.span)?;
            return Some(StatementKind::SetVariable(index, Some(value)));
        };
        let Some(index) = self.find_variable(&name.text) else {
            return self.refuse_variable(name);
        };
        let ty = self.variables.get(&(self.block.index, index.0))?.ty.clone();
        let current = Expr { kind: ExprKind::Variable(index), ty, span: name.span };
        let result = self.binary_of(op, current, value?, span)?;
        self.learn_variable(index, name, &Growing::of(&result), span)?;
        Some(StatementKind::SetVariable(index, Some(result)))
    }

    fn assign_element(&mut self, element: Element, value: Expr, span: Span) -> Option<StatementKind> {
        if let Type::Array { .. } | Type::Record(_) = value.ty {
            return self.refuse(diag::operand_type(value.span, "=", &value.ty));
        }
        self.learn_value(element.map, ValueOf::Plain(&value), span)?;
        Some(StatementKind::SetMap(element, value))
    }

    /// `@m op= value`.
    fn update_element(
        &mut self,
        element: Element,
        op: BinaryOp,
        value: Expr,
        span: Span,
    ) -> Option<StatementKind> {
        if !is_number(&value.ty) {
            return self.refuse(diag::operand_type(value.span, super::operator::text(op), &value.ty));
        }
        if matches!(op, BinaryOp::Div | BinaryOp::Mod) && value.constant() == Some(0) {
            return self.refuse(diag::division_by_zero(value.span));
        }
        let shifts = matches!(op, BinaryOp::Shl | BinaryOp::Shr);
        let learned = if shifts { Expr::int(0, span) } else { value.clone() };
        self.learn_value(element.map, ValueOf::Plain(&learned), span)?;
        match self.map_value(element.map, span)? {
            Value::Plain(ty) if is_number(&ty) => {
                let signed = !is_unsigned(&ty);
                Some(StatementKind::UpdateMap(element, op, value, signed))
            }
            Value::Plain(other) => self.refuse(diag::operand_type(span, super::operator::text(op), &other)),
            Value::Aggregate(_) => None,
        }
    }
}
