//! What ansible-runner (and with it AWX and ansible-navigator) reads: its `awx_display` callback, around any other.
//!
//! Each event goes into a file of `job_events`; escape sequences on standard output say which text belongs to it. What
//! is shown comes from the callback inside, which gets the events in the order in which they are told here.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::super::written::Written;
use super::diff;
use super::display::Tone;
use super::recap::{Custom, take_stats};
use super::result::{short, task_path};
use super::runner_data::{Of, RunnerOptions, counts, diff_of, included_item, json, result, seconds, sequence, time};
use super::turn::{Includes, Turns};
use crate::diag::{Diagnostic, SourceMap};
use crate::event::{Done, Event, EventKind, JobState, Reporter, Status, TaskId, Trouble};
use crate::map;
use crate::value::{Map, StrKey, Value, insert, python_str};

/// What the callback inside writes, until it is known which event it belongs to.
#[derive(Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<(bool, Vec<u8>)>>>);

/// One of the two streams of [`Captured`].
struct CapturedStream(Captured, bool);

impl Captured {
    /// Standard output, or standard error.
    pub fn stream(&self, err: bool) -> impl Write + Send + use<> {
        CapturedStream(self.clone(), err)
    }

    fn take(&self) -> Vec<(bool, Vec<u8>)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for CapturedStream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut all = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.last_mut() {
            Some((err, text)) if *err == self.1 => text.extend_from_slice(bytes),
            _ => all.push((self.1, bytes.to_vec())),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Pieces of text, each for standard output or for standard error.
type Text = Vec<(bool, Vec<u8>)>;

/// What is known of a task.
struct View {
    /// As events have it.
    context: Map,
    module: String,
    include: bool,
    with: Option<String>,
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
    options: RunnerOptions,
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
    tasks: HashMap<TaskId, View>,
    /// When hosts began their last task, and which.
    starts: HashMap<String, (TaskId, Timestamp)>,
    /// Handlers that are about to run, by host.
    notified: Vec<Told>,
    free: bool,
    order: HashMap<String, usize>,
    turns: Turns<Told>,
    included: Includes,
    /// Results of the items of loops under way.
    items: HashMap<(String, TaskId), Vec<Map>>,
    /// Jobs that ended, by host.
    jobs: HashMap<String, (JobState, String, Text)>,
    nobody_left: Option<Event>,
    gave_up: bool,
    custom: Custom,
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
            nobody_left: None,
            gave_up: false,
            custom: Custom::new(),
        }
    }

