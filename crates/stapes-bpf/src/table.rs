//! The instruction table: one documented row per operation, from which everything else follows.
//!
//! The assembler's text, the disassembler, the structural check and the compiler's register allocation all read it.
//! Operations are those of RFC 9669 (section 5 and its appendix of opcodes), with its conformance groups;
//! the texts are those of the kernel's verifier log and of `llvm-objdump`, save that indices of maps and kernel
//! functions, which only our objects have, are written `map 3` and `kfunc 0`.
//!
//! A row's text is a pattern: literal text with holes for the fields of an [`Insn`].
//!
//! | hole | field | prints as |
//! |---|---|---|
//! | `{d}` `{wd}` | `dst` | `r1` `w1` |
//! | `{s}` `{ws}` | `src` | `r1` `w1` |
//! | `{o}` | `off` of memory | `+ 8` `- 8` |
//! | `{j}` | `off` of a jump | `+5` `-5` |
//! | `{J}` | `imm` of a jump | `+5` `-5` |
//! | `{i}` | `imm` | `-1` |
//! | `{high}` | `imm` of the second slot | `8` |
//! | `{wide}` | both `imm` | `0x1122334455667788` |
//!
//! A field without a hole is 0, or what the row's [`Select`] says.
//! An instruction that no row describes so exactly prints in a raw form ([`crate::insn_text`]).

use crate::Insn;
use Effect::*;
use Group::*;

/// What is known of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The operation: [`Insn::code`].
    pub code: u8,
    /// The value of another field where that is needed to tell operations apart.
    pub select: Select,
    /// How it prints and parses; see the module's documentation.
    pub text: &'static str,
    /// What it reads, writes and where it goes on.
    pub effect: Effect,
    /// Its conformance group (RFC 9669, section 2.4).
    pub group: Group,
    /// Whether it came with version 4 of the instruction set (Linux 6.6).
    pub v4: bool,
    /// What it does.
    pub doc: &'static str,
}

/// The field that tells operations with the same code apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// There is only one.
    None,
    /// `src` has this value.
    Src(u8),
    /// `off` has this value.
    Off(i16),
    /// `imm` has this value.
    Imm(i32),
}

/// What an operation does with its registers, and where execution goes on.
///
/// Where it reads `src`, its text has a hole for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Writes `dst`.
    Set,
    /// Reads and writes `dst`.
    Update,
    /// Reads `dst` and `src`.
    Read,
    /// Reads `dst`; reads and writes `src`.
    Fetch,
    /// Reads `dst` and `src`; reads and writes R0.
    CompareExchange,
    /// Goes on elsewhere.
    Goto,
    /// Reads `dst` and `src`; goes on elsewhere or with the next instruction.
    Branch,
    /// Reads arguments from R1 to R5, writes R0 and leaves nothing in R1 to R5.
    Call,
    /// Reads R0; does not go on.
    Exit,
}

/// The conformance groups of RFC 9669, section 2.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The instructions that every implementation has.
    Base32,
    /// Those on 64 bits.
    Base64,
    /// Atomic operations on 32 bits.
    Atomic32,
    /// Atomic operations on 64 bits.
    Atomic64,
    /// Multiplication, division and remainder on 32 bits.
    Divmul32,
    /// Multiplication, division and remainder on 64 bits.
    Divmul64,
}

impl Row {
    const fn off(self, off: i16) -> Row {
        Row { select: Select::Off(off), ..self }
    }

    const fn imm(self, imm: i32) -> Row {
        Row { select: Select::Imm(imm), ..self }
    }

    const fn src(self, src: u8) -> Row {
        Row { select: Select::Src(src), ..self }
    }

    const fn v4(self) -> Row {
        Row { v4: true, ..self }
    }

    /// Whether `insn` is this operation.
    pub fn selects(&self, insn: &Insn) -> bool {
        self.code == insn.code
            && match self.select {
                Select::None => true,
                Select::Src(src) => insn.src == src,
                Select::Off(off) => insn.off == off,
                Select::Imm(imm) => insn.imm == imm,
            }
    }

