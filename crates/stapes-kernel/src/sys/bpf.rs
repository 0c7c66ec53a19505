//! bpf(2) for programs and links: one small C structure per command, each the front part of `union bpf_attr`.
//!
//! The kernel takes any prefix of the union and reads the rest as zero, so each structure ends with its
//! last used field.

use std::ffi::CStr;
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `enum bpf_cmd`.
#[derive(Clone, Copy)]
#[repr(i64)]
pub(super) enum Command {
    MapCreate = 0,
    MapLookup = 1,
    MapUpdate = 2,
    MapDelete = 3,
    MapNextKey = 4,
    ProgramLoad = 5,
    TestRun = 10,
    ObjectInfo = 15,
    MapFreeze = 22,
    MapLookupBatch = 24,
    MapLookupAndDeleteBatch = 25,
    LinkCreate = 28,
}

/// The program types (`enum bpf_prog_type`) that the engine loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum ProgramType {
    Kprobe = 2,
    RawTracepoint = 17,
    Syscall = 31,
}

/// `BPF_F_SLEEPABLE`.
const SLEEPABLE: u32 = 1 << 4;
/// `BPF_TRACE_UPROBE_MULTI`.
const TRACE_UPROBE_MULTI: u32 = 48;
/// `BPF_PERF_EVENT`.
const PERF_EVENT: u32 = 41;
/// `BPF_F_UPROBE_MULTI_RETURN`.
const UPROBE_MULTI_RETURN: u32 = 1;

/// One call of bpf(2).
///
/// # Safety
///
/// Every address in `attr` must be valid for what `command` does with it, until the call returns.
pub(super) unsafe fn bpf<T>(command: Command, attr: &mut T) -> Result<i32> {
    // SAFETY: `attr` is as long as the size says; the caller answers for the addresses in it.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command as i64, std::ptr::from_mut(attr), size_of::<T>()) };
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result as i32) }
}

/// As [`bpf`], for commands whose answer is a new descriptor.
///
/// # Safety
///
/// As for [`bpf`]; and `command` must answer with a descriptor.
pub(super) unsafe fn bpf_fd<T>(command: Command, attr: &mut T) -> Result<OwnedFd> {
    // SAFETY: the caller answers for the addresses.
    let fd = unsafe { bpf(command, attr) }?;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A name as the kernel keeps it: at most 15 bytes of `[A-Za-z0-9_.]` and a NUL; other bytes become `_`.
pub(super) fn object_name(name: &str) -> [u8; 16] {
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(name.bytes()).take(15) {
        *to = if from.is_ascii_alphanumeric() || from == b'.' { from } else { b'_' };
    }
    out
}

/// What to load; see [`program_load`].
pub(crate) struct ProgramLoad<'a> {
    pub(crate) program_type: ProgramType,
    pub(crate) name: &'a str,
    /// `struct bpf_insn`, one per 8 bytes.
    pub(crate) insns: &'a [[u8; 8]],
    pub(crate) sleepable: bool,
    /// Whether it will be attached by [`link_uprobe_multi`].
    pub(crate) uprobe_multi: bool,
}

/// `BPF_PROG_LOAD`; with `log`, the verifier's messages are written there as NUL-terminated text.
pub(crate) fn program_load(load: &ProgramLoad<'_>, log: Option<&mut [u8]>) -> Result<OwnedFd> {
    #[repr(C)]
    #[derive(Default)]
    struct Attr {
        prog_type: u32,
        insn_cnt: u32,
        insns: u64,
        license: u64,
        log_level: u32,
        log_size: u32,
        log_buf: u64,
        kern_version: u32,
        prog_flags: u32,
        prog_name: [u8; 16],
        prog_ifindex: u32,
        expected_attach_type: u32,
    }
    let mut attr = Attr {
        prog_type: load.program_type as u32,
        insn_cnt: u32::try_from(load.insns.len()).unwrap_or(u32::MAX),
        insns: load.insns.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        prog_flags: if load.sleepable { SLEEPABLE } else { 0 },
        prog_name: object_name(load.name),
        expected_attach_type: if load.uprobe_multi { TRACE_UPROBE_MULTI } else { 0 },
        ..Attr::default()
    };
    if let Some(log) = log {
        attr.log_level = 1;
        attr.log_size = u32::try_from(log.len()).unwrap_or(u32::MAX);
        attr.log_buf = log.as_mut_ptr() as u64;
    }
    // SAFETY: code, licence and log are borrowed for the call and as long as the attribute says.
    unsafe { bpf_fd(Command::ProgramLoad, &mut attr) }
}

