//! Where the bytes of a scalar's text stand in the file.
//!
//! saphyr counts characters, ends quoted scalars late and starts block scalars after their
//! header; here its marks become byte offsets, and each text is walked along its source.

use saphyr_parser::{Marker, ScalarStyle};

/// Character index to byte offset.
pub(super) struct Offsets {
    /// Empty for pure ASCII, where both are equal.
    bytes: Vec<u32>,
    len: u32,
}

impl Offsets {
    pub(super) fn new(text: &str) -> Self {
        let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let bytes = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect()
        };
        Self { bytes, len }
    }

    pub(super) fn byte(&self, mark: Marker) -> u32 {
        if self.bytes.is_empty() {
            u32::try_from(mark.index()).unwrap_or(u32::MAX).min(self.len)
        } else {
            self.bytes.get(mark.index()).copied().unwrap_or(self.len)
        }
    }
}

/// Where a scalar stands and how its text runs along the source.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Place {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) content_start: usize,
    pub(super) map: Vec<(u32, u32)>,
}

/// The first byte after tags and anchors that stand before a node.
pub(super) fn skip_properties(source: &str, mut at: usize) -> usize {
    let bytes = source.as_bytes();
    loop {
        match bytes.get(at) {
            Some(b' ' | b'\t' | b'\r' | b'\n') => at += 1,
            Some(b'#') => at = line_end(source, at),
            Some(b'!') if bytes.get(at + 1) == Some(&b'<') => {
                while !matches!(bytes.get(at), None | Some(b'>' | b'\n')) {
                    at += 1;
                }
                at += usize::from(at < bytes.len());
            }
            Some(b'!' | b'&') => {
                while !matches!(
                    bytes.get(at),
                    None | Some(b' ' | b'\t' | b'\r' | b'\n' | b',' | b'[' | b']' | b'{' | b'}')
                ) {
                    at += 1;
                }
            }
            _ => return at,
        }
    }
}

/// The end of the line that holds `at`, without its break.
pub(super) fn line_end(source: &str, at: usize) -> usize {
    let end = source.as_bytes()[at.min(source.len())..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(source.len(), |length| at + length);
    if end > at && source.as_bytes()[end - 1] == b'\r' { end - 1 } else { end }
}

/// The start of the line that holds `at`.
pub(super) fn line_start(source: &str, at: usize) -> usize {
    source.as_bytes()[..at.min(source.len())].iter().rposition(|byte| *byte == b'\n').map_or(0, |found| found + 1)
}

/// The place of a scalar whose event spans `start..end` (bytes, tags and anchors skipped).
pub(super) fn locate(source: &str, start: usize, end: usize, text: &str, style: ScalarStyle, props: bool) -> Place {
    match style {
        ScalarStyle::Plain => {
            let walk = align(source, start, end.max(start), text, style, 0);
            Place { start, end: walk.end, content_start: start, map: walk.map }
        }
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
            let close = closing_quote(source, start);
            let content = (start + 1).min(close);
            let walk = align(source, content, close, text, style, 0);
            let end = if close < source.len() { close + 1 } else { close };
            Place { start, end, content_start: content, map: walk.map }
        }
        ScalarStyle::Literal | ScalarStyle::Folded => {
            let header = if props { start } else { block_header(source, start) };
            let header_end = line_end(source, header);
            let body = source[header_end..].find('\n').map_or(source.len(), |length| header_end + length + 1);
            let indent = block_indent(&source[body..], text);
            let content = body + spaces(source, body, indent);
            let walk = align(source, content, end.max(content), text, style, indent);
            let end = if text.trim_matches('\n').is_empty() { header_end } else { walk.end };
            Place { start: header, end: end.max(header), content_start: content, map: walk.map }
        }
    }
}

/// The closing quote of a scalar that opens at `start`; the end of the text if there is none.
fn closing_quote(source: &str, start: usize) -> usize {
    let bytes = source.as_bytes();
    let quote = bytes.get(start).copied().unwrap_or(b'"');
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += 1,
            b'\'' if quote == b'\'' && bytes.get(at + 1) == Some(&b'\'') => at += 1,
            _ if *byte == quote => return at,
            _ => {}
        }
        at += 1;
    }
    source.len()
}

