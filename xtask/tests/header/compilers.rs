//! What compilers say: nothing where it is right, something clear where it is not.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::program::{Build, expected_sites, source};
use super::toolchain::{all_there, folder, has, output, run, skip};
use super::tracers::notes;

#[test]
fn no_warning_in_any_standard() {
    let folder = folder("standards");
    for compiler in ["gcc", "clang"] {
        if !all_there(&format!("no_warning_in_any_standard::{compiler}"), &[compiler]) {
            continue;
        }
        for standard in ["c99", "c11", "gnu17", "c++14", "c++20"] {
            let build = Build::new("values", compiler, &format!("-std={standard} -O2 -fPIC"));
            let files: &[&str] = if build.plus { &["values.c", "cplusplus.cpp"] } else { &["values.c"] };
            for file in files {
                let build = Build { flags: [&build.flags[..], &["-c"]].concat(), ..build.clone() };
                build.compile(&[file], &folder.join("object.o"));
            }
        }
        // The oldest standards.
        for standard in ["gnu99", "c++11"] {
            let build = Build::new(
                "plain",
                compiler,
                &format!("-std={standard} -O3 -DEVALUATED=1 -fno-asynchronous-unwind-tables"),
            );
            let program = folder.join("plain");
            build.compile(&["plain.c"], &program);
            run(&program, [""; 0]);
        }
        // An assembler that does not know the newer flags.
        let build = Build::new("plain", compiler, "-DSTAPES_OLD_ASSEMBLER -DEVALUATED=1");
        let program = folder.join("old");
        build.compile(&["plain.c"], &program);
        assert_eq!(notes(&program, "plain").len(), 4);
    }
}

#[test]
fn nothing_is_left_where_probes_are_disabled() {
    if !all_there("nothing_is_left_where_probes_are_disabled", &["gcc"]) {
        return;
    }
    let folder = folder("disabled");
    for standard in ["c11", "c++17"] {
        let program = folder.join(standard);
        let flags = format!("-std={standard} -O0 -DSTAPES_DISABLE -DEVALUATED=0");
        Build::new("plain", "gcc", &flags).compile(&["plain.c"], &program);
        assert_eq!(notes(&program, "plain"), []);
        run(&program, [""; 0]);
    }
}

#[test]
fn other_systems_compile_it_to_nothing() {
    if !all_there("other_systems_compile_it_to_nothing", &["clang"]) {
        return;
    }
    for target in [
        "riscv64-linux-gnu",
        "i686-linux-gnu",
        "x86_64-linux-gnux32",
        "arm64-apple-darwin",
        "x86_64-pc-windows-msvc",
    ] {
        for standard in ["c11", "c++17"] {
            let target = format!("--target={target}");
            let standard = format!("-std={standard}");
            let language = if standard.contains("++") { "c++" } else { "c" };
            let mut command = Command::new("clang");
            command.args([
                &target,
                &standard,
                "-x",
                language,
                "-Wall",
                "-Wextra",
                "-Werror",
                // Not needed to compile this file.
                "-Wno-stdlibcxx-not-found",
                "-DEVALUATED=0",
                "-S",
                "-o",
                "-",
            ]);
            let output = output(command.arg(source("plain.c")));
            let text = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{command:?}: {errors}");
            assert!(text.contains("main") && !text.contains("stap"), "{command:?}: {text}");
        }
    }
}

#[test]
fn what_cannot_be_passed_is_refused() {
    let folder = folder("refused");
    for compiler in ["gcc", "clang"] {
        if !all_there(&format!("what_cannot_be_passed_is_refused::{compiler}"), &[compiler]) {
            continue;
        }
        for standard in ["c11", "c++17"] {
            for (what, complaint) in [
                ("REFUSED_STRUCT", "a probe passes integers, enums, bool, pointers, float and double"),
                (
                    "REFUSED_STRUCT -DSTAPES_DISABLE",
                    "a probe passes integers, enums, bool, pointers, float and double",
                ),
                ("REFUSED_THIRTEEN", "a probe passes at most 12 arguments"),
            ] {
                let build = Build::new("plain", compiler, &format!("-std={standard} -DEVALUATED=1 -D{what}"));
                let output = output(&mut build.command(&["plain.c"], &folder.join("refused")));
                let text = String::from_utf8_lossy(&output.stderr);
                assert!(!output.status.success() && text.contains(complaint), "{build:?}: {text}");
            }
        }
    }
    if has("gcc") && cfg!(target_arch = "x86_64") {
        let build = Build::new("plain", "gcc", "-masm=intel -DEVALUATED=1");
        let output = output(&mut build.command(&["plain.c"], &folder.join("refused")));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("-masm=intel makes argument names that no tracer reads"), "{text}");
    }
}

/// The instruction at an address of an aarch64 program.
fn instruction(program: &Path, address: u64) -> String {
    let range = [format!("--start-address={address}"), format!("--stop-address={}", address + 4)];
    let text = run("aarch64-linux-gnu-objdump", ["-d", &range[0], &range[1], program.to_str().unwrap()]);
    let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{address:x}:"))).unwrap();
    line.split_whitespace().skip(2).collect::<Vec<_>>().join(" ")
}

/// The same program for aarch64: sites that can be attached to, sizes as on x86-64, and it runs.
#[test]
fn aarch64() {
    let compiler = "aarch64-linux-gnu-gcc";
    if !all_there("aarch64", &[compiler]) {
        return;
    }
    if !Path::new("/usr/aarch64-linux-gnu/lib/libc.a").exists() {
        return skip("aarch64", "libc6-dev-arm64-cross is not installed");
    }
    let folder = folder("aarch64");
    for (name, flags) in [("O0", "-O0 -static"), ("O2", "-O2 -static"), ("lto", "-O2 -flto -static -std=c99")]
    {
        let program = Build::new(name, compiler, flags).values(&folder);
        let mut sites: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for note in notes(&program, "header") {
            // Each argument is a register, or lies in an array: [x0, 8].
            for (_, operand) in note.arguments.split(' ').filter_map(|part| part.split_once('@')) {
                let register = operand.trim_start_matches('[').trim_end_matches(',');
                let number = register.strip_prefix('x').and_then(|number| number.parse::<u8>().ok());
                assert!(number.is_some_and(|number| number < 31), "{note:?}");
            }
            assert_eq!(instruction(&program, note.location), "nop", "{note:?}");
            let sizes = note.sizes();
            sites.entry(note.name).or_default().push(sizes);
        }
        let expected = expected_sites(false).into_iter();
        let owned = |sizes: Vec<&str>| sizes.into_iter().map(str::to_owned).collect();
        assert_eq!(sites, expected.map(|(name, sizes)| (name.to_owned(), owned(sizes))).collect(), "{name}");
        if has("qemu-aarch64-static") {
            run("qemu-aarch64-static", [program.as_os_str(), "fire".as_ref()]);
        } else {
            skip("aarch64 (qemu)", "qemu-aarch64-static is not installed");
        }
    }
    if has("clang") && has("aarch64-linux-gnu-ld") {
        let object = folder.join("clang.o");
        let build = Build::new("clang", "clang", "--target=aarch64-linux-gnu -O2 -c -DEVALUATED=1");
        build.compile(&["plain.c"], &object);
        assert!(notes(&object, "plain").iter().any(|note| note.arguments.starts_with("-4@x")));
    }
}
