//! Runs `buildah`: an argument vector, no input, lines as they come, ended with its whole group when the
//! future is dropped. Knows nothing of what the arguments mean.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::Stream;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStdout, Command};

use super::error::{EngineError, ErrorClass};
use super::lines::Lines;

/// What it gets to clean up after SIGTERM.
const GRACE: Duration = Duration::from_secs(3);

/// Output that is read whole (JSON of an image) is never larger.
const MOST: u64 = 32 << 20;

/// Last lines of standard error that are kept.
const TAIL: usize = 40;

/// The program with what every call needs.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    /// Before the subcommand: where the store is.
    pub(super) global: Vec<OsString>,
    /// Besides those of this process.
    pub(super) variables: Vec<(OsString, OsString)>,
}

/// A line of output.
pub(super) enum Told<'a> {
    Out(&'a str),
    Err(&'a str),
}

/// How it ended.
pub(super) struct Ended {
    pub(super) success: bool,
    /// The last lines of standard error.
    pub(super) errors: Vec<String>,
}

impl Ended {
    /// Its own words: the line that begins with `Error:`, else the last one.
    pub(super) fn words(&self) -> String {
        let error = self.errors.iter().rev().find_map(|line| line.strip_prefix("Error: "));
        let words = error.or_else(|| self.errors.iter().rev().map(String::as_str).find(|line| !line.trim().is_empty()));
        words.unwrap_or("`buildah` ended with an error and told nothing").trim().to_owned()
    }
}

/// A child that ends with its group when this is dropped.
struct Group {
    child: Option<Child>,
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let Some(pid) = pid else { return };
        let _ = kill_process_group(pid, Signal::TERM);
        // The runtime may be ending too: a thread of its own waits and insists.
        std::thread::spawn(move || {
            let asked = Instant::now();
            while asked.elapsed() < GRACE && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = child.try_wait();
        });
    }
}

impl Group {
    async fn wait(mut self) -> io::Result<bool> {
        let Some(child) = self.child.as_mut() else { return Ok(false) };
        let status = child.wait().await?;
        self.child = None;
        Ok(status.success())
    }
}

impl Program {
    fn start(&self, arguments: &[OsString]) -> Result<(Group, ChildStdout, tokio::process::ChildStderr), EngineError> {
        let failed = |error: &dyn std::fmt::Display| {
            EngineError::new(ErrorClass::Unusable, format!("cannot run `{}`: {error}", self.path.display()))
        };
        let mut child = Command::new(&self.path)
            .args(&self.global)
            .args(arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| failed(&error))?;
        let pipes = (child.stdout.take(), child.stderr.take());
        let group = Group { child: Some(child) };
        match pipes {
            (Some(out), Some(err)) => Ok((group, out, err)),
            _ => Err(failed(&"its output cannot be read")),
        }
    }

