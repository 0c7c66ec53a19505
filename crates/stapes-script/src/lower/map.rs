//! Lowering access to maps: keys, look-ups, insertions, updates.

use stapes_bpf::{LossCause, Map, MapKind, MapRole, Type, Value as Held};

use super::body::Body;
use super::builder::{at, number, plus};
use super::expression::shape;
use crate::ast::BinaryOp as Compound;
use crate::check::types::is_scalar;
use crate::ir::{Address, Argument, BinaryOp, CompareOp, Helper, Inst, MapId, Reg, Value, Width};
use crate::tree::{Element, Expr, MapIndex};

/// `BPF_ANY` and `BPF_NOEXIST` of `bpf_map_update_elem`.
const ANY: i64 = 0;
const NO_EXIST: i64 = 1;

/// Zeroes of more bytes than this are taken from a map rather than made on the stack.
const ZEROED_INLINE: u32 = 64;

impl Body<'_, '_> {
    fn held(&self, map: MapIndex) -> Held {
        self.lowering.tree.maps[map.0].value.clone()
    }

    fn is_keyed(&self, map: MapIndex) -> bool {
        !self.lowering.tree.maps[map.0].key.is_empty()
    }

    /// The type of a plain map's value.
    fn plain_type(&self, map: MapIndex) -> Type {
        match self.held(map) {
            Held::Plain(ty) => ty,
            Held::Aggregate(_) => crate::tree::UINT64,
        }
    }

    /// The key in memory.
    pub(super) fn key(&mut self, element: &Element) -> Address {
        if element.key.is_empty() {
            return self.zero_key();
        }
        let types = self.lowering.tree.maps[element.map.0].key.clone();
        let (offsets, size) = Type::layout(types.iter());
        let to = self.code.temporary(size);
        // Bytes between the parts are part of the key.
        if types.iter().map(Type::size).sum::<u32>() != size {
            self.code.push(Inst::Zero { to, length: size });
        }
        for ((part, ty), offset) in element.key.iter().zip(&types).zip(offsets) {
            self.write(part, ty, plus(to, offset));
        }
        to
    }

    /// A pointer to the element's value, 0 if there is none.
    pub(super) fn pointer_to(&mut self, element: &Element) -> Reg {
        let map = self.map_id(element.map);
        if !self.is_keyed(element.map) && matches!(self.held(element.map), Held::Plain(_)) {
            let dst = self.code.register();
            self.code.push(Inst::MapValue { dst, map, offset: 0 });
            return dst;
        }
        let key = self.key(element);
        self.look_up(map, key)
    }

    /// The element's value in a register; 0 if there is none.
    pub(super) fn element_scalar(&mut self, element: &Element, ty: &Type) -> Value {
        let (width, signed) = shape(ty);
        let pointer = self.pointer_to(element);
        if !self.is_keyed(element.map) {
            return self.code.load(at(pointer), width, signed);
        }
        let dst = self.code.register();
        self.if_found(
            pointer,
            |me| me.code.push(Inst::Load { dst, from: at(pointer), width, signed }),
            |me| me.code.push(Inst::Mov { dst, src: Value::Imm(0) }),
        );
        Value::Reg(dst)
    }

    /// Runs `update` with a pointer to the element's value, which is inserted with zeroes if it is not there.
    /// If there is no room for it, that is counted as lost.
    pub(super) fn with_entry(&mut self, element: &Element, update: impl FnOnce(&mut Self, Reg)) {
        let map = self.map_id(element.map);
        let plain = matches!(self.held(element.map), Held::Plain(_));
        if !self.is_keyed(element.map) {
            let pointer = self.pointer_to(element);
            return match plain {
                true => {
                    update(self, pointer);
                    self.mark_set(element.map, pointer);
                }
                // The one entry of an array is always there; the kernel wants to see the check all the same.
                false => self.if_found(pointer, |me| update(me, pointer), |_| {}),
            };
        }
        let key = self.key(element);
        let pointer = self.look_up(map, key);
        let (hit, miss) = (self.code.block(), self.code.block());
        let (full, on) = (self.code.block(), self.code.block());
        self.code.branch(CompareOp::Ne, Value::Reg(pointer), Value::Imm(0), hit, miss);
        self.code.switch_to(miss);
        self.apart(|me| {
            // Another program may insert the same key at the same time: then this does nothing, and both update it.
            let zeroes = me.zeroes(me.held(element.map).size().next_multiple_of(8));
            me.update(map, key, zeroes, NO_EXIST);
            let callee = crate::ir::Callee::Helper(Helper::MapLookupElem);
            let arguments = vec![Argument::Map(map), Argument::Address(key)];
            me.code.push(Inst::Call { dst: Some(pointer), callee, arguments });
        });
        self.code.branch(CompareOp::Ne, Value::Reg(pointer), Value::Imm(0), hit, full);
        self.code.switch_to(full);
        self.apart(|me| me.count_loss(LossCause::MapFull { map: map.0 }));
        self.code.jump(on);
        self.code.switch_to(hit);
        self.apart(|me| update(me, pointer));
        self.code.jump(on);
        self.code.switch_to(on);
    }

