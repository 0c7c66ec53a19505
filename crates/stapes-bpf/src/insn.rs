//! One eBPF instruction as the kernel reads it (`struct bpf_insn`, linux/bpf.h; RFC 9669).

/// One 8-byte slot of eBPF code.
///
/// References to other things stay symbolic until an engine loads the program:
/// a 64-bit load with `src` [`Insn::MAP_INDEX`] or [`Insn::MAP_VALUE_INDEX`] has an index into
/// [`Object::maps`](crate::Object::maps) as `imm`;
/// a call with `src` [`Insn::KFUNC`] has an index into [`Object::kfuncs`](crate::Object::kfuncs) as `imm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Insn {
    /// The operation.
    pub code: u8,
    /// Destination register, 0 to 10.
    pub dst: u8,
    /// Source register, or one of the pseudo sources.
    pub src: u8,
    /// Signed offset: of memory in bytes, of jumps in slots.
    pub off: i16,
    /// Immediate value.
    pub imm: i32,
}

impl Insn {
    /// `BPF_PSEUDO_MAP_IDX`: the 64-bit load's `imm` is the index of a map.
    pub const MAP_INDEX: u8 = 5;
    /// `BPF_PSEUDO_MAP_IDX_VALUE`: the address of the map's value plus the second slot's `imm`.
    pub const MAP_VALUE_INDEX: u8 = 6;
    /// `BPF_PSEUDO_KFUNC_CALL`: the call's `imm` is the index of a kernel function.
    pub const KFUNC: u8 = 2;
}
