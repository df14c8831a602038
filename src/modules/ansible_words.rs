//! What Ansible says of wrong arguments: the `msg` that playbooks register and test.

use super::spec::{ArgError, ModuleEntry};
use crate::value::{Value, python_repr, python_str};

/// Modules of Ansible that run on the controller and check the names of their arguments themselves.
const OPTIONS: &[&str] = &["fail", "group_by", "reboot", "set_stats", "wait_for_connection"];

/// What the module takes that runs programs.
const OF_COMMAND: &str = "Supported parameters include: _raw_params, _uses_shell, argv, chdir, cmd, creates, executable, \
                          expand_argument_vars, removes, stdin, stdin_add_newline, strip_empty_ends.";

/// The name that a module has where an action of Ansible's calls it.
fn called_by_action<'c>(entry: &ModuleEntry, called: &'c str) -> std::borrow::Cow<'c, str> {
    match entry.meta.name {
        "copy" | "template" => "ansible.legacy.copy".into(),
        "command" | "shell" => "ansible.legacy.command".into(),
        name @ ("uri" | "unarchive" | "assemble") => format!("ansible.legacy.{name}").into(),
        _ => called.into(),
    }
}

/// The `msg` of a call whose arguments were refused: Ansible tells the first error, in the order of its own checks.
pub fn ansible_message(entry: &ModuleEntry, called: &str, errors: &[ArgError]) -> Option<String> {
    let has = |code: &str| errors.iter().find(|error| error.code == code && !error.ansible.is_empty());
    let missing: Vec<&str> =
        errors.iter().filter(|error| error.code == "M0003").map(|error| error.ansible.as_str()).collect();
    if entry.meta.name == "copy" {
        // Ansible's own order: what is copied, then where to.
        if has("M0007").is_some() {
            return Some("src (or content) is required".to_owned());
        }
        if missing.contains(&"dest") {
            return Some("dest is required".to_owned());
        }
    }
    if entry.meta.name == "lineinfile"
        && missing.is_empty()
        && has("M0006").is_none()
        && errors.iter().any(|error| error.ansible.starts_with("state is present but"))
    {
        return Some("line is required with state=present".to_owned());
    }
    if entry.meta.name == "wait_for" && has("M0006").is_some() {
        return Some("port and path parameter can not both be passed to wait_for".to_owned());
    }
    if let (Some(words), true) = (entry.meta.missing, !missing.is_empty() || has("M0007").is_some()) {
        return Some(words.to_owned());
    }
    if let Some(error) = has("M0006") {
        // The module's own name for it.
        return Some(error.ansible.replace("deb|name|upgrade", "deb|package|upgrade"));
    }
    if !missing.is_empty() {
        let mut names = missing;
        names.sort_unstable();
        return Some(format!("missing required arguments: {}", names.join(", ")));
    }
    if let Some(error) = ["M0004", "M0005", "M0008", "M0007", "M0009"].iter().find_map(|code| has(code)) {
        return Some(error.ansible.clone());
    }
    let mut unknown: Vec<&str> = errors
        .iter()
        .filter(|error| matches!(error.code, "M0002" | "M0010"))
        .map(|error| error.ansible.as_str())
        .collect();
    if unknown.is_empty() {
        return None;
    }
    unknown.sort_unstable();
    if entry.meta.name == "shell" && unknown.contains(&"expand_argument_vars") {
        return Some(format!("Unsupported parameters for ({called}) module: expand_argument_vars"));
    }
    let called = &*called_by_action(entry, called);
    if OPTIONS.contains(&entry.meta.name) {
        return Some(format!("Invalid options for {called}: {}", unknown.join(",")));
    }
    if matches!(entry.meta.name, "command" | "shell") {
        return Some(format!("Unsupported parameters for ({called}) module: {}. {OF_COMMAND}", unknown.join(", ")));
    }
    // A template is copied to the host.
    let entry = if entry.meta.name == "template" { super::find("copy").unwrap_or(entry) } else { entry };
    let mut known: Vec<String> = entry
        .spec()
        .args
        .values()
        .map(|arg| arg.name.clone())
        .chain(entry.meta.refused.iter().map(|(name, _)| (*name).to_owned()))
        .collect();
    match entry.meta.name {
        "copy" => {
            known.retain(|name| name != "decrypt");
            known.push("_original_basename".to_owned());
        }
        "file" => known.push("_original_basename".to_owned()),
        _ => {}
    }
    known.sort_unstable();
    let mut aliases: Vec<&str> = entry.spec().args.values().flat_map(|arg| arg.aliases.clone()).collect();
    aliases.sort_unstable();
    let aliases = if aliases.is_empty() { String::new() } else { format!(" ({})", aliases.join(", ")) };
    Some(format!(
        "Unsupported parameters for ({called}) module: {}. Supported parameters include: {}{aliases}.",
        unknown.join(", "),
        known.join(", ")
    ))
}

