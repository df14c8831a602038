//! The call itself: arguments rendered and checked, inputs found, the target reached.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::sync::mpsc;

use super::arguments::argument_error;
use super::conditions::stacked;
use super::inputs::Take;
use super::interp::HostRun;
use super::outlive::Seen;
use super::result::Attempt;
use crate::diag::{Diagnostic, Kind, Result};
use crate::event::{EventKind, Progress, Status, Stream, TaskId};
use crate::modules::{Call, Failure, InputKind, ModuleEntry, Outcome, RunsOn};
use crate::playbook::{ModuleUse, Task};
use crate::secret::Redactor;
use crate::template::is_omit;
use crate::value::{Key, Map, StrKey, Value, boolean_word, insert, python_str};
use crate::vars::Scope;
use crate::yaml::Node;

impl HostRun {
    /// Renders the arguments, calls the module, and gives what came of it.
    pub(super) async fn invoke(&self, task: &Arc<Task>, module: &ModuleUse, scope: &Scope, no_log: bool) -> Attempt {
        for said in &module.deprecated {
            // A person was told before the run.
            let warning = Diagnostic::of_deprecation("P0309", Kind::Source, said.text(), said.clone());
            super::heard::hear(warning.about(None, None));
        }
        self.warn_fact_modules(module, scope);
        let (args, places) = match self.arguments(task, module, scope) {
            Ok(found) => found,
            Err(diagnostic) => return Attempt::error(diagnostic),
        };
        let json = match module.entry.spec().coerce(&args, &|_| false) {
            Ok(json) => json,
            Err(errors) => {
                let said = crate::modules::ansible_message(module.entry, &module.name, &errors);
                let failure = Failure::from(argument_error(module, &errors, &places));
                let mut result = said.map_or_else(Map::new, |said| crate::map! { "msg" => said });
                if let Some(details) = errors.iter().find_map(|error| error.details.as_deref()) {
                    insert(&mut result, "details", details);
                }
                return Attempt::from_failure(Failure { result, ..failure });
            }
        };
        // A wrong value fails the task, whoever runs it.
        for name in ["check_mode", "diff"] {
            if let Err(diagnostic) = self.keyword_flag(task, name, scope) {
                return Attempt::error(diagnostic);
            }
        }
        let job = match self.job(task, scope) {
            Ok(job) => job,
            Err(diagnostic) => return Attempt::error(diagnostic),
        };
        if job.is_some() && !super::jobs::possible(module.entry) {
            return super::jobs::refused(&module.name);
        }
        let limit = match self.limit(task, scope) {
            Ok(limit) => limit,
            Err(diagnostic) => return Attempt::error(diagnostic),
        };
        if module.entry.meta.runs_on == RunsOn::Engine {
            let work = self.builtin(task, module, (&args, &places), json, scope, no_log);
            return match limit {
                Some(seconds) => tokio::time::timeout(Duration::from_secs(seconds), work)
                    .await
                    .unwrap_or_else(|_| Attempt::from_failure(timed_out(seconds))),
                None => work.await,
            };
        }
        let secrets = super::shown::secret_arguments(module.entry, &json);
        // The results of a loop's items have them too.
        let wanted = self.shows_arguments() || super::loops::is_looped(task);
        let arguments = wanted.then(|| super::shown::shown_arguments(module.entry, &json));
        let call = match self.whole_call(task, module, json, scope, no_log, job) {
            Ok(call) => call,
            Err(diagnostic) => return Attempt::error(diagnostic),
        };
        let spec = match self.target_spec(task, scope, module.entry.meta.runs_on) {
            Ok(spec) => spec,
            Err(diagnostic) => return Attempt::error(diagnostic),
        };
        let target = match self.play.engine.targets.target(&spec).await {
            Ok(target) => target,
            Err(diagnostic) => return Attempt::error(diagnostic),
        };
        if let Some(user) = leaving_user(&call) {
            self.play.engine.targets.dismiss(&spec, user).await;
        }
        let folder = self.copied_folder(task, &call);
        let unsent = self.unforced_file(task, &call);
        let named = self.named(task, &call, folder.as_deref());
        let job = job.map(|job| (job, call.clone()));
        let ended = if call.outlives.is_some() {
            self.carry_through(&spec, call, task.id, limit).await
        } else {
            self.carry_out(target.as_ref(), call, task.id, limit, &Seen::default()).await
        };
        let mut attempt = match ended {
            Ok(mut outcome) => {
                named.apply(&mut outcome);
                if let Some(folder) = folder {
                    insert(&mut outcome.result, "src", folder);
                } else if let Some(file) = unsent
                    && !outcome.changed
                    && !outcome.result.contains_key(&StrKey("checksum"))
                {
                    insert(&mut outcome.result, "src", file);
                    outcome.result.shift_remove(&StrKey("diff"));
                }
                Attempt::from_outcome(outcome)
            }
            Err(failure) => {
                if failure.diagnostic.kind == Kind::Unreachable {
                    self.play.engine.targets.reset(&spec.host).await;
                }
                Attempt::from_failure(failure)
            }
        };
        if attempt.status != Status::Unreachable {
            for (name, warning) in crate::modules::deprecated_arguments(module.entry, &args) {
                let place = places.get(&*name).map(|(place, _)| *place);
                super::heard::hear(warning.with_label_opt(place, "deprecated"));
            }
        }
        if let Some((job, call)) = job.filter(|(job, _)| job.poll > 0.0 && !attempt.failed()) {
            attempt = self.wait_for_job(task.id, job, attempt, &call, &spec).await;
        }
        attempt.arguments = arguments;
        attempt.secrets = secrets;
        attempt
    }

