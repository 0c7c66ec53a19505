//! What the demo hears, and how it shows that in 80 columns.

use std::collections::BTreeMap;
use std::io;

use stapes_output::histogram;
use stapes_session::bpf::Aggregate;
use stapes_session::events::{Cell, Facts, Listener, Message, Value};

/// The script that the demo runs on the workload's probes.
pub(super) const SCRIPT: &str = "\
usdt::demo:request_end {
    @microseconds = hist(arg4 / 1000);
    printf(\"%d %s %d %d\", arg0, str(arg1, arg2), arg3, arg4);
}
";

/// How many of the slowest requests are shown.
const SLOWEST: usize = 5;

/// Gathers what the probes say.
#[derive(Default)]
pub(super) struct Report {
    /// Requests by path and status.
    counts: BTreeMap<(String, u64), u64>,
    /// The slowest requests: nanoseconds, id, path, status.
    slowest: Vec<(u64, u64, String, u64)>,
    buckets: Vec<u64>,
    lost: u64,
}

impl Report {
    /// How many requests were heard.
    pub(super) fn requests(&self) -> u64 {
        self.counts.values().sum()
    }

    fn request(&mut self, id: u64, path: String, status: u64, nanoseconds: u64) {
        self.slowest.push((nanoseconds, id, path.clone(), status));
        self.slowest.sort_by(|a, b| b.cmp(a));
        self.slowest.truncate(SLOWEST);
        *self.counts.entry((path, status)).or_default() += 1;
    }

    /// All of it as text.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        let mut statuses: Vec<u64> = self.counts.keys().map(|(_, status)| *status).collect();
        statuses.sort_unstable();
        statuses.dedup();
        let mut paths: BTreeMap<&str, u64> = BTreeMap::new();
        for ((path, _), count) in &self.counts {
            *paths.entry(path).or_default() += count;
        }
        out.push_str(&format!("{:<24}{:>8}", "Requests by path", "all"));
        statuses.iter().for_each(|status| out.push_str(&format!("{status:>8}")));
        out.push('\n');
        let mut rows: Vec<_> = paths.into_iter().collect();
        rows.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        for (path, all) in rows {
            out.push_str(&format!("  {path:<22}{all:>8}"));
            for status in &statuses {
                match self.counts.get(&(path.to_owned(), *status)) {
                    Some(count) => out.push_str(&format!("{count:>8}")),
                    None => out.push_str(&format!("{:>8}", "-")),
                }
            }
            out.push('\n');
        }
        out.push_str("\nMicroseconds per request\n");
        histogram::lines(Aggregate::Hist { bits: 0 }, &self.buckets, 1, &mut out);
        out.push_str(&format!(
            "\n{:<24}{:>8}{:>8}{:>16}\n",
            "Slowest requests", "id", "status", "microseconds"
        ));
        for (nanoseconds, id, path, status) in &self.slowest {
            out.push_str(&format!("  {path:<22}{id:>8}{status:>8}{:>16}\n", nanoseconds / 1000));
        }
        if self.lost > 0 {
            out.push_str(&format!("\n{} events were lost.\n", self.lost));
        }
        out
    }
}

impl Listener for Report {
    fn message(&mut self, message: Message<'_>, _: &mut dyn Facts) -> io::Result<()> {
        match message {
            Message::Printf { fields, .. } => {
                let values: Vec<_> = fields.values().collect();
                if let [id, Value::Str(path), status, nanoseconds] = values.as_slice() {
                    let number = |v: &Value<'_>| v.number().and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
                    let path = String::from_utf8_lossy(path).into_owned();
                    self.request(number(id), path, number(status), number(nanoseconds));
                }
            }
            Message::Map { map, .. } => {
                if let Some(Cell::Buckets(buckets)) = map.entries.first().map(|entry| &entry.value) {
                    self.buckets.clone_from(buckets);
                }
            }
            Message::Lost(loss) => self.lost += loss.count,
            _ => {}
        }
        Ok(())
    }

    fn batch_done(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_into_80_columns() {
        let mut report = Report { buckets: vec![0; 65], ..Report::default() };
        report.buckets[9] = 41;
        for id in 0..20 {
            let path = ["/", "/static/app.js", "/report"][id as usize % 3];
            report.request(id, path.into(), [200, 401, 404, 500, 503][id as usize % 5], id * 1_000_000);
        }
        let text = report.text();
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        assert_eq!(report.requests(), 20);
        assert!(text.contains("  /                            7"), "{text}");
        assert_eq!(report.slowest.iter().map(|s| s.1).collect::<Vec<_>>(), [19, 18, 17, 16, 15]);
    }
}
