//! One process, seen through `/proc`: what it maps, and those files opened as the process has them.
//!
//! A name in `/proc/PID/maps` says little: the file may be deleted or replaced, live in another mount namespace or
//! behind a chroot, be a memfd, or be an overlay's.
//! So a file is never opened by its name, but by the links the kernel keeps to what is really mapped:
//! `/proc/PID/map_files/START-END` and `/proc/PID/exe`. These also are paths that a uprobe can be attached by.
//! Following `map_files` needs `CAP_CHECKPOINT_RESTORE` or `CAP_SYS_ADMIN`.
//! Without, a file is looked up below `/proc/PID/root`, and taken only if its inode is the one that is mapped.
//!
//! A process can exit, or map something else, between any two of these steps.
//! Each of them then fails by itself, and the failure names what it was about; nothing here ends a walk over all processes.
//!
//! When the first thread of a process has ended, its `/proc/PID/maps` is empty although the process lives on.
//! Its other threads then answer, as `/proc/TID`.

pub mod live;
pub mod maps;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use maps::{MapKey, Mapping};

/// A file, whatever its name: the device and inode that `stat` gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
}

impl FileId {
    /// The identity in what `stat` answered.
    pub fn of(metadata: &Metadata) -> FileId {
        FileId { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// A process as it was when it was read.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its id in our namespace.
    pub pid: u32,
    /// Its id in its own pid namespace; the same as `pid` where it lives in ours.
    pub inner_pid: u32,
    /// Its name (`comm`).
    pub name: String,
    /// What it maps, by address.
    pub mappings: Vec<Mapping>,
    /// The folder in `/proc` that answers for it: its own, or that of a thread that outlived the first one.
    folder: PathBuf,
    /// Its root as we see it, where that is not ours: it is confined below (chroot).
    confined: Option<PathBuf>,
}

/// A file that a process maps.
#[derive(Clone, Debug)]
pub struct MappedFile {
    /// The name that the kernel gives it, for showing: without ` (deleted)`.
    pub name: PathBuf,
    /// Whether no name leads to this file any more.
    pub deleted: bool,
    /// Every mapping of it, by address.
    pub mappings: Vec<Mapping>,
}

/// A mapped file that was opened.
#[derive(Debug)]
pub struct OpenedFile {
    /// The file.
    pub file: File,
    /// Which file it is.
    pub id: FileId,
    /// The path by which it was opened, and by which a uprobe can be attached as long as the process has it mapped.
    pub path: PathBuf,
}

/// Why a process could not be read.
#[derive(Debug)]
pub struct ProcessError {
    /// The process.
    pub pid: u32,
    /// Its name, if that much could be read.
    pub name: Option<String>,
    /// What is in the way.
    pub kind: ProcessErrorKind,
}

/// What is in the way of reading a process.
#[derive(Debug)]
pub enum ProcessErrorKind {
    /// There is no such process, or it exited meanwhile.
    Gone,
    /// It has exited and waits to be collected by its parent.
    Zombie,
    /// It is a thread of the kernel and has no memory of its own.
    KernelThread,
    /// Its memory is not ours to look at.
    Denied,
    /// Anything else.
    Other(io::Error),
}

impl Process {
    /// Reads what process `pid` maps now.
    pub fn read(pid: u32) -> Result<Process, ProcessError> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let status = match fs::read(folder.join("status")) {
            Ok(bytes) => Status::parse(&bytes),
            Err(e) => return Err(ProcessError { pid, name: None, kind: e.into() }),
        };
        let fail = |kind| ProcessError { pid, name: Some(status.name.clone()), kind };
        if !status.memory && !status.zombie {
            return Err(fail(ProcessErrorKind::KernelThread));
        }
        let mut process = Process {
            pid,
            inner_pid: status.inner_pid.unwrap_or(pid),
            name: status.name.clone(),
            mappings: read_maps(&folder).map_err(|e| fail(e.into()))?,
            confined: fs::read_link(folder.join("root")).ok().filter(|root| root != Path::new("/")),
            folder,
        };
        if process.mappings.is_empty() {
            match process.living_thread() {
                Some((folder, mappings)) => {
                    process.folder = folder;
                    process.mappings = mappings;
                }
                None if status.zombie => return Err(fail(ProcessErrorKind::Zombie)),
                None => return Err(fail(ProcessErrorKind::Gone)),
            }
        }
        Ok(process)
    }

    /// Every file that may hold code of the process: mapped executable, or mapped as a loader maps an object's start.
    ///
    /// The second kind catches objects whose code was moved to huge pages, so that nothing executable is left of them.
    pub fn files(&self) -> Vec<MappedFile> {
        let mut files: Vec<MappedFile> = Vec::new();
        let mut known: HashMap<MapKey, usize> = HashMap::new();
        for mapping in self.mappings.iter().filter(|m| !m.is_anonymous() && m.name.starts_with(b"/")) {
            match known.get(&mapping.key()) {
                Some(&index) => files[index].mappings.push(mapping.clone()),
                None => {
                    known.insert(mapping.key(), files.len());
                    files.push(MappedFile {
                        name: PathBuf::new(),
                        deleted: false,
                        mappings: vec![mapping.clone()],
                    });
                }
            }
        }
        files.retain(|file| {
            file.mappings.iter().any(|m| m.private && (m.execute || m.offset == 0) && !m.is_hugetlb())
        });
        for file in &mut files {
            (file.name, file.deleted) = self.name_of(&file.mappings[0]);
        }
        files
    }

    /// Opens a mapped file as the process has it.
    pub fn open(&self, file: &MappedFile) -> io::Result<OpenedFile> {
        let mut failure = None;
        for mapping in &file.mappings {
            let path = self.folder.join("map_files").join(mapping.range_name());
            match open_regular(&path) {
                Ok((file, id)) => return Ok(OpenedFile { file, id, path }),
                // Not permitted at all: the other ranges will not be either.
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                    failure = Some(e);
                    break;
                }
                Err(e) => failure = Some(e),
            }
        }
        self.open_below_root(file).ok_or_else(|| failure.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }

    /// The best path to attach by: the plain name where it leads to the same file and is text, else the kernel's links.
    pub fn lasting_path(&self, name: &Path, opened: &OpenedFile) -> PathBuf {
        if name.to_str().is_some() && identity(name) == Some(opened.id) {
            return name.to_path_buf();
        }
        let exe = self.exe();
        if identity(&exe) == Some(opened.id) { exe } else { opened.path.clone() }
    }

    /// The link to the program that the process runs.
    pub fn exe(&self) -> PathBuf {
        self.folder.join("exe")
    }

    /// The process's memory, to read by address.
    pub fn memory(&self) -> io::Result<File> {
        File::open(self.folder.join("mem"))
    }

    /// A mapped file's name, and whether the file is deleted.
    fn name_of(&self, mapping: &Mapping) -> (PathBuf, bool) {
        let full = Path::new(OsStr::from_bytes(&mapping.name));
        let Some(short) = mapping.name.strip_suffix(b" (deleted)") else {
            return (full.to_path_buf(), false);
        };
        // A file may well be called so; then its name leads to it.
        let inode = self.below_root(full).and_then(|path| fs::metadata(path).ok()).map(|m| m.ino());
        match inode == Some(mapping.inode) {
            true => (full.to_path_buf(), false),
            false => (PathBuf::from(OsStr::from_bytes(short)), true),
        }
    }

    /// Where the process's own root has the file called `name`.
    fn below_root(&self, name: &Path) -> Option<PathBuf> {
        let inside = self.inner_name(name);
        let inside = inside.as_deref().unwrap_or(name).strip_prefix("/").ok()?;
        Some(self.folder.join("root").join(inside))
    }

    /// What the process itself calls the file that we know as `name`, where that differs: a name starts at our root, and
    /// a process that is confined below it has its root somewhere on the way.
    pub fn inner_name(&self, name: &Path) -> Option<PathBuf> {
        let inside = name.strip_prefix(self.confined.as_ref()?).ok()?;
        Some(Path::new("/").join(inside))
    }

    fn open_below_root(&self, file: &MappedFile) -> Option<OpenedFile> {
        let wanted = file.mappings.first()?.inode;
        // Some file systems show another device in `maps` than in `stat`, so the inode has to do.
        [self.exe(), self.below_root(&file.name)?].into_iter().find_map(|path| {
            let (file, id) = open_regular(&path).ok()?;
            (id.inode == wanted).then_some(OpenedFile { file, id, path })
        })
    }

    fn living_thread(&self) -> Option<(PathBuf, Vec<Mapping>)> {
        fs::read_dir(self.folder.join("task")).ok()?.flatten().find_map(|entry| {
            // Not `/proc/PID/task/TID`, which has no `map_files`.
            let folder = Path::new("/proc").join(entry.file_name());
            let mappings = read_maps(&folder).ok()?;
            (!mappings.is_empty()).then_some((folder, mappings))
        })
    }
}

/// The ids of all processes, in order.
pub fn all_pids() -> io::Result<Vec<u32>> {
    let mut pids: Vec<u32> = fs::read_dir("/proc")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    Ok(pids)
}

/// Opens a regular file to read, and says which it is. Anything else is refused before it is opened:
/// opening a device can do things.
pub fn open_regular(path: &Path) -> io::Result<(File, FileId)> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let file = File::open(path)?;
    let id = FileId::of(&file.metadata()?);
    Ok((file, id))
}

