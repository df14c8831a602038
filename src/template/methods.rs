//! Methods of Python's str, list, dict and of `loop`.

use std::sync::Arc;

use crate::value::{Key, Value};

use super::args::{Args, Call};
use super::exec::LoopState;
use super::fail::{Fail, R};
use super::val::{Func, MapKind, Val};
use super::{containers, ops};

const STR: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "encode",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "translate",
    "maketrans",
    "upper",
    "zfill",
];
const LIST: &[&str] =
    &["append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse", "sort"];
const DICT: &[&str] =
    &["clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"];

/// True if the value has such a method.
pub fn has(val: &Val, name: &str) -> bool {
    match val {
        Val::V(Value::Str(_)) => STR.contains(&name),
        Val::V(Value::Bytes(_)) => matches!(name, "decode" | "hex"),
        Val::V(value @ (Value::Date(_) | Value::DateTime(..))) => super::moments::has(value, name),
        Val::Clock(clock) => clock.has(name),
        Val::V(Value::Float(_)) => matches!(name, "is_integer" | "as_integer_ratio" | "conjugate"),
        Val::V(Value::Int(_)) => {
            matches!(name, "bit_length" | "bit_count" | "as_integer_ratio" | "conjugate" | "is_integer" | "to_bytes")
        }
        Val::List(list) if list.is_tuple() || list.is_range() => matches!(name, "count" | "index"),
        Val::List(_) => LIST.contains(&name),
        Val::Map(map) => match map.kind {
            MapKind::Dict => of_dict(name),
            MapKind::Namespace => false,
            MapKind::HostVars | MapKind::HostVarsVars => matches!(name, "get" | "items" | "keys" | "values"),
        },
        Val::Loop(_) => matches!(name, "cycle" | "changed"),
        Val::Func(Func::Cycler(..)) => matches!(name, "next" | "reset" | "current"),
        _ => false,
    }
}

/// True for the name of a method of a `dict`.
pub fn of_dict(name: &str) -> bool {
    DICT.contains(&name)
}

/// Attributes of `loop`.
pub fn loop_attr(state: &LoopState, name: &str) -> Option<Val> {
    let (index, len) = (state.index.get(), state.items.len());
    Some(match name {
        "index" => Val::from(index + 1),
        "index0" => Val::from(index),
        "revindex" => Val::from(len - index),
        "revindex0" => Val::from(len - index - 1),
        "first" => Val::from(index == 0),
        "last" => Val::from(index + 1 == len),
        "length" => Val::from(len),
        "depth" => Val::from(state.depth + 1),
        "depth0" => Val::from(state.depth),
        "previtem" => match index.checked_sub(1).and_then(|at| state.items.get(at)) {
            Some(item) => item.clone(),
            None => undefined("there is no previous item"),
        },
        "nextitem" => match state.items.get(index + 1) {
            Some(item) => item.clone(),
            None => undefined("there is no next item"),
        },
        _ => return None,
    })
}

fn undefined(hint: &str) -> Val {
    Val::Undef(std::rc::Rc::new(super::fail::Undef::hint(hint)))
}

/// Calls a method.
pub fn call(call: &Call, object: &Val, name: &str, args: Args) -> R<Val> {
    match object {
        Val::V(Value::Str(text)) => str_method(call, text, name, args),
        Val::List(list) => containers::list_method(call, list, name, args),
        Val::Map(map) => containers::dict_method(call, object, map, name, args),
        Val::Loop(state) => loop_method(call, state, name, args),
        Val::V(Value::Bytes(bytes)) => match name {
            "hex" => Ok(Val::from(hex::encode(bytes))),
            _ => {
                let mut args = args;
                let encoding = args.text(call, 0, "encoding")?.unwrap_or_else(|| "utf-8".into());
                Ok(Val::from(super::codec::decode(bytes, &encoding)?))
            }
        },
        Val::V(Value::Float(float)) => super::numbers::float_method(*float, name),
        Val::V(Value::Int(int)) => super::numbers::int_method(call, *int, name, args),
        Val::V(value) => super::moments::call(call, value, name, args),
        Val::Clock(clock) => clock.call(call, name, args),
        Val::Func(Func::Blocks) => call.ev.block(name, 0, None),
        Val::Func(Func::Cycler(items, at)) => match name {
            "reset" => {
                at.set(0);
                Ok(Val::NONE)
            }
            "current" => Ok(items.get(at.get()).cloned().unwrap_or(Val::NONE)),
            _ => {
                let item = items.get(at.get()).cloned().unwrap_or(Val::NONE);
                at.set((at.get() + 1) % items.len().max(1));
                Ok(item)
            }
        },
        other => Err(Fail::msg(format!("{} has no method `{name}`", other.kind()))),
    }
}

