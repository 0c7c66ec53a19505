//! Input that nobody means: the parser ends, gives a tree and does not panic.

use stapes_script::ast::*;
use stapes_script::{decode, parse, print, render};

use crate::examples;
use crate::language::world::World;

/// Parses, renders all complaints, and prints the tree: none may panic. Gives back the slugs.
fn survive(source: &str) -> Vec<&'static str> {
    let (script, complaints) = parse(source);
    for complaint in complaints.iter().take(20) {
        let place = render::Place::of(source, complaint.span);
        assert!(place.line >= 1 && complaint.span.end as usize <= source.len(), "{complaint:?}");
        assert!(!render::render("x", source, complaint, render::Style::Plain).is_empty());
    }
    let printed = print::script(&script);
    if complaints.is_empty() {
        let (again, complaints) = parse(&printed);
        assert_eq!(complaints, [], "{source}\n--- printed as ---\n{printed}");
        assert_eq!(print::script(&again), printed);
    }
    complaints.iter().map(|d| d.slug).collect()
}

#[test]
fn every_prefix_of_every_example() {
    for (name, source) in examples::all() {
        for end in (0..source.len()).filter(|end| source.is_char_boundary(*end)) {
            let (_, complaints) = parse(&source[..end]);
            assert!(complaints.len() < 10, "{name} up to {end}: {complaints:?}");
        }
    }
}

#[test]
fn every_example_with_a_token_taken_out() {
    for (name, source) in examples::all() {
        let words: Vec<(usize, &str)> =
            source.match_indices(|c: char| "(){}[];,=/$@\"".contains(c)).collect();
        for (at, text) in words {
            let damaged = format!("{}{}", &source[..at], &source[at + text.len()..]);
            let slugs = survive(&damaged);
            assert!(slugs.len() < 20, "{name} without {text} at {at}: {slugs:?}");
        }
    }
}

/// xorshift64*, by Marsaglia and Vigna: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }
}

const WORDS: &[&str] = &[
    "BEGIN",
    "usdt:/x:p:n",
    "uprobe:/x:f",
    "interval:s:1",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ";",
    ",",
    ":",
    "?",
    ".",
    "->",
    "=",
    "+=",
    "==",
    "!=",
    "<",
    "<<",
    "<<=",
    "+",
    "++",
    "-",
    "--",
    "*",
    "/",
    "%",
    "&",
    "&&",
    "|",
    "||",
    "^",
    "!",
    "~",
    "..",
    "if",
    "else",
    "for",
    "while",
    "unroll",
    "let",
    "return",
    "break",
    "struct",
    "union",
    "enum",
    "config",
    "macro",
    "fn",
    "import",
    "sizeof",
    "offsetof",
    "comptime",
    "true",
    "uint64",
    "int",
    "x",
    "pid",
    "arg0",
    "count",
    "$x",
    "$1",
    "$#",
    "@",
    "@m",
    "0",
    "1",
    "0x",
    "1e9",
    "5ms",
    "9999999999999999999999",
    "\"s\"",
    "\"",
    "\\",
    "'",
    "#",
    "\n",
    "\n#define X 1\n",
    "\n#ifdef X\n",
    "\n#else\n",
    "\n#endif\n",
    "//",
    "/*",
    "*/",
    "é",
    "\0",
    "\u{7f}",
];

#[test]
fn soup_of_tokens() {
    let mut random = Random(0x5eed);
    for _ in 0..4000 {
        let mut source = String::new();
        for _ in 0..random.below(60) {
            source.push_str(WORDS[random.below(WORDS.len())]);
            if random.below(3) > 0 {
                source.push(' ');
            }
        }
        survive(&source);
    }
}

#[test]
fn soup_inside_of_a_block() {
    let mut random = Random(0xb10c);
    for _ in 0..4000 {
        let mut source = "BEGIN { ".to_owned();
        for _ in 0..random.below(25) {
            source.push_str(WORDS[4 + random.below(WORDS.len() - 16)]);
            source.push(' ');
        }
        source.push_str(" }");
        survive(&source);
    }
}

