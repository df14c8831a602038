//! The record's folder: JSON files with a version, one a repository, replaced whole under a lock.
//! A file that cannot be read counts as no record, is told once, and is never lost: a newer one is left alone, a
//! broken one is kept beside the new.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::again::{Again, Reused};
use super::entry::{Entry, Pushed, Record};
use super::request::Request;
use crate::diag::{Diagnostic, Result};
use crate::system::digest::{Digest, Hasher};
use crate::system::{Mutate, Probe, StateChange};

/// The files' version.
pub(super) const VERSION: u64 = 1;
/// Bytes of a file at most; 20 builds with parts of 1000 files are below 1 MB.
const LIMIT: u64 = 32 << 20;
/// Where requests lie in the folder.
const REQUESTS: &str = "requests";
/// Where the tags of reused images lie in the folder.
const AGAIN: &str = "again";
/// How long a file's name gets before the rest is a digest.
const NAME: usize = 180;

/// The records of one host and user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    folder: PathBuf,
}

/// What was read: records by repository, and what could not be read.
#[derive(Clone, Debug, Default)]
pub struct Records {
    records: BTreeMap<String, Record>,
    /// To be told once.
    pub warnings: Vec<Diagnostic>,
}

#[derive(Serialize)]
struct Written<'a, T> {
    version: u64,
    #[serde(flatten)]
    content: &'a T,
}

#[derive(Deserialize)]
struct VersionOnly {
    version: u64,
}

/// Why a file counts as no record.
enum Unreadable {
    /// Written by a later hostctl.
    Newer(u64),
    /// Broken, or out of reach.
    Broken(String),
}

impl Records {
    /// What is known of a repository; empty if nothing is.
    pub fn get(&self, repository: &str) -> &Record {
        static NONE: Record = Record { repository: String::new(), entries: Vec::new() };
        self.records.get(repository).unwrap_or(&NONE)
    }

    /// Adds one, as after a build of this run.
    pub fn insert(&mut self, record: Record) {
        self.records.insert(record.repository.clone(), record);
    }
}

impl Store {
    /// The records in a folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The records of this user on this host.
    pub fn of_user(probe: &Probe) -> Result<Self> {
        probe.state_folder("images").map(Self::new).ok_or_else(|| {
            Diagnostic::task("B0071", "this user has no home folder to keep the record of builds in")
                .with_hint("set `HOME` or `XDG_STATE_HOME`, or name a folder with `--state-dir DIR`")
        })
    }

    /// Where the files lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The records of repositories. What cannot be read is told in the warnings and counts as never built.
    pub fn read<'a>(&self, probe: &Probe, repositories: impl IntoIterator<Item = &'a str>) -> Records {
        let mut records = Records::default();
        for repository in repositories.into_iter().collect::<BTreeSet<_>>() {
            let name = file_name(repository);
            match load::<Record>(probe.state_file(&self.folder, &name, LIMIT)) {
                Ok(Some(record)) if record.repository == repository => records.insert(record),
                // Another repository whose name has the same digest: as good as none.
                Ok(_) => {}
                Err(why) => records.warnings.push(why.warning(&self.folder.join(&name))),
            }
        }
        self.read_again(probe, &mut records);
        records
    }

    /// Adds a build. Gives back the repository's record with it.
    pub fn add(&self, mutate: &Mutate, repository: &str, entry: Entry) -> Result<Record> {
        self.change(mutate, repository, |record| record.push(entry))
    }

    /// Adds a push to the newest build with a key.
    pub fn pushed(&self, mutate: &Mutate, repository: &str, key: &str, pushed: &Pushed) -> Result<Record> {
        self.change(mutate, repository, |record| add_push(record, key, pushed))
    }

    /// Keeps the tags that a run of a set gave to images of earlier builds.
    pub fn pushed_again(&self, mutate: &Mutate, set: &str, reused: &[Reused]) -> Result<()> {
        let change = |old: Option<Again>| {
            let mut again = old.filter(|again| again.set == set).unwrap_or_default();
            set.clone_into(&mut again.set);
            again.add(reused);
            again
        };
        replace(mutate, &self.folder.join(AGAIN), &file_name(set), change).map(|_| ())
    }

    /// Adds the tags of reused images to what was read.
    fn read_again(&self, probe: &Probe, records: &mut Records) {
        if records.records.is_empty() {
            return;
        }
        let folder = self.folder.join(AGAIN);
        let mut reused = Vec::new();
        for name in probe.state_names(&folder, ".json").unwrap_or_default() {
            match load::<Again>(probe.state_file(&folder, &name, LIMIT)) {
                Ok(again) => reused.extend(again.map(|again| again.images).unwrap_or_default()),
                Err(why) => records.warnings.push(why.warning(&folder.join(&name))),
            }
        }
        // Several sets may have the same image.
        reused.sort_by_key(|one| one.time);
        for one in &reused {
            if let Some(record) = records.records.get_mut(&one.repository) {
                record.reused(one);
            }
        }
    }

    fn change(&self, mutate: &Mutate, repository: &str, change: impl FnOnce(&mut Record)) -> Result<Record> {
        let change = |old: Option<Record>| {
            let mut record = old.filter(|record| record.repository == repository).unwrap_or_default();
            repository.clone_into(&mut record.repository);
            change(&mut record);
            record
        };
        replace(mutate, &self.folder, &file_name(repository), change)
    }

    /// Keeps what a set was last asked for, so that its keys can be computed again.
    pub fn save_request(&self, mutate: &Mutate, request: &Request) -> Result<()> {
        replace(mutate, &self.folder.join(REQUESTS), &file_name(&request.set), |_| request.clone()).map(|_| ())
    }

    /// The last request of each set, newest first, and warnings about those that cannot be read.
    pub fn requests(&self, probe: &Probe) -> Result<(Vec<Request>, Vec<Diagnostic>)> {
        let folder = self.folder.join(REQUESTS);
        let names = probe.state_names(&folder, ".json").map_err(|error| {
            Diagnostic::task("B0071", format!("the record of builds `{}` cannot be read: {error}", folder.display()))
                .with_hint(format!("ls -ld {}", folder.display()))
        })?;
        let (mut requests, mut warnings) = (Vec::new(), Vec::new());
        for name in names {
            match load::<Request>(probe.state_file(&folder, &name, LIMIT)) {
                Ok(request) => requests.extend(request),
                Err(why) => warnings.push(why.warning(&folder.join(&name))),
            }
        }
        requests.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.set.cmp(&b.set)));
        Ok((requests, warnings))
    }
}

