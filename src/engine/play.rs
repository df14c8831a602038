//! One play: its hosts, batches, sections and handlers.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use indexmap::{IndexMap, IndexSet};

use super::conditions::{flag_of, of_play};
use super::failures::After;
use super::interp::HostRun;
use super::patterns::PlayHosts;
use super::prompts::prompts;
use super::run::Engine;
use super::schedule::Gate;
use super::scope::{builtin_layer, role_layers, source};
use super::state::{HostRecord, lock};
use crate::diag::{Diagnostic, Result, Subject};
use crate::event::{EventKind, TaskId};
use crate::playbook::{Block, ContextKind, Item, Play, RoleUse, Task};
use crate::value::Value;
use crate::vars::{Entry, Layer, Level, Scope};
use crate::yaml::Node;

/// A handler as the play knows it.
#[derive(Clone)]
pub(super) struct Handler {
    /// The task, or a static import's task.
    pub task: Arc<Task>,
    /// The list or block that it stands in: of one name the last group counts, and the first in it.
    pub group: usize,
}

/// What a dynamic include was loaded as; hosts share it.
#[derive(Clone)]
pub(super) enum Included {
    /// A task file.
    Tasks(Arc<[Item]>),
    /// A role.
    Role(Arc<RoleUse>),
}

/// A play while it runs.
pub(super) struct PlayRun {
    pub engine: Arc<Engine>,
    pub play: Arc<Play>,
    pub name: String,
    /// All hosts of the play, in the order in which they run.
    pub hosts: Vec<Arc<str>>,
    /// The same in the inventory's order.
    pub listed: Vec<Arc<str>>,
    /// The hosts of the running batch.
    pub batch: Mutex<Vec<Arc<str>>>,
    pub gate: Mutex<Arc<Gate>>,
    pub builtin: Layer,
    pub role_exports: Vec<Layer>,
    pub records: Mutex<HashMap<Arc<str>, Arc<HostRecord>>>,
    pub magic_cache: Mutex<Option<Arc<IndexMap<Arc<str>, Entry>>>>,
    pub vars_files: Mutex<HashMap<Arc<str>, Vec<Layer>>>,
    pub handlers: Mutex<Vec<Handler>>,
    pub included: Mutex<HashMap<(TaskId, String), Included>>,
    /// Names of the roles that tasks included, each time.
    pub included_roles: Mutex<Vec<Arc<str>>>,
    /// Names of the roles that those depend on.
    pub included_dependencies: Mutex<IndexSet<Arc<str>>>,
    /// Variables of `vars_prompt`.
    pub prompts: Vec<Layer>,
    /// Limits of tasks with `throttle`.
    pub throttles: Mutex<HashMap<TaskId, Arc<tokio::sync::Semaphore>>>,
    /// More failed in this batch than `max_fail_percentage` allows.
    pub fatal: AtomicBool,
    /// Why the run ends at once, without handlers, and the word for it.
    pub broken: Mutex<Option<Diagnostic>>,
    broke: tokio::sync::Notify,
    /// `meta: end_play`.
    pub ended: AtomicBool,
    /// The debugger starts at each failure.
    pub debug: bool,
    /// Hosts do not wait for each other.
    pub free: bool,
    /// `force_handlers`.
    pub force_handlers: bool,
    /// What handlers whose names are templates are called, until more handlers come.
    pub handler_names: Mutex<HashMap<TaskId, Arc<str>>>,
    /// `max_fail_percentage`
    pub max_fail: Option<f64>,
}

