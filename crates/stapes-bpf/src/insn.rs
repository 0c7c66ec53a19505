//! One eBPF instruction as the kernel reads it (`struct bpf_insn`, linux/bpf.h; RFC 9669), and how to make one.
//!
//! What each operation is called, prints as, reads and writes is in [`crate::table`].

/// One 8-byte slot of eBPF code.
///
/// References to other things stay symbolic until an engine loads the program:
/// a 64-bit load with `src` [`Insn::MAP_INDEX`] or [`Insn::MAP_VALUE_INDEX`] has an index into
/// [`Object::maps`](crate::Object::maps) as `imm`;
/// a call with `src` [`Insn::KFUNC`] has an index into [`Object::kfuncs`](crate::Object::kfuncs) as `imm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Insn {
    /// The operation.
    pub code: u8,
    /// Destination register, 0 to 10.
    pub dst: u8,
    /// Source register, or one of the pseudo sources.
    pub src: u8,
    /// Signed offset: of memory in bytes, of jumps in slots.
    pub off: i16,
    /// Immediate value.
    pub imm: i32,
}

/// Bits of [`Insn::code`]: the class of 64-bit arithmetic.
pub const ALU64: u8 = 0x07;
/// The class of 32-bit arithmetic, whose results are zero-extended.
pub const ALU32: u8 = 0x04;
/// The class of jumps that compare 64 bits, calls and exit.
pub const JMP: u8 = 0x05;
/// The class of jumps that compare 32 bits.
pub const JMP32: u8 = 0x06;
/// The bit that says that the second operand is a register.
const REGISTER: u8 = 0x08;

/// Arithmetic operations, as the upper bits of [`Insn::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Alu {
    /// `+`.
    Add = 0x00,
    /// `-`.
    Sub = 0x10,
    /// `*`.
    Mul = 0x20,
    /// Unsigned `/`; by zero it gives 0.
    Div = 0x30,
    /// `|`.
    Or = 0x40,
    /// `&`.
    And = 0x50,
    /// `<<`.
    Lsh = 0x60,
    /// Unsigned `>>`.
    Rsh = 0x70,
    /// Negation; has no second operand.
    Neg = 0x80,
    /// Unsigned `%`; by zero it leaves the left operand.
    Mod = 0x90,
    /// `^`.
    Xor = 0xa0,
    /// `=`.
    Mov = 0xb0,
    /// Signed `>>`.
    Arsh = 0xc0,
}

/// Conditions of jumps, as the upper bits of [`Insn::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Jump {
    /// `==`.
    Eq = 0x10,
    /// Unsigned `>`.
    Gt = 0x20,
    /// Unsigned `>=`.
    Ge = 0x30,
    /// `&` is not zero.
    Set = 0x40,
    /// `!=`.
    Ne = 0x50,
    /// Signed `>`.
    SignedGt = 0x60,
    /// Signed `>=`.
    SignedGe = 0x70,
    /// Unsigned `<`.
    Lt = 0xa0,
    /// Unsigned `<=`.
    Le = 0xb0,
    /// Signed `<`.
    SignedLt = 0xc0,
    /// Signed `<=`.
    SignedLe = 0xd0,
}

/// Sizes of memory accesses, as bits of [`Insn::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Size {
    /// 1 byte.
    B1 = 0x10,
    /// 2 bytes.
    B2 = 0x08,
    /// 4 bytes.
    B4 = 0x00,
    /// 8 bytes.
    B8 = 0x18,
}

/// Atomic operations, as [`Insn::imm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Atomic {
    /// Add; nothing is returned.
    Add = 0x00,
    /// Compare R0 with memory and, if equal, store the source; the old value comes back in R0.
    CompareExchange = 0xf1,
}

