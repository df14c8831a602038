//! What becomes of an upstream's redirect.
//!
//! The proxy follows none itself, so its header can reach no other host. A target that this proxy
//! serves (same upstream, or another one of the list) is rewritten to the proxy's own path; a
//! target on another host goes to the client as it is, and the client asks there without
//! credentials. A target on a credentialed upstream's host, but outside what is served, is refused:
//! the client could not fetch it.

use hyper::Uri;
use hyper::http::uri::{PathAndQuery, Scheme};

use super::config::Route;
use super::path::segments;

/// What to tell the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Redirect {
    /// `Location` on this proxy.
    Here(String),
    /// `Location` elsewhere.
    Elsewhere(String),
    /// Not passed on; the reason.
    Refused(&'static str),
}

/// Decides on a `Location` that came as the answer to `asked`.
pub(super) fn decide(asked: &Uri, location: &str, routes: &[Route]) -> Redirect {
    let Some(target) = resolve(asked, location) else {
        return Redirect::Refused("its target is no address");
    };
    let (Some(scheme), Some(authority)) = (target.scheme(), target.authority()) else {
        return Redirect::Refused("its target is no address");
    };
    if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
        return Redirect::Refused("its target is neither http nor https");
    }
    if authority.as_str().contains('@') {
        return Redirect::Refused("its target holds a user or password");
    }
    let Ok(path) = segments(target.path()) else {
        return Redirect::Refused("the path of its target is not clean");
    };
    let slash = if target.path().ends_with('/') && !path.is_empty() { "/" } else { "" };
    let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut known = false;
    for route in routes {
        if !same_origin(route, &target) {
            continue;
        }
        known |= route.auth;
        if let Some(rest) = path.strip_prefix(route.base.as_slice()) {
            let mut here = route.pattern.prefix.clone();
            here.extend_from_slice(rest);
            if route.pattern.rest(&here).is_some() {
                return Redirect::Here(format!("/{}{slash}{query}", here.join("/")));
            }
        }
    }
    if known {
        return Redirect::Refused("its target is outside the paths that this proxy serves");
    }
    Redirect::Elsewhere(target.to_string())
}

fn same_origin(route: &Route, target: &Uri) -> bool {
    let port = |scheme: Option<&Scheme>, port: Option<u16>| {
        port.unwrap_or(if scheme == Some(&Scheme::HTTPS) { 443 } else { 80 })
    };
    Some(&route.scheme) == target.scheme()
        && target.host().is_some_and(|host| host.eq_ignore_ascii_case(route.authority.host()))
        && port(Some(&route.scheme), route.authority.port_u16()) == port(target.scheme(), target.port_u16())
}

/// A reference resolved against the address that was asked, without its fragment.
fn resolve(asked: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default();
    if location.is_empty() {
        return None;
    }
    if location.contains("://") && location.split("://").next().is_some_and(is_scheme) {
        return location.parse().ok();
    }
    if let Some(rest) = location.strip_prefix("//") {
        return format!("{}://{rest}", asked.scheme_str()?).parse().ok();
    }
    if location.split(['/', '?']).next().is_some_and(|first| first.split_once(':').is_some_and(|(s, _)| is_scheme(s))) {
        // `mailto:` and the like.
        return None;
    }
    let joined = if location.starts_with('/') {
        location.to_owned()
    } else if location.starts_with('?') {
        format!("{}{location}", asked.path())
    } else {
        let folder = asked.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        let (path, query) = location.split_once('?').map_or((location, None), |(path, query)| (path, Some(query)));
        let mut whole = fold(&format!("{folder}/{path}"))?;
        if let Some(query) = query {
            whole.push('?');
            whole.push_str(query);
        }
        whole
    };
    let mut parts = asked.clone().into_parts();
    parts.path_and_query = Some(joined.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// Literal `..` of a relative reference; `None` if it climbs above the root.
fn fold(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').skip(1) {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            other => parts.push(other),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod redirect_tests {
    use super::super::Upstream;
    use super::super::config::Config;
    use super::*;

    fn routes() -> Vec<Route> {
        let upstream = |prefix: &str, url: &str, auth| Upstream {
            prefix: prefix.to_owned(),
            url: url.to_owned(),
            auth,
            paths: Vec::new(),
        };
        let config = Config {
            version: super::super::VERSION,
            name: "t".to_owned(),
            listen: vec!["127.0.0.1:1".parse().expect("address")],
            upstreams: vec![
                upstream("/deb", "https://mirror.test/repo/debian", true),
                upstream("/open", "https://open.test/x", false),
            ],
            credentials_file: None,
            upstream_ca: None,
            allow_plaintext_upstream: false,
            allow_from: Vec::new(),
            log_requests: false,
            max_connections: 1,
            user: String::new(),
            pid_file: "/x".into(),
            log_file: "/x".into(),
        };
        config.routes().expect("routes")
    }

    fn check(location: &str, expected: &Redirect) {
        let asked: Uri = "https://mirror.test/repo/debian/dists/stable/Release".parse().expect("address");
        assert_eq!(&decide(&asked, location, &routes()), expected, "{location}");
    }

    #[test]
    fn targets_that_are_served_here_are_rewritten() {
        let here = |path: &str| Redirect::Here(path.to_owned());
        check("/repo/debian/pool/", &here("/deb/pool/"));
        check("https://mirror.test/repo/debian/a?b=c#d", &here("/deb/a?b=c"));
        check("https://MIRROR.test:443/repo/debian/a", &here("/deb/a"));
        check("//mirror.test/repo/debian/a", &here("/deb/a"));
        check("../bookworm/Release", &here("/deb/dists/bookworm/Release"));
        check("Release.gpg", &here("/deb/dists/stable/Release.gpg"));
        check("?x=1", &here("/deb/dists/stable/Release?x=1"));
        check("https://open.test/x/y", &here("/open/y"));
    }

    #[test]
    fn other_hosts_are_the_clients_business() {
        let there = |uri: &str| Redirect::Elsewhere(uri.to_owned());
        check("https://cdn.test/a?sig=1", &there("https://cdn.test/a?sig=1"));
        check("http://mirror.test/repo/debian/a", &there("http://mirror.test/repo/debian/a"));
        check("https://mirror.test:8443/repo/debian/a", &there("https://mirror.test:8443/repo/debian/a"));
        check("https://mirror.test.evil.test/repo/debian/a", &there("https://mirror.test.evil.test/repo/debian/a"));
    }

    #[test]
    fn the_rest_is_refused() {
        for location in [
            "",
            "#x",
            "/private/keys",
            "/repo/debian/%2e%2e/keys",
            "../../../../../keys",
            "https://joe@mirror.test/repo/debian/a",
            "ftp://mirror.test/repo/debian/a",
            "mailto:joe@x",
        ] {
            let asked: Uri = "https://mirror.test/repo/debian/dists/stable/Release".parse().expect("address");
            assert!(matches!(decide(&asked, location, &routes()), Redirect::Refused(_)), "{location}");
        }
    }
}
