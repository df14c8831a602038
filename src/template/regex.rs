//! Python's `re` on fancy-regex: patterns and replacements translated, compiled once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use fancy_regex::{Captures, Regex, RegexBuilder};

use super::fail::{Fail, R};
pub use crate::value::Anchor;
use crate::value::{PatternFlags, Replacement, matches, translated};

/// Patterns kept compiled.
const MAX_KEPT: usize = 2000;

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
    let flags = PatternFlags { ignore_case, multiline, ..PatternFlags::default() };
    let text = translated(pattern, flags, anchor);
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

fn wrong(error: &fancy_regex::Error) -> Fail {
    Fail::msg(format!("the pattern can not be matched: {error}"))
}

/// The leftmost match.
pub fn search<'t>(regex: &Regex, text: &'t str) -> R<Option<Captures<'t, str>>> {
    regex.captures(text).map_err(|error| wrong(&error))
}

/// Every match as Python finds them: an empty one may follow a longer one directly.
pub fn all<'t>(regex: &Regex, text: &'t str) -> R<Vec<Captures<'t, str>>> {
    matches(regex, text).map_err(|error| wrong(&error))
}

/// `re.subn`.
pub fn replace(
    regex: &Regex,
    text: &str,
    replacement: &str,
    count: usize,
    cx: Option<&super::cx::Cx>,
) -> R<(String, usize)> {
    let names: Vec<Option<String>> = regex.capture_names().map(|name| name.map(str::to_owned)).collect();
    let replacement = Replacement::parse(replacement, &names)
        .map_err(|words| Fail::said(format!("the replacement `{replacement}` is wrong: {words}"), words))?;
    let mut out = String::new();
    let mut last = 0;
    let mut done = 0;
    for found in all(regex, text)? {
        if count > 0 && done >= count {
            break;
        }
        let Some(whole) = found.get(0) else { continue };
        out.push_str(text.get(last..whole.start()).unwrap_or_default());
        replacement.expand(&mut out, |index| found.get(index).map(|group| group.as_str()));
        last = whole.end();
        done += 1;
        if let Some(cx) = cx.filter(|_| out.len() > super::limits::MAX_TEXT) {
            cx.room_for_text(out.len())?;
        }
    }
    out.push_str(text.get(last..).unwrap_or_default());
    Ok((out, done))
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
