//! What instructions and terminators read, write and refer to: the one place that knows, for all passes.

use super::{Address, Argument, Base, BlockId, Inst, Reg, SlotId, Terminator, Value};

impl Inst {
    /// The register that it writes.
    pub fn def(&self) -> Option<Reg> {
        match self {
            Inst::Mov { dst, .. }
            | Inst::Binary { dst, .. }
            | Inst::Compare { dst, .. }
            | Inst::Extend { dst, .. }
            | Inst::Swap { dst, .. }
            | Inst::Bound { dst, .. }
            | Inst::Load { dst, .. }
            | Inst::CompareExchange { dst, .. }
            | Inst::AddressOf { dst, .. }
            | Inst::MapValue { dst, .. } => Some(*dst),
            Inst::Call { dst, .. } => *dst,
            Inst::Store { .. }
            | Inst::AtomicAdd { .. }
            | Inst::Zero { .. }
            | Inst::Copy { .. }
            | Inst::StoreBytes { .. } => None,
        }
    }

    /// Whether it does nothing but write its register, so that it can go when nobody reads that.
    pub fn is_pure(&self) -> bool {
        match self {
            Inst::Mov { .. }
            | Inst::Binary { .. }
            | Inst::Compare { .. }
            | Inst::Extend { .. }
            | Inst::Swap { .. }
            | Inst::Bound { .. }
            | Inst::Load { .. }
            | Inst::AddressOf { .. }
            | Inst::MapValue { .. } => true,
            Inst::Call { .. }
            | Inst::CompareExchange { .. }
            | Inst::Store { .. }
            | Inst::AtomicAdd { .. }
            | Inst::Zero { .. }
            | Inst::Copy { .. }
            | Inst::StoreBytes { .. } => false,
        }
    }

    /// Calls `f` with every value that it reads outside of addresses.
    pub fn values_mut(&mut self, mut f: impl FnMut(&mut Value)) {
        match self {
            Inst::Mov { src, .. }
            | Inst::Extend { src, .. }
            | Inst::Swap { src, .. }
            | Inst::Bound { src, .. }
            | Inst::Store { src, .. }
            | Inst::AtomicAdd { src, .. } => f(src),
            Inst::Binary { a, b, .. } | Inst::Compare { a, b, .. } => {
                f(a);
                f(b);
            }
            Inst::CompareExchange { expected, new, .. } => {
                f(expected);
                f(new);
            }
            Inst::Call { arguments, .. } => {
                for argument in arguments {
                    if let Argument::Value(value) = argument {
                        f(value);
                    }
                }
            }
            Inst::Load { .. }
            | Inst::Zero { .. }
            | Inst::Copy { .. }
            | Inst::StoreBytes { .. }
            | Inst::AddressOf { .. }
            | Inst::MapValue { .. } => {}
        }
    }

    /// Calls `f` with every address in it.
    pub fn addresses_mut(&mut self, mut f: impl FnMut(&mut Address)) {
        match self {
            Inst::Load { from: address, .. }
            | Inst::Store { to: address, .. }
            | Inst::AtomicAdd { to: address, .. }
            | Inst::CompareExchange { to: address, .. }
            | Inst::Zero { to: address, .. }
            | Inst::StoreBytes { to: address, .. }
            | Inst::AddressOf { address, .. } => f(address),
            Inst::Copy { to, from, .. } => {
                f(to);
                f(from);
            }
            Inst::Call { arguments, .. } => {
                for argument in arguments {
                    if let Argument::Address(address) = argument {
                        f(address);
                    }
                }
            }
            Inst::Mov { .. }
            | Inst::Binary { .. }
            | Inst::Compare { .. }
            | Inst::Extend { .. }
            | Inst::Swap { .. }
            | Inst::Bound { .. }
            | Inst::MapValue { .. } => {}
        }
    }