    /// What the callback inside shows of an event.
    fn shown(&mut self, event: &Event, sources: &SourceMap) -> Text {
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
    fn emit(&mut self, event: &str, task: Option<TaskId>, data: Map, text: &Text) {
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
    fn display(&mut self, kind: &str, verbosity: Option<u8>, host: Option<&str>, text: &Text, err: bool) {
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

    fn host_event(&mut self, event: &Event, at: Timestamp, sources: &SourceMap) {
        let host = event.host.as_deref().unwrap_or_default();
        if let EventKind::ItemDone { task, .. } | EventKind::HostDone { task, .. } = &event.kind
            && self.starts.get(host).is_none_or(|(begun, _)| begun != task)
        {
            // Includes begin and end at once.
            self.started(host, *task, at, &Text::new());
        }
        if let EventKind::ItemDone { task, done, .. } | EventKind::HostDone { task, done, .. } = &event.kind
            && let Some((state, id, text)) = self.jobs.remove(host)
        {
            let name = if state == JobState::Done { "runner_on_async_ok" } else { "runner_on_async_failed" };
            let res = result(done, &self.module(*task), Of::Job);
            self.emit(name, Some(*task), map! { "host" => host, "res" => res, "jid" => id }, &text);
        }
        match &event.kind {
            EventKind::ItemDone { task, label, done } => {
                let module = self.module(*task);
                let event = self.differences(host, *task, event, done);
                let text = self.shown(&event, sources);
                let res = result(done, &module, Of::Item(label));
                self.items.entry((host.to_owned(), *task)).or_default().push(res.clone());
                let name = match done.status {
                    Status::Ok | Status::Changed => "runner_item_on_ok",
                    Status::Skipped => "runner_item_on_skipped",
                    Status::Failed | Status::Unreachable => "runner_item_on_failed",
                };
                self.emit(name, Some(*task), map! { "host" => host, "res" => res }, &text);
            }
            EventKind::Retry { task, of, done, .. } => {
                let module = self.module(*task);
                let text = self.shown(event, sources);
                let res = done.as_ref().map(|done| result(done, &module, Of::Try(*of))).unwrap_or_default();
                self.emit("runner_retry", Some(*task), map! { "host" => host, "res" => res }, &text);
            }
            EventKind::Job { task, id, state } => {
                let text = self.shown(event, sources);
                if *state != JobState::Running {
                    // Its result comes with the task's end.
                    self.jobs.insert(host.to_owned(), (*state, id.clone(), text));
                    return;
                }
                let none = || Value::from(Vec::<Value>::new());
                let res = map! {
                    "started" => true, "finished" => false, "ansible_job_id" => id.as_str(),
                    "stdout" => "", "stderr" => "", "stdout_lines" => none(), "stderr_lines" => none(),
                };
                let data = map! { "host" => host, "res" => res, "jid" => id.as_str() };
                self.emit("runner_on_async_poll", Some(*task), data, &text);
            }
            EventKind::HostDone { task, done, items } => {
                take_stats(&mut self.custom, host, &done.result);
                let event = if items.is_none() { self.differences(host, *task, event, done) } else { event.clone() };
                let text = self.shown(&event, sources);
                self.host_done(host, *task, done, items.is_some(), at, &text);
            }
            EventKind::Notified { handler, runs } => {
                let text = self.shown(event, sources);
                if *runs {
                    self.emit(
                        "playbook_on_notify",
                        None,
                        map! { "host" => host, "handler" => handler.as_str() },
                        &text,
                    );
                } else {
                    self.display("verbose", Some(2), None, &text, false);
                }
            }
            EventKind::Trace { inner, .. } => {
                let text = self.shown(event, sources);
                let (kind, verbosity) = if *inner { ("debug", None) } else { ("verbose", Some(3)) };
                self.display(kind, verbosity, Some(host), &text, false);
            }
            _ => {}
        }
    }

    fn started(&mut self, host: &str, task: TaskId, at: Timestamp, text: &Text) {
        self.starts.insert(host.to_owned(), (task, at));
        self.emit("runner_on_start", Some(task), map! { "host" => host }, text);
    }

    /// When the host began its last task, when it ended it, and how long that took.
    fn times(&self, host: &str, end: Timestamp) -> Map {
        let start = self.starts.get(host).map(|(_, start)| *start);
        map! {
            "start" => start.map(time),
            "end" => start.map(|_| time(end)),
            "duration" => start.map(|start| seconds(start, end)),
        }
    }

    fn module(&self, task: TaskId) -> String {
        self.tasks.get(&task).map_or_else(String::new, |view| view.module.clone())
    }

    /// Tells the differences of a task as an event of their own; what is left of its event.
    fn differences(&mut self, host: &str, task: TaskId, event: &Event, done: &Done) -> Event {
        let mut event = event.clone();
        let Some(found) = diff_of(done) else { return event };
        let changed = super::result::truthy(&done.result, "changed");
        let shown = if changed {
            diff::text(&done.diffs, self.options.diff_context, self.options.color)
        } else {
            String::new()
        };
        let mut text = Text::new();
        if !shown.is_empty() {
            text.push((false, super::super::screen::safe(&format!("{shown}\n")).into_owned().into_bytes()));
        }
        self.emit("runner_on_file_diff", Some(task), map! { "host" => host, "diff" => found }, &text);
        if let EventKind::ItemDone { done, .. } | EventKind::HostDone { done, .. } = &mut event.kind {
            done.diffs.clear();
        }
        event
    }

    /// The items of an include's loop, of which only the skipped ones were told.
    fn included_items(&mut self, host: &str, task: TaskId, done: &Done, told: Vec<Map>) -> Vec<Map> {
        let Some(Value::List(results)) = done.result.get(&StrKey("results")).filter(|_| !done.no_log) else {
            return told;
        };
        let mut told = told.into_iter();
        let mut all = Vec::new();
        for item in results.iter() {
            let Value::Map(item) = item else { continue };
            let ended = ["skipped", "failed"].iter().any(|key| super::result::truthy(item, key));
            if let Some(res) = ended.then(|| told.next()).flatten() {
                all.push(res);
                continue;
            }
            let res = included_item(item);
            self.emit("runner_item_on_ok", Some(task), map! { "host" => host, "res" => res.clone() }, &Text::new());
            all.push(res);
        }
        all
    }

    fn host_done(&mut self, host: &str, task: TaskId, done: &Done, looped: bool, at: Timestamp, text: &Text) {
        let mut items = self.items.remove(&(host.to_owned(), task)).unwrap_or_default();
        if looped && self.tasks.get(&task).is_some_and(|view| view.include) {
            items = self.included_items(host, task, done, items);
        }
        let (module, with) =
            self.tasks.get(&task).map_or_else(Default::default, |view| (view.module.clone(), view.with.clone()));
        let mut data = map! { "host" => host, "remote_addr" => host };
        if done.status != Status::Skipped {
            let of = if looped { Of::Loop(&items) } else { Of::Task };
            insert(&mut data, "res", result(done, &module, of));
        }
        data.extend(self.times(host, at));
        let name = match done.status {
            Status::Ok | Status::Changed => "runner_on_ok",
            Status::Skipped => "runner_on_skipped",
            Status::Failed => "runner_on_failed",
            Status::Unreachable => "runner_on_unreachable",
        };
        if done.status == Status::Failed {
            insert(&mut data, "ignore_errors", (done.ignored && !done.rescued).then_some(true));
        }
        if done.status != Status::Unreachable {
            insert(&mut data, "event_loop", with);
        }
        self.emit(name, Some(task), data, text);
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
        if let Some(event) = self.nobody_left.take() {
            // Ansible tells it for the limit that was crossed, and again since all hosts count as failed then.
            let mut text = self.shown(&event, sources);
            let second = split_half(&mut text);
            for text in [text, second] {
                self.emit("playbook_on_no_hosts_remaining", None, Map::new(), &text);
            }
        }
    }

    /// Tells which handlers are about to run, host by host.
    fn show_notified(&mut self, sources: &SourceMap) {
        let mut notified = std::mem::take(&mut self.notified);
        notified.sort_by_key(|told| told.event.host.as_deref().and_then(|host| self.order.get(host).copied()));
        self.tell_all(notified, sources);
    }

    fn show_included(&mut self, like: &Event, sources: &SourceMap) {
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
            EventKind::NoHostsLeft => self.nobody_left = Some(event.clone()),
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
            EventKind::Recap { stats } => self.recap(event, stats, sources),
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

/// All of the text for standard output, as one piece.
fn joined(text: Text) -> Vec<u8> {
    text.into_iter().flat_map(|(_, bytes)| bytes).collect()
}

/// Cuts a text behind a number of bytes; what stands behind.
fn split(text: &mut Text, at: impl Fn(&[u8]) -> usize) -> Text {
    let mut bytes = joined(std::mem::take(text));
    let behind = bytes.split_off(at(&bytes).min(bytes.len()));
    if !bytes.is_empty() {
        text.push((false, bytes));
    }
    if behind.is_empty() { Text::new() } else { vec![(false, behind)] }
}

/// Leaves the first line; what stands behind it.
fn split_first_line(text: &mut Text) -> Text {
    split(text, |bytes| bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1))
}

/// Takes the last line off.
fn split_last_line(text: &mut Text) -> Text {
    split(text, |bytes| {
        let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        body.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
    })
}

/// Cuts a text that says the same twice.
fn split_half(text: &mut Text) -> Text {
    split(text, |bytes| bytes.len() / 2)
}

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Writes an event's file: nobody else may read it, and nobody sees half of it.
fn save(dir: &Path, uuid: &str, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let folder = dir.join("job_events");
    if !folder.is_dir() {
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    }
    let path = folder.join(format!("{uuid}-partial.json"));
    let beside = folder.join(format!("{uuid}-partial.json.tmp"));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| std::fs::rename(&beside, &path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

fn unsaved(dir: &Path, error: &std::io::Error) -> Trouble {
    let message = format!("the events of this run are incomplete: `{}`: {error}", dir.join("job_events").display());
    let diagnostic = Diagnostic::local("R0102", message)
        .warning()
        .with_hint("free some space, or set AWX_ISOLATED_DATA_DIR to another folder");
    Trouble { diagnostic, tell: true }
}
