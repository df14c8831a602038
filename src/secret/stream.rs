//! Masks secrets in a stream of chunks, also where one is cut in two.
//!
//! Holds back only the bytes that may still grow into a secret, so that output that ends
//! without one appears at once.

use std::sync::Arc;

use super::{MASK, Redactor};

/// Masks one stream. Secrets learned meanwhile are masked from then on.
#[derive(Debug)]
pub struct StreamRedactor {
    redactor: Arc<Redactor>,
    held: Vec<u8>,
    /// How many of the held bytes belong to a secret whose mask was written already.
    covered: usize,
    /// The last byte given away was a backslash: what follows may be half an escape.
    escape: bool,
}

impl StreamRedactor {
    /// For a stream that starts now.
    pub fn new(redactor: Arc<Redactor>) -> Self {
        Self { redactor, held: Vec::new(), covered: 0, escape: false }
    }

    /// Takes a chunk; returns what may be written now.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(chunk);
        self.drain(false)
    }

    /// As [`Self::push`] for text.
    pub fn push_str(&mut self, chunk: &str) -> String {
        String::from_utf8_lossy(&self.push(chunk.as_bytes())).into_owned()
    }

    /// The end of the stream: returns what was held back.
    pub fn flush(&mut self) -> Vec<u8> {
        self.drain(true)
    }

    /// As [`Self::flush`] for text.
    pub fn flush_str(&mut self) -> String {
        String::from_utf8_lossy(&self.flush()).into_owned()
    }

    /// True if something is held back.
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    fn drain(&mut self, end: bool) -> Vec<u8> {
        let Some(matcher) = self.redactor.matcher() else {
            self.covered = 0;
            self.escape = false;
            return std::mem::take(&mut self.held);
        };
        let keep_from = if end { self.held.len() } else { matcher.unfinished(&self.held, self.escape) };
        let mut out = Vec::with_capacity(keep_from);
        let mut at = 0;
        // The stretch that the last mask covers, grown by secrets that overlap it.
        let mut masked_to = self.covered;
        for range in matcher.ranges(&self.held, self.escape) {
            if range.start < masked_to {
                masked_to = masked_to.max(range.end);
                continue;
            }
            if range.start >= keep_from {
                break;
            }
            at = at.max(masked_to);
            out.extend_from_slice(&self.held[at..range.start]);
            out.extend_from_slice(MASK.as_bytes());
            masked_to = range.end;
        }
        at = at.max(masked_to);
        if at < keep_from {
            out.extend_from_slice(&self.held[at..keep_from]);
        }
        self.covered = masked_to.saturating_sub(keep_from);
        if let Some(last) = keep_from.checked_sub(1) {
            self.escape = self.held[last] == b'\\' && !end;
        }
        self.held.drain(..keep_from);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_without_a_secret_is_not_held_back() {
        let redactor = Arc::new(Redactor::default());
        redactor.learn(&"long secret ".repeat(50));
        let mut stream = StreamRedactor::new(Arc::clone(&redactor));
        assert_eq!(stream.push_str("progress 10%\n"), "progress 10%\n");
        assert_eq!(stream.push_str("pass lo"), "pass ");
        assert_eq!(stream.push_str("9\n"), "lo9\n");
    }

    #[test]
    fn a_secret_in_two_chunks_is_masked() {
        let redactor = Arc::new(Redactor::default());
        redactor.learn("s3cret");
        let mut stream = StreamRedactor::new(Arc::clone(&redactor));
        let mut out = stream.push_str("a s3c");
        out += &stream.push_str("ret b s3c");
        out += &stream.flush_str();
        assert_eq!(out, "a ******** b s3c");
    }

    #[test]
    fn a_periodic_secret_holds_little_memory() {
        let redactor = Arc::new(Redactor::default());
        redactor.learn("abab");
        let mut stream = StreamRedactor::new(Arc::clone(&redactor));
        let mut out = String::new();
        for _ in 0..1000 {
            out += &stream.push_str("abab");
            assert!(stream.held.len() < 16);
        }
        out += &stream.flush_str();
        assert_eq!(out, MASK);
    }
}
