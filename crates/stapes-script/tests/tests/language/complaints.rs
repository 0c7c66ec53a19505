//! What the author of a wrong script reads.

use expect_test::{Expect, expect};

use super::world::{World, text};

fn check(source: &str, expected: Expect) {
    let mut world = World::new();
    world.options.parameters = vec!["word".into()];
    let diagnostics = match world.compile(source) {
        Ok((_, warnings)) => warnings,
        Err(errors) => errors,
    };
    expected.assert_eq(&text(source, &diagnostics));
}

#[test]
fn no_such_probe_is_an_error_of_its_own() {
    check(
        "usdt:/app:p:tock { printf(\"%d\", arg0); }",
        expect![[r#"
        error[unknown-probe]: no probe matches `usdt:/app:p:tock`
         --> x.bt:1:1
          |
        1 | usdt:/app:p:tock { printf("%d", arg0); }
          | ^^^^^^^^^^^^^^^^
          = help: did you mean `usdt:/app:p:tick`?
    "#]],
    );
}

#[test]
fn names_that_are_nearly_known() {
    check(
        "BEGIN { @ = cuont(); print(nsec); printn(1); }",
        expect![[r#"
        error[unknown-function]: unknown function `cuont`
         --> x.bt:1:13
          |
        1 | BEGIN { @ = cuont(); print(nsec); printn(1); }
          |             ^^^^^
          = help: did you mean `count`?

        error[unknown-builtin]: unknown builtin `nsec`
         --> x.bt:1:28
          |
        1 | BEGIN { @ = cuont(); print(nsec); printn(1); }
          |                            ^^^^
          = help: did you mean `nsecs`?

        error[unknown-function]: unknown function `printn`
         --> x.bt:1:35
          |
        1 | BEGIN { @ = cuont(); print(nsec); printn(1); }
          |                                   ^^^^^^
          = help: did you mean `print`?
    "#]],
    );
    check(
        "BEGIN { $total = 1; print($totl); print(@x); @y = 1; print(@Y); }",
        expect![[r#"
            error[undefined-variable]: `$totl` is not defined here
             --> x.bt:1:27
              |
            1 | BEGIN { $total = 1; print($totl); print(@x); @y = 1; print(@Y); }
              |                           ^^^^^
              = help: did you mean `$total`?
              = help: a variable lives in the block that first assigns it; `let $totl;` before makes it live longer

            error[undefined-map]: `@x` is never assigned
             --> x.bt:1:41
              |
            1 | BEGIN { $total = 1; print($totl); print(@x); @y = 1; print(@Y); }
              |                                         ^^
              = help: did you mean `@y`?

            error[undefined-map]: `@Y` is never assigned
             --> x.bt:1:60
              |
            1 | BEGIN { $total = 1; print($totl); print(@x); @y = 1; print(@Y); }
              |                                                            ^^
              = help: did you mean `@y`?
        "#]],
    );
    check(
        "BEGIN { print((unit32)5); }",
        expect![[r#"
        error[unknown-type]: unknown type `unit32`
         --> x.bt:1:16
          |
        1 | BEGIN { print((unit32)5); }
          |                ^^^^^^
          = help: did you mean `uint32`?
    "#]],
    );
}

#[test]
fn arguments_that_probes_do_not_have() {
    check(
        "usdt:/app:p:tick { print(arg2); }",
        expect![[r#"
            error[no-such-argument]: arg2 does not exist: `usdt:/app:p:tick` has 2 arguments, arg0 and arg1
             --> x.bt:1:26
              |
            1 | usdt:/app:p:tick { print(arg2); }
              |                          ^^^^
        "#]],
    );
    check(
        "usdt:/app:p:none { print(arg0); }",
        expect![[r#"
        error[no-such-argument]: arg0 does not exist: `usdt:/app:p:none` has no arguments
         --> x.bt:1:26
          |
        1 | usdt:/app:p:none { print(arg0); }
          |                          ^^^^
    "#]],
    );
    check(
        "usdt:/app:p:tick, usdt:/app:p:many { print(arg3); }",
        expect![[r#"
            warning[missing-argument]: `usdt:/app:p:tick` has no arg3: at 1 of 2 sites it reads as 0
             --> x.bt:1:44
              |
            1 | usdt:/app:p:tick, usdt:/app:p:many { print(arg3); }
              |                                            ^^^^
              = help: exclude it with a narrower name, or test `probe` first
        "#]],
    );
    check(
        "usdt:/app:p:odd { print(arg0); }",
        expect![[r#"
        error[unreadable-argument]: arg0 of `usdt:/app:p:odd` at 0x1050 is `8@what`, which cannot be read: the symbol is not in the file's symbol tables
         --> x.bt:1:25
          |
        1 | usdt:/app:p:odd { print(arg0); }
          |                         ^^^^
    "#]],
    );
    check("usdt:/app:p:odd { print(arg1); }", expect![[""]]);
}

#[test]
fn builtins_in_the_wrong_place() {
    check(
        "BEGIN { print(arg0); }",
        expect![[r#"
        error[wrong-context]: `arg0` does not exist at `BEGIN`
         --> x.bt:1:15
          |
        1 | BEGIN { print(arg0); }
          |               ^^^^
          = help: it works at usdt and uprobe
    "#]],
    );
    check(
        "uprobe:/app:main, uretprobe:/app:main { print(retval); }",
        expect![[r#"
        error[wrong-context]: `retval` does not exist at `uprobe:/app:main`
         --> x.bt:1:47
          |
        1 | uprobe:/app:main, uretprobe:/app:main { print(retval); }
          |                                               ^^^^^^
          = help: it works at uretprobe
    "#]],
    );
    check(
        "interval:s:1 { print(ustack); }",
        expect![[r#"
        error[wrong-context]: `ustack` does not exist at `interval:s:1`
         --> x.bt:1:22
          |
        1 | interval:s:1 { print(ustack); }
          |                      ^^^^^^
          = help: it works at usdt, uprobe and uretprobe
    "#]],
    );
}

#[test]
fn uses_of_a_map_that_do_not_go_together() {
    check(
        "BEGIN { @[1] = 1; @[1, 2] = 1; }",
        expect![[r#"
        error[key-mismatch]: `@` is used with [int64] and with [int64, int64]
         --> x.bt:1:19
          |
        1 | BEGIN { @[1] = 1; @[1, 2] = 1; }
          |                   ^^^^^^^ [int64, int64] here
    "#]],
    );
    check(
        "BEGIN { @[pid] = 1; @[comm] = 1; }",
        expect![[r#"
        error[key-mismatch]: `@` is used with [uint64] and with [string]
         --> x.bt:1:21
          |
        1 | BEGIN { @[pid] = 1; @[comm] = 1; }
          |                     ^^^^^^^ [string] here
    "#]],
    );
    check(
        "BEGIN { @ = count(); @ = 5; }",
        expect![[r#"
        error[value-mismatch]: `@` holds count() and cannot hold int64
         --> x.bt:1:22
          |
        1 | BEGIN { @ = count(); @ = 5; }
          |                      ^^^^^ this is int64
    "#]],
    );
    check(
        "BEGIN { @ = lhist(1, 0, 10, 1); @ = lhist(1, 0, 10, 2); }",
        expect![[r#"
        error[value-mismatch]: `@` holds lhist() and cannot hold lhist() with other limits
         --> x.bt:1:33
          |
        1 | BEGIN { @ = lhist(1, 0, 10, 1); @ = lhist(1, 0, 10, 2); }
          |                                 ^^^^^^^^^^^^^^^^^^^^^^ this is lhist() with other limits
    "#]],
    );
    check(
        "BEGIN { @ = hist(1); print(@ + 1); }",
        expect![[r#"
        error[map-not-readable]: `@` holds hist(), which is no value to compute with
         --> x.bt:1:28
          |
        1 | BEGIN { @ = hist(1); print(@ + 1); }
          |                            ^
          = help: `print(@)` prints it
    "#]],
    );
}

#[test]
fn types_that_do_not_go_together() {
    check(
        "BEGIN { $x = 1; $x = \"a\"; print($x + comm); }",
        expect![[r#"
        error[value-mismatch]: `$x` holds int64 and cannot hold string
         --> x.bt:1:22
          |
        1 | BEGIN { $x = 1; $x = "a"; print($x + comm); }
          |                      ^^^ this is string

        error[operand-type]: `+` does not work on string
         --> x.bt:1:38
          |
        1 | BEGIN { $x = 1; $x = "a"; print($x + comm); }
          |                                      ^^^^ this is string
    "#]],
    );
    check(
        "BEGIN { if (comm == 5) { exit(); } if (comm) { exit(); } }",
        expect![[r#"
        error[type-mismatch]: `==`: string and int64 do not go together
         --> x.bt:1:12
          |
        1 | BEGIN { if (comm == 5) { exit(); } if (comm) { exit(); } }
          |            ^^^^^^^^^^^

        error[condition-type]: a condition must be a number, this is string
         --> x.bt:1:40
          |
        1 | BEGIN { if (comm == 5) { exit(); } if (comm) { exit(); } }
          |                                        ^^^^
    "#]],
    );
    check(
        "BEGIN { print($1 + 1); print(1 ? \"a\" : 5); }",
        expect![[r#"
        error[parameter-type]: $1 is `word`, which is no number
         --> x.bt:1:15
          |
        1 | BEGIN { print($1 + 1); print(1 ? "a" : 5); }
          |               ^^
          = help: `str($1)` takes it as a string

        error[type-mismatch]: `? :`: string and int64 do not go together
         --> x.bt:1:30
          |
        1 | BEGIN { print($1 + 1); print(1 ? "a" : 5); }
          |                              ^^^^^^^^^^^
    "#]],
    );
    check(
        "BEGIN { printf(\"%d %s\", comm, 5); printf(\"%d\"); printf(\"%y\", 1); }",
        expect![[r#"
        error[format-type]: `%d` prints a number, this is string
         --> x.bt:1:25
          |
        1 | BEGIN { printf("%d %s", comm, 5); printf("%d"); printf("%y", 1); }
          |                         ^^^^ this is string

        error[format-count]: printf(): the format has 1 conversion, 0 arguments given
         --> x.bt:1:35
          |
        1 | BEGIN { printf("%d %s", comm, 5); printf("%d"); printf("%y", 1); }
          |                                   ^^^^^^^^^^^^

        error[bad-format]: `%y` is no conversion: no such letter
         --> x.bt:1:56
          |
        1 | BEGIN { printf("%d %s", comm, 5); printf("%d"); printf("%y", 1); }
          |                                                        ^^^^
    "#]],
    );
}

#[test]
fn constants_that_cannot_be() {
    check(
        "BEGIN { print(pid / 0); @ = hist(1, 6); @l = lhist(1, 10, 5, 1); @m = lhist(1, 0, 100000, 1); }",
        expect![[r#"
        error[division-by-zero]: division by zero
         --> x.bt:1:21
          |
        1 | BEGIN { print(pid / 0); @ = hist(1, 6); @l = lhist(1, 10, 5, 1); @m = lhist(1, 0, 100000, 1); }
          |                     ^

        error[out-of-range]: the number of bits of hist() is 6, it must be between 0 and 5
         --> x.bt:1:37
          |
        1 | BEGIN { print(pid / 0); @ = hist(1, 6); @l = lhist(1, 10, 5, 1); @m = lhist(1, 0, 100000, 1); }
          |                                     ^

        error[out-of-range]: the upper bound of lhist() is 5, it must be greater than the lower bound, 10
         --> x.bt:1:59
          |
        1 | BEGIN { print(pid / 0); @ = hist(1, 6); @l = lhist(1, 10, 5, 1); @m = lhist(1, 0, 100000, 1); }
          |                                                           ^

        error[out-of-range]: the number of steps of lhist() is 100000, it must be at most 1000
         --> x.bt:1:71
          |
        1 | ...id / 0); @ = hist(1, 6); @l = lhist(1, 10, 5, 1); @m = lhist(1, 0, 100000, 1); }
          |                                                           ^^^^^^^^^^^^^^^^^^^^^^
    "#]],
    );
}

#[test]
fn signs_that_differ() {
    check(
        "usdt:/app:p:tick /arg0 < nsecs/ { @ = nsecs / 2 > 5; @b = (int64)nsecs < arg0; }",
        expect![[r#"
        warning[mixed-signs]: `<` of a signed and an unsigned integer is done unsigned
         --> x.bt:1:19
          |
        1 | usdt:/app:p:tick /arg0 < nsecs/ { @ = nsecs / 2 > 5; @b = (int64)nsecs < arg0; }
          |                   ^^^^^^^^^^^^
          = help: say which is meant by a cast, such as `(int64)x`
    "#]],
    );
}

#[test]
fn one_mistake_is_one_complaint() {
    check(
        "BEGIN { $x = nosuch + 1; $y = $x * 2; @ = $y; print(@); if ($y) { print($x); } }",
        expect![[r#"
            error[unknown-builtin]: unknown builtin `nosuch`
             --> x.bt:1:14
              |
            1 | BEGIN { $x = nosuch + 1; $y = $x * 2; @ = $y; print(@); if ($y) { print($x); } }
              |              ^^^^^^
        "#]],
    );
}
