//! Attach points: `usdt:/usr/bin/x:provider:name` and their kin, which have a lexical grammar of their own.
//!
//! An attach point is parts with colons between, up to a blank, `,`, `{`, `(`, `)`, `;` or `}`.
//! A `/` belongs to a path once there was a colon; before that (`BEGIN/1/`) it begins a predicate.
//! In double quotes everything belongs to the part, and `\` takes the next character as it is, so a path may have
//! colons, blanks and whatever else: `usdt:"/opt/my app:2/x":p:n`, `uprobe:/bin/x:"ns::f(int, char)"`.
//! `*`, `?` and `[…]` are wildcards, in quotes too.
//!
//! **Positional parameters.** `$1` is replaced here, while parsing, in quotes too: what a script attaches to must be
//! known before the files are looked at.
//! The text of a parameter is never split at colons and never read for escapes, so any file name can be passed.
//! Where a `$` before a digit is meant, write `\$`; before anything else it stands for itself.

use crate::ast::{AttachKind, AttachPoint, Span};
use crate::diagnostics::{self, Diagnostic};
use crate::{lexer, literal};

/// Reads one attach point that stands by itself, as on a command line.
///
/// Whatever is wrong with it is in the list, and its kind is then [`AttachKind::Bad`].
pub fn attach_point(text: &str, parameters: &[String]) -> (AttachPoint, Vec<Diagnostic>) {
    let text = text.trim();
    let mut complaints = Vec::new();
    let end = extent(text, 0);
    let point = read(text, Span { start: 0, end: end as u32 }, parameters, &mut complaints);
    if end < text.len() && complaints.is_empty() {
        let rest = Span { start: end as u32, end: text.len() as u32 };
        let found = format!("`{}`", &text[end..]);
        complaints.push(diagnostics::expected(rest, "the end of the attach point", &found));
    }
    (point, complaints)
}

/// The offset behind the attach point that begins at `start`.
pub(crate) fn extent(source: &str, start: usize) -> usize {
    let bytes = source.as_bytes();
    let mut colon = false;
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        at += match byte {
            b'"' => lexer::string_length(&bytes[at..]),
            b'\\' if !matches!(bytes.get(at + 1), None | Some(b'\n')) => 2,
            b'/' if !colon => break,
            b',' | b'{' | b'}' | b'(' | b')' | b';' => break,
            b if b.is_ascii_whitespace() => break,
            _ => 1,
        };
        colon |= byte == b':';
    }
    // A backslash may have stepped into a character of several bytes.
    while !source.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// Reads the attach point that has the given place in the source.
pub(crate) fn read(
    source: &str,
    span: Span,
    parameters: &[String],
    complaints: &mut Vec<Diagnostic>,
) -> AttachPoint {
    let text = source[span.start as usize..span.end as usize].to_owned();
    let before = complaints.len();
    let parts = split(&text, span.start, parameters, complaints);
    let kind = match classify(&parts, span) {
        _ if complaints.len() > before => AttachKind::Bad,
        Ok(kind) => kind,
        Err(complaint) => {
            complaints.push(complaint);
            AttachKind::Bad
        }
    };
    AttachPoint { text, kind, span }
}

/// What stands between two colons, quotes and escapes resolved.
#[derive(Debug)]
struct Part {
    text: String,
    /// Its place, quotes included.
    span: Span,
    /// Whether some of it was in quotes.
    quoted: bool,
    /// Where in `text` the last `+` is that was not in quotes.
    plus: Option<usize>,
}

/// Cuts an attach point at its colons.
fn split(text: &str, start: u32, parameters: &[String], complaints: &mut Vec<Diagnostic>) -> Vec<Part> {
    let place = |from: usize, to: usize| Span { start: start + from as u32, end: start + to as u32 };
    let new = |at: usize| Part { text: String::new(), span: place(at, at), quoted: false, plus: None };
    let mut parts = Vec::new();
    let mut part = new(0);
    let mut quote = None;
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        part.span.end = place(at, at + c.len_utf8()).end;
        match c {
            '"' => {
                quote = if quote.is_some() { None } else { Some(at) };
                part.quoted = true;
            }
            '\\' => {
                if let Some((at, c)) = rest.next() {
                    part.text.push(c);
                    part.span.end = place(at, at + c.len_utf8()).end;
                }
            }
            '$' if rest.peek().is_some_and(|(_, c)| c.is_ascii_digit()) => {
                let mut number = String::new();
                while let Some((_, digit)) = rest.next_if(|(_, c)| c.is_ascii_digit()) {
                    number.push(digit);
                }
                let end = at + 1 + number.len();
                part.span.end = place(at, end).end;
                match number.parse::<usize>().ok().and_then(|n| parameters.get(n.checked_sub(1)?)) {
                    Some(value) => part.text.push_str(value),
                    None => {
                        let complaint =
                            diagnostics::missing_parameter(place(at, end), &number, parameters.len());
                        complaints.push(complaint);
                    }
                }
            }
            ':' if quote.is_none() => {
                part.span.end -= 1;
                parts.push(std::mem::replace(&mut part, new(at + 1)));
            }
            _ => {
                if c == '+' && quote.is_none() {
                    part.plus = Some(part.text.len());
                }
                part.text.push(c);
            }
        }
    }
    parts.push(part);
    if let Some(at) = quote {
        complaints.push(diagnostics::unterminated_string(place(at, text.len())));
    }
    parts
}

