//! Archives that were fetched before, in a private folder of this user: what is there need not come again. Each is taken
//! by its digest, so that a damaged or replaced file is never used. What names and notes mean is the caller's business.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Mutate;
use super::arriving::Arriving;
use super::digest::{Digest, Hasher};
use super::state::{StateChange, own, private_folder};
use super::tree::open_plain;

/// Ends the name of an archive.
const ARCHIVE: &str = ".archive";
/// Ends the name of an archive's note.
const NOTE: &str = ".json";
/// The longest note.
const LONGEST_NOTE: u64 = 64 << 10;
/// What stays free on the file system at least after an archive was kept.
const FREE: u64 = 1 << 30;

impl Mutate {
    /// Copies a kept archive to `to` if its SHA-256 is this one, and notes that it was used. False if there is none; one
    /// with another content is removed.
    pub fn take_source(&self, folder: &Path, name: &str, sha256: &str, to: &Path) -> io::Result<bool> {
        let path = folder.join(format!("{name}{ARCHIVE}"));
        let mut file = match open_plain(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        own(folder)?;
        let mut out = File::create(to)?;
        let ([found], _) = Hasher::copy([Digest::Sha256], &mut file, |part| out.write_all(part))?;
        if found != sha256 {
            fs::remove_file(&path)?;
            return Ok(false);
        }
        File::options().append(true).open(&path)?.set_modified(SystemTime::now())?;
        Ok(true)
    }

    /// What was noted beside a kept archive.
    pub fn source_note(&self, folder: &Path, name: &str) -> Option<Vec<u8>> {
        self.probe().state_file(folder, &format!("{name}{NOTE}"), LONGEST_NOTE).ok().flatten()
    }

    /// Keeps a copy of an archive, with a note if there is one. False if the file system has not the room for it.
    pub fn keep_source(&self, folder: &Path, name: &str, archive: &Path, note: Option<&[u8]>) -> io::Result<bool> {
        private_folder(folder)?;
        let mut from = open_plain(archive)?;
        let room = rustix::fs::statvfs(folder)?;
        let room = room.f_bavail.saturating_mul(room.f_frsize);
        if room < from.metadata()?.len().saturating_add(FREE) {
            return Ok(false);
        }
        let mut file = Arriving::new(folder)?;
        io::copy(&mut from, file.file())?;
        file.put(&folder.join(format!("{name}{ARCHIVE}")))?;
        if let Some(note) = note {
            let write = |_| Ok::<_, io::Error>(StateChange::Write(note.to_vec()));
            self.replace_state(folder, &format!("{name}{NOTE}"), LONGEST_NOTE, write)?;
        }
        Ok(true)
    }

    /// Removes archives that were not used for so long, then those longest not used until the rest has at most `most`
    /// bytes. Their notes go with them.
    pub fn prune_sources(&self, folder: &Path, unused: Duration, most: u64) -> io::Result<()> {
        let mut kept: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for name in self.probe().state_names(folder, ARCHIVE)? {
            let path = folder.join(name);
            let meta = fs::symlink_metadata(&path)?;
            kept.push((meta.modified()?, meta.len(), path));
        }
        if kept.is_empty() {
            return Ok(());
        }
        own(folder)?;
        kept.sort();
        let mut size = kept.iter().fold(0_u64, |sum, (_, size, _)| sum.saturating_add(*size));
        for (used, bytes, path) in kept {
            let old = used.elapsed().is_ok_and(|age| age > unused);
            if !old && size <= most {
                continue;
            }
            size = size.saturating_sub(bytes);
            fs::remove_file(&path)?;
            match fs::remove_file(path.with_extension(&NOTE[1..])) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Probe;
    use super::*;

    #[test]
    fn archives_are_taken_by_their_digest_and_go_when_unused() {
        let root = tempfile::tempdir().unwrap();
        let (folder, from, to) = (root.path().join("a/sources"), root.path().join("from"), root.path().join("to"));
        let mutate = Mutate::with_probe(Probe::new(Vec::new()));
        fs::write(&from, "content").unwrap();
        let sum = Hasher::of(Digest::Sha256, b"content");
        assert!(!mutate.take_source(&folder, "x", &sum, &to).unwrap(), "nothing is there yet");
        assert!(mutate.keep_source(&folder, "x", &from, Some(b"note")).unwrap());
        assert!(mutate.take_source(&folder, "x", &sum, &to).unwrap());
        assert_eq!(
            (fs::read(&to).unwrap(), mutate.source_note(&folder, "x").unwrap()),
            (b"content".to_vec(), b"note".to_vec())
        );
        // Damage is seen, and not met twice.
        fs::write(folder.join("x.archive"), "contents").unwrap();
        assert!(!mutate.take_source(&folder, "x", &sum, &to).unwrap());
        assert!(!folder.join("x.archive").exists());

        let names = || mutate.probe().state_names(&folder, "").unwrap();
        let old = SystemTime::now() - Duration::from_secs(1000);
        for (number, name) in ["a", "b", "c"].iter().enumerate() {
            assert!(mutate.keep_source(&folder, name, &from, Some(b"note")).unwrap());
            let file = File::options().append(true).open(folder.join(format!("{name}.archive"))).unwrap();
            file.set_modified(old + Duration::from_secs(number as u64)).unwrap();
        }
        // Use keeps it young.
        assert!(mutate.take_source(&folder, "a", &sum, &to).unwrap());
        mutate.prune_sources(&folder, Duration::from_secs(5000), 14).unwrap();
        assert_eq!(names(), ["a.archive", "a.json", "c.archive", "c.json", "x.json"]);
        mutate.prune_sources(&folder, Duration::from_secs(500), 1 << 20).unwrap();
        assert_eq!(names(), ["a.archive", "a.json", "x.json"]);
        // Another user's words are not taken.
        fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        assert!(mutate.take_source(&folder, "a", &sum, &to).is_err());
        assert!(mutate.keep_source(&folder, "d", &from, None).is_err());
    }
}
