//! The `awx_display` callback itself: which event is told when, with the text of the callback inside.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use jiff::Timestamp;

use super::super::super::written::Written;
use super::super::display::Tone;
use super::super::recap::Custom;
use super::super::result::{short, task_path};
use super::super::turn::{Includes, Turns};
use super::data::{RunnerOptions, counts, json, sequence};
use super::host::Missed;
use super::text::{Captured, Text, save, split_first_line, split_last_line, unsaved, uuid};
use crate::diag::SourceMap;
use crate::event::{Event, EventKind, JobState, Reporter, TaskId, Trouble};
use crate::map;
use crate::value::{Map, StrKey, Value, insert, python_str};

/// What is known of a task.
pub(super) struct View {
    /// As events have it.
    context: Map,
    pub(super) module: String,
    pub(super) include: bool,
    pub(super) with: Option<String>,
    /// How often it was told, last in this batch.
    told: u32,
    batch: u64,
}

/// A host's event that may wait for its turn, with its time.
struct Told {
    event: Event,
    at: Timestamp,
}

/// The `awx_display` callback.
pub struct Runner<O: Write + Send, E: Write + Send> {
    out: Written<O>,
    err: E,
    inner: Box<dyn Reporter>,
    captured: Captured,
    sources: Arc<SourceMap>,
    pub(super) options: RunnerOptions,
    trouble: Option<Trouble>,
    troubled: bool,
    playbook: Map,
    playbook_uuid: String,
    play: Map,
    /// The play's name for itself, and how often it was told.
    plays: (String, u32),
    /// Batches of all plays so far.
    batch: u64,
    /// The task that was told last.
    task: Option<TaskId>,
    pub(super) tasks: HashMap<TaskId, View>,
    /// When hosts began their last task, and which.
    pub(super) starts: HashMap<String, (TaskId, Timestamp)>,
    /// Handlers that are about to run, by host.
    notified: Vec<Told>,
    pub(super) free: bool,
    order: HashMap<String, usize>,
    turns: Turns<Told>,
    included: Includes,
    /// Results of the items of loops under way.
    pub(super) items: HashMap<(String, TaskId), Vec<Map>>,
    /// Jobs that ended, by host.
    pub(super) jobs: HashMap<String, (JobState, String, Text)>,
    /// What includes named and was not there.
    pub(super) missed: Vec<Missed>,
    nobody_left: Vec<Event>,
    gave_up: bool,
    pub(super) custom: Custom,
}

impl<O: Write + Send, E: Write + Send> Runner<O, E> {
    /// Onto stdout and stderr. `inner` writes into `captured` and shows everything at once.
    pub fn new(
        (out, err): (O, E),
        inner: Box<dyn Reporter>,
        captured: Captured,
        sources: Arc<SourceMap>,
        options: RunnerOptions,
    ) -> Self {
        Self {
            out: Written::new(out, None),
            err,
            inner,
            captured,
            sources,
            options,
            trouble: None,
            troubled: false,
            playbook: Map::new(),
            playbook_uuid: uuid(),
            play: Map::new(),
            plays: (String::new(), 0),
            batch: 0,
            task: None,
            tasks: HashMap::new(),
            starts: HashMap::new(),
            notified: Vec::new(),
            free: false,
            order: HashMap::new(),
            turns: Turns::default(),
            included: Includes::default(),
            items: HashMap::new(),
            jobs: HashMap::new(),
            missed: Vec::new(),
            nobody_left: Vec::new(),
            gave_up: false,
            custom: Custom::new(),
        }
    }

    /// What the callback inside shows of an event.
    pub(super) fn shown(&mut self, event: &Event, sources: &SourceMap) -> Text {
        self.inner.event(event, sources);
        self.inner.tick();
        self.captured.take()
    }

    fn write(&mut self, text: &Text) {
        for (err, bytes) in text {
            if *err {
                self.out.flush();
                let _ = self.err.write_all(bytes);
                let _ = self.err.flush();
            } else {
                self.out.bytes(bytes);
            }
        }
    }

    fn mark(&mut self, uuid: Option<&str>, err: bool) {
        self.write(&vec![(err, sequence(uuid).into_bytes())]);
    }

