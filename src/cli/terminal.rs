//! Questions to the person at the terminal (`vars_prompt`).

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr};
use tokio_util::sync::CancellationToken;

use crate::diag::{Diagnostic, Kind, Result};
use crate::engine::Asks;
use crate::secret::Secret;

/// The person at standard input, if that is a terminal.
pub(super) fn asks() -> Option<Arc<dyn Asks>> {
    isatty(std::io::stdin()).then(|| Arc::new(Person) as _)
}

struct Person;

/// Puts the terminal back as it was.
struct Restore(Termios);

impl Drop for Restore {
    fn drop(&mut self) {
        // A terminal that is gone needs no modes.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// How long one wait for typed text may take before the end of the run is looked for.
const PATIENCE: Duration = Duration::from_millis(100);

/// The longest line that a terminal hands over.
const LONGEST: usize = 1 << 16;

fn wrong(error: impl std::fmt::Display) -> Diagnostic {
    Diagnostic::new("C0122", Kind::Local, format!("the answer cannot be read: {error}"))
        .with_hint("give the variable with `-e NAME=VALUE`")
}

fn write(text: &str) -> Result<()> {
    let mut out = std::io::stderr().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(wrong)
}

/// Waits for a line; `None` if the run ended meanwhile.
fn line(cancel: &CancellationToken) -> Result<Option<Vec<u8>>> {
    let stdin = std::io::stdin();
    let wait = Timespec::try_from(PATIENCE).map_err(wrong)?;
    let mut text: Vec<u8> = Vec::new();
    while text.last() != Some(&b'\n') && text.len() < LONGEST {
        if cancel.is_cancelled() {
            return Ok(None);
        }
        let ready = {
            let mut polled = [PollFd::new(&stdin, PollFlags::IN)];
            match poll(&mut polled, Some(&wait)) {
                Ok(count) => count > 0,
                Err(rustix::io::Errno::INTR) => false,
                Err(error) => return Err(wrong(error)),
            }
        };
        if !ready {
            continue;
        }
        let mut buffer = [0; 4096];
        // Past the buffer of the standard library, which might take more than this line.
        match rustix::io::read(&stdin, &mut buffer) {
            Ok(0) if text.is_empty() => return Err(wrong("the input has ended")),
            Ok(0) => break,
            Ok(count) => text.extend_from_slice(&buffer[..count]),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(wrong(error)),
        }
    }
    Ok(Some(text))
}

impl Asks for Person {
    fn ask(&self, question: &str, hidden: bool, cancel: &CancellationToken) -> Result<Option<Secret>> {
        let restore = if hidden {
            let before = tcgetattr(std::io::stdin()).map_err(wrong)?;
            let mut silent = before.clone();
            silent.local_modes.remove(LocalModes::ECHO);
            tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent).map_err(wrong)?;
            Some(Restore(before))
        } else {
            None
        };
        write(question)?;
        let typed = line(cancel);
        if hidden {
            drop(restore);
            write("\n")?;
        }
        let Some(typed) = typed? else { return Ok(None) };
        let text = String::from_utf8(typed).map_err(|_| wrong("it is not valid UTF-8"))?;
        Ok(Some(Secret::new(text.trim_end_matches(['\n', '\r']))))
    }

    fn tell(&self, line: &str) {
        // Nobody reads it if the terminal is gone.
        let _ = write(&format!("{line}\n"));
    }
}
