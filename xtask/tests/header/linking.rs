//! What linkers make of sites: no stale notes, one semaphore per probe and linked file, on a page of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use super::program::{Build, expected_sites, source};
use super::toolchain::{all_there, folder, output, root, run};
use super::tracers::{Note, gdb_sites, notes};

/// The sites that readelf finds: sizes and signs of the arguments of each, by probe.
fn sites(notes: &[Note]) -> BTreeMap<&str, Vec<String>> {
    let mut sites: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for note in notes {
        sites.entry(&note.name).or_default().push(note.sizes());
    }
    sites.values_mut().for_each(|sizes| sizes.sort());
    sites
}

/// A nop, and the 10-byte nop that compilers emit (Intel's manual, NOP, with prefixes 66 and 2E).
const NOPS: [u8; 11] = [0x90, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0];

/// A line of `readelf -l`.
#[derive(Debug)]
struct Segment {
    kind: String,
    offset: u64,
    memory: Range<u64>,
    flags: String,
}

impl Segment {
    fn is_on_page_of(&self, address: u64) -> bool {
        (self.memory.start / 4096..=(self.memory.end - 1) / 4096).contains(&(address / 4096))
    }
}

/// The segments that say what is in memory, and what becomes read-only there.
fn segments(file: &Path) -> Vec<Segment> {
    let number = |word: &str| u64::from_str_radix(word.strip_prefix("0x").unwrap(), 16).unwrap();
    let parse = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kind @ ("LOAD" | "GNU_RELRO"), offset, address, _, _, size, flags @ .., _] = &words[..] else {
            return None;
        };
        let start = number(address);
        let memory = start..start + number(size);
        Some(Segment { kind: (*kind).to_owned(), offset: number(offset), memory, flags: flags.concat() })
    };
    run("readelf", ["-lW".as_ref(), file.as_os_str()]).lines().filter_map(parse).collect()
}

/// The semaphores of a file: each probe has one, and none shares a page with what is read-only.
fn check_semaphores(file: &Path, notes: &[Note]) {
    let mut by_probe: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for note in notes {
        by_probe.entry(&note.name).or_default().insert(note.semaphore);
    }
    let all: BTreeSet<u64> = by_probe.values().flatten().copied().collect();
    assert_eq!(all.len(), by_probe.len(), "{}: {by_probe:x?}", file.display());
    assert!(by_probe.values().all(|addresses| addresses.len() == 1), "{}: {by_probe:x?}", file.display());
    for segment in segments(file) {
        let writable = segment.kind == "LOAD" && segment.flags == "RW";
        for address in &all {
            assert!(
                writable || !segment.is_on_page_of(*address),
                "{}: {address:x} and {segment:x?}",
                file.display()
            );
        }
    }
}

/// Checks what readelf and gdb see in the program of all values; `dead` says that the linker keeps a function nobody calls.
fn check(program: &Path, build: &Build, dead: bool) {
    let notes = notes(program, "header");
    let mut expected = expected_sites(build.plus);
    if dead {
        expected.insert("dead", vec!["-4"]);
        expected.get_mut("shared").unwrap().push("-4");
    }
    assert_eq!(
        sites(&notes),
        expected
            .into_iter()
            .map(|(name, sizes)| (name, sizes.into_iter().map(str::to_owned).collect()))
            .collect(),
        "{build:?}"
    );
    check_semaphores(program, &notes);
    let (segments, bytes) = (segments(program), std::fs::read(program).unwrap());
    for note in &notes {
        let segment =
            segments.iter().find(|s| s.kind == "LOAD" && s.memory.contains(&note.location)).unwrap();
        let offset = (segment.offset + note.location - segment.memory.start) as usize;
        assert_eq!((segment.flags.as_str(), &bytes[offset..offset + 11]), ("RE", &NOPS[..]), "{note:?}");
    }
    if all_there("linking (gdb)", &["gdb"]) {
        let sites = notes.iter().map(|note| (note.name.clone(), note.location)).collect();
        assert_eq!(gdb_sites(program, "header"), sites, "{build:?}");
    }
}

#[test]
fn every_linker() {
    let folder = folder("linkers");
    for (linker, binary) in [("bfd", "ld.bfd"), ("lld", "ld.lld"), ("mold", "mold"), ("gold", "ld.gold")] {
        for (compiler, flags) in
            [("gcc", "-O0 -std=c11"), ("gcc", "-O3 -std=c++17"), ("clang", "-O2 -static -std=c99")]
        {
            if !all_there(&format!("every_linker::{linker}::{compiler}"), &[binary, compiler]) {
                continue;
            }
            // gold does not understand what ties a note to its code; nor is there a promise without that.
            let more = if linker == "gold" { "-DSTAPES_OLD_ASSEMBLER -Wl,--no-gc-sections" } else { "" };
            let build = Build::new("program", compiler, &format!("{flags} -fuse-ld={linker} {more}"));
            check(&build.values(&folder), &build, matches!(linker, "mold" | "gold"));
        }
    }
}

