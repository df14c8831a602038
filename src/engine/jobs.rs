//! `async` and `poll`: a task that goes on as a job on its host, and the wait for its end.

use std::time::Duration;

use super::interp::HostRun;
use super::result::Attempt;
use super::target::TargetSpec;
use crate::diag::{Diagnostic, Kind, Result};
use crate::event::{EventKind, JobState, TaskId};
use crate::map;
use crate::modules::{Call, Failure, ModuleEntry, RunsOn};
use crate::playbook::Task;
use crate::value::{StrKey, Value, insert, python_str};
use crate::vars::Scope;

/// Seconds between two looks at a job, as Ansible has them.
const POLL: f64 = 15.0;

/// What `async` and `poll` ask for.
#[derive(Clone, Copy)]
pub(super) struct Job {
    /// How long the job may take, in seconds.
    pub limit: u64,
    /// Seconds between two looks; 0 means that nobody waits.
    pub poll: f64,
}

impl HostRun {
    /// `async` of a task, if it asks for a job.
    pub(super) fn job(&self, task: &Task, scope: &Scope) -> Result<Option<Job>> {
        let number = |name: &str| -> Result<Option<f64>> {
            let Some(value) = self.keyword_value(task, name, scope)? else { return Ok(None) };
            let text = python_str(&value);
            text.trim().parse::<f64>().map(Some).map_err(|_| {
                Diagnostic::source("P0111", format!("`{name}` must be a number, found `{text}`"))
                    .with_label_opt(task.keywords.get(name).map(crate::yaml::Node::place), "not a number")
                    .with_hint(format!("{name}: 60"))
            })
        };
        let Some(limit) = number("async")?.filter(|limit| *limit >= 1.0) else { return Ok(None) };
        let poll = number("poll")?.unwrap_or(POLL).clamp(0.0, 86_400.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let limit = limit.min(1e9) as u64;
        Ok(Some(Job { limit, poll }))
    }

    /// Where the results of jobs are kept: `ansible_async_dir`, else the setting.
    pub(super) fn jobs_folder(&self, scope: &Scope) -> Result<String> {
        let templates = &self.play.engine.templates;
        let given = match scope.get("ansible_async_dir") {
            Some(_) => templates.variable("ansible_async_dir", scope)?.filter(|value| *value != Value::Null),
            None => None,
        };
        let value = match given {
            Some(value) => Some(value),
            None => templates.host().setting(Some(("shell", "sh")), "async_dir")?.map(|set| set.value),
        };
        Ok(value.map_or_else(|| "~/.ansible_async".to_owned(), |value| python_str(&value)))
    }

    /// Waits for a job that was started, as long as it may take. A connection that is lost meanwhile is made anew.
    pub(super) async fn wait_for_job(
        &self,
        task: TaskId,
        job: Job,
        started: Attempt,
        call: &Call,
        spec: &TargetSpec,
    ) -> Attempt {
        let Some(id) = started.result.get(&StrKey("ansible_job_id")).map(python_str) else { return started };
        let tell = |state| self.emit(EventKind::Job { task, id: id.clone(), state });
        let ended = self.watch_job(&id, job, started, call, spec, &|| tell(JobState::Running)).await;
        tell(if ended.failed() { JobState::Failed } else { JobState::Done });
        ended
    }

    async fn watch_job(
        &self,
        id: &str,
        job: Job,
        started: Attempt,
        call: &Call,
        spec: &TargetSpec,
        goes_on: &(dyn Fn() + Sync),
    ) -> Attempt {
        #[expect(clippy::cast_precision_loss, reason = "seconds")]
        let mut left = job.limit as f64;
        let mut last = started;
        while left > 0.0 {
            tokio::time::sleep(Duration::from_secs_f64(job.poll)).await;
            left -= job.poll;
            match self.ask_job(id, "status", call, spec).await {
                Ok(outcome) => {
                    let finished = outcome.result.get(&StrKey("finished")).is_some_and(Value::truthy);
                    last = Attempt::from_outcome(outcome);
                    if finished {
                        // The result was taken; what stays behind is of no use.
                        let _ = self.ask_job(id, "cleanup", call, spec).await;
                        return last;
                    }
                    goes_on();
                }
                Err(failure) if failure.diagnostic.kind == Kind::Unreachable => {
                    self.play.engine.targets.reset(&spec.host).await;
                    if left <= 0.0 {
                        return Attempt::from_failure(failure);
                    }
                }
                Err(failure) => {
                    let _ = self.ask_job(id, "cleanup", call, spec).await;
                    return Attempt::from_failure(failure);
                }
            }
        }
        let limit = job.limit;
        let message = format!("async task did not complete within the requested time - {limit}s");
        let mut result = map! { "msg" => message.clone() };
        let mut seen = last.result;
        seen.shift_remove(&crate::value::StrKey("changed"));
        insert(&mut result, "async_result", Value::from(seen));
        let diagnostic = Diagnostic::task("H0012", format!("the job did not end within {limit} seconds"))
            .with_registered(message)
            .with_hint("raise the task's `async`");
        Attempt::from_failure(Failure::with_result(diagnostic, result))
    }

    async fn ask_job(
        &self,
        id: &str,
        mode: &str,
        call: &Call,
        spec: &TargetSpec,
    ) -> std::result::Result<crate::modules::Outcome, Failure> {
        let target = self.play.engine.targets.target(spec).await?;
        let question = Call {
            module: "async_status".to_owned(),
            args: serde_json::json!({ "jid": id, "mode": mode }),
            check: false,
            diff: false,
            inputs: Vec::new(),
            detach: None,
            ..call.clone()
        };
        target.invoke(question, super::target::unheard()).await
    }
}

/// Whether a module can be a job of its own. Those that go along with files of the controller cannot, as with
/// Ansible, where the controller takes part in them.
pub(super) fn possible(entry: &ModuleEntry) -> bool {
    const WITH_CONTROLLER: &[&str] =
        &["assemble", "async_status", "copy", "fetch", "raw", "script", "template", "unarchive"];
    entry.meta.runs_on == RunsOn::Host && !WITH_CONTROLLER.contains(&entry.meta.name)
}

/// Modules that the engine runs, or that take files from the controller in parts, have no job on the host.
pub(super) fn refused(name: &str) -> Attempt {
    let message = format!("This action ({name}) does not support async.");
    Attempt::error(
        Diagnostic::task("H0030", format!("`{name}` cannot run as a job"))
            .with_registered(message)
            .with_hint("remove `async`, or put what takes long into a `command` of its own"),
    )
}
