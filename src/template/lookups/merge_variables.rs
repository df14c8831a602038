//! `community.general.merge_variables`: the variables whose names fit a pattern as one mapping or list.

use std::sync::Arc;

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::regex;
use super::super::val::Val;
use super::texts;
use crate::diag::{Diagnostic, Kind};
use crate::value::{Key, Map, Value, python_str};

/// What happens to a key that has another value already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Override {
    Fails,
    Warns,
    Quiet,
}

struct Options {
    pattern: Arc<str>,
    replaces: Override,
    initial: Option<Value>,
    groups: Vec<Arc<str>>,
}

/// A value for each term.
pub fn merge_variables(call: &Call, terms: &[Val], args: &mut Args) -> R<Vec<Val>> {
    let choice = |name: &str, found: &str, choices: &str| {
        let words =
            format!("Invalid value \"{found}\" for configuration option \"{name}\", valid values are: {choices}");
        Fail::said(format!("there is no `{name}` `{found}`"), words).with_hint(format!("it is {choices}"))
    };
    let pattern = args.text(call, usize::MAX, "pattern_type")?.unwrap_or_else(|| "regex".into());
    if !matches!(&*pattern, "prefix" | "suffix" | "regex") {
        return Err(choice("pattern_type", &pattern, "prefix, suffix or regex"));
    }
    let replaces = match args.text(call, usize::MAX, "override")?.as_deref() {
        None | Some("error") => Override::Fails,
        Some("warn") => Override::Warns,
        Some("ignore") => Override::Quiet,
        Some(other) => return Err(choice("override", other, "error, warn or ignore")),
    };
    let initial = args.take_kw("initial_value").filter(|value| !value.is_none());
    let groups = match args.take_kw("groups").filter(|groups| !groups.is_none()) {
        None => Vec::new(),
        Some(groups) => match groups.as_str() {
            Some(text) => text.split(',').map(|name| name.trim().into()).collect(),
            None => texts(call, &call.items(&groups)?)?,
        },
    };
    let initial = initial.map(|value| call.value(&value)).transpose()?;
    let options = Options { pattern, replaces, initial, groups };
    let mut out = Vec::new();
    for term in terms {
        let Some(term) = term.as_text() else {
            let words =
                format!("Non-string type '<class '{}'>' passed, only 'str' types are allowed!", term.type_name());
            return Err(Fail::said(format!("a pattern must be text, not {}", term.kind()), words));
        };
        let found = if options.groups.is_empty() {
            let names = call.ev.env.scope.names();
            let get = |name: &str| call.cx().variable(name, &call.ev.env, None);
            merged(call, &options, &term, options.initial.clone(), names, &get)?
        } else {
            of_groups(call, &options, &term)?
        };
        out.push(Val::from(found.unwrap_or(Value::Null)));
    }
    Ok(out)
}

/// The variables of all hosts of some groups.
fn of_groups(call: &Call, options: &Options, term: &str) -> R<Option<Value>> {
    let mut found = options.initial.clone();
    let Some(Val::Map(hosts)) = call.cx().variable("hostvars", &call.ev.env, None)? else { return Ok(found) };
    for host in hosts.keys() {
        let Some(Val::Map(vars)) = hosts.get(call.cx(), &host)? else { continue };
        let own = match vars.get_str(call.cx(), "group_names")? {
            Some(own) => texts(call, &call.items(&own)?)?,
            None => Vec::new(),
        };
        let wanted = |name: &Arc<str>| &**name == "all" || own.contains(name);
        if !options.groups.iter().any(wanted) {
            continue;
        }
        let names = vars.keys().iter().filter_map(|key| key.as_str().map(Arc::from)).collect();
        let get = |name: &str| vars.get_str(call.cx(), name);
        found = merged(call, options, term, found, names, &get)?;
    }
    Ok(found)
}

fn merged(
    call: &Call,
    options: &Options,
    term: &str,
    initial: Option<Value>,
    names: Vec<Arc<str>>,
    get: &dyn Fn(&str) -> R<Option<Val>>,
) -> R<Option<Value>> {
    let mut fitting = Vec::new();
    for name in names {
        let fits = match &*options.pattern {
            "prefix" => name.starts_with(term),
            "suffix" => name.ends_with(term),
            _ => regex::search(&*regex::compile(term, false, false)?, &name)?.is_some(),
        };
        if fits {
            fitting.push(name);
        }
    }
    fitting.sort();
    fitting.dedup();
    let mut result = initial;
    for name in fitting {
        let Some(value) = get(&name)? else { continue };
        let value = call.value(&value.defined()?)?;
        if !matches!(value, Value::List(_) | Value::Map(_)) {
            return Err(Fail::said(
                format!("`{name}` must be a list or a mapping, found {}", value.type_name()),
                "Not supported type detected, variable must be a list or a dict",
            ));
        }
        result = Some(match (result, value) {
            (None, value) => value,
            (Some(Value::List(low)), Value::List(high)) => {
                Value::from(low.iter().chain(high.iter()).cloned().collect::<Vec<Value>>())
            }
            (Some(Value::Map(low)), Value::Map(high)) => {
                let mut low = Arc::unwrap_or_clone(low);
                add(call, options.replaces, &high, &mut low, &name)?;
                Value::from(low)
            }
            _ => {
                let words = "Unable to merge, not all variables are of the same type";
                return Err(Fail::said(format!("`{name}` is of another type than those before it"), words));
            }
        });
    }
    Ok(result)
}

/// Puts one mapping over another, all the way down; lists are joined.
fn add(call: &Call, replaces: Override, new: &Map, into: &mut Map, path: &str) -> R<()> {
    for (key, value) in new {
        let merged = match (into.get(key), value) {
            (Some(Value::Map(old)), Value::Map(new)) => {
                let mut low = old.as_ref().clone();
                add(call, replaces, new, &mut low, &format!("{path}.{}", key.text()))?;
                Value::from(low)
            }
            (Some(Value::List(old)), Value::List(new)) => {
                Value::from(old.iter().chain(new.iter()).cloned().collect::<Vec<Value>>())
            }
            (Some(old), new) if old != new => {
                told(call, replaces, (key, old, new), path)?;
                new.clone()
            }
            (_, new) => new.clone(),
        };
        into.insert(key.clone(), merged);
    }
    Ok(())
}

fn told(call: &Call, replaces: Override, (key, old, new): (&Key, &Value, &Value), path: &str) -> R<()> {
    let words = format!(
        "The key '{0}' with value '{1}' will be overwritten with value '{2}' from '{path}.{0}'",
        key.text(),
        python_str(old),
        python_str(new)
    );
    let message = format!("`{}` of `{path}` has another value in what is merged before it", key.text());
    match replaces {
        Override::Fails => Err(Fail::said(message, words).with_hint("`override='ignore'` takes the last one")),
        Override::Warns => {
            let warning = Diagnostic::new("T0103", Kind::Template, message).with_registered(words).warning();
            call.cx().templates.warn(warning);
            Ok(())
        }
        Override::Quiet => Ok(()),
    }
}
