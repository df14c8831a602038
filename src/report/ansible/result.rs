//! What the callbacks read from a task's place, its module's name and its result.

use crate::value::{Map, StrKey, Value, python_str};

/// `task path: FILE:LINE`
pub(super) fn task_path(place: &str) -> String {
    let line = place.rsplit_once(':').map_or(place, |(line, _)| line);
    let path = std::path::absolute(line).map_or_else(|_| line.to_owned(), |path| path.display().to_string());
    format!("task path: {path}")
}

/// True if the result has that key and its value counts as true.
pub(super) fn truthy(map: &Map, key: &str) -> bool {
    map.get(&StrKey(key)).is_some_and(Value::truthy)
}

/// A module's name without its collection.
pub(super) fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// True for what fails on the controller: Ansible says "Action failed" there.
pub(super) fn is_action(name: &str) -> bool {
    matches!(
        name,
        "add_host"
            | "assert"
            | "debug"
            | "fail"
            | "fetch"
            | "group_by"
            | "include_vars"
            | "pause"
            | "raw"
            | "reboot"
            | "script"
            | "set_fact"
            | "set_stats"
            | "validate_argument_spec"
            | "wait_for_connection"
    )
}

/// The text of a result's message.
pub(super) fn result_text(result: &Map, key: &str) -> String {
    result.get(&StrKey(key)).map(python_str).unwrap_or_default()
}
