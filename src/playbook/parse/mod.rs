//! Nodes to the model. Goes on after a mistake, so that all are found at once.
//!
//! `play` takes playbooks and plays, `items` tasks and blocks, `action` finds a task's module,
//! `arguments` takes its arguments apart, `words` sorts keywords from what is none.

mod action;
mod arguments;
mod items;
mod play;
mod words;

pub use items::NO_TASK_LIST;
pub(super) use items::RoleRequest;
pub(super) use play::{literal_names, playbook_dir};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::loader::Loader;
use super::model::{Context, Item};
use crate::diag::{Diagnostic, Span, Subject};

/// Files and roles that one load brings in, at most: imports of imports multiply.
const MOST_BROUGHT: usize = 20_000;
/// Rings that are told, at most.
const MOST_RINGS: usize = 20;

/// What is being loaded at the moment, for finding cycles.
struct Frame {
    /// The file or folder, and the entry into it (`tasks_from`).
    key: (PathBuf, String),
    /// For people: "roles/web".
    name: String,
    /// What asked for it.
    asked: Option<Span>,
}

/// Where something is parsed.
#[derive(Clone)]
pub(super) struct Here {
    /// What is around it.
    pub(super) context: Arc<Context>,
    /// The file it stands in.
    pub(super) file: PathBuf,
    /// It is among handlers.
    pub(super) handler: bool,
}

impl Here {
    pub(super) fn inside(&self, context: Arc<Context>) -> Self {
        Self { context, ..self.clone() }
    }
}

/// The parser of one load: gathers what is wrong.
pub(super) struct Parser<'a> {
    pub(super) loader: &'a Loader,
    /// Errors and warnings so far.
    pub(super) problems: Vec<Diagnostic>,
    /// Tasks that were left out because of a mistake.
    pub(super) lost: Vec<crate::yaml::Node>,
    stack: Vec<Frame>,
    /// Files and roles that were brought in so far, each as often as it was.
    brought: usize,
    /// Rings that were told.
    rings: usize,
    /// Handlers of roles that `import_role` brought into the play.
    pub(super) imported_handlers: Vec<Item>,
    /// Collections that the short names of the task at hand are looked for in.
    pub(super) collections: Vec<String>,
    /// The folder of the playbook at hand.
    pub(super) dir: PathBuf,
    /// The collection that a playbook was imported from last: Ansible looks there for the short names of all plays
    /// behind it, too.
    pub(super) imported_from: Option<crate::yaml::Node>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(loader: &'a Loader) -> Self {
        Self {
            loader,
            problems: Vec::new(),
            lost: Vec::new(),
            stack: Vec::new(),
            brought: 0,
            rings: 0,
            imported_handlers: Vec::new(),
            collections: Vec::new(),
            dir: PathBuf::new(),
            imported_from: None,
        }
    }

    pub(super) fn problem(&mut self, diagnostic: Diagnostic) {
        self.problems.push(diagnostic);
    }

    /// The problems, each once, in the order of files and places.
    pub(super) fn finish(self) -> Vec<Diagnostic> {
        sorted(self.problems)
    }

    /// Reads a file; what is wrong with it goes to the problems.
    pub(super) fn read(&mut self, path: &Path, asked: Option<Span>) -> Option<crate::yaml::Node> {
        match self.loader.read(path) {
            Ok(source) => {
                self.problems.extend(source.warnings.iter().cloned());
                Some(source.node.clone())
            }
            Err(errors) => {
                // A file that cannot be read at all has no place of its own.
                let label = |error: Diagnostic| {
                    if error.labels.is_empty() { error.with_label_opt(asked, "asked for here") } else { error }
                };
                self.problems.extend(errors.into_iter().map(label));
                None
            }
        }
    }

    /// Runs `load` with a file, or a `part` of a role, on the stack; a cycle is an error that shows the whole chain.
    pub(super) fn nested<T>(
        &mut self,
        path: &Path,
        part: &str,
        name: &str,
        asked: Option<Span>,
        load: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        self.brought += 1;
        if self.brought > MOST_BROUGHT {
            if self.brought == MOST_BROUGHT + 1 {
                self.problem(
                    Diagnostic::source("P0404", format!("more than {MOST_BROUGHT} files and roles are brought in"))
                        .with_label_opt(asked, "the limit is passed here")
                        .with_note("what brings in the same several times, at several levels, multiplies")
                        .with_hint("use `include_tasks` or `include_role`, which are read when they run"),
                );
            }
            return None;
        }
        let key = (path.canonicalize().unwrap_or_else(|_| path.to_path_buf()), part.to_owned());
        if let Some(first) = self.stack.iter().position(|frame| frame.key == key) {
            self.rings += 1;
            if self.rings <= MOST_RINGS {
                let diagnostic = self.cycle(first, name, asked);
                self.problem(if part.is_empty() { diagnostic } else { diagnostic.with_subject(Subject::Role) });
            }
            return None;
        }
        if self.stack.len() >= 200 {
            self.problem(
                Diagnostic::source("P0404", format!("`{name}` is nested more than 200 files deep"))
                    .with_label_opt(asked, "asked for here"),
            );
            return None;
        }
        self.stack.push(Frame { key, name: name.to_owned(), asked });
        let loaded = load(self);
        self.stack.pop();
        loaded
    }

    fn cycle(&self, first: usize, name: &str, asked: Option<Span>) -> Diagnostic {
        let mut diagnostic = Diagnostic::source("P0403", format!("`{name}` includes itself"))
            .with_label_opt(asked, format!("leads back to `{name}`"));
        let ring = &self.stack[first..];
        let sources = self.loader.sources();
        let place = |span: Option<Span>| span.map_or_else(|| "start".to_owned(), |span| sources.place(span));
        let mut chain = vec![format!("`{}`", ring[0].name)];
        for frame in &ring[1..] {
            diagnostic = diagnostic.with_label_opt(frame.asked, format!("brings in `{}`", frame.name));
            chain.push(format!("`{}` ({})", frame.name, place(frame.asked)));
        }
        chain.push(format!("`{name}` ({})", place(asked)));
        diagnostic
            .with_note(format!("the chain: {}", chain.join(" -> ")))
            .with_hint("break the ring, or use `include_tasks` with a condition that ends it")
    }
}

