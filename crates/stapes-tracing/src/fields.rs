//! The fields of a span or event as text.

use std::fmt::{Debug, Write};

use tracing_core::Field;
use tracing_core::field::Visit;

/// The message, and the other fields as `key=value key=value`.
#[derive(Default)]
pub(crate) struct Fields {
    pub(crate) message: String,
    pub(crate) others: String,
}

impl Fields {
    /// The fields that `record` tells of.
    pub(crate) fn of(record: impl FnOnce(&mut Fields)) -> Fields {
        let mut fields = Fields::default();
        record(&mut fields);
        fields
    }

    /// All fields; the message of a span is a field like the others.
    pub(crate) fn all(mut self) -> String {
        if !self.message.is_empty() {
            let message = std::mem::take(&mut self.message);
            self.add("message", format_args!("{message}"));
        }
        self.others
    }

    fn add(&mut self, name: &str, value: std::fmt::Arguments<'_>) {
        if !self.others.is_empty() {
            self.others.push(' ');
        }
        // Writing to a string does not fail.
        let _ = write!(self.others, "{name}={value}");
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.add(field.name(), format_args!("{value}"));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            self.add(field.name(), format_args!("{value:?}"));
        }
    }
}
