//! What a probe costs where nobody listens, seen in the instructions of optimised functions.

use super::program::Build;
use super::toolchain::{all_there, folder, run};

/// Compiles `instructions.c` and disassembles it.
fn disassemble(test: &str, compiler: &'static str, disassembler: &str, level: &str) -> String {
    let object = folder(&format!("instructions-{test}")).join("instructions.o");
    let build = Build::new("instructions", compiler, &format!("{level} -c"));
    build.compile(&["instructions.c"], &object);
    run(disassembler, ["-d".as_ref(), "--no-show-raw-insn".as_ref(), object.as_os_str()])
}

/// The instructions of one function: mnemonic and operands, one line each.
fn instructions(disassembly: &str, function: &str) -> Vec<String> {
    let body = disassembly.split(&format!("<{function}>:\n")).nth(1).unwrap();
    body.lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| Some(line.split_once(':')?.1.split_whitespace().collect::<Vec<_>>().join(" ")))
        .collect()
}

/// The instructions on the way where nobody listens: up to the first return.
fn quiet_way(instructions: &[String]) -> &[String] {
    let end = instructions.iter().position(|line| line.starts_with("ret")).unwrap();
    &instructions[..end]
}

fn count(instructions: &[String], beginning: &str) -> usize {
    instructions.iter().filter(|line| line.starts_with(beginning)).count()
}

#[test]
fn a_guarded_probe_is_one_compare_and_one_untaken_branch() {
    let test = "a_guarded_probe_is_one_compare_and_one_untaken_branch";
    for compiler in ["gcc", "clang"] {
        if !all_there(&format!("{test}::{compiler}"), &[compiler, "objdump"]) {
            continue;
        }
        for level in ["-O1", "-O2", "-O3"] {
            let text = disassemble(&format!("guarded-{compiler}"), compiler, "objdump", level);
            let without = instructions(&text, "without");
            for function in ["guarded", "lazy"] {
                let all = instructions(&text, function);
                let quiet = quiet_way(&all);
                // The function without a probe, and two instructions.
                assert_eq!(quiet.len(), quiet_way(&without).len() + 2, "{compiler} {level}: {all:#?}");
                let at = quiet.iter().position(|line| line.starts_with("cmpw $0x0,")).unwrap();
                assert!(quiet[at + 1].starts_with("jne"), "{compiler} {level}: {all:#?}");
                assert_eq!(count(quiet, "nop"), 0, "{compiler} {level}: {all:#?}");
            }
        }
    }
}

#[test]
fn an_eager_probe_is_a_nop() {
    for compiler in ["gcc", "clang"] {
        if !all_there(&format!("an_eager_probe_is_a_nop::{compiler}"), &[compiler, "objdump"]) {
            continue;
        }
        // On x86-64 a nop and a nop of 10 bytes; the arguments are in registers anyway.
        let text = disassemble(&format!("eager-{compiler}"), compiler, "objdump", "-O2");
        let (eager, without) = (instructions(&text, "eager"), instructions(&text, "without"));
        let quiet = quiet_way(&eager);
        assert_eq!(quiet.iter().filter(|line| line.contains("nop")).count(), 2, "{eager:#?}");
        assert_eq!(quiet.len(), quiet_way(&without).len() + 2, "{eager:#?}");
    }
}

/// The question is asked as often as the source asks it, in loops, too.
#[test]
fn questions_are_neither_merged_nor_moved() {
    for compiler in ["gcc", "clang"] {
        if !all_there(&format!("questions_are_neither_merged_nor_moved::{compiler}"), &[compiler, "objdump"])
        {
            continue;
        }
        let text = disassemble(&format!("questions-{compiler}"), compiler, "objdump", "-O2");
        let twice = instructions(&text, "twice");
        assert!(count(&twice, "cmpw $0x0,") >= 2, "{twice:#?}");
        // A branch leads back to the question, or before it.
        let body = text.split("<loop>:\n").nth(1).unwrap();
        let address = |line: &str| u64::from_str_radix(line.trim().split(':').next()?, 16).ok();
        let asks = body.lines().find(|line| line.contains("cmpw ")).and_then(address).unwrap();
        let leads_back = body.lines().take_while(|line| !line.is_empty()).any(|line| {
            let mut words = line.split_whitespace().skip_while(|word| !word.starts_with('j')).skip(1);
            let target = words.next().and_then(|word| u64::from_str_radix(word, 16).ok());
            target.is_some_and(|target| target <= asks && address(line).is_some_and(|from| from > asks))
        });
        assert!(leads_back, "{body}");
    }
}

#[test]
fn aarch64_loads_and_branches() {
    let compiler = "aarch64-linux-gnu-gcc";
    let disassembler = "aarch64-linux-gnu-objdump";
    if !all_there("aarch64_loads_and_branches", &[compiler, disassembler]) {
        return;
    }
    let text = disassemble("aarch64", compiler, disassembler, "-O2");
    let all = instructions(&text, "guarded");
    let quiet = quiet_way(&all);
    assert_eq!((count(quiet, "ldrh"), count(quiet, "cbnz"), count(quiet, "nop")), (1, 1, 0), "{all:#?}");
    let eager = instructions(&text, "eager");
    // gcc passes a short in the size of a register.
    assert_eq!(quiet_way(&eager), ["sxth w3, w3", "nop"], "{eager:#?}");
}
