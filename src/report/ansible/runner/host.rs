//! The events of one host: items, tries, jobs, the end of a task.

use std::io::Write;

use jiff::Timestamp;

use super::super::super::screen::safe;
use super::super::diff;
use super::super::recap::take_stats;
use super::super::result::truthy;
use super::data::{Of, included_item, result, seconds, time};
use super::reporter::Runner;
use super::text::Text;
use crate::diag::SourceMap;
use crate::event::{Done, Event, EventKind, JobState, Status, TaskId};
use crate::map;
use crate::value::{Map, StrKey, Value, insert};

/// A failure of an include, told behind the others of its task.
pub(super) struct Missed {
    host: String,
    task: TaskId,
    /// What is told outside of the failure.
    error: Text,
    data: Map,
    text: Text,
}

/// The end of an include that names what is not there.
fn misses(done: &Done) -> bool {
    let has = |key: &str| done.result.contains_key(&StrKey(key));
    done.status == Status::Failed && has("reason") && !has("msg")
}

impl<O: Write + Send, E: Write + Send> Runner<O, E> {
    pub(super) fn host_event(&mut self, event: &Event, at: Timestamp, sources: &SourceMap) {
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
                let event = self.differences(host, *task, event, (done, true));
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
                let event =
                    if items.is_none() { self.differences(host, *task, event, (done, false)) } else { event.clone() };
                let text = self.shown(&event, sources);
                if self.tasks.get(task).is_some_and(|view| view.include) && misses(done) {
                    self.missed(host, *task, (done, items.is_some()), at, text);
                    if self.free {
                        self.show_missed();
                    }
                    return;
                }
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

    pub(super) fn started(&mut self, host: &str, task: TaskId, at: Timestamp, text: &Text) {
        self.starts.insert(host.to_owned(), (task, at));
        self.emit("runner_on_start", Some(task), map! { "host" => host }, text);
    }

    /// When the host began its last task, when it ended it, and how long that took.
    pub(super) fn times(&self, host: &str, end: Timestamp) -> Map {
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
    fn differences(&mut self, host: &str, task: TaskId, event: &Event, (done, item): (&Done, bool)) -> Event {
        let mut event = event.clone();
        let found = done.result.get(&StrKey("diff"));
        let wanted = self.options.diff || !done.diffs.is_empty();
        let well = matches!(done.status, Status::Ok | Status::Changed);
        // Of items it is told also where there is none.
        if !wanted || !well || (found.is_none() && !(item && self.options.diff)) {
            return event;
        }
        let changed = truthy(&done.result, "changed");
        let shown = if changed {
            diff::text(&done.diffs, self.options.diff_context, self.options.format, self.options.color)
        } else {
            String::new()
        };
        let mut text = Text::new();
        if !shown.is_empty() {
            text.push((false, safe(&format!("{shown}\n")).into_owned().into_bytes()));
        }
        self.emit("runner_on_file_diff", Some(task), map! { "host" => host, "diff" => found.cloned() }, &text);
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
            let ended = ["skipped", "failed"].iter().any(|key| truthy(item, key));
            if let Some(res) = ended.then(|| told.next()).flatten() {
                all.push(res);
                continue;
            }
            let res = included_item(item);
            if self.options.diff {
                let data = map! { "host" => host, "diff" => Value::Null };
                self.emit("runner_on_file_diff", Some(task), data, &Text::new());
            }
            self.emit("runner_item_on_ok", Some(task), map! { "host" => host, "res" => res.clone() }, &Text::new());
            all.push(res);
        }
        all
    }

    /// What a host's include names is not there: the include itself went well, the failure is told when all hosts are
    /// through. What an include names for each item is missed file by file.
    fn missed(&mut self, host: &str, task: TaskId, (done, looped): (&Done, bool), at: Timestamp, text: Text) {
        let (error, text): (Text, Text) = text.into_iter().partition(|(err, _)| *err);
        if !self.missed.iter().any(|missed| missed.task == task && missed.host == host) {
            let mut well = done.clone();
            well.status = Status::Ok;
            well.result.shift_remove(&StrKey("reason"));
            if well.result.contains_key(&StrKey("include")) {
                insert(&mut well.result, "include_args", Map::new());
            }
            self.host_done(host, task, &well, looped, at, &Text::new());
        }
        let module = self.module(task);
        let res = result(done, &module, Of::Task);
        let mut data = map! { "host" => host, "remote_addr" => host, "res" => res };
        data.extend(self.times(host, at));
        insert(&mut data, "ignore_errors", false);
        insert(&mut data, "event_loop", self.tasks.get(&task).and_then(|view| view.with.clone()));
        self.missed.push(Missed { host: host.to_owned(), task, error, data, text });
    }

    /// Tells what includes missed.
    pub(super) fn show_missed(&mut self) {
        for Missed { task, error, data, text, .. } in std::mem::take(&mut self.missed) {
            self.display("error", None, None, &error, true);
            self.emit("runner_on_failed", Some(task), data, &text);
        }
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
}
