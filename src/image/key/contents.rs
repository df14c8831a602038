//! Digests of context files, remembered between runs by what tells that a file is still the same.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::image::SentTree;
use crate::image::docker::{kept, read_context};
use crate::system::{Mutate, Probe, Stamp, StateChange, TreeItem};

/// The file in the state folder.
const NAME: &str = "contents";
/// Its first line.
const HEAD: &[u8] = b"hostctl contents 1\n";
/// Bytes of it that are read at most.
const LIMIT: u64 = 256 << 20;
/// Files that are remembered at most.
const MOST: usize = 500_000;
/// Days that a file is remembered which no run asks for.
const DAYS: i64 = 30;
/// A file that changed so shortly before it was read may change again and keep its times.
const SETTLE: Duration = Duration::from_secs(2);
const DAY: i64 = 86_400;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    digest: String,
    stamp: Stamp,
    /// The day it was last asked for.
    day: i64,
}

/// Content digests of files. Gives a wrong one only for a file that was changed with all of its size, inode and both
/// times kept, which takes a clock that was set back.
#[derive(Clone, Debug)]
pub struct Contents {
    known: HashMap<PathBuf, Known>,
    given: HashMap<PathBuf, String>,
    sent: Option<Arc<dyn SentTree>>,
    day: i64,
    settle: Duration,
    changed: bool,
}

impl Contents {
    /// Remembers nothing from earlier runs. `now` is in seconds since 1970.
    pub fn new(now: i64) -> Self {
        Self {
            known: HashMap::new(),
            given: HashMap::new(),
            sent: None,
            day: now / DAY,
            settle: SETTLE,
            changed: false,
        }
    }

    /// What earlier runs remembered in a state folder. A file that is missing, broken or of another version counts as
    /// empty: everything can be learned anew.
    pub fn load(probe: &Probe, folder: &Path, now: i64) -> Self {
        let mut contents = Self::new(now);
        let bytes = probe.state_file(folder, NAME, LIMIT).ok().flatten();
        contents.known = bytes.and_then(|bytes| parse(&bytes)).unwrap_or_default();
        contents
    }

    /// The digest (SHA-256 in hex) of a file is known, for example since it was just laid out from a blob of that name.
    pub fn give(&mut self, path: PathBuf, digest: String) {
        self.given.insert(path, digest);
    }

    /// Contexts are listed by the tree that was sent, as far as they are of it, and need not be here.
    pub fn list_by(&mut self, sent: Arc<dyn SentTree>) {
        self.sent = Some(sent);
    }

    /// A context's items after its `.dockerignore`; `root` is the context's folder on this host.
    pub(super) fn items(&self, context: &Path, root: &Path, dockerfile: &Path) -> Result<Vec<TreeItem>, String> {
        match self.sent.as_ref().and_then(|sent| Some((sent, sent.items(context)?))) {
            Some((sent, items)) => kept(items, dockerfile, &|path| sent.text(&context.join(path))),
            None => read_context(root, dockerfile),
        }
    }

    #[cfg(test)]
    pub(super) fn trusting(mut self) -> Self {
        self.settle = Duration::ZERO;
        self
    }

    /// Digests of regular files, each once, in any order. What changed or is not known is read, in parallel.
    pub(super) fn digests(&mut self, probe: &Probe, paths: Vec<PathBuf>) -> HashMap<PathBuf, io::Result<String>> {
        let mut found = HashMap::with_capacity(paths.len());
        let mut unknown = Vec::new();
        for path in paths {
            if let Some(digest) = self.given.get(&path) {
                found.insert(path, Ok(digest.clone()));
                continue;
            }
            let known = self.known.get_mut(&path);
            match known.filter(|known| probe.stamp(&path).is_ok_and(|stamp| stamp == known.stamp)) {
                Some(known) => {
                    // Not written back each day for each file: a week is near enough.
                    self.changed |= known.day + 7 < self.day;
                    known.day = self.day.max(known.day);
                    found.insert(path, Ok(known.digest.clone()));
                }
                None => unknown.push(path),
            }
        }
        let hashed = probe.content_digests(&unknown, self.settle);
        for (path, hashed) in unknown.into_iter().zip(hashed) {
            let hashed = match hashed {
                Ok(hashed) => hashed,
                Err(error) => {
                    found.insert(path, Err(error));
                    continue;
                }
            };
            if hashed.settled {
                let known = Known { digest: hashed.digest.clone(), stamp: hashed.stamp, day: self.day };
                self.known.insert(path.clone(), known);
                self.changed = true;
            } else {
                self.changed |= self.known.remove(&path).is_some();
            }
            found.insert(path, Ok(hashed.digest));
        }
        found
    }

    /// Writes what is known into a state folder, if there is something new. What another run wrote meanwhile stays.
    pub fn save(&mut self, mutate: &Mutate, folder: &Path) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        mutate.replace_state(folder, NAME, LIMIT, |old| {
            let mut all = old.ok().flatten().and_then(|bytes| parse(&bytes)).unwrap_or_default();
            all.extend(self.known.clone());
            all.retain(|_, known| known.day + DAYS >= self.day);
            if all.len() > MOST {
                let mut days: Vec<i64> = all.values().map(|known| known.day).collect();
                days.sort_unstable();
                let oldest = days[days.len() - MOST];
                all.retain(|_, known| known.day >= oldest);
                let mut left = MOST;
                all.retain(|_, _| {
                    left = left.saturating_sub(1);
                    left > 0
                });
            }
            Ok::<_, io::Error>(StateChange::Write(encode(&all)))
        })?;
        self.changed = false;
        Ok(())
    }
}

