//! Secrets that somebody wrote in clear: told by the name before them, or by their place in an address.

use std::ops::Range;

/// Parts of names whose values are secrets.
const PARTS: [&str; 8] = ["passwd", "passwrd", "password", "passphrase", "secret", "token", "credential", "apikey"];
/// Ends of names whose values are secrets.
const ENDS: [&str; 5] = ["pass", "_pw", "api_key", "private_key", "access_key"];
/// Ends of names that say something about a secret.
const ABOUT: [&str; 8] = ["_file", "_path", "_var", "_id", "_name", "_url", "_expires", "_length"];
/// Names that hold one of the parts and no secret.
const OTHERS: [&str; 3] = ["update_password", "password_lock", "no_log_password"];

/// True for a name such as `registry_password`, whose value is a secret; not for `password_file`.
pub fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let about = ABOUT.iter().any(|end| name.ends_with(end)) || OTHERS.contains(&name.as_str());
    !about && (PARTS.iter().any(|part| name.contains(part)) || ENDS.iter().any(|end| name.ends_with(end)))
}

/// A line of YAML or of `name=value` words with `*` for each character of what stands behind such names. What is a
/// template, sealed, a path or a collection stays. Passwords in addresses are hidden, too.
pub fn without_clear_values(line: &str) -> String {
    let mut shown = line.to_owned();
    for place in places_of_passwords(line).collect::<Vec<_>>().into_iter().rev() {
        let hidden = "*".repeat(line[place.clone()].chars().count());
        shown.replace_range(place, &hidden);
    }
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut from = 0;
    while let Some(at) = shown[from..].find([':', '=']).map(|at| from + at) {
        from = at + 1;
        let assigned = shown.as_bytes()[at] == b'=';
        let before = shown[..at].trim_end_matches(['"', '\'']);
        let name = &before[before.rfind(|c| !in_name(c)).map_or(0, |end| end + last_char(before, end))..];
        let after = &shown[from..];
        let blanks = after.len() - after.trim_start_matches([' ', '\t']).len();
        if !names_secret(name) || assigned == (blanks > 0) {
            continue;
        }
        let start = from + blanks;
        let length = value_length(&shown[start..], assigned, shown[..at].contains('{'));
        if is_clear(&shown[start..start + length]) {
            let hidden = "*".repeat(shown[start..start + length].chars().count());
            shown.replace_range(start..start + length, &hidden);
            from = start + hidden.len();
        }
    }
    shown
}

/// Bytes of the character at an offset.
fn last_char(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(1, char::len_utf8)
}

/// Bytes of a scalar: quoted, a word, or up to a comment or the end; inside braces up to a comma or the end of them.
fn value_length(rest: &str, word: bool, flow: bool) -> usize {
    if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let mut escaped = false;
        let end = rest.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == quote && !escaped;
            escaped = *c == '\\' && !escaped && quote == '"';
            ends
        });
        return end.map_or(rest.len(), |(at, _)| at + 1);
    }
    let end = if word {
        rest.find(char::is_whitespace)
    } else {
        rest.find(" #").into_iter().chain(rest.find([',', '}']).filter(|_| flow)).min()
    };
    rest[..end.unwrap_or(rest.len())].trim_end().len()
}

fn is_clear(value: &str) -> bool {
    let bare = value.trim_matches(['"', '\'']);
    let word =
        matches!(bare.to_ascii_lowercase().as_str(), "" | "true" | "false" | "yes" | "no" | "null" | "~" | "omit");
    !word && !bare.contains("{{") && !bare.starts_with(['!', '|', '>', '&', '*', '[', '{', '/', '~', '<', '$'])
}

/// The passwords in the addresses of any scheme that a text holds, as they are written and in order.
///
/// An address ends at a blank. What follows it without one (`http://h:80","a@b`) may count as a password: who masks too
/// much shows nothing.
pub fn passwords_in(text: &str) -> Vec<&str> {
    places_of_passwords(text).map(|place| &text[place]).collect()
}

/// A text with `...` in place of the passwords in its addresses.
pub fn without_passwords(text: &str) -> String {
    let (mut shown, mut told) = (String::with_capacity(text.len()), 0);
    for place in places_of_passwords(text) {
        shown.push_str(&text[told..place.start]);
        shown.push_str("...");
        told = place.end;
    }
    shown + &text[told..]
}

fn places_of_passwords(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices("://").filter_map(|(at, mark)| {
        let start = at + mark.len();
        let authority = text[start..].split(|c: char| matches!(c, '/' | '?' | '#') || c.is_whitespace()).next()?;
        let (login, _) = authority.rsplit_once('@')?;
        let (user, password) = login.split_once(':').filter(|(_, password)| !password.is_empty())?;
        let start = start + user.len() + 1;
        Some(start..start + password.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_stands_between_colon_and_at() {
        assert_eq!(passwords_in("http://me:pa:ss@proxy.example:3128/"), ["pa:ss"]);
        assert_eq!(passwords_in("ssh://a:\u{e4}@h git+https://b:p@@q@h/x?y, z://c:d@e"), ["\u{e4}", "p@@q", "d"]);
        for none in ["http://me@h/", "http://me:@h/", "http://h/a:b@c", "h:1@x", "http://h:80/", "a://h:80 b:c@d", ""] {
            assert_eq!(passwords_in(none), [""; 0], "{none}");
            assert_eq!(without_passwords(none), none);
        }
        let two = r#"{"a":"http://u:p@h","b":"http://u:q@h"}"#;
        assert_eq!(without_passwords(two), r#"{"a":"http://u:...@h","b":"http://u:...@h"}"#);
    }

    #[test]
    fn what_stands_behind_a_secrets_name_is_hidden() {
        for (line, expected) in [
            ("    registry_passwrd: CLEAR # x", "    registry_passwrd: ***** # x"),
            ("    \"api_key\": 'it''s', b: 1", "    \"api_key\": ****'s', b: 1"),
            ("- uri: url=http://h password=\"a b\" method=PUT", "- uri: url=http://h password=***** method=PUT"),
            ("{registry-token: \u{e4}bc, secret: \"a\\\"b\", x: y}", "{registry-token: ***, secret: ******, x: y}"),
            ("url: \"http://u:p@h/x?access_token=y\"", "url: \"http://u:*@h/x?access_token=**"),
            ("\u{e4}: {TOKEN: a}", "\u{e4}: {TOKEN: *}"),
        ] {
            assert_eq!(without_clear_values(line), expected);
        }
        for line in [
            "registry_password: \"{{ vault_password }}\"",
            "password: !vault |",
            "password_file: /run/x",
            "update_password: always",
            "secrets: [npm, other]",
            "tokens: { a: b }",
            "become_pass: ",
            "ansible_password:clear",
            "passwords",
            "=:=: :",
            "",
        ] {
            assert_eq!(without_clear_values(line), line);
        }
    }

    proptest::proptest! {
        #[test]
        fn columns_stay(line in "(password|a|[:=\"'{}, #*é\\\\]){0,20}") {
            proptest::prop_assert_eq!(without_clear_values(&line).chars().count(), line.chars().count());
        }
    }
}
