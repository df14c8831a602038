//! The lines of a task: one where all hosts agree, one a host where they differ.

use std::fmt::Write as _;

use crate::diag::{Diagnostic, SourceMap};
use crate::event::{Diff, Done, Status};
use crate::value::{JsonStyle, Map, StrKey, Value, to_json_text};

use super::frame::frame;
use super::layout::{Paint, duration, pad, safe_line, shorten, word, wrap};

/// A host's end of a task.
pub(super) struct HostEnd {
    pub host: String,
    pub done: Done,
    pub items: Option<usize>,
    /// Items of a loop that are worth a line.
    pub shown_items: Vec<(String, Done)>,
    /// How the items of a loop ended: the word and how often.
    pub counts: Vec<(&'static str, usize)>,
}

/// What the lines of a task are made of.
pub(super) struct TaskLines<'a> {
    pub name: String,
    pub ends: &'a [HostEnd],
    pub paint: Paint,
    pub width: usize,
    /// Columns that texts are broken at.
    pub room: usize,
    pub verbosity: u8,
    pub diff: bool,
    /// Columns of the hosts' names.
    pub host_width: usize,
    /// The command that goes on from here after a failure.
    pub again: Option<String>,
}

const STATUS_WIDTH: usize = 8;

impl TaskLines<'_> {
    /// All lines, each ending with a line break.
    pub fn render(&self, sources: &SourceMap) -> String {
        let mut out = String::new();
        // Status, host and time stand beside it in a narrow window, too.
        let beside = 2 + 1 + STATUS_WIDTH + 1 + self.host_width + 1 + 6;
        let name_width = (self.width * 3 / 8).clamp(16, 48).min(self.width.saturating_sub(beside).max(8));
        let mut groups: Vec<(&'static str, Vec<&HostEnd>)> = Vec::new();
        for end in self.ends {
            let key = word(&end.done);
            // Failures and results worth showing keep a line of their own.
            let own = matches!(end.done.status, Status::Failed | Status::Unreachable) || end.done.verbose;
            match groups.iter_mut().find(|group| !own && group.0 == key && !group.1[0].done.verbose) {
                Some(group) => group.1.push(end),
                None => groups.push((key, vec![end])),
            }
        }
        let mut again = self.again.as_deref();
        for (index, (word, ends)) in groups.iter().enumerate() {
            let name = if index == 0 { shorten(&self.name, name_width) } else { String::new() };
            let hosts = if ends.len() == 1 { ends[0].host.clone() } else { format!("{} hosts", ends.len()) };
            let seconds = ends.iter().map(|end| end.done.seconds).fold(0.0, f64::max);
            let time = if seconds >= 0.05 { duration(seconds) } else { String::new() };
            let reason = self.reason(ends[0]);
            let hosts = pad(&shorten(&hosts, self.host_width), self.host_width);
            let gap = " ".repeat(STATUS_WIDTH.saturating_sub(word.len()));
            let taken = 2 + name_width + 1 + word.len() + gap.len() + 1 + self.host_width + 1 + 6;
            let room = self.width.saturating_sub(taken + 2);
            let reason = if room > 8 && !reason.is_empty() { shorten(&reason, room) } else { String::new() };
            let name = pad(&name, name_width);
            let end = self.paint.end(&ends[0].done);
            let line = format!("  {name} {end}{gap} {hosts} {time:>6}  ");
            let reason = if reason.is_empty() { String::new() } else { self.paint.dim(&reason) };
            let _ = writeln!(out, "{}", format!("{line}{reason}").trim_end());
            for end in ends {
                let again = if *word == "FAILED" || *word == "UNREACHABLE" { again.take() } else { None };
                self.details(&mut out, end, sources, ends.len() > 1, again);
            }
        }
        out
    }

    fn reason(&self, end: &HostEnd) -> String {
        let done = &end.done;
        match done.status {
            Status::Skipped => match &done.reason {
                // A module may skip itself, which is no condition.
                Some(reason) if done.result.contains_key(&StrKey("false_condition")) => format!("when: {reason}"),
                Some(reason) => reason.clone(),
                None => String::new(),
            },
            Status::Changed | Status::Ok if !done.changes.is_empty() => {
                // The items that changed have lines of their own.
                if end.items.is_some() {
                    return items(end);
                }
                let mut text = done.changes[0].clone();
                if done.changes.len() > 1 {
                    let _ = write!(text, " (+{} more)", done.changes.len() - 1);
                }
                text
            }
            _ => items(end),
        }
    }

    fn details(&self, out: &mut String, end: &HostEnd, sources: &SourceMap, name_host: bool, again: Option<&str>) {
        let host = if name_host { format!("{}: ", end.host) } else { String::new() };
        for (label, done) in &end.shown_items {
            let time = if done.seconds >= 0.05 { format!("  {}", duration(done.seconds)) } else { String::new() };
            let what = match done.status {
                Status::Failed | Status::Unreachable => {
                    done.diagnostic.as_ref().map(|diagnostic| diagnostic.message.clone()).unwrap_or_default()
                }
                _ => done.changes.first().cloned().unwrap_or_default(),
            };
            let status = self.paint.end(done);
            let lead = format!("      {host}({}) ", shorten(label, self.width / 2));
            let taken = console::measure_text_width(&lead) + word(done).len() + time.len() + 2;
            let room = self.width.saturating_sub(taken).clamp(20, (self.width / 2).max(20));
            let line = format!("{lead}{status}{time}  {}", self.paint.dim(&shorten(&what, room)));
            let _ = writeln!(out, "{}", line.trim_end());
            if done.verbose {
                self.result(out, &done.result);
            }
            self.diffs(out, &done.diffs);
        }
        if end.items.is_none() {
            if end.done.verbose {
                self.result(out, &end.done.result);
            }
            self.diffs(out, &end.done.diffs);
        }
        if self.verbosity > 0 && !end.done.verbose {
            self.full_result(out, &end.done.result);
        }
        if let (Some(diagnostic), Status::Failed | Status::Unreachable) = (&end.done.diagnostic, end.done.status) {
            if end.done.ignored && self.verbosity == 0 {
                let _ =
                    writeln!(out, "      {}", self.paint.dim(&shorten(&diagnostic.message, self.width.max(20) - 6)));
            } else {
                out.push('\n');
                for line in framed(diagnostic, sources, self.paint, self.room) {
                    let _ = writeln!(out, "{line}");
                }
                self.program_output(out, &end.done);
                if let Some(again) = again {
                    let _ = writeln!(out, "     {}: {again}", self.paint.place("again from here"));
                }
                out.push('\n');
            }
        }
    }

    /// What a failed program wrote, its last lines.
    fn program_output(&self, out: &mut String, done: &Done) {
        const LINES: usize = 20;
        for name in ["stdout", "stderr"] {
            let Some(text) = done.result.get(&crate::value::StrKey(name)).and_then(Value::as_str) else { continue };
            let lines: Vec<&str> = text.trim_end().lines().collect();
            let known = done
                .diagnostic
                .as_ref()
                .is_some_and(|diagnostic| diagnostic.notes.iter().any(|note| note.starts_with(name)));
            if lines.is_empty() || known {
                continue;
            }
            let _ = writeln!(out, "     = {name}:");
            if lines.len() > LINES {
                let _ =
                    writeln!(out, "       {}", self.paint.dim(&format!("... {} lines before", lines.len() - LINES)));
            }
            for line in &lines[lines.len().saturating_sub(LINES)..] {
                let _ = writeln!(out, "       {}", safe_line(line));
            }
        }
    }

    /// `debug` and `assert`: the message, or the variable.
    fn result(&self, out: &mut String, result: &Map) {
        for (key, value) in result {
            let name = key.text();
            if matches!(
                &*name,
                "changed"
                    | "failed"
                    | "skipped"
                    | "ansible_loop_var"
                    | "invocation"
                    | "item"
                    | "ansible_index_var"
                    | "warnings"
                    | "deprecations"
            ) {
                continue;
            }
            let text = match value {
                Value::Str(text) => text.to_string(),
                other => to_json_text(other, JsonStyle { indent: Some(2), ..JsonStyle::default() }),
            };
            for (index, line) in text.split_terminator('\n').map(safe_line).enumerate() {
                let lead = if index == 0 { format!("{name}: ") } else { "  ".to_owned() };
                let _ = writeln!(out, "      {}{line}", if index == 0 { self.paint.dim(&lead) } else { lead });
            }
        }
    }

    fn full_result(&self, out: &mut String, result: &Map) {
        let text = to_json_text(&Value::from(result.clone()), JsonStyle { indent: Some(2), ..JsonStyle::default() });
        for line in text.lines() {
            let _ = writeln!(out, "      {}", self.paint.dim(line));
        }
    }

    fn diffs(&self, out: &mut String, diffs: &[Diff]) {
        if !self.diff {
            return;
        }
        for diff in diffs {
            for line in diff_lines(diff) {
                let painted = match line.chars().next() {
                    Some('+') => self.paint.status(Status::Ok, &line),
                    Some('-') => self.paint.status(Status::Failed, &line),
                    Some('@') => self.paint.place(&line),
                    _ => line,
                };
                let _ = writeln!(out, "    {painted}");
            }
        }
    }
}

