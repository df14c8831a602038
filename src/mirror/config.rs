//! The proxy's configuration file: JSON, made by the module `mirror_proxy`, without any secret.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use hyper::Uri;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::path::{Pattern, segments};
use crate::diag::{Diagnostic, Result};

/// The version of the file's form that this program writes and reads.
pub const VERSION: u32 = 1;

/// The port if none is given.
pub const DEFAULT_PORT: u16 = 3142;

/// The one field that every form has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The whole configuration.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// [`VERSION`].
    pub version: u32,
    /// The instance's name.
    pub name: String,
    /// Addresses to listen on; they need not exist yet.
    pub listen: Vec<SocketAddr>,
    /// What is forwarded, by path prefix.
    pub upstreams: Vec<Upstream>,
    /// File with user and password, if an upstream wants them and the service manager hands over none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_file: Option<PathBuf>,
    /// Certificates (PEM) to trust besides the host's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_ca: Option<PathBuf>,
    /// Credentials may go over plain HTTP.
    #[serde(default)]
    pub allow_plaintext_upstream: bool,
    /// Networks that may ask; all if empty.
    #[serde(default)]
    pub allow_from: Vec<IpNet>,
    /// Log every request, not only failures.
    #[serde(default)]
    pub log_requests: bool,
    /// Connections at the same time.
    pub max_connections: usize,
    /// The user that `--start` runs the proxy as.
    pub user: String,
    /// Where `--start` notes the process.
    pub pid_file: PathBuf,
    /// Where `--start` sends the log.
    pub log_file: PathBuf,
}

/// One upstream.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// What stands before the path here (`/debian`).
    pub prefix: String,
    /// What it stands for (`https://mirror.example.org/debian`).
    pub url: String,
    /// Send the credentials.
    pub auth: bool,
    /// Only these folders below the prefix (`dists`, `pool`); all if empty.
    #[serde(default)]
    pub paths: Vec<String>,
}

/// An upstream ready for use.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// The prefix as text, for logs and messages (`/debian`).
    pub prefix: String,
    pub pattern: Pattern,
    pub scheme: hyper::http::uri::Scheme,
    pub authority: hyper::http::uri::Authority,
    /// The upstream's own path, as segments.
    pub base: Vec<String>,
    pub auth: bool,
}

impl Config {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Self> {
        let wrong = |reason: String| Diagnostic::local("H0300", format!("cannot use `{}`: {reason}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let Version { version } = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if version > VERSION {
            return Err(wrong(format!(
                "it was written by a newer hostctl (form {version}, this program reads {VERSION})"
            )));
        }
        let config: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        config.routes()?;
        Ok(config)
    }

    /// The file's text.
    pub fn to_text(&self) -> Result<String> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| Diagnostic::internal(format!("the proxy's settings do not become JSON: {error}")))?;
        text.push('\n');
        Ok(text)
    }

    /// Checks everything, and makes the routes, longest prefix first.
    pub(super) fn routes(&self) -> Result<Vec<Route>> {
        if self.listen.is_empty() {
            return Err(wrong("the proxy needs at least one address to listen on"));
        }
        for address in &self.listen {
            check_listen(address.ip())?;
        }
        if self.upstreams.is_empty() {
            return Err(wrong("the proxy needs at least one upstream"));
        }
        let mut routes = Vec::with_capacity(self.upstreams.len());
        for upstream in &self.upstreams {
            let route = upstream.route(self.allow_plaintext_upstream)?;
            if routes.iter().any(|other: &Route| other.pattern.prefix == route.pattern.prefix) {
                return Err(wrong(format!("two upstreams have the prefix `{}`", route.prefix)));
            }
            routes.push(route);
        }
        routes.sort_by_key(|route| std::cmp::Reverse(route.pattern.prefix.len()));
        Ok(routes)
    }

    /// Checks everything.
    pub fn check(&self) -> Result<()> {
        self.routes().map(drop)
    }

    /// True if an upstream gets the credentials.
    pub fn wants_credentials(&self) -> bool {
        self.upstreams.iter().any(|upstream| upstream.auth)
    }
}

