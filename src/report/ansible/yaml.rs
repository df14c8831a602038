//! Results as YAML in the form of Ansible's callbacks (`result_format: yaml`): keys sorted, block
//! scalars for texts of several lines.

use std::fmt::Write as _;

use crate::value::{Key, Value, python_str};

/// A value as a YAML document in block style. `lossy` changes texts where that makes them readable.
pub(super) fn dump(value: &Value, indent: usize, lossy: bool) -> String {
    let mut out = Writer { out: String::new(), indent: indent.clamp(2, 9), lossy, width: WIDTH };
    match value {
        Value::Map(map) if map.is_empty() => out.out.push_str("{}\n"),
        Value::List(list) if list.is_empty() => out.out.push_str("[]\n"),
        Value::Map(_) | Value::List(_) => out.block(value, 0, false),
        _ => {
            out.scalar(value, 0);
            out.out.push('\n');
        }
    }
    out.out
}

/// Python's `textwrap.indent`: lines of blanks alone stay as they are.
pub(super) fn indented(text: &str, by: usize) -> String {
    let pad = " ".repeat(by);
    text.split_inclusive('\n')
        .map(|line| if line.trim().is_empty() { line.to_owned() } else { format!("{pad}{line}") })
        .collect()
}

/// PyYAML goes on in the next line at the first single blank behind this column.
const WIDTH: usize = 80;

struct Writer {
    out: String,
    indent: usize,
    lossy: bool,
    width: usize,
}

