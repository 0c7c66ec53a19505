//! `stapes list`: the probes of files, folders and processes.

mod progress;
mod target;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use stapes_output::definitions::{self, Format};
use stapes_output::listing;
use stapes_session::discovery::facts::Detail;
use stapes_session::discovery::{Discovery, Request, Skipped, discover};

pub(crate) use progress::Bar;
pub(crate) use target::Targets;

const EXAMPLES: &str = "\
Examples:
  stapes list libjvm.so               a file here, in $PATH, or a library
  stapes list /usr/lib /usr/bin       every file below two folders
  stapes list 'usdt:/bin/x:*:gc_*'    as bpftrace names them, with wildcards
  stapes list 'usdt:/usr/lib/*/libjvm.so'
  stapes list -p 1234                 everything that a process has mapped
  stapes list -p 1234 'hotspot:gc*'   some of that
  stapes list --all                   what any process has mapped
  stapes list -v -p 1234 libjvm.so    places, arguments, live semaphores
  stapes list --format gdb libjvm.so  as breakpoints for gdb";

/// Arguments of `stapes list`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    targets: Targets,

    /// Show sites, arguments, functions and semaphores, and every file that was skipped
    #[arg(short, long)]
    verbose: bool,

    /// One JSON object per line
    #[arg(long, conflicts_with_all = ["verbose", "format"])]
    json: bool,

    /// Definitions for another tool
    #[arg(long, value_name = "TOOL", conflicts_with = "verbose")]
    format: Option<Tool>,
}

/// The tools that `--format` writes definitions for.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Tool {
    /// A bpftrace script
    Bpftrace,
    /// Lines for /sys/kernel/tracing/uprobe_events
    #[value(name = "uprobe_events")]
    UprobeEvents,
    /// Commands of perf for a shell
    Perf,
    /// A command file for gdb -x
    Gdb,
}

pub(crate) fn list(args: ListArgs) -> anyhow::Result<ExitCode> {
    let format = args.format.map(|tool| match tool {
        Tool::Bpftrace => Format::Bpftrace,
        Tool::UprobeEvents => Format::UprobeEvents,
        Tool::Perf => Format::Perf,
        Tool::Gdb => Format::Gdb,
    });
    let detail = match format {
        Some(Format::UprobeEvents) => Detail::Arguments,
        None if args.verbose || args.json => Detail::Sites,
        _ => Detail::Probes,
    };
    let request = args.targets.request(detail)?;
    let discovery = look(&request);
    let found = &discovery.found;

    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match format {
        Some(format) => definitions::write(&mut out, format, found)?,
        None if args.json => listing::json::probes(&mut out, found)?,
        None if args.verbose => listing::verbose(&mut out, found)?,
        None => listing::names(&mut out, found)?,
    }
    out.flush()?;
    report(&discovery.skipped, found.is_empty(), discovery.files, &args.targets, args.verbose)
}

/// Looks for probes, with a progress bar where somebody is watching.
pub(crate) fn look(request: &Request) -> Discovery {
    let bar = Bar::new();
    let discovery = discover(request, &|files| bar.files(files));
    bar.finish();
    discovery
}

/// Says what was skipped and whether nothing was found, and so how the command ends.
pub(crate) fn report(
    skipped: &[Skipped],
    nothing: bool,
    files: u64,
    targets: &Targets,
    all: bool,
) -> anyhow::Result<ExitCode> {
    let mut err = io::stderr().lock();
    listing::skipped(&mut err, skipped, all)?;
    let failed = skipped.iter().any(|s| s.named);
    if nothing && !failed {
        writeln!(err, "{}", listing::nothing_found(files, &targets.words()))?;
    }
    Ok(if failed || nothing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
