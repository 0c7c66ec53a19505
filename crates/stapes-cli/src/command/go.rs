//! `stapes go`: what Go programs say about themselves, without symbols or debug information.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::anyhow;
use stapes_output::go as show;
use stapes_session::binary::Glob;
use stapes_session::discovery::search;
use stapes_session::go as session;

const EXAMPLES: &str = "\
Examples:
  stapes go info ./server                 version, build, where its tables are
  stapes go functions ./server            every function
  stapes go functions -v ./server 'net/http.(*conn).*'
                                          places to probe, arguments, inlining
  stapes go functions --json ./server main.main";

/// Arguments of `stapes go`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GoArgs {
    #[command(subcommand)]
    command: GoCommand,
}

/// What to look at.
#[derive(Debug, clap::Subcommand)]
enum GoCommand {
    /// List functions, and those that were inlined away
    Functions(FunctionsArgs),
    /// Show version, build, and where the facts come from
    Info(InfoArgs),
}

/// Arguments of `stapes go functions`.
#[derive(Debug, clap::Args)]
struct FunctionsArgs {
    /// A Go program: a file, or the name of one in $PATH
    #[arg(value_name = "BIN", value_hint = clap::ValueHint::ExecutablePath)]
    program: PathBuf,

    /// Names of functions, with wildcards: * ? [a-z]
    #[arg(value_name = "GLOB")]
    pattern: Option<String>,

    /// Show places to probe, with their costs, arguments, and where it was inlined
    #[arg(short, long)]
    verbose: bool,

    /// One JSON object per function
    #[arg(long, conflicts_with = "verbose")]
    json: bool,
}

/// Arguments of `stapes go info`.
#[derive(Debug, clap::Args)]
struct InfoArgs {
    /// A Go program: a file, or the name of one in $PATH
    #[arg(value_name = "BIN", value_hint = clap::ValueHint::ExecutablePath)]
    program: PathBuf,

    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn go(args: GoArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        GoCommand::Functions(args) => functions(&args),
        GoCommand::Info(args) => info(&args),
    }
}

fn functions(args: &FunctionsArgs) -> anyhow::Result<ExitCode> {
    let path = find(&args.program);
    let pattern = args.pattern.as_deref().map(Glob::new);
    let details = args.verbose || args.json;
    let found = session::functions(&path, pattern.as_ref(), details).map_err(|e| failure(&path, &e))?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match (args.json, args.verbose) {
        (true, _) => show::json(&mut out, &found)?,
        (false, true) => show::verbose(&mut out, &found)?,
        (false, false) => show::functions(&mut out, &found)?,
    }
    out.flush()?;
    for warning in &found.warnings {
        eprintln!("warning: {}: {warning}", path.display());
    }
    if found.functions.is_empty() && found.inlined.is_empty() {
        let pattern = args.pattern.as_deref().unwrap_or("*");
        return Err(anyhow!("{}: no function is called `{pattern}`", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn info(args: &InfoArgs) -> anyhow::Result<ExitCode> {
    let path = find(&args.program);
    let info = session::info(&path).map_err(|e| failure(&path, &e))?;
    let mut out = BufWriter::new(io::stdout().lock());
    match args.json {
        true => show::info_json(&mut out, &info)?,
        false => show::info(&mut out, &info)?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// The file that is meant: that of the path, or else the program of that name.
fn find(program: &Path) -> PathBuf {
    let is_name = program.components().count() == 1;
    let found = (is_name && !program.exists()).then(|| search::program(program.to_str()?)).flatten();
    found.unwrap_or_else(|| program.to_owned())
}

fn failure(path: &Path, error: &session::Error) -> anyhow::Error {
    anyhow!("{}: {error}", path.display())
}
