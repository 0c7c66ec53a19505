//! What is wrong with a file's probes, and what other tools make of them: [`validate`].
//!
//! [`facts`] gathers what has to be known of the file, [`check`] judges it without reading anything,
//! and [`rules`] is the table of everything that can be found, with the tools that it breaks.
//!
//! A broken site gets one finding that says why, not one for each rule that it also breaks:
//! a note whose function the linker threw away points nowhere, and only that is said of it.

use std::fmt;

use crate::argument::{UNKNOWN_ARCHITECTURE, UNKNOWN_REGISTER, UNKNOWN_SIZE};
use crate::elf::{PF_W, PF_X};
use crate::{
    ArgSpec, Elf, Nop, Operand, Probe, ProblemKind, ReadAt, ReadError, RegisterClass, Site, SiteCode, Vaddr,
};

pub mod facts;
pub mod rules;

use crate::memory::Place;
use facts::{Boundary, Code, Facts};
use rules::Rule;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The probe cannot work, or attaching to it does harm.
    Error,
    /// Some tool cannot use the probe, or shows it wrongly.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The name of the rule, such as `padded-descriptor`; see [`rules`].
    pub slug: &'static str,
    /// The provider, if it concerns one probe.
    pub provider: Option<String>,
    /// The name of the probe.
    pub name: Option<String>,
    /// The index of the site in the probe, if it concerns one site.
    pub site: Option<usize>,
    /// The site's address.
    pub pc: Option<Vaddr>,
    /// Where in the file the note, or else what the finding is about, stands.
    pub offset: u64,
    /// What is wrong, in words.
    pub what: String,
    /// The tools that it breaks.
    pub breaks: &'static [&'static str],
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]: ", self.severity, self.slug)?;
        if let (Some(provider), Some(name)) = (&self.provider, &self.name) {
            write!(f, "{provider}:{name}")?;
            if let Some(pc) = self.pc {
                write!(f, " at {pc}")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{} (note at file offset {:#x})", self.what, self.offset)?;
        if !self.breaks.is_empty() {
            write!(f, "; breaks {}", self.breaks.join(", "))?;
        }
        Ok(())
    }
}

/// Everything that is wrong with the probes of a file; `None` if it is not ELF.
///
/// # Errors
/// The file cannot be read, or its headers are broken.
pub fn validate(source: &dyn ReadAt) -> Result<Option<Vec<Finding>>, ReadError> {
    let Some(elf) = Elf::open(source)? else { return Ok(None) };
    Ok(Some(check(&facts::gather(&elf)?)))
}

/// Judges the facts of a file: first what concerns the whole file, then probe by probe.
pub fn check(facts: &Facts) -> Vec<Finding> {
    let mut checker = Checker { facts, findings: Vec::new() };
    checker.file();
    for (index, probe) in facts.notes.probes.iter().enumerate() {
        checker.probe(probe);
        for (i, site) in probe.sites.iter().enumerate() {
            let at = At { probe, index: i, site };
            let code = facts.code.get(index).and_then(|sites| sites.get(i));
            checker.pc(at, code);
            checker.semaphore(at);
            checker.arguments(at);
        }
    }
    checker.overlaps();
    checker.findings
}

/// A site that is being judged.
#[derive(Clone, Copy)]
struct At<'f> {
    probe: &'f Probe,
    index: usize,
    site: &'f Site,
}

struct Checker<'f> {
    facts: &'f Facts,
    findings: Vec<Finding>,
}

impl<'f> Checker<'f> {
    fn file(&mut self) {
        for problem in &self.facts.notes.problems {
            let rule = match problem.kind {
                ProblemKind::Truncated | ProblemKind::ShortDescriptor | ProblemKind::BeyondEnd => {
                    &rules::TRUNCATED_NOTE
                }
                ProblemKind::Stale(_) => &rules::STALE_NOTE,
                ProblemKind::MissingNul => &rules::MISSING_NUL,
                ProblemKind::NotUtf8 => &rules::NOT_UTF8,
                ProblemKind::PaddedDescriptor => &rules::PADDED_DESCRIPTOR,
                ProblemKind::Foreign => &rules::FOREIGN_NOTE,
                ProblemKind::Duplicate => &rules::DUPLICATE_NOTE,
                ProblemKind::MissingBase => &rules::MISSING_BASE,
                ProblemKind::Allocated => &rules::ALLOCATED_NOTES,
                ProblemKind::WrongType => &rules::WRONG_SECTION_TYPE,
                ProblemKind::Relocatable => &rules::RELOCATABLE,
                ProblemKind::NoSectionHeaders => &rules::NO_SECTION_HEADERS,
                ProblemKind::TooLarge(_) | ProblemKind::TooManyArguments | ProblemKind::More(_) => {
                    &rules::TOO_MUCH
                }
            };
            let (provider, name) = match problem.probe.as_deref().and_then(|p| p.split_once(':')) {
                Some((provider, name)) => (Some(provider.to_owned()), Some(name.to_owned())),
                None => (None, None),
            };
            self.findings.push(Finding {
                severity: rule.severity,
                slug: rule.slug,
                provider,
                name,
                site: None,
                pc: match problem.kind {
                    ProblemKind::Stale(pc) => Some(pc),
                    _ => None,
                },
                offset: problem.offset,
                what: format!("{}: {}", problem.field, problem.kind),
                breaks: rule.breaks,
            });
        }
        if let (Some(notes), Some(probes)) = (self.facts.note_section, self.facts.probes_section)
            && notes < probes
        {
            self.of_file(&rules::NOTES_BEFORE_PROBES, "`.note.stapsdt` stands before `.probes`".to_owned());
        }
        self.bases();
    }

