//! The processes that a session is about: those of `-p` and the command of `-c`.
//!
//! The run ends when all of them are gone. Until then they are looked after: a library that was loaded meanwhile may
//! have a semaphore that the kernel did not raise ([`Loaded::check_semaphores`]), and stacks need to know what is
//! mapped where. Processes change most just after their start, so the pauses between the looks grow.

use std::os::fd::AsFd;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open, test_kill_process};
use stapes_bpf::Point;
use stapes_kernel::Loaded;

use super::owners::owners;
use crate::symbols::Symbols;

const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The processes that a run ends with, if there are any.
#[derive(Debug)]
pub struct Targets {
    processes: Vec<Watched>,
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
        let watched = |pid: &u32| {
            let id = i32::try_from(*pid).ok().and_then(Pid::from_raw);
            let exit = id.and_then(|id| pidfd_open(id, PidfdFlags::empty()).ok());
            Watched { pid: *pid, exit }
        };
        Targets { processes: pids.iter().map(watched).collect(), next_look: None, pause: FIRST_PAUSE }
    }

    /// Their ids, in the order given.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.processes.iter().map(|p| p.pid)
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

fn has_semaphores(loaded: &Loaded) -> bool {
    loaded
        .object()
        .attachments
        .iter()
        .any(|a| matches!(a.point, Point::Uprobe { semaphore, .. } if semaphore != 0))
}
