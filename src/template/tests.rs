//! The tests of Jinja2 and ansible-core (`is NAME`).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::OnceLock;

use crate::value::{Value, boolean};

use super::args::{Args, Call};
use super::code::Bin;
use super::fail::{Fail, R};
use super::ops;
use super::regex::Anchor;
use super::val::Val;
use super::{filters, regex, versions};

/// A test: the value, then its arguments.
pub type Test = fn(&Call, Val, Args) -> R<bool>;

const TABLE: &[(&str, Test)] = &[
    ("abs", |call, value, _| Ok(call.text(&value)?.starts_with('/'))),
    ("all", |call, value, _| every(call, &value, true)),
    ("any", |call, value, _| every(call, &value, false)),
    ("boolean", |_, value, _| Ok(matches!(value, Val::V(Value::Bool(_))))),
    ("callable", |_, value, _| Ok(matches!(value, Val::Func(_)))),
    ("change", changed),
    ("changed", changed),
    ("contains", |call, value, args| has_item(call, value, args, false)),
    ("defined", |_, value, _| Ok(!matches!(value, Val::Undef(_)))),
    ("directory", |call, value, _| path(call, &value, Path::is_dir)),
    ("divisibleby", divisible),
    ("eq", |call, value, args| compare(call, value, args, |order| order == Ordering::Equal)),
    ("equalto", |call, value, args| compare(call, value, args, |order| order == Ordering::Equal)),
    ("==", |call, value, args| compare(call, value, args, |order| order == Ordering::Equal)),
    ("escaped", |_, _, _| Ok(false)),
    ("even", |call, value, _| leaves(call, &value, &Val::from(2_i64), 0)),
    ("exists", |call, value, _| path(call, &value, Path::exists)),
    ("failed", |call, value, args| flag(call, &value, &args, "failed")),
    ("failure", |call, value, args| flag(call, &value, &args, "failed")),
    ("false", |_, value, _| Ok(matches!(value, Val::V(Value::Bool(false))))),
    ("falsy", |call, value, args| truthy(call, value, args).map(|holds| !holds)),
    ("file", |call, value, _| path(call, &value, Path::is_file)),
    ("filter", |call, value, _| Ok(filters::find(super::eval::short(&call.text(&value)?)).is_some())),
    ("finished", |call, value, args| asynchronous(call, &value, &args, "finished")),
    ("float", |_, value, _| Ok(matches!(value, Val::V(Value::Float(_))))),
    ("ge", |call, value, args| ordered(call, value, args, |order| order != Ordering::Less)),
    ("greaterthan", |call, value, args| ordered(call, value, args, |order| order == Ordering::Greater)),
    ("gt", |call, value, args| ordered(call, value, args, |order| order == Ordering::Greater)),
    ("in", |call, value, args| has_item(call, value, args, true)),
    ("integer", |_, value, _| Ok(matches!(value, Val::V(Value::Int(_) | Value::BigInt(_))))),
    ("is_abs", |call, value, _| Ok(call.text(&value)?.starts_with('/'))),
    ("is_dir", |call, value, _| path(call, &value, Path::is_dir)),
    ("is_file", |call, value, _| path(call, &value, Path::is_file)),
    ("is_link", |call, value, _| path(call, &value, Path::is_symlink)),
    ("is_mount", |call, value, _| path(call, &value, is_mount)),
    ("is_same_file", same_file),
    ("isnan", |_, value, _| Ok(matches!(value, Val::V(Value::Float(float)) if float.is_nan()))),
    ("issubset", |call, value, args| subset(call, value, args, false)),
    ("issuperset", |call, value, args| subset(call, value, args, true)),
    ("iterable", |_, value, _| {
        Ok(matches!(value, Val::List(_) | Val::Map(_) | Val::V(Value::Str(_) | Value::Bytes(_)) | Val::Loop(_)))
    }),
    ("le", |call, value, args| ordered(call, value, args, |order| order != Ordering::Greater)),
    ("lessthan", |call, value, args| ordered(call, value, args, |order| order == Ordering::Less)),
    ("link", |call, value, _| path(call, &value, Path::is_symlink)),
    ("link_exists", |call, value, _| path(call, &value, |path| path.symlink_metadata().is_ok())),
    ("lower", |call, value, _| {
        let text = call.text(&value)?;
        Ok(text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase))
    }),
    ("lt", |call, value, args| ordered(call, value, args, |order| order == Ordering::Less)),
    ("mapping", |_, value, _| Ok(matches!(value, Val::Map(_)))),
    ("match", |call, value, args| matches_pattern(call, &value, args, Some("match"))),
    ("mount", |call, value, _| path(call, &value, is_mount)),
    ("nan", |_, value, _| Ok(matches!(value, Val::V(Value::Float(float)) if float.is_nan()))),
    ("ne", |call, value, args| compare(call, value, args, |order| order != Ordering::Equal)),
    ("none", |_, value, _| Ok(value.is_none())),
    ("number", |_, value, _| Ok(ops::number(&value).is_some())),
    // As Jinja asks: a half is neither.
    ("odd", |call, value, _| leaves(call, &value, &Val::from(2_i64), 1)),
    ("reachable", |call, value, args| flag(call, &value, &args, "unreachable").map(|holds| !holds)),
    ("regex", |call, value, args| matches_pattern(call, &value, args, None)),
    ("same_file", same_file),
    ("sameas", sameas),
    ("search", |call, value, args| matches_pattern(call, &value, args, Some("search"))),
    ("sequence", |_, value, _| {
        Ok(matches!(value, Val::List(_) | Val::Map(_) | Val::V(Value::Str(_) | Value::Bytes(_))))
    }),
    ("skip", |call, value, args| flag(call, &value, &args, "skipped")),
    ("skipped", |call, value, args| flag(call, &value, &args, "skipped")),
    ("started", |call, value, args| asynchronous(call, &value, &args, "started")),
    ("string", |_, value, _| Ok(matches!(value, Val::V(Value::Str(_))))),
    ("subset", |call, value, args| subset(call, value, args, false)),
    ("succeeded", |call, value, args| flag(call, &value, &args, "failed").map(|holds| !holds)),
    ("success", |call, value, args| flag(call, &value, &args, "failed").map(|holds| !holds)),
    ("successful", |call, value, args| flag(call, &value, &args, "failed").map(|holds| !holds)),
    ("superset", |call, value, args| subset(call, value, args, true)),
    ("test", |call, value, _| Ok(find(super::eval::short(&call.text(&value)?)).is_some())),
    ("timedout", timedout),
    ("true", |_, value, _| Ok(matches!(value, Val::V(Value::Bool(true))))),
    ("truthy", truthy),
    ("undefined", |_, value, _| Ok(matches!(value, Val::Undef(_)))),
    ("unreachable", |call, value, args| flag(call, &value, &args, "unreachable")),
    ("upper", |call, value, _| {
        let text = call.text(&value)?;
        Ok(text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase))
    }),
    ("uri", |call, value, args| uri(call, &value, args, false)),
    ("url", |call, value, args| uri(call, &value, args, true)),
    ("urn", |call, value, _| Ok(matches!(url_part(call, &value, "scheme")?.as_str(), Some("urn")))),
    // A value that is sealed is opened on its way here, so that none is left that is.
    ("vault_encrypted", |_, _, _| Ok(false)),
    ("vaulted_file", vaulted_file),
    ("version", version),
    ("version_compare", version),
    ("!=", |call, value, args| compare(call, value, args, |order| order != Ordering::Equal)),
    ("<", |call, value, args| ordered(call, value, args, |order| order == Ordering::Less)),
    ("<=", |call, value, args| ordered(call, value, args, |order| order != Ordering::Greater)),
    (">", |call, value, args| ordered(call, value, args, |order| order == Ordering::Greater)),
    (">=", |call, value, args| ordered(call, value, args, |order| order != Ordering::Less)),
];

