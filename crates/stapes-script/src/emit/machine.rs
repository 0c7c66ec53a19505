//! Code between selection and assembly: eBPF instructions whose registers may still be virtual.
//!
//! A [`Code`] has the blocks of its function in the order in which they will be laid out, after one block of its own
//! that saves the context. Virtual registers may be written many times.
//! Physical registers appear only where eBPF fixes them: R1 at the entry, R1 to R5 before a call, R0 behind it, around
//! a compare-and-exchange and at the end, R10 as the frame. But for R10 their values never pass from one block to
//! another, which is what makes the allocator's life simple.

use stapes_bpf::Insn;
use stapes_bpf::insn::Jump;
use stapes_bpf::table::{Effect, lookup};

/// A register before allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Register {
    /// To be allocated; an index.
    Virtual(u32),
    /// R0 to R10.
    Physical(u8),
}

impl Register {
    /// The number of a physical one.
    pub(super) fn number(&self) -> Option<u8> {
        match self {
            Register::Physical(number) => Some(*number),
            Register::Virtual(_) => None,
        }
    }

    /// The index of a virtual one.
    pub(super) fn index(&self) -> Option<u32> {
        match self {
            Register::Virtual(index) => Some(*index),
            Register::Physical(_) => None,
        }
    }
}

/// The frame pointer.
pub(super) const FRAME: Register = Register::Physical(10);

/// Straight code and how it ends.
#[derive(Clone, Debug)]
pub(super) struct MachineBlock {
    /// The operations, each with the offset in the source that it comes from.
    pub(super) ops: Vec<(Op, u32)>,
    /// How it ends.
    pub(super) end: End,
}

/// A function after selection.
#[derive(Clone, Debug)]
pub(super) struct Code {
    /// The blocks in the order of the code.
    pub(super) blocks: Vec<MachineBlock>,
    /// How many virtual registers there are.
    pub(super) registers: u32,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// An instruction of one slot, neither jump nor call.
    Plain {
        /// Code, offset and immediate; the registers are filled in later.
        insn: Insn,
        /// What it does with its registers.
        effect: Effect,
        /// The destination.
        dst: Register,
        /// The source.
        src: Option<Register>,
    },
    /// A 64-bit load.
    Wide {
        /// Both slots; the register is filled in later.
        insns: [Insn; 2],
        /// The destination.
        dst: Register,
    },
    /// `if dst <= limit goto +1; dst = limit`, from which the verifier learns the bound.
    Clamp {
        /// The value, and the result.
        dst: Register,
        /// The greatest value, at most `i32::MAX`.
        limit: i32,
    },
    /// `dst = 1; if a condition b goto +1; dst = 0`.
    SetIf {
        /// The condition: a jump whose registers are filled in later.
        jump: Insn,
        /// The result; another register than the operands.
        dst: Register,
        /// Left.
        a: Register,
        /// Right, where the jump compares with a register.
        b: Option<Register>,
    },
    /// A call; its arguments are in R1 and on, its result in R0.
    Call {
        /// The call.
        insn: Insn,
        /// How many arguments.
        arguments: u8,
    },
}

/// How a block ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// On at another block.
    Goto(usize),
    /// One of two ways.
    Branch {
        /// The condition: a jump whose registers are filled in later.
        jump: Insn,
        /// Left.
        a: Register,
        /// Right, where the jump compares with a register.
        b: Option<Register>,
        /// Where to when it holds.
        then: usize,
        /// Where to otherwise.
        otherwise: usize,
    },
    /// The end of the program; R0 has its result.
    Exit,
}

/// How an operation uses a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Reads it.
    Read,
    /// Writes it, after everything is read.
    Write,
    /// Writes it before everything is read, so that no operand may share it.
    WriteEarly,
}

impl Op {
    /// A plain operation from an instruction made with registers 0.
    pub(super) fn plain(insn: Insn, dst: Register, src: Option<Register>) -> Op {
        let effect = lookup(&insn).map_or(Effect::Update, |row| row.effect);
        Op::Plain { insn, effect, dst, src }
    }

