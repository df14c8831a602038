//! Argument text: `src=a dest="b c" echo hi`, split as Ansible's `parse_kv` and `split_args` do.
//!
//! Every piece remembers which bytes of the text it came from, so that messages can point
//! into it. Quotes and Jinja blocks hold words together; quotes inside of Jinja blocks count too.

use std::sync::Arc;

use crate::value::Value;
use crate::yaml::{Node, NodeData, Scalar, Style};

/// Text that was cut out of a longer one, with the way back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// Where it came from: from each offset in `text` on, bytes run in step from an offset in the source.
    runs: Vec<(usize, usize)>,
}

impl Piece {
    /// A part of the source, unchanged.
    pub fn source(source: &str, start: usize, end: usize) -> Self {
        let mut piece = Self::default();
        piece.push(&source[start..end], start);
        piece
    }

    fn push(&mut self, text: &str, from: usize) {
        if text.is_empty() {
            return;
        }
        let at = self.text.len();
        if self.runs.last().is_none_or(|(start, origin)| origin + (at - start) != from) {
            self.runs.push((at, from));
        }
        self.text.push_str(text);
    }

    fn push_piece(&mut self, other: &Piece) {
        for (index, (start, origin)) in other.runs.iter().enumerate() {
            let end = other.runs.get(index + 1).map_or(other.text.len(), |(next, _)| *next);
            self.push(&other.text[*start..end], *origin);
        }
    }

    /// The offset in the source of an offset in the text.
    pub fn origin(&self, offset: usize) -> usize {
        match self.runs.partition_point(|(start, _)| *start <= offset) {
            0 => 0,
            index => {
                let (start, origin) = self.runs[index - 1];
                origin + (offset - start)
            }
        }
    }

    fn slice(&self, start: usize, end: usize) -> Self {
        let mut piece = Self::default();
        for (index, (from, origin)) in self.runs.iter().enumerate() {
            let to = self.runs.get(index + 1).map_or(self.text.len(), |(next, _)| *next);
            let (low, high) = (start.max(*from), end.min(to));
            if low < high {
                piece.push(&self.text[low..high], origin + (low - from));
            }
        }
        if piece.runs.is_empty() {
            piece.runs.push((0, self.origin(start)));
        }
        piece
    }

    fn trim(&self) -> Self {
        let start = self.text.len() - self.text.trim_start().len();
        self.slice(start, start + self.text.trim().len())
    }

    /// Without one pair of quotes around it, if the last is not escaped.
    fn unquote(&self) -> Self {
        let bytes = self.text.as_bytes();
        let quoted = bytes.len() > 1
            && bytes[0] == bytes[bytes.len() - 1]
            && matches!(bytes[0], b'"' | b'\'')
            && bytes[bytes.len() - 2] != b'\\';
        if quoted { self.slice(1, bytes.len() - 1) } else { self.clone() }
    }

    /// `\n`, `\x41`, `\u00e4`, `\\` and the like become what they mean; other backslashes stay.
    fn unescape(&self) -> Self {
        if !self.text.contains('\\') {
            return self.clone();
        }
        let mut out = Self::default();
        let mut at = 0;
        while let Some(offset) = self.text[at..].find('\\') {
            let start = at + offset;
            out.push_piece(&self.slice_or_empty(at, start));
            match escape(&self.text[start..]) {
                Some((c, length)) => {
                    out.push(c.encode_utf8(&mut [0; 4]), self.origin(start));
                    at = start + length;
                }
                None => {
                    out.push("\\", self.origin(start));
                    at = start + 1;
                }
            }
        }
        out.push_piece(&self.slice_or_empty(at, self.text.len()));
        out
    }

    fn slice_or_empty(&self, start: usize, end: usize) -> Self {
        if start < end { self.slice(start, end) } else { Self::default() }
    }

