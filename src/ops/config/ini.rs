//! `ansible.cfg` as Python's `configparser` reads it: sections, `key = value` or `key: value`, lines that go on
//! indented, comments.

use std::collections::HashSet;

use indexmap::IndexMap;

/// Values by section and key (keys in lower case), in order.
pub(super) type Parsed = IndexMap<(String, String), String>;

/// A line that cannot be read.
#[derive(Debug)]
pub(super) struct Unread {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong, for people.
    pub what: String,
    /// What Python says.
    pub words: String,
}

impl Unread {
    /// The bytes of the line.
    pub fn place(&self, text: &str) -> (usize, usize) {
        let start: usize = text.split_inclusive('\n').take(self.line - 1).map(str::len).sum();
        let line = text[start..].lines().next().unwrap_or_default();
        (start + (line.len() - line.trim_start().len()), start + line.trim_end().len())
    }
}

/// The line before its comment, and whether it has one.
fn without_comment(line: &str) -> (&str, bool) {
    if line.trim_start().starts_with(['#', ';']) {
        return ("", true);
    }
    // A comment inside a line needs a space before it.
    let starts = |at: usize| at == 0 || line[..at].ends_with(char::is_whitespace);
    match line.char_indices().find(|(at, c)| *c == ';' && starts(*at)) {
        Some((at, _)) => (&line[..at], true),
        None => (line, false),
    }
}

pub(super) fn parse(text: &str) -> Result<Parsed, Unread> {
    let mut values: IndexMap<(String, String), Vec<&str>> = IndexMap::new();
    let mut sections = HashSet::new();
    let mut section: Option<&str> = None;
    let mut open: Option<(String, String)> = None;
    let mut indent = 0;
    for (index, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = index + 1;
        let unread = |what: String, words: String| Err(Unread { line, what, words });
        let (before, comment) = without_comment(raw);
        let value = before.trim();
        if value.is_empty() {
            if let (false, Some(key)) = (comment, &open) {
                values.entry(key.clone()).or_default().push("");
            }
            continue;
        }
        let own_indent = raw.chars().take_while(|c| c.is_whitespace()).count();
        if let (true, Some(key)) = (own_indent > indent, &open) {
            values.entry(key.clone()).or_default().push(value);
            continue;
        }
        indent = own_indent;
        let broken = format!("Source contains parsing errors: '<string>'\n\t[line {line:>2}]: '{raw}\\n'");
        if let Some(end) = value.strip_prefix('[').and_then(|rest| rest.rfind(']')).filter(|end| *end > 0) {
            let name = &value[1..=end];
            if !sections.insert(name) {
                let words = format!("While reading from '<string>' [line {line:>2}]: section '{name}' already exists");
                return unread(format!("the section `[{name}]` stands twice"), words);
            }
            section = Some(name);
            open = None;
            continue;
        }
        let Some(section) = section else {
            let words = format!("File contains no section headers.\nfile: '<string>', line: {line}\n'{raw}\\n'");
            return unread("stands before the first `[section]`".to_owned(), words);
        };
        if value.starts_with('[') && !value.contains(['=', ':']) {
            return unread("a section's `]` is missing".to_owned(), broken);
        }
        let Some(at) = value.find(['=', ':']).filter(|at| *at > 0) else {
            return unread(format!("`{value}` is no `key = value`"), broken);
        };
        let key = (section.to_owned(), value[..at].trim().to_lowercase());
        if values.contains_key(&key) {
            let words = format!(
                "While reading from '<string>' [line {line:>2}]: option '{}' in section '{section}' already exists",
                key.1
            );
            return unread(format!("`{}` stands twice in [{section}]", key.1), words);
        }
        values.insert(key.clone(), vec![value[at + 1..].trim()]);
        open = Some(key);
    }
    Ok(values.into_iter().map(|(key, lines)| (key, lines.join("\n").trim_end().to_owned())).collect())
}

/// The place of a key in the text: the last one counts.
pub(super) fn place(text: &str, section: &str, key: &str) -> Option<(usize, usize)> {
    let mut here = "";
    let mut found = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if let Some(name) = trimmed.strip_prefix('[') {
            here = name.split(']').next().unwrap_or_default();
        } else if here == section
            && let Some((name, _)) = line.split_once(['=', ':'])
            && name.trim().to_lowercase() == key
        {
            let from = start + (line.len() - line.trim_start().len());
            found = Some((from, start + line.trim_end().len()));
        }
        start += line.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_place_of_a_key_is_its_line() {
        let text = "[a]\nx = 1\n[b]\n x: 2 \n; x = 4\n[c]\ny=3\n";
        let shown = |section: &str, key: &str| super::place(text, section, key).map(|(from, to)| &text[from..to]);
        assert_eq!((shown("a", "x"), shown("b", "x"), shown("c", "x")), (Some("x = 1"), Some("x: 2"), None));
    }

    #[test]
    fn sections_keys_comments_and_lines_that_go_on() {
        let parsed = parse("# c\n[a]\nKey = 1 ; x\nlong: one,\n   two\n\n[b]\nkey=;\nurl = a;b\n").unwrap();
        let get = |section: &str, key: &str| parsed[&(section.to_owned(), key.to_owned())].clone();
        assert_eq!(get("a", "key"), "1");
        assert_eq!(get("a", "long"), "one,\ntwo");
        assert_eq!(get("b", "url"), "a;b");
        let wrong = |text: &str| {
            let error = parse(text).unwrap_err();
            let (from, to) = error.place(text);
            (error.words, text[from..to].to_owned())
        };
        assert_eq!(wrong("x = 1\n").0, "File contains no section headers.\nfile: '<string>', line: 1\n'x = 1\\n'");
        let words = "Source contains parsing errors: '<string>'\n\t[line  2]: ' forks 5\\n'".to_owned();
        assert_eq!(wrong("[a]\n forks 5\n"), (words, "forks 5".to_owned()));
        let twice = "While reading from '<string>' [line  3]: option 'x' in section 'a' already exists";
        assert_eq!(wrong("[a]\nx=1\nx=2").0, twice);
        assert!(wrong("[a]\n[b]\n[a]").0.ends_with("section 'a' already exists"));
    }

    #[test]
    fn what_is_indented_alike_stands_on_its_own_and_empty_lines_end_nothing() {
        let parsed = parse("[a]\n  x = 1\n  y = 2\nz =\n  one\n\n  two\n\n# c\n").unwrap();
        let get = |key: &str| parsed[&("a".to_owned(), key.to_owned())].clone();
        assert_eq!((get("x"), get("y"), get("z")), ("1".to_owned(), "2".to_owned(), "\none\n\ntwo".to_owned()));
    }
}
