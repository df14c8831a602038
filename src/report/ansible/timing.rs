//! The callbacks `timer`, `profile_tasks` and `profile_roles` of `ansible.posix`: how long a run took.
//!
//! They write beside the stdout callback, on the same stream and after it.

use std::io::Write;
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use super::display::{AnsibleOptions, Display};
use super::result::task_path;
use crate::diag::SourceMap;
use crate::event::{Event, EventKind, Reporter, TaskId};

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timed {
    /// The whole run.
    Run,
    /// Each task.
    Tasks,
    /// Each role.
    Roles,
}

/// In which order tasks are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowestFirst {
    /// The longest comes first.
    #[default]
    Yes,
    /// The longest comes last.
    No,
    /// As they ran.
    AsRun,
}

/// The settings of `profile_tasks` and `profile_roles`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimingOptions {
    /// Nothing is told below the banners of tasks.
    pub summary_only: bool,
    /// How many tasks are listed; `None`: all.
    pub limit: Option<usize>,
    /// Their order.
    pub order: SlowestFirst,
}

/// One row of the table.
struct Row {
    name: String,
    path: Option<String>,
    started: Instant,
    seconds: f64,
}

/// A callback that tells times.
pub struct Timing<O: Write + Send> {
    display: Display<O, std::io::Sink>,
    what: Timed,
    options: TimingOptions,
    verbosity: u8,
    width: usize,
    begun: Instant,
    last: Instant,
    rows: IndexMap<String, Row>,
    current: Option<String>,
}

impl<O: Write + Send> Timing<O> {
    /// Onto a stream.
    pub fn new(out: O, what: Timed, options: TimingOptions, shown: &AnsibleOptions) -> Self {
        let now = Instant::now();
        Self {
            display: Display::new(out, std::io::sink(), shown),
            what,
            options,
            verbosity: shown.verbosity,
            width: shown.width,
            begun: now,
            last: now,
            rows: IndexMap::new(),
            current: None,
        }
    }

    /// The time of day, since the line before, and since the beginning.
    fn now(&mut self) {
        let time = jiff::Zoned::now().strftime("%A %d %B %Y  %H:%M:%S %z").to_string();
        let text = format!("{time} ({}){}{}", clock(self.last.elapsed()), " ".repeat(7), clock(self.begun.elapsed()));
        self.last = Instant::now();
        self.display.line(&filled(&text, '*'), None);
    }

    fn stop(&mut self) {
        if let Some(row) = self.current.take().and_then(|current| self.rows.get_mut(&current)) {
            row.seconds += row.started.elapsed().as_secs_f64();
        }
    }

    fn task(&mut self, task: TaskId, name: &str, role: Option<&str>, module: &str, place: &str) {
        if !self.options.summary_only {
            self.now();
        }
        self.stop();
        let (key, name) = match self.what {
            Timed::Roles => {
                let name = role.map_or(module, |role| role.rsplit('/').next().unwrap_or(role)).to_owned();
                (name.clone(), name)
            }
            _ => (task.0.to_string(), role.map_or_else(|| name.to_owned(), |role| format!("{role} : {name}"))),
        };
        let path = (self.verbosity >= 2 && self.what == Timed::Tasks)
            .then(|| task_path(place).trim_start_matches("task path: ").to_owned());
        let started = Instant::now();
        self.rows.entry(key.clone()).or_insert(Row { name, path, started, seconds: 0.0 }).started = started;
        self.current = Some(key);
    }