    /// Writes an event: its file, and the text that belongs to it. Its task is the one that was told last without another.
    pub(super) fn emit(&mut self, event: &str, task: Option<TaskId>, data: Map, text: &Text) {
        let uuid = uuid();
        self.emit_as(event, &uuid, task, data, (None, false), text);
    }

    fn emit_as(
        &mut self,
        event: &str,
        uuid: &str,
        task: Option<TaskId>,
        data: Map,
        (verbosity, err): (Option<u8>, bool),
        text: &Text,
    ) {
        let mut all = self.playbook.clone();
        all.extend(self.play.clone());
        if let Some(view) = task.or(self.task).and_then(|task| self.tasks.get(&task)) {
            all.extend(view.context.clone());
        }
        all.extend(data);
        insert(&mut all, "uuid", uuid);
        let begin = self.options.begin(event, uuid, all, verbosity);
        if let Err(error) = save(&self.options.dir, uuid, &json(begin))
            && !std::mem::replace(&mut self.troubled, true)
        {
            self.trouble = Some(unsaved(&self.options.dir, &error));
        }
        self.mark(Some(uuid), err);
        self.write(text);
        self.mark(None, err);
        self.out.flush();
    }

    /// An event of a line that no callback shows.
    pub(super) fn display(&mut self, kind: &str, verbosity: Option<u8>, host: Option<&str>, text: &Text, err: bool) {
        if text.is_empty() {
            return;
        }
        let mut data = map! { kind => true };
        if let Some(host) = host {
            insert(&mut data, "remote_addr", host);
        }
        self.emit_as(kind, &uuid(), None, data, (verbosity, err), text);
    }

    fn run_started(&mut self, event: &Event, playbook: &str, sources: &SourceMap) {
        for line in std::mem::take(&mut self.options.preamble) {
            let line = format!("{}\n", Tone::Verbose.apply(&line, self.options.color));
            self.out.put(&line);
        }
        // The playbook of a single task has no file.
        let name = if self.options.adhoc { "__adhoc_playbook__" } else { playbook };
        self.playbook = map! { "playbook" => name, "playbook_uuid" => self.playbook_uuid.as_str() };
        let mut text = self.shown(event, sources);
        let count = if self.options.verbosity > 1 { split_last_line(&mut text) } else { Text::new() };
        let uuid = self.playbook_uuid.clone();
        self.emit_as("playbook_on_start", &uuid, None, Map::new(), (None, false), &text);
        self.display("verbose", Some(2), None, &count, false);
    }

    /// A play begins, or a later batch of it.
    fn play_started(&mut self, event: &Event, sources: &SourceMap) {
        let text = self.shown(event, sources);
        if let EventKind::PlayStarted { name, hosts, free, pattern, .. } = &event.kind {
            self.free = *free;
            self.order = hosts.iter().enumerate().map(|(index, host)| (host.clone(), index)).collect();
            self.plays = (uuid(), 0);
            let name = if name.trim().is_empty() { pattern } else { name };
            self.play = map! { "play" => name.trim(), "play_pattern" => pattern.as_str() };
        }
        self.task = None;
        self.batch += 1;
        if self.options.adhoc {
            self.play.clear();
            return self.write(&text);
        }
        self.plays.1 += 1;
        let uuid = match self.plays.1 {
            1 => self.plays.0.clone(),
            nth => format!("{}_{nth}", self.plays.0),
        };
        insert(&mut self.play, "play_uuid", uuid.as_str());
        let of = |name: &str| self.play.get(&StrKey(name)).cloned().unwrap_or_default();
        let data = map! { "name" => of("play"), "pattern" => of("play_pattern") };
        self.emit_as("playbook_on_play_start", &uuid, None, data, (None, false), &text);
    }

