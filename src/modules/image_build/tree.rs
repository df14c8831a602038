//! The tree that images come from, wherever it is.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::super::call::{Blob, Input, InputKind, TreeEntry};
use super::super::cx::Cx;
use super::super::types::HostPath;
use super::request::whole;
use super::sent::Sent;
use super::{Args, From};
use crate::diag::{Diagnostic, Result, SourceMap};
use crate::image::discover::Found;
use crate::image::sources::{self, Fetched, LabelSettings, List, Stamps, TreeSettings};
use crate::image::{self, SentTree as _};
use crate::system::git_source::GitFacts;
use crate::system::{Mutate, TreeItem, TreeKind};

/// An entry as a tree of this host has it.
fn item(entry: &TreeEntry) -> TreeItem {
    let kind = match &entry.kind {
        InputKind::File { size, .. } => TreeKind::File(*size),
        InputKind::Dir => TreeKind::Dir,
        InputKind::Link { target } => TreeKind::Link(target.into()),
    };
    TreeItem { path: entry.path.clone().into(), kind, mode: entry.mode, mtime: 0 }
}

/// The files of a tree and the Dockerfiles that lead to files of their folders; Dockerfiles that lead elsewhere; what the
/// former lead to. A Dockerfile's own folder is the least that its context can be.
fn sorted(items: &[TreeItem], args: &Args) -> (Vec<PathBuf>, Vec<PathBuf>, HashMap<PathBuf, PathBuf>) {
    let settings = TreeSettings::new(None, &args.dockerfiles, &[]).unwrap_or_default();
    let (mut files, mut links, mut linked) = (Vec::new(), Vec::new(), HashMap::new());
    for item in items {
        match item.kind {
            TreeKind::File(_) => files.push(item.path.clone()),
            TreeKind::Link(_) if settings.is_dockerfile(&item.path) => {
                let folder = item.path.parent().unwrap_or(Path::new(""));
                match image::linked(items, folder, &item.path) {
                    Some(target) => {
                        files.push(item.path.clone());
                        linked.insert(item.path.clone(), target);
                    }
                    None => links.push(item.path.clone()),
                }
            }
            TreeKind::Link(_) | TreeKind::Dir => {}
        }
    }
    (files, links, linked)
}

/// The tree's files, wherever they are.
pub(super) struct Tree {
    files: Vec<PathBuf>,
    /// Dockerfiles that are links and lead to no file of their own folder.
    pub(super) links: Vec<PathBuf>,
    /// What the others lead to.
    linked: HashMap<PathBuf, PathBuf>,
    /// The folder on the host, with `remote_src`.
    pub(super) root: Option<PathBuf>,
    /// Fetched repositories, which stay as long as this.
    kept: RefCell<Vec<tempfile::TempDir>>,
    root_name: String,
    input: Option<Input>,
}

impl Tree {
    pub(super) fn find(cx: &Cx, args: &Args) -> Result<Self> {
        if let Some(mut input) = cx.input("path").filter(|_| !args.remote_src).cloned() {
            input.entries = entries(&input, &args.path)?;
            let mut items: Vec<TreeItem> = input.entries.iter().map(item).collect();
            items.sort_by(|a, b| a.path.cmp(&b.path));
            let (files, links, linked) = sorted(&items, args);
            return Ok(Self {
                files,
                links,
                linked,
                root: None,
                kept: RefCell::default(),
                root_name: input.basename.clone(),
                input: Some(input),
            });
        }
        let root = whole(args.path.expand(cx.environment()));
        let items = cx
            .probe()
            .tree_items(&root)
            .map_err(|error| Diagnostic::task("B0016", format!("`{}` cannot be read: {error}", root.display())))?;
        let root_name = root.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
        let (files, links, linked) = sorted(&items, args);
        Ok(Self { files, links, linked, root: Some(root), kept: RefCell::default(), root_name, input: None })
    }

    /// The images of the tree, as the arguments say.
    pub(super) fn images(&self, cx: &Cx, args: &Args) -> Result<Found> {
        let read = |path: &Path| self.read(cx, path);
        let settings = TreeSettings::new(args.name_template.as_deref(), &args.dockerfiles, &args.ignore)?;
        match args.from {
            From::Tree => sources::tree(&self.files, args.path.as_str(), &self.root_name, &settings, &read),
            From::Labels => {
                let settings = LabelSettings { tree: settings, ..LabelSettings::default() };
                let version = |folder: &Path| args.version.clone().or_else(|| self.git_facts(cx, folder).version);
                sources::labels(&self.files, args.path.as_str(), &settings, &version, &read)
            }
            From::List => self.listed(cx, args),
            // Its images come from what was rendered.
            From::Kolla => Ok(Found::default()),
        }
    }

    /// The images of a list in YAML, with what it names fetched on this host.
    fn listed(&self, cx: &Cx, args: &Args) -> Result<Found> {
        let name = args.list.as_deref().unwrap_or("images.yml");
        let text = self.read(cx, Path::new(name))?;
        let places = SourceMap::new();
        let file = places.add(format!("{}/{name}", args.path.as_str().trim_end_matches('/')), None, text);
        let (list, mistakes) = List::load(&places, &file);
        refuse(&places, mistakes)?;
        let mut fetched = Fetched::new();
        if !list.repositories().is_empty() {
            let folder = cx.scratch(Mutate::scratch_dir)?.ok_or_else(|| {
                Diagnostic::task("B0055", "check mode fetches no repositories, which this list needs")
                    .with_hint("run it without `--check`, with `plan: true`")
            })?;
            for (place, source) in list.repositories().into_iter().enumerate() {
                let into = folder.path().join(place.to_string());
                let checkout = cx.scratch(|mutate| mutate.git_checkout(source, &into))?;
                fetched.extend(checkout.map(|checkout| (source.key(), checkout)));
            }
            self.kept.borrow_mut().push(folder);
        }
        let facts = self.git_facts(cx, Path::new(""));
        let here =
            Stamps { branch: facts.branch, commit: facts.commit, version: args.version.clone().or(facts.version) };
        let read = |path: &Path| {
            let found = if path.is_absolute() {
                cx.probe().tree_text(path).map_err(|error| error.to_string())
            } else {
                self.read(cx, path).map_err(|error| error.message.clone())
            };
            found.map_err(std::io::Error::other)
        };
        list.define(&places, args.path.as_str(), &args.tag, &here, &fetched, &read)
            .or_else(|mistakes| refuse(&places, mistakes).map(|()| Found::default()))
    }

