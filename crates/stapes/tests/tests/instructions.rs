//! The cost of a probe that nobody listens to, seen in the instructions: the promise of DESIGN.md, invariant 4.

use crate::toolchain::{ARM, Build, GNU, folder, has, has_target, run, skip, source};

/// Compiles the functions of `instructions.rs` and disassembles them.
fn disassemble(test: &str, target: &'static str, disassembler: &str) -> String {
    let object = folder(&format!("instructions-{test}")).join("instructions.o");
    let build = Build::new(target, &["-O", "-C", "codegen-units=1"]);
    build.compile(&source("instructions.rs"), &[], &object, &["--crate-type", "lib", "--emit", "obj"]);
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

#[test]
fn a_lazy_probe_is_one_compare_and_one_untaken_branch() {
    if !has("objdump") {
        return skip("a_lazy_probe_is_one_compare_and_one_untaken_branch", "objdump is not installed");
    }
    let text = disassemble("lazy", GNU, "objdump");
    for function in ["lazy", "guarded"] {
        let all = instructions(&text, function);
        let quiet = quiet_way(&all);
        let of =
            |names: &[&str]| quiet.iter().filter(|line| names.iter().any(|n| line.starts_with(n))).count();
        assert_eq!((of(&["cmp", "test"]), of(&["j"]), of(&["nop"])), (1, 1, 0), "{function}: {all:#?}");
        // The jump leads past the return: the way without a listener goes straight on.
        let at = quiet.iter().position(|line| line.starts_with('j')).unwrap();
        assert!(quiet[at - 1].starts_with("cmpw $0x0,"), "{function}: {all:#?}");
        // Apart from the two, what the function without a probe does.
        let without = instructions(&text, "without");
        assert!(quiet.len() <= quiet_way(&without).len() + 3, "{function}: {all:#?}\n{without:#?}");
    }
}

#[test]
fn an_eager_probe_is_a_nop() {
    if !has("objdump") {
        return skip("an_eager_probe_is_a_nop", "objdump is not installed");
    }
    // Arguments that are in registers anyway need no instruction; on x86-64 the nop is two instructions.
    let text = disassemble("eager", GNU, "objdump");
    let (with, without) = (instructions(&text, "eager"), instructions(&text, "without"));
    let nops = with.iter().filter(|line| line.contains("nop")).count();
    assert_eq!(nops, 2, "{with:#?}");
    assert_eq!(quiet_way(&with).len(), quiet_way(&without).len() + 2, "{with:#?}\n{without:#?}");
}

#[test]
fn aarch64_too() {
    let Some(disassembler) = ["aarch64-linux-gnu-objdump", "llvm-objdump"].into_iter().find(|tool| has(tool))
    else {
        return skip("aarch64_too", "needs aarch64-linux-gnu-objdump or llvm-objdump");
    };
    if !has_target(ARM) {
        return skip("aarch64_too", "the toolchain has no such target");
    }
    let text = disassemble("aarch64", ARM, disassembler);
    let all = instructions(&text, "lazy");
    let quiet = quiet_way(&all);
    let of = |name: &str| quiet.iter().filter(|line| line.starts_with(name)).count();
    assert_eq!((of("ldrh"), of("cb"), of("nop")), (1, 1, 0), "{all:#?}");
    let eager = instructions(&text, "eager");
    assert_eq!(eager.iter().filter(|line| *line == "nop").count(), 1, "{eager:#?}");
}
