//! Writes providers as Rust modules with `#[stapes::provider]`: how a project moves from a `.d` file to Rust,
//! and what `stapes::include_provider!` expands to.

use std::fmt::Write;

use crate::{Error, Kind, Provider};

/// Writes the providers, each as a public module of the provider's name.
///
/// # Errors
/// A type that the source does not explain, or that Rust has no name for; the place is that of the whole source,
/// as a declaration keeps none.
pub fn write(providers: &[Provider]) -> Result<String, Error> {
    let mut out = String::new();
    for provider in providers {
        document(
            &mut out,
            "",
            &provider.documentation,
            &format!("The probes of the provider `{}`.", provider.name),
        );
        let _ = writeln!(out, "#[stapes::provider(name = \"{}\")]", provider.name);
        let _ = writeln!(out, "pub mod {} {{", identifier(&provider.name));
        for (i, probe) in provider.probes.iter().enumerate() {
            if i > 0 {
                out.push('\n');
            }
            document(
                &mut out,
                "    ",
                &probe.documentation,
                &format!("The probe `{}:{}`.", provider.name, probe.name),
            );
            let function = identifier(&probe.name);
            if function.trim_start_matches("r#") != probe.name {
                let _ = writeln!(out, "    #[probe(name = \"{}\")]", probe.name);
            }
            if !probe.has_semaphore {
                out.push_str("    #[semaphore(none)]\n");
            }
            let mut arguments = Vec::new();
            for (number, argument) in probe.arguments.iter().enumerate() {
                let kind = rust_type(&argument.kind).ok_or_else(|| Error {
                    line: 1,
                    column: 1,
                    message: format!(
                        "Rust has no type for `{}`, argument {number} of `{}:{}`; declare it with `typedef`",
                        argument.text, provider.name, probe.name
                    ),
                })?;
                let name = if argument.name.is_empty() {
                    format!("arg{number}")
                } else {
                    identifier(&argument.name)
                };
                arguments.push(format!("{name}: {kind}"));
            }
            let _ = writeln!(out, "    pub fn {function}({});", arguments.join(", "));
        }
        out.push_str("}\n");
    }
    Ok(out)
}

/// The Rust type that passes the same values.
fn rust_type(kind: &Kind) -> Option<String> {
    Some(match kind {
        Kind::Unsigned(size) => format!("u{}", 8 * u32::from(*size)),
        Kind::Signed(size) => format!("i{}", 8 * u32::from(*size)),
        Kind::CChar => "::core::ffi::c_char".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::Char => "char".to_owned(),
        Kind::Float(size @ (4 | 8)) => format!("f{}", 8 * u32::from(*size)),
        Kind::Pointer => "*const ::core::ffi::c_void".to_owned(),
        Kind::CString => "*const ::core::ffi::c_char".to_owned(),
        Kind::String => "&str".to_owned(),
        Kind::Bytes => "&[u8]".to_owned(),
        Kind::CStringWithLength => "&::core::ffi::CStr".to_owned(),
        Kind::Optional(kind) => format!("Option<{}>", rust_type(kind)?),
        Kind::Float(_) | Kind::Unknown => return None,
    })
}

/// A name as a Rust identifier.
fn identifier(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| if c == '_' || c.is_alphanumeric() { c.to_string() } else { "__".to_owned() })
        .collect();
    const KEYWORDS: &str = " abstract as async await become box break const continue do dyn else enum extern false final fn for \
                            gen if impl in let loop macro match mod move mut override priv pub ref return static struct trait \
                            true try type typeof unsafe unsized use virtual where while yield ";
    match name.as_str() {
        "self" | "Self" | "super" | "crate" => format!("{name}_"),
        _ if KEYWORDS.contains(&format!(" {name} ")) => format!("r#{name}"),
        _ => name,
    }
}

fn document(out: &mut String, indent: &str, documentation: &str, otherwise: &str) {
    let text = if documentation.is_empty() { otherwise } else { documentation };
    for line in text.lines() {
        let _ = writeln!(out, "{indent}/// {line}");
    }
}
