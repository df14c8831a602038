//! JSON text to values, as Python's `json.loads` reads it.
//!
//! Integers keep all their digits, `NaN` and `Infinity` are numbers, and errors are told in Python's words.
//! `serde_json` gives the digits of numbers to nobody without a change of all its numbers.

use std::sync::Arc;

use super::{Key, Map, Value};

/// Deepest nesting of lists and mappings.
const MAX_DEPTH: usize = 128;
/// Digits of the longest integer that Python reads.
const MAX_DIGITS: usize = 4300;

/// Why a text is no JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong, in Python's words.
    pub what: String,
    /// The byte where it is wrong; `None` where Python names no place.
    pub at: Option<usize>,
}

impl JsonError {
    /// The whole of Python's message: what is wrong, and where in the text that was read.
    pub fn words(&self, text: &str) -> String {
        let Some(before) = self.at.map(|at| text.get(..at).unwrap_or(text)) else { return self.what.clone() };
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{}: line {line} column {column} (char {})", self.what, before.chars().count())
    }
}

/// Reads one value.
///
/// # Errors
///
/// What Python's `json.loads` refuses, and nesting deeper than 128.
pub fn parse_json(text: &str) -> Result<Value, JsonError> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    if text.starts_with('\u{feff}') {
        return Err(wrong("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0));
    }
    reader.blanks();
    let value = reader.value()?;
    reader.blanks();
    if reader.at < text.len() { Err(wrong("Extra data", reader.at)) } else { Ok(value) }
}

fn wrong(what: &str, at: usize) -> JsonError {
    JsonError { what: what.to_owned(), at: Some(at) }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn takes(&mut self, word: &str) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn value(&mut self) -> Result<Value, JsonError> {
        match self.peek() {
            Some(b'"') => self.string().map(|text| Value::Str(text.into())),
            Some(b'{') => self.nested("object", Self::mapping),
            Some(b'[') => self.nested("array", Self::list),
            Some(b'-' | b'0'..=b'9') if self.digits_follow() => self.number(),
            _ => {
                let words = [
                    ("null", Value::Null),
                    ("true", Value::Bool(true)),
                    ("false", Value::Bool(false)),
                    ("NaN", Value::Float(f64::NAN)),
                    ("Infinity", Value::Float(f64::INFINITY)),
                    ("-Infinity", Value::Float(f64::NEG_INFINITY)),
                ];
                let found = words.into_iter().find(|(word, _)| self.takes(word));
                found.map(|(_, value)| value).ok_or_else(|| wrong("Expecting value", self.at))
            }
        }
    }

    fn nested(
        &mut self,
        kind: &str,
        read: impl FnOnce(&mut Self) -> Result<Value, JsonError>,
    ) -> Result<Value, JsonError> {
        if self.depth >= MAX_DEPTH {
            let what = format!("maximum recursion depth exceeded while decoding a JSON {kind} from a unicode string");
            return Err(JsonError { what, at: None });
        }
        self.depth += 1;
        self.at += 1;
        self.blanks();
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    /// The comma before another entry, or the end.
    fn goes_on(&mut self, end: u8) -> Result<bool, JsonError> {
        self.blanks();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.blanks();
                Ok(true)
            }
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(wrong("Expecting ',' delimiter", self.at)),
        }
    }

    fn list(&mut self) -> Result<Value, JsonError> {
        let mut items = Vec::new();
        if self.takes("]") {
            return Ok(Value::List(Arc::new(items)));
        }
        loop {
            items.push(self.value()?);
            if !self.goes_on(b']')? {
                return Ok(Value::List(Arc::new(items)));
            }
        }
    }

    fn mapping(&mut self) -> Result<Value, JsonError> {
        let mut map = Map::new();
        if self.takes("}") {
            return Ok(Value::Map(Arc::new(map)));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(wrong("Expecting property name enclosed in double quotes", self.at));
            }
            let key = Key::from(self.string()?);
            self.blanks();
            if !self.takes(":") {
                return Err(wrong("Expecting ':' delimiter", self.at));
            }
            self.blanks();
            let value = self.value()?;
            map.insert(key, value);
            if !self.goes_on(b'}')? {
                return Ok(Value::Map(Arc::new(map)));
            }
        }
    }

    fn digits_follow(&self) -> bool {
        let rest = &self.text.as_bytes()[self.at..];
        rest.strip_prefix(b"-").unwrap_or(rest).first().is_some_and(u8::is_ascii_digit)
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        self.takes("-");
        // What follows a zero is no part of the number.
        let count = if self.takes("0") { 1 } else { self.digits() };
        let mut whole = true;
        let mut end = self.at;
        if self.takes(".") && self.digits() > 0 {
            (whole, end) = (false, self.at);
        }
        self.at = end;
        if self.takes("e") || self.takes("E") {
            let _ = self.takes("+") || self.takes("-");
            if self.digits() > 0 {
                (whole, end) = (false, self.at);
            }
        }
        self.at = end;
        let text = &self.text[start..end];
        if !whole {
            return Ok(Value::Float(text.parse().unwrap_or(f64::NAN)));
        }
        if count > MAX_DIGITS {
            let what = format!(
                "Exceeds the limit ({MAX_DIGITS} digits) for integer string conversion: value has {count} digits; \
                 use sys.set_int_max_str_digits() to increase the limit"
            );
            return Err(JsonError { what, at: None });
        }
        Ok(text.parse().map_or_else(|_| Value::BigInt(text.into()), Value::Int))
    }

    fn string(&mut self) -> Result<String, JsonError> {
        let start = self.at;
        let unterminated = || wrong("Unterminated string starting at", start);
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| matches!(c, '"' | '\\') || c < ' ').ok_or_else(unterminated)?;
            out.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {}
                _ => return Err(wrong("Invalid control character at", self.at)),
            }
            let escape = self.text.as_bytes().get(self.at + 1).ok_or_else(unterminated)?;
            let meant = match escape {
                b'"' | b'\\' | b'/' => char::from(*escape),
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => {
                    let unit = self.unit(self.at).ok_or_else(|| wrong("Invalid \\uXXXX escape", self.at + 1))?;
                    self.at += 6;
                    let low = if (0xd800..0xdc00).contains(&unit) { self.unit(self.at) } else { None };
                    let low = low.filter(|low| (0xdc00..0xe000).contains(low));
                    self.at += if low.is_some() { 6 } else { 0 };
                    let code = low.map_or(unit, |low| 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
                    // Half of a pair is no text.
                    out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    continue;
                }
                _ => return Err(wrong("Invalid \\escape", self.at)),
            };
            out.push(meant);
            self.at += 2;
        }
    }

    /// The code unit of an escape.
    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 6)?.strip_prefix("\\u")?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::super::python_repr;
    use super::*;

    #[test]
    fn values_are_read_as_python_reads_them() {
        for (text, expected) in [
            (" {\"a\": [1, -0, 1.5, 1e3, 2E-2], \"b\": {}} ", "{'a': [1, 0, 1.5, 1000.0, 0.02], 'b': {}}"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("-123456789012345678901234567890123456789012345", "-123456789012345678901234567890123456789012345"),
            ("[NaN, Infinity, -Infinity, true, false, null]", "[nan, inf, -inf, True, False, None]"),
            (r#""\u00e4\ud83d\ude00\n\/\"\\""#, "'\u{e4}\u{1f600}\\n/\"\\\\'"),
            (r#""\ud800x""#, "'\u{fffd}x'"),
            (r#"{"a":1,"a":2,"b":3,"a":4}"#, "{'a': 4, 'b': 3}"),
        ] {
            assert_eq!(parse_json(text).map(|value| python_repr(&value)), Ok(expected.to_owned()), "{text}");
        }
    }

    /// The messages are those of Python 3.11.
    #[test]
    fn errors_are_pythons() {
        for (text, expected) in [
            ("", "Expecting value: line 1 column 1 (char 0)"),
            ("  ", "Expecting value: line 1 column 3 (char 2)"),
            ("\"a\\q\"", r"Invalid \escape: line 1 column 3 (char 2)"),
            ("\"\\u12zz\"", r"Invalid \uXXXX escape: line 1 column 3 (char 2)"),
            ("\"\\u+123\"", r"Invalid \uXXXX escape: line 1 column 3 (char 2)"),
            ("\"a\nb\"", "Invalid control character at: line 1 column 3 (char 2)"),
            ("\u{feff}1", "Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)"),
            ("\"abc\\", "Unterminated string starting at: line 1 column 1 (char 0)"),
            ("{\"\u{e4}\"", "Expecting ':' delimiter: line 1 column 5 (char 4)"),
            ("{\n1", "Expecting property name enclosed in double quotes: line 2 column 1 (char 2)"),
            ("{\"a\":1,}", "Expecting property name enclosed in double quotes: line 1 column 8 (char 7)"),
            ("[1}", "Expecting ',' delimiter: line 1 column 3 (char 2)"),
            ("[1,]", "Expecting value: line 1 column 4 (char 3)"),
            ("-Inf", "Expecting value: line 1 column 1 (char 0)"),
            ("1e+", "Extra data: line 1 column 2 (char 1)"),
            ("-01", "Extra data: line 1 column 3 (char 2)"),
            ("1.", "Extra data: line 1 column 2 (char 1)"),
        ] {
            let error = parse_json(text).expect_err(text);
            assert_eq!(error.words(text), expected, "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(parse_json(&deep).expect_err("deep").words(&deep).starts_with("maximum recursion depth"));
        let long = "1".repeat(4301);
        assert!(parse_json(&long).expect_err("long").words(&long).starts_with("Exceeds the limit (4300 digits)"));
    }

    proptest::proptest! {
        /// But for `-0`, which is an integer to Python and a float to `serde_json`.
        #[test]
        fn what_serde_reads_is_read_alike(text in "[\\[\\]{}:,\"\\\\ua0-9e.+ \\-ntrueä]{0,24}") {
            match (serde_json::from_str::<serde_json::Value>(&text), parse_json(&text)) {
                (Ok(json), Ok(value)) if !text.contains(['e', '.']) && !text.contains("-0") && text.len() < 19 => {
                    proptest::prop_assert_eq!(super::super::from_json(json), value);
                }
                (Ok(_), Err(error)) => panic!("{text}: {error:?}"),
                _ => {}
            }
        }
    }
}
