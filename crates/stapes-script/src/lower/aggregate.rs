//! Lowering aggregations: what each does to its bytes in a map.
//!
//! All updates are atomic (see [`lower`](super)).
//! Minimum and maximum are kept as ranks ([`Aggregate::rank`]), so that both are "the greatest rank so far" and zeroed
//! memory is the start; the rank is exchanged only for a greater one.

use stapes_bpf::{Aggregate, LossCause, Value as Held};

use super::body::Body;
use super::builder::{at, plus};
use crate::ir::{Address, BinaryOp, CompareOp, Inst, Reg, Value, Width};
use crate::tree::{Element, Expr};

/// How often an exchange is tried again. Each failure means that another program ran in between on the same CPU.
const TRIES: u32 = 8;

impl Body<'_, '_> {
    /// `@m = count()` and its kin.
    pub(super) fn aggregate(&mut self, element: &Element, value: Option<&Expr>) {
        let Held::Aggregate(aggregate) = self.lowering.tree.maps[element.map.0].value else { return };
        let value = value.map_or(Value::Imm(1), |value| self.scalar(value));
        let map = self.map_id(element.map);
        self.with_entry(element, |me, pointer| me.aggregate_into(aggregate, pointer, value, map.0));
    }

    fn aggregate_into(&mut self, aggregate: Aggregate, pointer: Reg, value: Value, map: u32) {
        match aggregate {
            Aggregate::Count => self.atomic_add(at(pointer), Value::Imm(1)),
            Aggregate::Sum { .. } => self.atomic_add(at(pointer), value),
            Aggregate::Avg { .. } | Aggregate::Stats { .. } => {
                self.atomic_add(at(pointer), value);
                self.atomic_add(plus(at(pointer), 8), Value::Imm(1));
            }
            Aggregate::Min { .. } | Aggregate::Max { .. } => self.extreme(aggregate, pointer, value, map),
            Aggregate::Hist { bits } => {
                let bucket = self.hist_bucket(value, bits);
                self.count_bucket(pointer, bucket, Aggregate::hist_buckets(bits));
            }
            Aggregate::Lhist { min, max, step } => {
                let bucket = self.lhist_bucket(value, min, max, step);
                self.count_bucket(pointer, bucket, aggregate.size() / 8);
            }
        }
    }

    fn atomic_add(&mut self, to: Address, src: Value) {
        self.code.push(Inst::AtomicAdd { to, src, width: Width::B8 });
    }

    /// The rank of a value, or the value of a rank: all mappings flip bits.
    pub(super) fn rank(&mut self, aggregate: Aggregate, value: Value) -> Value {
        let flipped = aggregate.rank(0) as i64;
        match flipped {
            0 => value,
            _ => self.arithmetic(BinaryOp::Xor, value, Value::Imm(flipped)),
        }
    }

    fn extreme(&mut self, aggregate: Aggregate, pointer: Reg, value: Value, map: u32) {
        let rank = self.rank(aggregate, value);
        // The comparison below needs a register on its left.
        let rank = Value::Reg(self.code.copy_of(rank));
        self.code.store(plus(at(pointer), 8), Value::Imm(1), Width::B8);
        let first = self.code.load(at(pointer), Width::B8, false);
        let seen = self.code.copy_of(first);
        let done = self.code.block();
        for _ in 0..TRIES {
            let (greater, again) = (self.code.block(), self.code.block());
            self.code.branch(CompareOp::Gt, rank, Value::Reg(seen), greater, done);
            self.code.switch_to(greater);
            let found = self.code.register();
            let expected = Value::Reg(seen);
            self.code.push(Inst::CompareExchange { dst: found, to: at(pointer), expected, new: rank });
            self.code.branch(CompareOp::Eq, Value::Reg(found), Value::Reg(seen), done, again);
            self.code.switch_to(again);
            self.code.push(Inst::Mov { dst: seen, src: Value::Reg(found) });
        }
        self.count_loss(LossCause::Contended { map });
        self.code.jump(done);
        self.code.switch_to(done);
    }

    fn count_bucket(&mut self, pointer: Reg, bucket: Value, buckets: u32) {
        let last = 8 * (buckets - 1);
        let offset = self.arithmetic(BinaryOp::Shl, bucket, Value::Imm(3));
        match self.code.bound(offset, last) {
            Value::Imm(offset) => self.atomic_add(plus(at(pointer), offset as u32), Value::Imm(1)),
            Value::Reg(index) => {
                let to = Address { index: Some(index), ..at(pointer) };
                self.atomic_add(to, Value::Imm(1));
            }
        }
    }

