//! Files that mean harm, or were cut off: an error with its place or the good part, never a panic, never much work.

use stapes_binary::elf::Elf;
use stapes_binary::notes::{self, Notes};
use stapes_binary::{Arch, ReadError, Symbols, symbols, validate};

use crate::build::{ARCHES, Image, Note, Section, Segment, TEXT};
use crate::support::EMULATED;

/// Runs everything that reads a file.
fn everything(bytes: &Vec<u8>) -> Result<Option<Notes>, ReadError> {
    let result = notes::read(bytes);
    if let Ok(Some(elf)) = Elf::open(bytes) {
        let found = Symbols::read(&elf);
        if let Ok(found) = &found {
            found.at(stapes_binary::Vaddr(TEXT));
            found.named("main");
        }
        if let Ok(mut notes) = notes::of_elf(&elf) {
            let _ = symbols::resolve(&elf, &mut notes.probes);
        }
    }
    if let Ok(Some(findings)) = validate(bytes) {
        for finding in findings {
            assert!(!finding.to_string().is_empty());
        }
    }
    if let Err(e) = &result {
        assert!(!e.field.is_empty() && e.to_string().contains("offset"), "{e}");
    }
    result
}

#[test]
fn other_files_are_not_elf() {
    for bytes in [&b""[..], b"\x7f", b"\x7fEL", b"#!/bin/sh\n", b"PK\x03\x04 and a good deal of other bytes"]
    {
        assert!(notes::read(&bytes).unwrap().is_none());
    }
}

#[test]
fn truncation_at_every_byte() {
    for arch in ARCHES {
        let mut image = Image::sample(arch);
        image.symbols(&[("main", TEXT, 64, 0x12)]);
        let whole = image.write();
        assert!(everything(&whole).unwrap().is_some());
        // The tables byte by byte, the empty space between them in larger steps.
        let dense = |n: &usize| n.is_multiple_of(32) || *n < 256 || whole[*n] != 0 || *n + 1024 > whole.len();
        for length in (0..whole.len()).filter(dense) {
            match everything(&whole[..length].to_vec()) {
                // Fewer than 4 bytes are not known to be ELF.
                Ok(None) => assert!(length < 4, "{arch} cut at {length}"),
                // The section headers stand last, so nothing shorter has them.
                Ok(Some(_)) => panic!("{arch} cut at {length} reads as whole"),
                Err(_) => {}
            }
        }
    }
}

#[test]
fn truncation_of_a_real_file_at_every_byte() {
    let Some(whole) = crate::compiled::program("truncation_of_a_real_file_at_every_byte") else { return };
    assert!(everything(&whole).unwrap().is_some());
    // The headers and tables byte by byte, the content between in larger steps.
    let mut length = 0;
    while length < whole.len() {
        assert!(everything(&whole[..length].to_vec()).is_ok_and(|n| n.is_none()) == (length < 4));
        length += if length < 1024 || length + 8192 > whole.len() { 1 } else { 61 };
    }
}

#[test]
fn every_byte_of_the_headers_set_to_extremes() {
    for arch in [Arch::X86_64, Arch::S390x, Arch::I386] {
        let mut image = Image::sample(arch);
        image.symbols(&[("main", TEXT, 64, 0x12), ("counter", 0x4000, 8, 0x11)]);
        image.notes[0].arguments += " 8@counter(%rip)";
        let whole = image.write();
        // The ELF header with two program headers, and the section headers.
        let headers = (0..176).chain(whole.len() - 8 * 64..whole.len());
        let notes = whole.windows(7).position(|w| w == b"stapsdt").unwrap() - 12;
        let mut broken = whole.clone();
        for at in headers.chain(notes..notes + 96).step_by(if EMULATED { 7 } else { 1 }) {
            for value in [0x00, 0x7f, 0x80, 0xff] {
                broken[at] = value;
                let _ = everything(&broken);
            }
            // Whole words as well, for sizes and offsets that are enormous.
            let end = (at + 8).min(broken.len());
            broken[at..end].fill(0xff);
            let _ = everything(&broken);
            broken[at..end].copy_from_slice(&whole[at..end]);
        }
    }
}

