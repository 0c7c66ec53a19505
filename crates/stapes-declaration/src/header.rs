//! Writes providers as a C header: what `dtrace -h` makes, but complete in itself, and with names and types of arguments.
//!
//! ```text
//! #define MYAPP_REQUEST_START(id, path) …
//! #define MYAPP_REQUEST_START_ENABLED() …
//! ```
//!
//! The header begins with the text of `include/stapes.h`, so that a project that uses it depends on no other file.

use std::fmt::Write;

use crate::{Kind, Provider};

/// The header that the macros are made with: `include/stapes.h`.
pub const STAPES_H: &str = include_str!("stapes.h");

/// Writes a header for the providers; `source` names what they were read from.
pub fn write(providers: &[Provider], source: &str) -> String {
    let guard = providers.iter().map(|provider| macro_name(&provider.name)).collect::<Vec<_>>().join("_");
    let mut out = String::new();
    let _ = writeln!(out, "/* Made from {} by `stapes gen`; do not edit. */", source.replace("*/", ""));
    let _ = writeln!(out, "#ifndef {guard}_PROBES_H\n#define {guard}_PROBES_H\n");
    out.push_str(STAPES_H);
    for provider in providers {
        for probe in &provider.probes {
            let name = format!("{}_{}", macro_name(&provider.name), macro_name(&probe.name));
            let mut parameters = Vec::new();
            let mut passed = Vec::new();
            for (number, argument) in probe.arguments.iter().enumerate() {
                let parameter = format!("stapes_{number}");
                let (spelled, text) = (escape(&argument.name), escape(&argument.text));
                let values = argument.kind.values();
                let kind = kind_constant(&argument.kind);
                passed.push(format!("(({parameter}), {kind}, \"{spelled}\", \"{text}\")"));
                parameters.push(parameter.clone());
                if values == 2 {
                    // The second value belongs to the first: it has no meaning of its own.
                    parameters.push(format!("{parameter}_more"));
                    passed.push(format!("(({parameter}_more), STAPES_BELONGS_, \"\", \"\")"));
                }
            }
            out.push('\n');
            let arguments: Vec<String> =
                probe.arguments.iter().map(|a| format!("{} {}", a.text, a.name).trim().to_owned()).collect();
            let _ = writeln!(
                out,
                "/* {}:{}({})",
                provider.name,
                probe.name,
                arguments.join(", ").replace("*/", "* /")
            );
            for line in probe.documentation.lines() {
                let _ = writeln!(out, "   {}", line.replace("*/", "* /"));
            }
            out.truncate(out.trim_end().len());
            out.push_str(" */\n");
            let counted = u8::from(probe.has_semaphore);
            let site = format!("STAPES_DECLARED_{}_", passed.len());
            let passed: String = passed.iter().map(|argument| format!(", \\\n        {argument}")).collect();
            let _ = writeln!(out, "#define {name}({}) \\", parameters.join(", "));
            let _ = writeln!(out, "    {site}({}, {}, {counted}{passed})", provider.name, probe.name);
            if probe.has_semaphore {
                let _ = writeln!(
                    out,
                    "#define {name}_ENABLED() STAPES_ENABLED({}, {})",
                    provider.name, probe.name
                );
            } else {
                let _ = writeln!(out, "#define {name}_ENABLED() 1");
            }
        }
    }
    let _ = writeln!(out, "\n#endif");
    out
}

/// A name in capitals, with `__` and `-` as one underscore: as `dtrace -h` does.
fn macro_name(name: &str) -> String {
    name.replace("__", "_").replace('-', "_").to_uppercase()
}

/// How the header's constants name a kind; 0 leaves it to the compiler to see what is passed.
fn kind_constant(kind: &Kind) -> String {
    match kind {
        Kind::Char => "STAPES_CHAR32_".to_owned(),
        Kind::String => "STAPES_STRING_".to_owned(),
        Kind::Bytes => "STAPES_BYTES_".to_owned(),
        Kind::CStringWithLength => "STAPES_C_STRING_WITH_LENGTH_".to_owned(),
        Kind::CString => "STAPES_C_STRING_".to_owned(),
        Kind::Pointer => "STAPES_POINTER_".to_owned(),
        Kind::Bool => "STAPES_BOOL_".to_owned(),
        Kind::Optional(kind) => match **kind {
            // The inner meaning decides; a number has its flag as a second value.
            Kind::Unsigned(_) | Kind::Signed(_) | Kind::Float(_) | Kind::CChar => {
                "STAPES_OPTIONAL_".to_owned()
            }
            ref kind => format!("(STAPES_OPTIONAL_ | {})", kind_constant(kind)),
        },
        _ => "0".to_owned(),
    }
}

/// Text in a C string that goes into an assembler string.
fn escape(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '"' | '\\' | '%' | '{' | '}' | '|')).collect()
}
