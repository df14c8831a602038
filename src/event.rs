//! What happens in a run, as one ordered stream of facts.
//!
//! Every run and build emits [`EventKind`]s into a [`Sink`]. The sink redacts, numbers and
//! times them, and hands them to the reporters (terminal, JSON Lines, journal) in that order.
//! Events carry no display policy.

mod forecast;
mod images;
mod job;
mod redact;
mod sink;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diag::{Diagnostic, SourceMap, Span};
use crate::value::Map;

pub use forecast::ImageForecast;
pub use images::{ImageBuild, ImageLedger, ImageRecord, LAST_LINES, LEFT, exit_code, file_name, place};
pub use job::JobState;
pub use redact::{redact_diagnostic, redact_done, redact_map, redact_progress, redact_value};
pub use sink::Sink;

/// In the place of a result that `no_log` hides.
pub const CENSORED: &str =
    "the output has been hidden due to the fact that 'no_log: true' was specified for this result";

/// What became of a task on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Ran, changed nothing.
    Ok,
    /// Ran and changed something (in check mode: would change).
    Changed,
    /// Did not run: a condition was false.
    Skipped,
    /// Failed.
    Failed,
    /// The host could not be reached.
    Unreachable,
}

/// A host's counts, as the recap shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Tasks that ended well, changed ones included.
    pub ok: u32,
    /// Tasks that changed something.
    pub changed: u32,
    /// Tasks that found the host unreachable.
    pub unreachable: u32,
    /// Failures that were neither rescued nor ignored.
    pub failed: u32,
    /// Tasks skipped.
    pub skipped: u32,
    /// Failures that a rescue took over.
    pub rescued: u32,
    /// Failures ignored by `ignore_errors`.
    pub ignored: u32,
}

impl Stats {
    /// Counts on.
    pub fn add(&mut self, more: &Self) {
        let Self { ok, changed, unreachable, failed, skipped, rescued, ignored } = self;
        for (count, more) in [
            (ok, more.ok),
            (changed, more.changed),
            (unreachable, more.unreachable),
            (failed, more.failed),
            (skipped, more.skipped),
            (rescued, more.rescued),
            (ignored, more.ignored),
        ] {
            *count = count.saturating_add(more);
        }
    }
}

/// One before/after pair that a task reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Diff {
    /// Name of the state before (a path, usually).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub before_header: String,
    /// Name of the state after.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub after_header: String,
    /// Text before.
    #[serde(default)]
    pub before: String,
    /// Text after.
    #[serde(default)]
    pub after: String,
    /// Before and after are the JSON text of mappings (the state of a path), which results have as such.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mapping: bool,
    /// A diff made elsewhere, shown as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepared: Option<String>,
    /// Ansible's module makes no such diff: its own output leaves it out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ours: bool,
}

/// Which of a process's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A task's identity in events: one number a task for all hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskId(pub u64);

/// Where an image stands in a build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum ImageState {
    /// Waits for its parents or a free place.
    Waiting,
    /// Is being built.
    Building,
    /// Built; the seconds it took.
    Built {
        /// Seconds.
        seconds: f64,
    },
    /// Is being pushed.
    Pushing,
    /// Pushed, with the registry's digest.
    Pushed {
        /// `sha256:...`
        digest: String,
        /// Seconds of the push.
        seconds: f64,
    },
    /// The build failed.
    Failed {
        /// Why, one line.
        message: String,
    },
    /// Built, but the push failed.
    PushFailed {
        /// Why, one line.
        message: String,
    },
    /// Not built, since a parent failed.
    Blocked {
        /// The parent that failed.
        by: String,
    },
    /// Not built: the run stopped first.
    Cancelled,
    /// Not built, since nothing that it is made from has changed.
    Reused {
        /// The digest that the registry has, if it was asked.
        digest: Option<String>,
        /// Where it was found and why it counts, a few words.
        reason: String,
    },
    /// Could be built or pushed now, but something must get better first (space, memory, the engine).
    Held {
        /// What is waited for, a few words.
        reason: String,
    },
}

/// What a running module tells before it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Progress {
    /// Output of a program, as it is written; may end in the middle of a line.
    Output {
        /// The stream.
        stream: Stream,
        /// The text (lossy UTF-8, never cut inside a character).
        text: String,
    },
    /// An image changed its state.
    Image {
        /// The image's name in its tree.
        image: String,
        /// The state.
        state: ImageState,
    },
    /// One line of an image's build or push log.
    ImageLog {
        /// The image's name.
        image: String,
        /// The line without its break.
        line: String,
    },
    /// An image's running step.
    ImageStep {
        /// The image's name.
        image: String,
        /// From 1.
        step: u32,
        /// Steps in all, if known.
        of: u32,
        /// The instruction.
        text: String,
    },
    /// How far an image's push is.
    ImagePush {
        /// The image's name.
        image: String,
        /// Layers that the registry has.
        done: u32,
        /// Layers in all.
        of: u32,
        /// Bytes sent so far.
        bytes: u64,
    },
    /// So much of a build that outlives its link was told: who comes back begins behind it.
    BuildSeen {
        /// The build's name on its host.
        build: String,
        /// Events of it.
        seen: u64,
    },
    /// What a build is expected to do.
    ImageForecast {
        /// The forecast.
        forecast: ImageForecast,
    },
    /// How the build host is, every few seconds while images are built.
    ImageHost {
        /// Bytes free on the engine's file system.
        disk_free: u64,
        /// Bytes of it in all.
        disk_total: u64,
        /// Bytes of build cache, if the engine tells.
        cache: Option<u64>,
        /// Seconds left by what earlier builds took; `None` if unknown.
        seconds_left: Option<f64>,
    },
}

