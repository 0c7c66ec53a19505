//! Emission: IR becomes eBPF.
//!
//! ```text
//! simplify ─ legalize ─ slots, scratch ─ select ─ allocate ─ layout
//! IR       │ IR       │ IR              │ IR → machine code over virtual registers
//!                                                 │ → R0 to R10, spills   │ → instructions
//! ```
//!
//! Everything about a program is decided from its function and the [`Target`]; the same input gives the same bytes.

mod alignment;
mod allocate;
mod dominators;
mod layout;
mod legalize;
mod liveness;
mod machine;
mod scratch;
mod select;
mod simplify;
mod slots;
mod widen;

use stapes_bpf::{LossCause, Map, MapKind, MapRole, Object, Program};

use crate::ast::Span;
use crate::catalog::Target;
use crate::diagnostics::{self, Diagnostic};
use crate::ir::verify::verify;
use crate::ir::{Function, MapId, Module};

/// Bytes of stack that the kernel gives a program (`MAX_BPF_STACK`).
const STACK: u32 = 512;

/// The most bytes of one entry of a per-CPU map (`PCPU_MIN_UNIT_SIZE` of the kernel), and the reach of an offset.
const MAX_PIECE: u32 = 32 << 10;

/// Makes the object: every function becomes a program, and the tables get what only emission knows.
///
/// # Errors
/// A program that needs more memory than there is, with the place in the source that asks for it.
pub fn emit_module(module: Module, target: &Target) -> Result<Object, Vec<Diagnostic>> {
    let Module { functions, maps, images, attachments, events, losses, probes } = module;
    let mut object = Object { maps, images, attachments, events, losses, probes, ..Object::default() };
    let mut errors = Vec::new();
    for mut function in functions {
        if let Err(error) = verify(&function) {
            let (block, inst) = error.place;
            let span = function.blocks.get(block).and_then(|b| b.insts.get(inst));
            let span = span.map_or_else(|| place_of(&function), |(_, span)| *span);
            errors.push(diagnostics::internal(span, &format!("`{}`: {error}", function.name)));
            continue;
        }
        simplify::simplify(&mut function);
        legalize::legalize(&mut function, target);
        match emit_function(&function, target, &mut object) {
            Ok(program) => object.programs.push(program),
            Err(error) => errors.push(error),
        }
    }
    let causes = object.losses.len() as u32;
    if let Some(lost) = object.maps.iter_mut().find(|map| map.role == MapRole::Lost) {
        lost.max_entries = causes.max(1);
    }
    if errors.is_empty() { Ok(object) } else { Err(errors) }
}

/// Emits one function.
///
/// How much of the stack spills take is known only at the end.
/// If slots and spills together do not fit, more slots move to scratch memory and it is done again.
fn emit_function(function: &Function, target: &Target, object: &mut Object) -> Result<Program, Diagnostic> {
    let mut for_spills = 0;
    loop {
        let mut work = function.clone();
        let moved = divide(function, STACK.saturating_sub(for_spills))?;
        if moved.size > 0 {
            let maps = scratch_maps(object, scratch::FLAG + moved.size);
            scratch::claim(&mut work, &moved.places, &maps);
            simplify::simplify(&mut work);
        }
        widen::widen(&mut work, target);
        let interference = slots::interference(&work);
        let stays = |slot: usize| moved.places.get(slot).is_none_or(Option::is_none);
        let (offsets, size) = slots::place(&work, &interference, stays);
        let stack: Vec<i16> = offsets.iter().map(|o| (o.unwrap_or(0) as i32 - size as i32) as i16).collect();

        let mut kfuncs = std::mem::take(&mut object.kfuncs);
        let selection = select::Selection { target, stack: &stack, kfuncs: &mut kfuncs };
        let mut code = select::select(&work, selection);
        object.kfuncs = kfuncs;
        let span = place_of(function);
        let Some(allocation) = allocate::allocate(&mut code, size) else {
            return Err(diagnostics::internal(span, &format!("no registers for `{}`", function.name)));
        };
        if size + allocation.spilled <= STACK {
            let laid = layout::lay_out(&code, target.bpf_v4);
            let (insns, lines) = laid.map_err(|_| diagnostics::program_too_long(span, &function.name))?;
            let (name, kind, sleepable) = (function.name.clone(), function.kind, function.sleepable);
            return Ok(Program { name, kind, sleepable, insns, lines });
        }
        if for_spills >= STACK {
            return Err(diagnostics::internal(span, &format!("no registers for `{}`", function.name)));
        }
        for_spills = (for_spills + 8).max(allocation.spilled);
    }
}

