//! Turns: who reads a file, changes its text and writes it back waits for others who do the same.
//!
//! Hosts run side by side, and with `delegate_to` many of them may edit one file at once; without turns the last
//! writer's text would be all that stays. Other processes of this program wait too (see [`super::turn_lock`]).

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::Probe;
use super::turn_lock::{self, Lock};
use crate::diag::{Diagnostic, Kind, Result};

static BUSY: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
static FREE: Condvar = Condvar::new();

/// How often somebody who waits looks whether the run was stopped.
const LOOK: Duration = Duration::from_millis(100);

/// The right to edit a file; others wait until it is dropped.
#[derive(Debug)]
pub struct Turn {
    place: PathBuf,
    lock: Option<Lock>,
}

impl Turn {
    /// Does something that may take long but comes to an end: those who wait are told meanwhile that it goes on.
    pub fn busy<T>(&self, work: impl FnOnce() -> T) -> T {
        self.busy_telling(turn_lock::PATIENCE / 4, work)
    }

    fn busy_telling<T>(&self, every: Duration, work: impl FnOnce() -> T) -> T {
        let Some(lock) = &self.lock else { return work() };
        std::thread::scope(|scope| {
            // Dropped at the end, also by a panic.
            let (_goes_on, ended) = mpsc::channel::<()>();
            scope.spawn(move || {
                while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                    lock.renew();
                }
            });
            lock.renew();
            work()
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.lock.take());
        let mut busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(busy) = busy.as_mut() {
            busy.remove(&self.place);
        }
        FREE.notify_all();
    }
}

impl Probe {
    /// Waits until nobody else edits the file; an error if the run was stopped meanwhile, or if another process does
    /// not come to an end with it.
    pub fn turn(&self, path: &Path) -> Result<Turn> {
        let interrupted = || {
            self.control().interrupted().then(|| {
                let words = "waiting for other tasks that edit the file was ended: the run was interrupted";
                Diagnostic::new("H0105", Kind::Interrupted, words)
            })
        };
        let mut busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        let mut turn = loop {
            // One name for a file, whichever links lead to it; anew each time, as who had the turn may have made some.
            let place = self.real(path);
            if busy.get_or_insert_default().insert(place.clone()) {
                break Turn { place, lock: None };
            }
            if let Some(ended) = interrupted() {
                return Err(ended);
            }
            busy = FREE.wait_timeout(busy, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(busy);
        turn.lock = turn_lock::lock(&turn.place, turn_lock::PATIENCE, interrupted)?;
        Ok(turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_works_for_long_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let turn = Probe::new(Vec::new()).turn(&folder.path().join("f")).unwrap();
        let said = || turn.lock.as_ref().unwrap().text();
        let before = said();
        let end = std::time::Instant::now() + Duration::from_secs(30);
        let told = turn.busy_telling(Duration::from_millis(1), || {
            let mut told = std::collections::HashSet::from([before]);
            while told.len() < 4 && std::time::Instant::now() < end {
                told.insert(said());
            }
            told.len()
        });
        assert_eq!(told, 4);
        assert!(said().starts_with(&format!("{} ", std::process::id())));
    }

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
