//! Bringing an [`Object`] into the kernel: maps first, then programs that refer to them.
//!
//! References in the instructions are symbolic (index of a map, index of a kernel function); here they
//! become descriptors and BTF ids. Descriptors rather than the kernel's own `fd_array`, so that kernels
//! before 5.14 load them too.
//!
//! # What [`ProgramKind::Run`] becomes
//! Programs for `BEGIN`, `END` and intervals are called by us, by `BPF_PROG_TEST_RUN`. They are loaded as
//! raw tracepoint programs: that type can be run so since Linux 5.10, needs no context, runs on the calling
//! thread (so `comm` and `pid` are the tracer's, as bpftrace's users expect), and may call every helper
//! that a probe's program may but for the attach cookie. It cannot sleep, though; one that must (it reads a
//! user string) is loaded as a `BPF_PROG_TYPE_SYSCALL` program, which can be run the same way since 5.14.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use stapes_bpf::{Insn, MapKind, MapRole, Object, Point, Program, ProgramKind};

use crate::attach::{Job, Link, Method};
use crate::losses::{self, Losses};
use crate::maps::{self, MapHandle};
use crate::ring::Ring;
use crate::semaphores::Raised;
use crate::sys::bpf::{self, ProgramLoad, ProgramType};
use crate::sys::map::MapFd;
use crate::sys::process;
use crate::{Error, Features, btf};

/// Bytes for the verifier's log.
const LOG_SIZE: usize = 4 << 20;

/// How to load.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// How probes will be attached; programs are loaded for one method.
    pub method: Method,
    /// Whether to keep the verifier's log of programs that load; that of one that does not is always in the
    /// error.
    pub verifier_log: bool,
}

/// An object in the kernel. Dropping it detaches everything.
#[derive(Debug)]
pub struct Loaded {
    pub(crate) object: Object,
    pub(crate) features: Features,
    /// [`Method::Auto`] decided.
    pub(crate) method: Method,
    pub(crate) programs: Vec<OwnedFd>,
    pub(crate) links: Vec<Link>,
    /// What the links hold.
    pub(crate) attached: Vec<Job>,
    pub(crate) raised: Vec<Raised>,
    maps: Vec<MapFd>,
    ring: Option<Ring>,
    intervals: Vec<Interval>,
    logs: Vec<String>,
}

#[derive(Debug)]
struct Interval {
    program: usize,
    period: Duration,
    next: Instant,
}

impl Loaded {
    /// Creates the maps, fills the constants, loads the programs. Nothing runs yet.
    pub fn load(object: Object, options: &LoadOptions) -> Result<Loaded, Error> {
        let features = Features::detect();
        let method = options.method.decide(&features);
        if features.version() < (5, 11) {
            // If it fails, so will what needs it, and that error says more.
            let _ = process::lift_memlock_limit();
        }
        let cpus = features.possible_cpus();
        // Both take about a millisecond: one reads megabytes of BTF, the other has the kernel zero megabytes.
        let (maps, functions) = thread::scope(|scope| {
            let functions = (!object.kfuncs.is_empty()).then(|| scope.spawn(|| function_ids(&object)));
            let maps = object.maps.iter().map(|m| maps::create(m, cpus)).collect::<Result<Vec<_>, _>>();
            (maps, functions.map(|thread| thread.join()))
        });
        let maps = maps?;
        let functions = match functions {
            Some(Ok(functions)) => functions?,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Vec::new(),
        };
        let ring = match object.maps.iter().position(|m| m.kind == MapKind::RingBuf) {
            Some(i) => {
                let ring = Ring::map(maps[i].as_fd(), object.maps[i].max_entries);
                Some(ring.map_err(|e| Error::new("mmap", object.maps[i].name.as_str(), &e))?)
            }
            None => None,
        };
        let mut programs = Vec::with_capacity(object.programs.len());
        let mut logs = Vec::new();
        for program in &object.programs {
            let insns = resolve(program, &maps, &functions)?;
            let (fd, log) = load_program(program, &insns, method, options.verifier_log)?;
            programs.push(fd);
            logs.extend(log);
        }
        let loaded = Loaded {
            object,
            features,
            method,
            programs,
            links: Vec::new(),
            attached: Vec::new(),
            raised: Vec::new(),
            maps,
            ring,
            intervals: Vec::new(),
            logs,
        };
        loaded.check_points()?;
        Ok(loaded)
    }

