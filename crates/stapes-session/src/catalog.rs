//! Answers a script's attach points from the files and processes that there are.
//!
//! The compiler does no IO, so everything that it must know of the world is collected here before it starts:
//! for each attach point the probes or functions that match, each with the file to attach to.
//!
//! A file is one [`Image`] however many names, links or processes lead to it, and a site of a probe is one place
//! however many notes name it: files are told apart by device and inode, places by their offset in the file.
//! So nothing is attached to twice, and no event is counted twice.
//!
//! With processes given, an image is the file *as the process has it*: in another mount namespace, or after an upgrade,
//! the name that the script uses can lead to a different file on our side.
//! A process that has not loaded the file yet is limited to by its id all the same: a probe on a file works from the
//! moment that the file is mapped.

mod cpp;
mod near;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use stapes_binary::glob::{Glob, has_wildcard};
use stapes_binary::symbols::{self, Symbol, Symbols};
use stapes_binary::{Arch, Elf, Probe, Vaddr, notes};
use stapes_bpf::Image;
use stapes_script::ast::{AttachKind, AttachPoint, Script};
use stapes_script::catalog::{Answer, Catalog, Match, Place, Variable};

use cpp::CppName;

use crate::discovery::spec::{Spec, quoted};
use crate::discovery::{NameFilter, Skipped, resolve, words};
use crate::process::{self, FileId, Process};

/// What a script is asked to look at.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The processes to which everything is limited; empty: every process.
    pub pids: Vec<u32>,
    /// The program of the command that the session will start: what an attach point without a file means.
    pub command: Option<PathBuf>,
    /// Whether the script asks for the functions that probes are in (`func`), which takes reading symbol tables.
    pub functions: bool,
}

/// A catalog, and what could not be looked at for it.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// The answers, for the compiler.
    pub catalog: Catalog,
    /// Processes and files that could not be read, though others could.
    pub skipped: Vec<Skipped>,
}

/// Answers every attach point of a script.
pub fn collect(script: &Script, scope: &Scope) -> Collected {
    let mut collector = Collector {
        scope,
        variables: script.variables(),
        files: Vec::new(),
        by_id: HashMap::new(),
        mapped: None,
        collected: Collected::default(),
    };
    for point in script.attach_points() {
        let answer = collector.answer(point);
        collector.collected.catalog.answers.push(answer);
    }
    for file in collector.files {
        if let Some(image) = file.image {
            collector.collected.catalog.images[image as usize].pids = file.pids.into_iter().collect();
        }
    }
    collector.collected
}

struct Collector<'a> {
    scope: &'a Scope,
    /// The variables that the script asks for.
    variables: BTreeSet<String>,
    files: Vec<Subject>,
    by_id: HashMap<FileId, usize>,
    /// What the processes map, once somebody asked.
    mapped: Option<Vec<MappedObject>>,
    collected: Collected,
}

/// A file that some attach point means.
struct Subject {
    /// The name for the user.
    name: PathBuf,
    /// The path to open it by.
    path: PathBuf,
    pids: BTreeSet<u32>,
    /// Its index in [`Catalog::images`], once something in it matched.
    image: Option<u32>,
    /// Read once for all attach points.
    contents: Option<Result<Contents, String>>,
}

struct Contents {
    arch: Option<Arch>,
    probes: Vec<Probe>,
    symbols: Option<Symbols>,
    /// Those that the script asks for.
    variables: Vec<Variable>,
}

/// An object in a process.
struct MappedObject {
    pid: u32,
    name: PathBuf,
    /// What the process itself calls it, where that differs.
    inner: Option<PathBuf>,
    path: PathBuf,
    id: FileId,
}

const NOT_ELF: &str = "not an ELF file";

/// What was found in one file.
type Found = Result<Vec<(String, Place)>, String>;

