//! JSON, one object a line, in the shapes of bpftrace's newest release.
//!
//! Unlike there, a lost event says its cause, and the bytes of a buffer are never negative.

use std::io::{self, Write};

use stapes_session::events::{Facts, Listener, Message};

use crate::sink::{Buffering, Sink};
use crate::text::{Formats, formatted, joined};
use crate::time::Clock;
use crate::value::{json_string, write_json};
use crate::{command, losses, map};

/// Shows messages as JSON.
pub struct Json {
    sink: Sink,
    clock: Clock,
    formats: Formats,
}

impl Json {
    /// Everything to `out`.
    pub fn new(out: Box<dyn Write>, buffering: Buffering) -> Self {
        Json { sink: Sink::new(out, buffering), clock: Clock::local(), formats: Formats::default() }
    }

    fn text(&mut self, kind: &str, text: &[u8]) {
        let out = &mut self.sink.buffer;
        out.extend_from_slice(format!("{{\"type\": \"{kind}\", \"data\": ").as_bytes());
        json_string(text, out);
        out.extend_from_slice(b"}\n");
    }

    fn show(&mut self, message: Message<'_>, facts: &mut dyn Facts) {
        let clock = &mut self.clock;
        match message {
            Message::Attached { probes, .. } => self.sink.buffer.extend_from_slice(
                format!("{{\"type\": \"attached_probes\", \"count\": {probes}, \"data\": {{\"probes\": {probes}}}}}\n")
                    .as_bytes(),
            ),
            Message::Notify => self.sink.buffer.extend_from_slice(b"__BPFTRACE_NOTIFY_PROBES_ATTACHED\n"),
            Message::Printf { event, format, fields } => {
                let mut text = Vec::new();
                self.formats.get(event, format).write(fields.values(), facts, clock, &mut text);
                self.text("printf", &text);
            }
            Message::Value(value) => {
                let out = &mut self.sink.buffer;
                out.extend_from_slice(b"{\"type\": \"value\", \"data\": ");
                write_json(value, facts, clock, out);
                out.extend_from_slice(b"}\n");
            }
            Message::Map { map, divisor } => {
                let out = &mut self.sink.buffer;
                map::json(map, divisor, facts, clock, out);
                if !map.entries.is_empty() {
                    out.push(b'\n');
                }
            }
            Message::Time { format } => {
                let text = clock.now(format);
                self.text("time", text.as_bytes());
            }
            Message::Join { strings, separator } => self.text("join", &joined(strings, separator)),
            Message::Cat { format, fields } => {
                let path = formatted(format, fields, facts, clock);
                match command::cat(&path) {
                    Ok(content) => self.text("cat", &content),
                    Err(error) => {
                        let path = String::from_utf8_lossy(&path);
                        self.text("warning", format!("cannot read {path}: {error}").as_bytes());
                    }
                }
            }
            Message::System { format, fields } => {
                let line = formatted(format, fields, facts, clock);
                match command::system(&line) {
                    Ok(content) => self.text("syscall", &content),
                    Err(error) => self.text("warning", format!("cannot start a shell: {error}").as_bytes()),
                }
            }
            Message::Lost(loss) => {
                let (count, out) = (loss.count, &mut self.sink.buffer);
                let start = format!(
                    "{{\"type\": \"lost_events\", \"count\": {count}, \"data\": {{\"events\": {count}}}, \"cause\": "
                );
                out.extend_from_slice(start.as_bytes());
                json_string(losses::cause(&loss.cause).as_bytes(), out);
                out.extend_from_slice(b"}\n");
            }
            Message::Warning(text) => self.text("warning", text.as_bytes()),
            Message::End => {}
        }
    }
}

impl Listener for Json {
    fn message(&mut self, message: Message<'_>, facts: &mut dyn Facts) -> io::Result<()> {
        self.show(message, facts);
        self.sink.message_done()
    }

    fn batch_done(&mut self) -> io::Result<()> {
        self.sink.batch_done()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.write_out()
    }
}
