//! The intermediate representation: between the checked script and eBPF.
//!
//! A [`Function`] is a graph of basic blocks over virtual registers of 64 bits, which may be assigned many times,
//! and *slots*, which are memory of the program's own.
//! It is close to eBPF, but registers are unlimited, memory operations of any length are one instruction,
//! and where a slot lives (the 512-byte stack, or a claimed piece of scratch memory) is decided later.
//!
//! Rules that lowering keeps and emission relies on:
//! - block 0 is the entry; every block ends in exactly one [`Terminator`];
//! - a register is assigned on every path before it is read;
//! - a pointer from a map look-up is compared with 0 by a [`Terminator::Branch`] before it is dereferenced;
//! - loops are bounded: lowering counts them where the source does not.

mod module;
mod operands;
mod operators;
pub mod text;
pub mod verify;

pub use module::Module;

use crate::ast::Span;

/// A virtual register, 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reg(pub u32);

/// Index of a basic block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(pub u32);

/// Index of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub u32);

/// Index of a map of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapId(pub u32);

/// One program before emission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The program's name, as [`stapes_bpf::Program::name`].
    pub name: String,
    /// How it is called.
    pub kind: stapes_bpf::ProgramKind,
    /// Whether it may fault in user memory.
    pub sleepable: bool,
    /// The blocks; the first is the entry.
    pub blocks: Vec<Block>,
    /// Memory of its own.
    pub slots: Vec<Slot>,
    /// How many registers it uses.
    pub registers: u32,
}

/// A piece of memory. It is not initialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Bytes; a multiple of 8.
    pub size: u32,
}

/// Straight code and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The instructions with the place in the source that they come from.
    pub insts: Vec<(Inst, Span)>,
    /// Where it goes on.
    pub end: Terminator,
}

/// A value: a register or a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// The content of a register.
    Reg(Reg),
    /// A constant.
    Imm(i64),
}

/// The start of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Base {
    /// A pointer in a register: to a map's value or a ring buffer record, never to user memory.
    Reg(Reg),
    /// A slot.
    Slot(SlotId),
    /// The program's context.
    Context,
}

/// A memory operand of the program's own memory: base + offset, or base + offset + index for slots whose index was
/// bounded just before by [`Inst::Bound`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The start.
    pub base: Base,
    /// Bytes to add.
    pub offset: i32,
    /// A register to add, in bytes.
    pub index: Option<Reg>,
}

/// Widths of memory accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// 1 byte.
    B1,
    /// 2 bytes.
    B2,
    /// 4 bytes.
    B4,
    /// 8 bytes.
    B8,
}

