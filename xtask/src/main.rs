//! The project's own automation, called as `cargo xtask TASK`.
//!
//! `test` is what the README tells a newcomer to run and what continuous integration runs:
//! one command that installs what it lacks, runs everything, and names what it had to leave out.

#![forbid(unsafe_code)]

mod bench;
mod command;
mod dist;
mod fuzz;
mod packages;
mod races;
mod skips;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own automation
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run every check and test, installing what they lack when run as root
    Test(test::TestArgs),
    /// Measure against the peers, in the same run
    Bench(bench::BenchArgs),
    /// Fuzz one target, or all of them in turn
    Fuzz(fuzz::FuzzArgs),
    /// Lay out the static command with man pages and completions, and the C libraries, below target/dist
    Dist,
    /// Install the Debian packages that the tests and benches need
    Packages,
}

fn main() -> ExitCode {
    let result = match Args::parse().task {
        Task::Test(args) => test::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Fuzz(args) => fuzz::run_fuzz(&args),
        Task::Dist => dist::run_dist(),
        Task::Packages => packages::provide().map(|_| ()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
