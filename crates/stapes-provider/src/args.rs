//! The types of arguments, and values of them on their way to a probe's site.
//!
//! A site is called as a function, so that each argument is one or two *words* of 64 bits in the places that the
//! calling convention gives them.
//! A string is two: a pointer to its bytes, behind which there is a NUL that is not its own, and its length.
//! So both `str(arg0)` and `str(arg0, arg1)` print it whole.
//! Floating-point values travel as their bits (IEEE 754) in a general register, where tracers can read them.

use crate::Error;

/// The most places that a note of the Rust interface has: libbpf refuses notes with more.
pub const MAX_PLACES: usize = 12;

/// The most places that the imitated C interfaces promise.
pub const MAX_WORDS: usize = 32;

/// The type of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arg {
    /// `u8`.
    U8,
    /// `i8`.
    I8,
    /// `u16`.
    U16,
    /// `i16`.
    I16,
    /// `u32`.
    U32,
    /// `i32`.
    I32,
    /// `u64`, and `usize` on the architectures that are supported.
    U64,
    /// `i64`, and `isize`.
    I64,
    /// `bool`: one byte, 0 or 1.
    Bool,
    /// `char`: four bytes, a Unicode scalar value.
    Char,
    /// `f32`: the bits, four bytes.
    F32,
    /// `f64`: the bits, eight bytes.
    F64,
    /// An address in this process.
    Pointer,
    /// UTF-8: pointer and length in bytes, two places.
    Str,
    /// Bytes: pointer and length, two places.
    Bytes,
}

/// One place of a note: `[-]SIZE` before the `@`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes: 1, 2, 4 or 8.
    pub size: u8,
    /// Whether the value is signed.
    pub signed: bool,
}

impl Place {
    const fn unsigned(size: u8) -> Place {
        Place { size, signed: false }
    }

    const fn signed(size: u8) -> Place {
        Place { size, signed: true }
    }
}

impl Arg {
    /// The places that an argument of this type takes.
    pub fn places(self) -> &'static [Place] {
        const LENGTH: Place = Place::unsigned(8);
        match self {
            Arg::U8 | Arg::Bool => const { &[Place::unsigned(1)] },
            Arg::I8 => const { &[Place::signed(1)] },
            Arg::U16 => const { &[Place::unsigned(2)] },
            Arg::I16 => const { &[Place::signed(2)] },
            Arg::U32 | Arg::Char | Arg::F32 => const { &[Place::unsigned(4)] },
            Arg::I32 => const { &[Place::signed(4)] },
            Arg::U64 | Arg::F64 | Arg::Pointer => const { &[Place::unsigned(8)] },
            Arg::I64 => const { &[Place::signed(8)] },
            Arg::Str | Arg::Bytes => const { &[Place::unsigned(8), LENGTH] },
        }
    }
}

/// The places of all arguments in order.
pub(crate) fn places(args: &[Arg]) -> Result<Vec<Place>, Error> {
    let places: Vec<Place> = args.iter().flat_map(|a| a.places()).copied().collect();
    if places.len() > MAX_PLACES {
        return Err(Error::TooManyArguments { places: places.len(), limit: MAX_PLACES });
    }
    Ok(places)
}

/// The words of one event, with the copies of strings that they point to.
#[derive(Debug)]
pub struct Words {
    words: [u64; MAX_WORDS],
    count: usize,
    texts: Vec<Vec<u8>>,
}

impl Words {
    pub(crate) fn new() -> Words {
        Words { words: [0; MAX_WORDS], count: 0, texts: Vec::new() }
    }

    pub(crate) fn push(&mut self, word: u64) {
        if let Some(slot) = self.words.get_mut(self.count) {
            *slot = word;
            self.count += 1;
        }
    }

    fn push_text(&mut self, bytes: &[u8]) {
        let mut copy = Vec::with_capacity(bytes.len() + 1);
        copy.extend_from_slice(bytes);
        copy.push(0);
        self.push(copy.as_ptr() as u64);
        self.push(bytes.len() as u64);
        // Moving the vector does not move its bytes.
        self.texts.push(copy);
    }

    pub(crate) fn all(&self) -> &[u64; MAX_WORDS] {
        &self.words
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }
}

/// A Rust type that can be an argument.
pub trait Value: Sized {
    /// Its type.
    const ARG: Arg;
    /// The same type with another lifetime, for what borrows.
    type Of<'a>: Value;
    /// Appends its words.
    fn put(self, words: &mut Words);
}

macro_rules! integers {
    ($($ty:ty => $arg:ident),*) => { $(
        impl Value for $ty {
            const ARG: Arg = Arg::$arg;
            type Of<'a> = $ty;
            fn put(self, words: &mut Words) {
                words.push(self as i64 as u64);
            }
        }
    )* };
}

