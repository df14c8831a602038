//! A program on a terminal of its own, for those that ask: what it writes is searched, answers are typed.
//!
//! The terminal has 24 lines of 80 columns, as pexpect's. Whoever talks knows what to answer; this file does not.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use super::super::Mutate;
use super::super::capture::{Capture, Decoder};
use super::{GRACE, Program, TICK, command, nonblocking, not_started, path_of, spawn, waiting};
use crate::diag::{Diagnostic, Kind, Result};
use crate::event::Stream;

/// Programs that ask for a password throw away what was typed before; they get this long to do so.
const BEFORE_TYPING: Duration = Duration::from_millis(50);
/// How much of what the program wrote since the last answer is searched.
const WINDOW: usize = 64 * 1024;

/// What to do with what the program has written since the last answer.
pub enum Turn {
    /// Nothing to answer yet.
    Wait,
    /// Type `text`; the first `taken` bytes are dealt with.
    Say {
        /// Where the answered part ends.
        taken: usize,
        /// What is typed.
        text: Vec<u8>,
    },
    /// End the program.
    Stop,
}

/// How to talk with a program.
pub struct Talk<'a> {
    /// What is typed shows up in the output.
    pub echo: bool,
    /// How long to wait for the next thing to answer, or the end.
    pub patience: Option<Duration>,
    /// Asked whenever there is more; gets what was written since the last answer.
    pub answer: &'a mut dyn FnMut(&[u8]) -> Turn,
}

/// How it ended.
#[derive(Clone, Debug, Default)]
pub struct Talked {
    /// Exit code; `None` if a signal ended it, as when the patience was over.
    pub rc: Option<i32>,
    /// All that was on the terminal.
    pub output: Vec<u8>,
    /// Bytes that were dropped because there was too much.
    pub dropped: u64,
}

impl Mutate {
    /// Runs a program on a terminal of its own and answers what it asks.
    pub fn converse(&self, mut program: Program<'_>, talk: Talk<'_>) -> Result<Talked> {
        let probe = self.probe();
        let shown = program.shown();
        let path = path_of(&program, probe)?;
        // Only a new session can have the terminal as its own; a program of the host's makes it without forking.
        let Some(session) = probe.which("setsid") else {
            return Err(Diagnostic::task("H0103", "this host has no `setsid`, which gives a program a terminal")
                .with_hint("it is part of util-linux"));
        };
        let arguments = program.argv.split_off(1);
        program.argv = vec!["setsid".into(), "-c".into(), path.into_os_string()];
        program.argv.extend(arguments);
        let mut command = command(&program, probe, &session);
        let broken = |what: &str, error: &dyn std::fmt::Display| {
            Diagnostic::task("H0101", format!("cannot {what} a terminal: {error}"))
        };
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).map_err(|error| broken("open", &error))?;
        unlockpt(&master).map_err(|error| broken("open", &error))?;
        let peer = ioctl_tiocgptpeer(&master, flags).map_err(|error| broken("open", &error))?;
        let mut modes = tcgetattr(&peer).map_err(|error| broken("set up", &error))?;
        if !talk.echo {
            modes.local_modes.remove(LocalModes::ECHO);
        }
        tcsetattr(&peer, OptionalActions::Now, &modes).map_err(|error| broken("set up", &error))?;
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&peer, size).map_err(|error| broken("set up", &error))?;
        nonblocking(std::os::fd::AsFd::as_fd(&master))?;
        let again = || peer.try_clone().map(Stdio::from).map_err(|error| broken("share", &error));
        command.stdin(again()?).stdout(again()?).stderr(again()?);
        command.arg0("setsid");
        let child = spawn(&mut command).map_err(|error| not_started("setsid", &program, &error))?;
        // The end of the output is when nobody has the other side any more: neither may this process.
        drop(command);
        drop(peer);
        let mut conversation = Conversation {
            child,
            terminal: File::from(master),
            capture: Capture::default(),
            decoder: Decoder::default(),
            window: Vec::new(),
            typing: VecDeque::new(),
        };
        conversation.run(&mut program, talk, probe.control(), &shown)?;
        conversation.finish(&shown)
    }
}

struct Conversation {
    child: Child,
    terminal: File,
    capture: Capture,
    decoder: Decoder,
    window: Vec<u8>,
    typing: VecDeque<u8>,
}