    /// What the notes say of `.stapsdt.base`.
    fn bases(&mut self) {
        let Some(base) = self.facts.notes.base else { return };
        let mut first = None;
        let (mut shifted, mut zero) = (0u64, 0u64);
        for probe in &self.facts.notes.probes {
            for (index, site) in probe.sites.iter().enumerate() {
                let own = site.base;
                if own.0 == 0 {
                    zero += 1;
                    continue;
                }
                shifted += u64::from(own != base);
                let first = *first.get_or_insert(own);
                if own != first {
                    let what = format!("the note was linked with the base {own}, the first one with {first}");
                    self.of_site(&rules::BASE_MISMATCH, At { probe, index, site }, what);
                }
            }
        }
        if shifted > 0 {
            let what = format!("{shifted} notes were linked with another base than {base} and are adjusted");
            self.of_file(&rules::SHIFTED_BASE, what);
        }
        // All addresses zero is what an object file has, of which that is said already.
        if zero > 0 && base.0 != 0 {
            let what = format!("{zero} notes name no base although the file has `.stapsdt.base`");
            self.of_file(&rules::ZERO_BASE, what);
        }
    }

    fn probe(&mut self, probe: &'f Probe) {
        let Some(first) = probe.sites.first() else { return };
        let count = first.args.len();
        if let Some(index) = probe.sites.iter().position(|s| s.args.len() != count) {
            let site = &probe.sites[index];
            let what = format!("{} arguments here, {count} at the first site", site.args.len());
            self.of_site(&rules::ARGUMENT_COUNTS_DIFFER, At { probe, index, site }, what);
        }
    }

    /// Whether the site is at an instruction that can be probed.
    fn pc(&mut self, at: At<'f>, code: Option<&Code>) {
        // In a file that is not linked no address means anything, which is said once.
        if self.facts.relocatable() {
            return;
        }
        let pc = at.site.pc;
        let place = self.facts.memory.place(pc);
        if place != Place::Executable {
            let unadjusted = self.facts.unadjusted(at.site);
            if unadjusted != pc && self.facts.memory.place(unadjusted) == Place::Executable {
                let what = format!("the adjusted address is no code, but {unadjusted} of the note is");
                return self.of_site(&rules::BASE_MISMATCH, at, what);
            }
            let (rule, what) = match place {
                Place::Unmapped => (&rules::PC_UNMAPPED, "no segment of the file is loaded there"),
                _ => (&rules::PC_NOT_EXECUTABLE, "what is loaded there is not executable"),
            };
            return self.of_site(rule, at, what.to_owned());
        }
        let Some(code) = code else { return };
        if let Boundary::Inside(function) = &code.boundary {
            let what = match function {
                Some(function) => format!("the address is in the middle of an instruction of `{function}`"),
                None => "no instruction can start at this address".to_owned(),
            };
            return self.of_site(&rules::PC_MID_INSTRUCTION, at, what);
        }
        if let Some(arch) = self.facts.notes.arch
            && !matches!(code.code, SiteCode::Nop(_))
        {
            let what = format!("there is no nop at the site but: {}", code.code.name(arch));
            self.of_site(&rules::NOT_A_NOP, at, what);
        }
        if code.thumb {
            self.of_site(&rules::THUMB_PC, at, "the site is in Thumb code".to_owned());
        }
    }

    fn semaphore(&mut self, at: At<'f>) {
        let Some(semaphore) = at.site.semaphore else { return };
        if self.facts.relocatable() {
            return;
        }
        let Some(segment) = self.facts.memory.segment(semaphore) else {
            let what = format!("no segment of the file is loaded at the semaphore's address {semaphore}");
            return self.of_site(&rules::SEMAPHORE_UNMAPPED, at, what);
        };
        if semaphore.0 % 2 == 1 {
            let what = format!("the semaphore's address {semaphore} is odd");
            self.of_site(&rules::SEMAPHORE_ODD, at, what);
        }
        if segment.flags & PF_X != 0 {
            let what = format!("the semaphore at {semaphore} is in executable memory");
            self.of_site(&rules::SEMAPHORE_EXECUTABLE, at, what);
        }
        if segment.flags & PF_W == 0 || self.facts.in_relro(semaphore) {
            let what = format!("the semaphore at {semaphore} is in memory that is not writable");
            return self.of_site(&rules::SEMAPHORE_NOT_WRITABLE, at, what);
        }
        if self.facts.outside_probes(semaphore) {
            let what = format!("the semaphore at {semaphore} is outside `.probes`");
            self.of_site(&rules::SEMAPHORE_OUTSIDE_PROBES, at, what);
        }
        if self.facts.shares_page_with_relro(at.site) {
            let what =
                format!("the semaphore at {semaphore} shares a page of the file with the end of RELRO");
            self.of_site(&rules::SEMAPHORE_BESIDE_RELRO, at, what);
        }
    }

