//! Scratch memory: room for slots that do not fit the 512-byte stack.
//!
//! # Method
//! A per-CPU array (`MapRole::Scratch`) has [`PIECES`] pieces for each CPU. Its entries are found by index, and the
//! kernel gives the entry of the CPU that runs the program. The first 8 bytes of a piece are its flag: 1 while it is
//! in use. A program that needs scratch memory looks up one piece after the other and takes the first whose flag it
//! can change from 0 to 1 by compare-and-exchange; the slots are at fixed offsets behind the flag. When it is done it
//! stores 0.
//!
//! # Races
//! Programs at uprobes are not alone on their CPU. They run preemptible, so another thread may run the same program on
//! the same CPU before the first has gone on; sleepable ones wait for pages to be read. But they do not migrate:
//! all who use a piece run on the CPU it belongs to. So nobody sees another's stores out of order, the release needs
//! no barrier, and the exchange is against preemption only. A thread that is preempted keeps its piece; others take
//! the next. When all are taken the event is counted as lost (`LossCause::ScratchBusy`) and the program ends.
//! It cannot wait, for the owner runs only after it.
//!
//! # Where
//! The claim is put at the nearest block that dominates all that need it, so that an event which a predicate refuses
//! pays nothing; out of every loop, so that it happens once; and before any reservation of ring buffer memory, because
//! the program may end there. The *region* is everything that this block dominates. Control enters it only through
//! the claim. It leaves it by a return or by an edge to a block outside, and on each of these there is exactly one
//! release: invariant, on every path the flag is 1 from the claim to the first such exit, and no longer.
//! Where a slot's address is kept in a register, the region is the whole function.
//!
//! ```text
//!   claim:  index = 0                          try:   old = compare_exchange [piece], 0, 1
//!   look:   [key] = index                             if old == 0 then body else next
//!           piece = map_lookup_elem(...)       next:  index += 1
//!           if piece != 0 then try else busy          if index < PIECES then look else busy
//! ```

use super::dominators::{Dominators, reverse_postorder};
use crate::ast::Span;
use crate::bits::Bits;
use crate::ir::{
    Address, Argument, Base, BinaryOp, Block, BlockId, Callee, CompareOp, Function, Helper, Inst, MapId, Reg,
    Slot, SlotId, Terminator, Value, Width,
};

/// How many pieces each CPU has: how many programs can be at work, or asleep, on it at a time.
pub(super) const PIECES: u32 = 8;

/// Bytes of the flag at the start of each piece.
pub(super) const FLAG: u32 = 8;

/// What a claim refers to.
pub(super) struct Maps {
    /// The map of pieces.
    pub(super) scratch: MapId,
    /// The map of losses.
    pub(super) lost: MapId,
    /// Which of its counters is for a claim that failed.
    pub(super) loss: u32,
}

/// Moves slots to scratch memory: `places` has, for each slot that moves, its offset behind the flag.
pub(super) fn claim(function: &mut Function, places: &[Option<u32>], maps: &Maps) {
    let region = Region::find(function, places);
    let first = function.blocks.len();
    let at = |index: usize| BlockId((first + index) as u32);
    let (look, attempt, next, busy, count, out, body) = (at(0), at(1), at(2), at(3), at(4), at(5), at(6));
    let registers = function.registers;
    let [piece, index, old, counter] = [0, 1, 2, 3].map(|n| Reg(registers + n));
    function.registers += 4;
    let key = SlotId(function.slots.len() as u32);
    function.slots.push(Slot { size: 8 });

    release_at_exits(function, &region, piece);
    for block in &region.blocks {
        for (inst, _) in &mut function.blocks[*block].insts {
            inst.addresses_mut(|address| move_to(address, places, piece));
        }
    }

    let span = function.blocks[region.head].insts.first().map_or(Span::default(), |(_, span)| *span);
    let key_address = Address { base: Base::Slot(key), offset: 0, index: None };
    let in_register = |reg| Address { base: Base::Reg(reg), offset: 0, index: None };
    let store_key = |src| Inst::Store { to: key_address, src, width: Width::B4 };
    let lookup = |dst, map| Inst::Call {
        dst: Some(dst),
        callee: Callee::Helper(Helper::MapLookupElem),
        arguments: vec![Argument::Map(map), Argument::Address(key_address)],
    };
    let branch = |op, a, b, then, otherwise| Terminator::Branch { op, a: Value::Reg(a), b, then, otherwise };
    let block = |insts: Vec<Inst>, end| Block { insts: insts.into_iter().map(|i| (i, span)).collect(), end };

    let start = block(vec![Inst::Mov { dst: index, src: Value::Imm(0) }], Terminator::Jump(look));
    let moved = std::mem::replace(&mut function.blocks[region.head], start);
    // What was appended by the releases stands in front of these.
    let shift = function.blocks.len() - first;
    let mut claim = vec![
        block(
            vec![store_key(Value::Reg(index)), lookup(piece, maps.scratch)],
            branch(CompareOp::Ne, piece, Value::Imm(0), attempt, busy),
        ),
        block(
            vec![Inst::CompareExchange {
                dst: old,
                to: in_register(piece),
                expected: Value::Imm(0),
                new: Value::Imm(1),
            }],
            branch(CompareOp::Eq, old, Value::Imm(0), body, next),
        ),
        block(
            vec![Inst::Binary { op: BinaryOp::Add, dst: index, a: Value::Reg(index), b: Value::Imm(1) }],
            branch(CompareOp::Lt, index, Value::Imm(i64::from(PIECES)), look, busy),
        ),
        block(
            vec![store_key(Value::Imm(i64::from(maps.loss))), lookup(counter, maps.lost)],
            branch(CompareOp::Ne, counter, Value::Imm(0), count, out),
        ),
        block(
            vec![Inst::AtomicAdd { to: in_register(counter), src: Value::Imm(1), width: Width::B8 }],
            Terminator::Jump(out),
        ),
        block(Vec::new(), Terminator::Return(Value::Imm(0))),
    ];
    let move_on = |to: &mut BlockId| to.0 += shift as u32;
    function.blocks[region.head].end.successors_mut(move_on);
    claim.iter_mut().for_each(|b| b.end.successors_mut(move_on));
    function.blocks.extend(claim);
    function.blocks.push(moved);
}

