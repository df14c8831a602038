//! The private folder of a connection: control socket, logs, configuration, known hosts.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::diag::{Diagnostic, Result};

/// A socket's path may have 107 bytes, and ssh appends 17 while it starts.
const LONGEST: usize = 107 - 17;

/// A folder that only this user can enter. Goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Control {
    folder: TempDir,
}

impl Control {
    /// Makes one: below `$XDG_RUNTIME_DIR/hostctl`, else below the temporary directory.
    pub(crate) fn new() -> Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).and_then(|dir| own_folder(&dir));
        let temporary = [std::env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")];
        let mut reason = "no folder is short enough for a socket".to_owned();
        // The crate leaves it to the umask.
        let private = std::fs::Permissions::from_mode(0o700);
        for place in runtime.into_iter().chain(temporary) {
            // "/hc123456/s"
            if !place.is_absolute() || place.as_os_str().len() + 11 > LONGEST {
                continue;
            }
            match tempfile::Builder::new().prefix("hc").rand_bytes(6).permissions(private.clone()).tempdir_in(&place) {
                Ok(folder) => return Ok(Self { folder }),
                Err(error) => reason = format!("`{}`: {error}", place.display()),
            }
        }
        Err(Diagnostic::local("S0111", format!("no private folder for ssh's control socket: {reason}"))
            .with_hint("set TMPDIR to a folder that you can write, with a short name"))
    }

    /// Removes it now, since the process may end before it is dropped.
    pub(crate) fn remove(&self) {
        // What cannot be removed now is tried again when it is dropped.
        let _ = std::fs::remove_dir_all(self.folder.path());
    }

    /// The control socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    /// A file of the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// `hostctl` below a folder of this user, made if it is missing, refused if it is not private.
fn own_folder(runtime: &Path) -> Option<PathBuf> {
    let own = runtime.join("hostctl");
    // Exists already in most cases; what counts is what is there.
    let _ = std::fs::DirBuilder::new().mode(0o700).create(&own);
    let found = std::fs::symlink_metadata(&own).ok()?;
    let private =
        found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() && found.mode().trailing_zeros() >= 6;
    private.then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_private_and_the_socket_short() {
        let control = Control::new().unwrap();
        assert_eq!(std::fs::metadata(control.folder.path()).unwrap().mode() & 0o777, 0o700);
        assert!(control.socket().as_os_str().len() <= LONGEST);
    }

    #[test]
    fn a_folder_open_to_others_or_a_link_is_not_taken() {
        let runtime = tempfile::tempdir().unwrap();
        let own = own_folder(runtime.path()).unwrap();
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o770)).unwrap();
        assert_eq!(own_folder(runtime.path()), None);
        std::fs::remove_dir(&own).unwrap();
        std::os::unix::fs::symlink("/tmp", &own).unwrap();
        assert_eq!(own_folder(runtime.path()), None);
    }
}
