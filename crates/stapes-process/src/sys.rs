//! fork, execve, ptrace and waitpid: the crate's only `unsafe`.

#![allow(unsafe_code, reason = "this is the crate's one place for system calls")]

use std::ffi::CString;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

/// The instruction that stops a program.
#[cfg(target_arch = "x86_64")]
pub(crate) const BREAKPOINT: [u8; 1] = [0xcc]; // int3
/// The instruction that stops a program.
#[cfg(target_arch = "aarch64")]
pub(crate) const BREAKPOINT: [u8; 4] = [0, 0, 0x20, 0xd4]; // brk #0

/// What waitpid(2) says of a traced child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It has ended; the status as waitpid(2) gives it.
    Ended(i32),
    /// It is at the end of execve(2).
    Exec,
    /// A signal is about to be delivered.
    Signal(i32),
    /// It was stopped by a stopping signal, as by job control.
    Group,
    /// Something else of ptrace's.
    Other,
}

/// A child that waits to be told to execute its command.
#[derive(Debug)]
pub(crate) struct Started {
    go: File,
    error: File,
}

impl Started {
    /// Tells it to.
    pub(crate) fn go(&mut self) -> Result<()> {
        self.go.write_all(&[1])
    }

    /// Why it could not; for a child that has ended.
    pub(crate) fn error(&mut self) -> Option<Error> {
        let mut errno = [0; 4];
        self.error.read_exact(&mut errno).ok()?;
        Some(Error::from_raw_os_error(i32::from_ne_bytes(errno)))
    }
}

/// Forks a child that waits for [`Started::go`] and then executes the first of `candidates` that can be,
/// with `words` as its arguments.
///
/// If the other end is closed instead, the child exits.
pub(crate) fn fork_to_execute(candidates: &[CString], words: &[CString]) -> Result<(Started, u32)> {
    let (go_here, go_there) = pipe()?;
    let (error_here, error_there) = pipe()?;
    let mut argv: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
    argv.push(ptr::null());
    // SAFETY: the child calls only functions that signal-safety(7) allows, and allocates nothing.
    match unsafe { libc::fork() } {
        -1 => Err(Error::last_os_error()),
        0 => {
            // SAFETY: we are the child of a fork; `argv` ends with a null pointer and, like the paths, was
            // made before it.
            unsafe { execute(&go_here, &go_there, &error_there, candidates, &argv) }
        }
        pid => {
            let started = Started { go: go_there.into(), error: error_here.into() };
            Ok((started, pid as u32))
        }
    }
}

/// The child's side.
///
/// # Safety
/// To be called in the child of a fork; `argv` ends with a null pointer.
unsafe fn execute(
    go: &OwnedFd,
    other_end: &OwnedFd,
    error: &OwnedFd,
    candidates: &[CString],
    argv: &[*const libc::c_char],
) -> ! {
    let mut byte = 0u8;
    // SAFETY: the descriptors are open; buffers are as long as said; sets and arguments are valid; _exit
    // does not return.
    unsafe {
        // Else we would never see that the tracer is gone.
        libc::close(other_end.as_raw_fd());
        let read = loop {
            let read = libc::read(go.as_raw_fd(), ptr::from_mut(&mut byte).cast(), 1);
            if read >= 0 || *libc::__errno_location() != libc::EINTR {
                break read;
            }
        };
        if read != 1 {
            libc::_exit(127);
        }
        // Rust programs ignore SIGPIPE; what they start should not.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
        let mut errno = libc::ENOENT;
        for path in candidates {
            libc::execv(path.as_ptr(), argv.as_ptr());
            // As execvp(3): what is not there is passed over; what may not be executed too, but is told in
            // the end.
            match *libc::__errno_location() {
                libc::ENOENT | libc::ENOTDIR => {}
                libc::EACCES => errno = libc::EACCES,
                other => {
                    errno = other;
                    break;
                }
            }
        }
        libc::write(error.as_raw_fd(), ptr::from_ref(&errno).cast(), 4);
        libc::_exit(127)
    }
}

/// A pipe whose ends close on exec: the one to read from, the one to write to.
fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: there is room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: the kernel has just made these descriptors for us and nobody else knows them.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// A descriptor for the process, readable when it has exited (Linux 5.3).
pub(crate) fn pidfd(pid: u32) -> Result<OwnedFd> {
    // SAFETY: the call takes numbers only; its result is a new descriptor, close-on-exec.
    unsafe {
        match libc::syscall(libc::SYS_pidfd_open, pid, 0) {
            -1 => Err(Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd as i32)),
        }
    }
}

/// A request of ptrace(2) whose data is a number.
fn request(request: libc::c_uint, pid: u32, address: usize, data: usize) -> Result<()> {
    // SAFETY: no request made here takes a pointer of ours.
    let result = unsafe { libc::ptrace(request as _, pid as libc::pid_t, address, data) };
    if result == -1 { Err(Error::last_os_error()) } else { Ok(()) }
}

