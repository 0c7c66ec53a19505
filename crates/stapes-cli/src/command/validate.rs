//! `stapes validate`: mistakes in the probes of files and processes.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use stapes_output::findings;
use stapes_session::discovery::Request;
use stapes_session::discovery::facts::Detail;
use stapes_session::validate as session;

use super::list::{Bar, Targets, report};

const EXAMPLES: &str = "\
Examples:
  stapes validate ./server         what is wrong, and which tools it breaks
  stapes validate /usr/lib         every file of a folder
  stapes validate -p 1234          also what became of the code in memory
  stapes validate --json ./server

Exits 1 if there are errors, 0 if there are only warnings or none.";

/// Arguments of `stapes validate`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    targets: Targets,

    /// One JSON object per finding
    #[arg(long)]
    json: bool,
}

pub(crate) fn validate(args: ValidateArgs) -> anyhow::Result<ExitCode> {
    let request = Request { broken: true, ..args.targets.request(Detail::Sites)? };
    let bar = Bar::new();
    let result = session::validate(&request, &|files| bar.files(files));
    bar.finish();

    let mut out = BufWriter::new(io::stdout().lock());
    match args.json {
        true => findings::json(&mut out, &result)?,
        false => findings::text(&mut out, &result)?,
    }
    out.flush()?;
    let code = report(&result.skipped, result.files.is_empty(), result.looked_at, &args.targets, false)?;
    let (errors, _) = findings::count(&result);
    Ok(if errors > 0 { ExitCode::FAILURE } else { code })
}
