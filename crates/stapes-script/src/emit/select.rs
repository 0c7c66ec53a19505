//! Selection: each instruction of the IR becomes a few of eBPF's, over virtual registers.
//!
//! eBPF has two operands (`a += b`), immediates of 32 signed bits, offsets of 16, and no way to add registers in an
//! address. What does not fit goes through a temporary.
//! Memory operations of constant length are unrolled into the widest accesses that the alignment allows, since the
//! kernel's verifier wants aligned accesses to the stack; [`super::legalize`] has made loops of the long ones.

use stapes_bpf::Insn;
use stapes_bpf::insn::{Alu, Atomic, Jump, Size};

use super::alignment::Alignments;
use super::machine::{COPY, Code, End, FRAME, MachineBlock, Op, Register};
use crate::catalog::Target;
use crate::ir::{
    Address, Argument, Base, BinaryOp, Callee, CompareOp, Function, Inst, Reg, SlotId, Terminator, Value,
    Width,
};

/// What selection needs to know besides the function.
pub(super) struct Selection<'a> {
    /// The machine.
    pub(super) target: &'a Target,
    /// For each slot its offset from R10, where it is on the stack.
    pub(super) stack: &'a [i16],
    /// Names of kernel functions so far; calls add theirs.
    pub(super) kfuncs: &'a mut Vec<String>,
}

/// Selects the instructions of a function. Blocks keep their order, behind one that saves the context.
pub(super) fn select(function: &Function, selection: Selection<'_>) -> Code {
    let context = Register::Virtual(function.registers);
    let mut selector = Selector {
        selection,
        alignments: Alignments::of(function),
        context,
        registers: function.registers + 1,
        ops: Vec::new(),
        place: 0,
    };
    selector.copy(context, Register::Physical(1));
    let mut blocks = vec![MachineBlock { ops: std::mem::take(&mut selector.ops), end: End::Goto(1) }];
    for block in &function.blocks {
        for (inst, span) in &block.insts {
            selector.place = span.start;
            selector.inst(inst);
        }
        let end = selector.terminator(&block.end);
        blocks.push(MachineBlock { ops: std::mem::take(&mut selector.ops), end });
    }
    Code { blocks, registers: selector.registers }
}

struct Selector<'a> {
    selection: Selection<'a>,
    alignments: Alignments,
    context: Register,
    registers: u32,
    ops: Vec<(Op, u32)>,
    place: u32,
}

/// An operand that fits an instruction.
enum Operand {
    Register(Register),
    Imm(i32),
}

/// A memory operand that fits an instruction.
#[derive(Clone, Copy)]
struct Memory {
    base: Register,
    offset: i16,
}

