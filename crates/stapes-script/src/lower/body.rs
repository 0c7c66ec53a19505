//! Lowering the body of one program: what all parts of it share.

use std::collections::HashMap;

use stapes_bpf::{LossCause, ProgramKind, Type};

use super::Lowering;
use super::builder::{Builder, at, number};
use super::places::Variant;
use crate::ast::Span;
use crate::check::types::is_scalar;
use crate::diagnostics::Diagnostic;
use crate::ir::{
    Address, Argument, BlockId, CompareOp, Function, Helper, Inst, MapId, Reg, SlotId, Terminator, Value,
    Width,
};
use crate::tree::{MapIndex, ProbeBlock, VariableIndex};

/// What a program knows of the probes that it runs at.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    /// What the places of each variant are of, in their order.
    pub(super) columns: Vec<Column>,
    /// The name of the probe, if it is always the same.
    pub(super) probe: Option<u32>,
    /// The ways in which its sites differ.
    pub(super) variants: Vec<Variant>,
}

/// What differs between sites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// An argument of the probe.
    Argument(u32),
    /// A variable of the program: its name, and whether it is the value that is wanted.
    Variable(String, bool),
}

impl Surroundings {
    /// Those of BEGIN and its kin.
    pub(super) fn run(probe: u32) -> Surroundings {
        Surroundings { probe: Some(probe), ..Surroundings::default() }
    }
}

/// What is read once and kept: it cannot change while the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kept {
    /// Process and thread.
    PidTgid,
    /// User and group.
    UidGid,
    /// The cookie.
    Cookie,
    /// The variant of the site.
    Variant,
    /// An argument or variable, by its index among the columns.
    Column(usize),
}

/// Where a variable lives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Home {
    Register(Reg),
    Slot(SlotId),
}

/// A loop, for `break` and `continue`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loop {
    pub(super) next: BlockId,
    pub(super) done: BlockId,
}

/// The lowering of one program.
pub(super) struct Body<'l, 'a> {
    pub(super) lowering: &'l mut Lowering<'a>,
    pub(super) source: &'l ProbeBlock,
    pub(super) surroundings: Surroundings,
    pub(super) code: Builder,
    pub(super) loops: Vec<Loop>,
    sleepable: bool,
    kept: Vec<HashMap<Kept, Value>>,
    homes: HashMap<VariableIndex, Home>,
}

impl<'l, 'a> Body<'l, 'a> {
    pub(super) fn new(
        lowering: &'l mut Lowering<'a>,
        source: &'l ProbeBlock,
        surroundings: Surroundings,
        sleepable: bool,
    ) -> Self {
        Body {
            lowering,
            source,
            surroundings,
            code: Builder::new(),
            loops: Vec::new(),
            sleepable,
            kept: vec![HashMap::new()],
            homes: HashMap::new(),
        }
    }

    /// The whole program.
    pub(super) fn compile(mut self, name: String, kind: ProgramKind) -> Function {
        let source = self.source;
        if let Some(predicate) = &source.predicate {
            let (body, done) = (self.code.block(), self.code.block());
            self.condition(predicate, body, done);
            self.code.switch_to(done);
            self.code.end(Terminator::Return(Value::Imm(0)));
            self.code.switch_to(body);
        }
        self.statements(&source.body);
        self.code.end(Terminator::Return(Value::Imm(0)));
        if self.code.is_full() {
            let span = source.body.first().map(|statement| statement.span).unwrap_or_default();
            self.complain(crate::diagnostics::program_too_long(span, &name));
        }
        self.code.finish(name, kind, self.sleepable)
    }

    /// Whether user memory may be faulted in.
    pub(super) fn can_sleep(&self) -> bool {
        self.sleepable
    }

    /// Records a complaint.
    pub(super) fn complain(&mut self, diagnostic: Diagnostic) {
        self.lowering.diagnostics.push(diagnostic);
    }

    /// The object's map for a map of the script.
    pub(super) fn map_id(&self, map: MapIndex) -> MapId {
        MapId((self.lowering.tree.stacks.len() + map.0) as u32)
    }

    /// Runs `inner` where control may not come: what it reads is not kept for what follows.
    pub(super) fn apart<T>(&mut self, inner: impl FnOnce(&mut Self) -> T) -> T {
        self.kept.push(HashMap::new());
        let result = inner(self);
        self.kept.pop();
        result
    }

