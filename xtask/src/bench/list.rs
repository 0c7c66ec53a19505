//! Finding probes: one large file, and every file of /usr/bin and /usr/lib.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context;

use super::{Row, Setting, compare};
use crate::command::exists;

pub(crate) fn run(setting: &Setting, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    if !exists("readelf") {
        println!("skip list: readelf is missing");
        return Ok(());
    }
    let libjvm = "/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so";
    if Path::new(libjvm).exists() {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..setting.runs.max(1) * 5 {
            ours.push(time(Command::new(&setting.ours).args(["list", libjvm]))?);
            theirs.push(time(Command::new("readelf").args(["-nW", libjvm]))?);
        }
        let measured = vec![("stapes list".to_owned(), ours), ("readelf -nW".to_owned(), theirs)];
        compare(rows, "the notes of libjvm.so", measured, |t| format!("{:.2} ms", t * 1e3));
    }
    // One readelf for each ELF file takes seconds: a small run leaves the tree out.
    if setting.runs > 1 {
        tree(setting, rows)?;
    }
    Ok(())
}

fn tree(setting: &Setting, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let folders = ["/usr/bin", "/usr/lib"];
    let mut files = Vec::new();
    for folder in folders {
        elf_files(Path::new(folder), &mut files);
    }
    println!("{} ELF files below {folders:?}", files.len());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        ours.push(time(Command::new(&setting.ours).arg("list").args(folders))?);
        let start = Instant::now();
        for file in &files {
            time(Command::new("readelf").arg("-n").arg(file))?;
        }
        theirs.push(start.elapsed().as_secs_f64());
    }
    let measured =
        vec![("stapes list".to_owned(), ours), ("one readelf -n for each ELF file".to_owned(), theirs)];
    compare(rows, "every file of /usr/bin and /usr/lib, warm", measured, |t| format!("{t:.2} s"));
    Ok(())
}

/// The files that start as an ELF file does; links are not followed.
fn elf_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            elf_files(&entry.path(), found);
        } else if kind.is_file() && starts_as_elf(&entry.path()) {
            found.push(entry.path());
        }
    }
}

fn starts_as_elf(path: &Path) -> bool {
    use std::io::Read;
    let mut magic = [0; 4];
    std::fs::File::open(path).and_then(|mut f| f.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
}

/// Seconds from start to end of a whole process whose output nobody reads.
fn time(command: &mut Command) -> anyhow::Result<f64> {
    let start = Instant::now();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {}", crate::command::show(command)))?;
    Ok(start.elapsed().as_secs_f64())
}
