//! Register allocation: virtual registers get R0 to R9, or 8 bytes of the stack.
//!
//! # Method
//! [`super::liveness`] says at which positions each virtual register holds a needed value, and where the instruction
//! set has R0 to R5 in its own use: arguments from where they are set up to their call, the result until it is copied
//! away, all six across the call itself. Virtual registers are taken in the order of their *weight*, uses per length,
//! those in loops counted more. Each gets a register in which none of its ranges meets a range that is already there:
//! first one that a copy from or to it would like, so that the copy goes away; then R5 to R0; then R6 to R9, the only
//! ones that live across calls.
//!
//! Where registers suffice, both sides of a copy are taken together from the start (a *group*), if their ranges never
//! overlap; if that leaves one without a place, everything is tried with each by itself.
//!
//! One that finds none is *spilled*. If all it ever holds is one constant, that is set again before each use.
//! Otherwise its value lives on the stack: each operation that reads or writes it gets a short-lived register
//! of its own with a load before or a store behind. Then everything is done again with the changed code.
//!
//! # Invariants
//! - The short-lived registers are never spilled again: they come first in the order, and no operation has more
//!   than two at a time beside the fixed ones, while R6 to R9 and R0 remain. So each round spills something of the
//!   original code, and it ends.
//! - Spills are 8 bytes, aligned, loaded and stored whole: so the kernel's verifier keeps what it knows of a value
//!   (that it is a pointer to a map's value, or the context; a number's bounds).
//! - The ranges of two values in one register never overlap. A copy whose both sides share a register does nothing,
//!   and is removed.
//!
//! # Example
//! ```text
//!   v1 = *(u64 *)(r1 + 112)      v1 lives across the call: R6
//!   call 14
//!   v2 = r0                      v2 would like R0, and gets it: the copy goes
//!   v2 += v1                     r0 += r6
//! ```

use std::collections::BTreeMap;

use stapes_bpf::Insn;
use stapes_bpf::insn::Size;

use crate::bits::Bits;

use super::liveness::{Liveness, Range, live_out};
use super::machine::{Code, FRAME, Op, Register, Role};

/// What allocation did to the code, whose registers are all physical afterwards.
pub(super) struct Allocation {
    /// Bytes of the stack for spills: R10 − `spill_base` − `spilled` up to R10 − `spill_base`.
    pub(super) spilled: u32,
}

/// Gives every virtual register of the code a place; `spill_base` bytes of the stack below R10 are taken.
///
/// `None` where that is impossible, which would be a mistake of selection.
pub(super) fn allocate(code: &mut Code, spill_base: u32) -> Option<Allocation> {
    remove_dead(code);
    let mut short = vec![false; code.registers as usize];
    let mut spilled = 0;
    loop {
        let liveness = Liveness::of(code);
        let apart = || Groups::apart(code.registers);
        let joined = assign(code, &liveness, &short, Groups::joined(code, &liveness));
        match joined.or_else(|_| assign(code, &liveness, &short, apart())) {
            Ok(places) => {
                rewrite(code, &places);
                return Some(Allocation { spilled });
            }
            Err(spills) => {
                if spills.iter().any(|v| short[*v as usize]) {
                    return None;
                }
                spilled += spill(code, &liveness, &spills, spill_base + spilled);
                short.resize(code.registers as usize, true);
            }
        }
    }
}

/// Removes pure operations whose results nobody reads: what selection left behind.
///
/// What only a removed operation of the same block reads goes with it. Across blocks the simplification of the IR has
/// been at work.
fn remove_dead(code: &mut Code) {
    let live_out = live_out(code);
    let mut live = Bits::new(code.registers as usize);
    for (block, live_out) in code.blocks.iter_mut().zip(live_out) {
        live.clear();
        live_out.iter().for_each(|v| live.insert(*v as usize));
        block.end.registers(|register| register.index().into_iter().for_each(|v| live.insert(v as usize)));
        let mut kept = Vec::with_capacity(block.ops.len());
        for (op, place) in block.ops.drain(..).rev() {
            let mut needed = !op.is_pure();
            op.registers(|register, role| {
                if role != Role::Read {
                    needed |= register.index().is_none_or(|v| live.contains(v as usize));
                }
            });
            if !needed {
                continue;
            }
            op.registers(|register, role| {
                if let (Some(v), Role::Write | Role::WriteEarly) = (register.index(), role) {
                    live.remove(v as usize);
                }
            });
            op.registers(|register, role| {
                if let (Some(v), Role::Read) = (register.index(), role) {
                    live.insert(v as usize);
                }
            });
            kept.push((op, place));
        }
        kept.reverse();
        block.ops = kept;
    }
}

