//! Which layers are known to hold none of the values, so that each is searched once.
//!
//! The record is a small text. It tells neither values nor digests to who has not the key: each
//! line is a keyed hash of the values and the layer. Other values, or a newer way to search, make
//! other lines.

use std::collections::HashMap;
use std::fmt::Write as _;

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Changes whenever more is found than before, so that older records count no more.
const METHOD: &str = "hostctl proof 1";
/// Lines that are kept, the newest.
const MOST: usize = 50_000;

/// Layers and images that were searched and held nothing.
#[derive(Clone)]
pub struct Clean {
    key: [u8; 32],
    /// Keyed hash to members that were not opened.
    known: HashMap<String, u64>,
    /// In the order in which they were learned.
    order: Vec<String>,
}

impl std::fmt::Debug for Clean {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clean").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Default for Clean {
    /// A record for one run: its key is never written.
    fn default() -> Self {
        Self::new(Self::new_key())
    }
}

impl Clean {
    /// A new random key, to be kept in a file that only its owner can read.
    pub fn new_key() -> [u8; 32] {
        let mut key = [0; 32];
        // Without a key of its own the record still is no list of digests, and known to this host alone.
        let _ = getrandom::fill(&mut key);
        key
    }

    /// An empty record.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key, known: HashMap::new(), order: Vec::new() }
    }

    /// A record as [`Self::text`] wrote it. Lines of no use are left out: what is not known is searched.
    pub fn parse(key: [u8; 32], text: &str) -> Self {
        let mut clean = Self::new(key);
        let lines: Vec<&str> = text.lines().collect();
        for line in &lines[lines.len().saturating_sub(MOST)..] {
            let (hash, closed) = line.split_once(' ').unwrap_or((line, "0"));
            if let Ok(closed) = closed.parse()
                && hash.len() == 32
                && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
            {
                clean.insert(hash.to_owned(), closed);
            }
        }
        clean
    }

    /// The record as text: a line of 32 hex digits and a number for each layer.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for hash in &self.order[self.order.len().saturating_sub(MOST)..] {
            let _ = writeln!(text, "{hash} {}", self.known.get(hash).copied().unwrap_or(0));
        }
        text
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// True if none is known.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The key, to be written beside the record.
    pub(super) fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// Takes over what another record of the same key has; `false` if the key is another.
    pub(super) fn merge(&mut self, other: &Self) -> bool {
        if self.key != other.key {
            return false;
        }
        for hash in &other.order {
            self.insert(hash.clone(), other.known.get(hash).copied().unwrap_or(0));
        }
        true
    }

    /// Stands for a set of values in this record.
    pub(super) fn fingerprint<'a>(&self, values: impl Iterator<Item = &'a str>) -> [u8; 32] {
        let mut mac = self.mac();
        mac.update(METHOD.as_bytes());
        for value in values {
            mac.update(&(value.len() as u64).to_be_bytes());
            mac.update(value.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    /// Members that were not opened in something that is known to be clean; `None` if it is not known.
    pub(super) fn get(&self, fingerprint: &[u8; 32], thing: &str) -> Option<u64> {
        self.known.get(&self.hash(fingerprint, thing)).copied()
    }

    /// Learns that something holds none of the values.
    pub(super) fn learn(&mut self, fingerprint: &[u8; 32], thing: &str, closed: u64) {
        self.insert(self.hash(fingerprint, thing), closed);
    }

    fn insert(&mut self, hash: String, closed: u64) {
        if self.known.insert(hash.clone(), closed).is_none() {
            self.order.push(hash);
        }
    }

    fn hash(&self, fingerprint: &[u8; 32], thing: &str) -> String {
        let mut mac = self.mac();
        mac.update(fingerprint);
        mac.update(thing.as_bytes());
        hex::encode(&mac.finalize().into_bytes()[..16])
    }

    fn mac(&self) -> Hmac<Sha256> {
        // A key of any length is accepted.
        <Hmac<Sha256> as Mac>::new_from_slice(&self.key).expect("HMAC takes keys of any length")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_again_and_tells_nothing() {
        let mut clean = Clean::new([7; 32]);
        let one = clean.fingerprint(["secret", "x"].into_iter());
        let other = clean.fingerprint(["secretx"].into_iter());
        clean.learn(&one, "sha256:aa", 3);
        clean.learn(&one, "sha256:aa", 3);
        let text = clean.text();
        assert_eq!((text.lines().count(), text.contains("aa "), text.contains("secret")), (1, false, false));
        let again = Clean::parse([7; 32], &format!("{text}\nnonsense\n{}", "z".repeat(32)));
        assert_eq!((again.len(), again.get(&one, "sha256:aa")), (1, Some(3)));
        assert_eq!(again.get(&other, "sha256:aa"), None);
        assert_eq!(again.get(&one, "sha256:ab"), None);
        assert_eq!(Clean::parse([8; 32], &text).get(&one, "sha256:aa"), None);
    }
}
