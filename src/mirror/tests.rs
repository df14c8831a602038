//! The proxy against upstreams made for the test: every edge that a real mirror rarely shows.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Config, Credentials, Upstream, VERSION, serve_until};
use crate::secret::Secret;

const HEADER: &str = "Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5IXBhc3M="; // canary-user:canary!pass

/// What an upstream was asked: method, path with query, headers in lower case.
#[derive(Clone, Debug)]
struct Asked {
    line: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

type Log = Arc<Mutex<Vec<Asked>>>;

/// An upstream that notes what it is asked and answers by `answer`.
async fn upstream(
    answer: impl Fn(&str, &Request<Incoming>) -> Response<Full<Bytes>> + Send + Sync + 'static,
) -> (SocketAddr, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let address = listener.local_addr().expect("address");
    let log = Log::default();
    let (noted, answer) = (Arc::clone(&log), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
                    let headers = request
                        .headers()
                        .iter()
                        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("?").to_owned()))
                        .collect();
                    let line = format!("{} {path}", request.method());
                    noted.lock().expect("lock").push(Asked { line, headers });
                    let response = answer(&path, &request);
                    async move { Ok::<_, Infallible>(response) }
                });
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (address, log)
}

fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Full<Bytes>> {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).expect("response")
}

fn config(credentials: &std::path::Path, upstreams: Vec<Upstream>) -> Config {
    Config {
        version: VERSION,
        name: "test".to_owned(),
        listen: vec!["127.0.0.1:0".parse().expect("address")],
        upstreams,
        credentials_file: Some(credentials.to_owned()),
        upstream_ca: None,
        allow_plaintext_upstream: true,
        allow_from: Vec::new(),
        log_requests: true,
        max_connections: 8,
        user: "nobody".to_owned(),
        pid_file: "/nonexistent/x.pid".into(),
        log_file: "/nonexistent/x.log".into(),
    }
}

fn to(prefix: &str, address: SocketAddr, path: &str, auth: bool) -> Upstream {
    Upstream { prefix: prefix.to_owned(), url: format!("http://{address}{path}"), auth, paths: Vec::new() }
}

/// Runs `body` against a proxy in front of `upstreams`.
async fn with_proxy<F: Future<Output = ()>>(
    upstreams: Vec<Upstream>,
    adjust: impl FnOnce(&mut Config),
    body: impl FnOnce(SocketAddr) -> F,
) {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("credentials");
    let credentials = Credentials::new("canary-user", Secret::new("canary!pass")).expect("fine");
    std::fs::write(&file, credentials.to_text().expect("text")).expect("write");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("chmod");
    let mut config = config(&file, upstreams);
    adjust(&mut config);
    let (ready, bound) = tokio::sync::oneshot::channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve_until(
        config,
        async {
            let _ = ended.await;
        },
        |addresses| {
            let _ = ready.send(addresses[0]);
        },
    ));
    body(bound.await.expect("proxy listens")).await;
    drop(end);
    server.await.expect("no panic").expect("ends well");
}

