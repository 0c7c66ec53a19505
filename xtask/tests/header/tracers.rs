//! What tools find in a program, and what they read while it runs.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::toolchain::{output, run};

/// One note: what readelf prints.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Note {
    pub(super) name: String,
    pub(super) location: u64,
    pub(super) semaphore: u64,
    pub(super) arguments: String,
}

impl Note {
    /// The sizes and signs of the arguments: what stands before each `@`.
    pub(super) fn sizes(&self) -> String {
        let sizes: Vec<&str> =
            self.arguments.split(' ').filter_map(|part| Some(part.split_once('@')?.0)).collect();
        sizes.join(" ")
    }
}

/// The notes of a provider, as readelf reads them.
pub(super) fn notes(file: &Path, provider: &str) -> Vec<Note> {
    let text = run("readelf", ["-nW".as_ref(), file.as_os_str()]);
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
        let mut numbers = places.split([' ', ',']).filter_map(|word| word.strip_prefix("0x"));
        let mut number = || u64::from_str_radix(numbers.next().unwrap(), 16).unwrap();
        let (location, _base, semaphore) = (number(), number(), number());
        notes.push(Note { name, location, semaphore, arguments });
    }
    notes.sort();
    notes
}

/// The sites of a provider that gdb lists, as (name, address).
pub(super) fn gdb_sites(file: &Path, provider: &str) -> BTreeSet<(String, u64)> {
    let text = gdb(file, &[&format!("info probes stap ^{provider}$")]);
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next()? == "stap" && words.next()? == provider).then_some(())?;
            let name = words.next()?.to_owned();
            Some((name, u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?))
        })
        .collect()
}

/// Runs gdb commands on a file.
pub(super) fn gdb(file: &Path, commands: &[&str]) -> String {
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set debuginfod enabled off"]);
    for command in ["set width 0", "set pagination off"].iter().chain(commands) {
        gdb.args(["-ex", command]);
    }
    let output = output(gdb.arg(file));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The probes that `bpftrace -l` lists for a provider.
pub(super) fn bpftrace_probes(file: &Path, provider: &str) -> BTreeSet<String> {
    run("bpftrace", ["-l", &format!("usdt:{}:{provider}:*", file.display())])
        .lines()
        .filter_map(|line| Some(line.trim().rsplit_once(':')?.1.to_owned()))
        .collect()
}

/// bpftrace or `stapes`, running beside the program that it traces. Killed where it is dropped.
pub(super) struct Tracer {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What both tracers print, where this variable is set, once all probes are attached.
const ATTACHED: &str = "__BPFTRACE_NOTIFY_PROBES_ATTACHED";

/// No tool needs as long as that.
const LONG: Duration = Duration::from_secs(60);

impl Tracer {
    /// Starts a tracer with arguments and waits until it has attached.
    pub(super) fn start(tracer: &Path, arguments: &[&str]) -> Tracer {
        let mut child = Command::new(tracer)
            .args(["-q", "-B", "line"])
            .args(arguments)
            .env(ATTACHED, "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        // There bpftrace says that it has attached.
        let attached = sender.clone();
        std::thread::spawn(move || {
            let lines = BufReader::new(stderr).lines().map_while(Result::ok);
            lines.filter(|line| line == ATTACHED).all(|line| attached.send(line).is_ok())
        });
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        let tracer = Tracer { child, lines };
        let end = Instant::now() + LONG;
        while tracer.lines.recv_timeout(end.saturating_duration_since(Instant::now())).expect("attached")
            != ATTACHED
        {}
        tracer
    }

    /// Waits for so many lines, interrupts the tracer, and gives all that it printed, sorted.
    pub(super) fn finish(mut self, expected: usize) -> Vec<String> {
        let end = Instant::now() + LONG;
        let mut lines = Vec::new();
        while lines.len() < expected {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line.is_empty() => {}
                Ok(line) => lines.push(line),
                Err(_) => break,
            }
        }
        // More than once: bpftrace 0.17 misses the signal where it is not waiting.
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "the tracer does not end");
            output(Command::new("kill").args(["-INT", &self.child.id().to_string()]));
            std::thread::sleep(Duration::from_millis(10));
        }
        lines.extend(self.lines.iter().filter(|line| !line.is_empty()));
        lines.sort();
        lines
    }
}