    fn task_started(&mut self, event: &Event, sources: &SourceMap) {
        let EventKind::TaskStarted { task, name, role, module, place, handler, include, full_name, with, .. } =
            &event.kind
        else {
            return;
        };
        let text = self.shown(event, sources);
        // The task that a play begins with is written nowhere.
        let gathers = name == "Gathering Facts" && module == "ansible.builtin.setup";
        let (module, full_name) =
            if gathers { ("gather_facts", "ansible.builtin.gather_facts") } else { (module.as_str(), &**full_name) };
        // A file that is included again brings tasks of its own; a later batch and `free` bring the same.
        let again = |view: &&View| self.free || *handler || short(module) == "meta" || view.batch != self.batch;
        let known = self.tasks.get(task).filter(again).map(|view| {
            let own = view.context.get(&StrKey("task_uuid")).map(python_str);
            (own.unwrap_or_default(), view.told)
        });
        let (own, told) = known.unwrap_or_else(|| (uuid(), 0));
        let path = task_path(place);
        let path = if self.options.adhoc { "" } else { path.trim_start_matches("task path: ") };
        // The name of an included role stands behind the module's only where a task is shown.
        let unnamed = name.starts_with(&format!("{module} : "));
        let mut context = map! {
            "task" => if unnamed { module } else { name.as_str() },
            "task_uuid" => own.as_str(),
            "task_action" => module,
            "resolved_action" => full_name,
            "task_args" => "",
            "task_path" => path,
        };
        if let Some(role) = role {
            insert(&mut context, "role", role.as_str());
        }
        let told = told + 1;
        self.tasks.insert(
            *task,
            View { context, module: module.to_owned(), include: *include, with: with.clone(), told, batch: self.batch },
        );
        self.task = Some(*task);
        if self.options.adhoc {
            return self.write(&text);
        }
        let shown = role.as_ref().map_or_else(|| name.clone(), |role| format!("{role} : {name}"));
        let data = map! { "name" => shown, "is_conditional" => *handler };
        // A handler is told once for each flush, and has no second name.
        let uuid = if told > 1 && !handler { format!("{own}_{told}") } else { own };
        self.emit_as("playbook_on_task_start", &uuid, None, data, (None, false), &text);
    }

    /// An event of a host: now, or when its turn comes.
    fn tell(&mut self, event: &Event, sources: &SourceMap) {
        let host = event.host.clone().unwrap_or_default();
        let told = Told { event: event.clone(), at: Timestamp::now() };
        let now = if self.free { Some(told) } else { self.turns.tell(&host, told) };
        self.tell_all(now, sources);
        if matches!(event.kind, EventKind::HostDone { .. }) {
            let next = self.turns.ended(&host);
            self.tell_all(next, sources);
        }
    }

    fn tell_all(&mut self, told: impl IntoIterator<Item = Told>, sources: &SourceMap) {
        for Told { event, at } in told {
            self.host_event(&event, at, sources);
        }
    }

    /// A `meta` task did something, or was skipped.
    fn meta(&mut self, event: &Event, task: TaskId, skipped: bool, sources: &SourceMap) {
        let mut text = self.shown(event, sources);
        if self.options.verbosity >= 2 {
            let rest = split_first_line(&mut text);
            self.display("verbose", Some(2), None, &text, false);
            text = rest;
        }
        let host = event.host.as_deref().unwrap_or_default();
        if skipped {
            let mut data = map! { "host" => host, "remote_addr" => host, "event_loop" => Value::Null };
            data.extend(self.times(host, Timestamp::now()));
            self.emit("runner_on_skipped", Some(task), data, &text);
        } else {
            self.write(&text);
        }
    }

    /// Shows what hosts told of the task that runs, whosever turn it is.
    fn make_way(&mut self, sources: &SourceMap) {
        let told = self.turns.make_way();
        self.tell_all(told, sources);
    }

    /// Shows everything that still waits. `like` is an event to make others from.
    fn flush(&mut self, like: &Event, sources: &SourceMap) {
        self.make_way(sources);
        self.show_included(like, sources);
        self.show_notified(sources);
        for event in std::mem::take(&mut self.nobody_left) {
            let text = self.shown(&event, sources);
            self.emit("playbook_on_no_hosts_remaining", None, Map::new(), &text);
        }
    }

    /// Tells which handlers are about to run, host by host.
    fn show_notified(&mut self, sources: &SourceMap) {
        let mut notified = std::mem::take(&mut self.notified);
        notified.sort_by_key(|told| told.event.host.as_deref().and_then(|host| self.order.get(host).copied()));
        self.tell_all(notified, sources);
    }

