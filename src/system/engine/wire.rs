//! The way to the engine's socket for `bollard`: a connection for each request, and a limit for what may come back.
//!
//! `bollard` collects whole answers without a limit, and reads a stream of JSON in time that grows with the square
//! of a message's length. So requests are written by it and sent here: an answer is cut off at its limit, and a stream
//! (build, push, pull) is handed out to be read by [`Messages`].

use std::io;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bollard::errors::Error;
use bollard::{BollardRequest, ClientVersion, Docker};
use bytes::BytesMut;
use futures_util::{Stream, StreamExt};
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

use super::error::{EngineError, ErrorClass};

/// The most bytes of one message of a stream. Engines send some kilobytes.
const MESSAGE: usize = 16 << 20;

/// The most bytes of an answer about the engine itself.
const ABOUT: u64 = 4 << 20;

/// The most bytes of any other answer (an image's history, a list of containers).
const ANSWER: u64 = 64 << 20;

/// How much of a stream is read before others get their turn.
const TURN: usize = 1 << 20;

/// An answer that is longer than it may be.
#[derive(Debug)]
pub(super) struct TooLong(u64);

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the engine's answer is longer than {} MiB, and was not read further", self.0 >> 20)
    }
}

impl std::error::Error for TooLong {}

impl TooLong {
    /// The limit that was passed, if an error comes of that.
    pub(super) fn behind<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let mut cause = Some(error);
        while let Some(one) = cause {
            let inner = one.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(found) = inner.and_then(|inner| inner.downcast_ref()) {
                return Some(found);
            }
            cause = one.source();
        }
        None
    }

    /// As an error of the engine, which waiting does not mend.
    pub(super) fn error(&self) -> EngineError {
        EngineError::new(ErrorClass::Unusable, self.to_string())
            .with_hint("is what listens there a container engine? `hostctl image doctor`, `docker version`")
    }
}

/// What comes back for a path (`/v1.41/images/create?...`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// One answer of at most so many bytes.
    Whole(u64),
    /// Messages without an end, of which only a refusal is limited.
    Stream,
}

impl Answer {
    fn of(path: &str) -> Self {
        // The version is left out of the paths of engines that have only one.
        let path = match path.strip_prefix("/v").and_then(|rest| rest.split_once('/')) {
            Some((version, rest)) if version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => rest,
            _ => path.trim_start_matches('/'),
        };
        let image = path.starts_with("images/");
        if path == "build" || path == "images/create" || image && (path.ends_with("/push") || path.ends_with("/get")) {
            Self::Stream
        } else if path == "info" || path == "version" || path.starts_with("networks/") {
            Self::Whole(ABOUT)
        } else {
            Self::Whole(ANSWER)
        }
    }
}

type Taken = Arc<Mutex<Option<Response<Incoming>>>>;

/// What carries `bollard`'s requests over a unix socket.
#[derive(Clone)]
pub(super) struct Wire {
    socket: PathBuf,
    /// Where a stream's answer is laid for who reads it.
    taken: Option<Taken>,
}

impl Wire {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket, taken: None }
    }

    /// The same for one request whose answer is not for `bollard`, and where it will lie.
    pub(super) fn taking(&self) -> (Self, Taken) {
        let taken = Taken::default();
        (Self { taken: Some(Arc::clone(&taken)), ..self.clone() }, taken)
    }
}

impl Wire {
    async fn request(self, request: BollardRequest) -> Result<Response<Incoming>, Error> {
        let answer = send(&self.socket, request).await?;
        match self.taken {
            Some(place) if answer.status().is_success() => {
                *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
                Err(io::Error::other("the answer is read elsewhere").into())
            }
            _ => Ok(answer),
        }
    }
}

async fn send(socket: &std::path::Path, mut request: BollardRequest) -> Result<Response<Incoming>, Error> {
    let kind = Answer::of(request.uri().path());
    let left = Arc::new(AtomicU64::new(match kind {
        Answer::Whole(limit) => limit,
        Answer::Stream => ANSWER,
    }));
    let limit = left.load(Ordering::Relaxed);
    let stream = match UnixStream::connect(socket).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::SocketNotFoundError(socket.display().to_string()));
        }
        stream => stream?,
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(Metered { stream, left: Arc::clone(&left), limit })).await?;
    tokio::spawn(connection);
    // As on every connection to one server: the path alone, and a name that says nothing.
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).parse();
    *request.uri_mut() = path.map_err(io::Error::other)?;
    request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    let answer = sender.send_request(request).await?;
    if kind == Answer::Stream && answer.status().is_success() {
        left.store(u64::MAX, Ordering::Relaxed);
    }
    Ok(answer)
}