    /// What was loaded.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// What the kernel can do.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// How probes are attached; never [`Method::Auto`].
    pub fn method(&self) -> Method {
        self.method
    }

    /// The verifier's log of each program, if [`LoadOptions::verifier_log`] asked for it.
    pub fn verifier_logs(&self) -> &[String] {
        &self.logs
    }

    /// The map with an index in [`Object::maps`].
    pub fn map(&self, index: u32) -> Option<MapHandle<'_>> {
        let index = index as usize;
        Some(MapHandle { map: self.object.maps.get(index)?, fd: self.maps.get(index)? })
    }

    /// The map with a name.
    pub fn map_named(&self, name: &str) -> Option<MapHandle<'_>> {
        let index = self.object.maps.iter().position(|m| m.name == name)?;
        self.map(u32::try_from(index).ok()?)
    }

    /// A descriptor that is readable when there are events; `None` for an object without a ring buffer.
    /// See [`crate::REST`] for how to wait without slowing the target.
    pub fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        let index = self.object.maps.iter().position(|m| m.kind == MapKind::RingBuf)?;
        self.maps.get(index).map(AsFd::as_fd)
    }

    /// Hands the events that have arrived to `f`, in order; gives how many there were, at most a ring full.
    pub fn consume(&mut self, f: &mut dyn FnMut(&[u8])) -> usize {
        self.ring.as_mut().map_or(0, |ring| ring.consume(f))
    }

    /// Runs the programs of [`Point::Start`], then those of [`Point::Begin`].
    pub fn run_begin(&mut self) -> Result<(), Error> {
        self.run_all(&Point::Start)?;
        self.run_all(&Point::Begin)
    }

    /// Runs the programs of [`Point::End`].
    pub fn run_end(&mut self) -> Result<(), Error> {
        self.run_all(&Point::End)
    }

    /// Starts the clocks of the intervals: their first run is one period from `now`.
    pub fn start_intervals(&mut self, now: Instant) {
        self.intervals = self
            .object
            .attachments
            .iter()
            .filter_map(|a| match a.point {
                Point::Interval { nanoseconds } => {
                    let period = Duration::from_nanos(nanoseconds.max(1));
                    Some(Interval { program: a.program as usize, period, next: now + period })
                }
                _ => None,
            })
            .collect();
    }

    /// When the next interval is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.intervals.iter().map(|i| i.next).min()
    }

    /// Runs the programs of the intervals that are due at `now`, each once: periods that were slept through
    /// are skipped.
    pub fn run_intervals_due(&mut self, now: Instant) -> Result<(), Error> {
        for at in 0..self.intervals.len() {
            let interval = &mut self.intervals[at];
            if interval.next > now {
                continue;
            }
            interval.next += interval.period;
            if interval.next <= now {
                interval.next = now + interval.period;
            }
            let program = interval.program;
            self.run(program)?;
        }
        Ok(())
    }

    /// What was lost so far.
    pub fn losses(&self) -> Result<Losses, Error> {
        let lost = self.object.maps.iter().position(|m| m.role == MapRole::Lost);
        let causes = losses::causes(&self.object, lost.and_then(|i| self.map(u32::try_from(i).ok()?)))?;
        let missed = self
            .programs
            .iter()
            .zip(&self.object.programs)
            .map(|(fd, program)| {
                bpf::recursion_misses(fd.as_fd())
                    .map_err(|e| Error::new("BPF_OBJ_GET_INFO_BY_FD", program.name.as_str(), &e))
            })
            .collect::<Result<_, _>>()?;
        Ok(Losses { causes, missed })
    }

    fn run_all(&mut self, point: &Point) -> Result<(), Error> {
        let programs: Vec<_> =
            self.object.attachments.iter().filter(|a| a.point == *point).map(|a| a.program).collect();
        programs.into_iter().try_for_each(|program| self.run(program as usize))
    }

    fn run(&self, program: usize) -> Result<(), Error> {
        bpf::test_run(self.programs[program].as_fd())
            .map(drop)
            .map_err(|e| Error::new("BPF_PROG_TEST_RUN", self.object.programs[program].name.as_str(), &e))
    }

    /// Errors for attachments that refer to what is not there.
    fn check_points(&self) -> Result<(), Error> {
        for attachment in &self.object.attachments {
            if attachment.program as usize >= self.programs.len() {
                let name = format!("program {}", attachment.program);
                return Err(Error::other("load", name, "attachment of a program that is not there"));
            }
        }
        Ok(())
    }
}

