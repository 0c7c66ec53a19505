//! Tests that could not run say so: `skip NAME: REASON`.
//! Continuous integration knows which of them to expect; any other is a failure there.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};

/// The skips seen so far: the reasons by name.
#[derive(Debug, Default)]
pub(crate) struct Skips(BTreeMap<String, String>);

impl Skips {
    /// Takes note of a line of a test's output, if it names a skip; ` (emulated)` is added to names of emulated tests.
    pub(crate) fn observe(&mut self, line: &str, emulated: bool) {
        // libtest writes `test name ... ` without a line end before a test's own output may follow.
        let Some(at) = line.find("skip ") else { return };
        let before = &line[..at];
        if !(before.is_empty() || before.ends_with("... ")) {
            return;
        }
        if let Some((name, reason)) = line[at + 5..].split_once(": ") {
            match emulated && !name.ends_with("(emulated)") {
                true => self.add(&format!("{name} (emulated)"), reason),
                false => self.add(name, reason),
            }
        }
    }

    /// Adds a skip of our own.
    pub(crate) fn add(&mut self, name: &str, reason: &str) {
        self.0.insert(name.trim().to_owned(), reason.trim().to_owned());
    }

    /// Prints the skips, and where `strict` fails if one is not in the list of those expected.
    pub(crate) fn conclude(&self, expected: &Path, strict: bool) -> anyhow::Result<()> {
        for (name, reason) in &self.0 {
            println!("skipped {name}: {reason}");
        }
        if !strict {
            return Ok(());
        }
        let text = std::fs::read_to_string(expected)
            .with_context(|| format!("cannot read {}", expected.display()))?;
        let known: Vec<&str> = text
            .lines()
            .map(|l| l.split_once('#').map_or(l, |(name, _)| name).trim())
            .filter(|l| !l.is_empty())
            .collect();
        let surprising: Vec<_> = self.0.keys().filter(|name| !known.contains(&name.as_str())).collect();
        if !surprising.is_empty() {
            bail!("skips that {} does not expect: {surprising:?}", expected.display());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_line_is_found_alone_and_behind_the_runner_s_own_text() {
        let mut skips = Skips::default();
        skips.observe("skip attach_libjvm: needs root", false);
        skips.observe("test cases::x ... skip x: no gdb", false);
        skips.observe("we skip this: no", false);
        skips.observe("skip y: no tracer", true);
        assert_eq!(skips.0.keys().collect::<Vec<_>>(), ["attach_libjvm", "x", "y (emulated)"]);
        assert_eq!(skips.0["x"], "no gdb");
    }

    #[test]
    fn an_unexpected_skip_fails_only_where_strict() {
        let dir = std::env::temp_dir().join(format!("stapes-skips-{}", std::process::id()));
        std::fs::write(&dir, "known # why\n").unwrap();
        let mut skips = Skips::default();
        skips.add("known", "x");
        assert!(skips.conclude(&dir, true).is_ok());
        skips.add("other", "y");
        assert!(skips.conclude(&dir, false).is_ok());
        assert!(skips.conclude(&dir, true).is_err());
        std::fs::remove_file(dir).unwrap();
    }
}
