//! Turns what builds tell into progress events, a log file for each image, and the last lines
//! that a failure shows.

use std::collections::{BTreeSet, VecDeque};
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
const TAIL: usize = 40;
/// Images that are named in a warning.
const NAMED: usize = 5;

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
    /// The same for what is told while it happens: a line that may begin a secret waits for the next, or a second.
    told: LineRedactor,
}

/// The watcher of a real run.
pub(super) struct LogWatcher {
    graph: Arc<Graph>,
    tell: Arc<dyn Fn(Progress) + Send + Sync>,
    folder: Option<PathBuf>,
    mutate: Mutate,
    redactor: Arc<Redactor>,
    logs: Vec<Log>,
    /// Images whose output the engine did not give whole.
    clipped: BTreeSet<usize>,
    warnings: Vec<String>,
}

/// What is said beside BuildKit's own line about output that it left out. Not `-1`, which newer engines take as no limit:
/// 20.10 gives no output at all then. Its greatest number is of 32 bits.
const CLIPPED: &str = "hostctl: the engine left out the rest of this step's output; for whole logs start dockerd with \
                       BUILDKIT_STEP_LOG_MAX_SIZE=2147483647 and BUILDKIT_STEP_LOG_MAX_SPEED=1000000 in its environment";

/// BuildKit's line in the place of what it left out: `[output clipped, log limit 2MiB reached]`, or `log speed`.
fn is_clipped(line: &str) -> bool {
    let inner = line.trim().strip_prefix("[output clipped, log ").and_then(|rest| rest.strip_suffix(" reached]"));
    inner.is_some_and(|rest| rest.starts_with("limit ") || rest.starts_with("speed "))
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
            let [masked, told] = [(); 2].map(|()| LineRedactor::new(Arc::clone(&redactor)));
            Log { file: None, path: None, tail: VecDeque::new(), masked, told }
        };
        let logs = graph.images.iter().map(empty).collect();
        Self { graph, tell, folder, mutate, redactor, logs, clipped: BTreeSet::new(), warnings: Vec::new() }
    }

    /// The ends of all logs, by image, and what went wrong with the files.
    pub(super) fn finish(mut self) -> (Vec<LogEnd>, Vec<String>) {
        let mut ends = Vec::with_capacity(self.logs.len());
        for image in 0..self.logs.len() {
            self.release(image);
            let held = self.logs[image].masked.flush();
            self.keep(image, &held);
            let flushed = self.logs[image].file.as_mut().map_or(Ok(()), Write::flush);
            self.note_trouble(image, flushed);
            let log = &self.logs[image];
            ends.push(LogEnd { path: log.path.clone(), tail: log.tail.iter().cloned().collect() });
        }
        if !self.clipped.is_empty() {
            let mut names: Vec<String> =
                self.clipped.iter().take(NAMED).map(|image| format!("`{}`", self.name(*image))).collect();
            if self.clipped.len() > NAMED {
                names.push(format!("{} more", self.clipped.len() - NAMED));
            }
            let warning = format!(
                "the engine clipped the logs of {}: for whole logs set `BUILDKIT_STEP_LOG_MAX_SIZE=2147483647` and \
                 `BUILDKIT_STEP_LOG_MAX_SPEED=1000000` in dockerd's environment (`systemctl edit docker`) and restart it",
                names.join(", ")
            );
            self.warn(warning);
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
        let clipped = is_clipped(&line);
        self.take(image, &line);
        if clipped {
            self.clipped.insert(image);
            self.take(image, CLIPPED);
        }
    }

    fn take(&mut self, image: usize, line: &str) {
        let masked = self.logs[image].masked.push(&format!("{line}\n"));
        self.keep(image, &masked);
        // The controller knows more secrets, and masks these.
        let shown = self.logs[image].told.push(&format!("{line}\n"));
        self.show(image, &shown);
    }

    /// Tells lines that are masked.
    fn show(&self, image: usize, text: &str) {
        for line in text.split_terminator('\n') {
            (self.tell)(Progress::ImageLog { image: self.name(image), line: line.to_owned() });
        }
    }

    /// Tells what is held back, so that what comes next comes after it.
    fn release(&mut self, image: usize) {
        let held = self.logs[image].told.flush();
        self.show(image, &held);
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

    fn tick(&mut self) {
        for image in 0..self.logs.len() {
            let held = self.logs[image].told.tick();
            self.show(image, &held);
        }
    }

    fn state(&mut self, image: usize, state: &ImageState) {
        self.release(image);
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
                self.release(image);
                let text = self.redactor.redact(&text).into_owned();
                (self.tell)(Progress::ImageStep { image: self.name(image), step, of, text });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::image::graph::tests::graph;
    use crate::system::Probe;

    struct Seen(Arc<Mutex<Vec<String>>>);

    impl Seen {
        fn take(&self) -> Vec<String> {
            std::mem::take(&mut *self.0.lock().unwrap())
        }
    }

    fn watcher(folder: PathBuf) -> (LogWatcher, Seen) {
        let graph = graph(&[("i0", "FROM scratch\n"), ("i1", "FROM scratch\n")]).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        let tell = Arc::new(move |progress| {
            told.lock().unwrap().push(match progress {
                Progress::ImageLog { image, line } => format!("{image}: {line}"),
                Progress::ImageStep { image, text, .. } => format!("{image} step: {text}"),
                Progress::Image { image, state } => format!("{image} state: {state:?}"),
                other => format!("{other:?}"),
            });
        });
        let redactor = Redactor::default();
        redactor.learn("correct horse battery staple");
        let mutate = Mutate::with_probe(Probe::new(Vec::new()));
        (LogWatcher::new(Arc::new(graph), tell, Some(folder), mutate, redactor), Seen(seen))
    }

    #[test]
    fn a_secret_over_several_lines_is_masked_in_what_is_told_and_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (mut watcher, seen) = watcher(folder.path().to_owned());
        watcher.state(0, &ImageState::Building);
        let log = |watcher: &mut LogWatcher, image, line: &str| watcher.event(image, BuildEvent::Log(line.into()));
        seen.take();
        log(&mut watcher, 0, "it is correct");
        // The other image's lines are another stream.
        log(&mut watcher, 1, "no. 1");
        assert_eq!(seen.take(), ["i1: no. 1"]);
        log(&mut watcher, 0, "  horse bat");
        log(&mut watcher, 0, "tery staple, 0.");
        assert_eq!(seen.take(), ["i0: it is ********, 0."]);
        // What cannot become one any more is told at once, in its order.
        log(&mut watcher, 0, "is it correct");
        log(&mut watcher, 0, "no. 2");
        assert_eq!(seen.take(), ["i0: is it correct", "i0: no. 2"]);
        // A program that waits is seen after two looks; a step and a state come after it.
        log(&mut watcher, 0, "really correct");
        watcher.tick();
        assert_eq!(seen.take(), [""; 0]);
        watcher.tick();
        assert_eq!(seen.take(), ["i0: really correct"]);
        log(&mut watcher, 0, "so correct");
        watcher.event(0, BuildEvent::Step { step: 2, of: 3, text: "RUN".into() });
        assert_eq!(seen.take(), ["i0: so correct", "i0 step: RUN"]);
        log(&mut watcher, 0, "and correct");
        watcher.state(0, &ImageState::Built { seconds: 1.0 });
        let told = seen.take();
        assert!(told.len() == 2 && told[0] == "i0: and correct" && told[1].starts_with("i0 state"), "{told:?}");
        log(&mut watcher, 0, "at the end correct");
        let (ends, warnings) = watcher.finish();
        assert_eq!(seen.take(), ["i0: at the end correct"]);
        assert_eq!(warnings, [""; 0]);
        let file = std::fs::read_to_string(ends[0].path.as_ref().unwrap()).unwrap();
        assert!(file.starts_with("it is ********, 0.\nis it correct\nno. 2\nreally correct\n"), "{file}");
        assert!(file.ends_with("at the end correct\n"), "{file}");
    }

    #[test]
    fn what_the_engine_clipped_is_told_with_what_to_set() {
        let folder = tempfile::tempdir().unwrap();
        let (mut watcher, seen) = watcher(folder.path().to_owned());
        watcher.state(0, &ImageState::Building);
        seen.take();
        for line in ["one", "[output clipped, log limit 2MiB reached]", "[output clipped, log speed 200KiB/s reached]"]
        {
            watcher.event(0, BuildEvent::Log(line.into()));
        }
        for line in ["[output clipped]", "see [output clipped, log limit 2MiB reached] above"] {
            watcher.event(1, BuildEvent::Log(line.into()));
        }
        let told = seen.take();
        assert!(
            told[2].starts_with("i0: hostctl: ") && told[2].contains("BUILDKIT_STEP_LOG_MAX_SIZE=2147483647"),
            "{told:?}"
        );
        // The last line waits, since it may begin a secret.
        assert_eq!(told.iter().filter(|line| line.contains("BUILDKIT_")).count(), 2, "{told:?}");
        let (ends, warnings) = watcher.finish();
        assert!(ends[0].tail[2].starts_with("hostctl: the engine left out"), "{:?}", ends[0]);
        assert!(warnings.len() == 1 && warnings[0].contains("the logs of `i0`: "), "{warnings:?}");
    }
}
