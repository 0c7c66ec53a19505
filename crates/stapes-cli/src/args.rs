//! The command line as a table: the parser, the help, the man pages and the completions all come from it.

use clap::{Parser, Subcommand};

use crate::command::{demo, doctor, explain, generate, go, info, list, run, trace, validate};

const EXAMPLES: &str = "\
Examples:
  stapes demo                             see it work on a built-in server
  stapes list -p 1234                     the probes of process 1234
  stapes trace -p 1234 hotspot:gc__begin  a line for each event
  stapes -e 'usdt:/bin/x:app:request { @[str(arg0)] = count(); }'
                                          a script in bpftrace's language
  stapes -c './x 10' -e 'usdt:./x:app:request { @us = hist(arg1 / 1000); }'
                                          a command, from its first instruction
  stapes run count.bt                     a script from a file
  stapes doctor                           what this machine allows";

/// Hear what running programs say through their USDT probes.
#[derive(Debug, Parser)]
#[command(
    name = "stapes",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    after_help = EXAMPLES
)]
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
    /// Look into Go programs: functions, where to probe them, versions
    Go(go::GoArgs),
    /// Trace a small built-in workload for some seconds
    Demo(demo::DemoArgs),
    /// Say what this kernel and these privileges allow
    Doctor(doctor::DoctorArgs),
    /// Turn declarations of probes into a C header, an object, Rust or a table
    Gen(generate::GenerateArgs),
    /// Make probes by the command line of DTrace: -h or -G, -s FILE.d
    #[command(disable_help_flag = true)]
    Dtrace {
        /// As for dtrace
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<std::ffi::OsString>,
    },
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_table_of_arguments_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn examples_fit_a_terminal_of_80_columns() {
        let mut root = Args::command();
        root.build();
        let mut seen = 0;
        for command in std::iter::once(&root).chain(root.get_subcommands()) {
            let Some(text) = command.get_after_help() else { continue };
            for line in text.to_string().lines() {
                seen += 1;
                assert!(line.chars().count() < 80, "{}: {line}", command.get_name());
            }
        }
        assert!(seen > 30, "only {seen} lines of examples");
    }
}
