//! What `list`, `info` and `validate` look at: the part of their command lines that is the same.

use std::path::Path;

use anyhow::bail;
use clap::CommandFactory;
use clap::error::ErrorKind;
use stapes_session::discovery::Request;
use stapes_session::discovery::facts::Detail;
use stapes_session::discovery::spec::Spec;

use crate::args::Args;

/// Files and processes to look at.
#[derive(Debug, clap::Args)]
pub(crate) struct Targets {
    /// Files, folders, names of programs and libraries, or PATH:PROVIDER:NAME; with wildcards
    #[arg(value_name = "TARGET", value_hint = clap::ValueHint::AnyPath)]
    targets: Vec<String>,

    /// Look at what this process has mapped (may be repeated)
    #[arg(short, long = "pid", value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pid: Vec<u32>,

    /// Look at what every process has mapped
    #[arg(long)]
    all: bool,
}

impl Targets {
    /// The request that this is.
    ///
    /// # Errors
    /// A target is malformed, needs a process that was not given, or there is none.
    pub(crate) fn request(&self, detail: Detail) -> anyhow::Result<Request> {
        let processes = self.all || !self.pid.is_empty();
        if self.targets.is_empty() && !processes {
            let message = "nothing to look at: give a file, a folder, -p PID or --all";
            Args::command().error(ErrorKind::MissingRequiredArgument, message).exit();
        }
        let targets = self.targets.iter().map(|t| spec(t, processes)).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Request { targets, pids: self.pid.clone(), all: self.all, detail, broken: false })
    }

    /// What is looked at, for a message.
    pub(crate) fn words(&self) -> String {
        if !self.targets.is_empty() {
            return self.targets.join(", ");
        }
        match self.pid.as_slice() {
            _ if self.all => "any process".to_owned(),
            [pid] => format!("process {pid}"),
            pids => format!("processes {}", pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// The probes that one target means.
pub(crate) fn spec(target: &str, processes: bool) -> anyhow::Result<Spec> {
    let spec = match Spec::parse(target) {
        Some(Ok(spec)) => spec,
        Some(Err(e)) => bail!("{target}: {e}"),
        None if Path::new(target).exists() => {
            // A file that is here comes before programs and libraries of that name, and before any colon in it.
            let here = if target.contains('/') { "" } else { "./" };
            Spec::whole(&format!("{here}{target}"))
        }
        None => match target.split_once(':') {
            // PROVIDER:NAME, of processes.
            Some((provider, name)) if !target.contains('/') && !name.contains(':') && processes => {
                Spec { path: "*".to_owned(), provider: provider.to_owned(), name: name.to_owned() }
            }
            // PATH:PROVIDER:NAME or PATH:NAME, as `stapes trace` takes them too.
            Some((path, rest)) if path.contains('/') || rest.contains(':') => {
                match Spec::parse(&format!("usdt:{target}")) {
                    Some(Ok(spec)) => spec,
                    Some(Err(e)) => bail!("{target}: {e}"),
                    None => Spec::whole(target),
                }
            }
            Some(_) => bail!("{target}: in which file? (PATH:{target}, or -p PID)"),
            None => Spec::whole(target),
        },
    };
    if spec.any_object() && !processes {
        bail!("{target}: names no file; give one, or -p PID or --all");
    }
    Ok(spec)
}
