//! The master process: started with the user's ssh program, ended at the end of the run.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::config::{self, Config, Resolved};
use super::failure::{Logs, diagnose, plain_lines};
use super::{Control, Options, askpass};
use crate::diag::{Diagnostic, Kind, Result};
use crate::engine::TargetSpec;

/// For questions to ssh itself, which need no network.
const SHORT: Duration = Duration::from_secs(10);

/// A master that accepts channels.
#[derive(Debug)]
pub(super) struct Master {
    control: Control,
    address: String,
}

fn missing(error: &std::io::Error) -> Diagnostic {
    Diagnostic::new("S0110", Kind::Unreachable, format!("the program `ssh` could not be started: {error}"))
        .with_hint("install it: apt install openssh-client")
}

/// Logs in.
pub(super) async fn start(spec: &TargetSpec, options: &Options) -> Result<Master> {
    // ssh would take such a name for an option.
    if spec.address.is_empty() || spec.address.starts_with('-') {
        return Err(Diagnostic::new(
            "S0105",
            Kind::Unreachable,
            format!("host `{}` has no usable address: `{}`", spec.host, spec.address),
        ));
    }
    let control = Control::new()?;
    let config = config::prepare(spec, &control)?;
    let resolved = resolve(spec, &config).await?;
    if let Some(place) = config::unchecked_place(spec, &config, &resolved)
        && spec.host_key.is_none()
    {
        let how = if resolved.checking == "accept-new" { "new host keys are accepted unseen" } else { "not checked" };
        (options.warn)(
            Diagnostic::new("S0114", Kind::Unreachable, format!("host keys: {how}, as {place} says"))
                .warning()
                .with_hint("pin the key in the inventory instead: hostctl_host_key: ssh-ed25519 AAAA..."),
        );
    }
    let logs = (control.path("log"), control.path("err"));
    let errors = std::fs::File::create(&logs.1)
        .map_err(|error| Diagnostic::local("S0111", format!("`{}` could not be written: {error}", logs.1.display())))?;

    // Without `-v`, ssh throws away what its jump hosts say once `ControlPersist` is set.
    let mut command = Command::new("ssh");
    command.args(&config.args).arg("-S").arg(control.socket()).arg("-E").arg(&logs.0).args(["-v", "-f", "-N", "--"]);
    command.arg(&spec.address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
    // Ctrl-C in the terminal is for hostctl, which then closes its connections in order.
    command.process_group(0).kill_on_drop(true).env_remove(super::ASKPASS_VARIABLE);
    let _answerer = match &spec.password {
        None => {
            command.env("SSH_ASKPASS_REQUIRE", "never");
            None
        }
        Some(password) => {
            let socket = control.path("a");
            let names = [Some(spec.address.clone()), Some(resolved.hostname.clone()), resolved.alias.clone()];
            let names = names.into_iter().flatten().filter(|name| !name.is_empty()).collect();
            let answerer = askpass::answer(&socket, password.clone(), names, resolved.jumps)
                .map_err(|error| Diagnostic::local("S0111", format!("no socket for ssh's helper: {error}")))?;
            command.env("SSH_ASKPASS", &options.program).env("SSH_ASKPASS_REQUIRE", "force");
            command.env(super::ASKPASS_VARIABLE, &socket);
            Some(answerer)
        }
    };
    let seconds = spec.timeout.unwrap_or(config::TIMEOUT).max(1);
    let mut child = command.spawn().map_err(|error| missing(&error))?;
    // ssh keeps its own time to connect; this one is for logins that hang after that.
    let status = tokio::time::timeout(Duration::from_secs(seconds * 2 + 30), child.wait()).await;
    match status {
        Ok(Ok(status)) if status.success() => Ok(Master { control, address: spec.address.clone() }),
        Ok(Ok(_)) => Err(diagnose(spec, &resolved, &read_logs(&logs))),
        Ok(Err(error)) => Err(missing(&error)),
        Err(_) => {
            let message = format!("the login on `{}` did not end within {} s", spec.host, seconds * 2 + 30);
            let diagnostic = Diagnostic::new("S0107", Kind::Unreachable, message);
            Err(match plain_lines(&read_logs(&logs).master).next_back() {
                Some(line) => diagnostic.with_note(format!("ssh's last words: {line}")),
                None => diagnostic,
            })
        }
    }
}

fn read_logs(logs: &(PathBuf, PathBuf)) -> Logs {
    let read = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    Logs { master: read(&logs.0), proxies: read(&logs.1) }
}

/// Asks ssh what it makes of its configuration.
async fn resolve(spec: &TargetSpec, config: &Config) -> Result<Resolved> {
    let mut command = Command::new("ssh");
    command.args(&config.args).args(["-G", "--"]).arg(&spec.address).stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(SHORT, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(missing(&error)),
        Err(_) => return Err(Diagnostic::new("S0101", Kind::Unreachable, "`ssh -G` did not end")),
    };
    let resolved = config::parse_resolved(&String::from_utf8_lossy(&output.stdout));
    if output.status.success() {
        return Ok(resolved);
    }
    let logs = Logs { master: String::from_utf8_lossy(&output.stderr).into_owned(), proxies: String::new() };
    Err(diagnose(spec, &resolved, &logs))
}

impl Master {
    pub(super) fn socket(&self) -> PathBuf {
        self.control.socket()
    }

    pub(super) fn address(&self) -> String {
        self.address.clone()
    }

    /// The log's last line that is meant for people.
    pub(super) async fn last_line(&self) -> Option<String> {
        let log: &Path = &self.control.path("log");
        let log = tokio::fs::read(log).await.ok()?;
        plain_lines(&String::from_utf8_lossy(&log)).next_back().map(str::to_owned)
    }

    /// Ends the master. It may be gone already.
    pub(super) async fn exit(&self) {
        let mut command = Command::new("ssh");
        command.args(["-F", "none", "-O", "exit", "-S"]).arg(self.socket()).args(["--", "hostctl"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let _ = tokio::time::timeout(SHORT, command.status()).await;
        self.control.remove();
    }
}
