//! What tracers read: the same values, however the program was built, and whoever reads them.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::program::{Build, expected_lines};
use super::toolchain::{all_there, folder, has, is_root, run, skip, stapes};
use super::tracers::{Tracer, bpftrace_probes, gdb, notes};

/// What is printed of each probe. bpftrace 0.17 knows six arguments.
const PRINTED: &[(&str, &str)] = &[
    ("nothing", r#"printf("nothing\n")"#),
    ("constants", r#"printf("constants %ld %ld %ld %ld %ld %ld\n", arg0, arg1, arg2, arg3, arg4, arg5)"#),
    ("integers", r#"printf("integers %ld %ld %ld %ld %ld %ld\n", arg0, arg1, arg2, arg3, arg4, arg5)"#),
    ("fields", r#"printf("fields %ld %ld %ld %ld %ld %ld\n", arg0, arg1, arg2, arg3, arg4, arg5)"#),
    ("addresses", r#"printf("addresses %s %s %s %ld %ld\n", str(arg0), str(arg1), str(arg2), arg4, arg5)"#),
    ("floats", r#"printf("floats %ld %ld %ld %ld\n", arg0, arg1, arg2, arg3)"#),
    ("many", r#"printf("many %ld %ld %s %ld %ld %ld\n", arg0, arg1, str(arg2), arg3, arg4, arg5)"#),
    ("shared", r#"printf("shared %ld\n", arg0)"#),
    ("lazy", r#"printf("lazy %ld\n", arg0)"#),
    ("names", r#"printf("names %ld %ld %ld %ld\n", arg0, arg1, arg2, arg3)"#),
];

/// The same for the probes that only C++ has.
const PRINTED_PLUS: &[(&str, &str)] = &[
    ("kinds", r#"printf("kinds %ld %ld %ld %ld %ld %ld\n", arg0, arg1, arg2, arg3, arg4, arg5)"#),
    ("lambda", r#"printf("lambda %ld %ld\n", arg0, arg1)"#),
    ("inlined", r#"printf("inlined %ld %s\n", arg0, str(arg1))"#),
    ("templated", r#"printf("templated %ld\n", arg0)"#),
];

fn script(program: &Path, plus: bool) -> String {
    let more = if plus { PRINTED_PLUS } else { &[] };
    let block =
        |(name, action): &(&str, &str)| format!("usdt:{}:header:{name} {{ {action} }}\n", program.display());
    PRINTED.iter().chain(more).map(block).collect()
}

/// A tracer sees what fires in a program that is executed after it attached, and in one that was running before.
fn check(tracer: &Path, program: &Path, build: &Build) {
    let mut running =
        Command::new(program).arg("wait").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let listening = Tracer::start(tracer, &["-e", &script(program, build.plus)]);
    run(program, ["fire"]);
    // It waits for the end of its input.
    drop(running.stdin.take());
    assert!(running.wait().unwrap().success());
    let mut lines: Vec<String> =
        expected_lines(build.plus).into_iter().flat_map(|line| [line.clone(), line]).collect();
    lines.sort();
    assert_eq!(listening.finish(lines.len()), lines, "{}: {build:?}", tracer.display());
}

fn builds() -> Vec<Build> {
    let all = [
        ("gcc-O0-c11", "gcc", "-O0 -std=c11"),
        ("gcc-O2-lto-c99", "gcc", "-O2 -flto -std=c99"),
        ("gcc-O3-plus20", "gcc", "-O3 -fPIC -std=c++20"),
        ("clang-O0-plus17", "clang", "-O0 -std=c++17"),
        ("clang-O2-static", "clang", "-O2 -static -std=c11"),
        ("clang-lto", "clang", "-O3 -flto -fuse-ld=lld -std=c11"),
    ];
    let there = |compiler: &str| has(compiler) && (compiler != "clang" || has("ld.lld"));
    all.into_iter().filter(|(_, compiler, _)| there(compiler)).map(|(n, c, f)| Build::new(n, c, f)).collect()
}

#[test]
fn stapes_reads_what_was_passed() {
    let test = "stapes_reads_what_was_passed";
    if !all_there(test, &["gcc", "clang"]) {
        return;
    }
    if !is_root() {
        return skip(test, "tracing needs root");
    }
    let Some(command) = stapes() else {
        return skip(test, "the command is built when the whole workspace is tested");
    };
    let folder = folder("stapes");
    for build in builds() {
        let program = build.values(&folder);
        check(&command, &program, &build);
        // It lists what readelf lists.
        let listed = run(&command, ["list".as_ref(), "--json".as_ref(), program.as_os_str()]);
        let mut places = BTreeSet::new();
        for line in listed.lines() {
            let probe: serde_json::Value = serde_json::from_str(line).unwrap();
            for site in probe["locations"].as_array().unwrap() {
                let words =
                    [&probe["name"], &site["arguments"]].map(|value| value.as_str().unwrap().to_owned());
                places.insert((words, site["pc"].as_u64().unwrap(), site["semaphore"].as_u64().unwrap()));
            }
        }
        let expected = notes(&program, "header")
            .into_iter()
            .map(|note| ([note.name, note.arguments], note.location, note.semaphore))
            .collect();
        assert_eq!(places, expected, "{build:?}");
        let complaints = run(&command, ["validate".as_ref(), "--json".as_ref(), program.as_os_str()]);
        let wrong: Vec<&str> = complaints.lines().filter(|line| line.contains("\"header\"")).collect();
        assert_eq!(wrong, [""; 0], "{build:?}");
    }
}

/// bpftrace is slow to detach; two programs tell enough.
#[test]
fn bpftrace_reads_what_was_passed() {
    let test = "bpftrace_reads_what_was_passed";
    if !all_there(test, &["gcc", "clang", "bpftrace"]) {
        return;
    }
    if !is_root() {
        return skip(test, "tracing needs root");
    }
    let folder = folder("bpftrace");
    for build in builds() {
        let program = build.values(&folder);
        let names = notes(&program, "header").into_iter().map(|note| note.name).collect();
        assert_eq!(bpftrace_probes(&program, "header"), names, "{build:?}");
        if matches!(build.name, "gcc-O0-c11" | "clang-O0-plus17") {
            check("bpftrace".as_ref(), &program, &build);
        }
    }
}

/// gdb reads all twelve arguments, of the array they lie in; and constants.
#[test]
fn gdb_reads_what_was_passed() {
    if !all_there("gdb_reads_what_was_passed", &["gcc", "gdb"]) {
        return;
    }
    let folder = folder("gdb");
    for build in builds() {
        let program = build.values(&folder);
        let mut commands = vec!["break -probe-stap header:constants".to_owned(), "run fire".to_owned()];
        let print = |number: usize| format!("print $_probe_arg{number}");
        commands.extend((0..6).map(print));
        commands.extend(["break -probe-stap header:many".to_owned(), "continue".to_owned()]);
        commands.extend((0..12).filter(|number| *number != 2).map(print));
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        let text = gdb(&program, &commands);
        // 0.5 in 4 bytes (IEEE 754).
        let half = 0x3f00_0000;
        let expected = [-5_i64, 200, -300, 65535, -70000, 1 << 40]
            .into_iter()
            .chain([1, -2, 4, 5, half, 7, 8, 9, 10, -11, -12])
            .enumerate();
        for (number, value) in expected {
            // One byte is shown with its character, too.
            let [whole, with_character] = ["\n", " '"].map(|end| format!("${} = {value}{end}", number + 1));
            assert!(text.contains(&whole) || text.contains(&with_character), "{build:?}: {whole}{text}");
        }
    }
}

/// 0 while nobody listens, not 0 while somebody does, 0 again.
#[test]
fn the_semaphore_goes_up_and_down() {
    let test = "the_semaphore_goes_up_and_down";
    if !all_there(test, &["gcc"]) {
        return;
    }
    if !is_root() {
        return skip(test, "tracing needs root");
    }
    let folder = folder("semaphore");
    let program = Build::new("watched", "gcc", "-O2").values(&folder);
    let mut tracers: Vec<PathBuf> = stapes().into_iter().collect();
    if tracers.is_empty() {
        skip(&format!("{test} (stapes)"), "the command is built when the whole workspace is tested");
    }
    if all_there(&format!("{test} (bpftrace)"), &["bpftrace"]) {
        tracers.push("bpftrace".into());
    }
    for tracer in tracers {
        let mut watched = Command::new(&program).arg("watch").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(watched.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert_eq!(lines.next().as_deref(), Some("0"));
        let script = format!("usdt:{}:header:lazy {{ printf(\"fired\\n\") }}", program.display());
        let process = watched.id().to_string();
        let listening = Tracer::start(&tracer, &["-p", &process, "-e", &script]);
        assert_eq!(lines.next().as_deref(), Some("1"), "{tracer:?}");
        assert_eq!(listening.finish(0), [""; 0]);
        assert_eq!(lines.next().as_deref(), Some("0"), "{tracer:?}");
        assert!(watched.wait().unwrap().success());
    }
}
