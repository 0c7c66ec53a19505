//! An [`Object`] as text, and back: `object.to_string()` and `text.parse::<Object>()`.
//!
//! One line per item, in the order of the object's tables, each with its index; then the programs with their
//! disassembly. What is printed parses back to an equal object.
//!
//! ```text
//! map 0 "@": percpu_array key 4 value 8 entries 1 script () count
//! map 1 "events": ringbuf key 0 value 0 entries 4194304 events
//! loss 0: ring_full
//! event 0: printf "%d\n" (i64)
//! image 0 "ls": "/usr/bin/ls" pids 7
//! attachment 0: program 0 uprobe image 0 offset 0x1186 semaphore 0x0 cookie 0x0
//! program 0 "usdt_0": uprobe
//!        ; source 22
//!     0: r1 = *(u64 *)(r1 + 112)
//!     1: r0 = 0
//!     2: exit
//! ```
//!
//! Strings have Rust's escapes; empty lines and lines that start with `#` are skipped.

mod parse;

use std::fmt::{self, Formatter};

use crate::{
    Aggregate, Attachment, Event, EventKind, Image, LossCause, Map, MapKind, MapRole, Object, Point, Program,
    ProgramKind, StackMode, Type, Value, insn_text,
};

pub use parse::ParseError;

/// Names in the text for the kinds of maps.
const MAP_KINDS: [(MapKind, &str); 7] = [
    (MapKind::Array, "array"),
    (MapKind::PerCpuArray, "percpu_array"),
    (MapKind::Hash, "hash"),
    (MapKind::PerCpuHash, "percpu_hash"),
    (MapKind::LruHash, "lru_hash"),
    (MapKind::LruPerCpuHash, "lru_percpu_hash"),
    (MapKind::RingBuf, "ringbuf"),
];

/// Names in the text for the ways to print stacks.
const STACK_MODES: [(StackMode, &str); 3] =
    [(StackMode::Bpftrace, "bpftrace"), (StackMode::Perf, "perf"), (StackMode::Raw, "raw")];

impl fmt::Display for Object {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, map) in self.maps.iter().enumerate() {
            writeln!(f, "map {index} {:?}: {map}", map.name)?;
        }
        for (index, name) in self.kfuncs.iter().enumerate() {
            writeln!(f, "kfunc {index}: {name:?}")?;
        }
        for (index, name) in self.probes.iter().enumerate() {
            writeln!(f, "probe {index}: {name:?}")?;
        }
        for (index, cause) in self.losses.iter().enumerate() {
            writeln!(f, "loss {index}: {cause}")?;
        }
        for (index, event) in self.events.iter().enumerate() {
            writeln!(f, "event {index}: {event}")?;
        }
        for (index, image) in self.images.iter().enumerate() {
            writeln!(f, "image {index} {:?}: {image}", image.name)?;
        }
        for (index, attachment) in self.attachments.iter().enumerate() {
            writeln!(f, "attachment {index}: {attachment}")?;
        }
        for (index, program) in self.programs.iter().enumerate() {
            write!(f, "program {index} {:?}: {program}", program.name)?;
        }
        Ok(())
    }
}

