//! Lists the probes of the files and folders named on the command line.

use std::fs::File;
use std::path::Path;

fn main() {
    for path in std::env::args().skip(1) {
        list(Path::new(&path));
    }
}

fn list(path: &Path) {
    let Ok(kind) = path.symlink_metadata() else { return };
    if kind.is_dir() {
        for entry in path.read_dir().into_iter().flatten().flatten() {
            list(&entry.path());
        }
    } else if kind.is_file() {
        let Ok(file) = File::open(path) else { return };
        match stapes_binary::notes::read(&file) {
            Ok(Some(notes)) => {
                for probe in &notes.probes {
                    println!("usdt:{}:{}", path.display(), probe.full_name());
                }
            }
            Ok(None) => {}
            Err(e) => eprintln!("{}: {e}", path.display()),
        }
    }
}
