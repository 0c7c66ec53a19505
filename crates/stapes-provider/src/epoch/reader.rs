//! One thread's counter: entering, leaving, and looking at it from another thread.
//!
//! The atomics come from the module above, so that the models below `models/` check this very file with a memory model
//! in which every permitted reordering is tried.

use super::atomic::{AtomicUsize, Ordering, fence};

/// A thread's counter: odd while it is inside, and another number each time.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) turn: AtomicUsize,
}

impl Reader {
    /// Enters, if the thread is not inside already, and says whether it did.
    ///
    /// What the thread reads after this is either as it was before [`Reader::inside`] was asked behind the other
    /// side's fence, or that call sees the thread inside. With `light` the fence is only one for the compiler, and
    /// the other side's must be the kernel's.
    #[inline(always)]
    pub(super) fn enter(&self, light: bool) -> bool {
        let turn = self.turn.load(Ordering::Relaxed);
        if turn % 2 == 1 {
            return false;
        }
        // Whoever sees this turn but not the end of the one before must also see what was done in that.
        self.turn.store(turn.wrapping_add(1), Ordering::Release);
        if light {
            std::sync::atomic::compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
        true
    }

    /// Leaves; only for who has entered.
    #[inline(always)]
    pub(super) fn leave(&self) {
        let turn = self.turn.load(Ordering::Relaxed);
        // What was done inside is done before whoever sees this goes on.
        self.turn.store(turn.wrapping_add(1), Ordering::Release);
    }

    /// The turn in which the thread is inside, if it is.
    pub(super) fn inside(&self) -> Option<usize> {
        let turn = self.turn.load(Ordering::Acquire);
        (turn % 2 == 1).then_some(turn)
    }

    /// Whether the thread has been outside since it was [`Reader::inside`] in this turn.
    pub(super) fn has_left(&self, turn: usize) -> bool {
        self.turn.load(Ordering::Acquire) != turn
    }

    /// Makes it that of a thread that is outside. Nobody may be using it.
    pub(super) fn reset(&self) {
        let turn = self.turn.load(Ordering::Relaxed);
        if turn % 2 == 1 {
            self.turn.store(turn.wrapping_add(1), Ordering::Release);
        }
    }
}
