//! The arguments of a call: defaults of modules, templates, variables, and the places that they come from.

use std::sync::Arc;

use indexmap::IndexMap;

use super::conditions::stacked;
use super::interp::HostRun;
use crate::diag::{Diagnostic, Origin, Result, Span};
use crate::modules::{ArgError, ModuleEntry, PathPart};
use crate::playbook::{ModuleUse, Task};
use crate::template::is_omit;
use crate::value::{Key, Map, StrKey, Value, python_str};
use crate::vars::Scope;
use crate::yaml::{Node, NodeData};

/// Where arguments stand: the name's place and the value's source.
pub(super) type Places = IndexMap<Arc<str>, (Span, Node)>;

impl HostRun {
    /// What `module_defaults` holds for a module: groups of actions first. Of several entries for one name or group
    /// the innermost counts as a whole, as in Ansible.
    pub(super) fn module_defaults(
        &self,
        task: &Task,
        module: &ModuleUse,
        scope: &Scope,
    ) -> Result<Vec<(Arc<str>, Value, Node)>> {
        let loader = &self.play.engine.loader;
        let mut groups: IndexMap<&str, &Node> = IndexMap::new();
        let mut named = None;
        for node in stacked(task, "module_defaults") {
            let single = std::slice::from_ref(node);
            let maps = node.as_list().unwrap_or(single).iter();
            for (key, value) in maps.flat_map(|map| map.as_map().unwrap_or_default()) {
                let Some(name) = key.as_str().filter(|name| loader.defaults_apply(name, module, &task.context)) else {
                    continue;
                };
                match name.strip_prefix("group/") {
                    Some(group) => drop(groups.insert(group, value)),
                    None => named = Some(value),
                }
            }
        }
        let templates = &self.play.engine.templates;
        let mut found = Vec::new();
        for node in groups.into_values().chain(named) {
            match node.as_map() {
                Some(pairs) => {
                    for (name, value) in pairs {
                        if let Some(name) = name.as_str() {
                            found.push((Arc::from(name), templates.render(value, scope)?, value.clone()));
                        }
                    }
                }
                // All of them may come from one template.
                None => {
                    if let Value::Map(map) = templates.render(node, scope)? {
                        found.extend(map.iter().map(|(name, value)| (name.text(), value.clone(), node.clone())));
                    }
                }
            }
        }
        Ok(found)
    }

    /// The arguments by name with the places they come from; `module_defaults` below them.
    pub(super) fn arguments(&self, task: &Task, module: &ModuleUse, scope: &Scope) -> Result<(Map, Places)> {
        let templates = &self.play.engine.templates;
        let mut places = Places::new();
        let mut args = Map::new();
        for (key, value, node) in self.module_defaults(task, module, scope)? {
            places.insert(Arc::clone(&key), (node.place(), node));
            set_arg(&mut args, module.entry, key, value);
        }
        if let Some(node) = &module.args_template {
            self.args_of_template(node, module, scope, &mut args, &mut places)?;
        }
        for (name, (span, node)) in &module.args {
            let name = if name.contains("{{") {
                match templates.render(&Node::text(Arc::clone(name), *span), scope)? {
                    Value::Str(name) => name,
                    other => {
                        let kind = python_type(&other);
                        let message = format!("Invalid variable name '{}' of type '{kind}'.", python_str(&other));
                        return Err(Diagnostic::task("H0025", message)
                            .with_label(*span, "rendered to no text")
                            .with_hint("the template of a name gives text"));
                    }
                }
            } else {
                Arc::clone(name)
            };
            self.argument(module, name, (*span, node.clone()), scope, &mut args, &mut places)?;
        }
        self.backend_defaults(task, module, scope, &mut args, &mut places)?;
        Ok((args, places))
    }

    /// One argument that stands in the source.
    fn argument(
        &self,
        module: &ModuleUse,
        name: Arc<str>,
        place: (Span, Node),
        scope: &Scope,
        args: &mut Map,
        places: &mut Places,
    ) -> Result<()> {
        let node = &place.1;
        let value = if keeps_expressions(module.entry, &name, node) {
            node.to_value()
        } else {
            let rendered = self.play.engine.templates.render(node, scope);
            rendered.map_err(|error| {
                let shown = if module.entry.meta.free_form == Some(&*name) { "_raw_params" } else { &*name };
                finalizing(module.entry.meta.full_name, shown, node, error)
            })?
        };
        if is_omit(&value) {
            args.shift_remove(&StrKey(&name));
        } else {
            places.insert(Arc::clone(&name), place);
            set_arg(args, module.entry, name, value);
        }
        Ok(())
    }

