//! Argument specifications: `[-]SIZE[f]@OPERAND`, one per argument, as `sys/sdt.h` lets the assembler write them.
//!
//! The operand is in the assembler language of the architecture, so there is a grammar for each family:
//! `x86`, `arm` (both widths), `ppc`, `s390x` and `riscv`.
//! They share numbers, symbols and the position of errors (`text`) and the names of registers (`registers`).
//!
//! A decoded specification prints back to the very text it came from: what the meaning does not hold, such as
//! whether a displacement of zero was written, is in its [`Spelling`].

use std::fmt;

use crate::{Arch, Vaddr};

mod arm;
mod ppc;
mod registers;
mod riscv;
mod s390x;
mod text;
mod x86;

use text::Text;

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

/// A decoded argument specification. [`ArgSpec::parse`] makes it from text, [`fmt::Display`] gives the text back.
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
    /// How the text was spelled where that does not change the meaning.
    pub spelling: Spelling,
}

/// Where an argument's value is when the site is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// In a register.
    Register(Register),
    /// In a pair of registers, the low half first: an 8-byte value on a 32-bit architecture.
    /// The text names only the first; the second is the next in the compilers' order of registers.
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

/// How a specification was spelled, where two spellings mean the same.
///
/// Two spellings always compare equal, so that specifications compare by their meaning.
#[derive(Clone, Copy, Debug)]
pub struct Spelling {
    arch: Arch,
    number: NumberStyle,
    /// A displacement of zero was written: `0(%rax)`, not `(%rax)`.
    zero_written: bool,
    /// A scale of 1 was written: `(%rax,%rcx,1)`.
    scale_written: bool,
    /// The symbol stands before the number: `sym+8`, not `8+sym`.
    symbol_first: bool,
    /// Registers have a `%` where they need none (ppc64le).
    percent: bool,
    /// Numbers have a `#` (arm, aarch64).
    hash: bool,
    /// Spaces behind the commas in brackets (arm, aarch64), and between `lsl` and its number.
    gaps: [u8; 3],
}

/// How a number was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum NumberStyle {
    /// Signed decimal.
    #[default]
    Decimal,
    /// Decimal above `i64::MAX`, for a negative value.
    Unsigned,
    /// `0x` and at least so many digits, perhaps behind a `-`.
    Hex { digits: u8, upper: bool, negative: bool },
}

impl Spelling {
    /// The usual spelling, which compilers for the architecture produce.
    pub fn usual(arch: Arch) -> Spelling {
        Spelling {
            arch,
            number: NumberStyle::Decimal,
            zero_written: matches!(arch, Arch::Ppc64le | Arch::S390x | Arch::Riscv64),
            scale_written: false,
            symbol_first: false,
            percent: false,
            hash: arch == Arch::Arm,
            gaps: [1; 3],
        }
    }
}

impl PartialEq for Spelling {
    fn eq(&self, _: &Spelling) -> bool {
        true
    }
}

impl Eq for Spelling {}

impl std::hash::Hash for Spelling {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl fmt::Display for ArgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.reason, self.at)
    }
}

impl std::error::Error for ArgError {}

/// The reason of an [`ArgError`] where the size is not one that a value can have.
pub const UNKNOWN_SIZE: &str = "the size is not 1, 2, 4 or 8";
/// The reason of an [`ArgError`] where the architecture has no register of that name.
pub const UNKNOWN_REGISTER: &str = "no such register";
/// The reason of an [`ArgError`] in a file of an architecture whose operands are not understood.
pub const UNKNOWN_ARCHITECTURE: &str = "the operands of this architecture are not understood";

impl Register {
    /// The register of that name (without `%`).
    pub fn named(arch: Arch, name: &str) -> Option<Register> {
        registers::find(arch, name)
    }
}

impl Arg {
    /// Decodes one argument.
    pub fn parse(arch: Arch, text: &str) -> Arg {
        Arg { text: text.to_owned(), spec: ArgSpec::parse(arch, text) }
    }
}

/// Decodes the arguments of a note, each in its place.
///
/// Without an architecture they are only split.
pub fn parse_all(arch: Option<Arch>, arguments: &str) -> impl Iterator<Item = Arg> {
    let parse = move |text: &str| match arch {
        Some(arch) => Arg::parse(arch, text),
        None => Arg { text: text.to_owned(), spec: Err(ArgError { at: 0, reason: UNKNOWN_ARCHITECTURE }) },
    };
    split(arguments).map(parse)
}

/// Splits the arguments of a note.
///
/// They are separated by spaces, but spaces within brackets separate nothing: `8@[x0, 60] 4@x1` are two.
/// What starts like an argument, `-4@`, starts one even where an earlier bracket was not closed.
pub fn split(arguments: &str) -> impl Iterator<Item = &str> {
    let mut rest = arguments.trim_matches(' ');
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let bytes = rest.as_bytes();
        let mut depth = 0u32;
        let mut end = bytes.len();
        for (i, byte) in bytes.iter().enumerate() {
            match byte {
                b'[' | b'(' => depth += 1,
                b']' | b')' => depth = depth.saturating_sub(1),
                b' ' if depth == 0 || starts_argument(&bytes[i + 1..]) => {
                    end = i;
                    break;
                }
                _ => {}
            }
        }
        let argument = &rest[..end];
        rest = rest[end..].trim_start_matches(' ');
        Some(argument)
    })
}

