//! Reading ranges of a file without reading the file.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Something whose bytes can be read by position: a file by pread, or a slice.
pub trait ReadAt {
    /// Reads up to `buf.len()` bytes at `offset`; fewer only at the end.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            // pread(2) refuses offsets above i64::MAX; no file reaches them, so they are past the end.
            let Some(at) = offset.checked_add(done as u64).filter(|&at| at <= i64::MAX as u64) else { break };
            match FileExt::read_at(self, &mut buf[done..], at) {
                Ok(0) => break,
                Ok(n) => {
                    done += n;
                    // A short read of a regular file is its end; asking again would cost a call per file.
                    if done < buf.len() && n >= SHORT_READ_IS_END {
                        continue;
                    }
                    break;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }
}

/// Linux transfers at most 0x7ffff000 bytes in one read; only from there on can a short read be anything but the end.
const SHORT_READ_IS_END: usize = 0x7fff_f000;

impl ReadAt for &[u8] {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let n = buf.len().min(self.len() - start);
        buf[..n].copy_from_slice(&self[start..start + n]);
        Ok(n)
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.as_slice().read_at(offset, buf)
    }
}

/// Why a file could not be read: where, in which field, and what is wrong there.
#[derive(Debug)]
pub struct ReadError {
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// The field, by the name that the gABI gives it, such as `e_shoff`.
    pub field: &'static str,
    /// What is wrong.
    pub reason: ReadErrorReason,
}

/// What is wrong with a field.
#[derive(Debug)]
pub enum ReadErrorReason {
    /// The file could not be read there.
    Io(io::Error),
    /// The file ends before the field, or before what the field says is there.
    Truncated,
    /// The value is not one that the format allows.
    Invalid(&'static str),
    /// What the field describes is larger than any real file has, so it is not read.
    TooLarge {
        /// The size in bytes or the number of entries that the field asks for.
        size: u64,
        /// The most that is read.
        limit: u64,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {:#x}: ", self.field, self.offset)?;
        match &self.reason {
            ReadErrorReason::Io(e) => write!(f, "{e}"),
            ReadErrorReason::Truncated => f.write_str("the file ends before it"),
            ReadErrorReason::Invalid(what) => f.write_str(what),
            ReadErrorReason::TooLarge { size, limit } => {
                write!(f, "{size} is more than the limit of {limit}")
            }
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            ReadErrorReason::Io(e) => Some(e),
            _ => None,
        }
    }
}

impl ReadError {
    pub(crate) fn new(offset: u64, field: &'static str, reason: ReadErrorReason) -> ReadError {
        ReadError { offset, field, reason }
    }

    pub(crate) fn invalid(offset: u64, field: &'static str, what: &'static str) -> ReadError {
        ReadError::new(offset, field, ReadErrorReason::Invalid(what))
    }
}

/// Reads `size` bytes at `offset`, or as many as there are.
///
/// Memory is taken as the bytes arrive, so a size that the file does not have costs nothing.
/// `field` names in errors what said that the bytes are there.
pub(crate) fn up_to(
    source: &dyn ReadAt,
    offset: u64,
    size: u64,
    limit: u64,
    field: &'static str,
) -> Result<Vec<u8>, ReadError> {
    const STEP: usize = 1 << 20;
    if size > limit {
        return Err(ReadError::new(offset, field, ReadErrorReason::TooLarge { size, limit }));
    }
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    while bytes.len() < size {
        let done = bytes.len();
        // Doubling keeps the number of reads small where the bytes are really there.
        bytes.resize(size.min((2 * done).max(STEP)), 0);
        let at = offset.saturating_add(done as u64);
        let n = source
            .read_at(at, &mut bytes[done..])
            .map_err(|e| ReadError::new(at, field, ReadErrorReason::Io(e)))?;
        if done + n < bytes.len() {
            bytes.truncate(done + n);
            break;
        }
    }
    Ok(bytes)
}

/// Reads exactly `size` bytes at `offset`.
pub(crate) fn exactly(
    source: &dyn ReadAt,
    offset: u64,
    size: u64,
    limit: u64,
    field: &'static str,
) -> Result<Vec<u8>, ReadError> {
    let bytes = up_to(source, offset, size, limit, field)?;
    if (bytes.len() as u64) < size {
        return Err(ReadError::new(offset, field, ReadErrorReason::Truncated));
    }
    Ok(bytes)
}
