//! Masks a stream that comes in whole lines, also where a secret runs over several of them.
//!
//! What comes in as lines goes out as lines, so that nothing is shown in the middle of one.

use std::sync::Arc;

use super::{Redactor, StreamRedactor};

/// Masks the lines of one stream.
#[derive(Debug)]
pub struct LineRedactor {
    stream: StreamRedactor,
    /// Masked already: the beginning of a line whose end is held back.
    open: String,
    /// Nothing came since the last tick.
    idle: bool,
}

impl LineRedactor {
    /// For a stream that starts now.
    pub fn new(redactor: Arc<Redactor>) -> Self {
        Self { stream: StreamRedactor::new(redactor), open: String::new(), idle: false }
    }

    /// Takes a text; returns what may be shown now.
    pub fn push(&mut self, text: &str) -> String {
        self.idle = false;
        self.open.push_str(&self.stream.push_str(text));
        if !self.stream.holds() {
            return std::mem::take(&mut self.open);
        }
        let rest = self.open.split_off(self.open.rfind('\n').map_or(0, |at| at + 1));
        std::mem::replace(&mut self.open, rest)
    }

    /// Something is held back.
    pub fn holds(&self) -> bool {
        !self.open.is_empty() || self.stream.holds()
    }

    /// The end of the stream: returns what was held back.
    pub fn flush(&mut self) -> String {
        let mut text = std::mem::take(&mut self.open);
        text.push_str(&self.stream.flush_str());
        text
    }

    /// Called now and then: what was held back since the last time is given away, so that the
    /// last line of a program that waits is seen.
    pub fn tick(&mut self) -> String {
        if std::mem::replace(&mut self.idle, true) { self.flush() } else { String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_whole_and_a_wrapped_secret_is_one_mask() {
        let redactor = Arc::new(Redactor::default());
        redactor.learn("correct horse battery staple");
        let mut lines = LineRedactor::new(redactor);
        assert_eq!(lines.push("one\ntwo\n"), "one\ntwo\n");
        assert_eq!(lines.push("it is: correct horse\n"), "");
        assert_eq!(lines.push("  battery staple and 0.\n"), "it is: ******** and 0.\n");
        assert_eq!(lines.push("so cor\n"), "");
        assert_eq!(lines.tick(), "");
        assert_eq!(lines.tick(), "so cor\n");
        assert!(!lines.holds());
        assert_eq!(lines.push("so cor"), "");
        assert!(lines.holds());
        assert_eq!(lines.flush(), "so cor");
        assert!(!lines.holds());
    }
}
