//! One thread's mark: entering, leaving, and looking at it from another thread.
//!
//! The atomics come from the module above, so that the models below `models/` check this very file with a memory model
//! in which every permitted reordering is tried.

use super::atomic::{AtomicBool, Ordering, fence};

/// Whether a thread is inside.
///
/// No counter: adding to what was stored a moment ago would make each event wait for the one before.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) inside: AtomicBool,
}

impl Reader {
    /// Enters, if the thread is not inside already, and says whether it did.
    ///
    /// What the thread reads after this is either as it was before [`Reader::is_inside`] was asked behind the other
    /// side's fence, or that call sees the thread inside. With `light` the fence is only one for the compiler, and
    /// the other side's must be the kernel's.
    #[inline(always)]
    pub(super) fn enter(&self, light: bool) -> bool {
        if self.inside.load(Ordering::Relaxed) {
            return false;
        }
        self.inside.store(true, Ordering::Relaxed);
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
        // What was done inside is done before whoever sees this goes on.
        self.inside.store(false, Ordering::Release);
    }

    /// Whether the thread is inside.
    pub(super) fn is_inside(&self) -> bool {
        self.inside.load(Ordering::Acquire)
    }
}
