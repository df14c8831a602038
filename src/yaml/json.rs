//! Files that are JSON: Ansible reads them as that, not as YAML.
//!
//! They go through the YAML parser all the same, for the places of their values; here is what JSON has and YAML lacks.

use std::borrow::Cow;

use crate::value::Value;

use super::resolve::resolve;

/// True for a text that is JSON.
pub fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// The value of a scalar without quotes: `1e3` is a number in JSON.
pub fn scalar(text: &str) -> Value {
    if text.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
        && text.contains(['e', 'E'])
        && let Ok(float) = text.parse()
    {
        return Value::Float(float);
    }
    resolve(text)
}

/// JSON as YAML of the same length in characters: tabs between the values become spaces, and a character that is
/// written as two escapes stands as itself, with the room that is left after its string.
pub fn as_yaml(text: &str) -> Cow<'_, str> {
    if !text.contains(['\t', '\\']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut quoted = false;
    let mut owed = 0;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut len = c.len_utf8();
        match c {
            '\t' if !quoted => out.push(' '),
            '"' => {
                out.push('"');
                quoted = !quoted;
                if !quoted {
                    out.extend(std::iter::repeat_n(' ', std::mem::take(&mut owed)));
                }
            }
            '\\' => match pair(rest) {
                Some(found) => {
                    out.push(found);
                    owed += PAIR - 1;
                    len = PAIR;
                }
                None => {
                    // What follows a backslash is one character at least, and no end of the string.
                    len += rest[1..].chars().next().map_or(0, char::len_utf8);
                    out.push_str(&rest[..len]);
                }
            },
            other => out.push(other),
        }
        rest = &rest[len..];
    }
    Cow::Owned(out)
}

/// Characters of two `\uXXXX`.
const PAIR: usize = 12;

/// The character of two escapes at the start of a text.
fn pair(text: &str) -> Option<char> {
    let half = |from: usize| {
        let digits = text.get(from..from + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    char::decode_utf16([half(0)?, half(6)?]).next()?.ok().filter(|c| u32::from(*c) > 0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_from_yaml() {
        for text in ["{}", " [1, 2e3]\n", "{\"a\":\t1}"] {
            assert!(is_json(text), "{text}");
        }
        for text in ["{a: 1}", "a: 1", "1", "[1,]", "{\"a\": 1} # c", "{{ x }}", ""] {
            assert!(!is_json(text), "{text}");
        }
    }

    #[test]
    fn numbers_are_those_of_json() {
        assert_eq!(scalar("1.5e3"), Value::Float(1500.0));
        assert_eq!(scalar("-1E-2"), Value::Float(-0.01));
        assert_eq!(scalar("12"), Value::Int(12));
        assert_eq!(scalar("true"), Value::Bool(true));
    }

    #[test]
    fn places_stay() {
        let check = |text: &str, expected: &str| {
            let found = as_yaml(text);
            assert_eq!(found, expected);
            assert_eq!(found.chars().count(), text.chars().count());
        };
        check("{\t\"a\\tb\":\n\t1}", "{ \"a\\tb\":\n 1}");
        check(r#"["x\ud83d\ude00y", 1]"#, "[\"x😀y\"           , 1]");
        check(r#"["\\ud83d\"", "\u00e9\ud83d"]"#, r#"["\\ud83d\"", "\u00e9\ud83d"]"#);
    }
}
