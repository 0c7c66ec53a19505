//! Runs the script suite: testdata/script, whose README says what its files look like.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::*;

/// Cases that the kernel engine does not run, by title, with the reason.
const EXCLUDED: [(&str, &str); 0] = [];

struct Case {
    file: String,
    title: String,
    blocks: BTreeMap<String, String>,
}

#[test]
fn the_script_suite_runs_on_the_kernel_engine() {
    let test = "the_script_suite_runs_on_the_kernel_engine";
    if !root(test) || !can_compile(test) {
        return;
    }
    let folder = folder();
    let source = fs::read_to_string(suite().join("target.c")).unwrap();
    let target = compile(folder.path(), "target", &source, &[]);
    let cases = cases();
    assert!(cases.len() > 50, "only {} cases were found", cases.len());
    let mut failures = Vec::new();
    for case in &cases {
        if let Some((_, reason)) = EXCLUDED.iter().find(|(title, _)| *title == case.title) {
            skip(&format!("{test} ({})", case.title), reason);
            continue;
        }
        if let Err(failure) = run(case, &target) {
            failures.push(format!("== {}: {}\n{failure}", case.file, case.title));
        }
    }
    assert!(failures.is_empty(), "{} of {} failed\n{}", failures.len(), cases.len(), failures.join("\n"));
}

fn run(case: &Case, target: &Path) -> Result<(), String> {
    let path = target.to_str().unwrap();
    let text = |name: &str| case.blocks.get(name).map(|t| t.replace("TARGET", path));
    let lines = |name: &str| text(name).map(|t| t.lines().map(str::to_owned).collect()).unwrap_or_default();
    let script = text("bpftrace").ok_or("no script")?;
    let mut command = Command::new("timeout");
    command.args(["20", env!("CARGO_BIN_EXE_stapes"), "--engine", "kernel", "-e", &script]);
    command.args::<Vec<String>, _>(lines("options"));
    if case.blocks.contains_key("json") {
        command.args(["-f", "json"]);
    }
    if let Some(arguments) = text("command") {
        command.args(["-c", format!("{path} {}", arguments.trim()).trim()]);
    }
    command.args::<Vec<String>, _>(lines("parameters"));
    let output = command.output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();

    let mut wanted_code = text("exit").map_or(0, |code| code.trim().parse().unwrap());
    if case.blocks.contains_key("diagnostics") {
        wanted_code = 1;
    }
    if output.status.code() != Some(wanted_code) {
        return Err(format!("exit {:?}, not {wanted_code}\n{stdout}{stderr}", output.status.code()));
    }
    for (block, found) in
        [("output", &stdout), ("json", &stdout), ("sorted", &stdout), ("diagnostics", &stderr)]
    {
        let Some(wanted) = text(block) else { continue };
        let (mut found, mut wanted) = (trimmed(found), trimmed(&wanted));
        found.retain(|line| !line.starts_with("{\"type\": \"attached_probes\""));
        if block == "sorted" {
            found.sort_unstable();
            wanted.sort_unstable();
        }
        let same = found.len() == wanted.len() && wanted.iter().zip(&found).all(|(w, f)| matches(w, f));
        if !same {
            let (wanted, found) = (wanted.join("\n"), found.join("\n"));
            return Err(format!("-- wanted\n{wanted}\n-- found\n{found}\n-- standard error\n{stderr}"));
        }
    }
    Ok(())
}

/// The lines without what the README says does not count.
fn trimmed(text: &str) -> Vec<String> {
    let text = text.replace("\n\n\n", "\n");
    let mut lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    let blank = lines.iter().take_while(|line| line.is_empty()).count();
    lines.split_off(blank)
}

/// Whether a line is as wanted, where `<any>` stands for any text.
fn matches(wanted: &str, found: &str) -> bool {
    match wanted.split_once("<any>") {
        None => wanted == found,
        Some((before, after)) => found.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().any(|(at, _)| matches(after, &rest[at..])) || matches(after, "")
        }),
    }
}

fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/script")
}

/// Every case of every file, in the order of their names.
fn cases() -> Vec<Case> {
    let mut files: Vec<PathBuf> = fs::read_dir(suite()).unwrap().map(|e| e.unwrap().path()).collect();
    files
        .retain(|f| f.extension().is_some_and(|e| e == "md") && f.file_stem().is_some_and(|s| s != "README"));
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(title) = line.strip_prefix("## ") {
                cases.push(Case { file: name.clone(), title: title.to_owned(), blocks: BTreeMap::new() });
            } else if let Some(block) = line.strip_prefix("```") {
                let body: String =
                    lines.by_ref().take_while(|l| *l != "```").flat_map(|l| [l, "\n"]).collect();
                let case: &mut Case =
                    cases.last_mut().unwrap_or_else(|| panic!("{name}: block before a heading"));
                let known = [
                    "bpftrace",
                    "command",
                    "parameters",
                    "options",
                    "output",
                    "json",
                    "sorted",
                    "diagnostics",
                    "exit",
                ];
                assert!(known.contains(&block), "{name}: {}: unknown block `{block}`", case.title);
                assert!(
                    case.blocks.insert(block.to_owned(), body).is_none(),
                    "{name}: {}: two of `{block}`",
                    case.title
                );
            }
        }
    }
    cases
}
