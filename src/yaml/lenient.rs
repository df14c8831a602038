//! What PyYAML reads and saphyr does not: lines of a quoted scalar that start too far left, tabs
//! between `:` and a value, comments right behind a value.
//!
//! As in `flow`, the number of characters stays: a line break inside quotes becomes as many marks,
//! which stand for what it folds to. Indentation is not judged here.

/// Stands for nothing, a space and a line break in a text whose breaks inside quotes were folded.
const MARKS: [char; 3] = ['\u{e000}', '\u{e001}', '\u{e002}'];

/// What a masked gap stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fill {
    /// Blanks between tokens.
    Blank,
    /// A fold of a quoted scalar: a space.
    Space,
    /// A fold of a quoted scalar: so many line breaks.
    Breaks(usize),
}

impl Fill {
    /// Writes `count` characters in place of the gap.
    pub(super) fn write(self, count: usize, out: &mut String) {
        let (meant, mark) = match self {
            Self::Blank => (count, ' '),
            Self::Space => (1.min(count), MARKS[1]),
            Self::Breaks(breaks) => (breaks.min(count), MARKS[2]),
        };
        out.extend(std::iter::repeat_n(mark, meant));
        out.extend(std::iter::repeat_n(MARKS[0], count - meant));
    }
}

/// A scalar with its marks read.
pub(super) fn unfold(text: &str) -> String {
    let meant = text.chars().filter(|c| *c != MARKS[0]);
    meant
        .map(|c| match c {
            c if c == MARKS[1] => ' ',
            c if c == MARKS[2] => '\n',
            c => c,
        })
        .collect()
}

/// True if the text holds one of the marks itself: then nothing can be folded.
pub(super) fn has_marks(text: &str) -> bool {
    text.contains(MARKS)
}

/// The line breaks of the quoted scalar that opens at `open`, with the place behind its closing
/// quote. None if it is never closed, or a document would end in it.
pub(super) fn folds(text: &str, open: usize) -> Option<(Vec<(usize, usize, Fill)>, usize)> {
    let bytes = text.as_bytes();
    let quote = *bytes.get(open).filter(|byte| matches!(byte, b'"' | b'\''))?;
    let mut found = Vec::new();
    let mut at = open + 1;
    loop {
        match *bytes.get(at)? {
            b'\\' if quote == b'"' => match bytes.get(at + 1)? {
                b'\n' | b'\r' => {
                    let (end, breaks) = blanks(bytes, at + 1)?;
                    found.push((at, end, Fill::Breaks(breaks - 1)));
                    at = end;
                }
                _ => at += 2,
            },
            byte if byte == quote => {
                if quote == b'\'' && bytes.get(at + 1) == Some(&quote) {
                    at += 2;
                } else {
                    return Some((found, at + 1));
                }
            }
            b' ' | b'\t' | b'\r' | b'\n' => {
                let (end, breaks) = blanks(bytes, at)?;
                match breaks {
                    0 => {}
                    1 => found.push((at, end, Fill::Space)),
                    more => found.push((at, end, Fill::Breaks(more - 1))),
                }
                at = end;
            }
            _ => at += 1,
        }
    }
}

/// The end of the blanks that start here, and their line breaks. None before the mark of a document.
fn blanks(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let mut breaks = 0;
    while let Some(byte @ (b' ' | b'\t' | b'\r' | b'\n')) = bytes.get(at) {
        at += 1;
        if *byte == b'\n' || (*byte == b'\r' && bytes.get(at) != Some(&b'\n')) {
            breaks += 1;
            let line = &bytes[at..];
            let ends = line.get(3).is_none_or(u8::is_ascii_whitespace);
            if ends && (line.starts_with(b"---") || line.starts_with(b"...")) {
                return None;
            }
        }
    }
    Some((at, breaks))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, usize)> {
        let (gaps, end) = folds(text, 0)?;
        let mut out = String::new();
        let mut done = 0;
        for (start, stop, fill) in gaps {
            out.push_str(&text[done..start]);
            fill.write(stop - start, &mut out);
            done = stop;
        }
        out.push_str(&text[done..end]);
        assert_eq!(out.chars().count(), text[..end].chars().count());
        Some((unfold(&out), end))
    }

    #[test]
    fn folds_as_pyyaml_does() {
        assert_eq!(read("\"a \n  b\" rest"), Some(("\"a b\"".to_owned(), 8)));
        assert_eq!(read("'a\n\n\n b''\n'").map(|(text, _)| text), Some("'a\n\nb'' '".to_owned()));
        assert_eq!(read("\"a \\\r\n  b\\\"\\n\"").map(|(text, _)| text), Some("\"a b\\\"\\n\"".to_owned()));
        assert_eq!(read("\"a\\\n\n  b\"").map(|(text, _)| text), Some("\"a\nb\"".to_owned()));
        assert_eq!(read("\"a\n"), None);
        assert_eq!(read("\"a\n---\nb\""), None);
        assert_eq!(read("\"a\n...\""), Some(("\"a ...\"".to_owned(), 7)));
    }
}
