//! One build in the record, and what the builds of a repository tell together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::key::Key;
use super::again::Reused;

/// Builds that are kept for each repository.
pub(super) const MOST: usize = 20;
/// Builds of each platform whose parts are kept: to say what differs, the newest are enough.
const WITH_PARTS: usize = 3;
/// Tags of an entry besides its last.
const EARLIER: usize = 8;
/// Builds that a typical duration is made from.
const TYPICAL: usize = 5;

/// One build that ended well.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// The key's digest.
    pub key: String,
    /// The key's parts; empty for older builds.
    pub parts: Vec<(String, String)>,
    /// What could change without the key.
    pub unpinned: Vec<String>,
    /// The run's tag.
    pub tag: String,
    /// Tags that the same digest was given before, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<String>,
    /// When it was last pushed, in seconds since 1970.
    pub pushed: i64,
    /// When the tag of its key was last seen at the registry, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_tagged: Option<i64>,
    /// The digest that the registry has, if it was pushed.
    pub digest: Option<String>,
    /// The engine's id.
    pub id: Option<String>,
    /// Bytes of all layers.
    pub size: Option<u64>,
    /// Seconds of the build.
    pub build_seconds: Option<f64>,
    /// Seconds of the push.
    pub push_seconds: Option<f64>,
    /// When the build ended, in seconds since 1970.
    pub time: i64,
    /// Since when everything in it is known to be fresh ([`fresh_since`](super::super::reuse::fresh_since)).
    pub fresh: i64,
    /// The run's id.
    pub run: String,
    /// `linux/amd64`.
    pub platform: String,
    /// Digests of base images by reference.
    pub bases: BTreeMap<String, String>,
    /// The engine's address.
    pub engine: String,
}

impl Entry {
    /// An entry with what the key tells.
    pub fn new(key: &Key) -> Self {
        let base = |(name, value): &(String, String)| {
            let digest = value.split(' ').next().filter(|digest| *digest != "unpinned")?;
            Some((name.strip_prefix("base ")?.to_owned(), digest.to_owned()))
        };
        Self {
            key: key.digest.clone(),
            bases: key.parts.iter().filter_map(base).collect(),
            platform: key.platform().to_owned(),
            parts: key.parts.clone(),
            unpinned: key.unpinned.clone(),
            ..Self::default()
        }
    }
}

impl Entry {
    /// It was pushed with a tag: the registry may have it under that still.
    pub fn had(&self, tag: &str) -> bool {
        self.digest.is_some() && (self.tag == tag || self.earlier.iter().any(|earlier| earlier == tag))
    }

    /// The same digest has one more tag, and those that it had before.
    pub(super) fn tagged(&mut self, tag: &str, earlier: &[String]) {
        let before = [std::mem::replace(&mut self.tag, tag.to_owned())];
        let old = std::mem::take(&mut self.earlier);
        for one in before.iter().chain(earlier).chain(&old) {
            if self.earlier.len() < EARLIER && !one.is_empty() && one != tag && !self.earlier.contains(one) {
                self.earlier.push(one.clone());
            }
        }
    }

    /// What is kept of it once it got a tag without a build.
    pub fn reused(&self, repository: &str, tag: &str, key_tagged: Option<i64>, time: i64) -> Reused {
        let mut own = self.clone();
        own.tagged(tag, &[]);
        Reused {
            repository: repository.to_owned(),
            key: own.key,
            digest: own.digest.unwrap_or_default(),
            tag: own.tag,
            earlier: own.earlier,
            key_tagged,
            time,
        }
    }

    /// Adds a push.
    pub(super) fn push(&mut self, pushed: &Pushed) {
        if self.digest.as_ref() != Some(&pushed.digest) {
            self.earlier.clear();
            self.tag.clear();
            self.key_tagged = None;
        }
        self.tagged(&pushed.tag, &[]);
        self.pushed = pushed.time;
        self.digest = Some(pushed.digest.clone());
        self.push_seconds = Some(pushed.seconds);
        self.key_tagged = pushed.key_tagged.or(self.key_tagged);
    }
}

/// A push, for the record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pushed {
    /// The tag.
    pub tag: String,
    /// The digest that the registry has.
    pub digest: String,
    /// Seconds.
    pub seconds: f64,
    /// When, in seconds since 1970.
    pub time: i64,
    /// When the tag of its key was seen at the registry, in seconds since 1970; `None` if it was not looked for.
    pub key_tagged: Option<i64>,
}

/// The builds of one repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// `registry:5000/lab/base`.
    pub repository: String,
    /// Oldest first.
    pub entries: Vec<Entry>,
}

