//! One host's way through a play: sections, blocks with rescue and always, roles, includes, handlers.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;

use super::conditions::selected_by_tags;
use super::failures::{Level, Part};
use super::heard::hearing_now;
use super::play::PlayRun;
use super::result::Attempt;
use super::schedule::{Gate, HostEnd, Parked, Position, Round, Turn, Verdict};
use super::scope::{Frames, parents_of};
use super::state::{Out, lock};
use crate::diag::{Diagnostic, Result};
use crate::playbook::{Action, Block, Context, ContextKind, DynamicUse, Item, RoleUse, Task};

/// How a list of tasks ended on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Go on.
    Next,
    /// A task failed; the nearest rescue takes over.
    Failed,
    /// A task with `run_once` failed on another host: Ansible counts that twice here, and the nearest rescue fails.
    FailedTwice,
    /// `meta: end_role`.
    EndRole,
    /// The host takes no further part in this play: unreachable, ended, or all were stopped.
    Gone,
}

/// What a task needs to know about where it runs.
#[derive(Clone, Default)]
pub(super) struct Here {
    /// Variables of the dynamic includes around.
    pub frames: Frames,
    /// A block around has a rescue that would take a failure over.
    pub rescuable: bool,
    /// A block around has an `always` that runs after a failure.
    pub cleans: bool,
}

/// One host in one play.
pub(super) struct HostRun {
    pub play: Arc<PlayRun>,
    pub gate: Arc<Gate>,
    pub host: Arc<str>,
    /// Told when the host is out of reach and waits to be let go on: with `host_pinned` another may begin meanwhile.
    parked: mpsc::UnboundedSender<Arc<str>>,
    /// Past the task of `--start-at-task`, each host for itself.
    pub started: AtomicBool,
    /// The blocks around, the outermost first.
    levels: Mutex<Vec<Level>>,
}

/// A block that the host is in.
pub(super) struct Inside<'a>(&'a Mutex<Vec<Level>>);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        lock(self.0).pop();
    }
}

type Walk<'a> = Pin<Box<dyn Future<Output = Flow> + Send + 'a>>;

impl HostRun {
    pub(super) fn new(
        play: Arc<PlayRun>,
        gate: Arc<Gate>,
        host: Arc<str>,
        parked: mpsc::UnboundedSender<Arc<str>>,
        started: bool,
    ) -> Self {
        Self { play, gate, host, parked, started: AtomicBool::new(started), levels: Mutex::default() }
    }

    /// Runs the whole play for this host; tells which it was.
    pub(super) async fn run_play(self) -> Arc<str> {
        let flow = self.sections().await;
        {
            let state = self.play.engine.states.get(&self.host);
            let mut state = lock(&state);
            // `meta: clear_host_errors` may have taken the failure back; one that was on its way out when the play was
            // ended stays.
            let failed = matches!(flow, Flow::Failed | Flow::FailedTwice) && state.clearings == state.failed_at;
            if (failed || state.failing) && state.out.is_none() {
                (state.out, state.failed) = (Some(Out::Failed), true);
            }
        }
        // Other hosts see the shorter list of hosts from now on.
        *lock(&self.play.magic_cache) = None;
        self.gate.leave(&self.host);
        self.host
    }

    async fn sections(&self) -> Flow {
        // An earlier play could not reach it.
        if self.out() {
            match self.unless_pardoned(Flow::Gone).await {
                Flow::Next => {}
                other => return other,
            }
        }
        let play = Arc::clone(&self.play.play);
        let here = Here::default();
        match self.gather(&Position(vec![0])).await {
            Flow::Next => {}
            other => return other,
        }
        let section = self.enter_section();
        let flow = self.items(&play.pre_tasks, &Position(vec![1]), &here).await;
        if let Some(end) = self.section_end(flow, 2).await {
            return end;
        }
        drop(section);
        let section = self.enter_section();
        let mut flow = Flow::Next;
        for (index, role) in play.roles.iter().enumerate() {
            flow = self.role(role, "", &Position(vec![3]).child(index), &here).await;
            if flow != Flow::Next {
                break;
            }
        }
        if flow == Flow::Next {
            flow = self.items(&play.tasks, &Position(vec![4]), &here).await;
        }
        if let Some(end) = self.section_end(flow, 5).await {
            return end;
        }
        drop(section);
        let _section = self.enter_section();
        let flow = self.items(&play.post_tasks, &Position(vec![6]), &here).await;
        if let Some(end) = self.section_end(flow, 7).await {
            return end;
        }
        Flow::Next
    }

