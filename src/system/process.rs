//! Running programs: argument vectors only, no terminal, a process group of their own, output streamed
//! as it is written, ended with their whole group on a timeout or an interruption.

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

mod terminal;

pub use terminal::{Talk, Talked, Turn};

use super::capture::Capture;
pub use super::capture::{CAPTURE_LIMIT, Decoder};
use super::{Control, Mutate, Probe};
use crate::diag::{Diagnostic, Result};
use crate::event::Stream;

/// How often an interruption is looked for.
const TICK: Duration = Duration::from_millis(100);
/// What a program gets to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);
/// How long output is still taken after the program ended while a child of it holds the pipe.
const DRAIN: Duration = Duration::from_millis(200);

/// Where output goes while the program runs.
pub type OnOutput<'a> = &'a mut dyn FnMut(Stream, &str);

/// A program to run.
pub struct Program<'a> {
    argv: Vec<OsString>,
    argv0: Option<OsString>,
    stdin: Vec<u8>,
    login: Option<Vec<u8>>,
    cwd: Option<PathBuf>,
    variables: Vec<(OsString, OsString)>,
    removed: Vec<OsString>,
    timeout: Option<Duration>,
    on_output: Option<OnOutput<'a>>,
    bare: bool,
    begun: bool,
}

/// How a program ended.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Exit code; minus the signal's number if a signal ended it, as Python has it.
    pub rc: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Bytes that were dropped because there was too much.
    pub dropped: u64,
}

impl Output {
    /// It ended with code 0.
    pub fn success(&self) -> bool {
        self.rc == 0
    }

    /// Standard output as text.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// What it said: standard error, or standard output if there is none.
    pub fn said(&self) -> String {
        let err = self.err();
        if err.trim().is_empty() { self.out().trim().to_owned() } else { err.trim().to_owned() }
    }
}

impl Program<'_> {
    /// A program and its arguments.
    pub fn new<S: Into<OsString>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            argv0: None,
            stdin: Vec::new(),
            login: None,
            cwd: None,
            variables: Vec::new(),
            removed: Vec::new(),
            timeout: None,
            on_output: None,
            bare: false,
            begun: false,
        }
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.argv.push(arg.into());
        self
    }

    /// Bytes for standard input; without them it is `/dev/null`.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// What [`super::git_login`] hands over to git.
    pub fn git_login(mut self, content: Vec<u8>) -> Self {
        self.login = Some(content);
        self
    }

    /// The folder to start in.
    pub fn cwd(mut self, path: impl Into<PathBuf>) -> Self {
        self.cwd = Some(path.into());
        self
    }

    /// A variable; it goes before the task's and the agent's.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Takes a variable away.
    pub fn env_remove(mut self, name: impl Into<OsString>) -> Self {
        self.removed.push(name.into());
        self
    }

    /// Messages in English and UTF-8, for output that is parsed.
    pub fn parsable(self) -> Self {
        let locale = parsable_locale();
        self.env("LANG", locale).env("LC_ALL", locale).env("LC_MESSAGES", locale)
    }

    /// Leaves out the variables of the task's `environment`.
    pub fn without_task_environment(mut self) -> Self {
        self.bare = true;
        self
    }

    /// Starts it in the folder that this process began in, even if its user may not read that one.
    pub fn where_begun(mut self) -> Self {
        self.begun = true;
        self
    }

    /// An end for the program alone, besides the task's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Gets output as it is written; never cut inside a character.
    pub fn on_output(self, on_output: OnOutput<'_>) -> Program<'_> {
        Program {
            argv: self.argv,
            argv0: self.argv0,
            stdin: self.stdin,
            login: self.login,
            cwd: self.cwd,
            variables: self.variables,
            removed: self.removed,
            timeout: self.timeout,
            on_output: Some(on_output),
            bare: self.bare,
            begun: self.begun,
        }
    }

    /// The argument vector, as texts.
    pub fn words(&self) -> Vec<String> {
        self.argv.iter().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    /// The argument vector as text, for messages.
    pub fn shown(&self) -> String {
        self.argv.iter().map(|word| quote(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
    }
}

/// A word as a shell would need it.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\"'\"'"))
    }
}

/// `C.UTF-8` where it exists, as nearly everywhere; `C` otherwise.
pub fn parsable_locale() -> &'static str {
    static LOCALE: std::sync::OnceLock<&'static str> = std::sync::OnceLock::new();
    LOCALE.get_or_init(|| {
        let known = ["/usr/lib/locale/C.utf8", "/usr/lib/locale/C.UTF-8", "/usr/lib64/locale/C.utf8"];
        // glibc from 2.35 on has it built in; musl has nothing else.
        if known.iter().any(|path| Path::new(path).exists()) { "C.UTF-8" } else { "C" }
    })
}

