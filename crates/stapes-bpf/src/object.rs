//! The narrow waist: everything an engine needs to run a compiled script, and nothing of its source.
//!
//! The compiler makes an [`Object`], an engine runs it, and whoever prints reads the events and maps with its help.
//! An object holds no file descriptor, no pointer and no process: it can be printed, parsed back and compared.

use crate::{Aggregate, Insn, Type, Value};

/// A compiled script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// Maps; instructions and roles refer to them by index.
    pub maps: Vec<Map>,
    /// Programs; attachments refer to them by index.
    pub programs: Vec<Program>,
    /// Files to attach to; attachments refer to them by index.
    pub images: Vec<Image>,
    /// Where the programs attach.
    pub attachments: Vec<Attachment>,
    /// What the records in the ring buffer mean; a record starts with the `u32` index of its event.
    pub events: Vec<Event>,
    /// What each counter of the [`MapRole::Lost`] map counts, by index.
    pub losses: Vec<LossCause>,
    /// Kernel functions that the programs call, by name; instructions refer to them by index.
    pub kfuncs: Vec<String>,
    /// Names for [`Type::Probe`]: first the full names of probes, by the upper half of the cookies;
    /// behind them the names of functions, where the script uses `func`.
    pub probes: Vec<String>,
}

/// A file whose code is probed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Image {
    /// The name that the user knows, for messages.
    pub name: String,
    /// The path to open: the same, or `/proc/PID/exe`, `/proc/PID/map_files/…`.
    pub path: String,
    /// The processes to which its probes are limited; empty: every process.
    pub pids: Vec<u32>,
}

/// A map.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Map {
    /// The script's name for it with `@`, or a name without `@` for one of our own.
    pub name: String,
    /// What kind of kernel map it is.
    pub kind: MapKind,
    /// Bytes per key; 0 for a ring buffer.
    pub key_size: u32,
    /// Bytes per value (per CPU, where the kind says so); 0 for a ring buffer.
    pub value_size: u32,
    /// Number of keys; for a ring buffer its bytes, a power of two and a multiple of the page size.
    pub max_entries: u32,
    /// What it is for.
    pub role: MapRole,
}

/// The kinds of maps (`enum bpf_map_type`) that the compiler uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MapKind {
    /// `BPF_MAP_TYPE_ARRAY`.
    Array,
    /// `BPF_MAP_TYPE_PERCPU_ARRAY`.
    PerCpuArray,
    /// `BPF_MAP_TYPE_HASH`.
    Hash,
    /// `BPF_MAP_TYPE_PERCPU_HASH`.
    PerCpuHash,
    /// `BPF_MAP_TYPE_LRU_HASH`.
    LruHash,
    /// `BPF_MAP_TYPE_LRU_PERCPU_HASH`.
    LruPerCpuHash,
    /// `BPF_MAP_TYPE_RINGBUF`.
    RingBuf,
}

/// What a map is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MapRole {
    /// A map of the script. An array map stands for one without keys (or with a small dense one): its key is a `u32`.
    ///
    /// A plain value in an array is followed by a `u64` that the program sets to 1 with the value
    /// ([`Map::set_flag`]), because `@x = 0` is printed at the end and an `@x` that was never assigned is not.
    Script {
        /// The parts of the key; empty for a map without keys, which has the single index 0.
        key: Vec<Type>,
        /// What is stored.
        value: Value,
    },
    /// The ring buffer of events.
    Events,
    /// Per-CPU array of `u64` counters, one for each of [`Object::losses`].
    Lost,
    /// Stacks by the `u64` hash of their frames: `u64` number of frames, then that many `u64` addresses.
    Stacks {
        /// Whether the addresses are the kernel's.
        kernel: bool,
        /// The most frames that are kept.
        frames: u32,
    },
    /// Room for values that do not fit the 512-byte stack: a per-CPU array of pieces.
    /// A program can be preempted or sleep while it uses one, so the first 8 bytes of each are its "in use" flag,
    /// taken by compare-and-exchange.
    Scratch,
    /// State that the programs keep for themselves, such as the time of the start. Zero at first; nobody prints it.
    Private,
    /// Values that the programs read and never write; the engine fills them in before anything runs.
    Constants {
        /// The bytes of the one value.
        data: Vec<u8>,
    },
}

/// One program.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// A short name that says what it is for, at most 15 bytes of `[A-Za-z0-9_]`.
    pub name: String,
    /// How it is called.
    pub kind: ProgramKind,
    /// Whether it may fault in user memory.
    pub sleepable: bool,
    /// The code.
    pub insns: Vec<Insn>,
    /// Byte offsets in the source from which code comes: (index of the first instruction, offset), by index.
    pub lines: Vec<(u32, u32)>,
}

