//! Temporary files and folders that a killed process left behind: who made them, and when they go.
//!
//! A name tells who made it (`.hostctl-pPID.SPACE-`), or a lock on the folder tells that somebody uses it. The next
//! process that makes a temporary folder removes what is old, its own user's, and without a living owner; it follows no
//! link. Containers may share a folder: a number of a process says nothing outside the space in which it counts, so
//! what others made stays until nobody could still work with it.

use std::fs::{File, Metadata};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Once, OnceLock};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, OFlags};

use super::digest::{Digest, Hasher};

/// Younger ones stay in any case: between the making of a folder and its lock there is a moment.
const OLD: Duration = Duration::from_hours(24);

/// So old is no task. For files of processes that cannot be looked for.
const FORGOTTEN: Duration = Duration::from_hours(24 * 10);

/// Folders whose users hold a lock on them.
const LOCKED: [&str; 2] = ["hostctl-blobs-", "hostctl-job-"];

/// What the name of a temporary file of this process begins with.
pub fn prefix() -> String {
    format!(".hostctl-p{}.{}-", std::process::id(), space().unwrap_or(0))
}

/// The space in which this process has its number: there may be one of the same number in another container, and on
/// another machine with the same folder, whose spaces may bear the same names.
fn space() -> Option<u64> {
    static KNOWN: OnceLock<Option<u64>> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let boot = std::fs::read("/proc/sys/kernel/random/boot_id").ok().filter(|boot| !boot.is_empty())?;
        Some(space_of(&boot, std::fs::metadata("/proc/self/ns/pid").ok()?.ino()))
    })
}

/// One name for the boot of a machine and a space of process numbers in it; never 0.
fn space_of(boot: &[u8], inode: u64) -> u64 {
    let mut bytes = boot.to_vec();
    bytes.extend(inode.to_be_bytes());
    let digest = Hasher::of(Digest::Sha256, &bytes);
    u64::from_str_radix(&digest[..16], 16).unwrap_or_default().max(1)
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
            sweep_in(&folder, OLD, FORGOTTEN);
        }
    });
}

fn sweep_in(folder: &Path, old: Duration, forgotten: Duration) {
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
        let old = match owner(name) {
            _ if by_lock => old,
            Some((pid, made_in)) if made_in.is_some() && made_in == space() => {
                if alive(pid) {
                    continue;
                }
                old
            }
            Some(_) => forgotten,
            None => continue,
        };
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

/// The process of a name that [`prefix`] begins, and the space in which it has its number, if that is known.
fn owner(name: &str) -> Option<(i32, Option<u64>)> {
    let (owner, rest) = name.strip_prefix(".hostctl-p")?.split_once('-')?;
    let rest = rest.split_once('.').map_or(rest, |(rest, _)| rest);
    let plain = rest.len() == 6 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let (pid, space) = owner.split_once('.').unwrap_or((owner, "0"));
    let space: u64 = space.parse().ok()?;
    pid.parse().ok().filter(|pid| plain && *pid > 0).map(|pid| (pid, (space > 0).then_some(space)))
}

/// There is a process of this number in this process's space.
fn alive(pid: i32) -> bool {
    // Not by `/proc`, which may be another space's.
    let Some(pid) = rustix::process::Pid::from_raw(pid) else { return true };
    rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
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
        let dead = (400_000..500_000).find(|pid| !alive(*pid)).unwrap();
        let dead = format!("{dead}.{}", space().unwrap());
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
        sweep_in(place.path(), OLD, FORGOTTEN);
        assert!(goes.iter().all(|folder| folder.exists()) && file.exists(), "they are young");
        sweep_in(place.path(), Duration::ZERO, FORGOTTEN);
        assert!(goes.iter().all(|folder| !folder.exists()) && !file.exists());
        assert!(stays.iter().all(|folder| folder.exists()) && kept.exists() && link.is_symlink());
        drop(held);
        // A program that another test starts at this moment has the lock, too, until it is itself.
        let end = std::time::Instant::now() + Duration::from_secs(30);
        while used.exists() && std::time::Instant::now() < end {
            sweep_in(place.path(), Duration::ZERO, FORGOTTEN);
        }
        assert!(!used.exists());
    }

    #[test]
    fn what_another_machine_or_an_earlier_boot_left_stays_until_it_is_forgotten() {
        let inode = std::fs::metadata("/proc/self/ns/pid").unwrap().ino();
        let boot = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap();
        assert_eq!(space(), Some(space_of(&boot, inode)));
        let other = space_of(b"another machine", inode);
        assert!(other != space_of(&boot, inode) && space_of(&boot, inode) != space_of(&boot, inode ^ 1));
        let place = tempfile::tempdir().unwrap();
        let dead = (400_000..500_000).find(|pid| !alive(*pid)).unwrap();
        let left = [other, inode].map(|space| {
            let folder = place.path().join(format!(".hostctl-p{dead}.{space}-aB3dE6"));
            std::fs::create_dir(&folder).unwrap();
            folder
        });
        sweep_in(place.path(), Duration::ZERO, FORGOTTEN);
        assert!(left.iter().all(|folder| folder.exists()));
        sweep_in(place.path(), Duration::ZERO, Duration::ZERO);
        assert!(left.iter().all(|folder| !folder.exists()));
    }

    #[test]
    fn a_folder_in_which_others_may_rename_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let left = place.path().join("hostctl-blobs-aB3dE6");
        std::fs::create_dir(&left).unwrap();
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        sweep_in(place.path(), Duration::ZERO, FORGOTTEN);
        assert!(left.exists());
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o1777)).unwrap();
        sweep_in(place.path(), Duration::ZERO, FORGOTTEN);
        assert!(!left.exists());
    }

    /// Names the folder that the same test, started in a space of its own, is to sweep.
    const SWEEPS: &str = "HOSTCTL_TEST_SWEEPS";

    #[test]
    fn what_a_process_of_another_space_uses_stays() {
        if let Some(folder) = std::env::var_os(SWEEPS) {
            println!("swept in {}", space().unwrap());
            return sweep_in(Path::new(&folder), Duration::ZERO, FORGOTTEN);
        }
        let place = tempfile::tempdir().unwrap();
        let folders = [prefix(), format!(".hostctl-p{}-", std::process::id())].map(|lead| {
            let folder = place.path().join(format!("{lead}aB3dE6"));
            std::fs::create_dir(&folder).unwrap();
            folder
        });
        for more in [&["--mount-proc"][..], &[]] {
            let output = std::process::Command::new("unshare")
                .args(["--pid", "--fork"])
                .args(more)
                .arg(std::env::current_exe().unwrap())
                .args(["--exact", "--nocapture"])
                .arg(
                    concat!(module_path!(), "::what_a_process_of_another_space_uses_stays").split_once("::").unwrap().1,
                )
                .env(SWEEPS, place.path())
                .output();
            let said = output.as_ref().map(|output| String::from_utf8_lossy(&output.stdout)).unwrap_or_default();
            let Some((_, there)) = said.split_once("swept in ") else {
                println!("skipped: no PID namespaces here (needs root and `unshare`): {output:?}");
                return;
            };
            assert!(!there.starts_with(&space().unwrap().to_string()), "the space is another one");
            assert!(folders.iter().all(|folder| folder.exists()));
        }
        sweep_in(place.path(), Duration::ZERO, Duration::ZERO);
        assert!(folders[0].exists() && !folders[1].exists(), "nobody knows whose, and it is forgotten");
    }
}
