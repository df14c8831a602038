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

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
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
        for place in at..end {
            keep(place, text[place]);
        }
        (at, kept) = (end, end);
    }
    if text.len() - kept > GAP {
        keep(text.len(), BORDER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
