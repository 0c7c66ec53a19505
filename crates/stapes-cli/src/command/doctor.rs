//! `stapes doctor`: what this machine allows, and how to get more.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use stapes_session::doctor::{self, Finding, Grade};

const EXAMPLES: &str = "\
Examples:
  stapes doctor          what this kernel and these privileges allow
  sudo stapes doctor     what they would allow root
  stapes doctor -p 1234  and what can be done with process 1234";

/// Arguments of `stapes doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// Look at this process as well (may be repeated)
    #[arg(short, long = "pid", value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pid: Vec<u32>,
}

pub(crate) fn doctor(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let mut bad = 0;
    let mut section = |title: String, findings: Vec<Finding>| {
        bad += findings.iter().filter(|f| f.grade == Grade::Bad).count();
        show(&mut out, &title, &findings)
    };
    section("Kernel".into(), doctor::kernel())?;
    section("Privileges".into(), doctor::privileges())?;
    for pid in args.pid {
        section(format!("Process {pid}"), doctor::target(pid))?;
    }
    match bad {
        0 => writeln!(out, "The kernel engine works here.")?,
        _ => writeln!(
            out,
            "Tracing does not work so; `stapes list`, `info`, `validate` and `explain` do.\n\
             As root, or: sudo setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_checkpoint_restore+ep $(command -v stapes)"
        )?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(out: &mut impl Write, title: &str, findings: &[Finding]) -> io::Result<()> {
    let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    writeln!(out, "{title}")?;
    for finding in findings {
        let (mark, code) = match finding.grade {
            Grade::Good => ("ok", "32"),
            Grade::Fair => ("--", "33"),
            Grade::Bad => ("no", "31"),
            Grade::Note => ("  ", "0"),
        };
        let mark = if colour { format!("\x1b[{code}m{mark}\x1b[0m") } else { mark.to_owned() };
        writeln!(out, "  {mark} {:<34} {}", finding.what, finding.answer)?;
        if !finding.advice.is_empty() {
            writeln!(out, "     {:<34} ({})", "", finding.advice)?;
        }
    }
    writeln!(out)
}
