//! Scratch memory that others have claimed.

use stapes_bpf::{LossCause, MapRole, Object};
use stapes_script::emit::emit_module;
use stapes_script::ir::{Function, Module};

use super::memory::{Memory, map_address};
use super::{generate, machine, target};

/// Stores 7 in scratch memory and adds it to the output.
const FUNCTION: &str = "function scratch run registers 2
       slot s0 600
     b0:
       store u64 [s0 + 592], 7
       v0 = load u64 [s0 + 592]
       v1 = map_value 1, 0
       atomic_add u64 [v1 + 0], v0
       return 0";

fn object() -> Object {
    let function: Function = FUNCTION.parse().unwrap();
    let module = Module {
        functions: vec![function],
        maps: generate::maps(),
        losses: vec![LossCause::RingFull],
        ..Module::default()
    };
    emit_module(module, &target(true)).unwrap()
}

fn index(object: &Object, role: &MapRole) -> usize {
    object.maps.iter().position(|map| map.role == *role).unwrap()
}

#[test]
fn the_object_has_what_a_claim_needs() {
    let object = object();
    assert_eq!(object.losses, [LossCause::RingFull, LossCause::ScratchBusy]);
    let lost = &object.maps[index(&object, &MapRole::Lost)];
    assert_eq!((lost.max_entries, lost.value_size), (2, 8));
    let scratch = &object.maps[index(&object, &MapRole::Scratch)];
    assert_eq!((scratch.max_entries, scratch.value_size), (8, 608));
}

#[test]
fn a_claim_takes_the_first_free_piece_and_counts_a_loss_when_there_is_none() {
    let object = object();
    let (scratch, lost) = (index(&object, &MapRole::Scratch), index(&object, &MapRole::Lost));
    for claimed in 0..=8u64 {
        let mut memory = Memory::default();
        for (index, map) in object.maps.iter().enumerate() {
            memory.add_map(index as u32, map);
        }
        let piece = |index: u64| map_address(scratch as u32) + 608 * index;
        (0..claimed).for_each(|index| memory.store(piece(index), 8, 1));
        machine::run(&object.programs[0], &object.maps, &mut memory);
        for index in 0..8 {
            assert_eq!(memory.load(piece(index), 8), u64::from(index < claimed), "flag {index}");
            let used = index == claimed;
            assert_eq!(memory.load(piece(index) + 600, 8), if used { 7 } else { 0 }, "piece {index}");
        }
        let busy = claimed == 8;
        assert_eq!(memory.load(map_address(1), 8), if busy { 0 } else { 7 });
        assert_eq!(memory.load(map_address(lost as u32) + 8, 8), u64::from(busy));
        assert_eq!(memory.load(map_address(lost as u32), 8), 0);
    }
}

#[test]
fn more_memory_than_a_piece_can_have_is_an_error_at_its_place() {
    let ir = "function huge run registers 0
       slot s0 8
       slot s1 40000
     b0:
       store u64 [s0 + 0], 7
       store u64 [s1 + 0], 7 # 10..20
       return 0";
    let module = Module { functions: vec![ir.parse().unwrap()], ..Module::default() };
    let errors = emit_module(module, &target(true)).unwrap_err();
    assert_eq!(errors[0].slug, "too-much-memory");
    assert_eq!((errors[0].span.start, errors[0].span.end), (10, 20));
}
