//! `strftime` as C and bpftrace have it: the C locale, plus `%f` for microseconds.

use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// The directives of C and POSIX that are not spelled out below; jiff has more, which C leaves as they are.
const OF_C: &str = "aAbBCdeFgGhHIjklmMnpPRsStTuUVwWyYzZ";

/// Formats moments in the local time zone.
pub struct Clock {
    zone: Option<TimeZone>,
}

impl Clock {
    /// A clock of the system's time zone, which is looked up when the first moment is formatted.
    pub fn local() -> Self {
        Clock { zone: None }
    }

    /// A clock of the given time zone.
    pub fn of(zone: TimeZone) -> Self {
        Clock { zone: Some(zone) }
    }

    /// Formats nanoseconds since 1970. Moments beyond the calendar give nothing.
    pub fn format(&mut self, format: &str, nanoseconds: i128) -> String {
        let zone = self.zone.get_or_insert_with(TimeZone::system).clone();
        let mut out = String::new();
        if let Ok(moment) = Timestamp::from_nanosecond(nanoseconds) {
            directives(format, &moment.to_zoned(zone), &mut out);
        }
        out
    }

    /// Formats the present.
    pub fn now(&mut self, format: &str) -> String {
        self.format(format, Timestamp::now().as_nanosecond())
    }
}

/// Replaces the directives one by one; what is none stays as it is, as glibc leaves it.
fn directives(format: &str, moment: &Zoned, out: &mut String) {
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let directive = first_directive(rest);
        rest = &rest[directive.len()..];
        match directive.trim_start_matches(['%', 'E', 'O']) {
            "f" => out.push_str(&format!("{:06}", moment.subsec_nanosecond() / 1000)),
            "c" => directives("%a %b %e %H:%M:%S %Y", moment, out),
            "x" | "D" => directives("%m/%d/%y", moment, out),
            "X" => directives("%H:%M:%S", moment, out),
            "r" => directives("%I:%M:%S %p", moment, out),
            "" => out.push_str(if directive == "%%" { "%" } else { directive }),
            plain if plain.ends_with(|c| OF_C.contains(c)) => {
                let plain = format!("%{plain}");
                match BrokenDownTime::from(moment).to_string(&plain) {
                    Ok(text) => out.push_str(&text),
                    Err(_) => out.push_str(directive),
                }
            }
            _ => out.push_str(directive),
        }
    }
    out.push_str(rest);
}

/// `%`, flags, a width, `E` or `O`, and one character more.
fn first_directive(text: &str) -> &str {
    let mut end = 1;
    for c in text[1..].chars() {
        end += c.len_utf8();
        if !matches!(c, '-' | '_' | '^' | '#' | '0'..='9' | 'E' | 'O') {
            break;
        }
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20 10:30:01.749980 UTC, a Friday.
    const MOMENT: i128 = 1_795_170_601_749_980_123;

    fn utc(format: &str) -> String {
        Clock::of(TimeZone::UTC).format(format, MOMENT)
    }

    // What bpftrace 0.27.1 printed at that moment, and what `date -u -d @1795170601` prints.

    #[test]
    fn directives_of_c() {
        assert_eq!(
            utc("%F %T %s %j %a %b %e %y %z %Z %f %N %q"),
            "2026-11-20 10:30:01 1795170601 324 Fri Nov 20 26 +0000 UTC 749980 %N %q"
        );
        assert_eq!(
            utc("%c|%x|%X|%r|%D|%R|%p"),
            "Fri Nov 20 10:30:01 2026|11/20/26|10:30:01|10:30:01 AM|11/20/26|10:30|AM"
        );
        assert_eq!(
            utc("%A %B %d %H %I %k %l %m %M %S %u %w %U %W %V %G %C %h"),
            "Friday November 20 10 10 10 10 11 30 01 5 5 46 46 47 2026 20 Nov"
        );
        assert_eq!(utc("%H:%M:%S.%f %L"), "10:30:01.749980 %L");
    }

    #[test]
    fn what_is_no_directive_stays() {
        assert_eq!(utc("100%% %"), "100% %");
        assert_eq!(utc("%-d %_d é%"), "20 20 é%");
        assert_eq!(utc("a%n%tb"), "a\n\tb");
    }

    #[test]
    fn no_moment_no_text() {
        assert_eq!(Clock::of(TimeZone::UTC).format("%F", i128::MAX), "");
    }
}