impl Insn {
    /// `BPF_PSEUDO_MAP_FD`: the 64-bit load's `imm` is a file descriptor; only an engine makes these.
    pub const MAP_FD: u8 = 1;
    /// `BPF_PSEUDO_MAP_IDX`: the 64-bit load's `imm` is the index of a map.
    pub const MAP_INDEX: u8 = 5;
    /// `BPF_PSEUDO_MAP_IDX_VALUE`: the address of the map's value plus the second slot's `imm`.
    pub const MAP_VALUE_INDEX: u8 = 6;
    /// `BPF_PSEUDO_KFUNC_CALL`: the call's `imm` is the index of a kernel function.
    pub const KFUNC: u8 = 2;
    /// The code of a 64-bit load, the one instruction of two slots.
    pub const LOAD_IMM64: u8 = 0x18;
    /// The code of a call.
    pub const CALL: u8 = 0x85;
    /// The code of the end of a program.
    pub const EXIT: u8 = 0x95;
    /// The code of a jump by `off`.
    pub const GOTO: u8 = 0x05;
    /// The code of a jump by `imm`.
    pub const GOTO_LONG: u8 = 0x06;

    const fn new(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
        Insn { code, dst, src, off, imm }
    }

    /// `dst = dst op src` on 64 bits.
    pub const fn alu64(op: Alu, dst: u8, src: u8) -> Insn {
        Insn::new(ALU64 | REGISTER | op as u8, dst, src, 0, 0)
    }

    /// `dst = dst op imm` on 64 bits, `imm` sign-extended.
    pub const fn alu64_imm(op: Alu, dst: u8, imm: i32) -> Insn {
        Insn::new(ALU64 | op as u8, dst, 0, 0, imm)
    }

    /// `dst = dst op src` on 32 bits, the result zero-extended.
    pub const fn alu32(op: Alu, dst: u8, src: u8) -> Insn {
        Insn::new(ALU32 | REGISTER | op as u8, dst, src, 0, 0)
    }

    /// `dst = dst op imm` on 32 bits, the result zero-extended.
    pub const fn alu32_imm(op: Alu, dst: u8, imm: i32) -> Insn {
        Insn::new(ALU32 | op as u8, dst, 0, 0, imm)
    }

    /// [`Alu::Div`] or [`Alu::Mod`] made signed (version 4 of the instruction set).
    pub const fn signed(self) -> Insn {
        Insn { off: 1, ..self }
    }

    /// `dst =` the low `bits` (8, 16 or 32) of `src` sign-extended to 64 (version 4).
    pub const fn sign_extend(bits: i16, dst: u8, src: u8) -> Insn {
        Insn::new(ALU64 | REGISTER | Alu::Mov as u8, dst, src, bits, 0)
    }

    /// `dst =` the low `bits` (16, 32 or 64) of `dst` as a big-endian value, zero-extended.
    pub const fn to_big_endian(bits: i32, dst: u8) -> Insn {
        Insn::new(0xdc, dst, 0, 0, bits)
    }

    /// `dst =` the low `bits` (16, 32 or 64) of `dst` as a little-endian value, zero-extended.
    pub const fn to_little_endian(bits: i32, dst: u8) -> Insn {
        Insn::new(0xd4, dst, 0, 0, bits)
    }

    /// `dst = *(size *)(base + off)`, zero-extended.
    pub const fn load(size: Size, dst: u8, base: u8, off: i16) -> Insn {
        Insn::new(0x61 | size as u8, dst, base, off, 0)
    }

    /// `dst = *(size *)(base + off)`, sign-extended (version 4); not for 8 bytes.
    pub const fn load_signed(size: Size, dst: u8, base: u8, off: i16) -> Insn {
        Insn::new(0x81 | size as u8, dst, base, off, 0)
    }

    /// `*(size *)(base + off) = src`.
    pub const fn store(size: Size, base: u8, off: i16, src: u8) -> Insn {
        Insn::new(0x63 | size as u8, base, src, off, 0)
    }

    /// `*(size *)(base + off) = imm`, `imm` sign-extended.
    pub const fn store_imm(size: Size, base: u8, off: i16, imm: i32) -> Insn {
        Insn::new(0x62 | size as u8, base, 0, off, imm)
    }

