//! Programs that fire while a tracer is attached to them.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::compiled::Library;
use crate::support::wait_for;

/// A program that goes on until its input ends, or until it is dropped.
pub(crate) struct Firing {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Firing {
    pub(crate) fn start(library: &Library, command: &mut Command) -> Firing {
        let mut child = command
            .env("LD_LIBRARY_PATH", library.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Firing { child, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it says.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Waits until the process has an image of this provider.
    pub(crate) fn wait_for_image(&self, provider: &str) {
        let maps = format!("/proc/{}/maps", self.pid());
        wait_for("the image", || {
            let maps = std::fs::read_to_string(&maps).unwrap();
            maps.contains(&format!("memfd:libstapsdt:{provider} ")).then_some(())
        });
    }

    /// Ends its input, and waits for its end without failure.
    pub(crate) fn end(mut self) {
        drop(self.child.stdin.take());
        let status = wait_for("the program's end", || self.child.try_wait().unwrap());
        assert!(status.success(), "the program failed: {status}");
    }
}

impl Drop for Firing {
    fn drop(&mut self) {
        // Already gone where all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
