//! What one render may use: steps, size of a text, length of a list, size of what leaves it.
//!
//! One file decides for all operations that make values from values: those that know the size of
//! their result beforehand ask `room_for_text` or `room_for_items` first, and the evaluator looks at
//! the result of every operation. A stop from outside (Ctrl-C) is seen here too.

use std::cell::Cell;

use crate::diag::{Diagnostic, Kind};
use crate::value::Value;

use super::cx::Cx;
use super::engine::FileOptions;
use super::fail::{Fail, R};
use super::lower::SyntaxError;
use super::val::Val;

/// Bytes of the longest text.
pub const MAX_TEXT: usize = if cfg!(test) { 4 << 20 } else { 256 << 20 };

/// Items of the longest list or mapping.
pub const MAX_ITEMS: usize = if cfg!(test) { 200_000 } else { 10_000_000 };

/// Evaluations in one render; the largest templates known need a thousandth of it.
const MAX_STEPS: u64 = if cfg!(test) { 1_000_000 } else { 500_000_000 };

/// Bytes of all large texts and lists that one render makes.
const MAX_MADE: usize = 8 << 30;

/// Results below this do not count towards the sum: a text that grows line by line is copied often.
const LARGE: usize = if cfg!(test) { 1 << 14 } else { 1 << 20 };

/// What an item weighs in memory, about.
const ITEM: usize = 24;

/// Operators in a row, which the parser nests.
const MAX_OPERATORS: usize = 2000;

/// What a render used so far.
#[derive(Default)]
pub struct Used {
    steps: Cell<u64>,
    made: Cell<usize>,
    /// Nesting and weight of the value that is just made plain.
    tree: Cell<(usize, usize)>,
}

/// A value is being made plain; the outermost one starts the weighing.
pub struct Tree<'c>(&'c Used);

impl Drop for Tree<'_> {
    fn drop(&mut self) {
        let (depth, weight) = self.0.tree.get();
        self.0.tree.set((depth.saturating_sub(1), weight));
    }
}

fn too_much(message: String) -> Fail {
    Fail::Diag(
        Diagnostic::new("T0108", Kind::Template, message)
            .with_hint("does a loop or a repetition have a larger count than meant?"),
    )
}

/// True for a failure of this file.
pub fn is_limit(fail: &Fail) -> bool {
    matches!(fail, Fail::Diag(diag) if matches!(&*diag.code, "T0108" | "T0109"))
}

fn megabytes(bytes: usize) -> usize {
    bytes >> 20
}

