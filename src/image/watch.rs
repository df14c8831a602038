//! Turns what builds tell into progress events, a log file for each image, and the last lines
//! that a failure shows.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::graph::Graph;
use super::schedule::Watcher;
use crate::event::{ImageState, Progress};
use crate::secret::{LineRedactor, Redactor};
use crate::system::Mutate;
use crate::system::engine::BuildEvent;

/// How many last lines of a log a failure shows.
const TAIL: usize = 20;

/// What is left of an image's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogEnd {
    /// The file on the host.
    pub path: Option<PathBuf>,
    /// The last lines.
    pub tail: Vec<String>,
}

struct Log {
    file: Option<BufWriter<File>>,
    path: Option<PathBuf>,
    tail: VecDeque<String>,
    /// Masks what the file and the tail hold, also secrets wrapped over lines.
    masked: LineRedactor,
}

/// The watcher of a real run.
pub(super) struct LogWatcher {
    graph: Arc<Graph>,
    tell: Arc<dyn Fn(Progress) + Send + Sync>,
    folder: Option<PathBuf>,
    mutate: Mutate,
    redactor: Arc<Redactor>,
    logs: Vec<Log>,
    warnings: Vec<String>,
}

impl LogWatcher {
    pub(super) fn new(
        graph: Arc<Graph>,
        tell: Arc<dyn Fn(Progress) + Send + Sync>,
        folder: Option<PathBuf>,
        mutate: Mutate,
        redactor: Redactor,
    ) -> Self {
        let redactor = Arc::new(redactor);
        let empty = |_| {
            let masked = LineRedactor::new(Arc::clone(&redactor));
            Log { file: None, path: None, tail: VecDeque::new(), masked }
        };
        let logs = graph.images.iter().map(empty).collect();
        Self { graph, tell, folder, mutate, redactor, logs, warnings: Vec::new() }
    }

    /// The ends of all logs, by image, and what went wrong with the files.
    pub(super) fn finish(mut self) -> (Vec<LogEnd>, Vec<String>) {
        let mut ends = Vec::with_capacity(self.logs.len());
        for image in 0..self.logs.len() {
            let held = self.logs[image].masked.flush();
            self.keep(image, &held);
            let flushed = self.logs[image].file.as_mut().map_or(Ok(()), Write::flush);
            self.note_trouble(image, flushed);
            let log = &self.logs[image];
            ends.push(LogEnd { path: log.path.clone(), tail: log.tail.iter().cloned().collect() });
        }
        (ends, self.warnings)
    }

    fn name(&self, image: usize) -> String {
        self.graph.images[image].name.clone()
    }

    fn open(&mut self, image: usize) {
        let Some(folder) = &self.folder else { return };
        let path = folder.join(format!("{}.log", self.graph.images[image].name));
        match self.mutate.private_log(&path) {
            Ok(file) => {
                self.logs[image].file = Some(BufWriter::new(file));
                self.logs[image].path = Some(path);
            }
            Err(error) => self.warn(format!("no log file `{}`: {error}", path.display())),
        }
    }

    /// A log that cannot be written (a full disk) does not stop the build.
    fn note_trouble(&mut self, image: usize, outcome: std::io::Result<()>) {
        if let Err(error) = outcome {
            self.logs[image].file = None;
            let name = self.name(image);
            self.warn(format!("the log file of `{name}` is not whole: {error}"));
        }
    }

    fn warn(&mut self, text: String) {
        if !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }

    fn line(&mut self, image: usize, line: String) {
        let masked = self.logs[image].masked.push(&format!("{line}\n"));
        self.keep(image, &masked);
        // The controller knows more secrets, and masks those that run over several lines.
        let line = self.redactor.redact(&line).into_owned();
        (self.tell)(Progress::ImageLog { image: self.name(image), line });
    }

    /// Into the file and the tail.
    fn keep(&mut self, image: usize, text: &str) {
        for line in text.split_terminator('\n') {
            let log = &mut self.logs[image];
            if log.tail.len() == TAIL {
                log.tail.pop_front();
            }
            log.tail.push_back(line.to_owned());
            let written = log.file.as_mut().map_or(Ok(()), |file| writeln!(file, "{line}"));
            self.note_trouble(image, written);
        }
    }
}

impl Watcher for LogWatcher {
    fn host(&mut self, free: u64, total: u64, seconds_left: Option<f64>) {
        (self.tell)(Progress::ImageHost { disk_free: free, disk_total: total, cache: None, seconds_left });
    }

    fn state(&mut self, image: usize, state: &ImageState) {
        if matches!(state, ImageState::Building) {
            self.open(image);
        }
        if !matches!(state, ImageState::Building | ImageState::Waiting) {
            let held = self.logs[image].masked.flush();
            self.keep(image, &held);
            let flushed = self.logs[image].file.as_mut().map_or(Ok(()), Write::flush);
            self.note_trouble(image, flushed);
        }
        let mut state = state.clone();
        if let ImageState::Failed { message } | ImageState::PushFailed { message } = &mut state {
            *message = self.redactor.redact(message).into_owned();
        }
        (self.tell)(Progress::Image { image: self.name(image), state });
    }

    fn event(&mut self, image: usize, event: BuildEvent) {
        match event {
            BuildEvent::Log(line) => self.line(image, line),
            BuildEvent::Step { step, of, text } => {
                let text = self.redactor.redact(&text).into_owned();
                (self.tell)(Progress::ImageStep { image: self.name(image), step, of, text });
            }
        }
    }
}
