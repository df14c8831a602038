//! `include_tasks` and `include_role`: what brings more tasks into a play.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use indexmap::IndexSet;

use super::failures::Level;
use super::heard::hearing_now;
use super::interp::{Flow, Here, HostRun};
use super::play::Included;
use super::result::Attempt;
use super::schedule::{Agreed, Brought, Position, Round, Share};
use super::scope::{Frames, role_layers};
use super::state::lock;
use super::task::Ended;
use crate::diag::{Diagnostic, Kind, Result, SourceMap, Span};
use crate::event::EventKind;
use crate::map;
use crate::playbook::{Include, IncludeKind, Item, Keywords, NO_TASK_LIST, Role, RoleFrom, Task};
use crate::value::{Key, Map, Value, python_repr, python_str};
use crate::vars::{Entry, Layer, Scope};

/// Includes below each other: deeper is a cycle that no static check saw.
const MAX_DEPTH: usize = 200;

/// Why an include brought nothing.
enum Unloaded {
    /// Its arguments: the task fails as any other.
    Task(Diagnostic),
    /// What it names is not there, or holds no list: the host fails.
    Missing(String, Diagnostic),
    /// What it names is there, but is not written right: the run ends.
    Wrong(Diagnostic),
}

/// What the items of an include come to.
#[derive(Default)]
struct Found {
    /// What is included, with the item's variables.
    parts: Vec<(Brought, Option<Layer>)>,
    /// Results of items.
    items: Vec<Attempt>,
    /// The first condition that skipped one.
    skipped: Option<Value>,
    /// What is not there, and whether `no_log` hides that.
    missing: Vec<Missing>,
    /// What was warned of where nothing is included.
    warnings: Vec<Diagnostic>,
}

/// A name that an include gives, and why nothing is there.
struct Missing {
    name: String,
    why: Diagnostic,
    no_log: bool,
}

/// An include that could not be done: why, what was warned of, and whether `no_log` hides that.
type Stopped = (Unloaded, Vec<Diagnostic>, bool);

impl From<Diagnostic> for Unloaded {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Task(diagnostic)
    }
}

impl Unloaded {
    /// Of what the loader says: Ansible tells files that it cannot get from those that it cannot parse. A file of tasks
    /// that is no list counts with the former, but not what such a file brings in itself.
    fn of_file(diagnostic: Diagnostic, name: &str, file: Option<&str>, sources: &SourceMap) -> Self {
        let at = diagnostic.span().and_then(|span| sources.file(span.file)).and_then(|file| file.path.clone());
        let itself = file.is_some_and(|file| at.is_some_and(|at| at.file_name() == Path::new(file).file_name()));
        let no_list = itself && diagnostic.code == "P0201" && diagnostic.registered() == NO_TASK_LIST;
        if diagnostic.kind == Kind::Source && !no_list && !matches!(&*diagnostic.code, "P0401" | "P0501") {
            Self::Wrong(diagnostic)
        } else {
            Self::Missing(name.to_owned(), diagnostic)
        }
    }
}

impl HostRun {
    /// Runs a dynamic include; with `run_once` on the first host alone.
    pub(super) async fn include(
        &self,
        task: &Arc<Task>,
        include: &Include,
        round: &Arc<Round>,
        position: &Position,
        here: &Here,
    ) -> Flow {
        let scope = self.scope(task, here);
        let (once, _) = match self.once(task, &scope, round, false).await {
            Ok(once) => once,
            Err(diagnostic) => return self.play.give_up(diagnostic).await,
        };
        drop(scope);
        if once && !round.is_leader(&self.host) {
            round.wait().await;
            return self.share_failure(task, round, here, Flow::Next).await;
        }
        let share = if once { None } else { round.share(&self.host) };
        self.include_here(task, include, (round, share), position, here).await
    }

