//! Small functions and their code, to be read. `UPDATE_EXPECT=1` rewrites the code.

use expect_test::{Expect, expect};
use stapes_bpf::check::check;
use stapes_script::emit::emit_module;
use stapes_script::ir::{Function, Module};

use super::{generate, target};

fn emits(ir: &str, bpf_v4: bool, expected: Expect) {
    let function: Function = ir.parse().unwrap();
    let module = Module { functions: vec![function], maps: generate::maps(), ..Module::default() };
    let object = emit_module(module, &target(bpf_v4)).unwrap();
    check(&object).unwrap();
    expected.assert_eq(&object.programs[0].to_string());
}

#[test]
fn a_count_is_a_look_up_and_an_addition() {
    emits(
        "function count uprobe registers 1
           slot s0 8
         b0:
           store u32 [s0 + 0], 0
           v0 = call map_lookup_elem(map 2, [s0 + 0]) # 5..12
           if v0 eq 0 then b2 else b1
         b1:
           atomic_add u64 [v0 + 0], 1 # 5..12
           jump b2
         b2:
           return 0",
        true,
        expect![[r#"
            uprobe
                   ; source 0
                0: *(u64 *)(r10 - 8) = 0
                   ; source 5
                1: r1 = map 2
                3: r2 = r10
                4: r2 += -8
                5: call 1
                6: if r0 == 0 goto +2
                7: r5 = 1
                8: lock *(u64 *)(r0 + 0) += r5
                9: r0 = 0
               10: exit
        "#]],
    );
}

#[test]
fn the_context_is_kept_only_as_long_as_it_is_read() {
    emits(
        "function context uprobe registers 4
           slot s0 8
         b0:
           v0 = load i32 [context + 112]
           v1 = call get_current_pid_tgid()
           v2 = shr v1, 32
           v3 = load u64 [context + 104]
           store u32 [s0 + 0], v0
           store u32 [s0 + 4], v2
           atomic_add u64 [s0 + 0], v3
           return 0",
        true,
        expect![[r#"
            uprobe
                   ; source 0
                0: r6 = r1
                1: r7 = *(s32 *)(r6 + 112)
                2: call 14
                3: r0 >>= 32
                4: r5 = *(u64 *)(r6 + 104)
                5: *(u32 *)(r10 - 8) = r7
                6: *(u32 *)(r10 - 4) = r0
                7: lock *(u64 *)(r10 - 8) += r5
                8: r0 = 0
                9: exit
        "#]],
    );
}

#[test]
fn a_comparison_that_only_decides_a_branch_is_the_branch() {
    emits(
        "function compare uprobe registers 3
         b0:
           v0 = load u64 [context + 112]
           v1 = sgt v0, 10
           if v1 ne 0 then b1 else b2
         b1:
           v2 = ne v0, 12
           return v2
         b2:
           return 0",
        true,
        expect![[r#"
            uprobe
                   ; source 0
                0: r5 = *(u64 *)(r1 + 112)
                1: if r5 s<= 10 goto +4
                2: r0 = 1
                3: if r5 != 12 goto +1
                4: r0 = 0
                5: exit
                6: r0 = 0
                7: exit
        "#]],
    );
}

#[test]
fn memory_operations_use_the_widest_stores() {
    emits(
        "function bytes uprobe registers 1
           slot s0 32
           slot s1 32
         b0:
           zero [s0 + 0], 15
           bytes [s0 + 16], \"hello, world\"
           copy [s1 + 2], [s0 + 6], 9
           v0 = load i16 [s1 + 4]
           return v0",
        true,
        expect![[r#"
            uprobe
                   ; source 0
                0: *(u64 *)(r10 - 64) = 0
                1: *(u32 *)(r10 - 56) = 0
                2: *(u16 *)(r10 - 52) = 0
                3: *(u8 *)(r10 - 50) = 0
                4: *(u32 *)(r10 - 48) = 1819043176
                5: *(u32 *)(r10 - 44) = 1998597231
                6: *(u32 *)(r10 - 40) = 1684828783
                7: r5 = *(u16 *)(r10 - 58)
                8: *(u16 *)(r10 - 30) = r5
                9: r5 = *(u16 *)(r10 - 56)
               10: *(u16 *)(r10 - 28) = r5
               11: r5 = *(u16 *)(r10 - 54)
               12: *(u16 *)(r10 - 26) = r5
               13: r5 = *(u16 *)(r10 - 52)
               14: *(u16 *)(r10 - 24) = r5
               15: r5 = *(u8 *)(r10 - 50)
               16: *(u8 *)(r10 - 22) = r5
               17: r0 = *(s16 *)(r10 - 28)
               18: exit
        "#]],
    );
}

#[test]
fn long_memory_operations_loop() {
    emits(
        "function long uprobe registers 2
         b0:
           v0 = map_value 0, 0
           v1 = map_value 1, 0
           copy [v0 + 8], [v1 + 16], 388
           return 0",
        true,
        expect![[r#"
            uprobe
                   ; source 0
                0: r0 = map 0 value + 0
                2: r1 = map 1 value + 0
                4: r2 = 0
                5: r3 = r0
                6: r3 += 8
                7: r3 += r2
                8: r4 = r1
                9: r4 += 16
               10: r4 += r2
               11: r5 = *(u64 *)(r4 + 0)
               12: *(u64 *)(r3 + 0) = r5
               13: r5 = *(u64 *)(r4 + 8)
               14: *(u64 *)(r3 + 8) = r5
               15: r5 = *(u64 *)(r4 + 16)
               16: *(u64 *)(r3 + 16) = r5
               17: r5 = *(u64 *)(r4 + 24)
               18: *(u64 *)(r3 + 24) = r5
               19: r5 = *(u64 *)(r4 + 32)
               20: *(u64 *)(r3 + 32) = r5
               21: r5 = *(u64 *)(r4 + 40)
               22: *(u64 *)(r3 + 40) = r5
               23: r5 = *(u64 *)(r4 + 48)
               24: *(u64 *)(r3 + 48) = r5
               25: r5 = *(u64 *)(r4 + 56)
               26: *(u64 *)(r3 + 56) = r5
               27: r2 += 64
               28: if r2 < 384 goto -24
               29: r5 = *(u32 *)(r1 + 400)
               30: *(u32 *)(r0 + 392) = r5
               31: r0 = 0
               32: exit
        "#]],
    );
}

#[test]
fn bounds_are_jumps_that_the_verifier_understands() {
    emits(
        "function bound uprobe registers 3
           slot s0 64
         b0:
           zero [s0 + 0], 64
           v0 = load u64 [context + 112]
           v1 = bound v0, 63
           v2 = load u8 [s0 + 0 + v1]
           return v2",
        true,
        expect![[r#"
            uprobe
                   ; source 0
                0: *(u64 *)(r10 - 64) = 0
                1: *(u64 *)(r10 - 56) = 0
                2: *(u64 *)(r10 - 48) = 0
                3: *(u64 *)(r10 - 40) = 0
                4: *(u64 *)(r10 - 32) = 0
                5: *(u64 *)(r10 - 24) = 0
                6: *(u64 *)(r10 - 16) = 0
                7: *(u64 *)(r10 - 8) = 0
                8: r4 = *(u64 *)(r1 + 112)
                9: if r4 <= 63 goto +1
               10: r4 = 63
               11: r5 = r10
               12: r5 += -64
               13: r5 += r4
               14: r0 = *(u8 *)(r5 + 0)
               15: exit
        "#]],
    );
}

#[test]
fn signed_division_is_emulated_where_it_is_missing() {
    let ir = "function divide uprobe registers 4
         b0:
           v0 = load u64 [context + 112]
           v1 = load u64 [context + 104]
           v2 = sdiv v0, v1
           v3 = extend i8 v2
           return v3";
    emits(
        ir,
        true,
        expect![[r#"
            uprobe
                   ; source 0
                0: r5 = *(u64 *)(r1 + 112)
                1: r4 = *(u64 *)(r1 + 104)
                2: r5 s/= r4
                3: r0 = (s8)r5
                4: exit
        "#]],
    );
    emits(
        ir,
        false,
        expect![[r#"
            uprobe
                   ; source 0
                0: r0 = *(u64 *)(r1 + 112)
                1: r4 = *(u64 *)(r1 + 104)
                2: r3 = r0
                3: r3 s>>= 63
                4: r0 ^= r3
                5: r0 -= r3
                6: r5 = r4
                7: r5 s>>= 63
                8: r4 ^= r5
                9: r4 -= r5
               10: r3 ^= r5
               11: r0 /= r4
               12: r0 ^= r3
               13: r0 -= r3
               14: r0 <<= 56
               15: r0 s>>= 56
               16: exit
        "#]],
    );
}

#[test]
fn values_beyond_the_registers_go_to_the_stack_and_constants_are_made_again() {
    emits(
        "function pressure uprobe registers 8
         b0:
           v0 = load u64 [context + 0]
           v1 = load u64 [context + 8]
           v2 = load u64 [context + 16]
           v3 = load u64 [context + 24]
           v4 = load u64 [context + 32]
           v5 = 1311768467463790320
           v6 = call ktime_get_ns()
           v6 = add v6, v5
           v6 = add v6, v0
           v6 = add v6, v1
           v6 = add v6, v2
           v6 = add v6, v3
           v6 = add v6, v4
           v7 = call ktime_get_ns()
           v6 = add v6, v7
           v6 = xor v6, v5
           v6 = xor v6, v0
           return v6",
        true,
        expect![[r#"
            uprobe
                   ; source 0
                0: r5 = *(u64 *)(r1 + 0)
                1: *(u64 *)(r10 - 16) = r5
                2: r7 = *(u64 *)(r1 + 8)
                3: r8 = *(u64 *)(r1 + 16)
                4: r9 = *(u64 *)(r1 + 24)
                5: r5 = *(u64 *)(r1 + 32)
                6: *(u64 *)(r10 - 8) = r5
                7: call 5
                8: r6 = r0
                9: r5 = 0x123456789abcdef0 ll
               11: r6 += r5
               12: r5 = *(u64 *)(r10 - 16)
               13: r6 += r5
               14: r6 += r7
               15: r6 += r8
               16: r6 += r9
               17: r5 = *(u64 *)(r10 - 8)
               18: r6 += r5
               19: call 5
               20: r6 += r0
               21: r5 = 0x123456789abcdef0 ll
               23: r6 ^= r5
               24: r5 = *(u64 *)(r10 - 16)
               25: r6 ^= r5
               26: r0 = r6
               27: exit
        "#]],
    );
}

#[test]
fn slots_that_do_not_fit_are_claimed_where_they_are_needed_and_released_at_each_exit() {
    emits(
        "function scratch uprobe registers 3
           slot s0 600
         b0:
           v0 = load u64 [context + 112]
           if v0 eq 0 then b1 else b2
         b1:
           return 0
         b2:
           v1 = call probe_read_user_str([s0 + 0], 600, v0)
           if v1 slt 0 then b1 else b3
         b3:
           v2 = load u8 [s0 + 0]
           return v2",
        true,
        expect![[r#"
            uprobe
                   ; source 0
                0: r8 = *(u64 *)(r1 + 112)
                1: if r8 == 0 goto +20
                2: r7 = 0
                3: *(u32 *)(r10 - 8) = r7
                4: r1 = map 4
                6: r2 = r10
                7: r2 += -8
                8: call 1
                9: r6 = r0
               10: if r6 == 0 goto +18
               11: r5 = 1
               12: r0 = 0
               13: r0 = cmpxchg_64(r6 + 0, r0, r5)
               14: if r0 != 0 goto +12
               15: r1 = r6
               16: r1 += 8
               17: r2 = 600
               18: r3 = r8
               19: call 114
               20: if r0 s>= 0 goto +3
               21: *(u64 *)(r6 + 0) = 0
               22: r0 = 0
               23: exit
               24: r0 = *(u8 *)(r6 + 8)
               25: *(u64 *)(r6 + 0) = 0
               26: exit
               27: r7 += 1
               28: if r7 < 8 goto -26
               29: *(u64 *)(r10 - 8) = 0
               30: r1 = map 3
               32: r2 = r10
               33: r2 += -8
               34: call 1
               35: if r0 == 0 goto +2
               36: r5 = 1
               37: lock *(u64 *)(r0 + 0) += r5
               38: r0 = 0
               39: exit
        "#]],
    );
}

#[test]
fn slots_that_are_never_live_together_share_the_stack() {
    emits(
        "function share uprobe registers 2
           slot s0 400
           slot s1 400
         b0:
           v0 = call probe_read_user_str([s0 + 0], 400, 0)
           v1 = call probe_read_user_str([s1 + 0], 400, 0)
           return 0",
        true,
        expect![[r#"
            uprobe
                   ; source 0
                0: r1 = r10
                1: r1 += -400
                2: r2 = 400
                3: r3 = 0
                4: call 114
                5: r1 = r10
                6: r1 += -400
                7: r2 = 400
                8: r3 = 0
                9: call 114
               10: r0 = 0
               11: exit
        "#]],
    );
}

#[test]
fn decided_branches_and_what_nobody_reads_go() {
    emits(
        "function fold uprobe registers 6
         b0:
           v0 = 5
           v1 = mul v0, 8
           v2 = load u64 [context + 112]
           v3 = div v2, 16
           v4 = mod v2, 8
           if v1 ne 40 then b1 else b2
         b1:
           v5 = call ktime_get_ns()
           return v5
         b2:
           jump b3
         b3:
           return v3",
        true,
        expect![[r#"
            uprobe
                   ; source 0
                0: r0 = *(u64 *)(r1 + 112)
                1: r0 >>= 4
                2: exit
        "#]],
    );
}