    fn show_included(&mut self, like: &Event, sources: &SourceMap) {
        self.show_missed();
        for file in self.included.take(&self.order) {
            for host in &file.hosts {
                let kind = EventKind::Included { task: file.task, name: file.name.clone(), label: file.label.clone() };
                let event = Event { host: Some(host.as_str().into()), kind, ..like.clone() };
                self.inner.event(&event, sources);
            }
            self.inner.tick();
            let text = self.captured.take();
            self.emit("playbook_on_include", Some(file.task), map! { "included_file" => file.name.as_str() }, &text);
        }
    }

    fn recap(
        &mut self,
        event: &Event,
        stats: &std::collections::BTreeMap<String, crate::event::Stats>,
        sources: &SourceMap,
    ) {
        self.flush(event, sources);
        let text = self.shown(event, sources);
        if self.gave_up {
            return self.write(&text);
        }
        self.play.clear();
        self.task = None;
        let mut data = counts(stats);
        insert(&mut data, "artifact_data", self.custom.get("_run").cloned().unwrap_or_default());
        self.emit("playbook_on_stats", None, data, &text);
    }
}

impl<O: Write + Send, E: Write + Send> Reporter for Runner<O, E> {
    fn event(&mut self, event: &Event, sources: &SourceMap) {
        let host = event.host.as_deref();
        match &event.kind {
            EventKind::RunStarted { playbook, .. } => self.run_started(event, playbook, sources),
            EventKind::PlayStarted { .. } | EventKind::BatchStarted { .. } => {
                self.flush(event, sources);
                self.play_started(event, sources);
            }
            EventKind::NoHosts { .. } => {
                let text = self.shown(event, sources);
                self.emit("playbook_on_no_hosts_matched", None, Map::new(), &text);
            }
            EventKind::TaskStarted { hosts, .. } => {
                if !self.free {
                    self.flush(event, sources);
                    self.turns.begin(hosts);
                }
                self.task_started(event, sources);
            }
            EventKind::HostStarted { task } => {
                let text = self.shown(event, sources);
                self.started(host.unwrap_or_default(), *task, Timestamp::now(), &text);
            }
            EventKind::Notified { runs: true, .. } if !self.free => {
                self.notified.push(Told { event: event.clone(), at: Timestamp::now() });
            }
            EventKind::ItemDone { .. }
            | EventKind::Retry { .. }
            | EventKind::Job { .. }
            | EventKind::HostDone { .. }
            | EventKind::Notified { .. }
            | EventKind::Trace { .. } => self.tell(event, sources),
            EventKind::Included { task, name, label } => {
                self.included.add(host.unwrap_or_default(), *task, name, label.as_ref());
                if self.free {
                    self.show_included(event, sources);
                }
            }
            EventKind::Meta { task, skipped, .. } => {
                self.show_notified(sources);
                self.meta(event, *task, skipped.is_some(), sources);
            }
            EventKind::WorkBegun { .. } => {}
            EventKind::NoHostsLeft => self.nobody_left.push(event.clone()),
            EventKind::VarPrompt { name, entry } => {
                let text = self.shown(event, sources);
                let mut data = map! { "varname" => name.as_str() };
                data.extend(entry.clone());
                self.emit("playbook_on_vars_prompt", None, data, &text);
            }
            EventKind::Warning { diagnostic } => {
                let text = self.shown(event, sources);
                let kind = if diagnostic.is_deprecation() { "deprecated" } else { "warning" };
                self.display(kind, None, None, &text, true);
            }
            EventKind::Error { .. } => {
                self.gave_up |= host.is_none();
                let text = self.shown(event, sources);
                self.display("error", None, None, &text, true);
            }
            EventKind::Recap { stats, .. } => self.recap(event, stats, sources),
            EventKind::Asked { .. } => {
                self.make_way(sources);
                self.show_included(event, sources);
                let text = self.shown(event, sources);
                self.write(&text);
                self.out.flush();
            }
            EventKind::Progress { .. } | EventKind::RunEnded { .. } => {
                let text = self.shown(event, sources);
                self.write(&text);
                self.out.flush();
            }
        }
    }

