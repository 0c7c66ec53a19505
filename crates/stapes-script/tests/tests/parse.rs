//! Scripts to trees.

use expect_test::{Expect, expect};
use stapes_script::ast::*;
use stapes_script::{parse, print};

use crate::tree;

/// Checks the tree of a script that has no mistakes, and that printing and parsing it changes nothing.
fn check(source: &str, expected: Expect) {
    let (script, complaints) = parse(source);
    assert_eq!(complaints, [], "{source}");
    let dump = tree::script(&script);
    expected.assert_eq(&dump);
    let printed = print::script(&script);
    let (again, complaints) = parse(&printed);
    assert_eq!(complaints, [], "{printed}");
    assert_eq!(tree::script(&again), dump, "{printed}");
    assert_eq!(print::script(&again), printed);
}

/// The tree of one expression.
fn expression(source: &str) -> String {
    let source = format!("BEGIN {{ $_ = {source}; }}");
    let (script, complaints) = parse(&source);
    assert_eq!(complaints, [], "{source}");
    let dump = match &script.blocks[0].body.statements[..] {
        [Statement { kind: StatementKind::Assign { value, .. }, .. }] => tree::expr(value),
        other => panic!("{source}: {other:?}"),
    };
    let printed = print::script(&script);
    let (again, complaints) = parse(&printed);
    assert_eq!(complaints, [], "{printed}");
    assert_eq!(tree::script(&again), tree::script(&script), "{printed}");
    dump
}

/// The binary operators of C (ISO/IEC 9899, 6.5.5 to 6.5.14), those that bind closest first; all group to the left.
const LEVELS: &[&[&str]] = &[
    &["*", "/", "%"],
    &["+", "-"],
    &["<<", ">>"],
    &["<", "<=", ">", ">="],
    &["==", "!="],
    &["&"],
    &["^"],
    &["|"],
    &["&&"],
    &["||"],
];

#[test]
fn binary_operators_bind_as_in_c() {
    for (i, first) in LEVELS.iter().enumerate() {
        for (j, second) in LEVELS.iter().enumerate() {
            for a in *first {
                for b in *second {
                    let expected =
                        if i <= j { format!("({b} ({a} 1 2) 3)") } else { format!("({a} 1 ({b} 2 3))") };
                    assert_eq!(expression(&format!("1 {a} 2 {b} 3")), expected, "1 {a} 2 {b} 3");
                }
            }
        }
    }
}

#[test]
fn unary_operators_bind_closer_than_binary_ones() {
    for op in ["-", "!", "~", "*", "&"] {
        for b in LEVELS.iter().copied().flatten() {
            assert_eq!(expression(&format!("{op}$a {b} {op} $b")), format!("({b} ({op} $a) ({op} $b))"));
        }
        assert_eq!(expression(&format!("{op}$a.b")), format!("({op} (. $a b))"));
        assert_eq!(expression(&format!("{op}$a[1]")), format!("({op} ([] $a 1))"));
        assert_eq!(expression(&format!("{op}$a++")), format!("({op} (_++ $a))"));
    }
}

#[test]
fn ternaries_bind_least_and_group_to_the_right() {
    assert_eq!(expression("1 || 2 ? 3 : 4"), "(? (|| 1 2) 3 4)");
    assert_eq!(expression("1 ? 2 : 3 ? 4 : 5"), "(? 1 2 (? 3 4 5))");
    assert_eq!(expression("1 ? 2 ? 3 : 4 : 5"), "(? 1 (? 2 3 4) 5)");
    assert_eq!(expression("(1 ? 2 : 3) ? 4 : 5"), "(? (? 1 2 3) 4 5)");
    assert_eq!(expression("1 ? 2 : 3 || 4"), "(? 1 2 (|| 3 4))");
}

#[test]
fn steps_and_signs() {
    assert_eq!(expression("$a+++$b"), "(+ (_++ $a) $b)");
    assert_eq!(expression("$a - --$b"), "(- $a (--_ $b))");
    assert_eq!(expression("- -1"), "(- (- 1))");
    assert_eq!(expression("-(--$x)"), "(- (--_ $x))");
    assert_eq!(expression("!!$a"), "(! (! $a))");
    assert_eq!(expression("**$a"), "(* (* $a))");
    assert_eq!(expression("@x[1]++"), "(_++ @x[1])");
    assert_eq!(expression("++@"), "(++_ @)");
}