impl Record {
    /// Adds the newest build and forgets the oldest.
    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
        let surplus = self.entries.len().saturating_sub(MOST);
        self.entries.drain(..surplus);
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for entry in self.entries.iter_mut().rev() {
            let count = seen.entry(entry.platform.clone()).or_default();
            *count += 1;
            if *count > WITH_PARTS {
                entry.parts = Vec::new();
            }
        }
    }

    /// Builds with a key, newest first.
    pub fn with_key<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().rev().filter(move |entry| entry.key == key)
    }

    /// The newest build with a key.
    pub fn by_key(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.key == key)
    }

    /// The newest build.
    pub fn last(&self) -> Option<&Entry> {
        self.entries.last()
    }

    /// The newest build for a platform.
    pub fn last_of(&self, platform: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.platform == platform)
    }

    /// Seconds that a build takes: the median of the last five.
    pub fn build_seconds(&self) -> Option<f64> {
        self.typical(|entry| entry.build_seconds)
    }

    /// Seconds that a push takes: the median of the last five.
    pub fn push_seconds(&self) -> Option<f64> {
        self.typical(|entry| entry.push_seconds)
    }

    /// Bytes of all layers of the newest build that tells.
    pub fn size(&self) -> Option<u64> {
        self.entries.iter().rev().find_map(|entry| entry.size)
    }

    fn typical(&self, of: impl Fn(&Entry) -> Option<f64>) -> Option<f64> {
        let known = self.entries.iter().rev().filter_map(of).filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
        median(known.take(TYPICAL).collect())
    }
}

/// The middle of numbers, or the mean of the two in the middle.
pub(in crate::image) fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let upper = *numbers.get(numbers.len() / 2)?;
    if numbers.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(numbers[numbers.len() / 2 - 1], upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, platform: &str, seconds: f64) -> Entry {
        Entry {
            key: key.into(),
            platform: platform.into(),
            parts: vec![("form".into(), "1".into())],
            build_seconds: Some(seconds),
            ..Entry::default()
        }
    }

    #[test]
    fn the_newest_are_kept_and_the_newest_of_each_platform_with_parts() {
        let mut record = Record::default();
        for number in 0..30 {
            record.push(entry(&number.to_string(), if number == 12 { "arm" } else { "amd" }, 1.0));
        }
        assert_eq!(record.entries.len(), MOST);
        assert_eq!(record.entries[0].key, "10");
        let with_parts: Vec<&str> =
            record.entries.iter().filter(|entry| !entry.parts.is_empty()).map(|entry| entry.key.as_str()).collect();
        assert_eq!(with_parts, ["12", "27", "28", "29"]);
        assert_eq!(record.last_of("arm").unwrap().key, "12");
    }

    #[test]
    fn tags_of_one_digest_are_remembered_and_those_of_another_forgotten() {
        let pushed = |tag: &str, digest: &str, key_tagged| Pushed {
            tag: tag.into(),
            digest: digest.into(),
            seconds: 1.0,
            time: 1,
            key_tagged,
        };
        let mut entry = Entry { tag: "a".into(), ..entry("k", "p", 1.0) };
        assert!(!entry.had("a"), "it was built, not pushed");
        entry.push(&pushed("a", "sha256:1", Some(7)));
        assert!(entry.had("a") && entry.earlier.is_empty());
        for tag in ["b", "c", "a"] {
            entry.push(&pushed(tag, "sha256:1", None));
        }
        assert_eq!(
            (entry.tag.as_str(), &entry.earlier[..], entry.key_tagged),
            ("a", &["c".into(), "b".into()][..], Some(7))
        );
        assert!(entry.had("b") && !entry.had("d"));
        for number in 0..20 {
            entry.push(&pushed(&number.to_string(), "sha256:1", None));
        }
        assert_eq!(entry.earlier.len(), EARLIER);
        entry.push(&pushed("x", "sha256:2", None));
        assert!(entry.earlier.is_empty() && entry.key_tagged.is_none(), "{entry:?}");
    }

    #[test]
    fn lookups_and_medians() {
        let mut record = Record::default();
        assert_eq!((record.build_seconds(), record.size(), record.last()), (None, None, None));
        for (key, seconds) in
            [("a", 100.0), ("b", 1.0), ("a", 2.0), ("c", 3.0), ("d", f64::NAN), ("e", 4.0), ("f", 50.0)]
        {
            record.push(entry(key, "p", seconds));
        }
        assert_eq!(record.build_seconds(), Some(3.0), "of 50, 4, 3, 2, 1");
        assert_eq!(record.by_key("a").unwrap().build_seconds, Some(2.0));
        assert_eq!(record.by_key("z"), None);
        assert_eq!(record.last().unwrap().key, "f");
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
    }
}
