//! What this machine, these privileges and a target allow: facts, found without changing anything.
//!
//! Each [`Finding`] is a question with its answer, and what to do about a bad one.
//! What can be tried is tried: whether programs load is not derived from capabilities, a program is loaded.

use std::fs;

use stapes_bpf::{Attachment, Insn, Map, MapKind, MapRole, Object, Point, Program, ProgramKind, Type, Value};
use stapes_kernel::{Features, LoadOptions, Loaded, Optimised};

use crate::discovery::facts::Detail;
use crate::discovery::{Request, discover};
use crate::process::Process;

/// How good an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// As it should be.
    Good,
    /// Works, with less comfort or speed.
    Fair,
    /// Something cannot be done.
    Bad,
    /// Only a fact.
    Note,
}

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: `uprobe_multi links`.
    pub what: String,
    /// The answer: `yes (Linux 6.18)`.
    pub answer: String,
    /// How good it is.
    pub grade: Grade,
    /// What it means or how to get more; empty where there is nothing to say.
    pub advice: String,
}

impl Finding {
    fn new(what: &str, answer: impl Into<String>, grade: Grade, advice: &str) -> Self {
        Finding { what: what.to_owned(), answer: answer.into(), grade, advice: advice.to_owned() }
    }

    /// Good or not; the advice only where not.
    fn yes(what: &str, yes: bool, otherwise: Grade, advice: &str) -> Self {
        match yes {
            true => Finding::new(what, "yes", Grade::Good, ""),
            false => Finding::new(what, "no", otherwise, advice),
        }
    }
}

/// What the kernel can do.
pub fn kernel() -> Vec<Finding> {
    let features = Features::detect();
    let (major, minor) = features.version();
    let mut findings = vec![
        Finding::new("Linux", format!("{major}.{minor} {}", std::env::consts::ARCH), Grade::Note, ""),
        Finding::yes("semaphores of probes", features.semaphores(), Grade::Bad, "needs Linux 4.20"),
        Finding::yes("ring buffers", features.ringbuf(), Grade::Bad, "needs Linux 5.8"),
        Finding::yes(
            "attach cookies",
            features.attach_cookie(),
            Grade::Fair,
            "probes whose sites differ in their arguments need Linux 5.15",
        ),
        Finding::yes(
            "uprobe_multi links",
            features.uprobe_multi() && features.uprobe_multi_pid(),
            Grade::Fair,
            "many probes attach and detach slowly; needs Linux 6.6 (6.11 to limit them to a process)",
        ),
        Finding::yes(
            "types of the kernel (BTF)",
            features.btf(),
            Grade::Fair,
            "needs CONFIG_DEBUG_INFO_BTF; without it strings on pages that are not in memory read as empty",
        ),
        Finding::yes(
            "strings from pages not in memory",
            features.copy_from_user_str(),
            Grade::Fair,
            "needs Linux 6.12; such strings read as empty",
        ),
    ];
    findings.push(match features.optimised() {
        Optimised::No => Finding::new("fast uprobes on nops", "no", Grade::Note, ""),
        Optimised::Nop5 => Finding::new("fast uprobes on nops", "5 bytes", Grade::Note, ""),
        Optimised::Nop10 => Finding::new("fast uprobes on nops", "10 bytes", Grade::Note, ""),
    });
    findings.extend(lockdown());
    let tracefs = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
        .into_iter()
        .find(|path| fs::exists(format!("{path}/uprobe_events")).unwrap_or(false));
    findings.push(Finding::new(
        "tracefs",
        tracefs.unwrap_or("not visible"),
        Grade::Note,
        "only other tools need it",
    ));
    findings
}