/// The sites of one `uprobe_multi` link: the four vectors run in parallel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sites {
    /// Offsets in the file.
    pub(crate) offsets: Vec<u64>,
    /// Offsets in the file of the semaphores, or 0.
    pub(crate) semaphores: Vec<u64>,
    /// What `bpf_get_attach_cookie` gives.
    pub(crate) cookies: Vec<u64>,
}

/// `BPF_LINK_CREATE` of a `uprobe_multi` link. `pid` 0 means every process; -1 asks what
/// [`crate::Features`] wants to know.
pub(crate) fn link_uprobe_multi(
    program: BorrowedFd<'_>,
    path: &CStr,
    sites: &Sites,
    pid: i32,
    ret: bool,
) -> Result<OwnedFd> {
    #[repr(C)]
    #[derive(Default)]
    struct Attr {
        prog_fd: u32,
        target_fd: u32,
        attach_type: u32,
        flags: u32,
        path: u64,
        offsets: u64,
        ref_ctr_offsets: u64,
        cookies: u64,
        cnt: u32,
        multi_flags: u32,
        pid: u32,
        padding: u32,
    }
    let count = sites.offsets.len();
    if sites.semaphores.len() != count || sites.cookies.len() != count {
        return Err(Error::from_raw_os_error(libc::EINVAL));
    }
    let mut attr = Attr {
        prog_fd: program.as_raw_fd() as u32,
        attach_type: TRACE_UPROBE_MULTI,
        path: path.as_ptr() as u64,
        offsets: sites.offsets.as_ptr() as u64,
        ref_ctr_offsets: sites.semaphores.as_ptr() as u64,
        cookies: sites.cookies.as_ptr() as u64,
        cnt: u32::try_from(count).map_err(|_| Error::from_raw_os_error(libc::E2BIG))?,
        multi_flags: if ret { UPROBE_MULTI_RETURN } else { 0 },
        pid: pid as u32,
        ..Attr::default()
    };
    // SAFETY: the path is terminated and the three vectors have `cnt` entries; all are borrowed for the call.
    unsafe { bpf_fd(Command::LinkCreate, &mut attr) }
}

/// `BPF_LINK_CREATE` of a program to a perf event, with a cookie (Linux 5.15).
pub(crate) fn link_perf_event(
    program: BorrowedFd<'_>,
    event: BorrowedFd<'_>,
    cookie: u64,
) -> Result<OwnedFd> {
    #[repr(C)]
    struct Attr {
        prog_fd: u32,
        target_fd: u32,
        attach_type: u32,
        flags: u32,
        bpf_cookie: u64,
    }
    let mut attr = Attr {
        prog_fd: program.as_raw_fd() as u32,
        target_fd: event.as_raw_fd() as u32,
        attach_type: PERF_EVENT,
        flags: 0,
        bpf_cookie: cookie,
    };
    // SAFETY: the attribute has no addresses.
    unsafe { bpf_fd(Command::LinkCreate, &mut attr) }
}

/// `BPF_PROG_TEST_RUN` without data and without context; gives what the program returned.
pub(crate) fn test_run(program: BorrowedFd<'_>) -> Result<u32> {
    #[repr(C)]
    #[derive(Default)]
    struct Attr {
        prog_fd: u32,
        retval: u32,
        data_size_in: u32,
        data_size_out: u32,
        data_in: u64,
        data_out: u64,
        repeat: u32,
        duration: u32,
        ctx_size_in: u32,
        ctx_size_out: u32,
        ctx_in: u64,
        ctx_out: u64,
        flags: u32,
        cpu: u32,
    }
    let mut attr = Attr { prog_fd: program.as_raw_fd() as u32, ..Attr::default() };
    // SAFETY: all addresses are null and their sizes 0.
    unsafe { bpf(Command::TestRun, &mut attr) }?;
    Ok(attr.retval)
}

/// `recursion_misses` of `struct bpf_prog_info` (Linux 5.12; 0 before): runs that the kernel skipped.
pub(crate) fn recursion_misses(program: BorrowedFd<'_>) -> Result<u64> {
    /// Offset of the field, as linux/bpf.h has had it since it came.
    const OFFSET: usize = 208;
    #[repr(C)]
    struct Attr {
        bpf_fd: u32,
        info_len: u32,
        info: u64,
    }
    let mut info = [0u64; (OFFSET + 8) / 8];
    let mut attr = Attr {
        bpf_fd: program.as_raw_fd() as u32,
        info_len: size_of_val(&info) as u32,
        info: info.as_mut_ptr() as u64,
    };
    // SAFETY: the kernel writes at most `info_len` bytes, which `info` has; its inner addresses are null.
    unsafe { bpf(Command::ObjectInfo, &mut attr) }?;
    Ok(info[OFFSET / 8])
}
