//! Objects with semaphores, as readelf and linkers see them.

use std::process::Command;

use stapes_declaration::d_file;
use stapes_declaration::object::{self, Machine};

#[test]
fn readelf_finds_nothing_wrong() {
    if Command::new("readelf").arg("--version").output().is_err() {
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"skip readelf_finds_nothing_wrong: no readelf\n",
        );
        return;
    }
    let providers = d_file::parse("provider p { probe a__b(); probe c(); };").unwrap();
    for (machine, name) in [(Machine::X86_64, "X86-64"), (Machine::Aarch64, "AArch64")] {
        let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("semaphores-{name}.o"));
        std::fs::write(&file, object::write(&providers, machine)).unwrap();
        let output = Command::new("readelf").args(["-hSsW"]).arg(&file).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{text}");
        assert!(text.contains(name) && text.contains("REL (Relocatable file)"), "{text}");
        for symbol in ["p_a__b_semaphore", "p_c_semaphore"] {
            let line = text.lines().find(|line| line.ends_with(symbol)).unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(words[2..7], ["2", "OBJECT", "GLOBAL", "HIDDEN", "1"], "{line}");
        }
    }
}
