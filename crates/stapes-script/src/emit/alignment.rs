//! How pointers are aligned, so that long memory operations can use wide accesses.
//!
//! Slots, values of maps and records of the ring buffer start at multiples of 8. A pointer made by
//! [`Inst::AddressOf`] or by arithmetic may not; it has what is left of that after everything that was added.

use crate::ir::{Address, Base, BinaryOp, Callee, Function, Helper, Inst, Value};

/// For each register its alignment as a pointer: 8, 4, 2 or 1.
pub(super) struct Alignments(Vec<u32>);

impl Alignments {
    /// Finds them: every register starts with 8, and each of its assignments may lower it, until nothing changes.
    pub(super) fn of(function: &Function) -> Alignments {
        let mut alignments = Alignments(vec![8; function.registers as usize]);
        loop {
            let mut changed = false;
            for (inst, _) in function.blocks.iter().flat_map(|b| &b.insts) {
                let Some(dst) = inst.def() else { continue };
                let new = alignments.of_inst(inst);
                if let Some(old) = alignments.0.get_mut(dst.0 as usize).filter(|old| new < **old) {
                    (*old, changed) = (new, true);
                }
            }
            if !changed {
                return alignments;
            }
        }
    }

    /// The alignment of an address; of an index nothing is known.
    pub(super) fn of_address(&self, address: &Address) -> u32 {
        let base = match address.base {
            Base::Reg(reg) => self.of_value(Value::Reg(reg)),
            Base::Slot(_) | Base::Context => 8,
        };
        let index = address.index.map_or(8, |index| self.of_value(Value::Reg(index)));
        base.min(index).min(of_number(i64::from(address.offset)))
    }

    fn of_value(&self, value: Value) -> u32 {
        match value {
            Value::Reg(reg) => self.0.get(reg.0 as usize).copied().unwrap_or(1),
            Value::Imm(number) => of_number(number),
        }
    }

    fn of_inst(&self, inst: &Inst) -> u32 {
        match inst {
            Inst::AddressOf { address, .. } => self.of_address(address),
            Inst::Mov { src, .. } => self.of_value(*src),
            Inst::Binary { op: BinaryOp::Add | BinaryOp::Sub, a, b, .. } => {
                self.of_value(*a).min(self.of_value(*b))
            }
            Inst::Binary { op: BinaryOp::Shl, a: _, b: Value::Imm(count @ 0..=2), .. } => 1 << count,
            Inst::Binary { op: BinaryOp::Shl, a: _, b: Value::Imm(_), .. } => 8,
            Inst::MapValue { offset, .. } => of_number(i64::from(*offset)),
            Inst::Call {
                callee:
                    Callee::Helper(Helper::MapLookupElem | Helper::MapLookupPercpuElem | Helper::RingbufReserve),
                ..
            } => 8,
            _ => 1,
        }
    }
}

/// The greatest power of two up to 8 that divides a number.
fn of_number(number: i64) -> u32 {
    1 << number.trailing_zeros().min(3)
}
