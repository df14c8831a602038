//! `ini`: values of INI and properties files, read as Python's `configparser` reads them.

use std::rc::Rc;

use indexmap::IndexMap;

use crate::value::{Value, boolean_word};

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::val::Val;
use super::super::{codec, regex};
use super::tables::term_options;
use super::texts;

const OPTIONS: [&str; 11] = [
    "type",
    "file",
    "section",
    "re",
    "encoding",
    "default",
    "case_sensitive",
    "allow_no_value",
    "allow_none",
    "interpolation",
    "key",
];

/// Deepest chain of `%(name)s`, as Python has it.
const MAX_INTERPOLATION: usize = 10;

/// Names and values.
pub type Section = IndexMap<String, Option<String>>;

struct Settings {
    properties: bool,
    file: String,
    section: String,
    regex: bool,
    encoding: String,
    default: Val,
    case: bool,
    no_value: bool,
    interpolation: bool,
}

fn truth(value: &Val) -> R<bool> {
    match value {
        Val::V(Value::Str(text)) => Ok(boolean_word(text).unwrap_or(false)),
        other => other.truthy(),
    }
}

impl Settings {
    fn new(file: &str) -> Self {
        Self {
            properties: false,
            file: file.to_owned(),
            section: "global".to_owned(),
            regex: false,
            encoding: "utf-8".to_owned(),
            default: Val::from(""),
            case: false,
            no_value: false,
            interpolation: true,
        }
    }

    fn set(&mut self, call: &Call, name: &str, value: &Val) -> R<()> {
        let text = || call.text(value).map(|text| text.to_string());
        match name {
            "type" => self.properties = text()? == "properties",
            "file" => self.file = text()?,
            "section" => self.section = text()?,
            "re" => self.regex = truth(value)?,
            "encoding" => self.encoding = text()?,
            "default" => self.default = value.clone(),
            "case_sensitive" => self.case = truth(value)?,
            "allow_no_value" | "allow_none" => self.no_value = truth(value)?,
            "interpolation" => self.interpolation = truth(value)?,
            _ => {}
        }
        Ok(())
    }

    fn name(&self, text: &str) -> String {
        if self.case { text.to_owned() } else { text.to_lowercase() }
    }
}

/// The sections of a text, names as they are written.
pub fn sections(text: &str) -> R<IndexMap<String, Section>> {
    parse(text, &Settings { case: true, ..Settings::new("<string>") })
}

/// The values that the terms name.
pub fn ini(call: &Call, terms: &[Val], args: &mut Args) -> R<Vec<Val>> {
    let mut settings = Settings::new("ansible.ini");
    for name in OPTIONS {
        if let Some(value) = args.take_kw(name) {
            settings.set(call, name, &value)?;
        }
    }
    let mut out = Vec::new();
    for term in texts(call, terms)? {
        let (key, options) = term_options(&term, &OPTIONS)?;
        for (name, value) in options {
            settings.set(call, &name, &Val::from(value))?;
        }
        let key = key.ok_or_else(|| {
            Fail::said(
                "`ini` needs the key to look for before its options",
                format!("No key to look up was provided as first term within string inline options: {term}"),
            )
        })?;
        if settings.properties {
            "java_properties".clone_into(&mut settings.section);
        }
        let host = call.cx().templates.host();
        let path = host.find("files", &settings.file, &call.ev.env.scope).ok_or_else(|| {
            Fail::said(
                format!("the file `{}` was not found", settings.file),
                format!("Unable to find '{}' in expected paths.", settings.file),
            )
        })?;
        let text = codec::decode(&host.read(&path)?, &settings.encoding)?;
        let sections = parse(&text, &settings)?;
        found(&sections, &key, &settings, &mut out)?;
    }
    Ok(out)
}

fn found(sections: &IndexMap<String, Section>, key: &str, settings: &Settings, out: &mut Vec<Val>) -> R<()> {
    let empty = Section::new();
    let defaults = sections.get("DEFAULT").unwrap_or(&empty);
    let own = match sections.get(&settings.section) {
        Some(own) if settings.section != "DEFAULT" => own,
        _ => {
            let (section, file) = (&settings.section, &settings.file);
            return Err(Fail::said(
                format!("`{file}` has no section `{section}`"),
                format!("No section '{section}' in '{file}'."),
            ));
        }
    };
    let mut all = defaults.clone();
    all.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
    let value = |text: &str| -> R<Val> {
        Ok(Val::from(if settings.interpolation { interpolate(text, &all, 0)? } else { text.to_owned() }))
    };
    if settings.regex {
        let pattern = regex::anchored(key, regex::Anchor::Start, false, false)?;
        for (name, text) in &all {
            if regex::search(&pattern, name)?.is_some() {
                out.push(text.as_deref().map_or(Ok(Val::NONE), value)?);
            }
        }
        return Ok(());
    }
    match all.get(&settings.name(key)) {
        Some(Some(text)) => out.push(value(text)?),
        Some(None) => {}
        None if settings.default.is_none() => {}
        None => out.push(settings.default.clone()),
    }
    Ok(())
}

