//! Waiting until no thread is inside a site any more, at no cost worth naming to the threads that fire.
//!
//! # The problem
//! Firing reads the address of a site and calls it.
//! Unloading takes the mapping away that the site is in.
//! A thread may have been interrupted between the two steps.
//!
//! # The method
//! Each thread has a mark of its own that says "inside".
//! A thread that fires sets it, reads the site's address, perhaps calls it, and takes the mark away: plain stores
//! to its own memory, ordered only against the compiler.
//! Whoever unloads first takes the address away, then asks the kernel to run a memory barrier on every CPU that runs a
//! thread of this process (`membarrier(2)`, `MEMBARRIER_CMD_PRIVATE_EXPEDITED`), then waits until it has seen each
//! thread without the mark once.
//! After the barrier a thread either is seen inside, or will see that the address is gone:
//! ```text
//! firing                          unloading
//! mark = inside                   site = null
//! ── fence ──                     ── fence ──
//! read site: old or null          read mark: inside or not
//! call it if it is not null       inside: look again
//! mark = outside                  unmap
//! ```
//! With a fence in both, one of the two reads sees the other side's store, so that "old" and "not inside, not yet"
//! never meet.
//! The kernel's barrier counts as a fence in both; where the kernel has none, threads that fire make a fence themselves.
//!
//! # Corners
//! - A signal handler that fires while its thread is firing: it finds its thread inside and leaves it so.
//! - A fork: the child starts with its own thread's mark alone ([`after_fork`]).
//! - A thread that has ended, even one that was cancelled inside: the kernel says that it is gone, and its mark
//!   means nothing any more ([`registry`]).
//! - Unloading in a handler that interrupted its own thread's firing would wait for itself, a thread that is
//!   held by a debugger inside keeps others waiting for long, and a sandbox may forbid the barrier at any time.
//!   Then [`wait`] says no, and the mapping is kept rather than taken away.

mod reader;
mod registry;

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{self, AtomicU8, Ordering, fence};
use std::time::{Duration, Instant};

use crate::sys;
use registry::Slot;

thread_local! {
    // Nothing to drop, so that using it allocates nothing.
    static OWN: Cell<Option<&'static Slot>> = const { Cell::new(None) };
}

/// How long an unloading thread waits for one that is inside, which is a tracer's handler long: microseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// The time in which a thread is inside.
#[derive(Debug)]
pub struct Inside {
    /// The thread's mark, if this is what set it.
    entered: Option<&'static Slot>,
    /// The mark is the thread's own: whoever drops this must be that thread.
    not_send: PhantomData<*mut ()>,
}

impl Drop for Inside {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(slot) = self.entered {
            slot.reader.leave();
        }
    }
}

/// Enters: until the result is dropped, no mapping goes away whose address is read after this call.
///
/// Safe in signal handlers. Returns nothing where there is no memory for the thread's mark.
#[inline(always)]
pub fn enter() -> Option<Inside> {
    let slot = match OWN.get() {
        Some(slot) => slot,
        None => claim()?,
    };
    let entered = slot.reader.enter(kernel_makes_fences());
    Some(Inside { entered: entered.then_some(slot), not_send: PhantomData })
}

#[cold]
fn claim() -> Option<&'static Slot> {
    let slot = registry::claim()?;
    OWN.set(Some(slot));
    Some(slot)
}

/// Waits until every other thread that was inside has been outside.
///
/// Returns false where that cannot be had: then nothing may be taken away that a thread may be inside of.
#[must_use]
pub fn wait() -> bool {
    if !barrier() {
        return false;
    }
    let own = OWN.get();
    if own.is_some_and(|slot| slot.reader.is_inside()) {
        return false;
    }
    let mut patience = Patience::default();
    registry::slots().filter(|slot| !own.is_some_and(|own| ptr::eq(own, *slot))).all(|slot| {
        while slot.reader.is_inside() && !slot.is_abandoned() {
            if !patience.pause() {
                return false;
            }
        }
        true
    })
}

/// In a child after a fork, before anything else of this crate.
pub(crate) fn after_fork() {
    registry::keep_only(OWN.get());
}

/// Waiting that gives the CPU away more and more readily, and ends.
#[derive(Default)]
struct Patience {
    turns: u32,
    until: Option<Instant>,
}

impl Patience {
    /// Waits a little; false when enough is enough.
    fn pause(&mut self) -> bool {
        self.turns += 1;
        if self.turns < 100 {
            std::hint::spin_loop();
            return true;
        }
        let now = Instant::now();
        let until = *self.until.get_or_insert(now + PATIENCE);
        std::thread::sleep(Duration::from_micros(50));
        now < until
    }
}

const UNKNOWN: u8 = 0;
const KERNEL: u8 = 1;
const EVERYBODY: u8 = 2;

/// Who makes the fences: the same answer for the whole life of the process.
static FENCES: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Whether the kernel makes the fences, so that threads that fire need none.
#[inline(always)]
fn kernel_makes_fences() -> bool {
    match FENCES.load(Ordering::Relaxed) {
        UNKNOWN => decide(),
        who => who == KERNEL,
    }
}

#[cold]
fn decide() -> bool {
    let who = if sys::register_membarrier() { KERNEL } else { EVERYBODY };
    match FENCES.compare_exchange(UNKNOWN, who, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => who == KERNEL,
        Err(decided) => decided == KERNEL,
    }
}

/// A fence of the unloading side; false if there could be none.
fn barrier() -> bool {
    fence(Ordering::SeqCst);
    // A process that came out of a bare clone(2) may have to register anew.
    !kernel_makes_fences() || sys::membarrier() || (sys::register_membarrier() && sys::membarrier())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// One of these tests has others wait for long.
    static ALONE: Mutex<()> = Mutex::new(());

    #[test]
    fn waiting_ends_only_after_the_thread_inside_has_left() {
        let _alone = ALONE.lock();
        let (entered, is_in) = mpsc::channel();
        let (leave, may_leave) = mpsc::channel::<()>();
        let left = Arc::new(AtomicBool::new(false));
        let has_left = left.clone();
        let thread = std::thread::spawn(move || {
            let inside = enter().unwrap();
            entered.send(()).unwrap();
            may_leave.recv().unwrap();
            has_left.store(true, Ordering::SeqCst);
            drop(inside);
        });
        is_in.recv().unwrap();
        let waiting = std::thread::spawn({
            let left = left.clone();
            move || {
                assert!(wait());
                left.load(Ordering::SeqCst)
            }
        });
        leave.send(()).unwrap();
        assert!(waiting.join().unwrap(), "wait() came back while a thread was inside");
        thread.join().unwrap();
    }

    #[test]
    fn a_thread_that_is_inside_itself_is_told_so() {
        let _alone = ALONE.lock();
        let outer = enter();
        let nested = enter();
        assert!(!wait());
        drop(nested);
        assert!(!wait(), "leaving the inner left the outer");
        drop(outer);
        assert!(wait());
    }

    #[test]
    fn nobody_waits_for_a_thread_that_ended_inside() {
        let _alone = ALONE.lock();
        std::thread::spawn(|| std::mem::forget(enter())).join().unwrap();
        assert!(wait());
    }

    #[test]
    fn a_thread_that_stays_inside_is_waited_for_with_an_end() {
        let _alone = ALONE.lock();
        let (entered, is_in) = mpsc::channel();
        let (leave, may_leave) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let _inside = enter().unwrap();
            entered.send(()).unwrap();
            // Gone when the sender is.
            let _ = may_leave.recv();
        });
        is_in.recv().unwrap();
        assert!(!wait());
        drop(leave);
        thread.join().unwrap();
    }
}
