//! Keys that are kept, removed or replaced: the filters `keep_keys`, `remove_keys` and `replace_keys` of ansible.utils,
//! which go all the way down, and those of community.general of the same names, which look at mappings in a list.

use std::sync::Arc;

use crate::value::{Key, Map, Value, python_str};

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::regex::{self, Anchor};
use super::super::val::Val;
use super::Entry;

/// The table of this file.
pub const TABLE: &[Entry] = &[
    ("ansible.utils.keep_keys", |call, value, args| deep(call, value, args, "keep_keys")),
    ("ansible.utils.remove_keys", |call, value, args| deep(call, value, args, "remove_keys")),
    ("ansible.utils.replace_keys", |call, value, args| deep(call, value, args, "replace_keys")),
    ("community.general.keep_keys", |call, value, args| flat(call, value, args, "keep_keys")),
    ("community.general.remove_keys", |call, value, args| flat(call, value, args, "remove_keys")),
    ("community.general.replace_keys", |call, value, args| flat(call, value, args, "replace_keys")),
];

/// How a key is compared with what was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Equal,
    Starts,
    Ends,
    Regex,
}

impl How {
    /// `equal`: the name that plain equality has, if it has one.
    fn parse(text: &str, equal: Option<&str>) -> R<Self> {
        match text {
            "starts_with" => Ok(Self::Starts),
            "ends_with" => Ok(Self::Ends),
            "regex" => Ok(Self::Regex),
            text if Some(text) == equal => Ok(Self::Equal),
            other => Err(Fail::said(
                format!("there is no `matching_parameter` `{other}`"),
                match equal {
                    Some(equal) => format!(
                        "The matching_parameter must be one of ['{equal}', 'starts_with', 'ends_with', 'regex']. \
                         matching_parameter={other}"
                    ),
                    None => format!(
                        "value of matching_parameter must be one of: starts_with, ends_with, regex, got: {other}"
                    ),
                },
            )
            .with_hint("it is starts_with, ends_with or regex")),
        }
    }

    fn fits(self, wanted: &str, key: &str) -> R<bool> {
        Ok(match self {
            Self::Equal => key == wanted,
            Self::Starts => key.starts_with(wanted),
            Self::Ends => key.ends_with(wanted),
            Self::Regex => regex::search(&*regex::anchored(wanted, Anchor::Start, false, false)?, key)?.is_some(),
        })
    }

