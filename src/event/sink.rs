//! The one place that orders events: redacts, numbers and times them, and hands them to the
//! reporters. Holds back output that may be the beginning of a secret.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::redact::redact_kind;
use super::{EVENT_VERSION, Event, EventKind, Progress, Reporter, Stream, TaskId, now_rfc3339};
use crate::diag::{Diagnostic, SourceMap};
use crate::secret::{LineRedactor, Redactor};

/// Whose output: host, task, and the image or the stream.
type OutputKey = (Option<Arc<str>>, TaskId, String);

/// A mark of how much of a build was told, which is true only when what came before it was given away: a controller
/// that is killed comes back behind it.
struct Mark {
    host: Option<Arc<str>>,
    kind: EventKind,
    /// Output that still holds what came before.
    behind: Vec<OutputKey>,
}

/// Marks that may wait; a newer one takes the place of the newest.
const MARKS: usize = 64;

struct Inner {
    marks: Vec<Mark>,
    seq: u64,
    reporters: Vec<Box<dyn Reporter>>,
    /// Output under way: a secret may be wrapped over lines that come one by one.
    output: HashMap<OutputKey, LineRedactor>,
    /// What was not told as a warning yet.
    untold: Vec<Diagnostic>,
    /// Something was not written.
    incomplete: bool,
}

impl Inner {
    fn deliver(&mut self, sink: &Sink, host: Option<&Arc<str>>, kind: EventKind) {
        self.seq += 1;
        let event = Event {
            v: EVENT_VERSION,
            run: Arc::clone(&sink.run),
            seq: self.seq,
            time: now_rfc3339(),
            host: host.cloned(),
            kind,
        };
        let ended = matches!(event.kind, EventKind::RunEnded { .. });
        let mut tell = None;
        for reporter in &mut self.reporters {
            reporter.event(&event, &sink.sources);
            if let Some(trouble) = reporter.trouble() {
                // Several files of a full disk have one cause, and after the end nobody listens.
                if trouble.tell && !ended {
                    tell = tell.or((!self.incomplete).then_some(trouble.diagnostic));
                } else if !trouble.tell || !self.incomplete {
                    self.untold.push(trouble.diagnostic);
                }
                self.incomplete |= trouble.tell;
            }
        }
        if let Some(diagnostic) = tell {
            self.deliver(sink, None, EventKind::Warning { diagnostic });
        }
    }

    /// Delivers masked output as events of its own kind.
    fn deliver_output(&mut self, sink: &Sink, key: &OutputKey, text: String) {
        let (host, task, of) = key;
        let told: Vec<Progress> = match of.as_str() {
            _ if text.is_empty() => Vec::new(),
            "stdout" => vec![Progress::Output { stream: Stream::Stdout, text }],
            "stderr" => vec![Progress::Output { stream: Stream::Stderr, text }],
            image => text
                .split_terminator('\n')
                .map(|line| Progress::ImageLog {
                    image: image.trim_start_matches('/').to_owned(),
                    line: line.to_owned(),
                })
                .collect(),
        };
        for progress in told {
            self.deliver(sink, host.as_ref(), EventKind::Progress { task: *task, progress });
        }
    }

    /// Delivers the marks whose time has come.
    fn deliver_marks(&mut self, sink: &Sink) {
        for mark in &mut self.marks {
            mark.behind.retain(|key| self.output.get(key).is_some_and(LineRedactor::holds));
        }
        while self.marks.first().is_some_and(|mark| mark.behind.is_empty()) {
            let mark = self.marks.remove(0);
            self.deliver(sink, mark.host.as_ref(), mark.kind);
        }
    }

    /// Gives away what is held of a task on a host; of all tasks without one.
    fn release(&mut self, sink: &Sink, ended: Option<(Option<&Arc<str>>, TaskId)>) {
        let of = |key: &OutputKey| ended.is_none_or(|(host, task)| key.0.as_ref() == host && key.1 == task);
        let mut keys: Vec<OutputKey> = self.output.keys().filter(|key| of(key)).cloned().collect();
        keys.sort();
        for key in keys {
            if let Some(mut lines) = self.output.remove(&key) {
                let text = lines.flush();
                self.deliver_output(sink, &key, text);
            }
        }
        self.deliver_marks(sink);
    }
}

