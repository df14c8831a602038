//! From requirements to a list of roles and collections with their pins: by the lock where it fits, else by looking.
//!
//! What the file itself asks for comes before what others depend on; a name is taken once. There is no search among
//! versions: a source has one, and it fits or it does not.

use std::collections::VecDeque;
use std::path::PathBuf;

use super::fetch::{self, Fetcher, Package};
use super::lock::{Entry, Lock};
use super::requirements::{self, Requirement};
use super::source::Source;
use super::{Mode, Request, Sort, collection, install, ranges, role};
use crate::diag::{Diagnostic, Result, Span};

/// A role or collection that will be there.
#[derive(Debug)]
pub(super) struct Chosen {
    /// What the lock says of it.
    pub entry: Entry,
    /// How it is fetched.
    pub requirement: Requirement,
    /// Fetched already.
    pub package: Option<Package>,
    /// Where it was found, if nobody says where to get it.
    pub found: Option<PathBuf>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub chosen: Vec<Chosen>,
    pub warnings: Vec<Diagnostic>,
}

struct State<'a> {
    request: &'a Request<'a>,
    fetcher: &'a Fetcher<'a>,
    lock: Option<&'a Lock>,
    resolved: Resolved,
    queue: VecDeque<(Requirement, Option<usize>)>,
    /// What is not in the lock.
    unlocked: Vec<(Span, String)>,
    errors: Vec<Diagnostic>,
}

/// Resolves requirements; all that is wrong with them.
pub(super) fn resolve(
    request: &Request<'_>,
    fetcher: &Fetcher<'_>,
    wanted: Vec<Requirement>,
    lock: Option<&Lock>,
) -> Result<Resolved, Vec<Diagnostic>> {
    let queue = wanted.into_iter().map(|wanted| (wanted, None)).collect();
    let mut state = State {
        request,
        fetcher,
        lock,
        resolved: Resolved::default(),
        queue,
        unlocked: Vec::new(),
        errors: Vec::new(),
    };
    state.names();
    // Names without a source may be those of something that has one: they come last.
    let mut named = Vec::new();
    while let Some((wanted, parent)) = state.queue.pop_front() {
        match wanted.source {
            Source::Galaxy => named.push((wanted, parent)),
            _ => state.take(wanted, parent),
        }
    }
    let mut missing = Vec::new();
    for (wanted, parent) in named {
        if !state.named(&wanted, parent) {
            missing.push(wanted);
        }
    }
    state.versions();
    state.locked();
    if !missing.is_empty() {
        state.errors.push(unknown(&missing));
    }
    let mut resolved = state.resolved;
    resolved.warnings.append(&mut fetcher.warnings.borrow_mut());
    if state.errors.is_empty() { Ok(resolved) } else { Err(state.errors) }
}

/// One error for everything that only a Galaxy server has.
fn unknown(missing: &[Requirement]) -> Diagnostic {
    let mut names: Vec<String> =
        missing.iter().map(|one| format!("`{}`", one.name.as_deref().unwrap_or("?"))).collect();
    names.sort();
    names.dedup();
    let (verb, what) = if names.len() == 1 { ("has", "source") } else { ("have", "sources") };
    let text = format!("{} {verb} no {what} but a Galaxy server, and hostctl asks none", names.join(", "));
    let mut error = Diagnostic::source("D0101", text);
    for one in missing {
        let by = one.by.as_deref().map_or_else(|| "asked for here".to_owned(), |by| format!("needed by {by}"));
        let version = if one.version.is_empty() { String::new() } else { format!(", version `{}`", one.version) };
        error = error.with_label(one.span, format!("{} {by}{version}", one.sort.word()));
    }
    let example = match missing.iter().map(|one| one.sort).min() {
        Some(Sort::Collection) => "collections: [{name: git+https://HOST/REPO.git, version: TAG}]",
        _ => "roles: [{name: NAME, src: git+https://HOST/REPO.git, version: TAG}]",
    };
    error
        .with_hint(format!("write the address of its git repository: `{example}`"))
        .with_hint("what is in a folder that playbooks search is taken from there, as it is")
}

