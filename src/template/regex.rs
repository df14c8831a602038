//! Python's `re` on fancy-regex: patterns and replacements translated, compiled once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use fancy_regex::{Captures, Regex, RegexBuilder};

use super::fail::{Fail, R};

/// Patterns kept compiled.
const MAX_KEPT: usize = 2000;

type Cache = Mutex<HashMap<(String, bool, bool), Arc<Regex>>>;

/// Fails as Python does for a pattern that is written wrong, at its place in the pattern.
pub fn well_formed(pattern: &str) -> R<()> {
    match crate::value::pattern_error(pattern, false) {
        Some(words) => Err(Fail::said(format!("the pattern `{pattern}` is wrong: {words}"), words)),
        None => Ok(()),
    }
}

/// A compiled pattern.
pub fn compile(pattern: &str, ignore_case: bool, multiline: bool) -> R<Arc<Regex>> {
    static CACHE: OnceLock<Cache> = OnceLock::new();
    let cache = CACHE.get_or_init(Mutex::default);
    let key = (pattern.to_owned(), ignore_case, multiline);
    if let Some(regex) = cache.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Ok(Arc::clone(regex));
    }
    well_formed(pattern)?;
    let mut flags = String::new();
    if ignore_case {
        flags.push('i');
    }
    if multiline {
        flags.push('m');
    }
    let mut text = translate(pattern, multiline);
    if !flags.is_empty() {
        text = format!("(?{flags}){text}");
    }
    let regex = RegexBuilder::new(&text)
        .backtrack_limit(5_000_000)
        .build()
        .map_err(|error| Fail::said(format!("the pattern `{pattern}` is wrong: {error}"), error.to_string()))?;
    let regex = Arc::new(regex);
    let mut kept = cache.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= MAX_KEPT {
        kept.clear();
    }
    kept.insert(key, Arc::clone(&regex));
    Ok(regex)
}

/// A pattern of Python's `re` in the words of fancy-regex.
fn translate(pattern: &str, multiline: bool) -> String {
    let multiline = multiline || pattern.starts_with("(?m") || pattern.starts_with("(?im");
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut at = 0;
    let mut class = false;
    let mut class_start = 0;
    while at < chars.len() {
        let c = chars[at];
        if c == '\\' {
            let Some(next) = chars.get(at + 1).copied() else {
                out.push_str("\\\\");
                break;
            };
            at += 2;
            match next {
                'Z' => out.push_str("\\z"),
                'A'
                | 'b'
                | 'B'
                | 'd'
                | 'D'
                | 's'
                | 'S'
                | 'w'
                | 'W'
                | 'n'
                | 'r'
                | 't'
                | 'f'
                | 'v'
                | 'a'
                | 'x'
                | 'u'
                | 'U'
                | '0'..='9' => {
                    if next == '0' {
                        out.push_str("\\x00");
                    } else if class && next == 'b' {
                        out.push_str("\\x08");
                    } else {
                        out.push('\\');
                        out.push(next);
                    }
                }
                // The rest stands for itself.
                other if other.is_ascii_punctuation() && !matches!(other, '<' | '>' | '\'' | '"' | '`' | '_' | '@') => {
                    out.push('\\');
                    out.push(other);
                }
                other => out.push(other),
            }
            continue;
        }
        if class {
            let first = at == class_start || (at == class_start + 1 && chars[class_start] == '^');
            match c {
                ']' if !first => {
                    class = false;
                    out.push(']');
                }
                ']' => out.push_str("\\]"),
                '[' | '&' | '~' => {
                    out.push('\\');
                    out.push(c);
                }
                '-' if chars.get(at + 1) == Some(&'-') => out.push_str("\\-"),
                _ => out.push(c),
            }
            at += 1;
            continue;
        }
        match c {
            '[' => {
                class = true;
                class_start = at + 1;
                out.push('[');
            }
            '$' if !multiline => out.push_str("(?=\\n?\\z)"),
            '{' if !is_repeat(&chars[at..]) => out.push_str("\\{"),
            _ => out.push(c),
        }
        at += 1;
    }
    out
}

fn is_repeat(chars: &[char]) -> bool {
    let end = chars.iter().position(|c| *c == '}');
    let Some(end) = end else { return false };
    let inner = &chars[1..end];
    !inner.is_empty()
        && inner.iter().all(|c| c.is_ascii_digit() || *c == ',')
        && inner.iter().filter(|c| **c == ',').count() <= 1
        && inner.iter().any(char::is_ascii_digit)
}

fn wrong(error: &fancy_regex::Error) -> Fail {
    Fail::msg(format!("the pattern can not be matched: {error}"))
}

