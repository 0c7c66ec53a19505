//! Wildcards in paths, part by part: `*`, `?` and `[…]` as in [`stapes_binary::glob`].
//!
//! A wildcard does not match `/`, and not a dot at the start of a name (glob(7)).

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use stapes_binary::glob::Glob;
pub use stapes_binary::glob::has_wildcard;

/// Every existing path that matches, sorted. A pattern without wildcards is its own answer, if it exists.
pub fn expand_path(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let part = part.as_os_str();
        found = match part.to_str().filter(|text| has_wildcard(text)) {
            None => found.into_iter().map(|p| p.join(part)).collect(),
            Some(wild) => {
                let glob = Glob::new(wild);
                let hidden = wild.starts_with('.');
                found.iter().flat_map(|folder| entries(folder, &glob, hidden)).collect()
            }
        };
    }
    found.retain(|p| fs::symlink_metadata(p).is_ok());
    found.sort();
    found
}

/// The entries of a folder that match; none where it cannot be read. A name that is not UTF-8 is matched as it is shown.
fn entries(folder: &Path, glob: &Glob, hidden: bool) -> Vec<PathBuf> {
    let readable = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = fs::read_dir(readable) else { return Vec::new() };
    entries
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|name| hidden || !name.as_bytes().starts_with(b"."))
        .filter(|name| glob.matches(&name.to_string_lossy()))
        .map(|name| folder.join(name))
        .collect()
}
