//! Lowering values that do not fit a register: strings, buffers, tuples.
//!
//! A string in memory has a size, which counts the NUL, and is followed by zeroes up to that size, so that equal
//! strings are equal bytes: keys of maps compare as bytes.
//! Only in the variable part of a record is there no padding ([`Body::write_string`] with `padded` false).

use stapes_bpf::Type;

use super::body::{Body, Home};
use super::builder::{at, at_slot, number, plus};
use super::expression::shape;
use crate::check::types::is_scalar;
use crate::ir::{Address, Argument, Base, BinaryOp, BlockId, CompareOp, Helper, Inst, Reg, Value, Width};
use crate::tree::{Builtin, Expr, ExprKind};

/// Bytes that `bpf_get_current_comm` gives (`TASK_COMM_LEN`).
const COMM: u32 = 16;

/// `BPF_F_PAD_ZEROS` of `bpf_copy_from_user_str`.
const PAD_ZEROS: i64 = 1;

/// Up to how many bytes are copied by instructions; more by a helper.
const COPIED_INLINE: u32 = 64;

impl Body<'_, '_> {
    /// Stores a value as `ty` (its own type or one that holds it), padded with zeroes.
    pub(super) fn write(&mut self, expr: &Expr, ty: &Type, to: Address) {
        let around = self.at(expr.span);
        self.write_of(expr, ty, to);
        self.at(around);
    }

    fn write_of(&mut self, expr: &Expr, ty: &Type, to: Address) {
        if is_scalar(ty) {
            let value = self.scalar(expr);
            return self.code.store(to, value, shape(ty).0);
        }
        match (ty, &expr.kind) {
            (Type::Str { size }, _) => {
                self.write_string(expr, to, *size, true);
            }
            (Type::Buf { size }, ExprKind::UserBytes(pointer, length)) => {
                self.code.push(Inst::Zero { to, length: ty.size() });
                let taken = self.write_user_bytes(pointer, length.as_deref(), &expr.ty, plus(to, 4), *size);
                self.code.store(to, taken, Width::B4);
            }
            (Type::Tuple(types), ExprKind::Tuple(parts)) => {
                let (offsets, size) = Type::layout(types.iter());
                if types.iter().map(Type::size).sum::<u32>() != size {
                    self.code.push(Inst::Zero { to, length: size });
                }
                for ((part, ty), offset) in parts.iter().zip(types).zip(offsets) {
                    self.write(part, ty, plus(to, offset));
                }
            }
            (Type::UserStack { .. }, ExprKind::Stack(table)) => {
                let key = self.stack_key(*table);
                self.write_with_process(key, to);
            }
            (_, ExprKind::UserSymbol(address)) => {
                let address = self.scalar(address);
                self.write_with_process(address, to);
            }
            (Type::Array { element, count }, ExprKind::UserStrings(pointer)) => {
                self.write_user_strings(pointer, element.size(), *count, to);
            }
            (_, ExprKind::Ternary(condition, a, b)) => {
                self.choose(condition, |me| me.write(a, ty, to), |me| me.write(b, ty, to));
            }
            (_, ExprKind::Element(element)) => {
                let pointer = self.pointer_to(element);
                let from = expr.ty.clone();
                self.if_found(
                    pointer,
                    |me| me.transfer(at(pointer), &from, to, ty),
                    |me| me.code.push(Inst::Zero { to, length: ty.size() }),
                );
            }
            _ => {
                let from = self.place(expr);
                self.transfer(from, &expr.ty, to, ty);
            }
        }
    }

    /// Where a value that does not fit a register is; if it is nowhere yet, it is written to a temporary slot.
    pub(super) fn place(&mut self, expr: &Expr) -> Address {
        if let ExprKind::Variable(variable) = &expr.kind
            && let Home::Slot(slot) = self.home(*variable)
        {
            return at_slot(slot);
        }
        let to = self.code.temporary(expr.ty.size());
        match &expr.kind {
            // What `write` would ask `place` for: nothing else is without a place.
            ExprKind::Int(_) | ExprKind::StepVariable(..) => {
                self.code.push(Inst::Zero { to, length: expr.ty.size() })
            }
            _ => self.write(expr, &expr.ty, to),
        }
        to
    }

    /// An address or the key of a user stack, with the process that it belongs to.
    fn write_with_process(&mut self, value: Value, to: Address) {
        self.code.store(to, value, Width::B8);
        let process = self.builtin(Builtin::Pid);
        // The process in 4 bytes, and 4 bytes of zero.
        self.code.store(plus(to, 8), process, Width::B4);
        self.code.store(plus(to, 12), Value::Imm(0), Width::B4);
    }

