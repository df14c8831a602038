//! The lock file: what each requirement was resolved to, with commits and checksums.
//!
//! It stands beside the requirements: `requirements.yml.lock`. The whole name with an ending, because `requirements.lock`
//! is that of Python's tools, and one folder may have both. It holds no credentials: addresses come without them.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::resolve::Chosen;
use super::{Sort, git, source, tree};
use crate::diag::{Diagnostic, Result, SourceMap, Span};
use crate::map;
use crate::value::{Key, Map, Value};
use crate::yaml::{LoadOptions, Node, load};

/// The format that is written.
const VERSION: i128 = 1;

const HEAD: &str = "# Made by `hostctl deps`; keep it with the requirements. `hostctl deps update` renews it.\n";

/// One pinned role or collection.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub sort: Sort,
    pub name: String,
    /// As the requirement has it.
    pub source: String,
    /// The version that was asked for.
    pub requested: String,
    /// The folder in a source that holds several collections.
    pub folder: String,
    /// Commit or checksum; empty for what was only found.
    pub pin: String,
    /// What a collection says its version is.
    pub version: String,
    /// What it needs: sort, name, range.
    pub requires: Vec<(Sort, String, String)>,
    /// Its place in the lock, or that of its requirement.
    pub span: Span,
}

/// A lock that was read.
#[derive(Debug)]
pub(super) struct Lock {
    pub text: String,
    /// Dependencies were left out.
    pub no_deps: bool,
    pub entries: Vec<Entry>,
}

/// The lock file of a requirements file.
pub fn lock_path(requirements: &Path) -> PathBuf {
    let mut path = requirements.as_os_str().to_owned();
    path.push(".lock");
    PathBuf::from(path)
}

/// Names of the roles and collections that the lock of a requirements file pins.
pub fn locked_names(requirements: &Path) -> Vec<String> {
    let lock = read(&lock_path(requirements), &SourceMap::new()).ok().flatten();
    lock.map(|lock| lock.entries.into_iter().map(|entry| entry.name).collect()).unwrap_or_default()
}