    /// The kept value, read now if it was not before.
    pub(super) fn keep(&mut self, what: Kept, read: impl FnOnce(&mut Self) -> Value) -> Value {
        if let Some(value) = self.kept.iter().rev().find_map(|scope| scope.get(&what)) {
            return *value;
        }
        let value = read(self);
        if let Some(scope) = self.kept.last_mut() {
            scope.insert(what, value);
        }
        value
    }

    /// The type of a variable.
    pub(super) fn variable_type(&self, variable: VariableIndex) -> Type {
        self.source.variables[variable.0].clone()
    }

    /// Where a variable lives; from its first use on, it has a home.
    pub(super) fn home(&mut self, variable: VariableIndex) -> Home {
        if let Some(home) = self.homes.get(&variable) {
            return *home;
        }
        let ty = self.variable_type(variable);
        let home = match is_scalar(&ty) {
            true => Home::Register(self.code.register()),
            false => Home::Slot(self.code.slot(ty.size())),
        };
        self.homes.insert(variable, home);
        home
    }

    /// The variables that have a home, to forget those that come later.
    pub(super) fn forget_homes_but(&mut self, known: &HashMap<VariableIndex, Home>) {
        let homes = std::mem::replace(&mut self.homes, known.clone());
        for (variable, home) in homes {
            if let (false, Home::Slot(slot)) = (known.contains_key(&variable), home) {
                self.code.give_back(slot);
            }
        }
    }

    /// The homes at this point.
    pub(super) fn homes(&self) -> HashMap<VariableIndex, Home> {
        self.homes.clone()
    }

    /// A pointer to the value of a key, or 0.
    pub(super) fn look_up(&mut self, map: MapId, key: Address) -> Reg {
        self.code.call(Helper::MapLookupElem, vec![Argument::Map(map), Argument::Address(key)])
    }

    /// The key of the only entry of an array.
    pub(super) fn zero_key(&mut self) -> Address {
        let key = self.code.temporary(8);
        self.code.store(key, Value::Imm(0), Width::B4);
        key
    }

    /// Two blocks: the first runs where `pointer` is not 0, the second where it is; both go on at the returned block,
    /// which becomes the current one.
    pub(super) fn if_found(
        &mut self,
        pointer: Reg,
        found: impl FnOnce(&mut Self),
        missing: impl FnOnce(&mut Self),
    ) {
        let condition = (CompareOp::Ne, Value::Reg(pointer), Value::Imm(0));
        self.if_else(condition, found, missing);
    }

    /// `if a op b { then } else { otherwise }`.
    pub(super) fn if_else(
        &mut self,
        (op, a, b): (CompareOp, Value, Value),
        then: impl FnOnce(&mut Self),
        otherwise: impl FnOnce(&mut Self),
    ) {
        let (yes, no, on) = (self.code.block(), self.code.block(), self.code.block());
        self.code.branch(op, a, b, yes, no);
        self.code.switch_to(yes);
        self.apart(then);
        self.code.jump(on);
        self.code.switch_to(no);
        self.apart(otherwise);
        self.code.jump(on);
        self.code.switch_to(on);
    }

    /// Counts something as lost.
    pub(super) fn count_loss(&mut self, cause: LossCause) {
        let (map, index) = self.lowering.loss(cause);
        let key = self.code.temporary(8);
        self.code.store(key, Value::Imm(i64::from(index)), Width::B4);
        let counter = self.look_up(map, key);
        self.if_found(
            counter,
            |body| {
                let (to, src, width) = (at(counter), Value::Imm(1), Width::B8);
                body.code.push(Inst::AtomicAdd { to, src, width });
            },
            |_| {},
        );
    }

    /// `helper(destination, length, source)`: a copy of memory that may fail; gives the helper's result.
    pub(super) fn read_memory(&mut self, helper: Helper, to: Address, length: Value, from: Argument) -> Reg {
        self.code.call(helper, vec![Argument::Address(to), Argument::Value(length), from])
    }

    /// A number that the traced program has in memory; 0 where it cannot be read.
    pub(super) fn user_number(&mut self, address: Value, width: Width, signed: bool) -> Value {
        let helper = if self.sleepable { Helper::CopyFromUser } else { Helper::ProbeReadUser };
        let slot = self.code.temporary(8);
        let arguments =
            vec![Argument::Address(slot), number(i64::from(width.bytes())), Argument::Value(address)];
        // Both helpers leave zeroes where they fail.
        self.code.call_for_effect(helper, arguments);
        self.code.load(slot, width, signed)
    }

    /// The place in the source from which the next instructions come.
    /// Gives the place until now, to go back to.
    pub(super) fn at(&mut self, span: Span) -> Span {
        self.code.at(span)
    }
}
