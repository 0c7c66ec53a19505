//! What a probe can pass, and how each type becomes the numbers that a tracer reads.
//!
//! A USDT note knows sizes and signs only.
//! So every type is brought down to one or two 64-bit *slots*, and what the note cannot say
//! (this is a string; that number is a float) goes into `.note.stapes` as a [meaning](crate::meaning).

use core::ffi::CStr;
use core::mem::MaybeUninit;
use core::num::NonZero;
use core::ptr::NonNull;

use crate::meaning::{self, sized};
use crate::room::{One, Two};

/// A type whose values can be passed to a probe.
///
/// It is implemented for all integers up to 64 bits, `bool`, `char`, `f32`, `f64`, raw pointers and `NonNull`,
/// `&str`, `&[u8]`, `[u8; N]`, `&CStr`, `NonZero`, references to any of these (the value behind the reference is passed),
/// and `Option` of any of these.
///
/// To pass a type of one's own, say which of these stands for it:
///
/// ```
/// struct UserId(u64);
///
/// impl stapes::Argument for UserId {
///     type Value = u64;
///     fn value(&self) -> u64 {
///         self.0
///     }
/// }
///
/// let user = UserId(7);
/// stapes::probe!(myapp, login, &user);
/// ```
///
/// A tracer sees:
///
/// | type | values in the note | meaning |
/// |---|---|---|
/// | integer, `bool`, `char` | one, with its size and sign | the value; of a `char` its code point |
/// | `f32`, `f64` | one of 4 or 8 bytes, unsigned | the bits of the number |
/// | pointer | one of 8 bytes | the address |
/// | `&str`, `&[u8]`, `&CStr` | two of 8 bytes | address and length in bytes (of a `CStr` without its NUL) |
/// | `Option` of a pointer or string | as without `Option` | address 0 is `None` |
/// | `Option` of anything else | the value, then 1 byte | the byte is 1 for `Some`; the value is 0 for `None` |
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be passed to a probe",
    label = "a probe has no way to pass this",
    note = "a probe passes integers, `bool`, `char`, floats, raw pointers, `&str`, `&[u8]`, `&CStr`, references to these, \
            and `Option` of these",
    note = "for a type of your own, implement `stapes::Argument`; for a `String`, pass `.as_str()`"
)]
pub trait Argument {
    /// The type that stands for this one in the probe: a number, a pointer, [`Text`], [`Bytes`], [`CText`],
    /// or `Option` of these.
    type Value: Value;

    /// The value to pass.
    fn value(&self) -> Self::Value;
}

/// One 64-bit place for a value. Bytes above the value's size, and slots that are not used, mean nothing.
pub type Slot = MaybeUninit<u64>;

/// A type that a probe passes as it is: what an [`Argument`] can be brought down to.
///
/// Only this crate implements it.
pub trait Value: Copy + Argument + sealed::Sealed {
    /// The meaning, as `.note.stapes` has it, and with it the sizes of the slots.
    const MEANING: u8;
    /// The number of slots, as a type.
    type Slots;
    /// The number of slots of an `Option` of this.
    type OptionalSlots;

    /// The value's slots.
    fn slots(self) -> [Slot; 2];

    /// The slots of a value that is there, where it might have been absent.
    fn present(self) -> [Slot; 2];

    /// The slots that say "no value".
    fn absent() -> [Slot; 2];
}

mod sealed {
    pub trait Sealed {}
}

/// Implements [`Argument`] for a type that stands for itself.
macro_rules! argument {
    ($type:ty $(, <$parameter:ident>)?) => {
        impl $(<$parameter: ?Sized>)? Argument for $type {
            type Value = $type;

            #[inline(always)]
            fn value(&self) -> $type {
                *self
            }
        }
    };
}

/// Implements both traits for a type that is a single number.
macro_rules! number {
    ($type:ty, $kind:expr, |$value:ident| $slot:expr) => {
        impl sealed::Sealed for $type {}

        impl Value for $type {
            const MEANING: u8 = sized($kind, size_of::<$type>());
            type Slots = One;
            type OptionalSlots = Two;

            #[inline(always)]
            fn slots(self) -> [Slot; 2] {
                let $value = self;
                [Slot::new($slot), Slot::uninit()]
            }

            #[inline(always)]
            fn absent() -> [Slot; 2] {
                [Slot::new(0), Slot::new(0)]
            }

            #[inline(always)]
            fn present(self) -> [Slot; 2] {
                [self.slots()[0], Slot::new(1)]
            }
        }

        argument!($type);
    };
}

// The bytes above a value's size are not looked at, so a signed number is not sign-extended: zero-extension costs nothing more often.
number!(u8, meaning::UNSIGNED, |value| value as u64);
number!(u16, meaning::UNSIGNED, |value| value as u64);
number!(u32, meaning::UNSIGNED, |value| value as u64);
number!(u64, meaning::UNSIGNED, |value| value);
number!(usize, meaning::UNSIGNED, |value| value as u64);
number!(i8, meaning::SIGNED, |value| value as u8 as u64);
number!(i16, meaning::SIGNED, |value| value as u16 as u64);
number!(i32, meaning::SIGNED, |value| value as u32 as u64);
number!(i64, meaning::SIGNED, |value| value as u64);
number!(isize, meaning::SIGNED, |value| value as usize as u64);
number!(bool, meaning::BOOL, |value| value as u64);
number!(char, meaning::CHAR, |value| value as u64);
number!(f32, meaning::FLOAT, |value| value.to_bits() as u64);
number!(f64, meaning::FLOAT, |value| value.to_bits());

