//! Every diagnostic of the language, one function each, so that they can be read, documented and tested in one place.

use crate::ast::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The script cannot run.
    Error,
    /// The script runs, perhaps not as meant.
    Warning,
}

/// Something to tell the script's author, with its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The stable name, such as `unknown-probe`; docs/errors.md has a section for each.
    pub slug: &'static str,
    /// One line, lower case, no full stop.
    pub message: String,
    /// The place that the caret underlines.
    pub span: Span,
    /// What to say at the caret, if more than the message.
    pub label: String,
    /// What to do about it: "did you mean `count`?".
    pub help: Vec<String>,
}

impl Diagnostic {
    fn error(slug: &'static str, span: Span, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Error,
            slug,
            message: message.into(),
            span,
            label: String::new(),
            help: Vec::new(),
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// No probe matches an attach point.
pub fn unknown_probe(span: Span, spec: &str, near: &[String]) -> Diagnostic {
    let mut d = Diagnostic::error("unknown-probe", span, format!("no probe matches `{spec}`"));
    for name in near {
        d = d.help(format!("did you mean `{name}`?"));
    }
    d
}
