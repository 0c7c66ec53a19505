//! `cargo xtask bench`: the figures that the project promises, each beside its peer in the same run.
//!
//! A machine's speed drifts, so what counts is a ratio: ours and the peer's runs take turns, and medians are compared.
//! Nothing here fails because something is slow; the table says what was measured and what was promised.

mod attach;
mod event;
mod list;
mod printf;
mod provider;
mod target;
mod tracer;

use std::path::PathBuf;

use crate::command::{is_root, root};
use crate::dist;
use crate::skips::Skips;
use tracer::Tracer;

/// Arguments of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// Only benches whose names contain this: attach, event, printf, list, provider
    filter: Option<String>,
    /// A further bpftrace to compare with, beside the one in $PATH
    #[arg(long, value_name = "FILE")]
    bpftrace: Vec<PathBuf>,
    /// Runs of each; the median counts
    #[arg(long, default_value_t = 7)]
    runs: u32,
    /// Also run peers that need minutes (bpftrace 0.17 on the sites of libjvm.so)
    #[arg(long)]
    patient: bool,
}

/// What the benches need to know.
struct Setting {
    /// The command that is measured.
    ours: PathBuf,
    /// The peers of the bpftrace kind that are there.
    peers: Vec<Tracer>,
    runs: u32,
    /// Events per run of the per-event benches.
    events: u64,
    patient: bool,
}

impl Setting {
    fn tracers(&self) -> impl Iterator<Item = Tracer> {
        std::iter::once(Tracer::stapes(&self.ours)).chain(self.peers.iter().cloned())
    }
}

/// One line of the table.
struct Row {
    what: String,
    who: String,
    figure: String,
    /// Ours divided by the peer's, where this is a peer's line and smaller is better.
    ratio: Option<f64>,
}

type Bench = fn(&Setting, &mut Vec<Row>) -> anyhow::Result<()>;

/// Name, whether it needs root, and what runs.
const BENCHES: &[(&str, bool, Bench)] = &[
    ("list", false, list::run),
    ("attach", true, attach::run),
    ("event", true, event::run),
    ("printf", true, printf::run),
    ("provider", false, provider::run),
];

/// `cargo xtask bench`.
pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let ours = dist::static_command("x86_64-unknown-linux-musl")?;
    let mut peers: Vec<_> = tracer::installed_bpftrace().into_iter().collect();
    peers.extend(args.bpftrace.iter().filter_map(|path| tracer::bpftrace(path)));
    let setting = Setting { ours, peers, runs: args.runs, events: 1_000_000, patient: args.patient };
    for peer in &setting.peers {
        println!("peer: {} ({})", peer.name, peer.program.display());
    }
    let mut rows = Vec::new();
    for (name, needs_root, bench) in BENCHES {
        if args.filter.as_deref().is_some_and(|f| !name.contains(f)) {
            continue;
        }
        if *needs_root && !is_root() {
            println!("skip {name}: needs root");
            continue;
        }
        println!("── {name}");
        bench(&setting, &mut rows)?;
    }
    print(&rows);
    Ok(())
}

/// Every bench once with little work, so that none rots.
pub(crate) fn small(skips: &mut Skips) -> anyhow::Result<()> {
    let ours = root().join("target/x86_64-unknown-linux-musl/release/stapes");
    let setting = Setting {
        ours,
        peers: tracer::installed_bpftrace().into_iter().collect(),
        runs: 1,
        events: 20_000,
        patient: false,
    };
    let mut rows = Vec::new();
    for (name, needs_root, bench) in BENCHES {
        if *needs_root && !is_root() {
            skips.add(&format!("bench {name}"), "needs root");
            continue;
        }
        bench(&setting, &mut rows)?;
    }
    print(&rows);
    Ok(())
}

fn print(rows: &[Row]) {
    println!("\n| what | who | measured | ours ÷ theirs |\n|---|---|---|---|");
    for row in rows {
        let ratio = row.ratio.map_or(String::new(), |r| format!("{r:.2}"));
        println!("| {} | {} | {} | {ratio} |", row.what, row.who, row.figure);
    }
}

/// The middle value.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

/// Adds a line for each of the tracers: ours first, peers with the ratio of the medians.
fn compare(rows: &mut Vec<Row>, what: &str, measured: Vec<(String, Vec<f64>)>, show: impl Fn(f64) -> String) {
    let mut ours = None;
    for (who, mut values) in measured {
        if values.is_empty() {
            continue;
        }
        let middle = median(&mut values);
        let spread = format!("{} ({}–{})", show(middle), show(values[0]), show(values[values.len() - 1]));
        let ratio = ours.map(|o: f64| o / middle);
        ours.get_or_insert(middle);
        rows.push(Row { what: what.to_owned(), who, figure: spread, ratio });
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(super::median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(super::median(&mut [9.0, 1.0, 2.0]), 2.0);
    }
}
