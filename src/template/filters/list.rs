//! Lists: order, joining, slicing, flattening, combining.

use std::cmp::Ordering;

use crate::value::Value;

use super::super::args::{Args, Call};
use super::super::cx::Cx;
use super::super::fail::{Fail, R, Undef};
use super::super::keys::hashed;
use super::super::ops;
use super::super::val::Val;
use super::Entry;

/// Longest result of `product`, `permutations` and `combinations`.
const MAX_COMBINED: usize = 1_000_000;

/// Most items in all rows of such a result.
const MAX_CELLS: usize = 8_000_000;

/// The table of this file.
pub const TABLE: &[Entry] = &[
    ("batch", batch),
    ("combinations", combinations),
    ("count", length),
    ("first", first),
    ("flatten", flatten),
    ("join", join),
    ("last", last),
    ("length", length),
    ("list", list),
    ("max", |call, value, args| extreme(call, value, args, Ordering::Greater)),
    ("min", |call, value, args| extreme(call, value, args, Ordering::Less)),
    ("permutations", permutations),
    ("product", product),
    ("random", random),
    ("reverse", reverse),
    ("shuffle", shuffle),
    ("slice", slice),
    ("sort", sort),
    ("subelements", subelements),
    ("sum", sum),
    ("unique", unique),
    ("zip", zip),
    ("zip_longest", zip_longest),
];

fn undefined(hint: &str) -> Val {
    Val::Undef(std::rc::Rc::new(Undef::hint(hint)))
}

fn length(_: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    Ok(Val::from(value.len()?))
}

fn first(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    if let Val::List(list) = &value {
        return Ok(list.get(call.cx(), 0)?.unwrap_or_else(|| undefined("No first item, sequence was empty.")));
    }
    Ok(call.items(&value)?.into_iter().next().unwrap_or_else(|| undefined("No first item, sequence was empty.")))
}

fn last(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    Ok(call.items(&value)?.pop().unwrap_or_else(|| undefined("No last item, sequence was empty.")))
}

fn list(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    Ok(Val::list(call.items(&value)?))
}

fn join(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let sep = args.text(call, 0, "d")?.unwrap_or_default();
    let attribute = args.take(1, "attribute");
    args.finish()?;
    let mut out = String::new();
    for (index, item) in call.items(&value)?.into_iter().enumerate() {
        let item = match &attribute {
            Some(path) => call.ev.attribute(&item, path)?,
            None => item,
        };
        if index > 0 {
            out.push_str(&sep);
        }
        let text = call.text(&item.defined()?)?;
        call.cx().step(1)?;
        if out.len() + text.len() > super::super::limits::MAX_TEXT {
            call.cx().room_for_text(out.len() + text.len())?;
        }
        out.push_str(&text);
    }
    Ok(Val::from(out))
}

fn reverse(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    if let Some(text) = value.as_str() {
        return Ok(Val::from(text.chars().rev().collect::<String>()));
    }
    let mut items = call.items(&value)?;
    items.reverse();
    Ok(Val::list(items))
}

/// The key by which Jinja compares: text without case unless asked.
pub fn fold(item: Val, case_sensitive: bool) -> Val {
    match &item {
        Val::V(Value::Str(text)) if !case_sensitive => Val::from(text.to_lowercase()),
        _ => item,
    }
}

/// Sorts stably by a key; an error if two keys have no order.
pub fn sorted(cx: &Cx, items: Vec<Val>, key: &dyn Fn(&Val) -> R<Val>, reverse: bool) -> R<Vec<Val>> {
    let mut keyed = items.into_iter().map(|item| Ok((key(&item)?, item))).collect::<R<Vec<_>>>()?;
    let mut failed = None;
    // Python's reverse keeps the order of equal items.
    keyed.sort_by(|(a, _), (b, _)| {
        let order = ops::order(cx, a, b).unwrap_or_else(|fail| {
            failed.get_or_insert(fail);
            Ordering::Equal
        });
        if reverse { order.reverse() } else { order }
    });
    match failed {
        Some(fail) => Err(fail),
        None => Ok(keyed.into_iter().map(|(_, item)| item).collect()),
    }
}

