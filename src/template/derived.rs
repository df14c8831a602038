//! What a template makes of a secret is a secret too: a slice, a field, another encoding, a hash.
//!
//! Looks at the operations of an expression, before and after: the redactor learns what of the result stood in the
//! secret, and the whole of what an encoding made. What is short, or a plain word, is not learned: it would mask half
//! of every output. Nor is what a loop over single characters builds.

use std::collections::HashSet;

use crate::value::Value;

use super::cx::Cx;
use super::val::Val;

/// Shortest part of a secret that is learned, in characters.
const SHORTEST: usize = 6;

/// Longest text that is searched for secrets, in bytes.
const LONGEST: usize = 64 << 10;

/// What has no capitals but at its beginning, or nothing else, is a word of a language up to this length.
const WORD: usize = 16;

/// Filters whose result shares no text with what they got and yet gives it away.
const ENCODINGS: [&str; 11] = [
    "b64decode",
    "b64encode",
    "checksum",
    "hash",
    "md5",
    "password_hash",
    "sha1",
    "swapcase",
    "title",
    "to_uuid",
    "urldecode",
];

/// Filters that take apart what is mostly no secret: paths and addresses.
const PLACES: [&str; 10] =
    ["basename", "dirname", "expanduser", "ipaddr", "ipv4", "ipv6", "ipwrap", "realpath", "splitext", "urlsplit"];

impl Cx<'_> {
    /// The secrets in a text that an operation begins with; mostly none.
    pub fn secrets_in(&self, operation: &str, value: &Val) -> Vec<String> {
        let (Val::V(value), Some(redactor)) = (value, self.templates.host().redactor()) else { return Vec::new() };
        if redactor.is_empty() {
            return Vec::new();
        }
        // What is in a list or a mapping is looked at where it does not come back as it is.
        if !matches!(value, Value::Str(_)) && !ENCODINGS.contains(&operation) {
            return Vec::new();
        }
        let (mut found, mut left) = (Vec::new(), LONGEST);
        each_text(value, &mut |text| {
            if text.len() <= left {
                left -= text.len();
                found.extend(redactor.secrets_in(text));
            }
        });
        found
    }

    /// Learns what an operation made of secrets.
    pub fn derived(&self, operation: &str, secrets: &[String], made: &Val) {
        if secrets.is_empty() || matches!(made, Val::Undef(_) | Val::Omit | Val::Func(_)) {
            return;
        }
        let Some(redactor) = self.templates.host().redactor() else { return };
        let Ok(made) = made.value(self) else { return };
        if operation == "urlsplit" {
            // The host of a sealed URL is none that must not be named.
            each_text(&made, &mut |text| {
                if secrets.iter().any(|secret| secret.contains(&format!(":{text}@"))) {
                    redactor.derive(text);
                }
            });
        }
        if PLACES.contains(&operation) {
            return;
        }
        let encoding = ENCODINGS.contains(&operation);
        let sought = if encoding { &[][..] } else { secrets };
        let known: Vec<HashSet<&[u8]>> =
            sought.iter().map(|secret| secret.as_bytes().windows(SHORTEST).collect()).collect();
        let mut found: Vec<String> = Vec::new();
        each_text(&made, &mut |text| {
            if encoding && tells(text) {
                redactor.derive(text);
            } else if !encoding && (SHORTEST..=LONGEST).contains(&text.len()) {
                found.extend(known.iter().flat_map(|known| shared(known, text)).map(str::to_owned));
            }
        });
        // What shows most of a secret gives it away, words or not.
        let most = 2 * found.iter().map(String::len).sum::<usize>() >= secrets.iter().map(String::len).sum();
        found.iter().filter(|part| most || tells(part)).for_each(|part| redactor.derive(part));
    }
}

fn each_text(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Str(text) => found(text),
        Value::Int(_) | Value::BigInt(_) => found(&crate::value::python_str(value)),
        Value::List(items) => items.iter().for_each(|item| each_text(item, found)),
        Value::Map(map) => map.values().for_each(|item| each_text(item, found)),
        _ => {}
    }
}

/// True if a text is long enough and no word that stands in other texts too.
fn tells(text: &str) -> bool {
    let text = text.trim();
    let count = text.chars().count();
    // `BEGIN RSA PRIVATE KEY`, `production`, `Bearer`
    let letters = text.chars().all(|c| c.is_alphabetic() || c.is_whitespace() || "-_.".contains(c));
    let capitals = text.chars().all(|c| !c.is_lowercase());
    let inner_capital = text.chars().skip(1).any(char::is_uppercase);
    count >= SHORTEST && !(letters && count <= WORD && (capitals || !inner_capital)) && !text.starts_with("-----")
}

/// The runs of a text that stand in a secret, too; `known` has the secret's parts of [`SHORTEST`] bytes.
fn shared<'t>(known: &HashSet<&[u8]>, text: &'t str) -> Vec<&'t str> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, window) in text.as_bytes().windows(SHORTEST).enumerate() {
        match runs.last_mut() {
            _ if !known.contains(window) => {}
            Some((_, end)) if *end == at + SHORTEST - 1 => *end += 1,
            _ => runs.push((at, at + SHORTEST)),
        }
    }
    let inside = |(mut start, mut end): (usize, usize)| {
        // A character that both begin with the same byte is none that both hold.
        while !text.is_char_boundary(start) {
            start += 1;
        }
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.get(start..end)
    };
    runs.into_iter().filter_map(inside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_no_secrets() {
        for word in ["PRIVATE", "production", "Bearer", "short", "db.example", "-----BEGIN RSA PRIVATE KEY-----"] {
            assert!(!tells(word), "{word}");
        }
        for part in ["Kan-arie_W", "hunter2", "correcthorsebattery", "pwKanarie7", "0123456", "aBcDeF"] {
            assert!(tells(part), "{part}");
        }
    }

    #[test]
    fn what_stood_in_the_secret_is_found() {
        let shared =
            |secret: &str, text: &'static str| super::shared(&secret.as_bytes().windows(SHORTEST).collect(), text);
        assert_eq!(shared("Kan-arie_Wert/99-tail", "user:Kan-arie_ and Wert/99!"), ["Kan-arie_", "Wert/99"]);
        assert_eq!(shared("Kan-arie_Wert/99-tail", "Kan_arie_Wert/99_tail"), ["arie_Wert/99"]);
        assert!(shared("hunter2-long", "configured").is_empty() && shared("abc", "abcdef").is_empty());
        assert_eq!(shared("geheim\u{e4}x", "geheim\u{e5}"), ["geheim"]);
    }
}
