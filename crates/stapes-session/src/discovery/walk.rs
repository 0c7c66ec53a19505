//! Every regular file below some folders, visited by as many threads as there are cores.
//!
//! The threads share one stack of work: folders still to be read, and batches of files found in them.
//! A thread that has read a part of a folder leaves the batch to others only while the stack is short; otherwise it
//! visits those files itself. So memory is bounded by the depth of the tree and the number of subfolders on the way,
//! not by the number of files, and one huge folder still keeps every core busy.
//!
//! Symbolic links inside the folders are not followed, so there are no loops, and what they lead to is found under its
//! own name. File systems that only show kernel state (`/proc`, `/sys` and their kin) are left out
//! unless one of the folders is on them.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Files that go from one thread to another at once.
const BATCH: usize = 128;
/// The stack length beyond which a thread keeps its files to itself.
const LONG: usize = 64;

/// What was visited, in no order.
#[derive(Debug)]
pub struct Walked<T> {
    /// What `visit` returned.
    pub results: Vec<T>,
    /// Folders that could not be read, and why.
    pub failures: Vec<(PathBuf, io::Error)>,
}

/// Calls `visit` for every regular file below `folders`, from several threads. `visit` adds what it finds.
pub fn walk<T: Send>(folders: Vec<PathBuf>, visit: &(dyn Fn(PathBuf, &mut Vec<T>) + Sync)) -> Walked<T> {
    let pool = Pool {
        left_out: left_out(&folders),
        state: Mutex::new(State { work: folders.into_iter().map(Work::Folder).collect(), busy: 0 }),
        changed: Condvar::new(),
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut walked = Walked { results: Vec::new(), failures: Vec::new() };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| pool.run(visit))).collect();
        let mut parts = vec![pool.run(visit)];
        parts.extend(others.into_iter().filter_map(|t| t.join().ok()));
        for part in parts {
            walked.results.extend(part.results);
            walked.failures.extend(part.failures);
        }
    });
    walked
}

enum Work {
    Folder(PathBuf),
    Files(Vec<PathBuf>),
}

struct State {
    work: Vec<Work>,
    /// Threads at work: they may still add to `work`.
    busy: usize,
}

struct Pool {
    state: Mutex<State>,
    changed: Condvar,
    left_out: HashSet<PathBuf>,
}

impl Pool {
    fn run<T>(&self, visit: &(dyn Fn(PathBuf, &mut Vec<T>) + Sync)) -> Walked<T> {
        let mut walked = Walked { results: Vec::new(), failures: Vec::new() };
        while let Some((work, _busy)) = self.next() {
            match work {
                Work::Folder(folder) => {
                    if let Err(error) = self.read_folder(&folder, visit, &mut walked.results) {
                        walked.failures.push((folder, error));
                    }
                }
                Work::Files(files) => files.into_iter().for_each(|f| visit(f, &mut walked.results)),
            }
        }
        walked
    }

    /// The next piece of work, or `None` when there is none left and nobody is making any.
    fn next(&self) -> Option<(Work, Busy<'_>)> {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.work.pop() {
                state.busy += 1;
                return Some((work, Busy(self)));
            }
            if state.busy == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Hands work to others; gives back what they need not take over.
    fn offer(&self, work: Work) -> Option<Work> {
        let mut state = self.lock();
        if matches!(work, Work::Files(_)) && state.work.len() >= LONG {
            return Some(work);
        }
        state.work.push(work);
        self.changed.notify_one();
        None
    }

    fn read_folder<T>(
        &self,
        folder: &Path,
        visit: &(dyn Fn(PathBuf, &mut Vec<T>) + Sync),
        results: &mut Vec<T>,
    ) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                let path = entry.path();
                if !self.left_out.contains(&path) {
                    self.offer(Work::Folder(path));
                }
            } else if kind.is_file() {
                files.push(entry.path());
                if files.len() == BATCH
                    && let Some(Work::Files(kept)) = self.offer(Work::Files(std::mem::take(&mut files)))
                {
                    kept.into_iter().for_each(|f| visit(f, results));
                }
            }
        }
        files.into_iter().for_each(|f| visit(f, results));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread at work. The last one to end wakes the others, so that they see that nothing will come.
struct Busy<'a>(&'a Pool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.busy -= 1;
        if state.busy == 0 {
            self.0.changed.notify_all();
        }
    }
}

/// The folders to leave out, as the walk will spell them.
fn left_out(folders: &[PathBuf]) -> HashSet<PathBuf> {
    let mounts = kernel_file_systems();
    let mut paths = HashSet::new();
    for folder in folders {
        let Ok(real) = folder.canonicalize() else { continue };
        let inside =
            mounts.iter().filter_map(|m| m.strip_prefix(&real).ok()).filter(|m| !m.as_os_str().is_empty());
        paths.extend(inside.map(|m| folder.join(m)));
    }
    paths
}

/// Where file systems are mounted that have no files of programs, from `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
fn kernel_file_systems() -> Vec<PathBuf> {
    const KINDS: [&str; 12] = [
        "proc",
        "sysfs",
        "devtmpfs",
        "devpts",
        "debugfs",
        "tracefs",
        "cgroup",
        "cgroup2",
        "bpf",
        "securityfs",
        "pstore",
        "configfs",
    ];
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let (mount, rest) = line.split_once(" - ")?;
            let kind = rest.split(' ').next()?;
            KINDS.contains(&kind).then(|| mount.split(' ').nth(4).map(PathBuf::from))?
        })
        .collect()
}
