//! Starts an agent over a connection: finds or ships the file, answers sudo, reads the hello.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::bootstrap::{self, Start};
use super::client::{Agent, Started, Tail};
use super::elevate;
use super::payload::{Payload, Program};
use super::protocol::{self, FromAgent, PROTOCOL};
use super::run::Leaving;
use crate::connection::{Connection, Duplex};
use crate::diag::{Diagnostic, Kind, Result};
use crate::engine::Become;

/// From the command line to the agent's hello: sudo may wait for LDAP, a disk may be slow.
const DEADLINE: Duration = Duration::from_mins(2);
/// Text before the ready line: banners of login shells.
const NOISE: usize = 1 << 20;
/// Kept of standard error.
const TAIL: usize = 8 << 10;

/// What is started, and how.
pub(super) struct Launch<'a> {
    pub(super) host: Arc<str>,
    pub(super) connection: Arc<dyn Connection>,
    pub(super) program: &'a Program,
    pub(super) wanted: Option<&'a Become>,
    /// The file's path if it need not be shipped (`connection: local`).
    pub(super) direct: Option<String>,
    /// See [`Started::leaving`].
    pub(super) leaving: Leaving,
}

/// How a start ended.
enum Attempt {
    Ready(Box<Started>),
    Need { machine: String, folder: String },
    Nowhere,
    Ended { status: Option<i32>, stderr: String, noise: String },
}

/// A name that nobody can guess, so that no banner can look like an answer.
fn nonce() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Starts the agent; ships it if it is missing.
pub(super) async fn launch(launch: &Launch<'_>) -> Result<Arc<Agent>> {
    let shared = launch.wanted.is_some_and(|wanted| wanted.user != "root");
    let mut avoid_home = false;
    let mut shipped = false;
    let payload = if launch.direct.is_some() { None } else { Some(launch.program.payload().await?) };
    // Cold: need, shipped, ready; and once more if a folder turns out to forbid execution.
    for _ in 0..5 {
        let nonce = nonce();
        let elevation = elevate::elevation(launch.wanted, &nonce)?;
        let command = match (&launch.direct, &payload) {
            (Some(path), _) => bootstrap::direct_command(path, &nonce, &elevation.exec),
            (None, Some(payload)) => {
                bootstrap::start_command(&Start { payload, nonce: &nonce, shared, avoid_home, exec: &elevation.exec })
            }
            (None, None) => return Err(Diagnostic::internal("no file to ship")),
        };
        let duplex = launch.connection.duplex(&command).await?;
        let sha256 = payload.as_ref().map(|payload| payload.sha256.clone());
        let attempt = attempt(launch, duplex, &nonce, elevation.prompt.as_ref(), sha256);
        let Ok(attempt) = tokio::time::timeout(DEADLINE, attempt).await else {
            let seconds = DEADLINE.as_secs();
            let late = failed(launch, &format!("it did not answer within {seconds} s"));
            return Err(match elevation.prompt {
                Some(_) => late.with_registered("Timed out waiting for become success or become password prompt."),
                None => late,
            });
        };
        match (attempt?, &payload) {
            (Attempt::Ready(started), _) => {
                let connection = Arc::clone(&launch.connection);
                return Ok(Agent::new(Arc::clone(&launch.host), connection, *started));
            }
            (Attempt::Need { machine, folder }, Some(payload)) if !shipped || avoid_home => {
                ship(launch, payload, &machine, &folder, shared).await?;
                shipped = true;
            }
            (Attempt::Need { folder, .. }, _) => {
                return Err(failed(launch, &format!("its file in `{folder}` is not accepted after it was stored")));
            }
            (Attempt::Nowhere, _) => {
                return Err(Diagnostic::new(
                    "S0203",
                    Kind::Unreachable,
                    format!("no folder on `{}` can hold hostctl's agent and run it", launch.host),
                )
                .with_note("tried: ~/.cache, $XDG_RUNTIME_DIR, /var/tmp, /tmp, /dev/shm")
                .with_hint("one of them must be writable, not full, and mounted without `noexec`"));
            }
            (Attempt::Ended { status, stderr, noise }, _) => {
                let refused = stderr.contains("ermission denied") || stderr.contains("unable to execute");
                if launch.direct.is_none()
                    && refused
                    && !avoid_home
                    && matches!(status, Some(126 | 1))
                    && stderr.contains("hostctl")
                {
                    (avoid_home, shipped) = (true, false);
                    continue;
                }
                return Err(ended(launch, status, &stderr, &noise));
            }
        }
    }
    Err(failed(launch, "it could not be stored"))
}

