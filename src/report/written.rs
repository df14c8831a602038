//! A stream that remembers its first error, so that a full disk does not go unnoticed.

use std::io::{ErrorKind, Write};

use crate::diag::Diagnostic;
use crate::event::Trouble;

use super::screen::{safe, safe_json};

/// Where a reporter writes.
pub(super) struct Written<W: Write + Send> {
    out: W,
    /// The file of the record; `None` for standard output.
    file: Option<String>,
    /// The last write failed, maybe in the middle of a line.
    torn: bool,
    told: bool,
    trouble: Option<Trouble>,
}

impl<W: Write + Send> Written<W> {
    pub fn new(out: W, file: Option<String>) -> Self {
        Self { out, file, torn: false, told: false, trouble: None }
    }

    /// Writes whole lines.
    pub fn write(&mut self, text: &str) {
        self.put(text);
        self.flush();
    }

    /// Writes without giving it away yet.
    pub fn put(&mut self, text: &str) {
        self.bytes(safe(text).as_bytes());
    }

    /// Writes JSON, which keeps its meaning.
    pub fn json(&mut self, text: &str) {
        self.bytes(safe_json(text).as_bytes());
    }

    /// Writes what is safe already, or steers a reader on purpose.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let mut write = || {
            if self.torn {
                self.out.write_all(b"\n")?;
            }
            self.out.write_all(bytes)
        };
        let written = write();
        self.torn = written.is_err();
        self.note(written);
    }

    /// Gives away what was put.
    pub fn flush(&mut self) {
        let flushed = self.out.flush();
        self.torn |= flushed.is_err();
        self.note(flushed);
    }

    fn note(&mut self, outcome: std::io::Result<()>) {
        match outcome {
            // A closed pipe ends nothing: the run goes on, as with any reader that leaves.
            Err(error) if !self.told && (self.file.is_some() || error.kind() != ErrorKind::BrokenPipe) => {
                self.told = true;
                self.trouble = Some(trouble(self.file.as_deref(), &error));
            }
            _ => {}
        }
    }

    /// The first error, once.
    pub fn trouble(&mut self) -> Option<Trouble> {
        self.trouble.take()
    }
}

fn trouble(file: Option<&str>, error: &std::io::Error) -> Trouble {
    match file {
        Some(file) => Trouble::record(file, error),
        None => Trouble { diagnostic: unwritten(error), tell: false },
    }
}

/// The error of a standard output that takes nothing.
pub fn unwritten(error: &std::io::Error) -> Diagnostic {
    Diagnostic::local("C0116", format!("standard output cannot be written: {error}"))
        .with_hint("look at the free space of the place that it is redirected to")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _bytes: &[u8]) -> std::io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_first_error_is_told_once_and_a_closed_pipe_never() {
        let mut full = Written::new(Broken(ErrorKind::StorageFull), Some("r/events.jsonl".to_owned()));
        full.write("a\n");
        full.write("b\n");
        let trouble = full.trouble().unwrap();
        assert!(trouble.tell && trouble.diagnostic.code == "R0102" && !trouble.diagnostic.is_error());
        full.write("c\n");
        assert!(full.trouble().is_none());
        let mut stdout = Written::new(Broken(ErrorKind::StorageFull), None);
        stdout.write("a\n");
        assert!(stdout.trouble().is_some_and(|trouble| !trouble.tell && trouble.diagnostic.code == "C0116"));
        let mut closed = Written::new(Broken(ErrorKind::BrokenPipe), None);
        closed.write("a\n");
        assert!(closed.trouble().is_none());
    }
}
