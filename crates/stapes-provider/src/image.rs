//! The ELF image of a provider: bytes, made from names and argument types alone.
//!
//! # Layout
//! Virtual addresses equal file offsets, so that every tool's way from one to the other is right:
//! ```text
//! 0       ELF header, program headers, .dynsym, .dynstr, .hash, .stapsdt.base  ┐ PT_LOAD, read and execute
//! text    .text: 16 bytes per probe: a nop, a return, padding                  ┘
//! data    .probes: a semaphore of 2 bytes per probe; .dynamic                    PT_LOAD, read and write
//! notes   .note.stapsdt, .shstrtab, section headers                              in the file only
//! ```
//! The order of the section headers matters: the first executable section, then `.probes`, then the notes.
//! bcc finds nothing otherwise.
//! perf wants `.stapsdt.base` to be as far from its file offset as the text is: here both are 0 apart.
//!
//! # The nop
//! On x86-64 it is `f2 0f 1f 40 00`.
//! Linux 6.18 turns a five-byte nop into a call once it was hit, which halves the cost of an event.
//! That call overwrites the red zone, which is not at stake here: the site is the first instruction of a function that
//! is called through a pointer.
//! The `f2` makes the site pass the test of programs that look at it themselves: `byte & 0x90 == 0x90` means "not
//! traced" to users of libstapsdt, and neither `cc` nor `e8` passes.
//! A site never crosses a page, nor does its function.

use crate::args::Place;

/// Bytes from one probe's function to the next.
pub const STRIDE: usize = 16;

/// The architectures that images can be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// `EM_X86_64`, System V calling convention.
    X86_64,
    /// `EM_AARCH64`, AAPCS64.
    Aarch64,
}

impl Machine {
    /// The machine that this program runs on, if images can be made for it.
    pub const fn host() -> Option<Machine> {
        if cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) {
            Some(Machine::X86_64)
        } else if cfg!(all(target_arch = "aarch64", target_endian = "little")) {
            Some(Machine::Aarch64)
        } else {
            None
        }
    }

    fn elf_machine(self) -> u16 {
        match self {
            Machine::X86_64 => 62,
            Machine::Aarch64 => 183,
        }
    }

    /// A probe's function: nop, return, and padding that traps if anything ever runs into it.
    fn function(self) -> [u8; STRIDE] {
        match self {
            Machine::X86_64 => [
                0xf2, 0x0f, 0x1f, 0x40, 0x00, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
                0xcc,
            ],
            Machine::Aarch64 => {
                let mut code = [0; STRIDE];
                code[..4].copy_from_slice(&0xd503_201f_u32.to_le_bytes());
                code[4..8].copy_from_slice(&0xd65f_03c0_u32.to_le_bytes());
                code
            }
        }
    }

    /// Where the calling convention puts the `n`th of the words, as an argument of a note.
    fn argument(self, n: usize, place: Place) -> String {
        let Place { size, signed } = place;
        let sign = if signed { "-" } else { "" };
        let operand = match self {
            Machine::X86_64 => match X86_64_ARGUMENTS.get(n) {
                Some(names) => format!("%{}", names[size.trailing_zeros() as usize]),
                // The return address is on top at the function's first instruction.
                None => format!("{}(%rsp)", 8 * (n - X86_64_ARGUMENTS.len()) + 8),
            },
            Machine::Aarch64 => match n {
                0..8 => format!("x{n}"),
                8 => "[sp]".to_owned(),
                _ => format!("[sp, {}]", 8 * (n - 8)),
            },
        };
        format!("{sign}{size}@{operand}")
    }
}

/// The names of the argument registers for 1, 2, 4 and 8 bytes.
const X86_64_ARGUMENTS: [[&str; 4]; 6] = [
    ["dil", "di", "edi", "rdi"],
    ["sil", "si", "esi", "rsi"],
    ["dl", "dx", "edx", "rdx"],
    ["cl", "cx", "ecx", "rcx"],
    ["r8b", "r8w", "r8d", "r8"],
    ["r9b", "r9w", "r9d", "r9"],
];

/// A probe to put into an image.
#[derive(Clone, Debug)]
pub struct ProbeImage<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its arguments, one for each word that is passed.
    pub places: &'a [Place],
}

/// An image and where things are in it.
#[derive(Clone, Debug)]
pub struct Image {
    /// The file.
    pub bytes: Vec<u8>,
    /// Offset of the first probe's function; the others follow every [`STRIDE`] bytes.
    pub text: usize,
    /// Offset of the writable segment, which starts with the semaphores; a multiple of the page size.
    pub data: usize,
    /// Bytes of the writable segment.
    pub data_size: usize,
}

