//! A small reader of the registry API: existence and digest of a manifest.
//!
//! TLS with the CAs that the engine itself would use; plain HTTP only for registries on
//! loopback or those named explicitly. Redirects are not followed, so a login never leaves
//! the registry that it is for.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::HeaderValue;
use hyper::{Method, Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use super::client::RegistryLogin;
use super::error::{EngineError, ErrorClass, chain};
use super::resolve::OwnResolver;
use crate::system::Probe;
use crate::system::trust::Trust;

/// How a registry is reached.
#[derive(Clone, Debug, Default)]
pub struct RegistrySettings {
    /// `registry.example.org:5000`.
    pub host: String,
    /// A CA file besides `/etc/docker/certs.d/HOST/*.crt` and the host's own.
    pub ca_file: Option<PathBuf>,
    /// Plain HTTP is allowed although the registry is not on loopback.
    pub insecure: bool,
    /// The login.
    pub login: Option<RegistryLogin>,
}

/// A registry that can be asked.
pub struct RegistryClient {
    settings: RegistrySettings,
    client: Client<HttpsConnector<HttpConnector<OwnResolver>>, Empty<bytes::Bytes>>,
    scheme: OnceLock<&'static str>,
    deadline: Duration,
}

const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

impl Probe {
    /// A reader for a registry.
    pub fn registry(&self, settings: RegistrySettings) -> Result<RegistryClient, EngineError> {
        RegistryClient::new(settings, Path::new("/etc/docker/certs.d"))
    }
}

impl RegistryClient {
    fn new(settings: RegistrySettings, certs: &Path) -> Result<Self, EngineError> {
        let mut http = HttpConnector::new_with_resolver(OwnResolver);
        http.enforce_http(false);
        http.set_connect_timeout(Some(Duration::from_secs(10)));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(&settings, certs)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { settings, client, scheme: OnceLock::new(), deadline: Duration::from_mins(1) })
    }

    /// The digest that the registry has for a tag; `None` if it has no such manifest.
    pub async fn digest(&self, repository: &str, reference: &str) -> Result<Option<String>, EngineError> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let (status, headers, _) = self.ask(Method::HEAD, &path, repository).await?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        self.expect_ok(status, &path)?;
        if let Some(digest) = headers.get("docker-content-digest").and_then(|value| value.to_str().ok()) {
            return Ok(Some(digest.to_owned()));
        }
        // A registry without the header: the digest is that of the manifest's own bytes.
        let (status, _, body) = self.ask(Method::GET, &path, repository).await?;
        self.expect_ok(status, &path)?;
        Ok(Some(format!("sha256:{}", hex::encode(Sha256::digest(&body)))))
    }

    /// Asks for the API's root with the login: tells wrong credentials before a build is paid for.
    pub async fn check_login(&self) -> Result<(), EngineError> {
        let (status, _, _) = self.ask(Method::GET, "/v2/", "").await?;
        self.expect_ok(status, "/v2/")
    }

    fn expect_ok(&self, status: StatusCode, path: &str) -> Result<(), EngineError> {
        if status.is_success() {
            return Ok(());
        }
        let host = &self.settings.host;
        let (class, words) = match status.as_u16() {
            401 if self.settings.login.is_none() => (ErrorClass::Auth, "wants a login"),
            401 => (ErrorClass::Auth, "refused the login"),
            403 => (ErrorClass::Auth, "denies access"),
            404 => (ErrorClass::NotFound, "does not have it"),
            408 | 429 | 500..=599 => (ErrorClass::Transient, "has trouble"),
            _ => (ErrorClass::Other, "gave an unexpected answer"),
        };
        Err(EngineError::new(class, format!("registry `{host}` {words} (`{path}`: {status})")))
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        repository: &str,
    ) -> Result<(StatusCode, hyper::HeaderMap, bytes::Bytes), EngineError> {
        let basic = self.settings.login.as_ref().map(basic);
        let (status, headers, body) = self.send(&method, path, None, basic.clone()).await?;
        let challenge = headers.get("www-authenticate").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if status != StatusCode::UNAUTHORIZED || !challenge.to_ascii_lowercase().starts_with("bearer ") {
            return Ok((status, headers, body));
        }
        let token = self.token(challenge, repository, basic).await?;
        self.send(&method, path, None, Some(format!("Bearer {token}"))).await
    }

    /// The token that a bearer challenge asks to be fetched.
    async fn token(&self, challenge: &str, repository: &str, basic: Option<String>) -> Result<String, EngineError> {
        let realm = parameter(challenge, "realm").unwrap_or_default();
        let plain_allowed = self.settings.insecure || is_loopback(&self.settings.host);
        if !(realm.starts_with("https://") || (plain_allowed && realm.starts_with("http://"))) {
            return Err(EngineError::new(
                ErrorClass::Auth,
                format!("registry `{}` asks for a token from `{realm}`, which is no https address", self.settings.host),
            ));
        }
        let encode =
            |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let scope = parameter(challenge, "scope").unwrap_or_else(|| format!("repository:{repository}:pull"));
        let service = parameter(challenge, "service").unwrap_or_default();
        let separator = if realm.contains('?') { '&' } else { '?' };
        let address = format!("{realm}{separator}service={}&scope={}", encode(&service), encode(&scope));
        let (status, _, body) = self.send(&Method::GET, "", Some(&address), basic).await?;
        if !status.is_success() {
            return self.expect_ok(status, "token").map(|()| String::new());
        }
        let answer: Option<Answer> = serde_json::from_slice(&body).ok();
        answer.and_then(|answer| answer.token.or(answer.access_token)).ok_or_else(|| {
            EngineError::new(ErrorClass::Auth, format!("registry `{}` gave no token", self.settings.host))
        })
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        address: Option<&str>,
        authorization: Option<String>,
    ) -> Result<(StatusCode, hyper::HeaderMap, bytes::Bytes), EngineError> {
        let scheme = match (address, self.scheme.get()) {
            (Some(_), _) => "https",
            (None, Some(scheme)) => scheme,
            (None, None) => self.find_scheme().await?,
        };
        let address = address.map_or_else(|| format!("{scheme}://{}{path}", self.settings.host), str::to_owned);
        let mut request = Request::builder().method(method).uri(address.as_str()).header("Accept", MANIFESTS);
        if let Some(value) = authorization {
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| EngineError::new(ErrorClass::Auth, "the login cannot be written into a header"))?;
            value.set_sensitive(true);
            request = request.header("Authorization", value);
        }
        let request = request
            .body(Empty::new())
            .map_err(|error| EngineError::new(ErrorClass::Refused, format!("`{address}`: {}", chain(&error))))?;
        self.round_trip(request).await
    }

    async fn round_trip(
        &self,
        request: Request<Empty<bytes::Bytes>>,
    ) -> Result<(StatusCode, hyper::HeaderMap, bytes::Bytes), EngineError> {
        let host = &self.settings.host;
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| {
                let text = chain(&error);
                let class = if text.contains("certificate") { ErrorClass::Certificate } else { ErrorClass::Transient };
                EngineError::new(class, format!("registry `{host}`: {text}"))
            })?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, 8 << 20).collect().await.map_err(|error| {
                EngineError::new(ErrorClass::Transient, format!("registry `{host}`: {}", chain(&*error)))
            })?;
            Ok((parts.status, parts.headers, body.to_bytes()))
        };
        tokio::time::timeout(self.deadline, exchange).await.unwrap_or_else(|_| {
            Err(EngineError::new(ErrorClass::Transient, format!("registry `{host}` did not answer in time")))
        })
    }

    /// `https`; `http` only where that is allowed and the server speaks no TLS. Asked without a login.
    async fn find_scheme(&self) -> Result<&'static str, EngineError> {
        let scheme = if self.settings.insecure || is_loopback(&self.settings.host) {
            let request = Request::builder()
                .uri(format!("https://{}/v2/", self.settings.host))
                .body(Empty::new())
                .map_err(|error| EngineError::new(ErrorClass::Refused, chain(&error)))?;
            match self.round_trip(request).await {
                Err(error) if error.class == ErrorClass::Transient => "http",
                Err(error) => return Err(error),
                Ok(_) => "https",
            }
        } else {
            "https"
        };
        Ok(self.scheme.get_or_init(|| scheme))
    }
}

