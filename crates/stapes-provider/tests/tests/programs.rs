//! Whole programs: statically linked ones, which no dynamic linker helps.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::{build_folder, have, skip};
use crate::tracer::{Kind, Tracer};

/// The example, built for a target; `None` where the toolchain does not have it.
fn example_for(test: &str, target: &str) -> Option<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Its own folder, since the usual one may be locked by the build that runs the tests.
    let folder = build_folder().join("static-examples");
    let built = Command::new(cargo)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .args(["build", "--quiet", "--example", "first_probe", "--target", target, "--target-dir"])
        .arg(&folder)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&built.stderr);
    if errors.contains("may not be installed") {
        skip(test, &format!("the toolchain has no {target}"));
        return None;
    }
    assert!(built.status.success(), "{errors}");
    Some(folder.join(target).join("debug/examples/first_probe"))
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_static_executable_is_traced() {
    const TEST: &str = "a_static_executable_is_traced";
    if !have(TEST, &["cargo"]) {
        return;
    }
    let Some(program) = example_for(TEST, "x86_64-unknown-linux-musl") else { return };
    if !Kind::ALL.into_iter().all(|kind| kind.usable(TEST)) {
        return;
    }
    let maps = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let child = Command::new(&program).args(["1000000", "2"]).stdout(Stdio::null()).spawn().unwrap();
    let running = Running(child);
    let pid = running.0.id();
    crate::support::wait_for("the image", || maps(pid).contains("memfd:stapes:testProvider").then_some(()));
    assert!(!maps(pid).contains("libc.so"), "it is not static");
    for kind in Kind::ALL {
        let script = "usdt:*:testProvider:firstProbe { printf(\"%s %d\\n\", str(arg1), arg2); }";
        let tracer = Tracer::attach(kind, pid, script);
        tracer.expect(&["My little probe 15"]);
        tracer.stop();
    }
}