impl State<'_> {
    /// Names to update must be there.
    fn names(&mut self) {
        let Mode::Update(names) = &self.request.mode else { return };
        let known: Vec<&str> =
            self.lock.map(|lock| lock.entries.iter().map(|entry| &*entry.name).collect()).unwrap_or_default();
        for name in names.iter().filter(|name| !known.contains(&name.as_str())) {
            let text = format!("the lock file pins no role or collection `{name}`");
            self.errors.push(
                Diagnostic::new("D0504", crate::diag::Kind::Usage, text)
                    .with_nearest(name, known.iter().copied())
                    .with_hint_else("`hostctl deps install` pins what the requirements name"),
            );
        }
    }

    fn position(&self, sort: Sort, name: &str) -> Option<usize> {
        self.resolved.chosen.iter().position(|chosen| chosen.entry.sort == sort && chosen.entry.name == name)
    }

    /// `parent` needs `child`.
    fn edge(&mut self, parent: Option<usize>, child: usize, range: &str) {
        let (sort, name) = (self.resolved.chosen[child].entry.sort, self.resolved.chosen[child].entry.name.clone());
        let Some(parent) = parent.filter(|parent| *parent != child) else { return };
        let requires = &mut self.resolved.chosen[parent].entry.requires;
        if !requires.iter().any(|(known, other, _)| *known == sort && *other == name) {
            requires.push((sort, name, range.to_owned()));
        }
    }

    /// A requirement whose name is taken already.
    fn again(&mut self, wanted: &Requirement, parent: Option<usize>, at: usize) {
        self.edge(parent, at, "");
        let entry = &self.resolved.chosen[at].entry;
        if entry.source == wanted.written && entry.requested == wanted.version {
            return;
        }
        let text = format!("the {} `{}` is asked for in two ways", entry.sort.word(), entry.name);
        let told = |source: &str, version: &str| {
            if version.is_empty() { format!("from {source}") } else { format!("from {source}, version `{version}`") }
        };
        let error = Diagnostic::source("D0401", text)
            .with_label(wanted.span, told(&wanted.written, &wanted.version))
            .with_label(self.resolved.chosen[at].requirement.span, told(&entry.source, &entry.requested));
        if wanted.dependency {
            let error = error.warning().with_note("the first one is installed, as ansible-galaxy does");
            self.resolved.warnings.push(error);
        } else {
            self.errors.push(error.with_hint("leave one of them"));
        }
    }

    fn take(&mut self, wanted: Requirement, parent: Option<usize>) {
        if let Some(at) = wanted.name.as_ref().and_then(|name| self.position(wanted.sort, name)) {
            self.again(&wanted, parent, at);
            return;
        }
        let same: Vec<usize> = (0..self.resolved.chosen.len())
            .filter(|at| {
                let entry = &self.resolved.chosen[*at].entry;
                let named = wanted.sort == Sort::Collection;
                named
                    && entry.sort == wanted.sort
                    && entry.source == wanted.written
                    && entry.requested == wanted.version
            })
            .collect();
        if !same.is_empty() {
            same.into_iter().for_each(|at| self.edge(parent, at, ""));
            return;
        }
        let pin = match self.by_lock(&wanted, parent) {
            ByLock::Done => return,
            ByLock::Pin(pin) => Some(pin),
            ByLock::No => None,
        };
        if self.request.mode == Mode::Locked {
            let name = wanted.name.clone().unwrap_or_else(|| wanted.written.clone());
            self.unlocked.push((wanted.span, name));
            return;
        }
        match self.fetcher.fetch(&wanted, pin.as_deref()) {
            Ok(packages) => packages.into_iter().for_each(|package| self.fetched(&wanted, parent, package)),
            Err(errors) => self.errors.extend(errors),
        }
    }

    fn fetched(&mut self, wanted: &Requirement, parent: Option<usize>, mut package: Package) {
        if let Some(at) = self.position(wanted.sort, &package.name) {
            self.again(wanted, parent, at);
            return;
        }
        let dependencies = std::mem::take(&mut package.dependencies);
        let entry = Entry {
            sort: wanted.sort,
            name: package.name.clone(),
            source: wanted.written.clone(),
            requested: wanted.version.clone(),
            folder: package.folder.clone(),
            pin: package.pin.clone(),
            version: if wanted.sort == Sort::Collection { package.version.clone() } else { String::new() },
            requires: Vec::new(),
            span: wanted.span,
        };
        let at = self.resolved.chosen.len();
        self.resolved.chosen.push(Chosen { entry, requirement: wanted.clone(), package: Some(package), found: None });
        self.edge(parent, at, "");
        self.queue.extend(dependencies.into_iter().map(|dependency| (dependency, Some(at))));
    }

    /// Takes what the lock says, if it says something of this and may be believed.
    fn by_lock(&mut self, wanted: &Requirement, parent: Option<usize>) -> ByLock {
        let Some(lock) = self.lock else { return ByLock::No };
        let entries: Vec<&Entry> = lock
            .entries
            .iter()
            .filter(|entry| entry.sort == wanted.sort && entry.source == wanted.written)
            .filter(|entry| entry.requested == wanted.version && !entry.pin.is_empty())
            .filter(|entry| wanted.sort == Sort::Collection || wanted.name.as_ref() == Some(&entry.name))
            .collect();
        let Some(first) = entries.first() else { return ByLock::No };
        if let Mode::Update(names) = &self.request.mode
            && (names.is_empty() || entries.iter().any(|entry| names.contains(&entry.name)))
        {
            return ByLock::No;
        }
        match fetch::local_pin(&wanted.source) {
            Some(Err(error)) => {
                self.errors.push(error);
                return ByLock::Done;
            }
            Some(Ok(pin)) if pin != first.pin => {
                if self.request.mode == Mode::Locked {
                    self.errors.push(fetch::changed(wanted));
                    return ByLock::Done;
                }
                return ByLock::No;
            }
            _ => {}
        }
        let find = |sort: Sort, name: &str| lock.entries.iter().find(|entry| entry.sort == sort && entry.name == name);
        let needs = entries.iter().flat_map(|entry| &entry.requires);
        if needs.clone().any(|(sort, name, _)| find(*sort, name).is_none()) && !self.request.no_deps {
            return ByLock::No;
        }
        if lock.no_deps && !self.request.no_deps {
            return if self.request.mode == Mode::Locked { ByLock::No } else { ByLock::Pin(first.pin.clone()) };
        }
        for entry in &entries {
            let mut entry = (*entry).clone();
            if self.request.no_deps {
                entry.requires.clear();
            }
            let at = self.resolved.chosen.len();
            let by = format!("{} {}", entry.sort.word(), entry.name);
            let around = self.fetcher.around(by);
            for (sort, name, range) in &entry.requires {
                let Some(needed) = find(*sort, name) else { continue };
                match requirements::of_lock(needed, &around) {
                    Ok(mut requirement) => {
                        if matches!(requirement.source, Source::Galaxy) {
                            requirement.version.clone_from(range);
                        }
                        self.queue.push_back((requirement, Some(at)));
                    }
                    Err(error) => self.errors.push(error),
                }
            }
            self.resolved.chosen.push(Chosen { entry, requirement: wanted.clone(), package: None, found: None });
            self.edge(parent, at, "");
        }
        ByLock::Done
    }

    /// A name without a source: something that is chosen, or is installed. False if there is none.
    fn named(&mut self, wanted: &Requirement, parent: Option<usize>) -> bool {
        let Some(name) = wanted.name.clone() else { return false };
        if let Some(at) = self.position(wanted.sort, &name) {
            self.edge(parent, at, &wanted.version);
            let version = self.resolved.chosen[at].entry.version.clone();
            // Of dependencies this is seen when all are known.
            if parent.is_none() && wanted.sort == Sort::Collection && !ranges::fits(&version, &wanted.version) {
                self.errors.push(unfit(&name, &version, &wanted.version, wanted.span, "asked for here"));
            }
            return true;
        }
        let Some((path, version)) = self.installed(wanted.sort, &name) else { return false };
        if wanted.sort == Sort::Collection && !ranges::fits(&version, &wanted.version) {
            self.errors.push(unfit(&name, &version, &wanted.version, wanted.span, "asked for here"));
        }
        let locked = self.lock.and_then(|lock| {
            lock.entries
                .iter()
                .find(|entry| entry.sort == wanted.sort && entry.name == name && entry.source == "galaxy")
        });
        if self.request.mode == Mode::Locked && locked.is_none_or(|entry| entry.version != version) {
            self.unlocked.push((wanted.span, name.clone()));
        }
        let at = self.resolved.chosen.len();
        let entry = Entry {
            sort: wanted.sort,
            name,
            source: "galaxy".to_owned(),
            requested: if wanted.dependency { String::new() } else { wanted.version.clone() },
            folder: String::new(),
            pin: String::new(),
            version,
            requires: Vec::new(),
            span: wanted.span,
        };
        self.resolved.chosen.push(Chosen { entry, requirement: wanted.clone(), package: None, found: Some(path) });
        self.edge(parent, at, &wanted.version);
        true
    }

    /// Where something is that hostctl did not install, with its version.
    fn installed(&self, sort: Sort, name: &str) -> Option<(PathBuf, String)> {
        let (own, roots) = match sort {
            Sort::Role => (&self.request.roles_path, &self.request.search_roles),
            Sort::Collection => (&self.request.collections_path, &self.request.search_collections),
        };
        std::iter::once(own).chain(roots).find_map(|root| {
            let path = install::place(root, sort, name);
            if !path.is_dir() || install::is_own(root, sort, name) {
                return None;
            }
            let version = match sort {
                Sort::Role => role::installed_version(&path),
                Sort::Collection => collection::installed_version(&path),
            };
            Some((path, version.unwrap_or_default()))
        })
    }

    /// Collections must fit what others need of them.
    fn versions(&mut self) {
        let mut errors = Vec::new();
        for chosen in &self.resolved.chosen {
            for (sort, name, range) in &chosen.entry.requires {
                let Some(at) = self.position(*sort, name).filter(|_| *sort == Sort::Collection) else { continue };
                let needed = &self.resolved.chosen[at].entry;
                if !ranges::fits(&needed.version, range) {
                    let by = format!("needed by {} {}", chosen.entry.sort.word(), chosen.entry.name);
                    errors.push(unfit(name, &needed.version, range, chosen.entry.span, &by));
                }
            }
        }
        // What is installed already was told where it was found.
        errors.retain(|error| !self.errors.iter().any(|known| known.message == error.message));
        self.errors.append(&mut errors);
    }

    /// With `--locked` the lock has exactly what is chosen.
    fn locked(&mut self) {
        if self.request.mode != Mode::Locked {
            return;
        }
        let mut error = Diagnostic::source(
            "D0502",
            match self.lock {
                Some(_) => "the lock file does not fit the requirements",
                None => "there is no lock file, and `--locked` asks for one",
            },
        );
        for (span, name) in &self.unlocked {
            error = error.with_label(*span, format!("`{name}` is not pinned like this"));
        }
        let stale = self
            .lock
            .into_iter()
            .flat_map(|lock| &lock.entries)
            .filter(|entry| self.position(entry.sort, &entry.name).is_none());
        // What is asked for otherwise stands among the unlocked.
        let stale: Vec<&Entry> = if self.request.no_deps || !self.unlocked.is_empty() || !self.errors.is_empty() {
            Vec::new()
        } else {
            stale.collect()
        };
        for entry in &stale {
            error =
                error.with_label(entry.span, format!("nothing asks for the {} `{}`", entry.sort.word(), entry.name));
        }
        if self.lock.is_none() || !self.unlocked.is_empty() || !stale.is_empty() {
            self.errors.push(error.with_hint("`hostctl deps install` without `--locked` writes it anew"));
        }
    }
}

enum ByLock {
    /// The lock was believed, or the error told.
    Done,
    /// Only the pin of the thing itself is believed.
    Pin(String),
    /// The lock says nothing of this.
    No,
}

fn unfit(name: &str, version: &str, range: &str, span: Span, label: &str) -> Diagnostic {
    let shown = if version.is_empty() { "without a version" } else { version };
    Diagnostic::source("D0402", format!("the collection `{name}` is {shown}, which does not fit `{range}`"))
        .with_label(span, label)
        .with_hint(format!("name a source of `{name}` with a version that fits"))
}
