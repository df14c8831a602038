//! Lines inside `[` and `{` may start anywhere for PyYAML; saphyr wants them indented.
//!
//! The line breaks before such lines are masked by spaces in the text that is parsed: the number
//! of characters stays, so places stay true. Values are not looked at.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::guess;
use super::lenient::{self, Fill};
use super::position::line_start;

/// Bytes that may be parsed again in all for one file.
const BUDGET: usize = 32 * 1024 * 1024;

/// How often one place is mended at a time before the rest of the text is looked through.
const ONE_BY_ONE: usize = 2;

/// True if a complaint of the parser is about a line that starts too far left in a flow collection.
pub(super) fn is_indentation(info: &str) -> bool {
    info == "invalid indentation" || info == "invalid indentation in flow construct"
}

/// Gaps that were masked, as byte ranges.
///
/// The parser complains about one place at a time. Where it does so again and again, those behind it are guessed:
/// all are right if a node begins at each, else nothing is guessed any more.
#[derive(Default)]
pub(super) struct Masked {
    gaps: BTreeSet<(usize, usize, Fill)>,
    tries: usize,
    /// The quoted scalar that was folded last.
    quoted: Option<(usize, usize)>,
    /// Gaps by the byte where a node must begin.
    guessed: BTreeMap<usize, Vec<(usize, usize, Fill)>>,
    never_guess: bool,
}

impl Masked {
    /// True if it has to be known where nodes begin.
    pub(super) fn guesses(&self) -> bool {
        !self.guessed.is_empty()
    }

    /// True if a node begins at each place that was guessed.
    pub(super) fn guessed_right(&self, nodes: &HashSet<u32>) -> bool {
        self.guessed.keys().all(|at| u32::try_from(*at).is_ok_and(|at| nodes.contains(&at)))
    }

    /// As at the beginning, but without guesses.
    pub(super) fn start_over(&mut self) {
        *self = Self { tries: self.tries, never_guess: true, ..Self::default() };
    }

    /// The text again, where the lines of the collection that opens at `open` may start at the
    /// column of `at`. None if there is nothing (more) to mask. As many characters as before.
    pub(super) fn again(&mut self, text: &str, open: usize, at: usize) -> Option<String> {
        let (found, _) = gaps(text, open, at - line_start(text, at));
        self.add(text, at, found.into_iter().map(|(start, end)| (start, end, Fill::Blank)))
    }

    /// The text again, where the scalar whose quote opens at `open` may start its lines anywhere.
    pub(super) fn quoted(&mut self, text: &str, open: usize) -> Option<String> {
        if self.quoted.is_none() && lenient::has_marks(text) {
            return None;
        }
        let (found, end) = lenient::folds(text, open)?;
        self.quoted = Some((open, end));
        self.add(text, end, found.into_iter())
    }

    /// The text again with blanks for the tabs before `at`, or for the comment that starts there.
    pub(super) fn blank(&mut self, text: &str, at: usize) -> Option<String> {
        let bytes = text.as_bytes();
        let (start, end) = if bytes.get(at) == Some(&b'#') {
            (at, super::position::line_end(text, at))
        } else {
            let before = bytes[..at].iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            (at - before, at)
        };
        self.add(text, end, std::iter::once((start, end, Fill::Blank)).filter(|_| start < end))
    }

