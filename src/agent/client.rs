//! The controller's end of one agent: numbered calls out, outcomes in, blobs on demand.
//!
//! A task reads, a task writes. The end of the stream without the agent's goodbye is a lost
//! connection, and fails every call that waits.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot, watch};

use super::in_process::sources;
use super::protocol::{self, CHUNK, FromAgent, Hello, Inline, SMALL, ToAgent};
use super::run::Leaving;
use crate::connection::Connection;
use crate::diag::{Diagnostic, Kind, Result};
use crate::engine::Target;
use crate::event::Progress;
use crate::modules::{BlobSource, Call, Failure, Outcome};

/// Small blobs that go with one call, together.
const INLINE: usize = 256 << 10;
/// Blobs that an agent may wait for at once.
const MAX_ASKED: usize = 256;
/// What one call may tell while it runs, in bytes; modules of our own tell less.
const MOST_TOLD: usize = 512 << 20;
/// How long the end of a stream is looked into.
const LOOK: Duration = Duration::from_secs(3);

type Reply = Result<Outcome, Failure>;

struct Pending {
    progress: mpsc::Sender<Progress>,
    /// How much it told so far.
    told: usize,
    done: oneshot::Sender<Reply>,
    sources: HashMap<String, BlobSource>,
}

#[derive(Default)]
struct State {
    pending: HashMap<u64, Pending>,
    /// Blobs that went with a call, or were asked for.
    sent: HashSet<String>,
    /// Blobs that the agent asked for and that are on their way.
    asked: HashSet<String>,
    lost: Option<Diagnostic>,
    closing: bool,
}

/// The last words of the agent on standard error.
pub(super) type Tail = Arc<Mutex<Vec<u8>>>;

/// A started agent, right after its ready line.
pub(super) struct Started {
    pub(super) input: Box<dyn AsyncWrite + Send + Unpin>,
    pub(super) output: Box<dyn AsyncRead + Send + Unpin>,
    pub(super) ended: BoxFuture<'static, Option<i32>>,
    pub(super) errors: Tail,
    pub(super) hello: Hello,
    /// The hash that the agent must report.
    pub(super) sha256: Option<String>,
    /// Whether this process ends without ending what outlives it.
    pub(super) leaving: Leaving,
}

/// An agent on a host.
pub(super) struct Agent {
    host: Arc<str>,
    hello: Hello,
    control: mpsc::UnboundedSender<Vec<u8>>,
    bulk: mpsc::Sender<Vec<u8>>,
    state: Mutex<State>,
    next: AtomicU64,
    ended: watch::Receiver<bool>,
    leaving: Leaving,
}

/// Says cancel if the one who waits goes away.
struct CancelOnDrop<'a> {
    agent: &'a Agent,
    id: u64,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if self.agent.lock().pending.remove(&self.id).is_some() && !self.agent.leaving.is_set() {
            self.agent.send(&ToAgent::Cancel { id: self.id });
        }
    }
}

