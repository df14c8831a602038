//! Mappings: `combine`, `dict2items`, `items2dict`, `dictsort`, `extract`, `rekey_on_member`.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::value::{Key, Map, Value};

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::val::{Func, Val};
use super::super::{methods, ops};
use super::Entry;
use super::list::{fold, sorted};

/// The table of this file.
pub const TABLE: &[Entry] = &[
    ("attr", attr),
    ("combine", combine),
    ("dict2items", dict2items),
    ("dictsort", dictsort),
    ("extract", extract),
    ("items", items),
    ("items2dict", items2dict),
    ("json_query", json_query),
    ("rekey_on_member", rekey_on_member),
];

fn combine(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let recursive = args.take_kw("recursive").map_or(Ok(false), |value| value.truthy())?;
    let how = args.take_kw("list_merge").and_then(|value| value.as_text()).unwrap_or_else(|| "replace".into());
    let mut terms = vec![value];
    terms.extend(args.rest());
    if !args.rest_kw().is_empty() {
        return Err(Fail::said(
            "`combine` takes the named arguments `recursive` and `list_merge` only",
            "'recursive' and 'list_merge' are the only valid keyword arguments",
        ));
    }
    if !matches!(&*how, "replace" | "keep" | "append" | "prepend" | "append_rp" | "prepend_rp") {
        let words = "merge_hash: 'list_merge' argument can only be equal to 'replace', 'keep', 'append', 'prepend', 'append_rp' or 'prepend_rp'";
        return Err(Fail::said(format!("there is no list_merge `{how}`"), words)
            .with_hint("it is replace, keep, append, prepend, append_rp or prepend_rp"));
    }
    let mut maps = Vec::new();
    super::list::flatten_into(call.cx(), terms, Some(1), true, &mut maps)?;
    if let [one] = maps.as_slice() {
        // There is nothing to combine it with, whatever it is.
        return Ok(one.clone());
    }
    let mut result: Option<Val> = None;
    for map in maps.into_iter().rev() {
        if let Val::Undef(_) = map {
            return Ok(map);
        }
        let wrong = result.as_ref().is_some_and(|high| !matches!((&map, high), (Val::Map(_), Val::Map(_))));
        if wrong {
            let other = result.as_ref().map_or("dict", Val::type_name);
            let found = if matches!(map, Val::Map(_)) { result.as_ref().map_or("", Val::kind) } else { map.kind() };
            return Err(Fail::said(
                format!("`combine` wants mappings, found {found}"),
                format!("failed to combine variables, expected dicts but got a '{}' and a '{other}'.", map.type_name()),
            ));
        }
        result = Some(match result {
            None => map,
            Some(high) if !recursive && &*how == "replace" => shallow(call, &map, &high)?,
            Some(high) => {
                let (low, high) = (call.value(&map)?, call.value(&high)?);
                Val::from(merge(&low, &high, recursive, &how))
            }
        });
    }
    Ok(result.unwrap_or_else(|| Val::map(IndexMap::new())))
}

fn shallow(call: &Call, low: &Val, high: &Val) -> R<Val> {
    let (Val::Map(low), Val::Map(high)) = (low, high) else { return Err(Fail::msg("`combine` wants mappings")) };
    let mut out: IndexMap<Key, Val> = low.items(call.cx())?.into_iter().collect();
    out.extend(high.items(call.cx())?);
    Ok(Val::map(out))
}

pub(super) fn merge(low: &Value, high: &Value, recursive: bool, how: &str) -> Value {
    let (Value::Map(low_map), Value::Map(high_map)) = (low, high) else { return high.clone() };
    if low_map.is_empty() {
        return high.clone();
    }
    let mut out = low_map.as_ref().clone();
    for (key, new) in high_map.iter() {
        let merged = match (out.get(key), new) {
            (Some(old @ Value::Map(_)), Value::Map(_)) => {
                if recursive {
                    merge(old, new, recursive, how)
                } else {
                    new.clone()
                }
            }
            (Some(Value::List(old)), Value::List(list)) => {
                let without = || old.iter().filter(|item| !list.contains(item)).cloned();
                let joined: Vec<Value> = match how {
                    "keep" => continue,
                    "append" => old.iter().chain(list.iter()).cloned().collect(),
                    "prepend" => list.iter().chain(old.iter()).cloned().collect(),
                    "append_rp" => without().chain(list.iter().cloned()).collect(),
                    "prepend_rp" => list.iter().cloned().chain(without()).collect(),
                    _ => list.as_ref().clone(),
                };
                Value::from(joined)
            }
            _ => new.clone(),
        };
        out.insert(key.clone(), merged);
    }
    Value::Map(Arc::new(out))
}

