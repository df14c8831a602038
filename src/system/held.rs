//! Entries that are held open: what was looked at is what is read and changed, whatever its name leads to by then.
//!
//! Whoever may write in a folder can exchange a name in it between two steps of ours. So a way is gone once, folder by
//! folder, each link on it is judged by its owner, and all that follows happens on what was opened.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, Permissions};
use std::io::{Error, ErrorKind, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};

use super::fs::{file_error, stamps};
use super::{Mutate, Probe};
use crate::diag::read::check_plain;
use crate::diag::{Diagnostic, Result};

/// Links on one way at most, as the kernel has it.
const LINKS: usize = 40;

/// The largest file whose text is edited.
const LARGEST: u64 = 1 << 30;

/// A file, folder or link (itself, not what it names) that is held open.
#[derive(Debug)]
pub struct Held {
    file: File,
    path: PathBuf,
}

fn absent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn open_at(folder: &File, name: &OsStr) -> std::io::Result<File> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(folder, name, flags, Mode::empty())?.into())
}

fn open_folder(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// The way to what is held, for calls that want a path.
fn way(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

impl Held {
    /// Where it was found.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Of itself.
    pub fn metadata(&self) -> Result<Metadata> {
        self.file.metadata().map_err(|error| file_error("look at", &self.path, &error))
    }

    /// The names in this folder, sorted.
    pub fn names(&self) -> Result<Vec<OsString>> {
        let list = || -> std::io::Result<Vec<OsString>> {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let folder = rustix::fs::openat(&self.file, ".", flags, Mode::empty())?;
            let mut names = Vec::new();
            for entry in rustix::fs::Dir::read_from(folder)? {
                let name = entry?.file_name().to_bytes().to_vec();
                if name != b"." && name != b".." {
                    names.push(OsString::from_vec(name));
                }
            }
            names.sort();
            Ok(names)
        };
        list().map_err(|error| file_error("list", &self.path, &error))
    }

    /// What has this name in this folder; a link is not followed. `None` if it is gone.
    pub fn entry(&self, name: &OsStr) -> Result<Option<Self>> {
        let path = self.path.join(name);
        match open_at(&self.file, name) {
            Ok(file) => Ok(Some(Self { file, path })),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(file_error("look at", &path, &error)),
        }
    }
}

/// The place of a file whose text is edited: its folder, held open, and its name in there.
#[derive(Debug)]
pub struct Spot {
    folder: File,
    name: OsString,
    /// Without links.
    path: PathBuf,
    present: Option<Held>,
    linked: bool,
    asked: PathBuf,
}

impl Spot {
    /// The path without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path that was asked for.
    pub fn asked(&self) -> &Path {
        &self.asked
    }

    /// The file, if it is there.
    pub fn present(&self) -> Option<&Held> {
        self.present.as_ref()
    }

    /// The path that was asked for is that of a link.
    pub fn linked(&self) -> bool {
        self.linked
    }

    /// Opens the file that was found here.
    pub fn open(&self) -> Result<File> {
        let open = || -> std::io::Result<File> {
            let Some(present) = &self.present else { return Err(ErrorKind::NotFound.into()) };
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let file = File::from(rustix::fs::openat(&self.folder, &self.name, flags, Mode::empty())?);
            let (found, seen) = (file.metadata()?, present.file.metadata()?);
            if (found.dev(), found.ino()) != (seen.dev(), seen.ino()) {
                return Err(Error::other("somebody exchanged it meanwhile"));
            }
            check_plain(&file, &self.path)?;
            Ok(file)
        };
        open().map_err(|error| file_error("read", &self.path, &error))
    }

    /// Its content, of at most a GiB.
    pub fn read(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let size = self
            .open()?
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| file_error("read", &self.path, &error))?;
        if size as u64 > LARGEST {
            let error = Error::new(ErrorKind::FileTooLarge, format!("it has more than {} MiB", LARGEST >> 20));
            return Err(file_error("read", &self.path, &error));
        }
        Ok(bytes)
    }

    /// What has the name by now, in the folder that is held.
    pub fn again(&self) -> Result<Option<Held>> {
        match open_at(&self.folder, &self.name) {
            Ok(file) => Ok(Some(Held { file, path: self.path.clone() })),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(file_error("look at", &self.path, &error)),
        }
    }

    /// The path through the held folder. A chroot may have no `/proc`.
    pub fn way(&self) -> PathBuf {
        let folder = way(&self.folder);
        if std::fs::symlink_metadata(&folder).is_ok() { folder.join(&self.name) } else { self.path.clone() }
    }

    /// An error of what was done through [`Spot::way`], with the name that people know.
    pub fn named(&self, mut error: Diagnostic) -> Diagnostic {
        if let (way, Some(folder)) = (way(&self.folder), self.path.parent()) {
            error.message = error.message.replace(&*way.to_string_lossy(), &folder.to_string_lossy());
        }
        error
    }
}

/// One step of a way.
enum Step {
    Root,
    Up,
    Name(OsString),
    /// The end of what a link named: it must belong to the link's owner.
    Judge {
        owner: u32,
        link: PathBuf,
    },
}

fn steps(path: &Path) -> impl DoubleEndedIterator<Item = Step> + '_ {
    path.components().filter_map(|part| match part {
        Component::RootDir => Some(Step::Root),
        Component::ParentDir => Some(Step::Up),
        Component::Normal(name) => Some(Step::Name(name.to_owned())),
        Component::CurDir | Component::Prefix(_) => None,
    })
}