fn move_to(address: &mut Address, places: &[Option<u32>], piece: Reg) {
    let place = address.slot().and_then(|slot| places.get(slot.0 as usize).copied().flatten());
    if let Some(place) = place {
        address.base = Base::Reg(piece);
        address.offset += (FLAG + place) as i32;
    }
}

/// Puts a release before each return of the region and on each edge that leaves it.
fn release_at_exits(function: &mut Function, region: &Region, piece: Reg) {
    let flag = Address { base: Base::Reg(piece), offset: 0, index: None };
    let release = Inst::Store { to: flag, src: Value::Imm(0), width: Width::B8 };
    for index in &region.blocks {
        let mut edges = Vec::new();
        let next = function.blocks.len();
        let block = &mut function.blocks[*index];
        let span = block.insts.last().map_or(Span::default(), |(_, span)| *span);
        if matches!(block.end, Terminator::Return(_)) {
            block.insts.push((release.clone(), span));
        }
        block.end.successors_mut(|to| {
            if to.0 as usize == region.head || !region.contains(to.0 as usize) {
                let edge = BlockId((next + edges.len()) as u32);
                let end = Terminator::Jump(std::mem::replace(to, edge));
                edges.push(Block { insts: vec![(release.clone(), span)], end });
            }
        });
        function.blocks.extend(edges);
    }
}

/// The part of a function during which it owns a piece.
struct Region {
    /// The block before which it is claimed.
    head: usize,
    /// Every block that the head dominates.
    blocks: Vec<usize>,
    /// The same, to look in.
    set: Bits,
}

impl Region {
    fn find(function: &Function, places: &[Option<u32>]) -> Region {
        let dominators = Dominators::of(function);
        let reachable = reverse_postorder(function);
        let mut head = None;
        let mut everywhere = false;
        for index in &reachable {
            let block = &function.blocks[*index];
            let mut needs = false;
            for (inst, _) in &block.insts {
                let mut moves = false;
                inst.addresses(|address| {
                    let slot = address.slot().and_then(|slot| places.get(slot.0 as usize));
                    moves |= slot.is_some_and(Option::is_some);
                });
                everywhere |= moves && matches!(inst, Inst::AddressOf { .. });
                needs |= moves || reserves(inst);
            }
            if needs {
                head = Some(head.map_or(*index, |other| dominators.common(other, *index)));
            }
        }
        let mut head = if everywhere { 0 } else { head.unwrap_or(0) };
        while head != 0 && reaches_itself(function, head) {
            head = dominators.parent(head);
        }
        let mut set = Bits::new(function.blocks.len());
        let blocks: Vec<usize> =
            reachable.into_iter().filter(|block| dominators.dominates(head, *block)).collect();
        blocks.iter().for_each(|block| set.insert(*block));
        Region { head, blocks, set }
    }

    fn contains(&self, block: usize) -> bool {
        self.set.contains(block)
    }
}

fn reserves(inst: &Inst) -> bool {
    matches!(inst, Inst::Call { callee: Callee::Helper(Helper::RingbufReserve), .. })
}

/// Whether the block is in a loop.
fn reaches_itself(function: &Function, block: usize) -> bool {
    let mut seen = Bits::new(function.blocks.len());
    let mut left = vec![block];
    while let Some(at) = left.pop() {
        for next in function.blocks[at].end.successors().map(|b| b.0 as usize) {
            if next == block {
                return true;
            }
            if !seen.contains(next) {
                seen.insert(next);
                left.push(next);
            }
        }
    }
    false
}
