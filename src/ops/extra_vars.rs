//! `-e`: `key=value` text, YAML or JSON, or `@FILE`.

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::diag::{Diagnostic, Kind, Result, SourceMap, Span};
use crate::playbook::{Loader, parse_kv};
use crate::vars::{Entry, Layer, Level, Origin};
use crate::yaml::{LoadOptions, Node, load};

/// How `-e` options are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExtraVars {
    /// What is no `name=value` is an error.
    #[default]
    Strict,
    /// As Ansible: words without `=` are passed over, and errors are of the kinds that give its exit codes.
    AsAnsible,
}

/// The layer of all `-e` options, the later ones winning; with `merge` mappings of one name are joined.
pub(super) fn layer(
    options: &[String],
    form: ExtraVars,
    merge: bool,
    sources: &SourceMap,
    loader: &Loader,
) -> Result<Layer> {
    let mut entries: IndexMap<Arc<str>, Entry> = IndexMap::new();
    for option in options {
        for (name, node) in parse(option.trim(), form, sources, loader)? {
            let mut entry = Entry::Lazy(node);
            if let Some(low) = entries.get(&name).filter(|_| merge) {
                entry = entry.over(low);
            }
            entries.insert(name, entry);
        }
    }
    Ok(Layer { origin: Origin { level: Level::Extra, name: "-e".into() }, entries: Arc::new(entries) })
}

fn parse(option: &str, form: ExtraVars, sources: &SourceMap, loader: &Loader) -> Result<Vec<(Arc<str>, Node)>> {
    if let Some(path) = option.strip_prefix('@') {
        let read = loader.vars_file(Path::new(path)).map_err(|error| match (form, &*error.code) {
            (ExtraVars::AsAnsible, "P0401") => of_kind(error, Kind::Local),
            (ExtraVars::AsAnsible, "P0407") => of_kind(error, Kind::Usage),
            _ => error,
        });
        return Ok(named(&read?));
    }
    let file = sources.add("<-e>", None, option);
    let wrong = |message: &str, span: Span| {
        Diagnostic::new("C0105", Kind::Usage, message.to_owned())
            .with_label(span, "here")
            .with_hint("-e name=value, -e '{name: value}', or -e @FILE")
    };
    let whole = Span::new(file.id, 0, u32::try_from(option.len()).unwrap_or(u32::MAX));
    if option.starts_with(['{', '[']) {
        let node = load(sources, &file, &LoadOptions::default()).one(&file)?;
        if node.as_map().is_none() {
            return Err(wrong("variables must be a mapping", whole));
        }
        return Ok(named(&node));
    }
    if form == ExtraVars::AsAnsible && option.starts_with(['/', '.']) {
        return Err(wrong(&format!("`{option}` is the name of a file"), whole).with_hint(format!("-e @{option}")));
    }
    let arguments = parse_kv(option, false).map_err(|_| {
        let error = wrong("a quote or bracket is not closed", whole);
        if form == ExtraVars::AsAnsible { of_kind(error, Kind::Source) } else { error }
    })?;
    if let Some(raw) = arguments.raw.filter(|_| form == ExtraVars::Strict) {
        return Err(wrong(&format!("`{}` is not of the form name=value", raw.text), whole));
    }
    let root = Node::text(option, whole);
    Ok(arguments
        .options
        .into_iter()
        .map(|(name, value)| (Arc::from(name.text.as_str()), value.to_node(&root)))
        .collect())
}

fn of_kind(mut error: Diagnostic, kind: Kind) -> Diagnostic {
    error.kind = kind;
    error
}

fn named(node: &Node) -> Vec<(Arc<str>, Node)> {
    node.as_map()
        .unwrap_or_default()
        .iter()
        .filter_map(|(key, value)| Some((Arc::from(key.as_str()?), value.clone())))
        .collect()
}
