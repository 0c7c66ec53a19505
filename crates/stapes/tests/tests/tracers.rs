//! What other tools find in a program, and what they read when it runs.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::toolchain::{output, run};

/// One note: what readelf prints.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Note {
    pub(crate) name: String,
    pub(crate) location: u64,
    pub(crate) semaphore: u64,
    pub(crate) arguments: String,
}

/// The notes of a provider, as readelf reads them.
pub(crate) fn notes(file: &Path, provider: &str) -> Vec<Note> {
    let text = run("readelf", [OsArg::from("-nW"), OsArg::from(file)]);
    let mut notes = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if !line.ends_with(&format!("Provider: {provider}")) {
            continue;
        }
        let mut field =
            |name: &str| lines.next().unwrap().trim().strip_prefix(name).unwrap().trim().to_owned();
        let name = field("Name:");
        let places = field("Location:");
        let arguments = field("Arguments:");
        let mut hex =
            places.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(|word| word.strip_prefix("0x"));
        let mut number = || u64::from_str_radix(hex.next().unwrap(), 16).unwrap();
        let (location, _base, semaphore) = (number(), number(), number());
        notes.push(Note { name, location, semaphore, arguments });
    }
    notes.sort();
    notes
}

type OsArg = std::ffi::OsString;

/// The sites of a provider that gdb lists, as (name, address).
pub(crate) fn gdb_sites(file: &Path, provider: &str) -> BTreeSet<(String, u64)> {
    let list = format!("info probes stap ^{provider}$");
    let text = gdb(file, &[&list]);
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next()? == "stap" && words.next()? == provider).then_some(())?;
            let name = words.next()?.to_owned();
            let address = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
            Some((name, address))
        })
        .collect()
}

/// Runs gdb commands on a file.
pub(crate) fn gdb(file: &Path, commands: &[&str]) -> String {
    let mut gdb = Command::new("gdb");
    gdb.args([
        "-nx",
        "-batch",
        "-iex",
        "set debuginfod enabled off",
        "-ex",
        "set width 0",
        "-ex",
        "set pagination off",
    ]);
    for command in commands {
        gdb.args(["-ex", command]);
    }
    let output = output(gdb.arg(file));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The probes that `bpftrace -l` lists for a provider.
pub(crate) fn bpftrace_probes(file: &Path, provider: &str) -> BTreeSet<String> {
    let pattern = format!("usdt:{}:{provider}:*", file.display());
    run("bpftrace", ["-l", &pattern])
        .lines()
        .filter_map(|line| Some(line.trim().rsplit_once(':')?.1.to_owned()))
        .collect()
}

/// The names of a provider's probes that `stapes list` lists.
pub(crate) fn stapes_probes(command: &Path, file: &Path, provider: &str) -> BTreeSet<String> {
    let text = run(command, ["list".as_ref(), file.as_os_str()]);
    let ours = format!(":{provider}:");
    text.lines().filter_map(|line| Some(line.split_once(&ours)?.1.to_owned())).collect()
}

/// A tracer that runs beside the program. Killed if it is dropped.
pub(crate) struct Tracer {
    child: Child,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
    /// Whether it says when it is attached.
    notifies: bool,
}

/// The line that says so, and the variable that asks for it, as newer versions of bpftrace have it.
const NOTIFY: &str = "__BPFTRACE_NOTIFY_PROBES_ATTACHED";

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Tracer {
    /// Starts bpftrace with a script, on all processes.
    pub(crate) fn bpftrace(script: &str) -> Tracer {
        Tracer::start(Command::new("bpftrace").args(["-q", "-B", "line", "-e", script]))
    }

    /// Starts our own command with a script, on all processes.
    pub(crate) fn stapes(command: &Path, script: &str) -> Tracer {
        let mut command = Command::new(command);
        command.env(NOTIFY, "1").args(["-q", "-e", script]);
        let mut tracer = Tracer::start(&mut command);
        tracer.notifies = true;
        tracer
    }

    /// Starts a tracer that prints line by line.
    pub(crate) fn start(command: &mut Command) -> Tracer {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Tracer { child, lines, errors: Some(errors), notifies: false }
    }

    /// Waits for so many lines, interrupts the tracer, and gives all that it printed, sorted.
    pub(crate) fn finish(mut self, expected: usize) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(60);
        let mut lines = Vec::new();
        while lines.len() < expected {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line.is_empty() => {}
                Ok(line) => lines.push(line),
                Err(_) => break,
            }
        }
        // More than once: bpftrace 0.17 misses the signal where it is not waiting.
        wait_until("the tracer ends", || {
            let _ = output(Command::new("kill").args(["-INT", &self.child.id().to_string()]));
            self.child.try_wait().unwrap().is_some()
        });
        lines.extend(self.lines.iter().filter(|line| !line.is_empty()));
        lines.sort();
        if lines.len() < expected {
            lines.push(format!("errors: {}", self.errors.take().unwrap().join().unwrap()));
        }
        lines
    }

    /// Waits until all is attached: the tracer says so, or `check` finds it.
    pub(crate) fn wait_until_attached(&mut self, mut check: impl FnMut() -> bool) {
        if self.notifies {
            let line = self.lines.recv_timeout(Duration::from_secs(60));
            if line.as_deref() != Ok(NOTIFY) {
                panic!("{line:?} instead of {NOTIFY}; {}", self.failure().unwrap_or_default());
            }
        }
        wait_until("somebody listens", || {
            if let Some(failure) = self.failure() {
                panic!("the tracer has ended: {failure}");
            }
            check()
        });
    }

    /// What the tracer complained about, if it has ended.
    fn failure(&mut self) -> Option<String> {
        self.child.try_wait().unwrap()?;
        Some(self.errors.take()?.join().unwrap())
    }
}

/// Waits for a condition, for a minute at most.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}
