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

/// Whether an address of HTTP has a user's name before its host, or is none at all.
pub fn hides_its_host(value: &str) -> bool {
    let uri = value.parse::<Uri>().ok();
    uri.as_ref().and_then(Uri::authority).is_none_or(|authority| authority.as_str().contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

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
