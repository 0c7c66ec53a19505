//! What tracers receive, against what was fired.

use stapes_provider::{Arg, Provider};

use crate::subject::{Subject, say, until_told_to_end};
use crate::tracer::{Kind, Tracer};

/// A probe, what a script prints of its arguments, and what must come out.
struct Case {
    probe: &'static str,
    print: &'static str,
    line: &'static str,
    /// bpftrace 0.17 knows no arguments behind the sixth.
    for_bpftrace: bool,
}

const fn case(probe: &'static str, print: &'static str, line: &'static str) -> Case {
    Case { probe, print, line, for_bpftrace: true }
}

const fn only_ours(probe: &'static str, print: &'static str, line: &'static str) -> Case {
    Case { probe, print, line, for_bpftrace: false }
}

const CASES: &[Case] = &[
    case("none", r#""none\n""#, "none"),
    case(
        "unsigned",
        r#""unsigned %lu %lu %lu %lu %lu\n", arg0, arg1, arg2, arg3, arg4"#,
        "unsigned 200 60000 4000000000 18446744073709551614 7",
    ),
    case(
        "signed",
        r#""signed %ld %ld %ld %ld %ld\n", arg0, arg1, arg2, arg3, arg4"#,
        "signed -5 -300 -70000 -9223372036854775807 -9",
    ),
    // IEEE 754: 1.5 is 0x3fc00000 in 32 bits, -0.5 is 0xbfe0000000000000 in 64.
    case(
        "others",
        r#""others %ld %ld %lx %lx\n", arg0, arg1, arg2, arg3"#,
        "others 1 233 3fc00000 bfe0000000000000",
    ),
    case(
        "strings",
        r#""strings %s %ld %s %ld\n", str(arg0), arg1, str(arg2), arg3"#,
        "strings héllo wörld 13 ab 5",
    ),
    case("part", r#""part %s|\n", str(arg0, 4)"#, "part long|"),
    case("empty", r#""empty %s| %ld\n", str(arg0), arg1"#, "empty | 0"),
    case("pointers", r#""pointers %s %ld\n", str(arg0), arg1"#, "pointers pointed at 0"),
    case(
        "six",
        r#""six %ld %ld %ld %ld %ld %ld\n", arg0, arg1, arg2, arg3, arg4, arg5"#,
        "six 1 -2 3 -4 5 -6",
    ),
    case(
        "twelve",
        r#""first %ld %ld %ld %ld %ld %ld\n", arg0, arg1, arg2, arg3, arg4, arg5"#,
        "first 1 2 3 4 5 6",
    ),
    only_ours(
        "twelve",
        r#""last %ld %ld %ld %ld %lu %ld\n", arg6, arg7, arg8, arg9, arg10, arg11"#,
        "last -7 60008 -9 4000000010 18446744073709551605 -12",
    ),
    only_ours(
        "words",
        r#""words %s %s %s %s %s %ld\n", str(arg0), str(arg2), str(arg4), str(arg6), str(arg8), arg11"#,
        "words a bb ccc dddd eeeee 6",
    ),
    case("dynamic", r#""dynamic %s %ld\n", str(arg0), arg2"#, "dynamic by value -3"),
    case("json", r#""json %s\n", str(arg0)"#, r#"json {"left":3,"name":"x"}"#),
];

/// The subject: fires each probe again and again.
pub(crate) fn fire_everything() {
    let p = Provider::builder("values").build().unwrap();
    let none = p.probe::<()>("none").unwrap();
    let unsigned = p.probe::<(u8, u16, u32, u64, usize)>("unsigned").unwrap();
    let signed = p.probe::<(i8, i16, i32, i64, isize)>("signed").unwrap();
    let others = p.probe::<(bool, char, f32, f64)>("others").unwrap();
    let strings = p.probe::<(&str, &[u8])>("strings").unwrap();
    let part = p.probe::<(&str,)>("part").unwrap();
    let empty = p.probe::<(&str,)>("empty").unwrap();
    let pointers = p.probe::<(*const u8, *mut u64)>("pointers").unwrap();
    let six = p.probe::<(i32, i32, i32, i32, i32, i32)>("six").unwrap();
    let twelve = p.probe::<(u8, u8, u8, u8, u8, u8, i8, u16, i32, u32, u64, i64)>("twelve").unwrap();
    let words = p.probe::<(&str, &str, &str, &str, &str, &str)>("words").unwrap();
    let dynamic = p.add("dynamic", &[Arg::Str, Arg::I16]).unwrap();
    let json = p.json_probe("json").unwrap();
    p.load().unwrap();
    say("ready");
    until_told_to_end(|| {
        none.fire(());
        unsigned.fire((200, 60_000, 4_000_000_000, u64::MAX - 1, 7));
        signed.fire((-5, -300, -70_000, i64::MIN + 1, -9));
        others.fire((true, 'é', 1.5, -0.5));
        strings.fire(("héllo wörld", b"ab\0cd"));
        part.fire_with(|| ("longer",));
        empty.fire(("",));
        pointers.fire((c"pointed at".as_ptr().cast(), std::ptr::null_mut()));
        six.fire((1, -2, 3, -4, 5, -6));
        twelve.fire((1, 2, 3, 4, 5, 6, -7, 60_008, -9, 4_000_000_010, u64::MAX - 10, -12));
        words.fire(("a", "bb", "ccc", "dddd", "eeeee", "ffffff"));
        dynamic.fire(("by value", -3i16)).result().unwrap();
        json.fire(&serde_json::json!({ "left": 3, "name": "x" })).unwrap();
    });
}

fn check(test: &str, kind: Kind) {
    if !kind.usable(test) {
        return;
    }
    let mut subject = Subject::start("values");
    assert_eq!(subject.hear(), "ready");
    let cases: Vec<&Case> = CASES.iter().filter(|c| c.for_bpftrace || kind == Kind::Stapes).collect();
    let clause = |c: &&Case| format!("usdt:*:values:{} {{ printf({}); }}\n", c.probe, c.print);
    let script: String = cases.iter().map(clause).collect();
    let tracer = Tracer::attach(kind, subject.pid(), &script);
    tracer.expect(&cases.iter().map(|c| c.line).collect::<Vec<_>>());
    tracer.stop();
    subject.end();
}

#[test]
fn bpftrace_receives_what_was_fired() {
    check("bpftrace_receives_what_was_fired", Kind::Bpftrace);
}

#[test]
fn stapes_receives_what_was_fired() {
    check("stapes_receives_what_was_fired", Kind::Stapes);
}
