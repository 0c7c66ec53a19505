//! The code of a function: where to probe it and what that costs.
//!
//! # Why not at the entry
//! A goroutine starts with a small stack. Nearly every function first compares the stack pointer with a limit in its
//! goroutine, and where there is too little room jumps to a few instructions at its end:
//! ```text
//! entry:  cmp  0x10(%r14),%rsp        entry:  ldr  x16, [x28, #16]
//!         jbe  grow                           cmp  sp, x16
//! start:  push %rbp                           b.ls grow
//!         …                           start:  …
//! grow:   mov  %rax,0x8(%rsp)         grow:   str  x0, [sp, #8]
//!         call runtime.morestack              mov  x3, x30 ; bl runtime.morestack
//!         mov  0x8(%rsp),%rax                 ldr  x0, [sp, #8]
//!         jmp  entry                          b    entry
//! ```
//! So a call that grows the stack passes the entry twice, and `start` once, with the arguments still in their
//! registers. That is the site for a probe. (A probe on the return address, as of a uretprobe, is worse than wrong: the
//! runtime finds an unknown address on the stack that it moves, and ends the process.)
//!
//! Which instructions the check has depends on the size of the frame and on the version, so it is known by its end:
//! a conditional jump among the first instructions, to code that calls something and then jumps to the entry.
//!
//! # What that code says about arguments
//! Before the call it saves every argument register in the argument's own slot, `8 + offset` from the stack pointer.
//! So where there is a check, the register of each part of each argument is read off, floating-point ones too, which
//! no table of the program tells from integers.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::arm64;
use crate::{Arch, FileOff, Vaddr};

/// The places of a function where probes make sense.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// Where a call passes exactly once: behind the stack check, or the entry where there is none.
    pub start: Option<Place>,
    /// Where the code is that grows the stack, if there is a stack check.
    pub grow: Option<Vaddr>,
    /// Whether a jump of the function leads to `start`, so that it may pass more than once.
    pub start_repeats: bool,
    /// The returns.
    pub returns: Vec<Place>,
    /// The jumps out of the function, which are tail calls: the other function returns for it.
    pub tail_calls: Vec<Place>,
    /// Which registers hold the arguments, as the code that grows the stack saves them.
    pub saved: Vec<Saved>,
}

/// An instruction to probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it is.
    pub address: Vaddr,
    /// Where it is in the file.
    pub file_offset: Option<FileOff>,
    /// What a probe on it costs.
    pub cost: Cost,
}

/// How the kernel runs the instruction that a breakpoint replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cost {
    /// It does what the instruction does: one trap, a microsecond or two.
    Emulated,
    /// It runs a copy and traps again behind it: ten to twenty times as long.
    SingleStepped,
}

/// A register that is saved in the slot of a part of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The slot's offset in the area of arguments.
    pub offset: u32,
    /// The register, by the name that argument specifications use (`rax`, `xmm0`; `x0`, `d0`).
    pub register: ArgumentRegister,
}

/// A register of Go's calling convention (`abi-internal.md` of the Go tree).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArgumentRegister {
    /// The n-th register for integers and pointers.
    Integer(u8),
    /// The n-th register for floating-point numbers.
    Float(u8),
}

/// The integer registers of amd64 in their order.
const INTEGERS: [Register; 9] = [
    Register::RAX,
    Register::RBX,
    Register::RCX,
    Register::RDI,
    Register::RSI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
];
/// Their names.
const INTEGER_NAMES: [&str; 9] = ["ax", "bx", "cx", "di", "si", "r8", "r9", "r10", "r11"];

impl ArgumentRegister {
    /// The register's name, as Go's documents have it on amd64 (`ax`, `x0`) and as Arm's on arm64 (`x0`, `d0`).
    pub fn name(self, arch: Arch) -> String {
        match (self, arch) {
            (ArgumentRegister::Integer(n), Arch::Aarch64) => format!("x{n}"),
            (ArgumentRegister::Float(n), Arch::Aarch64) => format!("d{n}"),
            (ArgumentRegister::Integer(n), _) => {
                INTEGER_NAMES.get(usize::from(n)).map_or_else(|| format!("integer {n}"), |n| (*n).to_owned())
            }
            (ArgumentRegister::Float(n), _) => format!("xmm{n}"),
        }
    }

    /// How many registers for integers there are.
    pub(super) fn integers(arch: Arch) -> u8 {
        if arch == Arch::Aarch64 { 16 } else { INTEGERS.len() as u8 }
    }
}

/// Instructions in which a stack check ends.
const CHECK: usize = 10;
/// Instructions before the call of the code that grows the stack, and behind it.
const GROW: usize = 64;

