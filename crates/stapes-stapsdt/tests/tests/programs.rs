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
        let program = compile(&library, source, *how);
        let arguments: &[&str] = if *how == How::Static { &["static"] } else { &[] };
        let output = run(&library, &program, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{source} {how:?}: {}\n{said}", output.status);
    }
}

#[test]
fn layouts_are_those_of_the_original() {
    check("layouts_are_those_of_the_original", "layout", &[How::Shared, How::Cpp]);
}

#[test]
fn errno_h_may_come_first() {
    check("errno_h_may_come_first", "with_errno", &[How::Shared, How::Cpp]);
}

#[test]
fn every_field_is_as_wrappers_expect_it() {
    check("every_field_is_as_wrappers_expect_it", "fields", &How::ALL);
}

#[test]
fn mistakes_are_answered_not_punished() {
    check("mistakes_are_answered_not_punished", "errors", &How::ALL);
}

#[test]
fn threads_may_fire_while_another_unloads() {
    check("threads_may_fire_while_another_unloads", "threads", &How::ALL);
}

#[test]
fn the_library_has_its_name_and_nothing_but_the_interface() {
    if !have("the_library_has_its_name_and_nothing_but_the_interface", &["readelf"]) {
        return;
    }
    let library = built("libstapsdt.so");
    let shown = |option: &str| {
        let output = Command::new("readelf").args(["-W", option]).arg(&library).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(shown("-d").contains("Library soname: [libstapsdt.so.0]"));
    let symbols = shown("--dyn-syms");
    let mut exported: Vec<&str> = symbols
        .lines()
        .filter(|l| l.contains(" GLOBAL DEFAULT ") && !l.contains(" UND "))
        .filter_map(|l| l.split_whitespace().next_back())
        .collect();
    exported.sort_unstable();
    assert_eq!(
        exported,
        [
            "probeFire",
            "probeIsEnabled",
            "providerAddProbe",
            "providerDestroy",
            "providerInit",
            "providerLoad",
            "providerUnload",
            "providerUseMemfd"
        ]
    );
}
