//! Modules that need the engine's variables and hosts: debug, assert, fail, set_fact, add_host, group_by.

use std::sync::Arc;

use super::arguments::{Places, python_type};
use super::interp::HostRun;
use super::invoke::flag;
use super::result::Attempt;
use super::state::lock;
use crate::diag::{Diagnostic, Origin, Result, Span};
use crate::map;
use crate::modules::{Failure, Outcome};
use crate::playbook::{ModuleUse, Task, is_variable_name};
use crate::value::{Map, StrKey, Value, insert, python_str};
use crate::vars::Scope;

type Json = serde_json::Value;

/// What Ansible says where a `var` of `debug` stands for `omit`.
const OMITTED: &str = "The result of the `var` expression could not be omitted; a placeholder was used instead.";

impl HostRun {
    /// Runs one of the engine's own modules.
    pub(super) async fn builtin(
        &self,
        task: &Arc<Task>,
        module: &ModuleUse,
        (args, places): (&Map, &Places),
        json: Json,
        scope: &Scope,
        no_log: bool,
    ) -> Attempt {
        let ended: Result<Attempt, Failure> = match module.entry.meta.name {
            "debug" => self.debug(module, args, places, scope).map_err(Failure::from),
            "assert" => self.assert(places, &json, scope).or_else(|failure| {
                let told = failure.diagnostic.code == "H0013" && !flag(&json, "quiet");
                Ok(Attempt { verbose: told, ..Attempt::from_failure(failure) })
            }),
            "fail" => Err(fail(args)),
            "set_fact" => Ok(set_fact(args, places)),
            "set_stats" => super::custom_stats::set_stats(args),
            "validate_argument_spec" => self.validate_argument_spec(args, scope),
            "fetch" => self.fetch(task, &json, scope, no_log).await,
            "include_vars" => self.include_vars(task, module, &json, scope),
            "add_host" => self.add_host(args).map_err(Failure::from),
            "group_by" => self.group_by(&json).map_err(Failure::from),
            "wait_for_connection" => self.wait_for_connection(task, &json, scope).await,
            "reboot" => self.reboot(task, &json, scope).await,
            "pause" => self.pause(task, &json).await.map_err(Failure::from),
            crate::modules::ABSENT => {
                Err(Diagnostic::task("H0028", format!("hostctl does not have the module `{}`", module.name))
                    .with_label(module.name_span, "a module of ansible-core that is not here")
                    .into())
            }
            name => Err(Diagnostic::internal(format!("the engine does not run `{name}`")).into()),
        };
        ended.unwrap_or_else(Attempt::from_failure)
    }

    fn debug(&self, module: &ModuleUse, args: &Map, places: &Places, scope: &Scope) -> Result<Attempt> {
        let wanted = args.get(&StrKey("verbosity")).map(python_str);
        if wanted.is_some_and(|text| louder(&text, self.play.engine.options.verbosity)) {
            let mut attempt = Attempt::skipped(Value::from(""));
            attempt.result = map! {
                "changed" => false, "skipped" => true, "skipped_reason" => "Verbosity threshold not met.",
            };
            attempt.reason = Some("verbosity threshold not met".to_owned());
            return Ok(attempt);
        }
        let mut result = Map::new();
        let mut warnings = Vec::new();
        match args.get(&StrKey("var")) {
            Some(Value::Str(text)) => {
                let node = places.get("var").map(|(_, node)| node);
                let span = node.map_or(module.name_span, crate::yaml::Node::place);
                let templates = &self.play.engine.templates;
                // A template may name a variable of the source that holds the expression.
                let source = node.and_then(|node| {
                    if node.has_template() {
                        self.behind(node, scope)
                    } else {
                        (node.tag != Some(crate::yaml::Tag::Unsafe)).then(|| node.clone())
                    }
                });
                let Some(source) = source else {
                    let said = format!("Encountered untrusted template or expression: '{text}'");
                    return Err(Diagnostic::task("H0032", format!("`{text}` is data: it is no expression"))
                        .with_registered(said)
                        .with_label(span, "not from a playbook")
                        .with_hint("debug: {var: NAME}"));
                };
                let shown = templates.expression_for_people(text, source.place(), scope);
                let (value, told) = shown.map_err(|mut diagnostic| {
                    let said = diagnostic.registered();
                    if !said.contains("undecryptable variable") && !said.contains("unsupported for variable storage") {
                        return diagnostic;
                    }
                    let words = diagnostic.registered().replacen("rendering template", "rendering expression", 1);
                    diagnostic.registered = Some(words);
                    diagnostic.within("Error while resolving `var` expression: ")
                })?;
                told.into_iter().for_each(|warning| drop(super::heard::hear(warning)));
                let value = if crate::template::is_omit(&value) {
                    warnings.push(OMITTED.to_owned());
                    Value::from("<<Omit>>")
                } else {
                    value
                };
                result.insert(crate::value::Key::Str(Arc::clone(text)), value);
            }
            Some(other) => {
                let said = format!("'{}' is not a string and conversion is not allowed", python_str(other));
                return Err(Diagnostic::task(
                    "H0032",
                    format!("`var` needs an expression, found {}", other.type_name()),
                )
                .with_registered(format!(
                    "argument 'var' is of type {} and we were unable to convert to _check_type_str_no_conversion: {said}",
                    python_type(other)
                ))
                .with_label(module.name_span, "here")
                .with_hint("debug: {var: NAME}"));
            }
            None => {
                let message = args.get(&StrKey("msg")).cloned().unwrap_or_else(|| Value::from("Hello world!"));
                insert(&mut result, "msg", message);
            }
        }
        let mut attempt = Attempt::from_outcome(Outcome { result, warnings, ..Outcome::default() });
        attempt.verbose = true;
        Ok(attempt)
    }

