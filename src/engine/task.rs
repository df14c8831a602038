//! One task on one host: loop, conditions, arguments, call, retries, register.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::conditions::{keyword, truth};
use super::interp::{Flow, Here, HostRun};
use super::play::PlayRun;
use super::result::{Attempt, loop_result};
use super::schedule::Round;
use super::state::{Out, lock};
use crate::diag::{Diagnostic, Result, Severity};
use crate::event::{EventKind, Status, TaskId};
use crate::playbook::{ModuleUse, Task};
use crate::value::{Map, StrKey, Value, insert, python_str};
use crate::vars::{Entry, Layer, Level, Scope};
use crate::yaml::Node;

/// How a whole task ended on a host, before it is counted.
pub(super) struct Ended {
    pub attempt: Attempt,
    /// Number of items, if it was a loop.
    pub items: Option<usize>,
    /// Handlers to notify.
    pub notify: Vec<String>,
}

/// The loop of a task.
struct Loop {
    items: Vec<Value>,
    var: String,
    index_var: Option<String>,
    label: Option<Node>,
    pause: f64,
    extended: bool,
    all_items: bool,
    break_when: Option<Node>,
}

impl HostRun {
    /// Runs a task that calls a module.
    pub(super) async fn run_module(
        &self,
        task: &Arc<Task>,
        module: &ModuleUse,
        round: &Arc<Round>,
        here: &Here,
    ) -> Flow {
        let scope = self.scope(task, here);
        // These work on all hosts at once, so one host does it (Ansible's BYPASS_HOST_LOOP).
        let for_all = matches!(module.entry.meta.name, "add_host" | "pause");
        let run_once = for_all || self.keyword_flag(task, "run_once", &scope).ok().flatten().unwrap_or(false);
        if run_once && !round.is_leader(&self.host) {
            return if round.wait().await { Flow::Failed } else { Flow::Next };
        }
        self.announce(task, round, here);
        self.emit(EventKind::HostStarted { task: task.id });
        let started = Instant::now();
        let permit = self.play.engine.forks.acquire().await;
        let mut ended = self.execute(task, module, scope, here).await;
        drop(permit);
        ended.attempt.seconds = started.elapsed().as_secs_f64();
        let flow = self.settle(task, ended, run_once, here);
        if run_once {
            round.finish(flow == Flow::Failed);
        }
        flow
    }

    /// The scope of a task here.
    pub(super) fn scope(&self, task: &Task, here: &Here) -> Scope {
        self.play.scope(&self.host, Some(&task.context), Some(task), &here.frames)
    }

    pub(super) fn emit(&self, kind: EventKind) {
        self.play.engine.sink.emit(Some(&self.host), kind);
    }

    /// Tells that a task starts, once for all hosts of a round.
    pub(super) fn announce(&self, task: &Arc<Task>, round: &Round, here: &Here) {
        if !round.announce() {
            return;
        }
        let module = match &task.action {
            crate::playbook::Action::Module(module) => module.name.to_string(),
            crate::playbook::Action::Include(include) => include.name.to_string(),
        };
        self.play.engine.sink.emit(
            None,
            EventKind::TaskStarted {
                task: task.id,
                name: self.task_name(task, here),
                role: task.context.role().map(|role| role.name.to_string()),
                module,
                place: self.play.engine.templates.sources().place(task.label_span),
                handler: task.handler,
            },
        );
    }

    /// A task's name, rendered as far as it renders; the module's name without one.
    pub(super) fn task_name(&self, task: &Task, here: &Here) -> String {
        match task.keywords.get("name") {
            Some(node) if !node.is_null() => {
                if node.has_template() {
                    let scope = self.scope(task, here);
                    self.play
                        .engine
                        .templates
                        .render(node, &scope)
                        .map_or_else(|_| python_str(&node.to_value()), |value| python_str(&value))
                } else {
                    python_str(&node.to_value())
                }
            }
            _ => match &task.action {
                crate::playbook::Action::Module(module) => module.name.to_string(),
                crate::playbook::Action::Include(include) => include.name.to_string(),
            },
        }
    }

