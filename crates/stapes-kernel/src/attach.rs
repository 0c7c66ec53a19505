//! Attaching programs to places in files, and detaching them.
//!
//! # Method
//! An uprobe belongs to a file (an inode), an offset in it and a semaphore's offset; the kernel puts a
//! breakpoint into each process that maps the file, now or later, and takes it out again when the last
//! holder of the uprobe lets go. We never write code of a target ourselves: a tracer that is killed leaves
//! nothing behind, as its descriptors are closed for it.
//!
//! What to attach is grouped into *jobs*: all sites of one program in one file for one process (or for
//! all). A job is one `uprobe_multi` link, for one site as for hundreds. Which site was hit, the program
//! learns by the cookie. Creating a link waits for an RCU grace period (some 14 ms), closing it for
//! another; jobs wait for theirs at the same time, each in a thread.
//!
//! One site that the kernel refuses (an offset outside of the code, an instruction that it cannot step
//! over) makes it refuse the whole link. Then the job is halved until the bad site stands alone: it is
//! reported, the others are attached.
//!
//! In order, [`Loaded::attach_more`]
//! 1. groups attachments into jobs,
//! 2. chooses the byte to probe where a site has several nops, and makes sure that no 5-byte nop becomes a
//!    call (`nops.rs`),
//! 3. opens the links, in parallel, those of one site in order,
//! 4. looks whether the semaphores of the given processes are up, and raises them if not (`semaphores.rs`).
//!
//! # Order
//! Several blocks of a script may be for the same probe, and run in the order of the script: one may read
//! what the one before it wrote. The kernel runs the programs of a site in the opposite order to that in
//! which they were attached (`consumer_add` in kernel/events/uprobes.c puts the new one in front). So jobs
//! that share a site are attached one after the other, the last block first ([`waves`]); all others at once.
//!
//! # Perf events
//! Below Linux 6.6, or when asked, each site has a perf event of its own. It is the same uprobe underneath.
//! Opening is quick; closing waits for RCU under a lock that all closers share (`event_mutex`), about a
//! tenth of a second per event on the kernels we measured, however many threads close. The threads are
//! kept, as there are kernels that wait outside of the lock; many sites get a warning.
//!
//! # Races
//! - A process that exits between finding and attaching: `ESRCH` for its job alone.
//! - A process that starts while we attach system-wide: the kernel gives it the breakpoints of those
//!   uprobes that exist when it maps the file; links are created one by one, so for a moment it may have
//!   some of them.
//! - A hit on its way while we detach: the kernel waits for it before the descriptor's closing returns. So
//!   after [`Loaded::detach`] no program runs any more, and what is in the ring and the maps is final.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use stapes_bpf::{Attachment, Image, Point};

use crate::features::UprobeEvent;
use crate::sys::bpf::{self, Sites};
use crate::sys::{perf, process};
use crate::{Error, Features, Loaded, nops, parallel, semaphores};

/// More perf events than this take longer to close than one likes to wait.
const MANY_EVENTS: usize = 30;

/// How probes are attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// [`Method::UprobeMulti`] where the kernel has it, with a pid that means a process; else
    /// [`Method::PerfEvent`].
    #[default]
    Auto,
    /// One `uprobe_multi` link for all sites of a program in a file (Linux 6.6).
    UprobeMulti,
    /// One perf event per site.
    PerfEvent,
}

impl Method {
    pub(crate) fn decide(self, features: &Features) -> Method {
        match self {
            Method::Auto if features.uprobe_multi() && features.uprobe_multi_pid() => Method::UprobeMulti,
            Method::Auto => Method::PerfEvent,
            chosen => chosen,
        }
    }
}

/// What came of attaching.
#[derive(Debug, Default)]
pub struct AttachReport {
    /// Sites that are attached; one limited to several processes counts once for each.
    pub attached: usize,
    /// What could not be attached.
    pub failures: Vec<AttachFailure>,
    /// What is attached but needs a word.
    pub warnings: Vec<String>,
}

/// Sites of one file that could not be attached, all for the same reason.
#[derive(Debug)]
pub struct AttachFailure {
    /// [`Image::name`].
    pub image: String,
    /// The process to which the sites were limited.
    pub pid: Option<u32>,
    /// Offsets in the file.
    pub offsets: Vec<u64>,
    /// Why.
    pub error: Error,
}

