//! One value, read by its type from the bytes of a record, a key or a map.
//!
//! Reading copies nothing: strings and buffers borrow from the bytes, and the parts of tuples, records and arrays are
//! read when they are asked for. Missing bytes read as zero, so hostile lengths cannot make it fail.

use stapes_bpf::{StackMode, Type};

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A signed integer.
    Int {
        /// The value.
        value: i64,
        /// Bytes of its type: 1, 2, 4 or 8.
        size: u8,
    },
    /// An unsigned integer.
    Uint {
        /// The value.
        value: u64,
        /// Bytes of its type: 1, 2, 4 or 8.
        size: u8,
    },
    /// True or false.
    Bool(bool),
    /// An address.
    Pointer(u64),
    /// Text up to its NUL, of any encoding.
    Str(&'a [u8]),
    /// Bytes.
    Buf(&'a [u8]),
    /// A tuple.
    Tuple(Items<'a>),
    /// A record; the names come with [`Items::names`].
    Record(Items<'a>),
    /// An array.
    Array(Items<'a>),
    /// A stack of the kernel (`pid` is `None`) or of a process, by its key in a map of stacks.
    Stack {
        /// Index of the map.
        map: u32,
        /// The key.
        key: u64,
        /// The process.
        pid: Option<u32>,
        /// How it is printed.
        mode: StackMode,
    },
    /// An address of the kernel (`pid` is `None`) or of a process, printed as its symbol.
    Symbol {
        /// The address.
        address: u64,
        /// The process.
        pid: Option<u32>,
    },
    /// A moment, in nanoseconds of CLOCK_BOOTTIME.
    Time {
        /// The moment.
        nanoseconds: u64,
        /// How to print it.
        format: &'a str,
    },
    /// Index of a probe.
    Probe(u32),
    /// A user's id.
    Username(u32),
}

/// The parts of a tuple, record or array.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Items<'a> {
    shape: Shape<'a>,
    bytes: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape<'a> {
    Tuple(&'a [Type]),
    Record(&'a [(String, Type)]),
    Array(&'a Type, u32),
}

impl<'a> Value<'a> {
    /// Reads a value of type `ty` from the start of `bytes`.
    pub fn read(ty: &'a Type, bytes: &'a [u8]) -> Self {
        match ty {
            Type::Int { size, signed: true } => {
                Value::Int { value: sign_extend(number(bytes, 0, *size), *size), size: *size }
            }
            Type::Int { size, signed: false } => Value::Uint { value: number(bytes, 0, *size), size: *size },
            Type::Bool => Value::Bool(number(bytes, 0, 1) != 0),
            Type::Pointer => Value::Pointer(number(bytes, 0, 8)),
            Type::Str { size } => Value::Str(until_nul(head(bytes, *size))),
            Type::Buf { size } => {
                let length = number(bytes, 0, 4).min(u64::from(*size));
                Value::Buf(head(bytes.get(4..).unwrap_or_default(), length as u32))
            }
            Type::Tuple(fields) => Value::Tuple(Items { shape: Shape::Tuple(fields), bytes }),
            Type::Record(fields) => Value::Record(Items { shape: Shape::Record(fields), bytes }),
            Type::Array { element, count } => {
                Value::Array(Items { shape: Shape::Array(element, *count), bytes })
            }
            Type::KernelStack { map, mode } => {
                Value::Stack { map: *map, key: number(bytes, 0, 8), pid: None, mode: *mode }
            }
            Type::UserStack { map, mode } => Value::Stack {
                map: *map,
                key: number(bytes, 0, 8),
                pid: Some(number(bytes, 8, 4) as u32),
                mode: *mode,
            },
            Type::KernelSymbol => Value::Symbol { address: number(bytes, 0, 8), pid: None },
            Type::UserSymbol => {
                Value::Symbol { address: number(bytes, 0, 8), pid: Some(number(bytes, 8, 4) as u32) }
            }
            Type::Time { format } => Value::Time { nanoseconds: number(bytes, 0, 8), format },
            Type::Probe => Value::Probe(number(bytes, 0, 4) as u32),
            Type::Username => Value::Username(number(bytes, 0, 4) as u32),
        }
    }

    /// The value as a number to sort by, where it is one.
    pub fn number(&self) -> Option<i128> {
        match self {
            Value::Int { value, .. } => Some(i128::from(*value)),
            Value::Uint { value, .. } | Value::Pointer(value) => Some(i128::from(*value)),
            Value::Bool(b) => Some(i128::from(*b)),
            Value::Probe(n) | Value::Username(n) => Some(i128::from(*n)),
            Value::Time { nanoseconds, .. } => Some(i128::from(*nanoseconds)),
            _ => None,
        }
    }
}

impl<'a> Items<'a> {
    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let (shape, bytes) = (self.shape, self.bytes);
        let offsets = match shape {
            Shape::Tuple(types) => Type::layout(types.iter()).0,
            Shape::Record(fields) => Type::layout(fields.iter().map(|(_, t)| t)).0,
            Shape::Array(..) => Vec::new(),
        };
        (0..self.len()).map(move |i| {
            let (ty, offset) = match shape {
                Shape::Tuple(types) => (&types[i], offsets[i] as usize),
                Shape::Record(fields) => (&fields[i].1, offsets[i] as usize),
                Shape::Array(element, _) => (element, i * element.size() as usize),
            };
            Value::read(ty, bytes.get(offset..).unwrap_or_default())
        })
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        match self.shape {
            Shape::Tuple(types) => types.len(),
            Shape::Record(fields) => fields.len(),
            Shape::Array(_, count) => count as usize,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of a record's fields; nothing for tuples and arrays.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let fields: &'a [(String, Type)] = match self.shape {
            Shape::Record(fields) => fields,
            _ => &[],
        };
        fields.iter().map(|(name, _)| name.as_str())
    }
}

/// The unsigned number of `size` bytes at `offset`, in the machine's byte order; missing bytes are zero.
pub(crate) fn number(bytes: &[u8], offset: usize, size: u8) -> u64 {
    let mut wide = [0u8; 8];
    let size = usize::from(size.min(8));
    let found = bytes.get(offset..).unwrap_or_default();
    let n = found.len().min(size);
    if cfg!(target_endian = "little") {
        wide[..n].copy_from_slice(&found[..n]);
    } else {
        wide[8 - size..8 - size + n].copy_from_slice(&found[..n]);
    }
    u64::from_ne_bytes(wide)
}

fn sign_extend(value: u64, size: u8) -> i64 {
    let unused = 64 - 8 * u32::from(size.clamp(1, 8));
    (value << unused) as i64 >> unused
}

fn head(bytes: &[u8], size: u32) -> &[u8] {
    &bytes[..bytes.len().min(size as usize)]
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.iter().position(|b| *b == 0).map_or(bytes, |end| &bytes[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    const I16: Type = Type::Int { size: 2, signed: true };

    #[test]
    fn integers_extend_by_their_own_sign() {
        assert_eq!(Value::read(&I16, &(-2i16).to_ne_bytes()), Value::Int { value: -2, size: 2 });
        let unsigned = Type::Int { size: 2, signed: false };
        assert_eq!(Value::read(&unsigned, &0xfffe_u16.to_ne_bytes()), Value::Uint { value: 0xfffe, size: 2 });
    }

    #[test]
    fn a_tuple_is_laid_out_as_c_does() {
        // struct { char a; long b; char c[3]; }
        let ty = Type::Tuple(vec![
            Type::Int { size: 1, signed: false },
            Type::Int { size: 8, signed: true },
            Type::Str { size: 3 },
        ]);
        let mut bytes = vec![7u8, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend((-9i64).to_ne_bytes());
        bytes.extend(*b"hi\0\0\0\0\0\0");
        let Value::Tuple(items) = Value::read(&ty, &bytes) else { panic!("not a tuple") };
        let values: Vec<_> = items.iter().collect();
        assert_eq!(
            values,
            [Value::Uint { value: 7, size: 1 }, Value::Int { value: -9, size: 8 }, Value::Str(b"hi")]
        );
    }

    #[test]
    fn a_string_without_nul_has_all_its_bytes() {
        assert_eq!(Value::read(&Type::Str { size: 3 }, b"abcdef"), Value::Str(b"abc"));
    }

    #[test]
    fn a_buffer_that_claims_too_much_gets_what_its_type_allows() {
        let mut bytes = u32::MAX.to_ne_bytes().to_vec();
        bytes.extend(b"abcdefgh");
        assert_eq!(Value::read(&Type::Buf { size: 4 }, &bytes), Value::Buf(b"abcd"));
    }

    #[test]
    fn every_type_reads_from_every_prefix_of_its_bytes() {
        let types = [
            I16,
            Type::Bool,
            Type::Pointer,
            Type::Str { size: 5 },
            Type::Buf { size: 5 },
            Type::Tuple(vec![I16, Type::Buf { size: 9 }, Type::UserSymbol]),
            Type::Record(vec![("a".into(), Type::Username), ("b".into(), Type::Probe)]),
            Type::Array { element: Box::new(I16), count: 3 },
            Type::KernelStack { map: 0, mode: StackMode::Raw },
            Type::UserStack { map: 0, mode: StackMode::Raw },
            Type::KernelSymbol,
            Type::Time { format: "%s".into() },
        ];
        for ty in &types {
            let bytes = vec![0xff; ty.size() as usize];
            for end in 0..=bytes.len() {
                if let Value::Tuple(items) | Value::Record(items) | Value::Array(items) =
                    Value::read(ty, &bytes[..end])
                {
                    assert_eq!(items.iter().count(), items.len());
                }
            }
        }
    }
}
