//! Lowering builtins, and reading arguments at sites that differ.

use stapes_bpf::ProgramKind;

use super::body::{Body, Column, Kept};
use super::builder::{Builder, at, in_context};
use super::places::{Memory, Place, runs};
use crate::check::types::width;
use crate::ir::{
    Address, Argument, Base, BinaryOp, CompareOp, Function, Helper, Inst, MapId, Terminator, Value, Width,
};
use crate::registers;
use crate::tree::{Builtin, Clock};

/// The program that notes the time of the start.
pub(super) fn start_program(map: MapId) -> Function {
    let mut code = Builder::new();
    let now = code.call(Helper::KtimeGetBootNs, Vec::new());
    let dst = code.register();
    code.push(Inst::MapValue { dst, map, offset: 0 });
    code.store(at(dst), Value::Reg(now), Width::B8);
    code.end(Terminator::Return(Value::Imm(0)));
    code.finish("start".into(), ProgramKind::Run, false)
}

const CONTEXT: Argument = Argument::Address(Address { base: Base::Context, offset: 0, index: None });

impl Body<'_, '_> {
    pub(super) fn builtin(&mut self, builtin: Builtin) -> Value {
        match builtin {
            Builtin::Argument(index) => self.column(&Column::Argument(index)),
            Builtin::Pid => {
                let both = self.pid_tgid();
                self.arithmetic(BinaryOp::Shr, both, Value::Imm(32))
            }
            Builtin::Tid => {
                let both = self.pid_tgid();
                self.extend(both, Width::B4, false)
            }
            Builtin::Uid => {
                let both = self.uid_gid();
                self.extend(both, Width::B4, false)
            }
            Builtin::Gid => {
                let both = self.uid_gid();
                self.arithmetic(BinaryOp::Shr, both, Value::Imm(32))
            }
            Builtin::Nsecs(clock) => self.fact(match clock {
                Clock::Boot => Helper::KtimeGetBootNs,
                Clock::Monotonic => Helper::KtimeGetNs,
                Clock::Tai => Helper::KtimeGetTaiNs,
            }),
            Builtin::Elapsed => {
                let now = self.fact(Helper::KtimeGetBootNs);
                let Some(map) = self.lowering.start else { return now };
                let dst = self.code.register();
                self.code.push(Inst::MapValue { dst, map, offset: 0 });
                let start = self.code.load(at(dst), Width::B8, false);
                self.arithmetic(BinaryOp::Sub, now, start)
            }
            Builtin::Cpu => self.fact(Helper::GetSmpProcessorId),
            Builtin::Rand => self.fact(Helper::GetPrandomU32),
            Builtin::Cgroup => self.fact(Helper::GetCurrentCgroupId),
            Builtin::Probe => match self.surroundings.probe {
                Some(only) => Value::Imm(i64::from(only)),
                None => {
                    let cookie = self.cookie();
                    self.arithmetic(BinaryOp::Shr, cookie, Value::Imm(32))
                }
            },
            Builtin::Func => {
                let functions = runs(self.surroundings.variants.iter().map(|v| v.function));
                self.function_index(&functions)
            }
            Builtin::Register(offset) => self.code.load(in_context(offset), Width::B8, false),
            // A string: see `memory`.
            Builtin::Comm => Value::Imm(0),
        }
    }

    fn fact(&mut self, helper: Helper) -> Value {
        Value::Reg(self.code.call(helper, Vec::new()))
    }

    pub(super) fn pid_tgid(&mut self) -> Value {
        self.keep(Kept::PidTgid, |me| me.fact(Helper::GetCurrentPidTgid))
    }

    fn uid_gid(&mut self) -> Value {
        self.keep(Kept::UidGid, |me| me.fact(Helper::GetCurrentUidGid))
    }

    fn cookie(&mut self) -> Value {
        self.keep(Kept::Cookie, |me| Value::Reg(me.code.call(Helper::GetAttachCookie, vec![CONTEXT])))
    }

    fn variant(&mut self) -> Value {
        self.keep(Kept::Variant, |me| {
            let cookie = me.cookie();
            me.extend(cookie, Width::B4, false)
        })
    }

    /// The index of the function's name: where names and variants count alike, one addition.
    fn function_index(&mut self, functions: &[(u32, u32)]) -> Value {
        let [(_, first), ..] = functions else { return Value::Imm(0) };
        let first = i64::from(*first);
        if functions.len() == 1 {
            return Value::Imm(first);
        }
        let variant = self.variant();
        let parallel = functions.len() == self.surroundings.variants.len()
            && functions.iter().all(|(variant, name)| i64::from(*name) == first + i64::from(*variant));
        if parallel {
            return self.arithmetic(BinaryOp::Add, variant, Value::Imm(first));
        }
        self.decide(variant, functions, |_, name| Value::Imm(i64::from(*name)))
    }