/// All but the name.
impl fmt::Display for Map {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Map { name: _, kind, key_size, value_size, max_entries, role } = self;
        let kind = MAP_KINDS.iter().find(|(k, _)| k == kind).map_or("", |(_, name)| name);
        write!(f, "{kind} key {key_size} value {value_size} entries {max_entries} ")?;
        match role {
            MapRole::Script { key, value } => {
                f.write_str("script ")?;
                types(f, key)?;
                match value {
                    Value::Plain(t) => write!(f, " plain {t}"),
                    Value::Aggregate(a) => write!(f, " {a}"),
                }
            }
            MapRole::Events => f.write_str("events"),
            MapRole::Lost => f.write_str("lost"),
            MapRole::Stacks { kernel, frames } => {
                write!(f, "stacks {} {frames}", if *kernel { "kernel" } else { "user" })
            }
            MapRole::Private => f.write_str("private"),
            MapRole::Scratch => f.write_str("scratch"),
            MapRole::Constants { data } => write!(f, "constants \"{}\"", data.escape_ascii()),
        }
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (name, signed) = match self {
            Aggregate::Count => return f.write_str("count"),
            Aggregate::Hist { bits } => return write!(f, "hist {bits}"),
            Aggregate::Lhist { min, max, step } => return write!(f, "lhist {min} {max} {step}"),
            Aggregate::Sum { signed } => ("sum", signed),
            Aggregate::Avg { signed } => ("avg", signed),
            Aggregate::Min { signed } => ("min", signed),
            Aggregate::Max { signed } => ("max", signed),
            Aggregate::Stats { signed } => ("stats", signed),
        };
        write!(f, "{name} {}", if *signed { "signed" } else { "unsigned" })
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Type::Int { size, signed } => {
                write!(f, "{}{}", if *signed { 'i' } else { 'u' }, u32::from(*size) * 8)
            }
            Type::Bool => f.write_str("bool"),
            Type::Pointer => f.write_str("pointer"),
            Type::Str { size } => write!(f, "str {size}"),
            Type::Buf { size } => write!(f, "buf {size}"),
            Type::Tuple(fields) => types(f, fields),
            Type::Record(fields) => {
                f.write_str("{")?;
                for (index, (name, t)) in fields.iter().enumerate() {
                    write!(f, "{}{name:?}: {t}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
            Type::Array { element, count } => write!(f, "[{element}; {count}]"),
            Type::KernelStack { map, mode } => write!(f, "kstack {map} {}", stack_mode(*mode)),
            Type::UserStack { map, mode } => write!(f, "ustack {map} {}", stack_mode(*mode)),
            Type::KernelSymbol => f.write_str("ksym"),
            Type::UserSymbol => f.write_str("usym"),
            Type::Time { format } => write!(f, "time {format:?}"),
            Type::Probe => f.write_str("probe"),
            Type::Username => f.write_str("username"),
        }
    }
}

fn stack_mode(mode: StackMode) -> &'static str {
    STACK_MODES.iter().find(|(m, _)| *m == mode).map_or("", |(_, name)| name)
}

fn types(f: &mut Formatter<'_>, types: &[Type]) -> fmt::Result {
    f.write_str("(")?;
    for (index, t) in types.iter().enumerate() {
        write!(f, "{}{t}", if index > 0 { ", " } else { "" })?;
    }
    f.write_str(")")
}

impl fmt::Display for LossCause {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            LossCause::RingFull => f.write_str("ring_full"),
            LossCause::MapFull { map } => write!(f, "map_full {map}"),
            LossCause::Contended { map } => write!(f, "contended {map}"),
            LossCause::StacksFull { map } => write!(f, "stacks_full {map}"),
            LossCause::ScratchBusy => f.write_str("scratch_busy"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            EventKind::Printf { format } => write!(f, "printf {format:?} ")?,
            EventKind::PrintValue => f.write_str("print ")?,
            EventKind::PrintMap { map, top, divisor } => {
                write!(f, "print_map {map} top {top} divisor {divisor} ")?;
            }
            EventKind::Clear { map } => write!(f, "clear {map} ")?,
            EventKind::Zero { map } => write!(f, "zero {map} ")?,
            EventKind::Time { format } => write!(f, "time {format:?} ")?,
            EventKind::Exit => f.write_str("exit ")?,
            EventKind::Join { separator } => write!(f, "join {separator:?} ")?,
            EventKind::Cat { format } => write!(f, "cat {format:?} ")?,
            EventKind::System { format } => write!(f, "system {format:?} ")?,
        }
        types(f, &self.fields)
    }
}

/// All but the name.
impl fmt::Display for Image {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.path)?;
        if !self.pids.is_empty() {
            f.write_str(" pids")?;
            self.pids.iter().try_for_each(|pid| write!(f, " {pid}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "program {} ", self.program)?;
        match self.point {
            Point::Start => f.write_str("start"),
            Point::Begin => f.write_str("begin"),
            Point::End => f.write_str("end"),
            Point::Interval { nanoseconds } => write!(f, "interval {nanoseconds}"),
            Point::Uprobe { image, offset, semaphore, cookie, ret } => write!(
                f,
                "{} image {image} offset {offset:#x} semaphore {semaphore:#x} cookie {cookie:#x}",
                if ret { "uretprobe" } else { "uprobe" }
            ),
        }
    }
}

/// All but the name: how it is called, and the code, one instruction per line.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ProgramKind::Uprobe => "uprobe",
            ProgramKind::Run => "run",
        };
        writeln!(f, "{kind}{}", if self.sleepable { " sleepable" } else { "" })?;
        let mut lines = self.lines.iter().peekable();
        let mut at = 0;
        while let Some(insn) = self.insns.get(at) {
            while let Some((_, place)) = lines.next_if(|(index, _)| *index as usize <= at) {
                writeln!(f, "       ; source {place}")?;
            }
            write!(f, "{at:5}: ")?;
            at += insn_text::print(f, insn, self.insns.get(at + 1))?;
            writeln!(f)?;
        }
        Ok(())
    }
}
