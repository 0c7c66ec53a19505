//! A [`Function`] as text, and back: `function.to_string()` and `text.parse::<Function>()`.
//!
//! ```text
//! function usdt_0 uprobe sleepable
//!   slot s0 16
//! b0:
//!   v0 = load u32 [context + 112]                 # 12..20
//!   store u64 [s0 + 8], v0
//!   v1 = call map_lookup_elem(map 0, [s0 + 8])
//!   if v1 eq 0 then b2 else b1
//! b1:
//!   atomic_add u64 [v1 + 0], 1
//!   jump b2
//! b2:
//!   return 0
//! ```
//!
//! Behind `#` stands the place in the source, where there is one. What is printed parses back to an equal function.

mod parse;

use std::fmt::{self, Display, Formatter};

use stapes_bpf::ProgramKind;

use super::{
    Address, Argument, Base, BinaryOp, BlockId, Callee, CompareOp, Function, Helper, Inst, MapId, Reg,
    SlotId, Terminator, Value, Width,
};
use crate::ast::Span;

pub use parse::ParseError;

/// Names of the operations.
const BINARY_OPS: [(BinaryOp, &str); 13] = [
    (BinaryOp::Add, "add"),
    (BinaryOp::Sub, "sub"),
    (BinaryOp::Mul, "mul"),
    (BinaryOp::Div, "div"),
    (BinaryOp::SignedDiv, "sdiv"),
    (BinaryOp::Mod, "mod"),
    (BinaryOp::SignedMod, "smod"),
    (BinaryOp::And, "and"),
    (BinaryOp::Or, "or"),
    (BinaryOp::Xor, "xor"),
    (BinaryOp::Shl, "shl"),
    (BinaryOp::Shr, "shr"),
    (BinaryOp::SignedShr, "sshr"),
];

/// Names of the comparisons.
const COMPARE_OPS: [(CompareOp, &str); 10] = [
    (CompareOp::Eq, "eq"),
    (CompareOp::Ne, "ne"),
    (CompareOp::Lt, "lt"),
    (CompareOp::Le, "le"),
    (CompareOp::Gt, "gt"),
    (CompareOp::Ge, "ge"),
    (CompareOp::SignedLt, "slt"),
    (CompareOp::SignedLe, "sle"),
    (CompareOp::SignedGt, "sgt"),
    (CompareOp::SignedGe, "sge"),
];

/// Names of the helpers, those of the kernel without `bpf_`.
const HELPERS: [(Helper, &str); 29] = [
    (Helper::MapLookupElem, "map_lookup_elem"),
    (Helper::MapUpdateElem, "map_update_elem"),
    (Helper::MapDeleteElem, "map_delete_elem"),
    (Helper::KtimeGetNs, "ktime_get_ns"),
    (Helper::GetPrandomU32, "get_prandom_u32"),
    (Helper::GetSmpProcessorId, "get_smp_processor_id"),
    (Helper::GetCurrentPidTgid, "get_current_pid_tgid"),
    (Helper::GetCurrentUidGid, "get_current_uid_gid"),
    (Helper::GetCurrentComm, "get_current_comm"),
    (Helper::GetCurrentTask, "get_current_task"),
    (Helper::GetStack, "get_stack"),
    (Helper::GetCurrentCgroupId, "get_current_cgroup_id"),
    (Helper::SendSignal, "send_signal"),
    (Helper::ProbeReadUser, "probe_read_user"),
    (Helper::ProbeReadKernel, "probe_read_kernel"),
    (Helper::ProbeReadUserStr, "probe_read_user_str"),
    (Helper::ProbeReadKernelStr, "probe_read_kernel_str"),
    (Helper::GetNsCurrentPidTgid, "get_ns_current_pid_tgid"),
    (Helper::KtimeGetBootNs, "ktime_get_boot_ns"),
    (Helper::RingbufOutput, "ringbuf_output"),
    (Helper::RingbufReserve, "ringbuf_reserve"),
    (Helper::RingbufSubmit, "ringbuf_submit"),
    (Helper::RingbufDiscard, "ringbuf_discard"),
    (Helper::CopyFromUser, "copy_from_user"),
    (Helper::GetFuncIp, "get_func_ip"),
    (Helper::GetAttachCookie, "get_attach_cookie"),
    (Helper::Loop, "loop"),
    (Helper::MapLookupPercpuElem, "map_lookup_percpu_elem"),
    (Helper::KtimeGetTaiNs, "ktime_get_tai_ns"),
];

/// Kernel functions that programs may call.
const KFUNCS: [&str; 1] = ["bpf_copy_from_user_str"];