    /// An atomic operation on 4 or 8 bytes at `base + off`.
    pub const fn atomic(op: Atomic, size: Size, base: u8, off: i16, src: u8) -> Insn {
        Insn::new(0xc3 | size as u8, base, src, off, op as i32)
    }

    /// `if dst condition src goto +off`, on 64 bits.
    pub const fn jump(condition: Jump, dst: u8, src: u8, off: i16) -> Insn {
        Insn::new(JMP | REGISTER | condition as u8, dst, src, off, 0)
    }

    /// `if dst condition imm goto +off`, on 64 bits, `imm` sign-extended.
    pub const fn jump_imm(condition: Jump, dst: u8, imm: i32, off: i16) -> Insn {
        Insn::new(JMP | condition as u8, dst, 0, off, imm)
    }

    /// `goto +off`.
    pub const fn goto(off: i16) -> Insn {
        Insn::new(Insn::GOTO, 0, 0, off, 0)
    }

    /// `gotol +imm` (version 4).
    pub const fn goto_long(imm: i32) -> Insn {
        Insn::new(Insn::GOTO_LONG, 0, 0, 0, imm)
    }

    /// A call of a helper by its number.
    pub const fn call(helper: u32) -> Insn {
        Insn::new(Insn::CALL, 0, 0, 0, helper as i32)
    }

    /// A call of a kernel function by its index.
    pub const fn kfunc(index: u32) -> Insn {
        Insn::new(Insn::CALL, 0, Insn::KFUNC, 0, index as i32)
    }

    /// The end of the program; R0 is its result.
    pub const fn exit() -> Insn {
        Insn::new(Insn::EXIT, 0, 0, 0, 0)
    }

    /// `dst = value`, in two slots.
    pub const fn load_imm64(dst: u8, value: u64) -> [Insn; 2] {
        Insn::wide(dst, 0, value as i32, (value >> 32) as i32)
    }

    /// `dst =` the map with this index, in two slots.
    pub const fn map(dst: u8, index: u32) -> [Insn; 2] {
        Insn::wide(dst, Insn::MAP_INDEX, index as i32, 0)
    }

    /// `dst =` the address `offset` bytes into the value of the map with this index, in two slots.
    pub const fn map_value(dst: u8, index: u32, offset: u32) -> [Insn; 2] {
        Insn::wide(dst, Insn::MAP_VALUE_INDEX, index as i32, offset as i32)
    }

    const fn wide(dst: u8, src: u8, low: i32, high: i32) -> [Insn; 2] {
        [Insn::new(Insn::LOAD_IMM64, dst, src, 0, low), Insn::new(0, 0, 0, 0, high)]
    }

    /// Whether this is the first of two slots.
    pub const fn is_wide(&self) -> bool {
        self.code == Insn::LOAD_IMM64
    }

    /// The 8 bytes as the kernel of this machine reads them: in its byte order,
    /// and the two registers in one byte with the order that bit-fields have there.
    pub const fn encode(&self) -> [u8; 8] {
        let (dst, src) = (self.dst & 15, self.src & 15);
        let registers = if cfg!(target_endian = "little") { dst | src << 4 } else { dst << 4 | src };
        let (off, imm) = (self.off.to_ne_bytes(), self.imm.to_ne_bytes());
        [self.code, registers, off[0], off[1], imm[0], imm[1], imm[2], imm[3]]
    }

    /// The instruction in 8 bytes that [`Insn::encode`] made.
    pub const fn decode(bytes: [u8; 8]) -> Insn {
        let [code, registers, o0, o1, i0, i1, i2, i3] = bytes;
        let (low, high) = (registers & 15, registers >> 4);
        let (dst, src) = if cfg!(target_endian = "little") { (low, high) } else { (high, low) };
        Insn::new(code, dst, src, i16::from_ne_bytes([o0, o1]), i32::from_ne_bytes([i0, i1, i2, i3]))
    }
}
