//! Where the arguments of each site are, and which sites share a variant of the program.
//!
//! A block is one program for all its probes and sites.
//! Where the arguments that it uses are in different places at different sites, sites are grouped into *variants*:
//! all sites of a variant have all used arguments in the same places (and, if `func` is used, the same function).
//! The lower half of a site's cookie is its variant, and reading an argument is a decision by that number.
//! Variants are numbered in the order of their places, so that equal places are neighbours and decisions are few.

use stapes_binary::{Arch, ArgSpec, Operand, Register, RegisterClass};

use crate::catalog::Variable;
use crate::check::types::width;
use crate::registers::{self, CallArgument};

/// Where a value is when the probe fires.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The probe has no such argument.
    Missing,
    /// The value itself.
    Constant(i64),
    /// The run-time address of the site and so many bytes.
    FromSite(i64),
    /// In the saved registers.
    Register { offset: u16, bytes: u8, signed: bool },
    /// In the program's memory.
    Memory(Memory),
}

/// An address in the traced program, and what is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Memory {
    /// A saved register (offset and bytes) that is added.
    pub(super) base: Option<(u16, u8)>,
    /// A saved register (offset and bytes) and the factor with which it is added.
    pub(super) index: Option<(u16, u8, u8)>,
    /// Bytes that are added.
    pub(super) displacement: i64,
    /// Whether the run-time address of the site is added: the displacement is then relative to the site.
    pub(super) from_site: bool,
    /// Whether addresses have 32 bits.
    pub(super) narrow: bool,
    /// Bytes of the value.
    pub(super) bytes: u8,
    /// Whether it is signed.
    pub(super) signed: bool,
}

/// The place that an argument specification names, at the site with address `pc`, for programs that run on `host`.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn of_spec(host: Arch, arch: Arch, pc: u64, spec: &ArgSpec) -> Result<Place, &'static str> {
    let (bytes, signed) = (spec.size, spec.signed);
    if !matches!(bytes, 1 | 2 | 4 | 8) {
        return Err("its size is not 1, 2, 4 or 8");
    }
    match &spec.operand {
        Operand::Constant(value) => Ok(Place::Constant(width(bytes).extend(*value, signed))),
        Operand::Register(register) => {
            let (offset, _) = saved(host, arch, register)?;
            if bytes > arch.pointer_size() {
                return Err("it names only one half of a pair of registers");
            }
            let offset = offset + u16::from(register.shift / 8);
            Ok(Place::Register { offset, bytes, signed })
        }
        Operand::RegisterPair(..) => Err("pairs of registers cannot be read yet"),
        Operand::Memory { base, index, displacement, symbol } => {
            let mut memory = Memory {
                base: None,
                index: None,
                displacement: *displacement,
                from_site: false,
                narrow: arch.pointer_size() == 4,
                bytes,
                signed,
            };
            if let Some((register, scale)) = index {
                let (offset, size) = saved(host, arch, register)?;
                memory.index = Some((offset, size, *scale));
            }
            match base {
                Some(register) if register.class == RegisterClass::InstructionPointer && symbol.is_some() => {
                }
                Some(register) if register.class == RegisterClass::InstructionPointer => {
                    return Err("it is relative to an instruction that the note does not name");
                }
                Some(register) => memory.base = Some(saved(host, arch, register)?),
                None => {}
            }
            if let Some(symbol) = symbol {
                if symbol.modifier.is_some() {
                    return Err("its relocation operator is not understood");
                }
                let Some(address) = symbol.address else {
                    return Err("the symbol is not in the file's symbol tables");
                };
                // What the loader added to the symbol's address, it added to the site's.
                memory.from_site = true;
                memory.displacement = displacement.wrapping_add(address.0.wrapping_sub(pc) as i64);
            }
            Ok(Place::Memory(memory))
        }
    }
}

fn saved(host: Arch, arch: Arch, register: &Register) -> Result<(u16, u8), &'static str> {
    if register.class == RegisterClass::Float {
        return Err("it is in a floating-point register, which probes do not see");
    }
    let bytes = (register.bits / 8).clamp(1, 8) as u8;
    registers::offset(host, arch, register)
        .map(|offset| (offset, bytes))
        .ok_or("the register is not among those that probes see on this machine")
}

