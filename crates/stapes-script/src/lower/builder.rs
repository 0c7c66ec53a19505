//! Building one [`Function`]: blocks, registers, and slots that are used again.

use crate::ast::Span;
use crate::ir::{
    Address, Argument, Base, BinaryOp, Block, BlockId, Callee, CompareOp, Function, Helper, Inst, Reg, Slot,
    SlotId, Terminator, Value, Width,
};

/// The most instructions of a function: more, and no kernel takes what they become.
///
/// Without it a few nested `unroll`s, or a script of a megabyte, would keep the compiler busy for hours.
const MOST: usize = 1 << 16;

/// A function that is being built. Instructions go to the end of the current block.
pub(super) struct Builder {
    blocks: Vec<Draft>,
    current: usize,
    registers: u32,
    /// Instructions pushed so far.
    pushed: usize,
    slots: Vec<Slot>,
    /// Slots whose last user is done, for the next one of the same size.
    free: Vec<SlotId>,
    /// Temporary slots in use, in the order of their claim.
    claimed: Vec<SlotId>,
    span: Span,
}

#[derive(Default)]
struct Draft {
    insts: Vec<(Inst, Span)>,
    end: Option<Terminator>,
}

/// A moment in the claiming of temporary slots, to go back to.
#[derive(Clone, Copy)]
pub(super) struct Mark(usize);

impl Builder {
    pub(super) fn new() -> Builder {
        let (slots, free, claimed) = (Vec::new(), Vec::new(), Vec::new());
        let blocks = vec![Draft::default()];
        Builder { blocks, current: 0, registers: 0, pushed: 0, slots, free, claimed, span: Span::default() }
    }

    /// The place in the source from which the next instructions come.
    /// Gives the place until now, to go back to.
    pub(super) fn at(&mut self, span: Span) -> Span {
        std::mem::replace(&mut self.span, span)
    }

    /// A new register.
    pub(super) fn register(&mut self) -> Reg {
        self.registers += 1;
        Reg(self.registers - 1)
    }

    /// A new block, to be filled later.
    pub(super) fn block(&mut self) -> BlockId {
        self.blocks.push(Draft::default());
        BlockId(self.blocks.len() as u32 - 1)
    }

    /// Goes on at the end of `block`.
    pub(super) fn switch_to(&mut self, block: BlockId) {
        self.current = block.0 as usize;
    }

    /// Ends the current block, unless it has ended already (behind `return`).
    pub(super) fn end(&mut self, terminator: Terminator) {
        let block = &mut self.blocks[self.current];
        if block.end.is_none() {
            block.end = Some(terminator);
        }
    }

    pub(super) fn jump(&mut self, to: BlockId) {
        self.end(Terminator::Jump(to));
    }

    pub(super) fn branch(&mut self, op: CompareOp, a: Value, b: Value, then: BlockId, otherwise: BlockId) {
        self.end(Terminator::Branch { op, a, b, then, otherwise });
    }

    /// Ends the current block and goes on where nothing leads: what follows is dropped.
    pub(super) fn end_here(&mut self, terminator: Terminator) {
        self.end(terminator);
        let nowhere = self.block();
        self.switch_to(nowhere);
    }

    /// Whether there is no room for more, so that the function is not worth going on with.
    pub(super) fn is_full(&self) -> bool {
        self.pushed >= MOST
    }

    pub(super) fn push(&mut self, inst: Inst) {
        self.pushed += 1;
        let block = &mut self.blocks[self.current];
        if block.end.is_none() {
            block.insts.push((inst, self.span));
        }
    }

    /// A register with the result of an operation.
    pub(super) fn binary(&mut self, op: BinaryOp, a: Value, b: Value) -> Value {
        let dst = self.register();
        self.push(Inst::Binary { op, dst, a, b });
        Value::Reg(dst)
    }

    /// A register with a copy of a value.
    pub(super) fn copy_of(&mut self, src: Value) -> Reg {
        let dst = self.register();
        self.push(Inst::Mov { dst, src });
        dst
    }

    pub(super) fn load(&mut self, from: Address, width: Width, signed: bool) -> Value {
        let dst = self.register();
        self.push(Inst::Load { dst, from, width, signed });
        Value::Reg(dst)
    }

    pub(super) fn store(&mut self, to: Address, src: Value, width: Width) {
        self.push(Inst::Store { to, src, width });
    }

    pub(super) fn bound(&mut self, src: Value, limit: u32) -> Value {
        if let Value::Imm(n) = src {
            return Value::Imm((n as u64).min(u64::from(limit)) as i64);
        }
        let dst = self.register();
        self.push(Inst::Bound { dst, src, limit });
        Value::Reg(dst)
    }

