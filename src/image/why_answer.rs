//! The answer to why an image would be built, for people and for programs.

use std::path::PathBuf;

use super::record::Entry;

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct WhyAnswer {
    /// The image's bare name.
    pub image: String,
    /// `registry:5000/lab/base`.
    pub repository: String,
    /// The key of now.
    pub key: String,
    /// The first input that differs; `None` if nothing does, or nothing is recorded.
    pub difference: Option<String>,
    /// The build that it was compared with: the last of the same platform.
    pub last: Option<Entry>,
    /// An earlier build that has the key of now, if the last has not.
    pub earlier: Option<Entry>,
    /// What may have changed unseen.
    pub unpinned: Vec<String>,
    /// The folder whose files were read.
    pub root: PathBuf,
}

impl WhyAnswer {
    /// The keys of what programs get.
    pub const KEYS: [&str; 7] = ["image", "repository", "key", "difference", "last", "earlier", "unpinned"];

    /// For people, at a time in seconds since 1970.
    pub fn text(&self, now: i64) -> String {
        let image = &self.image;
        let mut text = match (&self.last, &self.difference) {
            (None, _) => format!("{image}: never built here\n"),
            (Some(last), Some(difference)) => {
                format!("{image}: {difference}\n  differs from {}\n", told_build(last, now))
            }
            (Some(last), None) => format!("{image}: nothing differs\n  from {}\n", told_build(last, now)),
        };
        if let Some(earlier) = &self.earlier {
            text.push_str(&format!("  the same as {}\n", told_build(earlier, now)));
        }
        if !self.unpinned.is_empty() {
            text.push_str(&format!("  not looked for changes: {}\n", self.unpinned.join(", ")));
        }
        text
    }

    /// For programs.
    pub fn to_json(&self) -> serde_json::Value {
        let build = |entry: &Option<Entry>| {
            entry.as_ref().map(|entry| {
                serde_json::json!({
                    "key": entry.key, "tag": entry.tag, "run": entry.run, "time": entry.time, "digest": entry.digest,
                })
            })
        };
        serde_json::json!({
            "image": self.image, "repository": self.repository, "key": self.key, "difference": self.difference,
            "last": build(&self.last), "earlier": build(&self.earlier), "unpinned": self.unpinned,
        })
    }
}

/// `tag t1, run 20261122-1, 3 days ago`.
fn told_build(entry: &Entry, now: i64) -> String {
    let mut parts = vec![format!("tag {}", entry.tag)];
    if !entry.run.is_empty() {
        parts.push(format!("run {}", entry.run));
    }
    let seconds = now.saturating_sub(entry.time).max(0);
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    parts.push(format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" }));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> WhyAnswer {
        let last = Entry { tag: "t2".into(), run: "r7".into(), time: 1_000_000, ..Entry::default() };
        WhyAnswer {
            image: "web".into(),
            repository: "r/lab/web".into(),
            key: "k".into(),
            difference: Some("parent `base`: context file `a`".into()),
            last: Some(last),
            earlier: None,
            unpinned: Vec::new(),
            root: PathBuf::new(),
        }
    }

    #[test]
    fn the_answer_is_one_line_with_the_build_below() {
        let now = 1_000_000 + 3 * 86_400;
        assert_eq!(
            answer().text(now),
            "web: parent `base`: context file `a`\n  differs from tag t2, run r7, 3 days ago\n"
        );
        let earlier = Some(Entry { tag: "t1".into(), time: now - 1, ..Entry::default() });
        let more = WhyAnswer { earlier, unpinned: vec!["debian:12".into()], ..answer() };
        assert_eq!(
            more.text(now),
            "web: parent `base`: context file `a`\n  differs from tag t2, run r7, 3 days ago\n  the same as tag t1, 1 second \
             ago\n  not looked for changes: debian:12\n"
        );
        let same = WhyAnswer { difference: None, ..answer() };
        assert_eq!(same.text(now), "web: nothing differs\n  from tag t2, run r7, 3 days ago\n");
        assert_eq!(WhyAnswer { last: None, ..same }.text(now), "web: never built here\n");
    }

    #[test]
    fn programs_get_all_of_it() {
        let json = answer().to_json();
        let keys: std::collections::BTreeSet<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, std::collections::BTreeSet::from(WhyAnswer::KEYS));
        assert_eq!(json["difference"], "parent `base`: context file `a`");
        assert_eq!((&json["last"]["tag"], &json["earlier"]), (&"t2".into(), &serde_json::Value::Null));
    }
}