/// One raw exchange: what a client may write, however odd. Everything until the connection closes.
async fn raw(proxy: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(proxy).await.expect("connects");
    stream.write_all(request.as_bytes()).await.expect("writes");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn get(proxy: SocketAddr, target: &str, more: &str) -> String {
    raw(proxy, &format!("GET {target} HTTP/1.1\r\nHost: {proxy}\r\nConnection: close\r\n{more}\r\n")).await
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[tokio::test]
async fn adds_the_header_and_passes_conditions_and_ranges() {
    let (up, log) = upstream(|_, request| {
        if request.headers().contains_key("range") {
            reply(206, &[("content-range", "bytes 0-1/5"), ("etag", "\"e\"")], "he")
        } else if request.headers().contains_key("if-modified-since") {
            reply(304, &[("etag", "\"e\"")], "")
        } else {
            reply(
                200,
                &[("set-cookie", "s=1"), ("connection", "x-hop"), ("x-hop", "1"), ("last-modified", "then")],
                "hello",
            )
        }
    })
    .await;
    with_proxy(
        vec![to("/debian", up, "/repo", true)],
        |_| {},
        |proxy| async move {
            let plain =
                get(proxy, "/debian/./pool//a%2bb.deb?x=1", "Cookie: c=1\r\nAuthorization: Basic Y2xpZW50\r\n").await;
            assert_eq!(status(&plain), 200, "{plain}");
            assert!(plain.ends_with("hello"), "{plain}");
            assert_eq!(header(&plain, "last-modified"), Some("then"));
            assert_eq!((header(&plain, "set-cookie"), header(&plain, "x-hop")), (None, None));
            let part = get(proxy, "/debian/a", "Range: bytes=0-1\r\n").await;
            assert_eq!((status(&part), header(&part, "content-range")), (206, Some("bytes 0-1/5")));
            let same = get(proxy, "/debian/a", "If-Modified-Since: Sat, 21 Nov 2026 06:17:04 GMT\r\n").await;
            assert_eq!((status(&same), header(&same, "etag")), (304, Some("\"e\"")));
        },
    )
    .await;
    let asked = log.lock().expect("lock").clone();
    assert_eq!(asked[0].line, "GET /repo/pool/a%2bb.deb?x=1");
    assert_eq!(asked[0].header("authorization"), Some(HEADER));
    assert_eq!(asked[0].header("cookie"), None);
    assert_eq!(asked[0].header("host"), Some(up.to_string().as_str()));
    assert_eq!(asked[1].header("range"), Some("bytes=0-1"));
    assert!(asked[2].header("if-modified-since").is_some());
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let (up, log) = upstream(|_, _| reply(200, &[], "hello")).await;
    with_proxy(
        vec![to("/debian", up, "", true)],
        |_| {},
        |proxy| async move {
            let answer = raw(proxy, "HEAD /debian/a HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n").await;
            assert_eq!((status(&answer), header(&answer, "content-length")), (200, Some("5")), "{answer}");
            assert!(answer.ends_with("\r\n\r\n"), "{answer}");
        },
    )
    .await;
    assert_eq!(log.lock().expect("lock")[0].line, "HEAD /a");
}

#[tokio::test]
async fn what_is_not_served_never_reaches_the_upstream() {
    let (up, log) = upstream(|_, _| reply(200, &[], "secret")).await;
    with_proxy(
        vec![to("/debian", up, "/repo", true)],
        |config| config.upstreams[0].paths = vec!["pool".into()],
        |proxy| async move {
            for (request, expected) in [
                ("GET /other/a HTTP/1.1", 403),
                ("GET / HTTP/1.1", 403),
                ("GET /debian/dists/a HTTP/1.1", 403),
                ("GET /debian/pool/../x HTTP/1.1", 400),
                ("GET /debian/pool/%2e%2e/x HTTP/1.1", 400),
                ("GET /debian/pool/%252e%252e/x HTTP/1.1", 400),
                ("GET /debian/pool/..%2fx HTTP/1.1", 400),
                ("POST /debian/pool/a HTTP/1.1", 405),
                ("PUT /debian/pool/a HTTP/1.1", 405),
                ("DELETE /debian/pool/a HTTP/1.1", 405),
                ("OPTIONS * HTTP/1.1", 405),
                ("TRACE /debian/pool/a HTTP/1.1", 405),
                ("CONNECT mirror.test:443 HTTP/1.1", 405),
                ("GET http://deb.test/debian/pool/a HTTP/1.1", 403),
                ("GET https://deb.test/debian/pool/a HTTP/1.1", 403),
            ] {
                let answer = raw(proxy, &format!("{request}\r\nHost: p\r\nConnection: close\r\n\r\n")).await;
                assert_eq!(status(&answer), expected, "{request}: {answer}");
                assert!(!answer.contains("secret"), "{request}: {answer}");
            }
            // Not even HTTP: the connection is closed, the proxy lives on.
            assert!(!raw(proxy, "\0\u{1}garbage\r\n\r\n").await.contains("200 OK"));
            let fine = get(proxy, &format!("http://{proxy}/debian/pool/a"), "").await;
            assert_eq!(status(&fine), 200, "absolute form that names the proxy itself: {fine}");
        },
    )
    .await;
    assert_eq!(log.lock().expect("lock").len(), 1);
}

#[tokio::test]
async fn a_refused_password_is_a_502_without_challenge_or_secret() {
    let (up, _) = upstream(|path, _| match path {
        "/proxy" => reply(407, &[("proxy-authenticate", "Basic realm=\"x\"")], "canary!pass"),
        _ => reply(401, &[("www-authenticate", "Basic realm=\"x\"")], "canary!pass"),
    })
    .await;
    with_proxy(
        vec![to("/debian", up, "", true), to("/open", up, "", false)],
        |_| {},
        |proxy| async move {
            for (path, word) in
                [("/debian/a", "refused"), ("/debian/proxy", "refused"), ("/open/a", "wants credentials")]
            {
                let answer = get(proxy, path, "").await;
                assert_eq!(status(&answer), 502, "{answer}");
                assert!(
                    answer.contains(word) && !answer.contains("canary") && !answer.contains("Y2FuYXJ5"),
                    "{answer}"
                );
                assert_eq!(header(&answer, "www-authenticate"), None);
            }
        },
    )
    .await;
}

#[tokio::test]
async fn the_header_follows_no_redirect_to_another_host() {
    let (other, other_log) = upstream(|_, _| reply(200, &[], "other")).await;
    let (up, up_log) = upstream(move |path, _| match path {
        "/repo/away" => reply(302, &[("location", &format!("http://{other}/x"))], ""),
        "/repo/here" => reply(301, &[("location", "/repo/real")], "moved"),
        "/repo/out" => reply(302, &[("location", "/private/x")], ""),
        "/repo/user" => reply(302, &[("location", &format!("http://joe:pw@{other}/x"))], ""),
        _ => reply(200, &[], "real"),
    })
    .await;
    with_proxy(
        vec![to("/debian", up, "/repo", true)],
        |_| {},
        |proxy| async move {
            let away = get(proxy, "/debian/away", "").await;
            assert_eq!((status(&away), header(&away, "location")), (302, Some(format!("http://{other}/x").as_str())));
            let here = get(proxy, "/debian/here", "").await;
            assert_eq!((status(&here), header(&here, "location")), (301, Some("/debian/real")));
            assert_eq!(status(&get(proxy, "/debian/out", "").await), 502);
            let user = get(proxy, "/debian/user", "").await;
            assert!(status(&user) == 502 && !user.contains("joe"), "{user}");
        },
    )
    .await;
    assert!(other_log.lock().expect("lock").is_empty());
    assert_eq!(up_log.lock().expect("lock").len(), 4);
}

#[tokio::test]
async fn an_upstream_without_auth_gets_no_header() {
    let (up, log) = upstream(|_, _| reply(200, &[], "x")).await;
    with_proxy(
        vec![to("/open", up, "", false), to("/open/deep", up, "/d", true)],
        |_| {},
        |proxy| async move {
            get(proxy, "/open/a", "").await;
            get(proxy, "/open/deep/a", "").await;
        },
    )
    .await;
    let asked = log.lock().expect("lock").clone();
    assert_eq!((asked[0].line.as_str(), asked[0].header("authorization")), ("GET /a", None));
    assert_eq!((asked[1].line.as_str(), asked[1].header("authorization")), ("GET /d/a", Some(HEADER)));
}

#[tokio::test]
async fn a_dead_upstream_is_a_502_that_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let gone = listener.local_addr().expect("address");
    drop(listener);
    with_proxy(
        vec![to("/debian", gone, "", true)],
        |_| {},
        |proxy| async move {
            let answer = get(proxy, "/debian/a", "").await;
            assert_eq!(status(&answer), 502, "{answer}");
            assert!(answer.contains("cannot connect"), "{answer}");
        },
    )
    .await;
}

/// An upstream that promises more than it sends must not look like a whole file.
#[tokio::test]
async fn a_broken_off_answer_breaks_off_here_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let up = listener.local_addr().expect("address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accepts");
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart").await;
    });
    with_proxy(
        vec![to("/debian", up, "", true)],
        |_| {},
        |proxy| async move {
            let answer = get(proxy, "/debian/a", "").await;
            assert_eq!((status(&answer), header(&answer, "content-length")), (200, Some("100")));
            assert!(answer.ends_with("part"), "{answer}");
        },
    )
    .await;
}

