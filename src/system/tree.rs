//! A folder as a whole: what is in it, its tar, and private copies of trees that a caller sends.
//!
//! Links are never followed, neither when listing nor when reading.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt as _, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use super::digest::{Digest, Hasher};
use super::fs::{Content, WriteOptions, file_error};
use super::{Mutate, Probe};
use crate::diag::read::no_utf8;
use crate::diag::{Diagnostic, Result as Checked};

/// What a [`TreeItem`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeKind {
    /// A regular file and its size.
    File(u64),
    /// A folder.
    Dir,
    /// A symbolic link and its target.
    Link(PathBuf),
}

/// One thing below a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeItem {
    /// Relative to the folder.
    pub path: PathBuf,
    /// What it is.
    pub kind: TreeKind,
    /// Permission bits.
    pub mode: u32,
    /// Seconds since 1970.
    pub mtime: u64,
}

/// What is below a folder.
#[derive(Clone, Debug, Default)]
pub struct TreeList {
    /// Files, folders and links, parents before children.
    pub items: Vec<TreeItem>,
    /// All else, by path, and what each is (`a FIFO`).
    pub special: Vec<(PathBuf, &'static str)>,
}

/// What a thing is that is no file, folder or link.
fn special_name(meta: &fs::Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    let kind = meta.file_type();
    if kind.is_socket() {
        "a socket"
    } else if kind.is_fifo() {
        "a FIFO"
    } else {
        "a device"
    }
}

/// One thing of a tree that is to be laid out privately.
#[derive(Clone, Debug)]
pub struct ScratchItem {
    /// Relative to the new folder.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// What goes there.
    pub content: ScratchContent,
}

/// The content of a [`ScratchItem`].
#[derive(Clone, Debug)]
pub enum ScratchContent {
    /// These bytes.
    Bytes(std::sync::Arc<[u8]>),
    /// A copy of this file.
    CopyOf(PathBuf),
    /// A copy of this file, which is refused if it has another digest (SHA-256 in hex) by now.
    SameCopyOf(PathBuf, String),
    /// A folder.
    Dir,
    /// A symbolic link.
    Link(PathBuf),
}

impl Probe {
    /// Everything below a folder, parents before children, names in byte order. Sockets, pipes and
    /// devices are left out, and `.hostctl`: where runs that are started in the tree keep their records.
    pub fn tree_items(&self, root: &Path) -> io::Result<Vec<TreeItem>> {
        self.tree_list(root).map(|list| list.items)
    }

    /// The same with what was left out since no copy of it can be made. Nothing is opened but folders.
    pub fn tree_list(&self, root: &Path) -> io::Result<TreeList> {
        let mut found = Vec::new();
        let mut special = Vec::new();
        let mut waiting = vec![PathBuf::new()];
        while let Some(folder) = waiting.pop() {
            let mut names = fs::read_dir(root.join(&folder))?
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect::<io::Result<Vec<_>>>()?;
            names.sort();
            for name in names.into_iter().filter(|name| name != ".hostctl") {
                let path = folder.join(name);
                let meta = match fs::symlink_metadata(root.join(&path)) {
                    Ok(meta) => meta,
                    // Gone since the folder was read.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))),
                };
                let kind = if meta.is_dir() {
                    waiting.push(path.clone());
                    TreeKind::Dir
                } else if meta.is_symlink() {
                    TreeKind::Link(fs::read_link(root.join(&path))?)
                } else if meta.is_file() {
                    TreeKind::File(meta.len())
                } else {
                    special.push((path, special_name(&meta)));
                    continue;
                };
                let mtime = meta
                    .modified()
                    .ok()
                    .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
                    .map_or(0, |since| since.as_secs());
                found.push(TreeItem { path, kind, mode: meta.permissions().mode() & 0o7777, mtime });
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        special.sort();
        Ok(TreeList { items: found, special })
    }

    /// A file's text; not more than 16 MiB.
    pub fn tree_text(&self, path: &Path) -> io::Result<String> {
        let mut bytes = Vec::new();
        open_plain(path)?.take(16 << 20).read_to_end(&mut bytes)?;
        String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            io::Error::new(io::ErrorKind::InvalidData, no_utf8(error.as_bytes(), good))
        })
    }
}

impl Mutate {
    /// A private folder (0700) with a tree laid out in it; removed when dropped. Paths that would
    /// leave the folder are refused.
    pub fn scratch_tree(&self, items: &[ScratchItem]) -> io::Result<tempfile::TempDir> {
        let base = if Path::new("/var/tmp").is_dir() { PathBuf::from("/var/tmp") } else { std::env::temp_dir() };
        let folder = tempfile::Builder::new()
            .prefix(&super::leftovers::prefix())
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(base)?;
        lay_out(folder.path(), items)?;
        Ok(folder)
    }