impl Upstream {
    fn route(&self, plaintext: bool) -> Result<Route> {
        let prefix = segments(&self.prefix)
            .map_err(|reason| wrong(format!("the prefix `{}` is no path: {reason}", self.prefix)))?;
        if prefix.first().is_some_and(|first| first == ".hostctl") {
            return Err(wrong("the prefix `/.hostctl` is the proxy's own"));
        }
        // The address may carry a password that someone put there: it is not repeated in messages.
        let shown = format!("the `url` of upstream `{}`", self.prefix);
        let uri: Uri = self.url.parse().map_err(|error| wrong(format!("{shown} is no address: {error}")))?;
        let (Some(scheme), Some(authority)) = (uri.scheme().cloned(), uri.authority().cloned()) else {
            return Err(wrong(format!("{shown} must start with `https://` or `http://`")));
        };
        if scheme != hyper::http::uri::Scheme::HTTPS && scheme != hyper::http::uri::Scheme::HTTP {
            return Err(wrong(format!("{shown} must start with `https://` or `http://`")));
        }
        if authority.as_str().contains('@') {
            return Err(wrong(format!("{shown} holds a user or password"))
                .with_hint("give them as `username` and `password`, so that they stay out of the configuration"));
        }
        if authority.host().is_empty() || uri.query().is_some() || self.url.contains('#') {
            return Err(wrong(format!("{shown} must be a host and a path, without query or fragment")));
        }
        if self.auth && scheme == hyper::http::uri::Scheme::HTTP && !plaintext {
            return Err(Diagnostic::task(
                "H0301",
                format!("{shown} is plain HTTP: the credentials would be readable on the way"),
            )
            .with_hint("use `https://`, or set `auth: false` for this upstream, or `allow_plaintext_upstream: true`"));
        }
        let base = segments(uri.path()).map_err(|reason| wrong(format!("the path of {shown} is wrong: {reason}")))?;
        let mut paths = Vec::with_capacity(self.paths.len());
        for path in &self.paths {
            let found = segments(path).map_err(|reason| {
                wrong(format!("the path `{path}` of upstream `{}` is wrong: {reason}", self.prefix))
            })?;
            paths.push(found);
        }
        let text = format!("/{}", prefix.join("/"));
        Ok(Route { prefix: text, pattern: Pattern { prefix, paths }, scheme, authority, base, auth: self.auth })
    }
}

fn check_listen(address: IpAddr) -> Result<()> {
    if address.is_unspecified() || address.is_multicast() {
        return Err(wrong(format!("the proxy does not listen on `{address}`: name each address"))
            .with_hint("for example `listen: [127.0.0.1, 172.30.0.1]`"));
    }
    Ok(())
}

fn wrong(message: impl Into<String>) -> Diagnostic {
    Diagnostic::task("H0300", message)
}

#[cfg(test)]
mod config_tests {
    use super::*;

    fn config(listen: &str, prefix: &str, url: &str) -> Config {
        Config {
            version: VERSION,
            name: "test".to_owned(),
            listen: vec![listen.parse().expect("address")],
            upstreams: vec![Upstream { prefix: prefix.to_owned(), url: url.to_owned(), auth: true, paths: Vec::new() }],
            credentials_file: None,
            upstream_ca: None,
            allow_plaintext_upstream: false,
            allow_from: Vec::new(),
            log_requests: false,
            max_connections: 16,
            user: "nobody".to_owned(),
            pid_file: "/run/x.pid".into(),
            log_file: "/var/log/x.log".into(),
        }
    }

    fn code(config: &Config) -> String {
        config.check().err().map(|error| error.code.to_string()).unwrap_or_default()
    }

    #[test]
    fn unsafe_settings_are_refused() {
        assert_eq!(code(&config("127.0.0.1:3142", "/debian", "https://mirror.test/debian")), "");
        assert_eq!(code(&config("0.0.0.0:3142", "/debian", "https://mirror.test/debian")), "H0300");
        assert_eq!(code(&config("[::]:3142", "/debian", "https://mirror.test/debian")), "H0300");
        assert_eq!(code(&config("127.0.0.1:3142", "/a/../b", "https://mirror.test/debian")), "H0300");
        assert_eq!(code(&config("127.0.0.1:3142", "/.hostctl", "https://mirror.test/debian")), "H0300");
        assert_eq!(code(&config("127.0.0.1:3142", "/debian", "ftp://mirror.test/debian")), "H0300");
        assert_eq!(code(&config("127.0.0.1:3142", "/debian", "https://mirror.test/?q=1")), "H0300");
        assert_eq!(code(&config("127.0.0.1:3142", "/debian", "http://mirror.test/debian")), "H0301");
    }

    #[test]
    fn a_password_in_the_address_is_refused_and_not_repeated() {
        let error = config("127.0.0.1:1", "/debian", "https://joe:hunter22@mirror.test/").check().expect_err("refused");
        assert!(!format!("{error:?}").contains("hunter22"), "{error:?}");
    }

    #[test]
    fn plain_http_is_accepted_without_credentials_or_by_request() {
        let mut open = config("127.0.0.1:3142", "/debian", "http://mirror.test/debian");
        open.upstreams[0].auth = false;
        assert_eq!(code(&open), "");
        let mut risk = config("127.0.0.1:3142", "/debian", "http://mirror.test/debian");
        risk.allow_plaintext_upstream = true;
        assert_eq!(code(&risk), "");
    }

    #[test]
    fn two_spellings_of_a_prefix_are_one() {
        let mut twice = config("127.0.0.1:3142", "/debian", "https://mirror.test/debian");
        let mut second = twice.upstreams[0].clone();
        second.prefix = "debian/".to_owned();
        twice.upstreams.push(second);
        assert_eq!(code(&twice), "H0300");
    }

    #[test]
    fn a_newer_form_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("c.json");
        std::fs::write(&path, r#"{"version": 2, "shiny": true}"#).expect("write");
        let error = Config::read(&path).expect_err("refused");
        assert!(error.message.contains("newer hostctl"), "{error}");
    }
}
