//! Simplification of the IR before anything is decided: what pays for code that a compiler wrote.
//!
//! Until nothing changes:
//! 1. *Propagation.* A register with one assignment that is a constant, or a register which itself has one assignment,
//!    is replaced by that wherever it is read. (It is assigned before it is read, so the assignment is on every way.)
//! 2. *Folding.* Operations on constants become their result, multiplication and unsigned division by powers of two
//!    become shifts and masks; a comparison whose result only decides a branch becomes the branch's own.
//! 3. *Control flow.* Branches that are decided, or go the same way either way, become jumps; jumps to blocks that only
//!    jump go on at once; a block with one predecessor that only jumps to it joins it; blocks that cannot be reached go.
//! 4. *Dead code.* Assignments that nobody reads go, if that is all their instruction does.

use crate::ir::{Base, BinaryOp, Block, BlockId, CompareOp, Function, Inst, Reg, Terminator, Value, Width};

/// Simplifies a function.
pub(super) fn simplify(function: &mut Function) {
    // Each round removes something; the bound is against a mistake here only.
    for _ in 0..function.blocks.len() + 8 {
        let changed =
            propagate(function) | fold(function) | thread(function) | join(function) | dead(function);
        if !changed {
            break;
        }
    }
    compact(function);
}

/// How often each register is assigned.
fn assignments(function: &Function) -> Vec<u32> {
    let mut count = vec![0u32; function.registers as usize];
    for (inst, _) in function.blocks.iter().flat_map(|b| &b.insts) {
        if let Some(reg) = inst.def() {
            count[reg.0 as usize] += 1;
        }
    }
    count
}

fn propagate(function: &mut Function) -> bool {
    let count = assignments(function);
    let mut known: Vec<Option<Value>> = vec![None; count.len()];
    let mut any = false;
    for (inst, _) in function.blocks.iter().flat_map(|b| &b.insts) {
        if let Inst::Mov { dst, src } = inst {
            let fixed = src.register().is_none_or(|reg| count[reg.0 as usize] == 1 && reg != *dst);
            if count[dst.0 as usize] == 1 && fixed {
                known[dst.0 as usize] = Some(*src);
                any = true;
            }
        }
    }
    if !any {
        return false;
    }
    let mut changed = false;
    let known = |reg: Reg| known[reg.0 as usize];
    let mut replace = |value: &mut Value| {
        // Chains of copies are followed by the rounds.
        if let Some(new) = value.register().and_then(known) {
            *value = new;
            changed = true;
        }
    };
    for block in &mut function.blocks {
        for (inst, _) in &mut block.insts {
            inst.values_mut(&mut replace);
        }
        block.end.values_mut(&mut replace);
    }
    for (inst, _) in function.blocks.iter_mut().flat_map(|b| &mut b.insts) {
        inst.addresses_mut(|address| {
            if let Base::Reg(reg) = &mut address.base
                && let Some(Value::Reg(new)) = known(*reg)
            {
                (*reg, changed) = (new, true);
            }
            match address.index.and_then(known) {
                Some(Value::Reg(new)) => (address.index, changed) = (Some(new), true),
                Some(Value::Imm(bytes)) => {
                    let bytes = i32::try_from(bytes).ok();
                    if let Some(offset) = bytes.and_then(|bytes| address.offset.checked_add(bytes)) {
                        (address.offset, address.index, changed) = (offset, None, true);
                    }
                }
                None => {}
            }
        });
    }
    changed
}

fn fold(function: &mut Function) -> bool {
    let mut changed = false;
    for block in &mut function.blocks {
        for (inst, _) in &mut block.insts {
            if let Some(new) = folded(inst) {
                *inst = new;
                changed = true;
            }
        }
        changed |= fuse(block);
        if let Terminator::Branch { op, a, b, then, otherwise } = &block.end {
            let decided = match (a, b) {
                (Value::Imm(a), Value::Imm(b)) => Some(if op.holds(*a, *b) { *then } else { *otherwise }),
                _ => (then == otherwise).then_some(*then),
            };
            if let Some(to) = decided {
                block.end = Terminator::Jump(to);
                changed = true;
            }
        }
    }
    changed
}

/// The simpler instruction that does the same, if there is one.
fn folded(inst: &Inst) -> Option<Inst> {
    let mov = |dst, src| Some(Inst::Mov { dst, src });
    match *inst {
        Inst::Binary { op, dst, a: Value::Imm(a), b: Value::Imm(b) } => mov(dst, Value::Imm(op.apply(a, b))),
        Inst::Binary { op, dst, a, b: Value::Imm(b) } => match (op, b) {
            (BinaryOp::Add | BinaryOp::Sub | BinaryOp::Or | BinaryOp::Xor, 0) => mov(dst, a),
            (BinaryOp::Shl | BinaryOp::Shr | BinaryOp::SignedShr, 0) => mov(dst, a),
            (BinaryOp::Mul | BinaryOp::Div | BinaryOp::SignedDiv, 1) | (BinaryOp::And, -1) => mov(dst, a),
            (BinaryOp::Mul | BinaryOp::And, 0) => mov(dst, Value::Imm(0)),
            (BinaryOp::Mul, _) if (b as u64).is_power_of_two() => {
                Some(Inst::Binary { op: BinaryOp::Shl, dst, a, b: Value::Imm(i64::from(b.trailing_zeros())) })
            }
            (BinaryOp::Div, _) if (b as u64).is_power_of_two() => {
                Some(Inst::Binary { op: BinaryOp::Shr, dst, a, b: Value::Imm(i64::from(b.trailing_zeros())) })
            }
            (BinaryOp::Mod, _) if (b as u64).is_power_of_two() => {
                Some(Inst::Binary { op: BinaryOp::And, dst, a, b: Value::Imm(b.wrapping_sub(1)) })
            }
            _ => None,
        },
        Inst::Compare { op, dst, a: Value::Imm(a), b: Value::Imm(b) } => {
            mov(dst, Value::Imm(op.holds(a, b).into()))
        }
        Inst::Extend { dst, src: Value::Imm(value), width, signed } => {
            mov(dst, Value::Imm(width.extend(value, signed)))
        }
        Inst::Extend { dst, src, width: Width::B8, .. } => mov(dst, src),
        Inst::Bound { dst, src: Value::Imm(value), limit } => {
            mov(dst, Value::Imm((value as u64).min(u64::from(limit)) as i64))
        }
        _ => None,
    }
}

