//! What bytes in events and maps mean: enough to print a value without knowing the script.
//!
//! Every type has a size and an alignment of 1, 2, 4 or 8; values are in the byte order of the machine.
//! Tuples and records lay their fields out as C would.

/// The meaning of some bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// An integer of 1, 2, 4 or 8 bytes.
    Int {
        /// Bytes.
        size: u8,
        /// Whether it is two's complement.
        signed: bool,
    },
    /// One byte, 0 or 1.
    Bool,
    /// An address, 8 bytes, printed in hexadecimal.
    Pointer,
    /// Bytes up to the first NUL, or all `size` of them.
    Str {
        /// Bytes reserved.
        size: u32,
    },
    /// A `u32` length and then `size` bytes, of which the first `length` count.
    Buf {
        /// Bytes reserved after the length.
        size: u32,
    },
    /// Values one after the other, printed `(1, a)`.
    Tuple(Vec<Type>),
    /// Named values one after the other, printed `{ .a = 1, .b = x }`.
    Record(Vec<(String, Type)>),
    /// Elements of one type.
    Array {
        /// What each element is.
        element: Box<Type>,
        /// How many.
        count: u32,
    },
    /// A kernel stack: the `u64` key of a map with [`MapRole::Stacks`](crate::MapRole::Stacks).
    KernelStack {
        /// Index of that map.
        map: u32,
        /// How it is printed.
        mode: StackMode,
    },
    /// A user stack: the `u64` key of a map with `MapRole::Stacks`, then the `u32` process id and 4 bytes of zero.
    UserStack {
        /// Index of that map.
        map: u32,
        /// How it is printed.
        mode: StackMode,
    },
    /// A kernel address, 8 bytes, printed as a symbol.
    KernelSymbol,
    /// A user address, 8 bytes, then the `u32` process id it belongs to and 4 bytes of zero; printed as a symbol.
    UserSymbol,
    /// Nanoseconds of CLOCK_BOOTTIME, 8 bytes, printed as wall-clock time by a `strftime` format.
    Time {
        /// The format.
        format: String,
    },
    /// A `u32` index into [`Object::probes`](crate::Object::probes), printed as that name: of `probe` or `func`.
    Probe,
    /// A `u32` user id, printed as the user's name.
    Username,
}

/// How a stack is printed: the first argument of `ustack()` and `kstack()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StackMode {
    /// Function and offset.
    #[default]
    Bpftrace,
    /// Address, function and offset, and the object in parentheses, as `perf script` does.
    Perf,
    /// Addresses only.
    Raw,
}

/// What a map of the script holds per key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// A plain value, one for all CPUs.
    Plain(Type),
    /// An aggregation, kept per CPU and merged by the reader.
    Aggregate(Aggregate),
}

/// The aggregations, and the layout that each keeps per CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// `u64` number of events.
    Count,
    /// `u64`/`i64` wrapping sum.
    Sum {
        /// Whether the sum is printed as signed.
        signed: bool,
    },
    /// `u64`/`i64` total, `u64` count; printed as total ÷ count.
    Avg {
        /// Whether the total is signed.
        signed: bool,
    },
    /// `u64` extreme, `u64` 1 once there is one.
    ///
    /// The extreme is kept as [`Aggregate::rank`] of the value, so that zeroed memory is the neutral element and
    /// a compare-and-exchange of these 8 bytes alone keeps it exact; [`Aggregate::value_of_rank`] takes it back.
    Min {
        /// Whether values compare as signed.
        signed: bool,
    },
    /// As [`Aggregate::Min`].
    Max {
        /// Whether values compare as signed.
        signed: bool,
    },
    /// As [`Aggregate::Avg`]; printed with count, average and total.
    Stats {
        /// Whether the total is signed.
        signed: bool,
    },
    /// [`Aggregate::hist_buckets`] counters of 8 bytes: powers of two, each cut into 2^`bits` parts.
    ///
    /// Bucket 0 counts negative values; the rest as [`Aggregate::hist_bucket`] says.
    Hist {
        /// 0 to 5.
        bits: u8,
    },
    /// (`max` − `min`) ÷ `step` + 2 counters of 8 bytes: below `min`, each step, `max` and above.
    Lhist {
        /// Lower bound of the first step.
        min: i64,
        /// Upper bound, not included, of the last step.
        max: i64,
        /// Width of a step.
        step: i64,
    },
}