#[test]
fn soup_of_bytes() {
    let mut random = Random(0xbeef);
    for _ in 0..2000 {
        let bytes: Vec<u8> = (0..random.below(80)).map(|_| random.below(256) as u8).collect();
        match decode(&bytes) {
            Ok(source) => {
                survive(source);
            }
            Err(complaint) => assert_eq!(complaint.slug, "invalid-utf8"),
        }
        survive(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_place() {
    assert_eq!(decode(b"BEGIN { }"), Ok("BEGIN { }"));
    let complaint = decode(b"BEGIN { \xff }").unwrap_err();
    assert_eq!((complaint.slug, complaint.span.start), ("invalid-utf8", 8));
}

/// `count` times something, with something else around.
fn deep(before: &str, open: &str, middle: &str, close: &str, after: &str, count: usize) -> String {
    format!("{before}{}{middle}{}{after}", open.repeat(count), close.repeat(count))
}

#[test]
fn deep_nesting_is_refused_once() {
    for (open, middle, close) in [
        ("(", "1", ")"),
        ("f(", "1", ")"),
        ("@m[", "1", "]"),
        ("$x[", "1", "]"),
        ("-", "1", ""),
        ("!", "1", ""),
        ("*", "$x", ""),
        ("& ", "$x", ""),
        ("++", "$x", ""),
        ("(uint8)", "1", ""),
        ("1 ? ", "1", " : 1"),
        ("1 ? 1 : ", "1", ""),
        ("1 + (", "1", ")"),
        ("(1 + ", "1", ") + 1"),
        ("(1, ", "1", ")"),
        ("(a = ", "1", ")"),
        ("{ ", "1", " }"),
        ("if 1 { ", "1", " } else { 2 }"),
        ("if 1 { 1 } else ", "{ 2 }", ""),
        ("comptime ", "1", ""),
        ("1 || 2 && 3 | 4 ^ 5 & 6 == 7 < 8 << 9 + 10 * (", "1", ")"),
    ] {
        let slugs = survive(&deep("BEGIN { $y = ", open, middle, close, "; }", 10_000));
        assert_eq!(slugs, ["too-deep"], "{open}{middle}{close}");
    }
}

#[test]
fn deep_nesting_that_never_ends() {
    assert_eq!(survive(&deep("BEGIN { $y = ", "(", "", "", "", 10_000)), ["too-deep", "unclosed"]);
}

#[test]
fn deep_blocks_are_refused_once() {
    for (open, close) in [
        ("{ ", " }"),
        ("if (1) { ", " }"),
        ("if (1) { } else ", "{ }"),
        ("while (1) { ", " }"),
        ("for ($x : 0..1) { ", " }"),
        ("unroll (1) { ", " }"),
    ] {
        let slugs = survive(&deep("BEGIN { ", open, "", close, " }", 10_000));
        assert_eq!(slugs.first(), Some(&"too-deep"), "{open}{close}");
        assert!(slugs.len() <= 2, "{open}{close}: {slugs:?}");
    }
}

#[test]
fn nesting_up_to_the_limit_is_accepted() {
    assert!(survive(&deep("BEGIN { $y = ", "(", "1", ")", "; }", 120)).is_empty());
    assert!(survive(&deep("BEGIN { ", "if (1) { ", "", "}", " }", 120)).is_empty());
    assert!(survive(&deep("BEGIN { $y = 1", " + 1", "", "", "; }", 120)).is_empty());
}

#[test]
fn long_chains_are_quick_and_safe() {
    for op in ["+ 1", "- 1", "* 1", "== 1", "& 1", ".a", "[1]", "->b"] {
        let slugs = survive(&deep("BEGIN { $y = $x ", op, "", "", "; }", 100_000));
        assert_eq!(slugs, ["too-deep"], "{op}");
    }
    let (_, complaints) = parse(&deep("BEGIN { $x", "++", "", "", "; }", 100_000));
    assert!(!complaints.is_empty() && complaints.len() < 3, "{complaints:?}");
}

#[test]
fn chains_of_and_and_or_are_balanced() {
    for op in ["||", "&&"] {
        let source = format!("BEGIN /pid == 0{}/ {{ }}", format!(" {op} pid == 1").repeat(20_000));
        assert!(survive(&source).is_empty());
    }
    // The order of evaluation stays: reading the leaves from left to right gives 0, 1, 2, ….
    let chain: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let (script, _) = parse(&format!("BEGIN {{ $x = {}; }}", chain.join(" || ")));
    let StatementKind::Assign { value, .. } = &script.blocks[0].body.statements[0].kind else { panic!() };
    let mut leaves = Vec::new();
    fn walk(expr: &Expr, leaves: &mut Vec<u64>) {
        match &expr.kind {
            ExprKind::Binary(BinaryOp::Or, left, right) => {
                walk(left, leaves);
                walk(right, leaves);
            }
            ExprKind::Integer(value) => leaves.push(*value),
            other => panic!("{other:?}"),
        }
    }
    walk(value, &mut leaves);
    assert!(leaves.into_iter().eq(0..1000));
}

#[test]
fn a_megabyte_of_anything() {
    const SIZE: usize = 1 << 20;
    for piece in ["BEGIN { printf(\"%d\\n\", 1); }\n", "(", "{", "x ", "\"", "usdt:/x:p:n,\n"] {
        much_of(piece, SIZE);
    }
}

#[test]
fn much_of_anything() {
    const SIZE: usize = 1 << 16;
    for piece in [
        "}",
        "[",
        ";",
        ",",
        "/",
        "\\",
        "#\n",
        "$",
        "@",
        "/*",
        "//\n",
        "é",
        "x",
        "1",
        "BEGIN { ",
        "#ifdef X\n",
        "#define X 1\n",
        "struct x { ",
        "struct ",
        "enum { A, ",
        "let @m = h(",
        "config = { a = ",
        "macro f(",
        "import ",
        "BEGIN { (x*",
        "BEGIN { (x[1]",
        "usdt:\"",
        "$1:",
        "BEGIN /1 ",
        "if 1 {} else ",
        "'",
        "\\\n",
    ] {
        much_of(piece, SIZE);
    }
}

/// Parses a script that repeats a piece, by itself and in a block.
fn much_of(piece: &str, size: usize) {
    let source = piece.repeat(size / piece.len());
    for source in [format!("BEGIN {{ {source} }}"), source] {
        let (_, complaints) = parse(&source);
        assert!(complaints.len() <= 1000, "{piece}: {}", complaints.len());
    }
}

/// What the compiler says of a script in a world of a few probes.
fn compiled(source: &str) -> Vec<&'static str> {
    match World::new().compile(source) {
        Ok((_, warnings)) => warnings.iter().map(|d| d.slug).collect(),
        Err(errors) => errors.iter().map(|d| d.slug).collect(),
    }
}

#[test]
fn what_is_just_not_too_deep_compiles() {
    for source in [
        deep("BEGIN { @x = ", "(1 + ", "pid", ")", "; }", 60),
        deep("BEGIN { @x = pid", " + pid", "", "", "; }", 120),
        deep("BEGIN { @x = 0", " || pid == 1", "", "", "; }", 1000),
        deep("BEGIN { @x = ", "pid ? 1 : ", "2", "", "; }", 120),
        deep("BEGIN { @x = ", "~", "pid", "", "; }", 120),
        deep("BEGIN { ", "if (pid) { ", "@x++", "}", " }", 120),
        deep(&deep("BEGIN { ", "if (pid) { ", "@x = pid", "", "", 60), " + pid", "", "}", " }", 60),
    ] {
        assert_eq!(compiled(&source), Vec::<&str>::new(), "{source}");
    }
}

#[test]
fn programs_that_no_kernel_takes_are_refused_early() {
    assert_eq!(compiled(&deep("BEGIN { ", "unroll (100) { ", "@x++;", "}", " }", 6)), ["program-too-long"]);
    assert_eq!(compiled(&deep("BEGIN { ", "print(pid); ", "", "", "}", 80_000)), ["program-too-long"]);
}

/// Examples with a word taken out, or with another of their own words in its place: most mean nothing.
#[test]
fn damaged_examples_are_compiled_or_refused() {
    let mut random = Random(7);
    for (name, source) in examples::all() {
        let words: Vec<(usize, usize)> = source
            .split(|c: char| !c.is_alphanumeric() && !"$@_".contains(c))
            .filter(|w| !w.is_empty())
            .map(|w| (w.as_ptr() as usize - source.as_ptr() as usize, w.len()))
            .collect();
        for (at, length) in &words {
            let (other, other_length) = words[random.below(words.len())];
            for new in ["", &source[other..other + other_length]] {
                let damaged = format!("{}{new}{}", &source[..*at], &source[at + length..]);
                let slugs = compiled(&damaged);
                assert!(!slugs.contains(&"internal-error"), "{name} with {new} at {at}: {damaged}");
                assert!(slugs.len() < 60, "{name} with {new} at {at}: {slugs:?}");
            }
        }
    }
}

#[test]
fn values_that_no_program_can_hold_are_refused() {
    let long = "x".repeat(10 << 20);
    assert_eq!(compiled(&format!("BEGIN {{ $x = \"{long}\"; @x = $x; }}")), ["too-much-memory"]);
    assert_eq!(compiled(&format!("BEGIN {{ printf(\"%s\", \"{long}\"); }}")), ["too-much-memory"]);
    // A format stays with the reader.
    assert_eq!(compiled(&format!("BEGIN {{ printf(\"{long}\"); }}")), [] as [&str; 0]);
    let large = "x".repeat(60 << 10);
    let many = vec!["$x"; 80].join(", ");
    assert_eq!(compiled(&format!("BEGIN {{ $x = \"{large}\"; print(({many})); }}")), ["too-much-memory"]);
    assert_eq!(compiled(&format!("BEGIN {{ $x = \"{large}\"; @[{many}] = 1; }}")), ["too-much-memory"]);
}

#[test]
fn attach_points_that_end_with_a_backslash_print_and_parse_back() {
    for source in ["usdt:/x:p:n\\\n{ }", "usdt:/x:p:n\\\n,usdt:/x:p:m\\\n/1/ { }", "usdt:/x:p:n\\\\ { }"] {
        survive(source);
    }
}
