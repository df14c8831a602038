//! Plain data to YAML text that our own YAML 1.1 reader gives back unchanged.
//!
//! serde_yaml lays it out; every scalar that YAML 1.1 reads otherwise (`12:30`, `0777`, dates,
//! big numbers) stands in for itself while it does, and is put in afterwards.

use std::fmt::Write as _;

use base64::Engine as _;
use serde_yaml::Value as Yaml;

use super::resolve::reads_as_text;
use crate::diag::{Diagnostic, Result};
use crate::value::{Key, Value, python_float};

/// YAML text of a value, in block style, with a line break at the end.
pub fn emit(value: &Value) -> Result<String> {
    let mut stand_ins = StandIns { prefix: free_prefix(value), texts: Vec::new() };
    let yaml = convert(value, &mut stand_ins);
    let mut text = serde_yaml::to_string(&yaml)
        .map_err(|error| Diagnostic::internal(format!("a value could not be written as YAML: {error}")))?;
    // From the last, so that `x1` does not match inside `x10`.
    for (index, real) in stand_ins.texts.iter().enumerate().rev() {
        text = text.replacen(&format!("{}{index}", stand_ins.prefix), real, 1);
    }
    Ok(text)
}

/// One scalar as it must be written to be read back: quoted where YAML 1.1 wants it.
pub fn emit_scalar(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(int) => int.to_string(),
        Value::BigInt(digits) => digits.to_string(),
        Value::Float(float) => yaml_float(*float),
        Value::Date(date) => date.to_string(),
        Value::DateTime(..) => {
            let text = crate::value::python_str(value);
            text.replacen(' ', "T", 1)
        }
        Value::Bytes(bytes) => format!("!!binary \"{}\"", base64::engine::general_purpose::STANDARD.encode(bytes)),
        Value::Str(text) if is_plain(text) => text.to_string(),
        Value::Str(text) => quote(text),
        Value::List(_) => "[]".to_owned(),
        Value::Map(_) => "{}".to_owned(),
    }
}

/// True if a text may stand without quotes in block and flow context.
fn is_plain(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "_-./+@=".contains(c) || c == ' ';
    reads_as_text(text)
        && text.chars().all(good)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '/')
        && !text.ends_with(' ')
}

/// Quotes a text: single quotes if it is one printable line, double quotes with escapes otherwise.
fn quote(text: &str) -> String {
    let printable =
        |c: char| !c.is_control() && !matches!(c, '\u{85}' | '\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    if text.chars().all(printable) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if printable(c) => out.push(c),
            c => {
                let _ = match c as u32 {
                    code @ 0..=0xff => write!(out, "\\x{code:02x}"),
                    code @ 0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    code => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push('"');
    out
}

/// A float as YAML 1.1 reads it: with a dot, and a sign in the exponent.
fn yaml_float(float: f64) -> String {
    let text = python_float(float);
    match text.as_str() {
        "inf" => ".inf".to_owned(),
        "-inf" => "-.inf".to_owned(),
        "nan" => ".nan".to_owned(),
        _ if text.contains('e') && !text.contains('.') => text.replacen('e', ".0e", 1),
        _ => text,
    }
}

struct StandIns {
    prefix: String,
    texts: Vec<String>,
}

impl StandIns {
    fn add(&mut self, real: String) -> Yaml {
        let name = format!("{}{}", self.prefix, self.texts.len());
        self.texts.push(real);
        Yaml::String(name)
    }
}

fn convert(value: &Value, stand_ins: &mut StandIns) -> Yaml {
    match value {
        Value::Null => Yaml::Null,
        Value::Bool(flag) => Yaml::Bool(*flag),
        Value::Int(int) => match i64::try_from(*int) {
            Ok(int) => Yaml::Number(int.into()),
            Err(_) => stand_ins.add(int.to_string()),
        },
        // Text of several lines is a block; a block that a block cannot hold is quoted.
        Value::Str(text) if !text.contains('\n') && !is_plain(text) => stand_ins.add(quote(text)),
        Value::Str(text) if text.contains('\n') && !is_block(text) => stand_ins.add(quote(text)),
        Value::Str(text) => Yaml::String(text.to_string()),
        Value::List(list) => Yaml::Sequence(list.iter().map(|item| convert(item, stand_ins)).collect()),
        Value::Map(map) => Yaml::Mapping(
            map.iter()
                .map(|(key, value)| {
                    let key = match key {
                        // Time keys must not come back as text in quotes.
                        Key::Time(text) => stand_ins.add(text.replacen(' ', "T", 1)),
                        Key::Str(text) if !is_plain(text) => stand_ins.add(quote(text)),
                        key => convert(&key.to_value(), stand_ins),
                    };
                    (key, convert(value, stand_ins))
                })
                .collect(),
        ),
        scalar => stand_ins.add(emit_scalar(scalar)),
    }
}

/// True if a `|` block holds the text unchanged.
fn is_block(text: &str) -> bool {
    !text.starts_with([' ', '\n', '\t'])
        && text
            .chars()
            .all(|c| c == '\n' || (!c.is_control() && !matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')))
        && !text.lines().any(|line| line.ends_with(' '))
}

/// A prefix that occurs nowhere in the value, so that a stand-in is never mistaken.
fn free_prefix(value: &Value) -> String {
    let all = crate::value::python_repr(value);
    let mut prefix = "standin".to_owned();
    while all.contains(&prefix) {
        prefix.push('x');
    }
    prefix + "n"
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::diag::SourceMap;
    use crate::map;
    use crate::value::python_repr;
    use crate::yaml::{LoadOptions, load};

    fn read(text: &str) -> Value {
        let sources = SourceMap::new();
        let file = sources.add("t.yml", None, text);
        load(&sources, &file, &LoadOptions::default()).one(&file).unwrap_or_else(|e| panic!("{e:?}\n{text}")).to_value()
    }

    #[test]
    fn text_that_yaml_reads_otherwise_is_quoted() {
        let value = Value::from(map! {
            "time" => "12:30", "mode" => "0777", "flag" => "yes", "date" => "2024-01-02", "plain" => "a b",
            "float" => 1e16, "lines" => "a\nb\n", "empty" => "", "list" => Value::from(vec!["1e3".into(), 3.into()]),
        });
        assert_eq!(
            emit(&value).unwrap(),
            "time: '12:30'\nmode: '0777'\nflag: 'yes'\ndate: '2024-01-02'\nplain: a b\nfloat: 1.0e+16\nlines: |\n  a\n  b\nempty: ''\nlist:\n- '1e3'\n- 3\n"
        );
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i128>().prop_map(Value::Int),
            any::<f64>().prop_filter("nan is never equal", |f| !f.is_nan()).prop_map(Value::Float),
            "[ -~]{0,12}".prop_map(Value::from),
            "[-0-9:._eE+]{1,8}".prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
            "[a \\n\\t'\"#:{é\u{85}\u{2028}standinx0-3]{0,14}".prop_map(Value::from),
            Just(read("2024-01-02")),
            Just(read("2024-01-02T03:04:05.5+01:30")),
            Just(Value::Bytes(Arc::from(&b"\0\xff"[..]))),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("[ -~]{0,6}", inner), 0..5).prop_map(|pairs| Value::from(
                    pairs.into_iter().map(|(k, v)| (Key::from(k), v)).collect::<crate::value::Map>()
                )),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn what_is_written_is_read_back(value in values()) {
            let text = emit(&value).unwrap();
            prop_assert_eq!(python_repr(&read(&text)), python_repr(&value), "{}", text);
        }
    }
}