/// The part of a text that the arguments `start` and `end` select, in bytes.
fn window(text: &str, args: &mut Args, at: usize) -> R<Option<(usize, usize)>> {
    let (start, end) = (args.int(at, "start")?, args.int(at + 1, "end")?);
    if start.is_none() && end.is_none() {
        return Ok(Some((0, text.len())));
    }
    let length = i128::try_from(text.chars().count()).unwrap_or(i128::MAX);
    let clamp = |value: i128| if value < 0 { (value + length).max(0) } else { value };
    let (start, end) = (clamp(start.unwrap_or(0)), clamp(end.unwrap_or(length)).min(length));
    if start > end {
        return Ok(None);
    }
    let byte = |at: i128| {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte)
    };
    Ok(Some((byte(start), byte(end))))
}

/// `text.translate({97: 'x', 98: none})`.
fn translate(call: &Call, text: &str, table: &Val) -> R<String> {
    let Val::Map(table) = table else { return Err(Fail::msg(format!("a mapping is expected, not {}", table.kind()))) };
    let mut out = String::new();
    for c in text.chars() {
        match table.get(call.cx(), &Key::Int(i128::from(u32::from(c))))? {
            None => out.push(c),
            Some(Val::V(Value::Null)) => {}
            Some(Val::V(Value::Int(code))) => {
                out.extend(u32::try_from(code).ok().and_then(char::from_u32));
            }
            Some(other) => out.push_str(&call.text(&other)?),
        }
        call.cx().room_for_text(out.len())?;
    }
    Ok(out)
}

/// `''.maketrans('ab', 'xy', 'z')`.
fn maketrans(call: &Call, args: &mut Args) -> R<Val> {
    let mut table = indexmap::IndexMap::new();
    let code = |c: char| Key::Int(i128::from(u32::from(c)));
    match args.need(0, "x")? {
        Val::Map(map) => {
            for (key, value) in map.items(call.cx())? {
                let key = match key.as_str() {
                    Some(text) => text.chars().next().map_or(Key::Null, code),
                    None => key,
                };
                table.insert(key, value);
            }
        }
        from => {
            let (from, to) = (call.text(&from)?, needed(args, 1, "y")?);
            if from.chars().count() != to.chars().count() {
                let words = "the first two maketrans arguments must have equal length";
                return Err(Fail::said("`maketrans` wants two texts of one length", words));
            }
            for (from, to) in from.chars().zip(to.chars()) {
                table.insert(code(from), Val::from(i128::from(u32::from(to))));
            }
            for gone in args.text(call, 2, "z")?.unwrap_or_default().chars() {
                table.insert(code(gone), Val::NONE);
            }
        }
    }
    Ok(Val::map(table))
}

fn loop_method(call: &Call, state: &LoopState, name: &str, mut args: Args) -> R<Val> {
    let items = args.rest();
    match name {
        "cycle" => items
            .get(state.index.get() % items.len().max(1))
            .cloned()
            .ok_or_else(|| Fail::msg("no items for cycling given")),
        "changed" => {
            let same = match &*state.last.borrow() {
                Some(last) if last.len() == items.len() => {
                    let mut same = true;
                    for (a, b) in last.iter().zip(&items) {
                        same &= ops::equal(call.cx(), a, b)?;
                    }
                    same
                }
                _ => false,
            };
            *state.last.borrow_mut() = Some(items);
            Ok(Val::from(!same))
        }
        _ => Err(Fail::msg(format!("`loop` has no method `{name}`"))),
    }
}

