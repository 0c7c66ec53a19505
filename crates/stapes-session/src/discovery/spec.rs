//! Which probes are meant: `usdt:PATH:PROVIDER:NAME` as bpftrace writes it, with wildcards in every part.

use std::fmt;

use stapes_binary::Probe;
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
    pub fn matches(&self, probe: &Probe) -> bool {
        self.provider.matches(&probe.provider) && self.name.matches(&probe.name)
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
pub fn quoted(part: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-*?[]!@".contains(c) || !c.is_ascii();
    match part.chars().all(plain) {
        true => part.to_owned(),
        false => format!("\"{}\"", part.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

fn parts(text: &str) -> Result<Vec<String>, SpecError> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    let mut inside = false;
    while let Some(c) = chars.next() {
        let part = match parts.last_mut() {
            Some(part) => part,
            None => return Ok(Vec::new()),
        };
        match c {
            '"' => inside = !inside,
            '\\' if inside => part.extend(chars.next()),
            ':' if !inside => parts.push(String::new()),
            other => part.push(other),
        }
    }
    if inside { Err(SpecError::OpenQuote) } else { Ok(parts) }
}
