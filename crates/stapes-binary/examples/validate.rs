//! Prints what is wrong with the probes of the files named on the command line.

use std::fs::File;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        for finding in stapes_binary::validate(&File::open(&path)?)?.unwrap_or_default() {
            println!("{path}: {finding}");
        }
    }
    Ok(())
}
