//! `GET /_ping`: the engine's version and API at the cost of a header. `/version` and `/info` start programs
//! (`runc --version`, `docker-init --version`) each time they are asked.

use std::path::Path;
use std::time::Duration;

use bollard::ClientVersion;
use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// How long the answer may take before the engine is asked in the ordinary way.
const WITHIN: Duration = Duration::from_secs(10);

/// What the headers tell: the API, and the engine's own version for people. `None` if they do not, or if there is no
/// answer: then the ordinary way tells more, and why not.
pub(super) async fn ping(socket: &Path) -> Option<(ClientVersion, String)> {
    tokio::time::timeout(WITHIN, ask(socket)).await.ok()?
}

async fn ask(socket: &Path) -> Option<(ClientVersion, String)> {
    let stream = UnixStream::connect(socket).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let request = hyper::Request::get("/_ping").header("Host", "docker").body(Empty::<Bytes>::new()).ok()?;
    let response = sender.send_request(request).await.ok()?;
    if !response.status().is_success() {
        return None;
    }
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    Some((api(header("api-version")?)?, version(header("server")?)?))
}

/// `1.41`
fn api(text: &str) -> Option<ClientVersion> {
    let (major, minor) = text.split_once('.')?;
    Some(ClientVersion { major_version: major.parse().ok()?, minor_version: minor.parse().ok()? })
}

/// `20.10.24+dfsg1` of `Docker/20.10.24+dfsg1 (linux)`.
fn version(server: &str) -> Option<String> {
    let (_, version) = server.split_whitespace().next()?.split_once('/')?;
    (!version.is_empty()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_tell_api_and_version() {
        assert_eq!(api("1.41").map(|api| (api.major_version, api.minor_version)), Some((1, 41)));
        assert!(api("1").is_none() && api("1.x").is_none() && api("").is_none());
        assert_eq!(version("Docker/20.10.24+dfsg1 (linux)").as_deref(), Some("20.10.24+dfsg1"));
        assert_eq!(version("Libpod/4.3.1 (linux)").as_deref(), Some("4.3.1"));
        for none in ["", "nginx", "Docker/ (linux)"] {
            assert_eq!(version(none), None, "{none}");
        }
    }
}
