//! The system calls that `libc` has only as unsafe functions, each behind a safe one.

mod dl;
mod map;
mod memfd;

use std::ptr::{self, NonNull};

pub(crate) use dl::{Library, open_library};
pub(crate) use map::{Mapping, page_size};
pub(crate) use memfd::{create_memfd, seal};

/// Announces that this process will use [`membarrier`]; whether it can.
pub(crate) fn register_membarrier() -> bool {
    membarrier_command(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) && membarrier()
}

/// A memory barrier on every CPU that runs a thread of this process: membarrier(2). False if there was none.
pub(crate) fn membarrier() -> bool {
    membarrier_command(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
}

fn membarrier_command(command: i32) -> bool {
    // SAFETY: membarrier takes no pointers.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// The calling thread's number: gettid(2), never 0.
pub(crate) fn thread_id() -> u32 {
    // SAFETY: gettid takes nothing.
    unsafe { libc::syscall(libc::SYS_gettid) as u32 }
}

/// Whether this process has no thread of that number: tgkill(2) with no signal.
pub(crate) fn is_gone(thread: u32) -> bool {
    // SAFETY: neither call takes pointers, and signal 0 is only a question.
    let answer = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, 0) };
    answer < 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
}

/// Memory of zeros that is never given back: mmap(2), so that signal handlers may ask for it.
pub(crate) fn zeroed(bytes: usize) -> Option<NonNull<u8>> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at an address that the kernel chooses touches nothing that exists.
    let start = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED { None } else { NonNull::new(start.cast()) }
}

/// Has the C library call these around each fork: pthread_atfork(3). Without memory for that it does not.
pub(crate) fn at_fork(before: extern "C" fn(), in_parent: extern "C" fn(), in_child: extern "C" fn()) {
    // SAFETY: the functions are always there; a shared library that is unloaded takes its handlers with it.
    unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
}

/// Has the C library call this at a normal exit: atexit(3).
pub(crate) fn at_exit(call: extern "C" fn()) {
    // SAFETY: as for `at_fork`.
    unsafe { libc::atexit(call) };
}
