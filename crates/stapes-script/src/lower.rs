//! Lowering: from the checked [`Tree`] to the IR of a [`Module`], with what the catalog found.
//!
//! # Programs
//! Each block of the script becomes one program for all its user-space probes and sites
//! ([`places`] says how sites that differ share it), and one more for each BEGIN, END and interval.
//!
//! # Order of evaluation
//! The predicate comes first, and nothing is read before the expression that needs it is evaluated.
//! What cannot change while a program runs (arguments, process and thread ids, the cookie) is read once and kept,
//! as far as the first reading is on every path to the later ones: a branch forgets what it read when it ends.
//!
//! # Exactness
//! A probe can fire while a program of the same script is preempted, or sleeps, on the same CPU.
//! So what several programs may change is changed by atomic instructions, even in per-CPU maps;
//! a new key is first inserted with zeroes, only if it is not there, and then updated as any other.
//! What does not fit is counted ([`LossCause`]) where it happens, once for each thing that is lost.

mod aggregate;
mod body;
mod builder;
mod builtin;
mod event;
mod expression;
mod map;
mod memory;
mod places;
mod stack;
mod statement;

use std::collections::HashMap;

use stapes_bpf::{Attachment, Event, LossCause, Map, MapKind, MapRole, Point, ProgramKind, Type, Value};

use crate::ast::{AttachKind, AttachPoint, Script, Span};
use crate::catalog::{Answer, Catalog, Match, Options, Place as Found, Target};
use crate::diagnostics::{Diagnostic, semantic as diag};
use crate::ir::{Function, MapId, Module};
use crate::tree::{ProbeBlock, Tree};
use body::{Body, Column, Surroundings};
use places::{Place, Variant};

/// The most bytes of a record: what a program can hold in memory (see emission).
const MAX_RECORD: u32 = 32 << 10;

/// The most maps that one program may use: the kernel's `MAX_USED_MAPS`, less those that emission may add.
const MAX_MAPS: usize = 62;

/// Lowers a checked script. The module is complete only if no diagnostic is an error.
pub(crate) fn lower(
    tree: &Tree,
    script: &Script,
    catalog: &Catalog,
    target: &Target,
    options: &Options,
) -> (Module, Vec<Diagnostic>) {
    let mut lowering = Lowering {
        tree,
        target,
        options,
        module: Module { images: catalog.images.clone(), ..Module::default() },
        diagnostics: Vec::new(),
        events: None,
        start: None,
        probes: HashMap::new(),
        functions: HashMap::new(),
    };
    lowering.declare_maps();
    lowering.declare_probes(script, catalog);
    if tree.blocks.iter().any(|block| block.uses.elapsed) {
        lowering.remember_start();
    }
    let nothing = Answer::default();
    let mut answers = catalog.answers.iter();
    for (index, (source, block)) in script.blocks.iter().zip(&tree.blocks).enumerate() {
        let points: Vec<_> = source.points.iter().map(|p| (p, answers.next().unwrap_or(&nothing))).collect();
        lowering.block(index, block, &points);
    }
    lowering.finish()
}

/// What is known while a script is lowered.
struct Lowering<'a> {
    tree: &'a Tree,
    target: &'a Target,
    options: &'a Options,
    module: Module,
    diagnostics: Vec<Diagnostic>,
    /// The ring buffer, once something needs it.
    events: Option<MapId>,
    /// The map with the time of the start, if `elapsed` is used.
    start: Option<MapId>,
    /// Indices of probes' names in [`Module::probes`]; all are known before the first block is lowered.
    probes: HashMap<String, u32>,
    /// Indices of functions' names there, which stand behind them.
    functions: HashMap<String, u32>,
}

/// A site to attach to, before its variant is known.
struct Site {
    image: u32,
    offset: u64,
    semaphore: u64,
    ret: bool,
    probe: u32,
    variant: Variant,
}

impl<'a> Lowering<'a> {
    fn declare_maps(&mut self) {
        for table in &self.tree.stacks {
            let name = if table.kernel { "kernel_stacks" } else { "user_stacks" };
            self.module.maps.push(Map {
                name: format!("{name}_{}", table.frames),
                kind: MapKind::Hash,
                key_size: 8,
                value_size: 8 + 8 * table.frames,
                max_entries: self.options.max_map_keys.max(1),
                role: MapRole::Stacks { kernel: table.kernel, frames: table.frames },
            });
        }
        for map in &self.tree.maps {
            let keyed = !map.key.is_empty();
            let (kind, flag) = match (&map.value, keyed) {
                (Value::Plain(_), true) => (MapKind::Hash, 0),
                // Behind a plain value stands whether it was ever set.
                (Value::Plain(_), false) => (MapKind::Array, 8),
                (Value::Aggregate(_), true) => (MapKind::PerCpuHash, 0),
                (Value::Aggregate(_), false) => (MapKind::PerCpuArray, 0),
            };
            self.module.maps.push(Map {
                name: map.name.clone(),
                kind,
                key_size: if keyed { Type::layout(map.key.iter()).1 } else { 4 },
                value_size: map.value.size().next_multiple_of(8) + flag,
                max_entries: if keyed { self.options.max_map_keys.max(1) } else { 1 },
                role: MapRole::Script { key: map.key.clone(), value: map.value.clone() },
            });
        }
    }

