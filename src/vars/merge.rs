//! `hash_behaviour: merge`: a mapping joins those of the same name below it.
//!
//! Source joins source and data joins data; where the two meet, both parts are kept as they are,
//! so that data never becomes source.

use std::collections::HashMap;
use std::sync::Arc;

use super::scope::{Entry, Layer, Level};
use crate::value::{Map, Value};
use crate::yaml::{Node, NodeData, Pair, Tag};

/// Parts of one merged variable; more of them are not told apart by anybody.
const MAX_PARTS: usize = 64;

impl Entry {
    /// True for a mapping, so that another may join it.
    pub fn is_mapping(&self) -> bool {
        match self {
            Self::Lazy(node) => node.as_map().is_some() && node.tag != Some(Tag::Vault),
            Self::Data(value, _) | Self::Rendered(value, _) => matches!(value, Value::Map(_)),
            Self::Merged(_) => true,
            Self::Sealed(..) | Self::HostVars(_) => false,
        }
    }

    /// This value over one of lower rank: joined if both are mappings, else this one alone.
    #[must_use]
    pub fn over(&self, low: &Self) -> Self {
        if !self.is_mapping() || !low.is_mapping() {
            return self.clone();
        }
        let mut parts: Vec<Self> = Vec::new();
        for part in parts_of(low).iter().chain(parts_of(self)) {
            match (parts.last_mut(), part) {
                (Some(Self::Lazy(last)), Self::Lazy(node)) => *last = merge_nodes(last, node),
                (Some(Self::Data(last, _)), Self::Data(value, _)) => *last = merge_values(last, value),
                _ => parts.push(part.clone()),
            }
        }
        match <[Self; 1]>::try_from(parts) {
            Ok([one]) => one,
            Err(parts) if parts.len() > MAX_PARTS => self.clone(),
            Err(parts) => Self::Merged(parts.into()),
        }
    }
}

/// The parts of an entry, lowest first.
fn parts_of(entry: &Entry) -> &[Entry] {
    match entry {
        Entry::Merged(parts) => parts,
        other => std::slice::from_ref(other),
    }
}

/// The second mapping over the first, at every depth; anything but two mappings is the second.
pub fn merge_values(low: &Value, high: &Value) -> Value {
    let (Value::Map(low), Value::Map(high)) = (low, high) else { return high.clone() };
    let mut out: Map = low.as_ref().clone();
    for (key, new) in high.iter() {
        let merged = out.get(key).map_or_else(|| new.clone(), |old| merge_values(old, new));
        out.insert(key.clone(), merged);
    }
    Value::from(out)
}

fn merge_nodes(low: &Node, high: &Node) -> Node {
    let (Some(low_pairs), Some(high_pairs)) = (low.as_map(), high.as_map()) else { return high.clone() };
    let same = |one: &Node, other: &Node| match (one.as_scalar(), other.as_scalar()) {
        (Some(one), Some(other)) => one.value == other.value,
        _ => false,
    };
    // Large mappings are joined by text keys in one pass each.
    let known: HashMap<&str, usize> =
        low_pairs.iter().enumerate().filter_map(|(at, (key, _))| Some((key.as_str()?, at))).collect();
    let mut pairs: Vec<Pair> = low_pairs.to_vec();
    for (key, value) in high_pairs {
        let at = match key.as_str() {
            Some(text) => known.get(text).copied(),
            None => low_pairs.iter().position(|(other, _)| same(other, key)),
        };
        match at {
            Some(at) => pairs[at].1 = merge_nodes(&low_pairs[at].1, value),
            None => pairs.push((key.clone(), value.clone())),
        }
    }
    Node { data: NodeData::Map(pairs.into()), ..high.clone() }
}

/// Levels within which the later value of a name replaces the earlier one, also where mappings merge:
/// Ansible gathers the variables of a task, its blocks and includes so.
fn replaces_within(level: Level) -> Option<u8> {
    match level {
        Level::PlayVars | Level::PlayPrompt => Some(0),
        Level::BlockVars | Level::TaskVars => Some(1),
        Level::IncludeParams => Some(2),
        _ => None,
    }
}