    /// The task's time limit in seconds.
    fn limit(&self, task: &Task, scope: &Scope) -> Result<Option<u64>> {
        let limit = self.keyword_value(task, "timeout", scope)?.as_ref().map(time_limit).transpose();
        let limit = limit.map_err(|diagnostic| {
            let place = super::conditions::keyword(task, "timeout").map(Node::place);
            diagnostic.with_label_opt(place, "no time limit")
        })?;
        Ok(limit.filter(|limit| *limit > 0))
    }

    /// The call of a task: a program of the playbook's own goes with it, and what a job in the background needs.
    fn whole_call(
        &self,
        task: &Task,
        module: &ModuleUse,
        json: serde_json::Value,
        scope: &Scope,
        no_log: bool,
        job: Option<super::jobs::Job>,
    ) -> Result<Call> {
        let mut call = self.call(task, module.entry, json, scope, no_log)?;
        if let Some(program) = &module.program {
            call.inputs.push(self.file_input("module", program, Take::default())?);
            let interpreter = self.interpreter(program, scope)?;
            call.args = serde_json::json!({ "name": &*module.name, "args": call.args, "interpreter": interpreter });
        }
        call.detach = job.map(|job| job.limit);
        if job.is_some() || call.module == "async_status" {
            // Of several the last counts; the keyword `environment` has no say in it.
            call.environment.push(("ANSIBLE_ASYNC_DIR".to_owned(), self.jobs_folder(scope)?));
        }
        self.fill_in(task, &mut call);
        Ok(call)
    }