fn encode(all: &HashMap<PathBuf, Known>) -> Vec<u8> {
    let mut bytes = HEAD.to_vec();
    for (path, Known { digest, stamp, day }) in all {
        let Stamp { dev, inode, size, mtime, ctime } = stamp;
        bytes.extend(format!("{digest} {dev} {inode} {size} {mtime} {ctime} {day} ").as_bytes());
        bytes.extend(path.as_os_str().as_bytes());
        bytes.push(0);
    }
    bytes
}

/// `None` if anything in it is not as it was written.
fn parse(bytes: &[u8]) -> Option<HashMap<PathBuf, Known>> {
    let mut rest = bytes.strip_prefix(HEAD)?;
    let mut all = HashMap::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let mut fields = rest[..end].splitn(8, |byte| *byte == b' ');
        let mut text = || std::str::from_utf8(fields.next()?).ok();
        let digest = text()?.to_owned();
        if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let stamp = Stamp {
            dev: text()?.parse().ok()?,
            inode: text()?.parse().ok()?,
            size: text()?.parse().ok()?,
            mtime: text()?.parse().ok()?,
            ctime: text()?.parse().ok()?,
        };
        let day = text()?.parse().ok()?;
        all.insert(PathBuf::from(OsStr::from_bytes(fields.next()?)), Known { digest, stamp, day });
        rest = &rest[end + 1..];
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::FileExt as _;

    use super::*;

    fn one(contents: &mut Contents, path: &Path) -> String {
        let probe = Probe::new(Vec::new());
        contents.digests(&probe, vec![path.to_owned()]).remove(path).unwrap().unwrap()
    }

    #[test]
    fn digests_are_remembered_and_changes_are_seen() {
        let place = tempfile::tempdir().unwrap();
        let (file, state) = (place.path().join("f"), place.path().join("state"));
        fs::write(&file, "one").unwrap();
        let mutate = Mutate::with_probe(Probe::new(Vec::new()));
        let mut contents = Contents::new(1000 * DAY).trusting();
        let digest = one(&mut contents, &file);
        contents.save(&mutate, &state).unwrap();
        assert!(!contents.changed);
        // What is remembered is not read again.
        let mut later = Contents::load(mutate.probe(), &state, 1000 * DAY);
        later.known.get_mut(&file).unwrap().digest = "0".repeat(64);
        assert_eq!(one(&mut later, &file), "0".repeat(64));
        // The same size and the same time of content: the other time gives it away.
        let meta = fs::metadata(&file).unwrap();
        let open = fs::OpenOptions::new().write(true).open(&file).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        open.write_all_at(b"two", 0).unwrap();
        open.set_modified(meta.modified().unwrap()).unwrap();
        let mut later = Contents::load(mutate.probe(), &state, 1000 * DAY);
        assert_ne!(one(&mut later, &file), digest);
        assert_eq!(later.known.get(&file), None, "it changed just now: not to be trusted");
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten_and_runs_keep_each_others() {
        let place = tempfile::tempdir().unwrap();
        let state = place.path().join("state");
        let mutate = Mutate::with_probe(Probe::new(Vec::new()));
        let files = ["a", "b\nb c", "d"].map(|name| place.path().join(name));
        for (file, day) in files.iter().zip([1000, 1020, 1040]) {
            fs::write(file, "x").unwrap();
            let mut contents = Contents::new(day * DAY).trusting();
            one(&mut contents, file);
            contents.save(&mutate, &state).unwrap();
        }
        let left = Contents::load(mutate.probe(), &state, 1040 * DAY);
        let mut paths: Vec<_> = left.known.into_keys().collect();
        paths.sort();
        assert_eq!(paths, files[1..]);
    }

    #[test]
    fn a_broken_file_counts_as_empty() {
        let place = tempfile::tempdir().unwrap();
        let probe = Probe::new(Vec::new());
        let line = format!("{} 1 2 3 4 5 6 /x\0", "a".repeat(64));
        let load = |bytes: &str| {
            fs::write(place.path().join(NAME), bytes).unwrap();
            Contents::load(&probe, place.path(), 0).known.len()
        };
        assert_eq!(load(&format!("hostctl contents 1\n{line}")), 1);
        assert_eq!(load(&format!("hostctl contents 2\n{line}")), 0);
        assert_eq!(load(&format!("hostctl contents 1\n{line}{}", &line[1..])), 0);
        assert_eq!(load(&format!("hostctl contents 1\n{}", line.trim_end_matches('\0'))), 0);
    }

    #[test]
    fn what_was_given_is_not_read() {
        let mut contents = Contents::new(0);
        contents.give("/none".into(), "d".into());
        assert_eq!(one(&mut contents, Path::new("/none")), "d");
    }

    proptest::proptest! {
        #[test]
        fn no_file_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let mut text = HEAD.to_vec();
            text.extend(&bytes);
            let _ = parse(&text);
            let _ = parse(&bytes);
        }
    }
}
