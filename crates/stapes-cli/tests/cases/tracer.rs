//! A running `stapes` that traces: started, waited for until it is attached, ended, its output collected.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A `stapes` that was started.
pub(crate) struct Tracer {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: JoinHandle<String>,
}

/// What a `stapes` left behind.
pub(crate) struct Traced {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Tracer {
    /// Starts `stapes` and waits until it says that it is attached.
    pub(crate) fn attached(args: &[&str]) -> Tracer {
        let (mut tracer, lines) = Tracer::start(args);
        let deadline = Instant::now() + PATIENCE;
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.starts_with("Attached ") => return tracer,
                Ok(_) => {}
                Err(_) => {
                    let _ = tracer.child.kill();
                    let traced = tracer.collect();
                    panic!("never attached: {:?}\n{}{}", traced.status, traced.stdout, traced.stderr);
                }
            }
        }
    }

    /// Starts `stapes`; the lines of its standard error come as they are written.
    pub(crate) fn start(args: &[&str]) -> (Tracer, Receiver<String>) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stapes"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let stderr = thread::spawn(move || {
            let mut all = String::new();
            for line in stderr.lines() {
                let line = line.unwrap();
                all += &line;
                all.push('\n');
                // Nobody listens any more once it is attached.
                let _ = sender.send(line);
            }
            all
        });
        let stdout = child.stdout.take();
        (Tracer { child, stdout, stderr }, lines)
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Closes the reading end of its output.
    pub(crate) fn close_output(&mut self) {
        drop(self.stdout.take());
    }

    /// Sends a signal, to nobody if it has ended.
    pub(crate) fn signal_if_alive(&mut self, signal: &str) {
        if !self.has_ended() {
            self.signal(signal);
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// How it ended; waits for that.
    pub(crate) fn status(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Reads one line of standard output, and nothing behind it that has not been written yet.
    pub(crate) fn line(&mut self) -> String {
        let mut line = Vec::new();
        let stdout = self.stdout.as_mut().unwrap();
        let mut byte = [0];
        while stdout.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    /// Whether it has ended by the time that the patience is over.
    pub(crate) fn ends(&mut self) -> bool {
        wait_until(|| self.child.try_wait().unwrap().is_some())
    }

    /// Reads the rest of its output and waits for its end.
    pub(crate) fn collect(mut self) -> Traced {
        let mut bytes = Vec::new();
        if let Some(mut out) = self.stdout.take() {
            out.read_to_end(&mut bytes).unwrap();
        }
        assert!(self.ends(), "it never ends");
        let status = self.child.wait().unwrap();
        let stdout = String::from_utf8_lossy(&bytes).into_owned();
        Traced { status, stdout, stderr: self.stderr.join().unwrap() }
    }

    /// Asks it to end, as the terminal does, and collects.
    pub(crate) fn interrupt(self) -> Traced {
        self.signal("-INT");
        self.collect()
    }
}

impl Traced {
    /// The lines of standard output that say something.
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.stdout.lines().filter(|line| !line.is_empty()).collect()
    }

    /// Its output, when it succeeded.
    pub(crate) fn ok(self) -> Traced {
        assert!(self.status.success(), "{:?}\n{}{}", self.status, self.stdout, self.stderr);
        self
    }
}

/// Runs `stapes` to its end.
pub(crate) fn run(args: &[&str]) -> Traced {
    Tracer::start(args).0.collect()
}

/// Waits for something to become true.
pub(crate) fn wait_until(mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if done() {
            return true;
        }
        thread::sleep(Duration::from_millis(2));
    }
    false
}
