//! The structural check of an [`Object`]: what every engine may rely on.
//!
//! An object that passes has
//! 1. indices (of maps, programs, images, events, kernel functions, probes) that are in range;
//! 2. programs whose instructions are all in the table, with both slots of each 64-bit load, registers up to R10,
//!    R10 never written, jumps that land on instructions of the same program, and no way past the end;
//! 3. maps with sizes that fit their kind and role;
//! 4. names that the kernel takes.
//!
//! It does not follow values: that a pointer is valid where it is used, only the kernel's verifier
//! (or an engine's own guards) can say.

use std::fmt;

use crate::table::{Effect, lookup};
use crate::{Event, EventKind, Insn, LossCause, Map, MapKind, MapRole, Object, Point, Program, Type, Value};

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CheckError {
    /// The part of the object: "map 3", "program 0 at 17".
    pub place: String,
    /// What is wrong there.
    pub reason: String,
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

impl std::error::Error for CheckError {}

/// Checks the whole object.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(object: &Object) -> Result<(), CheckError> {
    for (index, map) in object.maps.iter().enumerate() {
        check_map(object, map).map_err(at(|| format!("map {index}")))?;
    }
    for (index, event) in object.events.iter().enumerate() {
        check_event(object, event).map_err(at(|| format!("event {index}")))?;
    }
    for (index, cause) in object.losses.iter().enumerate() {
        let map = match cause {
            LossCause::MapFull { map } | LossCause::StacksFull { map } | LossCause::Contended { map } => *map,
            LossCause::RingFull | LossCause::ScratchBusy => continue,
        };
        in_range("map", map, object.maps.len()).map_err(at(|| format!("loss {index}")))?;
    }
    for (index, attachment) in object.attachments.iter().enumerate() {
        in_range("program", attachment.program, object.programs.len())
            .and_then(|()| match attachment.point {
                Point::Uprobe { image, .. } => in_range("image", image, object.images.len()),
                Point::Interval { nanoseconds: 0 } => Err("a period of 0".to_owned()),
                Point::Start | Point::Begin | Point::End | Point::Interval { .. } => Ok(()),
            })
            .map_err(at(|| format!("attachment {index}")))?;
    }
    for (index, program) in object.programs.iter().enumerate() {
        check_program(object, program).map_err(|(slot, reason)| CheckError {
            place: slot.map_or(format!("program {index}"), |slot| format!("program {index} at {slot}")),
            reason,
        })?;
    }
    Ok(())
}

fn at(place: impl FnOnce() -> String) -> impl FnOnce(String) -> CheckError {
    move |reason| CheckError { place: place(), reason }
}

fn in_range(what: &str, index: u32, count: usize) -> Result<(), String> {
    if (index as usize) < count {
        Ok(())
    } else {
        Err(format!("{what} {index} does not exist, there are {count}"))
    }
}

fn check_map(object: &Object, map: &Map) -> Result<(), String> {
    let array = matches!(map.kind, MapKind::Array | MapKind::PerCpuArray);
    let per_cpu = matches!(map.kind, MapKind::PerCpuArray | MapKind::PerCpuHash | MapKind::LruPerCpuHash);
    if map.kind == MapKind::RingBuf {
        ensure(map.key_size == 0 && map.value_size == 0, || "a ring buffer has no keys or values".into())?;
        ensure(map.max_entries.is_power_of_two(), || "the size is not a power of two".into())?;
    } else {
        ensure(map.key_size > 0 && map.value_size > 0, || "a key or value of 0 bytes".into())?;
        ensure(map.max_entries > 0, || "room for no key".into())?;
        ensure(!array || map.key_size == 4, || "the key of an array has 4 bytes".into())?;
    }
    ensure((map.role == MapRole::Events) == (map.kind == MapKind::RingBuf), || {
        "a ring buffer is for events, and they need one".into()
    })?;
    match &map.role {
        MapRole::Events | MapRole::Private => Ok(()),
        MapRole::Script { key, value } => {
            key.iter().try_for_each(|t| check_type(object, t))?;
            if let Value::Plain(t) = value {
                check_type(object, t)?;
            }
            let key_size = if array { 4 } else { Type::layout(key.iter()).1 };
            ensure(map.key_size == key_size, || format!("keys of {} bytes, not {key_size}", map.key_size))?;
            // A plain value in an array has its flag behind it.
            let size = map.set_flag().map_or(value.size(), |flag| flag + 8);
            ensure(map.value_size == size, || format!("values of {} bytes, not {size}", map.value_size))?;
            ensure(map.role.aggregate().is_some() == per_cpu, || {
                "aggregations, and only they, are kept per CPU".into()
            })
        }
        MapRole::Lost => {
            let causes = object.losses.len();
            ensure(
                map.kind == MapKind::PerCpuArray && map.value_size == 8 && map.max_entries as usize >= causes,
                || format!("not a per-CPU array of {causes} counters"),
            )
        }
        MapRole::Stacks { frames, .. } => ensure(
            !array && map.key_size == 8 && u64::from(map.value_size) == 8 * (u64::from(*frames) + 1),
            || format!("not a hash from 8 bytes to a count and {frames} frames"),
        ),
        MapRole::Scratch => ensure(map.kind == MapKind::PerCpuArray && map.value_size >= 8, || {
            "not a per-CPU array with room for a flag".into()
        }),
        MapRole::Constants { data } => ensure(
            map.kind == MapKind::Array && map.max_entries == 1 && map.value_size as usize == data.len(),
            || "not an array with the data as its only value".into(),
        ),
    }
}