/// The client sees the first half while the upstream still holds back the second: nothing is collected.
#[tokio::test]
async fn answers_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let up = listener.local_addr().expect("address");
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accepts");
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
        let _ = wait.await;
        let _ = stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n").await;
    });
    with_proxy(
        vec![to("/debian", up, "", true)],
        |_| {},
        |proxy| async move {
            let mut stream = TcpStream::connect(proxy).await.expect("connects");
            stream.write_all(b"GET /debian/a HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n").await.expect("writes");
            let mut seen = String::new();
            let mut chunk = [0; 1024];
            while !seen.contains("first") {
                let count = stream.read(&mut chunk).await.expect("reads");
                assert!(count > 0, "ended early: {seen}");
                seen.push_str(&String::from_utf8_lossy(&chunk[..count]));
            }
            assert!(!seen.contains("second"));
            go.send(()).expect("upstream waits");
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.expect("reads");
            assert!(String::from_utf8_lossy(&rest).contains("second"));
        },
    )
    .await;
}

#[tokio::test]
async fn health_names_the_configuration_and_no_secret() {
    let (up, log) = upstream(|_, _| reply(200, &[], "x")).await;
    with_proxy(
        vec![to("/", up, "", true)],
        |_| {},
        |proxy| async move {
            let answer = get(proxy, super::HEALTH_PATH, "").await;
            assert!(answer.contains("\"status\":\"ok\"") && answer.contains("\"config\":"), "{answer}");
            assert!(!answer.contains("canary"), "{answer}");
        },
    )
    .await;
    assert!(log.lock().expect("lock").is_empty(), "a catch-all prefix does not hide the health path");
}

#[tokio::test]
async fn peers_outside_allow_from_are_refused_but_loopback_is_not() {
    let (up, _) = upstream(|_, _| reply(200, &[], "x")).await;
    let only = |config: &mut Config| config.allow_from = vec!["10.9.8.0/24".parse().expect("net")];
    with_proxy(vec![to("/debian", up, "", true)], only, |proxy| async move {
        assert_eq!(status(&get(proxy, "/debian/a", "").await), 200);
    })
    .await;
}

#[tokio::test]
async fn no_credentials_where_an_upstream_wants_them_is_an_error_at_start() {
    let mut config =
        config(std::path::Path::new("/nonexistent"), vec![to("/d", "127.0.0.1:1".parse().expect("address"), "", true)]);
    config.credentials_file = None;
    let error = serve_until(config, std::future::pending(), |_| {}).await.expect_err("refused");
    assert_eq!(error.code, "H0302");
}
