//! Attach points.

use stapes_script::ast::AttachKind::*;
use stapes_script::ast::*;
use stapes_script::attach::attach_point;
use stapes_script::{parse, parse_with};

/// The kind of an attach point that has no mistakes, the same by itself and in a script.
fn kind(text: &str) -> AttachKind {
    let (point, complaints) = attach_point(text, &[]);
    assert_eq!(complaints, [], "{text}");
    assert_eq!(point.text, text);
    let (script, complaints) = parse(&format!("{text} {{ }} END {{ }}"));
    assert_eq!(complaints, [], "{text}");
    assert_eq!(script.blocks.len(), 2, "{text}");
    assert_eq!(script.blocks[0].points[0].kind, point.kind, "{text}");
    point.kind
}

/// The slug of the one complaint about an attach point, and the text that it points at.
fn complaint(text: &str) -> (&'static str, String) {
    let (point, complaints) = attach_point(text, &[]);
    assert_eq!(complaints.len(), 1, "{text}: {complaints:?}");
    if complaints[0].slug != "expected" {
        assert_eq!(point.kind, Bad, "{text}");
    }
    let span = complaints[0].span;
    (complaints[0].slug, text[span.start as usize..span.end as usize].to_owned())
}

fn usdt(path: &str, provider: &str, name: &str) -> AttachKind {
    Usdt { path: path.into(), provider: provider.into(), name: name.into() }
}

fn uprobe(path: &str, function: &str, offset: u64) -> AttachKind {
    Uprobe { path: path.into(), function: function.into(), demangled: false, offset, ret: false }
}

#[test]
fn usdt_in_all_spellings() {
    assert_eq!(kind("usdt:/usr/bin/x:p:n"), usdt("/usr/bin/x", "p", "n"));
    assert_eq!(kind("U:x:p:n"), usdt("x", "p", "n"));
    assert_eq!(kind("usdt:./x:n"), usdt("./x", "*", "n"));
    assert_eq!(kind("usdt:./x::n"), usdt("./x", "*", "n"));
    assert_eq!(kind("usdt::p:n"), usdt("", "p", "n"));
    assert_eq!(kind("usdt::n"), usdt("", "*", "n"));
    assert_eq!(kind("usdt:*:p:n"), usdt("*", "p", "n"));
    assert_eq!(kind("usdt:/usr/lib/*/libc.so.?:p*:[ab]*"), usdt("/usr/lib/*/libc.so.?", "p*", "[ab]*"));
    assert_eq!(kind("usdt:/a//b:p:n"), usdt("/a//b", "p", "n"));
    assert_eq!(kind("usdt:/usr/*/*.so*:*:*"), usdt("/usr/*/*.so*", "*", "*"));
}

