//! Diagnostics as text: the message, the line it is about, a caret.
//!
//! ```text
//! error[expected]: expected `)`, found `;`
//!  --> count.bt:3:14
//!   |
//! 3 |     print(@x;
//!   |             ^ expected `)`
//!   = help: …
//! ```

use std::fmt::Write;

use crate::ast::Span;
use crate::diagnostics::{Diagnostic, Severity};

/// The most characters of a line that are shown; of longer lines the part around the place is.
const WIDTH: usize = 120;

/// What goes around the parts of a diagnostic: nothing, or a terminal's colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    Plain,
    /// ANSI colours.
    Ansi,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Style::Plain => text.to_owned(),
            Style::Ansi => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

const RED: &str = "1;31";
const YELLOW: &str = "1;33";
const BLUE: &str = "1;34";
const BOLD: &str = "1";

/// A diagnostic in full, with a line break at the end.
pub fn render(source_name: &str, source: &str, diagnostic: &Diagnostic, style: Style) -> String {
    let (word, colour) = match diagnostic.severity {
        Severity::Error => ("error", RED),
        Severity::Warning => ("warning", YELLOW),
    };
    let head = style.paint(colour, &format!("{word}[{}]", diagnostic.slug));
    let mut out = format!("{head}{}\n", style.paint(BOLD, &format!(": {}", diagnostic.message)));

    let place = Place::of(source, diagnostic.span);
    let mut marks = vec![Mark { place, label: &diagnostic.label, character: '^', colour }];
    for (span, label) in &diagnostic.related {
        marks.push(Mark { place: Place::of(source, *span), label, character: '-', colour: BLUE });
    }
    marks.sort_by_key(|m| (m.place.line, m.place.column));
    let gutter = marks.iter().map(|m| m.place.line).max().unwrap_or(1).to_string().len();
    let blank = " ".repeat(gutter);
    let bar = style.paint(BLUE, "|");
    let arrow = style.paint(BLUE, "-->");
    let _ = writeln!(out, "{blank}{arrow} {source_name}:{}:{}", place.line, place.column);
    let _ = writeln!(out, "{blank} {bar}");
    let mut shown = None;
    for mark in &marks {
        let line = Line::of(source, mark.place);
        if shown != Some(mark.place.line) {
            if shown.is_some_and(|line| line + 1 < mark.place.line) {
                let _ = writeln!(out, "{}", style.paint(BLUE, "..."));
            }
            let number = style.paint(BLUE, &format!("{:>gutter$}", mark.place.line));
            let _ = writeln!(out, "{number} {bar} {}", line.text);
            shown = Some(mark.place.line);
        }
        let indent = " ".repeat(line.before);
        let carets = mark.character.to_string().repeat(line.length);
        let pointer = style.paint(mark.colour, format!("{carets} {}", mark.label).trim_end());
        let _ = writeln!(out, "{blank} {bar} {indent}{pointer}");
    }
    for help in &diagnostic.help {
        let _ = writeln!(out, "{blank} {} help: {help}", style.paint(BLUE, "="));
    }
    out
}

/// A place to show, with what to say there.
struct Mark<'a> {
    place: Place,
    label: &'a str,
    character: char,
    colour: &'static str,
}

/// Where a span begins, for people: lines and columns from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
    /// Bytes from the start of the line, and the line's place in the source.
    start: usize,
    line_start: usize,
    line_end: usize,
    /// Offset behind the span's last byte in this line.
    end: usize,
}