/// Finds a program in `PATH` (and the `sbin` folders, which an ssh login may lack).
pub fn which(name: &str, path_variable: Option<&str>) -> Option<PathBuf> {
    let usable = |path: &Path| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| usable(path));
    }
    let path = path_variable.map_or_else(|| std::env::var("PATH").unwrap_or_default(), str::to_owned);
    path.split(':')
        .chain(["/sbin", "/usr/sbin", "/usr/local/sbin"])
        .filter(|folder| !folder.is_empty())
        .map(|folder| Path::new(folder).join(name))
        .find(|path| usable(path))
}

impl Probe {
    /// Runs a program that only reads. It must be on the module's list (`Meta::reads`).
    pub fn run(&self, program: Program<'_>) -> Result<Output> {
        if !self.programs().iter().any(|allowed| starts_with(&program.argv, allowed)) {
            let shown = program.shown();
            return Err(Diagnostic::internal(format!("`{shown}` is not on the module's list of reading programs")));
        }
        execute(program, self)
    }

    /// Runs a program of the host's own `facts.d`: it is not on a list, since its whole purpose is to tell.
    pub fn run_fact(&self, program: Program<'_>) -> Result<Output> {
        execute(program, self)
    }

    /// Runs a credential helper of the user's own Docker configuration: its whole purpose is to tell.
    pub(super) fn run_helper(&self, program: Program<'_>) -> Result<Output> {
        execute(program, self)
    }

    /// Finds a program by the path that child processes get.
    pub fn which(&self, name: &str) -> Option<PathBuf> {
        which(name, self.variable("PATH").as_deref())
    }
}

impl Mutate {
    /// Runs a program.
    pub fn run(&self, program: Program<'_>) -> Result<Output> {
        execute(program, self.probe())
    }

    /// Runs a program that must end with code 0.
    pub fn run_ok(&self, program: Program<'_>) -> Result<Output> {
        let shown = program.shown();
        let output = self.run(program)?;
        if output.success() { Ok(output) } else { Err(failed(&shown, &output)) }
    }
}

/// The error for a program that ended badly: its words, its code, its last lines.
pub fn failed(shown: &str, output: &Output) -> Diagnostic {
    let said = output.said();
    let first = said.lines().last().unwrap_or_default().trim();
    let program = shown.split_whitespace().next().unwrap_or(shown);
    let name = program.rsplit('/').next().unwrap_or(program);
    let message = if first.is_empty() {
        format!("`{name}` failed with code {}", output.rc)
    } else {
        format!("`{name}` failed: {first}")
    };
    let mut diagnostic = Diagnostic::task("H0102", message).with_note(format!("ran: {shown}   (exit {})", output.rc));
    if said.lines().count() > 1 {
        let lines: Vec<&str> = said.lines().collect();
        for line in &lines[lines.len().saturating_sub(20)..] {
            diagnostic = diagnostic.with_note((*line).to_owned());
        }
    }
    diagnostic
}

fn starts_with(argv: &[OsString], allowed: &str) -> bool {
    let mut words = argv.iter();
    let Some(program) = words.next() else { return false };
    let name = Path::new(program).file_name().unwrap_or(program);
    let mut expected = allowed.split(' ');
    let first = expected.next().unwrap_or_default();
    // `/etc/init.d/*` stands for every program of the folder, `*` for any one word.
    let same = match first.strip_suffix('*') {
        Some(folder) => {
            Path::new(program).parent() == Path::new(folder).parent().map(|_| Path::new(folder.trim_end_matches('/')))
        }
        None => name == OsStr::new(first),
    };
    same && expected.all(|word| words.next().is_some_and(|found| word == "*" || found == OsStr::new(word)))
}

