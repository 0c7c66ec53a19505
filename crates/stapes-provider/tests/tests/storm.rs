//! Threads that fire while others load and unload.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use stapes_provider::Provider;

use crate::subject::{Subject, say};

/// Loading and unloading so often.
const ROUNDS: u32 = if cfg!(target_arch = "x86_64") { 20_000 } else { 500 };

/// Makes it look as if a tracer were attached, as tracers do: by changing the semaphores in memory.
///
/// Only the thread that loads and unloads may call this.
pub(crate) fn raise(provider: &str) {
    let images = crate::semaphores::semaphores(std::process::id(), provider);
    assert!(!images.is_empty(), "{provider} is not loaded");
    for start in images {
        // SAFETY: the start of a writable part, which has a semaphore of two bytes for at least one probe; it is
        // mapped, since only the caller unloads.
        let semaphore = unsafe {
            std::sync::atomic::AtomicU16::from_ptr(std::ptr::with_exposed_provenance_mut(start as usize))
        };
        semaphore.store(1, Ordering::Relaxed);
    }
}

/// Open descriptors, mappings and resident kilobytes.
fn resources() -> [usize; 3] {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    [
        fs::read_dir("/proc/self/fd").unwrap().count(),
        fs::read_to_string("/proc/self/maps").unwrap().lines().count(),
        resident.trim().trim_end_matches(" kB").parse().unwrap(),
    ]
}

pub(crate) fn load_and_unload_while_firing() {
    let provider = Provider::builder("storm").build().unwrap();
    let numbers = provider.probe::<(u64, u8)>("numbers").unwrap();
    let texts = provider.probe::<(&str, u64)>("texts").unwrap();
    let (stop, fired) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    numbers.fire_with(|| (fired.fetch_add(1, Ordering::Relaxed), 1));
                    texts.fire(("text", 2));
                }
            });
        }
        let mut before = resources();
        for round in 0..ROUNDS {
            provider.load().unwrap();
            if round % 8 == 0 {
                raise("storm");
            }
            provider.unload();
            // What is needed once and for all is there after some rounds.
            if round == ROUNDS / 10 {
                before = resources();
            }
        }
        let after = resources();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(before[0], after[0], "descriptors");
        // An allocator may take a mapping more for a thread's memory.
        assert!(after[1] <= before[1] + 3, "{} mappings became {}", before[1], after[1]);
        assert!(after[2] <= before[2] + 1024, "{} kB became {} kB", before[2], after[2]);
    });
    say(&format!("fired {}", fired.into_inner() > 0));
}

/// Threads that begin, fire and end, while the provider goes and comes.
pub(crate) fn fire_from_short_threads() {
    let provider = Provider::builder("short").build().unwrap();
    let probe = provider.probe::<(u32,)>("probe").unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..ROUNDS / 20 {
                provider.load().unwrap();
                raise("short");
                std::thread::yield_now();
                provider.unload();
            }
            stop.store(true, Ordering::Relaxed);
        });
        while !stop.load(Ordering::Relaxed) {
            std::thread::scope(|inner| {
                for _ in 0..20 {
                    inner.spawn(|| (0..50).for_each(|n| probe.fire((n,))));
                }
            });
        }
    });
    say("done");
}

#[test]
fn loading_and_unloading_under_fire_leaves_nothing_behind() {
    let mut subject = Subject::start("storm");
    assert_eq!(subject.hear(), "fired true");
    subject.end();
}

#[test]
fn threads_may_come_and_go_meanwhile() {
    let mut subject = Subject::start("storm-many-threads");
    assert_eq!(subject.hear(), "done");
    subject.end();
}
