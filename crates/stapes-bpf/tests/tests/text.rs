//! Objects through print and parse, and texts that are no objects.

use stapes_bpf::insn::{Alu, Size};
use stapes_bpf::{
    Aggregate, Attachment, Event, EventKind, Image, Insn, LossCause, Map, MapKind, MapRole, Object, Point,
    Program, ProgramKind, StackMode, Type, Value,
};

use super::random::Random;

const SAMPLE: &str = r#"map 0 "@": percpu_array key 4 value 8 entries 1 script () count
map 1 "events": ringbuf key 0 value 0 entries 4194304 events
loss 0: ring_full
event 0: printf "%d\n" (i64)
image 0 "ls": "/usr/bin/ls" pids 7
attachment 0: program 0 uprobe image 0 offset 0x1186 semaphore 0x0 cookie 0x0
program 0 "usdt_0": uprobe
       ; source 22
    0: r1 = *(u64 *)(r1 + 112)
    1: r0 = 0
    2: exit
"#;

#[test]
fn the_sample_prints_as_it_was_written() {
    let object: Object = SAMPLE.parse().unwrap();
    assert_eq!(object.to_string(), SAMPLE);
    assert_eq!(object.programs[0].insns[0], Insn::load(Size::B8, 1, 1, 112));
    assert_eq!(object.programs[0].lines, [(0, 22)]);
    assert_eq!(object.images[0].pids, [7]);
}

fn text(random: &mut Random) -> String {
    let pieces =
        ["", "a", "@x", "é", "\"", "\\", "\n", "\0", "%d ", "\u{7f}", "'", "🦀", " ", ")", "\u{301}"];
    (0..random.below(5)).map(|_| pieces[random.below(pieces.len() as u64) as usize]).collect()
}

fn value_type(random: &mut Random, depth: u32) -> Type {
    let size = random.below(2000) as u32;
    match random.below(if depth > 3 { 12 } else { 15 }) {
        0 => Type::Int { size: 1 << random.below(4), signed: random.below(2) == 0 },
        1 => Type::Bool,
        2 => Type::Pointer,
        3 => Type::Str { size },
        4 => Type::Buf { size },
        5 => Type::KernelStack { map: size, mode: StackMode::Raw },
        6 => Type::UserStack { map: size, mode: StackMode::Perf },
        7 => Type::KernelSymbol,
        8 => Type::UserSymbol,
        9 => Type::Time { format: text(random) },
        10 => Type::Probe,
        11 => Type::Username,
        12 => Type::Tuple(types(random, depth + 1)),
        13 => Type::Record(
            (0..random.below(3)).map(|_| (text(random), value_type(random, depth + 1))).collect(),
        ),
        _ => Type::Array { element: Box::new(value_type(random, depth + 1)), count: size },
    }
}

fn types(random: &mut Random, depth: u32) -> Vec<Type> {
    (0..random.below(4)).map(|_| value_type(random, depth)).collect()
}

fn aggregate(random: &mut Random) -> Aggregate {
    let signed = random.below(2) == 0;
    match random.below(8) {
        0 => Aggregate::Count,
        1 => Aggregate::Sum { signed },
        2 => Aggregate::Avg { signed },
        3 => Aggregate::Min { signed },
        4 => Aggregate::Max { signed },
        5 => Aggregate::Stats { signed },
        6 => Aggregate::Hist { bits: random.below(6) as u8 },
        _ => Aggregate::Lhist { min: random.next() as i64, max: i64::MAX, step: i64::MIN },
    }
}

