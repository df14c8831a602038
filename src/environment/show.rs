//! `hostctl env show`: each variable with the place of its value and of the values it hides.

use std::sync::Arc;

use crate::diag::SourceMap;
use crate::value::{JsonStyle, to_json_text};
use crate::vars::{Entry, Origin, Scope};

/// One definition of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The value as written (JSON), or `(secret)`.
    pub value: String,
    /// `file:line:column`, or the layer's name where there is no file.
    pub place: String,
}

/// A variable: the definition that counts, and those it hides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownVariable {
    /// Its name.
    pub name: Arc<str>,
    /// What counts.
    pub winner: Definition,
    /// What it hides, highest rank first.
    pub hidden: Vec<Definition>,
}

/// The variables of a scope in the order of their names; `only` limits to one.
pub fn definitions(scope: &Scope, only: Option<&str>, sources: &SourceMap) -> Vec<ShownVariable> {
    let mut names = scope.names();
    names.sort();
    names
        .into_iter()
        .filter(|name| only.is_none_or(|only| only == &**name))
        .filter_map(|name| {
            let mut all = scope.all(&name).into_iter().map(|(entry, origin)| definition(entry, origin, sources));
            Some(ShownVariable { winner: all.next()?, hidden: all.collect(), name })
        })
        .collect()
}

fn definition(entry: &Entry, origin: &Origin, sources: &SourceMap) -> Definition {
    let value = match entry {
        Entry::Lazy(node) if node.tag == Some(crate::yaml::Tag::Vault) => "(secret)".to_owned(),
        Entry::Lazy(node) => to_json_text(&node.to_value(), JsonStyle::default()),
        Entry::Data(value, _) => to_json_text(value, JsonStyle::default()),
        Entry::Sealed(..) => "(secret)".to_owned(),
        Entry::HostVars(_) => "(all hosts' variables)".to_owned(),
    };
    let place = entry.span().map_or_else(|| origin.name.to_string(), |span| sources.place(span));
    Definition { value, place }
}
