//! The call itself: arguments rendered and checked, inputs found, the target reached.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::sync::mpsc;

use super::conditions::{stacked, truth};
use super::inputs::Take;
use super::interp::HostRun;
use super::result::Attempt;
use crate::diag::{Diagnostic, Result, Span};
use crate::event::{EventKind, Progress, Stream, TaskId};
use crate::modules::{ArgError, Call, Failure, ModuleEntry, PathPart, RunsOn};
use crate::playbook::{ModuleUse, Task};
use crate::secret::Secret;
use crate::template::is_omit;
use crate::value::{Key, Map, StrKey, Value, insert, python_str};
use crate::vars::Scope;
use crate::yaml::{Node, NodeData};

impl HostRun {
    /// Renders the arguments, calls the module, and gives what came of it.
    pub(super) async fn invoke(&self, task: &Arc<Task>, module: &ModuleUse, scope: &Scope, no_log: bool) -> Attempt {
        let (args, places) = match self.arguments(task, module, scope) {
            Ok(found) => found,
            Err(diagnostic) => return Attempt::error(diagnostic),
        };
        let json = match module.entry.spec().coerce(&args, &|_| false) {
            Ok(json) => json,
            Err(errors) => {
                let said = crate::modules::ansible_message(module.entry, &module.name, &errors);
                let failure = Failure::from(argument_error(module, &errors, &places));
                let result = said.map_or_else(Map::new, |said| crate::map! { "msg" => said });
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
        if module.entry.meta.runs_on == RunsOn::Engine {
            return self.builtin(task, module, &args, json, scope, no_log).await;
        }
        let secrets = secret_arguments(module.entry, &json);
        let arguments = (self.play.engine.options.verbosity >= 3).then(|| shown_arguments(module.entry, &json));
        let call = self.call(task, module.entry, json, scope, no_log).and_then(|mut call| {
            if let Some(program) = &module.program {
                call.inputs.push(self.file_input("module", program, Take::default())?);
                let interpreter = self.interpreter(program, scope)?;
                call.args = serde_json::json!({ "name": &*module.name, "args": call.args, "interpreter": interpreter });
            }
            call.detach = job.map(|job| job.limit);
            Ok(call)
        });
        let call = match call {
            Ok(call) if call.check && job.is_some() => {
                let message = "\"check mode\" and \"async\" cannot be used on same task.";
                return Attempt::error(
                    Diagnostic::task("H0030", "a job cannot be started in check mode")
                        .with_registered(message)
                        .with_hint("check_mode: false"),
                );
            }
            Ok(call) => call,
            Err(diagnostic) => return Attempt::error(diagnostic),
        };
        let limit = match self.keyword_value(task, "timeout", scope) {
            Ok(value) => match value.as_ref().map(time_limit).transpose() {
                Ok(limit) => limit.filter(|limit| *limit > 0),
                Err(diagnostic) => {
                    let place = super::conditions::keyword(task, "timeout").map(Node::place);
                    return Attempt::error(diagnostic.with_label_opt(place, "no time limit"));
                }
            },
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
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut lines = Lines::new(self, task.id, no_log);
        let job = job.map(|job| (job, call.clone()));
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
                biased;
                Some(progress) = receiver.recv() => lines.take(progress),
                ended = &mut work => break ended,
                () = &mut deadline => {
                    let seconds = limit.unwrap_or_default();
                    let said = format!("Timed out after {seconds} second(s).");
                    let result = crate::map! {
                        "msg" => format!("Task failed: {said}"),
                        "timedout" => crate::map! { "frame" => "", "period" => seconds },
                    };
                    let diagnostic = Diagnostic::task("H0012", format!("the task did not end within {seconds} seconds"))
                        .with_hint("raise the task's `timeout`");
                    break Err(Failure::with_result(diagnostic, result));
                }
            }
        };
        while let Ok(progress) = receiver.try_recv() {
            lines.take(progress);
        }
        lines.flush();
        let mut attempt = match ended {
            Ok(mut outcome) => {
                if let Some(folder) = folder {
                    insert(&mut outcome.result, "src", folder);
                }
                Attempt::from_outcome(outcome)
            }
            Err(failure) => {
                if failure.diagnostic.kind == crate::diag::Kind::Unreachable {
                    self.play.engine.targets.reset(&spec.host).await;
                }
                Attempt::from_failure(failure)
            }
        };
        if let Some((job, call)) = job.filter(|(job, _)| job.poll > 0.0 && !attempt.failed()) {
            attempt = self.wait_for_job(job, attempt, &call, &spec).await;
        }
        attempt.arguments = arguments;
        attempt.secrets = secrets;
        attempt
    }

    /// What a script's first line is replaced by: `ansible_perl_interpreter` and the like.
    fn interpreter(&self, program: &std::path::Path, scope: &Scope) -> Result<Option<String>> {
        use std::io::Read as _;
        let mut head = [0; 256];
        let count = std::fs::File::open(program).and_then(|mut file| file.read(&mut head)).unwrap_or(0);
        let line = String::from_utf8_lossy(&head[..count]).lines().next().unwrap_or_default().to_owned();
        let Some(line) = line.strip_prefix("#!") else { return Ok(None) };
        let mut words = line.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or_default());
        let name = words
            .find(|word| *word != "env")
            .unwrap_or_default()
            .trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let name = format!("ansible_{name}_interpreter");
        if scope.get(&name).is_none() {
            return Ok(None);
        }
        let value = self.play.engine.templates.variable(&name, scope)?.map(|value| python_str(&value));
        Ok(value.filter(|text| !text.is_empty() && !text.starts_with("auto")))
    }

