//! The reference: the IR, interpreted word by word as ir.rs describes it.

use stapes_bpf::Map;
use stapes_script::ir::{
    Address, Argument, Base, BinaryOp, Callee, CompareOp, Function, Helper, Inst, Terminator, Value,
};

use super::memory::{Memory, map_address};

/// Runs a function; what it returns.
pub(crate) fn run(function: &Function, maps: &[Map], memory: &mut Memory) -> u64 {
    let slot = |index: u32| 0x3000_0000_0000 + (u64::from(index) << 20);
    for (index, s) in function.slots.iter().enumerate() {
        // Not zero: nobody may rely on what a slot holds at first.
        memory.add(slot(index as u32), vec![0xa5; s.size as usize]);
    }
    let mut registers = vec![0u64; function.registers as usize];
    let mut block = 0;
    for _ in 0..1_000_000 {
        for (inst, _) in &function.blocks[block].insts {
            let value = |v: Value| match v {
                Value::Reg(reg) => registers[reg.0 as usize],
                Value::Imm(value) => value as u64,
            };
            let at = |a: &Address| {
                let base = match a.base {
                    Base::Reg(reg) => registers[reg.0 as usize],
                    Base::Slot(s) => slot(s.0),
                    Base::Context => panic!("these functions have no context"),
                };
                let index = a.index.map_or(0, |reg| registers[reg.0 as usize]);
                base.wrapping_add(a.offset as u64).wrapping_add(index)
            };
            let result = match inst {
                Inst::Mov { src, .. } => value(*src),
                Inst::Binary { op, a, b, .. } => binary(*op, value(*a), value(*b)),
                Inst::Compare { op, a, b, .. } => compare(*op, value(*a), value(*b)).into(),
                Inst::Extend { src, width, signed, .. } => extend(value(*src), width.bytes(), *signed),
                Inst::Swap { src, width, .. } => {
                    let n = width.bytes();
                    extend(value(*src), n, false).swap_bytes() >> (64 - 8 * n)
                }
                Inst::Bound { src, limit, .. } => value(*src).min(u64::from(*limit)),
                Inst::Load { from, width, signed, .. } => {
                    extend(memory.load(at(from), width.bytes() as usize), width.bytes(), *signed)
                }
                Inst::Store { to, src, width } => {
                    memory.store(at(to), width.bytes() as usize, value(*src));
                    0
                }
                Inst::AtomicAdd { to, src, width } => {
                    let n = width.bytes() as usize;
                    let sum = memory.load(at(to), n).wrapping_add(value(*src));
                    memory.store(at(to), n, sum);
                    0
                }
                Inst::CompareExchange { to, expected, new, .. } => {
                    let old = memory.load(at(to), 8);
                    if old == value(*expected) {
                        memory.store(at(to), 8, value(*new));
                    }
                    old
                }
                Inst::Zero { to, length } => {
                    memory.bytes(at(to), *length as usize).fill(0);
                    0
                }
                Inst::Copy { to, from, length } => {
                    let bytes = memory.bytes(at(from), *length as usize).to_vec();
                    memory.bytes(at(to), *length as usize).copy_from_slice(&bytes);
                    0
                }
                Inst::StoreBytes { to, bytes } => {
                    memory.bytes(at(to), bytes.len()).copy_from_slice(bytes);
                    0
                }
                Inst::AddressOf { address, .. } => at(address),
                Inst::MapValue { map, offset, .. } => map_address(map.0) + u64::from(*offset),
                Inst::Call { callee, arguments, .. } => {
                    let [Argument::Map(map), Argument::Address(key)] = arguments[..] else {
                        panic!("these functions only look up");
                    };
                    assert_eq!(*callee, Callee::Helper(Helper::MapLookupElem));
                    memory.lookup(maps, map.0, at(&key))
                }
            };
            if let Some(dst) = inst.def() {
                registers[dst.0 as usize] = result;
            }
        }
        let value = |v: Value| match v {
            Value::Reg(reg) => registers[reg.0 as usize],
            Value::Imm(value) => value as u64,
        };
        block = match &function.blocks[block].end {
            Terminator::Jump(to) => to.0 as usize,
            Terminator::Branch { op, a, b, then, otherwise } => {
                if compare(*op, value(*a), value(*b)) {
                    then.0 as usize
                } else {
                    otherwise.0 as usize
                }
            }
            Terminator::Return(result) => return value(*result),
        };
    }
    panic!("the function does not end");
}

fn extend(value: u64, bytes: u32, signed: bool) -> u64 {
    match (bytes, signed) {
        (1, false) => u64::from(value as u8),
        (2, false) => u64::from(value as u16),
        (4, false) => u64::from(value as u32),
        (1, true) => value as i8 as u64,
        (2, true) => value as i16 as u64,
        (4, true) => value as i32 as u64,
        _ => value,
    }
}

fn binary(op: BinaryOp, a: u64, b: u64) -> u64 {
    let (signed_a, signed_b) = (a as i64, b as i64);
    match op {
        BinaryOp::Add => a.wrapping_add(b),
        BinaryOp::Sub => a.wrapping_sub(b),
        BinaryOp::Mul => a.wrapping_mul(b),
        BinaryOp::Div => a.checked_div(b).unwrap_or(0),
        BinaryOp::SignedDiv => {
            if b == 0 {
                0
            } else {
                signed_a.wrapping_div(signed_b) as u64
            }
        }
        BinaryOp::Mod => a.checked_rem(b).unwrap_or(a),
        BinaryOp::SignedMod => {
            if b == 0 {
                a
            } else {
                signed_a.wrapping_rem(signed_b) as u64
            }
        }
        BinaryOp::And => a & b,
        BinaryOp::Or => a | b,
        BinaryOp::Xor => a ^ b,
        BinaryOp::Shl => a << (b & 63),
        BinaryOp::Shr => a >> (b & 63),
        BinaryOp::SignedShr => (signed_a >> (b & 63)) as u64,
    }
}

fn compare(op: CompareOp, a: u64, b: u64) -> bool {
    let (signed_a, signed_b) = (a as i64, b as i64);
    match op {
        CompareOp::Eq => a == b,
        CompareOp::Ne => a != b,
        CompareOp::Lt => a < b,
        CompareOp::Le => a <= b,
        CompareOp::Gt => a > b,
        CompareOp::Ge => a >= b,
        CompareOp::SignedLt => signed_a < signed_b,
        CompareOp::SignedLe => signed_a <= signed_b,
        CompareOp::SignedGt => signed_a > signed_b,
        CompareOp::SignedGe => signed_a >= signed_b,
    }
}
