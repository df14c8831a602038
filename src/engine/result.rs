//! The shapes of results as `register` has them.

use std::sync::Arc;

use crate::diag::{Diagnostic, Span};
use crate::event::{Diff, Done, Status, redact_done};
use crate::modules::{Failure, Outcome};
use crate::playbook::Task;
use crate::secret::{Redactor, Secret};
use crate::value::{Map, StrKey, Value, insert};

/// How one invocation (one item of a loop, or the whole task) ended.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub status: Status,
    /// As `register` has it.
    pub result: Map,
    pub changes: Vec<String>,
    pub diffs: Vec<Diff>,
    pub reason: Option<String>,
    pub diagnostic: Option<Diagnostic>,
    pub warnings: Vec<String>,
    /// What was warned of on the controller while it ran.
    pub heard: Vec<Diagnostic>,
    pub verbose: bool,
    pub seconds: f64,
    /// The arguments of the call, kept for `-vvv`.
    pub arguments: Option<Map>,
    /// Secret arguments of the call, which its result may repeat.
    pub secrets: Vec<Secret>,
    /// It came out of a vault, or `no_log` of an include's item says so, and is not shown.
    pub hidden: bool,
}

impl Attempt {
    /// A module's good end.
    pub fn from_outcome(outcome: Outcome) -> Self {
        let mut result = outcome.result;
        add_lines(&mut result);
        insert(&mut result, "changed", outcome.changed);
        add_warnings(&mut result, &outcome.warnings);
        if outcome.skipped {
            insert(&mut result, "skipped", true);
        }
        Self {
            status: if outcome.skipped {
                Status::Skipped
            } else if outcome.changed {
                Status::Changed
            } else {
                Status::Ok
            },
            reason: outcome
                .skipped
                .then(|| result.get(&StrKey("msg")).and_then(Value::as_str).unwrap_or("check mode").to_owned()),
            result,
            changes: outcome.changes,
            diffs: outcome.diffs,
            diagnostic: None,
            warnings: outcome.warnings,
            heard: Vec::new(),
            verbose: false,
            seconds: 0.0,
            arguments: None,
            secrets: Vec::new(),
            hidden: false,
        }
    }

    /// A failure.
    pub fn from_failure(mut failure: Failure) -> Self {
        let own = &mut failure.diagnostic;
        let of_template = own.kind == crate::diag::Kind::Template && own.registered.is_some() || !own.chain.is_empty();
        let of_vault = matches!(&*own.code, "V0102" | "V0103") && own.registered().contains("undecryptable variable");
        let of_arguments = own.registered().starts_with("Finalization of task args for '");
        if of_template || of_vault || of_arguments {
            // The chain tells what is wrong inside of the task.
            own.registered = Some(format!("Task failed: {}", own.registered()));
        }
        let unreachable = failure.diagnostic.kind == crate::diag::Kind::Unreachable;
        let mut result = failure.result;
        add_lines(&mut result);
        insert(&mut result, "changed", failure.changed);
        add_warnings(&mut result, &failure.warnings);
        if unreachable {
            insert(&mut result, "unreachable", true);
        } else {
            insert(&mut result, "failed", true);
            add_exception(&mut result);
        }
        if !result.contains_key(&StrKey("msg")) {
            insert(&mut result, "msg", failure.diagnostic.registered());
        }
        if !unreachable && !result.contains_key(&StrKey("exception")) {
            // Ansible has it for each failure; playbooks ask whether it is there.
            insert(&mut result, "exception", "(traceback unavailable)");
        }
        Self {
            status: if unreachable { Status::Unreachable } else { Status::Failed },
            result,
            changes: Vec::new(),
            diffs: failure.diffs,
            reason: None,
            diagnostic: Some(failure.diagnostic),
            warnings: failure.warnings,
            heard: Vec::new(),
            verbose: false,
            seconds: 0.0,
            arguments: None,
            secrets: Vec::new(),
            hidden: false,
        }
    }

    /// A failure before anything was run.
    pub fn error(diagnostic: Diagnostic) -> Self {
        Self::from_failure(Failure::from(diagnostic))
    }

    /// Skipped by a condition.
    pub fn skipped(condition: Value) -> Self {
        let reason = crate::value::python_str(&condition);
        let result = crate::map! {
            "changed" => false,
            "skipped" => true,
            "skip_reason" => "Conditional result was False",
            "false_condition" => condition,
        };
        Self {
            status: Status::Skipped,
            result,
            changes: Vec::new(),
            diffs: Vec::new(),
            reason: Some(reason),
            diagnostic: None,
            warnings: Vec::new(),
            heard: Vec::new(),
            verbose: false,
            seconds: 0.0,
            arguments: None,
            secrets: Vec::new(),
            hidden: false,
        }
    }

    /// The task or item failed.
    pub fn failed(&self) -> bool {
        self.status == Status::Failed
    }

