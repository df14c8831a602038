//! Files: looking, and changes that are whole or not at all.
//!
//! New content goes to a private temporary file in the same folder, is synced and renamed over the old
//! one, so readers see the old or the new content and a planted link is replaced, not followed.

use std::ffi::CString;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::arriving::Arriving;
use super::digest::{Digest, Hasher};
use super::{Mutate, Probe};
use crate::diag::read::{open_plain, read_capped};
use crate::diag::{Diagnostic, Result};

/// What stands at a path, as Ansible's `file` module names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Nothing.
    Absent,
    /// A symbolic link.
    Link,
    /// A folder.
    Directory,
    /// A file with more than one name.
    Hard,
    /// Anything else.
    File,
}

impl FileState {
    /// Ansible's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Link => "link",
            Self::Directory => "directory",
            Self::Hard => "hard",
            Self::File => "file",
        }
    }
}

/// New content of a file.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// From memory.
    Bytes(&'a [u8]),
    /// From another file of this host.
    File(&'a Path),
    /// From a file that is open.
    Opened(&'a File),
}

/// How a file is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOptions {
    /// Write in place if the file cannot be replaced (a mount point).
    pub unsafe_writes: bool,
    /// Permission bits; those of the present file, else 0666 less the umask.
    pub mode: Option<u32>,
    /// Owner and group; those of the present file otherwise.
    pub owner: (Option<u32>, Option<u32>),
    /// Do not take over mode and owner of the present file.
    pub ignore_present: bool,
    /// Nothing may be there; what is there stays.
    pub new: bool,
}

/// The error of a file operation: what, where, why, and what usually mends it.
pub fn file_error(doing: &str, path: &Path, error: &std::io::Error) -> Diagnostic {
    let shown = path.display();
    let reason = match error.kind() {
        ErrorKind::NotFound => "no such file or directory".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_lowercase()
        }
    };
    let mut diagnostic = Diagnostic::task("H0101", format!("cannot {doing} `{shown}`: {reason}"));
    if let Some(words) = registered(doing, path, error) {
        diagnostic = diagnostic.with_registered(words);
    }
    match error.kind() {
        ErrorKind::PermissionDenied if !rustix::process::geteuid().is_root() => {
            diagnostic.with_hint("add `become: true` to the task")
        }
        ErrorKind::ResourceBusy => {
            diagnostic.with_hint("`unsafe_writes: true` writes in place, as mount points need it")
        }
        _ => diagnostic,
    }
}

/// What a registered result says of the error: what Ansible's modules say, or Python where they say nothing.
fn registered(doing: &str, path: &Path, error: &std::io::Error) -> Option<String> {
    let code = error.raw_os_error()?;
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let shown = path.display();
    Some(match doing {
        "look at" => words.to_owned(),
        "change the owner of" => "chown failed".to_owned(),
        "write in" if error.kind() == ErrorKind::PermissionDenied => format!(
            "Task failed: Module failed: The destination directory '{shown}' is not writable by the current user: [Errno {code}] {words}: b'{shown}'"
        ),
        _ => format!("Task failed: Module failed: [Errno {code}] {words}: b'{shown}'"),
    })
}

/// A folder that is held open: paths through it lead to this very folder, whatever its name leads to by then.
pub struct HeldFolder {
    handle: std::os::fd::OwnedFd,
    uid: u32,
}

impl HeldFolder {
    /// The user that the folder belongs to.
    pub fn owner(&self) -> u32 {
        self.uid
    }

    /// The path through the handle of the entry that has this path's last name.
    pub fn path(&self, entry: &Path) -> PathBuf {
        let folder = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.handle));
        entry.file_name().map_or_else(|| PathBuf::from(&folder), |name| Path::new(&folder).join(name))
    }
}

/// An error of the system as Python words it: `[Errno 13] Permission denied: '/root'`.
pub fn python_error(error: &std::io::Error, path: &Path) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    match error.raw_os_error() {
        Some(code) => format!("[Errno {code}] {words}: '{}'", path.display()),
        None => text,
    }
}