    /// A node with this text whose places are those of `node`, the scalar the source text is from.
    pub fn to_node(&self, node: &Node) -> Node {
        let Some(scalar) = node.as_scalar() else { return node.clone() };
        let to_file = |offset: usize| node.text_span(offset, offset).start;
        let offset = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let mut map = Vec::new();
        for (index, (start, origin)) in self.runs.iter().enumerate() {
            let end = self.runs.get(index + 1).map_or(self.text.len(), |(next, _)| *next);
            map.push((offset(*start), to_file(*origin)));
            for (jump, file) in scalar.map.iter() {
                let jump = *jump as usize;
                if jump > *origin && jump < origin + (end - start) {
                    map.push((offset(start + (jump - origin)), *file));
                }
            }
        }
        let last = self.text.len().checked_sub(1).map_or(0, |last| self.origin(last) + 1);
        let (first, last) = (self.origin(0), last.max(self.origin(0)));
        let text: Arc<str> = self.text.as_str().into();
        Node {
            span: node.text_span(first, last),
            data: NodeData::Scalar(Arc::new(Scalar {
                value: Value::Str(Arc::clone(&text)),
                text,
                style: Style::Text,
                content_start: to_file(first),
                map: map.into(),
            })),
            tag: node.tag,
            alias: None,
        }
    }
}

/// The character of an escape at the start of a text, and the escape's length.
fn escape(text: &str) -> Option<(char, usize)> {
    let kind = text.as_bytes().get(1)?;
    let simple = |c: char| Some((c, 2));
    let hex = |digits: usize| {
        let code = text.get(2..2 + digits).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        Some((char::from_u32(u32::from_str_radix(code, 16).ok()?)?, 2 + digits))
    };
    match kind {
        b'\\' => simple('\\'),
        b'\'' => simple('\''),
        b'"' => simple('"'),
        b'a' => simple('\u{7}'),
        b'b' => simple('\u{8}'),
        b'f' => simple('\u{c}'),
        b'n' => simple('\n'),
        b'r' => simple('\r'),
        b't' => simple('\t'),
        b'v' => simple('\u{b}'),
        b'x' => hex(2),
        b'u' => hex(4),
        b'U' => hex(8),
        _ => None,
    }
}

/// Quotes or a Jinja block that is never closed: what opened it, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbalanced {
    /// `"`, `'`, `{{`, `{%` or `{#`.
    pub opener: &'static str,
    /// Its offset in the text.
    pub at: usize,
}

/// How deep in quotes and Jinja blocks the splitter is.
#[derive(Default)]
struct Depth {
    quote: Option<(char, usize)>,
    blocks: [(usize, usize); 3],
}

const BLOCKS: [(&str, &str); 3] = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];

impl Depth {
    fn in_block(&self) -> bool {
        self.blocks.iter().any(|(depth, _)| *depth > 0)
    }

    /// Follows the quotes of a word: a quote opens or closes unless a backslash stands before it.
    fn quotes(&mut self, word: &str, at: usize) {
        let mut before = None;
        for (offset, c) in word.char_indices() {
            if matches!(c, '"' | '\'') && before != Some('\\') {
                match self.quote {
                    Some((open, _)) if open == c => self.quote = None,
                    Some(_) => {}
                    None => self.quote = Some((c, at + offset)),
                }
            }
            before = Some(c);
        }
    }

    /// Counts the block marks of a word; true if a depth changed.
    fn count(&mut self, word: &str, at: usize) -> bool {
        let mut changed = false;
        for (index, (open, close)) in BLOCKS.iter().enumerate() {
            let (opened, closed) = (word.matches(open).count(), word.matches(close).count());
            let (depth, place) = self.blocks[index];
            let now = (depth + opened).saturating_sub(closed);
            if opened != closed && now != depth {
                let place = if depth == 0 { at + word.find(open).unwrap_or(0) } else { place };
                self.blocks[index] = (now, place);
                changed = true;
            }
        }
        changed
    }

    fn unbalanced(&self) -> Option<Unbalanced> {
        if let Some((quote, at)) = self.quote {
            return Some(Unbalanced { opener: if quote == '"' { "\"" } else { "'" }, at });
        }
        let index = self.blocks.iter().position(|(depth, _)| *depth > 0)?;
        Some(Unbalanced { opener: BLOCKS[index].0, at: self.blocks[index].1 })
    }
}