impl PlayRun {
    /// Runs a play; false if the run must end after it.
    pub(super) async fn run(engine: &Arc<Engine>, play: &Arc<Play>, index: usize, of: usize) -> Result<bool> {
        let keywords = &play.context.keywords;
        engine.hosts.enter_playbook(play.file.parent().unwrap_or(std::path::Path::new("")))?;
        let mut layers = engine.options.layers.clone();
        layers.extend(keywords.get("vars").map(|node| source(Level::PlayVars, "play vars", node)));
        let early = Scope::from_layers(layers).merging(engine.options.hash_merge);
        let Some(prompts) = prompts(engine, keywords.get("vars_prompt"), &early).await? else { return Ok(false) };
        let early = prompts.iter().fold(early, |early, layer| early.with(layer.clone()));
        let rendered = |name: &str| -> Result<Option<Value>> {
            let Some(node) = keywords.get(name) else { return Ok(None) };
            engine.templates.render(node, &early).map(Some).map_err(|error| of_play(name, node, error))
        };
        let hosts = match (keywords.get("hosts"), rendered("hosts")?) {
            (Some(node), Some(value)) => {
                PlayHosts::read(node, &value).map_err(|error| of_play("hosts", node, error))?
            }
            _ => PlayHosts::default(),
        };
        let pattern = hosts.patterns.join(",");
        let name = rendered("name")?.as_ref().map_or(hosts.name, crate::value::python_str);
        let shown = begin(engine, (!hosts.patterns.is_empty()).then_some(&*pattern), keywords.get("hosts"))?;
        let strategy = strategy(engine, keywords.get("strategy"), &early)?;
        let force_handlers = play_flag(engine, "force_handlers", keywords.get("force_handlers"), &early)?;
        engine.sink.emit(
            None,
            EventKind::PlayStarted {
                index,
                of,
                name: name.clone(),
                hosts: shown.iter().filter(|host| takes_part(engine, host)).map(ToString::to_string).collect(),
                free: !strategy.in_step(),
                check: match keywords.get("check_mode") {
                    Some(node) => crate::value::boolean(&engine.templates.render(node, &early)?),
                    None => None,
                }
                .unwrap_or(engine.options.check),
                pattern: pattern.clone(),
            },
        );
        if shown.is_empty() {
            engine.sink.emit(None, EventKind::NoHosts { pattern });
            return Ok(true);
        }
        let order =
            early_value(engine, "order", keywords.get("order"), &early)?.map(|value| crate::value::python_str(&value));
        let mut handlers = Vec::new();
        flatten_handlers(&play.handlers, &mut handlers);
        let run = Arc::new(Self {
            engine: Arc::clone(engine),
            play: Arc::clone(play),
            name,
            listed: shown.clone(),
            hosts: order_hosts(shown, order.as_deref(), keywords.get("order"))?,
            batch: Mutex::default(),
            gate: Mutex::new(Arc::new(Gate::new(&[]))),
            builtin: builtin_layer(),
            role_exports: exported_layers(play),
            records: Mutex::default(),
            magic_cache: Mutex::default(),
            vars_files: Mutex::default(),
            handlers: Mutex::new(handlers),
            included: Mutex::default(),
            included_roles: Mutex::default(),
            included_dependencies: Mutex::default(),
            prompts,
            throttles: Mutex::default(),
            fatal: AtomicBool::new(false),
            broken: Mutex::default(),
            broke: tokio::sync::Notify::new(),
            ended: AtomicBool::new(false),
            debug: strategy == Strategy::Debug || engine.options.debugger,
            free: !strategy.in_step(),
            force_handlers: force_handlers.unwrap_or(engine.options.force_handlers),
            handler_names: Mutex::default(),
            max_fail: match early_value(engine, "max_fail_percentage", keywords.get("max_fail_percentage"), &early)? {
                Some(value) => Some(percentage(&value, keywords.get("max_fail_percentage"))?),
                None => None,
            },
        });
        run.warn();
        run.batches(&early, strategy).await
    }

    /// What is odd about the play as a whole.
    fn warn(&self) {
        let keywords = &self.play.context.keywords;
        let play_vars = keywords.get("vars").map(|node| source(Level::PlayVars, "play vars", node));
        self.warn_hidden(
            play_vars.iter().flat_map(|layer| layer.entries.iter().map(|(name, entry)| (&**name, entry.span()))),
            "play variable",
        );
        self.warn_reserved_of_play();
        if let (true, Some(node)) = (self.free && self.max_fail.is_some(), keywords.get("max_fail_percentage")) {
            let text = "Using max_fail_percentage with the free strategy is not supported, as tasks are executed independently on each host";
            self.engine.warn_once(None, Diagnostic::task("H0002", text).with_label(node.place(), "has no effect"));
        }
    }