    /// Whether it reads `src`.
    pub fn reads_src(&self) -> bool {
        self.text.contains("{s}") || self.text.contains("{ws}")
    }

    /// Whether it writes `src`.
    pub fn writes_src(&self) -> bool {
        self.effect == Fetch
    }

    /// Whether it reads `dst`.
    pub fn reads_dst(&self) -> bool {
        self.effect != Set && (self.text.contains("{d}") || self.text.contains("{wd}"))
    }

    /// Whether it writes `dst`.
    pub fn writes_dst(&self) -> bool {
        matches!(self.effect, Set | Update)
    }
}

/// The row of an instruction (of the first slot, for a 64-bit load), if it is one of the table.
pub fn lookup(insn: &Insn) -> Option<&'static Row> {
    rows_of(insn.code).iter().find(|row| row.selects(insn))
}

/// The rows with this code.
fn rows_of(code: u8) -> &'static [Row] {
    let (start, end) = BY_CODE[usize::from(code)];
    &ROWS[usize::from(start)..usize::from(end)]
}

/// For each code where its rows start and end; rows with the same code stand together.
static BY_CODE: [(u8, u8); 256] = {
    let mut index = [(0u8, 0u8); 256];
    let mut at = 0;
    while at < ROWS.len() {
        let code = ROWS[at].code as usize;
        if index[code].1 == 0 {
            index[code].0 = at as u8;
        }
        at += 1;
        index[code].1 = at as u8;
    }
    index
};

const fn row(code: u8, text: &'static str, effect: Effect, group: Group, doc: &'static str) -> Row {
    Row { code, select: Select::None, text, effect, group, v4: false, doc }
}