/// The place of argument `index` of a function, when its first instruction is reached.
pub(super) fn of_call(host: Arch, arch: Arch, index: u32) -> Option<Place> {
    // Upper halves of registers are not defined for smaller arguments; the script casts.
    let signed = true;
    Some(match registers::call_argument(host, arch, index)? {
        CallArgument::Register(offset) => Place::Register { offset, bytes: 8, signed },
        CallArgument::Stack { pointer, above, size } => Place::Memory(Memory {
            base: Some((pointer, arch.pointer_size())),
            index: None,
            displacement: above,
            from_site: false,
            narrow: arch.pointer_size() == 4,
            bytes: size,
            signed,
        }),
    })
}

/// Where a variable of the program is, or with `value` what is there.
pub(super) fn of_variable(arch: Arch, pc: u64, variable: &Variable, value: bool) -> Place {
    // What the loader added to the variable's address, it added to the site's.
    let displacement = variable.address.0.wrapping_sub(pc) as i64;
    if !value {
        return Place::FromSite(displacement);
    }
    let bytes = match variable.size {
        1 | 2 | 4 | 8 => variable.size as u8,
        _ => arch.pointer_size(),
    };
    Place::Memory(Memory {
        base: None,
        index: None,
        displacement,
        from_site: true,
        narrow: arch.pointer_size() == 4,
        bytes,
        signed: false,
    })
}

/// One way in which the sites of a block differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Variant {
    /// The function that the site is in, as an index into the block's list of functions; 0 if `func` is not used.
    pub(super) function: u32,
    /// The places of the used arguments, in the order of their numbers, and of the used variables behind them.
    pub(super) places: Vec<Place>,
}

/// Runs of neighbours with the same value: (index of the first, value).
pub(super) fn runs<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<(u32, T)> {
    let mut out: Vec<(u32, T)> = Vec::new();
    for (index, value) in values.enumerate() {
        if out.last().is_none_or(|(_, last)| *last != value) {
            out.push((index as u32, value));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use stapes_binary::Vaddr;

    use super::*;

    const HOST: Arch = Arch::X86_64;

    /// The place of an argument as a note spells it, at the site 0x1100, where `n` is at 0x4000.
    fn place(text: &str) -> Result<Place, &'static str> {
        let mut spec = ArgSpec::parse(HOST, text).unwrap();
        if let Operand::Memory { symbol: Some(symbol), .. } = &mut spec.operand {
            symbol.address = (symbol.name == "n").then_some(Vaddr(0x4000));
        }
        of_spec(HOST, HOST, 0x1100, &spec)
    }

    #[test]
    fn registers_are_read_where_the_kernel_saved_them() {
        // The low 4 bytes of rsi, at offset 104 of struct pt_regs.
        assert_eq!(place("-4@%esi"), Ok(Place::Register { offset: 104, bytes: 4, signed: true }));
        // The second byte of rax, at 80.
        assert_eq!(place("1@%ah"), Ok(Place::Register { offset: 81, bytes: 1, signed: false }));
        assert_eq!(place("8@%r15"), Ok(Place::Register { offset: 0, bytes: 8, signed: false }));
        assert!(place("8f@%xmm0").is_err());
    }

    #[test]
    fn constants_have_the_size_that_the_note_says() {
        assert_eq!(place("-4@$4294967295"), Ok(Place::Constant(-1)));
        assert_eq!(place("1@$-1"), Ok(Place::Constant(255)));
    }

    #[test]
    fn symbols_are_relative_to_the_site() {
        let Ok(Place::Memory(memory)) = place("-4@40+n(%rip)") else { panic!("not memory") };
        assert!(memory.from_site && memory.base.is_none());
        assert_eq!(memory.displacement, 0x4000 + 40 - 0x1100);
        assert!(place("-4@unknown(%rip)").is_err());
    }

    #[test]
    fn memory_has_base_index_and_scale() {
        let Ok(Place::Memory(memory)) = place("4@8(%r12,%rax,4)") else { panic!("not memory") };
        assert_eq!((memory.base, memory.index), (Some((24, 8)), Some((80, 8, 4))));
        assert_eq!((memory.displacement, memory.bytes, memory.from_site), (8, 4, false));
    }

    #[test]
    fn the_seventh_argument_of_a_call_is_on_the_stack() {
        // System V ABI, AMD64: 0(%rsp) is the return address, 8(%rsp) the seventh argument.
        let Some(Place::Memory(memory)) = of_call(HOST, HOST, 6) else { panic!("not memory") };
        assert_eq!((memory.base, memory.displacement), (Some((152, 8)), 8));
        // i386: all on the stack, the first at 4(%esp).
        let Some(Place::Memory(memory)) = of_call(HOST, Arch::I386, 0) else { panic!("not memory") };
        assert_eq!((memory.base, memory.displacement, memory.bytes), (Some((152, 4)), 4, 4));
    }
}
