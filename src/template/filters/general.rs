//! Filters of community.general that are functions of their data alone, `to_paths` of ansible.utils, and the table of
//! names that other collections have for filters of hostctl.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::value::{Key, Map, Value, python_repr, python_str};

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::random::Rng;
use super::super::val::Val;
use super::super::{lookups, ops, versions};
use super::Entry;

/// The table of this file.
pub const TABLE: &[Entry] = &[
    ("ansible.utils.to_paths", to_paths),
    ("community.general.accumulate", accumulate),
    ("community.general.counter", counter),
    ("community.general.crc32", crc32),
    ("community.general.dict", dict),
    ("community.general.dict_kv", dict_kv),
    ("community.general.from_csv", from_csv),
    ("community.general.from_ini", from_ini),
    ("community.general.groupby_as_dict", groupby_as_dict),
    ("community.general.random_mac", random_mac),
    ("community.general.to_days", |call, value, args| time(call, value, args, Some("d"))),
    ("community.general.to_hours", |call, value, args| time(call, value, args, Some("h"))),
    ("community.general.to_ini", to_ini),
    ("community.general.to_milliseconds", |call, value, args| time(call, value, args, Some("ms"))),
    ("community.general.to_minutes", |call, value, args| time(call, value, args, Some("m"))),
    ("community.general.to_months", |call, value, args| time(call, value, args, Some("mo"))),
    ("community.general.to_seconds", |call, value, args| time(call, value, args, Some("s"))),
    ("community.general.to_time_unit", |call, value, args| time(call, value, args, None)),
    ("community.general.to_weeks", |call, value, args| time(call, value, args, Some("w"))),
    ("community.general.to_years", |call, value, args| time(call, value, args, Some("y"))),
    ("community.general.version_sort", version_sort),
    ("community.molecule.from_yaml", |call, value, args| super::data::from_yaml(call, value, args)),
    ("ovirt.ovirt.json_query", |call, value, args| super::dict::json_query(call, value, args)),
];

/// `is <class 'int'>` and the like.
fn about(value: &Value) -> String {
    format!("{} is <class '{}'>", python_str(value), value.python_type())
}

fn sequence(call: &Call, value: &Val, words: impl Fn(&Value) -> String) -> R<Vec<Val>> {
    match value {
        Val::List(_) | Val::V(Value::Str(_)) => call.items(value),
        other => {
            let data = call.value(other)?;
            Err(Fail::said(format!("a list is expected, not {}", other.kind()), words(&data)))
        }
    }
}

fn counter(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let words = |value: &Value| {
        format!("Argument for community.general.counter must be a sequence (string or list). {}", about(value))
    };
    let mut counts = indexmap::IndexMap::new();
    for item in sequence(call, &value, words)? {
        let key = item.defined()?.key()?;
        let at = super::super::keys::find(&counts, &key);
        match at.and_then(|at| counts.get_index_mut(at)) {
            Some((_, number)) => *number += 1,
            None => drop(counts.insert(key, 1_i128)),
        }
    }
    Ok(Val::map(counts.into_iter().map(|(key, number)| (key, Val::from(number))).collect()))
}

