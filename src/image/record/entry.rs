//! One build in the record, and what the builds of a repository tell together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::key::Key;

/// Builds that are kept for each repository.
pub(super) const MOST: usize = 20;
/// Builds of each platform whose parts are kept: to say what differs, the newest are enough.
const WITH_PARTS: usize = 3;
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
