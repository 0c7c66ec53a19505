//! Runs compilers and other tools, and says which are missing.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Says that a test is skipped, and why.
pub(super) fn skip(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skip {test}: {reason}");
}

/// Whether a command can be run.
pub(super) fn has(tool: &str) -> bool {
    Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Whether all of these can be run; says that the test is skipped where one cannot.
pub(super) fn all_there(test: &str, tools: &[&str]) -> bool {
    match tools.iter().find(|tool| !has(tool)) {
        Some(missing) => {
            skip(test, &format!("{missing} is not installed"));
            false
        }
        None => true,
    }
}

/// Whether the tests run as root.
pub(super) fn is_root() -> bool {
    run("id", ["-u"]).trim() == "0"
}

/// Runs a command that must succeed, and gives its standard output.
pub(super) fn run<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = S>,
) -> String {
    let mut command = Command::new(program);
    command.args(arguments);
    let output = output(&mut command);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command to its end.
pub(super) fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// A folder for what a test builds, emptied.
pub(super) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("header").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The repository.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The command `stapes`, which lies beside the tests when the whole workspace is tested.
pub(super) fn stapes() -> Option<PathBuf> {
    let tests = std::env::current_exe().unwrap();
    let command = tests.parent()?.parent()?.join("stapes");
    command.exists().then_some(command)
}