    fn add_map(&mut self, map: Map) -> MapId {
        self.module.maps.push(map);
        MapId(self.module.maps.len() as u32 - 1)
    }

    /// The ring buffer.
    fn events(&mut self) -> MapId {
        if let Some(events) = self.events {
            return events;
        }
        let bytes = self.options.ring_bytes.max(self.target.page_size).next_power_of_two();
        let events = self.add_map(Map {
            name: "events".into(),
            kind: MapKind::RingBuf,
            key_size: 0,
            value_size: 0,
            max_entries: bytes,
            role: MapRole::Events,
        });
        self.events = Some(events);
        events
    }

    /// The map of loss counters, and the counter for a cause.
    fn loss(&mut self, cause: LossCause) -> (MapId, u32) {
        let index = match self.module.losses.iter().position(|known| *known == cause) {
            Some(index) => index,
            None => {
                self.module.losses.push(cause);
                self.module.losses.len() - 1
            }
        };
        let map = match self.module.maps.iter().position(|map| map.role == MapRole::Lost) {
            Some(map) => MapId(map as u32),
            None => self.add_map(Map {
                name: "lost".into(),
                kind: MapKind::PerCpuArray,
                key_size: 4,
                value_size: 8,
                max_entries: 1,
                role: MapRole::Lost,
            }),
        };
        (map, index as u32)
    }

    fn event(&mut self, event: Event) -> u32 {
        self.module.events.push(event);
        self.module.events.len() as u32 - 1
    }

    /// A program that runs before all others and notes the time, for `elapsed`.
    fn remember_start(&mut self) {
        let start = self.add_map(Map {
            name: "start".into(),
            kind: MapKind::Array,
            key_size: 4,
            value_size: 8,
            max_entries: 1,
            role: MapRole::Private,
        });
        self.start = Some(start);
        let function = builtin::start_program(start);
        self.attach(function, Point::Start);
    }

    fn attach(&mut self, function: Function, point: Point) {
        let program = self.program(function);
        self.module.attachments.push(Attachment { program, point });
    }

    fn program(&mut self, function: Function) -> u32 {
        self.module.functions.push(function);
        self.module.functions.len() as u32 - 1
    }

    fn declare_probes(&mut self, script: &Script, catalog: &Catalog) {
        let mut answers = catalog.answers.iter();
        for point in script.attach_points() {
            let matches = answers.next().map_or(&[][..], |answer| &answer.matches[..]);
            if matches.is_empty() {
                self.probe_name(&point.text);
            }
            for found in matches {
                self.probe_name(&found.name);
            }
        }
    }

    fn probe_name(&mut self, name: &str) -> u32 {
        if let Some(index) = self.probes.get(name) {
            return *index;
        }
        let index = self.module.probes.len() as u32;
        self.module.probes.push(name.to_string());
        self.probes.insert(name.to_string(), index);
        index
    }

    fn function_name(&mut self, name: Option<&str>) -> u32 {
        let name = name.unwrap_or("");
        if let Some(index) = self.functions.get(name) {
            return *index;
        }
        let index = self.module.probes.len() as u32;
        self.module.probes.push(name.to_string());
        self.functions.insert(name.to_string(), index);
        index
    }

    fn block(&mut self, index: usize, block: &ProbeBlock, points: &[(&AttachPoint, &Answer)]) {
        let mut sites = Vec::new();
        let mut missing = Missing::default();
        let mut first = None;
        for (point, answer) in points {
            let (name, at) = match &point.kind {
                AttachKind::Begin => ("begin", Point::Begin),
                AttachKind::End => ("end", Point::End),
                AttachKind::Interval(nanoseconds) => {
                    ("interval", Point::Interval { nanoseconds: *nanoseconds })
                }
                AttachKind::Usdt { .. } | AttachKind::Uprobe { .. } => {
                    first = first.or(Some(match &point.kind {
                        AttachKind::Usdt { .. } => "usdt",
                        AttachKind::Uprobe { ret: false, .. } => "uprobe",
                        _ => "uretprobe",
                    }));
                    self.find_sites(block, point, answer, &mut sites, &mut missing);
                    continue;
                }
                // Checking has refused all others.
                _ => continue,
            };
            let probe = self.probe_name(&point.text);
            let name = format!("{name}_{index}");
            let function = self.compile(name, ProgramKind::Run, block, Surroundings::run(probe));
            self.attach(function, at);
        }
        self.complain_of_missing(block, sites.len(), missing);
        if let (Some(kind), false) = (first, sites.is_empty()) {
            self.probe_program(format!("{kind}_{index}"), block, sites);
        }
    }