/// `re.search` (or `re.match`, `re.fullmatch`).
pub fn search<'t>(regex: &Regex, text: &'t str, mode: &str) -> R<Option<Captures<'t, str>>> {
    let found = regex.captures(text).map_err(|error| wrong(&error))?;
    Ok(match (found, mode) {
        (Some(found), "match") => {
            let at_start = found.get(0).is_some_and(|whole| whole.start() == 0);
            // The leftmost match starts at 0 if any does.
            at_start.then_some(found)
        }
        (Some(found), "fullmatch") => {
            let whole = found.get(0).is_some_and(|whole| whole.start() == 0 && whole.end() == text.len());
            whole.then_some(found)
        }
        (found, _) => found,
    })
}

/// Every match as Python finds them: an empty one may follow a longer one directly.
pub fn all<'t>(regex: &Regex, text: &'t str) -> R<Vec<Captures<'t, str>>> {
    let mut out = Vec::new();
    let mut at = 0;
    let mut last_end = None;
    while at <= text.len() {
        let Some(found) = regex.captures_from_pos(text, at).map_err(|error| wrong(&error))? else { break };
        let Some(whole) = found.get(0) else { break };
        let (start, end) = (whole.start(), whole.end());
        if start == end && last_end == Some((start, true)) {
            at = next_char(text, start);
            last_end = None;
            continue;
        }
        last_end = Some((end, start == end));
        at = end;
        if start == end {
            // Look at the same place for a longer match is what Python does; ours would be the same.
            at = next_char(text, end);
        }
        out.push(found);
        if at > text.len() {
            break;
        }
    }
    Ok(out)
}

fn next_char(text: &str, at: usize) -> usize {
    at + text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
}

/// `re.subn`.
pub fn replace(
    regex: &Regex,
    text: &str,
    replacement: &str,
    count: usize,
    cx: Option<&super::cx::Cx>,
) -> R<(String, usize)> {
    let mut out = String::new();
    let mut last = 0;
    let mut done = 0;
    for found in all(regex, text)? {
        if count > 0 && done >= count {
            break;
        }
        let Some(whole) = found.get(0) else { continue };
        out.push_str(text.get(last..whole.start()).unwrap_or_default());
        expand(&mut out, replacement, &found)?;
        last = whole.end();
        done += 1;
        if let Some(cx) = cx.filter(|_| out.len() > super::limits::MAX_TEXT) {
            cx.room_for_text(out.len())?;
        }
    }
    out.push_str(text.get(last..).unwrap_or_default());
    Ok((out, done))
}

fn expand(out: &mut String, replacement: &str, found: &Captures<'_, str>) -> R<()> {
    let mut chars = replacement.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let group = |index: usize| -> R<&str> {
            if index >= found.len() {
                return Err(Fail::msg(format!("the pattern has no group {index}")));
            }
            Ok(found.get(index).map_or("", |group| group.as_str()))
        };
        match chars.next() {
            None => return Err(Fail::msg("the replacement ends in a backslash")),
            Some('g') if chars.peek() == Some(&'<') => {
                chars.next();
                let name: String = chars.by_ref().take_while(|c| *c != '>').collect();
                match name.parse::<usize>() {
                    Ok(index) => out.push_str(group(index)?),
                    Err(_) => out.push_str(found.name(&name).map_or("", |group| group.as_str())),
                }
            }
            Some(digit @ '0'..='9') => {
                let mut index = digit as usize - '0' as usize;
                if index == 0 {
                    out.push('\0');
                    continue;
                }
                if let Some(second) = chars.peek().copied().filter(char::is_ascii_digit) {
                    index = index * 10 + (second as usize - '0' as usize);
                    chars.next();
                }
                out.push_str(group(index)?);
            }
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('v') => out.push('\u{b}'),
            Some('a') => out.push('\u{7}'),
            Some('\\') => out.push('\\'),
            Some(other) if other.is_ascii_alphabetic() => {
                return Err(Fail::msg(format!("bad escape `\\{other}` in the replacement"))
                    .with_hint("a backslash alone is written `\\\\`"));
            }
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    Ok(())
}

/// `re.escape`.
pub fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sub(pattern: &str, replacement: &str, text: &str) -> String {
        let regex = compile(pattern, false, false).ok().expect("compiles");
        replace(&regex, text, replacement, 0, None).ok().expect("replaces").0
    }

    #[test]
    fn replaces_as_python_does() {
        assert_eq!(sub("x*", "-", "abxd"), "-a-b--d-");
        assert_eq!(sub("(a)(?P<n>b)", r"\2\g<n>\1", "ab"), "bba");
        assert_eq!(sub("b$", "c", "ab\n"), "ac\n");
        assert_eq!(sub(r"[[a&&]", "_", "[a&b"), "___b");
        assert_eq!(sub(r"{x}", "y", "{x}"), "y");
    }
}
