//! A running tracer: ours or a peer, which take the same scripts.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::command::output;

/// A program that takes bpftrace scripts.
#[derive(Clone, Debug)]
pub(crate) struct Tracer {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
}

impl Tracer {
    pub(crate) fn stapes(program: &Path) -> Tracer {
        Tracer { name: "stapes".to_owned(), program: program.to_owned() }
    }

    /// Starts it with a script; its output is read by a thread so that it never waits for us.
    pub(crate) fn start(&self, script: &str) -> anyhow::Result<Running> {
        // bpftrace 0.17 wants to lock memory.
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -l unlimited 2>/dev/null; exec \"$@\"", "sh"])
            .arg(&self.program)
            .args(["-e", script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        let (first, first_output) = mpsc::channel();
        let out = read(child.stdout.take().context("no output")?, Some(first));
        let errors = read(child.stderr.take().context("no errors")?, None);
        Ok(Running { child, out, errors, first_output, name: self.name.clone() })
    }
}

/// Reads everything in a thread, and says when the first line came that the script itself printed.
fn read(pipe: impl Read + Send + 'static, first: Option<mpsc::Sender<Instant>>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let (mut pipe, mut text, mut first) = (BufReader::new(pipe), Vec::new(), first);
        loop {
            let start = text.len();
            match pipe.read_until(b'\n', &mut text) {
                // What was read before an error still counts.
                Ok(0) | Err(_) => return text,
                // bpftrace before 0.24 says on standard output what it is about to do.
                Ok(_) if text[start..].starts_with(b"Attaching") => {}
                Ok(_) => {
                    if let Some(first) = first.take() {
                        // Nobody need be waiting.
                        let _ = first.send(Instant::now());
                    }
                }
            }
        }
    })
}

/// A tracer at work.
pub(crate) struct Running {
    child: Child,
    out: JoinHandle<Vec<u8>>,
    errors: JoinHandle<Vec<u8>>,
    first_output: mpsc::Receiver<Instant>,
    name: String,
}

/// What a tracer left behind.
pub(crate) struct Ended {
    pub(crate) out: String,
    pub(crate) errors: String,
    /// From the interrupt to the end.
    pub(crate) took: Duration,
}

impl Running {
    /// The greatest resident memory so far, in KiB (`VmHWM` of proc(5)).
    pub(crate) fn peak_memory(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).context("no VmHWM")?;
        line.trim().trim_end_matches(" kB").parse().context("VmHWM is not a number")
    }

    /// When the script first printed something.
    pub(crate) fn first_output(&self, within: Duration) -> anyhow::Result<Instant> {
        self.first_output.recv_timeout(within).with_context(|| format!("{} printed nothing", self.name))
    }

    /// Interrupts it and waits for its end, which may take long where detaching does.
    pub(crate) fn interrupt(mut self) -> anyhow::Result<Ended> {
        let start = Instant::now();
        output(Command::new("kill").args(["-INT", &self.child.id().to_string()]))?;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if start.elapsed() > Duration::from_secs(180) {
                self.child.kill()?;
                bail!("{} did not end", self.name);
            }
            std::thread::sleep(Duration::from_micros(200));
        };
        let took = start.elapsed();
        let text = |thread: JoinHandle<Vec<u8>>| {
            String::from_utf8_lossy(&thread.join().unwrap_or_default()).into_owned()
        };
        let (out, errors) = (text(self.out), text(self.errors));
        if !status.success() {
            bail!("{}: {status}\n{errors}", self.name);
        }
        Ok(Ended { out, errors, took })
    }
}

/// The bpftrace in `$PATH`, if there is one.
pub(crate) fn installed_bpftrace() -> Option<Tracer> {
    bpftrace(Path::new("bpftrace"))
}

/// A bpftrace with its version as its name.
pub(crate) fn bpftrace(program: &Path) -> Option<Tracer> {
    let version = output(Command::new(program).arg("--version")).ok()?.stdout;
    let name = String::from_utf8_lossy(&version).trim().replace("bpftrace v", "bpftrace ");
    Some(Tracer { name, program: program.to_owned() })
}
