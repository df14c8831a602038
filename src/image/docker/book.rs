//! What a run writes into the record of images, while it runs: a build that is killed is remembered as far as it came.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::diag::Diagnostic;
use crate::image::graph::Graph;
use crate::image::key::{Contents, Inputs, Key, Keys, still};
use crate::image::names::Names;
use crate::image::record::{Entry, Pushed, Records, Reused, Store};
use crate::image::reuse::fresh_since;
use crate::system::Mutate;
use crate::system::engine::ImageFacts;

/// The record of a run's builds.
pub struct Book {
    /// Where it is kept.
    pub store: Store,
    /// Writes it.
    pub mutate: Mutate,
    /// Keys of this run.
    pub keys: Keys,
    /// Builds of earlier runs.
    pub records: Records,
    /// The engine's address.
    pub engine: String,
    /// What keys were made from; none where nobody can edit it, such as a tree that was sent for this run.
    pub watched: Option<Watched>,
    /// Images whose context was edited while they were built, and those made from them: their keys are not theirs.
    pub(super) edited: Mutex<BTreeSet<usize>>,
    /// Since when everything in an image of this run is fresh.
    pub(super) fresh: Mutex<HashMap<usize, i64>>,
    /// Tags of reused images, written all at once.
    again: Mutex<Vec<Reused>>,
    /// The set's name.
    set: String,
    /// The run's id.
    run: String,
    /// What could not be written, each once.
    pub(super) troubles: Mutex<Vec<Diagnostic>>,
}

/// What the keys of a run were made from, to see after a build that it still is so. See [`Inputs`].
pub struct Watched {
    /// The folder of contexts.
    pub root: PathBuf,
    /// The run's tag.
    pub tag: String,
    /// Build arguments of the run.
    pub args: BTreeMap<String, String>,
    /// Labels of the run.
    pub labels: BTreeMap<String, String>,
    /// Ids of build secrets.
    pub secrets: BTreeSet<String>,
    /// `RUN` uses the host's network.
    pub network_host: bool,
    /// `linux/amd64`.
    pub platform: String,
    /// Digests of bases.
    pub bases: BTreeMap<String, String>,
    /// Digests of files.
    pub contents: Mutex<Contents>,
}

/// Seconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

impl Book {
    /// A book of a run that has not begun.
    pub fn new(store: Store, mutate: Mutate, keys: Keys, records: Records, engine: String) -> Self {
        Self {
            store,
            mutate,
            keys,
            records,
            engine,
            watched: None,
            edited: Mutex::default(),
            fresh: Mutex::default(),
            again: Mutex::default(),
            set: String::new(),
            run: String::new(),
            troubles: Mutex::default(),
        }
    }

    /// The same for a set of this name.
    #[must_use]
    pub fn of_set(mut self, set: String) -> Self {
        self.set = set;
        self
    }

    /// The same for a run of this id, which its builds are recorded with.
    #[must_use]
    pub fn of_run(mut self, run: String) -> Self {
        self.run = run;
        self
    }

    /// The same that sees edits during a build.
    #[must_use]
    pub fn watching(mut self, watched: Option<Watched>) -> Self {
        self.watched = watched;
        self
    }

    /// The key of an image as it was built; none if its context was edited meanwhile.
    pub fn key(&self, image: usize) -> Option<&Key> {
        let edited = self.edited.lock().unwrap_or_else(PoisonError::into_inner);
        self.keys.get(image).filter(|_| !edited.contains(&image))
    }

    /// Looks after a build whether the context is what the key was made from. If not, neither the image nor what is made
    /// from it is recorded; the warning for people is given once, for the image itself.
    pub(super) fn edited(&self, graph: &Graph, image: usize) -> Option<String> {
        let below = {
            let edited = self.edited.lock().unwrap_or_else(PoisonError::into_inner);
            graph.parents(image).iter().any(|parent| edited.contains(parent))
        };
        let same = below || self.is_still(graph, image);
        if below || !same {
            self.edited.lock().unwrap_or_else(PoisonError::into_inner).insert(image);
        }
        let name = &graph.images[image].name;
        let text = format!(
            "`{name}`: its context was changed after the run began; the image is not recorded, and built again next time"
        );
        (!same).then(|| {
            let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
            troubles.push(Diagnostic::task("B0181", text.clone()));
            text
        })
    }

    fn is_still(&self, graph: &Graph, image: usize) -> bool {
        let (Some(watched), Some(_)) = (&self.watched, self.keys.get(image)) else { return true };
        let inputs = Inputs {
            graph,
            tag: &watched.tag,
            root: &watched.root,
            args: &watched.args,
            labels: &watched.labels,
            secrets: &watched.secrets,
            network_host: watched.network_host,
            target: None,
            platform: &watched.platform,
            bases: &|reference| watched.bases.get(reference).cloned(),
        };
        let mut contents = watched.contents.lock().unwrap_or_else(PoisonError::into_inner);
        still(self.mutate.probe(), &inputs, image, &self.keys, &mut contents)
    }