    async fn batches(self: &Arc<Self>, early: &Scope, strategy: Strategy) -> Result<bool> {
        let keywords = &self.play.context.keywords;
        let sizes = match keywords.get("serial") {
            Some(node) => match early_value(&self.engine, "serial", Some(node), early)? {
                Some(value) => serial_sizes(&value, self.hosts.len(), node)?,
                None => Vec::new(),
            },
            None => Vec::new(),
        };
        let mut rest: &[Arc<str>] = &self.hosts;
        let mut step = 0;
        let mut begun = 0;
        let mut last = false;
        let mut failures = self.engine.states.failures();
        while !rest.is_empty() && !self.engine.cancel.is_cancelled() {
            let size = sizes.get(step.min(sizes.len().saturating_sub(1))).copied().unwrap_or(rest.len());
            step += 1;
            let (batch, later) = rest.split_at(size.clamp(1, rest.len()));
            rest = later;
            begun += 1;
            if begun > 1 {
                let hosts = batch.iter().map(ToString::to_string).collect();
                self.engine.sink.emit(None, EventKind::BatchStarted { index: begun, hosts });
            }
            let whole = batch;
            let batch = self.begin_batch(whole);
            // With `host_pinned` a host begins its play once it can go through it beside the others.
            let room = if strategy == Strategy::HostPinned { self.engine.options.forks.max(1) } else { batch.len() };
            let gate = Arc::new(if strategy.in_step() { Gate::new(&batch) } else { Gate::free(&batch, room) });
            *lock(&self.gate) = Arc::clone(&gate);
            batch.iter().for_each(|host| self.read_vars_files(host));
            if let Some(diagnostic) = lock(&self.broken).take() {
                return Err(diagnostic);
            }
            let mut tasks = tokio::task::JoinSet::new();
            let mut waiting = batch.iter();
            let (parked, mut out_of_reach) = tokio::sync::mpsc::unbounded_channel();
            // Hosts in whose place another one has begun.
            let mut replaced = HashSet::new();
            let started = self.engine.started.load(Ordering::SeqCst);
            let next = |host: &Arc<str>| {
                gate.begin(host);
                HostRun::new(Arc::clone(self), Arc::clone(&gate), Arc::clone(host), parked.clone(), started).run_play()
            };
            for host in waiting.by_ref().take(room) {
                tasks.spawn(next(host));
            }
            loop {
                tokio::select! {
                    Some(host) = out_of_reach.recv() => {
                        replaced.insert(host);
                        drop(waiting.next().map(|host| tasks.spawn(next(host))));
                    }
                    ended = tasks.join_next() => match ended {
                        Some(Ok(host)) => {
                            while let Ok(host) = out_of_reach.try_recv() {
                                replaced.insert(host);
                                drop(waiting.next().map(|host| tasks.spawn(next(host))));
                            }
                            if !replaced.contains(&host) {
                                drop(waiting.next().map(|host| tasks.spawn(next(host))));
                            }
                        }
                        Some(Err(error)) => {
                            tasks.abort_all();
                            return Err(Diagnostic::internal(format!("a host's interpreter ended: {error}")));
                        }
                        None => break,
                    },
                    () = self.broke.notified() => {
                        gate.stop();
                        tasks.shutdown().await;
                        break;
                    }
                    () = self.engine.cancel.cancelled() => {
                        gate.stop();
                        tasks.shutdown().await;
                        return Ok(false);
                    }
                }
            }
            if let Some(diagnostic) = lock(&self.broken).take() {
                return Err(diagnostic);
            }
            match self.end_batch(whole, &mut failures) {
                After::NextBatch => {}
                After::LastPlay => last = true,
                After::NextPlay => break,
                After::Nothing => return Ok(false),
            }
        }
        Ok(!last)
    }

    /// Adds a role's handlers. Those of a role that comes again are defined anew, so they are the last ones.
    pub(super) fn add_handlers(&self, items: &[Item]) {
        let mut found = Vec::new();
        flatten_handlers(items, &mut found);
        lock(&self.handler_names).clear();
        let mut handlers = lock(&self.handlers);
        let first = handlers.iter().map(|handler| handler.group + 1).max().unwrap_or(0);
        handlers.retain(|known| !found.iter().any(|handler| handler.task.id == known.task.id));
        for mut handler in found {
            handler.group += first;
            handlers.push(handler);
        }
    }

    /// Ends the run: something in the playbook is not written right, which showed only now.
    /// Who found it does not come back, so that no host goes on meanwhile that waits for this one.
    pub(super) async fn give_up(&self, diagnostic: Diagnostic) -> super::interp::Flow {
        self.break_off(diagnostic);
        std::future::pending().await
    }

    /// The same for who cannot wait: the run ends before the next task.
    pub(super) fn break_off(&self, diagnostic: Diagnostic) {
        lock(&self.broken).get_or_insert(diagnostic);
        self.broke.notify_one();
    }
}

