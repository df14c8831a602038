//! All builds of a run that are under way, and what of them is shown when.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::event::{Event, EventKind, ImageLedger, ImageState, LAST_LINES, Progress, TaskId};

use super::super::layout::Paint;
use super::set::Set;
use super::{block, forecast, plain, table};

/// How it is shown.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Look {
    pub paint: Paint,
    /// Columns.
    pub width: usize,
    /// `-v` count.
    pub verbosity: u8,
    /// Lines move: what is under way has no lines of its own.
    pub live: bool,
    /// Plain ASCII only.
    pub ascii: bool,
}

/// The builds of a run.
#[derive(Default)]
pub(in crate::report) struct Images {
    ledger: ImageLedger,
    sets: Vec<Set>,
    /// Columns of names, so that lines stand below each other.
    names: usize,
    /// Images whose last lines stand below their failure.
    tails: HashSet<String>,
}

impl Images {
    /// Takes an event and gives the lines that it is worth, or nothing. `many`: several hosts are worked on.
    pub fn event(&mut self, event: &Event, many: bool, look: &Look, now: Duration) -> String {
        self.ledger.event(event);
        if let EventKind::ItemDone { task, .. } = &event.kind {
            self.forget(event.host.as_ref(), *task);
        }
        let EventKind::Progress { task, progress } = &event.kind else { return String::new() };
        let (image, host) = (image_of(progress), event.host.as_ref());
        if image.is_none() && !matches!(progress, Progress::ImageForecast { .. } | Progress::ImageHost { .. }) {
            return String::new();
        }
        if let Progress::Image { image, .. } = progress {
            self.names = self.names.max(console::measure_text_width(image)).min(40);
        }
        let place = self.sets.iter().rposition(|set| set.task == *task && set.host.as_ref() == host);
        let place = place.unwrap_or_else(|| {
            self.sets.push(Set::new(host.cloned(), *task, now));
            self.sets.len() - 1
        });
        let set = &mut self.sets[place];
        // Looked at before it is forgotten.
        let before = image.and_then(|image| set.lanes.get(image));
        let same = matches!((progress, before), (Progress::ImageStep { step, text, .. }, Some(lane))
            if lane.step == *step && lane.text == *text);
        let tail = set.tell(progress, now);
        if let Progress::ImageForecast { forecast } = progress {
            let host = host.filter(|_| many).map(|host| &**host);
            return forecast::text(forecast, host, look);
        }
        let log = matches!(progress, Progress::ImageLog { .. });
        if log && look.verbosity == 0 || same {
            return String::new();
        }
        let stamp = event.time.get(11..19).unwrap_or_default();
        let line = plain::Line { look, stamp, host: host.filter(|_| many).map(|host| &**host), names: self.names };
        match progress {
            Progress::Image { image, state } => {
                let file = match state {
                    ImageState::Failed { .. } | ImageState::PushFailed { .. } => {
                        format!("logs/{}", self.ledger.log_file(host, *task, image))
                    }
                    _ => String::new(),
                };
                if matches!(state, ImageState::Failed { .. }) && !look.live && !tail.is_empty() {
                    self.tails.insert(image.clone());
                }
                let build = self.ledger.build(host, *task);
                line.state(set, build, (image, state), (&file, &tail))
            }
            Progress::ImageHost { .. } => {
                let build = self.ledger.build(host, *task);
                build.map(|build| line.host(set, build, now)).unwrap_or_default()
            }
            _ => line.progress(set, progress, now),
        }
    }

    /// A task ended on a host: what became of its images, of each item of a loop; nothing if it had none.
    pub fn ended(&mut self, host: Option<&Arc<str>>, task: TaskId, many: bool, look: &Look) -> String {
        self.forget(host, task);
        let builds = self.ledger.builds_of(host, task).filter(|build| !build.images.is_empty());
        builds.map(|build| table::text(build, many, look)).collect()
    }

    /// A note of an error that repeats what stands above it.
    pub fn told(&self, note: &str) -> bool {
        let name = note.strip_prefix(LAST_LINES).and_then(|rest| rest.split_once('`'));
        name.is_some_and(|(name, _)| self.tails.contains(name))
    }

    /// Nothing of it is under way any more.
    fn forget(&mut self, host: Option<&Arc<str>>, task: TaskId) {
        self.sets.retain(|set| set.task != task || set.host.as_ref() != host);
    }

    /// The run ended: what became of the images of tasks that did not.
    pub fn cut_off(&mut self, many: bool, look: &Look) -> String {
        let cut: Vec<_> = std::mem::take(&mut self.sets).into_iter().map(|set| (set.host, set.task)).collect();
        cut.iter().map(|(host, task)| self.ended(host.as_ref(), *task, many, look)).collect()
    }

    /// The moving lines: a block for each build that is under way, in so many rows at most.
    pub fn block(&mut self, look: &Look, rows: usize, now: Duration) -> Vec<String> {
        let shown: Vec<(&Set, &crate::event::ImageBuild)> = self
            .sets
            .iter()
            .filter_map(|set| Some((set, self.ledger.build(set.host.as_ref(), set.task)?)))
            .filter(|(_, build)| !build.images.is_empty())
            .collect();
        let count = shown.len();
        let mut lines = Vec::new();
        for (place, (set, build)) in shown.into_iter().enumerate() {
            // What one needs not is there for the next.
            let share = rows.saturating_sub(lines.len()) / (count - place);
            lines.extend(block::lines(set, build, count > 1, look, share, now));
        }
        lines
    }
}

fn image_of(progress: &Progress) -> Option<&str> {
    match progress {
        Progress::Image { image, .. }
        | Progress::ImageStep { image, .. }
        | Progress::ImageLog { image, .. }
        | Progress::ImagePush { image, .. } => Some(image),
        Progress::Output { .. }
        | Progress::ImageForecast { .. }
        | Progress::ImageHost { .. }
        | Progress::BuildSeen { .. } => None,
    }
}