fn check_event(object: &Object, event: &Event) -> Result<(), String> {
    event.fields.iter().try_for_each(|t| check_type(object, t))?;
    let map = match event.kind {
        EventKind::PrintMap { map, divisor, .. } => {
            ensure(divisor > 0, || "a divisor of 0".into())?;
            map
        }
        EventKind::Clear { map } | EventKind::Zero { map } => map,
        EventKind::PrintValue | EventKind::Join { .. } => {
            return ensure(event.fields.len() == 1, || "not exactly one field".into());
        }
        _ => return Ok(()),
    };
    in_range("map", map, object.maps.len())
}

fn check_type(object: &Object, t: &Type) -> Result<(), String> {
    match t {
        Type::Int { size, .. } => {
            ensure(matches!(size, 1 | 2 | 4 | 8), || format!("an integer of {size} bytes"))
        }
        Type::KernelStack { map, .. } | Type::UserStack { map, .. } => {
            let stacks = object.maps.get(*map as usize).map(|m| &m.role);
            ensure(matches!(stacks, Some(MapRole::Stacks { .. })), || format!("map {map} holds no stacks"))
        }
        Type::Array { element, .. } => check_type(object, element),
        Type::Tuple(fields) => fields.iter().try_for_each(|t| check_type(object, t)),
        Type::Record(fields) => fields.iter().try_for_each(|(_, t)| check_type(object, t)),
        _ => Ok(()),
    }
}

/// A complaint about a program: the slot, if it is about one, and the reason.
type ProgramError = (Option<usize>, String);

fn check_program(object: &Object, program: &Program) -> Result<(), ProgramError> {
    let name = program.name.as_bytes();
    let named =
        !name.is_empty() && name.len() <= 15 && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    ensure(named, || format!("the kernel does not take the name {:?}", program.name))
        .map_err(|r| (None, r))?;
    ensure(!program.insns.is_empty(), || "no instructions".into()).map_err(|r| (None, r))?;
    let sorted = program.lines.is_sorted_by_key(|(index, _)| *index)
        && program.lines.last().is_none_or(|(index, _)| (*index as usize) < program.insns.len());
    ensure(sorted, || "the list of source places is not in order".into()).map_err(|r| (None, r))?;

    let mut second = vec![false; program.insns.len()];
    for index in 0..program.insns.len() {
        if !second[index] && program.insns[index].is_wide() {
            match second.get_mut(index + 1) {
                Some(slot) => *slot = true,
                None => return Err((Some(index), "half of a 64-bit load".into())),
            }
        }
    }
    for (index, insn) in program.insns.iter().enumerate() {
        if second[index] {
            let plain = *insn == Insn { imm: insn.imm, ..Insn::default() };
            ensure(plain, || "not the second half of a 64-bit load".into()).map_err(|r| (Some(index), r))?;
        } else {
            check_insn(object, insn, index, &second).map_err(|r| (Some(index), r))?;
        }
    }
    Ok(())
}

fn check_insn(object: &Object, insn: &Insn, index: usize, second: &[bool]) -> Result<(), String> {
    let row = lookup(insn).ok_or_else(|| format!("unknown operation {:#04x}", insn.code))?;
    let registers = (!row.reads_dst() && !row.writes_dst() || insn.dst <= 10)
        && (!row.reads_src() || insn.src <= 10)
        && (!row.writes_dst() || insn.dst < 10)
        && (!row.writes_src() || insn.src < 10);
    ensure(registers, || format!("registers {} and {} in `{}`", insn.dst, insn.src, row.text))?;
    let lands = |offset: i64| {
        let target = index as i64 + 1 + offset;
        let known = usize::try_from(target).ok().and_then(|t| second.get(t)).is_some_and(|second| !second);
        ensure(known, || format!("jump to {target}, where no instruction starts"))
    };
    match row.effect {
        Effect::Goto if insn.code == Insn::GOTO_LONG => lands(i64::from(insn.imm)),
        Effect::Goto => lands(i64::from(insn.off)),
        Effect::Branch => lands(i64::from(insn.off)).and_then(|()| lands(0)),
        Effect::Exit => Ok(()),
        Effect::Call => {
            match insn.src {
                Insn::KFUNC => in_range("kernel function", insn.imm as u32, object.kfuncs.len())?,
                0 => {}
                _ => return Err("a call within the program".into()),
            }
            lands(0)
        }
        Effect::Set if insn.is_wide() => {
            match insn.src {
                Insn::MAP_INDEX => in_range("map", insn.imm as u32, object.maps.len())?,
                Insn::MAP_VALUE_INDEX => check_map_value(object, insn.imm as u32)?,
                0 => {}
                _ => return Err("a file descriptor".into()),
            }
            lands(1)
        }
        Effect::Set | Effect::Update | Effect::Read | Effect::Fetch | Effect::CompareExchange => lands(0),
    }
}

/// The kernel gives the address of a value only of an array with one.
fn check_map_value(object: &Object, index: u32) -> Result<(), String> {
    in_range("map", index, object.maps.len())?;
    let single =
        object.maps.get(index as usize).is_some_and(|m| m.kind == MapKind::Array && m.max_entries == 1);
    ensure(single, || format!("the address of a value of map {index}, which is no array of one"))
}

fn ensure(holds: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(reason()) }
}