fn table() -> &'static BTreeMap<&'static str, Test> {
    static MAP: OnceLock<BTreeMap<&'static str, Test>> = OnceLock::new();
    MAP.get_or_init(|| TABLE.iter().chain(super::address_kinds::TABLE).copied().collect())
}

/// The test of a short name, or of the full name of one that only its collection has.
pub fn find(name: &str) -> Option<Test> {
    table().get(name).copied()
}

/// All names.
pub fn names() -> impl Iterator<Item = &'static str> {
    table().keys().copied()
}

fn every(call: &Call, value: &Val, wanted: bool) -> R<bool> {
    for item in call.items(value)? {
        if item.truthy()? != wanted {
            return Ok(!wanted);
        }
    }
    Ok(wanted)
}

fn divisible(call: &Call, value: Val, mut args: Args) -> R<bool> {
    let by = args.need(0, "num")?;
    leaves(call, &value, &by, 0)
}

/// True if a division of numbers leaves such a rest.
fn leaves(call: &Call, value: &Val, by: &Val, rest: i64) -> R<bool> {
    for side in [value, by] {
        if ops::number(side).is_none() {
            return Err(Fail::msg(format!("a number is expected, not {}", side.kind())));
        }
    }
    let found = ops::binary(call.cx(), Bin::Rem, value, by)?;
    ops::equal(call.cx(), &found, &Val::from(rest))
}

