//! What a module sees of the host: probes, guarded changes, inputs, an output stream.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::sync::Arc;

use super::call::{AskedBy, Blob, Call, Failure, Input, InputKind, Outcome, TreeEntry};
use crate::diag::{Diagnostic, Result};
use crate::event::{Diff, Progress};
use crate::image::SentFrom;
use crate::system::{Control, Mutate, Probe};
use crate::value::{Map, Value, insert};

/// The way back to the engine while a module runs.
pub trait Link: Send + Sync {
    /// Tells something that happens now.
    fn progress(&self, progress: Progress);
    /// The content of an input's file, by its SHA-256. Blocks until it is here.
    fn blob(&self, sha256: &str) -> Result<Blob>;
    /// The run was interrupted or the connection is gone: end soon, leave nothing half-written.
    fn cancelled(&self) -> bool;
    /// Only the connection is gone, or the controller: what may outlive them goes on.
    fn lost(&self) -> bool {
        false
    }
}

/// Modules of Ansible whose failure counts as a change, since their command ran; `async_status` says what the job said.
const RAN: &[&str] = &["async_status", "command", "expect", "raw", "script", "shell"];

/// The handle that a module works with. Lives for one call, on one blocking thread.
pub struct Cx {
    call: Call,
    link: Arc<dyn Link>,
    runtime: tokio::runtime::Handle,
    probe: Probe,
    changed: Cell<bool>,
    skipped: Cell<bool>,
    plans: Cell<bool>,
    changes: RefCell<Vec<String>>,
    diffs: RefCell<Vec<Diff>>,
    warnings: RefCell<Vec<String>>,
    /// How much output was told.
    told: Cell<usize>,
}

/// Output of one call that is told while it comes, in bytes: a program that never stops would fill the memory of
/// whoever shows it. Its result keeps beginning and end of it.
const MOST_TOLD: usize = 64 << 20;

impl Cx {
    /// A handle for one call.
    pub fn new(call: Call, link: Arc<dyn Link>, runtime: tokio::runtime::Handle) -> Self {
        let watched = Arc::clone(&link);
        let control = Control::new(Some(Arc::new(move || watched.cancelled())), call.timeout);
        let probe = Probe::new(call.environment.clone()).controlled(control);
        Self {
            call,
            link,
            runtime,
            probe,
            changed: Cell::default(),
            skipped: Cell::default(),
            plans: Cell::default(),
            changes: RefCell::default(),
            diffs: RefCell::default(),
            warnings: RefCell::default(),
            told: Cell::default(),
        }
    }

