//! Secrets and the redactor that keeps them out of everything that is written.
//!
//! Knows nothing of vaults: whoever learns a secret tells the [`Redactor`]. Values under four
//! characters are not masked, since they would mask half of every output.

mod encodings;
mod stream;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};

pub use stream::StreamRedactor;

/// What stands in the place of a secret.
pub const MASK: &str = "********";

/// A secret text. Never shown by `Debug` or `Display`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Finds the needles; made once after the last secret was learned.
#[derive(Clone)]
pub(super) struct Matcher {
    automaton: Option<AhoCorasick>,
    /// Sorted, for the search of beginnings.
    needles: Arc<Vec<Vec<u8>>>,
    longest: usize,
}

impl Matcher {
    fn new(needles: &BTreeSet<Vec<u8>>) -> Self {
        let needles: Vec<Vec<u8>> = needles.iter().cloned().collect();
        Self {
            // Too many patterns for an automaton: found one by one instead.
            automaton: AhoCorasick::builder().match_kind(MatchKind::Standard).build(&needles).ok(),
            longest: needles.iter().map(Vec::len).max().unwrap_or(0),
            needles: Arc::new(needles),
        }
    }

    /// Every stretch that a secret covers, in order; those that overlap are one.
    fn ranges(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = match &self.automaton {
            Some(automaton) => automaton.find_overlapping_iter(text).map(|hit| hit.range()).collect(),
            None => self
                .needles
                .iter()
                .flat_map(|needle| {
                    (0..text.len().saturating_sub(needle.len() - 1))
                        .filter(move |at| text[*at..].starts_with(needle))
                        .map(move |at| at..at + needle.len())
                })
                .collect(),
        };
        found.sort_by_key(|range| (range.start, range.end));
        let mut merged: Vec<Range<usize>> = Vec::new();
        for range in found {
            match merged.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        merged
    }

    /// Where the last bytes of a text begin that may grow into a secret.
    fn unfinished(&self, text: &[u8]) -> usize {
        let from = text.len().saturating_sub(self.longest.saturating_sub(1));
        (from..text.len())
            .find(|at| {
                let tail = &text[*at..];
                let first = self.needles.partition_point(|needle| needle.as_slice() < tail);
                // Sorted: all that begin with the tail follow it directly; one must be longer.
                self.needles[first..]
                    .iter()
                    .take_while(|needle| needle.starts_with(tail))
                    .any(|needle| needle.len() > tail.len())
            })
            .unwrap_or(text.len())
    }
}

#[derive(Default)]
struct Known {
    needles: BTreeSet<Vec<u8>>,
    matcher: Option<Matcher>,
}

/// Knows every secret of a run in all its encodings, and masks them.
#[derive(Default)]
pub struct Redactor {
    known: RwLock<Known>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    /// Learns a secret; texts under 4 characters are not masked and `false` is returned, so that
    /// the caller warns. Lines of a longer secret are masked on their own.
    pub fn learn(&self, secret: &str) -> bool {
        if secret.trim().chars().count() < encodings::SHORTEST {
            return false;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let before = known.needles.len();
        encodings::spell(secret, &mut known.needles);
        if known.needles.len() > before {
            known.matcher = None;
        }
        true
    }

    /// Learns a password with its user: `user:password` in base64 (HTTP's basic auth, registry
    /// logins) is masked too. `false` if the password is too short to be masked.
    pub fn learn_pair(&self, user: &str, password: &str) -> bool {
        let masked = self.learn(password);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        encodings::base64(format!("{user}:{password}").as_bytes(), &mut known.needles);
        known.matcher = None;
        masked
    }

    /// True if nothing was learned.
    pub fn is_empty(&self) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).needles.is_empty()
    }

