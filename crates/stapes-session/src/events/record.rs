//! A record of the ring buffer, cut into its fields.

use std::fmt;

use stapes_bpf::{Event, Type};

use super::value::{Value, number};

/// A record whose lengths have been checked.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    fields: &'a [Type],
    layout: &'a Layout,
    bytes: &'a [u8],
}

/// Where the fields of an event's records are; worked out once per event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    offsets: Vec<u32>,
    fixed: u32,
}

/// Why a record was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It does not even hold the index of its event.
    Short,
    /// There is no event with that index.
    UnknownEvent(u32),
    /// It ends before its fields do.
    Truncated {
        /// Bytes that the fields need.
        needed: u64,
        /// Bytes there are.
        found: usize,
    },
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Short => f.write_str("record without the index of its event"),
            Malformed::UnknownEvent(index) => write!(f, "record of event {index}, which does not exist"),
            Malformed::Truncated { needed, found } => {
                write!(f, "record of {found} bytes whose fields need {needed}")
            }
        }
    }
}

impl Layout {
    /// The layout of an event's records.
    pub fn of(event: &Event) -> Self {
        let (offsets, fixed) = event.layout();
        Layout { offsets, fixed }
    }
}

/// The index of the event that a record belongs to.
pub fn event_index(record: &[u8]) -> Result<u32, Malformed> {
    if record.len() < 8 {
        return Err(Malformed::Short);
    }
    Ok(number(record, 0, 4) as u32)
}

impl<'a> Record<'a> {
    /// Checks the lengths in `bytes`, a whole record of `event`.
    pub fn new(event: &'a Event, layout: &'a Layout, bytes: &'a [u8]) -> Result<Self, Malformed> {
        let record = Record { fields: &event.fields, layout, bytes };
        let tail: u64 = record.tail_lengths().sum();
        let needed = u64::from(layout.fixed) + tail;
        if needed > bytes.len() as u64 {
            return Err(Malformed::Truncated { needed, found: bytes.len() });
        }
        Ok(record)
    }

    /// The values in order.
    pub fn values(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let (bytes, mut tail) = (self.bytes, self.layout.fixed as usize);
        self.fields.iter().zip(&self.layout.offsets).map(move |(ty, offset)| {
            let at = bytes.get(*offset as usize..).unwrap_or_default();
            if !in_tail(ty) {
                return Value::read(ty, at);
            }
            let length = number(at, 0, 4) as usize;
            let text = bytes.get(tail..).and_then(|b| b.get(..length)).unwrap_or_default();
            tail += length;
            match ty {
                // The length may count the NUL that the kernel wrote.
                Type::Str { .. } => Value::Str(text.split(|b| *b == 0).next().unwrap_or_default()),
                _ => Value::Buf(text),
            }
        })
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    fn tail_lengths(&self) -> impl Iterator<Item = u64> + '_ {
        self.fields
            .iter()
            .zip(&self.layout.offsets)
            .filter(|(ty, _)| in_tail(ty))
            .map(|(_, offset)| number(self.bytes, *offset as usize, 4))
    }
}

/// Whether a field's bytes follow the fixed part ([`Event::fields`]).
fn in_tail(ty: &Type) -> bool {
    matches!(ty, Type::Str { .. } | Type::Buf { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stapes_bpf::EventKind;

    fn event() -> Event {
        Event {
            kind: EventKind::PrintValue,
            fields: vec![
                Type::Str { size: 64 },
                Type::Int { size: 8, signed: true },
                Type::Buf { size: 64 },
                Type::Int { size: 1, signed: false },
            ],
        }
    }

    /// index 0, zero, "hi" of 2 bytes at 8, -3 at 16, buffer of 3 bytes at 24, 9 at 28, fixed part ends at 32.
    fn bytes() -> Vec<u8> {
        let mut b = vec![0u8; 8];
        b.extend(2u32.to_ne_bytes());
        b.extend([0; 4]);
        b.extend((-3i64).to_ne_bytes());
        b.extend(3u32.to_ne_bytes());
        b.push(9);
        b.extend([0; 3]);
        b.extend(b"hixyz");
        b
    }

    #[test]
    fn strings_and_buffers_follow_the_fixed_part() {
        let (event, bytes) = (event(), bytes());
        let layout = Layout::of(&event);
        let record = Record::new(&event, &layout, &bytes).unwrap();
        let values: Vec<_> = record.values().collect();
        assert_eq!(
            values,
            [
                Value::Str(b"hi"),
                Value::Int { value: -3, size: 8 },
                Value::Buf(b"xyz"),
                Value::Uint { value: 9, size: 1 }
            ]
        );
    }

    #[test]
    fn every_prefix_is_refused() {
        let (event, bytes) = (event(), bytes());
        let layout = Layout::of(&event);
        for end in 0..bytes.len() {
            assert!(Record::new(&event, &layout, &bytes[..end]).is_err(), "{end} bytes");
        }
        assert_eq!(event_index(&bytes[..7]), Err(Malformed::Short));
    }

    #[test]
    fn lengths_that_overflow_are_refused() {
        let (event, mut bytes) = (event(), bytes());
        bytes[8..12].copy_from_slice(&u32::MAX.to_ne_bytes());
        bytes[24..28].copy_from_slice(&u32::MAX.to_ne_bytes());
        let layout = Layout::of(&event);
        let found = bytes.len();
        assert_eq!(
            Record::new(&event, &layout, &bytes).err(),
            Some(Malformed::Truncated { needed: 32 + 2 * u64::from(u32::MAX), found })
        );
    }
}