/// A key function for `attribute=`: several, comma-separated, make a list.
pub fn key_of(call: &Call, item: &Val, attribute: Option<&Val>, case_sensitive: bool) -> R<Val> {
    match attribute {
        None => Ok(fold(item.clone(), case_sensitive)),
        Some(Val::V(Value::Str(paths))) if paths.contains(',') => {
            let mut keys = Vec::new();
            for path in paths.split(',') {
                keys.push(fold(call.ev.attribute(item, &Val::from(path))?.defined()?, case_sensitive));
            }
            Ok(Val::list(keys))
        }
        Some(path) => Ok(fold(call.ev.attribute(item, path)?.defined()?, case_sensitive)),
    }
}

fn sort(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let reverse = args.flag(0, "reverse", false)?;
    let case = args.flag(1, "case_sensitive", false)?;
    let attribute = args.take(2, "attribute").filter(|path| !path.is_none());
    args.finish()?;
    let items = call.items(&value)?;
    Ok(Val::list(sorted(call.cx(), items, &|item| key_of(call, item, attribute.as_ref(), case), reverse)?))
}

fn extreme(call: &Call, value: Val, mut args: Args, wanted: Ordering) -> R<Val> {
    let case = args.flag(0, "case_sensitive", false)?;
    let attribute = args.take(1, "attribute").filter(|path| !path.is_none());
    args.finish()?;
    let mut best: Option<(Val, Val)> = None;
    for item in call.items(&value)? {
        let key = key_of(call, &item, attribute.as_ref(), case)?;
        let better = match &best {
            None => true,
            Some((other, _)) => ops::order(call.cx(), &key, other)? == wanted,
        };
        if better {
            best = Some((key, item));
        }
    }
    Ok(best.map_or_else(|| undefined("No aggregated item, sequence was empty."), |(_, item)| item))
}

/// The items whose keys are new.
pub fn distinct(call: &Call, items: Vec<Val>, attribute: Option<&Val>, case: bool) -> R<Vec<Val>> {
    let mut seen: Vec<Val> = Vec::new();
    let mut texts = std::collections::HashSet::new();
    let mut out = Vec::new();
    for item in items {
        let key = key_of(call, &item, attribute, case)?;
        if let Some(key) = hashed(&key) {
            if texts.insert(key) {
                out.push(item);
            }
            continue;
        }
        let mut known = false;
        call.cx().step(seen.len() as u64)?;
        for other in &seen {
            known = known || ops::equal(call.cx(), other, &key)?;
        }
        if !known {
            seen.push(key);
            out.push(item);
        }
    }
    Ok(out)
}

fn unique(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let given = args.take(0, "case_sensitive").filter(|case| !case.is_none());
    let case = given.as_ref().map_or(Ok(false), Val::truthy)?;
    let attribute = args.take(1, "attribute").filter(|path| !path.is_none());
    args.finish()?;
    if given.is_some() && attribute.is_none() {
        // Python cannot look up lists and mappings, and what Ansible has for them takes no arguments.
        if let Some(item) = call.items(&value)?.iter().find(|item| matches!(item, Val::List(_) | Val::Map(_))) {
            let words = "Jinja2's unique filter failed and we cannot fall back to Ansible's version as it does not \
                         support the parameters supplied";
            return Err(Fail::said(format!("`case_sensitive` does not work with {}", item.kind()), words));
        }
    }
    Ok(Val::list(distinct(call, call.items(&value)?, attribute.as_ref(), case)?))
}

fn sum(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let attribute = args.take(0, "attribute").filter(|path| !path.is_none());
    let mut total = args.take(1, "start").unwrap_or_else(|| Val::from(0_i64));
    args.finish()?;
    for item in call.items(&value)? {
        let item = match &attribute {
            Some(path) => call.ev.attribute(&item, path)?,
            None => item,
        };
        total = ops::binary(call.cx(), super::super::code::Bin::Add, &total, &item)?;
    }
    Ok(total)
}

