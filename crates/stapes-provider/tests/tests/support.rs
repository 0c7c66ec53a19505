//! What several tests need: saying that one is skipped, and what this machine has.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long anything is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Says that a test was skipped and why, past libtest's capture. What emulated programs cannot do has names of its own.
pub(crate) fn skip(test: &str, reason: &str) {
    let machine = if cfg!(target_arch = "x86_64") { "" } else { " (emulated)" };
    writeln!(std::io::stderr(), "skip {test}{machine}: {reason}").expect("stderr is writable");
}

/// Whether all these programs and files exist; else says so for the test.
pub(crate) fn have(test: &str, needs: &[&str]) -> bool {
    let missing = needs.iter().find(|need| find_program(need).is_none());
    if let Some(need) = missing {
        skip(test, &format!("{need} is not here"));
    }
    missing.is_none()
}

/// A program in `$PATH`, or a file.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .chain([PathBuf::from(name)])
        .find(|p| p.exists())
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

/// Waits until something is there, with an end.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The folder in which Cargo puts what it builds for this profile.
pub(crate) fn build_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_path_buf()
}

/// Has Cargo build a crate for the profile of this test, where building the test does not.
#[allow(dead_code, reason = "only the tests of the C interfaces need it")]
pub(crate) fn build(package: &str) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = std::process::Command::new(cargo);
    build.args(["build", "--quiet", "--package", package, "--target-dir"]);
    build.arg(build_folder().parent().unwrap());
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let output = build.output().unwrap();
    assert!(output.status.success(), "{package}: {}", String::from_utf8_lossy(&output.stderr));
}