fn absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// The process's umask. Reading it means setting it for a moment, so it is read once.
pub fn umask() -> u32 {
    static UMASK: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *UMASK.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        line.and_then(|text| u32::from_str_radix(text.trim(), 8).ok()).unwrap_or(0o022)
    })
}

impl Probe {
    /// What stands at a path itself (a link is not followed); `None` if nothing.
    pub fn lstat(&self, path: &Path) -> Result<Option<Metadata>> {
        match std::fs::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(file_error("look at", path, &error)),
        }
    }

    /// What stands at a path, links followed; `None` if nothing or a dangling link.
    pub fn stat(&self, path: &Path) -> Result<Option<Metadata>> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(file_error("look at", path, &error)),
        }
    }

    /// Exists, links followed.
    pub fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    /// Opens a folder to hold it; links are followed.
    pub fn hold_folder(&self, path: &Path) -> Result<HeldFolder> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let hold = || -> std::io::Result<HeldFolder> {
            let handle = rustix::fs::open(path, flags, rustix::fs::Mode::empty())?;
            let uid = rustix::fs::fstat(&handle)?.st_uid;
            Ok(HeldFolder { handle, uid })
        };
        hold().map_err(|error| file_error("open", path, &error))
    }

    /// Is a folder, links followed.
    pub fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    /// The state as Ansible names it.
    pub fn state(&self, path: &Path) -> Result<FileState> {
        Ok(match self.lstat(path)? {
            None => FileState::Absent,
            Some(found) if found.is_symlink() => FileState::Link,
            Some(found) if found.is_dir() => FileState::Directory,
            Some(found) if found.nlink() > 1 => FileState::Hard,
            Some(_) => FileState::File,
        })
    }

    /// A file's content; regular files only, of at most a GiB.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>> {
        read_capped(path, 1 << 30).map_err(|error| file_error("read", path, &error))
    }

    /// At most `size` bytes of a file from `offset` on.
    pub fn read_part(&self, path: &Path, offset: u64, size: u64) -> Result<Vec<u8>> {
        use std::io::Seek as _;
        let mut bytes = Vec::new();
        open_plain(path)
            .and_then(|mut file| {
                file.seek(std::io::SeekFrom::Start(offset))?;
                file.take(size).read_to_end(&mut bytes)
            })
            .map_err(|error| file_error("read", path, &error))?;
        Ok(bytes)
    }

    /// A small file's text, empty if there is none; for facts.
    pub fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        read_capped(path.as_ref(), 1 << 30).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A link's target.
    pub fn read_link(&self, path: &Path) -> Result<PathBuf> {
        std::fs::read_link(path).map_err(|error| file_error("read the link", path, &error))
    }

    /// Names in a folder, sorted.
    pub fn list(&self, path: &Path) -> Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(path).map_err(|error| file_error("list", path, &error))?;
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(|error| file_error("list", path, &error))?.path());
        }
        paths.sort();
        Ok(paths)
    }

    /// What is in a folder and whether each is a folder too (links followed), in the folder's own order; the
    /// error as Python words it.
    pub fn entries(&self, path: &Path) -> std::result::Result<Vec<(PathBuf, bool)>, String> {
        let worded = |error: std::io::Error| python_error(&error, path);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path).map_err(worded)? {
            let entry = entry.map_err(worded)?.path();
            let is_dir = entry.is_dir();
            found.push((entry, is_dir));
        }
        Ok(found)
    }

    /// The path without links, as far as it exists.
    pub fn real(&self, path: &Path) -> PathBuf {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        resolve(&absolute, 0)
    }

    /// A file's digest in hex.
    pub fn digest(&self, path: &Path, digest: Digest) -> Result<String> {
        let read = open_plain(path).and_then(|file| Hasher::of_all([digest], file));
        read.map(|([digest], _)| digest).map_err(|error| file_error("read", path, &error))
    }

    /// What this process may do with a path, by its real ids as Python's `os.access`.
    pub fn access(&self, path: &Path, access: rustix::fs::Access) -> bool {
        rustix::fs::access(path, access).is_ok()
    }

    /// Paths that match a shell pattern (`*`, `?`, `[...]`), as Python's `glob`.
    pub fn glob(&self, pattern: &str) -> Vec<PathBuf> {
        super::glob::paths(pattern)
    }
}

