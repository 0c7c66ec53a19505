//! What the demo traces: a make-believe server that answers requests and says so through two static probes.
//!
//! | probe | arguments |
//! |---|---|
//! | `demo:request_start` | id, path (address and length) |
//! | `demo:request_end` | id, path (address and length), status, nanoseconds |

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Path, how often of 100, usual microseconds, errors of 1000, status of an error.
const PAGES: [(&str, u64, u64, u64, u32); 6] = [
    ("/", 34, 300, 2, 500),
    ("/search", 22, 2500, 8, 503),
    ("/static/app.js", 18, 60, 0, 500),
    ("/login", 12, 1200, 120, 401),
    ("/api/items", 10, 900, 60, 404),
    ("/report", 4, 12000, 30, 500),
];

/// Answers requests until standard input is closed, which the demo does when it is over, and the kernel when it dies.
pub(super) fn serve() {
    let over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&over);
    thread::spawn(move || {
        // Whatever the end looks like, it is the end.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        seen.store(true, Ordering::Relaxed);
    });
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut id = 0;
    while !over.load(Ordering::Relaxed) {
        id += 1;
        answer(id, &mut random);
        thread::sleep(Duration::from_micros(random.below(1500)));
    }
}

fn answer(id: u64, random: &mut Random) {
    let mut ticket = random.below(100);
    let mut page = PAGES[0];
    for candidate in PAGES {
        page = candidate;
        if ticket < candidate.1 {
            break;
        }
        ticket -= candidate.1;
    }
    let (path, _, usual, errors, error) = page;
    stapes::probe!(demo, request_start, id, path);
    let start = Instant::now();
    let status = if random.below(1000) < errors { error } else { 200 };
    // Most requests take about the usual time, few take many times as long.
    let factor = if random.below(100) < 3 { 400 + random.below(1600) } else { 50 + random.below(100) };
    thread::sleep(Duration::from_micros(usual * factor / 100));
    let nanoseconds = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    stapes::probe!(demo, request_end, id, path, status, nanoseconds);
}

/// Marsaglia's xorshift: the same requests each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