    /// The result of a helper.
    pub(super) fn call(&mut self, helper: Helper, arguments: Vec<Argument>) -> Reg {
        let dst = self.register();
        self.push(Inst::Call { dst: Some(dst), callee: Callee::Helper(helper), arguments });
        dst
    }

    /// A helper whose result does not matter.
    pub(super) fn call_for_effect(&mut self, helper: Helper, arguments: Vec<Argument>) {
        self.push(Inst::Call { dst: None, callee: Callee::Helper(helper), arguments });
    }

    pub(super) fn call_kernel(&mut self, name: &'static str, arguments: Vec<Argument>) -> Reg {
        let dst = self.register();
        self.push(Inst::Call { dst: Some(dst), callee: Callee::Kfunc(name), arguments });
        dst
    }

    /// A slot for as long as the function runs, of at least `bytes`.
    pub(super) fn slot(&mut self, bytes: u32) -> SlotId {
        let size = bytes.next_multiple_of(8).max(8);
        match self.free.iter().position(|free| self.slots[free.0 as usize].size == size) {
            Some(at) => self.free.swap_remove(at),
            None => {
                self.slots.push(Slot { size });
                SlotId(self.slots.len() as u32 - 1)
            }
        }
    }

    /// A slot until the next [`Builder::release`] to an earlier mark.
    pub(super) fn temporary(&mut self, bytes: u32) -> Address {
        let slot = self.slot(bytes);
        self.claimed.push(slot);
        at_slot(slot)
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.claimed.len())
    }

    /// Gives back the temporary slots claimed since `mark`.
    pub(super) fn release(&mut self, mark: Mark) {
        self.free.extend(self.claimed.drain(mark.0..));
    }

    /// Gives back a slot of [`Builder::slot`].
    pub(super) fn give_back(&mut self, slot: SlotId) {
        self.free.push(slot);
    }

    /// The finished function: blocks that nothing leads to are left out.
    pub(super) fn finish(self, name: String, kind: stapes_bpf::ProgramKind, sleepable: bool) -> Function {
        let ends: Vec<Terminator> = self
            .blocks
            .iter()
            .map(|draft| draft.end.clone().unwrap_or(Terminator::Return(Value::Imm(0))))
            .collect();
        let mut number = vec![None; self.blocks.len()];
        let mut order = vec![0usize];
        number[0] = Some(0u32);
        let mut next = 0;
        while let Some(&block) = order.get(next) {
            next += 1;
            for to in successors(&ends[block]) {
                if number[to.0 as usize].is_none() {
                    number[to.0 as usize] = Some(order.len() as u32);
                    order.push(to.0 as usize);
                }
            }
        }
        let renumber = |id: BlockId| BlockId(number[id.0 as usize].unwrap_or_default());
        let mut drafts: Vec<Option<Draft>> = self.blocks.into_iter().map(Some).collect();
        let blocks = order
            .iter()
            .filter_map(|&index| {
                let draft = drafts[index].take()?;
                let end = match ends[index].clone() {
                    Terminator::Jump(to) => Terminator::Jump(renumber(to)),
                    Terminator::Branch { op, a, b, then, otherwise } => {
                        let (then, otherwise) = (renumber(then), renumber(otherwise));
                        Terminator::Branch { op, a, b, then, otherwise }
                    }
                    end @ Terminator::Return(_) => end,
                };
                Some(Block { insts: draft.insts, end })
            })
            .collect();
        Function { name, kind, sleepable, blocks, slots: self.slots, registers: self.registers }
    }
}

fn successors(end: &Terminator) -> Vec<BlockId> {
    match end {
        Terminator::Jump(to) => vec![*to],
        Terminator::Branch { then, otherwise, .. } => vec![*then, *otherwise],
        Terminator::Return(_) => Vec::new(),
    }
}

/// The start of a slot.
pub(super) fn at_slot(slot: SlotId) -> Address {
    Address { base: Base::Slot(slot), offset: 0, index: None }
}

/// What a pointer in a register points to.
pub(super) fn at(pointer: Reg) -> Address {
    Address { base: Base::Reg(pointer), offset: 0, index: None }
}

/// So many bytes into the program's context.
pub(super) fn in_context(offset: u16) -> Address {
    Address { base: Base::Context, offset: i32::from(offset), index: None }
}

/// So many bytes further.
pub(super) fn plus(address: Address, bytes: u32) -> Address {
    Address { offset: address.offset + bytes as i32, ..address }
}

/// An argument that is a number or a pointer.
pub(super) fn number(value: i64) -> Argument {
    Argument::Value(Value::Imm(value))
}
