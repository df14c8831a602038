//! The spelling of values in text, as Python has it: `True`, `None`, `['a', 1]`, `1e+16`.

use std::fmt::Write as _;

use super::Value;

/// `str(value)`: text as it is, everything else as [`python_repr`].
pub fn python_str(value: &Value) -> String {
    match value {
        Value::Str(text) => text.to_string(),
        Value::Date(date) => date.to_string(),
        Value::DateTime(at, offset) => {
            let mut text = at.to_string().replace('T', " ");
            if let Some(minutes) = offset {
                let sign = if *minutes < 0 { '-' } else { '+' };
                let _ = write!(text, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
            }
            text
        }
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => python_repr(other),
    }
}

/// `repr(value)`.
pub fn python_repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(&mut out, value);
    out
}

fn write_repr(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(int) => {
            let _ = write!(out, "{int}");
        }
        Value::BigInt(digits) => out.push_str(digits),
        Value::Float(float) => out.push_str(&python_float(*float)),
        Value::Str(text) => write_quoted(out, text),
        Value::Bytes(bytes) => {
            let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
            out.push('b');
            out.push(quote);
            for byte in bytes.iter() {
                match byte {
                    b'\\' => out.push_str("\\\\"),
                    b'\t' => out.push_str("\\t"),
                    b'\n' => out.push_str("\\n"),
                    b'\r' => out.push_str("\\r"),
                    byte if char::from(*byte) == quote => {
                        out.push('\\');
                        out.push(quote);
                    }
                    b' '..=b'~' => out.push(char::from(*byte)),
                    byte => {
                        let _ = write!(out, "\\x{byte:02x}");
                    }
                }
            }
            out.push(quote);
        }
        Value::Date(date) => {
            let _ = write!(out, "datetime.date({}, {}, {})", date.year(), date.month(), date.day());
        }
        Value::DateTime(at, offset) => {
            let _ = write!(
                out,
                "datetime.datetime({}, {}, {}, {}, {}",
                at.year(),
                at.month(),
                at.day(),
                at.hour(),
                at.minute()
            );
            if at.second() != 0 || at.subsec_nanosecond() != 0 {
                let _ = write!(out, ", {}", at.second());
            }
            if at.subsec_nanosecond() != 0 {
                let _ = write!(out, ", {}", at.subsec_nanosecond() / 1000);
            }
            match offset.map(|minutes| i32::from(minutes) * 60) {
                None => {}
                Some(0) => out.push_str(", tzinfo=datetime.timezone.utc"),
                Some(seconds) => {
                    let days = if seconds < 0 { "days=-1, " } else { "" };
                    let seconds = seconds.rem_euclid(86_400);
                    let _ = write!(out, ", tzinfo=datetime.timezone(datetime.timedelta({days}seconds={seconds}))");
                }
            }
            out.push(')');
        }
        Value::List(list) => {
            out.push('[');
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_repr(out, item);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_repr(out, &key.to_value());
                out.push_str(": ");
                write_repr(out, item);
            }
            out.push('}');
        }
    }
}

/// Python's quoting: single quotes unless the text has some and no double ones.
fn write_quoted(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if (c as u32) < 0x20 || (0x7f..0xa1).contains(&(c as u32)) || c == '\u{ad}' => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}

/// `pprint.pformat(value)`: on one line if that is not too long, else with a line for each item; keys are sorted.
pub fn pretty(value: &Value) -> String {
    let mut out = String::new();
    write_pretty(&mut out, &sorted(value), 0, 0);
    out
}

/// Columns of [`pretty`].
const PRETTY_WIDTH: usize = 80;

fn sorted(value: &Value) -> Value {
    match value {
        Value::List(items) => Value::from(items.iter().map(sorted).collect::<Vec<_>>()),
        Value::Map(map) => {
            let mut pairs: Vec<_> = map.iter().map(|(key, item)| (key.clone(), sorted(item))).collect();
            pairs.sort_by_key(|(key, _)| key.text());
            Value::from(pairs.into_iter().collect::<super::Map>())
        }
        other => other.clone(),
    }
}

fn write_pretty(out: &mut String, value: &Value, indent: usize, behind: usize) {
    let flat = python_repr(value);
    if indent + behind + flat.chars().count() <= PRETTY_WIDTH {
        out.push_str(&flat);
        return;
    }
    let next = |out: &mut String, index: usize| {
        if index > 0 {
            let _ = write!(out, ",\n{}", " ".repeat(indent + 1));
        }
    };
    match value {
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                next(out, index);
                write_pretty(out, item, indent + 1, 1);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                next(out, index);
                let key = python_repr(&key.to_value());
                let _ = write!(out, "{key}: ");
                write_pretty(out, item, indent + key.chars().count() + 3, 1);
            }
            out.push('}');
        }
        _ => out.push_str(&flat),
    }
}

/// `repr(float)`: shortest digits, exponent from 1e16 up and below 1e-4.
pub fn python_float(float: f64) -> String {
    if float.is_nan() {
        return "nan".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let size = float.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{float:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    let text = format!("{float}");
    if text.contains('.') { text } else { text + ".0" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map;

    #[test]
    fn long_values_have_a_line_for_each_item() {
        let long = "x".repeat(50);
        let value = Value::from(map! { "b" => long.as_str(), "a" => Value::from(vec![1.into(), 2.into()]), "c" => 3 });
        assert_eq!(pretty(&value), format!("{{'a': [1, 2], 'b': '{long}', 'c': 3}}"));
        let value =
            Value::from(map! { "b" => long.as_str(), "a" => Value::from(vec![long.as_str().into(), 2.into()]) });
        assert_eq!(pretty(&value), format!("{{'a': ['{long}', 2],\n 'b': '{long}'}}"));
        let value = Value::from(map! { "a" => Value::from(vec![long.as_str().into(), long.as_str().into()]) });
        assert_eq!(pretty(&value), format!("{{'a': ['{long}',\n       '{long}']}}"));
    }

    #[test]
    fn spells_values_as_python_does() {
        let check = |value: Value, expected: &str| assert_eq!(python_repr(&value), expected);
        check(true.into(), "True");
        check(1e16.into(), "1e+16");
        check(1.5e-7.into(), "1.5e-07");
        check(2.0.into(), "2.0");
        check("it's".into(), "\"it's\"");
        check(Value::from(map! { "a" => Value::from(vec![Value::Null, "x\n".into()]) }), "{'a': [None, 'x\\n']}");
    }
}
