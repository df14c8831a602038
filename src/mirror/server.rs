//! The server: sockets, limits, start and end of the process.

use std::convert::Infallible;
use std::future::Future;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::config::Config;
use super::credentials::Credentials;
use super::forward::Shared;
use super::listen;
use crate::diag::{Diagnostic, Result};
use crate::system::http::HttpClient;

/// Time for a request's head, also the longest idle time of an open connection.
const HEAD: Duration = Duration::from_secs(30);
/// A client that takes nothing for so long is dropped (milliseconds, for the kernel).
const CLIENT_STALL: u32 = 120_000;
/// Transfers that run when the proxy is told to end get this long.
const GRACE: Duration = Duration::from_secs(5);

/// One line of the log: standard error, which the service manager keeps.
pub(super) fn log(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Runs the proxy of a configuration file until the process is told to end.
pub fn serve(config_path: &Path) -> Result<()> {
    // Memory of this process holds a password: no core dumps, no reading of it by its own user.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let config = Config::read(config_path)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Diagnostic::local("H0304", format!("cannot start the proxy: {error}")))?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let cannot = |error: std::io::Error| Diagnostic::local("H0304", format!("cannot watch for signals: {error}"));
        let mut term = signal(SignalKind::terminate()).map_err(cannot)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
        let end = async move {
            tokio::select! { _ = term.recv() => {}, _ = interrupt.recv() => {} }
        };
        serve_until(config, end, |_| notify_ready()).await
    })
}

/// Runs the proxy until `end`; `ready` is called with the bound addresses when all of them listen.
pub async fn serve_until(
    config: Config,
    end: impl Future<Output = ()>,
    ready: impl FnOnce(&[SocketAddr]),
) -> Result<()> {
    let routes = config.routes()?;
    let header = match Credentials::load(&config)? {
        Some(credentials) => Some(credentials.header()?),
        None if config.wants_credentials() => {
            return Err(Diagnostic::local("H0302", "an upstream wants credentials, and there are none")
                .with_hint("name a `credentials_file`, or let systemd hand it over with `LoadCredential`"));
        }
        None => None,
    };
    let needs_tls = routes.iter().any(|route| route.scheme == hyper::http::uri::Scheme::HTTPS);
    let client = if needs_tls { HttpClient::new(config.upstream_ca.as_deref())? } else { HttpClient::plain()? };
    let mut listeners = Vec::with_capacity(config.listen.len());
    let mut bound = Vec::with_capacity(config.listen.len());
    for address in &config.listen {
        let cannot =
            |error: std::io::Error| Diagnostic::local("H0304", format!("cannot listen on `{address}`: {error}"));
        let listener = TcpListener::from_std(listen::bind(*address)?).map_err(cannot)?;
        bound.push(listener.local_addr().map_err(cannot)?);
        listeners.push(listener);
    }
    let shared =
        Arc::new(Shared { routes, client, header, health: health(&config)?, log_requests: config.log_requests });
    let gate = Arc::new(Gate {
        places: Arc::new(Semaphore::new(config.max_connections.clamp(1, Semaphore::MAX_PERMITS))),
        allow_from: config.allow_from.clone(),
    });
    log(&format!(
        "hostctl mirror-proxy `{}` {} listens on {}, serves {}",
        config.name,
        env!("CARGO_PKG_VERSION"),
        bound.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        shared.routes.iter().map(|route| route.prefix.as_str()).collect::<Vec<_>>().join(", "),
    ));
    ready(&bound);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut loops = JoinSet::new();
    for listener in listeners {
        loops.spawn(accept(listener, Arc::clone(&shared), Arc::clone(&gate), stopped.clone()));
    }
    end.await;
    let _ = stop.send(true);
    let drained = async { while loops.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GRACE, drained).await;
    log(&format!("hostctl mirror-proxy `{}` ended", config.name));
    Ok(())
}

/// Who may come in, and how many at once.
struct Gate {
    places: Arc<Semaphore>,
    allow_from: Vec<IpNet>,
}

impl Gate {
    fn admits(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.allow_from.is_empty() || peer.is_loopback() || self.allow_from.iter().any(|net| net.contains(&peer))
    }
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    gate: Arc<Gate>,
    mut stopped: tokio::sync::watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        // Backpressure: without a free place nothing is accepted, the kernel's queue holds the rest.
        let place = tokio::select! {
            place = Arc::clone(&gate.places).acquire_owned() => place,
            _ = stopped.changed() => break,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) if gate.admits(peer.ip()) => {
                let shared = Arc::clone(&shared);
                let stopped = stopped.clone();
                connections.spawn(async move {
                    connection(stream, peer, shared, stopped).await;
                    drop(place);
                });
            }
            Ok((_, peer)) => log(&format!("{} refused: not in `allow_from`", peer.ip())),
            Err(error) => {
                // Out of file descriptors and the like: wait for others to end instead of spinning.
                log(&format!("cannot accept a connection: {error}"));
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared>,
    mut stopped: tokio::sync::watch::Receiver<bool>,
) {
    let Ok(local) = stream.local_addr() else { return };
    let _ = stream.set_nodelay(true);
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, CLIENT_STALL);
    let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(shared.answer(request, peer, local).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let told = async { stopped.wait_for(|stop| *stop).await.is_ok() };
    // What goes wrong between client and proxy (a closed laptop, a malformed line) is the client's to report.
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = told => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// The hash under which the health path names a configuration text.
pub fn health_hash(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// What the health path says: enough to know that this very configuration runs.
fn health(config: &Config) -> Result<String> {
    let hash = health_hash(&config.to_text()?);
    let value = serde_json::json!({
        "status": "ok",
        "name": config.name,
        "version": env!("CARGO_PKG_VERSION"),
        "config": hash,
        "pid": std::process::id(),
    });
    Ok(format!("{value}\n"))
}

/// Tells systemd (`Type=notify`) that all addresses listen.
fn notify_ready() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let Some(target) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(target.as_os_str());
    let address = match bytes.split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&target),
    };
    let sent = address
        .and_then(|address| UnixDatagram::unbound().and_then(|socket| socket.send_to_addr(b"READY=1\n", &address)));
    if let Err(error) = sent {
        log(&format!("cannot tell the service manager that the proxy is ready: {error}"));
    }
}
