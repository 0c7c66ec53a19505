//! What the structural check refuses.

use stapes_bpf::check::check;
use stapes_bpf::insn::{Alu, Jump};
use stapes_bpf::{Insn, Map, MapKind, MapRole, Object, Program, ProgramKind, Type, Value};

fn with_code(insns: Vec<Insn>) -> Object {
    let program =
        Program { name: "p".into(), kind: ProgramKind::Run, sleepable: false, insns, lines: Vec::new() };
    Object { programs: vec![program], ..Object::default() }
}

fn with_map(map: Map) -> Object {
    Object { maps: vec![map], ..Object::default() }
}

/// The whole message, or "ok".
fn verdict(object: &Object) -> String {
    check(object).map_or_else(|e| e.to_string(), |()| "ok".into())
}

#[test]
fn code_that_leaves_the_program_is_refused() {
    let set = Insn::alu64_imm(Alu::Mov, 0, 0);
    assert_eq!(verdict(&with_code(vec![set, Insn::exit()])), "ok");
    assert_eq!(verdict(&with_code(vec![set])), "program 0 at 0: jump to 1, where no instruction starts");
    assert_eq!(
        verdict(&with_code(vec![Insn::goto(-2), Insn::exit()])),
        "program 0 at 0: jump to -1, where no instruction starts"
    );
    let [low, high] = Insn::load_imm64(1, 7);
    assert_eq!(verdict(&with_code(vec![low])), "program 0 at 0: half of a 64-bit load");
    assert_eq!(verdict(&with_code(vec![low, high, Insn::exit()])), "ok");
    assert_eq!(
        verdict(&with_code(vec![Insn::jump_imm(Jump::Eq, 1, 0, 1), low, high, Insn::exit()])),
        "program 0 at 0: jump to 2, where no instruction starts"
    );
    assert_eq!(verdict(&with_code(Vec::new())), "program 0: no instructions");
}

#[test]
fn operations_and_registers_that_do_not_exist_are_refused() {
    assert_eq!(
        verdict(&with_code(vec![Insn { code: 0xff, ..Insn::default() }, Insn::exit()])),
        "program 0 at 0: unknown operation 0xff"
    );
    for bad in [Insn::alu64(Alu::Add, 11, 0), Insn::alu64(Alu::Add, 0, 12), Insn::alu64_imm(Alu::Add, 10, 8)]
    {
        assert!(verdict(&with_code(vec![bad, Insn::exit()])).contains("registers"));
    }
    assert_eq!(
        verdict(&with_code(vec![Insn::kfunc(0), Insn::exit()])),
        "program 0 at 0: kernel function 0 does not exist, there are 0"
    );
}

#[test]
fn maps_must_fit_their_role() {
    let count = Map {
        name: "@".into(),
        kind: MapKind::PerCpuHash,
        key_size: 8,
        value_size: 8,
        max_entries: 10,
        role: MapRole::Script {
            key: vec![Type::Int { size: 8, signed: false }],
            value: Value::Aggregate(stapes_bpf::Aggregate::Count),
        },
    };
    assert_eq!(verdict(&with_map(count.clone())), "ok");
    assert_eq!(verdict(&with_map(Map { key_size: 16, ..count.clone() })), "map 0: keys of 16 bytes, not 8");
    assert_eq!(
        verdict(&with_map(Map { value_size: 16, ..count.clone() })),
        "map 0: values of 16 bytes, not 8"
    );
    assert_eq!(
        verdict(&with_map(Map { kind: MapKind::Hash, ..count.clone() })),
        "map 0: aggregations, and only they, are kept per CPU"
    );
    let ring = Map {
        name: "events".into(),
        kind: MapKind::RingBuf,
        key_size: 0,
        value_size: 0,
        max_entries: 4096,
        role: MapRole::Events,
    };
    assert_eq!(verdict(&with_map(ring.clone())), "ok");
    assert_eq!(
        verdict(&with_map(Map { max_entries: 5000, ..ring })),
        "map 0: the size is not a power of two"
    );
}
