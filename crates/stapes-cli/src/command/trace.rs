//! `stapes trace`: one line an event, as bcc's trace prints them.

mod script;
mod spec;

use std::process::ExitCode;

use anyhow::bail;
use stapes_session::discovery::spec::Spec as Wanted;
use stapes_session::discovery::{Request, discover};

use super::session::{self, Job, SessionArgs};
use script::{Columns, Time};
use spec::{Place, Spec};

const EXAMPLES: &str = "\
A probe is WHERE, perhaps a (filter), perhaps a \"format\" with its arguments.
WHERE is one of
  PROVIDER:NAME             in the processes of -p or the command of -c
  PATH:PROVIDER:NAME        in a file, or a program or library by its name
  uprobe:PATH:FUNCTION      at a function; uretprobe: at its return
  u:PATH:NAME, p:PATH:FUNCTION, r:PATH:FUNCTION
                            as in bcc, where arg1 is the first argument
Filter and arguments are expressions of the script language, in which arg0 is
the first argument.

Examples:
  stapes trace -p 1234 hotspot:gc__begin
  stapes trace -t -M 10 libc:libc:memory_malloc_retry
  stapes trace -p 1234 'postgresql:query__start \"%s\", str(arg0)'
  stapes trace 'python3:python:function__entry (arg2 > 100) \"%s\", str(arg1)'
  stapes trace 'u:pthread:pthread_create \"%x\", arg1'";

/// Arguments of `stapes trace`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TraceArgs {
    #[command(flatten)]
    session: SessionArgs,

    /// Show the seconds since the start
    #[arg(short = 't', long)]
    timestamp: bool,

    /// Show the time of day
    #[arg(short = 'T', long, conflicts_with = "timestamp")]
    time: bool,

    /// Show the CPU
    #[arg(short = 'C', long)]
    cpu: bool,

    /// Show the stack of the process behind each event
    #[arg(short = 'U', long)]
    user_stack: bool,

    /// Show the stack of the kernel behind each event
    #[arg(short = 'K', long)]
    kernel_stack: bool,

    /// End after so many events
    #[arg(short = 'M', long, value_name = "COUNT")]
    max_events: Option<u64>,

    /// What to trace
    #[arg(required = true, value_name = "PROBE")]
    probes: Vec<String>,
}

pub(crate) fn trace(args: TraceArgs) -> anyhow::Result<ExitCode> {
    let mut specs = Vec::new();
    for text in &args.probes {
        let spec = match spec::parse(text) {
            Ok(spec) => spec,
            Err(reason) => bail!("{text}: {reason}"),
        };
        if spec.format.is_none() {
            specs.extend(with_all_arguments(&spec, &args.session)?);
        } else {
            specs.push(spec);
        }
    }
    let time = match (args.timestamp, args.time) {
        (true, _) => Some(Time::Relative),
        (_, true) => Some(Time::Day),
        _ => None,
    };
    let columns =
        Columns { time, cpu: args.cpu, user_stack: args.user_stack, kernel_stack: args.kernel_stack };
    let job = Job {
        name: "trace",
        source: script::script(&specs, columns),
        parameters: Vec::new(),
        // The header is not an event.
        max_events: args.max_events.map(|count| count.saturating_add(1)),
        table: true,
    };
    session::run(job, &args.session)
}

/// A probe without a format prints all its arguments; a wildcard becomes the probes that it matches, since they differ
/// in that. What is not found is left as it is: then the compiler says so.
fn with_all_arguments(spec: &Spec, session: &SessionArgs) -> anyhow::Result<Vec<Spec>> {
    let Place::Usdt { path, provider, name } = &spec.place else { return Ok(vec![spec.clone()]) };
    let mut wanted = Wanted { path: path.clone(), provider: provider.clone(), name: name.clone() };
    if wanted.any_object() && session.pid.is_empty() {
        // The command has not started yet; what it will load cannot be known, but its own file can.
        match session.words()?.into_iter().next() {
            Some(program) => wanted.path = program,
            None => bail!("{provider}:{name}: in which file? (PATH:{provider}:{name}, -p PID or -c COMMAND)"),
        }
    }
    let request = Request { targets: vec![wanted], pids: session.pid.clone(), ..Request::default() };
    let discovery = discover(&request, &|_| {});
    let mut specs = Vec::new();
    for found in &discovery.found {
        for facts in &found.facts.probes {
            let probe = &facts.probe;
            let place = Place::Usdt {
                path: path.clone(),
                provider: probe.provider.clone(),
                name: probe.name.clone(),
            };
            let format = script::all_arguments(probe);
            let spec = Spec { place, format, ..spec.clone() };
            if !specs.contains(&spec) {
                specs.push(spec);
            }
        }
    }
    Ok(if specs.is_empty() { vec![spec.clone()] } else { specs })
}