/// `t = a < b; if t != 0 …` becomes `if a < b …`. The comparison itself goes when nobody else reads it.
fn fuse(block: &mut Block) -> bool {
    let Terminator::Branch {
        op: op @ (CompareOp::Ne | CompareOp::Eq),
        a: Value::Reg(tested),
        b: Value::Imm(0),
        ..
    } = block.end
    else {
        return false;
    };
    let Some(at) = block.insts.iter().rposition(|(inst, _)| inst.def() == Some(tested)) else {
        return false;
    };
    let Inst::Compare { op: compare, a: left, b: right, .. } = block.insts[at].0 else {
        return false;
    };
    let operands = [left, right];
    let changed = block.insts[at..]
        .iter()
        .filter_map(|(inst, _)| inst.def())
        .any(|reg| operands.contains(&Value::Reg(reg)));
    if changed {
        return false;
    }
    if let Terminator::Branch { op: branch, a, b, .. } = &mut block.end {
        *branch = if op == CompareOp::Ne { compare } else { compare.inverse() };
        (*a, *b) = (left, right);
    }
    true
}

/// Sends jumps to blocks that only jump on to where those go.
fn thread(function: &mut Function) -> bool {
    let goal = |start: BlockId| {
        let mut at = start;
        // A ring of empty blocks has no goal.
        for _ in 0..function.blocks.len() {
            match &function.blocks[at.0 as usize] {
                Block { insts, end: Terminator::Jump(to) } if insts.is_empty() && *to != at => at = *to,
                _ => return at,
            }
        }
        start
    };
    let goals: Vec<BlockId> = (0..function.blocks.len()).map(|b| goal(BlockId(b as u32))).collect();
    let mut changed = false;
    for block in &mut function.blocks {
        block.end.successors_mut(|to| {
            let goal = goals[to.0 as usize];
            changed |= *to != goal;
            *to = goal;
        });
    }
    changed
}

/// Joins blocks with their only predecessor where that only jumps to them.
fn join(function: &mut Function) -> bool {
    let mut predecessors = vec![0u32; function.blocks.len()];
    predecessors[0] = 1;
    for block in super::dominators::reverse_postorder(function) {
        for next in function.blocks[block].end.successors() {
            predecessors[next.0 as usize] += 1;
        }
    }
    let mut changed = false;
    for block in 0..function.blocks.len() {
        if predecessors[block] == 0 {
            continue;
        }
        while let Terminator::Jump(BlockId(next)) = function.blocks[block].end {
            let next = next as usize;
            if next == block || next == 0 || predecessors[next] != 1 {
                break;
            }
            let taken = Block { insts: Vec::new(), end: Terminator::Jump(BlockId(next as u32)) };
            let taken = std::mem::replace(&mut function.blocks[next], taken);
            predecessors[next] = 0;
            function.blocks[block].insts.extend(taken.insts);
            function.blocks[block].end = taken.end;
            changed = true;
        }
    }
    changed
}

/// Removes assignments that nobody reads.
fn dead(function: &mut Function) -> bool {
    let mut reads = vec![0u32; function.registers as usize];
    for block in &function.blocks {
        for (inst, _) in &block.insts {
            inst.uses(|reg| reads[reg.0 as usize] += 1);
        }
        block.end.values().filter_map(Value::register).for_each(|reg| reads[reg.0 as usize] += 1);
    }
    let mut changed = false;
    for block in &mut function.blocks {
        let mut kept = Vec::with_capacity(block.insts.len());
        // Backwards, so that what only a dead instruction reads is dead as well.
        for (mut inst, span) in block.insts.drain(..).rev() {
            let unread = inst.def().is_some_and(|reg| reads[reg.0 as usize] == 0);
            let idle = matches!(inst, Inst::Mov { dst, src } if src == Value::Reg(dst));
            if idle || unread && inst.is_pure() {
                inst.uses(|reg| reads[reg.0 as usize] -= 1);
                changed = true;
                continue;
            }
            if let (true, Inst::Call { dst, .. }) = (unread, &mut inst) {
                *dst = None;
            }
            kept.push((inst, span));
        }
        kept.reverse();
        block.insts = kept;
    }
    changed
}

/// Puts the blocks that can be reached in the order of their execution, and drops the others.
fn compact(function: &mut Function) {
    let order = super::dominators::reverse_postorder(function);
    let mut places = vec![0u32; function.blocks.len()];
    for (place, block) in order.iter().enumerate() {
        places[*block] = place as u32;
    }
    let mut blocks: Vec<Option<Block>> = function.blocks.drain(..).map(Some).collect();
    for index in order {
        if let Some(mut block) = blocks[index].take() {
            block.end.successors_mut(|to| to.0 = places[to.0 as usize]);
            function.blocks.push(block);
        }
    }
}
