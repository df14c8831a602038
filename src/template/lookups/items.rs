//! Lookups over their own terms.

use indexmap::IndexMap;

use crate::value::{Key, Value, boolean_word};

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::filters::list::flatten_into;
use super::super::limits::MAX_TEXT;
use super::super::random::Rng;
use super::super::val::{MapCell, Val};

/// One level of lists is flattened.
pub fn items(call: &Call, terms: &[Val]) -> R<Vec<Val>> {
    let mut out = Vec::new();
    for term in terms {
        match term {
            Val::List(list) => out.extend(list.items(call.cx())?),
            other => out.push(other.clone()),
        }
    }
    Ok(out)
}

/// All levels are flattened.
pub fn flattened(call: &Call, terms: &[Val]) -> R<Vec<Val>> {
    let mut out = Vec::new();
    flatten_into(call.cx(), terms.to_vec(), None, true, &mut out)?;
    Ok(out)
}

/// `key` and `value` of each entry.
pub fn dict(call: &Call, terms: &[Val]) -> R<Vec<Val>> {
    let mut out = Vec::new();
    for term in items(call, terms)? {
        let Val::Map(map) = &term else {
            return Err(Fail::said(
                format!("the lookup `dict` expects a mapping, not {}", term.kind()),
                format!(
                    "the 'dict' lookup plugin expects a dictionary, got '{}' of type <class '{}'>)",
                    call.text(&term)?,
                    term.type_name()
                ),
            ));
        };
        for (key, value) in map.items(call.cx())? {
            out.push(Val::pairs([("key", Val::from(key.to_value())), ("value", value)]));
        }
    }
    Ok(out)
}

/// Pairs of position and item.
pub fn indexed_items(call: &Call, terms: &[Val]) -> R<Vec<Val>> {
    let items = items(call, terms)?;
    Ok(items.into_iter().enumerate().map(|(index, item)| Val::tuple(vec![Val::from(index), item])).collect())
}

/// The lists side by side; short ones are filled with null.
pub fn together(call: &Call, terms: &[Val]) -> R<Vec<Val>> {
    let lists = terms.iter().map(|term| call.items(term)).collect::<R<Vec<_>>>()?;
    if lists.is_empty() {
        return Err(Fail::said(
            "`together` needs at least one list",
            "with_together requires at least one element in each list",
        ));
    }
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    Ok((0..longest)
        .map(|index| Val::list(lists.iter().map(|list| list.get(index).cloned().unwrap_or(Val::NONE)).collect()))
        .collect())
}

/// Every combination, the first list outermost.
pub fn nested(call: &Call, terms: &[Val]) -> R<Vec<Val>> {
    let Some((first, others)) = terms.split_first() else {
        return Err(Fail::said(
            "`nested` needs at least one list",
            "with_nested requires at least one element in the nested list",
        ));
    };
    let list = |term: &Val| match term {
        Val::List(_) => call.items(term),
        other => Ok(vec![other.clone()]),
    };
    let mut rows: Vec<Val> = list(first)?;
    for term in others {
        let items = list(term)?;
        if rows.len().saturating_mul(items.len()) > 1_000_000 {
            return Err(Fail::msg("there are too many combinations"));
        }
        let mut next = Vec::with_capacity(rows.len() * items.len());
        for row in &rows {
            for item in &items {
                next.push(Val::list(one_level(call, &[row.clone(), item.clone()])?));
            }
        }
        rows = next;
    }
    // Ansible flattens with each list, and once more: lists among the items lose up to as many levels.
    rows.into_iter().map(|row| one_level(call, &list(&row)?).map(Val::list)).collect()
}

/// The items, with those of lists among them in their place.
fn one_level(call: &Call, items: &[Val]) -> R<Vec<Val>> {
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Val::List(_) => out.extend(call.items(item)?),
            other => out.push(other.clone()),
        }
        call.cx().room_for_items(out.len())?;
    }
    Ok(out)
}

/// Every combination of the items of some lists, flat (of community.general).
pub fn cartesian(call: &Call, terms: &[Val]) -> R<Vec<Val>> {
    nested(call, terms)?.into_iter().map(|row| flattened(call, &[row]).map(Val::list)).collect()
}

