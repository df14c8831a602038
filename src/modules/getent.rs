//! `getent`: an entry of a name-service database as facts.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Failure;
use super::cx::Cx;
use super::spec::{ChangedAt, Meta, Module};
use crate::diag::Diagnostic;
use crate::map;
use crate::system::process::Program;
use crate::value::{Key, Map, Value, insert};

/// Looks up users, groups, hosts and services as the host's programs do. The answer is the fact
/// `getent_DATABASE`.
///
/// ```yaml
/// - getent:
///     database: passwd
///     key: builder
/// - debug:
///     var: ansible_facts.getent_passwd
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The database (`passwd`, `group`, `hosts`, `services`, ...).
    database: String,
    /// The entry; all entries if not given.
    key: Option<String>,
    /// Ask only this service (`files`, `ldap`).
    service: Option<String>,
    /// Fail if the entry is missing.
    #[serde(default = "yes")]
    fail_key: bool,
    /// What separates the fields of an entry.
    split: Option<String>,
}

fn yes() -> bool {
    true
}

/// The module.
pub struct Getent;

impl Module for Getent {
    type Args = Args;
    const META: Meta = Meta {
        name: "getent",
        full_name: "ansible.builtin.getent",
        also: &["ansible.legacy.getent"],
        summary: "Look up a name-service database",
        reads: &["getent"],
        changed_at: ChangedAt::Last,
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let colons = ["passwd", "shadow", "group", "gshadow"];
        let split = args.split.clone().or_else(|| colons.contains(&args.database.as_str()).then(|| ":".to_owned()));
        let mut words = vec!["getent".to_owned(), args.database.clone()];
        words.extend(args.key.clone());
        if let Some(service) = &args.service {
            words.extend(["-s".to_owned(), service.clone()]);
        }
        let output = cx.probe().run(Program::new(words).parsable())?;
        let fact = format!("getent_{}", args.database);
        let mut found = Map::new();
        match output.rc {
            0 => {
                let text = output.out();
                for line in text.lines() {
                    let fields: Vec<&str> = match &split {
                        Some(split) => line.split(split.as_str()).collect(),
                        None => line.split_whitespace().collect(),
                    };
                    let Some((name, rest)) = fields.split_first() else { continue };
                    let rest: Vec<Value> = rest.iter().map(|field| Value::from(*field)).collect();
                    if let Some(Value::List(before)) = found.get(&Key::from(*name)).cloned() {
                        let mut joined = before.to_vec();
                        joined.extend(rest);
                        insert(&mut found, name, joined);
                    } else {
                        insert(&mut found, name, rest);
                    }
                }
            }
            2 if !args.fail_key => {
                let key = args.key.clone().unwrap_or_default();
                insert(&mut found, &key, Value::Null);
                let facts = map! { fact => found };
                return Ok(
                    map! { "ansible_facts" => facts, "msg" => "One or more supplied key could not be found in the database." },
                );
            }
            code => {
                let (reason, registered) = match code {
                    1 => ("missing arguments, or database unknown", "Missing arguments, or database unknown."),
                    2 => (
                        "one or more supplied keys could not be found in the database",
                        "One or more supplied key could not be found in the database.",
                    ),
                    3 => ("enumeration not supported on this database", "Enumeration not supported on this database."),
                    _ => ("unexpected failure", "Unexpected failure!"),
                };
                let error = Diagnostic::task("H0110", format!("`getent {}`: {reason}", args.database));
                return Err(error.with_registered(registered).into());
            }
        }
        let facts = map! { fact => found };
        Ok(map! { "ansible_facts" => facts })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{get, module};
    use super::*;

    #[test]
    fn finds_root_and_misses_nobody_here() {
        let outcome = module("getent", map! { "database" => "passwd", "key" => "root" }).ok();
        assert_eq!(get(&outcome, "ansible_facts")["getent_passwd"]["root"][1], json!("0"));
        let args = map! { "database" => "group", "key" => "no-such-group-x" };
        assert!(module("getent", args.clone()).fails().diagnostic.message.contains("could not be found"));
        let mut args = args;
        insert(&mut args, "fail_key", false);
        assert_eq!(
            get(&module("getent", args).ok(), "ansible_facts"),
            json!({"getent_group": {"no-such-group-x": null}})
        );
    }
}