/// Joins the mappings of layers that stand in order of rank.
pub(super) fn merge_layers(layers: &mut [Layer]) {
    let mut below: HashMap<Arc<str>, Entry> = HashMap::new();
    let mut group: Option<(u8, HashMap<Arc<str>, Entry>)> = None;
    for layer in layers {
        // What nobody may override, and loop variables, are as they are.
        if layer.origin.level == Level::Magic {
            continue;
        }
        let within = replaces_within(layer.origin.level);
        if group.as_ref().map(|(within, _)| *within) != within {
            below.extend(group.take().into_iter().flat_map(|(_, entries)| entries));
            group = within.map(|within| (within, HashMap::new()));
        }
        let mut merged: Vec<(Arc<str>, Entry)> = Vec::new();
        for (name, entry) in layer.entries.iter() {
            let entry = match below.get(name) {
                Some(low) if entry.is_mapping() && low.is_mapping() => {
                    let joined = entry.over(low);
                    merged.push((Arc::clone(name), joined.clone()));
                    joined
                }
                _ => entry.clone(),
            };
            let to = group.as_mut().map_or(&mut below, |(_, entries)| entries);
            to.insert(Arc::clone(name), entry);
        }
        if !merged.is_empty() {
            Arc::make_mut(&mut layer.entries).extend(merged);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scope;
    use super::*;
    use crate::diag::SourceMap;
    use crate::yaml::{LoadOptions, load};

    fn source(level: Level, text: &str) -> Layer {
        let sources = SourceMap::new();
        let file = sources.add("x.yml", None, text);
        let node = load(&sources, &file, &LoadOptions::default()).one(&file).unwrap();
        Layer::source(level, "x", &node)
    }

    fn data(level: Level, text: &str) -> Layer {
        let value = crate::value::from_json(serde_json::from_str(text).unwrap());
        let Value::Map(map) = value else { panic!() };
        Layer::data(level, "x", map.iter().map(|(key, value)| (key.text(), value.clone())))
    }

    fn shown(entry: &Entry) -> String {
        let value = match entry {
            Entry::Lazy(node) => node.to_value(),
            Entry::Data(value, _) => value.clone(),
            Entry::Merged(parts) => return parts.iter().map(shown).collect::<Vec<_>>().join(" + "),
            other => panic!("{other:?}"),
        };
        crate::value::python_repr(&value)
    }

    fn check(layers: Vec<Layer>, expected: &str) {
        let scope = Scope::from_layers(layers).merging(true);
        assert_eq!(shown(scope.get("x").unwrap().0), expected);
        // Merging what is merged changes nothing.
        let again = scope.with(source(Level::RoleDefaults, "{y: 1}"));
        assert_eq!(shown(again.get("x").unwrap().0), expected);
    }

    #[test]
    fn mappings_join_at_every_depth_and_keep_their_order() {
        check(
            vec![
                source(Level::RoleDefaults, "{x: {a: 1, deep: {p: 1, q: 1}, l: [1], 80: one}}"),
                source(Level::InventoryHost, "{x: {deep: {q: 2}, l: [2]}}"),
                source(Level::Extra, "{x: {z: '{{ y }}', 80: two}}"),
            ],
            "{'a': 1, 'deep': {'p': 1, 'q': 2}, 'l': [2], 80: 'two', 'z': '{{ y }}'}",
        );
    }

    #[test]
    fn a_value_that_is_no_mapping_ends_the_joining() {
        check(
            vec![
                source(Level::RoleDefaults, "{x: {a: 1}}"),
                source(Level::InventoryHost, "{x: text}"),
                source(Level::PlayVars, "{x: {b: 2}}"),
            ],
            "{'b': 2}",
        );
    }

    #[test]
    fn a_task_replaces_its_blocks_and_joins_what_is_below() {
        check(
            vec![
                source(Level::PlayVars, "{x: {a: 1}}"),
                source(Level::BlockVars, "{x: {b: 2}}"),
                source(Level::TaskVars, "{x: {c: 3}}"),
            ],
            "{'a': 1, 'c': 3}",
        );
    }

    #[test]
    fn source_and_data_stay_apart() {
        check(
            vec![
                source(Level::PlayVars, "{x: {a: '{{ y }}'}}"),
                data(Level::SetFact, r#"{"x": {"b": "{{ z }}"}}"#),
                source(Level::Extra, "{x: {c: 1}}"),
            ],
            "{'a': '{{ y }}'} + {'b': '{{ z }}'} + {'c': 1}",
        );
        check(
            vec![data(Level::Facts, r#"{"x": {"a": 1}}"#), data(Level::SetFact, r#"{"x": {"b": 2}}"#)],
            "{'a': 1, 'b': 2}",
        );
    }

    #[test]
    fn magic_and_replacing_scopes_do_not_join() {
        check(vec![source(Level::PlayVars, "{x: {a: 1}}"), data(Level::Magic, r#"{"x": {"b": 2}}"#)], "{'b': 2}");
        let layers = vec![source(Level::PlayVars, "{x: {a: 1}}"), source(Level::Extra, "{x: {b: 2}}")];
        assert_eq!(shown(Scope::from_layers(layers).get("x").unwrap().0), "{'b': 2}");
    }
}
