//! The parts of an ELF file (gABI, chapters 4 and 5) that lead to notes: header, segments, sections and their names.
//!
//! Nothing is read but what is asked for.
//! The first read takes the file's first kilobyte, which holds the header and nearly always the program headers;
//! the second takes the section headers with the kilobyte before them, where linkers put `.shstrtab`.
//! So a file without notes costs two reads, and a file that is not ELF one.
//!
//! Every number in a file is a claim. All arithmetic on them is checked, tables are read only as far as the file
//! really goes and up to a limit, and looking an address up among the segments takes logarithmic time.

use crate::memory::Loads;
use crate::read::{self, ReadAt, ReadErrorReason};
use crate::{Arch, FileOff, ReadError, Vaddr};

/// An opened ELF file: its header, segments and section headers.
pub struct Elf<'a> {
    source: &'a dyn ReadAt,
    head: Vec<u8>,
    /// The class, ELF32 or ELF64.
    pub class: Class,
    /// Whether the byte order is little endian.
    pub little_endian: bool,
    /// `e_machine`.
    pub machine: u16,
    /// The architecture, if it is one whose arguments are understood.
    pub arch: Option<Arch>,
    /// `e_type`.
    pub kind: ElfType,
    /// The program headers, in the file's order.
    pub segments: Vec<Segment>,
    /// The section headers, in the file's order; empty if the file has none.
    pub sections: Vec<Section>,
    names: Window,
    loads: Loads,
}

/// The file's class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// 32-bit addresses and offsets.
    Elf32,
    /// 64-bit addresses and offsets.
    Elf64,
}

/// `e_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ElfType {
    /// `ET_REL`: not linked yet, so its addresses mean nothing.
    Relocatable,
    /// `ET_EXEC`: a program at fixed addresses.
    Executable,
    /// `ET_DYN`: a shared object or a position-independent program.
    Shared,
    /// `ET_CORE`.
    Core,
    /// Any other number.
    Other(u16),
}

/// A program header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// `p_type`.
    pub kind: u32,
    /// `p_flags`.
    pub flags: u32,
    /// `p_offset`.
    pub offset: u64,
    /// `p_vaddr`.
    pub address: u64,
    /// `p_filesz`.
    pub file_size: u64,
    /// `p_memsz`.
    pub memory_size: u64,
}

/// A section header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// `sh_name`: offset in the section of names.
    pub name: u32,
    /// `sh_type`.
    pub kind: u32,
    /// `sh_flags`.
    pub flags: u64,
    /// `sh_addr`.
    pub address: u64,
    /// `sh_offset`.
    pub offset: u64,
    /// `sh_size`.
    pub size: u64,
    /// `sh_link`.
    pub link: u32,
    /// `sh_info`.
    pub info: u32,
    /// `sh_entsize`.
    pub entry_size: u64,
}

/// `PT_LOAD`.
pub const PT_LOAD: u32 = 1;
/// `PT_NOTE`.
pub const PT_NOTE: u32 = 4;
/// `PT_GNU_RELRO`.
pub const PT_GNU_RELRO: u32 = 0x6474_e552;
/// `PF_X`.
pub const PF_X: u32 = 1;
/// `PF_W`.
pub const PF_W: u32 = 2;
/// `SHT_PROGBITS`.
pub const SHT_PROGBITS: u32 = 1;
/// `SHT_SYMTAB`.
pub const SHT_SYMTAB: u32 = 2;
/// `SHT_NOTE`.
pub const SHT_NOTE: u32 = 7;
/// `SHT_NOBITS`.
pub const SHT_NOBITS: u32 = 8;
/// `SHT_DYNSYM`.
pub const SHT_DYNSYM: u32 = 11;
/// `SHF_WRITE`.
pub const SHF_WRITE: u64 = 1;
/// `SHF_ALLOC`.
pub const SHF_ALLOC: u64 = 2;
/// `SHF_EXECINSTR`.
pub const SHF_EXECINSTR: u64 = 4;

/// Bytes of the first read: the header, a dozen program headers and often the build id.
const HEAD: usize = 1024;
/// Bytes before the section headers that are read with them.
const BEFORE_SECTIONS: u64 = 1024;
/// The most section headers that are read; linkers stay far below it.
const MAX_SECTIONS: u64 = 1 << 20;
/// The most program headers (`e_phnum` is 16 bits wide, the escape of `PN_XNUM` is for core files).
const MAX_SEGMENTS: u64 = 1 << 16;
/// The most bytes of section names.
const MAX_NAMES: u64 = 64 << 20;

