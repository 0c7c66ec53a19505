//! Loading and running programs.

use std::io::Write;
use std::time::{Duration, Instant};

use stapes_bpf::assembler::Assembler;
use stapes_bpf::insn::{Alu, Jump, Size};
use stapes_bpf::{Attachment, Insn, MapKind, MapRole, Object, Point, ProgramKind, Type, Value};
use stapes_kernel::{Features, LoadOptions, Loaded, Method};

use super::support::{
    add_one, attach, can_load, count_role, exit_code, finish, first_register, load, map, point, program,
    skip, sum, target,
};

fn run_program(name: &str, code: Assembler) -> stapes_bpf::Program {
    stapes_bpf::Program { kind: ProgramKind::Run, ..program(name, finish(code)) }
}

#[test]
fn begin_end_and_intervals_run() {
    let Some(_alone) = can_load("begin_end_and_intervals_run") else { return };
    let mut programs = Vec::new();
    for index in 0..3 {
        let mut code = Assembler::new();
        add_one(&mut code, 0, index);
        programs.push(run_program("run", code));
    }
    let period = Duration::from_millis(10);
    let points = [Point::Begin, Point::End, Point::Interval { nanoseconds: 10_000_000 }];
    let attachments =
        points.into_iter().zip(0..).map(|(point, program)| Attachment { program, point }).collect();
    let object = Object {
        maps: vec![map("@", MapKind::PerCpuArray, 4, 8, 3, count_role())],
        programs,
        attachments,
        ..Object::default()
    };
    let mut loaded = load(object, Method::Auto);
    let counts = |loaded: &Loaded| [0, 1, 2].map(|i| sum(loaded, 0, i));
    loaded.run_begin().unwrap();
    assert_eq!(counts(&loaded), [1, 0, 0]);
    let start = Instant::now();
    loaded.start_intervals(start);
    assert_eq!(loaded.next_deadline(), Some(start + period));
    loaded.run_intervals_due(start + period / 2).unwrap();
    assert_eq!(counts(&loaded), [1, 0, 0]);
    loaded.run_intervals_due(start + period).unwrap();
    assert_eq!(counts(&loaded), [1, 0, 1]);
    assert_eq!(loaded.next_deadline(), Some(start + 2 * period));
    // Slept through nine periods: once, and the next one a period later.
    loaded.run_intervals_due(start + 10 * period).unwrap();
    assert_eq!(counts(&loaded), [1, 0, 2]);
    assert_eq!(loaded.next_deadline(), Some(start + 11 * period));
    loaded.run_end().unwrap();
    assert_eq!(counts(&loaded), [1, 1, 2]);
}

/// A program that the engine runs may call what scripts need: time, task, user memory, ring; sleeping or not.
#[test]
fn run_programs_have_the_helpers() {
    let Some(_alone) = can_load("run_programs_have_the_helpers") else { return };
    static TEXT: &[u8; 8] = b"stapes!\0";
    for sleepable in [false, true] {
        let mut code = Assembler::new();
        let full = code.label();
        code.push_wide(Insn::map(1, 0));
        code.push(Insn::alu64_imm(Alu::Mov, 2, 48));
        code.push(Insn::alu64_imm(Alu::Mov, 3, 0));
        code.push(Insn::call(131)); // bpf_ringbuf_reserve
        code.jump(Insn::jump_imm(Jump::Eq, 0, 0, 0), full);
        code.push(Insn::alu64(Alu::Mov, 6, 0));
        code.push(Insn::call(125)); // bpf_ktime_get_boot_ns
        code.push(Insn::store(Size::B8, 6, 0, 0));
        code.push(Insn::call(14)); // bpf_get_current_pid_tgid
        code.push(Insn::store(Size::B8, 6, 8, 0));
        code.push(Insn::alu64(Alu::Mov, 1, 6));
        code.push(Insn::alu64_imm(Alu::Add, 1, 16));
        code.push(Insn::alu64_imm(Alu::Mov, 2, 16));
        code.push(Insn::call(16)); // bpf_get_current_comm
        code.push(Insn::alu64(Alu::Mov, 1, 6));
        code.push(Insn::alu64_imm(Alu::Add, 1, 32));
        code.push(Insn::alu64_imm(Alu::Mov, 2, 8));
        code.push_wide(Insn::load_imm64(3, TEXT.as_ptr() as u64));
        code.push(Insn::call(114)); // bpf_probe_read_user_str
        code.push(Insn::call(35)); // bpf_get_current_task
        code.push(Insn::store(Size::B8, 6, 40, 0));
        code.push(Insn::alu64(Alu::Mov, 1, 6));
        code.push(Insn::alu64_imm(Alu::Mov, 2, 0));
        code.push(Insn::call(132)); // bpf_ringbuf_submit
        code.bind(full);
        let object = Object {
            maps: vec![map("events", MapKind::RingBuf, 0, 0, 4096, MapRole::Events)],
            programs: vec![stapes_bpf::Program { sleepable, ..run_program("helpers", code) }],
            attachments: vec![Attachment { program: 0, point: Point::Begin }],
            ..Object::default()
        };
        let mut loaded = load(object, Method::Auto);
        loaded.run_begin().unwrap();
        let read = loaded.consume(&mut |record| {
            let word = |at: usize| u64::from_ne_bytes(record[at..at + 8].try_into().unwrap());
            assert!(word(0) > 0 && word(40) > 0);
            assert_eq!((word(8) >> 32) as u32, std::process::id());
            let comm = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
            assert!(record[16..32].starts_with(comm.trim_end().as_bytes()));
            assert_eq!(&record[32..40], TEXT, "sleepable: {sleepable}");
        });
        assert_eq!(read, 1);
    }
}

