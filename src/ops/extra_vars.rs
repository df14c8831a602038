//! `-e`: `key=value` text, YAML or JSON, or `@FILE`.

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::diag::{Diagnostic, Kind, Result, SourceMap, Span};
use crate::playbook::{Loader, parse_kv};
use crate::vars::{Entry, Layer, Level, Origin};
use crate::yaml::{LoadOptions, Node, load};

/// The layer of all `-e` options, the later ones winning; with `merge` mappings of one name are joined.
pub(super) fn layer(options: &[String], merge: bool, sources: &SourceMap, loader: &Loader) -> Result<Layer> {
    let mut entries: IndexMap<Arc<str>, Entry> = IndexMap::new();
    for option in options {
        for (name, node) in parse(option.trim(), sources, loader)? {
            let mut entry = Entry::Lazy(node);
            if let Some(low) = entries.get(&name).filter(|_| merge) {
                entry = entry.over(low);
            }
            entries.insert(name, entry);
        }
    }
    Ok(Layer { origin: Origin { level: Level::Extra, name: "-e".into() }, entries: Arc::new(entries) })
}

fn parse(option: &str, sources: &SourceMap, loader: &Loader) -> Result<Vec<(Arc<str>, Node)>> {
    if let Some(path) = option.strip_prefix('@') {
        return Ok(named(&loader.vars_file(Path::new(path))?));
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
    let arguments = parse_kv(option, false).map_err(|_| wrong("a quote or bracket is not closed", whole))?;
    if let Some(raw) = arguments.raw {
        return Err(wrong(&format!("`{}` is not of the form name=value", raw.text), whole));
    }
    let root = Node::text(option, whole);
    Ok(arguments
        .options
        .into_iter()
        .map(|(name, value)| (Arc::from(name.text.as_str()), value.to_node(&root)))
        .collect())
}

fn named(node: &Node) -> Vec<(Arc<str>, Node)> {
    node.as_map()
        .unwrap_or_default()
        .iter()
        .filter_map(|(key, value)| Some((Arc::from(key.as_str()?), value.clone())))
        .collect()
}
