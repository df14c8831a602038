//! JSON and YAML, both ways.

use std::collections::HashSet;

use crate::diag::{Deprecation, SourceMap};
use crate::value::{JsonStyle, Value, json_key, parse_json, to_json_text};
use crate::yaml::{LoadOptions, load};

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::people::Told;
use super::super::val::Val;
use super::super::yaml_out::{self, Style};
use super::Entry;

/// The table of this file.
pub const TABLE: &[Entry] = &[
    ("from_json", from_json),
    ("from_yaml", from_yaml),
    ("from_yaml_all", from_yaml_all),
    ("pprint", |call, value, _| Ok(Val::from(super::super::text::repr_of(call.cx(), &value)?))),
    ("to_json", |call, value, args| to_json(call, value, args, None, false)),
    ("to_nice_json", |call, value, args| to_json(call, value, args, Some(4), true)),
    ("to_nice_yaml", |call, value, args| to_yaml(call, value, args, 4, Some(false))),
    ("to_yaml", |call, value, args| to_yaml(call, value, args, 2, None)),
    ("tojson", tojson),
];

/// Jinja's own: safe inside HTML.
fn tojson(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let indent = args.int(0, "indent")?;
    args.finish()?;
    let args = Args::new(Vec::new(), indent.map(|indent| ("indent".into(), Val::from(indent))).into_iter().collect());
    let text = call.text(&to_json(call, value, args, None, true)?)?;
    let escaped = text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    Ok(Val::from(escaped.replace('\'', "\\u0027")))
}

fn to_json(call: &Call, value: Val, mut args: Args, indent: Option<i128>, sort: bool) -> R<Val> {
    let indent = match args.take_kw("indent") {
        None if indent.is_some() => args.take(0, "indent").map_or(indent, |value| match value {
            Val::V(Value::Int(int)) => Some(int),
            _ => None,
        }),
        Some(Val::V(Value::Int(int))) => Some(int),
        _ => None,
    };
    let sort_keys = args.flag(if indent.is_some() { 1 } else { usize::MAX }, "sort_keys", sort)?;
    let ascii = args.flag(usize::MAX, "ensure_ascii", true)?;
    let nan = args.flag(usize::MAX, "allow_nan", true)?;
    for ignored in ["profile", "vault_to_text", "preprocess_unsafe", "default", "check_circular"] {
        let _ = args.take_kw(ignored);
    }
    let separators = match args.take_kw("separators") {
        Some(value) if indent.is_none() => Some(call.items(&value)?),
        _ => None,
    };
    args.finish()?;
    let indent = indent.and_then(|indent| usize::try_from(indent).ok());
    let data = call.value(&value)?;
    no_omit(&value, "Object of type '_OmitType' is not JSON serializable by the 'tagless' profile.")?;
    if matches!(data, Value::Bytes(_)) {
        return Err(Fail::said(
            "bytes have no form in JSON: decode them first",
            "Object of type 'bytes' is not JSON serializable by the 'tagless' profile.",
        ));
    }
    if !nan && has_nan(&data) {
        return Err(Fail::said(
            "a number is infinite or none at all, which JSON does not have",
            "Out of range float values are not JSON compliant",
        ));
    }
    if let Some([item, key]) = separators.as_deref() {
        let (item, key) = (call.text(item)?, call.text(key)?);
        call.cx().room_for_text(spread(&data, 0, 0, item.len() + key.len()))?;
        return Ok(Val::from(compact(&data, sort_keys, ascii, &item, &key)));
    }
    if let Some(indent) = indent {
        call.cx().room_for_text(spread(&data, 1, indent, 0))?;
    }
    Ok(Val::from(to_json_text(&data, JsonStyle { indent, sort_keys, ascii })))
}

/// `omit` leaves something out where a task takes a value, but is nothing that a text has.
fn no_omit(value: &Val, words: &str) -> R<()> {
    if value.omits(&mut HashSet::new()) {
        return Err(Fail::said("`omit` has no form in text", words)
            .with_hint("leave the entry out: `select`, `reject` and `combine` do"));
    }
    Ok(())
}

/// True if a number has no form in JSON.
fn has_nan(value: &Value) -> bool {
    match value {
        Value::Float(float) => !float.is_finite(),
        Value::List(items) => items.iter().any(has_nan),
        Value::Map(map) => map.values().any(has_nan),
        _ => false,
    }
}

/// Bytes that indents and separators take: for each entry `indent` times its depth, and `each`.
fn spread(value: &Value, depth: usize, indent: usize, each: usize) -> usize {
    let one = depth.saturating_mul(indent).saturating_add(each);
    let sum =
        |total: usize, item: &Value| total.saturating_add(one).saturating_add(spread(item, depth + 1, indent, each));
    match value {
        Value::List(items) => items.iter().fold(one, sum),
        Value::Map(map) => map.values().fold(one, sum),
        _ => 0,
    }
}