/// What we may do.
pub fn privileges() -> Vec<Finding> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let held = u64::from_str_radix(field(&status, "CapEff:"), 16).unwrap_or(0);
    let uid = field(&status, "Uid:").split_whitespace().nth(1).unwrap_or("?").to_owned();
    let mut findings = vec![Finding::new("effective user", uid, Grade::Note, "")];
    for (name, bit, grade, what_for) in [
        ("CAP_BPF", 39, Grade::Bad, "to load programs; CAP_SYS_ADMIN does as well"),
        ("CAP_PERFMON", 38, Grade::Bad, "to attach to other processes; CAP_SYS_ADMIN does as well"),
        ("CAP_SYS_PTRACE", 19, Grade::Fair, "to read what other users' processes map"),
        ("CAP_CHECKPOINT_RESTORE", 40, Grade::Fair, "to open deleted files that processes map"),
    ] {
        let by_admin = bit >= 38 && held >> 21 & 1 == 1;
        findings.push(match held >> bit & 1 == 1 || by_admin {
            true => Finding::new(name, "held", Grade::Good, ""),
            false => Finding::new(name, "not held", grade, what_for),
        });
    }
    if let Some(value) = sysctl("kernel/unprivileged_bpf_disabled") {
        let meaning = if value == "0" { "anybody may load simple programs" } else { "needs CAP_BPF" };
        findings.push(Finding::new("kernel.unprivileged_bpf_disabled", value, Grade::Note, meaning));
    }
    if let Some(value) = sysctl("kernel/perf_event_paranoid") {
        findings.push(Finding::new("kernel.perf_event_paranoid", value, Grade::Note, ""));
    }
    if let Some(value) = sysctl("kernel/yama/ptrace_scope") {
        let meaning = match value.as_str() {
            "0" => "ptrace of one's own processes is allowed",
            "1" => "ptrace of children is allowed; -c works, semaphores under -p need CAP_SYS_PTRACE",
            "2" => "ptrace needs CAP_SYS_PTRACE",
            _ => "ptrace is off: semaphores that the kernel misses cannot be raised",
        };
        findings.push(Finding::new("kernel.yama.ptrace_scope", value, Grade::Note, meaning));
    }
    if let Some(value) = sysctl("kernel/kptr_restrict") {
        let meaning = if value == "2" { "kstack and ksym show bare addresses" } else { "" };
        findings.push(Finding::new("kernel.kptr_restrict", value, Grade::Note, meaning));
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    if Features::detect().version() < (5, 11) {
        let limit = field(&limits, "Max locked memory").split_whitespace().next().unwrap_or("?").to_owned();
        let grade = if limit == "unlimited" { Grade::Good } else { Grade::Fair };
        let advice = "before Linux 5.11 maps count as locked memory; `ulimit -l unlimited`";
        findings.push(Finding::new("locked memory", limit, grade, advice));
    }
    findings.push(trial());
    findings
}

