//! One module a command; [`run()`] is the table of contents.

pub(crate) mod demo;
mod diagnostics;
pub(crate) mod doctor;
pub(crate) mod dtrace;
pub(crate) mod explain;
pub(crate) mod generate;
pub(crate) mod go;
pub(crate) mod info;
pub(crate) mod list;
mod manual;
pub(crate) mod run;
mod session;
pub(crate) mod trace;
pub(crate) mod validate;

use std::process::ExitCode;

use crate::args::{Args, Command};

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        None => run::direct(args.run),
        Some(Command::Run(args)) => run::file(args),
        Some(Command::Trace(args)) => trace::trace(args),
        Some(Command::List(args)) => list::list(args),
        Some(Command::Info(args)) => info::info(args),
        Some(Command::Validate(args)) => validate::validate(args),
        Some(Command::Explain(args)) => explain::explain(args),
        Some(Command::Go(args)) => go::go(args),
        Some(Command::Demo(args)) => demo::demo(args),
        Some(Command::Doctor(args)) => doctor::doctor(args),
        Some(Command::Gen(args)) => generate::generate(args),
        Some(Command::Dtrace { words }) => dtrace::dtrace(words),
        Some(Command::Completions { shell }) => manual::completions(shell),
        Some(Command::Man { dir }) => manual::man(dir),
    }
}
