//! Files of the controller that tasks name literally, and the templates among them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::survey::{Survey, conditional};
use crate::diag::{Diagnostic, Span};
use crate::modules::{InputArg, first_word};
use crate::playbook::include::{join, missing, not_found};
use crate::playbook::loader::{Loader, read_text};
use crate::playbook::model::{Action, ModuleUse, Task};
use crate::playbook::parse::playbook_dir;
use crate::playbook::roles::boolean;
use crate::yaml::Node;

/// Arguments that give a template delimiters of its own; what they mean is known during the run only.
const DELIMITERS: [&str; 6] = [
    "block_start_string",
    "block_end_string",
    "variable_start_string",
    "variable_end_string",
    "comment_start_string",
    "comment_end_string",
];

/// Checks that files are there; gives the text of each template file, once, and whether a failure of all
/// tasks that use it is taken by something.
pub(super) fn check(survey: &Survey, loader: &Loader, problems: &mut Vec<Diagnostic>) -> Vec<(Node, bool)> {
    let mut seen: Vec<(PathBuf, Option<usize>)> = Vec::new();
    let mut templates: Vec<(Node, bool)> = Vec::new();
    for task in survey.tasks() {
        let Action::Module(module) = &task.action else { continue };
        for input in module.entry.meta.inputs {
            let (arg, folder, is_template) = match input {
                InputArg::File { arg, unless, unless_by_default } => {
                    let on_host = unless.and_then(|name| module.args.get(name)).map(|(_, node)| node);
                    if on_host.map_or(*unless_by_default && unless.is_some(), |node| boolean(node) != Some(false)) {
                        continue;
                    }
                    let old = module.args.get("copy").filter(|_| module.entry.spec().arg("copy").is_some());
                    if old.is_some_and(|(_, node)| boolean(node) != Some(true)) {
                        continue;
                    }
                    (*arg, "files", false)
                }
                InputArg::Program { .. } => continue,
                InputArg::Command { arg } => (*arg, "files", false),
                InputArg::Template { arg } => (*arg, "templates", true),
            };
            let Some(node) = literal(module, arg) else { continue };
            let text = node.as_str().unwrap_or_default();
            let name = match input {
                InputArg::Command { .. } => match first_word(text) {
                    Some(word) => word,
                    None => continue,
                },
                _ => text.to_owned(),
            };
            let name = name.as_str();
            let tried = candidates(task, folder, name);
            match tried.iter().find(|path| path.exists()) {
                Some(_) if is_template && DELIMITERS.iter().any(|name| module.args.contains_key(*name)) => {}
                Some(path) if is_template => {
                    let caught = survey.caught.contains(&task.id);
                    match seen.iter().find(|(known, _)| known == path) {
                        Some((_, Some(index))) => templates[*index].1 &= caught,
                        Some((_, None)) => {}
                        None => {
                            let text = read(path, loader, node, problems);
                            seen.push((path.clone(), text.is_some().then_some(templates.len())));
                            templates.extend(text.map(|text| (text, caught)));
                        }
                    }
                }
                Some(_) => {}
                None => {
                    let problem = missing("P0302", "file", name, &tried).with_label(node.place(), "no such file");
                    let problem = if is_template || matches!(input, InputArg::Command { .. }) {
                        problem.with_hint_else("correct the name, or make the file")
                    } else {
                        problem.with_hint("if it is on the host already, add `remote_src: true`")
                    };
                    // A task before it may make the file.
                    let unsure = name.starts_with('/') || name.starts_with('~') || conditional(task);
                    problems.push(if unsure { problem.warning() } else { problem });
                }
            }
        }
    }
    templates
}

/// The files of `vars_files` with literal names: one that is there holds variables, and the first play finds one
/// that is there (what ran before may make those of the next plays).
pub(super) fn variables(survey: &Survey, loader: &Loader, problems: &mut Vec<Diagnostic>) {
    for (index, survey) in survey.plays.iter().enumerate() {
        let Some(node) = survey.play.context.keywords.get("vars_files") else { continue };
        let dir = survey.play.file.parent().unwrap_or(Path::new(""));
        for entry in node.as_list().unwrap_or(std::slice::from_ref(node)) {
            let names = entry.as_list().unwrap_or(std::slice::from_ref(entry));
            let Some(texts) = names.iter().map(literal_text).collect::<Option<Vec<&str>>>() else { continue };
            let tried: Vec<PathBuf> =
                texts.iter().flat_map(|text| [join(&dir.join("vars"), text), join(dir, text)]).collect();
            match tried.iter().find(|path| path.is_file()) {
                Some(path) => match loader.vars_files_entry(path) {
                    // A sealed file is opened by the run.
                    Err(error) if error.code != "P0411" && !error.code.starts_with('V') => {
                        let labelled = error.span().is_some();
                        let place = entry.place();
                        problems.push(if labelled { error } else { error.with_label(place, "named here") });
                    }
                    _ => {}
                },
                None if index == 0 && !texts.is_empty() => {
                    problems.push(
                        not_found("P0120", "variable file", texts[0], &tried)
                            .with_label(entry.place(), "named here")
                            .warning(),
                    );
                }
                None => {}
            }
        }
    }
}

/// Text without a template.
fn literal_text(node: &Node) -> Option<&str> {
    node.as_str().filter(|text| !text.is_empty() && !node.has_template() && node.tag.is_none())
}

/// A literal, non-empty text argument.
fn literal<'a>(module: &'a ModuleUse, arg: &str) -> Option<&'a Node> {
    let alias = || {
        let aliases = module.entry.meta.aliases.iter().find(|(name, _)| *name == arg).map(|(_, names)| *names);
        aliases.unwrap_or_default().iter().find_map(|name| module.args.get(*name))
    };
    let (_, node) = module.args.get(arg).or_else(alias)?;
    let plain = node.as_str().is_some_and(|text| !text.is_empty()) && !node.has_template() && node.tag.is_none();
    plain.then_some(node)
}

/// Where a file is looked for: [`Task::folders`], then the playbook's.
pub(super) fn candidates(task: &Task, folder: &str, name: &str) -> Vec<PathBuf> {
    let last = playbook_dir(&task.context);
    let mut tried = Vec::new();
    for dir in task.folders(folder).into_iter().chain([last.join(folder), last]) {
        let path = join(&dir, name);
        if !tried.contains(&path) {
            tried.push(path);
        }
    }
    tried
}

/// A template file as a node. Files with delimiters of their own are left to the run.
fn read(path: &Path, loader: &Loader, asked: &Node, problems: &mut Vec<Diagnostic>) -> Option<Node> {
    if path.is_dir() {
        return None;
    }
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) => {
            problems.push(error.with_label(asked.place(), "this template"));
            return None;
        }
    };
    if text.starts_with("$ANSIBLE_VAULT;") || text.starts_with("#jinja2:") {
        return None;
    }
    let text: Arc<str> = text.into();
    let file = loader.sources().add(path.display().to_string(), Some(path), Arc::clone(&text));
    let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
    Some(Node::text(text, Span::new(file.id, 0, end)))
}
