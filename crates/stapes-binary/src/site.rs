//! The code at a site: what kind of nop it is, whether a tracer has armed it, and how it disassembles.
//!
//! All of it from bytes that the caller read, of the file or of a process.

use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter, Mnemonic};

use crate::Arch;

/// What stands at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SiteCode {
    /// A nop, as `sys/sdt.h` and its kin leave it there.
    Nop(Nop),
    /// A breakpoint: the site is armed by uprobes or a debugger.
    Breakpoint,
    /// A call or jump to somewhere: the site is armed by an optimised uprobe or patched.
    Call,
    /// Another instruction.
    Other,
    /// The bytes end before the instruction does, or are no instruction.
    Unknown,
}

/// The kinds of nops; the kernel and patching engines treat them differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nop {
    /// One plain nop: of 1 byte on x86, one instruction elsewhere.
    One,
    /// x86: one nop of 5 bytes, which newer kernels turn into a call.
    Five,
    /// x86: a nop of 1 byte, and one of 5 behind it.
    OnePlusFive,
    /// x86: a nop of 1 byte, and one of 10 behind it.
    OnePlusTen,
    /// A nop of another length in bytes.
    Length(u8),
}

impl Nop {
    /// The short name: `1`, `5`, `1+5`, `1+10`, or the length.
    pub fn name(self) -> String {
        match self {
            Nop::One => "1".to_owned(),
            Nop::Five => "5".to_owned(),
            Nop::OnePlusFive => "1+5".to_owned(),
            Nop::OnePlusTen => "1+10".to_owned(),
            Nop::Length(bytes) => bytes.to_string(),
        }
    }
}

impl SiteCode {
    /// The short name: that of the nop, `int3` (or `breakpoint`), `call`, `other`, `unknown`.
    pub fn name(self, arch: Arch) -> String {
        match self {
            SiteCode::Nop(nop) => nop.name(),
            SiteCode::Breakpoint if is_x86(arch) => "int3".to_owned(),
            SiteCode::Breakpoint => "breakpoint".to_owned(),
            SiteCode::Call => "call".to_owned(),
            SiteCode::Other => "other".to_owned(),
            SiteCode::Unknown => "unknown".to_owned(),
        }
    }
}

/// One disassembled instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Its address.
    pub address: u64,
    /// Its bytes, in the order of memory.
    pub bytes: Vec<u8>,
    /// Its text: AT&T syntax on x86; elsewhere `nop`, a breakpoint, or the word as `.inst 0x…`.
    pub text: String,
}

/// How many bytes [`classify`] wants to see: enough for 1+10.
pub const CLASSIFY_BYTES: usize = 11;
/// How many bytes the longest instruction has.
pub const LONGEST_INSTRUCTION: usize = 15;

/// What stands at a site, by its first [`CLASSIFY_BYTES`] bytes (or fewer, at the end of the code).
pub fn classify(arch: Arch, bytes: &[u8]) -> SiteCode {
    if is_x86(arch) { classify_x86(arch, bytes) } else { classify_words(arch, bytes) }
}

/// Whether the bytes at an arm site are a nop in Thumb encoding, or the address says Thumb.
pub fn is_thumb(pc: u64, bytes: &[u8]) -> bool {
    pc & 3 != 0 || THUMB_NOPS.iter().any(|nop| bytes.starts_with(nop))
}

/// Disassembles up to `count` instructions from `bytes`, which stand at `address`.
pub fn disassemble(arch: Arch, address: u64, bytes: &[u8], count: usize) -> Vec<Instruction> {
    if is_x86(arch) {
        return disassemble_x86(arch, address, bytes, count);
    }
    let thumb = arch == Arch::Arm && is_thumb(address, bytes);
    let mut instructions = Vec::new();
    let mut at = 0;
    while instructions.len() < count {
        let rest = &bytes[at..];
        let length = word_length(arch, thumb, rest);
        let Some(word) = rest.get(..length).filter(|word| !word.is_empty()) else { break };
        let digits: String = match arch {
            Arch::S390x => word.iter().map(|b| format!("{b:02x}")).collect(),
            _ => word.iter().rev().map(|b| format!("{b:02x}")).collect(),
        };
        let text = match classify_words(arch, word) {
            SiteCode::Nop(_) => "nop".to_owned(),
            SiteCode::Breakpoint => format!("breakpoint (0x{digits})"),
            _ => format!(".inst 0x{digits}"),
        };
        let address = address.wrapping_add(at as u64);
        instructions.push(Instruction { address, bytes: word.to_vec(), text });
        at += length;
    }
    instructions
}

/// The starts of the instructions in `bytes` as offsets, decoded one after the other; `None` where one is invalid.
///
/// Only x86 needs this: elsewhere the alignment of an address says whether an instruction can start there.
pub fn instruction_starts(arch: Arch, bytes: &[u8]) -> impl Iterator<Item = Option<usize>> {
    let mut decoder = Decoder::new(bitness(arch), bytes, DecoderOptions::NONE);
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended || !decoder.can_decode() {
            return None;
        }
        let at = decoder.position();
        ended = decoder.decode().is_invalid();
        Some((!ended).then_some(at))
    })
}

