//! Each example, traced by bpftrace and by stapes: both print what the orders of the shop are.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Orders that each example is told to make.
const ORDERS: u64 = 3;

const ITEMS: [&str; 3] = ["apples", "bread", "coffee"];

fn item(id: u64) -> &'static str {
    ITEMS[(id % 3) as usize]
}

fn pieces(id: u64) -> u64 {
    id % 5 + 1
}

/// The bits of the price, as a tracer without floating point prints them.
fn price(id: u64) -> u64 {
    (id as f64 * 2.5).to_bits()
}

/// What each tracer must print for one order, in order of the ids.
fn expect(line: impl Fn(u64) -> String) -> Vec<String> {
    (1..=ORDERS).map(line).collect()
}

fn skip(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skip {test}: {reason}");
}

fn has(tool: &str) -> bool {
    Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// The command `stapes`, built beside the examples when the whole workspace is tested.
fn stapes() -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_BIN_EXE_ad_hoc")).with_file_name("stapes");
    file.exists().then_some(file)
}

/// Traces a program with a script, in which `AT` stands for `usdt:` and the program, and compares what is printed.
fn check(name: &str, program: &Path, script: &str, mut expected: Vec<String>) {
    if String::from_utf8(Command::new("id").arg("-u").output().unwrap().stdout).unwrap().trim() != "0" {
        return skip(name, "tracing needs root");
    }
    let script = script.replace("AT", &format!("usdt:{}", program.display()));
    let command = format!("{} {ORDERS}", program.display());
    expected.sort();
    let mut tracers: Vec<PathBuf> = Vec::new();
    if has("bpftrace") {
        tracers.push("bpftrace".into());
    } else {
        skip(&format!("{name} (bpftrace)"), "not installed");
    }
    match stapes() {
        Some(stapes) => tracers.push(stapes),
        None => skip(&format!("{name} (stapes)"), "the command is built when the whole workspace is tested"),
    }
    for tracer in tracers {
        let output = Command::new(&tracer).args(["-q", "-c", &command, "-e", &script]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines.sort_unstable();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(lines, expected, "{name} under {}: {errors}", tracer.display());
    }
}

#[test]
fn ad_hoc() {
    let mut expected = expect(|id| format!("order {id} {} {}", item(id), pieces(id)));
    expected.extend(expect(|id| format!("label {} x {}", pieces(id), item(id))));
    let all: u64 = (1..=ORDERS).map(pieces).sum();
    expected.push(format!("summary {ORDERS} {all}"));
    check(
        "ad_hoc",
        Path::new(env!("CARGO_BIN_EXE_ad_hoc")),
        r#"AT:shop:order { printf("order %d %s %d\n", arg0, str(arg1, arg2), arg3) }
           AT:shop:label { printf("label %s\n", str(arg0, arg1)) }
           AT:shop:summary { printf("summary %d %d\n", arg0, arg1) }"#,
        expected,
    );
}

#[test]
fn provider() {
    let mut expected = expect(|id| format!("received {id} {} {}", item(id), pieces(id)));
    // A voucher is there for even ids; address 0 says that there is none.
    expected.extend(expect(|id| {
        let (address, length) = if id % 2 == 0 { (1, format!("V{id}").len()) } else { (0, 0) };
        format!("shipped {id} {} {address} {length}", price(id))
    }));
    expected.extend(expect(|id| format!("entered {id}")));
    expected.extend(expect(|_| "left 1".to_owned()));
    expected.push("closed".to_owned());
    check(
        "provider",
        Path::new(env!("CARGO_BIN_EXE_provider")),
        r#"AT:shop:order_received { printf("received %d %s %d\n", arg0, str(arg1, arg2), arg3) }
           AT:shop:order_shipped { printf("shipped %d %lu %d %d\n", arg0, arg1, arg2 != 0, arg3) }
           AT:shop:ship__entry { printf("entered %d\n", arg0) }
           AT:shop:ship__return { printf("left %d\n", arg0 > 0) }
           AT:shop:closed { printf("closed\n") }"#,
        expected,
    );
}

#[test]
fn d_file() {
    let mut expected = expect(|id| format!("received {id} {} {}", item(id), pieces(id)));
    expected.extend(expect(|id| format!("shipped {id} {}", price(id))));
    check("d_file", Path::new(env!("CARGO_BIN_EXE_d_file")), STORE, expected);
}

/// What the programs in Rust and C that share `store.d` are traced with.
const STORE: &str = r#"AT:store:order__received { printf("received %d %s %d\n", arg0, str(arg1), arg2) }
                       AT:store:order__shipped { printf("shipped %d %lu\n", arg0, arg1) }"#;

#[test]
fn with_tracing() {
    let mut expected = expect(|id| format!("event INFO on its way item={} pieces={}", item(id), pieces(id)));
    expected.extend(expect(|id| format!("new ship id={id}")));
    expected.extend(expect(|_| "closed ship 1".to_owned()));
    check(
        "with_tracing",
        Path::new(env!("CARGO_BIN_EXE_with_tracing")),
        r#"AT:tracing:event { printf("event %s %s %s\n", str(arg4, arg5), str(arg0, arg1), str(arg2, arg3)) }
           AT:tracing:span_new { printf("new %s %s\n", str(arg1, arg2), str(arg3, arg4)) }
           AT:tracing:span_close { printf("closed %s %d\n", str(arg1, arg2), arg4 >= arg3) }"#,
        expected,
    );
}

/// Compiles an example in C, with more folders for headers.
fn compile(source: &str, folders: &[&Path]) -> Option<PathBuf> {
    if !has("cc") {
        skip(source, "no C compiler");
        return None;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(source.trim_end_matches(".c"));
    let mut command = Command::new("cc");
    command.args(["-O2", "-Wall", "-Wextra", "-Werror", "-I"]).arg(here.join("../../include"));
    for folder in folders {
        command.arg("-I").arg(folder);
    }
    let output = command.arg(here.join("c").join(source)).arg("-o").arg(&program).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(program)
}

#[test]
fn c() {
    let Some(program) = compile("shop.c", &[]) else { return };
    let mut expected = expect(|id| format!("order {id} {} {} {}", item(id), pieces(id), price(id)));
    expected.extend(expect(|id| format!("label {} x {}", pieces(id), item(id))));
    check(
        "c",
        &program,
        r#"AT:cshop:order { printf("order %d %s %d %lu\n", arg0, str(arg1), arg2, arg3) }
           AT:cshop:label { printf("label %s\n", str(arg0)) }"#,
        expected,
    );
}

#[test]
fn c_with_a_generated_header() {
    let Some(stapes) = stapes() else {
        return skip("c_with_a_generated_header", "the command is built when the whole workspace is tested");
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated");
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(stapes);
    command.arg("gen").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("store.d"));
    let output = command.args(["--header", "-o"]).arg(folder.join("store_probes.h")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let Some(program) = compile("store.c", &[&folder]) else { return };
    let mut expected = expect(|id| format!("received {id} {} {}", item(id), pieces(id)));
    expected.extend(expect(|id| format!("shipped {id} {}", price(id))));
    check("c_with_a_generated_header", &program, STORE, expected);
}
