//! Each rule of `validate` by a file that breaks it and nothing else, and good files that break none.

use std::collections::BTreeSet;

use stapes_binary::validate::rules::RULES;
use stapes_binary::{Arch, Finding, Severity, validate};

use crate::build::{ARCHES, BASE, Image, Note, SEMAPHORES, SEMAPHORES_OFFSET, Section, Segment, TEXT};
use crate::support::{files_with_probes, open, skip};

fn findings(image: &Image) -> Vec<Finding> {
    validate(&image.write()).unwrap().expect("an ELF file")
}

/// Breaks the sample for an architecture and gives the names of what is found, each once.
fn slugs_of(arch: Arch, change: impl FnOnce(&mut Image)) -> Vec<&'static str> {
    let mut image = Image::sample(arch);
    change(&mut image);
    findings(&image).iter().map(|f| f.slug).collect::<BTreeSet<_>>().into_iter().collect()
}

fn slugs(change: impl FnOnce(&mut Image)) -> Vec<&'static str> {
    slugs_of(Arch::X86_64, change)
}

#[test]
fn nothing_is_wrong_with_the_samples() {
    for arch in ARCHES {
        assert_eq!(findings(&Image::sample(arch)), [], "{arch}");
    }
}

#[test]
fn addresses_that_are_no_code() {
    assert_eq!(slugs(|i| i.notes[1].pc = 0x9_0000), ["pc-unmapped"]);
    assert_eq!(slugs(|i| i.notes[1].pc = SEMAPHORES + 4), ["pc-not-executable"]);
    // In an executable segment, but in a section that is not.
    assert_eq!(slugs(|i| i.notes[1].pc = BASE), ["pc-not-executable"]);
    let found = findings(&{
        let mut image = Image::sample(Arch::X86_64);
        image.notes[1].pc = 0x9_0000;
        image
    });
    assert_eq!(found[0].severity, Severity::Error);
    assert_eq!((found[0].provider.as_deref(), found[0].name.as_deref()), (Some("test"), Some("second")));
    assert_eq!((found[0].site, found[0].pc.unwrap().0), (Some(0), 0x9_0000));
}

#[test]
fn notes_of_collected_functions() {
    // What rust-lld leaves: the offset in a section that is not there any more.
    assert_eq!(slugs(|i| i.notes[1].pc = 0x1d), ["stale-note"]);
    let without_sections = |image: &mut Image| {
        image.notes[1].pc = 0x1d;
        in_a_segment(image);
    };
    assert_eq!(slugs(without_sections), ["no-section-headers", "stale-note"]);
}

#[test]
fn sites_within_instructions() {
    // mov $0x90909090,%eax; ret: the nop at +1 is none.
    let change = |image: &mut Image| {
        image.section(".text").data[16..22].copy_from_slice(&[0xb8, 0x90, 0x90, 0x90, 0x90, 0xc3]);
        image.symbols(&[("function", TEXT + 16, 6, 0x12)]);
        image.notes[1].pc = TEXT + 17;
    };
    assert_eq!(slugs(change), ["pc-mid-instruction"]);
    assert_eq!(
        slugs(|i| {
            change(i);
            i.notes[1].pc = TEXT + 16;
        }),
        ["not-a-nop"]
    );
    for arch in [Arch::Aarch64, Arch::Ppc64le] {
        assert_eq!(slugs_of(arch, |i| i.notes[1].pc += 2), ["pc-mid-instruction"], "{arch}");
    }
    assert_eq!(slugs_of(Arch::Riscv64, |i| i.notes[1].pc += 1), ["pc-mid-instruction"]);
}