fn flatten(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let levels = args.int(0, "levels")?;
    let skip = args.flag(1, "skip_nulls", true)?;
    args.finish()?;
    let mut out = Vec::new();
    flatten_into(call.cx(), call.items(&value)?, levels, skip, &mut out)?;
    Ok(Val::list(out))
}

/// Ansible's `flatten`.
pub fn flatten_into(cx: &Cx, items: Vec<Val>, levels: Option<i128>, skip: bool, out: &mut Vec<Val>) -> R<()> {
    let _deeper = cx.deeper()?;
    for item in items {
        let null = item.is_none() || matches!(item.as_str(), Some("None" | "null"));
        match &item {
            _ if skip && null => {}
            Val::List(list) if levels.is_none_or(|levels| levels >= 1) => {
                cx.room_for_items(out.len() + list.len())?;
                flatten_into(cx, list.items(cx)?, levels.map(|levels| levels - 1), skip, out)?;
            }
            _ => out.push(item),
        }
    }
    Ok(())
}

fn batch(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let size = usize::try_from(args.int(0, "linecount")?.unwrap_or(0)).unwrap_or(0).max(1);
    let fill = args.take(1, "fill_with").filter(|fill| !fill.is_none());
    args.finish()?;
    let mut out = Vec::new();
    for chunk in call.items(&value)?.chunks(size) {
        let mut chunk = chunk.to_vec();
        if let Some(fill) = &fill {
            call.cx().room_for_items(size)?;
            chunk.resize(size, fill.clone());
        }
        out.push(Val::list(chunk));
    }
    Ok(Val::list(out))
}

fn slice(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let slices = args.int(0, "slices")?.unwrap_or(1);
    if slices == 0 {
        return Err(Fail::said("a list can not be cut into 0 slices", "integer division or modulo by zero"));
    }
    let slices = usize::try_from(slices.max(0)).unwrap_or(usize::MAX);
    call.cx().room_for_items(slices)?;
    let fill = args.take(1, "fill_with").filter(|fill| !fill.is_none());
    args.finish()?;
    let items = call.items(&value)?;
    let (each, extra) = (items.len() / slices.max(1), items.len() % slices.max(1));
    let mut out = Vec::new();
    let mut at = 0;
    for index in 0..slices {
        let size = each + usize::from(index < extra);
        let mut part = items[at..at + size].to_vec();
        at += size;
        if let Some(fill) = &fill
            && index >= extra
        {
            part.push(fill.clone());
        }
        out.push(Val::list(part));
    }
    Ok(Val::list(out))
}

fn lists(call: &Call, value: &Val, args: &mut Args) -> R<Vec<Vec<Val>>> {
    let mut out = vec![call.items(value)?];
    for other in args.rest() {
        out.push(call.items(&other)?);
    }
    Ok(out)
}

fn zip(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let lists = lists(call, &value, &mut args)?;
    let strict = args.flag(usize::MAX, "strict", false)?;
    args.finish()?;
    let shortest = lists.iter().map(Vec::len).min().unwrap_or(0);
    if strict && lists.iter().any(|list| list.len() != shortest) {
        return Err(Fail::msg("the lists differ in length"));
    }
    Ok(Val::list(
        (0..shortest).map(|index| Val::tuple(lists.iter().map(|list| list[index].clone()).collect())).collect(),
    ))
}

fn zip_longest(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let fill = args.take_kw("fillvalue").unwrap_or(Val::NONE);
    let lists = lists(call, &value, &mut args)?;
    args.finish()?;
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    let row = |index| lists.iter().map(|list| list.get(index).cloned().unwrap_or_else(|| fill.clone())).collect();
    Ok(Val::list((0..longest).map(|index| Val::tuple(row(index))).collect()))
}

