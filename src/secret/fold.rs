//! A text without the breaks that programs put into it: line breaks, indentation, and both as
//! escapes inside JSON or quoted YAML. A secret that was wrapped or folded stands whole in it.
//!
//! Knows no secrets; places in the folded text can be mapped back.

/// A longer gap is a border between texts, not a wrapped line. Bounds what a stream holds back.
const GAP: usize = 256;
/// Stands for such a border: never part of UTF-8.
const BORDER: u8 = 0xff;

/// The text without white space, `\n`, `\r`, `\t` as escapes (also escaped twice), and backslashes before a line break.
pub(super) fn fold(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    each(text, false, |_, byte| out.push(byte));
    out
}

/// As [`fold`]. `escape`: the byte before the text was a backslash.
pub(super) fn fold_after(text: &[u8], escape: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    each(text, escape, |_, byte| out.push(byte));
    out
}

/// Where each byte of the folded text stands in the text itself.
pub(super) fn places(text: &[u8], escape: bool) -> Vec<usize> {
    let mut out = Vec::with_capacity(text.len());
    each(text, escape, |at, _| out.push(at));
    out
}

/// The length of the text without the backslashes at its end: what they are the next byte tells.
pub(super) fn decided(text: &[u8]) -> usize {
    text.len() - text.iter().rev().take_while(|byte| **byte == b'\\').count()
}

/// 1 for what is no white space: a table is faster than a comparison where each step waits for the last.
const KEPT: [u8; 256] = {
    let mut table = [1; 256];
    let mut at = 0;
    while at < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "at is below 256")]
        if blank(at as u8) {
            table[at] = 0;
        }
        at += 1;
    }
    table
};

const fn blank(byte: u8) -> bool {
    byte == b' ' || byte.wrapping_sub(b'\t') < 5
}

fn each(text: &[u8], escape: bool, mut keep: impl FnMut(usize, u8)) {
    let letter = |byte: Option<&u8>| matches!(byte, Some(b'n' | b'r' | b't'));
    let mut at = usize::from(escape && letter(text.first()));
    // Where the last kept byte ended.
    let mut kept = 0;
    while let Some(byte) = text.get(at) {
        if blank(*byte) {
            at += 1;
            continue;
        }
        let mut end = at + 1;
        if *byte == b'\\' {
            end = at + text[at..].iter().take_while(|byte| **byte == b'\\').count();
            let next = text.get(end);
            if letter(next) {
                at = end + 1;
                continue;
            }
            if next.is_some_and(|byte| blank(*byte)) {
                at = end;
                continue;
            }
        }
        if at - kept > GAP {
            keep(at, BORDER);
        }
        for (place, byte) in text.iter().enumerate().take(end).skip(at) {
            keep(place, *byte);
        }
        (at, kept) = (end, end);
    }
    if text.len() - kept > GAP {
        keep(text.len(), BORDER);
    }
}

/// Folds a stream in pieces, for a search that only asks whether something is there: a gap of any
/// length is none, and no places are kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Folder {
    /// Backslashes at the end of what was seen: the next byte tells what they are.
    slashes: usize,
}

/// More backslashes in a row than any text that is sought has.
const MOST_SLASHES: usize = 4096;
/// Bytes that are looked at together.
const BLOCK: usize = 32;

impl Folder {
    /// Appends what is left of the next piece.
    pub(super) fn push(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let mut end = out.len();
        out.resize(end + self.slashes.min(MOST_SLASHES) + text.len() + BLOCK, 0);
        let mut rest = text;
        while let Some(byte) = rest.first() {
            if self.slashes > 0 {
                match byte {
                    b'\\' => {
                        self.slashes += 1;
                        rest = &rest[1..];
                        continue;
                    }
                    b'n' | b'r' | b't' => {
                        self.slashes = 0;
                        rest = &rest[1..];
                        continue;
                    }
                    byte if blank(*byte) => self.slashes = 0,
                    _ => {
                        let count = std::mem::take(&mut self.slashes).min(MOST_SLASHES);
                        out[end..end + count].fill(b'\\');
                        end += count;
                    }
                }
            }
            if let (Some(block), Some(target)) = (rest.first_chunk::<BLOCK>(), out[end..].first_chunk_mut::<BLOCK>())
                && !block.iter().fold(false, |any, byte| any | (*byte == b'\\'))
            {
                if block.iter().fold(false, |any, byte| any | blank(*byte)) {
                    let mut kept = 0;
                    for byte in block {
                        // `kept` is below BLOCK; this tells the compiler.
                        target[kept % BLOCK] = *byte;
                        kept += usize::from(KEPT[usize::from(*byte)]);
                    }
                    end += kept;
                } else {
                    *target = *block;
                    end += BLOCK;
                }
                rest = &rest[BLOCK..];
                continue;
            }
            for byte in &rest[..rest.len().min(BLOCK)] {
                rest = &rest[1..];
                if *byte == b'\\' {
                    self.slashes = 1;
                    break;
                }
                out[end] = *byte;
                end += usize::from(!blank(*byte));
            }
        }
        out.truncate(end);
    }

    /// The end of the stream: backslashes there are text.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        out.resize(out.len() + std::mem::take(&mut self.slashes).min(MOST_SLASHES), b'\\');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_stream_is_folded_as_the_whole(text in "[ant\\\\ \n\té]{0,200}", cuts in prop::collection::vec(1usize..40, 1..9)) {
            let (mut folder, mut out) = (Folder::default(), Vec::new());
            let (mut rest, mut cuts) = (text.as_bytes(), cuts.iter().cycle());
            while !rest.is_empty() {
                let cut = cuts.next().map_or(1, |cut| *cut).min(rest.len());
                folder.push(&rest[..cut], &mut out);
                rest = &rest[cut..];
            }
            folder.flush(&mut out);
            prop_assert_eq!(out, fold(text.as_bytes()));
        }
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(String::from_utf8_lossy(&fold(text.as_bytes())), expected);
        assert_eq!(places(text.as_bytes(), false).len(), expected.chars().count());
    }

    #[test]
    fn breaks_and_their_escapes_go() {
        check("ab\n    cd\r\n\tef", "abcdef");
        check(r"ab\ncd\r\n  ef\\ngh", "abcdefgh");
        check("ab\\\n  \\ cd", "abcd");
        check(r#"a\"b\\c"#, r#"a\"b\\c"#);
        check("a\\", "a\\");
        assert_eq!(fold_after(b"nab", true), b"ab");
        assert_eq!(fold_after(b"xab", true), b"xab");
        assert_eq!(decided(b"ab\\\\"), 2);
    }

    #[test]
    fn a_long_gap_is_a_border() {
        let mut text = b"ab".to_vec();
        text.extend([b' '; GAP]);
        assert_eq!(fold(&[&text[..], b"cd"].concat()), b"abcd");
        text.push(b'\n');
        assert_eq!(fold(&[&text[..], b"cd"].concat()), b"ab\xffcd");
        assert_eq!(fold(&text), b"ab\xff");
    }
}
