//! `stapes list`.

use std::process::ExitCode;

/// Arguments of `stapes list`.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {}

pub(crate) fn list(_args: ListArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