impl Image {
    /// Makes an image.
    ///
    /// With `semaphores` false the notes carry none: tracers then raise nothing, and a site shows that it is traced
    /// only by its first byte.
    pub fn new(
        machine: Machine,
        page_size: usize,
        provider: &str,
        probes: &[ProbeImage<'_>],
        semaphores: bool,
    ) -> Image {
        let mut strings = vec![0u8];
        let names: Vec<u32> = probes
            .iter()
            .map(|p| {
                let at = strings.len() as u32;
                strings.extend_from_slice(p.name.as_bytes());
                strings.push(0);
                at
            })
            .collect();

        let symbols_at = EHDR + PROGRAM_HEADERS * PHDR;
        let strings_at = symbols_at + (probes.len() + 1) * SYM;
        let hash_at = (strings_at + strings.len()).next_multiple_of(8);
        let hash_size = 4 * (2 + 1 + probes.len() + 1);
        let base_at = hash_at + hash_size;
        let text = (base_at + 1).next_multiple_of(STRIDE);
        let text_size = probes.len().max(1) * STRIDE;
        let data = (text + text_size).next_multiple_of(page_size);
        let semaphores_size = 2 * probes.len();
        let dynamic_at = (data + semaphores_size).next_multiple_of(16);
        let dynamic_size = DYNAMIC_ENTRIES * 16;
        let data_size = dynamic_at + dynamic_size - data;
        let notes_at = data + data_size;

        let mut file = Writer(Vec::with_capacity(notes_at + 128 * probes.len() + 2048));
        file.header(machine);
        file.program_header(1, FLAG_R | FLAG_X, 0, text + text_size, page_size);
        file.program_header(1, FLAG_R | FLAG_W, data, data_size, page_size);
        file.program_header(2, FLAG_R | FLAG_W, dynamic_at, dynamic_size, 8);
        file.program_header(0x6474_e551, FLAG_R | FLAG_W, 0, 0, 16);

        file.zeros(SYM);
        for (i, name) in names.iter().enumerate() {
            // STB_GLOBAL, STT_FUNC, STV_DEFAULT, in the first section.
            file.u32(*name);
            file.bytes(&[0x12, 0]);
            file.u16(1);
            file.u64((text + i * STRIDE) as u64);
            file.u64(STRIDE as u64);
        }
        file.bytes(&strings);
        file.fill_to(hash_at);
        file.hash(probes.len());
        file.fill_to(text);
        for _ in 0..probes.len().max(1) {
            file.bytes(&machine.function());
        }
        file.fill_to(dynamic_at);
        for (tag, value) in [
            (4u64, hash_at),     // DT_HASH
            (5, strings_at),     // DT_STRTAB
            (6, symbols_at),     // DT_SYMTAB
            (10, strings.len()), // DT_STRSZ
            (11, SYM),           // DT_SYMENT
            (0, 0),              // DT_NULL
        ] {
            file.u64(tag);
            file.u64(value as u64);
        }

        for (i, probe) in probes.iter().enumerate() {
            let semaphore = if semaphores { data + 2 * i } else { 0 };
            let addresses = [text + i * STRIDE, base_at, semaphore];
            file.note(provider, probe.name, &arguments(machine, probe.places), addresses);
        }
        let notes_end = file.0.len();
        let sections: [Section; SECTIONS] = [
            Section::default(),
            Section { name: ".text", kind: 1, flags: 6, at: text, size: text_size, align: 16, ..LOADED },
            Section {
                name: ".probes",
                kind: 1,
                flags: 3,
                at: data,
                size: semaphores_size,
                align: 2,
                ..LOADED
            },
            Section {
                name: ".note.stapsdt",
                kind: 7,
                at: notes_at,
                size: notes_end - notes_at,
                align: 4,
                ..Section::default()
            },
            Section { name: ".stapsdt.base", kind: 1, flags: 2, at: base_at, size: 1, align: 1, ..LOADED },
            Section {
                name: ".dynsym",
                kind: 11,
                flags: 2,
                at: symbols_at,
                size: (probes.len() + 1) * SYM,
                align: 8,
                link: 6,
                info: 1,
                entry: SYM,
                ..LOADED
            },
            Section {
                name: ".dynstr",
                kind: 3,
                flags: 2,
                at: strings_at,
                size: strings.len(),
                align: 1,
                ..LOADED
            },
            Section {
                name: ".hash",
                kind: 5,
                flags: 2,
                at: hash_at,
                size: hash_size,
                align: 4,
                link: 5,
                entry: 4,
                ..LOADED
            },
            Section {
                name: ".dynamic",
                kind: 6,
                flags: 3,
                at: dynamic_at,
                size: dynamic_size,
                align: 8,
                link: 6,
                entry: 16,
                ..LOADED
            },
            Section { name: ".shstrtab", kind: 3, at: notes_end, align: 1, ..Section::default() },
        ];
        file.sections(sections);
        Image { bytes: file.0, text, data, data_size }
    }
}

/// The arguments of a note.
fn arguments(machine: Machine, places: &[Place]) -> String {
    let words: Vec<_> = places.iter().enumerate().map(|(n, place)| machine.argument(n, *place)).collect();
    words.join(" ")
}

const EHDR: usize = 64;
const PHDR: usize = 56;
const SHDR: usize = 64;
const SYM: usize = 24;
const PROGRAM_HEADERS: usize = 4;
const SECTIONS: usize = 10;
const DYNAMIC_ENTRIES: usize = 6;
const FLAG_X: u32 = 1;
const FLAG_W: u32 = 2;
const FLAG_R: u32 = 4;

/// A section header before its name has a place.
#[derive(Clone, Copy, Default)]
struct Section {
    name: &'static str,
    kind: u32,
    flags: u64,
    at: usize,
    size: usize,
    align: u64,
    link: u32,
    info: u32,
    entry: usize,
    /// Whether its address is its offset, rather than 0.
    loaded: bool,
}

const LOADED: Section = Section {
    name: "",
    kind: 0,
    flags: 0,
    at: 0,
    size: 0,
    align: 0,
    link: 0,
    info: 0,
    entry: 0,
    loaded: true,
};

/// Little-endian bytes, one field after the other (gABI chapters 4 and 5).
struct Writer(Vec<u8>);

impl Writer {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    fn zeros(&mut self, count: usize) {
        self.fill_to(self.0.len() + count);
    }

