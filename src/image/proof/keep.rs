//! The record of clean layers on the host: a text and its key, both in a folder of this user alone.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::clean::Clean;
use crate::diag::Result;
use crate::system::fs::{Content, WriteOptions};
use crate::system::{Mutate, Probe};

const KEY: &str = "proof.key";
const RECORD: &str = "proof.layers";
/// Bytes of the record that are read.
const LIMIT: u64 = 8 << 20;

/// The record in a folder. One that is not there, is damaged, or whose files others may write is
/// none: every layer is searched then.
pub fn load(probe: &Probe, folder: &Path) -> Clean {
    let read = |name: &str| -> Option<Vec<u8>> {
        let path = folder.join(name);
        let found = probe.lstat(&path).ok()??;
        let own = found.uid() == probe.lstat(folder).ok()??.uid();
        let private = found.mode() & 0o077 == 0;
        if own && private && found.is_file() { probe.read_part(&path, 0, LIMIT).ok() } else { None }
    };
    let key: Option<[u8; 32]> = read(KEY).and_then(|bytes| bytes.try_into().ok());
    let Some(key) = key else { return Clean::default() };
    Clean::parse(key, &String::from_utf8_lossy(&read(RECORD).unwrap_or_default()))
}

/// Writes the record; what another run wrote meanwhile stays in it. The folder must exist.
pub fn save(mutate: &Mutate, folder: &Path, clean: &Clean) -> Result<()> {
    let mut whole = load(mutate.probe(), folder);
    let new_key = !whole.merge(clean);
    if new_key {
        whole = clean.clone();
    }
    let options = WriteOptions { mode: Some(0o600), ignore_present: true, ..WriteOptions::default() };
    if new_key {
        mutate.write(&folder.join(KEY), Content::Bytes(clean.key()), options)?;
    }
    mutate.write(&folder.join(RECORD), Content::Bytes(whole.text().as_bytes()), options)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_record_is_kept_private_and_two_runs_do_not_lose_each_others() {
        let folder = tempfile::tempdir().unwrap();
        let (probe, mutate) = (Probe::new(Vec::new()), Mutate::with_probe(Probe::new(Vec::new())));
        let mut one = load(&probe, folder.path());
        let print = one.fingerprint(["x"].into_iter());
        one.learn(&print, "a", 1);
        save(&mutate, folder.path(), &one).unwrap();
        let (mut left, mut right) = (load(&probe, folder.path()), load(&probe, folder.path()));
        assert_eq!(left.get(&print, "a"), Some(1));
        left.learn(&print, "b", 2);
        right.learn(&print, "c", 3);
        save(&mutate, folder.path(), &left).unwrap();
        save(&mutate, folder.path(), &right).unwrap();
        let all = load(&probe, folder.path());
        assert_eq!((all.get(&print, "a"), all.get(&print, "b"), all.get(&print, "c")), (Some(1), Some(2), Some(3)));
        for name in [KEY, RECORD] {
            assert_eq!(fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777, 0o600);
        }
        // Another key is another record.
        save(&mutate, folder.path(), &Clean::new([1; 32])).unwrap();
        assert!(load(&probe, folder.path()).is_empty());
        fs::set_permissions(folder.path().join(KEY), fs::Permissions::from_mode(0o644)).unwrap();
        save(&mutate, folder.path(), &left).unwrap();
        fs::set_permissions(folder.path().join(RECORD), fs::Permissions::from_mode(0o622)).unwrap();
        assert!(load(&probe, folder.path()).is_empty());
        assert!(load(&probe, &folder.path().join("none")).is_empty());
    }
}
