//! Small ELF files, made field by field, so that each test can break exactly one thing.

use stapes_binary::{Arch, Class, ElfType};

/// A file to be written.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) machine: u16,
    pub(crate) class: Class,
    pub(crate) little: bool,
    pub(crate) kind: u16,
    pub(crate) sections: Vec<Section>,
    pub(crate) segments: Vec<Segment>,
    /// The content of `.note.stapsdt`.
    pub(crate) notes: Vec<Note>,
    /// Whether the section headers are left out.
    pub(crate) no_section_headers: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    pub(crate) address: u64,
    /// Where the content goes; 0: behind everything before it.
    pub(crate) offset: u64,
    pub(crate) data: Vec<u8>,
    pub(crate) link: u32,
    pub(crate) entry_size: u64,
}

#[derive(Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) offset: u64,
    pub(crate) address: u64,
    pub(crate) size: u64,
}

#[derive(Clone)]
pub(crate) struct Note {
    pub(crate) owner: &'static [u8],
    pub(crate) kind: u32,
    pub(crate) pc: u64,
    pub(crate) base: u64,
    pub(crate) semaphore: u64,
    pub(crate) provider: &'static str,
    pub(crate) name: &'static str,
    pub(crate) arguments: String,
    /// Bytes that `n_descsz` counts beyond the descriptor's end, zeroed.
    pub(crate) padding: usize,
    /// A value for `n_descsz` instead of the right one.
    pub(crate) descriptor_size: Option<u32>,
    /// Whether the arguments' NUL is left out.
    pub(crate) no_nul: bool,
}

pub(crate) const TEXT: u64 = 0x1000;
pub(crate) const BASE: u64 = 0x1800;
pub(crate) const SEMAPHORES: u64 = 0x4000;
/// Where the semaphores are in the file: not at their address.
pub(crate) const SEMAPHORES_OFFSET: u64 = 0x3000;

impl Note {
    pub(crate) fn new(pc: u64, name: &'static str, arguments: &str) -> Note {
        Note {
            owner: b"stapsdt\0",
            kind: 3,
            pc,
            base: BASE,
            semaphore: 0,
            provider: "test",
            name,
            arguments: arguments.to_owned(),
            padding: 0,
            descriptor_size: None,
            no_nul: false,
        }
    }
}

impl Image {
    /// A shared object with two probes, of which the first has two sites and a semaphore, and nothing wrong.
    pub(crate) fn sample(arch: Arch) -> Image {
        let (machine, class, little, nop, arguments): (_, _, _, &[u8], _) = match arch {
            Arch::X86_64 => (62, Class::Elf64, true, &[0x90, 0xc3, 0xc3, 0xc3], "-4@%esi 8@-8(%rbp)"),
            Arch::I386 => (3, Class::Elf32, true, &[0x90, 0xc3, 0xc3, 0xc3], "-4@%esi 4@-8(%ebp)"),
            Arch::Aarch64 => (183, Class::Elf64, true, &[0x1f, 0x20, 0x03, 0xd5], "-4@x1 8@[sp, 60]"),
            Arch::Arm => (40, Class::Elf32, true, &[0x00, 0xf0, 0x20, 0xe3], "-4@r1 4@[fp, #-8]"),
            Arch::Ppc64le => (21, Class::Elf64, true, &[0x00, 0x00, 0x00, 0x60], "-4@4 8@0(9)"),
            Arch::S390x => (22, Class::Elf64, false, &[0x47, 0x00, 0x00, 0x00], "-4@%r3 8@188(%r15)"),
            Arch::Riscv64 => (243, Class::Elf64, true, &[0x01, 0x00, 0x01, 0x00], "-4@a1 8@32(s0)"),
        };
        let mut first = Note::new(TEXT, "first", arguments);
        first.semaphore = SEMAPHORES;
        let mut again = Note::new(TEXT + 8, "first", arguments);
        again.semaphore = SEMAPHORES;
        Image {
            machine,
            class,
            little,
            kind: 3,
            sections: vec![
                Section {
                    name: ".text",
                    kind: 1,
                    flags: 6,
                    address: TEXT,
                    offset: 0x1000,
                    data: nop.repeat(16),
                    ..Section::default()
                },
                Section {
                    name: ".stapsdt.base",
                    kind: 1,
                    flags: 2,
                    address: BASE,
                    offset: 0x1800,
                    data: vec![0],
                    ..Section::default()
                },
                Section {
                    name: ".probes",
                    kind: 1,
                    flags: 3,
                    address: SEMAPHORES,
                    offset: SEMAPHORES_OFFSET,
                    data: vec![0; 8],
                    ..Section::default()
                },
            ],
            segments: vec![
                Segment { kind: 1, flags: 5, offset: 0x1000, address: TEXT, size: 0x1000 },
                Segment { kind: 1, flags: 6, offset: SEMAPHORES_OFFSET, address: SEMAPHORES, size: 8 },
            ],
            notes: vec![first, Note::new(TEXT + 4, "second", ""), again],
            no_section_headers: false,
        }
    }

