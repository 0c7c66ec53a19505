//! Random functions: valid, ending, and with everything that is hard to emit.
//!
//! Numbers come from map 0 (so that no pass knows them), go through random instructions, branches, counted loops,
//! slots and calls, and end in map 1, where they can be compared. Map 2 is for look-ups and atomic additions.

use stapes_bpf::{Map, MapKind, MapRole, ProgramKind};
use stapes_script::ast::Span;
use stapes_script::ir::{
    Address, Argument, Base, BinaryOp, Block, BlockId, Callee, CompareOp, Function, Helper, Inst, MapId, Reg,
    Slot, SlotId, Terminator, Value, Width,
};

use crate::random::Random;

/// Numbers in maps 0 and 1.
pub(crate) const NUMBERS: u32 = 24;

const WIDTHS: [Width; 4] = [Width::B1, Width::B2, Width::B4, Width::B8];

const BINARY: [BinaryOp; 13] = [
    BinaryOp::Add,
    BinaryOp::Sub,
    BinaryOp::Mul,
    BinaryOp::Div,
    BinaryOp::SignedDiv,
    BinaryOp::Mod,
    BinaryOp::SignedMod,
    BinaryOp::And,
    BinaryOp::Or,
    BinaryOp::Xor,
    BinaryOp::Shl,
    BinaryOp::Shr,
    BinaryOp::SignedShr,
];

const COMPARE: [CompareOp; 10] = [
    CompareOp::Eq,
    CompareOp::Ne,
    CompareOp::Lt,
    CompareOp::Le,
    CompareOp::Gt,
    CompareOp::Ge,
    CompareOp::SignedLt,
    CompareOp::SignedLe,
    CompareOp::SignedGt,
    CompareOp::SignedGe,
];

/// The maps that functions use.
pub(crate) fn maps() -> Vec<Map> {
    let map = |name: &str, value_size, max_entries| Map {
        name: name.into(),
        kind: MapKind::Array,
        key_size: 4,
        value_size,
        max_entries,
        role: MapRole::Private,
    };
    vec![map("input", 8 * NUMBERS, 1), map("output", 8 * NUMBERS, 1), map("cells", 16, 4)]
}

/// A random function.
pub(crate) fn function(random: &mut Random) -> Function {
    let variables = 1 + random.below(u64::from(NUMBERS)) as u32;
    let slots = random.below(7) as usize;
    // Mostly small; sometimes more than the stack has.
    let most = if random.below(4) == 0 { 100 } else { 10 };
    let slots = (0..slots).map(|_| Slot { size: 8 * (1 + random.below(most) as u32) }).collect();
    let mut generator = Generator {
        random,
        function: Function {
            name: "random".into(),
            kind: ProgramKind::Run,
            sleepable: false,
            blocks: Vec::new(),
            slots,
            registers: variables,
        },
        variables,
        data: 0,
        insts: Vec::new(),
        open: 0,
    };
    generator.function.blocks.push(empty());
    generator.whole();
    generator.function
}

fn empty() -> Block {
    Block { insts: Vec::new(), end: Terminator::Return(Value::Imm(0)) }
}

struct Generator<'a> {
    random: &'a mut Random,
    function: Function,
    variables: u32,
    /// Slots for data, which start as zero; others are for keys.
    data: usize,
    insts: Vec<Inst>,
    open: usize,
}

