//! Advice for command lines that are wrong out of habit: a mistyped command, a script without `run`, options of
//! bpftrace that are commands here.

use std::ffi::OsString;
use std::path::Path;

use clap::CommandFactory;
use clap::error::{Error, ErrorKind};

use crate::args::Args;

/// Options of bpftrace, and what does the same here.
const OPTIONS: &[(&str, &str)] = &[
    ("-l", "`stapes list TARGET` lists probes"),
    ("-lv", "`stapes list -v TARGET` lists probes with their arguments"),
    ("-d", "`stapes explain` shows what a script compiles to"),
    ("-dd", "`stapes explain` shows what a script compiles to"),
    ("--dry-run", "`stapes explain` compiles a script without running it"),
    ("--info", "`stapes doctor` says what this machine allows"),
    ("--no-warnings", "-q leaves out warnings"),
    ("--usdt-file-activation", "semaphores of files are raised without an option"),
];

/// The error that clap has found, or one that helps more.
pub(crate) fn advise(error: Error, words: &[OsString]) -> Error {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    match better(error.kind(), &words) {
        Some((kind, message)) => Args::command().error(kind, message),
        None => error,
    }
}

fn better(kind: ErrorKind, words: &[String]) -> Option<(ErrorKind, String)> {
    match kind {
        ErrorKind::UnknownArgument => {
            let (option, advice) = OPTIONS.iter().find(|(option, _)| words.iter().any(|w| w == option))?;
            Some((kind, format!("there is no option {option}: {advice}")))
        }
        // Without a command, a script must be given by -e.
        ErrorKind::MissingRequiredArgument => {
            let first = words.first().filter(|word| !word.starts_with('-'))?;
            if Args::command().find_subcommand(first).is_some() {
                return None;
            }
            if Path::new(first).is_file() || first.ends_with(".bt") {
                let message = format!("to run a script from a file: stapes run {first}");
                return Some((ErrorKind::InvalidSubcommand, message));
            }
            let near = nearest(first).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
            Some((ErrorKind::InvalidSubcommand, format!("there is no command `{first}`{near}")))
        }
        _ => None,
    }
}

/// The command whose name is nearest to `word`, if any is near.
fn nearest(word: &str) -> Option<String> {
    Args::command()
        .get_subcommands()
        .map(|command| (strsim::osa_distance(word, command.get_name()), command.get_name().to_owned()))
        .filter(|(distance, name)| *distance <= name.len() / 3 + 1 && *distance < name.len() / 2 + 1)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(words: &[&str]) -> Option<String> {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        let error =
            <Args as clap::Parser>::try_parse_from(std::iter::once("stapes".to_owned()).chain(words.clone()))
                .expect_err("is wrong");
        better(error.kind(), &words).map(|(_, message)| message)
    }

    #[test]
    fn a_mistyped_command_gets_its_name() {
        assert_eq!(message(&["lst"]).unwrap(), "there is no command `lst`; did you mean `list`?");
        assert_eq!(
            message(&["tarce", "-p", "1"]).unwrap(),
            "there is no command `tarce`; did you mean `trace`?"
        );
        assert_eq!(message(&["zzzzzz"]).unwrap(), "there is no command `zzzzzz`");
    }

    #[test]
    fn a_script_is_run_by_run() {
        assert_eq!(message(&["count.bt"]).unwrap(), "to run a script from a file: stapes run count.bt");
    }

    #[test]
    fn options_of_bpftrace_get_what_does_the_same() {
        assert!(message(&["-l", "usdt:/bin/x:*"]).unwrap().contains("stapes list TARGET"));
        assert!(message(&["--info"]).unwrap().contains("doctor"));
    }

    #[test]
    fn other_mistakes_are_left_to_clap() {
        assert_eq!(message(&["list", "--bogus", "x"]), None);
        assert_eq!(message(&["trace"]), None);
    }
}
