//! Counts down and says so through a probe that did not exist when the program was compiled.
//!
//! usage: first_probe [COUNT [MILLISECONDS]]

use std::time::Duration;

use stapes_provider::{Error, Provider};

fn main() -> Result<(), Error> {
    let mut numbers = std::env::args().skip(1).filter_map(|a| a.parse::<u64>().ok());
    let (count, pause) = (numbers.next().unwrap_or(60), numbers.next().unwrap_or(1000));

    let provider = Provider::builder("testProvider").build()?;
    let probe = provider.probe::<(u64, &str)>("firstProbe")?;
    provider.load()?;
    for left in (0..count).rev() {
        probe.fire((left, "My little probe"));
        if probe.enabled() {
            println!("Probe fired!");
        }
        std::thread::sleep(Duration::from_millis(pause));
    }
    Ok(())
}
