//! One task on one host: loop, conditions, arguments, call, retries, register.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::conditions::keyword;
use super::debugger::Next;
use super::heard::{hearing, hearing_now};
use super::interp::{Flow, Here, HostRun};
use super::judge::{fail, with_register};
use super::loops::{Loop, loop_attempt};
use super::play::PlayRun;
use super::result::Attempt;
use super::schedule::Round;
use super::state::lock;
use crate::diag::{Diagnostic, Result, guarded_future};
use crate::event::{EventKind, Status};
use crate::playbook::{ModuleUse, Task};
use crate::value::{StrKey, Value, insert, python_str};
use crate::vars::{Entry, Scope};
use crate::yaml::Node;

/// How a whole task ended on a host, before it is counted.
pub(super) struct Ended {
    pub attempt: Attempt,
    /// Number of items, if it was a loop.
    pub items: Option<usize>,
    /// Handlers to notify.
    pub notify: Vec<String>,
    /// Of a loop: whether all items that failed, and all that were unreachable, are ignored.
    pub ignored: Option<(bool, bool)>,
    /// Its end was shown already.
    pub told: bool,
    /// It, or one of its items, is not to be shown.
    pub no_log: bool,
}

impl Ended {
    /// The end of a task that has no loop and notifies nobody.
    pub fn plain(attempt: Attempt) -> Self {
        Self { attempt, items: None, notify: Vec::new(), ignored: None, told: false, no_log: false }
    }
}

