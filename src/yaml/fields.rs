//! Takes a mapping apart key by key, so that what is left over is unknown.
//!
//! Collects diagnostics instead of stopping at the first. Knows no particular mapping: the
//! caller says what it expects.

use std::sync::Arc;

use super::{Node, Pair};
use crate::diag::{Diagnostic, Span};
use crate::value::Value;

/// A mapping whose keys are taken one by one.
pub struct Fields<'a> {
    what: &'a str,
    place: Span,
    pairs: &'a [Pair],
    taken: Vec<bool>,
    known: Vec<&'a str>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl<'a> Fields<'a> {
    /// For a node that should be a mapping; `what` names it in messages (`a task`, `environment.yml`).
    /// Null counts as an empty mapping; anything else is an error and `None`.
    pub fn new(node: &'a Node, what: &'a str, diagnostics: &'a mut Vec<Diagnostic>) -> Option<Self> {
        let pairs = match node.as_map() {
            Some(pairs) => pairs,
            None if node.is_null() => &[],
            None => {
                diagnostics.push(wrong_type(node, what, "a mapping"));
                return None;
            }
        };
        Some(Self { what, place: node.place(), pairs, taken: vec![false; pairs.len()], known: Vec::new(), diagnostics })
    }

    /// The place of the whole mapping.
    pub fn place(&self) -> Span {
        self.place
    }

    /// Adds a diagnostic of the caller's own.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Takes a key with its value.
    pub fn entry(&mut self, name: &'a str) -> Option<&'a Pair> {
        self.known.push(name);
        let at = self.pairs.iter().position(|(key, _)| key.as_str() == Some(name))?;
        self.taken[at] = true;
        Some(&self.pairs[at])
    }

    /// Takes a value that may be missing.
    pub fn optional(&mut self, name: &'a str) -> Option<&'a Node> {
        self.entry(name).map(|(_, value)| value)
    }

    /// Takes a value that must be there.
    pub fn required(&mut self, name: &'a str) -> Option<&'a Node> {
        let found = self.optional(name);
        if found.is_none() {
            let at = Span { end: self.place.start.saturating_add(1).min(self.place.end), ..self.place };
            self.diagnostics.push(
                Diagnostic::source("Y0102", format!("{} needs `{name}`", self.what))
                    .with_label(at, format!("no `{name}` in here"))
                    .with_hint(format!("add `{name}: ...`")),
            );
        }
        found
    }

    fn typed<T>(&mut self, name: &'a str, expected: &str, read: impl FnOnce(&'a Node) -> Option<T>) -> Option<T> {
        let node = self.optional(name)?;
        if node.is_null() {
            return None;
        }
        let value = read(node);
        if value.is_none() {
            self.diagnostics.push(wrong_type(node, &format!("`{name}`"), expected));
        }
        value
    }

    /// Takes text; numbers and booleans are refused, since YAML may have changed them (`1.10`).
    pub fn text(&mut self, name: &'a str) -> Option<Arc<str>> {
        self.typed(name, "a string", |node| node.as_str().map(Arc::from))
    }

    /// Takes a boolean.
    pub fn boolean(&mut self, name: &'a str) -> Option<bool> {
        self.typed(name, "a boolean", |node| node.as_scalar()?.value.as_bool())
    }

    /// Takes an integer.
    pub fn integer(&mut self, name: &'a str) -> Option<i128> {
        self.typed(name, "an integer", |node| node.as_scalar()?.value.as_int())
    }

    /// Takes a list.
    pub fn list(&mut self, name: &'a str) -> Option<&'a [Node]> {
        self.typed(name, "a list", Node::as_list)
    }

    /// Takes a mapping.
    pub fn map(&mut self, name: &'a str) -> Option<&'a [Pair]> {
        self.typed(name, "a mapping", Node::as_map)
    }

    /// Takes a list of texts, each with its node. A single text counts as a list of one.
    pub fn texts(&mut self, name: &'a str) -> Vec<(Arc<str>, &'a Node)> {
        let Some(node) = self.optional(name).filter(|node| !node.is_null()) else { return Vec::new() };
        let items = match node.as_list() {
            Some(items) => items,
            None => std::slice::from_ref(node),
        };
        let mut texts = Vec::new();
        for item in items {
            match item.as_str() {
                Some(text) => texts.push((Arc::from(text), item)),
                None => self.diagnostics.push(wrong_type(item, &format!("an item of `{name}`"), "a string")),
            }
        }
        texts
    }

    /// What was not taken, as it stands.
    pub fn rest(&self) -> impl Iterator<Item = &'a Pair> {
        self.pairs.iter().zip(&self.taken).filter(|(_, taken)| !**taken).map(|(pair, _)| pair)
    }

    /// Reports every key that was not taken, with the nearest of those asked for.
    pub fn finish(self) {
        for (key, _) in self.rest().collect::<Vec<_>>() {
            let name = match key.as_scalar() {
                Some(scalar) => scalar.text.to_string(),
                None => key.type_name().to_owned(),
            };
            let mut error = Diagnostic::source("Y0101", format!("{} has no key `{name}`", self.what))
                .with_label(key.place(), "unknown key")
                .with_nearest(&name, self.known.iter().copied());
            if error.hints.is_empty() && !self.known.is_empty() {
                let names: Vec<String> = self.known.iter().map(|name| format!("`{name}`")).collect();
                error = error.with_hint(format!("known here: {}", names.join(", ")));
            }
            self.diagnostics.push(error);
        }
    }
}

/// `expected X, found Y`, with the usual advice where YAML read a word as a boolean or number.
pub fn wrong_type(node: &Node, what: &str, expected: &str) -> Diagnostic {
    let found = node.type_name();
    let error = Diagnostic::source("Y0103", format!("{what} must be {expected}, found {found}"))
        .with_label(node.place(), format!("expected {expected}"));
    match node.as_scalar() {
        Some(scalar) if expected == "a string" && !matches!(scalar.value, Value::Null) => {
            error.with_hint(format!("put it in quotes: `\"{}\"`", scalar.text))
        }
        Some(_) if expected == "a list" => error.with_hint("write the items as `- item` lines below the key"),
        Some(_) if expected == "a mapping" => error.with_hint("write `key: value` lines below it, indented"),
        None if expected == "a mapping" => error.with_hint("write `name: value` lines"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::SourceMap;
    use crate::yaml::{LoadOptions, load};

    #[test]
    fn unknown_missing_and_mistyped_keys_are_all_reported_at_their_places() {
        let text = "name: x\nfroks: 3\nversion: 1.10\nflag: 'yes'\nitems: a\n7: b\n";
        let sources = SourceMap::new();
        let file = sources.add("t.yml", None, text);
        let (node, _) = load(&sources, &file, &LoadOptions::default()).single(&file);
        let mut diagnostics = Vec::new();
        let mut fields = Fields::new(&node, "a thing", &mut diagnostics).unwrap();
        assert_eq!(fields.text("name").as_deref(), Some("x"));
        assert_eq!(fields.integer("forks"), None);
        assert_eq!(fields.text("version"), None);
        assert_eq!(fields.boolean("flag"), None);
        assert_eq!(fields.texts("items").len(), 1);
        assert!(fields.required("must").is_none());
        fields.finish();
        let shown: Vec<String> = diagnostics
            .iter()
            .map(|error| {
                let span = error.span().unwrap();
                format!(
                    "{} {} | {}",
                    &text[span.start as usize..span.end as usize],
                    error.message,
                    error.hints.join(";")
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "1.10 `version` must be a string, found a float | put it in quotes: `\"1.10\"`",
                "'yes' `flag` must be a boolean, found a string | ",
                "n a thing needs `must` | add `must: ...`",
                "froks a thing has no key `froks` | did you mean `forks`?",
                "7 a thing has no key `7` | known here: `name`, `forks`, `version`, `flag`, `items`, `must`",
            ]
        );
    }

    #[test]
    fn null_is_an_empty_mapping_and_a_list_is_none() {
        let sources = SourceMap::new();
        for (text, good) in [("", true), ("- a\n", false)] {
            let file = sources.add("t.yml", None, text);
            let (node, _) = load(&sources, &file, &LoadOptions::default()).single(&file);
            let mut diagnostics = Vec::new();
            assert_eq!(Fields::new(&node, "x", &mut diagnostics).is_some(), good);
            assert_eq!(diagnostics.is_empty(), good);
        }
    }
}
