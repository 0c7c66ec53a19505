//! Where an image's bytes are, so that tracers can open them: a memfd, or a file with a name.

use std::collections::hash_map::RandomState;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

use crate::Error;
use crate::sys;

/// Where a provider's images are put.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Backing {
    /// In a memfd; where that is not allowed, as [`Backing::Named`].
    #[default]
    Memfd,
    /// In a file in the first of `$XDG_RUNTIME_DIR`, `/dev/shm` and `/tmp` that works, deleted on unload and at exit.
    Named,
    /// In a file in this folder, for tracers that only open files by name; deleted on unload and at exit.
    File(PathBuf),
}

/// An image that has been written.
#[derive(Debug)]
pub(crate) struct Written {
    /// The open file; while it is open, tracers find a memfd by `/proc/PID/fd`.
    pub(crate) file: File,
    /// Its name, if it has one.
    pub(crate) path: Option<PathBuf>,
}

impl Drop for Written {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            delete_files(|named| named == path);
        }
    }
}

impl Backing {
    /// Writes an image. `usable` says whether it can be mapped from where it was put: a file on a file system that is
    /// mounted `noexec` cannot, and then the next place is tried.
    pub(crate) fn write<T>(
        &self,
        label: &str,
        bytes: &[u8],
        usable: impl Fn(&Written) -> Result<T, Error>,
    ) -> Result<(Written, T), Error> {
        let use_it = |written: Written| usable(&written).map(|mapped| (written, mapped));
        let try_folder = |folder: &Path| in_folder(folder, label, bytes).and_then(use_it);
        let try_folders = || {
            let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
            let mut first = runtime.into_iter().chain([PathBuf::from("/dev/shm")]);
            first
                .find_map(|folder| try_folder(&folder).ok())
                .map_or_else(|| try_folder(Path::new("/tmp")), Ok)
        };
        match self {
            Backing::File(folder) => try_folder(folder),
            Backing::Named => try_folders(),
            // What keeps the memfd away is what the user should know where nothing else works either.
            Backing::Memfd => {
                in_memfd(label, bytes).and_then(use_it).or_else(|error| try_folders().map_err(|_| error))
            }
        }
    }
}

/// Files that are to be deleted, each with the process that made it: a child after a fork must leave them alone.
///
/// Changed only within a change (see `fork`), so that no child finds it locked.
static FILES: Mutex<Vec<(u32, PathBuf)>> = Mutex::new(Vec::new());

/// Deletes those of this process's files that are chosen.
fn delete_files(chosen: impl Fn(&Path) -> bool) {
    let process = std::process::id();
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    files.retain(|(owner, path)| {
        if *owner != process || !chosen(path) {
            return true;
        }
        // It may have been cleaned away by others.
        let _ = fs::remove_file(path);
        false
    });
}

extern "C" fn delete_all_files() {
    delete_files(|_| true);
}

/// Has a file deleted when it is dropped, and at exit.
fn remember_file(path: &Path) {
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| sys::at_exit(delete_all_files));
    files.push((std::process::id(), path.to_owned()));
}

fn in_memfd(label: &str, bytes: &[u8]) -> Result<Written, Error> {
    let system = |source| Error::System { call: "memfd_create", object: label.to_owned(), source };
    // The kernel takes at most 249 bytes.
    let name: Vec<u8> = label.bytes().filter(|b| *b != 0).take(200).collect();
    let name = CString::new(name).unwrap_or_default();
    let mut file = sys::create_memfd(&name).map_err(system)?;
    file.write_all(bytes).map_err(system)?;
    sys::seal(&file);
    Ok(Written { file, path: None })
}

fn in_folder(folder: &Path, label: &str, bytes: &[u8]) -> Result<Written, Error> {
    // A provider's name may have characters that a file's may not.
    let stem: String =
        label.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(100).collect();
    let mut tries = 0;
    loop {
        let path = folder.join(format!("{stem}-{:016x}.so", RandomState::new().build_hasher().finish()));
        let system = |source| Error::System { call: "open", object: path.display().to_string(), source };
        let opened = OpenOptions::new().read(true).write(true).create_new(true).mode(0o700).open(&path);
        match opened {
            Ok(mut file) => {
                remember_file(&path);
                let result = file.write_all(bytes);
                let written = Written { file, path: Some(path.clone()) };
                return result.map(|()| written).map_err(system);
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && tries < 10 => tries += 1,
            Err(e) => return Err(system(e)),
        }
    }
}