#[test]
fn semaphores() {
    assert_eq!(slugs(|i| i.notes[1].semaphore = 0x9_0000), ["semaphore-unmapped"]);
    assert_eq!(slugs(|i| i.notes[1].semaphore = SEMAPHORES + 1), ["semaphore-odd"]);
    assert_eq!(
        slugs(|i| i.notes[1].semaphore = TEXT + 0x20),
        ["semaphore-executable", "semaphore-not-writable"]
    );
    assert_eq!(slugs(|i| i.segments[1].flags = 4), ["semaphore-not-writable"]);
    assert_eq!(slugs(|i| i.section(".probes").name = ".data"), ["semaphore-outside-probes"]);
    // The read-only part is a segment of its own and ends in some page of the file; the semaphores are in the same.
    let relro_ends_at = |image: &mut Image, end: u64| {
        for kind in [1, 0x6474_e552] {
            let segment = Segment { kind, flags: 6, offset: end - 0x100, address: 0x3000, size: 0x100 };
            image.segments.push(segment);
        }
        image.segments[1].offset += 0x100;
        image.section(".probes").offset += 0x100;
    };
    assert_eq!(slugs(|i| relro_ends_at(i, SEMAPHORES_OFFSET)), Vec::<&str>::new());
    assert_eq!(slugs(|i| relro_ends_at(i, SEMAPHORES_OFFSET + 0x100)), ["semaphore-beside-relro"]);
    let within_relro = |image: &mut Image| {
        image.segments.push(Segment {
            kind: 0x6474_e552,
            flags: 4,
            offset: SEMAPHORES_OFFSET,
            address: SEMAPHORES,
            size: 8,
        });
    };
    assert_eq!(slugs(within_relro), ["semaphore-not-writable"]);
}

#[test]
fn notes_that_are_malformed() {
    assert_eq!(slugs(|i| i.notes[1].descriptor_size = Some(u32::MAX)), ["truncated-note"]);
    assert_eq!(slugs(|i| i.notes[1].no_nul = true), ["missing-nul"]);
    assert_eq!(slugs(|i| i.notes[1].padding = 3), ["padded-descriptor"]);
    assert_eq!(slugs(|i| i.notes[1].owner = b"GNU\0"), ["foreign-note"]);
    assert_eq!(slugs(|i| i.notes.push(i.notes[1].clone())), ["duplicate-note"]);
}

#[test]
fn bases() {
    let shift = |image: &mut Image, by: u64| {
        for note in &mut image.notes {
            note.pc -= by;
            note.base -= by;
            note.semaphore = note.semaphore.saturating_sub(by);
        }
    };
    assert_eq!(slugs(|i| shift(i, 0x800)), ["shifted-base"]);
    assert_eq!(slugs(|i| i.notes[1].base = 0), ["zero-base"]);
    assert_eq!(slugs(|i| i.remove(".stapsdt.base")), ["missing-base"]);
    // The base moved, but the sites did not: only unadjusted are they code.
    let moved = |image: &mut Image| {
        for note in &mut image.notes {
            note.base = note.base.wrapping_sub(0x80_0000);
            note.semaphore = 0;
        }
    };
    assert_eq!(slugs(moved), ["base-mismatch", "shifted-base"]);
    let differ = |image: &mut Image| {
        image.notes[1].base -= 0x10;
        image.notes[1].pc -= 0x10;
    };
    assert_eq!(slugs(differ), ["base-mismatch", "shifted-base"]);
}

#[test]
fn files_of_unusual_form() {
    let object_file = |image: &mut Image| {
        image.kind = 1;
        image.segments.clear();
    };
    assert_eq!(slugs(object_file), ["relocatable-file"]);
    let section = |image: &mut Image, kind, flags, first: bool| {
        let data = image.note_bytes();
        let at = if first { 0 } else { image.sections.len() };
        let offset = 0x1900;
        let notes = Section { name: ".note.stapsdt", kind, flags, offset, data, ..Section::default() };
        image.sections.insert(at, notes);
    };
    assert_eq!(slugs(|i| section(i, 1, 0, false)), ["wrong-section-type"]);
    assert_eq!(slugs(|i| section(i, 7, 2, false)), ["allocated-notes"]);
    assert_eq!(slugs(|i| section(i, 7, 2, true)), ["allocated-notes", "notes-before-probes"]);
    assert_eq!(slugs(in_a_segment), ["no-section-headers"]);
}

