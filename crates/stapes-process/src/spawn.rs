//! Starting a command and holding it before its first instruction, or before its own first one.
//!
//! # Method
//! We fork. The child waits at a pipe until we have seized it (`PTRACE_SEIZE`) with the options `TRACEEXEC`
//! and `EXITKILL`, then executes the command. The kernel stops it at the end of execve(2), before a single
//! instruction of the new program: probes can be attached to its file now, but of its libraries only the
//! dynamic linker is mapped. [`Until::Entry`] lets it go on to the program's entry point (`AT_ENTRY` of its
//! auxiliary vector): the dynamic linker has then mapped and relocated the libraries and write-protected
//! RELRO (and glibc's has called their constructors); of the program itself nothing has run. The stop there
//! is a breakpoint written through `/proc/PID/mem`, taken out before anything else runs.
//!
//! Seizing rather than `PTRACE_TRACEME`, because with it a signal that arrives between fork and exec is
//! told apart from the stop we wait for, and a job-control stop is not confused with either. Signals pass
//! through to the child unchanged.
//!
//! # Rules
//! - The kernel takes ptrace requests for a child only from the *thread* that seized it. [`Spawned`]
//!   therefore cannot be sent to another thread.
//! - Until [`Spawned::resume`] the child dies with us (`EXITKILL`), since nobody else could ever let it go
//!   on; after that it is a child like any other and outlives us.
//! - A set-user-id program runs without its privileges if it is traced by somebody without them, as under
//!   any ptracer.

use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use crate::sys::{self, Stop};

/// How to start a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpawnOptions {
    /// Where to hold it.
    pub until: Until,
}

/// Where a command is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// At the end of execve(2): no instruction of it has run.
    #[default]
    Exec,
    /// At the program's entry point: the dynamic linker has done its work. A static program has run nothing
    /// yet.
    Entry,
}

/// A command that was started.
#[derive(Debug)]
pub struct Spawned {
    pid: u32,
    state: State,
    /// Readable once the process has exited.
    exit: OwnedFd,
    /// ptrace belongs to a thread.
    _not_send: PhantomData<*const ()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Held,
    Running,
    Exited(ExitStatus),
}

/// Why a command could not be started.
#[derive(Debug)]
pub enum SpawnError {
    /// There is no command.
    Empty,
    /// The command, its name given, could not be executed: not found, not executable.
    Execute(String, io::Error),
    /// A call failed that should not: its name and why.
    Call(&'static str, io::Error),
    /// The command ended before the place where it should be held.
    Ended(String, ExitStatus),
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpawnError::Empty => f.write_str("no command was given"),
            SpawnError::Execute(name, e) if e.raw_os_error() == Some(libc::ENOENT) => {
                write!(f, "command `{name}` not found")
            }
            SpawnError::Execute(name, e) => write!(f, "command `{name}` cannot be executed: {e}"),
            SpawnError::Call(call, e) => write!(f, "{call} of a new process: {e}"),
            SpawnError::Ended(name, status) => write!(f, "command `{name}` ended before it began: {status}"),
        }
    }
}

impl std::error::Error for SpawnError {}