/// The hosts of a play, those that failed before among them; all begin it afresh. Without a pattern there are none.
fn begin(engine: &Engine, pattern: Option<&str>, node: Option<&Node>) -> Result<Vec<Arc<str>>> {
    let selected = pattern.map_or_else(|| Ok(Vec::new()), |pattern| engine.hosts.select(pattern));
    let selected = selected.map_err(|diagnostic| match (diagnostic.span(), node) {
        (None, Some(node)) => diagnostic.with_label(node.place(), "this pattern"),
        _ => diagnostic,
    })?;
    engine.states.begin_play();
    for host in &selected {
        let state = engine.states.get(host);
        let mut state = lock(&state);
        state.notified.clear();
        state.pending.clear();
        state.flushing = false;
        state.handler_frames.clear();
        state.roles_done.clear();
        state.roles_ran.clear();
        state.exported.clear();
    }
    Ok(selected)
}

/// Nothing in earlier plays keeps the host from this one.
fn takes_part(engine: &Engine, host: &Arc<str>) -> bool {
    let state = engine.states.get(host);
    let state = lock(&state);
    !state.listed && !state.unreachable
}

/// A play's keyword, rendered before any host is known.
fn early_value(engine: &Engine, name: &str, node: Option<&Node>, early: &Scope) -> Result<Option<Value>> {
    let Some(node) = node else { return Ok(None) };
    let value = engine.templates.render(node, early).map_err(|error| of_play(name, node, error))?;
    Ok((!crate::template::is_omit(&value) && value != Value::Null).then_some(value))
}

/// A boolean of a play, rendered; one that cannot be told ends the run.
pub(super) fn play_flag(engine: &Engine, name: &str, node: Option<&Node>, scope: &Scope) -> Result<Option<bool>> {
    let (Some(value), Some(node)) = (early_value(engine, name, node, scope)?, node) else { return Ok(None) };
    flag_of(name, &value, Some(node.place())).map(Some).map_err(|error| of_play(name, node, error))
}

/// A number that `%` may follow.
fn percentage(value: &Value, node: Option<&Node>) -> Result<f64> {
    let text = crate::value::python_str(value).replace('%', "");
    text.trim().parse().map_err(|_| {
        Diagnostic::source("P0103", format!("`max_fail_percentage` must be a number or a percentage, found `{text}`"))
            .with_label_opt(node.map(Node::place), "no number")
            .with_hint("max_fail_percentage: 30")
    })
}

/// How hosts go through a play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    Linear,
    /// Like linear; the debugger starts at each failure.
    Debug,
    Free,
    HostPinned,
}

impl Strategy {
    /// Hosts wait for each other at each task.
    fn in_step(self) -> bool {
        matches!(self, Self::Linear | Self::Debug)
    }
}

/// The play's `strategy`, else the run's.
fn strategy(engine: &Engine, node: Option<&Node>, early: &Scope) -> Result<Strategy> {
    let given = early_value(engine, "strategy", node, early)?.map(|value| crate::value::python_str(&value));
    let name = given.unwrap_or_else(|| engine.options.strategy.clone());
    match name.rsplit('.').next().unwrap_or_default() {
        "linear" => Ok(Strategy::Linear),
        "debug" => Ok(Strategy::Debug),
        "free" => Ok(Strategy::Free),
        "host_pinned" => Ok(Strategy::HostPinned),
        _ => {
            let mut wrong = Diagnostic::source("P0140", format!("there is no strategy `{name}`"))
                .with_hint("`linear`, `free`, `host_pinned` or `debug`");
            if let Some(node) = node {
                wrong = wrong.with_label(node.place(), "unknown");
            }
            Err(wrong)
        }
    }
}

/// Defaults and variables that the whole play sees: those of its roles, and of roles that tasks import.
fn exported_layers(play: &Play) -> Vec<Layer> {
    let mut layers = Vec::new();
    for role in play.roles.iter().filter(|role| role.public) {
        role_layers(&role.role, &mut layers);
    }
    for items in [&play.pre_tasks, &play.tasks, &play.post_tasks] {
        imported_layers(items, &mut layers);
    }
    for role in &play.roles {
        imported_layers(&role.tasks, &mut layers);
    }
    layers
}

