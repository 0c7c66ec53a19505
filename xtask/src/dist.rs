//! The project as it is given away: the command, which is one static file, its man pages, its completions, and the C
//! libraries.

pub(crate) mod libraries;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use crate::command::{cargo, output, root, run};

/// Builds the static command for a musl target and returns its path.
pub(crate) fn static_command(target: &str) -> anyhow::Result<PathBuf> {
    let mut build = cargo(&["build", "--quiet", "--release", "--bin", "stapes", "--target", target]);
    // Cargo's own variable for this crate only: what is given away carries no symbols.
    build.env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
    run(&mut build)?;
    Ok(root().join("target").join(target).join("release/stapes"))
}

/// `cargo xtask dist`: all of it below `target/dist`.
pub(crate) fn run_dist() -> anyhow::Result<()> {
    let folder = root().join("target/dist");
    for sub in ["bin", "share/man/man1", "share/completions"] {
        std::fs::create_dir_all(folder.join(sub)).with_context(|| format!("cannot create {sub}"))?;
    }
    let command = static_command("x86_64-unknown-linux-musl")?;
    std::fs::copy(&command, folder.join("bin/stapes"))?;
    run(Command::new(&command).args(["man", "--dir"]).arg(folder.join("share/man/man1")))?;
    for shell in ["bash", "zsh", "fish"] {
        let script = output(Command::new(&command).args(["completions", shell]))?.stdout;
        std::fs::write(folder.join("share/completions").join(format!("stapes.{shell}")), script)?;
    }
    libraries::add_to(&folder)?;
    println!("{}", folder.display());
    Ok(())
}
