//! The system calls that `libc` has only as unsafe functions, each behind a safe one.

mod dl;
mod map;
mod memfd;

pub(crate) use dl::{Library, open_library};
pub(crate) use map::{Mapping, page_size};
pub(crate) use memfd::{create_memfd, seal};

/// Announces that this process will use [`membarrier`]; whether it can.
pub(crate) fn register_membarrier() -> bool {
    membarrier_command(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
        // Registered once is registered for the whole life of the process.
        && membarrier_command(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
}

/// A memory barrier on every CPU that runs a thread of this process: membarrier(2).
pub(crate) fn membarrier() {
    membarrier_command(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

fn membarrier_command(command: i32) -> bool {
    // SAFETY: membarrier takes no pointers.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}
