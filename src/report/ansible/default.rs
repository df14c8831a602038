//! Ansible's `default` stdout callback: banners, a line for each host and item, the recap.
//!
//! Hosts that run a task together are shown in their order (`turn`), unless somebody else puts it in order.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write;

use super::display::{AnsibleOptions, Display, Tone};
use super::recap::{Custom, take_stats};
use super::result::{short, task_path, truthy};
use super::turn::{Includes, Turns};
use super::{diff, dump, message};
use crate::diag::{SourceMap, Span};
use crate::event::{Done, Event, EventKind, Reporter, Status, TaskId, Trouble};
use crate::value::{Map, StrKey};

/// What is known of a task.
struct View {
    name: String,
    /// The same without the role, where the task was given a name.
    own: String,
    module: String,
    place: String,
    span: Option<Span>,
    handler: bool,
    include: bool,
    check: bool,
}

/// A piece of output that waits for its turn.
enum Piece {
    /// Text for stdout, or for stderr.
    Text(String, bool),
    /// Text that is told once in a run.
    Once(String, bool),
    /// The banner must stand above what follows.
    Banner(TaskId),
}

/// The `default` stdout callback.
pub struct AnsibleDefault<O: Write + Send, E: Write + Send> {
    pub(super) display: Display<O, E>,
    pub(super) options: AnsibleOptions,
    pub(super) check: bool,
    free: bool,
    /// The banner of the play.
    play: String,
    /// The hosts of the play, by their order.
    order: HashMap<String, usize>,
    tasks: HashMap<TaskId, View>,
    banner: Option<TaskId>,
    turns: Turns<Piece>,
    included: Includes,
    /// How often it is still to be told that no hosts are left.
    nobody_left: usize,
    gave_up: bool,
    playbook: String,
    pub(super) custom: Custom,
}

impl<O: Write + Send, E: Write + Send> AnsibleDefault<O, E> {
    /// Onto stdout and stderr.
    pub fn new(out: O, err: E, options: AnsibleOptions) -> Self {
        Self {
            display: Display::new(out, err, &options),
            options,
            check: false,
            free: false,
            play: String::new(),
            order: HashMap::new(),
            tasks: HashMap::new(),
            banner: None,
            turns: Turns::default(),
            included: Includes::default(),
            nobody_left: 0,
            gave_up: false,
            playbook: String::new(),
            custom: Custom::new(),
        }
    }

