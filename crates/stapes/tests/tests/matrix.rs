//! One program, built in every way that users build: the same sites and the same values everywhere.
//!
//! For each build: readelf, gdb and bpftrace list the same sites, no note is stale, all sites of a probe share a semaphore
//! that shares no page with read-only data, and a tracer that attached before the program was executed, or while it ran,
//! reads what the program passed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::toolchain::{
    ARM, Build, GNU, MUSL, folder, has, has_target, has_toolchain, is_root, run, skip, source, stapes_command,
};
use crate::tracers::{self, Tracer};

/// Sites per probe. `generic` has one for each of two types, `shared` one for each of two callers.
const SITES: [(&str, usize); 8] = [
    ("floats", 1),
    ("generic", 2),
    ("integers", 1),
    ("last", 1),
    ("many", 1),
    ("options", 1),
    ("shared", 2),
    ("texts", 1),
];

/// Sizes and signs of the arguments, by the types in the source.
const SIZES: [(&str, &[&str]); 9] = [
    ("floats", &["4 8 1 4"]),
    ("generic", &["1", "-8"]),
    ("integers", &["-1 2 -4 8"]),
    ("many", &["8 -4 8 1 8 -8 8 8 8 2 8 8"]),
    ("options", &["4 1 -8 1 8 8"]),
    ("shared", &["4"]),
    ("texts", &["8 8 8 8 8 8"]),
    ("last", &[""]),
    ("dead", &["4"]),
];

/// What a tracer must print for the script below when each site fires once: the values in the source.
fn expected() -> Vec<String> {
    let mut lines = vec![
        "integers -5 65535 -70000 1099511627776".to_owned(),
        // The bits of 1.5f32 and -0.25f64 (IEEE 754): 0x3fc00000 and 0xbfd0000000000000.
        format!("floats {} {} 1 {}", 0x3fc0_0000, 0xbfd0_0000_0000_0000_u64 as i64, 'ß' as u32),
        "texts zwölf 6 3 c text 6".to_owned(),
        "options 7 1 0 0 maybe 5".to_owned(),
        "many 20 -80 22 23 24 -25".to_owned(),
        "shared 1".to_owned(),
        "shared 2".to_owned(),
        "generic 3".to_owned(),
        "generic -4".to_owned(),
        "last".to_owned(),
    ];
    lines.sort();
    lines
}

