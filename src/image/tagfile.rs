//! The tag file in Kayobe's shape, with hostctl's record of digests beside it.
//!
//! `kolla_image_tags: {openstack: {rocky-9: TAG}, NAME: {...}}` is what Kayobe reads: `openstack`
//! stands for all images, other keys are prefixes of image names with underscores. Comments,
//! order and unknown fields stay; what this file writes is read again before it counts.

use crate::diag::{Diagnostic, Result, SourceMap};
use crate::value::{Key, Map, Value, insert};
use crate::yaml;

/// Kayobe's key.
pub const TAGS_KEY: &str = "kolla_image_tags";
/// hostctl's own key.
pub const RECORD_KEY: &str = "hostctl_image_tags";
/// The version of what is under [`RECORD_KEY`].
pub const VERSION: i128 = 1;

/// What is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// `openstack`, or prefixes of image names with underscores.
    pub sets: Vec<String>,
    /// `rocky-9`.
    pub distribution: String,
    /// The tag.
    pub tag: String,
    /// Digests by full image name, with the image's tag where that is another one.
    pub digests: Vec<(String, String)>,
    /// RFC 3339.
    pub time: String,
    /// The run's id, if known.
    pub run: Option<String>,
}

impl Update {
    /// Adds the digests that the file has for these names, whatever the tag was.
    pub fn keep_recorded(&mut self, text: &str, names: &[String]) -> Result<()> {
        let before = read(text)?;
        for set in &self.sets {
            let known = recorded(&before, set, &self.distribution).and_then(|known| known.get("digests"));
            for name in names {
                let digest = known.and_then(|digests| digests.get(name)).and_then(Value::as_str);
                if let (Some(digest), false) = (digest, self.digests.iter().any(|(own, _)| own == name)) {
                    self.digests.push((name.clone(), digest.to_owned()));
                }
            }
        }
        Ok(())
    }
}

/// What the file has of a set.
fn recorded<'a>(file: &'a Value, set: &str, distribution: &str) -> Option<&'a Value> {
    file.get(RECORD_KEY)?.get("sets")?.get(set)?.get(distribution)
}

/// The file's new text; the same text if it says all of this already. Digests that are recorded for the same tag stay: a run
/// may be of some images only.
pub fn update(text: &str, update: &Update) -> Result<String> {
    let before = read(text)?;
    let mut new = text.to_owned();
    for set in &update.sets {
        new = yaml::set_key(&new, &[TAGS_KEY, set, &update.distribution], &Value::from(update.tag.as_str()))
            .map_err(refused)?;
    }
    for set in &update.sets {
        let known = recorded(&before, set, &update.distribution);
        let known = known.filter(|known| known.get("tag").and_then(Value::as_str) == Some(update.tag.as_str()));
        let before = known.map(|known| known.get("digests").and_then(Value::as_map).cloned().unwrap_or_default());
        let mut digests: Map = before.clone().unwrap_or_default();
        for (name, digest) in &update.digests {
            digests.insert(Key::from(name.as_str()), Value::from(digest.as_str()));
        }
        if before.as_ref() == Some(&digests) {
            continue;
        }
        let mut record = Map::new();
        insert(&mut record, "tag", update.tag.as_str());
        insert(&mut record, "time", update.time.as_str());
        if let Some(run) = &update.run {
            insert(&mut record, "run", run.as_str());
        }
        insert(&mut record, "digests", digests.clone());
        new = yaml::set_key(&new, &[RECORD_KEY, "version"], &Value::Int(VERSION)).map_err(refused)?;
        new = yaml::set_key(&new, &[RECORD_KEY, "sets", set, &update.distribution], &record.into()).map_err(refused)?;
    }
    let after = read(&new)?;
    for set in &update.sets {
        let found = after.get(TAGS_KEY).and_then(|tags| tags.get(set)).and_then(|set| set.get(&update.distribution));
        if found.and_then(Value::as_str) != Some(update.tag.as_str()) {
            return Err(Diagnostic::internal("the tag file does not say what was written into it"));
        }
    }
    Ok(new)
}