fn needed(args: &mut Args, index: usize, name: &str) -> R<Arc<str>> {
    match args.need(index, name)? {
        Val::V(Value::Str(text)) => Ok(text),
        other => Err(Fail::msg(format!("a string is expected, not {}", other.kind()))),
    }
}

/// A number of characters; below zero there are none.
pub fn size(int: Option<i128>) -> usize {
    usize::try_from(int.unwrap_or(0).max(0)).unwrap_or(usize::MAX)
}

/// Texts of an argument that is one text or a tuple of them.
fn texts(call: &Call, val: &Val) -> R<Vec<Arc<str>>> {
    match val {
        Val::V(Value::Str(text)) => Ok(vec![Arc::clone(text)]),
        Val::List(list) => list
            .items(call.cx())?
            .iter()
            .map(|item| item.as_text().ok_or_else(|| Fail::msg("a tuple of strings is expected")))
            .collect(),
        other => Err(Fail::msg(format!("a string is expected, not {}", other.kind()))),
    }
}

fn strip_set(text: Option<Arc<str>>) -> impl Fn(char) -> bool {
    move |c| match &text {
        Some(set) => set.contains(c),
        None => c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c),
    }
}

/// `text.split(sep, max)` and `rsplit`.
pub fn split(text: &str, sep: Option<&str>, max: Option<usize>, from_right: bool) -> R<Vec<Val>> {
    let mut out: Vec<Val> = Vec::new();
    match sep {
        Some("") => return Err(Fail::msg("the separator is empty")),
        Some(sep) => {
            if from_right {
                let mut parts: Vec<&str> = match max {
                    Some(max) => text.rsplitn(max.saturating_add(1), sep).collect(),
                    None => text.rsplit(sep).collect(),
                };
                parts.reverse();
                out.extend(parts.into_iter().map(Val::from));
            } else {
                match max {
                    Some(max) => out.extend(text.splitn(max.saturating_add(1), sep).map(Val::from)),
                    None => out.extend(text.split(sep).map(Val::from)),
                }
            }
        }
        None => {
            let mut rest = text;
            if from_right {
                loop {
                    rest = rest.trim_end();
                    if rest.is_empty() {
                        break;
                    }
                    if max.is_some_and(|max| out.len() >= max) {
                        out.push(Val::from(rest));
                        break;
                    }
                    let at = rest
                        .rfind(char::is_whitespace)
                        .map_or(0, |at| at + rest[at..].chars().next().map_or(1, char::len_utf8));
                    out.push(Val::from(&rest[at..]));
                    rest = &rest[..at];
                }
                out.reverse();
            } else {
                loop {
                    rest = rest.trim_start();
                    if rest.is_empty() {
                        break;
                    }
                    if max.is_some_and(|max| out.len() >= max) {
                        out.push(Val::from(rest));
                        break;
                    }
                    let at = rest.find(char::is_whitespace).unwrap_or(rest.len());
                    out.push(Val::from(&rest[..at]));
                    rest = &rest[at..];
                }
            }
        }
    }
    Ok(out)
}

/// `text.title()`.
pub fn title(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in text.chars() {
        match c {
            c if inside => out.extend(c.to_lowercase()),
            // Digraphs have a form for the beginning of words.
            'Ǆ'..='ǆ' => out.push('ǅ'),
            'Ǉ'..='ǉ' => out.push('ǈ'),
            'Ǌ'..='ǌ' => out.push('ǋ'),
            'Ǳ'..='ǳ' => out.push('ǲ'),
            c => out.extend(c.to_uppercase()),
        }
        inside = c.is_alphabetic();
    }
    out
}

/// `text.capitalize()`.
pub fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + &chars.as_str().to_lowercase())
}

fn char_pos(text: &str, byte: usize) -> i128 {
    i128::try_from(text.get(..byte).map_or(0, |part| part.chars().count())).unwrap_or(i128::MAX)
}