/// One call of a task's module: the task's own, or that of an item of its loop.
#[derive(Clone, Copy)]
struct Call<'a> {
    task: &'a Arc<Task>,
    module: &'a ModuleUse,
    scope: &'a Scope,
    no_log: bool,
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
        if for_all && self.play.free {
            return self.play.give_up(not_free(module.entry.meta.name, task)).await;
        }
        let (run_once, shared) = match self.once(task, &scope, round, for_all).await {
            Ok(once) => once,
            Err(diagnostic) => return self.play.give_up(diagnostic).await,
        };
        if self.play.free {
            self.warn_free(task, shared, here);
        }
        if run_once && !round.is_leader(&self.host) {
            round.wait().await;
            return Flow::Next;
        }
        self.announce(task, round, here);
        self.emit(EventKind::HostStarted { task: task.id });
        let started = Instant::now();
        // Groups list their hosts in the order in which they were added, and one at a time means in order.
        let throttle = match self.throttle(task, &scope) {
            Ok(throttle) => throttle,
            Err(diagnostic) => {
                let ended = Ended::plain(Attempt::error(diagnostic));
                let flow = self.settle(task, ended, shared, here);
                if run_once {
                    round.finish();
                }
                round.in_order(&self.host).await;
                round.pass_on(&self.host);
                return flow;
            }
        };
        let in_order = module.entry.meta.name == "group_by" || throttle.as_ref().is_some_and(|few| few.0 == 1);
        // Hosts start in order, as far as `throttle` and `forks` let them: who waited for those before it was its turn
        // could keep them from the host whose turn it is.
        round.in_order(&self.host).await;
        let _turn = match &throttle {
            Some((_, few)) => few.acquire().await.ok(),
            None => None,
        };
        let permit = self.play.engine.forks.acquire().await;
        if !in_order {
            round.pass_on(&self.host);
        }
        let mut ended = self.execute(task, module, scope, here).await;
        drop(permit);
        let mut changes = super::debugger::Changes::default();
        let mut changed = (Arc::clone(task), here.clone());
        while self.wants_debugger(task, &ended, here) {
            match self.debug_session(&changed.0, &mut ended, &mut changes, &changed.1).await {
                Next::Continue | Next::Exit => break,
                Next::Redo => {}
            }
            changed = changes.apply(task, here);
            let crate::playbook::Action::Module(module) = &changed.0.action else { break };
            let _permit = self.play.engine.forks.acquire().await;
            let scope = self.scope(&changed.0, &changed.1);
            ended = self.execute(&changed.0, module, scope, &changed.1).await;
        }
        ended.attempt.seconds = started.elapsed().as_secs_f64();
        // Only the keyword shares the result with the other hosts.
        let flow = self.settle(task, ended, shared, here);
        if lock(&self.play.broken).is_some() {
            // The run ends here: no host begins another task meanwhile.
            return std::future::pending().await;
        }
        if in_order {
            round.pass_on(&self.host);
        }
        if run_once {
            round.finish();
        }
        flow
    }

    /// What hosts that do not wait for each other cannot do together.
    fn warn_free(&self, task: &Task, run_once: bool, here: &Here) {
        let fatal = self.keyword_bool(task, "any_errors_fatal", here) == Some(true);
        let texts = [
            (
                run_once,
                "Using run_once with the free strategy is not currently supported. This task will still be executed for every host in the inventory list.",
            ),
            (
                fatal,
                "Using any_errors_fatal with the free strategy is not supported, as tasks are executed independently on each host",
            ),
        ];
        for (_, text) in texts.into_iter().filter(|(holds, _)| *holds) {
            self.play.engine.warn_once(None, Diagnostic::task("H0002", text).with_label(task.label_span, "this task"));
        }
    }

    /// The scope of a task here.
    pub(super) fn scope(&self, task: &Task, here: &Here) -> Scope {
        let scope = self.play.scope(&self.host, Some(&task.context), Some(task), &here.frames);
        self.with_login(task, scope)
    }

    pub(super) fn emit(&self, kind: EventKind) {
        self.play.engine.sink.emit(Some(&self.host), kind);
    }

    /// Tells that a task starts, once for all hosts of a round.
    pub(super) fn announce(&self, task: &Arc<Task>, round: &Round, here: &Here) {
        round.announce(|| self.tell_start(task, round.hosts.clone(), here));
    }

    /// Tells that a task starts on these hosts.
    pub(super) fn tell_start(&self, task: &Arc<Task>, hosts: Vec<Arc<str>>, here: &Here) {
        let module = task.action.name().to_string();
        self.play.warn_reserved_of_task(task);
        self.play.engine.sink.emit(
            None,
            EventKind::TaskStarted {
                task: task.id,
                name: self.task_name(task, here),
                // As Ansible names it: an included role's own name says enough.
                role: task.context.role().filter(|_| !includes_role(task)).map(|role| role.name.to_string()),
                module,
                place: self.play.engine.templates.sources().place(task.label_span),
                handler: task.handler,
                include: matches!(task.action, crate::playbook::Action::Include(_)),
                check: self.keyword_bool(task, "check_mode", here).unwrap_or(self.play.engine.options.check),
                span: Some(task.span),
                hosts,
                full_name: match &task.action {
                    crate::playbook::Action::Module(module) => Arc::clone(&module.full_name),
                    other if other.name().contains('.') => Arc::clone(other.name()),
                    other => format!("ansible.builtin.{}", other.name()).into(),
                },
                with: task.keywords.0.keys().find_map(|name| name.strip_prefix("with_")).map(str::to_owned),
            },
        );
    }

    /// A task's name, rendered as far as it renders; the module's name without one.
    pub(super) fn task_name(&self, task: &Task, here: &Here) -> String {
        let name = self.given_name(task, here);
        if !name.is_empty() {
            return name;
        }
        if includes_role(task)
            && let crate::playbook::Action::Include(include) = &task.action
            && let Some((_, role)) = ["name", "role"].iter().find_map(|name| include.args.get(*name))
        {
            return format!("{} : {}", include.name, python_str(&role.to_value()));
        }
        task.action.name().to_string()
    }

    /// The name that a task was given, rendered as far as it renders; empty without one.
    pub(super) fn given_name(&self, task: &Task, here: &Here) -> String {
        match task.keywords.get("name") {
            Some(node) if !node.is_null() => {
                if node.has_template() {
                    let scope = self.scope(task, here);
                    let Ok((name, warnings)) = self.play.engine.templates.render_for_people(node, &scope) else {
                        return python_str(&node.to_value());
                    };
                    for warning in warnings {
                        self.play.engine.warn_once(None, warning);
                    }
                    python_str(&name)
                } else {
                    python_str(&node.to_value())
                }
            }
            _ => String::new(),
        }
    }

    /// Runs the task's loop, or its one call. A defect that ends it is the failure of this task on this host alone.
    async fn execute(&self, task: &Arc<Task>, module: &ModuleUse, scope: Scope, here: &Here) -> Ended {
        match guarded_future(Box::pin(self.executed(task, module, scope, here))).await {
            Ok(ended) => ended,
            Err(panic) => {
                let no_log = self.is_hidden(task, &self.scope(task, here));
                let crash = Diagnostic::crash("the task", &panic, Some(task.label_span));
                Ended { no_log, ..Ended::plain(Attempt::error(crash)) }
            }
        }
    }

    async fn executed(&self, task: &Arc<Task>, module: &ModuleUse, scope: Scope, here: &Here) -> Ended {
        let (looped, warnings) = hearing_now(|| self.task_loop(task, &scope));
        if !warnings.is_empty() {
            // With Ansible they are no part of a result.
            self.tell_all(&warnings, self.is_hidden(task, &scope));
        }
        match looped {
            Ok(Some(looped)) => self.run_loop(task, module, &looped, scope, here).await,
            Ok(None) => {
                let mut notify = Vec::new();
                let (scope, no_log, attempt) = self.one(task, module, scope, &mut notify).await;
                self.apply(task, &attempt, &scope);
                drop(scope);
                Ended { notify, no_log, ..Ended::plain(attempt) }
            }
            Err(diagnostic) => {
                // A list that cannot be made does not matter where the task would not run.
                let undefined = diagnostic.code == "T0101";
                let mut attempt = self.unless_skipped(task, diagnostic, &scope);
                if attempt.failed() && !undefined {
                    attempt.result.shift_remove(&StrKey("changed"));
                    // It went wrong before the task did.
                    let said = attempt.result.get(&StrKey("msg")).and_then(Value::as_str);
                    if let Some(said) = said.and_then(|said| said.strip_prefix("Task failed: ")).map(str::to_owned) {
                        insert(&mut attempt.result, "msg", said);
                    }
                }
                Ended::plain(attempt)
            }
        }
    }

    /// The task itself or one item of its loop: with the scope in which it ran, and whether it is to be hidden.
    async fn one(
        &self,
        task: &Arc<Task>,
        module: &ModuleUse,
        scope: Scope,
        notify: &mut Vec<String>,
    ) -> (Scope, bool, Attempt) {
        let (scope, delegating) = hearing_now(|| self.delegated(task, scope));
        let work = async {
            match self.no_log(task, &scope) {
                Ok(no_log) => (no_log, self.item(Call { task, module, scope: &scope, no_log }, notify).await),
                Err(diagnostic) => {
                    let diagnostic = super::conditions::in_keyword(task, "no_log", diagnostic);
                    (true, self.unless_skipped(task, diagnostic, &scope))
                }
            }
        };
        let ((no_log, mut attempt), warnings) = hearing(Box::pin(work)).await;
        attempt.heard(delegating.into_iter().chain(warnings).collect());
        (scope, no_log, attempt)
    }

    async fn run_loop(
        &self,
        task: &Arc<Task>,
        module: &ModuleUse,
        looped: &Loop,
        mut base: Scope,
        here: &Here,
    ) -> Ended {
        let count = looped.items.len();
        let mut notify = Vec::new();
        let mut attempts: Vec<Attempt> = Vec::with_capacity(count);
        let mut all_ignored = (true, true);
        let mut any_no_log = false;
        if base.get(&looped.var).is_some_and(|(entry, _)| matches!(entry, Entry::Lazy(_))) && count > 0 {
            let text = format!("the loop variable `{}` hides a variable of that name", looped.var);
            let warning = Diagnostic::source("P0150", text)
                .with_label(task.label_span, "this loop")
                .with_hint("give the loop its own name: `loop_control: {loop_var: ...}`");
            self.play.engine.warn_once(None, warning);
        }
        for index in 0..count {
            if index > 0 && looped.pause > 0.0 {
                tokio::time::sleep(Duration::from_secs_f64(looped.pause)).await;
            }
            let started = Instant::now();
            let layer = looped.layer(index).task_only();
            let info = layer.entries.get("ansible_loop").cloned();
            // What the item before came to is registered already.
            let scope = match attempts.last() {
                Some(last) => with_register(task, &last.result, &base).with(layer),
                None => base.with(layer),
            };
            let (mut scope, no_log, mut attempt) = self.one(task, module, scope, &mut notify).await;
            any_no_log |= no_log;
            attempt.seconds = started.elapsed().as_secs_f64();
            looped.mark(index, info, &mut attempt.result);
            self.add_invocation(&mut attempt);
            if self.apply_item(task, &attempt, &scope) {
                drop(scope);
                base = Scope::new();
                base.clone_from(&self.scope(task, here));
                // What is warned of was heard before.
                (scope, _) = hearing_now(|| self.delegated(task, base.with(looped.layer(index).task_only())));
            }
            let label = if no_log {
                "(censored due to no_log)".to_owned()
            } else {
                self.label(task, looped, index, &mut attempt, &scope)
            };
            let (stop, warnings) = hearing_now(|| self.breaks(task, looped, &attempt, &scope));
            self.tell_all(&warnings, no_log);
            let stop = match stop {
                Ok(stop) => stop,
                Err(diagnostic) => {
                    self.tell_item(task, label, &attempt, &scope, no_log);
                    let mut attempt = Attempt::error(diagnostic);
                    attempt.result.shift_remove(&StrKey("changed"));
                    return Ended { no_log: any_no_log, ..Ended::plain(attempt) };
                }
            };
            let ignored = self.tell_item(task, label, &attempt, &scope, no_log);
            let gone = attempt.status == Status::Unreachable;
            all_ignored.0 &= ignored || !attempt.failed();
            all_ignored.1 &= ignored || !gone;
            // Where items may be ignored, those behind them are tried too, as with Ansible.
            let gone = gone && keyword(task, "ignore_unreachable").is_none();
            attempts.push(attempt);
            if stop || gone || self.play.engine.cancel.is_cancelled() {
                break;
            }
        }
        let attempt = loop_attempt(&mut attempts);
        Ended { items: Some(count), notify, ignored: Some(all_ignored), no_log: any_no_log, ..Ended::plain(attempt) }
    }

    /// With what a module was called stands in the result of an item, as in Ansible.
    fn add_invocation(&self, attempt: &mut Attempt) {
        let arguments = if self.shows_arguments() { attempt.arguments.clone() } else { attempt.arguments.take() };
        if let Some(arguments) = arguments {
            insert(&mut attempt.result, "invocation", crate::map! { "module_args" => arguments });
        }
    }

    /// How an item is named to people. A label that cannot be made fails the item.
    fn label(&self, task: &Task, looped: &Loop, index: usize, attempt: &mut Attempt, scope: &Scope) -> String {
        let Some(node) = &looped.label else { return python_str(&looped.items[index]) };
        let scope = with_register(task, &attempt.result, scope);
        match self.play.engine.templates.render(node, &scope) {
            Ok(value) => python_str(&value),
            Err(error) => {
                let error = label_error(error);
                let shown = error.message.clone();
                fail(attempt, "msg", error);
                shown
            }
        }
    }

    /// Whether `break_when` ends the loop after an item.
    fn breaks(&self, task: &Task, looped: &Loop, attempt: &Attempt, scope: &Scope) -> Result<bool> {
        let Some(node) = &looped.break_when else { return Ok(false) };
        let scope = with_register(task, &attempt.result, scope);
        match self.play.engine.templates.condition(node, &scope) {
            Ok(verdict) => Ok(verdict.is_ok()),
            Err(diagnostic) => Err(self.with_values(diagnostic, node, &scope)),
        }
    }

    /// Tells the end of an item; true if its failure is ignored.
    fn tell_item(&self, task: &Arc<Task>, label: String, attempt: &Attempt, scope: &Scope, no_log: bool) -> bool {
        let takes = |name: &str| self.keyword_flag(task, name, scope).ok().flatten() == Some(true);
        let gone = attempt.status == Status::Unreachable;
        let (ignored, warnings) =
            hearing_now(|| (attempt.failed() && takes("ignore_errors")) || (gone && takes("ignore_unreachable")));
        self.tell_all(&warnings, no_log);
        let mut done = attempt.done(task, ignored, no_log);
        done.delegate = self.delegate_label(task, scope);
        self.tell_heard(attempt, no_log);
        self.emit(EventKind::ItemDone { task: task.id, label, done });
        if !no_log {
            self.warn_all(task, attempt);
            self.take_notes(attempt);
        }
        ignored
    }

    /// Takes what an item says about the host; true if there was anything.
    fn apply_item(&self, task: &Task, attempt: &Attempt, scope: &Scope) -> bool {
        let says = ["ansible_facts", "ansible_stats"].iter().any(|key| attempt.result.contains_key(&StrKey(key)));
        if says {
            self.apply(task, attempt, scope);
        }
        says
    }

    /// `no_log` of a task or item.
    fn no_log(&self, task: &Task, scope: &Scope) -> Result<bool> {
        Ok(self.keyword_flag(task, "no_log", scope)?.unwrap_or(false))
    }

    /// A failure that does not matter where the task would not run.
    fn unless_skipped(&self, task: &Task, diagnostic: Diagnostic, scope: &Scope) -> Attempt {
        match self.when(task, scope) {
            Ok(Err(condition)) => Attempt::skipped(condition),
            _ => Attempt::error(diagnostic),
        }
    }

    /// The scope of an item with the host that it is delegated to, if it is; a condition may still hold it back, so
    /// that a host that cannot be told is no error yet.
    fn delegated(&self, task: &Task, scope: Scope) -> Scope {
        match self.keyword_value(task, "delegate_to", &scope) {
            Ok(Some(host)) => {
                let [address, vars] = super::scope::delegated(&self.play, &self.host, Arc::from(python_str(&host)));
                scope.with(address).with(vars)
            }
            Ok(None) | Err(_) => scope,
        }
    }

    /// One call with its conditions, retries and rewritten status.
    async fn item(&self, call: Call<'_>, notify: &mut Vec<String>) -> Attempt {
        let mut attempt = self.tried(call, notify).await;
        // Failed by a condition alone; the conditions themselves do not see this.
        if attempt.status == Status::Failed {
            super::result::add_exception(&mut attempt.result);
            if !attempt.result.contains_key(&StrKey("msg")) {
                insert(&mut attempt.result, "msg", "Task failed: Action failed: Unknown error.");
            }
        }
        attempt
    }

    async fn tried(&self, call: Call<'_>, notify: &mut Vec<String>) -> Attempt {
        let Call { task, module, scope, no_log } = call;
        match self.when(task, scope) {
            Ok(Ok(())) => {}
            Ok(Err(condition)) => return Attempt::skipped(condition),
            Err(diagnostic) => return Attempt::error(diagnostic),
        }
        if let Err(diagnostic) = self.check_keywords(task, scope) {
            return Attempt::error(diagnostic);
        }
        if let Err(diagnostic) = super::connect::checked_delegate(self, task, scope) {
            return Attempt::error(diagnostic);
        }
        let names = match self.to_notify(task, scope) {
            Ok(names) => names,
            Err(diagnostic) => return Attempt::error(diagnostic),
        };
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
                collect_notify(&attempt, names, notify);
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
                collect_notify(&attempt, names, notify);
                return attempt;
            }
            if attempt_number >= tries.0 {
                // What `failed_when` says about a result outweighs that it never came to an end.
                let judged = attempt.result.get(&StrKey("failed_when_result")) == Some(&Value::Bool(false));
                if !attempt.failed() && !judged {
                    let diagnostic = Diagnostic::task(
                        "H0011",
                        format!("the condition of `until` did not hold in {} tries", tries.0),
                    )
                    .with_label_opt(until.map(Node::place), "never true");
                    let diagnostic = match until {
                        Some(node) => self.with_values(diagnostic, node, &scope_now),
                        None => diagnostic,
                    };
                    attempt.status = Status::Failed;
                    attempt.diagnostic = Some(diagnostic);
                }
                // Ansible counts the retries here, not the tries.
                insert(&mut attempt.result, "attempts", tries.0 - 1);
                insert(&mut attempt.result, "failed", true);
                return attempt;
            }
            attempt_number += 1;
            insert(&mut attempt.result, "retries", tries.0);
            let done = Some(Box::new(attempt.done(task, false, no_log)));
            self.emit(EventKind::Retry { task: task.id, attempt: attempt_number, of: tries.0, done });
            tokio::time::sleep(Duration::from_secs_f64(tries.1)).await;
        }
    }
}

