//! Users' code: every construct, edition and target compiles without a warning.

use std::path::Path;

use crate::toolchain::{Build, GNU, folder, has_target, output, run, skip, source};

#[test]
fn every_edition() {
    let folder = folder("usage");
    for edition in ["2018", "2021", "2024"] {
        for (level, flags) in [("debug", &[][..]), ("release", &["-O"][..])] {
            let program = folder.join(format!("usage-{edition}-{level}"));
            let build = Build { edition, ..Build::new(GNU, flags) };
            let mut command = build.command(&source("usage.rs"), &[] as &[&Path]);
            let output = output(command.arg("-o").arg(&program));
            assert!(output.status.success(), "{edition}: {}", String::from_utf8_lossy(&output.stderr));
            run(&program, [""; 0]);
        }
    }
    let oldest = folder.join("oldest.rs");
    let text = "#[macro_use] extern crate stapes; fn main() { let n = 1u8; probe!(a, b, n); probe_lazy!(a, c, \"x\"); }";
    std::fs::write(&oldest, text).unwrap();
    let build = Build { edition: "2015", ..Build::new(GNU, &[]) };
    build.compile(&oldest, &[], &folder.join("oldest"), &[]);
}

/// Where there are no probes, the same code is checked, and makes nothing.
#[test]
fn elsewhere() {
    let folder = folder("elsewhere");
    let elsewhere = [
        "x86_64-pc-windows-gnu",
        "aarch64-apple-darwin",
        "riscv64gc-unknown-linux-gnu",
        "i686-unknown-linux-gnu",
    ];
    let here: Vec<&'static str> = elsewhere.into_iter().filter(|target| has_target(target)).collect();
    if here.is_empty() {
        return skip("elsewhere", "rustup has no target without probes");
    }
    for target in here {
        let mut command = Build::new(target, &["-O"]).command(&source("usage.rs"), &[] as &[&Path]);
        let assembly = folder.join("usage.s");
        let output = output(command.args(["--emit", "asm", "-o"]).arg(&assembly));
        assert!(output.status.success(), "{target}: {}", String::from_utf8_lossy(&output.stderr));
        let text = std::fs::read_to_string(&assembly).unwrap();
        assert!(!text.contains("stapsdt") && !text.contains("stapes_semaphore"), "{target}");
    }
    // And what is wrong here is wrong there.
    let wrong = folder.join("wrong.rs");
    std::fs::write(&wrong, "pub fn f(s: String) { stapes::probe!(a, b, s); }").unwrap();
    for target in elsewhere.into_iter().filter(|target| has_target(target)) {
        let mut command = Build::new(target, &[]).command(&wrong, &[] as &[&Path]);
        command.args(["--crate-type", "lib", "--emit", "metadata", "-o"]).arg(folder.join("wrong.rmeta"));
        let text = String::from_utf8(output(&mut command).stderr).unwrap();
        assert!(text.contains("`String` cannot be passed to a probe"), "{target}: {text}");
    }
}
