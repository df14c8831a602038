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
    /// Waits until nobody else of this process edits the file. `None` if the run was stopped meanwhile.
    pub fn turn(&self, path: &Path) -> Option<Turn> {
        let path = std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.into());
        let mut busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if busy.get_or_insert_default().insert(path.clone()) {
                return Some(Turn(path));
            }
            if self.control().interrupted() {
                return None;
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
        std::fs::write(&path, "").unwrap();
        std::os::unix::fs::symlink(&path, folder.path().join("link")).unwrap();
        std::thread::scope(|scope| {
            for name in ["f", "link", "f", "link"] {
                let path = folder.path().join(name);
                scope.spawn(move || {
                    for _ in 0..50 {
                        let _turn = Probe::new(Vec::new()).turn(&path).unwrap();
                        let text = std::fs::read_to_string(&path).unwrap();
                        std::thread::yield_now();
                        std::fs::write(&path, text + "x").unwrap();
                    }
                });
            }
        });
        assert_eq!(std::fs::read_to_string(&path).unwrap().len(), 200);
    }
}