impl Selector<'_> {
    fn inst(&mut self, inst: &Inst) {
        match inst {
            Inst::Mov { dst, src } => self.set(virtual_register(*dst), *src),
            Inst::Binary { op, dst, a, b } => self.binary(*op, *dst, *a, *b),
            Inst::Compare { op, dst, a, b } => {
                let dst = virtual_register(*dst);
                match self.condition(*op, *a, *b) {
                    // The result is written before the operands are compared.
                    Ok((jump, a, b)) if dst == a || Some(dst) == b => {
                        let t = self.temporary();
                        self.push(Op::SetIf { jump, dst: t, a, b });
                        self.copy(dst, t);
                    }
                    Ok((jump, a, b)) => self.push(Op::SetIf { jump, dst, a, b }),
                    Err(known) => self.set(dst, Value::Imm(known.into())),
                }
            }
            Inst::Extend { dst, src, width, signed } => {
                let dst = virtual_register(*dst);
                match src {
                    Value::Imm(value) => self.set(dst, Value::Imm(width.extend(*value, *signed))),
                    Value::Reg(src) => self.extend(dst, virtual_register(*src), *width, *signed),
                }
            }
            Inst::Swap { dst, src, width } => {
                let dst = virtual_register(*dst);
                self.set(dst, *src);
                self.swap(dst, *width);
            }
            Inst::Bound { dst, src, limit } => {
                let dst = virtual_register(*dst);
                self.set(dst, *src);
                self.push(Op::Clamp { dst, limit: i32::try_from(*limit).unwrap_or(i32::MAX) });
            }
            Inst::Load { dst, from, width, signed } => {
                self.load(virtual_register(*dst), from, *width, *signed)
            }
            Inst::Store { to, src, width } => {
                let to = self.memory(to);
                self.store(to, *src, *width);
            }
            Inst::AtomicAdd { to, src, width } => {
                let to = self.memory(to);
                let src = self.register(*src);
                self.push(Op::plain(
                    Insn::atomic(Atomic::Add, size(*width), 0, to.offset, 0),
                    to.base,
                    Some(src),
                ));
            }
            Inst::CompareExchange { dst, to, expected, new } => {
                let to = self.memory(to);
                let new = self.register(*new);
                self.set(Register::Physical(0), *expected);
                let exchange = Insn::atomic(Atomic::CompareExchange, Size::B8, 0, to.offset, 0);
                self.push(Op::plain(exchange, to.base, Some(new)));
                self.copy(virtual_register(*dst), Register::Physical(0));
            }
            Inst::Zero { to, length } => {
                let (memory, align) = self.region(to, *length);
                for (at, width) in chunks(*length, align) {
                    self.store(memory.plus(at), Value::Imm(0), width);
                }
            }
            Inst::Copy { to, from, length } => {
                let (to, to_align) = self.region(to, *length);
                let (from, from_align) = self.region(from, *length);
                for (at, width) in chunks(*length, to_align.min(from_align)) {
                    let t = self.temporary();
                    let source = from.plus(at);
                    self.push(Op::plain(Insn::load(size(width), 0, 0, source.offset), t, Some(source.base)));
                    let target = to.plus(at);
                    self.push(Op::plain(Insn::store(size(width), 0, target.offset, 0), target.base, Some(t)));
                }
            }
            Inst::StoreBytes { to, bytes } => self.store_bytes(to, bytes),
            Inst::AddressOf { dst, address } => {
                let dst = virtual_register(*dst);
                if address.registers().any(|r| virtual_register(r) == dst) {
                    let t = self.temporary();
                    self.address_of(t, address);
                    self.copy(dst, t);
                } else {
                    self.address_of(dst, address);
                }
            }
            Inst::Call { dst, callee, arguments } => self.call(*dst, callee, arguments),
            Inst::MapValue { dst, map, offset } => {
                let insns = Insn::map_value(0, map.0, *offset);
                self.push(Op::Wide { insns, dst: virtual_register(*dst) });
            }
        }
    }

    fn terminator(&mut self, end: &Terminator) -> End {
        match end {
            Terminator::Jump(to) => End::Goto(to.0 as usize + 1),
            Terminator::Branch { op, a, b, then, otherwise } => {
                let (then, otherwise) = (then.0 as usize + 1, otherwise.0 as usize + 1);
                match self.condition(*op, *a, *b) {
                    Ok((jump, a, b)) => End::Branch { jump, a, b, then, otherwise },
                    Err(known) => End::Goto(if known { then } else { otherwise }),
                }
            }
            Terminator::Return(value) => {
                self.set(Register::Physical(0), *value);
                End::Exit
            }
        }
    }

    fn binary(&mut self, op: BinaryOp, dst: Reg, a: Value, b: Value) {
        let (a, b) = match (a, b) {
            (Value::Imm(_), Value::Reg(_)) if commutes(op) => (b, a),
            (Value::Reg(_), Value::Reg(right)) if commutes(op) && right == dst => (b, a),
            _ => (a, b),
        };
        if let (BinaryOp::Div | BinaryOp::SignedDiv | BinaryOp::Mod | BinaryOp::SignedMod, Value::Imm(0)) =
            (op, b)
        {
            // The verifier refuses a constant zero; the language's rule is the instruction's own.
            let zero = matches!(op, BinaryOp::Div | BinaryOp::SignedDiv);
            return self.set(virtual_register(dst), if zero { Value::Imm(0) } else { a });
        }
        let (alu, signed) = alu(op);
        let right = match (op, b) {
            (BinaryOp::Shl | BinaryOp::Shr | BinaryOp::SignedShr, Value::Imm(count)) => {
                Operand::Imm((count & 63) as i32)
            }
            _ => self.operand(b),
        };
        let result = virtual_register(dst);
        let conflict = a != Value::Reg(dst) && b == Value::Reg(dst);
        let work = if conflict { self.temporary() } else { result };
        self.set(work, a);
        let (insn, src) = match right {
            Operand::Register(src) => (Insn::alu64(alu, 0, 0), Some(src)),
            Operand::Imm(imm) => (Insn::alu64_imm(alu, 0, imm), None),
        };
        self.push(Op::plain(if signed { insn.signed() } else { insn }, work, src));
        self.copy(result, work);
    }

    /// A comparison as a jump, or its result where both sides are known.
    fn condition(
        &mut self,
        op: CompareOp,
        a: Value,
        b: Value,
    ) -> Result<(Insn, Register, Option<Register>), bool> {
        let (op, a, b) = match (a, b) {
            (Value::Imm(a), Value::Imm(b)) => return Err(op.holds(a, b)),
            (Value::Imm(_), Value::Reg(_)) => (op.mirrored(), b, a),
            _ => (op, a, b),
        };
        let a = self.register(a);
        Ok(match self.operand(b) {
            Operand::Register(b) => (Insn::jump(jump(op), 0, 0, 0), a, Some(b)),
            Operand::Imm(imm) => (Insn::jump_imm(jump(op), 0, imm, 0), a, None),
        })
    }

    fn extend(&mut self, dst: Register, src: Register, width: Width, signed: bool) {
        let bits = width.bits();
        match (width, signed) {
            (Width::B8, _) => self.copy(dst, src),
            (Width::B4, false) => self.push(Op::plain(Insn::alu32(Alu::Mov, 0, 0), dst, Some(src))),
            (_, false) => {
                self.copy(dst, src);
                self.push(Op::plain(Insn::alu64_imm(Alu::And, 0, (1 << bits) - 1), dst, None));
            }
            (_, true) if self.selection.target.bpf_v4 => {
                self.push(Op::plain(Insn::sign_extend(bits as i16, 0, 0), dst, Some(src)));
            }
            (_, true) => {
                self.copy(dst, src);
                self.push(Op::plain(Insn::alu64_imm(Alu::Lsh, 0, 64 - bits), dst, None));
                self.push(Op::plain(Insn::alu64_imm(Alu::Arsh, 0, 64 - bits), dst, None));
            }
        }
    }

    /// Reverses bytes: towards the byte order that the machine does not have.
    fn swap(&mut self, dst: Register, width: Width) {
        let bits = width.bits();
        let insn = match (width, self.selection.target.arch) {
            (Width::B1, _) => Insn::alu64_imm(Alu::And, 0, 0xff),
            (_, stapes_binary::Arch::S390x) => Insn::to_little_endian(bits, 0),
            _ => Insn::to_big_endian(bits, 0),
        };
        self.push(Op::plain(insn, dst, None));
    }

    fn load(&mut self, dst: Register, from: &Address, width: Width, signed: bool) {
        let memory = self.memory(from);
        let signed = signed && width != Width::B8;
        // The verifier takes them from `struct pt_regs` too, of which it rewrites no access.
        let at_once = signed && self.selection.target.bpf_v4;
        let insn = match at_once {
            true => Insn::load_signed(size(width), 0, 0, memory.offset),
            false => Insn::load(size(width), 0, 0, memory.offset),
        };
        self.push(Op::plain(insn, dst, Some(memory.base)));
        if signed && !at_once {
            self.extend(dst, dst, width, true);
        }
    }

    fn store(&mut self, to: Memory, src: Value, width: Width) {
        let constant = src.constant().and_then(|value| match width {
            Width::B8 => i32::try_from(value).ok(),
            // Only the low bits are stored.
            _ => Some(value as i32),
        });
        match constant {
            Some(imm) => self.push(Op::plain(Insn::store_imm(size(width), 0, to.offset, imm), to.base, None)),
            None => {
                let src = self.register(src);
                self.push(Op::plain(Insn::store(size(width), 0, to.offset, 0), to.base, Some(src)));
            }
        }
    }

    fn store_bytes(&mut self, to: &Address, bytes: &[u8]) {
        let (memory, align) = self.region(to, bytes.len() as u32);
        let big_endian = self.selection.target.arch == stapes_binary::Arch::S390x;
        for (at, width) in chunks(bytes.len() as u32, align) {
            let chunk = bytes.get(at as usize..(at + width.bytes()) as usize).unwrap_or_default();
            let fold = |bytes: &mut dyn Iterator<Item = &u8>| bytes.fold(0, |n, b| n << 8 | u64::from(*b));
            let value =
                if big_endian { fold(&mut chunk.iter()) } else { fold(&mut chunk.iter().rev()) } as i64;
            let memory = memory.plus(at);
            if width == Width::B8 && i32::try_from(value).is_err() {
                // Two stores of 4 constant bytes need no register and no more room than a 64-bit load.
                let (low, high) = (value & 0xffff_ffff, value >> 32);
                let (first, second) = if big_endian { (high, low) } else { (low, high) };
                self.store(memory, Value::Imm(first), Width::B4);
                self.store(memory.plus(4), Value::Imm(second), Width::B4);
            } else {
                self.store(memory, Value::Imm(value), width);
            }
        }
    }

    fn call(&mut self, dst: Option<Reg>, callee: &Callee, arguments: &[Argument]) {
        for (register, argument) in (1..=5).map(Register::Physical).zip(arguments) {
            match argument {
                Argument::Value(value) => self.set(register, *value),
                Argument::Address(address) => self.address_of(register, address),
                Argument::Map(map) => self.push(Op::Wide { insns: Insn::map(0, map.0), dst: register }),
            }
        }
        let insn = match callee {
            Callee::Helper(helper) => Insn::call(*helper as u32),
            Callee::Kfunc(name) => {
                let kfuncs = &mut *self.selection.kfuncs;
                let index = kfuncs.iter().position(|known| known == name).unwrap_or_else(|| {
                    kfuncs.push((*name).to_owned());
                    kfuncs.len() - 1
                });
                Insn::kfunc(index as u32)
            }
        };
        self.push(Op::Call { insn, arguments: arguments.len().min(5) as u8 });
        if let Some(dst) = dst {
            self.copy(virtual_register(dst), Register::Physical(0));
        }
    }

    /// The address as a base and an offset that an instruction can have.
    fn memory(&mut self, address: &Address) -> Memory {
        let (base, offset) = self.base(address);
        match (address.index, i16::try_from(offset)) {
            (None, Ok(offset)) => Memory { base, offset },
            _ => {
                let t = self.temporary();
                self.address_of(t, address);
                Memory { base: t, offset: 0 }
            }
        }
    }

    /// As [`Selector::memory`] for several accesses within `length` bytes; and the alignment in bytes.
    fn region(&mut self, address: &Address, length: u32) -> (Memory, u32) {
        let (_, offset) = self.base(address);
        let fits = i16::try_from(offset.saturating_add(i32::try_from(length).unwrap_or(i32::MAX))).is_ok();
        let memory = if fits {
            self.memory(address)
        } else {
            let t = self.temporary();
            self.address_of(t, address);
            Memory { base: t, offset: 0 }
        };
        (memory, self.alignments.of_address(address))
    }

    /// `dst =` the address; `dst` is none of its registers.
    fn address_of(&mut self, dst: Register, address: &Address) {
        let (base, offset) = self.base(address);
        self.copy(dst, base);
        if offset != 0 {
            self.push(Op::plain(Insn::alu64_imm(Alu::Add, 0, offset), dst, None));
        }
        if let Some(index) = address.index {
            self.push(Op::plain(Insn::alu64(Alu::Add, 0, 0), dst, Some(virtual_register(index))));
        }
    }

    fn base(&self, address: &Address) -> (Register, i32) {
        match address.base {
            Base::Reg(reg) => (virtual_register(reg), address.offset),
            Base::Context => (self.context, address.offset),
            Base::Slot(SlotId(slot)) => {
                let start = self.selection.stack.get(slot as usize).copied().unwrap_or(0);
                (FRAME, i32::from(start).saturating_add(address.offset))
            }
        }
    }

    /// The value in a register or as an immediate of 32 bits, sign-extended.
    fn operand(&mut self, value: Value) -> Operand {
        match value.constant().map(i32::try_from) {
            Some(Ok(imm)) => Operand::Imm(imm),
            _ => Operand::Register(self.register(value)),
        }
    }

    fn register(&mut self, value: Value) -> Register {
        match value {
            Value::Reg(reg) => virtual_register(reg),
            Value::Imm(_) => {
                let t = self.temporary();
                self.set(t, value);
                t
            }
        }
    }

    /// `dst = value`.
    fn set(&mut self, dst: Register, value: Value) {
        match value {
            Value::Reg(src) => self.copy(dst, virtual_register(src)),
            Value::Imm(value) => {
                if let Ok(imm) = i32::try_from(value) {
                    self.push(Op::plain(Insn::alu64_imm(Alu::Mov, 0, imm), dst, None));
                } else if let Ok(imm) = u32::try_from(value) {
                    self.push(Op::plain(Insn::alu32_imm(Alu::Mov, 0, imm as i32), dst, None));
                } else {
                    self.push(Op::Wide { insns: Insn::load_imm64(0, value as u64), dst });
                }
            }
        }
    }

    fn copy(&mut self, dst: Register, src: Register) {
        if dst != src {
            self.push(Op::plain(COPY, dst, Some(src)));
        }
    }

    fn temporary(&mut self) -> Register {
        self.registers += 1;
        Register::Virtual(self.registers - 1)
    }

    fn push(&mut self, op: Op) {
        self.ops.push((op, self.place));
    }
}

