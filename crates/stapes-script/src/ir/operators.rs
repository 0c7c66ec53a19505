//! What operators compute: eBPF's arithmetic (RFC 9669, sections 4.1 and 4.3) on constants.

use super::{BinaryOp, CompareOp, Width};

impl Width {
    /// The number of bytes.
    pub fn bytes(self) -> u32 {
        match self {
            Width::B1 => 1,
            Width::B2 => 2,
            Width::B4 => 4,
            Width::B8 => 8,
        }
    }

    /// The number of bits.
    pub fn bits(self) -> i32 {
        self.bytes() as i32 * 8
    }

    /// The low bits of a value, zero- or sign-extended.
    pub fn extend(self, value: i64, signed: bool) -> i64 {
        let unused = 64 - self.bits();
        let top = value << unused;
        if signed { top >> unused } else { (top as u64 >> unused) as i64 }
    }
}

impl BinaryOp {
    /// The result for these operands.
    pub fn apply(self, a: i64, b: i64) -> i64 {
        let (ua, ub) = (a as u64, b as u64);
        match self {
            BinaryOp::Add => a.wrapping_add(b),
            BinaryOp::Sub => a.wrapping_sub(b),
            BinaryOp::Mul => a.wrapping_mul(b),
            BinaryOp::Div => ua.checked_div(ub).unwrap_or(0) as i64,
            BinaryOp::SignedDiv if b == 0 => 0,
            BinaryOp::SignedDiv => a.wrapping_div(b),
            BinaryOp::Mod => ua.checked_rem(ub).unwrap_or(ua) as i64,
            BinaryOp::SignedMod if b == 0 => a,
            BinaryOp::SignedMod => a.wrapping_rem(b),
            BinaryOp::And => a & b,
            BinaryOp::Or => a | b,
            BinaryOp::Xor => a ^ b,
            BinaryOp::Shl => a.wrapping_shl(b as u32),
            BinaryOp::Shr => ua.wrapping_shr(b as u32) as i64,
            BinaryOp::SignedShr => a.wrapping_shr(b as u32),
        }
    }
}

impl CompareOp {
    /// Whether it holds for these operands.
    pub fn holds(self, a: i64, b: i64) -> bool {
        let (ua, ub) = (a as u64, b as u64);
        match self {
            CompareOp::Eq => a == b,
            CompareOp::Ne => a != b,
            CompareOp::Lt => ua < ub,
            CompareOp::Le => ua <= ub,
            CompareOp::Gt => ua > ub,
            CompareOp::Ge => ua >= ub,
            CompareOp::SignedLt => a < b,
            CompareOp::SignedLe => a <= b,
            CompareOp::SignedGt => a > b,
            CompareOp::SignedGe => a >= b,
        }
    }

    /// The comparison that holds for (b, a) exactly when this one does for (a, b).
    pub fn mirrored(self) -> CompareOp {
        match self {
            CompareOp::Eq => CompareOp::Eq,
            CompareOp::Ne => CompareOp::Ne,
            CompareOp::Lt => CompareOp::Gt,
            CompareOp::Le => CompareOp::Ge,
            CompareOp::Gt => CompareOp::Lt,
            CompareOp::Ge => CompareOp::Le,
            CompareOp::SignedLt => CompareOp::SignedGt,
            CompareOp::SignedLe => CompareOp::SignedGe,
            CompareOp::SignedGt => CompareOp::SignedLt,
            CompareOp::SignedGe => CompareOp::SignedLe,
        }
    }

    /// The comparison that holds exactly when this one does not.
    pub fn inverse(self) -> CompareOp {
        match self {
            CompareOp::Eq => CompareOp::Ne,
            CompareOp::Ne => CompareOp::Eq,
            CompareOp::Lt => CompareOp::Ge,
            CompareOp::Le => CompareOp::Gt,
            CompareOp::Gt => CompareOp::Le,
            CompareOp::Ge => CompareOp::Lt,
            CompareOp::SignedLt => CompareOp::SignedGe,
            CompareOp::SignedLe => CompareOp::SignedGt,
            CompareOp::SignedGt => CompareOp::SignedLe,
            CompareOp::SignedGe => CompareOp::SignedLt,
        }
    }
}
