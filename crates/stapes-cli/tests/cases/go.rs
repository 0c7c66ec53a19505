//! `stapes go`: on Go's own command, which is a Go program, and on what is none.

use std::process::Command;

use serde_json::Value;

use super::support::{skip, stapes, stapes_ok};

/// The `go` command as a file; or says that there is none.
fn go(test: &str) -> Option<String> {
    let root = Command::new("go").args(["env", "GOROOT"]).output().ok().filter(|o| o.status.success());
    let path = root.map(|o| format!("{}/bin/go", String::from_utf8_lossy(&o.stdout).trim()));
    let path = path.filter(|p| std::path::Path::new(p).exists());
    if path.is_none() {
        skip(test, "go is not here");
    }
    path
}

fn run(program: &str, args: &[&str]) -> String {
    String::from_utf8(Command::new(program).args(args).output().unwrap().stdout).unwrap()
}

#[test]
fn info_says_what_go_says() {
    let Some(go) = go("info_says_what_go_says") else { return };
    let version = run(&go, &["env", "GOVERSION"]);
    let text = stapes_ok(&["go", "info", &go]);
    assert!(text.starts_with(&format!("version     {} (build information at 0x", version.trim())), "{text}");
    for start in
        ["pclntab     0x", "moduledata  0x", "text        0x", "goid        at ", "build       path cmd/go"]
    {
        assert!(text.lines().any(|l| l.starts_with(start)), "{start}: {text}");
    }
    let value: Value = serde_json::from_str(&stapes_ok(&["go", "info", "--json", &go])).unwrap();
    assert_eq!(value["version"], version.trim());
    assert_eq!(value["build"][0], serde_json::json!(["path", "cmd/go"]));
    assert_eq!(value["goid"]["by_type"], value["goid"]["by_code"]);
    assert!(value["goid"]["offset"].is_u64());
}

#[test]
fn functions_are_listed_in_every_form() {
    let Some(go) = go("functions_are_listed_in_every_form") else { return };
    let symbols = run(&go, &["tool", "nm", &go]);
    let main = symbols.lines().find(|l| l.ends_with(" T main.main")).unwrap().trim_start();
    let address = u64::from_str_radix(main.split(' ').next().unwrap(), 16).unwrap();
    assert_eq!(stapes_ok(&["go", "functions", &go, "main.main"]), format!("{address:#018x} main.main\n"));

    let value: Value =
        serde_json::from_str(&stapes_ok(&["go", "functions", "--json", &go, "main.main"])).unwrap();
    assert_eq!(value["address"], address);
    assert_eq!(value["start"]["behind_stack_check"], true);
    assert!(value["start"]["address"].as_u64().unwrap() > address);
    assert!(!value["returns"].as_array().unwrap().is_empty());
    let text = stapes_ok(&["go", "functions", "-v", &go, "main.main"]);
    let start = value["start"]["address"].as_u64().unwrap();
    assert!(text.starts_with("main.main\n  address    "), "{text}");
    assert!(text.contains(&format!("  start      {start:#x}, file offset ")), "{text}");

    // A function of one line that the compiler always inlines has no code, and its callers are named.
    let text = stapes_ok(&["go", "functions", &go, "strings.HasPrefix"]);
    assert!(text.contains("strings.HasPrefix"), "{text}");
    let all = stapes_ok(&["go", "functions", &go]);
    assert!(all.lines().count() > 10_000);
    assert!(all.lines().any(|l| l.starts_with('-') && l.contains(", inlined into ")), "some have no code");
}

#[test]
fn what_cannot_be_read_fails_with_a_reason() {
    let fails = |args: &[&str]| {
        let output = stapes(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(fails(&["go", "info", "/bin/true"]), "error: /bin/true: not a Go binary\n");
    assert_eq!(fails(&["go", "functions", "/etc/passwd"]), "error: /etc/passwd: not an ELF file\n");
    assert!(fails(&["go", "info", "/no/such/file"]).starts_with("error: /no/such/file: No such file"));
    assert_eq!(stapes(&["go"]).status.code(), Some(2));
    let Some(go) = go("what_cannot_be_read_fails_with_a_reason") else { return };
    let message = fails(&["go", "functions", &go, "no.such*"]);
    assert_eq!(message, format!("error: {go}: no function is called `no.such*`\n"));
}
