//! A copy of some code of a file in this process, in which a breakpoint can be hit without consequences.
//!
//! What it is for is told in `nops.rs`.

use std::fs::File;
use std::io::{Error, Result};
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

use super::memory::page_size;

/// How far a call reaches, and a little more.
const REACH: usize = (1 << 31) + (1 << 20);
/// Bytes of the nops in question.
pub(crate) const NOP_SIZE: usize = 5;
/// `ret`.
const RETURN: u8 = 0xc3;
/// `int3`.
const BREAKPOINT: u8 = 0xcc;

/// Pages of a file, mapped privately with nothing usable around them as far as a call reaches.
#[derive(Debug)]
pub(crate) struct Decoy {
    reserved: NonNull<u8>,
    length: usize,
    /// Address of the page with file offset `first`.
    code: NonNull<u8>,
    first: u64,
}

impl Decoy {
    /// Maps the pages of `file` with the sites at `offsets`, each a 5-byte nop within a page, and writes
    /// `ret` behind each.
    pub(crate) fn map(file: &File, offsets: &[u64]) -> Result<Decoy> {
        let page = page_size() as u64;
        let (Some(low), Some(high)) = (offsets.iter().min(), offsets.iter().max()) else {
            return Err(Error::from_raw_os_error(libc::EINVAL));
        };
        let first = low / page * page;
        // The `ret` behind a nop may be on the next page.
        let span = (high + NOP_SIZE as u64 + 1).next_multiple_of(page) - first;
        let span = usize::try_from(span).map_err(|_| Error::from_raw_os_error(libc::EFBIG))?;
        if high + NOP_SIZE as u64 + 1 > file.metadata()?.len() {
            return Err(Error::from_raw_os_error(libc::EINVAL));
        }
        let length = REACH + span + REACH;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: the kernel chooses a range that nothing uses.
        let reserved = unsafe { libc::mmap(std::ptr::null_mut(), length, libc::PROT_NONE, flags, -1, 0) };
        let reserved = mapped(reserved)?;
        // SAFETY: the offset is within the reservation.
        let code = unsafe { reserved.add(REACH) };
        let decoy = Decoy { reserved, length, code, first };
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_FIXED);
        let address = code.as_ptr().cast();
        // SAFETY: what is replaced is a part of our own reservation, of which nobody else knows.
        mapped(unsafe {
            libc::mmap(address, span, protection, flags, file.as_raw_fd(), first as libc::off_t)
        })?;
        for offset in offsets {
            // SAFETY: the byte is within the pages just mapped, writable, private, and backed by the file.
            unsafe { decoy.site(*offset).add(NOP_SIZE).write_volatile(RETURN) };
        }
        // SAFETY: as above; nothing refers to these pages.
        if unsafe { libc::mprotect(address, span, libc::PROT_READ | libc::PROT_EXEC) } != 0 {
            return Err(Error::last_os_error());
        }
        Ok(decoy)
    }

    /// The address of a site that was given to [`Decoy::map`].
    fn site(&self, offset: u64) -> NonNull<u8> {
        // SAFETY: such offsets are `first` or more, and within the mapped span.
        unsafe { self.code.add((offset - self.first) as usize) }
    }

    /// Executes the site at `offset`, which must be a breakpoint now and was `nop` before; whether it still
    /// is a breakpoint.
    ///
    /// `EINVAL` if the code is not as expected; then nothing is executed.
    pub(crate) fn hit(&self, offset: u64, nop: [u8; NOP_SIZE]) -> Result<bool> {
        let site = self.site(offset);
        let byte = |at: usize| {
            // SAFETY: the bytes of the site and the one behind it are mapped and readable.
            unsafe { site.add(at).read_volatile() }
        };
        let as_expected =
            byte(0) == BREAKPOINT && (1..NOP_SIZE).all(|at| byte(at) == nop[at]) && byte(NOP_SIZE) == RETURN;
        if !as_expected {
            return Err(Error::from_raw_os_error(libc::EINVAL));
        }
        // SAFETY: at the address stand a breakpoint that the kernel put over a nop, which it will skip, and
        // `ret`: a function that does nothing. The pages are private to us, executable, and nobody else
        // changes them.
        let function = unsafe { std::mem::transmute::<*mut u8, extern "C" fn()>(site.as_ptr()) };
        function();
        Ok(byte(0) == BREAKPOINT)
    }
}

impl Drop for Decoy {
    fn drop(&mut self) {
        // SAFETY: `map` reserved exactly this range, and nothing refers to it any more.
        unsafe { libc::munmap(self.reserved.as_ptr().cast(), self.length) };
    }
}

fn mapped(address: *mut libc::c_void) -> Result<NonNull<u8>> {
    if address == libc::MAP_FAILED {
        return Err(Error::last_os_error());
    }
    NonNull::new(address.cast()).ok_or_else(|| Error::from_raw_os_error(libc::ENOMEM))
}
