//! Start, stop and status where no systemd supervises: what the init script calls.
//!
//! The proxy supervises itself: `--start` runs it in a session of its own as its user, waits until
//! it answers and notes the process; `--stop` ends it. A noted process counts only if it is this
//! program with this configuration, so a reused number never ends someone else.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Config;
use super::path::HEALTH_PATH;
use crate::diag::{Diagnostic, Result};
use crate::system::http::HttpClient;

const START_WITHIN: Duration = Duration::from_secs(20);
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// The running proxy's process, if there is one.
pub(crate) fn running(config_path: &Path, config: &Config) -> Option<Pid> {
    let noted = std::fs::read_to_string(&config.pid_file).ok()?;
    let number: i32 = noted.trim().parse().ok()?;
    let pid = Pid::from_raw(number)?;
    let command = std::fs::read(format!("/proc/{number}/cmdline")).ok()?;
    let words: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
    let path = std::os::unix::ffi::OsStrExt::as_bytes(config_path.as_os_str());
    (words.get(1) == Some(&b"mirror-proxy".as_slice()) && words.contains(&path)).then_some(pid)
}

/// Starts the proxy unless it runs. Returns when it answers.
pub(super) fn start(config_path: &Path) -> Result<String> {
    let config = Config::read(config_path)?;
    if let Some(pid) = running(config_path, &config) {
        return Ok(format!("already running (process {})", pid.as_raw_nonzero()));
    }
    let (uid, gid) = crate::system::tool::passwd_ids(&config.user)
        .ok_or_else(|| Diagnostic::local("H0306", format!("the user `{}` of the proxy does not exist", config.user)))?;
    let cannot = |what: &str, error: &std::io::Error| Diagnostic::local("H0306", format!("cannot {what}: {error}"));
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .open(&config.log_file)
        .map_err(|error| cannot(&format!("write `{}`", config.log_file.display()), &error))?;
    let log_again = log.try_clone().map_err(|error| cannot("start the proxy", &error))?;
    let program = crate::system::own_binary::path()?;
    let program = std::fs::canonicalize(&program).unwrap_or(program);
    let mut command = Command::new(program);
    command
        .arg("mirror-proxy")
        .arg("--config")
        .arg(config_path)
        .arg("--session")
        .current_dir("/")
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(log_again);
    if rustix::process::geteuid().is_root() {
        // Also drops root's supplementary groups.
        command.uid(uid).gid(gid);
    }
    let mut child = command.spawn().map_err(|error| cannot("start the proxy", &error))?;
    let pid = child.id();
    std::fs::write(&config.pid_file, format!("{pid}\n"))
        .map_err(|error| cannot(&format!("write `{}`", config.pid_file.display()), &error))?;
    let deadline = Instant::now() + START_WITHIN;
    loop {
        if let Some(status) = child.try_wait().map_err(|error| cannot("watch the proxy", &error))? {
            let _ = std::fs::remove_file(&config.pid_file);
            return Err(Diagnostic::local("H0305", format!("the proxy ended at once ({status})"))
                .with_note(last_lines(&config.log_file)));
        }
        if answers(&config, pid)? {
            return Ok(format!("started (process {pid})"));
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            let _ = std::fs::remove_file(&config.pid_file);
            return Err(Diagnostic::local("H0305", "the proxy does not answer").with_note(last_lines(&config.log_file)));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Ends the proxy if it runs.
pub(super) fn stop(config_path: &Path) -> Result<String> {
    let config = Config::read(config_path)?;
    let Some(pid) = running(config_path, &config) else {
        let _ = std::fs::remove_file(&config.pid_file);
        return Ok("not running".to_owned());
    };
    let _ = kill_process(pid, Signal::TERM);
    let deadline = Instant::now() + STOP_WITHIN;
    while running(config_path, &config).is_some() {
        if Instant::now() > deadline {
            let _ = kill_process(pid, Signal::KILL);
        }
        if Instant::now() > deadline + Duration::from_secs(5) {
            return Err(Diagnostic::local("H0306", format!("process {} does not end", pid.as_raw_nonzero())));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = std::fs::remove_file(&config.pid_file);
    Ok("stopped".to_owned())
}

/// The process's number, if it runs.
pub(super) fn status(config_path: &Path) -> Result<Option<i32>> {
    let config = Config::read(config_path)?;
    Ok(running(config_path, &config).map(|pid| pid.as_raw_nonzero().get()))
}

/// True if the process answers on an address that the host has (or if the host has none of them yet).
fn answers(config: &Config, pid: u32) -> Result<bool> {
    let Some(address) = config.listen.iter().find(|address| super::listen::is_local(address.ip())) else {
        return Ok(true);
    };
    let uri = format!("http://{address}{HEALTH_PATH}")
        .parse()
        .map_err(|error| Diagnostic::internal(format!("the health address is no address: {error}")))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Diagnostic::local("H0305", format!("cannot ask the proxy: {error}")))?;
    let client = HttpClient::plain()?;
    let answer = runtime.block_on(client.get(uri, Duration::from_secs(2), 4096));
    let Ok((200, body)) = answer else { return Ok(false) };
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    Ok(body["pid"].as_u64() == Some(u64::from(pid)))
}

pub(crate) fn last_lines(path: &Path) -> String {
    let text = File::open(path)
        .and_then(|mut file| {
            use std::io::{Read, Seek, SeekFrom};
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(4096)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        })
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(8)).copied().collect::<Vec<_>>().join("\n")
}
