//! `stapes validate`.

use std::process::ExitCode;

/// Arguments of `stapes validate`.
#[derive(Debug, clap::Args)]
pub(crate) struct ValidateArgs {}

pub(crate) fn validate(_args: ValidateArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
