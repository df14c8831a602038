//! `pause`: waits for a time, or for an answer at the terminal.

use std::time::{Duration, Instant};

use super::interp::{Here, HostRun};
use super::person::{Answer, Question, Until, waiting};
use super::result::Attempt;
use crate::diag::{Diagnostic, Result};
use crate::event::EventKind;
use crate::map;
use crate::modules::Outcome;
use crate::playbook::Task;
use crate::value::{StrKey, python_float};

/// What ends a timed pause early.
const TIMED: &str = "(ctrl+C then 'C' = continue early, ctrl+C then 'A' = abort)\n";

impl HostRun {
    /// Runs `pause`.
    pub(super) async fn pause(&self, task: &Task, json: &serde_json::Value) -> Result<Attempt> {
        let number = |name: &str| {
            json.get(name)
                .and_then(|value| value.as_f64().or_else(|| value.as_str().and_then(|text| text.parse().ok())))
        };
        let in_minutes = number("seconds").is_none() && number("minutes").is_some();
        let seconds = number("seconds").or_else(|| number("minutes").map(|minutes| minutes * 60.0));
        // Ansible counts whole seconds, and at least one.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let seconds = seconds.map(|seconds| seconds.trunc().clamp(1.0, 1e7) as u64);
        let echo = json.get("echo").is_none_or(|_| super::invoke::flag(json, "echo"));
        let prompt = json.get("prompt").and_then(serde_json::Value::as_str).filter(|text| !text.is_empty());
        let begun = jiff::Zoned::now();
        let started = Instant::now();
        let mut warnings = Vec::new();
        let typed = self.answer(task, prompt, seconds, echo, &mut warnings).await?;
        let elapsed = started.elapsed().as_secs_f64();
        let (amount, unit) = if in_minutes { (elapsed / 60.0, "minutes") } else { (elapsed, "seconds") };
        let amount = python_float((amount * 100.0).round() / 100.0);
        let stamp = |at: &jiff::Zoned| at.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string();
        #[expect(clippy::cast_possible_truncation, reason = "seconds of a pause")]
        let delta = elapsed as i64;
        let result = map! {
            "rc" => 0, "stderr" => "", "stdout" => format!("Paused for {amount} {unit}"), "echo" => echo,
            "start" => stamp(&begun), "stop" => stamp(&jiff::Zoned::now()), "delta" => delta,
            "user_input" => typed,
        };
        let mut attempt = Attempt::from_outcome(Outcome { result, warnings, ..Outcome::default() });
        // Ansible makes lines of what programs say only.
        for lines in ["stdout_lines", "stderr_lines"] {
            attempt.result.shift_remove(&StrKey(lines));
        }
        Ok(attempt)
    }

    /// What was typed; a timed pause takes nothing.
    async fn answer(
        &self,
        task: &Task,
        prompt: Option<&str>,
        seconds: Option<u64>,
        echo: bool,
        warnings: &mut Vec<String>,
    ) -> Result<String> {
        let engine = &self.play.engine;
        let hidden = if echo { "" } else { " (output is hidden)" };
        let name = self.task_name(task, &Here::default());
        let shown = match (prompt, seconds) {
            (Some(prompt), _) => format!("[{name}]\n{prompt}{hidden}:\n"),
            (None, Some(_)) => TIMED.to_owned(),
            (None, None) => format!("[{name}]\nPress enter to continue, Ctrl+C to interrupt{hidden}:\n"),
        };
        let lead = match seconds {
            Some(seconds) if prompt.is_some() => format!("Pausing for {seconds} seconds{hidden}\n{TIMED}"),
            Some(seconds) => format!("Pausing for {seconds} seconds{hidden}\n"),
            None => String::new(),
        };
        let text = engine.redactor.redact(&(lead + &shown)).into_owned();
        if !engine.person.is_there() {
            match seconds {
                Some(seconds) => {
                    let hint = if prompt.is_some() { TIMED } else { "" };
                    let text = format!("Pausing for {seconds} seconds{hidden}\n{hint}");
                    self.emit(EventKind::Asked { task: task.id, prompt: text.clone() });
                    engine.person.show(&text);
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                }
                None => warnings.push("Not waiting for response to prompt as stdin is not interactive".to_owned()),
            }
            return Ok(String::new());
        }
        let _turn = engine.asking.lock().await;
        self.emit(EventKind::Asked { task: task.id, prompt: text.clone() });
        let cancel = engine.cancel.clone();
        let quiet = !echo || seconds.is_some();
        let answer = waiting(&engine.person, move |person| {
            let until = if seconds.is_some() { Until::Time } else { Until::Line };
            let answer = person.ask(&Question { prompt: &text, hidden: quiet, seconds, until }, &cancel)?;
            if answer != Answer::Interrupted {
                return Some(answer);
            }
            let prompt = "Press 'C' to continue the play or 'A' to abort \n";
            let question = Question { prompt, hidden: true, seconds: None, until: Until::Choice };
            person.ask(&question, &cancel)
        })
        .await
        .flatten();
        match answer {
            Some(Answer::Text(text)) if seconds.is_none() => Ok(text),
            Some(Answer::Text(_) | Answer::TimedOut) => Ok(String::new()),
            Some(Answer::Interrupted) | None => Err(Diagnostic::task("H0031", "the pause was aborted at the terminal")
                .with_registered("Task failed: user requested abort!")),
        }
    }
}