fn compare(call: &Call, value: Val, mut args: Args, holds: fn(Ordering) -> bool) -> R<bool> {
    let other = args.need(0, "other")?;
    let equal = ops::equal(call.cx(), &value, &other)?;
    Ok(holds(if equal { Ordering::Equal } else { Ordering::Less }))
}

fn ordered(call: &Call, value: Val, mut args: Args, holds: fn(Ordering) -> bool) -> R<bool> {
    let other = args.need(0, "other")?;
    Ok(!ops::unordered(&value, &other) && holds(ops::order(call.cx(), &value, &other)?))
}

fn sameas(call: &Call, value: Val, mut args: Args) -> R<bool> {
    let other = args.need(0, "other")?;
    Ok(match (&value, &other) {
        (Val::List(a), Val::List(b)) => std::rc::Rc::ptr_eq(a, b),
        (Val::Map(a), Val::Map(b)) => std::rc::Rc::ptr_eq(a, b),
        _ => value.type_name() == other.type_name() && ops::equal(call.cx(), &value, &other)?,
    })
}

fn has_item(call: &Call, value: Val, mut args: Args, swap: bool) -> R<bool> {
    let other = args.need(0, "value")?;
    if swap { ops::contains(call.cx(), &other, &value) } else { ops::contains(call.cx(), &value, &other) }
}