fn product(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let repeat = args.int(usize::MAX, "repeat")?.unwrap_or(1);
    if repeat < 0 {
        let words = "repeat argument cannot be negative";
        return Err(Fail::said(format!("`repeat` must not be negative, found {repeat}"), words));
    }
    let repeat = usize::try_from(repeat).unwrap_or(usize::MAX);
    let lists = lists(call, &value, &mut args)?;
    args.finish()?;
    if repeat > 0 && lists.iter().any(Vec::is_empty) {
        return Ok(Val::list(Vec::new()));
    }
    let wide = lists.len().saturating_mul(repeat);
    // Every list of two or more at least doubles the rows, so this ends soon.
    let mut many: usize = 1;
    let lengths: Vec<usize> = lists.iter().map(Vec::len).filter(|length| *length > 1).collect();
    for length in lengths.iter().cycle().take(lengths.len().saturating_mul(repeat)) {
        many = many.saturating_mul(*length);
        if many > MAX_COMBINED {
            break;
        }
    }
    let cells = many.saturating_mul(wide);
    if many > MAX_COMBINED || cells > MAX_CELLS {
        return Err(Fail::msg("the product is too long"));
    }
    call.cx().step(cells as u64 / 16)?;
    // The last place changes fastest.
    let mut places = vec![0; wide];
    let mut rows = Vec::with_capacity(many);
    for _ in 0..many {
        let row = places.iter().enumerate().map(|(place, at): (usize, &usize)| lists[place % lists.len()][*at].clone());
        rows.push(Val::tuple(row.collect()));
        for (place, at) in places.iter_mut().enumerate().rev() {
            *at += 1;
            if *at < lists[place % lists.len()].len() {
                break;
            }
            *at = 0;
        }
    }
    Ok(Val::list(rows))
}

/// How many ways there are to pick `size` of `count` items, as far as that matters.
fn picks(count: usize, size: usize, ordered: bool) -> usize {
    let steps = if ordered { size } else { size.min(count - size) };
    let mut ways = 1;
    for step in 0..steps {
        ways = ways * (count - step) / if ordered { 1 } else { step + 1 };
        if ways > MAX_COMBINED {
            break;
        }
    }
    ways
}

/// All picks of `size` items. Without recursion: the depth would be the caller's number.
fn pick(call: &Call, items: &[Val], size: usize, ordered: bool) -> R<Vec<Val>> {
    let mut out = Vec::new();
    if size > items.len() {
        return Ok(out);
    }
    let many = picks(items.len(), size, ordered);
    if many > MAX_COMBINED || many.saturating_mul(size) > MAX_CELLS {
        return Err(Fail::msg("there are too many combinations"));
    }
    // The picked places, and which of all places are among them.
    let mut picked: Vec<usize> = Vec::new();
    let mut taken = vec![false; items.len()];
    let mut next = 0;
    loop {
        if picked.len() == size {
            call.cx().step(1)?;
            out.push(Val::tuple(picked.iter().map(|index| items[*index].clone()).collect()));
            next = items.len();
        }
        while next < items.len() && taken[next] {
            next += 1;
        }
        if !ordered && items.len() - next.min(items.len()) + picked.len() < size {
            // Too few are left behind this place.
            next = items.len();
        }
        if next < items.len() {
            taken[next] = true;
            picked.push(next);
            next = if ordered { 0 } else { next + 1 };
        } else if let Some(last) = picked.pop() {
            taken[last] = false;
            next = last + 1;
        } else {
            return Ok(out);
        }
    }
}

fn permutations(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let items = call.items(&value)?;
    let size = args.int(0, "r")?.map_or(items.len(), |size| usize::try_from(size).unwrap_or(0));
    args.finish()?;
    Ok(Val::list(pick(call, &items, size, true)?))
}

fn combinations(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let items = call.items(&value)?;
    let size = args.int(0, "r")?.ok_or_else(|| Fail::msg("`combinations` needs the size of one"))?;
    args.finish()?;
    Ok(Val::list(pick(call, &items, usize::try_from(size).unwrap_or(0), false)?))
}

