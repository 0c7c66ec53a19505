//! Reading notes: every class and byte order, adjustment, and files that are broken in one way each.

use stapes_binary::notes::{self, Notes};
use stapes_binary::{Arch, FileOff, ProblemKind, Vaddr};

use crate::build::{
    ARCHES, BASE, Image, Note, SAMPLE_KIND, SEMAPHORES, SEMAPHORES_OFFSET, Section, Segment, TEXT,
};
use crate::support::EMULATED;

fn read(image: &Image) -> Notes {
    notes::read(&image.write()).unwrap().expect("an ELF file")
}

/// The probes as `name@pc`.
fn sites(notes: &Notes) -> Vec<(String, u64)> {
    let of = |p: &stapes_binary::Probe| p.sites.iter().map(|s| (p.name.clone(), s.pc.0)).collect::<Vec<_>>();
    notes.probes.iter().flat_map(of).collect()
}

fn kinds(notes: &Notes) -> Vec<ProblemKind> {
    notes.problems.iter().map(|p| p.kind).collect()
}

#[test]
fn every_architecture_reads_alike() {
    for arch in ARCHES {
        let image = Image::sample(arch);
        let notes = read(&image);
        assert_eq!(notes.arch, Some(arch));
        assert_eq!((notes.class, notes.kind), (image.class, SAMPLE_KIND), "{arch}");
        assert_eq!(notes.base, Some(Vaddr(BASE)));
        assert_eq!(kinds(&notes), [], "{arch}");
        assert_eq!(notes.probes.len(), 2, "{arch}");
        let first = &notes.probes[0];
        assert_eq!((first.provider.as_str(), first.name.as_str()), ("test", "first"));
        assert_eq!(first.sites.len(), 2);
        assert_eq!(first.sites[1].pc, Vaddr(TEXT + 8));
        assert_eq!(first.sites[1].file_offset, Some(FileOff(0x1008)));
        assert_eq!(first.sites[0].semaphore, Some(Vaddr(SEMAPHORES)));
        assert_eq!(first.sites[0].semaphore_offset, Some(FileOff(SEMAPHORES_OFFSET)));
        assert_eq!(first.sites[0].arguments, image.notes[0].arguments);
        assert!(first.sites[0].args.iter().all(|a| a.spec.is_ok()), "{arch}: {:?}", first.sites[0].args);
        let second = &notes.probes[1].sites[0];
        assert_eq!((second.semaphore, second.semaphore_offset), (None, None));
        assert!(second.args.is_empty());
    }
}

#[test]
fn an_architecture_that_is_not_known_is_listed_without_arguments() {
    let mut image = Image::sample(Arch::X86_64);
    image.machine = 258; // EM_LOONGARCH
    let notes = read(&image);
    assert_eq!((notes.arch, notes.machine), (None, 258));
    assert_eq!(notes.probes[0].sites[0].args.len(), 2);
    assert!(notes.probes[0].sites[0].args.iter().all(|a| a.spec.is_err()));
}

#[test]
fn a_moved_file_is_adjusted() {
    for arch in [Arch::X86_64, Arch::I386] {
        let mut image = Image::sample(arch);
        // Linked at 0x7000 lower than where prelink put it; below 0, as 32 or 64 bits wrap.
        for note in &mut image.notes {
            let mask = if arch == Arch::I386 { 0xffff_ffff } else { u64::MAX };
            note.pc = note.pc.wrapping_sub(0x7000) & mask;
            note.base = note.base.wrapping_sub(0x7000) & mask;
            if note.semaphore != 0 {
                note.semaphore = note.semaphore.wrapping_sub(0x7000) & mask;
            }
        }
        let notes = read(&image);
        assert_eq!(sites(&notes), sites(&read(&Image::sample(arch))));
        assert_eq!(notes.probes[0].sites[0].semaphore, Some(Vaddr(SEMAPHORES)));
        assert_eq!(notes.probes[0].sites[0].base, Vaddr(image.notes[0].base));
    }
}

