//! The catalog: what attach points find in files and processes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use stapes_binary::{Operand, Vaddr};
use stapes_script::catalog::{Answer, Catalog, Place};
use stapes_session::catalog::{Collected, Scope, collect};
use tempfile::tempdir;

use super::support::*;

/// Two probes: `one` in two functions, and `global`, whose argument is a variable; one note of each stands there twice.
const TARGET: &str = r#"
#include <sys/sdt.h>
#include <stdio.h>
#include <unistd.h>
long counter = 7;
__attribute__((noinline)) void first(int a) { STAP_PROBE1(cat, one, a); }
__attribute__((noinline)) void second(int a) { STAP_PROBE1(cat, one, a + 1); }
__attribute__((noinline)) void third(void) {
    __asm__ volatile("990: nop\n"
        ".rept 2\n"
        ".pushsection .note.stapsdt,\"?\",\"note\"\n.balign 4\n.4byte 992f-991f, 994f-993f, 3\n"
        "991: .asciz \"stapsdt\"\n992: .balign 4\n993: .8byte 990b, _.stapsdt.base, 0\n"
        ".asciz \"cat\"\n.asciz \"global\"\n.asciz \"8@counter(%rip)\"\n994: .balign 4\n.popsection\n.endr\n");
}
int main(int argc, char **argv) {
    char byte;
    puts("ready"); fflush(stdout);
    do { first(argc); second(argc); third(); } while (read(0, &byte, 1) > 0);
    return 0;
}
"#;

fn catalog_in(script: &str, scope: &Scope) -> Collected {
    let (tree, complaints) = stapes_script::parse(script);
    assert!(complaints.is_empty(), "{script}: {complaints:?}");
    collect(&tree, scope)
}

fn catalog(script: &str) -> Catalog {
    catalog_in(script, &Scope::default()).catalog
}

fn only(catalog: &Catalog) -> &Answer {
    assert_eq!(catalog.answers.len(), 1);
    &catalog.answers[0]
}

fn names(answer: &Answer) -> Vec<&str> {
    answer.matches.iter().map(|m| m.name.as_str()).collect()
}

/// The address of a symbol, by nm.
fn nm(program: &Path, symbol: &str) -> u64 {
    let output = Command::new("nm").arg(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|l| l.ends_with(&format!(" {symbol}"))).unwrap();
    u64::from_str_radix(line.split(' ').next().unwrap(), 16).unwrap()
}

/// The file offset of an address, by readelf's program headers.
fn file_offset(program: &Path, address: u64) -> u64 {
    let output = Command::new("readelf").arg("-lW").arg(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let hex = |s: &str| u64::from_str_radix(s.trim_start_matches("0x"), 16).unwrap();
    let loads =
        text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>()).filter(|w| w.first() == Some(&"LOAD"));
    let mut loads = loads.map(|w| (hex(w[1]), hex(w[2]), hex(w[4])));
    let (offset, start, _) =
        loads.find(|(_, start, size)| (*start..start + size).contains(&address)).unwrap();
    address - start + offset
}

#[test]
fn probes_are_found_with_sites_symbols_and_functions() {
    if !can_compile("probes_are_found_with_sites_symbols_and_functions") {
        return;
    }
    let dir = tempdir().unwrap();
    let program = compile(dir.path(), "target", TARGET, &["-no-pie"]);
    let path = program.display().to_string();
    let scope = Scope { functions: true, ..Scope::default() };
    let found = catalog_in(&format!("usdt:{path}:cat:* {{ }}"), &scope).catalog;
    let answer = only(&found);
    assert_eq!(names(answer), [format!("usdt:{path}:cat:one"), format!("usdt:{path}:cat:global")]);
    assert_eq!(found.images.len(), 1);
    assert_eq!((found.images[0].path.as_str(), found.images[0].pids.as_slice()), (path.as_str(), &[][..]));

    let Place::Usdt { probe, functions } = &answer.matches[0].place else { panic!("{answer:?}") };
    // Inlined into `main` as well, or not; every site is in a function that exists.
    assert!(probe.sites.len() >= 2 && functions.len() == probe.sites.len());
    for (site, function) in probe.sites.iter().zip(functions) {
        let start = nm(&program, function.as_deref().unwrap());
        assert!((start..start + 200).contains(&site.pc.0));
    }
    let Place::Usdt { probe, .. } = &answer.matches[1].place else { panic!("{answer:?}") };
    // Two notes of one place are one site.
    assert_eq!(probe.sites.len(), 1);
    let Ok(spec) = &probe.sites[0].args[0].spec else { panic!("{probe:?}") };
    let Operand::Memory { symbol: Some(symbol), .. } = &spec.operand else { panic!("{spec:?}") };
    assert_eq!(symbol.address.map(|a| a.0), Some(nm(&program, "counter")));
}