#[test]
fn parentheses_cast_or_group() {
    // Certainly types.
    assert_eq!(expression("(uint64)-1"), "(cast uint64 (- 1))");
    assert_eq!(expression("(int32)*$p"), "(cast int32 (* $p))");
    assert_eq!(expression("(struct x *)$p"), "(cast struct_x_* $p)");
    assert_eq!(expression("*(struct x *)$p"), "(* (cast struct_x_* $p))");
    assert_eq!(expression("((struct x *)$p)->y"), "(-> (cast struct_x_* $p) y)");
    assert_eq!(expression("(const char *)arg0"), "(cast char_* arg0)");
    assert_eq!(expression("(unsigned long long)arg0"), "(cast unsigned_long_long arg0)");
    assert_eq!(expression("(char[16])arg0"), "(cast char[16] arg0)");
    assert_eq!(expression("(uint8[])arg0"), "(cast uint8[] arg0)");
    assert_eq!(expression("(x **)-1"), "(cast x_** (- 1))");
    // Types by what follows.
    assert_eq!(expression("(x)y"), "(cast x y)");
    assert_eq!(expression("(x)(y)"), "(cast x y)");
    assert_eq!(expression("(x)1 + 2"), "(+ (cast x 1) 2)");
    assert_eq!(expression("(x)(int8)1"), "(cast x (cast int8 1))");
    // No types.
    assert_eq!(expression("(x) - 1"), "(- x 1)");
    assert_eq!(expression("(x) * 1"), "(* x 1)");
    assert_eq!(expression("(x) & 1"), "(& x 1)");
    assert_eq!(expression("(x)"), "x");
    assert_eq!(expression("(x * 2)"), "(* x 2)");
    assert_eq!(expression("(x)[1]"), "([] x 1)");
    // A cast binds closer than binary operators and less close than postfix ones.
    assert_eq!(expression("(uint8)$a.b + 1"), "(+ (cast uint8 (. $a b)) 1)");
    assert_eq!(expression("(uint64)5u"), "(cast uint64 (cast uint64 5))");
}

#[test]
fn tuples_and_records() {
    assert_eq!(expression("(1, 2)"), "(tuple 1 2)");
    assert_eq!(expression("(1,)"), "(tuple 1)");
    assert_eq!(expression("(1, (2, 3), \"a\")"), "(tuple 1 (tuple 2 3) \"a\")");
    assert_eq!(expression("(1, 2).1"), "(. (tuple 1 2) 1)");
    assert_eq!(expression("$t.0.1"), "(. (. $t 0) 1)");
    assert_eq!(expression("(a = 1, b = $x == 2)"), "(record (a 1) (b (== $x 2)))");
    assert_eq!(expression("(a = 1).a"), "(. (record (a 1)) a)");
}

#[test]
fn places_and_calls() {
    assert_eq!(expression("@"), "@");
    assert_eq!(expression("@[pid]"), "@[pid]");
    assert_eq!(expression("@m[pid, str(arg0)]"), "@m[pid (str() arg0)]");
    assert_eq!(expression("@m[(1, 2)]"), "@m[(tuple 1 2)]");
    assert_eq!(expression("@m[1][2]"), "([] @m[1] 2)");
    assert_eq!(expression("args.x + args->y"), "(+ (. args x) (-> args y))");
    assert_eq!(expression("$a[1][2].c->d"), "(-> (. ([] ([] $a 1) 2) c) d)");
    assert_eq!(expression("f() + g(1, h(2))"), "(+ (f()) (g() 1 (h() 2)))");
    assert_eq!(expression("$1 + $# + $23"), "(+ (+ $1 $0) $23)");
    assert_eq!(expression("true && false"), "(&& true false)");
}

#[test]
fn sizes_and_offsets() {
    assert_eq!(expression("sizeof(struct x)"), "(sizeof struct_x)");
    assert_eq!(expression("sizeof(x *)"), "(sizeof x_*)");
    assert_eq!(expression("sizeof(uint64) * 2"), "(* (sizeof uint64) 2)");
    assert_eq!(expression("sizeof($x)"), "(sizeof() $x)");
    assert_eq!(expression("sizeof(x)"), "(sizeof() x)");
    assert_eq!(expression("sizeof((1, 2))"), "(sizeof() (tuple 1 2))");
    assert_eq!(expression("offsetof(struct x, a.b)"), "(offsetof struct_x a.b)");
    assert_eq!(expression("offsetof(x, a)"), "(offsetof x a)");
    assert_eq!(expression("offsetof($x, a)"), "(offsetof() $x a)");
}