impl Agent {
    /// Takes over a started agent.
    pub(super) fn new(host: Arc<str>, connection: Arc<dyn Connection>, started: Started) -> Arc<Self> {
        let (control, control_frames) = mpsc::unbounded_channel();
        let (bulk, bulk_frames) = mpsc::channel(4);
        let (tell, ended) = watch::channel(false);
        let agent = Arc::new(Self {
            host,
            hello: started.hello,
            control,
            bulk,
            state: Mutex::default(),
            next: AtomicU64::new(1),
            ended,
            leaving: started.leaving,
        });
        tokio::spawn(write_frames(started.input, control_frames, bulk_frames));
        let reader = Arc::clone(&agent);
        tokio::spawn(async move {
            let broken = reader.read_frames(started.output, started.sha256.as_deref()).await;
            let lost = reader.why_lost(broken, connection.as_ref(), started.ended, &started.errors).await;
            reader.end(lost);
            let _ = tell.send(true);
        });
        agent
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who it is.
    pub(super) fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Whether calls can be sent.
    pub(super) fn is_open(&self) -> bool {
        let state = self.lock();
        state.lost.is_none() && !state.closing
    }

    fn send(&self, frame: &ToAgent) {
        if let Ok(bytes) = protocol::encode(frame, &[]) {
            // Fails only when the agent is lost, which the reader tells.
            let _ = self.control.send(bytes);
        }
    }

    /// Ends the agent in order.
    pub(super) async fn close(&self) {
        self.lock().closing = true;
        self.send(&ToAgent::Bye {});
        let mut ended = self.ended.clone();
        // An agent that does not answer ends with its connection.
        let _ = tokio::time::timeout(LOOK, ended.wait_for(|ended| *ended)).await;
    }

    async fn read_frames(
        self: &Arc<Self>,
        mut output: impl AsyncRead + Unpin,
        sha256: Option<&str>,
    ) -> Option<Diagnostic> {
        loop {
            let frame = match protocol::read::<FromAgent>(&mut output).await {
                Ok(Some((frame, _))) => frame,
                Ok(None) => return None,
                Err(protocol::FrameError::Cut | protocol::FrameError::Io(_)) => return None,
                Err(error) => {
                    let message = format!("the agent on `{}` is not understood: {error}", self.host);
                    return Some(Diagnostic::new("S0206", Kind::Unreachable, message));
                }
            };
            match frame {
                FromAgent::Hello(_) => {}
                FromAgent::Verified { sha256: told } => {
                    if sha256.is_some_and(|expected| expected != told) {
                        let message = format!("the agent's file on `{}` is damaged", self.host);
                        return Some(
                            Diagnostic::new("S0210", Kind::Unreachable, message)
                                .with_hint(format!("delete it there, it is sent anew: rm '{}'", self.hello.path)),
                        );
                    }
                }
                FromAgent::Progress { id, progress } => {
                    let listener = self.lock().pending.get_mut(&id).and_then(|pending| {
                        pending.told = pending.told.saturating_add(progress.weight());
                        (pending.told <= MOST_TOLD).then(|| pending.progress.clone())
                    });
                    // Where it comes faster than it is shown, the host waits.
                    if let Some(listener) = listener {
                        let _ = listener.send(progress).await;
                    }
                }
                FromAgent::Done { id, outcome } => self.reply(id, Ok(*outcome)),
                FromAgent::Failed { id, mut failure } => {
                    // A host knows no place in the controller's files.
                    failure.diagnostic.labels.clear();
                    self.reply(id, Err(*failure));
                }
                FromAgent::NeedBlob { sha256 } => {
                    // Each is asked for once; a host that asks on and on shall not fill the controller's memory.
                    let new = {
                        let mut state = self.lock();
                        state.asked.len() < MAX_ASKED && state.asked.insert(sha256.clone())
                    };
                    if !new {
                        let message = format!("the agent on `{}` is not understood: it asks for too much", self.host);
                        return Some(Diagnostic::new("S0206", Kind::Unreachable, message));
                    }
                    let agent = Arc::clone(self);
                    tokio::spawn(async move {
                        agent.send_blob(&sha256).await;
                        agent.lock().asked.remove(&sha256);
                    });
                }
                FromAgent::Goodbye {} => {
                    self.lock().closing = true;
                    return None;
                }
            }
        }
    }

    fn reply(&self, id: u64, reply: Reply) {
        if let Some(pending) = self.lock().pending.remove(&id) {
            let _ = pending.done.send(reply);
        }
    }

    async fn send_blob(&self, sha256: &str) {
        let source = self.lock().pending.values().find_map(|pending| pending.sources.get(sha256).cloned());
        let result = match source {
            Some(BlobSource::Memory(bytes)) => self.send_pieces(sha256, &*bytes).await,
            Some(BlobSource::File(path)) => match tokio::fs::File::open(&path).await {
                Ok(file) => self.send_pieces(sha256, file).await,
                Err(error) => Err(error),
            }
            .map_err(|error| std::io::Error::other(format!("`{}`: {error}", path.display()))),
            None => Err(std::io::Error::other("no running call has it")),
        };
        if let Err(error) = result {
            let diagnostic = Diagnostic::local("S0405", format!("a file of the controller could not be sent: {error}"));
            if let Ok(bytes) = protocol::encode(&ToAgent::BlobFailed { sha256: sha256.to_owned(), diagnostic }, &[]) {
                let _ = self.bulk.send(bytes).await;
            }
        }
    }

    async fn send_pieces(&self, sha256: &str, mut source: impl AsyncRead + Unpin) -> std::io::Result<()> {
        loop {
            let mut piece = Vec::new();
            (&mut source).take(CHUNK as u64).read_to_end(&mut piece).await?;
            let last = piece.len() < CHUNK;
            let frame = ToAgent::Blob { sha256: sha256.to_owned(), last };
            let bytes = protocol::encode(&frame, &piece).map_err(|error| std::io::Error::other(error.to_string()))?;
            if self.bulk.send(bytes).await.is_err() || last {
                return Ok(());
            }
        }
    }

    /// The small blobs that go with a call, since the host has not seen them.
    async fn inline(&self, sources: &HashMap<String, BlobSource>) -> (Vec<Inline>, Vec<u8>) {
        let (mut inline, mut body) = (Vec::new(), Vec::new());
        for (sha256, source) in sources {
            if self.lock().sent.contains(sha256) {
                continue;
            }
            let Some(bytes) = small(source).await else { continue };
            if body.len() + bytes.len() > INLINE {
                continue;
            }
            inline.push(Inline { sha256: sha256.clone(), size: bytes.len() });
            body.extend_from_slice(&bytes);
        }
        (inline, body)
    }

    async fn why_lost(
        &self,
        broken: Option<Diagnostic>,
        connection: &dyn Connection,
        ended: BoxFuture<'static, Option<i32>>,
        errors: &Tail,
    ) -> Diagnostic {
        let host = &self.host;
        if self.lock().closing {
            // Its process is gone, too, and with it the last that runs as that user.
            let _ = tokio::time::timeout(LOOK, ended).await;
            return Diagnostic::new("S0401", Kind::Interrupted, format!("the agent on `{host}` was told to end"));
        }
        if let Some(broken) = broken {
            return broken;
        }
        let status = tokio::time::timeout(LOOK, ended).await.ok().flatten();
        let alive = tokio::time::timeout(LOOK, connection.alive()).await.unwrap_or(false);
        let said = String::from_utf8_lossy(&errors.lock().unwrap_or_else(PoisonError::into_inner)).into_owned();
        let last = said.lines().rfind(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned());
        let diagnostic = if alive {
            let how = status.map_or_else(|| "a signal".to_owned(), |status| format!("exit code {status}"));
            let message = format!("the connection to `{host}` was lost: its agent ended with {how}");
            Diagnostic::new("S0202", Kind::Unreachable, message)
        } else {
            let reason = connection.lost_reason().await.unwrap_or_else(|| "the ssh process ended".to_owned());
            Diagnostic::new("S0201", Kind::Unreachable, format!("the connection to `{host}` was lost: {reason}"))
        };
        match last {
            Some(line) => diagnostic.with_note(format!("the agent's last words: {line}")),
            None => diagnostic,
        }
        .with_note("what the running task had changed by then is not known")
    }

    fn end(&self, lost: Diagnostic) {
        let pending = {
            let mut state = self.lock();
            state.lost = Some(lost.clone());
            std::mem::take(&mut state.pending)
        };
        for call in pending.into_values() {
            let _ = call.done.send(Err(Failure::from(lost.clone())));
        }
    }
}

async fn small(source: &BlobSource) -> Option<Vec<u8>> {
    match source {
        BlobSource::Memory(bytes) => (bytes.len() as u64 <= SMALL).then(|| bytes.to_vec()),
        BlobSource::File(path) => read_small(path).await.ok().flatten(),
    }
}

async fn read_small(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let file = tokio::fs::File::open(path).await?;
    if file.metadata().await?.len() > SMALL {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(SMALL + 1).read_to_end(&mut bytes).await?;
    Ok((bytes.len() as u64 <= SMALL).then_some(bytes))
}

async fn write_frames(
    mut input: Box<dyn AsyncWrite + Send + Unpin>,
    mut control: mpsc::UnboundedReceiver<Vec<u8>>,
    mut bulk: mpsc::Receiver<Vec<u8>>,
) {
    loop {
        let frame = tokio::select! {
            biased;
            frame = control.recv() => frame,
            frame = bulk.recv() => frame,
        };
        let Some(frame) = frame else { return };
        if input.write_all(&frame).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
}

#[async_trait]
impl Target for Agent {
    async fn invoke(&self, call: Call, progress: mpsc::Sender<Progress>) -> Result<Outcome, Failure> {
        let sources = sources(&call);
        let (inline, body) = self.inline(&sources).await;
        let names: Vec<String> = inline.iter().map(|blob| blob.sha256.clone()).collect();
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let frame = ToAgent::Call { id, after: None, call: Box::new(call), inline };
        let bytes = protocol::encode(&frame, &body).map_err(|error| {
            Diagnostic::task("S0404", format!("the task's arguments are too large to send: {error}"))
                .with_hint("put large content into a file and copy it with `src`")
        })?;
        let (done, reply) = oneshot::channel();
        {
            let mut state = self.lock();
            if let Some(lost) = &state.lost {
                return Err(lost.clone().into());
            }
            state.pending.insert(id, Pending { progress, told: 0, done, sources });
            state.sent.extend(names);
        }
        let _cancel_on_drop = CancelOnDrop { agent: self, id };
        // Fails only when the agent is lost, which ends the call below.
        let _ = self.control.send(bytes);
        match reply.await {
            Ok(reply) => reply,
            Err(_) => Err(Diagnostic::internal("a call without an answer").into()),
        }
    }
}
