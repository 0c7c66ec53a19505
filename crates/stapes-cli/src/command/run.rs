//! `stapes run FILE` and `stapes -e PROGRAM`.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use super::session::{self, Job, SessionArgs};

const EXAMPLES: &str = "\
Examples:
  stapes run count.bt                 a script from a file
  stapes run count.bt 100 /etc        with $1 and $2
  stapes run -p 1234 -f json count.bt of one process, as JSON
  generate-script | stapes run -      from standard input";

/// Arguments of `stapes run`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    session: SessionArgs,

    /// The script; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// What the script sees as $1, $2, …
    #[arg(value_name = "PARAMETER", trailing_var_arg = true)]
    parameters: Vec<String>,
}

pub(crate) fn file(args: RunArgs) -> anyhow::Result<ExitCode> {
    let (name, source) = read(&args.file)?;
    let job = Job { name: &name, source, parameters: args.parameters, max_events: None, table: false };
    session::run(job, &args.session)
}

/// Reads a script; gives it with the name that diagnostics use.
pub(crate) fn read(file: &Path) -> anyhow::Result<(String, String)> {
    let mut bytes = Vec::new();
    let name = if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
        "<stdin>".to_owned()
    } else {
        bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        file.display().to_string()
    };
    match stapes_session::script::decode(&bytes) {
        Ok(source) => Ok((name, source.to_owned())),
        Err(diagnostic) => {
            anyhow::bail!("{name}: {} (at byte {})", diagnostic.message, diagnostic.span.start)
        }
    }
}

/// Arguments of `stapes` without a subcommand, as bpftrace takes them.
#[derive(Debug, clap::Args)]
pub(crate) struct Direct {
    /// Run this program
    #[arg(short = 'e', value_name = "PROGRAM", required = true)]
    program: Option<String>,

    #[command(flatten)]
    session: SessionArgs,

    /// What the program sees as $1, $2, …
    #[arg(value_name = "PARAMETER")]
    parameters: Vec<String>,
}

pub(crate) fn direct(args: Direct) -> anyhow::Result<ExitCode> {
    let source = args.program.unwrap_or_default();
    let job = Job { name: "-e", source, parameters: args.parameters, max_events: None, table: false };
    session::run(job, &args.session)
}