    pub(crate) fn section(&mut self, name: &str) -> &mut Section {
        self.sections.iter_mut().find(|s| s.name == name).expect("the sample has the section")
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.sections.retain(|s| s.name != name);
    }

    /// Adds a symbol table with functions: (name, address, size, `st_info`).
    pub(crate) fn symbols(&mut self, symbols: &[(&'static str, u64, u64, u8)]) {
        let mut strings = vec![0];
        let mut table = Writer { bytes: Vec::new(), class: self.class, little: self.little };
        table.symbol(0, 0, 0, 0, 0);
        for (name, address, size, info) in symbols {
            table.symbol(strings.len() as u32, *address, *size, *info, 1);
            strings.extend_from_slice(name.as_bytes());
            strings.push(0);
        }
        // Section 0 is the null section and the notes come last.
        let link = self.sections.len() as u32 + 2;
        let entry_size = if self.class == Class::Elf64 { 24 } else { 16 };
        self.sections.push(Section {
            name: ".symtab",
            kind: 2,
            data: table.bytes,
            link,
            entry_size,
            ..Section::default()
        });
        self.sections.push(Section { name: ".strtab", kind: 3, data: strings, ..Section::default() });
    }

    /// The content of the section of notes.
    pub(crate) fn note_bytes(&self) -> Vec<u8> {
        let mut out = Writer { bytes: Vec::new(), class: self.class, little: self.little };
        for note in &self.notes {
            out.note(note);
        }
        out.bytes
    }

    /// The file. The section of notes is the last before the names, unless there is one called so already.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut sections = vec![Section::default()];
        sections.extend(self.sections.iter().cloned());
        if !sections.iter().any(|s| s.name == ".note.stapsdt") && !self.notes.is_empty() {
            sections.push(Section { name: ".note.stapsdt", kind: 7, ..Section::default() });
        }
        sections.push(Section { name: ".shstrtab", kind: 3, ..Section::default() });
        let mut names = Vec::new();
        let mut name_offsets = Vec::new();
        for section in &mut sections {
            if section.name == ".note.stapsdt" && section.data.is_empty() {
                section.data = self.note_bytes();
            }
            name_offsets.push(names.len() as u32);
            names.extend_from_slice(section.name.as_bytes());
            names.push(0);
        }
        let last = sections.len() - 1;
        sections[last].data = names;

        let mut body: Vec<u8> = Vec::new();
        let headers = 0x400;
        for section in &mut sections[1..] {
            if section.offset == 0 {
                section.offset = (headers + body.len() as u64).next_multiple_of(4);
            }
            let at = (section.offset - headers) as usize;
            body.resize(body.len().max(at + section.data.len()), 0);
            body[at..at + section.data.len()].copy_from_slice(&section.data);
        }
        // What segments claim beyond the sections must be in the file.
        let loaded = self.segments.iter().filter(|s| s.kind == 1).map(|s| s.offset + s.size).max();
        body.resize(body.len().max(loaded.unwrap_or(0).saturating_sub(headers) as usize), 0);
        body.resize(body.len().next_multiple_of(8), 0);
        let table_offset = headers + body.len() as u64;

        let wide = self.class == Class::Elf64;
        let mut out = Writer { bytes: Vec::new(), class: self.class, little: self.little };
        out.bytes.extend_from_slice(b"\x7fELF");
        out.bytes.extend_from_slice(&[1 + u8::from(wide), 2 - u8::from(self.little), 1, 0]);
        out.bytes.resize(16, 0);
        out.u16(self.kind);
        out.u16(self.machine);
        out.u32(1);
        out.word(0);
        out.word(if wide { 64 } else { 52 });
        out.word(if self.no_section_headers { 0 } else { table_offset });
        out.u32(0);
        out.u16(if wide { 64 } else { 52 });
        out.u16(if wide { 56 } else { 32 });
        out.u16(self.segments.len() as u16);
        out.u16(if wide { 64 } else { 40 });
        out.u16(if self.no_section_headers { 0 } else { sections.len() as u16 });
        out.u16(if self.no_section_headers { 0 } else { last as u16 });
        for segment in &self.segments {
            out.segment(segment);
        }
        assert!(out.bytes.len() <= headers as usize, "the headers fit");
        out.bytes.resize(headers as usize, 0);
        out.bytes.extend_from_slice(&body);
        if !self.no_section_headers {
            for (section, name) in sections.iter().zip(name_offsets) {
                out.section(section, name);
            }
        }
        out.bytes
    }
}

/// Numbers in the byte order and class of a file.
struct Writer {
    bytes: Vec<u8>,
    class: Class,
    little: bool,
}

impl Writer {
    fn put<const N: usize>(&mut self, mut little: [u8; N]) {
        if !self.little {
            little.reverse();
        }
        self.bytes.extend_from_slice(&little);
    }

