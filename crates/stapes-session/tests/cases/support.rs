//! What the cases share: compiled targets, running targets, and skipping.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Says that a test could not run here, and why, past the test harness's capture.
pub(crate) fn skip(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skip {test}: {reason}");
}

/// Whether C programs with probes can be compiled; else says so for the test.
pub(crate) fn can_compile(test: &str) -> bool {
    let probe =
        Command::new("sh").args(["-c", "echo '#include <sys/sdt.h>' | gcc -fsyntax-only -x c -"]).output();
    let can = probe.is_ok_and(|o| o.status.success());
    if !can {
        skip(test, "gcc or sys/sdt.h is not here");
    }
    can
}

/// Compiles C into `folder/name`.
pub(crate) fn compile(folder: &Path, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let file = folder.join(format!("{name}.c"));
    let program = folder.join(name);
    std::fs::write(&file, source).unwrap();
    let output =
        Command::new("gcc").args(["-O2", "-g0", "-o"]).arg(&program).arg(&file).args(flags).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}

/// A running target; ended with the value.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts a command and waits until it says `ready`.
    pub(crate) fn start(command: &mut Command) -> Running {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "{command:?}");
        Running { child }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