/// An instruction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Inst {
    /// `dst = src`.
    Mov {
        /// Result.
        dst: Reg,
        /// Source.
        src: Value,
    },
    /// `dst = a op b` on 64 bits.
    Binary {
        /// Operation.
        op: BinaryOp,
        /// Result.
        dst: Reg,
        /// Left.
        a: Value,
        /// Right.
        b: Value,
    },
    /// `dst = a cmp b ? 1 : 0`.
    Compare {
        /// Comparison.
        op: CompareOp,
        /// Result.
        dst: Reg,
        /// Left.
        a: Value,
        /// Right.
        b: Value,
    },
    /// The low `width` of `src`, zero- or sign-extended.
    Extend {
        /// Result.
        dst: Reg,
        /// Source.
        src: Value,
        /// Bits kept.
        width: Width,
        /// Whether the top bit is copied upwards.
        signed: bool,
    },
    /// `dst = src` with bytes reversed in `width`, zero-extended.
    Swap {
        /// Result.
        dst: Reg,
        /// Source.
        src: Value,
        /// Bytes that are swapped.
        width: Width,
    },
    /// `dst = min(src, limit)`, unsigned, in a form from which the verifier learns the bound.
    Bound {
        /// Result.
        dst: Reg,
        /// Source.
        src: Value,
        /// The greatest value.
        limit: u32,
    },
    /// A load from the program's own memory or the context, extended to 64 bits.
    Load {
        /// Result.
        dst: Reg,
        /// Where from.
        from: Address,
        /// How much.
        width: Width,
        /// Whether it is sign-extended.
        signed: bool,
    },
    /// A store to the program's own memory.
    Store {
        /// Where to.
        to: Address,
        /// What.
        src: Value,
        /// How much.
        width: Width,
    },
    /// An atomic addition to memory; `src` is added, nothing is returned.
    AtomicAdd {
        /// Where.
        to: Address,
        /// What.
        src: Value,
        /// 4 or 8 bytes.
        width: Width,
    },
    /// `dst =` the 8 bytes at `to`; if they equal `expected` they become `new`, atomically.
    CompareExchange {
        /// The old content.
        dst: Reg,
        /// Where.
        to: Address,
        /// What is expected.
        expected: Value,
        /// What is put there.
        new: Value,
    },
    /// Bytes set to 0.
    Zero {
        /// Where.
        to: Address,
        /// How many, a constant.
        length: u32,
    },
    /// Bytes copied within the program's own memory; the ranges do not overlap.
    Copy {
        /// Where to.
        to: Address,
        /// Where from.
        from: Address,
        /// How many, a constant.
        length: u32,
    },
    /// Constant bytes stored, as of a string literal.
    StoreBytes {
        /// Where to.
        to: Address,
        /// What.
        bytes: Vec<u8>,
    },
    /// `dst = address`, to be kept in a register.
    AddressOf {
        /// Result.
        dst: Reg,
        /// The address.
        address: Address,
    },
    /// A call of a kernel helper or kernel function.
    Call {
        /// Result, if it is wanted.
        dst: Option<Reg>,
        /// What is called.
        callee: Callee,
        /// At most five arguments.
        arguments: Vec<Argument>,
    },
    /// `dst =` pointer to the value of an array map's index that is known to exist, without a look-up:
    /// only for [`stapes_bpf::MapKind::Array`].
    MapValue {
        /// Result, never 0.
        dst: Reg,
        /// The map.
        map: MapId,
        /// Bytes to add.
        offset: u32,
    },
}

/// An argument of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Argument {
    /// A number or pointer.
    Value(Value),
    /// An address in the program's own memory, or the context.
    Address(Address),
    /// A map.
    Map(MapId),
}

/// What can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Callee {
    /// A helper by its number in `enum bpf_func_id`.
    Helper(Helper),
    /// A kernel function by its name.
    Kfunc(&'static str),
}

/// The helpers that scripts need, with their numbers in `enum bpf_func_id` (linux/bpf.h).
#[allow(missing_docs, reason = "the names are the kernel's, bpf-helpers(7) documents them")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Helper {
    MapLookupElem = 1,
    MapUpdateElem = 2,
    MapDeleteElem = 3,
    KtimeGetNs = 5,
    GetPrandomU32 = 7,
    GetSmpProcessorId = 8,
    GetCurrentPidTgid = 14,
    GetCurrentUidGid = 15,
    GetCurrentComm = 16,
    GetStack = 67,
    GetCurrentCgroupId = 80,
    SendSignal = 109,
    ProbeReadUser = 112,
    ProbeReadKernel = 113,
    ProbeReadUserStr = 114,
    ProbeReadKernelStr = 115,
    GetNsCurrentPidTgid = 120,
    RingbufOutput = 130,
    RingbufReserve = 131,
    RingbufSubmit = 132,
    RingbufDiscard = 133,
    KtimeGetBootNs = 125,
    CopyFromUser = 148,
    GetCurrentTask = 35,
    GetFuncIp = 173,
    GetAttachCookie = 174,
    Loop = 181,
    MapLookupPercpuElem = 195,
    KtimeGetTaiNs = 208,
}

/// Arithmetic and logic. Division by zero gives 0, modulo zero the left operand, shifts use the low 6 bits: as eBPF.
#[allow(missing_docs, reason = "the names say it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    SignedDiv,
    Mod,
    SignedMod,
    And,
    Or,
    Xor,
    Shl,
    Shr,
    SignedShr,
}

/// Comparisons.
#[allow(missing_docs, reason = "the names say it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    SignedLt,
    SignedLe,
    SignedGt,
    SignedGe,
}

/// How a block ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Terminator {
    /// On at another block.
    Jump(BlockId),
    /// One of two ways.
    Branch {
        /// Comparison.
        op: CompareOp,
        /// Left.
        a: Value,
        /// Right.
        b: Value,
        /// Where to when it holds.
        then: BlockId,
        /// Where to otherwise.
        otherwise: BlockId,
    },
    /// The end of the program.
    Return(Value),
}
