//! Runs a loaded script: from `BEGIN` to the last map on the screen.
//!
//! # Order
//! 1. The `BEGIN` programs run. If one of them called `exit()`, nothing is attached.
//! 2. Everything attaches; the listener is told; only then does it see what `BEGIN` said.
//! 3. The command is let go. The loop: records, in the order in which they were reserved in the ring; intervals; losses once a second.
//! 4. It ends by `exit()`, by SIGINT or SIGTERM, or when all traced processes are gone.
//! 5. Everything detaches. What was in the ring before is shown, unless it came after `exit()`.
//! 6. The `END` programs run, and the maps are shown.
//!
//! `print`, `clear`, `zero` and `exit` are records like any other, so they happen between the `printf`s between which
//! the script has them. What a map holds when `print(@m)` is carried out may be a little newer than when it was asked
//! for, as in bpftrace: the target is not stopped.
//!
//! # Speed
//! Records are copied out of the ring before they are shown, so a slow terminal or pipe leaves the ring free for as
//! long as it can, and then the programs count what they lose. Nothing here ever makes the target wait.
//! After a batch we rest for [`stapes_kernel::REST`], see there.

mod losses;
mod owners;
mod signals;
mod targets;

use std::collections::BTreeSet;
use std::io;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use stapes_bpf::{EventKind, MapRole, Point, StackMode};
use stapes_kernel::{Loaded, REST};

use crate::clock::BootTime;
use crate::events::record::{Layout, Record, event_index};
use crate::events::{Facts, Frame, Listener, MapContent, Message};
use crate::symbols::Symbols;
use crate::users::Users;
use losses::Reporter;
pub use signals::Signals;
pub use targets::Targets;

/// How to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Whether to show the maps at the end.
    pub print_maps: bool,
    /// Whether to say on standard output's own line when everything is attached, as test drivers want it.
    pub notify_attached: bool,
    /// End after so many lines of `printf`.
    pub max_events: Option<u64>,
    /// End after this time.
    pub at_most: Option<Duration>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What the script gave to `exit()`.
    pub exit_code: u8,
    /// How many sites were attached.
    pub sites: usize,
    /// How the command ended, if one was started.
    pub command: Option<ExitStatus>,
}

/// Why it could not run on.
#[derive(Debug)]
pub enum RunError {
    /// The kernel refused something.
    Kernel(stapes_kernel::Error),
    /// The output could not be written.
    Output(io::Error),
    /// Waiting for events failed.
    Wait(io::Error),
    /// No site of any probe could be attached; the first reason.
    NothingAttached(stapes_kernel::Error),
}

impl From<stapes_kernel::Error> for RunError {
    fn from(error: stapes_kernel::Error) -> Self {
        RunError::Kernel(error)
    }
}

/// How often losses are looked for.
const LOSSES_EVERY: Duration = Duration::from_secs(1);

