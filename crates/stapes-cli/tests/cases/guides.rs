//! The guides: every command in them is run, in order, as a reader would, and must do what the guide says.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::support::{can_compile, folder, root};

/// Kills the process that the guides call `$PID`.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The commands of a guide, each with what the guide shows of its output.
fn commands(guide: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in guide.lines() {
        match (line, inside) {
            ("```console", _) => inside = true,
            ("```", _) => inside = false,
            (line, true) => match (line.strip_prefix("$ "), found.last_mut()) {
                (Some(command), _) => found.push((command.to_owned(), String::new())),
                (None, Some((_, output))) => *output += &format!("{line}\n"),
                (None, None) => panic!("output before any command: {line}"),
            },
            _ => {}
        }
    }
    found
}

fn follow(guide: &str) {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(tree.join("docs").join(guide)).unwrap();
    let commands = commands(&text);
    assert!(commands.len() > 8, "{guide} has only {} commands", commands.len());

    let place = folder();
    let compile = Command::new("cc")
        .args(["-O2", "-o", "server"])
        .arg(tree.join("examples/server.c"))
        .current_dir(place.path())
        .status()
        .unwrap();
    assert!(compile.success());
    let server = Command::new("./server").current_dir(place.path()).stdout(Stdio::null()).spawn().unwrap();
    let server = Server(server);
    let ours = Path::new(env!("CARGO_BIN_EXE_stapes")).parent().unwrap();
    let path = format!("{}:{}", ours.display(), std::env::var("PATH").unwrap_or_default());
    for (command, shown) in commands {
        let output = Command::new("timeout")
            .args(["60", "sh", "-c", &command])
            .current_dir(place.path())
            .env("PATH", &path)
            .env("PID", server.0.id().to_string())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let (out, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{guide}: `{command}`: {}\n{out}{errors}", output.status);
        assert!(shown.is_empty() || shown == out, "{guide}: `{command}` printed\n{out}instead of\n{shown}");
        assert!(!errors.contains("lost"), "{guide}: `{command}` lost events:\n{errors}");
    }
}

#[test]
fn the_guide_to_finding_probes_can_be_followed() {
    if can_compile("the_guide_to_finding_probes_can_be_followed") {
        follow("finding.md");
    }
}

#[test]
fn the_guide_to_tracing_can_be_followed() {
    let test = "the_guide_to_tracing_can_be_followed";
    if can_compile(test) && root(test) {
        follow("tracing.md");
    }
}
