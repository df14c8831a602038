//! A project in a temporary folder, for the tests of this room.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::loader::{Loader, LoaderOptions};
use super::model::{Action, Context, Item, Task};
use super::{Loaded, tags};
use crate::diag::{Diagnostic, SourceMap};

pub(super) struct Project {
    pub(super) dir: tempfile::TempDir,
    pub(super) loader: Loader,
}

impl Project {
    /// Files by name and content.
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        Self::with(files, |_| {})
    }

    pub(super) fn with(files: &[(&str, &str)], change: impl FnOnce(&mut LoaderOptions)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut options = LoaderOptions::new(SourceMap::new());
        change(&mut options);
        Self { dir, loader: Loader::new(options) }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn load(&self, name: &str) -> Loaded {
        self.loader.load(&self.path(name))
    }

    /// A diagnostic on one line: code, marked text of each label, message, hints.
    pub(super) fn show(&self, problem: &Diagnostic) -> String {
        let mut out = format!("{} {}", problem.code, problem.message);
        for label in &problem.labels {
            let file = self.loader.sources().file(label.span.file).unwrap();
            let at = file.line_col(label.span.start);
            let text = &file.text[label.span.start as usize..label.span.end as usize];
            let _ = write!(out, " | {}:{} `{}`", at.line, at.column, text.lines().next().unwrap_or_default());
        }
        for hint in &problem.hints {
            let _ = write!(out, " | hint: {hint}");
        }
        out.replace(&self.dir.path().display().to_string(), "DIR")
    }

    pub(super) fn problems(&self, name: &str) -> Vec<String> {
        self.load(name).problems.iter().map(|problem| self.show(problem)).collect()
    }
}

/// Loads one file and compares all that is wrong with it, line by line.
pub(super) fn check_problems(text: &str, expected: &[&str]) {
    let project = Project::new(&[("site.yml", text)]);
    assert_eq!(project.problems("site.yml"), expected, "{text}");
}

/// The tasks under a play's `tasks:`.
pub(super) fn in_play(tasks: &str) -> String {
    let mut text = "- hosts: all\n  tasks:\n".to_owned();
    for line in tasks.lines() {
        let _ = writeln!(text, "    {line}");
    }
    text
}

/// A task in short: module, arguments, tags and conditions on its way.
pub(super) fn brief(task: &Task) -> String {
    let (name, args) = match &task.action {
        Action::Module(module) => (&module.name, &module.args),
        Action::Include(include) => (&include.name, &include.args),
        Action::Dynamic(_) => unreachable!("tests of dynamic actions look at them directly"),
    };
    let mut out = name.to_string();
    for (key, (_, value)) in args {
        let _ = write!(out, " {key}={}", crate::value::python_str(&value.to_value()));
    }
    let chain = std::iter::once(&task.keywords).chain(task.context.chain().map(|context| &context.keywords));
    for keywords in chain {
        if let Some(tags) = keywords.get("tags") {
            let _ = write!(out, " [{}]", tags::literal_tags(tags).join(","));
        }
        if let Some(when) = keywords.get("when") {
            let _ = write!(out, " when({})", crate::value::python_str(&when.to_value()));
        }
    }
    out
}

/// All items, indented.
pub(super) fn outline(items: &[Item]) -> Vec<String> {
    fn walk(items: &[Item], depth: usize, out: &mut Vec<String>) {
        let indent = "  ".repeat(depth);
        for item in items {
            match item {
                Item::Task(task) => out.push(format!("{indent}{}", brief(task))),
                Item::Block(block) => {
                    out.push(format!("{indent}block"));
                    walk(&block.body, depth + 1, out);
                    for (name, part) in [("rescue", &block.rescue), ("always", &block.always)] {
                        if !part.is_empty() {
                            out.push(format!("{indent}{name}"));
                            walk(part, depth + 1, out);
                        }
                    }
                }
                Item::Role(role) => {
                    out.push(format!("{indent}role {}", role.role.name));
                    walk(&role.tasks, depth + 1, out);
                }
            }
        }
    }
    let mut out = Vec::new();
    walk(items, 0, &mut out);
    out
}

/// The names of the roles around, innermost first.
pub(super) fn roles_around(context: &Context) -> Vec<String> {
    context
        .chain()
        .filter_map(|context| match &context.kind {
            super::ContextKind::Role(role) => Some(role.name.to_string()),
            _ => None,
        })
        .collect()
}
