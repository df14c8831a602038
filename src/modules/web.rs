//! What `uri` and `get_url` share: their common arguments and the request made of them.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map as Json, Value as JsonValue};

use super::cx::Cx;
use super::types::HostPath;
use crate::system::proxy::Proxies;
use crate::system::web::{Follow, NoAnswer, WebAnswer, WebRequest};
use crate::value::{from_json, python_str};

/// Why some arguments are refused.
pub(super) const REFUSED: &[(&str, &str)] = &[
    ("use_gssapi", "hostctl has no Kerberos"),
    ("selevel", super::attributes::SELINUX),
    ("serole", super::attributes::SELINUX),
    ("setype", super::attributes::SELINUX),
    ("seuser", super::attributes::SELINUX),
];

/// The arguments that both have.
#[derive(Clone, Debug, Default)]
pub(super) struct Common<'a> {
    pub url: &'a str,
    pub headers: Option<&'a Json<String, JsonValue>>,
    pub timeout: i64,
    pub user: Option<&'a str>,
    pub password: Option<&'a str>,
    pub force_basic_auth: bool,
    pub validate_certs: bool,
    pub client_cert: Option<&'a HostPath>,
    pub client_key: Option<&'a HostPath>,
    pub http_agent: &'a str,
    pub force: bool,
    pub unredirected: &'a [String],
    pub decompress: bool,
    pub use_netrc: bool,
    /// Without the proxies of the task's environment.
    pub direct: bool,
    pub unix_socket: Option<&'a HostPath>,
    pub ciphers: &'a [String],
}

impl Common<'_> {
    /// The request of a method.
    pub fn request(&self, cx: &Cx, method: &str, follow: Follow) -> WebRequest {
        let expand = |path: &HostPath| path.expand(cx.environment());
        let mut headers: Vec<(String, String)> = self
            .headers
            .map(|map| map.iter().map(|(name, value)| (name.clone(), python_str(&from_json(value.clone())))).collect())
            .unwrap_or_default();
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) && !self.http_agent.is_empty() {
            headers.push(("User-Agent".to_owned(), self.http_agent.to_owned()));
        }
        let given = self.user.filter(|user| !user.is_empty());
        let user = given.map(|user| (user.to_owned(), self.password.unwrap_or_default().to_owned()));
        let known = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let of_netrc = || if self.use_netrc && !known { netrc(cx, self.url) } else { None };
        // What is in ~/.netrc is sent at once, as Ansible does.
        let by_netrc = user.is_none() && !self.url.split('/').nth(2).unwrap_or_default().contains('@');
        let found = if by_netrc { of_netrc() } else { None };
        WebRequest {
            url: self.url.to_owned(),
            method: method.to_owned(),
            headers,
            body: None,
            timeout: Duration::from_secs(u64::try_from(self.timeout).unwrap_or(10).max(1)),
            follow,
            force_basic: self.force_basic_auth || found.is_some(),
            user: user.or(found),
            insecure: !self.validate_certs,
            ca_path: None,
            client_cert: self.client_cert.map(|cert| (expand(cert), expand(self.client_key.unwrap_or(cert)))),
            unredirected: self.unredirected.to_vec(),
            modified_since: None,
            force: self.force,
            decompress: self.decompress,
            proxies: if self.direct { Proxies::default() } else { proxies(cx) },
            unix_socket: self.unix_socket.map(expand),
            ciphers: self.ciphers.to_vec(),
        }
    }
}

/// The proxies that the task's environment names.
fn proxies(cx: &Cx) -> Proxies {
    Proxies::of(&|name| cx.probe().variable(name))
}

/// Keys of package sources are small; this is far above any.
pub(super) const KEY_LIMIT: usize = 16 << 20;

/// A key of a package source; the error is why there is none, in Ansible's words.
pub(super) fn key_from(cx: &Cx, url: &str, validate_certs: bool) -> Result<Vec<u8>, String> {
    key_if(cx, url, validate_certs, |status| status == 200)
}

