//! Any text as the arguments of a note: what decodes prints back to its text, and numbering never shifts.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stapes_binary::argument::{parse_all, split};
use stapes_binary::{Arch, Glob};

const ARCHES: [Arch; 7] =
    [Arch::X86_64, Arch::I386, Arch::Aarch64, Arch::Arm, Arch::Ppc64le, Arch::S390x, Arch::Riscv64];

fuzz_target!(|text: &str| {
    let pieces: Vec<&str> = split(text).collect();
    assert_eq!(pieces.join("").replace(' ', ""), text.replace(' ', ""));
    for arch in ARCHES {
        let args: Vec<_> = parse_all(Some(arch), text).collect();
        assert_eq!(args.len(), pieces.len());
        for (arg, piece) in args.iter().zip(&pieces) {
            assert_eq!(arg.text, *piece);
            match &arg.spec {
                Ok(spec) => {
                    assert_eq!(spec.to_string(), arg.text);
                    assert!(!spec.in_words().is_empty());
                }
                Err(e) => assert!(arg.text.is_char_boundary(e.at)),
            }
        }
    }
    // The same text as a pattern and what it is to match.
    if let Some((pattern, name)) = text.split_once(' ') {
        Glob::new(pattern).matches(name);
    }
});