impl<'a> Elf<'a> {
    /// Reads the headers; `None` if the file does not start with the ELF magic.
    ///
    /// # Errors
    /// A header, or a table that it points to, that is not in the file or not of a form the gABI allows.
    pub fn open(source: &'a dyn ReadAt) -> Result<Option<Elf<'a>>, ReadError> {
        let mut head = [0; HEAD];
        let n =
            source.read_at(0, &mut head).map_err(|e| ReadError::new(0, "e_ident", ReadErrorReason::Io(e)))?;
        let head = &head[..n];
        if !head.starts_with(b"\x7fELF") {
            return Ok(None);
        }
        let fields = Fields::of_ident(head)?;
        let machine = fields.u16(18, "e_machine")?;
        let mut elf = Elf {
            source,
            class: fields.class,
            little_endian: fields.little,
            machine,
            arch: arch(machine, fields.class, fields.little),
            kind: match fields.u16(16, "e_type")? {
                1 => ElfType::Relocatable,
                2 => ElfType::Executable,
                3 => ElfType::Shared,
                4 => ElfType::Core,
                other => ElfType::Other(other),
            },
            segments: Vec::new(),
            sections: Vec::new(),
            names: Window::default(),
            loads: Loads::default(),
            head: head.to_vec(),
        };
        elf.read_sections(&fields)?;
        elf.read_segments(&fields)?;
        Ok(Some(elf))
    }

    /// The name of a section, or an empty one if its offset is outside the section of names.
    pub fn section_name(&self, section: &Section) -> &[u8] {
        let names = self.names.bytes.get(section.name as usize..).unwrap_or_default();
        let end = memchr::memchr(0, names).unwrap_or(0);
        &names[..end]
    }

    /// The sections of that name, with their indices, in the file's order.
    pub fn sections_named(&self, name: &[u8]) -> impl Iterator<Item = (usize, &Section)> {
        self.sections.iter().enumerate().filter(move |(_, s)| {
            let names = self.names.bytes.get(s.name as usize..).unwrap_or_default();
            names.len() > name.len() && names.starts_with(name) && names[name.len()] == 0
        })
    }

    /// Where in the file the byte is that is loaded at `address`, if a segment's file part holds it.
    pub fn file_offset(&self, address: Vaddr) -> Option<FileOff> {
        self.loads.file_offset(address)
    }

    /// Reads up to `size` bytes at `offset`, fewer at the file's end; `field` names the claim in errors.
    ///
    /// # Errors
    /// The file cannot be read, or `size` is above `limit`.
    pub fn read(
        &self,
        offset: u64,
        size: u64,
        limit: u64,
        field: &'static str,
    ) -> Result<Vec<u8>, ReadError> {
        for (start, bytes) in [(0, &self.head), (self.names.start, &self.names.window)] {
            if let Some(found) = slice(bytes, start, offset, size) {
                return Ok(found.to_vec());
            }
        }
        read::up_to(self.source, offset, size, limit, field)
    }

    pub(crate) fn fields<'b>(&self, bytes: &'b [u8], start: u64) -> Fields<'b> {
        Fields { bytes, start, class: self.class, little: self.little_endian }
    }

    fn read_segments(&mut self, header: &Fields<'_>) -> Result<(), ReadError> {
        let (at_phoff, at_entsize) = match header.class {
            Class::Elf32 => (28, 42),
            Class::Elf64 => (32, 54),
        };
        let offset = header.word(at_phoff, "e_phoff")?;
        let entry = u64::from(header.u16(at_entsize, "e_phentsize")?);
        let mut count = u64::from(header.u16(at_entsize + 2, "e_phnum")?);
        if count == 0xffff {
            // PN_XNUM: the number is in the first section header's sh_info.
            count = self.sections.first().map_or(count, |s| u64::from(s.info));
        }
        if offset == 0 || count == 0 {
            return Ok(());
        }
        let least = if self.class == Class::Elf64 { 56 } else { 32 };
        if entry < least {
            return Err(ReadError::invalid(
                at_entsize as u64,
                "e_phentsize",
                "smaller than a program header",
            ));
        }
        let bytes = self.table(offset, count, entry, MAX_SEGMENTS, "e_phnum", at_entsize as u64 + 2)?;
        let table = self.fields(&bytes, offset);
        for i in 0..count as usize {
            let at = i * entry as usize;
            let segment = match self.class {
                Class::Elf64 => Segment {
                    kind: table.u32(at, "p_type")?,
                    flags: table.u32(at + 4, "p_flags")?,
                    offset: table.u64(at + 8, "p_offset")?,
                    address: table.u64(at + 16, "p_vaddr")?,
                    file_size: table.u64(at + 32, "p_filesz")?,
                    memory_size: table.u64(at + 40, "p_memsz")?,
                },
                Class::Elf32 => Segment {
                    kind: table.u32(at, "p_type")?,
                    offset: table.u32(at + 4, "p_offset")?.into(),
                    address: table.u32(at + 8, "p_vaddr")?.into(),
                    file_size: table.u32(at + 16, "p_filesz")?.into(),
                    memory_size: table.u32(at + 20, "p_memsz")?.into(),
                    flags: table.u32(at + 24, "p_flags")?,
                },
            };
            self.segments.push(segment);
        }
        self.loads = Loads::new(&self.segments);
        Ok(())
    }

    fn read_sections(&mut self, header: &Fields<'_>) -> Result<(), ReadError> {
        let (at_shoff, at_entsize, least) = match header.class {
            Class::Elf32 => (32, 46, 40),
            Class::Elf64 => (40, 58, 64),
        };
        let offset = header.word(at_shoff, "e_shoff")?;
        let entry = u64::from(header.u16(at_entsize, "e_shentsize")?);
        let mut count = u64::from(header.u16(at_entsize + 2, "e_shnum")?);
        let mut names = u64::from(header.u16(at_entsize + 4, "e_shstrndx")?);
        if offset == 0 {
            return Ok(());
        }
        if entry < least {
            return Err(ReadError::invalid(
                at_entsize as u64,
                "e_shentsize",
                "smaller than a section header",
            ));
        }
        if count == 0 {
            // More sections than 16 bits can count: the first header's sh_size has the number.
            let first = read::exactly(self.source, offset, entry, u64::MAX, "e_shoff")?;
            count = self.section(&self.fields(&first, offset), 0)?.size;
            if count == 0 {
                return Ok(());
            }
        }

        // One read for the headers and what stands before them.
        let before = offset.min(BEFORE_SECTIONS);
        let start = offset - before;
        let size = count.checked_mul(entry).and_then(|n| n.checked_add(before)).unwrap_or(u64::MAX);
        let limit = MAX_SECTIONS.saturating_mul(entry);
        let window = read::up_to(self.source, start, size, limit, "e_shnum")?;
        if (window.len() as u64) < size {
            return Err(ReadError::new(at_shoff as u64, "e_shoff", ReadErrorReason::Truncated));
        }
        let table = self.fields(&window[before as usize..], offset);
        let mut sections = Vec::with_capacity(count as usize);
        for i in 0..count as usize {
            sections.push(self.section(&table, i * entry as usize)?);
        }
        self.sections = sections;

        const SHN_XINDEX: u64 = 0xffff;
        if names == SHN_XINDEX {
            names = u64::from(self.sections[0].link);
        }
        if names == 0 {
            return Ok(());
        }
        let Some(section) = usize::try_from(names).ok().and_then(|i| self.sections.get(i)) else {
            return Err(ReadError::invalid(at_entsize as u64 + 4, "e_shstrndx", "no such section"));
        };
        let (at, size) = (section.offset, section.size);
        let bytes = match slice(&window, start, at, size) {
            Some(found) => found.to_vec(),
            None => read::up_to(self.source, at, size, MAX_NAMES, "sh_size of the section names")?,
        };
        if (bytes.len() as u64) < size {
            return Err(ReadError::new(at, "sh_size of the section names", ReadErrorReason::Truncated));
        }
        self.names = Window { start, window, bytes };
        Ok(())
    }

    /// Reads a table of `count` entries, of which the whole must be there.
    fn table(
        &self,
        offset: u64,
        count: u64,
        entry: u64,
        most: u64,
        field: &'static str,
        at: u64,
    ) -> Result<Vec<u8>, ReadError> {
        if count > most {
            return Err(ReadError::new(at, field, ReadErrorReason::TooLarge { size: count, limit: most }));
        }
        let size = count * entry;
        let bytes = self.read(offset, size, u64::MAX, field)?;
        if (bytes.len() as u64) < size {
            return Err(ReadError::new(at, field, ReadErrorReason::Truncated));
        }
        Ok(bytes)
    }

    fn section(&self, table: &Fields<'_>, at: usize) -> Result<Section, ReadError> {
        Ok(match self.class {
            Class::Elf64 => Section {
                name: table.u32(at, "sh_name")?,
                kind: table.u32(at + 4, "sh_type")?,
                flags: table.u64(at + 8, "sh_flags")?,
                address: table.u64(at + 16, "sh_addr")?,
                offset: table.u64(at + 24, "sh_offset")?,
                size: table.u64(at + 32, "sh_size")?,
                link: table.u32(at + 40, "sh_link")?,
                info: table.u32(at + 44, "sh_info")?,
                entry_size: table.u64(at + 56, "sh_entsize")?,
            },
            Class::Elf32 => Section {
                name: table.u32(at, "sh_name")?,
                kind: table.u32(at + 4, "sh_type")?,
                flags: table.u32(at + 8, "sh_flags")?.into(),
                address: table.u32(at + 12, "sh_addr")?.into(),
                offset: table.u32(at + 16, "sh_offset")?.into(),
                size: table.u32(at + 20, "sh_size")?.into(),
                link: table.u32(at + 24, "sh_link")?,
                info: table.u32(at + 28, "sh_info")?,
                entry_size: table.u32(at + 36, "sh_entsize")?.into(),
            },
        })
    }
}