    /// All arguments out of one template. Where it names a variable that stands in the source, its entries are taken as
    /// if they stood in the task; those that the task has itself outrank them, and are not even rendered.
    fn args_of_template(
        &self,
        node: &Node,
        module: &ModuleUse,
        scope: &Scope,
        args: &mut Map,
        places: &mut Places,
    ) -> Result<()> {
        let templates = &self.play.engine.templates;
        let source = templates.named_source(node, scope);
        if let Some(pairs) = source.as_ref().and_then(Node::as_map) {
            for (key, value) in pairs {
                let name: Arc<str> = python_str(&templates.render(key, scope)?).into();
                if !module.args.contains_key(&name) {
                    self.argument(module, name, (key.place(), value.clone()), scope, args, places)?;
                }
            }
            return Ok(());
        }
        match templates.render(node, scope)? {
            Value::Map(map) => {
                for (key, value) in map.iter().filter(|(_, value)| !is_omit(value)) {
                    places.insert(key.text(), (node.place(), data_node(value, node.place())));
                    set_arg(args, module.entry, key.text(), value.clone());
                }
            }
            Value::Null => {}
            omitted if is_omit(&omitted) => {}
            Value::Str(text) if module.entry.meta.free_form.is_some() => {
                let name: Arc<str> = module.entry.meta.free_form.unwrap_or_default().into();
                places.insert(Arc::clone(&name), (node.place(), node.clone()));
                set_arg(args, module.entry, name, Value::Str(text));
            }
            other => {
                let found = format!("the arguments must be a mapping, found {}", other.type_name());
                let name = module.entry.meta.full_name;
                return Err(Diagnostic::source("P0153", found.clone())
                    .with_registered(format!("Task failed: Finalization of task args for '{name}' failed: {found}"))
                    .with_label(node.place(), "rendered to something else")
                    .with_hint("write `name: value` lines, or a template that gives a mapping"));
            }
        }
        Ok(())
    }
}

/// What Python calls the type of a value.
pub(super) fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::List(_) => "list",
        Value::Map(_) => "dict",
        _ => "str",
    }
}

/// Arguments that hold bare expressions, which the engine evaluates itself. What `debug` shows may be named by a
/// template.
fn keeps_expressions(entry: &ModuleEntry, name: &str, node: &Node) -> bool {
    match (entry.meta.name, name) {
        ("assert", "that") => true,
        ("debug", "var") => !node.has_template(),
        _ => false,
    }
}

/// A value that is no source: no text in it can be an expression.
pub(super) fn data_node(value: &Value, span: Span) -> Node {
    match value {
        Value::List(items) => {
            let items: Vec<Node> = items.iter().map(|item| data_node(item, span)).collect();
            Node { span, data: NodeData::List(items.into()), tag: None, alias: None }
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => Node::scalar(value.clone(), span),
        other => Node { tag: Some(crate::yaml::Tag::Unsafe), ..Node::text(python_str(other), span) },
    }
}

/// A failure of an argument's template, as registered results tell it.
pub(super) fn finalizing(module: &str, name: &str, node: &Node, error: Diagnostic) -> Diagnostic {
    error
        .within_at(&format!("Error while resolving value for '{name}': "), Origin::At(node.place()))
        .within(&format!("Finalization of task args for '{module}' failed: "))
}

/// Sets an argument under its own name, whatever alias was used.
pub(super) fn set_arg(args: &mut Map, entry: &ModuleEntry, name: Arc<str>, value: Value) {
    if let Some(spec) = entry.spec().arg(&name)
        && *spec.name != *name
    {
        // Two names of one argument: the later one counts, and the check sees only one.
        args.shift_remove(&StrKey(&spec.name));
    }
    args.insert(Key::Str(name), value);
}

/// Gives argument errors their places; the first leads, the others are notes.
pub(super) fn argument_error(module: &ModuleUse, errors: &[ArgError], places: &Places) -> Diagnostic {
    let Some(first) = errors.first() else {
        return Diagnostic::internal("arguments were refused without a reason");
    };
    let mut diagnostic = Diagnostic::source(first.code, first.message.clone());
    diagnostic.kind = crate::diag::Kind::Task;
    let span = match first.path.first() {
        Some(PathPart::Key(name)) => match places.get(name.as_str()) {
            Some((key, node)) if first.on_key => {
                let _ = node;
                *key
            }
            Some((_, node)) => descend(node, &first.path[1..]),
            None => module.name_span,
        },
        _ => module.name_span,
    };
    diagnostic = diagnostic.with_label(span, first.label.clone());
    if let Some(hint) = &first.hint {
        diagnostic = diagnostic.with_hint(hint.clone());
    }
    for error in &errors[1..] {
        diagnostic = diagnostic.with_note(error.message.clone());
    }
    diagnostic
}

/// The place of a path inside a node.
fn descend(node: &Node, path: &[PathPart]) -> Span {
    let inner = match (path.first(), &node.data) {
        (Some(PathPart::Key(key)), NodeData::Map(_)) => node.get(key),
        (Some(PathPart::Index(index)), NodeData::List(items)) => items.get(*index),
        _ => None,
    };
    match inner {
        Some(inner) => descend(inner, &path[1..]),
        None => node.place(),
    }
}
