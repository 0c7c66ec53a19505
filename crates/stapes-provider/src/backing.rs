//! Where an image's bytes are, so that tracers can open them: a memfd, or a file with a name.

use std::collections::hash_map::RandomState;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::sys;

/// Where a provider's images are put.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Backing {
    /// In a memfd; where that is not allowed, in the first of `$XDG_RUNTIME_DIR`, `/dev/shm` and `/tmp` that works.
    #[default]
    Memfd,
    /// In a file in this folder, for tracers that only open files by name. It is deleted on unload.
    File(PathBuf),
}

/// An image that has been written.
#[derive(Debug)]
pub(crate) struct Written {
    /// The open file; while it is open, tracers find a memfd by `/proc/PID/fd`.
    pub(crate) file: File,
    /// Its name, if it has one.
    pub(crate) path: Option<PathBuf>,
    /// The process that wrote it: a child after a fork must not delete it.
    process: u32,
}

impl Drop for Written {
    fn drop(&mut self) {
        if let (Some(path), true) = (&self.path, self.process == std::process::id()) {
            // It may have been cleaned away by others.
            let _ = fs::remove_file(path);
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
        match self {
            Backing::File(folder) => {
                let written = in_folder(folder, label, bytes)?;
                let mapped = usable(&written)?;
                Ok((written, mapped))
            }
            Backing::Memfd => {
                let first = in_memfd(label, bytes).and_then(|w| usable(&w).map(|mapped| (w, mapped)));
                let Err(error) = first else { return first };
                for folder in fallbacks() {
                    let Ok(written) = in_folder(&folder, label, bytes) else { continue };
                    if let Ok(mapped) = usable(&written) {
                        return Ok((written, mapped));
                    }
                }
                Err(error)
            }
        }
    }
}

/// Folders where a file may go when there is no memfd.
fn fallbacks() -> impl Iterator<Item = PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    runtime.into_iter().chain(["/dev/shm".into(), "/tmp".into()])
}

fn in_memfd(label: &str, bytes: &[u8]) -> Result<Written, Error> {
    let system = |source| Error::System { call: "memfd_create", object: label.to_owned(), source };
    // The kernel takes at most 249 bytes.
    let name: Vec<u8> = label.bytes().filter(|b| *b != 0).take(200).collect();
    let name = CString::new(name).unwrap_or_default();
    let mut file = sys::create_memfd(&name).map_err(system)?;
    file.write_all(bytes).map_err(system)?;
    sys::seal(&file);
    Ok(Written { file, path: None, process: std::process::id() })
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
                let result = file.write_all(bytes);
                let written = Written { file, path: Some(path.clone()), process: std::process::id() };
                return result.map(|()| written).map_err(system);
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && tries < 10 => tries += 1,
            Err(e) => return Err(system(e)),
        }
    }
}
