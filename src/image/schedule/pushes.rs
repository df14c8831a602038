//! Pushes beside the builds.

use std::time::Instant;

use super::super::retry::{Tries, Work as Kind};
use super::run::{Ended, Run, tagged};
use crate::event::ImageState;
use crate::system::engine::EngineError;

impl Run<'_> {
    /// Starts pushes, as many as may run; none to a registry that lets nobody push.
    pub(super) fn start_pushes(&mut self) {
        while self.pushing < self.plan.pushes.max(1) && !self.away && self.fatal.is_none() {
            let Some(image) = self.to_push.pop_front() else { break };
            if let Some(error) = self.stopped.get(&self.builder.registry(image)).cloned() {
                self.failed(image, Kind::Push, error, 0.0);
                continue;
            }
            self.watcher.state(image, &ImageState::Pushing);
            self.pushing += 1;
            let (builder, feed) = (self.builder, tagged(image, &self.feed));
            self.work.push(Box::pin(async move {
                let start = Instant::now();
                let outcome = builder.push(image, &feed).await;
                (image, Ended::Push(outcome, start.elapsed().as_secs_f64()))
            }));
        }
    }

    pub(super) fn push_ended(&mut self, image: usize, outcome: Result<String, EngineError>, seconds: f64) {
        match outcome {
            Ok(digest) => {
                let state = ImageState::Pushed { digest, seconds };
                self.watcher.state(image, &state);
                let push_tries = self.tries.get(&(image, false)).map_or(0, Tries::count) + 1;
                if let Some(finished) = &mut self.finished[image] {
                    (finished.state, finished.push_tries) = (state, push_tries);
                }
            }
            Err(error) => self.unwell(image, Kind::Push, error, seconds),
        }
    }
}