    /// Runs the task's loop, or its one call.
    async fn execute(&self, task: &Arc<Task>, module: &ModuleUse, scope: Scope, here: &Here) -> Ended {
        let no_log = self.keyword_flag(task, "no_log", &scope).ok().flatten().unwrap_or(false);
        let looped = match self.task_loop(task, &scope) {
            Ok(looped) => looped,
            Err(diagnostic) => {
                // A list that cannot be made does not matter where the task would not run.
                let attempt = match self.when(task, &scope) {
                    Ok(Err(condition)) => Attempt::skipped(condition),
                    _ => Attempt::error(diagnostic),
                };
                return Ended { attempt, items: None, notify: Vec::new() };
            }
        };
        let Some(looped) = looped else {
            let mut notify = Vec::new();
            let attempt = self.item(task, module, &scope, no_log, &mut notify).await;
            drop(scope);
            self.apply(task, &attempt);
            return Ended { attempt, items: None, notify };
        };
        let count = looped.items.len();
        let mut notify = Vec::new();
        let mut attempts: Vec<Attempt> = Vec::with_capacity(count);
        let mut base = scope;
        for (index, item) in looped.items.iter().enumerate() {
            if index > 0 && looped.pause > 0.0 {
                tokio::time::sleep(Duration::from_secs_f64(looped.pause)).await;
            }
            if base.get(&looped.var).is_some_and(|(entry, _)| matches!(entry, Entry::Lazy(_))) && index == 0 {
                self.play.engine.warn_once(
                    None,
                    Diagnostic::source(
                        "P0150",
                        format!("the loop variable `{}` hides a variable of that name", looped.var),
                    )
                    .with_label(task.label_span, "this loop")
                    .with_hint("give the loop its own name: `loop_control: {loop_var: ...}`"),
                );
            }
            let layer = looped.layer(index);
            let scope = base.with(layer);
            let started = Instant::now();
            let mut attempt = self.item(task, module, &scope, no_log, &mut notify).await;
            attempt.seconds = started.elapsed().as_secs_f64();
            insert(&mut attempt.result, &looped.var, item.clone());
            insert(&mut attempt.result, "ansible_loop_var", looped.var.as_str());
            if let Some(name) = &looped.index_var {
                insert(&mut attempt.result, name, index);
                insert(&mut attempt.result, "ansible_index_var", name.as_str());
            }
            let label = match &looped.label {
                _ if no_log => "(hidden by no_log)".to_owned(),
                Some(node) => self
                    .play
                    .engine
                    .templates
                    .render(node, &scope)
                    .map_or_else(|error| error.message.clone(), |value| python_str(&value)),
                None => python_str(item),
            };
            let stop = match &looped.break_when {
                Some(node) => {
                    let scope = with_register(task, &attempt.result, &scope);
                    matches!(self.play.engine.templates.condition(node, &scope), Ok(Ok(())))
                }
                None => false,
            };
            let ignored =
                attempt.failed() && self.keyword_flag(task, "ignore_errors", &scope).ok().flatten() == Some(true);
            self.emit(EventKind::ItemDone { task: task.id, label, done: attempt.done(ignored, no_log) });
            self.warn_all(task, &attempt);
            drop(scope);
            if attempt.result.contains_key(&StrKey("ansible_facts")) {
                base = Scope::new();
                self.apply(task, &attempt);
                base.clone_from(&self.scope(task, here));
            }
            let gone = attempt.status == Status::Unreachable;
            attempts.push(attempt);
            if stop || gone || self.play.engine.cancel.is_cancelled() {
                break;
            }
        }
        Ended { attempt: loop_attempt(&attempts), items: Some(count), notify }
    }