fn name_of<T: PartialEq>(names: &[(T, &'static str)], item: &T) -> &'static str {
    names.iter().find(|(known, _)| known == item).map_or("?", |(_, name)| name)
}

impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ProgramKind::Uprobe => "uprobe",
            ProgramKind::Run => "run",
        };
        let sleepable = if self.sleepable { " sleepable" } else { "" };
        writeln!(f, "function {} {kind}{sleepable} registers {}", self.name, self.registers)?;
        for (index, slot) in self.slots.iter().enumerate() {
            writeln!(f, "  slot s{index} {}", slot.size)?;
        }
        for (index, block) in self.blocks.iter().enumerate() {
            writeln!(f, "b{index}:")?;
            for (inst, span) in &block.insts {
                if *span == Span::default() {
                    writeln!(f, "  {inst}")?;
                } else {
                    let text = inst.to_string();
                    writeln!(f, "  {text:<48} # {}..{}", span.start, span.end)?;
                }
            }
            writeln!(f, "  {}", block.end)?;
        }
        Ok(())
    }
}

impl Display for Inst {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = |signed: bool| if signed { 'i' } else { 'u' };
        match self {
            Inst::Mov { dst, src } => write!(f, "{dst} = {src}"),
            Inst::Binary { op, dst, a, b } => write!(f, "{dst} = {} {a}, {b}", name_of(&BINARY_OPS, op)),
            Inst::Compare { op, dst, a, b } => write!(f, "{dst} = {} {a}, {b}", name_of(&COMPARE_OPS, op)),
            Inst::Extend { dst, src, width, signed } => {
                write!(f, "{dst} = extend {}{} {src}", sign(*signed), width.bits())
            }
            Inst::Swap { dst, src, width } => write!(f, "{dst} = swap u{} {src}", width.bits()),
            Inst::Bound { dst, src, limit } => write!(f, "{dst} = bound {src}, {limit}"),
            Inst::Load { dst, from, width, signed } => {
                write!(f, "{dst} = load {}{} {from}", sign(*signed), width.bits())
            }
            Inst::Store { to, src, width } => write!(f, "store {width} {to}, {src}"),
            Inst::AtomicAdd { to, src, width } => write!(f, "atomic_add {width} {to}, {src}"),
            Inst::CompareExchange { dst, to, expected, new } => {
                write!(f, "{dst} = compare_exchange {to}, {expected}, {new}")
            }
            Inst::Zero { to, length } => write!(f, "zero {to}, {length}"),
            Inst::Copy { to, from, length } => write!(f, "copy {to}, {from}, {length}"),
            Inst::StoreBytes { to, bytes } => write!(f, "bytes {to}, \"{}\"", bytes.escape_ascii()),
            Inst::AddressOf { dst, address } => write!(f, "{dst} = address {address}"),
            Inst::Call { dst, callee, arguments } => {
                if let Some(dst) = dst {
                    write!(f, "{dst} = ")?;
                }
                write!(f, "call {callee}(")?;
                for (index, argument) in arguments.iter().enumerate() {
                    write!(f, "{}{argument}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
            Inst::MapValue { dst, map, offset } => write!(f, "{dst} = map_value {}, {offset}", map.0),
        }
    }
}

impl Display for Terminator {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Terminator::Jump(to) => write!(f, "jump {to}"),
            Terminator::Branch { op, a, b, then, otherwise } => {
                write!(f, "if {a} {} {b} then {then} else {otherwise}", name_of(&COMPARE_OPS, op))
            }
            Terminator::Return(value) => write!(f, "return {value}"),
        }
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.base {
            Base::Reg(reg) => write!(f, "[{reg}")?,
            Base::Slot(slot) => write!(f, "[{slot}")?,
            Base::Context => f.write_str("[context")?,
        }
        let sign = if self.offset < 0 { '-' } else { '+' };
        write!(f, " {sign} {}", self.offset.unsigned_abs())?;
        match self.index {
            Some(index) => write!(f, " + {index}]"),
            None => f.write_str("]"),
        }
    }
}

impl Display for Argument {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Argument::Value(value) => value.fmt(f),
            Argument::Address(address) => address.fmt(f),
            Argument::Map(map) => map.fmt(f),
        }
    }
}

impl Display for Callee {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Callee::Helper(helper) => f.write_str(name_of(&HELPERS, helper)),
            Callee::Kfunc(name) => write!(f, "kfunc {name}"),
        }
    }
}

impl Display for Width {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "u{}", self.bits())
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Value::Reg(reg) => reg.fmt(f),
            Value::Imm(value) => value.fmt(f),
        }
    }
}

impl Display for Reg {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl Display for BlockId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "b{}", self.0)
    }
}

impl Display for SlotId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

impl Display for MapId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "map {}", self.0)
    }
}