/// A use of a plugin in Python; the check makes one error of all of them.
pub(super) fn python_use(span: Span, path: &Path) -> Diagnostic {
    Diagnostic::source("P0304", "plugins in Python cannot run: hostctl has no Python")
        .with_label(span, super::plugins::one("modules"))
        .with_note(format!("`{}`", super::loader::clean(path).display()))
        .with_subject(Subject::Plugin(super::loader::clean(path)))
}

/// The same as one error, where nothing but the playbook's text is known.
pub fn joined_python_uses(problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut out: Vec<Diagnostic> = Vec::with_capacity(problems.len());
    let mut first = None;
    for problem in problems {
        match first {
            Some(index) if problem.code == "P0304" => {
                let one: &mut Diagnostic = &mut out[index];
                one.labels.extend(problem.labels.iter().cloned());
                let known = one.notes.clone();
                one.notes.extend(problem.notes.iter().filter(|note| !known.contains(note)).cloned());
            }
            _ => {
                if problem.code == "P0304" {
                    first = Some(out.len());
                }
                out.push(problem);
            }
        }
    }
    out
}

/// Diagnostics in the order of files and places, each once.
pub(super) fn sorted(mut problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    problems.sort_by_key(|problem| problem.span().map(|span| (span.file, span.start)));
    let mut out: Vec<Diagnostic> = Vec::with_capacity(problems.len());
    for problem in problems {
        // Equal ones stand together as far as their place goes.
        let same = |known: &&Diagnostic| known.span() == problem.span();
        if !out.iter().rev().take_while(same).any(|known| *known == problem) {
            out.push(problem);
        }
    }
    out
}

#[cfg(test)]
mod tests;
