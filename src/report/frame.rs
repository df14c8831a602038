//! Diagnostics as code frames: the message, the place, the line with a mark, notes, hints.

use std::fmt::Write as _;

use crate::diag::{Diagnostic, Label, Severity, SourceMap};
use crate::secret::without_clear_values;

use super::command_words;
use super::layout::{Paint, safe_line};

/// Longest source line shown; longer ones are cut around the mark.
const LINE_WIDTH: usize = 160;

/// One diagnostic, each line ending with a line break.
pub fn frame(diagnostic: &Diagnostic, sources: &SourceMap, paint: Paint) -> String {
    let mut out = String::new();
    let head = match diagnostic.severity {
        Severity::Error => paint.error(&format!("error[{}]", diagnostic.code)),
        Severity::Warning => paint.warning(&format!("warning[{}]", diagnostic.code)),
    };
    let message = diagnostic.message.trim_end();
    let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
    let _ = writeln!(out, "{head}: {}", paint.bold(&safe_line(first)));
    for line in rest.lines() {
        let _ = writeln!(out, "  {}", safe_line(line));
    }
    let gutter = diagnostic
        .labels
        .iter()
        .filter_map(|label| Some(sources.file(label.span.file)?.line_col(label.span.start).line))
        .max()
        .unwrap_or(0)
        .to_string()
        .len()
        .max(2);
    let of_command = diagnostic.labels.first().is_some_and(|label| command_words::is_made(label.span.file, sources));
    for (index, group) in groups(&diagnostic.labels).into_iter().enumerate() {
        // What a command's options became is nothing that anybody wrote.
        if command_words::is_made(group[0].span.file, sources) {
            continue;
        }
        write_group(&mut out, &group, sources, paint, gutter, index == 0, diagnostic.labels.first());
    }
    let indent = " ".repeat(gutter + 1);
    for note in &diagnostic.notes {
        for (index, line) in note.trim_end().lines().enumerate() {
            let mark = if index == 0 { "=" } else { " " };
            let _ = writeln!(out, "{indent}{mark} {}", safe_line(line));
        }
    }
    for hint in &diagnostic.hints {
        let hint = if of_command { command_words::options(hint) } else { hint.clone() };
        let _ = writeln!(out, "{indent}{}: {hint}", paint.place("hint"));
    }
    out
}

/// Several diagnostics with an empty line between them.
pub fn frames(diagnostics: &[Diagnostic], sources: &SourceMap, paint: Paint) -> String {
    diagnostics.iter().map(|diagnostic| frame(diagnostic, sources, paint)).collect::<Vec<_>>().join("\n")
}

/// Labels by file, in the order of their first mention; inside by line.
fn groups(labels: &[Label]) -> Vec<Vec<&Label>> {
    let mut groups: Vec<Vec<&Label>> = Vec::new();
    for label in labels {
        match groups.iter_mut().find(|group| group[0].span.file == label.span.file) {
            Some(group) => group.push(label),
            None => groups.push(vec![label]),
        }
    }
    groups
}

