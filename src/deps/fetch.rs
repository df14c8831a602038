//! Brings roles and collections to this machine, into a folder beside the one where they will be.
//!
//! A repository is cloned once, whatever is taken out of it. Nothing that is installed is touched here.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::git::{self, Repository};
use super::requirements::{self, Around, Requirement};
use super::source::{Address, Source};
use super::{Request, Sort, collection, role, tree};
use crate::diag::{Diagnostic, Result, Span};

/// The folder in a root of roles or collections that holds what hostctl knows of it.
pub(super) const OWN: &str = ".hostctl-deps";

/// A role or collection, ready to be put in place.
#[derive(Debug)]
pub(super) struct Package {
    /// Its name.
    pub name: String,
    /// What it says its version is; of a role the version that was asked for.
    pub version: String,
    /// Commit, or checksum of archive or folder.
    pub pin: String,
    /// The folder in its source, where the source holds several.
    pub folder: String,
    /// What it needs.
    pub dependencies: Vec<Requirement>,
    /// Where it lies, beside the place where it will be.
    pub dir: PathBuf,
}

/// What the name of a folder for what is not yet in its place begins with.
const STAGE: &str = "new-";

/// Fetches for one installation.
pub(super) struct Fetcher<'a> {
    request: &'a Request<'a>,
    /// What will be fetched, as far as is known.
    sorts: Vec<Sort>,
    stages: RefCell<HashMap<Sort, TempDir>>,
    /// Held until the end: nobody else installs here meanwhile.
    locks: RefCell<Vec<File>>,
    locked: RefCell<HashSet<PathBuf>>,
    repositories: RefCell<HashMap<String, Repository>>,
    trees: RefCell<HashMap<(String, String), PathBuf>>,
    count: Cell<usize>,
    pub warnings: RefCell<Vec<Diagnostic>>,
}

impl<'a> Fetcher<'a> {
    pub fn new(request: &'a Request<'a>, wanted: &[Requirement]) -> Self {
        Self {
            request,
            sorts: wanted.iter().map(|one| one.sort).collect(),
            stages: RefCell::default(),
            locks: RefCell::default(),
            locked: RefCell::default(),
            repositories: RefCell::default(),
            trees: RefCell::default(),
            count: Cell::new(0),
            warnings: RefCell::default(),
        }
    }

    /// A path where nothing is yet, on the disk where the thing will be.
    fn stage(&self, sort: Sort) -> Result<PathBuf> {
        // Always in the same order, so that two of us never wait for each other.
        for sort in [Sort::Role, Sort::Collection].into_iter().filter(|one| *one == sort || self.sorts.contains(one)) {
            self.lock(root(self.request, sort))?;
        }
        if !self.stages.borrow().contains_key(&sort) {
            let own = root(self.request, sort).join(OWN);
            tree::make_dir(&own)?;
            let dir = tempfile::Builder::new().prefix(STAGE).tempdir_in(&own);
            let dir = dir.map_err(|error| tree::unwritten(&own, &error))?;
            self.stages.borrow_mut().insert(sort, dir);
        }
        let number = self.count.get() + 1;
        self.count.set(number);
        let stages = self.stages.borrow();
        let stage = stages.get(&sort).ok_or_else(|| Diagnostic::internal("a stage is gone"))?;
        Ok(stage.path().join(number.to_string()))
    }

