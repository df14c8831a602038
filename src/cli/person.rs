//! The person at this process's terminal: lines are edited by the terminal itself, choices are read key by key.
//!
//! Texts go to standard error, which stands beside whatever form of output standard output has; by Ansible's names
//! to standard output, but what asks for a secret.

use std::io::{BufRead as _, IsTerminal as _};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr,
};
use tokio_util::sync::CancellationToken;

use crate::engine::{Answer, Person, Question, Until};

/// How often the end of the run is looked for.
const SLICE: Duration = Duration::from_millis(100);

/// Standard input, and where texts go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Terminal {
    /// To standard error.
    Beside,
    /// To standard output, as Ansible's.
    Within,
}

/// The key that interrupts.
const INTERRUPT: u8 = 3;

/// The terminal's settings for one question; as they were when it is dropped.
struct Asking {
    before: Termios,
}

impl Asking {
    fn new(question: &Question<'_>) -> Option<Self> {
        let input = std::io::stdin();
        let before = tcgetattr(&input).ok()?;
        let mut asking = before.clone();
        // An interrupt is an answer here, and no signal.
        asking.local_modes.remove(LocalModes::ISIG);
        if question.until == Until::Line {
            // The terminal edits the line, characters of several bytes too; an interrupt ends it where it stands.
            asking.local_modes.insert(LocalModes::ICANON | LocalModes::ECHONL | LocalModes::ECHOCTL);
            asking.local_modes.set(LocalModes::ECHO, !question.hidden);
            asking.input_modes.insert(InputModes::IUTF8 | InputModes::ICRNL);
            asking.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        } else {
            asking.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN);
            asking.special_codes[SpecialCodeIndex::VMIN] = 1;
            asking.special_codes[SpecialCodeIndex::VTIME] = 0;
        }
        tcsetattr(&input, OptionalActions::Now, &asking).ok()?;
        Some(Self { before })
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// What the keys pressed so far make.
#[derive(Default)]
struct Typed {
    bytes: Vec<u8>,
}

impl Typed {
    /// Takes one key; the answer if that ends it.
    fn key(&mut self, key: u8, until: Until) -> Option<Answer> {
        match (key, until) {
            (INTERRUPT, _) | (b'a' | b'A', Until::Choice) => Some(Answer::Interrupted),
            (b'c' | b'C', Until::Choice) => Some(Answer::Text(String::new())),
            (_, Until::Time | Until::Choice) => None,
            (b'\r' | b'\n', Until::Line) => Some(Answer::Text(String::from_utf8_lossy(&self.bytes).into_owned())),
            (key, Until::Line) => {
                self.bytes.push(key);
                None
            }
        }
    }
}

impl Person for Terminal {
    fn is_there(&self) -> bool {
        let input = std::io::stdin();
        // A program in the background would be stopped for asking.
        input.is_terminal() && tcgetpgrp(&input).is_ok_and(|front| front == rustix::process::getpgrp())
    }

    fn ask(&self, question: &Question<'_>, cancel: &CancellationToken) -> Option<Answer> {
        if !self.is_there() {
            return None;
        }
        let _asking = Asking::new(question)?;
        self.told_by(question).show(question.prompt);
        let deadline = question.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let mut typed = Typed::default();
        let input = std::io::stdin().lock();
        loop {
            if cancel.is_cancelled() {
                return None;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Some(Answer::TimedOut);
            }
            if !readable(&input, left.unwrap_or(SLICE).min(SLICE)) {
                continue;
            }
            let mut key = [0];
            // Past the buffer of the standard library: keys in there are none that a wait would see.
            match rustix::io::read(&input, &mut key) {
                // The end of input ends the line.
                Ok(0) if question.until == Until::Line => {
                    self.show("\n");
                    return Some(Answer::Text(String::from_utf8_lossy(&typed.bytes).into_owned()));
                }
                Ok(0) => return None,
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return None,
            }
            let answer = typed.key(key[0], question.until);
            if answer == Some(Answer::Interrupted) && question.until == Until::Line {
                self.show("\n");
            }
            if answer.is_some() {
                return answer;
            }
        }
    }

    fn line(&self, prompt: &str) -> Option<String> {
        self.show(prompt);
        line_of(&mut std::io::stdin().lock())
    }

    fn show(&self, text: &str) {
        let text = crate::report::safe(text);
        match self {
            Self::Beside => echo(&mut std::io::stderr().lock(), &text),
            Self::Within => echo(&mut std::io::stdout().lock(), &text),
        }
    }
}

impl Terminal {
    /// Who shows the text of a question: one for a secret is never part of the output.
    fn told_by(self, question: &Question<'_>) -> Self {
        if question.hidden && question.until == Until::Line { Self::Beside } else { self }
    }
}

/// The next line, whatever its bytes are; `None` at the end. What is longer than any line of a person is dropped.
fn line_of(input: &mut impl std::io::BufRead) -> Option<String> {
    const LONGEST: u64 = 1 << 16;
    let mut line = Vec::new();
    let mut part = Vec::new();
    while part.last() != Some(&b'\n') {
        part.clear();
        if std::io::Read::take(&mut *input, LONGEST).read_until(b'\n', &mut part).ok()? == 0 {
            break;
        }
        if line.is_empty() {
            line.clone_from(&part);
        }
    }
    (!line.is_empty()).then(|| String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned())
}

/// Writes as it is.
fn echo(to: &mut impl std::io::Write, text: &str) {
    let _ = to.write_all(text.as_bytes());
    let _ = to.flush();
}

/// Waits until there is something to read.
fn readable(input: &std::io::StdinLock<'_>, time: Duration) -> bool {
    let time = Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(1), tv_nsec: i64::from(time.subsec_nanos()) };
    let mut fds = [PollFd::new(input, PollFlags::IN)];
    poll(&mut fds, Some(&time)).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer to keys.
    fn answer(keys: &str, until: Until) -> Option<Answer> {
        let mut typed = Typed::default();
        keys.bytes().find_map(|key| typed.key(key, until))
    }

    #[test]
    fn a_line_ends_with_its_end_or_an_interrupt() {
        assert_eq!(answer("aé\n", Until::Line), Some(Answer::Text("aé".into())));
        assert_eq!(answer("\n", Until::Line), Some(Answer::Text(String::new())));
        assert_eq!(answer("ab\u{3}", Until::Line), Some(Answer::Interrupted));
        assert_eq!(answer("ab", Until::Line), None);
    }

    #[test]
    fn any_bytes_are_a_line_and_its_end_is_found() {
        let mut text = b"a\r\nb\xff\n\n".to_vec();
        text.extend(vec![b'x'; 3 << 16]);
        text.extend(b"\nlast");
        let mut input = text.as_slice();
        let lines: Vec<String> = std::iter::from_fn(|| line_of(&mut input)).collect();
        let short: Vec<&str> = lines.iter().map(|line| &line[..line.len().min(5)]).collect();
        assert_eq!(short, ["a", "b\u{fffd}", "", "xxxxx", "last"]);
        assert_eq!(lines[3].len(), 1 << 16);
    }

    #[test]
    fn only_an_interrupt_ends_a_timed_pause() {
        assert_eq!(answer("x\r\n", Until::Time), None);
        assert_eq!(answer("x\u{3}", Until::Time), Some(Answer::Interrupted));
    }

    #[test]
    fn a_choice_is_c_or_a() {
        assert_eq!(answer("xC", Until::Choice), Some(Answer::Text(String::new())));
        assert_eq!(answer("a", Until::Choice), Some(Answer::Interrupted));
        assert_eq!(answer("\rx", Until::Choice), None);
    }
}
