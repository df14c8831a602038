//! Temporary files and folders that a killed process left behind: who made them, and when they go.
//!
//! A name tells who made it (`.hostctl-p PID`), or a lock on the folder tells that somebody uses it. The next process
//! that makes a temporary folder removes what is old, its own user's, and without a living owner; it follows no link.

use std::fs::{File, Metadata};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, OFlags};

/// Younger ones stay in any case: between the making of a folder and its lock there is a moment.
const OLD: Duration = Duration::from_hours(24);

/// Folders whose users hold a lock on them.
const LOCKED: [&str; 2] = ["hostctl-blobs-", "hostctl-job-"];

/// What the name of a temporary file of this process begins with.
pub fn prefix() -> String {
    format!(".hostctl-p{}-", std::process::id())
}

/// Says that a folder is in use for as long as the file is open.
pub fn hold(folder: &Path) -> Option<File> {
    let held = File::open(folder).ok()?;
    rustix::fs::flock(&held, FlockOperation::NonBlockingLockShared).ok()?;
    Some(held)
}

/// Removes what others left in the folders for temporary files; once a process.
pub fn sweep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut folders = vec![std::env::temp_dir()];
        folders.extend(["/var/tmp", "/tmp", "/dev/shm"].map(PathBuf::from));
        folders.dedup();
        for folder in folders {
            sweep_in(&folder, OLD);
        }
    });
}

fn sweep_in(folder: &Path, old: Duration) {
    // Without it nobody could be seen to live.
    if !Path::new("/proc/self").exists() {
        return;
    }
    let uid = rustix::process::geteuid().as_raw();
    // Where others may rename what is ours, a name says nothing.
    let safe = |meta: &Metadata| {
        let (owner, mode) = (meta.uid(), meta.permissions().mode());
        meta.is_dir() && (owner == 0 || owner == uid) && (mode & 0o022 == 0 || mode & 0o1000 != 0)
    };
    if !std::fs::symlink_metadata(folder).is_ok_and(|meta| safe(&meta)) {
        return;
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let by_lock = LOCKED.iter().any(|lead| random(name, lead));
        if !by_lock && owner(name).is_none_or(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
            continue;
        }
        let path = entry.path();
        let Ok(meta) = std::fs::symlink_metadata(&path) else { continue };
        let changed = meta.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
        if meta.uid() != uid || changed.is_none_or(|age| age < old) {
            continue;
        }
        // Errors: somebody else removes it, too, or it stays.
        if meta.is_dir() && (!by_lock || free(&path, &meta)) {
            let _ = std::fs::remove_dir_all(&path);
        } else if meta.is_file() && !by_lock {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// True for a name that this program makes: the beginning and six random characters.
fn random(name: &str, lead: &str) -> bool {
    name.strip_prefix(lead).is_some_and(|rest| rest.len() == 6 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// The process of a name that [`prefix`] begins.
fn owner(name: &str) -> Option<u32> {
    let (pid, rest) = name.strip_prefix(".hostctl-p")?.split_once('-')?;
    let rest = rest.split_once('.').map_or(rest, |(rest, _)| rest);
    let plain = rest.len() == 6 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    pid.parse().ok().filter(|_| plain)
}

/// True if nobody holds the folder that was looked at.
fn free(path: &Path, seen: &Metadata) -> bool {
    let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed();
    let Ok(folder) = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path) else { return false };
    let same = folder.metadata().is_ok_and(|meta| (meta.dev(), meta.ino()) == (seen.dev(), seen.ino()));
    same && rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_living_owner_goes_and_all_else_stays() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let dead = (400_000..500_000).find(|pid| !Path::new(&format!("/proc/{pid}")).exists()).unwrap();
        let goes = [at("hostctl-blobs-aB3dE6"), at("hostctl-job-aB3dE6"), at(&format!(".hostctl-p{dead}-aB3dE6"))];
        let file = at(&format!(".hostctl-p{dead}-xyz123.deb"));
        for folder in &goes {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("large"), "x").unwrap();
        }
        std::fs::write(&file, "x").unwrap();
        let kept = at("kept");
        std::fs::write(&kept, "x").unwrap();
        // A planted link is no folder of ours, nor is what it names.
        let link = at("hostctl-blobs-linked");
        std::os::unix::fs::symlink(place.path(), &link).unwrap();
        std::os::unix::fs::symlink(&kept, goes[0].join("link")).unwrap();
        let alive = at(&format!("{}aB3dE6", prefix()));
        let used = at("hostctl-blobs-uSed12");
        let stays = [&alive, &used, &at(".hostctl-1000-abcdef"), &at("hostctl-mine"), &at(".hostctl-p-aB3dE6")];
        stays.iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
        let held = hold(&used).unwrap();
        sweep_in(place.path(), OLD);
        assert!(goes.iter().all(|folder| folder.exists()) && file.exists(), "they are young");
        sweep_in(place.path(), Duration::ZERO);
        assert!(goes.iter().all(|folder| !folder.exists()) && !file.exists());
        assert!(stays.iter().all(|folder| folder.exists()) && kept.exists() && link.is_symlink());
        drop(held);
        sweep_in(place.path(), Duration::ZERO);
        assert!(!used.exists());
    }

    #[test]
    fn a_folder_in_which_others_may_rename_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let left = place.path().join("hostctl-blobs-aB3dE6");
        std::fs::create_dir(&left).unwrap();
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        sweep_in(place.path(), Duration::ZERO);
        assert!(left.exists());
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o1777)).unwrap();
        sweep_in(place.path(), Duration::ZERO);
        assert!(!left.exists());
    }
}
