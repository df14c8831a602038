//! Cuts a byte stream into lines; over-long lines are cut so that no log grows without bound.

const LONGEST: usize = 16 << 10;

/// Collects bytes until a line is whole. Carriage returns keep only what a terminal would show.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Adds bytes; whole lines go to `emit`.
    pub(super) fn push(&mut self, bytes: &[u8], emit: &mut dyn FnMut(String)) {
        for byte in bytes {
            if *byte == b'\n' {
                emit(self.take());
            } else {
                self.rest.push(*byte);
                if self.rest.len() >= LONGEST {
                    emit(self.take());
                }
            }
        }
    }

    /// The unfinished last line, if there is one.
    pub(super) fn finish(&mut self, emit: &mut dyn FnMut(String)) {
        if !self.rest.is_empty() {
            emit(self.take());
        }
    }

    fn take(&mut self) -> String {
        let bytes = std::mem::take(&mut self.rest);
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end_matches('\r');
        line.rsplit('\r').next().unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_over_chunks_and_progress_bars_keep_their_last_state() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for chunk in ["a", "b\nc\r", "\n10%\r20%", "\nend"] {
            lines.push(chunk.as_bytes(), &mut |line| seen.push(line));
        }
        lines.finish(&mut |line| seen.push(line));
        assert_eq!(seen, ["ab", "c", "20%", "end"]);
    }
}