    /// True if one of the names fits. Keys that are no text fit nothing.
    fn any(self, wanted: &[Arc<str>], key: &Key) -> R<bool> {
        let Some(key) = key.as_str() else { return Ok(false) };
        for name in wanted {
            if self.fits(name, key)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The names of a `target`: a list, or text, which `split` takes apart at commas.
fn names(target: &Value, split: bool) -> R<Vec<Arc<str>>> {
    match target {
        Value::Str(text) if split => Ok(text.split(',').map(|part| part.trim().into()).collect()),
        Value::Str(text) => Ok(vec![Arc::clone(text)]),
        Value::List(list) => list
            .iter()
            .map(|item| match item {
                Value::Str(text) => Ok(Arc::clone(text)),
                other if split => Ok(python_str(other).into()),
                other => Err(Fail::said(
                    format!("`target` holds names, found {}", other.type_name()),
                    format!(
                        "The target items must be strings. {} is <class '{}'>",
                        python_str(other),
                        other.python_type()
                    ),
                )),
            })
            .collect(),
        other => Err(Fail::said(
            format!("`target` is text or a list, not {}", other.type_name()),
            format!("The target must be a string or a list. target is <class '{}'>.", other.python_type()),
        )),
    }
}

/// The pairs of a `target` of `replace_keys`: before, after.
fn replacements(target: &Value) -> R<Vec<(Arc<str>, Arc<str>)>> {
    let wrong = || {
        Fail::said(
            "`target` is a list of mappings with `before` and `after`",
            "All dictionaries in target must include attributes: after, before.",
        )
    };
    let list = target.as_list().ok_or_else(wrong)?;
    list.iter()
        .map(|item| match (item.get("before"), item.get("after")) {
            (Some(Value::Str(before)), Some(Value::Str(after))) => Ok((Arc::clone(before), Arc::clone(after))),
            _ => Err(wrong()),
        })
        .collect()
}

fn deep(call: &Call, value: Val, mut args: Args, name: &str) -> R<Val> {
    let target = call.value(&args.need(0, "target")?)?;
    let how = args.text(call, 1, "matching_parameter")?;
    args.finish()?;
    // What is meant by none has no name that is taken.
    let how = how.map_or(Ok(How::Equal), |how| How::parse(&how, None))?;
    let data = call.value(&value)?;
    if !matches!(data, Value::List(_) | Value::Map(_)) {
        let what = match name {
            "keep_keys" => "keep operation",
            "remove_keys" => "attribute removal",
            _ => "replace operation",
        };
        return Err(Fail::said(
            format!("`{name}` wants a list or a mapping, not {}", data.type_name()),
            format!("Error when using plugin '{name}': Input is not valid for {what}"),
        ));
    }
    let found = match name {
        "keep_keys" => kept(&data, &names(&target, true)?, how)?,
        "remove_keys" => full(removed(&data, &names(&target, true)?, how)?),
        _ => replaced(data, &replacements(&target)?, how)?,
    };
    Ok(Val::from(found))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::List(list) => list.is_empty(),
        Value::Map(map) => map.is_empty(),
        _ => false,
    }
}

fn kept(data: &Value, names: &[Arc<str>], how: How) -> R<Value> {
    match data {
        Value::List(list) => {
            Ok(Value::from(list.iter().map(|item| kept(item, names, how)).collect::<R<Vec<Value>>>()?))
        }
        Value::Map(map) => {
            let mut out = Map::new();
            for (key, value) in map.iter() {
                let container = matches!(value, Value::List(_) | Value::Map(_));
                // What is left of what it holds, without and with what is empty in a list.
                let nested = if container { Some(kept(value, names, how)?) } else { None };
                let part = nested.as_ref().map(|nested| match nested {
                    Value::List(list) => {
                        Value::from(list.iter().filter(|item| !is_empty(item)).cloned().collect::<Vec<Value>>())
                    }
                    other => other.clone(),
                });
                let part = part.filter(|part| !is_empty(part));
                // Each name is asked; what the last one says counts.
                let mut found = None;
                for name in names {
                    let equal = key.as_str() == Some(&**name);
                    if equal || !container && how.any(std::slice::from_ref(name), key)? {
                        found = Some(value.clone());
                    } else if let Some(part) = &part {
                        found = Some(part.clone());
                    }
                }
                if let Some(found) = found.or_else(|| nested.filter(|nested| !is_empty(nested))) {
                    out.insert(key.clone(), found);
                }
            }
            Ok(out.into())
        }
        other => Ok(other.clone()),
    }
}

fn removed(data: &Value, names: &[Arc<str>], how: How) -> R<Value> {
    match data {
        Value::List(list) => {
            Ok(Value::from(list.iter().map(|item| removed(item, names, how)).collect::<R<Vec<Value>>>()?))
        }
        Value::Map(map) => {
            let mut out = Map::new();
            for (key, value) in map.iter() {
                if !how.any(names, key)? {
                    out.insert(key.clone(), removed(value, names, how)?);
                }
            }
            Ok(out.into())
        }
        other => Ok(other.clone()),
    }
}

/// Without what counts as nothing in lists: `remove_keys` leaves that out, whatever it removed.
fn full(data: Value) -> Value {
    match data {
        Value::List(list) => {
            Value::from(list.iter().filter(|item| item.truthy()).cloned().map(full).collect::<Vec<Value>>())
        }
        Value::Map(map) => map.iter().map(|(key, value)| (key.clone(), full(value.clone()))).collect::<Map>().into(),
        other => other,
    }
}

fn replaced(data: Value, names: &[(Arc<str>, Arc<str>)], how: How) -> R<Value> {
    match data {
        Value::List(list) => {
            Ok(Value::from(list.iter().cloned().map(|item| replaced(item, names, how)).collect::<R<Vec<Value>>>()?))
        }
        Value::Map(map) => {
            let mut out = map.as_ref().clone();
            for (before, after) in names {
                for key in out.keys().cloned().collect::<Vec<Key>>() {
                    let fits = key.as_str().map_or(Ok(false), |key| how.fits(before, key))?;
                    // The new one goes to the end, or takes the place of one of its name.
                    if fits && let Some(value) = out.shift_remove(&key) {
                        out.insert(Key::from(&**after), value);
                    }
                }
            }
            for value in out.values_mut() {
                *value = replaced(value.clone(), names, how)?;
            }
            Ok(out.into())
        }
        other => Ok(other),
    }
}

fn flat(call: &Call, value: Val, mut args: Args, name: &str) -> R<Val> {
    let target = args.take(0, "target").map(|target| call.value(&target)).transpose()?.unwrap_or(Value::Null);
    let how = args.text(call, 1, "matching_parameter")?.unwrap_or_else(|| "equal".into());
    args.finish()?;
    let data = call.value(&value)?;
    let about = |value: &Value| format!("{} is <class '{}'>", python_str(value), value.python_type());
    let Value::List(list) = &data else {
        return Err(Fail::said(
            format!("`{name}` wants a list, not {}", data.type_name()),
            format!("First argument must be a list. {}", about(&data)),
        ));
    };
    for item in list.iter() {
        let Value::Map(map) = item else {
            return Err(Fail::said(
                format!("`{name}` wants a list of mappings, found {}", item.type_name()),
                format!("The data items must be dictionaries. {}", about(item)),
            ));
        };
        if let Some(key) = map.keys().find(|key| key.as_str().is_none()) {
            return Err(Fail::msg(format!("Top level keys must be strings, found {}", key.text())));
        }
    }
    let how = How::parse(&how, Some("equal"))?;
    let (wanted, pairs) = match name {
        "replace_keys" => (Vec::new(), replacements(&target)?),
        _ => (names(&target, false)?, Vec::new()),
    };
    if wanted.is_empty() && pairs.is_empty() {
        return Err(Fail::said("`target` is empty", "The target can't be empty."));
    }
    if how == How::Regex && wanted.len() > 1 {
        let words = "Single item is required in the target list if matching_parameter=regex.";
        return Err(Fail::said("`target` is one pattern with `matching_parameter='regex'`", words));
    }
    let mut out = Vec::with_capacity(list.len());
    for map in list.iter().filter_map(Value::as_map) {
        let mut found = Map::new();
        for (key, value) in map {
            let renamed = match name {
                "keep_keys" => how.any(&wanted, key)?.then(|| key.clone()),
                "remove_keys" => (!how.any(&wanted, key)?).then(|| key.clone()),
                _ => {
                    let text = key.as_str().unwrap_or_default();
                    let mut new = None;
                    for (before, after) in &pairs {
                        if new.is_none() && how.fits(before, text)? {
                            new = Some(Key::from(&**after));
                        }
                    }
                    new.or_else(|| Some(key.clone()))
                }
            };
            if let Some(key) = renamed {
                found.insert(key, value.clone());
            }
        }
        out.push(Value::from(found));
    }
    Ok(Val::from(Value::from(out)))
}