/// Looks through the code of a function. `offset` is where it is in the file.
pub(super) fn look(arch: Arch, entry: Vaddr, bytes: &[u8], offset: Option<FileOff>) -> Code {
    if arch == Arch::Aarch64 {
        return arm64::look(entry, bytes, offset);
    }
    let mut code = Code::default();
    let mut instruction = Instruction::default();
    let inside = |address: u64| address.wrapping_sub(entry.0) < bytes.len() as u64;

    let mut decoder = Decoder::with_ip(64, bytes, entry.0, DecoderOptions::NONE);
    let mut start = entry.0;
    for _ in 0..CHECK {
        if !decoder.can_decode() {
            break;
        }
        decoder.decode_out(&mut instruction);
        match instruction.flow_control() {
            FlowControl::Next => {}
            FlowControl::ConditionalBranch => {
                let target = instruction.near_branch_target();
                if matches!(instruction.mnemonic(), Mnemonic::Jbe | Mnemonic::Jb)
                    && inside(target)
                    && let Some(saved) = grows(bytes, entry.0, target)
                {
                    start = instruction.next_ip();
                    code.grow = Some(Vaddr(target));
                    code.saved = saved;
                    // A large frame is checked for overflow first: the last jump counts.
                    if instruction.mnemonic() == Mnemonic::Jbe {
                        break;
                    }
                }
            }
            _ => break,
        }
    }

    let mut decoder = Decoder::with_ip(64, bytes, entry.0, DecoderOptions::NONE);
    while decoder.can_decode() {
        let at = decoder.position();
        decoder.decode_out(&mut instruction);
        let place = |address| Place {
            address: Vaddr(address),
            file_offset: offset.and_then(|o| o.0.checked_add(address.wrapping_sub(entry.0))).map(FileOff),
            cost: cost(arch, &bytes[at..]),
        };
        let ip = instruction.ip();
        if ip == start {
            code.start = Some(place(ip));
        }
        match instruction.flow_control() {
            FlowControl::Return => code.returns.push(place(ip)),
            FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => {
                let target = instruction.near_branch_target();
                if !inside(target) && is_near(&instruction) {
                    code.tail_calls.push(place(ip));
                }
                code.start_repeats |= target == start && is_near(&instruction);
            }
            _ => {}
        }
    }
    code
}