    /// The program of a block for all its sites, and its attachments.
    fn probe_program(&mut self, name: String, block: &ProbeBlock, sites: Vec<Site>) {
        let mut variants: Vec<Variant> = sites.iter().map(|site| site.variant.clone()).collect();
        variants.sort();
        variants.dedup();
        let mut probes: Vec<u32> = sites.iter().map(|site| site.probe).collect();
        probes.sort_unstable();
        probes.dedup();
        let surroundings = Surroundings {
            columns: columns(block),
            probe: if let [only] = probes[..] { Some(only) } else { None },
            variants: variants.clone(),
        };
        let reads_cookie = variants.len() > 1 || surroundings.probe.is_none();
        let before = self.diagnostics.len();
        let function = self.compile(name, ProgramKind::Uprobe, block, surroundings);
        if self.diagnostics.len() > before {
            return;
        }
        if reads_cookie && !self.target.attach_cookie && uses_cookie(&function) {
            let what = "telling several sites apart";
            self.diagnostics.push(diag::kernel_too_old(Span::default(), what, "5.15"));
        }
        let program = self.program(function);
        for Site { image, offset, semaphore, ret, probe, variant } in sites {
            let variant = variants.binary_search(&variant).unwrap_or_default() as u64;
            let cookie = u64::from(probe) << 32 | variant;
            let point = Point::Uprobe { image, offset, semaphore, cookie, ret };
            self.module.attachments.push(Attachment { program, point });
        }
    }

    fn compile(
        &mut self,
        name: String,
        kind: ProgramKind,
        block: &ProbeBlock,
        surroundings: Surroundings,
    ) -> Function {
        let sleepable = kind == ProgramKind::Uprobe && block.uses.user_memory && self.target.uprobe_multi;
        // The kernel's limit for program names is 15 bytes.
        let name = name.chars().take(15).collect();
        let function = Body::new(self, block, surroundings, sleepable).compile(name, kind);
        let maps = maps_used(&function);
        if maps.len() > MAX_MAPS {
            let span = block.body.first().map(|s| s.span).unwrap_or_default();
            self.diagnostics.push(diag::too_many_maps(span, maps.len(), MAX_MAPS));
        }
        function
    }

    /// Collects the sites that an attach point matches, with what the block uses at each.
    fn find_sites(
        &mut self,
        block: &ProbeBlock,
        point: &AttachPoint,
        answer: &Answer,
        sites: &mut Vec<Site>,
        missing: &mut Missing,
    ) {
        if let Some(reason) = &answer.failure {
            self.diagnostics.push(diag::search_failed(point.span, &point.text, reason));
            return;
        }
        if answer.matches.is_empty() {
            self.diagnostics.push(crate::diagnostics::unknown_probe(point.span, &point.text, &answer.near));
            return;
        }
        for found in &answer.matches {
            let probe = self.probe_name(&found.name);
            match &found.place {
                Found::Usdt { probe: usdt, functions } => {
                    for (number, site) in usdt.sites.iter().enumerate() {
                        let Some(offset) = site.file_offset else {
                            self.diagnostics.push(diag::unmapped_site(point.span, &found.name, site.pc.0));
                            continue;
                        };
                        let function = functions.get(number).and_then(|f| f.as_deref());
                        let variant = self.variant(block, found, Some(site), function, missing);
                        sites.push(Site {
                            image: found.image,
                            offset: offset.0,
                            semaphore: site.semaphore_offset.map_or(0, |s| s.0),
                            ret: false,
                            probe,
                            variant,
                        });
                    }
                }
                Found::Function { function, file_offset, .. } => {
                    let variant = self.variant(block, found, None, Some(function), missing);
                    let ret = matches!(point.kind, AttachKind::Uprobe { ret: true, .. });
                    let (image, offset) = (found.image, *file_offset);
                    sites.push(Site { image, offset, semaphore: 0, ret, probe, variant });
                }
            }
        }
    }

