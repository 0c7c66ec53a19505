//! What the cases share: the command, compiled targets, running targets, and skipping.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Where openjdk-17 has its virtual machine, with 531 notes.
pub(crate) const LIBJVM: &str = "/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so";

/// Says that a test could not run here, and why, past the test harness's capture.
pub(crate) fn skip(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skip {test}: {reason}");
}

/// Whether all these programs and files exist; else says so for the test.
pub(crate) fn have(test: &str, needs: &[&str]) -> bool {
    let missing = needs.iter().find(|need| {
        let in_path = || {
            std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
                .any(|p| p.join(need).exists())
        };
        !Path::new(need).exists() && !in_path()
    });
    match missing {
        Some(need) => {
            skip(test, &format!("{need} is not here"));
            false
        }
        None => true,
    }
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

/// Whether this is root; else says so for the test.
pub(crate) fn root(test: &str) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let root = status.lines().any(|l| l.starts_with("Uid:") && l.split_whitespace().nth(2) == Some("0"));
    if !root {
        skip(test, "not root");
    }
    root
}

/// `stapes` with these arguments.
pub(crate) fn stapes<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stapes")).args(args).output().unwrap()
}

/// What `stapes` prints, when it must succeed.
pub(crate) fn stapes_ok<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> String {
    let output = stapes(args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What another command prints, on both streams.
pub(crate) fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Lines of JSON.
pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// A folder that everybody can look into.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
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

/// A program with two probes of the provider `cases`: `plain` with three arguments, and `counted` with a semaphore,
/// which is in two places. It says `ready`, and ends when its standard input does.
pub(crate) const TARGET: &str = r#"
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
#include <stdio.h>
#include <unistd.h>
__attribute__((section(".probes"), used)) volatile unsigned short cases_counted_semaphore;
__attribute__((section(".probes"), used)) volatile unsigned short cases_plain_semaphore;
__attribute__((noinline)) void first(int a, long b, const char *c) {
    STAP_PROBE3(cases, plain, a, b, c);
    if (cases_counted_semaphore) STAP_PROBE1(cases, counted, b);
}
__attribute__((noinline)) void second(short x) { STAP_PROBE1(cases, counted, x); }
int main(int argc, char **argv) {
    first(argc, (long)argc << 40, argv[0]);
    second((short)-argc);
    puts("ready"); fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0) { first(byte, 1, argv[0]); second(byte); }
    return 0;
}
"#;

/// A running target; ended with the value.
pub(crate) struct Running {
    child: Child,
    /// The process that said `ready`: the child, or what it became.
    pub(crate) pid: u32,
}

impl Running {
    /// Starts a command and waits until it says `ready`.
    pub(crate) fn start(command: &mut Command) -> Running {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "{command:?}");
        Running { pid: child.id(), child }
    }

    /// `-p PID`, for a command line.
    pub(crate) fn p(&self) -> [String; 2] {
        ["-p".to_owned(), self.pid.to_string()]
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
