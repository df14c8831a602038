//! Which build starts next, and what holds it back.

use std::time::{Duration, Instant};

use super::super::admission::{Admission, Work};
use super::super::retry::Work as Kind;
use super::super::reuse::Decision;
use super::run::{Ended, Run, Whole, tagged};
use crate::event::ImageState;
use crate::system::engine::{EngineError, ErrorClass};

/// Images that get their new names at the same time.
const REUSES: usize = 16;
/// A build's memory is not taken yet when it has just begun.
const YOUNG: Duration = Duration::from_secs(20);
/// How often a lost engine is asked.
const ASK: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// Starts what is ready, the longest way first; among equals the first in file order.
    pub(super) fn start_ready(&mut self) {
        if self.fatal.is_some() {
            return;
        }
        let mut rest = std::mem::take(&mut self.ready);
        rest.sort_by(|a, b| self.paths[*b].total_cmp(&self.paths[*a]).then(a.cmp(b)));
        let mut held = false;
        for image in rest {
            if self.finished[image].is_some() {
                continue;
            }
            if let Some((entry, place)) = self.reused(image) {
                if self.reusing >= REUSES {
                    self.ready.push(image);
                    continue;
                }
                self.reusing += 1;
                let (builder, feed) = (self.builder, tagged(image, &self.feed));
                self.work.push(Box::pin(async move {
                    (image, Ended::Reuse(builder.reuse(image, &entry, place, &feed).await))
                }));
                continue;
            }
            if held || !self.may_start(image) {
                // What comes later must not overtake what waits for room.
                held = true;
                if self.finished[image].is_none() {
                    self.ready.push(image);
                }
                continue;
            }
            self.start(image);
        }
    }

    fn reused(&self, image: usize) -> Option<(super::super::record::Entry, super::super::reuse::Place)> {
        match self.plan.decisions.get(image)? {
            Some(Decision::Reuse { entry, place, .. }) if !self.built_after_all.contains(&image) => {
                Some(((**entry).clone(), *place))
            }
            _ => None,
        }
    }

    fn may_start(&mut self, image: usize) -> bool {
        let parallel = self.plan.parallel.max(1);
        if self.building.len() >= parallel || self.making_room {
            return false;
        }
        if self.away {
            self.hold(image, "the engine does not answer");
            return false;
        }
        let known = |image: usize| self.plan.bytes.get(image).copied().flatten();
        let work = Work {
            running: self.building.len(),
            young: self.building.values().filter(|since| since.elapsed() < YOUNG).count(),
            running_bytes: self.building.keys().map(|one| known(*one).unwrap_or(self.plan.unknown_bytes)).sum(),
            next_bytes: known(image),
            may_free: !self.no_more_room || self.pushing > 0 || self.paused > 0,
        };
        match self.builder.admit(&work) {
            Admission::Start => true,
            Admission::Hold(reason) => {
                self.hold(image, &reason);
                if reason.starts_with("disk") && !self.no_more_room {
                    self.make_room();
                }
                false
            }
            Admission::Stop(reason) => {
                self.failed(image, Kind::Build, EngineError::new(ErrorClass::DiskFull, reason), 0.0);
                false
            }
        }
    }

    /// Says once why an image waits.
    pub(super) fn hold(&mut self, image: usize, reason: &str) {
        // Figures change all the time; the kind of the reason is what people want to see change.
        let kind = reason.split(':').next().unwrap_or(reason).to_owned();
        if self.held.get(&image) != Some(&kind) {
            self.held.insert(image, kind);
            self.watcher.state(image, &ImageState::Held { reason: reason.to_owned() });
        }
    }

    fn start(&mut self, image: usize) {
        self.held.remove(&image);
        self.watcher.state(image, &ImageState::Building);
        self.building.insert(image, Instant::now());
        let fresh = matches!(self.plan.decisions.get(image), Some(Some(Decision::Build { fresh: true, .. })));
        let (builder, feed) = (self.builder, tagged(image, &self.feed));
        self.work.push(Box::pin(async move {
            let start = Instant::now();
            let outcome = builder.build(image, fresh, &feed).await;
            (image, Ended::Build(outcome, start.elapsed().as_secs_f64()))
        }));
    }

    /// Asks the engine until it answers or patience ends.
    pub(super) fn await_engine(&mut self) {
        if std::mem::replace(&mut self.away, true) {
            return;
        }
        let (builder, patience) = (self.builder, self.plan.engine_patience);
        self.wholes.push(Box::pin(async move {
            let end = Instant::now() + patience;
            loop {
                if builder.engine_answers().await {
                    break Whole::Engine(true);
                }
                if Instant::now() >= end {
                    break Whole::Engine(false);
                }
                tokio::time::sleep(ASK).await;
            }
        }));
    }

    /// Makes room once at a time.
    pub(super) fn make_room(&mut self) {
        if std::mem::replace(&mut self.making_room, true) {
            return;
        }
        let builder = self.builder;
        self.wholes.push(Box::pin(async move { Whole::Room(builder.make_room().await.unwrap_or(0)) }));
    }
}