    /// Flushes handlers at the end of a section; after a failure only with `force_handlers`.
    async fn section_end(&self, flow: Flow, position: u32) -> Option<Flow> {
        // The flush at the end of a section is a task with the tag `always`.
        if !self.takes_always() {
            return (!matches!(flow, Flow::Next | Flow::EndRole)).then_some(flow);
        }
        if matches!(flow, Flow::Next | Flow::EndRole) || self.force_handlers() {
            self.tell_notified();
            // Few people look for this, so it is told only where they say so (`ANSIBLE_DEBUG`).
            let debug = self.play.engine.templates.host().setting(None, "DEFAULT_DEBUG").ok().flatten();
            if debug.is_some_and(|debug| debug.value == crate::value::Value::Bool(true))
                && !lock(&self.play.engine.states.get(&self.host)).notified.is_empty()
            {
                let text = format!("META: triggered running handlers for {}", self.host);
                self.emit(crate::event::EventKind::Trace { text, inner: true });
            }
        }
        match flow {
            Flow::Next | Flow::EndRole => match self.flush(&Position(vec![position]), &Here::default()).await {
                Flow::Next => None,
                other => Some(other),
            },
            Flow::Failed | Flow::FailedTwice if self.force_handlers() => {
                self.move_on(Part::Always, Some(true));
                let failed_at = self.failed_at();
                let flushed = self.flush(&Position(vec![position]), &Here::default()).await;
                // A handler may take the failure back.
                (flushed != Flow::Next || !self.cleared_since(failed_at)).then_some(Flow::Failed)
            }
            other => Some(other),
        }
    }

    /// Tasks with the tag `always` run.
    fn takes_always(&self) -> bool {
        let options = &self.play.engine.options;
        crate::playbook::selected(&["always"], &options.tags, &options.skip_tags)
    }

    fn force_handlers(&self) -> bool {
        self.play.force_handlers
    }

    /// The host is out of the run.
    pub(super) fn out(&self) -> bool {
        lock(&self.play.engine.states.get(&self.host)).out.is_some()
    }

    /// Runs a list of items in order.
    pub(super) fn items<'a>(&'a self, items: &'a [Item], position: &'a Position, here: &'a Here) -> Walk<'a> {
        Box::pin(async move {
            for (index, item) in items.iter().enumerate() {
                let position = position.child(index);
                let flow = match item {
                    Item::Task(task) => self.task(task, &position, here).await,
                    Item::Block(block) => self.block(block, &position, here).await,
                    Item::Role(role) => self.role(role, "", &position, here).await,
                };
                if flow != Flow::Next {
                    return flow;
                }
            }
            Flow::Next
        })
    }

    async fn block(&self, block: &Arc<Block>, position: &Position, here: &Here) -> Flow {
        let guarded = !block.rescue.is_empty() || !block.always.is_empty();
        if guarded && let Some(flow) = self.border(position).await {
            return flow;
        }
        let cleaning = Here { cleans: here.cleans || !block.always.is_empty(), ..here.clone() };
        let inner = Here { rescuable: here.rescuable || !block.rescue.is_empty(), ..cleaning.clone() };
        let _level = self.enter(Level::new(!block.rescue.is_empty(), !block.always.is_empty()));
        let mut flow = self.items(&block.body, &position.child(0), &inner).await;
        if flow == Flow::Next && guarded {
            // Until it begins something else it stands in the body, also while others go through the rescue.
            flow = self.border(&position.child(1).child(usize::MAX)).await.unwrap_or(Flow::Next);
        }
        let mut cleans = !block.always.is_empty();
        if flow == Flow::FailedTwice {
            // Of the two parts that would come next one is lost.
            cleans &= !block.rescue.is_empty();
            flow = Flow::Failed;
        } else if flow == Flow::Failed && !block.rescue.is_empty() {
            self.move_on(Part::Rescue, Some(true));
            flow = self.items(&block.rescue, &position.child(1), &cleaning).await;
            if flow == Flow::FailedTwice {
                cleans = false;
                flow = Flow::Failed;
            }
        }
        // `end_role` leaves out every `always` on its way, as with Ansible.
        if !cleans || matches!(flow, Flow::Gone | Flow::EndRole) {
            return flow;
        }
        self.move_on(Part::Always, Some(flow == Flow::Failed));
        let failed_at = self.failed_at();
        match self.items(&block.always, &position.child(2), here).await {
            Flow::Next if flow == Flow::Failed && self.cleared_since(failed_at) => Flow::Next,
            Flow::Next => flow,
            Flow::FailedTwice => Flow::Failed,
            other => other,
        }
    }