/// A kind of attach point: its names, how it is written, how its parts are read.
struct Kind {
    /// The full name first.
    names: &'static [&'static str],
    form: &'static str,
    read: fn(&Words) -> Result<AttachKind, Diagnostic>,
}

const fn kind(
    names: &'static [&'static str],
    form: &'static str,
    read: fn(&Words) -> Result<AttachKind, Diagnostic>,
) -> Kind {
    Kind { names, form, read }
}

static KINDS: &[Kind] = &[
    kind(&["BEGIN", "begin"], "BEGIN", |w| w.alone(AttachKind::Begin)),
    kind(&["END", "end"], "END", |w| w.alone(AttachKind::End)),
    kind(&["usdt", "U"], "usdt:FILE:PROVIDER:NAME", usdt),
    kind(&["uprobe", "u"], "uprobe:FILE:FUNCTION+OFFSET", |w| uprobe(w, false)),
    kind(&["uretprobe", "ur"], "uretprobe:FILE:FUNCTION", |w| uprobe(w, true)),
    kind(&["interval", "i"], "interval:s|ms|us|hz:COUNT", |w| w.period().map(AttachKind::Interval)),
    kind(&["profile", "p"], "profile:hz|s|ms|us:COUNT", |w| w.period().map(AttachKind::Profile)),
    kind(&["tracepoint", "t"], "tracepoint:CATEGORY:NAME", tracepoint),
    kind(&["software", "s"], "software:EVENT:COUNT", software),
    kind(&["self"], "self:signal:NAME", signal),
    kernel(&["kprobe", "k"]),
    kernel(&["kretprobe", "kr"]),
    kernel(&["fentry", "f", "kfunc"]),
    kernel(&["fexit", "fr", "kretfunc"]),
    kernel(&["rawtracepoint", "rt"]),
    kernel(&["hardware", "h"]),
    kernel(&["watchpoint", "w"]),
    kernel(&["asyncwatchpoint", "aw"]),
    kernel(&["iter", "it"]),
    kernel(&["bench"]),
    kernel(&["test"]),
];

const fn kernel(names: &'static [&'static str]) -> Kind {
    kind(names, "", |w| Ok(AttachKind::Kernel(w.kind.names[0].to_owned())))
}

/// The parts behind the kind, for the functions that read them.
struct Words<'a> {
    kind: &'static Kind,
    parts: &'a [Part],
    /// The whole attach point.
    span: Span,
}

fn classify(parts: &[Part], span: Span) -> Result<AttachKind, Diagnostic> {
    let (first, rest) =
        parts.split_first().ok_or_else(|| diagnostics::expected(span, "a probe", "nothing"))?;
    match KINDS.iter().find(|k| k.names.contains(&first.text.as_str())) {
        Some(kind) => (kind.read)(&Words { kind, parts: rest, span }),
        None => {
            let names = KINDS.iter().flat_map(|k| k.names.iter().copied()).filter(|name| name.len() > 2);
            Err(diagnostics::unknown_probe_kind(first.span, &first.text, names))
        }
    }
}