    /// Copies a value to where it is kept as another type that holds it.
    fn transfer(&mut self, from: Address, from_type: &Type, to: Address, to_type: &Type) {
        match (from_type, to_type) {
            _ if from_type == to_type => self.copy_bytes(to, from, to_type.size()),
            (Type::Str { size }, Type::Str { size: room }) => {
                self.copy_string(from, *size, to, *room, true);
            }
            (Type::Buf { .. }, Type::Buf { .. }) => {
                self.code.push(Inst::Zero { to, length: to_type.size() });
                self.copy_bytes(to, from, from_type.size().min(to_type.size()));
            }
            (Type::Tuple(from_parts), Type::Tuple(to_parts)) => {
                let (from_offsets, _) = Type::layout(from_parts.iter());
                let (to_offsets, size) = Type::layout(to_parts.iter());
                if to_parts.iter().map(Type::size).sum::<u32>() != size {
                    self.code.push(Inst::Zero { to, length: size });
                }
                let offsets = from_offsets.into_iter().zip(to_offsets);
                for ((a, b), (x, y)) in from_parts.iter().zip(to_parts).zip(offsets) {
                    self.transfer(plus(from, x), a, plus(to, y), b);
                }
            }
            _ if is_scalar(from_type) && is_scalar(to_type) => {
                let (width, signed) = shape(from_type);
                let value = self.code.load(from, width, signed);
                self.code.store(to, value, shape(to_type).0);
            }
            _ => self.copy_bytes(to, from, from_type.size().min(to_type.size())),
        }
    }

    /// Copies bytes that do not overlap.
    pub(super) fn copy_bytes(&mut self, to: Address, from: Address, length: u32) {
        if length <= COPIED_INLINE {
            return self.code.push(Inst::Copy { to, from, length });
        }
        let arguments = vec![Argument::Address(to), number(i64::from(length)), Argument::Address(from)];
        self.code.call_for_effect(Helper::ProbeReadKernel, arguments);
    }

    /// Writes a string of at most `room` bytes with its NUL. Gives its length without the NUL, or more where the rest
    /// is zeroes. Padded, everything behind it up to `room` becomes 0.
    pub(super) fn write_string(&mut self, expr: &Expr, to: Address, room: u32, padded: bool) -> Value {
        let around = self.at(expr.span);
        let length = self.write_string_of(expr, to, room, padded);
        self.at(around);
        length
    }

    fn write_string_of(&mut self, expr: &Expr, to: Address, room: u32, padded: bool) -> Value {
        let Type::Str { size } = expr.ty else { return Value::Imm(0) };
        match &expr.kind {
            ExprKind::Str(text) => {
                let text = &text[..text.len().min(room as usize - 1)];
                let mut bytes = text.to_vec();
                if padded {
                    // All in one, so that whole words are stored.
                    bytes.resize((bytes.len() + 1).next_multiple_of(8).min(room as usize), 0);
                    let rest = room - bytes.len() as u32;
                    if rest > 0 {
                        self.code.push(Inst::Zero { to: plus(to, bytes.len() as u32), length: rest });
                    }
                }
                let length = text.len() as i64;
                if !bytes.is_empty() {
                    self.code.push(Inst::StoreBytes { to, bytes });
                }
                Value::Imm(length)
            }
            ExprKind::Builtin(Builtin::Comm) if room >= COMM => {
                if padded && room > COMM {
                    self.code.push(Inst::Zero { to: plus(to, COMM), length: room - COMM });
                }
                self.read_comm(to);
                Value::Imm(i64::from(COMM))
            }
            ExprKind::Builtin(Builtin::Comm) => {
                let from = self.code.temporary(COMM);
                self.read_comm(from);
                self.copy_string(from, COMM, to, room, padded)
            }
            ExprKind::UserString(pointer, length) => {
                self.write_user_string(pointer, length.as_deref(), size.min(room), to, room, padded)
            }
            ExprKind::Ternary(condition, a, b) => {
                let length = self.code.register();
                self.choose(
                    condition,
                    |me| {
                        let src = me.write_string(a, to, room, padded);
                        me.code.push(Inst::Mov { dst: length, src });
                    },
                    |me| {
                        let src = me.write_string(b, to, room, padded);
                        me.code.push(Inst::Mov { dst: length, src });
                    },
                );
                self.code.bound(Value::Reg(length), room)
            }
            ExprKind::Element(element) => {
                let pointer = self.pointer_to(element);
                let length = self.code.register();
                self.if_found(
                    pointer,
                    |me| {
                        let src = me.copy_string(at(pointer), size, to, room, padded);
                        me.code.push(Inst::Mov { dst: length, src });
                    },
                    |me| {
                        if padded {
                            me.code.push(Inst::Zero { to, length: room });
                        }
                        me.code.push(Inst::Mov { dst: length, src: Value::Imm(0) });
                    },
                );
                self.code.bound(Value::Reg(length), room - 1)
            }
            _ => {
                let from = self.place(expr);
                self.copy_string(from, size, to, room, padded)
            }
        }
    }

