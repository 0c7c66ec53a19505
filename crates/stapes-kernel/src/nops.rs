//! Which byte of a site to probe, and how, on kernels that turn nops into calls (x86-64).
//!
//! # What those kernels do
//! A probe on a long nop starts as a breakpoint. At its first hit the kernel replaces the nop by a call of
//! a trampoline that it maps near by, and from then on a hit costs a system call instead of a trap. Two
//! generations differ:
//!
//! - Linux 6.18: 5-byte nops. The `call` pushes a return address, and the trampoline three registers, to
//!   where the stack pointer is: over the *red zone*, 128 bytes below it that leaf functions of the System
//!   V ABI use for their variables. A probe in such a function changes what the program computes.
//! - Later: 10-byte nops, in which `lea -0x80(%rsp),%rsp` steps over the red zone first. Five-byte nops
//!   stay breakpoints.
//!
//! The kernel tells which by its answer to the `uprobe` system call from outside a trampoline:
//! ENXIO the first, EPROTO the second.
//!
//! # The rule for nop,nop10
//! libbpf's usdt.h and our own probes emit a 1-byte and a 10-byte nop, and the note names the first. It is
//! probed there, as a breakpoint, unless the kernel is of the second generation and the 11 bytes are as
//! they should be: then one byte further. A program that may read the instruction pointer (for an operand
//! relative to it) would read one too many; it stays at the first.
//!
//! # Five-byte nops on 6.18
//! Whether the function around a site uses its red zone is known to nobody but its compiler, so the engine
//! never lets the kernel make the call. There is no flag for that. But when the kernel cannot make the
//! call, since there is no free page for the trampoline within reach (±2 GB) of the place that was hit, it
//! notes so in the uprobe itself (`ARCH_UPROBE_FLAG_OPTIMIZE_FAIL`), and never tries again: in no process,
//! for as long as anybody holds that uprobe, which stands for one offset of one file
//! (kernel/events/uprobes.c, arch/x86/kernel/uprobes.c). So, before anything else is attached:
//!
//! 1. The file's pages with the sites are mapped here, privately, in the middle of an inaccessible
//!    reservation of more than 4 GB, and a `ret` is written behind each nop. ([`Decoy`])
//! 2. An empty program is attached to the sites, for this process only. From now on the kernel has the
//!    uprobes.
//! 3. The sites are called: breakpoint, no room for a trampoline, failure noted, nop, `ret`.
//! 4. The mapping goes; the empty program's link stays, with no process left in which it has a breakpoint,
//!    until all is detached. It keeps the kernel from forgetting the uprobe and the note in it.
//!
//! It costs one more link, for such sites only, and some 150 ns more per event than the call would.
//! If it cannot be done (no address space), the sites are not attached, and the report says why.
//! A site that another tracer had turned into a call before stays one.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use stapes_bpf::Program;
use stapes_bpf::insn::{Alu, Insn};

use crate::attach::{AttachFailure, Job, Link};
use crate::features::{Features, Optimised};
use crate::sys::bpf::{self, ProgramLoad, ProgramType, Sites};
use crate::sys::decoy::{Decoy, NOP_SIZE};
use crate::{Error, parallel};

/// nop; nopw %cs:0(%rax,%rax,1).
const NOP_NOP10: [u8; 11] = [0x90, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0];
/// The kernel does not make a call of a nop that crosses pages, which on x86-64 have this size.
const PAGE: u64 = 4096;

/// Moves sites of the form nop,nop10 to the nop10 where the kernel makes calls of those.
pub(crate) fn choose_offsets(jobs: &mut [Job], programs: &[Program], features: &Features) {
    if features.optimised() == Optimised::Nop10 {
        move_to_nop10(jobs, programs);
    }
}

fn move_to_nop10(jobs: &mut [Job], programs: &[Program]) {
    for job in jobs.iter_mut().filter(|job| !job.ret && !reads_instruction_pointer(&programs[job.program])) {
        let Ok(file) = File::open(&job.image.path) else { continue };
        for offset in &mut job.sites.offsets {
            let mut bytes = [0; NOP_NOP10.len()];
            if file.read_exact_at(&mut bytes, *offset).is_ok() && bytes == NOP_NOP10 {
                *offset += 1;
            }
        }
    }
}

