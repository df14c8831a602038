//! The append-only record of a run under `.hostctl/runs/RUN/`.
//!
//! `events.jsonl` has every event, `journal` the lines a person saw, `logs/IMAGE.log` each
//! image's whole log, `summary.json` how it ended, `summary.md` the same for people. Everything arrives redacted.

mod logs;
mod markdown;
mod summary;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::diag::{Diagnostic, Result, SourceMap};
use crate::event::{Event, EventKind, ImageLedger, Progress, Reporter, Trouble, file_name};

use logs::Logs;
use summary::RunSummary;
pub use summary::SUMMARY_VERSION;

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes the folder of a new run below a project or working folder. It is readable by its owner only.
    pub fn create(base: &Path, run: &str) -> Result<Self> {
        let path = runs_dir(base).join(run);
        let make = |path: &Path| std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        make(&path.join("logs")).map_err(|error| {
            Diagnostic::local("R0101", format!("cannot make the run's folder `{}`: {error}", path.display()))
                .with_hint("give yourself write permission there, or set HOSTCTL_STATE_DIR to another folder")
        })?;
        leave_out_of_git(&base.join(STATE));
        Ok(Self { path })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates a file of the run, private to its owner.
    pub fn file(&self, name: &str) -> Result<File> {
        let path = self.path.join(name);
        private(&path)
            .map_err(|error| Diagnostic::local("R0101", format!("cannot write `{}`: {error}", path.display())))
    }
}

/// A file that only its owner reads.
fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// The folder in a project that is hostctl's own.
const STATE: &str = ".hostctl";

/// Records belong to a machine, not into the project's repository: `git add -A` takes none of them. Who wants them there
/// empties the file.
fn leave_out_of_git(state: &Path) {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(state.join(".gitignore"));
    // It is there, or a comfort is missing and no more.
    let _ = file.and_then(|mut file| std::io::Write::write_all(&mut file, b"*\n"));
}

/// Where the runs of a project are kept.
pub fn runs_dir(base: &Path) -> PathBuf {
    base.join(STATE).join("runs")
}

