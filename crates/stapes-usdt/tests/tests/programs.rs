//! Programs that check the interface from the inside and end well if it is as it should be.

use std::process::Command;

use crate::compiled::{How, Library, built, can_compile, compile, run};
use crate::support::have;

fn check(test: &str, source: &str, hows: &[How]) {
    if !can_compile(test) {
        return;
    }
    let library = Library::lay_out();
    for how in hows {
        let output = run(&library, &compile(&library, source, *how), &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{source} {how:?}: {}\n{said}", output.status);
    }
}

#[test]
fn usdt_layouts_are_those_of_the_original() {
    check("usdt_layouts_are_those_of_the_original", "layout", &[How::Shared, How::Cpp]);
}

#[test]
fn every_usdt_field_is_as_programs_expect_it() {
    check("every_usdt_field_is_as_programs_expect_it", "fields", &How::ALL);
}

#[test]
fn usdt_mistakes_are_answered_not_punished() {
    check("usdt_mistakes_are_answered_not_punished", "errors", &How::ALL);
}

#[test]
fn threads_may_fire_while_another_disables() {
    check("threads_may_fire_while_another_disables", "threads", &How::ALL);
}

#[test]
fn libusdt_has_its_name_and_nothing_but_the_interface() {
    if !have("libusdt_has_its_name_and_nothing_but_the_interface", &["readelf"]) {
        return;
    }
    let shown = |option: &str| {
        let output = Command::new("readelf").args(["-W", option]).arg(built("libusdt.so")).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(shown("-d").contains("Library soname: [libusdt.so.0]"));
    let symbols = shown("--dyn-syms");
    let exported = symbols.lines().filter(|l| l.contains(" GLOBAL DEFAULT ") && !l.contains(" UND "));
    let names: Vec<&str> = exported.filter_map(|l| l.split_whitespace().next_back()).collect();
    assert_eq!(names.len(), 12, "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("usdt_")), "{names:?}");
}