#[test]
fn a_base_of_zero_adjusts_nothing() {
    let mut image = Image::sample(Arch::X86_64);
    image.notes[1].base = 0;
    assert_eq!(sites(&read(&image)), sites(&read(&Image::sample(Arch::X86_64))));
}

#[test]
fn a_missing_base_is_tolerated() {
    let mut image = Image::sample(Arch::X86_64);
    image.remove(".stapsdt.base");
    let notes = read(&image);
    assert_eq!(sites(&notes).len(), 3);
    assert_eq!(kinds(&notes), [ProblemKind::MissingBase]);
}

#[test]
fn padding_in_the_descriptor_is_tolerated() {
    let mut image = Image::sample(Arch::X86_64);
    image.notes[0].padding = 3;
    let notes = read(&image);
    assert_eq!(sites(&notes).len(), 3);
    assert_eq!(kinds(&notes), [ProblemKind::PaddedDescriptor]);
    assert_eq!(notes.problems[0].probe.as_deref(), Some("test:first"));
    assert_eq!(notes.probes[0].sites[0].arguments, image.notes[0].arguments);
}

#[test]
fn foreign_notes_are_skipped() {
    let mut image = Image::sample(Arch::X86_64);
    image.notes[0].owner = b"GNU\0";
    image.notes[1].kind = 4;
    let notes = read(&image);
    assert_eq!(sites(&notes), [("first".to_owned(), TEXT + 8)]);
    assert_eq!(kinds(&notes), [ProblemKind::Foreign, ProblemKind::Foreign]);
    assert_eq!(notes.problems.iter().map(|p| p.field).collect::<Vec<_>>(), ["n_name", "n_type"]);
}

#[test]
fn notes_behind_a_broken_one_are_found() {
    for size in [u32::MAX, 0x7fff_ffff, 4096] {
        let mut image = Image::sample(Arch::X86_64);
        image.notes[0].descriptor_size = Some(size);
        let notes = read(&image);
        assert_eq!(sites(&notes), [("second".to_owned(), TEXT + 4), ("first".to_owned(), TEXT + 8)]);
        assert_eq!(kinds(&notes), [ProblemKind::Truncated]);
        assert_eq!(notes.problems[0].field, "n_descsz");
    }
    let mut image = Image::sample(Arch::X86_64);
    image.notes[0].descriptor_size = Some(12);
    let notes = read(&image);
    assert_eq!(kinds(&notes)[0], ProblemKind::ShortDescriptor);
    assert!(sites(&notes).contains(&("second".to_owned(), TEXT + 4)), "{:?}", notes.problems);
}

#[test]
fn a_missing_nul_is_reported() {
    let mut image = Image::sample(Arch::X86_64);
    image.notes[1].no_nul = true;
    let notes = read(&image);
    assert_eq!(kinds(&notes), [ProblemKind::MissingNul]);
    assert_eq!(notes.problems[0].field, "arguments");
    assert_eq!(sites(&notes).len(), 2);
}

#[test]
fn exact_duplicates_are_kept_once() {
    let mut image = Image::sample(Arch::X86_64);
    image.notes.push(image.notes[0].clone());
    let mut other = image.notes[0].clone();
    other.arguments = "8@%rax".to_owned();
    image.notes.push(other);
    let notes = read(&image);
    assert_eq!(notes.probes[0].sites.len(), 3, "the one with other arguments is kept");
    assert_eq!(kinds(&notes), [ProblemKind::Duplicate]);
}

#[test]
fn object_files_are_reported() {
    let mut image = Image::sample(Arch::X86_64);
    image.kind = 1;
    image.segments.clear();
    let notes = read(&image);
    assert_eq!(kinds(&notes), [ProblemKind::Relocatable]);
    assert_eq!(notes.probes[0].sites[0].file_offset, None);
}

#[test]
fn other_section_types_and_flags_are_tolerated() {
    let mut image = Image::sample(Arch::X86_64);
    let data = image.note_bytes();
    image.sections.push(Section { name: ".note.stapsdt", kind: 1, flags: 2, data, ..Section::default() });
    let notes = read(&image);
    assert_eq!(sites(&notes).len(), 3);
    assert_eq!(kinds(&notes), [ProblemKind::WrongType, ProblemKind::Allocated]);
}