integers!(u8 => U8, i8 => I8, u16 => U16, i16 => I16, u32 => U32, i32 => I32, u64 => U64, i64 => I64);
integers!(usize => U64, isize => I64);

macro_rules! others {
    ($($ty:ty => $arg:ident, $value:ident => $word:expr;)*) => { $(
        impl Value for $ty {
            const ARG: Arg = Arg::$arg;
            type Of<'a> = $ty;
            fn put(self, words: &mut Words) {
                let $value = self;
                words.push($word);
            }
        }
    )* };
}

others! {
    bool => Bool, v => u64::from(v);
    char => Char, v => u64::from(u32::from(v));
    f32 => F32, v => u64::from(v.to_bits());
    f64 => F64, v => v.to_bits();
}

impl<T: 'static> Value for *const T {
    const ARG: Arg = Arg::Pointer;
    type Of<'a> = *const T;
    fn put(self, words: &mut Words) {
        words.push(self as usize as u64);
    }
}

impl<T: 'static> Value for *mut T {
    const ARG: Arg = Arg::Pointer;
    type Of<'a> = *mut T;
    fn put(self, words: &mut Words) {
        words.push(self as usize as u64);
    }
}

impl Value for &str {
    const ARG: Arg = Arg::Str;
    type Of<'a> = &'a str;
    fn put(self, words: &mut Words) {
        words.push_text(self.as_bytes());
    }
}

impl Value for &[u8] {
    const ARG: Arg = Arg::Bytes;
    type Of<'a> = &'a [u8];
    fn put(self, words: &mut Words) {
        words.push_text(self);
    }
}

/// The values of one event: a tuple of up to twelve.
pub trait Arguments: Sized {
    /// Their types.
    const ARGS: &'static [Arg];
    /// The same tuple with another lifetime.
    type Of<'a>: Arguments;
    /// Appends their words.
    fn put(self, words: &mut Words);
}

macro_rules! tuples {
    ($(($($name:ident)*))*) => { $(
        impl<$($name: Value),*> Arguments for ($($name,)*) {
            const ARGS: &'static [Arg] = &[$($name::ARG),*];
            type Of<'a> = ($($name::Of<'a>,)*);
            #[allow(non_snake_case, reason = "the types' names serve for the values")]
            fn put(self, _words: &mut Words) {
                let ($($name,)*) = self;
                $($name.put(_words);)*
            }
        }
    )* };
}

tuples! {
    () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H)
    (A B C D E F G H I) (A B C D E F G H I J) (A B C D E F G H I J K) (A B C D E F G H I J K L)
}

/// Finds the first place where what is given is not what was declared.
pub(crate) fn check(declared: &[Arg], given: &[Arg]) -> Result<(), Error> {
    let differs = (0..declared.len().max(given.len())).find(|&i| declared.get(i) != given.get(i));
    match differs {
        None => Ok(()),
        Some(at) => {
            Err(Error::Mismatch { at, declared: declared.get(at).copied(), given: given.get(at).copied() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(arguments: impl Arguments) -> Vec<u64> {
        let mut words = Words::new();
        arguments.put(&mut words);
        words.all()[..words.len()].to_vec()
    }

    #[test]
    fn integers_are_extended_by_their_sign_and_floats_travel_as_bits() {
        assert_eq!(
            words((-1i8, 200u8, -2i32, 1.5f64)),
            [u64::MAX, 200, (-2i64) as u64, 0x3ff8_0000_0000_0000]
        );
        assert_eq!(words((true, 'é', 1.0f32)), [1, 0xe9, 0x3f80_0000]);
    }

    #[test]
    fn a_string_is_a_pointer_to_a_copy_with_a_nul_and_its_own_length() {
        let mut words = Words::new();
        ("key",).put(&mut words);
        assert_eq!(words.len(), 2);
        assert_eq!(words.all()[1], 3);
        assert_eq!(words.texts, [b"key\0".to_vec()]);
        assert_eq!(words.all()[0], words.texts[0].as_ptr() as u64);
    }

    #[test]
    fn a_mismatch_names_the_place_and_both_types() {
        assert!(check(&[Arg::Str, Arg::I32], <(&str, i32)>::ARGS).is_ok());
        let error = check(&[Arg::Str, Arg::I32], <(&str, f64)>::ARGS).unwrap_err();
        assert_eq!(error.to_string(), "argument 1 is declared as I32, and F64 was given");
        let error = check(&[Arg::U8], <()>::ARGS).unwrap_err();
        assert_eq!(error.to_string(), "argument 0 is declared as U8, and nothing was given");
    }

    #[test]
    fn twelve_places_fit_and_thirteen_do_not() {
        assert_eq!(places(&[Arg::Str; 6]).unwrap().len(), 12);
        assert!(matches!(places(&[Arg::U8; 13]), Err(Error::TooManyArguments { places: 13, limit: 12 })));
    }
}