    /// Calls the module and tells its output on the way; ends with the time limit.
    pub(super) async fn carry_out(
        &self,
        target: &dyn super::target::Target,
        call: Call,
        task: TaskId,
        limit: Option<u64>,
        seen: &Seen,
    ) -> std::result::Result<Outcome, Failure> {
        let (sender, mut receiver) = mpsc::channel(QUEUED);
        let mut lines = Lines::new(self, task, call.no_log);
        let work = target.invoke(call, sender);
        tokio::pin!(work);
        let deadline = async {
            match limit {
                Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(deadline);
        let ended = loop {
            tokio::select! {
                // Output that never ends must not outrun the end; what is left of it is taken behind the loop.
                biased;
                ended = &mut work => break ended,
                () = &mut deadline => {
                    receiver.close();
                    break Err(timed_out(limit.unwrap_or_default()));
                }
                Some(progress) = receiver.recv() => {
                    seen.count(&progress);
                    lines.take(progress);
                }
            }
        };
        while let Ok(progress) = receiver.try_recv() {
            seen.count(&progress);
            lines.take(progress);
        }
        lines.flush();
        ended
    }

    /// What a script's first line is replaced by: `ansible_perl_interpreter` and the like.
    fn interpreter(&self, program: &std::path::Path, scope: &Scope) -> Result<Option<String>> {
        use std::io::Read as _;
        let mut head = [0; 256];
        let count = crate::diag::read::open_plain(program).and_then(|mut file| file.read(&mut head)).unwrap_or(0);
        let line = String::from_utf8_lossy(&head[..count]).lines().next().unwrap_or_default().to_owned();
        let Some(line) = line.strip_prefix("#!") else { return Ok(None) };
        let mut words = line.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or_default());
        let name = words
            .find(|word| *word != "env")
            .unwrap_or_default()
            .trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        self.named_interpreter(name, scope)
    }

    /// The program that `ansible_NAME_interpreter` names for scripts in a language; none to look for one.
    fn named_interpreter(&self, name: &str, scope: &Scope) -> Result<Option<String>> {
        let name = format!("ansible_{name}_interpreter");
        if scope.get(&name).is_none() {
            return Ok(None);
        }
        let value = self.play.engine.templates.variable(&name, scope)?.map(|value| python_str(&value));
        Ok(value.filter(|text| !text.is_empty() && !text.starts_with("auto")))
    }

    /// The folder of the controller that `copy` brings to the host: Ansible's result has it as `src`.
    fn copied_folder(&self, task: &Task, call: &Call) -> Option<String> {
        let is_folder = call.module == "copy" && call.inputs.first().is_some_and(|input| input.is_tree);
        let name = call.args.get("src").and_then(serde_json::Value::as_str).filter(|_| is_folder)?;
        let path = self.search(task, "files", name).and_then(|path| std::path::absolute(path).ok())?;
        let path = path.display().to_string();
        Some(if name.ends_with('/') && !path.ends_with('/') { path + "/" } else { path })
    }

    /// The file of a `copy` that does not replace what is there: its name is all that Ansible's result has then.
    fn unforced_file(&self, task: &Task, call: &Call) -> Option<String> {
        let file = call.module == "copy" && call.inputs.first().is_some_and(|input| !input.is_tree);
        let name = call.args.get("src").and_then(serde_json::Value::as_str).filter(|_| file)?;
        let kept = call.args.get("force").and_then(serde_json::Value::as_bool) == Some(false);
        let path = self.search(task, "files", name).filter(|_| kept).and_then(|path| std::path::absolute(path).ok())?;
        Some(path.display().to_string())
    }

    /// What Ansible makes of a call's differences; `folder` is what `copy` brings.
    fn named(&self, task: &Task, call: &Call, folder: Option<&str>) -> Named {
        if !call.diff {
            return Named::AsTold;
        }
        let input = call.inputs.first();
        match (&*call.module, input) {
            ("assemble", None) => Named::Never,
            ("copy", None) if flag(&call.args, "remote_src") => Named::Never,
            ("copy", Some(input)) if input.is_tree => match (&*input.entries, folder) {
                // With anything beside a file, what was done last counts.
                ([only], Some(folder)) if matches!(only.kind, InputKind::File { .. }) => {
                    Named::Source(format!("{}/{}", folder.trim_end_matches('/'), only.path))
                }
                _ => Named::Never,
            },
            ("copy", Some(_)) => {
                let name = call.args.get("src").and_then(serde_json::Value::as_str);
                let path = name.and_then(|name| self.search(task, "files", name));
                path.and_then(|path| std::path::absolute(path).ok())
                    .map_or(Named::AsTold, |path| Named::Source(path.display().to_string()))
            }
            _ => Named::AsTold,
        }
    }

    /// The call of a module with everything that goes with it.
    pub(super) fn call(
        &self,
        task: &Task,
        entry: &'static ModuleEntry,
        mut args: serde_json::Value,
        scope: &Scope,
        no_log: bool,
    ) -> Result<Call> {
        if let Some(language) = entry.meta.tells_of
            && let Some(program) = self.named_interpreter(language, scope)?
        {
            args[language] = program.into();
        }
        let check = self.keyword_flag(task, "check_mode", scope)?.unwrap_or(self.play.engine.options.check);
        let diff = self.keyword_flag(task, "diff", scope)?.unwrap_or(self.play.engine.options.diff);
        let environment = self.environment(task, scope)?;
        let inputs = self.inputs(task, entry, &args, scope)?;
        let diff_limit = self.play.engine.options.diff_limit;
        Ok(Call { check, diff, diff_limit, environment, no_log, inputs, ..Call::new(entry.meta.name, args) })
    }

    /// Somebody shows the arguments of every call.
    pub(super) fn shows_arguments(&self) -> bool {
        self.play.engine.options.verbosity >= 3 || self.play.engine.sink.wants_all()
    }

    /// Tells once that facts come from `setup` alone where a variable names other modules for them.
    fn warn_fact_modules(&self, module: &ModuleUse, scope: &Scope) {
        const NAME: &str = "ansible_facts_modules";
        if module.entry.meta.name != "setup" || scope.get(NAME).is_none() {
            return;
        }
        let wanted = self.play.engine.templates.variable(NAME, scope).ok().flatten();
        let own = |value: &Value| matches!(python_str(value).rsplit('.').next(), Some("smart" | "setup"));
        let only_own = match &wanted {
            Some(Value::List(names)) => names.iter().all(own),
            Some(name) => own(name),
            None => true,
        };
        if !only_own {
            let text = format!("the variable `{NAME}` is read, but not supported: facts come from `setup` alone");
            let warning = Diagnostic::source("C0112", text)
                .with_label_opt(scope.get(NAME).and_then(|(entry, _)| entry.span()), "names other modules")
                .with_hint("call those modules in tasks of their own");
            self.play.engine.warn_once(None, warning);
        }
    }

    /// One `environment`. What facts are gathered with may name `ansible_env`, which is not known by then: such
    /// entries are left out, as with Ansible.
    fn environment_part(&self, task: &Task, node: &Node, scope: &Scope) -> Result<Value> {
        let templates = &self.play.engine.templates;
        let gathers = task.action.is_module("setup");
        let Some(items) = node.as_list().map_or_else(|| Some(std::slice::from_ref(node)), Some).filter(|_| gathers)
        else {
            return templates.render(node, scope);
        };
        let mut all = Map::new();
        for item in items {
            let Some(pairs) = item.as_map() else {
                if let Value::Map(map) = templates.render(item, scope)? {
                    all.extend(map.iter().map(|(key, value)| (key.clone(), value.clone())));
                }
                continue;
            };
            for (key, value) in pairs {
                match templates.render(value, scope) {
                    Ok(value) => drop(all.insert(Key::from(python_str(&templates.render(key, scope)?)), value)),
                    Err(error) if error.message.contains("ansible_env") || error.message.contains("ansible_facts") => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Value::from(all))
    }

    /// `environment` of the play, its blocks and the task, the inner ones last.
    fn environment(&self, task: &Task, scope: &Scope) -> Result<Vec<(String, String)>> {
        let mut all: IndexMap<String, String> = IndexMap::new();
        for node in stacked(task, "environment") {
            let value = self
                .environment_part(task, node, scope)
                .map_err(|error| super::conditions::in_keyword(task, "environment", error))?;
            let parts = match value {
                Value::List(parts) => parts.to_vec(),
                Value::Null => continue,
                other if is_omit(&other) => continue,
                other => vec![other],
            };
            for part in parts {
                match part {
                    Value::Map(map) => {
                        let set = map.iter().filter(|(_, value)| !is_omit(value));
                        all.extend(set.map(|(key, value)| (key.text().to_string(), python_str(value))));
                    }
                    Value::Null => {}
                    other if is_omit(&other) => {}
                    other => self.play.engine.warn_once(
                        None,
                        Diagnostic::source(
                            "P0154",
                            format!("`environment` needs a mapping, found {}: it is left out", other.type_name()),
                        )
                        .with_label(node.place(), "here")
                        .warning(),
                    ),
                }
            }
        }
        Ok(all.into_iter().collect())
    }
}

/// How the differences of a call are told where people look for Ansible's.
enum Named {
    /// As the module told them.
    AsTold,
    /// Ansible makes none.
    Never,
    /// The content comes from this file of the controller, which Ansible names.
    Source(String),
}

impl Named {
    fn apply(&self, outcome: &mut Outcome) {
        match self {
            Self::AsTold => {}
            Self::Never => {
                outcome.diffs.iter_mut().for_each(|diff| diff.ours = true);
                outcome.result.shift_remove(&StrKey("diff"));
            }
            Self::Source(source) => {
                for diff in outcome.diffs.iter_mut().filter(|diff| !diff.mapping) {
                    diff.after_header.clone_from(source);
                }
                let Some(Value::List(diffs)) = outcome.result.get_mut(&StrKey("diff")) else { return };
                for diff in Arc::make_mut(diffs) {
                    if let Value::Map(diff) = diff
                        && diff.contains_key(&StrKey("after_header"))
                        && diff.get(&StrKey("after")).is_none_or(|after| after.as_str().is_some())
                    {
                        insert(Arc::make_mut(diff), "after_header", source.as_str());
                    }
                }
            }
        }
    }
}

/// What ansible-core registers where it shows no traceback.
const NO_FRAME: &str = "Configure `DISPLAY_TRACEBACK` to see a traceback on timeout errors.";

/// What a task that took longer than its `timeout` ends with.
fn timed_out(seconds: u64) -> Failure {
    let result = crate::map! {
        "msg" => format!("Task failed: Timed out after {seconds} second(s)."),
        "timedout" => crate::map! { "frame" => NO_FRAME, "period" => seconds },
    };
    let diagnostic = Diagnostic::task("H0012", format!("the task did not end within {seconds} seconds"))
        .with_hint("raise the task's `timeout`");
    Failure::with_result(diagnostic, result)
}

/// The user that a call takes away: nothing may run as that one any more.
fn leaving_user(call: &Call) -> Option<&str> {
    let text = |name: &str| call.args.get(name).and_then(serde_json::Value::as_str);
    let leaves = call.module == "user" && !call.check && text("state") == Some("absent");
    text("name").filter(|_| leaves)
}

/// `timeout` in seconds; 0 is none.
fn time_limit(value: &Value) -> Result<u64> {
    let text = python_str(value);
    let wrong = |said: String| {
        Diagnostic::source("P0111", format!("`timeout` must be a number of seconds up to 100000000, found `{text}`"))
            .with_registered(said)
            .with_hint("timeout: 60")
    };
    let seconds = super::conditions::whole(value).ok_or_else(|| {
        let shown = crate::value::python_repr(value);
        wrong(format!(
            "Task failed: Error processing keyword 'timeout': The value {shown} could not be converted to 'int'."
        ))
    })?;
    let range = "it must be between 0 and 100000000.";
    u64::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds <= 100_000_000)
        .ok_or_else(|| wrong(format!("Timeout {seconds} is invalid, {range}")))
}

/// Gathers output into whole lines, so that a secret is never cut in two.
struct Lines<'a> {
    run: &'a HostRun,
    task: TaskId,
    no_log: bool,
    open: [String; 2],
}

/// Messages of a call that may wait to be shown.
const QUEUED: usize = 64;

/// An endless line is passed on in parts of about this size.
const LINE_LIMIT: usize = 64 * 1024;

/// What is kept of such a line: a secret may have begun there.
const KEPT: usize = 32 * 1024;

/// How much of the output so far may be passed on: whole lines, or of an endless one a part that ends in no secret.
fn cut(open: &str, redactor: &Redactor) -> Option<usize> {
    if let Some(at) = open.rfind('\n') {
        return Some(at + 1);
    }
    if open.len() <= LINE_LIMIT {
        return None;
    }
    let mut at = open.len() - KEPT;
    while !open.is_char_boundary(at) {
        at -= 1;
    }
    let at = redactor.outside(open, at);
    // Nothing else can be done about a secret of that size.
    if at == 0 && open.len() > LINE_LIMIT * 16 { Some(open.len()) } else { (at > 0).then_some(at) }
}

impl<'a> Lines<'a> {
    fn new(run: &'a HostRun, task: TaskId, no_log: bool) -> Self {
        Self { run, task, no_log, open: [String::new(), String::new()] }
    }