impl Conversation {
    /// Until the program has closed the terminal, or nobody wants to talk any longer.
    fn run(&mut self, program: &mut Program<'_>, talk: Talk<'_>, control: &super::Control, shown: &str) -> Result<()> {
        let patience_over = |from: Instant| talk.patience.and_then(|patience| from.checked_add(patience));
        let (mut fresh, mut end) = (true, patience_over(Instant::now()));
        loop {
            if control.interrupted() {
                self.kill();
                return Err(Diagnostic::new(
                    "H0105",
                    Kind::Interrupted,
                    "the program was ended: the run was interrupted",
                )
                .with_note(format!("ran: {shown}")));
            }
            let now = Instant::now();
            if control.deadline().is_some_and(|deadline| now >= deadline) {
                self.kill();
                return Err(Diagnostic::task("H0104", "the program did not end in the task's time and was stopped")
                    .with_note(format!("ran: {shown}"))
                    .with_hint("raise the task's `timeout`"));
            }
            if fresh {
                match (talk.answer)(&self.window) {
                    Turn::Say { taken, text } => {
                        self.window.drain(..taken.min(self.window.len()));
                        std::thread::sleep(BEFORE_TYPING);
                        self.typing.extend(text);
                        // What is left is looked at as well; where nothing was taken, only with more.
                        fresh = taken > 0;
                        end = patience_over(Instant::now());
                        continue;
                    }
                    Turn::Stop => return Ok(()),
                    Turn::Wait => fresh = false,
                }
                if self.window.len() > WINDOW {
                    self.window.drain(..self.window.len() - WINDOW);
                }
            }
            if end.is_some_and(|end| now >= end) {
                return Ok(());
            }
            self.wait_for_events();
            self.type_on();
            match self.read(program) {
                Some(0) => return Ok(()),
                Some(_) => fresh = true,
                None => {}
            }
        }
    }

    fn wait_for_events(&self) {
        let flags = if self.typing.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        let limit = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
        // An error means a signal came: the loop looks again anyway.
        let _ = poll(&mut [PollFd::new(&self.terminal, flags)], Some(&limit));
    }

    fn type_on(&mut self) {
        let (text, _) = self.typing.as_slices();
        if text.is_empty() {
            return;
        }
        match self.terminal.write(text) {
            Ok(count) => drop(self.typing.drain(..count)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.typing.clear(),
        }
    }

    /// What is there: the number of bytes, 0 at the end, `None` if nothing has come.
    fn read(&mut self, program: &mut Program<'_>) -> Option<usize> {
        let mut buffer = [0; 16384];
        match self.terminal.read(&mut buffer) {
            Ok(count) => {
                self.capture.push(&buffer[..count]);
                self.window.extend_from_slice(&buffer[..count]);
                if let Some(tell) = &mut program.on_output {
                    let text = self.decoder.push(&buffer[..count]);
                    if !text.is_empty() {
                        tell(Stream::Stdout, &text);
                    }
                }
                Some(count)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => None,
            // A terminal that nobody has open any more is an input/output error.
            Err(_) => Some(0),
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, signal);
        }
    }

    /// True if it has ended within a time.
    fn ended_within(&mut self, limit: Duration) -> bool {
        let asked = Instant::now();
        loop {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return true;
            }
            if asked.elapsed() >= limit {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks in every way that is usual on a terminal, then insists.
    fn kill(&mut self) {
        self.signal(Signal::HUP);
        self.signal(Signal::CONT);
        if self.ended_within(Duration::from_millis(100)) {
            return;
        }
        self.signal(Signal::INT);
        if !self.ended_within(GRACE) {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }

    fn finish(mut self, shown: &str) -> Result<Talked> {
        if !self.ended_within(Duration::from_millis(100)) {
            self.kill();
        }
        let status = self.child.wait().map_err(|error| waiting(shown, &error))?;
        let (output, dropped) = self.capture.finish();
        Ok(Talked { rc: status.code(), output, dropped })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Probe;
    use super::*;

    fn talk(script: &str, echo: bool, patience: Option<Duration>, answer: &mut dyn FnMut(&[u8]) -> Turn) -> Talked {
        let host = Mutate::with_probe(Probe::new(Vec::new()));
        host.converse(Program::new(["sh", "-c", script]), Talk { echo, patience, answer }).expect("runs")
    }

    /// Answers every `?` with the words, one after the other.
    fn to_questions(words: &'static [&'static str]) -> impl FnMut(&[u8]) -> Turn {
        let mut words = words.iter();
        move |text| match text.iter().position(|byte| *byte == b'?') {
            None => Turn::Wait,
            Some(at) => words
                .next()
                .map_or(Turn::Stop, |word| Turn::Say { taken: at + 1, text: format!("{word}\n").into_bytes() }),
        }
    }

    #[test]
    fn questions_are_answered_on_a_terminal_of_its_own() {
        let script = "test -t 0 && test -t 1 && stty size </dev/tty; printf 'one?'; read a; printf 'two?'; read b; echo \"$a-$b\"; exit 3";
        let talked = talk(script, false, None, &mut to_questions(&["x", "y"]));
        assert_eq!(
            (talked.rc, String::from_utf8_lossy(&talked.output).as_ref()),
            (Some(3), "24 80\r\none?two?x-y\r\n")
        );
        let talked = talk("printf 'one?'; read a", true, None, &mut to_questions(&["x"]));
        assert_eq!((talked.rc, talked.output.as_slice()), (Some(0), &b"one?x\r\n"[..]));
    }

    #[test]
    fn one_that_nobody_answers_is_ended() {
        let talked = talk("printf start; sleep 1000", false, Some(Duration::from_millis(300)), &mut |_| Turn::Wait);
        assert_eq!((talked.rc, talked.output.as_slice()), (None, &b"start"[..]));
        let talked = talk("printf '?'; sleep 1000", false, None, &mut to_questions(&[]));
        assert_eq!(talked.rc, None);
    }
}