fn subset(call: &Call, value: Val, mut args: Args, swap: bool) -> R<bool> {
    let other = args.need(0, "b")?;
    let (small, large) = if swap { (&other, &value) } else { (&value, &other) };
    let large = Val::list(call.items(large)?);
    for item in call.items(small)? {
        if !ops::contains(call.cx(), &large, &item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn matches_pattern(call: &Call, value: &Val, mut args: Args, mode: Option<&str>) -> R<bool> {
    let pattern = args.text(call, 0, "pattern")?.unwrap_or_default();
    let ignore = args.flag(1, "ignorecase", false)?;
    let multi = args.flag(2, "multiline", false)?;
    let given = if mode.is_none() { args.text(call, 3, "match_type")? } else { None };
    args.finish()?;
    let mode = mode.or(given.as_deref()).unwrap_or("search");
    let anchor = match mode {
        "match" => Anchor::Start,
        "fullmatch" => Anchor::Whole,
        _ => Anchor::None,
    };
    let regex = regex::anchored(&pattern, anchor, ignore, multi)?;
    Ok(regex::search(&regex, &call.text(value)?)?.is_some())
}

fn result<'v>(value: &'v Val, name: &str) -> R<&'v super::val::MapCell> {
    match value {
        Val::Map(map) => Ok(map),
        other => Err(Fail::said(
            format!("the test `{name}` expects a result (a mapping), not {}", other.kind()),
            format!("The '{name}' test expects a dictionary"),
        )
        .with_hint("name the registered variable itself")),
    }
}

fn flag(call: &Call, value: &Val, args: &Args, name: &str) -> R<bool> {
    args.finish()?;
    match result(value, name)?.get_str(call.cx(), name)? {
        Some(value) => value.truthy(),
        None => Ok(false),
    }
}

fn asynchronous(call: &Call, value: &Val, args: &Args, name: &str) -> R<bool> {
    args.finish()?;
    match result(value, name)?.get_str(call.cx(), name)? {
        Some(value) => value.truthy(),
        None => Ok(true),
    }
}

fn changed(call: &Call, value: Val, args: Args) -> R<bool> {
    args.finish()?;
    let map = result(&value, "changed")?;
    if let Some(value) = map.get_str(call.cx(), "changed")? {
        return value.truthy();
    }
    if let Some(Val::List(results)) = map.get_str(call.cx(), "results")? {
        for item in results.items(call.cx())? {
            if let Val::Map(item) = item
                && let Some(value) = item.get_str(call.cx(), "changed")?
                && value.truthy()?
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn timedout(call: &Call, value: Val, args: Args) -> R<bool> {
    args.finish()?;
    match result(&value, "timedout")?.get_str(call.cx(), "timedout")? {
        Some(Val::Map(map)) => map.get_str(call.cx(), "period")?.map_or(Ok(false), |period| period.truthy()),
        _ => Ok(false),
    }
}

fn truthy(_: &Call, value: Val, mut args: Args) -> R<bool> {
    let convert = args.flag(0, "convert_bool", false)?;
    args.finish()?;
    if convert
        && let Val::V(value) = &value
        && let Some(known) = boolean(value)
    {
        return Ok(known);
    }
    value.truthy()
}

fn path(call: &Call, value: &Val, test: fn(&Path) -> bool) -> R<bool> {
    if value.as_str().is_none() {
        return Err(Fail::msg(format!("a path must be a string, not {}", value.kind())));
    }
    Ok(test(Path::new(&*call.text(value)?)))
}

fn is_mount(path: &Path) -> bool {
    let Ok(here) = path.symlink_metadata() else { return false };
    if here.is_symlink() {
        return false;
    }
    match path.join("..").metadata() {
        Ok(parent) => parent.dev() != here.dev() || parent.ino() == here.ino(),
        Err(_) => false,
    }
}

fn same_file(call: &Call, value: Val, mut args: Args) -> R<bool> {
    let other = args.need(0, "other")?;
    let id = |value: &Val| -> R<(u64, u64)> {
        let path = call.text(value)?;
        let data = std::fs::metadata(&*path).map_err(|error| Fail::msg(format!("`{path}`: {error}")))?;
        Ok((data.dev(), data.ino()))
    };
    Ok(id(&value)? == id(&other)?)
}

fn vaulted_file(call: &Call, value: Val, _: Args) -> R<bool> {
    let path = call.text(&value)?;
    let bytes = call.cx().templates.host().read_sealed(Path::new(&*path))?;
    Ok(bytes.starts_with(b"$ANSIBLE_VAULT;"))
}

fn url_part(call: &Call, value: &Val, name: &str) -> R<Val> {
    let parts = filters::url_parts(&call.text(value)?);
    Ok(parts.into_iter().find(|(known, _)| *known == name).map_or(Val::NONE, |(_, value)| value))
}

fn uri(call: &Call, value: &Val, mut args: Args, need_host: bool) -> R<bool> {
    let schemes = args.take(0, "schemes").filter(|schemes| !schemes.is_none());
    args.finish()?;
    if value.as_str().is_none() {
        return Ok(false);
    }
    let scheme = url_part(call, value, "scheme")?;
    if let Some(schemes) = schemes
        && !ops::contains(call.cx(), &schemes, &scheme)?
    {
        return Ok(false);
    }
    Ok(!need_host || url_part(call, value, "netloc")?.truthy()? || scheme.as_str() == Some("file"))
}

fn version(call: &Call, value: Val, mut args: Args) -> R<bool> {
    let other = args.need(0, "version")?;
    let operator = args.text(call, 1, "operator")?.unwrap_or_else(|| "eq".into());
    let strict = args.take(2, "strict").filter(|strict| !strict.is_none()).map(|strict| strict.truthy()).transpose()?;
    let kind = args.text(call, 3, "version_type")?;
    args.finish()?;
    if strict.is_some() && kind.is_some() {
        return Err(Fail::said(
            "`strict` and `version_type` can not be given both",
            "Cannot specify both 'strict' and 'version_type'",
        ));
    }
    if !value.truthy()? {
        return Err(Fail::said("the version is empty", "Input version value cannot be empty"));
    }
    if !other.truthy()? {
        let words = "Version parameter to compare against cannot be empty";
        return Err(Fail::said("the version to compare with is empty", words));
    }
    let holds: fn(Ordering) -> bool = match &*operator {
        "==" | "=" | "eq" => |order| order == Ordering::Equal,
        "<" | "lt" => |order| order == Ordering::Less,
        "<=" | "le" => |order| order != Ordering::Greater,
        ">" | "gt" => |order| order == Ordering::Greater,
        ">=" | "ge" => |order| order != Ordering::Less,
        "!=" | "<>" | "ne" => |order| order != Ordering::Equal,
        other => {
            let words = format!(
                "Invalid operator type ({other}). Must be one of '==', '=', 'eq', '<', 'lt', '<=', 'le', '>', 'gt', '>=', 'ge', '!=', '<>', 'ne'"
            );
            return Err(Fail::said(format!("there is no operator `{other}`"), words)
                .with_hint("it is `==`, `!=`, `<`, `<=`, `>` or `>=`"));
        }
    };
    let kind = kind.as_deref().unwrap_or(if strict == Some(true) { "strict" } else { "loose" });
    Ok(holds(versions::compare(kind, &call.text(&value)?, &call.text(&other)?)?))
}