    fn tick(&mut self) {
        let late = self.turns.late();
        let sources = Arc::clone(&self.sources);
        self.tell_all(late, &sources);
        self.out.flush();
    }

    fn wants_all(&self) -> bool {
        true
    }

    fn trouble(&mut self) -> Option<Trouble> {
        self.trouble.take().or_else(|| self.out.trouble())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use std::path::Path;
    use std::sync::Mutex;

    use super::super::super::{AnsibleDefault, AnsibleOptions};
    use super::*;
    use crate::diag::Diagnostic;
    use crate::event::{Diff, Done, Status};

    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    struct Run {
        dir: tempfile::TempDir,
        out: Out,
        runner: Runner<Out, Out>,
        sources: Arc<SourceMap>,
    }

    impl Run {
        fn new(verbosity: u8) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let (out, captured, sources) = (Out::default(), Captured::default(), SourceMap::new());
            let options = AnsibleOptions { at_once: true, verbosity, ..AnsibleOptions::default() };
            let inner = AnsibleDefault::new(captured.stream(false), captured.stream(true), options);
            let settings = RunnerOptions { verbosity, ..RunnerOptions::read(|_| None, dir.path().to_owned()) };
            let runner =
                Runner::new((out.clone(), out.clone()), Box::new(inner), captured, Arc::clone(&sources), settings);
            Self { dir, out, runner, sources }
        }

        fn tell(&mut self, host: Option<&str>, kind: EventKind) {
            let event = Event { v: 1, run: "r".into(), seq: 1, time: String::new(), host: host.map(Into::into), kind };
            self.runner.event(&event, &self.sources);
        }

        fn play(&mut self, free: bool) {
            self.tell(
                None,
                EventKind::RunStarted {
                    version: String::new(),
                    playbook: "site.yml".into(),
                    environments: Vec::new(),
                    check: false,
                    command: String::new(),
                    plays: 1,
                    resumes: None,
                },
            );
            self.tell(
                None,
                EventKind::PlayStarted {
                    index: 1,
                    of: 1,
                    name: String::new(),
                    hosts: vec!["a".into(), "b".into()],
                    free,
                    check: false,
                    pattern: "all".into(),
                },
            );
        }

        fn task(&mut self, module: &str) {
            self.tell(
                None,
                EventKind::TaskStarted {
                    task: TaskId(1),
                    name: "Do it".into(),
                    role: None,
                    module: module.into(),
                    place: "/x/site.yml:3:1".into(),
                    handler: false,
                    include: module.starts_with("include"),
                    check: false,
                    span: None,
                    hosts: vec!["a".into(), "b".into()],
                    full_name: format!("ansible.builtin.{module}").into(),
                    with: None,
                },
            );
        }

        fn done(&mut self, host: &str, result: Map) {
            self.ended(host, (Status::Ok, result, Vec::new()));
        }

        fn ended(&mut self, host: &str, (status, result, diffs): (Status, Map, Vec<Diff>)) {
            let done = Done { diffs, ..super::super::testing::done(status, result) };
            self.tell(Some(host), EventKind::HostDone { task: TaskId(1), done, items: None });
        }

        /// The data of all events of a name.
        fn data(&self, name: &str) -> Vec<serde_json::Value> {
            let files = std::fs::read_dir(self.dir.path().join("job_events")).unwrap().flatten();
            let events = files
                .map(|file| serde_json::from_slice::<serde_json::Value>(&std::fs::read(file.path()).unwrap()).unwrap());
            events.filter(|event| event["event"] == name).map(|event| event["event_data"].clone()).collect()
        }

        /// What a reader finds: for each event its name, its host and its text.
        fn read(&self) -> Vec<(String, String, String)> {
            use base64::Engine as _;
            let out = String::from_utf8(self.out.0.lock().unwrap().clone()).unwrap();
            let mut found = Vec::new();
            let mut rest = out.as_str();
            while let Some(at) = rest.find("\u{1b}[K") {
                assert_eq!(&rest[..at], "", "text outside of an event");
                let (mark, behind) = rest[at + 3..].split_once("\u{1b}[K").unwrap();
                // A piece, how far back the cursor goes, the next piece.
                let mut pieces = mark.split("\u{1b}[");
                let first = pieces.next().unwrap_or_default();
                let data: String =
                    std::iter::once(first).chain(pieces.filter_map(|piece| Some(piece.split_once('D')?.1))).collect();
                let data = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
                let uuid: serde_json::Value = serde_json::from_slice(&data).unwrap();
                let uuid = uuid["uuid"].as_str().unwrap();
                let (text, behind) = behind.split_once("\u{1b}[Ke30=\u{1b}[4D\u{1b}[K").unwrap();
                let path = self.dir.path().join(format!("job_events/{uuid}-partial.json"));
                let event: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
                let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                found.push((word(&event["event"]), word(&event["event_data"]["host"]), text.trim().to_owned()));
                rest = behind;
            }
            found
        }

        fn names(&self) -> Vec<String> {
            self.read().into_iter().map(|(name, host, _)| format!("{name} {host}").trim().to_owned()).collect()
        }
    }

