//! Differences as Python's `difflib.unified_diff` forms them, with Ansible's headers.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::display::{ResultFormat, Tone};
use crate::event::Diff;
use crate::value::parse_json;

/// More lines than this are not matched as Python does it (its time grows with the square).
const LIMIT: usize = 20_000;

/// The text that Ansible shows for a task's differences; mappings in the form of results.
pub(super) fn text(diffs: &[Diff], context: usize, format: ResultFormat, color: bool) -> String {
    let mut out = String::new();
    for diff in diffs.iter().filter(|diff| !diff.ours) {
        if let Some(prepared) = &diff.prepared {
            out.push_str(prepared);
            continue;
        }
        let header = |name: &str, word: &str| if name.is_empty() { word.to_owned() } else { format!("{word}: {name}") };
        let lines = match format {
            ResultFormat::Yaml if diff.mapping => unified(&as_yaml(&diff.before), &as_yaml(&diff.after), context),
            _ => unified(&diff.before, &diff.after, context),
        };
        if lines.is_empty() {
            continue;
        }
        let mut shown = vec![
            format!("--- {}\n", header(&diff.before_header, "before")),
            format!("+++ {}\n", header(&diff.after_header, "after")),
        ];
        shown.extend(lines);
        for line in shown {
            let paint = match line.chars().next() {
                Some('+') => Some(Tone::Ok),
                Some('-') => Some(Tone::Error),
                Some('@') => Some(Tone::Skipped),
                _ => None,
            };
            match paint {
                Some(paint) => out.push_str(&paint.apply(&line, color)),
                None => out.push_str(&line),
            }
        }
        out.push('\n');
    }
    out
}

/// A mapping's JSON text as Ansible's callbacks write it with `result_format: yaml`.
fn as_yaml(json: &str) -> String {
    let Ok(value) = parse_json(json) else { return json.to_owned() };
    super::yaml::indented(&super::yaml::dump(&value, 4, true), 4) + "\n"
}

/// Python's `splitlines(True)`; the last line gets its mark if it does not end.
fn lines(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = rest.find(|c: char| {
            matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
        });
        let end = match at {
            Some(at) if rest[at..].starts_with("\r\n") => at + 2,
            Some(at) => at + rest[at..].chars().next().map_or(1, char::len_utf8),
            None => rest.len(),
        };
        found.push(rest[..end].to_owned());
        rest = &rest[end..];
    }
    if let Some(last) = found.last_mut()
        && !last.ends_with('\n')
    {
        last.push_str("\n\\ No newline at end of file\n");
    }
    found
}

/// One step from the old lines to the new: equal or not, and the ranges.
#[derive(Clone, Copy)]
struct Step {
    equal: bool,
    a: (usize, usize),
    b: (usize, usize),
}

fn unified(before: &str, after: &str, context: usize) -> Vec<String> {
    if before == after {
        return Vec::new();
    }
    let (a, b) = (lines(before), lines(after));
    let mut out = Vec::new();
    for group in groups(&steps(&a, &b), context) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let mut head = String::new();
        let _ = writeln!(head, "@@ -{} +{} @@", range(first.a.0, last.a.1), range(first.b.0, last.b.1));
        out.push(head);
        for step in &group {
            if step.equal {
                out.extend(a[step.a.0..step.a.1].iter().map(|line| format!(" {line}")));
            } else {
                out.extend(a[step.a.0..step.a.1].iter().map(|line| format!("-{line}")));
                out.extend(b[step.b.0..step.b.1].iter().map(|line| format!("+{line}")));
            }
        }
    }
    out
}

/// `_format_range_unified`
fn range(start: usize, stop: usize) -> String {
    match stop - start {
        1 => format!("{}", start + 1),
        0 => format!("{start},0"),
        length => format!("{},{length}", start + 1),
    }
}

/// `get_grouped_opcodes`
fn groups(steps: &[Step], context: usize) -> Vec<Vec<Step>> {
    let mut steps = steps.to_vec();
    if let Some(first) = steps.first_mut().filter(|first| first.equal) {
        first.a.0 = first.a.0.max(first.a.1.saturating_sub(context));
        first.b.0 = first.b.0.max(first.b.1.saturating_sub(context));
    }
    if let Some(last) = steps.last_mut().filter(|last| last.equal) {
        last.a.1 = last.a.1.min(last.a.0 + context);
        last.b.1 = last.b.1.min(last.b.0 + context);
    }
    let mut all = Vec::new();
    let mut group: Vec<Step> = Vec::new();
    for mut step in steps {
        if step.equal && step.a.1 - step.a.0 > 2 * context {
            group.push(Step {
                equal: true,
                a: (step.a.0, step.a.1.min(step.a.0 + context)),
                b: (step.b.0, step.b.1.min(step.b.0 + context)),
            });
            all.push(std::mem::take(&mut group));
            step.a.0 = step.a.0.max(step.a.1.saturating_sub(context));
            step.b.0 = step.b.0.max(step.b.1.saturating_sub(context));
        }
        group.push(step);
    }
    if !(group.is_empty() || group.len() == 1 && group[0].equal) {
        all.push(group);
    }
    all
}