impl Words<'_> {
    fn bad(&self, message: impl Into<String>) -> Diagnostic {
        self.bad_at(self.span, message)
    }

    fn bad_at(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        diagnostics::bad_attach_point(span, message, self.kind.form)
    }

    /// A complaint that the number of parts is wrong.
    fn wrong_parts(&self, wanted: &str) -> Diagnostic {
        let name = self.kind.names[0];
        self.bad(format!("`{name}` takes {wanted}, {} given", self.parts.len()))
    }

    fn alone(&self, kind: AttachKind) -> Result<AttachKind, Diagnostic> {
        if self.parts.is_empty() { Ok(kind) } else { Err(self.wrong_parts("no parts")) }
    }

    /// A part that must not be empty.
    fn filled(&self, part: &Part, what: &str) -> Result<String, Diagnostic> {
        if part.text.is_empty() {
            Err(self.bad_at(part.span, format!("the {what} is missing")))
        } else {
            Ok(part.text.clone())
        }
    }

    /// `UNIT:COUNT` or `1s`, in nanoseconds.
    fn period(&self) -> Result<u64, Diagnostic> {
        let (nanoseconds, span) = match self.parts {
            [unit, count] => {
                let number = literal::integer(&count.text, count.span)?.value;
                let nanoseconds = match unit.text.as_str() {
                    "hz" => frequency(number),
                    "s" => number.checked_mul(1_000_000_000),
                    "ms" => number.checked_mul(1_000_000),
                    "us" => number.checked_mul(1_000),
                    other => return Err(self.bad_at(unit.span, format!("`{other}` is not a unit of time"))),
                };
                (nanoseconds, count.span)
            }
            [duration] => {
                let nanoseconds = match duration.text.strip_suffix("hz") {
                    Some(number) => frequency(literal::integer(number, duration.span)?.value),
                    None if !duration.text.starts_with(|c: char| c.is_ascii_digit()) => {
                        return Err(self.bad_at(duration.span, "the count is missing"));
                    }
                    None if duration.text.ends_with(|c: char| c.is_ascii_alphabetic()) => {
                        Some(literal::integer(&duration.text, duration.span)?.value)
                    }
                    None => return Err(self.bad_at(duration.span, "the unit of time is missing")),
                };
                (nanoseconds, duration.span)
            }
            _ => return Err(self.wrong_parts("a unit and a count")),
        };
        match nanoseconds {
            Some(period @ 1..) => Ok(period),
            Some(0) => {
                Err(self.bad_at(span, "a period of nothing, or more than a thousand million times a second"))
            }
            None => Err(self.bad_at(span, "no clock counts that far")),
        }
    }
}

/// Nanoseconds between events of which `number` come in a second; 0 if that cannot be.
fn frequency(number: u64) -> Option<u64> {
    Some(1_000_000_000u64.checked_div(number).unwrap_or(0))
}

fn usdt(words: &Words) -> Result<AttachKind, Diagnostic> {
    let (path, provider, name) = match words.parts {
        [path, name] => (path, None, name),
        [path, provider, name] => (path, Some(provider), name),
        [] | [_] => return Err(words.wrong_parts("a file, a provider (or none) and a name")),
        [..] => {
            let complaint = words.wrong_parts("a file, a provider (or none) and a name");
            return Err(diagnostics::quote_colons(complaint));
        }
    };
    let provider = provider.map(|p| p.text.clone()).filter(|p| !p.is_empty());
    Ok(AttachKind::Usdt {
        path: path.text.clone(),
        provider: provider.unwrap_or_else(|| "*".to_owned()),
        name: words.filled(name, "name of the probe")?,
    })
}

fn uprobe(words: &Words, ret: bool) -> Result<AttachKind, Diagnostic> {
    let (path, part, demangled) = match words.parts {
        [path, function] => (path, function, false),
        [path, language, function] if language.text == "cpp" => (path, function, true),
        [] | [_] => return Err(words.wrong_parts("a file and a function")),
        [..] => return Err(diagnostics::quote_colons(words.wrong_parts("a file and a function"))),
    };
    words.filled(part, "function")?;
    let (function, offset) = match part.plus {
        _ if !part.quoted && part.text.starts_with(|c: char| c.is_ascii_digit()) => {
            ("", literal::integer(&part.text, part.span)?.value)
        }
        Some(plus) => (&part.text[..plus], literal::integer(&part.text[plus + 1..], part.span)?.value),
        None => (part.text.as_str(), 0),
    };
    if part.plus.is_some() && function.is_empty() {
        return Err(words.bad_at(part.span, "the function is missing"));
    }
    if ret && offset != 0 && !function.is_empty() {
        return Err(words.bad_at(part.span, "a return has no offset in the function"));
    }
    if offset != 0 && function.contains(['*', '?', '[']) {
        return Err(words.bad_at(part.span, "an offset needs one function, not a wildcard"));
    }
    Ok(AttachKind::Uprobe { path: path.text.clone(), function: function.to_owned(), demangled, offset, ret })
}

fn tracepoint(words: &Words) -> Result<AttachKind, Diagnostic> {
    let [category, name] = words.parts else {
        return Err(words.wrong_parts("a category and a name"));
    };
    Ok(AttachKind::Tracepoint {
        category: words.filled(category, "category")?,
        name: words.filled(name, "name of the tracepoint")?,
    })
}

fn software(words: &Words) -> Result<AttachKind, Diagnostic> {
    let (event, count) = match words.parts {
        [event] => (event, 0),
        [event, count] if count.text.is_empty() => (event, 0),
        [event, count] => (event, literal::integer(&count.text, count.span)?.value),
        _ => return Err(words.wrong_parts("an event and a count")),
    };
    Ok(AttachKind::Software { event: words.filled(event, "event")?, count })
}

fn signal(words: &Words) -> Result<AttachKind, Diagnostic> {
    match words.parts {
        [signal, name] if signal.text == "signal" => Ok(AttachKind::Signal(words.filled(name, "signal")?)),
        _ => Err(words.bad("`self` knows only `signal`")),
    }
}