    /// Runs it, line by line.
    pub(super) async fn run(
        &self,
        arguments: &[OsString],
        tell: &mut (dyn FnMut(Told<'_>) + Send),
    ) -> Result<Ended, EngineError> {
        let (group, mut out, mut err) = self.start(arguments)?;
        let (mut out_lines, mut err_lines) = (Lines::default(), Lines::default());
        let mut errors = std::collections::VecDeque::new();
        let mut keep = |line: String, tell: &mut (dyn FnMut(Told<'_>) + Send)| {
            tell(Told::Err(&line));
            if errors.len() == TAIL {
                errors.pop_front();
            }
            errors.push_back(line);
        };
        let (mut out_buffer, mut err_buffer) = (vec![0; 16 << 10], vec![0; 16 << 10]);
        let (mut out_open, mut err_open) = (true, true);
        while out_open || err_open {
            tokio::select! {
                count = read(&mut out, &mut out_buffer), if out_open => match count {
                    0 => out_open = false,
                    count => out_lines.push(&out_buffer[..count], &mut |line| tell(Told::Out(&line))),
                },
                count = read(&mut err, &mut err_buffer), if err_open => match count {
                    0 => err_open = false,
                    count => err_lines.push(&err_buffer[..count], &mut |line| keep(line, tell)),
                },
            }
        }
        out_lines.finish(&mut |line| tell(Told::Out(&line)));
        err_lines.finish(&mut |line| keep(line, tell));
        let success = group.wait().await.map_err(lost)?;
        Ok(Ended { success, errors: errors.into() })
    }

    /// Runs it and gives its output whole.
    pub(super) async fn output(&self, arguments: &[OsString]) -> Result<(Ended, Vec<u8>), EngineError> {
        let (group, out, err) = self.start(arguments)?;
        let (mut text, mut errors) = (Vec::new(), Vec::new());
        let (mut out, mut err) = (out.take(MOST), err.take(1 << 20));
        let (first, second) = tokio::join!(out.read_to_end(&mut text), err.read_to_end(&mut errors));
        first.and(second).map_err(lost)?;
        drop((out, err));
        let success = group.wait().await.map_err(lost)?;
        let errors = String::from_utf8_lossy(&errors).lines().map(str::to_owned).collect();
        Ok((Ended { success, errors }, text))
    }

    /// Its standard output as a stream that ends with an error if the program does.
    pub(super) fn stream<'a>(
        &'a self,
        arguments: Vec<OsString>,
    ) -> Pin<Box<dyn Stream<Item = Result<Bytes, EngineError>> + Send + 'a>> {
        enum State {
            New(Vec<OsString>),
            Running(Box<(Group, ChildStdout, tokio::task::JoinHandle<Vec<u8>>)>),
            Done,
        }
        Box::pin(futures_util::stream::unfold(State::New(arguments), move |mut state| async move {
            loop {
                state = match state {
                    State::Done => return None,
                    State::New(arguments) => match self.start(&arguments) {
                        Err(error) => return Some((Err(error), State::Done)),
                        Ok((group, out, err)) => {
                            let errors = tokio::spawn(async move {
                                let mut text = Vec::new();
                                let _ = err.take(1 << 20).read_to_end(&mut text).await;
                                text
                            });
                            State::Running(Box::new((group, out, errors)))
                        }
                    },
                    State::Running(running) => {
                        let (group, mut out, errors) = *running;
                        let mut buffer = vec![0; 128 << 10];
                        let count = read(&mut out, &mut buffer).await;
                        if count > 0 {
                            buffer.truncate(count);
                            let running = State::Running(Box::new((group, out, errors)));
                            return Some((Ok(buffer.into()), running));
                        }
                        let errors = errors.await.unwrap_or_default();
                        match group.wait().await {
                            Ok(true) => return None,
                            Ok(false) => {
                                let errors = String::from_utf8_lossy(&errors).lines().map(str::to_owned).collect();
                                let words = Ended { success: false, errors }.words();
                                return Some((Err(EngineError::from_text(&words)), State::Done));
                            }
                            Err(error) => return Some((Err(lost(error)), State::Done)),
                        }
                    }
                };
            }
        }))
    }
}

/// 0 at the end, also at a broken one: the program's end tells the rest.
async fn read(pipe: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> usize {
    pipe.read(buffer).await.unwrap_or(0)
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn lost(error: io::Error) -> EngineError {
    EngineError::new(ErrorClass::Other, format!("lost track of `buildah`: {error}"))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    fn shell() -> Program {
        Program { path: "/bin/sh".into(), global: vec!["-c".into()], variables: Vec::new() }
    }

    #[tokio::test]
    async fn lines_of_both_streams_come_and_the_error_is_kept() {
        let mut seen = Vec::new();
        let mut tell = |told: Told<'_>| {
            seen.push(match told {
                Told::Out(line) => format!("out {line}"),
                Told::Err(line) => format!("err {line}"),
            });
        };
        let ended =
            shell().run(&["echo a; sleep 0.1; echo 'Error: b' >&2; echo c >&2; exit 3".into()], &mut tell).await;
        let ended = ended.unwrap();
        assert!(!ended.success);
        assert_eq!(ended.words(), "b");
        seen.sort();
        assert_eq!(seen, ["err Error: b", "err c", "out a"]);
    }

    #[tokio::test]
    async fn a_stream_ends_with_the_programs_error() {
        let program = shell();
        let mut stream = program.stream(vec!["printf abc; echo 'Error: image not known' >&2; exit 1".into()]);
        assert_eq!(stream.next().await.unwrap().unwrap(), Bytes::from_static(b"abc"));
        assert_eq!(stream.next().await.unwrap().unwrap_err().message, "image not known");
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn dropping_the_future_ends_the_whole_group() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("pid");
        let script = format!("sleep 77 & echo $! > {}; wait", mark.display());
        let arguments = [script.into()];
        let program = shell();
        let mut tell = |_: Told<'_>| ();
        let run = program.run(&arguments, &mut tell);
        let _ = tokio::time::timeout(Duration::from_millis(400), run).await;
        let pid: i32 = std::fs::read_to_string(&mark).unwrap().trim().parse().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let alive = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z")
        };
        while alive() {
            assert!(Instant::now() < deadline, "the child of the child lives on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
