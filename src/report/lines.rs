//! The lines of a task: one where all hosts agree, one a host where they differ.

use std::fmt::Write as _;

use crate::diag::SourceMap;
use crate::event::{Diff, Done, Status};
use crate::value::{JsonStyle, Map, Value, to_json_text};

use super::frame::frame;
use super::layout::{Paint, duration, pad, shorten, word};

/// A host's end of a task.
pub(super) struct HostEnd {
    pub host: String,
    pub done: Done,
    pub items: Option<usize>,
    /// Items of a loop that are worth a line.
    pub shown_items: Vec<(String, Done)>,
}

/// What the lines of a task are made of.
pub(super) struct TaskLines<'a> {
    pub name: String,
    pub ends: &'a [HostEnd],
    pub paint: Paint,
    pub width: usize,
    pub verbosity: u8,
    pub diff: bool,
}

const NAME_WIDTH: usize = 34;
const HOST_WIDTH: usize = 14;

impl TaskLines<'_> {
    /// All lines, each ending with a line break.
    pub fn render(&self, sources: &SourceMap) -> String {
        let mut out = String::new();
        let name_width = NAME_WIDTH.min(self.width / 2);
        let mut groups: Vec<(Status, bool, Vec<&HostEnd>)> = Vec::new();
        for end in self.ends {
            let key = (end.done.status, end.done.ignored);
            // Failures and results worth showing keep a line of their own.
            let own = matches!(end.done.status, Status::Failed | Status::Unreachable) || end.done.verbose;
            match groups.iter_mut().find(|group| !own && (group.0, group.1) == key && !group.2[0].done.verbose) {
                Some(group) => group.2.push(end),
                None => groups.push((key.0, key.1, vec![end])),
            }
        }
        for (index, (status, ignored, ends)) in groups.iter().enumerate() {
            let name = if index == 0 { shorten(&self.name, name_width) } else { String::new() };
            let hosts = if ends.len() == 1 { ends[0].host.clone() } else { format!("{} hosts", ends.len()) };
            let seconds = ends.iter().map(|end| end.done.seconds).fold(0.0, f64::max);
            let time = if seconds >= 0.05 { duration(seconds) } else { String::new() };
            let reason = self.reason(ends[0]);
            let head = format!(
                "  {} {} {} {:>7}",
                pad(&name, name_width),
                pad(word(*status, *ignored), 11),
                pad(&shorten(&hosts, HOST_WIDTH.max(self.width / 6)), HOST_WIDTH),
                time
            );
            let room = self.width.saturating_sub(console::measure_text_width(&head) + 2);
            let reason = if room > 8 && !reason.is_empty() { shorten(&reason, room) } else { String::new() };
            let head = head.replacen(word(*status, *ignored), &self.paint.status(*status, word(*status, *ignored)), 1);
            let line = format!("{head}  {}", self.paint.dim(&reason));
            let _ = writeln!(out, "{}", if reason.is_empty() { head.trim_end() } else { line.trim_end() });
            for end in ends {
                self.details(&mut out, end, sources, ends.len() > 1);
            }
        }
        out
    }

    fn reason(&self, end: &HostEnd) -> String {
        let done = &end.done;
        match done.status {
            Status::Skipped => match &done.reason {
                Some(reason) if !reason.is_empty() => format!("when: {reason}"),
                _ => String::new(),
            },
            Status::Changed | Status::Ok if !done.changes.is_empty() => {
                let mut text = done.changes[0].clone();
                if done.changes.len() > 1 {
                    let _ = write!(text, " (+{} more)", done.changes.len() - 1);
                }
                if let Some(items) = end.items {
                    text = format!("{items} items: {text}");
                }
                text
            }
            _ => end.items.map(|items| format!("{items} items")).unwrap_or_default(),
        }
    }

    fn details(&self, out: &mut String, end: &HostEnd, sources: &SourceMap, name_host: bool) {
        let host = if name_host { format!("{}: ", end.host) } else { String::new() };
        for (label, done) in &end.shown_items {
            let time = if done.seconds >= 0.05 { format!("  {}", duration(done.seconds)) } else { String::new() };
            let what = match done.status {
                Status::Failed | Status::Unreachable => {
                    done.diagnostic.as_ref().map(|diagnostic| diagnostic.message.clone()).unwrap_or_default()
                }
                _ => done.changes.first().cloned().unwrap_or_default(),
            };
            let status = self.paint.status(done.status, word(done.status, done.ignored));
            let line = format!(
                "      {host}({}) {status}{time}  {}",
                shorten(label, self.width / 2),
                self.paint.dim(&shorten(&what, self.width / 2))
            );
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
                for line in frame(diagnostic, sources, self.paint).lines() {
                    let _ = writeln!(out, "  {line}");
                }
                self.program_output(out, &end.done);
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
                let _ = writeln!(out, "       {line}");
            }
        }
    }

    /// `debug` and `assert`: the message, or the variable.
    fn result(&self, out: &mut String, result: &Map) {
        for (key, value) in result {
            let name = key.text();
            if matches!(&*name, "changed" | "failed" | "skipped" | "ansible_loop_var" | "item" | "ansible_index_var") {
                continue;
            }
            let text = match value {
                Value::Str(text) => text.to_string(),
                other => to_json_text(other, JsonStyle { indent: Some(2), ..JsonStyle::default() }),
            };
            for (index, line) in text.lines().enumerate() {
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
