//! The command line as a table: the parser, the help, the man pages and the completions all come from it.

use clap::{Parser, Subcommand};

use crate::command::{demo, doctor, explain, info, list, run, trace, validate};

/// Hear what running programs say through their USDT probes.
#[derive(Debug, Parser)]
#[command(name = "stapes", version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) run: run::Direct,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a script from a file
    Run(run::RunArgs),
    /// Print events of probes with one line per event
    Trace(trace::TraceArgs),
    /// List the probes of files and processes
    List(list::ListArgs),
    /// Show everything about one probe and its sites
    Info(info::InfoArgs),
    /// Check the probes of files and processes for mistakes
    Validate(validate::ValidateArgs),
    /// Show what a script compiles to
    Explain(explain::ExplainArgs),
    /// Trace a small built-in workload for some seconds
    Demo(demo::DemoArgs),
    /// Say what this kernel and these privileges allow
    Doctor(doctor::DoctorArgs),
    /// Print a shell's completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print or write the man pages
    #[command(hide = true)]
    Man {
        /// Write one page per command into this folder
        #[arg(long)]
        dir: Option<std::path::PathBuf>,
    },
}