    /// The text again with spaces for the blanks that begin at `at`, of a line of a quoted scalar: folded away either way.
    pub(super) fn tabs(&mut self, text: &str, at: usize) -> Option<String> {
        let blanks = text.as_bytes()[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        self.add(text, at + blanks, std::iter::once((at, at + blanks, Fill::Blank)).filter(|_| blanks > 0))
    }

    /// True if scalars may hold the marks of `lenient`.
    pub(super) fn folded(&self) -> bool {
        self.quoted.is_some()
    }

    /// The quote to blame for a complaint at `at`: one that was closed by a quote of another value.
    pub(super) fn blame(&self, text: &str, at: usize) -> Option<usize> {
        let (open, end) = self.quoted?;
        text.get(end..at).is_some_and(|between| !between.contains('\n')).then_some(open)
    }

    /// Masks gaps, of which the last ends about at `behind`.
    fn add(&mut self, text: &str, behind: usize, found: impl Iterator<Item = (usize, usize, Fill)>) -> Option<String> {
        self.tries += 1;
        if self.tries.saturating_mul(text.len()) > BUDGET {
            return None;
        }
        let known = self.gaps.len();
        self.gaps.extend(found);
        if self.gaps.len() == known {
            return None;
        }
        if self.tries > ONE_BY_ONE && !self.never_guess {
            self.guessed.extend(guess::places(text, behind));
            if !self.folded() && self.guessed.values().flatten().any(|(_, _, fill)| *fill != Fill::Blank) {
                // Marks would be read in scalars.
                self.guessed.retain(|_, gaps| gaps.iter().all(|(_, _, fill)| *fill == Fill::Blank));
            }
        }
        let mut all: Vec<_> = self.gaps.iter().chain(self.guessed.values().flatten()).copied().collect();
        all.sort_unstable();
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for (start, end, fill) in all {
            if start < done {
                continue;
            }
            out.push_str(text.get(done..start)?);
            fill.write(text.get(start..end)?.chars().count(), &mut out);
            done = end;
        }
        out.push_str(text.get(done..)?);
        Some(out)
    }
}

/// Blanks, comments and line breaks before the lines that start at `limit` or before it, and the end of the collection.
pub(super) fn gaps(text: &str, open: usize, limit: usize) -> (Vec<(usize, usize)>, usize) {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let (mut index, mut depth, mut quote) = (open, 0_usize, None);
    let mut gap = None;
    while index < bytes.len() {
        let byte = bytes[index];
        let blank_before = index > 0 && bytes[index - 1].is_ascii_whitespace();
        match (quote, byte) {
            (Some(b'"'), b'\\') => index += 1,
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'#') if blank_before => {
                gap.get_or_insert(index);
                while index + 1 < bytes.len() && bytes[index + 1] != b'\n' {
                    index += 1;
                }
            }
            (None, b' ' | b'\t' | b'\r' | b'\n') => {
                gap.get_or_insert(index);
            }
            (None, _) => {
                if let Some(start) = gap.take()
                    && bytes[start..index].contains(&b'\n')
                    && index - line_start(text, index) <= limit
                {
                    found.push((start, index));
                }
                match byte {
                    b'"' | b'\'' if !bytes[index - 1].is_ascii_alphanumeric() => quote = Some(byte),
                    b'[' | b'{' => depth += 1,
                    b']' | b'}' => {
                        depth = depth.saturating_sub(1);
                        if depth == 0 {
                            break;
                        }
                    }
                    _ => {}
                }
            }
        }
        index += 1;
    }
    (found, index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_lines_that_start_too_far_left_and_keeps_the_number_of_characters() {
        let text = "a: {\n  b: 1, # \u{e9}n\n}\nc: 2\n";
        let mut masked = Masked::default();
        let at = text.find("}\n").unwrap();
        assert_eq!(masked.again(text, 3, at).unwrap(), "a: {\n  b: 1,      }\nc: 2\n");
        assert!(masked.again(text, 3, at).is_none());
        assert!(Masked::default().again("a: [\"\n\"]", 3, 6).is_none());
    }

    /// Reading the text again for each place would take hours: a few times are enough.
    #[test]
    fn many_places_are_masked_at_once() {
        let text = "q: \"a\nb\"\nf: [\n1\n]\nt:\t2\n".repeat(2000);
        let mut masked = Masked::default();
        for place in ["\"a", "\"a", "\"a"] {
            let open = masked.quoted.map_or(0, |(_, end)| end);
            let open = open + text[open..].find(place).unwrap();
            assert!(masked.quoted(&text, open).is_some());
        }
        assert_eq!((masked.tries, masked.guessed.len()), (3, 3 * 2000 - 3 - 2 - 2));
    }
}
