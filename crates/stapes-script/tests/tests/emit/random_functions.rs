//! Random functions: what is emitted computes what the IR says, in an interpreter and in the kernel.

use stapes_bpf::check::check;
use stapes_bpf::{Attachment, Map, MapRole, Object, Point};
use stapes_script::emit::emit_module;
use stapes_script::ir::verify::verify;
use stapes_script::ir::{Function, Module};

use super::generate::{self, NUMBERS};
use super::memory::{Memory, map_address};
use super::{kernel, machine, reference, target};
use crate::random::Random;

fn module(function: &Function) -> Module {
    Module {
        functions: vec![function.clone()],
        maps: generate::maps(),
        attachments: vec![Attachment { program: 0, point: Point::Begin }],
        ..Module::default()
    }
}

fn memory(maps: &[Map], input: &[u8]) -> Memory {
    let mut memory = Memory::default();
    for (index, map) in maps.iter().enumerate() {
        memory.add_map(index as u32, map);
    }
    memory.bytes(map_address(0), input.len()).copy_from_slice(input);
    memory
}

/// What is in the output map and in the cells.
fn results(memory: &mut Memory) -> (Vec<u8>, Vec<u8>) {
    (memory.bytes(map_address(1), 8 * NUMBERS as usize).to_vec(), memory.bytes(map_address(2), 64).to_vec())
}

fn input(random: &mut Random) -> Vec<u8> {
    let number = |random: &mut Random| match random.below(4) {
        0 => random.below(10),
        1 => random.below(10).wrapping_neg(),
        2 => random.next() as i32 as u64,
        _ => random.next(),
    };
    (0..NUMBERS).flat_map(|_| number(random).to_le_bytes()).collect()
}

/// No piece of scratch memory is left claimed.
fn all_released(object: &Object, memory: &mut Memory) -> bool {
    object.maps.iter().enumerate().filter(|(_, map)| map.role == MapRole::Scratch).all(|(index, map)| {
        (0..map.max_entries).all(|piece| {
            let stride = map.value_size.next_multiple_of(8);
            memory.load(map_address(index as u32) + u64::from(piece * stride), 8) == 0
        })
    })
}

#[test]
fn emitted_code_computes_what_the_ir_says() {
    let mut with_scratch = 0;
    for seed in 0..600 {
        let mut random = Random(seed);
        let function = generate::function(&mut random);
        verify(&function).unwrap_or_else(|e| panic!("seed {seed}: {e}\n{function}"));
        let text = function.to_string();
        assert_eq!(text.parse::<Function>().as_ref(), Ok(&function), "seed {seed}");
        for bpf_v4 in [true, false] {
            let object = emit_module(module(&function), &target(bpf_v4))
                .unwrap_or_else(|e| panic!("seed {seed}: {e:?}"));
            check(&object).unwrap_or_else(|e| panic!("seed {seed}: {e}\n{object}"));
            with_scratch += usize::from(object.maps.iter().any(|map| map.role == MapRole::Scratch));
            for _ in 0..3 {
                let input = input(&mut random);
                let mut expected = memory(&generate::maps(), &input);
                reference::run(&function, &generate::maps(), &mut expected);
                let mut actual = memory(&object.maps, &input);
                machine::run(&object.programs[0], &object.maps, &mut actual);
                assert_eq!(results(&mut actual), results(&mut expected), "seed {seed}\n{function}\n{object}");
                assert!(all_released(&object, &mut actual), "seed {seed}\n{function}\n{object}");
            }
        }
    }
    assert!(with_scratch > 50, "only {with_scratch} of the functions needed scratch memory");
}

#[test]
fn the_kernel_takes_the_code_and_agrees() {
    if !kernel::available("the_kernel_takes_the_code_and_agrees") {
        return;
    }
    for seed in 1000..1150 {
        let mut random = Random(seed);
        let function = generate::function(&mut random);
        let object = emit_module(module(&function), &target(true)).unwrap();
        let input = input(&mut random);
        let mut expected = memory(&generate::maps(), &input);
        reference::run(&function, &generate::maps(), &mut expected);
        let actual =
            kernel::run(&object, &input).unwrap_or_else(|e| panic!("seed {seed}: {e}\n{function}\n{object}"));
        assert_eq!(actual, results(&mut expected), "seed {seed}\n{function}\n{object}");
    }
}
