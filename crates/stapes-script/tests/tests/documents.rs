//! docs/errors.md and docs/language.md say what the compiler does.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::language::world::{World, text};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn source(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(path)).unwrap()
}

fn document(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// The sections of errors.md: slug and text.
fn sections(document: &str) -> Vec<(&str, &str)> {
    document.split("\n## ").skip(1).map(|section| section.split_once('\n').unwrap()).collect()
}

/// The words in double quotes that follow a text directly.
fn quoted_behind<'a>(source: &'a str, before: &str) -> Vec<&'a str> {
    source
        .match_indices(before)
        .filter_map(|(at, _)| source[at + before.len()..].trim_start().strip_prefix('"')?.split('"').next())
        .collect()
}

#[test]
fn every_diagnostic_has_its_section() {
    let code = source("diagnostics.rs") + &source("diagnostics/semantic.rs");
    let mut slugs: Vec<&str> = quoted_behind(&code, "error(");
    slugs.extend(quoted_behind(&code, "warning("));
    let slugs: BTreeSet<&str> = slugs.into_iter().collect();
    let document = document("errors.md");
    let described: Vec<&str> = sections(&document).into_iter().map(|(slug, _)| slug).collect();
    let set: BTreeSet<&str> = described.iter().copied().collect();
    assert_eq!(described.len(), set.len(), "a section twice");
    assert_eq!(set, slugs);
}

#[test]
fn the_scripts_of_the_sections_give_their_diagnostics() {
    let document = document("errors.md");
    let (mut shown, mut wrong) = (0, String::new());
    for (slug, section) in sections(&document) {
        let Some((_, rest)) = section.split_once("```bt\n") else { continue };
        let (script, _) = rest.split_once("```").unwrap();
        let mut world = World::new();
        world.options.parameters = Vec::new();
        let diagnostics = match stapes_script::parse(script) {
            (_, complaints) if !complaints.is_empty() => complaints,
            _ => match world.compile(script) {
                Ok((_, warnings)) => warnings,
                Err(errors) => errors,
            },
        };
        let found: Vec<&str> = diagnostics.iter().map(|d| d.slug).collect();
        if found != [slug] {
            wrong += &format!("{slug}: {script}{}\n", text(script, &diagnostics));
        }
        shown += 1;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(shown > 40, "{shown}");
}

#[test]
fn every_builtin_and_function_is_listed() {
    let document = document("language.md");
    let listed = |name: &str| {
        let called = format!("`{name}(");
        let in_list = format!("{name}(");
        document.contains(&format!("`{name}`"))
            || document.contains(&called)
            || document.split('`').skip(1).step_by(2).any(|code| code.contains(&in_list))
    };
    let builtins = source("builtins.rs");
    let mut names = quoted_behind(&builtins, "everywhere(");
    names.extend(quoted_behind(&builtins, "name:"));
    let functions = source("functions.rs");
    names.extend(quoted_behind(&functions, "function("));
    names.extend(quoted_behind(&functions, "bare("));
    assert!(names.len() > 45, "{names:?}");
    for file in [&builtins, &functions] {
        let (_, planned) = file.split_once("const PLANNED: &[&str] = &[").unwrap();
        let (planned, _) = planned.split_once("];").unwrap();
        names.extend(planned.split('"').skip(1).step_by(2));
    }
    let missing: Vec<&str> = names.into_iter().filter(|name| !listed(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// What language.md says is compiled, each at least once.
#[test]
fn what_is_said_to_compile_does() {
    let world = World::new();
    for script in [
        "BEGIN { $x = 1_000 + 0x1f + 017 + 1e6 + 5ms + 5u; print($x); }",
        "BEGIN { if 1 { exit(); } else if (2) { exit(1); } }",
        "BEGIN { unroll (3) { @x++; } for ($i : 0..10) { if ($i == 5) { break } continue; } { $y = 1; print($y); } return; }",
        "BEGIN { let $x; let $y: uint64 = 1; $x = $y; print(($x, \"a\")); @m[1, \"a\"] = (1, 2); _ = delete(@m[1, \"a\"]); }",
        "usdt:/app:p:tick, usdt:/app:p:text /arg0 > 1 && comm != \"x\"/ { @[probe, func] = count(); }",
        "usdt:/app:p:text { printf(\"%s %-5d %08lx %c %p %rx\\n\", str(arg0, 3), arg1, arg1, arg1, arg0, buf(arg0, 8)); }",
        "uprobe:/app:main { @u[ustack, ustack(3), ustack(perf)] = count(); @r = reg(\"ip\"); @s = usym(arg0); @k = kstack; }",
        "uretprobe:/app:main { @ = hist(retval, 2); @l = lhist(retval, 0, 10, 1); @s = stats(retval); }",
        "interval:500ms { print(@c); print(@c, 3, 2); clear(@c); zero(@c); time(); } usdt:/app:p:none { @c[pid] = count(); }",
        "BEGIN { printf(\"%s %s\\n\", strftime(\"%H\", nsecs), username); print(strncmp(\"a\", comm, 1)); print(len(\"abc\")); }",
        "BEGIN { @x = 1; $y = *(uint32 *)@x; print((uint8)$y); print(has_key(@z, 1)); @z[1] = avg(2); print(@z[1] + 1); }",
        "BEGIN { print($# > 0 ? \"a\" : \"b\"); 1 ? printf(\"a\") : printf(\"b\"); cat(\"/proc/self/stat\"); join(0); }",
        "usdt:/app:p:split { print(arg1); print(elapsed + cpu + ncpus + uid + gid + tid + rand + cgroup); }",
    ] {
        if let Err(errors) = world.compile(script) {
            panic!("{}", text(script, &errors));
        }
    }
}

/// What language.md says is not compiled yet is refused as that, and as nothing else.
#[test]
fn what_is_said_to_be_missing_is_refused_by_name() {
    let world = World::new();
    for script in [
        "profile:hz:99 { exit(); }",
        "tracepoint:sched:sched_switch { exit(); }",
        "software:faults:1 { exit(); }",
        "self:signal:SIGUSR1 { exit(); }",
        "BEGIN { print((a = 1, b = 2)); }",
        "BEGIN { $x = (1, 2); print($x.0); }",
        "BEGIN { @x = 1; print((@x)[1]); }",
        "struct a { int b; }; BEGIN { exit(); }",
        "enum a { B }; BEGIN { exit(); }",
        "#define A 1\nBEGIN { exit(); }",
        "BEGIN { print(sizeof(struct a)); }",
        "BEGIN { print(offsetof(struct a, b)); }",
        "let @x = lruhash(10); BEGIN { exit(); }",
        "BEGIN { @m[1] = 1; for ($kv : @m) { } }",
        "BEGIN { while (1) { } }",
        "BEGIN { for ($i : 0..nsecs) { } }",
        "BEGIN { print({ 1 }); }",
        "macro f() { 1 } BEGIN { exit(); }",
        "fn f(): int64 { return 1; } BEGIN { exit(); }",
        "import \"x\"; BEGIN { exit(); }",
        "config = { max_strlen = 5 } BEGIN { exit(); }",
        "BEGIN { print(ppid); }",
        "BEGIN { print(strerror(1)); }",
    ] {
        let errors = world.compile(script).expect_err(script);
        let slugs: BTreeSet<&str> = errors.iter().map(|d| d.slug).collect();
        assert_eq!(slugs, BTreeSet::from(["not-supported-yet"]), "{}", text(script, &errors));
    }
}