#[test]
fn notes_are_found_by_segments_where_there_are_no_sections() {
    let mut image = Image::sample(Arch::X86_64);
    image.notes.insert(0, Note { owner: b"GNU\0", ..Note::new(0, "x", "") });
    let data = image.note_bytes();
    let (offset, size) = (0x1900, data.len() as u64);
    image.sections.push(Section {
        name: ".note.stapsdt",
        kind: 7,
        flags: 2,
        offset,
        data,
        ..Section::default()
    });
    image.segments.push(Segment { kind: 4, flags: 4, offset, address: 0x1900, size });
    image.no_section_headers = true;
    let notes = read(&image);
    assert_eq!(sites(&notes).len(), 3);
    // The note of another owner is nothing unusual in a segment.
    assert_eq!(kinds(&notes), [ProblemKind::NoSectionHeaders]);
    assert_eq!(notes.base, None);
}

#[test]
fn stale_notes_are_skipped() {
    let mut image = Image::sample(Arch::X86_64);
    image.notes[0].pc = 0x1d;
    let notes = read(&image);
    assert_eq!(sites(&notes), [("second".to_owned(), TEXT + 4), ("first".to_owned(), TEXT + 8)]);
    assert_eq!(kinds(&notes), [ProblemKind::Stale(Vaddr(0x1d))]);
    assert_eq!(notes.problems[0].probe.as_deref(), Some("test:first"));
}

#[test]
fn addresses_without_file_content_have_no_offset() {
    let mut image = Image::sample(Arch::X86_64);
    image.notes[0].pc = 0x9999;
    image.notes[0].semaphore = u64::MAX;
    let notes = read(&image);
    let site = &notes.probes[0].sites[0];
    assert_eq!((site.file_offset, site.semaphore_offset), (None, None));
    assert_eq!(site.semaphore, Some(Vaddr(u64::MAX)));
}

#[test]
fn names_that_are_not_utf8_are_replaced() {
    let mut image = Image::sample(Arch::X86_64);
    let mut data = image.note_bytes();
    let at = data.windows(6).position(|w| w == b"second").unwrap();
    data[at] = 0xff;
    image.sections.push(Section { name: ".note.stapsdt", kind: 7, data, ..Section::default() });
    let notes = read(&image);
    assert_eq!(notes.probes[1].name, "\u{fffd}econd");
    assert_eq!(kinds(&notes), [ProblemKind::NotUtf8]);
}

#[test]
fn build_ids_are_found() {
    let mut image = Image::sample(Arch::S390x);
    let mut data = vec![0, 0, 0, 4, 0, 0, 0, 20, 0, 0, 0, 3];
    data.extend_from_slice(b"GNU\0");
    data.extend(0..20);
    image.sections.push(Section {
        name: ".note.gnu.build-id",
        kind: 7,
        flags: 2,
        data,
        ..Section::default()
    });
    let id = read(&image).build_id.unwrap();
    assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0e0f10111213");
}

#[test]
fn a_million_notes() {
    let count = if EMULATED { 50_000 } else { 1_000_000 };
    let mut image = Image::sample(Arch::X86_64);
    let one =
        Image { notes: vec![Note::new(TEXT, "first", "-4@%esi 8@-8(%rbp)")], ..image.clone() }.note_bytes();
    let mut data = one.repeat(count);
    for (i, note) in data.chunks_exact_mut(one.len()).enumerate() {
        // A different address each, and a hundred names.
        note[20..28].copy_from_slice(&(TEXT + i as u64).to_le_bytes());
        let digits = format!("{:02}", i % 100);
        note[52..54].copy_from_slice(digits.as_bytes());
    }
    image.sections.push(Section { name: ".note.stapsdt", kind: 7, data, ..Section::default() });
    let notes = read(&image);
    assert_eq!(notes.probes.len(), 100);
    assert_eq!(notes.probes.iter().map(|p| p.sites.len()).sum::<usize>(), count);
    assert_eq!(notes.problems, []);
}
