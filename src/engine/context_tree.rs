//! A folder of the controller as images are built from it: links stay links, and only what an image can need is read.
//!
//! Reading it may take long (what no `.dockerignore` leaves out of a folder of 20 GB is hashed), so it is told after some
//! seconds, ends with an interrupt, and never takes more of a file than it had when it was listed.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::heard;
use super::inputs::{Take, repositories, unreadable};
use super::interp::HostRun;
use crate::diag::{Diagnostic, Kind, Result, read};
use crate::event::{EventKind, Progress, Stream};
use crate::modules::{BlobSource, Input, InputKind, Needs, TreeEntry};
use crate::playbook::Task;
use crate::system::digest::{Digest, Hasher};
use crate::system::{Probe, TreeItem, TreeKind, changed_meanwhile};
use crate::value;

/// Reading that takes longer is told.
const LONG: Duration = Duration::from_secs(4);
/// And told again after so long.
const AGAIN: Duration = Duration::from_secs(15);
/// Sockets and the like that are named in a warning.
const NAMED: usize = 5;

/// A folder that is sent, and how.
pub(super) struct Context<'a> {
    pub(super) arg: &'a str,
    pub(super) path: &'a Path,
    pub(super) take: Take,
    pub(super) needs: Needs,
    /// The module wants to know of the folder's repositories.
    pub(super) repositories: bool,
}

impl HostRun {
    /// The input of a module that says what it needs; `None` if it needs the folder as `copy` sends it.
    pub(super) fn context_input(
        &self,
        task: &Task,
        context: &Context<'_>,
        args: &serde_json::Value,
    ) -> Result<Option<Input>> {
        let root = context.path;
        if !root.is_dir() {
            return Ok(None);
        }
        let probe = Probe::new(Vec::new());
        let list = probe.tree_list(root).map_err(|error| unreadable(root, &error))?;
        let mut items = list.items;
        let what: std::collections::HashMap<PathBuf, &str> = list.special.into_iter().collect();
        let special = |path: &PathBuf| TreeItem { path: path.clone(), kind: TreeKind::File(0), mode: 0, mtime: 0 };
        items.extend(what.keys().map(special));
        items.sort_by(|a, b| a.path.cmp(&b.path));
        let text = |path: &Path| {
            let path = root.join(path);
            let opened = if context.take.decrypt { self.opened(&path) } else { Ok(None) };
            match opened.map_err(|error| io::Error::other(error.message.clone()))? {
                Some(text) => Ok(text),
                None => probe.tree_text(&path),
            }
        };
        let Some(needed) = (context.needs)(args, &items, &text) else { return Ok(None) };
        let repositories =
            if context.repositories { repositories(root, items.iter().map(|item| &*item.path)) } else { Vec::new() };
        let mut needed = needed.into_iter();
        items.retain(|_| needed.next().unwrap_or(true));
        let (special, items): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| what.contains_key(&item.path));
        warn_special(root, &special, &what);
        let entries = self.read_items(task, context, &items)?;
        let basename = super::inputs::basename(root);
        let arg = context.arg.to_owned();
        let contents_only = context.take.contents_only;
        Ok(Some(Input { arg, entries, is_tree: true, basename, contents_only, repositories }))
    }

    fn read_items(&self, task: &Task, context: &Context<'_>, items: &[TreeItem]) -> Result<Vec<TreeEntry>> {
        let size = |item: &TreeItem| if let TreeKind::File(size) = item.kind { size } else { 0 };
        let cancel = &self.play.engine.cancel;
        let mut reading = Reading {
            done: 0,
            all: items.iter().map(size).fold(0, u64::saturating_add),
            next: Instant::now() + LONG,
            tell: &|text| {
                let progress = Progress::Output { stream: Stream::Stderr, text };
                self.emit(EventKind::Progress { task: task.id, progress });
            },
            stop: &|| cancel.is_cancelled(),
        };
        let mut entries = Vec::with_capacity(items.len());
        for item in items {
            let path = context.path.join(&item.path);
            let bad = |what: &str| {
                Diagnostic::local("H0021", format!("{what} is not valid UTF-8")).with_hint("rename the file")
            };
            let name = item.path.to_str().ok_or_else(|| bad(&format!("`{}`", path.display())))?.to_owned();
            let kind = match &item.kind {
                TreeKind::Dir => InputKind::Dir,
                TreeKind::Link(target) => {
                    let target = target.to_str();
                    let target = target.ok_or_else(|| bad(&format!("the target of the link `{}`", path.display())))?;
                    InputKind::Link { target: target.to_owned() }
                }
                TreeKind::File(size) => match if context.take.decrypt { self.opened(&path)? } else { None } {
                    Some(text) => super::inputs::memory(text.into_bytes()),
                    None => reading.file(context.path, &path, *size)?,
                },
            };
            entries.push(TreeEntry { path: name, mode: item.mode, kind });
        }
        Ok(entries)
    }
}