/// One attachment in the kernel; closing it detaches.
#[derive(Debug)]
pub(crate) enum Link {
    /// A `uprobe_multi` link.
    Multi { _link: OwnedFd },
    /// A perf event and, where the kernel has it, its link. Fields close in order: the link first.
    Perf { _link: Option<OwnedFd>, _event: OwnedFd },
}

/// The sites of one program in one file for one process (0: all).
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) program: usize,
    pub(crate) image: Image,
    pub(crate) pid: u32,
    pub(crate) ret: bool,
    pub(crate) sites: Sites,
}

impl Loaded {
    /// Attaches everything that [`Object`](stapes_bpf::Object) says, and starts the intervals.
    ///
    /// What cannot be attached is in the report; the rest is attached.
    pub fn attach(&mut self) -> Result<AttachReport, Error> {
        let (images, attachments) = (self.object.images.clone(), self.object.attachments.clone());
        let report = self.attach_more(&images, &attachments)?;
        self.start_intervals(std::time::Instant::now());
        Ok(report)
    }

    /// Attaches further places: those of libraries that were loaded later, of processes that came later.
    ///
    /// [`Point::Uprobe::image`] is an index into `images`; other points are passed over.
    pub fn attach_more(
        &mut self,
        images: &[Image],
        attachments: &[Attachment],
    ) -> Result<AttachReport, Error> {
        let mut report = AttachReport::default();
        let mut jobs = self.jobs(images, attachments)?;
        nops::choose_offsets(&mut jobs, &self.object.programs, &self.features);
        let held = nops::prevent_calls(&mut jobs, &self.features, &mut report.failures);
        self.links.extend(held);
        jobs.retain(|job| !job.sites.offsets.is_empty());
        let processes = semaphores::processes(&jobs);
        let pids: BTreeSet<u32> = jobs.iter().map(|job| job.pid).filter(|pid| *pid != 0).collect();
        report.warnings.extend(pids.into_iter().filter(|pid| leader_has_ended(*pid)).map(|pid| {
            format!("the main thread of process {pid} has ended; the kernel does not limit probes to such a process")
        }));
        let descriptors = match self.method {
            Method::PerfEvent => 2 * jobs.iter().map(|job| job.sites.offsets.len()).sum::<usize>(),
            _ => jobs.len(),
        };
        process::allow_descriptors(2 * self.links.len() + descriptors);
        let programs = &self.programs;
        let outcomes: Vec<_> = match self.method {
            Method::PerfEvent => {
                let event = self.features.uprobe_event()?;
                waves(jobs.into_iter().flat_map(|job| split(&job, 1)).collect())
                    .into_iter()
                    .flat_map(|wave| {
                        parallel::map(wave, |job| attach_event(programs[job.program].as_fd(), job, event))
                    })
                    .collect()
            }
            _ => waves(jobs)
                .into_iter()
                .flat_map(|wave| parallel::map(wave, |job| attach_multi(programs[job.program].as_fd(), job)))
                .collect(),
        };
        if self.method == Method::PerfEvent && outcomes.len() > MANY_EVENTS {
            report.warnings.push(format!(
                "attached by perf events; the kernel will take some {} s to detach {} of them",
                outcomes.len() / 10,
                outcomes.len()
            ));
        }
        for outcome in outcomes.into_iter().flatten() {
            match outcome {
                Ok((link, job)) => {
                    report.attached += job.sites.offsets.len();
                    self.links.push(link);
                    self.attached.push(job);
                }
                Err(failure) => report.failures.push(failure),
            }
        }
        for pid in processes {
            report.warnings.extend(self.check_semaphores(pid));
        }
        Ok(report)
    }

    /// Detaches everything: code and semaphores are as before when this returns.
    ///
    /// If another thread is starting a process at this very moment, then once that process has executed its
    /// program: until then it holds copies of our descriptors.
    pub fn detach(&mut self) -> Result<(), Error> {
        for pid in semaphores::everyone(&self.attached) {
            // A process in which this fails keeps its breakpoint; there is nothing better to do.
            let _ = self.check_semaphores(pid);
        }
        let raised = semaphores::before_detach(std::mem::take(&mut self.raised));
        parallel::map(std::mem::take(&mut self.links), drop);
        semaphores::lower(raised);
        self.attached.clear();
        Ok(())
    }