impl Memory {
    fn plus(self, bytes: u32) -> Memory {
        Memory { offset: self.offset.saturating_add(bytes as i16), ..self }
    }
}

fn virtual_register(reg: Reg) -> Register {
    Register::Virtual(reg.0)
}

/// `length` bytes cut into the widest pieces with this alignment: where each starts, and its width.
fn chunks(length: u32, align: u32) -> impl Iterator<Item = (u32, Width)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let left = length - at;
        let width = [Width::B8, Width::B4, Width::B2, Width::B1]
            .into_iter()
            .find(|w| w.bytes() <= left && w.bytes() <= align)?;
        at += width.bytes();
        Some((at - width.bytes(), width))
    })
}

fn commutes(op: BinaryOp) -> bool {
    matches!(op, BinaryOp::Add | BinaryOp::Mul | BinaryOp::And | BinaryOp::Or | BinaryOp::Xor)
}

fn alu(op: BinaryOp) -> (Alu, bool) {
    match op {
        BinaryOp::Add => (Alu::Add, false),
        BinaryOp::Sub => (Alu::Sub, false),
        BinaryOp::Mul => (Alu::Mul, false),
        BinaryOp::Div => (Alu::Div, false),
        BinaryOp::SignedDiv => (Alu::Div, true),
        BinaryOp::Mod => (Alu::Mod, false),
        BinaryOp::SignedMod => (Alu::Mod, true),
        BinaryOp::And => (Alu::And, false),
        BinaryOp::Or => (Alu::Or, false),
        BinaryOp::Xor => (Alu::Xor, false),
        BinaryOp::Shl => (Alu::Lsh, false),
        BinaryOp::Shr => (Alu::Rsh, false),
        BinaryOp::SignedShr => (Alu::Arsh, false),
    }
}

fn jump(op: CompareOp) -> Jump {
    match op {
        CompareOp::Eq => Jump::Eq,
        CompareOp::Ne => Jump::Ne,
        CompareOp::Lt => Jump::Lt,
        CompareOp::Le => Jump::Le,
        CompareOp::Gt => Jump::Gt,
        CompareOp::Ge => Jump::Ge,
        CompareOp::SignedLt => Jump::SignedLt,
        CompareOp::SignedLe => Jump::SignedLe,
        CompareOp::SignedGt => Jump::SignedGt,
        CompareOp::SignedGe => Jump::SignedGe,
    }
}

fn size(width: Width) -> Size {
    match width {
        Width::B1 => Size::B1,
        Width::B2 => Size::B2,
        Width::B4 => Size::B4,
        Width::B8 => Size::B8,
    }
}
