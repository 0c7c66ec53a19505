//! What the test matrix builds and traces.
//!
//! `matrix check` exits 0 if somebody listens to all probes.
//! `matrix fire` fires each site once.
//! `matrix wait` fires once all probes are listened to, or gives up after a minute.

#![forbid(unsafe_code)]

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("check") => std::process::exit(if matrix_library::all_enabled() { 0 } else { 1 }),
        Some("fire") => matrix_library::fire(),
        Some("wait") => {
            let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
            while !matrix_library::all_enabled() {
                if std::time::Instant::now() > end {
                    std::process::exit(1);
                }
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            matrix_library::fire();
        }
        _ => std::process::exit(2),
    }
}