/// Virtual registers that get one place together.
struct Groups {
    /// For each virtual register the one that stands for its group.
    heads: Vec<u32>,
    /// The ranges of groups of several, by head.
    ranges: BTreeMap<u32, BTreeMap<u32, u32>>,
}

impl Groups {
    /// Each by itself.
    fn apart(registers: u32) -> Groups {
        Groups { heads: (0..registers).collect(), ranges: BTreeMap::new() }
    }

    /// Both sides of copies together, where their ranges allow it.
    fn joined(code: &Code, liveness: &Liveness) -> Groups {
        let mut groups = Groups::apart(code.registers);
        for (op, _) in code.blocks.iter().flat_map(|b| &b.ops) {
            let Some((to, from)) = op.copy() else { continue };
            let Some((to, from)) = to.index().zip(from.index()) else { continue };
            let (one, other) = (groups.head(to), groups.head(from));
            if one != other {
                groups.join(one, other, liveness);
            }
        }
        (0..code.registers).for_each(|v| groups.heads[v as usize] = groups.head(v));
        groups
    }

    /// Makes one group of two if their ranges do not overlap. The smaller is put into the greater, so that a value that
    /// is copied all the time does not cost all its ranges each time.
    fn join(&mut self, one: u32, other: u32, liveness: &Liveness) {
        let count = |v: u32| self.ranges.get(&v).map_or(liveness.ranges[v as usize].len(), BTreeMap::len);
        let (great, small) = if count(one) < count(other) { (other, one) } else { (one, other) };
        let mut ranges = self.ranges.remove(&great).unwrap_or_else(|| of_one(great, liveness));
        if is_free(&ranges, self.ranges(small, liveness)) {
            ranges.extend(self.ranges(small, liveness));
            self.ranges.remove(&small);
            self.heads[small as usize] = great;
        }
        self.ranges.insert(great, ranges);
    }

    fn head(&self, mut v: u32) -> u32 {
        while self.heads[v as usize] != v {
            v = self.heads[v as usize];
        }
        v
    }

    /// The ranges of a group.
    fn ranges<'a>(&'a self, head: u32, liveness: &'a Liveness) -> impl Iterator<Item = Range> + 'a {
        let several = self.ranges.get(&head);
        let one = if several.is_some() { &[] } else { liveness.ranges[head as usize].as_slice() };
        several.into_iter().flatten().map(|(start, end)| (*start, *end)).chain(one.iter().copied())
    }
}

fn of_one(v: u32, liveness: &Liveness) -> BTreeMap<u32, u32> {
    liveness.ranges[v as usize].iter().copied().collect()
}

/// Tries to find a register for each group; the virtual registers that found none otherwise.
fn assign(code: &Code, liveness: &Liveness, short: &[bool], groups: Groups) -> Result<Vec<u8>, Vec<u32>> {
    let mut taken: [BTreeMap<u32, u32>; 10] =
        std::array::from_fn(|r| liveness.fixed[r].iter().copied().collect());
    let weights = weights(code, liveness, short, &groups);
    let copies = copies(code, &groups);
    let heads = (0..code.registers).filter(|v| groups.heads[*v as usize] == *v);
    let mut order: Vec<u32> = heads.filter(|v| !liveness.ranges[*v as usize].is_empty()).collect();
    order.sort_by(|a, b| weights[*b as usize].total_cmp(&weights[*a as usize]).then(a.cmp(b)));
    let mut places = vec![u8::MAX; code.registers as usize];
    let mut spills = Vec::new();
    for v in order {
        let others = |v: u32| {
            let from = copies.partition_point(|(head, _)| *head < v);
            copies[from..].iter().take_while(move |(head, _)| *head == v).map(|(_, other)| other)
        };
        let physical = |v: u32| others(v).filter_map(Register::number);
        let partners = || others(v).filter_map(Register::index);
        let placed = partners().map(|other| places[other as usize]);
        let liked = physical(v).chain(placed).chain(partners().flat_map(physical)).filter(|r| *r < 10);
        let place = liked.chain(ORDER).find(|r| is_free(&taken[usize::from(*r)], groups.ranges(v, liveness)));
        match place {
            Some(place) => {
                taken[usize::from(place)].extend(groups.ranges(v, liveness));
                places[v as usize] = place;
            }
            None => spills.push(v),
        }
    }
    (0..places.len()).for_each(|v| places[v] = places[groups.heads[v] as usize]);
    if spills.is_empty() { Ok(places) } else { Err(spills) }
}

