//! Runs rustc and other tools, and says which are missing.
//!
//! Programs are compiled by rustc itself rather than by cargo: a build with other flags then takes a fraction of a second,
//! and the tests do not wait for cargo's lock.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};

/// The architecture's own target, and those of the static builds.
pub(crate) const GNU: &str = "x86_64-unknown-linux-gnu";
pub(crate) const MUSL: &str = "x86_64-unknown-linux-musl";
pub(crate) const ARM: &str = "aarch64-unknown-linux-musl";

/// Says that a test is skipped, and why.
pub(crate) fn skip(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skip {test}: {reason}");
}

/// Whether a command can be run.
pub(crate) fn has(tool: &str) -> bool {
    Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    run("id", ["-u"]).trim() == "0"
}

/// Our own command, which is built beside the tests where the whole workspace is tested.
pub(crate) fn stapes_command() -> Option<PathBuf> {
    let file = std::env::current_exe().unwrap().parent().unwrap().with_file_name("stapes");
    file.exists().then_some(file)
}

/// Runs a command that must succeed, and gives its standard output.
pub(crate) fn run<S: AsRef<OsStr>>(
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
pub(crate) fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// A folder for what a test builds, emptied.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("define").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A source file of the tests.
pub(crate) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(name)
}

/// The crate itself, compiled for a target by a toolchain (`None`: the one that compiled the tests).
pub(crate) fn stapes(target: &str, toolchain: Option<&str>) -> PathBuf {
    static BUILT: OnceLock<Mutex<Vec<PathBuf>>> = OnceLock::new();
    let name = format!("stapes-{target}-{}", toolchain.unwrap_or("own"));
    let rlib = Path::new(env!("CARGO_TARGET_TMPDIR")).join("define").join(name).join("libstapes.rlib");
    let mut built = BUILT.get_or_init(Mutex::default).lock().unwrap();
    if !built.contains(&rlib) {
        std::fs::create_dir_all(rlib.parent().unwrap()).unwrap();
        let mut rustc = rustc(toolchain);
        rustc.args([
            "--crate-name",
            "stapes",
            "--crate-type",
            "rlib",
            "--edition",
            "2024",
            "-O",
            "--target",
            target,
        ]);
        rustc.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).arg("-o").arg(&rlib);
        let output = output(&mut rustc);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        built.push(rlib.clone());
    }
    rlib
}

/// The compiler of a toolchain.
pub(crate) fn rustc(toolchain: Option<&str>) -> Command {
    match toolchain {
        Some(toolchain) => {
            let mut command = Command::new("rustup");
            command.args(["run", toolchain, "rustc"]);
            command
        }
        None => Command::new("rustc"),
    }
}

/// Whether rustup has a toolchain (and thus whether [`rustc`] can run it).
pub(crate) fn has_toolchain(toolchain: &str) -> bool {
    Command::new("rustup")
        .args(["run", toolchain, "rustc", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether the toolchain can compile for a target.
pub(crate) fn has_target(target: &str) -> bool {
    let folder = run("rustc", ["--print", "target-libdir", "--target", target]);
    Path::new(folder.trim()).exists()
}

/// A way of compiling: what rustc is told.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    pub(crate) target: &'static str,
    pub(crate) toolchain: Option<&'static str>,
    pub(crate) edition: &'static str,
    pub(crate) flags: Vec<&'static str>,
}

impl Build {
    pub(crate) fn new(target: &'static str, flags: &[&'static str]) -> Build {
        Build { target, toolchain: None, edition: "2024", flags: flags.to_vec() }
    }

    /// Compiles a source file that uses `stapes`, and further crates, into a file.
    pub(crate) fn compile(&self, source: &Path, crates: &[&Path], output_file: &Path, more: &[&str]) {
        let mut command = self.command(source, crates);
        command.arg("-o").arg(output_file).args(more);
        let output = output(&mut command);
        assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The command that compiles a source file; where to is not said yet.
    pub(crate) fn command(&self, source: &Path, crates: &[&Path]) -> Command {
        let mut command = rustc(self.toolchain);
        command.args(["--edition", self.edition, "--target", self.target]).arg(source).args(&self.flags);
        if self.target.ends_with("musl") {
            command.args(["-C", "linker=rust-lld"]);
        }
        let mut crates: Vec<PathBuf> = crates.iter().map(|path| path.to_path_buf()).collect();
        crates.push(stapes(self.target, self.toolchain));
        for path in crates {
            let name = path.file_stem().unwrap().to_str().unwrap().trim_start_matches("lib").to_owned();
            command.arg("--extern").arg(format!("{name}={}", path.display()));
            command.arg("-L").arg(path.parent().unwrap());
        }
        command
    }
}
