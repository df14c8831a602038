//! What is warned of while a task runs on a host: it goes into the task's result (`warnings`, `deprecations`) and is
//! shown with it, as with Ansible. What is warned of outside of a task is shown at once.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt::Write as _;

use super::interp::HostRun;
use super::result::Attempt;
use crate::diag::{Deprecation, Diagnostic, Kind};
use crate::map;
use crate::playbook::Task;
use crate::value::{Map, StrKey, Value, insert};
use crate::vars::Scope;

tokio::task_local! {
    static HEARD: RefCell<Heard>;
}

/// What was warned of, each once.
#[derive(Default)]
struct Heard {
    all: Vec<Diagnostic>,
    /// The words of each, and where it came from.
    known: HashSet<String>,
}

impl Heard {
    fn add(&mut self, warning: Diagnostic) {
        let mut key = warning.registered().to_owned();
        // A text that is longer than another has its own key, whatever stands in it.
        let _ = write!(key, "\n{} {:?}", key.len(), warning.chain);
        if self.known.insert(key) {
            self.all.push(warning);
        }
    }

    fn take(heard: &RefCell<Self>) -> Vec<Diagnostic> {
        heard.take().all
    }
}

/// Does a task's work, and says what was warned of meanwhile.
pub(super) async fn hearing<T>(work: impl Future<Output = T>) -> (T, Vec<Diagnostic>) {
    let listening = async {
        let done = work.await;
        (done, HEARD.with(Heard::take))
    };
    HEARD.scope(RefCell::default(), listening).await
}

/// [`hearing`] for work that waits for nothing.
pub(super) fn hearing_now<T>(work: impl FnOnce() -> T) -> (T, Vec<Diagnostic>) {
    HEARD.sync_scope(RefCell::default(), || (work(), HEARD.with(Heard::take)))
}

/// Takes a warning for the task that runs now; gives it back if none does.
pub(super) fn hear(warning: Diagnostic) -> Option<Diagnostic> {
    let mut warning = Some(warning);
    // Outside of a task there is nobody who takes it.
    let _ = HEARD.try_with(|heard| warning.take().into_iter().for_each(|warning| heard.borrow_mut().add(warning)));
    warning
}

/// A deprecation as results hold it.
fn registered(deprecation: &Deprecation) -> Value {
    let collection = deprecation.collection.clone().map_or(Value::Null, Value::from);
    let mut all = map! { "msg" => deprecation.msg.as_str(), "collection_name" => collection.clone() };
    match &deprecation.date {
        Some(date) => insert(&mut all, "date", date.as_str()),
        None => insert(&mut all, "version", deprecation.version.clone().map_or(Value::Null, Value::from)),
    }
    let deprecator = match (&deprecation.collection, &deprecation.plugin) {
        (Some(collection), Some((kind, name))) => {
            map! { "resolved_name" => format!("{collection}.{name}"), "type" => kind.as_str() }
        }
        _ => map! { "resolved_name" => collection, "type" => Value::Null },
    };
    insert(&mut all, "deprecator", deprecator);
    Value::from(all)
}

/// Adds to a list of a result.
fn add(result: &mut Map, name: &str, more: Vec<Value>) {
    if more.is_empty() {
        return;
    }
    let mut all = match result.get(&StrKey(name)) {
        Some(Value::List(items)) => items.to_vec(),
        _ => Vec::new(),
    };
    all.extend(more);
    insert(result, name, Value::from(all));
}

impl Attempt {
    /// [`heard`](Self::heard), by value.
    pub(super) fn with_heard(mut self, warnings: Vec<Diagnostic>) -> Self {
        self.heard(warnings);
        self
    }

    /// Puts what was warned of into the result; what was told twice counts once.
    pub(super) fn heard(&mut self, warnings: Vec<Diagnostic>) {
        let mut heard = Heard::default();
        std::mem::take(&mut self.heard).into_iter().chain(warnings).for_each(|warning| heard.add(warning));
        self.heard = heard.all;
        let (deprecated, plain): (Vec<_>, Vec<_>) =
            self.heard.iter().partition(|warning: &&Diagnostic| warning.deprecation.is_some());
        let deprecated = deprecated.into_iter().filter_map(|warning| warning.deprecation.as_ref().map(registered));
        let deprecated: Vec<Value> = deprecated.collect();
        let plain: Vec<Value> = plain.into_iter().map(|warning| Value::from(warning.registered())).collect();
        add(&mut self.result, "warnings", plain);
        add(&mut self.result, "deprecations", deprecated);
    }
}

impl HostRun {
    /// Shows what was warned of on the controller while a task ran.
    pub(super) fn tell_heard(&self, attempt: &Attempt, no_log: bool) {
        self.tell_all(&attempt.heard, no_log || attempt.hidden);
    }