/// The runs below a folder, oldest first. Names begin with the time, so they sort by it.
pub fn list_runs(base: &Path) -> Vec<String> {
    let mut runs: Vec<String> = std::fs::read_dir(runs_dir(base))
        .map(|list| list.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
        .unwrap_or_default();
    runs.sort();
    runs
}

/// An image's log in the folder of a run: of `IMAGE`, or of `IMAGE@HOST` where several hosts built it.
pub fn image_log(dir: &Path, image: &str) -> PathBuf {
    let path = |name: String| dir.join("logs").join(format!("{name}.log"));
    let whole = path(file_name(image));
    match image.split_once('@') {
        Some((image, host)) if !whole.exists() => path(format!("{}@{}", file_name(image), file_name(host))),
        _ => whole,
    }
}

/// True if nobody writes the record in this folder any more.
pub fn is_over(dir: &Path) -> bool {
    dir.join("summary.json").exists() || File::open(dir).is_ok_and(|folder| folder.try_lock_shared().is_ok())
}

/// A new run's id: UTC time and four random hex digits.
pub fn new_run_id(time: &str) -> String {
    let mut random = [0; 2];
    if getrandom::fill(&mut random).is_err() {
        random = u16::try_from(std::process::id() & 0xffff).unwrap_or_default().to_be_bytes();
    }
    format!("{time}-{}", hex::encode(random))
}

/// Writes image logs and the summary; events themselves go through a JSON Lines reporter.
pub struct Journal {
    dir: RunDir,
    /// Held while the run lives, so that who follows it learns of its end, however it ends.
    _alive: Option<File>,
    logs: Logs,
    images: ImageLedger,
    summary: RunSummary,
    told: bool,
    trouble: Option<Trouble>,
}

impl Journal {
    /// For a run's folder.
    pub fn new(dir: RunDir) -> Self {
        let alive = File::open(dir.path()).ok().filter(|folder| folder.try_lock().is_ok());
        Self {
            logs: Logs::new(dir.path().join("logs")),
            dir,
            _alive: alive,
            images: ImageLedger::default(),
            summary: RunSummary::default(),
            told: false,
            trouble: None,
        }
    }

    /// The run goes on without a whole record; the first reason is told.
    fn note(&mut self, path: &Path, error: &std::io::Error) {
        if !self.told {
            self.told = true;
            self.trouble = Some(Trouble::record(&path.display().to_string(), error));
        }
    }

    /// A file of the run that is there whole or not at all.
    fn whole(&mut self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::Builder::new().prefix(".summary").tempfile_in(self.dir.path())?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        if let Err(error) = write() {
            self.note(&path, &error);
        }
    }
}

impl Reporter for Journal {
    fn event(&mut self, event: &Event, _sources: &SourceMap) {
        self.images.event(event);
        self.summary.event(event);
        match &event.kind {
            EventKind::ItemDone { .. } => self.logs.forget(event.host.as_ref()),
            EventKind::Progress { task, progress: Progress::ImageLog { image, line } } => {
                let (host, images) = (event.host.as_ref(), &mut self.images);
                let name = |image: &str| images.log_file(host, *task, image);
                if let Err((path, error)) = self.logs.line(host, image, line, name) {
                    self.note(&path, &error);
                }
            }
            EventKind::Progress { progress: Progress::Image { image, state }, .. } => {
                self.logs.state(event.host.as_ref(), image, state);
            }
            EventKind::RunEnded { exit_code, notes, seconds } => {
                self.logs.close();
                let json = self.summary.json(event, (*exit_code, *seconds), notes, &self.images);
                let text = markdown::text(&json);
                let json = serde_json::to_string_pretty(&json).unwrap_or_default() + "\n";
                self.whole("summary.md", &text);
                // Last, since it tells that the run is over.
                self.whole("summary.json", &json);
            }
            _ => {}
        }
    }

    fn trouble(&mut self) -> Option<Trouble> {
        self.trouble.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_is_told_to_leave_records_out() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join(".hostctl/.gitignore");
        RunDir::create(base.path(), "one").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "*\n");
        std::fs::write(&file, "").unwrap();
        RunDir::create(base.path(), "two").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "", "as the user wants it");
        assert_eq!(list_runs(base.path()), ["one", "two"]);
    }

    #[test]
    fn run_ids_sort_by_time_and_folders_are_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let base = tempfile::tempdir().unwrap();
        let run = new_run_id("20261121T061704");
        assert!(run.starts_with("20261121T061704-") && run.len() == 20, "{run}");
        let dir = RunDir::create(base.path(), &run).unwrap();
        assert_eq!(std::fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(list_runs(base.path()), [run]);
    }

    #[test]
    fn what_cannot_be_written_is_told() {
        use crate::diag::SourceMap;
        use crate::event::{Sink, TaskId};
        use crate::secret::Redactor;
        use std::sync::{Arc, Mutex};

        struct Seen(Arc<Mutex<Vec<String>>>);
        impl Reporter for Seen {
            fn event(&mut self, event: &Event, _sources: &SourceMap) {
                if let EventKind::Warning { diagnostic } = &event.kind {
                    self.0.lock().unwrap().push(diagnostic.to_string());
                }
            }
        }

        let base = tempfile::tempdir().unwrap();
        let dir = RunDir::create(base.path(), "r").unwrap();
        // A folder where a log and the summary belong.
        std::fs::create_dir_all(dir.path().join("logs/base.log")).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let reporters: Vec<Box<dyn Reporter>> =
            vec![Box::new(Journal::new(dir.clone())), Box::new(Seen(Arc::clone(&seen)))];
        let sink = Sink::new("r", Arc::new(Redactor::default()), SourceMap::new(), reporters);
        for line in ["one", "two"] {
            let progress = Progress::ImageLog { image: "base".into(), line: line.into() };
            sink.emit(None, EventKind::Progress { task: TaskId(1), progress });
        }
        assert!(sink.incomplete() && sink.take_untold().is_empty());
        let warnings = seen.lock().unwrap();
        assert!(warnings.len() == 1 && warnings[0].contains("incomplete"), "{warnings:?}");
    }

    #[test]
    fn a_lost_summary_is_told_after_the_end() {
        use crate::event::Sink;
        use std::sync::Arc;
        let base = tempfile::tempdir().unwrap();
        let dir = RunDir::create(base.path(), "r").unwrap();
        std::fs::create_dir_all(dir.path().join("summary.json/x")).unwrap();
        let sink = Sink::new(
            "r",
            Arc::new(crate::secret::Redactor::default()),
            crate::diag::SourceMap::new(),
            vec![Box::new(Journal::new(dir))],
        );
        sink.emit(None, EventKind::RunEnded { exit_code: 0, notes: Vec::new(), seconds: 0.0 });
        assert_eq!(sink.take_untold().len(), 1);
    }

    fn sink(dir: &RunDir, redactor: crate::secret::Redactor) -> crate::event::Sink {
        use std::sync::Arc;
        let journal = Box::new(Journal::new(dir.clone()));
        crate::event::Sink::new("r", Arc::new(redactor), crate::diag::SourceMap::new(), vec![journal])
    }

    #[test]
    fn every_line_of_an_image_is_in_its_log_and_no_secret() {
        use crate::event::{ImageState, TaskId};
        use std::sync::Arc;
        let base = tempfile::tempdir().unwrap();
        let dir = RunDir::create(base.path(), "r").unwrap();
        let redactor = crate::secret::Redactor::default();
        redactor.learn("correct horse battery staple");
        let sink = sink(&dir, redactor);
        let hosts: [Arc<str>; 2] = ["one".into(), "two/2".into()];
        let tell = |host: &Arc<str>, progress| sink.emit(Some(host), EventKind::Progress { task: TaskId(1), progress });
        let state = |host, image: &str, state| tell(host, Progress::Image { image: image.into(), state });
        let log =
            |host, image: &str, line: &str| tell(host, Progress::ImageLog { image: image.into(), line: line.into() });
        state(&hosts[0], "kolla/base", ImageState::Building);
        state(&hosts[1], "kolla/base", ImageState::Building);
        for line in 0..300 {
            // More images than files may be open.
            log(&hosts[0], &format!("image-{}", line % 100), &format!("{line}"));
            log(&hosts[0], "kolla/base", &format!("{line} {}", "x".repeat(10_000)));
        }
        log(&hosts[0], "kolla/base", "it is correct horse");
        log(&hosts[0], "kolla/base", "battery staple");
        log(&hosts[1], "kolla/base", "of two");
        state(&hosts[0], "kolla/base", ImageState::Built { seconds: 1.0 });
        // A push goes on in the same file.
        log(&hosts[0], "kolla/base", "pushed");
        sink.emit(None, EventKind::RunEnded { exit_code: 0, notes: Vec::new(), seconds: 0.0 });
        let text = std::fs::read_to_string(image_log(dir.path(), "kolla/base")).unwrap();
        assert_eq!(text.lines().filter(|line| line.ends_with(&"x".repeat(10_000))).count(), 300);
        assert!(text.ends_with("it is ********\npushed\n"), "{}", &text[text.len() - 100..]);
        assert_eq!(std::fs::read_to_string(image_log(dir.path(), "kolla/base@two/2")).unwrap(), "of two\n");
        assert_eq!(std::fs::read_to_string(image_log(dir.path(), "image-7")).unwrap(), "7\n107\n207\n");
        assert!(!image_log(dir.path(), "../../x").display().to_string().contains("../"));
    }

    #[test]
    fn the_summary_tells_each_image_also_for_people() {
        use crate::event::{ImageForecast, ImageState, TaskId};
        let base = tempfile::tempdir().unwrap();
        let dir = RunDir::create(base.path(), "r").unwrap();
        let sink = sink(&dir, crate::secret::Redactor::default());
        let host = std::sync::Arc::from("one");
        let tell = |progress| sink.emit(Some(&host), EventKind::Progress { task: TaskId(1), progress });
        let state = |image: &str, state| tell(Progress::Image { image: image.into(), state });
        let forecast = ImageForecast { build: vec![("base".into(), "new".into())], ..ImageForecast::default() };
        tell(Progress::ImageForecast { forecast });
        state("base", ImageState::Built { seconds: 2.0 });
        state("base", ImageState::Pushed { digest: "sha256:1".into(), seconds: 1.0 });
        state("web", ImageState::Failed { message: "img/web/Dockerfile:3: RUN false: exit code 1".into() });
        state("app", ImageState::Blocked { by: "web".into() });
        state("old", ImageState::Reused { digest: Some("sha256:2".into()), reason: "in the registry".into() });
        sink.emit(None, EventKind::RunEnded { exit_code: 2, notes: Vec::new(), seconds: 9.0 });
        let text = std::fs::read_to_string(dir.path().join("summary.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&json["version"], &json["exit_code"]), (&1.into(), &2.into()));
        let image = |name: &str| json["images"].as_array().unwrap().iter().find(|image| image["name"] == name).unwrap();
        assert_eq!(image("base")["digest"], "sha256:1");
        assert_eq!((&image("base")["seconds"], &image("base")["push_seconds"]), (&2.0.into(), &1.0.into()));
        assert_eq!((&image("web")["class"], &image("web")["log"]), (&"build failed".into(), &"logs/web.log".into()));
        assert_eq!(image("web")["failed_at"], "img/web/Dockerfile:3");
        assert_eq!((&image("app")["state"], &image("app")["blocked_by"]), (&"blocked".into(), &"web".into()));
        assert_eq!((&image("old")["reason"], &image("old")["digest"]), (&"in the registry".into(), &"sha256:2".into()));
        assert_eq!((&json["counts"]["pushed"], &json["counts"]["all"]), (&1.into(), &4.into()));
        assert_eq!(json["slowest_path"][0]["name"], "base");
        assert_eq!(json["forecast"]["build"][0]["reason"], "new");
        assert_eq!(json["builds"][0]["host"], "one");
        let text = std::fs::read_to_string(dir.path().join("summary.md")).unwrap();
        assert!(text.contains("### Images: 1 pushed, 1 reused, 1 failed, 1 blocked"), "{text}");
    }
}
