//! Memory mapped from the kernel: the ring buffer's pages, the kernel's BTF.

use std::io::{Error, Result};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A mapping, unmapped when dropped.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread; who reads or writes it, and how, is up to its
// owner.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(
        fd: BorrowedFd<'_>,
        offset: usize,
        length: usize,
        writable: bool,
        shared: bool,
    ) -> Result<Mapping> {
        let protection = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
        let flags = if shared { libc::MAP_SHARED } else { libc::MAP_PRIVATE };
        // SAFETY: the kernel chooses an address that nothing uses.
        let start = unsafe {
            libc::mmap(std::ptr::null_mut(), length, protection, flags, fd.as_raw_fd(), offset as libc::off_t)
        };
        if start == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| Error::from_raw_os_error(libc::ENOMEM))?;
        Ok(Mapping { start, length })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `new` mapped exactly this range, and nothing borrowed from it outlives `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// Bytes per page.
pub(crate) fn page_size() -> usize {
    // SAFETY: sysconf has no preconditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// The pages of a `BPF_MAP_TYPE_RINGBUF`, as the kernel lays them out for its consumer:
/// one writable page with the consumer's position; then, read-only, one page with the producers' position,
/// the data, and the same data pages once more, so that a record that wraps is still one slice.
#[derive(Debug)]
pub(crate) struct RingPages {
    consumer: Mapping,
    producer: Mapping,
    page: usize,
    size: usize,
}

impl RingPages {
    /// Maps a ring of `size` bytes of data, a power of two.
    pub(crate) fn map(fd: BorrowedFd<'_>, size: usize) -> Result<RingPages> {
        let page = page_size();
        if !size.is_power_of_two() || !size.is_multiple_of(page) {
            return Err(Error::from_raw_os_error(libc::EINVAL));
        }
        let consumer = Mapping::new(fd, 0, page, true, true)?;
        let producer = Mapping::new(fd, page, page + 2 * size, false, true)?;
        Ok(RingPages { consumer, producer, page, size })
    }

    /// Bytes of data.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Up to where the consumer has read.
    pub(crate) fn consumer(&self) -> &AtomicU64 {
        // SAFETY: the page is mapped writable as long as `self` lives and starts with this u64, aligned.
        unsafe { self.consumer.start.cast().as_ref() }
    }

    /// Up to where producers have reserved.
    pub(crate) fn produced(&self) -> u64 {
        // SAFETY: the first page of the mapping starts with this u64, aligned; only the kernel writes it.
        unsafe { self.producer.start.cast::<AtomicU64>().as_ref() }.load(Ordering::Acquire)
    }

    /// The first word of the record header at `position`: its length and flags.
    pub(crate) fn header(&self, position: u64) -> u32 {
        let offset = self.page + (position as usize & (self.size - 1) & !7);
        // SAFETY: the offset is below page + size, so inside the mapping, and a multiple of 8.
        unsafe { self.producer.start.add(offset).cast::<AtomicU32>().as_ref() }.load(Ordering::Acquire)
    }

    /// `length` bytes of data from `position` on, cut to the size of the ring.
    ///
    /// They keep still until the consumer's position passes them: producers overwrite only what it has
    /// passed.
    pub(crate) fn bytes(&self, position: u64, length: usize) -> &[u8] {
        let offset = self.page + (position as usize & (self.size - 1));
        // SAFETY: the data is mapped twice in a row, so `size` bytes from any place in the first copy are
        // mapped; the record was published with release order and read by `header` with acquire order.
        unsafe { std::slice::from_raw_parts(self.producer.start.add(offset).as_ptr(), length.min(self.size)) }
    }
}

/// A file of the kernel that never changes, mapped.
#[derive(Debug)]
pub(crate) struct MappedFile(Mapping);

impl MappedFile {
    /// Maps `length` bytes of the kernel's BTF (Linux 6.16 and later; `ENODEV` before).
    pub(crate) fn kernel_btf(fd: BorrowedFd<'_>, length: usize) -> Result<MappedFile> {
        Mapping::new(fd, 0, length, false, false).map(MappedFile)
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: mapped read-only for as long as `self` lives; it is part of the kernel's image and never
        // changes.
        unsafe { std::slice::from_raw_parts(self.0.start.as_ptr(), self.0.length) }
    }
}
