//! Text, in the layouts of bpftrace's newest release.
//!
//! Values go to the output; what is about the session (attached, lost, warnings) goes to the diagnostics, which are
//! standard error, so that the output can be piped on.

use std::io::{self, Write};

use stapes_session::events::{Facts, Listener, Message, Record, Value};

use crate::command;
use crate::format::Format;
use crate::sink::{Buffering, Sink};
use crate::time::Clock;
use crate::{losses, map, value};

/// How much is said about the session itself. Problems are always told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Talk {
    /// Problems only.
    Quiet,
    /// That it is attached.
    #[default]
    Usual,
    /// And at how many places.
    More,
}

/// Shows messages as text.
pub struct Text {
    sink: Sink,
    diagnostics: Box<dyn Write>,
    talk: Talk,
    clock: Clock,
    formats: Formats,
    table: bool,
}

impl Text {
    /// Values to `out`, what is about the session to `diagnostics`.
    pub fn new(out: Box<dyn Write>, diagnostics: Box<dyn Write>, buffering: Buffering, talk: Talk) -> Self {
        let sink = Sink::new(out, buffering);
        Text { sink, diagnostics, talk, clock: Clock::local(), formats: Formats::default(), table: false }
    }

    /// The same for a table: its heading says that it is attached, and behind it are no maps.
    pub fn table(self) -> Self {
        Text { table: true, ..self }
    }

    fn show(&mut self, message: Message<'_>, facts: &mut dyn Facts) -> io::Result<()> {
        let (out, clock) = (&mut self.sink.buffer, &mut self.clock);
        match message {
            Message::Attached { probes, sites } => {
                let plural = |n| if n == 1 { "" } else { "s" };
                let mut line = format!("Attached {probes} probe{}", plural(probes));
                if self.talk == Talk::More {
                    line.push_str(&format!(" at {sites} place{}", plural(sites)));
                }
                line.push('\n');
                let said = match self.talk {
                    Talk::Quiet => false,
                    // The heading of a table says that it begins.
                    Talk::Usual => !self.table,
                    Talk::More => true,
                };
                if said {
                    self.diagnostics.write_all(line.as_bytes())?;
                }
            }
            Message::Notify => {
                out.extend_from_slice(b"__BPFTRACE_NOTIFY_PROBES_ATTACHED\n");
                self.sink.write_out()?;
            }
            Message::Printf { event, format, fields } => {
                self.formats.get(event, format).write(fields.values(), facts, clock, out);
            }
            Message::Value(value) => {
                value::write_text(value, facts, clock, out);
                out.push(b'\n');
            }
            Message::Map { map, divisor } => map::text(map, divisor, facts, clock, out),
            Message::Time { format } => out.extend_from_slice(clock.now(format).as_bytes()),
            Message::Join { strings, separator } => {
                out.extend_from_slice(&joined(strings, separator));
                out.push(b'\n');
            }
            Message::Cat { format, fields } => {
                let path = formatted(format, fields, facts, clock);
                match command::cat(&path) {
                    Ok(content) => out.extend_from_slice(&content),
                    Err(error) => {
                        let path = String::from_utf8_lossy(&path);
                        self.warn(&format!("cannot read {path}: {error}"))?;
                    }
                }
            }
            Message::System { format, fields } => {
                let line = formatted(format, fields, facts, clock);
                match command::system(&line) {
                    Ok(content) => out.extend_from_slice(&content),
                    Err(error) => self.warn(&format!("cannot start a shell: {error}"))?,
                }
            }
            Message::Lost(loss) => self.warn(&losses::sentence(loss))?,
            Message::Warning(text) => self.warn(text)?,
            Message::End if self.table => {}
            Message::End => out.extend_from_slice(b"\n\n"),
        }
        Ok(())
    }

    fn warn(&mut self, text: &str) -> io::Result<()> {
        self.diagnostics.write_all(format!("warning: {text}\n").as_bytes())
    }
}

impl Listener for Text {
    fn message(&mut self, message: Message<'_>, facts: &mut dyn Facts) -> io::Result<()> {
        self.show(message, facts)?;
        self.sink.message_done()
    }

    fn batch_done(&mut self) -> io::Result<()> {
        self.sink.batch_done()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.write_out()
    }
}

/// Formats that have been taken apart, by event.
#[derive(Default)]
pub(crate) struct Formats {
    known: Vec<Option<Format>>,
}

impl Formats {
    pub(crate) fn get(&mut self, event: u32, format: &str) -> &Format {
        let index = event as usize;
        if self.known.len() <= index {
            self.known.resize(index + 1, None);
        }
        self.known[index].get_or_insert_with(|| Format::new(format))
    }
}

pub(crate) fn formatted(
    format: &str,
    fields: &Record<'_>,
    facts: &mut dyn Facts,
    clock: &mut Clock,
) -> Vec<u8> {
    let mut out = Vec::new();
    Format::new(format).write(fields.values(), facts, clock, &mut out);
    out
}

/// The strings up to the first empty one, with `separator` between them.
pub(crate) fn joined(strings: Value<'_>, separator: &str) -> Vec<u8> {
    let Value::Array(items) = strings else { return Vec::new() };
    let strings: Vec<&[u8]> = items
        .iter()
        .map_while(|item| match item {
            Value::Str(text) if !text.is_empty() => Some(text),
            _ => None,
        })
        .collect();
    strings.join(separator.as_bytes())
}