/// Access and modification time for the kernel, from nanoseconds since 1970; `None` means now.
pub(super) fn stamps(accessed: Option<i128>, modified: Option<i128>) -> rustix::fs::Timestamps {
    let spec = |time: Option<i128>| match time {
        None => rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
        Some(nanos) => rustix::fs::Timespec {
            tv_sec: i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or(0),
        },
    };
    rustix::fs::Timestamps { last_access: spec(accessed), last_modification: spec(modified) }
}

/// Device and inode: the same for two paths of one file.
pub fn identity(meta: &std::fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (meta.dev(), meta.ino())
}

/// A path without `.` and `..`, by its text alone: Python's `os.path.normpath` of an absolute path.
pub fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

fn resolve(path: &Path, depth: usize) -> PathBuf {
    let mut done = PathBuf::from("/");
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        match part {
            std::path::Component::ParentDir => {
                done.pop();
            }
            std::path::Component::Normal(name) => {
                let here = done.join(name);
                match std::fs::read_link(&here) {
                    Ok(target) if depth < 40 => {
                        let mut whole = done.join(target);
                        whole.extend(parts);
                        return resolve(&whole, depth + 1);
                    }
                    _ => done = here,
                }
            }
            _ => {}
        }
    }
    done
}

impl Mutate {
    /// A new folder with the default mode.
    pub fn create_dir(&self, path: &Path) -> Result<()> {
        std::fs::create_dir(path).map_err(|error| file_error("create", path, &error))
    }

    /// The same; fine if somebody else has made it by now.
    pub fn create_dir_or_find(&self, path: &Path) -> Result<()> {
        match std::fs::create_dir(path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            made => made.map_err(|error| file_error("create", path, &error)),
        }
    }

