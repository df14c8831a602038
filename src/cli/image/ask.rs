//! One question to hosts: a task whose results alone are shown.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value as Json;

use super::play::Given;
use super::target::TargetArgs;
use crate::cli::output::{Output, OutputForm};
use crate::cli::run::begin_shown;
use crate::diag::{Diagnostic, ExitCode, SourceMap};
use crate::event::{Done, Event, EventKind, Reporter, Status};

/// What a host said.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub host: String,
    pub done: Done,
}

/// What the hosts said.
#[derive(Debug)]
pub(super) struct Asked {
    pub answers: Vec<Answer>,
    /// More than one host was asked: each answer needs its host's name.
    pub several: bool,
    /// The run's, but `Ok` where each host that failed gave an answer.
    pub code: ExitCode,
}

impl Answer {
    /// The result.
    pub(super) fn found(&self) -> Json {
        serde_json::to_value(&self.done.result).unwrap_or_default()
    }
}

impl Asked {
    /// Shows the answers: the objects in each, with the host's name added, a line each; or lines for people.
    pub(super) fn show(
        &self,
        output: &Output,
        objects: impl Fn(&mut Json) -> Vec<Json>,
        lines: impl Fn(&Json) -> Vec<String>,
    ) {
        for answer in &self.answers {
            let mut found = answer.found();
            let mut text = String::new();
            if output.form == OutputForm::Jsonl {
                for mut object in objects(&mut found) {
                    object["host"] = answer.host.as_str().into();
                    text.push_str(&format!("{object}\n"));
                }
            } else {
                let head = self.several.then(|| format!("{}:", answer.host));
                head.into_iter().chain(lines(&found)).for_each(|line| text.push_str(&format!("{line}\n")));
            }
            output.data(&text);
        }
    }
}

/// The texts of a list in a result; empty where there is none.
pub(super) fn texts(found: &Json, name: &str) -> Vec<String> {
    let list = found[name].as_array().into_iter().flatten();
    list.filter_map(Json::as_str).map(str::to_owned).collect()
}

/// Keeps results, and what else a user must know.
#[derive(Default)]
struct Collected {
    answers: Vec<Answer>,
    troubles: Vec<Diagnostic>,
}

struct Collector(Arc<Mutex<Collected>>);

impl Reporter for Collector {
    fn event(&mut self, event: &Event, _: &SourceMap) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &event.kind {
            EventKind::HostDone { done, .. } => {
                let host = event.host.as_deref().unwrap_or_default().to_owned();
                kept.answers.push(Answer { host, done: done.clone() });
            }
            EventKind::Warning { diagnostic } | EventKind::Error { diagnostic } => {
                kept.troubles.push(diagnostic.clone());
            }
            _ => {}
        }
    }
}

/// Asks the target's hosts. The run's record is kept nowhere. Warnings, and failures without an answer, are shown;
/// `answered` says of a failed host's result that it is an answer none the less.
pub(super) fn ask(
    target: &TargetArgs,
    given: Given,
    output: &Output,
    answered: impl Fn(&Done) -> bool,
) -> crate::diag::Result<Asked> {
    let record = tempfile::tempdir()
        .map_err(|error| Diagnostic::local("C0104", format!("no folder for the run's record: {error}")))?;
    let collected = Arc::new(Mutex::new(Collected::default()));
    let keep = Arc::clone(&collected);
    let shown = move || -> Vec<Box<dyn Reporter>> { vec![Box::new(Collector(Arc::clone(&keep)))] };
    let code = begin_shown(&target.run_args()?, output, Some(&shown), |request| {
        request.playbooks = vec![given.path.clone()];
        request.project.state_dir = Some(record.path().to_path_buf());
        request.project.unmatched_pattern = crate::ops::Policy::Error;
        request.project.given = Some((given.path, given.name, given.text));
        Ok(())
    })?;
    let collected = std::mem::take(&mut *collected.lock().unwrap_or_else(PoisonError::into_inner));
    output.show(&collected.troubles);
    let (answers, failed): (Vec<_>, Vec<_>) = collected
        .answers
        .into_iter()
        .partition(|one| !matches!(one.done.status, Status::Failed | Status::Unreachable) || answered(&one.done));
    let several = answers.len() + failed.len() > 1;
    let all_answered = code == ExitCode::HostFailed && failed.is_empty() && !answers.is_empty();
    for one in failed {
        let Some(mut diagnostic) = one.done.diagnostic else { continue };
        diagnostic.message = format!("{}: {}", one.host, diagnostic.message);
        // Places are those of a play that nobody wrote.
        diagnostic.labels.clear();
        output.show(&[diagnostic]);
    }
    Ok(Asked { answers, several, code: if all_answered { ExitCode::Ok } else { code } })
}
