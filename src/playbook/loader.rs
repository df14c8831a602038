//! The loader: reads files into nodes, once each, and numbers tasks.
//!
//! It owns where things are searched. One loader serves a whole run, so files that are included
//! again and again are read once. Vaulted files go through the caller's `unseal`.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::diag::{Diagnostic, Result, SourceMap};
use crate::event::TaskId;
use crate::playbook::library::Shelf;
use crate::playbook::model::{Context, ContextKind};
use crate::template::Templates;
use crate::vars::{Layer, Level, Scope};
use crate::yaml::{self, LoadOptions, Node};

/// Opens ansible-vault text; the redactor learns it on the way.
pub type Unseal = Arc<dyn Fn(&str) -> Result<String> + Send + Sync>;

/// What a loader needs to know.
#[derive(Clone)]
pub struct LoaderOptions {
    /// Where texts are kept for messages.
    pub sources: Arc<SourceMap>,
    /// The project's folder: its `roles/` is searched after the one beside the playbook.
    pub project_dir: Option<PathBuf>,
    /// Folders with roles (`ANSIBLE_ROLES_PATH`, the usual places).
    pub roles_path: Vec<PathBuf>,
    /// Folders that hold `ansible_collections/`.
    pub collections_path: Vec<PathBuf>,
    /// Folders with modules of one's own that go before those beside playbooks (`-M`).
    pub module_path: Vec<PathBuf>,
    /// Folders with modules of one's own that come last (`ANSIBLE_LIBRARY`).
    pub library: Vec<PathBuf>,
    /// Folders with plugins besides those of playbooks and roles, by their kind (`ANSIBLE_FILTER_PLUGINS`).
    pub plugin_path: Vec<(&'static str, PathBuf)>,
    /// What the setting `private_role_vars` says, if it was set: whether plays see the variables of roles.
    pub public_roles: Option<bool>,
    /// A playbook that stands in no file: the path that means it, its name in messages, its text.
    pub given: Option<(PathBuf, String, Arc<str>)>,
    /// Opens vaulted files.
    pub unseal: Unseal,
    /// Renders the names of static imports. Without it, templates there are errors.
    pub templates: Option<Arc<Templates>>,
    /// What is known before the run: `-e` and the environment. Play `vars` are added by the loader.
    pub scope: Scope,
}

impl LoaderOptions {
    /// Searches beside the playbook only, and opens no vault.
    pub fn new(sources: Arc<SourceMap>) -> Self {
        Self {
            sources,
            project_dir: None,
            roles_path: Vec::new(),
            collections_path: Vec::new(),
            module_path: Vec::new(),
            library: Vec::new(),
            plugin_path: Vec::new(),
            public_roles: None,
            given: None,
            unseal: Arc::new(|_| {
                Err(Diagnostic::new(
                    "P0411",
                    crate::diag::Kind::Vault,
                    "the file is sealed and no vault password is known",
                ))
            }),
            templates: None,
            scope: Scope::new(),
        }
    }
}

/// A file's content and what the YAML reader had to say.
#[derive(Clone, Debug)]
pub(super) struct SourceNode {
    /// The only document.
    pub(super) node: Node,
    /// Warnings; errors make reading fail.
    pub(super) warnings: Vec<Diagnostic>,
}

/// A file that was read.
#[derive(Clone)]
struct Known {
    stamp: Option<Stamp>,
    /// As it stands in the file.
    raw: Arc<str>,
    source: Arc<SourceNode>,
}

/// What changes when a file does: a run may write what it reads afterwards.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let meta = std::fs::metadata(path).ok()?;
        Some(Self {
            file: (meta.dev(), meta.ino()),
            size: meta.size(),
            written: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

/// Reads playbooks, roles, task and variable files.
pub struct Loader {
    pub(super) options: LoaderOptions,
    next_task: AtomicU64,
    files: Mutex<HashMap<PathBuf, Known>>,
    pub(super) collections: Mutex<super::collections::Cache>,
    pub(super) groups: Mutex<super::collections::Groups>,
    pub(super) playbook_dirs: Mutex<Vec<PathBuf>>,
    pub(super) shelves: Mutex<Vec<Shelf>>,
    pub(super) python: Mutex<super::plugins::Index>,
    pub(super) first_shelves: Vec<Shelf>,
    pub(super) last_shelves: Vec<Shelf>,
}

impl Loader {
    /// A loader for one run.
    pub fn new(options: LoaderOptions) -> Self {
        let shelves = |dirs: &[PathBuf]| dirs.iter().map(|dir| Shelf::of(dir)).collect();
        Self {
            next_task: AtomicU64::new(1),
            files: Mutex::default(),
            collections: Mutex::default(),
            groups: Mutex::default(),
            playbook_dirs: Mutex::default(),
            shelves: Mutex::default(),
            python: Mutex::default(),
            first_shelves: shelves(&options.module_path),
            last_shelves: shelves(&options.library),
            options,
        }
    }

    /// Whether plays see the variables of roles, if the configuration says so.
    pub fn public_roles(&self) -> Option<bool> {
        self.options.public_roles
    }

    /// The source map that spans refer to.
    pub fn sources(&self) -> &Arc<SourceMap> {
        &self.options.sources
    }

    /// A number that no other task of this run has.
    pub fn task_id(&self) -> TaskId {
        TaskId(self.next_task.fetch_add(1, Ordering::Relaxed))
    }

    /// Reads a YAML or JSON file of one document; all that is wrong with it on failure.
    pub(super) fn read(&self, path: &Path) -> Result<Arc<SourceNode>, Vec<Diagnostic>> {
        self.read_file(path, false)
    }

    /// `fresh`: the text is compared, too. Files may be written faster than their times tell.
    fn read_file(&self, path: &Path, fresh: bool) -> Result<Arc<SourceNode>, Vec<Diagnostic>> {
        let stamp = Stamp::of(path);
        let known = self.files.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        if let Some(known) = &known
            && !fresh
            && stamp.is_some()
            && known.stamp == stamp
        {
            return Ok(Arc::clone(&known.source));
        }
        if let Some((_, name, text)) = self.options.given.as_ref().filter(|(known, ..)| known == path) {
            let file = self.options.sources.add(name, None, Arc::clone(text));
            let (node, diagnostics) = yaml::load(&self.options.sources, &file, &LoadOptions::default()).single(&file);
            if diagnostics.iter().any(Diagnostic::is_error) {
                return Err(diagnostics);
            }
            return Ok(Arc::new(SourceNode { node, warnings: diagnostics }));
        }
        let raw: Arc<str> = read_text(path).map_err(|error| vec![error])?.into();
        let keep = |source: &Arc<SourceNode>| {
            let known = Known { stamp, raw: Arc::clone(&raw), source: Arc::clone(source) };
            self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_path_buf(), known);
        };
        if let Some(known) = known.filter(|known| known.raw == raw) {
            keep(&known.source);
            return Ok(known.source);
        }
        let here = std::env::current_dir().unwrap_or_default();
        let shown = clean(path);
        let name = shown.strip_prefix(&here).unwrap_or(&shown).display().to_string();
        let sealed = raw.starts_with("$ANSIBLE_VAULT;");
        let text: Arc<str> = if sealed {
            (self.options.unseal)(&raw)
                .map_err(|error| vec![error.with_note(format!("`{name}` is a vaulted file"))])?
                .into()
        } else {
            Arc::clone(&raw)
        };
        let file = self.options.sources.add(name, Some(path), text);
        let options = LoadOptions::default().sealed(sealed);
        let (node, diagnostics) = yaml::load(&self.options.sources, &file, &options).single(&file);
        if sealed {
            // Code frames must not show what the vault keeps.
            self.options.sources.mask(file.id);
        }
        if diagnostics.iter().any(Diagnostic::is_error) {
            return Err(diagnostics);
        }
        let source = Arc::new(SourceNode { node, warnings: diagnostics });
        keep(&source);
        Ok(source)
    }

    /// A variable file: one mapping with variable names as keys; an empty file is an empty mapping.
    pub fn load_vars_file(&self, path: &Path) -> Result<Node> {
        let source = self.read(path).map_err(first_error)?;
        vars_mapping(&source.node, path)
    }

    /// The same as it stands there now, for tasks that read what others may have written.
    pub fn vars_file(&self, path: &Path) -> Result<Node> {
        let source = self.read_file(path, true).map_err(first_error)?;
        vars_mapping(&source.node, path)
    }

    /// A file of a play's `vars_files` as it stands there now: one mapping, or a list of them.
    pub fn vars_files_entry(&self, path: &Path) -> Result<Node> {
        let source = self.read_file(path, true).map_err(first_error)?;
        vars_mappings(&source.node, path)
    }

    /// Text of a static name (`import_tasks: "{{ distro }}.yml"`), rendered with what is known
    /// before the run: `vars` around it, and the caller's scope.
    pub(super) fn static_name(&self, node: &Node, what: &str, context: Option<&Arc<Context>>) -> Result<String> {
        if !node.has_template() {
            return match node.as_scalar() {
                Some(scalar) if !scalar.text.trim().is_empty() => Ok(scalar.text.trim().to_owned()),
                Some(_) => Err(Diagnostic::source("P0405", format!("{what} is empty")).with_label(node.place(), "")),
                None => {
                    Err(Diagnostic::source("P0405", format!("expected {what} as text, found {}", node.type_name()))
                        .with_label(node.place(), "not text"))
                }
            };
        }
        let Some(templates) = &self.options.templates else {
            return Err(not_static(node, what, None));
        };
        let mut scope = self.options.scope.clone();
        let around: Vec<&Context> = context.map(|context| context.chain().collect()).unwrap_or_default();
        for context in around.into_iter().rev() {
            if let ContextKind::Role(role) = &context.kind {
                for defaults in &role.defaults {
                    scope = scope.with(Layer::source(Level::RoleDefaults, "role defaults", defaults));
                }
                for vars in &role.vars {
                    scope = scope.with(Layer::source(Level::RoleVars, "role vars", vars));
                }
            }
            if let Some(vars) = context.keywords.get("vars") {
                let level = match context.kind {
                    ContextKind::Play => Level::PlayVars,
                    ContextKind::Role(_) => Level::RoleVars,
                    ContextKind::Block => Level::BlockVars,
                    ContextKind::Include { dynamic: true, .. } => Level::IncludeParams,
                    ContextKind::Include { dynamic: false, .. } => Level::BlockVars,
                };
                scope = scope.with(Layer::source(level, "vars", vars));
            }
        }
        if let Some(context) = context {
            let mut known = vec![("playbook_dir", absolute(&super::parse::playbook_dir(context)))];
            if let Some(role) = context.role() {
                known.push(("role_path", absolute(&role.path)));
                known.push(("role_name", role.short.to_string()));
            }
            let values = known.into_iter().map(|(name, text)| (Arc::from(name), crate::value::Value::from(text)));
            scope = scope.with(Layer::data(Level::Magic, "hostctl", values));
        }
        let value = templates.render(node, &scope).map_err(|error| not_static(node, what, Some(&error)))?;
        match value.as_str().map(str::trim) {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(Diagnostic::source("P0405", format!("expected {what} as text, found {}", value.type_name()))
                .with_label(node.place(), "this template gives no text")),
        }
    }
}

/// A file's text.
pub(super) fn read_text(path: &Path) -> Result<String> {
    let shown = clean(path);
    let bytes = crate::diag::read::read_source(path).map_err(|error| {
        let diagnostic = Diagnostic::source("P0401", format!("cannot read `{}`: {}", shown.display(), reason(&error)));
        let folder = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let beside: Vec<String> = std::fs::read_dir(folder)
            .map(|list| list.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
            .unwrap_or_default();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        diagnostic
            .with_nearest(&name, beside.iter().map(String::as_str).filter(|other| **other != *name))
            .with_hint_else("name a text file that this user may read")
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Diagnostic::source("P0402", format!("`{}` is not UTF-8 text", shown.display()))
            .with_note(format!("the first wrong byte is at offset {at}"))
            .with_hint(format!(
                "save it as UTF-8, for instance: iconv -f latin1 -t utf-8 {0} -o {0}.utf8",
                shown.display()
            ))
    })
}

fn not_static(node: &Node, what: &str, error: Option<&Diagnostic>) -> Diagnostic {
    let mut diagnostic =
        Diagnostic::source("P0406", format!("{what} of a static import cannot be rendered before the run"))
            .with_label(node.place(), error.map_or_else(String::new, |error| error.message.clone()))
            .with_note("imports see `vars` of the play and `-e`, not facts, inventory or results")
            .with_hint("use `include_tasks` or `include_role`, which are resolved on the host");
    if let Some(error) = error {
        diagnostic.notes.extend(error.notes.iter().cloned());
    }
    diagnostic
}

/// Checks that a document is a mapping of variables; an empty document is an empty mapping.
pub(super) fn vars_mapping(node: &Node, path: &Path) -> Result<Node> {
    if node.is_null() {
        return Ok(Node { data: yaml::NodeData::Map(Arc::from([])), ..node.clone() });
    }
    let Some(pairs) = node.as_map() else {
        return Err(no_variables(node, path));
    };
    if let Some((key, _)) = pairs.iter().find(|(key, _)| key.as_str().is_none()) {
        return Err(Diagnostic::source("P0407", format!("expected a variable's name, found {}", key.type_name()))
            .with_label(key.place(), "not a name")
            .with_hint("put the name in quotes if it is meant as text"));
    }
    Ok(node.clone())
}

/// The same for a file of `vars_files`, where Ansible takes a list of mappings, too.
fn vars_mappings(node: &Node, path: &Path) -> Result<Node> {
    for item in node.as_list().unwrap_or(std::slice::from_ref(node)) {
        if node.as_list().is_some() && item.as_map().is_none() {
            return Err(no_variables(item, path));
        }
        vars_mapping(item, path)?;
    }
    if node.is_null() { vars_mapping(node, path) } else { Ok(node.clone()) }
}

fn no_variables(node: &Node, path: &Path) -> Diagnostic {
    Diagnostic::source(
        "P0407",
        format!("expected variables as a mapping in `{}`, found {}", clean(path).display(), node.type_name()),
    )
    .with_label(node.place(), "not a mapping")
    .with_hint("write `name: value` lines")
}

/// The first error, with a note on how many more there are.
pub(super) fn first_error(problems: Vec<Diagnostic>) -> Diagnostic {
    let mut errors = problems.into_iter().filter(Diagnostic::is_error);
    let Some(first) = errors.next() else {
        return Diagnostic::internal("a file was refused without a reason");
    };
    match errors.count() {
        0 => first,
        1 => first.with_note("there is one more mistake"),
        more => first.with_note(format!("there are {more} more mistakes")),
    }
}

/// The reason of a failure, without the number that Rust adds.
pub(super) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

/// A path from the root down, as text.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

/// A path without `.` and, where that is safe to say, without `x/..`: for people only.
pub fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}

/// A path that `~` may start: the user's home on this machine.
pub fn expand_home(name: &str) -> PathBuf {
    let home = || std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    match name.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => match home() {
            Some(home) => home.join(rest.trim_start_matches('/')),
            None => PathBuf::from(name),
        },
        _ => PathBuf::from(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_is_read_again_and_one_that_did_not_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("v.yml");
        let loader = Loader::new(LoaderOptions::new(SourceMap::new()));
        let x = |node: Node| node.get("x").and_then(Node::as_str).map(str::to_owned).unwrap();
        std::fs::write(&path, "x: one").unwrap();
        assert_eq!(x(loader.load_vars_file(&path).unwrap()), "one");
        let first = loader.read(&path).unwrap();
        assert!(Arc::ptr_eq(&first, &loader.read(&path).unwrap()));
        // The same size, and maybe within one tick of the clock.
        std::fs::write(&path, "x: two").unwrap();
        assert_eq!(x(loader.vars_file(&path).unwrap()), "two");
        // Another file in its place.
        std::fs::write(dir.path().join("new"), "x: three").unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        assert_eq!(x(loader.load_vars_file(&path).unwrap()), "three");
        std::fs::remove_file(&path).unwrap();
        assert!(loader.vars_file(&path).is_err());
    }

    #[test]
    fn a_home_may_stand_alone() {
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        if !home.as_os_str().is_empty() {
            assert_eq!((expand_home("~"), expand_home("~/x")), (home.join(""), home.join("x")));
        }
        assert_eq!(expand_home("~other/x"), PathBuf::from("~other/x"));
    }
}
