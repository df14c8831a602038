//! Python's `re` on top of fancy-regex: the differences in syntax are translated.
//!
//! [`PythonRegex::bytes`] has the semantics of a Python bytes pattern (every byte a character, classes
//! are ASCII), which modules that edit files use; [`PythonRegex::text`] those of a text pattern.

use std::fmt::Write as _;

use fancy_regex::{Captures, Regex};

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
        let flagged = if flags.is_empty() { pattern.to_owned() } else { format!("(?{flags}){pattern}") };
        let translated = translate(&flagged, bytes);
        Regex::new(&translated).map(|regex| Self { regex, bytes }).map_err(|error| error.to_string())
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
        let names = self.regex.capture_names().map(|name| name.map(str::to_owned)).collect();
        let whole = captures.get(0);
        Match {
            groups,
            names,
            start: whole.map_or(0, |group| group.start()),
            end: whole.map_or(0, |group| group.end()),
        }
    }

    /// `re.subn(pattern, template, hay)`: the new text and how many places were replaced. Empty matches are
    /// replaced as Python does, also right behind another match.
    pub fn substitute(&self, hay: &str, template: &str) -> Result<(String, usize), String> {
        // Python reads the template before it searches, so a wrong one is an error without any match too.
        let names: Vec<Option<String>> = self.regex.capture_names().map(|name| name.map(str::to_owned)).collect();
        Match { groups: vec![None; self.regex.captures_len()], names, start: 0, end: 0 }.expand(template)?;
        let mut out = String::with_capacity(hay.len());
        let (mut copied, mut from, mut count) = (0, 0, 0);
        while from <= hay.len() {
            let captures = self.regex.captures_from_pos(hay, from).map_err(|error| error.to_string())?;
            let Some(captures) = captures else { break };
            let found = self.found(&captures);
            out.push_str(&hay[copied..found.start]);
            out.push_str(&found.expand(template)?);
            copied = found.end;
            count += 1;
            // Behind an empty match the search goes on one character later.
            from = if found.end > found.start {
                found.end
            } else {
                found.end + hay[found.end..].chars().next().map_or(1, char::len_utf8)
            };
        }
        out.push_str(&hay[copied..]);
        Ok((out, count))
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
        let total = template.chars().count();
        let mut chars = template.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '\\' {
                out.push(c);
                continue;
            }
            // Where the part behind the backslash begins; errors are worded as Python words them.
            let place = total - chars.clone().count();
            match chars.next() {
                Some('g') => {
                    if chars.next() != Some('<') {
                        return Err("missing `<` after `\\g` in the replacement".to_owned());
                    }
                    let mut name = String::new();
                    loop {
                        match chars.next() {
                            Some('>') => break,
                            Some(c) => name.push(c),
                            None => return Err("missing `>` in the replacement".to_owned()),
                        }
                    }
                    let at = match name.parse::<usize>() {
                        Ok(at) if at < self.groups.len() => at,
                        Ok(at) => return Err(format!("invalid group reference {at} at position {}", place + 2)),
                        Err(_) => {
                            let found = self.names.iter().position(|known| known.as_deref() == Some(&name));
                            found.ok_or_else(|| format!("unknown group name '{name}'"))?
                        }
                    };
                    out.push_str(self.group(at).unwrap_or_default());
                }
                Some('0') => {
                    let mut code = 0;
                    for _ in 0..2 {
                        if let Some(digit) = chars.peek().and_then(|c| c.to_digit(8)) {
                            code = code * 8 + digit;
                            chars.next();
                        }
                    }
                    out.extend(char::from_u32(code));
                }
                Some(digit @ '1'..='9') => {
                    let mut number = digit.to_digit(10).unwrap_or(0);
                    if let Some(next) = chars.peek().and_then(|c| c.to_digit(10)) {
                        number = number * 10 + next;
                        chars.next();
                    }
                    let at = number as usize;
                    if at >= self.groups.len() {
                        return Err(format!("invalid group reference {number} at position {place}"));
                    }
                    out.push_str(self.group(at).unwrap_or_default());
                }
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('a') => out.push('\u{7}'),
                Some('b') => out.push('\u{8}'),
                Some('f') => out.push('\u{c}'),
                Some('v') => out.push('\u{b}'),
                Some('\\') => out.push('\\'),
                Some(other) if other.is_ascii_alphabetic() => {
                    return Err(format!("bad escape \\{other} at position {}", place - 1));
                }
                Some(other) => {
                    out.push('\\');
                    out.push(other);
                }
                None => return Err("the replacement ends with a backslash".to_owned()),
            }
        }
        Ok(out)
    }
}

