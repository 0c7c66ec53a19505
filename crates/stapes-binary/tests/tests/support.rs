//! What several tests need: saying that one is skipped, and finding the files of this machine.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether the tests probably run under an emulator, where the largest ones do less.
pub(crate) const EMULATED: bool = cfg!(not(target_arch = "x86_64"));

/// Says that a test was skipped and why, past libtest's capture.
pub(crate) fn skip(test: &str, reason: &str) {
    writeln!(std::io::stderr(), "skip {test}: {reason}").expect("stderr is writable");
}

/// The output of a program, or `None` if it is not installed.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let out = Command::new(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// The files on this machine that are known to carry probes, by pattern of their paths.
pub(crate) fn files_with_probes() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in
        ["/usr/lib/jvm", "/usr/lib/postgresql", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"]
    {
        walk(Path::new(folder), 6, &mut found);
    }
    let wanted = |p: &PathBuf| {
        let name = p.file_name().unwrap_or_default().to_string_lossy();
        ["libjvm.so", "postgres", "libstdc++.so", "libruby", "libpython", "libvirt.so"]
            .iter()
            .any(|n| name.starts_with(n))
    };
    found.retain(wanted);
    found.extend(["/usr/bin/ruby", "/usr/bin/python3"].map(PathBuf::from).into_iter().filter(|p| p.exists()));
    found
}

/// The files of this machine's programs and libraries; fewer where the tests run under an emulator.
pub(crate) fn every_file() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["/usr/bin", "/usr/sbin", "/usr/lib"] {
        walk(Path::new(folder), if EMULATED { 1 } else { 12 }, &mut found);
    }
    found
}

fn walk(folder: &Path, depth: u32, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth > 0 {
            walk(&entry.path(), depth - 1, found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

/// Opens a file of this machine.
pub(crate) fn open(path: &Path) -> File {
    File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
