//! Arguments of modules, as far as they are literal: names, kinds, choices, groups.

use super::survey::Survey;
use crate::diag::{Diagnostic, Span};
use crate::modules::{ArgError, ModuleEntry, PathPart};
use crate::playbook::model::{Action, ModuleUse, Task};
use crate::value::{Key, Map};
use crate::yaml::{Node, NodeData, Tag};

/// Free text of modules that take none, where the parser lets it pass.
const RAW: &str = "_raw_params";

/// Wrong arguments of a task whose failure is taken are warnings: that may be what it is for.
pub(super) fn check(survey: &Survey, problems: &mut Vec<Diagnostic>) {
    for task in survey.tasks() {
        if let Action::Module(module) = &task.action {
            let meant = survey.caught.contains(&task.id);
            let mut found = module_use(task, module);
            if module.entry.meta.name == "set_fact" {
                let names = module.args.iter().filter(|(name, _)| !name.contains("{{"));
                names.for_each(|(name, (span, _))| super::values::variable_name(name, *span, &mut found));
            }
            problems.extend(found.into_iter().map(|problem| if meant { problem.warning() } else { problem }));
        }
    }
}

fn module_use(task: &Task, module: &ModuleUse) -> Vec<Diagnostic> {
    let defaults = defaults(task, module.entry);
    // Defaults with templates as a whole may hold any argument.
    let open = module.args_template.is_some() || defaults.is_none();
    let mut args: Vec<(&str, Span, &Node)> =
        module.args.iter().map(|(name, (span, node))| (&**name, *span, node)).collect();
    for (name, span, node) in defaults.unwrap_or_default() {
        let same = |given: &str| given == name || canonical(module.entry, given) == canonical(module.entry, name);
        if !args.iter().any(|(given, _, _)| same(given)) {
            args.push((name, span, node));
        }
    }
    let map: Map = args.iter().map(|(name, _, node)| (Key::from(*name), node.to_value())).collect();
    let templated = |path: &[PathPart]| follow(&args, path).is_some_and(unknown);
    if let Some((span, _)) = module.args.get(RAW).filter(|_| module.entry.spec().arg(RAW).is_none()) {
        return vec![
            Diagnostic::source("P0213", format!("`{}` takes no free text", module.name))
                .with_label(*span, "expected `name=value` here")
                .with_hint("write the arguments as `name: value` lines below the module"),
        ];
    }
    let Err(errors) = module.entry.spec().coerce(&map, &templated) else { return Vec::new() };
    errors
        .into_iter()
        // With one template for all, what is missing may be in there.
        .filter(|error| !(open && error.path.is_empty()))
        .map(|error| located(&error, &args, module))
        .collect()
}

/// The name that an alias stands for.
fn canonical<'a>(entry: &'static ModuleEntry, name: &'a str) -> &'a str {
    entry.spec().arg(name).map_or(name, |arg| arg.name.as_str())
}

/// A value that is known only when it is rendered or opened.
fn unknown(node: &Node) -> bool {
    match &node.data {
        NodeData::Scalar(_) => node.tag == Some(Tag::Vault) || node.has_template(),
        NodeData::List(_) | NodeData::Map(_) => false,
    }
}

/// The node at a path.
fn follow<'a>(args: &[(&str, Span, &'a Node)], path: &[PathPart]) -> Option<&'a Node> {
    let (PathPart::Key(first), rest) = path.split_first()? else { return None };
    let mut node = args.iter().find(|(name, _, _)| name == first).map(|(_, _, node)| *node)?;
    for part in rest {
        // Below text that is split at commas there are no nodes; the text stands for them.
        if node.as_scalar().is_some() {
            return Some(node);
        }
        node = match part {
            PathPart::Key(key) => node.get(key)?,
            PathPart::Index(index) => node.as_list()?.get(*index)?,
        };
    }
    Some(node)
}

/// The place of a key at a path.
fn key_span(args: &[(&str, Span, &Node)], path: &[PathPart]) -> Option<Span> {
    match path {
        [PathPart::Key(name)] => args.iter().find(|(given, _, _)| given == name).map(|(_, span, _)| *span),
        [before @ .., PathPart::Key(name)] => {
            let pairs = follow(args, before)?.as_map()?;
            pairs.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(key, _)| key.place())
        }
        _ => None,
    }
}

fn located(error: &ArgError, args: &[(&str, Span, &Node)], module: &ModuleUse) -> Diagnostic {
    let mut path = error.path.as_slice();
    let span = loop {
        let key = key_span(args, path);
        let span = if error.on_key { key } else { follow(args, path).map(Node::place).or(key) };
        match (span, path) {
            (Some(span), _) => break span,
            (None, [before @ .., _]) => path = before,
            (None, []) => break module.name_span,
        }
    };
    let mut diagnostic = Diagnostic::source(error.code, error.message.clone()).with_label(span, error.label.clone());
    if let Some(hint) = &error.hint {
        diagnostic = diagnostic.with_hint(hint.clone());
    }
    diagnostic
}

/// Literal `module_defaults` that reach a task, the nearest first. `None` if some are not known.
fn defaults<'a>(task: &'a Task, entry: &'static ModuleEntry) -> Option<Vec<(&'a str, Span, &'a Node)>> {
    let mut found: Vec<(&str, Span, &Node)> = Vec::new();
    let chain = std::iter::once(&task.keywords).chain(task.context.chain().map(|context| &context.keywords));
    for keywords in chain {
        let Some(node) = keywords.get("module_defaults") else { continue };
        let single = std::slice::from_ref(node);
        for mapping in node.as_list().unwrap_or(single) {
            for (name, args) in mapping.as_map()? {
                let name = name.as_str()?;
                if name.starts_with("group/") {
                    return None;
                }
                let meta = &entry.meta;
                if name != meta.name && name != meta.full_name && !meta.also.contains(&name) {
                    continue;
                }
                if unknown(args) {
                    return None;
                }
                for (key, value) in args.as_map().unwrap_or_default() {
                    if let Some(text) = key.as_str().filter(|text| !found.iter().any(|(name, _, _)| name == text)) {
                        found.push((text, key.place(), value));
                    }
                }
            }
        }
    }
    Some(found)
}