impl Generator<'_> {
    fn whole(&mut self) {
        self.data = self.function.slots.len();
        for slot in 0..self.data {
            let length = self.function.slots[slot].size;
            self.insts.push(Inst::Zero { to: in_slot(slot, 0), length });
        }
        let input = self.fresh();
        self.insts.push(Inst::MapValue { dst: input, map: MapId(0), offset: 0 });
        for v in 0..self.variables {
            let from = Address { base: Base::Reg(input), offset: 8 * v as i32, index: None };
            self.insts.push(Inst::Load { dst: Reg(v), from, width: Width::B8, signed: false });
        }
        let statements = 3 + self.random.below(25);
        self.statements(statements, 0);
        let output = self.fresh();
        self.insts.push(Inst::MapValue { dst: output, map: MapId(1), offset: 0 });
        for v in 0..self.variables {
            let to = Address { base: Base::Reg(output), offset: 8 * v as i32, index: None };
            self.insts.push(Inst::Store { to, src: Value::Reg(Reg(v)), width: Width::B8 });
        }
        for slot in 0..self.data {
            // What slots hold is mixed into the last number.
            let t = self.fresh();
            let at = 8 * self.random.below(u64::from(self.function.slots[slot].size / 8)) as i32;
            self.insts.push(Inst::Load { dst: t, from: in_slot(slot, at), width: Width::B8, signed: false });
            let to = Address { base: Base::Reg(output), offset: 8 * (NUMBERS as i32 - 1), index: None };
            self.insts.push(Inst::AtomicAdd { to, src: Value::Reg(t), width: Width::B8 });
        }
        self.close(Terminator::Return(Value::Imm(0)));
    }

    fn statements(&mut self, count: u64, depth: u32) {
        for _ in 0..count {
            match self.random.below(if depth < 3 { 20 } else { 17 }) {
                17 | 18 => self.diamond(depth),
                19 => self.counted(depth),
                choice => self.statement(choice),
            }
        }
    }

    fn statement(&mut self, choice: u64) {
        let dst = self.variable();
        match choice {
            0..=4 => {
                let op = BINARY[self.random.below(13) as usize];
                let (a, b) = (self.value(), self.value());
                self.insts.push(Inst::Binary { op, dst, a, b });
            }
            5 => {
                let op = COMPARE[self.random.below(10) as usize];
                let (a, b) = (self.value(), self.value());
                self.insts.push(Inst::Compare { op, dst, a, b });
            }
            6 => {
                let (src, width) = (self.value(), self.width());
                let signed = self.random.below(2) == 0;
                self.insts.push(Inst::Extend { dst, src, width, signed });
            }
            7 => {
                let (src, width) = (self.value(), self.width());
                self.insts.push(Inst::Swap { dst, src, width });
            }
            8 => {
                let src = self.value();
                let limit = self.random.below(1 << 20) as u32;
                self.insts.push(Inst::Bound { dst, src, limit });
            }
            9 => {
                let src = self.value();
                self.insts.push(Inst::Mov { dst, src });
            }
            10 => self.look_up(dst),
            _ if self.data == 0 => {}
            11 => {
                let (to, width) = self.place();
                let src = self.value();
                self.insts.push(Inst::Store { to, src, width });
            }
            12 => {
                let (from, width) = self.place();
                let signed = self.random.below(2) == 0;
                self.insts.push(Inst::Load { dst, from, width, signed });
            }
            13 => {
                let (to, _) = self.place();
                let length = self.room(&to);
                let bytes = (0..length).map(|_| self.random.next() as u8).collect();
                self.insts.push(Inst::StoreBytes { to, bytes });
            }
            14 => {
                let ((to, _), (from, _)) = (self.place(), self.place());
                if to.base != from.base {
                    let length = self.room(&to).min(self.room(&from));
                    self.insts.push(Inst::Copy { to, from, length });
                }
            }
            15 => self.indexed(dst),
            _ => {
                let (address, width) = self.place();
                let pointer = self.fresh();
                self.insts.push(Inst::AddressOf { dst: pointer, address });
                let base = Address { base: Base::Reg(pointer), offset: 0, index: None };
                let src = self.value();
                self.insts.push(Inst::Store { to: base, src, width });
                self.insts.push(Inst::Load { dst, from: base, width, signed: true });
            }
        }
    }

    /// An access to a slot at an index that is only known to be small enough.
    fn indexed(&mut self, dst: Reg) {
        let (slot, size) = self.slot();
        let (index, src) = (self.fresh(), self.value());
        self.insts.push(Inst::Bound { dst: index, src, limit: size - 8 });
        self.insts.push(Inst::Binary {
            op: BinaryOp::And,
            dst: index,
            a: Value::Reg(index),
            b: Value::Imm(-8),
        });
        let address = Address { index: Some(index), ..in_slot(slot, 0) };
        let src = self.value();
        self.insts.push(Inst::Store { to: address, src, width: Width::B8 });
        self.insts.push(Inst::Load { dst, from: address, width: Width::B4, signed: false });
    }

    /// A look-up in map 2 whose key may be out of range, a null check, additions and exchanges behind it.
    fn look_up(&mut self, dst: Reg) {
        let key = self.function.slots.len();
        self.function.slots.push(Slot { size: 8 });
        let (t, found) = (self.fresh(), self.fresh());
        let src = self.value();
        self.insts.push(Inst::Binary { op: BinaryOp::And, dst: t, a: src, b: Value::Imm(7) });
        self.insts.push(Inst::Store { to: in_slot(key, 0), src: Value::Reg(t), width: Width::B8 });
        let arguments = vec![Argument::Map(MapId(2)), Argument::Address(in_slot(key, 0))];
        let callee = Callee::Helper(Helper::MapLookupElem);
        self.insts.push(Inst::Call { dst: Some(found), callee, arguments });
        let (then, join) = (self.block(), self.block());
        self.close(Terminator::Branch {
            op: CompareOp::Ne,
            a: Value::Reg(found),
            b: Value::Imm(0),
            then: BlockId(then as u32),
            otherwise: BlockId(join as u32),
        });
        self.open = then;
        let at = |offset| Address { base: Base::Reg(found), offset, index: None };
        let (src, expected, new) = (self.value(), self.value(), self.value());
        let width = if self.random.below(2) == 0 { Width::B4 } else { Width::B8 };
        self.insts.push(Inst::AtomicAdd { to: at(0), src, width });
        self.insts.push(Inst::CompareExchange { dst, to: at(8), expected, new });
        self.close(Terminator::Jump(BlockId(join as u32)));
        self.open = join;
    }

    fn diamond(&mut self, depth: u32) {
        let (then, otherwise, join) = (self.block(), self.block(), self.block());
        let op = COMPARE[self.random.below(10) as usize];
        let (a, b) = (self.value(), self.value());
        self.close(Terminator::Branch {
            op,
            a,
            b,
            then: BlockId(then as u32),
            otherwise: BlockId(otherwise as u32),
        });
        for side in [then, otherwise] {
            self.open = side;
            let count = self.random.below(5);
            self.statements(count, depth + 1);
            self.close(Terminator::Jump(BlockId(join as u32)));
        }
        self.open = join;
    }

    fn counted(&mut self, depth: u32) {
        let counter = self.fresh();
        self.insts.push(Inst::Mov { dst: counter, src: Value::Imm(0) });
        let (body, behind) = (self.block(), self.block());
        self.close(Terminator::Jump(BlockId(body as u32)));
        self.open = body;
        let count = 1 + self.random.below(4);
        self.statements(count, depth + 2);
        let (a, b) = (Value::Reg(counter), Value::Imm(1));
        self.insts.push(Inst::Binary { op: BinaryOp::Add, dst: counter, a, b });
        let turns = 1 + self.random.below(4) as i64;
        self.close(Terminator::Branch {
            op: CompareOp::Lt,
            a,
            b: Value::Imm(turns),
            then: BlockId(body as u32),
            otherwise: BlockId(behind as u32),
        });
        self.open = behind;
    }

    fn close(&mut self, end: Terminator) {
        let insts = std::mem::take(&mut self.insts);
        let block = &mut self.function.blocks[self.open];
        block.insts = insts.into_iter().map(|inst| (inst, Span::default())).collect();
        block.end = end;
    }

    fn block(&mut self) -> usize {
        self.function.blocks.push(empty());
        self.function.blocks.len() - 1
    }

    fn fresh(&mut self) -> Reg {
        self.function.registers += 1;
        Reg(self.function.registers - 1)
    }

    fn variable(&mut self) -> Reg {
        Reg(self.random.below(u64::from(self.variables)) as u32)
    }

    fn width(&mut self) -> Width {
        WIDTHS[self.random.below(4) as usize]
    }

    fn value(&mut self) -> Value {
        match self.random.below(8) {
            0 => Value::Imm(self.random.below(4) as i64 - 1),
            1 => Value::Imm(self.random.next() as i32 as i64),
            2 => Value::Imm(self.random.next() as i64 >> self.random.below(40)),
            _ => Value::Reg(self.variable()),
        }
    }

    /// One of the slots, and its size.
    fn slot(&mut self) -> (usize, u32) {
        let slot = self.random.below(self.data as u64) as usize;
        (slot, self.function.slots[slot].size)
    }

    /// An aligned place in a slot for an access of some width.
    fn place(&mut self) -> (Address, Width) {
        let ((slot, size), width) = (self.slot(), self.width());
        let at = self.random.below(u64::from(size / width.bytes())) as u32 * width.bytes();
        (in_slot(slot, at as i32), width)
    }

    /// Bytes from the place to the end of its slot.
    fn room(&self, address: &Address) -> u32 {
        let size = address.slot().map_or(0, |SlotId(slot)| self.function.slots[slot as usize].size);
        size - address.offset as u32
    }
}

fn in_slot(slot: usize, offset: i32) -> Address {
    Address { base: Base::Slot(SlotId(slot as u32)), offset, index: None }
}
