//! What is under way in one build: a lane for each image that is built or pushed, its step, its last output. Costs a
//! few copies a line and never looks at other lanes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use crate::event::{ImageState, Progress, TaskId};

/// Lines of a log that a failure shows.
pub(super) const TAIL: usize = 40;
/// Bytes of a line that a lane or a tail keeps; the log has it whole.
const LINE: usize = 2000;
/// A push's rate is that of so many seconds.
const RATE: Duration = Duration::from_secs(5);

/// What an image is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Building,
    Pushing,
}

/// How far a push is.
#[derive(Clone, Debug, Default)]
pub(super) struct Push {
    pub done: u32,
    pub of: u32,
    bytes: u64,
    /// When so many bytes were sent, the oldest first.
    samples: VecDeque<(Duration, u64)>,
}

impl Push {
    fn tell(&mut self, done: u32, of: u32, bytes: u64, now: Duration) {
        (self.done, self.of) = (done, of);
        // A try that began anew has sent less.
        if self.samples.back().is_some_and(|(_, before)| *before > bytes) {
            self.samples.clear();
        }
        if self.samples.back().is_none_or(|(when, _)| now.saturating_sub(*when) >= RATE / 10) {
            self.samples.push_back((now, bytes));
        }
        self.bytes = bytes;
        while self.samples.len() > 2 && now.saturating_sub(self.samples[1].0) >= RATE {
            self.samples.pop_front();
        }
    }

    /// Bytes a second, of late.
    pub fn rate(&self, now: Duration) -> Option<f64> {
        let (first, before) = self.samples.front()?;
        let seconds = now.saturating_sub(*first).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate is shown with two digits")]
        let bytes = self.bytes.saturating_sub(*before) as f64;
        (seconds >= 0.5 && bytes > 0.0).then(|| bytes / seconds)
    }
}

/// One image under way.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub phase: Phase,
    pub since: Duration,
    pub last: Duration,
    pub step: u32,
    pub of: u32,
    /// The instruction.
    pub text: String,
    pub push: Push,
    tail: VecDeque<String>,
}

impl Lane {
    fn new(phase: Phase, now: Duration) -> Self {
        Self {
            phase,
            since: now,
            last: now,
            step: 0,
            of: 0,
            text: String::new(),
            push: Push::default(),
            tail: VecDeque::new(),
        }
    }

    /// Its last line of output.
    pub fn line(&self) -> &str {
        self.tail.back().map_or("", String::as_str)
    }

    fn log(&mut self, line: &str, now: Duration) {
        self.last = now;
        // The oldest line gives its memory.
        let mut kept = if self.tail.len() == TAIL { self.tail.pop_front().unwrap_or_default() } else { String::new() };
        kept.clear();
        if line.len() <= LINE {
            kept.push_str(line);
        } else {
            kept.push_str(&line[..line.floor_char_boundary(LINE)]);
            kept.push_str("...");
        }
        self.tail.push_back(kept);
    }

    /// `14/31`, or nothing.
    pub fn steps(&self) -> String {
        match (self.step, self.of) {
            (0, _) => String::new(),
            (step, 0) => format!("{step}/?"),
            (step, of) => format!("{step}/{of}"),
        }
    }
}

/// A failure that stays in the block.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    pub push: bool,
    /// `17/19 RUN npm ci`; empty if no step is known.
    pub step: String,
    pub message: String,
}

/// How the build host is.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostState {
    pub disk_free: u64,
    pub disk_total: u64,
    pub cache: Option<u64>,
    pub seconds_left: Option<f64>,
    /// When it was told.
    pub at: Duration,
}

/// One build that is under way.
pub(super) struct Set {
    pub host: Option<Arc<str>>,
    pub task: TaskId,
    pub since: Duration,
    pub lanes: IndexMap<String, Lane>,
    pub failed: IndexMap<String, Failed>,
    pub state: Option<HostState>,
    /// When the last line about the whole was told, where nothing moves.
    pub told: Duration,
    /// Layers of each push that were told, and when.
    pub pushes: IndexMap<String, (u32, Duration)>,
    /// What held images were said to wait for.
    pub held: IndexMap<String, String>,
}

impl Set {
    pub fn new(host: Option<Arc<str>>, task: TaskId, now: Duration) -> Self {
        Self {
            host,
            task,
            since: now,
            lanes: IndexMap::new(),
            failed: IndexMap::new(),
            state: None,
            told: now,
            pushes: IndexMap::new(),
            held: IndexMap::new(),
        }
    }

