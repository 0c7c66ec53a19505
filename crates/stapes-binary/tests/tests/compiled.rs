//! A program that is compiled here with `sys/sdt.h`, and what other tools say of it.

use std::fs;
use std::process::Command;

use stapes_binary::site::{self, CLASSIFY_BYTES};
use stapes_binary::{
    Arch, Elf, Nop, Problem, ProblemKind, Severity, SiteCode, Symbols, notes, symbols, validate,
};

use crate::support::{output, skip};

const SOURCE: &str = r#"
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
__extension__ volatile unsigned short demo_start_semaphore __attribute__((unused, section(".probes")));
__extension__ volatile unsigned short demo_stop_semaphore __attribute__((unused, section(".probes")));
static int counter = 7;
int other(int a, const char *s) { STAP_PROBE2(demo, stop, a, s); return a; }
int main(int argc, char **argv) {
    double d = argc * 1.5;
    STAP_PROBE4(demo, start, argc, argv[0], (signed char)argc, 5);
    STAP_PROBE2(demo, stop, counter, argv[0]);
    counter += other(argc, argv[0]) + (int)d;
    return 0;
}
"#;

/// The program, or `None` where there is no compiler or no `sys/sdt.h`, which is said.
pub(crate) fn program(test: &str) -> Option<Vec<u8>> {
    compile(test, SOURCE, &[])
}

fn compile(test: &str, code: &str, options: &[String]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("demo.c");
    let binary = folder.path().join("demo");
    fs::write(&source, code).unwrap();
    let run = Command::new("cc").arg("-O1").args(options).arg("-o").arg(&binary).arg(&source).output();
    match run {
        Err(e) => skip(test, &format!("cc: {e}")),
        Ok(out) if !out.status.success() => {
            let text = String::from_utf8_lossy(&out.stderr).into_owned();
            assert!(text.contains("sys/sdt.h"), "the program does not compile: {text}");
            skip(test, "sys/sdt.h is not installed");
        }
        Ok(_) => return Some(fs::read(&binary).unwrap()),
    }
    None
}

#[test]
fn a_compiled_program_reads_and_is_in_order() {
    let Some(bytes) = program("a_compiled_program_reads_and_is_in_order") else { return };
    let elf = Elf::open(&bytes).unwrap().unwrap();
    let mut found = notes::of_elf(&elf).unwrap();
    let arch = found.arch.unwrap();
    symbols::resolve(&elf, &mut found.probes).unwrap();
    let names: Vec<_> = found.probes.iter().map(|p| (p.full_name(), p.sites.len())).collect();
    let count = |name: &str| names.iter().find(|(n, _)| n == name).map_or(0, |(_, sites)| *sites);
    assert_eq!(count("demo:start"), 1, "{names:?}");
    // Inlined into main and on its own.
    assert!(count("demo:stop") >= 2, "{names:?}");
    assert!(
        found.build_id.is_some() || !output("readelf", &["--version"]).is_some_and(|t| t.contains("Debian"))
    );

    let table = Symbols::read(&elf).unwrap();
    let main = &table.named("main")[0];
    for probe in &found.probes {
        for at in &probe.sites {
            let (function, offset) = table.at(at.pc).expect("a function holds the site");
            assert!(["main", "other"].contains(&function.name.as_ref()), "{}", function.name);
            assert!(offset < function.size);
            assert!(at.semaphore_offset.is_some());
            let offset = at.file_offset.unwrap().0 as usize;
            let code = site::classify(arch, &bytes[offset..offset + CLASSIFY_BYTES]);
            assert!(matches!(code, SiteCode::Nop(_)), "{code:?}");
            if arch == Arch::X86_64 {
                assert_eq!(code, SiteCode::Nop(Nop::One));
            }
            for arg in &at.args {
                assert_eq!(arg.spec.as_ref().unwrap().to_string(), arg.text);
            }
        }
    }
    assert_eq!(main.entry, main.address);
    let start = &found.probes.iter().find(|p| p.name == "start").unwrap().sites[0];
    let sizes: Vec<_> =
        start.args.iter().map(|a| a.spec.as_ref().unwrap()).map(|s| (s.size, s.signed)).collect();
    assert_eq!(sizes, [(4, true), (8, false), (1, true), (4, true)]);

    let findings = validate(&bytes).unwrap().unwrap();
    assert!(findings.iter().all(|f| f.slug == "rip-symbol"), "{findings:?}");
}

/// A function that lld throws away, but whose note it keeps: the default linker of Rust does this to every such probe.
#[test]
fn stale_notes_of_lld_are_skipped() {
    const TEST: &str = "stale_notes_of_lld_are_skipped";
    const STALE: &str = r#"
#include <sys/sdt.h>
void unused(long a) { __asm__ volatile("" ::: "memory"); STAP_PROBE1(demo, start, a); }
int main(int argc, char **argv) { STAP_PROBE1(demo, start, argc); return 0; }
"#;
    let Some(root) = output("rustc", &["--print", "sysroot"]) else {
        return skip(TEST, "rustc is not in PATH");
    };
    let target = if cfg!(target_arch = "x86_64") { "x86_64" } else { "aarch64" };
    let lld = format!("{}/lib/rustlib/{target}-unknown-linux-gnu/bin/gcc-ld", root.trim());
    if !std::path::Path::new(&lld).join("ld.lld").exists() {
        return skip(TEST, "the toolchain has no lld for this machine");
    }
    let options =
        [format!("-B{lld}"), "-fuse-ld=lld".into(), "-ffunction-sections".into(), "-Wl,--gc-sections".into()];
    let Some(bytes) = compile(TEST, STALE, &options) else { return };
    let found = notes::read(&bytes).unwrap().unwrap();
    assert_eq!(found.probes.len(), 1, "{found:?}");
    assert_eq!(found.probes[0].sites.len(), 1, "only the site in main is left: {found:?}");
    assert!(found.probes[0].sites[0].file_offset.is_some());
    // It throws `.stapsdt.base` away as well, which is a problem of its own.
    let is_stale = |p: &&Problem| matches!(p.kind, ProblemKind::Stale(_));
    assert_eq!(found.problems.iter().filter(is_stale).count(), 1, "{:?}", found.problems);
    let errors: Vec<_> =
        validate(&bytes).unwrap().unwrap().into_iter().filter(|f| f.severity == Severity::Error).collect();
    assert_eq!(errors.iter().map(|f| f.slug).collect::<Vec<_>>(), ["stale-note"]);
    assert_eq!(errors[0].name.as_deref(), Some("start"));
    assert!(errors[0].pc.is_some());
}
