//! Which thread has which mark.
//!
//! Marks live for ever and threads do not, so that a mark is given to another thread once its own is gone.
//! Whether a thread is gone is asked of the kernel, not learned from a destructor: destructors of threads need memory
//! and locks when they are arranged for, and firing must be possible in a signal handler.
//! For the same reason there is no lock here, and new marks come from mmap(2).
//!
//! An owner is a thread's number with a count of owners beside it, so that a mark that was found to be without
//! a thread is not taken from a new thread that got the same number meanwhile.

use std::mem::size_of;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::{ptr, slice};

use super::reader::Reader;
use crate::sys;

/// A mark and whose it is. On a cache line of its own: its thread writes to it at every event.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Slot {
    pub(super) reader: Reader,
    /// The owner's number, or 0, in the lower half; how many owners there were in the upper.
    owner: AtomicU64,
}

/// Slots made at one time. All bytes zero is a valid one, apart from the slice.
#[repr(C)]
struct Block {
    next: AtomicPtr<Block>,
    slots: &'static [Slot],
}

/// Enough for most programs.
static FIRST_SLOTS: [Slot; 16] =
    [const { Slot { reader: Reader { inside: AtomicBool::new(false) }, owner: AtomicU64::new(0) } }; 16];
static FIRST: Block = Block { next: AtomicPtr::new(ptr::null_mut()), slots: &FIRST_SLOTS };

/// Every slot that there is.
pub(super) fn slots() -> impl Iterator<Item = &'static Slot> {
    blocks().flat_map(|block| block.slots)
}

fn blocks() -> impl Iterator<Item = &'static Block> {
    std::iter::successors(Some(&FIRST), |block| {
        // SAFETY: null, or a block that `grow` has finished before it stored the pointer; blocks are never freed.
        unsafe { block.next.load(Ordering::Acquire).as_ref() }
    })
}

/// Gives the calling thread a slot, or nothing where there is no memory.
#[cold]
pub(super) fn claim() -> Option<&'static Slot> {
    let thread = sys::thread_id();
    loop {
        if let Some(slot) = slots().find(|slot| slot.claim(thread)) {
            // As a thread that was ended inside has left it.
            slot.reader.leave();
            return Some(slot);
        }
        let (mut all, mut freed) = (0usize, 0usize);
        for slot in slots() {
            all += 1;
            freed += usize::from(slot.free_if_gone());
        }
        // Growing by as much as there is, unless half came free, makes asking for threads cheap in the long run.
        if freed * 2 < all {
            grow(all)?;
        }
    }
}

/// Adds this many slots.
fn grow(count: usize) -> Option<()> {
    let bytes = size_of::<Slot>() * (count + 1);
    let start = sys::zeroed(bytes)?;
    let block = start.cast::<Block>().as_ptr();
    // SAFETY: the memory is fresh, zeroed, page-aligned and ours for ever. Its first 64 bytes take the block (its size
    // is asserted below); `count` slots fit behind them, for which zeros are valid.
    let new = unsafe {
        let slots = slice::from_raw_parts(start.cast::<Slot>().as_ptr().add(1), count);
        block.write(Block { next: AtomicPtr::new(ptr::null_mut()), slots });
        &*block
    };
    let mut last = &FIRST;
    // The first block without a successor gets this one; several threads may be at it.
    while last
        .next
        .compare_exchange(ptr::null_mut(), ptr::from_ref(new).cast_mut(), Ordering::AcqRel, Ordering::Acquire)
        .is_err()
    {
        // SAFETY: as in `blocks`.
        last = unsafe { last.next.load(Ordering::Acquire).as_ref() }?;
    }
    Some(())
}

const _: () = assert!(size_of::<Block>() <= size_of::<Slot>());

/// In a child after a fork: the marks of threads that it does not have are free, its own thread's is its own.
pub(super) fn keep_only(own: Option<&'static Slot>) {
    for slot in slots() {
        let is_own = own.is_some_and(|own| ptr::eq(own, slot));
        let count = slot.owner.load(Ordering::Relaxed) >> 32;
        let thread = if is_own { sys::thread_id() } else { 0 };
        slot.owner.store(count << 32 | u64::from(thread), Ordering::Relaxed);
        if !is_own {
            slot.reader.leave();
        }
    }
}

impl Slot {
    fn claim(&self, thread: u32) -> bool {
        let owner = self.owner.load(Ordering::Relaxed);
        let next = ((owner >> 32).wrapping_add(1) << 32) | u64::from(thread);
        owner as u32 == 0
            && self.owner.compare_exchange(owner, next, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Whether the slot is nobody's, or its thread has ended: what it says no longer counts then.
    pub(super) fn is_abandoned(&self) -> bool {
        let thread = self.owner.load(Ordering::Acquire) as u32;
        thread == 0 || sys::is_gone(thread)
    }

    /// Makes the slot free if its thread has ended, and says whether it did.
    fn free_if_gone(&self) -> bool {
        let owner = self.owner.load(Ordering::Acquire);
        let thread = owner as u32;
        thread != 0
            && sys::is_gone(thread)
            && self
                .owner
                .compare_exchange(owner, owner & !0xffff_ffff, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_ended_threads_are_used_again() {
        for _ in 0..1000 {
            std::thread::spawn(|| assert!(claim().is_some())).join().unwrap();
        }
        // Other tests of this binary run at the same time and have threads of their own, a hundred at once.
        assert!(slots().count() <= 512, "{} marks", slots().count());
    }

    #[test]
    fn no_two_threads_have_one_mark() {
        const THREADS: usize = 100;
        let barrier = std::sync::Barrier::new(THREADS);
        let addresses = std::sync::Mutex::new(std::collections::HashSet::new());
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let slot = claim().unwrap();
                    assert!(addresses.lock().unwrap().insert(ptr::from_ref(slot) as usize));
                    barrier.wait();
                });
            }
        });
    }
}
