//! `docs/define-c.md`, followed as a reader would: its program is compiled, its commands are run and print what it shows.

use std::process::Command;

use super::toolchain::{all_there, folder, is_root, output, root, skip, stapes};

/// The fenced blocks of a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn the_guide_to_defining_probes_in_c_can_be_followed() {
    let test = "the_guide_to_defining_probes_in_c_can_be_followed";
    if !all_there(test, &["cc", "gdb", "readelf"]) {
        return;
    }
    if !is_root() {
        return skip(test, "tracing needs root");
    }
    let Some(stapes) = stapes() else {
        return skip(test, "the command is built when the whole workspace is tested");
    };
    let place = folder("guide");
    let guide = std::fs::read_to_string(root().join("docs/define-c.md")).unwrap();
    let [program] = blocks(&guide, "c")[..] else { panic!("the guide has one program") };
    std::fs::write(place.join("app.c"), program).unwrap();
    let path = format!("{}:{}", stapes.parent().unwrap().display(), std::env::var("PATH").unwrap());
    for block in blocks(&guide, "console") {
        for part in block.split("$ ").filter(|part| part.contains('\n') && !part.starts_with('\n')) {
            let (command, shown) = part.split_once('\n').unwrap();
            let mut shell = Command::new("timeout");
            shell.args(["60", "sh", "-c", command]).current_dir(&place);
            let output = output(shell.env("PATH", &path).env("STAPES", root()));
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{command}\n{text}{}", String::from_utf8_lossy(&output.stderr));
            assert!(shown.is_empty() || text.trim_end() == shown.trim_end(), "{command}\n{text}");
        }
    }
}