#[test]
fn blocks_and_ifs_as_values() {
    assert_eq!(expression("{ $a = 1; $a + 1 }"), "(block (= $a 1) => (+ $a 1))");
    assert_eq!(expression("{ 1; 2; }"), "(block 1; 2;)");
    assert_eq!(expression("if $x { 1 } else { 2 }"), "(if $x { => 1 } { => 2 })");
    assert_eq!(
        expression("if ($x) { 1 } else if ($y) { 2 } else { 3 }"),
        "(if $x { => 1 } { => (if $y { => 2 } { => 3 }) })"
    );
    assert_eq!(expression("{ if $x { 1 } else { 2 } }"), "(block => (if $x { => 1 } { => 2 }))");
    assert_eq!(expression("{ { 1 } }"), "(block => (block => 1))");
    assert_eq!(expression("1 + { 2 }"), "(+ 1 (block => 2))");
    // Not at the end, or with a `;`, it is a statement.
    assert_eq!(expression("{ if $x { 1 } else { 2 } 3 }"), "(block (if $x   1; else   2;) => 3)");
    assert_eq!(expression("{ if $x { 1 } else { 2 }; }"), "(block (if $x   1; else   2;))");
}

#[test]
fn numbers_and_strings() {
    assert_eq!(expression("0x10 + 010 + 1e3 + 1_000"), "(+ (+ (+ 16 8) 1000) 1000)");
    assert_eq!(expression("5ms"), "5000000");
    assert_eq!(expression("18446744073709551615u"), "(cast uint64 18446744073709551615)");
    assert_eq!(expression(r#""a\"\n\x41\101\0\xff""#), r#""a\"\nAA\x00\xff""#);
    assert_eq!(expression("\"é\""), r#""\xc3\xa9""#);
    assert_eq!(expression("comptime 5"), "5");
}

#[test]
fn statements() {
    check(
        r#"
BEGIN {
    ; let $a; let $b: uint64; let $c = 1; let $d: struct x * = 0;
    $x = 1; @m[1] += 2; @ -= 1; $x *= 2; $x /= 2; $x %= 2; $x &= 1; $x |= 1; $x ^= 1; $x <<= 1; $x >>= 1
}
END {
    $x->y = 1; *$p = 2; $a[1] = 3; _ = delete(@m[1]);
    $x++; --@y;
    return; return $x;
    print(1)
}"#,
        expect![[r#"
            (probe
              Begin
              (let $a)
              (let $b :uint64)
              (let $c 1)
              (let $d :struct_x_* 0)
              (= $x 1)
              (+= @m[1] 2)
              (-= @ 1)
              (*= $x 2)
              (/= $x 2)
              (%= $x 2)
              (&= $x 1)
              (|= $x 1)
              (^= $x 1)
              (<<= $x 1)
              (>>= $x 1))
            (probe
              End
              (= (-> $x y) 1)
              (= (* $p) 2)
              (= ([] $a 1) 3)
              (= _ (delete() @m[1]))
              (_++ $x);
              (--_ @y);
              (return)
              (return $x)
              (print() 1);)
        "#]],
    );
}

#[test]
fn control_flow() {
    check(
        r#"
begin {
    if (1) { $a = 1 } else if 2 { $a = 2; } else { $a = 3 }
    if $x == 1 { }
    while ($i < 10) { $i++; if ($i == 5) { break } continue; }
    for ($i : 0..10) { print($i) }
    for $i : $a + 1..$b * 2 { }
    for ($kv : @m) { print($kv.0); }
    for $kv : @m { }
    unroll (5) { @x++ }
    unroll $1 { }
    { $inner = 1 }
}"#,
        expect![[r#"
            (probe
              Begin
              (if 1
                (= $a 1)
              else
                (if 2
                  (= $a 2)
                else
                  (= $a 3)))
              (if (== $x 1))
              (while (< $i 10)
                (_++ $i);
                (if (== $i 5)
                  break)
                continue)
              (for $i 0..10
                (print() $i);)
              (for $i (+ $a 1)..(* $b 2))
              (for $kv @m
                (print() (. $kv 0));)
              (for $kv @m)
              (unroll 5
                (_++ @x);)
              (unroll $1)
              (block
                (= $inner 1)))
        "#]],
    );
}

#[test]
fn predicates() {
    check(
        r#"
BEGIN/1/{}
BEGIN / pid == 1 && @x / 2 > 3 / { }
BEGIN /(@a / 2) / 3/
{ }
BEGIN /@x[1 / 2]/ // why
{ }
BEGIN /$1 ? 1 : 0/ /* why */ { }"#,
        expect![[r#"
            (probe
              Begin
              / 1 /)
            (probe
              Begin
              / (&& (== pid 1) (> (/ @x 2) 3)) /)
            (probe
              Begin
              / (/ (/ @a 2) 3) /)
            (probe
              Begin
              / @x[(/ 1 2)] /)
            (probe
              Begin
              / (? $1 1 0) /)
        "#]],
    );
}

#[test]
fn what_stands_outside_of_probes() {
    check(
        r#"
config = { max_strlen = 64; stack_mode = perf; missing_probes = "warn" }
import "lib.bt";
#define LIMIT (1 << 4)
#define LONG 1 + \
    2
struct point { int x, y; char name[16]; struct point *next; unsigned int a : 3; const char *s; };
union u { int a; long long b; }
enum colour { RED, GREEN = 2, BLUE = 1 << 2, };
enum { ANY };
let @m = lruhash(LIMIT);
macro add($x, @m, e) { @m += e; $x + e }
fn twice($x: uint64): uint64 { return $x * 2; }
BEGIN { }"#,
        expect![[r#"
            (config max_strlen 64)
            (config stack_mode perf)
            (config missing_probes "warn")
            (import lib.bt)
            (define LIMIT (<< 1 4))
            (define LONG (+ 1 2))
            (struct point (x int) (y int) (name char[16]) (next struct_point_*) (a unsigned_int:3) (s char_*))
            (union u (a int) (b long_long))
            (enum colour RED (GREEN 2) (BLUE (<< 1 2)))
            (enum _ ANY)
            (map @m lruhash LIMIT)
            (macro add ($x @m e)
              (+= @m e)
              => (+ $x e))
            (fn twice ($x:uint64) -> uint64
              (return (* $x 2)))
            (probe
              Begin)
        "#]],
    );
}

#[test]
fn conditional_lines() {
    check(
        r#"
#ifndef BPFTRACE_HAVE_BTF
#include <linux/sched.h>
#ifdef X
#else
struct never { int x; };
#endif
#else
#define HAVE 1
#endif
#ifdef HAVE
BEGIN { }
#else
END { }
#endif
#ifdef NOTHING
END { }
#endif"#,
        expect![[r#"
            (define HAVE 1)
            (probe
              Begin)
        "#]],
    );
}

#[test]
fn a_shebang_and_comments() {
    check(
        "#!/usr/bin/env -S stapes run\n/* one */ BEGIN // two\n{ /* three */ $x = 1 /* four */ + 2; } // five",
        expect![[r#"
            (probe
              Begin
              (= $x (+ 1 2)))
        "#]],
    );
}

#[test]
fn spans_cover_what_they_name() {
    let source = "BEGIN { $x = foo(1) + @m[2]; }";
    let (script, _) = parse(source);
    let text = |span: Span| &source[span.start as usize..span.end as usize];
    let body = &script.blocks[0].body;
    assert_eq!(text(script.blocks[0].points[0].span), "BEGIN");
    assert_eq!(text(body.span), "{ $x = foo(1) + @m[2]; }");
    assert_eq!(text(body.statements[0].span), "$x = foo(1) + @m[2]");
    let StatementKind::Assign { target, value, .. } = &body.statements[0].kind else { panic!() };
    assert_eq!(text(target.span), "$x");
    let ExprKind::Binary(_, left, right) = &value.kind else { panic!() };
    assert_eq!((text(value.span), text(left.span), text(right.span)), ("foo(1) + @m[2]", "foo(1)", "@m[2]"));
}
