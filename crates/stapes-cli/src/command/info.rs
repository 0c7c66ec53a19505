//! `stapes info`.

use std::process::ExitCode;

/// Arguments of `stapes info`.
#[derive(Debug, clap::Args)]
pub(crate) struct InfoArgs {}

pub(crate) fn info(_args: InfoArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
