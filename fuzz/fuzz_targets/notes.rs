//! Any bytes as a file: reading its notes, symbols and sites, and judging them, ends in time and never panics.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stapes_binary::elf::Elf;
use stapes_binary::{Symbols, Vaddr, notes, site, symbols, validate};

fuzz_target!(|data: &[u8]| {
    let _ = notes::read(&data);
    let Ok(Some(elf)) = Elf::open(&data) else { return };
    if let Ok(mut found) = notes::of_elf(&elf) {
        let _ = symbols::resolve(&elf, &mut found.probes);
        let functions = Symbols::read(&elf);
        for at in found.probes.iter().flat_map(|p| &p.sites).take(64) {
            if let Ok(functions) = &functions {
                if let Some((function, offset)) = functions.at(at.pc) {
                    assert_eq!(Vaddr(function.address.0 + offset), at.pc);
                }
            }
            if let (Some(arch), Some(offset)) = (found.arch, at.file_offset) {
                let code = elf.read(offset.0, 64, 64, "code").unwrap_or_default();
                site::classify(arch, &code);
                for instruction in site::disassemble(arch, at.pc.0, &code, 8) {
                    assert!(!instruction.bytes.is_empty());
                }
            }
        }
    }
    for finding in validate(&data).ok().flatten().unwrap_or_default() {
        assert!(!finding.to_string().is_empty());
    }
});