    #[test]
    fn text_belongs_to_its_event_in_the_order_of_the_hosts() {
        let mut run = Run::new(0);
        run.play(false);
        run.task("ping");
        for host in ["a", "b"] {
            run.tell(Some(host), EventKind::HostStarted { task: TaskId(1) });
        }
        run.done("b", map! { "changed" => true });
        run.done("a", map! { "changed" => false });
        run.tell(
            None,
            EventKind::Recap { stats: [("a".to_owned(), crate::event::Stats::default())].into(), failed: Vec::new() },
        );
        let read = run.read();
        assert_eq!(
            run.names(),
            [
                "playbook_on_start",
                "playbook_on_play_start",
                "playbook_on_task_start",
                "runner_on_start a",
                "runner_on_start b",
                "runner_on_ok a",
                "runner_on_ok b",
                "playbook_on_stats",
            ]
        );
        assert!(read[1].2.starts_with("PLAY ***"), "{read:?}");
        assert!(read[2].2.starts_with("TASK [Do it] ***"), "{read:?}");
        assert_eq!((read[5].2.as_str(), read[6].2.as_str()), ("ok: [a]", "changed: [b]"));
        assert!(read[7].2.starts_with("PLAY RECAP ***"), "{read:?}");
    }

    #[test]
    fn files_are_for_the_user_alone_and_whole() {
        let mut run = Run::new(0);
        run.play(false);
        let folder = run.dir.path().join("job_events");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let mut names = Vec::new();
        for file in std::fs::read_dir(&folder).unwrap().flatten() {
            assert_eq!(mode(&file.path()), 0o600);
            assert!(file.file_name().to_string_lossy().ends_with("-partial.json"), "{file:?}");
            let event: serde_json::Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
            assert_eq!(file.file_name().to_string_lossy(), format!("{}-partial.json", event["uuid"].as_str().unwrap()));
            names.push(event["event"].as_str().unwrap().to_owned());
        }
        names.sort();
        assert_eq!(names, ["playbook_on_play_start", "playbook_on_start"]);
    }

    #[test]
    fn includes_begin_and_are_told_with_all_hosts() {
        let mut run = Run::new(0);
        run.play(false);
        run.task("include_tasks");
        for host in ["b", "a"] {
            let label = None;
            run.tell(Some(host), EventKind::Included { task: TaskId(1), name: "/x/more.yml".into(), label });
            run.done(host, map! { "include" => "more.yml" });
        }
        run.tell(None, EventKind::Recap { stats: std::collections::BTreeMap::new(), failed: Vec::new() });
        let read = run.read();
        let at = read.iter().position(|(name, ..)| name == "playbook_on_include").unwrap();
        assert_eq!(read[at].2, "included: /x/more.yml for a, b");
        assert_eq!(run.names()[3..at], ["runner_on_start a", "runner_on_ok a", "runner_on_start b", "runner_on_ok b"]);
    }

