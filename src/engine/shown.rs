//! Arguments of calls as they are shown: with defaults, and without what is secret.

use crate::modules::ModuleEntry;
use crate::secret::Secret;
use crate::value::{Key, Map, StrKey, Value, insert};

/// A call's arguments as Ansible shows them: those that were not given with their defaults, secret ones by Ansible's
/// word for them.
pub(super) fn shown_arguments(entry: &ModuleEntry, json: &serde_json::Value) -> Map {
    let given = |name: &str| json.get(name).filter(|value| !value.is_null());
    let mut shown: Map = entry
        .spec()
        .args
        .values()
        .map(|arg| {
            let value = match given(&arg.name) {
                Some(_) if arg.secret => Value::from("VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"),
                Some(value) => crate::value::from_json(value.clone()),
                None => arg.default.clone().map_or(Value::Null, crate::value::from_json),
            };
            (Key::from(arg.name.clone()), value)
        })
        .collect();
    if let "command" | "shell" = entry.meta.name {
        // Ansible gives the line that stands behind the module's name another name.
        let line = shown.insert(Key::from("cmd"), Value::Null).unwrap_or(Value::Null);
        insert(&mut shown, "_raw_params", line);
        insert(&mut shown, "_uses_shell", entry.meta.name == "shell");
        for (name, value) in
            [("argv", Value::Null), ("expand_argument_vars", true.into()), ("strip_empty_ends", true.into())]
        {
            if !shown.contains_key(&StrKey(name)) {
                insert(&mut shown, name, value);
            }
        }
    }
    // What hostctl does not take stands at its default.
    for (name, _) in
        entry.meta.refused.iter().filter(|(name, _)| !shown.contains_key(&StrKey(name))).collect::<Vec<_>>()
    {
        let value = match *name {
            "daemonize" | "use_gssapi" => Value::from(false),
            "runlevel" => Value::from("default"),
            _ => Value::Null,
        };
        insert(&mut shown, name, value);
    }
    shown
}

/// The texts of secret arguments, which the module's result may repeat. `content` of `copy` is hidden for its size.
pub(super) fn secret_arguments(entry: &ModuleEntry, json: &serde_json::Value) -> Vec<Secret> {
    fn texts(value: &serde_json::Value, found: &mut Vec<Secret>) {
        match value {
            serde_json::Value::String(text) => found.push(Secret::new(text.as_str())),
            serde_json::Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
            serde_json::Value::Object(map) => map.values().for_each(|item| texts(item, found)),
            serde_json::Value::Number(number) => found.push(Secret::new(number.to_string())),
            serde_json::Value::Null | serde_json::Value::Bool(_) => {}
        }
    }
    let serde_json::Value::Object(args) = json else { return Vec::new() };
    let asks_password = entry.meta.name == "debconf" && args.get("vtype").is_some_and(|vtype| vtype == "password");
    let mut found = Vec::new();
    for (name, value) in args {
        let secret =
            entry.spec().arg(name).is_some_and(|arg| arg.secret) && (entry.meta.name, &**name) != ("copy", "content");
        if secret || asks_password && name == "value" {
            texts(value, &mut found);
        }
    }
    found
}