impl Spawned {
    /// Starts a command and holds it. Its first word is looked for in `$PATH` if it has no slash;
    /// environment, working folder and open files are ours.
    ///
    /// # Errors
    /// No command, not found, not executable; ptrace forbidden; the command ended at once.
    pub fn start<S: AsRef<OsStr>>(argv: &[S], options: &SpawnOptions) -> Result<Spawned, SpawnError> {
        let first = argv.first().ok_or(SpawnError::Empty)?.as_ref();
        let name = first.to_string_lossy().into_owned();
        let invalid = |e: std::ffi::NulError| SpawnError::Execute(name.clone(), e.into());
        let words = argv
            .iter()
            .map(|word| CString::new(word.as_ref().as_bytes()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(invalid)?;
        let path = std::env::var_os("PATH");
        let candidates = candidates(first, path.as_deref()).map_err(invalid)?;

        let (mut started, pid) =
            sys::fork_to_execute(&candidates, &words).map_err(|e| SpawnError::Call("fork", e))?;
        let exit = match sys::pidfd(pid) {
            Ok(exit) => exit,
            Err(e) => {
                // It ends by itself, as nobody will tell it to go.
                drop(started);
                let _ = sys::wait(pid, true);
                return Err(SpawnError::Call("pidfd_open", e));
            }
        };
        let mut spawned = Spawned { pid, state: State::Held, exit, _not_send: PhantomData };
        sys::seize(pid).map_err(|e| SpawnError::Call("PTRACE_SEIZE", e))?;
        started.go().map_err(|e| SpawnError::Call("write", e))?;
        match spawned.run_to(Stop::Exec, None) {
            Err(SpawnError::Ended(_, status)) => match started.error() {
                Some(e) => return Err(SpawnError::Execute(name, e)),
                None => return Err(SpawnError::Ended(name, status)),
            },
            other => other?,
        }
        if options.until == Until::Entry {
            match spawned.run_to_entry() {
                Err(SpawnError::Ended(_, status)) => return Err(SpawnError::Ended(name, status)),
                other => other?,
            }
        }
        Ok(spawned)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets the command run, untraced from now on. Does nothing if it was let go before.
    pub fn resume(&mut self) -> io::Result<()> {
        if self.state == State::Held {
            self.state = State::Running;
            match sys::detach(self.pid) {
                // Somebody has killed it; waiting will tell.
                Err(e) if e.raw_os_error() == Some(libc::ESRCH) => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// A descriptor that becomes readable when the command has exited.
    pub fn exit_fd(&self) -> BorrowedFd<'_> {
        self.exit.as_fd()
    }

    /// How the command ended, if it has.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.reap(false)
    }

    /// Waits for the command to end. A command that is still held is let go first.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.resume()?;
        loop {
            if let Some(status) = self.reap(true)? {
                return Ok(status);
            }
        }
    }

    /// Sends a signal to the command; nothing once its end was seen.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        match self.state {
            State::Exited(_) => Ok(()),
            _ => sys::kill(self.pid, signal),
        }
    }

    fn reap(&mut self, block: bool) -> io::Result<Option<ExitStatus>> {
        if let State::Exited(status) = self.state {
            return Ok(Some(status));
        }
        match sys::wait(self.pid, block)? {
            Some(Stop::Ended(status)) => {
                let status = ExitStatus::from_raw(status);
                self.state = State::Exited(status);
                Ok(Some(status))
            }
            _ => Ok(None),
        }
    }

    /// Lets the child run until it stops as wanted (at the address `at`, if one is given); signals are
    /// passed on.
    fn run_to(&mut self, wanted: Stop, at: Option<u64>) -> Result<(), SpawnError> {
        loop {
            let stop = sys::wait(self.pid, true).map_err(|e| SpawnError::Call("waitpid", e))?;
            let Some(stop) = stop else { continue };
            let here = || at.is_none_or(|at| sys::stopped_behind_breakpoint(self.pid, at));
            if stop == wanted && here() {
                return Ok(());
            }
            let passed_on = match stop {
                Stop::Ended(status) => {
                    let status = ExitStatus::from_raw(status);
                    self.state = State::Exited(status);
                    return Err(SpawnError::Ended(String::new(), status));
                }
                Stop::Group => sys::listen(self.pid),
                Stop::Signal(signal) => sys::go_on(self.pid, signal),
                Stop::Exec | Stop::Other => sys::go_on(self.pid, 0),
            };
            passed_on.map_err(|e| SpawnError::Call("PTRACE_CONT", e))?;
        }
    }

    /// From the stop at exec to the entry point.
    fn run_to_entry(&mut self) -> Result<(), SpawnError> {
        let call = |name| move |e| SpawnError::Call(name, e);
        let entry = entry_point(self.pid).map_err(call("reading the auxiliary vector"))?;
        let memory = OpenOptions::new()
            .read(true)
            .write(true)
            .open(format!("/proc/{}/mem", self.pid))
            .map_err(call("opening the memory"))?;
        let mut original = [0; sys::BREAKPOINT.len()];
        memory.read_exact_at(&mut original, entry).map_err(call("reading the memory"))?;
        memory.write_all_at(&sys::BREAKPOINT, entry).map_err(call("writing the memory"))?;
        sys::go_on(self.pid, 0).map_err(call("PTRACE_CONT"))?;
        self.run_to(Stop::Signal(libc::SIGTRAP), Some(entry))?;
        memory.write_all_at(&original, entry).map_err(call("writing the memory"))?;
        sys::set_instruction_pointer(self.pid, entry).map_err(call("PTRACE_POKEUSER"))
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        // Nobody can let go a held child any more.
        if self.state == State::Held && sys::kill(self.pid, libc::SIGKILL).is_ok() {
            while let Ok(None) = self.reap(true) {}
        }
    }
}

/// The files to try for a command, as execvp(3) does.
fn candidates(command: &OsStr, path: Option<&OsStr>) -> Result<Vec<CString>, std::ffi::NulError> {
    let path = match path {
        _ if command.as_bytes().contains(&b'/') => return Ok(vec![CString::new(command.as_bytes())?]),
        Some(path) => path.as_bytes(),
        None => b"/bin:/usr/bin",
    };
    path.split(|b| *b == b':')
        .map(|folder| {
            let folder = if folder.is_empty() { OsStr::new(".") } else { OsStr::from_bytes(folder) };
            CString::new(OsString::from(Path::new(folder).join(command)).into_vec())
        })
        .collect()
}

/// The address of the program's entry point: `AT_ENTRY` of the auxiliary vector (getauxval(3)).
fn entry_point(pid: u32) -> io::Result<u64> {
    const AT_ENTRY: u64 = 9;
    let mut class = [0; 5];
    File::open(format!("/proc/{pid}/exe"))?.read_exact(&mut class)?;
    // EI_CLASS tells how wide the vector's words are.
    let width = if class[4] == 1 { 4 } else { 8 };
    let vector = fs::read(format!("/proc/{pid}/auxv"))?;
    find_in_vector(&vector, width, AT_ENTRY)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no entry point in the auxiliary vector"))
}

/// The value of a key in an auxiliary vector with words of `width` bytes, 4 or 8.
fn find_in_vector(vector: &[u8], width: usize, key: u64) -> Option<u64> {
    let word = |bytes: &[u8]| match width {
        4 => Some(u64::from(u32::from_ne_bytes(bytes.try_into().ok()?))),
        _ => Some(u64::from_ne_bytes(bytes.try_into().ok()?)),
    };
    vector.chunks_exact(2 * width).find_map(|pair| {
        let (k, v) = pair.split_at(width);
        if word(k)? == key { word(v) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_looked_for_in_path() {
        let found = |command: &str, path: Option<&str>| {
            let found = candidates(OsStr::new(command), path.map(OsStr::new)).unwrap();
            found.into_iter().map(|c| c.into_string().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(found("ls", Some("/a:/b")), ["/a/ls", "/b/ls"]);
        assert_eq!(found("ls", Some("/a::")), ["/a/ls", "./ls", "./ls"]);
        assert_eq!(found("./ls", Some("/a:/b")), ["./ls"]);
        assert_eq!(found("ls", None), ["/bin/ls", "/usr/bin/ls"]);
    }

    #[test]
    fn auxiliary_vectors_of_both_widths() {
        let wide: Vec<u8> = [6u64, 4096, 9, 0x1234, 0, 0].iter().flat_map(|w| w.to_ne_bytes()).collect();
        assert_eq!(find_in_vector(&wide, 8, 9), Some(0x1234));
        assert_eq!(find_in_vector(&wide, 8, 7), None);
        let narrow: Vec<u8> = [6u32, 4096, 9, 0x1234, 0, 0].iter().flat_map(|w| w.to_ne_bytes()).collect();
        assert_eq!(find_in_vector(&narrow, 4, 9), Some(0x1234));
        assert_eq!(find_in_vector(&narrow[..20], 4, 0), None);
    }
}
