//! The buffer before the output file.
//!
//! A line per write would cost a system call per event; so lines are gathered until the session says that a batch of
//! records is done, which is at once when events are rare.

use std::io::{self, Write};

/// When bytes leave the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Buffering {
    /// After each batch of events, so that every whole line is seen at once.
    #[default]
    Line,
    /// When the buffer is full and at the end.
    Full,
    /// After each event.
    None,
}

/// Bytes kept before they are written in any case.
const ENOUGH: usize = 64 << 10;

pub(crate) struct Sink {
    out: Box<dyn Write>,
    buffering: Buffering,
    pub(crate) buffer: Vec<u8>,
}

impl Sink {
    pub(crate) fn new(out: Box<dyn Write>, buffering: Buffering) -> Self {
        Sink { out, buffering, buffer: Vec::new() }
    }

    /// Called after each message.
    pub(crate) fn message_done(&mut self) -> io::Result<()> {
        match self.buffering {
            Buffering::None => self.write_out(),
            _ if self.buffer.len() >= ENOUGH => self.write_out(),
            _ => Ok(()),
        }
    }

    /// Called after each batch of messages.
    pub(crate) fn batch_done(&mut self) -> io::Result<()> {
        match self.buffering {
            Buffering::Full => Ok(()),
            _ => self.write_out(),
        }
    }

    pub(crate) fn write_out(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            let result = self.out.write_all(&self.buffer);
            self.buffer.clear();
            result?;
            self.out.flush()?;
        }
        Ok(())
    }
}