/// Replaces a file by what becomes of its content, and gives that back. A broken file is kept beside the new one.
fn replace<T: Serialize + DeserializeOwned>(
    mutate: &Mutate,
    folder: &Path,
    name: &str,
    change: impl FnOnce(Option<T>) -> T,
) -> Result<T> {
    let path = folder.join(name);
    let mut written = None;
    let write = |old: io::Result<Option<Vec<u8>>>| {
        let (old, aside) = match load::<T>(old) {
            Ok(old) => (old, false),
            Err(why @ Unreadable::Newer(_)) => return Err(Failed::Told(Box::new(why.refusal(&path)))),
            Err(Unreadable::Broken(_)) => (None, true),
        };
        let new = change(old);
        let bytes = encode(&new)?;
        written = Some(new);
        Ok(if aside { StateChange::WriteAside(bytes) } else { StateChange::Write(bytes) })
    };
    mutate.replace_state(folder, name, LIMIT, write).map_err(|failed| failed.diagnostic(&path))?;
    written.ok_or_else(|| Diagnostic::internal(format!("`{}` was not written", path.display())))
}

/// Into the newest build with the key.
fn add_push(record: &mut Record, key: &str, pushed: &Pushed) {
    if let Some(entry) = record.entries.iter_mut().rev().find(|entry| entry.key == key) {
        entry.push(pushed);
    }
}

/// An error on the way of a change.
enum Failed {
    Io(io::Error),
    Told(Box<Diagnostic>),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Failed {
    fn diagnostic(self, path: &Path) -> Diagnostic {
        match self {
            Self::Told(diagnostic) => *diagnostic,
            Self::Io(error) => {
                let folder = path.parent().unwrap_or(path).display().to_string();
                Diagnostic::task(
                    "B0072",
                    format!("the record of builds `{}` cannot be written: {error}", path.display()),
                )
                .with_note("builds go on; the next run will not know of this one")
                .with_hint(format!("df -h {folder}; ls -ld {folder}"))
            }
        }
    }
}

impl Unreadable {
    fn refusal(&self, path: &Path) -> Diagnostic {
        match self {
            Self::Newer(version) => Diagnostic::task(
                "B0073",
                format!(
                    "`{}` was written by a newer hostctl (version {version} of the file, {VERSION} is known)",
                    path.display()
                ),
            )
            .with_hint("use the newer hostctl on this host: its record is left as it is"),
            Self::Broken(why) => {
                Diagnostic::task("B0071", format!("the record of builds `{}` cannot be read: {why}", path.display()))
                    .with_note("its images count as never built; the file is kept beside the next one")
                    .with_hint(format!("ls -l {}", path.display()))
            }
        }
    }