#[test]
fn usdt_with_quotes_and_escapes() {
    assert_eq!(kind(r#"usdt:"/a b/c:d@e+f":"p":"n""#), usdt("/a b/c:d@e+f", "p", "n"));
    assert_eq!(kind(r#"usdt:/a"/b c":p:n"#), usdt("/a/b c", "p", "n"));
    assert_eq!(kind(r"usdt:/a\:b\ c\{:p:n"), usdt("/a:b c{", "p", "n"));
    assert_eq!(kind(r#"usdt:"/a\"b\\c":p:n"#), usdt(r#"/a"b\c"#, "p", "n"));
    assert_eq!(kind("usdt:/a@b~c%d=e+f:p:n"), usdt("/a@b~c%d=e+f", "p", "n"));
    assert_eq!(kind("usdt:/é/ü:p:n"), usdt("/é/ü", "p", "n"));
    assert_eq!(kind(r"usdt:\é:p:n"), usdt("é", "p", "n"));
}

#[test]
fn uprobes() {
    assert_eq!(kind("uprobe:/bin/x:main"), uprobe("/bin/x", "main", 0));
    assert_eq!(kind("u:libc:malloc"), uprobe("libc", "malloc", 0));
    assert_eq!(kind("uprobe:/bin/x:main+0x10"), uprobe("/bin/x", "main", 16));
    assert_eq!(kind("uprobe:/bin/x:main+4"), uprobe("/bin/x", "main", 4));
    assert_eq!(kind("uprobe:/bin/x:0x401000"), uprobe("/bin/x", "", 0x401000));
    assert_eq!(kind("uprobe:/bin/x:4198400"), uprobe("/bin/x", "", 4198400));
    assert_eq!(kind("uprobe:/bin/x:\"main\"+8"), uprobe("/bin/x", "main", 8));
    assert_eq!(kind("uprobe:/usr/bin/g++:main"), uprobe("/usr/bin/g++", "main", 0));
    assert_eq!(kind("uprobe:/bin/x:do_*"), uprobe("/bin/x", "do_*", 0));
    assert_eq!(kind("uprobe::main"), uprobe("", "main", 0));
    assert_eq!(
        kind("uprobe:/bin/x:_ZN2nsE$1x".replace("$1", "$").as_str()),
        uprobe("/bin/x", "_ZN2nsE$x", 0)
    );
    let cpp = |function: &str| Uprobe {
        path: "/bin/x".into(),
        function: function.into(),
        demangled: true,
        offset: 0,
        ret: false,
    };
    assert_eq!(kind(r#"uprobe:/bin/x:cpp:"ns::f(int, char)""#), cpp("ns::f(int, char)"));
    assert_eq!(kind(r#"uprobe:/bin/x:cpp:"operator+(A)""#), cpp("operator+(A)"));
    assert_eq!(kind("uprobe:/bin/x:cpp:f"), cpp("f"));
    let quoted = Uprobe {
        path: "/bin/x".into(),
        function: "ns::f(int)".into(),
        demangled: false,
        offset: 0,
        ret: false,
    };
    assert_eq!(kind(r#"uprobe:/bin/x:"ns::f(int)""#), quoted);
}

#[test]
fn uretprobes() {
    let expected =
        Uprobe { path: "/bin/x".into(), function: "main".into(), demangled: false, offset: 0, ret: true };
    assert_eq!(kind("uretprobe:/bin/x:main"), expected);
    assert_eq!(kind("ur:/bin/x:main+0"), expected);
    let by_address =
        Uprobe { path: "/bin/x".into(), function: String::new(), demangled: false, offset: 0x40, ret: true };
    assert_eq!(kind("uretprobe:/bin/x:0x40"), by_address);
}

#[test]
fn clocks_and_ends() {
    for text in ["BEGIN", "begin"] {
        assert_eq!(kind(text), Begin);
    }
    for text in ["END", "end"] {
        assert_eq!(kind(text), End);
    }
    assert_eq!(kind("interval:s:1"), Interval(1_000_000_000));
    assert_eq!(kind("i:ms:10"), Interval(10_000_000));
    assert_eq!(kind("interval:us:1e3"), Interval(1_000_000));
    assert_eq!(kind("interval:hz:4"), Interval(250_000_000));
    assert_eq!(kind("interval:2s"), Interval(2_000_000_000));
    assert_eq!(kind("interval:1m"), Interval(60_000_000_000));
    assert_eq!(kind("profile:hz:100"), Profile(10_000_000));
    assert_eq!(kind("p:99hz"), Profile(10_101_010));
}

#[test]
fn other_kinds() {
    let tracepoint = Tracepoint { category: "sched".into(), name: "sched_*".into() };
    assert_eq!(kind("tracepoint:sched:sched_*"), tracepoint);
    assert_eq!(kind("t:sched:sched_*"), tracepoint);
    assert_eq!(kind("software:faults:100"), Software { event: "faults".into(), count: 100 });
    assert_eq!(kind("s:faults:"), Software { event: "faults".into(), count: 0 });
    assert_eq!(kind("s:faults"), Software { event: "faults".into(), count: 0 });
    assert_eq!(kind("self:signal:SIGUSR1"), Signal("SIGUSR1".into()));
    for (text, name) in [
        ("kprobe:f", "kprobe"),
        ("k:f", "kprobe"),
        ("kr:f", "kretprobe"),
        ("fentry:vmlinux:f", "fentry"),
        ("kfunc:f", "fentry"),
        ("fexit:f", "fexit"),
        ("kretfunc:f", "fexit"),
        ("rt:sched_switch", "rawtracepoint"),
        ("hardware:cache-misses:1000", "hardware"),
        ("watchpoint:0x10000000:8:rw", "watchpoint"),
        ("aw:f+arg1:4:w", "asyncwatchpoint"),
        ("iter:task", "iter"),
        ("bench:x", "bench"),
        ("test:x", "test"),
    ] {
        assert_eq!(kind(text), Kernel(name.into()), "{text}");
    }
}

#[test]
fn several_with_predicates_and_without_blanks() {
    let (script, complaints) = parse("usdt:./x:a:b,usdt:./x:c:d\n, END{ } uprobe:x:f/1/ {} BEGIN/2/{ }");
    let kinds: Vec<_> = script.attach_points().map(|p| p.kind.clone()).collect();
    // Behind a colon a `/` belongs to the name, as in bpftrace.
    assert_eq!(kinds, [usdt("./x", "a", "b"), usdt("./x", "c", "d"), End, uprobe("x", "f/1/", 0), Begin],);
    assert_eq!(complaints, []);
}

#[test]
fn positional_parameters_are_put_in() {
    let parameters = ["/a b:c".to_owned(), "250".to_owned(), "x".to_owned()];
    let kind = |text: &str| {
        let (point, complaints) = attach_point(text, &parameters);
        assert_eq!(complaints, [], "{text}");
        assert_eq!(point.text, text);
        point.kind
    };
    assert_eq!(kind("usdt:$1:$3:n$3"), usdt("/a b:c", "x", "nx"));
    assert_eq!(kind(r#"usdt:"$1":p:n"#), usdt("/a b:c", "p", "n"));
    assert_eq!(kind("interval:ms:$2"), Interval(250_000_000));
    assert_eq!(kind("uprobe:$1:$3+$2"), uprobe("/a b:c", "x", 250));
    assert_eq!(kind(r"uprobe:/x:f\$1"), uprobe("/x", "f$1", 0));
    let (script, complaints) = parse_with("usdt:$1:p:n { print($2) }", &parameters);
    assert_eq!(complaints, []);
    assert_eq!(script.blocks[0].points[0].kind, usdt("/a b:c", "p", "n"));
    let (_, complaints) = attach_point("usdt:/x:$4:$0", &parameters);
    let found: Vec<_> = complaints.iter().map(|d| (d.slug, d.span.start, d.span.end)).collect();
    assert_eq!(found, [("missing-parameter", 8, 10), ("missing-parameter", 11, 13)]);
}

#[test]
fn mistakes_and_their_places() {
    let bad =
        |text: &str, at: &str| assert_eq!(complaint(text), ("bad-attach-point", at.to_owned()), "{text}");
    bad("usdt", "usdt");
    bad("usdt:/x", "usdt:/x");
    bad("usdt:/x:p:n:m", "usdt:/x:p:n:m");
    bad("usdt:/x:p:", "");
    bad("uprobe:/x", "uprobe:/x");
    bad("uprobe:/x:", "");
    bad("uprobe:/x:+4", "+4");
    bad("uprobe:/x:f*+4", "f*+4");
    bad("uretprobe:/x:f+4", "f+4");
    bad("uprobe:/x:java:f", "uprobe:/x:java:f");
    bad("interval:1", "1");
    bad("interval:s", "s");
    bad("interval:s:0", "0");
    bad("interval:hz:0", "0");
    bad("interval:hz:2000000000", "2000000000");
    bad("interval:s:18446744073709551615", "18446744073709551615");
    bad("interval:fortnight:1", "fortnight");
    bad("BEGIN:x", "BEGIN:x");
    bad("tracepoint:x", "tracepoint:x");
    bad("self:signal", "self:signal");
    assert_eq!(complaint("uprobe:/x:f+y"), ("bad-integer", "f+y".to_owned()));
    assert_eq!(complaint("uprobe:/x:0xzz"), ("bad-integer", "0xzz".to_owned()));
    assert_eq!(complaint("uprob:/x:f"), ("unknown-probe-kind", "uprob".to_owned()));
    assert_eq!(complaint("usdt:\"/x:p:n"), ("unterminated-string", "\"/x:p:n".to_owned()));
    assert_eq!(complaint("usdt:/x:p:n foo"), ("expected", " foo".to_owned()));
}

#[test]
fn near_kinds_are_suggested() {
    let help = |text: &str| attach_point(text, &[]).1[0].help.clone();
    assert_eq!(help("uprob:/x:f"), ["did you mean `uprobe`?"]);
    assert_eq!(help("Begin"), ["did you mean `BEGIN`?"]);
    assert_eq!(help("intervall:s:1"), ["did you mean `interval`?"]);
    assert_eq!(help("kprobe_multi:x"), Vec::<String>::new());
}
