//! The HTTP client: streaming, HTTP/1.1, TLS by [`super::tls`], names resolved in Rust.
//!
//! It follows no redirects and knows no credentials: callers decide on both.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_service::Service;

use crate::diag::{Diagnostic, Result};

/// A client for requests without a body. Cheap to clone; keeps connections open for reuse.
#[derive(Clone, Debug)]
pub struct HttpClient {
    inner: Client<HttpsConnector<HttpConnector<Names>>, Empty<Bytes>>,
}

/// Why a request got no answer, in words without any header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// The name is unknown, nobody listens, or no connection came about in time.
    Connect(String),
    /// The certificate or the TLS connection was refused.
    Tls(String),
    /// The connection broke, or what came is no HTTP.
    Broken(String),
    /// No answer in time.
    Timeout,
}

impl std::fmt::Display for HttpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(text) => write!(f, "cannot connect: {text}"),
            Self::Tls(text) => write!(f, "no trusted TLS connection: {text}"),
            Self::Broken(text) => write!(f, "the connection broke: {text}"),
            Self::Timeout => f.write_str("no answer in time"),
        }
    }
}

impl HttpClient {
    /// A client that trusts the host's authorities and those in `ca_file`.
    pub fn new(ca_file: Option<&Path>) -> Result<Self> {
        Ok(Self::with_tls(super::tls::client_config(ca_file)?))
    }

    /// A client for plain HTTP only: needs no trust store on the host, refuses `https`.
    pub fn plain() -> Result<Self> {
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Diagnostic::internal(format!("TLS versions: {error}")))?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        Ok(Self::with_tls(config))
    }

    fn with_tls(tls: rustls::ClientConfig) -> Self {
        let mut connector = HttpConnector::new_with_resolver(Names);
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(Duration::from_secs(10)));
        connector.set_keepalive(Some(Duration::from_mins(1)));
        connector.set_nodelay(true);
        let https =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connector);
        let inner = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(16)
            .build(https);
        Self { inner }
    }

    /// Sends a request; the answer's body streams. `within` bounds the time to its first byte.
    pub async fn send(
        &self,
        request: Request<Empty<Bytes>>,
        within: Duration,
    ) -> std::result::Result<Response<Incoming>, HttpError> {
        match tokio::time::timeout(within, self.inner.request(request)).await {
            Err(_) => Err(HttpError::Timeout),
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(classify(&error)),
        }
    }

    /// Reads a small answer whole: status and at most `limit` bytes.
    pub async fn get(&self, uri: Uri, within: Duration, limit: usize) -> std::result::Result<(u16, Bytes), HttpError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri;
        let whole = async {
            let response = self.inner.request(request).await.map_err(|error| classify(&error))?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), limit)
                .collect()
                .await
                .map_err(|error| HttpError::Broken(error.to_string()))?;
            Ok((status, body.to_bytes()))
        };
        tokio::time::timeout(within, whole).await.unwrap_or(Err(HttpError::Timeout))
    }
}

fn classify(error: &hyper_util::client::legacy::Error) -> HttpError {
    let mut current: &(dyn std::error::Error + 'static) = error;
    let innermost = loop {
        if let Some(tls) = current.downcast_ref::<rustls::Error>() {
            return HttpError::Tls(tls_words(tls));
        }
        // An i/o error's `source` is that of what it wraps, not what it wraps.
        let inner = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match inner.map(|inner| inner as &(dyn std::error::Error + 'static)).or_else(|| current.source()) {
            Some(next) => current = next,
            None => break current.to_string(),
        }
    };
    if error.is_connect() { HttpError::Connect(innermost) } else { HttpError::Broken(innermost) }
}

fn tls_words(error: &rustls::Error) -> String {
    use rustls::CertificateError as C;
    match error {
        rustls::Error::InvalidCertificate(C::UnknownIssuer) => {
            "its certificate comes from an authority that is not trusted here (`upstream_ca` names one)".to_owned()
        }
        rustls::Error::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => {
            "its certificate has expired".to_owned()
        }
        rustls::Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "its certificate is for another host name".to_owned()
        }
        other => other.to_string(),
    }
}

/// The resolver as the connector wants it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names;

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            let addresses = super::names::resolve(name.as_str())
                .await
                .map_err(|error| io::Error::new(io::ErrorKind::NotFound, error))?;
            Ok(addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect::<Vec<_>>().into_iter())
        })
    }
}