    /// Loads what an include names for each item, then runs that.
    async fn include_here(
        &self,
        task: &Arc<Task>,
        include: &Include,
        (round, share): (&Arc<Round>, Option<Share<'_>>),
        position: &Position,
        here: &Here,
    ) -> Flow {
        let scope = self.scope(task, here);
        self.announce(task, round, here);
        let started = Instant::now();
        if position.0.len() > MAX_DEPTH * 2 {
            let diagnostic = Diagnostic::source("P0130", "includes are nested too deeply")
                .with_label(task.label_span, "the innermost include")
                .with_hint("does a file include itself? end it with a condition");
            return self.settle_shared(task, Attempt::error(diagnostic), None, round, here).await;
        }
        let (layers, warnings) = hearing_now(|| self.loop_layers(task, &scope));
        self.tell_all(&warnings, self.is_hidden(task, &scope));
        let rounds: Vec<Option<Layer>> = match layers {
            Ok(None) => vec![None],
            Ok(Some(items)) => items.into_iter().map(|(_, layer)| Some(layer)).collect(),
            Err(diagnostic) => {
                let attempt = match self.when(task, &scope) {
                    Ok(Err(condition)) => Attempt::skipped(condition),
                    _ => Attempt::error(diagnostic),
                };
                return self.settle_shared(task, attempt, None, round, here).await;
            }
        };
        if rounds.is_empty() {
            let attempt = super::loops::loop_attempt(&mut []);
            return self.settle_shared(task, attempt, Some(0), round, here).await;
        }
        let looped = rounds.iter().any(Option::is_some);
        let Found { parts, mut items, skipped, missing, warnings } =
            match self.find_all(task, include, rounds, &scope, round) {
                Ok(found) => found,
                Err((Unloaded::Wrong(diagnostic), ..)) => return self.play.give_up(diagnostic).await,
                Err((Unloaded::Task(diagnostic) | Unloaded::Missing(_, diagnostic), heard, hidden)) => {
                    let failed = Attempt { hidden, ..Attempt::error(diagnostic).with_heard(heard) };
                    return self.settle_shared(task, failed, None, round, here).await;
                }
            };
        if !missing.is_empty() {
            return self.include_failed(task, (include, missing), parts, (round, share), position, here).await;
        }
        let mut attempt = match (looped, items.pop(), skipped) {
            (false, Some(done), _) => done,
            (false, None, condition) => {
                let skipped = Attempt::skipped(condition.unwrap_or_default()).with_heard(warnings);
                Attempt { hidden: self.is_hidden(task, &scope), ..skipped }
            }
            (true, last, _) => {
                items.extend(last);
                items.iter().for_each(|item| self.tell_heard(item, false));
                super::loops::loop_attempt(&mut items)
            }
        };
        attempt.seconds = started.elapsed().as_secs_f64();
        let flow = self.settle_shared(task, attempt, looped.then_some(parts.len()), round, here).await;
        if flow != Flow::Next {
            return flow;
        }
        // Each item that includes something counts.
        let more = u32::try_from(parts.len().saturating_sub(1)).unwrap_or(u32::MAX);
        lock(&self.play.engine.states.get(&self.host)).stats.ok += more;
        let parts = self.agree(task, parts, share).await;
        self.go_through(task, parts, position, here).await
    }

    /// Loads what is included for each item. What is not there is kept for the end; anything else ends it.
    fn find_all(
        &self,
        task: &Arc<Task>,
        include: &Include,
        rounds: Vec<Option<Layer>>,
        scope: &Scope,
        round: &Round,
    ) -> std::result::Result<Found, Stopped> {
        let mut found = Found::default();
        for layer in rounds {
            let scope = match &layer {
                Some(layer) => scope.with(layer.clone()),
                None => scope.clone(),
            };
            let hidden = self.is_hidden(task, &scope);
            let (verdict, mut heard) = hearing_now(|| self.when(task, &scope));
            match verdict {
                Ok(Ok(())) => {}
                Ok(Err(condition)) => {
                    match &layer {
                        Some(layer) => {
                            let skipped = self.skipped_item(task, &condition, layer, &scope, hidden);
                            found.items.push(Attempt { hidden, ..skipped }.with_heard(heard));
                        }
                        None => found.warnings.extend(heard),
                    }
                    found.skipped.get_or_insert(condition);
                    continue;
                }
                Err(diagnostic) => return Err((diagnostic.into(), heard, hidden)),
            }
            let checked = || self.check_keywords(task, &scope).and_then(|()| self.to_notify(task, &scope));
            if let (Err(diagnostic), more) = hearing_now(checked) {
                heard.extend(more);
                return Err((diagnostic.into(), heard, hidden));
            }
            let (loaded, more) = hearing_now(|| self.load(task, include, &scope));
            heard.extend(more);
            let (name, included) = match loaded {
                Ok(loaded) => loaded,
                Err(Unloaded::Missing(name, why)) => {
                    found.missing.push(Missing { name, why, no_log: hidden });
                    continue;
                }
                Err(other) => return Err((other, heard, hidden)),
            };
            // What its arguments warn of is known already.
            let (told, _) = hearing_now(|| self.told(include, &name, &scope));
            let key = match round.hosts.len() {
                0 | 1 => String::new(),
                _ => format!("{name}\n{}\n{}", python_repr(&Value::from(told.clone())), item_key(layer.as_ref())),
            };
            let mut done = Attempt::from_outcome(crate::modules::Outcome { result: told, ..Default::default() });
            if let Some(layer) = &layer {
                done.result.shift_remove(&crate::value::StrKey("changed"));
                add_item(&mut done, layer);
            }
            found.items.push(Attempt { hidden, ..done.with_heard(heard) });
            let label = layer.as_ref().map(|_| self.item_label(task, &scope));
            let file = match &included {
                Included::Tasks(items) => self.file_of(items),
                Included::Role(_) => None,
            };
            found.parts.push((Brought { key, name: file.unwrap_or(name), label, included }, layer));
        }
        Ok(found)
    }

    /// The end of an include of something that is not there. `ignore_errors` does not help; a rescue takes over, but
    /// the recap counts what could not be read as failures. What other items of a loop name stands before the rescue.
    async fn include_failed(
        &self,
        task: &Arc<Task>,
        (include, missing): (&Include, Vec<Missing>),
        parts: Vec<(Brought, Option<Layer>)>,
        (round, share): (&Arc<Round>, Option<Share<'_>>),
        position: &Position,
        here: &Here,
    ) -> Flow {
        let counted = Here { rescuable: false, ..here.clone() };
        for Missing { name, why, no_log } in missing {
            let mut attempt = Attempt { hidden: no_log, ..Attempt::error(why) };
            let told = attempt.diagnostic.as_ref().map(|told| told.registered().to_owned());
            for name in ["msg", "exception"] {
                attempt.result.shift_remove(&crate::value::StrKey(name));
            }
            if include.kind == IncludeKind::Tasks {
                crate::value::insert(&mut attempt.result, "include", name);
            }
            crate::value::insert(&mut attempt.result, "reason", told.unwrap_or_default());
            let ended = Ended { ignored: Some((false, false)), ..Ended::plain(attempt) };
            self.settle(task, ended, false, &counted);
        }
        let flow = self.count_failure(Flow::Failed, here);
        {
            let state = self.play.engine.states.get(&self.host);
            let mut state = lock(&state);
            // A rescue goes on in this play, but the host misses those after it.
            state.listed = true;
            state.stats.ok += u32::try_from(parts.len()).unwrap_or(u32::MAX);
        }
        // With `run_once` the others go on.
        round.finish();
        // In the order of those whose include is there: what failed first, then who goes through what.
        let flow = self.share_failure(task, round, here, flow).await;
        let parts = self.agree(task, parts, share).await;
        if here.rescuable && flow == Flow::Failed {
            self.go_through(task, parts, position, here).await;
        }
        flow
    }

    /// Tells what is included, and says in which order the hosts go through it.
    async fn agree(
        &self,
        task: &Arc<Task>,
        parts: Vec<(Brought, Option<Layer>)>,
        share: Option<Share<'_>>,
    ) -> Vec<(usize, (Brought, Option<Layer>))> {
        let brought: Vec<Brought> = parts.iter().map(|(part, _)| part.clone()).collect();
        let agreed = match share {
            Some(share) => share.agree(brought).await,
            None => Agreed {
                places: (0..parts.len()).collect(),
                tell: Some(brought.into_iter().map(|part| (part, vec![Arc::clone(&self.host)])).collect()),
            },
        };
        for (part, hosts) in agreed.tell.into_iter().flatten() {
            if let Included::Role(role) = &part.included {
                self.play.add_handlers(&role.handlers);
                lock(&self.play.included_roles).push(Arc::clone(&role.role.name));
                dependencies(&role.role, &mut lock(&self.play.included_dependencies));
                *lock(&self.play.magic_cache) = None;
            }
            for host in hosts {
                let kind = EventKind::Included { task: task.id, name: part.name.clone(), label: part.label.clone() };
                self.play.engine.sink.emit(Some(&host), kind);
            }
        }
        let mut parts: Vec<_> = agreed.places.into_iter().zip(parts).collect();
        parts.sort_by_key(|(place, _)| *place);
        parts
    }

    /// Runs what is included.
    async fn go_through(
        &self,
        task: &Task,
        parts: Vec<(usize, (Brought, Option<Layer>))>,
        position: &Position,
        here: &Here,
    ) -> Flow {
        let _level = self.enter(Level::new(false, false));
        for (place, (part, layer)) in parts {
            let mut inner = here.clone();
            inner.frames.enter(task, layer.clone());
            let position = position.child(place);
            if let Included::Role(role) = &part.included {
                self.keep_frames(&role.handlers, &inner.frames);
            }
            let flow = match &part.included {
                Included::Tasks(items) => self.items(items, &position, &inner).await,
                Included::Role(role) => self.role(role, &item_key(layer.as_ref()), &position, &inner).await,
            };
            match flow {
                Flow::Next => {}
                Flow::FailedTwice => return Flow::Failed,
                other => return other,
            }
        }
        Flow::Next
    }

    /// Handlers of an included role see the variables of the last include around them.
    fn keep_frames(&self, handlers: &[Item], frames: &Frames) {
        if frames.0.is_empty() {
            return;
        }
        let state = self.play.engine.states.get(&self.host);
        let mut found = Vec::new();
        super::play::flatten_handlers(handlers, &mut found);
        let mut state = lock(&state);
        for handler in found {
            state.handler_frames.insert(handler.task.id, frames.clone());
        }
    }

    /// An item that includes nothing.
    fn skipped_item(&self, task: &Task, condition: &Value, layer: &Layer, scope: &Scope, no_log: bool) -> Attempt {
        let mut attempt = Attempt::skipped(condition.clone());
        add_item(&mut attempt, layer);
        let label = self.item_label(task, scope);
        let done = attempt.done(task, false, no_log);
        self.emit(EventKind::ItemDone { task: task.id, label, done });
        attempt
    }

    /// The result of an include: the file, or all arguments of a role's.
    fn told(&self, include: &Include, name: &str, scope: &Scope) -> Map {
        if include.kind == IncludeKind::Tasks {
            return map! { "include" => name, "include_args" => Value::empty_map() };
        }
        let render = |node: &crate::yaml::Node| {
            self.play.engine.templates.render(node, scope).unwrap_or_else(|_| node.to_value())
        };
        let args = include.args.iter().filter(|(name, _)| &***name != "apply");
        let args: Map = args.map(|(name, (_, node))| (Key::Str(Arc::clone(name)), render(node))).collect();
        map! { "include_args" => Value::from(args) }
    }

    /// The file that tasks were loaded from.
    fn file_of(&self, items: &[Item]) -> Option<String> {
        let span = match items.first()? {
            Item::Task(task) => task.span,
            Item::Block(block) => block.span,
            Item::Role(_) => return None,
        };
        let file = self.play.engine.templates.sources().file(span.file)?;
        let path = file.path.as_ref()?;
        Some(std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string())
    }

    /// An item's label as people are told it.
    fn item_label(&self, task: &Task, scope: &Scope) -> String {
        if self.is_hidden(task, scope) {
            return "(censored due to no_log)".to_owned();
        }
        let control = task.keywords.get("loop_control");
        let templates = &self.play.engine.templates;
        if let Some(label) = control.and_then(|control| control.get("label")) {
            return templates
                .render(label, scope)
                .map_or_else(|error| error.message.clone(), |value| python_str(&value));
        }
        let var = control.and_then(|control| control.get("loop_var")).and_then(crate::yaml::Node::as_str);
        templates
            .variable(var.unwrap_or("item"), scope)
            .ok()
            .flatten()
            .map_or_else(String::new, |value| python_str(&value))
    }

    /// The end of an include; with `any_errors_fatal` its failure is that of all hosts.
    pub(super) async fn settle_shared(
        &self,
        task: &Arc<Task>,
        attempt: Attempt,
        items: Option<usize>,
        round: &Round,
        here: &Here,
    ) -> Flow {
        let flow = self.settle_include(task, attempt, items, here);
        round.finish();
        self.share_failure(task, round, here, flow).await
    }

    pub(super) fn settle_include(&self, task: &Arc<Task>, attempt: Attempt, items: Option<usize>, here: &Here) -> Flow {
        let flow = self.settle(task, Ended { items, ..Ended::plain(attempt) }, false, here);
        self.count_failure(flow, here)
    }

    fn load(
        &self,
        task: &Arc<Task>,
        include: &Include,
        scope: &Scope,
    ) -> std::result::Result<(String, Included), Unloaded> {
        let templates = &self.play.engine.templates;
        let given = |name: &str| -> Result<Option<(Value, Span)>> {
            let Some((_, node)) = include.args.get(name) else { return Ok(None) };
            let value = templates.render(node, scope).map_err(|error| {
                let (full, shown) = match include.kind {
                    IncludeKind::Tasks => ("ansible.builtin.include_tasks", "_raw_params"),
                    IncludeKind::Role => ("ansible.builtin.include_role", name),
                };
                super::arguments::finalizing(full, shown, node, error)
            })?;
            Ok((!crate::template::is_omit(&value) && value != Value::Null).then(|| (value, node.place())))
        };
        let text = |name: &str| -> Result<Option<String>> { Ok(given(name)?.map(|(value, _)| python_str(&value))) };
        let wanted = match include.kind {
            IncludeKind::Tasks => text("file")?.or(text("_raw_params")?),
            IncludeKind::Role => text("name")?.or(text("role")?),
        };
        let Some(name) = wanted else {
            let what = if include.kind == IncludeKind::Tasks { "file" } else { "name" };
            return Err(Diagnostic::source("P0155", format!("`{}` names no `{what}`", include.name))
                .with_label(include.name_span, format!("needs `{what}`"))
                .with_hint(format!("write `{}: {{{what}: ...}}`", include.name))
                .into());
        };
        let flag = |name: &str| -> Result<Option<bool>> {
            let Some((value, place)) = given(name)? else { return Ok(None) };
            let flag = super::conditions::flag_of(name, &value, Some(place));
            flag.map(Some).map_err(|error| super::conditions::of_keyword(name, error))
        };
        let from = RoleFrom {
            tasks: text("tasks_from")?,
            vars: text("vars_from")?,
            defaults: text("defaults_from")?,
            handlers: text("handlers_from")?,
            validate: flag("rolespec_validate")?.unwrap_or(true),
            duplicates: flag("allow_duplicates")?.unwrap_or(true),
        };
        let public = flag("public")?.or(self.play.engine.loader.public_roles()).unwrap_or(false);
        let key = (task.id, format!("{name}\n{from:?}"));
        let known = lock(&self.play.included).get(&key).cloned();
        let included = match known {
            Some(included) => included,
            None => {
                let (keywords, applied) = include_keywords(task, include)?;
                let context = Self::include_context(task, PathBuf::from(&name), keywords, applied);
                let included = match include.kind {
                    IncludeKind::Tasks => Included::Tasks(
                        self.play
                            .engine
                            .loader
                            .include_tasks(&name, &context, &task.file, task.handler)
                            .map_err(|error| Unloaded::of_file(error, &name, Some(&name), templates.sources()))?
                            .into(),
                    ),
                    IncludeKind::Role => Included::Role(Arc::new(
                        self.play
                            .engine
                            .loader
                            .include_role(&name, &from, &context, &task.file)
                            .map_err(|error| Unloaded::of_file(error, &name, None, templates.sources()))?,
                    )),
                };
                // Another host may have loaded it meanwhile: all share the first, so that task numbers agree.
                lock(&self.play.included).entry(key).or_insert(included).clone()
            }
        };
        if let Included::Role(role) = &included
            && public
        {
            let mut layers = Vec::new();
            role_layers(&role.role, &mut layers);
            lock(&self.play.engine.states.get(&self.host)).exported.extend(layers);
        }
        Ok((name, included))
    }
}

/// The names of the roles that a role depends on, those that they depend on first.
fn dependencies(role: &Role, names: &mut IndexSet<Arc<str>>) {
    for dependency in &role.dependencies {
        dependencies(dependency, names);
        names.insert(Arc::clone(&dependency.name));
    }
}

/// What tells the rounds of a loop apart.
fn item_key(layer: Option<&Layer>) -> String {
    let Some(layer) = layer else { return String::new() };
    let each = layer.entries.iter().filter_map(|(name, entry)| match entry {
        Entry::Data(Value::Map(info), _) if &**name == "ansible_loop" => {
            let part = |key| info.get(&crate::value::StrKey(key)).map(python_repr).unwrap_or_default();
            Some(format!("{} of {}", part("index"), part("length")))
        }
        entry => item_value(entry).map(|value| format!("{name}={}", python_repr(&value))),
    });
    each.collect::<Vec<_>>().join("\n")
}

/// Adds the variables of a round to the result of its item.
fn add_item(attempt: &mut Attempt, layer: &Layer) {
    for (name, entry) in layer.entries.iter() {
        if let Some(value) = item_value(entry) {
            crate::value::insert(&mut attempt.result, name, value);
        }
    }
}

/// The value of a loop's variable; texts that stand in the playbook are kept as source.
fn item_value(entry: &Entry) -> Option<Value> {
    match entry {
        Entry::Data(value, _) | Entry::Rendered(value, _) => Some(value.clone()),
        Entry::Lazy(node) => Some(node.to_value()),
        _ => None,
    }
}

/// The keywords that an include hands on: its `vars`, and what stands under `apply`; the variables there are those of
/// a block around it.
fn include_keywords(task: &Task, include: &Include) -> Result<(Keywords, Option<Keywords>)> {
    let mut keywords = Keywords::default();
    if let Some((_, apply)) = include.args.get("apply") {
        for (key, value) in apply.as_map().unwrap_or_default() {
            let Some(name) = key.as_str() else { continue };
            let Some(name) = crate::playbook::keyword_name(name) else {
                return Err(Diagnostic::source("P0101", format!("`apply` has no keyword `{name}`"))
                    .with_label(key.place(), "unknown"));
            };
            keywords.0.insert(name, (key.place(), value.clone()));
        }
    }
    let applied = keywords.0.shift_remove("vars").map(|vars| {
        let mut applied = Keywords::default();
        applied.0.insert("vars", vars);
        applied
    });
    if let Some(vars) = task.keywords.get("vars") {
        keywords.0.insert("vars", (vars.place(), vars.clone()));
    }
    Ok((keywords, applied))
}
