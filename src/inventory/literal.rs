//! Python literals in INI inventories: what `ast.literal_eval` reads, and nothing else.
//!
//! Text that is no literal stays text. Strings inside lists and mappings are source like the
//! value itself, so they may hold templates.

use std::sync::Arc;

use crate::diag::Span;
use crate::value::Value;
use crate::yaml::{Node, NodeData};

/// The value of an INI text: a Python literal if it is one, the text itself otherwise.
pub(super) fn read_value(text: &str, span: Span) -> Node {
    let mut reader = Reader { rest: text, span, depth: 0 };
    reader.blanks();
    match reader.expression() {
        Some(node) if reader.at_end() => node,
        _ => Node::text(text, span),
    }
}

struct Reader<'a> {
    rest: &'a str,
    span: Span,
    depth: usize,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\u{c}']);
        if self.depth > 0 {
            self.rest = self.rest.trim_start();
        }
    }

    /// Nothing but a comment follows.
    fn at_end(&mut self) -> bool {
        self.blanks();
        self.rest.is_empty() || self.rest.starts_with('#')
    }

    fn take(&mut self, token: &str) -> bool {
        self.blanks();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn node(&self, data: NodeData) -> Node {
        Node { span: self.span, data, tag: None, alias: None }
    }

    /// An expression, or a tuple without parentheses.
    fn expression(&mut self) -> Option<Node> {
        let first = self.item()?;
        if self.depth > 0 || !self.rest.trim_start().starts_with(',') {
            return Some(first);
        }
        let mut items = vec![first];
        while self.take(",") {
            if self.at_end() {
                break;
            }
            items.push(self.item()?);
        }
        Some(self.node(NodeData::List(items.into())))
    }

    fn item(&mut self) -> Option<Node> {
        self.blanks();
        let first = self.rest.chars().next()?;
        match first {
            '[' => self.sequence(']').map(|(items, _)| self.node(NodeData::List(items.into()))),
            '(' => self.sequence(')').map(|(items, comma)| match <[Node; 1]>::try_from(items) {
                Ok([single]) if !comma => single,
                Ok(single) => self.node(NodeData::List(single.to_vec().into())),
                Err(items) => self.node(NodeData::List(items.into())),
            }),
            '{' => self.braces(),
            '\'' | '"' => self.strings(),
            'r' | 'R' | 'u' | 'U' | 'b' | 'B' if self.string_prefix().is_some() => self.strings(),
            '.' if self.rest.starts_with("...") => {
                self.rest = &self.rest[3..];
                Some(Node::text("...", self.span))
            }
            '0'..='9' | '.' | '+' | '-' => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Option<Node> {
        let length = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(length);
        let value = match word {
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "None" => Value::Null,
            "set" if rest.trim_start().starts_with('(') => {
                self.rest = rest;
                return (self.take("(") && self.take(")")).then(|| self.node(NodeData::List(Arc::from([]))));
            }
            _ => return None,
        };
        self.rest = rest;
        Some(Node::scalar(value, self.span))
    }

    fn sequence(&mut self, close: char) -> Option<(Vec<Node>, bool)> {
        self.rest = &self.rest[1..];
        self.enter()?;
        let mut items = Vec::new();
        let mut comma = false;
        loop {
            self.blanks();
            if let Some(rest) = self.rest.strip_prefix(close) {
                self.rest = rest;
                self.depth -= 1;
                return Some((items, comma));
            }
            if !items.is_empty() && !comma {
                return None;
            }
            items.push(self.item()?);
            comma = self.take(",");
        }
    }

    fn enter(&mut self) -> Option<()> {
        self.depth += 1;
        (self.depth < 50).then_some(())
    }

    fn braces(&mut self) -> Option<Node> {
        self.rest = &self.rest[1..];
        self.enter()?;
        let mut pairs: Vec<(Node, Node)> = Vec::new();
        let mut items: Vec<Node> = Vec::new();
        let mut comma = true;
        loop {
            self.blanks();
            if let Some(rest) = self.rest.strip_prefix('}') {
                self.rest = rest;
                self.depth -= 1;
                return match (pairs.is_empty(), items.is_empty()) {
                    (_, true) => Some(self.node(NodeData::Map(pairs.into()))),
                    (true, false) => Some(self.node(NodeData::List(items.into()))),
                    (false, false) => None,
                };
            }
            if !comma {
                return None;
            }
            let key = self.item()?;
            if self.take(":") {
                let value = self.item()?;
                let same = |pair: &(Node, Node)| pair.0.to_value() == key.to_value();
                match pairs.iter_mut().find(|pair| same(pair)) {
                    Some(pair) => pair.1 = value,
                    None if key.as_scalar().is_some() => pairs.push((key, value)),
                    None => return None,
                }
            } else {
                items.push(key);
            }
            comma = self.take(",");
        }
    }

    /// Length of a string prefix before its quote; `f` strings are no literals.
    fn string_prefix(&self) -> Option<usize> {
        let length = self.rest.find(['\'', '"'])?;
        matches!(self.rest[..length].to_ascii_lowercase().as_str(), "" | "r" | "u" | "b" | "br" | "rb")
            .then_some(length)
    }

    /// One string or several in a row.
    fn strings(&mut self) -> Option<Node> {
        let mut text = String::new();
        loop {
            let prefix = self.string_prefix()?;
            let kind = self.rest[..prefix].to_ascii_lowercase();
            self.rest = &self.rest[prefix..];
            self.string(kind.contains('r'), kind.contains('b'), &mut text)?;
            self.blanks();
            let more = self.rest.starts_with(['\'', '"'])
                || (self.rest.starts_with(['r', 'R', 'u', 'U', 'b', 'B']) && self.string_prefix().is_some());
            if !more {
                return Some(Node::text(text, self.span));
            }
        }
    }

    fn string(&mut self, raw: bool, bytes: bool, out: &mut String) -> Option<()> {
        let quote = self.rest.chars().next()?;
        let triple: String = std::iter::repeat_n(quote, 3).collect();
        let close = if self.rest.starts_with(&triple) { triple } else { quote.to_string() };
        self.rest = &self.rest[close.len()..];
        loop {
            if let Some(rest) = self.rest.strip_prefix(&close) {
                self.rest = rest;
                return Some(());
            }
            let c = self.rest.chars().next()?;
            self.rest = &self.rest[c.len_utf8()..];
            if c != '\\' {
                out.push(c);
                continue;
            }
            let escaped = self.rest.chars().next()?;
            if raw {
                out.push('\\');
                out.push(escaped);
                self.rest = &self.rest[escaped.len_utf8()..];
                continue;
            }
            self.escape(escaped, bytes, out)?;
        }
    }

    fn escape(&mut self, escaped: char, bytes: bool, out: &mut String) -> Option<()> {
        let octal = self.rest.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
        if octal > 0 {
            let code = u32::from_str_radix(&self.rest[..octal], 8).ok()?;
            self.rest = &self.rest[octal..];
            out.push(char::from_u32(code)?);
            return Some(());
        }
        self.rest = &self.rest[escaped.len_utf8()..];
        let digits = match escaped {
            'x' => 2,
            'u' if !bytes => 4,
            'U' if !bytes => 8,
            _ => 0,
        };
        if digits > 0 {
            let hex = self.rest.get(..digits).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            out.push(u32::from_str_radix(hex, 16).ok().and_then(char::from_u32)?);
            self.rest = &self.rest[digits..];
            return Some(());
        }
        match escaped {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'a' => out.push('\u{7}'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'v' => out.push('\u{b}'),
            '\\' | '\'' | '"' => out.push(escaped),
            '\n' => {}
            other => {
                out.push('\\');
                out.push(other);
            }
        }
        Some(())
    }

    fn number(&mut self) -> Option<Node> {
        let mut negative = false;
        // One sign belongs to a literal; more are an expression.
        if let Some(sign) = self.rest.chars().next().filter(|c| matches!(c, '+' | '-')) {
            negative = sign == '-';
            self.rest = &self.rest[1..];
            self.blanks();
        }
        let bytes = self.rest.as_bytes();
        let mut length = 0;
        while let Some(byte) = bytes.get(length) {
            let exponent_sign = matches!(byte, b'+' | b'-')
                && length > 0
                && matches!(bytes[length - 1], b'e' | b'E')
                && !self.rest.starts_with("0x");
            if !(byte.is_ascii_alphanumeric() || *byte == b'.' || *byte == b'_' || exponent_sign) {
                break;
            }
            length += 1;
        }
        let (digits, rest) = self.rest.split_at(length);
        // An imaginary number has no kind of its own in a playbook: it is the text that Python writes.
        if let Some(digits) = digits.strip_suffix(['j', 'J']).filter(|_| !negative) {
            let number = crate::value::python_str(&python_number(digits, false)?);
            self.rest = rest;
            return Some(Node::text(format!("{}j", number.trim_end_matches(".0")), self.span));
        }
        let value = python_number(digits, negative)?;
        self.rest = rest;
        Some(Node::scalar(value, self.span))
    }
}

/// A Python number: leading zeros are none (`0644` stays text).
fn python_number(digits: &str, negative: bool) -> Option<Value> {
    if digits.starts_with('_') || digits.ends_with('_') || digits.contains("__") {
        return None;
    }
    let lower = digits.to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(body) = lower.strip_prefix(prefix) {
            let int = i128::from_str_radix(&body.replace('_', ""), radix).ok()?;
            return Some(Value::Int(if negative { -int } else { int }));
        }
    }
    let clean = lower.replace('_', "");
    if clean.bytes().all(|byte| byte.is_ascii_digit()) {
        if clean.is_empty() || (clean.len() > 1 && clean.starts_with('0') && clean.bytes().any(|byte| byte != b'0')) {
            return None;
        }
        return Some(match clean.parse::<i128>() {
            Ok(int) => Value::Int(if negative { -int } else { int }),
            Err(_) => Value::BigInt(format!("{}{clean}", if negative { "-" } else { "" }).into()),
        });
    }
    let good = clean.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'+' | b'-'))
        && clean.bytes().any(|byte| byte.is_ascii_digit())
        && clean.matches('.').count() <= 1
        && !clean.starts_with('e');
    let float: f64 = if good { clean.parse().ok()? } else { return None };
    Some(Value::Float(if negative { -float } else { float }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diag::FileId;
    use crate::value::python_repr;

    const AT: Span = Span::new(FileId(0), 0, 0);

    /// Made by Python's `ast.literal_eval` (tests/data/inventory/literals.py).
    #[test]
    fn literals_agree_with_python() {
        let table = include_str!("../../tests/data/inventory/literals.tsv");
        let mut count = 0;
        for line in table.lines() {
            let (text, expected) = line.split_once('\t').expect("two columns");
            assert_eq!(python_repr(&read_value(text, AT).to_value()), expected, "{text}");
            count += 1;
        }
        assert!(count > 60);
    }

    #[test]
    fn text_in_containers_is_source() {
        assert!(read_value("['{{ a }}']", AT).has_template());
        assert!(read_value("{{ a }}", AT).has_template());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\[\\](){}'\"\\\\,:0-9eEx._+ a-zé#-]{0,24}") {
            let _ = read_value(&text, AT);
        }
    }
}