    fn end(&mut self) {
        match self.what {
            Timed::Run => {
                self.display.banner("PLAYBOOK RECAP");
                self.display.line(&took(self.begun.elapsed().as_secs()), None);
            }
            Timed::Tasks => {
                self.table("TASKS RECAP");
                let mut rows: Vec<&Row> = self.rows.values().collect();
                match self.options.order {
                    SlowestFirst::Yes => rows.sort_by(|one, other| other.seconds.total_cmp(&one.seconds)),
                    SlowestFirst::No => rows.sort_by(|one, other| one.seconds.total_cmp(&other.seconds)),
                    SlowestFirst::AsRun => {}
                }
                let lines: Vec<String> = rows
                    .into_iter()
                    .take(self.options.limit.unwrap_or(usize::MAX))
                    .map(|row| {
                        let line = measured(&row.name, row.seconds, self.width.saturating_sub(9));
                        match &row.path {
                            Some(path) => format!("{line}\n{}", dashes(path, self.width)),
                            None => line,
                        }
                    })
                    .collect();
                lines.iter().for_each(|line| self.display.line(line, None));
            }
            Timed::Roles => {
                self.table("ROLES RECAP");
                let mut rows: Vec<&Row> = self.rows.values().collect();
                rows.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
                let mut lines: Vec<String> = rows.iter().map(|row| measured(&row.name, row.seconds, 70)).collect();
                lines.push(filled("", '~'));
                lines.push(measured("total", rows.iter().map(|row| row.seconds).sum(), 70));
                lines.iter().for_each(|line| self.display.line(line, None));
            }
        }
        self.display.flush();
    }

    fn table(&mut self, title: &str) {
        self.display.banner(title);
        self.now();
        self.display.line(&filled("", '='), None);
        self.stop();
    }
}

impl<O: Write + Send> Reporter for Timing<O> {
    fn event(&mut self, event: &Event, _sources: &SourceMap) {
        match &event.kind {
            EventKind::TaskStarted { task, name, role, module, place, .. } if self.what != Timed::Run => {
                self.task(*task, name, role.as_deref(), module, place);
                self.display.flush();
            }
            EventKind::Recap { .. } => self.end(),
            _ => {}
        }
    }
}

/// `0:00:01.234`
fn clock(time: Duration) -> String {
    let (seconds, millis) = (time.as_secs(), time.subsec_millis());
    format!("{}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A text with characters up to column 79, and a space.
fn filled(text: &str, with: char) -> String {
    let text = if text.is_empty() { String::new() } else { format!("{text} ") };
    let room = if text.is_empty() { 79 } else { 79_usize.saturating_sub(text.chars().count()).max(3) };
    format!("{text}{} ", with.to_string().repeat(room))
}

fn dashes(text: &str, width: usize) -> String {
    let text = format!("{text} ");
    format!("{text}{}", "-".repeat(width.saturating_sub(text.chars().count())))
}

/// `NAME ------- 1.23s`
fn measured(name: &str, seconds: f64, width: usize) -> String {
    let time = format!(" {seconds:.2}s");
    format!("{}{}{time}", dashes(name, width), "-".repeat(9_usize.saturating_sub(time.len())))
}

fn took(seconds: u64) -> String {
    let (days, hours) = (seconds / 86400, seconds / 3600 % 24);
    let minutes = seconds / 60 % 60;
    format!("Playbook run took {days} days, {hours} hours, {minutes} minutes, {} seconds\n\r", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_as_the_callbacks_write_them() {
        assert_eq!(clock(Duration::from_millis(3_661_045)), "1:01:01.045");
        assert_eq!(filled("", '=').len(), 80);
        assert_eq!(filled("a", '*'), format!("a {} ", "*".repeat(77)));
        assert_eq!(measured("copy : files", 0.456, 30), format!("copy : files {}--- 0.46s", "-".repeat(17)));
        assert_eq!(took(90_061), "Playbook run took 1 days, 1 hours, 1 minutes, 1 seconds\n\r");
    }

    #[test]
    fn tasks_of_a_role_are_added_up() {
        let options = AnsibleOptions::default();
        let mut timing = Timing::new(Vec::new(), Timed::Roles, TimingOptions::default(), &options);
        timing.task(TaskId(1), "x", Some("web"), "copy", "a:1:1");
        timing.task(TaskId(2), "y", Some("web"), "copy", "a:2:1");
        timing.task(TaskId(3), "z", None, "debug", "a:3:1");
        assert_eq!(timing.rows.keys().collect::<Vec<_>>(), ["web", "debug"]);
    }
}
