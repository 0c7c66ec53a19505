//! The registers of each architecture: assembler names, and DWARF numbers as the psABIs assign them.
//!
//! - x86_64: System V AMD64 psABI, figure 3.36; i386: System V i386 psABI, table 2.14
//! - aarch64: DWARF for the Arm 64-bit Architecture; arm: DWARF for the Arm Architecture
//! - ppc64le: Power 64-bit ELF V2 ABI, table 2.29; s390x: ELF ABI s390x supplement, table 1.14
//! - riscv64: RISC-V ABIs specification, "DWARF Register Numbers"

use super::{Register, RegisterClass};
use crate::Arch;

/// The register of that name.
pub(super) fn find(arch: Arch, name: &str) -> Option<Register> {
    let table = match arch {
        Arch::X86_64 => X86_64,
        Arch::I386 => I386,
        Arch::Aarch64 => AARCH64,
        Arch::Arm => ARM,
        Arch::Ppc64le => PPC64LE,
        Arch::S390x => S390X,
        Arch::Riscv64 => RISCV64,
    };
    table.iter().find(|r| r.name == name).copied()
}

/// The register that holds the high half of an 8-byte value whose low half is in `low`.
///
/// Compilers put such a value in two registers that follow each other in their own order:
/// on i386 eax, edx, ecx, ebx, esi, edi, ebp (GCC's numbering), on arm r0 to r12.
pub(super) fn partner(arch: Arch, low: &Register) -> Option<Register> {
    let next = match arch {
        Arch::I386 => match low.name {
            "eax" => "edx",
            "edx" => "ecx",
            "ecx" => "ebx",
            "ebx" => "esi",
            "esi" => "edi",
            "edi" => "ebp",
            _ => return None,
        },
        Arch::Arm if low.number < 12 => ARM.iter().find(|r| r.number == low.number + 1)?.name,
        _ => return None,
    };
    find(arch, next)
}

/// Per architecture the classes with the bits of the full register that the names cover; each name with its number.
macro_rules! registers {
    ($($table:ident { $($class:ident $low:literal..$high:literal { $($name:literal $number:literal)* })* })*) => {
        $(
            static $table: &[Register] = &[$($(Register {
                name: $name,
                class: RegisterClass::$class,
                number: $number,
                bits: $high - $low,
                shift: $low,
            },)*)*];
        )*
    };
}

