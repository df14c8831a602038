//! Arguments of modules, as far as they are literal: names, kinds, choices, groups.

use super::survey::Survey;
use crate::diag::{Diagnostic, Span, Subject};
use crate::modules::{ArgError, ModuleEntry, PathPart};
use crate::playbook::loader::Loader;
use crate::playbook::model::{Action, Context, Keywords, ModuleUse, Task};
use crate::playbook::parse::playbook_dir;
use crate::value::{Key, Map, Value};
use crate::yaml::{Node, NodeData, Tag};

/// Free text of modules that take none, where the parser lets it pass.
const RAW: &str = "_raw_params";

/// Wrong arguments of a task whose failure is taken are warnings: that may be what it is for.
pub(super) fn check(survey: &Survey, loader: &Loader, problems: &mut Vec<Diagnostic>) {
    groups(survey, loader, problems);
    for task in survey.tasks() {
        if let Action::Module(module) = &task.action {
            let meant = survey.caught.contains(&task.id);
            let mut found = module_use(task, module, loader);
            if module.entry.meta.name == "set_fact" {
                let names = module.args.iter().filter(|(name, _)| !name.contains("{{"));
                names.for_each(|(name, (span, _))| super::values::variable_name(name, *span, &mut found));
            }
            if let Some((_, that)) = module.args.get("that").filter(|_| module.entry.meta.name == "assert") {
                found.extend(super::values::asserted(that));
            }
            problems.extend(found.into_iter().map(|problem| if meant { problem.warning() } else { problem }));
        }
    }
}

/// Groups of `module_defaults` that no collection has.
fn groups(survey: &Survey, loader: &Loader, problems: &mut Vec<Diagnostic>) {
    let mut seen: Vec<Span> = Vec::new();
    let mut look = |keywords: &Keywords, context: &Context| {
        let Some(node) = keywords.get("module_defaults") else { return };
        let single = std::slice::from_ref(node);
        for (key, _) in node.as_list().unwrap_or(single).iter().flat_map(|map| map.as_map().unwrap_or_default()) {
            let Some(name) = key.as_str().and_then(|name| name.strip_prefix("group/")) else { continue };
            if loader.action_group(name, &playbook_dir(context)).is_none() && !seen.contains(&key.place()) {
                seen.push(key.place());
                problems.push(
                    Diagnostic::source("P0308", format!("there is no group of modules `{name}`"))
                        .with_label(key.place(), "no collection has it")
                        .with_hint(
                            "install the collection, or write the full name: `group/NAMESPACE.COLLECTION.GROUP`",
                        ),
                );
            }
        }
    };
    for context in &survey.contexts {
        look(&context.keywords, context);
    }
    for task in survey.tasks() {
        look(&task.keywords, &task.context);
    }
}

fn module_use(task: &Task, module: &ModuleUse, loader: &Loader) -> Vec<Diagnostic> {
    let defaults = defaults(task, module, loader);
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
    twice_by_omission(module.entry, &mut args);
    let map: Map = args.iter().map(|(name, _, node)| (Key::from(*name), node.to_value())).collect();
    let templated = |path: &[PathPart]| follow(&args, path).is_some_and(unknown);
    if let Some((span, _)) = module.args.get(RAW).filter(|_| module.entry.spec().arg(RAW).is_none()) {
        return vec![
            Diagnostic::source("P0213", format!("`{}` takes no free text", module.name))
                .with_label(*span, "expected `name=value` here")
                .with_hint("write the arguments as `name: value` lines below the module"),
        ];
    }
    let errors = module.entry.spec().coerce(&map, &templated).err().unwrap_or_default();
    // With one template for all, what is missing may be in there.
    let errors = errors.iter().filter(|error| !(open && error.path.is_empty()));
    let mut found: Vec<Diagnostic> = errors.map(|error| located(error, &args, module)).collect();
    found.extend(args.iter().filter_map(|(name, _, node)| decimal_mode(module.entry, name, node)));
    found
}

/// A file mode that lost its zero: it means another one than it seems to.
fn decimal_mode(entry: &'static ModuleEntry, name: &str, node: &Node) -> Option<Diagnostic> {
    let arg = entry.spec().arg(name).filter(|arg| arg.format.as_deref() == Some("mode"))?;
    let Value::Int(number) = node.to_value() else { return None };
    let number = number.to_string().parse().ok()?;
    let said = crate::modules::mode_without_zero(number)?;
    Some(
        Diagnostic::source("M0004", format!("`{}`: {said}", arg.name))
            .with_label(node.place(), "expected a file mode in octal")
            .with_hint(format!("write '0{number}'"))
            .warning(),
    )
}

/// True for a template that may leave its argument out: `{{ item.group | default(omit) }}`.
fn may_be_omitted(node: &Node) -> bool {
    let words = |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "omit");
    node.as_scalar().is_some_and(|scalar| words(&scalar.text)) && node.has_template()
}

/// Of an argument that is given under several of its names, those that may be left out are judged by the run alone.
fn twice_by_omission(entry: &'static ModuleEntry, args: &mut Vec<(&str, Span, &Node)>) {
    let mut index = args.len();
    while index > 0 {
        index -= 1;
        let (name, _, node) = args[index];
        let same = |other: &str| canonical(entry, other) == canonical(entry, name);
        if may_be_omitted(node) && args.iter().filter(|(other, _, _)| same(other)).count() > 1 {
            args.remove(index);
        }
    }
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
    let argument = match error.path.first() {
        Some(PathPart::Key(name)) => name.clone(),
        _ => String::new(),
    };
    let mut diagnostic = Diagnostic::source(error.code, error.message.clone())
        .with_subject(Subject::Argument { module: module.entry.meta.name, argument })
        .with_label(span, error.label.clone());
    if let Some(hint) = &error.hint {
        diagnostic = diagnostic.with_hint(hint.clone());
    }
    // Left out, the argument does no harm: only the run knows.
    let omitted = error.on_key && follow(args, &error.path).is_some_and(may_be_omitted);
    if omitted { diagnostic.warning() } else { diagnostic }
}

/// Literal `module_defaults` that reach a task: the nearest entry for it. `None` if some are not known.
fn defaults<'a>(task: &'a Task, module: &ModuleUse, loader: &Loader) -> Option<Vec<(&'a str, Span, &'a Node)>> {
    let chain = std::iter::once(&task.keywords).chain(task.context.chain().map(|context| &context.keywords));
    let mut nearest: Option<&Node> = None;
    for keywords in chain {
        let Some(node) = keywords.get("module_defaults") else { continue };
        let single = std::slice::from_ref(node);
        for mapping in node.as_list().unwrap_or(single).iter().rev() {
            for (name, args) in mapping.as_map()?.iter().rev() {
                let name = name.as_str()?;
                if !loader.defaults_apply(name, module, &task.context) {
                    // Defaults of the module that does the work may hold any argument.
                    let backends = module.entry.meta.hands_to.map_or(&[][..], |hands_to| hands_to.names);
                    if backends.iter().any(|backend| name == *backend || name.rsplit('.').next() == Some(backend)) {
                        return None;
                    }
                    continue;
                }
                if name.starts_with("group/") || unknown(args) {
                    return None;
                }
                nearest = nearest.or(Some(args));
            }
        }
    }
    let pairs = nearest.and_then(Node::as_map).unwrap_or_default().iter();
    Some(pairs.filter_map(|(key, value)| Some((key.as_str()?, key.place(), value))).collect())
}