fn failed(launch: &Launch<'_>, why: &str) -> Diagnostic {
    Diagnostic::new("S0202", Kind::Unreachable, format!("the agent on `{}` did not start: {why}", launch.host))
}

fn ended(launch: &Launch<'_>, status: Option<i32>, stderr: &str, noise: &str) -> Diagnostic {
    if let Some(diagnostic) = launch.wanted.and_then(|wanted| elevate::diagnose(&launch.host, wanted, status, stderr)) {
        return diagnostic;
    }
    let how = status.map_or_else(|| "the connection ended".to_owned(), |status| format!("exit code {status}"));
    let last = |text: &str| text.lines().rfind(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned());
    let diagnostic = failed(launch, &how);
    let diagnostic = match last(stderr).or_else(|| last(noise)) {
        Some(line) => diagnostic.with_note(format!("the host said: {line}")),
        None => diagnostic,
    };
    diagnostic.with_hint("the login shell must run commands: a user with `nologin` or a forced command cannot be used")
}

async fn ship(launch: &Launch<'_>, payload: &Payload, machine: &str, folder: &str, shared: bool) -> Result<()> {
    let own = std::env::consts::ARCH;
    if machine != own {
        return Err(Diagnostic::new(
            "S0204",
            Kind::Unreachable,
            format!("`{}` is a {machine} machine, and this hostctl is built for {own}", launch.host),
        )
        .with_hint(format!("run a hostctl that is built for {machine} from such a machine")));
    }
    let nonce = nonce();
    let command = bootstrap::upload_command(payload, &nonce, folder, shared);
    let output = launch.connection.upload(&command, &payload.path).await?;
    if output.stdout.contains(&format!("hostctl:{nonce}:stored")) {
        return Ok(());
    }
    let why = match output.status {
        Some(5) => "it arrived damaged".to_owned(),
        Some(code) => format!("exit code {code}"),
        None => "the connection ended".to_owned(),
    };
    let message = format!("the agent could not be stored in `{folder}` on `{}`: {why}", launch.host);
    let diagnostic = Diagnostic::new("S0207", Kind::Unreachable, message);
    let last = output.stderr.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned);
    Err(match last {
        Some(line) => diagnostic.with_note(format!("the host said: {}", line.trim())),
        None => diagnostic,
    }
    .with_hint(format!("is there room? df -h '{folder}'")))
}

fn keep(tail: &Tail, bytes: &[u8]) {
    let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
    tail.extend_from_slice(bytes);
    let surplus = tail.len().saturating_sub(TAIL);
    tail.drain(..surplus);
}

