//! Keys of mappings: `1`, `1.0` and `True` are the same one, as in Python.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::value::{Key, Value};
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

/// Pairs that are looked through one by one.
const FEW: usize = 8;

/// Where keys stand among the pairs of a mapping of source; made when one is looked for first.
#[derive(Default)]
pub struct Places(OnceCell<HashMap<Key, usize>>);

impl Places {
    /// Where a key stands.
    pub fn find(&self, pairs: &[Pair], key: &Key) -> Option<usize> {
        let key = folded(key);
        if pairs.len() <= FEW {
            return pairs.iter().position(|(name, _)| folded(&node_key(name)) == key);
        }
        let places = self.0.get_or_init(|| {
            let mut places = HashMap::with_capacity(pairs.len());
            for (index, (name, _)) in pairs.iter().enumerate() {
                places.entry(folded(&node_key(name))).or_insert(index);
            }
            places
        });
        places.get(&key).copied()
    }
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
    entries.get_index_of(key).or_else(|| {
        let Key::Int(int) = folded(key) else { return None };
        // All the spellings that fold to this number.
        #[expect(clippy::cast_precision_loss, reason = "a float that is another number is not looked for")]
        let float = Some(int as f64).filter(|float| whole(*float) == Some(int));
        let flag = (0..2).contains(&int).then_some(Key::Bool(int == 1));
        let zero = (int == 0).then_some(Key::Float((-0.0_f64).to_bits()));
        let spellings = [Some(Key::Int(int)), flag, float.map(|float| Key::Float(float.to_bits())), zero];
        spellings.into_iter().flatten().find_map(|spelling| entries.get_index_of(&spelling))
    })
}

/// The integer that a float is.
pub fn whole(float: f64) -> Option<i128> {
    const END: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^127")]
    let int = (float.fract() == 0.0 && (-END..END).contains(&float)).then_some(float as i128);
    int
}

/// One spelling for keys that are the same in Python: numbers as integers where they are.
pub fn folded(key: &Key) -> Key {
    match key {
        Key::Bool(flag) => Key::Int(i128::from(*flag)),
        Key::Float(bits) => whole(f64::from_bits(*bits)).map_or(Key::Float(*bits), Key::Int),
        other => other.clone(),
    }
}

/// A key for what is looked up among values: equal values have equal ones. `None` for what can only be compared
/// one by one.
pub fn hashed(value: &Val) -> Option<Key> {
    const END: f64 = 1e38;
    match value {
        Val::V(Value::Float(float)) if float.is_nan() || float.abs() > END => None,
        Val::V(value @ (Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Str(_))) => {
            Key::from_value(value).map(|key| folded(&key))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_number_are_one_key() {
        let float = |float: f64| Key::Float(float.to_bits());
        let mut entries: IndexMap<Key, Val> = IndexMap::new();
        for key in [Key::Int(1), Key::Bool(false), float(2.5), float(3.0), Key::Int(1 << 53), "1".into()] {
            put(&mut entries, key, Val::NONE);
        }
        for (key, place) in [
            (Key::Bool(true), Some(0)),
            (float(1.0), Some(0)),
            (float(-0.0), Some(1)),
            (Key::Int(0), Some(1)),
            (float(2.5), Some(2)),
            (Key::Int(3), Some(3)),
            (float(9_007_199_254_740_992.0), Some(4)),
            (Key::Int((1 << 53) + 1), None),
            (Key::Int(2), None),
        ] {
            assert_eq!(find(&entries, &key), place, "{key:?}");
        }
    }
}
