//! What a run writes into the record of images, while it runs: a build that is killed is remembered as far as it came.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::diag::Diagnostic;
use crate::image::graph::Graph;
use crate::image::key::Keys;
use crate::image::names::Names;
use crate::image::record::{Entry, Pushed, Records, Store};
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
    /// Since when everything in an image of this run is fresh.
    pub(super) fresh: Mutex<HashMap<usize, i64>>,
    /// Pushes of reused images, written all at once: by repository, with the key.
    again: Mutex<Vec<(String, String, Pushed)>>,
    /// What could not be written, each once.
    pub(super) troubles: Mutex<Vec<Diagnostic>>,
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
            fresh: Mutex::default(),
            again: Mutex::default(),
            troubles: Mutex::default(),
        }
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
        let Some(key) = self.keys.get(image) else { return };
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
    pub(super) fn pushed_again(&self, (graph, names): (&Graph, &Names), image: usize, digest: &str, seconds: f64) {
        let Some(key) = self.keys.get(image) else { return };
        let pushed = Pushed { tag: graph.tag(image, names), digest: digest.to_owned(), seconds };
        let again = (graph.untagged(image, names), key.digest.clone(), pushed);
        self.again.lock().unwrap_or_else(PoisonError::into_inner).push(again);
    }

    /// Writes what waits.
    pub fn flush(&self) {
        let again = std::mem::take(&mut *self.again.lock().unwrap_or_else(PoisonError::into_inner));
        if !again.is_empty() {
            self.written(self.store.pushed_again(&self.mutate, &again));
        }
    }

    /// An image is in its registry under this run's tag.
    pub(super) fn pushed(&self, (graph, names): (&Graph, &Names), image: usize, digest: &str, seconds: f64) {
        let Some(key) = self.keys.get(image) else { return };
        let pushed = Pushed { tag: graph.tag(image, names), digest: digest.to_owned(), seconds };
        self.written(self.store.pushed(&self.mutate, &graph.untagged(image, names), &key.digest, &pushed));
    }
}
