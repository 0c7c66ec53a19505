//! The limit of twelve values, counted while types are checked, so that the error points at the argument that is too many.
//!
//! Tracers decode at most twelve arguments (libbpf refuses a note with more).
//! How many values an argument takes depends on its type, which a macro does not see; so the count is a type itself:
//! each argument turns `Next<Next<R>>` into `Next<R>` or `R`, and does not compile where there is no `Next`.

use core::marker::PhantomData;

use crate::{Argument, Value};

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

/// There is more than one `impl` for each number, lest the compiler take the only one for granted and infer the room from it.
impl FitsIn<Never> for One {
    type Left = Never;
}

impl FitsIn<Never> for Two {
    type Left = Never;
}

/// No room, and never any.
pub struct Never;

/// The slots of an argument, as a number of values.
type Slots<A> = <<A as Argument>::Value as Value>::Slots;

/// Gives an argument back with the room that is left after it.
#[inline(always)]
pub fn take<A: Argument, R>(
    argument: A,
    _room: PhantomData<R>,
) -> (A, PhantomData<<Slots<A> as FitsIn<R>>::Left>)
where
    Slots<A>: FitsIn<R>,
{
    (argument, PhantomData)
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