    fn take(&mut self, progress: Progress) {
        match progress {
            Progress::Output { stream, text } => {
                let index = usize::from(stream == Stream::Stderr);
                self.open[index].push_str(&text);
                if let Some(cut) = cut(&self.open[index], &self.run.play.engine.redactor) {
                    let rest = self.open[index].split_off(cut);
                    let whole = std::mem::replace(&mut self.open[index], rest);
                    self.emit(Progress::Output { stream, text: whole });
                }
            }
            other => self.emit(other),
        }
    }

    fn flush(&mut self) {
        for (index, stream) in [Stream::Stdout, Stream::Stderr].into_iter().enumerate() {
            let text = std::mem::take(&mut self.open[index]);
            if !text.is_empty() {
                self.emit(Progress::Output { stream, text });
            }
        }
    }

    fn emit(&self, progress: Progress) {
        if self.no_log && matches!(progress, Progress::Output { .. }) {
            return;
        }
        self.run.emit(EventKind::Progress { task: self.task, progress });
    }
}

/// A boolean out of checked arguments.
pub(super) fn flag(args: &serde_json::Value, name: &str) -> bool {
    args.get(name).is_some_and(|value| match value {
        serde_json::Value::Bool(flag) => *flag,
        serde_json::Value::String(text) => boolean_word(text).unwrap_or(false),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_line_is_never_cut_in_a_secret() {
        let redactor = Redactor::default();
        redactor.learn("hunter2secret");
        assert_eq!(cut("a\nb", &redactor), Some(2));
        assert_eq!(cut("no end", &redactor), None);
        // The place where it would be cut stands in the secret.
        let before = "x".repeat(LINE_LIMIT - KEPT);
        let open = format!("{before}hunter2secret{}", "y".repeat(KEPT - 6));
        assert_eq!(cut(&open, &redactor), Some(before.len()));
        // A secret that has only begun at the end is kept whole.
        let open = format!("{}hunter2", "x".repeat(LINE_LIMIT));
        assert!(cut(&open, &redactor).unwrap() + KEPT <= open.len());
    }
}