fn is_x86(arch: Arch) -> bool {
    matches!(arch, Arch::X86_64 | Arch::I386)
}

fn bitness(arch: Arch) -> u32 {
    if arch == Arch::I386 { 32 } else { 64 }
}

fn classify_x86(arch: Arch, bytes: &[u8]) -> SiteCode {
    let mut decoder = Decoder::new(bitness(arch), bytes, DecoderOptions::NONE);
    if !decoder.can_decode() {
        return SiteCode::Unknown;
    }
    let first = decoder.decode();
    match (first.mnemonic(), first.len()) {
        _ if first.is_invalid() => SiteCode::Unknown,
        (Mnemonic::Nop, 1) => {
            let second = decoder.decode();
            SiteCode::Nop(match (second.mnemonic(), second.len()) {
                (Mnemonic::Nop, 5) => Nop::OnePlusFive,
                (Mnemonic::Nop, 10) => Nop::OnePlusTen,
                _ => Nop::One,
            })
        }
        (Mnemonic::Nop, 5) => SiteCode::Nop(Nop::Five),
        (Mnemonic::Nop, length) => SiteCode::Nop(Nop::Length(length as u8)),
        (Mnemonic::Int3, _) => SiteCode::Breakpoint,
        (Mnemonic::Call | Mnemonic::Jmp, _) => SiteCode::Call,
        // An uprobe on a nop of 10 bytes: room is made below the red zone before the call.
        (Mnemonic::Lea, 5) if bytes.starts_with(&[0x48, 0x8d, 0x64, 0x24, 0x80, 0xe8]) => SiteCode::Call,
        _ => SiteCode::Other,
    }
}

/// `nop` and `mov r8, r8`, in Thumb encoding, and the wide `nop.w`.
const THUMB_NOPS: [&[u8]; 3] = [&[0x00, 0xbf], &[0xc0, 0x46], &[0xaf, 0xf3, 0x00, 0x80]];

fn classify_words(arch: Arch, bytes: &[u8]) -> SiteCode {
    let nops: &[&[u8]] = match arch {
        Arch::X86_64 | Arch::I386 => &[],
        Arch::Aarch64 => &[&[0x1f, 0x20, 0x03, 0xd5]],
        // The hint, and `mov r0, r0` of older assemblers.
        Arch::Arm => &[&[0x00, 0xf0, 0x20, 0xe3], &[0x00, 0x00, 0xa0, 0xe1]],
        Arch::Ppc64le => &[&[0x00, 0x00, 0x00, 0x60]],
        // `bc 0,0` and `bcr 0,%r0`.
        Arch::S390x => &[&[0x47, 0x00, 0x00, 0x00], &[0x07, 0x00]],
        Arch::Riscv64 => &[&[0x01, 0x00], &[0x13, 0x00, 0x00, 0x00]],
    };
    let thumb: &[&[u8]] = if arch == Arch::Arm { &THUMB_NOPS } else { &[] };
    if nops.iter().chain(thumb).any(|nop| bytes.starts_with(nop)) {
        return SiteCode::Nop(Nop::One);
    }
    // What the kernel's uprobes write (UPROBE_SWBP_INSN of each architecture), and debuggers.
    let breakpoint = match arch {
        Arch::X86_64 | Arch::I386 => false,
        // BRK #imm16
        Arch::Aarch64 => {
            bytes.len() >= 4 && bytes[3] == 0xd4 && bytes[2] & 0xe0 == 0x20 && bytes[0] & 0x1f == 0
        }
        Arch::Arm => {
            bytes.starts_with(&[0xf9, 0x01, 0xf0, 0xe7]) || bytes.starts_with(&[0xf0, 0x01, 0xf0, 0xe7])
        }
        Arch::Ppc64le => bytes.starts_with(&[0x08, 0x00, 0xe0, 0x7f]),
        Arch::S390x => bytes.starts_with(&[0x00, 0x02]) || bytes.starts_with(&[0x00, 0x01]),
        Arch::Riscv64 => bytes.starts_with(&[0x02, 0x90]) || bytes.starts_with(&[0x73, 0x00, 0x10, 0x00]),
    };
    match (breakpoint, bytes.len() < 2) {
        (true, _) => SiteCode::Breakpoint,
        (false, true) => SiteCode::Unknown,
        (false, false) => SiteCode::Other,
    }
}

/// How long the instruction at the start of the bytes is, on architectures other than x86.
fn word_length(arch: Arch, thumb: bool, bytes: &[u8]) -> usize {
    let first = bytes.first().copied().unwrap_or(0);
    match arch {
        // The two lowest bits are 11 in an instruction that is not compressed.
        Arch::Riscv64 if first & 3 != 3 => 2,
        // The two highest bits give the length.
        Arch::S390x => match first >> 6 {
            0 => 2,
            1 | 2 => 4,
            _ => 6,
        },
        // 11101, 11110 and 11111 on top of the first half start a wide instruction of Thumb code.
        Arch::Arm if thumb && bytes.get(1).is_none_or(|high| high >> 3 < 0b11101) => 2,
        _ => 4,
    }
}

