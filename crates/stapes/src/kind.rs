//! What an argument means, as a byte in `.note.stapes`; `docs/note-format.md` is the specification.

/// Not an argument: the list of arguments ends.
pub const END: u8 = 0;
/// An unsigned integer of the size that the USDT note states.
pub const UNSIGNED: u8 = 1;
/// A signed integer, in two's complement.
pub const SIGNED: u8 = 2;
/// `false` is 0, `true` is 1.
pub const BOOL: u8 = 3;
/// A Unicode scalar value.
pub const CHAR: u8 = 4;
/// The bits of an IEEE 754 number, binary32 or binary64 by the size.
pub const FLOAT: u8 = 5;
/// An address of something that the note does not describe.
pub const POINTER: u8 = 6;
/// UTF-8 text: its address, then, as the next argument of the USDT note, its length in bytes.
pub const STRING: u8 = 7;
/// Bytes: their address, then their number.
pub const BYTES: u8 = 8;
/// Text of no stated encoding: its address, then its length. A NUL follows it in memory and is not counted.
pub const C_STRING: u8 = 9;
/// The address alone of text that ends at its NUL.
pub const C_STRING_POINTER: u8 = 10;

/// Added to one of the others: there may be no value.
/// Where there is an address, 0 says so; elsewhere the next argument of the USDT note is 1 where there is a value, else 0.
pub const OPTIONAL: u8 = 0x80;

/// Whether "no value" shows as address 0, rather than in a byte of its own.
pub const fn absent_is_null(kind: u8) -> bool {
    matches!(kind & !OPTIONAL, POINTER | STRING | BYTES | C_STRING | C_STRING_POINTER)
}