    /// A new folder with this mode from its first moment on.
    pub fn create_dir_with(&self, path: &Path, mode: u32) -> Result<()> {
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), mode)
            .create(path)
            .map_err(|error| file_error("create", path, &error))
    }

    /// A folder and those above it; fine if it exists.
    pub fn create_dirs(&self, path: &Path) -> Result<()> {
        std::fs::create_dir_all(path).map_err(|error| file_error("create", path, &error))
    }

    /// Removes a file or link; fine if it is gone.
    pub fn remove_file(&self, path: &Path) -> Result<()> {
        match std::fs::remove_file(path) {
            Err(error) if !absent(&error) => Err(file_error("remove", path, &error)),
            _ => Ok(()),
        }
    }

    /// Removes a folder and all in it; links inside are removed, not followed.
    pub fn remove_tree(&self, path: &Path) -> Result<()> {
        match std::fs::remove_dir_all(path) {
            Err(error) if !absent(&error) => Err(file_error("remove", path, &error)),
            _ => Ok(()),
        }
    }

    /// Removes an empty folder.
    pub fn remove_dir(&self, path: &Path) -> Result<()> {
        std::fs::remove_dir(path).map_err(|error| file_error("remove", path, &error))
    }

    /// A link that replaces what stands there (not a folder), in one step.
    pub fn symlink(&self, target: &Path, path: &Path) -> Result<()> {
        self.replace_by(path, |temporary| std::os::unix::fs::symlink(target, temporary))
    }

    /// A second name that replaces what stands there (not a folder), in one step.
    pub fn hard_link(&self, target: &Path, path: &Path) -> Result<()> {
        self.replace_by(path, |temporary| std::fs::hard_link(target, temporary))
    }

    fn replace_by(&self, path: &Path, make: impl Fn(&Path) -> std::io::Result<()>) -> Result<()> {
        if self.probe().lstat(path)?.is_none() {
            return make(path).map_err(|error| file_error("create the link", path, &error));
        }
        let temporary = temporary_name(path);
        make(&temporary).map_err(|error| file_error("create the link", path, &error))?;
        std::fs::rename(&temporary, path).map_err(|error| {
            let _ = std::fs::remove_file(&temporary);
            file_error("replace", path, &error)
        })?;
        // Two names of one file: rename does nothing and the temporary name stays.
        let _ = std::fs::remove_file(&temporary);
        Ok(())
    }

    /// Renames.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        std::fs::rename(from, to).map_err(|error| file_error("rename", from, &error))
    }

    /// Sets permission bits; a link, also one that was just put there, is refused and not followed.
    pub fn chmod(&self, path: &Path, mode: u32) -> Result<()> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let set = || -> std::io::Result<()> {
            let found = rustix::fs::open(path, flags, rustix::fs::Mode::empty())?;
            // A handle of a link itself has no mode to set: the kernel refuses it there.
            let handle = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&found));
            if rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode) == rustix::fs::FileType::Symlink
            {
                return Err(rustix::io::Errno::LOOP.into());
            }
            match std::fs::set_permissions(handle, Permissions::from_mode(mode)) {
                // A chroot without /proc.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    File::from(rustix::fs::open(path, flags, rustix::fs::Mode::empty())?)
                        .set_permissions(Permissions::from_mode(mode))
                }
                other => other,
            }
        };
        set().map_err(|error| file_error("change the mode of", path, &error))
    }

    /// Sets owner and group of the path itself.
    pub fn chown(&self, path: &Path, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        std::os::unix::fs::lchown(path, uid, gid).map_err(|error| file_error("change the owner of", path, &error))
    }

    /// Sets access and modification time, in nanoseconds since 1970; `None` means now. Follows links.
    pub fn set_times(&self, path: &Path, accessed: Option<i128>, modified: Option<i128>) -> Result<()> {
        rustix::fs::utimensat(rustix::fs::CWD, path, &stamps(accessed, modified), rustix::fs::AtFlags::empty())
            .map_err(|error| file_error("set the times of", path, &error.into()))
    }

    /// Sets the running kernel's name of this host.
    pub fn set_hostname(&self, name: &str) -> Result<()> {
        rustix::system::sethostname(name.as_bytes())
            .map_err(|error| file_error("set", Path::new("the name of the host"), &error.into()))
    }

    /// Creates an empty file; fails if something is there.
    pub fn create_empty(&self, path: &Path) -> Result<()> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o666)
            .open(path)
            .map(drop)
            .map_err(|error| file_error("create", path, &error))
    }

    /// Puts new content at a path: a temporary file beside it, synced, with owner, mode and extended
    /// attributes of what it replaces, then renamed. A link at the path is replaced, not followed.
    pub fn write(&self, path: &Path, content: Content<'_>, options: WriteOptions) -> Result<()> {
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let present = if options.ignore_present { None } else { self.probe().lstat(path)?.filter(Metadata::is_file) };
        let mut temporary = match Arriving::new(folder) {
            Ok(temporary) => temporary,
            Err(_) if options.unsafe_writes && present.is_some() => return in_place(path, content),
            Err(error) => return Err(file_error("write in", folder, &error)),
        };
        fill(temporary.file(), content)?;
        let file = &*temporary.file();
        let mode = options.mode.or_else(|| present.as_ref().map(|present| present.mode() & 0o7777));
        let uid = options.owner.0.or_else(|| present.as_ref().map(MetadataExt::uid));
        let gid = options.owner.1.or_else(|| present.as_ref().map(MetadataExt::gid));
        let own = file.metadata().map_err(|error| file_error("look at", path, &error))?;
        let wanted = (uid.filter(|uid| *uid != own.uid()), gid.filter(|gid| *gid != own.gid()));
        if wanted != (None, None)
            && let Err(error) = std::os::unix::fs::fchown(file, wanted.0, wanted.1)
        {
            // A plain user may not give files away; whoever asked for an owner must know, keeping one is best effort.
            if options.owner != (None, None) || error.kind() != ErrorKind::PermissionDenied {
                return Err(file_error("change the owner of", path, &error));
            }
        }
        if present.is_some() {
            copy_xattrs(path, file);
        }
        file.set_permissions(Permissions::from_mode(mode.unwrap_or(0o666 & !umask())))
            .and_then(|()| file.sync_all())
            .map_err(|error| file_error("write", path, &error))?;
        match if options.new { temporary.put_new(path) } else { temporary.put(path) } {
            Ok(()) => {
                sync_folder(folder);
                Ok(())
            }
            Err(_) if options.unsafe_writes && !options.new => in_place(path, content),
            Err(refused) => Err(file_error("replace", path, &refused)),
        }
    }
}

