//! Writes providers as a Markdown table: what users of a program need to know of its probes.

use std::fmt::Write;

use crate::{Argument, Kind, Provider};

/// Writes the providers.
pub fn write(providers: &[Provider]) -> String {
    let mut out = String::new();
    for (i, provider) in providers.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        let _ = writeln!(out, "# Probes of `{}`", provider.name);
        if !provider.documentation.is_empty() {
            let _ = writeln!(out, "{}\n", provider.documentation);
        }
        out.push_str("| probe | arguments | meaning |\n|---|---|---|\n");
        for probe in &provider.probes {
            let mut number = 0;
            let arguments: Vec<String> = probe
                .arguments
                .iter()
                .map(|argument| {
                    let text = describe(argument, number);
                    number += argument.kind.values();
                    text
                })
                .collect();
            let meaning = cell(&probe.documentation.replace('\n', " "));
            let _ = writeln!(
                out,
                "| `{}:{}` | {} | {meaning} |",
                provider.name,
                probe.name,
                arguments.join("<br>")
            );
        }
    }
    out
}

/// `arg0`: `char *path`, with the second value where there is one.
fn describe(argument: &Argument, number: usize) -> String {
    let name = if argument.name.is_empty() { String::new() } else { format!(" {}", cell(&argument.name)) };
    let mut text = format!("`arg{number}`{name}: `{}`", argument.text.replace('|', "\\|"));
    if argument.kind.values() == 2 {
        let second = match &argument.kind {
            Kind::Optional(kind) if kind.values() == 1 => "1 if there is a value",
            _ => "its length",
        };
        let _ = write!(text, ", `arg{}`: {second}", number + 1);
    }
    text
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
