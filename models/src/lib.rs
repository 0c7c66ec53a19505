//! The marks by which a provider's images outlive the threads inside them, tried in every order.
//!
//! loom runs each model under every interleaving and every reordering that the C11 memory model permits.
//! What is modelled is the very file that the crate compiles, with loom's atomics in place of the real ones.
//! The kernel's barrier (`membarrier(2)`) has no counterpart there: the models run the variant in which both sides make
//! fences, and the barrier is by its contract such a fence in every thread (membarrier(2), "expedited").

#![cfg(test)]

#[allow(dead_code, reason = "the models need a part of it")]
#[path = "../../crates/stapes-provider/src/epoch/reader.rs"]
mod reader;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{self, AtomicBool, Ordering, fence};
use loom::thread;
use reader::Reader;

/// A mapping with a site: whether the site may be called, and whether the mapping is there.
///
/// The cell is what loom watches: to read it is to call the site, to change it is to unmap it, and both at one time
/// or in no order fail the model.
struct Image {
    site: AtomicBool,
    mapped: UnsafeCell<bool>,
}

impl Image {
    fn new() -> Image {
        Image { site: AtomicBool::new(true), mapped: UnsafeCell::new(true) }
    }

    /// As `Inner::fire` does it.
    fn fire(&self, reader: &Reader) {
        let entered = reader.enter(false);
        if self.site.load(Ordering::Acquire) {
            // SAFETY: loom reports if the mapping changes meanwhile.
            self.mapped.with(|mapped| assert!(unsafe { *mapped }, "called what is not mapped"));
        }
        if entered {
            reader.leave();
        }
    }

    /// As `Provider::unload` and `epoch::wait` do it.
    fn unload(&self, readers: &[&Reader]) {
        self.site.store(false, Ordering::Release);
        fence(Ordering::SeqCst);
        for reader in readers {
            while reader.is_inside() {
                thread::yield_now();
            }
        }
        // SAFETY: loom reports if anybody reads it meanwhile.
        self.mapped.with_mut(|mapped| unsafe { *mapped = false });
    }
}

fn new_reader() -> Reader {
    Reader { inside: AtomicBool::new(false) }
}

#[test]
fn nothing_is_unmapped_under_a_thread_that_fires() {
    loom::model(|| {
        let shared = Arc::new((Image::new(), new_reader()));
        let firing = thread::spawn({
            let shared = shared.clone();
            move || {
                shared.0.fire(&shared.1);
                shared.0.fire(&shared.1);
            }
        });
        shared.0.unload(&[&shared.1]);
        firing.join().unwrap();
    });
}

#[test]
fn two_threads_that_fire_are_both_waited_for() {
    loom::model(|| {
        let shared = Arc::new((Image::new(), [new_reader(), new_reader()]));
        let firing = [0, 1].map(|n| {
            let shared = shared.clone();
            thread::spawn(move || shared.0.fire(&shared.1[n]))
        });
        shared.0.unload(&[&shared.1[0], &shared.1[1]]);
        firing.into_iter().for_each(|t| t.join().unwrap());
    });
}

#[test]
fn an_inner_firing_does_not_end_the_outer() {
    loom::model(|| {
        let shared = Arc::new((Image::new(), new_reader()));
        let firing = thread::spawn({
            let shared = shared.clone();
            move || {
                let (image, reader) = &*shared;
                assert!(reader.enter(false));
                // As in a signal handler.
                image.fire(reader);
                if image.site.load(Ordering::Acquire) {
                    // SAFETY: loom reports if the mapping changes meanwhile.
                    image.mapped.with(|mapped| assert!(unsafe { *mapped }));
                }
                reader.leave();
            }
        });
        shared.0.unload(&[&shared.1]);
        firing.join().unwrap();
    });
}

/// The same without the fence of the firing side: the model must notice, or it would prove nothing.
#[test]
#[should_panic(expected = "Causality violation")]
fn without_a_fence_it_goes_wrong() {
    loom::model(|| {
        let shared = Arc::new((Image::new(), new_reader()));
        let firing = thread::spawn({
            let shared = shared.clone();
            move || {
                let (image, reader) = &*shared;
                // With `light` the fence is one for the compiler only.
                assert!(reader.enter(true));
                if image.site.load(Ordering::Acquire) {
                    // SAFETY: loom reports if the mapping changes meanwhile.
                    image.mapped.with(|mapped| assert!(unsafe { *mapped }, "Causality violation, late"));
                }
                reader.leave();
            }
        });
        shared.0.unload(&[&shared.1]);
        firing.join().unwrap();
    });
}