fn execute(program: Program<'_>, probe: &Probe) -> Result<Output> {
    let shown = program.shown();
    let path = path_of(&program, probe)?;
    let mut command = command(&program, probe, &path);
    command.process_group(0);
    command.stdin(if program.stdin.is_empty() { Stdio::null() } else { Stdio::piped() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let name = program.argv.first().map(|first| first.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some(content) = &program.login {
        super::git_login::hand_over(&mut command, content).map_err(|error| not_started(&name, &program, &error))?;
    }
    let started = if program.begun && program.cwd.is_none() {
        super::folder::where_begun(move || spawn(&mut command)).flatten()
    } else {
        spawn(&mut command)
    };
    let child = started.map_err(|error| not_started(&name, &program, &error))?;
    Running::new(child, program, probe.control().clone())?.finish(&shown)
}

/// Where a program is, as far as it is known here.
fn path_of(program: &Program<'_>, probe: &Probe) -> Result<PathBuf> {
    let Some(first) = program.argv.first() else {
        return Err(Diagnostic::task("H0103", "there is no program to run"));
    };
    let name = first.to_string_lossy();
    Ok(match (&program.cwd, name.contains('/')) {
        // The child is in its folder already when it looks for the program.
        (Some(cwd), true) => std::path::absolute(cwd.join(first)).unwrap_or_else(|_| PathBuf::from(first)),
        (None, true) => PathBuf::from(first),
        _ => which(&name, probe.variable("PATH").as_deref()).unwrap_or_else(|| PathBuf::from(first)),
    })
}

/// The command with its variables and its folder, without its streams.
fn command(program: &Program<'_>, probe: &Probe, path: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(path);
    command.args(program.argv.iter().skip(1));
    if let Some(name) = program.argv0.as_ref().or(program.argv.first()) {
        command.arg0(name);
    }
    // Shells set it when they start; Ansible starts every module with one.
    if let Some(folder) = super::folder::named() {
        command.env("PWD", folder);
    }
    if !program.bare {
        command.envs(probe.environment().iter().map(|(key, value)| (key, value)));
    }
    command.envs(program.variables.iter().map(|(key, value)| (key, value)));
    for name in &program.removed {
        command.env_remove(name);
    }
    if let Some(cwd) = &program.cwd {
        command.current_dir(cwd);
    }
    command
}

/// Starts it; a program file that is still being written elsewhere ("text file busy") is tried again.
fn spawn(command: &mut std::process::Command) -> std::io::Result<Child> {
    let mut tries = 0;
    loop {
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && tries < 20 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(25));
            }
            other => return other,
        }
    }
}

fn not_started(name: &str, program: &Program<'_>, error: &std::io::Error) -> Diagnostic {
    if let Some(cwd) = &program.cwd
        && !cwd.is_dir()
    {
        return Diagnostic::task("H0101", format!("there is no folder `{}` to start `{name}` in", cwd.display()));
    }
    let reason = match error.kind() {
        ErrorKind::NotFound => "there is no such program on the host".to_owned(),
        ErrorKind::PermissionDenied => "it is not executable for this user".to_owned(),
        _ => error.to_string(),
    };
    Diagnostic::task("H0103", format!("cannot run `{name}`: {reason}"))
        .with_note(format!("wanted to run: {}", program.shown()))
}

struct Pipe<F> {
    file: Option<F>,
    stream: Stream,
    capture: Capture,
    decoder: Decoder,
}

impl<F: std::io::Read> Pipe<F> {
    fn new(file: Option<F>, stream: Stream) -> Self {
        Self { file, stream, capture: Capture::default(), decoder: Decoder::default() }
    }

    /// Reads what is there; true if something came.
    fn pump(&mut self, on_output: &mut Option<OnOutput<'_>>) -> bool {
        let Some(file) = &mut self.file else { return false };
        let mut buffer = [0; 16384];
        match file.read(&mut buffer) {
            Ok(0) => {
                self.file = None;
                false
            }
            Ok(count) => {
                self.capture.push(&buffer[..count]);
                if let Some(tell) = on_output {
                    let text = self.decoder.push(&buffer[..count]);
                    if !text.is_empty() {
                        tell(self.stream, &text);
                    }
                }
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => false,
            Err(_) => {
                self.file = None;
                false
            }
        }
    }
}

struct Running<'a> {
    child: Child,
    group: Option<Pid>,
    pidfd: Option<OwnedFd>,
    control: Control,
    deadline: Option<(Instant, u64)>,
    stdin: Option<(std::process::ChildStdin, Vec<u8>, usize)>,
    out: Pipe<std::process::ChildStdout>,
    err: Pipe<std::process::ChildStderr>,
    on_output: Option<OnOutput<'a>>,
    started: Instant,
}

impl<'a> Running<'a> {
    fn new(mut child: Child, program: Program<'a>, control: Control) -> Result<Self> {
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pidfd = group.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let stdin = child.stdin.take().map(|pipe| (pipe, program.stdin, 0));
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let started = Instant::now();
        let own = program.timeout.and_then(|timeout| started.checked_add(timeout));
        let deadline = match (own, control.deadline()) {
            (Some(own), Some(task)) => Some(own.min(task)),
            (own, task) => own.or(task),
        };
        let deadline = deadline.map(|end| (end, end.saturating_duration_since(started).as_secs()));
        let running = Self {
            child,
            group,
            pidfd,
            control,
            deadline,
            stdin,
            out: Pipe::new(out, Stream::Stdout),
            err: Pipe::new(err, Stream::Stderr),
            on_output: program.on_output,
            started,
        };
        let pipes = [
            running.stdin.as_ref().map(|(pipe, ..)| pipe.as_fd()),
            running.out.file.as_ref().map(AsFd::as_fd),
            running.err.file.as_ref().map(AsFd::as_fd),
        ];
        for fd in pipes.into_iter().flatten() {
            nonblocking(fd)?;
        }
        Ok(running)
    }

