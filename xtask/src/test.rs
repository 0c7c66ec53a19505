//! `cargo xtask test`: every check, in the order in which a mistake is cheapest to find.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};

use crate::command::{self, cargo, exists, root, show};
use crate::skips::Skips;
use crate::{dist, fuzz, packages, races};

/// Arguments of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct TestArgs {
    /// Run only the stages whose names contain this
    #[arg(long, value_name = "STAGE")]
    only: Option<String>,
    /// Seconds of fuzzing for each target
    #[arg(long, default_value_t = 20)]
    fuzz_seconds: u32,
}

/// Crates whose tests also run as aarch64 programs: what reads untrusted bytes and what compiles.
const PORTABLE: &[&str] = &["stapes-binary", "stapes-bpf", "stapes-script"];

/// The greatest size of the stripped static command, in bytes.
const MOST_BYTES: u64 = 8 << 20;

fn run_stages(args: &TestArgs, skips: &mut Skips) -> anyhow::Result<()> {
    type Stage = (&'static str, fn(&TestArgs, &mut Skips) -> anyhow::Result<()>);
    let stages: &[Stage] = &[
        ("packages", provide),
        ("format", |_, _| command::run(&mut cargo(&["fmt", "--all", "--check"]))),
        ("clippy", |_, _| {
            command::run(&mut cargo(&[
                "clippy",
                "--quiet",
                "--workspace",
                "--all-targets",
                "--",
                "-Dwarnings",
            ]))
        }),
        ("licences", licences),
        ("tests", tests),
        ("documentation", |_, _| {
            let mut doc = cargo(&["doc", "--quiet", "--workspace", "--no-deps"]);
            command::run(doc.env("RUSTDOCFLAGS", "-Dwarnings -Arustdoc::private_intra_doc_links"))
        }),
        ("aarch64", aarch64),
        ("static command", static_command),
        ("races", |_, skips| races::look_for_races(skips)),
        ("benches, small", |_, skips| crate::bench::small(skips)),
        ("fuzz", fuzz_briefly),
    ];
    for (name, stage) in stages {
        if args.only.as_deref().is_some_and(|only| !name.contains(only)) {
            continue;
        }
        let start = Instant::now();
        println!("── {name}");
        stage(args, skips).with_context(|| format!("stage `{name}`"))?;
        println!("── {name}: {:.1} s", start.elapsed().as_secs_f64());
    }
    Ok(())
}

pub(crate) fn run(args: &TestArgs) -> anyhow::Result<()> {
    let mut skips = Skips::default();
    run_stages(args, &mut skips)?;
    let strict = std::env::var_os("CI").is_some();
    skips.conclude(&root().join("testdata/expected-skips.txt"), strict)
}

fn provide(_: &TestArgs, skips: &mut Skips) -> anyhow::Result<()> {
    for name in packages::provide()? {
        skips.add(name, "this package is missing");
    }
    packages::mount_tracefs();
    Ok(())
}

fn licences(_: &TestArgs, skips: &mut Skips) -> anyhow::Result<()> {
    if !exists("cargo-deny") {
        skips.add("cargo-deny", "not installed");
        return Ok(());
    }
    command::run(&mut cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"]))
}

/// The tests that Cargo knows, for the machine we are on.
fn tests(_: &TestArgs, skips: &mut Skips) -> anyhow::Result<()> {
    watched(&mut cargo(&["test", "--workspace", "--no-fail-fast"]), skips, Place::Here)
}

fn aarch64(_: &TestArgs, skips: &mut Skips) -> anyhow::Result<()> {
    const TARGET: &str = "aarch64-unknown-linux-musl";
    command::run(&mut cargo(&["build", "--quiet", "--bin", "stapes", "--target", TARGET]))?;
    if !exists("qemu-aarch64-static") {
        skips.add("aarch64 tests", "qemu-aarch64-static is missing");
        return Ok(());
    }
    let mut test = cargo(&["test", "--target", TARGET, "--lib"]);
    for name in PORTABLE {
        test.args(["--package", name]);
    }
    watched(&mut test, skips, Place::Emulated)?;
    // Most tests of the reader of files stand beside the crate, not in it. Those that compare large Go programs with
    // the tools of Go take minutes when emulated, and the tables that they read are the same for every reader.
    let reader = ["--package", "stapes-binary", "--test", "tests", "--", "--skip", "go::"];
    watched(cargo(&["test", "--target", TARGET]).args(reader), skips, Place::Emulated)?;
    // What makes code and runs it does so here, too; tracers cannot see emulated programs.
    watched(
        &mut cargo(&["test", "--target", TARGET, "--package", "stapes-provider", "--tests"]),
        skips,
        Place::Emulated,
    )
}

fn static_command(_: &TestArgs, _: &mut Skips) -> anyhow::Result<()> {
    let command = dist::static_command("x86_64-unknown-linux-musl")?;
    let bytes = std::fs::metadata(&command)?.len();
    println!("{} is {bytes} bytes", command.display());
    if bytes > MOST_BYTES {
        bail!("the static command has {bytes} bytes, more than {MOST_BYTES}");
    }
    command::run(Command::new(&command).arg("--version"))
}

fn fuzz_briefly(args: &TestArgs, _: &mut Skips) -> anyhow::Result<()> {
    fuzz::all(args.fuzz_seconds)
}

/// Where tests run: what is skipped under emulation is expected by a name of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Here,
    Emulated,
}

/// Runs a command with its output passed on line by line, watching for skips.
fn watched(command: &mut Command, skips: &mut Skips, place: Place) -> anyhow::Result<()> {
    let shown = show(command);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {shown}"))?;
    let (lines, received) = std::sync::mpsc::channel();
    let pipes: [Option<Box<dyn std::io::Read + Send>>; 2] = [
        child.stdout.take().map(|p| Box::new(p) as Box<dyn std::io::Read + Send>),
        child.stderr.take().map(|p| Box::new(p) as Box<dyn std::io::Read + Send>),
    ];
    let readers: Vec<_> = pipes
        .into_iter()
        .flatten()
        .map(|pipe| {
            let lines = lines.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(pipe);
                let mut line = Vec::new();
                while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                    if lines.send(std::mem::take(&mut line)).is_err() {
                        return;
                    }
                }
            })
        })
        .collect();
    drop(lines);
    let mut out = std::io::stdout().lock();
    for line in received {
        out.write_all(&line)?;
        skips.observe(String::from_utf8_lossy(&line).trim_end(), place == Place::Emulated);
    }
    for reader in readers {
        if reader.join().is_err() {
            bail!("{shown}: its output could not be read");
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{shown}: {status}");
    }
    Ok(())
}
