//! Where each register holds a value that is still needed: ranges of positions in the order of the code.
//!
//! Operation number *i*, counted over all blocks with each block's end as one more, reads at position 2*i* and writes
//! at 2*i* + 1. A range is half open. A value that is written by 3 and last read by 7 is live in [7, 15):
//! operation 7 may write its own result to the same register, which starts at 15.

use super::machine::{Code, Register, Role};
use crate::bits::Bits;

/// A half-open range of positions.
pub(super) type Range = (u32, u32);

/// The ranges of all registers of a function.
pub(super) struct Liveness {
    /// For each virtual register its ranges in ascending order, not touching.
    pub(super) ranges: Vec<Vec<Range>>,
    /// For R0 to R9 where they are in use as such.
    pub(super) fixed: [Vec<Range>; 10],
}

impl Liveness {
    /// Computes them.
    pub(super) fn of(code: &Code) -> Liveness {
        let live_out = live_out(code);
        let mut liveness = Liveness {
            ranges: vec![Vec::new(); code.registers as usize],
            fixed: std::array::from_fn(|_| Vec::new()),
        };
        let starts: Vec<u32> = code
            .blocks
            .iter()
            .scan(0, |next, block| {
                let start = *next;
                *next += block.ops.len() as u32 + 1;
                Some(start)
            })
            .collect();
        // Where the value that is live below the current position is last read, + 1.
        let mut open: Vec<Option<u32>> = vec![None; code.registers as usize];
        let mut open_fixed: [Option<u32>; 10] = [None; 10];
        for (index, block) in code.blocks.iter().enumerate().rev() {
            let start = 2 * starts[index];
            let end = start + 2 * (block.ops.len() as u32 + 1);
            let mut touched: Vec<usize> = live_out[index].iter().map(|v| *v as usize).collect();
            touched.iter().for_each(|register| open[*register] = Some(end));
            let last = end - 2;
            block.end.registers(|register| read(register, last, &mut open, &mut open_fixed, &mut touched));
            for (offset, (op, _)) in block.ops.iter().enumerate().rev() {
                let at = start + 2 * offset as u32;
                op.registers(|register, role| {
                    let from = match role {
                        Role::Write => at + 1,
                        Role::WriteEarly => at,
                        Role::Read => return,
                    };
                    match register {
                        Register::Virtual(v) => {
                            let to = open[v as usize].take().unwrap_or(at + 2);
                            liveness.ranges[v as usize].push((from, to));
                        }
                        Register::Physical(r) => {
                            if let Some(open) = open_fixed.get_mut(usize::from(r)) {
                                let to = open.take().unwrap_or(at + 2);
                                liveness.fixed[usize::from(r)].push((from, to));
                            }
                        }
                    }
                });
                op.registers(|register, role| {
                    if role == Role::Read {
                        read(register, at, &mut open, &mut open_fixed, &mut touched);
                    }
                });
            }
            for register in touched {
                if let Some(to) = open[register].take() {
                    liveness.ranges[register].push((start, to));
                }
            }
            for (register, open) in open_fixed.iter_mut().enumerate() {
                // Only R1 at the entry.
                if let Some(to) = open.take() {
                    liveness.fixed[register].push((start, to));
                }
            }
        }
        liveness.ranges.iter_mut().chain(&mut liveness.fixed).for_each(merge);
        liveness
    }
}

fn read(
    register: Register,
    at: u32,
    open: &mut [Option<u32>],
    open_fixed: &mut [Option<u32>; 10],
    touched: &mut Vec<usize>,
) {
    match register {
        Register::Virtual(v) => {
            open[v as usize].get_or_insert(at + 1);
            touched.push(v as usize);
        }
        Register::Physical(r) => {
            if let Some(open) = open_fixed.get_mut(usize::from(r)) {
                open.get_or_insert(at + 1);
            }
        }
    }
}

/// Sorts ranges and joins those that touch or overlap.
fn merge(ranges: &mut Vec<Range>) {
    ranges.sort_unstable();
    let mut merged: Vec<Range> = Vec::with_capacity(ranges.len());
    for (start, end) in ranges.drain(..) {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    *ranges = merged;
}

/// For each block the virtual registers whose values are needed behind it.
///
/// Most registers are written and read in one block only. Just those that some block reads before it writes them take
/// part in the search, under dense numbers.
pub(super) fn live_out(code: &Code) -> Vec<Vec<u32>> {
    let mut numbers: Vec<u32> = vec![u32::MAX; code.registers as usize];
    let mut globals: Vec<u32> = Vec::new();
    // The last block that wrote each register, while walking through it.
    let mut written_in: Vec<usize> = vec![usize::MAX; code.registers as usize];
    for (index, block) in code.blocks.iter().enumerate() {
        let mut read = |register: Register, written_in: &[usize]| {
            if let Some(v) = register.index().filter(|v| written_in[*v as usize] != index)
                && numbers[v as usize] == u32::MAX
            {
                numbers[v as usize] = globals.len() as u32;
                globals.push(v);
            }
        };
        for (op, _) in &block.ops {
            op.registers(|register, role| {
                if role == Role::Read {
                    read(register, &written_in);
                }
            });
            op.registers(|register, role| {
                if let (Some(v), Role::Write | Role::WriteEarly) = (register.index(), role) {
                    written_in[v as usize] = index;
                }
            });
        }
        block.end.registers(|register| read(register, &written_in));
    }
    let number = |register: Register| {
        let number = numbers[register.index()? as usize];
        (number != u32::MAX).then_some(number as usize)
    };
    // Read before written, and written, in each block.
    let mut needed: Vec<Bits> = vec![Bits::new(globals.len()); code.blocks.len()];
    let mut written: Vec<Bits> = needed.clone();
    for (index, block) in code.blocks.iter().enumerate() {
        let (reads, writes) = (&mut needed[index], &mut written[index]);
        for (op, _) in &block.ops {
            op.registers(|register, role| {
                if role == Role::Read {
                    number(register)
                        .filter(|n| !writes.contains(*n))
                        .into_iter()
                        .for_each(|n| reads.insert(n));
                }
            });
            op.registers(|register, role| {
                if role != Role::Read {
                    number(register).into_iter().for_each(|n| writes.insert(n));
                }
            });
        }
        block.end.registers(|register| {
            number(register).filter(|n| !writes.contains(*n)).into_iter().for_each(|n| reads.insert(n));
        });
    }
    let mut live: Vec<Bits> = vec![Bits::new(globals.len()); code.blocks.len()];
    let mut incoming = Bits::new(globals.len());
    loop {
        let mut changed = false;
        for (index, block) in code.blocks.iter().enumerate().rev() {
            for next in block.end.successors() {
                incoming.clone_from(&live[next]);
                incoming.subtract(&written[next]);
                incoming.union(&needed[next]);
                changed |= live[index].union(&incoming);
            }
        }
        if !changed {
            return live.iter().map(|bits| bits.iter().map(|n| globals[n]).collect()).collect();
        }
    }
}
