//! The C program that the benches trace.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, bail};

use crate::command::{root, run};

/// Compiles the target and returns its path.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let folder = root().join("target/bench");
    std::fs::create_dir_all(&folder)?;
    let program = folder.join("loop");
    run(Command::new("gcc").args(["-O2", "-o"]).arg(&program).arg(root().join("xtask/targets/loop.c")))?;
    Ok(program)
}

/// A target that waits for a tracer.
pub(crate) struct Waiting {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Waiting {
    /// Starts the target; it fires `count` times once a tracer is there, at most `rate` per second (0: no limit).
    pub(crate) fn start(program: &PathBuf, count: u64, rate: u64) -> anyhow::Result<Waiting> {
        let mut child = Command::new(program)
            .args([count.to_string(), rate.to_string(), "wait".to_owned()])
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let lines = BufReader::new(child.stdout.take().context("no output")?);
        Ok(Waiting { child, lines })
    }

    /// CLOCK_MONOTONIC in nanoseconds at which it saw its semaphore raised.
    pub(crate) fn attached(&mut self) -> anyhow::Result<u64> {
        self.number("attached ")
    }

    /// Nanoseconds that all turns took.
    pub(crate) fn finished(mut self) -> anyhow::Result<u64> {
        let total = self.number("nanoseconds ")?;
        self.child.wait()?;
        Ok(total)
    }

    fn number(&mut self, behind: &str) -> anyhow::Result<u64> {
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        match line.find(behind).map(|at| line[at + behind.len()..].trim().parse()) {
            Some(Ok(number)) => Ok(number),
            _ => bail!("the target said {line:?} where `{behind}…` was expected"),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Already gone where all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nanoseconds for `count` turns with nobody tracing.
pub(crate) fn untraced(program: &PathBuf, count: u64) -> anyhow::Result<u64> {
    let mut target =
        Command::new(program).args([count.to_string(), "0".to_owned()]).stdout(Stdio::piped()).spawn()?;
    let lines = BufReader::new(target.stdout.take().context("no output")?);
    Waiting { child: target, lines }.finished()
}
