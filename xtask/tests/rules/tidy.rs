//! The shape of the tree: module headers, lengths, the crate graph, where `unsafe` may stand.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files that are tables and may be long.
const TABLES: &[&str] = &[];

/// The most lines of a file that is not a table.
const MOST_LINES: usize = 900;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Every file that git knows or would take, with this ending.
fn files(ending: &str) -> Vec<PathBuf> {
    let list = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .output()
        .unwrap();
    assert!(list.status.success(), "git ls-files failed");
    let files: Vec<PathBuf> = String::from_utf8(list.stdout)
        .unwrap()
        .lines()
        .filter(|name| name.ends_with(ending))
        .map(PathBuf::from)
        .filter(|name| root().join(name).exists())
        .collect();
    assert!(!files.is_empty(), "no files end with {ending}");
    files
}

fn read(name: &Path) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The lines of a fenced block of ARCHITECTURE.md that follows the line `<!-- NAME -->`.
fn table(name: &str) -> Vec<String> {
    let text = read(Path::new("ARCHITECTURE.md"));
    let marker = format!("<!-- {name} -->");
    let mut lines = text.lines().skip_while(|l| *l != marker).skip(1);
    assert!(lines.next().is_some_and(|l| l.starts_with("```")), "{marker} is not followed by a block");
    lines.take_while(|l| !l.starts_with("```")).map(str::to_owned).collect()
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<_> = files(".rs")
        .into_iter()
        // What a compile-fail test shows the compiler is a user's file, not a module.
        .filter(|f| !f.components().any(|c| c.as_os_str() == "compile_fail"))
        .filter(|f| {
            let text = read(f);
            let first = text.lines().find(|l| !l.is_empty() && !l.starts_with("#!")).unwrap_or("");
            !first.starts_with("//!")
        })
        .collect();
    assert!(silent.is_empty(), "these do not open with `//!`: {silent:?}");
}

#[test]
fn only_tables_are_long() {
    let long: Vec<_> = files(".rs")
        .into_iter()
        .filter(|f| !TABLES.iter().any(|t| f == Path::new(t)))
        .filter(|f| read(f).lines().count() > MOST_LINES)
        .collect();
    assert!(long.is_empty(), "longer than {MOST_LINES} lines: {long:?}");
}

/// `cli → session, output` in the document, `stapes-cli` needing `stapes-session` in the manifests.
#[test]
fn the_crate_graph_is_the_one_in_the_architecture() {
    let mut promised: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in table("crate-graph") {
        let (name, needs) = line.split_once('→').unwrap_or((&line, ""));
        let needs = needs.split(',').map(|n| n.trim().to_owned()).filter(|n| !n.is_empty());
        promised.insert(name.trim().to_owned(), needs.collect());
    }
    let mut real: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for manifest in files("Cargo.toml").iter().filter(|f| f.starts_with("crates")) {
        let name = manifest.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        let text = read(manifest);
        assert!(text.contains(&format!("name = \"{name}\"")), "{name}: a folder is named as its crate");
        let mut needs = BTreeSet::new();
        let mut inside = false;
        for line in text.lines() {
            if line.starts_with('[') {
                inside = line.contains("dependencies]") && !line.contains("dev-");
            } else if inside && line.starts_with("stapes") {
                let end = line.find([' ', '.', '=']).unwrap_or(line.len());
                needs.insert(line[..end].to_owned());
            }
        }
        real.insert(name, needs);
    }
    assert_eq!(promised, real, "left: ARCHITECTURE.md, right: the manifests");
}

#[test]
fn unsafe_stands_only_where_the_architecture_allows_it() {
    let allowed = table("unsafe");
    let unsafe_word = concat!("un", "safe");
    let stray: Vec<_> = files(".rs")
        .into_iter()
        .filter(|f| !allowed.iter().any(|a| f.starts_with(a.trim())))
        .filter(|f| {
            read(f).lines().any(|line| {
                let code = line.split("//").next().unwrap_or("");
                [" {", " fn", " impl", " extern", "(no_mangle"].iter().any(|after| {
                    code.match_indices(&format!("{unsafe_word}{after}")).any(|(at, _)| {
                        // Within a string, as of a macro's test, it is not code of ours.
                        // And `allow_unsafe` is another word.
                        let before = &code[..at];
                        before.matches('"').count() % 2 == 0 && !before.ends_with('_')
                    })
                })
            })
        })
        .collect();
    assert!(stray.is_empty(), "{unsafe_word} code outside ARCHITECTURE.md's list: {stray:?}");
}

#[test]
fn every_local_link_of_the_documents_leads_somewhere() {
    let mut broken = Vec::new();
    for document in files(".md") {
        let text = read(&document);
        let folder = document.parent().unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#', ' ']).next().unwrap_or("");
            let elsewhere = target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            let looks_like_a_path = target.contains('/') || target.contains('.');
            if !elsewhere && looks_like_a_path && !root().join(folder).join(target).exists() {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere: {broken:#?}");
}
