//! What a result counts as: `changed_when`, `failed_when`; and the values that a condition was decided by.

use super::interp::HostRun;
use super::result::{Attempt, add_exception};
use crate::diag::{Diagnostic, Result};
use crate::event::Status;
use crate::modules::ChangedAt;
use crate::playbook::{Action, Task};
use crate::value::{Map, StrKey, Value, insert};
use crate::vars::{Layer, Level, Scope};
use crate::yaml::Node;

/// Names whose values are shown with one condition.
const SHOWN_NAMES: usize = 8;

/// Characters of a value that is shown.
const SHOWN_VALUE: usize = 200;

impl HostRun {
    /// A failure with the values of the names in the condition that it comes from.
    pub(super) fn with_values(&self, mut diagnostic: Diagnostic, node: &Node, scope: &Scope) -> Diagnostic {
        for (name, value) in self.values_of(node, scope) {
            diagnostic = diagnostic.with_note(match value {
                Some(value) => format!("`{name}` is {value}"),
                None => format!("`{name}` is hidden: it comes from a task with `no_log`"),
            });
        }
        diagnostic
    }

    /// The names in a condition and their values, for messages; no value for one that `no_log` hides.
    fn values_of(&self, node: &Node, scope: &Scope) -> Vec<(String, Option<String>)> {
        let mut found: Vec<(String, Option<String>)> = Vec::new();
        for (name, _) in self.play.engine.templates.free_names(node, true) {
            if found.iter().any(|(known, _)| *known == name) || found.len() >= SHOWN_NAMES {
                continue;
            }
            if let Ok(Some(value)) = self.play.engine.templates.variable(&name, scope) {
                let text = crate::value::python_repr(&value);
                let text = super::state::lock(&self.play.engine.hidden).shown(&name, &text).map(cut);
                found.push((name, text));
            }
        }
        found
    }

    /// `changed_when` and `failed_when`.
    pub(super) fn judge(&self, task: &Task, attempt: &mut Attempt, scope: &Scope) {
        if attempt.status == Status::Skipped {
            return;
        }
        if let Some(node) = task.keywords.get("changed_when") {
            match self.verdict(node, scope) {
                Ok(changed) => {
                    insert(&mut attempt.result, "changed", changed);
                    if !attempt.failed() {
                        attempt.status = if changed { Status::Changed } else { Status::Ok };
                    }
                    if !changed {
                        attempt.changes.clear();
                    }
                }
                Err(diagnostic) => {
                    return fail(attempt, "changed_when_result", self.with_values(diagnostic, node, scope));
                }
            }
        }
        if let Some(node) = task.keywords.get("failed_when") {
            let scope = with_register(task, &attempt.result, scope);
            match self.verdict(node, &scope) {
                Ok(failed) => {
                    insert(&mut attempt.result, "failed", failed);
                    insert(&mut attempt.result, "failed_when_result", failed);
                    if failed {
                        let diagnostic = Diagnostic::task("H0010", "the condition of `failed_when` holds")
                            .with_label(node.place(), "true");
                        let diagnostic = self.with_values(diagnostic, node, &scope);
                        attempt.status = Status::Failed;
                        add_exception(&mut attempt.result);
                        attempt.diagnostic = Some(match attempt.diagnostic.take() {
                            Some(own) => own,
                            None => diagnostic,
                        });
                    } else if attempt.failed() {
                        let changed = attempt.result.get(&StrKey("changed")).is_some_and(Value::truthy);
                        attempt.status = if changed { Status::Changed } else { Status::Ok };
                        attempt.diagnostic = None;
                        if let Some(trace) = attempt.result.shift_remove(&StrKey("exception")) {
                            insert(&mut attempt.result, "failed_when_suppressed_exception", trace);
                        }
                    }
                }
                Err(diagnostic) => {
                    return fail(attempt, "failed_when_result", self.with_values(diagnostic, node, &scope));
                }
            }
        }
        if !attempt.result.contains_key(&StrKey("failed")) {
            insert(&mut attempt.result, "failed", false);
            order(task, &mut attempt.result);
        }
    }

    /// A condition's truth; the list form means all of them.
    fn verdict(&self, node: &Node, scope: &Scope) -> Result<bool> {
        Ok(self.play.engine.templates.condition(node, scope)?.is_ok())
    }
}

/// Puts `changed` where Ansible has it, which shows where a whole result is written.
fn order(task: &Task, result: &mut Map) {
    let Some(changed) = result.shift_remove(&StrKey("changed")) else { return };
    let place = match &task.action {
        Action::Module(module) => module.entry.meta.changed_at,
        Action::Include(_) => ChangedAt::Last,
        Action::Dynamic(_) => ChangedAt::First,
    };
    let before = |key: &str| result.get_index_of(&StrKey(key));
    let at = match place {
        ChangedAt::Last => result.len(),
        ChangedAt::First => before("uid").unwrap_or(0),
        ChangedAt::Before(key) => before("uid").or_else(|| before(key)).unwrap_or(0),
    };
    result.shift_insert(at, "changed".into(), changed);
}

/// A value's text as far as a message shows it.
fn cut(text: String) -> String {
    if text.chars().count() > SHOWN_VALUE {
        return text.chars().take(SHOWN_VALUE - 3).collect::<String>() + "...";
    }
    text
}

/// Fails a result whose condition could not be decided.
pub(super) fn fail(attempt: &mut Attempt, verdict: &str, diagnostic: Diagnostic) {
    insert(&mut attempt.result, "failed", true);
    insert(&mut attempt.result, verdict, diagnostic.registered());
    // The module's own message stays, as in Ansible.
    attempt.status = Status::Failed;
    attempt.diagnostic = Some(diagnostic);
}

/// The scope with the registered name showing this result already.
pub(super) fn with_register(task: &Task, result: &Map, scope: &Scope) -> Scope {
    match task.keywords.get("register").and_then(Node::as_str) {
        Some(name) => scope.with(Layer::data(
            Level::Magic,
            "register",
            [(std::sync::Arc::from(name), Value::from(result.clone()))],
        )),
        None => scope.clone(),
    }
}
