//! Modules whose work outlives its link: the call gets a name on its host, and a connection that is lost meanwhile is
//! made anew, to the same work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::interp::HostRun;
use super::target::{Target, TargetSpec};
use crate::diag::{Diagnostic, Kind};
use crate::event::{EventKind, Progress, TaskId};
use crate::image::SentFrom;
use crate::modules::{AskedBy, Call, Failure, InputArg, InputKind, ModuleEntry, Outcome, Outlives};
use crate::playbook::{Task, clean_path};
use crate::system::Probe;
use crate::system::digest::{Digest, Hasher};
use crate::value::{Map, Value, insert, python_str};

/// How long a host is waited for.
const PATIENCE: Duration = Duration::from_mins(30);
/// The longest pause between two tries.
const PAUSE: u64 = 15;

/// How much of a build was seen.
#[derive(Debug, Default)]
pub(super) struct Seen(AtomicU64);

impl Seen {
    /// Counts what was told.
    pub(super) fn count(&self, progress: &Progress) {
        match progress {
            Progress::BuildSeen { seen, .. } => self.0.store(*seen, Ordering::Relaxed),
            _ => drop(self.0.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

/// Says so if work was left before its end was seen.
struct Open<'a> {
    left: &'a AtomicBool,
    ended: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.left.store(true, Ordering::Release);
        }
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    i64::try_from(Probe::new(Vec::new()).clock()).unwrap_or(i64::MAX)
}

/// How a host is reached, as keywords of a play; passwords come from where they came from before.
fn reached(spec: &TargetSpec) -> Map {
    let mut map = crate::map! { "connection" => spec.connection.as_str() };
    if let Some(user) = &spec.user {
        insert(&mut map, "remote_user", user.as_str());
    }
    if let Some(port) = spec.port {
        insert(&mut map, "port", Value::Int(i128::from(port)));
    }
    if let Some(wanted) = &spec.r#become {
        insert(&mut map, "become", true);
        insert(&mut map, "become_method", wanted.method.as_str());
        insert(&mut map, "become_user", wanted.user.as_str());
        if let Some(exe) = &wanted.exe {
            insert(&mut map, "become_exe", exe.as_str());
        }
    }
    map
}

impl HostRun {
    /// The name of a call's work on its host: the run (the first one, if this one resumes it), the task, and what it is
    /// asked for. The same call of a resumed run has the same name.
    pub(super) fn work_of(&self, task: &Task, call: &Call) -> Outlives {
        let info = &self.play.engine.options.run_info;
        let run = info.get("resumes").filter(|run| **run != Value::Null).or_else(|| info.get("id"));
        let short = |text: &str| Hasher::of(Digest::Sha256, text.as_bytes())[..8].to_owned();
        // Not its line: what was mended above it must not hide it from a resumed run.
        let name = task.keywords.get("name").and_then(|name| name.as_str()).unwrap_or_default();
        let mut asked = call.args.to_string();
        for entry in call.inputs.iter().flat_map(|input| &input.entries) {
            asked.push_str(&entry.path);
            if let InputKind::File { sha256, .. } = &entry.kind {
                asked.push_str(sha256);
            }
        }
        let run = run.map_or_else(|| "run".to_owned(), python_str);
        let place = short(&format!("{} {name} {}", call.module, self.host));
        Outlives { id: format!("{run}.{place}.{}", short(&asked)), seen: 0, fresh: true }
    }

    /// Carries a call out that outlives its link: a lost connection is made anew, as long as patience lasts.
    pub(super) async fn carry_through(
        &self,
        spec: &TargetSpec,
        call: Call,
        task: TaskId,
        limit: Option<u64>,
    ) -> Result<Outcome, Failure> {
        if let Some(outlives) = &call.outlives {
            let reached = reached(spec);
            self.emit(EventKind::WorkBegun { task, build: outlives.id.clone(), reached });
        }
        let mut open = Open { left: &self.play.engine.left_work, ended: false };
        let ended = self.come_to_its_end(spec, call, task, limit).await;
        open.ended = true;
        ended
    }

