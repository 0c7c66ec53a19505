//! What the commands that trace have in common: their options, and from a script's text to the exit code.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use stapes_output::{Buffering, Json, Talk, Text};
use stapes_session::events::Listener;
use stapes_session::kernel::Method;
use stapes_session::plan::{Draft, PlanError, Request};
use stapes_session::run::{self, RunError, RunOptions, Signals, Targets};
use stapes_session::words::words;

use super::diagnostics;

/// What ends a command that outlives the script: our own doing, or the terminal's.
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// Options of every command that traces.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SessionArgs {
    /// Trace only this process (may be repeated)
    #[arg(short, long = "pid", value_name = "PID", value_delimiter = ',',
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pid: Vec<u32>,

    /// Start this command and trace it, not what it starts, from its first instruction
    #[arg(short = 'c', long, value_name = "COMMAND")]
    pub(crate) command: Option<String>,

    /// How events are written
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,

    /// Write events to this file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Say nothing but what the script says, and errors
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Say more: at how many places it is attached, the verifier's log where it refuses a program
    #[arg(short, long, conflicts_with = "quiet")]
    pub(crate) verbose: bool,

    /// Allow what changes the system: system()
    #[arg(long = "unsafe")]
    pub(crate) allow_unsafe: bool,

    /// When output is written
    #[arg(short = 'B', long, value_enum, value_name = "MODE", default_value_t = BufferingArg::Line)]
    pub(crate) buffering: BufferingArg,

    /// What runs the script
    #[arg(long, value_enum, default_value_t = Engine::Auto)]
    pub(crate) engine: Engine,

    /// How the kernel attaches probes
    #[arg(long, value_enum, value_name = "METHOD", default_value_t = AttachMethod::Auto, hide_short_help = true)]
    pub(crate) attach: AttachMethod,
}

impl SessionArgs {
    /// The words of the command; none where there is no command.
    pub(crate) fn words(&self) -> anyhow::Result<Vec<String>> {
        let line = self.command.as_deref().unwrap_or_default();
        words(line).map_err(anyhow::Error::msg).context("-c")
    }
}

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// As bpftrace prints them
    Text,
    /// One object per line, as bpftrace -f json
    Json,
}

/// When output is written.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum BufferingArg {
    /// Whole lines at once
    Line,
    /// When the buffer is full
    Full,
    /// Each event by itself
    None,
}

/// What runs the script.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Engine {
    /// The best that there is
    Auto,
    /// eBPF in the kernel
    Kernel,
}

/// How the kernel attaches probes.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum AttachMethod {
    /// uprobe_multi where the kernel has it
    Auto,
    /// One link for many probes (Linux 6.6)
    UprobeMulti,
    /// One perf event per site, as older kernels need it
    PerfEvent,
}

/// A script to run.
pub(crate) struct Job<'a> {
    /// What diagnostics call it: a file's name, or `-e`.
    pub(crate) name: &'a str,
    /// Its text.
    pub(crate) source: String,
    /// `$1`, `$2`, ….
    pub(crate) parameters: Vec<String>,
    /// End after so many lines of `printf`.
    pub(crate) max_events: Option<u64>,
    /// Whether what it prints are the lines of a table.
    pub(crate) table: bool,
}

