//! Small files that this program keeps for itself between runs: private, replaced whole, one writer at a time.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::arriving::Arriving;
use super::tree::open_plain;
use super::{Mutate, Probe};

/// Whoever holds this file's lock may write to the folder.
const LOCK: &str = ".lock";

/// What becomes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateChange {
    /// It stays as it is.
    Keep,
    /// It gets this content.
    Write(Vec<u8>),
    /// It gets this content, and the old one is kept under a name of its own beside it.
    WriteAside(Vec<u8>),
}

impl Probe {
    /// Where this user's own files of that name lie: `/var/lib/hostctl/NAME` for root, else below
    /// `XDG_STATE_HOME` or `~/.local/state`. `None` for a user without a home.
    pub fn state_folder(&self, name: &str) -> Option<PathBuf> {
        if rustix::process::geteuid().is_root() {
            return Some(Path::new("/var/lib/hostctl").join(name));
        }
        let absolute = |name: &str| self.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
        base.map(|base| base.join("hostctl").join(name))
    }

    /// A file's bytes; `None` if there is no such file. One of more than `limit` bytes is an error.
    pub fn state_file(&self, folder: &Path, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match open_plain(&folder.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is larger than {limit} bytes")));
        }
        Ok(Some(bytes))
    }

    /// The names of a folder's files that end so, in byte order; none if there is no folder.
    pub fn state_names(&self, folder: &Path, end: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(end) && !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

impl Mutate {
    /// Replaces a file of a private folder (both made if missing: 0700, 0600), with what `change` makes of its
    /// bytes. Writers of a folder wait for each other; what is written is on the disk before it has its name.
    /// A folder that others may write to is refused.
    pub fn replace_state<E: From<io::Error>>(
        &self,
        folder: &Path,
        name: &str,
        limit: u64,
        change: impl FnOnce(io::Result<Option<Vec<u8>>>) -> Result<StateChange, E>,
    ) -> Result<(), E> {
        private_folder(folder)?;
        let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags)
            .to_owned();
        let lock = options.open(folder.join(LOCK))?;
        self.lock(&lock)?;
        let (bytes, aside) = match change(self.probe().state_file(folder, name, limit))? {
            StateChange::Keep => return Ok(()),
            StateChange::Write(bytes) => (bytes, false),
            StateChange::WriteAside(bytes) => (bytes, true),
        };
        let path = folder.join(name);
        let mut arriving = Arriving::new(folder)?;
        arriving.file().write_all(&bytes)?;
        arriving.file().sync_all()?;
        if aside {
            set_aside(&path)?;
        }
        arriving.put(&path)?;
        fs::File::open(folder)?.sync_all()?;
        Ok(())
    }
}

/// Makes the folder (0700) unless it is there; one that others may write to is refused.
pub(super) fn private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    own(folder)
}

/// Only this user (or root) may put something into the folder.
pub(super) fn own(folder: &Path) -> io::Result<()> {
    let meta = fs::metadata(folder)?;
    let refused = |text: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return refused("the folder belongs to another user");
    }
    if meta.mode() & 0o022 != 0 {
        return refused("others may write to the folder");
    }
    Ok(())
}

/// Gives a file the first free name `NAME.unreadable-N`.
fn set_aside(path: &Path) -> io::Result<()> {
    for number in 1..1000 {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".unreadable-{number}"));
        // Under the folder's lock, so nobody takes the name in between.
        if fs::symlink_metadata(&name).is_err() {
            return fs::rename(path, name);
        }
    }
    Err(io::Error::other("too many unreadable copies of it lie there"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mutate() -> Mutate {
        Mutate::with_probe(Probe::new(Vec::new()))
    }

    #[test]
    fn folder_and_files_are_private_and_writers_wait_for_each_other() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/b");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let add = |old: io::Result<Option<Vec<u8>>>| {
                            let mut bytes = old?.unwrap_or_default();
                            bytes.push(b'x');
                            Ok::<_, io::Error>(StateChange::Write(bytes))
                        };
                        mutate().replace_state(&folder, "f.json", 1000, add).unwrap();
                    }
                });
            }
        });
        let probe = Probe::new(Vec::new());
        assert_eq!(probe.state_file(&folder, "f.json", 40).unwrap().unwrap().len(), 40);
        assert!(probe.state_file(&folder, "f.json", 39).is_err());
        assert_eq!(probe.state_file(&folder, "none", 1).unwrap(), None);
        assert_eq!(probe.state_names(&folder, ".json").unwrap(), ["f.json"]);
        assert_eq!(probe.state_names(&folder.join("none"), "").unwrap(), [] as [&str; 0]);
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(folder.join("f.json")).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "the file and the lock, no temporary file");
    }

    #[test]
    fn the_old_content_can_be_kept_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        for (number, text) in ["one", "two", "three"].iter().enumerate() {
            let change = |_| {
                let bytes = text.as_bytes().to_vec();
                let first = number == 0;
                Ok::<_, io::Error>(if first { StateChange::Write(bytes) } else { StateChange::WriteAside(bytes) })
            };
            mutate().replace_state(folder.path(), "f", 10, change).unwrap();
        }
        let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!([text("f"), text("f.unreadable-1"), text("f.unreadable-2")], ["three", "one", "two"]);
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = mutate().replace_state(folder.path(), "f", 10, |_| Ok::<_, io::Error>(StateChange::Keep));
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn the_place_follows_the_user() {
        let probe = |name: &str, value: &str| Probe::new(vec![(name.to_owned(), value.to_owned())]);
        let place = probe("XDG_STATE_HOME", "/x").state_folder("images").unwrap();
        if rustix::process::geteuid().is_root() {
            assert_eq!(place, Path::new("/var/lib/hostctl/images"));
        } else {
            assert_eq!(place, Path::new("/x/hostctl/images"));
        }
    }
}
