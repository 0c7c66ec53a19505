//! Where a goroutine has its number: the offset of `goid` in `runtime.g`, and the way from a thread's own stack to the
//! goroutine that it runs.
//!
//! The offset moves from version to version, and a wrong one pairs strangers' events. So it is taken from two sources
//! that have nothing in common, and a table of the versions that were measured has a veto:
//! 1. the description of the type `runtime.g`;
//! 2. the code of `runtime.newproc1`, which gives each goroutine its number: it loads the processor's next one, stores
//!    it in the new goroutine and adds one to it in place;
//! 3. the table.
//!
//! Whatever is there must agree; if it does not, there is no offset but a reason.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

use super::types::Struct;
use crate::Arch;

/// Where a goroutine's number is, and where that is known from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Goid {
    /// The offset of `goid` in `runtime.g`, in bytes; none if nothing says it, or the sources disagree.
    pub offset: Option<u64>,
    /// What the description of the type says.
    pub by_type: Option<u64>,
    /// What the code of `runtime.newproc1` says.
    pub by_code: Option<u64>,
    /// What was measured for this version of Go.
    pub by_version: Option<u64>,
    /// The offset in `runtime.g` of the pointer to the thread's `runtime.m`.
    pub thread: Option<u64>,
    /// The offset in `runtime.m` of the pointer to the goroutine that it runs (`curg`).
    pub current: Option<u64>,
}

/// (release of Go 1, offset), as measured.
const MEASURED: [(u32, u64); 8] =
    [(19, 152), (21, 152), (22, 152), (23, 160), (24, 160), (25, 152), (26, 152), (27, 152)];

impl Goid {
    pub(super) fn new(
        g: Option<&Struct>,
        m: Option<&Struct>,
        by_code: Option<u64>,
        released: Option<u32>,
    ) -> Goid {
        let word = |s: Option<&Struct>, name: &str| s?.field(name).filter(|f| f.size == 8).map(|f| f.offset);
        let by_type = word(g, "goid");
        let by_version = MEASURED.iter().find(|(m, _)| Some(*m) == released).map(|(_, offset)| *offset);
        Goid {
            offset: agreed(&[by_type, by_code, by_version]),
            by_type,
            by_code,
            by_version,
            thread: word(g, "m"),
            current: word(m, "curg"),
        }
    }

    /// Whether the sources contradict one another.
    pub fn disagrees(&self) -> bool {
        self.offset.is_none() && (self.by_type.is_some() || self.by_code.is_some())
    }
}

/// The value that all sources that say something say. The last one, the table, does not count alone.
fn agreed(sources: &[Option<u64>; 3]) -> Option<u64> {
    let value = sources[0].or(sources[1])?;
    sources.iter().flatten().all(|v| *v == value).then_some(value)
}

/// The offset that the code of `runtime.newproc1` stores a new goroutine's number at.
pub(super) fn by_code(arch: Arch, bytes: &[u8]) -> Option<u64> {
    match arch {
        Arch::Aarch64 => by_words(bytes),
        _ => by_instructions(bytes),
    }
}

/// amd64: `cmp %rax,next+8(p)` … `mov next(p),%rax`, `mov %rax,goid(g)`, `incq next(p)`.
fn by_instructions(bytes: &[u8]) -> Option<u64> {
    let mut decoder = Decoder::new(64, bytes, DecoderOptions::NONE);
    let mut all = Vec::new();
    let mut next = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut next);
        all.push(next);
    }
    let memory = |i: &Instruction, operand: u32| -> Option<u64> {
        let based = i.op_kind(operand) == OpKind::Memory && i.memory_base() != Register::RSP;
        (based && i.memory_base() != Register::None).then(|| i.memory_displacement64())
    };
    let compares = |at: u64| {
        all.iter()
            .any(|i| i.mnemonic() == Mnemonic::Cmp && (memory(i, 0) == Some(at) || memory(i, 1) == Some(at)))
    };
    // The cache of numbers is two fields: the next one, and the end, which it is compared with.
    let counter = all
        .iter()
        .filter(|i| i.mnemonic() == Mnemonic::Inc)
        .filter_map(|i| memory(i, 0))
        .rfind(|at| compares(at.wrapping_add(8)))?;
    // Between the load and the store the goroutine may be fetched from the stack.
    all.windows(1 + BETWEEN).find_map(|window| {
        let (load, behind) = window.split_first()?;
        if load.mnemonic() != Mnemonic::Mov || memory(load, 1) != Some(counter) {
            return None;
        }
        let store = behind.iter().find(|i| {
            i.mnemonic() == Mnemonic::Mov
                && i.op1_kind() == OpKind::Register
                && i.op1_register() == load.op0_register()
        })?;
        memory(store, 0)
    })
}

/// Instructions behind the load of a number in which it is stored.
const BETWEEN: usize = 4;

/// arm64: `ldr x1,[p,#next]`, `str x1,[g,#goid]`, and not far `add …,#1` and `str …,[p,#next]`.
fn by_words(bytes: &[u8]) -> Option<u64> {
    /// Words behind the load in which the rest stands.
    const NEAR: usize = 14;
    let words: Vec<u32> = bytes.as_chunks().0.iter().map(|w| u32::from_le_bytes(*w)).collect();
    let offset = |word: u32| u64::from((word >> 10) & 0xfff) * 8;
    let register = |word: u32| word & 31;
    // LDR and STR of 64 bits (immediate, unsigned offset), ADD #1.
    let load = |word: u32| word & 0xffc0_0000 == 0xf940_0000;
    let store = |word: u32| word & 0xffc0_0000 == 0xf900_0000;
    let add_one = |word: u32| word & 0xffff_fc00 == 0x9100_0400;
    words.iter().enumerate().filter(|(_, w)| load(**w) && offset(**w) > 0x100).find_map(|(at, loaded)| {
        let near = words.get(at + 1..)?;
        let near = &near[..near.len().min(NEAR)];
        let counter = offset(*loaded);
        let counted =
            near.iter().any(|w| add_one(*w)) && near.iter().any(|w| store(*w) && offset(*w) == counter);
        let goid =
            near.iter().find(|w| store(**w) && register(**w) == register(*loaded) && offset(**w) != counter);
        goid.filter(|_| counted).map(|w| offset(*w))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_must_agree() {
        assert_eq!(agreed(&[Some(152), Some(152), Some(152)]), Some(152));
        assert_eq!(agreed(&[Some(152), None, None]), Some(152));
        assert_eq!(agreed(&[None, Some(160), Some(160)]), Some(160));
        assert_eq!(agreed(&[Some(152), Some(160), None]), None);
        assert_eq!(agreed(&[Some(152), Some(152), Some(160)]), None);
        assert_eq!(agreed(&[None, None, Some(152)]), None);
    }
}