/// A token server's answer.
#[derive(serde::Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

fn basic(login: &RegistryLogin) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", login.username, login.password.expose())))
}

/// A parameter of a `WWW-Authenticate` header, quoted or not.
fn parameter(challenge: &str, name: &str) -> Option<String> {
    let start = challenge.to_ascii_lowercase().find(&format!("{name}="))? + name.len() + 1;
    let rest = challenge.get(start..)?;
    Some(match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?.to_owned(),
        None => rest.split([',', ' ']).next()?.to_owned(),
    })
}

/// True for `localhost`, `127.0.0.0/8` and `[::1]`, with or without a port.
pub fn is_loopback(host: &str) -> bool {
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn tls(settings: &RegistrySettings, certs: &Path) -> Result<rustls::ClientConfig, EngineError> {
    let bad = |path: &Path, error: &dyn std::fmt::Display| {
        EngineError::new(ErrorClass::Certificate, format!("the CA file `{}`: {error}", path.display()))
    };
    // An empty store shows as an untrusted certificate.
    let (mut trust, _) = Trust::of_host();
    let mut files: Vec<PathBuf> = settings.ca_file.iter().cloned().collect();
    if let Ok(folder) = std::fs::read_dir(certs.join(&settings.host)) {
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
    Ok(trust.check(builder, provider).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_counts_as_loopback() {
        for (host, expected) in [
            ("localhost:5000", true),
            ("127.0.0.1", true),
            ("127.3.4.5:5000", true),
            ("[::1]:5000", true),
            ("registry.example.org", false),
            ("127.0.0.1.example.org", false),
            ("localhost.example.org:5000", false),
            ("10.0.0.1:5000", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }

    #[test]
    fn challenges_are_read_with_and_without_quotes() {
        let challenge = "Bearer realm=\"https://a/token\",service=reg, scope=\"repository:x:pull\"";
        assert_eq!(parameter(challenge, "realm").as_deref(), Some("https://a/token"));
        assert_eq!(parameter(challenge, "service").as_deref(), Some("reg"));
        assert_eq!(parameter(challenge, "scope").as_deref(), Some("repository:x:pull"));
        assert_eq!(parameter(challenge, "none"), None);
    }
}
