//! Python's `re` on fancy-regex: patterns and replacements translated, compiled once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use fancy_regex::{Captures, Regex, RegexBuilder};

use super::fail::{Fail, R};

/// Patterns kept compiled.
const MAX_KEPT: usize = 2000;

/// Where a match has to lie.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Anchor {
    /// Anywhere: `re.search`.
    None,
    /// It begins where the text begins: `re.match`.
    Start,
    /// It is the whole text: `re.fullmatch`.
    Whole,
}

type Cache = Mutex<HashMap<(String, Anchor, bool, bool), Arc<Regex>>>;

/// Fails as Python does for a pattern that is written wrong, at its place in the pattern.
fn well_formed(pattern: &str) -> R<()> {
    match crate::value::pattern_error(pattern, false) {
        Some(words) => Err(Fail::said(format!("the pattern `{pattern}` is wrong: {words}"), words)),
        None => Ok(()),
    }
}

/// A compiled pattern that matches anywhere.
pub fn compile(pattern: &str, ignore_case: bool, multiline: bool) -> R<Arc<Regex>> {
    anchored(pattern, Anchor::None, ignore_case, multiline)
}

/// A compiled pattern.
pub fn anchored(pattern: &str, anchor: Anchor, ignore_case: bool, multiline: bool) -> R<Arc<Regex>> {
    static CACHE: OnceLock<Cache> = OnceLock::new();
    let cache = CACHE.get_or_init(Mutex::default);
    let key = (pattern.to_owned(), anchor, ignore_case, multiline);
    if let Some(regex) = cache.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Ok(Arc::clone(regex));
    }
    well_formed(pattern)?;
    let (given, body) = leading_flags(pattern);
    let flags = Flags {
        ignore_case: ignore_case || given.contains('i'),
        multiline: multiline || given.contains('m'),
        dot_all: given.contains('s'),
        verbose: given.contains('x'),
        ascii: given.contains('a'),
    };
    let body = translate(body, flags);
    // Flags count for the whole pattern, so they stand before what is put around it. A match must begin at the start
    // even where an earlier alternative matches later.
    let text = match anchor {
        Anchor::None => format!("{}{body}", flags.spelled()),
        Anchor::Start => format!("{}\\A(?:{body})", flags.spelled()),
        Anchor::Whole => format!("{}\\A(?:{body})\\z", flags.spelled()),
    };
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

/// Flags of a whole pattern.
#[derive(Clone, Copy)]
struct Flags {
    ignore_case: bool,
    multiline: bool,
    dot_all: bool,
    verbose: bool,
    ascii: bool,
}

impl Flags {
    /// Those that fancy-regex is told; the others are dealt with in the translation.
    fn spelled(self) -> String {
        let flags = [(self.ignore_case, 'i'), (self.multiline, 'm'), (self.dot_all, 's')];
        let flags: String = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| *flag).collect();
        if flags.is_empty() { flags } else { format!("(?{flags})") }
    }
}

/// The flags that a pattern begins with (`(?im)`, comments between them), and the rest of it.
fn leading_flags(pattern: &str) -> (String, &str) {
    let (mut flags, mut rest) = (String::new(), pattern);
    while let Some((inner, after)) = rest.strip_prefix("(?").and_then(|rest| rest.split_once(')')) {
        if !inner.starts_with('#') {
            if inner.is_empty() || !inner.chars().all(|c| "aiLmsux".contains(c)) {
                break;
            }
            flags.push_str(inner);
        }
        rest = after;
    }
    (flags, rest)
}

/// What stands for a class of characters, with `a` for ASCII only; `class`: inside of brackets.
fn ascii_class(kind: char, class: bool) -> Option<String> {
    const WORD: &str = "0-9A-Za-z_";
    let inner = match kind.to_ascii_lowercase() {
        'w' => WORD,
        'd' => "0-9",
        's' => r" \t\n\r\x0b\x0c",
        'b' if !class => {
            let (behind, ahead) = (format!("(?<=[{WORD}])"), format!("(?=[{WORD}])"));
            let (not_behind, not_ahead) = (format!("(?<![{WORD}])"), format!("(?![{WORD}])"));
            return Some(match kind {
                'b' => format!("(?:{behind}{not_ahead}|{not_behind}{ahead})"),
                _ => format!("(?:{behind}{ahead}|{not_behind}{not_ahead})"),
            });
        }
        _ => return None,
    };
    Some(match (kind.is_ascii_uppercase(), class) {
        (true, _) => format!("[^{inner}]"),
        (false, true) => inner.to_owned(),
        (false, false) => format!("[{inner}]"),
    })
}