#[test]
fn functions_are_found_where_nm_and_readelf_have_them() {
    if !can_compile("functions_are_found_where_nm_and_readelf_have_them") {
        return;
    }
    let dir = tempdir().unwrap();
    for flags in [["-no-pie", "-O2"], ["-pie", "-O2"]] {
        let program = compile(dir.path(), "target", TARGET, &flags);
        let path = program.display().to_string();
        let place = |point: &str| {
            let found = catalog(&format!("{point} {{ }}"));
            match &only(&found).matches[..] {
                [one] => (one.name.clone(), one.place.clone()),
                other => panic!("{point}: {other:?}, {:?}", found.answers),
            }
        };
        let first = nm(&program, "first");
        let file_offset = |address| file_offset(&program, address);
        let at = |address: u64| Place::Function {
            function: "first".to_owned(),
            address: Vaddr(address),
            file_offset: file_offset(address),
        };
        assert_eq!(place(&format!("uprobe:{path}:first")), (format!("uprobe:{path}:first"), at(first)));
        assert_eq!(place(&format!("uretprobe:{path}:first")).0, format!("uretprobe:{path}:first"));
        assert_eq!(place(&format!("uprobe:{path}:first+1")).1, at(first + 1));
        assert_eq!(place(&format!("uprobe:{path}:{first:#x}")).1, at(first));
        let found = catalog(&format!("uprobe:{path}:*ir* {{ }}"));
        let mut matched = names(only(&found));
        matched.sort_unstable();
        assert!(matched.contains(&format!("uprobe:{path}:first").as_str()), "{matched:?}");
        assert!(matched.contains(&format!("uprobe:{path}:third").as_str()), "{matched:?}");
        let beyond = catalog(&format!("uprobe:{path}:first+100000 {{ }}"));
        assert!(
            only(&beyond).failure.as_deref().is_some_and(|f| f.contains("`first` has only")),
            "{beyond:?}"
        );
        let nowhere = catalog(&format!("uprobe:{path}:0xffff00000000 {{ }}"));
        assert!(
            only(&nowhere).failure.as_deref().is_some_and(|f| f.contains("not in the file")),
            "{nowhere:?}"
        );
    }
}

