//! What does not compile, and that the error says why and points at the right place.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::toolchain::{Build, GNU, folder, output};

/// What rustc says first.
pub(crate) struct Refusal {
    pub(crate) message: String,
    /// The source text that the error points at.
    pub(crate) pointed_at: String,
    /// All that it prints.
    pub(crate) text: String,
}

/// Compiles a library, which must be refused.
fn refusal(name: &str, program: &str) -> Refusal {
    let folder = folder(&format!("refusal-{name}"));
    let file = folder.join("refused.rs");
    let mut command = Build::new(GNU, &[]).command(&file, &[] as &[&Path]);
    command.args(["--crate-type", "lib", "--out-dir"]).arg(&folder);
    refused(&file, program, &mut command)
}

/// Compiles a program that uses the macros of `stapes-macros`, which must be refused.
/// They and the crate are those that this test was built with.
pub(crate) fn refusal_with_macros(name: &str, program: &str) -> Refusal {
    let folder = folder(&format!("refusal-{name}"));
    let file = folder.join("refused.rs");
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let rlibs = std::fs::read_dir(&deps).unwrap().map(|entry| entry.unwrap()).filter(|entry| {
        let name = entry.file_name().into_string().unwrap();
        name.starts_with("libstapes-") && name.ends_with(".rlib")
    });
    let newest = rlibs.max_by_key(|entry| entry.metadata().unwrap().modified().unwrap()).unwrap().path();
    let mut command = Command::new("rustc");
    command
        .env("CARGO_MANIFEST_DIR", &folder)
        .args(["--edition", "2024", "--out-dir"])
        .arg(&folder)
        .arg(&file);
    command.arg("--extern").arg(format!("stapes={}", newest.display()));
    command.arg("-L").arg(format!("dependency={}", deps.display()));
    refused(&file, program, &mut command)
}

/// Writes the program and runs the compiler on it.
fn refused(file: &Path, program: &str, command: &mut Command) -> Refusal {
    std::fs::write(file, program).unwrap();
    let output = output(command.args(["--emit", "metadata", "--error-format", "json"]));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "this compiles: {program}");
    let messages = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let first = messages.into_iter().find(|message| message["level"] == "error").unwrap();
    let span = first["spans"].as_array().unwrap().iter().find(|span| span["is_primary"] == true).unwrap();
    // Where the span is in a macro, the way leads to where the user called it.
    let mut place = span;
    while place["file_name"] != file.to_str().unwrap() {
        place = &place["expansion"]["span"];
    }
    let at = |end: &str| place[end].as_u64().unwrap() as usize;
    Refusal {
        message: first["message"].as_str().unwrap().to_owned(),
        pointed_at: program[at("byte_start")..at("byte_end")].to_owned(),
        text,
    }
}

#[test]
fn a_type_that_no_probe_passes() {
    let refusal = refusal("type", r#"fn f(s: String) { stapes::probe!(a, b, 1_u8, s, 2); }"#);
    assert_eq!(refusal.message, "`String` cannot be passed to a probe");
    assert_eq!(refusal.pointed_at, "s", "{}", refusal.text);
    assert!(refusal.text.contains("pass `.as_str()`"));
}

#[test]
fn a_type_of_ones_own() {
    let refusal = refusal("own", r#"struct Id(u8); fn f(i: Id) { stapes::probe_lazy!(a, b, id = &i, 2); }"#);
    assert_eq!(refusal.message, "`Id` cannot be passed to a probe");
    assert_eq!(refusal.pointed_at, "i", "{}", refusal.text);
    assert!(refusal.text.contains("implement `stapes::Argument`"));
}

#[test]
fn more_than_twelve_arguments() {
    let refusal = refusal(
        "thirteen",
        r#"fn f(x: u8) { stapes::probe!(a, b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, x + 1); }"#,
    );
    assert_eq!(refusal.message, "a probe passes at most 12 values, and this argument is beyond them");
    assert_eq!(refusal.pointed_at, "x + 1", "{}", refusal.text);
}

#[test]
fn more_than_twelve_values() {
    let refusal =
        refusal("strings", r#"fn f(s: &str, t: &str) { stapes::probe!(a, b, s, s, s, s, s, 1, t, 2, 3); }"#);
    assert_eq!(refusal.message, "a probe passes at most 12 values, and this argument is beyond them");
    // Five strings and two numbers make 13 with the sixth string.
    assert_eq!(refusal.pointed_at, "t", "{}", refusal.text);
}

#[test]
fn a_const_context() {
    let eager = refusal("const-eager", "const fn f() { stapes::probe!(a, b, 1); }");
    assert!(eager.message.contains("in constant functions"), "{}", eager.message);
    let lazy = refusal("const-lazy", "const fn f() { stapes::probe_lazy!(a, b, 1); }");
    assert!(lazy.message.contains("in constant functions"), "{}", lazy.message);
    let asked = refusal("const-enabled", "const X: bool = stapes::enabled!(a, b);");
    assert!(asked.message.contains("in constants"), "{}", asked.message);
}

#[test]
fn a_name_that_tracers_cannot_write() {
    for name in ["", "a:b", "a.b", "a b", "a\\\"b"] {
        let program = format!("fn f() {{ stapes::probe!(\"{name}\", b); }}");
        let refusal = refusal("name", &program);
        assert!(refusal.text.contains("name"), "{name}: {}", refusal.text);
    }
}
