//! Which headers pass, and in which direction.

use hyper::HeaderMap;
use hyper::header::{self, HeaderName};

/// Of a client's request only these go upstream: what makes an answer partial or conditional,
/// and how it may be encoded. Its cookies and credentials do not.
const TO_UPSTREAM: &[HeaderName] = &[
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CACHE_CONTROL,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::PRAGMA,
    header::RANGE,
    header::USER_AGENT,
];

/// Of an upstream's answer these stay here: they belong to the connection, ask the client for
/// credentials that are none of its business, or would change how it speaks to this proxy.
const NOT_TO_CLIENT: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
    "authorization",
    "authentication-info",
    "proxy-authentication-info",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "alt-svc",
    "clear-site-data",
    "location",
    "content-location",
    "refresh",
    "link",
];

/// The headers of the request to the upstream, without its credentials.
pub(super) fn to_upstream(client: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in TO_UPSTREAM {
        for value in client.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    headers
}

/// The headers of the answer to the client.
pub(super) fn to_client(upstream: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = upstream
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut headers = HeaderMap::with_capacity(upstream.len());
    for (name, value) in upstream {
        let stays = NOT_TO_CLIENT.contains(&name.as_str()) || named.iter().any(|other| other == name.as_str());
        if !stays {
            headers.append(name, value.clone());
        }
    }
    headers
}

#[cfg(test)]
mod header_tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("value"))).collect()
    }

    #[test]
    fn only_conditions_and_encodings_go_upstream() {
        let sent = to_upstream(&map(&[
            ("range", "bytes=0-1"),
            ("if-modified-since", "Sat, 21 Nov 2026 06:17:04 GMT"),
            ("authorization", "Basic eDp5"),
            ("proxy-authorization", "Basic eDp5"),
            ("cookie", "a=b"),
            ("x-forwarded-for", "10.0.0.1"),
            ("host", "proxy"),
            ("connection", "close"),
        ]));
        let names: Vec<&str> = sent.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["if-modified-since", "range"]);
    }

    #[test]
    fn connection_headers_and_challenges_stay_here() {
        let passed = to_client(&map(&[
            ("content-length", "3"),
            ("etag", "\"x\""),
            ("connection", "keep-alive, X-Private"),
            ("x-private", "1"),
            ("set-cookie", "a=b"),
            ("www-authenticate", "Basic realm=x"),
            ("strict-transport-security", "max-age=1"),
        ]));
        let names: Vec<&str> = passed.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["content-length", "etag"]);
    }
}
