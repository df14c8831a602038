//! YAML inventories: groups with `hosts`, `vars` and `children`.

use std::path::PathBuf;
use std::sync::Arc;

use super::model::Inventory;
use super::options::odd_name;
use super::range::expand;
use crate::diag::Diagnostic;
use crate::value::{Value, python_str};
use crate::vars::Entry;
use crate::yaml::{Node, Pair};

pub(super) struct YamlReader<'a> {
    pub(super) inventory: &'a mut Inventory,
    pub(super) source: PathBuf,
    pub(super) diagnostics: &'a mut Vec<Diagnostic>,
    /// As Ansible: groups and keys of a wrong shape are passed over with a warning, and another error ends the
    /// reading. Where the diagnostics of this file begin.
    pub(super) go_on: Option<usize>,
}

impl YamlReader<'_> {
    /// True if an error ended the reading.
    fn stopped(&self) -> bool {
        self.go_on.is_some_and(|start| self.diagnostics[start..].iter().any(Diagnostic::is_error))
    }

    /// Something that Ansible passes over with a warning.
    fn passed_over(&mut self, error: Diagnostic, words: String) {
        self.diagnostics.push(if self.go_on.is_some() { error.warning().with_registered(words) } else { error });
    }

    /// Reads the groups of a document.
    pub(super) fn read(&mut self, node: &Node) {
        for (key, value) in node.as_map().unwrap_or_default() {
            let name = text_of(key);
            if name == "plugin" && value.as_scalar().is_some() {
                self.diagnostics.push(
                    Diagnostic::source("I0006", format!("inventory plugin `{}` is not supported", text_of(value)))
                        .with_label(key.place(), "this file configures a plugin of Ansible")
                        .with_hint(
                            "write the hosts into an inventory file, or give a program that prints them as JSON",
                        ),
                );
                return;
            }
            if self.stopped() {
                return;
            }
            self.group(&name, key, value);
        }
    }

    fn group(&mut self, name: &str, key: &Node, value: &Node) {
        let pairs: &[Pair] = match value.as_map() {
            Some(pairs) => pairs,
            None if value.is_null() => &[],
            None => {
                let words = format!("Skipping '{name}' as this is not a valid group definition");
                let error = Diagnostic::source(
                    "I0005",
                    format!("group `{name}` must be a mapping, found {}", value.type_name()),
                )
                .with_label(value.place(), "expected `hosts:`, `vars:` or `children:`")
                .with_label(key.place(), "this group")
                .with_hint("write `hosts:`, `vars:` or `children:` below the group, indented");
                self.passed_over(error, words);
                return;
            }
        };
        self.inventory.add_group(name);
        for (part, content) in pairs {
            if self.stopped() {
                return;
            }
            match part.as_str() {
                Some("hosts") => self.hosts(name, content),
                Some("vars") => self.vars(name, content),
                Some("children") => {
                    for (child, value) in self.section("children", content) {
                        let child_name = text_of(&child);
                        self.group(&child_name, &child, &value);
                        let safe = self.inventory.safe(&child_name);
                        if self.inventory.groups.contains_key(&*safe)
                            && let Err(error) = self.inventory.add_child(name, &child_name, Some(child.place()))
                        {
                            self.diagnostics.push(error);
                        }
                    }
                }
                _ => {
                    let found = text_of(part);
                    let words = format!(
                        "Skipping unexpected key ({found}) in group ({name}), only \"vars\", \"children\" and \"hosts\" are valid"
                    );
                    let error = Diagnostic::source("I0005", format!("a group has no `{found}`"))
                        .with_label(part.place(), "expected `hosts`, `vars` or `children`")
                        .with_nearest(&found, ["hosts", "vars", "children"])
                        .with_hint(format!(
                            "groups below `{name}` stand under its `children:`, hosts under its `hosts:`"
                        ));
                    self.passed_over(error, words);
                }
            }
        }
    }

    /// The entries of a section: a mapping, or one name alone.
    fn section(&mut self, what: &str, node: &Node) -> Vec<Pair> {
        if node.is_null() {
            return Vec::new();
        }
        if let Some(pairs) = node.as_map() {
            return pairs.to_vec();
        }
        if node.as_str().is_some() {
            return vec![(node.clone(), Node::scalar(Value::Null, node.place()))];
        }
        self.diagnostics.push(
            Diagnostic::source("I0005", format!("`{what}` must be a mapping, found {}", node.type_name()))
                .with_label(node.place(), "expected a mapping")
                .with_hint("write `name:` lines without dashes, each with a colon"),
        );
        Vec::new()
    }

    fn vars(&mut self, group: &str, node: &Node) {
        for (key, value) in self.section("vars", node) {
            self.diagnostics.extend(odd_name(&text_of(&key), key.place()));
            self.inventory.add_group(group).set(&text_of(&key), Entry::Lazy(value));
        }
    }

    fn hosts(&mut self, group: &str, node: &Node) {
        for (key, value) in self.section("hosts", node) {
            if self.stopped() {
                return;
            }
            let Some(entry) = key.as_str() else {
                self.diagnostics.push(
                    Diagnostic::source("I0002", format!("a host's name must be text, found {}", key.type_name()))
                        .with_label(key.place(), "not a name")
                        .with_hint(format!("put it in quotes: `\"{}\"`", text_of(&key))),
                );
                continue;
            };
            let expanded = match expand(entry) {
                Ok(expanded) => expanded,
                Err(why) => {
                    self.diagnostics.push(
                        Diagnostic::source("I0002", format!("`{entry}` is no host: {why}"))
                            .with_label(key.place(), "not a host or a range of hosts")
                            .with_hint("ranges are `[01:10]` or `[a:c]`, a port stands behind `:`"),
                    );
                    continue;
                }
            };
            if value.as_map().is_none() && !value.is_null() {
                self.diagnostics.push(
                    Diagnostic::source(
                        "I0005",
                        format!("host `{entry}` must be a mapping, found {}", value.type_name()),
                    )
                    .with_label(value.place(), "expected the host's variables")
                    .with_hint("write `name: value` lines below the host, indented"),
                );
                continue;
            }
            for (name, _) in value.as_map().unwrap_or_default() {
                self.diagnostics.extend(odd_name(&text_of(name), name.place()));
            }
            for name in &expanded.names {
                let host = self.inventory.add_host(name, group, Some(key.place()), Some(&self.source));
                if let Some(port) = expanded.port {
                    let port = Node::scalar(Value::from(u32::from(port)), key.place());
                    host.set(Arc::from("ansible_port"), Entry::Lazy(port));
                }
                for (name, value) in value.as_map().unwrap_or_default() {
                    host.set(Arc::from(text_of(name)), Entry::Lazy(value.clone()));
                }
            }
        }
    }
}

/// A key as text: groups may be called `2024`.
pub(super) fn text_of(node: &Node) -> String {
    match node.as_scalar() {
        Some(scalar) if !scalar.text.is_empty() => scalar.text.to_string(),
        _ => python_str(&node.to_value()),
    }
}
