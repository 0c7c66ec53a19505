//! Which probes are meant: `usdt:PATH:PROVIDER:NAME` as bpftrace writes it, with wildcards in every part.

use std::borrow::Cow;
use std::fmt;

use stapes_binary::glob::Glob;

/// A choice of probes: a file, a provider and a name, each perhaps with wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The file; empty or `*` for whatever the processes at hand map.
    pub path: String,
    /// The provider.
    pub provider: String,
    /// The name.
    pub name: String,
}

impl Spec {
    /// Every probe of the file `path`.
    pub fn whole(path: &str) -> Spec {
        Spec { path: path.to_owned(), provider: "*".to_owned(), name: "*".to_owned() }
    }

    /// Reads `usdt:PATH`, `usdt:PATH:NAME` or `usdt:PATH:PROVIDER:NAME`, also with `U` for `usdt`.
    ///
    /// A part that holds `:` is put in double quotes. `None` where the text does not begin like one.
    pub fn parse(text: &str) -> Option<Result<Spec, SpecError>> {
        let rest = text.strip_prefix("usdt:").or_else(|| text.strip_prefix("U:"))?;
        Some(parts(rest).and_then(|parts| match parts.as_slice() {
            [path] => Ok(Spec::whole(path)),
            [path, name] => Ok(Spec { path: path.clone(), provider: "*".to_owned(), name: name.clone() }),
            [path, provider, name] => Ok(Spec {
                path: path.clone(),
                provider: if provider.is_empty() { "*".to_owned() } else { provider.clone() },
                name: name.clone(),
            }),
            _ => Err(SpecError::TooManyParts),
        }))
    }

    /// Whether it speaks of processes' objects and names no file.
    pub fn any_object(&self) -> bool {
        self.path.is_empty() || self.path == "*"
    }

    /// The wildcards of provider and name, ready to match many probes.
    pub fn matcher(&self) -> Matcher {
        Matcher { provider: Glob::new(&self.provider), name: Glob::new(&self.name) }
    }
}

/// The wildcards of a [`Spec`], which are the same for every file.
#[derive(Clone, Debug)]
pub struct Matcher {
    provider: Glob,
    name: Glob,
}

impl Matcher {
    /// Whether this probe is meant, in whichever file.
    pub fn matches(&self, provider: &str, name: &str) -> bool {
        self.provider.matches(provider) && self.name.matches(name)
    }
}

/// What is wrong with a [`Spec`]'s text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecError {
    /// A quote is not closed.
    OpenQuote,
    /// There are more than path, provider and name.
    TooManyParts,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SpecError::OpenQuote => "a quote is not closed",
            SpecError::TooManyParts => {
                "more parts than PATH, PROVIDER and NAME (put a path with `:` in double quotes)"
            }
        })
    }
}

impl std::error::Error for SpecError {}

/// A part of a probe's full name as a script must spell it: quoted where it has bytes that end a part.
///
/// Control characters, which a note or a file name may well have, become escapes: `\n`, `\t`, `\x1b`.
pub fn quoted(part: &str) -> Cow<'_, str> {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || "/._-*?[]!@".contains(c) || !c.is_ascii() && !c.is_control();
    if part.chars().all(plain) {
        return Cow::Borrowed(part);
    }
    let mut text = String::from("\"");
    for c in part.chars() {
        match c {
            '"' | '\\' | '$' => text.extend(['\\', c]),
            '\n' => text += "\\n",
            '\t' => text += "\\t",
            c if c.is_control() => c.to_string().bytes().for_each(|b| text += &format!("\\x{b:02x}")),
            c => text.push(c),
        }
    }
    text.push('"');
    Cow::Owned(text)
}

fn parts(text: &str) -> Result<Vec<String>, SpecError> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut bytes = text.bytes();
    let mut inside = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => inside = !inside,
            b'\\' if inside => match bytes.next() {
                Some(b'n') => part.push(b'\n'),
                Some(b't') => part.push(b'\t'),
                Some(b'x') => part.extend(hex(&mut bytes)),
                other => part.extend(other),
            },
            b':' if !inside => parts.push(std::mem::take(&mut part)),
            other => part.push(other),
        }
    }
    parts.push(part);
    match inside {
        true => Err(SpecError::OpenQuote),
        false => Ok(parts.iter().map(|part| String::from_utf8_lossy(part).into_owned()).collect()),
    }
}

/// The byte that two hexadecimal digits name.
fn hex(bytes: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let digits = [bytes.next()?, bytes.next()?];
    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()
}
