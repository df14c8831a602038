//! Image builds that outlive their link: one folder a build, where the process that builds writes what happens, and
//! whoever wants to see it reads.
//!
//! `events` has one JSON text a line, in order, `result` the end, whole or not at all; the process that builds holds a
//! lock on `lock` while it lives, so a killed one is told from one that runs. Knows nothing of modules or calls.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::FlockOperation;

use super::place_of_state;
use crate::diag::{Diagnostic, Result};

/// Ended builds that are kept, for who comes back to see their end.
const KEPT: usize = 20;
/// Younger ones stay in any case.
const YOUNG: Duration = Duration::from_hours(24);
/// How often a reader looks for more.
const LOOK: Duration = Duration::from_millis(40);
/// The longest line that is read, in bytes.
const LONGEST: u64 = 8 << 20;

/// The folder of one build.
#[derive(Clone, Debug)]
pub struct RunningBuild {
    path: PathBuf,
}

/// How a build is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildState {
    /// There is no such build.
    Absent,
    /// Its process lives.
    Running,
    /// It has ended, and its end is written.
    Ended,
    /// Its process is gone, and no end is written: it was killed, or the machine went down.
    Dead,
}

/// What following a build tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// A line, and the number of lines up to it.
    Line(&'a str, u64),
    /// There is no more for now; so many lines were read.
    Quiet(u64),
}

/// Why following a build ended before the build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The link to who reads is lost.
    Lost,
    /// The user stops the build.
    Stopped,
}