/// Where a way led.
struct Walked {
    /// The folders on the way, and after them what the way led to, if it is there.
    stack: Vec<Held>,
    /// The last name, of what is not there.
    missing: Option<OsString>,
    /// The last name was that of a link.
    linked: bool,
}

fn dishonest(link: &Path) -> Diagnostic {
    let message = format!("the link `{}` is not followed: its owner does not own what it leads to", link.display());
    Diagnostic::task("H0107", message).with_hint("give the path of the file itself, or let root own the link")
}

/// Goes a way from a folder on. `None` if a folder on the way is not there.
fn walk(base: Option<Held>, path: &Path, follow: bool) -> Result<Option<Walked>> {
    let failed = |doing: &str, path: &Path, error: Error| file_error(doing, path, &error);
    let start = match base {
        Some(base) => base,
        None if path.is_absolute() => {
            let root = PathBuf::from("/");
            Held { file: open_folder(&root).map_err(|error| failed("open", &root, error))?, path: root }
        }
        None => {
            let file = open_folder(Path::new(".")).map_err(|error| failed("open", Path::new("."), error))?;
            Held { file, path: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")) }
        }
    };
    let own = rustix::process::geteuid().as_raw();
    let mut walked = Walked { stack: vec![start], missing: None, linked: false };
    let mut left: VecDeque<Step> = steps(path).collect();
    let mut links = 0;
    while let Some(step) = left.pop_front() {
        if walked.missing.is_some() && !matches!(step, Step::Judge { .. }) {
            return Ok(None);
        }
        let Some(here) = walked.stack.last() else { return Ok(None) };
        match step {
            Step::Root => {
                let root = PathBuf::from("/");
                let file = open_folder(&root).map_err(|error| failed("open", &root, error))?;
                walked.stack = vec![Held { file, path: root }];
            }
            Step::Up if walked.stack.len() > 1 => drop(walked.stack.pop()),
            Step::Up => {
                let path = here.path.parent().unwrap_or(Path::new("/")).to_owned();
                let file = open_at(&here.file, OsStr::new("..")).map_err(|error| failed("open", &path, error))?;
                walked.stack = vec![Held { file, path }];
            }
            Step::Judge { owner, link } => {
                // What is not there yet will be in a folder of somebody.
                if here.metadata()?.uid() != owner {
                    return Err(dishonest(&link));
                }
            }
            Step::Name(name) => {
                let last = !left.iter().any(|step| !matches!(step, Step::Judge { .. }));
                if !here.metadata()?.is_dir() {
                    return Ok(None);
                }
                let Some(next) = here.entry(&name)? else {
                    walked.missing = Some(name);
                    continue;
                };
                let found = next.metadata()?;
                if !found.is_symlink() || (last && !follow) {
                    walked.stack.push(next);
                    continue;
                }
                walked.linked |= last;
                links += 1;
                if links > LINKS {
                    return Err(failed("open", &next.path, rustix::io::Errno::LOOP.into()));
                }
                let target = rustix::fs::readlinkat(&next.file, "", Vec::new())
                    .map_err(|error| failed("read the link", &next.path, error.into()))?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if found.uid() != 0 && found.uid() != own {
                    left.push_front(Step::Judge { owner: found.uid(), link: next.path.clone() });
                }
                for step in steps(&target).rev() {
                    left.push_front(step);
                }
            }
        }
    }
    Ok(Some(walked))
}

impl Probe {
    /// Holds what stands at a path; a last link is held itself. `None` if nothing is there.
    pub fn hold(&self, path: &Path) -> Result<Option<Held>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()).map_err(Error::from) {
            Ok(file) => Ok(Some(Held { file: file.into(), path: path.to_owned() })),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(file_error("look at", path, &error)),
        }
    }

    /// Holds what a path leads to if no part of it is a link; `None` if it is not there (or is one by now).
    pub fn hold_plain(&self, path: &Path) -> Result<Option<Held>> {
        let Some(mut here) = self.hold(Path::new("/"))? else { return Ok(None) };
        for step in steps(path) {
            match step {
                Step::Name(name) => match here.entry(&name)? {
                    Some(next) => here = next,
                    None => return Ok(None),
                },
                Step::Root | Step::Judge { .. } => {}
                Step::Up => return Ok(None),
            }
        }
        Ok(if here.metadata()?.is_symlink() { None } else { Some(here) })
    }

    /// Holds what has this relative path below a folder; a last link is held itself, and another one is followed only
    /// if it is root's, ours, or of whoever owns what it leads to. `None` if nothing is there.
    pub fn hold_below(&self, folder: &Held, path: &Path) -> Result<Option<Held>> {
        let file = folder.file.try_clone().map_err(|error| file_error("open", &folder.path, &error))?;
        let base = Held { file, path: folder.path.clone() };
        let walked = walk(Some(base), path, false)?;
        Ok(walked.filter(|walked| walked.missing.is_none()).and_then(|mut walked| walked.stack.pop()))
    }

    /// The place of a file to edit, links followed that are root's, ours, or of whoever owns what they lead to.
    /// `None` if its folder is not there.
    pub fn spot(&self, asked: &Path) -> Result<Option<Spot>> {
        let Some(Walked { mut stack, missing, linked }) = walk(None, asked, true)? else { return Ok(None) };
        let (name, present) = match missing {
            Some(name) => (name, None),
            None => {
                let Some(held) = stack.pop() else { return Ok(None) };
                let Some(name) = held.path.file_name().map(OsStr::to_owned) else { return Ok(None) };
                (name, Some(held))
            }
        };
        // None above a relative way that ends where it began.
        let Some(folder) = stack.pop() else { return Ok(None) };
        if !folder.metadata()?.is_dir() {
            return Ok(None);
        }
        let path = folder.path.join(&name);
        Ok(Some(Spot { folder: folder.file, name, path, present, linked, asked: asked.to_owned() }))
    }
}

