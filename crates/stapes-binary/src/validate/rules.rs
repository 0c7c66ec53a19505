//! Everything that [`validate`](super::validate) can find: the name, how bad it is, and the tools that it breaks.
//!
//! What each tool does was measured for the common cases (gdb 13, bcc 0.26, bpftrace 0.17, perf 6.1, libbpf 1.1);
//! for the rare ones it is concluded from how the tool reads notes.
//! What the kernel refuses breaks every tool that attaches by uprobes.

use super::Severity;

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The name, for messages and for those who look one up.
    pub slug: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The tools that it breaks.
    pub breaks: &'static [&'static str],
}

const fn error(slug: &'static str, breaks: &'static [&'static str]) -> Rule {
    Rule { slug, severity: Severity::Error, breaks }
}

const fn warning(slug: &'static str, breaks: &'static [&'static str]) -> Rule {
    Rule { slug, severity: Severity::Warning, breaks }
}

/// The tools that attach by uprobes.
const UPROBES: &[&str] = &["bcc", "bpftrace", "libbpf", "perf"];
/// The tools that find notes by their section.
const BY_SECTION: &[&str] = &["gdb", "bcc", "bpftrace", "libbpf", "perf"];
/// All of them.
const ALL: &[&str] = &["readelf", "gdb", "bcc", "bpftrace", "libbpf", "perf"];

/// The site's address is in no segment: attaching fails.
pub const PC_UNMAPPED: Rule = error("pc-unmapped", BY_SECTION);
/// The site's address is in data.
pub const PC_NOT_EXECUTABLE: Rule = error("pc-not-executable", BY_SECTION);
/// The site is inside an instruction: attaching changes that instruction's meaning and so the program's.
pub const PC_MID_INSTRUCTION: Rule = error("pc-mid-instruction", UPROBES);
/// The semaphore's address is in no segment.
pub const SEMAPHORE_UNMAPPED: Rule = error("semaphore-unmapped", UPROBES);
/// The semaphore's address is odd, which the kernel refuses.
pub const SEMAPHORE_ODD: Rule = error("semaphore-odd", UPROBES);
/// The semaphore cannot be raised.
pub const SEMAPHORE_NOT_WRITABLE: Rule = error("semaphore-not-writable", UPROBES);
/// Raising the semaphore would change code.
pub const SEMAPHORE_EXECUTABLE: Rule = error("semaphore-executable", UPROBES);
/// A note is cut off. libbpf and perf stop there; the others skip it.
pub const TRUNCATED_NOTE: Rule = error("truncated-note", &["libbpf", "perf"]);
/// A string of a note does not end.
pub const MISSING_NUL: Rule = error("missing-nul", &["libbpf", "perf"]);
/// The base of a note does not lead to code, or not all notes have the same.
pub const BASE_MISMATCH: Rule = error("base-mismatch", BY_SECTION);
/// The file is an object file: its notes have no addresses yet.
pub const RELOCATABLE: Rule = error("relocatable-file", ALL);
/// Two sites at one place, or one within the nop of another.
pub const OVERLAPPING_PROBES: Rule = error("overlapping-probes", UPROBES);
/// An argument names a register that the architecture does not have.
pub const UNKNOWN_REGISTER: Rule = error("unknown-register", BY_SECTION);
/// An argument has a size that no value has.
pub const UNKNOWN_SIZE: Rule = error("unknown-size", BY_SECTION);
/// An argument is not of the grammar.
pub const ARGUMENT_SYNTAX: Rule = error("argument-syntax", BY_SECTION);
/// The note of a function that the linker collected. libbpf then refuses the probe's live sites as well.
pub const STALE_NOTE: Rule = error("stale-note", &["libbpf"]);

/// The size of a descriptor includes its padding.
pub const PADDED_DESCRIPTOR: Rule = warning("padded-descriptor", &["gdb", "bcc", "bpftrace"]);
/// The file has no `.stapsdt.base`: gdb lists nothing, perf computes a wrong offset.
pub const MISSING_BASE: Rule = warning("missing-base", &["gdb", "perf"]);
/// The notes name no base although the file has one.
pub const ZERO_BASE: Rule = warning("zero-base", &["gdb", "libbpf"]);
/// The file was moved after linking (prelink): readelf shows the old addresses, libbpf does not adjust semaphores.
pub const SHIFTED_BASE: Rule = warning("shifted-base", &["readelf", "bcc", "bpftrace", "libbpf"]);
/// The notes are loaded into memory, where no program reads them. Harmless unless they stand before `.probes`.
pub const ALLOCATED_NOTES: Rule = warning("allocated-notes", &[]);
/// The notes stand before the section of semaphores, which those tools want to have seen first.
pub const NOTES_BEFORE_PROBES: Rule = warning("notes-before-probes", &["bcc", "bpftrace", "perf"]);
/// The section of notes is not of type `SHT_NOTE`.
pub const WRONG_SECTION_TYPE: Rule = warning("wrong-section-type", ALL);
/// A note of another owner in the section: perf stops there, libbpf may refuse the file.
pub const FOREIGN_NOTE: Rule = warning("foreign-note", &["libbpf", "perf"]);
/// The same note twice: perf lists neither; readelf and gdb list both.
pub const DUPLICATE_NOTE: Rule = warning("duplicate-note", &["perf"]);
/// A name or an argument is not UTF-8.
pub const NOT_UTF8: Rule = warning("not-utf8", &[]);
/// Semaphores are found by the section `.probes`, and this one is elsewhere.
pub const SEMAPHORE_OUTSIDE_PROBES: Rule = warning("semaphore-outside-probes", &["bcc", "bpftrace", "perf"]);
/// The kernel does not raise the semaphore of a program that starts later: it takes the read-only mapping for it.
pub const SEMAPHORE_BESIDE_RELRO: Rule = warning("semaphore-beside-relro", UPROBES);
/// More arguments than `sys/sdt.h` has; libbpf refuses the probe.
pub const TOO_MANY_ARGUMENTS: Rule = warning("too-many-arguments", &["libbpf"]);
/// A probe's sites have different numbers of arguments: tplist crashes, bpftrace aborts.
pub const ARGUMENT_COUNTS_DIFFER: Rule = warning("argument-counts-differ", &["bcc", "bpftrace"]);
/// An argument by a symbol and the instruction pointer.
pub const RIP_SYMBOL: Rule = warning("rip-symbol", &["gdb", "libbpf"]);
/// An argument names a symbol that the file does not have any more, so nobody can read it.
pub const UNRESOLVED_SYMBOL: Rule = warning("unresolved-symbol", BY_SECTION);
/// An argument is marked as floating point: libbpf refuses the probe.
pub const FLOAT_ARGUMENT: Rule = warning("float-argument", &["libbpf"]);
/// An argument is in a floating-point or vector register.
pub const FLOAT_REGISTER: Rule = warning("float-register", UPROBES);
/// An argument takes two registers, of which the note names one: the high half is lost.
pub const REGISTER_PAIR: Rule = warning("register-pair", BY_SECTION);
/// The site is in Thumb code, where the kernel has no uprobes.
pub const THUMB_PC: Rule = warning("thumb-pc", UPROBES);
/// The file has no section headers.
pub const NO_SECTION_HEADERS: Rule = warning("no-section-headers", BY_SECTION);
/// There is an instruction at the site that does something; tools that patch sites refuse it.
pub const NOT_A_NOP: Rule = warning("not-a-nop", &[]);
/// There is more than is read or shown.
pub const TOO_MUCH: Rule = warning("too-much", &[]);

/// The whole table, errors first.
pub const RULES: &[&Rule] = &[
    &PC_UNMAPPED,
    &PC_NOT_EXECUTABLE,
    &PC_MID_INSTRUCTION,
    &SEMAPHORE_UNMAPPED,
    &SEMAPHORE_ODD,
    &SEMAPHORE_NOT_WRITABLE,
    &SEMAPHORE_EXECUTABLE,
    &TRUNCATED_NOTE,
    &MISSING_NUL,
    &BASE_MISMATCH,
    &RELOCATABLE,
    &OVERLAPPING_PROBES,
    &UNKNOWN_REGISTER,
    &UNKNOWN_SIZE,
    &ARGUMENT_SYNTAX,
    &STALE_NOTE,
    &PADDED_DESCRIPTOR,
    &MISSING_BASE,
    &ZERO_BASE,
    &SHIFTED_BASE,
    &ALLOCATED_NOTES,
    &NOTES_BEFORE_PROBES,
    &WRONG_SECTION_TYPE,
    &FOREIGN_NOTE,
    &DUPLICATE_NOTE,
    &NOT_UTF8,
    &SEMAPHORE_OUTSIDE_PROBES,
    &SEMAPHORE_BESIDE_RELRO,
    &TOO_MANY_ARGUMENTS,
    &ARGUMENT_COUNTS_DIFFER,
    &RIP_SYMBOL,
    &UNRESOLVED_SYMBOL,
    &FLOAT_ARGUMENT,
    &FLOAT_REGISTER,
    &REGISTER_PAIR,
    &THUMB_PC,
    &NO_SECTION_HEADERS,
    &NOT_A_NOP,
    &TOO_MUCH,
];
