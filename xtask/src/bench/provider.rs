//! Probes made at run time: the crate against what it promises, the C library against the original's figures.
//!
//! The original (libstapsdt) cannot be installed from a package, so that its figures are those that were measured once
//! on a machine like this one; those of an empty call say how fast this machine is now.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Row, Setting};
use crate::command::{cargo, exists, output, root, run as run_command};
use crate::dist::libraries;

/// What the crate promises, by the name of the figure.
const PROMISES: &[(&str, &str)] = &[
    ("load 1", "< 40 µs"),
    ("load 100", "< 120 µs"),
    ("load 1000", "< 1000 µs"),
    ("fire, disabled", "< 1.5 × an empty call"),
    ("enabled", "< 1 ns"),
    ("resident memory of a provider", "< 8 kB"),
];

/// What the original needed, measured on the same kind of machine.
const ORIGINAL: &[(&str, &str)] = &[
    ("load 1", "47 µs"),
    ("load 10", "59 µs"),
    ("load 100", "171 µs"),
    ("load 1000", "2189 µs"),
    ("unload 1", "10 µs"),
    ("fire, disabled, no arguments", "5–7 ns"),
    ("fire, disabled, 6 arguments", "15 ns"),
    ("is enabled", "2.6–3.5 ns"),
];

pub(crate) fn run(setting: &Setting, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let rounds = (setting.runs * 30).to_string();
    let mut bench = cargo(&["bench", "--quiet", "--package", "stapes-provider", "--bench", "figures", "--"]);
    let figures = output(bench.arg(&rounds))?;
    add(rows, "stapes-provider", &figures.stdout, ("promised", PROMISES));
    if !exists("gcc") {
        println!("skip libstapsdt: gcc is missing");
        return Ok(());
    }
    let folder = root().join("target/bench/libraries");
    libraries::add_to(&folder)?;
    let mut measure = Command::new(compile(&folder)?);
    let figures = output(measure.env("LD_LIBRARY_PATH", folder.join("lib")).arg(&rounds))?;
    add(rows, "our libstapsdt.so.0", &figures.stdout, ("libstapsdt, as published", ORIGINAL));
    Ok(())
}

fn compile(folder: &Path) -> anyhow::Result<PathBuf> {
    let program = folder.join("stapsdt");
    run_command(
        Command::new("gcc")
            .args(["-O2", "-o"])
            .arg(&program)
            .arg(root().join("xtask/targets/stapsdt.c"))
            .arg("-I")
            .arg(folder.join("include"))
            .arg("-L")
            .arg(folder.join("lib"))
            .arg("-lstapsdt"),
    )?;
    Ok(program)
}

/// Adds a row for each line `name⇥number⇥unit`, and one for what it is to be compared with.
fn add(rows: &mut Vec<Row>, who: &str, lines: &[u8], peer: (&str, &[(&str, &str)])) {
    let known: BTreeMap<&str, &str> = peer.1.iter().copied().collect();
    for line in String::from_utf8_lossy(lines).lines() {
        let Some((what, figure)) = line.split_once('\t') else { continue };
        let row = |who: &str, figure: String| Row {
            what: what.to_owned(),
            who: who.to_owned(),
            figure,
            ratio: None,
        };
        rows.push(row(who, figure.replace('\t', " ")));
        if let Some(figure) = known.get(what) {
            rows.push(row(peer.0, (*figure).to_owned()));
        }
    }
}
