//! Doing things that wait for the kernel at the same time.
//!
//! Creating and closing an uprobe waits for the kernel's RCU grace periods (some 14 ms), and grace periods
//! are shared: as many threads as there are things wait no longer than one does.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

/// More threads than this bring nothing.
const MAX_THREADS: usize = 64;

/// `f` of each item, in the items' order.
pub(crate) fn map<T: Send, R: Send>(items: Vec<T>, f: impl Fn(T) -> R + Sync) -> Vec<R> {
    if items.len() < 2 {
        return items.into_iter().map(f).collect();
    }
    let threads = items.len().min(MAX_THREADS);
    let count = items.len();
    let queue = Mutex::new(items.into_iter().enumerate());
    let results = Mutex::new(Vec::with_capacity(count));
    let work = || {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((at, item)) = next else { break };
            let result = f(item);
            results.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // Without further threads this one does it all.
            if thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn keeps_the_order() {
        let doubled = super::map((0..1000).collect(), |n: i32| n * 2);
        assert_eq!(doubled, (0..1000).map(|n| n * 2).collect::<Vec<_>>());
    }
}