/// Slots that do not stay on the stack.
struct Moved {
    /// For each slot its offset in a piece of scratch memory behind the flag, if it moves there.
    places: Vec<Option<u32>>,
    /// Bytes behind the flag.
    size: u32,
}

/// Decides which slots stay on the stack, of which they may use `room` bytes: the greatest go first.
fn divide(function: &Function, room: u32) -> Result<Moved, Diagnostic> {
    let interference = slots::interference(function);
    let mut goes = vec![false; function.slots.len()];
    loop {
        let any = goes.contains(&true);
        let (_, size) = slots::place(function, &interference, |slot| !goes[slot]);
        // A claim needs a key on the stack.
        if size + if any { 8 } else { 0 } <= room {
            break;
        }
        let stays = (0..goes.len()).filter(|slot| !goes[*slot]);
        match stays.max_by_key(|slot| function.slots[*slot].size) {
            Some(slot) => goes[slot] = true,
            None => break,
        }
    }
    let (places, size) = slots::place(function, &interference, |slot| goes[slot]);
    if scratch::FLAG.saturating_add(size) > MAX_PIECE {
        let greatest = (0..goes.len()).max_by_key(|slot| function.slots[*slot].size).unwrap_or(0);
        return Err(diagnostics::too_much_memory(
            first_access(function, greatest),
            size,
            MAX_PIECE - scratch::FLAG,
        ));
    }
    Ok(Moved { places, size })
}

/// The maps that a claim of a piece of `size` bytes needs, added or enlarged where that is due.
fn scratch_maps(object: &mut Object, size: u32) -> scratch::Maps {
    let loss = match object.losses.iter().position(|cause| *cause == LossCause::ScratchBusy) {
        Some(index) => index,
        None => {
            object.losses.push(LossCause::ScratchBusy);
            object.losses.len() - 1
        }
    };
    let lost = find_or_add(object, "lost", MapRole::Lost, 8);
    let scratch = find_or_add(object, "scratch", MapRole::Scratch, size);
    if let Some(map) = object.maps.get_mut(scratch) {
        map.max_entries = scratch::PIECES;
        map.value_size = map.value_size.max(size);
    }
    scratch::Maps { scratch: MapId(scratch as u32), lost: MapId(lost as u32), loss: loss as u32 }
}

fn find_or_add(object: &mut Object, name: &str, role: MapRole, value_size: u32) -> usize {
    if let Some(index) = object.maps.iter().position(|map| map.role == role) {
        return index;
    }
    let name = name.to_owned();
    object.maps.push(Map { name, kind: MapKind::PerCpuArray, key_size: 4, value_size, max_entries: 1, role });
    object.maps.len() - 1
}

/// Where a slot is accessed first.
fn first_access(function: &Function, slot: usize) -> Span {
    let insts = function.blocks.iter().flat_map(|b| &b.insts);
    let mut accesses = insts.filter(|(inst, _)| {
        let mut found = false;
        inst.addresses(|address| found |= address.slot().is_some_and(|s| s.0 as usize == slot));
        found
    });
    accesses.next().map_or_else(|| place_of(function), |(_, span)| *span)
}

/// Where a function comes from, roughly.
fn place_of(function: &Function) -> Span {
    let mut insts = function.blocks.iter().flat_map(|b| &b.insts);
    insts.next().map_or(Span::default(), |(_, span)| *span)
}
