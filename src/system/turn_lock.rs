//! Turns among processes of one user: a lock on a file of its own for each file that is edited.
//!
//! The locks lie in a folder that only this user may enter, never on the edited file: a lock that every user may take
//! would let any of them stop an administrator's run. So two users who edit one file do not wait for each other. A lock
//! ends with its process, however that ends; who finishes removes the file. Where no such folder may be made, nobody
//! waits.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::digest::{Digest, Hasher};
use super::fs::file_error;
use super::package_lock::Holder;
use crate::diag::{Diagnostic, Result};

/// How long one turn of another process is waited for. Many short ones may take longer together.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);
/// Between two looks, at most.
const LOOK: Duration = Duration::from_millis(50);
/// What a lock's file says at most.
const TEXT: u64 = 64;

/// What the files of locks say that are waited for, and since when. Those of this process who come one after the other
/// wait for a holder once, not each of them anew.
static SEEN: Mutex<Option<HashMap<PathBuf, (String, Instant)>>> = Mutex::new(None);

/// A lock; others may have it once it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    folder: PathBuf,
    /// The same folder, whatever its name leads to by now.
    within: OwnedFd,
    name: String,
    /// Closing it ends the lock. For those who wait it says whose it is; a turn has a text of its own.
    held: File,
}

impl Lock {
    /// Says to those who wait that the holder is at work.
    pub(super) fn renew(&self) {
        let text = format!("{} {}", std::process::id(), jiff::Timestamp::now().as_nanosecond());
        // In one go: the text is as long as the one before.
        let _ = self.held.write_all_at(text.as_bytes(), 0);
    }

