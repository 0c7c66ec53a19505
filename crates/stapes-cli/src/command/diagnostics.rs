//! Diagnostics on standard error, in colour where a terminal is.

use std::io::{self, IsTerminal, Write};

use stapes_session::discovery::Skipped;
use stapes_session::script::diagnostics::Diagnostic;
use stapes_session::script::render::{Style, render};

/// Shows what the compiler says about a script.
pub(crate) fn show(name: &str, source: &str, diagnostics: &[Diagnostic]) -> io::Result<()> {
    let mut err = io::stderr().lock();
    // https://no-color.org: set and not empty.
    let colourless = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let style = if !colourless && err.is_terminal() { Style::Ansi } else { Style::Plain };
    for diagnostic in diagnostics {
        err.write_all(render(name, source, diagnostic, style).as_bytes())?;
    }
    Ok(())
}

/// Says what could not be looked at.
pub(crate) fn skipped(skipped: &[Skipped]) -> io::Result<()> {
    let mut err = io::stderr().lock();
    for skipped in skipped {
        writeln!(err, "warning: {}: {}", skipped.what, skipped.reason)?;
    }
    Ok(())
}