/// Splits at blanks and line breaks, but not in quotes or Jinja blocks. Extra blanks stay at the
/// end of the word before them, so that [`join`] gives the text back.
pub fn split_args(args: &str) -> Result<Vec<Piece>, Unbalanced> {
    let mut words: Vec<Piece> = Vec::new();
    let mut depth = Depth::default();
    let mut at = 0;
    let lines: Vec<&str> = if args.is_empty() { Vec::new() } else { args.split('\n').collect() };
    for (line_index, line) in lines.iter().enumerate() {
        let mut continued = false;
        let mut start = at;
        for (index, word) in line.split(' ').enumerate() {
            let word_at = start;
            start += word.len() + 1;
            if word.is_empty() && index != 0 {
                last(&mut words).push(" ", word_at.saturating_sub(1));
                continue;
            }
            if word == "\\" && depth.quote.is_none() {
                continued = true;
                continue;
            }
            let was_quoted = depth.quote.is_some();
            depth.quotes(word, word_at);
            let quoted = depth.quote.is_some();
            let mut taken = true;
            if quoted && !was_quoted && !depth.in_block() {
                words.push(Piece::source(args, word_at, word_at + word.len()));
            } else if depth.in_block() || quoted || was_quoted {
                // The blank before it belongs to it, unless a quoted text goes on at a line's start.
                let piece = last(&mut words);
                if index > 0 {
                    piece.push(" ", word_at - 1);
                }
                piece.push(word, word_at);
            } else {
                taken = false;
            }
            if depth.count(word, word_at) && !taken {
                words.push(Piece::source(args, word_at, word_at + word.len()));
                taken = true;
            }
            if !taken && !depth.in_block() && !quoted && !word.is_empty() {
                words.push(Piece::source(args, word_at, word_at + word.len()));
            }
        }
        at += line.len() + 1;
        if line_index + 1 != lines.len() && !continued {
            last(&mut words).push("\n", at - 1);
        }
    }
    match depth.unbalanced() {
        Some(unbalanced) => Err(unbalanced),
        None => Ok(words),
    }
}

fn last(words: &mut Vec<Piece>) -> &mut Piece {
    if words.is_empty() {
        words.push(Piece::default());
    }
    let index = words.len() - 1;
    &mut words[index]
}

/// Puts words together again, with the line breaks and blanks they had.
pub fn join(words: &[Piece]) -> Piece {
    let mut joined = Piece::default();
    for word in words {
        if !joined.text.is_empty() && !joined.text.ends_with('\n') {
            // The blank has no place of its own: it follows what is there.
            let at = joined.origin(joined.text.len() - 1) + 1;
            joined.push(" ", at);
        }
        joined.push_piece(word);
    }
    joined
}

/// The result of [`parse_kv`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// `k=v` pairs in order; a later one of the same name wins.
    pub options: Vec<(Piece, Piece)>,
    /// Everything else, as one text.
    pub raw: Option<Piece>,
}

/// Options that `command`, `shell`, `raw` and `script` take out of their free text.
const RAW_OPTIONS: &[&str] =
    &["creates", "removes", "chdir", "executable", "warn", "stdin", "stdin_add_newline", "strip_empty_ends"];

/// Splits argument text. With `free_form` only the options of commands are taken as `k=v`.
pub fn parse_kv(text: &str, free_form: bool) -> Result<Arguments, Unbalanced> {
    let mut options = Vec::new();
    let mut raw = Vec::new();
    for word in split_args(text)? {
        let plain = word.unescape();
        if !plain.text.contains('=') {
            raw.push(word);
            continue;
        }
        let Some(at) = equals(&plain.text) else {
            raw.push(drop_escaped_equals(&plain));
            continue;
        };
        let key = plain.slice(0, at);
        if free_form && !RAW_OPTIONS.contains(&key.text.as_str()) {
            raw.push(word);
            continue;
        }
        let value = plain.slice(at + 1, plain.text.len().max(at + 1));
        options.push((key.trim(), value.trim().unquote()));
    }
    Ok(Arguments { options, raw: if raw.is_empty() { None } else { Some(join(&raw)) } })
}

/// The offset of the first `=` that is neither at the start nor after a backslash.
fn equals(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (1..bytes.len()).find(|at| bytes[*at] == b'=' && bytes[at - 1] != b'\\')
}

fn drop_escaped_equals(piece: &Piece) -> Piece {
    let mut out = Piece::default();
    let mut at = 0;
    while let Some(offset) = piece.text[at..].find("\\=") {
        out.push_piece(&piece.slice_or_empty(at, at + offset));
        at += offset + 1;
    }
    out.push_piece(&piece.slice_or_empty(at, piece.text.len()));
    out
}

#[cfg(test)]
mod tests;
