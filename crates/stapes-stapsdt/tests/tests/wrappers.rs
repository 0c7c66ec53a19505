//! Wrappers of other languages on this library, unchanged where a registry has them.
//!
//! PyPI has Python's, the module proxy may have Go's (salp).
//! Node's, Ruby's, Perl's and Java's wrappers are in no registry that these tests can ask; that the library suits them
//! is checked by programs that do what they do: use foreign functions, the structures' tags, and their fields.

use std::path::Path;
use std::process::{Command, Output};

use crate::compiled::Library;
use crate::firing::Firing;
use crate::support::{have, skip};
use crate::tracer::{Kind, Tracer};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// Installs the package `stapsdt`; `None`, said so for the test, where PyPI cannot be had.
pub(crate) fn python_package(test: &str, folder: &Path) -> Option<()> {
    if !have(test, &["python3", "timeout"]) {
        return None;
    }
    let output = Command::new("timeout")
        .args(["120", "python3", "-m", "pip", "install", "--quiet", "--no-deps", "--target"])
        .arg(folder)
        .arg("stapsdt==0.1.1")
        .output()
        .unwrap();
    if !output.status.success() {
        skip(test, "pip cannot install stapsdt 0.1.1");
        return None;
    }
    Some(())
}

#[test]
fn the_python_package_is_traced_with_every_type() {
    const TEST: &str = "the_python_package_is_traced_with_every_type";
    let library = Library::lay_out();
    if python_package(TEST, library.path()).is_none() {
        return;
    }
    let script = r#"
        usdt:*:pythonProvider:signed { printf("signed %ld %ld %ld %ld\n", arg0, arg1, arg2, arg3); }
        usdt:*:pythonProvider:unsigned { printf("unsigned %ld %ld %ld %ld\n", arg0, arg1, arg2, arg3); }
        usdt:*:pythonProvider:texts { printf("texts %s %s %s %s\n", str(arg0), str(arg1), str(arg2), str(arg5)); }
        usdt:*:pythonProvider:none { printf("none\n"); }"#;
    for kind in Kind::ALL.into_iter().filter(|kind| kind.usable(TEST)) {
        let mut command = Command::new("python3");
        command.arg(Path::new(HERE).join("tests/wrappers/every_type.py"));
        command.env("PYTHONPATH", library.path());
        let mut firing = Firing::start(&library, &mut command);
        assert_eq!(firing.hear(), "ready");
        let tracer = Tracer::attach(kind, firing.pid(), script);
        tracer.expect(&[
            "signed -5 -300 -70000 -3",
            "unsigned 200 60000 70000 3",
            "texts a bb größe ffffff",
            "none",
        ]);
        assert_eq!(firing.hear(), "enabled True");
        tracer.stop();
        assert_eq!(firing.hear(), "enabled False");
        firing.end();
    }
}

/// Runs a command with what cgo and the dynamic linker need to find the library.
fn run(library: &Library, command: &mut Command) -> Output {
    command
        .env("CGO_CFLAGS", format!("-I{HERE}/include"))
        .env("CGO_LDFLAGS", format!("-L{}", library.path().display()))
        .env("LD_LIBRARY_PATH", library.path())
        .env("GOFLAGS", "-mod=mod")
        .output()
        .unwrap()
}

fn assert_done(output: &Output) {
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.ends_with("done\n"), "{}\n{out}{errors}", output.status);
}

#[test]
fn go_reads_the_fields_through_cgo() {
    const TEST: &str = "go_reads_the_fields_through_cgo";
    if !have(TEST, &["go", "gcc", "timeout"]) {
        return;
    }
    let library = Library::lay_out();
    let mut go = Command::new("timeout");
    go.args(["300", "go", "run"]).arg(Path::new(HERE).join("tests/wrappers/fields.go"));
    assert_done(&run(&library, &mut go));
}

#[test]
fn ruby_calls_through_its_foreign_functions() {
    const TEST: &str = "ruby_calls_through_its_foreign_functions";
    if !have(TEST, &["ruby", "timeout"]) {
        return;
    }
    let library = Library::lay_out();
    let mut ruby = Command::new("timeout");
    ruby.args(["60", "ruby"]).arg(Path::new(HERE).join("tests/wrappers/fields.rb"));
    assert_done(&run(&library, &mut ruby));
}

#[test]
fn salp_passes_its_own_tests() {
    const TEST: &str = "salp_passes_its_own_tests";
    if !have(TEST, &["go", "gcc", "timeout"]) {
        return;
    }
    let library = Library::lay_out();
    let folder = tempfile::tempdir().unwrap();
    let go = |arguments: &[&str]| {
        let mut command = Command::new("timeout");
        command.args(["300", "go"]).args(arguments).current_dir(folder.path());
        run(&library, &mut command)
    };
    assert!(go(&["mod", "init", "try"]).status.success());
    if !go(&["get", "-t", "github.com/mmcshane/salp"]).status.success() {
        return skip(TEST, "the Go module proxy does not give github.com/mmcshane/salp");
    }
    let output = go(&["test", "-v", "github.com/mmcshane/salp"]);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(shown.matches("--- PASS").count(), 4, "{shown}");
}
