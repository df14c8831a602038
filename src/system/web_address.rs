//! Addresses of HTTP, taken apart.

use std::ops::Range;

use hyper::Uri;

/// Host and port of an address of HTTP; a login in it is left out.
pub fn host_and_port(value: &str) -> Option<(String, u16)> {
    let uri: Uri = value.trim().parse().ok()?;
    let usual = match uri.scheme_str()? {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let host = uri.host().filter(|host| !host.is_empty())?;
    Some((host.trim_matches(['[', ']']).to_owned(), uri.port_u16().unwrap_or(usual)))
}

/// Whether an address of HTTP has a user's name before its host, or is none at all.
pub fn hides_its_host(value: &str) -> bool {
    let uri = value.parse::<Uri>().ok();
    uri.as_ref().and_then(Uri::authority).is_none_or(|authority| authority.as_str().contains('@'))
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
    fn ports_are_the_usual_ones_unless_named() {
        let found = |text: &str| host_and_port(text).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(found("http://u:p@mirror.example/x").as_deref(), Some("mirror.example 80"));
        assert_eq!(found(" https://mirror.example:8443 ").as_deref(), Some("mirror.example 8443"));
        assert_eq!(found("http://[2001:db8::1]:3142/").as_deref(), Some("2001:db8::1 3142"));
        for none in ["", "mirror.example", "ftp://x/", "http://", "http:// x"] {
            assert_eq!(found(none), None, "{none}");
        }
    }
}
