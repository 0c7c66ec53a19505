//! Lowering what becomes a record in the ring buffer.
//!
//! A record of fixed size is reserved in the ring and filled in place, after all its values are known,
//! so that nothing that could fail or take long happens while it blocks the records behind it.
//! A record with strings is built in memory first, because its size is known only then: the strings are read right
//! behind each other, so that it takes no more of the ring than it needs.

use std::borrow::Cow;

use stapes_bpf::{Event, EventKind, LossCause, Type};

use super::MAX_RECORD;
use super::body::{Body, Column};
use super::builder::{at, number, plus};
use super::expression::{has_effect, shape};
use crate::ast::Span;
use crate::check::types::is_scalar;
use crate::diagnostics::semantic as diag;
use crate::ir::{Address, Argument, BinaryOp, CompareOp, Helper, Inst, Value, Width};
use crate::tree::{Builtin, Expr, ExprKind};

/// A value that goes into the fixed part.
enum Field {
    Scalar(Value),
    Memory(Address),
    /// What is written when the record is there: strings and buffers behind the fixed part, and in a record that is
    /// built in memory all that does not fit a register.
    Later,
}

fn is_tail(ty: &Type) -> bool {
    matches!(ty, Type::Str { .. } | Type::Buf { .. })
}

impl Body<'_, '_> {
    /// Sends a record.
    pub(super) fn emit(&mut self, kind: &EventKind, fields: &[Expr], span: Span) {
        let fields = &self.as_declared(kind, fields)[..];
        let event = Event { kind: kind.clone(), fields: fields.iter().map(|f| f.ty.clone()).collect() };
        let (offsets, fixed) = event.layout();
        let tails: u32 = fields.iter().map(|f| &f.ty).filter(|ty| is_tail(ty)).map(tail_room).sum();
        let limit = MAX_RECORD.min(self.lowering.options.ring_bytes / 2);
        if fixed.saturating_add(tails) > limit {
            return self.complain(diag::record_too_large(span, fixed.saturating_add(tails), limit));
        }
        let index = self.lowering.event(event);
        if tails > 0 || fixed > REASONABLE {
            self.emit_built(index, fields, &offsets, fixed, tails);
        } else {
            self.emit_reserved(index, fields, &offsets, fixed);
        }
    }

