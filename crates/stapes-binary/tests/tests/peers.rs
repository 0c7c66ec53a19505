//! Real files, against readelf and gdb.

use std::collections::BTreeSet;

use crate::support::{files_with_probes, open, output, skip};

/// Provider, name, location, semaphore and arguments of a note.
type Record = (String, String, u64, u64, String);

/// What `readelf -nW` prints of the probes of a file.
fn readelf(path: &str) -> Option<Vec<Record>> {
    let text = output("readelf", &["-nW", path])?;
    let mut records = Vec::new();
    let (mut provider, mut name, mut location, mut semaphore) = (String::new(), String::new(), 0, 0);
    for line in text.lines() {
        let hex = |text: &str| u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).unwrap();
        let line = line.trim_start();
        if let Some((_, rest)) = line.split_once("Provider: ") {
            provider = rest.to_owned();
        } else if let Some(rest) = line.strip_prefix("Name: ") {
            name = rest.to_owned();
        } else if let Some(rest) = line.strip_prefix("Location: ") {
            let mut parts = rest.split(", ");
            location = hex(parts.next().unwrap());
            parts.next();
            semaphore = hex(parts.next().unwrap().strip_prefix("Semaphore: ").unwrap());
        } else if let Some(rest) = line.strip_prefix("Arguments:") {
            let arguments = rest.trim_start().to_owned();
            records.push((provider.clone(), name.clone(), location, semaphore, arguments));
        }
    }
    Some(records)
}

#[test]
fn readelf_lists_the_same() {
    let mut compared = 0;
    for path in files_with_probes() {
        let Some(notes) = stapes_binary::notes::read(&open(&path)).unwrap() else { continue };
        let Some(theirs) = readelf(path.to_str().unwrap()) else {
            return skip("readelf_lists_the_same", "readelf is not installed");
        };
        let mut ours: Vec<(u64, Record)> = Vec::new();
        for probe in &notes.probes {
            for site in &probe.sites {
                let semaphore = site.semaphore.map_or(0, |s| s.0);
                ours.push((
                    site.note_offset,
                    (
                        probe.provider.clone(),
                        probe.name.clone(),
                        site.pc.0,
                        semaphore,
                        site.arguments.trim_start().to_owned(),
                    ),
                ));
                for arg in &site.args {
                    let spec =
                        arg.spec.as_ref().unwrap_or_else(|e| panic!("{}: {}: {e}", path.display(), arg.text));
                    assert_eq!(spec.to_string(), arg.text, "{}", path.display());
                }
            }
        }
        ours.sort_by_key(|(offset, _)| *offset);
        let ours: Vec<Record> = ours.into_iter().map(|(_, record)| record).collect();
        assert_eq!(ours, theirs, "{}", path.display());
        println!("{}: {}", path.display(), theirs.len());
        compared += theirs.len();
    }
    if compared == 0 {
        skip("readelf_lists_the_same", "no file with probes is installed");
    }
}

#[test]
fn gdb_lists_the_same() {
    const TEST: &str = "gdb_lists_the_same";
    // Not libjvm.so, whose debug symbols gdb takes long to read.
    let files = files_with_probes().into_iter().filter(|p| !p.ends_with("libjvm.so"));
    let mut compared = 0;
    for path in files {
        let Some(notes) = stapes_binary::notes::read(&open(&path)).unwrap() else { continue };
        let name = path.to_str().unwrap();
        let Some(text) = output("gdb", &["-nx", "-batch", "-ex", "info probes stap", name]) else {
            return skip(TEST, "gdb is not installed");
        };
        let mut theirs = BTreeSet::new();
        for line in text.lines().filter(|l| l.starts_with("stap ")) {
            let fields: Vec<_> = line.split_whitespace().collect();
            let hex =
                |i: usize| fields.get(i).and_then(|f| u64::from_str_radix(f.strip_prefix("0x")?, 16).ok());
            let semaphore = hex(4).unwrap_or(0);
            theirs.insert((fields[1].to_owned(), fields[2].to_owned(), hex(3).unwrap(), semaphore));
        }
        let mut ours = BTreeSet::new();
        for probe in &notes.probes {
            for site in &probe.sites {
                let semaphore = site.semaphore.map_or(0, |s| s.0);
                ours.insert((probe.provider.clone(), probe.name.clone(), site.pc.0, semaphore));
            }
        }
        assert_eq!(ours, theirs, "{name}");
        compared += ours.len();
    }
    if compared == 0 {
        skip(TEST, "no file with probes is installed");
    }
}