/// The one place that orders events. Cheap to clone.
#[derive(Clone)]
pub struct Sink {
    run: Arc<str>,
    redactor: Arc<Redactor>,
    sources: Arc<SourceMap>,
    inner: Arc<Mutex<Inner>>,
    wants_all: bool,
}

impl Sink {
    /// A sink of a run; reporters see events in the order given here.
    pub fn new(
        run: impl Into<Arc<str>>,
        redactor: Arc<Redactor>,
        sources: Arc<SourceMap>,
        reporters: Vec<Box<dyn Reporter>>,
    ) -> Self {
        let wants_all = reporters.iter().any(|reporter| reporter.wants_all());
        Self {
            run: run.into(),
            redactor,
            sources,
            wants_all,
            inner: Arc::new(Mutex::new(Inner {
                marks: Vec::new(),
                seq: 0,
                reporters,
                output: HashMap::new(),
                untold: Vec::new(),
                incomplete: false,
            })),
        }
    }

    /// The run's id.
    pub fn run(&self) -> &Arc<str> {
        &self.run
    }

    /// A reporter wants arguments of modules and results of single tries.
    pub fn wants_all(&self) -> bool {
        self.wants_all
    }

    /// Redacts, numbers and delivers one event. The last line of a program's output is held back
    /// while it may be the beginning of a secret, at most until the second tick.
    pub fn emit(&self, host: Option<&Arc<str>>, mut kind: EventKind) {
        let streamed =
            matches!(&kind, EventKind::Progress { progress: Progress::Output { .. } | Progress::ImageLog { .. }, .. });
        if !streamed {
            redact_kind(&mut kind, &self.redactor);
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match &kind {
            EventKind::Progress { task, progress: Progress::BuildSeen { .. } } => {
                let of = |key: &&OutputKey| key.0.as_ref() == host && key.1 == *task;
                let holding = inner.output.iter().filter(|(_, lines)| lines.holds()).map(|(key, _)| key);
                let behind = holding.filter(of).cloned().collect();
                if inner.marks.len() >= MARKS {
                    inner.marks.pop();
                }
                inner.marks.push(Mark { host: host.cloned(), kind, behind });
                return inner.deliver_marks(self);
            }
            EventKind::Progress { task, progress } if !self.redactor.is_empty() => {
                let (of, text) = match progress {
                    Progress::Output { stream: Stream::Stdout, text } => ("stdout".to_owned(), text.clone()),
                    Progress::Output { stream: Stream::Stderr, text } => ("stderr".to_owned(), text.clone()),
                    Progress::ImageLog { image, line } => (format!("/{image}"), format!("{line}\n")),
                    Progress::Image { image, .. }
                    | Progress::ImageStep { image, .. }
                    | Progress::ImagePush { image, .. } => {
                        // What an image's log still holds comes before its next state.
                        (format!("/{image}"), String::new())
                    }
                    Progress::ImageForecast { .. } | Progress::ImageHost { .. } | Progress::BuildSeen { .. } => {
                        (String::new(), String::new())
                    }
                };
                // What the other stream holds came before.
                if let Progress::Output { stream, .. } = progress {
                    let other = if *stream == Stream::Stdout { "stderr" } else { "stdout" };
                    let other = (host.cloned(), *task, other.to_owned());
                    let held = inner.output.get_mut(&other).map(LineRedactor::flush).unwrap_or_default();
                    inner.deliver_output(self, &other, held);
                }
                let key = (host.cloned(), *task, of);
                if text.is_empty() {
                    let held = inner.output.get_mut(&key).map(LineRedactor::flush).unwrap_or_default();
                    inner.deliver_output(self, &key, held);
                } else {
                    let lines = inner
                        .output
                        .entry(key.clone())
                        .or_insert_with(|| LineRedactor::new(Arc::clone(&self.redactor)));
                    let shown = lines.push(&text);
                    inner.deliver_output(self, &key, shown);
                    return inner.deliver_marks(self);
                }
            }
            EventKind::ItemDone { task, .. }
            | EventKind::HostDone { task, .. }
            | EventKind::Retry { task, .. }
            | EventKind::Job { task, .. } => {
                inner.release(self, Some((host, *task)));
            }
            EventKind::Recap { .. } | EventKind::RunEnded { .. } => inner.release(self, None),
            _ => {}
        }
        inner.deliver(self, host, kind);
        inner.deliver_marks(self);
    }

    /// True if the record of the run or its output is not whole.
    pub fn incomplete(&self) -> bool {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.incomplete || !inner.untold.is_empty()
    }

    /// What could not be told as a warning of the run, once.
    pub fn take_untold(&self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner).untold)
    }

    /// Lets live lines move, and shows the last line of a program that waits.
    pub fn tick(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let held: Vec<(OutputKey, String)> =
            inner.output.iter_mut().map(|(key, lines)| (key.clone(), lines.tick())).collect();
        for (key, text) in held {
            inner.deliver_output(self, &key, text);
        }
        inner.deliver_marks(self);
        for reporter in &mut inner.reporters {
            reporter.tick();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Seen(Arc<Mutex<Vec<EventKind>>>);

    impl Reporter for Seen {
        fn event(&mut self, event: &Event, _sources: &SourceMap) {
            self.0.lock().unwrap().push(event.kind.clone());
        }
    }

    #[test]
    fn a_secret_over_several_lines_of_output_is_masked() {
        let redactor = Arc::new(Redactor::default());
        redactor.learn("correct horse battery staple");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Sink::new("r", redactor, SourceMap::new(), vec![Box::new(Seen(Arc::clone(&seen)))]);
        let host: Arc<str> = "one".into();
        let tell = |progress| sink.emit(Some(&host), EventKind::Progress { task: TaskId(1), progress });
        let log = |line: &str| tell(Progress::ImageLog { image: "base".into(), line: line.into() });
        tell(Progress::Output { stream: Stream::Stdout, text: "it is correct\n".into() });
        log("step: correct horse");
        tell(Progress::Output { stream: Stream::Stdout, text: "  horse battery\n".into() });
        log("battery staple");
        tell(Progress::Output { stream: Stream::Stdout, text: "staple\n".into() });
        sink.emit(Some(&host), EventKind::Retry { task: TaskId(1), attempt: 2, of: 3, done: None });
        let mut lines = Vec::new();
        for kind in seen.lock().unwrap().iter() {
            match kind {
                EventKind::Progress { progress: Progress::Output { text, .. }, .. } => lines.push(text.clone()),
                EventKind::Progress { progress: Progress::ImageLog { image, line }, .. } => {
                    lines.push(format!("{image}: {line}"));
                }
                EventKind::Retry { .. } => lines.push("retry".to_owned()),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(lines, ["base: step: ********", "it is ********\n", "retry"]);
    }

    /// What is marked as seen is in the record, whenever the controller is killed.
    #[test]
    fn a_mark_waits_for_what_came_before_it() {
        let redactor = Arc::new(Redactor::default());
        redactor.learn("correct horse battery staple");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Sink::new("r", redactor, SourceMap::new(), vec![Box::new(Seen(Arc::clone(&seen)))]);
        let host: Arc<str> = "one".into();
        let tell = |progress| sink.emit(Some(&host), EventKind::Progress { task: TaskId(1), progress });
        let log = |image: &str, line: &str| tell(Progress::ImageLog { image: image.into(), line: line.into() });
        let mark = |seen| tell(Progress::BuildSeen { build: "b".into(), seen });
        let told = || {
            let kinds = std::mem::take(&mut *seen.lock().unwrap());
            let words = kinds.into_iter().map(|kind| match kind {
                EventKind::Progress { progress: Progress::ImageLog { line, .. }, .. } => line,
                EventKind::Progress { progress: Progress::BuildSeen { seen, .. }, .. } => seen.to_string(),
                other => panic!("{other:?}"),
            });
            words.collect::<Vec<_>>()
        };
        mark(1);
        assert_eq!(told(), ["1"]);
        log("base", "it is correct");
        mark(2);
        log("other", "nothing");
        mark(3);
        assert_eq!(told(), ["nothing"]);
        log("base", "nothing");
        assert_eq!(told(), ["it is correct", "nothing", "2", "3"]);
        // One that nothing follows goes with the ticks.
        log("base", "it is correct");
        mark(4);
        sink.tick();
        sink.tick();
        assert_eq!(told(), ["it is correct", "4"]);
    }
}