fn warn_special(root: &Path, special: &[TreeItem], what: &std::collections::HashMap<PathBuf, &str>) {
    let named =
        |item: &TreeItem| format!("`{}` ({})", item.path.display(), what.get(&item.path).copied().unwrap_or_default());
    let mut names: Vec<String> = special.iter().take(NAMED).map(named).collect();
    if names.is_empty() {
        return;
    }
    if special.len() > NAMED {
        names.push(format!("{} more", special.len() - NAMED));
    }
    let text =
        format!("left out of `{}`, since a build's context has none of these: {}", root.display(), names.join(", "));
    let warning = Diagnostic::local("B0198", text).with_hint("remove them, or name them in `.dockerignore`").warning();
    heard::hear(warning);
}

/// Files being hashed.
struct Reading<'a> {
    /// Bytes.
    done: u64,
    all: u64,
    /// When it is told.
    next: Instant,
    tell: &'a dyn Fn(String),
    stop: &'a dyn Fn() -> bool,
}

impl Reading<'_> {
    /// A file's hashes. `size` is what it had when it was listed.
    fn file(&mut self, root: &Path, path: &Path, size: u64) -> Result<InputKind> {
        let cannot = |error: io::Error| unreadable(path, &error);
        let file = read::open_plain(path).map_err(cannot)?;
        let before = file.metadata().map_err(cannot)?;
        let watched = Watched { inner: (&file).take(size), reading: self, root, path };
        let hashed = Hasher::of_all([Digest::Sha1, Digest::Sha256], watched);
        if (self.stop)() {
            let text = format!("interrupted while `{}` was read on the controller", root.display());
            return Err(Diagnostic::new("B0200", Kind::Interrupted, text));
        }
        let ([sha1, sha256], count) = hashed.map_err(cannot)?;
        let after = file.metadata().map_err(cannot)?;
        let times = |meta: &std::fs::Metadata| (meta.mtime(), meta.mtime_nsec());
        if count != size || after.len() != size || times(&after) != times(&before) {
            let text = format!("`{}` was changed while it was read on the controller", path.display());
            return Err(changed_meanwhile(text));
        }
        // Programs of the module may run in another folder.
        let source = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        Ok(InputKind::File { sha1, sha256, size, source: Some(BlobSource::File(source)) })
    }
}

/// A reader that tells how far it is, and ends early if the run is to end.
struct Watched<'a, 'b, R> {
    inner: R,
    reading: &'a mut Reading<'b>,
    root: &'a Path,
    path: &'a Path,
}

impl<R: Read> Read for Watched<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.reading.stop)() {
            return Err(io::Error::other("the run was interrupted"));
        }
        let count = self.inner.read(buffer)?;
        self.reading.done = self.reading.done.saturating_add(count as u64);
        let now = Instant::now();
        if now >= self.reading.next {
            self.reading.next = now + AGAIN;
            let path = self.path.strip_prefix(self.root).unwrap_or(self.path);
            (self.reading.tell)(format!(
                "reading `{}` on the controller: {} of {}, now `{}`\n",
                self.root.display(),
                value::size(self.reading.done),
                value::size(self.reading.all),
                path.display()
            ));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    fn read(folder: &Path, size: u64, stop: &dyn Fn() -> bool, tell: &dyn Fn(String)) -> Result<InputKind> {
        Reading { done: 0, all: size, next: Instant::now(), tell, stop }.file(folder, &folder.join("file"), size)
    }

    #[test]
    fn a_file_is_read_as_far_as_it_was_listed_told_and_left_when_the_run_ends() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, vec![1; 1 << 20]).unwrap();
        let told = RefCell::new(Vec::new());
        let tell = |text| told.borrow_mut().push(text);
        let InputKind::File { sha256, size, .. } = read(folder.path(), 1 << 20, &|| false, &tell).unwrap() else {
            panic!("a file")
        };
        assert_eq!((sha256, size), (Hasher::of(Digest::Sha256, &vec![1; 1 << 20]), 1 << 20));
        let told = told.into_inner();
        let place = folder.path().display();
        assert_eq!(told, [format!("reading `{place}` on the controller: 128 KiB of 1.0 MiB, now `file`\n")]);
        // Another size than it was listed with, and times that change on the way.
        for size in [(1 << 20) + 1, (1 << 20) - 1, 0] {
            assert_eq!(read(folder.path(), size, &|| false, &|_| {}).unwrap_err().code, "B0199", "{size}");
        }
        let touch = |_| std::fs::write(&file, vec![2; 1 << 20]).unwrap();
        assert_eq!(read(folder.path(), 1 << 20, &|| false, &touch).unwrap_err().code, "B0199");
        // A file of 1 TB ends when the run does.
        std::fs::File::create(&file).unwrap().set_len(1 << 40).unwrap();
        let asked = Cell::new(0);
        let stop = || asked.replace(asked.get() + 1) >= 10;
        let error = read(folder.path(), 1 << 40, &stop, &|_| {}).unwrap_err();
        assert_eq!((&*error.code, error.kind), ("B0200", Kind::Interrupted));
        assert!(asked.get() < 20);
    }
}