    /// What those who wait read.
    #[cfg(test)]
    pub(super) fn text(&self) -> String {
        std::fs::read_to_string(self.folder.join(&self.name)).unwrap()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While the lock is still held, so the name leads to this file.
        let _ = rustix::fs::unlinkat(&self.within, &self.name, AtFlags::empty());
        // Only if nobody else has a lock there.
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// Waits for the lock of a file; `None` where there can be none. An error from `ended`, or if one holder keeps it for
/// longer than `patience`.
pub(super) fn lock(edited: &Path, patience: Duration, ended: impl Fn() -> Option<Diagnostic>) -> Result<Option<Lock>> {
    let own = rustix::process::geteuid().as_raw();
    for folder in folders(own) {
        if let Some(lock) = lock_in(&folder, edited, patience, &ended)? {
            return Ok(Some(lock));
        }
    }
    Ok(None)
}

/// Where this user's locks may lie. Names and order are the same for all processes of a user. Below `/run` no other user
/// can take the name first; a user's folder there is missing where nobody of that name has logged in.
fn folders(own: u32) -> Vec<PathBuf> {
    let run = if own == 0 { "/run/hostctl-turns".to_owned() } else { format!("/run/user/{own}/hostctl-turns") };
    let run = PathBuf::from(run);
    std::iter::once(run)
        .chain(["/var/tmp", "/tmp"].map(|place| format!("{place}/.hostctl-turns-{own}").into()))
        .collect()
}

fn lock_in(
    folder: &Path,
    edited: &Path,
    patience: Duration,
    ended: &impl Fn() -> Option<Diagnostic>,
) -> Result<Option<Lock>> {
    let name = Hasher::of(Digest::Sha256, edited.as_os_str().as_bytes())[..32].to_owned();
    let path = folder.join(&name);
    let failed = |error: Errno| file_error("lock", &path, &error.into());
    let mut pause = Duration::from_millis(1);
    loop {
        let Some((within, file)) = open(folder, &name).map_err(failed)? else { return Ok(None) };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if is_at(&file, &within, &name) => {
                seen(&path, None);
                let _ = file.set_len(0);
                let lock = Lock { folder: folder.to_owned(), within, name, held: file };
                lock.renew();
                return Ok(Some(lock));
            }
            // Who had it before has removed it.
            Ok(()) => continue,
            Err(Errno::WOULDBLOCK | Errno::INTR) => {}
            // There are file systems without locks.
            Err(Errno::NOTSUP | Errno::NOSYS | Errno::NOLCK | Errno::INVAL) => return Ok(None),
            Err(error) => return Err(failed(error)),
        }
        let mut text = String::new();
        let _ = (&file).take(TEXT).read_to_string(&mut text);
        drop(file);
        if seen(&path, Some(&text)).is_some_and(|since| since.elapsed() >= patience) {
            return Err(held(edited, &text, patience));
        }
        if let Some(diagnostic) = ended() {
            return Err(diagnostic);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LOOK);
    }
}

/// The lock's file in a folder of this user's own, and that folder; both are made if missing. `None` if there can be
/// none here: nothing may be written, or the folder is somebody else's.
fn open(folder: &Path, name: &str) -> std::result::Result<Option<(OwnedFd, File)>, Errno> {
    let own = rustix::process::geteuid().as_raw();
    // Who removes the folder may do so in between.
    for _ in 0..50 {
        match rustix::fs::mkdir(folder, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return elsewhere(error),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let held = match rustix::fs::open(folder, flags, Mode::empty()) {
            Ok(held) => held,
            Err(Errno::NOENT | Errno::INTR) => continue,
            // No folder, but a file or a link of that name.
            Err(Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(error) => return elsewhere(error),
        };
        let stat = rustix::fs::fstat(&held)?;
        if stat.st_uid != own || stat.st_mode & 0o7777 != 0o700 {
            return Ok(None);
        }
        // Nobody else may change what lies in there.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        match rustix::fs::openat(&held, name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => return Ok(Some((held, file.into()))),
            Err(Errno::NOENT | Errno::INTR) => {}
            Err(error) => return elsewhere(error),
        }
    }
    Ok(None)
}

/// The next folder may be open to this user. What is full or out of reach for a moment is an error: others might get
/// their lock here.
fn elsewhere<T>(error: Errno) -> std::result::Result<Option<T>, Errno> {
    match error {
        Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::NOENT | Errno::NOTDIR => Ok(None),
        error => Err(error),
    }
}

/// The open file is the one that the name leads to.
fn is_at(file: &File, folder: &OwnedFd, name: &str) -> bool {
    let named = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    let (Ok(open), Ok(named)) = (rustix::fs::fstat(file), named) else { return false };
    (open.st_dev, open.st_ino) == (named.st_dev, named.st_ino)
}

/// Since when a lock's file has said the same; `None` if the text is new. Without a text: nobody is waited for.
fn seen(path: &Path, text: Option<&str>) -> Option<Instant> {
    let mut all = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let all = all.get_or_insert_default();
    let Some(text) = text else {
        all.remove(path);
        return None;
    };
    match all.get(path) {
        Some((known, since)) if known == text => Some(*since),
        _ => {
            all.insert(path.to_owned(), (text.to_owned(), Instant::now()));
            None
        }
    }
}

/// The error about a holder that does not come to an end.
fn held(edited: &Path, text: &str, patience: Duration) -> Diagnostic {
    let path = edited.display();
    let pid = text.split(' ').next().and_then(|pid| pid.parse::<u32>().ok());
    let who = pid.map_or_else(|| "another process".to_owned(), |pid| Holder::new("", pid).who());
    Diagnostic::task("H0126", format!("`{path}` is being edited by {who}, which does not come to an end"))
        .with_note(format!("waited {} s", patience.as_secs()))
        .with_hint(pid.map_or_else(|| "look for another `hostctl`".to_owned(), |pid| format!("ps -fp {pid}")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn never() -> Option<Diagnostic> {
        None
    }

    #[test]
    fn a_lock_keeps_others_off_names_its_holder_and_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let (folder, edited) = (place.path().join("turns"), Path::new("/etc/edited"));
        let take = || lock_in(&folder, edited, Duration::ZERO, &never);
        let lock = take().unwrap().unwrap();
        assert!(lock_in(&folder, Path::new("/etc/other"), Duration::ZERO, &never).unwrap().is_some());
        let error = take().unwrap_err();
        let own = std::process::id().to_string();
        assert!(error.code == "H0126" && error.message.contains("/etc/edited") && error.message.contains(&own));
        let stopped = lock_in(&folder, edited, PATIENCE, &|| Some(Diagnostic::task("H0105", "stopped")));
        assert_eq!(stopped.unwrap_err().code, "H0105");
        drop(lock);
        assert!(!folder.exists());
        assert!(take().unwrap().is_some());
    }

    #[test]
    fn who_comes_next_does_not_wait_for_the_same_holder_anew() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("turns");
        let looks = std::cell::Cell::new(0);
        let stop = || {
            looks.set(looks.get() + 1);
            Some(Diagnostic::task("H0105", "stopped"))
        };
        let take = |patience| lock_in(&folder, Path::new("/x"), patience, &stop).map(|lock| lock.is_some());
        let lock = lock_in(&folder, Path::new("/x"), PATIENCE, &never).unwrap().unwrap();
        assert_eq!(take(PATIENCE).unwrap_err().code, "H0105");
        // It was looked at before: no further look.
        assert_eq!(take(Duration::ZERO).unwrap_err().code, "H0126");
        assert_eq!(looks.get(), 1);
        drop(lock);
        // Another holder is another matter.
        assert!(take(Duration::ZERO).unwrap());
        let _lock = lock_in(&folder, Path::new("/x"), PATIENCE, &never).unwrap().unwrap();
        assert_eq!(take(Duration::ZERO).unwrap_err().code, "H0105");
    }

    #[test]
    fn the_arguments_of_a_holder_are_not_told() {
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "echo; read line", "-e", "db_password=canary"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // It is the program by then.
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let error = held(Path::new("/etc/edited"), &format!("{} 1", child.id()), PATIENCE);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(error.message.contains(&format!("`sh` (process {})", child.id())), "{error:?}");
        assert!(!format!("{error:?}").contains("canary"));
    }

    #[test]
    fn who_waits_for_a_removed_file_does_not_share_the_lock() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("turns");
        let count = std::sync::Mutex::new((0, 0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _lock = lock_in(&folder, Path::new("/x"), PATIENCE, &never).unwrap().unwrap();
                        let inside = |by: i32| {
                            let mut count = count.lock().unwrap();
                            count.0 += by;
                            count.1 = count.1.max(count.0);
                        };
                        inside(1);
                        std::thread::yield_now();
                        inside(-1);
                    }
                });
            }
        });
        assert_eq!(count.into_inner().unwrap(), (0, 1));
    }

    #[test]
    fn a_folder_that_is_not_ones_own_is_not_used() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("turns");
        let take = || lock_in(&folder, Path::new("/x"), PATIENCE, &never).unwrap().is_some();
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!take());
        std::fs::remove_dir(&folder).unwrap();
        std::os::unix::fs::symlink(place.path(), &folder).unwrap();
        assert!(!take());
        std::fs::remove_file(&folder).unwrap();
        std::fs::write(&folder, "").unwrap();
        assert!(!take());
        assert!(lock_in(Path::new("/proc/none"), Path::new("/x"), PATIENCE, &never).unwrap().is_none());
    }
    #[test]
    fn only_what_is_closed_to_this_user_sends_to_the_next_folder() {
        for next in [Errno::ACCESS, Errno::PERM, Errno::ROFS, Errno::NOENT, Errno::NOTDIR] {
            assert_eq!(elsewhere::<()>(next), Ok(None));
        }
        for error in [Errno::MFILE, Errno::NFILE, Errno::NOSPC, Errno::DQUOT, Errno::IO, Errno::NOMEM] {
            assert_eq!(elsewhere::<()>(error), Err(error));
        }
        // A name that no folder can have.
        let place = tempfile::tempdir().unwrap();
        let error = lock_in(&place.path().join("x".repeat(300)), Path::new("/x"), PATIENCE, &never).unwrap_err();
        assert!(error.code == "H0101" && error.message.contains("cannot lock"), "{error:?}");
    }

    #[test]
    fn a_folder_that_is_replaced_meanwhile_is_not_touched() {
        let place = tempfile::tempdir().unwrap();
        let (folder, moved) = (place.path().join("turns"), place.path().join("moved"));
        let lock = lock_in(&folder, Path::new("/x"), PATIENCE, &never).unwrap().unwrap();
        std::fs::rename(&folder, &moved).unwrap();
        std::fs::create_dir(&folder).unwrap();
        let other = folder.join(&lock.name);
        std::fs::write(&other, "other").unwrap();
        drop(lock);
        assert!(other.exists());
        assert_eq!(std::fs::read_dir(&moved).unwrap().count(), 0);
    }

    #[test]
    fn the_runtime_folder_comes_first() {
        let names = |own| folders(own).iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>();
        assert_eq!(names(0)[0], "/run/hostctl-turns");
        let rest = ["/var/tmp/.hostctl-turns-7", "/tmp/.hostctl-turns-7"];
        assert_eq!(names(7), ["/run/user/7/hostctl-turns", rest[0], rest[1]]);
    }
}