    fn finish(mut self, shown: &str) -> Result<Output> {
        let status = loop {
            if let Some(status) = self.child.try_wait().map_err(|error| waiting(shown, &error))? {
                break status;
            }
            if self.control.interrupted() {
                self.kill();
                return Err(Diagnostic::new(
                    "H0105",
                    crate::diag::Kind::Interrupted,
                    "the program was ended: the run was interrupted",
                )
                .with_note(format!("ran: {shown}")));
            }
            if let Some((end, seconds)) = self.deadline
                && Instant::now() >= end
            {
                self.kill();
                return Err(Diagnostic::task(
                    "H0104",
                    format!("the program did not end within {seconds} s and was stopped"),
                )
                .with_note(format!("ran: {shown}   ({:.1} s)", self.started.elapsed().as_secs_f64()))
                .with_hint("raise the task's `timeout`"));
            }
            self.wait_for_events(TICK);
            self.feed();
            self.out.pump(&mut self.on_output);
            self.err.pump(&mut self.on_output);
        };
        // A daemon that it left behind may hold the pipes: take what is there, then go.
        let mut quiet = Instant::now();
        self.stdin = None;
        while (self.out.file.is_some() || self.err.file.is_some()) && quiet.elapsed() < DRAIN {
            self.pidfd = None;
            self.wait_for_events(DRAIN);
            let more = self.out.pump(&mut self.on_output) | self.err.pump(&mut self.on_output);
            if more {
                quiet = Instant::now();
            }
        }
        if let Some(tell) = &mut self.on_output {
            for (stream, decoder) in [(Stream::Stdout, &mut self.out.decoder), (Stream::Stderr, &mut self.err.decoder)]
            {
                let rest = decoder.finish();
                if !rest.is_empty() {
                    tell(stream, &rest);
                }
            }
        }
        let rc = status.code().unwrap_or_else(|| -status.signal().unwrap_or(0));
        let (stdout, out_dropped) = self.out.capture.finish();
        let (stderr, err_dropped) = self.err.capture.finish();
        Ok(Output { rc, stdout, stderr, dropped: out_dropped + err_dropped })
    }

    fn wait_for_events(&self, limit: Duration) {
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(4);
        if let Some(pidfd) = &self.pidfd {
            fds.push(PollFd::new(pidfd, PollFlags::IN));
        }
        if let Some(file) = &self.out.file {
            fds.push(PollFd::new(file, PollFlags::IN));
        }
        if let Some(file) = &self.err.file {
            fds.push(PollFd::new(file, PollFlags::IN));
        }
        if let Some((pipe, ..)) = &self.stdin {
            fds.push(PollFd::new(pipe, PollFlags::OUT));
        }
        let limit = if self.pidfd.is_none() { limit.min(Duration::from_millis(10)) } else { limit };
        let limit = Timespec { tv_sec: 0, tv_nsec: i64::from(limit.subsec_nanos()) };
        // An error means a signal came: the loop looks again anyway.
        let _ = poll(&mut fds, Some(&limit));
    }

    fn feed(&mut self) {
        if let Some((pipe, bytes, at)) = &mut self.stdin {
            match pipe.write(&bytes[*at..]) {
                Ok(count) => *at += count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => *at = bytes.len(),
            }
            if *at >= bytes.len() {
                self.stdin = None;
            }
        }
    }