#[test]
fn sizes_beyond_the_file_cost_nothing() {
    let mut bytes = Image::sample(Arch::X86_64).write();
    // e_shnum 0 with an enormous sh_size in the first section header.
    bytes[60..62].fill(0);
    let table = u64::from_le_bytes(bytes[40..48].try_into().unwrap()) as usize;
    bytes[table + 32..table + 40].fill(0xff);
    let error = everything(&bytes).unwrap_err();
    assert_eq!(error.field, "e_shnum");
    // A count that only the extended number can hold, and right.
    let count = u64::from(Image::sample(Arch::X86_64).write()[60]);
    bytes[table + 32..table + 40].copy_from_slice(&count.to_le_bytes());
    assert_eq!(everything(&bytes).unwrap().unwrap().probes.len(), 2);
}

#[test]
fn a_section_of_notes_beyond_the_end_is_read_as_far_as_it_goes() {
    let mut image = Image::sample(Arch::X86_64);
    image.symbols(&[]);
    let bytes = image.write();
    let table = u64::from_le_bytes(bytes[40..48].try_into().unwrap()) as usize;
    let index = image.sections.len() + 1;
    let header = table + index * 64;
    let mut broken = bytes.clone();
    broken[header + 32..header + 40].copy_from_slice(&(1u64 << 40).to_le_bytes());
    let notes = everything(&broken).unwrap().unwrap();
    assert_eq!(notes.probes.len(), 2, "{:?}", notes.problems);
    assert!(!notes.problems.is_empty());
}

#[test]
fn many_segments_and_sections_that_overlap() {
    let mut image = Image::sample(Arch::X86_64);
    let data = image.note_bytes();
    for _ in 0..2000 {
        image.sections.push(Section {
            name: ".note.stapsdt",
            kind: 7,
            offset: 0x2000,
            data: data.clone(),
            ..Section::default()
        });
    }
    let notes = everything(&image.write()).unwrap().unwrap();
    assert_eq!(notes.probes.len(), 2);
    assert_eq!(notes.probes[0].sites.len(), 2, "the same notes again are duplicates");
    assert!(notes.problems.len() < 2000, "the list of problems is bounded");
    assert!(matches!(notes.problems.last().unwrap().kind, stapes_binary::ProblemKind::More(_)));
}

#[test]
fn arguments_without_end() {
    let mut image = Image::sample(Arch::X86_64);
    let long = "8@%rdi ".repeat(100_000) + &"(".repeat(100_000) + " 4@%esi";
    image.notes = vec![Note::new(TEXT, "long", &long)];
    let notes = everything(&image.write()).unwrap().unwrap();
    let args = &notes.probes[0].sites[0].args;
    assert_eq!(args.len(), 100_002);
    assert_eq!(args[100_001].text, "4@%esi");
}

#[test]
fn empty_notes_by_the_hundred_thousand() {
    let mut image = Image::sample(Arch::X86_64);
    image.sections.push(Section {
        name: ".note.stapsdt",
        kind: 7,
        data: vec![0; 12 * 100_000],
        ..Section::default()
    });
    let notes = everything(&image.write()).unwrap().unwrap();
    assert!(notes.probes.is_empty());
    assert!(notes.problems.len() <= 1001);
}

#[test]
fn segments_that_wrap_around() {
    let mut image = Image::sample(Arch::X86_64);
    image.segments = vec![
        Segment { kind: 1, flags: 5, offset: 0, address: u64::MAX - 0x10, size: 0x1000 },
        Segment { kind: 1, flags: 5, offset: u64::MAX - 4, address: 0, size: u64::MAX >> 1 },
        Segment { kind: 4, flags: 4, offset: u64::MAX - 4, address: 0, size: u64::MAX },
    ];
    image.notes[0].pc = u64::MAX - 8;
    // Built by hand: the builder would make a file as large as the segments claim.
    image.segments.swap(0, 2);
    let claims = std::mem::take(&mut image.segments);
    let mut bytes = image.write();
    bytes[56..58].copy_from_slice(&(claims.len() as u16).to_le_bytes());
    for (i, segment) in claims.iter().enumerate() {
        let at = 64 + i * 56;
        bytes[at..at + 4].copy_from_slice(&segment.kind.to_le_bytes());
        bytes[at + 4..at + 8].copy_from_slice(&segment.flags.to_le_bytes());
        for (j, value) in
            [segment.offset, segment.address, segment.address, segment.size, segment.size].iter().enumerate()
        {
            bytes[at + 8 + j * 8..at + 16 + j * 8].copy_from_slice(&value.to_le_bytes());
        }
    }
    let notes = everything(&bytes).unwrap().unwrap();
    assert_eq!(notes.probes[0].sites[0].pc.0, u64::MAX - 8);
}