/// Link-time optimisation leaves nothing to collect, for any linker.
#[test]
fn link_time_optimisation() {
    let folder = folder("lto");
    for (compiler, linker, flags) in [
        ("gcc", "bfd", "-O2 -flto -std=c11"),
        ("gcc", "bfd", "-O3 -flto -std=c++20"),
        ("gcc", "mold", "-O2 -flto -no-pie -std=c11"),
        ("clang", "lld", "-O2 -flto -std=c11"),
        ("clang", "lld", "-O2 -flto=thin -std=c++17"),
    ] {
        let binary = if linker == "mold" { "mold".to_owned() } else { format!("ld.{linker}") };
        if all_there(&format!("link_time_optimisation::{compiler}::{linker}"), &[&binary, compiler]) {
            let build = Build::new("program", compiler, &format!("{flags} -fuse-ld={linker}"));
            check(&build.values(&folder), &build, false);
        }
    }
}

/// Each linked file has a semaphore of its own for a probe that both have.
#[test]
fn shared_library() {
    if !all_there("shared_library", &["gcc"]) {
        return;
    }
    let folder = folder("shared");
    let library = folder.join("libother.so");
    Build::new("library", "gcc", "-O2 -fPIC -shared").compile(&["other.c"], &library);
    let program = folder.join("program");
    let flags = format!("-O2 -L{} -Wl,-rpath,$ORIGIN -lother", folder.display());
    let build = Build::new("program", "gcc", &flags);
    build.compile(&["values.c"], &program);
    let (in_library, in_program) = (notes(&library, "header"), notes(&program, "header"));
    check_semaphores(&library, &in_library);
    check_semaphores(&program, &in_program);
    let count = |notes: &[Note], name: &str| notes.iter().filter(|note| note.name == name).count();
    // `dead` is called by nobody here, but a library exports it.
    assert_eq!(
        (count(&in_program, "shared"), count(&in_library, "shared"), count(&in_library, "dead")),
        (2, 2, 1)
    );
    run(&program, ["fire"]);
}

/// Sites in Rust and in C belong to one probe, and it has one semaphore.
#[test]
fn rust_and_c_share_a_semaphore() {
    if !all_there("rust_and_c_share_a_semaphore", &["gcc", "rustc"]) {
        return;
    }
    let folder = folder("with-rust");
    let object = folder.join("other.o");
    let mut c = Build::new("other", "gcc", "-O2 -c").command(&["other.c"], &object);
    assert!(output(&mut c).status.success());
    let rlib = folder.join("libstapes.rlib");
    let rust = |file: &Path, result: &Path, more: &[&str]| {
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition", "2024", "-O"]).arg(file).arg("-o").arg(result).args(more);
        let output = output(&mut rustc);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    rust(
        &root().join("crates/stapes/src/lib.rs"),
        &rlib,
        &["--crate-name", "stapes", "--crate-type", "rlib"],
    );
    let program = folder.join("program");
    let of_stapes = format!("stapes={}", rlib.display());
    let link = format!("link-arg={}", object.display());
    rust(&source("with_rust.rs"), &program, &["--extern", &of_stapes, "-C", &link]);
    let all = notes(&program, "header");
    // `dead` is collected.
    assert_eq!(all.iter().map(|note| note.name.as_str()).collect::<Vec<_>>(), ["shared", "shared"]);
    check_semaphores(&program, &all);
    run(&program, [""; 0]);
}

/// The names of other headers make the same probes; with semaphores as these know them, or our own.
#[test]
fn names_of_other_headers() {
    if !all_there("names_of_other_headers", &["gcc"]) {
        return;
    }
    let folder = folder("names");
    let expected = BTreeMap::from([
        ("dtrace", "-4"),
        ("dtrace0", ""),
        ("dtrace12", "-4 -4 -4 -4 -4 -4 -4 -4 -4 -4 -4 -4"),
        ("folly", "-4 8"),
        ("guarded", "-4"),
        ("stap", "-4 8 8"),
        ("stap0", ""),
        ("stapv", "-4 -4"),
    ]);
    for standard in ["c11", "c++17"] {
        for more in ["", "-D_SDT_HAS_SEMAPHORES"] {
            let program = folder.join("program");
            let build = Build::new("program", "gcc", &format!("-std={standard} {more}"));
            build.compile(&["compatible.c"], &program);
            let notes = notes(&program, "compatible");
            let found = sites(&notes);
            let expected: BTreeMap<&str, Vec<String>> =
                expected.iter().map(|(name, sizes)| (*name, vec![(*sizes).to_owned()])).collect();
            assert_eq!(found, expected, "{build:?}");
            let symbols = run("nm", [&program]);
            let address = |name: &str| {
                let line = symbols.lines().find(|line| line.ends_with(&format!(" {name}")));
                line.map(|line| u64::from_str_radix(line.split(' ').next().unwrap(), 16).unwrap())
            };
            for note in &notes {
                let own = format!("stapes_semaphore.compatible.{}", note.name);
                let systemtap = format!("compatible_{}_semaphore", note.name);
                let theirs = !more.is_empty() && !matches!(note.name.as_str(), "folly" | "guarded");
                assert_eq!(Some(note.semaphore), address(if theirs { &systemtap } else { &own }), "{note:?}");
            }
        }
    }
}
