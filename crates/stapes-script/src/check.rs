//! Semantic analysis: from the parsed script to the checked [`Tree`].
//!
//! Maps are global and need no declaration, so the type of `@x` may be known only from a block further down,
//! and a string assigned late may be longer than one assigned early.
//! So the whole script is checked in rounds: what is learned of maps and variables (their [`Growing`] types) is kept
//! from round to round, everything else, complaints included, is thrown away, until a round learns nothing new.
//! Types only ever grow, and the number of rounds is bounded, so this ends.
//!
//! A check that cannot give a result (because it has complained, or because a type is not known *yet*) gives `None`,
//! and whoever needs the result gives `None` in turn. So one mistake is one complaint.

pub(crate) mod expression;
mod map;
pub(crate) mod operator;
mod statement;
pub(crate) mod types;

use std::collections::{BTreeMap, HashMap};

use stapes_bpf::Value;

use crate::ast::{AttachKind, AttachPoint, Name, Script, Span};
use crate::catalog::{Options, Target};
use crate::diagnostics::{Diagnostic, Severity, semantic as diag};
use crate::tree::{Expr, Map, MapIndex, ProbeBlock, StackTable, Tree, Uses, VariableIndex};
use map::MapState;
use types::Growing;

/// Checks a script. The tree is complete only if no diagnostic is an error.
pub(crate) fn check(script: &Script, target: &Target, options: &Options) -> (Tree, Vec<Diagnostic>) {
    let mut checker = Checker {
        target,
        options,
        diagnostics: Vec::new(),
        maps: Vec::new(),
        map_indices: HashMap::new(),
        stacks: Vec::new(),
        variables: BTreeMap::new(),
        learned: false,
        last: false,
        block: BlockState::new(0, &[]),
    };
    let mut rounds = 0;
    let blocks = loop {
        checker.learned = false;
        checker.diagnostics.clear();
        let blocks = checker.script(script);
        rounds += 1;
        // Each round but the last learns of at least one map or variable; the bound is for strings that grow in turns.
        let most = 4 + checker.maps.len() + checker.variables.len();
        if checker.last {
            break blocks;
        }
        // One more round when all is learned, in which what is unknown is complained about.
        checker.last = !checker.learned || rounds > most.min(100);
    };
    if checker.diagnostics.iter().any(|d| d.severity == Severity::Error) {
        // Where something was not understood, so was what it reads.
        checker.diagnostics.retain(|d| d.slug != "unused-variable");
    }
    let tree = Tree { blocks, maps: checker.finished_maps(), stacks: checker.stacks };
    (tree, checker.diagnostics)
}

/// What is known while a script is checked.
pub(crate) struct Checker<'a> {
    /// The machine that the code is for.
    pub(crate) target: &'a Target,
    /// What the user configured.
    pub(crate) options: &'a Options,
    diagnostics: Vec<Diagnostic>,
    maps: Vec<MapState>,
    /// Where in `maps` a name is, without its `@`.
    map_indices: HashMap<String, MapIndex>,
    stacks: Vec<StackTable>,
    /// What is known of variables, by block and index, over the rounds.
    variables: BTreeMap<(usize, usize), Growing>,
    /// Whether this round learned something.
    learned: bool,
    /// Whether this is the last round, so that what is still unknown is wrong.
    last: bool,
    block: BlockState<'a>,
}

/// What is known of the block that is being checked.
struct BlockState<'a> {
    index: usize,
    points: &'a [AttachPoint],
    scopes: Vec<HashMap<String, VariableIndex>>,
    variables: Vec<VariableState>,
    uses: Uses,
    loops: u32,
}

/// A variable of the block that is being checked.
struct VariableState {
    name: String,
    span: Span,
    read: bool,
}

impl<'a> BlockState<'a> {
    fn new(index: usize, points: &'a [AttachPoint]) -> Self {
        let (scopes, variables) = (vec![HashMap::new()], Vec::new());
        BlockState { index, points, scopes, variables, uses: Uses::default(), loops: 0 }
    }
}

/// The kinds of places that a probe can be, as far as builtins care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    /// Run by stapes itself: BEGIN, END, interval.
    Timer,
    /// A USDT probe.
    Usdt,
    /// The start, or an instruction, of a function.
    Entry,
    /// The return of a function.
    Return,
}

impl Context {
    /// The context of an attach point; `None` for those that are refused anyway.
    pub(crate) fn of(kind: &AttachKind) -> Option<Context> {
        Some(match kind {
            AttachKind::Begin | AttachKind::End | AttachKind::Interval(_) => Context::Timer,
            AttachKind::Usdt { .. } => Context::Usdt,
            AttachKind::Uprobe { ret: false, .. } => Context::Entry,
            AttachKind::Uprobe { ret: true, .. } => Context::Return,
            _ => return None,
        })
    }
}

impl<'a> Checker<'a> {
    fn script(&mut self, script: &'a Script) -> Vec<ProbeBlock> {
        for (name, _) in &script.config {
            self.complain(diag::not_supported(name.span, "config"));
        }
        for map in &script.maps {
            self.complain(diag::not_supported(map.name.span, "declared maps"));
        }
        for function in &script.functions {
            self.complain(diag::not_supported(function.name.span, "macros and functions"));
        }
        for (_, span) in &script.imports {
            self.complain(diag::not_supported(*span, "import"));
        }
        for definition in &script.definitions {
            use crate::ast::Definition::{Aggregate, Define, Enum};
            let (span, what) = match definition {
                Aggregate { name, .. } => (name.span, "struct and union"),
                Enum { constants, .. } => (constants.first().map(|c| c.0.span).unwrap_or_default(), "enum"),
                Define { name, .. } => (name.span, "#define"),
            };
            self.complain(diag::not_supported(span, what));
        }
        if script.blocks.is_empty() {
            self.complain(diag::no_probes(Span::default()));
        }
        script.blocks.iter().enumerate().map(|(index, block)| self.probe_block(index, block)).collect()
    }

