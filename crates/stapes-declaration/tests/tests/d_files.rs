//! Provider files.

use stapes_declaration::{Kind, Probe, d_file};

fn probes(text: &str) -> Vec<Probe> {
    d_file::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).remove(0).probes
}

/// The kinds of the arguments of the only probe.
fn kinds(arguments: &str) -> Vec<Kind> {
    let probe = probes(&format!("provider p {{ probe q({arguments}); }};")).remove(0);
    probe.arguments.into_iter().map(|argument| argument.kind).collect()
}

#[test]
fn c_s_types_have_the_sizes_of_lp64() {
    let table = [
        ("char", Kind::CChar),
        ("signed char", Kind::Signed(1)),
        ("unsigned char", Kind::Unsigned(1)),
        ("short", Kind::Signed(2)),
        ("unsigned short int", Kind::Unsigned(2)),
        ("int", Kind::Signed(4)),
        ("unsigned", Kind::Unsigned(4)),
        ("long", Kind::Signed(8)),
        ("long unsigned int", Kind::Unsigned(8)),
        ("long long", Kind::Signed(8)),
        ("_Bool", Kind::Bool),
        ("float", Kind::Float(4)),
        ("double", Kind::Float(8)),
        ("size_t", Kind::Unsigned(8)),
        ("uint16_t", Kind::Unsigned(2)),
        ("string", Kind::CString),
        ("char *", Kind::CString),
        ("const char *", Kind::CString),
        ("char const *", Kind::CString),
        ("char **", Kind::Pointer),
        ("unsigned char *", Kind::Pointer),
        ("void *", Kind::Pointer),
        ("struct stat *", Kind::Pointer),
        ("enum colour", Kind::Signed(4)),
        ("char[]", Kind::CString),
        ("something_t", Kind::Unknown),
        ("struct stat", Kind::Unknown),
        ("long double", Kind::Unknown),
    ];
    for (text, kind) in table {
        assert_eq!(kinds(text), std::slice::from_ref(&kind), "{text}");
        let named = probes(&format!("provider p {{ probe q({}); }};", with_name(text))).remove(0);
        assert_eq!((named.arguments[0].name.as_str(), &named.arguments[0].kind), ("x", &kind), "{text}");
    }
}

/// The declaration of `x` with a type.
fn with_name(text: &str) -> String {
    match text.strip_suffix("[]") {
        Some(element) => format!("{element} x[]"),
        None => format!("{text} x"),
    }
}

#[test]
fn nothing_is_void() {
    assert_eq!(kinds(""), []);
    assert_eq!(kinds("void"), []);
}

#[test]
fn what_is_declared_before_is_known() {
    let text = "#define Xid unsigned int\n\
                #define Name const \\\n char *\n\
                typedef unsigned long id_type;\n\
                typedef struct thing { int a; char b; } thing_t;\n\
                struct other;\n\
                provider p { probe q(Xid a, Name b, id_type c, thing_t *d, id_type *e); };";
    let probe = probes(text).remove(0);
    let kinds: Vec<_> = probe.arguments.iter().map(|argument| argument.kind.clone()).collect();
    assert_eq!(kinds, [Kind::Unsigned(4), Kind::CString, Kind::Unsigned(8), Kind::Pointer, Kind::Pointer]);
    assert_eq!(probe.arguments[0].text, "unsigned int");
}

#[test]
fn comments_directly_before_are_documentation() {
    let text = "/* A file. */\n\n/* The provider. */ provider p {\n\
                /*\n * Two lines\n * of text.\n */\n probe a();\n\
                // One line.\nprobe b();\n\n/* Of nothing. */\n\nprobe c();\n};";
    let provider = d_file::parse(text).unwrap().remove(0);
    assert_eq!(provider.documentation, "The provider.");
    let documentation: Vec<_> = provider.probes.iter().map(|probe| probe.documentation.as_str()).collect();
    assert_eq!(documentation, ["Two lines\nof text.", "One line.", ""]);
}

#[test]
fn dtrace_s_own_parts_are_skipped() {
    let text = "#pragma D depends_on library x.d\n# 7 \"y.d\"\nprovider p {\n\
                probe q(int a, struct s *b) : (int a, translated_t *b);\n};\n\
                #pragma D attributes Evolving/Evolving/Common provider p provider\n\
                provider other { probe r(); }\n";
    let providers = d_file::parse(text).unwrap();
    assert_eq!(providers.len(), 2);
    assert_eq!(providers[0].probes[0].arguments.len(), 2);
}

#[test]
fn errors_have_their_place() {
    let complaint = |text: &str| d_file::parse(text).unwrap_err().to_string();
    assert_eq!(
        complaint("provider p { probe q(int a int b); };"),
        "1:28: expected `,` or `)` after the argument, found `int`"
    );
    assert_eq!(complaint("provider { };"), "1:10: expected the name of a provider, found `{`");
    assert_eq!(complaint("provider p {\n probe q()\n};"), "3:1: expected `;` after the probe, found `}`");
    assert_eq!(complaint("provider p { probe q(); probe q(); };"), "1:25: the probe `q` is declared twice");
    assert_eq!(complaint("provider p { }; provider p { };"), "1:17: the provider `p` is declared twice");
    assert_eq!(complaint("hello"), "1:1: expected `provider`, found `hello`");
    assert_eq!(complaint("/* x"), "1:1: this comment has no end");
    // The preprocessor says where a line comes from.
    assert_eq!(complaint("# 40 \"x.d\"\nhello"), "40:1: expected `provider`, found `hello`");
    let thirteen = vec!["int"; 13].join(", ");
    assert!(complaint(&format!("provider p {{ probe q({thirteen}); }};")).contains("passes 13 values"));
}

#[test]
fn no_text_makes_it_panic_or_run_forever() {
    let text = "#define A int\n#define B A A A A\ntypedef struct { int x; } y_t;\n\
                provider p { /* d */ probe q(A a, const char *b[], B) : (int c); };";
    for (at, _) in text.char_indices() {
        let _ = d_file::parse(&text[..at]);
        let _ = d_file::parse(&text[at..]);
    }
    // Each macro is four times the one before.
    let mut bomb = String::from("#define A0 x\n");
    for i in 1..100 {
        let one = format!("A{} ", i - 1);
        bomb.push_str(&format!("#define A{i} {}\n", one.repeat(4)));
    }
    bomb.push_str("provider p { probe q(A99); };");
    assert!(d_file::parse(&bomb).is_err());
    let deep = format!("provider p {{ probe q({}); }};", "(".repeat(100_000));
    assert!(d_file::parse(&deep).is_err());
}
