//! `stapes explain`: what a script attaches to and what it compiles to, step by step. Needs no privileges.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use stapes_session::plan::{Plan, Request};
use stapes_session::script::catalog::{Answer, Match, Place};

use super::{diagnostics, run};

const EXAMPLES: &str = "\
Examples:
  stapes explain count.bt
  stapes explain -e 'usdt:libjvm.so:hotspot:gc__begin { @ = count() }'
  stapes explain --only ir -e 'BEGIN { printf(\"%d\\n\", 1 + 2) }'";

/// Arguments of `stapes explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// Explain this program
    #[arg(short = 'e', value_name = "PROGRAM", conflicts_with = "file", required_unless_present = "file")]
    program: Option<String>,

    /// As if tracing only this process (may be repeated)
    #[arg(short, long = "pid", value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pid: Vec<u32>,

    /// Only one part
    #[arg(long, value_enum, value_name = "PART")]
    only: Option<Part>,

    /// The script; - for standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// What the script sees as $1, $2, …
    #[arg(value_name = "PARAMETER", trailing_var_arg = true)]
    parameters: Vec<String>,
}

/// The parts of an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// What each attach point matches
    Probes,
    /// The intermediate representation
    Ir,
    /// Maps, events, places and bytecode: the whole object
    Object,
}

pub(crate) fn explain(args: ExplainArgs) -> anyhow::Result<ExitCode> {
    let mut parameters = args.parameters;
    let (name, source) = match (args.program, &args.file) {
        (Some(program), _) => ("-e".to_owned(), program),
        (None, Some(file)) => run::read(file)?,
        (None, None) => anyhow::bail!("no script"),
    };
    if name == "-e" {
        parameters.splice(0..0, args.file.iter().map(|f| f.display().to_string()));
    }
    let request = Request { source, parameters, pids: args.pid, allow_unsafe: true };
    let plan = match Plan::make(&request) {
        Ok(plan) => plan,
        Err(error) => {
            diagnostics::show(&name, &request.source, &error.diagnostics)?;
            diagnostics::skipped(&error.skipped)?;
            return Ok(ExitCode::FAILURE);
        }
    };
    diagnostics::show(&name, &request.source, &plan.warnings)?;
    diagnostics::skipped(&plan.skipped)?;

    let mut out = io::BufWriter::new(io::stdout().lock());
    let wanted = |part| args.only.is_none_or(|only| only == part);
    if wanted(Part::Probes) {
        writeln!(out, "# What the attach points match")?;
        for (point, answer) in plan.script.attach_points().zip(&plan.catalog.answers) {
            writeln!(out, "{}", point.text)?;
            matches(&mut out, &plan, answer)?;
        }
        writeln!(out)?;
    }
    if wanted(Part::Ir) {
        writeln!(out, "# Intermediate representation")?;
        for function in plan.functions(&request) {
            writeln!(out, "{function}")?;
        }
    }
    if wanted(Part::Object) {
        writeln!(out, "# The object: maps, events, places, bytecode")?;
        write!(out, "{}", plan.object)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn matches(out: &mut impl Write, plan: &Plan, answer: &Answer) -> io::Result<()> {
    for Match { image, name, place, .. } in &answer.matches {
        let path = plan.catalog.images.get(*image as usize).map_or("", |image| image.path.as_str());
        writeln!(out, "  {name} in {path}")?;
        match place {
            Place::Usdt { probe, .. } => {
                for site in &probe.sites {
                    let offset = site.file_offset.map_or("nowhere".to_owned(), |o| format!("offset {o}"));
                    let semaphore =
                        site.semaphore_offset.map_or(String::new(), |o| format!(", semaphore at {o}"));
                    let arguments = match site.arguments.as_str() {
                        "" => "no arguments",
                        arguments => arguments,
                    };
                    writeln!(out, "    site at {} ({offset}{semaphore}): {arguments}", site.pc)?;
                }
            }
            Place::Function { function, file_offset, .. } => {
                writeln!(out, "    {function} at offset {file_offset:#x}")?;
            }
        }
    }
    Ok(())
}