    /// [`Aggregate::hist_bucket`] as instructions.
    fn hist_bucket(&mut self, value: Value, bits: u8) -> Value {
        let value = match value {
            Value::Imm(value) => {
                return Value::Imm(i64::from(Aggregate::hist_bucket(value, bits)));
            }
            register => register,
        };
        if bits == 0 {
            return self.plain_hist_bucket(value);
        }
        let bits = i64::from(bits);
        let dst = self.code.register();
        let set = |me: &mut Self, src| me.code.push(Inst::Mov { dst, src });
        self.if_else(
            (CompareOp::SignedLt, value, Value::Imm(2 << bits)),
            |me| {
                // One by one, and 0 for all negative values.
                let bucket = me.arithmetic(BinaryOp::Add, value, Value::Imm(1));
                let sign = me.arithmetic(BinaryOp::SignedShr, value, Value::Imm(63));
                let keep = me.arithmetic(BinaryOp::Xor, sign, Value::Imm(-1));
                let bucket = me.arithmetic(BinaryOp::And, bucket, keep);
                set(me, bucket);
            },
            |me| {
                let log = me.log2(value);
                let above = me.arithmetic(BinaryOp::Sub, log, Value::Imm(bits));
                let part = me.arithmetic(BinaryOp::Shr, value, above);
                let part = me.arithmetic(BinaryOp::And, part, Value::Imm((1 << bits) - 1));
                let whole = me.arithmetic(BinaryOp::Add, above, Value::Imm(1));
                let whole = me.arithmetic(BinaryOp::Shl, whole, Value::Imm(bits));
                let bucket = me.arithmetic(BinaryOp::Add, whole, part);
                let bucket = me.arithmetic(BinaryOp::Add, bucket, Value::Imm(1));
                set(me, bucket);
            },
        );
        Value::Reg(dst)
    }

    /// Without branches: log₂ + 2, less 1 for 0, and 0 for negative values.
    fn plain_hist_bucket(&mut self, value: Value) -> Value {
        let log = self.log2(value);
        let bucket = self.arithmetic(BinaryOp::Add, log, Value::Imm(2));
        let before = self.arithmetic(BinaryOp::Sub, value, Value::Imm(1));
        let is_zero = self.arithmetic(BinaryOp::Shr, before, Value::Imm(63));
        let bucket = self.arithmetic(BinaryOp::Sub, bucket, is_zero);
        let sign = self.arithmetic(BinaryOp::SignedShr, value, Value::Imm(63));
        let keep = self.arithmetic(BinaryOp::Xor, sign, Value::Imm(-1));
        self.arithmetic(BinaryOp::And, bucket, keep)
    }

    /// The number of the highest set bit of a positive value, by halving, without branches:
    /// `limit − x` is negative just where x is greater than the limit, so its sign is the bit of the answer.
    fn log2(&mut self, value: Value) -> Value {
        let mut rest = value;
        let mut log = Value::Imm(0);
        for (limit, bit) in [((1 << 32) - 1, 5), ((1 << 16) - 1, 4), ((1 << 8) - 1, 3), (15, 2), (3, 1)] {
            let below = self.arithmetic(BinaryOp::Sub, Value::Imm(limit), rest);
            let greater = self.arithmetic(BinaryOp::Shr, below, Value::Imm(63));
            let shift = self.arithmetic(BinaryOp::Shl, greater, Value::Imm(bit));
            rest = self.arithmetic(BinaryOp::Shr, rest, shift);
            log = match log {
                Value::Imm(_) => shift,
                log => self.arithmetic(BinaryOp::Add, log, shift),
            };
        }
        let last = self.arithmetic(BinaryOp::Shr, rest, Value::Imm(1));
        self.arithmetic(BinaryOp::Add, log, last)
    }

    /// The step that a value falls into; 0 below all, the last above all.
    fn lhist_bucket(&mut self, value: Value, min: i64, max: i64, step: i64) -> Value {
        let last = max.wrapping_sub(min) / step + 1;
        if let Value::Imm(value) = value {
            return Value::Imm(match value {
                _ if value < min => 0,
                _ if value >= max => last,
                _ => value.wrapping_sub(min) / step + 1,
            });
        }
        let dst = self.code.copy_of(Value::Imm(0));
        let set = |me: &mut Self, src| me.code.push(Inst::Mov { dst, src });
        self.if_else(
            (CompareOp::SignedGe, value, Value::Imm(min)),
            |me| {
                me.if_else(
                    (CompareOp::SignedLt, value, Value::Imm(max)),
                    |me| {
                        let above = match min {
                            0 => value,
                            _ => me.arithmetic(BinaryOp::Sub, value, Value::Imm(min)),
                        };
                        let steps = match step {
                            1 => above,
                            _ if step.count_ones() == 1 => {
                                let shift = Value::Imm(i64::from(step.trailing_zeros()));
                                me.arithmetic(BinaryOp::Shr, above, shift)
                            }
                            _ => me.arithmetic(BinaryOp::Div, above, Value::Imm(step)),
                        };
                        let bucket = me.arithmetic(BinaryOp::Add, steps, Value::Imm(1));
                        set(me, bucket);
                    },
                    |me| set(me, Value::Imm(last)),
                );
            },
            |_| {},
        );
        Value::Reg(dst)
    }
}
