//! Turns: who reads a file, changes its text and writes it back waits for others of this process who do the same.
//!
//! Hosts run side by side, and with `delegate_to` many of them may edit one file at once; without turns the last
//! writer's text would be all that stays. Other processes are not kept off: a lock that every user may take on a
//! file would let any of them stop an administrator's run.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::Probe;
use crate::diag::{Diagnostic, Kind, Result};

static BUSY: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
static FREE: Condvar = Condvar::new();

/// How often somebody who waits looks whether the run was stopped.
const LOOK: Duration = Duration::from_millis(100);

/// The right to edit a file; others wait until it is dropped.
#[derive(Debug)]
pub struct Turn(PathBuf);

impl Drop for Turn {
    fn drop(&mut self) {
        let mut busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(busy) = busy.as_mut() {
            busy.remove(&self.0);
        }
        FREE.notify_all();
    }
}

impl Probe {
    /// Waits until nobody else of this process edits the file; an error if the run was stopped meanwhile.
    pub fn turn(&self, path: &Path) -> Result<Turn> {
        let mut busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // One name for a file, whichever links lead to it; anew each time, as who had the turn may have made some.
            let key = self.real(path);
            if busy.get_or_insert_default().insert(key.clone()) {
                return Ok(Turn(key));
            }
            if self.control().interrupted() {
                let words = "waiting for other tasks that edit the file was ended: the run was interrupted";
                return Err(Diagnostic::new("H0105", Kind::Interrupted, words));
            }
            busy = FREE.wait_timeout(busy, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editors_of_one_file_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::os::unix::fs::symlink(folder.path(), folder.path().join("way")).unwrap();
        std::os::unix::fs::symlink(&path, folder.path().join("link")).unwrap();
        std::thread::scope(|scope| {
            for name in ["f", "way/f", "f", "way/link"] {
                let path = folder.path().join(name);
                scope.spawn(move || {
                    for _ in 0..50 {
                        let _turn = Probe::new(Vec::new()).turn(&path).unwrap();
                        let text = std::fs::read_to_string(&path).unwrap_or_default();
                        std::thread::yield_now();
                        std::fs::write(&path, text + "x").unwrap();
                    }
                });
            }
        });
        assert_eq!(std::fs::read_to_string(&path).unwrap().len(), 200);
    }
}
