//! The person at this process's terminal: questions are answered key by key, the debugger's line by line.
//!
//! Texts go to standard error, which stands beside whatever form of output standard output has.

use std::io::{BufRead as _, IsTerminal as _};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use tokio_util::sync::CancellationToken;

use crate::engine::{Answer, Person, Question, Until};

/// How often the end of the run is looked for.
const SLICE: Duration = Duration::from_millis(100);

/// Standard input and standard error.
pub(super) struct Terminal;

/// Keys come one by one and unseen while it lives.
struct Raw {
    before: Termios,
}

impl Raw {
    fn new() -> Option<Self> {
        let input = std::io::stdin();
        let before = tcgetattr(&input).ok()?;
        let mut raw = before.clone();
        raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN);
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&input, OptionalActions::Now, &raw).ok()?;
        Some(Self { before })
    }
}

impl Drop for Raw {
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
    /// Takes one key; what is to be shown of it, and the answer if that ends it.
    fn key(&mut self, key: u8, until: Until) -> (String, Option<Answer>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match (key, until) {
            (3, _) => (String::new(), Some(Answer::Interrupted)),
            (_, Until::Time) => (String::new(), None),
            (b'a' | b'A', Until::Choice) => (String::new(), Some(Answer::Interrupted)),
            (b'c' | b'C', Until::Choice) => (String::new(), Some(Answer::Text(text(&self.bytes)))),
            (_, Until::Choice) => (String::new(), None),
            (b'\r' | b'\n', Until::Line) => ("\r\n".to_owned(), Some(Answer::Text(text(&self.bytes)))),
            // The end of input ends the line.
            (4, Until::Line) if self.bytes.is_empty() => ("\r\n".to_owned(), Some(Answer::Text(String::new()))),
            (8 | 127, Until::Line) => {
                // One character, whatever its length.
                while self.bytes.pop().is_some_and(|byte| byte & 0xC0 == 0x80) {}
                ("\u{8} \u{8}".to_owned(), None)
            }
            (key, Until::Line) => {
                self.bytes.push(key);
                // What was pasted may steer the terminal.
                let shown = if matches!(key, b' '..=b'~') { char::from(key).to_string() } else { String::new() };
                (shown, None)
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
        let _raw = Raw::new()?;
        self.show(question.prompt);
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
                Ok(0) => return None,
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return None,
            }
            let (shown, answer) = typed.key(key[0], question.until);
            if !question.hidden && !shown.is_empty() {
                echo(&shown);
            } else if shown == "\r\n" {
                echo("\r\n");
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
        echo(&crate::report::safe(text));
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
fn echo(text: &str) {
    use std::io::Write as _;
    let mut error = std::io::stderr().lock();
    let _ = error.write_all(text.as_bytes());
    let _ = error.flush();
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

    /// The answer to keys, and what was shown of them.
    fn answer(keys: &str, until: Until) -> (String, Option<Answer>) {
        let mut typed = Typed::default();
        let mut all = String::new();
        for key in keys.bytes() {
            let (shown, answer) = typed.key(key, until);
            all.push_str(&shown);
            if answer.is_some() {
                return (all, answer);
            }
        }
        (all, None)
    }

    #[test]
    fn a_line_is_typed_and_mended() {
        assert_eq!(answer("ab\u{7f}c\r", Until::Line), ("ab\u{8} \u{8}c\r\n".into(), Some(Answer::Text("ac".into()))));
        assert_eq!(answer("aé\u{7f}\n", Until::Line).1, Some(Answer::Text("a".into())));
        assert_eq!(answer("\u{4}", Until::Line).1, Some(Answer::Text(String::new())));
        assert_eq!(answer("ab\u{3}", Until::Line).1, Some(Answer::Interrupted));
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
        assert_eq!(answer("x\r\n", Until::Time), (String::new(), None));
        assert_eq!(answer("x\u{3}", Until::Time).1, Some(Answer::Interrupted));
    }

    #[test]
    fn a_choice_is_c_or_a() {
        assert_eq!(answer("xC", Until::Choice).1, Some(Answer::Text(String::new())));
        assert_eq!(answer("a", Until::Choice).1, Some(Answer::Interrupted));
        assert_eq!(answer("\rx", Until::Choice).1, None);
    }
}
