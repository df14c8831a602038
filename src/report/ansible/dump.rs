//! Results as Ansible's callbacks dump them: internal keys left out, JSON or YAML.

use super::display::{AnsibleOptions, ResultFormat};
use crate::event::Done;
use crate::value::{JsonStyle, Key, Map, StrKey, Value, insert, to_json_text};

/// What a status says already, or what is shown elsewhere.
const HIDDEN: [&str; 5] = ["failed", "skipped", "exception", "warnings", "deprecations"];

/// A result without what callbacks do not see.
pub(super) fn visible(result: &Map, options: &AnsibleOptions) -> Map {
    let hidden = |key: &str| {
        HIDDEN.contains(&key)
            || key.starts_with("_ansible_")
            || options.verbosity < 3 && matches!(key, "invocation" | "diff")
    };
    result.iter().filter(|(key, _)| !key.as_str().is_some_and(hidden)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// [`visible`], from `-vvv` on with the task's arguments.
pub(super) fn with_arguments(done: &Done, options: &AnsibleOptions) -> Map {
    let mut result = visible(&done.result, options);
    if let Some(arguments) = done.arguments.as_ref().filter(|_| options.verbosity >= 3 && !done.no_log) {
        insert(&mut result, "invocation", crate::map! { "module_args" => arguments.clone() });
    }
    result
}

/// Of `debug` only what it was meant to say.
pub(super) fn clean_debug(result: &mut Map) {
    if result.contains_key(&StrKey("msg")) {
        result.retain(|key, _| matches!(key.as_str(), Some("msg")));
    } else {
        for key in ["changed", "invocation", "skip_reason", "ansible_loop_var", "ansible_index_var", "ansible_loop"] {
            result.shift_remove(&StrKey(key));
        }
    }
}

/// The dumped result; `verbose` is set for those that are always shown whole.
pub(super) fn dump(result: &Map, verbose: bool, options: &AnsibleOptions) -> String {
    dump_indented(result, verbose, None, options)
}

/// [`dump`] with an indent of its own.
pub(super) fn dump_indented(result: &Map, verbose: bool, indent: Option<usize>, options: &AnsibleOptions) -> String {
    let wide = verbose
        || options.pretty.is_none() && options.format != ResultFormat::Json
        || options.pretty == Some(true)
        || options.verbosity > 2;
    let indent = match (options.pretty, indent) {
        (Some(false), _) => None,
        (_, Some(indent)) => Some(indent),
        (_, None) => wide.then_some(4),
    };
    let mut result = visible(result, options);
    match options.format {
        ResultFormat::Json => to_json_text(&Value::from(result), JsonStyle { indent, sort_keys: true, ascii: false }),
        ResultFormat::Yaml => {
            let lossy = options.pretty != Some(false);
            if lossy {
                for (text, lines) in [("stdout", "stdout_lines"), ("stderr", "stderr_lines")] {
                    if result.contains_key(&StrKey(text)) && result.contains_key(&StrKey(lines)) {
                        result.insert(Key::from(lines), Value::from("<omitted>"));
                    }
                }
            }
            let text = super::yaml::dump(&Value::from(result), indent.unwrap_or(2), lossy);
            format!("\n{}", super::yaml::indented(&text, indent.unwrap_or(4)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map;

    #[test]
    fn results_are_sorted_and_lose_what_the_status_says() {
        let options = AnsibleOptions::default();
        let result = map! { "stdout" => "ä", "changed" => true, "failed" => false, "_ansible_x" => 1, "diff" => 2 };
        assert_eq!(dump(&result, false, &options), "{\"changed\": true, \"stdout\": \"ä\"}");
        assert_eq!(dump(&map! { "msg" => "x" }, true, &options), "{\n    \"msg\": \"x\"\n}");
    }

    #[test]
    fn arguments_are_shown_from_the_third_v_on() {
        let mut done = super::super::runner::testing::done(crate::event::Status::Ok, map! { "ping" => "pong" });
        done.arguments = Some(map! { "data" => "pong" });
        let options = |verbosity| AnsibleOptions { verbosity, ..AnsibleOptions::default() };
        assert_eq!(with_arguments(&done, &options(2)), map! { "ping" => "pong" });
        let invocation = map! { "module_args" => map! { "data" => "pong" } };
        assert_eq!(with_arguments(&done, &options(3)), map! { "ping" => "pong", "invocation" => invocation });
        done.no_log = true;
        assert_eq!(with_arguments(&done, &options(3)), map! { "ping" => "pong" });
    }

    #[test]
    fn debug_shows_its_message_alone() {
        let mut result = map! { "msg" => "x", "changed" => false, "item" => 1 };
        clean_debug(&mut result);
        assert_eq!(result, map! { "msg" => "x" });
    }
}
