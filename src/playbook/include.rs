//! Finds files that playbooks name, and loads what is included while a run goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::loader::{Loader, clean, expand_home, first_error};
use super::model::{Action, Context, ContextKind, DynamicUse, Item, Keywords, Playbook, RoleUse};
use super::parse::{Here, Parser, RoleRequest, playbook_dir};
use super::roles::RoleFrom;
use crate::diag::{Diagnostic, Result};
use crate::yaml::Node;

/// A playbook that was read, as far as that was possible.
#[derive(Debug)]
pub struct Loaded {
    /// What could be read. Not to be run if there are errors.
    pub playbook: Playbook,
    /// Errors and warnings in the order of files and places.
    pub problems: Vec<Diagnostic>,
    /// Tasks that are not in the playbook because of a mistake.
    pub lost: Vec<Node>,
}

/// What an include brings in, as far as it could be read.
pub(super) struct Part<T> {
    pub(super) value: Option<T>,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) lost: Vec<Node>,
}

impl<T> Part<T> {
    fn of(value: Option<T>, mut parser: Parser<'_>) -> Self {
        let lost = std::mem::take(&mut parser.lost);
        Self { value, problems: parser.finish(), lost }
    }
}

/// A file of tasks that is looked for.
pub(super) struct Search<'a> {
    /// The name as written, rendered.
    pub(super) name: &'a str,
    /// What surrounds the task that asks.
    pub(super) context: &'a Context,
    /// The file that the task stands in.
    pub(super) file: &'a Path,
    /// A role's `handlers/` is searched, not its `tasks/`.
    pub(super) handler: bool,
    /// Asked for at run time: the role's own folder comes first, as in Ansible.
    pub(super) dynamic: bool,
}

impl Loader {
    /// Reads a playbook with all that it brings in statically. Goes on after mistakes.
    pub fn load(&self, path: &Path) -> Loaded {
        let mut parser = Parser::new(self);
        let plays = parser.playbook(path, None, (Keywords::default(), None));
        let lost = std::mem::take(&mut parser.lost);
        Loaded { playbook: Playbook { path: path.to_path_buf(), plays }, problems: parser.finish(), lost }
    }

    /// Reads a playbook for a run: with warnings, or all errors.
    pub fn playbook(&self, path: &Path) -> Result<(Playbook, Vec<Diagnostic>), Vec<Diagnostic>> {
        let loaded = self.load(path);
        if loaded.problems.iter().any(Diagnostic::is_error) {
            return Err(loaded.problems);
        }
        Ok((loaded.playbook, loaded.problems))
    }

    /// The tasks of a file that `include_tasks` names: `name` is rendered, `context` is that of the
    /// tasks inside (kind `Include` with the include's keywords; its file is filled in here), `file`
    /// is where the including task stands. Reading is cached; the tasks are new each time.
    pub fn include_tasks(&self, name: &str, context: &Arc<Context>, file: &Path, handler: bool) -> Result<Vec<Item>> {
        done(self.tasks_of(name, context, file, handler))
    }

    /// As `include_tasks`, with all that is wrong.
    pub(super) fn tasks_of(&self, name: &str, context: &Arc<Context>, file: &Path, handler: bool) -> Part<Vec<Item>> {
        let search = Search { name, context, file, handler, dynamic: true };
        let path = match Self::find_tasks(&search) {
            Ok(path) => path,
            Err(error) => return Part { value: None, problems: vec![error], lost: Vec::new() },
        };
        let context = match &context.kind {
            ContextKind::Include { file, .. } if *file == path => Arc::clone(context),
            ContextKind::Include { dynamic, .. } => Arc::new(Context {
                kind: ContextKind::Include { file: path.clone(), dynamic: *dynamic },
                keywords: context.keywords.clone(),
                parent: context.parent.clone(),
            }),
            _ => Arc::new(Context {
                kind: ContextKind::Include { file: path.clone(), dynamic: true },
                keywords: Keywords::default(),
                parent: Some(Arc::clone(context)),
            }),
        };
        let mut parser = Parser::new(self);
        let items = parser.task_file(&path, None, &Here { context, file: path.clone(), handler });
        Part::of(items, parser)
    }

    /// What a task does whose module's name was a template, once that was rendered to `text`.
    pub fn resolve(&self, found: &DynamicUse, text: &str, context: &Arc<Context>, file: &Path) -> Result<Action> {
        let mut parser = Parser::new(self);
        let here = Here { context: Arc::clone(context), file: file.to_path_buf(), handler: false };
        let action = parser.resolved(found, text, &here);
        done(Part::of(action, parser))
    }

    /// A role that `include_role` names, with `context` around it and `file` as the place of the
    /// including task. Uses of roles it depends on stand first among its tasks.
    pub fn include_role(&self, name: &str, from: &RoleFrom, context: &Arc<Context>, file: &Path) -> Result<RoleUse> {
        done(self.role_of(name, from, context, file))
    }

    /// As `include_role`, with all that is wrong.
    pub(super) fn role_of(&self, name: &str, from: &RoleFrom, context: &Arc<Context>, file: &Path) -> Part<RoleUse> {
        let mut parser = Parser::new(self);
        let here = Here { context: Arc::clone(context), file: file.to_path_buf(), handler: false };
        let request = RoleRequest {
            name: name.to_owned(),
            span: None,
            from: from.clone(),
            params: Vec::new(),
            public: false,
            allow_duplicates: Some(from.duplicates),
            validate: from.validate,
            beside: None,
            included: true,
            vars: context.keywords.get("vars").cloned(),
        };
        let mut uses = parser.role(&request, Keywords::default(), &here);
        let last = uses.pop();
        let merged = last.map(|mut last| {
            let mut tasks: Vec<Item> = Vec::with_capacity(uses.len() + last.tasks.len());
            let mut handlers = Vec::new();
            for dependency in uses {
                handlers.extend(dependency.handlers.iter().cloned());
                tasks.push(Item::Role(Arc::new(dependency)));
            }
            tasks.append(&mut last.tasks);
            handlers.append(&mut last.handlers);
            handlers.append(&mut parser.imported_handlers);
            RoleUse { tasks, handlers, ..last }
        });
        Part::of(merged, parser)
    }

