//! The master process: started with the user's ssh program, ended at the end of the run.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::config::{self, Config, Resolved};
use super::failure::{Logs, diagnose, pin_with, plain_lines, shown_key};
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
    if let Some(user) = spec.user.as_ref().filter(|user| user.is_empty() || user.starts_with('-')) {
        let message = format!("host `{}` has no usable user: `{user}`", spec.host);
        return Err(
            Diagnostic::new("S0104", Kind::Unreachable, message).with_hint("set `ansible_user` to a login name")
        );
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
        Ok(Ok(_)) => {
            let logs = read_logs(&logs);
            let error = diagnose(spec, &resolved, &logs);
            let shown = shown_key(&logs.master).filter(|_| error.code == "S0102" && !resolved.jumps);
            let key = match shown {
                Some((_, fingerprint)) => scan(&resolved, &fingerprint).await,
                None => None,
            };
            Err(key.map_or(error.clone(), |key| pin_with(error, &key)))
        }
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

/// The host's public key (`TYPE BASE64`) whose fingerprint the login showed: what is offered for pinning
/// is the very key whose fingerprint the user compares.
async fn scan(resolved: &Resolved, fingerprint: &str) -> Option<String> {
    let mut command = Command::new("ssh-keyscan");
    command.args(["-T", "5", "-p", &resolved.port, "--", &resolved.hostname]);
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(SHORT, command.output()).await.ok()?.ok()?;
    key_of(&String::from_utf8_lossy(&output.stdout), fingerprint)
}

/// The key of a fingerprint among lines of `known_hosts`.
fn key_of(lines: &str, fingerprint: &str) -> Option<String> {
    use base64::Engine as _;
    use sha2::Digest as _;
    lines.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (kind, data) = (words.next()?, words.next()?);
        let blob = base64::engine::general_purpose::STANDARD.decode(data).ok()?;
        let found = base64::engine::general_purpose::STANDARD_NO_PAD.encode(sha2::Sha256::digest(&blob));
        (fingerprint.strip_prefix("SHA256:")? == found).then(|| format!("{kind} {data}"))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_that_was_shown_is_offered_for_pinning() {
        // `ssh-keygen -lf` of the line's key.
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAX4NaExh+FWV7ultYKUAbX4NK95A02kU9IKFZzDIT/U";
        let lines = format!("# h:22 SSH-2.0-x\nh ssh-rsa AAAA\n[h]:22 {key}\n");
        assert_eq!(key_of(&lines, "SHA256:3DJ3XGvF2qEWvgzTzEGbH+DFPfEZKK07iVSDX96MYLo").as_deref(), Some(key));
        assert_eq!(key_of(&lines, "SHA256:other"), None);
    }

    #[tokio::test]
    async fn a_user_that_ssh_would_take_for_an_option_is_refused() {
        let options = Options { program: "/bin/false".into(), warn: std::sync::Arc::new(|_| {}) };
        for user in ["-oProxyCommand=touch x", ""] {
            let spec = TargetSpec {
                host: "web".into(),
                address: "127.0.0.1".to_owned(),
                user: Some(user.to_owned()),
                ..TargetSpec::default()
            };
            let error = start(&spec, &options).await.expect_err("refused");
            assert_eq!(error.code, "S0104", "{error:?}");
        }
    }
}
