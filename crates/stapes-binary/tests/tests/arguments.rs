//! The recorded arguments of `testdata/arguments`: their meaning, and that each prints back to its text.

use std::fmt::Write;
use std::fs::File;
use std::path::Path;

use stapes_binary::argument::{parse_all, split};
use stapes_binary::{Arch, Arg, ArgSpec, Operand, Register, RegisterClass};

use crate::support::{every_file, skip};

const ARCHES: [Arch; 7] =
    [Arch::X86_64, Arch::I386, Arch::Aarch64, Arch::Arm, Arch::Ppc64le, Arch::S390x, Arch::Riscv64];

/// A specification in the notation of the recorded files.
fn meaning(arch: Arch, spec: &ArgSpec) -> String {
    let mut text = String::new();
    if spec.signed {
        text += "signed ";
    }
    write!(text, "{} ", spec.size).unwrap();
    if spec.float {
        text += "float ";
    }
    match &spec.operand {
        Operand::Register(register) => text += &register_meaning(arch, register),
        Operand::RegisterPair(low, high) => write!(text, "pair {} {}", low.name, high.name).unwrap(),
        Operand::Constant(value) => write!(text, "constant {value}").unwrap(),
        Operand::Memory { base, index, displacement, symbol } => {
            text += "memory";
            if let Some(base) = base {
                write!(text, " {}", base.name).unwrap();
            }
            if let Some((index, scale)) = index {
                write!(text, " + {} * {scale}", index.name).unwrap();
            }
            if let Some(symbol) = symbol {
                write!(text, " + {}", symbol.name).unwrap();
                if let Some(modifier) = &symbol.modifier {
                    write!(text, "@{modifier}").unwrap();
                }
            }
            if *displacement != 0 {
                write!(text, " + {displacement}").unwrap();
            }
        }
    }
    text
}

fn register_meaning(arch: Arch, register: &Register) -> String {
    let mut text = format!("register {} {}", register.name, register.number);
    let whole = if matches!(arch, Arch::I386 | Arch::Arm) { 0 } else { 64 };
    if register.bits != whole || register.shift != 0 {
        let low = u16::from(register.shift);
        write!(text, " bits {low}..{}", low + register.bits).unwrap();
    }
    match register.class {
        RegisterClass::General => {}
        RegisterClass::InstructionPointer => text += " ip",
        RegisterClass::Float => text += " float",
    }
    text
}

#[test]
fn recorded_arguments_have_their_meaning() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/arguments");
    for arch in ARCHES {
        let path = folder.join(format!("{arch}.txt"));
        let recorded = std::fs::read_to_string(&path).unwrap();
        let mut wrong = String::new();
        for line in recorded.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let (text, expected) = line.split_once(" => ").unwrap();
            let found = match ArgSpec::parse(arch, text) {
                Ok(spec) => {
                    assert_eq!(spec.to_string(), text, "{arch}: printed back");
                    meaning(arch, &spec)
                }
                Err(e) => format!("error at {}: {}", e.at, e.reason),
            };
            if found != expected {
                writeln!(wrong, "{arch}: {text}\n  expected {expected}\n  found    {found}").unwrap();
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }
}

#[test]
fn arguments_are_split_at_spaces_outside_brackets() {
    let cases: &[(&str, &[&str])] = &[
        ("", &[]),
        ("   ", &[]),
        ("8@%rdi", &["8@%rdi"]),
        (" 8@%rdi  -4@%esi ", &["8@%rdi", "-4@%esi"]),
        ("8@[x0, 60] 4@x1", &["8@[x0, 60]", "4@x1"]),
        ("8@[x1, x2, lsl 3] 8f@[sp, 8]", &["8@[x1, x2, lsl 3]", "8f@[sp, 8]"]),
        // A bracket that is not closed does not swallow the arguments behind it.
        ("8@[x0, 60 -4@x1 8f@x2", &["8@[x0, 60", "-4@x1", "8f@x2"]),
        ("8@%rax nonsense 4@%ebx", &["8@%rax", "nonsense", "4@%ebx"]),
        ("8@] 4@x1", &["8@]", "4@x1"]),
    ];
    for (arguments, expected) in cases {
        assert_eq!(split(arguments).collect::<Vec<_>>(), *expected, "{arguments:?}");
    }
}

#[test]
fn numbering_never_shifts() {
    let args: Vec<_> = parse_all(Some(Arch::X86_64), "8@%rdi 8@%nonsense 4@%esi").collect();
    assert_eq!(args.len(), 3);
    assert!(args[1].spec.is_err());
    assert_eq!(args[1].text, "8@%nonsense");
    assert_eq!(args[2].spec.as_ref().unwrap().operand_text(), "%esi");
    let unknown: Vec<_> = parse_all(None, "8@$r4 4@$r5").collect();
    assert_eq!(unknown.iter().map(|a| a.text.as_str()).collect::<Vec<_>>(), ["8@$r4", "4@$r5"]);
}

#[test]
fn words() {
    let cases = [
        (Arch::X86_64, "-4@-4(%rbp)", "signed 4 bytes at -4(%rbp)"),
        (Arch::X86_64, "8@%rdi", "8 bytes in %rdi"),
        (Arch::X86_64, "1@%dil", "1 byte in %dil"),
        (Arch::X86_64, "-4@$5", "constant 5"),
        (Arch::X86_64, "8f@%rax", "floating-point 8 bytes in %rax"),
        (Arch::I386, "-8@%eax", "signed 8 bytes in %eax (low half) and %edx"),
        (Arch::Arm, "8@r0", "8 bytes in r0 (low half) and r1"),
        (Arch::Aarch64, "8@[x0, 60]", "8 bytes at [x0, 60]"),
        (Arch::Ppc64le, "8@i1", "constant 1"),
    ];
    for (arch, text, words) in cases {
        assert_eq!(ArgSpec::parse(arch, text).unwrap().in_words(), words);
    }
}

/// Every number and every piece of text that is no argument at all: no panic, and what parses prints back.
#[test]
fn pieces_of_arguments_print_back() {
    let alphabet =
        ["8", "@", "-", "%rax", "$", "(", ")", ",", "[", "]", "x0", "#", " ", "sym", "+", "4", ":", "i", "%"];
    let mut texts = vec![String::from("8@")];
    for _ in 0..4 {
        texts = texts.iter().flat_map(|t| alphabet.iter().map(move |piece| format!("{t}{piece}"))).collect();
        for arch in ARCHES {
            for text in &texts {
                if let Ok(spec) = ArgSpec::parse(arch, text) {
                    assert_eq!(spec.to_string(), *text, "{arch}");
                }
            }
        }
        // The last round would be large: keep every third text.
        let mut keep = 0;
        texts.retain(|_| {
            keep += 1;
            keep % 3 == 0
        });
    }
}

#[test]
fn every_argument_of_this_machine_prints_back() {
    let mut count = 0;
    for path in every_file() {
        let Ok(file) = File::open(&path) else { continue };
        let Ok(Some(notes)) = stapes_binary::notes::read(&file) else { continue };
        for site in notes.probes.iter().flat_map(|p| &p.sites) {
            let print = |arg: &Arg| match &arg.spec {
                Ok(spec) => spec.to_string(),
                Err(e) => panic!("{}: {}: {e}", path.display(), arg.text),
            };
            let printed: Vec<_> = site.args.iter().map(print).collect();
            assert_eq!(printed.join(" "), site.arguments.trim(), "{}", path.display());
            count += printed.len();
        }
    }
    if count == 0 {
        skip("every_argument_of_this_machine_prints_back", "no file with probes is installed");
    }
}