    /// What `module_defaults` holds for a module: groups of actions first. Of several entries for one name or group
    /// the innermost counts as a whole, as in Ansible.
    pub(super) fn module_defaults(
&self, task: &Task, module: &ModuleUse, scope: &Scope) -> Result<Vec<(Arc<str>, Value, Node)>> {
        let loader = &self.play.engine.loader;
        let mut groups: IndexMap<&str, &Node> = IndexMap::new();
        let mut named = None;
        for node in stacked(task, "module_defaults") {
            let single = std::slice::from_ref(node);
            let maps = node.as_list().unwrap_or(single).iter();
            for (key, value) in maps.flat_map(|map| map.as_map().unwrap_or_default()) {
                let Some(name) = key.as_str().filter(|name| loader.defaults_apply(name, module, &task.context)) else {
                    continue;
                };
                match name.strip_prefix("group/") {
                    Some(group) => drop(groups.insert(group, value)),
                    None => named = Some(value),
                }
            }
        }
        let templates = &self.play.engine.templates;
        let mut found = Vec::new();
        for node in groups.into_values().chain(named) {
            match node.as_map() {
                Some(pairs) => {
                    for (name, value) in pairs {
                        if let Some(name) = name.as_str() {
                            found.push((Arc::from(name), templates.render(value, scope)?, value.clone()));
                        }
                    }
                }
                // All of them may come from one template.
                None => {
                    if let Value::Map(map) = templates.render(node, scope)? {
                        found.extend(map.iter().map(|(name, value)| (name.text(), value.clone(), node.clone())));
                    }
                }
            }
        }
        Ok(found)
    }