fn dict2items(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let key_name = args.text(call, 0, "key_name")?.unwrap_or_else(|| "key".into());
    let value_name = args.text(call, 1, "value_name")?.unwrap_or_else(|| "value".into());
    args.finish()?;
    let Val::Map(map) = &value else {
        return Err(Fail::said(
            format!("`dict2items` wants a mapping, not {}", value.kind()),
            format!("dict2items requires a dictionary, got <class '{}'> instead.", value.type_name()),
        ));
    };
    let pair = |(key, value): (Key, Val)| Val::pairs([(&*key_name, Val::from(key.to_value())), (&*value_name, value)]);
    Ok(Val::list(map.items(call.cx())?.into_iter().map(pair).collect()))
}

fn items2dict(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let key_name = args.text(call, 0, "key_name")?.unwrap_or_else(|| "key".into());
    let value_name = args.text(call, 1, "value_name")?.unwrap_or_else(|| "value".into());
    args.finish()?;
    if !matches!(value, Val::List(_)) {
        return Err(Fail::said(
            format!("`items2dict` wants a list, not {}", value.kind()),
            format!("items2dict requires a list, got <class '{}'> instead.", value.type_name()),
        ));
    }
    let mut out = IndexMap::new();
    for item in call.items(&value)? {
        let Val::Map(map) = &item else {
            return Err(Fail::said(
                format!("`items2dict` wants a list of mappings, found {}", item.kind()),
                format!("items2dict requires a list of dictionaries, got {} instead.", call.text(&value)?),
            ));
        };
        let pair = (map.get_str(call.cx(), &key_name)?, map.get_str(call.cx(), &value_name)?);
        let (Some(key), Some(found)) = pair else {
            return Err(Fail::said(
                format!("each mapping needs the keys `{key_name}` and `{value_name}`"),
                format!(
                    "items2dict requires each dictionary in the list to contain the keys '{key_name}' and '{value_name}', \
                     got {} instead.",
                    call.text(&value)?
                ),
            ));
        };
        out.insert(key.defined()?.key()?, found);
    }
    Ok(Val::map(out))
}

fn items(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let Val::Map(map) = &value else {
        return Err(Fail::msg(format!("`items` wants a mapping, not {}", value.kind())));
    };
    let pair = |(key, value): (Key, Val)| Val::tuple(vec![Val::from(key.to_value()), value]);
    Ok(Val::list(map.items(call.cx())?.into_iter().map(pair).collect()))
}

fn dictsort(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let case = args.flag(0, "case_sensitive", false)?;
    let by = args.text(call, 1, "by")?.unwrap_or_else(|| "key".into());
    let reverse = args.flag(2, "reverse", false)?;
    args.finish()?;
    let index = match &*by {
        "key" => 0,
        "value" => 1,
        _ => return Err(Fail::msg("`by` is `key` or `value`")),
    };
    let pairs = call.items(&items(call, value, Args::default())?)?;
    let key = |pair: &Val| -> R<Val> {
        Ok(fold(ops::item(call.cx(), pair, &Val::from(i128::from(index)))?.unwrap_or(Val::NONE), case))
    };
    Ok(Val::list(sorted(call.cx(), pairs, &key, reverse)?))
}

fn extract(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let container = args.need(0, "container")?;
    let more = args.take(1, "morekeys").filter(|more| !more.is_none());
    args.finish()?;
    let mut keys = vec![value];
    match &more {
        Some(Val::List(list)) => keys.extend(list.items(call.cx())?),
        Some(one) => keys.push(one.clone()),
        None => {}
    }
    let mut found = container;
    for key in keys {
        if let Val::Undef(_) = found {
            return Ok(found);
        }
        found = match ops::item(call.cx(), &found, &key)? {
            Some(next) => next,
            None => call.ev.attribute(&found, &key)?,
        };
    }
    Ok(found)
}

fn attr(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let name = args.need(0, "name")?;
    args.finish()?;
    // Attributes only: the keys of a mapping are items.
    if let Val::Map(_) = &value
        && let Some(name) = name.as_text()
    {
        let method = methods::has(&value, &name);
        return Ok(if method {
            Val::Func(Func::Method(Box::new(value), (*name).into()))
        } else {
            call.ev.missing(&value, &name, (0, 0))
        });
    }
    call.ev.attribute(&value, &name)
}

