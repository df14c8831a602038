//! Ansible's `minimal` and `oneline` callbacks: one block or line for each result, nothing around.

use std::collections::HashMap;
use std::io::Write;

use super::display::{AnsibleOptions, Display, Tone};
use super::result::{result_text, short};
use super::{diff, dump, message};
use crate::diag::{SourceMap, Span};
use crate::event::{Done, Event, EventKind, Reporter, Status, TaskId, Trouble};
use crate::value::StrKey;

/// Modules whose output is shown as it is.
const RAW: [&str; 5] = ["command", "shell", "raw", "script", "win_shell"];

/// Stands before a failure of `oneline`.
const NO_TRACEBACK: &str = "An exception occurred during task execution. To see the full traceback, use -vvv. The error \
    was: (traceback unavailable)";

/// What a command printed, in one line.
fn line(host: &str, word: &str, rc: &str, result: &crate::value::Map) -> String {
    let shown = |key| result_text(result, key).replace('\n', "\\n").replace('\r', "\\r");
    let text = format!("{host} | {word} | rc={rc} | (stdout) {}", shown("stdout"));
    match shown("stderr") {
        err if err.is_empty() => text,
        err => format!("{text} (stderr) {err}"),
    }
}

/// `minimal`, or `oneline`.
pub struct Brief<O: Write + Send, E: Write + Send> {
    display: Display<O, E>,
    options: AnsibleOptions,
    oneline: bool,
    playbook: String,
    tasks: HashMap<TaskId, (String, Option<Span>, String)>,
}

impl<O: Write + Send, E: Write + Send> Brief<O, E> {
    /// Onto stdout and stderr.
    pub fn new(out: O, err: E, options: AnsibleOptions, oneline: bool) -> Self {
        let options = if oneline { options.plain_json() } else { options };
        Self {
            display: Display::new(out, err, &options),
            options,
            oneline,
            playbook: String::new(),
            tasks: HashMap::new(),
        }
    }

    fn done(&mut self, host: &str, task: TaskId, done: &Done, sources: &SourceMap) {
        let (module, span, place) = self.tasks.get(&task).cloned().unwrap_or_default();
        let name = short(&module).to_owned();
        let changed = done.result.get(&StrKey("changed")).is_some_and(crate::value::Value::truthy);
        let (word, paint) = match done.status {
            Status::Failed => ("FAILED!", Tone::Error),
            Status::Unreachable => ("UNREACHABLE!", Tone::Unreachable),
            Status::Skipped => ("SKIPPED", Tone::Skipped),
            _ if changed => ("CHANGED", Tone::Changed),
            _ => ("SUCCESS", Tone::Ok),
        };
        if !self.oneline && !done.diffs.is_empty() && changed {
            let text = diff::text(&done.diffs, self.options.diff_context, self.options.format, self.display.colored());
            if !text.is_empty() {
                self.display.line(&text, None);
            }
        }
        let json = if done.status == Status::Failed { "module_stderr" } else { "ansible_job_id" };
        let raw = RAW.contains(&name.as_str()) && !done.result.contains_key(&StrKey(json));
        let rc = done.result.get(&StrKey("rc")).map_or_else(|| "-1".to_owned(), crate::value::python_str);
        if !self.oneline && matches!(done.status, Status::Failed | Status::Unreachable) && !done.no_log {
            let text = message::failure(done, span, &place, &name, sources);
            if self.display.first(&text) {
                self.display.line(&text, Some(Tone::Error));
            }
        }
        let mut result = dump::with_arguments(done, &self.options);
        if name == "debug" && !self.oneline {
            dump::clean_debug(&mut result);
        }
        let text = match (self.oneline, raw, done.status) {
            (_, _, Status::Skipped) => format!("{host} | SKIPPED"),
            (true, true, Status::Ok | Status::Changed) => self::line(host, word, &rc, &done.result),
            (true, _, Status::Unreachable) => format!("{host} | UNREACHABLE!: {}", result_text(&done.result, "msg")),
            (true, ..) => {
                // Of a loop its items alone are shown at length, and this callback shows no items.
                let long = done.verbose && !done.result.contains_key(&StrKey("results"));
                let indent = if long { None } else { Some(0) };
                let text = dump::dump_indented(&result, long, indent, &self.options);
                let text = format!("{host} | {word} => {}", text.replace('\n', ""));
                match (done.status, raw) {
                    (Status::Failed, true) => format!("{}\n{text}", self::line(host, "FAILED", &rc, &done.result)),
                    (Status::Failed, false) => format!("{NO_TRACEBACK}\n{text}"),
                    _ => text,
                }
            }
            (false, true, Status::Ok | Status::Changed | Status::Failed) => {
                let word = if done.status == Status::Failed { "FAILED" } else { word };
                // Ansible puts the three one behind the other.
                let body: String =
                    ["stdout", "stderr", "msg"].iter().map(|key| result_text(&done.result, key)).collect();
                format!("{host} | {word} | rc={rc} >>\n{body}\n")
            }
            (false, ..) => format!("{host} | {word} => {}", dump::dump(&result, true, &self.options)),
        };
        self.display.line(&text, Some(paint));
    }
}

impl<O: Write + Send, E: Write + Send> Reporter for Brief<O, E> {
    fn event(&mut self, event: &Event, sources: &SourceMap) {
        let host = event.host.as_deref().unwrap_or_default();
        match &event.kind {
            EventKind::RunStarted { playbook, .. } => {
                playbook.clone_into(&mut self.playbook);
                for line in std::mem::take(&mut self.options.preamble) {
                    self.display.line(&line, Some(Tone::Verbose));
                }
            }
            EventKind::TaskStarted { task, module, span, place, .. } => {
                self.tasks.insert(*task, (module.clone(), *span, place.clone()));
            }
            EventKind::HostDone { task, done, .. } => {
                self.done(host, *task, done, sources);
                self.display.flush();
            }
            EventKind::Warning { diagnostic } if self.options.shows(diagnostic) => {
                self.display.diagnostic(diagnostic.lead(), diagnostic, sources);
            }
            EventKind::Error { diagnostic } => {
                let text = message::diagnostic("ERROR", diagnostic, sources);
                let text = self.display.painted(&text, Some(Tone::Error));
                self.display.write_err(&text);
            }
            EventKind::Recap { failed, .. } => {
                if let Some(retry) = &self.options.retry {
                    retry.tell(&self.playbook, failed, &mut self.display);
                }
            }
            EventKind::RunEnded { .. } => self.display.flush(),
            _ => {}
        }
    }

    fn tick(&mut self) {
        self.display.flush();
    }

    fn trouble(&mut self) -> Option<Trouble> {
        self.display.trouble()
    }
}