    /// Groups attachments by what one link can hold.
    fn jobs(&self, images: &[Image], attachments: &[Attachment]) -> Result<Vec<Job>, Error> {
        // The kernel has one uprobe per place, with one semaphore: a plain uprobe at a site must name the
        // site's.
        let mut semaphores = BTreeMap::<(u32, u64), u64>::new();
        for attachment in attachments {
            if let Point::Uprobe { image, offset, semaphore, .. } = attachment.point
                && semaphore != 0
            {
                semaphores.insert((image, offset), semaphore);
            }
        }
        let mut groups = BTreeMap::<(u32, u32, bool), Sites>::new();
        for attachment in attachments {
            let Point::Uprobe { image, offset, semaphore, cookie, ret } = attachment.point else { continue };
            let semaphore = match semaphore {
                0 => semaphores.get(&(image, offset)).copied().unwrap_or(0),
                own => own,
            };
            let sites = groups.entry((image, attachment.program, ret)).or_default();
            sites.offsets.push(offset);
            sites.semaphores.push(semaphore);
            sites.cookies.push(cookie);
        }
        let mut jobs = Vec::with_capacity(groups.len());
        for ((image, program, ret), sites) in groups {
            let (Some(image), true) = (images.get(image as usize), (program as usize) < self.programs.len())
            else {
                let name = format!("image {image}, program {program}");
                return Err(Error::other("attach", name, "attachment of what is not there"));
            };
            let everybody: &[u32] = &[0];
            for pid in if image.pids.is_empty() { everybody } else { &image.pids } {
                let (image, sites) = (image.clone(), sites.clone());
                jobs.push(Job { program: program as usize, image, pid: *pid, ret, sites });
            }
        }
        Ok(jobs)
    }
}

/// Jobs that can be attached at the same time: each wave when the one before it is attached.
///
/// Of jobs with a site in common, the one whose program is later in the object comes in an earlier wave.
fn waves(mut jobs: Vec<Job>) -> Vec<Vec<Job>> {
    jobs.sort_by_key(|job| Reverse(job.program));
    let mut waves: Vec<Vec<Job>> = Vec::new();
    // By file and offset, the last job there: its program and its wave. Processes make no difference, as a job
    // for all processes is also for each.
    let mut files = HashMap::<String, HashMap<u64, (usize, usize)>>::new();
    for job in jobs {
        let last = files.entry(job.image.path.clone()).or_default();
        let behind = |(program, wave): &(usize, usize)| wave + usize::from(*program != job.program);
        let offsets = &job.sites.offsets;
        let wave = offsets.iter().filter_map(|offset| last.get(offset).map(behind)).max().unwrap_or(0);
        last.extend(offsets.iter().map(|offset| (*offset, (job.program, wave))));
        if waves.len() <= wave {
            waves.push(Vec::new());
        }
        waves[wave].push(job);
    }
    waves
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // What cannot be detached now is detached by the kernel when the descriptors close.
        let _ = self.detach();
    }
}

/// One link; if the kernel refuses it for one of its sites, links for the others.
fn attach_multi(program: BorrowedFd<'_>, job: Job) -> Vec<Result<(Link, Job), AttachFailure>> {
    let mut out = Vec::new();
    let mut todo = vec![job];
    while let Some(job) = todo.pop() {
        match link_multi(program, &job) {
            Ok(link) => out.push(Ok((Link::Multi { _link: link }, job))),
            Err(e) if job.sites.offsets.len() > 1 && about_one_site(&e) => {
                todo.extend(split(&job, job.sites.offsets.len().div_ceil(2)));
            }
            Err(e) => out.push(Err(failure(&job, "BPF_LINK_CREATE", &e))),
        }
    }
    out
}

/// One perf event, for a job of one site.
fn attach_event(
    program: BorrowedFd<'_>,
    job: Job,
    event: UprobeEvent,
) -> Vec<Result<(Link, Job), AttachFailure>> {
    match open_event(program, &job, event) {
        Ok(link) => vec![Ok((link, job))],
        Err((call, e)) => vec![Err(failure(&job, call, &e))],
    }
}

/// Whether a process lives on without its main thread, whose address space is what the kernel compares.
fn leader_has_ended(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; the state is the letter behind the last one.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    state == Some('Z') && threads > 1
}

/// Whether an error may be due to one site among many, rather than to the file, the process or our
/// privileges.
fn about_one_site(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP | libc::EIO | 524))
}

/// The job in pieces of at most `count` sites.
fn split(job: &Job, count: usize) -> Vec<Job> {
    let sites = &job.sites;
    (0..sites.offsets.len())
        .step_by(count.max(1))
        .map(|start| {
            let range = start..(start + count).min(sites.offsets.len());
            let sites = Sites {
                offsets: sites.offsets[range.clone()].to_vec(),
                semaphores: sites.semaphores[range.clone()].to_vec(),
                cookies: sites.cookies[range].to_vec(),
            };
            Job { sites, image: job.image.clone(), ..*job }
        })
        .collect()
}