/// Reads the lock, if there is one.
pub(super) fn read(path: &Path, sources: &Arc<SourceMap>) -> Result<Option<Lock>> {
    let text = match crate::diag::read::read_source_text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(tree::unread(path, &error)),
    };
    let file = sources.add(path.display().to_string(), Some(path), text.clone());
    let node = load(sources, &file, &LoadOptions::strict()).one(&file)?;
    let wrong = |node: &Node, text: &str| {
        Diagnostic::source("D0501", format!("the lock file cannot be read: {text}"))
            .with_label(node.place(), "here")
            .with_hint(format!("take it from version control, or remove `{}` and install anew", path.display()))
    };
    let version = node.get("version").and_then(|version| version.as_scalar()?.value.as_int());
    match version {
        Some(VERSION) => {}
        Some(newer) if newer > VERSION => {
            return Err(Diagnostic::source(
                "D0501",
                format!("the lock file has the format {newer}, which is newer than {VERSION}"),
            )
            .with_label_opt(node.get("version").map(Node::place), "newer than this hostctl")
            .with_hint("use the hostctl that wrote it, or a newer one"));
        }
        _ => return Err(wrong(&node, "there is no `version` in it")),
    }
    let mut entries = Vec::new();
    for (sort, key) in [(Sort::Role, "roles"), (Sort::Collection, "collections")] {
        for item in node.get(key).and_then(Node::as_list).unwrap_or_default() {
            let text = |key: &str| item.get(key).and_then(Node::as_scalar).map(|text| text.text.to_string());
            let missing = || wrong(item, "an entry needs `name` and `source`");
            let pin = text("commit").or_else(|| text("sha256")).unwrap_or_default();
            // Commits reach git's arguments.
            if !pin.is_empty() && !git::is_commit(&pin) {
                return Err(wrong(item, "a commit or checksum has 40 or 64 hexadecimal digits"));
            }
            let mut requires = Vec::new();
            for (key, range) in item.get("requires").and_then(Node::as_map).unwrap_or_default() {
                let name = key.as_str().unwrap_or_default();
                let range = range.as_scalar().map(|range| range.text.to_string()).unwrap_or_default();
                let (sort, name) = match name.split_once(' ') {
                    Some(("role", name)) => (Sort::Role, name),
                    Some(("collection", name)) => (Sort::Collection, name),
                    _ => return Err(wrong(key, "`requires` has `role NAME` or `collection NAME`")),
                };
                requires.push((sort, name.to_owned(), range));
            }
            let name = text("name").ok_or_else(missing)?;
            let folder = text("folder").unwrap_or_default();
            let source = text("source").ok_or_else(missing)?;
            // Names become folders, and what is there may be replaced.
            if !source::is_name(sort, &name) && source != "galaxy" {
                return Err(wrong(item, &format!("`{name}` is no name for a {}", sort.word())));
            }
            let inside = source.split_once('#').map_or("", |(_, inside)| inside);
            if let Some(out) = [&*folder, inside].into_iter().find(|folder| source::leads_out(folder)) {
                return Err(wrong(item, &format!("`{out}` is no folder of a repository")));
            }
            if entries.iter().any(|known: &Entry| known.sort == sort && known.name == name) {
                return Err(wrong(item, &format!("`{name}` stands in it twice")));
            }
            entries.push(Entry {
                sort,
                name,
                source,
                requested: text("requested").unwrap_or_default(),
                folder,
                pin,
                version: text("version").unwrap_or_default(),
                requires,
                span: item.place(),
            });
        }
    }
    let no_deps = node.get("dependencies").and_then(|flag| flag.as_scalar()?.value.as_bool()) == Some(false);
    Ok(Some(Lock { text, no_deps, entries }))
}

/// The text of a lock.
pub(super) fn text(chosen: &[Chosen], no_deps: bool) -> Result<String> {
    let mut whole = map! { "version" => Value::Int(VERSION) };
    if no_deps {
        whole.insert(Key::from("dependencies"), Value::Bool(false));
    }
    for (sort, key) in [(Sort::Role, "roles"), (Sort::Collection, "collections")] {
        let mut entries: Vec<&Entry> =
            chosen.iter().map(|chosen| &chosen.entry).filter(|entry| entry.sort == sort).collect();
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        let entries: Vec<Value> = entries.into_iter().map(|entry| Value::from(entry.map())).collect();
        if !entries.is_empty() {
            whole.insert(Key::from(key), Value::from(entries));
        }
    }
    Ok(format!("{HEAD}{}", crate::yaml::emit(&Value::from(whole))?))
}

impl Entry {
    fn map(&self) -> Map {
        let mut map = map! { "name" => self.name.as_str(), "source" => self.source.as_str() };
        let pin = if self.source.starts_with("git+") { "commit" } else { "sha256" };
        for (key, text) in
            [("folder", &self.folder), ("requested", &self.requested), (pin, &self.pin), ("version", &self.version)]
        {
            if !text.is_empty() {
                map.insert(Key::from(key), Value::from(text.as_str()));
            }
        }
        if !self.requires.is_empty() {
            let mut requires = Map::new();
            for (sort, name, range) in &self.requires {
                let range = if range.is_empty() { "*" } else { range.as_str() };
                requires.insert(Key::from(format!("{} {name}", sort.word())), Value::from(range));
            }
            map.insert(Key::from("requires"), Value::from(requires));
        }
        map
    }
}

/// Writes a lock in one step.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    let wrong = |error: &std::io::Error| tree::unwritten(path, error);
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let permissions = std::fs::Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(dir).map_err(|error| wrong(&error))?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(|error| wrong(&error))?;
    file.persist(path).map_err(|error| wrong(&error.error))?;
    Ok(())
}
