//! Several lists at once, as community.general has it: `lists_union` and its like, `lists_mergeby`.

use indexmap::IndexMap;

use crate::value::{Key, Map, Value, python_str};

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::val::Val;
use super::Entry;
use super::list::{distinct, sorted};
use super::sets::only;

/// The table of this file.
pub const TABLE: &[Entry] = &[
    ("community.general.lists_difference", |call, value, args| fold(call, value, args, Kind::Difference)),
    ("community.general.lists_intersect", |call, value, args| fold(call, value, args, Kind::Intersect)),
    ("community.general.lists_mergeby", mergeby),
    ("community.general.lists_symmetric_difference", |call, value, args| fold(call, value, args, Kind::Symmetric)),
    ("community.general.lists_union", |call, value, args| fold(call, value, args, Kind::Union)),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Difference,
    Intersect,
    Symmetric,
    Union,
}

fn is_list(value: &Val) -> bool {
    matches!(value, Val::List(_))
}

/// Lists of lists taken apart. `texts`: text is a list of its characters, as it is for `lists_mergeby`.
fn flat(call: &Call, lists: Vec<Val>, texts: bool, words: &str) -> R<Vec<Val>> {
    let fits = |value: &Val| is_list(value) || texts && value.as_str().is_some();
    let mut out = Vec::new();
    for list in lists {
        if !fits(&list) {
            let data = call.value(&list)?;
            let words = format!("{words} {} is <class '{}'>", python_str(&data), data.python_type());
            return Err(Fail::said(format!("a list is expected, not {}", list.kind()), words));
        }
        let items = call.items(&list)?;
        if items.is_empty() {
            continue;
        }
        if items.iter().all(fits) { out.extend(items) } else { out.push(list) }
    }
    Ok(out)
}

fn fold(call: &Call, value: Val, mut args: Args, kind: Kind) -> R<Val> {
    let flatten = args.take_kw("flatten").map_or(Ok(false), |flag| flag.truthy())?;
    if let Some(name) = args.left_kw() {
        return Err(Fail::msg(format!("there is no argument `{name}`")));
    }
    let mut lists = vec![value];
    lists.extend(args.rest());
    if flatten {
        lists = flat(call, lists, false, "All arguments must be lists.")?;
    }
    let mut lists = lists.into_iter();
    let Some(first) = lists.next() else { return Ok(Val::list(Vec::new())) };
    if lists.len() == 0 {
        return Ok(first);
    }
    let unique = |items: Vec<Val>| distinct(call, items, None, true);
    let mut found = call.items(&first)?;
    if matches!(kind, Kind::Difference | Kind::Intersect) {
        found = unique(found)?;
    }
    for list in lists {
        let other = call.items(&list)?;
        found = match kind {
            Kind::Difference => only(call, found, &other, false)?,
            Kind::Intersect => only(call, found, &other, true)?,
            Kind::Union => found.into_iter().chain(other).collect(),
            Kind::Symmetric => {
                let both = only(call, found.clone(), &other, true)?;
                let all = unique(found.into_iter().chain(other).collect())?;
                only(call, all, &both, false)?
            }
        };
    }
    Ok(Val::list(if kind == Kind::Union { unique(found)? } else { found }))
}

/// Mappings with the same value of one key become one, those of later lists on top.
fn mergeby(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let recursive = args.take_kw("recursive").map_or(Ok(false), |flag| flag.truthy())?;
    let how = args.take_kw("list_merge").and_then(|value| value.as_text()).unwrap_or_else(|| "replace".into());
    if let Some(name) = args.left_kw() {
        let words = "'recursive' and 'list_merge' are the only valid keyword arguments.";
        return Err(Fail::said(format!("there is no argument `{name}`"), words));
    }
    let mut terms = vec![value];
    terms.extend(args.rest());
    let index = terms.pop().filter(|_| !terms.is_empty());
    let index =
        index.ok_or_else(|| Fail::said("`lists_mergeby` needs a key", "At least one list and index are needed."))?;
    let words = "All arguments before the argument index for community.general.lists_mergeby must be lists.";
    let lists = flat(call, terms, true, words)?;
    match lists.as_slice() {
        [] => return Ok(Val::list(Vec::new())),
        [one] => return Ok(one.clone()),
        _ => {}
    }
    let Some(index) = index.as_text() else {
        let data = call.value(&index)?;
        let words = format!(
            "First argument after the lists for community.general.lists_mergeby must be string. {} is <class '{}'>",
            python_str(&data),
            data.python_type()
        );
        return Err(Fail::said(format!("the key must be text, not {}", index.kind()), words));
    };
    let mut lists = lists.into_iter().rev();
    let mut found = match lists.next() {
        Some(last) => call.value(&last)?,
        None => return Ok(Val::list(Vec::new())),
    };
    for list in lists {
        found = merged(call, &call.value(&list)?, &found, &index, recursive, &how)?;
    }
    Ok(Val::from(found))
}

fn merged(call: &Call, low: &Value, high: &Value, index: &str, recursive: bool, how: &str) -> R<Value> {
    let mut by: IndexMap<Key, Map> = IndexMap::new();
    for item in low.as_list().unwrap_or_default().iter().chain(high.as_list().unwrap_or_default()) {
        let Value::Map(_) = item else {
            let words = format!(
                "Elements of list arguments for lists_mergeby must be dictionaries. {} is <class '{}'>",
                python_str(item),
                item.python_type()
            );
            return Err(Fail::said(format!("a list of mappings is expected, found {}", item.type_name()), words));
        };
        let Some(found) = item.get(index) else { continue };
        let key =
            Key::from_value(found).ok_or_else(|| Fail::msg(format!("unhashable type: '{}'", found.python_type())))?;
        let entry = by.entry(key).or_default();
        if let Value::Map(new) = super::dict::merge(&Value::from(entry.clone()), item, recursive, how) {
            entry.extend(new.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
    }
    let items: Vec<Val> = by.into_values().map(|map| Val::from(Value::from(map))).collect();
    let key = |item: &Val| -> R<Val> {
        let Val::Map(map) = item else { return Ok(Val::NONE) };
        Ok(map.get_str(call.cx(), index)?.unwrap_or(Val::NONE))
    };
    call.value(&Val::list(sorted(call.cx(), items, &key, false)?))
}
