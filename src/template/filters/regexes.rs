//! `regex_replace`, `regex_search`, `regex_findall`, `regex_escape`.

use std::sync::Arc;

use fancy_regex::{Captures, Regex};

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::regex;
use super::super::val::Val;
use super::Entry;

/// The table of this file.
pub const TABLE: &[Entry] = &[
    ("regex_escape", regex_escape),
    ("regex_findall", regex_findall),
    ("regex_replace", regex_replace),
    ("regex_search", regex_search),
];

fn pattern(args: &mut Args, text: &str, ignore: usize, multi: usize) -> R<Arc<Regex>> {
    let ignore = args.flag(ignore, "ignorecase", false)?;
    let multi = args.flag(multi, "multiline", false)?;
    regex::compile(text, ignore, multi)
}

fn regex_replace(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let text = args.text(call, 0, "pattern")?.unwrap_or_default();
    let replacement = args.text(call, 1, "replacement")?.unwrap_or_default();
    let regex = pattern(&mut args, &text, 2, 3)?;
    let count = usize::try_from(args.int(4, "count")?.unwrap_or(0)).unwrap_or(0);
    let mandatory = usize::try_from(args.int(5, "mandatory_count")?.unwrap_or(0)).unwrap_or(0);
    args.finish()?;
    let (out, done) = regex::replace(&regex, &call.text(&value)?, &replacement, count, Some(call.cx()))?;
    if mandatory > 0 && mandatory != done {
        let subject = call.text(&value)?;
        return Err(Fail::said(
            format!("`{text}` should match {mandatory} times, but matches {done} times"),
            format!("'{text}' should match {mandatory} times, but matches {done} times in '{subject}'"),
        ));
    }
    Ok(Val::from(out))
}

fn group(found: &Captures<'_, str>, index: usize) -> Val {
    found.get(index).map_or(Val::NONE, |group| Val::from(group.as_str()))
}

fn regex_search(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let text = args.text(call, 0, "regex")?.unwrap_or_default();
    let regex = pattern(&mut args, &text, usize::MAX, usize::MAX)?;
    let wanted = args.rest();
    args.finish()?;
    let subject = call.text(&value)?;
    let mut groups = Vec::new();
    for name in wanted {
        let name = call.text(&name)?;
        let number = name.strip_prefix('\\').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let inner = name.strip_prefix("\\g<").and_then(|rest| rest.strip_suffix('>')).or(number);
        let Some(inner) = inner else {
            return Err(Fail::said(
                format!("`{name}` is not a group: write `\\\\1` or `\\\\g<name>`"),
                if name.starts_with('\\') { "'NoneType' object has no attribute 'group'" } else { "Unknown argument" },
            ));
        };
        groups.push(inner.to_owned());
    }
    let Some(found) = regex::search(&regex, &subject)? else { return Ok(Val::NONE) };
    if groups.is_empty() {
        return Ok(group(&found, 0));
    }
    let mut out = Vec::new();
    for inner in &groups {
        out.push(match inner.parse::<usize>() {
            Ok(index) if index < found.len() => group(&found, index),
            Err(_) if regex.capture_names().flatten().any(|known| known == inner) => {
                found.name(inner.as_str()).map_or(Val::NONE, |group| Val::from(group.as_str()))
            }
            _ => return Err(Fail::said(format!("the pattern has no group `{inner}`"), "no such group")),
        });
    }
    Ok(Val::list(out))
}

fn regex_findall(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let text = args.text(call, 0, "regex")?.unwrap_or_default();
    let regex = pattern(&mut args, &text, 2, 1)?;
    args.finish()?;
    let subject = call.text(&value)?;
    let one = |found: &Captures<'_, str>, index| {
        Val::from(found.get(index).map_or("", |group: fancy_regex::Match<'_>| group.as_str()))
    };
    let out = regex::all(&regex, &subject)?
        .iter()
        .map(|found| match found.len() {
            1 => one(found, 0),
            2 => one(found, 1),
            count => Val::tuple((1..count).map(|index| one(found, index)).collect()),
        })
        .collect();
    Ok(Val::list(out))
}

fn regex_escape(call: &Call, value: Val, mut args: Args) -> R<Val> {
    let kind = args.text(call, 0, "re_type")?.unwrap_or_else(|| "python".into());
    args.finish()?;
    let text = call.text(&value)?;
    match &*kind {
        "python" => Ok(Val::from(regex::escape(&text))),
        "posix_basic" => {
            let mut out = String::new();
            for c in text.chars() {
                if "].[^$*\\".contains(c) {
                    out.push('\\');
                }
                out.push(c);
            }
            Ok(Val::from(out))
        }
        other => {
            // Ansible has two types as well; `msg` of its error is what playbooks test, so these are its words.
            let words = match other {
                "posix_extended" => "Regex type (posix_extended) not yet implemented".to_owned(),
                _ => format!("Invalid regex type ({other})"),
            };
            Err(Fail::said(format!("`regex_escape` has no `re_type` `{other}`, as Ansible has none"), words)
                .with_hint("re_type='python' or re_type='posix_basic'"))
        }
    }
}
