//! A first look at what answers at a registry's address: a registry or something else, and its clock.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;

use crate::system::Probe;
use crate::system::http::{HttpClient, HttpError};

/// What answers at an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryLook {
    /// Status of `GET /v2/` without a login.
    pub status: u16,
    /// It speaks the registry's API: its header, or a challenge.
    pub is_registry: bool,
    /// Seconds since 1970 by its own clock.
    pub date: Option<i64>,
    /// What it calls itself.
    pub server: Option<String>,
}

/// How long is waited for an answer.
const WITHIN: Duration = Duration::from_secs(15);

impl Probe {
    /// Asks `SCHEME://HOST/v2/` without a login. TLS by the host's authorities and `ca_file`.
    pub async fn look_at_registry(
        &self,
        scheme: &str,
        host: &str,
        ca_file: Option<&Path>,
    ) -> Result<RegistryLook, HttpError> {
        let broken = |text: String| HttpError::Broken(text);
        let client = if scheme == "http" { HttpClient::plain() } else { HttpClient::new(ca_file) };
        let client = client.map_err(|error| HttpError::Tls(error.message.clone()))?;
        let request = Request::builder()
            .uri(format!("{scheme}://{host}/v2/"))
            .body(Empty::<Bytes>::new())
            .map_err(|error| broken(error.to_string()))?;
        let answer = client.send(request, WITHIN).await?;
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let status = answer.status().as_u16();
        let challenge = status == 401 && header("www-authenticate").is_some();
        Ok(RegistryLook {
            status,
            is_registry: header("docker-distribution-api-version").is_some() || challenge,
            date: header("date").and_then(seconds),
            server: header("server").map(str::to_owned),
        })
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn seconds(date: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(date).ok().map(|time| time.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_date_is_read() {
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("tomorrow"), None);
    }
}