fn link_multi(program: BorrowedFd<'_>, job: &Job) -> io::Result<OwnedFd> {
    let path = CString::new(job.image.path.as_str())?;
    let pid = i32::try_from(job.pid).map_err(|_| io::Error::from_raw_os_error(libc::ESRCH))?;
    bpf::link_uprobe_multi(program, &path, &job.sites, pid, job.ret)
}

fn open_event(
    program: BorrowedFd<'_>,
    job: &Job,
    event: UprobeEvent,
) -> Result<Link, (&'static str, io::Error)> {
    const OPEN: &str = "perf_event_open";
    let invalid = |text: &str| (OPEN, io::Error::new(io::ErrorKind::InvalidInput, text));
    let (offset, semaphore, cookie) = (job.sites.offsets[0], job.sites.semaphores[0], job.sites.cookies[0]);
    let mut config = 0;
    if job.ret {
        config |= 1 << event.ret_bit;
    }
    if semaphore != 0 {
        let bit = event.semaphore_bit.ok_or_else(|| invalid("this kernel's uprobes raise no semaphores"))?;
        if u32::try_from(semaphore).is_err() {
            return Err(invalid("the semaphore's offset has more than 32 bits"));
        }
        config |= semaphore << bit;
    }
    let path = CString::new(job.image.path.as_str()).map_err(|e| (OPEN, e.into()))?;
    let event = perf::open_uprobe(event.kind, config, &path, offset, job.pid).map_err(|e| (OPEN, e))?;
    let link = match bpf::link_perf_event(program, event.as_fd(), cookie) {
        Ok(link) => Some(link),
        // Before 5.15 there is no such link, and no cookie: then a program that asks for one was not even
        // loaded.
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
            perf::set_program(event.as_fd(), program).map_err(|e| ("PERF_EVENT_IOC_SET_BPF", e))?;
            None
        }
        Err(e) => return Err(("BPF_LINK_CREATE", e)),
    };
    Ok(Link::Perf { _link: link, _event: event })
}

fn failure(job: &Job, call: &'static str, error: &io::Error) -> AttachFailure {
    let hint = match error.raw_os_error() {
        Some(libc::ESRCH) => "the process is gone, or is in another pid namespace",
        Some(libc::EBADF) => "only regular files can be probed",
        Some(libc::EOPNOTSUPP | 524) => "the kernel cannot put a probe on this instruction",
        Some(libc::EINVAL) => {
            "the offset is not in the file's code, or another tracer holds the site with a different semaphore"
        }
        _ => "",
    };
    let mut error = Error::new(call, job.image.name.as_str(), error);
    if error.hint.is_none() && !hint.is_empty() {
        error = error.with_hint(hint);
    }
    AttachFailure {
        image: job.image.name.clone(),
        pid: Some(job.pid).filter(|pid| *pid != 0),
        offsets: job.sites.offsets.clone(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(program: usize, path: &str, pid: u32, offsets: &[u64]) -> Job {
        let image = Image { name: path.into(), path: path.into(), pids: Vec::new() };
        let sites = Sites { offsets: offsets.to_vec(), ..Sites::default() };
        Job { program, image, pid, ret: false, sites }
    }

    fn programs(jobs: Vec<Job>) -> Vec<Vec<usize>> {
        waves(jobs).into_iter().map(|wave| wave.into_iter().map(|job| job.program).collect()).collect()
    }

    #[test]
    fn programs_without_a_site_in_common_are_attached_at_once() {
        assert_eq!(
            programs(vec![job(0, "a", 0, &[1]), job(1, "a", 0, &[2]), job(2, "b", 0, &[1])]),
            [[2, 1, 0]]
        );
    }

    #[test]
    fn one_program_for_several_processes_is_attached_at_once() {
        assert_eq!(programs(vec![job(0, "a", 5, &[1]), job(0, "a", 6, &[1])]), [[0, 0]]);
    }

    #[test]
    fn the_last_program_of_a_site_is_attached_first() {
        let jobs = vec![
            job(0, "a", 0, &[1, 2]),
            job(1, "a", 7, &[2, 3]),
            job(2, "a", 0, &[3]),
            job(3, "b", 0, &[1]),
        ];
        assert_eq!(programs(jobs), [vec![3, 2], vec![1], vec![0]]);
    }
}
