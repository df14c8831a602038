//! Addresses of HTTP, taken apart.

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

/// The password in an address of any scheme, as it is written.
pub fn password_in(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let (login, _) = rest.split(['/', '?', '#']).next()?.rsplit_once('@')?;
    login.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_stands_between_colon_and_at() {
        assert_eq!(password_in("http://me:pa:ss@proxy.example:3128/"), Some("pa:ss"));
        for none in ["http://me@h/", "http://me:@h/", "http://h/a:b@c", "h:1@x", "http://h:80/", ""] {
            assert_eq!(password_in(none), None, "{none}");
        }
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
