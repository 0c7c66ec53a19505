//! The two functions with variable arguments, entered by assembly that leaves the arguments where Rust can read them.
//!
//! A Rust function with many fixed parameters would be easier, and would read stack slots that the caller never wrote.
//! Here the registers that may hold arguments are stored side by side, and the rest is read from the caller's stack
//! only as far as the probe has arguments.

use std::ffi::{c_char, c_int};

use crate::{Probe, Provider, add_probe, fire};

/// Variable arguments: first those in registers, then those on the caller's stack.
#[derive(Clone, Copy)]
struct Arguments {
    registers: *const u64,
    in_registers: usize,
    stack: *const u64,
}

impl Arguments {
    /// # Safety
    /// The caller passed more than `n` arguments.
    unsafe fn word(self, n: usize) -> u64 {
        // SAFETY: the caller's promise.
        unsafe {
            match n.checked_sub(self.in_registers) {
                None => *self.registers.add(n),
                Some(beyond) => *self.stack.add(beyond),
            }
        }
    }
}

/// Argument registers of the calling convention.
#[cfg(target_arch = "x86_64")]
const REGISTERS: usize = 6;
#[cfg(target_arch = "aarch64")]
const REGISTERS: usize = 8;

/// # Safety
/// As [`fire`]; `registers` and `stack` are what the entry below stored.
unsafe extern "C" fn fire_with(probe: *mut Probe, registers: *const u64, stack: *const u64) {
    let arguments = Arguments { registers, in_registers: REGISTERS - 1, stack };
    // SAFETY: the caller of probeFire passes as many values as the probe has arguments.
    unsafe { fire(probe, |n| arguments.word(n)) }
}

/// # Safety
/// As [`add_probe`]; `registers` and `stack` are what the entry below stored.
unsafe extern "C" fn add_with(
    provider: *mut Provider,
    name: *const c_char,
    count: c_int,
    registers: *const u64,
    stack: *const u64,
) -> *mut Probe {
    let arguments = Arguments { registers, in_registers: REGISTERS - 3, stack };
    // SAFETY: the caller of providerAddProbe passes `count` types.
    unsafe { add_probe(provider, name, count, |n| arguments.word(n) as c_int) }
}

/// `probeFire(probe, …)`.
///
/// # Safety
/// `probe` is null or a probe of a provider that was not destroyed; as many values follow as it has arguments.
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn probeFire(probe: *mut Probe) {
    // Five registers stored below the return address, and the stack aligned for the call.
    std::arch::naked_asm!(
        "push r9",
        "push r8",
        "push rcx",
        "push rdx",
        "push rsi",
        "mov rsi, rsp",
        "lea rdx, [rsp + 48]",
        "call {fire}",
        "add rsp, 40",
        "ret",
        fire = sym fire_with,
    )
}

/// `providerAddProbe(provider, name, argCount, …)`.
///
/// # Safety
/// `provider` is null or one that was not destroyed, `name` null or a C string, and `argCount` types follow.
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn providerAddProbe(
    provider: *mut Provider,
    name: *const c_char,
    argCount: c_int,
) -> *mut Probe {
    std::arch::naked_asm!(
        "push r9",
        "push r8",
        "push rcx",
        "mov rcx, rsp",
        "lea r8, [rsp + 32]",
        "call {add}",
        "add rsp, 24",
        "ret",
        add = sym add_with,
    )
}

/// `probeFire(probe, …)`.
///
/// # Safety
/// `probe` is null or a probe of a provider that was not destroyed; as many values follow as it has arguments.
#[cfg(target_arch = "aarch64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn probeFire(probe: *mut Probe) {
    std::arch::naked_asm!(
        "stp x29, x30, [sp, #-80]!",
        "mov x29, sp",
        "stp x1, x2, [sp, #16]",
        "stp x3, x4, [sp, #32]",
        "stp x5, x6, [sp, #48]",
        "str x7, [sp, #64]",
        "add x1, sp, #16",
        "add x2, sp, #80",
        "bl {fire}",
        "ldp x29, x30, [sp], #80",
        "ret",
        fire = sym fire_with,
    )
}

/// `providerAddProbe(provider, name, argCount, …)`.
///
/// # Safety
/// `provider` is null or one that was not destroyed, `name` null or a C string, and `argCount` types follow.
#[cfg(target_arch = "aarch64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn providerAddProbe(
    provider: *mut Provider,
    name: *const c_char,
    argCount: c_int,
) -> *mut Probe {
    std::arch::naked_asm!(
        "stp x29, x30, [sp, #-64]!",
        "mov x29, sp",
        "stp x3, x4, [sp, #16]",
        "stp x5, x6, [sp, #32]",
        "str x7, [sp, #48]",
        "add x3, sp, #16",
        "add x4, sp, #64",
        "bl {add}",
        "ldp x29, x30, [sp], #64",
        "ret",
        add = sym add_with,
    )
}
