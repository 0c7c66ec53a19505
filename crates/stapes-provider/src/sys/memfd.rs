//! Memory that looks like a file: memfd_create(2).

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// `MFD_NOEXEC_SEAL`: the file's mode has no x bit and can never get one; what is mapped may still be executed.
const NOEXEC_SEAL: u32 = 8;

/// Makes a memfd whose pages may be mapped executable, whatever `vm.memfd_noexec` says.
pub(crate) fn create_memfd(name: &CStr) -> io::Result<File> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    match create(name, flags | NOEXEC_SEAL) {
        // Kernels before 6.3 do not know the flag.
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => create(name, flags),
        other => other,
    }
}

fn create(name: &CStr, flags: u32) -> io::Result<File> {
    // SAFETY: the name is a C string that outlives the call.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor, and nobody else knows it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// Forbids changes of the file's size and content: fcntl(2), `F_ADD_SEALS`.
pub(crate) fn seal(file: &File) {
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    // SAFETY: takes no pointers. Without seals all works as well, so the result does not matter.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) };
}
