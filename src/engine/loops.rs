//! Loops: the list of a task's items, the variables of each round, the result of the whole.

use std::sync::Arc;

use super::interp::HostRun;
use super::result::{Attempt, loop_result};
use crate::diag::{Diagnostic, Result};
use crate::event::Status;
use crate::playbook::Task;
use crate::value::{Map, Value, boolean, insert, python_str};
use crate::vars::{Entry, Layer, Level, Scope};
use crate::yaml::Node;

/// The loop of a task.
pub(super) struct Loop {
    pub items: Vec<Value>,
    /// The variable of items that are texts of the playbook, or have such in them, without a template: those may be
    /// conditions.
    literals: Vec<Option<Entry>>,
    pub var: String,
    pub index_var: Option<String>,
    pub label: Option<Node>,
    pub pause: f64,
    extended: bool,
    all_items: bool,
    pub break_when: Option<Node>,
}

/// True for the keywords that make a loop.
fn names_loop(keyword: &str) -> bool {
    keyword == "loop" || keyword.starts_with("with_")
}

/// True for a task with a loop.
pub(super) fn is_looped(task: &Task) -> bool {
    task.keywords.0.keys().any(|name| names_loop(name))
}

impl HostRun {
    /// What `with_first_found` is given. A name with something undefined in it can not be the one, so it is left out.
    fn names_of_files(&self, node: &Node, scope: &Scope) -> Result<Value> {
        let templates = &self.play.engine.templates;
        let Some(items) = node.as_list() else { return templates.render(node, scope) };
        let mut names = Vec::new();
        for item in items {
            match templates.render(item, scope) {
                Ok(name) => names.push(name),
                Err(error) if error.code == "T0101" && item.as_str().is_some() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Value::from(names))
    }

    /// The loop of a task, its list made.
    pub(super) fn task_loop(&self, task: &Task, scope: &Scope) -> Result<Option<Loop>> {
        let templates = &self.play.engine.templates;
        let Some((name, node)) =
            task.keywords.0.iter().find_map(|(name, (_, node))| names_loop(name).then_some((*name, node)))
        else {
            return Ok(None);
        };
        let terms = if name.ends_with("first_found") {
            self.names_of_files(node, scope)?
        } else {
            templates.render(node, scope)?
        };
        let items: Vec<Value> = match (name, terms) {
            ("loop", Value::List(items)) => items.to_vec(),
            ("loop", other) => {
                return Err(Diagnostic::source("P0152", format!("`loop` needs a list, found {}", other.type_name()))
                    .with_registered(format!(
                        "The `loop` value must resolve to a 'list', not '{}'.",
                        other.python_type()
                    ))
                    .about(
                        Some(crate::diag::Origin::At(node.place())),
                        Some("Provide a list of items/templates, or a template resolving to a list."),
                    )
                    .with_label(node.place(), "not a list")
                    .with_hint("write a list, or use `with_items`, or `{{ NAME | dict2items }}` for a mapping"));
            }
            (_, terms) => {
                let lookup = &name["with_".len()..];
                let terms = match terms {
                    Value::List(terms) => terms.to_vec(),
                    other => vec![other],
                };
                let mut options = Map::new();
                if lookup.ends_with("first_found") {
                    let action = task.action.name();
                    let folder = ["template", "var"].iter().find(|word| action.contains(**word)).unwrap_or(&"file");
                    insert(&mut options, "_subfolder", format!("{folder}s"));
                }
                templates.lookup(lookup, &terms, &options, node.place(), scope)?
            }
        };
        let control = task.keywords.get("loop_control");
        let text = |key: &str| -> Result<Option<String>> {
            control
                .and_then(|control| control.get(key))
                .map(|node| Ok(python_str(&templates.render(node, scope)?)))
                .transpose()
        };
        let flag = |key: &str| -> Result<Option<bool>> {
            control
                .and_then(|control| control.get(key))
                .map(|node| {
                    let value = templates.render(node, scope)?;
                    boolean(&value).ok_or_else(|| wrong_control(key, &value, "bool", node))
                })
                .transpose()
        };
        let pause = match control.and_then(|control| control.get("pause")) {
            Some(node) => {
                let value = templates.render(node, scope)?;
                let number = python_str(&value).trim().parse::<f64>();
                number.map_err(|_| wrong_control("pause", &value, "float", node))?
            }
            None => 0.0,
        };
        let source = match node.as_list() {
            Some(_) => Some(node.clone()),
            None => templates.named_source(node, scope),
        };
        let nodes = source.as_ref().and_then(Node::as_list).filter(|nodes| nodes.len() == items.len());
        let literals = nodes.unwrap_or_default().iter().zip(&items);
        let literals = literals.map(|(node, item)| {
            let whole = super::settle::literal(node, item).then(|| Entry::Lazy(node.clone()));
            let partly = || Some(Entry::Rendered(item.clone(), super::settle::partly_literal(node, item)?));
            whole.or_else(partly)
        });
        let literals = literals.collect();
        Ok(Some(Loop {
            items,
            literals,
            var: text("loop_var")?.unwrap_or_else(|| "item".to_owned()),
            index_var: text("index_var")?,
            label: control.and_then(|control| control.get("label")).cloned(),
            pause: if pause > 0.0 { pause.min(86_400.0) } else { 0.0 },
            extended: flag("extended")?.unwrap_or(false),
            all_items: flag("extended_allitems")?.unwrap_or(true),
            break_when: control.and_then(|control| control.get("break_when")).cloned(),
        }))
    }

    /// The items and variable layers of a loop, for includes.
    pub(super) fn loop_layers(&self, task: &Task, scope: &Scope) -> Result<Option<Vec<(Value, Layer)>>> {
        Ok(self.task_loop(task, scope)?.map(|looped| {
            looped.items.iter().enumerate().map(|(index, item)| (item.clone(), looped.layer(index))).collect()
        }))
    }
}

/// A value of `loop_control` that is of the wrong kind.
fn wrong_control(key: &str, value: &Value, kind: &str, node: &Node) -> Diagnostic {
    let (what, hint) = if kind == "bool" { ("boolean", "true") } else { ("number", "3") };
    let shown = crate::value::python_repr(value);
    Diagnostic::source("P0111", format!("`{key}` must be a {what}, found `{}`", python_str(value)))
        .with_registered(format!(
            "Error processing keyword '{key}': The value {shown} could not be converted to '{kind}'."
        ))
        .with_label(node.place(), format!("not a {what}"))
        .with_hint(format!("loop_control: {{{key}: {hint}}}"))
}

impl Loop {
    /// Says in an item's result which one it was; `info` is its `ansible_loop`.
    pub fn mark(&self, index: usize, info: Option<Entry>, result: &mut Map) {
        insert(result, &self.var, self.items[index].clone());
        insert(result, "ansible_loop_var", self.var.as_str());
        if let Some(name) = &self.index_var {
            insert(result, name, index);
            insert(result, "ansible_index_var", name.as_str());
        }
        if let Some(Entry::Data(info, _)) = info {
            insert(result, "ansible_loop", info);
        }
    }