    /// What git says of the repository around a folder of the tree. A tree that was sent has none around it: the
    /// controller has told what its own says.
    fn git_facts(&self, cx: &Cx, folder: &Path) -> GitFacts {
        if let Some(root) = &self.root {
            return cx.probe().git_facts(&root.join(folder));
        }
        let known = self.input.iter().flat_map(|input| &input.repositories);
        let around = known.filter(|(path, _)| folder.starts_with(path)).max_by_key(|(path, _)| path.len());
        around.map(|(_, facts)| facts.clone()).unwrap_or_default()
    }

    /// Digests of the files that were sent, by their paths.
    pub(super) fn digests(&self) -> Vec<(PathBuf, String)> {
        let entries = self.input.iter().flat_map(|input| &input.entries);
        entries
            .filter_map(|entry| match &entry.kind {
                InputKind::File { sha256, .. } => Some((PathBuf::from(&entry.path), sha256.clone())),
                InputKind::Dir | InputKind::Link { .. } => None,
            })
            .collect()
    }

    fn read(&self, cx: &Cx, path: &Path) -> Result<String> {
        let bad = |error: &dyn std::fmt::Display| {
            Diagnostic::task("B0016", format!("`{}` cannot be read: {error}", path.display()))
        };
        let path = self.linked.get(path).map_or(path, PathBuf::as_path);
        if let Some(root) = &self.root {
            return cx.probe().tree_text(&root.join(path)).map_err(|error| bad(&error));
        }
        let entry = self.input.iter().flat_map(|input| &input.entries).find(|entry| Path::new(&entry.path) == path);
        let entry = entry.ok_or_else(|| bad(&"it is not in the tree that was sent"))?;
        match cx.blob(entry)? {
            Blob::Memory(bytes) => String::from_utf8(bytes.to_vec()).map_err(|error| bad(&error)),
            Blob::File(file) => cx.probe().tree_text(&file).map_err(|error| bad(&error)),
        }
    }

    /// The controller's tree, with a private folder of the host for it; `None` in check mode and if the tree is here
    /// already.
    pub(super) fn sent(&self, cx: &Cx) -> Result<Option<Sent>> {
        let Some(input) = &self.input else { return Ok(None) };
        cx.scratch(|mutate| Sent::new(input.entries.clone(), cx.link(), mutate))
    }
}

/// A tree that is only read: where it lies on this host. What was sent is there as long as this.
pub(in crate::modules) struct TreeHere {
    root: PathBuf,
    _sent: Option<Sent>,
}

impl TreeHere {
    /// The folder of the argument `path`. Errors: B0001, a file; B0016, it cannot be laid out.
    pub(in crate::modules) fn find(cx: &Cx, path: &HostPath, remote_src: bool) -> Result<Self> {
        let Some(input) = cx.input("path").filter(|_| !remote_src) else {
            return Ok(Self { root: whole(path.expand(cx.environment())), _sent: None });
        };
        let entries = entries(input, path)?;
        let sent = cx.scratch(|mutate| Sent::new(entries, cx.link(), mutate))?;
        let sent = sent.ok_or_else(|| Diagnostic::internal("a module that reads a tree does not say so"))?;
        sent.lay_out(Path::new(""))
            .map_err(|error| Diagnostic::task("B0016", format!("`{}` cannot be laid out: {error}", path.as_str())))?;
        Ok(Self { root: sent.root().to_path_buf(), _sent: Some(sent) })
    }

    pub(in crate::modules) fn root(&self) -> &Path {
        &self.root
    }
}

/// What was sent of a folder.
fn entries(input: &Input, path: &HostPath) -> Result<Vec<TreeEntry>> {
    if !input.is_tree {
        let name = path.as_str().rsplit('/').next().unwrap_or_default();
        let folder = path.as_str().rsplit_once('/').map_or(".", |(folder, _)| folder);
        return Err(Diagnostic::task("B0001", format!("`{}` is a file: expected a folder", path.as_str()))
            .with_hint(format!("`path: {folder}`; a list's file in it is named by `from: list` and `list: {name}`")));
    }
    Ok(input.entries.clone())
}

/// One error for all mistakes, each with its place in the list: a host knows no place in the controller's files.
fn refuse(places: &SourceMap, mistakes: Vec<Diagnostic>) -> Result<()> {
    let told = |mistake: &Diagnostic| match mistake.span() {
        Some(span) => format!("{}: {}", places.place(span), mistake.message),
        None => mistake.message.clone(),
    };
    let mut errors = mistakes.iter().filter(|mistake| mistake.is_error());
    let Some(first) = errors.next() else { return Ok(()) };
    let mut one = Diagnostic::task("B0051", told(first));
    one.code.clone_from(&first.code);
    one.hints.clone_from(&first.hints);
    Err(errors.fold(one, |one, mistake| one.with_note(told(mistake))))
}
