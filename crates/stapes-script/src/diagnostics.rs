//! Every diagnostic of the language, one function each, so that they can be read, documented and tested in one place.

pub mod semantic;

use crate::ast::Span;
use crate::suggest;

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
    /// Other places that explain it, each with what to say there.
    pub related: Vec<(Span, String)>,
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
            related: Vec::new(),
            help: Vec::new(),
        }
    }

    fn warning(slug: &'static str, span: Span, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(slug, span, message) }
    }

    fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    fn did_you_mean<'a>(self, name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        match suggest::nearest(name, candidates) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self,
        }
    }
}

// Text and tokens.

/// The script is not UTF-8 from some offset on.
pub fn invalid_utf8(offset: usize) -> Diagnostic {
    let start = u32::try_from(offset).unwrap_or(u32::MAX);
    let span = Span { start, end: start };
    Diagnostic::error(
        "invalid-utf8",
        span,
        format!("the script is not UTF-8: byte {offset} fits no character"),
    )
    .help("in strings, write such a byte as an escape: `\\xff`")
}

/// The script has more bytes than are worth reading.
pub fn script_too_large(size: usize, limit: usize) -> Diagnostic {
    let message = format!("the script has {size} bytes, more than the {limit} that are accepted");
    Diagnostic::error("script-too-large", Span::default(), message)
}

/// A character that begins nothing.
pub fn unknown_character(span: Span, text: &str) -> Diagnostic {
    let control = text.chars().any(char::is_control);
    let shown = if control { text.escape_debug().to_string() } else { text.to_owned() };
    let d = Diagnostic::error("unknown-character", span, format!("the language has no `{shown}`"));
    match text {
        "'" => d.help("strings are written with double quotes"),
        "#" => d.help("comments begin with `//`"),
        "$" => d.help("a variable is `$` and a name, a positional parameter `$` and a number"),
        _ => d,
    }
}

/// A string without its second quote.
pub fn unterminated_string(span: Span) -> Diagnostic {
    Diagnostic::error("unterminated-string", span, "the string does not end in its line")
        .help("close it with `\"`; write a line break inside as `\\n`")
}

/// A comment without `*/`.
pub fn unterminated_comment(span: Span) -> Diagnostic {
    let opening = Span { start: span.start, end: span.start + 2 };
    Diagnostic::error("unterminated-comment", opening, "the comment has no end").help("close it with `*/`")
}

/// A backslash before something that it does not change.
pub fn unknown_escape(span: Span, character: char) -> Diagnostic {
    let message = format!("`\\{}` is not an escape", character.escape_debug());
    Diagnostic::error("unknown-escape", span, message).help(
        "escapes are `\\n \\t \\r \\\" \\\\`, `\\101` (octal) and `\\x41`; a backslash itself is `\\\\`",
    )
}

/// A number that is written wrongly.
pub fn bad_integer(span: Span, text: &str, why: &str) -> Diagnostic {
    Diagnostic::error("bad-integer", span, format!("`{text}` is not a number: {why}")).help(
        "numbers are `12`, `1_000`, `0x1f`, `017` (octal), `1e6`, `5u`, and durations `5ns us ms s m h d`",
    )
}

/// A positional parameter that is written wrongly.
pub fn bad_parameter(span: Span, text: &str) -> Diagnostic {
    Diagnostic::error("bad-parameter", span, format!("`{text}` is not a positional parameter"))
        .help("they are `$1`, `$2` and so on; `$#` is how many were given")
}

/// A number of more than 64 bits.
pub fn integer_too_large(span: Span, text: &str) -> Diagnostic {
    Diagnostic::error("integer-too-large", span, format!("`{text}` does not fit into 64 bits"))
}

// Syntax.

/// Something else should stand here.
pub fn expected(span: Span, wanted: &str, found: &str) -> Diagnostic {
    Diagnostic::error("expected", span, format!("expected {wanted}, found {found}"))
        .label(format!("expected {wanted}"))
}

