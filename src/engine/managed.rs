//! What a template file knows of itself: `template_path` and its like, and `ansible_managed`, whose text is a setting.

use std::path::Path;
use std::sync::Arc;

use crate::diag::{Diagnostic, Result};
use crate::system::accounts::account_of_uid;
use crate::template::{MANAGED_TEMPLATE, Setting, format_time};
use crate::value::Value;
use crate::vars::Scope;

/// The text of `ansible_managed` that nobody changed.
const DEFAULT: &str = "Ansible managed";

/// The text of the setting.
pub(super) fn configured(setting: Result<Option<Setting>>) -> Result<String> {
    let text = setting?.and_then(|setting| setting.value.as_str().map(str::to_owned));
    Ok(text.unwrap_or_else(|| DEFAULT.to_owned()))
}

/// What a template file knows of itself. `name`: as it was asked for; `dest`: where it goes, if it is known;
/// `managed`: the text of the setting.
pub(super) fn template_values(
    path: &Path,
    name: &str,
    dest: Option<&str>,
    managed: &str,
    scope: &Scope,
) -> Result<Vec<(Arc<str>, Value)>> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = std::fs::metadata(path).map_err(|error| super::inputs::unreadable(path, &error))?;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let uid = meta.uid();
    let owner = account_of_uid(uid).map_or_else(|| uid.to_string(), |account| account.name);
    let moment = |seconds: i64| {
        let at = jiff::Timestamp::from_second(seconds).ok()?;
        Some(at.to_zoned(jiff::tz::TimeZone::system()))
    };
    let time = |seconds: i64| moment(seconds).map_or(Value::Null, |at| Value::DateTime(at.datetime(), None));
    let now = jiff::Timestamp::now().as_second();
    let mut values: Vec<(Arc<str>, Value)> = vec![
        ("template_host".into(), Value::from(host)),
        ("template_path".into(), Value::from(name)),
        ("template_fullpath".into(), Value::from(path.display().to_string())),
        ("template_uid".into(), Value::from(owner.as_str())),
        ("template_mtime".into(), time(meta.mtime())),
        ("template_run_date".into(), time(now)),
    ];
    if scope.get("ansible_managed").is_none() {
        let changed = moment(meta.mtime());
        // The times are those of the setting's text; names that are put in have none.
        let timed = pieces(managed)?.into_iter().map(|piece| match (piece, &changed) {
            (Piece::Text(text), Some(at)) if text.contains('%') => Piece::Text(format_time(at, &text)),
            (piece, _) => piece,
        });
        let timed: Vec<Piece> = timed.collect();
        let is_template =
            |piece: &Piece| matches!(piece, Piece::Text(text) if text.contains("{{") || text.contains("{%"));
        // Nothing that a name holds is ever rendered.
        let (variable, put) = if timed.iter().any(is_template) {
            (MANAGED_TEMPLATE, ["{{ template_path }}", "{{ template_host }}", "{{ template_uid }}"])
        } else {
            ("ansible_managed", [name, host, owner.as_str()])
        };
        let text: String = timed
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::File => put[0],
                Piece::Host => put[1],
                Piece::Uid => put[2],
            })
            .collect();
        values.push((variable.into(), Value::from(text)));
    }
    values.extend(dest.map(|dest| (Arc::from("template_destpath"), Value::from(dest))));
    Ok(values)
}

/// A part of the setting's text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    File,
    Host,
    Uid,
}

/// The text as Python's `str.format` takes it apart.
fn pieces(managed: &str) -> Result<Vec<Piece>> {
    let wrong = |what: String, words: &str| {
        Diagnostic::task("C0122", format!("the setting `ansible_managed` cannot be used: {what}"))
            .with_registered(words)
            .with_note(format!("it is `{managed}`"))
            .with_hint("`{file}`, `{host}` and `{uid}` are filled in; write other braces twice: `{{` and `}}`")
    };
    let (mut found, mut text) = (Vec::new(), String::new());
    let mut rest = managed;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let brace = &rest[at..=at];
        if after.starts_with(brace) {
            text.push_str(brace);
            rest = &after[1..];
            continue;
        }
        if brace == "}" {
            return Err(wrong("a `}` stands alone".to_owned(), "Single '}' encountered in format string"));
        }
        let Some((field, more)) = after.split_once('}') else {
            let words = if after.is_empty() {
                "Single '{' encountered in format string"
            } else {
                "expected '}' before end of string"
            };
            return Err(wrong("a `{` is never closed".to_owned(), words));
        };
        let name = field.split(['!', ':']).next().unwrap_or_default();
        let piece = match name {
            "file" => Piece::File,
            "host" => Piece::Host,
            "uid" => Piece::Uid,
            other => return Err(wrong(format!("`{{{other}}}` is nothing to fill in"), &format!("'{other}'"))),
        };
        found.extend((!text.is_empty()).then(|| Piece::Text(std::mem::take(&mut text))));
        found.push(piece);
        rest = more;
    }
    text.push_str(rest);
    found.extend((!text.is_empty()).then_some(Piece::Text(text)));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_taken_apart_as_by_python() {
        let text = |text: &str| Piece::Text(text.to_owned());
        assert_eq!(
            pieces("made from {file} by {uid!s} on {host}: {{ x }}").unwrap(),
            [text("made from "), Piece::File, text(" by "), Piece::Uid, text(" on "), Piece::Host, text(": { x }")]
        );
        assert_eq!(pieces("").unwrap(), []);
        let wrong = |text: &str| pieces(text).unwrap_err().registered().to_owned();
        assert_eq!(wrong("{nope}"), "'nope'");
        assert_eq!(wrong("a } b"), "Single '}' encountered in format string");
        assert_eq!(wrong("a {file"), "expected '}' before end of string");
    }

    #[test]
    fn times_are_those_of_the_file_and_names_are_put_in_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a%Yb.j2");
        std::fs::write(&path, "x").unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        file.set_modified(at).unwrap();
        let shown = path.display().to_string();
        let values = template_values(&path, &shown, None, "%Y {file}", &Scope::default()).unwrap();
        let (_, value) = values.iter().find(|(name, _)| &**name == "ansible_managed").unwrap();
        assert_eq!(value.as_str(), Some(format!("2001 {shown}").as_str()));
    }
}
