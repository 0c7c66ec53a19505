//! What the test matrix builds and traces.
//!
//! `matrix check` exits 0 if somebody listens to all probes.
//! `matrix fire` fires each site once.
//! `matrix wait` waits for a line, and fires if somebody listens to all probes.

#![forbid(unsafe_code)]

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("check") => std::process::exit(if matrix_library::all_enabled() { 0 } else { 1 }),
        Some("fire") => matrix_library::fire(),
        Some("wait") => {
            let mut line = String::new();
            let _ = std::io::stdin().read_line(&mut line);
            if !matrix_library::all_enabled() {
                std::process::exit(1);
            }
            matrix_library::fire();
        }
        _ => std::process::exit(2),
    }
}