    /// Takes what is told; gives the last lines of an image's log when it fails.
    pub fn tell(&mut self, progress: &Progress, now: Duration) -> Vec<String> {
        match progress {
            Progress::Image { image, state } => return self.image(image, state, now),
            Progress::ImageStep { image, step, of, text } => {
                let lane = self.lane(image, Phase::Building, now);
                (lane.step, lane.of, lane.last) = (*step, *of, now);
                text.clone_into(&mut lane.text);
            }
            Progress::ImageLog { image, line } => match self.lanes.get_mut(image) {
                Some(lane) => lane.log(line, now),
                None => self.lane(image, Phase::Building, now).log(line, now),
            },
            Progress::ImagePush { image, done, of, bytes } => {
                let lane = self.lane(image, Phase::Pushing, now);
                (lane.phase, lane.last) = (Phase::Pushing, now);
                lane.push.tell(*done, *of, *bytes, now);
            }
            Progress::ImageHost { disk_free, disk_total, cache, seconds_left } => {
                self.state = Some(HostState {
                    disk_free: *disk_free,
                    disk_total: *disk_total,
                    cache: *cache,
                    seconds_left: seconds_left.filter(|seconds| seconds.is_finite()),
                    at: now,
                });
            }
            Progress::Output { .. } | Progress::ImageForecast { .. } | Progress::BuildSeen { .. } => {}
        }
        Vec::new()
    }

    fn image(&mut self, image: &str, state: &ImageState, now: Duration) -> Vec<String> {
        if !matches!(state, ImageState::Held { .. }) {
            self.held.shift_remove(image);
        }
        let push = match state {
            ImageState::Building | ImageState::Pushing => {
                let phase = if matches!(state, ImageState::Building) { Phase::Building } else { Phase::Pushing };
                self.failed.shift_remove(image);
                self.lanes.shift_remove(image);
                self.lanes.insert(image.to_owned(), Lane::new(phase, now));
                return Vec::new();
            }
            ImageState::Failed { .. } => false,
            ImageState::PushFailed { .. } => true,
            _ => {
                self.lanes.shift_remove(image);
                self.pushes.shift_remove(image);
                return Vec::new();
            }
        };
        let message = state_message(state);
        let Some(lane) = self.lanes.shift_remove(image) else {
            self.failed.insert(image.to_owned(), Failed { push, step: String::new(), message });
            return Vec::new();
        };
        let step = format!("{} {}", lane.steps(), lane.text).trim().to_owned();
        self.failed.insert(image.to_owned(), Failed { push, step, message });
        lane.tail.into()
    }

    fn lane(&mut self, image: &str, phase: Phase, now: Duration) -> &mut Lane {
        if !self.lanes.contains_key(image) {
            self.lanes.insert(image.to_owned(), Lane::new(phase, now));
        }
        &mut self.lanes[image]
    }
}

fn state_message(state: &ImageState) -> String {
    match state {
        ImageState::Failed { message } | ImageState::PushFailed { message } => message.clone(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_late() {
        let at = Duration::from_secs;
        let mut push = Push::default();
        for second in 0..60_u64 {
            let bytes = if second < 30 { second * 1_000_000 } else { 30_000_000 + (second - 30) * 48_000_000 };
            push.tell(1, 2, bytes, at(second));
            assert!(push.samples.len() < 20);
        }
        let rate = push.rate(at(59)).unwrap();
        assert!((rate - 48e6).abs() < 1e6, "{rate}");
        push.tell(1, 2, 10, at(60));
        assert!(push.rate(at(60)).is_none(), "a new try begins at nothing");
        assert!(push.rate(at(200)).is_none());
    }

    #[test]
    fn a_failure_gives_the_last_lines_and_forgets_them() {
        let mut set = Set::new(None, TaskId(1), Duration::ZERO);
        let image = || "base".to_owned();
        set.tell(&Progress::Image { image: image(), state: ImageState::Building }, Duration::ZERO);
        for line in 0..100 {
            set.tell(&Progress::ImageLog { image: image(), line: format!("line {line}") }, Duration::ZERO);
        }
        set.tell(&Progress::ImageLog { image: image(), line: "ä".repeat(50_000) }, Duration::ZERO);
        let failed = ImageState::Failed { message: "x".into() };
        let tail = set.tell(&Progress::Image { image: image(), state: failed }, Duration::ZERO);
        assert_eq!((tail.len(), tail[0].as_str(), tail[39].len()), (TAIL, "line 61", LINE + 3));
        assert!(set.lanes.is_empty() && set.failed.len() == 1);
    }
}
