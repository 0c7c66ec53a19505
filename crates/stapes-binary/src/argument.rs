//! Argument specifications: `[-]SIZE[f]@OPERAND`, one per argument, as `sys/sdt.h` lets the assembler write them.

use crate::Vaddr;

/// One argument of one site: the text, and its meaning where it has one.
///
/// An argument that cannot be parsed keeps its place, so that `arg2` is `arg2` whatever `arg1` looks like.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arg {
    /// The specification as the note spells it, without surrounding spaces.
    pub text: String,
    /// The decoded specification, or why it could not be decoded.
    pub spec: Result<ArgSpec, ArgError>,
}

/// A decoded argument specification.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ArgSpec {
    /// Bytes of the value: 1, 2, 4 or 8. It governs, whatever the operand's own width is.
    pub size: u8,
    /// Whether the size had a `-` before it.
    pub signed: bool,
    /// Whether the size had an `f` behind it: the bits are an IEEE 754 value.
    pub float: bool,
    /// Where the value is.
    pub operand: Operand,
}

/// Where an argument's value is when the site is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// In a register.
    Register(Register),
    /// In a pair of registers: an 8-byte value on a 32-bit architecture.
    RegisterPair(Register, Register),
    /// The value itself.
    Constant(i64),
    /// In memory, at `displacement + symbol + base + index × scale`.
    Memory {
        /// The base register.
        base: Option<Register>,
        /// The index register and its scale (1, 2, 4 or 8).
        index: Option<(Register, u8)>,
        /// Bytes to add.
        displacement: i64,
        /// A symbol whose address is added (with an `%rip` base: instead of the base).
        symbol: Option<SymbolRef>,
    },
}

/// A symbol in an operand, such as `NBuffers(%rip)` or `CheckpointStats@GOTOFF(%ebx)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SymbolRef {
    /// The symbol's name.
    pub name: String,
    /// The relocation operator behind `@` or in `#:…:`, such as `GOTOFF` or `lo12`.
    pub modifier: Option<String>,
    /// The symbol's address, once it has been looked up in the file's symbol tables.
    pub address: Option<Vaddr>,
}

/// A register as an architecture names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Register {
    /// The name without `%`, in the assembler's spelling, such as `r13b`, `ah`, `sp`, `x29`.
    pub name: &'static str,
    /// What kind of register it is.
    pub class: RegisterClass,
    /// The number of the full register in the DWARF numbering of the architecture's psABI.
    pub number: u16,
    /// Bits of the full register that this name covers.
    pub bits: u16,
    /// Bits below the part that this name covers: 8 for `%ah` and its kin, else 0.
    pub shift: u8,
}

/// The kinds of registers that a note may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegisterClass {
    /// General purpose, stack pointer included.
    General,
    /// The instruction pointer.
    InstructionPointer,
    /// Floating point or vector: not among the registers that a uprobe sees.
    Float,
}

/// Why a specification could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ArgError {
    /// Byte offset in the argument's own text.
    pub at: usize,
    /// What is wrong there.
    pub reason: &'static str,
}
