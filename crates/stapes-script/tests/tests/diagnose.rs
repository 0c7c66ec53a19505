//! Complaints as the script's author sees them.

use expect_test::{Expect, expect};
use stapes_script::{parse, render};

/// Checks all complaints about a script, in full.
fn check(source: &str, expected: Expect) {
    let (_, complaints) = parse(source);
    let text: Vec<String> =
        complaints.iter().map(|d| render::render("x.bt", source, d, render::Style::Plain)).collect();
    expected.assert_eq(&text.join("\n"));
}

#[test]
fn missing_brackets() {
    check(
        "BEGIN {\n    print(@x;\n    print(@y);\n}\n",
        expect![[r#"
        error[unclosed]: expected `)`, found `;`
         --> x.bt:2:13
          |
        2 |     print(@x;
          |          - to close this
          |             ^ expected `)`
    "#]],
    );
    check(
        "BEGIN { @x[1 = 2; }",
        expect![[r#"
        error[unclosed]: expected `]`, found `=`
         --> x.bt:1:14
          |
        1 | BEGIN { @x[1 = 2; }
          |           - to close this
          |              ^ expected `]`
    "#]],
    );
    check(
        "BEGIN { if (pid == 1 { print(1); } }",
        expect![[r#"
        error[unclosed]: expected `)`, found `{`
         --> x.bt:1:22
          |
        1 | BEGIN { if (pid == 1 { print(1); } }
          |            - to close this
          |                      ^ expected `)`
    "#]],
    );
    check(
        "BEGIN {\n    $x = 1;\n",
        expect![[r#"
        error[unclosed]: expected `}`, found the end of the script
         --> x.bt:3:1
          |
        1 | BEGIN {
          |       - to close this
        ...
        3 | 
          | ^ expected `}`
    "#]],
    );
}

#[test]
fn missing_semicolons() {
    check(
        "BEGIN {\n    $x = 1\n    $y = 2;\n}",
        expect![[r#"
        error[expected]: expected `;`, found `$y`
         --> x.bt:2:11
          |
        2 |     $x = 1
          |           ^ expected `;`
    "#]],
    );
    check(
        "BEGIN { $x = 1 $y = 2; $z = 3 }",
        expect![[r#"
        error[expected]: expected `;`, found `$y`
         --> x.bt:1:16
          |
        1 | BEGIN { $x = 1 $y = 2; $z = 3 }
          |                ^^ expected `;`
    "#]],
    );
}

#[test]
fn strange_characters_and_strings() {
    check(
        "BEGIN { print('a'); }",
        expect![[r#"
            error[unknown-character]: the language has no `'`
             --> x.bt:1:15
              |
            1 | BEGIN { print('a'); }
              |               ^
              = help: strings are written with double quotes
        "#]],
    );
    check(
        "BEGIN { print(\"abc); }\nEND { }",
        expect![[r#"
            error[unterminated-string]: the string does not end in its line
             --> x.bt:1:15
              |
            1 | BEGIN { print("abc); }
              |               ^^^^^^^^
              = help: close it with `"`; write a line break inside as `\n`
        "#]],
    );
    check(
        "BEGIN { print(\"a\\q\"); } # note",
        expect![[r#"
            error[unknown-escape]: `\q` is not an escape
             --> x.bt:1:17
              |
            1 | BEGIN { print("a\q"); } # note
              |                 ^^
              = help: escapes are `\n \t \r \" \\`, `\101` (octal) and `\x41`; a backslash itself is `\\`

            error[unknown-character]: the language has no `#`
             --> x.bt:1:25
              |
            1 | BEGIN { print("a\q"); } # note
              |                         ^
              = help: comments begin with `//`
        "#]],
    );
    check(
        "BEGIN { $x = 5kg + 09; }",
        expect![[r#"
        error[bad-integer]: `5kg` is not a number: `kg` is not a suffix of numbers
         --> x.bt:1:14
          |
        1 | BEGIN { $x = 5kg + 09; }
          |              ^^^
          = help: numbers are `12`, `1_000`, `0x1f`, `017` (octal), `1e6`, `5u`, and durations `5ns us ms s m h d`

        error[bad-integer]: `09` is not a number: `9` is not an octal digit
         --> x.bt:1:20
          |
        1 | BEGIN { $x = 5kg + 09; }
          |                    ^^
          = help: numbers are `12`, `1_000`, `0x1f`, `017` (octal), `1e6`, `5u`, and durations `5ns us ms s m h d`
    "#]],
    );
    check(
        "BEGIN { } /* never closed",
        expect![[r#"
        error[unterminated-comment]: the comment has no end
         --> x.bt:1:11
          |
        1 | BEGIN { } /* never closed
          |           ^^
          = help: close it with `*/`
    "#]],
    );
}

#[test]
fn statements_in_the_wrong_place() {
    check(
        "printf(\"hello\\n\");\nBEGIN { }",
        expect![[r#"
        error[outside-probe]: `printf` stands outside of any probe
         --> x.bt:1:1
          |
        1 | printf("hello\n");
          | ^^^^^^
          = help: statements belong into a probe's block: `BEGIN { … }`
    "#]],
    );
    check(
        "$x = 1;",
        expect![[r#"
        error[outside-probe]: `$x` stands outside of any probe
         --> x.bt:1:1
          |
        1 | $x = 1;
          | ^^
          = help: statements belong into a probe's block: `BEGIN { … }`
    "#]],
    );
    check(
        "{ exit() }",
        expect![[r#"
        error[expected]: expected a probe, found `{`
         --> x.bt:1:1
          |
        1 | { exit() }
          | ^ expected a probe
    "#]],
    );
    check(
        "BEGIN { else { } }",
        expect![[r#"
        error[expected]: expected an expression, found `else`
         --> x.bt:1:9
          |
        1 | BEGIN { else { } }
          |         ^^^^ expected an expression
    "#]],
    );
}

#[test]
fn assignments_to_values() {
    check(
        "BEGIN { pid = 1; 5 += 2; f()++; ++\"a\"; $x + 1 = 3; }",
        expect![[r#"
        error[not-assignable]: `pid` cannot be assigned to
         --> x.bt:1:9
          |
        1 | BEGIN { pid = 1; 5 += 2; f()++; ++"a"; $x + 1 = 3; }
          |         ^^^
          = help: variables `$x` and maps `@x`, `@x[key]` can

        error[not-assignable]: a number cannot be assigned to
         --> x.bt:1:18
          |
        1 | BEGIN { pid = 1; 5 += 2; f()++; ++"a"; $x + 1 = 3; }
          |                  ^
          = help: variables `$x` and maps `@x`, `@x[key]` can

        error[not-assignable]: the result of `f` cannot be assigned to
         --> x.bt:1:26
          |
        1 | BEGIN { pid = 1; 5 += 2; f()++; ++"a"; $x + 1 = 3; }
          |                          ^^^
          = help: variables `$x` and maps `@x`, `@x[key]` can

        error[not-assignable]: a string cannot be assigned to
         --> x.bt:1:35
          |
        1 | BEGIN { pid = 1; 5 += 2; f()++; ++"a"; $x + 1 = 3; }
          |                                   ^^^
          = help: variables `$x` and maps `@x`, `@x[key]` can

        error[not-assignable]: the value of an expression cannot be assigned to
         --> x.bt:1:40
          |
        1 | BEGIN { pid = 1; 5 += 2; f()++; ++"a"; $x + 1 = 3; }
          |                                        ^^^^^^
          = help: variables `$x` and maps `@x`, `@x[key]` can
    "#]],
    );
}

#[test]
fn unfinished_expressions() {
    check(
        "BEGIN { $x = ; $y = 1 + ; print(1,); @a[] = 1; }",
        expect![[r#"
        error[expected]: expected an expression, found `;`
         --> x.bt:1:14
          |
        1 | BEGIN { $x = ; $y = 1 + ; print(1,); @a[] = 1; }
          |              ^ expected an expression

        error[expected]: expected an expression, found `;`
         --> x.bt:1:25
          |
        1 | BEGIN { $x = ; $y = 1 + ; print(1,); @a[] = 1; }
          |                         ^ expected an expression

        error[expected]: expected an expression, found `)`
         --> x.bt:1:35
          |
        1 | BEGIN { $x = ; $y = 1 + ; print(1,); @a[] = 1; }
          |                                   ^ expected an expression

        error[expected]: expected an expression, found `]`
         --> x.bt:1:41
          |
        1 | BEGIN { $x = ; $y = 1 + ; print(1,); @a[] = 1; }
          |                                         ^ expected an expression
    "#]],
    );
    check(
        "BEGIN { $x = $c ? 1; }",
        expect![[r#"
        error[expected]: expected `:`, found `;`
         --> x.bt:1:20
          |
        1 | BEGIN { $x = $c ? 1; }
          |                    ^ expected `:`
    "#]],
    );
    check(
        "BEGIN { $x = if 1 { 2 }; }",
        expect![[r#"
        error[expected]: expected `else`: an `if` that is a value has both branches, found `;`
         --> x.bt:1:24
          |
        1 | BEGIN { $x = if 1 { 2 }; }
          |                        ^ expected `else`: an `if` that is a value has both branches
    "#]],
    );
    check(
        "BEGIN { $x = $1x + $0; }",
        expect![[r#"
            error[bad-parameter]: `$1x` is not a positional parameter
             --> x.bt:1:14
              |
            1 | BEGIN { $x = $1x + $0; }
              |              ^^^
              = help: they are `$1`, `$2` and so on; `$#` is how many were given

            error[bad-parameter]: `$0` is not a positional parameter
             --> x.bt:1:20
              |
            1 | BEGIN { $x = $1x + $0; }
              |                    ^^
              = help: they are `$1`, `$2` and so on; `$#` is how many were given
        "#]],
    );
}

#[test]
fn loops() {
    check(
        "BEGIN { for ($x : 5) { } }",
        expect![[r#"
        error[expected]: expected `..` and the end of the range, found `)`
         --> x.bt:1:20
          |
        1 | BEGIN { for ($x : 5) { } }
          |                    ^ expected `..` and the end of the range
    "#]],
    );
    check(
        "BEGIN { for (x : 0..5) { } print(1); }",
        expect![[r#"
        error[expected]: expected a variable, found `x`
         --> x.bt:1:14
          |
        1 | BEGIN { for (x : 0..5) { } print(1); }
          |              ^ expected a variable
    "#]],
    );
    check(
        "BEGIN { while ($x) print(1); }",
        expect![[r#"
        error[expected]: expected `{`, found `print`
         --> x.bt:1:20
          |
        1 | BEGIN { while ($x) print(1); }
          |                    ^^^^^ expected `{`
    "#]],
    );
}

#[test]
fn probes() {
    check(
        "uprob:/bin/x:main { }",
        expect![[r#"
        error[unknown-probe-kind]: `uprob` is not a kind of probe
         --> x.bt:1:1
          |
        1 | uprob:/bin/x:main { }
          | ^^^^^
          = help: did you mean `uprobe`?
    "#]],
    );
    check(
        "usdt:/bin/x:p:n:m { }",
        expect![[r#"
        error[bad-attach-point]: `usdt` takes a file, a provider (or none) and a name, 4 given
         --> x.bt:1:1
          |
        1 | usdt:/bin/x:p:n:m { }
          | ^^^^^^^^^^^^^^^^^
          = help: it is written `usdt:FILE:PROVIDER:NAME`
          = help: a part that has colons itself is written in double quotes
    "#]],
    );
    check(
        "usdt:$1:p:n { }",
        expect![[r#"
        error[missing-parameter]: `$1` was not given: the script was started without parameters
         --> x.bt:1:6
          |
        1 | usdt:$1:p:n { }
          |      ^^
          = help: parameters follow the script on the command line
    "#]],
    );
    check(
        "usdt:/bin/x:p:n oops { } END { }",
        expect![[r#"
        error[expected]: expected `{`, a predicate or `,`, found `oops`
         --> x.bt:1:17
          |
        1 | usdt:/bin/x:p:n oops { } END { }
          |                 ^^^^ expected `{`, a predicate or `,`
    "#]],
    );
    check(
        "BEGIN, { }",
        expect![[r#"
        error[expected]: expected a probe, found `{`
         --> x.bt:1:8
          |
        1 | BEGIN, { }
          |        ^ expected a probe
    "#]],
    );
    check(
        "BEGIN /pid == 1 { }\nEND { }",
        expect![[r#"
        error[unclosed]: expected `/`, found `{`
         --> x.bt:1:17
          |
        1 | BEGIN /pid == 1 { }
          |       - to close this
          |                 ^ expected `/`
    "#]],
    );
    check(
        "BEGIN",
        expect![[r#"
        error[expected]: expected `{`, a predicate or `,`, found the end of the script
         --> x.bt:1:6
          |
        1 | BEGIN
          |      ^ expected `{`, a predicate or `,`
    "#]],
    );
}

#[test]
fn definitions() {
    check(
        "#include <linux/fs.h>\n#define F(x) x\n#if 1\nBEGIN { }\n",
        expect![[r#"
        warning[include-ignored]: headers are not read
         --> x.bt:1:1
          |
        1 | #include <linux/fs.h>
          | ^^^^^^^^^^^^^^^^^^^^^
          = help: write the `struct` definitions and `#define`s that the script needs into the script

        error[unsupported-definition]: a `#define` with parameters cannot be used in a script
         --> x.bt:2:9
          |
        2 | #define F(x) x
          |         ^^

        error[unsupported-definition]: `#if` cannot be used in a script
         --> x.bt:3:2
          |
        3 | #if 1
          |  ^^
    "#]],
    );
    check(
        "typedef int x;\nstruct a { struct { int x; } b; int c };\nBEGIN { }",
        expect![[r#"
            error[unsupported-definition]: `typedef` cannot be used in a script
             --> x.bt:1:1
              |
            1 | typedef int x;
              | ^^^^^^^

            error[unsupported-definition]: a definition inside of another cannot be used in a script
             --> x.bt:2:12
              |
            2 | struct a { struct { int x; } b; int c };
              |            ^^^^^^

            error[expected]: expected `;`, found `}`
             --> x.bt:2:39
              |
            2 | struct a { struct { int x; } b; int c };
              |                                       ^ expected `;`
        "#]],
    );
    check(
        "config = { max_strlen 5; b = 1 }\nlet @m = 5;\nBEGIN { }",
        expect![[r#"
        error[expected]: expected `=`, found `5`
         --> x.bt:1:23
          |
        1 | config = { max_strlen 5; b = 1 }
          |                       ^ expected `=`

        error[expected]: expected the kind of the map, found `5`
         --> x.bt:2:10
          |
        2 | let @m = 5;
          |          ^ expected the kind of the map
    "#]],
    );
    check(
        "fn f(x) { }\nmacro g($x { }\nimport x;\nBEGIN { }",
        expect![[r#"
        error[expected]: expected a variable, found `x`
         --> x.bt:1:6
          |
        1 | fn f(x) { }
          |      ^ expected a variable

        error[unclosed]: expected `)`, found `{`
         --> x.bt:2:12
          |
        2 | macro g($x { }
          |        - to close this
          |            ^ expected `)`

        error[expected]: expected the name of a file in double quotes, found `x`
         --> x.bt:3:8
          |
        3 | import x;
          |        ^ expected the name of a file in double quotes
    "#]],
    );
}
