//! Which byte of a site to probe, on kernels that turn nops into calls.

use std::fs::File;
use std::os::unix::fs::FileExt;

use stapes_bpf::Program;

use crate::attach::Job;
use crate::features::{Features, Optimised};

/// nop; nopw %cs:0(%rax,%rax,1) as libbpf's usdt.h and our own probes emit it.
const NOP_NOP10: [u8; 11] = [0x90, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0];

/// Moves sites of the form nop,nop10 to the nop10 where the kernel makes calls of those.
pub(crate) fn choose_offsets(mut jobs: Vec<Job>, programs: &[Program], features: &Features) -> Vec<Job> {
    if features.optimised() != Optimised::Nop10 {
        return jobs;
    }
    for job in jobs.iter_mut().filter(|job| !job.ret && !reads_instruction_pointer(&programs[job.program])) {
        let Ok(file) = File::open(&job.image.path) else { continue };
        for offset in &mut job.sites.offsets {
            let mut bytes = [0; NOP_NOP10.len()];
            if file.read_exact_at(&mut bytes, *offset).is_ok() && bytes == NOP_NOP10 {
                *offset += 1;
            }
        }
    }
    jobs
}

/// Whether a program may read `pt_regs.ip`, which would be off by one at the second byte of a site.
///
/// Every 8-byte load at the field's offset counts, from whatever register: too often rather than too rarely.
fn reads_instruction_pointer(program: &Program) -> bool {
    /// `BPF_LDX | BPF_MEM | BPF_DW`.
    const LOAD: u8 = 0x79;
    /// Offset of `ip` in x86-64's `struct pt_regs`; only x86-64 makes calls of nops.
    const IP: i16 = 128;
    program.insns.iter().any(|insn| insn.code == LOAD && insn.off == IP)
}