    fn marker(&self, check: bool) -> &'static str {
        if check && self.options.check_markers { " [CHECK MODE]" } else { "" }
    }

    fn print_banner(&mut self, task: TaskId) {
        self.banner = Some(task);
        let Some(view) = self.tasks.get(&task) else { return };
        let prefix = if view.handler { "RUNNING HANDLER" } else { "TASK" };
        let text = format!("{prefix} [{}]{}", view.name.trim(), self.marker(view.check));
        let path = (self.options.verbosity >= 2).then(|| task_path(&view.place));
        self.display.banner(&text);
        if let Some(path) = path {
            self.display.line(&path, Some(Tone::Debug));
        }
    }

    fn put(&mut self, piece: Piece) {
        match piece {
            Piece::Banner(task) => {
                if self.banner != Some(task) {
                    self.print_banner(task);
                }
            }
            Piece::Text(text, err) => self.put_text(&text, err),
            Piece::Once(text, err) => {
                if self.display.first(&text) {
                    let text = self.display.painted(&text, Some(Tone::Error));
                    self.put_text(&text, err);
                }
            }
        }
    }

    fn put_text(&mut self, text: &str, err: bool) {
        if err {
            self.display.write_err(text);
        } else {
            self.display.write(text);
        }
    }

    /// Shows a piece now, or when its host's turn comes.
    fn tell(&mut self, host: &str, piece: Piece) {
        let now = if self.free || self.options.at_once { Some(piece) } else { self.turns.tell(host, piece) };
        self.put_all(now);
    }

    fn put_all(&mut self, pieces: impl IntoIterator<Item = Piece>) {
        pieces.into_iter().for_each(|piece| self.put(piece));
    }

    fn tell_line(&mut self, host: &str, text: &str, paint: Tone, err: bool) {
        let text = self.display.painted(text, Some(paint));
        self.tell(host, Piece::Text(text, err));
    }

    /// Shows what hosts told of the task that runs, whosever turn it is.
    fn make_way(&mut self) {
        let pieces = self.turns.make_way();
        self.put_all(pieces);
    }

    /// Shows everything that still waits.
    fn flush(&mut self) {
        self.make_way();
        self.show_included();
        for _ in 0..std::mem::take(&mut self.nobody_left) {
            self.display.banner("NO MORE HOSTS LEFT");
        }
    }

    fn show_included(&mut self) {
        for file in self.included.take(&self.order) {
            self.put(Piece::Banner(file.task));
            let mut text = format!("included: {} for {}", file.name, file.hosts.join(", "));
            if let Some(label) = file.label.filter(|label| !label.is_empty()) {
                let _ = write!(text, " => (item={label})");
            }
            self.display.line(&text, Some(Tone::Skipped));
        }
    }

    fn is_debug(&self, task: TaskId) -> bool {
        self.tasks.get(&task).is_some_and(|view| short(&view.module) == "debug")
    }

    /// Whether a result stands behind its line.
    fn verbose(&self, task: TaskId, done: &Done) -> bool {
        let facts = self.tasks.get(&task).is_some_and(|view| matches!(short(&view.module), "setup" | "gather_facts"));
        (self.options.verbosity > 0 || done.verbose) && !facts
    }

    /// All that is shown of a result.
    fn whole(&self, done: &Done) -> Map {
        dump::with_arguments(done, &self.options)
    }

    fn cleaned(&self, task: TaskId, done: &Done) -> Map {
        let mut result = self.whole(done);
        if self.is_debug(task) {
            dump::clean_debug(&mut result);
        }
        result
    }

    fn failure(&mut self, host: &str, task: TaskId, done: &Done, sources: &SourceMap) {
        let Some(view) = self.tasks.get(&task) else { return };
        let text = message::failure(done, view.span, &view.place, short(&view.module), sources);
        // What an include names is missed outside of a result.
        let aside = !done.result.contains_key(&StrKey("msg")) && done.result.contains_key(&StrKey("reason"));
        self.tell(host, Piece::Once(text, self.options.failed_stderr || aside));
    }

    fn item(&mut self, host: &str, task: TaskId, label: &str, done: &Done, sources: &SourceMap) {
        let include = self.tasks.get(&task).is_some_and(|view| view.include);
        if include && matches!(done.status, Status::Ok | Status::Changed) {
            return;
        }
        if truthy(&done.result, "changed") {
            self.diffs(host, task, &done.diffs);
        }
        let shown = self.host_label(host, done);
        let result = self.cleaned(task, done);
        let dumped = |this: &Self| dump::dump(&result, done.verbose, &this.options);
        match done.status {
            Status::Ok | Status::Changed => {
                let changed = truthy(&done.result, "changed");
                if !changed && !self.options.ok_hosts {
                    return;
                }
                self.tell(host, Piece::Banner(task));
                let (word, paint) = if changed { ("changed", Tone::Changed) } else { ("ok", Tone::Ok) };
                let mut text = format!("{word}: [{shown}] => (item={label})");
                if self.verbose(task, done) {
                    let _ = write!(text, " => {}", dumped(self));
                }
                self.tell_line(host, &text, paint, false);
            }
            Status::Skipped => {
                if !self.options.skipped_hosts {
                    return;
                }
                self.tell(host, Piece::Banner(task));
                let mut text = format!("skipping: [{host}] => (item={label}) ");
                if self.verbose(task, done) {
                    let _ = write!(text, " => {}", dumped(self));
                }
                self.tell_line(host, &text, Tone::Skipped, false);
            }
            Status::Failed | Status::Unreachable => {
                self.tell(host, Piece::Banner(task));
                self.failure(host, task, done, sources);
                let text = format!("failed: [{shown}] (item={label}) => {}", dumped(self));
                self.tell_line(host, &text, Tone::Error, self.options.failed_stderr);
            }
        }
    }

    fn diffs(&mut self, host: &str, task: TaskId, diffs: &[crate::event::Diff]) {
        let text = diff::text(diffs, self.options.diff_context, self.options.format, self.display.colored());
        if !text.is_empty() {
            self.tell(host, Piece::Banner(task));
            let text = self.display.painted(&text, None);
            self.tell(host, Piece::Text(text, false));
        }
    }

    fn host_label(&self, host: &str, done: &Done) -> String {
        done.delegate.as_ref().map_or_else(|| host.to_owned(), |delegate| format!("{host} -> {delegate}"))
    }

    fn host_done(&mut self, host: &str, task: TaskId, done: &Done, items: Option<usize>, sources: &SourceMap) {
        let looped = items.is_some();
        let include = self.tasks.get(&task).is_some_and(|view| view.include);
        take_stats(&mut self.custom, host, &done.result);
        if !looped && truthy(&done.result, "changed") {
            self.diffs(host, task, &done.diffs);
        }
        match done.status {
            Status::Ok | Status::Changed => self.ok(host, task, done, looped, include),
            Status::Skipped => {
                if self.options.skipped_hosts {
                    self.tell(host, Piece::Banner(task));
                    let mut text = format!("skipping: [{host}]");
                    if self.verbose(task, done) {
                        let mut result = self.cleaned(task, done);
                        result.shift_remove(&StrKey("results"));
                        let _ = write!(text, " => {}", dump::dump(&result, done.verbose, &self.options));
                    }
                    self.tell_line(host, &text, Tone::Skipped, false);
                }
            }
            Status::Failed => self.failed(host, task, done, looped, sources),
            Status::Unreachable => {
                self.tell(host, Piece::Banner(task));
                self.failure(host, task, done, sources);
                let shown = self.host_label(host, done);
                let text = format!(
                    "fatal: [{shown}]: UNREACHABLE! => {}",
                    dump::dump(&done.result, done.verbose, &self.options)
                );
                self.tell_line(host, &text, Tone::Unreachable, self.options.failed_stderr);
                self.ignoring(host, done);
            }
        }
        let next = self.turns.ended(host);
        self.put_all(next);
    }

    fn ok(&mut self, host: &str, task: TaskId, done: &Done, looped: bool, include: bool) {
        if include {
            self.tell(host, Piece::Banner(task));
            return;
        }
        let changed = truthy(&done.result, "changed");
        if !changed && !self.options.ok_hosts {
            return;
        }
        self.tell(host, Piece::Banner(task));
        if looped {
            return;
        }
        let (word, paint) = if changed { ("changed", Tone::Changed) } else { ("ok", Tone::Ok) };
        let mut text = format!("{word}: [{}]", self.host_label(host, done));
        if self.verbose(task, done) {
            let result = self.cleaned(task, done);
            let _ = write!(text, " => {}", dump::dump(&result, done.verbose, &self.options));
        }
        self.tell_line(host, &text, paint, false);
    }

    fn failed(&mut self, host: &str, task: TaskId, done: &Done, looped: bool, sources: &SourceMap) {
        self.tell(host, Piece::Banner(task));
        if !looped {
            self.failure(host, task, done, sources);
        }
        let result = self.cleaned(task, done);
        if !looped || !(done.no_log || result.contains_key(&StrKey("results"))) {
            if self.options.verbosity < 2
                && self.options.path_on_failure
                && let Some(view) = self.tasks.get(&task)
            {
                let path = task_path(&view.place);
                self.tell_line(host, &path, Tone::Debug, false);
            }
            let verbose = !looped && done.verbose;
            let text = format!(
                "fatal: [{}]: FAILED! => {}",
                self.host_label(host, done),
                dump::dump(&result, verbose, &self.options)
            );
            self.tell_line(host, &text, Tone::Error, self.options.failed_stderr);
        }
        self.ignoring(host, done);
    }

    fn ignoring(&mut self, host: &str, done: &Done) {
        if done.ignored && !done.rescued {
            self.tell_line(host, "...ignoring", Tone::Skipped, false);
        }
    }

    fn meta(&mut self, host: &str, task: TaskId, message: &str, skipped: Option<&str>) {
        if self.options.verbosity >= 2 {
            self.display.line(&format!("META: {message}"), Some(Tone::Verbose));
        }
        let Some(told) = skipped.filter(|_| self.options.skipped_hosts) else { return };
        self.put(Piece::Banner(task));
        let mut text = format!("skipping: [{host}]");
        if self.options.verbosity > 0 {
            let result = crate::map! { "msg" => told, "skip_reason" => message };
            let _ = write!(text, " => {}", dump::dump(&result, false, &self.options));
        }
        self.display.line(&text, Some(Tone::Skipped));
    }

    fn run_started(&mut self, playbook: &str, check: bool, plays: usize) {
        self.check = check;
        playbook.clone_into(&mut self.playbook);
        for line in std::mem::take(&mut self.options.preamble) {
            self.display.line(&line, Some(Tone::Verbose));
        }
        if self.options.verbosity > 1 {
            let name = playbook.rsplit('/').next().unwrap_or(playbook);
            self.display.banner(&format!("PLAYBOOK: {name}"));
        }
        if check && self.options.check_markers {
            self.display.banner("DRY RUN");
        }
        if self.options.verbosity > 1 {
            self.display.line(&format!("{plays} plays in {playbook}"), Some(Tone::Verbose));
        }
    }
}