    /// The text of the source that a template names and is nothing but, over several such steps.
    fn behind(&self, node: &crate::yaml::Node, scope: &Scope) -> Option<crate::yaml::Node> {
        let mut node = node.clone();
        for _ in 0..20 {
            node = self.play.engine.templates.named_source(&node, scope)?;
            if !node.has_template() {
                return (node.tag.is_none() && node.as_str().is_some()).then_some(node);
            }
        }
        None
    }

    fn assert(&self, places: &Places, json: &Json, scope: &Scope) -> Result<Attempt, Failure> {
        assert_messages(json, places)?;
        let templates = &self.play.engine.templates;
        let Some((_, that)) = places.get("that") else {
            return Err(Diagnostic::task("H0013", "`assert` has no `that`").into());
        };
        let items: Vec<crate::yaml::Node> = match that.as_list() {
            Some(items) => items.to_vec(),
            None => templates.listed_conditions(that, scope)?.unwrap_or_else(|| vec![that.clone()]),
        };
        for item in &items {
            let verdict = templates.condition(item, scope)?;
            if let Err(text) = verdict {
                let message = ["fail_msg", "msg"]
                    .iter()
                    .find_map(|name| json.get(name))
                    .map_or_else(|| Value::from("Assertion failed"), |value| crate::value::from_json(value.clone()));
                let text =
                    if text.is_empty() { item.to_value() } else { super::conditions::false_condition(item, &text) };
                let diagnostic = Diagnostic::task("H0013", python_str(&message)).with_label(item.place(), "not true");
                let diagnostic = self.with_values(diagnostic, item, scope);
                let result = map! { "assertion" => text, "evaluated_to" => false, "msg" => message };
                return Err(Failure::with_result(diagnostic, result));
            }
        }
        let message = json
            .get("success_msg")
            .map_or_else(|| Value::from("All assertions passed"), |value| crate::value::from_json(value.clone()));
        let result = map! { "msg" => message };
        let mut attempt = Attempt::from_outcome(Outcome { result, ..Outcome::default() });
        attempt.verbose = !flag(json, "quiet");
        Ok(attempt)
    }