    fn read_comm(&mut self, to: Address) {
        let arguments = vec![Argument::Address(to), number(i64::from(COMM))];
        self.code.call_for_effect(Helper::GetCurrentComm, arguments);
    }

    /// Copies a string within the program's own memory. Gives its length.
    fn copy_string(&mut self, from: Address, size: u32, to: Address, room: u32, padded: bool) -> Value {
        if padded {
            self.code.push(Inst::Zero { to, length: room });
        }
        let limit = i64::from(size.min(room));
        let taken =
            self.read_memory(Helper::ProbeReadKernelStr, to, Value::Imm(limit), Argument::Address(from));
        self.string_taken(taken, room)
    }

    /// Reads a string of the traced program.
    fn write_user_string(
        &mut self,
        pointer: &Expr,
        length: Option<&Expr>,
        most: u32,
        to: Address,
        room: u32,
        padded: bool,
    ) -> Value {
        let pointer = self.scalar(pointer);
        let limit = match length {
            None => Value::Imm(i64::from(most)),
            Some(length) => {
                // The NUL comes behind that many bytes. Negative lengths are very great unsigned ones.
                let length = self.scalar(length);
                let length = self.code.bound(length, most - 1);
                self.arithmetic(BinaryOp::Add, length, Value::Imm(1))
            }
        };
        let faults_in = self.can_sleep() && self.lowering.target.copy_from_user_str;
        if padded && (!faults_in || limit != Value::Imm(i64::from(room))) {
            self.code.push(Inst::Zero { to, length: room });
        }
        let taken = if faults_in {
            let flags = number(if padded { PAD_ZEROS } else { 0 });
            let arguments =
                vec![Argument::Address(to), Argument::Value(limit), Argument::Value(pointer), flags];
            let taken = self.code.call_kernel("bpf_copy_from_user_str", arguments);
            // It returns an `int`: the upper half of the register is not its sign.
            let dst = self.code.register();
            self.code.push(Inst::Extend { dst, src: Value::Reg(taken), width: Width::B4, signed: true });
            dst
        } else {
            self.read_memory(Helper::ProbeReadUserStr, to, limit, Argument::Value(pointer))
        };
        self.string_taken(taken, room)
    }

    /// The length of a string that was read, by what the reader returned: bytes with the NUL, or an error.
    fn string_taken(&mut self, taken: Reg, room: u32) -> Value {
        let length = self.code.register();
        self.if_else(
            (CompareOp::SignedGt, Value::Reg(taken), Value::Imm(0)),
            |me| {
                let (op, a, b) = (BinaryOp::Sub, Value::Reg(taken), Value::Imm(1));
                me.code.push(Inst::Binary { op, dst: length, a, b });
            },
            |me| me.code.push(Inst::Mov { dst: length, src: Value::Imm(0) }),
        );
        self.code.bound(Value::Reg(length), room - 1)
    }

    /// Reads bytes of the traced program. Gives how many.
    pub(super) fn write_user_bytes(
        &mut self,
        pointer: &Expr,
        length: Option<&Expr>,
        ty: &Type,
        to: Address,
        room: u32,
    ) -> Value {
        let Type::Buf { size } = *ty else { return Value::Imm(0) };
        let pointer = self.scalar(pointer);
        let most = size.min(room);
        let limit = match length {
            None => Value::Imm(i64::from(most)),
            Some(length) => {
                let length = self.scalar(length);
                self.code.bound(length, most)
            }
        };
        let helper = if self.can_sleep() { Helper::CopyFromUser } else { Helper::ProbeReadUser };
        let failed = self.read_memory(helper, to, limit, Argument::Value(pointer));
        let taken = self.code.register();
        self.if_else(
            (CompareOp::Eq, Value::Reg(failed), Value::Imm(0)),
            |me| me.code.push(Inst::Mov { dst: taken, src: limit }),
            |me| me.code.push(Inst::Mov { dst: taken, src: Value::Imm(0) }),
        );
        self.code.bound(Value::Reg(taken), room)
    }

    /// Reads the strings of a null-ended array of pointers; those behind the end are empty.
    fn write_user_strings(&mut self, array: &Expr, size: u32, count: u32, to: Address) {
        let array = self.scalar(array);
        for index in 0..count {
            self.code.store(plus(to, index * size), Value::Imm(0), Width::B1);
        }
        let done = self.code.block();
        for index in 0..count {
            let mark = self.code.mark();
            let entry = self.arithmetic(BinaryOp::Add, array, Value::Imm(8 * i64::from(index)));
            let pointer = self.user_number(entry, Width::B8, false);
            let more = self.code.block();
            self.code.branch(CompareOp::Ne, pointer, Value::Imm(0), more, done);
            self.code.switch_to(more);
            let place = plus(to, index * size);
            let limit = Value::Imm(i64::from(size));
            if self.can_sleep() && self.lowering.target.copy_from_user_str {
                let arguments = vec![
                    Argument::Address(place),
                    Argument::Value(limit),
                    Argument::Value(pointer),
                    number(PAD_ZEROS),
                ];
                self.code.call_kernel("bpf_copy_from_user_str", arguments);
            } else {
                self.read_memory(Helper::ProbeReadUserStr, place, limit, Argument::Value(pointer));
            }
            self.code.release(mark);
        }
        self.code.jump(done);
        self.code.switch_to(done);
    }

