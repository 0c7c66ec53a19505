//! A process's memory: where files lie in it, and what stands at a site.

use stapes_binary::elf::{PF_X, PT_LOAD, Segment};
use stapes_binary::{Arch, LoadBias};
use stapes_session::process::live::{LiveCode, load_biases};
use stapes_session::process::maps::parse;
use stapes_session::process::{Process, ProcessErrorKind, all_pids};

/// A segment as `ld -z separate-code` lays it out: the code at the same distance from its offset as the rest is not.
fn segment(flags: u32, offset: u64, address: u64, size: u64) -> Segment {
    Segment { kind: PT_LOAD, flags, offset, address, file_size: size, memory_size: size }
}

#[test]
fn the_bias_is_the_address_less_the_files() {
    let segments = [segment(4, 0, 0x40_0000, 0x800), segment(4 | PF_X, 0x1040, 0x40_2040, 0x2000)];
    let at = |text: &str| load_biases(&parse(text.as_bytes()), &segments);
    // The byte at offset 0x1000 has the address 0x402000 in the file.
    assert_eq!(
        at("7f0000002000-7f0000005000 r-xp 00001000 fe:00 7 /x"),
        [LoadBias(0x7f00_0000_2000 - 0x40_2000)]
    );
    // Pages of 64 KiB: the mapping begins well before the segment, at address 0x401000 of the file.
    assert_eq!(
        at("7f0000000000-7f0000010000 r-xp 00000000 fe:00 7 /x"),
        [LoadBias(0x7f00_0000_0000 - 0x40_1000)]
    );
    // Loaded twice.
    let twice = "7f0000002000-7f0000005000 r-xp 00001000 fe:00 7 /x\n7f1000002000-7f1000005000 r-xp 00001000 fe:00 7 /x\n";
    assert_eq!(at(twice).len(), 2);
    // Its code is elsewhere: the start of the file tells.
    assert_eq!(
        at("7f0000000000-7f0000001000 r--p 00000000 fe:00 7 /x"),
        [LoadBias(0x7f00_0000_0000 - 0x40_0000)]
    );
    assert_eq!(at(""), []);
}

#[test]
fn code_is_compared_with_the_file() {
    let nop5 = [0x0f, 0x1f, 0x44, 0, 0, 0xc3, 0x90, 0x90];
    let x86 = |now: &[u8]| LiveCode::of(Some(Arch::X86_64), &nop5, now);
    assert_eq!(x86(&nop5[..5]), LiveCode::Original);
    assert_eq!(x86(&[0xcc, 0x1f, 0x44, 0, 0]), LiveCode::Breakpoint);
    assert_eq!(x86(&[0xe8, 1, 2, 3, 4]), LiveCode::Call);
    assert_eq!(x86(&[0x31, 0xc0, 0xc3, 0, 0]), LiveCode::Other);
    // BRK #5 (Arm ARM C6.2.41), which is what uprobes put there.
    assert_eq!(
        LiveCode::of(Some(Arch::Aarch64), &[0x1f, 0x20, 3, 0xd5], &[0xa0, 0, 0x20, 0xd4]),
        LiveCode::Breakpoint
    );
    assert_eq!(LiveCode::of(None, &[1], &[2]), LiveCode::Other);
}

#[test]
fn this_process_is_read_and_one_that_cannot_be_is_refused() {
    let own = Process::read(std::process::id()).unwrap();
    let exe = std::env::current_exe().unwrap();
    let file = own.files().into_iter().find(|f| f.name == exe).unwrap();
    let opened = own.open(&file).unwrap();
    assert_eq!(own.lasting_path(&file.name, &opened), exe);
    assert!(all_pids().unwrap().contains(&std::process::id()));
    // Above the largest `pid_max` of 64-bit kernels (proc_sys_kernel(5)).
    let gone = Process::read(4_194_305).unwrap_err();
    assert!(matches!(gone.kind, ProcessErrorKind::Gone), "{gone}");
    // kthreadd, in the first pid namespace.
    if std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n") {
        assert!(matches!(Process::read(2).unwrap_err().kind, ProcessErrorKind::KernelThread));
    }
}