    /// The host enters a block, until what is given back is dropped.
    pub(super) fn enter(&self, level: Level) -> Inside<'_> {
        lock(&self.levels).push(level);
        Inside(&self.levels)
    }

    /// With `force_handlers` a section is a block that flushes handlers in its `always`.
    fn enter_section(&self) -> Option<Inside<'_>> {
        self.force_handlers().then(|| self.enter(Level::new(false, true)))
    }

    /// The block around goes on to its next part.
    fn move_on(&self, part: Part, failed: Option<bool>) {
        if let Some(level) = lock(&self.levels).last_mut() {
            level.part = part;
            level.failed = failed.unwrap_or(level.failed);
        }
    }

    /// The host asks for its turn at a task. Once that begins, a failure counts for the blocks that the host now is in.
    pub(super) fn asks(&self) {
        let mut levels = lock(&self.levels).clone();
        // Tasks beside blocks stand in a block of their own.
        if levels.len() == usize::from(self.force_handlers()) {
            levels.push(Level::new(false, false));
        }
        lock(&self.play.engine.states.get(&self.host)).coming = Some(levels);
    }

    /// The hosts of a round begin their task, all at once.
    pub(super) fn begins(&self, round: &Round) {
        round.begin(|hosts| {
            for host in hosts {
                let state = self.play.engine.states.get(host);
                let mut state = lock(&state);
                if let Some(levels) = state.coming.take() {
                    state.levels = levels;
                }
            }
        });
    }

    /// Where hosts meet before they enter or leave a block: how it goes on, if not as it was.
    async fn border(&self, position: &Position) -> Option<Flow> {
        match self.gate.border(&self.host, position).await {
            Turn::Go(_) => None,
            Turn::Fail(twice) => Some(self.failed_with_others(twice)),
            Turn::Stop => Some(Flow::Gone),
        }
    }

    /// A role's tasks, unless the same use of it has run on this host before; `item` tells the rounds of an include's
    /// loop apart.
    pub(super) async fn role(&self, role: &RoleUse, item: &str, position: &Position, here: &Here) -> Flow {
        let key: &Arc<str> =
            &if item.is_empty() { Arc::clone(&role.role.key) } else { format!("{}\n{item}", role.role.key).into() };
        let state = self.play.engine.states.get(&self.host);
        if !role.role.allow_duplicates && lock(&state).roles_done.contains(key) {
            // What an included role depends on has its own say.
            let depends = |item: &&Item| match item {
                Item::Role(used) => parents_of(&used.context).next().is_some_and(|outer| outer.dependent),
                _ => false,
            };
            let dependencies: Vec<Item> = role.tasks.iter().take_while(depends).cloned().collect();
            return self.items(&dependencies, position, here).await;
        }
        let flow = self.items(&role.tasks, position, here).await;
        match flow {
            Flow::Next | Flow::EndRole => {
                let mut state = lock(&state);
                if self.takes_always() && state.roles_ran.contains(key) {
                    state.roles_done.insert(Arc::clone(key));
                }
                Flow::Next
            }
            other => other,
        }
    }

    /// One task: its turn, then its work. Includes go on into what they include.
    fn task<'a>(&'a self, task: &'a Arc<Task>, position: &'a Position, here: &'a Here) -> Walk<'a> {
        Box::pin(async move {
            let begun = self.started.load(Ordering::SeqCst);
            match selected_by_tags(self, task, here) {
                Ok(true) if self.started(task, here) => {}
                Ok(_) => return Flow::Next,
                Err(diagnostic) => return self.play.give_up(diagnostic).await,
            }
            // The play that begins in its middle has facts all the same. No rescue takes what fails there.
            if !begun && self.gather(&Position(vec![0])).await != Flow::Next {
                return Flow::Gone;
            }
            if self.out() {
                return Flow::Gone;
            }
            let meta = task.action.is_module("meta");
            self.asks();
            let round = match self.gate.turn(&self.host, position, task.id, meta).await {
                Turn::Go(round) => round,
                Turn::Fail(twice) => return self.failed_with_others(twice),
                Turn::Stop => return Flow::Gone,
            };
            self.begins(&round);
            let _stay = round.stay(self, !meta);
            if !self.step(task, &round, here).await {
                return Flow::Next;
            }
            let resolved = match &task.action {
                Action::Dynamic(module) => match self.resolve(task, module, here) {
                    Ok(task) => Some(task),
                    Err(diagnostic) => {
                        self.announce(task, &round, here);
                        // The others may have got a module, and wait for this host in it.
                        round.release(&self.host);
                        return self.settle_shared(task, Attempt::error(diagnostic), None, &round, here).await;
                    }
                },
                _ => None,
            };
            let task = resolved.as_ref().unwrap_or(task);
            match &task.action {
                Action::Module(module) if module.entry.meta.name == "meta" => {
                    let flow = self.meta(task, module, &round, position, here).await;
                    self.gate.meta_over(&self.host, false);
                    flow
                }
                Action::Module(module) => {
                    let flow = self.run_module(task, module, &round, here).await;
                    let flow = self.count_failure(flow, here);
                    let flow = self.share_failure(task, &round, here, flow).await;
                    self.unless_pardoned(flow).await
                }
                Action::Include(include) => self.include(task, include, &round, position, here).await,
                Action::Dynamic(_) => Flow::Next,
            }
        })
    }

    /// A task whose module's name is a template, with the module that it names on this host.
    fn resolve(&self, task: &Arc<Task>, module: &DynamicUse, here: &Here) -> Result<Arc<Task>> {
        let scope = self.scope(task, here);
        let engine = &self.play.engine;
        let text = crate::value::python_str(&engine.templates.render(&module.text, &scope)?);
        let action = engine.loader.resolve(module, &text, &task.context, &task.file)?;
        if action.is_module("meta") {
            // What changes the way through the play must be known before it begins.
            let what = format!("`{}` cannot come out of a template", action.name());
            return Err(Diagnostic::task("P0158", what)
                .with_registered(format!("Task failed: Cannot resolve '{text}' to an action or module."))
                .with_label(module.text.place(), "this template")
                .with_hint("write `meta: ...`, with a condition"));
        }
        Ok(Arc::new(task.with_action(action)))
    }

    /// A host that cannot be reached may be let go on.
    pub(super) async fn unless_pardoned(&self, flow: Flow) -> Flow {
        if flow != Flow::Gone {
            return flow;
        }
        let waits = || drop(self.parked.send(Arc::clone(&self.host)));
        match self.gate.park(&self.host, || !self.out(), waits).await {
            Parked::GoesOn if !self.out() => Flow::Next,
            Parked::Fails(twice) => self.failed_with_others(twice),
            Parked::GoesOn | Parked::Stays => flow,
        }
    }

    /// Notes when a failure came, for who takes it back.
    pub(super) fn fails(&self, flow: Flow) -> Flow {
        let state = self.play.engine.states.get(&self.host);
        let mut state = lock(&state);
        state.failed_at = state.clearings;
        flow
    }

    /// When the last failure came, in clearings.
    fn failed_at(&self) -> u32 {
        lock(&self.play.engine.states.get(&self.host)).failed_at
    }

    /// `meta: clear_host_errors` has taken back the failure that came then.
    fn cleared_since(&self, failed_at: u32) -> bool {
        lock(&self.play.engine.states.get(&self.host)).clearings != failed_at
    }

    /// A failure that no rescue takes is the host's own, but not if the play was ended while its task ran.
    pub(super) fn count_failure(&self, flow: Flow, here: &Here) -> Flow {
        if matches!(flow, Flow::Failed | Flow::FailedTwice) {
            self.fails(flow);
        }
        if flow != Flow::Failed {
            return flow;
        }
        if self.gate.is_ended() {
            return Flow::Gone;
        }
        let more = here.rescuable || here.cleans || self.force_handlers() && self.flushes();
        self.play.own_failure(&self.host, here.rescuable, !more);
        flow
    }

    /// A flush of handlers would do something.
    fn flushes(&self) -> bool {
        let state = self.play.engine.states.get(&self.host);
        let state = lock(&state);
        !state.pending.is_empty() || !state.notified.is_empty()
    }

    /// With `any_errors_fatal` all hosts fail with one, each in its own blocks.
    pub(super) async fn share_failure(&self, task: &Task, round: &Round, here: &Here, flow: Flow) -> Flow {
        // What is warned of is told where the task begins.
        let says = |name| hearing_now(|| self.keyword_bool(task, name, here)).0 == Some(true);
        let says_once = || hearing_now(|| self.says_once(task, &self.scope(task, here))).0.unwrap_or(false);
        let once = round.is_once();
        let end = HostEnd {
            host: &self.host,
            failed: flow == Flow::Failed,
            unreachable: flow == Flow::Gone,
            fatal: !self.play.free && (once || says("any_errors_fatal")) && !says("ignore_errors"),
            once: once && !self.play.free && says_once(),
        };
        round.ended(&end, &self.play, &self.gate);
        if !end.fatal && self.play.max_fail.is_none() {
            return flow;
        }
        match round.verdict().await {
            Verdict::Stop => Flow::Gone,
            Verdict::Fail if flow == Flow::Next => self.failed_with_others(false),
            Verdict::FailTwice if flow == Flow::Next => self.failed_with_others(true),
            _ => flow,
        }
    }

    /// Another host's failure is this one's too, with `run_once` twice.
    pub(super) fn failed_with_others(&self, twice: bool) -> Flow {
        self.fails(if twice { Flow::FailedTwice } else { Flow::Failed })
    }

    /// False before `--start-at-task`'s task was seen.
    fn started(&self, task: &Arc<Task>, here: &Here) -> bool {
        let engine = &self.play.engine;
        let Some(wanted) = &engine.options.start_at_task else { return true };
        if self.started.load(Ordering::SeqCst) {
            return true;
        }
        let name = self.task_name(task, here);
        let full = task.context.role().map_or_else(|| name.clone(), |role| format!("{} : {name}", role.name));
        // A place, as the report names tasks without a name: FILE:LINE.
        let place = engine.templates.sources().place(task.label_span);
        let at = |text: &str| place == text || place.rsplit_once(':').is_some_and(|(line, _)| line == text);
        let matches =
            super::conditions::wildcard(wanted, &name) || super::conditions::wildcard(wanted, &full) || at(wanted);
        if matches {
            self.started.store(true, Ordering::SeqCst);
            // For the batches and plays after this one.
            engine.started.store(true, Ordering::SeqCst);
        }
        matches
    }

    /// Tells which handlers are about to run.
    pub(super) fn tell_notified(&self) {
        self.resolve_notified();
        let handlers = lock(&self.play.handlers).clone();
        let state = self.play.engine.states.get(&self.host);
        let notified = lock(&state).notified.clone();
        for handler in handlers.iter().filter(|handler| notified.contains(&handler.task.id)) {
            let name = self.task_name(&handler.task, &Here::default());
            let role = handler.task.context.role().map(|role| format!("{} : {name}", role.name));
            self.emit(crate::event::EventKind::Notified { handler: role.unwrap_or(name), runs: true });
        }
    }

    /// Runs notified handlers in the order of their definition.
    pub(super) async fn flush(&self, position: &Position, around: &Here) -> Flow {
        self.resolve_notified();
        let state = self.play.engine.states.get(&self.host);
        let outer = std::mem::replace(&mut lock(&state).flushing, true);
        let flow = self.run_notified(position, around).await;
        lock(&state).flushing = outer;
        flow
    }

    async fn run_notified(&self, position: &Position, around: &Here) -> Flow {
        let handlers = lock(&self.play.handlers).clone();
        let state = self.play.engine.states.get(&self.host);
        for (index, handler) in handlers.iter().enumerate() {
            if !lock(&state).notified.shift_remove(&handler.task.id) {
                continue;
            }
            // A handler sees what a normal task sees, but runs whatever the tags are. A rescue around the flush takes
            // its failure.
            let frames = lock(&state).handler_frames.get(&handler.task.id).cloned().unwrap_or_default();
            let here = Here { rescuable: around.rescuable, cleans: around.cleans, frames };
            let flow = self.task(&handler.task, &position.child(index), &here).await;
            if flow != Flow::Next {
                return flow;
            }
        }
        Flow::Next
    }

    /// A context for what a dynamic include brings in; `applied`: a block's keywords around it.
    pub(super) fn include_context(
        task: &Task,
        file: std::path::PathBuf,
        keywords: crate::playbook::Keywords,
        applied: Option<crate::playbook::Keywords>,
    ) -> Arc<Context> {
        let mut parent = Arc::clone(&task.context);
        if let Some(keywords) = applied {
            parent = Arc::new(Context { kind: ContextKind::Block, keywords, parent: Some(parent) });
        }
        Arc::new(Context { kind: ContextKind::Include { file, dynamic: true }, keywords, parent: Some(parent) })
    }
}
