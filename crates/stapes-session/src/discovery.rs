//! Finds the probes of files, folders and processes.
//!
//! A [`Request`] says where to look and for which probes; [`discover`] answers with every file that has any,
//! each once however many names or processes lead to it: files are told apart by device and inode.
//!
//! What cannot be read is skipped and reported in [`Discovery::skipped`]; only a request that makes no sense is an error.
//! One file is read on the calling thread; folders by as many threads as there are cores.

pub mod facts;
pub mod glob;
pub mod search;
pub mod spec;
pub mod walk;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::process::maps::MapKey;
use crate::process::{self, FileId, MappedFile, Process, ProcessErrorKind};
use stapes_binary::glob::Glob;

use facts::{Detail, Facts, FactsError, ProbeFacts};
use spec::Spec;

/// Where to look, and for what.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Files, folders, wildcards or names, each with the probes wanted of it. Empty: everything of the processes.
    pub targets: Vec<Spec>,
    /// Look at what these processes map.
    pub pids: Vec<u32>,
    /// Look at what every process maps.
    pub all: bool,
    /// How much to find out about each site.
    pub detail: Detail,
    /// Whether a file counts that has notes and none that can be read.
    pub broken: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Discovery {
    /// Files with probes that were asked for: in the order of the targets, and by name within each.
    pub found: Vec<Found>,
    /// What could not be looked at.
    pub skipped: Vec<Skipped>,
    /// How many files were looked at, with probes or without.
    pub files: u64,
}

/// One file with probes.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which file it is.
    pub id: FileId,
    /// Its name for the user: as given, as found, or as the process knows it.
    pub name: PathBuf,
    /// The path to open it by, and to attach by.
    pub path: PathBuf,
    /// What the file declares; only the probes that were asked for, by provider and name.
    pub facts: Facts,
    /// The processes that map it, if processes were looked at.
    pub instances: Vec<Instance>,
    /// The targets that mean it.
    pub targets: Vec<Spec>,
}

/// A process that maps a file.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The process.
    pub process: Arc<Process>,
    /// What it maps of the file.
    pub mapped: MappedFile,
}

/// Something that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// A path, or a process with its name.
    pub what: String,
    /// Why, in words.
    pub reason: String,
    /// Whether it was asked for by name, rather than met on the way.
    pub named: bool,
}

/// Is told from time to time how many files have been looked at. Called from several threads.
pub type Progress<'a> = &'a (dyn Fn(u64) + Sync);

/// Looks for probes.
pub fn discover(request: &Request, progress: Progress<'_>) -> Discovery {
    let search =
        Search { detail: request.detail, broken: request.broken, looked_at: AtomicU64::new(0), progress };
    let mut discovery = Discovery::default();
    if request.all || !request.pids.is_empty() {
        search.processes(request, &mut discovery);
    } else {
        search.files(&request.targets, &mut discovery);
    }
    discovery.found.retain(|f| search.counts(&f.facts));
    discovery.files = search.looked_at.into_inner();
    discovery
}

/// The files that a path means: itself, everything that matches its wildcards, or what a bare name is found as.
///
/// # Errors
/// There is no such file.
pub fn resolve(path: &str) -> io::Result<Vec<PathBuf>> {
    let literal = Path::new(path);
    let found = if !path.contains('/') && !glob::has_wildcard(path) {
        // As a shell would run it or a linker load it; else what is here.
        search::find(path).or_else(|| literal.exists().then(|| literal.to_path_buf())).into_iter().collect()
    } else if glob::has_wildcard(path) && fs::symlink_metadata(literal).is_err() {
        let mut matching = glob::expand_path(literal);
        matching.retain(|p| p.is_file());
        matching
    } else {
        fs::metadata(literal)?;
        vec![literal.to_path_buf()]
    };
    if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
}

struct Search<'a> {
    detail: Detail,
    broken: bool,
    looked_at: AtomicU64,
    progress: Progress<'a>,
}

