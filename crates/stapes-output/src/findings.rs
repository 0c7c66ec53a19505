//! `stapes validate`: findings as lines and as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::listing::plain;
use serde_json::{Value, json};
use stapes_binary::validate::{Finding, Severity};
use stapes_session::discovery::facts::SiteFacts;
use stapes_session::validate::{Checked, LiveFinding, Report};

/// How many findings there are: errors and warnings.
pub fn count(report: &Report) -> (usize, usize) {
    let severities = report
        .files
        .iter()
        .flat_map(|f| f.findings.iter().map(|x| x.severity).chain(f.live.iter().map(|x| x.severity)));
    severities.fold((0, 0), |(errors, warnings), severity| match severity {
        Severity::Error => (errors + 1, warnings),
        Severity::Warning => (errors, warnings + 1),
    })
}

/// For each file its findings, one a line, and a line that sums them up.
///
/// # Errors
/// `out` cannot be written.
pub fn text(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    for file in &report.files {
        let path = file.found.name.display().to_string();
        let path = plain(&path);
        for finding in &file.findings {
            writeln!(out, "{path}: {}", plain(&finding.to_string()))?;
        }
        for LiveFinding { pid, process, severity, slug, what, cure, breaks } in &file.live {
            writeln!(
                out,
                "{path}: {severity}[{slug}]: process {pid} ({}): {what}; breaks {}; {cure}",
                plain(process),
                breaks.join(", ")
            )?;
        }
        writeln!(out, "{path}: {}", summary(file))?;
    }
    Ok(())
}

/// One JSON object a finding.
///
/// Keys: `path`, `severity`, `slug`, `provider`, `name`, `site` (its index), `pc`, `offset`, `what`, `breaks`;
/// of a finding in a process: `path`, `pid`, `process`, `severity`, `slug`, `what`, `cure`, `breaks`.
///
/// # Errors
/// `out` cannot be written.
pub fn json(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    for file in &report.files {
        let path = file.found.name.to_string_lossy();
        let in_file = file.findings.iter().map(|f| finding(&path, f));
        for value in in_file.chain(file.live.iter().map(|f| live(&path, f))) {
            serde_json::to_writer(&mut *out, &value)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

fn finding(path: &str, finding: &Finding) -> Value {
    json!({
        "path": path,
        "severity": finding.severity.to_string(),
        "slug": finding.slug,
        "provider": finding.provider,
        "name": finding.name,
        "site": finding.site,
        "pc": finding.pc.map(|pc| pc.0),
        "offset": finding.offset,
        "what": finding.what,
        "breaks": finding.breaks,
    })
}

fn live(path: &str, finding: &LiveFinding) -> Value {
    json!({
        "path": path,
        "pid": finding.pid,
        "process": finding.process,
        "severity": finding.severity.to_string(),
        "slug": finding.slug,
        "what": finding.what,
        "cure": finding.cure,
        "breaks": finding.breaks,
    })
}

/// `3 probes, 5 sites (nops: 5 of 1); 1 error, 2 warnings`.
fn summary(file: &Checked) -> String {
    let probes = &file.found.facts.probes;
    let sites: usize = probes.iter().map(|p| p.probe.sites.len()).sum();
    let mut nops: BTreeMap<String, usize> = BTreeMap::new();
    for nop in probes.iter().flat_map(|p| &p.sites).filter_map(SiteFacts::nop) {
        *nops.entry(nop).or_default() += 1;
    }
    let nops: Vec<String> = nops.iter().map(|(nop, count)| format!("{count} of {nop}")).collect();
    let nops = if nops.is_empty() { String::new() } else { format!(" (nops: {})", nops.join(", ")) };
    let severities = || file.findings.iter().map(|f| f.severity).chain(file.live.iter().map(|f| f.severity));
    let errors = severities().filter(|s| *s == Severity::Error).count();
    let warnings = severities().count() - errors;
    format!(
        "{}, {}{nops}; {}, {}",
        plural(probes.len(), "probe"),
        plural(sites, "site"),
        plural(errors, "error"),
        plural(warnings, "warning")
    )
}

fn plural(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}
