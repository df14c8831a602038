//! What may reach a terminal: text, line breaks, tabs and plain colours. Whatever else steers a terminal
//! (titles, cursor moves, a carriage return over a line, text that runs backwards) is spelled out.
//!
//! Every renderer writes through this; hosts, file names and messages cannot repaint what was shown before.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Ends every colour.
const RESET: &str = "\u{1b}[0m";

/// True for a character that a terminal acts upon, or that turns the order of what it shows.
pub(super) fn steers(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        other => other.is_control(),
    }
}

/// The length of the colour sequence that a text begins with.
fn colour(text: &str) -> Option<usize> {
    let inner = text.strip_prefix("\u{1b}[")?;
    let end = inner.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    (end < 24 && inner.as_bytes()[end] == b'm').then_some(end + 3)
}

/// True if every part of a colour sequence leaves the text readable: no concealed text, no background, no blinking.
fn readable(sequence: &str) -> bool {
    let inner = sequence.trim_start_matches("\u{1b}[").trim_end_matches('m');
    inner
        .split(';')
        .all(|part| part.is_empty() || matches!(part.parse(), Ok(0_u8..=4 | 22..=24 | 30..=37 | 39 | 90..=97)))
}

/// The text as a terminal may have it. A colour that the text does not end is ended at its end.
pub fn safe(text: &str) -> Cow<'_, str> {
    // Control characters are ASCII or begin with the byte 0xc2, the marks of direction with 0xe2.
    let plain =
        |byte: u8| (byte >= b' ' && byte != 0x7f && byte != 0xc2 && byte != 0xe2) || byte == b'\n' || byte == b'\t';
    if text.bytes().all(plain) || !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut open = false;
    let mut rest = text;
    while let Some(at) = rest.find(steers) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(length) = colour(rest) {
            let (sequence, after) = rest.split_at(length);
            if readable(sequence) {
                open = !matches!(sequence, RESET | "\u{1b}[m");
                out.push_str(sequence);
            }
            rest = after;
            continue;
        }
        let c = rest.chars().next().unwrap_or_default();
        rest = &rest[c.len_utf8()..];
        match c {
            // Programs behind a terminal of their own end their lines so.
            '\r' if rest.starts_with('\n') => out.push('\r'),
            '\r' => out.push_str("\\r"),
            c if u32::from(c) < 0x100 => drop(write!(out, "\\x{:02x}", u32::from(c))),
            c => drop(write!(out, "\\u{:04x}", u32::from(c))),
        }
    }
    out.push_str(rest);
    if open {
        let end = out.trim_end_matches('\n').len();
        out.insert_str(end, RESET);
    }
    Cow::Owned(out)
}

/// As [`safe`] for a text that is JSON: what steers stands inside strings, and stays what it is as an escape.
pub(super) fn safe_json(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        // Below the space JSON escapes itself, and a carriage return may stand between values.
        if steers(c) && u32::from(c) >= 0x7f {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(safe(text), expected);
    }

    #[test]
    fn what_steers_a_terminal_is_spelled_out() {
        check("a\u{1b}]0;title\u{7}b", "a\\x1b]0;title\\x07b");
        check("5%\r100%\r\nover\u{8}\u{7f}", "5%\\r100%\r\nover\\x08\\x7f");
        check("\u{1b}[2J\u{1b}[1A\u{9b}2J", "\\x1b[2J\\x1b[1A\\x9b2J");
        check("\u{202e}txt.exe\u{2069}", "\\u202etxt.exe\\u2069");
        check("\u{1b}[31", "\\x1b[31");
        check("\u{1b}", "\\x1b");
        check("\u{0}", "\\x00");
    }

    #[test]
    fn text_and_colours_stay() {
        for text in ["", "plain\n\ttext", "größer – “quoted” ☃", "\u{1b}[0;32mok\u{1b}[0m\n", "\u{1b}[1;30mx\u{1b}[m"]
        {
            assert!(matches!(safe(text), Cow::Borrowed(_)) || safe(text) == text, "{text:?}");
        }
        check("\u{1b}[01;34mdir\u{1b}[0m", "\u{1b}[01;34mdir\u{1b}[0m");
    }

    #[test]
    fn a_colour_cannot_hide_text_and_ends() {
        check("\u{1b}[8mhidden\u{1b}[0m", "hidden\u{1b}[0m");
        check("\u{1b}[37;47mhidden", "hidden");
        check("\u{1b}[31mred\nrest\n", "\u{1b}[31mred\nrest\u{1b}[0m\n");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let text = "{\"a\": \"x\u{9b}2J\u{202e}\u{7f} \\u001b ok\"}\n";
        let safe = safe_json(text);
        assert!(!safe.trim_end().contains(steers), "{safe}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(text), value(&safe));
    }
}