    async fn come_to_its_end(
        &self,
        spec: &TargetSpec,
        call: Call,
        task: TaskId,
        limit: Option<u64>,
    ) -> Result<Outcome, Failure> {
        let targets = &self.play.engine.targets;
        let seen = Seen::default();
        let mut outlives = call.outlives.clone();
        let begun = Instant::now();
        let mut target = targets.target(spec).await?;
        loop {
            let mut call = Call { outlives: outlives.clone(), ..call.clone() };
            if let Some(by) = &mut call.asked_by {
                by.clock = now();
            }
            let left = limit.map(|limit| limit.saturating_sub(begun.elapsed().as_secs()).max(1));
            let lost = match self.carry_out(target.as_ref(), call, task, left, &seen).await {
                Err(failure) if failure.diagnostic.kind == Kind::Unreachable => failure,
                ended => return ended,
            };
            if let Some(outlives) = &mut outlives {
                (outlives.seen, outlives.fresh) = (seen.0.load(Ordering::Relaxed), false);
            }
            targets.reset(&spec.host).await;
            let id = outlives.as_ref().map_or("", |outlives| outlives.id.as_str());
            let mut warning = Diagnostic::new("S0211", Kind::Unreachable, lost.diagnostic.message.clone()).warning();
            warning = warning
                .with_note(format!("what was begun goes on there (build `{id}`); connecting again"))
                .with_hint("hostctl attach shows it later, too");
            self.emit(EventKind::Warning { diagnostic: warning });
            let patience = limit
                .map_or(PATIENCE, |limit| PATIENCE.min(Duration::from_secs(limit).saturating_sub(begun.elapsed())));
            target = self.connect_again(spec, &lost, patience).await?;
        }
    }

    /// Waits until a host answers again; as long as `patience` lasts.
    async fn connect_again(
        &self,
        spec: &TargetSpec,
        lost: &Failure,
        patience: Duration,
    ) -> Result<Arc<dyn Target>, Failure> {
        let end = Instant::now() + patience;
        let mut pause = 1;
        loop {
            match self.play.engine.targets.target(spec).await {
                Ok(target) => return Ok(target),
                Err(error) if error.kind == Kind::Unreachable && Instant::now() < end => {
                    tokio::time::sleep(Duration::from_secs(pause)).await;
                    pause = (pause * 2).min(PAUSE);
                }
                Err(error) => {
                    let mut failure = lost.clone();
                    failure.diagnostic.notes.push(format!("then: {}", error.message));
                    failure
                        .diagnostic
                        .hints
                        .push("hostctl attach shows what became of the work on the host".to_owned());
                    return Err(failure);
                }
            }
        }
    }

    /// Where the folder lies that goes with a call.
    fn sent_from(&self, task: &Task, entry: &ModuleEntry, call: &Call) -> Option<SentFrom> {
        let input = call.inputs.iter().find(|input| input.is_tree)?;
        let named = entry.meta.inputs.iter().any(|one| matches!(one, InputArg::File { arg, .. } if *arg == input.arg));
        let name = call.args.get(&input.arg).filter(|_| named)?.as_str()?;
        let path = std::path::absolute(self.search(task, "files", name)?).ok()?;
        Some(SentFrom { host: Probe::new(Vec::new()).node_name(), path: clean_path(&path) })
    }

    /// Fills in what a module's table entry asks the engine for: the run's time, the secrets of the vault.
    pub(super) fn fill_in(&self, task: &Task, call: &mut Call) {
        let Some(entry) = crate::modules::find(&call.module) else { return };
        if let Some(argument) = entry.meta.run_time
            && call.args.get(argument).is_none_or(serde_json::Value::is_null)
            && let Some(time) = self.play.engine.options.run_info.get("time").and_then(Value::as_str)
        {
            call.args[argument] = time.into();
        }
        // In the background, too: what is built there is searched as any image.
        if entry.meta.outlives && !call.check {
            call.masked = self.play.engine.redactor.sealed();
        }
        if entry.meta.outlives && !call.check && call.detach.is_none() {
            call.outlives = Some(self.work_of(task, call));
        }
        if entry.meta.outlives {
            call.sent_from = self.sent_from(task, entry, call);
        }
        if entry.meta.outlives || entry.meta.knows_asker {
            let run = self.play.engine.options.run_info.get("id").map(python_str).unwrap_or_default();
            call.asked_by = Some(AskedBy { run, clock: now(), arrived: None });
        }
        // After the work has its name, which is the same in the run that is resumed.
        let info = &self.play.engine.options.run_info;
        let resumed = info.get("resumes").is_some_and(|run| *run != Value::Null);
        let plans = info.get("plan").is_some_and(|plan| *plan == Value::Bool(true));
        for argument in
            [entry.meta.resumes.filter(|_| resumed), entry.meta.plans.filter(|_| plans)].into_iter().flatten()
        {
            if call.args.get(argument).is_none_or(serde_json::Value::is_null) {
                call.args[argument] = true.into();
            }
        }
    }
}