    /// The file that `import_playbook` names: a path beside the importing playbook, or
    /// `namespace.collection.name`.
    pub(super) fn find_playbook(&self, name: &str, from: &Path) -> Result<PathBuf> {
        let dir = from.parent().unwrap_or(Path::new(""));
        if let Some(path) = self.playbook_of_collection(name, dir) {
            return Ok(path);
        }
        let path = join(dir, name);
        if path.is_file() {
            return Ok(path);
        }
        Err(not_found("P0401", "playbook", name, &[path]))
    }

    /// The file of an `import_tasks` or `include_tasks`.
    pub(super) fn find_tasks(search: &Search<'_>) -> Result<PathBuf> {
        let name = search.name;
        let mut tried: Vec<PathBuf> = Vec::new();
        let mut add = |path: PathBuf| {
            if !tried.contains(&path) {
                tried.push(path);
            }
        };
        let role = search.context.role();
        let in_role = role.map(|role| role.path.join(if search.handler { "handlers" } else { "tasks" }));
        if search.dynamic
            && let Some(dir) = &in_role
        {
            add(join(dir, name));
        }
        // The folders of the files around, innermost first, as far as the role goes.
        add(join(search.file.parent().unwrap_or(Path::new("")), name));
        for context in search.context.chain() {
            match &context.kind {
                // The include itself, not found yet.
                ContextKind::Include { file, dynamic: true } if search.dynamic && file.as_path() == Path::new(name) => {
                }
                ContextKind::Include { file, .. } => add(join(file.parent().unwrap_or(Path::new("")), name)),
                ContextKind::Role(_) => break,
                _ => {}
            }
        }
        if let (Some(dir), Some(role)) = (&in_role, role) {
            add(join(dir, name));
            add(join(&role.path.join("tasks"), name));
            add(join(&role.path, name));
        }
        let play = playbook_dir(search.context);
        if in_role.is_some() {
            add(join(&play.join("tasks"), name));
        }
        add(join(&play, name));
        match tried.iter().find(|path| path.is_file()) {
            Some(path) => Ok(path.clone()),
            None => Err(not_found("P0401", "task file", name, &tried)),
        }
    }
}

/// The result of a load while a run goes on: its first error, if it has one.
fn done<T>(part: Part<T>) -> Result<T> {
    match part.value {
        Some(value) if !part.problems.iter().any(Diagnostic::is_error) => Ok(value),
        _ => Err(first_error(part.problems)),
    }
}

/// A name in a folder; absolute names and `~` stand for themselves.
pub(super) fn join(dir: &Path, name: &str) -> PathBuf {
    clean(&dir.join(expand_home(name)))
}

/// The error for a file that is nowhere.
pub(super) fn not_found(code: &'static str, what: &str, name: &str, tried: &[PathBuf]) -> Diagnostic {
    missing(code, what, name, tried).with_hint_else(format!("correct the name, or make the {what}"))
}

/// The same with a hint only if a file of a similar name is there.
pub(super) fn missing(code: &'static str, what: &str, name: &str, tried: &[PathBuf]) -> Diagnostic {
    let shown: Vec<String> = tried.iter().map(|path| format!("`{}`", path.display())).collect();
    let mut diagnostic = Diagnostic::source(code, format!("the {what} `{name}` does not exist"))
        .with_note(format!("looked for {}", shown.join(", ")));
    diagnostic.registered = ansible_words(code, name, tried);
    if let Some(near) = tried.iter().find_map(|path| nearest_file(path)) {
        diagnostic = diagnostic.with_hint(format!("did you mean `{near}`?"));
    }
    diagnostic
}

/// What Ansible says of a task file or a role that is nowhere.
fn ansible_words(code: &str, name: &str, tried: &[PathBuf]) -> Option<String> {
    let whole = |path: &Path| std::path::absolute(path).map_or_else(|_| path.to_path_buf(), |path| clean(&path));
    match code {
        "P0401" => {
            let path = whole(tried.last()?).display().to_string();
            Some(format!(
                "Could not find or access '{path}' on the Ansible Controller: Unable to retrieve file contents.\n\
                 Could not find or access '{path}' on the Ansible Controller.\n\
                 If you are using a module and expect the file to exist on the remote, see the remote_src option: \
                 [Errno 2] No such file or directory: '{path}'"
            ))
        }
        "P0501" => {
            let dirs = tried.iter().map(|path| {
                let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
                whole(dir.unwrap_or(Path::new("."))).display().to_string()
            });
            Some(format!("the role '{name}' was not found in {}", dirs.collect::<Vec<_>>().join(":")))
        }
        _ => None,
    }
}

/// The name of the file in the same folder that is nearest to a missing one.
fn nearest_file(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: Vec<String> = std::fs::read_dir(dir)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .take(1000)
        .collect();
    crate::diag::nearest(wanted, names.iter().map(String::as_str)).map(str::to_owned)
}

#[cfg(test)]
#[path = "include_tests.rs"]
mod tests;
