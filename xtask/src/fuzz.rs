//! Fuzzing with libFuzzer on the stable compiler.
//!
//! The coverage counters that libFuzzer needs come from an LLVM pass that stable rustc can be told to run;
//! only the address sanitizer needs nightly, and without `unsafe` there is little for it to find.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};

use crate::command::{cargo, root, run};

/// Arguments of `cargo xtask fuzz`.
#[derive(Debug, clap::Args)]
pub(crate) struct FuzzArgs {
    /// The target; all of them if left out
    target: Option<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 600)]
    seconds: u32,
}

/// `cargo xtask fuzz`.
pub(crate) fn run_fuzz(args: &FuzzArgs) -> anyhow::Result<()> {
    match &args.target {
        Some(target) => {
            build()?;
            one(target, args.seconds)
        }
        None => all(args.seconds),
    }
}

/// Builds every target, then runs each for so many seconds.
pub(crate) fn all(seconds: u32) -> anyhow::Result<()> {
    build()?;
    for target in targets()? {
        one(&target, seconds)?;
    }
    Ok(())
}

/// The targets: the files in fuzz/fuzz_targets.
fn targets() -> anyhow::Result<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "rs") {
            names.extend(path.file_stem().map(|s| s.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    if names.is_empty() {
        bail!("{} has no targets", folder.display());
    }
    Ok(names)
}

/// Rust's name of the machine we are on: a target given by name keeps the flags away from build scripts.
const HOST: &str = concat!(env!("XTASK_ARCH"), "-unknown-linux-gnu");

fn build() -> anyhow::Result<()> {
    let flags = [
        "-Cpasses=sancov-module",
        "-Cllvm-args=-sanitizer-coverage-level=4",
        "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
        "-Cllvm-args=-sanitizer-coverage-pc-table",
        "-Cllvm-args=-sanitizer-coverage-trace-compares",
        "-Ccodegen-units=1",
        "-Cdebug-assertions",
        "-Coverflow-checks",
        "--cfg=fuzzing",
    ];
    let mut build = cargo(&["build", "--quiet", "--release", "--target", HOST]);
    build.arg("--manifest-path").arg(root().join("fuzz/Cargo.toml"));
    build.arg("--target-dir").arg(root().join("target/fuzz"));
    run(build.env("RUSTFLAGS", flags.join(" ")).env("CARGO_PROFILE_RELEASE_PANIC", "abort"))
}

fn one(target: &str, seconds: u32) -> anyhow::Result<()> {
    let binary: PathBuf = root().join("target/fuzz").join(HOST).join("release").join(target);
    let work = root().join("fuzz");
    let corpus = work.join("corpus").join(target);
    let artifacts = work.join("artifacts").join(target);
    for folder in [&corpus, &artifacts] {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    println!("fuzzing `{target}` for {seconds} s");
    let log = root().join("target/fuzz").join(format!("{target}.log"));
    let out = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
    let mut fuzz = Command::new(binary);
    fuzz.current_dir(&work)
        .arg(format!("-max_total_time={seconds}"))
        .args(["-timeout=10", "-rss_limit_mb=2048", "-max_len=65536", "-print_final_stats=1"])
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(&corpus)
        .stdout(out.try_clone()?)
        .stderr(out);
    let seeds = work.join("seeds").join(target);
    if seeds.is_dir() {
        fuzz.arg(seeds);
    }
    // libFuzzer says much; what matters is how many inputs it tried, and the end of its words when one fails.
    let outcome = run(&mut fuzz);
    let text = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
    match &outcome {
        Ok(()) => text.lines().filter(|l| l.contains("executed_units")).for_each(|l| println!("{l}")),
        Err(_) => {
            let lines: Vec<&str> = text.lines().collect();
            lines.iter().skip(lines.len().saturating_sub(60)).for_each(|l| println!("{l}"));
        }
    }
    outcome
}
