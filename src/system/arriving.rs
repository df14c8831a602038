//! A file that is written beside its place and put there whole: old or new, never half.
//!
//! Until it is put it has no name where the file system can do that, so whatever kills the process leaves nothing
//! behind. Elsewhere it has a name that begins with `.hostctl-`.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

/// Tries for a free name; another program would have to take each of them.
const TRIES: u32 = 100;

/// A private file (mode 0600) in a folder.
pub(super) struct Arriving {
    file: File,
    /// Its name where it needs one.
    named: Option<tempfile::TempPath>,
    folder: PathBuf,
}

impl Arriving {
    /// A new empty file.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let folder_path = folder.to_path_buf();
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        if let Ok(file) = rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR).map(File::from)
            && std::fs::symlink_metadata(handle(&file)).is_ok()
        {
            return Ok(Self { file, named: None, folder: folder_path });
        }
        let (file, named) = tempfile::Builder::new().prefix(".hostctl-").tempfile_in(folder)?.into_parts();
        Ok(Self { file, named: Some(named), folder: folder_path })
    }

    /// To write into, and to set owner and mode of.
    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts it in its place, over what is there.
    pub(super) fn put(self, path: &Path) -> Result<()> {
        let Some(named) = self.named else { return put_unnamed(&self.file, &self.folder, path) };
        named.persist(path).map_err(|error| error.error)
    }
}

impl Arriving {
    /// Puts it in its place, where nothing may be.
    pub(super) fn put_new(self, path: &Path) -> Result<()> {
        match self.named {
            None => link(&self.file, path),
            Some(named) => named.persist_noclobber(path).map_err(|error| error.error),
        }
    }
}

/// Gives a file without a name one that is free.
fn link(file: &File, to: &Path) -> Result<()> {
    Ok(rustix::fs::linkat(CWD, handle(file), CWD, to, AtFlags::SYMLINK_FOLLOW)?)
}

/// What stands for an open file that has no name.
fn handle(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn put_unnamed(file: &File, folder: &Path, path: &Path) -> Result<()> {
    match link(file, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        other => return other,
    }
    // A link cannot replace: it gets a name for the moment between two calls.
    let mut last = Error::from(ErrorKind::AlreadyExists);
    for _ in 0..TRIES {
        let temporary = tempfile::TempPath::try_from_path(std::path::absolute(folder.join(name()?))?)?;
        match link(file, &temporary) {
            Ok(()) => return temporary.persist(path).map_err(|error| error.error),
            Err(error) => {
                // It belongs to somebody else.
                let _ = temporary.keep();
                if error.kind() != ErrorKind::AlreadyExists {
                    return Err(error);
                }
                last = error;
            }
        }
    }
    Err(last)
}

fn name() -> Result<String> {
    let mut random = [0; 6];
    getrandom::fill(&mut random).map_err(|error| Error::other(error.to_string()))?;
    Ok(format!(".hostctl-{}", hex::encode(random)))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_is_there_before_and_all_of_it_after() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        for round in ["new", "newer"] {
            let mut arriving = Arriving::new(folder.path()).unwrap();
            arriving.file().write_all(round.as_bytes()).unwrap();
            assert_eq!(arriving.file().metadata().unwrap().permissions().mode() & 0o777, 0o600);
            let named = usize::from(arriving.named.is_some());
            assert_eq!(names(folder.path()).len(), named + usize::from(round == "newer"));
            arriving.put(&path).unwrap();
            assert_eq!(
                (names(folder.path()), std::fs::read_to_string(&path).unwrap()),
                (vec!["f".into()], round.into())
            );
        }
    }

    #[test]
    fn what_cannot_be_put_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("folder");
        std::fs::create_dir(&taken).unwrap();
        assert!(Arriving::new(folder.path()).unwrap().put(&taken).is_err());
        assert!(Arriving::new(folder.path()).unwrap().put(&folder.path().join("none/f")).is_err());
        assert_eq!(names(folder.path()), ["folder"]);
        assert!(Arriving::new(&folder.path().join("none")).is_err());
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        std::fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let mut arriving = Arriving::new(folder.path()).unwrap();
        arriving.file().write_all(b"new").unwrap();
        arriving.put(&link).unwrap();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "old");
        assert!(!std::fs::symlink_metadata(&link).unwrap().is_symlink());
        // A link to nowhere does not become a file elsewhere.
        let (lost, nowhere) = (folder.path().join("lost"), folder.path().join("nowhere"));
        std::os::unix::fs::symlink(&nowhere, &lost).unwrap();
        Arriving::new(folder.path()).unwrap().put(&lost).unwrap();
        assert!(!nowhere.exists() && lost.exists());
    }
}
