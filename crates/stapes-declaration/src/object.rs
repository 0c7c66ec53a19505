//! Writes the object file that defines the semaphores of providers: what `dtrace -G` makes.
//!
//! It contains one section `.probes` with two bytes per probe, each named `PROVIDER_PROBE_semaphore`, global and hidden,
//! as the headers of SystemTap's `dtrace -h` expect them.
//! Programs with our own header define their semaphores themselves and do not need it; that it is linked as well does no harm.
//!
//! Layout and constants: System V gABI, chapter 4, and the psABIs of x86-64 and AArch64 (`e_machine`).

use crate::Provider;

/// The architectures that an object can be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// x86-64.
    X86_64,
    /// AArch64, little endian.
    Aarch64,
}

impl Machine {
    /// The machine that this program runs on, if it is one of them.
    pub fn host() -> Option<Machine> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Machine::X86_64),
            "aarch64" => Some(Machine::Aarch64),
            _ => None,
        }
    }

    fn number(self) -> u16 {
        match self {
            Machine::X86_64 => 62,
            Machine::Aarch64 => 183,
        }
    }
}

/// The sections, in the order of their headers.
const NAMES: [&str; 6] = ["", ".probes", ".note.GNU-stack", ".symtab", ".strtab", ".shstrtab"];
const HEADER: usize = 64;
const SECTION_HEADER: usize = 64;
const SYMBOL: usize = 24;

/// Writes the object with the semaphores of the providers.
pub fn write(providers: &[Provider], machine: Machine) -> Vec<u8> {
    let names: Vec<String> = providers
        .iter()
        .flat_map(|provider| {
            let counted = provider.probes.iter().filter(|probe| probe.has_semaphore);
            counted.map(|probe| symbol_name(&provider.name, &probe.name))
        })
        .collect();

    let probes = vec![0_u8; 2 * names.len()];
    let (mut symbols, mut strings) = (vec![0_u8; SYMBOL], vec![0_u8]);
    for (i, name) in names.iter().enumerate() {
        symbols.extend((strings.len() as u32).to_le_bytes());
        // STB_GLOBAL and STT_OBJECT; STV_HIDDEN; section 1; value and size.
        symbols.extend([0x11, 2, 1, 0]);
        symbols.extend((2 * i as u64).to_le_bytes());
        symbols.extend(2_u64.to_le_bytes());
        strings.extend(name.as_bytes());
        strings.push(0);
    }
    let (mut section_names, mut name_offsets) = (Vec::new(), Vec::new());
    for name in NAMES {
        name_offsets.push(section_names.len() as u32);
        section_names.extend(name.as_bytes());
        section_names.push(0);
    }

    // Type, flags, link, info, alignment, size of an entry.
    let kinds: [(u32, u64, u32, u32, u64, u64); 6] = [
        (0, 0, 0, 0, 0, 0),
        // SHT_PROGBITS, SHF_WRITE and SHF_ALLOC.
        (1, 3, 0, 0, 2, 0),
        (1, 0, 0, 0, 1, 0),
        // SHT_SYMTAB, its strings in section 4, one local symbol.
        (2, 0, 4, 1, 8, SYMBOL as u64),
        // SHT_STRTAB.
        (3, 0, 0, 0, 1, 0),
        (3, 0, 0, 0, 1, 0),
    ];
    let contents: [&[u8]; 6] = [&[], &probes, &[], &symbols, &strings, &section_names];

    let mut body = Vec::new();
    let mut headers = Vec::new();
    for i in 0..NAMES.len() {
        let (kind, flags, link, info, alignment, entry) = kinds[i];
        while alignment > 1 && !(HEADER + body.len()).is_multiple_of(alignment as usize) {
            body.push(0);
        }
        let offset = if kind == 0 { 0 } else { HEADER + body.len() };
        headers.extend(name_offsets[i].to_le_bytes());
        headers.extend(kind.to_le_bytes());
        headers.extend(flags.to_le_bytes());
        headers.extend(0_u64.to_le_bytes());
        headers.extend((offset as u64).to_le_bytes());
        headers.extend((contents[i].len() as u64).to_le_bytes());
        headers.extend(link.to_le_bytes());
        headers.extend(info.to_le_bytes());
        headers.extend(alignment.to_le_bytes());
        headers.extend(entry.to_le_bytes());
        body.extend(contents[i]);
    }
    while !(HEADER + body.len()).is_multiple_of(8) {
        body.push(0);
    }

    let mut file = Vec::with_capacity(HEADER + body.len() + headers.len());
    // ELFCLASS64, ELFDATA2LSB, EV_CURRENT.
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    // ET_REL.
    file.extend(1_u16.to_le_bytes());
    file.extend(machine.number().to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    file.extend([0; 16]);
    file.extend(((HEADER + body.len()) as u64).to_le_bytes());
    file.extend(0_u32.to_le_bytes());
    for half in [HEADER, 0, 0, SECTION_HEADER, NAMES.len(), NAMES.len() - 1] {
        file.extend((half as u16).to_le_bytes());
    }
    file.extend(body);
    file.extend(headers);
    file
}

/// The symbol of a semaphore as SystemTap's headers name it.
fn symbol_name(provider: &str, probe: &str) -> String {
    format!("{provider}_{probe}_semaphore").replace('-', "__")
}