fn rekey_on_member(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let key = args.need(0, "key")?;
    let duplicates = args.text(call, 1, "duplicates")?.unwrap_or_else(|| "error".into());
    args.finish()?;
    if !matches!(&*duplicates, "error" | "overwrite") {
        return Err(Fail::said(
            "`duplicates` is `error` or `overwrite`",
            format!("duplicates parameter to rekey_on_member has unknown value '{duplicates}'"),
        ));
    }
    let list = match &value {
        Val::Map(map) => map.items(call.cx())?.into_iter().map(|(_, value)| value).collect(),
        Val::List(_) => call.items(&value)?,
        other => {
            return Err(Fail::said(
                format!("a list or a mapping is expected, not {}", other.kind()),
                "Type is not a valid list, set, or dict",
            ));
        }
    };
    let mut out: IndexMap<Key, Val> = IndexMap::new();
    for item in list {
        if !matches!(item, Val::Map(_)) {
            return Err(Fail::said(
                format!("each item must be a mapping, found {}", item.kind()),
                "List item is not a valid dict",
            ));
        }
        let found = ops::item(call.cx(), &item, &key)?.ok_or_else(|| {
            let name = key.as_str().unwrap_or("?");
            Fail::said(format!("an item has no key `{name}`"), format!("Key '{name}' was not found."))
        })?;
        let name = found.key()?;
        if &*duplicates == "error" && out.contains_key(&name) {
            return Err(Fail::said(
                format!("the key `{}` is not unique", name.text()),
                format!("Key '{}' is not unique, cannot convert to dict.", name.text()),
            ));
        }
        out.insert(name, item);
    }
    Ok(Val::map(out))
}

pub(super) fn json_query(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let query = args.text(call, 0, "expr")?.ok_or_else(|| Fail::msg("`json_query` needs an expression"))?;
    args.finish()?;
    let compiled = jmespath::compile(&query)
        .map_err(|error| Fail::msg(format!("the query `{query}` is wrong: {}", error.reason)))?;
    let json = crate::value::to_json(&call.value(&value)?);
    // Where nothing but an average could make a float, Python has none.
    let bytes = query.as_bytes();
    let fraction =
        bytes.windows(3).any(|part| matches!(part, [a, b'.', b] if a.is_ascii_digit() && b.is_ascii_digit()));
    let whole = !query.contains("avg(") && !fraction && !has_float(&json);
    let data = jmespath::Variable::try_from(json).map_err(|error| Fail::msg(error.to_string()))?;
    let found = compiled.search(data).map_err(|error| Fail::msg(format!("the query failed: {}", error.reason)))?;
    let json = serde_json::to_value(&*found).map_err(|error| Fail::msg(error.to_string()))?;
    let found = crate::value::from_json(json);
    Ok(Val::from(if whole { whole_numbers(found) } else { found }))
}

fn has_float(json: &serde_json::Value) -> bool {
    match json {
        serde_json::Value::Number(number) => number.is_f64(),
        serde_json::Value::Array(list) => list.iter().any(has_float),
        serde_json::Value::Object(map) => map.values().any(has_float),
        _ => false,
    }
}

/// jmespath makes floats of all numbers that it computes: those that are integers as integers.
fn whole_numbers(value: Value) -> Value {
    match value {
        Value::Float(float) => super::super::keys::whole(float).map_or(Value::Float(float), Value::Int),
        Value::List(list) => Value::from(list.iter().cloned().map(whole_numbers).collect::<Vec<_>>()),
        Value::Map(map) => {
            map.iter().map(|(key, value)| (key.clone(), whole_numbers(value.clone()))).collect::<Map>().into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map;
    use crate::value::python_repr;

    #[test]
    fn lists_are_merged_as_asked() {
        let list = |items: [i32; 2]| Value::from(items.iter().map(|item| (*item).into()).collect::<Vec<Value>>());
        let check = |how, expected| {
            let (low, high) = (map! { "a" => list([1, 2]) }, map! { "a" => list([2, 3]) });
            let merged = merge(&low.into(), &high.into(), true, how);
            assert_eq!(python_repr(&merged), expected);
        };
        check("append_rp", "{'a': [1, 2, 3]}");
        check("prepend", "{'a': [2, 3, 1, 2]}");
        check("keep", "{'a': [1, 2]}");
    }
}
