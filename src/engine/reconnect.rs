//! `wait_for_connection` and `reboot`: the host is asked through the connection until it answers, each attempt with
//! an end of its own, since a host that went down may leave a link that says nothing.

use std::time::{Duration, Instant};

use super::interp::HostRun;
use super::result::Attempt;
use super::target::TargetSpec;
use crate::diag::{Diagnostic, Kind, Result};
use crate::map;
use crate::modules::{Call, Failure, Outcome, RebootArgs, RunsOn, WaitForConnectionArgs};
use crate::playbook::Task;
use crate::value::{Map, StrKey, Value, insert};
use crate::vars::Scope;

type Json = serde_json::Value;

/// What one question to a host gets at most.
const ATTEMPT: Duration = Duration::from_mins(1);
/// The longest pause between two questions after a reboot, in seconds.
const PAUSE: u64 = 12;

fn arguments<T: serde::de::DeserializeOwned>(json: &Json) -> Result<T> {
    serde_path_to_error::deserialize(json.clone()).map_err(|error| Diagnostic::task("M0001", error.to_string()))
}

fn text<'a>(result: &'a Map, key: &str) -> &'a str {
    result.get(&StrKey(key)).and_then(Value::as_str).unwrap_or_default()
}

impl HostRun {
    /// One module on the host, within a limit. Lost connections are forgotten.
    async fn ask_within(&self, spec: &TargetSpec, call: Call, limit: Duration) -> Result<Outcome, Failure> {
        let targets = &self.play.engine.targets;
        let work = async {
            let target = targets.target(spec).await?;
            target.invoke(call, super::target::unheard()).await
        };
        let ended = match tokio::time::timeout(limit, work).await {
            Ok(ended) => ended,
            Err(_) => {
                let message = format!("no answer within {} seconds", limit.as_secs().max(1));
                Err(Diagnostic::new("S0201", Kind::Unreachable, message).into())
            }
        };
        if ended.as_ref().is_err_and(|failure: &Failure| failure.diagnostic.kind == Kind::Unreachable) {
            self.forget(spec).await;
        }
        ended
    }

    /// Closes what leads to the host; a link that hangs is not waited for.
    async fn forget(&self, spec: &TargetSpec) {
        drop(tokio::time::timeout(Duration::from_secs(10), self.play.engine.targets.reset(&spec.host)).await);
    }

    /// A line for the host's shell, as `raw` gives it: code, output, errors.
    async fn line(&self, spec: &TargetSpec, line: &str, limit: Duration) -> Result<(i128, String, String), Failure> {
        let call = Call::new("raw", serde_json::json!({ "free_form": line }));
        let result = match self.ask_within(spec, call, limit).await {
            Ok(outcome) => outcome.result,
            Err(failure) if failure.result.contains_key(&StrKey("rc")) => failure.result,
            Err(failure) => return Err(failure),
        };
        let rc = result.get(&StrKey("rc")).and_then(Value::as_int).unwrap_or(-1);
        Ok((rc, text(&result, "stdout").to_owned(), text(&result, "stderr").to_owned()))
    }

    fn in_check_mode(&self, task: &Task, scope: &Scope) -> Result<bool> {
        Ok(self.keyword_flag(task, "check_mode", scope)?.unwrap_or(self.play.engine.options.check))
    }

