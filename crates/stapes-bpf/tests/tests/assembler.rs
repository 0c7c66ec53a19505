//! Labels and long jumps.

use stapes_bpf::Insn;
use stapes_bpf::assembler::{AssembleError, Assembler};
use stapes_bpf::insn::{Alu, Jump};

fn filler(assembler: &mut Assembler, count: usize) {
    for _ in 0..count {
        assembler.push(Insn::alu64_imm(Alu::Mov, 0, 0));
    }
}

#[test]
fn jumps_go_forwards_and_backwards() {
    let mut a = Assembler::new();
    let (top, end) = (a.label(), a.label());
    a.bind(top);
    a.jump(Insn::jump_imm(Jump::Eq, 1, 0, 0), end);
    a.jump(Insn::goto(0), top);
    a.bind(end);
    a.push(Insn::exit());
    let (code, places) = a.finish(true).unwrap();
    assert_eq!(code, [Insn::jump_imm(Jump::Eq, 1, 0, 1), Insn::goto(-2), Insn::exit()]);
    assert_eq!(places, [0, 1, 2, 3]);
}

#[test]
fn a_jump_of_32767_slots_is_short_and_of_32768_long() {
    for (slots, expected) in [(32767, vec![Insn::goto(32767)]), (32768, vec![Insn::goto_long(32768)])] {
        let mut a = Assembler::new();
        let end = a.label();
        a.jump(Insn::goto(0), end);
        filler(&mut a, slots);
        a.bind(end);
        a.push(Insn::exit());
        let (code, _) = a.finish(true).unwrap();
        assert_eq!(code[..1], expected[..]);
        assert_eq!(code.len(), slots + 2);
    }
}

#[test]
fn a_long_condition_jumps_around_a_long_jump() {
    let mut a = Assembler::new();
    let (end, start) = (a.label(), a.label());
    a.bind(start);
    a.jump(Insn::jump(Jump::SignedLt, 1, 2, 0), end);
    filler(&mut a, 40000);
    a.jump(Insn::jump_imm(Jump::Ne, 3, 7, 0), start);
    a.bind(end);
    a.push(Insn::exit());
    let (code, places) = a.finish(true).unwrap();
    assert_eq!(code[0], Insn::jump(Jump::SignedLt, 1, 2, 1));
    assert_eq!(code[1], Insn::goto(1));
    // Behind the gotol (slot 3) to the exit, the last of 3 + 40000 + 3 + 1 slots.
    assert_eq!(code[2], Insn::goto_long(40006 - 3));
    assert_eq!(code[40003], Insn::jump_imm(Jump::Ne, 3, 7, 1));
    assert_eq!(code[40005], Insn::goto_long(-40006));
    assert_eq!(places[0], 0);
    assert_eq!(places[1], 3);
    assert_eq!(*places.last().unwrap(), 40007);
}

#[test]
fn what_cannot_be_assembled_is_an_error() {
    let mut a = Assembler::new();
    let end = a.label();
    a.jump(Insn::goto(0), end);
    assert_eq!(a.clone().finish(true), Err(AssembleError::UnboundLabel(end)));
    filler(&mut a, 40000);
    a.bind(end);
    a.push(Insn::exit());
    assert_eq!(a.finish(false), Err(AssembleError::JumpTooLong { at: 0 }));
}
