//! Go programs that are none, too old, packed, garbled, cut off or damaged: an error with the reason, never a panic.

use std::fs;

use stapes_binary::Elf;
use stapes_binary::go::{Go, GoError};

use crate::go_programs::programs;
use crate::support::skip;

/// Opens and reads everything there is, as far as it goes.
fn exhaust(bytes: &[u8], functions: usize) -> Option<GoError> {
    let elf = Elf::open(&bytes).ok()??;
    let go = match Go::open(&elf) {
        Ok(go) => go,
        Err(error) => return Some(error),
    };
    for function in go.functions().step_by((go.tables().functions as usize / functions).max(1)) {
        if let Ok(code) = go.code(&function) {
            let _ = go.arguments(&function, &code).map(|a| a.map(|a| a.to_string()));
        }
    }
    let _ = go.inlined(&|name| name.starts_with("main."));
    let _ = go.goid();
    None
}

fn message(bytes: &[u8]) -> String {
    exhaust(bytes, 8).expect("it cannot be read").to_string()
}

/// A stripped program, or `None` with the reason printed.
fn program(test: &str) -> Option<(Vec<u8>, u64)> {
    let (built, reasons) = programs();
    let Some(first) = built.first() else {
        skip(test, &reasons.join("; "));
        return None;
    };
    let bytes = fs::read(&first.stripped).unwrap();
    let pclntab = {
        let slice = bytes.as_slice();
        let elf = Elf::open(&slice).unwrap().unwrap();
        let go = Go::open(&elf).unwrap();
        go.file_offset(go.tables().pclntab).unwrap().0
    };
    Some((bytes, pclntab))
}

#[test]
fn what_is_not_a_readable_go_program_is_said_with_its_reason() {
    let test = "what_is_not_a_readable_go_program_is_said_with_its_reason";
    // This test itself.
    let own = fs::read(std::env::current_exe().unwrap()).unwrap();
    assert_eq!(message(&own), "not a Go binary");
    let mut packed = own[..4096].to_vec();
    // No section headers, and the packer's mark.
    packed[40..48].fill(0);
    packed[60..62].fill(0);
    packed[0x3e0..0x3e4].copy_from_slice(b"UPX!");
    assert!(message(&packed).starts_with("packed with UPX"), "{}", message(&packed));

    let Some((bytes, pclntab)) = program(test) else { return };
    let at = pclntab as usize;
    let with_magic = |magic: u32| {
        let mut changed = bytes.clone();
        changed[at..at + 4].copy_from_slice(&magic.to_le_bytes());
        message(&changed)
    };
    // A garbler chooses another magic number.
    let garbled = with_magic(0x1234_5678);
    assert!(garbled.contains("garbled") && garbled.contains("go1."), "{garbled}");
    let old = with_magic(0xffff_fffb);
    assert!(old.contains("too old") && old.contains("1.2 to 1.15"), "{old}");
    assert!(with_magic(0xffff_fffa).contains("1.16 or 1.17"));
    // The number of functions is not that of moduledata.
    let mut changed = bytes.clone();
    changed[at + 8] ^= 1;
    assert!(message(&changed).contains("pclntab is damaged"), "{}", message(&changed));
}

#[test]
fn a_program_that_is_cut_off_is_truncated_somewhere() {
    let Some((bytes, pclntab)) = program("a_program_that_is_cut_off_is_truncated_somewhere") else { return };
    let mut bytes = bytes;
    // Without section headers, so that only the segments say what should be there.
    bytes[40..48].fill(0);
    bytes[60..62].fill(0);
    assert!(exhaust(&bytes, 8).is_none(), "it is read without section headers");
    for part in 1..20 {
        let cut = &bytes[..bytes.len() * part / 20];
        // The last parts of the file are of no use to anybody.
        let Some(message) = exhaust(cut, 8).map(|e| e.to_string()) else { continue };
        let expected = ["truncated", "not a Go binary", "garbled", "damaged", "ends before"];
        assert!(expected.iter().any(|e| message.contains(e)), "{message}");
    }
    assert!(exhaust(&bytes[..bytes.len() / 2], 8).is_some());
    let in_the_middle = &bytes[..pclntab as usize + 4096];
    assert!(message(in_the_middle).contains("truncated"), "{}", message(in_the_middle));
}

#[test]
fn damaged_tables_never_panic() {
    let Some((bytes, pclntab)) = program("damaged_tables_never_panic") else { return };
    let mut bytes = bytes;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let at = pclntab as usize;
    let moduledata = {
        let slice = bytes.as_slice();
        let elf = Elf::open(&slice).unwrap().unwrap();
        let go = Go::open(&elf).unwrap();
        go.file_offset(go.tables().moduledata).unwrap().0 as usize
    };
    for round in 0..48 {
        // The header, moduledata, the whole of the tables, the whole file.
        let (from, size) = match round % 4 {
            0 => (at, 72),
            1 => (moduledata, 400),
            2 => (at, (bytes.len() - at).min(1 << 20)),
            _ => (0, bytes.len()),
        };
        let places: Vec<(usize, u8)> = (0..1 + random(40))
            .map(|_| {
                let place = from + random(size);
                (place, bytes[place])
            })
            .collect();
        for (place, _) in &places {
            bytes[*place] = [0, 0xff, 0x7f, random(256) as u8][random(4)];
        }
        exhaust(&bytes, 50);
        for (place, before) in places.iter().rev() {
            bytes[*place] = *before;
        }
    }
}
