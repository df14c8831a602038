//! Values to JSON and back, as Ansible's `to_json` converts them.
//!
//! Dates become ISO text, bytes become text (lossy) and keys become text. The text form
//! follows Python's `json.dumps` (`", "` and `": "` separators, ASCII escapes).

use std::fmt::Write as _;
use std::sync::Arc;

use super::{Key, Map, Value, python_float, python_str};

/// How JSON text is laid out.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonStyle {
    /// Spaces for each level; `None` puts all on one line.
    pub indent: Option<usize>,
    /// Sort the keys.
    pub sort_keys: bool,
    /// Escape everything beyond ASCII, as Python does by default.
    pub ascii: bool,
}

/// The value as `serde_json` has it, for the wire.
pub fn to_json(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(int) => match (i64::try_from(*int), u64::try_from(*int)) {
            (Ok(int), _) => Json::from(int),
            (_, Ok(int)) => Json::from(int),
            _ => Json::String(int.to_string()),
        },
        Value::Float(float) => {
            serde_json::Number::from_f64(*float).map_or_else(|| Json::String(python_float(*float)), Json::Number)
        }
        Value::Str(text) => Json::String(text.to_string()),
        Value::DateTime(..) => Json::String(iso(value)),
        Value::BigInt(_) | Value::Date(_) | Value::Bytes(_) => Json::String(python_str(value)),
        Value::List(list) => Json::Array(list.iter().map(to_json).collect()),
        Value::Map(map) => {
            Json::Object(map.iter().map(|(key, value)| (key.text().to_string(), to_json(value))).collect())
        }
    }
}

/// A timestamp in ISO form, with a `T`.
fn iso(value: &Value) -> String {
    python_str(value).replacen(' ', "T", 1)
}

/// A value from `serde_json`.
pub fn from_json(json: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => {
            if let Some(int) = number.as_i64() {
                Value::Int(int.into())
            } else if let Some(int) = number.as_u64() {
                Value::Int(int.into())
            } else {
                Value::Float(number.as_f64().unwrap_or(f64::NAN))
            }
        }
        Json::String(text) => Value::Str(text.into()),
        Json::Array(list) => Value::List(Arc::new(list.into_iter().map(from_json).collect())),
        Json::Object(map) => Value::Map(Arc::new(
            map.into_iter().map(|(key, value)| (Key::from(key), from_json(value))).collect::<Map>(),
        )),
    }
}

/// JSON text in Python's layout.
pub fn to_json_text(value: &Value, style: JsonStyle) -> String {
    let mut out = String::new();
    write_json(&mut out, value, style, 0);
    out
}

fn write_json(out: &mut String, value: &Value, style: JsonStyle, level: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Int(int) => {
            let _ = write!(out, "{int}");
        }
        Value::BigInt(digits) => out.push_str(digits),
        Value::Float(float) => {
            if float.is_nan() {
                out.push_str("NaN");
            } else if float.is_infinite() {
                out.push_str(if *float > 0.0 { "Infinity" } else { "-Infinity" });
            } else {
                out.push_str(&python_float(*float));
            }
        }
        Value::Str(text) => write_string(out, text, style.ascii),
        Value::DateTime(..) => write_string(out, &iso(value), style.ascii),
        Value::Bytes(_) | Value::Date(_) => {
            write_string(out, &python_str(value), style.ascii);
        }
        Value::List(list) => {
            write_container(out, '[', ']', list.len(), style, level, |out, index| {
                write_json(out, &list[index], style, level + 1);
            });
        }
        Value::Map(map) => {
            let mut entries: Vec<(Arc<str>, &Value)> = map.iter().map(|(key, value)| (json_key(key), value)).collect();
            if style.sort_keys {
                entries.sort_by(|a, b| a.0.cmp(&b.0));
            }
            write_container(out, '{', '}', entries.len(), style, level, |out, index| {
                write_string(out, &entries[index].0, style.ascii);
                out.push_str(": ");
                write_json(out, entries[index].1, style, level + 1);
            });
        }
    }
}

/// Python's `json.dumps` spells keys as JSON values: `true`, `null`, `1.5`.
pub fn json_key(key: &Key) -> Arc<str> {
    match key {
        Key::Bool(true) => "true".into(),
        Key::Bool(false) => "false".into(),
        Key::Null => "null".into(),
        other => other.text(),
    }
}

fn write_container(
    out: &mut String,
    open: char,
    close: char,
    len: usize,
    style: JsonStyle,
    level: usize,
    mut item: impl FnMut(&mut String, usize),
) {
    out.push(open);
    for index in 0..len {
        if index > 0 {
            out.push(',');
        }
        match style.indent {
            Some(width) => {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', width * (level + 1)));
            }
            None if index > 0 => out.push(' '),
            None => {}
        }
        item(out, index);
    }
    if let (Some(width), true) = (style.indent, len > 0) {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', width * level));
    }
    out.push(close);
}

fn write_string(out: &mut String, text: &str, ascii: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || (ascii && !c.is_ascii()) || c == '\u{7f}' && ascii => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        to_json(self).serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_json::Value::deserialize(deserializer).map(from_json)
    }
}

impl serde::Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> serde::Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map;

    /// Times with a fraction, as `stat` reports them, keep their last bit from the agent to the playbook.
    #[test]
    fn floats_keep_their_last_bit() {
        let mut texts = Vec::new();
        for step in 0..500u32 {
            texts.push(format!("{}", 1_795_277_934.0 + 1e-9 * f64::from(step * 1_999_993)));
        }
        for text in texts {
            let parsed: serde_json::Value = serde_json::from_str(&text).expect("number");
            assert_eq!(parsed.as_f64().map(f64::to_bits), text.parse::<f64>().ok().map(f64::to_bits), "{text}");
        }
    }

    #[test]
    fn text_is_laid_out_as_python_does() {
        let value = Value::from(map! { "b" => Value::from(vec![1.into(), 2.5.into()]), "a" => "ä\n" });
        let one_line = JsonStyle { ascii: true, ..JsonStyle::default() };
        assert_eq!(to_json_text(&value, one_line), r#"{"b": [1, 2.5], "a": "\u00e4\n"}"#);
        let pretty = JsonStyle { indent: Some(4), sort_keys: true, ascii: false };
        assert_eq!(
            to_json_text(&value, pretty),
            "{\n    \"a\": \"ä\\n\",\n    \"b\": [\n        1,\n        2.5\n    ]\n}"
        );
    }
}
