//! `notify` names a handler of the play, or a topic that one listens to.

use super::survey::{PlaySurvey, Survey};
use crate::diag::Diagnostic;
use crate::playbook::model::{Keywords, Task};
use crate::yaml::Node;

pub(super) fn check(survey: &Survey, problems: &mut Vec<Diagnostic>) {
    if survey.incomplete || !survey.lost.is_empty() {
        return;
    }
    for play in survey.plays.iter().filter(|play| !play.open_handlers) {
        let known = Known::of(play);
        let mut seen: Vec<*const crate::playbook::Context> = Vec::new();
        for task in play.tasks.iter().chain(&play.handlers) {
            known.check(&task.keywords, problems);
            for context in task.context.chain() {
                let pointer: *const _ = context;
                if !seen.contains(&pointer) {
                    seen.push(pointer);
                    known.check(&context.keywords, problems);
                }
            }
        }
    }
}

/// What can be notified in a play.
struct Known {
    names: Vec<String>,
    /// Names with templates, as patterns.
    patterns: Vec<String>,
}

impl Known {
    fn of(play: &PlaySurvey) -> Self {
        let mut known = Self { names: Vec::new(), patterns: Vec::new() };
        for handler in &play.handlers {
            for node in [handler.keywords.get("name"), handler.keywords.get("listen")].into_iter().flatten() {
                for name in texts(node) {
                    known.add(handler, name);
                }
            }
        }
        known
    }

    fn add(&mut self, handler: &Task, node: &Node) {
        let Some(scalar) = node.as_scalar() else { return };
        let mut names = handler.notified_by(&scalar.text);
        if node.has_template() {
            self.patterns.extend(names.iter().map(|name| pattern(name)));
        } else {
            self.names.append(&mut names);
        }
    }

    fn check(&self, keywords: &Keywords, problems: &mut Vec<Diagnostic>) {
        let Some(node) = keywords.get("notify") else { return };
        for item in texts(node).into_iter().filter(|item| !item.has_template()) {
            let Some(scalar) = item.as_scalar().filter(|_| !item.is_null()) else { continue };
            let name = &*scalar.text;
            let found = self.names.iter().any(|known| known == name)
                || self.patterns.iter().any(|pattern| matches(pattern, name));
            if !found {
                let problem =
                    Diagnostic::source("P0303", format!("no handler is named `{name}` and none listens to it"))
                        .with_registered(crate::playbook::missing_handler(name))
                        .with_label(item.place(), "notified here")
                        .with_nearest(name, self.names.iter().map(String::as_str));
                problems.push(if problem.hints.is_empty() {
                    problem.with_hint("add it under `handlers:` of the play or in the role's `handlers/main.yml`")
                } else {
                    problem
                });
            }
        }
    }
}

/// The items of a list and of lists in it, or a single value.
fn texts(node: &Node) -> Vec<&Node> {
    match node.as_list() {
        Some(items) => items.iter().flat_map(texts).collect(),
        None => vec![node],
    }
}

/// Text with each template replaced by `\0`, which stands for anything.
pub(super) fn pattern(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        out.push_str(&rest[..start]);
        out.push('\0');
        let close = if rest[start..].starts_with("{{") { "}}" } else { "%}" };
        match rest[start..].find(close) {
            Some(end) => rest = &rest[start + end + 2..],
            None => return out,
        }
    }
    out.push_str(rest);
    out
}

/// True if a text fits a pattern of [`pattern`].
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('\0');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}