fn object(random: &mut Random) -> Object {
    let number = |random: &mut Random| random.next() as u32;
    let kinds = [
        MapKind::Array,
        MapKind::PerCpuArray,
        MapKind::Hash,
        MapKind::PerCpuHash,
        MapKind::LruHash,
        MapKind::LruPerCpuHash,
        MapKind::RingBuf,
    ];
    let mut object = Object::default();
    for _ in 0..random.below(6) {
        let role = match random.below(8) {
            7 => MapRole::Private,
            0 => MapRole::Events,
            1 => MapRole::Lost,
            2 => MapRole::Stacks { kernel: random.below(2) == 0, frames: number(random) },
            3 => MapRole::Scratch,
            4 => MapRole::Constants { data: (0..random.below(9)).map(|_| random.next() as u8).collect() },
            5 => MapRole::Script { key: types(random, 0), value: Value::Plain(value_type(random, 0)) },
            _ => MapRole::Script { key: types(random, 0), value: Value::Aggregate(aggregate(random)) },
        };
        object.maps.push(Map {
            name: text(random),
            kind: kinds[random.below(7) as usize],
            key_size: number(random),
            value_size: number(random),
            max_entries: number(random),
            role,
        });
    }
    for _ in 0..random.below(6) {
        let kind = match random.below(10) {
            0 => EventKind::Printf { format: text(random) },
            1 => EventKind::PrintValue,
            2 => EventKind::PrintMap { map: number(random), top: number(random), divisor: number(random) },
            3 => EventKind::Clear { map: number(random) },
            4 => EventKind::Zero { map: number(random) },
            5 => EventKind::Time { format: text(random) },
            6 => EventKind::Exit,
            7 => EventKind::Join { separator: text(random) },
            8 => EventKind::Cat { format: text(random) },
            _ => EventKind::System { format: text(random) },
        };
        object.events.push(Event { kind, fields: types(random, 0) });
    }
    for _ in 0..random.below(5) {
        object.losses.push(match random.below(5) {
            4 => LossCause::Contended { map: number(random) },
            0 => LossCause::RingFull,
            1 => LossCause::MapFull { map: number(random) },
            2 => LossCause::StacksFull { map: number(random) },
            _ => LossCause::ScratchBusy,
        });
        object.kfuncs.push(text(random));
        object.probes.push(text(random));
        let pids = (0..random.below(3)).map(|_| number(random)).collect();
        object.images.push(Image { name: text(random), path: text(random), pids });
        let point = match random.below(4) {
            0 => Point::Begin,
            1 => Point::End,
            2 => Point::Interval { nanoseconds: random.next() },
            _ => Point::Uprobe {
                image: number(random),
                offset: random.next(),
                semaphore: random.next(),
                cookie: random.next(),
                ret: random.below(2) == 0,
            },
        };
        object.attachments.push(Attachment { program: number(random), point });
    }
    for _ in 0..random.below(3) {
        let mut insns = vec![Insn::alu64_imm(Alu::Mov, 0, 0)];
        insns.extend((0..random.below(9)).map(|_| Insn::decode(random.next().to_ne_bytes())));
        insns.extend(Insn::load_imm64(3, random.next()));
        insns.extend(Insn::map(3, 4));
        insns.extend(Insn::map_value(3, 4, 8));
        // Source places stand at starts of instructions.
        let lines = vec![(0, number(random)), (0, 7), (insns.len() as u32 - 2, number(random))];
        object.programs.push(Program {
            name: text(random),
            kind: if random.below(2) == 0 { ProgramKind::Uprobe } else { ProgramKind::Run },
            sleepable: random.below(2) == 0,
            insns,
            lines,
        });
    }
    object
}

#[test]
fn random_objects_survive_print_and_parse() {
    for seed in 0..400 {
        let object = object(&mut Random(seed));
        let text = object.to_string();
        assert_eq!(text.parse::<Object>().as_ref(), Ok(&object), "seed {seed}:\n{text}");
    }
}

#[test]
fn damaged_texts_give_errors_or_other_objects_but_no_panic() {
    let mut random = Random(9);
    for seed in 0..300 {
        let mut bytes = object(&mut Random(seed % 40)).to_string().into_bytes();
        if bytes.is_empty() {
            continue;
        }
        for _ in 0..3 {
            let at = random.below(bytes.len() as u64) as usize;
            match random.below(3) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, b"\"(){}[]:;,-\\\n"[random.below(13) as usize]),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(object) = text.parse::<Object>() {
            assert_eq!(object.to_string().parse::<Object>().as_ref(), Ok(&object));
        }
    }
}

#[test]
fn errors_name_the_line() {
    let error = |text: &str| text.parse::<Object>().unwrap_err().to_string();
    assert_eq!(error("# a comment\n\nmaps 0: x"), "line 3: `maps` is no part of an object");
    assert_eq!(error("loss 1: ring_full"), "line 1: loss 1 where 0 is due");
    assert_eq!(error("loss 0: ring_full 3"), "line 1: `3` at the end of the line");
    assert_eq!(error("0: exit"), "line 1: code before any program");
    assert_eq!(error("program 0 \"p\": run\n 0: exit\n 2: exit"), "line 3: instruction 2 where 1 is due");
    assert_eq!(error("program 0 \"p\": run\n 0: halt"), "line 2: unknown instruction `halt`");
    assert_eq!(error("probe 0: \"a"), "line 1: a string without its closing quote");
    let deep = format!("event 0: print {}", "(".repeat(100_000));
    assert_eq!(error(&deep), "line 1: types nested deeper than 64");
}