/// What a call that changed something notifies.
fn collect_notify(attempt: &Attempt, names: Vec<String>, notify: &mut Vec<String>) {
    if attempt.status == Status::Changed {
        notify.extend(names);
    }
}

/// `include_role`.
fn includes_role(task: &Task) -> bool {
    matches!(&task.action, crate::playbook::Action::Include(include) if include.kind == crate::playbook::IncludeKind::Role)
}

/// A label that cannot be rendered fails the item.
fn label_error(mut error: Diagnostic) -> Diagnostic {
    let words = error.registered().to_owned();
    error.message = format!("the label cannot be rendered: {}", error.message);
    error.with_registered(format!("Failed to template loop_control.label: {words}"))
}

impl PlayRun {
    /// The host that stands for the controller.
    pub(super) fn controller() -> Arc<str> {
        Arc::from("localhost")
    }
}

/// `add_host` and `pause` work for all hosts at once, which Ansible ends the run for where hosts do not wait.
fn not_free(name: &str, task: &Task) -> Diagnostic {
    Diagnostic::local("R0303", format!("`{name}` works for all hosts at once, and in this play no host waits for others"))
        .with_label(task.label_span, "this task")
        .with_registered(format!(
            "The '{name}' module bypasses the host loop, which is currently not supported in the free strategy and would instead execute for every host in the inventory list."
        ))
        .with_hint("put the task into a play of its own, with `strategy: linear`")
}