impl Progress {
    /// What it weighs in a queue, about.
    pub fn weight(&self) -> usize {
        let text = match self {
            Self::Output { text, .. } | Self::ImageStep { text, .. } | Self::ImageLog { line: text, .. } => text.len(),
            Self::ImageForecast { forecast } => {
                let names = forecast.build.iter().chain(&forecast.reuse);
                names.map(|(name, reason)| name.len() + reason.len() + 16).sum()
            }
            Self::Image { .. } | Self::ImagePush { .. } | Self::ImageHost { .. } | Self::BuildSeen { .. } => 0,
        };
        text + 64
    }
}

/// The facts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum EventKind {
    /// First event.
    RunStarted {
        /// hostctl's version.
        version: String,
        /// As the user wrote it.
        playbook: String,
        /// Environment and its parents, e.g. `["base", "ci-builder"]`, the chosen one last; empty without.
        environments: Vec<String>,
        /// Check mode.
        check: bool,
        /// The command line of this run, to which `--start-at-task NAME` can be added; empty if unknown.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        command: String,
        /// How many plays the playbook has.
        #[serde(default)]
        plays: usize,
        /// The first run that this one goes on with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resumes: Option<String>,
    },
    /// A task began work on its host that outlives its link.
    WorkBegun {
        /// The task.
        task: TaskId,
        /// The work's name on the host.
        build: String,
        /// How the host was reached: keywords of a play.
        reached: Map,
    },
    /// A later batch of a play begins (`serial`).
    BatchStarted {
        /// From 2.
        index: usize,
        /// Hosts of the batch.
        hosts: Vec<String>,
    },
    /// A play begins.
    PlayStarted {
        /// From 1.
        index: usize,
        /// Plays in all.
        of: usize,
        /// The play's name, or its host pattern.
        name: String,
        /// Hosts of the play.
        hosts: Vec<String>,
        /// Hosts do not wait for each other (`free`, `host_pinned`).
        #[serde(default)]
        free: bool,
        /// Its tasks run in check mode.
        #[serde(default)]
        check: bool,
        /// Its `hosts`, rendered.
        #[serde(skip)]
        pattern: String,
    },
    /// A play's pattern matched no host.
    NoHosts {
        /// The pattern.
        pattern: String,
    },
    /// A task begins (for the first host).
    TaskStarted {
        /// Its number.
        task: TaskId,
        /// Its name as Ansible shows it, without the role.
        name: String,
        /// Its role.
        role: Option<String>,
        /// The module's name as written.
        module: String,
        /// `path:line:column`.
        place: String,
        /// A handler.
        handler: bool,
        /// It brings in tasks or a role.
        #[serde(default)]
        include: bool,
        /// It runs in check mode.
        #[serde(default)]
        check: bool,
        /// The task's mapping.
        #[serde(skip)]
        span: Option<Span>,
        /// The hosts that run it together, in their order.
        #[serde(skip)]
        hosts: Vec<Arc<str>>,
        /// The module's name in full, `ansible.builtin.copy`.
        #[serde(skip)]
        full_name: Arc<str>,
        /// `items` of `with_items`.
        #[serde(skip)]
        with: Option<String>,
    },
    /// A host begins a task.
    HostStarted {
        /// The task.
        task: TaskId,
    },
    /// A running task tells something.
    Progress {
        /// The task.
        task: TaskId,
        /// What.
        progress: Progress,
    },
    /// One item of a loop ended.
    ItemDone {
        /// The task.
        task: TaskId,
        /// The item's label.
        label: String,
        /// Its end.
        done: Done,
    },
    /// A task waits before its next try (`until`).
    Retry {
        /// The task.
        task: TaskId,
        /// The try that comes, from 2.
        attempt: u32,
        /// Tries in all.
        of: u32,
        /// The end of the try before. Not in the journal.
        #[serde(skip)]
        done: Option<Box<Done>>,
    },
    /// A look at a job that a task waits for (`async` with `poll`).
    Job {
        /// The task.
        task: TaskId,
        /// The job's name on its host.
        id: String,
        /// What was seen.
        state: JobState,
    },
    /// A variable of a play's `vars_prompt` is about to be asked for.
    VarPrompt {
        /// Its name.
        name: String,
        /// The other keys of the entry, in Ansible's order.
        #[serde(skip)]
        entry: Map,
    },
    /// What was done to reach a host, for those who look closely.
    Trace {
        /// One line.
        text: String,
        /// It is about hostctl's own steps, which few people look for.
        inner: bool,
    },
    /// Somebody is asked at the terminal: what moves there holds still.
    Asked {
        /// The task.
        task: TaskId,
        /// The question.
        prompt: String,
    },
    /// A task ended on a host.
    HostDone {
        /// The task.
        task: TaskId,
        /// Its end.
        done: Done,
        /// It was a loop with so many items.
        items: Option<usize>,
    },
    /// An include found what it names, for one item.
    Included {
        /// The task.
        task: TaskId,
        /// The file, or the role's name.
        name: String,
        /// The item's label.
        label: Option<String>,
    },
    /// A `meta` task did something, or was skipped.
    Meta {
        /// The task.
        task: TaskId,
        /// What, as Ansible puts it.
        message: String,
        /// Its condition was false: the result's message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        skipped: Option<String>,
    },
    /// A handler was notified, or is about to run for that.
    Notified {
        /// The name it was notified by; its own name with its role if it runs.
        handler: String,
        /// It is about to run.
        runs: bool,
    },
    /// So many hosts failed that the play ends (`max_fail_percentage`).
    NoHostsLeft,
    /// A warning; each is shown once.
    Warning {
        /// The warning.
        diagnostic: Diagnostic,
    },
    /// An error outside a task.
    Error {
        /// The error.
        diagnostic: Diagnostic,
    },
    /// The counts at the end.
    Recap {
        /// By host.
        stats: BTreeMap<String, Stats>,
        /// Hosts that later plays would leave out: failed, unreachable, or failed with others (`any_errors_fatal`).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        failed: Vec<String>,
    },
    /// Last event.
    RunEnded {
        /// The exit code.
        exit_code: u8,
        /// Lines of the closing block: `("tag", "2024.1-...")`.
        notes: Vec<(String, String)>,
        /// Seconds in all.
        seconds: f64,
    },
}