impl Writer {
    /// A mapping or list; `inline` begins on the current line (inside a list item).
    fn block(&mut self, value: &Value, level: usize, inline: bool) {
        let pad = " ".repeat(level);
        match value {
            Value::Map(map) => {
                let mut keys: Vec<(&Key, &Value)> = map.iter().collect();
                keys.sort_by_key(|(key, _)| key.text());
                for (index, (key, value)) in keys.into_iter().enumerate() {
                    if index > 0 || !inline {
                        self.out.push_str(&pad);
                    }
                    self.key(&key.to_value(), level);
                    self.out.push(':');
                    self.entry(value, level, level + self.indent);
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    if index > 0 || !inline {
                        self.out.push_str(&pad);
                    }
                    self.out.push('-');
                    match item {
                        Value::Map(map) if !map.is_empty() => {
                            self.out.push_str(&" ".repeat(self.indent - 1));
                            self.block(item, level + self.indent, true);
                        }
                        Value::List(list) if !list.is_empty() => {
                            self.out.push_str(&" ".repeat(self.indent - 1));
                            self.block(item, level + self.indent, true);
                        }
                        _ => {
                            self.out.push(' ');
                            self.scalar(item, level + self.indent);
                            self.out.push('\n');
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// What stands behind a mapping's key.
    fn entry(&mut self, value: &Value, level: usize, deeper: usize) {
        match value {
            Value::Map(map) if !map.is_empty() => {
                self.out.push('\n');
                self.block(value, deeper, false);
            }
            // PyYAML does not indent lists in mappings.
            Value::List(list) if !list.is_empty() => {
                self.out.push('\n');
                self.block(value, level, false);
            }
            _ => {
                self.out.push(' ');
                self.scalar(value, deeper);
                self.out.push('\n');
            }
        }
    }

    /// A key stands in one line.
    fn key(&mut self, key: &Value, level: usize) {
        let before = std::mem::replace(&mut self.width, usize::MAX);
        self.scalar(key, level);
        self.width = before;
    }

    fn scalar(&mut self, value: &Value, level: usize) {
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(flag) => self.out.push_str(if *flag { "true" } else { "false" }),
            Value::Map(_) => self.out.push_str("{}"),
            Value::List(_) => self.out.push_str("[]"),
            Value::Str(text) => self.text(text, level),
            other => self.out.push_str(&python_str(other)),
        }
    }

    fn text(&mut self, text: &str, level: usize) {
        let several = text.contains(['\n', '\u{85}', '\u{2028}', '\u{2029}']);
        if several {
            let shown = if self.lossy { munged(text) } else { text.to_owned() };
            let blockable = !shown.contains(" \n") && !shown.ends_with(' ') && !shown.chars().any(special);
            if blockable && !shown.is_empty() {
                self.literal(&shown, level);
                return;
            }
            self.double_quoted(&shown, level);
            return;
        }
        if text.chars().any(special) {
            self.double_quoted(text, level);
        } else if plain(text) {
            self.folded(text, level, |c, out| out.push(c));
        } else {
            self.out.push('\'');
            self.folded(text, level, |c, out| {
                if c == '\'' {
                    out.push('\'');
                }
                out.push(c);
            });
            self.out.push('\'');
        }
    }

    fn double_quoted(&mut self, text: &str, level: usize) {
        self.out.push('"');
        let mut column = self.column();
        let mut after_space = false;
        for (at, c) in text.char_indices() {
            let rest = &text[at + c.len_utf8()..];
            if c == ' ' && !after_space && column > self.width && at > 0 && !rest.is_empty() {
                self.next_line(level);
                column = level;
                if rest.starts_with(' ') {
                    self.out.push('\\');
                    column += 1;
                }
                after_space = true;
                continue;
            }
            after_space = c == ' ';
            let before = self.out.len();
            escaped(c, &mut self.out);
            column += self.out[before..].chars().count();
        }
        self.out.push('"');
    }

    /// A text without line breaks, broken where PyYAML breaks it.
    fn folded(&mut self, text: &str, level: usize, put: fn(char, &mut String)) {
        let mut column = self.column();
        let mut after_space = false;
        for (at, c) in text.char_indices() {
            let rest = &text[at + c.len_utf8()..];
            let single = c == ' ' && !after_space && !rest.starts_with(' ');
            after_space = c == ' ';
            if single && column > self.width && at > 0 && !rest.is_empty() {
                self.next_line(level);
                column = level;
                continue;
            }
            let before = self.out.len();
            put(c, &mut self.out);
            column += self.out[before..].chars().count();
        }
    }

    fn next_line(&mut self, level: usize) {
        self.out.push('\n');
        self.out.push_str(&" ".repeat(level));
    }

    fn column(&self) -> usize {
        let line = self.out.rfind('\n').map_or(0, |at| at + 1);
        self.out[line..].chars().count()
    }

    /// `|` with its lines.
    fn literal(&mut self, text: &str, level: usize) {
        let hint = if text.starts_with([' ', '\n']) { self.indent.to_string() } else { String::new() };
        let chomp = match text.strip_suffix('\n') {
            None => "-",
            Some(rest) if rest.ends_with('\n') || rest.is_empty() => "+",
            Some(_) => "",
        };
        let _ = writeln!(self.out, "|{hint}{chomp}");
        let body = text.strip_suffix('\n').unwrap_or(text);
        let pad = " ".repeat(level.max(self.indent));
        let lines: Vec<String> =
            body.split('\n').map(|line| if line.is_empty() { String::new() } else { format!("{pad}{line}") }).collect();
        self.out.push_str(&lines.join("\n"));
    }
}

/// What cannot stand in a plain or literal text.
fn special(c: char) -> bool {
    !matches!(c, '\n' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        || c == '\u{feff}'
}

/// Ansible's way to make a text fit a literal block.
fn munged(text: &str) -> String {
    let mut wide = String::new();
    for line in text.trim_end().split_inclusive('\n') {
        let mut column = 0;
        for c in line.chars() {
            if c == '\t' {
                let gap = 8 - column % 8;
                wide.push_str(&" ".repeat(gap));
                column += gap;
            } else {
                wide.push(c);
                column += 1;
            }
        }
    }
    let clean: String = wide.chars().filter(|c| !special(*c)).collect();
    clean.split('\n').map(|line| line.trim_end_matches(' ')).collect::<Vec<_>>().join("\n")
}

/// A character inside double quotes.
fn escaped(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        '\u{0}' => out.push_str("\\0"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{b}' => out.push_str("\\v"),
        '\u{c}' => out.push_str("\\f"),
        '\u{1b}' => out.push_str("\\e"),
        '\u{85}' => out.push_str("\\N"),
        '\u{2028}' => out.push_str("\\L"),
        '\u{2029}' => out.push_str("\\P"),
        c if special(c) => {
            let code = u32::from(c);
            let _ = if code < 0x100 {
                write!(out, "\\x{code:02X}")
            } else if code < 0x1_0000 {
                write!(out, "\\u{code:04X}")
            } else {
                write!(out, "\\U{code:08X}")
            };
        }
        c => out.push(c),
    }
}

/// A text that YAML 1.1 reads as itself without quotes.
fn plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let last = text.chars().last().unwrap_or(first);
    if first == ' ' || last == ' ' || text.contains(": ") || text.contains(" #") || text.ends_with(':') {
        return false;
    }
    if "#,[]{}&*!|>'\"%@`".contains(first) {
        return false;
    }
    if "-?:".contains(first) && text[first.len_utf8()..].starts_with(' ') {
        return false;
    }
    if matches!(text, "-" | "?" | ":" | "=" | "<<" | "~") || text.starts_with("---") || text.starts_with("...") {
        return false;
    }
    !reads_as_other(text)
}

/// True for what YAML 1.1 takes for a boolean, null, number or date.
fn reads_as_other(text: &str) -> bool {
    let lower = text.to_lowercase();
    if matches!(lower.as_str(), "yes" | "no" | "true" | "false" | "on" | "off" | "null") {
        return [lower.as_str(), &lower.to_uppercase(), &capital(&lower)].contains(&text);
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || "-+.".contains(c)) {
        return false;
    }
    let body = text.trim_start_matches(['-', '+']);
    if matches!(lower.trim_start_matches(['-', '+']), ".inf" | ".nan") {
        return true;
    }
    let digits = |text: &str, more: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '_' || more.contains(c))
    };
    let int = digits(body, "")
        || body
            .strip_prefix("0x")
            .is_some_and(|hex| !hex.is_empty() && hex.chars().all(|c| c.is_ascii_hexdigit() || c == '_'))
        || body.strip_prefix("0b").is_some_and(|bits| !bits.is_empty() && bits.chars().all(|c| "01_".contains(c)))
        || body.contains(':') && body.split(':').all(|part| digits(part, "."));
    let float = body.split_once('.').is_some_and(|(whole, rest)| {
        let rest = rest.split_once(['e', 'E']).map_or(rest, |(rest, _)| rest);
        (whole.is_empty() || digits(whole, "")) && (rest.is_empty() && !whole.is_empty() || digits(rest, ""))
    });
    let date = text.len() >= 8 && text.get(..4).is_some_and(|year| digits(year, "")) && {
        let parts: Vec<&str> = text.split(['T', 't', ' ']).next().unwrap_or_default().split('-').collect();
        parts.len() == 3 && parts.iter().all(|part| digits(part, ""))
    };
    int || float || date
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map;

    #[test]
    fn mappings_are_sorted_and_lists_stand_below_their_key() {
        let value = Value::from(map! {
            "rc" => 0,
            "cmd" => vec![Value::from("echo"), Value::from("yes")],
            "text" => "a\nb",
            "empty" => "",
            "map" => map! { "k" => true },
        });
        assert_eq!(
            dump(&value, 4, true),
            "cmd:\n- echo\n- 'yes'\nempty: ''\nmap:\n    k: true\nrc: 0\ntext: |-\n    a\n    b\n"
        );
    }

    #[test]
    fn numbers_in_texts_are_quoted() {
        for text in ["1", "0:00:01.5", "2024-01-01 10:00:00", "1.5", "null", "- a", "a: b"] {
            assert!(!plain(text), "{text}");
        }
        for text in ["echo", "a:b", "1.2.3", "v1", "-x", "x-1"] {
            assert!(plain(text), "{text}");
        }
    }
}