/// A value's type as Python names it.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::BigInt(_) => "int",
        Value::Float(_) => "float",
        Value::List(_) => "list",
        Value::Map(_) => "dict",
        _ => "str",
    }
}

/// Why a value cannot be made one of a type, in Python's words.
pub(super) fn reason(wanted: &str, value: &Value) -> String {
    let kind = type_name(value);
    match wanted {
        "bool" => {
            let shown = if kind == "str" { python_repr(value) } else { format!("'{}'", python_str(value)) };
            format!(
                "The value {shown} is not a valid boolean. Valid booleans include: 0, 1, '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'"
            )
        }
        "int" => format!("\"{}\" cannot be converted to an int", python_repr(value)),
        "float" if kind == "str" => format!("could not convert string to float: {}", python_repr(value)),
        "dict" if kind == "str" => "dictionary requested, could not parse JSON or key=value".to_owned(),
        _ => format!("<class '{kind}'> cannot be converted to a {wanted}"),
    }
}

/// `argument 'x' is of type str and we were unable to convert to int: ...`
pub(super) fn wrong_type(name: &str, expected: &str, value: &Value) -> String {
    if expected == "a whole number" {
        let why = match value {
            Value::Str(_) => format!("invalid literal for int() with base 10: {}", python_repr(value)),
            _ => format!(
                "int() argument must be a string, a bytes-like object or a real number, not '{}'",
                type_name(value)
            ),
        };
        return format!(
            "argument '{name}' is of type {} and we were unable to convert to int: {why}",
            type_name(value)
        );
    }
    let wanted = match expected {
        "a boolean" => "bool",
        "an integer" => "int",
        "a number" => "float",
        "a mapping" => "dict",
        "a list" => "list",
        _ => "str",
    };
    let (kind, why) = (type_name(value), reason(wanted, value));
    format!("argument '{name}' is of type {kind} and we were unable to convert to {wanted}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map;
    use crate::value::Map;

    fn check(module: &str, args: Map, expected: &str) {
        let entry = super::super::find(module).expect(module);
        let errors = entry.spec().coerce(&args, &|_| false).expect_err("refused");
        assert_eq!(ansible_message(entry, module, &errors).as_deref(), Some(expected));
    }

    #[test]
    fn the_words_are_ansibles() {
        check("replace", Map::new(), "missing required arguments: path, regexp");
        check(
            "pause",
            map! { "seconds" => "0.5" },
            "argument 'seconds' is of type str and we were unable to convert to int: invalid literal for int() with base 10: '0.5'",
        );
        check(
            "shell",
            map! { "cmd" => "x", "expand_argument_vars" => false },
            "Unsupported parameters for (shell) module: expand_argument_vars",
        );
        check("script", Map::new(), "one of the following is required: _raw_params, cmd");
        check("fetch", Map::new(), "src and dest are required");
        check("copy", map! { "src" => "x" }, "dest is required");
        check("copy", map! { "dest" => "x" }, "src (or content) is required");
        check("wait_for_connection", map! { "foo" => 1 }, "Invalid options for wait_for_connection: foo");
        check(
            "ping",
            map! { "x" => 1, "a" => 1 },
            "Unsupported parameters for (ping) module: a, x. Supported parameters include: data.",
        );
        check(
            "lineinfile",
            map! { "path" => "/x", "insertafter" => "a", "insertbefore" => "b" },
            "parameters are mutually exclusive: insertbefore|insertafter",
        );
        check("lineinfile", map! { "path" => "/x", "regexp" => "a" }, "line is required with state=present");
        check("iptables", Map::new(), "flush is False but all of the following are missing: chain");
        check(
            "iptables",
            map! { "chain" => "INPUT", "set_dscp_mark" => "8" },
            "missing parameter(s) required by 'set_dscp_mark': jump",
        );
        check("systemd", map! { "state" => "started" }, "missing parameter(s) required by 'state': name");
        check(
            "group",
            map! { "name" => "x", "non_unique" => true },
            "non_unique is True but all of the following are missing: gid",
        );
        check(
            "apt",
            map! { "name" => "x", "upgrade" => "dist" },
            "parameters are mutually exclusive: deb|package|upgrade",
        );
        let words = "port and path parameter can not both be passed to wait_for";
        check("wait_for", map! { "path" => "/x", "port" => 1 }, words);
        check(
            "blockinfile",
            map! { "path" => "/x", "state" => "gone" },
            "value of state must be one of: absent, present, got: gone",
        );
        check(
            "find",
            map! { "paths" => "/x", "depth" => "deep" },
            "argument 'depth' is of type str and we were unable to convert to int: \"'deep'\" cannot be converted to an int",
        );
    }
}