fn text(tail: &Tail) -> String {
    String::from_utf8_lossy(&tail.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

/// The place of a line that begins with the mark, and of what follows its end.
fn find_line<'a>(seen: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], usize)> {
    let start = seen.windows(mark.len()).position(|window| window == mark)? + mark.len();
    let length = seen[start..].iter().position(|byte| *byte == b'\n')?;
    Some((&seen[start..start + length], start + length + 1))
}

async fn attempt(
    launch: &Launch<'_>,
    duplex: Duplex,
    nonce: &str,
    prompt: Option<&elevate::Prompt>,
    sha256: Option<String>,
) -> Result<Attempt> {
    let Duplex { mut input, mut output, mut errors, ended } = duplex;
    let tail: Tail = Arc::default();
    let (mut seen, mut asked) = (Vec::new(), Vec::new());
    let mut answered = false;
    let mut errors_open = true;
    let mark = format!("\nhostctl:{nonce}:").into_bytes();
    let (mut out, mut err) = (vec![0; 8192], vec![0; 4096]);
    let rest = loop {
        tokio::select! {
            read = output.read(&mut out) => {
                let length = read.unwrap_or(0);
                if length == 0 {
                    drain(&mut errors, &tail).await;
                    let stderr = text(&tail);
                    if let Some(wanted) = launch.wanted.filter(|_| answered && stderr.contains("incorrect password")) {
                        return Err(elevate::wrong_password(&launch.host, wanted));
                    }
                    let noise = String::from_utf8_lossy(&seen).into_owned();
                    drop(input);
                    return Ok(Attempt::Ended { status: ended.await, stderr, noise });
                }
                seen.extend_from_slice(&out[..length]);
                if let Some((line, end)) = find_line(&seen, &mark) {
                    let line = String::from_utf8_lossy(line).into_owned();
                    let mut fields = line.splitn(3, ':');
                    match (fields.next(), fields.next(), fields.next()) {
                        (Some("ready"), None, None) => break seen.split_off(end),
                        (Some("need"), Some(machine), Some(folder)) => {
                            return Ok(Attempt::Need { machine: machine.to_owned(), folder: folder.to_owned() });
                        }
                        _ => return Ok(Attempt::Nowhere),
                    }
                }
                if seen.len() > NOISE {
                    return Err(failed(launch, "the login shell prints without end"));
                }
            }
            read = errors.read(&mut err), if errors_open => {
                let length = read.unwrap_or(0);
                errors_open = length > 0;
                keep(&tail, &err[..length]);
                let (Some(prompt), Some(wanted)) = (prompt, launch.wanted) else { continue };
                asked.extend_from_slice(&err[..length]);
                if prompt.asks(&asked) {
                    asked.clear();
                    if answered {
                        return Err(elevate::wrong_password(&launch.host, wanted));
                    }
                    answered = true;
                    let line = format!("{}\n", wanted.password.as_deref().unwrap_or_default());
                    // If sudo is gone, its end of output follows.
                    let _ = input.write_all(line.as_bytes()).await;
                    let _ = input.flush().await;
                }
            }
        }
    };
    tail.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let drained = Arc::clone(&tail);
    tokio::spawn(async move { drain(&mut errors, &drained).await });

    let mut output = std::io::Cursor::new(rest).chain(output);
    let hello = match protocol::read::<FromAgent>(&mut output).await {
        Ok(Some((FromAgent::Hello(hello), _))) => hello,
        Ok(_) => return Err(failed(launch, "it said no hello")),
        Err(error) => return Err(failed(launch, &error.to_string())),
    };
    if hello.protocol != PROTOCOL || hello.version != env!("CARGO_PKG_VERSION") {
        return Err(Diagnostic::new(
            "S0205",
            Kind::Unreachable,
            format!(
                "the agent on `{}` is hostctl {} (protocol {}), this is {} (protocol {PROTOCOL})",
                launch.host,
                hello.version,
                hello.protocol,
                env!("CARGO_PKG_VERSION")
            ),
        )
        .with_hint(format!("delete it there, it is shipped anew: rm '{}'", hello.path)));
    }
    Ok(Attempt::Ready(Box::new(Started {
        input,
        output: Box::new(output),
        ended,
        errors: tail,
        hello,
        sha256,
        leaving: launch.leaving.clone(),
    })))
}

async fn drain(errors: &mut (impl AsyncRead + Unpin), tail: &Mutex<Vec<u8>>) {
    let mut buffer = vec![0; 4096];
    while let Ok(length @ 1..) = errors.read(&mut buffer).await {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(&buffer[..length]);
        let surplus = tail.len().saturating_sub(TAIL);
        tail.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_is_found_behind_any_banner() {
        let mark = b"\nhostctl:n:";
        assert_eq!(find_line(b"Welcome!\nhostctl:x:ready\n\nhostctl:n:ready\n\0\0", mark), Some((&b"ready"[..], 42)));
        assert_eq!(find_line(b"no newline\nhostctl:n:rea", mark), None);
        assert_eq!(find_line(b"hostctl:n:", mark), None);
    }
}
