//! The agent process: reads calls, runs modules on blocking threads, ends when its input ends.
//!
//! One thread reads, one writes; modules never touch the streams. Started by the client with
//! a nonce that its first line repeats, so that login banners before it do no harm.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::blobs::Blobs;
use super::protocol::{self, FrameError, FromAgent, Hello, PROTOCOL, ToAgent};
use super::run::{Find, Flag, run_call};
use crate::diag::{Diagnostic, ExitCode, Kind, Result};
use crate::event::Progress;
use crate::modules::{self, Blob, Call, Failure, Link, Outcome};
use crate::system::lifetime;

/// Frames that may wait for the writer before whoever makes them has to wait.
const QUEUE: usize = 256;
/// How long running calls may take to end after the input ended.
const GRACE: Duration = Duration::from_secs(5);

/// What precedes the first frame.
pub(super) fn ready_line(nonce: &str) -> String {
    format!("\nhostctl:{nonce}:ready\n")
}

/// `hostctl agent NONCE`: serves frames on standard input and output until the input ends.
pub fn main(nonce: &str) -> ExitCode {
    if let Some(folder) = nonce.strip_prefix(super::job::ROLE) {
        return super::job::main(modules::find, std::path::Path::new(folder));
    }
    if let Some(folder) = nonce.strip_prefix(super::outlive::ROLE) {
        return super::outlive::main(modules::find, std::path::Path::new(folder));
    }
    lifetime::own_session();
    crate::system::folder::leave_closed();
    let Ok(stdio) = lifetime::take_stdio() else { return ExitCode::Internal };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let Ok(runtime) = runtime else { return ExitCode::Internal };
    let mut output = stdio.output;
    if output.write_all(ready_line(nonce).as_bytes()).is_err() {
        return ExitCode::Error;
    }
    let server = Server::start(modules::find, output, runtime.handle().clone());
    let hasher = Arc::clone(&server);
    std::thread::spawn(move || {
        if let Ok(payload) = super::payload::hash_of(std::path::Path::new("/proc/self/exe")) {
            hasher.send(&FromAgent::Verified { sha256: payload });
        }
    });
    let end = server.serve(std::io::BufReader::new(stdio.input));
    server.settle(end, GRACE, |hard| {
        lifetime::end_children(hard);
    });
    server.finish(end.clean);
    runtime.shutdown_background();
    ExitCode::Ok
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// The client said that it is the end.
    pub(super) clean: bool,
    /// No call ran any more.
    pub(super) idle: bool,
}

/// A call that runs.
struct Running {
    cancel: Flag,
    ended: watch::Receiver<Option<bool>>,
}

/// The serving half of the protocol.
pub(super) struct Server {
    find: Find,
    runtime: Handle,
    writer: Mutex<Option<(SyncSender<Vec<u8>>, std::thread::JoinHandle<()>)>>,
    calls: Mutex<HashMap<u64, Running>>,
    /// How calls ended, for those that wait for another's success.
    ended: Mutex<HashMap<u64, bool>>,
    blobs: Blobs,
    idle: std::sync::Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_frames(mut output: impl Write, frames: &Receiver<Vec<u8>>) {
    while let Ok(frame) = frames.recv() {
        if output.write_all(&frame).and_then(|()| output.flush()).is_err() {
            // The link is gone: take the rest without writing, so nobody waits.
            while frames.recv().is_ok() {}
        }
    }
}

impl Server {
    /// A server that writes to `output`; says hello.
    pub(super) fn start(find: Find, output: impl Write + Send + 'static, runtime: Handle) -> Arc<Self> {
        let (sender, frames) = sync_channel(QUEUE);
        let writer = std::thread::spawn(move || write_frames(output, &frames));
        let server = Arc::new(Self {
            find,
            runtime,
            writer: Mutex::new(Some((sender, writer))),
            calls: Mutex::default(),
            ended: Mutex::default(),
            blobs: Blobs::default(),
            idle: std::sync::Condvar::new(),
        });
        server.send(&FromAgent::Hello(Hello {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uid: rustix::process::geteuid().as_raw(),
            path: std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default(),
        }));
        server
    }

    fn send(&self, frame: &FromAgent) {
        match protocol::encode(frame, &[]) {
            Ok(bytes) => self.send_bytes(bytes),
            Err(error) => self.send_unsendable(frame, &error),
        }
    }

    fn send_bytes(&self, bytes: Vec<u8>) {
        let sender = lock(&self.writer).as_ref().map(|(sender, _)| sender.clone());
        if let Some(sender) = sender {
            // Fails only when the writer is gone, which ends the server anyway.
            let _ = sender.send(bytes);
        }
    }

    /// A result that does not fit in a frame becomes a failure that says so.
    fn send_unsendable(&self, frame: &FromAgent, error: &FrameError) {
        if let FromAgent::Done { id, .. } | FromAgent::Failed { id, .. } = frame {
            let changed = match frame {
                FromAgent::Done { outcome, .. } => outcome.changed,
                FromAgent::Failed { failure, .. } => failure.changed,
                _ => false,
            };
            let diagnostic = Diagnostic::task("S0404", format!("the module's result is too large to send: {error}"))
                .with_hint("let the task write its output to a file on the host");
            let failure = Box::new(Failure { changed, ..Failure::from(diagnostic) });
            if let Ok(bytes) = protocol::encode(&FromAgent::Failed { id: *id, failure }, &[]) {
                self.send_bytes(bytes);
            }
        }
    }