    #[test]
    fn an_include_of_nothing_goes_well_and_then_fails_for_all() {
        let mut run = Run::new(0);
        run.play(false);
        run.task("include_tasks");
        for host in ["a", "b"] {
            let result = map! { "include" => "x.yml", "reason" => "not there" };
            run.ended(host, (Status::Failed, result, Vec::new()));
        }
        run.tell(None, EventKind::Recap { stats: std::collections::BTreeMap::new(), failed: Vec::new() });
        let names = run.names();
        assert_eq!(names[3..7], ["runner_on_start a", "runner_on_ok a", "runner_on_start b", "runner_on_ok b"]);
        let failed: Vec<_> = names.iter().filter(|name| name.starts_with("runner_on_failed")).collect();
        assert_eq!(failed, ["runner_on_failed a", "runner_on_failed b"]);
        let read = run.read();
        assert_eq!(read[7].0, "error");
        let text = read.iter().find(|(name, ..)| name == "runner_on_failed").map(|(.., text)| text.clone());
        assert!(text.is_some_and(|text| text.starts_with("fatal: [a]: FAILED!")), "{read:?}");
        for data in run.data("runner_on_failed") {
            assert_eq!((&data["ignore_errors"], &data["res"]["reason"]), (&false.into(), &"not there".into()));
        }
        assert!(run.data("runner_on_ok").iter().all(|data| data["res"].get("reason").is_none()));
    }

    #[test]
    fn differences_are_those_of_the_result() {
        let mut run = Run::new(0);
        run.play(false);
        run.task("file");
        let state = || map! { "before" => map! { "mode" => "0600" }, "after" => map! { "mode" => "0644" } };
        let result = map! { "changed" => true, "diff" => state() };
        let shown = Diff { before: "{}".into(), after: "{}".into(), mapping: true, ..Diff::default() };
        run.ended("a", (Status::Changed, result, vec![shown]));
        // Ansible's module makes none.
        let ours = Diff { before: "canary\n".into(), ours: true, ..Diff::default() };
        run.ended("b", (Status::Changed, map! { "changed" => true }, vec![ours]));
        run.tell(None, EventKind::Recap { stats: std::collections::BTreeMap::new(), failed: Vec::new() });
        let told = run.data("runner_on_file_diff");
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0]["diff"]["after"]["mode"], "0644");
        for data in run.data("runner_on_ok") {
            let diff = &data["res"]["diff"];
            assert_eq!(diff.is_null(), data["host"] == "b", "{data}");
            assert!(!data.to_string().contains("canary"));
        }
    }

    #[test]
    fn a_task_that_is_told_again_has_another_name_for_itself() {
        let mut run = Run::new(0);
        run.play(true);
        run.task("ping");
        run.task("ping");
        let mut uuids = Vec::new();
        for file in std::fs::read_dir(run.dir.path().join("job_events")).unwrap().flatten() {
            let event: serde_json::Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
            if event["event"] == "playbook_on_task_start" {
                uuids.push(event["uuid"].as_str().unwrap().to_owned());
            }
        }
        uuids.sort();
        assert_eq!(uuids.len(), 2);
        assert_eq!(uuids[1], format!("{}_2", uuids[0]));
    }

    #[test]
    fn lines_that_no_callback_shows_are_events_too() {
        let mut run = Run::new(2);
        run.play(false);
        run.tell(None, EventKind::Warning { diagnostic: Diagnostic::local("R0302", "so it is").warning() });
        run.task("meta");
        let meta = EventKind::Meta { task: TaskId(1), message: "noop".into(), skipped: None };
        run.tell(Some("a"), meta);
        let read = run.read();
        let of = |name: &str| {
            read.iter().filter(|(event, ..)| event == name).map(|(.., text)| text.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(of("verbose"), ["1 plays in site.yml", "META: noop"]);
        assert_eq!(of("warning"), ["[WARNING]: So it is"]);
        assert!(of("playbook_on_start")[0].starts_with("PLAYBOOK: site.yml ***"));
    }

    #[test]
    fn events_that_cannot_be_written_are_told_once() {
        let mut run = Run::new(0);
        std::fs::write(run.dir.path().join("job_events"), "in the way").unwrap();
        run.play(false);
        let trouble = run.runner.trouble().unwrap();
        assert!(trouble.tell && trouble.diagnostic.code == "R0102", "{trouble:?}");
        run.task("ping");
        assert!(run.runner.trouble().is_none());
    }
}