/// A bracket that is not closed where it should be.
pub fn unclosed(span: Span, closing: &str, found: &str, opening: Span) -> Diagnostic {
    Diagnostic::error("unclosed", span, format!("expected {closing}, found {found}"))
        .label(format!("expected {closing}"))
        .related(opening, "to close this")
}

/// Expressions or blocks inside one another, too many of them.
pub fn too_deep(span: Span, limit: u32) -> Diagnostic {
    Diagnostic::error("too-deep", span, format!("nested more than {limit} levels deep"))
        .help("keep a part of it in a variable")
}

/// The left side of an assignment, or the operand of `++`, is a value and not a place.
pub fn not_assignable(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error("not-assignable", span, format!("{what} cannot be assigned to"))
        .help("variables `$x` and maps `@x`, `@x[key]` can")
}

/// A statement or other text where a probe should be.
pub fn outside_probe(span: Span, text: &str) -> Diagnostic {
    Diagnostic::error("outside-probe", span, format!("`{text}` stands outside of any probe"))
        .help("statements belong into a probe's block: `BEGIN { … }`")
}

/// A C construct that the language leaves out.
pub fn unsupported_definition(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error("unsupported-definition", span, format!("{what} cannot be used in a script"))
}

/// `#include` is skipped.
pub fn include_ignored(span: Span) -> Diagnostic {
    Diagnostic::warning("include-ignored", span, "headers are not read")
        .help("write the `struct` definitions and `#define`s that the script needs into the script")
}

// Attach points.

/// The word before the first `:` is no kind of probe.
pub fn unknown_probe_kind<'a>(
    span: Span,
    kind: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Diagnostic {
    Diagnostic::error("unknown-probe-kind", span, format!("`{kind}` is not a kind of probe"))
        .did_you_mean(kind, candidates)
}

/// The parts of an attach point do not fit its kind.
pub fn bad_attach_point(span: Span, message: impl Into<String>, form: &str) -> Diagnostic {
    Diagnostic::error("bad-attach-point", span, message).help(format!("it is written `{form}`"))
}

/// Adds to a complaint about too many parts that colons may be quoted.
pub(crate) fn quote_colons(complaint: Diagnostic) -> Diagnostic {
    complaint.help("a part that has colons itself is written in double quotes")
}

/// An attach point names a positional parameter that was not given.
pub fn missing_parameter(span: Span, number: &str, given: usize) -> Diagnostic {
    let message = match given {
        0 => format!("`${number}` was not given: the script was started without parameters"),
        _ => format!("`${number}` was not given: the script was started with {given}"),
    };
    Diagnostic::error("missing-parameter", span, message)
        .help("parameters follow the script on the command line")
}

/// No probe matches an attach point.
pub fn unknown_probe(span: Span, spec: &str, near: &[String]) -> Diagnostic {
    let mut d = Diagnostic::error("unknown-probe", span, format!("no probe matches `{spec}`"));
    for name in near {
        d = d.help(format!("did you mean `{name}`?"));
    }
    d
}

/// A program's values need more memory than the kernel gives it.
pub fn too_much_memory(span: Span, bytes: u32, limit: u32) -> Diagnostic {
    Diagnostic::error("too-much-memory", span, format!("this probe needs {bytes} bytes of memory at a time"))
        .help(format!("a probe can have {limit} bytes; shorten strings, with `str(…, LENGTH)` or max_strlen"))
}

/// A program has jumps that the kernel's instruction set cannot express.
pub fn program_too_long(span: Span, program: &str) -> Diagnostic {
    Diagnostic::error(
        "program-too-long",
        span,
        format!("the program `{program}` is too long for this kernel"),
    )
    .help("split the block into several for the same probe")
}

/// A pass broke a promise to the next: a defect of ours, said rather than hidden.
pub fn internal(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error("internal-error", span, format!("the compiler lost its way: {what}"))
        .help("this is a defect of stapes; please report it with the script")
}
