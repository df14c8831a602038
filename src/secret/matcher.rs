//! Finds the needles in a text: as they are, and folded over line breaks. Made once after the
//! last secret was learned; apart from it for what templates make of secrets, which comes one by one.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};

use super::controls::without_controls;
use super::encodings::Needles;
use super::fold;

/// Finds all needles of several sets.
#[derive(Clone)]
pub(super) struct Matcher(Vec<Both>);

/// Finds the needles of one set, of both kinds.
#[derive(Clone)]
pub(super) struct Both {
    exact: Finder,
    folded: Finder,
}

impl Matcher {
    pub(super) fn new(sets: impl IntoIterator<Item = Both>) -> Self {
        Self(sets.into_iter().collect())
    }

    /// Every stretch that a secret covers, in order; those that overlap are one. `escape`: the byte
    /// before the text was a backslash.
    pub(super) fn ranges(&self, text: &[u8], escape: bool) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = self.0.iter().flat_map(|both| both.find(text, escape)).collect();
        if let Some((plain, places)) = without_controls(text) {
            let hits = self.0.iter().flat_map(|both| both.find(&plain, escape));
            found.extend(hits.map(|hit| places[hit.start]..places[hit.end - 1] + 1));
        }
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
    pub(super) fn unfinished(&self, text: &[u8], escape: bool) -> usize {
        let of = |text: &[u8]| self.0.iter().map(|both| both.unfinished(text, escape)).min().unwrap_or(text.len());
        let at = of(text);
        match without_controls(text) {
            Some((plain, places)) => at.min(places.get(of(&plain)).copied().unwrap_or(text.len())),
            None => at,
        }
    }
}

impl Both {
    pub(super) fn new(needles: &Needles) -> Self {
        Self { exact: Finder::new(&needles.exact), folded: Finder::new(&needles.folded) }
    }

    fn find(&self, text: &[u8], escape: bool) -> Vec<Range<usize>> {
        let mut found = self.exact.find(text);
        if text.len() >= self.folded.shortest {
            // Most texts have a gap; one without is its own folded form.
            if text.iter().any(|byte| byte.is_ascii_whitespace() || matches!(byte, b'\\' | 0x0b)) || escape {
                let hits = self.folded.find(&fold::fold_after(text, escape));
                if !hits.is_empty() {
                    let places = fold::places(text, escape);
                    found.extend(hits.iter().map(|hit| places[hit.start]..places[hit.end - 1] + 1));
                }
            } else {
                found.extend(self.folded.find(text));
            }
        }
        found
    }

    fn unfinished(&self, text: &[u8], escape: bool) -> usize {
        let exact = self.exact.unfinished(text);
        if self.folded.needles.is_empty() {
            return exact;
        }
        // Backslashes at the end may become a line break, which is dropped.
        let decided = fold::decided(text);
        let folded = fold::fold_after(&text[..decided], escape);
        let at = self.folded.unfinished(&folded);
        let at = if at == folded.len() { decided } else { fold::places(&text[..decided], escape)[at] };
        exact.min(at)
    }
}

/// Finds one set of needles.
#[derive(Clone)]
struct Finder {
    automaton: Option<AhoCorasick>,
    /// Sorted, for the search of beginnings.
    needles: Arc<Vec<Vec<u8>>>,
    /// The first bytes that there are.
    first: [bool; 256],
    shortest: usize,
    longest: usize,
}

impl Finder {
    fn new(needles: &BTreeSet<Vec<u8>>) -> Self {
        let needles: Vec<Vec<u8>> = needles.iter().cloned().collect();
        let mut first = [false; 256];
        for byte in needles.iter().filter_map(|needle| needle.first()) {
            first[usize::from(*byte)] = true;
        }
        Self {
            // Too many patterns for an automaton: found one by one instead.
            automaton: AhoCorasick::builder().match_kind(MatchKind::Standard).build(&needles).ok(),
            first,
            shortest: needles.iter().map(Vec::len).min().unwrap_or(usize::MAX),
            longest: needles.iter().map(Vec::len).max().unwrap_or(0),
            needles: Arc::new(needles),
        }
    }

    /// Every hit, also those that overlap.
    fn find(&self, text: &[u8]) -> Vec<Range<usize>> {
        match &self.automaton {
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
        }
    }

    fn unfinished(&self, text: &[u8]) -> usize {
        let from = text.len().saturating_sub(self.longest.saturating_sub(1));
        (from..text.len())
            .filter(|at| self.first[usize::from(text[*at])])
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