/// As zlib has it.
fn crc32(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let Val::V(Value::Str(text)) = &value else {
        let data = call.value(&value)?;
        let words = format!("Invalid value type (<class '{}'>) for crc32 ({})", data.python_type(), python_repr(&data));
        return Err(Fail::said(format!("`crc32` wants text, not {}", value.kind()), words));
    };
    let mut sum = u32::MAX;
    for byte in text.bytes() {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    Ok(Val::from(format!("{:x}", !sum)))
}

fn dict(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let mut out = indexmap::IndexMap::new();
    if let Val::Map(map) = &value {
        return Ok(Val::map(map.items(call.cx())?.into_iter().collect()));
    }
    for (index, item) in call.items(&value)?.into_iter().enumerate() {
        let pair = call.items(&item.defined()?)?;
        let [key, value] = pair.as_slice() else {
            let words = format!("dictionary update sequence element #{index} has length {}; 2 is required", pair.len());
            return Err(Fail::said("each item must be a pair", words));
        };
        super::super::keys::put(&mut out, key.clone().defined()?.key()?, value.clone());
    }
    Ok(Val::map(out))
}

fn dict_kv(_: &Call, value: Val, mut args: Args) -> R<Val> {
    let key = args.need(0, "key")?.defined()?.key()?;
    args.finish()?;
    Ok(Val::map(std::iter::once((key, value)).collect()))
}

fn groupby_as_dict(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let attribute = args.need(0, "attribute")?.defined()?.key()?;
    args.finish()?;
    let mut out = indexmap::IndexMap::new();
    for (index, item) in sequence(call, &value, |_| "Input is not a sequence".to_owned())?.into_iter().enumerate() {
        let Val::Map(map) = &item else {
            let words = format!("Sequence element #{index} is not a mapping");
            return Err(Fail::said(format!("each item must be a mapping, found {}", item.kind()), words));
        };
        let Some(found) = map.get(call.cx(), &attribute)? else {
            return Err(Fail::said(
                format!("an item has no `{}`", attribute.text()),
                format!("Attribute not contained in element #{index} of sequence"),
            ));
        };
        let key = found.clone().defined()?.key()?;
        if super::super::keys::find(&out, &key).is_some() {
            let words = format!("Multiple sequence entries have attribute value {}", python_repr(&call.value(&found)?));
            return Err(Fail::said(format!("`{}` is not unique", key.text()), words));
        }
        out.insert(key, item);
    }
    Ok(Val::map(out))
}

/// Each item added to all before it.
fn accumulate(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let words = |value: &Value| {
        format!("Invalid value type (<class '{}'>) for accumulate ({})", value.python_type(), python_repr(value))
    };
    let mut out: Vec<Val> = Vec::new();
    for item in sequence(call, &value, words)? {
        let next = match out.last() {
            Some(last) => ops::binary(call.cx(), super::super::code::Bin::Add, last, &item)?,
            None => item,
        };
        out.push(next);
    }
    Ok(Val::list(out))
}

fn version_sort(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let reverse = args.flag(0, "reverse", false)?;
    args.finish()?;
    let mut texts = Vec::new();
    for item in call.items(&value)? {
        texts.push(call.text(&item.defined()?)?);
    }
    let mut wrong = None;
    texts.sort_by(|a, b| {
        let order = versions::compare("loose", a, b).unwrap_or_else(|fail| {
            wrong.get_or_insert(fail);
            std::cmp::Ordering::Equal
        });
        if reverse { order.reverse() } else { order }
    });
    match wrong {
        Some(fail) => Err(fail),
        None => Ok(Val::list(texts.into_iter().map(Val::from).collect())),
    }
}

/// Milliseconds of a unit by its short name.
fn milliseconds(unit: &str, month: f64, year: f64) -> Option<f64> {
    let day = 86_400_000.0;
    Some(match unit {
        "ms" => 1.0,
        "s" => 1000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => day,
        "w" => 7.0 * day,
        "mo" => month * day,
        "y" => year * day,
        _ => return None,
    })
}

/// The short name of a unit, if it is a long one.
fn short_unit(name: &str) -> &str {
    match name.trim_end_matches('s') {
        "millisecond" | "msec" | "msecond" => "ms",
        "sec" | "second" => "s",
        "min" | "minute" => "m",
        "hour" => "h",
        "day" => "d",
        "week" => "w",
        "month" => "mo",
        "year" => "y",
        _ => name,
    }
}

/// `1h 30m` in a unit.
fn time(call: &Call, value: Val, mut args: Args, unit: Option<&str>) -> R<Val> {
    let given = match unit {
        Some(unit) => unit.into(),
        None => args.text(call, 0, "unit")?.unwrap_or_else(|| "ms".into()),
    };
    let mut days = |name: &str, default: f64| match args.take_kw(name) {
        Some(value) => super::math::float_of(&value),
        None => Ok(default),
    };
    let (year, month) = (days("year", 365.0)?, days("month", 30.0)?);
    if let Some(name) = args.left_kw() {
        let words = format!("to_time_unit() got unknown keyword arguments: {name}");
        return Err(Fail::said(format!("there is no argument `{name}`"), words));
    }
    args.finish()?;
    let Some(text) = value.as_str() else {
        return Err(Fail::msg(format!("a time is text such as `1h 30m`, not {}", value.kind())));
    };
    if text == "0" {
        return Ok(Val::from(0_i64));
    }
    let unit = short_unit(&given);
    let per = milliseconds(unit, month, year).ok_or_else(|| {
        Fail::said(
            format!("there is no unit of time `{given}`"),
            format!(
                "to_time_unit() can not convert to the following unit: {unit}. Available units (singular or plural): \
                 millisecond, msec, msecond, sec, second, hour, min, minute, day, week, month, year. \
                 Available short units: ms, s, m, h, d, w, mo, y"
            ),
        )
    })?;
    let wrong = || {
        let words = format!("to_time_unit() can not interpret following string: {text}");
        Fail::said(format!("`{text}` is no time"), words).with_hint("write numbers with units, such as `1h 30m`")
    };
    let mut sum = 0.0;
    for part in text.split_whitespace() {
        let (minus, rest) = part.strip_prefix('-').map_or((1.0, part), |rest| (-1.0, rest));
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let unit: &str = &rest[digits..];
        let unit = &unit[..unit.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(unit.len())];
        let amount: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        sum += minus * amount * milliseconds(short_unit(unit), month, year).ok_or_else(wrong)?;
    }
    let found = sum / per;
    if !found.is_finite() {
        return Err(wrong());
    }
    Ok(Val::from(format!("{found:.12}").parse().unwrap_or(found)))
}

/// The numbers whose hexadecimal digits complete an address: ten of them.
const LEAST_MAC: u64 = 0x10_0000_0000;
const MOST_MAC: u64 = 0xff_ffff_ffff;

fn random_mac(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let seed = args.take(0, "seed").filter(|seed| !seed.is_none());
    args.finish()?;
    let Some(text) = value.as_str().map(str::to_lowercase) else {
        let data = call.value(&value)?;
        let words =
            format!("Invalid value type (<class '{}'>) for random_mac ({})", data.python_type(), python_str(&data));
        return Err(Fail::said(format!("`random_mac` wants text, not {}", value.kind()), words));
    };
    let items: Vec<&str> = text.split(':').collect();
    if items.len() > 5 {
        let words = format!("Invalid value ({text}) for random_mac: 5 colon(:) separated items max");
        return Err(Fail::said(format!("`{text}` is a whole address already"), words));
    }
    let hex = |item: &&&str| {
        let mut start = item.chars().take(2);
        start.clone().count() == 2 && start.all(|c| c.is_ascii_hexdigit())
    };
    let wrong: Vec<String> = items
        .iter()
        .filter(|item| !hex(item))
        .map(|item| if item.is_empty() { "empty item".to_owned() } else { format!("{item} not hexa byte") })
        .collect();
    if !wrong.is_empty() {
        let words = format!("Invalid value ({text}) for random_mac: {}", wrong.join(","));
        return Err(Fail::said(format!("`{text}` is no start of an address"), words));
    }
    let number = LEAST_MAC + Rng::new(call, seed.as_ref())?.below(MOST_MAC - LEAST_MAC + 1);
    let digits = format!("{number:x}");
    let mut out = text.clone();
    for pair in digits.as_bytes().chunks_exact(2).take(6 - items.len()) {
        out.push(':');
        out.extend(pair.iter().map(|byte| char::from(*byte)));
    }
    Ok(Val::from(out))
}

/// Every leaf by its path: `a.b[0]['c d']`.
fn to_paths(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let prepend = args.text(call, 0, "prepend")?;
    let wantlist = args.flag(1, "wantlist", false)?;
    args.finish()?;
    let data = call.value(&value)?;
    let mut out = Map::new();
    paths(&data, prepend.as_deref().unwrap_or_default(), &mut out);
    let found = match &data {
        // Nothing in it has no path.
        Value::List(list) if list.is_empty() && prepend.is_none() => Value::from(Vec::new()),
        _ => Value::from(out),
    };
    Ok(Val::from(if wantlist { Value::from(vec![found]) } else { found }))
}

fn paths(value: &Value, name: &str, out: &mut Map) {
    match value {
        Value::Map(map) if !map.is_empty() => {
            for (key, value) in map.iter() {
                let key = key.text();
                let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let plain = key.chars().all(word) && !key.starts_with(|c: char| c.is_ascii_digit()) && !key.is_empty();
                let name = match (name.is_empty(), plain) {
                    (true, _) => key.to_string(),
                    (false, true) => format!("{name}.{key}"),
                    (false, false) => format!("{name}['{key}']"),
                };
                paths(value, &name, out);
            }
        }
        Value::List(list) if !list.is_empty() => {
            for (index, value) in list.iter().enumerate() {
                paths(value, &format!("{name}[{index}]"), out);
            }
        }
        Value::Map(_) | Value::List(_) if name.is_empty() => {}
        leaf => drop(out.insert(Key::from(name), leaf.clone())),
    }
}

fn from_csv(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let dialect = args.text(call, 0, "dialect")?.unwrap_or_else(|| "excel".into());
    let names = args.take(1, "fieldnames").filter(|names| !names.is_none());
    let delimiter = args.text(call, 2, "delimiter")?;
    let skip = args.flag(3, "skipinitialspace", false)?;
    let _strict = args.flag(4, "strict", false)?;
    args.finish()?;
    let default = match &*dialect {
        "excel" | "unix" => ',',
        "excel-tab" => '\t',
        other => {
            let words = format!("Dialect '{other}' is not supported by your version of python.");
            return Err(
                Fail::said(format!("there is no dialect `{other}`"), words).with_hint("it is excel, excel-tab or unix")
            );
        }
    };
    let delimiter = match delimiter.as_deref().map(|text| (text.chars().next(), text.chars().count())) {
        None => default,
        Some((Some(one), 1)) => one,
        Some(_) => {
            let words = "Unable to process file: \"delimiter\" must be a 1-character string";
            return Err(Fail::said("the delimiter is one character", words));
        }
    };
    let mut rows = lookups::csv_rows(&call.text(&value)?, delimiter);
    if skip {
        rows.iter_mut().flatten().for_each(|cell| *cell = cell.trim_start_matches(' ').to_owned());
    }
    let names: Vec<String> = match names {
        Some(names) => {
            call.items(&names)?.iter().map(|name| call.text(name).map(|name| name.to_string())).collect::<R<_>>()?
        }
        None if rows.is_empty() => Vec::new(),
        None => rows.remove(0),
    };
    let row = |row: Vec<String>| {
        let mut out = Map::new();
        let mut cells = row.into_iter();
        for name in &names {
            out.insert(Key::from(&**name), cells.next().map_or(Value::Null, Value::from));
        }
        // What has no name stands below none.
        let rest: Vec<Value> = cells.map(Value::from).collect();
        if !rest.is_empty() {
            out.insert(Key::Null, Value::from(rest));
        }
        Value::from(out)
    };
    Ok(Val::from(Value::from(rows.into_iter().map(row).collect::<Vec<Value>>())))
}

fn from_ini(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let Some(text) = value.as_str() else {
        let data = call.value(&value)?;
        let words = format!("from_ini requires a str, got <class '{}'>", data.python_type());
        return Err(Fail::said(format!("`from_ini` wants text, not {}", value.kind()), words));
    };
    let mut sections = lookups::ini_sections(text)?;
    let defaults = sections.shift_remove("DEFAULT").unwrap_or_default();
    let map = |entries: indexmap::IndexMap<String, Option<String>>| {
        let pairs = entries.into_iter().map(|(name, value)| (Key::from(name), Value::from(value)));
        Value::from(pairs.collect::<Map>())
    };
    let mut out = Map::new();
    for (name, own) in sections {
        let mut entries = defaults.clone();
        entries.extend(own);
        out.insert(Key::from(name), map(entries));
    }
    if !defaults.is_empty() {
        out.insert(Key::from("DEFAULT"), map(defaults));
    }
    Ok(Val::from(Value::from(out)))
}

fn to_ini(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let data = call.value(&value)?;
    let Value::Map(map) = &data else {
        let words = format!("to_ini requires a dict, got <class '{}'>", data.python_type());
        return Err(Fail::said(format!("`to_ini` wants a mapping, not {}", data.type_name()), words));
    };
    if map.is_empty() {
        let words = "to_ini received an empty dict. An empty dict cannot be converted.";
        return Err(Fail::said("an empty mapping makes no sections", words));
    }
    let mut out = String::new();
    let mut section = |name: &str, entries: &Value| -> R<()> {
        let Value::Map(entries) = entries else {
            let words = format!(
                "to_ini failed to parse given dict:'{}' object has no attribute 'items'",
                entries.python_type()
            );
            return Err(Fail::said(format!("`{name}` must be a mapping, found {}", entries.type_name()), words));
        };
        let _ = writeln!(out, "[{name}]");
        for (key, value) in entries.iter() {
            if matches!(value, Value::Null) {
                let words = "to_ini failed to parse given dict:option values must be strings";
                return Err(Fail::said(format!("`{}` of `{name}` has no value", key.text()), words));
            }
            let _ = writeln!(out, "{} = {}", key.text(), python_str(value).replace('\n', "\n\t"));
        }
        out.push('\n');
        Ok(())
    };
    // The defaults stand first.
    if let Some(defaults) = data.get("DEFAULT").filter(|defaults| defaults.truthy()) {
        section("DEFAULT", defaults)?;
    }
    for (name, entries) in map.iter().filter(|(name, _)| name.as_str() != Some("DEFAULT")) {
        section(&name.text(), entries)?;
    }
    out.pop();
    Ok(Val::from(Arc::<str>::from(out)))
}
