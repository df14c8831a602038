//! Image builds that outlive their link: one folder a build, where the process that builds writes what happens, and
//! whoever wants to see it reads.
//!
//! `events` has one JSON text a line, in order, `result` the end, whole or not at all; the process that builds holds a
//! lock on `lock` while it lives, so a killed one is told from one that runs. Knows nothing of modules or calls.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::FlockOperation;

use super::place_of_state;
use super::tree::open_plain;
use crate::diag::{Diagnostic, Result};

/// Ended builds that are kept, for who comes back to see their end.
const KEPT: usize = 20;
/// Younger ones stay in any case.
const YOUNG: Duration = Duration::from_hours(24);
/// How often a reader looks for more, after a while and in the beginning.
const LOOK: Duration = Duration::from_millis(40);
const SOON: Duration = Duration::from_millis(2);
/// The longest line that is read, in bytes.
const LONGEST: u64 = 8 << 20;
/// How often a process that begins tries to take its build, [`TRY`] apart: a reader's look holds the lock for a moment.
const TRIES: u32 = 20;
const TRY: Duration = Duration::from_millis(10);
/// Kept free for the end, in bytes, so that a disk that fills up does not take it.
const RESERVE: u64 = 1 << 20;

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
    ///
    /// # Errors
    ///
    /// `B0140` for what is no name, `B0141` if what stands there was not made by this user.
    pub fn of(id: &str) -> Result<Self> {
        let build = Self::below(&place_of_state().join("builds"), id)?;
        build.check_owners()?;
        Ok(build)
    }

    /// The build of this name below a folder.
    pub fn below(folder: &Path, id: &str) -> Result<Self> {
        if !valid(id) {
            return Err(Diagnostic::task("B0140", format!("`{}` is no name of a build", id.escape_default())));
        }
        Ok(Self { path: folder.join(id) })
    }

    /// Refuses a folder that another user made: what it tells would be theirs, and secrets of a context would lie
    /// there. Folders above it may be links of root's or one's own.
    fn check_owners(&self) -> Result<()> {
        let own = rustix::process::geteuid().as_raw();
        let refused = |path: &Path, why: String| {
            Diagnostic::task("B0141", format!("`{}` {why}", path.display()))
                .with_note("the folder of a build is made by hostctl for its user alone")
                .with_hint(format!("see who made it, then remove it: ls -ld '{}'", path.display()))
        };
        for (above, path) in self.path.ancestors().take(3).enumerate() {
            let Ok(found) = fs::symlink_metadata(path) else { continue };
            let target = if above == 0 { None } else { fs::metadata(path).ok() };
            for found in [Some(&found), target.as_ref()].into_iter().flatten() {
                if found.uid() != own && found.uid() != 0 {
                    return Err(refused(path, format!("belongs to the user with the id {}", found.uid())));
                }
            }
            if above == 0 && !found.is_dir() {
                let kind = if found.is_symlink() { "is a link" } else { "is no folder" };
                return Err(refused(path, kind.to_owned()));
            }
        }
        Ok(())
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
        let made = match fs::DirBuilder::new().mode(0o700).create(&self.path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(cannot(error)),
        };
        self.check_owners()?;
        Ok(made)
    }

    /// Waits until nobody else is about to start this build's process, and keeps others from it while the file is
    /// open; `None` if `leave` said so first.
    pub fn starting(&self, leave: &dyn Fn() -> bool) -> io::Result<Option<File>> {
        let file = private(&self.path.join("start"))?;
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(file)),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) if leave() => return Ok(None),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => std::thread::sleep(LOOK),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Forgets what a process left that is gone. Only who has taken the build does so: a process that is about to
    /// begin must not lose what it tells.
    pub fn forget(&self) {
        for name in ["events", "result", "result.new", "stop"] {
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
        for left in (0..TRIES).rev() {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(file)),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) if left > 0 => std::thread::sleep(TRY),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Keeps room for the end; an error if there is none now. Where a file system cannot, nothing is kept.
    pub fn reserve(&self) -> io::Result<()> {
        let file = private(&self.path.join("reserve"))?;
        match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVE) {
            Err(error @ (rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT)) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The file that events are appended to.
    pub fn events(&self) -> io::Result<File> {
        private(&self.path.join("events"))
    }

    /// Writes the end, whole or not at all.
    pub fn end(&self, result: &[u8]) -> io::Result<()> {
        let temporary = self.path.join("result.new");
        for path in [&temporary, &self.path.join("reserve")] {
            let _ = fs::remove_file(path);
        }
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
        let begun = Instant::now();
        loop {
            if reader.is_none() {
                reader = match open_plain(&self.path.join("events")) {
                    Ok(file) => Some(BufReader::with_capacity(64 << 10, file)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                    Err(error) => return Err(cannot(error)),
                };
            }
            // Asked before the last lines are read, so that none is missed.
            let state = self.state();
            if let Some(reader) = &mut reader {
                loop {
                    reader.take(LONGEST).read_until(b'\n', &mut line).map_err(cannot)?;
                    if !line.ends_with(b"\n") {
                        if line.len() as u64 >= LONGEST {
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
                    let file = open_plain(&self.path.join("result")).map_err(cannot)?;
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
            // Of a build that takes half a second a look in 15 ms would be felt.
            std::thread::sleep((begun.elapsed() / 32).clamp(SOON, LOOK));
        }
    }
}

/// A file that is made for its owner alone, and never through a link.
fn private(path: &Path) -> io::Result<File> {
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed();
    File::options().create(true).append(true).mode(0o600).custom_flags(flags).open(path)
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
    fn a_look_at_a_build_does_not_keep_its_process_from_it() {
        let (_folder, build) = build("one");
        build.make().unwrap();
        let look = private(&build.path().join("lock")).unwrap();
        rustix::fs::flock(&look, FlockOperation::NonBlockingLockShared).unwrap();
        let looker = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            drop(look);
        });
        assert!(build.take().unwrap().is_some());
        looker.join().unwrap();
    }

    #[test]
    fn one_starts_while_another_waits_or_leaves() {
        let (_folder, build) = build("one");
        build.make().unwrap();
        let first = build.starting(&|| false).unwrap().unwrap();
        assert!(build.starting(&|| true).unwrap().is_none(), "its link is lost meanwhile");
        let other = build.clone();
        let second = std::thread::spawn(move || other.starting(&|| false).unwrap().is_some());
        std::thread::sleep(Duration::from_millis(100));
        assert!(!second.is_finished());
        drop(first);
        assert!(second.join().unwrap());
    }

    #[test]
    fn what_another_user_planted_is_refused() {
        let (folder, build) = build("one");
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, build.path()).unwrap();
        let error = build.make().unwrap_err();
        assert!(error.code == "B0141" && error.message.contains("is a link"), "{error:?}");
        fs::remove_file(build.path()).unwrap();
        build.make().unwrap();
        for name in ["events", "result"] {
            std::os::unix::fs::symlink(folder.path().join("nowhere"), build.path().join(name)).unwrap();
        }
        assert_eq!(build.follow(0, &mut |_| (), &|| None).unwrap_err().code, "B0142");
        assert!(build.events().is_err());
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(build.path(), Some(4711), None).unwrap();
            let error = build.make().unwrap_err();
            assert!(error.message.ends_with("belongs to the user with the id 4711"), "{error:?}");
        }
    }

    #[test]
    fn a_pipe_without_a_writer_does_not_hold_a_reader_up() {
        let (_folder, build) = build("one");
        build.make().unwrap();
        let path = build.path().join("events");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert_eq!(build.follow(0, &mut |_| (), &|| None).unwrap_err().code, "B0142");
        assert!(build.events().is_err());
    }

    #[test]
    fn room_for_the_end_is_kept_and_given_back() {
        let (_folder, build) = build("one");
        build.make().unwrap();
        build.reserve().unwrap();
        assert!(build.path().join("reserve").exists());
        build.end(b"{}").unwrap();
        assert!(!build.path().join("reserve").exists());
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
