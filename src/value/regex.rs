//! Python's `re` on top of fancy-regex: the differences in syntax are translated.
//!
//! [`PythonRegex::bytes`] has the semantics of a Python bytes pattern (every byte a character, classes
//! are ASCII), which modules that edit files use; [`PythonRegex::text`] those of a text pattern.

use fancy_regex::{Captures, Regex};

use super::re_replace::Replacement;
use super::re_translate::{Anchor, PatternFlags, translated};

/// A compiled Python pattern.
#[derive(Debug, Clone)]
pub struct PythonRegex {
    regex: Regex,
    bytes: bool,
}

/// Groups of a match, the whole at 0; `None` where a group took no part.
#[derive(Debug, Clone)]
pub struct Match {
    /// Text of each group (for bytes patterns: one character a byte).
    groups: Vec<Option<String>>,
    names: Vec<Option<String>>,
    /// Where the whole match starts, in bytes of the searched text.
    pub start: usize,
    /// One past its end.
    pub end: usize,
}

/// Every byte as the character of its number.
fn widen(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn narrow(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

impl PythonRegex {
    /// `re.compile(pattern)`; the error is Python's sentence.
    pub fn text(pattern: &str) -> Result<Self, String> {
        Self::compile("", pattern, false)
    }

    /// `re.compile(pattern.encode())`.
    pub fn bytes(pattern: &str) -> Result<Self, String> {
        Self::compile("", &widen(pattern.as_bytes()), true)
    }

    /// `re.compile(pattern, flags)`, the flags as they are written in a pattern: `m`.
    pub fn text_with(flags: &str, pattern: &str) -> Result<Self, String> {
        Self::compile(flags, pattern, false)
    }

    /// `re.compile(pattern.encode(), flags)`.
    pub fn bytes_with(flags: &str, pattern: &str) -> Result<Self, String> {
        Self::compile(flags, &widen(pattern.as_bytes()), true)
    }

    fn compile(flags: &str, pattern: &str, bytes: bool) -> Result<Self, String> {
        if let Some(words) = super::pattern_error(pattern, bytes) {
            return Err(words);
        }
        let flags = PatternFlags { ascii: bytes, ..PatternFlags::default() }.with(flags);
        let text = translated(pattern, flags, Anchor::None);
        Regex::new(&text).map(|regex| Self { regex, bytes }).map_err(|error| error.to_string())
    }

    /// `search` in bytes; for patterns made by [`Self::bytes`].
    pub fn search_bytes(&self, hay: &[u8]) -> Result<Option<Match>, String> {
        let wide = widen(hay);
        Ok(self.search(&wide)?.map(|mut found| {
            found.start = wide[..found.start].chars().count();
            found.end = wide[..found.end].chars().count();
            found
        }))
    }

    /// `search` in text.
    pub fn search(&self, hay: &str) -> Result<Option<Match>, String> {
        let found = self.regex.captures(hay).map_err(|error| error.to_string())?;
        Ok(found.map(|captures| self.found(&captures)))
    }

    fn found(&self, captures: &Captures<'_, str>) -> Match {
        let groups = (0..captures.len()).map(|at| captures.get(at).map(|group| group.as_str().to_owned())).collect();
        let whole = captures.get(0);
        Match {
            groups,
            names: self.names(),
            start: whole.map_or(0, |group| group.start()),
            end: whole.map_or(0, |group| group.end()),
        }
    }

    /// `re.subn(pattern, template, hay)`: the new text and how many places were replaced. Empty matches are
    /// replaced as Python does, also right behind another match.
    pub fn substitute(&self, hay: &str, template: &str) -> Result<(String, usize), String> {
        // Python reads the template before it searches, so a wrong one is an error without any match too.
        let replacement = Replacement::parse(template, &self.names())?;
        let mut out = String::with_capacity(hay.len());
        let (mut copied, mut count) = (0, 0);
        for found in matches(&self.regex, hay).map_err(|error| error.to_string())? {
            let Some(whole) = found.get(0) else { continue };
            out.push_str(&hay[copied..whole.start()]);
            replacement.expand(&mut out, |index| found.get(index).map(|group| group.as_str()));
            copied = whole.end();
            count += 1;
        }
        out.push_str(&hay[copied..]);
        Ok((out, count))
    }

    fn names(&self) -> Vec<Option<String>> {
        self.regex.capture_names().map(|name| name.map(str::to_owned)).collect()
    }

    /// Where a named group of the first match lies, in bytes of the text.
    pub fn group_range(&self, hay: &str, name: &str) -> Result<Option<(usize, usize)>, String> {
        let captures = self.regex.captures(hay).map_err(|error| error.to_string())?;
        Ok(captures.map(|captures| captures.name(name).map_or((0, 0), |group| (group.start(), group.end()))))
    }

    /// `match.expand(template)` for a bytes match; the template is text.
    pub fn expand_bytes(&self, found: &Match, template: &str) -> Result<Vec<u8>, String> {
        debug_assert!(self.bytes, "a bytes pattern");
        found.expand(&widen(template.as_bytes())).map(|wide| narrow(&wide))
    }
}

impl Match {
    /// A group's text by number.
    pub fn group(&self, at: usize) -> Option<&str> {
        self.groups.get(at)?.as_deref()
    }

    /// All groups but the whole.
    pub fn groups(&self) -> Vec<Option<&str>> {
        self.groups.iter().skip(1).map(Option::as_deref).collect()
    }

    /// Named groups.
    pub fn named(&self) -> Vec<(&str, Option<&str>)> {
        self.names
            .iter()
            .zip(&self.groups)
            .filter_map(|(name, text)| Some((name.as_deref()?, text.as_deref())))
            .collect()
    }

    /// `match.expand(template)`: `\1`, `\g<1>`, `\g<name>`, `\n` and the like.
    pub fn expand(&self, template: &str) -> Result<String, String> {
        let mut out = String::new();
        Replacement::parse(template, &self.names)?.expand(&mut out, |index| self.group(index));
        Ok(out)
    }
}

/// Every match as Python finds them: an empty one may follow a longer one directly.
pub fn matches<'t>(regex: &Regex, text: &'t str) -> Result<Vec<Captures<'t, str>>, fancy_regex::Error> {
    let mut all = Vec::new();
    let mut from = 0;
    while from <= text.len() {
        let Some(found) = regex.captures_from_pos(text, from)? else { break };
        let Some((start, end)) = found.get(0).map(|whole| (whole.start(), whole.end())) else { break };
        // Behind an empty match the search goes on one character later.
        let past = || end + text.get(end..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        from = if end > start { end } else { past() };
        all.push(found);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, hay: &str, expected: Option<&str>) {
        for regex in [PythonRegex::text(pattern), PythonRegex::bytes(pattern)] {
            let regex = regex.unwrap_or_else(|error| panic!("{pattern}: {error}"));
            let found = if regex.bytes { regex.search_bytes(hay.as_bytes()) } else { regex.search(hay) };
            let found = found.expect("no limit").map(|found| narrow(found.group(0).unwrap_or_default()));
            let wanted = expected.map(|text| text.as_bytes().to_vec());
            if regex.bytes || hay.is_ascii() {
                assert_eq!(found, wanted, "{pattern} in {hay}");
            }
        }
    }

    #[test]
    fn patterns_mean_what_they_mean_in_python() {
        check("^foo$", "foo\n", Some("foo"));
        check("o$", "foo\nbar\n", None);
        check("(?m)o$", "foo\nbar\n", Some("o"));
        check(r"foo\Z", "foo\n", None);
        check(r"^#?\s*Port\s", "# Port 22", Some("# Port "));
        check(r"[[a]", "x[", Some("["));
        check(r"[a&&b]", "&", Some("&"));
        check(r"a{x}", "a{x}", Some("a{x}"));
        check(r"a{,2}b", "aab", Some("aab"));
        check(r"a{,}b", "aaab", Some("aaab"));
        check(r"a{2}", "aaa", Some("aa"));
        check(r"[\101-C]+\104\012", "ABCD\n", Some("ABCD\n"));
        check(r"(a)\1[\1]", "aa\x01", Some("aa\x01"));
        check("(?x) a b # c", "ab", Some("ab"));
        check(r"\<b\>", "<b>", Some("<b>"));
        check(r"\/etc\/\-\ x", "/etc/- x", Some("/etc/- x"));
        check(r"(?P<q>['\x22]).*(?P=q)", "a 'b' c", Some("'b'"));
        check(r"(?<!#)listen", "#listen listen", Some("listen"));
        check(r"(?i)PORT", "port", Some("port"));
        check(r"x]", "x]", Some("x]"));
        check("é", "caf\u{e9}", Some("é"));
    }

    #[test]
    fn replacements_expand_groups() {
        let regex = PythonRegex::bytes(r"^(?P<key>\w+)=(.*)$").expect("pattern");
        let found = regex.search_bytes(b"port=22\n").expect("no limit").expect("found");
        assert_eq!(regex.expand_bytes(&found, r"\g<key>: \2\n\\é").expect("template"), "port: 22\n\\é".as_bytes());
        assert!(regex.expand_bytes(&found, r"\3").is_err());
        assert!(PythonRegex::text("(").is_err());
    }

    #[test]
    fn substitutions_count_as_pythons_do() {
        let check = |pattern: &str, hay: &str, template: &str, expected: &str, count: usize| {
            let regex = PythonRegex::text(pattern).expect(pattern);
            assert_eq!(regex.substitute(hay, template), Ok((expected.to_owned(), count)), "{pattern} in {hay}");
        };
        check("x*", "abxd", "-", "-a-b--d-", 5);
        check("(?m)^(.*)$", "é\nb", r"<\1>", "<é>\n<b>", 2);
        check("(?P<k>a)(b)?", "aab", r"\g<k>\2.", "a.ab.", 2);
        check("z", "a", "b", "a", 0);
        let section = PythonRegex::text("(?s)<(?P<subsection>.*?)>").expect("pattern");
        assert_eq!(section.group_range("é<b\n>", "subsection"), Ok(Some((3, 5))));
    }
}