    /// One call with its conditions, retries and rewritten status.
    async fn item(
        &self,
        task: &Arc<Task>,
        module: &ModuleUse,
        scope: &Scope,
        no_log: bool,
        notify: &mut Vec<String>,
    ) -> Attempt {
        match self.when(task, scope) {
            Ok(Ok(())) => {}
            Ok(Err(condition)) => return Attempt::skipped(condition),
            Err(diagnostic) => return Attempt::error(diagnostic),
        }
        let until = task.keywords.get("until");
        let tries = match self.tries(task, until.is_some(), scope) {
            Ok(tries) => tries,
            Err(diagnostic) => return Attempt::error(diagnostic),
        };
        let mut attempt_number = 1;
        loop {
            let mut attempt = self.invoke(task, module, scope, no_log).await;
            if attempt.status == Status::Unreachable {
                return attempt;
            }
            if tries.0 > 1 {
                insert(&mut attempt.result, "attempts", attempt_number);
            }
            let scope_now = with_register(task, &attempt.result, scope);
            self.judge(task, &mut attempt, &scope_now);
            if tries.0 <= 1 {
                self.collect_notify(task, &attempt, &scope_now, notify);
                return attempt;
            }
            let scope_now = with_register(task, &attempt.result, scope);
            let done = match until {
                Some(node) => match self.play.engine.templates.condition(node, &scope_now) {
                    Ok(verdict) => verdict.is_ok(),
                    Err(diagnostic) => return Attempt::error(diagnostic),
                },
                None => !attempt.failed(),
            };
            if done {
                self.collect_notify(task, &attempt, &scope_now, notify);
                return attempt;
            }
            if attempt_number >= tries.0 {
                if !attempt.failed() {
                    let diagnostic = Diagnostic::task(
                        "H0011",
                        format!("the condition of `until` did not hold in {} tries", tries.0),
                    )
                    .with_label_opt(until.map(Node::place), "never true");
                    attempt.status = Status::Failed;
                    attempt.diagnostic = Some(diagnostic);
                }
                insert(&mut attempt.result, "failed", true);
                return attempt;
            }
            attempt_number += 1;
            self.emit(EventKind::Retry { task: task.id, attempt: attempt_number, of: tries.0 });
            tokio::time::sleep(Duration::from_secs_f64(tries.1)).await;
        }
    }

