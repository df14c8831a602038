//! Replaces a small text file as a whole: under a lock, by a temporary file, fsync and rename.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

use super::arriving::Arriving;
use super::{Mutate, Probe};

/// How long another writer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

impl Probe {
    /// The text that [`Mutate::replace_text`] would begin with: empty if there is no file.
    pub fn replaceable_text(&self, path: &Path) -> io::Result<String> {
        match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            outcome => outcome,
        }
    }
}

impl Mutate {
    /// Reads a text file (empty text if there is none), lets `change` make the new text, and replaces
    /// the file. Writers of the same folder wait for each other. `None` from `change` leaves the file
    /// as it is; so does every error. The folder must exist.
    pub fn replace_text<E: From<io::Error>>(
        &self,
        path: &Path,
        change: impl FnOnce(&str) -> Result<Option<String>, E>,
    ) -> Result<(), E> {
        // A link is followed: the file that it names is replaced, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let lock = File::open(&folder)?;
        self.lock(&lock)?;
        let old = self.probe().replaceable_text(&path)?;
        let Some(new) = change(&old)? else { return Ok(()) };
        write(&folder, &path, &new)?;
        lock.sync_all()?;
        Ok(())
    }

    pub(super) fn lock(&self, file: &File) -> io::Result<()> {
        let start = Instant::now();
        loop {
            match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(()),
                Err(rustix::io::Errno::WOULDBLOCK) if start.elapsed() < PATIENCE => {
                    if self.probe().control().interrupted() {
                        return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(io::Error::new(
                        io::ErrorKind::WouldBlock,
                        "another program holds the lock of its folder",
                    ));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn write(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    let old = fs::metadata(path).ok();
    let mode = old.as_ref().map_or(0o644, |meta| meta.permissions().mode() & 0o7777);
    let mut arriving = Arriving::new(folder)?;
    let file = arriving.file();
    file.write_all(text.as_bytes())?;
    if let Some(old) = old {
        // Only root may give a file away; the owner that stays is then who runs this.
        let _ = std::os::unix::fs::fchown(&*file, Some(old.uid()), Some(old.gid()));
    }
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()?;
    file.rewind()?;
    let mut arrived = Vec::new();
    file.read_to_end(&mut arrived)?;
    if arrived != text.as_bytes() {
        return Err(io::Error::other("the new content did not arrive on the disk"));
    }
    arriving.put(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutate() -> Mutate {
        Mutate::with_probe(Probe::new(Vec::new()))
    }

    #[test]
    fn two_writers_lose_nothing_and_the_mode_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tags.yml");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    for round in 0..10 {
                        mutate()
                            .replace_text::<io::Error>(path, |old| Ok(Some(format!("{old}{writer}-{round}\n"))))
                            .unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 40);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("tags.yml", &link).unwrap();
        mutate().replace_text::<io::Error>(&link, |_| Ok(Some("new".into()))).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn an_error_or_nothing_to_do_leaves_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "old").unwrap();
        mutate().replace_text::<io::Error>(&path, |_| Ok(None)).unwrap();
        mutate().replace_text::<io::Error>(&path, |_| Err(io::Error::other("no"))).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        let missing = folder.path().join("none/f");
        mutate().replace_text::<io::Error>(&missing, |_| Ok(Some(String::new()))).unwrap_err();
    }
}
