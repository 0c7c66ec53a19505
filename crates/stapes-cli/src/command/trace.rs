//! `stapes trace`.

use std::process::ExitCode;

/// Arguments of `stapes trace`.
#[derive(Debug, clap::Args)]
pub(crate) struct TraceArgs {}

pub(crate) fn trace(_args: TraceArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