#[test]
fn sleepable_programs_read_pages_not_yet_there() {
    const TEST: &str = "sleepable_programs_read_pages_not_yet_there";
    let Some(binary) = target(TEST) else { return };
    if !Features::detect().copy_from_user_str() {
        return skip(TEST, "this kernel has no bpf_copy_from_user_str");
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"a string nobody has touched\0").unwrap();
    let site = binary.probe("text").remove(0);
    let mut code = Assembler::new();
    let full = code.label();
    code.push(Insn::load(Size::B8, 7, 1, first_register(&site)));
    code.push_wide(Insn::map(1, 0));
    code.push(Insn::alu64_imm(Alu::Mov, 2, 64));
    code.push(Insn::alu64_imm(Alu::Mov, 3, 0));
    code.push(Insn::call(131));
    code.jump(Insn::jump_imm(Jump::Eq, 0, 0, 0), full);
    code.push(Insn::alu64(Alu::Mov, 6, 0));
    code.push(Insn::alu64(Alu::Mov, 1, 6));
    code.push(Insn::alu64_imm(Alu::Mov, 2, 64));
    code.push(Insn::alu64(Alu::Mov, 3, 7));
    code.push(Insn::alu64_imm(Alu::Mov, 4, 1)); // BPF_F_PAD_ZEROS
    code.push(Insn::kfunc(0));
    code.push(Insn::alu64(Alu::Mov, 1, 6));
    code.push(Insn::alu64_imm(Alu::Mov, 2, 0));
    code.push(Insn::call(132));
    code.bind(full);
    for method in [Method::UprobeMulti, Method::PerfEvent] {
        let mut running = binary.spawn();
        let object = Object {
            maps: vec![map("events", MapKind::RingBuf, 0, 0, 4096, MapRole::Events)],
            programs: vec![stapes_bpf::Program { sleepable: true, ..program("text", finish(code.clone())) }],
            images: vec![binary.image()],
            attachments: vec![point(&site, 0)],
            kfuncs: vec!["bpf_copy_from_user_str".to_owned()],
            ..Object::default()
        };
        let mut loaded = attach(object, method);
        assert_eq!(running.tell(&format!("text {}", file.path().display())), "done");
        let mut texts = Vec::new();
        loaded.consume(&mut |record| texts.push(record.split(|b| *b == 0).next().unwrap().to_vec()));
        assert_eq!(texts, [b"a string nobody has touched"], "{method:?}");
    }
}

#[test]
fn constants_are_there_and_frozen() {
    let Some(_alone) = can_load("constants_are_there_and_frozen") else { return };
    let data = 0x1122_3344_5566_7788u64.to_ne_bytes().to_vec();
    let mut code = Assembler::new();
    code.push_wide(Insn::map_value(1, 0, 0));
    code.push(Insn::load(Size::B8, 2, 1, 0));
    code.push_wide(Insn::map_value(1, 1, 8));
    code.push(Insn::store(Size::B8, 1, 0, 2));
    let plain = Value::Plain(Type::Int { size: 8, signed: false });
    let object = Object {
        maps: vec![
            map("constants", MapKind::Array, 4, 8, 1, MapRole::Constants { data: data.clone() }),
            map("@x", MapKind::Array, 4, 16, 1, MapRole::Script { key: Vec::new(), value: plain }),
        ],
        programs: vec![run_program("copy", code)],
        attachments: vec![Attachment { program: 0, point: Point::Begin }],
        ..Object::default()
    };
    let mut loaded = load(object, Method::Auto);
    loaded.run_begin().unwrap();
    let value = loaded.map_named("@x").unwrap().get(&[0; 4]).unwrap().unwrap();
    assert_eq!(value[8..], data);
    let error = loaded.map(0).unwrap().update(&[0; 4], &[0; 8]).unwrap_err();
    assert_eq!(error.errno, 1, "EPERM: {error}");
}

#[test]
fn a_refused_program_has_the_verifiers_log() {
    let Some(_alone) = can_load("a_refused_program_has_the_verifiers_log") else { return };
    // R2 was never set.
    let insns = vec![Insn::alu64(Alu::Mov, 0, 2), Insn::exit()];
    let object = Object { programs: vec![program("broken", insns)], ..Object::default() };
    let error = Loaded::load(object, &LoadOptions::default()).unwrap_err();
    assert_eq!((error.call, error.object.as_str()), ("BPF_PROG_LOAD", "broken"));
    assert!(error.log.as_deref().unwrap().contains("R2 !read_ok"), "{error:?}");
}

#[test]
fn references_to_nothing_are_errors() {
    let broken = |insns: Vec<Insn>| Object { programs: vec![program("p", insns)], ..Object::default() };
    let mut code = Insn::map(1, 3).to_vec();
    code.extend(exit_code());
    let error = Loaded::load(broken(code), &LoadOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "load of `p`: instruction 0 refers to a map that is not there");
    let error = Loaded::load(broken(vec![Insn::kfunc(0)]), &LoadOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "load of `p`: instruction 0 refers to a kernel function that is not there");
}

/// That the ids found are right, the kernel says when it loads [`sleepable_programs_read_pages_not_yet_there`].
#[test]
fn unknown_kernel_functions_are_named() {
    const TEST: &str = "unknown_kernel_functions_are_named";
    if !Features::detect().btf() {
        return skip(TEST, "this kernel has no BTF");
    }
    assert_eq!(stapes_kernel::btf::function_id("no_such_function").unwrap(), None);
    let Some(_alone) = can_load(TEST) else { return };
    let object = Object { kfuncs: vec!["no_such_function".to_owned()], ..Object::default() };
    let error = Loaded::load(object, &LoadOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "load of `no_such_function`: this kernel has no such function");
}