/// A pattern of Python's `re` in the words of fancy-regex; its flags were taken from it.
fn translate(pattern: &str, flags: Flags) -> String {
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut at = 0;
    let mut class = false;
    let mut class_start = 0;
    // Blanks were left out, which may part two digits.
    let mut parted = false;
    while at < chars.len() {
        let c = chars[at];
        if flags.verbose && !class && (c == '#' || matches!(c, ' ' | '\t'..='\r')) {
            at += match c {
                '#' => chars[at..].iter().position(|c| *c == '\n').unwrap_or(chars.len() - at),
                _ => 1,
            };
            parted = true;
            continue;
        }
        if std::mem::take(&mut parted) && c.is_ascii_digit() && out.ends_with(|c: char| c.is_ascii_digit()) {
            out.push_str("(?:)");
        }
        if c == '\\' {
            let Some(next) = chars.get(at + 1).copied() else {
                out.push_str("\\\\");
                break;
            };
            at += 2;
            if flags.ascii
                && let Some(text) = ascii_class(next, class)
            {
                out.push_str(&text);
                continue;
            }
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
            '(' if chars[at..].starts_with(&['(', '?', '#']) => {
                // A comment.
                parted = true;
                at += chars[at..].iter().position(|c| *c == ')').unwrap_or(chars.len() - at - 1);
            }
            '(' if scoped(&chars[at..]).is_some() => {
                // Flags of a group; those of Python alone say what is so anyway.
                let length = scoped(&chars[at..]).unwrap_or(0);
                let known = |c: &&char| !"aLu".contains(**c);
                let kept: String = chars[at + 2..at + 2 + length].iter().filter(known).collect();
                out.push_str("(?");
                out.push_str(&kept);
                at += 1 + length;
            }
            '$' if !flags.multiline => out.push_str("(?=\\n?\\z)"),
            '{' if !is_repeat(&chars[at..]) => out.push_str("\\{"),
            _ => out.push(c),
        }
        at += 1;
    }
    out
}

/// How many flags stand in `(?i-s:`, if such a group begins here.
fn scoped(chars: &[char]) -> Option<usize> {
    let rest = chars.strip_prefix(&['(', '?'])?;
    let length = rest.iter().take_while(|c| "aiLmsux-".contains(**c)).count();
    (length > 0 && rest.get(length) == Some(&':')).then_some(length)
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

/// The leftmost match.
pub fn search<'t>(regex: &Regex, text: &'t str) -> R<Option<Captures<'t, str>>> {
    regex.captures(text).map_err(|error| wrong(&error))
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

    fn finds(pattern: &str, anchor: Anchor, text: &str) -> bool {
        let regex = anchored(pattern, anchor, false, false).ok().expect("compiles");
        search(&regex, text).ok().expect("searches").is_some()
    }

    #[test]
    fn flags_at_the_beginning_count_for_the_whole_pattern() {
        use Anchor::{None, Start, Whole};
        for (pattern, anchor, text, wanted) in [
            ("(?i)foo", Start, "Foo", true),
            ("(?i)foo", Whole, "Foo", true),
            ("(?i)foo", Whole, "Foo bar", false),
            ("(?i)(?m)b$", None, "aB\nc", true),
            ("(?#note)(?i)foo", Start, "FOO", true),
            ("(?is)a.b", Start, "A\nB", true),
            ("(?m)a$", Start, "a\nb", true),
            ("(?a)\\w+", Whole, "\u{e9}t\u{e9}", false),
            ("\\w+", Whole, "\u{e9}t\u{e9}", true),
            ("(?a)[\\w\u{e9}]+\\b", Whole, "a\u{e9}b", true),
            ("(?a)\\bt\\b", None, "\u{e9}t\u{e9}", true),
            ("(?u)\\bt\\b", None, "\u{e9}t\u{e9}", false),
            ("(?x)foo # comment", Start, "foo", true),
            ("(?x)foo # ([ comment", Start, "foobar", true),
            ("(?x) f o\\ o [ #] (a) \\1 0", Whole, "fo o#aa0", true),
            ("a|ab", Start, "ab", true),
            ("a|ab", Whole, "ab", true),
            ("b|^a", Start, "ba", true),
            ("x|b", Start, "ab", false),
            ("a", Whole, "a\n", false),
            ("(?a:a)(?i-s:B)", Whole, "ab", true),
        ] {
            assert_eq!(finds(pattern, anchor, text), wanted, "{pattern} {text:?}");
        }
    }

    #[test]
    fn a_wrong_pattern_is_told_at_its_own_place() {
        for (pattern, place) in [("a(?i)b", "position 1"), ("(?i)a(", "position 5"), ("[a", "position 0")] {
            for anchor in [Anchor::None, Anchor::Start, Anchor::Whole] {
                match anchored(pattern, anchor, false, false) {
                    Err(Fail::Diag(error)) => assert!(error.message.contains(place), "{pattern}: {}", error.message),
                    _ => panic!("{pattern} is wrong"),
                }
            }
        }
    }
}
