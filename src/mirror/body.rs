//! The answer's body on its way to the client: streamed, with a limit on silence.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

/// Called once when a body ends, with the bytes that passed and whether it ended well.
pub(super) type AtEnd = Box<dyn FnOnce(u64, bool) + Send>;

/// Either a text of our own or an upstream's stream.
pub(super) struct ProxyBody {
    source: Source,
    passed: Arc<AtomicU64>,
    done: bool,
    at_end: Option<AtEnd>,
}

enum Source {
    Text(Option<Bytes>),
    Stream { body: Incoming, timer: Pin<Box<Sleep>>, silence: Duration },
}

impl ProxyBody {
    /// A text.
    pub(super) fn text(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        let source = Source::Text((!text.is_empty()).then_some(text));
        Self { source, passed: Arc::default(), done: false, at_end: None }
    }

    /// A stream that fails after `silence` without a byte.
    pub(super) fn stream(body: Incoming, silence: Duration) -> Self {
        let timer = Box::pin(tokio::time::sleep(silence));
        Self { source: Source::Stream { body, timer, silence }, passed: Arc::default(), done: false, at_end: None }
    }

    /// Runs when the body was sent or given up.
    pub(super) fn at_end(mut self, call: AtEnd) -> Self {
        self.at_end = Some(call);
        self
    }
}

impl Drop for ProxyBody {
    fn drop(&mut self) {
        let whole = self.done || self.is_end_stream();
        if let Some(call) = self.at_end.take() {
            call(self.passed.load(Ordering::Relaxed), whole);
        }
    }
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let next = match &mut this.source {
            Source::Text(text) => text.take().map(|text| Ok(Frame::data(text))),
            Source::Stream { body, timer, silence } => match Pin::new(body).poll_frame(cx) {
                Poll::Ready(frame) => {
                    let limit = Instant::now() + *silence;
                    timer.as_mut().reset(limit);
                    frame.map(|frame| frame.map_err(|_| io::Error::other("the upstream broke off")))
                }
                Poll::Pending => {
                    std::task::ready!(timer.as_mut().poll(cx));
                    Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the upstream went silent")))
                }
            },
        };
        match &next {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                this.passed.fetch_add(bytes, Ordering::Relaxed);
            }
            Some(Err(_)) => {}
            None => this.done = true,
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Text(text) => text.is_none(),
            Source::Stream { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            Source::Stream { body, .. } => body.size_hint(),
        }
    }
}
