//! One HTTP exchange with a registry or token server: connections, deadlines, what a broken one was about.
//!
//! Knows no logins and no redirects. Every phase has an end: connecting, the first byte of the answer, each pause
//! inside it, and after a while its mean speed, so that a server that trickles holds nobody for ever.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::super::error::{EngineError, ErrorClass, chain};
use super::super::resolve::OwnResolver;
use super::client::RegistrySettings;
use crate::system::trust::Trust;

/// How long a server may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// To take a connection.
    pub connect: Duration,
    /// From the request to the head of its answer.
    pub answer: Duration,
    /// Between two parts of an answer.
    pub idle: Duration,
    /// How long an answer may be slower than `slowest`.
    pub grace: Duration,
    /// Mean bytes a second of an answer after `grace`.
    pub slowest: u64,
    /// How often what reads, or writes the same once more, is asked again after trouble at the server; at most 3.
    pub again: usize,
}

impl Patience {
    /// What fits registries behind an ordinary line.
    pub const USUAL: Self = Self {
        connect: Duration::from_secs(10),
        answer: Duration::from_mins(1),
        idle: Duration::from_secs(30),
        grace: Duration::from_mins(1),
        slowest: 1024,
        again: 3,
    };
}

impl Default for Patience {
    fn default() -> Self {
        Self::USUAL
    }
}

/// Bytes of an answer that is no success, at least.
const WORDS: usize = 1 << 20;

/// A request; the address is whole.
pub(super) struct Sent<'a> {
    pub(super) method: Method,
    pub(super) address: &'a str,
    pub(super) accept: Option<&'a str>,
    /// Kept out of logs by hyper's own mark.
    pub(super) authorization: Option<String>,
    /// Media type and content.
    pub(super) content: Option<(&'a str, Bytes)>,
    /// The most bytes of the answer's content.
    pub(super) limit: usize,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nobody listens.
    Nobody(String),
    /// The name is unknown, or the address out of reach.
    Connect(String),
    /// TLS was spoken to a server of plain HTTP.
    SpeaksHttp,
    /// The certificate is not trusted.
    Certificate(String),
    /// TLS did not come about otherwise.
    Handshake(String),
    /// What came is no HTTP.
    NoHttp,
    /// The connection broke.
    Broken(String),
    /// A deadline passed.
    Late(String),
    /// The answer is larger than anything that could be meant.
    TooLarge(usize),
    /// The request cannot be written.
    Unwritable(String),
}

pub(super) struct Transport {
    client: Client<HttpsConnector<HttpConnector<OwnResolver>>, Full<Bytes>>,
    patience: Patience,
}

impl Transport {
    pub(super) fn new(settings: &RegistrySettings, certs: &Path, patience: Patience) -> Result<Self, EngineError> {
        let mut http = HttpConnector::new_with_resolver(OwnResolver);
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(patience.connect));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(settings, certs)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_max_idle_per_host(16)
            .build(connector);
        Ok(Self { client, patience })
    }

    pub(super) async fn send(&self, sent: Sent<'_>) -> Result<Answer, Trouble> {
        let https = sent.address.starts_with("https:");
        let request = request(&sent)?;
        let response = tokio::time::timeout(self.patience.answer, self.client.request(request))
            .await
            .map_err(|_| Trouble::Late(format!("no answer within {} s", self.patience.answer.as_secs_f32())))?
            .map_err(|error| sort(&error, https))?;
        let (parts, body) = response.into_parts();
        // What a server says of its trouble may be longer than what was asked for.
        let limit = if parts.status.is_success() { sent.limit } else { sent.limit.max(WORDS) };
        let body = if sent.method == Method::HEAD { Bytes::new() } else { self.read(body, limit).await? };
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    async fn read(&self, mut body: Incoming, limit: usize) -> Result<Bytes, Trouble> {
        let start = Instant::now();
        let mut whole = BytesMut::new();
        loop {
            let frame = tokio::time::timeout(self.patience.idle, body.frame())
                .await
                .map_err(|_| Trouble::Late(format!("the answer stopped after {} bytes", whole.len())))?;
            let Some(frame) = frame else { return Ok(whole.freeze()) };
            let frame = frame.map_err(|error| Trouble::Broken(chain(&error)))?;
            let Ok(data) = frame.into_data() else { continue };
            if whole.len() + data.len() > limit {
                return Err(Trouble::TooLarge(limit));
            }
            whole.extend_from_slice(&data);
            let taken = start.elapsed();
            let slow = (whole.len() as u64) < self.patience.slowest.saturating_mul(taken.as_secs());
            if taken > self.patience.grace && slow {
                let text = format!("the answer came too slowly: {} bytes in {} s", whole.len(), taken.as_secs());
                return Err(Trouble::Late(text));
            }
        }
    }
}

