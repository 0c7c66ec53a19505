//! What an argument means, as one byte in `.note.stapes`; `docs/note-format.md` is the specification.
//!
//! ```text
//! bit 7      there may be no value
//! bits 5–2   the kind
//! bits 1–0   log2 of the size of the (first) value
//! ```
//!
//! The byte also tells how many arguments of the USDT note belong together, so the assembler makes both from it.
//! The order of the kinds matters there: numbers, then lone addresses (from 6), then addresses with a length (from 8).

/// An unsigned integer.
pub const UNSIGNED: u8 = 1 << 2;
/// A signed integer, in two's complement.
pub const SIGNED: u8 = 2 << 2;
/// `false` is 0, `true` is 1.
pub const BOOL: u8 = 3 << 2;
/// A Unicode scalar value.
pub const CHAR: u8 = 4 << 2;
/// The bits of an IEEE 754 number, binary32 or binary64 by the size.
pub const FLOAT: u8 = 5 << 2;
/// An address of something that the note does not describe.
pub const POINTER: u8 = 6 << 2;
/// The address of text that ends at its NUL.
pub const C_STRING: u8 = 7 << 2;
/// The address of UTF-8 text; its length in bytes is the next argument of the USDT note.
pub const STRING: u8 = 8 << 2;
/// The address of bytes; their number is the next argument of the USDT note.
pub const BYTES: u8 = 9 << 2;
/// The address of text of no stated encoding; its length, without the NUL that follows it, is the next argument.
pub const C_STRING_WITH_LENGTH: u8 = 10 << 2;

/// There may be no value.
/// Where there is an address, 0 says so; elsewhere the next argument of the USDT note is 1 where there is a value, else 0.
pub const OPTIONAL: u8 = 0x80;

/// A kind with the size of its first value in bytes: 1, 2, 4 or 8.
pub const fn sized(kind: u8, size: usize) -> u8 {
    kind | size.trailing_zeros() as u8
}