    /// The event's form.
    pub fn done(&self, task: &Task, ignored: bool, no_log: bool) -> Done {
        let no_log = no_log || self.hidden;
        let result = if no_log { censored(&self.result) } else { self.result.clone() };
        let mut done = Done {
            status: self.status,
            result,
            changes: if no_log { Vec::new() } else { self.changes.clone() },
            reason: if no_log { None } else { self.reason.clone() },
            diffs: if no_log { Vec::new() } else { self.diffs.clone() },
            diagnostic: self
                .diagnostic
                .as_ref()
                .map(|diagnostic| if no_log { censor(diagnostic, task) } else { diagnostic.clone() }),
            ignored,
            rescued: false,
            verbose: self.verbose && !no_log,
            seconds: self.seconds,
            delegate: None,
            arguments: if no_log { None } else { self.arguments.clone() },
            no_log,
        };
        if !self.secrets.is_empty() {
            let redactor = Redactor::default();
            for secret in &self.secrets {
                redactor.learn(secret.expose());
            }
            redact_done(&mut done, &redactor);
        }
        done
    }
}

/// What `no_log` shows in the place of a result.
fn censored(result: &Map) -> Map {
    let mut shown = crate::map! {
        "censored" => crate::event::CENSORED,
    };
    for key in ["changed", "failed", "skipped", "unreachable", "attempts", "retries"] {
        if let Some(value) = result.get(&StrKey(key)) {
            insert(&mut shown, key, value.clone());
        }
    }
    shown
}

/// A `no_log` task's error without its text: code and place stay. Of places only those in the task: the line of a
/// variable's definition is its value.
fn censor(diagnostic: &Diagnostic, task: &Task) -> Diagnostic {
    let mut shown = diagnostic.clone();
    shown.registered = None;
    shown.chain.clear();
    shown.message = "the task failed; its output is hidden by `no_log: true`".to_owned();
    shown.notes.clear();
    shown.hints = vec!["run it without `no_log` on a machine where that is safe to see why".to_owned()];
    let inside =
        |span: &Span| span.file == task.span.file && span.start >= task.span.start && span.end <= task.span.end;
    shown.labels.retain(|label| inside(&label.span) || label.span == task.label_span);
    for label in &mut shown.labels {
        label.text.clear();
    }
    if shown.labels.is_empty() {
        shown = shown.with_label(task.label_span, "");
    }
    shown
}

/// Failed results have Python's stack with Ansible; playbooks ask whether it is there.
pub(super) fn add_exception(result: &mut Map) {
    if !result.contains_key(&StrKey("exception")) {
        insert(result, "exception", "(traceback unavailable)");
    }
}

/// A module's warnings, as Ansible registers them.
fn add_warnings(result: &mut Map, warnings: &[String]) {
    if !warnings.is_empty() {
        let texts: Vec<Value> = warnings.iter().map(|text| Value::from(text.as_str())).collect();
        insert(result, "warnings", texts);
    }
}

/// `stdout_lines` and `stderr_lines` beside `stdout` and `stderr`.
fn add_lines(result: &mut Map) {
    for (text, lines) in [("stdout", "stdout_lines"), ("stderr", "stderr_lines")] {
        if let Some(value) = result.get(&StrKey(text)).and_then(Value::as_str)
            && !result.contains_key(&StrKey(lines))
        {
            let split: Vec<Value> = split_lines(value).into_iter().map(Value::from).collect();
            insert(result, lines, Value::from(split));
        }
    }
}

/// Python's `splitlines`.
pub(super) fn split_lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| {
            matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
        });
        match end {
            Some(at) => {
                lines.push(&rest[..at]);
                let width = if rest[at..].starts_with("\r\n") {
                    2
                } else {
                    rest[at..].chars().next().map_or(1, char::len_utf8)
                };
                rest = &rest[at + width..];
            }
            None => {
                lines.push(rest);
                break;
            }
        }
    }
    lines
}

/// The result of a loop from those of its items.
pub(super) fn loop_result(items: &mut [Attempt]) -> Map {
    let mut result = Map::new();
    super::heard::gather(items, &mut result);
    let results: Vec<Value> = items.iter().map(|item| Value::Map(Arc::new(item.result.clone()))).collect();
    let has = |name: &str| items.iter().any(|item| item.result.get(&StrKey(name)).is_some_and(Value::truthy));
    insert(&mut result, "results", Value::from(results));
    if items.is_empty() {
        insert(&mut result, "changed", false);
        insert(&mut result, "skipped", true);
        insert(&mut result, "skipped_reason", "No items in the list");
        return result;
    }
    let skipped = items.iter().all(|item| item.result.get(&StrKey("skipped")).is_some_and(Value::truthy));
    insert(&mut result, "skipped", skipped);
    insert(&mut result, "changed", has("changed"));
    if has("failed") {
        insert(&mut result, "failed", true);
        insert(&mut result, "msg", "One or more items failed");
    } else if skipped {
        insert(&mut result, "msg", "All items skipped");
    } else {
        insert(&mut result, "msg", "All items completed");
    }
    if has("unreachable") {
        insert(&mut result, "unreachable", true);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_python_does() {
        assert_eq!(split_lines("a\nb\r\nc\n"), ["a", "b", "c"]);
        assert_eq!(split_lines("\n"), [""]);
        assert!(split_lines("").is_empty());
    }
}