    /// The text with every secret replaced by [`MASK`]; borrowed if there was none.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(matcher) = self.matcher() else { return Cow::Borrowed(text) };
        let ranges = matcher.ranges(text.as_bytes());
        if ranges.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut clean = String::with_capacity(text.len());
        let mut at = 0;
        for range in ranges {
            // Needles are UTF-8, so their ends are character boundaries of the text.
            clean.push_str(text.get(at..range.start).unwrap_or_default());
            clean.push_str(MASK);
            at = range.end;
        }
        clean.push_str(text.get(at..).unwrap_or_default());
        Cow::Owned(clean)
    }

    /// The bytes with every secret replaced by [`MASK`].
    pub fn redact_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let Some(matcher) = self.matcher() else { return bytes.to_vec() };
        let mut clean = Vec::with_capacity(bytes.len());
        let mut at = 0;
        for range in matcher.ranges(bytes) {
            clean.extend_from_slice(&bytes[at..range.start]);
            clean.extend_from_slice(MASK.as_bytes());
            at = range.end;
        }
        clean.extend_from_slice(&bytes[at..]);
        clean
    }

    /// The current matcher; `None` if there is nothing to find.
    fn matcher(&self) -> Option<Matcher> {
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if known.needles.is_empty() {
                return None;
            }
            if let Some(matcher) = &known.matcher {
                return Some(matcher.clone());
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let Known { needles, matcher } = &mut *known;
        Some(matcher.get_or_insert_with(|| Matcher::new(needles)).clone())
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    use super::*;

    fn knows(secrets: &[&str]) -> Redactor {
        let redactor = Redactor::default();
        for secret in secrets {
            assert!(redactor.learn(secret));
        }
        redactor
    }

    fn check(secret: &str, text: &str, expected: &str) {
        assert_eq!(knows(&[secret]).redact(text), expected);
    }

    #[test]
    fn every_spelling_is_masked() {
        check("s3cret", "x s3cret y", "x ******** y");
        check("p@ss w/rd", "p%40ss%20w%2Frd p%40ss+w%2frd p%40ss%20w/rd", "******** ******** ********");
        check("a\"b\\c\nd", r#"{"x": "a\"b\\c\nd"}"#, r#"{"x": "********"}"#);
        check("pässwort", r#""p\u00e4sswort""#, r#""********""#);
        check("it's$me", r"'it'\''s$me' it\'s\$me", "'********' ********");
        check("it's$me", r#"'it'"'"'s$me'"#, "'********'");
        check("one two\nthree\nxx\n", "three: one two, xx", "********: ********, xx");
        check("<p&ss>", "&lt;p&amp;ss&gt;", "********");
    }

    #[test]
    fn base64_is_masked_at_every_alignment() {
        let secret = "k\u{fb}y>>??~\u{ff}z!";
        let redactor = knows(&[secret]);
        for before in ["", "a", "ab", "abc", "user:"] {
            for after in ["", "z", "zz", "zzz"] {
                for engine in [&STANDARD, &URL_SAFE] {
                    let text = engine.encode(format!("{before}{secret}{after}"));
                    let clean = redactor.redact(&text);
                    assert!(clean.contains(MASK), "{before} {after} {text}");
                    let left = clean.replace(MASK, "").len();
                    assert!(left <= (before.len() + after.len()) * 4 / 3 + 8, "{text} -> {clean}");
                }
            }
        }
    }

    #[test]
    fn pairs_are_masked_whole() {
        let redactor = Redactor::default();
        assert!(redactor.learn_pair("bob", "hunter22"));
        let auth = STANDARD.encode("bob:hunter22");
        assert_eq!(redactor.redact(&format!("Authorization: Basic {auth}")), format!("Authorization: Basic {MASK}"));
        assert!(!redactor.learn_pair("bob", "abc"));
        let auth = STANDARD.encode("bob:abc");
        assert_eq!(redactor.redact(&format!("Basic {auth}")), format!("Basic {MASK}"));
    }

    #[test]
    fn short_values_are_refused_and_dashes_stay() {
        let redactor = Redactor::default();
        assert!(!redactor.learn("abc"));
        assert!(!redactor.learn("  x \n"));
        assert!(redactor.is_empty());
        assert_eq!(redactor.redact("abc"), "abc");
        let redactor = knows(&["-----BEGIN KEY-----\nQUJDREVG\n--------\n"]);
        assert_eq!(redactor.redact("-------- QUJDREVG"), "-------- ********");
    }

    #[test]
    fn overlapping_secrets_leave_nothing() {
        let redactor = knows(&["abcdXYZ", "XYZefgh", "abcd"]);
        assert_eq!(redactor.redact("1abcdXYZefgh2"), "1********2");
        assert_eq!(redactor.redact("abcd abcdX"), "******** ********X");
        assert!(!format!("{redactor:?}").contains("abcd"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn chunks_are_masked_as_the_whole(
            secrets in prop::collection::vec("[ab'é\\n]{4,9}", 1..4),
            parts in prop::collection::vec(prop_oneof!["[ab'é\\n ]{0,12}".prop_map(|s| s), Just("*".to_owned())], 0..8),
            cuts in prop::collection::vec(0usize..80, 0..8),
        ) {
            let redactor = Arc::new(Redactor::default());
            for secret in &secrets { redactor.learn(secret); }
            let mut whole = String::new();
            for (index, part) in parts.iter().enumerate() {
                whole += part;
                whole += &secrets[index % secrets.len()];
            }
            let bytes = whole.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut stream = StreamRedactor::new(Arc::clone(&redactor));
            let mut out = Vec::new();
            let mut at = 0;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                out.extend(stream.push(&bytes[at..cut]));
                at = cut;
            }
            out.extend(stream.flush());
            let out = String::from_utf8(out).unwrap();
            prop_assert_eq!(&out, &*redactor.redact(&whole));
            for secret in &secrets {
                if redactor.learn(secret) {
                    prop_assert!(!out.contains(secret.as_str()));
                }
            }
        }

        #[test]
        fn odd_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..60), secret in "\\PC{4,8}") {
            let redactor = Arc::new(Redactor::default());
            redactor.learn(&secret);
            let mut stream = StreamRedactor::new(Arc::clone(&redactor));
            let mut out = Vec::new();
            for chunk in bytes.chunks(7) { out.extend(stream.push(chunk)); }
            out.extend(stream.flush());
            prop_assert_eq!(out, redactor.redact_bytes(&bytes));
        }
    }
}
