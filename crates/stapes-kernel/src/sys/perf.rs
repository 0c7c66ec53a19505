//! perf_event_open(2) for uprobes.

use std::ffi::CStr;
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `struct perf_event_attr` of size `PERF_ATTR_SIZE_VER5`; only the fields that uprobes use have names.
#[repr(C)]
#[derive(Default)]
struct Attr {
    kind: u32,
    size: u32,
    config: u64,
    sample: [u64; 3],
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    /// `uprobe_path`.
    config1: u64,
    /// `probe_offset`.
    config2: u64,
    rest: [u64; 5],
}

/// `disabled` in the flags.
const DISABLED: u64 = 1;
/// `PERF_FLAG_FD_CLOEXEC`.
const CLOSE_ON_EXEC: u64 = 1 << 3;
/// `PERF_EVENT_IOC_SET_BPF`.
const SET_BPF: libc::c_ulong = 0x4004_2408;

/// Opens an uprobe event.
///
/// `config` is as the PMU's `format` folder says; `pid` 0 means every process. The event is left disabled:
/// the programs of an uprobe run from registration on, and an event that is not enabled costs nothing at
/// context switches.
pub(crate) fn open_uprobe(kind: u32, config: u64, path: &CStr, offset: u64, pid: u32) -> Result<OwnedFd> {
    let mut attr = Attr {
        kind,
        size: size_of::<Attr>() as u32,
        config,
        flags: DISABLED,
        config1: path.as_ptr() as u64,
        config2: offset,
        ..Attr::default()
    };
    // An event for every process must name a CPU; an uprobe fires on all of them nevertheless.
    let (pid, cpu) = match pid {
        0 => (-1, 0),
        pid => (libc::pid_t::try_from(pid).map_err(|_| Error::from_raw_os_error(libc::ESRCH))?, -1),
    };
    // SAFETY: the attribute is as long as it says; the path is terminated and borrowed for the call.
    let fd = unsafe {
        libc::syscall(libc::SYS_perf_event_open, std::ptr::from_mut(&mut attr), pid, cpu, -1, CLOSE_ON_EXEC)
    };
    if fd < 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Has `program` run at `event` (kernels before 5.15, which have no link for it and no cookie).
pub(crate) fn set_program(event: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: the request takes a descriptor by value.
    let result = unsafe { libc::ioctl(event.as_raw_fd(), SET_BPF as _, program.as_raw_fd()) };
    if result < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}