    /// Waits for others that install into the same folder, and removes what one that was killed left there.
    fn lock(&self, root: &Path) -> Result<()> {
        if !self.locked.borrow_mut().insert(root.to_path_buf()) {
            return Ok(());
        }
        let own = root.join(OWN);
        tree::make_dir(&own)?;
        let path = own.join("lock");
        // A FIFO in its place does not keep us waiting, and a link leads nowhere else.
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
        let file = File::options()
            .create(true)
            .append(true)
            .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
            .open(&path)
            .map_err(|error| tree::unwritten(&path, &error))?;
        if rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
            (self.request.tell)(&format!("waiting for another hostctl that installs into {}", root.display()));
            rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
                .map_err(|error| tree::unwritten(&path, &error.into()))?;
        }
        self.locks.borrow_mut().push(file);
        for left in std::fs::read_dir(&own).into_iter().flatten().flatten() {
            if left.file_name().as_encoded_bytes().starts_with(STAGE.as_bytes()) {
                // What cannot be removed takes room, and harms nothing.
                let _ = std::fs::remove_dir_all(left.path());
            }
        }
        Ok(())
    }

    fn repository(&self, address: &Address, sort: Sort, span: Option<Span>) -> Result<Repository> {
        if let Some(known) = self.repositories.borrow().get(&address.url) {
            return Ok(known.clone());
        }
        (self.request.tell)(&format!("fetching {address}"));
        let dir = self.stage(sort)?;
        let repository = Repository::clone(address, &dir, self.request.redactor).map_err(|failed| {
            git::failed(format!("the repository `{address}` cannot be fetched"), failed)
                .with_label_opt(span, "asked for here")
        })?;
        self.repositories.borrow_mut().insert(address.url.clone(), repository.clone());
        Ok(repository)
    }

    /// The commit of a repository: the pinned one, or that of the version.
    fn commit(
        &self,
        repository: &Repository,
        address: &Address,
        version: &str,
        pin: Option<&str>,
        span: Option<Span>,
    ) -> Result<String> {
        let redactor = self.request.redactor;
        if let Some(pin) = pin {
            repository.need(pin, redactor).map_err(|failed| {
                git::failed(format!("the commit `{pin}` that the lock pins is not in `{address}`"), failed)
                    .with_label_opt(span, "asked for here")
                    .with_hint("`hostctl deps update` pins another")
            })?;
            return Ok(pin.to_owned());
        }
        repository.commit(version, redactor).ok_or_else(|| {
            let text = if version.is_empty() {
                format!("`{address}` has no commit to install")
            } else {
                format!("`{address}` has no tag, branch or commit `{version}`")
            };
            let names = repository.names(redactor);
            let error = Diagnostic::local("D0202", text)
                .with_label_opt(span, "asked for here")
                .with_nearest(version, names.iter().map(String::as_str));
            let range = version.starts_with(['<', '>', '=', '!', '*']);
            let error =
                if range { error.with_note("a range of versions is no name in a git repository") } else { error };
            error.with_hint_else(format!("`git ls-remote {address}` lists what it has"))
        })
    }

    /// A commit as a folder.
    fn checked_out(&self, repository: &Repository, address: &Address, commit: &str) -> Result<PathBuf> {
        let key = (address.url.clone(), commit.to_owned());
        if let Some(known) = self.trees.borrow().get(&key) {
            return Ok(known.clone());
        }
        let dir = self.stage(Sort::Collection)?;
        tree::make_dir(&dir)?;
        repository.check_out(commit, &dir, self.request.redactor).map_err(|failed| {
            git::failed(format!("the commit `{commit}` of `{address}` cannot be checked out"), failed)
        })?;
        self.trees.borrow_mut().insert(key, dir.clone());
        Ok(dir)
    }

    /// What surrounds a text that says what `by` needs.
    pub fn around(&self, by: String) -> Around<'a> {
        let beside = self.request.file.parent().map(Path::to_path_buf).unwrap_or_default();
        Around {
            sources: self.request.sources,
            redactor: self.request.redactor,
            beside,
            by: Some(by),
            included: Cell::new(0),
        }
    }

    /// Fetches what a requirement means: one role, or the collections of its source. With a pin just that content.
    pub fn fetch(&self, wanted: &Requirement, pin: Option<&str>) -> Result<Vec<Package>, Vec<Diagnostic>> {
        match wanted.sort {
            Sort::Role => self.role(wanted, pin).map(|role| vec![role]),
            Sort::Collection => self.collections(wanted, pin),
        }
    }

    fn role(&self, wanted: &Requirement, pin: Option<&str>) -> Result<Package, Vec<Diagnostic>> {
        let one = |error: Diagnostic| vec![error.with_label_opt(Some(wanted.span), "asked for here")];
        let name = wanted.name.clone().unwrap_or_default();
        let what = format!("role `{name}` ({})", wanted.written);
        let dir = self.stage(Sort::Role).map_err(one)?;
        let pin = match &wanted.source {
            Source::Git { address, .. } => {
                let repository =
                    self.repository(address, wanted.sort, Some(wanted.span)).map_err(|error| vec![error])?;
                let commit = self
                    .commit(&repository, address, &wanted.version, pin, Some(wanted.span))
                    .map_err(|error| vec![error])?;
                let file = self.stage(Sort::Role).map_err(one)?;
                repository.archive(&commit, &file, self.request.redactor).map_err(|failed| {
                    one(git::failed(format!("the commit `{commit}` of `{address}` cannot be read"), failed))
                })?;
                role::unpack(&file, &dir, &what).map_err(one)?;
                commit
            }
            Source::Archive(file) => {
                let sum = self.content(wanted, pin, tree::file_sum(file).map_err(one)?).map_err(one)?;
                role::unpack(file, &dir, &what).map_err(one)?;
                sum
            }
            Source::Folder(folder) => {
                let sum = self.content(wanted, pin, folder_sum(folder).map_err(one)?).map_err(one)?;
                role::copy(folder, &dir, &what).map_err(one)?;
                sum
            }
            Source::Galaxy => return Err(one(Diagnostic::internal("a role of a Galaxy server is not fetched"))),
        };
        let around = self.around(format!("role {name}"));
        let dependencies = if self.request.no_deps {
            Vec::new()
        } else {
            role::dependencies(&dir, &around, &mut self.warnings.borrow_mut())?
        };
        role::write_info(&dir, &wanted.version).map_err(one)?;
        Ok(Package { name, version: wanted.version.clone(), pin, folder: String::new(), dependencies, dir })
    }

    /// The checksum of something on disk, which must be the pinned one if there is one.
    fn content(&self, wanted: &Requirement, pin: Option<&str>, found: String) -> Result<String> {
        match pin {
            Some(pin) if pin != found => Err(changed(wanted)),
            _ => Ok(found),
        }
    }

    fn collections(&self, wanted: &Requirement, pin: Option<&str>) -> Result<Vec<Package>, Vec<Diagnostic>> {
        let one = |error: Diagnostic| vec![error.with_label_opt(Some(wanted.span), "asked for here")];
        let (top, pin) = match &wanted.source {
            Source::Git { address, folder } => {
                let repository =
                    self.repository(address, wanted.sort, Some(wanted.span)).map_err(|error| vec![error])?;
                let commit = self
                    .commit(&repository, address, &wanted.version, pin, Some(wanted.span))
                    .map_err(|error| vec![error])?;
                let whole = self.checked_out(&repository, address, &commit).map_err(one)?;
                (inside(&whole, folder, wanted).map_err(one)?, commit)
            }
            Source::Folder(folder) => {
                let sum = self.content(wanted, pin, folder_sum(folder).map_err(one)?).map_err(one)?;
                (folder.clone(), sum)
            }
            Source::Archive(file) => {
                let sum = self.content(wanted, pin, tree::file_sum(file).map_err(one)?).map_err(one)?;
                let what = format!("the archive `{}`", wanted.written);
                let metadata = collection::of_archive(file, &what, &self.around(what.clone())).map_err(one)?;
                let dir = self.stage(Sort::Collection).map_err(one)?;
                collection::unpack(file, &dir, &what).map_err(one)?;
                return Ok(vec![self.package(metadata, sum, String::new(), dir)?]);
            }
            Source::Galaxy => return Err(one(Diagnostic::internal("a collection of a Galaxy server is not fetched"))),
        };
        let folders = collection::in_folder(&top);
        if folders.is_empty() {
            let error = Diagnostic::local("D0303", format!("`{}` holds no collection", wanted.written))
                .with_note("neither there nor in a folder directly below it is a `galaxy.yml` or a `MANIFEST.json`")
                .with_hint("name the folder of the collection: `git+https://HOST/REPO.git#/FOLDER`");
            return Err(one(error));
        }
        let mut packages = Vec::new();
        for folder in folders {
            let shown = folder.display().to_string();
            let at = if shown.is_empty() { String::new() } else { format!(", folder `{shown}`") };
            let what = format!("`{}`{at}", wanted.written);
            let from = top.join(&folder);
            let metadata = collection::of_folder(&from, &what, &self.around(what.clone())).map_err(one)?;
            let dir = self.stage(Sort::Collection).map_err(one)?;
            metadata.copy(&from, &dir, &what, &mut self.warnings.borrow_mut()).map_err(one)?;
            packages.push(self.package(metadata, pin.clone(), shown, dir)?);
        }
        if let Some(name) = wanted.name.as_ref().filter(|name| packages.iter().all(|package| package.name != **name)) {
            let found: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
            let text = format!("`{}` holds {}, not `{name}`", wanted.written, found.join(", "));
            return Err(one(Diagnostic::local("D0303", text).with_hint("correct `name`, or leave it out")));
        }
        Ok(packages)
    }

    fn package(
        &self,
        metadata: collection::Metadata,
        pin: String,
        folder: String,
        dir: PathBuf,
    ) -> Result<Package, Vec<Diagnostic>> {
        let around = self.around(format!("collection {}", metadata.name));
        let mut dependencies = Vec::new();
        let mut wrong = Vec::new();
        for (name, range, place) in metadata.dependencies.iter().filter(|_| !self.request.no_deps) {
            match requirements::dependency(name, range, &around, *place) {
                Ok(found) => dependencies.push(found),
                Err(error) => wrong.push(error),
            }
        }
        if wrong.is_empty() {
            Ok(Package { name: metadata.name, version: metadata.version, pin, folder, dependencies, dir })
        } else {
            Err(wrong)
        }
    }
}

