//! Where this program's own file is.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::diag::{Diagnostic, Result};

static OVERRIDE: OnceLock<PathBuf> = OnceLock::new();

/// Names the program's file for a process that is not hostctl itself (a test harness). First call wins.
pub fn set_path(path: PathBuf) {
    let _ = OVERRIDE.set(path);
}

/// The running program's file, to be read (it may have been replaced or removed since).
pub fn path() -> Result<PathBuf> {
    if let Some(path) = OVERRIDE.get() {
        return Ok(path.clone());
    }
    let link = PathBuf::from("/proc/self/exe");
    if link.exists() {
        return Ok(link);
    }
    std::env::current_exe()
        .map_err(|error| Diagnostic::local("H0310", format!("cannot find the program's own file: {error}")))
}