impl Collector<'_> {
    fn answer(&mut self, point: &AttachPoint) -> Answer {
        let path = match &point.kind {
            AttachKind::Usdt { path, .. } | AttachKind::Uprobe { path, .. } => path,
            _ => return Answer::default(),
        };
        let named = !Spec::whole(path).any_object() && !has_wildcard(path);
        let indices = match self.subjects(path) {
            Ok(indices) => indices,
            Err(reason) => return Answer { failure: Some(reason), ..Answer::default() },
        };
        let mut answer = Answer::default();
        let mut failures = Vec::new();
        for &index in &indices {
            let found = match &point.kind {
                AttachKind::Usdt { path, provider, name } => {
                    let spec = Spec { path: path.clone(), provider: provider.clone(), name: name.clone() };
                    self.usdt(index, &spec)
                }
                AttachKind::Uprobe { function, demangled, offset, ret, .. } => self
                    .uprobe(index, &Wanted { function, demangled: *demangled, offset: *offset, ret: *ret }),
                _ => Ok(Vec::new()),
            };
            match found {
                Ok(found) => answer.matches.extend(found.into_iter().filter_map(|f| self.admit(index, f))),
                // What a wildcard happens to match, or a process maps, need not be a program.
                Err(reason) if !named && reason == NOT_ELF => {}
                Err(reason) => failures.push((self.files[index].name.display().to_string(), reason)),
            }
        }
        if answer.matches.is_empty() {
            answer.near = self.near(&indices, &point.kind);
            answer.failure = failures.into_iter().next().map(|(what, reason)| format!("{what}: {reason}"));
        } else {
            let skipped = failures.into_iter().map(|(what, reason)| Skipped { what, reason, named });
            self.collected.skipped.extend(skipped);
        }
        answer
    }

    /// The files that an attach point's path means, or why there are none.
    fn subjects(&mut self, path: &str) -> Result<Vec<usize>, String> {
        let spec = Spec::whole(path);
        if !self.scope.pids.is_empty() {
            return self.of_processes(&spec);
        }
        if spec.any_object() {
            return match self.scope.command.clone() {
                Some(program) => self.file(&program).map(|index| vec![index]),
                None => {
                    Err("no file is named: give one, or a process with -p, or a command with -c".to_owned())
                }
            };
        }
        let mut indices = Vec::new();
        for path in resolve(path).map_err(|e| words(&e))? {
            let index = self.file(&path)?;
            if !indices.contains(&index) {
                indices.push(index);
            }
        }
        Ok(indices)
    }

    /// The file at a path of our own.
    fn file(&mut self, path: &Path) -> Result<usize, String> {
        let (_, id) = process::open_regular(path).map_err(|e| words(&e))?;
        Ok(self.subject(id, path, path))
    }

    fn subject(&mut self, id: FileId, name: &Path, path: &Path) -> usize {
        *self.by_id.entry(id).or_insert_with(|| {
            self.files.push(Subject {
                name: name.to_path_buf(),
                path: path.to_path_buf(),
                pids: BTreeSet::new(),
                image: None,
                contents: None,
            });
            self.files.len() - 1
        })
    }

    fn of_processes(&mut self, spec: &Spec) -> Result<Vec<usize>, String> {
        let mapped = match self.mapped.take() {
            Some(mapped) => mapped,
            None => self.map_processes()?,
        };
        let any = spec.any_object();
        let filter = NameFilter::new(&spec.path);
        let ours = if any { Vec::new() } else { resolve(&spec.path).unwrap_or_default() };
        let our_ids: Vec<FileId> = ours.iter().filter_map(|p| process::identity(p)).collect();
        let mut indices = BTreeSet::new();
        let mut without: BTreeSet<u32> = self.scope.pids.iter().copied().collect();
        for object in &mapped {
            let by_name =
                || filter.matches(&object.name) || object.inner.as_ref().is_some_and(|n| filter.matches(n));
            if any || our_ids.contains(&object.id) || by_name() {
                let index = self.subject(object.id, &object.name, &object.path);
                self.files[index].pids.insert(object.pid);
                indices.insert(index);
                without.remove(&object.pid);
            }
        }
        self.mapped = Some(mapped);
        // These may load it later.
        if !without.is_empty() {
            for path in &ours {
                if let Ok(index) = self.file(path) {
                    self.files[index].pids.extend(&without);
                    indices.insert(index);
                }
            }
        }
        if indices.is_empty() {
            return Err("no such file, and no process has one of this name mapped".to_owned());
        }
        Ok(indices.into_iter().collect())
    }

    /// What all the processes map. An error if none of them can be read.
    fn map_processes(&mut self) -> Result<Vec<MappedObject>, String> {
        let mut objects = Vec::new();
        let mut failures = Vec::new();
        for &pid in &self.scope.pids {
            let process = match Process::read(pid) {
                Ok(process) => process,
                Err(e) => {
                    failures.push(Skipped { what: e.subject(), reason: e.kind.to_string(), named: true });
                    continue;
                }
            };
            for file in process.files() {
                match process.open(&file) {
                    Ok(opened) => objects.push(MappedObject {
                        pid,
                        path: process.lasting_path(&file.name, &opened),
                        id: opened.id,
                        inner: process.inner_name(&file.name),
                        name: file.name,
                    }),
                    Err(e) => failures.push(Skipped {
                        what: format!("process {pid} ({}), {}", process.name, file.name.display()),
                        reason: words(&e),
                        named: false,
                    }),
                }
            }
        }
        match failures.first() {
            Some(first) if objects.is_empty() => Err(format!("{}: {}", first.what, first.reason)),
            _ => {
                self.collected.skipped.extend(failures);
                Ok(objects)
            }
        }
    }

    /// The file's contents, read when they are first asked for.
    fn contents(&mut self, index: usize) -> Result<&mut Contents, String> {
        let subject = &mut self.files[index];
        let wanted = &self.variables;
        let contents = subject.contents.get_or_insert_with(|| {
            with_elf(&subject.path, |elf| {
                let notes = notes::of_elf(elf).map_err(|e| e.to_string())?;
                // Without its symbol tables a file has no variables, which the compiler reports where they are used.
                let found = symbols::find(elf, wanted.iter().map(String::as_str)).unwrap_or_default();
                let variable = |(name, (address, size))| Variable { name, address, size };
                let mut variables: Vec<Variable> = found.into_iter().map(variable).collect();
                variables.sort_by(|a, b| a.name.cmp(&b.name));
                Ok(Contents { arch: notes.arch, probes: notes.probes, symbols: None, variables })
            })
        });
        contents.as_mut().map_err(|e| e.clone())
    }

    fn symbols(&mut self, index: usize) -> Result<&Symbols, String> {
        let path = self.files[index].path.clone();
        let contents = self.contents(index)?;
        let symbols = match contents.symbols.take() {
            Some(symbols) => symbols,
            None => with_elf(&path, |elf| Symbols::read(elf).map_err(|e| e.to_string()))?,
        };
        Ok(contents.symbols.insert(symbols))
    }

    /// The probes of a file that are meant.
    fn usdt(&mut self, index: usize, spec: &Spec) -> Found {
        let matcher = spec.matcher();
        let chosen = self.contents(index)?.probes.iter().filter(|p| matcher.matches(&p.provider, &p.name));
        let mut probes: Vec<Probe> = chosen.cloned().collect();
        if probes.is_empty() {
            return Ok(Vec::new());
        }
        for probe in &mut probes {
            let mut offsets = HashSet::new();
            probe.sites.retain(|s| s.file_offset.is_some_and(|offset| offsets.insert(offset)));
        }
        if probes.iter().all(|p| p.sites.is_empty()) {
            return Err("the notes name addresses that are not in the file".to_owned());
        }
        probes.retain(|p| !p.sites.is_empty());
        // A symbol that cannot be looked up makes one argument unusable, which the compiler reports where it is used.
        let _ = with_elf(&self.files[index].path, |elf| {
            symbols::resolve(elf, &mut probes).map_err(|e| e.to_string())
        });
        let symbols = match self.scope.functions {
            true => self.symbols(index).ok(),
            false => None,
        };
        let places = probes.into_iter().map(|probe| {
            let function = |pc| symbols.and_then(|s| s.at(pc)).map(|(symbol, _)| symbol.name.into_owned());
            let functions = probe.sites.iter().map(|s| function(s.pc)).collect();
            (format!("{}:{}", quoted(&probe.provider), quoted(&probe.name)), Place::Usdt { probe, functions })
        });
        let places: Vec<_> = places.collect();
        let path = self.shown_path(index);
        Ok(places.into_iter().map(|(name, place)| (format!("usdt:{path}:{name}"), place)).collect())
    }

    /// The functions of a file that are meant, or the place at an address.
    fn uprobe(&mut self, index: usize, wanted: &Wanted<'_>) -> Found {
        let kind = if wanted.ret { "uretprobe" } else { "uprobe" };
        let prefix = format!("{kind}:{}", self.shown_path(index));
        if wanted.function.is_empty() {
            return self.address(index, &prefix, wanted.offset);
        }
        let symbols = self.symbols(index)?;
        let glob = wanted.demangled || has_wildcard(wanted.function);
        // The code of an indirect function only chooses another one; a wildcard does not mean it.
        let functions: Vec<Symbol<'_>> = if wanted.demangled {
            let name = CppName::new(wanted.function);
            symbols.functions().filter(|s| !s.indirect && name.matches(&s.name)).collect()
        } else if glob {
            symbols.matching(&Glob::new(wanted.function)).into_iter().filter(|s| !s.indirect).collect()
        } else {
            symbols.named(wanted.function)
        };
        let beyond = |s: &Symbol<'_>| s.size != 0 && wanted.offset >= s.size;
        if !glob && !functions.is_empty() && functions.iter().all(beyond) {
            let size = functions.iter().map(|s| s.size).max().unwrap_or(0);
            return Err(format!("`{}` has only {size:#x} bytes", wanted.function));
        }
        let mut offsets = HashSet::new();
        let places = functions.into_iter().filter(|s| !beyond(s)).filter_map(|symbol| {
            let file_offset = symbol.entry_offset?.0.checked_add(wanted.offset)?;
            let address = Vaddr(symbol.entry.0.wrapping_add(wanted.offset));
            let plus = if wanted.offset == 0 { String::new() } else { format!("+{}", wanted.offset) };
            let name = format!("{prefix}:{}{plus}", quoted(&symbol.name));
            offsets
                .insert(file_offset)
                .then(|| (name, Place::Function { function: symbol.name.into_owned(), address, file_offset }))
        });
        Ok(places.collect())
    }

    fn address(&mut self, index: usize, prefix: &str, address: u64) -> Found {
        let offset = with_elf(&self.files[index].path, |elf| Ok(elf.file_offset(Vaddr(address))))?;
        let Some(offset) = offset else { return Err(format!("the address {address:#x} is not in the file")) };
        let function =
            self.symbols(index).ok().and_then(|s| s.at(Vaddr(address))).map(|(s, _)| s.name.into_owned());
        let function = function.unwrap_or_default();
        let place = Place::Function { function, address: Vaddr(address), file_offset: offset.0 };
        Ok(vec![(format!("{prefix}:{address:#x}"), place)])
    }

    fn admit(&mut self, index: usize, (name, place): (String, Place)) -> Option<Match> {
        let subject = &mut self.files[index];
        let contents = subject.contents.as_ref()?.as_ref().ok()?;
        let (arch, variables) = (contents.arch?, contents.variables.clone());
        let images = &mut self.collected.catalog.images;
        let image = *subject.image.get_or_insert_with(|| {
            images.push(Image {
                name: subject.name.display().to_string(),
                path: subject.path.display().to_string(),
                pids: Vec::new(),
            });
            (images.len() - 1) as u32
        });
        Some(Match { image, arch, name, place, variables })
    }

    fn near(&mut self, indices: &[usize], kind: &AttachKind) -> Vec<String> {
        let mut names = BTreeSet::new();
        let wanted = match kind {
            AttachKind::Usdt { provider, name, .. } => {
                for &index in indices {
                    if let Ok(contents) = self.contents(index) {
                        names.extend(contents.probes.iter().map(Probe::full_name));
                    }
                }
                if provider == "*" { name.clone() } else { format!("{provider}:{name}") }
            }
            AttachKind::Uprobe { function, .. } => {
                for &index in indices {
                    if let Ok(symbols) = self.symbols(index) {
                        names.extend(symbols.functions().map(|s| s.name.into_owned()));
                    }
                }
                function.clone()
            }
            _ => return Vec::new(),
        };
        near::nearest(&wanted, names.iter().map(String::as_str))
    }

    fn shown_path(&self, index: usize) -> String {
        quoted(&self.files[index].name.display().to_string()).into_owned()
    }
}

/// The functions that an attach point means.
struct Wanted<'a> {
    function: &'a str,
    demangled: bool,
    offset: u64,
    ret: bool,
}

fn with_elf<T>(path: &Path, read: impl FnOnce(&Elf<'_>) -> Result<T, String>) -> Result<T, String> {
    let file = File::open(path).map_err(|e| words(&e))?;
    match Elf::open(&file).map_err(|e| e.to_string())? {
        Some(elf) => read(&elf),
        None => Err(NOT_ELF.to_owned()),
    }
}