impl Place {
    /// The place of a span; one that is not in the source counts as its end.
    pub fn of(source: &str, span: Span) -> Place {
        let floor = |offset: u32| {
            let mut at = (offset as usize).min(source.len());
            while !source.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = floor(span.start);
        let line_start = source[..start].rfind('\n').map_or(0, |n| n + 1);
        let line_end = source[start..].find('\n').map_or(source.len(), |n| start + n);
        Place {
            line: source[..line_start].matches('\n').count() + 1,
            column: source[line_start..start].chars().count() + 1,
            start,
            line_start,
            line_end,
            end: floor(span.end).clamp(start, line_end),
        }
    }
}

/// The part of a line that is shown.
struct Line {
    text: String,
    /// Columns before the caret.
    before: usize,
    /// Columns of the caret, at least 1.
    length: usize,
}

impl Line {
    fn of(source: &str, place: Place) -> Line {
        // Blanks and control characters take one column each, so that carets stand where they should.
        let clean = |text: &str| -> Vec<char> {
            text.chars()
                .flat_map(|c| match c {
                    '\t' => "    ".chars().collect::<Vec<_>>(),
                    c if c.is_control() => vec!['\u{fffd}'],
                    c => vec![c],
                })
                .collect()
        };
        let near = |text: &str, most: usize| text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
        let marked = &source[place.start..place.end];
        let marked = clean(&marked[..near(marked, WIDTH)]);
        let mut before = clean(&source[place.line_start..place.start]);
        let room = (WIDTH * 2 / 3).saturating_sub(marked.len());
        if before.len() > room {
            let cut = before.len() - room;
            before.drain(..cut);
            before.splice(..3.min(before.len()), "...".chars());
        }
        let behind = &source[place.end..place.line_end];
        let room = WIDTH.saturating_sub(before.len() + marked.len());
        let cut = near(behind, room);
        let mut text: String = before.iter().chain(&marked).chain(&clean(&behind[..cut])).collect();
        if cut < behind.len() {
            text.push_str("...");
        }
        Line { text: text.trim_end().to_owned(), before: before.len(), length: marked.len().max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics;

    fn span(start: u32, end: u32) -> Span {
        Span { start, end }
    }

    #[test]
    fn places_count_characters_from_one() {
        let source = "ab\ncdé\nf";
        let place = Place::of(source, span(7, 8));
        assert_eq!((place.line, place.column), (2, 4));
        let place = Place::of(source, span(0, 1));
        assert_eq!((place.line, place.column), (1, 1));
        let place = Place::of(source, span(900, 900));
        assert_eq!((place.line, place.column), (3, 2));
    }

    #[test]
    fn the_whole_form() {
        let source = "BEGIN {\n\tprint(@x;\n}\n";
        let diagnostic = diagnostics::unclosed(span(17, 18), "`)`", "`;`", span(14, 15));
        let text = render("a.bt", source, &diagnostic, Style::Plain);
        let expected = "\
error[unclosed]: expected `)`, found `;`
 --> a.bt:2:10
  |
2 |     print(@x;
  |          - to close this
  |             ^ expected `)`
";
        assert_eq!(text, expected);
    }

    #[test]
    fn several_lines_and_help() {
        let source = "a\nb\nc\nd\n";
        let mut diagnostic = diagnostics::unclosed(span(6, 7), "`}`", "`d`", span(0, 1));
        diagnostic.help.push("close it".to_owned());
        let text = render("x", source, &diagnostic, Style::Plain);
        let expected = "\
error[unclosed]: expected `}`, found `d`
 --> x:4:1
  |
1 | a
  | - to close this
...
4 | d
  | ^ expected `}`
  = help: close it
";
        assert_eq!(text, expected);
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let source = format!("{}X{}", "a".repeat(100_000), "b".repeat(100_000));
        let diagnostic = diagnostics::expected(span(100_000, 100_001), "y", "X");
        let text = render("x", &source, &diagnostic, Style::Plain);
        assert!(text.lines().all(|l| l.len() < 140), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[3].find('X'), lines[4].find('^'), "{text}");
    }

    #[test]
    fn colours_only_where_asked() {
        let diagnostic = diagnostics::expected(span(0, 1), "y", "x");
        assert!(!render("x", "x", &diagnostic, Style::Plain).contains('\x1b'));
        assert!(render("x", "x", &diagnostic, Style::Ansi).contains("\x1b[1;31merror[expected]"));
    }
}