    /// Runs `wait_for_connection`.
    pub(super) async fn wait_for_connection(
        &self,
        task: &Task,
        json: &Json,
        scope: &Scope,
    ) -> Result<Attempt, Failure> {
        let args: WaitForConnectionArgs = arguments(json)?;
        if self.in_check_mode(task, scope)? {
            return Ok(Attempt::from_outcome(Outcome { skipped: true, ..Outcome::default() }));
        }
        let spec = self.target_spec(task, scope, RunsOn::Host)?;
        let started = Instant::now();
        tokio::time::sleep(Duration::from_secs(args.delay)).await;
        let limit = Duration::from_secs(args.timeout);
        let begun = Instant::now();
        let mut last = String::new();
        loop {
            let left = limit.saturating_sub(begun.elapsed());
            let elapsed = |started: Instant| i64::try_from(started.elapsed().as_secs()).unwrap_or(i64::MAX);
            if left.is_zero() {
                let message = format!("timed out waiting for ping module test: {last}");
                let diagnostic =
                    Diagnostic::task("H0111", format!("the host did not answer within {} seconds", args.timeout))
                        .with_note(last)
                        .with_hint("timeout: a larger number of seconds");
                return Err(Failure::with_result(diagnostic, map! { "msg" => message, "elapsed" => elapsed(started) }));
            }
            self.forget(&spec).await;
            let each = left.min(ATTEMPT.max(Duration::from_secs(args.connect_timeout)));
            match self.ask_within(&spec, Call::new("ping", serde_json::json!({})), each).await {
                Ok(_) => {
                    let result = map! { "elapsed" => elapsed(started) };
                    return Ok(Attempt::from_outcome(Outcome { result, ..Outcome::default() }));
                }
                Err(failure) => last.clone_from(&failure.diagnostic.message),
            }
            tokio::time::sleep(Duration::from_secs(args.sleep).min(limit.saturating_sub(begun.elapsed()))).await;
        }
    }