/// Runs `loaded` to its end.
pub fn run(
    loaded: &mut Loaded,
    targets: &mut Targets,
    signals: &Signals,
    options: &RunOptions,
    listener: &mut dyn Listener,
) -> Result<Outcome, RunError> {
    let mut state = State::new(loaded);
    state.events_left = options.max_events;
    loaded.run_begin()?;
    state.gather(loaded);
    let mut outcome = Outcome::default();
    if !state.exit_waits(loaded) {
        outcome.sites = attach(loaded, listener, &mut state)?;
        if state.wants_symbols || prints_user_code(loaded) {
            // Now, since what is told next may be what the processes wait for to end.
            targets.pids().into_iter().for_each(|pid| state.symbols.remember(pid));
        }
    }
    let probes = probe_count(loaded);
    state.tell(loaded, Message::Attached { probes, sites: outcome.sites }, listener)?;
    if options.notify_attached {
        state.tell(loaded, Message::Notify, listener)?;
    }
    state.deliver(loaded, listener)?;
    listener.flush().map_err(RunError::Output)?;
    if state.exit.is_none() {
        targets.resume().map_err(RunError::Wait)?;
    }

    let mut losses = Reporter::default();
    let mut next_losses = Instant::now() + LOSSES_EVERY;
    let end = options.at_most.map(|time| Instant::now() + time);
    let over = || end.is_some_and(|end| Instant::now() >= end);
    while state.exit.is_none() && !signals.caught() && !targets.all_gone() && !over() {
        let records = state.gather(loaded);
        state.deliver(loaded, listener)?;
        if state.exit.is_some() {
            break;
        }
        let now = Instant::now();
        loaded.run_intervals_due(now)?;
        if now >= next_losses {
            state.report(loaded, &mut losses, listener)?;
            next_losses = now + LOSSES_EVERY;
        }
        for text in targets.look_after(now, loaded, &mut state.symbols, state.wants_symbols) {
            state.tell(loaded, Message::Warning(&text), listener)?;
        }
        let deadline = [Some(next_losses), end, loaded.next_deadline(), targets.next_deadline()];
        let deadline = deadline.into_iter().flatten().min().unwrap_or(next_losses);
        wait(loaded, targets, signals, records > 0, deadline).map_err(RunError::Wait)?;
    }

    outcome.command = targets.end_command();
    loaded.detach()?;
    state.gather(loaded);
    state.deliver(loaded, listener)?;
    // From here on the END programs speak, also after exit().
    let exit = state.exit.take();
    loaded.run_end()?;
    state.gather(loaded);
    state.deliver(loaded, listener)?;
    outcome.exit_code = exit.or(state.exit).unwrap_or(0);
    state.report(loaded, &mut losses, listener)?;
    state.tell(loaded, Message::End, listener)?;
    if options.print_maps {
        state.show_all_maps(loaded, listener)?;
    }
    listener.flush().map_err(RunError::Output)?;
    Ok(outcome)
}

/// What a run remembers.
struct State {
    layouts: Vec<Layout>,
    /// Records that wait to be shown, one after the other, and where each ends.
    waiting: Vec<u8>,
    ends: Vec<usize>,
    /// Maps without keys that were zeroed: they are shown though they look untouched.
    zeroed: BTreeSet<u32>,
    exit: Option<u8>,
    /// How many lines of `printf` may still come, if there is a limit.
    events_left: Option<u64>,
    malformed: u64,
    symbols: Symbols,
    users: Users,
    boot: Option<BootTime>,
    /// Whether maps hold addresses of processes that will be looked up at the end.
    wants_symbols: bool,
}

impl State {
    fn new(loaded: &Loaded) -> Self {
        let object = loaded.object();
        State {
            layouts: object.events.iter().map(Layout::of).collect(),
            waiting: Vec::new(),
            ends: Vec::new(),
            zeroed: BTreeSet::new(),
            exit: None,
            events_left: None,
            malformed: 0,
            symbols: Symbols::new(),
            users: Users::default(),
            boot: None,
            wants_symbols: object.maps.iter().any(owners::holds_user_code),
        }
    }

    /// Copies the records that have arrived; gives how many there were.
    fn gather(&mut self, loaded: &mut Loaded) -> usize {
        let (waiting, ends) = (&mut self.waiting, &mut self.ends);
        loaded.consume(&mut |record| {
            waiting.extend_from_slice(record);
            ends.push(waiting.len());
        })
    }

    /// Whether a record that waits is an `exit()`.
    fn exit_waits(&self, loaded: &Loaded) -> bool {
        let events = &loaded.object().events;
        self.records().any(|record| {
            let event = event_index(record).ok().and_then(|index| events.get(index as usize));
            event.is_some_and(|event| event.kind == EventKind::Exit)
        })
    }