    fn warning(&self, path: &Path) -> Diagnostic {
        self.refusal(path).warning()
    }
}

fn encode<T: Serialize>(content: &T) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(&Written { version: VERSION, content }).map_err(io::Error::other)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn load<T: for<'a> Deserialize<'a>>(bytes: io::Result<Option<Vec<u8>>>) -> std::result::Result<Option<T>, Unreadable> {
    let broken = |error: &dyn std::fmt::Display| Unreadable::Broken(error.to_string());
    let Some(bytes) = bytes.map_err(|error| broken(&error))? else { return Ok(None) };
    let found: VersionOnly = serde_json::from_slice(&bytes).map_err(|error| broken(&error))?;
    match found.version {
        VERSION => serde_json::from_slice(&bytes).map(Some).map_err(|error| broken(&error)),
        newer if newer > VERSION => Err(Unreadable::Newer(newer)),
        other => Err(Unreadable::Broken(format!("version {other} is unknown"))),
    }
}

/// A file's name for a repository or set: letters, digits, `.`, `_`, `-`, all else as `%XX`; what is too long ends in a
/// digest.
fn file_name(text: &str) -> String {
    let mut name = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' || (byte == b'.' && !name.is_empty()) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    if name.len() > NAME {
        let digest = Hasher::of(Digest::Sha256, text.as_bytes());
        name.truncate(NAME - 33);
        name.push('%');
        name.push_str(&digest[..32]);
    }
    // A set without registry, namespace and prefix has no name; `.json` would be a hidden file. No text makes `%.json`.
    if name.is_empty() {
        name.push('%');
    }
    format!("{name}.json")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn mutate() -> Mutate {
        Mutate::with_probe(Probe::new(Vec::new()))
    }

    fn entry(key: &str) -> Entry {
        Entry { key: key.into(), tag: "t".into(), time: 7, ..Entry::default() }
    }