fn sync_folder(folder: &Path) {
    if let Ok(handle) = File::open(folder) {
        // Not all file systems can; the content itself is synced.
        let _ = handle.sync_all();
    }
}

pub(super) fn fill(file: &mut File, content: Content<'_>) -> Result<()> {
    let written = match content {
        Content::Bytes(bytes) => file.write_all(bytes),
        Content::File(source) => {
            let mut source_file = open_plain(source).map_err(|error| file_error("read", source, &error))?;
            std::io::copy(&mut source_file, file).map(|_| ())
        }
        Content::Opened(mut source) => {
            use std::io::Seek as _;
            source.rewind().and_then(|()| std::io::copy(&mut source, file)).map(|_| ())
        }
    };
    written.and_then(|()| file.flush()).map_err(|error| file_error("write", Path::new("a temporary file"), &error))
}

fn in_place(path: &Path, content: Content<'_>) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .truncate(true)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map_err(|error| file_error("write", path, &error))?;
    fill(&mut file, content)?;
    file.sync_all().map_err(|error| file_error("write", path, &error))
}

/// Takes over extended attributes (SELinux label, ACL, user attributes), as far as the file system lets us.
fn copy_xattrs(from: &Path, to: &File) {
    let mut names = vec![0u8; 65536];
    let Ok(length) = rustix::fs::llistxattr(from, names.as_mut_slice()) else { return };
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let Ok(name) = CString::new(name) else { continue };
        let mut value = vec![0u8; 65536];
        if let Ok(size) = rustix::fs::lgetxattr(from, &name, value.as_mut_slice()) {
            let _ = rustix::fs::fsetxattr(to, &name, &value[..size], rustix::fs::XattrFlags::empty());
        }
    }
}

fn temporary_name(path: &Path) -> PathBuf {
    let random = uuid::Uuid::new_v4().simple().to_string();
    let mut name = std::ffi::OsString::from(".hostctl-");
    name.push(&random[..12]);
    path.parent().map_or_else(|| PathBuf::from(&name), |parent| parent.join(&name))
}

