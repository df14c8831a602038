//! YAML text exactly as PyYAML writes it (`to_yaml`, `to_nice_yaml`): a port of its emitter.

use std::fmt::Write as _;

use base64::Engine as _;

use crate::value::{Key, Value, python_float, python_str};
use crate::yaml::reads_as_text;

use super::yaml_text::{analyze, is_break, words, words_by_line};

/// Settings of `yaml.dump`.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Spaces a level.
    pub indent: usize,
    /// Where long lines are broken.
    pub width: usize,
    /// Sort mappings by key.
    pub sort_keys: bool,
    /// Flow style for all, for none, or for containers of scalars.
    pub flow: Option<bool>,
    /// Begin with `---`.
    pub explicit_start: bool,
    /// End with `...`.
    pub explicit_end: bool,
    /// Do not escape what is beyond ASCII.
    pub unicode: bool,
    /// How scalars are written where that can be: `"`, `'`, `|` or `>`.
    pub scalar: Option<char>,
    /// Tags and quotes everywhere, flow style, an entry a line.
    pub canonical: bool,
}

impl Style {
    /// As Ansible's own programs write YAML: block style, keys sorted.
    pub const BLOCK: Self = Self {
        indent: 2,
        width: 80,
        sort_keys: true,
        flow: Some(false),
        explicit_start: false,
        explicit_end: false,
        unicode: true,
        scalar: None,
        canonical: false,
    };
}

struct Emitter {
    out: String,
    style: Style,
    column: usize,
    whitespace: bool,
    indention: bool,
    indent: Option<usize>,
    flow_level: usize,
    mapping: bool,
    simple_key: bool,
}

/// The text of a value.
pub fn dump(value: &Value, style: Style) -> String {
    let mut emitter = Emitter {
        out: String::new(),
        style,
        column: 0,
        whitespace: true,
        indention: true,
        indent: None,
        flow_level: 0,
        mapping: false,
        simple_key: false,
    };
    if style.explicit_start || style.canonical {
        emitter.indicator("---", true, false, false);
        if style.canonical {
            emitter.write_indent();
        }
    }
    emitter.node(value, false, false);
    emitter.write_indent();
    if style.explicit_end {
        emitter.indicator("...", true, false, false);
        emitter.write_indent();
    }
    emitter.out
}

fn scalar_text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(int) => int.to_string(),
        Value::BigInt(digits) => digits.to_string(),
        Value::Float(float) if float.is_nan() => ".nan".to_owned(),
        Value::Float(float) if float.is_infinite() => if *float > 0.0 { ".inf" } else { "-.inf" }.to_owned(),
        Value::Float(float) => {
            let text = python_float(*float).to_lowercase();
            if !text.contains('.') && text.contains('e') { text.replacen('e', ".0e", 1) } else { text }
        }
        Value::Date(_) | Value::DateTime(..) => python_str(value),
        _ => return None,
    })
}

impl Emitter {
    fn flow_of(&self, mut parts: impl Iterator<Item = bool>) -> bool {
        self.style.flow.unwrap_or_else(|| parts.all(|plain| plain))
    }

    fn node(&mut self, value: &Value, mapping: bool, simple_key: bool) {
        self.mapping = mapping;
        self.simple_key = simple_key;
        // Only plain scalars make a short collection (PyYAML's `best_style`).
        let styled = self.style.scalar.is_some();
        let plain = |value: &Value| !styled && !matches!(value, Value::List(_) | Value::Map(_) | Value::Bytes(_));
        if self.style.canonical {
            self.tag(value);
        }
        match value {
            Value::List(items) => {
                if self.flow_level > 0
                    || self.style.canonical
                    || items.is_empty()
                    || self.flow_of(items.iter().map(plain))
                {
                    self.flow_list(items);
                } else {
                    self.block_list(items);
                }
            }
            Value::Map(map) => {
                let mut pairs: Vec<(Value, &Value)> = map.iter().map(|(key, value)| (key_value(key), value)).collect();
                if self.style.sort_keys {
                    sort(&mut pairs);
                }
                if self.flow_level > 0
                    || self.style.canonical
                    || pairs.is_empty()
                    || self.flow_of(map.values().map(plain))
                {
                    self.flow_map(&pairs);
                } else {
                    self.block_map(&pairs);
                }
            }
            Value::Str(text) => {
                let old = self.push_indent(true, false);
                self.text(text);
                self.indent = old;
            }
            Value::Bytes(bytes) => {
                self.indicator("!!binary", true, false, false);
                let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
                self.indicator("|", true, false, false);
                let old = self.push_indent(false, false);
                for chunk in encoded.as_bytes().chunks(76) {
                    self.line_break();
                    self.write_indent();
                    self.out.push_str(&String::from_utf8_lossy(chunk));
                }
                self.line_break();
                self.indent = old;
            }
            other => {
                let text = scalar_text(other).unwrap_or_default();
                if self.style.scalar.is_none() && !self.style.canonical {
                    return self.plain(&text, false);
                }
                if !self.style.canonical {
                    // What would be read as the same without quotes needs no name of its type.
                    self.indicator("!", true, false, false);
                }
                let old = self.push_indent(true, false);
                self.text(&text);
                self.indent = old;
            }
        }
    }