    #[test]
    fn builds_and_pushes_are_kept_for_the_next_run() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::new(place.path().join("images"));
        let repository = "r:5000/lab/base";
        assert!(store.read(mutate().probe(), [repository]).get(repository).entries.is_empty());
        store.add(&mutate(), repository, entry("a")).unwrap();
        store.add(&mutate(), repository, entry("b")).unwrap();
        store.add(&mutate(), "other", entry("c")).unwrap();
        let pushed = Pushed { tag: "t2".into(), digest: "sha256:1".into(), seconds: 2.5, time: 8, key_tagged: Some(9) };
        let record = store.pushed(&mutate(), repository, "a", &pushed).unwrap();
        let records = store.read(mutate().probe(), [repository, "none"]);
        assert_eq!(records.get(repository), &record);
        let first = records.get(repository).by_key("a").unwrap();
        assert_eq!(
            (first.digest.as_deref(), first.tag.as_str(), first.push_seconds),
            (Some("sha256:1"), "t2", Some(2.5))
        );
        assert_eq!(records.get(repository).last().unwrap().key, "b");
        assert!(records.get("other").entries.is_empty(), "it was not asked for");
        assert!(store.folder().join("r%3A5000%2Flab%2Fbase.json").exists());
    }

    #[test]
    fn tags_of_reused_images_are_kept_at_once_for_all_of_a_set() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::new(place.path().join("images"));
        let names = ["lab/0", "lab/1", "lab/2"];
        let pushed = |tag: &str, time| Pushed { tag: tag.into(), digest: "sha256:1".into(), time, ..Pushed::default() };
        for name in names {
            store.add(&mutate(), name, entry("a")).unwrap();
            store.pushed(&mutate(), name, "a", &pushed("t1", 7)).unwrap();
        }
        let before = fs::read(store.folder().join("lab%2F0.json")).unwrap();
        let read = || store.read(mutate().probe(), names);
        let again = |set: &str, tag: &str, names: &[&str], time| {
            let records = read();
            let reused = |name: &&str| records.get(name).last().unwrap().reused(name, tag, Some(time), time);
            store.pushed_again(&mutate(), set, &names.iter().map(reused).collect::<Vec<_>>()).unwrap();
        };
        again("one", "t2", &names, 8);
        again("two", "t3", &names[1..], 9);
        again("one", "t4", &names[2..], 10);
        let tags: Vec<String> = names.iter().map(|name| read().get(name).last().unwrap().tag.clone()).collect();
        assert_eq!(tags, ["t2", "t3", "t4"]);
        let last = read().get("lab/2").last().unwrap().clone();
        assert!(["t1", "t2", "t3", "t4"].iter().all(|tag| last.had(tag)), "{last:?}");
        assert_eq!(last.key_tagged, Some(10));
        assert_eq!(fs::read(store.folder().join("lab%2F0.json")).unwrap(), before, "no file of an image is replaced");
        // A push that came later counts, and so does a new build.
        store.pushed(&mutate(), "lab/0", "a", &pushed("t5", 11)).unwrap();
        store.add(&mutate(), "lab/1", Entry { tag: "t6".into(), ..entry("a") }).unwrap();
        assert_eq!([0, 1].map(|at| read().get(names[at]).last().unwrap().tag.clone()), ["t5", "t6"]);
        // A file that cannot be read is told, and kept beside the next one.
        let path = store.folder().join("again/one.json");
        fs::write(&path, "{").unwrap();
        let records = read();
        assert_eq!(records.warnings.iter().map(|warning| warning.code.as_ref()).collect::<Vec<&str>>(), ["B0071"]);
        assert_eq!(records.get("lab/2").last().unwrap().tag, "t3", "as the other set has it");
        again("one", "t7", &names[..1], 12);
        assert_eq!((read().get("lab/0").last().unwrap().tag.as_str(), read().warnings.len()), ("t7", 0));
        assert!(path.with_file_name("one.json.unreadable-1").exists());
        fs::write(&path, "{\"version\":2}").unwrap();
        assert_eq!(store.pushed_again(&mutate(), "one", &[]).unwrap_err().code, "B0073");
    }

    #[test]
    fn a_broken_file_is_told_and_kept() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::new(place.path().join("images"));
        store.add(&mutate(), "x", entry("a")).unwrap();
        let path = store.folder().join("x.json");
        for text in ["{\"version\":1,\"repository\":\"x\",\"entr", "", "[]", "{\"version\":0}", "{\"version\":1}"] {
            fs::write(&path, text).unwrap();
            let records = store.read(mutate().probe(), ["x"]);
            assert!(records.get("x").entries.is_empty());
            assert_eq!(records.warnings.len(), 1, "{text}");
            assert!(records.warnings[0].code == "B0071" && !records.warnings[0].is_error());
        }
        store.add(&mutate(), "x", entry("b")).unwrap();
        assert_eq!(store.read(mutate().probe(), ["x"]).get("x").entries, [entry("b")]);
        assert_eq!(fs::read_to_string(store.folder().join("x.json.unreadable-1")).unwrap(), "{\"version\":1}");
    }

    #[test]
    fn a_newer_file_is_told_and_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::new(place.path());
        let text = "{\"version\":2,\"anything\":[]}";
        fs::write(place.path().join("x.json"), text).unwrap();
        let warnings = store.read(mutate().probe(), ["x"]).warnings;
        assert_eq!(warnings.iter().map(|warning| warning.code.as_ref()).collect::<Vec<&str>>(), ["B0073"]);
        assert_eq!(store.add(&mutate(), "x", entry("a")).unwrap_err().code, "B0073");
        assert_eq!(fs::read_to_string(place.path().join("x.json")).unwrap(), text);
    }

    #[test]
    fn what_cannot_be_written_says_where() {
        let store = Store::new("/proc/none");
        let error = store.add(&mutate(), "x", entry("a")).unwrap_err();
        assert!(error.code == "B0072" && error.message.contains("/proc/none/x.json"), "{error:?}");
    }

    #[test]
    fn two_runs_lose_nothing_of_each_other() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::new(place.path());
        std::thread::scope(|scope| {
            for run in ["a", "b"] {
                let store = &store;
                scope.spawn(move || {
                    for number in 0..8 {
                        store.add(&mutate(), "x", entry(&format!("{run}{number}"))).unwrap();
                    }
                });
            }
        });
        assert_eq!(store.read(mutate().probe(), ["x"]).get("x").entries.len(), 16);
    }

    #[test]
    fn names_of_files_are_safe_and_different() {
        assert_eq!(file_name("r:5000/lab/a_b-c.d"), "r%3A5000%2Flab%2Fa_b-c.d.json");
        assert_eq!(file_name("../.."), "%2E.%2F...json");
        assert_eq!((file_name("").as_str(), file_name("%").as_str()), ("%.json", "%25.json"));
        let (a, b) = (format!("{}a", "x/".repeat(150)), format!("{}b", "x/".repeat(150)));
        assert_ne!(file_name(&a), file_name(&b));
        assert!(file_name(&a).len() < 200);
    }

    proptest::proptest! {
        #[test]
        fn no_file_panics(text in "(\\{|\\}|\"version\":|1|2|\"repository\":|\"x\"|,|\"entries\":|\\[|\\]|null|\"key\":|.){0,20}") {
            let _ = load::<Record>(Ok(Some(text.clone().into_bytes())));
            let _ = load::<Request>(Ok(Some(text.clone().into_bytes())));
            let _ = load::<Again>(Ok(Some(text.into_bytes())));
        }
    }
}
