//! The entries of one mapping: keys of any scalar type, duplicates, merge keys.
//!
//! The order is PyYAML's: merged entries first, own entries after them, a later value in the
//! place of an earlier one.

use indexmap::IndexMap;

use super::{Node, NodeData, Pair, Style};
use crate::diag::{Diagnostic, Span};
use crate::value::Key;

/// Own entries and the values of `<<` keys, as they are read.
#[derive(Default)]
pub(super) struct Entries {
    own: IndexMap<Key, Vec<Pair>>,
    merges: Vec<Node>,
}

pub(super) struct Merged {
    pub(super) pairs: Vec<Pair>,
    /// How many entries came from elsewhere.
    pub(super) added: usize,
}

impl Entries {
    /// Takes one entry; a key that is a list or mapping is reported and dropped.
    pub(super) fn add(&mut self, key: Node, value: Node, diagnostics: &mut Vec<Diagnostic>) {
        if is_merge(&key) {
            self.merges.push(value);
            return;
        }
        let Some(name) = key.as_scalar().and_then(|scalar| Key::from_value(&scalar.value)) else {
            diagnostics.push(
                Diagnostic::source("Y0018", format!("a key must be a single value, found {}", key.type_name()))
                    .with_label(key.place(), format!("this is {}", key.type_name()))
                    .with_hint("put the key in quotes if it is meant as text"),
            );
            return;
        };
        self.own.entry(name).or_default().push((key, value));
    }
}

fn is_merge(key: &Node) -> bool {
    key.tag.is_none() && key.as_scalar().is_some_and(|scalar| scalar.style == Style::Plain && &*scalar.text == "<<")
}

/// Applies merge keys and settles duplicates.
pub(super) fn finish_mapping(entries: Entries, span: Span, strict: bool, diagnostics: &mut Vec<Diagnostic>) -> Merged {
    let mut all: IndexMap<Key, Pair> = IndexMap::new();
    let mut added = 0;
    // A later `<<` of the same mapping wins over an earlier one, as in PyYAML.
    for merge in &entries.merges {
        let mut sources: Vec<&Node> = Vec::new();
        match &merge.data {
            NodeData::Map(_) => sources.push(merge),
            NodeData::List(items) if items.iter().all(|item| item.as_map().is_some()) => {
                // The first mapping of the list wins.
                sources.extend(items.iter().rev());
            }
            _ => diagnostics.push(
                Diagnostic::source("Y0017", "a merge key needs a mapping or a list of mappings")
                    .with_label(merge.place(), format!("this is {}", merge.type_name()))
                    .with_label(span, "merged into this mapping")
                    .with_hint("use an alias to a mapping: `<<: *name`"),
            ),
        }
        for (key, value) in sources.iter().filter_map(|node| node.as_map()).flatten() {
            if let Some(name) = key.as_scalar().and_then(|scalar| Key::from_value(&scalar.value)) {
                all.insert(name, (key.clone(), value.clone()));
                added += 1;
            }
        }
    }
    for (name, mut pairs) in entries.own {
        let Some(last) = pairs.pop() else { continue };
        for (earlier, _) in &pairs {
            diagnostics.push(duplicate(&name, earlier.place(), last.0.place(), strict));
        }
        all.insert(name, last);
    }
    Merged { pairs: all.into_values().collect(), added }
}

fn duplicate(name: &Key, earlier: Span, last: Span, strict: bool) -> Diagnostic {
    let error = Diagnostic::source("Y0012", format!("the key `{}` is given twice", name.text()))
        .with_registered(format!("Found duplicate mapping key '{}'.", name.text()))
        .with_label(last, if strict { "second time" } else { "this one is used" })
        .with_label(earlier, if strict { "first time" } else { "this one is ignored" })
        .with_hint("remove or rename one of them");
    if strict { error } else { error.warning() }
}