/// A path's bytes as text for results; bytes that are no UTF-8 are replaced.
pub fn shown(path: &Path) -> String {
    String::from_utf8_lossy(path.as_os_str().as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hand() -> Mutate {
        Mutate::with_probe(Probe::new(Vec::new()))
    }

    #[test]
    fn errors_register_what_python_says() {
        let said = |doing: &str, code: i32| {
            let error = std::io::Error::from_raw_os_error(code);
            file_error(doing, Path::new("/x"), &error).registered().to_owned()
        };
        assert_eq!(said("read", 13), "Task failed: Module failed: [Errno 13] Permission denied: b'/x'");
        assert_eq!(said("look at", 13), "Permission denied");
        assert_eq!(said("change the owner of", 1), "chown failed");
        assert_eq!(said("create", 20), "Task failed: Module failed: [Errno 20] Not a directory: b'/x'");
    }

    #[test]
    fn writes_keep_mode_and_owner_and_leave_nothing_behind() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a");
        std::fs::write(&path, "old").expect("write");
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("mode");
        let user = b"user.test\0";
        let name = CString::from_vec_with_nul(user.to_vec()).expect("name");
        let labelled = rustix::fs::lsetxattr(&path, &name, b"v", rustix::fs::XattrFlags::empty()).is_ok();
        hand().write(&path, Content::Bytes(b"new"), WriteOptions::default()).expect("write");
        assert_eq!(std::fs::read(&path).expect("read"), b"new");
        assert_eq!(std::fs::metadata(&path).expect("stat").mode() & 0o7777, 0o640);
        if labelled {
            let mut value = [0u8; 8];
            assert_eq!(rustix::fs::lgetxattr(&path, &name, &mut value), Ok(1));
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 1);
    }

    #[test]
    fn a_planted_link_is_replaced_not_followed() {
        let folder = tempfile::tempdir().expect("folder");
        let (victim, path) = (folder.path().join("victim"), folder.path().join("a"));
        std::fs::write(&victim, "safe").expect("write");
        std::os::unix::fs::symlink(&victim, &path).expect("link");
        hand().write(&path, Content::Bytes(b"new"), WriteOptions::default()).expect("write");
        assert_eq!(std::fs::read(&victim).expect("read"), b"safe");
        assert!(std::fs::symlink_metadata(&path).expect("stat").is_file());
    }

    #[test]
    fn the_mode_of_a_link_is_not_its_targets() {
        let folder = tempfile::tempdir().expect("folder");
        let (victim, path) = (folder.path().join("victim"), folder.path().join("a"));
        std::fs::write(&victim, "safe").expect("write");
        hand().chmod(&victim, 0o600).expect("mode of a file");
        std::os::unix::fs::symlink(&victim, &path).expect("link");
        hand().chmod(&path, 0o666).expect_err("a link");
        assert_eq!(std::fs::metadata(&victim).expect("stat").mode() & 0o7777, 0o600);
        hand().create_dir_with(&folder.path().join("d"), 0o700).expect("folder");
        assert_eq!(std::fs::metadata(folder.path().join("d")).expect("stat").mode() & 0o7777, 0o700);
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let folder = tempfile::tempdir().expect("folder");
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("fifo");
        let probe = Probe::new(Vec::new());
        assert!(probe.read(&fifo).expect_err("fifo").message.ends_with("it is a fifo, not a file"));
        probe.digest(&fifo, Digest::Sha1).expect_err("fifo");
        probe.digest(Path::new("/dev/zero"), Digest::Sha1).expect_err("device");
        assert_eq!(probe.text(&fifo), None);
        let copy = folder.path().join("copy");
        hand().write(&copy, Content::File(Path::new("/dev/zero")), WriteOptions::default()).expect_err("device");
        assert!(!copy.exists());
    }

    #[test]
    fn real_paths_need_not_exist() {
        let folder = tempfile::tempdir().expect("folder");
        let probe = Probe::new(Vec::new());
        let base = probe.real(folder.path());
        std::os::unix::fs::symlink("b/../c", folder.path().join("a")).expect("link");
        assert_eq!(probe.real(&folder.path().join("a/x")), base.join("c/x"));
        std::os::unix::fs::symlink("loop", folder.path().join("loop")).expect("link");
        assert_eq!(probe.real(&folder.path().join("loop/x")), base.join("loop/x"));
    }

    #[test]
    fn a_full_folder_error_names_path_and_reason() {
        let error = hand().write(Path::new("/no/such/folder/x"), Content::Bytes(b""), WriteOptions::default());
        assert_eq!(error.expect_err("missing").message, "cannot write in `/no/such/folder`: no such file or directory");
    }
}