    fn tag(&mut self, value: &Value) {
        let tag = match value {
            Value::Null => "!!null",
            Value::Bool(_) => "!!bool",
            Value::Int(_) | Value::BigInt(_) => "!!int",
            Value::Float(_) => "!!float",
            Value::Date(_) | Value::DateTime(..) => "!!timestamp",
            Value::List(_) => "!!seq",
            Value::Map(_) => "!!map",
            Value::Str(_) => "!!str",
            Value::Bytes(_) => return,
        };
        self.indicator(tag, true, false, false);
    }

    fn push_indent(&mut self, flow: bool, indentless: bool) -> Option<usize> {
        let old = self.indent;
        self.indent = match old {
            None => Some(if flow { self.style.indent } else { 0 }),
            Some(indent) if indentless => Some(indent),
            Some(indent) => Some(indent + self.style.indent),
        };
        old
    }

    fn block_list(&mut self, items: &[Value]) {
        let indentless = self.mapping && !self.indention;
        let old = self.push_indent(false, indentless);
        for item in items {
            self.write_indent();
            self.indicator("-", true, false, true);
            self.node(item, false, false);
        }
        self.indent = old;
    }

    fn block_map(&mut self, pairs: &[(Value, &Value)]) {
        let old = self.push_indent(false, false);
        for (key, value) in pairs {
            self.write_indent();
            if Self::is_simple(key) {
                self.node(key, true, true);
                self.indicator(":", false, false, false);
            } else {
                self.indicator("?", true, false, true);
                self.node(key, true, false);
                self.write_indent();
                self.indicator(":", true, false, true);
            }
            self.node(value, true, false);
        }
        self.indent = old;
    }