impl Search<'_> {
    fn files(&self, targets: &[Spec], discovery: &mut Discovery) {
        let mut chosen = Chosen::default();
        for spec in targets {
            let paths = match resolve(&spec.path) {
                Ok(paths) => paths,
                Err(e) => {
                    discovery.skipped.push(Skipped::named(spec.path.clone(), words(&e)));
                    continue;
                }
            };
            let mut results = Vec::new();
            let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|p| p.is_dir());
            // What a wildcard happens to match need not be a program; what is named should be.
            let lenient =
                files.first().is_some_and(|f| f != Path::new(&spec.path)) && glob::has_wildcard(&spec.path);
            for file in files {
                results.push(match self.file(&file, lenient) {
                    Ok(Some(found)) => Ok(found),
                    Ok(None) => continue,
                    Err(reason) => Err(Skipped { what: file.display().to_string(), reason, named: !lenient }),
                });
            }
            if !folders.is_empty() {
                results.extend(self.folders(folders));
            }
            for result in results {
                match result {
                    Ok(found) => chosen.add(found, spec),
                    Err(skipped) => discovery.skipped.push(skipped),
                }
            }
        }
        discovery.found = chosen.finish();
    }

    fn folders(&self, folders: Vec<PathBuf>) -> Vec<Result<Found, Skipped>> {
        let walked = walk::walk(folders, &|path, results: &mut Vec<Result<Found, Skipped>>| match self
            .file(&path, true)
        {
            Ok(Some(found)) => results.push(Ok(found)),
            Ok(None) => {}
            Err(reason) => results.push(Err(Skipped::met(path.display().to_string(), reason))),
        });
        let mut results = walked.results;
        let failed =
            |(path, e): (PathBuf, io::Error)| Err(Skipped::met(path.display().to_string(), words(&e)));
        results.extend(walked.failures.into_iter().map(failed));
        // By name, so that the answer does not depend on which thread was faster.
        results.sort_by(|a, b| sort_key(a).cmp(&sort_key(b)));
        results
    }

    /// The probes of a file, if it has any. `lenient`: it was met on the way, and need not be ELF.
    fn file(&self, path: &Path, lenient: bool) -> Result<Option<Found>, String> {
        self.count();
        let file = match lenient {
            // The walk gives regular files only.
            true => File::open(path).map_err(|e| words(&e))?,
            false => process::open_regular(path).map_err(|e| words(&e))?.0,
        };
        match facts::read(&file, self.detail) {
            // Nobody runs a file of debug information, and nothing can be attached to it.
            Ok(facts) if !self.counts(&facts) || lenient && facts.debug_only => Ok(None),
            Ok(facts) => Ok(Some(Found {
                id: file.metadata().map(|m| FileId::of(&m)).map_err(|e| words(&e))?,
                name: path.to_path_buf(),
                path: path.to_path_buf(),
                facts,
                instances: Vec::new(),
                targets: Vec::new(),
            })),
            Err(FactsError::NotElf) if lenient => Ok(None),
            Err(e) => Err(e.to_string()),
        }
    }

    fn processes(&self, request: &Request, discovery: &mut Discovery) {
        let mut pids = request.pids.clone();
        if request.all {
            match process::all_pids() {
                Ok(all) => pids.extend(all),
                Err(e) => discovery.skipped.push(Skipped::named("/proc".to_owned(), words(&e))),
            }
        }
        pids.sort_unstable();
        pids.dedup();
        let mut objects = Objects::default();
        for pid in pids {
            let named = request.pids.contains(&pid);
            match Process::read(pid) {
                Ok(process) => objects.add(self, Arc::new(process), named, &mut discovery.skipped),
                // One that is gone before it was looked at is no news, unless it was asked for.
                Err(e)
                    if !named
                        && matches!(e.kind, ProcessErrorKind::KernelThread | ProcessErrorKind::Gone) => {}
                Err(e) => {
                    discovery.skipped.push(Skipped { what: e.subject(), reason: e.kind.to_string(), named })
                }
            }
        }
        let mut found: Vec<Found> = objects.found;
        found.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
        let any = [Spec::whole("*")];
        let targets = if request.targets.is_empty() { &any[..] } else { &request.targets[..] };
        let mut chosen = Chosen::default();
        for spec in targets {
            let filter = ObjectFilter::new(spec);
            for file in found.iter().filter(|f| filter.matches(f)) {
                chosen.add(file.clone(), spec);
            }
        }
        discovery.found = chosen.finish();
    }

    fn counts(&self, facts: &Facts) -> bool {
        !facts.probes.is_empty() || self.broken && facts.problems > 0
    }

    fn count(&self) {
        let n = self.looked_at.fetch_add(1, Ordering::Relaxed) + 1;
        if n.is_multiple_of(512) {
            (self.progress)(n);
        }
    }
}

/// Which objects of processes a path means.
struct ObjectFilter<'a> {
    name: NameFilter<'a>,
    any: bool,
    /// The files that the path means in our own mount namespace.
    ours: Vec<FileId>,
}

impl<'a> ObjectFilter<'a> {
    fn new(spec: &'a Spec) -> ObjectFilter<'a> {
        let any = spec.any_object();
        let ours = match any {
            true => Vec::new(),
            false => resolve(&spec.path)
                .unwrap_or_default()
                .iter()
                .filter_map(|p| fs::metadata(p).ok())
                .map(|m| FileId::of(&m))
                .collect(),
        };
        ObjectFilter { name: NameFilter::new(&spec.path), any, ours }
    }

    /// Whether the path means this object: the same file, or by name as the process knows it, or in that folder.
    fn matches(&self, found: &Found) -> bool {
        let by_name = || {
            self.name.matches(&found.name)
                || found.instances.iter().any(|instance| {
                    instance.process.inner_name(&found.name).is_some_and(|name| self.name.matches(&name))
                })
        };
        self.any || self.ours.contains(&found.id) || by_name()
    }
}

/// Which files of processes a path means by their names.
pub(crate) struct NameFilter<'a> {
    path: &'a str,
    glob: Glob,
}

