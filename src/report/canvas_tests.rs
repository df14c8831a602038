//! A small terminal, and what it shows.

use proptest::prelude::*;

use super::*;

/// Rows of a terminal that knows what hostctl writes: text, line breaks, going up, deleting, colours.
pub(in crate::report) struct Terminal {
    rows: Vec<Vec<char>>,
    at: (usize, usize),
    pub size: (usize, usize),
    top: usize,
}

impl Terminal {
    pub fn new(rows: usize, columns: usize) -> Self {
        Self { rows: vec![Vec::new()], at: (0, 0), size: (rows, columns), top: 0 }
    }

    pub fn write(&mut self, text: &str) {
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\n' => {
                    self.at = (self.at.0 + 1, 0);
                    if self.at.0 == self.rows.len() {
                        self.rows.push(Vec::new());
                    }
                    self.top = self.top.max((self.at.0 + 1).saturating_sub(self.size.0));
                }
                '\r' => self.at.1 = 0,
                '\u{1b}' => {
                    assert_eq!(chars.next(), Some('['), "{text:?}");
                    let mut number = String::new();
                    let end = loop {
                        let c = chars.next().unwrap();
                        if c.is_ascii_alphabetic() {
                            break c;
                        }
                        number.push(c);
                    };
                    match end {
                        // Never above the window.
                        'A' => self.at.0 = self.at.0.saturating_sub(number.parse().unwrap()).max(self.top),
                        'K' => self.rows[self.at.0].truncate(self.at.1),
                        'J' => {
                            self.rows[self.at.0].truncate(self.at.1);
                            self.rows.truncate(self.at.0 + 1);
                        }
                        'm' => {}
                        other => panic!("steers with {other}"),
                    }
                }
                c => {
                    if self.at.1 == self.size.1 {
                        self.write("\n");
                    }
                    let row = &mut self.rows[self.at.0];
                    row.resize(row.len().max(self.at.1 + 1), ' ');
                    row[self.at.1] = c;
                    self.at.1 += 1;
                }
            }
        }
    }

    /// Breaks rows anew, as terminals do when their window gets another width.
    pub fn resize(&mut self, rows: usize, columns: usize) {
        let mut broken = Vec::new();
        for row in &self.rows {
            if row.is_empty() {
                broken.push(Vec::new());
            }
            broken.extend(row.chunks(columns).map(<[char]>::to_vec));
        }
        self.size = (rows, columns);
        self.at = (broken.len() - 1, 0);
        self.top = broken.len().saturating_sub(rows);
        self.rows = broken;
    }

    pub fn shown(&self) -> String {
        let rows: Vec<String> =
            self.rows.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect();
        rows.join("\n").trim_end().to_owned()
    }
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn at(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn lines_move_below_what_is_printed() {
    let mut canvas = Canvas::default();
    let mut terminal = Terminal::new(10, 20);
    let mut draw = |canvas: &mut Canvas, shown: &[&str], expected: &str| {
        if let Some(frame) = canvas.frame(lines(shown), terminal.size, at(0)) {
            terminal.write(&frame);
        }
        assert_eq!(terminal.shown(), expected);
    };
    assert!(canvas.print("play\n", at(0)));
    draw(&mut canvas, &[], "play");
    draw(&mut canvas, &["head", "lane one", "lane two", "foot"], "play\nhead\nlane one\nlane two\nfoot");
    draw(&mut canvas, &["head", "lane 1", "foot"], "play\nhead\nlane 1\nfoot");
    canvas.print("a line that is longer than a row\n", at(0));
    draw(&mut canvas, &["head"], "play\na line that is longe\nr than a row\nhead");
    let frames = canvas.frames();
    draw(&mut canvas, &["head"], "play\na line that is longe\nr than a row\nhead");
    assert_eq!(canvas.frames(), frames, "what stands there is not drawn again");
    draw(&mut canvas, &[], "play\na line that is longe\nr than a row");
}

#[test]
fn a_narrower_window_leaves_nothing_behind() {
    let mut canvas = Canvas::default();
    let mut terminal = Terminal::new(10, 30);
    terminal.write("above\n");
    let long = ["images 14 done 9 reused", "nova 14/31 RUN apt-get", "x"];
    terminal.write(&canvas.frame(lines(&long), (10, 30), at(0)).unwrap());
    terminal.resize(10, 12);
    terminal.write(&canvas.frame(lines(&long), (10, 12), at(1)).unwrap());
    assert_eq!(terminal.shown(), "above\nimages 14 d\nnova 14/31\nx");
    terminal.resize(10, 40);
    terminal.write(&canvas.frame(lines(&long), (10, 40), at(2)).unwrap());
    assert_eq!(terminal.shown(), "above\nimages 14 done 9 reused\nnova 14/31 RUN apt-get\nx");
}

#[test]
fn a_low_window_is_never_scrolled_by_the_lines() {
    let mut canvas = Canvas::default();
    let mut terminal = Terminal::new(3, 20);
    for round in 0..4 {
        let shown: Vec<String> = (0..6).map(|line| format!("{line} in {round}")).collect();
        terminal.write(&canvas.frame(shown, terminal.size, at(round)).unwrap());
    }
    assert_eq!(terminal.shown(), "0 in 3\n1 in 3");
}

#[test]
fn printing_fast_costs_few_frames() {
    let mut canvas = Canvas::default();
    canvas.frame(lines(&["head"]), (10, 80), at(0));
    let mut written = 0;
    for line in 0..200_000_u64 {
        let now = at(line / 1000);
        if canvas.print("a line of a log\n", now) {
            written += canvas.frame(lines(&["head", &line.to_string()]), (10, 80), now).unwrap().len();
        }
    }
    // 200 ms: four pauses, and what fills the buffer.
    assert!(canvas.frames() < 60, "{}", canvas.frames());
    assert!(written > 200_000 * 15 && written < 200_000 * 20, "{written}");
}

proptest! {
    /// Whatever is printed and moves in whatever order: the terminal shows what was printed, and below it what moves.
    #[test]
    fn the_terminal_shows_what_was_printed_and_what_moves(
        acts in proptest::collection::vec(
            (proptest::option::of("[a-z]{0,30}"), proptest::collection::vec("[a-z]{1,30}", 0..8), 0..90_u64),
            1..40,
        ),
        rows in 2..12_usize,
    ) {
        let columns = 20;
        let (mut canvas, mut terminal, mut time) = (Canvas::default(), Terminal::new(rows, columns), 0);
        let mut expected: Vec<String> = Vec::new();
        for (text, moving, pause) in acts {
            time += pause;
            let mut due = true;
            if let Some(text) = text {
                due = canvas.print(&format!("{text}\n"), at(time));
                // As the terminal breaks it.
                let chars: Vec<char> = text.chars().collect();
                expected.extend(chars.chunks(columns).map(|row| row.iter().collect::<String>()));
                if chars.is_empty() {
                    expected.push(String::new());
                }
            }
            if due {
                let frame = canvas.frame(moving.clone(), (rows, columns), at(time));
                terminal.write(&frame.unwrap_or_default());
                let cut = |line: &String| line.chars().take(columns - 1).collect::<String>();
                let shown: Vec<String> = expected.iter().cloned().chain(moving.iter().take(rows - 1).map(cut)).collect();
                let shown = shown.join("\n");
                prop_assert_eq!(terminal.shown(), shown.trim_end());
            }
        }
    }
}
