//! What `env show` prints: each variable, where it stands, and what it hides.

use crate::diag::SourceMap;
use crate::secret::MASK;
use crate::value::{JsonStyle, to_json_text};
use crate::vars::{Entry, Scope};
use crate::yaml::Tag;

/// Where one definition stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownPlace {
    /// `file:line:column`, empty if it has no place.
    pub place: String,
    /// The layer: a file, `group web`, ...
    pub origin: String,
    /// The value as source text in JSON; secrets are masked.
    pub value: String,
}

/// One variable of the merged result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownVariable {
    /// Its name.
    pub name: String,
    /// The definition that wins.
    pub winner: ShownPlace,
    /// Those that it hides, nearest first.
    pub hidden: Vec<ShownPlace>,
}

/// The variables of a scope, sorted by name; only one of them if `only` is given.
/// Templates are shown as they are written, and nothing is opened.
pub fn show(scope: &Scope, sources: &SourceMap, only: Option<&str>) -> Vec<ShownVariable> {
    let mut names = scope.names();
    names.sort();
    names.retain(|name| only.is_none_or(|only| only == &**name));
    names
        .into_iter()
        .filter_map(|name| {
            let mut places = scope.all(&name).into_iter().map(|(entry, origin)| ShownPlace {
                place: entry.span().map(|span| sources.place(span)).unwrap_or_default(),
                origin: origin.name.to_string(),
                value: value_of(entry),
            });
            let winner = places.next()?;
            Some(ShownVariable { name: name.to_string(), winner, hidden: places.collect() })
        })
        .collect()
}

fn value_of(entry: &Entry) -> String {
    match entry {
        Entry::Lazy(node) if node.tag == Some(Tag::Vault) => MASK.to_owned(),
        Entry::Lazy(node) => to_json_text(&masked(node), JsonStyle::default()),
        Entry::Data(value, _) | Entry::Rendered(value, _) => to_json_text(value, JsonStyle::default()),
        Entry::Sealed(..) => MASK.to_owned(),
        Entry::HostVars(_) | Entry::Merged(_) => "...".to_owned(),
    }
}

/// The node as data with `!vault` values masked.
fn masked(node: &crate::yaml::Node) -> crate::value::Value {
    use crate::value::{Key, Value};
    if node.tag == Some(Tag::Vault) {
        return Value::from(MASK);
    }
    if let Some(items) = node.as_list() {
        return Value::from(items.iter().map(masked).collect::<Vec<_>>());
    }
    match node.as_map() {
        Some(pairs) => Value::from(
            pairs
                .iter()
                .filter_map(|(key, value)| Some((Key::from_value(&key.to_value())?, masked(value))))
                .collect::<crate::value::Map>(),
        ),
        None => node.to_value(),
    }
}