/// The same, from an answer whose status is `good`.
pub(super) fn key_if(cx: &Cx, url: &str, validate_certs: bool, good: fn(u16) -> bool) -> Result<Vec<u8>, String> {
    let common = Common {
        url,
        timeout: 10,
        validate_certs,
        http_agent: "ansible-httpget",
        decompress: true,
        use_netrc: true,
        ..Common::default()
    };
    let request = common.request(cx, "GET", Follow::Urllib2);
    let (answer, body) = into_memory(cx, &request, KEY_LIMIT).map_err(|NoAnswer(why)| why)?;
    if good(answer.status) { Ok(body) } else { Err(format!("HTTP Error {}: {}", answer.status, answer.reason)) }
}

/// Sends it, the body into memory up to `limit` bytes.
pub(super) fn into_memory(cx: &Cx, request: &WebRequest, limit: usize) -> Result<(WebAnswer, Vec<u8>), NoAnswer> {
    let mut body = Capped { bytes: Vec::new(), limit };
    let answer = cx.block_on(crate::system::web::fetch(request, &mut body))?;
    Ok((answer, body.bytes))
}

/// Fetches what a URL holds into a file; why not, in Ansible's words.
pub(super) fn into_file(
    cx: &Cx,
    url: &str,
    validate_certs: bool,
    file: &mut tempfile::NamedTempFile,
) -> Result<(), String> {
    let common = Common {
        url,
        timeout: 10,
        validate_certs,
        http_agent: "ansible-httpget",
        use_netrc: true,
        ..Common::default()
    };
    let request = common.request(cx, "GET", Follow::Urllib2);
    let words = match cx.block_on(crate::system::web::fetch(&request, file)) {
        Ok(answer) if answer.status == 200 => return Ok(()),
        Ok(answer) => format!("HTTP Error {}: {}", answer.status, answer.reason),
        Err(NoAnswer(words)) => words,
    };
    Err(format!("Failure downloading {}, {words}", crate::system::web::mask_url(url)))
}

struct Capped {
    bytes: Vec<u8>,
    limit: usize,
}

impl std::io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(std::io::Error::other(format!("the answer is larger than {} MiB", self.limit >> 20)));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Login and password of a host in `~/.netrc` (or `$NETRC`).
fn netrc(cx: &Cx, url: &str) -> Option<(String, String)> {
    let path = cx.probe().variable("NETRC").map(PathBuf::from);
    let path = path.or_else(|| cx.probe().variable("HOME").map(|home| PathBuf::from(home).join(".netrc")))?;
    crate::system::web::netrc_login(&cx.probe().text(path)?, url)
}

#[cfg(test)]
pub(super) mod server {
    //! A small HTTP server on the loopback for tests.

    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::{Arc, Mutex};

    /// What was asked: the first line, headers, body.
    pub type Seen = Arc<Mutex<Vec<(String, String, String)>>>;

    /// Serves answers by path, one connection each; the URL's beginning.
    pub fn serve(answer: fn(&str, &str) -> String) -> (String, Seen) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let seen = Seen::default();
        let known = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().expect("clone"));
                let (mut first, mut headers) = (String::new(), String::new());
                if reader.read_line(&mut first).is_err() {
                    continue;
                }
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                        break;
                    }
                    headers.push_str(&line.to_lowercase());
                }
                let length =
                    headers.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
                let mut body = vec![0; length.unwrap_or(0)];
                let _ = reader.read_exact(&mut body);
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                let text = answer(&path, &headers);
                known.lock().expect("lock").push((
                    first.trim().to_owned(),
                    headers,
                    String::from_utf8_lossy(&body).into_owned(),
                ));
                let mut stream = stream;
                let _ = stream.write_all(text.as_bytes());
            }
        });
        (url, seen)
    }

    /// An answer's text.
    pub fn answer(status: &str, headers: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    }
}