/// Implements both traits for a type that is an address with nothing else.
macro_rules! pointer {
    ($type:ty, |$value:ident| $address:expr, $kind:expr $(, <$parameter:ident>)?) => {
        impl $(<$parameter: ?Sized>)? sealed::Sealed for $type {}

        impl $(<$parameter: ?Sized>)? Value for $type {
            const MEANING: u8 = sized($kind, size_of::<usize>());
            type Slots = One;
            type OptionalSlots = One;

            #[inline(always)]
            fn slots(self) -> [Slot; 2] {
                let $value = self;
                [Slot::new($address as u64), Slot::uninit()]
            }

            #[inline(always)]
            fn absent() -> [Slot; 2] {
                [Slot::new(0), Slot::uninit()]
            }

            #[inline(always)]
            fn present(self) -> [Slot; 2] {
                self.slots()
            }
        }

        argument!($type $(, <$parameter>)?);
    };
}

pointer!(*const T, |value| value.cast::<()>().expose_provenance(), meaning::POINTER, <T>);
pointer!(*mut T, |value| value.cast::<()>().expose_provenance(), meaning::POINTER, <T>);
pointer!(NonNull<T>, |value| value.cast::<()>().as_ptr().expose_provenance(), meaning::POINTER, <T>);

/// Declares a type of bytes with a length, and implements both traits for it and [`Argument`] for what it stands for.
macro_rules! bytes {
    ($(#[$doc:meta])* $name:ident, $type:ty, $kind:expr, |$value:ident| $bytes:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            address: *const u8,
            length: usize,
        }

        impl From<&$type> for $name {
            #[inline(always)]
            fn from($value: &$type) -> $name {
                let bytes: &[u8] = $bytes;
                $name { address: bytes.as_ptr(), length: bytes.len() }
            }
        }

        impl sealed::Sealed for $name {}

        impl Value for $name {
            const MEANING: u8 = sized($kind, size_of::<usize>());
            type Slots = Two;
            type OptionalSlots = Two;

            #[inline(always)]
            fn slots(self) -> [Slot; 2] {
                [Slot::new(self.address.expose_provenance() as u64), Slot::new(self.length as u64)]
            }

            #[inline(always)]
            fn present(self) -> [Slot; 2] {
                self.slots()
            }

            #[inline(always)]
            fn absent() -> [Slot; 2] {
                [Slot::new(0), Slot::new(0)]
            }
        }

        argument!($name);

        impl Argument for $type {
            type Value = $name;

            #[inline(always)]
            fn value(&self) -> $name {
                self.into()
            }
        }
    };
}

bytes!(
    /// Where a `str` is, and how long.
    ///
    /// It borrows nothing: a tracer finds the text if it is still there when the probe fires.
    Text, str, meaning::STRING, |value| value.as_bytes()
);
bytes!(
    /// Where a `[u8]` is, and how long; as [`Text`].
    Bytes, [u8], meaning::BYTES, |value| value
);
bytes!(
    /// Where a `CStr` is, and how long without its NUL; as [`Text`].
    CText, CStr, meaning::C_STRING_WITH_LENGTH, |value| value.to_bytes()
);

impl<const N: usize> Argument for [u8; N] {
    type Value = Bytes;

    #[inline(always)]
    fn value(&self) -> Bytes {
        self.as_slice().into()
    }
}

impl<V: Value> sealed::Sealed for Option<V> {}

impl<V: Value> Value for Option<V> {
    const MEANING: u8 = V::MEANING | meaning::OPTIONAL;
    type Slots = V::OptionalSlots;
    type OptionalSlots = V::OptionalSlots;

    #[inline(always)]
    fn slots(self) -> [Slot; 2] {
        match self {
            Some(value) => value.present(),
            None => V::absent(),
        }
    }

    #[inline(always)]
    fn absent() -> [Slot; 2] {
        V::absent()
    }

    #[inline(always)]
    fn present(self) -> [Slot; 2] {
        self.slots()
    }
}

impl<T: Argument> Argument for Option<T> {
    type Value = Option<T::Value>;

    #[inline(always)]
    fn value(&self) -> Option<T::Value> {
        Some(self.as_ref()?.value())
    }
}

impl<T: Argument + ?Sized> Argument for &T {
    type Value = T::Value;

    #[inline(always)]
    fn value(&self) -> T::Value {
        T::value(self)
    }
}

impl<T: Argument + ?Sized> Argument for &mut T {
    type Value = T::Value;

    #[inline(always)]
    fn value(&self) -> T::Value {
        T::value(self)
    }
}

/// Implements [`Argument`] for `NonZero` of each integer.
macro_rules! non_zero {
    ($($type:ty)*) => {
        $(impl Argument for NonZero<$type> {
            type Value = $type;

            #[inline(always)]
            fn value(&self) -> $type {
                self.get()
            }
        })*
    };
}

non_zero!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);
