//! `stapes list` of files and folders, against readelf, gdb, bcc and bpftrace.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::support::*;

/// Files with probes from Debian's packages; those that are here.
fn real_files() -> Vec<String> {
    let patterns = [
        LIBJVM,
        "/usr/lib/postgresql/*/bin/postgres",
        "/usr/lib/x86_64-linux-gnu/libruby-*.so.*.*.*",
        "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
    ];
    let expand = |p: &str| output_of(Command::new("sh").arg("-c").arg(format!("ls -d {p} 2>/dev/null")));
    patterns.iter().flat_map(|p| expand(p).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Provider, name, address, semaphore, arguments.
type Row = (String, String, u64, u64, String);

fn our_rows(path: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for probe in json_lines(&stapes_ok(&["list", "--json", path])) {
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        for site in probe["locations"].as_array().unwrap() {
            let semaphore = site["semaphore"].as_u64().unwrap_or(0);
            let pc = site["pc"].as_u64().unwrap();
            rows.push((
                text(&probe["provider"]),
                text(&probe["name"]),
                pc,
                semaphore,
                text(&site["arguments"]),
            ));
        }
    }
    rows.sort();
    rows
}

/// The same from readelf. These files were not moved after linking, so their notes need no adjustment.
fn readelf_rows(path: &str) -> Vec<Row> {
    let text = output_of(Command::new("readelf").args(["-nW", path]));
    let mut rows = Vec::new();
    let mut row = Row::default();
    let hex = |s: &str| u64::from_str_radix(s.trim().trim_start_matches("0x"), 16).unwrap();
    for line in text.lines() {
        if let Some((_, provider)) = line.split_once("Provider: ") {
            row.0 = provider.to_owned();
        } else if let Some((_, name)) = line.split_once("Name: ") {
            row.1 = name.to_owned();
        } else if let Some((_, places)) = line.split_once("Location: ") {
            let mut parts = places.split(", ");
            row.2 = hex(parts.next().unwrap());
            row.3 = hex(parts.nth(1).unwrap().trim_start_matches("Semaphore: "));
        } else if let Some((_, arguments)) = line.split_once("Arguments:") {
            row.4 = arguments.trim().to_owned();
            rows.push(std::mem::take(&mut row));
        }
    }
    rows.sort();
    rows
}

#[test]
fn every_note_of_real_files_is_listed_as_readelf_has_it() {
    let test = "every_note_of_real_files_is_listed_as_readelf_has_it";
    if !have(test, &["readelf"]) {
        return;
    }
    let files = real_files();
    if files.is_empty() {
        skip(test, "no packages with probes are installed");
    }
    for file in files {
        let theirs = readelf_rows(&file);
        assert!(!theirs.is_empty(), "{file}");
        assert_eq!(our_rows(&file), theirs, "{file}");
    }
}

#[test]
fn sites_are_where_gdb_finds_them() {
    let test = "sites_are_where_gdb_finds_them";
    if !have(test, &["gdb"]) {
        return;
    }
    for file in real_files() {
        let text =
            output_of(Command::new("gdb").args(["-nx", "-q", "-batch", "-ex", "info probes stap", &file]));
        let mut theirs = BTreeSet::new();
        for line in text.lines().filter(|l| l.starts_with("stap ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let pc = u64::from_str_radix(words[3].trim_start_matches("0x"), 16).unwrap();
            theirs.insert((words[1].to_owned(), words[2].to_owned(), pc));
        }
        let ours: BTreeSet<_> = our_rows(&file).into_iter().map(|r| (r.0, r.1, r.2)).collect();
        assert_eq!(ours, theirs, "{file}");
    }
}

#[test]
fn names_are_those_of_bpftrace() {
    let test = "names_are_those_of_bpftrace";
    if !have(test, &["bpftrace"]) || !root(test) {
        return;
    }
    // bpftrace cannot say paths with `+`.
    for file in real_files().into_iter().filter(|f| !f.contains('+')) {
        let theirs = output_of(Command::new("bpftrace").args(["-l", &format!("usdt:{file}:*")]));
        let theirs: BTreeSet<_> =
            theirs.lines().filter(|l| l.starts_with("usdt:")).map(str::to_owned).collect();
        let ours: Vec<_> = stapes_ok(&["list", &file]).lines().map(str::to_owned).collect();
        assert_eq!(ours.iter().cloned().collect::<BTreeSet<_>>(), theirs, "{file}");
        assert_eq!(ours.len(), theirs.len(), "a name twice in {file}");
    }
}

#[test]
fn arguments_are_those_of_tplist() {
    let test = "arguments_are_those_of_tplist";
    if !have(test, &["tplist-bpfcc", LIBJVM]) || !root(test) {
        return;
    }
    // `argument #1 8 unsigned bytes @ dx`, numbered from 1.
    let text = output_of(Command::new("tplist-bpfcc").args(["-vv", "-l", LIBJVM]));
    let mut theirs = Vec::new();
    let mut name = String::new();
    for line in text.lines() {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            [full, "[sema", _] => name = (*full).to_owned(),
            ["argument", number, size, sign, "bytes", ..] => {
                let number: u64 = number.trim_start_matches('#').parse().unwrap();
                theirs.push((name.clone(), number - 1, size.parse().unwrap(), *sign == "signed"));
            }
            _ => {}
        }
    }
    let mut ours = Vec::new();
    for probe in json_lines(&stapes_ok(&["list", "--json", LIBJVM])) {
        let full = format!("{}:{}", probe["provider"].as_str().unwrap(), probe["name"].as_str().unwrap());
        for site in probe["locations"].as_array().unwrap() {
            for (number, arg) in site["args"].as_array().unwrap().iter().enumerate() {
                let size = arg["size"].as_u64().unwrap();
                ours.push((full.clone(), number as u64, size, arg["signed"].as_bool().unwrap()));
            }
        }
    }
    theirs.sort();
    ours.sort();
    assert!(!theirs.is_empty());
    assert_eq!(ours, theirs);
}

#[test]
fn json_has_the_documented_keys() {
    let test = "json_has_the_documented_keys";
    if !can_compile(test) {
        return;
    }
    let dir = folder();
    let program = compile(dir.path(), "target", TARGET, &["-no-pie"]);
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let probes = json_lines(&stapes_ok(&["list", "--json", program.to_str().unwrap()]));
    assert_eq!(probes.len(), 2);
    let counted = &probes[0];
    assert_eq!((counted["provider"].as_str(), counted["name"].as_str()), (Some("cases"), Some("counted")));
    assert_eq!(keys(counted), ["path", "build_id", "arch", "provider", "name", "locations"]);
    // `first` has it twice nowhere; `first` and `second` each once, and both may also be inlined into `main`.
    assert!(counted["locations"].as_array().unwrap().len() >= 2);
    let site = &counted["locations"][0];
    let expected =
        ["pc", "file_offset", "semaphore", "semaphore_offset", "arguments", "args", "nop", "symbol"];
    assert_eq!(keys(site), expected);
    assert_eq!(keys(&site["args"][0]), ["size", "signed", "float", "operand"]);
    let symbol = |name: &str| {
        let text = output_of(Command::new("nm").arg(&program));
        let line = text.lines().find(|l| l.ends_with(&format!(" {name}"))).map(str::to_owned).unwrap();
        u64::from_str_radix(line.split(' ').next().unwrap(), 16).unwrap()
    };
    assert_eq!(site["semaphore"].as_u64(), Some(symbol("cases_counted_semaphore")));
}

#[test]
fn folders_are_searched_without_following_links_and_each_file_once() {
    let test = "folders_are_searched_without_following_links_and_each_file_once";
    if !can_compile(test) {
        return;
    }
    let dir = folder();
    let program = compile(dir.path(), "target", TARGET, &[]);
    let deep = dir.path().join("a/b/c");
    fs::create_dir_all(&deep).unwrap();
    fs::hard_link(&program, deep.join("hard")).unwrap();
    fs::copy(&program, deep.join("copy")).unwrap();
    symlink(dir.path(), deep.join("loop")).unwrap();
    symlink(&program, dir.path().join("link")).unwrap();
    for i in 0..1000 {
        fs::write(deep.join(format!("file{i}")), "not ELF").unwrap();
    }
    let text = stapes_ok(&["list".as_ref(), dir.path().as_os_str()]);
    let paths: BTreeSet<_> = text.lines().map(|l| PathBuf::from(l.split(':').nth(1).unwrap())).collect();
    // Of two names of one file the first in order stands for it.
    assert_eq!(paths, BTreeSet::from([deep.join("copy"), deep.join("hard")]));
    assert_eq!(text.lines().count(), 4);
    // A link that is asked for by name is followed.
    assert_eq!(stapes_ok(&["list".into(), dir.path().join("link")]).lines().count(), 2);
}

#[test]
fn specifications_choose() {
    let test = "specifications_choose";
    if !can_compile(test) {
        return;
    }
    let dir = folder();
    let program = compile(dir.path(), "target", TARGET, &[]).display().to_string();
    let list = |spec: &str| stapes_ok(&["list", spec]).lines().map(str::to_owned).collect::<Vec<_>>();
    let (counted, plain) = (format!("usdt:{program}:cases:counted"), format!("usdt:{program}:cases:plain"));
    assert_eq!(list(&program), [counted.clone(), plain.clone()]);
    assert_eq!(list(&format!("usdt:{program}:cases:*a*")), [plain.as_str()]);
    assert_eq!(list(&format!("usdt:{program}:counted")), [counted.as_str()]);
    assert_eq!(list(&format!("U:{program}:c*:*")), [counted.clone(), plain.clone()]);
    let star = format!("usdt:{}/*:plain", dir.path().display());
    assert_eq!(list(&star), [plain.as_str()]);
    // Two targets that share a file: each probe once.
    let both = stapes_ok(&["list".to_owned(), format!("usdt:{program}:*:plain"), program.clone()]);
    assert_eq!(both.lines().count(), 2);
    // By name, through $PATH.
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
    let by_name = output_of(
        Command::new(env!("CARGO_BIN_EXE_stapes")).args(["list", "usdt:target:*:plain"]).env("PATH", path),
    );
    assert_eq!(by_name.trim(), plain);
}

#[test]
fn what_is_not_found_is_said_and_fails() {
    let fails = |args: &[&str]| {
        let output = stapes(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(fails(&["list", "/no/such/file"]), "error: /no/such/file: no such file\n");
    assert_eq!(fails(&["list", "/etc/passwd"]), "error: /etc/passwd: not an ELF file\n");
    assert_eq!(fails(&["list", "/bin/true"]), "no probes in /bin/true\n");
    let dir = folder();
    fs::write(dir.path().join("a"), "").unwrap();
    fs::write(dir.path().join("b"), "").unwrap();
    let path = dir.path().to_str().unwrap();
    assert_eq!(fails(&["list", path]), format!("no probes in {path} (2 files looked at)\n"));
    assert!(fails(&["list", "usdt::p:n"]).contains("names no file"));
    assert!(fails(&["list", "-p", "4194305"]).contains("process 4194305: no such process"));
    assert_eq!(stapes(&["list", "--format", "nothing"]).status.code(), Some(2));
    for command in ["list", "info", "validate"] {
        assert_eq!(stapes(&[command]).status.code(), Some(2), "{command} without a target");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let test = "a_reader_that_goes_away_is_no_failure";
    if !have(test, &[LIBJVM]) {
        return;
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_stapes"))
        .args(["list", "-v", LIBJVM])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn broken_files_are_errors_with_a_place() {
    let test = "broken_files_are_errors_with_a_place";
    if !can_compile(test) {
        return;
    }
    let dir = folder();
    let program = compile(dir.path(), "target", TARGET, &[]);
    let bytes = fs::read(&program).unwrap();
    let broken = dir.path().join("broken");
    fs::write(&broken, &bytes[..bytes.len() / 2]).unwrap();
    let output = stapes(&["list".as_ref(), broken.as_os_str()]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("broken: e_shoff at offset 0x28"), "{message}");
    // In a folder it does not keep the others from being listed.
    let output = stapes(&["list".as_ref(), dir.path().as_os_str()]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2);
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("skipped: "));
}

#[test]
fn debug_information_is_not_taken_for_a_program() {
    let test = "debug_information_is_not_taken_for_a_program";
    if !can_compile(test) || !have(test, &["objcopy"]) {
        return;
    }
    let dir = folder();
    let program = compile(dir.path(), "target", TARGET, &["-g"]);
    let debug = dir.path().join("target.debug");
    assert!(
        Command::new("objcopy")
            .arg("--only-keep-debug")
            .arg(&program)
            .arg(&debug)
            .status()
            .unwrap()
            .success()
    );
    let listed = |path: &std::path::Path| stapes_ok(&["list".as_ref(), path.as_os_str()]);
    let folder = listed(dir.path());
    assert_eq!(folder.lines().count(), 2, "{folder}");
    assert!(!folder.contains(".debug:"), "{folder}");
    // Asked for by name, it shows its notes.
    assert_eq!(listed(&debug).lines().count(), 2);
}
