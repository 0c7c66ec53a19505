//! Maps: what is learned of their keys and values, and whether all uses agree.

use stapes_bpf::{Aggregate, Type, Value};

use super::Checker;
use super::types::{Growing, name_of_value, union_aggregate};
use crate::ast::{Expr as AstExpr, ExprKind as AstKind, Name, Span};
use crate::diagnostics::semantic as diag;
use crate::tree::{Element, Expr, MapIndex};

/// What is known of a map.
pub(super) struct MapState {
    /// Its name with `@`.
    pub(super) name: String,
    /// The parts of its key, once it was used with one, or without.
    pub(super) key: Option<Vec<Growing>>,
    /// What it holds, once that is known.
    pub(super) value: Option<ValueState>,
    /// Whether it is assigned anywhere, if only something wrong.
    assigned: bool,
}

/// What is known of what a map holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ValueState {
    /// A plain value.
    Plain(Growing),
    /// An aggregation.
    Aggregate(Aggregate),
}

impl ValueState {
    /// What the map holds, when all is known.
    pub(super) fn finished(self) -> Value {
        match self {
            ValueState::Plain(growing) => Value::Plain(growing.ty),
            ValueState::Aggregate(aggregate) => Value::Aggregate(aggregate),
        }
    }
}

impl<'a> Checker<'a> {
    /// The map called `name`, known from now on.
    pub(crate) fn map(&mut self, name: &Name) -> MapIndex {
        if let Some(index) = self.map_indices.get(&name.text) {
            return *index;
        }
        self.learned = true;
        let index = MapIndex(self.maps.len());
        self.map_indices.insert(name.text.clone(), index);
        self.maps.push(MapState { name: format!("@{}", name.text), key: None, value: None, assigned: false });
        index
    }

    /// Notes that a map is assigned.
    pub(super) fn note_assignment(&mut self, name: &Name) {
        let map = self.map(name);
        self.maps[map.0].assigned = true;
    }

    /// The map's index among the object's, where the maps of stacks come first.
    pub(crate) fn object_map(&self, map: MapIndex) -> u32 {
        (self.stacks.len() + map.0) as u32
    }

    /// The map's name with `@`.
    pub(crate) fn map_name(&self, map: MapIndex) -> String {
        self.maps[map.0].name.clone()
    }

    /// What the map holds, as far as it is known; in the last round, complains if it is not.
    pub(crate) fn map_value(&mut self, map: MapIndex, span: Span) -> Option<Value> {
        match &self.maps[map.0].value {
            Some(value) => Some(value.clone().finished()),
            // What is wrong with a map that is assigned has been said where it is assigned.
            None if self.last && !self.maps[map.0].assigned => {
                let name = self.map_name(map);
                let known: Vec<_> =
                    self.maps.iter().filter(|m| m.value.is_some()).map(|m| m.name.clone()).collect();
                self.refuse(diag::undefined_map(span, &name, known.iter().map(String::as_str)))
            }
            None => None,
        }
    }

    /// Whether the map has keys, once that is known.
    pub(crate) fn map_has_keys(&self, map: MapIndex) -> Option<bool> {
        self.maps[map.0].key.as_ref().map(|key| !key.is_empty())
    }

    /// An element of a map: checks its key and learns from it. `(a, b)` as the only part of a key is a key of two parts.
    pub(crate) fn element(&mut self, name: &Name, keys: &'a [AstExpr], span: Span) -> Option<Element> {
        let map = self.map(name);
        let parts = match keys {
            [AstExpr { kind: AstKind::Tuple(parts), .. }] => parts,
            _ => keys,
        };
        let parts: Vec<_> = parts.iter().map(|key| self.value(key)).collect();
        let key: Vec<Expr> = parts.into_iter().collect::<Option<_>>()?;
        if let Some(bad) = key.iter().find(|e| matches!(e.ty, Type::Array { .. } | Type::Record(_))) {
            return self.refuse(diag::operand_type(bad.span, "[ ]", &bad.ty));
        }
        self.require_room(&key, span)?;
        let found: Vec<Growing> = key.iter().map(Growing::of).collect();
        self.learn_key(map, found, span)?;
        Some(Element { map, key })
    }

    fn learn_key(&mut self, map: MapIndex, found: Vec<Growing>, span: Span) -> Option<()> {
        let state = &mut self.maps[map.0];
        let Some(known) = &state.key else {
            state.key = Some(found);
            self.learned = true;
            return Some(());
        };
        let mut merged = known.clone();
        let fits = merged.len() == found.len()
            && merged.iter_mut().zip(&found).all(|(known, found)| known.merge(found));
        if !fits {
            let list = |parts: &[Growing]| parts.iter().map(|g| g.ty.clone()).collect::<Vec<_>>();
            let (name, wanted) = (state.name.clone(), list(known));
            return self.refuse(diag::key_mismatch(span, &name, &list(&found), &wanted));
        }
        self.learned |= state.key.as_ref() != Some(&merged);
        state.key = Some(merged);
        Some(())
    }

    /// Learns what is assigned to a map's elements.
    pub(crate) fn learn_value(&mut self, map: MapIndex, found: ValueOf<'_>, span: Span) -> Option<()> {
        let found = match found {
            ValueOf::Plain(expr) => ValueState::Plain(Growing::of(expr)),
            ValueOf::Aggregate(aggregate) => ValueState::Aggregate(aggregate),
        };
        let state = &mut self.maps[map.0];
        let merged = match (state.value.clone(), &found) {
            (None, _) => Some(found.clone()),
            (Some(ValueState::Plain(mut known)), ValueState::Plain(found)) => {
                known.merge(found).then_some(ValueState::Plain(known))
            }
            (Some(ValueState::Aggregate(known)), ValueState::Aggregate(found)) => {
                union_aggregate(known, *found).map(ValueState::Aggregate)
            }
            _ => None,
        };
        let Some(merged) = merged else {
            let name = state.name.clone();
            let wanted = state.value.clone().map(|v| name_of_value(&v.finished())).unwrap_or_default();
            let same_function = name_of_value(&found.clone().finished()) == wanted;
            let found = match same_function {
                true => format!("{wanted} with other limits"),
                false => name_of_value(&found.finished()),
            };
            return self.refuse(diag::value_mismatch(span, &name, &found, &wanted));
        };
        self.learned |= state.value.as_ref() != Some(&merged);
        state.value = Some(merged);
        Some(())
    }
}

/// What is assigned to a map.
pub(crate) enum ValueOf<'e> {
    /// The value of an expression.
    Plain(&'e Expr),
    /// An aggregation.
    Aggregate(Aggregate),
}
