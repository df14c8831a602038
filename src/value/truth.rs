//! The words that Ansible reads as booleans: one reader for keywords, settings, arguments of modules, inventories
//! and templates (ansible-core's `parsing/convert_bool.py`).

use super::Value;

/// A word's boolean; `None` for any other text.
pub fn boolean_word(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "y" | "yes" | "on" | "1" | "true" | "t" => Some(true),
        "n" | "no" | "off" | "0" | "false" | "f" => Some(false),
        _ => None,
    }
}

/// A value's boolean: itself, 0, 1, or one of the words; `None` for anything else.
pub fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Int(1) => Some(true),
        Value::Int(0) => Some(false),
        Value::Float(float) if is(*float, 1.0) => Some(true),
        Value::Float(float) if is(*float, 0.0) => Some(false),
        Value::Str(text) => boolean_word(text),
        _ => None,
    }
}

#[expect(clippy::float_cmp, reason = "Python's `==`, which finds a number in a set")]
fn is(float: f64, number: f64) -> bool {
    float == number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_those_of_ansible() {
        for yes in [Value::from("Yes"), Value::from(" t\n"), Value::Int(1), Value::Float(1.0), Value::Bool(true)] {
            assert_eq!(boolean(&yes), Some(true), "{yes:?}");
        }
        for no in [Value::from("oFF"), Value::from("0"), Value::Int(0), Value::Float(-0.0), Value::Bool(false)] {
            assert_eq!(boolean(&no), Some(false), "{no:?}");
        }
        // `"1.0"` is no word of Ansible's, though the number is.
        for none in [Value::from("ture"), Value::from("1.0"), Value::from(""), Value::Int(2), Value::Null] {
            assert_eq!(boolean(&none), None, "{none:?}");
        }
    }
}