/// `SequenceMatcher.get_opcodes`, replacements as one step.
fn steps(a: &[String], b: &[String]) -> Vec<Step> {
    let mut blocks = matches(a, b);
    blocks.push((a.len(), b.len(), 0));
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    for (at_a, at_b, size) in blocks {
        if i < at_a || j < at_b {
            out.push(Step { equal: false, a: (i, at_a), b: (j, at_b) });
        }
        (i, j) = (at_a + size, at_b + size);
        if size > 0 {
            out.push(Step { equal: true, a: (at_a, i), b: (at_b, j) });
        }
    }
    out
}

/// `get_matching_blocks`: the longest common run first, then the same on both sides of it.
fn matches(a: &[String], b: &[String]) -> Vec<(usize, usize, usize)> {
    if a.len() > LIMIT || b.len() > LIMIT {
        return Vec::new();
    }
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, line) in b.iter().enumerate() {
        places.entry(line.as_str()).or_default().push(index);
    }
    // What stands in more than one of a hundred lines of a long text is no landmark (`autojunk`).
    if b.len() >= 200 {
        let many = b.len() / 100 + 1;
        places.retain(|_, found| found.len() <= many);
    }
    let mut queue = vec![(0, a.len(), 0, b.len())];
    let mut found = Vec::new();
    while let Some((a_low, a_high, b_low, b_high)) = queue.pop() {
        let (i, j, size) = longest(a, b, &places, (a_low, a_high), (b_low, b_high));
        if size > 0 {
            found.push((i, j, size));
            if a_low < i && b_low < j {
                queue.push((a_low, i, b_low, j));
            }
            if i + size < a_high && j + size < b_high {
                queue.push((i + size, a_high, j + size, b_high));
            }
        }
    }
    found.sort_unstable();
    let mut joined: Vec<(usize, usize, usize)> = Vec::new();
    for (i, j, size) in found {
        match joined.last_mut() {
            Some(last) if last.0 + last.2 == i && last.1 + last.2 == j => last.2 += size,
            _ => joined.push((i, j, size)),
        }
    }
    joined
}

/// `find_longest_match`
fn longest(
    a: &[String],
    b: &[String],
    places: &HashMap<&str, Vec<usize>>,
    (a_low, a_high): (usize, usize),
    (b_low, b_high): (usize, usize),
) -> (usize, usize, usize) {
    let (mut best_i, mut best_j, mut best) = (a_low, b_low, 0);
    let mut lengths: HashMap<usize, usize> = HashMap::new();
    for (i, line) in a.iter().enumerate().take(a_high).skip(a_low) {
        let mut next: HashMap<usize, usize> = HashMap::new();
        for &j in places.get(line.as_str()).map_or(&[][..], Vec::as_slice) {
            if j < b_low {
                continue;
            }
            if j >= b_high {
                break;
            }
            let size = if j == 0 { 1 } else { lengths.get(&(j - 1)).copied().unwrap_or(0) + 1 };
            next.insert(j, size);
            if size > best {
                (best_i, best_j, best) = (i + 1 - size, j + 1 - size, size);
            }
        }
        lengths = next;
    }
    // Lines that are no landmarks extend a match, too.
    while best_i > a_low && best_j > b_low && a[best_i - 1] == b[best_j - 1] {
        (best_i, best_j, best) = (best_i - 1, best_j - 1, best + 1);
    }
    while best_i + best < a_high && best_j + best < b_high && a[best_i + best] == b[best_j + best] {
        best += 1;
    }
    (best_i, best_j, best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, after: &str, expected: &str) {
        assert_eq!(unified(before, after, 3).concat(), expected);
    }

    #[test]
    fn hunks_are_those_of_difflib() {
        check("", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n");
        check("foo", "bar", "@@ -1 +1 @@\n-foo\n\\ No newline at end of file\n+bar\n\\ No newline at end of file\n");
        check(
            "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n",
            "1\n2\nx\n4\n5\n6\n7\n8\n9\n10\n12\n",
            "@@ -1,6 +1,6 @@\n 1\n 2\n-3\n+x\n 4\n 5\n 6\n@@ -8,5 +8,4 @@\n 8\n 9\n 10\n-11\n 12\n",
        );
        check("same\n", "same\n", "");
    }
}