    fn u16(&mut self, value: u16) {
        self.put(value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.put(value.to_le_bytes());
    }

    fn word(&mut self, value: u64) {
        match self.class {
            Class::Elf32 => self.put((value as u32).to_le_bytes()),
            Class::Elf64 => self.put(value.to_le_bytes()),
        }
    }

    fn segment(&mut self, s: &Segment) {
        self.u32(s.kind);
        if self.class == Class::Elf64 {
            self.u32(s.flags);
        }
        for value in [s.offset, s.address, s.address, s.size, s.size] {
            self.word(value);
        }
        if self.class == Class::Elf32 {
            self.u32(s.flags);
        }
        self.word(0x1000);
    }

    fn section(&mut self, s: &Section, name: u32) {
        self.u32(name);
        self.u32(s.kind);
        for value in [s.flags, s.address, s.offset, s.data.len() as u64] {
            self.word(value);
        }
        self.u32(s.link);
        self.u32(0);
        self.word(4);
        self.word(s.entry_size);
    }

    fn symbol(&mut self, name: u32, address: u64, size: u64, info: u8, section: u16) {
        self.u32(name);
        if self.class == Class::Elf64 {
            self.bytes.extend_from_slice(&[info, 0]);
            self.u16(section);
            self.word(address);
            self.word(size);
        } else {
            self.word(address);
            self.word(size);
            self.bytes.extend_from_slice(&[info, 0]);
            self.u16(section);
        }
    }

    fn note(&mut self, note: &Note) {
        let mut desc = Writer { bytes: Vec::new(), class: self.class, little: self.little };
        for address in [note.pc, note.base, note.semaphore] {
            desc.word(address);
        }
        for text in [note.provider, note.name, note.arguments.as_str()] {
            desc.bytes.extend_from_slice(text.as_bytes());
            desc.bytes.push(0);
        }
        if note.no_nul {
            desc.bytes.pop();
        }
        desc.bytes.resize(desc.bytes.len() + note.padding, 0);
        self.u32(note.owner.len() as u32);
        self.u32(note.descriptor_size.unwrap_or(desc.bytes.len() as u32));
        self.u32(note.kind);
        self.bytes.extend_from_slice(note.owner);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.bytes.extend_from_slice(&desc.bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// Every architecture that is understood.
pub(crate) const ARCHES: [Arch; 7] =
    [Arch::X86_64, Arch::I386, Arch::Aarch64, Arch::Arm, Arch::Ppc64le, Arch::S390x, Arch::Riscv64];

/// The type that [`Image::sample`] has.
pub(crate) const SAMPLE_KIND: ElfType = ElfType::Shared;
