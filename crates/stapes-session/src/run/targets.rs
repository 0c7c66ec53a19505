//! The processes that a session is about: those of `-p` and the command of `-c`.
//!
//! The command is held before its first instruction until everything is attached, see [`Spawned`]. It is ours: when the
//! run ends before it does, it is told to end as well.
//!
//! The run ends when all of them are gone. Until then they are looked after: a library that was loaded meanwhile may
//! have a semaphore that the kernel did not raise ([`Loaded::check_semaphores`]), and stacks need to know what is
//! mapped where. Processes change most just after their start, so the pauses between the looks grow.

use std::io;
use std::os::fd::AsFd;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open, test_kill_process};
use signal_hook::consts::{SIGKILL, SIGTERM};
use stapes_bpf::Point;
use stapes_kernel::Loaded;
use stapes_process::{SpawnError, SpawnOptions, Spawned, Until};

use super::owners::owners;
use crate::symbols::Symbols;

/// How long a command may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(2);

/// Commands that live for a millisecond have stacks, too.
const FIRST_PAUSE: Duration = Duration::from_micros(500);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The processes that a run ends with, if there are any.
#[derive(Debug)]
pub struct Targets {
    processes: Vec<Watched>,
    command: Option<Spawned>,
    next_look: Option<Instant>,
    pause: Duration,
}

#[derive(Debug)]
struct Watched {
    pid: u32,
    /// Readable when the process is gone; `None` where the kernel has no such descriptors (before 5.3).
    exit: Option<OwnedFd>,
}

impl Watched {
    fn new(pid: u32) -> Self {
        let id = i32::try_from(pid).ok().and_then(Pid::from_raw);
        Watched { pid, exit: id.and_then(|id| pidfd_open(id, PidfdFlags::empty()).ok()) }
    }

    fn gone(&self) -> bool {
        let Some(exit) = &self.exit else {
            return Pid::from_raw(self.pid as i32).is_none_or(|pid| test_kill_process(pid).is_err());
        };
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(poll(&mut [PollFd::new(exit, PollFlags::IN)], Some(&now)), Ok(1..))
    }
}

impl Targets {
    /// Watches these processes from now on.
    pub fn watch(pids: &[u32]) -> Self {
        Targets {
            processes: pids.iter().map(|pid| Watched::new(*pid)).collect(),
            command: None,
            next_look: None,
            pause: FIRST_PAUSE,
        }
    }

    /// Starts a command, held until the run has attached, and watches it as well.
    ///
    /// # Errors
    /// The command cannot be started.
    pub fn start(&mut self, argv: &[String], until: Until) -> Result<(), SpawnError> {
        let spawned = Spawned::start(argv, &SpawnOptions { until })?;
        self.processes.push(Watched::new(spawned.pid()));
        self.command = Some(spawned);
        Ok(())
    }

    /// Lets the command run.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        self.command.as_mut().map_or(Ok(()), Spawned::resume)
    }

    /// Ends the command if it still runs, and says how it ended.
    pub(super) fn end_command(&mut self) -> Option<ExitStatus> {
        let command = self.command.as_mut()?;
        if let Ok(Some(status)) = command.try_wait() {
            return Some(status);
        }
        for (signal, patience) in [(SIGTERM, PATIENCE), (SIGKILL, Duration::MAX)] {
            // Failing means that it has ended meanwhile.
            let _ = command.signal(signal);
            let until = Instant::now().checked_add(patience);
            let timeout = until.and_then(|_| Timespec::try_from(patience).ok());
            let exit = command.exit_fd();
            let ended = poll(&mut [PollFd::from_borrowed_fd(exit, PollFlags::IN)], timeout.as_ref());
            if matches!(ended, Ok(1..)) {
                break;
            }
        }
        command.wait().ok()
    }

    /// Their ids: those that were given, then the command's.
    pub fn pids(&self) -> Vec<u32> {
        self.processes.iter().map(|p| p.pid).collect()
    }

    /// Whether there were any and none is left.
    pub(super) fn all_gone(&self) -> bool {
        !self.processes.is_empty() && self.processes.iter().all(Watched::gone)
    }

    /// Descriptors that become readable when a process ends. Those that have ended are left out.
    pub(super) fn exits(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.processes.iter().filter(|p| !p.gone()).filter_map(|p| p.exit.as_ref()).map(AsFd::as_fd)
    }

    /// When [`look_after`](Self::look_after) has something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.next_look
    }

    /// Sees to semaphores, and remembers mappings if `symbols` will need them, if it is time for it.
    pub(super) fn look_after(
        &mut self,
        now: Instant,
        loaded: &mut Loaded,
        symbols: &mut Symbols,
        wants_symbols: bool,
    ) -> Vec<String> {
        let mut warnings = Vec::new();
        let semaphores = has_semaphores(loaded);
        let nothing = if self.processes.is_empty() { !wants_symbols } else { !(semaphores || wants_symbols) };
        if nothing {
            return warnings;
        }
        if self.next_look.is_some_and(|next| now < next) {
            return warnings;
        }
        for process in self.processes.iter().filter(|p| !p.gone()) {
            if semaphores {
                warnings.extend(loaded.check_semaphores(process.pid));
            }
            if wants_symbols {
                symbols.remember(process.pid);
            }
        }
        if wants_symbols {
            for pid in owners(loaded) {
                if !symbols.knows(pid) {
                    symbols.remember(pid);
                }
            }
        }
        self.next_look = Some(now + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        warnings
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        // Also where the run failed half-way: nobody else knows of the command.
        self.end_command();
    }
}

fn has_semaphores(loaded: &Loaded) -> bool {
    loaded
        .object()
        .attachments
        .iter()
        .any(|a| matches!(a.point, Point::Uprobe { semaphore, .. } if semaphore != 0))
}