/// Which file a path leads to, if there is one.
pub(crate) fn identity(path: &Path) -> Option<FileId> {
    fs::metadata(path).ok().map(|m| FileId::of(&m))
}

fn read_maps(folder: &Path) -> io::Result<Vec<Mapping>> {
    Ok(maps::parse(&fs::read(folder.join("maps"))?))
}

struct Status {
    name: String,
    zombie: bool,
    /// Whether it has memory of its own; threads of the kernel and what has exited do not.
    memory: bool,
    inner_pid: Option<u32>,
}

impl Status {
    /// Reads `/proc/PID/status` (proc_pid_status(5)). The kernel escapes line feeds in `Name`.
    fn parse(bytes: &[u8]) -> Status {
        let text = String::from_utf8_lossy(bytes);
        let field = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
                .map(str::trim)
                .unwrap_or_default()
        };
        Status {
            name: field("Name").to_owned(),
            zombie: field("State").starts_with(['Z', 'X']),
            memory: !field("VmSize").is_empty(),
            inner_pid: field("NSpid").split_whitespace().next_back().and_then(|pid| pid.parse().ok()),
        }
    }
}

impl From<io::Error> for ProcessErrorKind {
    fn from(error: io::Error) -> Self {
        const ESRCH: i32 = 3;
        match error.kind() {
            io::ErrorKind::NotFound => ProcessErrorKind::Gone,
            io::ErrorKind::PermissionDenied => ProcessErrorKind::Denied,
            _ if error.raw_os_error() == Some(ESRCH) => ProcessErrorKind::Gone,
            _ => ProcessErrorKind::Other(error),
        }
    }
}

impl fmt::Display for ProcessErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessErrorKind::Gone => f.write_str("no such process"),
            ProcessErrorKind::Zombie => f.write_str("it has exited and waits for its parent (zombie)"),
            ProcessErrorKind::KernelThread => f.write_str("it is a thread of the kernel"),
            ProcessErrorKind::Denied => f.write_str("permission denied"),
            ProcessErrorKind::Other(e) => write!(f, "{e}"),
        }
    }
}

impl ProcessError {
    /// The process as a message names it: `process 12 (java)`.
    pub fn subject(&self) -> String {
        match &self.name {
            Some(name) => format!("process {} ({name})", self.pid),
            None => format!("process {}", self.pid),
        }
    }
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject(), self.kind)
    }
}

impl std::error::Error for ProcessError {}