    fn probe_block(&mut self, index: usize, block: &'a crate::ast::ProbeBlock) -> ProbeBlock {
        self.block = BlockState::new(index, &block.points);
        for point in &block.points {
            self.attach_point(point);
        }
        let predicate = block.predicate.as_ref().and_then(|p| self.condition(p));
        let body = self.statements(&block.body);
        let mut variables = Vec::new();
        for index in 0..self.block.variables.len() {
            let known = self.variables.get(&(self.block.index, index));
            variables.push(known.map_or(crate::tree::INT64, |g| g.ty.clone()));
            let VariableState { name, span, read } = &self.block.variables[index];
            if !read && !name.starts_with('_') {
                self.diagnostics.push(diag::unused_variable(*span, name));
            }
        }
        ProbeBlock { predicate, body, variables, uses: std::mem::take(&mut self.block.uses) }
    }

    fn attach_point(&mut self, point: &AttachPoint) {
        match &point.kind {
            AttachKind::Profile(_) => self.complain(diag::not_supported(point.span, "profile probes")),
            AttachKind::Tracepoint { .. } => self.complain(diag::not_supported(point.span, "tracepoints")),
            AttachKind::Software { .. } => self.complain(diag::not_supported(point.span, "software events")),
            AttachKind::Signal(_) => self.complain(diag::not_supported(point.span, "self:signal")),
            AttachKind::Kernel(kind) => self.complain(diag::kernel_probe(point.span, kind)),
            _ => {}
        }
    }

    /// Records a complaint.
    pub(crate) fn complain(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Records a complaint and gives up on the result.
    pub(crate) fn refuse<T>(&mut self, diagnostic: Diagnostic) -> Option<T> {
        debug_assert_eq!(diagnostic.severity, Severity::Error);
        self.complain(diagnostic);
        None
    }

    /// Whether every probe of the block gives one of `contexts`; complains of the first that does not.
    pub(crate) fn require_context(
        &mut self,
        span: Span,
        builtin: &str,
        contexts: &[Context],
        where_it_works: &str,
    ) -> Option<()> {
        let points = self.block.points;
        let wrong = points.iter().find(|p| Context::of(&p.kind).is_some_and(|c| !contexts.contains(&c)));
        match wrong {
            Some(point) => self.refuse(diag::wrong_context(span, builtin, &point.text, where_it_works)),
            None => Some(()),
        }
    }

    /// What the block reads of its surroundings.
    pub(crate) fn uses(&mut self) -> &mut Uses {
        &mut self.block.uses
    }

    /// The table of stacks of at most `frames` frames, with its index among the object's maps.
    pub(crate) fn stack_table(&mut self, kernel: bool, frames: u32) -> (StackTable, u32) {
        let table = StackTable { kernel, frames };
        let index = self.stacks.iter().position(|t| *t == table).unwrap_or_else(|| {
            self.stacks.push(table);
            self.stacks.len() - 1
        });
        (table, index as u32)
    }

    /// What kind of probe the block belongs to, for `probetype`.
    pub(crate) fn probe_type(&mut self, span: Span) -> Option<Expr> {
        let kind_of = |point: &AttachPoint| match &point.kind {
            AttachKind::Begin | AttachKind::End => "special",
            AttachKind::Interval(_) => "interval",
            AttachKind::Usdt { .. } => "usdt",
            AttachKind::Uprobe { ret: false, .. } => "uprobe",
            _ => "uretprobe",
        };
        let mut kinds = self.block.points.iter().map(kind_of);
        let first = kinds.next()?;
        match kinds.all(|kind| kind == first) {
            true => Some(expression::string(first.into(), span)),
            false => self.refuse(diag::not_supported(span, "`probetype` in a block of different kinds")),
        }
    }

    fn declare(&mut self, name: &Name) -> VariableIndex {
        let index = VariableIndex(self.block.variables.len());
        self.block.variables.push(VariableState { name: name.text.clone(), span: name.span, read: false });
        if let Some(scope) = self.block.scopes.last_mut() {
            scope.insert(name.text.clone(), index);
        }
        index
    }

    fn find_variable(&self, name: &str) -> Option<VariableIndex> {
        self.block.scopes.iter().rev().find_map(|scope| scope.get(name).copied())
    }

    /// Learns what a variable holds.
    fn learn_variable(
        &mut self,
        index: VariableIndex,
        name: &Name,
        found: &Growing,
        span: Span,
    ) -> Option<()> {
        use std::collections::btree_map::Entry;
        match self.variables.entry((self.block.index, index.0)) {
            Entry::Vacant(entry) => {
                entry.insert(found.clone());
                self.learned = true;
            }
            Entry::Occupied(mut entry) => {
                let before = entry.get().clone();
                if !entry.get_mut().merge(found) {
                    let (found, wanted) = (diag::name_of(&found.ty), diag::name_of(&before.ty));
                    let name = format!("${}", name.text);
                    return self.refuse(diag::value_mismatch(span, &name, &found, &wanted));
                }
                self.learned |= *entry.get() != before;
            }
        }
        Some(())
    }

    fn finished_maps(&self) -> Vec<Map> {
        self.maps
            .iter()
            .map(|state| Map {
                name: state.name.clone(),
                key: state.key.iter().flatten().map(|g| g.ty.clone()).collect(),
                value: state
                    .value
                    .clone()
                    .map_or(Value::Plain(crate::tree::INT64), map::ValueState::finished),
            })
            .collect()
    }
}