    /// The bytes of a string before its NUL.
    pub(super) fn string_length(&mut self, text: &Expr) -> Value {
        let Type::Str { size } = text.ty else { return Value::Imm(0) };
        let to = self.code.temporary(size);
        let from = match &text.kind {
            // Only these know their length when they are written.
            ExprKind::UserString(..) | ExprKind::Element(_) => {
                return self.write_string(text, to, size, false);
            }
            _ => self.place(text),
        };
        self.copy_string(from, size, to, size, false)
    }

    /// Whether two strings are equal, in their first `limit` bytes if there is a limit.
    pub(super) fn string_equal(&mut self, a: &Expr, b: &Expr, limit: Option<u32>, yes: BlockId, no: BlockId) {
        let limit = limit.unwrap_or(u32::MAX);
        match (&a.kind, &b.kind) {
            (ExprKind::Str(text), _) => self.equal_to_literal(b, text, limit, yes, no),
            (_, ExprKind::Str(text)) => self.equal_to_literal(a, text, limit, yes, no),
            _ => {
                let most = a.ty.size().min(b.ty.size()).min(limit);
                let (a, b) = (self.place(a), self.place(b));
                self.equal_bytewise(a, b, most, yes, no);
            }
        }
    }

    /// Compares a string with a constant one, word by word.
    fn equal_to_literal(&mut self, value: &Expr, text: &[u8], limit: u32, yes: BlockId, no: BlockId) {
        let (size, limit) = (value.ty.size() as usize, limit as usize);
        let mut wanted = text.to_vec();
        wanted.push(0);
        wanted.truncate(limit);
        // A string of `size` bytes has its NUL among them; one that would need more is another.
        if wanted.len() > size || (wanted.len() == size && wanted.last() != Some(&0)) {
            return self.code.jump(no);
        }
        let from = self.place(value);
        let mut done = 0;
        while done < wanted.len() {
            let offset = from.offset as usize + done;
            let width = [(8, Width::B8), (4, Width::B4), (2, Width::B2), (1, Width::B1)]
                .into_iter()
                .find(|(bytes, _)| offset.is_multiple_of(*bytes) && wanted.len() - done >= *bytes)
                .unwrap_or((1, Width::B1));
            let (bytes, width) = width;
            let word =
                wanted[done..done + bytes].iter().rev().fold(0u64, |word, b| word << 8 | u64::from(*b));
            let found = self.code.load(plus(from, done as u32), width, false);
            let next = self.code.block();
            self.code.branch(CompareOp::Eq, found, Value::Imm(word as i64), next, no);
            self.code.switch_to(next);
            done += bytes;
        }
        self.code.jump(yes);
    }

    /// Compares two strings byte by byte, up to the NUL or `most` bytes.
    fn equal_bytewise(&mut self, a: Address, b: Address, most: u32, yes: BlockId, no: BlockId) {
        if most == 0 {
            return self.code.jump(yes);
        }
        let at_index = |address: Address, index: Reg| match address.base {
            Base::Slot(_) | Base::Reg(_) | Base::Context => Address { index: Some(index), ..address },
        };
        let counter = self.code.copy_of(Value::Imm(0));
        let (head, inside, next) = (self.code.block(), self.code.block(), self.code.block());
        let same = self.code.block();
        self.code.jump(head);
        self.code.switch_to(head);
        self.code.branch(CompareOp::Lt, Value::Reg(counter), Value::Imm(i64::from(most)), inside, yes);
        self.code.switch_to(inside);
        let index = self.code.register();
        self.code.push(Inst::Bound { dst: index, src: Value::Reg(counter), limit: most - 1 });
        let x = self.code.load(at_index(a, index), Width::B1, false);
        let y = self.code.load(at_index(b, index), Width::B1, false);
        self.code.branch(CompareOp::Eq, x, y, same, no);
        self.code.switch_to(same);
        self.code.branch(CompareOp::Eq, x, Value::Imm(0), yes, next);
        self.code.switch_to(next);
        let (a, b) = (Value::Reg(counter), Value::Imm(1));
        self.code.push(Inst::Binary { op: BinaryOp::Add, dst: counter, a, b });
        self.code.jump(head);
    }
}