/// Whether a program may read `pt_regs.ip`, which would be off by one at the second byte of a site.
///
/// Every 8-byte load at the field's offset counts, from whatever register: too often rather than too rarely.
fn reads_instruction_pointer(program: &Program) -> bool {
    /// `BPF_LDX | BPF_MEM | BPF_DW`.
    const LOAD: u8 = 0x79;
    /// Offset of `ip` in x86-64's `struct pt_regs`.
    const IP: i16 = 128;
    program.insns.iter().any(|insn| insn.code == LOAD && insn.off == IP)
}

/// A site with a 5-byte nop: its semaphore and the nop.
type Site = (u64, [u8; NOP_SIZE]);

/// Keeps the kernel from making calls of 5-byte nops, and gives the links that must be held until the sites
/// are detached.
///
/// Sites for which it cannot be done are taken out of the jobs and added to `failures`.
pub(crate) fn prevent_calls(
    jobs: &mut [Job],
    features: &Features,
    failures: &mut Vec<AttachFailure>,
) -> Vec<Link> {
    if features.optimised() != Optimised::Nop5 {
        return Vec::new();
    }
    let files: Vec<_> = find_nops(jobs).into_iter().collect();
    let outcomes = parallel::map(files, |(path, sites)| (hold(&path, &sites), path, sites));
    let mut links = Vec::new();
    for (outcome, path, sites) in outcomes {
        match outcome {
            Ok(link) => links.push(link),
            Err(e) => jobs
                .iter_mut()
                .filter(|job| job.image.path == path)
                .for_each(|job| failures.extend(give_up(job, &sites, &e))),
        }
    }
    links
}

/// The sites with 5-byte nops, by file and offset.
fn find_nops(jobs: &[Job]) -> BTreeMap<String, BTreeMap<u64, Site>> {
    let mut found = BTreeMap::<String, BTreeMap<u64, Site>>::new();
    for job in jobs {
        // A file that cannot be opened or read is for the kernel to complain about.
        let Ok(file) = File::open(&job.image.path) else { continue };
        for (offset, semaphore) in job.sites.offsets.iter().zip(&job.sites.semaphores) {
            let mut bytes = [0; NOP_SIZE];
            let crosses = offset % PAGE > PAGE - NOP_SIZE as u64;
            if !crosses && file.read_exact_at(&mut bytes, *offset).is_ok() && is_nop(bytes) {
                found.entry(job.image.path.clone()).or_default().insert(*offset, (*semaphore, bytes));
            }
        }
    }
    found
}

/// Whether five bytes are one nop: of the forms that the kernel takes for one, those that assemblers and
/// compilers emit.
fn is_nop(bytes: [u8; NOP_SIZE]) -> bool {
    match bytes {
        // nopl disp8(base,index,scale), and with an operand size or segment prefix nopw disp8(base)
        [0x0f, 0x1f, modrm, _, _] => modrm == 0x44,
        [0x66 | 0x2e | 0x3e, 0x0f, 0x1f, modrm, _] => matches!(modrm, 0x40..=0x43 | 0x45..=0x47),
        // xchg %ax,%ax with more prefixes than it needs
        [0x66, 0x66, 0x66, 0x66, 0x90] => true,
        // jmp to the next instruction
        [0xe9, 0, 0, 0, 0] => true,
        _ => false,
    }
}

/// Steps 1 to 4 of the module's text for the sites of one file.
fn hold(path: &str, sites: &BTreeMap<u64, Site>) -> io::Result<Link> {
    let offsets: Vec<u64> = sites.keys().copied().collect();
    let decoy = Decoy::map(&File::open(path)?, &offsets)?;
    let insns = [Insn::alu64_imm(Alu::Mov, 0, 0).encode(), Insn::exit().encode()];
    let program = bpf::program_load(
        &ProgramLoad {
            program_type: ProgramType::Kprobe,
            name: "stapes_hold",
            insns: &insns,
            sleepable: false,
            uprobe_multi: true,
        },
        None,
    )?;
    let ourselves = i32::try_from(std::process::id()).map_err(io::Error::other)?;
    let held = Sites {
        cookies: vec![0; offsets.len()],
        semaphores: sites.values().map(|(semaphore, _)| *semaphore).collect(),
        offsets,
    };
    let link = bpf::link_uprobe_multi(program.as_fd(), &CString::new(path)?, &held, ourselves, false)?;
    for (offset, (_, nop)) in sites {
        if !decoy.hit(*offset, *nop)? {
            return Err(io::Error::other("the kernel made a call of the nop"));
        }
    }
    Ok(Link::Multi { _link: link })
}

