//! The end of a task on a host: counted, registered, told, handlers notified.

use std::sync::Arc;

use super::conditions::keyword;
use super::heard::hearing_now;
use super::interp::{Flow, Here, HostRun};
use super::result::Attempt;
use super::state::{Out, lock};
use super::task::Ended;
use crate::diag::{Diagnostic, Result, Severity};
use crate::event::{EventKind, Status, TaskId};
use crate::playbook::Task;
use crate::value::{Map, StrKey, Value, insert, python_str};
use crate::vars::{Entry, Scope};
use crate::yaml::{Node, NodeData};

/// A variable that `set_fact` sets. A text that stands in the playbook as it is stays source, and may be a condition
/// (`when: "{{ name }}"`), and a sealed one stays sealed until it is used; whatever came out of a template is data.
fn fact_entry(task: &Task, name: &str, value: &Value) -> Entry {
    if let crate::playbook::Action::Module(module) = &task.action
        && let Some((_, node)) = module.args.get(name)
    {
        if node.tag == Some(crate::yaml::Tag::Vault) || literal(node, value) {
            return Entry::Lazy(node.clone());
        }
        if let Some(source) = partly_literal(node, value) {
            return Entry::Rendered(value.clone(), source);
        }
    }
    Entry::Data(value.clone(), Some(task.label_span))
}

/// True for the source of a text without a template.
pub(super) fn literal(node: &Node, value: &Value) -> bool {
    node.tag.is_none() && !node.has_template() && node.as_str().is_some() && node.as_str() == value.as_str()
}

/// The source of a list or mapping, where what came out of templates is data; `None` where the value is not that
/// of the source entry by entry, or no text in it stands as it is.
pub(super) fn partly_literal(node: &Node, value: &Value) -> Option<Node> {
    let mut found = false;
    let source = mirrored(node, value, &mut found)?;
    (found && node.as_scalar().is_none()).then_some(source)
}

fn mirrored(node: &Node, value: &Value, found: &mut bool) -> Option<Node> {
    let data = match (&node.data, value) {
        _ if node.tag.is_some() => return None,
        (NodeData::List(nodes), Value::List(values)) if nodes.len() == values.len() => {
            let inner = nodes.iter().zip(values.iter()).map(|(node, value)| mirrored(node, value, found));
            NodeData::List(inner.collect::<Option<Vec<_>>>()?.into())
        }
        (NodeData::Map(pairs), Value::Map(map)) if pairs.len() == map.len() => {
            let inner = pairs.iter().map(|(name, node)| {
                let value = map.get(&StrKey(name.as_str()?))?;
                Some((name.clone(), mirrored(node, value, found)?))
            });
            NodeData::Map(inner.collect::<Option<Vec<_>>>()?.into())
        }
        (NodeData::Scalar(_), _) if literal(node, value) => {
            *found = true;
            return Some(node.clone());
        }
        (NodeData::Scalar(_), Value::List(_) | Value::Map(_)) => return None,
        (NodeData::Scalar(_), _) => return Some(super::arguments::data_node(value, node.place())),
        _ => return None,
    };
    Some(Node { data, ..node.clone() })
}