/// Leaves the section headers out and lets a segment lead to the notes.
fn in_a_segment(image: &mut Image) {
    let data = image.note_bytes();
    let size = data.len() as u64;
    let offset = 0x1900;
    image.sections.push(Section {
        name: ".note.stapsdt",
        kind: 7,
        flags: 2,
        address: offset,
        offset,
        data,
        ..Section::default()
    });
    image.segments.push(Segment { kind: 4, flags: 4, offset, address: offset, size });
    image.no_section_headers = true;
}

#[test]
fn sites_that_overlap() {
    assert_eq!(slugs(|i| i.notes[1].pc = TEXT), ["overlapping-probes"]);
    // nop,nop10 and a second site on the nop10.
    let within = |image: &mut Image| {
        let nops = [0x90, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0];
        image.section(".text").data[32..43].copy_from_slice(&nops);
        image.notes[1].pc = TEXT + 32;
        image.notes.push(Note::new(TEXT + 33, "third", ""));
    };
    assert_eq!(slugs(within), ["overlapping-probes"]);
    // Two nops one after the other are two sites.
    let consecutive = |image: &mut Image| {
        image.section(".text").data[32..34].copy_from_slice(&[0x90, 0x90]);
        image.notes[1].pc = TEXT + 32;
        image.notes.push(Note::new(TEXT + 33, "third", ""));
    };
    assert_eq!(slugs(consecutive), Vec::<&str>::new());
}

#[test]
fn arguments() {
    let argument = |arch, text: &str| slugs_of(arch, |i| i.notes[1].arguments = text.to_owned());
    assert_eq!(argument(Arch::X86_64, "8@%rzx"), ["unknown-register"]);
    assert_eq!(argument(Arch::X86_64, "3@%rax"), ["unknown-size"]);
    assert_eq!(argument(Arch::X86_64, "8@*(%rax)"), ["argument-syntax"]);
    assert_eq!(argument(Arch::X86_64, "8f@%rax"), ["float-argument"]);
    assert_eq!(argument(Arch::X86_64, "8@%xmm0"), ["float-register"]);
    assert_eq!(argument(Arch::X86_64, "8@missing(%rip)"), ["rip-symbol", "unresolved-symbol"]);
    assert_eq!(argument(Arch::I386, "-8@%eax"), ["register-pair"]);
    assert_eq!(argument(Arch::Arm, "-8@r0"), ["register-pair"]);
    assert_eq!(argument(Arch::X86_64, &"8@%rax ".repeat(12)), Vec::<&str>::new());
    assert_eq!(argument(Arch::X86_64, &"8@%rax ".repeat(13)), ["too-many-arguments"]);
    let known = |image: &mut Image| {
        image.notes[1].arguments = "8@counter(%rip)".to_owned();
        image.symbols(&[("counter", SEMAPHORES, 8, 0x11)]);
    };
    assert_eq!(slugs(known), ["rip-symbol"]);
    assert_eq!(slugs(|i| i.notes[2].arguments = "8@%rdi".to_owned()), ["argument-counts-differ"]);
}

#[test]
fn thumb_sites() {
    let thumb = |image: &mut Image| {
        image.section(".text").data = [0x00, 0xbf].repeat(32);
        image.notes[1].pc = TEXT + 6;
    };
    assert_eq!(slugs_of(Arch::Arm, thumb), ["thumb-pc"]);
}

#[test]
fn every_rule_has_a_name_of_its_own_and_tools() {
    let names: BTreeSet<_> = RULES.iter().map(|r| r.slug).collect();
    assert_eq!(names.len(), RULES.len());
    let tools = ["readelf", "gdb", "bcc", "bpftrace", "libbpf", "perf"];
    for rule in RULES {
        assert!(rule.breaks.iter().all(|t| tools.contains(t)), "{}", rule.slug);
        assert!(rule.severity == Severity::Warning || !rule.breaks.is_empty(), "{}", rule.slug);
    }
}

#[test]
fn the_files_of_this_machine_have_no_errors() {
    let files = files_with_probes();
    if files.is_empty() {
        return skip("the_files_of_this_machine_have_no_errors", "no file with probes is installed");
    }
    for path in files {
        for finding in validate(&open(&path)).unwrap().unwrap_or_default() {
            assert_eq!(finding.severity, Severity::Warning, "{}: {finding}", path.display());
        }
    }
}
