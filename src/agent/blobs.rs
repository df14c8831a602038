//! The agent's store of controller files: asked for once, kept for the run under their hash.
//!
//! Small ones stay in memory, large ones in a private folder that goes with the agent. What
//! arrives is hashed: content that is not what its name says is an error, never used.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::protocol::SMALL;
use super::run::Flag;
use crate::diag::{Diagnostic, Kind, Result};
use crate::modules::Blob;
use crate::system::leftovers;

/// All blobs in memory together; beyond it small ones go to files too.
const MEMORY: usize = 32 << 20;
/// How often a waiting call looks whether it was cancelled.
const LOOK: Duration = Duration::from_millis(100);

/// A blob on its way.
struct Incoming {
    hasher: Sha256,
    memory: Vec<u8>,
    file: Option<(File, PathBuf)>,
    failed: Option<Diagnostic>,
}

enum Entry {
    Coming(Incoming),
    Ready(Blob),
    Failed(Diagnostic),
}

#[derive(Default)]
struct State {
    entries: HashMap<String, Entry>,
    in_memory: usize,
    folder: Option<Held>,
    ended: bool,
}

/// The store.
#[derive(Default)]
pub(super) struct Blobs {
    state: Mutex<State>,
    changed: Condvar,
}

impl Blobs {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The blob; waits for it. `ask` is called if nobody has asked yet.
    pub(super) fn get(&self, sha256: &str, cancel: &Flag, ask: impl FnOnce()) -> Result<Blob> {
        let mut state = self.lock();
        if !state.entries.contains_key(sha256) {
            state.entries.insert(sha256.to_owned(), Entry::Coming(Incoming::new()));
            ask();
        }
        loop {
            match state.entries.get(sha256) {
                Some(Entry::Ready(blob)) => return Ok(blob.clone()),
                Some(Entry::Failed(diagnostic)) => {
                    let diagnostic = diagnostic.clone();
                    state.entries.remove(sha256);
                    return Err(diagnostic);
                }
                // Another waiting call took the failure away.
                None => return Err(failed(sha256, "it could not be sent")),
                Some(Entry::Coming(_)) => {}
            }
            if state.ended || cancel.is_set() {
                return Err(Diagnostic::new("S0401", Kind::Interrupted, "the call was cancelled"));
            }
            state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A piece of a blob that was asked for. Others are not expected, and dropped.
    pub(super) fn piece(&self, sha256: &str, bytes: &[u8], last: bool) {
        let mut state = self.lock();
        let state = &mut *state;
        let Some(Entry::Coming(incoming)) = state.entries.get_mut(sha256) else { return };
        let room = MEMORY.saturating_sub(state.in_memory);
        if incoming.failed.is_none()
            && let Err(error) = incoming.add(sha256, bytes, room, &mut state.folder)
        {
            incoming.failed = Some(
                Diagnostic::task("S0406", format!("no room for a file of the controller on the host: {error}"))
                    .with_hint("free space in /var/tmp or /tmp of that host"),
            );
        }
        if !last {
            return;
        }
        let Some(Entry::Coming(incoming)) = state.entries.remove(sha256) else { return };
        let entry = incoming.finish(sha256);
        if let Entry::Ready(Blob::Memory(bytes)) = &entry {
            state.in_memory += bytes.len();
        }
        state.entries.insert(sha256.to_owned(), entry);
        self.changed.notify_all();
    }

    /// A whole blob that came with a call.
    pub(super) fn whole(&self, sha256: &str, bytes: &[u8]) {
        {
            let mut state = self.lock();
            if matches!(state.entries.get(sha256), Some(Entry::Ready(_) | Entry::Coming(_))) {
                return;
            }
            state.entries.insert(sha256.to_owned(), Entry::Coming(Incoming::new()));
        }
        self.piece(sha256, bytes, true);
    }

    /// A blob that was asked for will not come.
    pub(super) fn fail(&self, sha256: &str, diagnostic: Diagnostic) {
        self.lock().entries.insert(sha256.to_owned(), Entry::Failed(diagnostic));
        self.changed.notify_all();
    }

    /// Nothing more will come.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Removes the private folder.
    pub(super) fn remove_folder(&self) {
        self.lock().folder = None;
    }
}

fn failed(sha256: &str, why: &str) -> Diagnostic {
    let name = sha256.get(..12).unwrap_or(sha256);
    Diagnostic::task("S0405", format!("a file of the controller did not arrive (`{name}`): {why}"))
}

impl Incoming {
    fn new() -> Self {
        Self { hasher: Sha256::new(), memory: Vec::new(), file: None, failed: None }
    }

    fn add(&mut self, name: &str, bytes: &[u8], room: usize, folder: &mut Option<Held>) -> std::io::Result<()> {
        self.hasher.update(bytes);
        if self.file.is_none() {
            let size = self.memory.len() + bytes.len();
            if size < usize::try_from(SMALL).unwrap_or(usize::MAX) && size <= room {
                self.memory.extend_from_slice(bytes);
                return Ok(());
            }
            let folder = match folder {
                Some(folder) => folder,
                None => folder.insert(private_folder()?),
            };
            let path = folder.dir.path().join(name);
            let mut file = File::create_new(&path)?;
            file.write_all(&std::mem::take(&mut self.memory))?;
            self.file = Some((file, path));
        }
        match &mut self.file {
            Some((file, _)) => file.write_all(bytes),
            None => Ok(()),
        }
    }

    fn finish(self, sha256: &str) -> Entry {
        let remove = |file: &Option<(File, PathBuf)>| {
            if let Some((_, path)) = file {
                let _ = std::fs::remove_file(path);
            }
        };
        if let Some(diagnostic) = self.failed {
            remove(&self.file);
            return Entry::Failed(diagnostic);
        }
        if hex::encode(self.hasher.finalize()) != sha256 {
            remove(&self.file);
            return Entry::Failed(failed(sha256, "its content changed on the controller during the run"));
        }
        Entry::Ready(match self.file {
            Some((_, path)) => Blob::File(path),
            None => Blob::Memory(Arc::from(self.memory)),
        })
    }
}

/// A folder, and the lock that tells others that it is in use.
struct Held {
    dir: TempDir,
    _lock: Option<File>,
}

/// A folder that only this user can enter, on disk rather than in memory where it can be.
fn private_folder() -> std::io::Result<Held> {
    leftovers::sweep();
    let wished = std::env::var_os("TMPDIR").map(PathBuf::from);
    let places = wished.into_iter().chain(["/var/tmp", "/tmp", "/dev/shm"].map(PathBuf::from));
    // The crate leaves it to the umask.
    let private = std::fs::Permissions::from_mode(0o700);
    let mut last = std::io::Error::other("no folder for temporary files");
    for place in places {
        match tempfile::Builder::new().prefix("hostctl-blobs-").permissions(private.clone()).tempdir_in(place) {
            Ok(dir) => return Ok(Held { _lock: leftovers::hold(dir.path()), dir }),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(content: &[u8]) -> String {
        hex::encode(Sha256::digest(content))
    }

    #[test]
    fn small_ones_stay_in_memory_and_large_ones_go_to_a_private_file() {
        let blobs = Blobs::default();
        let small = b"small".as_slice();
        blobs.whole(&name(small), small);
        let blob = blobs.get(&name(small), &Flag::default(), || panic!("it is here")).unwrap();
        assert!(matches!(blob, Blob::Memory(bytes) if *bytes == *small));

        let large = vec![7_u8; 200_000];
        let asked = std::cell::Cell::new(0);
        let found = std::thread::scope(|scope| {
            let sha256 = name(&large);
            let blobs = &blobs;
            let (tell, told) = std::sync::mpsc::channel();
            let reader = scope.spawn(move || {
                told.recv().unwrap();
                blobs.piece(&sha256, &vec![7; 150_000], false);
                blobs.piece(&sha256, &vec![7; 50_000], true);
            });
            let blob = blobs.get(&name(&large), &Flag::default(), || {
                asked.set(asked.get() + 1);
                tell.send(()).unwrap();
            });
            reader.join().unwrap();
            blob
        });
        let Blob::File(path) = found.unwrap() else { panic!("large blobs are files") };
        assert_eq!(std::fs::read(&path).unwrap(), large);
        blobs.get(&name(&large), &Flag::default(), || panic!("asked twice")).unwrap();
        assert_eq!(asked.get(), 1);
        blobs.remove_folder();
        assert!(!path.exists());
    }

    #[test]
    fn changed_content_is_refused_and_may_be_asked_for_again() {
        let blobs = Blobs::default();
        let sha256 = name(b"a");
        blobs.whole(&sha256, b"b");
        assert_eq!(blobs.get(&sha256, &Flag::default(), || ()).unwrap_err().code, "S0405");
        blobs.whole(&sha256, b"a");
        assert!(blobs.get(&sha256, &Flag::default(), || ()).is_ok());
    }

    #[test]
    fn a_cancelled_call_does_not_wait() {
        let blobs = Blobs::default();
        let cancel = Flag::default();
        cancel.set();
        assert_eq!(blobs.get("00", &cancel, || ()).unwrap_err().code, "S0401");
    }
}
