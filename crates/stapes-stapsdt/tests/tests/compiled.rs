//! Compiling C programs against what Cargo has built of the crate, whose library is [`crate::LIBRARY`].

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;

use tempfile::TempDir;

use crate::LIBRARY;
use crate::support::{build_folder, have};

/// A folder with the library under the names by which programs look for it.
pub(crate) struct Library {
    pub(crate) folder: TempDir,
}

impl Library {
    pub(crate) fn lay_out() -> Library {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("lib{LIBRARY}.so");
        symlink(built(&name), folder.path().join(format!("{name}.0"))).unwrap();
        symlink(format!("{name}.0"), folder.path().join(name)).unwrap();
        Library { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A file that Cargo makes of this crate.
pub(crate) fn built(name: &str) -> PathBuf {
    // Building tests does not build libraries that Rust cannot link to.
    static BUILD: Once = Once::new();
    BUILD.call_once(|| crate::support::build(env!("CARGO_PKG_NAME")));
    build_folder().join(name)
}

/// How a program is made of a C file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// By a C compiler, linked with the shared library.
    Shared,
    /// By a C++ compiler, linked with the shared library.
    Cpp,
    /// With the library's code in the program.
    Archive,
    /// With the C library's code in the program, too.
    Static,
    /// Watched by the address sanitizer, leaks included.
    Sanitized,
}

impl How {
    pub(crate) const ALL: [How; 5] = [How::Shared, How::Cpp, How::Archive, How::Static, How::Sanitized];

    fn arguments(self, library: &Path) -> Vec<String> {
        let shared = || vec![format!("-L{}", library.display()), format!("-l{LIBRARY}")];
        let archive = || vec![built(&format!("lib{LIBRARY}.a")).display().to_string()];
        let system = ["-lpthread", "-ldl", "-lm", "-lgcc_s", "-lc"].map(str::to_owned);
        match self {
            How::Shared | How::Cpp => shared(),
            How::Sanitized => [shared(), vec!["-fsanitize=address,undefined".to_owned()]].concat(),
            How::Archive => [archive(), system.to_vec()].concat(),
            How::Static => [archive(), vec!["-static".to_owned(), "-lgcc_eh".to_owned()]].concat(),
        }
    }
}

/// A program made of a C file.
pub(crate) fn compile(library: &Library, source: &str, how: How) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = library.path().join(format!("{source}-{how:?}"));
    let mut command = Command::new(if how == How::Cpp { "g++" } else { "gcc" });
    if how == How::Cpp {
        command.args(["-x", "c++", "-Wno-write-strings"]);
    } else {
        command.arg("-std=c11");
    }
    command
        .args(["-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-g"])
        .arg("-I")
        .arg(here.join("include"))
        .arg("-I")
        .arg(here.join("../stapes-stapsdt/tests/c"))
        .arg(here.join(format!("tests/c/{source}.c")))
        .args(["-x", "none", "-o"])
        .arg(&program)
        .args(how.arguments(library.path()))
        .args(["-lpthread", "-ldl"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    program
}

/// Runs a program with the library in its path, under a limit of time.
pub(crate) fn run(library: &Library, program: &Path, arguments: &[&str]) -> Output {
    Command::new("timeout")
        .args(["--kill-after=5", "120"])
        .arg(program)
        .args(arguments)
        .env("LD_LIBRARY_PATH", library.path())
        .output()
        .unwrap()
}

/// Whether C and C++ programs can be compiled and run here; else says so for the test.
pub(crate) fn can_compile(test: &str) -> bool {
    have(test, &["gcc", "g++", "timeout"])
}