impl Cx<'_> {
    /// Counts evaluations; an error if there were too many, or if the run was stopped.
    pub fn step(&self, count: u64) -> R<()> {
        let steps = self.used.steps.get();
        let now = steps.saturating_add(count.max(1));
        self.used.steps.set(now);
        if now > MAX_STEPS {
            return Err(too_much(format!("the template was not done after {MAX_STEPS} steps")));
        }
        // Looking at the flag of another thread costs more than an evaluation.
        if steps >> 10 != now >> 10 && self.templates.stopped() {
            return Err(Fail::Diag(Diagnostic::new("T0109", Kind::Template, "stopped in the middle of a template")));
        }
        Ok(())
    }

    /// An error if a text of this size would be too large.
    pub fn room_for_text(&self, bytes: usize) -> R<()> {
        if bytes > MAX_TEXT {
            return Err(too_much(format!("the text would have more than {} MiB", megabytes(MAX_TEXT))));
        }
        self.charge(bytes)
    }

    /// The same for a size that is a product.
    pub fn room_for_product(&self, bytes: usize, count: usize) -> R<()> {
        self.room_for_text(bytes.saturating_mul(count))
    }

    /// An error if a list of this length would be too long.
    pub fn room_for_items(&self, items: usize) -> R<()> {
        if items > MAX_ITEMS {
            return Err(too_much(format!("the list would have more than {MAX_ITEMS} items")));
        }
        self.step(items as u64 / 16)?;
        self.charge(items.saturating_mul(ITEM))
    }

    fn charge(&self, bytes: usize) -> R<()> {
        if bytes < LARGE {
            return Ok(());
        }
        let made = self.used.made.get().saturating_add(bytes);
        self.used.made.set(made);
        self.step(bytes as u64 >> 12)?;
        if made > MAX_MADE {
            return Err(too_much(format!(
                "the template made more than {} MiB of texts and lists",
                megabytes(MAX_MADE)
            )));
        }
        Ok(())
    }

    /// A result, if it is not too large.
    pub fn fits(&self, result: Val) -> R<Val> {
        match &result {
            Val::V(Value::Str(text)) if text.len() >= LARGE => self.room_for_text(text.len())?,
            Val::V(Value::Bytes(bytes)) if bytes.len() >= LARGE => self.room_for_text(bytes.len())?,
            Val::List(list) if list.len() >= LARGE => self.room_for_items(list.len())?,
            _ => {}
        }
        Ok(result)
    }

    /// The failure of a hash that would take minutes.
    pub fn too_many_rounds(&self, most: u32) -> Fail {
        too_much(format!("`rounds` is more than {most}"))
    }

    /// `text.replace(old, new, count)`.
    pub fn replaced(&self, text: &str, old: &str, new: &str, count: Option<usize>) -> R<String> {
        if new.len() > old.len() {
            let found = if old.is_empty() { text.len() + 1 } else { text.matches(old).count() };
            let found = found.min(count.unwrap_or(usize::MAX));
            self.room_for_text(text.len().saturating_add(found.saturating_mul(new.len())))?;
        }
        Ok(match count {
            Some(count) => text.replacen(old, new, count),
            None => text.replace(old, new),
        })
    }

    /// A value is made plain from here on.
    pub fn tree(&self) -> Tree<'_> {
        let (depth, weight) = self.used.tree.get();
        self.used.tree.set((depth + 1, if depth == 0 { 0 } else { weight }));
        Tree(&self.used)
    }

    /// Adds an entry of the value that is made plain. Parts may be shared, so little memory can be
    /// a value that no memory holds once it is written out.
    pub fn weigh(&self, value: &Value) -> R<()> {
        let (depth, weight) = self.used.tree.get();
        if depth == 0 {
            return Ok(());
        }
        let mut room = MAX_TEXT.saturating_sub(weight);
        if !take(value, &mut room) {
            return Err(too_much(format!("the value would have more than {} MiB", megabytes(MAX_TEXT))));
        }
        self.used.tree.set((depth, MAX_TEXT - room));
        Ok(())
    }
}

