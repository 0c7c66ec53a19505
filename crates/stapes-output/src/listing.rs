//! `stapes list`: one line a probe, or everything about it as text or JSON.
//!
//! The full name is the one that a script attaches by, so every line can be copied into one.

pub mod json;
pub mod live;

use std::borrow::Cow;
use std::io::{self, Write};

use live::LiveFile;
use stapes_binary::{Arg, ArgSpec, Operand, Site};
use stapes_session::discovery::facts::{ProbeFacts, SiteFacts};
use stapes_session::discovery::spec::quoted;
use stapes_session::discovery::{Found, Skipped};

/// `usdt:PATH:PROVIDER:NAME`, as a script spells it.
pub fn full_name(found: &Found, probe: &ProbeFacts) -> String {
    let path = found.path.display().to_string();
    format!("usdt:{}:{}:{}", quoted(&path), quoted(&probe.probe.provider), quoted(&probe.probe.name))
}

/// One line a probe.
///
/// # Errors
/// `out` cannot be written.
pub fn names(out: &mut dyn Write, found: &[Found]) -> io::Result<()> {
    for file in found {
        let path = file.path.display().to_string();
        let path = quoted(&path);
        for probe in &file.facts.probes {
            writeln!(out, "usdt:{path}:{}:{}", quoted(&probe.probe.provider), quoted(&probe.probe.name))?;
        }
    }
    Ok(())
}

/// Every probe with its sites and arguments, and with what running processes say about them.
///
/// # Errors
/// `out` cannot be written.
pub fn verbose(out: &mut dyn Write, found: &[Found]) -> io::Result<()> {
    for file in found {
        let live = LiveFile::read(file);
        for probe in &file.facts.probes {
            writeln!(out, "{}", full_name(file, probe))?;
            for (index, site) in probe.probe.sites.iter().enumerate() {
                let facts = probe.sites.get(index);
                writeln!(out, "  location #{} {}", index + 1, place(site, facts))?;
                for (number, arg) in site.args.iter().enumerate() {
                    writeln!(out, "    arg{number} {}", argument(arg))?;
                }
                for (process, live) in live.sites(&file.facts, site, facts) {
                    writeln!(out, "    {process}: {}", live::words(&live))?;
                }
            }
        }
    }
    Ok(())
}

/// What could not be looked at, grouped by reason; with `all` every name of it.
///
/// # Errors
/// `err` cannot be written.
pub fn skipped(err: &mut dyn Write, skipped: &[Skipped], all: bool) -> io::Result<()> {
    const SHOWN: usize = 8;
    let (named, met): (Vec<_>, Vec<_>) = skipped.iter().partition(|s| s.named);
    for one in named {
        writeln!(err, "error: {}: {}", plain(&one.what), one.reason)?;
    }
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for one in met {
        match groups.iter_mut().find(|(reason, _)| *reason == one.reason) {
            Some((_, whats)) => whats.push(&one.what),
            None => groups.push((&one.reason, vec![&one.what])),
        }
    }
    for (reason, whats) in groups {
        let shown = if all { whats.len() } else { whats.len().min(SHOWN) };
        write!(err, "skipped: {}", plain(&whats[..shown].join(", ")))?;
        if shown < whats.len() {
            write!(err, " and {} more (-v names them)", whats.len() - shown)?;
        }
        writeln!(err, ": {reason}")?;
    }
    Ok(())
}

/// What to say when nothing was found.
pub fn nothing_found(files: u64, place: &str) -> String {
    match files {
        1 => format!("no probes in {place}"),
        files => format!("no probes in {place} ({files} files looked at)"),
    }
}

fn place(site: &Site, facts: Option<&SiteFacts>) -> String {
    let mut text = format!("{}", site.pc);
    match site.file_offset {
        Some(offset) if offset.0 != site.pc.0 => text += &format!(", file offset {offset}"),
        Some(_) => {}
        None => text += ", not in the file",
    }
    if let Some(symbol) = facts.and_then(SiteFacts::symbol) {
        text += &format!(", in {}", plain(&symbol));
    }
    if let Some(nop) = facts.and_then(SiteFacts::nop) {
        text += &format!(", nop {nop}");
    }
    if let Some(semaphore) = site.semaphore {
        text += &format!(", semaphore {semaphore}");
    }
    text
}

/// `signed 4 bytes at -4(%rbp)`: an argument in words.
pub(crate) fn argument(arg: &Arg) -> String {
    match &arg.spec {
        Ok(spec) => {
            let kind = match (spec.float, spec.signed) {
                (true, _) => "float",
                (false, true) => "signed",
                (false, false) => "unsigned",
            };
            let unit = if spec.size == 1 { "byte" } else { "bytes" };
            format!("{kind} {} {unit} {}", spec.size, operand_words(spec, operand_text(arg)))
        }
        Err(e) => format!("not understood: `{}`: {} at byte {}", plain(&arg.text), e.reason, e.at),
    }
}

/// Text that files and processes chose, fit for a terminal: control characters as escapes.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    match text.contains(char::is_control) {
        false => Cow::Borrowed(text),
        true => text
            .chars()
            .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.into() })
            .collect(),
    }
}

/// The operand as the note spells it: what stands behind `@`.
pub(crate) fn operand_text(arg: &Arg) -> &str {
    arg.text.split_once('@').map_or(&arg.text, |(_, operand)| operand)
}

fn operand_words(spec: &ArgSpec, text: &str) -> String {
    match &spec.operand {
        Operand::Register(_) => format!("in {text}"),
        Operand::RegisterPair(low, high) => format!("in the pair {}:{}", high.name, low.name),
        Operand::Constant(value) => format!("constant {value}"),
        Operand::Memory { symbol: Some(symbol), .. } => match symbol.address {
            Some(address) => format!("at {text} ({} is at {address})", symbol.name),
            None => format!("at {text} ({} is in no symbol table)", symbol.name),
        },
        Operand::Memory { .. } => format!("at {text}"),
    }
}
