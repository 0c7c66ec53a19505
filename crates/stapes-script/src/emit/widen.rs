//! Constant keys of arrays stored as 8 bytes rather than 4, for the sake of the verifier.
//!
//! The kernel's verifier leaves a state alone when it has seen one like it at the same place. It compares only what may
//! still be read, in units of 8 bytes of stack, and a store of fewer bytes does not end the life of what such a unit
//! held before. So after `*(u32 *)(r10 - 8) = 1` states that differ only in the *previous* key stay apart.
//! A store of all 8 bytes ends that, and is the same to whoever reads the 4 bytes of the key.
//! (Of a row of `printf` with a look-up on its way out, the verifier walks half as many instructions.)

use stapes_binary::Arch;

use crate::catalog::Target;
use crate::ir::{Address, Argument, Function, Inst, Value, Width};

/// Widens constant stores to slots of 8 bytes that are only ever the key of a call.
pub(super) fn widen(function: &mut Function, target: &Target) {
    let mut keys: Vec<bool> = function.slots.iter().map(|slot| slot.size == 8).collect();
    let is_start = |address: &Address| address.offset == 0 && address.index.is_none();
    for (inst, _) in function.blocks.iter().flat_map(|b| &b.insts) {
        let fits = match inst {
            Inst::Store { to, width: Width::B4, .. } => is_start(to),
            Inst::Call { arguments, .. } => arguments.iter().all(|argument| match argument {
                Argument::Address(address) => is_start(address),
                Argument::Value(_) | Argument::Map(_) => true,
            }),
            _ => false,
        };
        if !fits {
            inst.addresses(|a| a.slot().into_iter().for_each(|slot| keys[slot.0 as usize] = false));
        }
    }
    let big_endian = target.arch == Arch::S390x;
    for (inst, _) in function.blocks.iter_mut().flat_map(|b| &mut b.insts) {
        if let Inst::Store { to, src: Value::Imm(key), width: width @ Width::B4 } = inst
            && to.slot().is_some_and(|slot| keys[slot.0 as usize])
        {
            let key_bits = *key & 0xffff_ffff;
            *key = if big_endian { key_bits << 32 } else { key_bits };
            *width = Width::B8;
        }
    }
}
