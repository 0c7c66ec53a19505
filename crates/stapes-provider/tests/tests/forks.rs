//! Children after a fork: they fire, load and unload, and the parent notices nothing.

use std::sync::atomic::{AtomicBool, Ordering};

use stapes_provider::Provider;

use crate::storm::raise;
use crate::subject::{Subject, say};

const CHILDREN: u32 = if cfg!(target_arch = "x86_64") { 300 } else { 20 };

/// Runs `act` in a child, and waits for it: whether it ended well and in time.
fn in_child(act: impl FnOnce()) -> bool {
    // SAFETY: the child runs `act` and ends without returning. What `act` uses are allocation, which the C library
    // keeps usable across forks, and this crate, which is what is tested.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: takes no pointers. A child that hangs is ended by the signal.
            unsafe { libc::alarm(20) };
            act();
            // SAFETY: ends the process without running anything.
            unsafe { libc::_exit(0) }
        }
        child => {
            assert!(child > 0, "fork failed");
            let mut status = 0;
            // SAFETY: the status is a place of ours, and the child is ours.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            status == 0
        }
    }
}

pub(crate) fn fork_and_unload() {
    let folder = tempfile::tempdir().unwrap();
    let in_file = Provider::builder("forked_file").file(folder.path()).build().unwrap();
    in_file.probe::<()>("probe").unwrap();
    in_file.load().unwrap();
    let path = in_file.paths()[0].clone().unwrap();

    let provider = Provider::builder("forked").build().unwrap();
    let probe = provider.probe::<(u32,)>("probe").unwrap();
    provider.load().unwrap();
    raise("forked");
    probe.fire((1,));
    let fine = in_child(|| {
        assert!(probe.enabled());
        probe.fire((2,));
        std::thread::spawn({
            let probe = probe.clone();
            move || probe.fire((3,))
        })
        .join()
        .unwrap();
        provider.unload();
        assert!(!probe.enabled());
        in_file.unload();
        provider.load().unwrap();
        raise("forked");
        probe.fire((4,));
    });
    assert!(fine, "the child failed");
    assert!(probe.enabled(), "the child's unloading reached the parent");
    probe.fire((5,));
    assert!(path.exists(), "the child deleted the parent's file");
    let fine = in_child(|| {
        // A normal exit runs what is registered for exits.
        // SAFETY: nothing else of this child needs to be kept.
        unsafe { libc::exit(0) }
    });
    assert!(fine && path.exists(), "the child's exit deleted the parent's file");
    in_file.unload();
    assert!(!path.exists(), "unloading did not delete the file");
    say("done");
}

pub(crate) fn fork_while_others_change() {
    let stop = AtomicBool::new(false);
    let provider = Provider::builder("shared").build().unwrap();
    let probe = provider.probe::<(u32,)>("probe").unwrap();
    std::thread::scope(|scope| {
        // Its lock is held nearly all the time.
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    provider.load().unwrap();
                    probe.fire((1,));
                    provider.unload();
                }
            });
        }
        let fine = (0..CHILDREN).all(|_| {
            in_child(|| {
                provider.load().unwrap();
                raise("shared");
                probe.fire((2,));
                provider.unload();
            })
        });
        stop.store(true, Ordering::Relaxed);
        assert!(fine, "a child found a lock held for ever");
    });
    say("done");
}

#[test]
fn a_child_leaves_its_parent_alone() {
    let mut subject = Subject::start("fork");
    assert_eq!(subject.hear(), "done");
    subject.end();
}

#[test]
fn a_child_may_load_whatever_other_threads_were_doing() {
    let mut subject = Subject::start("fork-while-changing");
    assert_eq!(subject.hear(), "done");
    subject.end();
}
