//! The moving lines of a terminal: what runs now, how long, and its last line of output.

use std::time::{Duration, Instant};

use indexmap::IndexMap;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::layout::{duration, shorten};
use super::screen::safe;

/// One thing that runs.
struct Lane {
    bar: ProgressBar,
    name: String,
    text: String,
    since: Instant,
    last: Instant,
}

/// Moving lines on stderr's terminal; nothing elsewhere.
pub(super) struct Live {
    progress: MultiProgress,
    lanes: IndexMap<String, Lane>,
    width: usize,
}

/// After so long without output a lane says so.
const SILENCE: Duration = Duration::from_secs(10);

impl Live {
    /// Lines below what is printed to stdout.
    pub fn new(width: usize) -> Self {
        let progress = MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(10));
        Self { progress, lanes: IndexMap::new(), width }
    }

    /// Prints a finished text above the moving lines.
    pub fn print(&self, text: &str) {
        // The moving lines are taken away while the text is written.
        self.progress.suspend(|| {
            use std::io::Write as _;
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(safe(text).as_bytes());
            let _ = out.flush();
        });
    }

    /// Starts a lane, or gives it a new text.
    pub fn set(&mut self, key: &str, name: &str, text: &str) {
        let now = Instant::now();
        let lane = self.lanes.entry(key.to_owned()).or_insert_with(|| {
            let bar = self.progress.add(ProgressBar::new_spinner());
            bar.set_style(ProgressStyle::with_template("  {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
            Lane { bar, name: name.to_owned(), text: String::new(), since: now, last: now }
        });
        if !name.is_empty() && lane.name != name {
            (lane.name, lane.since) = (name.to_owned(), now);
            lane.text.clear();
        }
        if !text.is_empty() {
            text.clone_into(&mut lane.text);
            lane.last = now;
        }
    }

    /// Ends a lane.
    pub fn remove(&mut self, key: &str) {
        if let Some(lane) = self.lanes.shift_remove(key) {
            lane.bar.finish_and_clear();
            self.progress.remove(&lane.bar);
        }
    }

    /// Ends all lanes.
    pub fn clear(&mut self) {
        for (_, lane) in self.lanes.drain(..) {
            lane.bar.finish_and_clear();
            self.progress.remove(&lane.bar);
        }
    }

    /// Draws elapsed times anew.
    pub fn tick(&mut self) {
        let now = Instant::now();
        for lane in self.lanes.values() {
            let elapsed = duration((now - lane.since).as_secs_f64());
            let quiet = now - lane.last;
            let text = if quiet > SILENCE && !lane.text.is_empty() {
                format!("(no output for {}) {}", duration(quiet.as_secs_f64()), lane.text)
            } else if quiet > SILENCE {
                format!("(no output for {})", duration(quiet.as_secs_f64()))
            } else {
                lane.text.clone()
            };
            let name = shorten(&lane.name, self.width / 2);
            let room = self.width.saturating_sub(console::measure_text_width(&name) + elapsed.len() + 8).max(10);
            lane.bar.set_message(format!("{name}  {elapsed}  {}", shorten(&text, room)));
            lane.bar.tick();
        }
    }
}
