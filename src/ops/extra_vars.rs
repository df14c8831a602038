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
    let ansible = form == ExtraVars::AsAnsible;
    if let Some(path) = option.strip_prefix('@') {
        return file(Path::new(path), ansible, loader);
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
            return Err(wrong("variables must be a mapping", whole).with_registered(no_mapping(option)));
        }
        return Ok(named(&node));
    }
    if ansible && option.starts_with(['/', '.']) {
        return Err(wrong(&format!("`{option}` is the name of a file"), whole)
            .with_registered(format!("Please prepend extra_vars filename '{option}' with '@'"))
            .with_hint(format!("-e @{option}")));
    }
    let arguments = parse_kv(option, false).map_err(|_| {
        let error = wrong("a quote or bracket is not closed", whole).with_registered(unbalanced(option));
        if ansible { of_kind(error, Kind::Source) } else { error }
    })?;
    if let Some(raw) = arguments.raw.filter(|_| !ansible) {
        return Err(wrong(&format!("`{}` is not of the form name=value", raw.text), whole));
    }
    let root = Node::text(option, whole);
    Ok(arguments
        .options
        .into_iter()
        .map(|(name, value)| (Arc::from(name.text.as_str()), value.to_node(&root)))
        .collect())
}

/// The variables of `@FILE`; what is wrong is told in Ansible's words, too.
fn file(path: &Path, ansible: bool, loader: &Loader) -> Result<Vec<(Arc<str>, Node)>> {
    let shown = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // `-e @` names the working folder.
    let shown = if path.as_os_str().is_empty() { std::env::current_dir().unwrap_or(shown) } else { shown };
    let folder = shown.is_dir();
    let shown = shown.display().to_string();
    let read = loader.vars_file(path).map_err(|error| match &*error.code {
        "P0401" if ansible && folder => of_kind(error, Kind::Source).with_registered(format!(
            "An error occurred while trying to read the file '{shown}': [Errno 21] Is a directory: '{shown}'"
        )),
        "P0401" if ansible => of_kind(error, Kind::Local).with_registered(format!(
            "Unable to retrieve file contents.\nCould not find or access '{shown}' on the Ansible Controller.\nIf you are \
             using a module and expect the file to exist on the remote, see the remote_src option: [Errno 2] No such file \
             or directory: '{shown}'"
        )),
        "P0407" if ansible => of_kind(error, Kind::Usage).with_registered(no_mapping(&format!("@{shown}"))),
        _ => error,
    })?;
    // A file without any value is no mapping for Ansible.
    let written = || std::fs::read_to_string(path).is_ok_and(|text| !text.contains(['{', '$']));
    if ansible && read.as_map().is_none_or(<[_]>::is_empty) && written() {
        return Err(Diagnostic::new("C0105", Kind::Usage, format!("`{}` holds no variables", path.display()))
            .with_registered(no_mapping(&format!("@{shown}")))
            .with_hint("write `name: value` lines, or `{}`"));
    }
    Ok(named(&read))
}

fn no_mapping(option: &str) -> String {
    format!("Invalid extra vars data supplied. '{option}' could not be made into a dictionary")
}

/// What ansible-core says of `k=v` text with a quote that is open at its end.
fn unbalanced(text: &str) -> String {
    format!("failed at splitting arguments, either an unbalanced jinja2 block or quotes: {text}")
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