    /// Variables of a spec's names, and what was given, against the spec.
    fn validate_argument_spec(&self, args: &Map, scope: &Scope) -> Result<Attempt, Failure> {
        let context = args.get(&StrKey("validate_args_context")).cloned().unwrap_or_else(Value::empty_map);
        let wrong = |name: &str, value: &Value| {
            let kind = match value {
                Value::List(_) => "list",
                Value::Str(_) => "str",
                _ => "NoneType",
            };
            let text = format!("Incorrect type for {name}, expected dict and got <class '{kind}'>");
            let result = map! { "msg" => text.as_str(), "validate_args_context" => context.clone() };
            Failure::with_result(Diagnostic::task("H0029", text), result)
        };
        let spec = match args.get(&StrKey("argument_spec")) {
            Some(Value::Map(spec)) => Arc::clone(spec),
            other => return Err(wrong("argument_spec", other.unwrap_or(&Value::Null))),
        };
        let mut values = Map::new();
        for key in spec.keys() {
            let name = key.text();
            if scope.get(&name).is_some()
                && let Some(value) = self.play.engine.templates.variable(&name, scope)?
            {
                values.insert(key.clone(), value);
            }
        }
        match args.get(&StrKey("provided_arguments")) {
            None | Some(Value::Null) => {}
            Some(Value::Map(given)) => values.extend(given.iter().map(|(key, value)| (key.clone(), value.clone()))),
            Some(other) => return Err(wrong("provided_arguments", other)),
        }
        let errors = crate::modules::argspec::spec_errors(&spec, &values);
        let mut result = map! { "validate_args_context" => context };
        if errors.is_empty() {
            insert(&mut result, "msg", "The arg spec validation passed");
            return Ok(Attempt::from_outcome(Outcome { result, ..Outcome::default() }));
        }
        let message = format!("Validation of arguments failed:\n{}", errors.join("\n"));
        let mut diagnostic = Diagnostic::task("H0029", "arguments do not fit their spec");
        diagnostic.notes.clone_from(&errors);
        result.extend(map! {
            "msg" => message, "argument_spec_data" => Value::Map(spec),
            "argument_errors" => errors.into_iter().map(Value::from).collect::<Vec<_>>(),
        });
        Err(Failure::with_result(diagnostic, result))
    }

    fn add_host(&self, args: &Map) -> Result<Attempt> {
        let text = |names: &[&str]| names.iter().find_map(|name| args.get(&StrKey(name))).map(python_str);
        let Some(name) = text(&["name", "hostname", "host"]) else {
            return Err(Diagnostic::task("H0024", "`add_host` needs `name`"));
        };
        let groups: Vec<String> = ["groups", "groupname", "group"]
            .iter()
            .find_map(|name| args.get(&StrKey(name)))
            .map(|value| match value {
                Value::List(items) => items.iter().map(python_str).collect(),
                other => python_str(other)
                    .split(',')
                    .map(|part| part.trim().to_owned())
                    .filter(|part| !part.is_empty())
                    .collect(),
            })
            .unwrap_or_default();
        let mut vars: Map = args
            .iter()
            .filter(|(key, _)| {
                !key.as_str()
                    .is_some_and(|key| matches!(key, "name" | "hostname" | "host" | "groups" | "groupname" | "group"))
            })
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let (name, port) = match name.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') && port.parse::<u16>().is_ok() => {
                (host.to_owned(), port.parse::<u16>().ok())
            }
            _ => (name, None),
        };
        if let Some(port) = port {
            insert(&mut vars, "ansible_ssh_port", u32::from(port));
        }
        for (_, password) in vars.iter().filter(|(key, _)| crate::secret::names_password(&key.text())) {
            self.play.engine.redactor.learn(&python_str(password));
        }
        let mut set = vars.clone();
        if let Some(port) = port.filter(|_| !vars.contains_key(&StrKey("ansible_port"))) {
            insert(&mut set, "ansible_port", u32::from(port));
        }
        let changed = self.play.engine.hosts.add_host(&name, &groups, &set)?;
        self.hosts_changed();
        let group_values: Vec<Value> = groups.iter().map(|group| Value::from(group.as_str())).collect();
        let result = map! {
            "add_host" => map! { "host_name" => name, "groups" => group_values, "host_vars" => vars },
        };
        Ok(Attempt::from_outcome(Outcome { changed, result, ..Outcome::default() }))
    }

    fn group_by(&self, json: &Json) -> Result<Attempt> {
        let Some(key) = json.get("key").and_then(Json::as_str) else {
            return Err(Diagnostic::task("H0024", "`group_by` needs `key`"));
        };
        let group = key.replace(' ', "-");
        let parents: Vec<String> = match json.get("parents") {
            Some(Json::Array(items)) => {
                items.iter().filter_map(Json::as_str).map(|name| name.replace(' ', "-")).collect()
            }
            Some(Json::String(name)) => vec![name.replace(' ', "-")],
            _ => vec!["all".to_owned()],
        };
        let changed = self.play.engine.hosts.add_to_group(&self.host, &group, &parents)?;
        self.hosts_changed();
        let parents: Vec<Value> = parents.into_iter().map(Value::from).collect();
        let result = map! { "add_group" => group, "parent_groups" => parents };
        Ok(Attempt::from_outcome(Outcome { changed, result, ..Outcome::default() }))
    }

    /// Records and groups are read again.
    pub(super) fn hosts_changed(&self) {
        lock(&self.play.records).clear();
        *lock(&self.play.magic_cache) = None;
    }
}

