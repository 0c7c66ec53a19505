//! The IR of small scripts, to see at a glance what lowering does.

use expect_test::{Expect, expect};

use super::world::World;

fn check(source: &str, expected: Expect) {
    expected.assert_eq(&World::new().lower(source));
}

#[test]
fn an_empty_block_does_nothing() {
    check(
        "BEGIN { }",
        expect![[r#"
        function begin_0 run registers 0
        b0:
          return 0
    "#]],
    );
}

#[test]
fn counting_is_a_look_up_and_an_atomic_addition() {
    check(
        "usdt:/app:p:tick { @ = count(); }",
        expect![[r#"
        function usdt_0 uprobe registers 1
          slot s0 8
        b0:
          store u32 [s0 + 0], 0                            # 19..30
          v0 = call map_lookup_elem(map 0, [s0 + 0])       # 19..30
          if v0 ne 0 then b1 else b2
        b1:
          atomic_add u64 [v0 + 0], 1                       # 19..30
          jump b3
        b2:
          jump b3
        b3:
          return 0
    "#]],
    );
}

#[test]
fn the_predicate_comes_before_all_else() {
    check(
        "usdt:/app:p:tick /arg0 > 5/ { @[pid] = count(); }",
        expect![[r#"
            function usdt_0 uprobe registers 6
              slot s0 8
              slot s1 8
              slot s2 8
            b0:
              v0 = load i32 [context + 104]                    # 18..22
              if v0 sgt 5 then b1 else b2
            b1:
              v1 = call get_current_pid_tgid()                 # 32..35
              v2 = shr v1, 32                                  # 32..35
              store u64 [s0 + 0], v2                           # 32..35
              v3 = call map_lookup_elem(map 0, [s0 + 0])       # 30..46
              if v3 ne 0 then b3 else b4
            b2:
              return 0
            b3:
              atomic_add u64 [v3 + 0], 1                       # 30..46
              jump b5
            b4:
              zero [s1 + 0], 8                                 # 30..46
              v4 = call map_update_elem(map 0, [s0 + 0], [s1 + 0], 1) # 30..46
              v3 = call map_lookup_elem(map 0, [s0 + 0])       # 30..46
              if v3 ne 0 then b3 else b6
            b5:
              return 0
            b6:
              store u32 [s2 + 0], 0                            # 30..46
              v5 = call map_lookup_elem(map 1, [s2 + 0])       # 30..46
              if v5 ne 0 then b7 else b8
            b7:
              atomic_add u64 [v5 + 0], 1                       # 30..46
              jump b9
            b8:
              jump b9
            b9:
              jump b5
        "#]],
    );
}

#[test]
fn sites_that_differ_are_told_apart_by_the_cookie() {
    check(
        "usdt:/app:p:split { @ = sum(arg0); }",
        expect![[r#"
            function usdt_0 uprobe registers 5
              slot s0 8
            b0:
              v0 = call get_attach_cookie([context + 0])       # 28..32
              v1 = extend u32 v0                               # 28..32
              if v1 lt 1 then b1 else b2
            b1:
              v2 = 7                                           # 28..32
              jump b3
            b2:
              v3 = load i32 [context + 112]                    # 28..32
              v2 = v3                                          # 28..32
              jump b3
            b3:
              store u32 [s0 + 0], 0                            # 20..33
              v4 = call map_lookup_elem(map 0, [s0 + 0])       # 20..33
              if v4 ne 0 then b4 else b5
            b4:
              atomic_add u64 [v4 + 0], v2                      # 20..33
              jump b6
            b5:
              jump b6
            b6:
              return 0
        "#]],
    );
}

#[test]
fn a_record_of_fixed_size_is_filled_in_the_ring() {
    check(
        "usdt:/app:p:tick { printf(\"%d %d\\n\", pid, arg1); }",
        expect![[r#"
            function usdt_0 uprobe registers 5
              slot s0 8
            b0:
              v0 = call get_current_pid_tgid()                 # 37..40
              v1 = shr v0, 32                                  # 37..40
              v2 = load u64 [context + 112]                    # 42..46
              v3 = call ringbuf_reserve(map 0, 24, 0)          # 19..47
              if v3 ne 0 then b1 else b2
            b1:
              store u64 [v3 + 0], 0                            # 19..47
              store u32 [v3 + 8], v1                           # 19..47
              store u64 [v3 + 16], v2                          # 19..47
              call ringbuf_submit(v3, 0)                       # 19..47
              jump b3
            b2:
              store u32 [s0 + 0], 0                            # 19..47
              v4 = call map_lookup_elem(map 1, [s0 + 0])       # 19..47
              if v4 ne 0 then b4 else b5
            b3:
              return 0
            b4:
              atomic_add u64 [v4 + 0], 1                       # 19..47
              jump b6
            b5:
              jump b6
            b6:
              jump b3
        "#]],
    );
}

#[test]
fn a_record_with_a_string_is_built_first() {
    check(
        "usdt:/app:p:text { printf(\"%s\\n\", str(arg0)); }",
        expect![[r#"
            function usdt_0 uprobe sleepable registers 9
              slot s0 80
              slot s1 8
            b0:
              zero [s0 + 0], 16                                # 19..44
              store u64 [s0 + 0], 0                            # 19..44
              v0 = load u64 [context + 112]                    # 38..42
              v1 = call kfunc bpf_copy_from_user_str([s0 + 16], 64, v0, 0) # 34..43
              v2 = extend i32 v1                               # 34..43
              if v2 sgt 0 then b1 else b2
            b1:
              v3 = sub v2, 1                                   # 34..43
              jump b3
            b2:
              v3 = 0                                           # 34..43
              jump b3
            b3:
              v4 = bound v3, 63                                # 34..43
              store u32 [s0 + 8], v4                           # 19..44
              v5 = add 16, v4                                  # 19..44
              v6 = bound v5, 80                                # 19..44
              v7 = call ringbuf_output(map 0, [s0 + 0], v6, 0) # 19..44
              if v7 slt 0 then b4 else b5
            b4:
              store u32 [s1 + 0], 0                            # 19..44
              v8 = call map_lookup_elem(map 1, [s1 + 0])       # 19..44
              if v8 ne 0 then b6 else b7
            b5:
              jump b8
            b6:
              atomic_add u64 [v8 + 0], 1                       # 19..44
              jump b9
            b7:
              jump b9
            b8:
              return 0
            b9:
              jump b8
        "#]],
    );
}
