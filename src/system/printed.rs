//! What a program of the controller prints: inventory and password programs, the `pipe` lookup.
//!
//! Such a program is somebody's script: it may print without end, or leave a child behind that holds its output open.

use std::io::{Error, Read as _, Result};
use std::os::fd::AsFd as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Bytes of standard error that are kept; the rest is read and dropped.
const MOST_ERRORS: usize = 1 << 20;

/// How long output is waited for after the program itself has ended.
const PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 2000 });

/// Runs a program that prints at most `most` bytes; one that prints more is ended, which is an error. Standard error
/// is taken with the output unless the caller said where it goes. A child that it left behind is not waited for.
pub fn printed(command: &mut Command, most: usize) -> Result<Output> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut out = child.stdout.take();
    let mut errors = child.stderr.take();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut buffer = vec![0; 64 << 10];
    let mut ended = None;
    let mut last = Instant::now();
    while out.is_some() || errors.is_some() {
        if ended.is_none() {
            ended = child.try_wait()?.map(|status| (status, Instant::now()));
        }
        // What is in the pipe is taken; a child that goes on printing is not listened to for ever.
        if ended.is_some_and(|(_, since)| since.elapsed() > 5 * PATIENCE) {
            break;
        }
        if ended.is_some() && last.elapsed() > PATIENCE && !ready(out.as_ref(), errors.as_ref(), Duration::ZERO)?.any()
        {
            break;
        }
        let now = ready(out.as_ref(), errors.as_ref(), Duration::from_millis(100))?;
        if now.any() {
            last = Instant::now();
        }
        if let Some(pipe) = out.as_mut().filter(|_| now.out) {
            let count = pipe.read(&mut buffer)?;
            stdout.extend_from_slice(&buffer[..count]);
            if count == 0 {
                out = None;
            }
        }
        if stdout.len() > most {
            child.kill()?;
            child.wait()?;
            return Err(Error::other(format!("it printed more than {} MiB", most >> 20)));
        }
        if let Some(pipe) = errors.as_mut().filter(|_| now.errors) {
            let count = pipe.read(&mut buffer)?;
            let room = MOST_ERRORS.saturating_sub(stderr.len()).min(count);
            stderr.extend_from_slice(&buffer[..room]);
            if count == 0 {
                errors = None;
            }
        }
    }
    let status = match ended {
        Some((status, _)) => status,
        None => child.wait()?,
    };
    Ok(Output { status, stdout, stderr })
}

/// Which of the pipes has something, or its end.
struct Ready {
    out: bool,
    errors: bool,
}

impl Ready {
    fn any(&self) -> bool {
        self.out || self.errors
    }
}

fn ready(
    out: Option<&std::process::ChildStdout>,
    errors: Option<&std::process::ChildStderr>,
    wait: Duration,
) -> Result<Ready> {
    let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(2);
    fds.extend(out.map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)));
    fds.extend(errors.map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)));
    let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
    match poll(&mut fds, Some(&wait)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut found = fds.iter().map(|fd| !fd.revents().is_empty());
    let out = out.is_some() && found.next().unwrap_or(false);
    let errors = errors.is_some() && found.next().unwrap_or(false);
    Ok(Ready { out, errors })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str) -> Result<Output> {
        printed(Command::new("/bin/sh").args(["-c", text]).stdin(Stdio::null()).stderr(Stdio::piped()), 1 << 20)
    }

    #[test]
    fn output_errors_and_status_come_back() {
        let output = shell("echo out; yes | head -c 3000000 >&2; exit 3").unwrap();
        assert_eq!((output.stdout.as_slice(), output.status.code()), (b"out\n".as_slice(), Some(3)));
        assert_eq!(output.stderr.len(), MOST_ERRORS);
        assert_eq!(shell("exec >&- 2>&-; exit 5").unwrap().status.code(), Some(5));
    }

    #[test]
    fn output_without_end_is_an_error() {
        assert_eq!(shell("yes").unwrap_err().to_string(), "it printed more than 1 MiB");
    }

    #[test]
    fn a_child_that_holds_the_output_is_not_waited_for() {
        // The reader at its other end keeps the child there until this test is over.
        let (read, write) = std::io::pipe().unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "cat <&0 & echo out"]).stdin(Stdio::from(read)).stderr(Stdio::piped());
        let output = printed(&mut command, 1 << 20).unwrap();
        assert_eq!(output.stdout, b"out\n");
        drop(write);
    }

    #[test]
    fn a_child_that_goes_on_printing_is_left() {
        let output = shell("while :; do echo more >&2 || exit; done & echo out").unwrap();
        assert_eq!((output.stdout.as_slice(), output.status.code()), (b"out\n".as_slice(), Some(0)));
    }
}