impl<'a> NameFilter<'a> {
    pub(crate) fn new(path: &'a str) -> Self {
        NameFilter { path, glob: Glob::new(path) }
    }

    /// Whether it means the file of this name: it is the name, or a folder that it is in, or short for it.
    pub(crate) fn matches(&self, name: &Path) -> bool {
        if self.path.contains('/') {
            return name.to_str().is_some_and(|n| self.glob.matches(n)) || name.starts_with(self.path);
        }
        let name = name.file_name().and_then(|n| n.to_str());
        name.is_some_and(|n| self.glob.matches(n) || search::is_short_for(self.path, n))
    }
}

/// The objects of processes, each once.
#[derive(Default)]
struct Objects {
    found: Vec<Found>,
    /// What is known of a file by the device and inode that `maps` shows: its place in `found`, if it has probes.
    known: HashMap<MapKey, Option<usize>>,
    by_id: HashMap<FileId, usize>,
}

impl Objects {
    fn add(&mut self, search: &Search<'_>, process: Arc<Process>, named: bool, skipped: &mut Vec<Skipped>) {
        let mut denied = None;
        for mapped in process.files() {
            let Some(first) = mapped.mappings.first() else { continue };
            let key = first.key();
            let index = match self.known.get(&key) {
                Some(known) => *known,
                None => match self.open(search, &process, &mapped) {
                    Ok(index) => *self.known.entry(key).or_insert(index),
                    Err(reason) => {
                        denied = Some((mapped.name.clone(), reason));
                        continue;
                    }
                },
            };
            if let Some(index) = index {
                self.found[index].instances.push(Instance { process: Arc::clone(&process), mapped });
            }
        }
        if let Some((name, reason)) = denied {
            let what = format!("process {} ({}), {}", process.pid, process.name, name.display());
            skipped.push(Skipped { what, reason, named });
        }
    }

    fn open(
        &mut self,
        search: &Search<'_>,
        process: &Process,
        mapped: &MappedFile,
    ) -> Result<Option<usize>, String> {
        search.count();
        let opened = process.open(mapped).map_err(|e| words(&e))?;
        if let Some(&index) = self.by_id.get(&opened.id) {
            return Ok(Some(index));
        }
        let facts = match facts::read(&opened.file, search.detail) {
            Ok(facts) => facts,
            Err(FactsError::NotElf) => return Ok(None),
            Err(e) => return Err(e.to_string()),
        };
        if !search.counts(&facts) {
            return Ok(None);
        }
        let index = self.found.len();
        self.by_id.insert(opened.id, index);
        self.found.push(Found {
            id: opened.id,
            path: process.lasting_path(&mapped.name, &opened),
            name: mapped.name.clone(),
            facts,
            instances: Vec::new(),
            targets: Vec::new(),
        });
        Ok(Some(index))
    }
}

/// Files with the probes that some target asked for: each file once, whatever leads to it.
#[derive(Default)]
struct Chosen {
    files: Vec<(Found, Vec<bool>)>,
    by_id: HashMap<FileId, usize>,
}

impl Chosen {
    fn add(&mut self, mut found: Found, spec: &Spec) {
        let matcher = spec.matcher();
        let wanted: Vec<bool> =
            found.facts.probes.iter().map(|p| matcher.matches(&p.probe.provider, &p.probe.name)).collect();
        match self.by_id.get(&found.id) {
            Some(&index) => {
                let (found, have) = &mut self.files[index];
                have.iter_mut().zip(wanted).for_each(|(have, more)| *have |= more);
                found.targets.push(spec.clone());
            }
            None => {
                self.by_id.insert(found.id, self.files.len());
                found.targets.push(spec.clone());
                self.files.push((found, wanted));
            }
        }
    }

    fn finish(self) -> Vec<Found> {
        let keep = |(mut found, wanted): (Found, Vec<bool>)| {
            let mut wanted = wanted.into_iter();
            found.facts.probes.retain(|_| wanted.next().unwrap_or(false));
            let key = |p: &ProbeFacts| (p.probe.provider.clone(), p.probe.name.clone());
            found.facts.probes.sort_by_cached_key(key);
            found
        };
        self.files.into_iter().map(keep).collect()
    }
}

impl Skipped {
    fn named(what: String, reason: String) -> Skipped {
        Skipped { what, reason, named: true }
    }

    fn met(what: String, reason: String) -> Skipped {
        Skipped { what, reason, named: false }
    }
}

fn sort_key(result: &Result<Found, Skipped>) -> (&Path, bool) {
    match result {
        Ok(found) => (&found.name, false),
        Err(skipped) => (Path::new(&skipped.what), true),
    }
}

/// An error of the system in lower case and without its number, as messages have them.
pub(crate) fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or_default();
            let mut chars = text.chars();
            chars.next().map(|c| c.to_lowercase().chain(chars).collect()).unwrap_or_default()
        }
    }
}