    /// Serves until the input ends.
    pub(super) fn serve(self: &Arc<Self>, mut input: impl Read) -> End {
        let clean = loop {
            match protocol::read_blocking::<ToAgent>(&mut input) {
                Ok(Some((ToAgent::Bye {}, _))) => break true,
                Ok(Some((frame, body))) => self.handle(frame, &body),
                // Cut, broken or spoilt alike: nothing that follows can be trusted.
                Ok(None) | Err(_) => break false,
            }
        };
        self.blobs.end();
        let calls = lock(&self.calls);
        // Whoever wants a call ended says so before; what may outlive the link goes on.
        calls.values().for_each(|call| call.cancel.lose());
        End { clean, idle: calls.is_empty() }
    }

    /// Ends what a lost link or an interruption leaves behind. After an orderly end nothing is: what tasks started in
    /// the background (`nohup ... &`) lives on, as it does after Ansible's modules.
    pub(super) fn settle(&self, end: End, at_most: Duration, end_children: impl Fn(bool)) {
        let orderly = end.clean && end.idle;
        if !orderly {
            end_children(false);
        }
        self.wait_for_calls(at_most);
        if !orderly {
            end_children(true);
        }
    }

    fn handle(self: &Arc<Self>, frame: ToAgent, body: &[u8]) {
        match frame {
            ToAgent::Call { id, after, call, inline } => {
                let mut rest = body;
                for blob in inline {
                    let Some((bytes, more)) = rest.split_at_checked(blob.size) else { break };
                    self.blobs.whole(&blob.sha256, bytes);
                    rest = more;
                }
                self.begin(id, after, *call);
            }
            ToAgent::Cancel { id } => {
                if let Some(call) = lock(&self.calls).get(&id) {
                    call.cancel.set();
                }
            }
            ToAgent::Blob { sha256, last } => self.blobs.piece(&sha256, body, last),
            ToAgent::BlobFailed { sha256, diagnostic } => self.blobs.fail(&sha256, diagnostic),
            ToAgent::Bye {} => {}
        }
    }

    fn begin(self: &Arc<Self>, id: u64, after: Option<u64>, call: Call) {
        let cancel = Flag::default();
        let (tell, ended) = watch::channel(None);
        let before = after.map(|id| {
            let running = lock(&self.calls).get(&id).map(|call| call.ended.clone());
            (running, lock(&self.ended).get(&id).copied().unwrap_or(false))
        });
        lock(&self.calls).insert(id, Running { cancel: cancel.clone(), ended });
        let server = Arc::clone(self);
        self.runtime.spawn(async move {
            let link = Arc::new(ServerLink { server: Arc::downgrade(&server), id, cancel: cancel.clone() });
            let result = if succeeded(before).await {
                run_call(server.find, call, None, link, cancel).await
            } else {
                Err(Diagnostic::new("S0401", Kind::Interrupted, "the call was cancelled, since the one before failed")
                    .into())
            };
            server.end_call(id, result);
            let _ = tell.send(lock(&server.ended).get(&id).copied());
        });
    }

    fn end_call(&self, id: u64, result: Result<Outcome, Failure>) {
        lock(&self.ended).insert(id, result.is_ok());
        match result {
            Ok(outcome) => self.send(&FromAgent::Done { id, outcome: Box::new(outcome) }),
            Err(failure) => self.send(&FromAgent::Failed { id, failure: Box::new(failure) }),
        }
        lock(&self.calls).remove(&id);
        self.idle.notify_all();
    }

    /// Waits until no call runs, at most so long.
    fn wait_for_calls(&self, at_most: Duration) {
        let calls = lock(&self.calls);
        // Whether the time was up does not matter: what still runs is ended next.
        drop(self.idle.wait_timeout_while(calls, at_most, |calls| !calls.is_empty()));
    }

    /// Says goodbye if the client did, writes what is left and stops the writer.
    pub(super) fn finish(&self, clean: bool) {
        if clean {
            self.send(&FromAgent::Goodbye {});
        }
        let writer = lock(&self.writer).take();
        self.blobs.remove_folder();
        if let (Some((sender, thread)), true) = (writer, clean) {
            drop(sender);
            let _ = thread.join();
        }
    }
}

async fn succeeded(before: Option<(Option<watch::Receiver<Option<bool>>>, bool)>) -> bool {
    match before {
        None => true,
        Some((None, ended_well)) => ended_well,
        Some((Some(mut running), _)) => running.wait_for(Option::is_some).await.is_ok_and(|ended| *ended == Some(true)),
    }
}

/// A call's way back.
struct ServerLink {
    server: Weak<Server>,
    id: u64,
    cancel: Flag,
}

impl Link for ServerLink {
    fn progress(&self, progress: Progress) {
        if let Some(server) = self.server.upgrade() {
            server.send(&FromAgent::Progress { id: self.id, progress });
        }
    }

    fn blob(&self, sha256: &str) -> Result<Blob> {
        let server = self
            .server
            .upgrade()
            .ok_or_else(|| Diagnostic::new("S0401", Kind::Interrupted, "the call was cancelled"))?;
        server.blobs.get(sha256, &self.cancel, || server.send(&FromAgent::NeedBlob { sha256: sha256.to_owned() }))
    }

    fn cancelled(&self) -> bool {
        self.cancel.is_set()
    }

    fn lost(&self) -> bool {
        self.cancel.is_lost()
    }
}