    fn records(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.waiting[start..*end])
    }

    /// Shows the records that wait, up to an `exit()`.
    fn deliver(&mut self, loaded: &Loaded, listener: &mut dyn Listener) -> Result<(), RunError> {
        let waiting = std::mem::take(&mut self.waiting);
        let ends = std::mem::take(&mut self.ends);
        let mut start = 0;
        for end in &ends {
            if self.exit.is_some() {
                break;
            }
            self.record(loaded, &waiting[start..*end], listener)?;
            start = *end;
        }
        if !ends.is_empty() {
            listener.batch_done().map_err(RunError::Output)?;
        }
        // The room is used again.
        (self.waiting, self.ends) = (waiting, ends);
        self.waiting.clear();
        self.ends.clear();
        Ok(())
    }

    fn record(&mut self, loaded: &Loaded, bytes: &[u8], listener: &mut dyn Listener) -> Result<(), RunError> {
        let object = loaded.object();
        let index = event_index(bytes).unwrap_or(u32::MAX);
        let Some(event) = object.events.get(index as usize) else {
            self.malformed += 1;
            return Ok(());
        };
        let layouts = std::mem::take(&mut self.layouts);
        let result = match Record::new(event, &layouts[index as usize], bytes) {
            Ok(record) => self.act(loaded, index, &event.kind, &record, listener),
            Err(_) => {
                self.malformed += 1;
                Ok(())
            }
        };
        self.layouts = layouts;
        result
    }

    fn act(
        &mut self,
        loaded: &Loaded,
        event: u32,
        kind: &EventKind,
        fields: &Record<'_>,
        listener: &mut dyn Listener,
    ) -> Result<(), RunError> {
        let message = match kind {
            EventKind::Printf { format } => {
                self.tell(loaded, Message::Printf { event, format, fields }, listener)?;
                self.count_event();
                return Ok(());
            }
            EventKind::PrintValue => match fields.values().next() {
                Some(value) => Message::Value(value),
                None => return Ok(()),
            },
            EventKind::PrintMap { map, top, divisor } => {
                return self.show_map(loaded, *map, *top, *divisor, listener);
            }
            EventKind::Clear { map } => return self.clear(loaded, *map),
            EventKind::Zero { map } => return self.zero(loaded, *map),
            EventKind::Time { format } => Message::Time { format },
            EventKind::Exit => {
                let code = fields.values().next().and_then(|v| v.number()).unwrap_or(0);
                self.exit = Some(code as u8);
                return Ok(());
            }
            EventKind::Join { separator } => match fields.values().next() {
                Some(strings) => Message::Join { strings, separator },
                None => return Ok(()),
            },
            EventKind::Cat { format } => Message::Cat { format, fields },
            EventKind::System { format } => Message::System { format, fields },
        };
        self.tell(loaded, message, listener)
    }

    /// One line of `printf` less to come; the last one is an `exit()`.
    fn count_event(&mut self) {
        if let Some(left) = &mut self.events_left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.exit = Some(0);
            }
        }
    }

    fn tell(
        &mut self,
        loaded: &Loaded,
        message: Message<'_>,
        listener: &mut dyn Listener,
    ) -> Result<(), RunError> {
        let mut known = Known { loaded, state: self };
        listener.message(message, &mut known).map_err(RunError::Output)
    }

    fn show_map(
        &mut self,
        loaded: &Loaded,
        index: u32,
        top: u32,
        divisor: u32,
        listener: &mut dyn Listener,
    ) -> Result<(), RunError> {
        let Some(handle) = loaded.map(index) else { return Ok(()) };
        let entries = handle.entries()?;
        let raw = entries.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        let zeroed = self.zeroed.contains(&index);
        if let Some(mut content) = MapContent::new(handle.description(), raw, zeroed) {
            content.keep_top(top as usize);
            let message = Message::Map { map: &content, divisor: u64::from(divisor) };
            self.tell(loaded, message, listener)?;
        }
        Ok(())
    }

    fn show_all_maps(&mut self, loaded: &Loaded, listener: &mut dyn Listener) -> Result<(), RunError> {
        let maps = &loaded.object().maps;
        let mut order: Vec<u32> = (0..maps.len() as u32).collect();
        order.sort_by_key(|index| &maps[*index as usize].name);
        for index in order {
            if matches!(maps[index as usize].role, MapRole::Script { .. }) {
                self.show_map(loaded, index, 0, 1, listener)?;
            }
        }
        Ok(())
    }

    fn clear(&mut self, loaded: &Loaded, index: u32) -> Result<(), RunError> {
        self.zeroed.remove(&index);
        if let Some(handle) = loaded.map(index) {
            handle.clear()?;
        }
        Ok(())
    }

    fn zero(&mut self, loaded: &Loaded, index: u32) -> Result<(), RunError> {
        let Some(handle) = loaded.map(index) else { return Ok(()) };
        let Some(flag) = handle.description().set_flag() else {
            self.zeroed.insert(index);
            return Ok(handle.zero()?);
        };
        let key = 0u32.to_ne_bytes();
        if let Some(mut value) = handle.get(&key)? {
            value[..flag as usize].fill(0);
            handle.update(&key, &value)?;
        }
        Ok(())
    }

    fn report(
        &mut self,
        loaded: &Loaded,
        losses: &mut Reporter,
        listener: &mut dyn Listener,
    ) -> Result<(), RunError> {
        for loss in losses.new_losses(loaded, self.malformed)? {
            self.tell(loaded, Message::Lost(&loss), listener)?;
        }
        listener.batch_done().map_err(RunError::Output)
    }
}

