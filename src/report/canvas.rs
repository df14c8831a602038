//! The lines at the bottom of a terminal that move: drawn over themselves in one write, so that nothing flickers, and
//! put below whatever is printed. Knows rows and columns, nothing of what the lines say.
//!
//! A frame is drawn only if it differs from the last one. When the window gets narrower, terminals break the old
//! lines into more rows; the way back up is counted by that.

use std::fmt::Write as _;
use std::time::Duration;

/// Between two frames that show no more than motion.
const PAUSE: Duration = Duration::from_millis(50);
/// Printed text that waits for the next frame, at most.
const WAITING: usize = 1 << 16;

/// What stands on the terminal.
#[derive(Default)]
pub(super) struct Canvas {
    /// The moving lines that stand there.
    drawn: Vec<String>,
    /// Printed text that is not there yet.
    pending: String,
    last: Option<Duration>,
    frames: u64,
}

impl Canvas {
    /// Text that belongs above the moving lines, with line breaks. True if it should be drawn now: either nothing
    /// moves, or the last frame was long enough ago.
    pub fn print(&mut self, text: &str, now: Duration) -> bool {
        self.pending.push_str(text);
        let due = self.last.is_none_or(|last| now.saturating_sub(last) >= PAUSE);
        self.drawn.is_empty() || due || self.pending.len() > WAITING
    }

    /// What to write so that the terminal shows the printed text and these lines below it; `None` if it does already.
    /// Lines are cut so that each is one row; they must hold nothing that steers but colours.
    pub fn frame(&mut self, lines: Vec<String>, (rows, columns): (usize, usize), now: Duration) -> Option<String> {
        let columns = columns.max(2);
        let mut lines = lines;
        // The last row is the cursor's.
        lines.truncate(rows.saturating_sub(1).max(1));
        for line in &mut lines {
            // A line that fills its row leaves the cursor nowhere.
            if console::measure_text_width(line) >= columns {
                *line = console::truncate_str(line, columns - 1, "").into_owned();
            }
        }
        if self.pending.is_empty() && lines == self.drawn {
            return None;
        }
        let mut out = String::new();
        let up: usize = self.drawn.iter().map(|line| rows_of(line, columns)).sum();
        if up > 0 {
            // What scrolled away cannot be reached.
            let _ = write!(out, "\x1b[{}A\r", up.min(rows.max(1)));
        }
        if !self.pending.is_empty() || lines.is_empty() {
            // Printed lines may be longer than a row: what stood below goes first.
            out.push_str("\x1b[J");
            out.push_str(&std::mem::take(&mut self.pending));
        }
        for (index, line) in lines.iter().enumerate() {
            out.push_str(line);
            out.push_str(if index + 1 == lines.len() { "\x1b[J\n" } else { "\x1b[K\n" });
        }
        (self.drawn, self.last) = (lines, Some(now));
        self.frames += 1;
        Some(out)
    }

    /// Frames drawn so far.
    #[cfg(test)]
    pub fn frames(&self) -> u64 {
        self.frames
    }
}

/// Rows that a line takes when the window has so many columns.
fn rows_of(line: &str, columns: usize) -> usize {
    console::measure_text_width(line).div_ceil(columns).max(1)
}

#[cfg(test)]
#[path = "canvas_tests.rs"]
pub(super) mod tests;
