//! One probe of `stapes trace`, as the command line has it: `WHERE (FILTER) "FORMAT", ARGUMENT, …`.
//!
//! Where:
//! - `PROVIDER:NAME` in the traced processes, `PATH:PROVIDER:NAME` in a file;
//! - `usdt:…`, `uprobe:…`, `uretprobe:…` as in scripts;
//! - bcc's `u:FILE:NAME`, `p:FILE:FUNCTION` and `r:FILE:FUNCTION`.
//!
//! Filter and arguments are expressions of the script language, with `arg0` the first argument.
//! After one of bcc's prefixes everything is as bcc means it: `arg1` is the first argument, and a `%s` whose argument
//! is a bare `argN` prints the string there.

/// A probe to trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    /// Where to attach.
    pub(crate) place: Place,
    /// The condition, an expression.
    pub(crate) filter: Option<String>,
    /// The format with its quotes, and its arguments.
    pub(crate) format: Option<(String, Vec<String>)>,
}

/// Where to attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A USDT probe.
    Usdt { path: String, provider: String, name: String },
    /// The start or the return of a function.
    Function { path: String, function: String, ret: bool },
}

impl Place {
    /// What the column FUNC says.
    pub(crate) fn name(&self) -> &str {
        match self {
            Place::Usdt { name, .. } => name,
            Place::Function { function, .. } => function,
        }
    }
}

/// Reads one probe; the error says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Spec, String> {
    let text = text.trim();
    let head_end = head_end(text);
    let (place, bcc) = place(&text[..head_end])?;
    let mut rest = text[head_end..].trim_start();
    let mut filter = None;
    if rest.starts_with('(') {
        let end = closing(rest).ok_or("the filter's parenthesis is not closed")?;
        filter = Some(rest[1..end].trim().to_owned()).filter(|f| !f.is_empty());
        rest = rest[end + 1..].trim_start();
    }
    let mut format = None;
    if !rest.is_empty() {
        let mut parts = split_commas(rest).into_iter();
        let literal = parts.next().unwrap_or_default();
        if literal.len() < 2 || !literal.starts_with('"') || string_end(&literal) != Some(literal.len()) {
            return Err(format!("expected a format in double quotes, found `{literal}`"));
        }
        let arguments: Vec<String> = parts.collect();
        if arguments.iter().any(String::is_empty) {
            return Err("an argument of the format is empty".into());
        }
        format = Some((literal, arguments));
    }
    if bcc {
        filter = filter.map(|f| count_from_zero(&f)).transpose()?;
        format = format.map(as_bcc_means_it).transpose()?;
    }
    Ok(Spec { place, filter, format })
}

/// The end of the first word: at a blank, a parenthesis or a quote that begins the format.
fn head_end(text: &str) -> usize {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            // A quote inside of the word belongs to a path.
            '"' if at > 0 && !quoted && !text[..at].ends_with(':') => return at,
            '"' => quoted = !quoted,
            '(' if !quoted => return at,
            c if c.is_whitespace() && !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

/// Reads the place; also whether it is written as bcc does.
fn place(head: &str) -> Result<(Place, bool), String> {
    let parts: Vec<String> = split_colons(head);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let usdt = |path: &str, provider: &str, name: &str| Place::Usdt {
        path: path.to_owned(),
        provider: provider.to_owned(),
        name: name.to_owned(),
    };
    let function = |path: &str, function: &str, ret| Place::Function {
        path: path.to_owned(),
        function: function.to_owned(),
        ret,
    };
    let place = match parts.as_slice() {
        ["u", path, name] => (usdt(path, "*", name), true),
        ["u", path, provider, name] => (usdt(path, provider, name), true),
        ["p", path, name] => (function(path, name, false), true),
        ["r", path, name] => (function(path, name, true), true),
        ["usdt" | "U", path, name] => (usdt(path, "*", name), false),
        ["usdt" | "U", path, provider, name] => (usdt(path, provider, name), false),
        ["uprobe", path, name] => (function(path, name, false), false),
        ["uretprobe", path, name] => (function(path, name, true), false),
        [provider, name] => (usdt("", provider, name), false),
        [path, provider, name] => (usdt(path, provider, name), false),
        _ => return Err(format!("expected PROVIDER:NAME or PATH:PROVIDER:NAME, found `{head}`")),
    };
    match place.0.name() {
        "" => Err(format!("`{head}` names no probe")),
        _ => Ok(place),
    }
}

/// The parts between colons; a part in double quotes may hold some.
fn split_colons(head: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in head.chars() {
        match c {
            '"' => quoted = !quoted,
            ':' if !quoted => parts.push(String::new()),
            c => {
                if let Some(part) = parts.last_mut() {
                    part.push(c);
                }
            }
        }
    }
    parts
}

/// The parts between commas that stand outside of parentheses, brackets and strings.
fn split_commas(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut depth, mut start, mut skip) = (0u32, 0, 0);
    for (at, c) in text.char_indices() {
        if at < skip {
            continue;
        }
        match c {
            '"' => skip = at + string_end(&text[at..]).unwrap_or(text.len()),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text[start..at].trim().to_owned());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim().to_owned());
    parts
}

