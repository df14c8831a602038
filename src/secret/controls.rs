//! A text without what a terminal acts upon: colours, cursor moves, titles, single control characters. A secret with
//! such bytes inside (`grep --color`, `jq -C`, a prompt) stands whole in it.
//!
//! White space stays: it is [`super::fold`]'s. Knows no secrets; places can be mapped back.

/// A longer stretch of control characters is a border between texts. Bounds what a stream holds back.
const GAP: usize = 256;
/// Stands for such a border: never part of UTF-8.
const BORDER: u8 = 0xff;
const ESCAPE: u8 = 0x1b;

/// True for what may begin something that is left out. White space stays.
const fn steers(byte: u8) -> bool {
    byte < b'\t' || (byte > b'\r' && byte < b' ') || byte == 0x7f
}

/// The text without control sequences, and where each of its bytes stands; `None` if there are none.
pub(super) fn without_controls(text: &[u8]) -> Option<(Vec<u8>, Vec<usize>)> {
    // A control character of the second set is two bytes; the first byte alone begins letters, too.
    let second = |at: usize| text[at] == 0xc2 && text.get(at + 1).is_some_and(|byte| (0x80..0xa0).contains(byte));
    let begins = |at: &usize| steers(text[*at]) || second(*at);
    (0..text.len()).find(begins)?;
    let (mut plain, mut places) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len()));
    let (mut at, mut kept) = (0, 0);
    while at < text.len() {
        if begins(&at) {
            at += sequence(&text[at..]);
            continue;
        }
        if at - kept > GAP {
            plain.push(BORDER);
            places.push(at);
        }
        plain.push(text[at]);
        places.push(at);
        at += 1;
        kept = at;
    }
    if text.len() - kept > GAP {
        plain.push(BORDER);
        places.push(text.len());
    }
    Some((plain, places))
}

/// The length of the control sequence that a text begins with. One that is cut off by the text's end has that end; one
/// that is longer than any real one is a single character.
fn sequence(text: &[u8]) -> usize {
    let (head, kind) = match *text {
        [0xc2, 0x9b, ..] => (2, b'['),
        [0xc2, 0x90 | 0x98 | 0x9d | 0x9e | 0x9f, ..] => (2, b']'),
        [0xc2, ..] => return 2,
        [ESCAPE, kind @ b' '..=b'~', ..] => (2, kind),
        _ => return 1,
    };
    let single = if text[0] == ESCAPE { 1 } else { head };
    let rest = &text[head..];
    let length = match kind {
        b'[' => rest.iter().position(|byte| !(b' '..b'@').contains(byte)).map(|end| {
            let ends = (b'@'..0x7f).contains(&rest[end]);
            end + usize::from(ends)
        }),
        b']' | b'P' | b'X' | b'^' | b'_' => {
            let end = (0..rest.len()).find(|at| rest[*at] == 0x07 || rest[*at..].starts_with(b"\x1b\\"));
            end.map(|end| end + if rest[end] == 0x07 { 1 } else { 2 })
        }
        b' '..b'0' => rest.iter().position(|byte| !(b' '..b'0').contains(byte)).map(|end| end + 1),
        _ => Some(0),
    };
    match length {
        Some(length) if length <= GAP => head + length.min(rest.len()),
        None if rest.len() <= GAP => text.len(),
        _ => single,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        let (plain, places) = without_controls(text.as_bytes()).expect("something is left out");
        assert_eq!(String::from_utf8_lossy(&plain), expected, "{text:?}");
        assert!(plain.iter().zip(&places).all(|(byte, at)| text.as_bytes()[*at] == *byte), "{text:?}");
    }

    #[test]
    fn sequences_go_and_text_stays() {
        check("ab\x1b[31mcd\x1b[0m", "abcd");
        check("ab\x1b[Kcd\x1b[1;32;40mef\x1b[m", "abcdef");
        check("a\x08b\x07c\0d\x7fe", "abcde");
        check("ab\x1b]0;a title\x07cd\x1b]8;;http://x\x1b\\ef", "abcdef");
        check("ab\x1b(Bcd\x1b=ef\x1b", "abcdef");
        check("ab\u{9b}31mcd\u{85}ef", "abcdef");
        check("é\x1b[3", "é");
        check("a\tb\r\nc\x1bMd", "a\tb\r\ncd");
        // What breaks a sequence off is text.
        check("a\x1b[3\nb", "a\nb");
        assert_eq!(without_controls("äöü ☃ a\tb\r\n".as_bytes()), None);
    }

    #[test]
    fn a_sequence_without_an_end_hides_nothing() {
        let text = format!("ab\x1b]{}cd", "x".repeat(GAP + 1));
        assert!(String::from_utf8(without_controls(text.as_bytes()).unwrap().0).unwrap().ends_with("xcd"));
        let text = format!("ab{}cd", "\0".repeat(GAP + 1));
        assert_eq!(without_controls(text.as_bytes()).unwrap().0, b"ab\xffcd");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in prop::collection::vec(prop::sample::select(&[
            0x1b, b'[', b']', b'm', b'3', b';', 0x07, b'\\', 0xc2, 0x9b, 0x9d, b'a', b'\n', 0, 0x7f, b' ',
        ][..]), 0..60)) {
            if let Some((plain, places)) = without_controls(&text) {
                prop_assert!(plain.len() == places.len() && places.windows(2).all(|two| two[0] < two[1]));
                prop_assert!(!plain.iter().any(|byte| steers(*byte)));
            }
        }
    }
}