/// Every operation. Those with the same code stand together.
#[rustfmt::skip]
pub static ROWS: &[Row] = &[
    // Arithmetic on 64 bits.
    row(0x07, "{d} += {i}", Update, Base64, "add"),
    row(0x0f, "{d} += {s}", Update, Base64, "add"),
    row(0x17, "{d} -= {i}", Update, Base64, "subtract"),
    row(0x1f, "{d} -= {s}", Update, Base64, "subtract"),
    row(0x27, "{d} *= {i}", Update, Divmul64, "multiply"),
    row(0x2f, "{d} *= {s}", Update, Divmul64, "multiply"),
    row(0x37, "{d} /= {i}", Update, Divmul64, "divide unsigned; by zero gives 0").off(0),
    row(0x37, "{d} s/= {i}", Update, Divmul64, "divide signed, rounding towards 0; by zero gives 0").off(1).v4(),
    row(0x3f, "{d} /= {s}", Update, Divmul64, "divide unsigned; by zero gives 0").off(0),
    row(0x3f, "{d} s/= {s}", Update, Divmul64, "divide signed, rounding towards 0; by zero gives 0").off(1).v4(),
    row(0x47, "{d} |= {i}", Update, Base64, "or"),
    row(0x4f, "{d} |= {s}", Update, Base64, "or"),
    row(0x57, "{d} &= {i}", Update, Base64, "and"),
    row(0x5f, "{d} &= {s}", Update, Base64, "and"),
    row(0x67, "{d} <<= {i}", Update, Base64, "shift left"),
    row(0x6f, "{d} <<= {s}", Update, Base64, "shift left"),
    row(0x77, "{d} >>= {i}", Update, Base64, "shift right, zeros come in"),
    row(0x7f, "{d} >>= {s}", Update, Base64, "shift right, zeros come in"),
    row(0x97, "{d} %= {i}", Update, Divmul64, "remainder unsigned; by zero leaves the left operand").off(0),
    row(0x97, "{d} s%= {i}", Update, Divmul64, "remainder signed, rounding towards 0; by zero leaves the left operand").off(1).v4(),
    row(0x9f, "{d} %= {s}", Update, Divmul64, "remainder unsigned; by zero leaves the left operand").off(0),
    row(0x9f, "{d} s%= {s}", Update, Divmul64, "remainder signed, rounding towards 0; by zero leaves the left operand").off(1).v4(),
    row(0xa7, "{d} ^= {i}", Update, Base64, "exclusive or"),
    row(0xaf, "{d} ^= {s}", Update, Base64, "exclusive or"),
    row(0xc7, "{d} s>>= {i}", Update, Base64, "shift right, the sign comes in"),
    row(0xcf, "{d} s>>= {s}", Update, Base64, "shift right, the sign comes in"),
    row(0x87, "{d} = -{d}", Update, Base64, "negate"),
    row(0xb7, "{d} = {i}", Set, Base64, "set to a constant, sign-extended"),
    row(0xbf, "{d} = {s}", Set, Base64, "copy").off(0),
    row(0xbf, "{d} = (s8){s}", Set, Base64, "copy the low 8 bits, sign-extended to 64").off(8).v4(),
    row(0xbf, "{d} = (s16){s}", Set, Base64, "copy the low 16 bits, sign-extended to 64").off(16).v4(),
    row(0xbf, "{d} = (s32){s}", Set, Base64, "copy the low 32 bits, sign-extended to 64").off(32).v4(),
    // Arithmetic on 32 bits. The upper half of the result is zero.
    row(0x04, "{wd} += {i}", Update, Base32, "add"),
    row(0x0c, "{wd} += {ws}", Update, Base32, "add"),
    row(0x14, "{wd} -= {i}", Update, Base32, "subtract"),
    row(0x1c, "{wd} -= {ws}", Update, Base32, "subtract"),
    row(0x24, "{wd} *= {i}", Update, Divmul32, "multiply"),
    row(0x2c, "{wd} *= {ws}", Update, Divmul32, "multiply"),
    row(0x34, "{wd} /= {i}", Update, Divmul32, "divide unsigned; by zero gives 0").off(0),
    row(0x34, "{wd} s/= {i}", Update, Divmul32, "divide signed, rounding towards 0; by zero gives 0").off(1).v4(),
    row(0x3c, "{wd} /= {ws}", Update, Divmul32, "divide unsigned; by zero gives 0").off(0),
    row(0x3c, "{wd} s/= {ws}", Update, Divmul32, "divide signed, rounding towards 0; by zero gives 0").off(1).v4(),
    row(0x44, "{wd} |= {i}", Update, Base32, "or"),
    row(0x4c, "{wd} |= {ws}", Update, Base32, "or"),
    row(0x54, "{wd} &= {i}", Update, Base32, "and"),
    row(0x5c, "{wd} &= {ws}", Update, Base32, "and"),
    row(0x64, "{wd} <<= {i}", Update, Base32, "shift left"),
    row(0x6c, "{wd} <<= {ws}", Update, Base32, "shift left"),
    row(0x74, "{wd} >>= {i}", Update, Base32, "shift right, zeros come in"),
    row(0x7c, "{wd} >>= {ws}", Update, Base32, "shift right, zeros come in"),
    row(0x94, "{wd} %= {i}", Update, Divmul32, "remainder unsigned; by zero leaves the left operand").off(0),
    row(0x94, "{wd} s%= {i}", Update, Divmul32, "remainder signed, rounding towards 0; by zero leaves the left operand").off(1).v4(),
    row(0x9c, "{wd} %= {ws}", Update, Divmul32, "remainder unsigned; by zero leaves the left operand").off(0),
    row(0x9c, "{wd} s%= {ws}", Update, Divmul32, "remainder signed, rounding towards 0; by zero leaves the left operand").off(1).v4(),
    row(0xa4, "{wd} ^= {i}", Update, Base32, "exclusive or"),
    row(0xac, "{wd} ^= {ws}", Update, Base32, "exclusive or"),
    row(0xc4, "{wd} s>>= {i}", Update, Base32, "shift right, the sign comes in"),
    row(0xcc, "{wd} s>>= {ws}", Update, Base32, "shift right, the sign comes in"),
    row(0x84, "{wd} = -{wd}", Update, Base32, "negate"),
    row(0xb4, "{wd} = {i}", Set, Base32, "set to a constant, zero-extended"),
    row(0xbc, "{wd} = {ws}", Set, Base32, "copy the low half, zero-extended").off(0),
    row(0xbc, "{wd} = (s8){ws}", Set, Base32, "copy the low 8 bits, sign-extended to 32").off(8).v4(),
    row(0xbc, "{wd} = (s16){ws}", Set, Base32, "copy the low 16 bits, sign-extended to 32").off(16).v4(),
    // Byte order: the low bits of a register, zero-extended.
    row(0xd4, "{d} = le16 {d}", Update, Base32, "16 bits to or from little endian").imm(16),
    row(0xd4, "{d} = le32 {d}", Update, Base32, "32 bits to or from little endian").imm(32),
    row(0xd4, "{d} = le64 {d}", Update, Base64, "64 bits to or from little endian").imm(64),
    row(0xdc, "{d} = be16 {d}", Update, Base32, "16 bits to or from big endian").imm(16),
    row(0xdc, "{d} = be32 {d}", Update, Base32, "32 bits to or from big endian").imm(32),
    row(0xdc, "{d} = be64 {d}", Update, Base64, "64 bits to or from big endian").imm(64),
    row(0xd7, "{d} = bswap16 {d}", Update, Base32, "16 bits swapped").imm(16).v4(),
    row(0xd7, "{d} = bswap32 {d}", Update, Base32, "32 bits swapped").imm(32).v4(),
    row(0xd7, "{d} = bswap64 {d}", Update, Base64, "64 bits swapped").imm(64).v4(),
    // Loads of 64-bit constants, two slots each.
    row(0x18, "{d} = {wide} ll", Set, Base64, "a constant").src(0),
    row(0x18, "{d} = map_fd {i}", Set, Base64, "a map by file descriptor, as an engine fills it in").src(1),
    row(0x18, "{d} = map_fd {i} value + {high}", Set, Base64, "an address in a map's only value, by file descriptor").src(2),
    row(0x18, "{d} = map {i}", Set, Base64, "a map by its index in the object").src(5),
    row(0x18, "{d} = map {i} value + {high}", Set, Base64, "an address in a map's only value, by the map's index").src(6),
    // Loads.
    row(0x71, "{d} = *(u8 *)({s} {o})", Set, Base32, "load 8 bits, zero-extended"),
    row(0x69, "{d} = *(u16 *)({s} {o})", Set, Base32, "load 16 bits, zero-extended"),
    row(0x61, "{d} = *(u32 *)({s} {o})", Set, Base32, "load 32 bits, zero-extended"),
    row(0x79, "{d} = *(u64 *)({s} {o})", Set, Base64, "load 64 bits"),
    row(0x91, "{d} = *(s8 *)({s} {o})", Set, Base64, "load 8 bits, sign-extended").v4(),
    row(0x89, "{d} = *(s16 *)({s} {o})", Set, Base64, "load 16 bits, sign-extended").v4(),
    row(0x81, "{d} = *(s32 *)({s} {o})", Set, Base64, "load 32 bits, sign-extended").v4(),
    // Stores.
    row(0x72, "*(u8 *)({d} {o}) = {i}", Read, Base32, "store a constant in 8 bits"),
    row(0x6a, "*(u16 *)({d} {o}) = {i}", Read, Base32, "store a constant in 16 bits"),
    row(0x62, "*(u32 *)({d} {o}) = {i}", Read, Base32, "store a constant in 32 bits"),
    row(0x7a, "*(u64 *)({d} {o}) = {i}", Read, Base64, "store a constant in 64 bits"),
    row(0x73, "*(u8 *)({d} {o}) = {s}", Read, Base32, "store the low 8 bits"),
    row(0x6b, "*(u16 *)({d} {o}) = {s}", Read, Base32, "store the low 16 bits"),
    row(0x63, "*(u32 *)({d} {o}) = {s}", Read, Base32, "store the low 32 bits"),
    row(0x7b, "*(u64 *)({d} {o}) = {s}", Read, Base64, "store 64 bits"),
    // Atomic operations on memory.
    row(0xc3, "lock *(u32 *)({d} {o}) += {ws}", Read, Atomic32, "add").imm(0x00),
    row(0xc3, "{ws} = atomic_fetch_add((u32 *)({d} {o}), {ws})", Fetch, Atomic32, "add; the source becomes the old value").imm(0x01),
    row(0xc3, "lock *(u32 *)({d} {o}) |= {ws}", Read, Atomic32, "or").imm(0x40),
    row(0xc3, "{ws} = atomic_fetch_or((u32 *)({d} {o}), {ws})", Fetch, Atomic32, "or; the source becomes the old value").imm(0x41),
    row(0xc3, "lock *(u32 *)({d} {o}) &= {ws}", Read, Atomic32, "and").imm(0x50),
    row(0xc3, "{ws} = atomic_fetch_and((u32 *)({d} {o}), {ws})", Fetch, Atomic32, "and; the source becomes the old value").imm(0x51),
    row(0xc3, "lock *(u32 *)({d} {o}) ^= {ws}", Read, Atomic32, "xor").imm(0xa0),
    row(0xc3, "{ws} = atomic_fetch_xor((u32 *)({d} {o}), {ws})", Fetch, Atomic32, "xor; the source becomes the old value").imm(0xa1),
    row(0xc3, "{ws} = xchg_32({d} {o}, {ws})", Fetch, Atomic32, "exchange with the source").imm(0xe1),
    row(0xc3, "w0 = cmpxchg_32({d} {o}, w0, {ws})", CompareExchange, Atomic32, "store the source where memory equals R0; R0 becomes the old value").imm(0xf1),
    row(0xdb, "lock *(u64 *)({d} {o}) += {s}", Read, Atomic64, "add").imm(0x00),
    row(0xdb, "{s} = atomic_fetch_add((u64 *)({d} {o}), {s})", Fetch, Atomic64, "add; the source becomes the old value").imm(0x01),
    row(0xdb, "lock *(u64 *)({d} {o}) |= {s}", Read, Atomic64, "or").imm(0x40),
    row(0xdb, "{s} = atomic_fetch_or((u64 *)({d} {o}), {s})", Fetch, Atomic64, "or; the source becomes the old value").imm(0x41),
    row(0xdb, "lock *(u64 *)({d} {o}) &= {s}", Read, Atomic64, "and").imm(0x50),
    row(0xdb, "{s} = atomic_fetch_and((u64 *)({d} {o}), {s})", Fetch, Atomic64, "and; the source becomes the old value").imm(0x51),
    row(0xdb, "lock *(u64 *)({d} {o}) ^= {s}", Read, Atomic64, "xor").imm(0xa0),
    row(0xdb, "{s} = atomic_fetch_xor((u64 *)({d} {o}), {s})", Fetch, Atomic64, "xor; the source becomes the old value").imm(0xa1),
    row(0xdb, "{s} = xchg_64({d} {o}, {s})", Fetch, Atomic64, "exchange with the source").imm(0xe1),
    row(0xdb, "r0 = cmpxchg_64({d} {o}, r0, {s})", CompareExchange, Atomic64, "store the source where memory equals R0; R0 becomes the old value").imm(0xf1),
    // Jumps. Offsets count slots from the next instruction.
    row(0x05, "goto {j}", Goto, Base32, "always"),
    row(0x06, "gotol {J}", Goto, Base32, "always, with 32 bits of offset").v4(),
    row(0x15, "if {d} == {i} goto {j}", Branch, Base64, "equal"),
    row(0x1d, "if {d} == {s} goto {j}", Branch, Base64, "equal"),
    row(0x25, "if {d} > {i} goto {j}", Branch, Base64, "greater, unsigned"),
    row(0x2d, "if {d} > {s} goto {j}", Branch, Base64, "greater, unsigned"),
    row(0x35, "if {d} >= {i} goto {j}", Branch, Base64, "greater or equal, unsigned"),
    row(0x3d, "if {d} >= {s} goto {j}", Branch, Base64, "greater or equal, unsigned"),
    row(0x45, "if {d} & {i} goto {j}", Branch, Base64, "any common bit"),
    row(0x4d, "if {d} & {s} goto {j}", Branch, Base64, "any common bit"),
    row(0x55, "if {d} != {i} goto {j}", Branch, Base64, "not equal"),
    row(0x5d, "if {d} != {s} goto {j}", Branch, Base64, "not equal"),
    row(0x65, "if {d} s> {i} goto {j}", Branch, Base64, "greater, signed"),
    row(0x6d, "if {d} s> {s} goto {j}", Branch, Base64, "greater, signed"),
    row(0x75, "if {d} s>= {i} goto {j}", Branch, Base64, "greater or equal, signed"),
    row(0x7d, "if {d} s>= {s} goto {j}", Branch, Base64, "greater or equal, signed"),
    row(0xa5, "if {d} < {i} goto {j}", Branch, Base64, "less, unsigned"),
    row(0xad, "if {d} < {s} goto {j}", Branch, Base64, "less, unsigned"),
    row(0xb5, "if {d} <= {i} goto {j}", Branch, Base64, "less or equal, unsigned"),
    row(0xbd, "if {d} <= {s} goto {j}", Branch, Base64, "less or equal, unsigned"),
    row(0xc5, "if {d} s< {i} goto {j}", Branch, Base64, "less, signed"),
    row(0xcd, "if {d} s< {s} goto {j}", Branch, Base64, "less, signed"),
    row(0xd5, "if {d} s<= {i} goto {j}", Branch, Base64, "less or equal, signed"),
    row(0xdd, "if {d} s<= {s} goto {j}", Branch, Base64, "less or equal, signed"),
    row(0x16, "if {wd} == {i} goto {j}", Branch, Base32, "equal"),
    row(0x1e, "if {wd} == {ws} goto {j}", Branch, Base32, "equal"),
    row(0x26, "if {wd} > {i} goto {j}", Branch, Base32, "greater, unsigned"),
    row(0x2e, "if {wd} > {ws} goto {j}", Branch, Base32, "greater, unsigned"),
    row(0x36, "if {wd} >= {i} goto {j}", Branch, Base32, "greater or equal, unsigned"),
    row(0x3e, "if {wd} >= {ws} goto {j}", Branch, Base32, "greater or equal, unsigned"),
    row(0x46, "if {wd} & {i} goto {j}", Branch, Base32, "any common bit"),
    row(0x4e, "if {wd} & {ws} goto {j}", Branch, Base32, "any common bit"),
    row(0x56, "if {wd} != {i} goto {j}", Branch, Base32, "not equal"),
    row(0x5e, "if {wd} != {ws} goto {j}", Branch, Base32, "not equal"),
    row(0x66, "if {wd} s> {i} goto {j}", Branch, Base32, "greater, signed"),
    row(0x6e, "if {wd} s> {ws} goto {j}", Branch, Base32, "greater, signed"),
    row(0x76, "if {wd} s>= {i} goto {j}", Branch, Base32, "greater or equal, signed"),
    row(0x7e, "if {wd} s>= {ws} goto {j}", Branch, Base32, "greater or equal, signed"),
    row(0xa6, "if {wd} < {i} goto {j}", Branch, Base32, "less, unsigned"),
    row(0xae, "if {wd} < {ws} goto {j}", Branch, Base32, "less, unsigned"),
    row(0xb6, "if {wd} <= {i} goto {j}", Branch, Base32, "less or equal, unsigned"),
    row(0xbe, "if {wd} <= {ws} goto {j}", Branch, Base32, "less or equal, unsigned"),
    row(0xc6, "if {wd} s< {i} goto {j}", Branch, Base32, "less, signed"),
    row(0xce, "if {wd} s< {ws} goto {j}", Branch, Base32, "less, signed"),
    row(0xd6, "if {wd} s<= {i} goto {j}", Branch, Base32, "less or equal, signed"),
    row(0xde, "if {wd} s<= {ws} goto {j}", Branch, Base32, "less or equal, signed"),
    // Calls and the end.
    row(0x85, "call {i}", Call, Base32, "a helper by its number in `enum bpf_func_id`").src(0),
    row(0x85, "call pc{J}", Call, Base32, "a function of the same program").src(1),
    row(0x85, "call kfunc {i}", Call, Base32, "a kernel function by its index in the object").src(2),
    row(0x95, "exit", Exit, Base32, "the end of the program or function; R0 is the result"),
];
