//! `stapes run`.

use std::process::ExitCode;

/// Arguments of `stapes run`.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {}

pub(crate) fn file(_args: RunArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}

/// Arguments of `stapes` without a subcommand, as bpftrace takes them.
#[derive(Debug, clap::Args)]
pub(crate) struct Direct {
    /// The program to run
    #[arg(short = 'e', value_name = "PROGRAM")]
    pub(crate) program: Option<String>,
}

pub(crate) fn direct(_args: Direct) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
