//! SIGINT, SIGTERM and SIGHUP: the first asks for the end, the second is the end.
//!
//! A terminal that is gone is no reason to lose what was counted; where SIGHUP is ignored (nohup), it stays so.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// The signals that end a run, caught from its creation on.
#[derive(Debug)]
pub struct Signals {
    caught: Arc<AtomicBool>,
    wake: UnixStream,
}

impl Signals {
    /// Catches them. A second one ends the process at once, with the status that a shell gives to
    /// a process that the signal killed; the kernel then detaches everything.
    pub fn catch() -> io::Result<Self> {
        let caught = Arc::new(AtomicBool::new(false));
        let (wake, writer) = UnixStream::pair()?;
        let hangup = (!ignores_hangup()).then_some(SIGHUP);
        for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
            // In this order: the first signal finds the flag down, and puts it up.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&caught))?;
            flag::register(signal, Arc::clone(&caught))?;
            low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        wake.set_nonblocking(true)?;
        Ok(Signals { caught, wake })
    }

    /// Whether one was caught.
    pub fn caught(&self) -> bool {
        let caught = self.caught.load(Ordering::Relaxed);
        if caught {
            // Nothing to do if there is nothing to read: the flag is what counts.
            let _ = (&self.wake).read(&mut [0; 16]);
        }
        caught
    }
}

impl AsFd for Signals {
    /// Readable when a signal was caught.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// Whether the process was started with SIGHUP ignored: the lowest bit of `SigIgn` (proc(5)).
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).is_some_and(|bits| bits & 1 != 0)
}
