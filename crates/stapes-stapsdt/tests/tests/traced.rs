//! C programs that are traced: every number of arguments, in memfds and files, linked in every way.

use std::process::{Command, Stdio};

use crate::compiled::{How, Library, can_compile, compile};
use crate::firing::Firing;
use crate::support::have;
use crate::tracer::{Kind, Tracer};

const CASES: [(&str, &str, &str); 7] = [
    ("none", r#""none\n""#, "none"),
    ("one", r#""one %ld\n", arg0"#, "one -5"),
    ("two", r#""two %ld %ld\n", arg0, arg1"#, "two 200 -300"),
    ("three", r#""three %ld %ld %ld\n", arg0, arg1, arg2"#, "three 60000 -70000 4000000000"),
    // IEEE 754: -0.5 is 0xbfe0000000000000 in 64 bits.
    (
        "four",
        r#""four %ld %lu %lx %ld\n", arg0, arg1, arg2, arg3"#,
        "four -9223372036854775807 18446744073709551614 bfe0000000000000 -1",
    ),
    ("five", r#""five %ld %ld %ld %ld %ld\n", arg0, arg1, arg2, arg3, arg4"#, "five 1 -2 3 -4 5"),
    (
        "six",
        r#""six %s %ld %s %ld %s %ld\n", str(arg0), arg1, str(arg2), arg3, str(arg4), arg5"#,
        "six first 1 second -2 third 3",
    ),
];

fn start(library: &Library, how: How, arguments: &[&str]) -> Firing {
    Firing::start(library, Command::new(compile(library, "fire", how)).args(arguments))
}

fn check(test: &str, how: How, arguments: &[&str]) {
    if !can_compile(test) {
        return;
    }
    let library = Library::lay_out();
    for kind in Kind::ALL.into_iter().filter(|kind| kind.usable(test)) {
        let mut firing = start(&library, how, arguments);
        let file = firing.hear();
        let place = if file == "memfd" { "*" } else { &file };
        let clause = |(probe, print, _): &(&str, &str, &str)| {
            format!("usdt:{place}:cprovider:{probe} {{ printf({print}); }}\n")
        };
        let script: String = CASES.iter().map(clause).collect();
        let tracer = Tracer::attach(kind, firing.pid(), &script);
        tracer.expect(&CASES.map(|(_, _, line)| line));
        assert_eq!(firing.hear(), "enabled 1");
        tracer.stop();
        assert_eq!(firing.hear(), "enabled 0");
        firing.end();
    }
}

#[test]
fn a_program_with_the_shared_library_is_traced() {
    check("a_program_with_the_shared_library_is_traced", How::Shared, &[]);
}

#[test]
fn an_image_in_a_file_is_traced() {
    check("an_image_in_a_file_is_traced", How::Shared, &["file"]);
}

#[test]
fn a_static_program_is_traced() {
    check("a_static_program_is_traced", How::Static, &[]);
}

#[test]
fn gdb_sees_an_image_that_the_dynamic_linker_has_loaded() {
    const TEST: &str = "gdb_sees_an_image_that_the_dynamic_linker_has_loaded";
    if !can_compile(TEST) || !have(TEST, &["gdb"]) || !crate::support::root(TEST) {
        return;
    }
    let library = Library::lay_out();
    for arguments in [&["file"][..], &[]] {
        let mut firing = start(&library, How::Shared, arguments);
        let file = firing.hear();
        let output = Command::new("timeout")
            .args(["--kill-after=5", "60", "gdb", "-nx", "-batch", "-p", &firing.pid().to_string()])
            .args(["-ex", "info probes stap cprovider"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&output.stdout);
        for (probe, _, _) in CASES {
            let found = shown.lines().find(|l| l.split_whitespace().nth(2) == Some(probe));
            let expected = if file == "memfd" { "/proc/" } else { &file };
            assert!(found.is_some_and(|l| l.contains(expected)), "{probe} of {file}: {shown}");
        }
    }
}