impl Mutate {
    /// Sets owner and group.
    pub fn chown_held(&self, held: &Held, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        let uid = uid.map(rustix::fs::Uid::from_raw);
        let gid = gid.map(rustix::fs::Gid::from_raw);
        rustix::fs::chownat(held.file.as_fd(), "", uid, gid, AtFlags::EMPTY_PATH)
            .map_err(|error| file_error("change the owner of", &held.path, &error.into()))
    }

    /// Sets permission bits; a link has none.
    pub fn chmod_held(&self, held: &Held, mode: u32) -> Result<()> {
        let set = || -> std::io::Result<()> {
            if held.file.metadata()?.is_symlink() {
                return Err(rustix::io::Errno::LOOP.into());
            }
            match std::fs::set_permissions(way(&held.file), Permissions::from_mode(mode)) {
                // A chroot without /proc.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let file = File::from(rustix::fs::open(&held.path, flags, Mode::empty())?);
                    let (found, seen) = (file.metadata()?, held.file.metadata()?);
                    if (found.dev(), found.ino()) != (seen.dev(), seen.ino()) {
                        return Err(Error::other("somebody exchanged it meanwhile"));
                    }
                    file.set_permissions(Permissions::from_mode(mode))
                }
                other => other,
            }
        };
        set().map_err(|error| file_error("change the mode of", &held.path, &error))
    }

    /// Sets access and modification time, in nanoseconds since 1970; `None` means now.
    pub fn set_times_held(&self, held: &Held, accessed: Option<i128>, modified: Option<i128>) -> Result<()> {
        rustix::fs::utimensat(rustix::fs::CWD, way(&held.file), &stamps(accessed, modified), AtFlags::empty())
            .map_err(|error| file_error("set the times of", &held.path, &error.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::system::fs::{Content, WriteOptions};

    fn hand() -> Mutate {
        Mutate::with_probe(Probe::new(Vec::new()))
    }

    fn mode(path: &Path) -> u32 {
        std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn what_is_held_stays_the_same_when_its_name_is_exchanged() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["tree", "tree/d", "victim"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        for name in ["tree/d/f", "victim/f"] {
            std::fs::write(at(name), "x").unwrap();
            std::fs::set_permissions(at(name), Permissions::from_mode(0o600)).unwrap();
        }
        let host = hand();
        let held = host.probe().hold(&at("tree")).unwrap().unwrap();
        let inner = held.entry(OsStr::new("d")).unwrap().unwrap();
        // Whoever owns the tree puts a link in the folder's place.
        std::fs::rename(at("tree/d"), at("moved")).unwrap();
        symlink(at("victim"), at("tree/d")).unwrap();
        let file = inner.entry(OsStr::new("f")).unwrap().unwrap();
        host.chmod_held(&file, 0o666).unwrap();
        let (uid, gid) = (file.metadata().unwrap().uid(), file.metadata().unwrap().gid());
        host.chown_held(&file, Some(uid), Some(gid)).unwrap();
        host.set_times_held(&file, Some(0), Some(0)).unwrap();
        assert_eq!((mode(&at("moved/f")), mode(&at("victim/f"))), (0o666, 0o600));
        assert_eq!(std::fs::metadata(at("moved/f")).unwrap().mtime(), 0);
        let link = held.entry(OsStr::new("d")).unwrap().unwrap();
        host.chmod_held(&link, 0o777).expect_err("a link");
        assert!(host.probe().hold_plain(&at("tree/d")).unwrap().is_none());
        assert!(link.names().is_err() && link.entry(OsStr::new("f")).unwrap().is_none());
        assert_eq!(held.names().unwrap(), ["d"]);
    }

    #[test]
    fn a_spot_reads_and_writes_where_it_was_found() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let at = |name: &str| base.join(name);
        for name in ["home", "secret"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        std::fs::write(at("home/rc"), "mine").unwrap();
        std::fs::write(at("secret/rc"), "theirs").unwrap();
        let host = hand();
        let spot = host.probe().spot(&at("home/rc")).unwrap().unwrap();
        assert_eq!((spot.path(), spot.linked(), spot.read().unwrap()), (&*at("home/rc"), false, b"mine".to_vec()));
        // The folder is exchanged for a link between reading and writing.
        std::fs::rename(at("home"), at("moved")).unwrap();
        symlink(at("secret"), at("home")).unwrap();
        host.write(&spot.way(), Content::Bytes(b"mine\nnew"), WriteOptions::default()).unwrap();
        assert_eq!(std::fs::read_to_string(at("secret/rc")).unwrap(), "theirs");
        assert_eq!(std::fs::read_to_string(at("moved/rc")).unwrap(), "mine\nnew");
        // The name is exchanged for a link between finding and reading.
        let spot = host.probe().spot(&at("moved/rc")).unwrap().unwrap();
        std::fs::remove_file(at("moved/rc")).unwrap();
        symlink(at("secret/rc"), at("moved/rc")).unwrap();
        assert!(spot.read().is_err());
        std::fs::remove_file(at("moved/rc")).unwrap();
        std::fs::hard_link(at("secret/rc"), at("moved/rc")).unwrap();
        assert!(spot.read().unwrap_err().message.contains("exchanged"));
        let error = host.write(&spot.way().join("no"), Content::Bytes(b""), WriteOptions::default()).unwrap_err();
        assert!(spot.named(error).message.contains(&*at("moved").to_string_lossy()));
    }

    #[test]
    fn spots_go_through_links_and_name_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let at = |name: &str| base.join(name);
        std::fs::create_dir_all(at("a/b")).unwrap();
        std::fs::write(at("a/b/f"), "x").unwrap();
        symlink("b/../b", at("a/l")).unwrap();
        symlink("l/f", at("a/m")).unwrap();
        symlink(at("a/m"), at("n")).unwrap();
        symlink("none", at("dangling")).unwrap();
        symlink("ring", at("ring")).unwrap();
        let probe = Probe::new(Vec::new());
        let spot = |name: &str| probe.spot(&at(name)).unwrap();
        for (name, path, linked) in [("a/b/f", "a/b/f", false), ("a/l/f", "a/b/f", false), ("n", "a/b/f", true)] {
            let spot = spot(name).unwrap();
            assert_eq!((spot.path(), spot.linked()), (&*at(path), linked), "{name}");
            assert_eq!(spot.read().unwrap(), b"x");
        }
        let new = spot("dangling").unwrap();
        assert!(new.present().is_none() && new.path() == at("none"));
        assert!(spot("no/folder").is_none() && spot("a/b/f/g").is_none());
        assert!(probe.spot(&at("ring")).is_err());
    }

    #[test]
    fn a_link_of_another_user_leads_only_to_what_is_theirs() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: links of another user need root");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let at = |name: &str| base.join(name);
        for name in ["secret", "own"] {
            std::fs::create_dir(at(name)).unwrap();
            std::fs::write(at(name).join("f"), "x").unwrap();
        }
        std::os::unix::fs::chown(at("own"), Some(12345), None).unwrap();
        std::os::unix::fs::chown(at("own/f"), Some(12345), None).unwrap();
        let plant = |name: &str, target: &str, uid: u32| {
            symlink(at(target), at(name)).unwrap();
            std::os::unix::fs::lchown(at(name), Some(uid), None).unwrap();
        };
        plant("theirs", "own/f", 12345);
        plant("planted", "secret/f", 12345);
        plant("folder", "secret", 12345);
        plant("new", "secret/new", 12345);
        plant("honest", "secret/f", 0);
        let probe = Probe::new(Vec::new());
        assert_eq!(probe.spot(&at("theirs")).unwrap().unwrap().path(), at("own/f"));
        assert_eq!(probe.spot(&at("honest")).unwrap().unwrap().path(), at("secret/f"));
        for name in ["planted", "folder/f", "new"] {
            assert!(probe.spot(&at(name)).unwrap_err().message.contains("is not followed"), "{name}");
        }
        let held = probe.hold(&base).unwrap().unwrap();
        assert!(probe.hold_below(&held, Path::new("folder/f")).is_err());
        assert!(probe.hold_below(&held, Path::new("planted")).unwrap().unwrap().metadata().unwrap().is_symlink());
        assert!(probe.hold_below(&held, Path::new("own/none")).unwrap().is_none());
    }
}
