//! The limit of twelve values, counted while types are checked, so that the error points at the argument that is too many.
//!
//! Tracers decode at most twelve arguments (libbpf refuses a note with more).
//! How many values an argument takes depends on its type, which a macro does not see; so the count is a type itself:
//! each argument turns `Next<Next<R>>` into `Next<R>` or `R`, and does not compile where there is no `Next`.

use core::marker::PhantomData;

use crate::Value;

/// No room for another value.
pub struct Full;

/// Room for one value, and then `R`.
pub struct Next<R>(PhantomData<R>);

/// Room for the twelve values of a probe.
pub type Room = Next<Next<Next<Next<Next<Next<Next<Next<Next<Next<Next<Next<Full>>>>>>>>>>>>;

/// A value in one slot.
pub struct One;

/// A value in two slots.
pub struct Two;

/// A number of slots for which `R` has room.
#[diagnostic::on_unimplemented(
    message = "a probe passes at most 12 values, and this argument is beyond them",
    label = "no room for this argument",
    note = "a string or slice takes two values (its address and its length), and so does an `Option` of a number"
)]
pub trait FitsIn<R> {
    /// The room that is left.
    type Left;
}

impl<R> FitsIn<Next<R>> for One {
    type Left = R;
}

impl<R> FitsIn<Next<Next<R>>> for Two {
    type Left = R;
}

/// Takes the room of `value` out of `room`.
#[inline(always)]
pub fn take<V: Value, R>(value: V, _room: PhantomData<R>) -> (V, PhantomData<<V::Slots as FitsIn<R>>::Left>)
where
    V::Slots: FitsIn<R>,
{
    (value, PhantomData)
}

/// The room of a probe without arguments.
pub const ROOM: PhantomData<Room> = PhantomData;

/// Implemented by nothing.
#[diagnostic::on_unimplemented(
    message = "a probe passes at most 12 values, and this argument is beyond them",
    label = "no room for this argument"
)]
pub trait Beyond {}

/// Takes a thirteenth argument, which is an error.
pub fn beyond<T: Beyond>(_argument: T) {}
