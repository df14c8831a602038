//! What a tag file says, row by row, and how two of them differ. Reads values only; `tagfile` reads and writes the text.

use std::collections::BTreeMap;

use serde::Serialize;

use super::tagfile::{RECORD_KEY, TAGS_KEY};
use crate::value::{Value, python_str};

/// One set of images of one distribution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TagRow {
    /// `openstack`, or a prefix of image names with underscores.
    pub set: String,
    /// `rocky-9`.
    pub distribution: String,
    /// The tag that Kayobe reads; none if only the record has this row.
    pub tag: Option<String>,
    /// What hostctl recorded beside it.
    pub record: Option<TagRecord>,
}

/// hostctl's record of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TagRecord {
    /// The tag that the digests belong to.
    pub tag: String,
    /// RFC 3339.
    pub time: String,
    /// The run that made them.
    pub run: Option<String>,
    /// Digests by full image name without tag.
    pub digests: BTreeMap<String, String>,
}

impl TagRow {
    /// The digests, if they belong to the tag that Kayobe reads: after an edit by hand they are those of another tag.
    pub fn current(&self) -> Option<&TagRecord> {
        self.record.as_ref().filter(|record| self.tag.as_ref().is_none_or(|tag| *tag == record.tag))
    }
}

/// The rows of a tag file, as `tagfile::read` gives it, in the order of the file.
pub fn rows(file: &Value) -> Vec<TagRow> {
    let mut rows: Vec<TagRow> = Vec::new();
    let mut pairs = |of: Option<&Value>, put: &dyn Fn(&mut TagRow, &Value)| {
        for (set, distributions) in of.and_then(Value::as_map).into_iter().flatten() {
            for (distribution, value) in distributions.as_map().into_iter().flatten() {
                let (set, distribution) = (set.text().to_string(), distribution.text().to_string());
                let known = rows.iter().position(|row| row.set == set && row.distribution == distribution);
                let at = known.unwrap_or_else(|| {
                    rows.push(TagRow { set, distribution, ..TagRow::default() });
                    rows.len() - 1
                });
                put(&mut rows[at], value);
            }
        }
    };
    pairs(file.get(TAGS_KEY), &|row, value| row.tag = (*value != Value::Null).then(|| python_str(value)));
    pairs(file.get(RECORD_KEY).and_then(|record| record.get("sets")), &|row, value| {
        let text = |key: &str| value.get(key).filter(|found| **found != Value::Null).map(python_str);
        let digests = value.get("digests").and_then(Value::as_map).into_iter().flatten();
        row.record = Some(TagRecord {
            tag: text("tag").unwrap_or_default(),
            time: text("time").unwrap_or_default(),
            run: text("run"),
            digests: digests.map(|(name, digest)| (name.text().to_string(), python_str(digest))).collect(),
        });
    });
    rows
}

/// How a row differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TagChange {
    /// The set.
    pub set: String,
    /// The distribution.
    pub distribution: String,
    /// The tag before; none if the row is new.
    pub before: Option<String>,
    /// The tag after; none if the row went.
    pub after: Option<String>,
    /// Images whose digest differs.
    pub digests: Vec<DigestChange>,
}

/// How an image differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DigestChange {
    /// Full name without tag.
    pub image: String,
    /// The digest before.
    pub before: Option<String>,
    /// The digest after.
    pub after: Option<String>,
}

/// What differs between two tag files; empty if nothing does. Times and runs do not count.
pub fn difference(before: &[TagRow], after: &[TagRow]) -> Vec<TagChange> {
    let mut keys: Vec<(&str, &str)> = Vec::new();
    for row in before.iter().chain(after) {
        let key = (row.set.as_str(), row.distribution.as_str());
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let find = |rows: &'_ [TagRow], key: (&str, &str)| {
        rows.iter().find(|row| (row.set.as_str(), row.distribution.as_str()) == key).cloned().unwrap_or_default()
    };
    keys.into_iter()
        .filter_map(|key| {
            let (old, new) = (find(before, key), find(after, key));
            let empty = BTreeMap::new();
            let of = |row: &TagRow| row.current().map_or(empty.clone(), |record| record.digests.clone());
            let (known, now) = (of(&old), of(&new));
            let mut images: Vec<&String> = known.keys().chain(now.keys()).collect();
            images.sort();
            images.dedup();
            let digests: Vec<DigestChange> = images
                .into_iter()
                .filter(|image| known.get(*image) != now.get(*image))
                .map(|image| DigestChange {
                    image: image.clone(),
                    before: known.get(image).cloned(),
                    after: now.get(image).cloned(),
                })
                .collect();
            (old.tag != new.tag || !digests.is_empty()).then(|| TagChange {
                set: key.0.to_owned(),
                distribution: key.1.to_owned(),
                before: old.tag,
                after: new.tag,
                digests,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tagfile::{Update, read, update};
    use super::*;

    fn file(text: &str, tag: &str, digest: &str) -> String {
        let change = Update {
            sets: vec!["openstack".into()],
            distribution: "rocky-9".into(),
            tag: tag.into(),
            digests: vec![("r:5000/lab/base".into(), digest.into()), ("r:5000/lab/web".into(), "sha256:w".into())],
            time: "2026-11-21T06:17:04Z".into(),
            run: Some("run-1".into()),
        };
        update(text, &change).unwrap()
    }

    fn of(text: &str) -> Vec<TagRow> {
        rows(&read(text).unwrap())
    }

    #[test]
    fn rows_are_what_kayobe_reads_with_the_record_beside_it() {
        let text = file("kolla_image_tags:\n  nova:\n    rocky-9: 9\n    none:\n", "t1", "sha256:a");
        let found = of(&text);
        let short: Vec<_> =
            found.iter().map(|row| (row.set.as_str(), row.distribution.as_str(), row.tag.as_deref())).collect();
        assert_eq!(
            short,
            [("nova", "rocky-9", Some("9")), ("nova", "none", None), ("openstack", "rocky-9", Some("t1"))]
        );
        let record = found[2].current().unwrap();
        assert_eq!((record.run.as_deref(), record.digests["r:5000/lab/base"].as_str()), (Some("run-1"), "sha256:a"));
        // Edited by hand: the digests are those of another tag.
        let edited = of(&text.replace("    rocky-9: t1\n", "    rocky-9: t0\n"));
        assert!(edited[2].record.is_some() && edited[2].current().is_none());
        assert!(of("").is_empty() && of("kolla_image_tags:\nhostctl_image_tags: {version: 1}\n").is_empty());
    }

    #[test]
    fn differences_are_tags_and_digests_and_nothing_else() {
        let (one, two) = (file("", "t1", "sha256:a"), file("", "t2", "sha256:b"));
        assert!(difference(&of(&one), &of(&one.replace("run-1", "run-2"))).is_empty());
        let found = difference(&of(&one), &of(&two));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].before.as_deref(), found[0].after.as_deref()), (Some("t1"), Some("t2")));
        let expected = DigestChange {
            image: "r:5000/lab/base".into(),
            before: Some("sha256:a".into()),
            after: Some("sha256:b".into()),
        };
        assert_eq!(found[0].digests, [expected]);
        let gone = difference(&of(&one), &[]);
        assert_eq!((gone[0].after.as_deref(), gone[0].digests.len()), (None, 2));
    }
}
