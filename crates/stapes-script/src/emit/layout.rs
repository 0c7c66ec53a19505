//! Layout: blocks in order become instructions, with as few jumps as the order allows.

use stapes_bpf::Insn;
use stapes_bpf::assembler::{AssembleError, Assembler};
use stapes_bpf::insn::Alu;

use super::machine::{Code, End, Op, Register, inverse};

/// The instructions, and byte offsets in the source by index of the first instruction that comes from them.
pub(super) type Laid = (Vec<Insn>, Vec<(u32, u32)>);

/// Lays out code whose registers are all physical.
///
/// # Errors
/// A jump that is too long for the target.
pub(super) fn lay_out(code: &Code, long_jumps: bool) -> Result<Laid, AssembleError> {
    let mut assembler = Assembler::new();
    let labels: Vec<_> = code.blocks.iter().map(|_| assembler.label()).collect();
    let mut lines: Vec<(usize, u32)> = Vec::new();
    for (index, block) in code.blocks.iter().enumerate() {
        assembler.bind(labels[index]);
        for (op, place) in &block.ops {
            if lines.last().is_none_or(|(_, last)| last != place) {
                lines.push((assembler.len(), *place));
            }
            push(&mut assembler, op);
        }
        match &block.end {
            End::Goto(to) if *to == index + 1 => {}
            End::Goto(to) => assembler.jump(Insn::goto(0), labels[*to]),
            End::Branch { jump, a, b, then, otherwise } => {
                let condition = |jump: &Insn| Insn { dst: number(*a), src: b.map_or(0, number), ..*jump };
                match inverse(jump) {
                    Some(inverse) if *then == index + 1 => {
                        assembler.jump(condition(&inverse), labels[*otherwise]);
                    }
                    _ => {
                        assembler.jump(condition(jump), labels[*then]);
                        if *otherwise != index + 1 {
                            assembler.jump(Insn::goto(0), labels[*otherwise]);
                        }
                    }
                }
            }
            End::Exit => assembler.push(Insn::exit()),
        }
    }
    let (insns, places) = assembler.finish(long_jumps)?;
    let lines = lines.into_iter().filter_map(|(at, place)| Some((*places.get(at)?, place)));
    let count = insns.len() as u32;
    Ok((insns, lines.filter(|(at, _)| *at < count).collect()))
}

fn push(assembler: &mut Assembler, op: &Op) {
    match op {
        Op::Plain { insn, dst, src, .. } => {
            assembler.push(Insn { dst: number(*dst), src: src.map_or(insn.src, number), ..*insn });
        }
        Op::Wide { insns: [first, second], dst } => {
            assembler.push_wide([Insn { dst: number(*dst), ..*first }, *second]);
        }
        Op::Clamp { dst, limit } => {
            assembler.push(Insn::jump_imm(stapes_bpf::insn::Jump::Le, number(*dst), *limit, 1));
            assembler.push(Insn::alu64_imm(Alu::Mov, number(*dst), *limit));
        }
        Op::SetIf { jump, dst, a, b } => {
            assembler.push(Insn::alu64_imm(Alu::Mov, number(*dst), 1));
            assembler.push(Insn { dst: number(*a), src: b.map_or(0, number), off: 1, ..*jump });
            assembler.push(Insn::alu64_imm(Alu::Mov, number(*dst), 0));
        }
        Op::Call { insn, .. } => assembler.push(*insn),
    }
}

/// The number of a register; allocation leaves only physical ones.
fn number(register: Register) -> u8 {
    register.number().unwrap_or(0)
}
