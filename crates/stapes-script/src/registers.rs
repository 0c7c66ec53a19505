//! Where the registers of the traced program are in a uprobe's context, `struct pt_regs`.
//!
//! The offsets are the kernel's: `arch/x86/include/asm/ptrace.h` (x86_64, which also saves the registers of
//! 32-bit programs) and `struct user_pt_regs` of `arch/arm64/include/uapi/asm/ptrace.h`.

use stapes_binary::{Arch, Register, RegisterClass};

/// Names as `reg("…")` takes them, with their offsets: those of perf and bpftrace, and the architecture's own.
const X86_64: &[(&str, u16)] = &[
    ("r15", 0),
    ("r14", 8),
    ("r13", 16),
    ("r12", 24),
    ("bp", 32),
    ("bx", 40),
    ("r11", 48),
    ("r10", 56),
    ("r9", 64),
    ("r8", 72),
    ("ax", 80),
    ("cx", 88),
    ("dx", 96),
    ("si", 104),
    ("di", 112),
    ("orig_ax", 120),
    ("ip", 128),
    ("cs", 136),
    ("flags", 144),
    ("sp", 152),
    ("ss", 160),
    ("rbp", 32),
    ("rbx", 40),
    ("rax", 80),
    ("rcx", 88),
    ("rdx", 96),
    ("rsi", 104),
    ("rdi", 112),
    ("rip", 128),
    ("rsp", 152),
];

/// Registers by their DWARF number in the System V ABI, AMD64 supplement, figure 3.36; 16 is the return address.
const X86_64_DWARF: [u16; 17] = [80, 96, 88, 40, 104, 112, 32, 152, 72, 64, 56, 48, 24, 16, 8, 0, 128];

/// Registers by their DWARF number in the System V ABI, Intel386 supplement, table 2.14; 8 is the return address.
const I386_DWARF: [u16; 9] = [80, 88, 96, 40, 152, 32, 104, 112, 128];

/// Integer arguments of a call: System V ABI, AMD64 supplement, 3.2.3.
const X86_64_ARGUMENTS: [u16; 6] = [112, 104, 96, 88, 72, 64];

/// The stack pointer of an architecture's context.
const AARCH64_SP: u16 = 248;
const AARCH64_PC: u16 = 256;

/// Where the argument of a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallArgument {
    /// In the register at this offset.
    Register(u16),
    /// In memory, so many bytes above the stack pointer at this offset, with this size.
    Stack { pointer: u16, above: i64, size: u8 },
}

/// The offset of a register in the context of programs on `host`, for code of `arch`.
pub(crate) fn offset(host: Arch, arch: Arch, register: &Register) -> Option<u16> {
    let number = usize::from(register.number);
    match (host, arch, register.class) {
        (Arch::X86_64, Arch::X86_64, RegisterClass::InstructionPointer) => Some(128),
        (Arch::X86_64, Arch::X86_64, RegisterClass::General) => X86_64_DWARF.get(number).copied(),
        (Arch::X86_64, Arch::I386, RegisterClass::General) => I386_DWARF.get(number).copied(),
        (Arch::Aarch64, Arch::Aarch64, RegisterClass::General) => match number {
            0..=30 => Some(8 * register.number),
            31 => Some(AARCH64_SP),
            _ => None,
        },
        _ => None,
    }
}

/// The offset of the register called `name`, as `reg("name")` spells it.
pub(crate) fn by_name(host: Arch, name: &str) -> Option<u16> {
    match host {
        Arch::X86_64 => X86_64.iter().find(|(known, _)| *known == name).map(|(_, offset)| *offset),
        Arch::Aarch64 => match name {
            "sp" => Some(AARCH64_SP),
            "pc" | "ip" => Some(AARCH64_PC),
            "lr" => Some(8 * 30),
            "fp" => Some(8 * 29),
            _ => {
                let number: u16 = name.strip_prefix(['r', 'x'])?.parse().ok()?;
                (number <= 30).then_some(8 * number)
            }
        },
        _ => None,
    }
}

/// The names that [`by_name`] knows.
pub(crate) fn names(host: Arch) -> Vec<String> {
    match host {
        Arch::X86_64 => X86_64.iter().map(|(name, _)| (*name).to_string()).collect(),
        Arch::Aarch64 => (0..=30).map(|n| format!("r{n}")).chain(["sp", "pc"].map(String::from)).collect(),
        _ => Vec::new(),
    }
}

/// The instruction pointer.
pub(crate) fn instruction_pointer(host: Arch) -> Option<u16> {
    match host {
        Arch::X86_64 => Some(128),
        Arch::Aarch64 => Some(AARCH64_PC),
        _ => None,
    }
}

/// The register in which functions return integers.
pub(crate) fn return_value(host: Arch) -> Option<u16> {
    match host {
        Arch::X86_64 => Some(80),
        Arch::Aarch64 => Some(0),
        _ => None,
    }
}

/// Where argument `index` of a call is when the function's first instruction is reached.
pub(crate) fn call_argument(host: Arch, arch: Arch, index: u32) -> Option<CallArgument> {
    let index = index as usize;
    Some(match (host, arch) {
        (Arch::X86_64, Arch::X86_64) => match X86_64_ARGUMENTS.get(index) {
            Some(offset) => CallArgument::Register(*offset),
            // Above the return address, 8 bytes each.
            None => CallArgument::Stack { pointer: 152, above: 8 * (index as i64 - 5), size: 8 },
        },
        // All on the stack, above the return address, 4 bytes each.
        (Arch::X86_64, Arch::I386) => {
            CallArgument::Stack { pointer: 152, above: 4 * (index as i64 + 1), size: 4 }
        }
        (Arch::Aarch64, Arch::Aarch64) => match index {
            0..=7 => CallArgument::Register(8 * index as u16),
            // AAPCS64 6.4.2: the stack arguments start at the stack pointer.
            _ => CallArgument::Stack { pointer: AARCH64_SP, above: 8 * (index as i64 - 8), size: 8 },
        },
        _ => return None,
    })
}