/// JSON on one line with separators of the user's choice.
fn compact(value: &Value, sort_keys: bool, ascii: bool, item: &str, key: &str) -> String {
    match value {
        Value::List(list) => {
            let parts: Vec<String> = list.iter().map(|value| compact(value, sort_keys, ascii, item, key)).collect();
            format!("[{}]", parts.join(item))
        }
        Value::Map(map) => {
            let mut pairs: Vec<(String, String)> = map
                .iter()
                .map(|(name, value)| {
                    let name = to_json_text(&Value::Str(json_key(name)), JsonStyle { ascii, ..JsonStyle::default() });
                    (name, compact(value, sort_keys, ascii, item, key))
                })
                .collect();
            if sort_keys {
                pairs.sort();
            }
            let parts: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}{key}{value}")).collect();
            format!("{{{}}}", parts.join(item))
        }
        scalar => to_json_text(scalar, JsonStyle { ascii, ..JsonStyle::default() }),
    }
}

fn from_json(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let _ = args.take_kw("profile");
    args.finish()?;
    let Some(text) = value.as_text() else {
        let _ = call;
        return Err(Fail::said(
            format!("`from_json` wants a string, not {}", value.kind()),
            format!("the JSON object must be str, bytes or bytearray, not {}", value.type_name()),
        ));
    };
    let value = parse_json(&text).map_err(|error| {
        let words = error.words(&text);
        Fail::said(format!("this is not JSON: {words}"), words)
    })?;
    Ok(Val::from(value))
}

fn documents(text: &str) -> R<Vec<Value>> {
    let sources = SourceMap::new();
    let file = sources.add("<from_yaml>", None, text);
    let loaded = load(&sources, &file, &LoadOptions::default());
    if let Some(error) = loaded.diagnostics.iter().find(|diag| diag.is_error()) {
        let place = error.span().map(|span| file.line_col(span.start));
        let at = place.map(|at| format!(" (line {}, column {})", at.line, at.column)).unwrap_or_default();
        return Err(Fail::msg(format!("this is not YAML: {}{at}", error.message)));
    }
    Ok(loaded.documents.iter().map(crate::yaml::Node::to_value).collect())
}

/// What is no text stays as it is.
fn no_text(call: &Call, name: &str, value: Val) -> Val {
    if !value.is_none() {
        let words = format!("The {name} filter ignored non-string input of type '{}'.", value.type_name());
        let text = format!("`{name}` leaves {} as it is", value.kind());
        let told = Told { place: call.cx().place.get(), ..Told::default() };
        let hint = format!("leave out `| {name}`");
        call.cx().templates.deprecated(text, Deprecation::core(words, "2.23"), told, &hint);
    }
    value
}

pub(super) fn from_yaml(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    let Some(text) = value.as_text() else { return Ok(no_text(call, "from_yaml", value)) };
    Ok(Val::from(documents(&text)?.into_iter().next().unwrap_or_default()))
}

fn from_yaml_all(call: &Call, value: Val, args: Args) -> R<Val> {
    args.finish()?;
    if value.is_none() {
        return Ok(Val::list(Vec::new()));
    }
    let Some(text) = value.as_text() else { return Ok(no_text(call, "from_yaml_all", value)) };
    Ok(Val::list(documents(&text)?.into_iter().map(Val::from).collect()))
}

fn to_yaml(call: &Call, value: Val, mut args: Args, indent: usize, flow: Option<bool>) -> R<Val> {
    let given = args.int(if indent == 4 { 0 } else { usize::MAX }, "indent")?;
    let indent = given.map_or(indent, |given| usize::try_from(given).unwrap_or(2));
    let width = args.int(usize::MAX, "width")?.map_or(80, |width| usize::try_from(width).unwrap_or(usize::MAX));
    let flow = match args.take_kw("default_flow_style") {
        None => flow,
        Some(Val::V(Value::Bool(flag))) => Some(flag),
        Some(_) => None,
    };
    let style = Style {
        indent: if (2..10).contains(&indent) { indent } else { 2 },
        width: if width > indent * 2 { width } else { 80 },
        sort_keys: args.flag(usize::MAX, "sort_keys", true)?,
        flow,
        explicit_start: args.flag(usize::MAX, "explicit_start", false)?,
        explicit_end: args.flag(usize::MAX, "explicit_end", false)?,
        unicode: args.flag(usize::MAX, "allow_unicode", true)?,
        scalar: args.text(call, usize::MAX, "default_style")?.and_then(|style| style.chars().next()),
        canonical: args.flag(usize::MAX, "canonical", false)?,
    };
    for ignored in ["vault_to_text", "dump_vault_tags", "encoding", "version", "tags", "line_break"] {
        let _ = args.take_kw(ignored);
    }
    let _ = args.rest();
    args.finish()?;
    let data = call.value(&value)?;
    no_omit(&value, "('cannot represent an object', <<Omit>>)")?;
    Ok(Val::from(yaml_out::dump(&data, style)))
}