    /// The programs that probes may run for this module.
    pub(super) fn allow(&mut self, programs: &'static [&'static str]) {
        self.probe = self.probe.clone().allowing(programs);
    }

    /// Reads the host; always allowed.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// Check mode: closures of [`Cx::change`] are not run.
    pub fn check_mode(&self) -> bool {
        self.call.check
    }

    /// Diffs are wanted.
    pub fn diff_mode(&self) -> bool {
        self.call.diff
    }

    /// Bytes of the largest file that is put into a diff.
    pub fn diff_limit(&self) -> u64 {
        match self.call.diff_limit {
            0 => super::place::MOST_COMPARED,
            limit => limit.min(super::place::MOST_COMPARED),
        }
    }

    /// The task's `no_log`.
    pub fn no_log(&self) -> bool {
        self.call.no_log
    }

    /// Variables for child processes.
    pub fn environment(&self) -> &[(String, String)] {
        &self.call.environment
    }

    /// A change of the host. `what` is told to the user (`"create /etc/motd"`); the closure gets
    /// the handle that can write. Not run in check mode, where `None` is returned.
    pub fn change<T>(&self, what: impl Into<String>, apply: impl FnOnce(&Mutate) -> Result<T>) -> Result<Option<T>> {
        let before = self.changed.replace(true);
        self.changes.borrow_mut().push(what.into());
        if self.call.check {
            return Ok(None);
        }
        let ended = apply(&Mutate::with_probe(self.probe.clone()));
        if ended.as_ref().is_err_and(|error| error.code == "H0103") {
            // The program is not there, so nothing was run.
            self.changed.set(before);
            self.changes.borrow_mut().pop();
        }
        ended.map(Some)
    }

    /// [`Cx::change`] for work that finds out itself whether it has to change anything: what it gives beside its result
    /// says so. Without it a run that finds all in place would report a change each time. Its error means that it changed
    /// nothing: what fails in the middle of its work belongs into its result.
    pub fn change_if_needed<T>(
        &self,
        what: impl Into<String>,
        apply: impl FnOnce(&Mutate) -> Result<(T, bool)>,
    ) -> Result<Option<T>> {
        let before = self.changed.get();
        let count = self.changes.borrow().len();
        let ended = self.change(what, apply);
        if !matches!(ended, Ok(None | Some((_, true)))) {
            self.changed.set(before);
            self.changes.borrow_mut().truncate(count);
        }
        Ok(ended?.map(|(result, _)| result))
    }

    /// Work that runs a program or leaves scratch files but changes nothing the user declared
    /// (validation of a new file, a temporary copy). Not run in check mode, unless
    /// the module only plans.
    pub fn scratch<T>(&self, apply: impl FnOnce(&Mutate) -> Result<T>) -> Result<Option<T>> {
        if self.call.check && !self.plans.get() {
            return Ok(None);
        }
        apply(&Mutate::with_probe(self.probe.clone())).map(Some)
    }

    /// From here on the module changes nothing, in check mode or not, and may use scratch files and programs to find out
    /// what it would do.
    pub fn only_plans(&self) {
        self.plans.set(true);
    }

    /// Runs what is a module of its own, and knows check mode itself (custom executables): it says what changed.
    pub(super) fn as_module<T>(&self, apply: impl FnOnce(&Mutate) -> Result<T>) -> Result<T> {
        apply(&Mutate::with_probe(self.probe.clone()))
    }

    /// True once a change was made (or, in check mode, would have been).
    pub fn changed(&self) -> bool {
        self.changed.get()
    }

    /// The module did not do its work, as Ansible's `skipped`.
    pub fn skip(&self) {
        self.skipped.set(true);
    }

    /// Reports before and after; ignored unless diffs are wanted.
    pub fn diff(&self, diff: Diff) {
        if self.call.diff {
            self.diffs.borrow_mut().push(diff);
        }
    }

    /// What was reported with [`Cx::diff`], as `diff` of the registered result; with `list` also where nothing was.
    pub(super) fn add_diff(&self, result: &mut Map, list: bool) {
        let diffs = self.diffs.borrow();
        let mut shown: Vec<Value> = diffs
            .iter()
            .map(|diff| {
                let parsed =
                    |text: &str| serde_json::from_str(text).map_or_else(|_| Value::from(text), crate::value::from_json);
                if let Some(text) = &diff.prepared {
                    return Value::from(crate::map! { "prepared" => text.as_str() });
                }
                let mut shown = Map::new();
                // What was not there has no name.
                for (key, header) in [("before_header", &diff.before_header), ("after_header", &diff.after_header)] {
                    if !header.is_empty() {
                        insert(&mut shown, key, header.as_str());
                    }
                }
                for (key, text) in [("before", &diff.before), ("after", &diff.after)] {
                    insert(&mut shown, key, if diff.mapping { parsed(text) } else { Value::from(text.as_str()) });
                }
                Value::from(shown)
            })
            .collect();
        if result.contains_key(&crate::value::StrKey("diff")) {
            return;
        }
        let value = match (shown.pop(), shown.is_empty()) {
            (None, _) if !list => return,
            (None, _) => Value::from(Vec::<Value>::new()),
            (Some(only), true) if !list => only,
            (Some(last), _) => {
                shown.push(last);
                Value::from(shown)
            }
        };
        insert(result, "diff", value);
    }

    /// What a program that is a module of its own said of itself (custom executables, jobs that ran before).
    pub(super) fn adopt(&self, changed: bool, skipped: bool) {
        if changed {
            self.changed.set(true);
        }
        if skipped {
            self.skipped.set(true);
        }
    }

    /// `copy` whose result tells nothing of differences: of what is on the host already, which Ansible's controller has
    /// no part in, and of a folder, of whose files nothing is told.
    pub(super) fn keeps_no_diff(&self, args: &serde_json::Value) -> bool {
        let files =
            |input: &Input| input.entries.iter().filter(|entry| matches!(entry.kind, InputKind::File { .. })).count();
        let of_files = args.get("content").is_some_and(|content| !content.is_null())
            || self.call.inputs.iter().any(|input| !input.is_tree || files(input) == 1);
        self.call.module == "copy" && !of_files
    }

    /// Warns the user.
    pub fn warn(&self, text: impl Into<String>) {
        self.warnings.borrow_mut().push(text.into());
    }

    /// Tells something that happens now.
    pub fn progress(&self, progress: Progress) {
        if let Progress::Output { stream, .. } = &progress {
            let before = self.told.get();
            let now = before.saturating_add(progress.weight());
            self.told.set(now);
            if before > MOST_TOLD {
                return;
            }
            if now > MOST_TOLD {
                let text = format!("\n[hostctl: more than {} MiB; the rest is not shown]\n", MOST_TOLD >> 20);
                return self.link.progress(Progress::Output { stream: *stream, text });
            }
        }
        self.link.progress(progress);
    }

    /// The way back to the engine, for code that outlives a borrow of this handle.
    pub fn link(&self) -> Arc<dyn Link> {
        Arc::clone(&self.link)
    }

    /// The run was interrupted.
    pub fn cancelled(&self) -> bool {
        self.link.cancelled()
    }

    /// Secrets of the run by their variables' names.
    pub fn masked(&self) -> &[(String, String)] {
        &self.call.masked
    }

    /// Where the controller has the folder that it sent.
    pub fn sent_from(&self) -> Option<&SentFrom> {
        self.call.sent_from.as_ref()
    }

    /// The run that asks, and its controller's clock.
    pub fn asked_by(&self) -> Option<&AskedBy> {
        self.call.asked_by.as_ref()
    }

    /// The controller's files for an argument.
    pub fn input(&self, arg: &str) -> Option<&Input> {
        self.call.inputs.iter().find(|input| input.arg == arg)
    }

    /// The content of an input's file; asks the controller for it.
    pub fn blob(&self, entry: &TreeEntry) -> Result<Blob> {
        match &entry.kind {
            InputKind::File { sha256, .. } => self.link.blob(sha256),
            InputKind::Dir | InputKind::Link { .. } => {
                Err(Diagnostic::internal("a folder or link has no content to ask for"))
            }
        }
    }

    /// Runs a future to its end on the process's runtime.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// The outcome of a call that ended well.
    pub(super) fn finish(self, result: Map) -> Outcome {
        Outcome {
            changed: self.changed.get(),
            skipped: self.skipped.get(),
            result,
            changes: self.changes.into_inner(),
            diffs: self.diffs.into_inner(),
            warnings: self.warnings.into_inner(),
        }
    }

    /// The failure of a call, with what had been done before.
    pub(super) fn fail(self, mut failure: Failure) -> Failure {
        // Ansible's modules forget on failure what they changed before; a command that ran counts.
        let module = self.call.module.as_str();
        let ansibles = super::table::find(module).is_some_and(|entry| entry.meta.full_name.starts_with("ansible."));
        let counts = !ansibles || RAN.contains(&module);
        failure.changed |= counts && self.changed.get() && !self.call.check;
        failure.diffs.append(&mut self.diffs.into_inner());
        failure.warnings.append(&mut self.warnings.into_inner());
        failure
    }
}
