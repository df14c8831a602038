//! Requests as `uri` and `get_url` make them: methods, bodies, redirects, basic authentication, certificates.
//!
//! One connection a request. Credentials go to the host they are meant for, not on to where it redirects.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request, Response, Uri, body::Incoming};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;

use super::connect::Way;
use super::cookies::Jar;
use super::http::Names;
use super::proxy::Proxies;
use super::web_tls::tls;

/// Redirects that are followed at most, as urllib has it.
const REDIRECTS: usize = 10;

/// Which redirects are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// All.
    All,
    /// None.
    None,
    /// Those of `GET` and `HEAD`.
    #[default]
    Safe,
    /// Those of `GET`, `HEAD` and, turned into `GET`, `POST`.
    Urllib2,
}

/// A request.
#[derive(Clone, Debug, Default)]
pub struct WebRequest {
    /// `http://` or `https://`, perhaps with `user:password@`.
    pub url: String,
    /// `GET` and so on.
    pub method: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Vec<u8>>,
    /// For connecting, for the first byte of the answer, and for each part of it.
    pub timeout: Duration,
    /// Which redirects are followed.
    pub follow: Follow,
    /// User and password.
    pub user: Option<(String, String)>,
    /// Send them at once, not only when asked.
    pub force_basic: bool,
    /// Do not look at the server's certificate.
    pub insecure: bool,
    /// The only authorities that are trusted (PEM).
    pub ca_path: Option<PathBuf>,
    /// The client's certificate and key (PEM).
    pub client_cert: Option<(PathBuf, PathBuf)>,
    /// Headers that do not go along when redirected.
    pub unredirected: Vec<String>,
    /// Only if it changed since then.
    pub modified_since: Option<SystemTime>,
    /// Ask caches on the way for a new copy.
    pub force: bool,
    /// Take an answer apart that is compressed.
    pub decompress: bool,
    /// The socket file that the server listens on, instead of the URL's host and port.
    pub unix_socket: Option<PathBuf>,
    /// The proxies of who asks.
    pub proxies: Proxies,
    /// OpenSSL's names of the ciphers for TLS 1.2; none means all that there are. TLS 1.3 has its own.
    pub ciphers: Vec<String>,
}

/// An answer; its body was written out.
#[derive(Clone, Debug, Default)]
pub struct WebAnswer {
    /// The status.
    pub status: u16,
    /// The server's words for it.
    pub reason: String,
    /// Where it came from at last, without a password.
    pub url: String,
    /// Headers in lower case, those of one name joined.
    pub headers: Vec<(String, String)>,
    /// Cookies.
    pub cookies: Vec<(String, String)>,
    /// Bytes of the body as they came.
    pub received: u64,
}