/// A folder of a checkout, reached through no link.
fn inside(top: &Path, folder: &str, wanted: &Requirement) -> Result<PathBuf> {
    let mut dir = top.to_path_buf();
    for part in folder.split('/').filter(|part| !part.is_empty()) {
        dir.push(part);
        if !std::fs::symlink_metadata(&dir).is_ok_and(|meta| meta.is_dir()) {
            let text = format!("the repository has no folder `{folder}` at `{}`", shown_version(&wanted.version));
            return Err(Diagnostic::local("D0303", text).with_hint("correct what stands behind `#`"));
        }
    }
    Ok(dir)
}

/// The version of a repository in words.
pub(super) fn shown_version(version: &str) -> &str {
    if version.is_empty() { "HEAD" } else { version }
}

/// The checksum of a source folder.
pub(super) fn folder_sum(folder: &Path) -> Result<String> {
    tree::tree_sum(folder, &|_, name| tree::LEFT_OUT.iter().any(|left| name == OsStr::new(left)))
}

/// The content of something on disk now, if that is what it is.
pub(super) fn local_pin(source: &Source) -> Option<Result<String>> {
    match source {
        Source::Archive(file) => Some(tree::file_sum(file)),
        Source::Folder(folder) => Some(folder_sum(folder)),
        Source::Git { .. } | Source::Galaxy => None,
    }
}

/// The error for a source on disk that is not what the lock pins.
pub(super) fn changed(wanted: &Requirement) -> Diagnostic {
    let text = format!("the {} `{}` is not what the lock pins", wanted.source.word(), wanted.written);
    Diagnostic::source("D0503", text)
        .with_label(wanted.span, "asked for here")
        .with_hint("`hostctl deps install` without `--locked` pins what is there now")
}

/// Where roles or collections go.
pub(super) fn root<'a>(request: &'a Request<'_>, sort: Sort) -> &'a Path {
    match sort {
        Sort::Role => &request.roles_path,
        Sort::Collection => &request.collections_path,
    }
}
