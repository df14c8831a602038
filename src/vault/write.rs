//! Replaces a vault's file as a whole, one writer at a time.
//!
//! The new text is written beside the old one, read back and checked, and only then takes its
//! place. The lock is on the folder, since the file itself is replaced.

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::source::reason;
use crate::diag::{Diagnostic, Kind, Result};

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(10);
const PREFIX: &str = ".secrets";
const SUFFIX: &str = ".new";
/// Random characters between both.
const RANDOM: usize = 6;

/// While it lives no other hostctl changes a vault in this folder.
#[derive(Debug)]
pub(super) struct Lock {
    /// `None` where the file system knows no locks.
    file: Option<File>,
}

/// The folder of a vault; a link's target counts.
fn folder_of(path: &Path) -> (PathBuf, PathBuf) {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let folder = real.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
    (real, folder)
}

impl Lock {
    /// Waits a while for another writer.
    pub(super) fn take(path: &Path) -> Result<Self> {
        let (_, folder) = folder_of(path);
        // Without the folder the write itself tells what is wrong.
        let Ok(file) = File::open(&folder) else { return Ok(Self { file: None }) };
        let until = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { file: Some(file) }),
                Err(TryLockError::Error(_)) => return Ok(Self { file: None }),
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Diagnostic::new(
                        "V0011",
                        Kind::Vault,
                        format!("`{}` is being changed by another hostctl", path.display()),
                    )
                    .with_note(format!("waited {} seconds", PATIENCE.as_secs()))
                    .with_hint("do it again when the other one has ended"));
                }
            }
        }
    }

    /// Removes what a writer that was killed left behind.
    fn sweep(&self, folder: &Path) {
        let own = rustix::process::geteuid().as_raw();
        if self.file.is_none() {
            return;
        }
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let left = name.to_str().is_some_and(|name| {
                name.len() == PREFIX.len() + RANDOM + SUFFIX.len() && name.starts_with(PREFIX) && name.ends_with(SUFFIX)
            });
            if left && entry.metadata().is_ok_and(|meta| meta.is_file() && meta.uid() == own) {
                // One that stays does no harm: it holds sealed values only.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// Gives a new file to the owner and the group of the one whose place it takes: who runs as root would take it away.
pub fn keep_owner(new: &File, old: &std::fs::Metadata) -> std::io::Result<()> {
    let now = new.metadata()?;
    if (now.uid(), now.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    let (uid, gid) = (rustix::fs::Uid::from_raw(old.uid()), rustix::fs::Gid::from_raw(old.gid()));
    Ok(rustix::fs::fchown(new, Some(uid), Some(gid))?)
}

/// Writes beside the file, reads back, checks, and renames. `before` is what the file must still hold.
pub(super) fn write(
    lock: &Lock,
    path: &Path,
    before: Option<&str>,
    text: &str,
    check: &dyn Fn(&str) -> Result<()>,
) -> Result<()> {
    let failed = |what: &str, error: &std::io::Error| {
        Diagnostic::local("V0012", format!("`{}` could not be {what}: {}", path.display(), reason(error)))
            .with_note("it was left as it is")
            .with_hint("check the folder's permissions and the free space")
    };
    // A link stays a link: its target is replaced.
    let (real, folder) = folder_of(path);
    lock.sweep(&folder);
    let mut temporary = tempfile::Builder::new()
        .prefix(PREFIX)
        .rand_bytes(RANDOM)
        .suffix(SUFFIX)
        .tempfile_in(&folder)
        .map_err(|error| failed("written", &error))?;
    temporary
        .write_all(text.as_bytes())
        .and_then(|()| temporary.as_file().sync_all())
        .map_err(|error| failed("written", &error))?;
    if let Ok(metadata) = std::fs::metadata(&real) {
        keep_owner(temporary.as_file(), &metadata).map_err(|error| failed("given to its owner", &error))?;
        temporary.as_file().set_permissions(metadata.permissions()).map_err(|error| failed("written", &error))?;
    }
    let written = std::fs::read_to_string(temporary.path()).map_err(|error| failed("read back", &error))?;
    check(&written)?;
    let now = std::fs::read_to_string(&real).ok();
    if now.as_deref() != before {
        return Err(Diagnostic::new("V0011", Kind::Vault, format!("`{}` was changed meanwhile", path.display()))
            .with_note("it was left as it is")
            .with_hint("do it again"));
    }
    match before {
        Some(_) => temporary.persist(&real),
        None => temporary.persist_noclobber(&real),
    }
    .map_err(|error| failed("replaced", &error.error))?;
    if let Ok(folder) = File::open(folder) {
        // The rename is done; a file system that cannot sync a folder loses nothing else.
        let _ = folder.sync_all();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_stays_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.yml");
        std::fs::write(&path, "old").unwrap();
        // Only root may give files away; others see that nothing changes.
        let root = rustix::process::geteuid().is_root();
        if root {
            std::os::unix::fs::chown(&path, Some(1234), Some(2345)).unwrap();
        }
        let before = std::fs::metadata(&path).unwrap();
        write(&Lock::take(&path).unwrap(), &path, Some("old"), "new", &|_| Ok(())).unwrap();
        let after = std::fs::metadata(&path).unwrap();
        assert_eq!((after.uid(), after.gid(), after.mode()), (before.uid(), before.gid(), before.mode()));
        assert_ne!(after.ino(), before.ino());
        assert!(!root || after.uid() == 1234);
    }

    #[test]
    fn what_a_killed_writer_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [".secretsAbC123.new", ".secrets.new", "secrets.yml.new"] {
            std::fs::write(at(name), "x").unwrap();
        }
        let path = at("secrets.yml");
        write(&Lock::take(&path).unwrap(), &path, None, "text", &|_| Ok(())).unwrap();
        assert!(!at(".secretsAbC123.new").exists());
        assert!(at(".secrets.new").exists() && at("secrets.yml.new").exists());
    }
}