/// Answers from the running session.
struct Known<'a> {
    loaded: &'a Loaded,
    state: &'a mut State,
}

impl Facts for Known<'_> {
    fn stack(&mut self, map: u32, key: u64, pid: Option<u32>, mode: StackMode) -> Vec<Frame> {
        let found = self.loaded.map(map).and_then(|handle| handle.get(&key.to_ne_bytes()).ok().flatten());
        let words = found.unwrap_or_default();
        let mut words = words.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word));
        let count = words.next().unwrap_or(0) as usize;
        let symbols = &mut self.state.symbols;
        words
            .take(count)
            .enumerate()
            .map(|(depth, address)| match mode {
                StackMode::Raw => Frame { address, ..Frame::default() },
                _ => symbols.look_up(address, pid, depth > 0),
            })
            .collect()
    }

    fn symbol(&mut self, address: u64, pid: Option<u32>) -> Frame {
        self.state.symbols.look_up(address, pid, false)
    }

    fn probe(&mut self, index: u32) -> &str {
        self.loaded.object().probes.get(index as usize).map_or("", String::as_str)
    }

    fn username(&mut self, uid: u32) -> String {
        self.state.users.name(uid)
    }

    fn wall_clock(&mut self, boot_nanoseconds: u64) -> i128 {
        self.state.boot.get_or_insert_with(BootTime::measure).wall_clock(boot_nanoseconds)
    }
}

/// Attaches, and says what could not be attached. An error if nothing at all could.
fn attach(loaded: &mut Loaded, listener: &mut dyn Listener, state: &mut State) -> Result<usize, RunError> {
    let mut report = loaded.attach()?;
    if report.attached == 0 && !report.failures.is_empty() {
        return Err(RunError::NothingAttached(report.failures.swap_remove(0).error));
    }
    let mut warnings = report.warnings;
    for failure in report.failures {
        let sites = failure.offsets.len();
        let plural = if sites == 1 { "site" } else { "sites" };
        let process = failure.pid.map_or(String::new(), |pid| format!(" in process {pid}"));
        let mut text =
            format!("{sites} {plural} of {}{process} not attached: {}", failure.image, failure.error);
        if let Some(hint) = &failure.error.hint {
            text.push_str(&format!(" ({hint})"));
        }
        warnings.push(text);
    }
    for text in warnings {
        state.tell(loaded, Message::Warning(&text), listener)?;
    }
    Ok(report.attached)
}

/// How many probes a script has: its points, where a probe with several sites counts once.
fn probe_count(loaded: &Loaded) -> usize {
    let mut probes = BTreeSet::new();
    for (index, attachment) in loaded.object().attachments.iter().enumerate() {
        probes.insert(match attachment.point {
            Point::Start => continue,
            Point::Uprobe { cookie, ret, .. } => (attachment.program, cookie >> 32, ret),
            _ => (attachment.program, u64::MAX - index as u64, false),
        });
    }
    probes.len()
}

/// Whether events carry addresses of processes.
fn prints_user_code(loaded: &Loaded) -> bool {
    loaded.object().events.iter().any(|event| event.fields.iter().any(owners::is_user_code))
}

/// Waits for records, a signal, the end of a target or the deadline.
///
/// While records flow only for [`REST`], and not for the ring: see there.
fn wait(
    loaded: &Loaded,
    targets: &Targets,
    signals: &Signals,
    flowing: bool,
    deadline: Instant,
) -> io::Result<()> {
    let mut timeout = deadline.saturating_duration_since(Instant::now());
    if flowing {
        timeout = timeout.min(REST);
    }
    let mut fds = vec![PollFd::new(signals, PollFlags::IN)];
    let ring = loaded.poll_fd();
    if let (false, Some(ring)) = (flowing, &ring) {
        fds.push(PollFd::new(ring, PollFlags::IN));
    }
    fds.extend(targets.exits().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}
