//! Copies of files that are about to change, named as Ansible names them (`NAME.PID.2026-11-21@06:17:04~`).
//!
//! A copy never takes the place of another one: two changes of a file within a second leave two copies.

use std::fs::File;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::AtFlags;

use super::Mutate;
use super::fs::{Content, WriteOptions, file_error, stamps};
use crate::diag::Result;
use crate::diag::read::open_plain;

/// Tries for a free name; somebody else would have to take each of them.
const TRIES: u32 = 1000;

/// The name of a copy: the first one is as Ansible's.
fn name(path: &Path, time: &str, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    let more = if number == 0 { String::new() } else { format!(".{number}") };
    name.push(format!(".{}.{time}{more}~", std::process::id()));
    PathBuf::from(name)
}

impl Mutate {
    /// A copy beside a file.
    pub fn backup(&self, path: &Path) -> Result<PathBuf> {
        let file = open_plain(path).map_err(|error| file_error("read", path, &error))?;
        self.backup_of(&file, path)
    }

    /// A copy of an open file, beside the path that it was asked for by.
    pub fn backup_of(&self, file: &File, path: &Path) -> Result<PathBuf> {
        self.backup_at(file, path, &jiff::Zoned::now().strftime("%Y-%m-%d@%H:%M:%S").to_string())
    }

    fn backup_at(&self, file: &File, path: &Path, time: &str) -> Result<PathBuf> {
        let found = file.metadata().map_err(|error| file_error("look at", path, &error))?;
        let options = WriteOptions {
            mode: Some(found.mode() & 0o7777),
            owner: (Some(found.uid()), Some(found.gid())),
            ignore_present: true,
            new: true,
            ..WriteOptions::default()
        };
        for number in 0..TRIES {
            let copy = name(path, time, number);
            if self.probe().lstat(&copy)?.is_some() {
                continue;
            }
            match self.write(&copy, Content::Opened(file), options) {
                // Somebody was faster.
                Err(_) if self.probe().lstat(&copy)?.is_some() => continue,
                Err(error) => return Err(error),
                Ok(()) => {}
            }
            let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
            let times =
                stamps(Some(nanos(found.atime(), found.atime_nsec())), Some(nanos(found.mtime(), found.mtime_nsec())));
            rustix::fs::utimensat(rustix::fs::CWD, &copy, &times, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| file_error("set the times of", &copy, &error.into()))?;
            return Ok(copy);
        }
        Err(file_error("make a copy of", path, &Error::from(ErrorKind::AlreadyExists)))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::system::Probe;

    #[test]
    fn copies_of_one_second_do_not_replace_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "original").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        let host = Mutate::with_probe(Probe::new(Vec::new()));
        let copy = |text: &str| {
            let copy = host.backup_at(&open_plain(&path).unwrap(), &path, "2026-11-21@06:17:04").unwrap();
            std::fs::write(&path, text).unwrap();
            copy
        };
        let first = copy("changed");
        let found = std::fs::metadata(&first).unwrap();
        assert_eq!((found.mode() & 0o7777, found.mtime()), (0o640, 0));
        assert_eq!(first, name(&path, "2026-11-21@06:17:04", 0));
        // A link that leads nowhere takes a name too, and is not followed.
        std::os::unix::fs::symlink(folder.path().join("no"), name(&path, "2026-11-21@06:17:04", 1)).unwrap();
        let second = copy("again");
        assert_eq!(second, name(&path, "2026-11-21@06:17:04", 2));
        assert_eq!(std::fs::read_to_string(first).unwrap(), "original");
        assert_eq!(std::fs::read_to_string(second).unwrap(), "changed");
        assert!(!folder.path().join("no").exists());
    }

    #[test]
    fn a_new_file_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "old").unwrap();
        let host = Mutate::with_probe(Probe::new(Vec::new()));
        let options = WriteOptions { new: true, unsafe_writes: true, ..WriteOptions::default() };
        host.write(&path, Content::Bytes(b"new"), options).unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