fn wrong(file: &str, line: usize, what: &str) -> Fail {
    Fail::msg(format!("`{file}`, line {line}: {what}"))
}

fn parse(text: &str, settings: &Settings) -> R<IndexMap<String, Section>> {
    let file = settings.file.as_str();
    let mut sections: IndexMap<String, Section> = IndexMap::new();
    let mut current: Option<Rc<str>> = None;
    if settings.properties {
        sections.insert(settings.section.clone(), Section::new());
        current = Some(settings.section.as_str().into());
    }
    let mut option: Option<(String, usize)> = None;
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            // An empty line may stand inside a value.
            if let (true, Some(section), Some((name, _))) = (trimmed.is_empty(), &current, &option)
                && let Some(Some(value)) = sections.get_mut(&**section).and_then(|entries| entries.get_mut(name))
            {
                value.push('\n');
            }
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        if let (Some(section), Some((name, level))) = (&current, &option)
            && indent > *level
        {
            if let Some(Some(value)) = sections.get_mut(&**section).and_then(|entries| entries.get_mut(name)) {
                value.push('\n');
                value.push_str(trimmed);
            }
            continue;
        }
        option = None;
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')).map(|(name, _)| name) {
            if name != "DEFAULT" && sections.contains_key(name) {
                return Err(wrong(file, number + 1, &format!("the section `{name}` is there twice")));
            }
            sections.entry(name.to_owned()).or_default();
            current = Some(name.into());
            continue;
        }
        let Some(section) = &current else {
            return Err(wrong(file, number + 1, "a value before the first section"));
        };
        let (name, value) = match trimmed.find(['=', ':']) {
            Some(at) => (trimmed[..at].trim(), Some(trimmed[at + 1..].trim().to_owned())),
            None if settings.no_value => (trimmed, None),
            None => return Err(wrong(file, number + 1, "a key without a value")),
        };
        let name = settings.name(name);
        let entries = sections.entry(section.to_string()).or_default();
        if entries.insert(name.clone(), value).is_some() {
            return Err(Fail::said(
                format!("`{file}`, line {}: `{name}` is there twice", number + 1),
                format!("Duplicate option in '{file}'."),
            ));
        }
        option = Some((name, indent));
    }
    for value in sections.values_mut().flat_map(IndexMap::values_mut).flatten() {
        value.truncate(value.trim_end().len());
    }
    Ok(sections)
}

/// `%(name)s` and `%%`.
fn interpolate(text: &str, all: &Section, depth: usize) -> R<String> {
    if depth > MAX_INTERPOLATION {
        return Err(Fail::msg(format!("`{text}` refers to itself")));
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let Some((name, after)) = after.strip_prefix('(').and_then(|inner| inner.split_once(")s")) else {
            return Err(Fail::msg(format!("in `{text}` a `%` needs `%` or `(name)s` behind it"))
                .with_hint("add `interpolation=false` to read values as they are"));
        };
        match all.get(&name.to_lowercase()).or_else(|| all.get(name)) {
            Some(Some(value)) => out.push_str(&interpolate(value, all, depth + 1)?),
            _ => return Err(Fail::msg(format!("`{text}` names `{name}`, which is not there"))),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(no_value: bool) -> Settings {
        Settings {
            properties: false,
            file: "t.ini".to_owned(),
            section: "x".to_owned(),
            regex: false,
            encoding: "utf-8".to_owned(),
            default: Val::from(""),
            case: false,
            no_value,
            interpolation: true,
        }
    }

    #[test]
    fn reads_as_configparser_does() {
        let all = parse("[x]\na = 1\n  2\nB: %(a)s%%\nc\n", &settings(true)).ok().unwrap();
        assert_eq!(all["x"]["a"].as_deref(), Some("1\n2"));
        assert_eq!(all["x"]["c"], None);
        assert_eq!(interpolate("%(a)s%%", &all["x"], 0).ok().as_deref(), Some("1\n2%"));
        assert!(interpolate("%a", &all["x"], 0).is_err());
        for wrong in ["a=1\n", "[x]\na\n", "[x]\na=1\nA=2\n", "[x]\n[x]\n"] {
            assert!(parse(wrong, &settings(false)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_value_that_names_itself_ends() {
        let all = parse("[x]\na = %(a)s\n", &settings(false)).ok().unwrap();
        assert!(interpolate("%(a)s", &all["x"], 0).is_err());
    }
}