    /// The arguments by name with the places they come from; `module_defaults` below them.
    pub(super) fn arguments(
        &self,
        task: &Task,
        module: &ModuleUse,
        scope: &Scope,
    ) -> Result<(Map, IndexMap<Arc<str>, (Span, Node)>)> {
        let templates = &self.play.engine.templates;
        let mut places: IndexMap<Arc<str>, (Span, Node)> = IndexMap::new();
        let mut args = Map::new();
        for (key, value, node) in self.module_defaults(task, module, scope)? {
            places.insert(Arc::clone(&key), (node.place(), node));
            set_arg(&mut args, module.entry, key, value);
        }
        if let Some(node) = &module.args_template {
            match templates.render(node, scope)? {
                Value::Map(map) => {
                    for (key, value) in map.iter() {
                        places.insert(key.text(), (node.place(), node.clone()));
                        set_arg(&mut args, module.entry, key.text(), value.clone());
                    }
                }
                Value::Null => {}
                Value::Str(text) if module.entry.meta.free_form.is_some() => {
                    let name: Arc<str> = module.entry.meta.free_form.unwrap_or_default().into();
                    places.insert(Arc::clone(&name), (node.place(), node.clone()));
                    set_arg(&mut args, module.entry, name, Value::Str(text));
                }
                other => {
                    let found = format!("the arguments must be a mapping, found {}", other.type_name());
                    let name = module.entry.meta.full_name;
                    return Err(Diagnostic::source("P0153", found.clone())
                        .with_registered(format!("Task failed: Finalization of task args for '{name}' failed: {found}"))
                        .with_label(node.place(), "rendered to something else")
                        .with_hint("write `name: value` lines, or a template that gives a mapping"));
                }
            }
        }
        for (name, (span, node)) in &module.args {
            let name = if name.contains("{{") {
                match templates.render(&Node::text(Arc::clone(name), *span), scope)? {
                    Value::Str(name) => name,
                    other => {
                        let kind = python_type(&other);
                        let message = format!("Invalid variable name '{}' of type '{kind}'.", python_str(&other));
                        return Err(Diagnostic::task("H0025", message)
                            .with_label(*span, "rendered to no text")
                            .with_hint("the template of a name gives text"));
                    }
                }
            } else {
                Arc::clone(name)
            };
            let value = if keeps_expressions(module.entry, &name) {
                node.to_value()
            } else {
                templates.render(node, scope).map_err(|error| finalizing(module.entry, &name, error))?
            };
            places.insert(Arc::clone(&name), (*span, node.clone()));
            if is_omit(&value) {
                args.shift_remove(&StrKey(&name));
            } else {
                set_arg(&mut args, module.entry, name, value);
            }
        }
        self.backend_defaults(task, module, scope, &mut args, &mut places)?;
        Ok((args, places))
    }

    /// The folder of the controller that `copy` brings to the host: Ansible's result has it as `src`.
    fn copied_folder(&self, task: &Task, call: &Call) -> Option<String> {
        let is_folder = call.module == "copy" && call.inputs.first().is_some_and(|input| input.is_tree);
        let name = call.args.get("src").and_then(serde_json::Value::as_str).filter(|_| is_folder)?;
        let path = self.search(task, "files", name).and_then(|path| std::path::absolute(path).ok())?;
        let path = path.display().to_string();
        Some(if name.ends_with('/') && !path.ends_with('/') { path + "/" } else { path })
    }

    /// The call of a module with everything that goes with it.
    pub(super) fn call(
        &self,
        task: &Task,
        entry: &'static ModuleEntry,
        args: serde_json::Value,
        scope: &Scope,
        no_log: bool,
    ) -> Result<Call> {
        let check = self.keyword_flag(task, "check_mode", scope)?.unwrap_or(self.play.engine.options.check);
        let diff = self.keyword_flag(task, "diff", scope)?.unwrap_or(self.play.engine.options.diff);
        let environment = self.environment(task, scope)?;
        let inputs = self.inputs(task, entry, &args, scope)?;
        Ok(Call { check, diff, environment, no_log, inputs, ..Call::new(entry.meta.name, args) })
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
            let value = self.environment_part(task, node, scope)?;
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

/// What Python calls the type of a value.
fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::List(_) => "list",
        Value::Map(_) => "dict",
        _ => "str",
    }
}

/// A call's arguments as they are shown: secret ones by Ansible's word for them.
fn shown_arguments(entry: &ModuleEntry, json: &serde_json::Value) -> Map {
    let serde_json::Value::Object(args) = json else { return Map::new() };
    args.iter()
        .map(|(name, value)| {
            let secret = entry.spec().arg(name).is_some_and(|arg| arg.secret);
            let value = if secret && !value.is_null() {
                Value::from("VALUE_SPECIFIED_IN_NO_LOG_PARAMETER")
            } else {
                crate::value::from_json(value.clone())
            };
            (Key::from(name.clone()), value)
        })
        .collect()
}

/// The texts of secret arguments, which the module's result may repeat. `content` of `copy` is hidden for its size.
fn secret_arguments(entry: &ModuleEntry, json: &serde_json::Value) -> Vec<Secret> {
    fn texts(value: &serde_json::Value, found: &mut Vec<Secret>) {
        match value {
            serde_json::Value::String(text) => found.push(Secret::new(text.as_str())),
            serde_json::Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
            serde_json::Value::Object(map) => map.values().for_each(|item| texts(item, found)),
            serde_json::Value::Number(number) => found.push(Secret::new(number.to_string())),
            serde_json::Value::Null | serde_json::Value::Bool(_) => {}
        }
    }
    let serde_json::Value::Object(args) = json else { return Vec::new() };
    let asks_password = entry.meta.name == "debconf" && args.get("vtype").is_some_and(|vtype| vtype == "password");
    let mut found = Vec::new();
    for (name, value) in args {
        let secret = entry.spec().arg(name).is_some_and(|arg| arg.secret) && (entry.meta.name, &**name) != ("copy", "content");
        if secret || asks_password && name == "value" {
            texts(value, &mut found);
        }
    }
    found
}

