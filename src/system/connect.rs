//! How a request reaches its server: over the network, perhaps through a proxy, or through a socket file of this machine.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tower_service::Service;

use super::http::Names;
use super::proxy::Proxy;

type Broken = Box<dyn std::error::Error + Send + Sync>;

/// The way to a server.
#[derive(Clone)]
pub(super) enum Way {
    /// To the host that the URL names.
    Network(HttpConnector<Names>),
    /// To a proxy that takes requests.
    Proxy(HttpConnector<Names>, Uri),
    /// Through a proxy that passes bytes on.
    Tunnel(Tunnel<HttpConnector<Names>>),
    /// To the socket file, whatever the URL names.
    Socket(PathBuf),
}

/// A connection of either kind.
pub(super) enum Line {
    Network(TokioIo<TcpStream>),
    Proxy(TokioIo<TcpStream>),
    Socket(TokioIo<UnixStream>),
}

impl Way {
    /// Over the network, through a proxy if there is one.
    pub(super) fn over(connector: HttpConnector<Names>, proxy: Option<&Proxy>) -> Result<Self, String> {
        Ok(match proxy {
            None => Self::Network(connector),
            Some(proxy) if !proxy.tunnel => Self::Proxy(connector, proxy.uri.clone()),
            Some(proxy) => {
                let tunnel = Tunnel::new(proxy.uri.clone(), connector);
                match &proxy.authorization {
                    None => Self::Tunnel(tunnel),
                    Some(value) => {
                        let value = value.parse().map_err(|_| "the proxy's password cannot be sent".to_owned())?;
                        Self::Tunnel(tunnel.with_auth(value))
                    }
                }
            }
        })
    }
}

/// Why there is no tunnel, in Python's words where the answer is known.
fn no_tunnel(error: impl std::error::Error + Send + Sync + 'static) -> Broken {
    if error.source().is_some() {
        // The way to the proxy is broken.
        return error.into();
    }
    let words = error.to_string();
    let words = words.strip_prefix("tunnel error: ").unwrap_or(&words);
    let said = if words.contains("authorization required") { "407 Proxy Authentication Required" } else { words };
    format!("Tunnel connection failed: {said}").into()
}

impl Service<Uri> for Way {
    type Response = Line;
    type Error = Broken;
    type Future = Pin<Box<dyn Future<Output = Result<Line, Broken>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        match self {
            Self::Network(connector) | Self::Proxy(connector, _) => connector.poll_ready(cx).map_err(Into::into),
            Self::Tunnel(tunnel) => tunnel.poll_ready(cx).map_err(no_tunnel),
            Self::Socket(_) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match self {
            Self::Network(connector) => {
                let connecting = connector.call(uri);
                Box::pin(async move { Ok(Line::Network(connecting.await?)) })
            }
            Self::Proxy(connector, proxy) => {
                let connecting = connector.call(proxy.clone());
                Box::pin(async move { Ok(Line::Proxy(connecting.await?)) })
            }
            Self::Tunnel(tunnel) => {
                let connecting = tunnel.call(uri);
                Box::pin(async move { connecting.await.map(Line::Network).map_err(no_tunnel) })
            }
            Self::Socket(path) => {
                let path = path.clone();
                Box::pin(async move {
                    let found = UnixStream::connect(&path).await;
                    let stream = found.map_err(|error| {
                        let code = error.raw_os_error().unwrap_or_default();
                        let words = error.to_string();
                        let words = words.split(" (os error").next().unwrap_or_default();
                        // Python's words, as the module registers them.
                        format!("Invalid Socket File ({}): [Errno {code}] {words}", path.display())
                    })?;
                    Ok(Line::Socket(TokioIo::new(stream)))
                })
            }
        }
    }
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        match self {
            Self::Network(stream) => stream.connected(),
            // Requests name the whole URL.
            Self::Proxy(stream) => stream.connected().proxy(true),
            Self::Socket(_) => Connected::new(),
        }
    }
}

impl Read for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Network(stream) | Self::Proxy(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Socket(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl Write for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Network(stream) | Self::Proxy(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Socket(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Network(stream) | Self::Proxy(stream) => Pin::new(stream).poll_flush(cx),
            Self::Socket(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Network(stream) | Self::Proxy(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Socket(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
