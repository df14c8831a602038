//! Events without secrets: every text of them goes through the redactor before anybody sees it.

use std::sync::Arc;

use super::{Done, EventKind, ImageState, Progress};
use crate::diag::Diagnostic;
use crate::secret::Redactor;
use crate::value::{Map, Value};

fn redact_text(text: &mut String, redactor: &Redactor) {
    if let std::borrow::Cow::Owned(clean) = redactor.redact(text) {
        *text = clean;
    }
}

/// Redacts every text in a diagnostic.
pub fn redact_diagnostic(diagnostic: &mut Diagnostic, redactor: &Redactor) {
    redact_text(&mut diagnostic.message, redactor);
    diagnostic.registered.iter_mut().for_each(|text| redact_text(text, redactor));
    for link in &mut diagnostic.chain {
        redact_text(&mut link.words, redactor);
    }
    if let Some(deprecation) = &mut diagnostic.deprecation {
        redact_text(&mut deprecation.msg, redactor);
    }
    diagnostic.labels.iter_mut().for_each(|label| redact_text(&mut label.text, redactor));
    diagnostic.notes.iter_mut().for_each(|note| redact_text(note, redactor));
    diagnostic.hints.iter_mut().for_each(|hint| redact_text(hint, redactor));
}

/// Redacts every text in a value, keys too.
pub fn redact_value(value: &mut Value, redactor: &Redactor) {
    match value {
        Value::Str(text) => {
            if let std::borrow::Cow::Owned(clean) = redactor.redact(text) {
                *text = clean.into();
            }
        }
        Value::Bytes(bytes) => {
            let text = String::from_utf8_lossy(bytes).into_owned();
            if let std::borrow::Cow::Owned(clean) = redactor.redact(&text) {
                *value = Value::from(clean);
            }
        }
        Value::List(items) => {
            let items = Arc::make_mut(items);
            // `stdout_lines`: a secret that was wrapped runs over several of them.
            if items.len() > 1 && items.iter().all(|item| item.as_str().is_some()) {
                let lines: Vec<&str> = items.iter().filter_map(|item| item.as_str()).collect();
                if let Some(clean) = redactor.redact_lines(&lines) {
                    *items = clean.into_iter().map(Value::from).collect();
                }
            } else {
                items.iter_mut().for_each(|item| redact_value(item, redactor));
            }
        }
        Value::Map(map) => redact_map(Arc::make_mut(map), redactor),
        Value::Int(_) | Value::BigInt(_) | Value::Float(_) => {
            let text = crate::value::python_str(value);
            if let std::borrow::Cow::Owned(clean) = redactor.redact(&text) {
                *value = Value::from(clean);
            }
        }
        Value::Null | Value::Bool(_) | Value::Date(_) | Value::DateTime(..) => {}
    }
}

/// [`redact_value`] for a map.
pub fn redact_map(map: &mut Map, redactor: &Redactor) {
    let dirty = map.keys().any(|key| matches!(redactor.redact(&key.text()), std::borrow::Cow::Owned(_)));
    if dirty {
        *map = std::mem::take(map)
            .into_iter()
            .map(|(key, value)| (redactor.redact(&key.text()).into_owned().into(), value))
            .collect();
    }
    map.values_mut().for_each(|value| redact_value(value, redactor));
}

/// Redacts every text in the end of a task.
pub fn redact_done(done: &mut Done, redactor: &Redactor) {
    redact_map(&mut done.result, redactor);
    if let Some(arguments) = &mut done.arguments {
        redact_map(arguments, redactor);
    }
    done.changes.iter_mut().for_each(|text| redact_text(text, redactor));
    if let Some(reason) = &mut done.reason {
        redact_text(reason, redactor);
    }
    for diff in &mut done.diffs {
        for text in [&mut diff.before_header, &mut diff.after_header, &mut diff.before, &mut diff.after] {
            redact_text(text, redactor);
        }
        if let Some(text) = &mut diff.prepared {
            redact_text(text, redactor);
        }
    }
    if let Some(diagnostic) = &mut done.diagnostic {
        redact_diagnostic(diagnostic, redactor);
    }
}

pub(super) fn redact_kind(kind: &mut EventKind, redactor: &Redactor) {
    if redactor.is_empty() {
        return;
    }
    match kind {
        EventKind::RunStarted { playbook, environments, command, .. } => {
            redact_text(playbook, redactor);
            redact_text(command, redactor);
            environments.iter_mut().for_each(|text| redact_text(text, redactor));
        }
        EventKind::PlayStarted { name, pattern, .. } => {
            redact_text(name, redactor);
            redact_text(pattern, redactor);
        }
        EventKind::NoHosts { pattern } => redact_text(pattern, redactor),
        EventKind::TaskStarted { name, .. } => redact_text(name, redactor),
        EventKind::BatchStarted { .. }
        | EventKind::HostStarted { .. }
        | EventKind::WorkBegun { .. }
        | EventKind::Job { .. }
        | EventKind::Recap { .. }
        | EventKind::NoHostsLeft => {}
        EventKind::Included { name, label, .. } => {
            redact_text(name, redactor);
            if let Some(label) = label {
                redact_text(label, redactor);
            }
        }
        EventKind::Retry { done, .. } => {
            if let Some(done) = done {
                redact_done(done, redactor);
            }
        }
        EventKind::Asked { prompt: text, .. }
        | EventKind::Trace { text, .. }
        | EventKind::Meta { message: text, .. }
        | EventKind::Notified { handler: text, .. } => {
            redact_text(text, redactor);
        }
        EventKind::Progress { progress, .. } => redact_progress(progress, redactor),
        EventKind::ItemDone { label, done, .. } => {
            redact_text(label, redactor);
            redact_done(done, redactor);
        }
        EventKind::HostDone { done, .. } => redact_done(done, redactor),
        EventKind::VarPrompt { entry, .. } => redact_map(entry, redactor),
        EventKind::Warning { diagnostic } | EventKind::Error { diagnostic } => redact_diagnostic(diagnostic, redactor),
        EventKind::RunEnded { notes, .. } => notes.iter_mut().for_each(|(_, text)| redact_text(text, redactor)),
    }
}

/// Redacts every text that a running task tells.
pub fn redact_progress(progress: &mut Progress, redactor: &Redactor) {
    match progress {
        Progress::Output { text, .. } | Progress::ImageLog { line: text, .. } | Progress::ImageStep { text, .. } => {
            redact_text(text, redactor);
        }
        Progress::Image { state, .. } => match state {
            ImageState::Failed { message: text }
            | ImageState::PushFailed { message: text }
            | ImageState::Reused { reason: text, .. }
            | ImageState::Held { reason: text } => redact_text(text, redactor),
            _ => {}
        },
        Progress::ImageForecast { forecast } => {
            for (_, reason) in forecast.build.iter_mut().chain(&mut forecast.reuse) {
                redact_text(reason, redactor);
            }
        }
        Progress::ImagePush { .. } | Progress::ImageHost { .. } | Progress::BuildSeen { .. } => {}
    }
}