/// What the code at `target` saves, if it is code that grows the stack: a call, and a jump to the entry.
fn grows(bytes: &[u8], entry: u64, target: u64) -> Option<Vec<Saved>> {
    let from = usize::try_from(target - entry).ok()?;
    let mut decoder = Decoder::with_ip(64, bytes.get(from..)?, target, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    let mut saved = Vec::new();
    let mut called = false;
    for _ in 0..GROW {
        if !decoder.can_decode() {
            return None;
        }
        decoder.decode_out(&mut instruction);
        match instruction.flow_control() {
            FlowControl::Next if !called => saved.extend(saves(&instruction)),
            FlowControl::Next => {}
            FlowControl::Call | FlowControl::IndirectCall => called = true,
            FlowControl::UnconditionalBranch => {
                return (called && instruction.near_branch_target() == entry).then_some(saved);
            }
            _ => return None,
        }
    }
    None
}

/// The argument register that an instruction stores in the slot of an argument.
fn saves(instruction: &Instruction) -> Option<Saved> {
    let stores = matches!(instruction.mnemonic(), Mnemonic::Mov | Mnemonic::Movsd | Mnemonic::Movss);
    if !stores || instruction.op0_kind() != OpKind::Memory || instruction.op1_kind() != OpKind::Register {
        return None;
    }
    if instruction.memory_base() != Register::RSP || instruction.memory_index() != Register::None {
        return None;
    }
    let register = instruction.op1_register();
    let register = match INTEGERS.iter().position(|r| *r == register.full_register()) {
        Some(n) => ArgumentRegister::Integer(n as u8),
        None if register.is_xmm() => ArgumentRegister::Float(register.number() as u8),
        None => return None,
    };
    // The return address is at the stack pointer, the arguments are above it.
    let offset = u32::try_from(instruction.memory_displacement64().checked_sub(8)?).ok()?;
    Some(Saved { offset, register })
}

fn is_near(instruction: &Instruction) -> bool {
    matches!(instruction.op0_kind(), OpKind::NearBranch64 | OpKind::NearBranch32 | OpKind::NearBranch16)
}

/// What a probe on the instruction at the start of the bytes costs.
///
/// On x86 the kernel emulates nops, relative jumps and calls, and pushes of registers
/// (`branch_setup_xol_ops` and `push_setup_xol_ops` in arch/x86/kernel/uprobes.c);
/// on arm64 branches, returns, nops, and loads and addresses relative to the program counter
/// (`arm_probe_decode_insn` in arch/arm64/kernel/probes/decode-insn.c).
pub fn cost(arch: Arch, bytes: &[u8]) -> Cost {
    let emulated = match arch {
        Arch::Aarch64 => bytes.first_chunk().is_some_and(|w| arm64::is_emulated(u32::from_le_bytes(*w))),
        _ => matches!(
            bytes,
            [0x50..=0x57 | 0x90 | 0xeb | 0xe9 | 0xe8 | 0x70..=0x7f, ..]
                | [0x41, 0x50..=0x57, ..]
                | [0x0f, 0x80..=0x8f | 0x1f, ..]
                | [0x66, 0x90, ..]
        ),
    };
    if emulated { Cost::Emulated } else { Cost::SingleStepped }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `push %rbp; mov %rsp,%rbp; …; ret` behind the check of a function that takes a float and an integer.
    const CHECKED: &[u8] = &[
        0x49, 0x3b, 0x66, 0x10, // cmp 0x10(%r14),%rsp
        0x76, 0x06, // jbe grow
        0x55, // push %rbp
        0x48, 0x89, 0xe5, // mov %rsp,%rbp
        0x5d, // pop %rbp
        0xc3, // ret
        0xf2, 0x0f, 0x11, 0x44, 0x24, 0x08, // grow: movsd %xmm0,8(%rsp)
        0x48, 0x89, 0x44, 0x24, 0x10, // mov %rax,0x10(%rsp)
        0xe8, 0x00, 0x10, 0x00, 0x00, // call
        0xf2, 0x0f, 0x10, 0x44, 0x24, 0x08, // movsd 8(%rsp),%xmm0
        0x48, 0x8b, 0x44, 0x24, 0x10, // mov 0x10(%rsp),%rax
        0xeb, 0xd7, // jmp entry
        0xcc, 0xcc,
    ];

    fn at(address: u64, cost: Cost) -> Place {
        Place { address: Vaddr(address), file_offset: Some(FileOff(address - 0x1000)), cost }
    }

    #[test]
    fn the_start_is_behind_the_stack_check() {
        let code = look(Arch::X86_64, Vaddr(0x2000), CHECKED, Some(FileOff(0x1000)));
        assert_eq!(code.start, Some(at(0x2006, Cost::Emulated)));
        assert_eq!(code.grow, Some(Vaddr(0x200c)));
        assert_eq!(code.returns, [at(0x200b, Cost::SingleStepped)]);
        assert_eq!(code.tail_calls, []);
        assert!(!code.start_repeats);
        let float = Saved { offset: 0, register: ArgumentRegister::Float(0) };
        let integer = Saved { offset: 8, register: ArgumentRegister::Integer(0) };
        assert_eq!(code.saved, [float, integer]);
    }

    #[test]
    fn a_jump_to_the_first_instruction_is_said() {
        // A function that is one loop: jmp to itself.
        let code = look(Arch::X86_64, Vaddr(0x2000), &[0xeb, 0xfe], None);
        assert_eq!(code.grow, None);
        assert_eq!(code.start.map(|s| s.address), Some(Vaddr(0x2000)));
        assert!(code.start_repeats);
        assert!(code.returns.is_empty() && code.tail_calls.is_empty());
    }

    #[test]
    fn a_jump_out_of_the_function_is_a_tail_call() {
        // add $8,%rax; jmp +0x100
        let code = look(Arch::X86_64, Vaddr(0x2000), &[0x48, 0x83, 0xc0, 0x08, 0xe9, 0, 1, 0, 0], None);
        assert_eq!(code.tail_calls.iter().map(|p| p.address.0).collect::<Vec<_>>(), [0x2004]);
        assert_eq!(code.tail_calls[0].cost, Cost::Emulated);
    }

    #[test]
    fn costs_are_those_of_the_kernel() {
        let emulated: &[&[u8]] =
            &[&[0x55], &[0x41, 0x57], &[0x90], &[0xe8, 0, 0, 0, 0], &[0x0f, 0x84, 0, 0, 0, 0]];
        let stepped: &[&[u8]] =
            &[&[0xc3], &[0x49, 0x3b, 0x66, 0x10], &[0x48, 0x89, 0xe5], &[0x66, 0x55], &[]];
        assert!(emulated.iter().all(|b| cost(Arch::X86_64, b) == Cost::Emulated));
        assert!(stepped.iter().all(|b| cost(Arch::X86_64, b) == Cost::SingleStepped));
    }
}