/// The end of a task (or of one item) on a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// What became of it.
    pub status: Status,
    /// The result as `register` has it (`no_log`: the censored one).
    pub result: Map,
    /// What was changed, in a few words each, from the module's change guards.
    pub changes: Vec<String>,
    /// Why it was skipped: the condition's text, or what the module says.
    pub reason: Option<String>,
    /// Before and after.
    pub diffs: Vec<Diff>,
    /// Why it failed.
    pub diagnostic: Option<Diagnostic>,
    /// It failed, and the failure is ignored or rescued: not counted as failed.
    pub ignored: bool,
    /// It failed, and a `rescue` takes over.
    #[serde(default)]
    pub rescued: bool,
    /// Show the result also without `-v` (debug).
    pub verbose: bool,
    /// Seconds it took.
    pub seconds: f64,
    /// The host that it was delegated to, with its address where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegate: Option<String>,
    /// The module's arguments, for `-vvv`.
    #[serde(skip)]
    pub arguments: Option<Map>,
    /// The result is censored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_log: bool,
}

/// One event with its place in the order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Version of this form.
    pub v: u32,
    /// The run's id, `20261121T061704-7f3a`.
    pub run: Arc<str>,
    /// From 1, without gaps.
    pub seq: u64,
    /// RFC 3339 in UTC with milliseconds.
    pub time: String,
    /// The host it is about.
    pub host: Option<Arc<str>>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The version written into [`Event::v`].
pub const EVENT_VERSION: u32 = 1;

/// A consumer of events. Reporters must not block for long; a slow terminal is their business.
pub trait Reporter: Send {
    /// The next event, redacted and numbered.
    fn event(&mut self, event: &Event, sources: &SourceMap);
    /// Called a few times a second on a terminal, to move live lines.
    fn tick(&mut self) {}
    /// It wants what takes time to gather and few show: arguments of modules, results of single tries.
    fn wants_all(&self) -> bool {
        false
    }
    /// What could not be written: told once, when it happens.
    fn trouble(&mut self) -> Option<Trouble> {
        None
    }
}

/// Why a reporter's output is not whole.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// What to tell the user.
    pub diagnostic: Diagnostic,
    /// The other reporters can tell it; standard output cannot.
    pub tell: bool,
}

impl Trouble {
    /// A file of the run's record is not whole.
    pub fn record(file: &str, error: &std::io::Error) -> Self {
        let diagnostic = Diagnostic::local("R0102", format!("the record of this run is incomplete: `{file}`: {error}"))
            .warning()
            .with_hint("free some space, or set HOSTCTL_STATE_DIR to another folder");
        Self { diagnostic, tell: true }
    }
}

/// Now, in UTC with milliseconds.
pub fn now_rfc3339() -> String {
    let now = jiff::Timestamp::now();
    format!("{now:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Redactor;
    use crate::value::Value;

    #[test]
    fn a_list_of_lines_is_masked_as_one_text() {
        let redactor = Redactor::default();
        redactor.learn("correct horse battery staple");
        let mut value = Value::from(vec![Value::from("x correct horse"), Value::from("battery staple y")]);
        redact_value(&mut value, &redactor);
        assert_eq!(crate::value::python_str(&value), "['x ********', '******** y']");
    }
}