    fn update(&mut self, map: MapId, key: Address, value: Address, flags: i64) -> Reg {
        let arguments =
            vec![Argument::Map(map), Argument::Address(key), Argument::Address(value), number(flags)];
        self.code.call(Helper::MapUpdateElem, arguments)
    }

    /// So many zeroes, in memory.
    fn zeroes(&mut self, length: u32) -> Address {
        if length <= ZEROED_INLINE {
            let to = self.code.temporary(length);
            self.code.push(Inst::Zero { to, length });
            return to;
        }
        let map = self.lowering.zeroes(length);
        let dst = self.code.register();
        self.code.push(Inst::MapValue { dst, map, offset: 0 });
        at(dst)
    }

    /// Notes that a map without keys was assigned.
    fn mark_set(&mut self, map: MapIndex, pointer: Reg) {
        let id = self.map_id(map);
        if let Some(flag) = self.lowering.module.maps[id.0 as usize].set_flag() {
            self.code.store(plus(at(pointer), flag), Value::Imm(1), Width::B8);
        }
    }

    /// `@m = value`.
    pub(super) fn set_element(&mut self, element: &Element, value: &Expr) {
        let map = self.map_id(element.map);
        let ty = self.plain_type(element.map);
        if !self.is_keyed(element.map) && is_scalar(&ty) {
            let value = self.scalar(value);
            let pointer = self.pointer_to(element);
            self.code.store(at(pointer), value, shape(&ty).0);
            return self.mark_set(element.map, pointer);
        }
        let room = self.lowering.module.maps[map.0 as usize].value_size;
        let to = self.code.temporary(room);
        let size = ty.size();
        self.write(value, &ty, to);
        match self.lowering.module.maps[map.0 as usize].set_flag() {
            Some(flag) => {
                if flag > size {
                    self.code.push(Inst::Zero { to: plus(to, size), length: flag - size });
                }
                self.code.store(plus(to, flag), Value::Imm(1), Width::B8);
            }
            None if room > size => {
                self.code.push(Inst::Zero { to: plus(to, size), length: room - size });
            }
            None => {}
        }
        let key = self.key(element);
        let failed = self.update(map, key, to, ANY);
        // The only entry of an array is always there.
        if self.is_keyed(element.map) {
            self.if_else(
                (CompareOp::SignedLt, Value::Reg(failed), Value::Imm(0)),
                |me| me.count_loss(LossCause::MapFull { map: map.0 }),
                |_| {},
            );
        }
    }

    /// `@m op= value`: additions are atomic; the others read and write.
    pub(super) fn update_element(&mut self, element: &Element, op: Compound, value: &Expr, signed: bool) {
        let operand = self.scalar(value);
        match op {
            Compound::Add => {
                self.add_to_element(element, operand);
            }
            Compound::Sub => {
                let negative = self.arithmetic(BinaryOp::Sub, Value::Imm(0), operand);
                self.add_to_element(element, negative);
            }
            _ => self.with_entry(element, |me, pointer| {
                let old = me.code.load(at(pointer), Width::B8, false);
                let new = me.compound(op, signed, old, operand);
                me.store(at(pointer), new, Width::B8);
            }),
        }
    }

    /// Adds to an element. Gives its value before.
    pub(super) fn add_to_element(&mut self, element: &Element, by: Value) -> Value {
        let old = self.code.copy_of(Value::Imm(0));
        self.with_entry(element, |me, pointer| {
            me.code.push(Inst::Load { dst: old, from: at(pointer), width: Width::B8, signed: false });
            me.code.push(Inst::AtomicAdd { to: at(pointer), src: by, width: Width::B8 });
        });
        Value::Reg(old)
    }

    /// `delete(@m[k])`: whether there was one. A map without keys becomes as it was before it was assigned.
    pub(super) fn delete(&mut self, element: &Element) -> Value {
        let map = self.map_id(element.map);
        if !self.is_keyed(element.map) {
            let pointer = self.pointer_to(element);
            let length = self.lowering.module.maps[map.0 as usize].value_size;
            let flag = self.lowering.module.maps[map.0 as usize].set_flag();
            let was = self.code.load(plus(at(pointer), flag.unwrap_or(0)), Width::B8, false);
            self.code.push(Inst::Zero { to: at(pointer), length });
            return was;
        }
        let key = self.key(element);
        let failed = self.code.call(Helper::MapDeleteElem, vec![Argument::Map(map), Argument::Address(key)]);
        let dst = self.code.register();
        let (op, a, b) = (CompareOp::Eq, Value::Reg(failed), Value::Imm(0));
        self.code.push(Inst::Compare { op, dst, a, b });
        Value::Reg(dst)
    }
}

impl super::Lowering<'_> {
    /// A map of at least `length` zeroes, to insert large values from.
    fn zeroes(&mut self, length: u32) -> MapId {
        let is_zeroes = |map: &Map| map.role == MapRole::Private && map.name == "zeroes";
        if let Some(index) = self.module.maps.iter().position(is_zeroes) {
            let map = &mut self.module.maps[index];
            map.value_size = map.value_size.max(length);
            return MapId(index as u32);
        }
        self.add_map(Map {
            name: "zeroes".into(),
            kind: MapKind::Array,
            key_size: 4,
            value_size: length,
            max_entries: 1,
            role: MapRole::Private,
        })
    }
}