/// Defaults and variables of the roles that tasks import: the whole play sees them.
fn imported_layers(items: &[Item], layers: &mut Vec<Layer>) {
    for item in items {
        match item {
            Item::Task(_) => {}
            Item::Block(block) => {
                for part in [&block.body, &block.rescue, &block.always] {
                    imported_layers(part, layers);
                }
            }
            Item::Role(role) => {
                if role.public {
                    role_layers(&role.role, layers);
                }
                imported_layers(&role.tasks, layers);
            }
        }
    }
}

pub(super) fn flatten_handlers(items: &[Item], out: &mut Vec<Handler>) {
    let mut group = out.last().map_or(0, |last| last.group + 1);
    for item in items {
        match item {
            Item::Task(task) => {
                // The handlers of each use of a role are a group too.
                let role = |task: &Task| {
                    let mut chain = task.context.chain();
                    chain.find(|context| matches!(context.kind, ContextKind::Role(_))).map(std::ptr::from_ref)
                };
                if out.last().is_some_and(|last| last.group == group && role(&last.task) != role(task)) {
                    group += 1;
                }
                out.push(Handler { task: Arc::clone(task), group });
            }
            Item::Block(block) => {
                let Block { body, rescue, always, .. } = &**block;
                for part in [body, rescue, always] {
                    flatten_handlers(part, out);
                }
                group = out.last().map_or(0, |last| last.group + 1);
            }
            Item::Role(role) => {
                flatten_handlers(&role.handlers, out);
                group = out.last().map_or(0, |last| last.group + 1);
            }
        }
    }
}

fn order_hosts(mut hosts: Vec<Arc<str>>, order: Option<&str>, node: Option<&Node>) -> Result<Vec<Arc<str>>> {
    match order {
        Some("sorted") => hosts.sort(),
        Some("reverse_sorted") => {
            hosts.sort();
            hosts.reverse();
        }
        Some("reverse_inventory") => hosts.reverse(),
        Some("shuffle") => {
            let mut seed = [0; 8];
            // Without randomness the inventory's order is as good as any.
            let _ = getrandom::fill(&mut seed);
            let mut state = u64::from_le_bytes(seed) | 1;
            for index in (1..hosts.len()).rev() {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                hosts.swap(index, usize::try_from(state % (index as u64 + 1)).unwrap_or(0));
            }
        }
        Some("inventory") | None => {}
        Some(other) => {
            return Err(Diagnostic::source("P0103", format!("`order` knows no `{other}`"))
                .with_subject(Subject::Name("order".to_owned()))
                .with_registered(format!("Invalid 'order' specified for inventory hosts: {other}"))
                .with_label_opt(node.map(Node::place), "unknown")
                .with_nearest(other, crate::playbook::ORDERS.iter().copied())
                .with_hint_else(format!("one of `{}`", crate::playbook::ORDERS.join("`, `"))));
        }
    }
    Ok(hosts)
}

/// Batch sizes from `serial`: numbers, percentages, or a list of them.
fn serial_sizes(value: &Value, hosts: usize, node: &Node) -> Result<Vec<usize>> {
    let items: Vec<Value> = match value {
        Value::List(items) => items.to_vec(),
        other => vec![other.clone()],
    };
    items
        .iter()
        .map(|item| {
            let text = crate::value::python_str(item);
            let text = text.trim();
            let size = match text.strip_suffix('%') {
                Some(share) => {
                    share.trim().parse::<usize>().ok().map(|share| (hosts.saturating_mul(share) / 100).max(1))
                }
                None => text.parse::<i64>().ok().map(|size| usize::try_from(size).unwrap_or(0)),
            };
            // 0 and less mean all hosts at once.
            size.map(|size| if size == 0 { hosts } else { size }).ok_or_else(|| {
                Diagnostic::source("P0141", format!("`serial` must be a number or a percentage, found `{text}`"))
                    .with_label(node.place(), "here")
                    .with_hint("for example `serial: 2`, `serial: \"30%\"` or `serial: [1, \"50%\"]`")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_hosts_beyond_what_can_be_counted_is_all_of_them() {
        let file = crate::diag::SourceMap::new().add("play.yml", None, "x");
        let node = Node::text("x", crate::diag::Span::new(file.id, 0, 1));
        let sizes = |text: &str| serial_sizes(&Value::from(text), 3, &node).unwrap();
        assert_eq!(sizes("34%"), [1]);
        assert!(sizes(&format!("{}%", u64::MAX))[0] > 3);
        assert!(serial_sizes(&Value::from("x%"), 3, &node).is_err());
    }
}