fn random(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let start = args.int(0, "start")?.filter(|start| *start != 0);
    let step = args.int(1, "step")?.filter(|step| *step != 0);
    let seed = args.take(2, "seed").filter(|seed| !seed.is_none());
    args.finish()?;
    let mut rng = super::super::random::Rng::new(call, seed.as_ref())?;
    if let Val::V(Value::Int(end)) = value {
        let (start, step) = (start.unwrap_or(0), step.unwrap_or(1));
        let (from, to, stride) =
            if step > 0 { (Some(start), end, Some(step)) } else { (Some(end), start, step.checked_neg()) };
        let count = from
            .and_then(|from| to.checked_sub(from))
            .zip(stride)
            .and_then(|(width, stride)| width.checked_add(stride - 1).map(|sum| sum / stride));
        let count = count.and_then(|count| u64::try_from(count).ok()).filter(|count| *count > 0);
        let count = count.ok_or_else(|| Fail::msg("the range of `random` is empty"))?;
        return Ok(Val::from(start + step * i128::from(rng.below(count))));
    }
    if start.is_some() || step.is_some() {
        return Err(Fail::said(
            "`start` and `step` of `random` are for integers only",
            "start and step can only be used with integer values",
        ));
    }
    let not_a_list = |_| {
        Fail::said(
            format!("`random` wants a list or an integer, not {}", value.kind()),
            "random can only be used on sequences and integers",
        )
    };
    let items = call.items(&value).map_err(not_a_list)?;
    if items.is_empty() {
        return Err(Fail::msg("`random` needs an item to choose"));
    }
    let at = rng.below(items.len() as u64);
    Ok(usize::try_from(at).ok().and_then(|at| items.get(at).cloned()).unwrap_or(Val::NONE))
}

fn shuffle(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let seed = args.take(0, "seed").filter(|seed| seed.truthy().unwrap_or(false));
    args.finish()?;
    let Ok(mut items) = call.items(&value) else { return Ok(value) };
    let mut rng = super::super::random::Rng::new(call, seed.as_ref())?;
    for index in (1..items.len()).rev() {
        let other = rng.below(index as u64 + 1);
        items.swap(index, usize::try_from(other).unwrap_or(0));
    }
    Ok(Val::list(items))
}

fn subelements(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let path = args.need(0, "subelements")?;
    let skip = args.flag(1, "skip_missing", false)?;
    args.finish()?;
    let elements = match &value {
        Val::Map(map) => map.items(call.cx())?.into_iter().map(|(_, value)| value).collect(),
        Val::List(_) => call.items(&value)?,
        other => {
            return Err(Fail::said(
                format!("`subelements` wants a list or a mapping, not {}", other.kind()),
                "obj must be a list of dicts or a nested dict",
            ));
        }
    };
    let path: Vec<Val> = match &path {
        Val::V(Value::Str(text)) => text.split('.').map(Val::from).collect(),
        other => call.items(other).map_err(|_| {
            Fail::said(
                format!("the path must be text or a list, not {}", other.kind()),
                "subelements must be a list or a string",
            )
        })?,
    };
    let mut out = Vec::new();
    for element in elements {
        let mut values = element.clone();
        for key in &path {
            if !matches!(values, Val::Map(_)) {
                let name = call.text(key)?;
                return Err(Fail::said(
                    format!("`{name}` should be looked up in a mapping, not {}", values.kind()),
                    format!("the key {name} should point to a dictionary, got '{}'", call.text(&values)?),
                ));
            }
            values = match ops::item(call.cx(), &values, key)? {
                Some(value) => value,
                None if skip => {
                    values = Val::list(Vec::new());
                    break;
                }
                None => {
                    let name = call.text(key)?;
                    return Err(Fail::said(
                        format!("an item has no `{name}`"),
                        format!(
                            "could not find '{name}' key in iterated item {}",
                            super::super::text::repr_of(call.cx(), &values)?
                        ),
                    ));
                }
            };
        }
        let Val::List(values) = values else {
            let last = path.last().map_or(Ok("".into()), |key| call.text(key))?;
            let found = super::super::text::repr_of(call.cx(), &values)?;
            return Err(Fail::said(
                format!("`{last}` should be a list, not {}", values.kind()),
                format!("the key '{last}' should point to a list, got {found}"),
            ));
        };
        for item in values.items(call.cx())? {
            out.push(Val::tuple(vec![element.clone(), item]));
        }
    }
    Ok(Val::list(out))
}
