//! The parser's complaints in the reader's words: what is wrong, where, and what to type.

use super::position::{line_end, line_start};
use crate::diag::{Diagnostic, FileId, Span};

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Turns a parser error at byte `at` into a diagnostic.
pub(super) fn explain(text: &str, file: FileId, at: u32, info: &str) -> Diagnostic {
    let at = floor(text, at as usize);
    let here = next_char_span(text, file, at);
    let line = line_start(text, at);
    let so_far = &text[line..at];
    let whole = &text[line..line_end(text, at)];
    let indent = whole.len() - whole.trim_start_matches([' ', '\t']).len();

    if let Some(template) = unquoted_in(text, line)
        && (template < at || (at == line + indent && template < line_end(text, line)))
    {
        return unquoted_template(text, file, offset(template));
    }
    if let Some(tab) = whole[..indent].find('\t') {
        let tab = offset(line + tab);
        return Diagnostic::source("Y0002", "a tab is used for indentation")
            .with_label(Span::new(file, tab, tab + 1), "this is a tab")
            .with_hint("indent with spaces");
    }
    let unclosed = ["unexpected end of stream", "indentation in quoted scalar", "unexpected document indicator"];
    if unclosed.iter().any(|part| info.contains(part)) {
        let quote = text[at..].chars().next().unwrap_or('"');
        return Diagnostic::source("Y0003", format!("the quote {quote} is never closed"))
            .with_label(here, "opened here")
            .with_hint(format!("add the closing {quote}, or put the whole value in the other kind of quotes"));
    }
    if info.contains("invalid trailing content") {
        return Diagnostic::source("Y0010", "text follows a closing quote")
            .with_label(here, "the value ended before this")
            .with_hint("put the whole value in quotes, not only its first part");
    }
    if info.contains("unknown escape character") || info.contains("hexadecimal") || info.contains("Unicode character") {
        let (start, end) = bad_escape(text, at);
        return Diagnostic::source("Y0011", format!("`{}` is no escape that YAML knows", &text[start..end]))
            .with_label(
                Span::new(file, offset(start), offset(end)),
                "inside double quotes a backslash begins an escape",
            )
            .with_hint("double the backslash, or use single quotes: `'...'`");
    }
    if info.contains("unknown anchor") {
        let name: String =
            text[at..].chars().take_while(|c| !c.is_whitespace() && !matches!(c, ',' | ']' | '}')).collect();
        return Diagnostic::source("Y0009", format!("unknown anchor `{name}`"))
            .with_label(Span::new(file, here.start, here.start + offset(name.len())), "no `&` with this name before it")
            .with_hint(format!("define the anchor first, or put the value in quotes: `\"{name}\"`"));
    }
    if info.contains("unexpected character") {
        let found: String = text[at..].chars().take(1).collect();
        return Diagnostic::source("Y0008", format!("a value cannot begin with `{found}`"))
            .with_label(here, "reserved by YAML")
            .with_hint(format!("put the value in quotes: `{}`", quoted(value_at(text, at))));
    }
    if info.contains("mapping values are not allowed") || info.contains("simple key expect") {
        return misplaced_colon(text, file, at, so_far, indent);
    }
    if let Some(open) = unclosed_bracket(text, at)
        .filter(|_| info.contains("flow") || info.contains("indentation") || info.contains("illegal placement"))
    {
        let bracket = &text[open..=open];
        let close = if bracket == "[" { ']' } else { '}' };
        if info.contains("indentation") {
            return Diagnostic::source("Y0006", format!("a line inside `{bracket}` is not indented"))
                .with_label(here, "starts too far left")
                .with_label(Span::new(file, offset(open), offset(open + 1)), "opened here")
                .with_hint(format!("indent the lines up to `{close}` further than the key"));
        }
        return Diagnostic::source("Y0007", format!("`{bracket}` is never closed"))
            .with_label(Span::new(file, offset(open), offset(open + 1)), "opened here")
            .with_label(here, format!("expected `,` or `{close}` here"))
            .with_hint(format!("add the missing `,` or `{close}`, or put the value in quotes"));
    }
    if info.contains("misplaced bracket") {
        return Diagnostic::source("Y0007", "a closing bracket without an opening one")
            .with_label(here, "nothing to close")
            .with_hint("remove it, or put the value in quotes");
    }
    if info.contains("recursion limit") {
        return Diagnostic::source("Y0015", "nested too deep")
            .with_label(here, "too deep")
            .with_hint("flatten the structure, or split it into several variables");
    }
    if info.contains("block scalar") {
        let hint =
            if info.contains("start with a tab") { "indent with spaces" } else { "put the text on the next line" };
        let code = if info.contains("tab") { "Y0002" } else { "Y0006" };
        return Diagnostic::source(code, "the text block is not written as YAML wants it")
            .with_label(here, info.trim_start_matches("while scanning a block scalar, ").to_owned())
            .with_hint(hint);
    }
    let structure = ["expected key", "'-' indicator", "indentation", "not allowed in this context", "node content"];
    if structure.iter().any(|part| info.contains(part)) {
        return bad_structure(text, file, at, here, so_far);
    }
    Diagnostic::source("Y0001", format!("invalid YAML: {}", info.trim_end_matches('.')))
        .with_label(here, "here")
        .with_hint("put the value in quotes if this is meant as text")
}

