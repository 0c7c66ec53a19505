//! A small interpreter of eBPF after RFC 9669, for what the compiler emits.

use stapes_bpf::{Insn, Map, Program};

use super::memory::{Memory, map_address, map_handle};

const STACK: u64 = 0x4000_0000_0000;

/// Runs a program with a context of 0; what R0 is at the end.
pub(crate) fn run(program: &Program, maps: &[Map], memory: &mut Memory) -> u64 {
    // Not zero: nobody may rely on what the stack holds at first.
    memory.add(STACK, vec![0x5a; 512]);
    let mut r = [0xdead_0000_0000_0000u64; 11];
    r[10] = STACK + 512;
    let mut at = 0;
    for _ in 0..1_000_000 {
        let insn = program.insns[at];
        at += 1;
        let (dst, src) = (usize::from(insn.dst), usize::from(insn.src));
        let imm = insn.imm as i64 as u64;
        let second = if insn.code & 8 != 0 { r[src.min(10)] } else { imm };
        match insn.code & 7 {
            7 => r[dst] = alu(insn, r[dst], second, 64),
            4 if insn.code == 0xd4 => r[dst] &= u64::MAX >> (64 - insn.imm),
            4 if insn.code == 0xdc => r[dst] = r[dst].swap_bytes() >> (64 - insn.imm),
            4 => r[dst] = alu(insn, r[dst], second, 32),
            0 => {
                assert_eq!(insn.code, 0x18);
                let high = program.insns[at].imm;
                at += 1;
                r[dst] = match insn.src {
                    0 => u64::from(high as u32) << 32 | u64::from(insn.imm as u32),
                    Insn::MAP_INDEX => map_handle(insn.imm as u32),
                    Insn::MAP_VALUE_INDEX => map_address(insn.imm as u32) + high as u64,
                    other => panic!("a 64-bit load of kind {other}"),
                };
            }
            1 => {
                let bytes = size(insn.code);
                let value = memory.load(aligned(r[src].wrapping_add(insn.off as u64), bytes), bytes);
                let unused = 64 - 8 * bytes as u32;
                let signed = insn.code & 0xe0 == 0x80;
                r[dst] = if signed { ((value << unused) as i64 >> unused) as u64 } else { value };
            }
            2 => {
                let bytes = size(insn.code);
                memory.store(aligned(r[dst].wrapping_add(insn.off as u64), bytes), bytes, imm);
            }
            3 => {
                let bytes = size(insn.code);
                let address = aligned(r[dst].wrapping_add(insn.off as u64), bytes);
                match (insn.code & 0xe0, insn.imm) {
                    (0x60, _) => memory.store(address, bytes, r[src]),
                    (0xc0, 0) => {
                        let sum = memory.load(address, bytes).wrapping_add(r[src]);
                        memory.store(address, bytes, sum);
                    }
                    (0xc0, 0xf1) => {
                        let old = memory.load(address, bytes);
                        if old == r[0] {
                            memory.store(address, bytes, r[src]);
                        }
                        r[0] = old;
                    }
                    other => panic!("{other:?} is not emitted"),
                }
            }
            class => match insn.code {
                0x05 => at = at.wrapping_add_signed(insn.off.into()),
                0x06 => at = at.wrapping_add_signed(insn.imm as isize),
                0x95 => return r[0],
                0x85 => {
                    assert_eq!((insn.src, insn.imm), (0, 1), "only look-ups are called here");
                    let map = ((r[1] - map_handle(0)) >> 32) as u32;
                    r[0] = memory.lookup(maps, map, r[2]);
                    r[1..6].fill(0xbad0_0000_0000_0000);
                }
                code => {
                    let narrow = class == 6;
                    let cut = |v: u64| if narrow { u64::from(v as u32) } else { v };
                    let signed = |v: u64| if narrow { i64::from(v as i32) } else { v as i64 };
                    let (a, b) = (cut(r[dst]), cut(second));
                    let (signed_a, signed_b) = (signed(r[dst]), signed(second));
                    let taken = match code >> 4 {
                        1 => a == b,
                        2 => a > b,
                        3 => a >= b,
                        4 => a & b != 0,
                        5 => a != b,
                        6 => signed_a > signed_b,
                        7 => signed_a >= signed_b,
                        10 => a < b,
                        11 => a <= b,
                        12 => signed_a < signed_b,
                        13 => signed_a <= signed_b,
                        other => panic!("jump {other}"),
                    };
                    if taken {
                        at = at.wrapping_add_signed(insn.off.into());
                    }
                }
            },
        }
    }
    panic!("the program does not end");
}

/// As the kernel's verifier demands of the stack.
fn aligned(address: u64, bytes: usize) -> u64 {
    assert!(address.is_multiple_of(bytes as u64), "{bytes} bytes at {address:#x}");
    address
}

fn size(code: u8) -> usize {
    match code & 0x18 {
        0x10 => 1,
        0x08 => 2,
        0x00 => 4,
        _ => 8,
    }
}

fn alu(insn: Insn, a: u64, b: u64, bits: u32) -> u64 {
    if bits == 32 {
        return u64::from(alu32(insn, a as u32, b as u32));
    }
    let signed = insn.off == 1;
    match insn.code >> 4 {
        0 => a.wrapping_add(b),
        1 => a.wrapping_sub(b),
        2 => a.wrapping_mul(b),
        3 if signed => {
            if b == 0 {
                0
            } else {
                (a as i64).wrapping_div(b as i64) as u64
            }
        }
        3 => a.checked_div(b).unwrap_or(0),
        4 => a | b,
        5 => a & b,
        6 => a << (b & 63),
        7 => a >> (b & 63),
        8 => a.wrapping_neg(),
        9 if signed => {
            if b == 0 {
                a
            } else {
                (a as i64).wrapping_rem(b as i64) as u64
            }
        }
        9 => a.checked_rem(b).unwrap_or(a),
        10 => a ^ b,
        11 => match insn.off {
            0 => b,
            8 => b as i8 as u64,
            16 => b as i16 as u64,
            32 => b as i32 as u64,
            other => panic!("a move with offset {other}"),
        },
        12 => ((a as i64) >> (b & 63)) as u64,
        other => panic!("arithmetic {other}"),
    }
}

fn alu32(insn: Insn, a: u32, b: u32) -> u32 {
    match (insn.code >> 4, insn.off) {
        (0, 0) => a.wrapping_add(b),
        (5, 0) => a & b,
        (11, 0) => b,
        other => panic!("{other:?} on 32 bits is not emitted"),
    }
}
