//! Probes as definitions that other tools take as they are: `stapes list --format …`.
//!
//! | format | who takes it |
//! |---|---|
//! | `bpftrace` | a script: `bpftrace FILE` |
//! | `uprobe_events` | the kernel: lines for `/sys/kernel/tracing/uprobe_events` (Documentation/trace/uprobetracer.rst) |
//! | `perf` | a shell: `perf buildid-cache` and `perf probe` |
//! | `gdb` | gdb: a command file for `gdb -x` |
//!
//! What a format cannot say stands in it as a comment, so that nothing is left out unseen.

mod uprobe_events;

use std::io::{self, Write};

use stapes_binary::{Arg, Operand, Probe, Site};
use stapes_session::discovery::Found;

use crate::listing::full_name;

/// The formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A bpftrace script that prints every argument.
    Bpftrace,
    /// Lines for the kernel's `uprobe_events`.
    UprobeEvents,
    /// Commands of perf for a shell.
    Perf,
    /// Commands of gdb.
    Gdb,
}

/// Writes definitions of all probes.
///
/// # Errors
/// `out` cannot be written.
pub fn write(out: &mut dyn Write, format: Format, found: &[Found]) -> io::Result<()> {
    match format {
        Format::Bpftrace => found.iter().try_for_each(|f| bpftrace(out, f)),
        Format::UprobeEvents => found.iter().try_for_each(|f| uprobe_events::write(out, f)),
        Format::Perf => found.iter().try_for_each(|f| perf(out, f)),
        Format::Gdb => found.iter().try_for_each(|f| gdb(out, f)),
    }
}

fn bpftrace(out: &mut dyn Write, found: &Found) -> io::Result<()> {
    for probe in &found.facts.probes {
        // bpftrace gives up where the sites of a probe have different numbers of arguments, if more are used.
        let count = probe.probe.sites.iter().map(|s| s.args.len()).min().unwrap_or(0);
        let args = probe.probe.sites.first().map_or(&[][..], |s| &s.args[..count]);
        let formats: Vec<&str> = args.iter().map(printf_format).collect();
        let values: String = (0..count).map(|i| format!(", arg{i}")).collect();
        writeln!(
            out,
            "{} {{ printf(\"{}{}{}\\n\"{values}); }}",
            full_name(found, probe),
            probe.probe.full_name().replace('%', "%%"),
            if formats.is_empty() { "" } else { " " },
            formats.join(" "),
        )?;
    }
    Ok(())
}

fn printf_format(arg: &Arg) -> &'static str {
    match &arg.spec {
        Ok(spec) if spec.float => "%llx",
        Ok(spec) if spec.signed => "%lld",
        _ => "%llu",
    }
}

fn perf(out: &mut dyn Write, found: &Found) -> io::Result<()> {
    let path = found.path.display().to_string();
    writeln!(out, "perf buildid-cache --add {}", shell_word(&path))?;
    for probe in &found.facts.probes {
        let Probe { provider, name, sites } = &probe.probe;
        let event = shell_word(&format!("sdt_{provider}:{name}"));
        let uniform = sites.windows(2).all(|pair| perf_types(&pair[0]) == perf_types(&pair[1]));
        match uniform {
            true => writeln!(out, "perf probe {event}")?,
            false => writeln!(
                out,
                "# {event}: perf makes one event of all sites, and their arguments differ in type"
            )?,
        }
    }
    Ok(())
}

/// The arguments as perf gives them to the kernel, which takes another site into an event only if these are the same.
/// Constants are left out there.
fn perf_types(site: &Site) -> Vec<Option<(u8, bool)>> {
    let kind = |arg: &Arg| match &arg.spec {
        Ok(spec) if !matches!(spec.operand, Operand::Constant(_)) => Some((spec.size, spec.signed)),
        _ => None,
    };
    site.args.iter().map(kind).collect()
}

fn gdb(out: &mut dyn Write, found: &Found) -> io::Result<()> {
    let path = found.path.display().to_string();
    // gdb splits at blanks and colons and knows no quotes here; without the object it looks in all of them.
    let object = match path.contains([' ', ':', '\t', '\n']) {
        true => String::new(),
        false => format!("{path}:"),
    };
    for probe in &found.facts.probes {
        writeln!(out, "break -probe-stap {object}{}", probe.probe.full_name())?;
    }
    Ok(())
}

/// `text` as one word of a POSIX shell.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