    fn arguments(&mut self, at: At<'f>) {
        let count = at.site.args.len();
        if count > 12 {
            self.of_site(&rules::TOO_MANY_ARGUMENTS, at, format!("{count} arguments, more than 12"));
        }
        for (i, arg) in at.site.args.iter().enumerate() {
            match &arg.spec {
                Ok(spec) => self.argument(at, i, spec),
                Err(e) => {
                    let rule = match e.reason {
                        UNKNOWN_ARCHITECTURE => continue,
                        UNKNOWN_SIZE => &rules::UNKNOWN_SIZE,
                        UNKNOWN_REGISTER => &rules::UNKNOWN_REGISTER,
                        _ => &rules::ARGUMENT_SYNTAX,
                    };
                    self.of_site(rule, at, format!("arg{i} `{}`: {e}", arg.text));
                }
            }
        }
    }

    fn argument(&mut self, at: At<'f>, i: usize, spec: &ArgSpec) {
        let text = spec.operand_text();
        if spec.float {
            let what = format!("arg{i} `{spec}` is a floating-point value");
            self.of_site(&rules::FLOAT_ARGUMENT, at, what);
        }
        match &spec.operand {
            Operand::RegisterPair(low, high) => {
                let what = format!("arg{i} `{spec}` is in the two registers {} and {}", low.name, high.name);
                self.of_site(&rules::REGISTER_PAIR, at, what);
            }
            Operand::Register(register) if register.class == RegisterClass::Float => {
                let what = format!("arg{i} is in {text}, which kernel probes do not see");
                self.of_site(&rules::FLOAT_REGISTER, at, what);
            }
            Operand::Memory { base, symbol: Some(symbol), .. } => {
                if base.is_some_and(|b| b.class == RegisterClass::InstructionPointer) {
                    let what = format!("arg{i} is at {text}, by a symbol");
                    self.of_site(&rules::RIP_SYMBOL, at, what);
                }
                if symbol.address.is_none() {
                    let what = format!("arg{i} is at {text}, but the file has no symbol `{}`", symbol.name);
                    self.of_site(&rules::UNRESOLVED_SYMBOL, at, what);
                }
            }
            _ => {}
        }
    }

    /// Sites whose instructions overlap, or that are at one address.
    fn overlaps(&mut self) {
        if self.facts.relocatable() {
            return;
        }
        let mut sites = Vec::new();
        for (index, probe) in self.facts.notes.probes.iter().enumerate() {
            for (i, site) in probe.sites.iter().enumerate() {
                if self.facts.memory.place(site.pc) == Place::Executable {
                    let code = self.facts.code.get(index).and_then(|sites| sites.get(i));
                    sites.push((At { probe, index: i, site }, code.map_or(1, |c| patched_bytes(c.code))));
                }
            }
        }
        sites.sort_by_key(|(at, _)| at.site.pc);
        for pair in sites.windows(2) {
            let [(before, length), (after, _)] = pair else { continue };
            if after.site.pc.0 - before.site.pc.0 < *length {
                let what =
                    format!("the site overlaps one of {} at {}", before.probe.full_name(), before.site.pc);
                self.of_site(&rules::OVERLAPPING_PROBES, *after, what);
            }
        }
    }

    fn of_site(&mut self, rule: &Rule, at: At<'_>, what: String) {
        self.findings.push(Finding {
            severity: rule.severity,
            slug: rule.slug,
            provider: Some(at.probe.provider.clone()),
            name: Some(at.probe.name.clone()),
            site: Some(at.index),
            pc: Some(at.site.pc),
            offset: at.site.note_offset,
            what,
            breaks: rule.breaks,
        });
    }

    fn of_file(&mut self, rule: &Rule, what: String) {
        let first = self.facts.notes.probes.first().and_then(|p| p.sites.first());
        self.findings.push(Finding {
            severity: rule.severity,
            slug: rule.slug,
            provider: None,
            name: None,
            site: None,
            pc: None,
            offset: first.map_or(0, |s| s.note_offset),
            what,
            breaks: rule.breaks,
        });
    }
}

/// How many bytes at a site a tracer may overwrite.
fn patched_bytes(code: SiteCode) -> u64 {
    match code {
        SiteCode::Nop(Nop::Five) => 5,
        SiteCode::Nop(Nop::OnePlusFive) => 6,
        SiteCode::Nop(Nop::OnePlusTen) => 11,
        SiteCode::Nop(Nop::Length(length)) => length.into(),
        _ => 1,
    }
}
