//! A lock that forks do not break.
//!
//! A child after fork(2) has one thread, and a copy of every lock as it was: one that another thread held is held
//! for ever.
//! So whoever changes a provider counts as *changing*, and a fork waits until nobody is
//! (`pthread_atfork(3)` calls us before and after).
//! Firing is no change: it takes no lock at all.
//!
//! Waiting ends after a while, for a thread may fork while it is itself changing something (in a signal handler), or
//! while a changing thread waits for a lock of the dynamic linker that the forking one holds.
//! The child may then find its locks held, as it would have without any of this.
//! Forks that bypass the C library (a bare clone(2)) are not seen; such children may fire but not load or unload.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{epoch, sys};

/// A mutex whose holders keep forks waiting.
#[derive(Debug, Default)]
pub struct Lock<T>(Mutex<T>);

/// The lock, held.
#[derive(Debug)]
pub struct Guard<'a, T> {
    value: MutexGuard<'a, T>,
    // Dropped last: the mutex is free when forks may go on.
    _change: Change,
}

impl<T> Lock<T> {
    /// Takes the lock.
    pub fn lock(&self) -> Guard<'_, T> {
        let change = Change::begin();
        // What a thread that panicked left is whole: no change here can panic half-way but for lack of memory.
        Guard { value: self.0.lock().unwrap_or_else(PoisonError::into_inner), _change: change }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// How many threads are changing something, and, in steps of [`FORK`], how many are forking.
static STATE: AtomicU32 = AtomicU32::new(0);
const FORK: u32 = 1 << 20;

/// How long a fork waits for changes, which take far less.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_micros(20);

#[derive(Debug)]
struct Change;

impl Change {
    fn begin() -> Change {
        static REGISTERED: AtomicBool = AtomicBool::new(false);
        if !REGISTERED.swap(true, Ordering::Relaxed) {
            sys::at_fork(before, in_parent, in_child);
        }
        loop {
            let state = STATE.load(Ordering::Relaxed);
            if state >= FORK {
                // Forks that wait go first, or they would wait for ever.
                std::thread::sleep(PAUSE);
            } else if STATE
                .compare_exchange_weak(state, state + 1, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
            {
                return Change;
            }
        }
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        STATE.fetch_sub(1, Ordering::Release);
    }
}

extern "C" fn before() {
    STATE.fetch_add(FORK, Ordering::Relaxed);
    let until = Instant::now() + PATIENCE;
    while !STATE.load(Ordering::Acquire).is_multiple_of(FORK) && Instant::now() < until {
        std::thread::sleep(PAUSE);
    }
}

extern "C" fn in_parent() {
    STATE.fetch_sub(FORK, Ordering::Release);
}

extern "C" fn in_child() {
    epoch::after_fork();
    // Others that were forking at the same time are not in this process.
    STATE.fetch_and(FORK - 1, Ordering::Release);
}
