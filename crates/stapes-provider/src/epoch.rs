//! Waiting until no thread is inside a site any more, at no cost worth naming to the threads that fire.
//!
//! # The problem
//! Firing reads the address of a site and calls it.
//! Unloading takes the mapping away that the site is in.
//! A thread may have been interrupted between the two steps.
//!
//! # The method
//! Each thread has a counter of its own: odd depth means "inside".
//! A thread that fires adds one to it, reads the site's address, perhaps calls it, and takes one away: plain stores to
//! its own memory, ordered only against the compiler.
//! Whoever unloads first takes the address away, then asks the kernel to run a memory barrier on every CPU that runs a
//! thread of this process (`membarrier(2)`, `MEMBARRIER_CMD_PRIVATE_EXPEDITED`), then waits until it has seen every
//! thread's counter at zero once.
//! After the barrier a thread either is seen inside, or will see that the address is gone.
//! Where the kernel has no such call, threads that fire make a full barrier themselves.
//!
//! # Corners
//! - A signal handler that fires while its thread is firing: the counter nests.
//! - A fork while another thread fires: the child has the counter of a thread that it does not have.
//!   The registry knows the process it was made for and forgets the others' counters in a child.
//! - A thread that ends: its counter is marked free and given to the next new thread.
//! - Unloading from inside a handler that interrupted firing would wait for itself: the caller's own counter is left
//!   out of the waiting, and the mapping is kept rather than taken away.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, compiler_fence, fence};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::sys;

/// A thread's counter. It lives for ever; threads come and go.
#[derive(Debug)]
struct Reader {
    /// How deep its thread is inside.
    depth: AtomicUsize,
    /// Whether a thread has it.
    taken: AtomicBool,
    /// The process that the thread is of.
    process: AtomicU32,
}

/// Every counter that there ever was.
static READERS: Mutex<Vec<&'static Reader>> = Mutex::new(Vec::new());

thread_local! {
    static READER: Cell<Option<&'static Reader>> = const { Cell::new(None) };
    static GUARD: Release = const { Release };
}

/// Gives the thread's counter back when the thread ends.
struct Release;

impl Drop for Release {
    fn drop(&mut self) {
        if let Ok(Some(reader)) = READER.try_with(Cell::take) {
            reader.taken.store(false, Ordering::Release);
        }
    }
}

/// The time in which a thread is inside.
#[derive(Debug)]
pub struct Inside(&'static Reader);

impl Drop for Inside {
    #[inline(always)]
    fn drop(&mut self) {
        let depth = self.0.depth.load(Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        self.0.depth.store(depth.wrapping_sub(1), Ordering::Release);
    }
}

/// Enters: until the result is dropped, no mapping goes away whose address is read after this call.
///
/// Returns nothing in the last moments of a thread, when its counter is already gone.
#[inline(always)]
pub fn enter() -> Option<Inside> {
    let reader = match READER.try_with(Cell::get) {
        Ok(Some(reader)) => reader,
        _ => register()?,
    };
    let depth = reader.depth.load(Ordering::Relaxed);
    reader.depth.store(depth.wrapping_add(1), Ordering::Relaxed);
    if asymmetric() {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
    Some(Inside(reader))
}

#[cold]
fn register() -> Option<&'static Reader> {
    // Touching the guard arranges for its drop; a thread that is past that gets no counter.
    GUARD.try_with(|_| ()).ok()?;
    let mut readers = READERS.lock().unwrap_or_else(PoisonError::into_inner);
    let free = readers.iter().find(|r| !r.taken.load(Ordering::Acquire));
    let reader = match free {
        Some(reader) => *reader,
        None => {
            let reader: &'static Reader = Box::leak(Box::new(Reader {
                depth: AtomicUsize::new(0),
                taken: AtomicBool::new(false),
                process: AtomicU32::new(0),
            }));
            readers.push(reader);
            reader
        }
    };
    reader.depth.store(0, Ordering::Relaxed);
    reader.process.store(std::process::id(), Ordering::Relaxed);
    reader.taken.store(true, Ordering::Release);
    READER.try_with(|cell| cell.set(Some(reader))).ok()?;
    Some(reader)
}

/// Whether the kernel makes the barriers, so that threads that fire need none.
#[inline(always)]
fn asymmetric() -> bool {
    static SUPPORTED: OnceLock<bool> = OnceLock::new();
    *SUPPORTED.get_or_init(sys::register_membarrier)
}

/// Waits until every other thread that was inside has been outside.
///
/// Returns false where the calling thread itself is inside, as in a signal handler: then nothing may be taken away.
pub fn wait() -> bool {
    if asymmetric() {
        sys::membarrier();
    } else {
        fence(Ordering::SeqCst);
    }
    let process = std::process::id();
    let own = READER.try_with(Cell::get).ok().flatten();
    if own.is_some_and(|r| r.depth.load(Ordering::Relaxed) != 0) {
        return false;
    }
    let readers: Vec<_> = READERS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for reader in readers {
        let ours = own.is_some_and(|own| std::ptr::eq(own, reader));
        let mut turns = 0u32;
        while !ours
            && reader.taken.load(Ordering::Acquire)
            && reader.process.load(Ordering::Relaxed) == process
            && reader.depth.load(Ordering::Acquire) != 0
        {
            turns += 1;
            if turns < 100 {
                std::hint::spin_loop();
            } else {
                // Inside means inside a tracer's handler at the worst, which takes microseconds.
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn waiting_ends_only_after_the_thread_inside_has_left() {
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
        let inside = enter();
        assert!(!wait());
        drop(inside);
        assert!(wait());
    }

    #[test]
    fn counters_of_ended_threads_are_used_again() {
        let count = || READERS.lock().unwrap().len();
        for _ in 0..50 {
            std::thread::spawn(|| drop(enter())).join().unwrap();
        }
        // Other tests of this binary run at the same time and have threads of their own.
        assert!(count() < 40, "{} counters", count());
    }
}
