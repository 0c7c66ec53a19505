//! Instructions that the target lacks or that would grow too long, rewritten into others.
//!
//! - Signed division and remainder, before version 4 of the instruction set, by unsigned ones: signs are taken off,
//!   and put back on the result (the quotient's is the product of both, the remainder's the dividend's).
//! - [`Inst::Zero`] and [`Inst::Copy`] of many bytes become a loop over pieces of [`PIECE`] bytes.
//!   The verifier walks each turn of it, with the offset known, so it stays as checkable as straight code.

use crate::ast::Span;
use crate::catalog::Target;
use crate::ir::{Address, BinaryOp, Block, BlockId, CompareOp, Function, Inst, Reg, Terminator, Value};

/// Bytes up to which memory operations are unrolled.
const UNROLLED: u32 = 256;

/// Bytes that one turn of a loop handles.
const PIECE: u32 = 64;

/// Rewrites what the target cannot do directly.
pub(super) fn legalize(function: &mut Function, target: &Target) {
    if !target.bpf_v4 {
        divide_unsigned(function);
    }
    let mut block = 0;
    while block < function.blocks.len() {
        let long = function.blocks[block].insts.iter().position(|(inst, _)| is_long(inst));
        if let Some(at) = long {
            make_loop(function, block, at);
        }
        // What follows the loop is a block of its own, at the end.
        block += 1;
    }
}

fn divide_unsigned(function: &mut Function) {
    let mut registers = function.registers;
    let mut fresh = || {
        registers += 1;
        Reg(registers - 1)
    };
    for block in &mut function.blocks {
        let mut insts = Vec::with_capacity(block.insts.len());
        for (inst, span) in block.insts.drain(..) {
            let Inst::Binary { op: op @ (BinaryOp::SignedDiv | BinaryOp::SignedMod), dst, a, b } = inst
            else {
                insts.push((inst, span));
                continue;
            };
            let mut push = |op, a, b| {
                let dst = fresh();
                insts.push((Inst::Binary { op, dst, a, b }, span));
                Value::Reg(dst)
            };
            let (a_sign, a_bare) = bare(&mut push, a);
            let (b_sign, b_bare) = bare(&mut push, b);
            let (result, sign) = if op == BinaryOp::SignedDiv {
                let sign = push(BinaryOp::Xor, a_sign, b_sign);
                (push(BinaryOp::Div, a_bare, b_bare), sign)
            } else {
                (push(BinaryOp::Mod, a_bare, b_bare), a_sign)
            };
            let flipped = push(BinaryOp::Xor, result, sign);
            insts.push((Inst::Binary { op: BinaryOp::Sub, dst, a: flipped, b: sign }, span));
        }
        block.insts = insts;
    }
    function.registers = registers;
}

/// The sign of a value, 0 or −1, and the value without it.
fn bare(push: &mut impl FnMut(BinaryOp, Value, Value) -> Value, value: Value) -> (Value, Value) {
    let sign = push(BinaryOp::SignedShr, value, Value::Imm(63));
    let flipped = push(BinaryOp::Xor, value, sign);
    (sign, push(BinaryOp::Sub, flipped, sign))
}

fn is_long(inst: &Inst) -> bool {
    match inst {
        Inst::Zero { to, length } => *length > UNROLLED && to.index.is_none(),
        Inst::Copy { to, from, length } => *length > UNROLLED && to.index.is_none() && from.index.is_none(),
        _ => false,
    }
}

/// Cuts the block at a long instruction: what is before it, a loop, and what is left of it and of the block.
fn make_loop(function: &mut Function, block: usize, at: usize) {
    let index = Reg(function.registers);
    function.registers += 1;
    let count = function.blocks.len() as u32;
    let (turn, rest) = (BlockId(count), BlockId(count + 1));
    let first = &mut function.blocks[block];
    let mut tail = first.insts.split_off(at);
    let (inst, span): (Inst, Span) = tail.remove(0);
    first.insts.push((Inst::Mov { dst: index, src: Value::Imm(0) }, span));
    let end = std::mem::replace(&mut first.end, Terminator::Jump(turn));

    let indexed = |address: Address| Address { index: Some(index), ..address };
    let behind = |address: Address, bytes: u32| Address { offset: address.offset + bytes as i32, ..address };
    let (piece, left, length) = match inst {
        Inst::Zero { to, length } => {
            let whole = length - length % PIECE;
            let left = Inst::Zero { to: behind(to, whole), length: length - whole };
            (Inst::Zero { to: indexed(to), length: PIECE }, left, length)
        }
        Inst::Copy { to, from, length } => {
            let whole = length - length % PIECE;
            let left =
                Inst::Copy { to: behind(to, whole), from: behind(from, whole), length: length - whole };
            (Inst::Copy { to: indexed(to), from: indexed(from), length: PIECE }, left, length)
        }
        // Only these are long.
        other => (other.clone(), other, 0),
    };
    let step =
        Inst::Binary { op: BinaryOp::Add, dst: index, a: Value::Reg(index), b: Value::Imm(i64::from(PIECE)) };
    function.blocks.push(Block {
        insts: vec![(piece, span), (step, span)],
        end: Terminator::Branch {
            op: CompareOp::Lt,
            a: Value::Reg(index),
            b: Value::Imm(i64::from(length - length % PIECE)),
            then: turn,
            otherwise: rest,
        },
    });
    if length % PIECE != 0 {
        tail.insert(0, (left, span));
    }
    function.blocks.push(Block { insts: tail, end });
}
