//! The consumer's side of the ring buffer of events.
//!
//! # Method
//! The ring is the kernel's `BPF_MAP_TYPE_RINGBUF` (Documentation/bpf/ringbuf.rst). Two positions only ever
//! grow: producers reserve up to one, we have read up to the other; both count bytes, and a place in the
//! ring is a position modulo its size. A record is an 8-byte header and its data, padded to 8. The header's
//! first word is the length with two flags: *busy* until the program has submitted it, *discard* if it
//! withdrew it. The data pages are mapped twice in a row, so a record that wraps around the end is one
//! slice nevertheless.
//!
//! Order: a producer writes data, then clears *busy* with release order; we read the header with acquire
//! order, then the data; we hand out the slice, and only after that store our position with release order,
//! which gives the room back. A busy record holds up all that come after it: records are delivered in the
//! order of their reservations.
//!
//! # Wake-ups
//! A producer wakes us only if, when it submits a record, we have already read everything before it. A
//! consumer that reads each record as it comes therefore costs each probe a wake-up, which is several times
//! what the record itself costs, and it is the target that pays. So whoever reads should, after
//! [`Ring::consume`] gave something, rest for [`REST`] before it reads again, and wait for the descriptor
//! only once a rest brought nothing: the first record after silence arrives at once, a stream arrives in
//! batches, and nobody is woken while it flows. The position is stored once per [`BATCH`] bytes rather than
//! per record, as producers read that cache line too. That cannot lose a wake-up: polling the descriptor
//! compares the positions before it sleeps.

use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::sys::memory::RingPages;

/// How long a consumer rests between batches; see the module's text.
pub const REST: Duration = Duration::from_millis(2);

/// Bytes after which the room is given back while a batch is read.
const BATCH: u64 = 64 << 10;

/// `BPF_RINGBUF_BUSY_BIT`.
const BUSY: u32 = 1 << 31;
/// `BPF_RINGBUF_DISCARD_BIT`.
const DISCARD: u32 = 1 << 30;
/// `BPF_RINGBUF_HDR_SZ`.
const HEADER: u64 = 8;

/// A mapped ring buffer.
#[derive(Debug)]
pub(crate) struct Ring {
    pages: RingPages,
}

impl Ring {
    /// Maps the ring buffer `fd` of `size` bytes.
    pub(crate) fn map(fd: BorrowedFd<'_>, size: u32) -> std::io::Result<Ring> {
        RingPages::map(fd, size as usize).map(|pages| Ring { pages })
    }

    /// Hands each finished record to `f`, in order; gives how many there were.
    ///
    /// Reads at most what one ring holds, so that it ends however fast records come.
    pub(crate) fn consume(&mut self, f: &mut dyn FnMut(&[u8])) -> usize {
        let mut position = self.pages.consumer().load(Ordering::Relaxed);
        let mut given_back = position;
        let end = position.saturating_add(self.pages.size() as u64);
        let mut produced = self.pages.produced();
        let mut records = 0;
        while position < end {
            if position >= produced {
                produced = self.pages.produced();
                if position >= produced {
                    break;
                }
            }
            let header = self.pages.header(position);
            if header & BUSY != 0 {
                break;
            }
            let length = header & !DISCARD;
            if header & DISCARD == 0 {
                f(self.pages.bytes(position + HEADER, length as usize));
                records += 1;
            }
            position += (HEADER + u64::from(length)).next_multiple_of(8);
            if position - given_back >= BATCH {
                self.pages.consumer().store(position, Ordering::Release);
                given_back = position;
            }
        }
        if position != given_back {
            self.pages.consumer().store(position, Ordering::Release);
        }
        records
    }
}