    /// Tries in all, and seconds between them.
    fn tries(&self, task: &Task, until: bool, scope: &Scope) -> Result<(u32, f64)> {
        let number = |name: &str| -> Result<Option<f64>> {
            let Some(node) = task.keywords.get(name) else { return Ok(None) };
            let value = self.play.engine.templates.render(node, scope)?;
            let found = python_str(&value);
            found.trim().parse::<f64>().map(Some).map_err(|_| {
                Diagnostic::source("P0111", format!("`{name}` must be a number, found `{found}`"))
                    .with_label(node.place(), "not a number")
            })
        };
        let retries = number("retries")?;
        let delay = number("delay")?.filter(|delay| *delay >= 0.0).unwrap_or(5.0).min(86_400.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped just before")]
        let tries = match retries {
            Some(retries) if retries <= 0.0 => 1,
            Some(retries) => retries.clamp(0.0, 1e6) as u32 + 1,
            None if until => 4,
            None => 1,
        };
        Ok((tries, delay))
    }

    /// `changed_when` and `failed_when`.
    fn judge(&self, task: &Task, attempt: &mut Attempt, scope: &Scope) {
        if attempt.status == Status::Skipped {
            return;
        }
        if let Some(node) = task.keywords.get("changed_when") {
            match self.verdict(node, scope) {
                Ok(changed) => {
                    insert(&mut attempt.result, "changed", changed);
                    if !attempt.failed() {
                        attempt.status = if changed { Status::Changed } else { Status::Ok };
                    }
                    if !changed {
                        attempt.changes.clear();
                    }
                }
                Err(diagnostic) => return fail(attempt, diagnostic),
            }
        }
        if let Some(node) = task.keywords.get("failed_when") {
            let scope = with_register(task, &attempt.result, scope);
            match self.verdict(node, &scope) {
                Ok(failed) => {
                    insert(&mut attempt.result, "failed", failed);
                    insert(&mut attempt.result, "failed_when_result", failed);
                    if failed {
                        let diagnostic = Diagnostic::task("H0010", "the condition of `failed_when` holds")
                            .with_label(node.place(), "true");
                        attempt.status = Status::Failed;
                        attempt.diagnostic = Some(match attempt.diagnostic.take() {
                            Some(own) => own,
                            None => diagnostic,
                        });
                    } else if attempt.failed() {
                        let changed = attempt.result.get(&StrKey("changed")).is_some_and(Value::truthy);
                        attempt.status = if changed { Status::Changed } else { Status::Ok };
                        attempt.diagnostic = None;
                    }
                }
                Err(diagnostic) => return fail(attempt, diagnostic),
            }
        }
        if !attempt.result.contains_key(&StrKey("failed")) {
            insert(&mut attempt.result, "failed", false);
        }
    }

    /// A condition's truth; the list form means all of them.
    fn verdict(&self, node: &Node, scope: &Scope) -> Result<bool> {
        Ok(self.play.engine.templates.condition(node, scope)?.is_ok())
    }

    fn collect_notify(&self, task: &Task, attempt: &Attempt, scope: &Scope, notify: &mut Vec<String>) {
        if attempt.status != Status::Changed {
            return;
        }
        let Some(node) = task.keywords.get("notify") else { return };
        match self.play.engine.templates.render(node, scope) {
            Ok(Value::List(items)) => notify.extend(items.iter().map(python_str)),
            Ok(Value::Null) => {}
            Ok(value) => notify.push(python_str(&value)),
            Err(diagnostic) => self.play.engine.warn_once(Some(&self.host), diagnostic),
        }
    }

    /// Warnings of a result.
    pub(super) fn warn_all(&self, task: &Task, attempt: &Attempt) {
        for text in &attempt.warnings {
            self.play.engine.warn_once(
                Some(&self.host),
                Diagnostic::task("H0002", text.clone())
                    .with_label(task.label_span, format!("this task, on {}", self.host)),
            );
        }
    }

    /// Takes what a result says about the host: facts, set facts, included variables.
    fn apply(&self, task: &Task, attempt: &Attempt) {
        let Some(Value::Map(facts)) = attempt.result.get(&StrKey("ansible_facts")) else { return };
        let name = match &task.action {
            crate::playbook::Action::Module(module) => module.entry.meta.name,
            crate::playbook::Action::Include(_) => return,
        };
        let hosts = if keyword(task, "run_once").is_some_and(|node| truth(&node.to_value()) == Some(true)) {
            let batch = lock(&self.play.batch).clone();
            self.play.alive(&batch)
        } else {
            vec![Arc::clone(&self.host)]
        };
        for host in hosts {
            let state = self.play.engine.states.get(&host);
            let mut state = lock(&state);
            match name {
                "set_fact" => {
                    let cacheable = attempt.result.get(&StrKey("_ansible_facts_cacheable")).is_some_and(Value::truthy);
                    for (key, value) in facts.iter() {
                        state.set(&key.text(), Entry::Data(value.clone(), Some(task.label_span)));
                    }
                    if cacheable {
                        state.merge_facts(facts);
                    }
                }
                "include_vars" => {
                    let included = Arc::make_mut(&mut state.included);
                    for (key, value) in facts.iter() {
                        included.insert(key.text(), Entry::Data(value.clone(), Some(task.label_span)));
                    }
                }
                _ => state.merge_facts(facts),
            }
        }
        if name == "set_fact" {
            self.play
                .warn_hidden(facts.keys().filter_map(|key| Some((key.as_str()?, Some(task.label_span)))), "the fact");
        }
    }

    /// Counts the task's end, registers its result, notifies handlers, and says how to go on.
    pub(super) fn settle(&self, task: &Arc<Task>, mut ended: Ended, run_once: bool, here: &Here) -> Flow {
        let engine = &self.play.engine;
        let scope = self.scope(task, here);
        let no_log = self.keyword_flag(task, "no_log", &scope).ok().flatten().unwrap_or(false);
        let flag = |name| self.keyword_flag(task, name, &scope).ok().flatten().unwrap_or(false);
        drop_engine_keys(&mut ended.attempt.result);
        let attempt = &mut ended.attempt;
        if let Some(diagnostic) = attempt.diagnostic.take() {
            attempt.diagnostic = Some(self.located(task, diagnostic));
        }
        if matches!(attempt.status, Status::Ok | Status::Changed) && !attempt.result.contains_key(&StrKey("failed")) {
            insert(&mut attempt.result, "failed", false);
        }
        let (flow, ignored) = {
            let state = engine.states.get(&self.host);
            let mut state = lock(&state);
            let changed = attempt.result.get(&StrKey("changed")).is_some_and(Value::truthy);
            match attempt.status {
                Status::Unreachable if flag("ignore_unreachable") => {
                    state.stats.skipped += 1;
                    state.stats.ignored += 1;
                    (Flow::Next, true)
                }
                Status::Unreachable => {
                    state.stats.unreachable += 1;
                    state.out = Some(Out::Unreachable);
                    (Flow::Gone, false)
                }
                Status::Failed if flag("ignore_errors") => {
                    state.stats.ok += 1;
                    state.stats.ignored += 1;
                    state.stats.changed += u32::from(changed);
                    (Flow::Next, true)
                }
                Status::Failed => {
                    if here.rescuable {
                        state.stats.rescued += 1;
                        state.set("ansible_failed_result", Entry::Data(Value::from(attempt.result.clone()), None));
                        state.set("ansible_failed_task", Entry::Data(failed_task(&task_name_quick(task), task), None));
                    } else {
                        state.stats.failed += 1;
                    }
                    (Flow::Failed, here.rescuable)
                }
                Status::Skipped => {
                    state.stats.skipped += 1;
                    (Flow::Next, false)
                }
                Status::Ok | Status::Changed => {
                    state.stats.ok += 1;
                    state.stats.changed += u32::from(changed);
                    (Flow::Next, false)
                }
            }
        };
        if let Some(name) = task.keywords.get("register").and_then(Node::as_str) {
            let value = Value::from(attempt.result.clone());
            let hosts =
                if run_once { self.play.alive(&lock(&self.play.batch).clone()) } else { vec![Arc::clone(&self.host)] };
            for host in hosts {
                lock(&engine.states.get(&host)).set(name, Entry::Data(value.clone(), Some(task.label_span)));
            }
            self.play.warn_hidden(std::iter::once((name, Some(task.label_span))), "the registered variable");
        }
        let done = attempt.done(ignored, no_log);
        self.emit(EventKind::HostDone { task: task.id, done, items: ended.items });
        if ended.items.is_none() {
            self.warn_all(task, attempt);
        }
        self.take_notes(&attempt.result);
        let mut flow = flow;
        for name in ended.notify {
            if let Err(diagnostic) = self.notify(task, &name) {
                self.emit(EventKind::Error { diagnostic });
                let state = engine.states.get(&self.host);
                lock(&state).stats.failed += 1;
                flow = Flow::Failed;
            }
        }
        if flow == Flow::Gone {
            *lock(&self.play.magic_cache) = None;
            self.play.host_failed(&self.host, false);
        }
        flow
    }

    /// Lines for the end of the run: results may carry `hostctl_notes: {tag: ...}`.
    fn take_notes(&self, result: &Map) {
        if let Some(Value::Map(notes)) = result.get(&StrKey("hostctl_notes")) {
            let mut all = lock(&self.play.engine.notes);
            for (key, value) in notes.iter() {
                let note = (key.text().to_string(), python_str(value));
                if !all.contains(&note) {
                    all.push(note);
                }
            }
        }
    }

    /// Marks a handler to run, by name or by topic.
    fn notify(&self, task: &Task, name: &str) -> Result<()> {
        let handlers = lock(&self.play.handlers).clone();
        let scope = self.play.scope(&self.host, None, None, &Default::default());
        let text = |node: &Node| {
            if node.has_template() {
                self.play
                    .engine
                    .templates
                    .render(node, &scope)
                    .map_or_else(|_| String::new(), |value| python_str(&value))
            } else {
                python_str(&node.to_value())
            }
        };
        let mut ids: Vec<TaskId> = Vec::new();
        let mut known: Vec<String> = Vec::new();
        for handler in handlers.iter().rev() {
            let own = handler.task.keywords.get("name").map(&text).unwrap_or_default();
            let full = handler.task.context.role().map(|role| format!("{} : {own}", role.name));
            if own == name || full.as_deref() == Some(name) {
                ids.push(handler.task.id);
                break;
            }
            known.push(own);
        }
        for handler in &handlers {
            let topics = handler.task.keywords.get("listen").map(Node::to_value);
            let listens = match topics {
                Some(Value::List(topics)) => topics.iter().any(|topic| python_str(topic) == name),
                Some(topic) => python_str(&topic) == name,
                None => false,
            };
            if listens {
                ids.push(handler.task.id);
            }
        }
        if ids.is_empty() {
            let span = task.keywords.get("notify").map_or(task.label_span, Node::place);
            return Err(Diagnostic::source("P0151", format!("no handler is named `{name}` and none listens to it"))
                .with_label(span, "notified here")
                .with_nearest(name, known.iter().map(String::as_str)));
        }
        let state = self.play.engine.states.get(&self.host);
        lock(&state).notified.extend(ids);
        Ok(())
    }

    /// Adds the task's place to a failure.
    fn located(&self, task: &Task, mut diagnostic: Diagnostic) -> Diagnostic {
        if diagnostic.severity == Severity::Error
            && !diagnostic.labels.iter().any(|label| label.span == task.label_span)
        {
            let text = format!("this task, on {}", self.host);
            diagnostic = diagnostic.with_label(task.label_span, text);
        }
        diagnostic
    }

    /// The loop of a task, its list made.
    fn task_loop(&self, task: &Task, scope: &Scope) -> Result<Option<Loop>> {
        let templates = &self.play.engine.templates;
        let Some((name, node)) = task
            .keywords
            .0
            .iter()
            .find_map(|(name, (_, node))| (*name == "loop" || name.starts_with("with_")).then_some((*name, node)))
        else {
            return Ok(None);
        };
        let terms = templates.render(node, scope)?;
        let items: Vec<Value> = match (name, terms) {
            ("loop", Value::List(items)) => items.to_vec(),
            ("loop", other) => {
                return Err(Diagnostic::source("P0152", format!("`loop` needs a list, found {}", other.type_name()))
                    .with_label(node.place(), "not a list")
                    .with_hint("write a list, or use `with_items`, or `{{ NAME | dict2items }}` for a mapping"));
            }
            (_, terms) => {
                let lookup = &name["with_".len()..];
                let terms = match terms {
                    Value::List(terms) => terms.to_vec(),
                    other => vec![other],
                };
                templates.lookup(lookup, &terms, &Map::new(), node.place(), scope)?
            }
        };
        let control = task.keywords.get("loop_control");
        let text = |key: &str| -> Result<Option<String>> {
            control
                .and_then(|control| control.get(key))
                .map(|node| Ok(python_str(&templates.render(node, scope)?)))
                .transpose()
        };
        let flag = |key: &str| -> Result<Option<bool>> {
            control
                .and_then(|control| control.get(key))
                .map(|node| Ok(truth(&templates.render(node, scope)?).unwrap_or(false)))
                .transpose()
        };
        Ok(Some(Loop {
            items,
            var: text("loop_var")?.unwrap_or_else(|| "item".to_owned()),
            index_var: text("index_var")?,
            label: control.and_then(|control| control.get("label")).cloned(),
            pause: text("pause")?.and_then(|text| text.parse().ok()).filter(|pause| *pause > 0.0).unwrap_or(0.0),
            extended: flag("extended")?.unwrap_or(false),
            all_items: flag("extended_allitems")?.unwrap_or(true),
            break_when: control.and_then(|control| control.get("break_when")).cloned(),
        }))
    }

    /// The items and variable layers of a loop, for includes.
    pub(super) fn loop_layers(&self, task: &Task, scope: &Scope) -> Result<Option<Vec<(Value, Layer)>>> {
        Ok(self.task_loop(task, scope)?.map(|looped| {
            looped.items.iter().enumerate().map(|(index, item)| (item.clone(), looped.layer(index))).collect()
        }))
    }
}

impl Loop {
    /// The variables of one round.
    fn layer(&self, index: usize) -> Layer {
        let mut entries: Vec<(Arc<str>, Value)> = vec![(Arc::from(self.var.as_str()), self.items[index].clone())];
        entries.push((Arc::from("ansible_loop_var"), Value::from(self.var.as_str())));
        if let Some(name) = &self.index_var {
            entries.push((Arc::from(name.as_str()), Value::from(index)));
            entries.push((Arc::from("ansible_index_var"), Value::from(name.as_str())));
        }
        if self.extended {
            let count = self.items.len();
            let mut info = crate::map! {
                "index" => index + 1,
                "index0" => index,
                "first" => index == 0,
                "last" => index + 1 == count,
                "length" => count,
                "revindex" => count - index,
                "revindex0" => count - index - 1,
            };
            if self.all_items {
                insert(&mut info, "allitems", Value::from(self.items.clone()));
            }
            if index > 0 {
                insert(&mut info, "previtem", self.items[index - 1].clone());
            }
            if let Some(next) = self.items.get(index + 1) {
                insert(&mut info, "nextitem", next.clone());
            }
            entries.push((Arc::from("ansible_loop"), Value::from(info)));
        }
        Layer::data(Level::Magic, "loop", entries)
    }
}

/// `ansible_failed_task`: the part of it that playbooks read.
fn failed_task(name: &str, task: &Task) -> Value {
    let action = match &task.action {
        crate::playbook::Action::Module(module) => module.name.to_string(),
        crate::playbook::Action::Include(include) => include.name.to_string(),
    };
    let args: Map = match &task.action {
        crate::playbook::Action::Module(module) => module
            .args
            .iter()
            .map(|(name, (_, node))| (crate::value::Key::Str(Arc::clone(name)), node.to_value()))
            .collect(),
        crate::playbook::Action::Include(_) => Map::new(),
    };
    Value::from(crate::map! { "name" => name, "action" => action, "args" => args })
}

fn fail(attempt: &mut Attempt, diagnostic: Diagnostic) {
    insert(&mut attempt.result, "failed", true);
    insert(&mut attempt.result, "msg", diagnostic.message.clone());
    attempt.status = Status::Failed;
    attempt.diagnostic = Some(diagnostic);
}

/// Keys that only the engine reads.
fn drop_engine_keys(result: &mut Map) {
    result.shift_remove(&StrKey("_ansible_facts_cacheable"));
}

/// The whole of a loop.
fn loop_attempt(items: &[Attempt]) -> Attempt {
    let result = loop_result(items);
    let any = |status: Status| items.iter().any(|item| item.status == status);
    let status = if any(Status::Unreachable) {
        Status::Unreachable
    } else if any(Status::Failed) {
        Status::Failed
    } else if items.iter().all(|item| item.status == Status::Skipped) {
        Status::Skipped
    } else if any(Status::Changed) {
        Status::Changed
    } else {
        Status::Ok
    };
    let first_bad = items.iter().find(|item| matches!(item.status, Status::Failed | Status::Unreachable));
    Attempt {
        status,
        result,
        changes: items.iter().flat_map(|item| item.changes.iter().cloned()).collect(),
        diffs: Vec::new(),
        reason: (status == Status::Skipped).then(|| {
            items.first().and_then(|item| item.reason.clone()).unwrap_or_else(|| "no items in the list".to_owned())
        }),
        diagnostic: first_bad.and_then(|item| item.diagnostic.clone()),
        warnings: Vec::new(),
        verbose: items.iter().any(|item| item.verbose),
        seconds: 0.0,
    }
}

impl PlayRun {
    /// The host that stands for the controller.
    pub(super) fn controller() -> Arc<str> {
        Arc::from("localhost")
    }
}

/// The scope with the registered name showing this result already.
fn with_register(task: &Task, result: &Map, scope: &Scope) -> Scope {
    match task.keywords.get("register").and_then(Node::as_str) {
        Some(name) => {
            scope.with(Layer::data(Level::Magic, "register", [(Arc::from(name), Value::from(result.clone()))]))
        }
        None => scope.clone(),
    }
}

/// The name as written.
fn task_name_quick(task: &Task) -> String {
    task.keywords.get("name").map_or_else(String::new, |node| python_str(&node.to_value()))
}
