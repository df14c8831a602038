//! One line for each change, above the moving block or where nothing moves: then with the time of day (UTC), with
//! steps and pushes, and with a line about the whole every minute.

use std::fmt::Write as _;
use std::time::Duration;

use crate::event::{ImageBuild, ImageState, Progress, Status, exit_code, place};
use crate::value::{duration, gib, whole_duration};

use super::super::layout::{pad, safe_line, shorten};
use super::block::{counts, failure_word, left, rate, remaining};
use super::set::Set;
use super::view::Look;

/// Between two lines about the whole.
const WHOLE: Duration = Duration::from_mins(1);
/// Between two lines about a push.
const PUSH: Duration = Duration::from_secs(10);

/// What stands at the beginning of a line.
pub(super) struct Line<'a> {
    pub look: &'a Look,
    /// `06:17:04`.
    pub stamp: &'a str,
    /// The host, where there are several.
    pub host: Option<&'a str>,
    /// Columns of names.
    pub names: usize,
}

impl Line<'_> {
    fn lead(&self, name: &str) -> String {
        let stamp = if self.look.live { "   ".to_owned() } else { self.look.paint.dim(self.stamp) };
        let host = self.host.map_or_else(String::new, |host| format!("{host} "));
        let width = self.names.clamp(18, 40).min((self.look.width / 4).max(8));
        format!("{stamp} {host}{} ", pad(&shorten(name, width), width))
    }

    fn line(&self, name: &str, word: &str, status: Option<Status>, text: &str) -> String {
        self.line_to(name, word, status, text, "")
    }

    /// With an end that is never shortened.
    fn line_to(&self, name: &str, word: &str, status: Option<Status>, text: &str, end: &str) -> String {
        let lead = self.lead(name);
        let word = pad(word, if text.is_empty() { 0 } else { 11 });
        let room = self.look.width.saturating_sub(console::measure_text_width(&lead) + word.len() + 1 + end.len());
        let word = status.map_or(word.clone(), |status| self.look.paint.status(status, &word));
        format!("{}\n", format!("{lead}{word} {}{end}", shorten(text, room.max(12))).trim_end())
    }

    /// An image's new state; a failure with its log's last lines, where there is no block that keeps it.
    /// What was built and is pushed next has one line, at its end.
    pub fn state(
        &self,
        set: &mut Set,
        build: Option<&ImageBuild>,
        (image, state): (&str, &ImageState),
        (log, tail): (&str, &[String]),
    ) -> String {
        let record = build.and_then(|build| build.images.get(image));
        let allowed = record.is_some_and(|image| image.allowed_to_fail);
        let goes_on = || {
            let forecast = build.and_then(|build| build.forecast.as_ref());
            forecast.is_some_and(|forecast| forecast.pushed.iter().any(|name| name == image))
        };
        let step = set.failed.get(image).map(|failed| failed.step.clone()).unwrap_or_default();
        let (word, status, text) = match state {
            ImageState::Waiting => return String::new(),
            ImageState::Building | ImageState::Pushing if self.look.live => return String::new(),
            ImageState::Building => ("building", None, String::new()),
            ImageState::Pushing => ("pushing", None, String::new()),
            ImageState::Built { .. } if goes_on() => return String::new(),
            ImageState::Built { seconds } => ("built", Some(Status::Changed), duration(*seconds)),
            ImageState::Pushed { digest, seconds } => {
                // The table and the record have the digests.
                let digest = if self.look.verbosity > 0 { format!("  {digest}") } else { String::new() };
                let built = record.and_then(|image| image.seconds).filter(|_| goes_on());
                let built = built.map_or_else(String::new, |seconds| format!("built {}, pushed ", duration(seconds)));
                ("pushed", Some(Status::Changed), format!("{built}{}{digest}", duration(*seconds)))
            }
            ImageState::Failed { message } | ImageState::PushFailed { message } => {
                let push = matches!(state, ImageState::PushFailed { .. });
                let (word, status) = failure_word(push, allowed);
                (word, Some(status), failure(message, if push { "" } else { &step }))
            }
            ImageState::Blocked { by } => ("blocked", Some(Status::Skipped), format!("by {by}")),
            ImageState::Cancelled => ("cancelled", Some(Status::Skipped), String::new()),
            ImageState::Reused { reason, .. } => ("reused", Some(Status::Ok), reason.clone()),
            ImageState::Held { reason } => {
                // The block shows it; elsewhere each reason is told once.
                if self.look.live || set.held.insert(image.to_owned(), reason.clone()).as_ref() == Some(reason) {
                    return String::new();
                }
                ("held", Some(Status::Changed), reason.clone())
            }
        };
        let end = if log.is_empty() { String::new() } else { format!("   {log}") };
        let mut out = self.line_to(image, word, status, &text, &end);
        if !self.look.live && self.look.verbosity == 0 {
            for line in tail {
                let _ = writeln!(out, "    {} {}", self.look.paint.dim("|"), safe_line(line));
            }
        }
        out
    }

    /// Steps, pushes, and lines of logs.
    pub fn progress(&self, set: &mut Set, progress: &Progress, now: Duration) -> String {
        match progress {
            Progress::ImageLog { image, line } => {
                format!("{}{} {}\n", self.lead(image), self.look.paint.dim("|"), safe_line(line))
            }
            _ if self.look.live => String::new(),
            Progress::ImageStep { image, step, of, text } => {
                let of = if *of == 0 { "?".to_owned() } else { of.to_string() };
                self.line(image, &format!("{step}/{of}"), None, text)
            }
            Progress::ImagePush { image, done, of, .. } => {
                let told = set.pushes.get(image).copied();
                if *of == 0 || told.is_some_and(|(layers, at)| layers == *done || now.saturating_sub(at) < PUSH) {
                    return String::new();
                }
                set.pushes.insert(image.clone(), (*done, now));
                let rate = set.lanes.get(image).and_then(|lane| lane.push.rate(now)).map(rate);
                let rate = rate.map_or_else(String::new, |rate| format!("  {rate}"));
                self.line(image, "push", None, &format!("{done} of {of} layers{rate}"))
            }
            _ => String::new(),
        }
    }

    /// A line about the whole every minute: who reads along sees that it goes on, and so does the CI that ends what
    /// is silent.
    pub fn host(&self, set: &mut Set, build: &ImageBuild, now: Duration) -> String {
        if self.look.live || now.saturating_sub(set.told) < WHOLE {
            return String::new();
        }
        set.told = now;
        let counts: Vec<String> = counts(build).iter().map(|(count, word, _)| format!("{count} {word}")).collect();
        let mut text = counts.join("  ");
        let _ = write!(text, "   {}", whole_duration(now.saturating_sub(set.since).as_secs_f64()));
        if let Some(seconds) = left(set, now) {
            let _ = write!(text, ", {}", remaining(seconds));
        }
        if let Some(state) = &set.state {
            let _ = write!(text, "   disk {} of {} GiB free", gib(state.disk_free), gib(state.disk_total));
        }
        let host = self.host.map_or_else(String::new, |host| format!(" on {host}"));
        let lead = format!("{} images{host}   ", self.look.paint.dim(self.stamp));
        let room = self.look.width.saturating_sub(console::measure_text_width(&lead)).max(12);
        format!("{lead}{}\n", shorten(&text, room))
    }
}

/// Why it failed, and where: `17/19 RUN npm ci: exit code 1` where engines use many words.
fn failure(message: &str, step: &str) -> String {
    match (place(message), exit_code(message)) {
        (Some((place, _)), Some(code)) if !step.is_empty() => format!("{step}: {code}  ({place})"),
        (Some((place, _)), Some(code)) => format!("{code}  ({place})"),
        (Some((place, rest)), None) => format!("{rest}  ({place})"),
        (None, Some(code)) if !step.is_empty() => format!("{step}: {code}"),
        (None, _) => message.to_owned(),
    }
}
