//! The code of arm64 functions, by fixed words: what is looked for has one encoding each, so no decoder is needed.
//!
//! A return is the word `ret` (of x30) and no other: `ret xN` is how the Go compiler jumps to another function
//! that returns in its stead. Encodings are those of the Arm Architecture Reference Manual, C4.1.

use super::code::{ArgumentRegister, Code, Place, Saved, cost};
use crate::{Arch, FileOff, Vaddr};

const RET: u32 = 0xd65f_03c0;
const STACK_POINTER: u32 = 31;
/// Words in which a stack check ends; a large frame takes some to make its size.
const CHECK: usize = 12;
/// Words of the code that grows the stack.
const GROW: usize = 64;

/// As [`super::code::look`].
pub(super) fn look(entry: Vaddr, bytes: &[u8], offset: Option<FileOff>) -> Code {
    let words: Vec<u32> = bytes.as_chunks().0.iter().map(|w| u32::from_le_bytes(*w)).collect();
    let address = |at: usize| entry.0.wrapping_add(4 * at as u64);
    let place = |at: usize| Place {
        address: Vaddr(address(at)),
        file_offset: offset.and_then(|o| o.0.checked_add(4 * at as u64)).map(FileOff),
        cost: cost(Arch::Aarch64, &bytes[4 * at..]),
    };
    let mut code = Code::default();
    let mut start = 0;
    for (at, word) in words.iter().take(CHECK).enumerate() {
        let Some(condition) = conditional(*word) else {
            if matches!(flow(*word), Flow::Next) {
                continue;
            }
            break;
        };
        let target = at as i64 + branch_offset(*word);
        // LS of the check itself, LO of the check for overflow before it.
        if matches!(condition, 9 | 3)
            && let Some(saved) = usize::try_from(target).ok().and_then(|t| grows(&words, t))
        {
            start = at + 1;
            code.grow = Some(Vaddr(address(target as usize)));
            code.saved = saved;
            if condition == 9 {
                break;
            }
        }
    }
    code.start = (!words.is_empty()).then_some(start).filter(|s| *s < words.len()).map(place);
    for (at, word) in words.iter().enumerate() {
        match flow(*word) {
            Flow::Return => code.returns.push(place(at)),
            Flow::ReturnElsewhere => code.tail_calls.push(place(at)),
            Flow::Jump(distance) => {
                let target = at as i64 + distance;
                if target < 0 || target >= words.len() as i64 {
                    code.tail_calls.push(place(at));
                }
                code.start_repeats |= target == start as i64;
            }
            Flow::ConditionalJump(distance) => code.start_repeats |= at as i64 + distance == start as i64,
            Flow::Call | Flow::Next => {}
        }
    }
    code
}

/// Whether the kernel does what the instruction does rather than stepping over a copy.
pub(super) fn is_emulated(word: u32) -> bool {
    const NOP: u32 = 0xd503_201f;
    // LDR and LDRSW of a literal, ADR and ADRP, BR.
    let literal = word & 0xbf00_0000 == 0x1800_0000 || word & 0xff00_0000 == 0x9800_0000;
    let address = word & 0x1f00_0000 == 0x1000_0000;
    let register = word & 0xffff_fc1f == 0xd61f_0000;
    word == NOP || literal || address || register || !matches!(flow(word), Flow::Next)
}

enum Flow {
    Next,
    Call,
    Return,
    /// `ret` of another register than x30.
    ReturnElsewhere,
    /// To so many words from here.
    Jump(i64),
    ConditionalJump(i64),
}

fn flow(word: u32) -> Flow {
    match word {
        RET => Flow::Return,
        // RET Xn
        w if w & 0xffff_fc1f == 0xd65f_0000 => Flow::ReturnElsewhere,
        // B, BL
        w if w & 0xfc00_0000 == 0x1400_0000 => Flow::Jump(signed(w, 0, 26)),
        w if w & 0xfc00_0000 == 0x9400_0000 => Flow::Call,
        // BLR
        w if w & 0xffff_fc1f == 0xd63f_0000 => Flow::Call,
        // B.cond, CBZ and CBNZ
        w if w & 0xff00_0010 == 0x5400_0000 || w & 0x7e00_0000 == 0x3400_0000 => {
            Flow::ConditionalJump(signed(w, 5, 19))
        }
        // TBZ and TBNZ
        w if w & 0x7e00_0000 == 0x3600_0000 => Flow::ConditionalJump(signed(w, 5, 14)),
        _ => Flow::Next,
    }
}

/// The condition of a `b.cond`.
fn conditional(word: u32) -> Option<u32> {
    (word & 0xff00_0010 == 0x5400_0000).then_some(word & 15)
}

