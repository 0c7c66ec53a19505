//! Lowering stacks: the frames are kept once, in a map by their hash, and the value of a stack is the hash.
//!
//! Two different stacks with the same 64-bit hash would be shown as one; with a million stacks the chance is 1 in 10⁸.

use stapes_bpf::LossCause;

use super::body::Body;
use super::builder::{number, plus};
use crate::ir::{Address, Argument, Base, BinaryOp, CompareOp, Helper, Inst, MapId, Reg, Value, Width};
use crate::tree::StackTable;

/// `BPF_F_USER_STACK` of `bpf_get_stack`.
const USER_STACK: i64 = 1 << 8;
/// `BPF_NOEXIST` of `bpf_map_update_elem`.
const NO_EXIST: i64 = 1;
/// `-EEXIST`.
const EXISTS: i64 = -17;

/// 2^64 divided by the golden ratio: an odd number without pattern, so that multiplying spreads all bits upwards.
const SPREAD: i64 = 0x9e37_79b9_7f4a_7c15_u64 as i64;

impl Body<'_, '_> {
    /// The number of frames of the current stack.
    pub(super) fn stack_length(&mut self, table: StackTable) -> Value {
        let (_, bytes) = self.read_stack(table);
        self.arithmetic(BinaryOp::Shr, Value::Reg(bytes), Value::Imm(3))
    }

    /// The current stack in memory (number of frames, frames), and how many bytes of frames there are.
    fn read_stack(&mut self, table: StackTable) -> (Address, Reg) {
        let room = 8 * table.frames;
        let record = self.code.temporary(8 + room);
        let context = Argument::Address(Address { base: Base::Context, offset: 0, index: None });
        let flags = number(if table.kernel { 0 } else { USER_STACK });
        let arguments = vec![context, Argument::Address(plus(record, 8)), number(i64::from(room)), flags];
        let taken = self.code.call(Helper::GetStack, arguments);
        let bytes = self.code.register();
        self.if_else(
            (CompareOp::SignedGt, Value::Reg(taken), Value::Imm(0)),
            |me| me.code.push(Inst::Bound { dst: bytes, src: Value::Reg(taken), limit: room }),
            |me| me.code.push(Inst::Mov { dst: bytes, src: Value::Imm(0) }),
        );
        (record, bytes)
    }

    /// Keeps the current stack and gives its key.
    pub(super) fn stack_key(&mut self, table: StackTable) -> Value {
        let mark = self.code.mark();
        let (record, bytes) = self.read_stack(table);
        let frames = self.arithmetic(BinaryOp::Shr, Value::Reg(bytes), Value::Imm(3));
        self.code.store(record, frames, Width::B8);
        let hash = self.hash_frames(plus(record, 8), bytes, 8 * table.frames);
        let tables = &self.lowering.tree.stacks;
        let map = MapId(tables.iter().position(|t| *t == table).unwrap_or_default() as u32);
        let key = self.code.temporary(8);
        self.code.store(key, Value::Reg(hash), Width::B8);
        let known = self.look_up(map, key);
        self.if_found(
            known,
            |_| {},
            |me| {
                let arguments = vec![
                    Argument::Map(map),
                    Argument::Address(key),
                    Argument::Address(record),
                    number(NO_EXIST),
                ];
                let failed = me.code.call(Helper::MapUpdateElem, arguments);
                me.count_unless_kept(failed, map);
            },
        );
        self.code.release(mark);
        Value::Reg(hash)
    }

    /// A stack that could not be kept is lost, unless another program kept the same one just now.
    fn count_unless_kept(&mut self, failed: Reg, map: MapId) {
        self.if_else(
            (CompareOp::Eq, Value::Reg(failed), Value::Imm(0)),
            |_| {},
            |me| {
                me.if_else(
                    (CompareOp::Eq, Value::Reg(failed), Value::Imm(EXISTS)),
                    |_| {},
                    |me| me.count_loss(LossCause::StacksFull { map: map.0 }),
                );
            },
        );
    }

    fn hash_frames(&mut self, frames: Address, bytes: Reg, room: u32) -> Reg {
        let hash = self.code.copy_of(Value::Imm(0));
        let at = self.code.copy_of(Value::Imm(0));
        let (head, inside, done) = (self.code.block(), self.code.block(), self.code.block());
        self.code.jump(head);
        self.code.switch_to(head);
        self.code.branch(CompareOp::Lt, Value::Reg(at), Value::Reg(bytes), inside, done);
        self.code.switch_to(inside);
        let index = self.code.register();
        self.code.push(Inst::Bound { dst: index, src: Value::Reg(at), limit: room - 8 });
        let frame = self.code.load(Address { index: Some(index), ..frames }, Width::B8, false);
        let mut step = |op, a, b| self.code.binary(op, a, b);
        let mixed = step(BinaryOp::Xor, Value::Reg(hash), frame);
        let mixed = step(BinaryOp::Mul, mixed, Value::Imm(SPREAD));
        let upper = step(BinaryOp::Shr, mixed, Value::Imm(32));
        let mixed = step(BinaryOp::Xor, mixed, upper);
        self.code.push(Inst::Mov { dst: hash, src: mixed });
        let (a, b) = (Value::Reg(at), Value::Imm(8));
        self.code.push(Inst::Binary { op: BinaryOp::Add, dst: at, a, b });
        self.code.jump(head);
        self.code.switch_to(done);
        hash
    }
}
