//! The rest: what the kernel is, limits of this process, the `uprobe` system call.

use std::io::{Error, Result};

/// The running kernel's version, from uname(2); (0, 0) if it cannot be read.
pub(crate) fn kernel_version() -> (u32, u32) {
    // SAFETY: all bytes zero is a valid utsname.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: `name` is writable and of the right type.
    if unsafe { libc::uname(&mut name) } != 0 {
        return (0, 0);
    }
    let release: String = name.release.iter().take_while(|&&c| c != 0).map(|&c| c as u8 as char).collect();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Lifts the limit on locked memory, which kernels before 5.11 charge maps and programs to.
pub(crate) fn lift_memlock_limit() -> Result<()> {
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the structure is valid and only read.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) };
    if result < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}

/// Raises the soft limit on descriptors to the hard one if `count` more would not fit.
///
/// Only then, as programs that we start later inherit it. If it fails, opening will, and says why.
pub(crate) fn allow_descriptors(count: usize) {
    /// What this process has open besides.
    const OTHERS: u64 = 128;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is valid and writable.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } == 0
        && limit.rlim_cur < (count as u64).saturating_add(OTHERS)
    {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: the structure is valid and only read.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    }
}

/// The errno with which the `uprobe` system call (x86-64's number 336) answers one who calls it from
/// outside a trampoline.
#[cfg(target_arch = "x86_64")]
pub(crate) fn uprobe_call() -> Option<i32> {
    // SAFETY: outside a trampoline the call does nothing but return an error.
    let result = unsafe { libc::syscall(336) };
    if result < 0 { Error::last_os_error().raw_os_error() } else { None }
}

/// Only x86-64 has the `uprobe` system call.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn uprobe_call() -> Option<i32> {
    Some(libc::ENOSYS)
}