    /// Lays more out in a folder of [`Mutate::scratch_tree`].
    pub fn scratch_more(&self, folder: &tempfile::TempDir, items: &[ScratchItem]) -> io::Result<()> {
        lay_out(folder.path(), items)
    }

    /// A private folder (0700) whose mount lets programs be run; removed when dropped.
    pub fn program_folder(&self) -> Checked<tempfile::TempDir> {
        let home = self.probe().variable("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let places = ["/var/tmp", "/tmp"].map(PathBuf::from).into_iter().chain(home);
        let places = places.chain(["/dev/shm", "/run"].map(PathBuf::from));
        let mut refused = None;
        for place in places {
            let noexec = rustix::fs::statvfs(&place)
                .is_ok_and(|mount| mount.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC));
            if noexec || !place.is_dir() {
                continue;
            }
            let folder = tempfile::Builder::new()
                .prefix(&super::leftovers::prefix())
                .permissions(fs::Permissions::from_mode(0o700))
                .tempdir_in(&place);
            match folder {
                Ok(folder) => return Ok(folder),
                Err(error) => refused = refused.or(Some((place, error))),
            }
        }
        Err(match refused {
            Some((place, error)) => file_error("make a folder for a program in", &place, &error),
            None => Diagnostic::task("H0101", "no folder of this host lets programs be run from it")
                .with_note("looked at /var/tmp, /tmp, ~/.cache, /dev/shm and /run")
                .with_hint("mount one of them without `noexec`"),
        })
    }

    /// A new file that its owner may run.
    pub fn program_file(&self, path: &Path, content: Content<'_>) -> Checked<()> {
        let options = WriteOptions { mode: Some(0o700), ignore_present: true, ..WriteOptions::default() };
        self.write(path, content, options)
    }

    /// Creates or empties a log file that only its owner reads, with its folder.
    pub fn private_log(&self, path: &Path) -> io::Result<File> {
        if let Some(parent) = path.parent()
            && !parent.is_dir()
        {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(no_follow())
            .open(path)?;
        // In a folder that others may write to, one could lie there that is theirs, or another name of a file of ours.
        let found = file.metadata()?;
        if !found.is_file() || found.uid() != rustix::process::geteuid().as_raw() || found.nlink() != 1 {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "somebody else's file is there"));
        }
        file.set_len(0)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        Ok(file)
    }
}

/// Lays a tree out in a folder, over what is there: files and links are replaced, never written through. Paths that
/// would leave the folder are refused, and so are folders that are links.
pub fn lay_out(root: &Path, items: &[ScratchItem]) -> io::Result<()> {
    let mut safe = std::collections::HashSet::new();
    for item in items {
        let inside = item.path.components().all(|part| matches!(part, Component::Normal(_)));
        if !inside {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("`{}` would lie outside of its tree", item.path.display()),
            ));
        }
        let path = root.join(&item.path);
        let folder = if matches!(item.content, ScratchContent::Dir) { Some(&*item.path) } else { item.path.parent() };
        for part in folder.into_iter().flat_map(Path::ancestors) {
            if !safe.insert(part.to_path_buf()) {
                break;
            }
            let linked = fs::symlink_metadata(root.join(part)).is_ok_and(|meta| meta.is_symlink());
            if linked && !part.as_os_str().is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("the folder `{}` is a link", root.join(part).display()),
                ));
            }
        }
        if let Some(folder) = folder {
            fs::DirBuilder::new().recursive(true).mode(0o755).create(root.join(folder))?;
        }
        if matches!(item.content, ScratchContent::Dir) {
            continue;
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match &item.content {
            ScratchContent::Dir => {}
            ScratchContent::Link(target) => {
                std::os::unix::fs::symlink(target, &path)?;
                continue;
            }
            ScratchContent::Bytes(bytes) => create(&path)?.write_all(bytes)?,
            ScratchContent::CopyOf(source) => {
                io::copy(&mut File::open(source)?, &mut create(&path)?)?;
            }
            ScratchContent::SameCopyOf(source, digest) => same_copy(source, digest, &path)
                .map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", item.path.display())))?,
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(item.mode & 0o7777))?;
    }
    // Folders last: their modes may forbid writing.
    for item in items.iter().filter(|item| matches!(item.content, ScratchContent::Dir)) {
        let mode = (item.mode & 0o7777) | 0o700;
        fs::set_permissions(root.join(&item.path), fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Writes items of a folder as a tar stream, owned by root. A file named in `replaced` has that
/// content instead (and is added if it is not among the items).
pub fn write_tree_tar(
    root: &Path,
    items: &[TreeItem],
    replaced: &[(PathBuf, Vec<u8>)],
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut builder = tar::Builder::new(out);
    for item in items {
        if replaced.iter().any(|(path, _)| *path == item.path) {
            continue;
        }
        let mut header = header(item.mode, item.mtime);
        match &item.kind {
            TreeKind::Dir => {
                header.set_entry_type(tar::EntryType::Directory);
                builder.append_data(&mut header, &item.path, io::empty())?;
            }
            TreeKind::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                builder.append_link(&mut header, &item.path, target)?;
            }
            TreeKind::File(size) => {
                header.set_size(*size);
                // It may have vanished since the folder was read.
                let file = open_plain(&root.join(&item.path))
                    .map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", item.path.display())))?;
                let mut exact = Exact { file, left: *size, path: &item.path };
                builder.append_data(&mut header, &item.path, &mut exact)?;
            }
        }
    }
    for (path, content) in replaced {
        let mut header = header(0o644, 0);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, content.as_slice())?;
    }
    builder.into_inner()?.flush()
}