fn disassemble_x86(arch: Arch, address: u64, bytes: &[u8], count: usize) -> Vec<Instruction> {
    let mut decoder = Decoder::with_ip(bitness(arch), bytes, address, DecoderOptions::NONE);
    let mut formatter = GasFormatter::new();
    let mut instructions = Vec::new();
    while instructions.len() < count && decoder.can_decode() {
        let start = decoder.position();
        let instruction = decoder.decode();
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        instructions.push(Instruction {
            address: instruction.ip(),
            bytes: bytes[start..decoder.position()].to_vec(),
            text,
        });
    }
    instructions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nops_of_x86_are_told_apart() {
        let cases: &[(&[u8], SiteCode)] = &[
            (&[0x90, 0xc3], SiteCode::Nop(Nop::One)),
            (&[0x90], SiteCode::Nop(Nop::One)),
            (&[0x0f, 0x1f, 0x44, 0x00, 0x00], SiteCode::Nop(Nop::Five)),
            (&[0x90, 0x0f, 0x1f, 0x44, 0x00, 0x00], SiteCode::Nop(Nop::OnePlusFive)),
            (&[0x90, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0], SiteCode::Nop(Nop::OnePlusTen)),
            (&[0x66, 0x90], SiteCode::Nop(Nop::Length(2))),
            (&[0x0f, 0x1f, 0x40, 0x00], SiteCode::Nop(Nop::Length(4))),
            (&[0xcc, 0xc3], SiteCode::Breakpoint),
            (&[0xe8, 1, 0, 0, 0], SiteCode::Call),
            (&[0x48, 0x8d, 0x64, 0x24, 0x80, 0xe8, 0, 0, 0, 0], SiteCode::Call),
            (&[0x55], SiteCode::Other),
            (&[0x0f, 0x1f], SiteCode::Unknown),
            (&[], SiteCode::Unknown),
        ];
        for (bytes, code) in cases {
            assert_eq!(classify(Arch::X86_64, bytes), *code, "{bytes:02x?}");
        }
    }

    #[test]
    fn nops_of_the_other_architectures() {
        // The first bytes of the sites that were found in the packages of each architecture.
        let nops: &[(Arch, &[u8])] = &[
            (Arch::I386, &[0x90]),
            (Arch::Aarch64, &[0x1f, 0x20, 0x03, 0xd5]),
            (Arch::Arm, &[0x00, 0xbf]),
            (Arch::Ppc64le, &[0x00, 0x00, 0x00, 0x60]),
            (Arch::S390x, &[0x47, 0x00, 0x00, 0x00]),
            (Arch::Riscv64, &[0x01, 0x00]),
        ];
        for (arch, bytes) in nops {
            assert_eq!(classify(*arch, bytes), SiteCode::Nop(Nop::One), "{arch}");
        }
        // BRK #5, which is BRK64_OPCODE_UPROBES.
        assert_eq!(classify(Arch::Aarch64, &[0xa0, 0x00, 0x20, 0xd4]), SiteCode::Breakpoint);
        assert_eq!(classify(Arch::Aarch64, &[0xc0, 0x03, 0x5f, 0xd6]), SiteCode::Other);
    }

    #[test]
    fn x86_disassembles_in_att_syntax() {
        let code = [0x90, 0x89, 0x75, 0xfc, 0xc3];
        let text: Vec<_> = disassemble(Arch::X86_64, 0x1000, &code, 8)
            .into_iter()
            .map(|i| (i.address, i.bytes.len(), i.text))
            .collect();
        let expected = [(0x1000, 1, "nop"), (0x1001, 3, "mov %esi,-4(%rbp)"), (0x1004, 1, "ret")];
        assert_eq!(text, expected.map(|(a, l, t)| (a, l, t.to_owned())));
    }

    #[test]
    fn words_disassemble_by_the_length_of_each_architecture() {
        let lengths = |arch, bytes: &[u8]| -> Vec<usize> {
            disassemble(arch, 0x1000, bytes, 9).iter().map(|i| i.bytes.len()).collect()
        };
        assert_eq!(lengths(Arch::Aarch64, &[0; 10]), [4, 4]);
        assert_eq!(lengths(Arch::Riscv64, &[0x01, 0x00, 0x13, 0x00, 0x00, 0x00]), [2, 4]);
        assert_eq!(lengths(Arch::S390x, &[0x07, 0x00, 0x47, 0, 0, 0, 0xe3, 0, 0, 0, 0, 0x04]), [2, 4, 6]);
        let text = &disassemble(Arch::Aarch64, 0, &[0xe0, 0x03, 0x00, 0x91], 1)[0].text;
        assert_eq!(text, ".inst 0x910003e0");
    }
}
