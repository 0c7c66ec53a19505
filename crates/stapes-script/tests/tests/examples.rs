//! The scripts in `examples/`: what they say to do works at least as far as a parser can tell.

use std::fs;
use std::path::Path;

use stapes_script::{parse, print, render};

use crate::tree;

/// Every example with its name.
pub(crate) fn all() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut scripts: Vec<(String, String)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "bt"))
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(path).unwrap())
        })
        .collect();
    scripts.sort();
    assert!(scripts.len() >= 8);
    scripts
}

#[test]
fn parse_without_complaints_and_print_back() {
    for (name, source) in all() {
        let (script, complaints) = parse(&source);
        let text: String =
            complaints.iter().map(|d| render::render(&name, &source, d, render::Style::Plain)).collect();
        assert!(complaints.is_empty(), "{text}");
        let (again, complaints) = parse(&print::script(&script));
        assert_eq!(complaints, []);
        assert_eq!(tree::script(&again), tree::script(&script), "{name}");
    }
}

#[test]
fn say_how_they_are_run() {
    for (name, source) in all() {
        assert!(source.starts_with("#!/usr/bin/env -S stapes run\n/*\n"), "{name}");
        assert!(source.contains(&format!("examples/{name}")), "{name}");
    }
}