/// Compiles and runs a script, to the exit code of the command.
pub(crate) fn run(job: Job<'_>, args: &SessionArgs) -> anyhow::Result<ExitCode> {
    // One engine so far; the option is there for those who must not get another one some day.
    let (Engine::Auto | Engine::Kernel) = args.engine;
    let signals = Signals::catch().context("cannot catch signals")?;
    let mut listener = listener(args, job.table)?;
    let mut request = Request {
        source: job.source,
        parameters: job.parameters,
        pids: Vec::new(),
        allow_unsafe: args.allow_unsafe,
    };
    let draft = match Draft::parse(&request.source, &request.parameters) {
        Ok(draft) => draft,
        Err(error) => return refuse(job.name, &request.source, &error),
    };
    let mut targets = Targets::watch(&args.pid);
    if args.command.is_some() {
        targets.start(&args.words()?, draft.hold_at())?;
    }
    request.pids = targets.pids();
    let plan = match draft.compile(&request) {
        Ok(plan) => plan,
        Err(error) => return refuse(job.name, &request.source, &error),
    };
    if !args.quiet {
        diagnostics::show(job.name, &request.source, &plan.warnings)?;
        diagnostics::skipped(&plan.skipped)?;
    }
    let options = RunOptions {
        print_maps: plan.print_maps,
        notify_attached: std::env::var_os("__BPFTRACE_NOTIFY_PROBES_ATTACHED").is_some(),
        max_events: job.max_events,
        at_most: None,
    };
    let method = match args.attach {
        AttachMethod::Auto => Method::Auto,
        AttachMethod::UprobeMulti => Method::UprobeMulti,
        AttachMethod::PerfEvent => Method::PerfEvent,
    };
    let mut loaded = match plan.load(method, false) {
        Ok(loaded) => loaded,
        Err(error) => return kernel_error(&error, args.verbose),
    };
    let result = run::run(&mut loaded, &mut targets, &signals, &options, listener.as_mut());
    if result.is_err() {
        // What was said before the error; if it is the output that failed, that has been noticed.
        let _ = listener.flush();
    }
    match result {
        Ok(outcome) => {
            if let Some(signal) = outcome.command.and_then(|status| status.signal())
                && !(args.quiet || [SIGTERM, SIGINT].contains(&signal))
            {
                writeln!(io::stderr(), "warning: the command was killed by signal {signal}")?;
            }
            Ok(ExitCode::from(outcome.exit_code))
        }
        Err(RunError::Kernel(error) | RunError::NothingAttached(error)) => kernel_error(&error, args.verbose),
        Err(RunError::Output(error)) => Err(error).context("cannot write the output"),
        Err(RunError::Wait(error)) => Err(error).context("cannot wait for events"),
    }
}

fn refuse(name: &str, source: &str, error: &PlanError) -> anyhow::Result<ExitCode> {
    diagnostics::show(name, source, &error.diagnostics)?;
    diagnostics::skipped(&error.skipped)?;
    Ok(ExitCode::FAILURE)
}

/// Says what the kernel refused, and what may help.
pub(crate) fn kernel_error(error: &stapes_session::kernel::Error, verbose: bool) -> anyhow::Result<ExitCode> {
    let mut err = io::stderr().lock();
    writeln!(err, "error: {error}")?;
    if let Some(hint) = &error.hint {
        writeln!(err, "  = help: {hint}")?;
        writeln!(err, "  = help: `stapes doctor` says what this machine allows")?;
    }
    match &error.log {
        Some(log) if verbose => writeln!(err, "the verifier's log:\n{log}")?,
        Some(_) => writeln!(err, "  = note: -v shows the verifier's log")?,
        None => {}
    }
    Ok(ExitCode::FAILURE)
}

fn listener(args: &SessionArgs, table: bool) -> anyhow::Result<Box<dyn Listener>> {
    let out: Box<dyn Write> = match &args.output {
        Some(path) => {
            Box::new(File::create(path).with_context(|| format!("cannot create {}", path.display()))?)
        }
        None => Box::new(io::stdout()),
    };
    let buffering = match args.buffering {
        BufferingArg::Line => Buffering::Line,
        BufferingArg::Full if io::stdout().is_terminal() && args.output.is_none() => Buffering::Line,
        BufferingArg::Full => Buffering::Full,
        BufferingArg::None => Buffering::None,
    };
    Ok(match args.format {
        Format::Text => {
            let talk = match (args.quiet, args.verbose) {
                (true, _) => Talk::Quiet,
                (_, true) => Talk::More,
                _ => Talk::Usual,
            };
            let text = Text::new(out, Box::new(io::stderr()), buffering, talk);
            Box::new(if table { text.table() } else { text })
        }
        Format::Json => Box::new(Json::new(out, buffering)),
    })
}