impl HostRun {
    /// Takes what a result says about the host: facts, set facts, included variables.
    pub(super) fn apply(&self, task: &Task, attempt: &Attempt, delegate_scope: &Scope) {
        self.note_stats(attempt);
        let Some(Value::Map(facts)) = attempt.result.get(&StrKey("ansible_facts")) else { return };
        let name = match &task.action {
            crate::playbook::Action::Module(module) => module.entry.meta.name,
            crate::playbook::Action::Include(_) | crate::playbook::Action::Dynamic(_) => return,
        };
        // Facts that are only shown are nobody's.
        if name == "debug" {
            return;
        }
        let flag = |name| self.keyword_flag(task, name, delegate_scope).ok().flatten() == Some(true);
        let delegate = if keyword(task, "delegate_to").is_some() && flag("delegate_facts") {
            super::scope::delegate_of(delegate_scope)
        } else {
            None
        };
        let hosts = if let Some(host) = delegate {
            vec![host]
        } else if flag("run_once") {
            let batch = lock(&self.play.batch).clone();
            self.play.present(&batch)
        } else {
            vec![Arc::clone(&self.host)]
        };
        // `include_vars` has set them for this host, as sources that are rendered on use.
        let included = match name {
            "include_vars" => Arc::clone(&lock(&self.play.engine.states.get(&self.host)).included),
            _ => Arc::default(),
        };
        let gathers = matches!(&task.action, crate::playbook::Action::Module(module)
            if matches!(&*module.name, "gather_facts" | "ansible.builtin.gather_facts" | "ansible.legacy.gather_facts"));
        for host in hosts {
            let state = self.play.engine.states.get(&host);
            let mut state = lock(&state);
            let mut kept = false;
            match name {
                "set_fact" => {
                    let cacheable = attempt.result.get(&StrKey("_ansible_facts_cacheable")).is_some_and(Value::truthy);
                    for (key, value) in facts.iter() {
                        state.set(&key.text(), fact_entry(task, &key.text(), value));
                    }
                    if cacheable {
                        state.merge_facts(facts);
                        kept = true;
                    }
                }
                "include_vars" => {
                    let set = included.iter().filter(|(name, _)| facts.contains_key(&StrKey(name)));
                    Arc::make_mut(&mut state.included)
                        .extend(set.map(|(name, entry)| (Arc::clone(name), entry.clone())));
                }
                _ => {
                    state.merge_facts(facts);
                    // Only the gathering of facts makes a later one needless (`smart`), no `setup` of a play's own.
                    state.gathered |= gathers;
                    kept = true;
                }
            }
            if kept {
                self.play.engine.states.keep_facts(&host, &state);
                drop(state);
                self.play.read_vars_files_again(&host);
            }
        }
        let place = |name: &str| match &task.action {
            crate::playbook::Action::Module(module) => module.args.get(name).map(|(span, _)| *span),
            _ => None,
        };
        if matches!(name, "set_fact" | "include_vars") {
            let set = facts.keys().filter_map(|key| key.as_str());
            let read = |name: &str| included.get(name).and_then(Entry::span);
            self.play.warn_reserved(set.map(|name| (name, read(name).or_else(|| place(name)))));
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
        // Its items have said what is to be hidden; there is no item here.
        let hides = if ended.items.is_some_and(|items| items > 0) {
            matches!(self.keyword_flag(task, "no_log", &scope), Ok(Some(true)))
        } else {
            self.is_hidden(task, &scope)
        };
        let no_log = ended.no_log || hides;
        let flag = |name| match (ended.ignored, name) {
            (Some((errors, _)), "ignore_errors") => errors,
            (Some((_, unreachable)), "ignore_unreachable") => unreachable,
            _ => self.keyword_flag(task, name, &scope).ok().flatten().unwrap_or(false),
        };
        let ((ignore_errors, ignore_unreachable), warnings) =
            hearing_now(|| (flag("ignore_errors"), flag("ignore_unreachable")));
        self.tell_all(&warnings, no_log || ended.attempt.hidden);
        drop_engine_keys(&mut ended.attempt.result);
        if no_log {
            lock(&engine.hidden).keep(task, &ended.attempt.result);
        }
        let attempt = &mut ended.attempt;
        if let Some(diagnostic) = attempt.diagnostic.take() {
            attempt.diagnostic = Some(self.located(task, diagnostic));
        }
        // A condition that skipped the task leaves `failed` unset, and so does a loop; a module that skipped does not.
        if ended.items.is_none()
            && matches!(task.action, crate::playbook::Action::Module(_))
            && !attempt.failed()
            && attempt.status != Status::Unreachable
            && !attempt.result.contains_key(&StrKey("skip_reason"))
            && !attempt.result.contains_key(&StrKey("failed"))
            && !(attempt.status == Status::Skipped && skipped_by_action(task, attempt))
        {
            insert(&mut attempt.result, "failed", false);
        }
        let name = if attempt.failed() { self.given_name(task, here) } else { String::new() };
        let (flow, ignored) = self.count(task, attempt, (ignore_errors, ignore_unreachable), &name, here.rescuable);
        self.register(task, &attempt.result, run_once);
        let mut done = attempt.done(task, ignored, no_log);
        done.rescued = ignored && flow == Flow::Failed;
        done.delegate = self.delegate_label(task, &scope);
        // What a loop's items changed does not matter where it failed as a whole.
        if matches!(attempt.status, Status::Failed | Status::Unreachable) {
            ended.notify.clear();
        }
        let mut told = indexmap::IndexSet::new();
        for name in ended.notify.iter().filter(|name| told.insert(name.as_str())) {
            self.emit(EventKind::Notified { handler: name.clone(), runs: false });
        }
        if ended.items.is_none() {
            self.tell_heard(attempt, no_log);
        }
        if !ended.told {
            self.emit(EventKind::HostDone { task: task.id, done, items: ended.items });
        }
        if ended.items.is_none() && !no_log {
            self.warn_all(task, attempt);
            self.take_notes(attempt);
        }
        for name in ended.notify {
            if let Err(diagnostic) = self.notify(task, &name) {
                if engine.options.missing_handlers {
                    engine.warn_once(None, diagnostic);
                    continue;
                }
                self.play.break_off(diagnostic);
            }
        }
        if flow == Flow::Gone {
            *lock(&self.play.magic_cache) = None;
        }
        flow
    }

    /// Counts a result for its host; how to go on, and whether the failure is passed over.
    fn count(
        &self,
        task: &Task,
        attempt: &Attempt,
        (ignore_errors, ignore_unreachable): (bool, bool),
        name: &str,
        rescuable: bool,
    ) -> (Flow, bool) {
        let state = self.play.engine.states.get(&self.host);
        let mut state = lock(&state);
        let changed = attempt.result.get(&StrKey("changed")).is_some_and(Value::truthy);
        // A role that was skipped, or did not reach the host, has not run.
        if !matches!(attempt.status, Status::Skipped | Status::Unreachable)
            && let Some(role) = task.context.role()
        {
            state.roles_ran.insert(Arc::clone(&role.key));
        }
        match attempt.status {
            Status::Unreachable if ignore_unreachable => {
                state.stats.ok += 1;
                state.stats.ignored += 1;
                (Flow::Next, true)
            }
            Status::Unreachable => {
                state.stats.unreachable += 1;
                state.out = Some(Out::Unreachable);
                state.unreachable = true;
                state.removed += 1;
                (Flow::Gone, false)
            }
            Status::Failed if ignore_errors => {
                state.stats.ok += 1;
                state.stats.ignored += 1;
                state.stats.changed += u32::from(changed);
                (Flow::Next, true)
            }
            Status::Failed => {
                if rescuable {
                    state.stats.rescued += 1;
                    state.set("ansible_failed_result", Entry::Data(Value::from(attempt.result.clone()), None));
                    state.set("ansible_failed_task", Entry::Data(failed_task(name, task), None));
                } else {
                    state.stats.failed += 1;
                }
                (Flow::Failed, rescuable)
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
    }

    /// `register`: for this host, or with `run_once` for all of the batch.
    fn register(&self, task: &Task, result: &Map, run_once: bool) {
        let Some(node) = task.keywords.get("register") else { return };
        let Some(name) = node.as_str() else { return };
        self.play.warn_reserved([(name, Some(node.place()))]);
        let value = Value::from(result.clone());
        let hosts =
            if run_once { self.play.present(&lock(&self.play.batch).clone()) } else { vec![Arc::clone(&self.host)] };
        for host in hosts {
            let state = self.play.engine.states.get(&host);
            lock(&state).set(name, Entry::Data(value.clone(), Some(task.label_span)));
        }
        self.play.warn_hidden(std::iter::once((name, Some(task.label_span))), "the registered variable");
    }

    /// Lines for the end of the run: results that may be shown may carry `hostctl_notes: {tag: ...}`.
    pub(super) fn take_notes(&self, attempt: &Attempt) {
        if let (false, Some(Value::Map(notes))) = (attempt.hidden, attempt.result.get(&StrKey("hostctl_notes"))) {
            let mut all = lock(&self.play.engine.notes);
            for (key, value) in notes.iter() {
                let note = (key.text().to_string(), python_str(value));
                if !all.contains(&note) {
                    all.push(note);
                }
            }
        }
    }

    /// Keeps a notification for the next flush: only then is it known which handler of a name was defined last.
    /// While handlers run, it counts at once.
    fn notify(&self, task: &Task, name: &str) -> Result<()> {
        let handlers = lock(&self.play.handlers).clone();
        let ids = self.notified_by(name, &handlers);
        if ids.is_empty() {
            let known: Vec<String> = handlers.iter().map(|handler| self.handler_name(&handler.task)).collect();
            let span = task.keywords.get("notify").map_or(task.label_span, Node::place);
            // Ansible ends the run as for something local that is missing.
            return Err(Diagnostic::local("P0151", format!("no handler is named `{name}` and none listens to it"))
                .with_registered(crate::playbook::missing_handler(name))
                .with_label(span, "notified here")
                .with_nearest(name, known.iter().map(String::as_str))
                .with_hint_else("`notify` takes the name of a handler, or what one has in `listen`"));
        }
        let state = self.play.engine.states.get(&self.host);
        let mut state = lock(&state);
        if state.flushing {
            state.notified.extend(ids);
        } else {
            state.pending.insert(name.into());
        }
        Ok(())
    }

    /// Marks the handlers of all notifications up to now.
    pub(super) fn resolve_notified(&self) {
        let state = self.play.engine.states.get(&self.host);
        let pending = std::mem::take(&mut lock(&state).pending);
        if pending.is_empty() {
            return;
        }
        let handlers = lock(&self.play.handlers).clone();
        for name in &pending {
            let ids = self.notified_by(name, &handlers);
            lock(&state).notified.extend(ids);
        }
    }

    /// The handlers that a name or topic means: of one name the last that was defined.
    fn notified_by(&self, name: &str, handlers: &[super::play::Handler]) -> Vec<TaskId> {
        let named = |handler: &super::play::Handler| self.handler_name(&handler.task);
        let mut ids: Vec<TaskId> = Vec::new();
        let mut by_rank: Vec<&super::play::Handler> = handlers.iter().collect();
        by_rank.sort_by_key(|handler| std::cmp::Reverse(handler.group));
        for handler in &by_rank {
            let own = named(handler);
            if !own.is_empty() && handler.task.notified_by(&own).iter().any(|known| known == name) {
                ids.push(handler.task.id);
                break;
            }
        }
        // Of those that share a name the last one listens.
        let mut seen: Vec<String> = Vec::new();
        for handler in by_rank {
            let answers =
                |topic: &Value| handler.task.notified_by(&python_str(topic)).iter().any(|known| known == name);
            let listens = match handler.task.keywords.get("listen").map(Node::to_value) {
                Some(Value::List(topics)) => topics.iter().any(answers),
                Some(topic) => answers(&topic),
                None => false,
            };
            let own = named(handler);
            if !listens || !own.is_empty() && seen.contains(&own) {
                continue;
            }
            seen.push(own);
            ids.push(handler.task.id);
        }
        ids
    }

    /// A handler's name; what it is notified by is the same for all hosts, so variables of hosts are not seen.
    fn handler_name(&self, handler: &Task) -> String {
        let Some(node) = handler.keywords.get("name") else { return String::new() };
        if !node.has_template() {
            return python_str(&node.to_value());
        }
        if let Some(known) = lock(&self.play.handler_names).get(&handler.id) {
            return known.to_string();
        }
        let name = self.render_handler_name(handler, node);
        lock(&self.play.handler_names).insert(handler.id, name.as_str().into());
        name
    }

    fn render_handler_name(&self, handler: &Task, node: &Node) -> String {
        let engine = &self.play.engine;
        match engine.templates.render(node, &self.play.hostless_scope(handler)) {
            Ok(value) => python_str(&value),
            Err(error) => {
                if handler.keywords.get("listen").is_none() {
                    let name = python_str(&node.to_value());
                    let text = format!(
                        "Handler '{name}' is unusable because it has no listen topics and the name could not be \
                         templated (host-specific variables are not supported in handler names). The error: {}",
                        error.registered()
                    );
                    engine.warn_once(None, Diagnostic::task("H0002", text).with_label(node.place(), "this name"));
                }
                String::new()
            }
        }
    }

    /// Adds the task's place to a failure.
    pub(super) fn located(&self, task: &Task, mut diagnostic: Diagnostic) -> Diagnostic {
        if diagnostic.severity == Severity::Error
            && !diagnostic.labels.iter().any(|label| label.span == task.label_span)
        {
            let text = format!("this task, on {}", self.host);
            diagnostic = diagnostic.with_label(task.label_span, text);
        }
        diagnostic
    }
}

/// `ansible_failed_task`: the part of it that playbooks read.
fn failed_task(name: &str, task: &Task) -> Value {
    let action = task.action.name().to_string();
    let args: Map = match &task.action {
        crate::playbook::Action::Module(module) => module
            .args
            .iter()
            .map(|(name, (_, node))| (crate::value::Key::Str(Arc::clone(name)), node.to_value()))
            .collect(),
        crate::playbook::Action::Include(_) | crate::playbook::Action::Dynamic(_) => Map::new(),
    };
    Value::from(crate::map! { "name" => name, "action" => action, "args" => args })
}

/// Skipped by what Ansible runs on the controller, before there is a module: such a result has no `failed`.
fn skipped_by_action(task: &Task, attempt: &Attempt) -> bool {
    let said = attempt.result.get(&StrKey("msg")).and_then(Value::as_str).unwrap_or_default();
    task.action.is_module("script") || task.action.is_module("unarchive") && said.starts_with("skipped, since ")
}

/// Keys that only the engine reads.
fn drop_engine_keys(result: &mut Map) {
    result.shift_remove(&StrKey("_ansible_facts_cacheable"));
}
