//! Processes that are traced or ill-treated: this test program started again, playing a role.
//!
//! They say lines that begin with [`MARK`] and are told lines on their standard input.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::support::{PATIENCE, find_program};

const ROLE: &str = "STAPES_PROVIDER_ROLE";
const MARK: &str = "» ";

/// Every role: what it is called, and what it does.
const ROLES: &[(&str, fn())] = &[
    ("values", crate::values::fire_everything),
    ("semaphores", crate::semaphores::fire_and_add),
    ("storm", crate::storm::load_and_unload_while_firing),
    ("storm-many-threads", crate::storm::fire_from_short_threads),
    ("fork", crate::forks::fork_and_unload),
    ("fork-while-changing", crate::forks::fork_while_others_change),
    ("report", crate::environment::report),
    ("without-memfd", crate::environment::report_without_memfd),
    ("without-membarrier", crate::environment::fire_without_membarrier),
    ("without-descriptors", crate::environment::run_out_of_descriptors),
    ("named", crate::environment::leave_a_file),
    ("images", crate::names::load_image_after_image),
];

/// What a started process does; without the variable this is a test of nothing.
#[test]
fn play() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (_, act) = ROLES.iter().find(|(name, _)| *name == role).expect("the role is known");
    act();
}

/// What runs this very program, where the machine cannot.
fn emulator() -> Option<&'static str> {
    const EMULATOR: &str = "qemu-aarch64-static";
    (cfg!(target_arch = "aarch64") && find_program(EMULATOR).is_some()).then_some(EMULATOR)
}

/// A process that plays a role.
pub(crate) struct Subject {
    child: Child,
    input: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
}

impl Subject {
    pub(crate) fn start(role: &str) -> Subject {
        Subject::start_by(&[], role)
    }

    /// Starts it by a command, such as `unshare`, to whose arguments the program's own are added.
    pub(crate) fn start_by(by: &[&str], role: &str) -> Subject {
        let own = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
        let emulator = emulator();
        let line: Vec<&str> = by
            .iter()
            .copied()
            .chain(emulator)
            .chain([own.as_str(), "subject::play", "--exact", "--nocapture"])
            .collect();
        let mut child = Command::new(line[0])
            .args(&line[1..])
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Subject { child, input, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it says, without the mark.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            let bytes = self.lines.read_line(&mut line).unwrap();
            assert!(bytes > 0, "the subject ended");
            if let Some((_, said)) = line.split_once(MARK) {
                return said.trim_end().to_owned();
            }
        }
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Closes its input, and waits for an end without failure.
    pub(crate) fn end(mut self) {
        drop(self.input.take());
        let status = crate::support::wait_for("the subject's end", || self.child.try_wait().unwrap());
        assert!(status.success(), "the subject failed: {status}");
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // Already gone where all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In a subject: says a line to the test.
pub(crate) fn say(line: &str) {
    println!("{MARK}{line}");
    std::io::stdout().flush().unwrap();
}

/// In a subject: what the test tells next, or nothing when it is time to end.
pub(crate) fn listen() -> Option<String> {
    let mut line = String::new();
    let bytes = std::io::stdin().lock().read_line(&mut line).unwrap();
    (bytes > 0).then(|| line.trim_end().to_owned())
}

/// In a subject: does this again and again until the input ends; gives up when a test's patience is long over.
pub(crate) fn until_told_to_end(mut act: impl FnMut()) {
    let (ended, end) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        while listen().is_some() {}
        drop(ended);
    });
    let start = std::time::Instant::now();
    while start.elapsed() < 2 * PATIENCE
        && end.recv_timeout(std::time::Duration::from_millis(5))
            == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
    {
        act();
    }
}
