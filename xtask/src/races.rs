//! Code without locks, tried in every order that the memory model permits, and watched by the thread sanitizer.

use std::process::Command;

use crate::command::{self, cargo, root};
use crate::skips::Skips;

/// Runs the models below `models/`, then the provider's storms under the thread sanitizer where nightly is.
pub(crate) fn look_for_races(skips: &mut Skips) -> anyhow::Result<()> {
    let mut models = cargo(&["test", "--quiet", "--release", "--manifest-path", "models/Cargo.toml"]);
    command::run(models.args(["--target-dir", "target/models"]))?;
    if !has_nightly() {
        skips.add("thread sanitizer", "rustup has no nightly toolchain");
        return Ok(());
    }
    let suppressions = root().join("testdata/thread-sanitizer.txt");
    let mut storms = Command::new("rustup");
    storms
        .current_dir(root())
        .args([
            "run",
            "nightly",
            "cargo",
            "test",
            "--quiet",
            "--package",
            "stapes-provider",
            "--test",
            "tests",
        ])
        .args(["--target", concat!(env!("XTASK_ARCH"), "-unknown-linux-gnu"), "--target-dir", "target/tsan"])
        .args(["--", "storm"])
        // The standard library is not compiled for the sanitizer; what it then sees wrongly is suppressed by name.
        .env("RUSTFLAGS", "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer")
        .env("TSAN_OPTIONS", format!("suppressions={}", suppressions.display()))
        // Cargo's own variables name the stable toolchain.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .env_remove("RUSTC");
    command::run(&mut storms)
}

fn has_nightly() -> bool {
    let asked = Command::new("rustup").args(["run", "nightly", "rustc", "--version"]).output();
    asked.is_ok_and(|output| output.status.success())
}