    /// The value of an argument or variable at the site.
    pub(super) fn column(&mut self, column: &Column) -> Value {
        match self.surroundings.columns.iter().position(|used| used == column) {
            Some(index) => self.keep(Kept::Column(index), |me| me.read_column(index)),
            None => Value::Imm(0),
        }
    }

    /// Whether all sites have the value as a signed integer of at most 4 bytes, as far as they say.
    pub(super) fn is_small_signed(&self, column: &Column) -> bool {
        let Some(index) = self.surroundings.columns.iter().position(|used| used == column) else {
            return false;
        };
        let mut said = false;
        let fits = self.surroundings.variants.iter().all(|variant| match variant.places.get(index) {
            Some(Place::Register { bytes: 1..=4, signed: true, .. }) => {
                said = true;
                true
            }
            Some(Place::Memory(memory)) if memory.bytes <= 4 && memory.signed => {
                said = true;
                true
            }
            // The value is all that is known of a constant.
            Some(Place::Constant(value)) => i32::try_from(*value).is_ok(),
            _ => false,
        });
        fits && said
    }

    fn read_column(&mut self, column: usize) -> Value {
        let variants = &self.surroundings.variants;
        let places = runs(variants.iter().map(|v| v.places.get(column).cloned().unwrap_or(Place::Missing)));
        match places.as_slice() {
            [] => Value::Imm(0),
            [(_, only)] => self.read_place(only),
            several => {
                let variant = self.variant();
                self.decide(variant, several, |me, place| me.read_place(place))
            }
        }
    }

    /// The value that belongs to the run that `variant` is in: a balanced tree of comparisons.
    fn decide<T>(
        &mut self,
        variant: Value,
        runs: &[(u32, T)],
        read: impl Fn(&mut Self, &T) -> Value + Copy,
    ) -> Value {
        let dst = self.code.register();
        self.decide_into(dst, variant, runs, read);
        Value::Reg(dst)
    }

    fn decide_into<T>(
        &mut self,
        dst: crate::ir::Reg,
        variant: Value,
        runs: &[(u32, T)],
        read: impl Fn(&mut Self, &T) -> Value + Copy,
    ) {
        match runs {
            [] => {}
            [(_, only)] => {
                let src = read(self, only);
                self.code.push(Inst::Mov { dst, src });
            }
            _ => {
                let (low, high) = runs.split_at(runs.len() / 2);
                let first_high = high.first().map_or(0, |(first, _)| i64::from(*first));
                self.if_else(
                    (CompareOp::Lt, variant, Value::Imm(first_high)),
                    |me| me.decide_into(dst, variant, low, read),
                    |me| me.decide_into(dst, variant, high, read),
                );
            }
        }
    }

    fn read_place(&mut self, place: &Place) -> Value {
        match place {
            Place::Missing => Value::Imm(0),
            Place::Constant(value) => Value::Imm(*value),
            Place::FromSite(displacement) => self.beyond_site(Value::Imm(*displacement)),
            Place::Register { offset, bytes, signed } => {
                self.code.load(in_context(*offset), width(*bytes), *signed)
            }
            Place::Memory(memory) => {
                let address = self.address_of(memory);
                let mark = self.code.mark();
                let value = self.user_number(address, width(memory.bytes), memory.signed);
                self.code.release(mark);
                value
            }
        }
    }

    fn address_of(&mut self, memory: &Memory) -> Value {
        let mut address = Value::Imm(memory.displacement);
        if let Some((offset, bytes)) = memory.base {
            let base = self.code.load(in_context(offset), width(bytes), false);
            address = self.sum(base, address);
        }
        if let Some((offset, bytes, scale)) = memory.index {
            let index = self.code.load(in_context(offset), width(bytes), false);
            let scaled = match scale {
                0 | 1 => index,
                _ => self.arithmetic(BinaryOp::Shl, index, Value::Imm(i64::from(scale.trailing_zeros()))),
            };
            address = self.sum(scaled, address);
        }
        if memory.from_site {
            address = self.beyond_site(address);
        }
        if memory.narrow { self.extend(address, Width::B4, false) } else { address }
    }

    /// So many bytes from the site, by its run-time address: at a probe the instruction pointer is the site's own.
    fn beyond_site(&mut self, bytes: Value) -> Value {
        let Some(offset) = registers::instruction_pointer(self.lowering.target.arch) else { return bytes };
        let site = self.code.load(in_context(offset), Width::B8, false);
        self.sum(site, bytes)
    }

    fn sum(&mut self, a: Value, b: Value) -> Value {
        match b {
            Value::Imm(0) => a,
            _ => self.arithmetic(BinaryOp::Add, a, b),
        }
    }
}
