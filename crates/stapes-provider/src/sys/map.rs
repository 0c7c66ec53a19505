//! Mappings of an image: mmap(2), at addresses that are never given back to the kernel.
//!
//! Whether a probe is traced is one load from its semaphore, with no protection around it.
//! So the address of a semaphore must stay readable even where its provider is just being unloaded.
//! An unloaded image's addresses are covered with empty pages and kept for the next image of that size: the load then
//! reads 0, or at the worst another probe's semaphore, and firing looks again before it does anything.
//! Empty pages cost no memory, and loading and unloading for ever uses the same few addresses.
//! Every caller is within a change (see `fork`), so that no child finds the list of free addresses locked.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::{Mutex, PoisonError};

/// Addresses that are ours and hold nothing: start and length.
static FREE: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// An image in memory: one stretch of addresses, its text executable, its data writable.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: *mut u8,
    length: usize,
}

// SAFETY: the addresses are the process's; the type itself only covers them when it is dropped.
unsafe impl Send for Mapping {}
// SAFETY: nothing is changed through a shared reference.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps an image: its first `data` bytes read and execute, the `data_size` behind them read and write.
    ///
    /// `data` is a multiple of the page size.
    pub(crate) fn new(file: &File, data: usize, data_size: usize) -> io::Result<Mapping> {
        let mut mapping = Mapping::reserve(data + data_size.next_multiple_of(page_size()))?;
        mapping.place(file, 0, data, libc::PROT_READ | libc::PROT_EXEC)?;
        mapping.place(file, data, data_size, libc::PROT_READ | libc::PROT_WRITE)?;
        Ok(mapping)
    }

    pub(crate) fn start(&self) -> *mut u8 {
        self.start
    }

    /// Takes addresses: free ones of this length, or new ones.
    fn reserve(length: usize) -> io::Result<Mapping> {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(i) = free.iter().position(|(_, l)| *l == length) {
            let (start, _) = free.swap_remove(i);
            return Ok(Mapping { start: ptr::with_exposed_provenance_mut(start), length });
        }
        drop(free);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at an address that the kernel chooses touches nothing that exists.
        let start = unsafe { libc::mmap(ptr::null_mut(), length, libc::PROT_READ, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Mapping { start: start.cast(), length })
    }

    /// Puts a part of the file in its place.
    fn place(&mut self, file: &File, offset: usize, size: usize, protection: i32) -> io::Result<()> {
        let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
        // SAFETY: offset and size are within the mapping, which is ours since `reserve`; what it replaces are empty
        // pages.
        let placed = unsafe {
            let at = self.start.add(offset).cast();
            libc::mmap(at, size, protection, flags, file.as_raw_fd(), offset as libc::off_t)
        };
        if placed == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
        // SAFETY: the range is ours since `reserve`; whoever drops the mapping has made sure (see `epoch`) that no
        // thread is in its text. Reading its semaphores goes on being possible.
        let covered = unsafe { libc::mmap(self.start.cast(), self.length, libc::PROT_READ, flags, -1, 0) };
        if covered != libc::MAP_FAILED {
            let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
            free.push((self.start.expose_provenance(), self.length));
        }
        // Otherwise the image stays where it is: unused, but not unsafe.
    }
}

/// Bytes in a page.
pub(crate) fn page_size() -> usize {
    // SAFETY: sysconf takes no pointers.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}