    /// The places of what the block uses at one site.
    fn variant(
        &mut self,
        block: &ProbeBlock,
        found: &Match,
        site: Option<&stapes_binary::Site>,
        function: Option<&str>,
        missing: &mut Missing,
    ) -> Variant {
        let host = self.target.arch;
        let mut places = Vec::new();
        for (&index, &span) in &block.uses.arguments {
            let place = match site {
                None => match places::of_call(host, found.arch, index) {
                    Some(place) => place,
                    None => {
                        let what = format!("arguments of {} functions on this machine", found.arch);
                        self.diagnostics.push(diag::not_supported(span, &what));
                        Place::Missing
                    }
                },
                Some(site) => match site.args.get(index as usize) {
                    None => {
                        missing.note(index, &found.name, site.args.len());
                        Place::Missing
                    }
                    Some(arg) => {
                        let read = match &arg.spec {
                            Ok(spec) => places::of_spec(host, found.arch, site.pc.0, spec),
                            Err(error) => Err(error.reason),
                        };
                        read.unwrap_or_else(|reason| {
                            let (name, pc) = (&found.name, site.pc.0);
                            self.diagnostics
                                .push(diag::unreadable_argument(span, index, name, pc, &arg.text, reason));
                            Place::Missing
                        })
                    }
                },
            };
            places.push(place);
        }
        let pc = match (site, &found.place) {
            (Some(site), _) => site.pc.0,
            (None, Found::Function { address, .. }) => address.0,
            (None, Found::Usdt { .. }) => 0,
        };
        for ((name, value), &span) in &block.uses.variables {
            places.push(match found.variables.iter().find(|v| v.name == *name) {
                Some(variable) => places::of_variable(found.arch, pc, variable, *value),
                None => {
                    self.diagnostics.push(diag::unknown_variable(span, name, &found.name));
                    Place::Missing
                }
            });
        }
        let function = if block.uses.func { self.function_name(function) } else { 0 };
        Variant { function, places }
    }

    /// Arguments that no site has are an error; those that some have read as 0 at the others, with a warning.
    fn complain_of_missing(&mut self, block: &ProbeBlock, all: usize, missing: Missing) {
        for (index, (probe, count, times)) in missing.0 {
            let span = block.uses.arguments.get(&index).copied().unwrap_or_default();
            self.diagnostics.push(match times == all {
                true => diag::no_such_argument(span, index, &probe, count),
                false => diag::missing_argument(span, index, &probe, times, all),
            });
        }
    }

    fn finish(mut self) -> (Module, Vec<Diagnostic>) {
        let places = self.module.attachments.len();
        if places > self.options.max_probes as usize {
            self.diagnostics.push(diag::too_many_probes(Span::default(), places, self.options.max_probes));
        }
        let lost = self.module.losses.len() as u32;
        if let Some(map) = self.module.maps.iter_mut().find(|map| map.role == MapRole::Lost) {
            map.max_entries = lost.max(1);
        }
        (self.module, self.diagnostics)
    }
}

/// What the places of a block's variants are of.
fn columns(block: &ProbeBlock) -> Vec<Column> {
    let arguments = block.uses.arguments.keys().map(|index| Column::Argument(*index));
    let variables = block.uses.variables.keys().map(|(name, value)| Column::Variable(name.clone(), *value));
    arguments.chain(variables).collect()
}

/// Arguments that sites do not have: (the first such probe, how many it has, at how many sites), by number.
#[derive(Default)]
struct Missing(std::collections::BTreeMap<u32, (String, usize, usize)>);

impl Missing {
    fn note(&mut self, index: u32, probe: &str, count: usize) {
        let entry = self.0.entry(index).or_insert_with(|| (probe.to_string(), count, 0));
        entry.2 += 1;
    }
}

fn maps_used(function: &Function) -> std::collections::BTreeSet<MapId> {
    use crate::ir::{Argument, Inst};
    let mut maps = std::collections::BTreeSet::new();
    for (inst, _) in function.blocks.iter().flat_map(|block| &block.insts) {
        match inst {
            Inst::MapValue { map, .. } => {
                maps.insert(*map);
            }
            Inst::Call { arguments, .. } => maps.extend(arguments.iter().filter_map(|a| match a {
                Argument::Map(map) => Some(*map),
                _ => None,
            })),
            _ => {}
        }
    }
    maps
}

fn uses_cookie(function: &Function) -> bool {
    use crate::ir::{Callee, Helper, Inst};
    let is_cookie =
        |inst: &Inst| matches!(inst, Inst::Call { callee: Callee::Helper(Helper::GetAttachCookie), .. });
    function.blocks.iter().any(|block| block.insts.iter().any(|(inst, _)| is_cookie(inst)))
}