/// True for a name that can be a folder's and says nothing else.
fn valid(id: &str) -> bool {
    (1..=120).contains(&id.len())
        && !id.starts_with('.')
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

impl RunningBuild {
    /// The build of this name below the user's folder for state (`/var/lib/hostctl/builds` for root).
    pub fn of(id: &str) -> Result<Self> {
        Self::below(&place_of_state().join("builds"), id)
    }

    /// The build of this name below a folder.
    pub fn below(folder: &Path, id: &str) -> Result<Self> {
        if !valid(id) {
            return Err(Diagnostic::task("B0140", format!("`{}` is no name of a build", id.escape_default())));
        }
        Ok(Self { path: folder.join(id) })
    }

    /// One that is there already, by its folder.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of another build of the same task of the same run (`RUN.TASK.ARGUMENTS`) whose process lives.
    pub fn other_running(&self) -> Option<String> {
        let own = self.path.file_name()?.to_str()?;
        let (task, _) = own.rsplit_once('.')?;
        let entries = fs::read_dir(self.path.parent()?).ok()?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names
            .filter(|name| name != own && name.rsplit_once('.').is_some_and(|(other, _)| other == task))
            .find(|name| Self::at(self.path.with_file_name(name)).state() == BuildState::Running)
    }

    /// Makes the folder; false if it is there already. It is the owner's alone.
    pub fn make(&self) -> Result<bool> {
        let cannot = |error: io::Error| {
            Diagnostic::task("B0141", format!("cannot make the build's folder `{}`: {error}", self.path.display()))
                .with_hint("free space there, or build as a user who may write there")
        };
        let parent = self.path.parent().unwrap_or(Path::new("/"));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(cannot)?;
        sweep(parent, KEPT, YOUNG);
        match fs::DirBuilder::new().mode(0o700).create(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(cannot(error)),
        }
    }

    /// Forgets what a process left that is gone, so that another one can begin.
    pub fn forget(&self) {
        for name in ["events", "result", "stop"] {
            let _ = fs::remove_file(self.path.join(name));
        }
    }

    /// How it is.
    pub fn state(&self) -> BuildState {
        if !self.path.is_dir() {
            return BuildState::Absent;
        }
        // The end is written before the lock is left.
        let free = match File::open(self.path.join("lock")) {
            Ok(file) => rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_ok(),
            Err(_) => true,
        };
        match (free, self.path.join("result").exists()) {
            (false, _) => BuildState::Running,
            (true, true) => BuildState::Ended,
            (true, false) => BuildState::Dead,
        }
    }

    /// Takes the build for this process, for as long as the file is open; `None` if another one has it.
    pub fn take(&self) -> io::Result<Option<File>> {
        let file = private(&self.path.join("lock"))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The file that events are appended to.
    pub fn events(&self) -> io::Result<File> {
        private(&self.path.join("events"))
    }

    /// Writes the end, whole or not at all.
    pub fn end(&self, result: &[u8]) -> io::Result<()> {
        let temporary = self.path.join("result.new");
        let _ = fs::remove_file(&temporary);
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(result)?;
        file.sync_all()?;
        fs::rename(&temporary, self.path.join("result"))
    }

    /// Asks the build to stop.
    pub fn stop(&self) -> io::Result<()> {
        private(&self.path.join("stop")).map(drop)
    }

    /// It was asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.path.join("stop").exists()
    }

    /// Reads events from behind the first `seen`, gives each line to `tell`, and waits for more until the build ends;
    /// then its end. `leave` is asked all the time.
    pub fn follow(
        &self,
        seen: u64,
        tell: &mut dyn FnMut(Told<'_>),
        leave: &dyn Fn() -> Option<Leave>,
    ) -> Result<std::result::Result<Vec<u8>, Leave>> {
        let cannot = |error: io::Error| {
            Diagnostic::task("B0142", format!("cannot read `{}`: {error}", self.path.join("events").display()))
        };
        let mut reader: Option<BufReader<File>> = None;
        let (mut count, mut line) = (0_u64, Vec::new());
        let mut stopped = false;
        loop {
            if reader.is_none() {
                reader = match File::open(self.path.join("events")) {
                    Ok(file) => Some(BufReader::with_capacity(64 << 10, file)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                    Err(error) => return Err(cannot(error)),
                };
            }
            // Asked before the last lines are read, so that none is missed.
            let state = self.state();
            if let Some(reader) = &mut reader {
                loop {
                    let read = reader.take(LONGEST).read_until(b'\n', &mut line).map_err(cannot)?;
                    if !line.ends_with(b"\n") {
                        if read as u64 >= LONGEST {
                            return Err(cannot(io::Error::other("a line without an end")));
                        }
                        break;
                    }
                    count += 1;
                    if count > seen {
                        tell(Told::Line(String::from_utf8_lossy(&line).trim_end(), count));
                        if leave() == Some(Leave::Lost) {
                            return Ok(Err(Leave::Lost));
                        }
                    }
                    line.clear();
                }
            }
            tell(Told::Quiet(count));
            match state {
                BuildState::Ended => {
                    let mut text = Vec::new();
                    let file = File::open(self.path.join("result")).map_err(cannot)?;
                    file.take(256 << 20).read_to_end(&mut text).map_err(cannot)?;
                    return Ok(Ok(text));
                }
                BuildState::Running => {}
                BuildState::Absent | BuildState::Dead => {
                    return Err(Diagnostic::task("B0143", "the process that built the images is gone, without an end")
                        .with_note("it was killed, or the machine was restarted")
                        .with_hint("hostctl run ... --resume goes on: what is finished is not built again"));
                }
            }
            match leave() {
                Some(Leave::Lost) => return Ok(Err(Leave::Lost)),
                Some(Leave::Stopped) if !stopped => {
                    stopped = true;
                    self.stop().map_err(cannot)?;
                }
                _ => {}
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// A file that is made for its owner alone, and never through a link.
fn private(path: &Path) -> io::Result<File> {
    let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    File::options().create(true).append(true).mode(0o600).custom_flags(nofollow).open(path)
}

/// Removes the oldest ended builds beyond those that are kept.
fn sweep(folder: &Path, kept: usize, young: Duration) {
    let mut ended: Vec<(SystemTime, PathBuf)> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(io::Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    ended.sort();
    let over = ended.len().saturating_sub(kept);
    for (time, path) in ended.into_iter().take(over) {
        let old = SystemTime::now().duration_since(time).is_ok_and(|age| age >= young);
        let build = RunningBuild::at(path);
        if old && build.state() != BuildState::Running {
            let _ = fs::remove_dir_all(&build.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(id: &str) -> (tempfile::TempDir, RunningBuild) {
        let folder = tempfile::tempdir().unwrap();
        let build = RunningBuild::below(folder.path(), id).unwrap();
        (folder, build)
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for id in ["", ".", "..", "a/b", "../x", ".hidden", "a b", "ä", &"x".repeat(200)] {
            assert_eq!(RunningBuild::below(Path::new("/x"), id).unwrap_err().code, "B0140", "{id}");
        }
        assert!(RunningBuild::below(Path::new("/x"), "20261122T010203-7f3a.0a1b2c3d").is_ok());
    }

    #[test]
    fn a_build_is_absent_then_dead_or_running_then_ended() {
        let (_folder, build) = build("one");
        assert_eq!(build.state(), BuildState::Absent);
        assert!(build.make().unwrap());
        assert!(!build.make().unwrap(), "it is there already");
        assert_eq!(build.state(), BuildState::Dead);
        let held = build.take().unwrap().unwrap();
        assert_eq!(build.state(), BuildState::Running);
        assert!(build.take().unwrap().is_none(), "only one process builds");
        build.end(b"{}").unwrap();
        assert_eq!(build.state(), BuildState::Running, "until its process ends");
        drop(held);
        assert_eq!(build.state(), BuildState::Ended);
    }

    #[test]
    fn what_happens_is_read_from_where_it_was_left_to_the_end() {
        let (_folder, build) = build("one");
        build.make().unwrap();
        let held = build.take().unwrap().unwrap();
        let mut events = build.events().unwrap();
        events.write_all(b"\"a\"\n\"b\"\n\"c").unwrap();
        let writer = {
            let build = build.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(100));
                events.write_all(b"c\"\n\"d\"\n").unwrap();
                build.end(b"the end").unwrap();
                drop(held);
            })
        };
        let mut lines = Vec::new();
        let mut tell = |told: Told<'_>| {
            if let Told::Line(line, count) = told {
                lines.push(format!("{count} {line}"));
            }
        };
        let end = build.follow(1, &mut tell, &|| None).unwrap();
        writer.join().unwrap();
        assert_eq!(end, Ok(b"the end".to_vec()));
        assert_eq!(lines, ["2 \"b\"", "3 \"cc\"", "4 \"d\""]);
    }

    #[test]
    fn a_reader_leaves_a_stop_is_told_and_a_killed_build_is_an_error() {
        let (_folder, build) = build("one");
        build.make().unwrap();
        let held = build.take().unwrap().unwrap();
        let left = build.follow(0, &mut |_| (), &|| Some(Leave::Lost)).unwrap();
        assert_eq!(left, Err(Leave::Lost));
        assert!(!build.is_stopped());
        let watcher = {
            let build = build.clone();
            std::thread::spawn(move || {
                for _ in 0..500 {
                    if build.is_stopped() {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
                build.end(b"stopped").unwrap();
                drop(held);
            })
        };
        let end = build.follow(0, &mut |_| (), &|| Some(Leave::Stopped)).unwrap();
        watcher.join().unwrap();
        assert_eq!(end, Ok(b"stopped".to_vec()));
        build.forget();
        let error = build.follow(0, &mut |_| (), &|| None).unwrap_err();
        assert_eq!(error.code, "B0143");
    }

    #[test]
    fn old_ends_are_swept_and_what_runs_stays() {
        let folder = tempfile::tempdir().unwrap();
        let make = |id: &str| {
            let build = RunningBuild::below(folder.path(), id).unwrap();
            fs::create_dir(build.path()).unwrap();
            build
        };
        let (running, dead, new) = (make("a"), make("b"), make("c"));
        let held = running.take().unwrap().unwrap();
        sweep(folder.path(), 1, YOUNG);
        assert!(dead.path().exists(), "it is young");
        std::thread::sleep(Duration::from_millis(20));
        fs::write(new.path().join("x"), "").unwrap();
        sweep(folder.path(), 1, Duration::ZERO);
        assert!(running.path().exists() && !dead.path().exists() && new.path().exists());
        drop(held);
    }
}