/// Reads a tag file; what cannot be trusted is refused.
pub fn read(text: &str) -> Result<Value> {
    let marker = |line: &str| ["<<<<<<< ", ">>>>>>> ", "||||||| "].iter().any(|mark| line.starts_with(mark));
    if let Some(line) = text.lines().position(|line| marker(line) || line == "=======") {
        return Err(Diagnostic::local("B0013", format!("line {} is a merge marker", line + 1))
            .with_hint("finish the merge, then run again"));
    }
    let sources = SourceMap::new();
    let file = sources.add("tag file", None, text);
    let value = yaml::load(&sources, &file, &yaml::LoadOptions::strict())
        .one(&file)
        .map(|node| node.to_value())
        .map_err(|error| {
            let place = error.span().map_or(String::new(), |span| {
                let at = file.line_col(span.start);
                format!("line {}:{}: ", at.line, at.column)
            });
            Diagnostic::local("B0013", format!("{place}{}", error.message))
        })?;
    if !matches!(value, Value::Null | Value::Map(_)) {
        return Err(wrong_shape("the file", "a mapping", &value));
    }
    if let Some(tags) = value.get(TAGS_KEY).filter(|tags| **tags != Value::Null) {
        let Some(sets) = tags.as_map() else { return Err(wrong_shape(TAGS_KEY, "a mapping", tags)) };
        for (set, tags) in sets {
            if tags.as_map().is_none() && *tags != Value::Null {
                return Err(wrong_shape(
                    &format!("{TAGS_KEY}.{}", set.text()),
                    "a mapping of distributions to tags",
                    tags,
                ));
            }
        }
    }
    if let Some(record) = value.get(RECORD_KEY) {
        match record.get("version").and_then(Value::as_int) {
            Some(VERSION) => {}
            Some(newer) if newer > VERSION => {
                return Err(Diagnostic::local(
                    "B0013",
                    format!("`{RECORD_KEY}` has version {newer}; this hostctl knows {VERSION}"),
                )
                .with_hint("use the newer hostctl that wrote it"));
            }
            _ => return Err(wrong_shape(&format!("{RECORD_KEY}.version"), &format!("the number {VERSION}"), record)),
        }
    }
    Ok(value)
}

fn wrong_shape(what: &str, expected: &str, found: &Value) -> Diagnostic {
    Diagnostic::local("B0013", format!("`{what}`: expected {expected}, found {}", found.type_name()))
}

fn refused(error: Diagnostic) -> Diagnostic {
    Diagnostic::local("B0013", error.message.clone()).with_note("the file was left as it is")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(tag: &str) -> Update {
        Update {
            sets: vec!["openstack".into()],
            distribution: "rocky-9".into(),
            tag: tag.into(),
            digests: vec![("r:5000/lab/base".into(), "sha256:ab".into())],
            time: "2026-11-21T06:17:04Z".into(),
            run: Some("20261121T061704-7f3a".into()),
        }
    }

    #[test]
    fn an_empty_file_gets_kayobes_shape_and_the_record() {
        let text = update("", &change("t1")).unwrap();
        assert_eq!(
            text,
            "kolla_image_tags:\n  openstack:\n    rocky-9: t1\nhostctl_image_tags:\n  version: 1\n  sets:\n    openstack:\n      \
             rocky-9:\n        tag: t1\n        time: '2026-11-21T06:17:04Z'\n        run: 20261121T061704-7f3a\n        digests:\n          \
             'r:5000/lab/base': 'sha256:ab'\n"
        );
        assert_eq!(update(&text, &Update { time: "later".into(), ..change("t1") }).unwrap(), text, "nothing new");
    }

    #[test]
    fn comments_order_and_unknown_fields_stay() {
        let text = "# tags of the site\nother: {a: 1}\nkolla_image_tags:\n  # all images\n  openstack:\n    \
                    debian-bookworm: x   # until May\n    rocky-9: old\n  nova:\n    rocky-9: n1\nlast: 2\n";
        let new = update(text, &change("new")).unwrap();
        assert!(new.starts_with(&text.replace("rocky-9: old", "rocky-9: new")), "{new}");
        let second = Update { sets: vec!["nova".into(), "cell_x".into()], ..change("n2") };
        let new = update(&new, &second).unwrap();
        let value = read(&new).unwrap();
        let tag =
            |set: &str| value.get(TAGS_KEY).and_then(|tags| tags.get(set)?.get("rocky-9")?.as_str().map(str::to_owned));
        assert_eq!([tag("openstack"), tag("nova"), tag("cell_x")].map(Option::unwrap), ["new", "n2", "n2"]);
        assert!(new.contains("# until May") && new.contains("last: 2"));
    }

    #[test]
    fn what_cannot_be_trusted_is_refused() {
        for (text, part) in [
            ("a: 1\n<<<<<<< HEAD\nb: 2\n=======\n", "line 2 is a merge marker"),
            ("hostctl_image_tags:\n  version: 2\n", "has version 2"),
            ("hostctl_image_tags: {}\n", "expected the number 1"),
            ("- a\n", "expected a mapping"),
            ("kolla_image_tags: x\n", "expected a mapping"),
            ("kolla_image_tags: {openstack: x}\n", "expected a mapping of distributions"),
            ("kolla_image_tags:\n\topenstack: x\n", "line 2:"),
            ("a: 1\na: 2\n", "line 2:"),
        ] {
            let error = update(text, &change("t")).unwrap_err();
            assert_eq!(error.code, "B0013", "{text}");
            assert!(error.message.contains(part), "{text}: {}", error.message);
            assert!(error.labels.is_empty());
        }
    }
}
