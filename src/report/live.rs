//! The moving line of a task: what runs now, how long, and its last line of output.

use std::time::Duration;

use super::layout::{shorten, whole_duration};

/// After so long without output a line says so.
pub(super) const SILENCE: Duration = Duration::from_secs(10);

/// What runs.
pub(super) struct Live {
    name: String,
    text: String,
    since: Duration,
    last: Duration,
}

impl Live {
    /// Begins now.
    pub fn new(name: &str, now: Duration) -> Self {
        Self { name: name.to_owned(), text: String::new(), since: now, last: now }
    }

    /// Its last output.
    pub fn set(&mut self, text: &str, now: Duration) {
        if !text.is_empty() {
            text.clone_into(&mut self.text);
            self.last = now;
        }
    }

    /// Its line.
    pub fn line(&self, width: usize, now: Duration) -> String {
        let elapsed = whole_duration(now.saturating_sub(self.since).as_secs_f64());
        let text = quiet(&self.text, self.last, now);
        let name = shorten(&self.name, width / 2);
        let room = width.saturating_sub(console::measure_text_width(&name) + elapsed.len() + 8).max(10);
        format!("  {name}  {elapsed}  {}", shorten(&text, room)).trim_end().to_owned()
    }
}

/// The last output, after a silence with how long that is.
pub(super) fn quiet(text: &str, last: Duration, now: Duration) -> String {
    let quiet = now.saturating_sub(last);
    if quiet <= SILENCE {
        return text.to_owned();
    }
    let told = format!("(no output for {})", whole_duration(quiet.as_secs_f64()));
    if text.is_empty() { told } else { format!("{told} {text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_task_says_so() {
        let at = Duration::from_secs;
        let mut live = Live::new("packages : install", at(0));
        live.set("Unpacking", at(2));
        assert_eq!(live.line(60, at(3)), "  packages : install  3s  Unpacking");
        assert_eq!(live.line(60, at(75)), "  packages : install  1m15s  (no output for 1m1...npacking");
    }
}
