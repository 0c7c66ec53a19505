//! `stapes explain`.

use std::process::ExitCode;

/// Arguments of `stapes explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {}

pub(crate) fn explain(_args: ExplainArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
