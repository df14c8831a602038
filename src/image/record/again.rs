//! Tags that images of earlier builds were given by later runs: one file a set, beside the records.
//!
//! A run in which nothing changed has nothing else to record. Replacing the file of each repository for that costs more
//! than all its other work: a file system that journals frees each old file by itself.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::entry::{MOST, Record};

/// Images that a file holds.
const MOST_IMAGES: usize = 5000;

/// An image of an earlier build in its registry, under one more tag.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reused {
    /// `registry:5000/lab/base`.
    pub repository: String,
    /// The key's digest.
    pub key: String,
    /// The digest that the registry has.
    pub digest: String,
    /// The run's tag.
    pub tag: String,
    /// Tags that it was given before, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<String>,
    /// When the tag of its key was last seen at the registry, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_tagged: Option<i64>,
    /// When it got the tag, in seconds since 1970.
    pub time: i64,
}

/// A set's file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Again {
    /// The set's name.
    pub(super) set: String,
    /// Oldest first.
    pub(super) images: Vec<Reused>,
}

impl Again {
    /// Adds what a run reused. What it did not reuse stays, as far as there is room: another playbook may have images of
    /// the same set.
    pub(super) fn add(&mut self, reused: &[Reused]) {
        let taken: BTreeSet<(&str, &str)> = reused.iter().map(|one| (&*one.repository, &*one.key)).collect();
        self.images.retain(|old| !taken.contains(&(&*old.repository, &*old.key)));
        self.images.extend_from_slice(reused);
        let mut count: HashMap<String, usize> = HashMap::new();
        let mut kept = Vec::with_capacity(self.images.len().min(MOST_IMAGES));
        for one in self.images.drain(..).rev() {
            let seen = count.entry(one.repository.clone()).or_default();
            *seen += 1;
            if *seen <= MOST && kept.len() < MOST_IMAGES {
                kept.push(one);
            }
        }
        kept.reverse();
        self.images = kept;
    }
}

impl Record {
    /// The build that was reused has the tag, unless it was built or pushed after that.
    pub(super) fn reused(&mut self, reused: &Reused) {
        let same = |entry: &&mut super::Entry| {
            entry.key == reused.key && entry.digest.as_ref() == Some(&reused.digest) && entry.pushed <= reused.time
        };
        if let Some(entry) = self.entries.iter_mut().rev().find(same) {
            entry.tagged(&reused.tag, &reused.earlier);
            entry.key_tagged = reused.key_tagged.or(entry.key_tagged);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Entry;
    use super::*;

    fn reused(repository: &str, key: &str, tag: &str) -> Reused {
        Reused {
            repository: repository.into(),
            key: key.into(),
            digest: "sha256:1".into(),
            tag: tag.into(),
            time: 7,
            ..Reused::default()
        }
    }

    #[test]
    fn what_is_not_reused_now_stays_and_a_repository_has_its_newest() {
        let mut again = Again::default();
        again.add(&[reused("x", "a", "t1"), reused("y", "a", "t1")]);
        again.add(&[reused("x", "a", "t2")]);
        assert_eq!(again.images, [reused("y", "a", "t1"), reused("x", "a", "t2")]);
        for number in 0..30 {
            again.add(&[reused("x", &number.to_string(), "t3")]);
        }
        let of_x: Vec<&str> =
            again.images.iter().filter(|one| one.repository == "x").map(|one| one.key.as_str()).collect();
        assert_eq!((of_x.len(), of_x[0], of_x[MOST - 1]), (MOST, "10", "29"));
        assert!(again.images.contains(&reused("y", "a", "t1")));
        let many: Vec<Reused> = (0..MOST_IMAGES).map(|number| reused(&number.to_string(), "a", "t")).collect();
        again.add(&many);
        assert_eq!(again.images, many);
    }

    #[test]
    fn only_the_build_that_was_reused_gets_the_tag() {
        let entry = |key: &str, digest: Option<&str>, pushed| Entry {
            key: key.into(),
            digest: digest.map(str::to_owned),
            tag: "t1".into(),
            pushed,
            ..Entry::default()
        };
        let tags = |entries: Vec<Entry>| {
            let mut record = Record { repository: "x".into(), entries };
            record.reused(&Reused { earlier: vec!["t0".into()], key_tagged: Some(5), ..reused("x", "a", "t2") });
            record.entries.iter().map(|entry| entry.tag.clone()).collect::<Vec<_>>()
        };
        assert_eq!(tags(vec![entry("a", Some("sha256:1"), 7), entry("b", Some("sha256:1"), 7)]), ["t2", "t1"]);
        // Built anew and not pushed, with another digest, pushed later.
        assert_eq!(tags(vec![entry("a", Some("sha256:1"), 7), entry("a", None, 0)]), ["t2", "t1"]);
        assert_eq!(tags(vec![entry("a", Some("sha256:2"), 7)]), ["t1"]);
        assert_eq!(tags(vec![entry("a", Some("sha256:1"), 8)]), ["t1"]);
        let mut record = Record { repository: "x".into(), entries: vec![entry("a", Some("sha256:1"), 7)] };
        record.reused(&Reused { earlier: vec!["t0".into()], key_tagged: Some(5), ..reused("x", "a", "t2") });
        assert!(["t2", "t1", "t0"].iter().all(|tag| record.entries[0].had(tag)), "{record:?}");
        assert_eq!(record.entries[0].key_tagged, Some(5));
    }
}