    /// Calls `f` with every register and its role; one that is read and written comes twice, read first.
    /// What a call leaves undefined in R1 to R5 counts as written.
    pub(super) fn registers(&self, mut f: impl FnMut(Register, Role)) {
        match self {
            Op::Plain { insn: _, effect, dst, src } => {
                if let Some(src) = src {
                    f(*src, Role::Read);
                }
                if *effect != Effect::Set {
                    f(*dst, Role::Read);
                }
                match effect {
                    Effect::Set | Effect::Update => f(*dst, Role::Write),
                    Effect::Fetch => src.iter().for_each(|src| f(*src, Role::Write)),
                    Effect::CompareExchange => {
                        f(Register::Physical(0), Role::Read);
                        f(Register::Physical(0), Role::Write);
                    }
                    Effect::Read | Effect::Goto | Effect::Branch | Effect::Call | Effect::Exit => {}
                }
            }
            Op::Wide { dst, .. } => f(*dst, Role::Write),
            Op::Clamp { dst, .. } => {
                f(*dst, Role::Read);
                f(*dst, Role::Write);
            }
            Op::SetIf { dst, a, b, .. } => {
                f(*a, Role::Read);
                b.iter().for_each(|b| f(*b, Role::Read));
                f(*dst, Role::WriteEarly);
            }
            Op::Call { arguments, .. } => {
                (1..=*arguments).for_each(|r| f(Register::Physical(r), Role::Read));
                (0..=5).for_each(|r| f(Register::Physical(r), Role::Write));
            }
        }
    }

    /// Calls `f` with every register, to change it.
    pub(super) fn registers_mut(&mut self, mut f: impl FnMut(&mut Register)) {
        match self {
            Op::Plain { dst, src, .. } => {
                f(dst);
                src.iter_mut().for_each(f);
            }
            Op::Wide { dst, .. } | Op::Clamp { dst, .. } => f(dst),
            Op::SetIf { dst, a, b, .. } => {
                f(dst);
                f(a);
                b.iter_mut().for_each(f);
            }
            Op::Call { .. } => {}
        }
    }

    /// Whether it only copies one register to another: (to, from).
    pub(super) fn copy(&self) -> Option<(Register, Register)> {
        match self {
            Op::Plain { insn, dst, src: Some(src), .. } if *insn == COPY => Some((*dst, *src)),
            _ => None,
        }
    }

    /// Whether it does nothing but write its destination.
    pub(super) fn is_pure(&self) -> bool {
        match self {
            Op::Plain { effect, .. } => matches!(effect, Effect::Set | Effect::Update),
            Op::Wide { .. } | Op::Clamp { .. } | Op::SetIf { .. } => true,
            Op::Call { .. } => false,
        }
    }

    /// Whether it sets its destination to something known beforehand, so that it can be done again instead of kept.
    pub(super) fn is_constant(&self) -> bool {
        match self {
            Op::Plain { effect, src, .. } => *effect == Effect::Set && src.is_none(),
            Op::Wide { .. } => true,
            Op::Clamp { .. } | Op::SetIf { .. } | Op::Call { .. } => false,
        }
    }
}

/// The template of `dst = src`.
pub(super) const COPY: Insn = Insn::alu64(stapes_bpf::insn::Alu::Mov, 0, 0);

impl End {
    /// The blocks that may follow.
    pub(super) fn successors(&self) -> impl Iterator<Item = usize> {
        let (first, second) = match self {
            End::Goto(to) => (Some(*to), None),
            End::Branch { then, otherwise, .. } => (Some(*then), Some(*otherwise)),
            End::Exit => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// Calls `f` with every register that it reads.
    pub(super) fn registers(&self, mut f: impl FnMut(Register)) {
        match self {
            End::Goto(_) => {}
            End::Branch { a, b, .. } => {
                f(*a);
                b.iter().for_each(|b| f(*b));
            }
            End::Exit => f(Register::Physical(0)),
        }
    }

    /// Calls `f` with every register of a branch, to change it.
    pub(super) fn registers_mut(&mut self, mut f: impl FnMut(&mut Register)) {
        if let End::Branch { a, b, .. } = self {
            f(a);
            b.iter_mut().for_each(f);
        }
    }
}

/// The condition that holds exactly when `jump` does not; a test of bits has none.
pub(super) fn inverse(jump: &Insn) -> Option<Insn> {
    const PAIRS: [(Jump, Jump); 5] = [
        (Jump::Eq, Jump::Ne),
        (Jump::Gt, Jump::Le),
        (Jump::Ge, Jump::Lt),
        (Jump::SignedGt, Jump::SignedLe),
        (Jump::SignedGe, Jump::SignedLt),
    ];
    let condition = jump.code & 0xf0;
    let other = PAIRS.iter().find_map(|(a, b)| {
        let (a, b) = (*a as u8, *b as u8);
        if a == condition { Some(b) } else { (b == condition).then_some(a) }
    })?;
    Some(Insn { code: jump.code & 0x0f | other, ..*jump })
}