fn write_group(
    out: &mut String,
    group: &[&Label],
    sources: &SourceMap,
    paint: Paint,
    gutter: usize,
    main: bool,
    first: Option<&Label>,
) {
    let Some(file) = sources.file(group[0].span.file) else { return };
    let arrow = if main { "-->" } else { ":::" };
    let _ = writeln!(out, "{}{} {}", " ".repeat(gutter), paint.place(arrow), sources.place(group[0].span));
    let mut marks: Vec<&Label> = group.to_vec();
    marks.sort_by_key(|label| label.span.start);
    let mut last_line = None;
    for label in marks {
        let at = file.line_col(label.span.start);
        let Some(text) = file.line(at.line) else { continue };
        let end = file.line_col(label.span.end);
        let text = without_clear_values(&text.replace('\t', " "));
        let chars = text.chars().count();
        let from = at.column - 1;
        let to = if end.line == at.line { (end.column - 1).min(chars) } else { chars };
        let cut = if from > LINE_WIDTH / 2 && chars > LINE_WIDTH { from - LINE_WIDTH / 4 } else { 0 };
        let shown: String = text.chars().skip(cut).take(LINE_WIDTH).collect();
        if last_line != Some(at.line) {
            let number = paint.dim(&format!("{:>gutter$} |", at.line));
            let _ = writeln!(out, "{number} {}", shown.trim_end());
            last_line = Some(at.line);
        }
        let is_main = first.is_some_and(|first| std::ptr::eq(first, label));
        if !is_main && label.text.is_empty() {
            continue;
        }
        let mark = if is_main { "^" } else { "-" };
        // What begins on this line and goes on below is marked at its first character.
        let width = if end.line == at.line { to.saturating_sub(from).clamp(1, LINE_WIDTH) } else { 1 };
        let marks = mark.repeat(width.min(LINE_WIDTH.saturating_sub(from - cut).max(1)));
        let marks = if is_main { paint.error(&marks) } else { paint.place(&marks) };
        let bar = paint.dim(&format!("{:>gutter$} |", ""));
        let _ = writeln!(out, "{bar} {}{marks} {}", " ".repeat(from - cut), label.text.trim_end());
        let trimmed = out.trim_end().len();
        out.truncate(trimmed);
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Span;

    #[test]
    fn a_frame_marks_the_place() {
        let sources = SourceMap::new();
        let file = sources.add("playbooks/prepare.yml", None, "- copy:\n    destt: /etc/motd\n");
        let diagnostic = Diagnostic::source("P0203", "`copy` has no argument `destt`")
            .with_label(Span::new(file.id, 12, 17), "unknown")
            .with_hint("`dest`");
        let expected = "error[P0203]: `copy` has no argument `destt`\n  --> playbooks/prepare.yml:2:5\n 2 |     destt: /etc/motd\n   |     ^^^^^ unknown\n   hint: `dest`\n";
        assert_eq!(frame(&diagnostic, &sources, Paint::default()), expected);
    }

    #[test]
    fn a_password_beside_a_mistake_is_not_shown() {
        let sources = SourceMap::new();
        let file = sources.add("a.yml", None, "- image_build:\n    registry_passwrd: clear text\n");
        let diagnostic = Diagnostic::source("P0203", "x").with_label(Span::new(file.id, 19, 35), "unknown");
        let shown = frame(&diagnostic, &sources, Paint::default());
        assert!(shown.contains("2 |     registry_passwrd: **********\n   |     ^^^^^^^^^^^^^^^^ unknown"), "{shown}");
    }

    #[test]
    fn what_a_command_made_of_its_options_is_not_shown() {
        let sources = SourceMap::new();
        let file = sources.add("<image build>", None, "[{\"name\": \"image build\", \"tasks\": []}]\n");
        let diagnostic = Diagnostic::source("B0007", "there is no engine socket")
            .with_label(Span::new(file.id, 1, 8), "this task, on localhost")
            .with_hint("another place: `docker_host: unix:///path`");
        assert_eq!(
            frame(&diagnostic, &sources, Paint::default()),
            "error[B0007]: there is no engine socket\n   hint: another place: `--engine unix:///path`\n"
        );
    }

    #[test]
    fn labels_of_another_file_get_a_block_of_their_own() {
        let sources = SourceMap::new();
        let one = sources.add("a.yml", None, "x: 1\n");
        let two = sources.add("b.yml", None, "y: 2\nz: 3\n");
        let diagnostic = Diagnostic::source("P0001", "two places")
            .with_label(Span::new(one.id, 0, 1), "here")
            .with_label(Span::new(two.id, 5, 6), "and there");
        let text = frame(&diagnostic, &sources, Paint::default());
        assert!(text.contains("--> a.yml:1:1") && text.contains("::: b.yml:2:1"), "{text}");
        assert!(text.contains("   | - and there"), "{text}");
    }
}
