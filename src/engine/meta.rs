//! `meta`: what changes the way through a play without a module.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::interp::{Flow, Here, HostRun};
use super::result::Attempt;
use super::schedule::{Position, Round};
use super::state::lock;
use crate::diag::{Diagnostic, Result};
use crate::event::EventKind;
use crate::playbook::{ModuleUse, Task};
use crate::value::{Value, python_str};
use crate::vars::Scope;

/// All actions that a playbook may name.
const ACTIONS: [&str; 10] = [
    "flush_handlers",
    "end_host",
    "end_play",
    "end_batch",
    "end_role",
    "clear_facts",
    "clear_host_errors",
    "reset_connection",
    "refresh_inventory",
    "noop",
];

/// Those that work on one host alone.
const ALONE: [&str; 6] = ["noop", "reset_connection", "end_host", "role_complete", "flush_handlers", "end_role"];

/// Those that have no conditions.
const ALWAYS: [&str; 3] = ["noop", "refresh_inventory", "reset_connection"];

impl HostRun {
    /// `meta`: shown only where it does something, never counted.
    pub(super) async fn meta(
        &self,
        task: &Arc<Task>,
        module: &ModuleUse,
        round: &Arc<Round>,
        position: &Position,
        here: &Here,
    ) -> Flow {
        let scope = self.scope(task, here);
        let action = match module.args.values().next() {
            Some((_, node)) => match self.play.engine.templates.render(node, &scope) {
                Ok(value) => python_str(&value),
                Err(diagnostic) => {
                    self.announce(task, round, here);
                    return self.settle_include(task, Attempt::error(diagnostic), None, here);
                }
            },
            None => "noop".to_owned(),
        };
        let action = action.trim();
        let alone = ALONE.contains(&action);
        // Those that work on one host alone are told for each, in order.
        if alone {
            round.in_order(&self.host).await;
        }
        // The others work on all hosts at once: the first host's word counts for them.
        if !alone && !round.is_leader(&self.host) {
            return Flow::Next;
        }
        let told = if alone {
            self.tell_start(task, vec![Arc::clone(&self.host)], here);
            true
        } else {
            round.announce(|| self.tell_start(task, round.hosts.clone(), here))
        };
        let verdict = self.meta_verdict(task, action, &scope);
        if told && let Ok(verdict) = &verdict {
            self.tell_meta(task, action, verdict.is_ok());
        }
        if alone {
            round.pass_on(&self.host);
        }
        match verdict {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Flow::Next,
            Err(diagnostic) => return self.settle_include(task, Attempt::error(diagnostic), None, here),
        }
        match self.act(action, module, position, here).await {
            Ok(flow) => flow,
            Err(diagnostic) => self.settle_include(task, Attempt::error(diagnostic), None, here),
        }
    }

    /// What its conditions say.
    fn meta_verdict(&self, task: &Task, action: &str, scope: &Scope) -> Result<std::result::Result<(), Value>> {
        if !ALWAYS.contains(&action) {
            return self.when(task, scope);
        }
        if !super::conditions::stacked(task, "when").is_empty() {
            let text = format!("{action} task does not support when conditional");
            let warning = Diagnostic::task("H0002", text).with_label(task.label_span, "runs anyway");
            self.play.engine.warn_once(None, warning);
        }
        Ok(Ok(()))
    }

    fn tell_meta(&self, task: &Task, action: &str, runs: bool) {
        if runs && action == "flush_handlers" {
            self.tell_notified();
        }
        let (message, skipped) = if runs {
            (told_meta(action, task, &self.host), None)
        } else {
            (skipped_meta(action, &self.host), Some(skipped_message(action, &self.host)))
        };
        self.emit(EventKind::Meta { task: task.id, message, skipped });
    }

    /// Does what it says.
    async fn act(&self, action: &str, module: &ModuleUse, position: &Position, here: &Here) -> Result<Flow> {
        let engine = &self.play.engine;
        match action {
            "flush_handlers" => return Ok(self.flush(&position.child(0), here).await),
            "end_host" => {
                lock(&engine.states.get(&self.host)).ends();
                *lock(&self.play.magic_cache) = None;
                return Ok(Flow::Gone);
            }
            "end_play" => {
                self.play.ended.store(true, Ordering::SeqCst);
                self.end_all();
                return Ok(Flow::Gone);
            }
            "end_batch" => {
                self.end_all();
                return Ok(Flow::Gone);
            }
            "end_role" => return Ok(Flow::EndRole),
            "clear_facts" => {
                // Those of the whole play, as Ansible does.
                for host in &self.play.hosts {
                    engine.states.clear_facts(host);
                }
            }
            "clear_host_errors" => self.clear_errors(),
            "reset_connection" => {
                self.gate.meta_over(&self.host, true);
                engine.targets.reset(&self.host).await;
            }
            "refresh_inventory" => {
                engine.hosts.refresh()?;
                self.hosts_changed();
            }
            "noop" => {}
            other => {
                return Err(Diagnostic::source("P0156", format!("`meta` has no action `{other}`"))
                    .with_label(module.name_span, "here")
                    .with_nearest(other, ACTIONS)
                    .with_hint_else("`hostctl doc meta` lists the actions"));
            }
        }
        Ok(Flow::Next)
    }

    /// Takes back the failures of all hosts of the batch.
    fn clear_errors(&self) {
        // They may go on, but stay off the lists of this play's hosts.
        for host in lock(&self.play.batch).iter() {
            lock(&self.play.engine.states.get(host)).clear_errors();
        }
        self.gate.pardon();
    }

    /// Ends the batch for all its hosts.
    fn end_all(&self) {
        for host in lock(&self.play.batch).iter() {
            let state = self.play.engine.states.get(host);
            let mut state = lock(&state);
            if !state.unreachable {
                state.ends();
            }
        }
        *lock(&self.play.magic_cache) = None;
        self.gate.end();
    }
}

/// What a `meta` action tells, in Ansible's words.
fn told_meta(action: &str, task: &Task, host: &str) -> String {
    match action {
        "flush_handlers" => format!("triggered running handlers for {host}"),
        "refresh_inventory" => "inventory successfully refreshed".to_owned(),
        "clear_facts" => "facts cleared".to_owned(),
        "clear_host_errors" => "cleared host errors".to_owned(),
        "end_batch" => "ending batch".to_owned(),
        "end_play" => "ending play".to_owned(),
        "end_host" => format!("ending play for {host}"),
        "end_role" => {
            format!(
                "ending role {} for {host}",
                task.context.role().map_or_else(String::new, |role| role.name.to_string())
            )
        }
        "reset_connection" => "reset connection".to_owned(),
        other => other.to_owned(),
    }
}

/// The message of a skipped `meta` action's result.
fn skipped_message(action: &str, host: &str) -> String {
    match action {
        "end_host" => format!("end_host conditional evaluated to false, continuing execution for {host}"),
        other => other.to_owned(),
    }
}

/// What a `meta` action tells whose condition is false.
fn skipped_meta(action: &str, host: &str) -> String {
    let rest = match action {
        "flush_handlers" => format!(", not running handlers for {host}"),
        "clear_facts" => format!(", not clearing facts and fact cache for {host}"),
        "clear_host_errors" => format!(", not clearing host error state for {host}"),
        "end_batch" => ", continuing current batch".to_owned(),
        "end_play" => ", continuing play".to_owned(),
        "end_host" => format!(", continuing execution for {host}"),
        "end_role" => format!("continuing role for {host}"),
        _ => String::new(),
    };
    format!("{action} conditional evaluated to False{rest}")
}