    /// Shows warnings, if they may be shown.
    pub(super) fn tell_all(&self, warnings: &[Diagnostic], no_log: bool) {
        for warning in warnings.iter().filter(|_| !no_log) {
            let before = warning.code == "P0309" && warning.kind == Kind::Source;
            if before {
                continue;
            }
            if !warning.is_deprecation() || self.play.engine.templates.tells_deprecations() {
                self.play.engine.warn_once(None, warning.clone());
            }
        }
    }

    /// Work before a task begins: what it warns of is told at once, unless the task is to be hidden.
    pub(super) fn telling<T>(&self, task: &Task, scope: &Scope, work: impl FnOnce() -> T) -> T {
        let (value, warnings) = hearing_now(work);
        if !warnings.is_empty() {
            self.tell_all(&warnings, self.is_hidden(task, scope));
        }
        value
    }

    /// Whether a task or item is to be hidden; one whose `no_log` cannot be told is.
    pub(super) fn is_hidden(&self, task: &Task, scope: &Scope) -> bool {
        // What is warned of in `no_log` itself is told where the task runs.
        let (no_log, _) = hearing_now(|| self.keyword_flag(task, "no_log", scope));
        !matches!(no_log, Ok(None | Some(false)))
    }

    /// Warnings of a result.
    pub(super) fn warn_all(&self, task: &Task, attempt: &Attempt) {
        for text in &attempt.warnings {
            self.play.engine.warn_once(
                Some(&self.host),
                Diagnostic::task("H0002", text.clone())
                    .with_label(task.label_span, format!("this task, on {}", self.host)),
            );
        }
    }
}

/// Of a loop, the whole holds what its items were warned of.
pub(super) fn gather(items: &mut [Attempt], whole: &mut Map) {
    for name in ["warnings", "deprecations"] {
        let mut all = Vec::new();
        for item in &mut *items {
            if let Some(Value::List(told)) = item.result.shift_remove(&StrKey(name)) {
                all.extend(told.iter().cloned());
            }
        }
        add(whole, name, all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{JsonStyle, to_json_text};

    fn warning(text: &str) -> Diagnostic {
        Diagnostic::of_deprecation("T0112", Kind::Template, "ours", Deprecation::core(text, "2.23"))
    }

    #[tokio::test]
    async fn a_task_keeps_what_is_warned_of_while_it_runs_once() {
        assert!(hear(warning("outside")).is_some());
        let ((), heard) = hearing(async {
            for text in ["old", "old", "older"] {
                assert!(hear(warning(text)).is_none());
                tokio::task::yield_now().await;
            }
            assert!(hear(Diagnostic::task("H0002", "plain").warning()).is_none());
        })
        .await;
        assert_eq!(heard.len(), 3);
        let mut attempt = Attempt::skipped(Value::Bool(false));
        attempt.heard(heard);
        let text = |name: &str| to_json_text(&attempt.result[&StrKey(name)], JsonStyle::default());
        let old = |text: &str| {
            format!(
                "{{\"msg\": \"{text}\", \"collection_name\": \"ansible.builtin\", \"version\": \"2.23\", \
                 \"deprecator\": {{\"resolved_name\": \"ansible.builtin\", \"type\": null}}}}"
            )
        };
        assert_eq!(text("deprecations"), format!("[{}, {}]", old("old"), old("older")));
        assert_eq!(text("warnings"), "[\"plain\"]");
        let mut whole = Map::new();
        let mut items = [attempt.clone(), attempt];
        gather(&mut items, &mut whole);
        assert_eq!(whole[&StrKey("warnings")], Value::from(vec![Value::from("plain"), Value::from("plain")]));
        assert!(!items[0].result.contains_key(&StrKey("deprecations")));
    }

    #[test]
    fn many_warnings_of_one_task_are_kept_once_each() {
        // Compared each with each, these would keep the test for hours.
        const MANY: usize = 50_000;
        let ((), heard) = hearing_now(|| {
            for number in (0..MANY).chain(0..MANY) {
                assert!(hear(Diagnostic::task("H0002", format!("plain {number}")).warning()).is_none());
            }
        });
        assert_eq!(heard.len(), MANY);
        let attempt = Attempt::skipped(Value::Bool(false)).with_heard(heard.clone()).with_heard(Vec::new());
        assert_eq!(attempt.heard.len(), MANY);
        // The same words of another place count for themselves.
        let other = warning("old").about(None, Some("elsewhere"));
        let ((), heard) =
            hearing_now(|| [warning("old"), other, warning("old")].into_iter().for_each(|one| drop(hear(one))));
        assert_eq!(heard.len(), 2);
    }
}
