//! How long a program with a thousand probes takes to compile, beside the same program with the crate `probe`.
//!
//! Prints a line per program: what, who, figure, ratio to the peer's, separated by tabs. `--small` takes ten probes, once.
//!
//! Two programs: `ordinary` has a probe in each of a thousand short functions as programs have them, `bare` in each of a
//! thousand functions that do nothing else. The compiler is called as cargo calls it, so that nothing but the program
//! itself is compiled; times are of the processor, as machines have other things to do.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const ORDINARY: &str = "\
#[inline(never)]
pub fn handle_NUMBER(line: &str, seen: &mut BTreeMap<String, u64>) -> Result<u64, String> {
    let (name, rest) = line.split_once(' ').ok_or_else(|| format!(\"no name in {line}\"))?;
    let size: u32 = rest.trim().parse().map_err(|error| format!(\"{rest}: {error}\"))?;
    let count = seen.entry(name.to_owned()).or_insert(NUMBER);
    *count += u64::from(size);
    let total = *count;
    PROBE!(bench, probe_NUMBER, total, size, name.len());
    Ok(total)
}
";

const BARE: &str = "\
#[inline(never)]
pub fn handle_NUMBER(line: &str, seen: &mut BTreeMap<String, u64>) -> Result<u64, String> {
    let (total, size) = (seen.len() as u64, NUMBER_u32);
    PROBE!(bench, probe_NUMBER, total, size, line.len());
    Ok(total)
}
";

/// A program whose functions are all alike.
fn program(function: &str, probe: &str, count: usize) -> String {
    let mut text = String::from("use std::collections::BTreeMap;\n");
    for number in 0..count {
        text.push_str(&function.replace("NUMBER", &number.to_string()).replace("PROBE", probe));
    }
    text.push_str("fn main() {\n    let mut seen = BTreeMap::new();\n    let mut sum = 0;\n");
    for number in 0..count {
        let _ = writeln!(text, "    sum += handle_{number}(\"a {number}\", &mut seen).unwrap_or(0);");
    }
    text.push_str("    println!(\"{sum}\");\n}\n");
    text
}

/// Seconds of the processor that a command takes, with what it starts.
fn seconds(command: &mut Command) -> f64 {
    let own = || {
        // Fields 16 and 17 of /proc/self/stat (proc(5)): the time of children that were waited for, in ticks.
        let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let fields: Vec<f64> = text
            .rsplit(')')
            .next()
            .unwrap_or("")
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        // The first of the fields behind the name, the state, is no number.
        (fields.get(12).copied().unwrap_or(0.0) + fields.get(13).copied().unwrap_or(0.0)) / 100.0
    };
    let before = own();
    let output = command.output().expect("rustc runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    own() - before
}

/// The libraries that this program was built with, by crate.
fn library(name: &str) -> PathBuf {
    let folder = std::env::current_exe().expect("a path").with_file_name("deps");
    let files = std::fs::read_dir(folder).expect("the folder of libraries").flatten();
    let libraries = files.filter(|file| {
        let file = file.file_name().into_string().unwrap_or_default();
        file.starts_with(&format!("lib{name}-")) && file.ends_with(".rlib")
    });
    let newest = libraries.max_by_key(|file| file.metadata().and_then(|data| data.modified()).ok());
    newest.expect("cargo has built it").path()
}

fn main() {
    let small = std::env::args().any(|word| word == "--small");
    let (count, turns) = if small { (10, 1) } else { (1000, 2) };
    let folder = std::env::temp_dir().join(format!("stapes-bench-compile-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for (kind, function) in [("ordinary", ORDINARY), ("bare", BARE)] {
        for (profile, flags) in [("debug", &["-g"][..]), ("release", &["-O"][..])] {
            let compile = |name: &str, folder: &Path| {
                let source = folder.join(format!("{name}_{kind}.rs"));
                std::fs::write(&source, program(function, &format!("{name}::probe"), count)).expect("a file");
                let mut command = Command::new("rustc");
                command
                    .args(["--edition", "2024"])
                    .args(flags)
                    .arg(&source)
                    .arg("-o")
                    .arg(folder.join("program"));
                let library = library(name);
                command.arg("--extern").arg(format!("{name}={}", library.display()));
                command.arg("-L").arg(format!("dependency={}", library.with_file_name("").display()));
                seconds(&mut command)
            };
            let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
            for _ in 0..turns {
                ours = ours.min(compile("stapes", &folder));
                theirs = theirs.min(compile("probe", &folder));
            }
            let what = format!("compile {count} probes, {kind}, {profile}");
            println!("{what}\tprobe\t{theirs:.2} s\t");
            println!("{what}\tstapes\t{ours:.2} s\t{:.2}", ours / theirs);
        }
    }
    let _ = std::fs::remove_dir_all(folder);
}