/// What can be done with a process.
pub fn target(pid: u32) -> Vec<Finding> {
    let process = match Process::read(pid) {
        Ok(process) => process,
        Err(error) => {
            let advice = "gone, a thread of the kernel, or another user's: try sudo";
            return vec![Finding::new("mappings", error.to_string(), Grade::Bad, advice)];
        }
    };
    let mut findings = vec![
        Finding::new("name", process.name.clone(), Grade::Note, ""),
        Finding::new("mapped files", process.files().len().to_string(), Grade::Note, ""),
    ];
    let request = Request { pids: vec![pid], detail: Detail::Probes, ..Request::default() };
    let discovery = discover(&request, &|_| {});
    let probes = discovery.found.iter().flat_map(|found| &found.facts.probes);
    let (mut count, mut sites, mut guarded) = (0, 0, 0);
    for facts in probes {
        count += 1;
        sites += facts.probe.sites.len();
        guarded += usize::from(facts.probe.sites.iter().any(|s| s.semaphore.is_some()));
    }
    let answer = format!("{count} with {sites} sites, {guarded} behind semaphores");
    let (grade, advice) = match count {
        0 => (Grade::Fair, "none in what it maps now; uprobes at functions work all the same"),
        _ => (Grade::Good, ""),
    };
    findings.push(Finding::new("USDT probes", answer, grade, advice));
    for skipped in &discovery.skipped {
        findings.push(Finding::new(&skipped.what, skipped.reason.clone(), Grade::Fair, ""));
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let seccomp = match field(&status, "Seccomp:") {
        "0" | "" => "none",
        "1" => "strict",
        _ => "a filter",
    };
    let advice = "no matter for the kernel engine";
    findings.push(Finding::new("seccomp", seccomp, Grade::Note, advice));
    let tracer = field(&status, "TracerPid:");
    if !matches!(tracer, "" | "0") {
        let advice = "another program holds it by ptrace; probes fire all the same";
        findings.push(Finding::new("ptrace", format!("held by {tracer}"), Grade::Fair, advice));
    }
    for (what, kind) in [("mount namespace", "mnt"), ("pid namespace", "pid")] {
        let of = |who: &str| fs::read_link(format!("/proc/{who}/ns/{kind}")).ok();
        let answer = match (of(&pid.to_string()), of("self")) {
            (Some(its), Some(ours)) if its == ours => "ours",
            (Some(_), Some(_)) => "its own",
            _ => "not visible",
        };
        findings.push(Finding::new(what, answer, Grade::Note, ""));
    }
    let memory = fs::OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem"));
    let advice = "semaphores that the kernel misses cannot be raised by hand; needs CAP_SYS_PTRACE";
    findings.push(Finding::yes("access to its memory", memory.is_ok(), Grade::Fair, advice));
    findings
}

/// Loads a program with a map and runs it.
fn trial() -> Finding {
    const WHAT: &str = "loading and running a program";
    let result = Loaded::load(trial_object(), &LoadOptions::default())
        .and_then(|mut loaded| loaded.run_begin().map(|()| loaded.losses()));
    match result {
        Ok(_) => Finding::new(WHAT, "works", Grade::Good, ""),
        Err(error) => {
            let advice = error.hint.clone().unwrap_or_default();
            Finding::new(WHAT, error.to_string(), Grade::Bad, &advice)
        }
    }
}

/// `r0 = 0; exit`, and a map of one number.
fn trial_object() -> Object {
    let insns = vec![Insn { code: 0xb7, ..Insn::default() }, Insn { code: 0x95, ..Insn::default() }];
    let number = Type::Int { size: 8, signed: false };
    Object {
        maps: vec![Map {
            name: "@trial".into(),
            kind: MapKind::Array,
            key_size: 4,
            value_size: 8,
            max_entries: 1,
            role: MapRole::Script { key: Vec::new(), value: Value::Plain(number) },
        }],
        programs: vec![Program {
            name: "trial".into(),
            kind: ProgramKind::Run,
            sleepable: false,
            insns,
            lines: Vec::new(),
        }],
        attachments: vec![Attachment { program: 0, point: Point::Begin }],
        ..Object::default()
    }
}

fn lockdown() -> Option<Finding> {
    let text = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    let mode = text.split('[').nth(1)?.split(']').next()?.to_owned();
    let grade = if mode == "confidentiality" { Grade::Bad } else { Grade::Good };
    let advice = if grade == Grade::Bad { "programs may not read memory in this mode" } else { "" };
    Some(Finding::new("lockdown", mode, grade, advice))
}

fn sysctl(name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/sys/{name}")).ok().map(|text| text.trim().to_owned())
}

/// What stands behind `name` on its line.
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(name)).map_or("", str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_status() {
        let status = "Name:\tcat\nUid:\t1000\t0\t1000\t1000\nCapEff:\t000001ffffffffff\n";
        assert_eq!(field(status, "CapEff:"), "000001ffffffffff");
        assert_eq!(field(status, "Seccomp:"), "");
    }

    #[test]
    fn answers_without_privileges_and_about_nobody() {
        assert!(!kernel().is_empty());
        assert!(privileges().iter().any(|f| f.what == "CAP_BPF"));
        assert!(target(std::process::id()).iter().any(|f| f.what == "USDT probes"));
        assert_eq!(target(u32::MAX - 1)[0].grade, Grade::Bad);
    }
}
