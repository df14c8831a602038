//! The controller's tree on the host: listed at once, laid out folder by folder as images are built.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::super::call::{Blob, InputKind, TreeEntry};
use super::super::cx::Link;
use crate::diag::{Diagnostic, Result};
use crate::image::SentTree;
use crate::system::{Mutate, ScratchContent, ScratchItem, TreeItem, TreeKind};

/// The most bytes of a file that is read as text.
const TEXT: u64 = 16 << 20;

pub(super) struct Sent {
    /// By path.
    entries: Vec<(PathBuf, TreeEntry)>,
    link: Arc<dyn Link>,
    mutate: Mutate,
    folder: tempfile::TempDir,
    /// Which of the entries are there.
    done: Mutex<BTreeSet<usize>>,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries for {}", self.entries.len(), self.folder.path().display())
    }
}

fn other(error: &Diagnostic) -> io::Error {
    io::Error::other(error.message.clone())
}

impl Sent {
    pub(super) fn new(entries: Vec<TreeEntry>, link: Arc<dyn Link>, mutate: &Mutate) -> Result<Self> {
        let folder = mutate.scratch_tree(&[]).map_err(|error| {
            Diagnostic::task("B0016", format!("the image tree could not be laid out on the host: {error}"))
        })?;
        let mut entries: Vec<_> = entries.into_iter().map(|entry| (PathBuf::from(&entry.path), entry)).collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Self { entries, link, mutate: mutate.clone(), folder, done: Mutex::default() })
    }

    /// Where it is laid out.
    pub(super) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The entries at and below a folder. A path sorts right before all that is below it.
    fn below(&self, context: &Path) -> impl Iterator<Item = (usize, &(PathBuf, TreeEntry))> {
        let from = self.entries.partition_point(|(path, _)| path.as_path() < context);
        let context = context.to_path_buf();
        let rest = self.entries[from..].iter().take_while(move |(path, _)| path.starts_with(&context));
        rest.enumerate().map(move |(at, entry)| (from + at, entry))
    }
}

impl SentTree for Sent {
    fn items(&self, context: &Path) -> Option<Vec<TreeItem>> {
        let mut found = context.as_os_str().is_empty();
        let mut items = Vec::new();
        for (_, (path, entry)) in self.below(context) {
            found = true;
            let Ok(path) = path.strip_prefix(context) else { continue };
            if path.as_os_str().is_empty() {
                continue;
            }
            // As they are when they are laid out.
            let (kind, mode) = match &entry.kind {
                InputKind::File { size, .. } => (TreeKind::File(*size), entry.mode & 0o7777),
                InputKind::Dir => (TreeKind::Dir, (entry.mode & 0o7777) | 0o700),
                InputKind::Link { target } => (TreeKind::Link(target.into()), 0o777),
            };
            items.push(TreeItem { path: path.to_path_buf(), kind, mode, mtime: 0 });
        }
        found.then_some(items)
    }

    fn text(&self, path: &Path) -> io::Result<String> {
        let place = self.entries.binary_search_by(|(own, _)| own.as_path().cmp(path));
        let found = place.ok().map(|place| &self.entries[place].1.kind);
        let Some(InputKind::File { sha256, size, .. }) = found else { return Err(io::ErrorKind::NotFound.into()) };
        if *size > TEXT {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large for a text"));
        }
        match self.link.blob(sha256).map_err(|error| other(&error))? {
            Blob::Memory(bytes) => String::from_utf8(bytes.to_vec()).map_err(io::Error::other),
            Blob::File(file) => self.mutate.probe().tree_text(&file),
        }
    }