/// How a program is called, and so what its context (R1) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProgramKind {
    /// At a user-space probe; the context is the architecture's `struct pt_regs`.
    Uprobe,
    /// By the engine itself, once or at times; the context must not be read.
    Run,
}

/// One program at one place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attachment {
    /// Index of the program.
    pub program: u32,
    /// The place.
    pub point: Point,
}

/// Where a program attaches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// Before everything, BEGIN too: a program of the compiler's own, not a probe of the script.
    Start,
    /// Before anything else attaches.
    Begin,
    /// After everything else is detached.
    End,
    /// Every so many nanoseconds.
    Interval {
        /// The period.
        nanoseconds: u64,
    },
    /// At an instruction of a file, or at the return of the function that starts there.
    Uprobe {
        /// Index of the image.
        image: u32,
        /// Offset in the file.
        offset: u64,
        /// Offset in the file of a USDT semaphore, or 0.
        semaphore: u64,
        /// What `bpf_get_attach_cookie` gives.
        cookie: u64,
        /// Whether it is the return that is probed.
        ret: bool,
    },
}

/// What one kind of record in the ring buffer means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// What to do with it.
    pub kind: EventKind,
    /// The values it carries.
    ///
    /// The record is the `u32` index of the event, 4 bytes of zero, and from offset 8 the fields as
    /// [`Type::layout`] places them, but for one thing: a field that is itself a [`Type::Str`] or [`Type::Buf`]
    /// stands there as a `u32` length in bytes, and its bytes follow the fixed part, in the order of the fields
    /// and without padding. So a short string takes few bytes of the ring.
    /// (Strings inside tuples and arrays keep their full size.)
    pub fields: Vec<Type>,
}

/// What to do when a record arrives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// `printf`: the fields, formatted.
    Printf {
        /// The format as the script has it, escapes resolved.
        format: String,
    },
    /// `print(VALUE)`: the only field.
    PrintValue,
    /// `print(@map)` with the top entries and the divisor, 0 for all and 1.
    PrintMap {
        /// Index of the map.
        map: u32,
        /// How many of the greatest values, 0 for all.
        top: u32,
        /// What to divide values by, at least 1.
        divisor: u32,
    },
    /// `clear(@map)`.
    Clear {
        /// Index of the map.
        map: u32,
    },
    /// `zero(@map)`.
    Zero {
        /// Index of the map.
        map: u32,
    },
    /// `time(FORMAT)`.
    Time {
        /// A `strftime` format.
        format: String,
    },
    /// `exit()`; with one integer field: the exit code.
    Exit,
    /// `join(…)`: the only field is an array of strings; empty ones end it.
    Join {
        /// What to put between them.
        separator: String,
    },
    /// `cat(FORMAT, …)`: the file's content.
    Cat {
        /// The format of the path.
        format: String,
    },
    /// `system(FORMAT, …)`: the command's output.
    System {
        /// The format of the command.
        format: String,
    },
}

/// Why something was counted as lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LossCause {
    /// The ring buffer had no room for a record.
    RingFull,
    /// The map had no room for a further key.
    MapFull {
        /// Index of the map.
        map: u32,
    },
    /// A stack could not be kept because the map of stacks was full.
    StacksFull {
        /// Index of the map.
        map: u32,
    },
    /// Other programs on the same CPU changed the minimum or maximum faster than this one could.
    Contended {
        /// Index of the map.
        map: u32,
    },
    /// Every piece of scratch memory of the CPU was in use by other, sleeping programs.
    ScratchBusy,
}

impl Event {
    /// Offset of each field's fixed part from the start of the record, and the size of the whole fixed part.
    pub fn layout(&self) -> (Vec<u32>, u32) {
        let length = Type::Int { size: 4, signed: false };
        let header = Type::Int { size: 8, signed: false };
        let fixed = self.fields.iter().map(|t| match t {
            Type::Str { .. } | Type::Buf { .. } => &length,
            other => other,
        });
        let (mut offsets, size) = Type::layout(std::iter::once(&header).chain(fixed));
        offsets.remove(0);
        (offsets, size)
    }
}

impl Map {
    /// Offset of the flag behind the value that says that the value was assigned: for plain values in arrays.
    pub fn set_flag(&self) -> Option<u32> {
        match (&self.role, self.kind) {
            (MapRole::Script { value: Value::Plain(ty), .. }, MapKind::Array) => {
                let flag = ty.size().next_multiple_of(8);
                (self.value_size >= flag + 8).then_some(flag)
            }
            _ => None,
        }
    }
}

impl MapRole {
    /// Whether the map holds an aggregation, which is kept per CPU.
    pub fn aggregate(&self) -> Option<Aggregate> {
        match self {
            MapRole::Script { value: Value::Aggregate(a), .. } => Some(*a),
            _ => None,
        }
    }
}