impl WebAnswer {
    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Why there is no answer, in Ansible's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAnswer(pub String);

fn request_failed(text: impl std::fmt::Display) -> NoAnswer {
    NoAnswer(format!("Request failed: <urlopen error {text}>"))
}

/// The URL without its password.
pub fn mask_url(url: &str) -> String {
    match split_user(url) {
        (plain, Some((user, Some(_)))) => match plain.split_once("://") {
            Some((scheme, rest)) => format!("{scheme}://{user}:********@{rest}"),
            None => plain,
        },
        _ => url.to_owned(),
    }
}

/// The URL without `user:password@`, and those.
fn split_user(url: &str) -> (String, Option<(String, Option<String>)>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some(at) = rest[..end].rfind('@') else { return (url.to_owned(), None) };
    let (user, password) = match rest[..at].split_once(':') {
        Some((user, password)) => (user, Some(password.to_owned())),
        None => (&rest[..at], None),
    };
    (format!("{scheme}://{}", &rest[at + 1..]), Some((user.to_owned(), password)))
}

/// The password that stands in a URL, as it is written there.
pub fn password_of(url: &str) -> Option<String> {
    split_user(url).1?.1
}

/// Login and password for the host of a URL in the text of a `.netrc`.
pub fn netrc_login(text: &str, url: &str) -> Option<(String, String)> {
    let host = url.split("://").nth(1)?.split(['/', ':', '?', '#']).next()?;
    let mut words = text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(str::split_whitespace);
    let (mut here, mut login, mut password) = (false, None, None);
    while let Some(word) = words.next() {
        match word {
            "machine" | "default" if here => break,
            "machine" => here = words.next() == Some(host),
            "default" => here = true,
            "login" if here => login = words.next().map(str::to_owned),
            "password" if here => password = words.next().map(str::to_owned),
            "login" | "password" | "account" => drop(words.next()),
            _ => {}
        }
    }
    Some((login?, password.unwrap_or_default()))
}

pub(super) fn unquoted(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Sends a request, follows redirects, and writes the body of the last answer to `out`.
pub async fn fetch(request: &WebRequest, out: &mut (dyn Write + Send)) -> Result<WebAnswer, NoAnswer> {
    let tls = tls(request)?;
    let (url, in_url) = split_user(&request.url);
    let user = request
        .user
        .clone()
        .or_else(|| in_url.map(|(user, password)| (unquoted(&user), unquoted(&password.unwrap_or_default()))));
    let mut hop = Hop {
        url: url.split('#').next().unwrap_or_default().replace(' ', "%20"),
        method: request.method.clone(),
        body: request.body.clone(),
        headers: request.headers.clone(),
        authorize: request.force_basic,
        first: true,
    };
    let mut redirects = 0;
    let mut jar = Jar::default();
    loop {
        let response = hop.send(request, user.as_ref(), tls.clone(), jar.header(&hop.url)).await?;
        jar.fill(&hop.url, response.headers());
        let status = response.status().as_u16();
        let location = response.headers().get("location").and_then(|value| value.to_str().ok()).map(str::to_owned);
        if status == 401 && hop.first && !hop.authorize && user.is_some() && wants_basic(&response) {
            hop.authorize = true;
            continue;
        }
        if let (301 | 302 | 303 | 307 | 308, Some(location)) = (status, location)
            && let Some(next) = hop.redirected(request, status, &location)
        {
            redirects += 1;
            if redirects > REDIRECTS {
                return Err(request_failed(
                    "The HTTP server returned a redirect error that would lead to an infinite loop",
                ));
            }
            hop = next;
            continue;
        }
        let mut answer = take(request, &hop.url, response, out).await?;
        answer.cookies = jar.all();
        return Ok(answer);
    }
}

fn wants_basic(response: &Response<Incoming>) -> bool {
    let asked = response.headers().get_all("www-authenticate");
    asked.iter().filter_map(|value| value.to_str().ok()).any(|text| text.to_lowercase().contains("basic"))
}

/// One request on the way.
struct Hop {
    url: String,
    method: String,
    body: Option<Vec<u8>>,
    headers: Vec<(String, String)>,
    authorize: bool,
    /// Still at the host that was asked first.
    first: bool,
}

/// Scheme, host and port.
pub(super) fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    &url[..end]
}

impl Hop {
    async fn send(
        &self,
        request: &WebRequest,
        user: Option<&(String, String)>,
        tls: ClientConfig,
        cookies: Option<String>,
    ) -> Result<Response<Incoming>, NoAnswer> {
        let uri: Uri = self.url.parse().map_err(|error| NoAnswer(format!("Request failed: {error}")))?;
        match uri.scheme_str() {
            Some("http" | "https") => {}
            Some(other) => return Err(request_failed(format!("unknown url type: {other}"))),
            None => return Err(NoAnswer(format!("unknown url type: '{}'", self.url))),
        }
        let method = Method::from_bytes(self.method.as_bytes()).map_err(|error| NoAnswer(error.to_string()))?;
        let body = self.body.clone().map(Bytes::from).unwrap_or_default();
        let proxy = if request.unix_socket.is_none() { request.proxies.to(&uri) } else { Ok(None) };
        let proxy = proxy.map_err(request_failed)?;
        let mut built = Request::builder().method(method).uri(uri);
        let mut given: Vec<(String, String)> = self.headers.clone();
        if let Some(proxy) = proxy.as_ref().filter(|proxy| !proxy.tunnel) {
            let authorization = proxy.authorization.iter();
            given.extend(authorization.map(|value| ("Proxy-Authorization".to_owned(), value.clone())));
        }
        let has =
            |given: &[(String, String)], name: &str| given.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        if let Some((user, password)) = user.filter(|_| self.authorize && self.first) {
            let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            given.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
            given.push(("Authorization".to_owned(), format!("Basic {token}")));
        }
        if let Some(cookies) = cookies.filter(|_| !has(&given, "cookie")) {
            given.push(("Cookie".to_owned(), cookies));
        }
        if request.force {
            given.push(("Cache-Control".to_owned(), "no-cache".to_owned()));
        } else if let Some(time) = request.modified_since
            && let Ok(at) = jiff::Timestamp::try_from(time)
        {
            let text = at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            given.push(("If-Modified-Since".to_owned(), text));
        }
        if self.body.is_some() && !has(&given, "content-type") {
            given.push(("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
        }
        for (name, value) in given {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| NoAnswer(format!("{name}: {error}")))?;
            if name == "content-length" {
                continue;
            }
            let value =
                HeaderValue::from_bytes(value.as_bytes()).map_err(|error| NoAnswer(format!("{name}: {error}")))?;
            built = built.header(name, value);
        }
        let whole = built.body(Full::new(body)).map_err(|error| NoAnswer(error.to_string()))?;
        let way = if let Some(path) = &request.unix_socket {
            Way::Socket(path.clone())
        } else {
            let mut connector = HttpConnector::new_with_resolver(Names);
            connector.enforce_http(false);
            connector.set_connect_timeout(Some(request.timeout));
            Way::over(connector, proxy.as_ref()).map_err(request_failed)?
        };
        let https =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(way);
        let client: Client<_, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(https);
        match tokio::time::timeout(request.timeout, client.request(whole)).await {
            Err(_) => Err(NoAnswer("Connection failure: The read operation timed out".to_owned())),
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(worded(&error, &self.url)),
        }
    }

    /// The request after a redirect; `None` if it is not followed.
    fn redirected(&self, request: &WebRequest, status: u16, location: &str) -> Option<Self> {
        let reads = matches!(self.method.as_str(), "GET" | "HEAD");
        let follow = match request.follow {
            Follow::None => false,
            Follow::All => true,
            Follow::Safe => reads,
            Follow::Urllib2 => reads || (self.method == "POST" && matches!(status, 301..=303)),
        };
        if !follow {
            return None;
        }
        let url = joined(&self.url, &location.replace(' ', "%20"));
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return None;
        }
        let keep = matches!(status, 307 | 308);
        let elsewhere = origin(&url) != origin(&self.url);
        let headers = self.headers.iter().filter(|(name, _)| {
            let name = name.to_ascii_lowercase();
            let body = matches!(name.as_str(), "content-length" | "content-type" | "transfer-encoding");
            let secret = matches!(name.as_str(), "authorization" | "cookie");
            let left = request.unredirected.iter().any(|left| left.eq_ignore_ascii_case(&name));
            let dropped = left || (elsewhere && secret) || (body && !keep);
            !dropped
        });
        let method = match (status, self.method.as_str()) {
            (302 | 303, method) if method != "HEAD" => "GET",
            (301, "POST") => "GET",
            (_, method) => method,
        };
        Some(Self {
            url,
            method: method.to_owned(),
            body: if keep { self.body.clone() } else { None },
            headers: headers.cloned().collect(),
            authorize: self.authorize,
            first: self.first && !elsewhere,
        })
    }
}

/// `urljoin`, for what servers send.
pub fn joined(base: &str, location: &str) -> String {
    if location.contains("://") {
        return location.to_owned();
    }
    let scheme = base.split("://").next().unwrap_or("http");
    if let Some(rest) = location.strip_prefix("//") {
        return format!("{scheme}://{rest}");
    }
    let host = origin(base);
    if location.starts_with('/') {
        return format!("{host}{location}");
    }
    let path = base[host.len()..].split(['?', '#']).next().unwrap_or_default();
    if location.starts_with('?') {
        return format!("{host}{path}{location}");
    }
    let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
    let (mut parts, tail) = (Vec::new(), location.split(['?', '#']).next().unwrap_or_default());
    for part in folder.split('/').skip(1).filter(|part| !part.is_empty()).chain(tail.split('/')) {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("{host}/{}{}", parts.join("/"), &location[tail.len()..])
}

/// What the server says of its status; the standard's words are not kept beside it.
fn reason(response: &Response<Incoming>) -> String {
    match response.extensions().get::<hyper::ext::ReasonPhrase>() {
        Some(said) => said.as_bytes().iter().copied().map(char::from).collect::<String>().trim().to_owned(),
        None => response.status().canonical_reason().unwrap_or_default().to_owned(),
    }
}

async fn take(
    request: &WebRequest,
    url: &str,
    response: Response<Incoming>,
    out: &mut (dyn Write + Send),
) -> Result<WebAnswer, NoAnswer> {
    let mut answer = WebAnswer {
        status: response.status().as_u16(),
        reason: reason(&response),
        url: url.to_owned(),
        ..WebAnswer::default()
    };
    for (name, value) in response.headers() {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        match answer.headers.iter_mut().find(|(known, _)| known == name.as_str()) {
            Some((_, present)) => {
                present.push_str(", ");
                present.push_str(&value);
            }
            None => answer.headers.push((name.as_str().to_owned(), value)),
        }
    }
    let broken = |error: io::Error| NoAnswer(format!("failed to create temporary content file: {error}"));
    let gzip = request.decompress && answer.header("content-encoding") == Some("gzip");
    let mut plain = gzip.then(|| flate2::write::MultiGzDecoder::new(Vec::new()));
    let mut body = response.into_body();
    loop {
        let frame = match tokio::time::timeout(request.timeout, body.frame()).await {
            Err(_) => return Err(NoAnswer("Connection failure: The read operation timed out".to_owned())),
            Ok(None) => break,
            Ok(Some(Err(error))) => return Err(NoAnswer(format!("Connection failure: {error}"))),
            Ok(Some(Ok(frame))) => frame,
        };
        let Some(bytes) = frame.data_ref() else { continue };
        answer.received += bytes.len() as u64;
        match &mut plain {
            None => out.write_all(bytes).map_err(broken)?,
            Some(decoder) => {
                decoder.write_all(bytes).map_err(broken)?;
                let ready = std::mem::take(decoder.get_mut());
                out.write_all(&ready).map_err(broken)?;
            }
        }
    }
    if let Some(decoder) = plain {
        out.write_all(&decoder.finish().map_err(broken)?).map_err(broken)?;
    }
    out.flush().map_err(broken)?;
    Ok(answer)
}

fn worded(error: &hyper_util::client::legacy::Error, url: &str) -> NoAnswer {
    let mut current: &(dyn std::error::Error + 'static) = error;
    loop {
        if let Some(tls) = current.downcast_ref::<rustls::Error>() {
            let host = origin(url).split("://").nth(1).unwrap_or_default();
            return match tls {
                rustls::Error::InvalidCertificate(reason) => request_failed(format!(
                    "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {reason:?} ({host})"
                )),
                other => request_failed(format!("[SSL] {other} ({host})")),
            };
        }
        if let Some(unresolved) = current.downcast_ref::<crate::diag::Diagnostic>() {
            return request_failed(unresolved.registered());
        }
        if let Some(text) = current.downcast_ref::<io::Error>()
            && let Some(code) = text.raw_os_error()
        {
            let words = text.to_string();
            let words = words.split(" (os error").next().unwrap_or_default();
            return request_failed(format!("[Errno {code}] {words}"));
        }
        let inner = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match inner.map(|inner| inner as &(dyn std::error::Error + 'static)).or_else(|| current.source()) {
            Some(next) => current = next,
            None => break,
        }
    }
    let text = current.to_string();
    if error.is_connect() {
        if text.contains("deadline") || text.contains("timed out") {
            return request_failed("timed out");
        }
        return request_failed(text);
    }
    NoAnswer(format!("Connection failure: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_join_and_hide_passwords() {
        let check = |base, location, expected| assert_eq!(joined(base, location), expected, "{base} {location}");
        check("http://h/a/b?x", "c", "http://h/a/c");
        check("http://h/a/b", "../c?y=1", "http://h/c?y=1");
        check("http://h", "c", "http://h/c");
        check("https://h:1/a", "//o/x", "https://o/x");
        check("http://h/a", "/x", "http://h/x");
        check("http://h/a", "?q", "http://h/a?q");
        check("http://h/a", "https://o/", "https://o/");
        assert_eq!(mask_url("http://u:p@h/x@y"), "http://u:********@h/x@y");
        assert_eq!(mask_url("http://h/x@y"), "http://h/x@y");
    }
}