    /// Calls `f` with every value that it reads outside of addresses.
    pub fn values(&self, mut f: impl FnMut(Value)) {
        match self {
            Inst::Mov { src, .. }
            | Inst::Extend { src, .. }
            | Inst::Swap { src, .. }
            | Inst::Bound { src, .. }
            | Inst::Store { src, .. }
            | Inst::AtomicAdd { src, .. } => f(*src),
            Inst::Binary { a, b, .. } | Inst::Compare { a, b, .. } => {
                f(*a);
                f(*b);
            }
            Inst::CompareExchange { expected, new, .. } => {
                f(*expected);
                f(*new);
            }
            Inst::Call { arguments, .. } => {
                for argument in arguments {
                    if let Argument::Value(value) = argument {
                        f(*value);
                    }
                }
            }
            Inst::Load { .. }
            | Inst::Zero { .. }
            | Inst::Copy { .. }
            | Inst::StoreBytes { .. }
            | Inst::AddressOf { .. }
            | Inst::MapValue { .. } => {}
        }
    }

    /// Calls `f` with every address in it.
    pub fn addresses(&self, mut f: impl FnMut(&Address)) {
        match self {
            Inst::Load { from: address, .. }
            | Inst::Store { to: address, .. }
            | Inst::AtomicAdd { to: address, .. }
            | Inst::CompareExchange { to: address, .. }
            | Inst::Zero { to: address, .. }
            | Inst::StoreBytes { to: address, .. }
            | Inst::AddressOf { address, .. } => f(address),
            Inst::Copy { to, from, .. } => {
                f(to);
                f(from);
            }
            Inst::Call { arguments, .. } => {
                for argument in arguments {
                    if let Argument::Address(address) = argument {
                        f(address);
                    }
                }
            }
            Inst::Mov { .. }
            | Inst::Binary { .. }
            | Inst::Compare { .. }
            | Inst::Extend { .. }
            | Inst::Swap { .. }
            | Inst::Bound { .. }
            | Inst::MapValue { .. } => {}
        }
    }

    /// Calls `f` with every register that it reads, in addresses and elsewhere.
    pub fn uses(&self, mut f: impl FnMut(Reg)) {
        self.values(|value| value.register().into_iter().for_each(&mut f));
        self.addresses(|address| address.registers().for_each(&mut f));
    }
}

impl Value {
    /// The register, if it is one.
    pub fn register(self) -> Option<Reg> {
        match self {
            Value::Reg(reg) => Some(reg),
            Value::Imm(_) => None,
        }
    }

    /// The constant, if it is one.
    pub fn constant(self) -> Option<i64> {
        match self {
            Value::Imm(value) => Some(value),
            Value::Reg(_) => None,
        }
    }
}

impl Address {
    /// The registers that it is computed from.
    pub fn registers(&self) -> impl Iterator<Item = Reg> {
        let base = match self.base {
            Base::Reg(reg) => Some(reg),
            Base::Slot(_) | Base::Context => None,
        };
        base.into_iter().chain(self.index)
    }

    /// The slot that it is in, if it is in one.
    pub fn slot(&self) -> Option<SlotId> {
        match self.base {
            Base::Slot(slot) => Some(slot),
            Base::Reg(_) | Base::Context => None,
        }
    }
}

impl Terminator {
    /// The blocks that may follow.
    pub fn successors(&self) -> impl Iterator<Item = BlockId> {
        let (first, second) = match self {
            Terminator::Jump(to) => (Some(*to), None),
            Terminator::Branch { then, otherwise, .. } => (Some(*then), Some(*otherwise)),
            Terminator::Return(_) => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// Calls `f` with the blocks that may follow.
    pub fn successors_mut(&mut self, mut f: impl FnMut(&mut BlockId)) {
        match self {
            Terminator::Jump(to) => f(to),
            Terminator::Branch { then, otherwise, .. } => {
                f(then);
                f(otherwise);
            }
            Terminator::Return(_) => {}
        }
    }

    /// The values that it reads.
    pub fn values(&self) -> impl Iterator<Item = Value> {
        let (first, second) = match self {
            Terminator::Jump(_) => (None, None),
            Terminator::Branch { a, b, .. } => (Some(*a), Some(*b)),
            Terminator::Return(value) => (Some(*value), None),
        };
        first.into_iter().chain(second)
    }

    /// Calls `f` with the values that it reads.
    pub fn values_mut(&mut self, mut f: impl FnMut(&mut Value)) {
        match self {
            Terminator::Jump(_) => {}
            Terminator::Branch { a, b, .. } => {
                f(a);
                f(b);
            }
            Terminator::Return(value) => f(value),
        }
    }
}