/// A connection of which so many bytes are read.
struct Metered {
    stream: UnixStream,
    left: Arc<AtomicU64>,
    limit: u64,
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let count = (buf.filled().len() - before) as u64;
        let left = self.left.load(Ordering::Relaxed);
        if count > left {
            return Poll::Ready(Err(io::Error::other(TooLong(self.limit))));
        }
        if left != u64::MAX {
            // A limit that is lifted meanwhile stays so.
            let _ = self.left.compare_exchange(left, left - count, Ordering::Relaxed, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Sends what a `bollard` stream asks for, and takes its answer away to be read here. The stream is made with the
/// client that [`Wire::taking`] is in.
pub(super) async fn messages<T>(
    taken: Taken,
    asked: impl Stream<Item = Result<T, Error>>,
) -> Result<Messages<T>, EngineError> {
    let first = pin!(asked).next().await;
    let answer = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (answer, first) {
        (Some(answer), _) => Ok(Messages::new(answer.into_body())),
        (None, Some(Err(error))) => Err(error.into()),
        (None, _) => Err(EngineError::new(ErrorClass::Other, "the engine's answer was not read")),
    }
}

/// A stream of JSON objects, read in time that grows with its length, each of at most [`MESSAGE`] bytes.
pub(super) struct Messages<T> {
    body: Incoming,
    cut: Cut,
    /// Bytes since others had their turn.
    turn: usize,
    kind: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Messages<T> {
    /// The next object; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<T>, EngineError> {
        loop {
            if let Some(message) = self.cut.next() {
                return read(&message).map(Some);
            }
            if self.cut.bytes.len() > MESSAGE {
                return Err(TooLong(MESSAGE as u64).error());
            }
            if self.turn >= TURN {
                // An engine that always has more must not keep this thread from seeing a stop.
                self.turn = 0;
                tokio::task::yield_now().await;
            }
            match self.body.frame().await {
                Some(frame) => {
                    if let Ok(data) = frame.map_err(Error::from)?.into_data() {
                        self.turn += data.len();
                        self.cut.bytes.extend_from_slice(&data);
                    }
                }
                None if self.cut.bytes.trim_ascii().is_empty() => return Ok(None),
                None => {
                    let rest = self.cut.bytes.split();
                    return read(&rest).map(Some);
                }
            }
        }
    }
}

impl<T> Messages<T> {
    fn new(body: Incoming) -> Self {
        Self { body, cut: Cut::default(), turn: 0, kind: PhantomData }
    }
}

fn read<T: DeserializeOwned>(message: &[u8]) -> Result<T, EngineError> {
    serde_json::from_slice(message).map_err(|error| {
        EngineError::new(ErrorClass::Other, format!("the engine sent what is no message of its API: {error}"))
    })
}

/// Cuts bytes into JSON objects: by their braces, since some engines end lines inside of objects, and some send no
/// line ends.
#[derive(Default)]
struct Cut {
    bytes: BytesMut,
    /// Bytes that were looked at.
    seen: usize,
    depth: usize,
    text: bool,
    escaped: bool,
}

impl Cut {
    fn next(&mut self) -> Option<BytesMut> {
        while let Some(byte) = self.bytes.get(self.seen) {
            self.seen += 1;
            let mut whole = false;
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.text => self.escaped = true,
                b'"' => self.text = !self.text,
                _ if self.text => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    whole = self.depth == 0;
                }
                // What is no object ends with its line; empty lines are nothing.
                b'\n' => whole = self.depth == 0,
                _ => {}
            }
            if whole {
                let message = self.bytes.split_to(self.seen);
                self.seen = 0;
                if !message.trim_ascii().is_empty() {
                    return Some(message);
                }
            }
        }
        None
    }
}

impl super::client::Engine {
    /// A client for one stream, and where its answer will lie.
    pub(super) fn streaming(&self) -> Result<(Docker, Taken), EngineError> {
        let (wire, taken) = Wire::new(self.socket().to_path_buf()).taking();
        Ok((connect(wire, &self.docker().client_version())?, taken))
    }
}

/// A `bollard` client over the socket. How long an answer's beginning may take: two minutes.
pub(super) fn connect(wire: Wire, version: &ClientVersion) -> Result<Docker, EngineError> {
    let send = move |request: BollardRequest| wire.clone().request(request);
    let docker = Docker::connect_with_custom_transport(send, Some("http://localhost"), 120, version)?;
    Ok(docker.with_request_modifier(super::client::as_engines_read))
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