/// Arguments that hold bare expressions, which the engine evaluates itself.
fn keeps_expressions(entry: &ModuleEntry, name: &str) -> bool {
    matches!((entry.meta.name, name), ("assert", "that") | ("debug", "var"))
}

/// A failure of an argument's template, as registered results tell it.
fn finalizing(entry: &ModuleEntry, name: &str, error: Diagnostic) -> Diagnostic {
    let name = if entry.meta.free_form == Some(name) { "_raw_params" } else { name };
    error
        .within(&format!("Error while resolving value for '{name}': "))
        .within(&format!("Finalization of task args for '{}' failed: ", entry.meta.full_name))
}

/// Sets an argument under its own name, whatever alias was used.
pub(super) fn set_arg(args: &mut Map, entry: &ModuleEntry, name: Arc<str>, value: Value) {
    if let Some(spec) = entry.spec().arg(&name)
        && *spec.name != *name
    {
        // Two names of one argument: the later one counts, and the check sees only one.
        args.shift_remove(&StrKey(&spec.name));
    }
    args.insert(Key::Str(name), value);
}

/// Gives argument errors their places; the first leads, the others are notes.
pub(super) fn argument_error(
    module: &ModuleUse,
    errors: &[ArgError],
    places: &IndexMap<Arc<str>, (Span, Node)>,
) -> Diagnostic {
    let Some(first) = errors.first() else {
        return Diagnostic::internal("arguments were refused without a reason");
    };
    let mut diagnostic = Diagnostic::source(first.code, first.message.clone());
    diagnostic.kind = crate::diag::Kind::Task;
    let span = match first.path.first() {
        Some(PathPart::Key(name)) => match places.get(name.as_str()) {
            Some((key, node)) if first.on_key => {
                let _ = node;
                *key
            }
            Some((_, node)) => descend(node, &first.path[1..]),
            None => module.name_span,
        },
        _ => module.name_span,
    };
    diagnostic = diagnostic.with_label(span, first.label.clone());
    if let Some(hint) = &first.hint {
        diagnostic = diagnostic.with_hint(hint.clone());
    }
    for error in &errors[1..] {
        diagnostic = diagnostic.with_note(error.message.clone());
    }
    diagnostic
}

/// The place of a path inside a node.
fn descend(node: &Node, path: &[PathPart]) -> Span {
    let inner = match (path.first(), &node.data) {
        (Some(PathPart::Key(key)), NodeData::Map(_)) => node.get(key),
        (Some(PathPart::Index(index)), NodeData::List(items)) => items.get(*index),
        _ => None,
    };
    match inner {
        Some(inner) => descend(inner, &path[1..]),
        None => node.place(),
    }
}

/// Gathers output into whole lines, so that a secret is never cut in two.
struct Lines<'a> {
    run: &'a HostRun,
    task: TaskId,
    no_log: bool,
    open: [String; 2],
}

/// An endless line is passed on in parts of this size.
const LINE_LIMIT: usize = 64 * 1024;

impl<'a> Lines<'a> {
    fn new(run: &'a HostRun, task: TaskId, no_log: bool) -> Self {
        Self { run, task, no_log, open: [String::new(), String::new()] }
    }

    fn take(&mut self, progress: Progress) {
        match progress {
            Progress::Output { stream, text } => {
                let index = usize::from(stream == Stream::Stderr);
                self.open[index].push_str(&text);
                let cut = self.open[index].rfind('\n').map(|at| at + 1);
                let cut = cut.or_else(|| (self.open[index].len() > LINE_LIMIT).then(|| self.open[index].len()));
                if let Some(cut) = cut {
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
        serde_json::Value::String(text) => truth(&Value::from(text.as_str())).unwrap_or(false),
        _ => false,
    })
}