/// `key: {{ name }}`: YAML reads the braces as a mapping.
pub(super) fn unquoted_template(text: &str, file: FileId, start: u32) -> Diagnostic {
    let start = start as usize;
    let value = value_at(text, start);
    let line = line_start(text, start);
    let before = text[line..start].trim_start();
    let after = text[start + value.len()..line_end(text, start)].trim_end();
    let closing = if after.chars().all(|c| matches!(c, '}' | ']')) { after } else { "" };
    Diagnostic::source("Y0004", "a value that begins with `{{` must be quoted")
        .with_label(Span::new(file, offset(start), offset(start + value.len())), "YAML reads `{` as a mapping")
        .with_hint(format!("put the value in quotes: `{before}{}{closing}`", quoted(value)))
}

/// The value that starts at `at`, to the end of its line, without a comment.
fn value_at(text: &str, at: usize) -> &str {
    let mut value = text[at..line_end(text, at)].trim_end();
    // Inside of `{ }` the outer bracket is no part of it.
    while value.ends_with('}') && value.matches('}').count() > value.matches('{').count() {
        value = value[..value.len() - 1].trim_end();
    }
    value.split(" #").next().unwrap_or(value).trim_end()
}

fn quoted(value: &str) -> String {
    if !value.contains('"') && !value.contains('\\') {
        format!("\"{value}\"")
    } else {
        format!("'{}'", value.replace('\'', "''"))
    }
}

/// Where a line has `{{` as the start of a value.
fn unquoted_in(text: &str, line: usize) -> Option<usize> {
    let whole = &text[line..line_end(text, line)];
    whole.match_indices("{{").map(|(at, _)| at).find_map(|at| {
        let before = whole[..at].trim_end();
        let is_value = before.ends_with(':') || before.trim_start() == "-" || before.ends_with(" -");
        (is_value && !before.contains(['"', '\''])).then_some(line + at)
    })
}

fn misplaced_colon(text: &str, file: FileId, at: usize, so_far: &str, indent: usize) -> Diagnostic {
    let here = next_char_span(text, file, at);
    let line = line_start(text, at);
    if so_far.contains(": ") || so_far.trim_end().ends_with(':') {
        let value_from = so_far.find(": ").map_or(line, |found| line + found + 2);
        let start = value_from + (text[value_from..].len() - text[value_from..].trim_start_matches(' ').len());
        return Diagnostic::source("Y0005", "a value without quotes cannot hold `: `")
            .with_label(here, "YAML reads this as another key")
            .with_hint(format!("put the value in quotes: `{}`", quoted(value_at(text, start.min(text.len())))));
    }
    let above = previous_line(text, line);
    match above {
        Some((start, above)) => {
            let above_indent = above.len() - above.trim_start_matches(' ').len();
            let place = Span::new(file, offset(start + above_indent), offset(start + above.trim_end().len()));
            if above_indent == indent && !above.contains(':') {
                Diagnostic::source("Y0005", format!("expected `:` after `{}`", above.trim()))
                    .with_label(place, "no key and value")
                    .with_hint(format!("write `{}:`", above.trim()))
            } else {
                Diagnostic::source("Y0006", "this line does not line up with the one above")
                    .with_label(here, "a key cannot start inside a value")
                    .with_label(place, "the value that goes on here")
                    .with_hint(if indent > above_indent {
                        format!(
                            "indent it by {above_indent} spaces like the line above, or end the line above with `:`"
                        )
                    } else {
                        "indent it as the keys beside it".to_owned()
                    })
            }
        }
        None => Diagnostic::source("Y0005", "a value without quotes cannot hold `: `")
            .with_label(here, "YAML reads this as a key")
            .with_hint("put the value in quotes"),
    }
}