    fn flow_list(&mut self, items: &[Value]) {
        self.indicator("[", true, true, false);
        self.flow_level += 1;
        let old = self.push_indent(true, false);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.indicator(",", false, false, false);
            }
            if self.style.canonical || self.column > self.style.width {
                self.write_indent();
            }
            self.node(item, false, false);
        }
        self.indent = old;
        self.flow_level -= 1;
        self.last_entry(items.is_empty());
        self.indicator("]", false, false, false);
    }

    fn flow_map(&mut self, pairs: &[(Value, &Value)]) {
        self.indicator("{", true, true, false);
        self.flow_level += 1;
        let old = self.push_indent(true, false);
        for (index, (key, value)) in pairs.iter().enumerate() {
            if index > 0 {
                self.indicator(",", false, false, false);
            }
            if self.style.canonical || self.column > self.style.width {
                self.write_indent();
            }
            if !self.style.canonical && Self::is_simple(key) {
                self.node(key, true, true);
                self.indicator(":", false, false, false);
            } else {
                self.indicator("?", true, false, false);
                self.node(key, true, false);
                if self.style.canonical || self.column > self.style.width {
                    self.write_indent();
                }
                self.indicator(":", true, false, false);
            }
            self.node(value, true, false);
        }
        self.indent = old;
        self.flow_level -= 1;
        self.last_entry(pairs.is_empty());
        self.indicator("}", false, false, false);
    }

    fn last_entry(&mut self, empty: bool) {
        if self.style.canonical && !empty {
            self.indicator(",", false, false, false);
            self.write_indent();
        }
    }

    fn is_simple(key: &Value) -> bool {
        match key {
            Value::Str(text) => text.chars().count() < 128 && !text.chars().any(is_break),
            _ => true,
        }
    }

    fn text(&mut self, text: &str) {
        let analysis = analyze(text, self.style.unicode);
        let fits = if self.flow_level > 0 { analysis.flow_plain } else { analysis.block_plain };
        let split = !self.simple_key;
        let wanted = if self.style.canonical { Some('"') } else { self.style.scalar };
        if wanted == Some('"') {
            return self.double(text, split);
        }
        if let Some(kind @ ('|' | '>')) = wanted
            && self.flow_level == 0
            && !self.simple_key
            && analysis.block
        {
            return if kind == '|' { self.literal(text) } else { self.folded(text) };
        }
        if wanted.is_none()
            && reads_as_text(text)
            && fits
            && !(self.simple_key && (analysis.empty || analysis.multiline))
        {
            self.plain(text, split);
        } else if !matches!(wanted, Some('|' | '>')) && analysis.single && !(self.simple_key && analysis.multiline) {
            self.single(text, split);
        } else {
            self.double(text, split);
        }
    }

    fn put(&mut self, text: &str) {
        self.column += text.chars().count();
        self.out.push_str(text);
    }

    fn indicator(&mut self, text: &str, need_space: bool, whitespace: bool, indention: bool) {
        if !self.whitespace && need_space {
            self.put(" ");
        }
        self.put(text);
        self.whitespace = whitespace;
        self.indention = self.indention && indention;
    }

    fn write_indent(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.line_break();
        }
        if self.column < indent {
            self.whitespace = true;
            let missing = indent - self.column;
            self.put(&" ".repeat(missing));
        }
    }

    fn line_break(&mut self) {
        self.whitespace = true;
        self.indention = true;
        self.column = 0;
        self.out.push('\n');
    }

    fn plain(&mut self, text: &str, split: bool) {
        if text.is_empty() {
            return;
        }
        if !self.whitespace {
            self.put(" ");
        }
        self.whitespace = false;
        self.indention = false;
        // Plain text has no breaks here; only single spaces may become line ends.
        for (index, part) in words(text).into_iter().enumerate() {
            let is_space = part.starts_with(' ');
            if is_space && part.len() == 1 && split && self.column > self.style.width && index > 0 {
                self.write_indent();
                self.whitespace = false;
                self.indention = false;
            } else {
                self.put(part);
            }
        }
    }

    fn single(&mut self, text: &str, split: bool) {
        self.indicator("'", true, false, false);
        let parts = words(text);
        let last = parts.len().saturating_sub(1);
        for (index, part) in parts.into_iter().enumerate() {
            if part.starts_with(' ') {
                if part.len() == 1 && self.column > self.style.width && split && index > 0 && index < last {
                    self.write_indent();
                } else {
                    self.put(part);
                }
            } else if part.starts_with(is_break) {
                if part.starts_with('\n') {
                    self.line_break();
                }
                for c in part.chars() {
                    if c == '\n' {
                        self.line_break();
                    } else {
                        self.out.push(c);
                    }
                }
                self.write_indent();
            } else {
                self.put(&part.replace('\'', "''"));
            }
        }
        self.indicator("'", false, false, false);
    }

    /// The `2`, `-` or `+` behind `|` and `>`.
    fn block_hints(&self, text: &str) -> String {
        let mut hints = String::new();
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            hints.push_str(&self.style.indent.to_string());
        }
        let mut last = text.chars().rev();
        match (last.next(), last.next()) {
            (Some(last), _) if !is_break(last) => hints.push('-'),
            (Some(_), None) => hints.push('+'),
            (Some(_), Some(before)) if is_break(before) => hints.push('+'),
            _ => {}
        }
        hints
    }

    fn breaks(&mut self, text: &str) {
        for c in text.chars() {
            if c == '\n' {
                self.line_break();
            } else {
                self.out.push(c);
                self.column = 0;
            }
        }
    }

    fn literal(&mut self, text: &str) {
        let hints = self.block_hints(text);
        self.indicator(&format!("|{hints}"), true, false, false);
        self.line_break();
        let mut fresh = true;
        for part in words_by_line(text) {
            if part.starts_with(is_break) {
                // The break after a text line was written with it.
                self.breaks(part);
                fresh = true;
            } else {
                if fresh {
                    self.write_indent();
                }
                self.put(part);
                self.whitespace = false;
                self.indention = false;
                fresh = false;
            }
        }
        if !fresh {
            self.line_break();
        }
    }

    fn folded(&mut self, text: &str) {
        let hints = self.block_hints(text);
        self.indicator(&format!(">{hints}"), true, false, false);
        self.line_break();
        let parts = words(text);
        let mut leading_space = true;
        for (index, part) in parts.iter().enumerate() {
            let next = parts.get(index + 1);
            if part.starts_with(is_break) {
                let starts_with_space = next.is_some_and(|next| next.starts_with(' '));
                if !leading_space && next.is_some() && !starts_with_space && part.starts_with('\n') {
                    self.line_break();
                }
                leading_space = starts_with_space;
                self.breaks(part);
                if next.is_some() {
                    self.write_indent();
                }
            } else {
                if index == 0 {
                    leading_space = part.starts_with(' ');
                    self.write_indent();
                }
                if *part == " " && self.column > self.style.width && next.is_some() {
                    self.write_indent();
                } else {
                    self.put(part);
                    self.whitespace = false;
                    self.indention = false;
                }
                if next.is_none() {
                    self.line_break();
                }
            }
        }
    }

    /// As libyaml writes it: a line ends at a space, which the break stands for.
    fn double(&mut self, text: &str, split: bool) {
        self.indicator("\"", true, false, false);
        let chars: Vec<char> = text.chars().collect();
        let mut after_space = false;
        for (at, c) in chars.iter().copied().enumerate() {
            let inside = 0 < at && at + 1 < chars.len();
            if c == ' ' && split && inside && !after_space && self.column > self.style.width {
                self.write_indent();
                self.whitespace = false;
                self.indention = false;
                if chars.get(at + 1) == Some(&' ') {
                    self.put("\\");
                }
                after_space = true;
                continue;
            }
            after_space = c == ' ';
            let plain = !matches!(c, '"' | '\\' | '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
                && ((' '..='~').contains(&c) || (self.style.unicode && ('\u{a0}'..='\u{fffd}').contains(&c)));
            if plain {
                self.put(c.encode_utf8(&mut [0; 4]));
                continue;
            }
            let mut piece = String::from("\\");
            match c {
                '\0' => piece.push('0'),
                '\u{7}' => piece.push('a'),
                '\u{8}' => piece.push('b'),
                '\t' => piece.push('t'),
                '\n' => piece.push('n'),
                '\u{b}' => piece.push('v'),
                '\u{c}' => piece.push('f'),
                '\r' => piece.push('r'),
                '\u{1b}' => piece.push('e'),
                '"' | '\\' => piece.push(c),
                '\u{85}' => piece.push('N'),
                '\u{a0}' => piece.push('_'),
                '\u{2028}' => piece.push('L'),
                '\u{2029}' => piece.push('P'),
                c => {
                    let code = u32::from(c);
                    let _ = match code {
                        0..=0xff => write!(piece, "x{code:02X}"),
                        0x100..=0xffff => write!(piece, "u{code:04X}"),
                        _ => write!(piece, "U{code:08X}"),
                    };
                }
            }
            self.put(&piece);
        }
        self.indicator("\"", false, false, false);
    }
}

/// As PyYAML sorts: by Python's order of the keys, and not at all where two of them have none.
fn sort(pairs: &mut [(Value, &Value)]) {
    let int = |key: &Value| match key {
        Value::Int(int) => Some(*int),
        Value::Bool(flag) => Some(i128::from(*flag)),
        _ => None,
    };
    #[expect(clippy::cast_precision_loss, reason = "only the order beside floats is asked for")]
    let float = |key: &Value| match key {
        Value::Float(float) => Some(*float),
        key => int(key).map(|int| int as f64),
    };
    if pairs.iter().all(|(key, _)| matches!(key, Value::Str(_))) {
        pairs.sort_by(|(a, _), (b, _)| a.as_str().cmp(&b.as_str()));
    } else if pairs.iter().all(|(key, _)| int(key).is_some()) {
        pairs.sort_by_key(|(key, _)| int(key));
    } else if pairs.iter().all(|(key, _)| float(key).is_some()) {
        pairs.sort_by(|(a, _), (b, _)| float(a).unwrap_or(0.0).total_cmp(&float(b).unwrap_or(0.0)));
    }
}

fn key_value(key: &Key) -> Value {
    key.to_value()
}
