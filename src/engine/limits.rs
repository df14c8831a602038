//! The numbers that keywords give a task: how often it is tried, and on how many hosts at a time it runs.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::conditions::keyword;
use super::interp::HostRun;
use crate::diag::{Diagnostic, Result};
use crate::playbook::Task;
use crate::value::{Value, python_str};
use crate::vars::Scope;
use crate::yaml::Node;

impl HostRun {
    /// The task's own limit of hosts at a time (`throttle`).
    pub(super) fn throttle(&self, task: &Task, scope: &Scope) -> Result<Option<(usize, Arc<Semaphore>)>> {
        let value = self
            .telling(task, scope, || self.keyword_value(task, "throttle", scope))
            .map_err(|error| error.within("Failed to convert the throttle value to an integer: "))?;
        let Some(value) = value else { return Ok(None) };
        let text = python_str(&value);
        let limit = text.trim().parse::<i64>().map_err(|_| {
            Diagnostic::source("P0111", format!("`throttle` must be a number, found `{text}`"))
                .with_registered(format!(
                    "Failed to convert the throttle value to an integer: invalid literal for int() with base 10: '{text}'"
                ))
                .with_label_opt(keyword(task, "throttle").map(Node::place), "not a number")
                .with_hint("throttle: 2")
        })?;
        let Some(limit) = usize::try_from(limit).ok().filter(|limit| *limit > 0) else { return Ok(None) };
        let limit = limit.min(Semaphore::MAX_PERMITS);
        let mut all = super::state::lock(&self.play.throttles);
        let few = all.entry(task.id).or_insert_with(|| Arc::new(Semaphore::new(limit)));
        Ok(Some((limit, Arc::clone(few))))
    }

    /// Tries in all, and seconds between them.
    pub(super) fn tries(&self, task: &Task, until: bool, scope: &Scope) -> Result<(u32, f64)> {
        let number = |name: &str| -> Result<Option<f64>> {
            let Some(node) = task.keywords.get(name) else { return Ok(None) };
            let value = self.play.engine.templates.render(node, scope)?;
            if value == Value::Null || crate::template::is_omit(&value) {
                return Ok(None);
            }
            let found = python_str(&value);
            found.trim().parse::<f64>().map(Some).map_err(|_| {
                Diagnostic::source("P0111", format!("`{name}` must be a number, found `{found}`"))
                    .with_label(node.place(), "not a number")
                    .with_hint(format!("{name}: 5"))
            })
        };
        let retries = number("retries")?;
        let delay = number("delay")?.filter(|delay| *delay >= 0.0).unwrap_or(5.0).min(86_400.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped just before")]
        let tries = match retries {
            Some(retries) if retries <= 0.0 => 1,
            Some(retries) => retries.clamp(0.0, 1e6) as u32 + 1,
            None if until => 4,
            None => 1,
        };
        Ok((tries, delay))
    }
}
