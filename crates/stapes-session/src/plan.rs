//! From a script's text and the user's wishes to an object that can be loaded.
//!
//! The order: parse; start the command of `-c`, stopped before its first instruction; look for the probes that the
//! script names; compile. Nothing is looked at that the script does not need: no symbols without `func`, no types of the
//! kernel without strings.

use std::fmt;

use stapes_binary::Arch;
use stapes_binary::glob::has_wildcard;
use stapes_bpf::Object;
use stapes_kernel::{Features, LoadOptions, Loaded, Method};
use stapes_process::Until;
use stapes_script::ast::{AttachKind, ExprKind, Script};
use stapes_script::catalog::{Catalog, Options, Target};
use stapes_script::diagnostics::{Diagnostic, Severity};
use stapes_script::ir::Function;

use crate::catalog::{self, Scope};
use crate::discovery::Skipped;

/// What the user wants to run.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The script.
    pub source: String,
    /// Its positional parameters.
    pub parameters: Vec<String>,
    /// The processes to which everything is limited.
    pub pids: Vec<u32>,
    /// Whether `system()` and its kin are allowed.
    pub allow_unsafe: bool,
}

/// A compiled script with what led to it.
#[derive(Debug)]
pub struct Plan {
    /// The tree.
    pub script: Script,
    /// The probes that were found.
    pub catalog: Catalog,
    /// The code, the maps and the places.
    pub object: Object,
    /// What the compiler warns of.
    pub warnings: Vec<Diagnostic>,
    /// What could not be looked at, although something else matched.
    pub skipped: Vec<Skipped>,
    /// Whether the script wants its maps shown at the end.
    pub print_maps: bool,
}

/// Why there is no plan: what is wrong with the script.
#[derive(Debug)]
pub struct PlanError {
    /// Errors, and the warnings that came with them.
    pub diagnostics: Vec<Diagnostic>,
    /// What could not be looked at, which may be the reason that a probe was not found.
    pub skipped: Vec<Skipped>,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        write!(f, "{errors} error{} in the script", if errors == 1 { "" } else { "s" })
    }
}

impl std::error::Error for PlanError {}

/// A script that parses.
#[derive(Debug)]
pub struct Draft {
    script: Script,
    warnings: Vec<Diagnostic>,
}

impl Draft {
    /// Parses a script.
    ///
    /// # Errors
    /// It has mistakes.
    pub fn parse(source: &str, parameters: &[String]) -> Result<Draft, PlanError> {
        let (script, diagnostics) = stapes_script::parse_with(source, parameters);
        match diagnostics.iter().any(|d| d.severity == Severity::Error) {
            true => Err(PlanError { diagnostics, skipped: Vec::new() }),
            false => Ok(Draft { script, warnings: diagnostics }),
        }
    }

    /// Where a command that this script traces is to be held: where a probe may be in any of its files, these must have
    /// been mapped.
    pub fn hold_at(&self) -> Until {
        let open = |path: &str| path.is_empty() || has_wildcard(path);
        let any = self.script.attach_points().any(|point| match &point.kind {
            AttachKind::Usdt { path, .. } | AttachKind::Uprobe { path, .. } => open(path),
            _ => false,
        });
        if any { Until::Entry } else { Until::Exec }
    }

    /// Looks for the probes, and compiles for this machine.
    ///
    /// # Errors
    /// The script has mistakes, or names probes that do not exist.
    pub fn compile(self, request: &Request) -> Result<Plan, PlanError> {
        let Draft { script, warnings: mut diagnostics } = self;
        let scope = Scope { pids: request.pids.clone(), command: None, functions: script.uses("func") };
        let collected = catalog::collect(&script, &scope);
        let features = Features::detect();
        let target = target(&features, &request.source);
        let options = options(request);
        let compiled = stapes_script::compile(&script, &collected.catalog, &target, &options);
        match compiled {
            Ok((object, warnings)) => {
                diagnostics.extend(warnings);
                Ok(Plan {
                    print_maps: prints_maps(&script),
                    script,
                    catalog: collected.catalog,
                    object,
                    warnings: diagnostics,
                    skipped: collected.skipped,
                })
            }
            Err(more) => {
                diagnostics.extend(more);
                Err(PlanError { diagnostics, skipped: collected.skipped })
            }
        }
    }
}

impl Plan {
    /// Parses and compiles.
    ///
    /// # Errors
    /// As [`Draft::parse`] and [`Draft::compile`].
    pub fn make(request: &Request) -> Result<Plan, PlanError> {
        Draft::parse(&request.source, &request.parameters)?.compile(request)
    }

    /// The programs before they became bytecode.
    pub fn functions(&self, request: &Request) -> Vec<Function> {
        let target = target(&Features::detect(), &request.source);
        let lowered = stapes_script::lower(&self.script, &self.catalog, &target, &options(request));
        lowered.map(|(module, _)| module.functions).unwrap_or_default()
    }

    /// Brings the object into the kernel. Nothing runs yet.
    ///
    /// # Errors
    /// The kernel refuses it.
    pub fn load(self, method: Method, verifier_log: bool) -> Result<Loaded, stapes_kernel::Error> {
        Loaded::load(self.object, &LoadOptions { method, verifier_log })
    }
}

/// This machine, as far as the script needs to know it.
fn target(features: &Features, source: &str) -> Target {
    // Reading the kernel's types takes longer than all the rest of a start, and only functions with these in their names need them.
    let strings = ["str", "join", "buf", "len"].iter().any(|name| source.contains(name));
    Target {
        arch: HOST,
        uprobe_multi: features.uprobe_multi(),
        copy_from_user_str: strings && features.copy_from_user_str(),
        attach_cookie: features.attach_cookie(),
        bpf_v4: features.version() >= (6, 6),
        cpus: features.possible_cpus(),
        page_size: u32::try_from(rustix::param::page_size()).unwrap_or(4096),
    }
}

/// bpftrace's environment variables and what the command line says.
fn options(request: &Request) -> Options {
    let number = |names: &[&str], otherwise: u32| {
        let set = names.iter().find_map(|name| std::env::var(name).ok());
        set.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    };
    let usual = Options::default();
    let pages = number(&["BPFTRACE_PERF_RB_PAGES"], 0);
    let page = u32::try_from(rustix::param::page_size()).unwrap_or(4096);
    Options {
        max_strlen: number(&["BPFTRACE_MAX_STRLEN", "BPFTRACE_STRLEN"], usual.max_strlen),
        max_map_keys: number(&["BPFTRACE_MAX_MAP_KEYS", "BPFTRACE_MAP_KEYS_MAX"], usual.max_map_keys),
        max_probes: number(&["BPFTRACE_MAX_PROBES"], usual.max_probes),
        ring_bytes: if pages == 0 { usual.ring_bytes } else { pages.saturating_mul(page) },
        parameters: request.parameters.clone(),
        allow_unsafe: request.allow_unsafe,
    }
}

/// `config = { print_maps_on_exit = false }`.
fn prints_maps(script: &Script) -> bool {
    let setting = script.config.iter().rev().find(|(name, _)| name.text == "print_maps_on_exit");
    !matches!(setting.map(|(_, value)| &value.kind), Some(ExprKind::Integer(0) | ExprKind::Bool(false)))
}

/// The architecture that this program was built for, and so the one that runs the programs.
#[cfg(target_arch = "aarch64")]
const HOST: Arch = Arch::Aarch64;
/// The architecture that this program was built for, and so the one that runs the programs.
#[cfg(not(target_arch = "aarch64"))]
const HOST: Arch = Arch::X86_64;
