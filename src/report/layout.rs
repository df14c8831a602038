//! Colours and widths. A word always stands beside a colour.

use console::Style;

use crate::event::{Done, Status};

pub(super) use crate::value::{duration, whole_duration};

use super::screen::steers;

/// Paints text, or leaves it plain.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paint {
    /// Colours are on.
    pub color: bool,
}

impl Paint {
    fn apply(self, style: Style, text: &str) -> String {
        if self.color { style.force_styling(true).apply_to(text).to_string() } else { text.to_owned() }
    }

    /// Errors and failures.
    pub fn error(self, text: &str) -> String {
        self.apply(Style::new().red().bold(), text)
    }

    /// Warnings.
    pub fn warning(self, text: &str) -> String {
        self.apply(Style::new().yellow().bold(), text)
    }

    /// Hints and places.
    pub fn place(self, text: &str) -> String {
        self.apply(Style::new().blue(), text)
    }

    /// What may be overlooked.
    pub fn dim(self, text: &str) -> String {
        self.apply(Style::new().dim(), text)
    }

    /// What stands out.
    pub fn bold(self, text: &str) -> String {
        self.apply(Style::new().bold(), text)
    }

    /// The word for a task's end, in its colour: what is not counted as a failure is not red.
    pub(super) fn end(self, done: &Done) -> String {
        let status = if done.ignored { Status::Changed } else { done.status };
        self.status(status, word(done))
    }

    /// A status word in its colour.
    pub fn status(self, status: Status, text: &str) -> String {
        let style = match status {
            Status::Ok => Style::new().green(),
            Status::Changed => Style::new().yellow(),
            Status::Skipped => Style::new().cyan(),
            Status::Failed | Status::Unreachable => Style::new().red().bold(),
        };
        self.apply(style, text)
    }
}

/// The word for a task's end.
pub(super) fn word(done: &Done) -> &'static str {
    let ignored = done.ignored;
    match done.status {
        Status::Ok => "ok",
        Status::Changed => "changed",
        Status::Skipped => "skipped",
        Status::Failed if done.rescued => "rescued",
        Status::Failed if ignored => "ignored",
        Status::Failed => "FAILED",
        Status::Unreachable if ignored => "ignored",
        Status::Unreachable => "UNREACHABLE",
    }
}

/// One word of a shell's command line, quoted where it must be.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else if text.contains(['"', '$', '`', '\\', '!']) || text.contains(char::is_control) {
        format!("'{}'", text.replace('\'', "'\\''"))
    } else {
        format!("\"{text}\"")
    }
}

/// Cuts a text in the middle so that it takes at most `width` columns.
pub fn shorten(text: &str, width: usize) -> String {
    let text = one_line(text);
    if console::measure_text_width(&text) <= width {
        return text;
    }
    if width < 5 {
        return console::truncate_str(&text, width, "").into_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let tail = (width - 3) / 3;
    let head = console::truncate_str(&text, width - 3 - tail, "").into_owned();
    let end: String = chars[chars.len().saturating_sub(tail)..].iter().collect();
    let short = format!("{head}...{end}");
    if console::measure_text_width(&short) <= width {
        short
    } else {
        console::truncate_str(&text, width, "...").into_owned()
    }
}

/// Names, messages and labels in one line.
fn one_line(text: &str) -> String {
    let plain = console::strip_ansi_codes(text);
    let space = |c: char| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c };
    plain.chars().map(space).filter(|c| !steers(*c)).collect()
}

/// One line of foreign text without what would move the cursor or paint the terminal: of a
/// progress line that overwrites itself the last state is left.
pub(super) fn safe_line(text: &str) -> String {
    let text = text.trim_end_matches('\r');
    let text = text.rsplit('\r').next().unwrap_or_default();
    let plain = console::strip_ansi_codes(text);
    plain.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| !steers(*c)).collect()
}

/// One line broken between words where it is wider than the window, what follows under an indent. A word that is too
/// wide alone stays whole; colours go on over the break.
pub(super) fn wrap(line: &str, width: usize, indent: usize) -> String {
    if console::measure_text_width(line) <= width || width < indent + 8 {
        return line.to_owned();
    }
    let start = line.len() - line.trim_start().len();
    let (mut out, mut used) = (line[..start].to_owned(), start);
    let mut first = true;
    for word in line[start..].split(' ') {
        let columns = console::measure_text_width(word);
        if !first && used + 1 + columns > width && used > indent {
            out.truncate(out.trim_end().len());
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            used = indent;
        } else if !first {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += columns;
        first = false;
    }
    out
}

/// `text` padded to a width.
pub(super) fn pad(text: &str, width: usize) -> String {
    console::pad_str(text, width, console::Alignment::Left, None).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_loses_its_middle() {
        assert_eq!(shorten("short", 10), "short");
        let short = shorten("a very long name of a task that does much", 20);
        assert_eq!(short.chars().count(), 20);
        assert!(short.starts_with("a very long") && short.ends_with("much"), "{short}");
    }

    #[test]
    fn lines_break_between_words() {
        let text = "  error[B0008]: image `web` failed at images/web/Dockerfile:3: RUN make";
        let shown = wrap(text, 30, 4);
        assert_eq!(shown, "  error[B0008]: image `web`\n    failed at\n    images/web/Dockerfile:3:\n    RUN make");
        assert_eq!(wrap(&shown.replace('\n', ""), 200, 4).lines().count(), 1);
        assert_eq!(wrap("a-word-that-is-too-wide-alone", 10, 2), "a-word-that-is-too-wide-alone");
        assert_eq!(wrap("one two", 3, 0), "one two", "nothing fits there");
        let painted = Paint { color: true }.error("one two three four");
        assert_eq!(console::strip_ansi_codes(&wrap(&painted, 9, 0)), "one two\nthree\nfour");
    }

    #[test]
    fn shell_words_come_back_from_the_shell() {
        for word in ["plain-1.yml", "", "two words", "it's", "a\"b", "$HOME `id`", "a\\b!"] {
            let output =
                std::process::Command::new("/bin/sh").args(["-c", &format!("printf %s {}", shell_word(word))]).output();
            assert_eq!(String::from_utf8_lossy(&output.unwrap().stdout), word);
        }
    }

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        assert_eq!(safe_line("Reading... 5%\rReading... 100%\r"), "Reading... 100%");
        assert_eq!(shorten("a\u{1b}[2J\u{202e}b\nc\u{9b}", 20), "ab c");
        assert_eq!(safe_line("\u{1b}[31mred\u{1b}[0m \u{7}\u{1b}]0;title\u{7}end"), "red end");
    }
}