/// The architecture that `e_machine`, class and byte order make together.
fn arch(machine: u16, class: Class, little: bool) -> Option<Arch> {
    match (machine, class, little) {
        (62, Class::Elf64, true) => Some(Arch::X86_64),
        (3, Class::Elf32, true) => Some(Arch::I386),
        (183, Class::Elf64, true) => Some(Arch::Aarch64),
        (40, Class::Elf32, true) => Some(Arch::Arm),
        (21, Class::Elf64, true) => Some(Arch::Ppc64le),
        (22, Class::Elf64, false) => Some(Arch::S390x),
        (243, Class::Elf64, true) => Some(Arch::Riscv64),
        _ => None,
    }
}

/// What was read around the section headers, and the section names.
#[derive(Default)]
struct Window {
    start: u64,
    window: Vec<u8>,
    bytes: Vec<u8>,
}

/// The part of `bytes`, which start at `start` in the file, that is at `offset`, if all of it is there.
fn slice(bytes: &[u8], start: u64, offset: u64, size: u64) -> Option<&[u8]> {
    let from = usize::try_from(offset.checked_sub(start)?).ok()?;
    let to = from.checked_add(usize::try_from(size).ok()?)?;
    bytes.get(from..to)
}

/// Numbers in the file's byte order, read from bytes that start at a known offset.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'b> {
    bytes: &'b [u8],
    start: u64,
    pub(crate) class: Class,
    pub(crate) little: bool,
}