/// Pairs of an element and each item of a list in it. The element in the pair has that list no more.
pub fn subelements(call: &Call, terms: &[Val]) -> R<Vec<Val>> {
    let wrong = |ours: &str, words: &str| {
        let words = format!("subelements lookup expects a list of two or three items, {words}");
        Fail::said(format!("`subelements` takes {ours}"), words.trim_end())
    };
    let what = "a list or a mapping, then the path of a key";
    let ((2..=3), Some(list), Some(path)) = (terms.len(), terms.first(), terms.get(1)) else {
        return Err(wrong(what, ""));
    };
    let first = "first a dict or a list, second a string pointing to the subkey";
    let path = path.as_text().ok_or_else(|| wrong(what, first))?;
    let skipped = |map: &MapCell| -> R<bool> {
        Ok(!matches!(map.get_str(call.cx(), "skipped")?, None | Some(Val::V(Value::Bool(false)))))
    };
    let elements = match list {
        Val::Map(map) if skipped(map)? => return Ok(Vec::new()),
        Val::Map(map) => map.items(call.cx())?.into_iter().map(|(_, value)| value).collect(),
        Val::List(list) => list.items(call.cx())?,
        _ => return Err(wrong(what, first)),
    };
    let mut skip = false;
    match terms.get(2) {
        None => {}
        Some(Val::Map(flags)) => {
            let flag = flags.get_str(call.cx(), "skip_missing")?.unwrap_or_else(|| Val::from(false));
            skip = match &flag {
                Val::V(Value::Str(text)) => boolean_word(text).unwrap_or(false),
                other => other.truthy()?,
            };
        }
        Some(_) => {
            let words = "the optional third item must be a dict with flags ('skip_missing',)";
            return Err(wrong("as third a mapping like `skip_missing: true`", words));
        }
    }
    let keys: Vec<&str> = path.split('.').collect();
    let mut out = Vec::new();
    for element in elements {
        let Val::Map(map) = &element.clone().defined()? else {
            return Err(Fail::said(
                format!("`subelements` wants mappings, found {}", element.kind()),
                format!("subelements lookup expects a dictionary, got '{}'", call.text(&element)?),
            ));
        };
        if skipped(map)? {
            continue;
        }
        let Some((items, rest)) = pick(call, &element, &keys, skip)? else { continue };
        for item in items {
            out.push(Val::tuple(vec![rest.clone(), item]));
        }
    }
    Ok(out)
}

/// The list at a path, and the element without it; `None` if a key is missing and that is allowed.
fn pick(call: &Call, element: &Val, keys: &[&str], skip: bool) -> R<Option<(Vec<Val>, Val)>> {
    let ([key, deeper @ ..], Val::Map(map)) = (keys, element) else { return Ok(None) };
    let shown = |value: &Val| call.text(value);
    let Some(found) = map.get_str(call.cx(), key)? else {
        if skip {
            // Ansible looks for the next key in the same mapping then.
            return if deeper.is_empty() { Ok(None) } else { pick(call, element, deeper, skip) };
        }
        return Err(Fail::said(
            format!("an item has no `{key}`"),
            format!("could not find '{key}' key in iterated item '{}'", shown(element)?),
        ));
    };
    let found = found.defined()?;
    let mut rest: IndexMap<Key, Val> = map.items(call.cx())?.into_iter().collect();
    let name = Key::from(*key);
    if deeper.is_empty() {
        let Val::List(list) = &found else {
            return Err(Fail::said(
                format!("`{key}` should be a list, not {}", found.kind()),
                format!("the key {key} should point to a list, got '{}'", shown(&found)?),
            ));
        };
        rest.shift_remove(&name);
        return Ok(Some((list.items(call.cx())?, Val::map(rest))));
    }
    if !matches!(found, Val::Map(_)) {
        if skip {
            return pick(call, element, deeper, skip);
        }
        return Err(Fail::said(
            format!("`{key}` should be a mapping, not {}", found.kind()),
            format!("the key {key} should point to a dictionary, got '{}'", shown(&found)?),
        ));
    }
    let Some((items, inner)) = pick(call, &found, deeper, skip)? else { return Ok(None) };
    rest.insert(name, inner);
    Ok(Some((items, Val::map(rest))))
}