    /// The variables of one round.
    pub(super) fn layer(&self, index: usize) -> Layer {
        let mut entries: Vec<(Arc<str>, Value)> = vec![(Arc::from(self.var.as_str()), self.items[index].clone())];
        entries.push((Arc::from("ansible_loop_var"), Value::from(self.var.as_str())));
        if let Some(name) = &self.index_var {
            entries.push((Arc::from(name.as_str()), Value::from(index)));
            entries.push((Arc::from("ansible_index_var"), Value::from(name.as_str())));
        }
        if self.extended {
            let count = self.items.len();
            let mut info = crate::map! {
                "index" => index + 1,
                "index0" => index,
                "first" => index == 0,
                "last" => index + 1 == count,
                "length" => count,
                "revindex" => count - index,
                "revindex0" => count - index - 1,
            };
            if self.all_items {
                insert(&mut info, "allitems", Value::from(self.items.clone()));
            }
            if index > 0 {
                insert(&mut info, "previtem", self.items[index - 1].clone());
            }
            if let Some(next) = self.items.get(index + 1) {
                insert(&mut info, "nextitem", next.clone());
            }
            entries.push((Arc::from("ansible_loop"), Value::from(info)));
        }
        let mut layer = Layer::data(Level::Magic, "loop", entries);
        if let Some(Some(entry)) = self.literals.get(index) {
            Arc::make_mut(&mut layer.entries).insert(Arc::from(self.var.as_str()), entry.clone());
        }
        layer
    }
}

/// The whole of a loop.
pub(super) fn loop_attempt(items: &mut [Attempt]) -> Attempt {
    let result = loop_result(items);
    let any = |status: Status| items.iter().any(|item| item.status == status);
    let status = if any(Status::Unreachable) {
        Status::Unreachable
    } else if any(Status::Failed) {
        Status::Failed
    } else if items.iter().all(|item| item.status == Status::Skipped) {
        Status::Skipped
    } else if any(Status::Changed) {
        Status::Changed
    } else {
        Status::Ok
    };
    let first_bad = items.iter().find(|item| matches!(item.status, Status::Failed | Status::Unreachable));
    Attempt {
        status,
        result,
        changes: items.iter().flat_map(|item| item.changes.iter().cloned()).collect(),
        diffs: Vec::new(),
        reason: (status == Status::Skipped).then(|| {
            items.first().and_then(|item| item.reason.clone()).unwrap_or_else(|| "no items in the list".to_owned())
        }),
        diagnostic: first_bad.and_then(|item| item.diagnostic.clone()),
        warnings: Vec::new(),
        heard: Vec::new(),
        verbose: items.iter().any(|item| item.verbose),
        seconds: 0.0,
        arguments: None,
        secrets: items.iter().flat_map(|item| item.secrets.iter().cloned()).collect(),
        hidden: items.iter().any(|item| item.hidden),
    }
}