#[test]
fn one_file_by_several_names_is_one_image() {
    if !can_compile("one_file_by_several_names_is_one_image") {
        return;
    }
    let dir = tempdir().unwrap();
    let program = compile(dir.path(), "target", TARGET, &[]);
    symlink(&program, dir.path().join("tlink")).unwrap();
    fs::hard_link(&program, dir.path().join("thard")).unwrap();
    let folder = dir.path().display();
    let found = catalog(&format!("usdt:{folder}/t*:cat:one, usdt:{folder}/tlink:cat:one {{ }}"));
    assert_eq!(found.images.len(), 1);
    assert_eq!(found.answers.iter().map(|a| a.matches.len()).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn processes_limit_and_name_the_files() {
    if !can_compile("processes_limit_and_name_the_files") {
        return;
    }
    let dir = tempdir().unwrap();
    let program = compile(dir.path(), "target", TARGET, &[]);
    let path = program.display().to_string();
    let one = Running::start(&mut Command::new(&program));
    let two = Running::start(&mut Command::new(&program));
    let mut pids = vec![one.pid(), two.pid()];
    pids.sort_unstable();
    let scope = Scope { pids: pids.clone(), ..Scope::default() };
    for point in ["usdt::cat:one".to_owned(), "usdt:*:cat:one".to_owned(), format!("usdt:{path}:cat:one")] {
        let found = catalog_in(&format!("{point} {{ }}"), &scope).catalog;
        assert_eq!(names(only(&found)), [format!("usdt:{path}:cat:one")], "{point}");
        assert_eq!(found.images.len(), 1, "{point}");
        assert_eq!(
            (found.images[0].path.clone(), found.images[0].pids.clone()),
            (path.clone(), pids.clone()),
            "{point}"
        );
    }
    // A process that has not loaded the file (yet) is limited to as well.
    let own = Scope { pids: vec![std::process::id()], ..Scope::default() };
    let found = catalog_in(&format!("usdt:{path}:cat:one {{ }}"), &own).catalog;
    assert_eq!(found.images[0].pids, [std::process::id()]);
    // Replaced on disk: the process's own file is meant.
    fs::remove_file(&program).unwrap();
    fs::copy("/bin/true", &program).unwrap();
    let scope = Scope { pids: vec![one.pid()], ..Scope::default() };
    let found = catalog_in(&format!("usdt:{path}:cat:one {{ }}"), &scope).catalog;
    assert_eq!(found.images[0].path, format!("/proc/{}/exe", one.pid()));
    assert_eq!(found.images[0].name, path);
    let gone = Scope { pids: vec![4_194_305], ..Scope::default() };
    let found = catalog_in("usdt::cat:one { }", &gone).catalog;
    assert_eq!(only(&found).failure.as_deref(), Some("process 4194305: no such process"));
}

#[test]
fn the_command_is_what_an_empty_path_means() {
    if !can_compile("the_command_is_what_an_empty_path_means") {
        return;
    }
    let dir = tempdir().unwrap();
    let program = compile(dir.path(), "target", TARGET, &[]);
    let scope = Scope { command: Some(program.clone()), ..Scope::default() };
    let found = catalog_in("usdt::cat:one { }", &scope).catalog;
    assert_eq!(names(only(&found)), [format!("usdt:{}:cat:one", program.display())]);
    let found = catalog("usdt::cat:one { }");
    assert!(only(&found).failure.as_deref().is_some_and(|f| f.starts_with("no file is named")));
}

#[test]
fn what_is_not_there_is_said_and_near_names_suggested() {
    if !can_compile("what_is_not_there_is_said_and_near_names_suggested") {
        return;
    }
    let dir = tempdir().unwrap();
    let program = compile(dir.path(), "target", TARGET, &[]);
    let path = program.display().to_string();
    let answer = |point: &str| only(&catalog(&format!("{point} {{ }}"))).clone();
    let near = |point: &str| {
        let answer = answer(point);
        assert!(answer.matches.is_empty() && answer.failure.is_none(), "{answer:?}");
        answer.near
    };
    assert_eq!(near(&format!("usdt:{path}:cat:glbal")), ["cat:global"]);
    assert_eq!(near(&format!("usdt:{path}:dog:global")), ["cat:global"]);
    assert_eq!(near(&format!("usdt:{path}:glboal")), ["cat:global"]);
    assert_eq!(near(&format!("uprobe:{path}:frist"))[0], "first");
    assert!(near(&format!("usdt:{path}:cat:something__else")).is_empty());
    assert_eq!(answer("usdt:/no/such/file:p:n").failure.as_deref(), Some("no such file"));
    assert_eq!(answer("usdt:/etc/passwd:p:n").failure.as_deref(), Some("/etc/passwd: not an ELF file"));
    assert_eq!(answer("BEGIN"), Answer::default());
}

#[test]
fn functions_are_found_by_their_cpp_names() {
    let test = "functions_are_found_by_their_cpp_names";
    if !can_compile(test) || Command::new("g++").arg("--version").output().is_err() {
        return skip(test, "no g++");
    }
    let dir = tempdir().unwrap();
    let file = dir.path().join("overloads.cc");
    let source =
        "namespace ns { void f(int) {} void f(const char *) {} } int main() { ns::f(1); ns::f(\"\"); }";
    fs::write(&file, source).unwrap();
    let program = dir.path().join("overloads");
    assert!(Command::new("g++").arg("-o").arg(&program).arg(&file).status().unwrap().success());
    let path = program.display();
    let count = |name: &str| only(&catalog(&format!("uprobe:{path}:cpp:\"{name}\" {{ }}"))).matches.len();
    assert_eq!(
        (count("ns::f"), count("ns::f(int)"), count("ns::f(char const*)"), count("ns::g")),
        (2, 1, 1, 0)
    );
}
