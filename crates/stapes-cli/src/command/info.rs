//! `stapes info`: everything about a probe.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use stapes_output::info as show;
use stapes_session::discovery::facts::Detail;

use super::list::{Targets, look, report};

const EXAMPLES: &str = "\
Examples:
  stapes info usdt:/usr/lib/libfoo.so:foo:request__start
  stapes info -p 1234 hotspot:gc__begin   also whether it is armed, and its
                                          semaphore
  stapes info 'usdt:libjvm.so:hotspot:gc__*'
  stapes info --json usdt:./server:request__done";

/// Arguments of `stapes info`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InfoArgs {
    #[command(flatten)]
    targets: Targets,

    /// One JSON object per probe
    #[arg(long)]
    json: bool,
}

pub(crate) fn info(args: InfoArgs) -> anyhow::Result<ExitCode> {
    let discovery = look(&args.targets.request(Detail::Sites)?);
    let mut out = BufWriter::new(io::stdout().lock());
    match args.json {
        true => show::json(&mut out, &discovery.found)?,
        false => show::text(&mut out, &discovery.found)?,
    }
    out.flush()?;
    report(&discovery.skipped, discovery.found.is_empty(), discovery.files, &args.targets, false)
}
