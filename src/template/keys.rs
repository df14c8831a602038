//! Keys of mappings: `1`, `1.0` and `True` are the same one, as in Python.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::value::Key;
use crate::yaml::{Node, Pair};

use super::val::Val;

/// The key that a node is.
pub fn node_key(node: &Node) -> Key {
    match &node.data {
        crate::yaml::NodeData::Scalar(scalar) => {
            Key::from_value(&scalar.value).unwrap_or_else(|| Key::Str(Arc::clone(&scalar.text)))
        }
        _ => Key::Null,
    }
}

/// Where a key stands among pairs of source.
pub fn pair_index(pairs: &[Pair], key: &Key) -> Option<usize> {
    if let Key::Str(text) = key {
        return pairs.iter().position(|(name, _)| name.as_str() == Some(text));
    }
    pairs.iter().position(|(name, _)| same_key(&node_key(name), key))
}

/// Sets an entry; `1`, `1.0` and `True` are the same key, and the first spelling stays.
pub fn put(entries: &mut IndexMap<Key, Val>, key: Key, value: Val) {
    match find(entries, &key) {
        Some(index) => entries[index] = value,
        None => drop(entries.insert(key, value)),
    }
}

/// Where a key stands: looked up exactly first, then by number.
pub fn find<T>(entries: &IndexMap<Key, T>, key: &Key) -> Option<usize> {
    entries.get_index_of(key).or_else(|| match key {
        Key::Int(_) | Key::Float(_) | Key::Bool(_) => entries.keys().position(|other| same_key(other, key)),
        _ => None,
    })
}

#[expect(clippy::cast_precision_loss, reason = "keys beyond 2^53 are compared exactly before")]
fn same_key(a: &Key, b: &Key) -> bool {
    let number = |key: &Key| match key {
        Key::Int(int) => Some(*int as f64),
        Key::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Key::Float(bits) => Some(f64::from_bits(*bits)),
        _ => None,
    };
    a == b || matches!((number(a), number(b)), (Some(a), Some(b)) if a.to_bits() == b.to_bits())
}