fn request(sent: &Sent<'_>) -> Result<Request<Full<Bytes>>, Trouble> {
    let mut request = Request::builder()
        .method(&sent.method)
        .uri(sent.address)
        .header("User-Agent", concat!("hostctl/", env!("CARGO_PKG_VERSION")));
    if let Some(accept) = sent.accept {
        request = request.header("Accept", accept);
    }
    if let Some(value) = &sent.authorization {
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| Trouble::Unwritable("the login cannot be written into a header".to_owned()))?;
        value.set_sensitive(true);
        request = request.header("Authorization", value);
    }
    let mut content = Bytes::new();
    if let Some((media_type, bytes)) = &sent.content {
        request = request.header("Content-Type", *media_type);
        content = bytes.clone();
    }
    if sent.method == Method::POST || sent.method == Method::PUT {
        request = request.header("Content-Length", content.len());
    }
    request
        .body(Full::new(content))
        .map_err(|error| Trouble::Unwritable(format!("`{}`: {}", sent.address.escape_debug(), chain(&error))))
}

/// What a failed exchange was about.
fn sort(error: &hyper_util::client::legacy::Error, https: bool) -> Trouble {
    let mut current: &(dyn StdError + 'static) = error;
    let mut kind = None;
    loop {
        if let Some(tls) = current.downcast_ref::<rustls::Error>() {
            return match tls {
                rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => Trouble::SpeaksHttp,
                rustls::Error::InvalidCertificate(_) => Trouble::Certificate(tls.to_string()),
                other => Trouble::Handshake(other.to_string()),
            };
        }
        if current.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return Trouble::NoHttp;
        }
        // An i/o error's `source` is that of what it wraps, not what it wraps.
        let wrapped = current.downcast_ref::<io::Error>();
        if let Some(found) = wrapped {
            kind = Some(found.kind());
        }
        let inner = wrapped.and_then(io::Error::get_ref).map(|inner| inner as &(dyn StdError + 'static));
        match inner.or_else(|| current.source()) {
            Some(next) => current = next,
            None => break,
        }
    }
    let words = current.to_string();
    // hyper's words for a server that speaks first, as those of ssh and mail do.
    if words.contains("unexpected message") {
        return Trouble::NoHttp;
    }
    let cut =
        matches!(kind, Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe));
    match (error.is_connect(), https && cut) {
        (true, true) => Trouble::Handshake(words),
        (true, false) if kind == Some(io::ErrorKind::ConnectionRefused) => Trouble::Nobody(words),
        (true, false) => Trouble::Connect(words),
        (false, _) => Trouble::Broken(chain(error)),
    }
}

fn tls(settings: &RegistrySettings, certs: &Path) -> Result<rustls::ClientConfig, EngineError> {
    let bad = |path: &Path, error: &dyn std::fmt::Display| {
        EngineError::new(ErrorClass::Certificate, format!("the CA file `{}`: {error}", path.display()))
    };
    let mut trust = Trust::none();
    let mut files: Vec<PathBuf> = settings.ca_file.iter().cloned().collect();
    // A host that is no folder's name has none.
    if !settings.host.contains('/')
        && !settings.host.starts_with('.')
        && let Ok(folder) = std::fs::read_dir(certs.join(&settings.host))
    {
        files.extend(
            folder
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.extension().is_some_and(|extension| extension == "crt")),
        );
    }
    for path in files {
        let found = CertificateDer::pem_file_iter(&path).map_err(|error| bad(&path, &error))?;
        for certificate in found {
            let certificate = certificate.map_err(|error| bad(&path, &error))?;
            trust.add(certificate).map_err(|error| bad(&path, &error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| EngineError::new(ErrorClass::Certificate, chain(&error)))?;
    // An empty store of the host shows as an untrusted certificate.
    Ok(trust.check_with_host(builder, provider).with_no_client_auth())
}
