//! What is warned of while a task runs on a host: it goes into the task's result (`warnings`, `deprecations`) and is
//! shown with it, as with Ansible. What is warned of outside of a task is shown at once.

use std::cell::RefCell;

use super::result::Attempt;
use crate::diag::{Deprecation, Diagnostic};
use crate::map;
use crate::value::{Map, StrKey, Value, insert};

tokio::task_local! {
    static HEARD: RefCell<Vec<Diagnostic>>;
}

/// Does a task's work, and says what was warned of meanwhile.
pub(super) async fn hearing<T>(work: impl Future<Output = T>) -> (T, Vec<Diagnostic>) {
    let listening = async {
        let done = work.await;
        (done, HEARD.with(RefCell::take))
    };
    HEARD.scope(RefCell::default(), listening).await
}

/// [`hearing`] for work that waits for nothing.
pub(super) fn hearing_now<T>(work: impl FnOnce() -> T) -> (T, Vec<Diagnostic>) {
    HEARD.sync_scope(RefCell::default(), || (work(), HEARD.with(RefCell::take)))
}

/// Takes a warning for the task that runs now; gives it back if none does.
pub(super) fn hear(warning: Diagnostic) -> Option<Diagnostic> {
    let mut warning = Some(warning);
    // Outside of a task there is nobody who takes it.
    let _ = HEARD.try_with(|heard| heard.borrow_mut().extend(warning.take()));
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
        for warning in warnings {
            let same = |known: &Diagnostic| known.registered() == warning.registered() && known.chain == warning.chain;
            if !self.heard.iter().any(same) {
                self.heard.push(warning);
            }
        }
        let (deprecated, plain): (Vec<_>, Vec<_>) =
            self.heard.iter().partition(|warning: &&Diagnostic| warning.deprecation.is_some());
        let deprecated = deprecated.into_iter().filter_map(|warning| warning.deprecation.as_ref().map(registered));
        let deprecated: Vec<Value> = deprecated.collect();
        let plain: Vec<Value> = plain.into_iter().map(|warning| Value::from(warning.registered())).collect();
        add(&mut self.result, "warnings", plain);
        add(&mut self.result, "deprecations", deprecated);
    }
}

/// Of a loop, the whole holds what its items were warned of.
pub(super) fn gather(items: &mut [Attempt], whole: &mut Map) {
    for name in ["warnings", "deprecations"] {
        for item in &mut *items {
            if let Some(Value::List(told)) = item.result.shift_remove(&StrKey(name)) {
                add(whole, name, told.to_vec());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Kind;
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
        assert_eq!(heard.len(), 4);
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
}