/// The order in which registers are tried. The first arguments' come late: copies will like those.
const ORDER: [u8; 10] = [5, 4, 3, 2, 1, 0, 6, 7, 8, 9];

/// Whether none of the ranges overlaps one that is taken.
fn is_free(taken: &BTreeMap<u32, u32>, mut ranges: impl Iterator<Item = Range>) -> bool {
    ranges.all(|(start, end)| taken.range(..end).next_back().is_none_or(|(_, taken_end)| *taken_end <= start))
}

/// How much each group is worth a place, by head: accesses, tenfold in each loop around them, per position.
fn weights(code: &Code, liveness: &Liveness, short: &[bool], groups: &Groups) -> Vec<f64> {
    let mut weights = vec![0.0; code.registers as usize];
    let frequencies = frequencies(code);
    for (block, frequency) in code.blocks.iter().zip(frequencies) {
        let mut count = |register: Register| {
            if let Register::Virtual(v) = register {
                weights[groups.heads[v as usize] as usize] += frequency;
            }
        };
        for (op, _) in &block.ops {
            op.registers(|register, _| count(register));
        }
        block.end.registers(count);
    }
    for (v, weight) in weights.iter_mut().enumerate() {
        let length: u32 = groups.ranges(v as u32, liveness).map(|(start, end)| end - start).sum();
        *weight /= f64::from(length.max(1));
    }
    for v in (0..short.len()).filter(|v| short[*v]) {
        weights[groups.heads[v] as usize] = f64::INFINITY;
    }
    weights
}

/// How often each block runs, by the loops around it in the order of the code.
fn frequencies(code: &Code) -> Vec<f64> {
    let mut depth = vec![0i32; code.blocks.len() + 1];
    for (from, block) in code.blocks.iter().enumerate() {
        for to in block.end.successors().filter(|to| *to <= from) {
            depth[to] += 1;
            depth[from + 1] -= 1;
        }
    }
    let mut current = 0;
    let depths = depth.iter().take(code.blocks.len());
    depths
        .map(|change| {
            current += change;
            10f64.powi(current.min(6))
        })
        .collect()
}

/// What groups are copied from or to outside of themselves: (head, other side), sorted.
fn copies(code: &Code, groups: &Groups) -> Vec<(u32, Register)> {
    let mut copies = Vec::new();
    let head = |register: Register| match register {
        Register::Virtual(v) => Register::Virtual(groups.heads[v as usize]),
        physical => physical,
    };
    for (op, _) in code.blocks.iter().flat_map(|b| &b.ops) {
        let Some((to, from)) = op.copy() else { continue };
        let (to, from) = (head(to), head(from));
        if to != from {
            copies.extend(to.index().map(|v| (v, from)));
            copies.extend(from.index().map(|v| (v, to)));
        }
    }
    copies.sort_by_key(|(v, _)| *v);
    copies
}

/// Takes virtual registers out of the code; how many bytes of the stack that took.
fn spill(code: &mut Code, liveness: &Liveness, spills: &[u32], base: u32) -> u32 {
    let constants = constants(code);
    let mut homes: Vec<Option<Home>> = vec![None; code.registers as usize];
    // Which spills stand in each 8 bytes: those whose ranges do not meet share.
    let mut rooms: Vec<BTreeMap<u32, u32>> = Vec::new();
    for v in spills {
        let constant = constants.get(*v as usize).cloned().flatten();
        homes[*v as usize] = Some(match constant {
            Some(op) => Home::Again(op),
            None => {
                let ranges = &liveness.ranges[*v as usize];
                let free = |room: &BTreeMap<u32, u32>| is_free(room, ranges.iter().copied());
                let room = rooms.iter().position(free).unwrap_or(rooms.len());
                if room == rooms.len() {
                    rooms.push(BTreeMap::new());
                }
                rooms[room].extend(ranges.iter().copied());
                Home::Stack(-((base + 8 * (room as u32 + 1)) as i16))
            }
        });
    }
    for index in 0..code.blocks.len() {
        let ops = std::mem::take(&mut code.blocks[index].ops);
        let mut out = Vec::with_capacity(ops.len());
        for (op, place) in ops {
            spill_op(op, place, &homes, &mut code.registers, &mut out);
        }
        let place = out.last().map_or(0, |(_, place)| *place);
        code.blocks[index].end.registers_mut(|register| {
            if let Some((home, t)) = short_lived(*register, &homes, &mut code.registers) {
                out.push((home.load(t), place));
                *register = t;
            }
        });
        code.blocks[index].ops = out;
    }
    8 * rooms.len() as u32
}