/// Takes what a value weighs from the room there is; false if it does not fit.
fn take(value: &Value, room: &mut usize) -> bool {
    let own = match value {
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    match room.checked_sub(own + ITEM) {
        None => return false,
        Some(rest) => *room = rest,
    }
    match value {
        Value::List(items) => items.iter().all(|item| take(item, room)),
        Value::Map(map) => map.values().all(|item| {
            *room = room.saturating_sub(ITEM);
            take(item, room)
        }),
        _ => true,
    }
}

/// Runs the parser with a stack for the deepest text that `check_operators` lets pass.
pub fn deep<T>(parse: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(8 << 20, 16 << 20, parse)
}

/// Refuses expressions whose operators nest too deep: the parser calls itself for each of them.
/// `text` is the masked text, so strings hold no backslashes.
pub fn check_operators(text: &str, options: &FileOptions) -> Result<(), SyntaxError> {
    if text.len() <= MAX_OPERATORS {
        return Ok(());
    }
    let bytes = text.as_bytes();
    let tags = [(&options.variable.0, &options.variable.1), (&options.block.0, &options.block.1)];
    let mut index = 0;
    // `elif` nests without an end of its tag.
    let mut elifs = 0;
    while index < bytes.len() {
        let rest = &bytes[index..];
        if rest.starts_with(options.comment.0.as_bytes()) {
            index = text[index..].find(options.comment.1.as_str()).map_or(bytes.len(), |at| index + at + 1);
            continue;
        }
        let Some((open, close)) = tags.iter().find(|(open, _)| rest.starts_with(open.as_bytes())) else {
            index += 1;
            continue;
        };
        index += open.len();
        let word = text.get(index..).unwrap_or_default().trim_start_matches(['-', '+']).trim_start();
        if word.starts_with("elif") {
            elifs += 1;
        } else if word.starts_with("if") || word.starts_with("endif") {
            elifs = 0;
        }
        let end = operators(bytes, index, close.as_bytes(), elifs)?;
        index = end;
    }
    Ok(())
}

/// The end of a tag; an error at the operator that is one too many.
fn operators(bytes: &[u8], start: usize, close: &[u8], before: usize) -> Result<usize, SyntaxError> {
    let too_many = |at: usize| {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        let message = format!("the expression has more than {MAX_OPERATORS} operators in a row");
        SyntaxError { message, words: None, at: (at, at.saturating_add(1)) }
    };
    // Operators since the last comma, for each open bracket; and how many stood before the bracket.
    if before > MAX_OPERATORS {
        return Err(too_many(start));
    }
    let mut levels = vec![(before, before)];
    let mut index = start;
    let mut in_word = false;
    while index < bytes.len() {
        let byte = bytes[index];
        if levels.len() == 1 && bytes[index..].starts_with(close) {
            return Ok(index + close.len());
        }
        let mut width = 1;
        let word = byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii();
        let top = levels.last_mut().map(|(count, _)| count);
        let counts = match byte {
            b'"' | b'\'' => {
                let end = bytes[index + 1..].iter().position(|other| *other == byte);
                width = end.map_or(bytes.len() - index, |end| end + 2);
                false
            }
            b'(' | b'[' | b'{' => true,
            b'-' | b'+' | b'*' | b'/' | b'%' | b'~' | b'|' | b'.' | b'<' | b'>' | b'=' | b'!' => true,
            _ if word && !in_word => {
                let rest = &bytes[index..];
                let end = rest.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
                matches!(&rest[..end.unwrap_or(rest.len())], b"not" | b"and" | b"or" | b"is" | b"in" | b"if" | b"else")
            }
            _ => false,
        };
        if counts && let Some(count) = top {
            *count += 1;
            if *count > MAX_OPERATORS {
                return Err(too_many(index));
            }
        }
        match byte {
            b'(' | b'[' | b'{' => {
                let count = levels.last().map_or(0, |(count, _)| *count);
                levels.push((count, count));
            }
            b')' | b']' | b'}' if levels.len() > 1 => {
                levels.pop();
            }
            b',' => {
                if let Some((count, base)) = levels.last_mut() {
                    *count = *base;
                }
            }
            _ => {}
        }
        in_word = word;
        index += width;
    }
    Ok(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::super::table_tests::{node, setup};
    use crate::value::python_str;

    fn fails_with(text: &str, code: &str, message: &str) {
        let (templates, scope, _) = setup("a: 1\n");
        let error = templates.render(&node(&templates, text), &scope).map(drop).expect_err(text);
        assert!(error.code == code && error.message.contains(message), "{text:.80}: {error:?}");
        assert!(!error.labels.is_empty(), "{text:.80} has no place");
    }

    fn renders(text: &str, wanted: &str) {
        let (templates, scope, _) = setup("a: 1\n");
        let value = templates.render(&node(&templates, text), &scope).expect(wanted);
        assert_eq!(python_str(&value), wanted);
    }

    fn long(part: &str, count: usize, last: &str) -> String {
        format!("{{{{ {}{last} }}}}", part.repeat(count))
    }

    #[test]
    fn operators_in_a_row_are_refused_before_the_parser_nests() {
        for (part, last) in
            [("not ", "1"), ("--", "1"), ("- ", "1"), ("1 + ", "1"), ("(", "1"), ("a if b else ", "c"), ("-(1, ", "2")]
        {
            fails_with(&long(part, 50_000, last), "T0100", "operators in a row");
        }
        fails_with(&long("1", 1, &"|abs".repeat(50_000)), "T0100", "operators in a row");
        fails_with(&long("a", 1, &".a".repeat(50_000)), "T0100", "operators in a row");
        let elifs = format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(50_000));
        fails_with(&elifs, "T0100", "operators in a row");
    }

    /// Sizes at which looking at all for each would take hours.
    #[test]
    fn many_entries_and_items_are_looked_up() {
        let text: String = (0..150_000).map(|index| format!("k{index}: {index}\n")).collect();
        let (templates, scope, _) = setup(&format!("d:\n  {}", text.trim_end().replace('\n', "\n  ")));
        let expression = "{{ d.values() | list | last }} {{ d | length }} {{ d.k149999 }}";
        let value = templates.render(&node(&templates, expression), &scope).expect("read");
        assert_eq!(python_str(&value), "149999 150000 149999");
        let set = "{% set l = range(150000) | map('string') | list %}";
        renders(
            &format!("{set}{{{{ l | difference(l[1:]) }}}}{{{{ l | intersect(l[::-1]) | length }}}}"),
            "['0']150000",
        );
        renders("{{ ('a' * 1000000) | wordwrap(1) | length }}", "1999999");
    }

    #[test]
    fn long_literals_and_texts_are_no_operators() {
        renders(&long("[", 1, &format!("{}0] | length", "-1, ".repeat(30_000))), "30001");
        renders(&format!("{{{{ '{}' | length }}}}", "not -(".repeat(10_000)), "60000");
        renders(&long("", 0, &format!("{}1", "not ".repeat(1000))), "True");
        renders(&"{# ---- #}{{ 1 }}--- ".repeat(3000).replace("{{ 1 }}---", "1").replace(' ', ""), &"1".repeat(3000));
        let chain = (0..3000).fold(String::new(), |text, _| text + "{% if 0 %}{% elif 1 %}{% endif %}");
        renders(&format!("{chain}x"), "x");
    }

    #[test]
    fn texts_lists_and_steps_have_limits() {
        for text in [
            "{{ [1] | batch(10 ** 12, 'x') | list }}",
            "{{ range(10 ** 12) | list }}",
            "{{ 'x' * 10 ** 12 }}",
            "{{ [0] * 10 ** 12 }}",
            "{% set ns = namespace(s='x' * 1000) %}{% for i in range(40) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
            "{% set ns = namespace(s='x') %}{% for i in range(40) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
            "{% set ns = namespace(s='x') %}{% for i in range(9) %}{% set ns.s = ns.s.replace('x', 'x' * 99) %}{% endfor %}",
            "{% set ns = namespace(s='x') %}{% for i in range(9) %}{% set ns.s = ns.s | replace('x', 'x' * 99) %}{% endfor %}",
            "{% set ns = namespace(s='x') %}{% for i in range(9) %}{% set ns.s = ns.s | regex_replace('x', 'x' * 99) %}{% endfor %}",
            "{% set l = [1] %}{% for i in range(40) %}{% set _ = l.extend(l) %}{% endfor %}",
            "{% set l = [1] %}{% for i in range(40) %}{% do l.extend(l) %}{% endfor %}",
            "{{ range(100000) | join('x' * 10000) }}",
            "{{ ('x' * 10000).join(range(100000) | map('string')) }}",
            "{{ (('%c' % 9) * 1000000).expandtabs(1000) }}",
            "{{ (('a%c' % 10) * 1000000) | indent(10000) }}",
            "{{ (1, 2) | to_nice_json(indent=10 ** 12) }}",
            "{{ lookup('password', '/dev/null length=100000000000') }}",
            "{{ lookup('sequence', 'start=1 end=100000000000') }}",
            "{% macro m(d) %}{% if d %}{{ m(d - 1) }}{{ m(d - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
            "{% for a in range(10000) %}{% for b in range(10000) %}{{ a + b }}{% endfor %}{% endfor %}",
        ] {
            fails_with(text, "T0108", "");
        }
    }

    #[test]
    fn an_error_far_to_the_right_has_its_place() {
        let lead = "z".repeat(70_000);
        for (bad, place) in [("{{ 'abc ", 70_003), ("{{ 1 ! 2 }}", 70_005), ("{{ \u{0} }}", 70_003), ("{#", 70_000)] {
            let (templates, scope, _) = setup("a: 1\n");
            let error = templates.render(&node(&templates, &format!("{lead}{bad}")), &scope).expect_err(bad);
            assert_eq!(error.code, "T0100", "{bad}");
            let start = error.labels.first().map_or(0, |label| label.span.start);
            assert!(start.abs_diff(place) < 16, "{bad}: {start}");
        }
        renders(&format!("{lead}{{{{ 1 }}}}"), &format!("{lead}1"));
    }

    #[test]
    fn a_stopped_run_ends_its_templates() {
        let (templates, scope, _) = setup("a: 1\n");
        templates.stop();
        let loops = "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}";
        let error = templates.render(&node(&templates, loops), &scope).expect_err("stopped");
        assert_eq!(error.code, "T0109");
    }

    #[test]
    fn a_small_value_that_is_huge_when_written_is_refused() {
        for filter in ["", " | string", " | to_json", " | to_yaml"] {
            let text = format!(
                "{{% set ns = namespace(l=['x']) %}}{{% for i in range(60) %}}{{% set ns.l = [ns.l, ns.l] %}}{{% endfor %}}\
                 {{{{ ns.l{filter} }}}}"
            );
            fails_with(&text, "T0108", "");
        }
    }
}
