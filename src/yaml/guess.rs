//! Where a text may have what PyYAML reads and saphyr does not, found without parsing.
//!
//! Guesses: who uses them checks that a node begins at each. Comments and block scalars are left out.

use super::flow::gaps;
use super::lenient::{Fill, folds};
use super::position::{line_end, line_start};

type Gap = (usize, usize, Fill);

/// Quoted scalars over several lines, collections whose lines start too far left, and tabs behind a colon: the byte
/// where the node begins, with the gaps to mask.
pub(super) fn places(text: &str, from: usize) -> Vec<(usize, Vec<Gap>)> {
    let bytes = text.as_bytes();
    let mut found: Vec<(usize, Vec<Gap>)> = Vec::new();
    let mut at = from;
    // Where the collection ends whose lines were looked at as a whole.
    let mut flow_end = 0;
    while let Some(byte) = bytes.get(at) {
        let blank_before = at == 0 || bytes[at - 1].is_ascii_whitespace();
        match byte {
            b'#' if blank_before => at = line_end(text, at),
            b'\n' => at = behind_block(text, at),
            b'"' | b'\'' if begins_value(bytes, at) => match folds(text, at) {
                Some((gaps, end)) => {
                    if !gaps.is_empty() {
                        found.push((at, gaps));
                    }
                    at = end;
                }
                None => at += 1,
            },
            b'[' | b'{' if at >= flow_end && begins_value(bytes, at) => {
                let (gaps, end) = gaps(text, at, key_column(text, at));
                if !gaps.is_empty() {
                    found.push((at, gaps.into_iter().map(|(start, end)| (start, end, Fill::Blank)).collect()));
                }
                flow_end = end;
                at += 1;
            }
            b':' => {
                let blanks = bytes[at + 1..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
                let end = at + 1 + blanks;
                let value = bytes.get(end).is_some_and(|byte| !matches!(byte, b'\n' | b'\r' | b'#' | b'&' | b'!'));
                if value && bytes[at + 1..end].contains(&b'\t') {
                    found.push((end, vec![(at + 1, end, Fill::Blank)]));
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    merged(found)
}

/// A value may have a tab before it and gaps in it.
fn merged(found: Vec<(usize, Vec<Gap>)>) -> Vec<(usize, Vec<Gap>)> {
    let mut out: Vec<(usize, Vec<Gap>)> = Vec::with_capacity(found.len());
    for (at, gaps) in found {
        match out.last_mut().filter(|(last, _)| *last == at) {
            Some((_, known)) => known.extend(gaps),
            None => out.push((at, gaps)),
        }
    }
    out
}

/// True behind an indicator, or at the beginning of a line.
fn begins_value(bytes: &[u8], at: usize) -> bool {
    let blanks = bytes[..at].iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    match at.checked_sub(blanks + 1).and_then(|before| bytes.get(before)) {
        None | Some(b'\n' | b'[' | b'{' | b',') => true,
        Some(b':' | b'-' | b'?') => blanks > 0,
        Some(_) => false,
    }
}

/// The column of the key that stands before a value, or of the value itself.
fn key_column(text: &str, at: usize) -> usize {
    let start = line_start(text, at);
    let mut rest = &text[start..];
    loop {
        let trimmed = rest.trim_start_matches(' ');
        match trimmed.strip_prefix("- ") {
            Some(after) => rest = after,
            None => return text.len() - trimmed.len() - start,
        }
    }
}

/// The byte behind a line break, and behind the block scalar that the line before it begins.
fn behind_block(text: &str, line_break: usize) -> usize {
    let start = line_start(text, line_break);
    let line = text[start..line_break].trim_end();
    let header = line.rsplit([' ', '\t']).next().unwrap_or_default();
    let mut at = line_break + 1;
    let modifiers = header.strip_prefix(['|', '>']);
    if !modifiers.is_some_and(|rest| rest.bytes().all(|byte| matches!(byte, b'+' | b'-' | b'0'..=b'9'))) {
        return at;
    }
    let column = key_column(text, start);
    while at < text.len() {
        let end = line_end(text, at);
        let content = text[at..end].trim_start_matches(' ');
        if !content.trim().is_empty() && end - at - content.len() <= column {
            break;
        }
        at = text[end..].find('\n').map_or(text.len(), |length| end + length + 1);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_words_and_block_scalars_are_left_out() {
        let text = "a: it\"s\n# \"x\n# y\"\nb: |\n  k: \"p\n  q\"\n- c: >-\n    t:\t1\n  d: \"r\ns\"\ne:\t'u\nv'\n";
        let at: Vec<&str> = places(text, 0).iter().map(|(at, _)| &text[*at..*at + 2]).collect();
        assert_eq!(at, ["\"r", "'u"]);
        assert_eq!(places(text, 0)[1].1.len(), 2);
    }
}