/// The lines of a diagnostic below a task's, broken at so many columns: words and notes. Lines of source keep their
/// marks, and what is to be typed stays whole.
pub(super) fn framed(diagnostic: &Diagnostic, sources: &SourceMap, paint: Paint, room: usize) -> Vec<String> {
    let text = frame(diagnostic, sources, paint);
    let whole = |line: &str| {
        let plain = console::strip_ansi_codes(line);
        let start = plain.trim_start();
        start.starts_with("hint:") || start.starts_with("-->") || start.starts_with(":::") || plain.contains(" | ")
    };
    let lines = text.lines().map(|line| format!("  {line}"));
    let broken = lines.map(|line| if whole(&line) { line } else { wrap(&line, room, 7) });
    broken.flat_map(|line| line.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// `5 items: 2 changed, 3 ok`; only the number where all ended alike.
fn items(end: &HostEnd) -> String {
    let Some(items) = end.items else { return String::new() };
    let number = format!("{items} item{}", if items == 1 { "" } else { "s" });
    if end.counts.len() < 2 {
        return number;
    }
    let counts: Vec<String> = end.counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    format!("{number}, {}", counts.join(", "))
}

/// A unified diff of a before/after pair.
fn diff_lines(diff: &Diff) -> Vec<String> {
    /// More than this is not compared line by line.
    const LIMIT: usize = 1 << 20;
    if let Some(text) = &diff.prepared {
        return text.lines().map(str::to_owned).collect();
    }
    if diff.before == diff.after && diff.before_header == diff.after_header {
        return Vec::new();
    }
    if diff.before.len() > LIMIT || diff.after.len() > LIMIT {
        return vec![format!(
            "the texts are too large to compare ({} and {} bytes)",
            diff.before.len(),
            diff.after.len()
        )];
    }
    let header = |name: &str, text: &str| if name.is_empty() { text.to_owned() } else { format!("{text}: {name}") };
    similar::TextDiff::from_lines(&diff.before, &diff.after)
        .unified_diff()
        .context_radius(3)
        .header(&header(&diff.before_header, "before"), &header(&diff.after_header, "after"))
        .to_string()
        .lines()
        .map(str::to_owned)
        .collect()
}