impl<O: Write + Send, E: Write + Send> Reporter for AnsibleDefault<O, E> {
    fn event(&mut self, event: &Event, sources: &SourceMap) {
        let host = event.host.as_deref().unwrap_or_default();
        match &event.kind {
            EventKind::RunStarted { playbook, check, plays, .. } => self.run_started(playbook, *check, *plays),
            EventKind::PlayStarted { name, hosts, free, check, .. } => {
                self.flush();
                self.free = *free;
                self.order = hosts.iter().enumerate().map(|(index, host)| (host.clone(), index)).collect();
                let text = match name.trim() {
                    "" => format!("PLAY{}", self.marker(*check)),
                    name => format!("PLAY [{name}]{}", self.marker(*check)),
                };
                self.display.banner(&text);
                self.play = text;
                self.banner = None;
            }
            EventKind::BatchStarted { .. } => {
                self.flush();
                self.display.banner(&self.play);
                self.banner = None;
            }
            EventKind::NoHosts { .. } => self.display.line("skipping: no hosts matched", Some(Tone::Skipped)),
            EventKind::TaskStarted {
                task, name, role, module, place, handler, include, check, span, hosts, ..
            } => {
                if !self.free {
                    self.flush();
                    self.turns.begin(hosts);
                    self.banner = None;
                }
                let given = name;
                let name = role.as_ref().map_or_else(|| name.clone(), |role| format!("{role} : {name}"));
                let view = View {
                    own: if given == module { name.clone() } else { given.clone() },
                    name,
                    module: module.clone(),
                    place: place.clone(),
                    span: *span,
                    handler: *handler,
                    include: *include,
                    check: *check,
                };
                self.tasks.insert(*task, view);
                if !self.free && self.options.ok_hosts && self.options.skipped_hosts {
                    self.print_banner(*task);
                }
                self.display.flush();
            }
            EventKind::HostStarted { task } => {
                if self.options.per_host_start
                    && let Some(view) = self.tasks.get(task)
                {
                    let text = format!(" [started TASK: {} on {host}]", view.name);
                    self.display.line(&text, Some(Tone::Ok));
                }
            }
            EventKind::ItemDone { task, label, done } => self.item(host, *task, label, done, sources),
            EventKind::Retry { task, attempt, of, done } => {
                let name = self.tasks.get(task).map_or_else(String::new, |view| view.own.clone());
                let left = (of + 1).saturating_sub(*attempt);
                let mut text = format!("FAILED - RETRYING: [{host}]: {name} ({left} retries left).");
                if let Some(done) = done.as_ref().filter(|done| done.verbose || self.options.verbosity > 2) {
                    let result = self.whole(done);
                    let _ = write!(text, "Result was: {}", dump::dump(&result, done.verbose, &self.options));
                }
                self.tell_line(host, &text, Tone::Debug, false);
            }
            EventKind::Job { id, state, .. } => {
                self.tell_line(host, &message::job(host, id, *state), Tone::Debug, false);
            }
            EventKind::HostDone { task, done, items } => self.host_done(host, *task, done, *items, sources),
            EventKind::Included { task, name, label } => {
                self.included.add(host, *task, name, label.as_ref());
                if self.free {
                    self.show_included();
                }
            }
            EventKind::Meta { task, message, skipped } => self.meta(host, *task, message, skipped.as_deref()),
            EventKind::Notified { handler, runs } => {
                if self.options.verbosity > 1 {
                    let text = if *runs {
                        format!("NOTIFIED HANDLER {handler} for {host}")
                    } else {
                        format!("Notification for handler {handler} has been saved.")
                    };
                    self.tell_line(host, &text, Tone::Verbose, self.options.verbose_stderr);
                }
            }
            EventKind::NoHostsLeft => self.nobody_left += 1,
            EventKind::Trace { text, inner } if self.options.traces(*inner) => {
                self.tell_line(host, &format!("<{host}> {text}"), Tone::Debug, self.options.verbose_stderr);
            }
            EventKind::Warning { diagnostic } if self.options.shows(diagnostic) => {
                self.display.diagnostic(diagnostic.lead(), diagnostic, sources);
            }
            EventKind::Error { diagnostic } => {
                // What is wrong with the run, not with a host, ends it without a recap.
                self.gave_up |= event.host.is_none();
                self.display.diagnostic("ERROR", diagnostic, sources);
            }
            EventKind::Recap { stats, failed } => {
                self.flush();
                if let Some(retry) = &self.options.retry {
                    retry.tell(&self.playbook, failed, &mut self.display);
                }
                if !self.gave_up {
                    self.recap(stats);
                }
            }
            // What the question is about stands above it.
            EventKind::Asked { .. } => {
                self.make_way();
                self.show_included();
                self.display.flush();
            }
            EventKind::Progress { .. }
            | EventKind::Trace { .. }
            | EventKind::WorkBegun { .. }
            | EventKind::Warning { .. }
            | EventKind::VarPrompt { .. } => {}
            EventKind::RunEnded { .. } => self.display.flush(),
        }
    }

    fn tick(&mut self) {
        if self.options.at_once {
            self.flush();
        }
        let late = self.turns.late();
        self.put_all(late);
        self.display.flush();
    }

    fn trouble(&mut self) -> Option<Trouble> {
        self.display.trouble()
    }
}
