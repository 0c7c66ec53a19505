//! The scripts in `examples/`: what they say to do works at least as far as a parser can tell.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use stapes_script::ast::AttachKind;
use stapes_script::diagnostics::Severity;
use stapes_script::{parse, print, render};

use crate::language::world::{World, text};
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

/// In a world where every probe exists that they name, with eight arguments, each compiles without a warning.
#[test]
fn compile_without_complaints() {
    for (name, source) in all() {
        for parameters in [vec![], vec!["5".to_owned()]] {
            let (script, _) = parse(&source);
            let mut world = World::new();
            world.options.parameters = parameters;
            world.options.max_strlen = 1024;
            world.functions.clear();
            world.probes.clear();
            for point in script.attach_points() {
                match &point.kind {
                    AttachKind::Usdt { name, .. } => world.probes.push((
                        name.clone().leak(),
                        vec!["8@%rdi 8@%rsi 8@%rdx 8@%rcx 8@%r8 8@%r9 8@%rax 8@%rbx"],
                    )),
                    AttachKind::Uprobe { function, .. } => world.functions.push(function.clone().leak()),
                    _ => {}
                }
            }
            match world.compile(&source) {
                Ok((_, warnings)) => assert!(warnings.is_empty(), "{name}: {}", text(&source, &warnings)),
                Err(errors) => panic!("{name}: {}", text(&source, &errors)),
            }
        }
    }
}

#[test]
fn say_how_they_are_run() {
    for (name, source) in all() {
        assert!(source.starts_with("#!/usr/bin/env -S stapes run\n/*\n"), "{name}");
        assert!(source.contains(&format!("examples/{name}")), "{name}");
    }
}

/// bpftrace's own tools, where its package is installed: every one parses, whatever it traces.
#[test]
fn the_tools_of_bpftrace_parse() {
    let Ok(folder) = fs::read_dir("/usr/sbin") else { return };
    let mut tools: Vec<_> = folder
        .flatten()
        .map(|entry| entry.path())
        .filter(|p| p.extension().is_some_and(|e| e == "bt"))
        .collect();
    tools.sort();
    if tools.is_empty() {
        let reason = "skip examples::the_tools_of_bpftrace_parse: bpftrace's tools are not installed";
        writeln!(std::io::stderr(), "{reason}").unwrap();
        return;
    }
    for tool in tools {
        let source = fs::read_to_string(&tool).unwrap();
        let (script, complaints) = parse(&source);
        let errors: String = complaints
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .map(|d| render::render(&tool.to_string_lossy(), &source, d, render::Style::Plain))
            .collect();
        assert!(errors.is_empty(), "{errors}");
        let (again, complaints) = parse(&print::script(&script));
        assert_eq!(complaints, [], "{}", tool.display());
        assert_eq!(tree::script(&again), tree::script(&script), "{}", tool.display());
    }
}
