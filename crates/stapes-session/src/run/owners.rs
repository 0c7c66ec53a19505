//! Whose addresses the maps of a script hold.
//!
//! An address that was kept in a map is looked up when the map is shown, and then its process may be gone. So while the
//! script runs the maps are looked through for processes that are not known yet.

use std::collections::BTreeSet;

use stapes_bpf::{Map, MapRole, Type, Value as Stored};
use stapes_kernel::Loaded;

use crate::events::{Cell, MapContent, Value};

/// Whether a map of the script holds addresses of processes.
pub(super) fn holds_user_code(map: &Map) -> bool {
    match &map.role {
        MapRole::Script { key, value } => {
            key.iter().any(is_user_code) || matches!(value, Stored::Plain(ty) if is_user_code(ty))
        }
        _ => false,
    }
}

/// The processes whose addresses are in the maps now. What cannot be read now is read at the end.
pub(super) fn owners(loaded: &Loaded) -> BTreeSet<u32> {
    let mut pids = BTreeSet::new();
    for (index, map) in loaded.object().maps.iter().enumerate() {
        if !holds_user_code(map) {
            continue;
        }
        let Some(Ok(entries)) = loaded.map(index as u32).map(|handle| handle.entries()) else { continue };
        let raw = entries.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        let Some(content) = MapContent::new(map, raw, false) else { continue };
        for entry in &content.entries {
            content.key_values(entry).for_each(|value| collect(value, &mut pids));
            if let (Stored::Plain(ty), Cell::Plain(bytes)) = (content.value, &entry.value) {
                collect(Value::read(ty, bytes), &mut pids);
            }
        }
    }
    pids
}

fn collect(value: Value<'_>, pids: &mut BTreeSet<u32>) {
    match value {
        Value::Stack { pid, .. } | Value::Symbol { pid, .. } => pids.extend(pid),
        Value::Tuple(items) | Value::Record(items) | Value::Array(items) => {
            items.iter().for_each(|item| collect(item, pids));
        }
        _ => {}
    }
}

/// Whether values of a type hold addresses of processes.
pub(super) fn is_user_code(ty: &Type) -> bool {
    match ty {
        Type::UserStack { .. } | Type::UserSymbol => true,
        Type::Tuple(types) => types.iter().any(is_user_code),
        Type::Record(fields) => fields.iter().any(|(_, ty)| is_user_code(ty)),
        Type::Array { element, .. } => is_user_code(element),
        _ => false,
    }
}