/// Whether the bytes start with `[-]SIZE[f]@`.
fn starts_argument(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let digits = bytes.iter().take(3).take_while(|b| b.is_ascii_digit()).count();
    let rest = &bytes[digits..];
    digits > 0 && rest.strip_prefix(b"f").unwrap_or(rest).starts_with(b"@")
}

impl ArgSpec {
    /// Decodes one specification, such as `-4@-20(%rbp)`.
    ///
    /// # Errors
    /// The text is not of the grammar, or names a register or size that does not exist.
    pub fn parse(arch: Arch, text: &str) -> Result<ArgSpec, ArgError> {
        let mut text = Text::new(text);
        let signed = text.eat("-");
        let at = text.at();
        let digits = text.take_while(|b| b.is_ascii_digit());
        let float = text.eat("f");
        if digits.is_empty() || !text.eat("@") {
            return Err(text.error("expected a size and `@`"));
        }
        let size = match digits {
            "1" => 1,
            "2" => 2,
            "4" => 4,
            "8" => 8,
            _ => return Err(ArgError { at, reason: UNKNOWN_SIZE }),
        };
        let mut spelling = Spelling { zero_written: false, hash: false, ..Spelling::usual(arch) };
        let operand_at = text.at();
        let operand = match arch {
            Arch::X86_64 | Arch::I386 => x86::parse(&mut text, &mut spelling)?,
            Arch::Aarch64 | Arch::Arm => arm::parse(&mut text, &mut spelling)?,
            Arch::Ppc64le => ppc::parse(&mut text, &mut spelling)?,
            Arch::S390x => s390x::parse(&mut text, &mut spelling)?,
            Arch::Riscv64 => riscv::parse(&mut text, &mut spelling)?,
        };
        if !text.is_empty() {
            return Err(text.error("expected the end of the argument"));
        }
        let operand = match operand {
            Operand::Register(low) if wants_pair(arch, size, &low) => match registers::partner(arch, &low) {
                Some(high) => Operand::RegisterPair(low, high),
                None => {
                    let reason = "8 bytes need a pair of registers, and this one has no partner";
                    return Err(ArgError { at: operand_at, reason });
                }
            },
            other => other,
        };
        Ok(ArgSpec { size, signed, float, operand, spelling })
    }

    /// The part behind the `@`.
    pub fn operand_text(&self) -> String {
        OperandText(self).to_string()
    }

    /// What the specification says, in words: `signed 4 bytes at -4(%rbp)`, `8 bytes in %rdi`, `constant 5`.
    pub fn in_words(&self) -> String {
        let kind = match (self.signed, self.float) {
            (_, true) => "floating-point ",
            (true, false) => "signed ",
            (false, false) => "",
        };
        let bytes = if self.size == 1 { "1 byte".to_owned() } else { format!("{} bytes", self.size) };
        match &self.operand {
            Operand::Constant(value) if self.float => {
                format!("floating-point constant with the bits {value:#x}")
            }
            Operand::Constant(value) => format!("constant {value}"),
            Operand::Register(_) => format!("{kind}{bytes} in {}", OperandText(self)),
            Operand::RegisterPair(low, high) => {
                let percent = if self.spelling.arch == Arch::I386 { "%" } else { "" };
                format!("{kind}{bytes} in {percent}{} (low half) and {percent}{}", low.name, high.name)
            }
            Operand::Memory { .. } => format!("{kind}{bytes} at {}", OperandText(self)),
        }
    }
}

/// Whether a value of `size` needs two registers of this kind.
fn wants_pair(arch: Arch, size: u8, register: &Register) -> bool {
    arch.pointer_size() == 4 && size == 8 && register.class == RegisterClass::General
}

impl fmt::Display for ArgSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.signed { "-" } else { "" };
        let float = if self.float { "f" } else { "" };
        write!(f, "{sign}{}{float}@{}", self.size, OperandText(self))
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The operand of a specification, printed by the grammar of its architecture.
struct OperandText<'a>(&'a ArgSpec);

impl fmt::Display for OperandText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ArgSpec { operand, spelling, .. } = self.0;
        match spelling.arch {
            Arch::X86_64 | Arch::I386 => x86::print(f, operand, spelling),
            Arch::Aarch64 | Arch::Arm => arm::print(f, operand, spelling),
            Arch::Ppc64le => ppc::print(f, operand, spelling),
            Arch::S390x => s390x::print(f, operand, spelling),
            Arch::Riscv64 => riscv::print(f, operand, spelling),
        }
    }
}
