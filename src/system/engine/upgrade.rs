//! Opens the engine's socket and turns a request into a two-way stream (`/session`, `/grpc`).

use std::path::Path;

use http_body_util::Empty;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::error::{EngineError, ErrorClass, chain};

/// Sends `POST path` with an upgrade to h2c; `None` if the engine has no such path (404).
pub(super) async fn upgrade(
    socket: &Path,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Option<Upgraded>, EngineError> {
    let gone = |error: &dyn std::error::Error| {
        EngineError::new(ErrorClass::Unreachable, format!("the engine at `{}`: {}", socket.display(), chain(error)))
    };
    let stream = UnixStream::connect(socket).await.map_err(|error| gone(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| gone(&error))?;
    tokio::spawn(connection.with_upgrades());
    let mut request = hyper::Request::builder()
        .method(hyper::Method::POST)
        .uri(path)
        .header("Host", "docker")
        .header("Connection", "Upgrade")
        .header("Upgrade", "h2c");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|error| EngineError::new(ErrorClass::Other, chain(&error)))?;
    let response = sender.send_request(request).await.map_err(|error| gone(&error))?;
    match response.status().as_u16() {
        101 => hyper::upgrade::on(response).await.map(Some).map_err(|error| gone(&error)),
        404 | 400 | 405 | 501 => Ok(None),
        status => Err(EngineError::new(
            ErrorClass::Unreachable,
            format!("the engine at `{}` answered `POST {path}` with {status}", socket.display()),
        )),
    }
}