/// Takes sites out of a job.
fn give_up(job: &mut Job, sites: &BTreeMap<u64, Site>, error: &io::Error) -> Option<AttachFailure> {
    let all = std::mem::take(&mut job.sites);
    let mut offsets = Vec::new();
    for ((offset, semaphore), cookie) in all.offsets.into_iter().zip(all.semaphores).zip(all.cookies) {
        if sites.contains_key(&offset) {
            offsets.push(offset);
        } else {
            job.sites.offsets.push(offset);
            job.sites.semaphores.push(semaphore);
            job.sites.cookies.push(cookie);
        }
    }
    let error =
        Error::new("keeping the kernel from overwriting the red zone", job.image.name.as_str(), error)
            .with_hint(
                "this kernel turns 5-byte nops into calls, which can change what the program computes",
            );
    (!offsets.is_empty()).then(|| AttachFailure {
        image: job.image.name.clone(),
        pid: Some(job.pid).filter(|pid| *pid != 0),
        offsets,
        error,
    })
}

#[cfg(test)]
mod tests {
    use super::{Job, NOP_NOP10, Sites, is_nop, move_to_nop10};
    use stapes_bpf::insn::{Insn, Size};
    use stapes_bpf::{Image, Program, ProgramKind};

    /// The recommended multi-byte nop of 5 bytes in Intel's manual, what gas makes of `.nops 5`, and what
    /// is none.
    #[test]
    fn knows_nops_of_five_bytes() {
        assert!(is_nop([0x0f, 0x1f, 0x44, 0, 0]));
        assert!(is_nop([0x66, 0x0f, 0x1f, 0x40, 0]));
        assert!(is_nop([0xe9, 0, 0, 0, 0]));
        // nop and the first 4 bytes of a longer one; nop4 and one more; a call; a jump elsewhere
        assert!(!is_nop([0x90, 0x66, 0x2e, 0x0f, 0x1f]));
        assert!(!is_nop([0x0f, 0x1f, 0x40, 0, 0x90]));
        assert!(!is_nop([0xe8, 0, 0, 0, 0]));
        assert!(!is_nop([0xe9, 1, 0, 0, 0]));
    }

    fn program(offset: i16) -> Program {
        Program {
            name: "p".to_owned(),
            kind: ProgramKind::Uprobe,
            sleepable: false,
            insns: vec![Insn::load(Size::B8, 2, 1, offset), Insn::exit()],
            lines: Vec::new(),
        }
    }

    /// At offset 3 of the file stands nop,nop10; at 20 a lone nop.
    #[test]
    fn only_sites_of_the_right_form_move_and_only_for_programs_that_cannot_tell() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("code");
        let mut code = vec![0xcc; 40];
        code[3..14].copy_from_slice(&NOP_NOP10);
        code[20] = 0x90;
        std::fs::write(&path, code).unwrap();
        let image =
            Image { name: "code".to_owned(), path: path.to_str().unwrap().to_owned(), pids: Vec::new() };
        // Program 0 reads `di`, program 1 `ip`.
        let programs = [program(112), program(128)];
        let offsets_of = |program, ret| {
            let sites = Sites { offsets: vec![3, 20, 39], semaphores: vec![0; 3], cookies: vec![0; 3] };
            let mut jobs = [Job { program, image: image.clone(), pid: 0, ret, sites }];
            move_to_nop10(&mut jobs, &programs);
            let [job] = jobs;
            job.sites.offsets
        };
        assert_eq!(offsets_of(0, false), [4, 20, 39]);
        assert_eq!(offsets_of(1, false), [3, 20, 39]);
        assert_eq!(offsets_of(0, true), [3, 20, 39]);
    }
}
