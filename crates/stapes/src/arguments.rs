//! The arguments of one probe on their way into registers: a structure for each number of arguments up to six.
//!
//! They could be one tuple of arrays; but a structure without nesting is what the compiler takes apart fastest,
//! and a program may have thousands of probes.

use core::marker::PhantomData;

use crate::{Argument, Slot, Value};

/// Several types of values: tuples of up to six.
pub trait Values {
    /// Their meanings, a byte each, the first one lowest.
    const MEANINGS: u64;
}

/// The types of the values in a tuple.
#[inline(always)]
pub fn types<T: Values>(_values: &T) -> PhantomData<T> {
    PhantomData
}

/// The slots of an argument.
#[inline(always)]
pub fn slots<A: Argument>(argument: &A) -> [Slot; 2] {
    argument.value().slots()
}

const fn pack(meanings: &[u8]) -> u64 {
    let mut packed = 0;
    let mut i = meanings.len();
    while i > 0 {
        i -= 1;
        packed = packed << 8 | meanings[i] as u64;
    }
    packed
}

/// Declares the structure for one number of arguments.
macro_rules! arguments {
    ($name:ident $(, $Type:ident $argument:ident $first:ident $second:ident)*) => {
        impl<$($Type: Value),*> Values for ($($Type,)*) {
            const MEANINGS: u64 = pack(&[$($Type::MEANING),*]);
        }

        /// So many arguments: two slots each, and their types.
        pub struct $name<T> {
            $(
                /// The first slot of this argument.
                pub $first: Slot,
                /// The second.
                pub $second: Slot,
            )*
            types: PhantomData<T>,
        }

        impl<$($Type: Argument),*> $name<($($Type,)*)> {
            /// Takes the arguments.
            #[inline(always)]
            pub fn of($($argument: $Type),*) -> $name<($($Type::Value,)*)> {
                $(let [$first, $second] = slots(&$argument);)*
                $name { $($first, $second,)* types: PhantomData }
            }
        }
    };
}

arguments!(Arguments0);
arguments!(Arguments1, A a a1 a2);
arguments!(Arguments2, A a a1 a2, B b b1 b2);
arguments!(Arguments3, A a a1 a2, B b b1 b2, C c c1 c2);
arguments!(Arguments4, A a a1 a2, B b b1 b2, C c c1 c2, D d d1 d2);
arguments!(Arguments5, A a a1 a2, B b b1 b2, C c c1 c2, D d d1 d2, E e e1 e2);
arguments!(Arguments6, A a a1 a2, B b b1 b2, C c c1 c2, D d d1 d2, E e e1 e2, F f f1 f2);