/// `start=0 end=10 stride=2 format=...`, `count=5`, `1-5/2:format`.
pub fn sequence(call: &Call, terms: &[Val], args: &mut Args) -> R<Vec<Val>> {
    let (mut out, mut bytes) = (Vec::new(), 0);
    let mut given: Vec<(String, String)> = Vec::new();
    for name in ["start", "end", "count", "stride", "format"] {
        if let Some(value) = args.take_kw(name) {
            given.push((name.to_owned(), call.text(&value)?.to_string()));
        }
    }
    let terms = if terms.is_empty() && !given.is_empty() { vec![Val::from("")] } else { terms.to_vec() };
    for term in terms {
        let term = call.text(&term)?;
        let mut pairs = given.clone();
        if term.contains('=') {
            for part in term.split_whitespace() {
                let (name, value) = part.split_once('=').ok_or_else(|| wrong(&term))?;
                if !matches!(name, "start" | "end" | "count" | "stride" | "format") {
                    return Err(Fail::said(
                        format!("`sequence` has no option `{name}`"),
                        format!("unrecognized arguments to with_sequence: ['{name}']"),
                    ));
                }
                pairs.push((name.to_owned(), value.trim_matches(['"', '\'']).to_owned()));
            }
        } else if !term.trim().is_empty() {
            let (range, format) = term.split_once(':').map_or((&*term, None), |(range, format)| (range, Some(format)));
            let (range, stride) = range.split_once('/').map_or((range, None), |(range, stride)| (range, Some(stride)));
            let (start, end) = match range.get(1..).and_then(|rest| rest.find('-')) {
                Some(at) => (Some(&range[..=at]), &range[at + 2..]),
                None => (None, range),
            };
            let mut push = |name: &str, value: Option<&str>| {
                if let Some(value) = value {
                    pairs.push((name.to_owned(), value.to_owned()));
                }
            };
            push("start", start);
            push("end", Some(end));
            push("stride", stride);
            push("format", format);
        }
        let text = |name: &str| pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let number = |name: &str| -> R<Option<i128>> {
            text(name)
                .map(|text| {
                    let parsed = match text.strip_prefix("0x") {
                        Some(hex) => i128::from_str_radix(hex, 16),
                        None => text.parse(),
                    };
                    parsed.map_err(|_| {
                        Fail::said(
                            format!("`{name}` of `sequence` must be an integer, not `{text}`"),
                            format!(
                                "Config '{name}' for 'sequence' lookup plugin from 'Direct' has an invalid value: Invalid value provided for 'integer': '{text}'"
                            ),
                        )
                    })
                })
                .transpose()
        };
        let start = number("start")?.unwrap_or(1);
        let stride = number("stride")?.unwrap_or(1);
        let end = match (number("end")?, number("count")?) {
            (Some(_), Some(_)) => {
                return Err(Fail::said(
                    "`sequence` takes `count` or `end`, not both",
                    "can't specify both count and end in with_sequence",
                ));
            }
            (Some(end), None) => end,
            (None, Some(0)) => {
                continue;
            }
            (None, Some(count)) => count
                .checked_mul(stride)
                .and_then(|steps| steps.checked_add(start)?.checked_sub(1))
                .ok_or_else(|| Fail::msg("`count` or `stride` of `sequence` is too large"))?,
            (None, None) => {
                return Err(Fail::said(
                    "`sequence` needs `count` or `end`",
                    "must specify count or end in with_sequence",
                ));
            }
        };
        if stride == 0 {
            return Ok(out);
        }
        if stride > 0 && end < start {
            return Err(Fail::said(
                "to count backwards make `stride` negative",
                "to count backwards make stride negative",
            ));
        }
        if stride < 0 && end > start {
            return Err(Fail::said(
                "to count forwards make `stride` positive",
                "to count forward don't make stride negative",
            ));
        }
        call.cx().room_for_items(super::super::globals::steps(start, end, stride))?;
        let format = text("format").unwrap_or("%d");
        if format.matches('%').count() != 1 {
            return Err(Fail::said(
                format!("`{format}` is no format for one number"),
                format!("bad formatting string: {format}"),
            ));
        }
        let mut at = start;
        while if stride > 0 { at <= end } else { at >= end } {
            let item = super::super::printf::percent(call.cx(), format, &Val::from(at))?;
            bytes += item.len();
            if bytes > MAX_TEXT {
                call.cx().room_for_text(bytes)?;
            }
            out.push(Val::from(item));
            let Some(next) = at.checked_add(stride) else { break };
            at = next;
        }
    }
    Ok(out)
}

fn wrong(term: &str) -> Fail {
    Fail::msg(format!("`sequence` can not read `{term}`"))
}

/// One of the terms.
pub fn random_choice(call: &Call, terms: &[Val]) -> R<Vec<Val>> {
    let mut rng = Rng::new(call, None)?;
    let at = usize::try_from(rng.below(terms.len() as u64)).unwrap_or(0);
    Ok(terms.get(at).cloned().into_iter().collect())
}