/// The pattern in fancy-regex's syntax.
fn translate(pattern: &str, ascii: bool) -> String {
    let chars: Vec<char> = pattern.chars().collect();
    let multiline = leading_flags(&chars).contains('m');
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        match c {
            '\\' => {
                at += 1;
                match chars.get(at) {
                    Some(next) => escape(&mut out, *next, ascii, false),
                    None => out.push('\\'),
                }
            }
            '[' => {
                at = class(&mut out, &chars, at, ascii);
                continue;
            }
            '$' if !multiline => out.push_str("(?=\\n?\\z)"),
            '{' if !is_repeat(&chars[at..]) => out.push_str("\\{"),
            '{' if chars.get(at + 1) == Some(&',') => out.push_str("{0"),
            '(' if chars.get(at + 1) == Some(&'?') => {
                out.push_str("(?");
                at += 2;
                // Flags that mean nothing here.
                if chars[at..].iter().take_while(|c| **c != ')' && **c != ':').all(|c| "aiLmsux-".contains(*c)) {
                    while let Some(flag) = chars.get(at).filter(|c| **c != ')' && **c != ':') {
                        if !"aLu".contains(*flag) {
                            out.push(*flag);
                        }
                        at += 1;
                    }
                    if out.ends_with("(?") && chars.get(at) == Some(&')') {
                        out.truncate(out.len() - 2);
                        at += 1;
                    }
                }
                continue;
            }
            '}' | ']' => {
                if c == ']' || !inside_repeat(&chars, at) {
                    out.push('\\');
                }
                out.push(c);
            }
            other => out.push(other),
        }
        at += 1;
    }
    out
}

fn leading_flags(chars: &[char]) -> String {
    match chars {
        ['(', '?', rest @ ..] => rest.iter().take_while(|c| c.is_ascii_alphabetic()).collect(),
        _ => String::new(),
    }
}

/// `{2}`, `{2,}`, `{,3}` or `{2,3}` begins here.
fn is_repeat(chars: &[char]) -> bool {
    let inner: String = chars.iter().skip(1).take_while(|c| **c != '}').collect();
    chars.len() > inner.chars().count() + 1
        && !inner.is_empty()
        && inner != ","
        && inner.chars().all(|c| c.is_ascii_digit() || c == ',')
        && inner.matches(',').count() <= 1
}

fn inside_repeat(chars: &[char], close: usize) -> bool {
    chars[..close].iter().rposition(|c| *c == '{').is_some_and(|open| is_repeat(&chars[open..=close]))
}

fn escape(out: &mut String, c: char, ascii: bool, in_class: bool) {
    let wrap = |inner: &str, negated: bool| match (in_class, negated) {
        (true, false) => inner.to_owned(),
        (_, true) => format!("[^{inner}]"),
        (false, false) => format!("[{inner}]"),
    };
    match c {
        'Z' if !in_class => out.push_str("\\z"),
        'w' if ascii => out.push_str(&wrap("0-9A-Za-z_", false)),
        'W' if ascii => out.push_str(&wrap("0-9A-Za-z_", true)),
        'd' if ascii => out.push_str(&wrap("0-9", false)),
        'D' if ascii => out.push_str(&wrap("0-9", true)),
        's' if ascii => out.push_str(&wrap(" \\t\\n\\r\\x0b\\x0c", false)),
        'S' if ascii => out.push_str(&wrap(" \\t\\n\\r\\x0b\\x0c", true)),
        'b' if in_class => out.push_str("\\x08"),
        'a' => out.push_str("\\x07"),
        '<' | '>' => out.push(c),
        '0' => out.push_str("\\x00"),
        other if other.is_ascii_alphanumeric() => {
            out.push('\\');
            out.push(other);
        }
        '\n' => out.push_str("\\n"),
        other if other.is_ascii_punctuation() => {
            out.push('\\');
            out.push(other);
        }
        ' ' => out.push_str("\\x20"),
        other => {
            let _ = write!(out, "\\x{{{:x}}}", u32::from(other));
        }
    }
}

/// A character class from `[`; returns where it ends.
fn class(out: &mut String, chars: &[char], open: usize, ascii: bool) -> usize {
    out.push('[');
    let mut at = open + 1;
    if chars.get(at) == Some(&'^') {
        out.push('^');
        at += 1;
    }
    if chars.get(at) == Some(&']') {
        out.push_str("\\]");
        at += 1;
    }
    while let Some(c) = chars.get(at) {
        match c {
            ']' => {
                out.push(']');
                return at + 1;
            }
            '\\' => {
                at += 1;
                if let Some(next) = chars.get(at) {
                    escape(out, *next, ascii, true);
                }
            }
            '[' | '&' | '~' | '#' | ' ' => {
                out.push('\\');
                if *c == ' ' {
                    out.push_str("x20");
                } else {
                    out.push(*c);
                }
            }
            '-' if matches!(chars.get(at + 1), Some('-')) => out.push_str("\\-"),
            other => out.push(*other),
        }
        at += 1;
    }
    at
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
        check(r"a{2}", "aaa", Some("aa"));
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
