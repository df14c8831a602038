//! A file that grows by what this program tells, where other users may have put something before.
//!
//! Only its owner reads what is made here. A link is followed only where nobody else could have put it.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Bits of a folder's mode.
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Opens a file for appending, and makes it with mode 0600 if it is not there.
///
/// # Errors
/// What the system says; a link or a file that another user may have put there.
pub fn open(path: &Path) -> Result<File> {
    let path = std::path::absolute(path)?;
    let own = rustix::process::geteuid().as_raw();
    let mine = |uid: u32| uid == own || uid == 0;
    let folder = std::fs::metadata(path.parent().unwrap_or(Path::new("/")))?;
    let shared = folder.mode() & OTHERS_WRITE != 0;
    let refused = |text: &str| Error::new(ErrorKind::PermissionDenied, text.to_owned());
    if let Ok(link) = std::fs::symlink_metadata(&path)
        && link.is_symlink()
    {
        // With the sticky bit only the owner of a link replaces it.
        if !mine(link.uid()) || shared && folder.mode() & STICKY == 0 {
            return Err(refused("a link that another user may have put there"));
        }
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        return waiting(OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(&path)?);
    }
    let flags =
        OFlags::NONBLOCK | OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)?);
    if shared && !mine(file.metadata()?.uid()) {
        return Err(refused("a file of another user in a folder where everybody writes"));
    }
    waiting(file)
}

/// Writes wait again: only the opening must not, of a FIFO that nobody reads.
fn waiting(file: File) -> Result<File> {
    let now = rustix::fs::fcntl_getfl(&file)?;
    rustix::fs::fcntl_setfl(&file, now - OFlags::NONBLOCK)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_new_file_is_private_and_grows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        for text in ["one\n", "two\n"] {
            open(&path).unwrap().write_all(text.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(open(dir.path()).is_err());
    }

    #[test]
    fn a_fifo_is_written_to_once_somebody_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(open(&path).is_err());
        let reader = rustix::fs::open(&path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
        let mut file = open(&path).unwrap();
        assert!(!rustix::fs::fcntl_getfl(&file).unwrap().contains(OFlags::NONBLOCK));
        file.write_all(b"one").unwrap();
        let mut text = [0; 8];
        assert_eq!(rustix::io::read(&reader, &mut text).unwrap(), 3);
    }

    #[test]
    fn a_link_where_everybody_writes_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(dir.path().join("real"), dir.path().join("log")).unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(open(&dir.path().join("log")).unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert!(!dir.path().join("real").exists());
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert!(open(&dir.path().join("log")).is_ok());
    }
}