/// Where a spilled value is.
#[derive(Clone)]
enum Home {
    /// At this offset from R10.
    Stack(i16),
    /// Nowhere: this operation makes it.
    Again(Op),
}

impl Home {
    fn load(&self, dst: Register) -> Op {
        match self {
            Home::Stack(offset) => Op::plain(Insn::load(Size::B8, 0, 0, *offset), dst, Some(FRAME)),
            Home::Again(op) => {
                let mut op = op.clone();
                op.registers_mut(|register| *register = dst);
                op
            }
        }
    }

    fn store(&self, src: Register) -> Option<Op> {
        match self {
            Home::Stack(offset) => Some(Op::plain(Insn::store(Size::B8, 0, *offset, 0), FRAME, Some(src))),
            Home::Again(_) => None,
        }
    }
}

fn short_lived<'a>(
    register: Register,
    homes: &'a [Option<Home>],
    registers: &mut u32,
) -> Option<(&'a Home, Register)> {
    let Register::Virtual(v) = register else { return None };
    let home = homes.get(v as usize)?.as_ref()?;
    *registers += 1;
    Some((home, Register::Virtual(*registers - 1)))
}

fn spill_op(op: Op, place: u32, homes: &[Option<Home>], registers: &mut u32, out: &mut Vec<(Op, u32)>) {
    let home = |register: Register| match register {
        Register::Virtual(v) => homes.get(v as usize).and_then(Option::as_ref),
        Register::Physical(_) => None,
    };
    if let Some((to, from)) = op.copy() {
        // A copy with one side on the stack is the load or store itself.
        match (home(to), home(from)) {
            (None, None) => out.push((op, place)),
            (Some(Home::Again(_)), _) => {}
            (Some(to), None) => out.extend(to.store(from).map(|op| (op, place))),
            (None, Some(from)) => out.push((from.load(to), place)),
            (Some(to), Some(from)) => {
                *registers += 1;
                let t = Register::Virtual(*registers - 1);
                out.push((from.load(t), place));
                out.extend(to.store(t).map(|op| (op, place)));
            }
        }
        return;
    }
    let mut replaced: Vec<(Register, Register)> = Vec::new();
    let mut op = op;
    op.registers_mut(|register| {
        if let Some((_, t)) = replaced.iter().find(|(old, _)| old == register) {
            *register = *t;
        } else if let Some((_, t)) = short_lived(*register, homes, registers) {
            replaced.push((*register, t));
            *register = t;
        }
    });
    let (mut before, mut behind) = (Vec::new(), Vec::new());
    let mut made_again = false;
    op.registers(|register, role| {
        let Some((old, t)) = replaced.iter().find(|(_, t)| *t == register) else { return };
        let Some(home) = home(*old) else { return };
        if role != Role::Read {
            behind.extend(home.store(*t));
            made_again |= matches!(home, Home::Again(_));
        } else if !before.iter().any(|(t, _)| t == &register) {
            before.push((register, home.load(*t)));
        }
    });
    // What is made again at each use need not be made here.
    if made_again {
        return;
    }
    out.extend(before.into_iter().map(|(_, op)| (op, place)));
    out.push((op, place));
    out.extend(behind.into_iter().map(|op| (op, place)));
}

/// For each virtual register the operation that makes it, where that is its only one and gives a constant.
fn constants(code: &Code) -> Vec<Option<Op>> {
    let mut writes = vec![0u32; code.registers as usize];
    let mut constants = vec![None; code.registers as usize];
    for (op, _) in code.blocks.iter().flat_map(|b| &b.ops) {
        op.registers(|register, role| {
            if let (Register::Virtual(v), Role::Write | Role::WriteEarly) = (register, role) {
                writes[v as usize] += 1;
                constants[v as usize] = op.is_constant().then(|| op.clone());
            }
        });
    }
    constants.iter_mut().zip(writes).filter(|(_, n)| *n != 1).for_each(|(constant, _)| *constant = None);
    constants
}

/// Puts the places into the code and removes copies that do nothing.
fn rewrite(code: &mut Code, places: &[u8]) {
    let put = |register: &mut Register| {
        if let Register::Virtual(v) = *register {
            // A register without a place is never live.
            *register = Register::Physical(places[v as usize].min(9));
        }
    };
    for block in &mut code.blocks {
        for (op, _) in &mut block.ops {
            op.registers_mut(put);
        }
        block.ops.retain(|(op, _)| op.copy().is_none_or(|(to, from)| to != from));
        block.end.registers_mut(put);
    }
}