fn header(mode: u32, mtime: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_mtime(mtime);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header
}

fn no_follow() -> i32 {
    i32::try_from((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits()).unwrap_or(0)
}

/// Opens a file; neither a link, nor a FIFO that would block.
pub(super) fn open_plain(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(no_follow()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    Ok(file)
}

/// B0199: a file of a tree is another one by now.
pub fn changed_meanwhile(what: String) -> Diagnostic {
    Diagnostic::local("B0199", what)
        .with_hint("run it again when nothing writes to the tree; what no image needs can be named in `.dockerignore`")
}

/// Copies a file whose content is known. What is another one by now is not left behind.
fn same_copy(source: &Path, digest: &str, path: &Path) -> io::Result<()> {
    let from = crate::diag::read::open_plain(source)?;
    let mut into = create(path)?;
    // A file that grows all the time ends, too.
    let size = from.metadata()?.len();
    let ([found], _) = Hasher::copy([Digest::Sha256], &mut from.take(size), |part| into.write_all(part))?;
    if found != digest {
        fs::remove_file(path)?;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it was changed after the run had listed it"));
    }
    Ok(())
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Exactly the announced number of bytes: a file that shrinks while it is read is an error, since
/// the archive would be broken; one that grows is cut.
struct Exact<'a> {
    file: File,
    left: u64,
    path: &'a Path,
}

impl Read for Exact<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read(&mut buffer[..most])?;
        if read == 0 {
            let text = format!("`{}` became shorter while it was read", self.path.display());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_vanishes_while_it_is_sent_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("gone.txt"), "x").unwrap();
        let items = Probe::new(Vec::new()).tree_items(folder.path()).unwrap();
        fs::remove_file(folder.path().join("gone.txt")).unwrap();
        let error = write_tree_tar(folder.path(), &items, &[], &mut Vec::new()).unwrap_err();
        assert!(error.to_string().starts_with("`gone.txt`: "), "{error}");
        // A pipe in its place neither blocks nor is sent.
        assert!(std::process::Command::new("mkfifo").arg(folder.path().join("gone.txt")).status().unwrap().success());
        let error = write_tree_tar(folder.path(), &items, &[], &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "`gone.txt`: it is not a file");
    }

    #[test]
    fn what_is_no_file_is_named_and_never_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("d")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path("d/pipe")).status().unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(path("a.sock")).unwrap();
        fs::write(path("file"), "x").unwrap();
        let list = Probe::new(Vec::new()).tree_list(folder.path()).unwrap();
        let names: Vec<_> = list.items.iter().map(|item| item.path.display().to_string()).collect();
        assert_eq!(names, ["d", "file"]);
        assert_eq!(list.special, [("a.sock".into(), "a socket"), ("d/pipe".into(), "a FIFO")]);
    }

    #[test]
    fn a_copy_of_what_has_changed_is_refused_and_not_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let (file, root) = (folder.path().join("file"), folder.path().join("root"));
        fs::create_dir(&root).unwrap();
        fs::write(&file, "old").unwrap();
        let digest = Hasher::of(Digest::Sha256, b"old");
        let content = ScratchContent::SameCopyOf(file.clone(), digest);
        let item = ScratchItem { path: "copy".into(), mode: 0o644, content };
        lay_out(&root, std::slice::from_ref(&item)).unwrap();
        assert_eq!(fs::read_to_string(root.join("copy")).unwrap(), "old");
        fs::write(&file, "new").unwrap();
        let error = lay_out(&root, &[item]).unwrap_err();
        assert_eq!(error.to_string(), "`copy`: it was changed after the run had listed it");
        assert!(!root.join("copy").exists());
    }

    #[test]
    fn a_tree_goes_into_a_tar_with_links_modes_and_replaced_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        fs::write(folder.path().join("d/run.sh"), "x").unwrap();
        fs::set_permissions(folder.path().join("d/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.path().join("Dockerfile"), "FROM old").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        let items = Probe::new(Vec::new()).tree_items(folder.path()).unwrap();
        let mut tar = Vec::new();
        write_tree_tar(folder.path(), &items, &[("Dockerfile".into(), b"FROM new".to_vec())], &mut tar).unwrap();
        let mut seen = Vec::new();
        for entry in tar::Archive::new(tar.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let path = entry.path().unwrap().display().to_string();
            seen.push((path, entry.header().mode().unwrap(), entry.header().uid().unwrap(), text));
        }
        assert_eq!(seen[0].0, "d");
        assert_eq!(seen[1], ("d/run.sh".into(), 0o755, 0, "x".into()));
        assert_eq!(seen[2].0, "link");
        assert_eq!(seen[3], ("Dockerfile".into(), 0o644, 0, "FROM new".into()));
        assert_eq!(seen.len(), 4);
    }

    #[test]
    fn a_scratch_tree_stays_inside_its_private_folder() {
        let mutate = Mutate::with_probe(Probe::new(Vec::new()));
        let item = |path: &str| ScratchItem {
            path: path.into(),
            mode: 0o640,
            content: ScratchContent::Bytes(b"x".as_slice().into()),
        };
        let folder = mutate.scratch_tree(&[item("a/b")]).unwrap();
        assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(folder.path().join("a/b")).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(mutate.scratch_tree(&[item("../x")]).is_err());
        assert!(mutate.scratch_tree(&[item("/x")]).is_err());
    }

    #[test]
    fn a_tree_is_laid_over_what_is_there_but_never_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let (root, other) = (folder.path().join("root"), folder.path().join("other"));
        fs::create_dir_all(&other).unwrap();
        fs::create_dir_all(&root).unwrap();
        fs::write(other.join("file"), "other's").unwrap();
        std::os::unix::fs::symlink(other.join("file"), root.join("file")).unwrap();
        std::os::unix::fs::symlink(&other, root.join("linked")).unwrap();
        let item = |path: &str| ScratchItem {
            path: path.into(),
            mode: 0o600,
            content: ScratchContent::Bytes(b"new".as_slice().into()),
        };
        lay_out(&root, &[item("file"), item("a/b")]).unwrap();
        lay_out(&root, &[item("a/b")]).unwrap();
        assert_eq!(fs::read_to_string(root.join("file")).unwrap(), "new");
        assert_eq!(fs::read_to_string(other.join("file")).unwrap(), "other's");
        assert!(lay_out(&root, &[item("linked/file")]).unwrap_err().to_string().contains("is a link"));
        let dir = ScratchItem { path: "linked".into(), mode: 0o755, content: ScratchContent::Dir };
        assert!(lay_out(&root, &[dir]).is_err());
    }

    #[test]
    fn a_log_empties_no_file_of_somebody_else() {
        let folder = tempfile::tempdir().unwrap();
        let host = Mutate::with_probe(Probe::new(Vec::new()));
        let path = folder.path().join("log");
        host.private_log(&path).unwrap();
        fs::write(&path, "old").unwrap();
        host.private_log(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
        fs::write(&path, "old").unwrap();
        fs::hard_link(&path, folder.path().join("other")).unwrap();
        assert!(host.private_log(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        let tree = host.scratch_tree(&[]).unwrap();
        let name = tree.path().file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.starts_with(&super::super::leftovers::prefix()), "a later process knows whose it is");
    }
}