    /// Ends the whole group: asks, waits a little, insists.
    fn kill(&mut self) {
        let signal = |signal| {
            if let Some(group) = self.group {
                let _ = kill_process_group(group, signal);
            }
        };
        signal(Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < GRACE {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

fn nonblocking(fd: BorrowedFd<'_>) -> Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd);
    flags
        .and_then(|flags| rustix::fs::fcntl_setfl(fd, flags | rustix::fs::OFlags::NONBLOCK))
        .map_err(|error| Diagnostic::task("H0101", format!("cannot prepare a pipe: {error}")))
}

fn waiting(shown: &str, error: &std::io::Error) -> Diagnostic {
    Diagnostic::task("H0102", format!("lost track of a program: {error}")).with_note(format!("ran: {shown}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn mutate() -> Mutate {
        Mutate::with_probe(Probe::new(vec![("GREETING".to_owned(), "hé".to_owned())]))
    }

    #[test]
    fn runs_a_vector_with_input_and_variables() {
        let program =
            Program::new(["sh", "-c", "printf '%s|%s|' \"$GREETING\" \"$1\"; cat; printf e >&2; exit 3", "sh", "a b"]);
        let output = mutate().run(program.stdin("in")).expect("runs");
        assert_eq!((output.rc, output.out().as_str(), output.err().as_str()), (3, "hé|a b|in", "e"));
    }

    #[test]
    fn input_without_bytes_is_empty_and_large_input_does_not_block() {
        assert_eq!(mutate().run(Program::new(["cat"])).expect("runs").out(), "");
        let bytes = vec![b'x'; 3 << 20];
        let output = mutate().run(Program::new(["cat"]).stdin(bytes.clone())).expect("runs");
        assert_eq!(output.stdout.len(), bytes.len());
        mutate().run(Program::new(["true"]).stdin(bytes)).expect("a program that reads nothing is fine");
    }

    #[test]
    fn output_streams_in_whole_characters() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push("aé".as_bytes().split_last().expect("bytes").1), "a");
        assert_eq!(decoder.push(&[0xa9, b'b', 0xff, b'c']), "éb\u{fffd}c");
        let mut seen = String::new();
        let mut tell = |_: Stream, text: &str| seen.push_str(text);
        mutate().run(Program::new(["printf", "x\\ny"]).on_output(&mut tell)).expect("runs");
        assert_eq!(seen, "x\ny");
    }

    #[test]
    fn a_timeout_ends_the_whole_group() {
        let folder = tempfile::tempdir().expect("folder");
        let mark = folder.path().join("mark");
        let script = format!("(sleep 1.2; touch {}) & sleep 60", mark.display());
        let program = Program::new(["sh", "-c", &script]).timeout(Duration::from_millis(200));
        let error = mutate().run(program).expect_err("too slow");
        assert_eq!(error.code, "H0104");
        let output = mutate().run(Program::new(["sh", "-c", "sleep 1.5"])).expect("runs");
        assert!(output.success() && !mark.exists(), "the background child lived on");
    }

    #[test]
    fn an_interruption_ends_it() {
        let flag = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&flag);
        let control = Control::new(Some(Arc::new(move || asked.swap(true, Ordering::SeqCst))), None);
        let handle = Mutate::with_probe(Probe::new(Vec::new()).controlled(control));
        let error = handle.run(Program::new(["sleep", "60"])).expect_err("interrupted");
        assert_eq!(error.code, "H0105");
    }

    #[test]
    fn a_daemon_that_keeps_the_pipe_does_not_hold_us() {
        let output = mutate().run(Program::new(["sh", "-c", "sleep 60 & echo $!"])).expect("runs");
        let daemon = output.out().trim().parse().ok().and_then(rustix::process::Pid::from_raw).expect("its number");
        rustix::process::kill_process(daemon, rustix::process::Signal::KILL).expect("it goes on");
    }

    #[test]
    fn probes_run_only_what_is_listed() {
        let probe = Probe::new(Vec::new()).allowing(&["echo", "printf a"]);
        assert_eq!(probe.run(Program::new(["/bin/echo", "x"])).expect("listed").out(), "x\n");
        assert_eq!(probe.run(Program::new(["printf", "a"])).expect("listed").out(), "a");
        assert_eq!(probe.run(Program::new(["printf", "b"])).expect_err("not listed").code, "X0001");
        assert_eq!(probe.run(Program::new(["true"])).expect_err("not listed").code, "X0001");
    }

    #[test]
    fn a_missing_program_or_folder_is_named() {
        let error = mutate().run(Program::new(["no-such-program-here"])).expect_err("missing");
        assert_eq!(error.message, "cannot run `no-such-program-here`: there is no such program on the host");
        let error = mutate().run(Program::new(["true"]).cwd("/no/such/folder")).expect_err("missing");
        assert!(error.message.contains("/no/such/folder"), "{}", error.message);
    }

    #[test]
    fn a_flood_keeps_its_beginning_and_end() {
        let script = "echo first; head -c 20000000 /dev/zero; echo last";
        let output = mutate().run(Program::new(["sh", "-c", script])).expect("runs");
        assert!(output.dropped > 0 && output.stdout.len() < CAPTURE_LIMIT + 100);
        assert!(output.stdout.starts_with(b"first\n") && output.stdout.ends_with(b"last\n"));
    }
}
