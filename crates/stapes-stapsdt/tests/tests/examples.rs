//! The programs in `examples/providers`: each is run, and heard by every tracer.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::compiled::Library;
use crate::firing::Firing;
use crate::support::have;
use crate::tracer::{Kind, Tracer};
use crate::wrappers::python_package;

const NODE_HEADERS: &str = "/usr/include/node";

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/providers")
}

/// Compiles an example as its comment says, but for where the library is.
fn compile(library: &Library, source: &str, program: &str, arguments: &[&str]) {
    let output = Command::new("gcc")
        .args(["-Wall", "-Wextra", "-Werror"])
        .args(arguments)
        .arg("-I")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
        .arg(examples().join(source))
        .arg("-o")
        .arg(library.path().join(program))
        .arg("-L")
        .arg(library.path())
        .arg("-lstapsdt")
        .output()
        .unwrap();
    assert!(output.status.success(), "{source}: {}", String::from_utf8_lossy(&output.stderr));
}

fn is_heard(test: &str, library: &Library, command: &mut Command) {
    for kind in Kind::ALL.into_iter().filter(|kind| kind.usable(test)) {
        let mut firing = Firing::start(library, command.args(["1000000", "2"]));
        firing.wait_for_image("testProvider");
        let script =
            "usdt:*:testProvider:firstProbe /arg0 > 0 && arg0 < 1000000/ { printf(\"%s\\n\", str(arg1)); }";
        let tracer = Tracer::attach(kind, firing.pid(), script);
        tracer.expect(&["My little probe"]);
        assert_eq!(firing.hear(), "Probe fired!");
        tracer.stop();
    }
}

/// Whether it ends by itself when it has counted down, and without a tracer says nothing.
fn ends_in_silence(library: &Library, command: &mut Command) {
    let output = command.args(["3", "1"]).env("LD_LIBRARY_PATH", library.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    assert_eq!((output.stdout.as_slice(), &*said), (&b""[..], ""));
}

#[test]
fn the_c_example_is_heard() {
    const TEST: &str = "the_c_example_is_heard";
    if !have(TEST, &["gcc"]) {
        return;
    }
    let library = Library::lay_out();
    compile(&library, "first_probe.c", "first_probe", &[]);
    let program = || Command::new(library.path().join("first_probe"));
    ends_in_silence(&library, &mut program());
    is_heard(TEST, &library, &mut program());
}

#[test]
fn the_python_example_is_heard() {
    const TEST: &str = "the_python_example_is_heard";
    let library = Library::lay_out();
    if python_package(TEST, library.path()).is_none() {
        return;
    }
    let program = || {
        let mut command = Command::new("python3");
        command.arg(examples().join("first_probe.py")).env("PYTHONPATH", library.path());
        command
    };
    ends_in_silence(&library, &mut program());
    is_heard(TEST, &library, &mut program());
}

#[test]
fn the_node_example_is_heard() {
    const TEST: &str = "the_node_example_is_heard";
    if !have(TEST, &["gcc", "node", NODE_HEADERS]) {
        return;
    }
    let library = Library::lay_out();
    let include = format!("-I{NODE_HEADERS}");
    compile(&library, "node/stapsdt.c", "stapsdt.node", &["-shared", "-fPIC", &include]);
    std::fs::copy(examples().join("node/first_probe.js"), library.path().join("first_probe.js")).unwrap();
    let program = || {
        let mut command = Command::new("node");
        command.arg(library.path().join("first_probe.js"));
        command
    };
    ends_in_silence(&library, &mut program());
    is_heard(TEST, &library, &mut program());
}