    fn fresh(&self) -> std::sync::MutexGuard<'_, HashMap<usize, i64>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What could not be written.
    pub fn take_troubles(&self) -> Vec<Diagnostic> {
        std::mem::take(&mut *self.troubles.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn written<T>(&self, outcome: crate::diag::Result<T>) {
        if let Err(error) = outcome {
            let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
            // One disk that is full is one trouble.
            if !troubles.iter().any(|known| known.code == error.code) {
                troubles.push(error);
            }
        }
    }

    /// A build ended well. `started` in seconds since 1970; `cached` says that it may hold cached steps.
    pub(super) fn built(
        &self,
        (graph, names): (&Graph, &Names),
        image: usize,
        (started, cached): (i64, bool),
        seconds: f64,
        facts: Option<&ImageFacts>,
    ) {
        let Some(key) = self.key(image) else { return };
        let repository = graph.untagged(image, names);
        let before = self.records.get(&repository).last().cloned();
        let parents: Vec<i64> = {
            let known = self.fresh();
            graph.parents(image).iter().filter_map(|parent| known.get(parent).copied()).collect()
        };
        let fresh = fresh_since(started, cached, before.as_ref(), parents);
        self.fresh().insert(image, fresh);
        let entry = Entry {
            tag: graph.tag(image, names),
            id: facts.map(|facts| facts.id.clone()).filter(|id| !id.is_empty()),
            size: facts.map(|facts| facts.size),
            build_seconds: Some(seconds),
            time: now(),
            fresh,
            engine: self.engine.clone(),
            run: self.run.clone(),
            ..Entry::new(key)
        };
        self.written(self.store.add(&self.mutate, &repository, entry));
    }

    /// An image of an earlier build is in this run.
    pub(super) fn reused(&self, image: usize, entry: &Entry) {
        self.fresh().insert(image, entry.fresh);
    }

    /// A reused image is in its registry under this run's tag, which [`Book::flush`] writes: a run that is killed before
    /// only forgets under which tag it was last, and reuses it all the same.
    pub(super) fn pushed_again(&self, image: usize, reused: Reused) {
        if self.key(image).is_some() {
            self.again.lock().unwrap_or_else(PoisonError::into_inner).push(reused);
        }
    }

    /// Writes what waits.
    pub fn flush(&self) {
        let again = std::mem::take(&mut *self.again.lock().unwrap_or_else(PoisonError::into_inner));
        if !again.is_empty() {
            self.written(self.store.pushed_again(&self.mutate, &self.set, &again));
        }
    }

    /// An image is in its registry under this run's tag.
    pub(super) fn pushed(&self, (graph, names): (&Graph, &Names), image: usize, pushed: &Pushed) {
        let Some(key) = self.key(image) else { return };
        self.written(self.store.pushed(&self.mutate, &graph.untagged(image, names), &key.digest, pushed));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::image::graph::tests::{image, names};
    use crate::image::key::compute;
    use crate::system::Probe;

    /// Neither an image that was edited while it was built nor its child is recorded; what stands beside them is.
    #[test]
    fn what_was_edited_while_it_was_built_is_not_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("tree");
        for name in ["base", "app", "other"] {
            fs::create_dir_all(root.join(name)).unwrap();
            fs::write(root.join(name).join("file"), "before").unwrap();
        }
        let images = vec![image("base", "FROM scratch"), image("app", "FROM base"), image("other", "FROM scratch")];
        let graph = Graph::new(images, &names(), &BTreeMap::new()).unwrap();
        let mutate = Mutate::with_probe(Probe::new(Vec::new()));
        let mut contents = Contents::new(now());
        let watched = |contents| Watched {
            root: root.clone(),
            tag: "t".into(),
            args: BTreeMap::new(),
            labels: BTreeMap::new(),
            secrets: BTreeSet::new(),
            network_host: false,
            platform: "linux/amd64".into(),
            bases: BTreeMap::new(),
            contents: Mutex::new(contents),
        };
        let none = BTreeMap::new();
        let inputs = Inputs {
            graph: &graph,
            tag: "t",
            root: &root,
            args: &none,
            labels: &none,
            secrets: &BTreeSet::new(),
            network_host: false,
            target: None,
            platform: "linux/amd64",
            bases: &|_| None,
        };
        let keys = compute(mutate.probe(), &inputs, &(0..3).collect(), &mut contents);
        let store = Store::new(folder.path().join("state"));
        let book = Book::new(store, mutate, keys, Records::default(), String::new())
            .of_run("20261122T010203-7f3a".into())
            .watching(Some(watched(contents)));
        fs::write(root.join("base/file"), "after it was read").unwrap();
        let told: Vec<Option<String>> = (0..3)
            .map(|image| {
                let told = book.edited(&graph, image);
                book.built((&graph, &names()), image, (now(), true), 1.0, None);
                told
            })
            .collect();
        assert!(told[0].as_ref().unwrap().starts_with("`base`: its context was changed"), "{told:?}");
        assert_eq!(&told[1..], [None, None], "the child is told of by its parent");
        assert_eq!([0, 1, 2].map(|image| book.key(image).is_some()), [false, false, true]);
        let troubles = book.take_troubles();
        assert_eq!(troubles.iter().map(|one| one.code.as_ref()).collect::<Vec<_>>(), ["B0181"], "{troubles:?}");
        let repositories = [0, 1, 2].map(|image| graph.untagged(image, &names()));
        let records = book.store.read(book.mutate.probe(), repositories.iter().map(String::as_str));
        assert_eq!(repositories.clone().map(|one| records.get(&one).entries.len()), [0, 0, 1]);
        assert_eq!(records.get(&repositories[2]).entries[0].run, "20261122T010203-7f3a");
    }
}
