//! The proxies that `http_proxy`, `https_proxy` and `no_proxy` name, read as Python's urllib reads them.

use base64::Engine as _;
use hyper::Uri;
use hyper::http::uri::{Authority, PathAndQuery, Scheme};

/// The proxies of a process; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<String>,
    https: Option<String>,
    /// Hosts that are reached without: names, ends of names, `host:port`, `*`.
    without: String,
}

/// The proxy of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proxy {
    /// Where it is.
    pub uri: Uri,
    /// What it is told of the user (`Basic ...`).
    pub authorization: Option<String>,
    /// It passes bytes on (`https`), or takes the request itself.
    pub tunnel: bool,
}

impl Proxies {
    /// Those that variables name: names in lower case count before those in upper case, also where they are empty.
    pub fn of(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let named = |name: &str| variable(name).or_else(|| variable(&name.to_uppercase()));
        let given = |name: &str| named(name).filter(|value| !value.is_empty());
        // A web server hands the header `Proxy` to its programs under this name.
        let of_request = variable("REQUEST_METHOD").is_some();
        Self {
            http: if of_request {
                variable("http_proxy").filter(|value| !value.is_empty())
            } else {
                given("http_proxy")
            },
            https: given("https_proxy"),
            without: given("no_proxy").unwrap_or_default(),
        }
    }

    /// The proxy on the way to a URL; the error is why it cannot be used.
    pub(super) fn to(&self, url: &Uri) -> Result<Option<Proxy>, String> {
        let tunnel = url.scheme_str() == Some("https");
        let named = if tunnel { &self.https } else { &self.http };
        let Some(named) = named else { return Ok(None) };
        let Some(host) = url.authority().map(|authority| authority.as_str().to_lowercase()) else { return Ok(None) };
        if self.leaves_out(&host, &url.host().unwrap_or_default().to_lowercase()) {
            return Ok(None);
        }
        let (scheme, rest) = match named.split_once("://") {
            Some((scheme, rest)) => (scheme.to_lowercase(), rest),
            None => ("http".to_owned(), named.as_str()),
        };
        let rest = rest.split('/').next().unwrap_or_default();
        let (user, address) = match rest.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, rest),
        };
        match scheme.as_str() {
            "http" => {}
            // Python speaks plainly to it before the tunnel is there.
            "https" if tunnel => {}
            "https" => {
                return Err(format!("the proxy {address} wants TLS for http:// too, which hostctl does not speak"));
            }
            other => return Err(format!("unknown url type: {other}")),
        }
        let wrong = || format!("the proxy `{address}` is no host with a port");
        let mut authority: Authority = address.parse().map_err(|_| wrong())?;
        if authority.port().is_none() {
            let port = if tunnel { 443 } else { 80 };
            authority = format!("{authority}:{port}").parse().map_err(|_| wrong())?;
        }
        let mut parts = hyper::http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(authority);
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
        let uri = Uri::from_parts(parts).map_err(|_| wrong())?;
        let authorization = user.map(|user| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            let plain = format!("{}:{}", super::web::unquoted(name), super::web::unquoted(password));
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(plain))
        });
        Ok(Some(Proxy { uri, authorization, tunnel }))
    }

    /// `host` with its port if it has one, `name` without.
    fn leaves_out(&self, host: &str, name: &str) -> bool {
        if self.without.trim() == "*" {
            return true;
        }
        self.without.split(',').map(|left| left.trim().trim_start_matches('.').to_lowercase()).any(|left| {
            let ends = |whole: &str| whole == left || whole.strip_suffix(&left).is_some_and(|rest| rest.ends_with('.'));
            !left.is_empty() && (ends(name) || ends(host))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(pairs: &[(&str, &str)]) -> Proxies {
        Proxies::of(&|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    fn way(pairs: &[(&str, &str)], url: &str) -> Option<(String, Option<String>, bool)> {
        let found = proxies(pairs).to(&url.parse().unwrap()).unwrap();
        found.map(|proxy| (proxy.uri.to_string(), proxy.authorization, proxy.tunnel))
    }

    #[test]
    fn proxies_are_those_of_urllib() {
        let both = [("http_proxy", "http://me:p%40ss@proxy.lan:3128/"), ("HTTPS_PROXY", "tunnel.lan")];
        let authorization = Some("Basic bWU6cEBzcw==".to_owned());
        assert_eq!(way(&both, "http://a.lan/x"), Some(("http://proxy.lan:3128/".to_owned(), authorization, false)));
        assert_eq!(way(&both, "https://a.lan/x"), Some(("http://tunnel.lan:443/".to_owned(), None, true)));
        assert_eq!(way(&[("http_proxy", ""), ("HTTP_PROXY", "p")], "http://a/"), None);
        assert_eq!(way(&[("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "p")], "http://a/"), None);
        assert!(proxies(&[("http_proxy", "socks5://p:1")]).to(&"http://a/".parse().unwrap()).is_err());
    }

    #[test]
    fn hosts_are_left_out_as_urllib_leaves_them_out() {
        let left_out = |list: &str, url: &str| way(&[("http_proxy", "p:1"), ("no_proxy", list)], url).is_none();
        assert!(left_out("*", "http://a/"));
        assert!(left_out("b, .LAN", "http://x.lan:8080/"));
        assert!(left_out("lan", "http://lan/"));
        assert!(left_out("a.lan:8080", "http://a.lan:8080/"));
        assert!(left_out("127.0.0.1", "http://127.0.0.1:5000/"));
        assert!(!left_out("a.lan:8080", "http://a.lan/"));
        assert!(!left_out("lan", "http://plan/"));
        // urllib knows no networks.
        assert!(!left_out("10.0.0.0/8", "http://10.0.0.1/"));
        assert!(!left_out("", "http://a/"));
    }
}