/// `PTRACE_SEIZE`: stops at exec, dies with us.
pub(crate) fn seize(pid: u32) -> Result<()> {
    let options = libc::PTRACE_O_TRACEEXEC | libc::PTRACE_O_EXITKILL;
    request(libc::PTRACE_SEIZE as _, pid, 0, options as usize)
}

/// `PTRACE_CONT`, delivering a signal unless it is 0.
pub(crate) fn go_on(pid: u32, signal: i32) -> Result<()> {
    request(libc::PTRACE_CONT as _, pid, 0, signal as usize)
}

/// `PTRACE_LISTEN`: leaves it stopped, as job control wants, but hears when it is continued.
pub(crate) fn listen(pid: u32) -> Result<()> {
    request(libc::PTRACE_LISTEN as _, pid, 0, 0)
}

/// `PTRACE_DETACH`.
pub(crate) fn detach(pid: u32) -> Result<()> {
    request(libc::PTRACE_DETACH as _, pid, 0, 0)
}

/// Offset of `rip` in x86-64's `struct user`; 32-bit programs have their `eip` there too.
#[cfg(target_arch = "x86_64")]
const RIP: usize = 16 * 8;

/// Whether a stopped child has just executed a breakpoint at `address`.
#[cfg(target_arch = "x86_64")]
pub(crate) fn stopped_behind_breakpoint(pid: u32, address: u64) -> bool {
    // SAFETY: the request takes no pointer; the C library returns the word.
    let rip = unsafe { libc::ptrace(libc::PTRACE_PEEKUSER, pid as libc::pid_t, RIP, 0) };
    rip as u64 == address + BREAKPOINT.len() as u64
}

/// Lets a stopped child go on at `address`.
#[cfg(target_arch = "x86_64")]
pub(crate) fn set_instruction_pointer(pid: u32, address: u64) -> Result<()> {
    request(libc::PTRACE_POKEUSER as _, pid, RIP, address as usize)
}

/// Whether a stopped child has just executed a breakpoint at `address`.
///
/// Nothing else can raise SIGTRAP in a program that has not begun.
#[cfg(target_arch = "aarch64")]
pub(crate) fn stopped_behind_breakpoint(_pid: u32, _address: u64) -> bool {
    true
}

/// Lets a stopped child go on at `address`: `brk` leaves the program counter at itself.
#[cfg(target_arch = "aarch64")]
pub(crate) fn set_instruction_pointer(_pid: u32, _address: u64) -> Result<()> {
    Ok(())
}

/// kill(2).
pub(crate) fn kill(pid: u32, signal: i32) -> Result<()> {
    // SAFETY: the call takes numbers only.
    let result = unsafe { libc::kill(pid as libc::pid_t, signal) };
    if result == -1 { Err(Error::last_os_error()) } else { Ok(()) }
}

/// waitpid(2); without `block`, `None` if there is nothing to say.
pub(crate) fn wait(pid: u32, block: bool) -> Result<Option<Stop>> {
    let flags = libc::__WALL | if block { 0 } else { libc::WNOHANG };
    let mut status = 0;
    loop {
        // SAFETY: `status` is writable.
        match unsafe { libc::waitpid(pid as libc::pid_t, &mut status, flags) } {
            -1 => {
                let error = Error::last_os_error();
                if error.kind() != ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            0 => return Ok(None),
            _ => return Ok(Some(stop(status))),
        }
    }
}

/// Sorts out a status of waitpid(2) for a seized child, as ptrace(2) explains.
fn stop(status: i32) -> Stop {
    if !libc::WIFSTOPPED(status) {
        return Stop::Ended(status);
    }
    let signal = libc::WSTOPSIG(status);
    match status >> 16 {
        libc::PTRACE_EVENT_EXEC => Stop::Exec,
        libc::PTRACE_EVENT_STOP if signal != libc::SIGTRAP => Stop::Group,
        0 => Stop::Signal(signal),
        _ => Stop::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::{Stop, stop};

    /// The numbers are those of ptrace(2) and wait(2).
    #[test]
    fn statuses() {
        assert_eq!(stop(3 << 8), Stop::Ended(3 << 8));
        assert_eq!(stop(9), Stop::Ended(9));
        assert_eq!(stop(4 << 16 | 5 << 8 | 0x7f), Stop::Exec);
        assert_eq!(stop(10 << 8 | 0x7f), Stop::Signal(10));
        assert_eq!(stop(128 << 16 | 19 << 8 | 0x7f), Stop::Group);
        assert_eq!(stop(128 << 16 | 5 << 8 | 0x7f), Stop::Other);
    }
}