/// The BTF ids of the kernel functions that the object calls.
fn function_ids(object: &Object) -> Result<Vec<i32>, Error> {
    object
        .kfuncs
        .iter()
        .map(|name| match btf::function_id(name)? {
            Some(id) => {
                i32::try_from(id).map_err(|_| Error::other("load", name.as_str(), "BTF id out of range"))
            }
            None => Err(Error::other("load", name.as_str(), "this kernel has no such function")),
        })
        .collect()
}

/// `BPF_PSEUDO_MAP_VALUE`: as [`Insn::MAP_FD`], but the address of the map's value.
const MAP_VALUE_FD: u8 = 2;

/// The program as the kernel reads it: `struct bpf_insn`s with descriptors and ids in place of indices.
fn resolve(program: &Program, maps: &[MapFd], functions: &[i32]) -> Result<Vec<[u8; 8]>, Error> {
    let mut out = Vec::with_capacity(program.insns.len());
    for (at, insn) in program.insns.iter().enumerate() {
        let mut insn = *insn;
        let missing = |what: &str| {
            Error::other(
                "load",
                program.name.as_str(),
                format!("instruction {at} refers to a {what} that is not there"),
            )
        };
        let index = usize::try_from(insn.imm).ok();
        match (insn.code, insn.src) {
            (Insn::LOAD_IMM64, Insn::MAP_INDEX | Insn::MAP_VALUE_INDEX) => {
                let map = index.and_then(|i| maps.get(i)).ok_or_else(|| missing("map"))?;
                insn.imm = map.as_fd().as_raw_fd();
                insn.src = if insn.src == Insn::MAP_INDEX { Insn::MAP_FD } else { MAP_VALUE_FD };
            }
            (Insn::CALL, Insn::KFUNC) => {
                insn.imm = *index.and_then(|i| functions.get(i)).ok_or_else(|| missing("kernel function"))?;
            }
            _ => {}
        }
        out.push(insn.encode());
    }
    Ok(out)
}

/// Loads one program; when that fails, once more for the log.
fn load_program(
    program: &Program,
    insns: &[[u8; 8]],
    method: Method,
    keep_log: bool,
) -> Result<(OwnedFd, Option<String>), Error> {
    let uprobe = program.kind == ProgramKind::Uprobe;
    let load = ProgramLoad {
        program_type: match (program.kind, program.sleepable) {
            (ProgramKind::Uprobe, _) => ProgramType::Kprobe,
            (ProgramKind::Run, false) => ProgramType::RawTracepoint,
            (ProgramKind::Run, true) => ProgramType::Syscall,
        },
        name: &program.name,
        insns,
        sleepable: program.sleepable,
        uprobe_multi: uprobe && method == Method::UprobeMulti,
    };
    if !keep_log {
        match bpf::program_load(&load, None) {
            Ok(fd) => return Ok((fd, None)),
            Err(e) if e.raw_os_error() == Some(libc::EPERM) => {
                return Err(Error::new("BPF_PROG_LOAD", program.name.as_str(), &e));
            }
            Err(_) => {}
        }
    }
    let mut log = vec![0; LOG_SIZE];
    let result = bpf::program_load(&load, Some(&mut log));
    let text = log.split(|b| *b == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(text).into_owned();
    match result {
        Ok(fd) => Ok((fd, Some(text))),
        Err(e) => {
            let error = Error::new("BPF_PROG_LOAD", program.name.as_str(), &e);
            Err(if text.is_empty() { error } else { error.with_log(text) })
        }
    }
}
