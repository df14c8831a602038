//! Methods of Python's list and dict.

use crate::value::Key;

use super::args::{Args, Call};
use super::fail::{Fail, R};
use super::ops;
use super::val::{ListCell, MapCell, Val};

/// A method of a list.
pub fn list_method(call: &Call, list: &ListCell, name: &str, mut args: Args) -> R<Val> {
    let cx = call.cx();
    let index_of = |item: &Val, within: std::ops::Range<usize>| -> R<Option<usize>> {
        for (index, other) in list.items(cx)?.iter().enumerate() {
            if within.contains(&index) && ops::equal(cx, other, item)? {
                return Ok(Some(index));
            }
        }
        Ok(None)
    };
    let result = match name {
        "append" => {
            let item = args.need(0, "object")?;
            cx.room_for_items(list.len() + 1)?;
            list.edit(cx, |items| {
                items.push(item);
                Ok(Val::NONE)
            })?
        }
        "extend" => {
            let more = call.items(&args.need(0, "iterable")?)?;
            cx.room_for_items(list.len() + more.len())?;
            list.edit(cx, |items| {
                items.extend(more);
                Ok(Val::NONE)
            })?
        }
        "insert" => {
            let at = args.int(0, "index")?.unwrap_or(0);
            let item = args.need(1, "object")?;
            cx.room_for_items(list.len() + 1)?;
            list.edit(cx, |items| {
                let len = i128::try_from(items.len()).unwrap_or(0);
                let at = if at < 0 { (at + len).max(0) } else { at.min(len) };
                items.insert(usize::try_from(at).unwrap_or(0), item);
                Ok(Val::NONE)
            })?
        }
        "pop" => {
            let at = args.int(0, "index")?.unwrap_or(-1);
            list.edit(cx, |items| {
                let words = if items.is_empty() { "pop from empty list" } else { "pop index out of range" };
                ops::position(at, items.len())
                    .map(|at| items.remove(at))
                    .ok_or_else(|| Fail::said("there is no such item to pop", words))
            })?
        }
        "remove" => {
            let item = args.need(0, "value")?;
            let at = index_of(&item, 0..usize::MAX)?
                .ok_or_else(|| Fail::said("the item to remove is not in the list", "list.remove(x): x not in list"))?;
            list.edit(cx, |items| {
                items.remove(at);
                Ok(Val::NONE)
            })?
        }
        "clear" => list.edit(cx, |items| {
            items.clear();
            Ok(Val::NONE)
        })?,
        "reverse" => list.edit(cx, |items| {
            items.reverse();
            Ok(Val::NONE)
        })?,
        "sort" => {
            let reverse = args.flag(usize::MAX, "reverse", false)?;
            if let Some(key) = args.take_kw("key").filter(|key| !key.is_none()) {
                return Err(Fail::said(
                    format!("`sort` takes no function here, found {}", key.kind()),
                    format!("'{}' object is not callable", key.type_name()),
                ));
            }
            let sorted = super::filters::list::sorted(cx, list.items(cx)?, &|item| Ok(item.clone()), reverse)?;
            list.edit(cx, |items| {
                *items = sorted;
                Ok(Val::NONE)
            })?
        }
        "copy" => Val::list(list.items(cx)?),
        "count" => {
            let item = args.need(0, "value")?;
            let mut count = 0_usize;
            for other in list.items(cx)? {
                count += usize::from(ops::equal(cx, &other, &item)?);
            }
            Val::from(count)
        }
        "index" => {
            let item = args.need(0, "value")?;
            let length = i128::try_from(list.len()).unwrap_or(i128::MAX);
            let mut bound = |at, name, default| -> R<usize> {
                let bound = args.int(at, name)?.unwrap_or(default);
                let bound = if bound < 0 { bound.saturating_add(length) } else { bound };
                Ok(usize::try_from(bound.clamp(0, length)).unwrap_or(0))
            };
            let (start, stop) = (bound(1, "start", 0)?, bound(2, "stop", length)?);
            let words = format!("{} is not in list", super::text::repr_of(cx, &item)?);
            let found = index_of(&item, start..stop)?;
            Val::from(found.ok_or_else(|| Fail::said("the item is not in the list", words))?)
        }
        _ => {
            return Err(Fail::msg(format!("a list has no method `{name}`")));
        }
    };
    args.finish()?;
    Ok(result)
}

/// A method of a mapping.
pub fn dict_method(call: &Call, object: &Val, map: &MapCell, name: &str, mut args: Args) -> R<Val> {
    let cx = call.cx();
    let result = match name {
        "get" => {
            let key = args.need(0, "key")?;
            let default = args.take(1, "default").unwrap_or(Val::NONE);
            ops::item(cx, object, &key)?.unwrap_or(default)
        }
        "keys" => Val::list(map.keys().iter().map(|key| Val::from(key.to_value())).collect()),
        "values" => Val::list(map.items(cx)?.into_iter().map(|(_, value)| value).collect()),
        "items" => Val::list(
            map.items(cx)?.into_iter().map(|(key, value)| Val::tuple(vec![Val::from(key.to_value()), value])).collect(),
        ),
        "copy" => Val::map(map.items(cx)?.into_iter().collect()),
        "update" => {
            let mut more: Vec<(Key, Val)> = Vec::new();
            match args.take(0, "other") {
                None => {}
                Some(Val::Map(other)) => more.extend(other.items(cx)?),
                Some(other) => {
                    for pair in call.items(&other)? {
                        match call.items(&pair)?.as_slice() {
                            [key, value] => more.push((key.key()?, value.clone())),
                            _ => return Err(Fail::msg("`update` wants a mapping or pairs")),
                        }
                    }
                }
            }
            more.extend(args.rest_kw().into_iter().map(|(name, value)| (Key::Str(name), value)));
            cx.room_for_items(map.len() + more.len())?;
            map.edit(cx, |entries| {
                entries.extend(more);
                Ok(Val::NONE)
            })?
        }
        "pop" => {
            let key = args.need(0, "key")?.key()?;
            let default = args.take(1, "default");
            match map.edit(cx, |entries| Ok(entries.shift_remove(&key)))? {
                Some(value) => value,
                None => default.ok_or_else(|| {
                    let words = crate::value::python_repr(&key.to_value());
                    Fail::said(format!("there is no key `{}` to pop", key.text()), words)
                })?,
            }
        }
        "popitem" => match map.edit(cx, |entries| Ok(entries.pop()))? {
            Some((key, value)) => Val::tuple(vec![Val::from(key.to_value()), value]),
            None => return Err(Fail::said("the mapping is empty", "'popitem(): dictionary is empty'")),
        },
        "setdefault" => {
            let key = args.need(0, "key")?.key()?;
            let default = args.take(1, "default").unwrap_or(Val::NONE);
            match map.get(cx, &key)? {
                Some(value) => value,
                None => map.edit(cx, |entries| {
                    entries.insert(key, default.clone());
                    Ok(default)
                })?,
            }
        }
        "clear" => map.edit(cx, |entries| {
            entries.clear();
            Ok(Val::NONE)
        })?,
        "fromkeys" => {
            let keys = call.items(&args.need(0, "iterable")?)?;
            let value = args.take(1, "value").unwrap_or(Val::NONE);
            Val::map(keys.iter().map(|key| Ok((key.key()?, value.clone()))).collect::<R<_>>()?)
        }
        _ => return Err(Fail::msg(format!("a mapping has no method `{name}`"))),
    };
    args.finish()?;
    Ok(result)
}