    /// The values of a format, where an argument that the probe declares as a small signed integer keeps its size:
    /// `%x` of -1 is then `ffffffff`, as C and bpftrace print an `int`.
    fn as_declared<'f>(&self, kind: &EventKind, fields: &'f [Expr]) -> Cow<'f, [Expr]> {
        let mut fields = Cow::Borrowed(fields);
        if !matches!(kind, EventKind::Printf { .. }) {
            return fields;
        }
        for index in 0..fields.len() {
            if let ExprKind::Builtin(Builtin::Argument(number)) = fields[index].kind
                && self.is_small_signed(&Column::Argument(number))
            {
                fields.to_mut()[index].ty = Type::Int { size: 4, signed: true };
            }
        }
        fields
    }

    fn emit_reserved(&mut self, index: u32, fields: &[Expr], offsets: &[u32], size: u32) {
        let values = self.fields(fields, false);
        let events = self.lowering.events();
        let arguments = vec![Argument::Map(events), number(i64::from(size)), number(0)];
        let record = self.code.call(Helper::RingbufReserve, arguments);
        self.if_found(
            record,
            |me| {
                me.fill(at(record), index, fields, &values, offsets);
                let arguments = vec![Argument::Value(Value::Reg(record)), number(0)];
                me.code.call_for_effect(Helper::RingbufSubmit, arguments);
            },
            |me| me.count_loss(LossCause::RingFull),
        );
    }

    fn emit_built(&mut self, index: u32, fields: &[Expr], offsets: &[u32], fixed: u32, tails: u32) {
        let values = self.fields(fields, true);
        let record = self.code.temporary(fixed + tails);
        // Older kernels want all memory that is sent to have been written; and no hole may show what was there before.
        if !self.lowering.target.uprobe_multi {
            self.code.push(Inst::Zero { to: record, length: fixed + tails });
        } else if has_holes(fields, fixed) {
            self.code.push(Inst::Zero { to: record, length: fixed });
        }
        self.fill(record, index, fields, &values, offsets);
        let (mut end, mut most) = (Value::Imm(i64::from(fixed)), fixed);
        for (field, offset) in fields.iter().zip(offsets) {
            if !is_tail(&field.ty) {
                if !is_scalar(&field.ty) {
                    self.write(field, &field.ty, plus(record, *offset));
                }
                continue;
            }
            let to = match end {
                Value::Imm(end) => plus(record, end as u32),
                Value::Reg(index) => Address { index: Some(index), ..record },
            };
            let length = self.write_tail(field, to);
            self.code.store(plus(record, *offset), length, Width::B4);
            end = self.arithmetic(BinaryOp::Add, end, length);
            most += tail_room(&field.ty);
            end = self.code.bound(end, most);
        }
        let events = self.lowering.events();
        let arguments =
            vec![Argument::Map(events), Argument::Address(record), Argument::Value(end), number(0)];
        let failed = self.code.call(Helper::RingbufOutput, arguments);
        self.if_else(
            (CompareOp::SignedLt, Value::Reg(failed), Value::Imm(0)),
            |me| me.count_loss(LossCause::RingFull),
            |_| {},
        );
    }

    fn write_tail(&mut self, field: &Expr, to: Address) -> Value {
        match (&field.ty, &field.kind) {
            (Type::Str { size }, _) => self.write_string(field, to, *size, false),
            (Type::Buf { size }, ExprKind::UserBytes(pointer, length)) => {
                self.write_user_bytes(pointer, length.as_deref(), &field.ty, to, *size)
            }
            (Type::Buf { size }, _) => {
                let from = self.place(field);
                let length = self.code.load(from, Width::B4, false);
                self.copy_bytes(to, plus(from, 4), *size);
                self.code.bound(length, *size)
            }
            _ => Value::Imm(0),
        }
    }

    /// The values of the fixed part, evaluated in order: of a record that is built in memory only those in registers.
    fn fields(&mut self, fields: &[Expr], built: bool) -> Vec<Field> {
        let mut values = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            values.push(match is_scalar(&field.ty) {
                true => {
                    let mut value = self.scalar(field);
                    let is_variable = matches!(field.kind, ExprKind::Variable(_));
                    if is_variable && fields[index + 1..].iter().any(has_effect) {
                        value = Value::Reg(self.code.copy_of(value));
                    }
                    Field::Scalar(value)
                }
                false if built || is_tail(&field.ty) => Field::Later,
                false => Field::Memory(self.place(field)),
            });
        }
        values
    }

    fn fill(&mut self, record: Address, index: u32, fields: &[Expr], values: &[Field], offsets: &[u32]) {
        // The index and 4 bytes of zero are one word on the machines that run programs, which are little endian.
        self.code.store(record, Value::Imm(i64::from(index)), Width::B8);
        for ((field, value), offset) in fields.iter().zip(values).zip(offsets) {
            let to = plus(record, *offset);
            match value {
                Field::Scalar(value) => self.code.store(to, *value, shape(&field.ty).0),
                Field::Memory(from) => self.copy_bytes(to, *from, field.ty.size()),
                Field::Later => {}
            }
        }
    }
}

/// Records of more fixed bytes than this are built in memory: a value that large would be copied anyway.
const REASONABLE: u32 = 4096;

/// The most bytes that a string or buffer takes behind the fixed part; strings with their NUL, which is read too.
fn tail_room(ty: &Type) -> u32 {
    match ty {
        Type::Str { size } | Type::Buf { size } => *size,
        _ => 0,
    }
}

/// Whether there are bytes between the fields of the fixed part.
fn has_holes(fields: &[Expr], fixed: u32) -> bool {
    let sizes: u32 = fields.iter().map(|f| if is_tail(&f.ty) { 4 } else { f.ty.size() }).sum();
    8 + sizes != fixed
}