fn str_method(call: &Call, text: &Arc<str>, name: &str, mut args: Args) -> R<Val> {
    let all = |test: fn(char) -> bool| Val::from(!text.is_empty() && text.chars().all(test));
    let result = match name {
        "upper" => Val::from(text.to_uppercase()),
        "lower" => Val::from(text.to_lowercase()),
        "casefold" => Val::from(text.to_lowercase().replace('ß', "ss").replace('ς', "σ")),
        "translate" => Val::from(translate(call, text, &args.need(0, "table")?)?),
        "maketrans" => maketrans(call, &mut args)?,
        "title" => Val::from(title(text)),
        "capitalize" => Val::from(capitalize(text)),
        "swapcase" => Val::from(
            text.chars()
                .flat_map(|c| {
                    if c.is_uppercase() { c.to_lowercase().collect::<Vec<_>>() } else { c.to_uppercase().collect() }
                })
                .collect::<String>(),
        ),
        "strip" | "lstrip" | "rstrip" => {
            let set = strip_set(args.text(call, 0, "chars")?);
            Val::from(match name {
                "strip" => text.trim_matches(&set),
                "lstrip" => text.trim_start_matches(&set),
                _ => text.trim_end_matches(&set),
            })
        }
        "split" | "rsplit" => {
            let sep = args.text(call, 0, "sep")?;
            let max = args.int(1, "maxsplit")?.and_then(|max| usize::try_from(max).ok());
            Val::list(split(text, sep.as_deref(), max, name == "rsplit")?)
        }
        "splitlines" => {
            let keep = args.flag(0, "keepends", false)?;
            Val::list(super::text::lines(text, keep).into_iter().map(Val::from).collect())
        }
        "join" => {
            let mut parts: Vec<Arc<str>> = Vec::new();
            for (index, item) in call.items(&args.need(0, "iterable")?)?.into_iter().enumerate() {
                parts.push(item.clone().defined()?.as_text().ok_or_else(|| {
                    let words = format!("sequence item {index}: expected str instance, {} found", item.type_name());
                    Fail::said(format!("`join` wants strings, found {}", item.kind()), words)
                        .with_hint("the filter `| join` takes values of any type")
                })?);
            }
            let total: usize = parts.iter().map(|part| part.len()).sum();
            call.cx().room_for_text(total.saturating_add(text.len().saturating_mul(parts.len())))?;
            Val::from(parts.join(&**text))
        }
        "replace" => {
            let old = needed(&mut args, 0, "old")?;
            let new = needed(&mut args, 1, "new")?;
            let count = args.int(2, "count")?.and_then(|count| usize::try_from(count).ok());
            Val::from(call.cx().replaced(text, &old, &new, count)?)
        }
        "startswith" => {
            let prefixes = texts(call, &args.need(0, "prefix")?)?;
            let part = window(text, &mut args, 1)?.and_then(|(start, end)| text.get(start..end));
            Val::from(part.is_some_and(|part| prefixes.iter().any(|prefix| part.starts_with(&**prefix))))
        }
        "endswith" => {
            let suffixes = texts(call, &args.need(0, "suffix")?)?;
            let part = window(text, &mut args, 1)?.and_then(|(start, end)| text.get(start..end));
            Val::from(part.is_some_and(|part| suffixes.iter().any(|suffix| part.ends_with(&**suffix))))
        }
        "removeprefix" => Val::from(text.strip_prefix(&*needed(&mut args, 0, "prefix")?).unwrap_or(text)),
        "removesuffix" => Val::from(text.strip_suffix(&*needed(&mut args, 0, "suffix")?).unwrap_or(text)),
        "find" | "index" | "rfind" | "rindex" => {
            let part = needed(&mut args, 0, "sub")?;
            let found = window(text, &mut args, 1)?.and_then(|(start, end)| {
                let inner = text.get(start..end)?;
                let at = if name.starts_with('r') { inner.rfind(&*part) } else { inner.find(&*part) };
                at.map(|at| start + at)
            });
            match found {
                Some(at) => Val::from(char_pos(text, at)),
                None if name.ends_with("find") => Val::from(-1_i64),
                None => return Err(Fail::said(format!("`{part}` is not in the string"), "substring not found")),
            }
        }
        "count" => {
            let part = needed(&mut args, 0, "sub")?;
            let inner = window(text, &mut args, 1)?.and_then(|(start, end)| text.get(start..end));
            Val::from(inner.map_or(0, |inner| {
                if part.is_empty() { inner.chars().count() + 1 } else { inner.matches(&*part).count() }
            }))
        }
        "partition" | "rpartition" => {
            let sep = needed(&mut args, 0, "sep")?;
            let parts = if name == "partition" { text.split_once(&*sep) } else { text.rsplit_once(&*sep) };
            Val::tuple(match parts {
                Some((before, after)) => vec![before.into(), Val::from(Arc::clone(&sep)), after.into()],
                None if name == "partition" => vec![Val::from(Arc::clone(text)), "".into(), "".into()],
                None => vec!["".into(), "".into(), Val::from(Arc::clone(text))],
            })
        }
        "format" => return super::printf::format(call.cx(), text, &args.rest(), &args.rest_kw()).map(Val::from),
        "format_map" => match args.need(0, "mapping")? {
            Val::Map(map) => {
                let named: Vec<_> = map.items(call.cx())?.into_iter().map(|(key, value)| (key.text(), value)).collect();
                Val::from(super::printf::format(call.cx(), text, &[], &named)?)
            }
            other => return Err(Fail::msg(format!("a mapping is expected, not {}", other.kind()))),
        },
        "zfill" => {
            let missing = size(args.int(0, "width")?).saturating_sub(text.chars().count());
            call.cx().room_for_text(text.len().saturating_add(missing))?;
            let (sign, rest) = if text.starts_with(['+', '-']) { text.split_at(1) } else { ("", &**text) };
            Val::from(format!("{sign}{}{rest}", "0".repeat(missing)))
        }
        "ljust" | "rjust" | "center" => {
            let width = size(args.int(0, "width")?);
            let fill = args.text(call, 1, "fillchar")?.and_then(|text| text.chars().next()).unwrap_or(' ');
            let missing = width.saturating_sub(text.chars().count());
            call.cx().room_for_text(text.len().saturating_add(missing.saturating_mul(fill.len_utf8())))?;
            let left = match name {
                "ljust" => 0,
                "rjust" => missing,
                _ => missing / 2 + (missing & width & 1),
            };
            let fill = |count: usize| std::iter::repeat_n(fill, count).collect::<String>();
            Val::from(format!("{}{text}{}", fill(left), fill(missing - left)))
        }
        "expandtabs" => {
            let size = size(Some(args.int(0, "tabsize")?.unwrap_or(8)));
            call.cx().room_for_text(text.len().saturating_add(text.matches('\t').count().saturating_mul(size)))?;
            let mut out = String::new();
            let mut column = 0;
            for c in text.chars() {
                match c {
                    '\t' if size == 0 => {}
                    '\t' => {
                        let missing = size - column % size;
                        out.push_str(&" ".repeat(missing));
                        column += missing;
                    }
                    c => {
                        out.push(c);
                        column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
                    }
                }
            }
            Val::from(out)
        }
        "encode" => {
            let encoding = args.text(call, 0, "encoding")?.unwrap_or_else(|| "utf-8".into());
            let errors = args.text(call, 1, "errors")?;
            Val::V(Value::Bytes(super::codec::encode_or(text, &encoding, errors.as_deref())?.into()))
        }
        "isalnum" => all(char::is_alphanumeric),
        "isalpha" => all(char::is_alphabetic),
        "isascii" => Val::from(text.is_ascii()),
        "isnumeric" => all(char::is_numeric),
        // Superscripts are digits, but no decimals; fractions and Roman numbers are neither.
        "isdigit" => {
            all(|c| super::codec::decimal(c).is_some() || matches!(c, '²' | '³' | '¹' | '⁰' | '⁴'..='⁹' | '₀'..='₉'))
        }
        "isdecimal" => all(|c| super::codec::decimal(c).is_some()),
        "isspace" => all(char::is_whitespace),
        "isprintable" => Val::from(!text.chars().any(char::is_control)),
        "islower" => Val::from(text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase)),
        "isupper" => Val::from(text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase)),
        "istitle" => Val::from(text.chars().any(char::is_alphabetic) && title(text) == **text),
        "isidentifier" => Val::from(
            text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
                && text.chars().all(|c| c.is_alphanumeric() || c == '_'),
        ),
        _ => return Err(Fail::msg(format!("a string has no method `{name}`"))),
    };
    args.finish()?;
    Ok(result)
}