impl<'b> Fields<'b> {
    fn of_ident(head: &'b [u8]) -> Result<Fields<'b>, ReadError> {
        let byte = |at: usize, field| {
            head.get(at).copied().ok_or(ReadError::new(at as u64, field, ReadErrorReason::Truncated))
        };
        let class = match byte(4, "EI_CLASS")? {
            1 => Class::Elf32,
            2 => Class::Elf64,
            _ => return Err(ReadError::invalid(4, "EI_CLASS", "neither 1 (32-bit) nor 2 (64-bit)")),
        };
        let little = match byte(5, "EI_DATA")? {
            1 => true,
            2 => false,
            _ => return Err(ReadError::invalid(5, "EI_DATA", "neither 1 (little) nor 2 (big endian)")),
        };
        Ok(Fields { bytes: head, start: 0, class, little })
    }

    fn get<const N: usize>(&self, at: usize, field: &'static str) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        let found = at.checked_add(N).and_then(|end| self.bytes.get(at..end));
        let Some(found) = found else {
            return Err(ReadError::new(self.start + at as u64, field, ReadErrorReason::Truncated));
        };
        bytes.copy_from_slice(found);
        if !self.little {
            bytes.reverse();
        }
        Ok(bytes)
    }

    pub(crate) fn u8(&self, at: usize, field: &'static str) -> Result<u8, ReadError> {
        self.get(at, field).map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&self, at: usize, field: &'static str) -> Result<u16, ReadError> {
        self.get(at, field).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&self, at: usize, field: &'static str) -> Result<u32, ReadError> {
        self.get(at, field).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&self, at: usize, field: &'static str) -> Result<u64, ReadError> {
        self.get(at, field).map(u64::from_le_bytes)
    }

    /// An address or offset of the file's class.
    pub(crate) fn word(&self, at: usize, field: &'static str) -> Result<u64, ReadError> {
        match self.class {
            Class::Elf32 => self.u32(at, field).map(u64::from),
            Class::Elf64 => self.u64(at, field),
        }
    }
}