    /// Runs `reboot`.
    pub(super) async fn reboot(&self, task: &Task, json: &Json, scope: &Scope) -> Result<Attempt, Failure> {
        let args: RebootArgs = arguments(json)?;
        let spec = self.target_spec(task, scope, RunsOn::Host)?;
        if spec.connection == "local" {
            let message = "Running reboot with local connection would reboot the control node.";
            let result = map! { "msg" => message, "elapsed" => 0, "rebooted" => false };
            let diagnostic = Diagnostic::task("H0110", "a reboot of the controller itself is refused")
                .with_hint("run it for hosts with a connection by ssh");
            return Err(Failure::with_result(diagnostic, result));
        }
        if self.in_check_mode(task, scope)? {
            let result = map! { "elapsed" => 0, "rebooted" => true };
            return Ok(Attempt::from_outcome(Outcome { changed: true, result, ..Outcome::default() }));
        }
        let before = self.boot_time(&spec, &args, ATTEMPT).await.map_err(|failure| {
            let mut result = map! { "reboot" => false };
            result.extend(failure.result.clone());
            Failure { result, ..failure }
        })?;
        let command = self.reboot_command(&spec, &args).await?;
        let ended = self.line(&spec, &command, ATTEMPT).await;
        let started = Instant::now();
        let elapsed = || i64::try_from(started.elapsed().as_secs()).unwrap_or(i64::MAX);
        match ended {
            Ok((0, ..)) => {}
            Ok((_, out, err)) => {
                let message = format!("Reboot command failed. Error was: '{}, {}'", out.trim(), err.trim());
                let result = map! { "msg" => message.as_str(), "rebooted" => false, "elapsed" => elapsed() };
                let said = if err.trim().is_empty() { out } else { err };
                let diagnostic = Diagnostic::task("H0102", format!("the reboot command failed: {}", said.trim()))
                    .with_note(format!("ran: {command}"));
                return Err(Failure::with_result(diagnostic, result));
            }
            // A host that goes down at once takes the connection along.
            Err(failure) if failure.diagnostic.kind == Kind::Unreachable => {}
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(Duration::from_secs_f64(args.post_reboot_delay.trunc().clamp(0.0, 1e7))).await;
        let each = args.connect_timeout.filter(|seconds| *seconds > 0).map_or(ATTEMPT, Duration::from_secs);
        let limit = Duration::from_secs(args.reboot_timeout);
        for step in [Step::BootTime, Step::Test] {
            let begun = Instant::now();
            let mut pause = 1;
            loop {
                let left = limit.saturating_sub(begun.elapsed());
                if left.is_zero() {
                    let message = format!("Timed out waiting for {} (timeout={})", step.name(), args.reboot_timeout);
                    let result = map! { "msg" => message, "rebooted" => true, "elapsed" => elapsed() };
                    let words =
                        format!("the host was not back within {} seconds: {}", args.reboot_timeout, step.name());
                    return Err(Failure::with_result(Diagnostic::task("H0111", words), result));
                }
                let fine = match step {
                    Step::BootTime => {
                        let now = self.boot_time(&spec, &args, each.min(left)).await;
                        now.is_ok_and(|now| !now.is_empty() && now != before)
                    }
                    Step::Test => {
                        let ended = self.line(&spec, &args.test_command, each.min(left)).await;
                        ended.is_ok_and(|(rc, ..)| rc == 0)
                    }
                };
                if fine {
                    break;
                }
                let wait = Duration::from_secs(pause).min(limit.saturating_sub(begun.elapsed()));
                tokio::time::sleep(wait).await;
                pause = (pause * 2).min(PAUSE);
            }
        }
        let mut result = map! { "rebooted" => true };
        insert(&mut result, "elapsed", elapsed());
        Ok(Attempt::from_outcome(Outcome { changed: true, result, ..Outcome::default() }))
    }

    async fn boot_time(&self, spec: &TargetSpec, args: &RebootArgs, limit: Duration) -> Result<String, Failure> {
        let (rc, out, err) = self.line(spec, &args.boot_time_command, limit).await?;
        if rc == 0 {
            return Ok(out.trim().to_owned());
        }
        let message = format!("reboot: failed to get host boot time info, rc: {rc}, stdout: {out}, stderr: {err}");
        let diagnostic = Diagnostic::task("H0102", format!("the time of the last boot is not known: {}", err.trim()))
            .with_note(format!("ran: {}", args.boot_time_command));
        Err(Failure::with_result(diagnostic, map! { "msg" => message }))
    }

    /// The whole command, its program as a path.
    async fn reboot_command(&self, spec: &TargetSpec, args: &RebootArgs) -> Result<String, Failure> {
        let (program, words) = match &args.reboot_command {
            Some(command) => {
                let (program, words) = command.split_once(' ').unwrap_or((command, ""));
                (program.to_owned(), words.to_owned())
            }
            None => {
                let (_, id, _) = self.line(spec, ". /etc/os-release && echo \"$ID\"", ATTEMPT).await?;
                let minutes = (args.pre_reboot_delay.clamp(0.0, 1e7) / 60.0).floor();
                match id.trim() {
                    "alpine" => ("reboot".to_owned(), String::new()),
                    "void" => ("shutdown".to_owned(), format!("-r +{minutes} \"{}\"", args.msg)),
                    _ => ("shutdown".to_owned(), format!("-r {minutes} \"{}\"", args.msg)),
                }
            }
        };
        if program.starts_with('/') {
            return Ok(format!("{program} {words}"));
        }
        let call = Call::new(
            "find",
            serde_json::json!({ "paths": args.search_paths, "patterns": [program], "file_type": "any" }),
        );
        let found = self.ask_within(spec, call, ATTEMPT).await?;
        let files = found.result.get(&StrKey("files")).and_then(Value::as_list).unwrap_or_default();
        match files.first().and_then(|file| file.get("path")).and_then(Value::as_str) {
            Some(path) => Ok(format!("{path} {words}")),
            None => {
                let paths: Vec<String> = args.search_paths.iter().map(|path| format!("'{path}'")).collect();
                let message = format!("Unable to find command \"{program}\" in search paths: [{}]", paths.join(", "));
                let diagnostic = Diagnostic::task(
                    "H0103",
                    format!("the host has no `{program}` in {}", args.search_paths.join(", ")),
                );
                Err(Failure::with_result(diagnostic, map! { "msg" => message }))
            }
        }
    }
}

/// What is waited for after a reboot.
#[derive(Clone, Copy)]
enum Step {
    BootTime,
    Test,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::BootTime => "last boot time check",
            Self::Test => "post-reboot test command",
        }
    }
}
