//! A line on the terminal while a long search goes on.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The line, once a search has turned out to be long. Nothing is shown, and nothing set up, before.
pub(crate) struct Bar {
    watched: bool,
    bar: OnceLock<ProgressBar>,
}

impl Bar {
    pub(crate) fn new() -> Bar {
        Bar { watched: std::io::stderr().is_terminal(), bar: OnceLock::new() }
    }

    /// How many files have been looked at so far.
    pub(crate) fn files(&self, files: u64) {
        if self.watched {
            self.bar.get_or_init(spinner).set_position(files);
        }
    }

    /// Takes the line away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} files looked at") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