impl Type {
    /// Bytes that a value takes.
    pub fn size(&self) -> u32 {
        match self {
            Type::Int { size, .. } => u32::from(*size),
            Type::Bool => 1,
            Type::Pointer | Type::KernelStack { .. } | Type::KernelSymbol | Type::Time { .. } => 8,
            Type::UserStack { .. } | Type::UserSymbol => 16,
            Type::Probe | Type::Username => 4,
            Type::Str { size } => *size,
            Type::Buf { size } => (4 + size).next_multiple_of(4),
            Type::Array { element, count } => element.size() * count,
            Type::Tuple(fields) => Self::layout(fields.iter()).1,
            Type::Record(fields) => Self::layout(fields.iter().map(|(_, t)| t)).1,
        }
    }

    /// The alignment of a value in bytes.
    pub fn align(&self) -> u32 {
        match self {
            Type::Int { size, .. } => u32::from(*size),
            Type::Bool | Type::Str { .. } => 1,
            Type::Buf { .. } | Type::Probe | Type::Username => 4,
            Type::Array { element, .. } => element.align(),
            Type::Tuple(fields) => fields.iter().map(Type::align).max().unwrap_or(1),
            Type::Record(fields) => fields.iter().map(|(_, t)| t.align()).max().unwrap_or(1),
            _ => 8,
        }
    }

    /// The offset of each field laid out in order as C does, and the size of the whole, padded to its alignment.
    pub fn layout<'a>(fields: impl Iterator<Item = &'a Type>) -> (Vec<u32>, u32) {
        let (mut offsets, mut end, mut align) = (Vec::new(), 0u32, 1);
        for field in fields {
            align = align.max(field.align());
            end = end.next_multiple_of(field.align());
            offsets.push(end);
            end += field.size();
        }
        (offsets, end.next_multiple_of(align))
    }
}

impl Value {
    /// Bytes per key (and per CPU, for an aggregation).
    pub fn size(&self) -> u32 {
        match self {
            Value::Plain(t) => t.size(),
            Value::Aggregate(a) => a.size(),
        }
    }
}

impl Aggregate {
    /// Bytes per CPU.
    pub fn size(self) -> u32 {
        match self {
            Aggregate::Count | Aggregate::Sum { .. } => 8,
            Aggregate::Avg { .. }
            | Aggregate::Min { .. }
            | Aggregate::Max { .. }
            | Aggregate::Stats { .. } => 16,
            Aggregate::Hist { bits } => 8 * Self::hist_buckets(bits),
            Aggregate::Lhist { min, max, step } => {
                let steps = max.saturating_sub(min).checked_div(step).unwrap_or(0);
                8 * (u32::try_from(steps).unwrap_or(u32::MAX / 16).saturating_add(2))
            }
        }
    }

    /// How near `value` is to the extreme that `min` or `max` looks for: the greatest rank wins, 0 is the least.
    /// For all other aggregations it is the value itself.
    pub fn rank(self, value: u64) -> u64 {
        const SIGN: u64 = 1 << 63;
        match self {
            Aggregate::Max { signed: true } => value ^ SIGN,
            Aggregate::Min { signed: false } => !value,
            Aggregate::Min { signed: true } => !(value ^ SIGN),
            _ => value,
        }
    }

    /// The value whose [`Aggregate::rank`] is `rank`: the mapping is its own inverse.
    pub fn value_of_rank(self, rank: u64) -> u64 {
        self.rank(rank)
    }

    /// Number of buckets of a `hist` with 2^`bits` parts per power of two.
    ///
    /// One for negatives, 2^(bits+1) for the values below 2^(bits+1) one by one,
    /// and 2^bits for each greater power of two below 2^63.
    pub fn hist_buckets(bits: u8) -> u32 {
        1 + ((64 - u32::from(bits)) << bits)
    }

    /// The bucket that `value` falls into; the emitted code must agree.
    ///
    /// With `bits` = 0: negatives 0, then 0 → 1, 1 → 2, [2, 4) → 3, [4, 8) → 4, …
    pub fn hist_bucket(value: i64, bits: u8) -> u32 {
        if value < 0 {
            return 0;
        }
        let value = value as u64;
        if value < 2 << bits {
            return 1 + value as u32;
        }
        let log = 63 - value.leading_zeros();
        let part = (value >> (log - u32::from(bits))) as u32 & ((1 << bits) - 1);
        1 + ((log - u32::from(bits) + 1) << bits) + part
    }
}
