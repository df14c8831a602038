//! What of a source's archive is known from an earlier run, and when that is still what a fetch would give.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::system::GitRefs;
use crate::system::digest::{Digest, Hasher};

/// An archive that no run used for so long goes.
pub const UNUSED: Duration = Duration::from_hours(30 * 24);
/// All archives together, at most.
pub const MOST: u64 = 20 << 30;

/// The name of an archive in the cache.
pub struct Kept {
    /// One component of a path.
    pub name: String,
}

impl Kept {
    /// Of what is known by its checksum, wherever it comes from; nothing if this is no SHA-256 in lower case.
    pub fn of_sum(sha256: &str) -> Option<Self> {
        is_hex(sha256, 64).then(|| Self { name: format!("url-{sha256}") })
    }

    /// Of a repository (its address without credentials) at a reference, packed as `name`.
    pub fn of_git(address: &str, reference: &str, name: &str) -> Self {
        let key = Hasher::of(Digest::Sha256, format!("{address}\n{reference}\n{name}").as_bytes());
        Self { name: format!("git-{key}") }
    }
}

/// What is noted beside the archive of a repository.
#[derive(Debug, Deserialize, Serialize)]
pub struct GitNote {
    /// Of this form: 1.
    pub version: u32,
    /// What was checked out.
    pub commit: String,
    /// The digest of the server's tags then ([`GitRefs::tags`]); without meaning for a whole commit.
    pub tags: String,
    /// What stands for the archive in keys of images.
    pub digest: String,
    /// Of the archive's bytes.
    pub sha256: String,
}

impl GitNote {
    /// A note of this form; another one says nothing.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|note: &Self| note.version == 1)
    }

    /// True if a clone of this reference would give the same commit and tags. A whole commit stays what it is.
    /// Of other names nothing is known without the server's answer.
    pub fn is_still(&self, reference: &str, refs: Option<&GitRefs>) -> bool {
        if is_whole_commit(reference) {
            return self.commit == reference;
        }
        let Some(refs) = refs else { return false };
        let same = match refs.commit(reference) {
            Some(commit) => commit == self.commit,
            // The beginning of a commit's id; names win over it.
            None => !reference.is_empty() && self.commit.starts_with(&reference.to_ascii_lowercase()),
        };
        same && self.tags == refs.tags
    }
}

/// True for the whole id of a commit.
pub fn is_whole_commit(reference: &str) -> bool {
    is_hex(reference, 40) || is_hex(reference, 64)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_no_path_and_no_credentials() {
        assert!(Kept::of_sum("../../etc/x").is_none());
        assert!(Kept::of_sum(&"A".repeat(64)).is_none());
        assert_eq!(Kept::of_sum(&"a".repeat(64)).unwrap().name, format!("url-{}", "a".repeat(64)));
        let names = [("a", "b", "c"), ("a", "b", "d"), ("a", "x", "c"), ("x", "b", "c")]
            .map(|(address, reference, name)| Kept::of_git(address, reference, name).name);
        assert!(names.iter().all(|name| names.iter().filter(|other| *other == name).count() == 1));
    }

    #[test]
    fn a_note_of_another_form_says_nothing() {
        let note = |version| format!(r#"{{"version":{version},"commit":"a","tags":"","digest":"d","sha256":"s"}}"#);
        assert!(GitNote::parse(note(1).as_bytes()).is_some());
        assert!(GitNote::parse(note(2).as_bytes()).is_none());
        assert!(GitNote::parse(b"{").is_none());
        // Without an answer of the server nothing is known of a short id.
        let note = GitNote::parse(note(1).as_bytes()).unwrap();
        assert!(!note.is_still("a", None) && !note.is_still("", Some(&GitRefs::default())));
    }
}