/// Where the parenthesis at the start is closed.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut skip) = (0u32, 0);
    for (at, c) in text.char_indices() {
        if at < skip {
            continue;
        }
        match c {
            '"' => skip = at + string_end(&text[at..])?,
            '(' => depth += 1,
            ')' if depth == 1 => return Some(at),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Behind the closing quote of the string that starts `text`.
fn string_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// `arg1` becomes `arg0`, and so on, outside of strings.
fn count_from_zero(expression: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = expression;
    while let Some(c) = rest.chars().next() {
        let length = if c == '"' {
            string_end(rest).unwrap_or(rest.len())
        } else if c.is_alphanumeric() || c == '_' {
            rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
        } else {
            c.len_utf8()
        };
        let (word, after) = rest.split_at(length);
        match word.strip_prefix("arg").and_then(|n| n.parse::<u32>().ok()) {
            Some(0) => return Err("bcc counts arguments from 1: there is no arg0 after u:, p: and r:".into()),
            Some(n) => out.push_str(&format!("arg{}", n - 1)),
            None => out.push_str(word),
        }
        rest = after;
    }
    Ok(out)
}

/// Counts from zero and lets `%s` of a bare argument read the string there.
fn as_bcc_means_it((format, arguments): (String, Vec<String>)) -> Result<(String, Vec<String>), String> {
    let conversions = conversions(&format);
    let mut out = Vec::new();
    for (index, argument) in arguments.iter().enumerate() {
        let argument = count_from_zero(argument)?;
        let bare = argument.strip_prefix("arg").is_some_and(|n| n.parse::<u32>().is_ok());
        let text = conversions.get(index) == Some(&'s');
        out.push(if bare && text { format!("str({argument})") } else { argument });
    }
    Ok((format, out))
}

/// The letters of the conversions of a format, in order.
fn conversions(format: &str) -> Vec<char> {
    let mut letters = Vec::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c == '%' {
            let letter = chars.find(|c| c.is_alphabetic() && !"hlqjzt".contains(*c) || *c == '%');
            letters.extend(letter.filter(|l| *l != '%'));
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usdt(path: &str, provider: &str, name: &str) -> Place {
        Place::Usdt { path: path.into(), provider: provider.into(), name: name.into() }
    }

    fn format(literal: &str, arguments: &[&str]) -> Option<(String, Vec<String>)> {
        Some((literal.to_owned(), arguments.iter().map(|a| (*a).to_owned()).collect()))
    }

    #[test]
    fn our_own_form_counts_from_zero() {
        let spec = parse(r#"bench:tick (arg0 > 5 && (arg1 == 2)) "%d %s", arg0, str(arg2, 16)"#).unwrap();
        assert_eq!(spec.place, usdt("", "bench", "tick"));
        assert_eq!(spec.filter.as_deref(), Some("arg0 > 5 && (arg1 == 2)"));
        assert_eq!(spec.format, format(r#""%d %s""#, &["arg0", "str(arg2, 16)"]));
        assert_eq!(parse("/bin/x:p:n").unwrap().place, usdt("/bin/x", "p", "n"));
        assert_eq!(parse("usdt:/bin/x:p:n").unwrap().place, usdt("/bin/x", "p", "n"));
        assert_eq!(parse(r#"usdt:"/a:b c":p:n "%d", 1"#).unwrap().place, usdt("/a:b c", "p", "n"));
        assert_eq!(parse(r#"p:n"fmt""#).unwrap().format, format(r#""fmt""#, &[]));
    }

    #[test]
    fn bcc_counts_from_one() {
        let spec = parse(r#"u:./loop:tick (arg1 > 5) "arg1 %d %s", arg1, arg3"#).unwrap();
        assert_eq!(spec.place, usdt("./loop", "*", "tick"));
        assert_eq!(spec.filter.as_deref(), Some("arg0 > 5"));
        assert_eq!(spec.format, format(r#""arg1 %d %s""#, &["arg0", "str(arg2)"]));
        let spec = parse(r#"r:/bin/bash:readline "%s", str(retval)"#).unwrap();
        assert_eq!(
            spec.place,
            Place::Function { path: "/bin/bash".into(), function: "readline".into(), ret: true }
        );
        assert_eq!(spec.format, format(r#""%s""#, &["str(retval)"]));
        assert!(parse("u:x:n (arg0)").unwrap_err().contains("counts arguments from 1"));
    }

    #[test]
    fn strings_hide_what_is_in_them() {
        let spec = parse(r#"p:n (str(arg0) == "a) \" ,") "a, (%s", str(arg0)"#).unwrap();
        assert_eq!(spec.filter.as_deref(), Some(r#"str(arg0) == "a) \" ,""#));
        assert_eq!(spec.format, format(r#""a, (%s""#, &["str(arg0)"]));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, reason) in [
            ("tick", "expected PROVIDER:NAME"),
            ("", "expected PROVIDER:NAME"),
            ("p:", "names no probe"),
            ("p:n (arg0", "not closed"),
            ("p:n arg0", "expected a format"),
            (r#"p:n "%d"#, "expected a format"),
            (r#"p:n "%d", "#, "is empty"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn every_prefix_is_an_answer_or_an_error() {
        let text = r#"u:"/a b":tick (arg1 > "é\"(") "%5ld %s\"", arg1, str(arg2, [1, 2])"#;
        for (end, _) in text.char_indices() {
            let _ = parse(&text[..end]);
        }
        assert_eq!(conversions("%5ld %-8s %% %hhx %"), ['d', 's', 'x']);
    }
}
