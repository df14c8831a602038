//! Digests of files' content, with all that tells later whether a file may have changed since.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Probe;
use super::digest::{Digest, Hasher};
use super::tree::open_plain;

/// Threads that read files at the same time, at most.
const READERS: usize = 8;

/// What a file looks like from outside. Two equal stamps are the same content, unless it changed within the
/// clock's grain (see [`Hashed::settled`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The device.
    pub dev: u64,
    /// The inode.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970 of the last change of content.
    pub mtime: i128,
    /// Nanoseconds since 1970 of the last change of anything.
    pub ctime: i128,
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        let time = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            dev: meta.dev(),
            inode: meta.ino(),
            size: meta.len(),
            mtime: time(meta.mtime(), meta.mtime_nsec()),
            ctime: time(meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// It last changed so long before `now` that a later change cannot leave the same stamp.
    fn settled(&self, now: i128, settle: Duration) -> bool {
        let newest = self.mtime.max(self.ctime);
        newest.saturating_add(i128::try_from(settle.as_nanos()).unwrap_or(i128::MAX)) <= now
    }
}

/// A file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashed {
    /// SHA-256 in hex.
    pub digest: String,
    /// The file as it was before it was read.
    pub stamp: Stamp,
    /// The stamp may stand for the digest later: it was the same after reading, and is not of this very moment.
    pub settled: bool,
}

impl Probe {
    /// A regular file's stamp; links are not followed.
    pub fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        let meta = std::fs::symlink_metadata(path)?;
        if !meta.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
        }
        Ok(Stamp::of(&meta))
    }

    /// Digests of regular files, in their order, read by several threads. Stamps of files that changed less than
    /// `settle` ago are not trusted (as git's index does it).
    pub fn content_digests(&self, paths: &[PathBuf], settle: Duration) -> Vec<io::Result<Hashed>> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(READERS).min(paths.len());
        if threads < 2 {
            return paths.iter().map(|path| hash(path, settle)).collect();
        }
        let next = AtomicUsize::new(0);
        let mut found: Vec<Option<io::Result<Hashed>>> = paths.iter().map(|_| None).collect();
        std::thread::scope(|scope| {
            let work = || {
                let mut own = Vec::new();
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = paths.get(place) else { return own };
                    own.push((place, hash(path, settle)));
                }
            };
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            for (place, hashed) in workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()) {
                found[place] = Some(hashed);
            }
        });
        let broken = || Err(io::Error::other("the thread that read it broke off"));
        found.into_iter().map(|hashed| hashed.unwrap_or_else(broken)).collect()
    }
}

fn hash(path: &Path, settle: Duration) -> io::Result<Hashed> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let file = open_plain(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    let ([digest], size) = Hasher::of_all([Digest::Sha256], &file)?;
    let after = Stamp::of(&file.metadata()?);
    let settled = stamp == after && size == stamp.size && stamp.settled(i128::try_from(now).unwrap_or(0), settle);
    Ok(Hashed { digest, stamp, settled })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_hashed_in_order_and_only_old_ones_are_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..20).map(|number| folder.path().join(number.to_string())).collect();
        for path in &paths {
            std::fs::write(path, path.file_name().unwrap().as_encoded_bytes()).unwrap();
        }
        let probe = Probe::new(Vec::new());
        let found = probe.content_digests(&paths, Duration::from_secs(2));
        for (number, hashed) in found.iter().enumerate() {
            let hashed = hashed.as_ref().unwrap();
            assert_eq!(hashed.digest, Hasher::of(Digest::Sha256, number.to_string().as_bytes()));
            assert!(!hashed.settled, "it was written just now");
            assert_eq!(probe.stamp(&paths[number]).unwrap(), hashed.stamp);
        }
        std::os::unix::fs::symlink(&paths[0], folder.path().join("link")).unwrap();
        assert!(probe.stamp(&folder.path().join("link")).is_err());
        assert!(probe.content_digests(&[folder.path().join("link")], Duration::ZERO)[0].is_err());
    }

    #[test]
    fn a_stamp_of_the_last_moment_or_of_the_future_is_not_settled() {
        let stamp = |mtime, ctime| Stamp { dev: 1, inode: 1, size: 1, mtime, ctime };
        let settled = |stamp: Stamp| stamp.settled(10_000_000_000, Duration::from_secs(2));
        assert!(settled(stamp(8_000_000_000, 8_000_000_000)));
        assert!(!settled(stamp(8_000_000_001, 1)));
        assert!(!settled(stamp(1, 8_000_000_001)), "the time of content can be set back, this one cannot");
        assert!(!settled(stamp(20_000_000_000, 1)));
    }
}
