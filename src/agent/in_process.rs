//! `connection: local` without become: modules run in this process.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::run::{Find, Flag, Leaving, SetOnDrop, run_call};
use crate::diag::{Diagnostic, Result};
use crate::engine::Target;
use crate::event::Progress;
use crate::modules::{Blob, BlobSource, Call, Failure, InputKind, Link, Outcome};

/// This machine, as this user.
#[derive(Debug)]
pub(super) struct InProcess {
    pub(super) find: Find,
    /// The folder that modules run in, if it is not this process's own.
    pub(super) folder: Option<PathBuf>,
    /// This process ends, and builds go on without it.
    pub(super) leaving: Leaving,
}

/// The content's places, by hash.
pub(super) fn sources(call: &Call) -> HashMap<String, BlobSource> {
    let entries = call.inputs.iter().flat_map(|input| &input.entries);
    entries
        .filter_map(|entry| match &entry.kind {
            InputKind::File { sha256, source: Some(source), .. } => Some((sha256.clone(), source.clone())),
            _ => None,
        })
        .collect()
}

struct LocalLink {
    progress: Sender<Progress>,
    sources: HashMap<String, BlobSource>,
    cancel: Flag,
}

impl Link for LocalLink {
    fn progress(&self, progress: Progress) {
        // Output may come faster than it is shown: then its program waits. Whoever listened may be gone; the call
        // ends soon. This may be a thread of the runtime, where a blocking send is not allowed.
        let mut waiting = progress;
        while let Err(TrySendError::Full(back)) = self.progress.try_send(waiting) {
            if self.cancel.is_set() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
            waiting = back;
        }
    }

    fn blob(&self, sha256: &str) -> Result<Blob> {
        match self.sources.get(sha256) {
            Some(BlobSource::File(path)) => Ok(Blob::File(path.clone())),
            Some(BlobSource::Memory(bytes)) => Ok(Blob::Memory(Arc::clone(bytes))),
            None => Err(Diagnostic::internal(format!("the call has no input `{sha256}`"))),
        }
    }

    fn cancelled(&self) -> bool {
        self.cancel.is_set()
    }

    fn lost(&self) -> bool {
        self.cancel.is_lost()
    }
}

#[async_trait]
impl Target for InProcess {
    async fn invoke(&self, call: Call, progress: Sender<Progress>) -> Result<Outcome, Failure> {
        let cancel = Flag::default();
        let _cancel_on_drop = SetOnDrop { flag: cancel.clone(), leaves: self.leaving.clone() };
        let sources = sources(&call);
        let link = Arc::new(LocalLink { progress, sources, cancel: cancel.clone() });
        run_call(self.find, call, self.folder.clone(), link, cancel).await
    }
}