/// The script, in the language of bpftrace 0.17, which knows six arguments on x86-64.
fn script(file: &Path) -> String {
    let at = |name: &str, action: &str| format!("usdt:{}:matrix:{name} {{ {action} }}\n", file.display());
    [
        at("integers", r#"printf("integers %d %d %d %ld\n", arg0, arg1, arg2, arg3)"#),
        at("floats", r#"printf("floats %d %ld %d %d\n", arg0, arg1, arg2, arg3)"#),
        at("texts", r#"printf("texts %s %d %d %s %d\n", str(arg0, arg1), arg1, arg3, str(arg4), arg5)"#),
        at(
            "options",
            r#"printf("options %d %d %d %d %s %d\n", arg0, arg1, arg2, arg3, str(arg4, arg5), arg5)"#,
        ),
        at("many", r#"printf("many %d %d %d %d %d %d\n", arg0, arg1, arg2, arg3, arg4, arg5)"#),
        at("shared", r#"printf("shared %d\n", arg0)"#),
        at("generic", r#"printf("generic %d\n", arg0)"#),
        // bpftrace attaches one after the other: where somebody listens to this, all are attached.
        at("last", r#"printf("last\n")"#),
    ]
    .concat()
}

/// Builds library and program.
fn build(build: &Build, name: &str) -> PathBuf {
    let folder = folder(name);
    let library = folder.join("libmatrix_library.rlib");
    build.compile(&source("matrix_library.rs"), &[], &library, &["--crate-type", "rlib"]);
    let program = folder.join("matrix");
    build.compile(&source("matrix.rs"), &[&library], &program, &[]);
    program
}

/// What a linker does with a function that nobody calls.
#[derive(Clone, Copy, PartialEq)]
enum Dead {
    Collected,
    /// mold keeps it where it has a probe.
    Kept,
}

/// Checks all that can be seen without running the program.
fn check_file(file: &Path, dead: Dead) {
    let notes = tracers::notes(file, "matrix");
    let mut sites: BTreeMap<&str, usize> = BTreeMap::new();
    let mut semaphores: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for note in &notes {
        *sites.entry(&note.name).or_default() += 1;
        semaphores.entry(&note.name).or_default().insert(note.semaphore);
        let sizes: Vec<&str> = note.arguments.split(' ').filter_map(|a| Some(a.split_once('@')?.0)).collect();
        let allowed = SIZES.iter().find(|(name, _)| *name == note.name).unwrap().1;
        assert!(allowed.contains(&sizes.join(" ").as_str()), "{}: {note:?}", file.display());
    }
    let mut expected = BTreeMap::from(SITES);
    if dead == Dead::Kept {
        expected.insert("dead", 1);
        *expected.get_mut("shared").unwrap() += 1;
    }
    assert_eq!(sites, expected, "{}: {notes:#?}", file.display());
    let mut all = BTreeSet::new();
    for (name, addresses) in semaphores {
        assert_eq!(addresses.len(), 1, "{}: {name} has semaphores {addresses:x?}", file.display());
        let address = *addresses.first().unwrap();
        assert!(
            address != 0 && address % 2 == 0 && all.insert(address),
            "{}: {name}: {address:#x}",
            file.display()
        );
    }
    let segments = segments(file);
    check_semaphores(file, &segments, &all);
    let bytes = std::fs::read(file).unwrap();
    for note in &notes {
        let segment =
            segments.iter().find(|s| s.kind == "LOAD" && s.memory.contains(&note.location)).unwrap();
        let offset = (segment.offset + note.location - segment.memory.start) as usize;
        assert!(segment.flags.contains('E'), "{}: {note:?} in {segment:?}", file.display());
        assert_eq!(bytes[offset..offset + 11], NOPS, "{}: {note:?}", file.display());
    }
    check_described(file, notes.len());
}

/// `nop`, and the 10-byte nop that compilers emit (Intel's manual, NOP, with prefixes 66 and 2E).
const NOPS: [u8; 11] = [0x90, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0];

/// A line of `readelf -l`.
#[derive(Debug)]
struct Segment {
    kind: String,
    offset: u64,
    memory: std::ops::Range<u64>,
    flags: String,
}

fn segments(file: &Path) -> Vec<Segment> {
    let number = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    let parse = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kind, offset, address, _physical, _file_size, size, flags @ ..] = &words[..] else {
            return None;
        };
        let (offset, address, size) = (number(offset)?, number(address)?, number(size)?);
        let flags = flags.split_last()?.1.concat();
        Some(Segment { kind: (*kind).to_owned(), offset, memory: address..address + size, flags })
    };
    run("readelf", ["-lW", file.to_str().unwrap()]).lines().filter_map(parse).collect()
}

/// The semaphores lie in a writable segment, on no page that is read-only once the program runs.
fn check_semaphores(file: &Path, segments: &[Segment], semaphores: &BTreeSet<u64>) {
    let (first, last) = (*semaphores.first().unwrap(), *semaphores.last().unwrap());
    let holds = |s: &Segment| {
        s.kind == "LOAD" && s.flags == "RW" && s.memory.start <= first && last + 2 <= s.memory.end
    };
    assert!(segments.iter().any(holds), "{}: {first:#x}..{last:#x} in {segments:#x?}", file.display());
    for segment in segments {
        if segment.kind == "GNU_RELRO" || (segment.kind == "LOAD" && segment.flags != "RW") {
            assert!(
                last / 4096 < segment.memory.start / 4096 || first / 4096 > (segment.memory.end - 1) / 4096,
                "{}: semaphores {first:#x}..{last:#x} share a page with {segment:x?}",
                file.display()
            );
        }
    }
}

/// Each site has its note in `.note.stapes` too.
fn check_described(file: &Path, sites: usize) {
    let text = run("readelf", ["-nW", file.to_str().unwrap()]);
    let section = text.split("Displaying notes found in: ").find(|part| part.starts_with(".note.stapes\n"));
    let notes = section.unwrap().lines().filter(|line| line.trim_start().starts_with("stapes ")).count();
    assert_eq!(notes, sites, "{}: {text}", file.display());
}

/// gdb and bpftrace list the sites that readelf lists.
fn check_tools(file: &Path) {
    let notes = tracers::notes(file, "matrix");
    if has("gdb") {
        let sites: BTreeSet<(String, u64)> =
            notes.iter().map(|note| (note.name.clone(), note.location)).collect();
        assert_eq!(tracers::gdb_sites(file, "matrix"), sites, "{}", file.display());
    }
    if has("bpftrace") {
        let names: BTreeSet<String> = notes.iter().map(|note| note.name.clone()).collect();
        assert_eq!(tracers::bpftrace_probes(file, "matrix"), names, "{}", file.display());
    }
    if let Some(command) = stapes_command() {
        let names: BTreeSet<String> = notes.iter().map(|note| note.name.clone()).collect();
        assert_eq!(tracers::stapes_probes(&command, file, "matrix"), names, "{}", file.display());
    }
}

/// gdb reads the right values at a site. It runs the program, and raises the semaphores by itself.
fn check_gdb(program: &Path) {
    if !has("gdb") {
        return skip("matrix (gdb)", "gdb is not installed");
    }
    let mut commands = vec!["break -probe-stap matrix:integers", "run fire >/dev/null"];
    commands.extend(["print $_probe_arg0", "print $_probe_arg1", "print $_probe_arg2", "print $_probe_arg3"]);
    let text = tracers::gdb(program, &commands);
    for value in ["$1 = -5", "$2 = 65535", "$3 = -70000", "$4 = 1099511627776"] {
        assert!(text.contains(value), "{}: {value} is not in\n{text}", program.display());
    }
}

/// A tracer sees what fires in a program that is executed after it attached, and in one that was running before.
/// `fired` is the file that has the sites: the program, or a library of it.
fn check_values(program: &Path, fired: &Path) {
    if !is_root() {
        return skip("matrix (values)", "tracing needs root");
    }
    if has("bpftrace") {
        check_values_by("bpftrace", Tracer::bpftrace(&script(fired)), program);
    } else {
        skip("matrix (bpftrace)", "not installed");
    }
    match stapes_command() {
        Some(command) => check_values_by("stapes", Tracer::stapes(&command, &script(fired)), program),
        None => skip("matrix (stapes)", "the command is built when the whole workspace is tested"),
    }
}

fn check_values_by(name: &str, mut tracer: Tracer, program: &Path) {
    let running = Command::new(program).arg("wait").stdin(Stdio::piped()).spawn().unwrap();
    tracer.wait_until_attached(|| Command::new(program).arg("check").status().unwrap().success());
    run(program, ["fire"]);
    // Its standard input ends here, and it fires.
    let status = running.wait_with_output().unwrap().status;
    assert!(status.success(), "{}: the running program sees no listener", program.display());
    let lines: Vec<String> = expected().into_iter().flat_map(|line| [line.clone(), line]).collect();
    assert_eq!(tracer.finish(lines.len()), lines, "{} by {name}", program.display());
}

fn check(name: &str, way: &Build) {
    check_linked(name, way, Dead::Collected);
}

fn check_linked(name: &str, way: &Build, dead: Dead) {
    let program = build(way, name);
    check_file(&program, dead);
    check_tools(&program);
    check_gdb(&program);
    check_values(&program, &program);
}

#[test]
fn profiles() {
    check("debug", &Build::new(GNU, &["-g"]));
    check("debug-256-units", &Build::new(GNU, &["-C", "codegen-units=256"]));
    check("release", &Build::new(GNU, &["-O"]));
    check("release-1-unit", &Build::new(GNU, &["-O", "-C", "codegen-units=1"]));
    check("size", &Build::new(GNU, &["-C", "opt-level=z", "-C", "codegen-units=1"]));
}

#[test]
fn link_time_optimisation() {
    check("thin-lto", &Build::new(GNU, &["-O", "-C", "lto=thin"]));
    check("fat-lto-abort", &Build::new(GNU, &["-O", "-C", "lto=fat", "-C", "panic=abort"]));
}

#[test]
fn position_dependent_and_static() {
    check("no-pie", &Build::new(GNU, &["-O", "-C", "relocation-model=static"]));
    check("musl", &Build::new(MUSL, &["-O"]));
    check("musl-no-pie", &Build::new(MUSL, &["-O", "-C", "relocation-model=static"]));
}

#[test]
fn linkers() {
    for (linker, binary) in [("bfd", "ld.bfd"), ("mold", "mold"), ("lld", "ld.lld")] {
        if !has(binary) {
            skip(&format!("linkers::{linker}"), "not installed");
            continue;
        }
        let dead = if linker == "mold" { Dead::Kept } else { Dead::Collected };
        let choice: &'static str = format!("link-arg=-fuse-ld={linker}").leak();
        let build = |flags: &[&'static str]| {
            Build::new(GNU, &[&["-C", "linker-features=-lld", "-C", choice], flags].concat())
        };
        check_linked(&format!("{linker}-debug"), &build(&[]), dead);
        check_linked(&format!("{linker}-release"), &build(&["-O"]), dead);
        // Link-time optimisation leaves nothing for the linker to collect.
        check(&format!("{linker}-fat-lto"), &build(&["-O", "-C", "lto=fat"]));
    }
}

#[test]
fn stripped() {
    check("rustc-strip", &Build::new(GNU, &["-O", "-C", "strip=symbols"]));
    let program = build(&Build::new(GNU, &["-O"]), "strip");
    run("strip", ["-s", program.to_str().unwrap()]);
    check_file(&program, Dead::Collected);
    check_tools(&program);
    check_values(&program, &program);
}

#[test]
fn shared_library() {
    if !has("cc") {
        return skip("shared_library", "no C compiler");
    }
    let folder = folder("cdylib");
    let build = Build::new(GNU, &["-O"]);
    let library = folder.join("libmatrix_library.rlib");
    build.compile(&source("matrix_library.rs"), &[], &library, &["--crate-type", "rlib"]);
    let shared = folder.join("libmatrix_shared.so");
    build.compile(&source("matrix_shared.rs"), &[&library], &shared, &["--crate-type", "cdylib"]);
    let program = folder.join("matrix");
    run(
        "cc",
        [
            source("matrix.c").as_os_str(),
            shared.as_os_str(),
            "-Wl,-rpath,$ORIGIN".as_ref(),
            "-o".as_ref(),
            program.as_os_str(),
        ],
    );
    check_file(&shared, Dead::Collected);
    check_tools(&shared);
    check_values(&program, &shared);
}

/// What one program does not use of a library, it does not list; what it adds shares the library's semaphore.
#[test]
fn two_programs_with_one_library() {
    let folder = folder("two-programs");
    let build = Build::new(GNU, &["-O"]);
    let library = folder.join("libmatrix_library.rlib");
    build.compile(&source("matrix_library.rs"), &[], &library, &["--crate-type", "rlib"]);
    let (first, second) = (folder.join("matrix"), folder.join("second"));
    build.compile(&source("matrix.rs"), &[&library], &first, &[]);
    build.compile(&source("second.rs"), &[&library], &second, &[]);
    check_file(&first, Dead::Collected);
    let notes = tracers::notes(&second, "matrix");
    let sizes: Vec<&str> = notes.iter().map(|note| note.name.as_str()).collect();
    assert_eq!(sizes, ["integers", "integers"], "{notes:#?}");
    assert_eq!(notes[0].semaphore, notes[1].semaphore, "{notes:#?}");
    let names =
        |provider| tracers::notes(&second, provider).into_iter().map(|n| (n.name, n.semaphore)).collect();
    let (one, other): (Vec<_>, Vec<_>) = (names("a_b"), names("a"));
    assert_eq!((one[0].0.as_str(), other[0].0.as_str()), ("c", "b_c"));
    assert_ne!(one[0].1, other[0].1);
    let names: Vec<(String, u64)> = names("with-dash");
    assert_eq!(names[0].0, "cache-hit");
    assert_eq!(tracers::notes(&second, "type")[0].name, "match");
    run(&second, [""; 0]);
}

/// Notes of SystemTap's header are not tied to their code; linkers must put both kinds into one section.
#[test]
fn beside_systemtap() {
    if !Path::new("/usr/include/x86_64-linux-gnu/sys/sdt.h").exists() || !has("cc") {
        return skip("beside_systemtap", "needs a C compiler and systemtap-sdt-dev");
    }
    let folder = folder("beside-systemtap");
    let object = folder.join("with_sdt.o");
    run(
        "cc",
        ["-O2".as_ref(), "-c".as_ref(), source("with_sdt.c").as_os_str(), "-o".as_ref(), object.as_os_str()],
    );
    let object = format!("link-arg={}", object.display());
    for (linker, binary) in [("bfd", "ld.bfd"), ("mold", "mold"), ("lld", "ld.lld"), ("rust-lld", "cc")] {
        if !has(binary) {
            skip(&format!("beside_systemtap ({linker})"), "not installed");
            continue;
        }
        let choice: &'static str = format!("link-arg=-fuse-ld={linker}").leak();
        let flags: &[&'static str] =
            if linker == "rust-lld" { &["-O"] } else { &["-O", "-C", "linker-features=-lld", "-C", choice] };
        let program = folder.join(format!("mixed-{linker}"));
        Build::new(GNU, flags).compile(&source("mixed.rs"), &[], &program, &["-C", &object]);
        for provider in ["from_c", "from_rust"] {
            let notes = tracers::notes(&program, provider);
            assert_eq!(notes.len(), 1, "{linker} {provider}: {notes:#?}");
            assert!(notes[0].arguments.starts_with("-4@"), "{linker}: {notes:#?}");
        }
        run(&program, [""; 0]);
    }
}

/// The oldest compiler that is promised.
#[test]
fn oldest_compiler() {
    const OLDEST: &str = concat!(env!("CARGO_PKG_RUST_VERSION"), ".0");
    if !has_toolchain(OLDEST) {
        return skip("oldest_compiler", "rustup has no toolchain 1.87.0");
    }
    check("oldest-compiler", &Build { toolchain: Some(OLDEST), ..Build::new(GNU, &["-O"]) });
}

/// aarch64: cross-compiled; the file is checked, and the program runs under qemu.
#[test]
fn aarch64() {
    if !has_target(ARM) {
        return skip("aarch64", "the toolchain has no such target");
    }
    for (name, flags) in [("aarch64-debug", &[][..]), ("aarch64-release", &["-O"][..])] {
        let program = build(&Build::new(ARM, flags), name);
        let notes = tracers::notes(&program, "matrix");
        assert_eq!(notes.len(), SITES.iter().map(|(_, count)| count).sum::<usize>(), "{notes:#?}");
        let many = notes.iter().find(|note| note.name == "many").unwrap();
        // Section "Memory" of the argument grammar: `[x1]`, `[x1, 16]`, with the base register of the array.
        let (base, rest) = many.arguments.strip_prefix("8@[").unwrap().split_once(']').unwrap();
        assert!(
            base.starts_with('x') && rest.contains(&format!("-4@[{base}, 16] 8@[{base}, 32]")),
            "{many:?}"
        );
        if has("qemu-aarch64-static") {
            run("qemu-aarch64-static", [program.as_os_str(), "fire".as_ref()]);
        } else {
            skip("aarch64 (running)", "qemu-aarch64-static is not installed");
        }
    }
}
