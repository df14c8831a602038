//! Package managers work one at a time: who holds the lock of one, and waiting for it.

use std::time::{Duration, Instant};

use super::Probe;
use crate::diag::{Diagnostic, Kind, Result};

/// A process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The lock's file.
    pub path: String,
    /// The process.
    pub pid: u32,
    /// Its command, as far as it can be read.
    pub command: String,
}

impl Holder {
    /// The holder of a lock by its process.
    pub fn new(path: &str, pid: u32) -> Self {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&line).replace('\0', " ").trim().to_owned();
        Self { path: path.to_owned(), pid, command }
    }
}

impl Probe {
    /// Waits until nobody holds the lock of `manager`; names the holder when the time is over.
    pub fn wait_while_held(
        &self,
        manager: &str,
        seconds: u64,
        holder: impl Fn() -> Option<Holder>,
        mut waiting: impl FnMut(&str),
    ) -> Result<()> {
        let end = Instant::now().checked_add(Duration::from_secs(seconds));
        let mut told = false;
        while let Some(Holder { path, pid, command }) = holder() {
            if self.control().interrupted() {
                let words = format!("waiting for {manager}'s lock was ended: the run was interrupted");
                return Err(Diagnostic::new("H0105", Kind::Interrupted, words));
            }
            let who =
                if command.is_empty() { format!("process {pid}") } else { format!("`{command}` (process {pid})") };
            if end.is_none_or(|end| Instant::now() >= end) {
                return Err(Diagnostic::task("H0115", format!("the lock `{path}` is held by {who}"))
                    .with_note(format!("waited {seconds} s"))
                    .with_hint("wait for it to end, or raise `lock_timeout`"));
            }
            if !told {
                waiting(&format!("waiting for the lock `{path}`, held by {who}\n"));
                told = true;
            }
            std::thread::sleep(Duration::from_millis(250));
        }
        Ok(())
    }
}
