//! Tracers, ours and others', attached to a process and listened to line by line.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, build_folder, find_program, root, skip, wait_for};

/// A tracer that takes bpftrace's options and language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bpftrace,
    Stapes,
}

impl Kind {
    pub(crate) const ALL: [Kind; 2] = [Kind::Bpftrace, Kind::Stapes];

    /// Whether it can trace here; else says so for the test.
    pub(crate) fn usable(self, test: &str) -> bool {
        if cfg!(not(target_arch = "x86_64")) {
            skip(test, "emulated programs cannot be traced");
            return false;
        }
        if !root(test) {
            return false;
        }
        match self {
            Kind::Bpftrace if find_program("bpftrace").is_none() => {
                skip(test, "bpftrace is not here");
                false
            }
            Kind::Stapes if !build_folder().join("stapes").exists() => {
                skip(test, "the command stapes is not built; `cargo build --bin stapes` does it");
                false
            }
            _ => true,
        }
    }
}

/// A running tracer.
pub(crate) struct Tracer {
    kind: Kind,
    child: Child,
    lines: Receiver<String>,
}

impl Tracer {
    /// Starts a tracer on one process.
    pub(crate) fn attach(kind: Kind, pid: u32, script: &str) -> Tracer {
        let program = match kind {
            Kind::Bpftrace => "bpftrace".into(),
            Kind::Stapes => build_folder().join("stapes"),
        };
        let mut command = Command::new(program);
        command.args(["-B", "line", "-p", &pid.to_string(), "-e", script]);
        // SAFETY: setrlimit is safe between fork and exec. bpftrace 0.17 raises the limit badly by itself.
        unsafe {
            command.pre_exec(|| {
                let all = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
                libc::setrlimit(libc::RLIMIT_MEMLOCK, &all);
                Ok(())
            });
        }
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let listen = |stream: Box<dyn Read + Send>, keep: fn(&str) -> bool| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok).filter(|l| keep(l)) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        };
        let said = |line: &str| !line.is_empty() && !line.starts_with("Attach");
        listen(Box::new(child.stdout.take().unwrap()), said);
        // bpftrace 0.17 says there, on some machines, that it could not raise a limit that needs no raising.
        listen(Box::new(child.stderr.take().unwrap()), |line| {
            !line.is_empty() && !line.starts_with("Attach") && !line.contains("RLIMIT_MEMLOCK")
        });
        Tracer { kind, child, lines }
    }

    /// Listens until each of the lines has come at least once, and allows no others.
    pub(crate) fn expect(&self, lines: &[&str]) {
        self.expect_while(lines, || {});
    }

    /// The same, doing something again and again meanwhile.
    pub(crate) fn expect_while(&self, lines: &[&str], mut act: impl FnMut()) {
        let expected: BTreeSet<&str> = lines.iter().copied().collect();
        let mut missing = expected.clone();
        let until = Instant::now() + PATIENCE;
        while !missing.is_empty() {
            assert!(Instant::now() < until, "{:?} did not say {missing:?}", self.kind);
            act();
            match self.lines.recv_timeout(Duration::from_millis(5)) {
                Ok(line) => {
                    let line = line.as_str();
                    assert!(
                        expected.contains(line),
                        "{:?} said {line:?}; still missing: {missing:?}",
                        self.kind
                    );
                    missing.remove(line);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("{:?} ended without saying {missing:?}", self.kind)
                }
            }
        }
    }

    /// Detaches as a user would, by an interrupt, and waits until it is done.
    pub(crate) fn stop(mut self) {
        // SAFETY: kill takes no pointers; the child was not waited for, so its number is still its.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGINT) };
        wait_for("the tracer's end", || self.child.try_wait().unwrap());
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Already gone where all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
