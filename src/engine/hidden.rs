//! What `no_log` hides beyond its own task: values that were registered or set there. Messages that show the
//! values behind a later condition leave them out. Knows nothing of how a task's own result is hidden.

use std::collections::HashSet;

use crate::playbook::Task;
use crate::secret::Redactor;
use crate::value::{Map, StrKey, Value, python_str};
use crate::yaml::Node;

/// Longest text of a result that is sought elsewhere, in bytes; messages show less of a value.
const LONGEST: usize = 4096;

/// Results that wait to be learned; mostly nobody asks.
const MOST_RESULTS: usize = 1000;

/// Values of a result that say nothing.
const PLAIN: &[&str] = &["changed", "failed", "rc", "start", "end", "delta", "attempts", "exception", "skip_reason"];

/// The names and the values that tasks with `no_log` have made.
#[derive(Default)]
pub(super) struct Hidden {
    names: HashSet<String>,
    /// Not taught to the redactor yet: mostly nobody asks.
    pending: Vec<Map>,
    values: Redactor,
}

impl Hidden {
    /// Remembers what a task with `no_log` leaves behind.
    pub fn keep(&mut self, task: &Task, result: &Map) {
        let registered = task.keywords.get("register").and_then(Node::as_str);
        self.names.extend(registered.map(str::to_owned));
        self.keep_result(result);
    }

    fn keep_result(&mut self, result: &Map) {
        if let Some(Value::Map(facts)) = result.get(&StrKey("ansible_facts")) {
            self.names.extend(facts.keys().map(|key| key.text().to_string()));
        }
        self.pending.push(result.clone());
        if self.pending.len() >= MOST_RESULTS {
            self.learn_pending();
        }
    }

    fn learn_pending(&mut self) {
        for result in std::mem::take(&mut self.pending) {
            result
                .iter()
                .filter(|(key, _)| !key.as_str().is_some_and(|key| PLAIN.contains(&key)))
                .for_each(|(_, value)| learn(&self.values, value));
        }
    }

    /// The text of a variable's value as a message may show it; `None` if nothing of it.
    pub fn shown(&mut self, name: &str, text: &str) -> Option<String> {
        if self.names.contains(name) {
            return None;
        }
        self.learn_pending();
        Some(self.values.redact(text).into_owned())
    }
}

fn learn(values: &Redactor, value: &Value) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::List(items) => items.iter().for_each(|item| learn(values, item)),
        Value::Map(map) => map.iter().for_each(|(_, value)| learn(values, value)),
        scalar => {
            let text = python_str(scalar);
            let mut end = text.len().min(LONGEST);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            values.learn(&text[..end]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_known_however_many_results_were_kept() {
        let mut hidden = Hidden::default();
        for number in 0..MOST_RESULTS + 10 {
            hidden.keep_result(&crate::map! { "stdout" => format!("kept-{number:05}-hidden") });
        }
        assert!(hidden.pending.len() < MOST_RESULTS);
        let last = format!("kept-{:05}-hidden", MOST_RESULTS + 9);
        for text in ["kept-00000-hidden", last.as_str()] {
            assert_eq!(hidden.shown("copy", text).unwrap(), "********", "{text}");
        }
    }
}