fn bad_structure(text: &str, file: FileId, at: usize, here: Span, so_far: &str) -> Diagnostic {
    let line = line_start(text, at);
    let indent = so_far.len() - so_far.trim_start_matches(' ').len();
    let before = so_far.trim();
    let mut error = if before.is_empty() || before == "-" {
        let dash = before == "-" || text[at..].starts_with("- ");
        let message =
            if dash { "a list item where a key is expected" } else { "this line does not fit the indentation above" };
        Diagnostic::source("Y0006", message).with_label(here, if dash { "list item" } else { "unexpected here" })
    } else {
        Diagnostic::source("Y0006", "unexpected text after a value").with_label(here, "the value ended before this")
    };
    if let Some((start, above)) = previous_line(text, line) {
        let above_indent = above.len() - above.trim_start_matches(' ').len();
        if before.is_empty() || before == "-" {
            let span = Span::new(file, offset(start + above_indent), offset(start + above.trim_end().len()));
            error = error
                .with_label(span, format!("indented by {above_indent}"))
                .with_note(format!("this line is indented by {indent}"));
        }
    }
    error.with_hint(if before.is_empty() || before == "-" {
        "line it up with the items or keys beside it"
    } else {
        "put the whole value in quotes"
    })
}

/// The nearest line above that is neither blank nor a comment.
fn previous_line(text: &str, mut line: usize) -> Option<(usize, &str)> {
    while line > 0 {
        line = line_start(text, line - 1);
        let content = &text[line..line_end(text, line)];
        let trimmed = content.trim();
        if !trimmed.is_empty() && !trimmed.starts_with('#') && trimmed != "---" {
            return Some((line, content));
        }
    }
    None
}

/// The last bracket before `at` that is still open.
pub(super) fn unclosed_bracket(text: &str, at: usize) -> Option<usize> {
    let mut open = Vec::new();
    let mut quote = None;
    let mut before = '\n';
    let mut comment = false;
    for (index, c) in text[..at].char_indices() {
        match (quote, c) {
            _ if comment => comment = c != '\n',
            (Some('"'), _) if before == '\\' => {
                before = ' ';
                continue;
            }
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(c),
            (None, '#') if before.is_whitespace() => comment = true,
            (None, '[' | '{') => open.push(index),
            (None, ']' | '}') => {
                open.pop();
            }
            _ => {}
        }
        before = c;
    }
    open.pop()
}

/// The escape that is wrong in the double-quoted scalar that opens at `at`.
fn bad_escape(text: &str, at: usize) -> (usize, usize) {
    let mut chars = text[at..].char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        if c == '"' {
            break;
        }
        if c == '\\' {
            let Some((next, escaped)) = chars.next() else { break };
            let digits = match escaped {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                _ => 0,
            };
            let good = if digits > 0 {
                let hex = text[at + next + 1..].get(..digits).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
                hex.and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32).is_some()
            } else {
                "0abt\tnvfre \"/\\N_LP\n\r".contains(escaped)
            };
            if !good {
                return (at + index, at + next + escaped.len_utf8());
            }
        }
    }
    (at, floor(text, at + 1))
}

fn next_char_span(text: &str, file: FileId, at: usize) -> Span {
    let length = text[at..].chars().next().filter(|c| *c != '\n' && *c != '\r').map_or(0, char::len_utf8);
    Span::new(file, offset(at), offset(at + length))
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