    fn lay_out(&self, context: &Path) -> io::Result<()> {
        // One at a time: a context may be a part of another one.
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let mut items = Vec::new();
        let mut new = Vec::new();
        for (place, (path, entry)) in self.below(context) {
            if done.contains(&place) {
                continue;
            }
            let content = match &entry.kind {
                InputKind::Dir => ScratchContent::Dir,
                InputKind::Link { target } => ScratchContent::Link(target.into()),
                InputKind::File { sha256, .. } => match self.link.blob(sha256).map_err(|error| other(&error))? {
                    Blob::Memory(bytes) => ScratchContent::Bytes(bytes),
                    // Of a local connection it is the user's own file.
                    Blob::File(file) => ScratchContent::SameCopyOf(file, sha256.clone()),
                },
            };
            items.push(ScratchItem { path: path.clone(), mode: entry.mode, content });
            new.push(place);
        }
        self.mutate.scratch_more(&self.folder, &items)?;
        done.extend(new);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::event::Progress;
    use crate::image::key::{Contents, Inputs, compute};
    use crate::image::sources::{self, TreeSettings};
    use crate::image::{Graph, Names};
    use crate::modules::testing::file_entry;
    use crate::system::Probe;

    /// Content by digest, and how often it was asked for.
    struct Blobs(Vec<(String, Vec<u8>)>, Mutex<usize>);

    impl Link for Blobs {
        fn progress(&self, _: Progress) {}
        fn blob(&self, sha256: &str) -> Result<Blob> {
            *self.1.lock().unwrap() += 1;
            let found = self.0.iter().find(|(name, _)| name == sha256).map(|(_, bytes)| Blob::Memory(bytes[..].into()));
            found.ok_or_else(|| Diagnostic::internal("no such blob"))
        }
        fn cancelled(&self) -> bool {
            false
        }
    }

    const FILES: &[(&str, u32, &str)] = &[
        ("a/Dockerfile", 0o644, "FROM scratch\nCOPY . /\n"),
        ("a/.dockerignore", 0o644, "*.log\n"),
        ("a/run.sh", 0o755, "echo\n"),
        ("a/x.log", 0o644, "noise\n"),
        ("a/b/Dockerfile", 0o644, "FROM a\nCOPY f /f\n"),
        ("a/b/f", 0o600, "f\n"),
        ("a-b/Dockerfile", 0o644, "FROM scratch\n"),
    ];

    fn sent() -> (Sent, Arc<Blobs>) {
        let mut entries: Vec<TreeEntry> =
            FILES.iter().map(|(path, mode, text)| file_entry(path, *mode, text.as_bytes())).collect();
        let dir = |path: &str| TreeEntry { path: path.into(), mode: 0o755, kind: InputKind::Dir };
        entries.extend(["a", "a/b", "a-b"].map(dir));
        let link = TreeEntry { path: "a/link".into(), mode: 0o777, kind: InputKind::Link { target: "run.sh".into() } };
        entries.push(link);
        let blob = |(entry, file): (&TreeEntry, &(&str, u32, &str))| match &entry.kind {
            InputKind::File { sha256, .. } => (sha256.clone(), file.2.as_bytes().to_vec()),
            _ => (String::new(), Vec::new()),
        };
        let blobs = Arc::new(Blobs(entries.iter().zip(FILES).map(blob).collect(), Mutex::default()));
        let mutate = Mutate::with_probe(Probe::new(Vec::new()));
        (Sent::new(entries, Arc::<Blobs>::clone(&blobs), &mutate).unwrap(), blobs)
    }

    #[test]
    fn a_tree_is_listed_as_it_is_when_it_is_laid_out() {
        let (sent, blobs) = sent();
        let listed = |context: &str| sent.items(Path::new(context));
        assert_eq!(listed("c"), None);
        assert_eq!(*blobs.1.lock().unwrap(), 0);
        assert_eq!(fs::read_dir(sent.root()).unwrap().count(), 0);
        let before = ["", "a", "a/b", "a-b"].map(|context| listed(context).unwrap());
        sent.lay_out(Path::new("")).unwrap();
        let probe = Probe::new(Vec::new());
        for (context, listed) in ["", "a", "a/b", "a-b"].into_iter().zip(before) {
            let mut there = probe.tree_items(&sent.root().join(context)).unwrap();
            there.iter_mut().for_each(|item| item.mtime = 0);
            assert_eq!(listed, there, "{context}");
        }
    }

    #[test]
    fn a_context_is_laid_out_when_it_is_asked_for_and_only_once() {
        let (sent, blobs) = sent();
        sent.lay_out(Path::new("a/b")).unwrap();
        assert!(sent.root().join("a/b/f").is_file() && !sent.root().join("a/run.sh").exists());
        assert!(!sent.root().join("a-b").exists());
        let asked = *blobs.1.lock().unwrap();
        assert_eq!(asked, 2);
        // What a build may be reading is not written anew.
        fs::write(sent.root().join("a/b/f"), "in use").unwrap();
        sent.lay_out(Path::new("a")).unwrap();
        assert_eq!(fs::read_to_string(sent.root().join("a/b/f")).unwrap(), "in use");
        assert_eq!(fs::metadata(sent.root().join("a/run.sh")).unwrap().permissions().mode() & 0o777, 0o755);
        let all = *blobs.1.lock().unwrap();
        sent.lay_out(Path::new("a")).unwrap();
        assert_eq!(*blobs.1.lock().unwrap(), all);
        assert_eq!(sent.text(Path::new("a/.dockerignore")).unwrap(), "*.log\n");
        assert_eq!(sent.text(Path::new("a/none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(sent.text(Path::new("a")).is_err());
    }

    #[test]
    fn keys_are_the_same_whether_the_tree_is_there_or_not() {
        let (sent, _) = sent();
        let files: Vec<PathBuf> = FILES.iter().map(|(path, ..)| path.into()).collect();
        let text = |path: &Path| sent.text(path).map_err(|error| Diagnostic::internal(error.to_string()));
        let images = sources::tree(&files, "images", "images", &TreeSettings::default(), &text).unwrap().images;
        let graph = Graph::new(images, &Names::default(), &Default::default()).unwrap();
        let (none, secrets, root) = (Default::default(), Default::default(), sent.root().to_path_buf());
        let inputs = Inputs {
            graph: &graph,
            tag: "t",
            root: &root,
            args: &none,
            labels: &none,
            secrets: &secrets,
            network_host: false,
            target: None,
            platform: "linux/amd64",
            bases: &|_| None,
        };
        let wanted = (0..graph.images.len()).collect();
        let probe = Probe::new(Vec::new());
        let mut listed = Contents::new(0);
        for (path, entry) in &sent.entries {
            if let InputKind::File { sha256, .. } = &entry.kind {
                listed.give(root.join(path), sha256.clone());
            }
        }
        let sent = Arc::new(sent);
        listed.list_by(Arc::<Sent>::clone(&sent));
        let before = compute(&probe, &inputs, &wanted, &mut listed);
        assert!(before.problems.is_empty(), "{:?}", before.problems);
        sent.lay_out(Path::new("")).unwrap();
        let after = compute(&probe, &inputs, &wanted, &mut Contents::new(0));
        let digests = |keys: &crate::image::key::Keys| -> Vec<String> {
            keys.keys.iter().map(|key| key.as_ref().unwrap().digest.clone()).collect()
        };
        assert_eq!(digests(&before), digests(&after));
    }
}