    fn fill_to(&mut self, offset: usize) {
        debug_assert!(self.0.len() <= offset);
        self.0.resize(offset, 0);
    }

    fn header(&mut self, machine: Machine) {
        // ELFCLASS64, ELFDATA2LSB, EV_CURRENT, ELFOSABI_SYSV.
        self.bytes(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.u16(3); // ET_DYN
        self.u16(machine.elf_machine());
        self.u32(1);
        self.u64(0); // e_entry
        self.u64(EHDR as u64);
        self.u64(0); // e_shoff, written when it is known
        self.u32(0);
        for half in [EHDR, PHDR, PROGRAM_HEADERS, SHDR, SECTIONS, SECTIONS - 1] {
            self.u16(half as u16);
        }
    }

    fn program_header(&mut self, kind: u32, flags: u32, offset: usize, size: usize, align: usize) {
        self.u32(kind);
        self.u32(flags);
        for value in [offset, offset, offset, size, size, align] {
            self.u64(value as u64);
        }
    }

    /// A hash table of one bucket: nobody looks our symbols up by name, but the dynamic linker wants a table.
    fn hash(&mut self, symbols: usize) {
        let first = u32::from(symbols > 0);
        self.u32(1);
        self.u32(symbols as u32 + 1);
        self.u32(first);
        self.u32(0);
        for i in 1..=symbols as u32 {
            self.u32(if (i as usize) < symbols { i + 1 } else { 0 });
        }
    }

    /// One record of `.note.stapsdt`, version 3 (systemtap's sys/sdt.h).
    fn note(&mut self, provider: &str, name: &str, arguments: &str, addresses: [usize; 3]) {
        let description = 24 + provider.len() + name.len() + arguments.len() + 3;
        self.u32(8);
        self.u32(description as u32);
        self.u32(3);
        self.bytes(b"stapsdt\0");
        for address in addresses {
            self.u64(address as u64);
        }
        for text in [provider, name, arguments] {
            self.bytes(text.as_bytes());
            self.bytes(&[0]);
        }
        self.fill_to(self.0.len().next_multiple_of(4));
    }

    /// The names of the sections, their headers, and the place of the headers in the ELF header.
    fn sections(&mut self, mut sections: [Section; SECTIONS]) {
        let names_at = self.0.len();
        let mut places = [0u32; SECTIONS];
        self.bytes(&[0]);
        for (place, section) in places.iter_mut().zip(&sections).skip(1) {
            *place = (self.0.len() - names_at) as u32;
            self.bytes(section.name.as_bytes());
            self.bytes(&[0]);
        }
        sections[SECTIONS - 1].size = self.0.len() - names_at;
        self.fill_to(self.0.len().next_multiple_of(8));
        let headers_at = self.0.len() as u64;
        for (place, s) in places.iter().zip(&sections) {
            self.u32(*place);
            self.u32(s.kind);
            self.u64(s.flags);
            self.u64(if s.loaded { s.at as u64 } else { 0 });
            self.u64(s.at as u64);
            self.u64(s.size as u64);
            self.u32(s.link);
            self.u32(s.info);
            self.u64(s.align);
            self.u64(s.entry as u64);
        }
        self.0[40..48].copy_from_slice(&headers_at.to_le_bytes());
    }
}