registers! {
    X86_64 {
        General 0..64 {
            "rax" 0 "rdx" 1 "rcx" 2 "rbx" 3 "rsi" 4 "rdi" 5 "rbp" 6 "rsp" 7 "r8" 8 "r9" 9 "r10" 10 "r11" 11
            "r12" 12 "r13" 13 "r14" 14 "r15" 15
        }
        General 0..32 {
            "eax" 0 "edx" 1 "ecx" 2 "ebx" 3 "esi" 4 "edi" 5 "ebp" 6 "esp" 7 "r8d" 8 "r9d" 9 "r10d" 10
            "r11d" 11 "r12d" 12 "r13d" 13 "r14d" 14 "r15d" 15
        }
        General 0..16 {
            "ax" 0 "dx" 1 "cx" 2 "bx" 3 "si" 4 "di" 5 "bp" 6 "sp" 7 "r8w" 8 "r9w" 9 "r10w" 10 "r11w" 11
            "r12w" 12 "r13w" 13 "r14w" 14 "r15w" 15
        }
        General 0..8 {
            "al" 0 "dl" 1 "cl" 2 "bl" 3 "sil" 4 "dil" 5 "bpl" 6 "spl" 7 "r8b" 8 "r9b" 9 "r10b" 10 "r11b" 11
            "r12b" 12 "r13b" 13 "r14b" 14 "r15b" 15
        }
        General 8..16 {
            "ah" 0 "dh" 1 "ch" 2 "bh" 3
        }
        InstructionPointer 0..64 {
            "rip" 16
        }
        InstructionPointer 0..32 {
            "eip" 16
        }
        Float 0..128 {
            "xmm0" 17 "xmm1" 18 "xmm2" 19 "xmm3" 20 "xmm4" 21 "xmm5" 22 "xmm6" 23 "xmm7" 24 "xmm8" 25
            "xmm9" 26 "xmm10" 27 "xmm11" 28 "xmm12" 29 "xmm13" 30 "xmm14" 31 "xmm15" 32 "xmm16" 67
            "xmm17" 68 "xmm18" 69 "xmm19" 70 "xmm20" 71 "xmm21" 72 "xmm22" 73 "xmm23" 74 "xmm24" 75
            "xmm25" 76 "xmm26" 77 "xmm27" 78 "xmm28" 79 "xmm29" 80 "xmm30" 81 "xmm31" 82
        }
        Float 0..256 {
            "ymm0" 17 "ymm1" 18 "ymm2" 19 "ymm3" 20 "ymm4" 21 "ymm5" 22 "ymm6" 23 "ymm7" 24 "ymm8" 25
            "ymm9" 26 "ymm10" 27 "ymm11" 28 "ymm12" 29 "ymm13" 30 "ymm14" 31 "ymm15" 32 "ymm16" 67
            "ymm17" 68 "ymm18" 69 "ymm19" 70 "ymm20" 71 "ymm21" 72 "ymm22" 73 "ymm23" 74 "ymm24" 75
            "ymm25" 76 "ymm26" 77 "ymm27" 78 "ymm28" 79 "ymm29" 80 "ymm30" 81 "ymm31" 82
        }
        Float 0..512 {
            "zmm0" 17 "zmm1" 18 "zmm2" 19 "zmm3" 20 "zmm4" 21 "zmm5" 22 "zmm6" 23 "zmm7" 24 "zmm8" 25
            "zmm9" 26 "zmm10" 27 "zmm11" 28 "zmm12" 29 "zmm13" 30 "zmm14" 31 "zmm15" 32 "zmm16" 67
            "zmm17" 68 "zmm18" 69 "zmm19" 70 "zmm20" 71 "zmm21" 72 "zmm22" 73 "zmm23" 74 "zmm24" 75
            "zmm25" 76 "zmm26" 77 "zmm27" 78 "zmm28" 79 "zmm29" 80 "zmm30" 81 "zmm31" 82
        }
        Float 0..80 {
            "st" 33 "st(0)" 33 "st(1)" 34 "st(2)" 35 "st(3)" 36 "st(4)" 37 "st(5)" 38 "st(6)" 39 "st(7)" 40
        }
        Float 0..64 {
            "mm0" 41 "mm1" 42 "mm2" 43 "mm3" 44 "mm4" 45 "mm5" 46 "mm6" 47 "mm7" 48
        }
    }
    I386 {
        General 0..32 {
            "eax" 0 "ecx" 1 "edx" 2 "ebx" 3 "esp" 4 "ebp" 5 "esi" 6 "edi" 7
        }
        General 0..16 {
            "ax" 0 "cx" 1 "dx" 2 "bx" 3 "sp" 4 "bp" 5 "si" 6 "di" 7
        }
        General 0..8 {
            "al" 0 "cl" 1 "dl" 2 "bl" 3
        }
        General 8..16 {
            "ah" 0 "ch" 1 "dh" 2 "bh" 3
        }
        InstructionPointer 0..32 {
            "eip" 8
        }
        Float 0..80 {
            "st" 11 "st(0)" 11 "st(1)" 12 "st(2)" 13 "st(3)" 14 "st(4)" 15 "st(5)" 16 "st(6)" 17 "st(7)" 18
        }
        Float 0..128 {
            "xmm0" 21 "xmm1" 22 "xmm2" 23 "xmm3" 24 "xmm4" 25 "xmm5" 26 "xmm6" 27 "xmm7" 28
        }
        Float 0..256 {
            "ymm0" 21 "ymm1" 22 "ymm2" 23 "ymm3" 24 "ymm4" 25 "ymm5" 26 "ymm6" 27 "ymm7" 28
        }
        Float 0..512 {
            "zmm0" 21 "zmm1" 22 "zmm2" 23 "zmm3" 24 "zmm4" 25 "zmm5" 26 "zmm6" 27 "zmm7" 28
        }
        Float 0..64 {
            "mm0" 29 "mm1" 30 "mm2" 31 "mm3" 32 "mm4" 33 "mm5" 34 "mm6" 35 "mm7" 36
        }
    }
    AARCH64 {
        General 0..64 {
            "x0" 0 "x1" 1 "x2" 2 "x3" 3 "x4" 4 "x5" 5 "x6" 6 "x7" 7 "x8" 8 "x9" 9 "x10" 10 "x11" 11 "x12" 12
            "x13" 13 "x14" 14 "x15" 15 "x16" 16 "x17" 17 "x18" 18 "x19" 19 "x20" 20 "x21" 21 "x22" 22
            "x23" 23 "x24" 24 "x25" 25 "x26" 26 "x27" 27 "x28" 28 "x29" 29 "x30" 30 "sp" 31 "fp" 29 "lr" 30
        }
        General 0..32 {
            "w0" 0 "w1" 1 "w2" 2 "w3" 3 "w4" 4 "w5" 5 "w6" 6 "w7" 7 "w8" 8 "w9" 9 "w10" 10 "w11" 11 "w12" 12
            "w13" 13 "w14" 14 "w15" 15 "w16" 16 "w17" 17 "w18" 18 "w19" 19 "w20" 20 "w21" 21 "w22" 22
            "w23" 23 "w24" 24 "w25" 25 "w26" 26 "w27" 27 "w28" 28 "w29" 29 "w30" 30 "wsp" 31
        }
        InstructionPointer 0..64 {
            "pc" 32
        }
        Float 0..128 {
            "v0" 64 "v1" 65 "v2" 66 "v3" 67 "v4" 68 "v5" 69 "v6" 70 "v7" 71 "v8" 72 "v9" 73 "v10" 74
            "v11" 75 "v12" 76 "v13" 77 "v14" 78 "v15" 79 "v16" 80 "v17" 81 "v18" 82 "v19" 83 "v20" 84
            "v21" 85 "v22" 86 "v23" 87 "v24" 88 "v25" 89 "v26" 90 "v27" 91 "v28" 92 "v29" 93 "v30" 94
            "v31" 95
        }
        Float 0..128 {
            "q0" 64 "q1" 65 "q2" 66 "q3" 67 "q4" 68 "q5" 69 "q6" 70 "q7" 71 "q8" 72 "q9" 73 "q10" 74
            "q11" 75 "q12" 76 "q13" 77 "q14" 78 "q15" 79 "q16" 80 "q17" 81 "q18" 82 "q19" 83 "q20" 84
            "q21" 85 "q22" 86 "q23" 87 "q24" 88 "q25" 89 "q26" 90 "q27" 91 "q28" 92 "q29" 93 "q30" 94
            "q31" 95
        }
        Float 0..64 {
            "d0" 64 "d1" 65 "d2" 66 "d3" 67 "d4" 68 "d5" 69 "d6" 70 "d7" 71 "d8" 72 "d9" 73 "d10" 74
            "d11" 75 "d12" 76 "d13" 77 "d14" 78 "d15" 79 "d16" 80 "d17" 81 "d18" 82 "d19" 83 "d20" 84
            "d21" 85 "d22" 86 "d23" 87 "d24" 88 "d25" 89 "d26" 90 "d27" 91 "d28" 92 "d29" 93 "d30" 94
            "d31" 95
        }
        Float 0..32 {
            "s0" 64 "s1" 65 "s2" 66 "s3" 67 "s4" 68 "s5" 69 "s6" 70 "s7" 71 "s8" 72 "s9" 73 "s10" 74
            "s11" 75 "s12" 76 "s13" 77 "s14" 78 "s15" 79 "s16" 80 "s17" 81 "s18" 82 "s19" 83 "s20" 84
            "s21" 85 "s22" 86 "s23" 87 "s24" 88 "s25" 89 "s26" 90 "s27" 91 "s28" 92 "s29" 93 "s30" 94
            "s31" 95
        }
        Float 0..16 {
            "h0" 64 "h1" 65 "h2" 66 "h3" 67 "h4" 68 "h5" 69 "h6" 70 "h7" 71 "h8" 72 "h9" 73 "h10" 74
            "h11" 75 "h12" 76 "h13" 77 "h14" 78 "h15" 79 "h16" 80 "h17" 81 "h18" 82 "h19" 83 "h20" 84
            "h21" 85 "h22" 86 "h23" 87 "h24" 88 "h25" 89 "h26" 90 "h27" 91 "h28" 92 "h29" 93 "h30" 94
            "h31" 95
        }
        Float 0..8 {
            "b0" 64 "b1" 65 "b2" 66 "b3" 67 "b4" 68 "b5" 69 "b6" 70 "b7" 71 "b8" 72 "b9" 73 "b10" 74
            "b11" 75 "b12" 76 "b13" 77 "b14" 78 "b15" 79 "b16" 80 "b17" 81 "b18" 82 "b19" 83 "b20" 84
            "b21" 85 "b22" 86 "b23" 87 "b24" 88 "b25" 89 "b26" 90 "b27" 91 "b28" 92 "b29" 93 "b30" 94
            "b31" 95
        }
    }
    ARM {
        General 0..32 {
            "r0" 0 "r1" 1 "r2" 2 "r3" 3 "r4" 4 "r5" 5 "r6" 6 "r7" 7 "r8" 8 "r9" 9 "r10" 10 "r11" 11 "r12" 12
            "r13" 13 "r14" 14 "sb" 9 "sl" 10 "fp" 11 "ip" 12 "sp" 13 "lr" 14 "a1" 0 "a2" 1 "a3" 2 "a4" 3
            "v1" 4 "v2" 5 "v3" 6 "v4" 7 "v5" 8 "v6" 9 "v7" 10 "v8" 11
        }
        InstructionPointer 0..32 {
            "pc" 15 "r15" 15
        }
        Float 0..32 {
            "s0" 64 "s1" 65 "s2" 66 "s3" 67 "s4" 68 "s5" 69 "s6" 70 "s7" 71 "s8" 72 "s9" 73 "s10" 74
            "s11" 75 "s12" 76 "s13" 77 "s14" 78 "s15" 79 "s16" 80 "s17" 81 "s18" 82 "s19" 83 "s20" 84
            "s21" 85 "s22" 86 "s23" 87 "s24" 88 "s25" 89 "s26" 90 "s27" 91 "s28" 92 "s29" 93 "s30" 94
            "s31" 95
        }
        Float 0..64 {
            "d0" 256 "d1" 257 "d2" 258 "d3" 259 "d4" 260 "d5" 261 "d6" 262 "d7" 263 "d8" 264 "d9" 265
            "d10" 266 "d11" 267 "d12" 268 "d13" 269 "d14" 270 "d15" 271 "d16" 272 "d17" 273 "d18" 274
            "d19" 275 "d20" 276 "d21" 277 "d22" 278 "d23" 279 "d24" 280 "d25" 281 "d26" 282 "d27" 283
            "d28" 284 "d29" 285 "d30" 286 "d31" 287
        }
        Float 0..128 {
            "q0" 256 "q1" 258 "q2" 260 "q3" 262 "q4" 264 "q5" 266 "q6" 268 "q7" 270 "q8" 272 "q9" 274
            "q10" 276 "q11" 278 "q12" 280 "q13" 282 "q14" 284 "q15" 286
        }
    }
    PPC64LE {
        General 0..64 {
            "0" 0 "1" 1 "2" 2 "3" 3 "4" 4 "5" 5 "6" 6 "7" 7 "8" 8 "9" 9 "10" 10 "11" 11 "12" 12 "13" 13
            "14" 14 "15" 15 "16" 16 "17" 17 "18" 18 "19" 19 "20" 20 "21" 21 "22" 22 "23" 23 "24" 24 "25" 25
            "26" 26 "27" 27 "28" 28 "29" 29 "30" 30 "31" 31 "r0" 0 "r1" 1 "r2" 2 "r3" 3 "r4" 4 "r5" 5 "r6" 6
            "r7" 7 "r8" 8 "r9" 9 "r10" 10 "r11" 11 "r12" 12 "r13" 13 "r14" 14 "r15" 15 "r16" 16 "r17" 17
            "r18" 18 "r19" 19 "r20" 20 "r21" 21 "r22" 22 "r23" 23 "r24" 24 "r25" 25 "r26" 26 "r27" 27
            "r28" 28 "r29" 29 "r30" 30 "r31" 31 "lr" 65 "ctr" 66
        }
        Float 0..64 {
            "f0" 32 "f1" 33 "f2" 34 "f3" 35 "f4" 36 "f5" 37 "f6" 38 "f7" 39 "f8" 40 "f9" 41 "f10" 42
            "f11" 43 "f12" 44 "f13" 45 "f14" 46 "f15" 47 "f16" 48 "f17" 49 "f18" 50 "f19" 51 "f20" 52
            "f21" 53 "f22" 54 "f23" 55 "f24" 56 "f25" 57 "f26" 58 "f27" 59 "f28" 60 "f29" 61 "f30" 62
            "f31" 63
        }
        Float 0..128 {
            "v0" 77 "v1" 78 "v2" 79 "v3" 80 "v4" 81 "v5" 82 "v6" 83 "v7" 84 "v8" 85 "v9" 86 "v10" 87
            "v11" 88 "v12" 89 "v13" 90 "v14" 91 "v15" 92 "v16" 93 "v17" 94 "v18" 95 "v19" 96 "v20" 97
            "v21" 98 "v22" 99 "v23" 100 "v24" 101 "v25" 102 "v26" 103 "v27" 104 "v28" 105 "v29" 106
            "v30" 107 "v31" 108
        }
    }
    S390X {
        General 0..64 {
            "r0" 0 "r1" 1 "r2" 2 "r3" 3 "r4" 4 "r5" 5 "r6" 6 "r7" 7 "r8" 8 "r9" 9 "r10" 10 "r11" 11 "r12" 12
            "r13" 13 "r14" 14 "r15" 15
        }
        Float 0..64 {
            "f0" 16 "f1" 20 "f2" 17 "f3" 21 "f4" 18 "f5" 22 "f6" 19 "f7" 23 "f8" 24 "f9" 28 "f10" 25
            "f11" 29 "f12" 26 "f13" 30 "f14" 27 "f15" 31
        }
        Float 0..128 {
            "v0" 16 "v1" 20 "v2" 17 "v3" 21 "v4" 18 "v5" 22 "v6" 19 "v7" 23 "v8" 24 "v9" 28 "v10" 25
            "v11" 29 "v12" 26 "v13" 30 "v14" 27 "v15" 31 "v16" 68 "v17" 72 "v18" 69 "v19" 73 "v20" 70
            "v21" 74 "v22" 71 "v23" 75 "v24" 76 "v25" 80 "v26" 77 "v27" 81 "v28" 78 "v29" 82 "v30" 79
            "v31" 83
        }
    }
    RISCV64 {
        General 0..64 {
            "zero" 0 "ra" 1 "sp" 2 "gp" 3 "tp" 4 "t0" 5 "t1" 6 "t2" 7 "s0" 8 "s1" 9 "a0" 10 "a1" 11 "a2" 12
            "a3" 13 "a4" 14 "a5" 15 "a6" 16 "a7" 17 "s2" 18 "s3" 19 "s4" 20 "s5" 21 "s6" 22 "s7" 23 "s8" 24
            "s9" 25 "s10" 26 "s11" 27 "t3" 28 "t4" 29 "t5" 30 "t6" 31 "fp" 8 "x0" 0 "x1" 1 "x2" 2 "x3" 3
            "x4" 4 "x5" 5 "x6" 6 "x7" 7 "x8" 8 "x9" 9 "x10" 10 "x11" 11 "x12" 12 "x13" 13 "x14" 14 "x15" 15
            "x16" 16 "x17" 17 "x18" 18 "x19" 19 "x20" 20 "x21" 21 "x22" 22 "x23" 23 "x24" 24 "x25" 25
            "x26" 26 "x27" 27 "x28" 28 "x29" 29 "x30" 30 "x31" 31
        }
        Float 0..64 {
            "ft0" 32 "ft1" 33 "ft2" 34 "ft3" 35 "ft4" 36 "ft5" 37 "ft6" 38 "ft7" 39 "fs0" 40 "fs1" 41
            "fa0" 42 "fa1" 43 "fa2" 44 "fa3" 45 "fa4" 46 "fa5" 47 "fa6" 48 "fa7" 49 "fs2" 50 "fs3" 51
            "fs4" 52 "fs5" 53 "fs6" 54 "fs7" 55 "fs8" 56 "fs9" 57 "fs10" 58 "fs11" 59 "ft8" 60 "ft9" 61
            "ft10" 62 "ft11" 63 "f0" 32 "f1" 33 "f2" 34 "f3" 35 "f4" 36 "f5" 37 "f6" 38 "f7" 39 "f8" 40
            "f9" 41 "f10" 42 "f11" 43 "f12" 44 "f13" 45 "f14" 46 "f15" 47 "f16" 48 "f17" 49 "f18" 50
            "f19" 51 "f20" 52 "f21" 53 "f22" 54 "f23" 55 "f24" 56 "f25" 57 "f26" 58 "f27" 59 "f28" 60
            "f29" 61 "f30" 62 "f31" 63
        }
    }
}