fn branch_offset(word: u32) -> i64 {
    signed(word, 5, 19)
}

/// The signed field of `width` bits from bit `low` on.
fn signed(word: u32, low: u32, width: u32) -> i64 {
    i64::from((word << (32 - low - width)) as i32 >> (32 - width))
}

/// What the code at `target` saves, if it is code that grows the stack: a call, and a jump to the entry.
fn grows(words: &[u32], target: usize) -> Option<Vec<Saved>> {
    let mut saved = Vec::new();
    let mut called = false;
    for (at, word) in words.iter().enumerate().skip(target).take(GROW) {
        match flow(*word) {
            Flow::Next if !called => saves(*word, &mut saved),
            Flow::Next => {}
            Flow::Call => called = true,
            Flow::Jump(distance) => return (called && at as i64 + distance == 0).then_some(saved),
            _ => return None,
        }
    }
    None
}

/// Adds the argument registers that an instruction stores in slots of arguments.
fn saves(word: u32, saved: &mut Vec<Saved>) {
    if (word >> 5) & 31 != STACK_POINTER {
        return;
    }
    let float = word & 0x0400_0000 != 0;
    let mut add = |register: u32, from_stack_pointer: i64| {
        // The slot of the return address is at the stack pointer, the arguments are above it.
        if let (Ok(offset), true) = (u32::try_from(from_stack_pointer - 8), register < 16) {
            let register = match float {
                true => ArgumentRegister::Float(register as u8),
                false => ArgumentRegister::Integer(register as u8),
            };
            saved.push(Saved { offset, register });
        }
    };
    let size = word >> 30;
    match word {
        // STR (immediate, unsigned offset), of integers and of floating-point numbers.
        w if w & 0x3fc0_0000 == 0x3900_0000 || w & 0x3fc0_0000 == 0x3d00_0000 => {
            add(w & 31, i64::from((w >> 10) & 0xfff) << size);
        }
        // STUR
        w if w & 0x3fe0_0c00 == 0x3800_0000 || w & 0x3fe0_0c00 == 0x3c00_0000 => {
            add(w & 31, signed(w, 12, 9));
        }
        // STP (signed offset) of 64-bit registers.
        w if w & 0xffc0_0000 == 0xa900_0000 || w & 0xffc0_0000 == 0x6d00_0000 => {
            let offset = 8 * signed(w, 15, 7);
            add(w & 31, offset);
            add((w >> 10) & 31, offset + 8);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    #[test]
    fn the_start_is_behind_the_stack_check_and_only_ret_returns() {
        // The words are those of the assembler.
        let code = look(
            Vaddr(0x1000),
            &bytes(&[
                0xf940_0b90, // ldr x16, [x28, #16]
                0xeb30_63ff, // cmp sp, x16
                0x5400_0089, // b.ls grow
                0xf81f_0ffe, // str x30, [sp, #-16]!
                RET,
                0xd65f_0040, // ret x2
                0xa900_87e0, // grow: stp x0, x1, [sp, #8]
                0xfd00_0fe0, // str d0, [sp, #24]
                0xaa1e_03e3, // mov x3, x30
                0x9400_0400, // bl
                0xf940_07e0, // ldr x0, [sp, #8]
                0x17ff_fff5, // b entry
            ]),
            Some(FileOff(0x100)),
        );
        assert_eq!(code.start.map(|s| (s.address.0, s.file_offset)), Some((0x100c, Some(FileOff(0x10c)))));
        assert_eq!(code.grow, Some(Vaddr(0x1018)));
        assert_eq!(code.returns.iter().map(|p| p.address.0).collect::<Vec<_>>(), [0x1010]);
        assert_eq!(code.tail_calls.iter().map(|p| p.address.0).collect::<Vec<_>>(), [0x1014]);
        let saved: Vec<_> = code.saved.iter().map(|s| (s.offset, s.register)).collect();
        let (x, d) = (ArgumentRegister::Integer, ArgumentRegister::Float);
        assert_eq!(saved, [(0, x(0)), (8, x(1)), (16, d(0))]);
    }

    #[test]
    fn costs_are_those_of_the_kernel() {
        let emulated = [RET, 0x1400_0001, 0x9400_0001, 0x5400_0089, 0xd503_201f, 0xb400_0040, 0x9000_0000];
        let stepped = [0xf940_0b90, 0xf81f_0ffe, 0xeb30_63ff, 0x9100_03fd];
        assert!(emulated.iter().all(|w| is_emulated(*w)));
        assert!(!stepped.iter().any(|w| is_emulated(*w)));
    }
}
