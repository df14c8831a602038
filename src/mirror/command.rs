//! The hidden command `hostctl mirror-proxy`: what the service manager starts.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;

use super::{control, server};
use crate::diag::{Diagnostic, ExitCode, Result};

const USAGE: &str = "usage: hostctl mirror-proxy --config FILE [--start | --stop | --restart | --status]";

enum Action {
    Serve { session: bool },
    Start,
    Stop,
    Restart,
    Status,
}

/// Runs the command with the arguments after its name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let done = parse(args).and_then(|(config, action)| match action {
        Action::Serve { session } => {
            if session {
                // Fails only for a process that leads a group already, which is as good.
                let _ = rustix::process::setsid();
            }
            server::serve(&config).map(|()| ExitCode::Ok)
        }
        Action::Start => control::start(&config).map(say),
        Action::Stop => control::stop(&config).map(say),
        Action::Restart => control::stop(&config).and_then(|_| control::start(&config)).map(say),
        // 3 is what an init script says for a program that does not run.
        Action::Status => control::status(&config).map(|pid| match pid {
            Some(pid) => say(format!("running (process {pid})")),
            None => {
                say("not running".to_owned());
                ExitCode::Error
            }
        }),
    });
    done.unwrap_or_else(|error| {
        report(&error);
        error.kind.exit_code()
    })
}

fn say(text: String) -> ExitCode {
    let _ = writeln!(std::io::stdout(), "hostctl mirror-proxy: {text}");
    ExitCode::Ok
}

fn report(error: &Diagnostic) {
    let mut text = format!("error[{}]: {}\n", error.code, error.message);
    for note in &error.notes {
        text.push_str(&format!("  = note: {note}\n"));
    }
    for hint in &error.hints {
        text.push_str(&format!("hint: {hint}\n"));
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<(PathBuf, Action)> {
    let usage = || Diagnostic::new("H0300", crate::diag::Kind::Usage, USAGE);
    let mut config = None;
    let mut action = Action::Serve { session: false };
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--config") => config = Some(PathBuf::from(args.next().ok_or_else(usage)?)),
            Some("--session") => action = Action::Serve { session: true },
            Some("--start") => action = Action::Start,
            Some("--stop") => action = Action::Stop,
            Some("--restart") => action = Action::Restart,
            Some("--status") => action = Action::Status,
            _ => return Err(usage()),
        }
    }
    Ok((config.ok_or_else(usage)?, action))
}
