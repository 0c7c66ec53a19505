//! Checks the probes of files and of running processes.
//!
//! What a file says wrong by itself is for [`stapes_binary::validate()`] to tell.
//! Here it is applied to everything that a [`Request`] finds, and what only a process shows is added:
//! that its code is no longer mapped from the file, or that the file is not the one of that name any more.

use std::fs::File;

use stapes_binary::validate::{self, Finding, Severity};

use crate::discovery::spec::{Matcher, Spec};
use crate::discovery::{Discovery, Found, Instance, Progress, Request, Skipped, discover, words};
use crate::process;
use crate::process::live::{self, LiveObject, MovedText};

/// What was found to be wrong.
#[derive(Debug, Default)]
pub struct Report {
    /// Every file with probes, good ones too.
    pub files: Vec<Checked>,
    /// What could not be looked at.
    pub skipped: Vec<Skipped>,
    /// How many files were looked at, with probes or without.
    pub looked_at: u64,
}

/// A file that was checked.
#[derive(Debug)]
pub struct Checked {
    /// The file, its probes, and the processes that map it.
    pub found: Found,
    /// What is wrong in the file.
    pub findings: Vec<Finding>,
    /// What is wrong with it in processes.
    pub live: Vec<LiveFinding>,
}

/// Something wrong with a file in one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveFinding {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub process: String,
    /// How bad it is.
    pub severity: Severity,
    /// The name of the rule.
    pub slug: &'static str,
    /// What is wrong, in words.
    pub what: String,
    /// What to do about it.
    pub cure: &'static str,
    /// The tools that it breaks.
    pub breaks: &'static [&'static str],
}

/// Checks everything that the request means.
pub fn validate(request: &Request, progress: Progress<'_>) -> Report {
    let Discovery { found, mut skipped, files } = discover(request, progress);
    let mut report = Report { looked_at: files, ..Report::default() };
    for found in found {
        match findings(&found) {
            Ok(findings) => {
                let live = found.instances.iter().flat_map(|i| live_findings(&found, i)).collect();
                report.files.push(Checked { found, findings, live });
            }
            Err(reason) => {
                skipped.push(Skipped { what: found.name.display().to_string(), reason, named: true })
            }
        }
    }
    report.skipped = skipped;
    report
}

/// The findings of the file, without those of probes that were not asked for.
fn findings(found: &Found) -> Result<Vec<Finding>, String> {
    let file = File::open(&found.path).map_err(|e| words(&e))?;
    let mut findings = validate::validate(&file).map_err(|e| e.to_string())?.unwrap_or_default();
    // Not by the probes that were found: a finding may be about one that could not be read.
    let matchers: Vec<Matcher> = found.targets.iter().map(Spec::matcher).collect();
    findings.retain(|f| match (&f.provider, &f.name) {
        (Some(provider), Some(name)) => matchers.iter().any(|m| m.matches(provider, name)),
        _ => true,
    });
    Ok(findings)
}

fn live_findings(found: &Found, instance: &Instance) -> Vec<LiveFinding> {
    let Instance { process, mapped } = instance;
    let finding = |severity, slug, what, cure, breaks| LiveFinding {
        pid: process.pid,
        process: process.name.clone(),
        severity,
        slug,
        what,
        cure,
        breaks,
    };
    let mut findings = Vec::new();
    for moved in live::moved_text(process, mapped, &found.facts.segments) {
        let sites = sites_within(found, instance, &moved);
        let kind = if moved.mapping.is_anonymous() { "anonymous memory" } else { "other memory" };
        let kind = if moved.mapping.is_hugetlb() { "huge pages" } else { kind };
        findings.push(finding(
            if sites > 0 { Severity::Error } else { Severity::Warning },
            "text-remapped",
            format!(
                "its code at {:#x}-{:#x}, with {sites} sites, is not mapped from the file but in {kind}",
                moved.start, moved.end
            ),
            "keep functions with probes out of the remapping",
            &["uprobes: bpftrace, bcc, perf, stapes"],
        ));
    }
    // Found by the kernel's links, so right for us; by name it is another file, or none.
    let name_leads_elsewhere = process::identity(&found.name) != Some(found.id);
    if mapped.deleted {
        findings.push(finding(
            Severity::Warning,
            "file-replaced",
            "the file was deleted or replaced since the process loaded it".to_owned(),
            "attach through /proc/PID/exe or /proc/PID/map_files, or restart the process",
            &["bpftrace", "bcc", "perf", "gdb"],
        ));
    } else if name_leads_elsewhere {
        findings.push(finding(
            Severity::Warning,
            "other-namespace",
            "its name leads to another file, or to none, in our mount namespace".to_owned(),
            "attach through /proc/PID/exe or /proc/PID/map_files",
            &["perf"],
        ));
    }
    findings
}

/// How many sites of the file are in code that was moved.
fn sites_within(found: &Found, instance: &Instance, moved: &MovedText) -> usize {
    let object = LiveObject::new(&instance.process, &instance.mapped, &found.facts.segments);
    let sites = found.facts.probes.iter().flat_map(|p| &p.probe.sites);
    let addresses = sites.flat_map(|s| object.biases.iter().map(|bias| s.pc.at(*bias)));
    addresses.filter(|a| (moved.start..moved.end).contains(a)).count()
}
