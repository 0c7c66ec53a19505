//! Where slots live: the stack, shared between slots that are never needed at the same time.
//!
//! A slot is *live* at a point when it was accessed on some way to the point and is accessed on some way from it.
//! Before its first access it holds nothing, after its last nobody looks. Two slots that are live at one point
//! *interfere* and get bytes of their own; others may share.
//! The address of a slot that is kept in a register ([`Inst::AddressOf`]) can be used anywhere:
//! such a slot is live everywhere.
//!
//! Placing is first fit, greatest first. When that needs more than the stack has, the greatest slot moves out into
//! scratch memory ([`super::scratch`]) and the rest is placed again.

use crate::bits::Bits;
use crate::ir::{Function, Inst};

/// For each slot the slots that it must not share memory with.
pub(super) struct Interference(Vec<Bits>);

/// Which slots interfere.
pub(super) fn interference(function: &Function) -> Interference {
    let count = function.slots.len();
    let mut pairs: Vec<Bits> = (0..count).map(|_| Bits::new(count)).collect();
    if count < 2 {
        return Interference(pairs);
    }
    let mut everywhere = Bits::new(count);
    let mut own: Vec<Bits> = Vec::with_capacity(function.blocks.len());
    for block in &function.blocks {
        let mut accessed = Bits::new(count);
        for (inst, _) in &block.insts {
            let kept = matches!(inst, Inst::AddressOf { .. });
            inst.addresses(|address| {
                if let Some(slot) = address.slot() {
                    accessed.insert(slot.0 as usize);
                    if kept {
                        everywhere.insert(slot.0 as usize);
                    }
                }
            });
        }
        own.push(accessed);
    }
    let blocks = function.blocks.len();
    let mut successors: Vec<Vec<usize>> = Vec::with_capacity(blocks);
    for block in &function.blocks {
        successors.push(block.end.successors().map(|b| b.0 as usize).filter(|b| *b < blocks).collect());
    }
    let mut before: Vec<Bits> = (0..blocks).map(|_| everywhere.clone()).collect();
    let mut after: Vec<Bits> = (0..blocks).map(|_| everywhere.clone()).collect();
    let mut flow = Bits::new(count);
    loop {
        let mut changed = false;
        for block in 0..blocks {
            flow.clone_from(&before[block]);
            flow.union(&own[block]);
            for next in &successors[block] {
                changed |= before[*next].union(&flow);
            }
        }
        for block in (0..blocks).rev() {
            for next in &successors[block] {
                flow.clone_from(&after[*next]);
                flow.union(&own[*next]);
                changed |= after[block].union(&flow);
            }
        }
        if !changed {
            break;
        }
    }
    // For each slot the accesses that are still to come in the block.
    let mut left = vec![0u32; count];
    let mut live = Bits::new(count);
    for (index, block) in function.blocks.iter().enumerate() {
        for (inst, _) in &block.insts {
            inst.addresses(|a| a.slot().into_iter().for_each(|s| left[s.0 as usize] += 1));
        }
        let seen = &mut before[index];
        let mut interfere = |seen: &Bits, left: &[u32]| {
            live.clear();
            seen.iter().filter(|s| left[*s] > 0 || after[index].contains(*s)).for_each(|s| live.insert(s));
            live.iter().for_each(|slot| {
                pairs[slot].union(&live);
            });
        };
        interfere(seen, &left);
        for (inst, _) in &block.insts {
            let mut accesses = false;
            inst.addresses(|a| {
                a.slot().into_iter().for_each(|s| {
                    seen.insert(s.0 as usize);
                    accesses = true;
                });
            });
            if accesses {
                // During the instruction, its own slots are live whether it is their last or not.
                interfere(seen, &left);
                inst.addresses(|a| a.slot().into_iter().for_each(|s| left[s.0 as usize] -= 1));
            }
        }
    }
    Interference(pairs)
}

/// Places the slots that `wanted` says, sharing memory where they do not interfere.
/// Gives each one's offset from the start, and the size of the whole; offsets are multiples of 8.
pub(super) fn place(
    function: &Function,
    interference: &Interference,
    wanted: impl Fn(usize) -> bool,
) -> (Vec<Option<u32>>, u32) {
    let size = |slot: usize| function.slots.get(slot).map_or(0, |s| s.size.next_multiple_of(8));
    let mut order: Vec<usize> = (0..function.slots.len()).filter(|slot| wanted(*slot)).collect();
    order.sort_by_key(|slot| std::cmp::Reverse(size(*slot)));
    let mut offsets: Vec<Option<u32>> = vec![None; function.slots.len()];
    let mut total = 0;
    for slot in order {
        let mut taken: Vec<(u32, u32)> = interference.0[slot]
            .iter()
            .filter_map(|other| offsets[other].map(|start| (start, start.saturating_add(size(other)))))
            .collect();
        taken.sort_unstable();
        let mut start = 0u32;
        for (other_start, other_end) in taken {
            if other_start >= start.saturating_add(size(slot)) {
                break;
            }
            start = start.max(other_end);
        }
        offsets[slot] = Some(start);
        total = total.max(start.saturating_add(size(slot)));
    }
    (offsets, total)
}
