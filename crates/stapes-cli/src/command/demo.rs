//! `stapes demo`: a small built-in workload, its probes, and what they say in some seconds.

mod report;
mod workload;

use std::io::{self, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context;
use stapes_output::listing;
use stapes_session::discovery::facts::Detail;
use stapes_session::discovery::spec::Spec;
use stapes_session::discovery::{Request, discover};
use stapes_session::kernel::{Error, Method};
use stapes_session::plan::{self, Plan};
use stapes_session::run::{self, RunError, RunOptions, Signals, Targets};

use super::diagnostics;
use report::{Report, SCRIPT};

/// Arguments of `stapes demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// How long to trace
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,

    /// Be the workload: what the demo starts and traces
    #[arg(long, hide = true)]
    workload: bool,
}

pub(crate) fn demo(args: DemoArgs) -> anyhow::Result<ExitCode> {
    if args.workload {
        workload::serve();
        return Ok(ExitCode::SUCCESS);
    }
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut out = io::stdout().lock();
    writeln!(out, "A small server with two static probes. They are in this very program:\n")?;
    list(&mut out, &program)?;

    let server = Server::start(&program)?;
    let pid = server.child.id();
    writeln!(out, "The server runs as process {pid}. This is the script that listens to it:\n")?;
    SCRIPT.lines().try_for_each(|line| writeln!(out, "  {line}"))?;
    writeln!(out)?;
    out.flush()?;

    let mut report = Report::default();
    match listen(pid, args.seconds, &mut report)? {
        Heard::All if report.requests() == 0 => anyhow::bail!("the server said nothing"),
        Heard::All => {
            let (requests, seconds) = (report.requests(), args.seconds);
            writeln!(out, "{requests} requests in {seconds} seconds.\n\n{}", report.text())?;
            writeln!(out, "Now a program of yours: stapes list -p PID; stapes trace -p PID PROVIDER:NAME")?;
        }
        Heard::Nothing(error) => {
            writeln!(out, "Listening needs more privileges than there are here: {error}.")?;
            writeln!(out, "  sudo stapes demo          shows counts, a histogram and the slowest requests")?;
            writeln!(out, "  stapes doctor             says what is missing")?;
            writeln!(out, "  stapes list, info, validate and explain work without.")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The make-believe server, for as long as this lives.
struct Server {
    child: Child,
}

impl Server {
    fn start(program: &std::path::Path) -> anyhow::Result<Server> {
        let child = Command::new(program)
            .args(["demo", "--workload"])
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        Ok(Server { child })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends when its standard input does.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// What came of listening.
enum Heard {
    /// Everything, for the whole time.
    All,
    /// The kernel does not let us.
    Nothing(Error),
}

fn listen(pid: u32, seconds: u64, report: &mut Report) -> anyhow::Result<Heard> {
    let signals = Signals::catch().context("cannot catch signals")?;
    let request = plan::Request { source: SCRIPT.to_owned(), pids: vec![pid], ..plan::Request::default() };
    let plan = match Plan::make(&request) {
        Ok(plan) => plan,
        Err(error) => {
            diagnostics::show("demo", SCRIPT, &error.diagnostics)?;
            anyhow::bail!("the demo's own script does not compile");
        }
    };
    let mut loaded = match plan.load(Method::Auto, false) {
        Ok(loaded) => loaded,
        Err(error) => return Ok(Heard::Nothing(error)),
    };
    let options = RunOptions {
        print_maps: true,
        notify_attached: false,
        max_events: None,
        at_most: Some(Duration::from_secs(seconds)),
    };
    match run::run(&mut loaded, &mut Targets::watch(&[pid]), &signals, &options, report) {
        Ok(_) => Ok(Heard::All),
        Err(RunError::Kernel(error) | RunError::NothingAttached(error)) => Ok(Heard::Nothing(error)),
        Err(RunError::Output(error) | RunError::Wait(error)) => Err(error.into()),
    }
}

fn list(out: &mut impl Write, program: &std::path::Path) -> anyhow::Result<()> {
    let targets =
        vec![Spec { path: program.display().to_string(), provider: "demo".to_owned(), name: "*".to_owned() }];
    let request = Request { targets, detail: Detail::Probes, ..Request::default() };
    listing::names(out, &discover(&request, &|_| {}).found)?;
    writeln!(out)?;
    Ok(())
}
