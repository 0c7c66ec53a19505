//! The verifier of the IR: what lowering promises and emission relies on.
//!
//! Invariants, for each [`Function`]:
//! 1. There is a block 0. Every block that is named exists, every register is below `registers`, every slot exists
//!    and its size is a multiple of 8.
//! 2. A register is assigned on every way from the entry before it is read.
//! 3. An access to a slot without an index stays within the slot; an access to the context only reads.
//! 4. Calls have at most five arguments; atomic operations have 4 or 8 bytes.
//!
//! Null checks and the bounds of loops are the kernel's verifier to see.

use std::fmt;

use crate::bits::Bits;

use super::{Base, Function, Inst, Reg, Terminator, Value, Width};

/// Which rule is broken, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VerifyError {
    /// The block, and the index of the instruction in it (the number of instructions: its terminator).
    pub place: (usize, usize),
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{} at {}: {}", self.place.0, self.place.1, self.reason)
    }
}

impl std::error::Error for VerifyError {}

/// Checks a function.
///
/// # Errors
/// The first rule that is broken.
pub fn verify(function: &Function) -> Result<(), VerifyError> {
    let at = |block, inst| move |reason| VerifyError { place: (block, inst), reason };
    ensure(!function.blocks.is_empty(), || "no blocks".into()).map_err(at(0, 0))?;
    for (index, slot) in function.slots.iter().enumerate() {
        let aligned = slot.size.is_multiple_of(8);
        ensure(aligned, || format!("slot s{index} has {} bytes", slot.size)).map_err(at(0, 0))?;
    }
    for (index, block) in function.blocks.iter().enumerate() {
        for (place, (inst, _)) in block.insts.iter().enumerate() {
            check_inst(function, inst).map_err(at(index, place))?;
        }
        check_end(function, &block.end).map_err(at(index, block.insts.len()))?;
    }
    check_assigned(function)
}

fn check_inst(function: &Function, inst: &Inst) -> Result<(), String> {
    let mut result = Ok(());
    let mut check = |holds: bool, reason: &dyn Fn() -> String| {
        if !holds && result.is_ok() {
            result = Err(reason());
        }
    };
    inst.def()
        .into_iter()
        .for_each(|reg| check(reg.0 < function.registers, &|| format!("{reg} does not exist")));
    inst.uses(|reg| check(reg.0 < function.registers, &|| format!("{reg} does not exist")));
    let length = accessed(inst);
    let reads = matches!(inst, Inst::Load { .. } | Inst::Call { .. } | Inst::AddressOf { .. });
    inst.addresses(|address| match address.base {
        Base::Slot(slot) => match function.slots.get(slot.0 as usize) {
            None => check(false, &|| format!("{slot} does not exist")),
            Some(size) => {
                let end = i64::from(address.offset) + i64::from(length);
                let inside = address.offset >= 0 && end <= i64::from(size.size);
                check(inside || address.index.is_some(), &|| format!("{address} is outside of {slot}"));
            }
        },
        Base::Context => check(reads, &|| "the context cannot be written".to_owned()),
        Base::Reg(_) => {}
    });
    match inst {
        Inst::Call { arguments, .. } => {
            check(arguments.len() <= 5, &|| "more than five arguments".to_owned())
        }
        Inst::AtomicAdd { width, .. } => {
            check(matches!(width, Width::B4 | Width::B8), &|| "an atomic operation on few bytes".to_owned());
        }
        _ => {}
    }
    result
}

/// How many bytes behind its address an instruction is known to access.
fn accessed(inst: &Inst) -> u32 {
    match inst {
        Inst::Load { width, .. } | Inst::Store { width, .. } | Inst::AtomicAdd { width, .. } => width.bytes(),
        Inst::CompareExchange { .. } => 8,
        Inst::Zero { length, .. } | Inst::Copy { length, .. } => *length,
        Inst::StoreBytes { bytes, .. } => bytes.len() as u32,
        _ => 0,
    }
}

fn check_end(function: &Function, end: &Terminator) -> Result<(), String> {
    for to in end.successors() {
        ensure((to.0 as usize) < function.blocks.len(), || format!("{to} does not exist"))?;
    }
    for reg in end.values().filter_map(Value::register) {
        ensure(reg.0 < function.registers, || format!("{reg} does not exist"))?;
    }
    Ok(())
}

/// Rule 2: forwards over the blocks, keeping what is assigned on every way to each.
///
/// Only registers that some block reads before it assigns them need the search; they have dense numbers in it.
fn check_assigned(function: &Function) -> Result<(), VerifyError> {
    let mut numbers: Vec<Option<usize>> = vec![None; function.registers as usize];
    let mut count = 0;
    each_exposed(function, |reg, _| {
        numbers[reg.0 as usize].get_or_insert_with(|| {
            count += 1;
            count - 1
        });
    });
    // `None`: not reached yet.
    let mut entered: Vec<Option<Bits>> = vec![None; function.blocks.len()];
    entered[0] = Some(Bits::new(count));
    let mut assigned = Bits::new(count);
    loop {
        let mut changed = false;
        for (index, block) in function.blocks.iter().enumerate() {
            let Some(at_entry) = &entered[index] else { continue };
            assigned.clone_from(at_entry);
            for reg in block.insts.iter().filter_map(|(inst, _)| inst.def()) {
                numbers[reg.0 as usize].into_iter().for_each(|n| assigned.insert(n));
            }
            for next in block.end.successors() {
                match &mut entered[next.0 as usize] {
                    Some(known) => changed |= known.intersect(&assigned),
                    unseen => {
                        *unseen = Some(assigned.clone());
                        changed = true;
                    }
                }
            }
        }
        if !changed {
            break;
        }
    }
    let mut result = Ok(());
    each_exposed(function, |reg, place| {
        let known = entered[place.0].as_ref().zip(numbers[reg.0 as usize]);
        if result.is_ok() && known.is_some_and(|(assigned, n)| !assigned.contains(n)) {
            let reason = format!("{reg} is read and not assigned on every way");
            result = Err(VerifyError { place, reason });
        }
    });
    result
}

/// Calls `f` with every read of a register that its block has not assigned before, and its place.
fn each_exposed(function: &Function, mut f: impl FnMut(Reg, (usize, usize))) {
    // The last block that assigned each register, while walking through it.
    let mut assigned_in: Vec<usize> = vec![usize::MAX; function.registers as usize];
    for (index, block) in function.blocks.iter().enumerate() {
        for (place, (inst, _)) in block.insts.iter().enumerate() {
            inst.uses(|reg| {
                if assigned_in[reg.0 as usize] != index {
                    f(reg, (index, place));
                }
            });
            inst.def().into_iter().for_each(|reg| assigned_in[reg.0 as usize] = index);
        }
        let reads = block.end.values().filter_map(Value::register);
        reads
            .filter(|reg| assigned_in[reg.0 as usize] != index)
            .for_each(|reg| f(reg, (index, block.insts.len())));
    }
}

fn ensure(holds: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(reason()) }
}
