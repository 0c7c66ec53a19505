//! What fired is what was delivered plus what is reported lost, exactly.

use stapes_kernel::Method;

use super::support::{attach, sender, target};

/// N threads fire M times each into a ring of one page that is read only now and then.
fn fired_is_delivered_plus_lost(test: &str, method: Method) {
    const THREADS: u64 = 4;
    const HITS: u64 = 20_000;
    let Some(binary) = target(test) else { return };
    let mut running = binary.spawn();
    let mut loaded = attach(sender(binary.image(), &binary.probe("hit"), 4096), method);
    let mut delivered = 0;
    std::thread::scope(|scope| {
        let firing = scope.spawn(|| running.tell(&format!("threads {THREADS} {HITS}")));
        while !firing.is_finished() {
            delivered += loaded.consume(&mut |record| assert_eq!(record.len(), 16));
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert_eq!(firing.join().unwrap(), "done");
    });
    delivered += loaded.consume(&mut |_| {});
    let losses = loaded.losses().unwrap();
    assert!(losses.total() > 0, "the ring is too small to hold everything");
    assert_eq!(delivered as u64 + losses.total(), THREADS * HITS, "{losses:?}");
}

#[test]
fn exact_with_uprobe_multi() {
    fired_is_delivered_plus_lost("exact_with_uprobe_multi", Method::UprobeMulti);
}

#[test]
fn exact_with_perf_events() {
    fired_is_delivered_plus_lost("exact_with_perf_events", Method::PerfEvent);
}

#[test]
fn nothing_is_lost_with_room() {
    let Some(binary) = target("nothing_is_lost_with_room") else { return };
    let mut running = binary.spawn();
    let mut loaded = attach(sender(binary.image(), &binary.probe("other"), 1 << 20), Method::Auto);
    running.tell("other 1000");
    // The records arrive in the order in which they were sent, whole, and survive the ring's wrapping.
    let mut next = 0u64;
    for round in 0..100 {
        let read = loaded.consume(&mut |record| {
            assert_eq!(record[8..16], (next % 1000).to_ne_bytes());
            next += 1;
        });
        assert_eq!(read, 1000, "round {round}");
        running.tell("other 1000");
    }
    assert_eq!(loaded.losses().unwrap().total(), 0);
}
