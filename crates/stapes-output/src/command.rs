//! `cat` and `system`: the content of a file, the output of a command.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

/// The most bytes of a file that `cat` shows, as bpftrace's `max_cat_bytes`.
const CAT_BYTES: u64 = 10240;

/// The start of a file.
pub(crate) fn cat(path: &[u8]) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(OsStr::from_bytes(path))?.take(CAT_BYTES).read_to_end(&mut content)?;
    Ok(content)
}

/// What a command of the shell writes to its standard output.
pub(crate) fn system(command: &[u8]) -> io::Result<Vec<u8>> {
    let output = Command::new("/bin/sh")
        .arg("-c")
        .arg(OsStr::from_bytes(command))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    Ok(output.stdout)
}
