//! `reuse: inputs | never | {max_age: 7d}`.

use std::fmt;
use std::str::FromStr;

use crate::diag::{Diagnostic, Result};

/// A span of time in whole seconds, as people write it: `7d`, `12h`, `30m`, `90s`, `1w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age {
    /// Seconds, at least 1.
    pub seconds: i64,
}

/// Seconds of the units, the longest first.
const UNITS: &[(&str, i64)] = &[("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let expected = || format!("expected a span of time as `7d`, `12h`, `30m`, `90s` or `1w`, found `{text}`");
        let unit = text.char_indices().next_back().ok_or_else(expected)?;
        let (number, unit) = text.split_at(unit.0);
        let seconds = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(expected)?.1;
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(expected());
        }
        let number: i64 = number.parse().map_err(|_| expected())?;
        // A thousand years: times stay far from the ends of their type.
        let seconds = number.checked_mul(seconds).filter(|seconds| (1..=31_536_000_000).contains(seconds));
        seconds.map(|seconds| Self { seconds }).ok_or_else(expected)
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = UNITS.iter().find(|(name, unit)| *name != "w" && self.seconds % unit == 0);
        let (name, unit) = fits.unwrap_or(&("s", 1));
        write!(f, "{}{name}", self.seconds / unit)
    }
}

/// When an image may be reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reuse {
    /// If its inputs are the same.
    #[default]
    Inputs,
    /// Not at all.
    Never,
    /// If its inputs are the same, and nothing in it is older.
    MaxAge(Age),
}

impl Reuse {
    /// The value of an argument: `inputs`, `never`, or a mapping with `max_age`.
    pub fn from_json(value: &serde_json::Value) -> Result<Self> {
        let found = match value {
            serde_json::Value::String(text) => return text.parse().map_err(|problem: String| wrong(&problem)),
            serde_json::Value::Object(map) => match map.iter().collect::<Vec<_>>().as_slice() {
                [(name, serde_json::Value::String(age))] if *name == "max_age" => {
                    return age
                        .parse()
                        .map(Self::MaxAge)
                        .map_err(|problem: String| wrong(&format!("`max_age`: {problem}")));
                }
                [(name, value)] if *name == "max_age" => {
                    return Err(wrong(&format!("`max_age`: expected a span of time as `7d`, found `{value}`")));
                }
                [] => "an empty mapping".to_owned(),
                keys => keys.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", "),
            },
            other => format!("`{other}`"),
        };
        Err(wrong(&format!("expected `inputs`, `never` or `max_age: 7d`, found {found}")))
    }
}

fn wrong(problem: &str) -> Diagnostic {
    Diagnostic::task("B0070", format!("`reuse`: {problem}"))
        .with_hint("reuse: inputs, reuse: never, or reuse: {max_age: 7d}")
}

/// As on a command line: `inputs`, `never`, `max_age=7d` or `7d`.
impl FromStr for Reuse {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "inputs" => Ok(Self::Inputs),
            "never" => Ok(Self::Never),
            age => age
                .strip_prefix("max_age=")
                .unwrap_or(age)
                .parse()
                .map(Self::MaxAge)
                .map_err(|_: String| format!("expected `inputs`, `never` or `max_age=7d`, found `{text}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn spans_of_time() {
        let seconds = |text: &str| text.parse::<Age>().ok().map(|age| age.seconds);
        assert_eq!(["7d", "12h", "30m", "90s", "1w"].map(seconds), [604_800, 43_200, 1800, 90, 604_800].map(Some));
        for text in
            ["", "d", "7", "-1d", "+1d", "1.5h", "7 d", "0s", "7D", "99999999999999999999d", "9999999999w", "7é"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
        let shown = |text: &str| text.parse::<Age>().unwrap().to_string();
        assert_eq!(["7d", "12h", "30m", "90s", "1w", "24h"].map(shown), ["7d", "12h", "30m", "90s", "7d", "1d"]);
    }

    #[test]
    fn policies() {
        let week = Reuse::MaxAge(Age { seconds: 604_800 });
        assert_eq!(Reuse::from_json(&json!("inputs")).unwrap(), Reuse::Inputs);
        assert_eq!(Reuse::from_json(&json!("never")).unwrap(), Reuse::Never);
        assert_eq!(Reuse::from_json(&json!({"max_age": "7d"})).unwrap(), week);
        assert_eq!("7d".parse(), Ok(week));
        assert_eq!("max_age=7d".parse(), Ok(week));
        for value in [
            json!("always"),
            json!({"max_age": 7}),
            json!({"max_age": "x"}),
            json!({"age": "7d"}),
            json!({}),
            json!(null),
            json!(true),
        ] {
            let error = Reuse::from_json(&value).unwrap_err();
            assert_eq!(error.code, "B0070", "{value}");
        }
        assert!(Reuse::from_json(&json!({})).unwrap_err().message.ends_with("found an empty mapping"));
        let error = Reuse::from_json(&json!({"max_age": "7days"})).unwrap_err();
        assert_eq!(
            error.message,
            "`reuse`: `max_age`: expected a span of time as `7d`, `12h`, `30m`, `90s` or `1w`, found `7days`"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".{0,12}") {
            let _ = text.parse::<Reuse>();
        }
    }
}
