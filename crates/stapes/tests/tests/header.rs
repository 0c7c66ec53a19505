//! `include/stapes.h`, by gcc and clang, in C and C++.

use std::path::{Path, PathBuf};
use std::process::Command;

use stapes_binary::{Meaning, notes};

use crate::toolchain::{folder, has, is_root, output, run, skip, source};
use crate::tracers::{self, Tracer};

/// Probes of the program and the sizes of their arguments, by the types in the source.
const SIZES: [(&str, &str); 10] = [
    ("dtrace", ""),
    ("dtrace2", "-4 -4"),
    ("folly", "-4"),
    ("folly_counted", "-4"),
    ("integers", "-1 2 -4 8 -8 1"),
    ("lazy", "-4"),
    ("many", "-8 -2 -8 4 1 -8 -8 -4 -8 8 -8 -4"),
    ("others", "4 8 4 8 8 -4"),
    ("stap1", "-4"),
    ("stapv", "-4 -4 -4"),
];

fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../include")
}

/// Compiles the program with all warnings as errors.
fn compile(name: &str, compiler: &str, flags: &[&str]) -> Option<PathBuf> {
    if !has(compiler) {
        skip(&format!("header ({compiler})"), "not installed");
        return None;
    }
    let program = folder(&format!("header-{name}")).join("header");
    let mut command = Command::new(compiler);
    command.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"]).arg(include()).args(flags);
    if compiler.ends_with("++") {
        command.args(["-x", "c++"]);
    }
    let output = output(command.arg(source("header.c")).arg("-o").arg(&program));
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    Some(program)
}

fn check_sizes(program: &Path, cpp: bool) {
    let notes = tracers::notes(program, "header");
    let found: Vec<(&str, String)> = notes
        .iter()
        .map(|note| {
            let sizes = note.arguments.split_whitespace().filter_map(|word| Some(word.split_once('@')?.0));
            (note.name.as_str(), sizes.collect::<Vec<_>>().join(" "))
        })
        .collect();
    let expected: Vec<(&str, String)> = SIZES
        .iter()
        // A comparison is an `int` in C and a `bool` in C++.
        .map(|(name, sizes)| {
            (*name, if cpp && *name == "others" { "4 8 4 8 8 1".into() } else { (*sizes).to_owned() })
        })
        .collect();
    assert_eq!(found, expected, "{}", program.display());
}

/// A tracer that attaches before the program is executed reads what it passes.
fn check_values(program: &Path) {
    if !has("bpftrace") || !is_root() {
        return skip("header (bpftrace)", "needs bpftrace and root");
    }
    let at = |name: &str, action: &str| format!("usdt:{}:header:{name} {{ {action} }}\n", program.display());
    let script = [
        at("integers", r#"printf("integers %d %d %d %ld %d %d\n", arg0, arg1, arg2, arg3, arg4, arg5)"#),
        at(
            "others",
            r#"printf("others %d %ld %d %s %s %d\n", arg0, arg1, arg2, str(arg3), str(arg4), arg5)"#,
        ),
        at("many", r#"printf("many %d %d %d %d %d %d\n", arg0, arg1, arg2, arg3, arg4, arg5)"#),
        at("lazy", r#"printf("lazy %d\n", arg0)"#),
    ]
    .concat();
    let mut tracer = Tracer::bpftrace(&script);
    tracer.wait_until_attached(|| Command::new(program).arg("check").status().unwrap().success());
    run(program, [""; 0]);
    let expected = [
        "integers -5 65535 -70000 1099511627776 -1 1".to_owned(),
        "lazy 7".to_owned(),
        // The bits of 1.5f (IEEE 754).
        format!("many 20 21 22 {} 24 25", 0x3fc0_0000),
        format!("others {} {} 2 text local 1", 0x3fc0_0000, 0xbfd0_0000_0000_0000_u64 as i64),
    ];
    assert_eq!(tracer.finish(expected.len()), expected, "{}", program.display());
}

#[test]
fn compilers_and_languages() {
    let builds: [(&str, &str, &[&str], bool); 8] = [
        ("gcc-c11", "gcc", &["-std=c11"], false),
        ("gcc-c17-O2", "gcc", &["-std=c17", "-O2"], false),
        ("gcc-lto", "gcc", &["-std=gnu11", "-O2", "-flto"], false),
        ("clang-c11", "clang", &["-std=c11"], false),
        ("clang-Os", "clang", &["-std=c11", "-Os"], false),
        ("gxx", "g++", &["-std=c++17", "-O2"], true),
        ("gxx-O0", "g++", &["-std=c++17"], true),
        ("clangxx", "clang++", &["-std=c++17", "-O2"], true),
    ];
    for (name, compiler, flags, cpp) in builds {
        let Some(program) = compile(name, compiler, flags) else { continue };
        check_sizes(&program, cpp);
        run(&program, [""; 0]);
        check_values(&program);
    }
}

#[test]
fn an_old_assembler_and_none_at_all() {
    let Some(old) = compile("old", "gcc", &["-O2", "-DSTAPES_OLD_ASSEMBLER"]) else { return };
    check_sizes(&old, false);
    let Some(none) = compile("none", "gcc", &["-O2", "-DSTAPES_DISABLE"]) else { return };
    assert_eq!(tracers::notes(&none, "header"), []);
    run(&none, [""; 0]);
}

#[test]
fn meanings_are_those_of_the_types() {
    let Some(program) = compile("meanings", "gcc", &["-O2"]) else { return };
    let notes = notes::read(&std::fs::File::open(&program).unwrap()).unwrap().unwrap();
    let probe = notes.probes.iter().find(|probe| probe.name == "others").unwrap();
    let meanings: Vec<_> = probe.sites[0].described.iter().map(|d| (d.meaning, d.size)).collect();
    assert_eq!(
        meanings,
        [
            (Meaning::Float, 4),
            (Meaning::Float, 8),
            (Meaning::Unsigned, 4),
            (Meaning::CString, 8),
            (Meaning::CString, 8),
            (Meaning::Signed, 4),
        ]
    );
}

#[test]
fn aarch64_compiles() {
    if !has("clang") {
        return skip("aarch64_compiles", "clang is not installed");
    }
    for level in ["-O0", "-O2"] {
        let object = folder(&format!("header-aarch64{level}")).join("header.o");
        let mut command = Command::new("clang");
        command.args([
            "--target=aarch64-linux-gnu",
            "-std=c11",
            "-Wall",
            "-Wextra",
            "-Werror",
            level,
            "-c",
            "-I",
        ]);
        let output = output(command.arg(include()).arg(source("header.c")).arg("-o").arg(&object));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        check_sizes(&object, false);
    }
}

#[test]
fn what_no_probe_passes_does_not_compile() {
    let folder = folder("header-refused");
    let bodies = [
        (
            "more than twelve",
            "STAPES_PROBE(a, b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13);",
            "at most 12 arguments",
        ),
        ("a structure", "struct { int x[4]; } s = {{0}}; STAPES_PROBE(a, b, s);", "error"),
    ];
    for (what, body, message) in bodies {
        let file = folder.join("refused.c");
        std::fs::write(&file, format!("#include \"stapes.h\"\nint main(void) {{ {body} return 0; }}\n"))
            .unwrap();
        for compiler in ["gcc", "clang"].into_iter().filter(|compiler| has(compiler)) {
            let mut command = Command::new(compiler);
            command.args(["-std=c11", "-c", "-o", "/dev/null", "-I"]).arg(include()).arg(&file);
            let output = output(&mut command);
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && text.contains(message), "{what} by {compiler}: {text}");
        }
    }
}