fn fail(args: &Map) -> Failure {
    // It need not be a text.
    let message = args.get(&StrKey("msg")).cloned().unwrap_or_else(|| Value::from("Failed as requested from task"));
    Failure::with_result(Diagnostic::task("H0014", python_str(&message)), map! { "msg" => message })
}

/// The messages of `assert` are a text or a list of texts.
fn assert_messages(json: &Json, places: &Places) -> Result<()> {
    for name in ["fail_msg", "success_msg"] {
        let Some(value) = json.get(name) else { continue };
        let fits = match value {
            Json::Null | Json::String(_) => true,
            Json::Array(items) => items.iter().all(Json::is_string),
            _ => false,
        };
        if !fits {
            let kind = python_type(&crate::value::from_json(value.clone()));
            return Err(Diagnostic::task("M0004", format!("`{name}` is a text or a list of texts, found {kind}"))
                .with_registered(format!(
                    "argument '{name}' is of type {kind} and we were unable to convert to str_or_list_of_str: a string or list of strings is required"
                ))
                .with_label_opt(places.get(name).map(|(span, _)| *span), "not a text")
                .with_hint(format!("{name}: what to say")));
        }
    }
    Ok(())
}

/// Whether what is wanted of the verbosity is more than there is.
fn louder(wanted: &str, verbosity: u8) -> bool {
    wanted.trim().parse::<f64>().is_ok_and(|wanted| wanted > f64::from(verbosity))
}

/// An argument of a module of the engine that takes words of its own.
fn no_boolean(name: &str, value: &Value, place: Option<Span>) -> Diagnostic {
    let text = python_str(value);
    Diagnostic::task("P0110", format!("`{name}` must be a boolean, found `{text}`"))
        .with_registered(format!(
            "Task failed: The value '{text}' is not a valid boolean. Valid booleans include: 0, 1, '0', '1', 'f', \
             'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'"
        ))
        .with_label_opt(place, "not a boolean")
        .with_hint("`true` or `false`")
}

fn set_fact(args: &Map, places: &Places) -> Attempt {
    let mut facts = args.clone();
    let cacheable = match facts.shift_remove(&StrKey("cacheable")).filter(|value| *value != Value::Null) {
        Some(value) => match crate::value::boolean(&value) {
            Some(flag) => flag,
            None => {
                let place = places.get("cacheable").map(|(place, _)| *place);
                return Attempt::error(no_boolean("cacheable", &value, place));
            }
        },
        None => false,
    };
    if let Some(key) = facts.keys().find(|key| !is_variable_name(&key.text())) {
        let help = "Variable names must be strings starting with a letter or underscore character, and contain only \
                    letters, numbers and underscores.";
        let place = places.get(&*key.text()).map(|(place, _)| *place);
        return Attempt::error(
            Diagnostic::task("H0025", format!("Invalid variable name '{}'.", key.text()))
                .about(place.map(Origin::At), Some(help))
                .with_hint("letters, digits and underscores, not beginning with a digit"),
        );
    }
    if facts.is_empty() {
        return Attempt::error(
            Diagnostic::task("H0025", "`set_fact` sets nothing")
                .with_registered("No key/value pairs provided, at least one is required for this action to succeed")
                .with_hint("set_fact: {name: value}"),
        );
    }
    let mut attempt =
        Attempt::from_outcome(Outcome { result: map! { "ansible_facts" => facts }, ..Outcome::default() });
    if cacheable {
        insert(&mut attempt.result, "_ansible_facts_cacheable", true);
    }
    attempt
}
