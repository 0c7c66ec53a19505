//! The `stapes` command: arguments in, one action, an exit code out.
//!
//! Exit codes: 0 when it worked, 1 when it did not (a script's mistake, no such probe, no permission, findings of
//! `validate`), 2 when the command line itself is wrong.
//! Under the name `dtrace` it is `stapes dtrace`.
//! A reader that goes away (`stapes list … | head`) is not a failure: a broken pipe exits 0.

#![forbid(unsafe_code)]

mod args;
mod command;
mod habits;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let name = words.next().map(PathBuf::from).unwrap_or_default();
    let outcome = match name.file_name() {
        Some(name) if name == "dtrace" => command::dtrace::dtrace(words),
        _ => {
            let words: Vec<_> = words.collect();
            match args::Args::try_parse() {
                Ok(args) => command::run(args),
                Err(error) => habits::advise(error, &words).exit(),
            }
        }
    };
    match outcome {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