/// The `|` or `>` of a block scalar whose first content stands at `start`.
fn block_header(source: &str, start: usize) -> usize {
    let here = line_start(source, start);
    let mut line = here;
    // Blank lines between header and content belong to the scalar; with no content the event
    // stands at the header itself or at whatever follows.
    loop {
        let candidate = &source[line..line_end(source, line)];
        if let Some(at) = header_in(candidate).filter(|at| line < here || line + at <= start)
            && (line < here || line + at == start)
        {
            return line + at;
        }
        if line == 0 || (line < here && !candidate.trim().is_empty()) {
            return start;
        }
        line = line_start(source, line - 1);
    }
}

/// The byte of the block indicator in a header line.
fn header_in(line: &str) -> Option<usize> {
    line.char_indices().filter(|(_, c)| matches!(c, '|' | '>')).map(|(at, _)| at).find(|at| {
        let rest = line[at + 1..].trim_start_matches(|c: char| c == '+' || c == '-' || c.is_ascii_digit());
        let trimmed = rest.trim_start();
        trimmed.is_empty() || (trimmed.starts_with('#') && trimmed.len() < rest.len())
    })
}

/// How many spaces were taken off each line of a block.
fn block_indent(body: &str, text: &str) -> usize {
    let lead = |text: &str| {
        text.lines()
            .find(|line| !line.trim().is_empty())
            .map_or(0, |line| line.len() - line.trim_start_matches(' ').len())
    };
    lead(body).saturating_sub(lead(text))
}

/// Number of spaces at `at`, at most `most`.
fn spaces(source: &str, at: usize, most: usize) -> usize {
    source.as_bytes()[at.min(source.len())..].iter().take(most).take_while(|byte| **byte == b' ').count()
}

struct Walk {
    map: Vec<(u32, u32)>,
    end: usize,
}

/// Walks text and source side by side and notes where they get out of step.
fn align(source: &str, start: usize, limit: usize, text: &str, style: ScalarStyle, indent: usize) -> Walk {
    let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
    let limit = limit.min(source.len());
    let start = start.min(limit);
    let mut walk = Walk { map: Vec::new(), end: start };
    let mut at = start;
    // Text offset minus file offset of the running stretch.
    let (mut from, mut to) = (0, start);
    let after_break = |at: usize| {
        if block {
            at + spaces(source, at, indent)
        } else {
            at + source.as_bytes()[at..limit.max(at)].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
        }
    };
    for (offset, c) in text.char_indices() {
        let width = loop {
            let Some(found) = source.get(at..limit).and_then(|rest| rest.chars().next()) else { return walk };
            match found {
                '\\' if style == ScalarStyle::DoubleQuoted => {
                    let rest = &source[at + 1..limit];
                    match rest.chars().next() {
                        Some('\r') if rest[1..].starts_with('\n') => at = after_break(at + 3),
                        Some('\n' | '\r') => at = after_break(at + 2),
                        Some('x') => break 4,
                        Some('u') => break 6,
                        Some('U') => break 10,
                        Some(escaped) => break 1 + escaped.len_utf8(),
                        None => return walk,
                    }
                }
                '\'' if style == ScalarStyle::SingleQuoted => break 2,
                '\n' | '\r' => {
                    let length = if source[at..].starts_with("\r\n") { 2 } else { 1 };
                    if c == '\n' || c == ' ' {
                        break length;
                    }
                    at = after_break(at + length);
                }
                _ if found == c => break found.len_utf8(),
                ' ' | '\t' => at += 1,
                _ => return walk,
            }
        };
        if at.wrapping_sub(to) != offset - from {
            (from, to) = (offset, at);
            if let (Ok(offset), Ok(at)) = (u32::try_from(offset), u32::try_from(at)) {
                walk.map.push((offset, at));
            }
        }
        let is_break = matches!(source.as_bytes().get(at), Some(b'\n' | b'\r'));
        at += width;
        if is_break {
            at = after_break(at);
        } else {
            walk.end = at.min(limit);
        }
    }
    walk
}
